/* The compactions of half a bar, paid in equal instalments, one a beat.
 *
 *   first beat opens   half_bar_begin, half_bar_select ...   what is to be done: input bytes
 *   each beat opens    half_bar_beat_plan                    how much of it now: blocks to reserve
 *                      half_bar_beat_run                     does it, on whatever thread
 *   each beat ends     half_bar_beat_end                     what it came to
 *   last beat ended    half_bar_end                          when all of them have been applied
 *
 * Pacing. Work is measured in bytes of input consumed, a number that the history fixes before any
 * of it is done: bytes_left at a half-bar's start, divided by the beats that remain, is a beat's
 * quota. Compactions run to their end one after the other, in the order of their selection, so one
 * alone is unfinished between two beats: it keeps its cursors and partial blocks. The quota is
 * exceeded by at most one value block of each side (and where runs are merged, the records of one
 * key in each), which the next quotas make up for; the last
 * beat's quota is all that is left. How much the pool may read and write at once changes nothing of
 * this, nor does the time that anything takes. */
#ifndef TACTUS_FOREST_HALF_BAR_H
#define TACTUS_FOREST_HALF_BAR_H

#include "base/budget.h"
#include "base/progress.h"
#include "base/statistics.h"
#include "lsm/block_supply.h"
#include "lsm/compaction.h"

#include <stdint.h>

/* Compactions of one tree in one half-bar: the targets 0, 2, 4, 6, or 1, 3, 5. */
enum { HALF_BAR_COMPACTIONS_A_TREE = (LEVELS + 1) / 2 };

struct half_bar_options {
    struct grid *grid;        /* of the thread that runs the instalments; kept */
    struct fault *fault;      /* which that grid fills, too; kept */
    uint32_t compactions_max; /* of one half-bar, all trees */
    uint32_t blocks_max;      /* of one beat: half_bar_blocks_max() */
    uint32_t block_size;
    uint32_t growth_factor;
    const uint32_t *runs_max; /* of LEVELS levels; not kept */
    uint32_t record_size_max;
    uint32_t compaction_depth;
};

/* Of this process; decides nothing. */
struct half_bar_statistics {
    struct histogram bytes; /* of input consumed, by beats that had some to consume */
    uint64_t quota_max;
    uint64_t beyond_max; /* the most by which a beat went beyond its quota */
};

/* Invariants:
 *
 *   B1  Compactions before `current` are finished; at most that one is running.
 *   B2  bytes_left is what the unfinished compactions have not consumed, between two beats. */
struct half_bar {
    struct compaction **compactions; /* selected, in the order of everything; from the budget */
    uint32_t compactions_max;
    uint32_t count;
    uint32_t current;
    uint64_t bytes_left;
    uint64_t entries; /* the most that apply appends to the log */
    struct compaction_terms terms;

    uint64_t quota; /* of the open beat, in bytes of input */
    uint64_t done;  /* of it, and beyond: less than excess_max */
    uint64_t excess_max;
    bool failed; /* for good: `failure` says why */
    struct fault failure;
    struct block_supply supply;
    struct compaction_pool pool;

    struct half_bar_statistics *statistics; /* from the budget */
};

void half_bar_init(
    struct half_bar *half_bar, struct budget *budget, const struct half_bar_options *options
);

/* Drops what the running compaction pins: before closing. */
void half_bar_abandon(struct half_bar *half_bar);

/* The half-bar opens. All compactions are idle. */
void half_bar_begin(struct half_bar *half_bar, const struct compaction_terms *terms);

/* Chooses this compaction's work, if it has any. In order: levels ascending, then trees. */
void half_bar_select(struct half_bar *half_bar, struct compaction *compaction);

/* A beat opens, of `beats_left` that remain in the half-bar, this one included: sets its quota.
 * Returns the blocks that have to be reserved, for half_bar_beat_run() to take them from supply. */
uint64_t half_bar_beat_plan(struct half_bar *half_bar, uint32_t beats_left);

/* Does the beat's share, waiting for reads where it must; a failure is kept. Touches compactions,
 * pool and supply, reads levels and immutable tables; nothing else (R7). */
void half_bar_beat_run(struct half_bar *half_bar);

/* The beat is over, and nobody runs it any more. OK; or what failed. */
enum tactus_status half_bar_beat_end(struct half_bar *half_bar, struct fault *fault);

/* Whether there is nothing selected that is not applied. */
bool half_bar_is_idle(const struct half_bar *half_bar);

/* All compactions were finished and applied: idle again. */
void half_bar_end(struct half_bar *half_bar);

/* The most blocks that a beat may reserve, or let go of, for a forest of these tables. */
struct half_bar_measure {
    uint64_t input_bytes;   /* of the worst half-bar, all trees so far */
    uint64_t blocks_fixed;  /* of the worst beat, however few bytes it moves */
    uint64_t bytes_a_block; /* the fewest that a block of a full table stands for */
};
void half_bar_measure_tree(
    struct half_bar_measure *measure,
    const struct table_geometry *geometry,
    uint32_t record_size,
    uint32_t half_bar_tables
);
uint64_t half_bar_blocks_max(const struct half_bar_measure *measure, uint32_t half_bar_beats);

#endif
