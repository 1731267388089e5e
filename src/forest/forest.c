#include "forest/forest.h"

#include "base/assert.h"
#include "base/integer.h"

#include "base/poison.h"

struct tree_options forest_tree_options(struct forest *forest, uint32_t tree)
{
    const struct forest_options *options = &forest->options;
    const struct tree_place place = schema_tree(options->schema, tree);
    const struct tree_sizing *sizing = &options->sizing->trees[tree - 1];
    struct tree_options tree_options = {
        .id = (uint16_t)tree,
        .shape = sizing->shape,
        .usage = place.kind == TREE_KIND_INDEX ? TREE_INDEX : TREE_GENERAL,
        .point_lookups = place.kind != TREE_KIND_INDEX,
        .record_max = sizing->record_max,
        .value_count_max = sizing->value_count_max,
        .shared = &forest->shared,
    };
    if (options->overlay_events != NULL) {
        const uint32_t events = options->overlay_events[place.collection->number];
        tree_options.overlay_count = events * sizing->records_per_event + 1;
    }
    return tree_options;
}

static void forest_init_half_bar(struct forest *forest, struct budget *budget)
{
    const struct sizing *sizing = forest->options.sizing;
    struct half_bar_measure measure = {0};
    uint32_t record_size_max = 0;
    for (uint32_t tree = 0; tree < forest->tree_count; tree += 1) {
        half_bar_measure_tree(
            &measure,
            &sizing->trees[tree].geometry,
            sizing->trees[tree].shape.record_size,
            half_bar_tables_max(sizing->runs_max, sizing->growth_factor)
        );
        record_size_max = max_u32(record_size_max, sizing->trees[tree].shape.record_size);
    }
    /* More than 2^32 addresses are 32 GiB, which the system refuses: the open says so. */
    const uint64_t blocks_max =
        min_u64(half_bar_blocks_max(&measure, sizing->bar_beats / 2), UINT32_MAX);
    const struct half_bar_options options = {
        .grid = forest->options.compaction_grid,
        .fault = forest->options.compaction_fault,
        .compactions_max = forest->tree_count * HALF_BAR_COMPACTIONS_A_TREE,
        .blocks_max = (uint32_t)blocks_max,
        .block_size = sizing->block_size,
        .growth_factor = sizing->growth_factor,
        .runs_max = sizing->runs_max,
        .record_size_max = record_size_max,
        .compaction_depth = forest->options.compaction_depth,
    };
    budget_group(budget, "compaction");
    half_bar_init(&forest->half_bar, budget, &options);
}

static void forest_init_shared(struct forest *forest, struct budget *budget)
{
    const struct forest_options *options = &forest->options;
    const struct sizing *sizing = options->sizing;
    budget_group(budget, "manifest");
    node_pool_init(&forest->nodes, budget, sizing->tables_max);
    const struct manifest_log_options log_options = {
        .grid = options->grid,
        .fault = options->fault,
        .block_count_max = sizing->block_count_max,
        .block_size = sizing->block_size,
        .tables_max = sizing->tables_max,
        .half_bar_tables = half_bar_tables_max(sizing->runs_max, sizing->growth_factor),
        .tree_count = sizing->tree_count,
    };
    manifest_log_init(&forest->log, budget, &log_options);

    forest_init_half_bar(forest, budget);

    uint64_t scratch_bytes = 0;
    for (uint32_t tree = 1; tree <= forest->tree_count; tree += 1) {
        const struct tree_options tree_options = forest_tree_options(forest, tree);
        scratch_bytes = max_u64(scratch_bytes, tree_scratch_bytes(&tree_options));
    }
    const bool builds_tables = options->overlay_events == NULL;
    const uint64_t hashes_bytes = builds_tables ? sizing->filter_hashes_bytes : 0;
    budget_group(budget, "filter hashes");
    uint64_t *filter_hashes =
        budget_take(budget, hashes_bytes / sizeof *filter_hashes, sizeof *filter_hashes, 64);
    budget_group(budget, "sort scratch");
    forest->shared = (struct lsm_shared){
        .grid = options->grid,
        .log = &forest->log,
        .nodes = &forest->nodes,
        .compaction = &forest->half_bar.pool,
        .fault = options->fault,
        .scratch = budget_take(budget, 1, scratch_bytes, 64),
        .scratch_bytes = scratch_bytes,
        .filter_hashes = filter_hashes,
        .block_count_max = sizing->block_count_max,
        .growth_factor = sizing->growth_factor,
        .block_size = sizing->block_size,
    };
    for (uint8_t level = 0; level < LEVELS; level += 1) {
        forest->shared.runs_max[level] = sizing->runs_max[level];
    }
}

