#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "query/filter.h"
#include "query/planner.h"

#include "base/poison.h"

/* ---- Nodes ---------------------------------------------------------------------------------- */

static uint8_t planner_add(struct planner *planner, struct plan_node node)
{
    if (planner->node_count == PLANNER_NODES_MAX) return SET_NONE;
    const uint8_t number = (uint8_t)planner->node_count;
    planner->nodes[number] = node;
    planner->node_count += 1;
    return number;
}

uint8_t planner_add_scan(
    struct planner *planner,
    const struct index_schema *index,
    uint16_t tree,
    struct key_bounds keys,
    uint64_t assumed
)
{
    return planner_add(
        planner,
        (struct plan_node){
            .kind = PLAN_NODE_SCAN,
            .child = PLAN_NODE_NONE,
            .next = PLAN_NODE_NONE,
            .exact = true,
            .tree = tree,
            .index = index,
            .key_min = keys.min,
            .key_max = keys.max,
            .estimate = planner_entries(planner, tree, keys, assumed),
        }
    );
}

static bool set_is_number(uint8_t set)
{
    return set < PLANNER_NODES_MAX;
}

/* Sets that become the children of a node: one behind the other. */
struct children {
    uint8_t first, last; /* or SET_NONE */
    uint32_t count;
    uint64_t estimate; /* together */
    bool exact;        /* all */
};

static struct children children_begin(void)
{
    return (struct children){.first = SET_NONE, .last = SET_NONE, .exact = true};
}

static void children_add(struct planner *planner, struct children *children, uint8_t set)
{
    assert(set_is_number(set));
    assert(planner->nodes[set].next == PLAN_NODE_NONE);
    if (children->last == SET_NONE) {
        children->first = set;
    } else {
        planner->nodes[children->last].next = set;
    }
    children->last = set;
    children->count += 1;
    children->estimate = cost_sum(children->estimate, planner->nodes[set].estimate);
    children->exact = children->exact && planner->nodes[set].exact;
}

/* One child is itself. */
static uint8_t children_join(
    struct planner *planner, const struct children *children, enum plan_node_kind kind
)
{
    assert(children->count > 0);
    if (children->count == 1) return children->first;
    return planner_add(
        planner,
        (struct plan_node){
            .kind = (uint8_t)kind,
            .child = children->first,
            .next = PLAN_NODE_NONE,
            .exact = children->exact,
            .estimate = min_u64(children->estimate, planner->objects),
        }
    );
}

/* ---- Tests ---------------------------------------------------------------------------------- */

/* Whether the first 16 bytes of a value of a truncated field tell all of it: a text is all zero
 * behind its first zero. */
static bool value_is_whole(const struct field *field, const uint8_t *bytes)
{
    if (!field_is_truncated(field)) return true;
    return field->type == TACTUS_TYPE_TEXT && bytes[ORDER_BYTES_MAX - 1] == 0;
}

/* Whether an index has the objects with this value in a field of its own. */
static bool index_has_value(
    const struct planner *planner,
    const struct index_schema *index,
    uint32_t field,
    const uint8_t *bytes
)
{
    if (!index_leaves_zero_out(planner->collection, index, field)) return true;
    return !bytes_are_zero(bytes, planner->collection->fields[field].size);
}

static bool index_has_values(
    const struct planner *planner,
    const struct index_schema *index,
    uint32_t field,
    const struct expression_node *test
)
{
    for (uint32_t i = 0; i < test->value_count; i += 1) {
        if (!index_has_value(planner, index, field, planner_value(planner, test, i))) return false;
    }
    return true;
}

/* The index of this field alone that answers an equality: one that does not hash, if there is. */
static const struct index_schema *find_index(
    const struct planner *planner, uint32_t field, const struct expression_node *test
)
{
    const struct index_schema *best = NULL;
    for (uint32_t i = 0; i < planner->collection->index_count; i += 1) {
        const struct index_schema *index = &planner->collection->indexes[i];
        if (index->field_count != 1 || index->fields[0] != field) continue;
        if (!index_has_values(planner, index, field, test)) continue;
        if (best == NULL || (best->hashed && !index->hashed)) best = index;
    }
    return best;
}

