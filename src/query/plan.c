#include "query/plan.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "query/filter.h"
#include "query/planner.h"

#include <stddef.h>
#include <string.h>

#include "base/poison.h"

enum tactus_status plan_order_parse(
    const struct collection_schema *collection,
    const char *text,
    struct plan_order *order,
    struct text_error *error
)
{
    const bool is_map = collection->timestamp_field == FIELD_NONE;
    *order =
        (struct plan_order){.field = is_map ? collection->id_field : collection->timestamp_field};
    if (text == NULL || *text == 0) return TACTUS_OK;
    order->descending = *text == '-';
    const char *name = order->descending ? text + 1 : text;
    order->field = collection_field_find(collection, name, strlen(name));
    if (order->field != FIELD_NONE) return TACTUS_OK;
    text_error_set(
        error,
        1,
        order->descending ? 2 : 1,
        "unknown order `%.*s`: write FIELD or -FIELD; `%s` has no field of that name",
        (int)min_u64(strlen(name), 64),
        name,
        collection->name
    );
    return TACTUS_SYNTAX;
}

/* ---- What is fixed -------------------------------------------------------------------------- */

static bool range_is_none(struct code_range range)
{
    return code_less(range.max, range.min);
}

/* A field has one value in all objects of the answer; or there are none, which is as good. */
static bool planner_is_fixed(const struct planner *planner, uint32_t field)
{
    return !code_less(planner->ranges[field].min, planner->ranges[field].max);
}

static bool planner_is_narrow(const struct planner *planner, uint32_t field)
{
    const struct code_range range = planner->ranges[field];
    const struct code max = code_max(field_order_bytes(&planner->collection->fields[field]));
    return range.min.high != 0 || range.min.low != 0 || code_less(range.max, max);
}

static bool planner_is_map(const struct planner *planner)
{
    return planner->collection->timestamp_field == FIELD_NONE;
}

/* Ranges of all fields; false if one of them is empty, so that no object can match. */
static bool planner_narrow(struct planner *planner)
{
    const struct collection_schema *collection = planner->collection;
    bool some = true;
    for (uint32_t i = 0; i < collection->field_count; i += 1) {
        if (collection->fields[i].type == TACTUS_TYPE_RESERVED) continue;
        planner->ranges[i] = filter_range(planner->expression, i);
        if (range_is_none(planner->ranges[i])) some = false;
    }
    planner->timestamps = (struct timestamp_range){1, TIMESTAMP_MAX};
    if (planner_is_map(planner)) return some;
    const struct code_range range = planner->ranges[collection->timestamp_field];
    const struct timestamp_range timestamps = {
        max_u64(range.min.low, 1), min_u64(range.max.low, TIMESTAMP_MAX)};
    if (range_is_none(range) || timestamps.min > timestamps.max) return false;
    planner->timestamps = timestamps;
    return some;
}

/* ---- Indexes -------------------------------------------------------------------------------- */

/* The first field of an index whose zero it leaves out although the conditions admit it, so that it
 * lacks objects that are asked for; or FIELD_NONE. */
static uint32_t index_lacks(const struct planner *planner, const struct index_schema *index)
{
    for (uint32_t i = 0; i < index->field_count; i += 1) {
        const uint32_t field = index->fields[i];
        if (!index_leaves_zero_out(planner->collection, index, field)) continue;
        if (filter_admits_zero(planner->expression, field)) return field;
    }
    return FIELD_NONE;
}

/* How many of an index's fields are fixed by equality, from the first one on. */
static uint32_t index_fixed_count(const struct planner *planner, const struct index_schema *index)
{
    uint32_t count = 0;
    while (count < index->field_count && planner_is_fixed(planner, index->fields[count])) {
        count += 1;
    }
    return count;
}

