#include "lsm/tree.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "lsm/compaction_pick.h"

#include "base/poison.h"

static_assert((int)LEVELS == (int)SUPERBLOCK_LEVELS, "the file's runs_max has a place a level");

/* ---- Ranges of keys ------------------------------------------------------------------------- */

static const struct key_range range_of_nothing = {.is_empty = true};

static void range_add(struct key_range *range, struct key key)
{
    if (range->is_empty) {
        *range = (struct key_range){.key_min = key, .key_max = key};
        return;
    }
    range->key_min = key_lower_of(range->key_min, key);
    range->key_max = key_higher_of(range->key_max, key);
}

static bool range_contains(const struct key_range *range, struct key key)
{
    return !range->is_empty && !key_less(key, range->key_min) && !key_less(range->key_max, key);
}

/* ---- Init ----------------------------------------------------------------------------------- */

bool lsm_shared_has_runs(const struct lsm_shared *shared)
{
    for (uint8_t level = 0; level < LEVELS; level += 1) {
        assert(shared->runs_max[level] > 0);
        if (shared->runs_max[level] > 1) return true;
    }
    return false;
}

static void format_init(struct table_format *format, const struct tree_options *options)
{
    assert(options->record_max > 0);
    assert(options->value_count_max >= options->record_max);
    record_shape_check(&options->shape);
    *format = (struct table_format
    ){.shape = options->shape,
      .kernels = kernels_for(&options->shape),
      .block_count_max = options->shared->block_count_max,
      .tree = options->id};
    const enum table_fit fit = table_geometry_init(
        &format->geometry,
        &options->shape,
        options->shared->block_size,
        options->record_max,
        options->value_count_max
    );
    assert(fit == TABLE_FITS);
}

/* A beat brings at most record_max records, and one open transaction as many (R1, R6): so much is
 * unsorted at once. With an overlay, tree_settle() sees to it. */
static struct memory_table_options memory_options(
    const struct tree_options *options, const struct record_shape *shape, uint32_t capacity
)
{
    const uint32_t beats = (uint32_t)div_ceil_u64(capacity, options->record_max);
    return (struct memory_table_options
    ){.shape = shape,
      .usage = options->usage,
      .point_lookups = options->point_lookups,
      .capacity = capacity,
      .runs_max = beats + 2,
      .suffix_max = (uint32_t)min_u64(capacity, (uint64_t)options->record_max * 2)};
}

static uint32_t memory_capacity(const struct tree_options *options)
{
    if (options->overlay_count > 0) return options->overlay_count;
    return options->value_count_max + options->record_max;
}

uint64_t tree_scratch_bytes(const struct tree_options *options)
{
    const struct memory_table_options memory =
        memory_options(options, &options->shape, memory_capacity(options));
    return memory_table_scratch_size(&memory);
}

uint32_t tree_runs_max(const struct tree_options *options)
{
    const struct memory_table_options memory =
        memory_options(options, &options->shape, memory_capacity(options));
    return memory_table_run_capacity(&memory);
}

uint32_t tree_level_runs_max(const uint32_t *runs_max)
{
    uint32_t count = 0;
    for (uint8_t level = 0; level < LEVELS; level += 1) {
        count += manifest_level_runs_bound(runs_max[level]);
    }
    return count;
}

/* Tables of adjacent target levels are never made at once: they share room for what is made. */
static void compactions_init(struct tree *tree, struct budget *budget)
{
    const struct lsm_shared *shared = tree->options.shared;
    const uint32_t growth = shared->growth_factor;
    uint32_t outputs_max[LEVELS + 1] = {0};
    for (uint8_t level = 0; level < LEVELS; level += 1) {
        outputs_max[level] = compaction_tables_max(shared->runs_max, growth, level);
    }
    for (uint8_t level = 0; level < LEVELS; level += 1) {
        struct compaction *compaction = &tree->compactions[level];
        *compaction = (struct compaction){.tree = tree, .level_b = level};
        const uint32_t outputs = max_u32(outputs_max[level], outputs_max[level + 1]);
        compaction->outputs = level % 2 == 1
                                  ? tree->compactions[level - 1].outputs
                                  : budget_take(budget, outputs, sizeof(struct table_info), 8);
        if (level == 0 || shared->runs_max[level - 1] == 1) continue;
        const uint8_t level_a = (uint8_t)(level - 1);
        slice_init(&compaction->slice, budget, run_limits_of(shared->runs_max, level_a).most);
    }
}

