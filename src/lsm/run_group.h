/* Which runs of a level go down together, when, and how fast (R16).
 *
 * In levels that may have several runs, these come in *groups*, which go down as one. What comes
 * into such a level (by a flush, a slice or a move) merges with nothing there. It goes into the
 * newest run if it overlaps none of its tables, else it begins a run; and that is of the newest
 * group, unless it has its runs or its tables already, or has been sliced in this bar: then a group
 * begins. The lowest bit of a run's number tells groups apart: it is the same within a group and
 * another one in the next. So the manifest alone says what belongs together, and how far it has
 * come: what has gone down is gone, and the next slice begins with the lowest key that is left.
 * Nothing else is remembered beyond a bar; an open finds all there is.
 *
 * Of level i, with m_i its runs_max (levels with several runs come first, without a gap):
 *
 *   N_i = m_0 ... m_i            tables with which a group is complete: as many bars' records
 *   G_i = N_i - 1 + G_(i-1)      tables that it may come to have; G_0 = N_0
 *   a group goes down            if a newer one has begun, or it is complete, or in haste
 *   bars left                    N_i less how far the newer group has come: the more of its tables,
 *                                and N_(i-1) a run but for its newest; 1 if what comes next may
 *                                begin a third group
 *
 * Hence:
 *
 *   Z1  A group has at most m_i runs and G_i tables. One that has N_i tables takes no more; before,
 *       it has N_i - 1 at most, and at once come 1 by a flush or a move, or what a slice of level
 *       i - 1 makes: no more tables than its group has (Z5, slice.h), so G_(i-1).
 *   Z2  There are two groups at most. A third would begin when something comes to level i while
 *       the newest group has N_i tables, or has m_i runs and the newest is not joined, and the
 *       oldest is not gone. Levels take in one half of a bar and give in the other, so level i has
 *       given once since it took last, and nothing else has changed in it. Then:
 *         - With N_i tables in the newer group, bars left were 1, and all of the oldest went.
 *         - With m_i runs, bars left were 1, too, unless what comes next was certain to join the
 *           newest: level i - 1 had an oldest group that takes no more (a newer one had begun, or
 *           it has N_(i-1) tables), and all of it lay above the newest run of level i. Then that is
 *           what came, since nothing but a slice of level i - 1 changes that group.
 *       A checkpoint is taken behind the second half of a bar, so a file is opened between giving
 *       and taking where i is odd: run_groups_may_take() tests there what this says. */
#ifndef TACTUS_LSM_RUN_GROUP_H
#define TACTUS_LSM_RUN_GROUP_H

#include "lsm/manifest_level.h"

#include <stdbool.h>
#include <stdint.h>

/* Of N_i, in any level: bounds what a group costs in memory. */
enum { RUN_GROUP_TABLES_MAX = 1024 };

/* The first level that cannot have several runs: the last one takes what comes from it, a table a
 * bar. */
enum { RUN_GROUP_LEVELS_MAX = LEVELS - 2 };

struct run_limits {
    uint32_t runs;     /* m: that a group may have; 1: the level has one run, and no groups */
    uint32_t complete; /* N */
    uint32_t most;     /* G */
};

/* Says why these LEVELS runs_max cannot be, or NULL. */
const char *run_limits_fault(const uint32_t *runs_max);

struct run_limits run_limits_of(const uint32_t *runs_max, uint8_t level);

/* The most runs_max of all levels. */
uint32_t run_limits_widest(const uint32_t *runs_max);

/* Tables that the levels above `level` may have of groups, all together: 0, if there are none. */
uint32_t run_limits_tables_above(const uint32_t *runs_max, uint8_t level);

/* Tables that a tree may gain in so many bars beyond one a bar: a slice may leave one of each run
 * of its group behind, trimmed, where so many records less would have been a table less. They lie
 * in groups, all of whose tables are the most that they can be. */
uint32_t run_limits_surplus(const uint32_t *runs_max, uint32_t bars);

/* The number of the run that a half-bar makes: `snapshot_min` is the beat that sees it first. */
static inline uint64_t run_number(uint64_t snapshot_min, bool is_odd_group)
{
    return 2 * snapshot_min + (is_odd_group ? 1 : 0);
}

/* A group, by the places of its runs in level->runs. */
struct run_group {
    uint32_t first; /* the newest of its runs */
    uint32_t run_count;
    uint32_t table_count;
    uint64_t record_count;
};

/* The group that is to go down first, and the one that came together last: the same, if there is
 * one only; without tables, if there is none. */
struct run_group run_group_oldest(const struct manifest_level *level);
struct run_group run_group_newest(const struct manifest_level *level);

/* How many tables all groups of the level may make at most (Z4, slice.h), if `records_max` records
 * fill one. */
uint64_t run_groups_may_make(const struct manifest_level *level, uint32_t records_max);

/* Whether `oldest` is to go down without haste. */
bool run_group_is_due(
    const struct manifest_level *level, const struct run_group *oldest, uint32_t complete
);

/* The run that what comes into the level is to be of: the number of the newest, or a new one.
 * `is_sliced`: the newest group, which then is the only one, has begun to go down. */
uint64_t run_group_join(
    const struct manifest_level *level,
    const struct run_limits *limits,
    bool is_sliced,
    struct key key_min,
    struct key key_max,
    uint64_t snapshot_min
);

/* Bars in which the oldest group of `level` is to go down, this one included: from 1. `levels` and
 * `runs_max`: LEVELS of them, of one tree. */
uint32_t run_group_bars_left(
    const struct manifest_level *levels, const uint32_t *runs_max, uint8_t level
);

/* Says why the runs of a level cannot be ours, or NULL (Z1, and that there are two groups). */
const char *run_groups_fault(const struct manifest_level *level, const struct run_limits *limits);

/* At a bar's end, where the above says NULL for all levels: whether `level` may take what comes
 * next before it gives (Z2). */
bool run_groups_may_take(
    const struct manifest_level *levels, const uint32_t *runs_max, uint8_t level
);

#endif