/* The keys of an index, narrowed by its first fields. */
static struct key_bounds planner_index_keys(
    const struct planner *planner, const struct index_schema *index, uint32_t range_count
)
{
    struct code_range ranges[ORDER_BYTES_MAX];
    for (uint32_t i = 0; i < range_count; i += 1)
        ranges[i] = planner->ranges[index->fields[i]];
    return codec_index_range(planner->collection, index, ranges, range_count, planner->timestamps);
}

/* The keys of the id tree, or of a map. */
static struct key_bounds planner_id_keys(const struct planner *planner)
{
    const struct collection_schema *collection = planner->collection;
    const struct code_range range = planner->ranges[collection->id_field];
    return (struct key_bounds
    ){codec_id_key_of_code(collection, range.min), codec_id_key_of_code(collection, range.max)};
}

/* ---- Orders --------------------------------------------------------------------------------- */

/* An index that yields the order: fixed fields, then FIELD; what is behind it is best nothing or
 * fixed (then equal values of FIELD come by timestamp), and more fixed fields in front are
 * better. */
struct ordered {
    const struct index_schema *index;
    uint32_t place; /* of FIELD in it */
    bool exact;     /* nothing free behind FIELD */
};

static bool ordered_is_better(struct ordered a, struct ordered b)
{
    if (b.index == NULL) return true;
    if (a.exact != b.exact) return a.exact;
    return a.place > b.place;
}

/* The best one; *lacking is the first index that would do, were it not for the zero that it
 * leaves out. */
static struct ordered planner_best_ordered(
    const struct planner *planner, const struct index_schema **lacking
)
{
    struct ordered best = {NULL, 0, false};
    *lacking = NULL;
    for (uint32_t i = 0; i < planner->collection->index_count; i += 1) {
        const struct index_schema *index = &planner->collection->indexes[i];
        if (index->hashed) continue;
        const uint32_t place = index_fixed_count(planner, index);
        if (place == index->field_count || index->fields[place] != planner->order.field) continue;
        if (index_lacks(planner, index) != FIELD_NONE) {
            if (*lacking == NULL) *lacking = index;
            continue;
        }
        struct ordered found = {index, place, true};
        for (uint32_t k = place + 1; k < index->field_count; k += 1) {
            if (!planner_is_fixed(planner, index->fields[k])) found.exact = false;
        }
        if (ordered_is_better(found, best)) best = found;
    }
    return best;
}

/* Why no index serves the order, and what would. */
static enum tactus_status planner_refuse(
    const struct planner *planner, const struct index_schema *lacking, struct text_error *error
)
{
    const struct collection_schema *collection = planner->collection;
    const struct field *field = &collection->fields[planner->order.field];
    if (field->type == TACTUS_TYPE_RESERVED) {
        text_error_set(error, 0, 0, "no order by `%s`: reserved bytes have no value", field->name);
    } else if (field_is_truncated(field)) {
        text_error_set(
            error,
            0,
            0,
            "no order by `%s`: an index has its first %d bytes only, of %u; order by another field",
            field->name,
            ORDER_BYTES_MAX,
            field->size
        );
    } else if (lacking != NULL) {
        const char *name = collection->fields[index_lacks(planner, lacking)].name;
        text_error_set(
            error,
            0,
            0,
            "no order by `%s`: index %s leaves out objects in which `%.48s` is zero or absent; "
            "rule them "
            "out, as by `%.48s != ...` its zero",
            field->name,
            lacking->name,
            name,
            name
        );
    } else {
        text_error_set(
            error,
            0,
            0,
            "no order by `%s`: no index gives it; declare `index` behind the field, or an index of "
            "the "
            "fields fixed by = and `%s`",
            field->name,
            field->name
        );
    }
    return TACTUS_INVALID;
}

/* How the tree that gives the order is narrowed. */
struct path {
    const struct index_schema *index; /* of PLAN_ORDER_INDEX */
    uint32_t range_count;
};

