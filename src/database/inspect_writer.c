#include "database/inspect_writer.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"

#include "base/poison.h"

#define JSON_INTEGER_MAX (UINT64_C(1) << 53) /* above, readers that use doubles lose digits */

static void flush(struct inspect_writer *writer)
{
    if (writer->used > 0 && !writer->is_stopped) {
        writer->is_stopped = writer->write(writer->context, writer->buffer, writer->used) != 0;
    }
    writer->used = 0;
}

static void put(struct inspect_writer *writer, const char *text)
{
    uint64_t left = strlen(text);
    while (left > 0) { /* ends: each turn takes some */
        if (writer->used == sizeof writer->buffer) flush(writer);
        const uint64_t room = sizeof writer->buffer - writer->used;
        const uint64_t size = min_u64(left, room);
        bytes_copy(writer->buffer + writer->used, text, size);
        writer->used += (uint32_t)size;
        text += size;
        left -= size;
    }
}

/* A JSON string. What is not ASCII goes through as it is: texts of ours are UTF-8. */
static void put_json_text(struct inspect_writer *writer, const char *text)
{
    put(writer, "\"");
    for (const char *at = text; *at != 0; at += 1) {
        char escaped[8] = {*at};
        if (*at == '"' || *at == '\\') (void)snprintf(escaped, sizeof escaped, "\\%c", *at);
        if ((uint8_t)*at < 0x20) (void)snprintf(escaped, sizeof escaped, "\\u%04x", *at);
        put(writer, escaped);
    }
    put(writer, "\"");
}

static void put_indent(struct inspect_writer *writer)
{
    for (uint32_t depth = 0; depth < writer->depth; depth += 1) {
        put(writer, "  ");
    }
}

static void item_begin(struct inspect_writer *writer)
{
    if (writer->is_json && writer->has_items[writer->depth]) put(writer, ",");
    if (!writer->is_json && writer->is_row && writer->has_items[writer->depth]) put(writer, " ");
    writer->has_items[writer->depth] = true;
}

static void put_blanks(struct inspect_writer *writer, uint64_t count)
{
    for (uint64_t blank = 0; blank < count; blank += 1) {
        put(writer, " ");
    }
}

static uint64_t column_width(const struct inspect_column *column)
{
    return max_u64(column->width, strlen(column->key));
}

/* A cell of a table in text. */
static void put_cell(
    struct inspect_writer *writer, const struct inspect_column *column, const char *text
)
{
    const uint64_t width = column_width(column);
    const uint64_t used = strlen(text);
    const uint64_t blanks = used < width ? width - used : 0;
    const bool is_last = column == &writer->columns[writer->column_count - 1];
    if (column != writer->columns) put(writer, "  ");
    if (!column->is_text) put_blanks(writer, blanks);
    put(writer, text);
    if (column->is_text && !is_last) put_blanks(writer, blanks);
}

static bool is_cell(const struct inspect_writer *writer)
{
    return writer->columns != NULL && writer->is_row;
}

static void put_next_cell(struct inspect_writer *writer, const char *key, const char *text)
{
    assert(writer->column < writer->column_count);
    const struct inspect_column *column = &writer->columns[writer->column];
    assert(strcmp(column->key, key) == 0);
    put_cell(writer, column, text);
    writer->column += 1;
}

static void key_begin(struct inspect_writer *writer, const char *key)
{
    item_begin(writer);
    if (writer->is_json) {
        put_json_text(writer, key);
        put(writer, ":");
    } else if (writer->is_row) {
        put(writer, key);
        put(writer, "=");
    } else {
        put_indent(writer);
        put(writer, key);
        put(writer, ": ");
    }
}

static void value_end(struct inspect_writer *writer)
{
    if (!writer->is_json && !writer->is_row) put(writer, "\n");
}

static void nest(struct inspect_writer *writer)
{
    assert(writer->depth < INSPECT_DEPTH_MAX);
    writer->depth += 1;
    writer->has_items[writer->depth] = false;
}

static void unnest(struct inspect_writer *writer)
{
    assert(writer->depth > 0);
    writer->depth -= 1;
}

void inspect_begin(
    struct inspect_writer *writer, tactus_write_fn write, void *context, bool is_json
)
{
    *writer = (struct inspect_writer){.write = write, .context = context, .is_json = is_json};
    if (is_json) put(writer, "{");
}

