#include "lsm/slice.h"

#include "base/assert.h"
#include "base/integer.h"

#include "base/poison.h"

/* ---- Bounds --------------------------------------------------------------------------------- */

uint32_t slice_surplus_max(const uint32_t *runs_max, uint8_t level)
{
    if (level == 0 || runs_max[level] > 1 || runs_max[level - 1] == 1) return 0;
    return run_limits_tables_above(runs_max, level) + 1;
}

uint64_t level_tables_max(const uint32_t *runs_max, uint32_t growth_factor, uint8_t level)
{
    assert(level < LEVELS);
    if (runs_max[level] > 1) return 2 * (uint64_t)run_limits_of(runs_max, level).most;
    uint64_t limit = slice_surplus_max(runs_max, level);
    uint64_t power = 1; /* at most 16^7 = 2^28 */
    for (uint8_t i = 0; i <= level; i += 1)
        power *= growth_factor;
    return limit + power;
}

uint32_t compaction_tables_max(const uint32_t *runs_max, uint32_t growth_factor, uint8_t level_b)
{
    const bool is_slice = level_b > 0 && runs_max[level_b - 1] > 1;
    if (!is_slice) return 1 + growth_factor;
    const uint32_t group = run_limits_of(runs_max, (uint8_t)(level_b - 1)).most;
    const uint64_t overlap =
        runs_max[level_b] > 1 ? growth_factor : level_tables_max(runs_max, growth_factor, level_b);
    return (uint32_t)overlap + 1 + 2 * group;
}

uint32_t half_bar_tables_max(const uint32_t *runs_max, uint32_t growth_factor)
{
    uint32_t tables[2] = {0}; /* into even levels, into odd ones */
    for (uint8_t level = 0; level < LEVELS; level += 1)
        tables[level % 2] += compaction_tables_max(runs_max, growth_factor, level);
    return max_u32(tables[0], tables[1]);
}

/* ---- Where a slice ends ---------------------------------------------------------------------- */

/* The value blocks of one run in order, as the leaves tell of them. */
struct probe {
    const struct manifest_run *run;
    const struct table_info *table; /* NULL: the run has ended */
    struct grid_read read;          /* of root, then leaf, of the table at hand */
    struct block_frame *root;
    struct block_frame *leaf;
    uint32_t leaf_index;
    uint32_t block_index;
    struct key key_max; /* of the value block at hand */
    uint32_t count;     /* its records that are within the table's bounds */
};

struct probing {
    const struct table_format *format;
    struct grid *grid;
    struct probe probes[RUNS_MAX_MAX];
    uint32_t count;
};

static enum tactus_status probe_corrupt(
    const struct probing *probing, const struct probe *probe, const char *what
)
{
    const struct grid *grid = probing->grid;
    const struct block_reference reference = probe->read.reference;
    const struct fault fault = {
        .status = TACTUS_CORRUPT,
        .zone = FAULT_ZONE_GRID,
        .what = what,
        .address = reference.address,
        .byte = layout_block_offset(grid->options.layout, reference.address),
        .block_type = probe->read.type,
        .tree = probing->format->tree,
    };
    return fault_set(grid->options.fault, fault);
}

static void probe_unref(struct probing *probing, struct block_frame **frame)
{
    if (*frame != NULL) grid_unref(probing->grid, *frame);
    *frame = NULL;
}

/* Begins to read the root of the table at hand. */
static void probe_read_root(struct probing *probing, struct probe *probe)
{
    assert(probe->root == NULL);
    assert(probe->leaf == NULL);
    const struct block_reference root = table_info_root(probe->table);
    grid_read_start(probing->grid, &probe->read, root, BLOCK_ROOT, probing->format->tree);
}

static void probe_read_leaf(struct probing *probing, struct probe *probe)
{
    assert(probe->leaf == NULL);
    const uint8_t *root = probe->root->data;
    const struct block_reference leaf =
        table_root_entry_at(root, probing->format, probe->leaf_index).reference;
    grid_read_start(probing->grid, &probe->read, leaf, BLOCK_LEAF, probing->format->tree);
}

static enum tactus_status probe_finish_read(
    struct probing *probing, struct probe *probe, struct block_frame **frame
)
{
    TRY(grid_read_finish(probing->grid, &probe->read));
    *frame = probe->read.frame;
    probe->read.frame = NULL;
    return TACTUS_OK;
}

