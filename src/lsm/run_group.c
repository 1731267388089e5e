#include "lsm/run_group.h"

#include "base/assert.h"
#include "base/integer.h"

#include "base/poison.h"

/* ---- Limits --------------------------------------------------------------------------------- */

const char *run_limits_fault(const uint32_t *runs_max)
{
    uint64_t tables = 1;
    for (uint8_t level = 0; level < LEVELS; level += 1) {
        if (runs_max[level] == 1) continue;
        if (level >= RUN_GROUP_LEVELS_MAX) return "the last two levels have one run each";
        if (level > 0 && runs_max[level - 1] == 1) return "a level above has one run only";
        tables *= runs_max[level]; /* at most 2^42, of the five levels above */
        if (tables > RUN_GROUP_TABLES_MAX) return "multiplied, they are more than 1,024";
    }
    return NULL;
}

struct run_limits run_limits_of(const uint32_t *runs_max, uint8_t level)
{
    assert(level < LEVELS);
    struct run_limits limits = {.runs = runs_max[level], .complete = 1, .most = 1};
    for (uint8_t i = 0; i <= level; i += 1) {
        limits.complete *= runs_max[i];
        limits.most += limits.complete - 1;
    }
    return limits;
}

uint32_t run_limits_widest(const uint32_t *runs_max)
{
    uint32_t widest = 1;
    for (uint8_t level = 0; level < LEVELS; level += 1)
        widest = max_u32(widest, runs_max[level]);
    return widest;
}

uint32_t run_limits_tables_above(const uint32_t *runs_max, uint8_t level)
{
    uint32_t tables = 0;
    for (uint8_t above = 0; above < level && runs_max[above] > 1; above += 1)
        tables += 2 * run_limits_of(runs_max, above).most; /* two groups */
    return tables;
}

uint32_t run_limits_surplus(const uint32_t *runs_max, uint32_t bars)
{
    uint32_t runs = 0;
    for (uint8_t level = 0; level < LEVELS && runs_max[level] > 1; level += 1)
        runs += runs_max[level];
    return min_u32(bars * runs, run_limits_tables_above(runs_max, LEVELS));
}

/* ---- Groups --------------------------------------------------------------------------------- */

static bool run_is_odd(const struct manifest_run *run)
{
    return run->number % 2 == 1;
}

static void group_add(struct run_group *group, const struct manifest_run *run)
{
    group->run_count += 1;
    group->table_count += run->count;
    group->record_count += run->record_count;
}

struct run_group run_group_oldest(const struct manifest_level *level)
{
    struct run_group group = {.first = level->run_count};
    while (group.first > 0) { /* ends: counts down */
        const struct manifest_run *run = &level->runs[group.first - 1];
        if (run_is_odd(run) != run_is_odd(&level->runs[level->run_count - 1])) break;
        group.first -= 1;
        group_add(&group, run);
    }
    return group;
}

struct run_group run_group_newest(const struct manifest_level *level)
{
    struct run_group group = {0};
    for (uint32_t index = 0; index < level->run_count; index += 1) {
        const struct manifest_run *run = &level->runs[index];
        if (run_is_odd(run) != run_is_odd(&level->runs[0])) break;
        group_add(&group, run);
    }
    return group;
}

uint64_t run_groups_may_make(const struct manifest_level *level, uint32_t records_max)
{
    uint64_t tables = 0;
    uint64_t trimmed = 0; /* records of the group at hand */
    for (uint32_t index = 0; index < level->run_count; index += 1) {
        const struct manifest_run *run = &level->runs[index];
        if (index > 0 && run_is_odd(run) != run_is_odd(&level->runs[index - 1])) {
            tables += div_ceil_u64(trimmed, records_max);
            trimmed = 0;
        }
        const struct table_info *table = manifest_run_first(run);
        for (; table != NULL; table = manifest_run_next(run, table)) {
            tables += table->is_trimmed ? 0 : 1;
            trimmed += table->is_trimmed ? table->value_count : 0;
        }
    }
    return tables + div_ceil_u64(trimmed, records_max);
}

/* Whether a newer group than `oldest` has begun. */
static bool newer_has_begun(const struct manifest_level *level, const struct run_group *oldest)
{
    return oldest->run_count < level->run_count;
}

bool run_group_is_due(
    const struct manifest_level *level, const struct run_group *oldest, uint32_t complete
)
{
    return newer_has_begun(level, oldest) || oldest->table_count >= complete;
}

