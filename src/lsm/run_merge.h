/* Gives the records of a memory table in order, piece by piece, out of its sorted runs: for the
 * compaction that writes it to disk. The table is not touched, and must not change meanwhile; it
 * may be read by other threads.
 *
 * What a piece holds depends on the records and on input_max alone, so that a compaction stops and
 * goes on at the same places in every run of a history. */
#ifndef TACTUS_LSM_RUN_MERGE_H
#define TACTUS_LSM_RUN_MERGE_H

#include "lsm/kernel.h"
#include "lsm/memory_table.h"

#include <stdint.h>

struct run_merge {
    const struct memory_table *table;               /* borrowed until the last piece is done with */
    struct merge_stream streams[MERGE_STREAMS_MAX]; /* what is left of each run, oldest first */
    uint32_t stream_count;
    uint32_t remaining; /* records of all runs that were not consumed */
};

/* A piece: strictly ascending keys, newest record of each; in an index tree, what has no partner.
 * consumed == count + replaced + 2 · cancelled: `count` may be 0 where all else is gone. */
struct run_merge_piece {
    const void *records; /* in the table or in the target of the call: good as long as both are */
    uint32_t count;
    uint32_t consumed;  /* physical records of the table */
    uint32_t replaced;  /* older ones of a key that came again */
    uint32_t cancelled; /* pairs of put and remove: two records each */
};

/* Begins with a table whose records are all in runs. */
void run_merge_begin(struct run_merge *merge, const struct memory_table *table);

/* The next piece, of at most `input_max` (2 or more) records consumed; `target` has room for so
 * many, and may stay unused. At the end consumed is 0. */
struct run_merge_piece run_merge_next(struct run_merge *merge, void *target, uint32_t input_max);

#endif