/* The root is there: finds the leaf of the first block that is within the table's bounds. */
static enum tactus_status probe_enter_root(struct probing *probing, struct probe *probe)
{
    const struct table_format *format = probing->format;
    TRY(probe_finish_read(probing, probe, &probe->root));
    const char *what = table_root_fault(probe->root->data, format, probe->table);
    if (what != NULL) return probe_corrupt(probing, probe, what);
    const uint64_t stale = table_root_stale_count(probe->root->data, probe->table);
    const uint64_t first = stale / format->geometry.records_per_block;
    probe->leaf_index = (uint32_t)(first / format->geometry.leaf_fanout);
    probe->block_index = (uint32_t)(first % format->geometry.leaf_fanout);
    probe_read_leaf(probing, probe);
    return TACTUS_OK;
}

/* The block at hand has changed: what its leaf says of it. That must agree with the manifest, or
 * what is counted is not what the merge will come to. */
static enum tactus_status probe_look(const struct probing *probing, struct probe *probe)
{
    const struct table_format *format = probing->format;
    const uint32_t per_block = format->geometry.records_per_block;
    const char *what = table_bounds_fault(
        probe->root->data,
        probe->leaf->data,
        format,
        probe->table,
        probe->leaf_index,
        probe->block_index
    );
    if (what != NULL) return probe_corrupt(probing, probe, what);
    const uint64_t block =
        (uint64_t)probe->leaf_index * format->geometry.leaf_fanout + probe->block_index;
    const uint64_t total = table_root_decode(probe->root->data).record_count;
    const uint64_t stale = table_root_stale_count(probe->root->data, probe->table);
    const uint64_t begin = max_u64(block * per_block, stale);
    const uint64_t end = min_u64((block + 1) * per_block, total);
    assert(begin < end);
    probe->count = (uint32_t)(end - begin);
    probe->key_max = table_leaf_entry_at(probe->leaf->data, format, probe->block_index).key_max;
    return TACTUS_OK;
}

static enum tactus_status probe_enter_leaf(struct probing *probing, struct probe *probe)
{
    const struct table_format *format = probing->format;
    TRY(probe_finish_read(probing, probe, &probe->leaf));
    const struct table_range range =
        table_root_range_at(probe->root->data, format, probe->table, probe->leaf_index);
    const char *what = table_leaf_fault(probe->leaf->data, format, &range);
    if (what != NULL) return probe_corrupt(probing, probe, what);
    return probe_look(probing, probe);
}

static enum tactus_status probe_next(struct probing *probing, struct probe *probe)
{
    probe->block_index += 1;
    if (probe->block_index < table_leaf_count(probe->leaf->data)) {
        return probe_look(probing, probe);
    }
    probe_unref(probing, &probe->leaf);
    probe->block_index = 0;
    probe->leaf_index += 1;
    if (probe->leaf_index < table_root_decode(probe->root->data).leaf_count) {
        probe_read_leaf(probing, probe);
        return probe_enter_leaf(probing, probe);
    }
    probe_unref(probing, &probe->root);
    probe->table = manifest_run_next(probe->run, probe->table);
    if (probe->table == NULL) return TACTUS_OK;
    probe_read_root(probing, probe);
    TRY(probe_enter_root(probing, probe));
    return probe_enter_leaf(probing, probe);
}

/* The probe whose block ends lowest; NULL: all runs have ended. */
static struct probe *probe_lowest(struct probing *probing)
{
    struct probe *lowest = NULL;
    for (uint32_t index = 0; index < probing->count; index += 1) {
        struct probe *probe = &probing->probes[index];
        if (probe->table == NULL) continue;
        if (lowest == NULL || key_less(probe->key_max, lowest->key_max)) lowest = probe;
    }
    return lowest;
}

/* A key up to which the group has at least `target` records, counting whole value blocks only. */
static enum tactus_status probe_end(struct probing *probing, uint64_t target, struct key *end)
{
    for (uint32_t index = 0; index < probing->count; index += 1)
        probe_read_root(probing, &probing->probes[index]);
    for (uint32_t index = 0; index < probing->count; index += 1)
        TRY(probe_enter_root(probing, &probing->probes[index]));
    for (uint32_t index = 0; index < probing->count; index += 1)
        TRY(probe_enter_leaf(probing, &probing->probes[index]));

