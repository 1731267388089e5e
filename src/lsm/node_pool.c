#include "lsm/node_pool.h"

#include "base/assert.h"

#include <stddef.h>

#include "base/poison.h"

/* A search step reads links and both keys: they must lie close together. */
static_assert(
    offsetof(struct table_node, info) + offsetof(struct table_info, key_max) + sizeof(struct key) <=
        64,
    "links and keys of a node lie within 64 bytes"
);

void node_pool_init(struct node_pool *pool, struct budget *budget, uint32_t capacity)
{
    assert(capacity > 0);
    assert(capacity < UINT32_MAX);
    *pool = (struct node_pool){.capacity = capacity};
    pool->nodes = budget_take(budget, (uint64_t)capacity + 1, sizeof(struct table_node), 64);
    if (budget_is_measuring(budget)) return;

    pool->free_first = NODE_NONE;
    pool->fresh = 1;
    pool->free_count = capacity;
}

uint32_t node_pool_room(const struct node_pool *pool)
{
    return pool->free_count;
}

uint32_t node_pool_take(struct node_pool *pool)
{
    assert(pool->free_count > 0);
    uint32_t node = pool->free_first;
    if (node == NODE_NONE) {
        node = pool->fresh;
        pool->fresh += 1;
    } else {
        pool->free_first = node_pool_at(pool, node)->next;
    }
    pool->free_count -= 1;
    assert(node <= pool->capacity);
    return node;
}

void node_pool_give(struct node_pool *pool, uint32_t node)
{
    assert(pool->free_count < pool->capacity);
    node_pool_at(pool, node)->next = pool->free_first;
    pool->free_first = node;
    pool->free_count += 1;
}

struct table_node *node_pool_at(const struct node_pool *pool, uint32_t node)
{
    assert(node != NODE_NONE);
    assert(node <= pool->capacity);
    return &pool->nodes[node];
}
