/* Merges what a slice takes of several runs into one ascending stream, a piece at a time: side A of
 * its compaction.
 *
 * Of the records of one key the newest counts. In a general tree it stands for the others; in an
 * index tree they go in pairs of opposite kind, so that one is left, or none (R15, R17). */
#ifndef TACTUS_LSM_SLICE_MERGE_H
#define TACTUS_LSM_SLICE_MERGE_H

#include "base/budget.h"
#include "base/progress.h"
#include "lsm/block_supply.h"
#include "lsm/run_merge.h"
#include "lsm/slice.h"
#include "lsm/table_layout.h"
#include "lsm/table_reader.h"
#include "storage/grid.h"

#include <stdbool.h>
#include <stdint.h>

/* Value blocks asked for ahead of each run, where a compaction asks for `read_ahead` of a table: a
 * part of them, since a slice has many runs. */
static inline uint32_t slice_merge_read_ahead(uint32_t read_ahead)
{
    return (read_ahead + 3) / 4;
}

/* One run's tables, of which the slice takes something. */
struct slice_stream {
    struct slice_input *input; /* at hand */
    uint32_t inputs_left;      /* that and those behind it; 0: the stream has ended */
    uint32_t position;         /* records of the block at hand that were taken */
    struct table_cursor cursor;
    struct key key; /* of the record at hand */
    bool has_key;
};

struct slice_merge {
    const struct table_format
        *format; /* of the slice that is merged; borrowed, like all of these */
    struct grid *grid;
    struct block_supply *supply;
    struct slice *slice;
    bool cancel; /* an index tree */

    struct slice_stream *streams; /* stream_capacity, borrowed from the budget, like block */
    uint32_t stream_capacity;
    uint32_t read_ahead;         /* value blocks, of each stream */
    uint32_t stream_count;       /* newest first */
    struct slice_stream *hungry; /* that the last record was taken from; NULL: none was */
    uint8_t *block;              /* of a value block's size */
    uint64_t taken;              /* of slice->target */
    struct key last; /* the key taken last; a tombstone's or not; and whether it is in the block */
    bool has_last;
    bool last_is_tombstone;
    bool last_is_kept;
    bool ended;
    struct run_merge_piece piece; /* complete once slice_merge_next() is DONE */
    bool piece_is_done;

    const struct table_info *faulty; /* FAILED for what the table holds: whose, and why */
    const char *fault;
};

/* Takes room for slices of levels with at most this runs_max. `read_ahead`: of the compaction. */
void slice_merge_init(
    struct slice_merge *merge,
    struct budget *budget,
    uint32_t runs_max,
    uint32_t block_size,
    uint32_t read_ahead
);
static inline uint32_t slice_merge_frames(uint32_t runs_max, uint32_t read_ahead)
{
    if (runs_max == 1) return 0;
    return runs_max * (TABLE_CURSOR_FRAMES + slice_merge_read_ahead(read_ahead));
}

struct slice_merge_options {
    const struct table_format *format;
    struct grid *grid;
    struct block_supply *supply; /* gets the blocks that the slice leaves behind */
    struct slice *slice;
    bool cancel;
};

/* Starts on a selected slice. */
void slice_merge_begin(struct slice_merge *merge, const struct slice_merge_options *options);

/* Makes the next piece, of about a value block's records.
 *
 *   PROGRESS_DONE    merge->piece; with `consumed` of 0: there are no more. Its records are good
 *                    until the next call
 *   PROGRESS_WAIT    call grid_wait(), then again: what a piece is made of does not depend on it
 *   PROGRESS_FAILED  a block cannot be read, and the grid's fault says which; or merge->fault says
 *                    what is wrong with merge->faulty */
enum progress slice_merge_next(struct slice_merge *merge);

/* Drops all that is pinned. At any point, also of one that never began. */
void slice_merge_stop(struct slice_merge *merge);

#endif
