#include "support/lsm_fixture.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "io/file.h"

#include <stdlib.h>

#include "base/poison.h"

static uint32_t depth_of(const struct lsm_fixture_options *options)
{
    return options->compaction_depth == 0 ? COMPACTION_DEPTH_DEFAULT : options->compaction_depth;
}

/* `runs_max` with its defaults. */
static void runs_of(const struct lsm_fixture_options *options, uint32_t runs_max[LEVELS])
{
    for (uint8_t level = 0; level < LEVELS; level += 1)
        runs_max[level] = max_u32(options->runs_max[level], 1);
}

static uint32_t cursors_of(const struct lsm_fixture_options *options)
{
    uint32_t runs_max[LEVELS];
    runs_of(options, runs_max);
    return options->scan_cursors > 0 ? options->scan_cursors : tree_level_runs_max(runs_max);
}

static struct storage_fixture_options storage_options(const struct lsm_fixture_options *options)
{
    uint32_t runs_max[LEVELS];
    runs_of(options, runs_max);
    const uint32_t widest = run_limits_widest(runs_max);
    return (struct storage_fixture_options){
        .block_count_max = options->block_count_max,
        .cache_frames = options->cache_frames,
        .pinned_frames_max = MANIFEST_LOG_FRAMES + compaction_frames(widest, depth_of(options)) +
                             slice_frames(widest) + scan_pool_frames(cursors_of(options)) +
                             LSM_FIXTURE_LOOKUPS * LOOKUP_FRAMES,
        .read_only = options->overlay_count > 0,
    };
}

struct simulated_disk *lsm_fixture_disk(uint64_t seed, const struct lsm_fixture_options *options)
{
    const struct storage_fixture_options storage = storage_options(options);
    return storage_fixture_disk(seed, &storage);
}

static uint32_t hashes_max(const struct tree_options *tree)
{
    struct table_geometry geometry;
    const enum table_fit fit = table_geometry_init(
        &geometry, &tree->shape, tree->shared->block_size, tree->record_max, tree->value_count_max
    );
    assert(fit == TABLE_FITS);
    return table_filter_hashes_max(&geometry);
}

static void init_all(struct lsm_fixture *fixture, struct budget *budget)
{
    const struct lsm_fixture_options *options = &fixture->options;
    struct storage_fixture *storage = &fixture->storage;
    const struct manifest_log_options log = {
        .grid = &storage->grid,
        .fault = &storage->fault,
        .block_count_max = storage->layout.block_count_max,
        .block_size = storage->layout.block_size,
        .tables_max = options->tables_max,
        .half_bar_tables = half_bar_tables_max(options->runs_max, options->growth_factor),
        .tree_count = 1};
    const struct tree_options tree = {
        .id = LSM_FIXTURE_TREE,
        .shape = options->shape,
        .usage = options->usage,
        .point_lookups = options->point_lookups,
        .record_max = options->record_max,
        .value_count_max = options->record_max * options->bar_beats,
        .overlay_count = options->overlay_count,
        .shared = &fixture->shared};
    const struct scan_tree_options scan = {
        .permutation_max = options->record_max * 2,
        .runs_max = tree_runs_max(&tree),
        .level_runs_max = tree_level_runs_max(options->runs_max),
        .pool = &fixture->scan_pool};

    fixture->shared = (struct lsm_shared
    ){.grid = &storage->grid,
      .log = &fixture->log,
      .nodes = &fixture->nodes,
      .compaction = &fixture->pool,
      .fault = &storage->fault,
      .scratch_bytes = tree_scratch_bytes(&tree),
      .block_count_max = storage->layout.block_count_max,
      .growth_factor = options->growth_factor,
      .block_size = storage->layout.block_size};
    runs_of(options, fixture->shared.runs_max);
    fixture->shared.scratch = budget_take(budget, fixture->shared.scratch_bytes, 1, 64);
    fixture->shared.filter_hashes = budget_take(budget, hashes_max(&tree), sizeof(uint64_t), 64);
    node_pool_init(&fixture->nodes, budget, options->tables_max);
    manifest_log_init(&fixture->log, budget, &log);
    block_supply_init(&fixture->supply, budget, LSM_FIXTURE_SUPPLY);
    const struct compaction_pool_options pool = {
        .grid = &storage->grid,
        .supply = &fixture->supply,
        .fault = &storage->fault,
        .block_size = storage->layout.block_size,
        .growth_factor = options->growth_factor,
        .runs_max = options->runs_max,
        .depth = depth_of(options)};
    compaction_pool_init(&fixture->pool, budget, &pool);
    tree_init(&fixture->tree, budget, &tree);
    scan_pool_init(&fixture->scan_pool, budget, cursors_of(options));
    scan_tree_init(&fixture->scan, budget, &scan);
    for (uint32_t index = 0; index < COUNT_OF(fixture->other_scans); index += 1)
        scan_tree_init(&fixture->other_scans[index], budget, &scan);
}