/* Which order it is; *path is of use for PLAN_ORDER_INDEX. */
static enum tactus_status planner_order(
    const struct planner *planner,
    struct query_plan *plan,
    struct path *path,
    struct text_error *error
)
{
    const struct collection_schema *collection = planner->collection;
    const uint32_t by = planner->order.field;
    const struct index_schema *lacking = NULL;
    *path = (struct path){NULL, 0};
    plan->descending = planner->order.descending;
    plan->order = PLAN_ORDER_TIMESTAMP;
    const bool one =
        collection->id_field != FIELD_NONE && planner_is_fixed(planner, collection->id_field);
    if (planner_is_timestamp(planner, by) || one) return TACTUS_OK;
    if (by == collection->id_field) {
        plan->order = PLAN_ORDER_ID;
        return TACTUS_OK;
    }
    if (collection->fields[by].type == TACTUS_TYPE_RESERVED ||
        field_is_truncated(&collection->fields[by])) {
        return planner_refuse(planner, NULL, error);
    }
    if (planner_is_fixed(planner, by)) return TACTUS_OK; /* all equal: by timestamp, then */
    const struct ordered best = planner_best_ordered(planner, &lacking);
    if (best.index == NULL) return planner_refuse(planner, lacking, error);
    plan->order = PLAN_ORDER_INDEX;
    plan->order_index = best.index;

    /* The range of FIELD ends what one key range can say. */
    *path = (struct path){best.index, best.place + 1};
    return TACTUS_OK;
}

/* ---- The tree in order ---------------------------------------------------------------------- */

/* Whether the range of keys is all that the conditions say. */
static bool scan_is_exact(
    const struct planner *planner,
    const struct query_plan *plan,
    struct path path,
    const struct conjunction *top
)
{
    for (uint16_t part = top->first; part != NORMAL_NONE;
         part = conjunction_next(planner, top, part)) {
        if (planner_narrows(planner, part, false)) continue;
        if (plan->order == PLAN_ORDER_TIMESTAMP) return false;
        if (!planner_range_answers(planner, path.index, path.range_count, part)) return false;
    }
    return true;
}

static void plan_scan(
    const struct planner *planner,
    struct query_plan *plan,
    struct path path,
    const struct conjunction *top
)
{
    const struct collection_schema *collection = planner->collection;
    struct key_bounds keys = {
        key_from_u64(planner->timestamps.min), key_from_u64(planner->timestamps.max)};
    plan->drive = PLAN_SCAN;
    plan->tree = collection->object_tree;
    if (plan->order == PLAN_ORDER_ID) {
        plan->tree = collection->id_tree;
        keys = planner_id_keys(planner);
    } else if (plan->order == PLAN_ORDER_INDEX) {
        plan->tree = path.index->tree;
        keys = planner_index_keys(planner, path.index, path.range_count);
    }
    plan->key_min = keys.min;
    plan->key_max = keys.max;
    plan->filters = !scan_is_exact(planner, plan, path, top);

    if (plan->order == PLAN_ORDER_TIMESTAMP) {
        plan->estimate = planner->objects;
        plan->cost = cost_of_objects(planner, max_u64(planner->objects, COST_OBJECTS_MIN));
        return;
    }
    plan->estimate = planner_entries(planner, plan->tree, keys, ASSUMED_OBJECTS);
    const bool fetches = plan->filters || !planner->order.counts;
    const uint64_t each = (uint64_t)COST_ENTRY + (fetches ? COST_FETCH : 0);
    plan->cost = cost_sum(COST_START, cost_product(plan->estimate, each));
}

/* ---- Sets ----------------------------------------------------------------------------------- */

/* One way to make the set of the whole. */
struct choice {
    struct conjunction sets;
    bool exact;
    bool sorts;
    uint64_t estimate;
    uint64_t cost; /* UINT64_MAX: none yet */
};

