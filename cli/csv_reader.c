#include "csv_reader.h"

#include <stdlib.h>
#include <string.h>

enum { GROW_BYTES = 64 * 1024 };

static const char cell_too_long[] = "the cell is over 1 MiB; is a quote left open?";
static const char row_too_long[] = "the line is over 10 MB; is this a CSV?";
static const char no_memory[] = "there is no memory for it; free some";
static const char open_quote[] = "a quote is open at the end of the file; close it";
static const char zero_byte[] = "there is a NUL byte in it; take it out of the file";
static const char stray_quote[] =
    "a quote stands where none may; quote the cell and double the quotes inside it";

static int no_byte_is_space(unsigned char byte)
{
    (void)byte;
    return 0; /* or libcsv trims cells */
}

bool csv_reader_init(struct csv_reader *reader, char delimiter, const struct csv_calls *calls)
{
    *reader = (struct csv_reader){.calls = *calls, .delimiter = delimiter, .line = 1};
    if (csv_init(&reader->parser, CSV_STRICT | CSV_STRICT_FINI) != 0) return false;
    csv_set_delim(&reader->parser, (unsigned char)delimiter);
    csv_set_space_func(&reader->parser, no_byte_is_space);
    csv_set_blk_size(&reader->parser, GROW_BYTES);

    const char stops[] = {0, '"', '\r', '\n', delimiter};
    for (size_t i = 0; i < sizeof stops; i += 1)
        reader->stops_plain[(unsigned char)stops[i]] = true;

    reader->text_room = GROW_BYTES;
    reader->text = malloc(reader->text_room);
    reader->raw_room = GROW_BYTES;
    reader->raw = malloc(reader->raw_room);
    reader->cell_room = 64;
    reader->cells = calloc(reader->cell_room, sizeof *reader->cells);
    return reader->text != NULL && reader->raw != NULL && reader->cells != NULL;
}

void csv_reader_deinit(struct csv_reader *reader)
{
    csv_free(&reader->parser);
    free(reader->text);
    free(reader->raw);
    free(reader->cells);
    reader->text = NULL;
    reader->raw = NULL;
    reader->cells = NULL;
}

/* ---- Faults -------------------------------------------------------------------------------- */

/* Nothing can be read on from here. */
static void set_fault(struct csv_reader *reader, uint64_t line, const char *reason)
{
    reader->stopped = true;
    reader->fault = (struct csv_fault){line, reader->column + 1, reason};
}

/* The row is bad, and where the next one begins can be found. */
static void set_bad(struct csv_reader *reader, uint64_t line, const char *reason)
{
    if (reader->passing) return; /* once is enough */
    set_fault(reader, line, reason);
    if (reader->calls.bad == NULL || !reader->calls.bad(reader->calls.context, &reader->fault)) {
        return;
    }
    reader->fault = (struct csv_fault){0};
    reader->stopped = false;
    reader->passing = true;
}

static void check_sizes(struct csv_reader *reader)
{
    const bool quoted = reader->state == CSV_QUOTED;
    if (reader->cell_size > CSV_CELL_MAX) {
        if (quoted) {
            set_fault(reader, reader->cell_line, cell_too_long);
        } else {
            set_bad(reader, reader->cell_line, cell_too_long);
        }
    } else if (reader->row_size > CSV_ROW_MAX && !reader->passing) {
        if (quoted) {
            set_fault(reader, reader->row_line, row_too_long);
        } else {
            set_bad(reader, reader->row_line, row_too_long);
        }
    }
}

/* ---- Rows ---------------------------------------------------------------------------------- */

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
    if (!make_room(reader, size)) {
        set_fault(reader, reader->row_line, no_memory);
        return;
    }
    if (size > 0) memcpy(reader->text + reader->text_size, bytes, size);
    reader->cells[reader->cell_count] = (struct csv_cell){reader->text_size, size};
    reader->text_size += size;
    reader->text[reader->text_size] = 0;
    reader->text_size += 1;
    reader->cell_count += 1;
}

/* libcsv: a row is complete. */
static void take_row(int end, void *context)
{
    struct csv_reader *reader = context;
    (void)end;
    if (reader->stopped) return;
    if (reader->first_count == 0) reader->first_count = reader->cell_count;
    const struct csv_row row = {
        .line = reader->row_line,
        .text = reader->text,
        .cells = reader->cells,
        .cell_count = reader->cell_count,
    };
    if (!reader->calls.row(reader->calls.context, &row)) reader->stopped = true;
    reader->cell_count = 0;
    reader->text_size = 0;
}

static void parse(struct csv_reader *reader, const char *bytes, size_t size)
{
    if (reader->stopped) return;
    const size_t read = csv_parse(&reader->parser, bytes, size, take_cell, take_row, reader);
    if (read < size && !reader->stopped) {
        const bool is_quote = csv_error(&reader->parser) == CSV_EPARSE;
        set_fault(reader, reader->row_line, is_quote ? stray_quote : no_memory);
    }
}

static void pass(struct csv_reader *reader, const char *bytes, size_t size)
{
    if (size > 0) reader->calls.passed(reader->calls.context, bytes, size);
}

/* Keeps what a block has of a row that goes on in the next one. */
static void keep(struct csv_reader *reader, const char *bytes, size_t size)
{
    if (reader->passing) {
        pass(reader, reader->raw, reader->raw_size);
        pass(reader, bytes, size);
        reader->raw_size = 0;
        return;
    }
    if (reader->raw_size + size > reader->raw_room) {
        const size_t room = 2 * (reader->raw_size + size);
        char *raw = realloc(reader->raw, room);
        if (raw == NULL) {
            set_fault(reader, reader->row_line, no_memory);
            return;
        }
        reader->raw = raw;
        reader->raw_room = room;
    }
    if (size > 0) memcpy(reader->raw + reader->raw_size, bytes, size);
    reader->raw_size += size;
}