void tree_init(struct tree *tree, struct budget *budget, const struct tree_options *options)
{
    assert(options->id > 0);
    assert(options->shared->growth_factor >= GROWTH_FACTOR_MIN);
    assert(options->shared->growth_factor <= GROWTH_FACTOR_MAX);
    *tree = (struct tree
    ){.options = *options, .mutable_range = range_of_nothing, .immutable_range = range_of_nothing};
    format_init(&tree->format, options);

    /* With an overlay the mutable table is never swapped, so the other one stays empty. */
    const uint32_t capacity = memory_capacity(options);
    for (uint32_t index = 0; index < COUNT_OF(tree->memory); index += 1) {
        const bool is_idle = index > 0 && options->overlay_count > 0;
        const struct memory_table_options memory =
            memory_options(options, &tree->format.shape, is_idle ? 1 : capacity);
        memory_table_init(&tree->memory[index], budget, &memory);
    }
    assert(options->overlay_count > 0 || tree_runs_max(options) <= MERGE_STREAMS_MAX);
    compactions_init(tree, budget);
    struct lsm_shared *shared = options->shared;
    const struct manifest_options manifest = {
        .pool = shared->nodes,
        .log = shared->log,
        .runs_max = shared->runs_max,
        .growth_factor = shared->growth_factor,
        .tree = options->id};
    manifest_init(&tree->manifest, budget, &manifest);
    if (budget_is_measuring(budget)) return;

    assert(shared->scratch_bytes >= tree_scratch_bytes(options));
    memory_table_set_scratch(&tree->memory[0], shared->scratch, shared->scratch_bytes);
    memory_table_set_scratch(&tree->memory[1], shared->scratch, shared->scratch_bytes);
    tree->mutable = &tree->memory[0];
    tree->immutable = &tree->memory[1];
}

void tree_check(const struct tree *tree)
{
    manifest_check(&tree->manifest);
    for (uint8_t level = 0; level < LEVELS; level += 1) {
        const uint64_t burst = level % 2; /* an odd level may be over its limit within a bar */
        assert(
            tree->manifest.levels[level].count <=
            manifest_level_count_max(&tree->manifest, level) + burst
        );
    }
    for (uint8_t level = 0; tree->manifest.runs_max[level] > 1; level += 1) { /* not the last one */
        const struct run_limits limits = run_limits_of(tree->manifest.runs_max, level);
        assert(run_groups_fault(&tree->manifest.levels[level], &limits) == NULL);
    }
    assert(!manifest_is_crowded(&tree->manifest, tree->format.geometry.records_max, 1));
    assert(tree_snapshot_is_held(tree, tree_snapshot_newest(tree)));
    memory_table_check(tree->mutable);
    memory_table_check(tree->immutable);
    assert(tree->immutable->sorted_count == tree->immutable->count);
    assert(tree->immutable->count <= tree->options.value_count_max);
    assert(tree->settled_count >= tree->mutable->sorted_count);
    assert(tree->settled_count <= tree->mutable->count);
    assert(tree->mutable->count == 0 || !tree->mutable_range.is_empty);
    assert(tree->immutable->count == 0 || !tree->immutable_range.is_empty);
}

/* ---- Open ----------------------------------------------------------------------------------- */

