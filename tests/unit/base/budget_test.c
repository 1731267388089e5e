#include "base/budget.h"

#include "base/bytes.h"
#include "base/random.h"
#include "support/test.h"

#include <stdlib.h>

#include "base/poison.h"

struct parts {
    uint8_t *small;
    uint64_t *numbers;
    uint8_t *block;
    uint8_t *nothing;
    uint8_t *more;
};

/* As a module's init() does it. */
static void take_parts(struct parts *parts, struct budget *budget, uint64_t count)
{
    budget_group(budget, "small");
    parts->small = budget_take(budget, 3, 1, 1);
    budget_group(budget, "numbers");
    parts->numbers = budget_take(budget, count, sizeof *parts->numbers, 8);
    budget_group(budget, "blocks");
    parts->block = budget_take(budget, 1, 4096, 4096);
    parts->nothing = budget_take(budget, 0, 16, 16);
    budget_group(budget, "small");
    parts->more = budget_take(budget, 5, 1, 1);
    if (budget_is_measuring(budget)) return;

    bytes_zero(parts->small, 3);
}

static uint64_t sum_of_lines(const struct budget *budget)
{
    uint64_t sum = 0;
    for (uint32_t index = 0; index < budget_line_count(budget); index += 1) {
        sum += budget_line_at(budget, index).bytes;
    }
    return sum;
}

TEST(budget, carving_uses_exactly_what_was_measured)
{
    struct parts parts;
    struct budget measure;
    budget_measure_begin(&measure);
    EXPECT(budget_is_measuring(&measure));
    take_parts(&parts, &measure, 100);
    EXPECT(parts.small == NULL && parts.block == NULL && parts.nothing == NULL);
    EXPECT(budget_used(&measure) == 4096 + 4096 + 5);

    uint8_t *region = aligned_alloc(BUDGET_ALIGNMENT, 3 * 4096);
    EXPECT(region != NULL);
    struct budget carve;
    budget_carve_begin(&carve, region, budget_used(&measure));
    EXPECT(!budget_is_measuring(&carve));
    take_parts(&parts, &carve, 100);
    EXPECT(budget_used(&carve) == budget_used(&measure));
    EXPECT(parts.small == region);
    EXPECT((uint8_t *)parts.numbers == region + 8);
    EXPECT(parts.block == region + 4096);
    EXPECT(parts.nothing == region + 8192);
    EXPECT(parts.more == region + 8192);
    free(region);
}

TEST(budget, lines_add_up_and_a_name_is_gone_on_with)
{
    struct parts parts;
    struct budget budget;
    budget_measure_begin(&budget);
    take_parts(&parts, &budget, 100);
    EXPECT(budget_line_count(&budget) == 3);
    EXPECT(budget_line_at(&budget, 0).bytes == 8); /* 3, and 5 at the end */
    EXPECT(budget_line_at(&budget, 1).bytes == 805);
    EXPECT(sum_of_lines(&budget) == budget_used(&budget));
}

TEST(budget, without_a_group_is_other)
{
    struct budget budget;
    budget_measure_begin(&budget);
    (void)budget_take(&budget, 4, 4, 4);
    EXPECT(budget_line_count(&budget) == 1);
    EXPECT(strcmp(budget_line_at(&budget, 0).name, "other") == 0);
    EXPECT(budget_line_at(&budget, 0).bytes == 16);
}

TEST(budget, measuring_what_does_not_fit_64_bits_says_so_and_goes_on)
{
    struct budget budget;
    budget_measure_begin(&budget);
    (void)budget_take(&budget, 1, 1, 1);
    (void)budget_take(&budget, UINT64_MAX, 1, 1); /* the sum is too large */
    EXPECT(budget_used(&budget) == UINT64_MAX);
    (void)budget_take(&budget, 1, 1, 4096);
    EXPECT(budget_used(&budget) == UINT64_MAX);
    EXPECT(sum_of_lines(&budget) == UINT64_MAX);

    budget_measure_begin(&budget);
    (void)budget_take(&budget, UINT64_MAX / 2, 3, 1); /* the product is */
    EXPECT(budget_used(&budget) == UINT64_MAX);

    budget_measure_begin(&budget);
    (void)budget_take(&budget, UINT64_MAX - 10, 1, 1);
    (void)budget_take(&budget, 1, 1, 64); /* the alignment is */
    EXPECT(budget_used(&budget) == UINT64_MAX);
}

TEST(budget, any_walk_measures_what_it_carves)
{
    enum { REGION_BYTES = 1 << 20 };
    uint8_t *region = aligned_alloc(BUDGET_ALIGNMENT, REGION_BYTES);
    EXPECT(region != NULL);
    for (uint64_t seed = 1; seed <= 200; seed += 1) {
        struct budget budgets[2];
        budget_measure_begin(&budgets[0]);
        budget_carve_begin(&budgets[1], region, REGION_BYTES);
        struct random random;
        random_init(&random, seed);
        uint8_t *end = region;
        for (uint64_t take = 0; take < 40; take += 1) {
            const uint64_t count = random_below(&random, 50);
            const uint64_t item_size = random_range(&random, 1, 200);
            const uint64_t alignment = UINT64_C(1) << random_below(&random, 13);
            (void)budget_take(&budgets[0], count, item_size, alignment);
            uint8_t *part = budget_take(&budgets[1], count, item_size, alignment);
            EXPECT(part >= end && (uintptr_t)part % alignment == 0);
            end = part + count * item_size;
            EXPECT(budget_used(&budgets[0]) == budget_used(&budgets[1]));
        }
    }
    free(region);
}

TEST_MAIN()