void lsm_fixture_begin(
    struct lsm_fixture *fixture,
    struct simulated_disk *disk,
    const struct lsm_fixture_options *options
)
{
    *fixture = (struct lsm_fixture){.options = *options, .beat_captured = UINT64_MAX};
    if (options->growth_factor == 0) fixture->options.growth_factor = 4;
    runs_of(options, fixture->options.runs_max);
    if (options->tables_max == 0) fixture->options.tables_max = 1024;
    const struct storage_fixture_options storage = storage_options(options);
    storage_fixture_begin(&fixture->storage, disk, &storage);

    struct budget budget;
    budget_measure_begin(&budget);
    init_all(fixture, &budget);
    const uint64_t size = round_up_u64(budget_used(&budget), BUDGET_ALIGNMENT);
    fixture->region = aligned_alloc(BUDGET_ALIGNMENT, size);
    assert(fixture->region != NULL);
    bytes_zero(fixture->region, size);
    budget_carve_begin(&budget, fixture->region, size);
    init_all(fixture, &budget);
    assert(budget_used(&budget) <= size);
}

/* As forest_set_snapshot() does. */
static void set_snapshot(struct lsm_fixture *fixture)
{
    const bool has_captured = fixture->beat_captured != UINT64_MAX;
    const uint64_t captured = has_captured ? fixture->beat_captured + 1 : 0;
    fixture->shared.snapshot_newest = max_u64(fixture->beat, captured);
}

static void select_for_half_bar(struct lsm_fixture *fixture)
{
    const uint64_t half = fixture->options.bar_beats / 2;
    if (fixture->beat % half != 0) return;
    const bool is_first = fixture->beat % fixture->options.bar_beats == 0;
    const enum half_bar_half which = is_first ? HALF_BAR_FIRST : HALF_BAR_SECOND;
    const struct compaction_terms terms = {
        .snapshot_min = fixture->beat + half,
        .coalesces = fixture->options.coalesces,
    };
    for (uint8_t level = 0; level < LEVELS; level += 1) {
        if (!compaction_is_active(level, which)) continue;
        (void)compaction_select(&fixture->tree.compactions[level], &terms);
    }
}

void lsm_fixture_create(struct lsm_fixture *fixture)
{
    const struct checkpoint_capture capture = {.state = (const uint8_t *)"", .state_size = 0};
    enum tactus_status status =
        checkpoint_format(&fixture->storage.checkpoint, &capture, "schema", 6);
    assert(status == TACTUS_OK);
    status = grid_grow(&fixture->storage.grid, fixture->storage.layout.block_count_max);
    assert(status == TACTUS_OK);
    select_for_half_bar(fixture);
}

static const char *open_table(void *context, const struct table_info *info)
{
    struct lsm_fixture *fixture = context;
    if (info->tree != LSM_FIXTURE_TREE) return "there is no such tree";
    return tree_open_table(&fixture->tree, info);
}

enum tactus_status lsm_fixture_open(struct lsm_fixture *fixture)
{
    uint8_t *state = malloc(CHECKPOINT_STATE_SIZE_MAX);
    assert(state != NULL);
    uint64_t state_size = 0;
    const enum tactus_status status = storage_fixture_open(&fixture->storage, state, &state_size);
    free(state);
    TRY(status);

    const struct checkpoint_state *checkpoint = &fixture->storage.superblock.checkpoint;
    if (checkpoint->beat_capture > 0) {
        fixture->beat_captured = checkpoint->beat_capture;
        fixture->beat = checkpoint->beat_capture + 1 - fixture->options.bar_beats;
    }
    set_snapshot(fixture);
    const struct manifest_log_references references = {
        .oldest = checkpoint->manifest_oldest,
        .newest = checkpoint->manifest_newest,
        .block_count = checkpoint->manifest_block_count};
    const struct manifest_log_visitor visitor = {.table = open_table, .context = fixture};
    TRY(manifest_log_open(&fixture->log, &references, &visitor));
    TRY(tree_open_end(&fixture->tree));
    if (checkpoint->beat_capture == 0) select_for_half_bar(fixture);
    return TACTUS_OK;
}

