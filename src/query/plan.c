#include "query/plan.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "query/filter.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/poison.h"

enum tactus_status plan_order_parse(
    const struct collection_schema *collection,
    const char *text,
    struct plan_order *order,
    struct text_error *error
)
{
    *order = (struct plan_order){.field = collection->timestamp_field};
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

/* What a plan is chosen from. */
struct planner {
    const struct expression *expression;
    const struct collection_schema *collection;
    struct plan_order order;
    struct timestamp_range timestamps;
    struct code_range ranges[FIELDS_MAX]; /* of every field but reserved ones */
    struct query_plan *plan;
};

static bool range_is_none(struct code_range range)
{
    return code_less(range.max, range.min);
}

static bool planner_is_fixed(const struct planner *planner, uint32_t field)
{
    return code_equal(planner->ranges[field].min, planner->ranges[field].max);
}

static bool planner_is_timestamp(const struct planner *planner, uint32_t field)
{
    return field == planner->collection->timestamp_field;
}

#define plan_say(plan, ...) ((void)snprintf((plan)->text, sizeof(plan)->text, __VA_ARGS__))

static const char *direction(bool descending)
{
    return descending ? "descending" : "ascending";
}

/* ---- Paths ---------------------------------------------------------------------------------- */

static void plan_nothing(struct query_plan *plan)
{
    plan->access = PLAN_NOTHING;
    plan_say(plan, "nothing: no object can fulfil the conditions");
}

static void plan_scan_objects(struct planner *planner, bool descending)
{
    struct query_plan *plan = planner->plan;
    const struct timestamp_range range = planner->timestamps;
    plan->access = PLAN_SCAN_OBJECTS;
    plan->tree = planner->collection->object_tree;
    plan->descending = descending;
    plan->key_min = key_from_u64(range.min);
    plan->key_max = key_from_u64(range.max);
    const bool all = range.min == 1 && range.max == TIMESTAMP_MAX;
    plan_say(
        plan,
        "scan of %s by timestamp, %s; each is checked",
        all ? "all objects" : "a range of objects",
        direction(descending)
    );
}

static void plan_scan_ids(struct planner *planner)
{
    struct query_plan *plan = planner->plan;
    const struct collection_schema *collection = planner->collection;
    const struct code_range range = planner->ranges[collection->id_field];
    plan->access = PLAN_SCAN_IDS;
    plan->tree = collection->id_tree;
    plan->descending = planner->order.descending;
    plan->key_min = codec_id_key_of_code(collection, range.min);
    plan->key_max = codec_id_key_of_code(collection, range.max);
    plan_say(plan, "scan of ids, %s; each object is checked", direction(plan->descending));
}

static void plan_scan_index(
    struct planner *planner, const struct index_schema *index, uint32_t range_count, bool descending
)
{
    struct query_plan *plan = planner->plan;
    struct code_range ranges[ORDER_BYTES_MAX];
    for (uint32_t i = 0; i < range_count; i += 1)
        ranges[i] = planner->ranges[index->fields[i]];
    const struct key_bounds keys =
        codec_index_range(planner->collection, index, ranges, range_count, planner->timestamps);
    plan->access = PLAN_SCAN_INDEX;
    plan->tree = index->tree;
    plan->index = index;
    plan->descending = descending;
    plan->key_min = keys.min;
    plan->key_max = keys.max;
    plan_say(
        plan,
        "scan of index %s, %u of %u fields narrowed, %s; each object is checked",
        index->name,
        range_count,
        index->field_count,
        direction(descending)
    );
}

/* ---- Ids ------------------------------------------------------------------------------------ */

/* The shortest `id in (...)` that every object must pass, or NULL: under ands, from the root. */
static const struct expression_node *find_id_list(
    const struct expression *expression, uint32_t number, uint32_t id_field
)
{
    const struct expression_node *node = &expression->nodes[number];
    if (node->kind == EXPRESSION_IN && node->field == id_field &&
        node->value_count <= PLAN_IDS_MAX) {
        return node;
    }
    const struct expression_node *best = NULL;
    if (node->kind != EXPRESSION_AND) return NULL;
    for (uint32_t child = node->child; child != EXPRESSION_NODE_NONE;
         child = expression->nodes[child].next) {
        const struct expression_node *found = find_id_list(expression, child, id_field);
        if (found == NULL) continue;
        if (best == NULL || found->value_count < best->value_count) best = found;
    }
    return best;
}

/* Keeps plan->ids ascending, each once. At most PLAN_IDS_MAX come. */
static void plan_add_id(struct query_plan *plan, struct key id)
{
    uint32_t at = plan->id_count;
    while (at > 0 && key_less(id, plan->ids[at - 1]))
        at -= 1;
    if (at > 0 && key_equal(plan->ids[at - 1], id)) return;
    assert(plan->id_count < PLAN_IDS_MAX);
    for (uint32_t i = plan->id_count; i > at; i -= 1)
        plan->ids[i] = plan->ids[i - 1];
    plan->ids[at] = id;
    plan->id_count += 1;
}

static void plan_lookup_ids(struct planner *planner, bool sort_timestamps)
{
    struct query_plan *plan = planner->plan;
    plan->access = PLAN_LOOKUP_IDS;
    plan->tree = planner->collection->id_tree;
    plan->descending = planner->order.descending;
    plan->sort_timestamps = sort_timestamps && plan->id_count > 1;
    plan_say(plan, "lookup of %u id(s); each object is checked", plan->id_count);
}

/* One id is in every order. */
static bool planner_try_id(struct planner *planner)
{
    const struct collection_schema *collection = planner->collection;
    if (collection->id_field == FIELD_NONE) return false;
    if (!planner_is_fixed(planner, collection->id_field)) return false;
    plan_add_id(
        planner->plan, codec_id_key_of_code(collection, planner->ranges[collection->id_field].min)
    );
    plan_lookup_ids(planner, false);
    return true;
}

/* A few ids, for the orders of timestamp and id. */
static bool planner_try_id_list(struct planner *planner, bool by_timestamp)
{
    const struct expression *expression = planner->expression;
    const uint32_t id_field = planner->collection->id_field;
    if (id_field == FIELD_NONE || expression->root == EXPRESSION_NODE_NONE) return false;
    const struct expression_node *list = find_id_list(expression, expression->root, id_field);
    if (list == NULL) return false;

    const struct field *field = &planner->collection->fields[id_field];
    for (uint32_t i = 0; i < list->value_count; i += 1) {
        const struct expression_value *value = &expression->values[list->value + i];
        const struct code code = codec_encode(field, expression_bytes(expression, value));
        plan_add_id(planner->plan, codec_id_key_of_code(planner->collection, code));
    }
    plan_lookup_ids(planner, by_timestamp);
    return true;
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

/* The index of which every field is fixed: its entries come by timestamp. The one with the longest
 * key narrows most. */
static const struct index_schema *planner_best_equal(const struct planner *planner)
{
    const struct index_schema *best = NULL;
    for (uint32_t i = 0; i < planner->collection->index_count; i += 1) {
        const struct index_schema *index = &planner->collection->indexes[i];
        if (index->hashed || index_fixed_count(planner, index) < index->field_count) continue;
        if (index_lacks(planner, index) != FIELD_NONE) continue;
        if (best != NULL &&
            (index->field_count < best->field_count || (index->field_count == best->field_count &&
                                                        index->order_bytes <= best->order_bytes))) {
            continue;
        }
        best = index;
    }
    return best;
}

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
        if (index->hashed) continue; /* no order */
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

/* ---- Orders --------------------------------------------------------------------------------- */

static void planner_by_timestamp(struct planner *planner)
{
    const bool descending = planner->order.descending;
    if (planner->timestamps.min == planner->timestamps.max) {
        plan_scan_objects(planner, descending);
        return;
    }
    if (planner_try_id_list(planner, true)) return;
    const struct index_schema *index = planner_best_equal(planner);
    if (index != NULL) {
        plan_scan_index(planner, index, index->field_count, descending);
    } else {
        plan_scan_objects(planner, descending);
    }
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

static enum tactus_status planner_by_field(struct planner *planner, struct text_error *error)
{
    const struct field *field = &planner->collection->fields[planner->order.field];
    const struct index_schema *lacking = NULL;
    if (field->type == TACTUS_TYPE_RESERVED || field_is_truncated(field)) {
        return planner_refuse(planner, NULL, error);
    }
    if (planner_is_fixed(planner, planner->order.field)) { /* all equal: by timestamp, then */
        planner_by_timestamp(planner);
        return TACTUS_OK;
    }
    const struct ordered best = planner_best_ordered(planner, &lacking);
    if (best.index == NULL) return planner_refuse(planner, lacking, error);

    /* The range of FIELD ends what one key range can say. */
    plan_scan_index(planner, best.index, best.place + 1, planner->order.descending);
    return TACTUS_OK;
}

/* Ranges of all fields; false if one of them is empty, so that no object can match. */
static bool planner_narrow(struct planner *planner)
{
    const struct collection_schema *collection = planner->collection;
    for (uint32_t i = 0; i < collection->field_count; i += 1) {
        if (collection->fields[i].type == TACTUS_TYPE_RESERVED) continue;
        planner->ranges[i] = filter_range(planner->expression, i);
        if (range_is_none(planner->ranges[i])) return false;
    }
    const struct code_range range = planner->ranges[collection->timestamp_field];
    planner->timestamps =
        (struct timestamp_range){max_u64(range.min.low, 1), min_u64(range.max.low, TIMESTAMP_MAX)};
    return planner->timestamps.min <= planner->timestamps.max;
}

enum tactus_status plan_choose(
    const struct expression *expression,
    struct plan_order order,
    struct query_plan *plan,
    struct text_error *error
)
{
    const struct collection_schema *collection = expression->collection;
    assert(order.field < collection->field_count);
    memset(plan, 0, sizeof *plan);
    plan->recheck = true;
    struct planner planner = {
        .expression = expression, .collection = collection, .order = order, .plan = plan};
    if (!planner_narrow(&planner)) {
        plan_nothing(plan);
        return TACTUS_OK;
    }
    if (planner_try_id(&planner)) return TACTUS_OK;
    if (planner_is_timestamp(&planner, order.field)) {
        planner_by_timestamp(&planner);
        return TACTUS_OK;
    }
    if (order.field == collection->id_field) {
        if (!planner_try_id_list(&planner, false)) plan_scan_ids(&planner);
        return TACTUS_OK;
    }
    return planner_by_field(&planner, error);
}