static uint8_t set_of_value(
    struct planner *planner,
    const struct index_schema *index,
    const uint8_t *bytes,
    struct timestamp_range timestamps
)
{
    const struct field *field = &planner->collection->fields[index->fields[0]];
    struct key_bounds keys;
    if (index->hashed) {
        keys = codec_hash_range(planner->collection, index, bytes, timestamps);
    } else {
        const struct code code = codec_encode(field, bytes);
        const struct code_range range = {code, code};
        keys = codec_index_range(planner->collection, index, &range, 1, timestamps);
    }
    const uint8_t set = planner_add_scan(planner, index, index->tree, keys, ASSUMED_EQUAL);
    if (set != SET_NONE) {
        planner->nodes[set].exact = !index->hashed && value_is_whole(field, bytes);
    }
    return set;
}

/* Whether one of the scans gives all that a new one would. */
static bool children_have_keys(
    const struct planner *planner, const struct children *children, uint8_t set
)
{
    for (uint8_t i = children->first; i != SET_NONE; i = planner->nodes[i].next) {
        if (key_equal(planner->nodes[i].key_min, planner->nodes[set].key_min)) return true;
    }
    return false;
}

static uint8_t set_of_objects(struct planner *planner, struct timestamp_range timestamps)
{
    const struct key_bounds keys = {key_from_u64(timestamps.min), key_from_u64(timestamps.max)};
    const uint64_t assumed = timestamps.min == timestamps.max ? 1 : ASSUMED_RANGE;
    return planner_add_scan(planner, NULL, planner->collection->object_tree, keys, assumed);
}

static struct timestamp_range timestamps_common(
    const struct planner *planner, struct timestamp_range range, uint32_t number, bool flip
)
{
    const struct normal_node *node = &planner->normal.nodes[number];
    const struct code_range of =
        filter_test_range(planner->expression, node->test, node->negated != flip);
    if (code_less(of.max, of.min)) return (struct timestamp_range){1, 0};
    range.min = max_u64(range.min, of.min.low);
    range.max = min_u64(range.max, of.max.low);
    return range;
}

static bool timestamps_are_none(struct timestamp_range range)
{
    return range.min > range.max;
}

/* `timestamp in (...)`: an object each. */
static uint8_t set_of_timestamps(
    struct planner *planner, const struct expression_node *test, struct timestamp_range range
)
{
    struct children children = children_begin();
    for (uint32_t i = 0; i < test->value_count; i += 1) {
        const struct field *field = &planner->collection->fields[test->field];
        const uint64_t timestamp = codec_encode(field, planner_value(planner, test, i)).low;
        if (timestamp < range.min || timestamp > range.max) continue;
        const uint8_t set = set_of_objects(planner, (struct timestamp_range){timestamp, timestamp});
        if (set == SET_NONE) return SET_NONE;
        if (!children_have_keys(planner, &children, set)) children_add(planner, &children, set);
    }
    if (children.count == 0) return SET_EMPTY;
    return children_join(planner, &children, PLAN_NODE_UNION);
}

/* Keeps the ids of a node ascending, each once. It is the last node of its kind. */
static void ids_add(struct planner *planner, uint8_t set, const struct expression_node *test)
{
    struct plan_node *node = &planner->nodes[set];
    for (uint32_t i = 0; i < test->value_count; i += 1) {
        const struct field *field = &planner->collection->fields[test->field];
        const struct key id = codec_id_key_of_code(
            planner->collection, codec_encode(field, planner_value(planner, test, i))
        );
        uint32_t at = planner->id_count;
        while (at > node->id_first && key_less(id, planner->ids[at - 1]))
            at -= 1;
        if (at > node->id_first && key_equal(planner->ids[at - 1], id)) continue;
        assert(planner->id_count < PLAN_IDS_MAX);
        for (uint32_t k = planner->id_count; k > at; k -= 1)
            planner->ids[k] = planner->ids[k - 1];
        planner->ids[at] = id;
        planner->id_count += 1;
    }
    node->id_count = planner->id_count - node->id_first;
    node->estimate = node->id_count;
}

/* Looked up ids are not narrowed by timestamps but those that narrow the whole query. */
static uint8_t set_of_ids(struct planner *planner, struct timestamp_range range)
{
    return planner_add(
        planner,
        (struct plan_node){
            .kind = PLAN_NODE_IDS,
            .child = PLAN_NODE_NONE,
            .next = PLAN_NODE_NONE,
            .exact = range.min == planner->timestamps.min && range.max == planner->timestamps.max,
            .id_first = planner->id_count,
        }
    );
}

static bool part_is_lookup(const struct planner *planner, uint32_t number, bool flip)
{
    if (!planner_is_test(planner, number)) return false;
    if ((planner->marks[number] & PLANNER_LOOKED_UP) == 0) return false;
    return normal_test_is_equality(planner_test(planner, number, flip));
}

