/* One tree: memory tables in front, seven levels of tables on disk behind, compactions between.
 *
 *   put, remove --> mutable table --swap or absorb, at a bar's end--> immutable table
 *                                                              | compactions[0], next bar
 *                                                              v
 *                     level 0 --compactions[1]--> level 1 --> ... --> level 6
 *
 * Reading a key asks in age order, newest first, and stops at the first answer: the mutable table
 * (tree_get_mutable), then a lookup (lookup.h) over the immutable table and the levels. A range is
 * read by scan_tree.h.
 *
 * The writer's transaction is the tail of the mutable table: what lies above the settled count.
 * Nobody else sees it; tree_discard() takes it back, tree_settle() makes it committed. */
#ifndef TACTUS_LSM_TREE_H
#define TACTUS_LSM_TREE_H

#include "base/budget.h"
#include "base/status.h"
#include "lsm/compaction.h"
#include "lsm/kernel.h"
#include "lsm/key.h"
#include "lsm/manifest.h"
#include "lsm/manifest_log.h"
#include "lsm/memory_table.h"
#include "lsm/node_pool.h"
#include "lsm/record.h"
#include "lsm/table_layout.h"
#include "storage/grid.h"

#include <stdbool.h>
#include <stdint.h>

/* Ways in which point lookups of all trees came to their answers, since open: one count for each
 * fast path, and for what they could not save. */
struct lookup_counters {
    uint64_t mutable_hits;   /* the mutable table had a record, maybe a tombstone */
    uint64_t lookups;        /* beneath it: lookup.h; of those ... */
    uint64_t tree_misses;    /* ... the key lay outside the ranges of all of the tree's parts */
    uint64_t immutable_hits; /* ... the immutable table had a record */
    uint64_t
        level_misses;    /* a level that has tables was passed over: the key is outside its range */
    uint64_t gap_misses; /* inside it, but between two tables that the snapshot sees */
    uint64_t tables;     /* that were asked, beginning with the root; of those ... */
    uint64_t filter_negatives;       /* ... the filter said that the key is not there */
    uint64_t filter_positives;       /* ... it passed, and the table had a record */
    uint64_t filter_false_positives; /* ... it passed, and there was none */
};

/* What all trees of a forest share; each part is initialised by its own _init, before the trees. */
struct lsm_shared {
    struct grid *grid;
    struct manifest_log *log;
    struct node_pool *nodes;
    struct compaction_pool *compaction;
    struct fault *fault;
    void *scratch;           /* for sorting, 64-aligned; may be NULL while measuring */
    uint64_t scratch_bytes;  /* tree_scratch_bytes() of the tree that needs most */
    uint64_t *filter_hashes; /* of the table being built; room for table_filter_hashes_max() of the
                               * tree that needs most; NULL: no table is ever built */
    struct lookup_counters lookups; /* the writer's thread alone changes them */
    uint64_t snapshot_newest;  /* tree_snapshot_newest(): who keeps the clock sets it, and it only
                               * grows */
    uint64_t block_count_max;  /* of the grid: what an address may be at most */
    uint32_t growth_factor;    /* GROWTH_FACTOR_MIN to _MAX */
    uint32_t runs_max[LEVELS]; /* runs that come together before they go down: 1 or more */
    uint32_t block_size;
};

/* Whether some level may have several sorted runs: then tables may be trimmed. */
bool lsm_shared_has_runs(const struct lsm_shared *shared);

struct tree_options {
    uint16_t id; /* from 1; in every block and event of the tree */
    struct record_shape shape;
    enum tree_usage usage;
    bool point_lookups;       /* tree_get_ functions are used: they cost a hash and a filter */
    uint32_t record_max;      /* records that one transaction, and one beat, may bring (R1) */
    uint32_t value_count_max; /* bar_beats * record_max */
    uint32_t overlay_count;   /* > 0: a read-only open; the mutable table holds so many records, and
                               * is never swapped */
    struct lsm_shared *shared; /* kept */
};

/* Keys of a set, as an interval that holds them all. */
struct key_range {
    struct key key_min;
    struct key key_max;
    bool is_empty;
};

struct tree {
    struct tree_options options;
    struct table_format format; /* shape, kernels, geometry: what builders and readers need */
    struct manifest manifest;

    struct memory_table memory[2];
    struct memory_table *mutable;   /* one of memory[]; they change roles when a bar ends */
    struct memory_table *immutable; /* the other */
    uint32_t settled_count;         /* records of the mutable table that are committed */
    struct key_range mutable_range; /* of all records there, tombstones included */
    struct key_range immutable_range;
    struct compaction compactions[LEVELS]; /* by target level */
};

/* Takes the tree's memory; called while measuring and while carving, alike. While measuring, only
 * tree->options and tree->format are good afterwards. The options fit (table_geometry_init). */
void tree_init(struct tree *tree, struct budget *budget, const struct tree_options *options);

/* Bytes of lsm_shared.scratch that a tree with these options needs. */
uint64_t tree_scratch_bytes(const struct tree_options *options);

/* Sorted runs that one of its memory tables may have: for scan_tree_options. */
uint32_t tree_runs_max(const struct tree_options *options);

