/* The tables of one tree, by level, and the rules of how many a level may hold.
 *
 * Memory and log are changed together: every verb below that changes a level appends the event
 * that says so to the manifest log, whose reservation the caller has made. Only manifest_open_table
 * does not, since what it inserts comes from there.
 *
 * Room: a flush adds at most one table to a tree (its outputs are at most 1 + the tables it merges
 * with), a compaction none but for what a slice leaves trimmed, which run_limits_surplus() counts
 * (run_group.h). So a bar adds at most MANIFEST_TABLES_A_BAR tables a tree, which is
 * what admission asks manifest_room() for, summed over the trees that share the pool. */
#ifndef TACTUS_LSM_MANIFEST_H
#define TACTUS_LSM_MANIFEST_H

#include "base/budget.h"
#include "lsm/manifest_level.h"
#include "lsm/manifest_log.h"

#include <stdbool.h>
#include <stdint.h>

enum { MANIFEST_TABLES_A_BAR = 1 };

struct manifest {
    struct manifest_log *log; /* borrowed; shared by all trees */
    uint32_t growth_factor;
    uint16_t tree;

    uint64_t snapshot_oldest; /* levels have every table that this beat or a later one sees; of
                               * beats before it some have left */
    uint32_t runs_max[LEVELS];
    struct manifest_level levels[LEVELS];
};

struct manifest_options {
    struct node_pool *pool;
    struct manifest_log *log;
    const uint32_t *runs_max; /* LEVELS of them, each at least 1 */
    uint32_t growth_factor;
    uint16_t tree;
};

/* Takes room for the runs of every level; `pool` and `log` may be NULL while measuring. */
void manifest_init(
    struct manifest *manifest, struct budget *budget, const struct manifest_options *options
);
void manifest_check(const struct manifest *manifest); /* O(tables): for assert_slow() */

/* Puts a table that the manifest log named into its level, without logging. Says why it cannot be
 * ours, or NULL: it overlaps another, or there are more tables than the file may hold. */
const char *manifest_open_table(struct manifest *manifest, const struct table_info *info);

/* After the last table: says what is wrong with the whole, or NULL. At a checkpoint no level is
 * over its limit. Compaction builds on it: only so a table with little overlap exists. Z2 and Z6 of
 * run_group.h and slice.h hold. `records_max`: of a full table. */
const char *manifest_open_fault(const struct manifest *manifest, uint32_t records_max);

/* Whether the first level with one run, below groups of runs, has or will get more tables than it
 * may, and `burst` more (Z6 in slice.h). At a bar's end never with 0, in between never with 1. */
bool manifest_is_crowded(const struct manifest *manifest, uint32_t records_max, uint32_t burst);

/* Whether the pool has room for so many more tables. */
bool manifest_room(const struct manifest *manifest, uint32_t table_count);

/* growth_factor to the power level + 1: at the end of a bar no level has more. Within a bar an odd
 * level may have one more. */
uint64_t manifest_level_limit(const struct manifest *manifest, uint8_t level);

/* A level with so many tables gives one on in every bar: its limit; but if the next level has
 * tables, so many that those are growth_factor times as many, and growth_factor at least. So what
 * is overwritten does not stay where it hides a level that is hardly larger: below the last level
 * lies little that is not the newest. Some table of so many overlaps at most growth_factor of the
 * next level's (compaction_pick.h). `level` has a next one. */
uint64_t manifest_level_relief(const struct manifest *manifest, uint8_t level);

/* The most tables that a level may have at the end of a bar: its limit; where levels have several
 * runs, two groups there, and what slices bring beyond its limit to the next (slice.h). */
uint64_t manifest_level_count_max(const struct manifest *manifest, uint8_t level);

/* Whether no level below `level` has a table in this range: tombstones may be dropped there. */
bool manifest_is_bottom(
    const struct manifest *manifest, uint8_t level, struct key key_min, struct key key_max
);

/* Inserts a table into info->level. */
void manifest_insert(struct manifest *manifest, const struct table_info *info);

/* Logs that the table of `level` is seen up to `snapshot_max` and no longer. The level itself is
 * not changed: the table leaves it with manifest_remove. */
void manifest_close(
    struct manifest *manifest, const struct table_info *table, uint64_t snapshot_max
);

/* Takes a table out of its level without logging, and gives a copy: the level must be rid of
 * a merge's inputs before its outputs fit, but the log tells of the outputs first. */
struct table_info manifest_take(struct manifest *manifest, const struct table_info *table);

/* Logs that a table, given as a copy, is gone: it has left its level by manifest_take, and its
 * snapshot_max is the one it was closed with: snapshot_oldest is above that now. Of a table that is
 * trimmed, only what was is gone: it is inserted again, at the same address, with a higher key_min
 * and another snapshot_min (R18). */
void manifest_remove(struct manifest *manifest, const struct table_info *info);

/* Moves a table one level down as it is, into this run: one update with the new level. */
void manifest_move(struct manifest *manifest, const struct table_info *table, uint64_t run);

#endif
