/* An expression in the form that plans are made of: every `not` is pushed down to the tests, an
 * `and` has no child that is an `and`, an `or` none that is an `or`. It means the same. */
#ifndef TACTUS_QUERY_NORMAL_H
#define TACTUS_QUERY_NORMAL_H

#include "query/expression.h"

#include <stdbool.h>
#include <stdint.h>

enum normal_kind { NORMAL_TEST = 1, NORMAL_AND, NORMAL_OR };

enum { NORMAL_NONE = UINT16_MAX };

struct normal_node {
    uint8_t kind;   /* enum normal_kind */
    bool negated;   /* of a test: its opposite is meant */
    uint16_t test;  /* of a test: its number in the expression */
    uint16_t child; /* of AND and OR, of two or more: the first one */
    uint16_t next;  /* sibling, or NORMAL_NONE */
};

struct normal {
    uint16_t root; /* 0, or NORMAL_NONE: all objects */
    uint16_t count;
    struct normal_node nodes[EXPRESSION_NODES_MAX]; /* every child stands behind its parent */
};

void normal_make(struct normal *normal, const struct expression *expression);

/* What a test asks: opposites of comparisons are turned into comparisons, `!=` is `=` negated, and
 * `in` with one value is `=`. So kind is EXPRESSION_EQUAL, LESS, LESS_EQUAL, GREATER,
 * GREATER_EQUAL, BETWEEN, IN or STARTS, and negated only of EQUAL, BETWEEN, IN, STARTS. */
struct normal_test {
    enum expression_kind kind;
    bool negated;
    uint32_t field;
};

/* Of a node of NORMAL_TEST; `flip`: of its opposite. */
struct normal_test normal_test_of(
    const struct expression *expression, const struct normal_node *node, bool flip
);

/* One value of a field, or one of several. */
static inline bool normal_test_is_equality(struct normal_test test)
{
    return !test.negated && (test.kind == EXPRESSION_EQUAL || test.kind == EXPRESSION_IN);
}

/* The values between two bounds, which filter_test_range() gives; one value among them. */
static inline bool normal_test_is_range(struct normal_test test)
{
    return !test.negated && test.kind != EXPRESSION_IN;
}

#endif
