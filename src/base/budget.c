#include "base/budget.h"

#include "base/assert.h"
#include "base/integer.h"

#include <stddef.h>
#include <string.h>

#include "base/poison.h"

void budget_measure_begin(struct budget *budget)
{
    assert(budget != NULL);
    *budget = (struct budget){.region = NULL};
}

void budget_carve_begin(struct budget *budget, void *region, uint64_t size)
{
    assert(budget != NULL);
    assert(region != NULL);
    assert((uintptr_t)region % BUDGET_ALIGNMENT == 0);
    *budget = (struct budget){.region = region, .size = size};
}

bool budget_is_measuring(const struct budget *budget)
{
    return budget->region == NULL;
}

void budget_group(struct budget *budget, const char *name)
{
    assert(name != NULL);
    for (uint32_t index = 0; index < budget->line_count; index += 1) {
        if (strcmp(budget->lines[index].name, name) != 0) continue;
        budget->line = index;
        return;
    }
    assert(budget->line_count < BUDGET_LINES_MAX);
    budget->line = budget->line_count;
    budget->lines[budget->line] = (struct budget_line){.name = name};
    budget->line_count += 1;
}

/* The offset after `count` items that begin at the aligned `*start`, or false: beyond 64 bits. */
static bool budget_place(
    const struct budget *budget, uint64_t bytes, uint64_t alignment, uint64_t *start, uint64_t *end
)
{
    if (budget->used == UINT64_MAX) return false;
    if (budget->used > UINT64_MAX - (alignment - 1)) return false;
    *start = round_up_u64(budget->used, alignment);
    return !add_overflows_u64(*start, bytes, end);
}

void *budget_take(struct budget *budget, uint64_t count, uint64_t item_size, uint64_t alignment)
{
    assert(item_size > 0);
    assert(is_power_of_two(alignment));
    assert(alignment <= BUDGET_ALIGNMENT);

    if (budget->line_count == 0) budget_group(budget, "other");

    uint64_t bytes;
    uint64_t start = 0;
    uint64_t end = UINT64_MAX;
    if (mul_overflows_u64(count, item_size, &bytes) ||
        !budget_place(budget, bytes, alignment, &start, &end)) {
        assert(budget_is_measuring(budget));
        end = UINT64_MAX;
    }
    budget->lines[budget->line].bytes += end - budget->used;
    budget->used = end;
    if (budget_is_measuring(budget)) return NULL;

    assert(end <= budget->size);
    return budget->region + start;
}

uint64_t budget_used(const struct budget *budget)
{
    return budget->used;
}

uint32_t budget_line_count(const struct budget *budget)
{
    return budget->line_count;
}

struct budget_line budget_line_at(const struct budget *budget, uint32_t index)
{
    assert(index < budget->line_count);
    return budget->lines[index];
}
