#include "lsm/slice_merge.h"

#include "base/assert.h"
#include "base/bytes.h"

#include "base/poison.h"

void slice_merge_init(
    struct slice_merge *merge,
    struct budget *budget,
    uint32_t runs_max,
    uint32_t block_size,
    uint32_t read_ahead
)
{
    *merge = (struct slice_merge
    ){.stream_capacity = runs_max, .read_ahead = slice_merge_read_ahead(read_ahead)};
    merge->streams = budget_take(budget, runs_max, sizeof(struct slice_stream), 64);
    merge->block = budget_take(budget, 1, block_size, 64);
    if (budget_is_measuring(budget)) return;
    for (uint32_t index = 0; index < runs_max; index += 1)
        merge->streams[index].cursor.stage = TABLE_CURSOR_IDLE;
}

static void stream_start_cursor(struct slice_merge *merge, struct slice_stream *stream)
{
    assert(stream->inputs_left > 0);
    const struct table_cursor_options options = {
        .format = merge->format,
        .grid = merge->grid,
        .info = stream->input->table,
        .key = stream->input->table->key_min,
        .read_ahead = merge->read_ahead,
    };
    table_cursor_start(&stream->cursor, &options);
}

void slice_merge_begin(struct slice_merge *merge, const struct slice_merge_options *options)
{
    struct slice *slice = options->slice;
    merge->format = options->format;
    merge->grid = options->grid;
    merge->supply = options->supply;
    merge->slice = slice;
    merge->cancel = options->cancel;
    merge->taken = 0;
    merge->has_last = false;
    merge->ended = false;
    merge->piece = (struct run_merge_piece){0};
    merge->piece_is_done = false;
    merge->stream_count = 0;
    merge->hungry = NULL;
    merge->faulty = NULL;
    merge->fault = NULL;
    struct slice_stream *stream = NULL;
    for (uint32_t index = 0; index < slice->input_count; index += 1) {
        struct slice_input *input = &slice->inputs[index];
        input->consumed = 0;
        if (index == 0 || input->table->run != slice->inputs[index - 1].table->run) {
            assert(merge->stream_count < merge->stream_capacity);
            stream = &merge->streams[merge->stream_count];
            assert(stream->cursor.stage == TABLE_CURSOR_IDLE);
            stream->input = input;
            stream->inputs_left = 0;
            stream->position = 0;
            stream->has_key = false;
            merge->stream_count += 1;
        }
        stream->inputs_left += 1;
    }
    assert(merge->stream_count == slice->stream_count);
    for (uint32_t index = 0; index < merge->stream_count; index += 1)
        stream_start_cursor(merge, &merge->streams[index]);
}

void slice_merge_stop(struct slice_merge *merge)
{
    for (uint32_t index = 0; index < merge->stream_capacity; index += 1) {
        struct table_cursor *cursor = &merge->streams[index].cursor;
        if (cursor->stage != TABLE_CURSOR_IDLE) table_cursor_stop(cursor);
    }
    merge->stream_count = 0;
}

static enum progress stream_fault(
    struct slice_merge *merge, const struct slice_stream *stream, const char *fault
)
{
    merge->faulty = stream->input->table;
    merge->fault = fault;
    return PROGRESS_FAILED;
}

static const uint8_t *stream_record(
    const struct slice_merge *merge, const struct slice_stream *stream
)
{
    return (const uint8_t *)stream->cursor.records +
           (uint64_t)stream->position * merge->format->shape.record_size;
}

/* Brings the next record of a run to hand, if it has one. Tables are counted against the manifest
 * before their records are used: what is reserved relies on it. */
static enum progress stream_fetch(struct slice_merge *merge, struct slice_stream *stream)
{
    while (!stream->has_key && stream->inputs_left > 0) { /* ends: counts tables down */
        const struct slice_input *input = stream->input;
        const enum progress progress = table_cursor_advance(&stream->cursor);
        if (progress != PROGRESS_DONE) return progress;
        if (table_cursor_is_end(&stream->cursor)) {
            if (input->consumed != input->table->value_count) {
                return stream_fault(merge, stream, "a table has too few records");
            }
            table_cursor_stop(&stream->cursor);
            stream->input += 1;
            stream->inputs_left -= 1;
            stream->position = 0;
            if (stream->inputs_left > 0) stream_start_cursor(merge, stream);
            continue;
        }
        const uint64_t left = stream->cursor.count - stream->position;
        if (input->consumed + left > input->table->value_count) {
            return stream_fault(merge, stream, "a table has too many records");
        }
        stream->key = record_key(&merge->format->shape, stream_record(merge, stream));
        stream->has_key = true;
    }
    return PROGRESS_DONE;
}

