#include "query/filter.h"

#include "base/assert.h"
#include "base/bytes.h"

#include <string.h>

#include "base/poison.h"

/* ---- An object ------------------------------------------------------------------------------ */

static int value_compare(
    const struct expression *expression,
    const struct field *field,
    const uint8_t *value,
    uint32_t at
)
{
    return codec_compare(field, value, expression_bytes(expression, &expression->values[at]));
}

static bool value_is_in(
    const struct expression *expression, const struct expression_node *node, const uint8_t *value
)
{
    for (uint32_t i = 0; i < node->value_count; i += 1) {
        const struct expression_value *of = &expression->values[node->value + i];
        if (bytes_equal(value, expression_bytes(expression, of), of->size)) return true;
    }
    return false;
}

/* Whether a value passes one test. Equal values have equal bytes: there is one zero, and no NaN. */
static bool value_matches(
    const struct expression *expression, const struct expression_node *node, const uint8_t *value
)
{
    const struct field *field = &expression->collection->fields[node->field];
    const uint32_t first = node->value;
    switch ((enum expression_kind)node->kind) {
    case EXPRESSION_EQUAL:
    case EXPRESSION_IN:
    case EXPRESSION_STARTS: return value_is_in(expression, node, value);
    case EXPRESSION_UNEQUAL: return !value_is_in(expression, node, value);
    case EXPRESSION_LESS: return value_compare(expression, field, value, first) < 0;
    case EXPRESSION_LESS_EQUAL: return value_compare(expression, field, value, first) <= 0;
    case EXPRESSION_GREATER: return value_compare(expression, field, value, first) > 0;
    case EXPRESSION_GREATER_EQUAL: return value_compare(expression, field, value, first) >= 0;
    case EXPRESSION_BETWEEN:
        return value_compare(expression, field, value, first) >= 0 &&
               value_compare(expression, field, value, first + 1) <= 0;
    case EXPRESSION_AND:
    case EXPRESSION_OR:
    case EXPRESSION_NOT: break;
    }
    assert(false);
    return false;
}

/* Recursion is as deep as the expression: at most EXPRESSION_DEPTH_MAX times and, or, not. */
static bool node_matches(
    const struct expression *expression, uint32_t number, const uint8_t *object
)
{
    const struct expression_node *node = &expression->nodes[number];
    if (node->kind == EXPRESSION_NOT) return !node_matches(expression, node->child, object);
    if (node->kind != EXPRESSION_AND && node->kind != EXPRESSION_OR) {
        const struct field *field = &expression->collection->fields[node->field];
        return value_matches(expression, node, object + field->offset);
    }
    const bool decides = node->kind == EXPRESSION_OR; /* the answer of a child that settles it */
    for (uint32_t child = node->child; child != EXPRESSION_NODE_NONE;
         child = expression->nodes[child].next) {
        if (node_matches(expression, child, object) == decides) return decides;
    }
    return !decides;
}

bool filter_matches(const struct expression *expression, const void *object)
{
    assert(expression->collection != NULL);
    if (expression->root == EXPRESSION_NODE_NONE) return true;
    return node_matches(expression, expression->root, object);
}

/* ---- All objects ---------------------------------------------------------------------------- */

static bool test_is_bound(const struct expression *expression, const struct expression_node *node)
{
    for (uint32_t i = 0; i < node->value_count; i += 1) {
        if (!expression->values[node->value + i].bound) return false;
    }
    return true;
}

/* `negated`: the node stands under an odd number of nots, so `and` and `or` trade places. */
static bool node_admits_zero(
    const struct expression *expression, uint32_t number, uint32_t field, bool negated
)
{
    const struct expression_node *node = &expression->nodes[number];
    if (node->kind == EXPRESSION_NOT) {
        return node_admits_zero(expression, node->child, field, !negated);
    }
    if (node->kind == EXPRESSION_AND || node->kind == EXPRESSION_OR) {
        const bool any = (node->kind == EXPRESSION_OR) != negated;
        for (uint32_t child = node->child; child != EXPRESSION_NODE_NONE;
             child = expression->nodes[child].next) {
            if (node_admits_zero(expression, child, field, negated) == any) return any;
        }
        return !any;
    }
    if (node->field != field) return true;
    if (!test_is_bound(expression, node)) return false;
    static const uint8_t zero[FIELD_SIZE_MAX];
    return value_matches(expression, node, zero) != negated;
}

bool filter_admits_zero(const struct expression *expression, uint32_t field)
{
    if (expression->root == EXPRESSION_NODE_NONE) return true;
    return node_admits_zero(expression, expression->root, field, false);
}

static struct code_range range_all(const struct field *field)
{
    return (struct code_range){{0, 0}, code_max(field_order_bytes(field))};
}

static struct code_range range_none(void)
{
    return (struct code_range){{0, 1}, {0, 0}};
}

static bool range_is_none(struct code_range range)
{
    return code_less(range.max, range.min);
}

/* Values below this one; of a truncated field some of them share its code. */
static struct code_range range_below(const struct field *field, struct code code)
{
    struct code_range range = {{0, 0}, code};
    if (field_is_truncated(field)) return range;
    if (code.high == 0 && code.low == 0) return range_none();
    if (range.max.low == 0) range.max.high -= 1;
    range.max.low -= 1;
    return range;
}