void lsm_fixture_end(struct lsm_fixture *fixture)
{
    scan_tree_stop(&fixture->scan);
    for (uint32_t index = 0; index < COUNT_OF(fixture->other_scans); index += 1)
        scan_tree_stop(&fixture->other_scans[index]);
    compaction_pool_abandon(&fixture->pool);
    manifest_log_deinit(&fixture->log);
    storage_fixture_end(&fixture->storage);
    free(fixture->region);
    fixture->region = NULL;
}

/* All of its work, as one instalment. */
static enum tactus_status compaction_run(
    struct lsm_fixture *fixture,
    struct compaction *compaction,
    struct free_set_reservation *reservation
)
{
    struct grid *grid = &fixture->storage.grid;
    block_supply_fill(&fixture->supply, &grid->free_set, reservation);
    if (compaction->stage == COMPACTION_SELECTED) compaction_begin(compaction);
    enum progress progress = compaction_advance(compaction, UINT64_MAX);
    while (progress == PROGRESS_WAIT) {
        grid_wait(grid);
        progress = compaction_advance(compaction, UINT64_MAX);
    }
    if (progress == PROGRESS_FAILED) return fixture->storage.fault.status;
    assert(compaction_is_finished(compaction));
    return block_supply_settle(&fixture->supply, grid, reservation);
}

/* Compactions, each whole, and manifest log. */
static enum tactus_status half_bar_end(struct lsm_fixture *fixture)
{
    struct free_set *set = &fixture->storage.grid.free_set;
    struct free_set_reservation log_reservation;
    struct free_set_reservation reservations[LEVELS];
    uint64_t entries = 0;
    for (uint8_t level = 0; level < LEVELS; level += 1) {
        const struct compaction *compaction = &fixture->tree.compactions[level];
        if (compaction_is_selected(compaction)) entries += compaction_entry_count_max(compaction);
    }
    const uint64_t log_blocks = manifest_log_half_bar_blocks(&fixture->log, entries);
    bool is_reserved = free_set_reserve(set, log_blocks, &log_reservation);
    for (uint8_t level = 0; level < LEVELS; level += 1) {
        const struct compaction *compaction = &fixture->tree.compactions[level];
        if (!compaction_is_selected(compaction)) continue;
        const uint64_t records = compaction_record_count(compaction);
        const uint64_t blocks = compaction_block_count_max(compaction, records);
        is_reserved = is_reserved && free_set_reserve(set, blocks, &reservations[level]);
    }
    assert(is_reserved);
    manifest_log_half_bar_open(&fixture->log, entries, &log_reservation);

    bool has_run[LEVELS] = {false};
    for (uint8_t level = 0; level < LEVELS; level += 1) {
        struct compaction *compaction = &fixture->tree.compactions[level];
        has_run[level] = compaction_is_selected(compaction);
        if (has_run[level]) TRY(compaction_run(fixture, compaction, &reservations[level]));
    }
    for (uint8_t level = 0; level < LEVELS; level += 1) {
        if (has_run[level]) compaction_apply(&fixture->tree.compactions[level]);
    }
    TRY(manifest_log_compact(&fixture->log));
    manifest_log_forfeit(&fixture->log);
    free_set_forfeit(set, &log_reservation);
    fixture->half_bars += 1;
    return TACTUS_OK;
}

static enum tactus_status capture_checkpoint(struct lsm_fixture *fixture)
{
    struct manifest_log_references references;
    manifest_log_close(&fixture->log, &references);
    const struct checkpoint_capture capture = {
        .op_covered = fixture->beat,
        .op_captured = fixture->beat,
        .beat_capture = fixture->beat,
        .manifest_oldest = references.oldest,
        .manifest_newest = references.newest,
        .manifest_block_count = references.block_count,
        .state = (const uint8_t *)"state",
        .state_size = 5};
    TRY(grid_writes_finish(&fixture->storage.grid));
    TRY(checkpoint_capture(&fixture->storage.checkpoint, &capture));
    fixture->beat_captured = fixture->beat;
    return TACTUS_OK;
}

enum tactus_status lsm_fixture_boundary(struct lsm_fixture *fixture, bool capture)
{
    const uint64_t bar = fixture->options.bar_beats;
    const bool is_new =
        fixture->beat_captured == UINT64_MAX || fixture->beat > fixture->beat_captured;
    const bool ends_bar = (fixture->beat + 1) % bar == 0;
    const bool has_effect =
        fixture->beat_captured == UINT64_MAX || fixture->beat == fixture->beat_captured + 1;

