/* The tables of one sorted run of one level of one tree, in key order.
 *
 * An AVL tree by key, whose nodes form a list in key order, too, for sweeps. Its depth is at most
 * 1.44 log2(count), whatever keys a file brings. (Arrays of tables search faster, but every run
 * of every level of every tree would have to keep a directory of the largest size.)
 *
 * Invariants, which manifest_run_check() tests one by one:
 *
 *   L1  Tables are disjoint and ascend: previous.key_max < key_min <= key_max.
 *   L2  The list and the tree hold the same `count` nodes in the same order.
 *   L3  The heights of a node's two subtrees differ by at most one.
 *   L4  record_count is the sum of the tables' value_count.
 *
 * A table does not move in memory while it is in the run: a pointer to it stays good until this
 * very table is removed. */
#ifndef TACTUS_LSM_MANIFEST_RUN_H
#define TACTUS_LSM_MANIFEST_RUN_H

#include "lsm/key.h"
#include "lsm/node_pool.h"
#include "lsm/table_info.h"

#include <stdbool.h>
#include <stdint.h>

struct manifest_run {
    struct node_pool *pool; /* borrowed; shared by all runs of all trees */
    uint64_t number;        /* every table's `run` */

    uint32_t root;
    uint32_t first;
    uint32_t last;
    uint32_t count;
    uint64_t record_count;
};

void manifest_run_init(struct manifest_run *run, struct node_pool *pool, uint64_t number);
void manifest_run_check(const struct manifest_run *run); /* O(count): for assert_slow() */

/* Adds a copy of `info`. False, and nothing changed, if it overlaps a table that is here: with our
 * own tables a bug, with a manifest log from a file it may happen. The pool must have room. */
bool manifest_run_insert(struct manifest_run *run, const struct table_info *info);

/* Removes `table`, a pointer that one of the functions below gave. It is dangling then. */
void manifest_run_remove(struct manifest_run *run, const struct table_info *table);

/* The table whose range holds `key`, or NULL. */
const struct table_info *manifest_run_find(const struct manifest_run *run, struct key key);

/* The first table that ends at `key` or above, or NULL: where an ascending scan begins. */
const struct table_info *manifest_run_at_or_above(const struct manifest_run *run, struct key key);

/* The last table that begins at `key` or below, or NULL: where a descending scan begins. */
const struct table_info *manifest_run_at_or_below(const struct manifest_run *run, struct key key);

/* The lowest and the highest table; NULL in an empty run. */
const struct table_info *manifest_run_first(const struct manifest_run *run);
const struct table_info *manifest_run_last(const struct manifest_run *run);

/* The neighbour of a table of this run, or NULL. */
const struct table_info *manifest_run_next(
    const struct manifest_run *run, const struct table_info *table
);
const struct table_info *manifest_run_previous(
    const struct manifest_run *run, const struct table_info *table
);

/* Whether `key` lies between the lowest and the highest key of the run: a fast "no". */
bool manifest_run_range_contains(const struct manifest_run *run, struct key key);

/* Whether a table overlaps [key_min, key_max]. */
bool manifest_run_overlaps(const struct manifest_run *run, struct key key_min, struct key key_max);

#endif