/* Weighs one way against the best so far. `range` as of conjunction_is_exact(). */
static void choice_offer(
    const struct planner *planner,
    struct choice *best,
    struct conjunction sets,
    bool sorts,
    uint8_t range,
    uint32_t range_count
)
{
    if (sets.positive_count == 0) return;
    const bool exact = conjunction_is_exact(planner, &sets, range, range_count);
    if (!exact) conjunction_reduce(planner, &sets);
    struct choice choice = {.sets = sets, .exact = exact, .sorts = sorts};
    choice.estimate = conjunction_estimate(planner, &sets);
    choice.cost = conjunction_cost(planner, &sets);
    const bool is_range = sets.positive_count == 1 && sets.negative_count == 0 && range != SET_NONE;
    if (exact && planner->order.counts && is_range) { /* in whatever order */
        choice.cost = cost_sum(COST_START, cost_product(choice.estimate, COST_ENTRY));
    }
    if (!exact || !planner->order.counts) {
        choice.cost = cost_sum(choice.cost, cost_of_fetches(planner, choice.estimate));
    }
    if (sorts && !planner->order.counts) { /* what a pass has put in order is fetched again */
        choice.cost = cost_sum(choice.cost, cost_product(choice.estimate, COST_SORT));
        choice.cost = cost_product(choice.cost, cost_passes(choice.estimate));
        choice.cost = cost_sum(choice.cost, cost_product(choice.estimate, COST_FETCH));
    }
    if (choice.cost < best->cost) *best = choice;
}

/* Whether a set is a scan of fields that the index fixes by the same values, so that a range of the
 * index lies within it. */
static bool range_replaces(
    const struct planner *planner, const struct index_schema *index, uint32_t fixed, uint8_t set
)
{
    const struct plan_node *node = &planner->nodes[set];
    if (index == NULL || node->kind != PLAN_NODE_SCAN || node->index == NULL) return false;
    for (uint32_t i = 0; i < node->index->field_count; i += 1) {
        bool found = false;
        for (uint32_t k = 0; k < fixed; k += 1) {
            if (index->fields[k] == node->index->fields[i]) found = true;
        }
        if (!found) return false;
    }
    return true;
}

/* Weighs a range: alone, and beside the sets that it does not replace. */
static void choice_offer_range(
    struct planner *planner,
    struct choice *best,
    const struct conjunction *top,
    struct plan_node node,
    uint32_t fixed,
    bool sorts
)
{
    if (planner->node_count == PLANNER_NODES_MAX) return;
    const uint8_t range = (uint8_t)planner->node_count;
    const uint32_t range_count = fixed + 1;
    planner->nodes[range] = node;
    planner->node_count += 1;

    struct conjunction sets = *top;
    sets.positive_count = 0;
    sets.negative_count = 0;
    conjunction_add(planner, &sets, range);
    choice_offer(planner, best, sets, sorts, range, range_count);
    if (sorts) return; /* two sorts in one */

    sets.negative_count = top->negative_count;
    for (uint32_t i = 0; i < top->positive_count; i += 1) {
        if (range_replaces(planner, node.index, fixed, top->positives[i])) continue;
        if (sets.positive_count == PLANNER_PARTS_MAX) return;
        conjunction_add(planner, &sets, top->positives[i]);
    }
    choice_offer(planner, best, sets, sorts, range, range_count);
}

/* Whether some part of the whole that no set answers has a test of this field. */
static bool top_leaves_field(
    const struct planner *planner, const struct conjunction *top, uint32_t field
)
{
    for (uint16_t part = top->first; part != NORMAL_NONE;
         part = conjunction_next(planner, top, part)) {
        if (planner->answers[part] != SET_NONE) continue;
        const uint16_t next = planner->normal.nodes[part].next; /* behind all that is in the part */
        const uint32_t end = next == NORMAL_NONE ? planner->normal.count : next;
        for (uint32_t i = part; i < end; i += 1) {
            if (!planner_is_test(planner, i)) continue;
            if (planner_test(planner, i, false).field == field) return true;
        }
    }
    return false;
}

