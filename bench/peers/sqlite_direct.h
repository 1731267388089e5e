/* A way for SQLite to read a database past the system's page cache, which it cannot do by itself.
 * For reading alone, of a file that nobody writes to: it is never locked, and has no journal. */
#ifndef TACTUS_BENCH_PEERS_SQLITE_DIRECT_H
#define TACTUS_BENCH_PEERS_SQLITE_DIRECT_H

#define SQLITE_DIRECT_NAME "direct"

/* Makes the VFS of that name known to SQLite; due once before it is opened with. Answers SQLite's
 * code. */
int sqlite_direct_register(void);

#endif