const char *tree_open_table(struct tree *tree, const struct table_info *info)
{
    assert(info->tree == tree->options.id);
    if (!key_fits(info->key_max, (enum key_bits)tree->format.shape.key_bits)) {
        return "a table's keys are wider than its tree's";
    }
    if (info->value_count > tree->format.geometry.records_max) {
        return "a table has more records than its blocks can hold";
    }
    if (info->is_trimmed && !lsm_shared_has_runs(tree->options.shared)) {
        return "a table is trimmed, but no level has several runs";
    }
    if (info->snapshot_min > tree_snapshot_newest(tree)) {
        return "a table is newer than the checkpoint that names it";
    }
    if (info->run > run_number(tree_snapshot_newest(tree), true)) {
        return "a table's run is newer than the checkpoint that names it";
    }
    return manifest_open_table(&tree->manifest, info);
}

enum tactus_status tree_open_end(struct tree *tree)
{
    assert(tree->mutable->count == 0);
    assert(tree->immutable->count == 0);
    tree->manifest.snapshot_oldest = tree_snapshot_newest(tree);
    const char *what = manifest_open_fault(&tree->manifest, tree->format.geometry.records_max);
    if (what == NULL) return TACTUS_OK;
    return fault_set(
        tree->options.shared->fault,
        (struct fault
        ){.status = TACTUS_CORRUPT,
          .zone = FAULT_ZONE_GRID,
          .what = what,
          .block_type = BLOCK_MANIFEST,
          .tree = tree->options.id}
    );
}

/* ---- Snapshots ------------------------------------------------------------------------------ */

uint64_t tree_snapshot_newest(const struct tree *tree)
{
    return tree->options.shared->snapshot_newest;
}

uint64_t tree_snapshot_oldest(const struct tree *tree)
{
    return tree->manifest.snapshot_oldest;
}

bool tree_snapshot_is_held(const struct tree *tree, uint64_t snapshot)
{
    return tree_snapshot_oldest(tree) <= snapshot && snapshot <= tree_snapshot_newest(tree);
}

bool tree_snapshot_is_newest(const struct tree *tree, uint64_t snapshot)
{
    return snapshot == tree_snapshot_newest(tree);
}

/* ---- Write ---------------------------------------------------------------------------------- */

void tree_put(struct tree *tree, const void *record)
{
    range_add(&tree->mutable_range, record_key(&tree->format.shape, record));
    memory_table_put(tree->mutable, record);
}

void tree_remove(struct tree *tree, const void *record)
{
    _Alignas(8) uint8_t tombstone[RECORD_SIZE_MAX];
    bytes_copy(tombstone, record, tree->format.shape.record_size);
    record_make_tombstone(&tree->format.shape, tombstone);
    assert(record_is_tombstone(&tree->format.shape, tombstone));
    tree_put(tree, tombstone);
}

struct tree_mark tree_mark(const struct tree *tree)
{
    return (struct tree_mark
    ){.memory = memory_table_mark(tree->mutable), .range = tree->mutable_range};
}

void tree_discard(struct tree *tree, const struct tree_mark *mark)
{
    memory_table_discard(tree->mutable, mark->memory);
    tree->mutable_range = mark->range;
    assert(tree->mutable->count >= tree->settled_count);
}

void tree_settle(struct tree *tree)
{
    assert(tree->settled_count <= tree->mutable->count);
    tree->settled_count = tree->mutable->count;
    const uint32_t unsorted = tree->settled_count - tree->mutable->sorted_count;
    if (tree->options.overlay_count > 0 && unsorted >= tree->options.record_max) {
        tree_sort_suffix(tree);
    }
}

const void *tree_get_mutable(const struct tree *tree, struct key key, uint32_t visible_count)
{
    if (!range_contains(&tree->mutable_range, key)) return NULL;
    const void *record = memory_table_get(tree->mutable, key, visible_count);
    if (record != NULL) tree->options.shared->lookups.mutable_hits += 1;
    return record;
}

const void *tree_get_immutable(const struct tree *tree, struct key key)
{
    const struct memory_table *table = tree->immutable;
    if (!range_contains(&tree->immutable_range, key) || table->count == 0) return NULL;
    return memory_table_get(table, key, table->count);
}

