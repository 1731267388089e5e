/* The durable history of which tables exist, of all trees: a chain of blocks of events.
 *
 *   (let go) <- - - oldest <---- ... <---- newest <- - - open block (in memory, its address is
 *      each block names the one before it by reference               acquired already)
 *
 * An event is 128 bytes: what happened, and the table as it is since. The newest event of a table
 * counts. So opening reads from the newest block to the oldest, each from its last event to its
 * first: the first event met of a table says whether it lives.
 *
 * At each half-bar's end the log compacts its oldest blocks, as many as manifest_pace.h says: of
 * their events those that are the newest of a live table are appended once more as they are, the
 * others dropped, and the blocks released. Oldest first, always: so an event is dropped only when
 * all older ones of its table are gone, and the open block's chain stays whole. An insert or update
 * that is copied stands behind everything else that is known of its table, a remove is never
 * copied: there is nothing left for it to end.
 *
 *   beat opens   manifest_log_half_bar_open   the blocks to compact are chosen, their reads begin
 *   beat closes  manifest_log_append ...      what the levels' changes were
 *                manifest_log_compact         waits for the reads
 *                manifest_log_forfeit
 *
 * Blocks written are not kept: grid_write_start takes them. The log pins one frame for the open
 * block, and one for each block that is read ahead. */
#ifndef TACTUS_LSM_MANIFEST_LOG_H
#define TACTUS_LSM_MANIFEST_LOG_H

#include "base/budget.h"
#include "base/status.h"
#include "lsm/address_map.h"
#include "lsm/manifest_level.h"
#include "lsm/manifest_pace.h"
#include "lsm/table_info.h"
#include "storage/block.h"
#include "storage/free_set.h"
#include "storage/grid.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    MANIFEST_LOG_READS = 4, /* blocks that are read ahead of their compaction */
    MANIFEST_LOG_FRAMES = 1 + MANIFEST_LOG_READS
};
enum { MANIFEST_ENTRY_SIZE = 128 };

/* No run of ours has a higher number: it is made of a beat. So none runs over, whoever made the
 * file. */
#define RUN_NUMBER_MAX (UINT64_C(1) << 63)

/* Numbers of the format. */
enum manifest_event { MANIFEST_INSERT = 1, MANIFEST_UPDATE = 2, MANIFEST_REMOVE = 3 };

/* An event as it lies on disk: little-endian, docs/format.md. */
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"
struct manifest_entry {
    uint8_t key_min[24];     /*   0  little-endian, narrower keys with zeros above */
    uint8_t key_max[24];     /*  24 */
    uint8_t checksum[16];    /*  48  of the root block */
    uint64_t address;        /*  64  of the root block */
    uint64_t copy_address;   /*  72  of its copy; 0: none */
    uint64_t snapshot_min;   /*  80  first beat that sees the table */
    uint64_t snapshot_max;   /*  88  last beat that sees it; all ones: still seen */
    uint32_t value_count;    /*  96  records */
    uint16_t tree;           /* 100 */
    uint8_t level;           /* 102 */
    uint8_t event;           /* 103  enum manifest_event */
    uint32_t reserved_low;   /* 104  zero, and checked to be, like all that is reserved */
    uint8_t has_tombstones;  /* 108  0 or 1 */
    uint8_t is_trimmed;      /* 109  0 or 1 */
    uint8_t reserved_mid[2]; /* 110 */
    uint64_t run;            /* 112  the number of its run; 0: the level has one run only */
    uint8_t reserved[8];     /* 120 */
};
#pragma GCC diagnostic pop
_Static_assert(sizeof(struct manifest_entry) == MANIFEST_ENTRY_SIZE, "docs/format.md says 128");

/* Writes an event; `entry` gets every byte set. */
void manifest_entry_encode(
    struct manifest_entry *entry, enum manifest_event event, const struct table_info *info
);

/* Says why these bytes cannot be an event that we wrote into a file of so many blocks, or NULL.
 * Whether the tree exists is not known here. */
const char *manifest_entry_fault(const struct manifest_entry *entry, uint64_t block_count_max);

/* The table of an event without fault. */
struct table_info manifest_entry_decode(const struct manifest_entry *entry);

/* How many events a block holds. */
uint32_t manifest_block_entries_max(uint32_t block_size);

/* Says why a valid block of type BLOCK_MANIFEST cannot be one that we wrote, or NULL; also asks
 * every event. For readers of the file that do without a log, too: they walk from the newest block
 * by manifest_block_previous(). */
const char *manifest_block_fault(
    const uint8_t *block, uint32_t block_size, uint64_t block_count_max
);
uint32_t manifest_block_entry_count(const uint8_t *block);
const struct manifest_entry *manifest_block_entry(const uint8_t *block, uint32_t index);
struct block_reference manifest_block_previous(const uint8_t *block);

/* What the checkpoint remembers of the log. All zero: an empty log. */
struct manifest_log_references {
    struct block_reference oldest;
    struct block_reference newest;
    uint64_t block_count;
};

/* Where the newest insert or update of a live table lies: event number / E of the log's block
 * number, counted from the block that was the oldest at open. */
struct table_extent {
    uint64_t event;
};

struct manifest_log_options {
    struct grid *grid;        /* kept */
    struct fault *fault;      /* kept */
    uint64_t block_count_max; /* of the grid: what an address may be at most */
    uint32_t block_size;
    uint32_t tables_max;
    uint32_t half_bar_tables; /* half_bar_tables_max() */
    uint32_t tree_count;
};