    uint64_t records = 0;
    while (records < target) { /* ends: the runs have more records than that, and each turn takes
                                * some */
        struct probe *lowest = probe_lowest(probing);
        assert(lowest != NULL); /* of each table as many were counted as the manifest does */
        records += lowest->count;
        *end = lowest->key_max;
        TRY(probe_next(probing, lowest));
    }
    return TACTUS_OK;
}

static enum tactus_status slice_find_end(
    struct slice *slice,
    const struct manifest_level *level,
    const struct run_group *group,
    const struct table_format *format,
    struct grid *grid
)
{
    struct probing probing = {.format = format, .grid = grid, .count = group->run_count};
    for (uint32_t index = 0; index < group->run_count; index += 1) {
        const struct manifest_run *run = &level->runs[group->first + index];
        probing.probes[index] = (struct probe){.run = run, .table = manifest_run_first(run)};
    }
    const enum tactus_status status = probe_end(&probing, slice->target, &slice->key_max);
    for (uint32_t index = 0; index < probing.count; index += 1) {
        struct probe *probe = &probing.probes[index];
        grid_read_cancel(grid, &probe->read);
        probe_unref(&probing, &probe->leaf);
        probe_unref(&probing, &probe->root);
    }
    return status;
}

/* ---- Selecting ------------------------------------------------------------------------------ */

void slice_init(struct slice *slice, struct budget *budget, uint32_t tables_max)
{
    *slice = (struct slice){.input_capacity = tables_max};
    slice->inputs = budget_take(budget, slice->input_capacity, sizeof(struct slice_input), 8);
}

/* Lists the tables of the group that begin within the slice. */
static void slice_list(
    struct slice *slice, const struct manifest_level *level, const struct run_group *group
)
{
    slice->input_count = 0;
    slice->stream_count = 0;
    for (uint32_t index = 0; index < group->run_count; index += 1) {
        const struct manifest_run *run = &level->runs[group->first + index];
        const struct table_info *table = manifest_run_first(run);
        if (!key_less(slice->key_max, table->key_min)) slice->stream_count += 1;
        for (; table != NULL && !key_less(slice->key_max, table->key_min);
             table = manifest_run_next(run, table)) {
            assert(slice->input_count < slice->input_capacity);
            slice->inputs[slice->input_count] = (struct slice_input){.table = table};
            slice->input_count += 1;
        }
    }
}

enum tactus_status slice_select(
    struct slice *slice,
    const struct manifest_level *level,
    const struct run_group *group,
    uint32_t bars_left,
    const struct table_format *format,
    struct grid *grid
)
{
    assert(group->table_count > 0);
    assert(group->run_count <= RUNS_MAX_MAX);
    const uint64_t capacity = format->geometry.records_max;
    const uint64_t worth = div_ceil_u64(group->record_count, capacity);
    slice->tables_worth = div_ceil_u64(worth, bars_left);
    slice->target = min_u64(slice->tables_worth * capacity, group->record_count);
    slice->key_min = manifest_run_first(&level->runs[group->first])->key_min;
    slice->key_max = manifest_run_last(&level->runs[group->first])->key_max;
    for (uint32_t index = 1; index < group->run_count; index += 1) {
        const struct manifest_run *run = &level->runs[group->first + index];
        slice->key_min = key_lower_of(slice->key_min, manifest_run_first(run)->key_min);
        slice->key_max = key_higher_of(slice->key_max, manifest_run_last(run)->key_max);
    }
    if (slice->target < group->record_count) {
        TRY(slice_find_end(slice, level, group, format, grid));
    }
    slice_list(slice, level, group);
    return TACTUS_OK;
}

void slice_finish(struct slice *slice)
{
    uint32_t met = 0;
    for (uint32_t index = 0; index < slice->input_count; index += 1) {
        const struct slice_input input = slice->inputs[index];
        if (key_less(slice->end, input.table->key_min)) continue;
        slice->inputs[met] = input;
        met += 1;
    }
    slice->input_count = met;
}

uint32_t slice_trimmed_count(const struct slice *slice)
{
    uint32_t count = 0;
    for (uint32_t index = 0; index < slice->input_count; index += 1) {
        const struct slice_input *input = &slice->inputs[index];
        if (input->consumed < input->table->value_count) count += 1;
    }
    return count;
}