/* The row is whole: what is kept of it, and these bytes. */
static void end_row(struct csv_reader *reader, const char *bytes, size_t size)
{
    if (reader->passing) {
        keep(reader, bytes, size);
        reader->calls.passed(reader->calls.context, NULL, 0);
    } else {
        parse(reader, reader->raw, reader->raw_size);
        parse(reader, bytes, size);
        parse(reader, "\n", 1);
    }
    reader->raw_size = 0;
    reader->passing = false;
    reader->state = CSV_BEFORE_ROW;
}

/* ---- Bytes --------------------------------------------------------------------------------- */

/* Before a row: a line end there is a blank line, or the second half of a CR LF. */
static const char *begin_row(struct csv_reader *reader, const char *at)
{
    const bool is_second = reader->after_return && *at == '\n';
    reader->after_return = false;
    if (is_second) return at + 1;
    reader->row_line = reader->line;
    reader->cell_line = reader->line;
    reader->column = 0;
    reader->cell_size = 0;
    reader->row_size = 0;
    if (*at != '\n' && *at != '\r') {
        reader->state = CSV_BEFORE_CELL;
        return at;
    }
    reader->after_return = *at == '\r';
    reader->line += 1;
    if (reader->first_count == 1) {
        take_cell(NULL, 0, reader);
        take_row('\n', reader);
    }
    return at + 1;
}

/* A byte outside quotes that is more than a byte of a cell. True: the row ends with it. */
static bool take_stop(struct csv_reader *reader, char byte)
{
    if (byte == '\n' || byte == '\r') return true;
    if (byte == reader->delimiter) {
        reader->column += 1;
        reader->cell_line = reader->line;
        reader->cell_size = 0;
        reader->state = CSV_BEFORE_CELL;
    } else {
        reader->state = CSV_PLAIN;
        reader->cell_size += 1;
        set_bad(reader, reader->line, byte == 0 ? zero_byte : stray_quote);
    }
    return false;
}

static const char *read_plain(const struct csv_reader *reader, const char *at, const char *end)
{
    while (at < end && !reader->stops_plain[(unsigned char)*at])
        at += 1;
    return at;
}

static const char *read_quoted(struct csv_reader *reader, const char *at, const char *end)
{
    for (; at < end && *at != '"'; at += 1) {
        if (*at == '\n') reader->line += 1;
        if (*at == 0) set_bad(reader, reader->line, zero_byte);
        if (reader->stopped) break;
    }
    return at;
}

/* Reads on in a row, to the next byte that is more than a byte of a cell, and takes that. `*ended`:
 * the answer is the line end. */
static const char *read_row(struct csv_reader *reader, const char *at, const char *end, bool *ended)
{
    const char *begin = at;
    if (reader->state == CSV_BEFORE_CELL) {
        reader->state = *at == '"' ? CSV_QUOTED : CSV_PLAIN;
        if (*at == '"') at += 1;
    } else if (reader->state == CSV_AFTER_QUOTE && *at == '"') {
        reader->state = CSV_QUOTED;
        reader->cell_size += 1;
        at += 1;
    } else if (reader->state == CSV_AFTER_QUOTE && !reader->stops_plain[(unsigned char)*at]) {
        reader->state = CSV_PLAIN;
        set_bad(reader, reader->line, stray_quote);
    } else if (reader->state == CSV_AFTER_QUOTE) {
        *ended = take_stop(reader, *at);
        if (!*ended) at += 1;
    } else {
        const bool quoted = reader->state == CSV_QUOTED;
        at = quoted ? read_quoted(reader, at, end) : read_plain(reader, at, end);
        reader->cell_size += (size_t)(at - begin);
        reader->row_size += (size_t)(at - begin);
        begin = at;
        check_sizes(reader);
        if (at == end || reader->stopped) return at;
        if (quoted) {
            reader->state = CSV_AFTER_QUOTE;
        } else {
            *ended = take_stop(reader, *at);
        }
        if (!*ended) at += 1;
    }
    reader->row_size += (size_t)(at - begin);
    return at;
}

bool csv_reader_feed(struct csv_reader *reader, const char *bytes, size_t size)
{
    if (reader->stopped) return false;
    const char *const end = bytes + size;
    const char *at = bytes;
    if (!reader->begun && size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) at += 3;
    reader->begun = true;

    const char *row = at;
    while (at < end && !reader->stopped) {
        bool ended = false;
        if (reader->state == CSV_BEFORE_ROW) {
            at = begin_row(reader, at);
            row = at;
            continue;
        }
        at = read_row(reader, at, end, &ended);
        if (!ended || reader->stopped) continue;
        reader->line += 1;
        reader->after_return = *at == '\r';
        end_row(reader, row, (size_t)(at - row));
        at += 1;
        row = at;
    }
    if (!reader->stopped && reader->state != CSV_BEFORE_ROW) {
        keep(reader, row, (size_t)(end - row));
    }
    return !reader->stopped;
}

bool csv_reader_finish(struct csv_reader *reader)
{
    if (reader->stopped) return false;
    if (reader->state == CSV_QUOTED) {
        set_fault(reader, reader->cell_line, open_quote);
    } else if (reader->state != CSV_BEFORE_ROW) {
        end_row(reader, "", 0);
    }
    return !reader->stopped;
}
