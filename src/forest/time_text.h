/* Times as text: nanoseconds since 1970 in the Gregorian calendar, without leap seconds. */
#ifndef TACTUS_FOREST_TIME_TEXT_H
#define TACTUS_FOREST_TIME_TEXT_H

#include "forest/text_input.h"

#include <stdbool.h>
#include <stdint.h>

enum { TIME_TEXT_MAX = 64 }; /* bytes that any time's text fits */

/* Reads the whole input into an int64_t at any alignment, or says why not and leaves it as it
 * was. */
bool time_parse(struct input *input, void *value);

/* Writes into TIME_TEXT_MAX bytes, and returns the length; no zero byte follows. */
uint64_t time_format(const void *value, char *text);

#endif