uint64_t run_group_join(
    const struct manifest_level *level,
    const struct run_limits *limits,
    bool is_sliced,
    struct key key_min,
    struct key key_max,
    uint64_t snapshot_min
)
{
    assert(limits->runs > 1);
    if (level->run_count == 0) return run_number(snapshot_min, false);
    const struct manifest_run *newest = &level->runs[0];
    const struct run_group group = run_group_newest(level);
    const bool is_closed = group.table_count >= limits->complete || is_sliced;
    if (!is_closed && !manifest_run_overlaps(newest, key_min, key_max)) return newest->number;
    const bool begins_group = is_closed || group.run_count >= limits->runs;
    assert(!begins_group || group.run_count == level->run_count); /* Z2 */
    return run_number(snapshot_min, run_is_odd(newest) != begins_group);
}

/* ---- Time ----------------------------------------------------------------------------------- */

static struct key group_key_min(const struct manifest_level *level, const struct run_group *group)
{
    assert(group->run_count > 0);
    struct key lowest = manifest_run_first(&level->runs[group->first])->key_min;
    for (uint32_t index = 1; index < group->run_count; index += 1) {
        const struct manifest_run *run = &level->runs[group->first + index];
        lowest = key_lower_of(lowest, manifest_run_first(run)->key_min);
    }
    return lowest;
}

/* Whether what comes next into `level`, if anything does, lies above its newest run for sure. */
static bool next_joins(const struct manifest_level *levels, const uint32_t *runs_max, uint8_t level)
{
    if (level == 0) return false;
    const struct manifest_level *above = &levels[level - 1];
    const struct run_group source = run_group_oldest(above);
    const struct run_limits limits = run_limits_of(runs_max, (uint8_t)(level - 1));
    if (!run_group_is_due(above, &source, limits.complete)) return false;
    return key_less(
        manifest_run_last(&levels[level].runs[0])->key_max, group_key_min(above, &source)
    );
}

/* Whether what comes next into `level` may begin a group. */
static bool next_may_begin_group(
    const struct manifest_level *levels, const uint32_t *runs_max, uint8_t level
)
{
    const struct run_limits limits = run_limits_of(runs_max, level);
    const struct run_group newest = run_group_newest(&levels[level]);
    if (newest.table_count >= limits.complete) return true;
    return newest.run_count >= limits.runs && !next_joins(levels, runs_max, level);
}

/* Bars' worth that has come of the newest group: a run but the newest is over, so it counts as
 * the whole group of the level above that it was made of, even if there was less in that. */
static uint32_t newest_progress(
    const struct manifest_level *level, const uint32_t *runs_max, uint8_t number
)
{
    const struct run_group newest = run_group_newest(level);
    const uint32_t a_run =
        number == 0 ? 1 : run_limits_of(runs_max, (uint8_t)(number - 1)).complete;
    assert(newest.run_count > 0);
    const uint32_t by_runs = (newest.run_count - 1) * a_run + min_u32(level->runs[0].count, a_run);
    return max_u32(newest.table_count, by_runs);
}

uint32_t run_group_bars_left(
    const struct manifest_level *levels, const uint32_t *runs_max, uint8_t level
)
{
    const struct run_limits limits = run_limits_of(runs_max, level);
    assert(limits.runs > 1);
    const struct run_group oldest = run_group_oldest(&levels[level]);
    if (!newer_has_begun(&levels[level], &oldest)) return limits.complete;
    if (next_may_begin_group(levels, runs_max, level)) return 1;
    const uint32_t progress = newest_progress(&levels[level], runs_max, level);
    return progress < limits.complete ? limits.complete - progress : 1;
}

/* ---- Of a file ------------------------------------------------------------------------------ */

const char *run_groups_fault(const struct manifest_level *level, const struct run_limits *limits)
{
    assert(limits->runs > 1);
    const struct run_group oldest = run_group_oldest(level);
    const struct run_group newest = run_group_newest(level);
    const uint32_t newer_runs = newer_has_begun(level, &oldest) ? newest.run_count : 0;
    if (oldest.run_count + newer_runs != level->run_count)
        return "a level has three groups of runs";
    if (oldest.run_count <= limits->runs && oldest.table_count <= limits->most &&
        newest.run_count <= limits->runs && newest.table_count <= limits->most) {
        return NULL;
    }
    return "a level has more runs than may come together";
}

bool run_groups_may_take(
    const struct manifest_level *levels, const uint32_t *runs_max, uint8_t level
)
{
    if (level % 2 == 0) return true; /* it gives in the first half */
    const struct run_group oldest = run_group_oldest(&levels[level]);
    return !newer_has_begun(&levels[level], &oldest) ||
           !next_may_begin_group(levels, runs_max, level);
}
