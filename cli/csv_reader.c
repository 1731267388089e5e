#include "csv_reader.h"

#include <stdlib.h>
#include <string.h>

enum { GROW_BYTES = 64 * 1024 };

static int no_byte_is_space(unsigned char byte)
{
    (void)byte;
    return 0; /* or libcsv trims cells */
}

bool csv_reader_init(struct csv_reader *reader, char delimiter, csv_row_fn row, void *context)
{
    *reader = (struct csv_reader){.row = row, .context = context, .line = 1};
    /* REPALL_NL: blank lines, too, are reported, and so can be counted. */
    const unsigned char options = CSV_STRICT | CSV_STRICT_FINI | CSV_REPALL_NL;
    if (csv_init(&reader->parser, options) != 0) return false;
    csv_set_delim(&reader->parser, (unsigned char)delimiter);
    csv_set_space_func(&reader->parser, no_byte_is_space);
    csv_set_blk_size(&reader->parser, GROW_BYTES);

    reader->text_room = GROW_BYTES;
    reader->text = malloc(reader->text_room);
    reader->cell_room = 64;
    reader->cells = calloc(reader->cell_room, sizeof *reader->cells);
    return reader->text != NULL && reader->cells != NULL;
}

void csv_reader_deinit(struct csv_reader *reader)
{
    csv_free(&reader->parser);
    free(reader->text);
    free(reader->cells);
    reader->text = NULL;
    reader->cells = NULL;
}

static void set_fault(struct csv_reader *reader, uint64_t line, const char *reason)
{
    reader->stopped = true;
    if (reader->fault.reason != NULL) return;
    reader->fault = (struct csv_fault){line, reader->cell_count + 1, reason};
}

static uint64_t count_lines(const char *bytes, size_t size)
{
    uint64_t count = 0;
    const char *end = bytes + size;
    for (const char *at = bytes; at < end; at += 1) {
        at = memchr(at, '\n', (size_t)(end - at));
        if (at == NULL) break;
        count += 1;
    }
    return count;
}

static bool make_room(struct csv_reader *reader, size_t size)
{
    if (reader->text_size + size + 1 > reader->text_room) {
        const size_t room = 2 * (reader->text_size + size + 1);
        char *text = realloc(reader->text, room);
        if (text == NULL) return false;
        reader->text = text;
        reader->text_room = room;
    }
    if (reader->cell_count == reader->cell_room) {
        const uint32_t room = 2 * reader->cell_room;
        struct csv_cell *cells = realloc(reader->cells, room * sizeof *cells);
        if (cells == NULL) return false;
        reader->cells = cells;
        reader->cell_room = room;
    }
    return true;
}

/* libcsv: a cell is complete. */
static void take_cell(void *bytes, size_t size, void *context)
{
    struct csv_reader *reader = context;
    if (reader->stopped) return;
    if (reader->cell_count == 0) reader->row_line = reader->line;
    reader->after_return = false;

    if (size > CSV_CELL_MAX) {
        set_fault(reader, reader->line, "the cell is over 1 MiB; is a quote left open?");
        return;
    }
    if (reader->text_size + size + 1 > CSV_ROW_MAX) {
        set_fault(reader, reader->row_line, "the line is over 10 MB; is this a CSV?");
        return;
    }
    if (reader->has_zero && size > 0 && memchr(bytes, 0, size) != NULL) {
        set_fault(reader, reader->line, "there is a NUL byte in it; take it out of the file");
        return;
    }
    if (!make_room(reader, size)) {
        set_fault(reader, reader->line, "there is no memory for it; free some");
        return;
    }
    if (size > 0) memcpy(reader->text + reader->text_size, bytes, size);
    reader->cells[reader->cell_count] = (struct csv_cell){reader->text_size, size};
    reader->line += count_lines(reader->text + reader->text_size, size);
    reader->text_size += size;
    reader->text[reader->text_size] = 0;
    reader->text_size += 1;
    reader->cell_count += 1;
}

/* libcsv: a row is complete, or there was a line end besides. */
static void take_line_end(int end, void *context)
{
    struct csv_reader *reader = context;
    if (reader->stopped) return;
    const bool is_second = reader->after_return && end == '\n' && reader->cell_count == 0;
    if (!is_second && end != -1) reader->line += 1;
    reader->after_return = end == '\r';
    if (reader->cell_count == 0) return;

    const struct csv_row row = {
        .line = reader->row_line,
        .text = reader->text,
        .cells = reader->cells,
        .cell_count = reader->cell_count,
    };
    if (!reader->row(reader->context, &row)) reader->stopped = true;
    reader->cell_count = 0;
    reader->text_size = 0;
}

/* The line of what libcsv stopped at inside a cell that is not complete. */
static uint64_t line_inside(const struct csv_reader *reader)
{
    const char *cell = (const char *)reader->parser.entry_buf;
    const size_t size = reader->parser.entry_pos;
    return reader->line + (cell != NULL ? count_lines(cell, size) : 0);
}

static void check_open_cell(struct csv_reader *reader)
{
    if (reader->parser.entry_pos > CSV_CELL_MAX) {
        set_fault(reader, reader->line, "the cell is over 1 MiB; is a quote left open?");
    } else if (reader->text_size + reader->parser.entry_pos > CSV_ROW_MAX) {
        set_fault(reader, reader->row_line, "the line is over 10 MB; is this a CSV?");
    }
}

bool csv_reader_feed(struct csv_reader *reader, const char *bytes, size_t size)
{
    if (reader->stopped) return false;
    if (!reader->begun && size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
        bytes += 3;
        size -= 3;
    }
    reader->begun = true;
    /* A cell may span blocks: a zero byte in one of them is looked for in all that follow it. */
    if (memchr(bytes, 0, size) != NULL) reader->has_zero = true;

    const size_t read = csv_parse(&reader->parser, bytes, size, take_cell, take_line_end, reader);
    if (reader->stopped) return false;
    if (read < size) {
        const bool is_quote = csv_error(&reader->parser) == CSV_EPARSE;
        set_fault(
            reader,
            line_inside(reader),
            is_quote
                ? "a quote stands where none may; quote the cell and double the quotes inside it"
                : "there is no memory for it; free some"
        );
        return false;
    }
    check_open_cell(reader);
    return !reader->stopped;
}

bool csv_reader_finish(struct csv_reader *reader)
{
    if (reader->stopped) return false;
    if (csv_fini(&reader->parser, take_cell, take_line_end, reader) != 0) {
        set_fault(reader, reader->line, "a quote is open at the end of the file; close it");
    }
    return !reader->stopped;
}
