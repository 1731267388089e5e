/* Reads a range of keys of one tree in order, either way: newest record of each key, removed ones
 * left out.
 *
 * It merges, newest source first: the unsorted records of the mutable table (by a sorted list of
 * their numbers; the table is not touched), its sorted runs, those of the immutable table, levels 0
 * to 6, the runs of each newest first. A run on disk is read table by table, with the next value
 * block on its way. The newest record of a key decides, in index trees, too: it says whether the
 * key is there whatever older ones of it are still to cancel.
 *
 * It is given a snapshot (tree.h): of the tables on disk those are read that this beat sees, and
 * the memory tables only at the newest.
 *
 * The records of one commit only may be seen, and no state may change under a scan: between start
 * and stop there is no put, discard, sort, swap or compaction_apply in the tree. Who wants to go on
 * after one starts again behind the last key it saw. (tree_settle changes nothing here.) */
#ifndef TACTUS_LSM_SCAN_TREE_H
#define TACTUS_LSM_SCAN_TREE_H

#include "base/budget.h"
#include "base/progress.h"
#include "base/status.h"
#include "lsm/key.h"
#include "lsm/manifest_level.h"
#include "lsm/table_reader.h"
#include "lsm/tree.h"

#include <stdbool.h>
#include <stdint.h>

enum { SCAN_READ_AHEAD = 1 };

/* Table cursors, shared by the scans of one thread: a scan takes one for each run on disk that has
 * something in its range, and gives them all back when it is stopped. So many scans may be open at
 * once without memory for as many times the most runs of a tree. */
struct scan_pool {
    struct table_cursor *cursors; /* cursor_count, borrowed from the budget, as is `free` */
    uint32_t *free;               /* the cursors that no scan has: the first free_count */
    uint32_t cursor_count;
    uint32_t free_count;
};

void scan_pool_init(struct scan_pool *pool, struct budget *budget, uint32_t cursor_count);

/* The most frames that the scans of a pool pin at once, for grid_options.pinned_frames_max. */
static inline uint32_t scan_pool_frames(uint32_t cursor_count)
{
    return cursor_count * (TABLE_CURSOR_FRAMES + SCAN_READ_AHEAD);
}

struct scan_tree_range {
    struct tree *tree;
    struct key key_min; /* inclusive, both */
    struct key key_max;
    bool descending;
    uint64_t snapshot; /* tree_snapshot_newest(), or an older one that the tree can answer for */
    uint32_t visible_count; /* of the mutable table: tree_visible_settled() or _all(); at an older
                             * snapshot nothing asks for it */
};

enum scan_result {
    SCAN_RECORD,     /* *record is the next one */
    SCAN_READ_AGAIN, /* a block is missing: scan_tree_advance() until it is done, then again */
    SCAN_END,        /* there are no more */
    SCAN_FAILED      /* a block is damaged or cannot be read: the fault says which */
};

/* What a scan has done since its start. */
struct scan_counters {
    uint64_t records;     /* given */
    uint64_t probes;      /* asked for, those that changed nothing, too */
    uint64_t blocks;      /* value blocks looked into */
    uint64_t block_seeks; /* probes that left a run's block for another one of the table ... */
    uint64_t table_seeks; /* ... or the table for another one: of each run by itself */
};

struct scan_source;

struct scan_tree {
    uint32_t *permutation; /* permutation_max, borrowed from the budget */
    uint32_t permutation_max;
    struct scan_source *sources; /* sources_max, borrowed from the budget */
    uint32_t sources_max;
    struct key *loser_keys; /* loser_count_max, both: who has the next record; see scan_tree.c */
    uint32_t *losers;
    uint32_t loser_count_max;
    struct scan_pool *pool; /* borrowed */

    struct scan_tree_range range; /* what is left of it: a probe narrows it */
    struct scan_counters counters;
    uint32_t source_count;
    bool reads_memory;      /* the snapshot is the newest */
    bool has_order;         /* the loser tree is made of the records that are at hand now */
    uint32_t waiting_count; /* level sources that have no record at hand but may get one */
    struct key last;        /* the key that was decided last: older records of it are passed over */
    bool has_last;
    bool advance_top; /* the winner's record was given out: move on before the next */
    bool open;
    bool failed;
};

struct scan_tree_options {
    uint32_t permutation_max; /* unsorted records that a start may find: 2 * record_max of the
                               * largest tree; with an overlay, record_max */
    uint32_t runs_max;        /* sorted runs of a memory table, at most: tree_runs_max() */
    uint32_t level_runs_max;  /* runs of all levels of a tree: tree_level_runs_max() */
    struct scan_pool *pool;   /* kept; not used before the first start */
};

void scan_tree_init(
    struct scan_tree *scan, struct budget *budget, const struct scan_tree_options *options
);

/* Begins a scan; the one before has been stopped. Reads nothing from disk yet.
 *
 *   TACTUS_LIMIT  more unsorted records lie in the range than permutation_max, or more runs than
 *                 the pool has free cursors; nothing was begun */
enum tactus_status scan_tree_start(struct scan_tree *scan, const struct scan_tree_range *range);

/* The next record; borrowed until the next call of any function with this scan. */
enum scan_result scan_tree_next(struct scan_tree *scan, const void **record);

/* "No record before `key`, in the scan's direction, is of interest": goes on to the first one at
 * `key` or behind it. Of what lies between nothing is read but what was asked for already: where
 * the block at hand does not reach so far, each run is searched anew, in the leaf at hand, from its
 * root, or in the manifest. Does nothing if the scan is there already, or beyond; a key beyond the
 * range ends the scan. At any point between start and stop, also after SCAN_READ_AGAIN. Waits for
 * nothing: scan_tree_next() says what to do then. */
void scan_tree_probe(struct scan_tree *scan, struct key key);

/* After SCAN_READ_AGAIN: fetches what is missing, for all levels side by side.
 * PROGRESS_WAIT: grid_wait(), then again. PROGRESS_DONE: scan_tree_next() has more to say. */
enum progress scan_tree_advance(struct scan_tree *scan);

/* Ends the scan, at any point, and drops what it pins. Fine if none is open. */
void scan_tree_stop(struct scan_tree *scan);

#endif