void inspect_end(struct inspect_writer *writer)
{
    assert(writer->depth == 0);
    assert(!writer->is_row);
    if (writer->is_json) put(writer, "}\n");
    flush(writer);
}

static void name_begin(struct inspect_writer *writer, const char *name)
{
    assert(!writer->is_row);
    item_begin(writer);
    if (writer->is_json) {
        put(writer, "\n");
        put_json_text(writer, name);
        put(writer, ":");
    } else {
        put_indent(writer);
        put(writer, name);
        put(writer, ":\n");
    }
}

void inspect_section_begin(struct inspect_writer *writer, const char *name)
{
    name_begin(writer, name);
    if (writer->is_json) put(writer, "{");
    nest(writer);
}

void inspect_section_end(struct inspect_writer *writer)
{
    unnest(writer);
    if (writer->is_json) put(writer, "}");
}

void inspect_list_begin(struct inspect_writer *writer, const char *name)
{
    name_begin(writer, name);
    if (writer->is_json) put(writer, "[");
    nest(writer);
}

void inspect_list_end(struct inspect_writer *writer)
{
    if (!writer->is_json && !writer->has_items[writer->depth]) {
        put_indent(writer);
        put(writer, "none\n");
    }
    unnest(writer);
    if (writer->is_json) put(writer, "]");
}

void inspect_row_begin(struct inspect_writer *writer)
{
    assert(!writer->is_row);
    item_begin(writer);
    if (writer->is_json) {
        put(writer, "\n{");
    } else {
        put_indent(writer);
    }
    writer->is_row = true;
    writer->column = 0;
    nest(writer);
}

void inspect_row_end(struct inspect_writer *writer)
{
    assert(writer->is_row);
    assert(writer->columns == NULL || writer->column == writer->column_count);
    unnest(writer);
    writer->is_row = false;
    put(writer, writer->is_json ? "}" : "\n");
}

void inspect_table_begin(
    struct inspect_writer *writer,
    const char *name,
    const struct inspect_column *columns,
    uint32_t column_count
)
{
    assert(writer->columns == NULL);
    assert(column_count > 0);
    inspect_list_begin(writer, name);
    if (writer->is_json) return;
    writer->columns = columns;
    writer->column_count = column_count;
    put_indent(writer);
    for (uint32_t index = 0; index < column_count; index += 1) {
        put_cell(writer, &columns[index], columns[index].key);
    }
    put(writer, "\n");
}

void inspect_table_end(struct inspect_writer *writer)
{
    writer->columns = NULL;
    inspect_list_end(writer);
}

void inspect_number(struct inspect_writer *writer, const char *key, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    if (is_cell(writer)) {
        put_next_cell(writer, key, text);
        return;
    }
    key_begin(writer, key);
    if (writer->is_json && value > JSON_INTEGER_MAX) {
        put_json_text(writer, text);
    } else {
        put(writer, text);
    }
    value_end(writer);
}

void inspect_ratio(
    struct inspect_writer *writer, const char *key, uint64_t numerator, uint64_t denominator
)
{
    char text[48];
    const double ratio = denominator == 0 ? 0.0 : (double)numerator / (double)denominator;
    (void)snprintf(text, sizeof text, "%.2f", ratio);
    if (is_cell(writer)) {
        put_next_cell(writer, key, text);
        return;
    }
    key_begin(writer, key);
    put(writer, text);
    value_end(writer);
}

void inspect_text(struct inspect_writer *writer, const char *key, const char *value)
{
    if (is_cell(writer)) {
        put_next_cell(writer, key, value);
        return;
    }
    key_begin(writer, key);
    if (writer->is_json) {
        put_json_text(writer, value);
    } else {
        if (strchr(value, '\n') != NULL) put(writer, "\n"); /* whole lines begin on one */
        put(writer, value);
    }
    value_end(writer);
}

void inspect_checksum(struct inspect_writer *writer, const char *key, struct checksum value)
{
    char text[33];
    (void)snprintf(
        text,
        sizeof text,
        "%016llx%016llx",
        (unsigned long long)value.high,
        (unsigned long long)value.low
    );
    inspect_text(writer, key, text);
}

void inspect_line(struct inspect_writer *writer, const char *key, const char *line)
{
    if (writer->is_json) {
        inspect_row_begin(writer);
        inspect_text(writer, key, line);
        inspect_row_end(writer);
        return;
    }
    assert(!writer->is_row);
    item_begin(writer);
    put_indent(writer);
    put(writer, line);
    put(writer, "\n");
}
