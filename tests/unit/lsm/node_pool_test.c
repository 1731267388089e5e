#include "lsm/node_pool.h"
#include "support/manifest_fixture.h"
#include "support/test.h"

#include <stddef.h>
#include <stdlib.h>

TEST(node_pool, gives_each_node_once_until_it_is_given_back)
{
    struct node_pool pool;
    void *region = manifest_fixture_pool(&pool, 5);
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
    void *region = manifest_fixture_pool(&pool, 1);
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
