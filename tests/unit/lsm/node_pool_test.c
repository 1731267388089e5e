#include "base/bytes.h"
#include "lsm/node_pool.h"
#include "support/test.h"

#include <stddef.h>
#include <stdlib.h>

static void *pool_begin(struct node_pool *pool, uint32_t capacity)
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

TEST(node_pool, gives_each_node_once_until_it_is_given_back)
{
    struct node_pool pool;
    void *region = pool_begin(&pool, 5);
    uint32_t seen = 0;
    for (uint32_t room = 5; room > 0; room -= 1) {
        EXPECT(node_pool_room(&pool) == room);
        const uint32_t node = node_pool_take(&pool);
        EXPECT(node >= 1 && node <= 5);
        EXPECT((seen & 1U << node) == 0);
        seen |= 1U << node;
        node_pool_at(&pool, node)->info.value_count = node;
    }
    EXPECT(node_pool_room(&pool) == 0);
    for (uint32_t node = 1; node <= 5; node += 1) {
        EXPECT(node_pool_at(&pool, node)->info.value_count == node);
    }
    node_pool_give(&pool, 3);
    EXPECT(node_pool_room(&pool) == 1);
    EXPECT(node_pool_take(&pool) == 3);
    free(region);
}

TEST(node_pool, may_have_a_single_node)
{
    struct node_pool pool;
    void *region = pool_begin(&pool, 1);
    const uint32_t node = node_pool_take(&pool);
    EXPECT(node_pool_room(&pool) == 0);
    node_pool_give(&pool, node);
    EXPECT(node_pool_room(&pool) == 1);
    free(region);
}

TEST(table_node, keeps_what_a_search_reads_within_64_bytes)
{
    EXPECT(offsetof(struct table_node, info.key_max) + sizeof(struct key) == 64);
    EXPECT(sizeof(struct table_node) == 136);
}

TEST_MAIN()