/* Whether sets have the values of this field already: a range of it says little more. */
static bool top_has_field(
    const struct planner *planner, const struct conjunction *top, uint32_t field
)
{
    for (uint16_t part = top->first; part != NORMAL_NONE;
         part = conjunction_next(planner, top, part)) {
        if (planner->answers[part] == SET_NONE || !planner_is_test(planner, part)) continue;
        const struct normal_test test = planner_test(planner, part, false);
        if (test.field == field && normal_test_is_equality(test)) return true;
    }
    return false;
}

/* Whether a range of an index may say more than the sets: of its last narrowed field, or of those
 * before it. */
static bool top_leaves_index(
    const struct planner *planner,
    const struct conjunction *top,
    const struct index_schema *index,
    uint32_t range_count
)
{
    if (top_has_field(planner, top, index->fields[range_count - 1])) return false;
    for (uint32_t i = 0; i < range_count; i += 1) {
        if (top_leaves_field(planner, top, index->fields[i])) return true;
    }
    return false;
}

/* Weighs the range of one index, if conditions narrow its first free field, or fix those before
 * it, or rule out the zeros that it leaves out. */
static void choice_offer_index(
    struct planner *planner,
    struct choice *best,
    const struct conjunction *top,
    const struct index_schema *index,
    bool sorts
)
{
    if (index->hashed || index_lacks(planner, index) != FIELD_NONE) return;
    const uint32_t fixed = index_fixed_count(planner, index);
    if (fixed == index->field_count) return; /* a scan */
    const bool is_part = planner_is_narrow(planner, index->fields[0]) ||
                         index_leaves_zero_out(planner->collection, index, index->fields[0]);
    if (fixed == 0 && !is_part) return;
    if (!top_leaves_index(planner, top, index, fixed + 1)) return;
    const struct key_bounds keys = planner_index_keys(planner, index, fixed + 1);
    const uint64_t assumed = fixed == 0 ? ASSUMED_RANGE : ASSUMED_EQUAL / 2;
    const struct plan_node node = {
        .kind = PLAN_NODE_RANGE,
        .child = PLAN_NODE_NONE,
        .next = PLAN_NODE_NONE,
        .exact = !index->truncated,
        .tree = index->tree,
        .index = index,
        .key_min = keys.min,
        .key_max = keys.max,
        .estimate = planner_entries(planner, index->tree, keys, assumed),
    };
    choice_offer_range(planner, best, top, node, fixed, sorts);
}

static void choice_offer_ids(
    struct planner *planner, struct choice *best, const struct conjunction *top, bool sorts
)
{
    const struct collection_schema *collection = planner->collection;
    if (collection->id_field == FIELD_NONE) return;
    if (!planner_is_narrow(planner, collection->id_field)) return;
    if (top_has_field(planner, top, collection->id_field)) return;
    if (!top_leaves_field(planner, top, collection->id_field)) return;
    const struct key_bounds keys = planner_id_keys(planner);
    const struct plan_node node = {
        .kind = PLAN_NODE_RANGE,
        .child = PLAN_NODE_NONE,
        .next = PLAN_NODE_NONE,
        .exact = true,
        .tree = collection->id_tree,
        .key_min = keys.min,
        .key_max = keys.max,
        .estimate = planner_entries(planner, collection->id_tree, keys, ASSUMED_RANGE),
    };
    choice_offer_range(planner, best, top, node, 0, sorts);
}