/* Sorted runs that all levels of a tree may have at once: for scan_tree_options. `runs_max`: LEVELS
 * options of the file. */
uint32_t tree_level_runs_max(const uint32_t *runs_max);

/* Tests the manifest, the memory tables' rules and that the levels are within their limits. */
void tree_check(const struct tree *tree);

/* --- open ------------------------------------------------------------------------------------ */

/* A live table of the manifest log. NULL if it was put into its level; else why it cannot be ours.
 * The newest snapshot is the checkpoint's: no table, and no run, is newer. */
const char *tree_open_table(struct tree *tree, const struct table_info *info);

/* After the last table: TACTUS_CORRUPT, with the fault set, if the levels cannot be ours. What the
 * checkpoint has replaced is gone: no older snapshot than its own can be asked for. */
enum tactus_status tree_open_end(struct tree *tree);

/* --- snapshots -------------------------------------------------------------------------------
 *
 * Every lookup (lookup.h) and every scan (scan_tree.h) is given a snapshot: a beat. It reads the
 * tables on disk that this beat sees, snapshot_min to snapshot_max, and passes over the others.
 *
 *   tree_snapshot_newest()  what the writer sees now. The memory tables are part of it, and of no
 *                           other.
 *   older ones, down to     the tables on disk as they were in that beat, to the last record; what
 *   tree_snapshot_oldest()  was in memory then is not part of the answer, so it is no state of the
 *                           database.
 *
 * Anything else is out of contract, and asserted. Nothing is kept for older ones: a table that is
 * replaced leaves its level as the half-bar ends, and tree_snapshot_oldest() is the beat after.
 * Nobody misses it: a lookup ends within the call that began it, and a write stops every scan
 * before it closes a beat. */

uint64_t tree_snapshot_newest(const struct tree *tree);
uint64_t tree_snapshot_oldest(const struct tree *tree);

/* Whether the tree can answer for it; and whether it is the newest. */
bool tree_snapshot_is_held(const struct tree *tree, uint64_t snapshot);
bool tree_snapshot_is_newest(const struct tree *tree, uint64_t snapshot);

/* --- write ----------------------------------------------------------------------------------- */

/* Appends a record. In a general tree it replaces what had its key; in an index tree the key must
 * be absent. There is room for record_max records of the open transaction, by R1. */
void tree_put(struct tree *tree, const void *record);

/* Appends the tombstone of `record`, of which only the key counts; in an index tree the key must be
 * present. `record` is not changed. */
void tree_remove(struct tree *tree, const void *record);

/* Where the mutable table stands now, for a discard in the same transaction. */
struct tree_mark {
    struct memory_table_mark memory;
    struct key_range range;
};
struct tree_mark tree_mark(const struct tree *tree);

/* Takes back everything since `mark`. No sort and no swap may lie between. */
void tree_discard(struct tree *tree, const struct tree_mark *mark);

/* The open transaction is committed: all records count as settled. With an overlay, which knows no
 * beats, they are also sorted whenever record_max of them have come together. */
void tree_settle(struct tree *tree);

/* Newest record with this key in the mutable table among the first `visible_count`; it may be a
 * tombstone; NULL if there is none. Borrowed until the next put, sort, swap or discard. */
const void *tree_get_mutable(const struct tree *tree, struct key key, uint32_t visible_count);

/* The newest record with this key in the immutable table, maybe a tombstone, or NULL. Borrowed
 * until a bar ends or the table is flushed. Only with point_lookups. */
const void *tree_get_immutable(const struct tree *tree, struct key key);

/* Records that every reader sees, and that the writer sees: visible_count of the functions here,
 * of scans and of get. */
uint32_t tree_visible_settled(const struct tree *tree);
uint32_t tree_visible_all(const struct tree *tree);

/* False: no table of any kind holds this key, put or removed, at any snapshot. True says little. */
bool tree_key_range_contains(const struct tree *tree, struct key key);

/* --- beats ----------------------------------------------------------------------------------- */

/* The beat ends (R8, 3): sorts what is settled; the tail stays as it is. */
void tree_sort_suffix(struct tree *tree);

/* The bar ends (R8, 5), after tree_sort_suffix(): what is settled goes to the immutable table, the
 * tail is all that is left in the mutable one. If the immutable table is flushed, the two change
 * roles, and no record moves but the tail's; else, as its compaction was put off (R9), it absorbs
 * what is settled: both together have at most value_count_max records then. */
void tree_end_bar(struct tree *tree);

/* The immutable table is in level 0 now: empties it. For compaction_apply alone. */
void tree_immutable_reset(struct tree *tree);

/* Whether the immutable table has nothing that is not in level 0. */
bool tree_immutable_is_flushed(const struct tree *tree);

/* --- figures for admission (S7) --------------------------------------------------------------- */

uint32_t tree_table_count(const struct tree *tree, uint8_t level);

/* The most tables of `level` + 1 that a merge of `level` may take: what one of its tables overlaps;
 * all, of slices; none where level + 1 has several runs; 0 for the last level. */
uint32_t tree_overlap_max(const struct tree *tree, uint8_t level);

#endif
