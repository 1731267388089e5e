/* The root of everything: says which checkpoint is current, and where its parts are.
 *
 * It is the one structure that is written over in place, so there are four copies of it, each in a
 * slot of its own, and which of them to trust is decided by quorum (storage/superblock_quorum.h).
 *
 * Rules, which tests/sim/superblock_test.c proves for a crash at every write:
 *
 *   Q1  Copies are written one after the other, each durable before the next begins, after a flush
 *       of what they refer to; then all are read back, and three must be what was written.
 *   Q2  Two good copies of one sequence open the file, or a single one of a sequence and a single
 *       one of its parent: an interrupted write costs one copy, rot another.
 *   Q3  All copies are at home and equal before a write begins: so a write heals first.
 *   Q4  An open for writing heals, or writes a new epoch, before it changes any other byte: so what
 *       an interrupted write left behind is gone before it could be chosen after all.
 *   Q5  So after a crash the file opens with the old superblock or the new one, whole, even if one
 *       copy rots besides. */
#ifndef TACTUS_STORAGE_SUPERBLOCK_H
#define TACTUS_STORAGE_SUPERBLOCK_H

#include "io/reactor.h"
#include "storage/block.h"
#include "storage/layout.h"

enum { SUPERBLOCK_VERSION = 1, SUPERBLOCK_SIZE = 4096, SUPERBLOCK_LEVELS = 7 };

/* The limits of options that depend on nothing else. */
enum {
    BATCH_MAX_MAX = 65536,
    BAR_BEATS_MIN = 4,
    BAR_BEATS_MAX = 64, /* and even */
    GROWTH_FACTOR_MIN = 2,
    GROWTH_FACTOR_MAX = 16,
    KEEP_MAX = 8,
    SNAPSHOTS_MAX_MAX = 64,
    RUNS_MAX_MAX = 64,
};

/* What the file was created with. Never changes. */
struct file_options {
    uint32_t version; /* of the format: SUPERBLOCK_VERSION; superblock_write sets it */
    uint32_t block_size;
    struct checksum file_id; /* seeds the checksum of every block and journal entry; never zero */
    uint32_t batch_max;
    uint32_t bar_beats;
    uint32_t growth_factor;
    uint32_t tables_max;
    uint64_t journal_bytes;
    uint64_t size_max;
    uint32_t keep;
    uint32_t snapshots_max;
    uint32_t runs_max[SUPERBLOCK_LEVELS];
};

/* A byte string in a chain of blocks, named by its last block. Empty: all zero. */
struct trailer_reference {
    struct block_reference last;
    uint64_t size;
    struct checksum checksum; /* of the whole string */
};

struct checkpoint_state {
    uint64_t op_covered;  /* the last op whose effects are all in the grid */
    uint64_t op_captured; /* the last op when this was captured: all up to it were durable then */
    uint64_t beat_capture;
    uint64_t journal_offset;             /* in the ring, of op_covered + 1 */
    struct checksum journal_predecessor; /* logical checksum of op_covered */
    struct trailer_reference state;      /* what the floors above keep in it */
    struct trailer_reference acquired;   /* the free set's two bit sets */
    struct trailer_reference released;
    struct block_reference manifest_oldest;
    struct block_reference manifest_newest;
    uint64_t manifest_block_count;
    uint64_t block_count; /* blocks the file must have room for */
};

struct superblock {
    uint64_t sequence;      /* 0: never written; superblock_write adds one */
    struct checksum parent; /* of the sequence before; superblock_write sets it */
    struct file_options options;
    struct trailer_reference schema;
    struct checkpoint_state checkpoint;
    uint64_t epoch; /* raised, durably, by every open for writing before its first append (S5) */
    uint64_t epoch_first_op;
    uint64_t file_block_count; /* that the file had room for: a shorter file was cut */

    struct checksum checksum; /* of the copies on disk; set by read and write */
    bool is_whole;            /* all copies were good and at home when last read or written */
};

enum superblock_copy {
    SUPERBLOCK_COPY_GOOD = 0,
    SUPERBLOCK_COPY_UNREADABLE, /* the device would not read it */
    SUPERBLOCK_COPY_DAMAGED,    /* magic, checksum or reserved bytes are wrong */
    SUPERBLOCK_COPY_MISPLACED,  /* good, but its number says another slot */
    SUPERBLOCK_COPY_OTHER,      /* whole, but of another sequence: an interrupted or lost write */
    SUPERBLOCK_COPY_TAIL,       /* good, but the rest of its slot is not zero */
};

/* What superblock_read found, copy by copy: for warnings, and for repair. */
struct superblock_report {
    uint8_t copy[SUPERBLOCK_COPIES]; /* enum superblock_copy */
    uint32_t good_count;
    bool needs_heal; /* at least one is not GOOD */
};

/* Words for a copy's condition: a literal. */
const char *superblock_copy_text(enum superblock_copy copy);

/* Says why this cannot be a superblock of ours, or NULL: the range of every option, and what fits
 * together in the rest. The one definition: superblock_write asserts it, superblock_read turns it
 * into CORRUPT. */
const char *superblock_fault(const struct superblock *superblock);

/* Finds the superblock to trust. Changes nothing. report may be NULL; it is filled whatever the
 * answer. The file is checked to be as long as the superblock says.
 *
 *   TACTUS_CORRUPT  not a Tactus data file; or too few copies agree (Q2), or they contradict each
 *                   other; or a value is out of range; or the file was truncated
 *   TACTUS_VERSION  of another format: fault.found_number, and fault.wanted_number that we know
 *   TACTUS_IO       the system refused to read */
enum tactus_status superblock_read(
    struct reactor *reactor,
    struct superblock *superblock,
    struct superblock_report *report,
    struct fault *fault
) __attribute__((warn_unused_result));

/* Flushes the file, then writes the superblock as the next sequence to all copies, reads them back
 * and compares (Q1). Heals first if that is due (Q3). sequence, parent, checksum and is_whole are
 * set in *superblock when it is OK; else they are as before, and what is on disk is the old or the
 * new one. superblock_fault() must be NULL but for sequence and parent. The first write of a
 * file is one with sequence 0.
 *
 *   TACTUS_IO, TACTUS_FULL  a write or flush failed, or fewer than three copies read back right:
 *                           what is durable is not known, so the owner poisons itself
 *   TACTUS_CORRUPT          from healing: no quorum is there any more */
enum tactus_status superblock_write(
    struct reactor *reactor, struct superblock *superblock, struct fault *fault
) __attribute__((warn_unused_result));

/* Reads all copies again and writes the good one over those that are not, in an order in which a
 * torn write never costs the quorum. Does nothing where nothing is due. *healed_count (may be NULL)
 * is how many slots were written. Three copies are good when it is OK; a slot that does not keep
 * what is written is left. Errors as superblock_read and superblock_write. */
enum tactus_status superblock_heal(
    struct reactor *reactor, uint32_t *healed_count, struct fault *fault
) __attribute__((warn_unused_result));

/* Zeroes all four slots, durably: the first step of making a file where another may have been (a
 * block device), so that a crash on the way leaves a file that cannot be opened. The zone must be
 * within the file. IO, FULL. */
enum tactus_status superblock_erase(struct reactor *reactor, struct fault *fault)
    __attribute__((warn_unused_result));

#endif
