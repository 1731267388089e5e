#include "lsm/manifest_pace.h"

#include "base/assert.h"
#include "base/integer.h"

#include "base/poison.h"

struct manifest_pace manifest_pace_of(const struct manifest_pace_options *options)
{
    assert(options->entries_max > 0);
    assert(options->tree_count > 0);
    const uint64_t tables = options->half_bar_tables;
    const uint64_t events = tables * (MANIFEST_EVENTS_IN + MANIFEST_EVENTS_OUT);
    struct manifest_pace pace = {
        .entries_max = options->entries_max,
        .tables_max = options->tables_max,
        .events_max = options->tree_count * events,
        .table_blocks = div_ceil_u64(options->tables_max, options->entries_max),
    };
    pace.append_blocks = div_ceil_u64(pace.events_max, pace.entries_max) + 1;
    pace.compact_blocks = 2 * pace.append_blocks;
    const uint64_t half = pace.table_blocks / 2;
    pace.log_blocks_max = 2 * pace.table_blocks + half + 4 * pace.append_blocks - 1;
    pace.ring_blocks = pace.log_blocks_max + half + pace.append_blocks;
    assert(pace.append_blocks >= 2); /* P6 */
    return pace;
}

/* Blocks that one event of each live table fills. */
static uint64_t live_blocks(const struct manifest_pace *pace, uint64_t tables_live)
{
    return div_ceil_u64(tables_live, pace->entries_max);
}

/* Closed blocks beyond twice what the live tables fill. */
static uint64_t excess_blocks(
    const struct manifest_pace *pace, uint64_t blocks_closed, uint64_t tables_live
)
{
    const uint64_t rest = 2 * live_blocks(pace, tables_live);
    return blocks_closed > rest ? blocks_closed - rest : 0;
}

uint64_t manifest_pace_compact(
    const struct manifest_pace *pace, uint64_t blocks_closed, uint64_t tables_live
)
{
    return min_u64(pace->compact_blocks, excess_blocks(pace, blocks_closed, tables_live));
}

/* Each live table is copied once at most, whatever is compacted. */
uint64_t manifest_pace_half_bar_blocks(
    const struct manifest_pace *pace, uint64_t blocks_closed, uint64_t tables_live, uint64_t events
)
{
    const uint64_t compacted = manifest_pace_compact(pace, blocks_closed, tables_live);
    const uint64_t copied = min_u64(compacted * pace->entries_max, tables_live);
    return div_ceil_u64(events + copied, pace->entries_max);
}

/* The first half closes ceil(events / E) blocks at most, a capture may have closed one more, and
 * half of the events at most make a table dead: that is what the second half can have in excess
 * more. */
uint64_t manifest_pace_bar_blocks(
    const struct manifest_pace *pace, uint64_t blocks_closed, uint64_t tables_live, uint64_t events
)
{
    const uint64_t closed = div_ceil_u64(events, pace->entries_max) + 1;
    const uint64_t died = 2 * div_ceil_u64(events, 2 * (uint64_t)pace->entries_max);
    const uint64_t excess = excess_blocks(pace, blocks_closed, tables_live) + closed + died;
    const uint64_t compacted = min_u64(pace->compact_blocks, excess);
    return closed + 2 * min_u64(compacted, live_blocks(pace, tables_live));
}

uint64_t manifest_pace_bar_blocks_max(const struct manifest_pace *pace)
{
    const uint64_t copied = min_u64(pace->compact_blocks, pace->table_blocks);
    return div_ceil_u64(2 * pace->events_max, pace->entries_max) + 1 + 2 * copied;
}