/* An index of which every field is fixed, but not by `=` alone, as by `a >= 5 and a <= 5`. */
static void planner_add_fixed(struct planner *planner, struct conjunction *top)
{
    for (uint32_t i = 0; i < planner->collection->index_count; i += 1) {
        const struct index_schema *index = &planner->collection->indexes[i];
        if (index->hashed || index_fixed_count(planner, index) < index->field_count) continue;
        if (index_lacks(planner, index) != FIELD_NONE) continue;
        if (top->positive_count > 0) return;
        const struct key_bounds keys = planner_index_keys(planner, index, index->field_count);
        const uint8_t set =
            planner_add_scan(planner, index, index->tree, keys, ASSUMED_EQUAL / index->field_count);
        if (set == SET_NONE) return;
        planner->nodes[set].exact = !index->truncated;
        conjunction_add(planner, top, set);
        for (uint16_t part = top->first; part != NORMAL_NONE;
             part = conjunction_next(planner, top, part)) {
            if (planner->answers[part] == SET_NONE &&
                planner_range_answers(planner, index, index->field_count, part)) {
                planner->answers[part] = set;
            }
        }
    }
}

static struct choice planner_choose_set(
    struct planner *planner, struct conjunction *top, bool sorts
)
{
    struct choice best = {.cost = UINT64_MAX};
    planner_add_fixed(planner, top);
    choice_offer(planner, &best, *top, sorts, SET_NONE, 0);
    const uint16_t scans = planner_scans(planner, planner->normal.root, false, false);
    if (scans != FORM_NONE && scans >= PLAN_SCANS_MAX) return best;
    for (uint32_t i = 0; i < planner->collection->index_count; i += 1) {
        choice_offer_index(planner, &best, top, &planner->collection->indexes[i], sorts);
    }
    choice_offer_ids(planner, &best, top, sorts);
    return best;
}

/* ---- The plan ------------------------------------------------------------------------------- */

/* Copies a node with its ids; its place among others is the caller's. */
static struct plan_node plan_copy_node(
    const struct planner *planner, struct query_plan *plan, uint8_t number
)
{
    struct plan_node node = planner->nodes[number];
    if (node.kind == PLAN_NODE_SCAN || node.kind == PLAN_NODE_RANGE) plan->scan_count += 1;
    if (node.kind == PLAN_NODE_IDS) {
        const uint32_t first = node.id_first;
        node.id_first = plan->id_count;
        for (uint32_t i = 0; i < node.id_count; i += 1)
            plan->ids[plan->id_count + i] = planner->ids[first + i];
        plan->id_count += node.id_count;
    }
    if (planner->statistics == NULL) node.estimate = PLAN_UNKNOWN;
    return node;
}

/* Copies the nodes that the set is made of, parents before children. False: there are too many. */
static bool plan_copy(const struct planner *planner, struct query_plan *plan, uint8_t root)
{
    plan->node_count = 0;
    plan->scan_count = 0;
    plan->id_count = 0;
    plan->nodes[0] = plan_copy_node(planner, plan, root);
    plan->nodes[0].next = PLAN_NODE_NONE;
    plan->node_count = 1;
    for (uint32_t i = 0; i < plan->node_count; i += 1) {
        uint8_t *link = &plan->nodes[i].child;
        for (uint8_t child = *link; child != PLAN_NODE_NONE; child = planner->nodes[child].next) {
            if (plan->node_count == PLAN_NODES_MAX) return false;
            plan->nodes[plan->node_count] = plan_copy_node(planner, plan, child);
            *link = plan->node_count;
            link = &plan->nodes[plan->node_count].next;
            plan->node_count += 1;
        }
        *link = PLAN_NODE_NONE;
    }
    return plan->scan_count <= PLAN_SCANS_MAX;
}

static void plan_set(struct planner *planner, struct query_plan *plan, struct choice *choice)
{
    const uint8_t root = conjunction_make(planner, &choice->sets, choice->exact);
    if (root == SET_NONE) return;
    assert(root != SET_EMPTY);
    if (!plan_copy(planner, plan, root)) {
        plan->node_count = 0;
        plan->scan_count = 0;
        plan->id_count = 0;
        return;
    }
    plan->drive = PLAN_SET;
    plan->filters = !choice->exact;
    plan->sorts = choice->sorts;
    plan->estimate = choice->estimate;
    plan->cost = choice->cost;
}

