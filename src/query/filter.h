/* Whether an object is among those that an expression means. */
#ifndef TACTUS_QUERY_FILTER_H
#define TACTUS_QUERY_FILTER_H

#include "forest/codec.h"
#include "query/expression.h"

#include <stdbool.h>

/* The object is normalised and in native order, at any alignment. Comparisons are in the order
 * of the codec; a field that is absent is zero. Costs a comparison a test, until the answer is
 * known. */
bool filter_matches(const struct expression *expression, const void *object);

/* Whether an expression can hold of some object in which `field` is zero, as far as one can tell
 * from the tests of that field alone: false is certain, true may be wrong. An index that leaves
 * the field's zero out may be used only where this is false. A test with a parameter that is not
 * bound yet is taken to rule zero out: a plan made of it must not be run. */
bool filter_admits_zero(const struct expression *expression, uint32_t field);

/* What every object that the expression means has in `field`: codes between min and max, both
 * included; min above max if there is none. Of a truncated field the codes are of its first
 * bytes. Never too narrow; `or` gives the hull of its sides. Of a parameter that is not bound
 * yet `=` gives one code, whichever it is, and any other test gives all. */
struct code_range filter_range(const struct expression *expression, uint32_t field);

/* The same of one test (its number among the nodes) and its field; `negated`: of its opposite. */
struct code_range filter_test_range(
    const struct expression *expression, uint32_t number, bool negated
);

#endif
