#include "forest/half_bar.h"

#include "base/assert.h"
#include "base/integer.h"
#include "lsm/tree.h"

#include "base/poison.h"

void half_bar_init(
    struct half_bar *half_bar, struct budget *budget, const struct half_bar_options *options
)
{
    *half_bar = (struct half_bar){
        .compactions = budget_take(
            budget, options->compactions_max, sizeof(struct compaction *), _Alignof(void *)
        ),
        .compactions_max = options->compactions_max,
        .statistics = budget_take(budget, 1, sizeof(struct half_bar_statistics), 64),
        .excess_max =
            2 * (uint64_t)options->block_size +
            (uint64_t)(run_limits_widest(options->runs_max) - 1) * options->record_size_max,
    };
    block_supply_init(&half_bar->supply, budget, options->blocks_max);
    const struct compaction_pool_options pool = {
        .grid = options->grid,
        .supply = &half_bar->supply,
        .fault = options->fault,
        .block_size = options->block_size,
        .growth_factor = options->growth_factor,
        .runs_max = options->runs_max,
        .depth = options->compaction_depth,
    };
    compaction_pool_init(&half_bar->pool, budget, &pool);
}

void half_bar_abandon(struct half_bar *half_bar)
{
    compaction_pool_abandon(&half_bar->pool);
    block_supply_drop(&half_bar->supply);
}

void half_bar_begin(struct half_bar *half_bar, const struct compaction_terms *terms)
{
    assert(half_bar_is_idle(half_bar));
    assert(half_bar->bytes_left == 0);
    half_bar->current = 0;
    half_bar->entries = 0;
    half_bar->terms = *terms;
}

static uint64_t record_size_of(const struct compaction *compaction)
{
    return compaction->tree->options.shape.record_size;
}

void half_bar_select(struct half_bar *half_bar, struct compaction *compaction)
{
    if (!compaction_select(compaction, &half_bar->terms)) return;
    assert(half_bar->count < half_bar->compactions_max);
    half_bar->compactions[half_bar->count] = compaction;
    half_bar->count += 1;
    half_bar->bytes_left += compaction_record_count(compaction) * record_size_of(compaction);
    half_bar->entries += compaction_entry_count_max(compaction);
}

bool half_bar_is_idle(const struct half_bar *half_bar)
{
    return half_bar->count == 0;
}

uint64_t half_bar_beat_plan(struct half_bar *half_bar, uint32_t beats_left)
{
    assert(beats_left > 0);
    half_bar->quota = div_ceil_u64(half_bar->bytes_left, beats_left);
    half_bar->done = 0;
    uint64_t blocks = 0;
    uint64_t bytes = half_bar->quota;
    for (uint32_t index = half_bar->current; index < half_bar->count && bytes > 0; index += 1) {
        const struct compaction *compaction = half_bar->compactions[index];
        const uint64_t size = record_size_of(compaction);
        const uint64_t left =
            compaction_record_count(compaction) - compaction_record_done(compaction);
        const uint64_t records = min_u64(div_ceil_u64(bytes, size), left);
        blocks += compaction_block_count_max(compaction, records);
        bytes -= min_u64(bytes, records * size);
    }
    assert(bytes == 0);
    return blocks;
}

/* Goes on with the current compaction by what is left of the quota. */
static enum progress half_bar_advance(struct half_bar *half_bar, struct compaction *compaction)
{
    const uint64_t size = record_size_of(compaction);
    const uint64_t before = compaction_record_done(compaction);
    const uint64_t target = before + div_ceil_u64(half_bar->quota - half_bar->done, size);
    if (compaction->stage == COMPACTION_SELECTED) compaction_begin(compaction);
    enum progress progress = compaction_advance(compaction, target);
    while (progress == PROGRESS_WAIT) { /* ends: some read completes, or fails */
        grid_wait(half_bar->pool.grid);
        progress = compaction_advance(compaction, target);
    }
    half_bar->done += (compaction_record_done(compaction) - before) * size;
    return progress;
}

void half_bar_beat_run(struct half_bar *half_bar)
{
    while (half_bar->done < half_bar->quota && !half_bar->failed) {
        assert(half_bar->current < half_bar->count);
        struct compaction *compaction = half_bar->compactions[half_bar->current];
        if (!compaction_is_finished(compaction)) {
            half_bar->failed = half_bar_advance(half_bar, compaction) == PROGRESS_FAILED;
            if (half_bar->failed) half_bar->failure = *half_bar->pool.fault;
        }
        if (compaction_is_finished(compaction)) half_bar->current += 1;
    }
}

static void count_beat(struct half_bar *half_bar)
{
    struct half_bar_statistics *statistics = half_bar->statistics;
    if (half_bar->quota == 0) return; /* all of the half-bar's compactions are moves */
    histogram_add(&statistics->bytes, half_bar->done);
    statistics->quota_max = max_u64(statistics->quota_max, half_bar->quota);
    statistics->beyond_max = max_u64(statistics->beyond_max, half_bar->done - half_bar->quota);
}

enum tactus_status half_bar_beat_end(struct half_bar *half_bar, struct fault *fault)
{
    if (half_bar->failed) {
        assert(half_bar->failure.status != TACTUS_OK);
        return fault_set(fault, half_bar->failure);
    }
    assert(half_bar->done >= half_bar->quota);
    assert(half_bar->done < half_bar->quota + half_bar->excess_max);
    assert(half_bar->done <= half_bar->bytes_left);
    half_bar->bytes_left -= half_bar->done;
    count_beat(half_bar);
    half_bar->quota = 0;
    half_bar->done = 0;
    return TACTUS_OK;
}

void half_bar_end(struct half_bar *half_bar)
{
    assert(half_bar->bytes_left == 0);
    for (uint32_t index = 0; index < half_bar->count; index += 1) {
        assert(!compaction_is_selected(half_bar->compactions[index]));
    }
    half_bar->count = 0;
    half_bar->current = 0;
    half_bar->entries = 0;
}

/* A tree's compactions read at most half_bar_tables_max() tables. A beat moves its share
 * of the worst half-bar's bytes; besides, each input table lets go of a value block that is not
 * full, and of its index blocks; and what each compaction reserves beyond what its records fill,
 * compaction_blocks_extra(), is less. */
void half_bar_measure_tree(
    struct half_bar_measure *measure,
    const struct table_geometry *geometry,
    uint32_t record_size,
    uint32_t half_bar_tables
)
{
    const uint64_t tables = half_bar_tables;
    const uint64_t index_blocks = geometry->blocks_max - geometry->value_blocks_max;
    const uint64_t table_bytes = (uint64_t)geometry->records_max * record_size;
    const uint64_t bytes_a_block = table_bytes / geometry->blocks_max;
    assert(bytes_a_block > 0);
    assert(
        tables * (1 + index_blocks) >=
        HALF_BAR_COMPACTIONS_A_TREE * compaction_blocks_extra(geometry)
    );
    measure->input_bytes += tables * table_bytes;
    measure->blocks_fixed += tables * (1 + index_blocks);
    if (measure->bytes_a_block == 0 || bytes_a_block < measure->bytes_a_block) {
        measure->bytes_a_block = bytes_a_block;
    }
}

uint64_t half_bar_blocks_max(const struct half_bar_measure *measure, uint32_t half_bar_beats)
{
    const uint64_t beat_bytes = div_ceil_u64(measure->input_bytes, half_bar_beats);
    return div_ceil_u64(beat_bytes, measure->bytes_a_block) + measure->blocks_fixed;
}
