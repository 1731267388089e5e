#include "lsm/manifest_level.h"

#include "base/assert.h"
#include "base/bytes.h"

#include <stddef.h>

#include "base/poison.h"

void manifest_level_init(
    struct manifest_level *level, struct budget *budget, struct node_pool *pool, uint32_t capacity
)
{
    assert(capacity > 0);
    *level = (struct manifest_level){.pool = pool, .capacity = capacity};
    level->runs = budget_take(budget, capacity, sizeof(struct manifest_run), 8);
    if (budget_is_measuring(budget)) return;
    if (capacity > 1) return;
    manifest_run_init(&level->runs[0], pool, 0);
    level->run_count = 1;
}

void manifest_level_check(const struct manifest_level *level)
{
    assert(level->run_count <= level->capacity);
    uint32_t count = 0;
    uint64_t record_count = 0;
    for (uint32_t index = 0; index < level->run_count; index += 1) {
        const struct manifest_run *run = &level->runs[index];
        manifest_run_check(run);
        assert((run->number == 0) == (level->capacity == 1));
        assert(run->count > 0 || level->capacity == 1);
        if (index > 0) assert(run->number < level->runs[index - 1].number);
        count += run->count;
        record_count += run->record_count;
    }
    assert(level->capacity > 1 || level->run_count == 1);
    assert(level->count == count);
    assert(level->record_count == record_count);
}

/* Where the run of this number is, or would be. */
static uint32_t run_place(const struct manifest_level *level, uint64_t number)
{
    uint32_t index = 0;
    while (index < level->run_count && level->runs[index].number > number)
        index += 1; /* ends: counts up */
    return index;
}

static bool run_is_at(const struct manifest_level *level, uint32_t index, uint64_t number)
{
    return index < level->run_count && level->runs[index].number == number;
}

bool manifest_level_insert(struct manifest_level *level, const struct table_info *info)
{
    const uint32_t index = run_place(level, info->run);
    if ((info->run == 0) != (level->capacity == 1)) return false;
    if (!run_is_at(level, index, info->run)) {
        if (level->run_count == level->capacity) return false;
        bytes_move(
            &level->runs[index + 1],
            &level->runs[index],
            (level->run_count - index) * sizeof level->runs[0]
        );
        manifest_run_init(&level->runs[index], level->pool, info->run);
        level->run_count += 1;
    }
    if (!manifest_run_insert(&level->runs[index], info)) return false;
    level->count += 1;
    level->record_count += info->value_count;
    return true;
}

void manifest_level_remove(struct manifest_level *level, const struct table_info *table)
{
    const uint32_t index = run_place(level, table->run);
    assert(run_is_at(level, index, table->run));
    assert(level->count > 0);
    level->count -= 1;
    level->record_count -= table->value_count;
    manifest_run_remove(&level->runs[index], table);
    if (level->capacity == 1 || level->runs[index].count > 0) return;
    level->run_count -= 1;
    bytes_move(
        &level->runs[index],
        &level->runs[index + 1],
        (level->run_count - index) * sizeof level->runs[0]
    );
}

const struct manifest_run *manifest_level_find_run(
    const struct manifest_level *level, uint64_t number
)
{
    const uint32_t index = run_place(level, number);
    return run_is_at(level, index, number) ? &level->runs[index] : NULL;
}

const struct manifest_run *manifest_level_sole(const struct manifest_level *level)
{
    assert(level->capacity == 1);
    assert(level->run_count == 1);
    return &level->runs[0];
}

const struct table_info *manifest_level_first(const struct manifest_level *level)
{
    return level->run_count == 0 ? NULL : manifest_run_first(&level->runs[0]);
}

const struct table_info *manifest_level_next(
    const struct manifest_level *level, const struct table_info *table
)
{
    const uint32_t index = run_place(level, table->run);
    assert(run_is_at(level, index, table->run));
    const struct table_info *next = manifest_run_next(&level->runs[index], table);
    if (next != NULL || index + 1 == level->run_count) return next;
    return manifest_run_first(&level->runs[index + 1]);
}

bool manifest_level_range_contains(const struct manifest_level *level, struct key key)
{
    for (uint32_t index = 0; index < level->run_count; index += 1) {
        if (manifest_run_range_contains(&level->runs[index], key)) return true;
    }
    return false;
}

bool manifest_level_overlaps(
    const struct manifest_level *level, struct key key_min, struct key key_max
)
{
    for (uint32_t index = 0; index < level->run_count; index += 1) {
        if (manifest_run_overlaps(&level->runs[index], key_min, key_max)) return true;
    }
    return false;
}
