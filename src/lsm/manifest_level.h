/* One level of one tree: a list of sorted runs, newest first (lsm.md section 6).
 *
 * A level that may hold one run only (runs_max 1: the plain design) always has it, be it empty, and
 * its number is 0. A level that may hold more begins without any; a run is there as long as it has
 * tables. Its number says how old it is: the higher, the newer (RUN_NUMBER_MAX, and its lowest bit,
 * in manifest_log.h). Keys of different runs may overlap; whoever reads asks the newer run first.
 *
 * Invariants, which manifest_level_check() tests:
 *
 *   E1  run_count <= capacity; numbers descend strictly.
 *   E2  capacity == 1: the one run has number 0. Else no run is empty and none has number 0.
 *   E3  A table's `run` is the number of the run that it is in.
 *   E4  count and record_count are the sums of the runs'. */
#ifndef TACTUS_LSM_MANIFEST_LEVEL_H
#define TACTUS_LSM_MANIFEST_LEVEL_H

#include "base/budget.h"
#include "lsm/manifest_run.h"

#include <stdbool.h>
#include <stdint.h>

enum { LEVELS = 7 };

struct manifest_level {
    struct node_pool *pool;    /* borrowed; shared by all levels of all trees */
    struct manifest_run *runs; /* newest first; `capacity`, borrowed from the budget */
    uint32_t run_count;
    uint32_t capacity;
    uint32_t count; /* tables, of all runs */
    uint64_t record_count;
};

/* How many runs a level may have at once if its option says `runs_max` (R16): one group that goes
 * down, and one that comes together meanwhile. */
static inline uint32_t manifest_level_runs_bound(uint32_t runs_max)
{
    return runs_max == 1 ? 1 : 2 * runs_max;
}

/* Takes room for `capacity` runs, at least 1. `pool` is kept; it may be NULL while measuring. */
void manifest_level_init(
    struct manifest_level *level, struct budget *budget, struct node_pool *pool, uint32_t capacity
);
void manifest_level_check(const struct manifest_level *level); /* O(tables): for assert_slow() */

/* Adds a copy of `info` to the run that its `run` names, which it begins if there is none of that
 * number. False, and nothing changed: it overlaps a table of that run, or there would be too many
 * runs; with our own tables a bug, with a manifest log from a file it may happen. The pool has
 * room. */
bool manifest_level_insert(struct manifest_level *level, const struct table_info *info);

/* Removes `table`, a pointer that the level or a run of it gave. It is dangling then, and pointers
 * to runs are, too: an empty run goes, others move up. */
void manifest_level_remove(struct manifest_level *level, const struct table_info *table);

/* The run of this number, or NULL. Good until a table is inserted or removed. */
const struct manifest_run *manifest_level_find_run(
    const struct manifest_level *level, uint64_t number
);

/* Of a level that may hold one run only: that run. */
const struct manifest_run *manifest_level_sole(const struct manifest_level *level);

/* All tables of the level, one after the other: runs newest first, keys of a run ascending. NULL:
 * there is none (left). */
const struct table_info *manifest_level_first(const struct manifest_level *level);
const struct table_info *manifest_level_next(
    const struct manifest_level *level, const struct table_info *table
);

/* Whether `key` lies between the lowest and the highest key of some run: a fast "no". */
bool manifest_level_range_contains(const struct manifest_level *level, struct key key);

/* Whether a table of any run overlaps [key_min, key_max]. */
bool manifest_level_overlaps(
    const struct manifest_level *level, struct key key_min, struct key key_max
);

#endif
