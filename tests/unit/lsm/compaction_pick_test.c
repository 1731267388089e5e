/* The awkward neighbours; all the rest is in tests/model/manifest_level_test.c. */
#include "base/bytes.h"
#include "lsm/compaction_pick.h"
#include "support/test.h"

#include <stdlib.h>

static struct node_pool pool;
static void *region;

static struct manifest_run level_begin(void)
{
    struct budget budget;
    budget_measure_begin(&budget);
    node_pool_init(&pool, &budget, 100);
    const uint64_t size = (budget_used(&budget) / BUDGET_ALIGNMENT + 1) * BUDGET_ALIGNMENT;
    free(region);
    region = aligned_alloc(BUDGET_ALIGNMENT, size);
    EXPECT(region != NULL);
    bytes_zero(region, size);
    budget_carve_begin(&budget, region, size);
    node_pool_init(&pool, &budget, 100);
    struct manifest_run level;
    manifest_run_init(&level, &pool, 0);
    return level;
}

static bool insert(struct manifest_run *level, uint64_t key_min, uint64_t key_max)
{
    const struct table_info info = {
        .key_min = key_from_u64(key_min),
        .key_max = key_from_u64(key_max),
        .address = key_min,
        .value_count = 10};
    const bool inserted = manifest_run_insert(level, &info);
    manifest_run_check(level);
    return inserted;
}

TEST(compaction_pick, prefers_the_lowest_key_among_equals)
{
    struct manifest_run a = level_begin();
    struct manifest_run b;
    manifest_run_init(&b, &pool, 0);
    EXPECT(insert(&a, 10, 19) && insert(&a, 20, 29) && insert(&a, 30, 39));
    EXPECT(insert(&b, 1, 11) && insert(&b, 12, 20) && insert(&b, 28, 30) && insert(&b, 38, 99));
    const struct compaction_choice choice = compaction_pick(&a, &b, 8);
    EXPECT(choice.table->address == 10);
    EXPECT(choice.overlap_count == 2);
    EXPECT(compaction_pick_overlap_max(&a, &b) == 2);
}

TEST(compaction_pick, takes_the_first_table_that_overlaps_nothing)
{
    struct manifest_run a = level_begin();
    struct manifest_run b;
    manifest_run_init(&b, &pool, 0);
    EXPECT(insert(&a, 10, 19) && insert(&a, 21, 24) && insert(&a, 40, 41));
    EXPECT(insert(&b, 1, 10) && insert(&b, 20, 20) && insert(&b, 25, 39));
    const struct compaction_choice choice = compaction_pick(&a, &b, 8);
    EXPECT(choice.table->address == 21);
    EXPECT(choice.overlap_count == 0);
}

TEST(compaction_pick, skips_what_overlaps_too_many)
{
    struct manifest_run a = level_begin();
    struct manifest_run b;
    manifest_run_init(&b, &pool, 0);
    EXPECT(insert(&a, 10, 50));
    EXPECT(insert(&b, 10, 11) && insert(&b, 12, 13) && insert(&b, 14, 15));
    EXPECT(compaction_pick(&a, &b, 2).table == NULL);
    EXPECT(compaction_pick(&a, &b, 3).overlap_count == 3);
}

TEST_MAIN()