static struct code_range range_above(const struct field *field, struct code code)
{
    struct code_range range = {code, code_max(field_order_bytes(field))};
    if (field_is_truncated(field)) return range;
    if (code_equal(code, range.max)) return range_none();
    range.min.low += 1;
    if (range.min.low == 0) range.min.high += 1;
    return range;
}

/* Values that begin with these bytes: from zeros behind them to ones. */
static struct code_range range_of_prefix(
    const struct field *field, const uint8_t *bytes, uint32_t size
)
{
    struct code_range range = {codec_encode(field, bytes), {0, 0}};
    uint8_t last[FIELD_SIZE_MAX];
    const uint32_t count = field_order_bytes(field);
    for (uint32_t i = 0; i < count; i += 1) {
        last[i] = i < size ? bytes[i] : UINT8_MAX;
    }
    range.max = codec_encode(field, last);
    return range;
}

static struct code_range range_hull(struct code_range a, struct code_range b)
{
    if (range_is_none(a)) return b;
    if (range_is_none(b)) return a;
    if (code_less(b.min, a.min)) a.min = b.min;
    if (code_less(a.max, b.max)) a.max = b.max;
    return a;
}

static struct code_range range_common(struct code_range a, struct code_range b)
{
    if (code_less(a.min, b.min)) a.min = b.min;
    if (code_less(b.max, a.max)) a.max = b.max;
    return a;
}

/* The opposite of a test, where that is one range, too; else a kind that says nothing. */
static enum expression_kind kind_negated(enum expression_kind kind)
{
    switch (kind) {
    case EXPRESSION_UNEQUAL: return EXPRESSION_EQUAL;
    case EXPRESSION_LESS: return EXPRESSION_GREATER_EQUAL;
    case EXPRESSION_LESS_EQUAL: return EXPRESSION_GREATER;
    case EXPRESSION_GREATER: return EXPRESSION_LESS_EQUAL;
    case EXPRESSION_GREATER_EQUAL: return EXPRESSION_LESS;
    case EXPRESSION_EQUAL:
    case EXPRESSION_BETWEEN:
    case EXPRESSION_IN:
    case EXPRESSION_STARTS: return EXPRESSION_UNEQUAL;
    case EXPRESSION_AND:
    case EXPRESSION_OR:
    case EXPRESSION_NOT: break;
    }
    assert(false);
    return EXPRESSION_UNEQUAL;
}

static struct code_range test_range(
    const struct expression *expression, const struct expression_node *node, bool negated
)
{
    const struct field *field = &expression->collection->fields[node->field];
    const struct expression_value *value = &expression->values[node->value];
    const uint8_t *bytes = expression_bytes(expression, value);
    const struct code code = codec_encode(field, bytes);
    const enum expression_kind kind = (enum expression_kind)node->kind;
    struct code_range range = range_none();
    if (!test_is_bound(expression, node) && (kind != EXPRESSION_EQUAL || negated) &&
        (kind != EXPRESSION_UNEQUAL || !negated)) {
        return range_all(field);
    }
    switch (negated ? kind_negated(kind) : kind) {
    case EXPRESSION_EQUAL: return (struct code_range){code, code};
    case EXPRESSION_LESS: return range_below(field, code);
    case EXPRESSION_LESS_EQUAL: return (struct code_range){{0, 0}, code};
    case EXPRESSION_GREATER: return range_above(field, code);
    case EXPRESSION_GREATER_EQUAL:
        return (struct code_range){code, code_max(field_order_bytes(field))};
    case EXPRESSION_BETWEEN:
        return (struct code_range
        ){code, codec_encode(field, expression_bytes(expression, value + 1))};
    case EXPRESSION_IN:
        for (uint32_t i = 0; i < node->value_count; i += 1) {
            const struct code of = codec_encode(field, expression_bytes(expression, value + i));
            range = range_hull(range, (struct code_range){of, of});
        }
        return range;
    case EXPRESSION_STARTS: return range_of_prefix(field, bytes, value->size);
    case EXPRESSION_UNEQUAL: return range_all(field);
    case EXPRESSION_AND:
    case EXPRESSION_OR:
    case EXPRESSION_NOT: break;
    }
    assert(false);
    return range;
}

static struct code_range node_range(
    const struct expression *expression, uint32_t number, uint32_t field, bool negated
)
{
    const struct expression_node *node = &expression->nodes[number];
    const struct code_range all = range_all(&expression->collection->fields[field]);
    if (node->kind == EXPRESSION_NOT) return node_range(expression, node->child, field, !negated);
    if (node->kind != EXPRESSION_AND && node->kind != EXPRESSION_OR) {
        return node->field == field ? test_range(expression, node, negated) : all;
    }
    const bool unites = (node->kind == EXPRESSION_OR) != negated;
    struct code_range range = unites ? range_none() : all;
    for (uint32_t child = node->child; child != EXPRESSION_NODE_NONE;
         child = expression->nodes[child].next) {
        const struct code_range of = node_range(expression, child, field, negated);
        range = unites ? range_hull(range, of) : range_common(range, of);
    }
    return range;
}

struct code_range filter_range(const struct expression *expression, uint32_t field)
{
    if (expression->root == EXPRESSION_NODE_NONE) {
        return range_all(&expression->collection->fields[field]);
    }
    return node_range(expression, expression->root, field, false);
}

struct code_range filter_test_range(
    const struct expression *expression, uint32_t number, bool negated
)
{
    return test_range(expression, &expression->nodes[number], negated);
}