static bool field_leads_index(const struct planner *planner, uint32_t field)
{
    for (uint32_t i = 0; i < planner->collection->index_count; i += 1) {
        if (planner->collection->indexes[i].fields[0] == field) return true;
    }
    return false;
}

/* The field of the first equality that no index answers, else of the first range. */
static uint32_t planner_advice(const struct planner *planner)
{
    uint32_t advice = FIELD_NONE;
    for (uint32_t i = 0; i < planner->normal.count; i += 1) {
        if (!planner_is_test(planner, i)) continue;
        const struct normal_test test = planner_test(planner, i, false);
        if (test.negated || planner_is_timestamp(planner, test.field)) continue;
        if (test.field == planner->collection->id_field) continue;
        if (field_leads_index(planner, test.field)) continue;
        if (normal_test_is_equality(test)) return test.field;
        if (advice == FIELD_NONE) advice = test.field;
    }
    return advice;
}

static void planner_collection(struct planner *planner, struct query_plan *plan, struct path path)
{
    struct conjunction top = planner_top(planner);
    const struct key_bounds all = {
        key_from_u64(planner->timestamps.min), key_from_u64(planner->timestamps.max)};
    planner->objects = max_u64(
        planner_entries(planner, planner->collection->object_tree, all, ASSUMED_OBJECTS), 1
    );
    plan_scan(planner, plan, path, &top);
    if (top.first != NORMAL_NONE && !planner->order.one_scan) {
        conjunction_build(planner, &top, planner->timestamps);
        if (top.empty) {
            plan->drive = PLAN_NOTHING;
            return;
        }
        const bool sorts = plan->order != PLAN_ORDER_TIMESTAMP;
        struct choice choice = planner_choose_set(planner, &top, sorts);
        if (choice.cost < plan->cost) plan_set(planner, plan, &choice);
    }
    const bool reads_all = plan->drive == PLAN_SCAN && plan->order == PLAN_ORDER_TIMESTAMP;
    if (reads_all && plan->filters) plan->advice_field = planner_advice(planner);
}

/* ---- Maps ----------------------------------------------------------------------------------- */

/* The shortest list of keys that every object must be in; or NORMAL_NONE. */
static uint16_t map_key_list(const struct planner *planner, const struct conjunction *top)
{
    uint16_t best = NORMAL_NONE;
    uint32_t best_count = PLAN_IDS_MAX + 1;
    for (uint16_t part = top->first; part != NORMAL_NONE;
         part = conjunction_next(planner, top, part)) {
        if (!planner_is_test(planner, part)) continue;
        const struct normal_test test = planner_test(planner, part, false);
        const uint32_t count = planner_test_node(planner, part)->value_count;
        if (test.field != planner->collection->id_field || !normal_test_is_equality(test)) continue;
        if (count >= best_count) continue;
        best = part;
        best_count = count;
    }
    return best;
}

/* Keeps plan->ids ascending, each once, and those alone that the range of keys has. */
static void plan_add_key(struct query_plan *plan, struct key key)
{
    if (key_less(key, plan->key_min) || key_less(plan->key_max, key)) return;
    uint32_t at = plan->key_count;
    while (at > 0 && key_less(key, plan->ids[at - 1]))
        at -= 1;
    if (at > 0 && key_equal(plan->ids[at - 1], key)) return;
    assert(plan->key_count < PLAN_IDS_MAX);
    for (uint32_t i = plan->key_count; i > at; i -= 1)
        plan->ids[i] = plan->ids[i - 1];
    plan->ids[at] = key;
    plan->key_count += 1;
    plan->id_count = plan->key_count;
}

