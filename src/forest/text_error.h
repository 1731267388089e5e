/* Why a text (a schema, a where-expression, a value) was refused, in words for its author. */
#ifndef TACTUS_FOREST_TEXT_ERROR_H
#define TACTUS_FOREST_TEXT_ERROR_H

#include <stdint.h>

/* One line: what is wrong, why, what to do. line and column count from 1, in bytes; 0: no place. */
struct text_error {
    uint32_t line, column;
    char
        text[200]; /* zero-terminated; bytes of the text that are not printable ASCII show as '?' */
};

/* Fills `error`, or does nothing if it is NULL; what does not fit is cut. The format is
 * printf's. */
void text_error_set(
    struct text_error *error, uint32_t line, uint32_t column, const char *format, ...
) __attribute__((format(printf, 4, 5)));

#endif
