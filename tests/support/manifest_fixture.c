#include "support/manifest_fixture.h"

#include "base/bytes.h"
#include "support/test.h"

#include <stdlib.h>

#include "base/poison.h"

void *manifest_fixture_pool(struct node_pool *pool, uint32_t capacity)
{
    struct budget budget;
    budget_measure_begin(&budget);
    node_pool_init(pool, &budget, capacity);
    const uint64_t size = (budget_used(&budget) / BUDGET_ALIGNMENT + 1) * BUDGET_ALIGNMENT;
    void *region = aligned_alloc(BUDGET_ALIGNMENT, size);
    EXPECT(region != NULL);
    bytes_zero(region, size);
    budget_carve_begin(&budget, region, size);
    node_pool_init(pool, &budget, capacity);
    return region;
}

bool manifest_fixture_insert(struct manifest_run *run, uint64_t key_min, uint64_t key_max)
{
    const struct table_info info = {
        .key_min = key_from_u64(key_min),
        .key_max = key_from_u64(key_max),
        .address = key_min,
        .value_count = 10,
    };
    const bool inserted = manifest_run_insert(run, &info);
    manifest_run_check(run);
    return inserted;
}
