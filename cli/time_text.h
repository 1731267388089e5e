/* Times of a CSV that are in no field: for --clock, and for --map with a strptime form. */
#ifndef TACTUS_CLI_TIME_TEXT_H
#define TACTUS_CLI_TIME_TEXT_H

#include <stdbool.h>
#include <stdint.h>

/* 2010-12-01, 2010-12-01 08:26[:00[.digits]], with T or a blank, Z or +hh:mm, UTC if none; or bare
 * digits: nanoseconds since 1970. */
bool time_parse(const char *text, int64_t *ns);

/* By a form of strptime(3), UTC unless the form has %z; as the text of a time: "…T…Z". */
bool time_reform(const char *text, const char *form, char *out, uint32_t out_size);

#endif
