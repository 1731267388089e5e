#include "base/assert.h"
#include "base/integer.h"
#include "query/planner.h"

#include "base/poison.h"

uint64_t cost_sum(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return add_overflows_u64(a, b, &sum) ? UINT64_MAX - 1 : min_u64(sum, UINT64_MAX - 1);
}

uint64_t cost_product(uint64_t a, uint64_t b)
{
    uint64_t product;
    return mul_overflows_u64(a, b, &product) ? UINT64_MAX - 1 : min_u64(product, UINT64_MAX - 1);
}

uint64_t cost_share(uint64_t a, uint64_t b, uint64_t of)
{
    assert(of > 0);
    b = min_u64(b, of);
    uint64_t product;
    if (!mul_overflows_u64(a, b, &product)) return product / of;
    return (uint64_t)((double)a * ((double)b / (double)of));
}

uint64_t planner_entries(
    const struct planner *planner, uint16_t tree, struct key_bounds keys, uint64_t assumed
)
{
    if (key_less(keys.max, keys.min)) return 0;
    if (planner->statistics == NULL) return assumed;
    const uint64_t count =
        planner->statistics->entries(planner->statistics->context, tree, keys.min, keys.max);
    return min_u64(count, UINT64_MAX - 1);
}

uint64_t cost_of_objects(const struct planner *planner, uint64_t count)
{
    const uint64_t each =
        COST_OBJECT + planner->collection->object_bytes / (uint64_t)COST_OBJECT_BYTES;
    return cost_sum(COST_START, cost_product(count, each));
}

uint64_t cost_of_fetches(const struct planner *planner, uint64_t count)
{
    const uint64_t fetched = cost_product(count, COST_FETCH);
    if (count < planner->objects / COST_DENSE) return fetched;
    return min_u64(fetched, cost_of_objects(planner, planner->objects));
}

uint64_t cost_passes(uint64_t count)
{
    return max_u64(div_ceil_u64(count, COST_SORT_MAX), 1);
}

/* Of a leaf, apart from others. */
static uint64_t cost_of_leaf(const struct planner *planner, const struct plan_node *node)
{
    const uint64_t count = node->estimate;
    if (node->kind == PLAN_NODE_IDS) return cost_product(node->id_count, COST_LOOKUP);
    if (node->kind == PLAN_NODE_RANGE) {
        const uint64_t pass = cost_product(count, COST_ENTRY + COST_SORT);
        return cost_sum(COST_START, cost_product(cost_passes(count), pass));
    }
    assert(node->kind == PLAN_NODE_SCAN);
    if (node->index == NULL) return cost_of_objects(planner, count);
    return cost_sum(COST_START, cost_product(count, COST_ENTRY));
}

/* Of a set beside `leaders` timestamps that ask it one after the other: it is leapt through, or
 * read to its end. A range has to be sorted first, so leaps save nothing. */
static uint64_t cost_beside(const struct planner *planner, uint8_t set, uint64_t leaders)
{
    const struct plan_node *node = &planner->nodes[set];
    const uint64_t whole = cost_of_set(planner, set);
    if (node->kind == PLAN_NODE_RANGE) return whole;
    uint64_t leaps = cost_product(leaders, COST_PROBE);
    for (uint8_t child = node->child; child != PLAN_NODE_NONE; child = planner->nodes[child].next) {
        leaps = cost_sum(leaps, cost_product(leaders, COST_PROBE));
    }
    return min_u64(whole, cost_sum(COST_START, leaps));
}

/* Recursion, here and above, is as deep as the expression: at most EXPRESSION_DEPTH_MAX times and,
 * or. */
uint64_t cost_of_set(const struct planner *planner, uint8_t set)
{
    const struct plan_node *node = &planner->nodes[set];
    if (node->child == PLAN_NODE_NONE) return cost_of_leaf(planner, node);
    const uint64_t leaders = planner->nodes[node->child].estimate;
    uint64_t cost = cost_of_set(planner, node->child);
    for (uint8_t child = planner->nodes[node->child].next; child != PLAN_NODE_NONE;
         child = planner->nodes[child].next) {
        const uint64_t of = node->kind == PLAN_NODE_UNION ? cost_of_set(planner, child)
                                                          : cost_beside(planner, child, leaders);
        cost = cost_sum(cost, of);
    }
    if (node->kind != PLAN_NODE_UNION) return cost;
    return cost_sum(cost, cost_product(node->estimate, COST_MERGE));
}

/* Conditions are taken to have nothing to do with each other. */
uint64_t conjunction_estimate(const struct planner *planner, const struct conjunction *conjunction)
{
    assert(conjunction->positive_count > 0);
    uint64_t count = planner->nodes[conjunction->positives[0]].estimate;
    for (uint32_t i = 1; i < conjunction->positive_count; i += 1) {
        const uint64_t other = planner->nodes[conjunction->positives[i]].estimate;
        count = cost_share(count, other, max_u64(planner->objects, 1));
    }
    for (uint32_t i = 0; i < conjunction->negative_count; i += 1) {
        const uint64_t other = planner->nodes[conjunction->negatives[i]].estimate;
        count -= cost_share(count, other, max_u64(planner->objects, 1));
    }
    return count;
}

uint64_t conjunction_cost(const struct planner *planner, const struct conjunction *conjunction)
{
    assert(conjunction->positive_count > 0);
    const uint64_t leaders = planner->nodes[conjunction->positives[0]].estimate;
    uint64_t cost = cost_of_set(planner, conjunction->positives[0]);
    for (uint32_t i = 1; i < conjunction->positive_count; i += 1) {
        cost = cost_sum(cost, cost_beside(planner, conjunction->positives[i], leaders));
    }
    for (uint32_t i = 0; i < conjunction->negative_count; i += 1) {
        cost = cost_sum(cost, cost_beside(planner, conjunction->negatives[i], leaders));
    }
    return cost;
}
