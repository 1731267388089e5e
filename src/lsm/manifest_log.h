/* The durable history of which tables exist, of all trees: a chain of blocks of events.
 *
 *   oldest <---- ... <---- newest <- - - open block (in memory, its address acquired already)
 *      each block names the one before it by reference
 *
 * An event is 128 bytes: what happened, and the table as it is since. The newest event of a table
 * counts. So opening reads from the newest block to the oldest, each from its last event to its
 * first: the first event met of a table says whether it lives.
 *
 * The log only grows for now: the checkpoint names its oldest block, so that a compaction of the
 * log itself can be added without touching the format.
 *
 * Blocks written are not kept: grid_write_start takes them. The log pins one frame for the open
 * block, and two at a time while it is being opened. */
#ifndef TACTUS_LSM_MANIFEST_LOG_H
#define TACTUS_LSM_MANIFEST_LOG_H

#include "base/budget.h"
#include "base/status.h"
#include "lsm/address_map.h"
#include "lsm/manifest_level.h"
#include "lsm/table_info.h"
#include "storage/block.h"
#include "storage/free_set.h"
#include "storage/grid.h"

#include <stdbool.h>
#include <stdint.h>

enum { MANIFEST_LOG_FRAMES = 2 };
enum { MANIFEST_ENTRY_SIZE = 128 };

/* Numbers of the format. */
enum manifest_event { MANIFEST_INSERT = 1, MANIFEST_UPDATE = 2, MANIFEST_REMOVE = 3 };

/* An event as it lies on disk: little-endian, docs/format.md. */
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"
struct manifest_entry {
    uint8_t key_min[24];    /*   0  little-endian, narrower keys with zeros above */
    uint8_t key_max[24];    /*  24 */
    uint8_t checksum[16];   /*  48  of the root block */
    uint64_t address;       /*  64  of the root block */
    uint64_t copy_address;  /*  72  of its copy; 0: none */
    uint64_t snapshot_min;  /*  80  first beat that sees the table */
    uint64_t snapshot_max;  /*  88  last beat that sees it; all ones: still seen */
    uint32_t value_count;   /*  96  records */
    uint16_t tree;          /* 100 */
    uint8_t level;          /* 102 */
    uint8_t event;          /* 103  enum manifest_event */
    uint32_t run;           /* 104  0: one sorted run a level */
    uint8_t has_tombstones; /* 108  0 or 1 */
    uint8_t reserved[19];   /* 109  zero, and checked to be */
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

/* Where the newest insert or update of a live table lies. */
struct table_extent {
    uint64_t block; /* address of the log's block */
    uint64_t entry; /* which event of that block */
};

struct manifest_log_options {
    struct grid *grid;        /* kept */
    struct fault *fault;      /* kept */
    uint64_t block_count_max; /* of the grid: what an address may be at most */
    uint32_t block_size;
    uint32_t tables_max;
    uint32_t growth_factor;
};

/* Invariants:
 *
 *   G1  frame != NULL exactly if there is an open block, which then holds 1 to entries_max events.
 *   G2  `extents` holds exactly the tables whose newest event is an insert or an update: as many as
 *       there are in all levels of all trees, between two half-bars.
 *   G3  references.block_count is 0 exactly if both references are zero. */
struct manifest_log {
    struct manifest_log_options options;
    uint32_t entries_max; /* a block */

    struct address_map extents; /* table_extent of each live table, by its root's address */
    struct address_map
        removed; /* used in open only: tables whose remove was met, not their insert */
    struct manifest_log_references references;
    struct block_frame *frame; /* the open block; referenced */
    uint64_t frame_address;
    uint32_t entry_count;                     /* in the open block */
    uint64_t entries_left;                    /* that may be appended before forfeit */
    struct free_set_reservation *reservation; /* the caller's, until forfeit; else NULL */
    uint64_t entries_appended;                /* since open: a statistic */
};

void manifest_log_init(
    struct manifest_log *log, struct budget *budget, const struct manifest_log_options *options
);

/* Blocks that `entry_count` events need at most, however full the open block is. */
uint64_t manifest_log_blocks_for(const struct manifest_log *log, uint64_t entry_count);

/* Who is told of the live tables at open. `table` answers NULL if it took the table over, else why
 * the file must be damaged: no such tree, say. `info` is borrowed for the call. */
struct manifest_log_visitor {
    const char *(*table)(void *context, const struct table_info *info);
    void *context;
};

/* Reads the log that a checkpoint remembers and hands over each live table once, in its newest
 * state; waits for its reads. The log must be as init left it.
 *
 *   TACTUS_CORRUPT  the chain does not lead to its oldest block in block_count steps, an event is
 *                   not ours, a table lives twice, there are more than tables_max, or the visitor
 *                   refused one: the fault names the log's block
 *   TACTUS_IO, TACTUS_POISONED  as the grid says
 *
 * Whatever bytes the file holds, it ends: after block_count reads, or within a chain's cycle. If
 * the free set is open, it must agree that blocks of the log and roots of tables are in use. */
enum tactus_status manifest_log_open(
    struct manifest_log *log,
    const struct manifest_log_references *references,
    const struct manifest_log_visitor *visitor
);

/* Allows so many appends, which acquire from `reservation`: it has room for
 * manifest_log_blocks_for(entry_count), and is kept until manifest_log_forfeit. */
void manifest_log_reserve(
    struct manifest_log *log, uint64_t entry_count, struct free_set_reservation *reservation
);

/* Appends an event. An inserted table must be new, one updated or removed must be live. A block
 * that became full is handed to the grid for writing at once. */
void manifest_log_append(
    struct manifest_log *log, enum manifest_event event, const struct table_info *info
);

/* No more appends until the next reserve. The caller gives the reservation back to the free set. */
void manifest_log_forfeit(struct manifest_log *log);

/* For the checkpoint: closes the open block, if there is one, and gives the references. They are
 * good once grid_writes_finish() has said OK. Acquires nothing. */
void manifest_log_close(struct manifest_log *log, struct manifest_log_references *references);

/* Drops what the open block pins, without writing it: for closing a database. */
void manifest_log_deinit(struct manifest_log *log);

/* Whether the newest event of the table with this root address says that it lives. */
bool manifest_log_is_live(const struct manifest_log *log, uint64_t address);

#endif
