/* What of a group of runs goes down in one bar (R16; run_group.h says which, and when): a slice of
 * its keys, from the lowest that is left on. T is a table's capacity, r the group's records.
 *
 *   a slice takes   ceil(ceil(r / T) / bars left) tables' worth: all of it, or a multiple of T
 *
 * Z3  A slice's inputs are, at every key of it, all records of the level's oldest runs (R17).
 *
 * Z4  A group *may make* f tables: as many as it has, but that those which are trimmed count by
 *     their records, f = untrimmed tables + ceil(records of trimmed ones / T).
 *       - What comes to a group adds one for each table, at most.
 *       - A slice of u tables' worth makes u tables at most, besides those of the next level that
 *         it rewrites, and takes u off f. If it takes all: u = ceil(r / T) <= f. Else it takes u T
 *         records: if it touches v untrimmed tables, which have v T at most, then trimmed ones have
 *         (v - u) T more than before at most, and untrimmed are v fewer.
 *       - A table that is moved is one made, and takes one off f: a trimmed one is moved only if it
 *         does so (compaction.c).
 *
 * Z5  So a slice makes at most G_i tables: f is at most the group's tables.
 *
 * Z6  Let k be the last level with several runs, L the limit of level k + 1. At the end of a bar
 *     that has at most L + 2 (G_0 + ... + G_k) tables. For let S be the sum of its tables and of
 *     what all groups above may make. What goes down among these adds nothing to S (Z4); a flush
 *     adds one, once a bar. Once a bar level k + 1 gives one on, if it has L or more. If it has
 *     not, S is below L and the groups' tables then. So S stays at L and the groups' tables, at
 *     most, and one more within a bar. */
#ifndef TACTUS_LSM_SLICE_H
#define TACTUS_LSM_SLICE_H

#include "base/budget.h"
#include "base/status.h"
#include "lsm/manifest_level.h"
#include "lsm/run_group.h"
#include "lsm/table_layout.h"
#include "storage/grid.h"
#include "storage/superblock.h"

#include <stdbool.h>
#include <stdint.h>

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

/* Takes room for slices of groups of at most so many tables. */
void slice_init(struct slice *slice, struct budget *budget, uint32_t tables_max);

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

/* `runs_max`: the most of any level. */
static inline uint32_t slice_frames(uint32_t runs_max)
{
    return runs_max == 1 ? 0 : 2 * runs_max; /* a root and a leaf of each run */
}

/* Tables beyond growth_factor^(level + 1) that a level with one run may have (Z6), for what comes
 * in slices; `runs_max`: of LEVELS levels. */
uint32_t slice_surplus_max(const uint32_t *runs_max, uint8_t level);

/* The most tables that a level may have at the end of a bar: the above, or two groups (Z2). */
uint64_t level_tables_max(const uint32_t *runs_max, uint32_t growth_factor, uint8_t level);

/* The most tables that a compaction into `level` may read, and may write; and a third of the most
 * events that it may append to the manifest log. Of a slice: all of a group, each of whose tables
 * may also be inserted again, trimmed; and all of the next level, if that has one run, else
 * neighbours in its newest run. */
uint32_t compaction_tables_max(const uint32_t *runs_max, uint32_t growth_factor, uint8_t level_b);

/* The same of all compactions of a tree that end together, in the half of a bar that has most. */
uint32_t half_bar_tables_max(const uint32_t *runs_max, uint32_t growth_factor);

#endif
