/* The exact sum of a field: 128 bits for integers and decimals, a double for floats. */
#ifndef TACTUS_CLI_SUM_H
#define TACTUS_CLI_SUM_H

#include <stdbool.h>
#include <stdint.h>

#include "tactus.h"

enum { SUM_TEXT_MAX = 64 };

struct sum {
    struct tactus_field field;
    struct tactus_u128 total; /* two's complement for signed types */
    double float_total;
    bool overflowed; /* over 128 bits: possible for u128 alone */
};

/* Whether values of this type can be added up. */
bool sum_init(struct sum *sum, const struct tactus_field *field);
void sum_add(struct sum *sum, const void *object);
void sum_text(const struct sum *sum, char text[SUM_TEXT_MAX]);

#endif
