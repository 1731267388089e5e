/* Writes what inspect has to say, as text or as one JSON object.
 *
 *   text                        JSON
 *   checkpoint:                 {"checkpoint":{"op_covered":7},
 *     op_covered: 7
 *   entries:                    "entries":[
 *     op=8 beat=3               {"op":8,"beat":3},
 *     op=9 beat=3               {"op":9,"beat":3}]}
 *
 * Integers above 2^53 are strings in JSON; checksums are hex digits, the high half first. Every key
 * is a literal of letters and underscores. Once the caller's function has asked to stop, nothing
 * more is written. */
#ifndef TACTUS_DATABASE_INSPECT_WRITER_H
#define TACTUS_DATABASE_INSPECT_WRITER_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { INSPECT_DEPTH_MAX = 4, INSPECT_BUFFER = 4096 };

/* A column of a table, whose numbers stand right under their key. */
struct inspect_column {
    const char *key;
    uint32_t width; /* at least that of the key; longer values push the rest of their line */
    bool is_text;   /* stands left; without blanks behind it in the last column */
};

struct inspect_writer {
    tactus_write_fn write; /* the caller's, borrowed for the call */
    void *context;
    bool is_json;
    bool is_stopped;

    uint32_t depth;
    bool is_row; /* text: values of this line are written behind each other */
    const struct inspect_column *columns; /* text: of the table that is open; NULL: none is */
    uint32_t column_count;
    uint32_t column; /* of the row's next value */
    bool has_items[INSPECT_DEPTH_MAX + 1];
    uint32_t used;
    char buffer[INSPECT_BUFFER];
};

void inspect_begin(
    struct inspect_writer *writer, tactus_write_fn write, void *context, bool is_json
);
void inspect_end(struct inspect_writer *writer);

/* A group of values under a name. */
void inspect_section_begin(struct inspect_writer *writer, const char *name);
void inspect_section_end(struct inspect_writer *writer);

/* Rows under a name, each with its values. */
void inspect_list_begin(struct inspect_writer *writer, const char *name);
void inspect_list_end(struct inspect_writer *writer);
void inspect_row_begin(struct inspect_writer *writer);
void inspect_row_end(struct inspect_writer *writer);

/* Rows of one kind: text has the keys once, above; JSON is a list's. Every row gives its values in
 * the order of the columns, which are kept until the end. */
void inspect_table_begin(
    struct inspect_writer *writer,
    const char *name,
    const struct inspect_column *columns,
    uint32_t column_count
);
void inspect_table_end(struct inspect_writer *writer);

/* A value: of the group or row that is open. */
void inspect_number(struct inspect_writer *writer, const char *key, uint64_t value);
void inspect_text(struct inspect_writer *writer, const char *key, const char *value);

/* numerator / denominator with two digits behind the point; 0.00 if the denominator is 0. */
void inspect_ratio(
    struct inspect_writer *writer, const char *key, uint64_t numerator, uint64_t denominator
);
void inspect_checksum(struct inspect_writer *writer, const char *key, struct checksum value);

/* A row that is only a line of words: a fault, where it was met. */
void inspect_line(struct inspect_writer *writer, const char *key, const char *line);

#endif
