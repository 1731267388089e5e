#include "lsm/run_merge.h"

#include "base/assert.h"
#include "base/integer.h"

#include <stddef.h>

#include "base/poison.h"

void run_merge_begin(struct run_merge *merge, const struct memory_table *table)
{
    assert(table->sorted_count == table->count);
    assert(table->run_count <= MERGE_STREAMS_MAX);
    merge->table = table;
    merge->stream_count = table->run_count;
    merge->remaining = table->count;
    for (uint32_t index = 0; index < table->run_count; index += 1) {
        const struct memory_run run = table->runs[index];
        merge->streams[index] = (struct merge_stream
        ){.next = memory_table_at(table, run.begin), .end = memory_table_at(table, run.end)};
    }
}

/* The only stream that has records left, or NULL. */
static struct merge_stream *last_stream(struct run_merge *merge)
{
    struct merge_stream *found = NULL;
    for (uint32_t index = 0; index < merge->stream_count; index += 1) {
        struct merge_stream *stream = &merge->streams[index];
        if (stream->next == stream->end) continue;
        if (found != NULL) return NULL;
        found = stream;
    }
    return found;
}

/* Out of one run, as object trees have, records are given where they lie. */
static struct run_merge_piece piece_of(
    const struct run_merge *merge, struct merge_stream *stream, uint32_t input_max
)
{
    const uint32_t size = merge->table->shape->record_size;
    const uint32_t left = (uint32_t)((size_t)(stream->end - stream->next) / size);
    const uint32_t count = min_u32(left, input_max);
    const void *records = stream->next;
    stream->next += (size_t)count * size;
    return (struct run_merge_piece){.records = records, .count = count, .consumed = count};
}

struct run_merge_piece run_merge_next(struct run_merge *merge, void *target, uint32_t input_max)
{
    const struct memory_table *table = merge->table;
    if (merge->remaining == 0) return (struct run_merge_piece){0};
    struct run_merge_piece piece;
    struct merge_stream *last = last_stream(merge);
    if (last != NULL) {
        piece = piece_of(merge, last, input_max);
    } else {
        struct merge_streams step = {
            .streams = merge->streams,
            .stream_count = merge->stream_count,
            .input_max = input_max,
            .target = target,
            .cancel = table->is_index,
        };
        table->kernels->merge_streams(table->shape, &step);
        piece = (struct run_merge_piece){
            .records = target,
            .count = step.produced,
            .consumed = step.consumed,
            .replaced = step.replaced,
            .cancelled = step.cancelled,
        };
    }
    assert(piece.consumed > 0);
    assert(piece.consumed <= merge->remaining);
    merge->remaining -= piece.consumed;
    return piece;
}
