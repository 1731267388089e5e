/* Checksums by which two files are compared: of what they hold, and of how they hold it. */
#ifndef TACTUS_DATABASE_DIGEST_H
#define TACTUS_DATABASE_DIGEST_H

#include "database/database.h"

/* Of the committed objects of a collection, little-endian and in timestamp order, and their number:
 * so of the contents alone, whatever the layout and the file's id. No transaction is open. LIMIT:
 * no query is free of a run, of which the digest borrows the scan; CORRUPT, IO, POISONED. */
enum tactus_status digest_collection(
    tactus_db *db, const struct collection *collection, struct checksum *digest, uint64_t *count
) __attribute__((warn_unused_result));

/* Of all collections: their names and digests in the order of the schema. Errors likewise. */
enum tactus_status digest_logical(tactus_db *db, struct checksum *digest)
    __attribute__((warn_unused_result));

/* Of the canonical image (storage.md S10): the checkpoint, every block that it holds, the logical
 * part of every journal entry after it. The same for a handle that writes and for one that reads,
 * and changes nothing. Blocks are read from the file, not from the cache. No transaction is
 * open. */
enum tactus_status digest_physical(tactus_db *db, struct checksum *digest)
    __attribute__((warn_unused_result));

#endif