static uint8_t set_of_test(
    struct planner *planner, uint32_t number, bool flip, struct timestamp_range range
)
{
    const struct normal_test test = planner_test(planner, number, flip);
    const struct expression_node *node = planner_test_node(planner, number);
    if (planner_narrows(planner, number, flip)) {
        range = timestamps_common(planner, range, number, flip);
        return timestamps_are_none(range) ? SET_EMPTY : set_of_objects(planner, range);
    }
    assert(normal_test_is_equality(test)); /* or it had no set by its form */
    if (planner_is_timestamp(planner, test.field)) return set_of_timestamps(planner, node, range);
    if (part_is_lookup(planner, number, flip)) {
        const uint8_t ids = set_of_ids(planner, range);
        if (ids != SET_NONE) ids_add(planner, ids, node);
        return ids;
    }
    const struct index_schema *index = find_index(planner, test.field, node);
    if (index == NULL) return SET_NONE;
    struct children children = children_begin();
    for (uint32_t i = 0; i < node->value_count; i += 1) {
        const uint8_t set = set_of_value(planner, index, planner_value(planner, node, i), range);
        if (set == SET_NONE) return SET_NONE;
        if (children_have_keys(planner, &children, set)) {
            children.exact = children.exact && planner->nodes[set].exact;
        } else {
            children_add(planner, &children, set);
        }
    }
    return children_join(planner, &children, PLAN_NODE_UNION);
}

/* ---- Or ------------------------------------------------------------------------------------- */

static uint8_t set_of(
    struct planner *planner,
    uint32_t number,
    bool flip,
    bool exact,
    struct timestamp_range timestamps
);

/* All ids that are asked for become one list. SET_NONE: the pool is used up; SET_EMPTY: no ids. */
static uint8_t or_lookups(
    struct planner *planner, uint16_t first, bool flip, struct timestamp_range range
)
{
    uint8_t ids = SET_EMPTY;
    for (uint16_t part = first; part != NORMAL_NONE; part = planner->normal.nodes[part].next) {
        if (!part_is_lookup(planner, part, flip)) continue;
        if (ids == SET_EMPTY) ids = set_of_ids(planner, range);
        if (ids == SET_NONE) return SET_NONE;
        ids_add(planner, ids, planner_test_node(planner, part));
    }
    return ids;
}

/* The children of a union become the children of the union that it is in. */
static void or_add(struct planner *planner, struct children *children, uint8_t set)
{
    if (planner->nodes[set].kind != PLAN_NODE_UNION) {
        children_add(planner, children, set);
        return;
    }
    uint8_t child = planner->nodes[set].child;
    while (child != PLAN_NODE_NONE) {
        const uint8_t next = planner->nodes[child].next;
        planner->nodes[child].next = PLAN_NODE_NONE;
        children_add(planner, children, child);
        child = next;
    }
    children->exact = children->exact && planner->nodes[set].exact;
}

static uint8_t set_of_or(
    struct planner *planner,
    uint32_t number,
    bool flip,
    bool exact,
    struct timestamp_range timestamps
)
{
    const uint16_t first = planner->normal.nodes[number].child;
    struct children children = children_begin();
    const uint8_t ids = or_lookups(planner, first, flip, timestamps);
    if (ids == SET_NONE) return SET_NONE;
    if (ids != SET_EMPTY) children_add(planner, &children, ids);
    for (uint16_t part = first; part != NORMAL_NONE; part = planner->normal.nodes[part].next) {
        if (part_is_lookup(planner, part, flip)) continue;
        const uint8_t set = set_of(planner, part, flip, exact, timestamps);
        if (set == SET_NONE) return SET_NONE;
        if (set != SET_EMPTY) or_add(planner, &children, set);
    }
    if (children.count == 0) return SET_EMPTY;
    return children_join(planner, &children, PLAN_NODE_UNION);
}

/* ---- And ------------------------------------------------------------------------------------ */

struct conjunction planner_top(const struct planner *planner)
{
    struct conjunction top = {.first = planner->normal.root, .single = true};
    if (top.first == NORMAL_NONE || planner->normal.nodes[top.first].kind != NORMAL_AND) return top;
    top.first = planner->normal.nodes[top.first].child;
    top.single = false;
    return top;
}

uint16_t conjunction_next(
    const struct planner *planner, const struct conjunction *conjunction, uint16_t part
)
{
    return conjunction->single ? (uint16_t)NORMAL_NONE : planner->normal.nodes[part].next;
}

