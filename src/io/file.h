/* Opening, locking and growing the one file. The path ":memory:" is a file that is only memory.
 *
 * Every failure fills the fault (which may be NULL): zone FAULT_ZONE_FILE, the errno, and literals
 * that say what is wrong and what to do. No call here changes a byte of a file that it refuses. */
#ifndef TACTUS_IO_FILE_H
#define TACTUS_IO_FILE_H

#include "io/reactor.h"

enum io_path {
    IO_PATH_AUTO = 0, /* io_uring, or posix where that is refused */
    IO_PATH_URING,    /* TACTUS_IO where it is refused */
    IO_PATH_POSIX
};

struct file_open_options {
    const char *path; /* borrowed for the call */
    bool create;      /* it must not be there yet, unless */
    bool overwrite;   /* with create: one that is there is emptied, once its lock is held */
    bool read_only;   /* not with create */
    enum io_path io;  /* TACTUS_IO=posix in the environment is as strong as IO_PATH_POSIX */
};

enum { FILE_LOCK_WAIT_MS = 500 }; /* the kernel may hold a killed process's lock a little longer */

/* Opens the file and takes its lock: writers alone, readers beside each other. `reactor` may hold
 * anything before; after a failure it is closed. Direct I/O is used where statx says that 4 KiB are
 * aligned enough for it. A file that was created has its directory synced.
 *
 *   TACTUS_ABSENT  there is no such file, and create is not set
 *   TACTUS_EXISTS  there is one (on a block device: something is on it), and overwrite is not set
 *   TACTUS_BUSY    another handle has it; fault.found_number is its process, 0 if that is not known
 *   TACTUS_IO      the system refused, or it is neither a regular file nor a block device */
enum tactus_status file_open(
    struct reactor *reactor, const struct file_open_options *options, struct fault *fault
) __attribute__((warn_unused_result));

/* Another way to the file that `owner` has open, for another thread: the same descriptor (so one
 * lock, and one place where the system reports what it failed to write back), a queue of its own.
 * A flush through either covers what was done through both before it. Growing is the owner's alone.
 * `owner` is kept, must not move, and is closed last. Where the system has no second ring, pread
 * and pwrite do.
 *
 *   TACTUS_IO  this file cannot be shared (no real one, and no ":memory:") */
enum tactus_status file_open_sharing(
    struct reactor *sharing, const struct reactor *owner, struct fault *fault
) __attribute__((warn_unused_result));

/* Waits for what is in flight, then gives back lock, descriptor and ring; of one that shares its
 * file, its own ring alone. A closed one is fine. */
void file_close(struct reactor *reactor);

/* In a child after fork(): gives up the child's descriptor and maps. Touches neither the file nor
 * its lock, which stays the parent's as long as that has the file open, nor what the parent has in
 * flight. A closed one is fine. */
void file_abandon(struct reactor *reactor);

/* Closes, and removes a file that this file_open has newly made at `path`: for a create that went
 * wrong later. One that was there before stays. */
void file_discard(struct reactor *reactor, const char *path);

/* Bytes in the file now. */
uint64_t file_size(const struct reactor *reactor);

/* Makes the file at least `size` bytes long (a multiple of IO_SECTOR), the new part zero and its
 * room on the disk taken, so that no later write can lack space; durable when this returns. Never
 * shrinks. A failure leaves the size as it was, or longer by whole unused sectors.
 *
 * The kernel kills a process (SIGXFSZ) that passes its RLIMIT_FSIZE. We look at the limit first, so
 * that the host of this library gets TACTUS_FULL.
 *
 *   TACTUS_FULL  the disk, a quota, RLIMIT_FSIZE or the device's end is reached
 *   TACTUS_IO    anything else */
enum tactus_status file_grow(struct reactor *reactor, uint64_t size, struct fault *fault)
    __attribute__((warn_unused_result));

#endif
