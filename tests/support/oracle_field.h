#ifndef TACTUS_TESTS_SUPPORT_ORACLE_FIELD_H
#define TACTUS_TESTS_SUPPORT_ORACLE_FIELD_H

#include "base/random.h"
#include "tactus.h"

#include <stdbool.h>
#include <stdint.h>

/* Fields of random schemas, and values for them.
 *
 * Nothing here knows codes, keys or plans: values are the bytes that objects hold, compared as C
 * compares their types. Each field has a small pool, from which objects and questions draw, each
 * on its own: what a question asks for is part of many objects, and seldom all of it. */
enum { ORACLE_VALUE_SIZE = 64, ORACLE_POOL = 24 };

/* How the values of a field lie over its objects. */
enum oracle_spread {
    ORACLE_EVEN = 1,  /* all of the pool alike */
    ORACLE_SKEWED,    /* the first of the pool much more often than the last */
    ORACLE_WIDE,      /* of a few thousand, outside the pool */
    ORACLE_STRETCHES, /* one for a while, then another */
    ORACLE_SPREADS = ORACLE_STRETCHES
};

struct oracle_field {
    struct tactus_field field; /* name, type, offset, size, as drawn */
    bool gives_order;          /* by an index of its own, of every object and of whole values */
    bool indexed;              /* by some index, maybe in part */
    enum oracle_spread spread;
    uint32_t pool_count;
    uint8_t pool[ORACLE_POOL][ORACLE_VALUE_SIZE];
};

/* Draws spread and pool; field->field is known. */
void oracle_field_draw(struct oracle_field *field, struct random *random);

/* A value for an object made at `moment`: a number that grows with time. Fills
 * ORACLE_VALUE_SIZE. */
void oracle_object_value(
    const struct oracle_field *field, struct random *random, uint64_t moment, uint8_t *value
);

/* A value for a question; now and then one that no object has. */
void oracle_question_value(const struct oracle_field *field, struct random *random, uint8_t *value);

/* Below zero, zero or above it, as a sorts before, with or after b. */
int oracle_compare(const struct tactus_field *field, const uint8_t *a, const uint8_t *b);

static inline bool oracle_is_string(const struct tactus_field *field)
{
    return field->type == TACTUS_TYPE_TEXT || field->type == TACTUS_TYPE_BYTES;
}

/* ---- Text ------------------------------------------------------------------------------------ */

struct oracle_text {
    char *at;
    uint32_t size, used;
};

void oracle_say(struct oracle_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The value as tactus_bind() takes it; `size` bytes of it count (of a prefix), else all of them. */
void oracle_say_plain(
    struct oracle_text *text, const struct tactus_field *field, const uint8_t *value, uint32_t size
);

/* The same as it stands in an expression: in quotes, where its type wants them. */
void oracle_say_literal(
    struct oracle_text *text, const struct tactus_field *field, const uint8_t *value, uint32_t size
);

#endif