void conjunction_add(
    const struct planner *planner, struct conjunction *conjunction, uint8_t positive
)
{
    assert(conjunction->positive_count < PLANNER_PARTS_MAX);
    uint32_t at = conjunction->positive_count;
    const uint64_t estimate = planner->nodes[positive].estimate;
    while (at > 0 && planner->nodes[conjunction->positives[at - 1]].estimate > estimate) {
        conjunction->positives[at] = conjunction->positives[at - 1];
        at -= 1;
    }
    conjunction->positives[at] = positive;
    conjunction->positive_count += 1;
}

/* How many parts a composite index would take over that no other has; 0 if it does not serve: not
 * all of its fields are fixed here, or it lacks the value of one. */
static uint32_t composite_covers(const struct planner *planner, const struct index_schema *index)
{
    uint32_t count = 0;
    if (index->field_count < 2) return 0;
    for (uint32_t i = 0; i < index->field_count; i += 1) {
        const uint32_t field = index->fields[i];
        const uint16_t part = planner->equalities[field];
        if (part == NORMAL_NONE) return 0;
        if (!index_has_values(planner, index, field, planner_test_node(planner, part))) return 0;
        if ((planner->marks[part] & PLANNER_COVERED) == 0) count += 1;
    }
    return count;
}

/* The index that takes over most, then the longest. */
static const struct index_schema *best_composite(const struct planner *planner)
{
    const struct index_schema *best = NULL;
    uint32_t best_covers = 0;
    for (uint32_t i = 0; i < planner->collection->index_count; i += 1) {
        const struct index_schema *index = &planner->collection->indexes[i];
        const uint32_t covers = composite_covers(planner, index);
        if (covers == 0 || covers < best_covers) continue;
        if (covers == best_covers && index->field_count <= best->field_count) continue;
        best = index;
        best_covers = covers;
    }
    return best;
}

/* Composite indexes take the place of the scans that they cover. */
static void conjunction_composites(struct planner *planner, struct conjunction *conjunction)
{
    if (conjunction->single || conjunction->first == NORMAL_NONE) return;
    planner_find_equalities(planner, conjunction->first, conjunction->flip);
    for (;;) {
        const struct index_schema *index = best_composite(planner);
        if (index == NULL || conjunction->positive_count == PLANNER_PARTS_MAX) return;
        struct code_range ranges[ORDER_BYTES_MAX];
        uint16_t parts[ORDER_BYTES_MAX];
        for (uint32_t i = 0; i < index->field_count; i += 1) {
            const uint32_t field = index->fields[i];
            parts[i] = planner->equalities[field];
            const uint8_t *bytes = planner_value(planner, planner_test_node(planner, parts[i]), 0);
            ranges[i].min = codec_encode(&planner->collection->fields[field], bytes);
            ranges[i].max = ranges[i].min;
        }
        const struct key_bounds keys = codec_index_range(
            planner->collection, index, ranges, index->field_count, conjunction->timestamps
        );
        const uint8_t set =
            planner_add_scan(planner, index, index->tree, keys, ASSUMED_EQUAL / index->field_count);
        if (set == SET_NONE) return;
        conjunction_add(planner, conjunction, set);
        for (uint32_t i = 0; i < index->field_count; i += 1) {
            planner->marks[parts[i]] |= PLANNER_COVERED;
            planner->answers[parts[i]] = set;
        }
    }
}

/* Finds the set of a part, or else of its opposite, as the form says that it has one. */
static void conjunction_part(
    struct planner *planner, struct conjunction *conjunction, uint16_t part, bool exact
)
{
    const bool flip = conjunction->flip;
    const bool positive = planner_scans(planner, part, flip, exact) != FORM_NONE;
    if (!positive && planner_scans(planner, part, !flip, true) == FORM_NONE) return;
    const uint8_t set = set_of(
        planner, part, positive ? flip : !flip, positive ? exact : true, conjunction->timestamps
    );
    if (set == SET_NONE) return;
    if (set == SET_EMPTY) {
        if (positive) conjunction->empty = true;
        planner->answers[part] = SET_EMPTY;
        return;
    }
    if (!positive) {
        if (conjunction->negative_count == PLANNER_PARTS_MAX) return;
        conjunction->negatives[conjunction->negative_count] = set;
        conjunction->negative_count += 1;
    } else {
        if (conjunction->positive_count == PLANNER_PARTS_MAX) return;
        conjunction_add(planner, conjunction, set);
    }
    planner->answers[part] = set;
}

