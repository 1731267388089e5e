/* The tables of one level of one tree, in key order.
 *
 * An AVL tree by key, whose nodes form a list in key order, too, for sweeps. Its depth is at most
 * 1.44 log2(count), whatever keys a file brings. (Arrays of tables search faster, but every level
 * of every tree would have to keep a directory of the largest size; and with several runs a level,
 * each run.)
 *
 * Invariants, which manifest_level_check() tests one by one:
 *
 *   L1  Tables are disjoint and ascend: previous.key_max < key_min <= key_max.
 *   L2  The list and the tree hold the same `count` nodes in the same order.
 *   L3  The heights of a node's two subtrees differ by at most one.
 *   L4  record_count is the sum of the tables' value_count.
 *
 * A table does not move in memory while it is in the level: a pointer to it stays good until this
 * very table is removed. (One sorted run a level; with more, each run is one such tree.) */
#ifndef TACTUS_LSM_MANIFEST_LEVEL_H
#define TACTUS_LSM_MANIFEST_LEVEL_H

#include "lsm/key.h"
#include "lsm/node_pool.h"
#include "lsm/table_info.h"

#include <stdbool.h>
#include <stdint.h>

enum { LEVELS = 7 };

struct manifest_level {
    struct node_pool *pool; /* borrowed; shared by all levels of all trees */

    uint32_t root;
    uint32_t first;
    uint32_t last;
    uint32_t count;
    uint64_t record_count;
};

void manifest_level_init(struct manifest_level *level, struct node_pool *pool);
void manifest_level_check(const struct manifest_level *level); /* O(count): for assert_slow() */

/* Adds a copy of `info`. False, and nothing changed, if it overlaps a table that is here: with our
 * own tables a bug, with a manifest log from a file it may happen. The pool must have room. */
bool manifest_level_insert(struct manifest_level *level, const struct table_info *info);

/* Removes `table`, a pointer that one of the functions below gave. It is dangling then. */
void manifest_level_remove(struct manifest_level *level, const struct table_info *table);

/* The table whose range holds `key`, or NULL. */
const struct table_info *manifest_level_find(const struct manifest_level *level, struct key key);

/* The first table that ends at `key` or above, or NULL: where an ascending scan begins. */
const struct table_info *manifest_level_at_or_above(
    const struct manifest_level *level, struct key key
);

/* The last table that begins at `key` or below, or NULL: where a descending scan begins. */
const struct table_info *manifest_level_at_or_below(
    const struct manifest_level *level, struct key key
);

/* The lowest and the highest table; NULL in an empty level. */
const struct table_info *manifest_level_first(const struct manifest_level *level);
const struct table_info *manifest_level_last(const struct manifest_level *level);

/* The neighbour of a table of this level, or NULL. */
const struct table_info *manifest_level_next(
    const struct manifest_level *level, const struct table_info *table
);
const struct table_info *manifest_level_previous(
    const struct manifest_level *level, const struct table_info *table
);

/* Whether `key` lies between the lowest and the highest key of the level: a fast "no". */
bool manifest_level_range_contains(const struct manifest_level *level, struct key key);

/* Whether a table overlaps [key_min, key_max]. */
bool manifest_level_overlaps(
    const struct manifest_level *level, struct key key_min, struct key key_max
);

#endif