/* Of all maps; 0: there is none. */
static uint32_t map_record_bytes_max(const struct schema *schema)
{
    uint32_t bytes = 0;
    for (uint32_t number = 0; number < schema->count; number += 1) {
        const struct collection_schema *collection = &schema->collections[number];
        if (collection->is_map) bytes = max_u32(bytes, codec_map_record_bytes(collection));
    }
    return bytes;
}

static void forest_init_collection(struct forest *forest, uint32_t number)
{
    const struct collection_schema *schema = &forest->options.schema->collections[number];
    struct collection *collection = &forest->collections[number];
    *collection = (struct collection){
        .schema = schema,
        .object_tree = &forest->trees[schema->object_tree - 1],
        .id_tree = schema->id_tree == 0 ? NULL : &forest->trees[schema->id_tree - 1],
    };
    for (uint32_t index = 0; index < schema->index_count; index += 1) {
        collection->index_trees[index] = &forest->trees[schema->indexes[index].tree - 1];
    }
}

void forest_init(struct forest *forest, struct budget *budget, const struct forest_options *options)
{
    assert(options->schema->tree_count == options->sizing->tree_count);

    *forest = (struct forest){
        .options = *options,
        .tree_count = options->schema->tree_count,
        .collection_count = options->schema->count,
    };
    forest_init_shared(forest, budget);
    budget_group(budget, "memory tables");
    forest->trees = budget_take(budget, forest->tree_count, sizeof *forest->trees, 64);
    /* While measuring there are no trees yet: one by one they are measured in this one's place. */
    struct tree measured;
    for (uint32_t tree = 1; tree <= forest->tree_count; tree += 1) {
        const struct tree_options tree_options = forest_tree_options(forest, tree);
        struct tree *place = budget_is_measuring(budget) ? &measured : &forest->trees[tree - 1];
        tree_init(place, budget, &tree_options);
    }
    budget_group(budget, "transaction");
    const struct resolver_options resolver_options = {
        .grid = options->grid,
        .fault = options->fault,
        .map_record_bytes = map_record_bytes_max(options->schema),
    };
    resolver_init(&forest->resolver, budget, &resolver_options);
    if (budget_is_measuring(budget)) return;

    for (uint32_t number = 0; number < forest->collection_count; number += 1) {
        forest_init_collection(forest, number);
    }
    const struct sizing *sizing = options->sizing;
    forest->schedule = (struct schedule){
        .bar_beats = sizing->bar_beats,
        .effect_beats = sizing->bar_beats / 2,
        .beat_bytes_max = sizing->journal_bytes / (6 * (uint64_t)sizing->bar_beats),
    };
    assert(forest->schedule.beat_bytes_max >= sizing->entry_bytes_max);
}

static const char *forest_open_table(void *context, const struct table_info *info)
{
    struct forest *forest = context;
    if (info->tree == 0 || info->tree > forest->tree_count) {
        return "the manifest log names a tree that the schema does not have";
    }
    return tree_open_table(&forest->trees[info->tree - 1], info);
}

static enum tactus_status forest_open_state(
    struct forest *forest, const uint8_t *bytes, uint64_t size
)
{
    struct forest_state state;
    const char *fault = forest_state_decode(&state, bytes, size, forest->collection_count);
    if (fault == NULL) fault = forest_state_fault(&state, forest->options.schema);
    if (fault != NULL) {
        const struct trailer_reference *reference = &forest->options.superblock->checkpoint.state;
        const struct fault found = {
            .status = TACTUS_CORRUPT,
            .zone = FAULT_ZONE_GRID,
            .what = fault,
            .address = reference->last.address,
            .block_type = BLOCK_STATE,
        };
        return fault_set(forest->options.fault, found);
    }
    forest->counters = state.counters;
    forest->schedule.short_of_room = state.short_of_room;
    for (uint32_t number = 0; number < forest->collection_count; number += 1) {
        forest->collections[number].timestamp_last = state.timestamp_last[number];
    }
    return TACTUS_OK;
}