/* Since open. */
struct manifest_log_statistics {
    uint64_t events_appended; /* by changes of levels */
    uint64_t events_copied;   /* by the log's own compaction */
    uint64_t blocks_compacted;
};

/* Invariants:
 *
 *   G1  frame != NULL exactly if there is an open block, which then holds 1 to entries_max events.
 *   G2  `extents` holds exactly the tables whose newest event is an insert or an update: as many as
 *       there are in all levels of all trees, between two half-bars.
 *   G3  Block number n, for oldest <= n < oldest + block_count, is blocks[n % capacity]; the open
 *       block, if there is one, is number oldest + block_count. Each is in use in the free set.
 *   G4  block_count <= pace.ring_blocks; with a log that we wrote, it and the open block are at
 *       most pace.log_blocks_max. */
struct manifest_log {
    struct manifest_log_options options;
    struct manifest_pace pace;
    uint32_t entries_max; /* a block */

    struct address_map extents; /* table_extent of each live table, by its root's address */
    struct address_map removed; /* used by open only: whose remove was met, not their insert; left
                                   as it is then, as emptying it would touch all of its memory */
    struct block_reference *blocks; /* closed ones: a ring of pace.ring_blocks; budget */
    uint64_t oldest;                /* number of the oldest closed block */
    uint64_t block_count;           /* closed ones */
    struct block_frame *frame;      /* the open block; referenced */
    uint64_t frame_address;
    uint32_t entry_count; /* in the open block */

    uint64_t entries_left; /* that may be appended before forfeit, copies not counted */
    uint64_t compact_end;  /* blocks with lower numbers are to be compacted in this half-bar */
    uint64_t read_end;     /* and with lower numbers than this one, are being read */
    struct grid_read reads[MANIFEST_LOG_READS]; /* of block n at n % MANIFEST_LOG_READS */
    struct free_set_reservation *reservation;   /* the caller's, until forfeit; else NULL */
    struct manifest_log_statistics statistics;
};

void manifest_log_init(
    struct manifest_log *log, struct budget *budget, const struct manifest_log_options *options
);

/* Who is told of the live tables at open. `table` answers NULL if it took the table over, else why
 * the file must be damaged: no such tree, say. `info` is borrowed for the call. */
struct manifest_log_visitor {
    const char *(*table)(void *context, const struct table_info *info);
    void *context;
};

/* Reads the log that a checkpoint remembers and hands over each live table once, in its newest
 * state; waits for its reads. The log must be as init left it.
 *
 *   TACTUS_CORRUPT  the log is longer than any of ours gets, the chain does not lead to its oldest
 *                   block in block_count steps, an event is not ours, a table is removed twice,
 *                   more than tables_max live, or the visitor refused one: the fault names the
 *                   log's block
 *   TACTUS_IO, TACTUS_POISONED  as the grid says
 *
 * Whatever bytes the file holds, it ends: after block_count reads, or within a chain's cycle. If
 * the free set is open, it must agree that blocks of the log and roots of tables are in use. */
enum tactus_status manifest_log_open(
    struct manifest_log *log,
    const struct manifest_log_references *references,
    const struct manifest_log_visitor *visitor
);

/* How many blocks the half-bar that is about to end acquires at most, if `entry_count` events are
 * appended: for them and for the log's own compaction. A function of the log's length and its live
 * tables. */
uint64_t manifest_log_half_bar_blocks(const struct manifest_log *log, uint64_t entry_count);

/* The last beat of a half-bar opens: allows so many appends (at most pace.events_max), chooses the
 * blocks to be compacted, and begins to read the first of them, without waiting. `reservation` has
 * room for manifest_log_half_bar_blocks(entry_count), as the log stands now, and is kept until
 * manifest_log_forfeit. */
void manifest_log_half_bar_open(
    struct manifest_log *log, uint64_t entry_count, struct free_set_reservation *reservation
);

/* Appends an event. An inserted table must be new, one updated or removed must be live. A block
 * that became full is handed to the grid for writing at once. */
void manifest_log_append(
    struct manifest_log *log, enum manifest_event event, const struct table_info *info
);

/* All of the half-bar's events are appended: compacts the blocks that were chosen, the oldest
 * first. Waits for their reads.
 *
 *   TACTUS_CORRUPT  a block is not what it was, or the free set does not know it as in use
 *   TACTUS_IO, TACTUS_POISONED  as the grid says
 *
 * Then the log is good for closing only. */
enum tactus_status manifest_log_compact(struct manifest_log *log);

/* After manifest_log_compact: no more appends until the next half-bar. The caller gives the
 * reservation back to the free set. */
void manifest_log_forfeit(struct manifest_log *log);

/* For the checkpoint: closes the open block, if there is one, and gives the references. They are
 * good once a grid_write_mark() taken after it is written through. Acquires nothing. */
void manifest_log_close(struct manifest_log *log, struct manifest_log_references *references);

/* Drops what the open block and reads pin, without writing it: for closing a database. */
void manifest_log_deinit(struct manifest_log *log);

/* O(blocks of the log): for assert_slow() and tests. */
void manifest_log_check(const struct manifest_log *log);

/* Whether the newest event of the table with this root address says that it lives. */
bool manifest_log_is_live(const struct manifest_log *log, uint64_t address);

#endif
