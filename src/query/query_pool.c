#include "query/query_pool.h"

#include "base/assert.h"

#include "base/poison.h"

void query_pool_init(
    struct query_pool *pool, struct budget *budget, const struct query_pool_options *options
)
{
    assert(options->count > 0);
    struct scan_tree *scans = budget_take(budget, options->count, sizeof *scans, 64);
    uint32_t *free = budget_take(budget, options->count, sizeof *free, 64);
    struct scan_tree measured;
    for (uint32_t index = 0; index < options->count; index += 1) {
        struct scan_tree *scan = budget_is_measuring(budget) ? &measured : &scans[index];
        scan_tree_init(scan, budget, &options->scan);
        if (!budget_is_measuring(budget)) free[index] = options->count - 1 - index;
    }
    *pool = (struct query_pool
    ){.scans = scans, .free = free, .count = options->count, .free_count = options->count};
}

struct scan_tree *query_pool_take(struct query_pool *pool)
{
    if (pool->free_count == 0) return NULL;
    pool->free_count -= 1;
    return &pool->scans[pool->free[pool->free_count]];
}

void query_pool_give(struct query_pool *pool, struct scan_tree *scan)
{
    assert(scan >= pool->scans && scan < pool->scans + pool->count);
    assert(pool->free_count < pool->count);
    scan_tree_stop(scan);
    pool->free[pool->free_count] = (uint32_t)(scan - pool->scans);
    pool->free_count += 1;
}