/* Beats beyond it are no history of ours: they would run over. */
#define BEAT_LIMIT (UINT64_C(1) << 61)

/* A capture stands at the end of a bar; and what it holds beyond op_covered is that bar's. */
static enum tactus_status forest_check_capture(const struct forest *forest)
{
    const struct checkpoint_state *checkpoint = &forest->options.superblock->checkpoint;
    const uint32_t bar_beats = forest->schedule.bar_beats;
    const bool whole_bar =
        checkpoint->beat_capture % bar_beats == 0 && checkpoint->beat_capture < BEAT_LIMIT;
    const bool bar_is_there =
        checkpoint->op_covered == checkpoint->op_captured || checkpoint->beat_capture > 0;
    if (whole_bar && bar_is_there) return TACTUS_OK;
    const struct fault found = {
        .status = TACTUS_CORRUPT,
        .zone = FAULT_ZONE_SUPERBLOCK,
        .what = "the checkpoint's beat is not the last of a bar",
    };
    return fault_set(forest->options.fault, found);
}

/* The last bar before the capture is only in the journal: its beats are gone through again. After a
 * complete checkpoint nothing is, and the next beat is the first one open. */
static void forest_open_schedule(struct forest *forest)
{
    const struct checkpoint_state *checkpoint = &forest->options.superblock->checkpoint;
    struct schedule *schedule = &forest->schedule;
    const bool complete = checkpoint->op_covered == checkpoint->op_captured;
    schedule->beat_capture = checkpoint->beat_capture;
    schedule->replay_through = checkpoint->beat_capture;
    schedule->beat = complete ? checkpoint->beat_capture + 1
                              : checkpoint->beat_capture + 1 - schedule->bar_beats;
    schedule->effect_pending = true;
    schedule->released_baseline = free_set_count_released(&forest->options.grid->free_set);
    schedule->covered = (struct journal_position){
        .op = checkpoint->op_covered + 1,
        .offset = checkpoint->journal_offset,
        .predecessor = checkpoint->journal_predecessor,
    };
    schedule->bar_head = schedule->covered;
    forest->op_captured = checkpoint->op_captured;
    forest_set_snapshot(forest);
}

enum tactus_status forest_open(struct forest *forest, const uint8_t *state, uint64_t state_size)
{
    const struct checkpoint_state *checkpoint = &forest->options.superblock->checkpoint;
    TRY(forest_check_capture(forest));
    TRY(forest_open_state(forest, state, state_size));
    forest_open_schedule(forest);
    const struct manifest_log_references references = {
        .oldest = checkpoint->manifest_oldest,
        .newest = checkpoint->manifest_newest,
        .block_count = checkpoint->manifest_block_count,
    };
    const struct manifest_log_visitor visitor = {.table = forest_open_table, .context = forest};
    TRY(manifest_log_open(&forest->log, &references, &visitor));
    for (uint32_t tree = 0; tree < forest->tree_count; tree += 1) {
        TRY(tree_open_end(&forest->trees[tree]));
    }
    return TACTUS_OK;
}

void forest_close(struct forest *forest)
{
    struct worker *worker = forest->options.worker;
    if (worker != NULL && worker_is_open(worker)) worker_join(worker);
    half_bar_abandon(&forest->half_bar);
    manifest_log_deinit(&forest->log);
}

void forest_check(const struct forest *forest)
{
    uint64_t table_count = 0;
    for (uint32_t index = 0; index < forest->tree_count; index += 1) {
        const struct tree *tree = &forest->trees[index];
        tree_check(tree);
        for (uint8_t level = 0; level < LEVELS; level += 1) {
            table_count += tree_table_count(tree, level);
        }
    }
    assert(table_count == forest->log.extents.count);
    manifest_log_check(&forest->log);
}
