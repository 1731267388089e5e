/* From what a floor below says happened (struct fault: numbers and literals) to what a person reads
 * (struct tactus_error: one line, "WHAT: WHY; WHAT TO DO"). The only place that writes such words
 * about a file; words about a schema or an expression come from their parsers. */
#ifndef TACTUS_DATABASE_ERROR_H
#define TACTUS_DATABASE_ERROR_H

#include "base/status.h"
#include "forest/text_error.h"
#include "storage/layout.h"

/* Fills `error` (NULL is fine) and returns status. The format is printf's. */
enum tactus_status error_set(
    struct tactus_error *error, enum tactus_status status, const char *format, ...
) __attribute__((format(printf, 3, 4)));

/* Fills `error` (NULL is fine) with the words and the place that a parser found, and returns
 * status. */
enum tactus_status error_from_text(
    struct tactus_error *error, enum tactus_status status, const struct text_error *words
);

/* Fills `error` (NULL is fine) with the words for this fault, and returns its status. */
enum tactus_status error_from_fault(struct tactus_error *error, const struct fault *fault);

/* The line for one fault, zero-terminated; the same words without a limit of 231 bytes. */
void error_fault_line(char *line, size_t size, const struct fault *fault);

/* Adds where the fault's block lies in the file, if whoever noticed knew its address alone. */
void error_find_byte(struct fault *fault, const struct layout *layout);

#endif
