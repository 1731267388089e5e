/* Which objects a plan finds, said of one object at a time: the oracle of the planner. An object is
 * normalised, in native order, and one of the schema's first collection. */
#ifndef TACTUS_TESTS_SUPPORT_PLAN_ORACLE_H
#define TACTUS_TESTS_SUPPORT_PLAN_ORACLE_H

#include "base/assert.h"
#include "query/plan.h"

#include <stdbool.h>

/* Whether the object has an entry of this tree between two keys; *key is the entry's. */
static inline bool tree_has(
    const struct schema *schema,
    uint16_t tree,
    struct key key_min,
    struct key key_max,
    const uint8_t *object,
    struct key *key
)
{
    const struct collection_schema *of = &schema->collections[0];
    const struct tree_place place = schema_tree(schema, tree);
    assert(place.collection == of);
    if (place.kind == TREE_KIND_OBJECT) {
        *key = key_from_u64(object_timestamp(of, object));
    } else if (place.kind == TREE_KIND_INDEX) {
        uint8_t record[INDEX_RECORD_SIZE_MAX];
        if (!codec_index_record(of, place.index, object, record)) return false;
        const struct record_shape shape = codec_shape(&place);
        *key = record_key(&shape, record);
    } else {
        *key = codec_id_key(of, object + of->fields[of->id_field].offset);
    }
    return !key_less(*key, key_min) && !key_less(key_max, *key);
}

static inline bool timestamps_have(
    const struct schema *schema, struct timestamp_range range, const uint8_t *object
)
{
    const uint64_t timestamp = object_timestamp(&schema->collections[0], object);
    return timestamp >= range.min && timestamp <= range.max;
}

static inline bool ids_have(
    const struct schema *schema,
    const struct query_plan *plan,
    const struct plan_node *node,
    const uint8_t *object
)
{
    const struct collection_schema *of = &schema->collections[0];
    const struct key key = codec_id_key(of, object + of->fields[of->id_field].offset);
    bool found = false;
    assert(node->id_first + node->id_count <= plan->id_count);
    for (uint32_t i = 0; i < node->id_count; i += 1) {
        const struct key *id = &plan->ids[node->id_first + i];
        if (key_equal(*id, key)) found = true;
        if (i > 0) assert(key_less(id[-1], *id));
    }
    return found;
}

static inline bool leaf_has(
    const struct schema *schema,
    const struct query_plan *plan,
    const struct plan_node *node,
    const uint8_t *object
)
{
    struct key key;
    const bool in_time = timestamps_have(schema, plan->timestamps, object);
    if (node->kind == PLAN_NODE_IDS) return in_time && ids_have(schema, plan, node, object);
    assert(node->kind == PLAN_NODE_SCAN || node->kind == PLAN_NODE_RANGE);
    assert(node->index == NULL || node->tree == node->index->tree);
    if (node->kind == PLAN_NODE_RANGE && !in_time) return false;
    return tree_has(schema, node->tree, node->key_min, node->key_max, object, &key);
}

/* Parents stand before their children, so from the last node to the first all is known. */
static inline bool nodes_have(
    const struct schema *schema, const struct query_plan *plan, const uint8_t *object
)
{
    bool has[PLAN_NODES_MAX];
    assert(plan->node_count > 0);
    for (uint32_t i = plan->node_count; i > 0; i -= 1) {
        const struct plan_node *node = &plan->nodes[i - 1];
        bool all = true;
        bool any = false;
        uint32_t number = 0;
        bool first = false;
        for (uint8_t child = node->child; child != PLAN_NODE_NONE;
             child = plan->nodes[child].next) {
            assert(child >= i && child < plan->node_count);
            all = all && has[child];
            if (number == 0) first = has[child];
            if (number > 0 || node->kind == PLAN_NODE_UNION) any = any || has[child];
            number += 1;
        }
        if (node->kind == PLAN_NODE_UNION) has[i - 1] = any;
        if (node->kind == PLAN_NODE_INTERSECTION) has[i - 1] = all;
        if (node->kind == PLAN_NODE_DIFFERENCE) has[i - 1] = first && !any;
        if (number == 0) has[i - 1] = leaf_has(schema, plan, node, object);
        assert(number == 0 || number >= 2);
    }
    return has[0];
}

/* Of PLAN_SCAN: whether the scan meets the object, and by which key. */
static inline bool plan_scan_has(
    const struct schema *schema,
    const struct query_plan *plan,
    const uint8_t *object,
    struct key *key
)
{
    assert(plan->drive == PLAN_SCAN);
    return timestamps_have(schema, plan->timestamps, object) &&
           tree_has(schema, plan->tree, plan->key_min, plan->key_max, object, key);
}

/* Whether the plan finds the object, to be checked or not. */
static inline bool plan_has(
    const struct schema *schema, const struct query_plan *plan, const uint8_t *object
)
{
    struct key key;
    if (plan->drive == PLAN_NOTHING) return false;
    if (plan->drive == PLAN_SCAN) return plan_scan_has(schema, plan, object, &key);
    return nodes_have(schema, plan, object);
}

#endif
