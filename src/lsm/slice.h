/* What of a level with several runs goes down in one bar (R16): which runs, which keys.
 *
 * Runs that come after each other form a *group*, which goes down as one. A group is complete when
 * it has runs_max tables; what comes then begins the next group. (A flush adds one table, as a run
 * of its own or to the newest run: a group has at most runs_max runs, and takes at least as many
 * bars to come together.) The lowest bit of a run's number tells groups apart: it is the same
 * within a group and another one in the next. So the manifest alone says what belongs together, and
 * how far it has come: what has gone down is gone, and the next slice begins with the lowest key
 * that is left. Nothing else is remembered; an open finds all there is.
 *
 *   group goes down     if a newer one has begun, or it is complete, or in haste
 *   bars left           runs_max - tables of the newer group: until that is complete
 *   a slice takes       ceil(tables' worth of records left / bars left) tables' worth
 *
 * Hence (with T = a table's capacity, m = runs_max, and a newer group that gains one table a bar at
 * most):
 *
 *   Z1  A group is gone before the next one is complete: with one bar left, all of it is taken. So
 *       there are two groups at most, of m tables each: 2 m runs.
 *   Z2  All slices of a group but the last take whole multiples of T. So what they make is never
 *       more than the tables that the group had, besides the tables of the next level that they
 *       rewrite: to the next level a group is as many tables as its own m.
 *   Z3  A slice's inputs are, at every key of it, all records of the level's oldest runs (R17). */
#ifndef TACTUS_LSM_SLICE_H
#define TACTUS_LSM_SLICE_H

#include "base/budget.h"
#include "base/status.h"
#include "lsm/manifest_level.h"
#include "lsm/table_layout.h"
#include "storage/grid.h"
#include "storage/superblock.h"

#include <stdbool.h>
#include <stdint.h>

/* The number of the run that a half-bar makes: `snapshot_min` is the beat that sees it first. */
static inline uint64_t run_number(uint64_t snapshot_min, bool is_odd_group)
{
    return 2 * snapshot_min + (is_odd_group ? 1 : 0);
}

/* The oldest group of a level, by the places of its runs in level->runs. */
struct run_group {
    uint32_t first; /* the newest of its runs */
    uint32_t run_count;
    uint32_t table_count;
    uint64_t record_count;
    uint32_t newer_tables; /* that are in no run of it: of the group that comes together */
};

/* The group that is to go down first; without tables if the level has none. */
struct run_group run_group_oldest(const struct manifest_level *level);

/* Whether the group that has come together last is complete: its next table begins another. */
bool run_group_newest_is_complete(const struct manifest_level *level, uint32_t runs_max);

/* Whether the last group that began is odd. False in an empty level. */
bool run_group_newest_is_odd(const struct manifest_level *level);

/* Says why the runs of a level that was read from a file cannot be ours, or NULL (Z1). */
const char *run_groups_fault(const struct manifest_level *level, uint32_t runs_max);

/* Bars until the newer group may be complete, this one included: from 1. */
uint32_t run_group_bars_left(const struct run_group *group, uint32_t runs_max);

/* A table of which a slice may take something. */
struct slice_input {
    const struct table_info *table;
    uint64_t consumed; /* records, from its front, once the slice has run */
};

/* Inputs are in the order of runs, newest first, then of keys. */
struct slice {
    struct slice_input *inputs; /* input_capacity, borrowed from the budget */
    uint32_t input_capacity;
    uint32_t input_count;
    uint32_t stream_count; /* runs that they are of */
    uint64_t target;       /* records to consume, and those of the last one's key */
    uint64_t tables_worth; /* what it makes at most, beside what it rewrites */
    struct key key_min;    /* of what is left of the group */
    struct key key_max;    /* no record that it consumes lies above */
    struct key end;        /* once it has run: the last key that it consumed */
};

/* Takes room for slices of a level with this runs_max. */
void slice_init(struct slice *slice, struct budget *budget, uint32_t runs_max);

/* Decides what the next slice takes, of a group with tables. Reads index blocks of the group and
 * waits for them, if it takes less than all: CORRUPT, IO, with the grid's fault. Pins no more than
 * slice_frames() meanwhile. */
enum tactus_status slice_select(
    struct slice *slice,
    const struct manifest_level *level,
    const struct run_group *group,
    uint32_t bars_left,
    const struct table_format *format,
    struct grid *grid
);
/* Once it has run: leaves out of its inputs those that it did not come to. */
void slice_finish(struct slice *slice);

/* Of a finished one: inputs that it has left something of. */
uint32_t slice_trimmed_count(const struct slice *slice);

static inline uint32_t slice_frames(uint32_t runs_max)
{
    return runs_max == 1 ? 0 : 2 * runs_max; /* a root and a leaf of each run */
}

/* Tables beyond growth_factor^(level + 1) that the level below level 0 may have (Z2): what two
 * groups become, and one that is on its way down. */
static inline uint32_t slice_surplus_max(uint32_t runs_max)
{
    return runs_max == 1 ? 0 : 2 * runs_max + 1;
}

/* The most tables that a compaction may read, and may write; and a third of the most events that it
 * may append to the manifest log. With runs in level 0: all of level 1, and runs_max tables of
 * level 0, each of which may also be inserted again, trimmed. */
static inline uint32_t compaction_tables_max(uint32_t growth_factor, uint32_t runs_max)
{
    if (runs_max == 1) return 1 + growth_factor;
    return growth_factor * growth_factor + slice_surplus_max(runs_max) + 1 + 2 * runs_max;
}

#endif
