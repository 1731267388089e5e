#include "query/normal.h"

#include "base/assert.h"

#include "base/poison.h"

/* Goes down through nots. */
static const struct expression_node *node_below_not(
    const struct expression *expression, uint32_t number, bool *negated, uint32_t *below
)
{
    const struct expression_node *node = &expression->nodes[number];
    while (node->kind == EXPRESSION_NOT) {
        *negated = !*negated;
        number = node->child;
        node = &expression->nodes[number];
    }
    *below = number;
    return node;
}

/* AND, OR, or TEST of a node that is no not: under an odd number of nots `and` and `or` trade
 * places. */
static enum normal_kind kind_of(const struct expression_node *node, bool negated)
{
    if (node->kind == EXPRESSION_AND) return negated ? NORMAL_OR : NORMAL_AND;
    if (node->kind == EXPRESSION_OR) return negated ? NORMAL_AND : NORMAL_OR;
    return NORMAL_TEST;
}

static uint16_t normal_add(struct normal *normal, enum normal_kind kind)
{
    assert(normal->count < EXPRESSION_NODES_MAX);
    const uint16_t number = normal->count;
    normal->count += 1;
    normal->nodes[number] = (struct normal_node
    ){.kind = (uint8_t)kind, .test = NORMAL_NONE, .child = NORMAL_NONE, .next = NORMAL_NONE};
    return number;
}

/* Where the children of a group are put: one behind the other. */
struct group {
    enum normal_kind kind;
    uint16_t number;
    uint16_t last; /* child, or NORMAL_NONE */
};

static uint16_t normal_add_tree(
    struct normal *normal, const struct expression *expression, uint32_t number, bool negated
);

/* Adds a part of a group: its own parts, if it is a group of the same kind. Recursion, here and
 * below, is as deep as the expression: at most EXPRESSION_DEPTH_MAX times and, or, not. */
static void group_add(
    struct normal *normal,
    struct group *group,
    const struct expression *expression,
    uint32_t number,
    bool negated
)
{
    uint32_t below;
    const struct expression_node *node = node_below_not(expression, number, &negated, &below);
    if (kind_of(node, negated) == group->kind) {
        for (uint32_t child = node->child; child != EXPRESSION_NODE_NONE;
             child = expression->nodes[child].next) {
            group_add(normal, group, expression, child, negated);
        }
        return;
    }
    const uint16_t added = normal_add_tree(normal, expression, below, negated);
    if (group->last == NORMAL_NONE) {
        normal->nodes[group->number].child = added;
    } else {
        normal->nodes[group->last].next = added;
    }
    group->last = added;
}

static uint16_t normal_add_tree(
    struct normal *normal, const struct expression *expression, uint32_t number, bool negated
)
{
    uint32_t below;
    const struct expression_node *node = node_below_not(expression, number, &negated, &below);
    const enum normal_kind kind = kind_of(node, negated);
    const uint16_t added = normal_add(normal, kind);
    if (kind == NORMAL_TEST) {
        normal->nodes[added].test = (uint16_t)below;
        normal->nodes[added].negated = negated;
        return added;
    }
    struct group group = {kind, added, NORMAL_NONE};
    for (uint32_t child = node->child; child != EXPRESSION_NODE_NONE;
         child = expression->nodes[child].next) {
        group_add(normal, &group, expression, child, negated);
    }
    return added;
}

void normal_make(struct normal *normal, const struct expression *expression)
{
    normal->root = NORMAL_NONE;
    normal->count = 0;
    if (expression->root == EXPRESSION_NODE_NONE) return;
    normal->root = normal_add_tree(normal, expression, expression->root, false);
    assert(normal->root == 0);
}

/* The opposite of a comparison, if it is another one; else 0. */
static enum expression_kind comparison_opposite(enum expression_kind kind)
{
    switch (kind) {
    case EXPRESSION_LESS: return EXPRESSION_GREATER_EQUAL;
    case EXPRESSION_LESS_EQUAL: return EXPRESSION_GREATER;
    case EXPRESSION_GREATER: return EXPRESSION_LESS_EQUAL;
    case EXPRESSION_GREATER_EQUAL: return EXPRESSION_LESS;
    case EXPRESSION_EQUAL:
    case EXPRESSION_UNEQUAL:
    case EXPRESSION_BETWEEN:
    case EXPRESSION_IN:
    case EXPRESSION_STARTS:
    case EXPRESSION_AND:
    case EXPRESSION_OR:
    case EXPRESSION_NOT: break;
    }
    return (enum expression_kind)0;
}

struct normal_test normal_test_of(
    const struct expression *expression, const struct normal_node *node, bool flip
)
{
    assert(node->kind == NORMAL_TEST);
    const struct expression_node *test = &expression->nodes[node->test];
    struct normal_test result = {
        (enum expression_kind)test->kind, node->negated != flip, test->field};
    if (result.kind == EXPRESSION_UNEQUAL) {
        result.kind = EXPRESSION_EQUAL;
        result.negated = !result.negated;
    }
    if (result.kind == EXPRESSION_IN && test->value_count == 1) result.kind = EXPRESSION_EQUAL;
    const enum expression_kind opposite = comparison_opposite(result.kind);
    if (result.negated && (int)opposite != 0) {
        result.kind = opposite;
        result.negated = false;
    }
    return result;
}
