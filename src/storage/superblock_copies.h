/* The superblock's four slots as they were read, and which superblock they come to: what reading
 * and writing share. Only storage/superblock*.c include this. */
#ifndef TACTUS_STORAGE_SUPERBLOCK_COPIES_H
#define TACTUS_STORAGE_SUPERBLOCK_COPIES_H

#include "io/reactor.h"
#include "storage/superblock.h"
#include "storage/superblock_disk.h"
#include "storage/superblock_quorum.h"

#include <stdbool.h>
#include <stdint.h>

struct superblock_copies {
    _Alignas(SECTOR_SIZE) uint8_t slot[SUPERBLOCK_SLOT];  /* being read; or zeros to be written */
    _Alignas(SECTOR_SIZE) struct superblock_disk written; /* the copy that is being written */
    _Alignas(SECTOR_SIZE) struct superblock_disk disk[SUPERBLOCK_COPIES];
    struct quorum_copy quorum[SUPERBLOCK_COPIES];
    bool is_unreadable[SUPERBLOCK_COPIES];
    bool has_tail[SUPERBLOCK_COPIES]; /* bytes behind the copy that should be zero */
    bool has_magic;                   /* any of them begins as a data file does */
    bool has_bytes;                   /* any byte is not zero */
};

/* Forgets what was read. */
void superblock_copies_begin(struct superblock_copies *copies);

/* A request that reads one slot. One after the other, as they were written: what goes wrong with
 * one then concerns that one. */
struct io_request superblock_copies_request(struct superblock_copies *copies, uint32_t slot);

/* Takes in the slot whose request is done and OK. */
void superblock_copies_take(struct superblock_copies *copies, uint32_t slot, bool unreadable);

/* All of that, waiting. IO. */
enum tactus_status superblock_copies_read(
    struct reactor *reactor, struct superblock_copies *copies, struct fault *fault
);

/* What is there, copy by copy. `quorum` is NULL if none was found. */
void superblock_copies_report(
    struct superblock_report *report,
    const struct superblock_copies *copies,
    const struct quorum *quorum
);

/* Chooses, and believes what was chosen only after superblock_fault() has seen it. CORRUPT,
 * VERSION: as superblock_read(). */
enum tactus_status superblock_copies_choose(
    const struct reactor *reactor,
    const struct superblock_copies *copies,
    struct quorum *quorum,
    struct superblock *superblock,
    struct fault *fault
);

#endif
