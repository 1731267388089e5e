/* Which copies of the superblock to trust, and which to write over first: pure, without I/O.
 *
 * Copies of one sequence have one checksum: it covers all but itself and the number of the copy. So
 * copies are told apart by their checksums; the sequence orders them. See storage/superblock.h. */
#ifndef TACTUS_STORAGE_SUPERBLOCK_QUORUM_H
#define TACTUS_STORAGE_SUPERBLOCK_QUORUM_H

#include "base/checksum.h"
#include "storage/layout.h"

#include <stdbool.h>
#include <stdint.h>

enum quorum_threshold {
    QUORUM_OPEN = 2,   /* tolerates two bad copies: one in flux, one rotten */
    QUORUM_VERIFY = 3, /* open + verify > copies: what was verified is found again */
};

/* What was read from one slot. */
struct quorum_copy {
    bool is_valid; /* magic and checksum hold; nothing below is looked at if not */
    uint8_t copy;  /* for which slot it says it was written: the one byte no checksum covers */
    uint64_t sequence;
    struct checksum checksum;
    struct checksum parent;
    struct checksum file_id;
};

enum quorum_result {
    QUORUM_FOUND = 0,
    QUORUM_NONE,          /* not one valid copy */
    QUORUM_LOST,          /* some, but too few that agree */
    QUORUM_FORKED,        /* two of one sequence that differ */
    QUORUM_SKIPPED,       /* a copy is more than one sequence ahead: updates were lost */
    QUORUM_NOT_CONNECTED, /* the sequence before is not the parent */
};

enum { QUORUM_COPY_NONE = 255 };

/* The chosen group. Of which copy each slot holds an instance: home[slot] == slot where all is
 * well, another number where it was misplaced, QUORUM_COPY_NONE where it is not of this group or
 * is counted already. */
struct quorum {
    uint32_t slot;  /* one that holds the chosen superblock */
    uint32_t count; /* different copies found */
    uint8_t home[SUPERBLOCK_COPIES];
    bool has_other[SUPERBLOCK_COPIES]; /* the slot holds a whole copy that is not of this group */
};

/* Chooses. *quorum is filled if the answer is QUORUM_FOUND.
 *
 * The group that is large enough, and of several the newest. Under QUORUM_OPEN there is one case
 * more: two single copies, of which one is the parent of the other. An interrupted write and one
 * rotten copy leave that behind; the newer one is chosen. It is sound, since what it refers to was
 * flushed before its first copy was written; and nothing newer was ever acknowledged, since of
 * three verified copies one at least would be among the two that are left. */
enum quorum_result quorum_choose(
    struct quorum *quorum,
    const struct quorum_copy copies[SUPERBLOCK_COPIES],
    enum quorum_threshold threshold
);

/* Words for a result: a literal. */
const char *quorum_result_text(enum quorum_result result);

/* The slot to be written next so that every copy comes home, or QUORUM_COPY_NONE: all are. Call it
 * again after each write. The only instance of a copy is never written over, as a torn write would
 * cost it; and whole copies of another sequence last, as the choice may still rest on them. */
uint32_t quorum_repair_next(const struct quorum *quorum);

#endif