static void planner_map(struct planner *planner, struct query_plan *plan)
{
    const struct collection_schema *map = planner->collection;
    const struct conjunction top = planner_top(planner);
    const struct key_bounds keys = planner_id_keys(planner);
    plan->drive = PLAN_SCAN;
    plan->tree = map->object_tree;
    plan->key_min = keys.min;
    plan->key_max = keys.max;
    const uint16_t list = map_key_list(planner, &top);
    if (list != NORMAL_NONE) {
        const struct expression_node *test = planner_test_node(planner, list);
        for (uint32_t i = 0; i < test->value_count; i += 1) {
            const uint8_t *bytes = planner_value(planner, test, i);
            plan_add_key(
                plan, codec_id_key_of_code(map, codec_encode(&map->fields[map->id_field], bytes))
            );
        }
        if (plan->key_count == 0) {
            plan->drive = PLAN_NOTHING;
            return;
        }
    }
    for (uint16_t part = top.first; part != NORMAL_NONE;
         part = conjunction_next(planner, &top, part)) {
        if (part != list && !planner_range_answers(planner, NULL, 0, part)) plan->filters = true;
    }
    const uint64_t entries = planner_entries(planner, plan->tree, keys, ASSUMED_OBJECTS);
    plan->estimate = plan->key_count > 0 ? plan->key_count : entries;
    plan->cost = plan->key_count > 0 ? cost_product(plan->key_count, COST_LOOKUP)
                                     : cost_of_objects(planner, entries);
}

/* Maps have the order of their key alone. */
static enum tactus_status planner_map_order(
    const struct planner *planner, struct query_plan *plan, struct text_error *error
)
{
    const struct collection_schema *map = planner->collection;
    plan->order = PLAN_ORDER_KEY;
    plan->descending = planner->order.descending;
    if (planner->order.field == map->id_field) return TACTUS_OK;
    text_error_set(
        error,
        0,
        0,
        "no order by `%s`: a map has the order of its `%s` alone",
        map->fields[planner->order.field].name,
        map->fields[map->id_field].name
    );
    return TACTUS_INVALID;
}

/* ---- Choosing ------------------------------------------------------------------------------- */

static enum tactus_status planner_run(
    struct planner *planner, struct query_plan *plan, struct text_error *error
)
{
    const bool is_map = planner_is_map(planner);
    struct path path = {NULL, 0};
    normal_make(&planner->normal, planner->expression);
    if (!is_map) TRY(planner_form(planner, error));
    const bool some = planner_narrow(planner);
    plan->drive = PLAN_NOTHING;
    plan->timestamps = planner->timestamps;
    plan->order = is_map ? PLAN_ORDER_KEY : PLAN_ORDER_TIMESTAMP;
    plan->descending = planner->order.descending;

    /* What contradicts itself now may not once all is bound, and must have its order then. */
    if (!some && expression_unbound(planner->expression) == 0) return TACTUS_OK;
    if (is_map) {
        TRY(planner_map_order(planner, plan, error));
    } else {
        TRY(planner_order(planner, plan, &path, error));
    }
    if (!some) return TACTUS_OK;
    if (is_map) {
        planner_map(planner, plan);
    } else {
        planner_collection(planner, plan, path);
    }
    return TACTUS_OK;
}

enum tactus_status plan_choose(
    const struct expression *expression,
    struct plan_order order,
    const struct plan_statistics *statistics,
    struct query_plan *plan,
    struct text_error *error
)
{
    assert(order.field < expression->collection->field_count);
    memset(plan, 0, sizeof *plan);
    plan->advice_field = FIELD_NONE;
    struct planner planner = {
        .expression = expression,
        .collection = expression->collection,
        .statistics = statistics,
        .order = order,
    };
    TRY(planner_run(&planner, plan, error));
    if (plan->drive == PLAN_NOTHING) plan->estimate = 0;
    if (statistics == NULL && plan->drive != PLAN_NOTHING) plan->estimate = PLAN_UNKNOWN;
    return TACTUS_OK;
}