static void conjunction_sets(
    struct planner *planner,
    struct conjunction *conjunction,
    bool exact,
    struct timestamp_range timestamps
)
{
    conjunction->empty = false;
    conjunction->is_narrow = false;
    conjunction->timestamps = timestamps;
    conjunction->positive_count = 0;
    conjunction->negative_count = 0;
    for (uint16_t part = conjunction->first; part != NORMAL_NONE;
         part = conjunction_next(planner, conjunction, part)) {
        planner->marks[part] &= (uint8_t)~PLANNER_COVERED;
        planner->answers[part] = SET_NONE;
        if (!planner_narrows(planner, part, conjunction->flip)) continue;
        planner->answers[part] = SET_TIMESTAMPS;
        conjunction->is_narrow = true;
        conjunction->timestamps =
            timestamps_common(planner, conjunction->timestamps, part, conjunction->flip);
    }
    conjunction->empty = timestamps_are_none(conjunction->timestamps);
    if (conjunction->empty) return;
    conjunction_composites(planner, conjunction);
    for (uint16_t part = conjunction->first; part != NORMAL_NONE;
         part = conjunction_next(planner, conjunction, part)) {
        if (planner->answers[part] != SET_NONE) continue;
        conjunction_part(planner, conjunction, part, exact);
    }
}

void conjunction_build(
    struct planner *planner, struct conjunction *conjunction, struct timestamp_range timestamps
)
{
    conjunction_sets(planner, conjunction, false, timestamps);
}

/* Whether a part is `field != zero`, and the index leaves zero out. */
static bool index_rules_out(
    const struct planner *planner,
    const struct index_schema *index,
    uint32_t number,
    struct normal_test test
)
{
    if (!test.negated || test.kind != EXPRESSION_EQUAL) return false;
    const uint32_t size = planner->collection->fields[test.field].size;
    if (!bytes_are_zero(planner_value(planner, planner_test_node(planner, number), 0), size)) {
        return false;
    }
    for (uint32_t i = 0; i < index->field_count; i += 1) {
        if (index->fields[i] != test.field) continue;
        return index_leaves_zero_out(planner->collection, index, test.field);
    }
    return false;
}

bool planner_range_answers(
    const struct planner *planner,
    const struct index_schema *index,
    uint32_t range_count,
    uint32_t number
)
{
    if (!planner_is_test(planner, number)) return false;
    const struct normal_test test = planner_test(planner, number, false);
    if (index != NULL && index_rules_out(planner, index, number, test)) return true;
    if (!normal_test_is_range(test)) return false;
    if (index == NULL) return test.field == planner->collection->id_field;
    const struct field *field = &planner->collection->fields[test.field];
    bool narrowed = false;
    for (uint32_t i = 0; i < range_count; i += 1) {
        if (index->fields[i] == test.field) narrowed = true;
    }
    if (!narrowed || !field_is_truncated(field)) return narrowed;
    const struct expression_node *of = planner_test_node(planner, number);
    if (test.kind == EXPRESSION_STARTS) {
        return planner->expression->values[of->value].size <= ORDER_BYTES_MAX;
    }
    return test.kind == EXPRESSION_EQUAL && value_is_whole(field, planner_value(planner, of, 0));
}

static bool is_among(const uint8_t *sets, uint32_t count, uint8_t set)
{
    for (uint32_t i = 0; i < count; i += 1) {
        if (sets[i] == set) return true;
    }
    return false;
}

bool conjunction_is_exact(
    const struct planner *planner,
    const struct conjunction *conjunction,
    uint8_t range,
    uint32_t range_count
)
{
    for (uint16_t part = conjunction->first; part != NORMAL_NONE;
         part = conjunction_next(planner, conjunction, part)) {
        const uint8_t answer = planner->answers[part];
        if (answer == SET_TIMESTAMPS || answer == SET_EMPTY) continue;
        if (range != SET_NONE &&
            planner_range_answers(planner, planner->nodes[range].index, range_count, part)) {
            continue;
        }
        if (answer == SET_NONE || !planner->nodes[answer].exact) return false;
        const bool kept = is_among(conjunction->positives, conjunction->positive_count, answer) ||
                          is_among(conjunction->negatives, conjunction->negative_count, answer);
        if (!kept) return false;
    }
    return true;
}

/* The objects come to be fetched and checked in any case: a set saves what it rules out, and costs
 * its leaps. */