    tree_sort_suffix(&fixture->tree);
    if ((fixture->beat + 1) % (bar / 2) == 0 && is_new) TRY(half_bar_end(fixture));
    if (ends_bar) tree_end_bar(&fixture->tree);
    if (has_effect && fixture->storage.grid.free_set.effect_pending) {
        checkpoint_effect(&fixture->storage.checkpoint);
    }
    if (ends_bar && is_new && capture) TRY(capture_checkpoint(fixture));
    const bool selects = is_new || fixture->beat == fixture->beat_captured;
    fixture->beat += 1;
    set_snapshot(fixture);
    if (selects) select_for_half_bar(fixture);
    return TACTUS_OK;
}

enum tactus_status lsm_fixture_bar(struct lsm_fixture *fixture, bool capture)
{
    do {
        TRY(lsm_fixture_boundary(fixture, capture));
    } while (fixture->beat % fixture->options.bar_beats != 0);
    return TACTUS_OK;
}

enum tactus_status lsm_fixture_get(
    struct lsm_fixture *fixture, struct key key, void *record, bool *found
)
{
    struct tree *tree = &fixture->tree;
    *found = false;
    if (!tree_key_range_contains(tree, key)) return TACTUS_OK;
    const void *newest = tree_get_mutable(tree, key, tree_visible_all(tree));
    if (newest != NULL) {
        *found = !record_is_tombstone(&tree->format.shape, newest);
        if (*found) bytes_copy(record, newest, tree->format.shape.record_size);
        return TACTUS_OK;
    }
    return lsm_fixture_look_up(fixture, tree_snapshot_newest(tree), key, record, found);
}

enum tactus_status lsm_fixture_look_up(
    struct lsm_fixture *fixture, uint64_t snapshot, struct key key, void *record, bool *found
)
{
    struct lookup lookup;
    lookup_init(&lookup, &fixture->tree, snapshot, key, record);
    enum progress progress = lookup_advance(&lookup);
    while (progress == PROGRESS_WAIT) {
        grid_wait(&fixture->storage.grid);
        progress = lookup_advance(&lookup);
    }
    *found = lookup.answer == LOOKUP_FOUND;
    return progress == PROGRESS_DONE ? TACTUS_OK : fixture->storage.fault.status;
}

enum scan_result lsm_fixture_next(struct lsm_fixture *fixture, const void **record)
{
    enum scan_result result = scan_tree_next(&fixture->scan, record);
    while (result == SCAN_READ_AGAIN) {
        enum progress progress = scan_tree_advance(&fixture->scan);
        while (progress == PROGRESS_WAIT) {
            grid_wait(&fixture->storage.grid);
            progress = scan_tree_advance(&fixture->scan);
        }
        result = scan_tree_next(&fixture->scan, record);
    }
    return result;
}

uint32_t lsm_fixture_pinned(struct lsm_fixture *fixture)
{
    struct grid *grid = &fixture->storage.grid;
    while (grid->reads_in_flight + grid->writes_in_flight > 0)
        grid_wait(grid);
    return grid->cache.pinned_count - (fixture->log.frame == NULL ? 0 : 1);
}

struct checksum lsm_fixture_image(const struct lsm_fixture *fixture)
{
    struct checksum_stream stream;
    checksum_stream_begin(&stream, (struct checksum){0});
    for (uint8_t level = 0; level < LEVELS; level += 1) {
        const struct manifest_level *tables = &fixture->tree.manifest.levels[level];
        const struct table_info *table = manifest_level_first(tables);
        for (; table != NULL; table = manifest_level_next(tables, table)) {
            struct manifest_entry entry;
            manifest_entry_encode(&entry, MANIFEST_INSERT, table);
            checksum_stream_add(&stream, &entry, sizeof entry);
        }
    }
    const struct free_set *set = &fixture->storage.grid.free_set;
    const struct manifest_log *log = &fixture->log;
    for (uint64_t index = 0; index < log->block_count; index += 1) {
        const uint64_t place = (log->oldest + index) % log->pace.ring_blocks;
        checksum_stream_add(&stream, &log->blocks[place], sizeof log->blocks[place]);
    }
    const uint64_t numbers[] = {
        free_set_count_acquired(set),
        free_set_count_released(set),
        free_set_highest_acquired(set),
        log->block_count,
        log->entry_count,
        log->frame_address,
        log->extents.count};
    checksum_stream_add(&stream, numbers, sizeof numbers);
    return checksum_stream_end(&stream);
}