/* The record at hand was taken. With the last one of a block, lets go of it. */
static enum progress stream_pop(struct slice_merge *merge, struct slice_stream *stream)
{
    stream->has_key = false;
    stream->position += 1;
    stream->input->consumed += 1;
    if (stream->position < stream->cursor.count) return PROGRESS_DONE;
    stream->position = 0;
    table_cursor_next(&stream->cursor);
    for (uint32_t index = 0; index < stream->cursor.finished_count; index += 1) {
        if (block_supply_release(merge->supply, table_cursor_finished(&stream->cursor, index)))
            continue;
        return stream_fault(merge, stream, "a table has too many blocks");
    }
    return PROGRESS_DONE;
}

/* Brings a record to hand wherever there is none: at first everywhere, so that the reads of all
 * runs are on their way together, then where one was taken. */
static enum progress merge_fetch(struct slice_merge *merge)
{
    if (merge->hungry != NULL) return stream_fetch(merge, merge->hungry);
    enum progress all = PROGRESS_DONE;
    for (uint32_t index = 0; index < merge->stream_count; index += 1) {
        const enum progress progress = stream_fetch(merge, &merge->streams[index]);
        if (progress == PROGRESS_FAILED) return progress;
        if (progress == PROGRESS_WAIT) all = PROGRESS_WAIT;
    }
    return all;
}

/* The stream with the lowest key; of equal keys the newest. NULL: all have ended. */
static struct slice_stream *merge_lowest(struct slice_merge *merge)
{
    struct slice_stream *lowest = NULL;
    for (uint32_t index = 0; index < merge->stream_count; index += 1) {
        struct slice_stream *stream = &merge->streams[index];
        if (!stream->has_key) continue;
        if (lowest == NULL || key_less(stream->key, lowest->key)) lowest = stream;
    }
    return lowest;
}

/* An older record of the key that was taken last. */
static enum progress merge_older(
    struct slice_merge *merge, const struct slice_stream *stream, const uint8_t *record
)
{
    const struct record_shape *shape = &merge->format->shape;
    struct run_merge_piece *piece = &merge->piece;
    const bool is_tombstone = record_is_tombstone(shape, record);
    if (!merge->cancel) {
        piece->replaced += 1;
        return PROGRESS_DONE;
    }
    if (is_tombstone == merge->last_is_tombstone) {
        return stream_fault(merge, stream, "an index holds a key twice");
    }
    if (merge->last_is_kept) { /* the newer one of the pair lies last in the block */
        piece->count -= 1;
        piece->cancelled += 1;
    } else {
        bytes_copy(
            merge->block + (uint64_t)piece->count * shape->record_size, record, shape->record_size
        );
        piece->count += 1;
    }
    merge->last_is_kept = !merge->last_is_kept;
    merge->last_is_tombstone = is_tombstone;
    return PROGRESS_DONE;
}

static void merge_newest(
    struct slice_merge *merge, const struct slice_stream *stream, const uint8_t *record
)
{
    const struct record_shape *shape = &merge->format->shape;
    uint8_t *place = merge->block + (uint64_t)merge->piece.count * shape->record_size;
    bytes_copy(place, record, shape->record_size);
    merge->piece.count += 1;
    merge->last = stream->key;
    merge->has_last = true;
    merge->last_is_kept = true;
    merge->last_is_tombstone = record_is_tombstone(shape, record);
}

/* Whether the piece is complete in front of a record with another key. */
static bool piece_is_complete(const struct slice_merge *merge)
{
    return merge->piece.consumed >= merge->format->geometry.records_per_block ||
           merge->taken >= merge->slice->target;
}

enum progress slice_merge_next(struct slice_merge *merge)
{
    if (merge->ended) {
        merge->piece = (struct run_merge_piece){0};
        return PROGRESS_DONE;
    }
    if (merge->piece_is_done) merge->piece = (struct run_merge_piece){0};
    merge->piece_is_done = false;
    while (true) { /* ends: each turn takes a record, or is the last */
        const enum progress progress = merge_fetch(merge);
        if (progress != PROGRESS_DONE) return progress;
        struct slice_stream *stream = merge_lowest(merge);
        const bool is_older =
            stream != NULL && merge->has_last && key_equal(stream->key, merge->last);
        if (stream == NULL || (!is_older && piece_is_complete(merge))) break;

        const uint8_t *record = stream_record(merge, stream);
        if (is_older) {
            if (merge_older(merge, stream, record) == PROGRESS_FAILED) return PROGRESS_FAILED;
        } else {
            merge_newest(merge, stream, record);
        }
        merge->piece.consumed += 1;
        merge->taken += 1;
        merge->hungry = stream;
        if (stream_pop(merge, stream) == PROGRESS_FAILED) return PROGRESS_FAILED;
    }
    merge->piece.records = merge->block;
    merge->piece_is_done = true;
    merge->ended = merge->piece.consumed == 0 || merge->taken >= merge->slice->target;
    if (merge->has_last) merge->slice->end = merge->last;
    return PROGRESS_DONE;
}