void conjunction_reduce(const struct planner *planner, struct conjunction *conjunction)
{
    if (conjunction->positive_count == 0) return;
    const struct conjunction all = *conjunction;
    conjunction->positive_count = 1;
    conjunction->negative_count = 0;
    uint64_t cost = conjunction_cost(planner, conjunction);
    uint64_t count = conjunction_estimate(planner, conjunction);
    for (uint32_t i = 1; i < all.positive_count + all.negative_count; i += 1) {
        const bool negative = i >= all.positive_count;
        struct conjunction more = *conjunction;
        if (negative) {
            more.negatives[more.negative_count] = all.negatives[i - all.positive_count];
            more.negative_count += 1;
        } else {
            more.positives[more.positive_count] = all.positives[i];
            more.positive_count += 1;
        }
        const uint64_t more_cost = conjunction_cost(planner, &more);
        const uint64_t more_count = conjunction_estimate(planner, &more);
        const uint64_t saved = cost_product(count - min_u64(count, more_count), COST_FETCH);
        if (more_cost - min_u64(more_cost, cost) > saved) continue;
        *conjunction = more;
        cost = more_cost;
        count = more_count;
    }
}

uint8_t conjunction_make(struct planner *planner, struct conjunction *conjunction, bool exact)
{
    if (conjunction->empty) return SET_EMPTY;
    if (conjunction->positive_count == 0) return SET_NONE;
    struct conjunction positive = *conjunction;
    positive.negative_count = 0;
    const uint64_t estimate = conjunction_estimate(planner, conjunction);
    const uint64_t estimate_positive = conjunction_estimate(planner, &positive);
    struct children positives = children_begin();
    for (uint32_t i = 0; i < conjunction->positive_count; i += 1)
        children_add(planner, &positives, conjunction->positives[i]);
    uint8_t set = children_join(planner, &positives, PLAN_NODE_INTERSECTION);
    if (set == SET_NONE) return SET_NONE;
    planner->nodes[set].estimate = estimate_positive;
    if (conjunction->negative_count > 0) {
        struct children children = children_begin();
        children_add(planner, &children, set);
        for (uint32_t i = 0; i < conjunction->negative_count; i += 1)
            children_add(planner, &children, conjunction->negatives[i]);
        set = children_join(planner, &children, PLAN_NODE_DIFFERENCE);
        if (set == SET_NONE) return SET_NONE;
    }
    planner->nodes[set].estimate = estimate;
    planner->nodes[set].exact = exact;
    return set;
}

static uint8_t set_of_and(
    struct planner *planner,
    uint32_t number,
    bool flip,
    bool exact,
    struct timestamp_range timestamps
)
{
    struct conjunction conjunction = {.first = planner->normal.nodes[number].child, .flip = flip};
    conjunction_sets(planner, &conjunction, exact, timestamps);
    if (conjunction.empty) return SET_EMPTY;
    if (conjunction.positive_count == 0 && conjunction.is_narrow) {
        const uint8_t objects = set_of_objects(planner, conjunction.timestamps);
        if (objects == SET_NONE) return SET_NONE;
        conjunction_add(planner, &conjunction, objects);
    }
    const bool is_exact = conjunction_is_exact(planner, &conjunction, SET_NONE, 0);
    if (!is_exact && exact) return SET_NONE;
    if (!is_exact) conjunction_reduce(planner, &conjunction);
    return conjunction_make(planner, &conjunction, is_exact);
}

/* The set of a part, or of its opposite. SET_NONE: it has none, or none that is exact where only
 * that is wanted; SET_EMPTY: no object is in it. Recursion, here and above, is as deep as the
 * expression: at most EXPRESSION_DEPTH_MAX times and, or. */
static uint8_t set_of(
    struct planner *planner,
    uint32_t number,
    bool flip,
    bool exact,
    struct timestamp_range timestamps
)
{
    if (planner_scans(planner, number, flip, exact) == FORM_NONE) return SET_NONE;
    const enum normal_kind kind = (enum normal_kind)planner->normal.nodes[number].kind;
    uint8_t set = SET_NONE;
    if (kind == NORMAL_TEST) {
        set = set_of_test(planner, number, flip, timestamps);
    } else if ((kind == NORMAL_AND) != flip) {
        set = set_of_and(planner, number, flip, exact, timestamps);
    } else {
        set = set_of_or(planner, number, flip, exact, timestamps);
    }
    if (exact && set_is_number(set) && !planner->nodes[set].exact) return SET_NONE;
    return set;
}
