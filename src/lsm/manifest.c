#include "lsm/manifest.h"

#include "base/assert.h"
#include "base/integer.h"
#include "lsm/slice.h"

#include "base/poison.h"

void manifest_init(
    struct manifest *manifest, struct budget *budget, const struct manifest_options *options
)
{
    assert(options->growth_factor >= 2);
    assert(options->tree > 0);
    assert(run_limits_fault(options->runs_max) == NULL);
    *manifest = (struct manifest
    ){.log = options->log, .growth_factor = options->growth_factor, .tree = options->tree};
    for (uint8_t level = 0; level < LEVELS; level += 1) {
        assert(options->runs_max[level] > 0);
        manifest->runs_max[level] = options->runs_max[level];
        manifest_level_init(
            &manifest->levels[level],
            budget,
            options->pool,
            manifest_level_runs_bound(options->runs_max[level])
        );
    }
}

static void run_check(
    const struct manifest *manifest, uint8_t level, const struct manifest_run *run
)
{
    const struct table_info *table = manifest_run_first(run);
    for (; table != NULL; table = manifest_run_next(run, table)) {
        assert(table->level == level);
        assert(table->tree == manifest->tree);
        assert(table->snapshot_max == UINT64_MAX);
        assert(manifest_log_is_live(manifest->log, table->address));
    }
}

void manifest_check(const struct manifest *manifest)
{
    for (uint8_t level = 0; level < LEVELS; level += 1) {
        manifest_level_check(&manifest->levels[level]);
        for (uint32_t index = 0; index < manifest->levels[level].run_count; index += 1) {
            run_check(manifest, level, &manifest->levels[level].runs[index]);
        }
    }
}

const char *manifest_open_table(struct manifest *manifest, const struct table_info *info)
{
    assert(info->tree == manifest->tree);
    assert(info->level < LEVELS);
    if (info->snapshot_max != UINT64_MAX) return "a table that was replaced was never removed";
    if (!manifest_room(manifest, 1)) return "there are more tables than the file may hold";
    if (!manifest_level_insert(&manifest->levels[info->level], info)) {
        return "two tables of one run overlap, or a level has too many runs";
    }
    return NULL;
}

bool manifest_is_crowded(const struct manifest *manifest, uint32_t records_max, uint32_t burst)
{
    uint64_t tables = 0;
    uint8_t level = 0;
    for (; manifest->runs_max[level] > 1; level += 1) /* not of the last one */
        tables += run_groups_may_make(&manifest->levels[level], records_max);
    if (level == 0) return false;
    const uint64_t most =
        manifest_level_limit(manifest, level) + run_limits_tables_above(manifest->runs_max, level);
    return tables + manifest->levels[level].count > most + burst;
}

const char *manifest_open_fault(const struct manifest *manifest, uint32_t records_max)
{
    const struct manifest_level *levels = manifest->levels;
    for (uint8_t level = 0; level < LEVELS; level += 1) {
        if (levels[level].count > manifest_level_count_max(manifest, level)) {
            return "a level has more tables than its limit";
        }
        const struct run_limits limits = run_limits_of(manifest->runs_max, level);
        const char *what = limits.runs == 1 ? NULL : run_groups_fault(&levels[level], &limits);
        if (what != NULL) return what;
    }
    for (uint8_t level = 0; level < LEVELS && manifest->runs_max[level] > 1; level += 1) {
        if (run_groups_may_take(levels, manifest->runs_max, level)) continue;
        return "a level has not given on what it should have";
    }
    if (manifest_is_crowded(manifest, records_max, 0))
        return "a level gets more tables than it may";
    return NULL;
}

bool manifest_room(const struct manifest *manifest, uint32_t table_count)
{
    return node_pool_room(manifest->levels[0].pool) >= table_count;
}

uint64_t manifest_level_limit(const struct manifest *manifest, uint8_t level)
{
    assert(level < LEVELS);
    uint64_t limit = 1; /* at most 16^7 = 2^28 */
    for (uint8_t i = 0; i <= level; i += 1)
        limit *= manifest->growth_factor;
    return limit;
}

uint64_t manifest_level_relief(const struct manifest *manifest, uint8_t level)
{
    assert(level + 1 < LEVELS);
    const uint64_t limit = manifest_level_limit(manifest, level);
    const uint64_t next = manifest->levels[level + 1].count;
    if (next == 0) return limit;
    const uint32_t growth_factor = manifest->growth_factor;
    return min_u64(limit, max_u64(growth_factor, div_ceil_u64(next, growth_factor)));
}

uint64_t manifest_level_count_max(const struct manifest *manifest, uint8_t level)
{
    return level_tables_max(manifest->runs_max, manifest->growth_factor, level);
}

bool manifest_is_bottom(
    const struct manifest *manifest, uint8_t level, struct key key_min, struct key key_max
)
{
    assert(level < LEVELS);
    for (uint8_t below = (uint8_t)(level + 1); below < LEVELS; below += 1) {
        if (manifest_level_overlaps(&manifest->levels[below], key_min, key_max)) return false;
    }
    return true;
}

void manifest_insert(struct manifest *manifest, const struct table_info *info)
{
    assert(info->tree == manifest->tree);
    assert(info->level < LEVELS);
    assert(info->snapshot_max == UINT64_MAX);
    manifest_log_append(manifest->log, MANIFEST_INSERT, info);
    const bool inserted = manifest_level_insert(&manifest->levels[info->level], info);
    assert(inserted);
}

void manifest_close(
    struct manifest *manifest, const struct table_info *table, uint64_t snapshot_max
)
{
    assert(table->snapshot_max == UINT64_MAX);
    assert(table->snapshot_min <= snapshot_max);
    assert(snapshot_max < UINT64_MAX);
    struct table_info info = *table;
    info.snapshot_max = snapshot_max;
    manifest_log_append(manifest->log, MANIFEST_UPDATE, &info);
}

struct table_info manifest_take(struct manifest *manifest, const struct table_info *table)
{
    const struct table_info info = *table;
    assert(info.tree == manifest->tree);
    manifest_level_remove(&manifest->levels[info.level], table);
    return info;
}

void manifest_remove(struct manifest *manifest, const struct table_info *info)
{
    assert(info->tree == manifest->tree);
    assert(info->snapshot_max < UINT64_MAX);
    manifest_log_append(manifest->log, MANIFEST_REMOVE, info);
    manifest->snapshot_oldest = max_u64(manifest->snapshot_oldest, info->snapshot_max + 1);
}

void manifest_move(struct manifest *manifest, const struct table_info *table, uint64_t run)
{
    assert(table->level + 1 < LEVELS);
    struct table_info info = manifest_take(manifest, table);
    info.level += 1;
    info.run = run;
    const bool inserted = manifest_level_insert(&manifest->levels[info.level], &info);
    assert(inserted);
    manifest_log_append(manifest->log, MANIFEST_UPDATE, &info);
}
