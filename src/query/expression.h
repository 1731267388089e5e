/* A where-expression, parsed: a tree in a fixed pool, with the values it compares with.
 *
 *   where = and { "or" and }
 *   and   = not { "and" not }
 *   not   = "not" not | "(" where ")" | test
 *   test  = FIELD ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) VALUE
 *         | FIELD "between" VALUE "and" VALUE | FIELD "in" "(" VALUE { "," VALUE } ")"
 *         | FIELD "starts" VALUE
 *   VALUE = -12 | 2.55 | 'text, '' inside' | x'00ff' | true | ?1
 *
 * Words in any case, fields exactly. A value is read by the type of its field
 * (forest/field_text.h): text and time in quotes, bytes as x'...', a UUID with or without
 * quotes, numbers and bool without. There is no NULL: an optional field that is absent has its
 * zero value, so `customer = 0` finds the objects without a customer, and `customer < 5` finds
 * them, too.
 *
 * No memory is taken; a prepared query keeps a struct expression, about 11 KiB, in its slot. */
#ifndef TACTUS_QUERY_EXPRESSION_H
#define TACTUS_QUERY_EXPRESSION_H

#include "base/status.h"
#include "forest/schema.h"
#include "forest/text_error.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    EXPRESSION_NODES_MAX = 256,
    EXPRESSION_VALUES_MAX = 512,
    EXPRESSION_DEPTH_MAX = 32,       /* of parentheses and nots in each other */
    EXPRESSION_LITERAL_BYTES = 4096, /* all values together, each as large as its field */
    EXPRESSION_PARAMETERS_MAX = 255
};

enum expression_kind {
    EXPRESSION_AND = 1, /* of two or more children */
    EXPRESSION_OR,
    EXPRESSION_NOT, /* of one child */
    EXPRESSION_EQUAL,
    EXPRESSION_UNEQUAL,
    EXPRESSION_LESS,
    EXPRESSION_LESS_EQUAL,
    EXPRESSION_GREATER,
    EXPRESSION_GREATER_EQUAL,
    EXPRESSION_BETWEEN, /* two values, both included */
    EXPRESSION_IN,      /* one value or more */
    EXPRESSION_STARTS   /* one value: a prefix */
};

enum { EXPRESSION_NODE_NONE = UINT16_MAX };

struct expression_node {
    uint8_t kind;   /* enum expression_kind */
    uint8_t field;  /* of a test */
    uint16_t child; /* the first one, of AND, OR, NOT */
    uint16_t next;  /* sibling, or EXPRESSION_NODE_NONE */
    uint16_t value; /* of a test: the first one; the others follow it */
    uint16_t value_count;
};

struct expression_value {
    uint16_t offset; /* in `literals`: the field's size of bytes, in native order */
    uint16_t size;   /* of those, what counts: the prefix of STARTS, else the field's size */
    uint8_t field;
    uint8_t parameter; /* ?number, or 0 */
    bool prefix;       /* of STARTS */
    bool bound;        /* a literal, or a parameter that has its value */
};

struct expression {
    const struct collection_schema *collection; /* kept */
    uint16_t root;                              /* EXPRESSION_NODE_NONE: all objects */
    uint16_t node_count;
    uint16_t value_count;
    uint16_t literal_bytes;
    struct expression_node nodes[EXPRESSION_NODES_MAX];
    struct expression_value values[EXPRESSION_VALUES_MAX];
    uint8_t literals[EXPRESSION_LITERAL_BYTES];
};

/* Parses `text` (zero-terminated, not kept; NULL or blank: all objects) for a collection. SYNTAX
 * with line, column and words; LIMIT: more of something than the pool holds. `error` may be
 * NULL. */
enum tactus_status expression_parse(
    struct expression *expression,
    const struct collection_schema *collection,
    const char *text,
    struct text_error *error
) __attribute__((warn_unused_result));

/* Gives ?number its value, everywhere it stands. ABSENT: the expression has no such parameter.
 * INVALID: a field it is compared with cannot read it; nothing is bound then. A parameter may be
 * bound again. `error` may be NULL. */
enum tactus_status expression_bind(
    struct expression *expression, uint32_t number, const char *text, struct text_error *error
) __attribute__((warn_unused_result));

/* The lowest ?number without a value, or 0. */
uint32_t expression_unbound(const struct expression *expression);

/* The value's bytes. Before it is bound, a parameter has some value that is not zero, so that a
 * plan can be tried. */
static inline const uint8_t *expression_bytes(
    const struct expression *expression, const struct expression_value *value
)
{
    return expression->literals + value->offset;
}

#endif