uint32_t tree_visible_settled(const struct tree *tree)
{
    return tree->settled_count;
}

uint32_t tree_visible_all(const struct tree *tree)
{
    return tree->mutable->count;
}

bool tree_key_range_contains(const struct tree *tree, struct key key)
{
    if (range_contains(&tree->mutable_range, key)) return true;
    if (range_contains(&tree->immutable_range, key)) return true;
    for (uint8_t level = 0; level < LEVELS; level += 1) {
        if (manifest_level_range_contains(&tree->manifest.levels[level], key)) return true;
    }
    return false;
}

/* ---- Beats ---------------------------------------------------------------------------------- */

void tree_sort_suffix(struct tree *tree)
{
    tree->settled_count = memory_table_sort_suffix(tree->mutable, tree->settled_count);
    assert(tree->settled_count == tree->mutable->sorted_count);
    assert_slow((memory_table_check(tree->mutable), true));
}

/* The mutable table has the tail alone. */
static void mutable_range_of_tail(struct tree *tree)
{
    assert(tree->mutable->sorted_count == 0);
    tree->settled_count = 0;
    tree->mutable_range = range_of_nothing;
    for (uint32_t index = 0; index < tree->mutable->count; index += 1) {
        const void *record = memory_table_at(tree->mutable, index);
        range_add(&tree->mutable_range, record_key(&tree->format.shape, record));
    }
}

/* Of what it holds, not of what the mutable table's range came to with the tail: else keys that are
 * in no table would be looked for. */
static void immutable_range_of_runs(struct tree *tree)
{
    const struct memory_table *table = tree->immutable;
    tree->immutable_range = range_of_nothing;
    if (table->count == 0) return;
    range_add(&tree->immutable_range, memory_table_key_min(table));
    range_add(&tree->immutable_range, memory_table_key_max(table));
}

static void swap(struct tree *tree)
{
    assert(tree->options.overlay_count == 0);
    assert(tree_immutable_is_flushed(tree));
    assert(tree->settled_count == tree->mutable->sorted_count);
    assert(tree->settled_count <= tree->options.value_count_max);
    struct memory_table *old = tree->mutable;
    struct memory_table *fresh = tree->immutable;
    memory_table_take_tail(fresh, old, tree->settled_count);
    tree->mutable = fresh;
    tree->immutable = old;
    immutable_range_of_runs(tree);
    mutable_range_of_tail(tree);
}

static void absorb(struct tree *tree)
{
    assert(tree->options.overlay_count == 0);
    assert(tree->settled_count <= tree->options.value_count_max - tree->immutable->count);
    if (tree->settled_count == 0) return; /* nor does the tail move: it is where it belongs */
    memory_table_absorb(tree->immutable, tree->mutable, tree->settled_count);
    immutable_range_of_runs(tree);
    mutable_range_of_tail(tree);
}

void tree_end_bar(struct tree *tree)
{
    if (tree_immutable_is_flushed(tree)) {
        swap(tree);
    } else {
        absorb(tree);
    }
}

void tree_immutable_reset(struct tree *tree)
{
    memory_table_reset(tree->immutable);
    tree->immutable_range = range_of_nothing;
}

bool tree_immutable_is_flushed(const struct tree *tree)
{
    return tree->immutable->count == 0;
}

/* ---- Figures -------------------------------------------------------------------------------- */

uint32_t tree_table_count(const struct tree *tree, uint8_t level)
{
    assert(level < LEVELS);
    return tree->manifest.levels[level].count;
}

uint32_t tree_overlap_max(const struct tree *tree, uint8_t level)
{
    assert(level < LEVELS);
    if (level + 1 == LEVELS) return 0;
    const struct manifest_level *levels = tree->manifest.levels;
    if (tree->manifest.runs_max[level + 1] > 1) return 0;
    if (tree->manifest.runs_max[level] > 1) return levels[level + 1].count;
    return compaction_pick_overlap_max(
        manifest_level_sole(&levels[level]), manifest_level_sole(&levels[level + 1])
    );
}
