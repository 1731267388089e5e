/* Numbers as text: the types of field_text.h that are neither strings, bool nor time. */
#ifndef TACTUS_FOREST_NUMBER_TEXT_H
#define TACTUS_FOREST_NUMBER_TEXT_H

#include "forest/field.h"
#include "forest/text_input.h"

#include <stdbool.h>
#include <stdint.h>

enum { NUMBER_TEXT_MAX = 64 }; /* bytes that any number's text and a zero byte fit */

/* Read the whole input into the value, or say why not and leave the value as it was. */
bool number_parse_unsigned(
    struct input *input, const struct field *field, uint64_t limit, void *value
);
bool number_parse_signed(struct input *input, const struct field *field, void *value);
bool number_parse_u128(struct input *input, const struct field *field, void *value); /* and uuid */
bool number_parse_float(struct input *input, const struct field *field, void *value);
bool number_parse_decimal(struct input *input, const struct field *field, void *value);

/* Write into NUMBER_TEXT_MAX bytes, and return the length; a zero byte may or may not follow. */
uint64_t number_format_unsigned(const struct field *field, const void *value, char *text);
uint64_t number_format_signed(const struct field *field, const void *value, char *text);
uint64_t number_format_u128(const void *value, char *text);
uint64_t number_format_uuid(const void *value, char *text);
uint64_t number_format_float(const struct field *field, const void *value, char *text);
uint64_t number_format_decimal(const struct field *field, const void *value, char *text);

#endif
