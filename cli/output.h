/* Objects on standard output, as a table, CSV or JSON.
 *
 * A table is aligned by its first rows (TABLE_ROWS of them are held back); what is wider later on
 * sticks out. JSON is one object a line; integers and decimals beyond 2^53 are strings there, and
 * an optional field that is absent is null. Times, ids of 128 bits, bytes are strings, too. */
#ifndef TACTUS_CLI_OUTPUT_H
#define TACTUS_CLI_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "arguments.h"
#include "session.h"

enum format { FORMAT_TABLE = 0, FORMAT_CSV, FORMAT_JSON, FORMAT_COUNT };

enum {
    TABLE_ROWS = 500,
    VALUE_TEXT_MAX = 8257 /* 8,256 bytes and a zero: what tactus_value_format may need */
};

struct output {
    enum format format;
    const struct session *session; /* borrowed */
    uint32_t *columns;             /* owned: numbers of fields */
    uint32_t column_count;
    bool colour;

    uint64_t row_count;
    uint8_t *held; /* owned: objects of the table's first rows */
    uint32_t held_count;
    uint32_t *widths; /* owned, by column; valid once the table has begun */
    bool table_begun;
};

/* --format, or a table on a terminal and CSV in a pipe. `allow_count`: "count" is a format, too. */
int output_format(const struct arguments *arguments, bool allow_count, enum format *format);

/* `select`: names of fields with commas between, or NULL: all but reserved ones. 0 or an exit code
 * after complaining; output_end is due either way. */
int output_begin(
    struct output *output, const struct session *session, enum format format, const char *select
);
void output_row(struct output *output, const void *object);

/* Writes what was held back, and flushes. EXIT_SYSTEM if standard output took not everything. */
int output_end(struct output *output);

/* Flushes standard output alone; EXIT_SYSTEM after complaining. */
int output_flush(void);

/* A text as a JSON string, quotes and all. */
void json_text(FILE *stream, const char *text);

/* Whether a number's text keeps its value in a double: at most 2^53 without its point and sign. */
bool json_number_is_exact(const char *text);

/* A cell as CSV (RFC 4180). `is_alone`: the only one of its row, which must not be a blank line. */
void csv_text(FILE *stream, const char *text, size_t size, char delimiter, bool is_alone);

#endif
