/* Rows of a CSV (RFC 4180). Where a row ends, and whether it is one, is found here, byte by byte;
 * libcsv takes the good ones apart. So a bad row (a stray quote, a NUL byte, a cell over 1 MiB, a
 * line over 10 MB) can be passed over: the next one begins behind the next line end outside quotes.
 * Of a quote that is left open nobody knows where that is: it ends the reading.
 *
 * Cells are never trimmed; lines end in LF, CR LF or CR; a byte order mark is skipped. A blank line
 * is a row of one empty cell where the first row has one cell, and no row elsewhere. */
#ifndef TACTUS_CLI_CSV_READER_H
#define TACTUS_CLI_CSV_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <csv.h>

enum { CSV_CELL_MAX = 1 << 20, CSV_ROW_MAX = 10 * 1000 * 1000, CSV_BLOCK_SIZE = 256 * 1024 };

struct csv_cell {
    size_t offset; /* in the row's text */
    size_t size;   /* without the zero that follows each cell there */
};

/* Borrowed for the call it comes with. */
struct csv_row {
    uint64_t line; /* where it begins, from 1 */
    const char *text;
    const struct csv_cell *cells;
    uint32_t cell_count;
};

/* What is wrong with the text itself. */
struct csv_fault {
    uint64_t line;      /* where it was found; of an open quote, where that stands */
    uint32_t column;    /* the cell's number in its row, from 1 */
    const char *reason; /* literal: "WHY; WHAT TO DO"; NULL: no fault */
};

struct csv_calls {
    /* One row, of at least one cell. Answer false to stop. */
    bool (*row)(void *context, const struct csv_row *row);

    /* A row that is none. True: it is passed over, and its bytes go to `passed`; false, or NULL
     * here: the reader stops, and keeps the fault. */
    bool (*bad)(void *context, const struct csv_fault *fault);

    /* The next bytes of a row that is passed over, as they stand in the file, without the line end;
     * bytes NULL: that was all of it. */
    void (*passed)(void *context, const char *bytes, size_t size);
    void *context; /* borrowed */
};

enum csv_state {
    CSV_BEFORE_ROW = 0,
    CSV_BEFORE_CELL,
    CSV_PLAIN,
    CSV_QUOTED,
    CSV_AFTER_QUOTE /* in a quoted cell: its end, or the first of two quotes */
};

struct csv_reader {
    struct csv_parser parser;
    struct csv_calls calls;
    bool stops_plain[256]; /* bytes that are more than a byte of a cell that has no quotes */
    char delimiter;

    char *text; /* owned: the cells of the row that is being read */
    size_t text_size, text_room;
    struct csv_cell *cells; /* owned */
    uint32_t cell_count, cell_room;
    uint32_t first_count; /* cells of the first row; 0: there was none yet */

    char *raw; /* owned: what blocks before this one had of the row */
    size_t raw_size, raw_room;
    enum csv_state state;
    uint32_t column; /* of the cell that is being read, from 0 */
    size_t cell_size, row_size;

    uint64_t line;      /* of what comes next */
    uint64_t row_line;  /* of the row's first byte */
    uint64_t cell_line; /* of the cell's */
    bool after_return;  /* a CR ended the last line: an LF belongs to it */
    bool passing;       /* the row is bad and is passed over */
    bool begun;         /* the first bytes were looked at for a byte order mark */
    bool stopped;       /* by a fault or by the row function */
    struct csv_fault fault;
};

/* False: there is no memory. csv_reader_deinit is due either way. */
bool csv_reader_init(struct csv_reader *reader, char delimiter, const struct csv_calls *calls);
void csv_reader_deinit(struct csv_reader *reader);

/* Reads the next bytes (at least three in the first call, unless there are no more). False: it has
 * stopped, by a fault if reader->fault.reason is not NULL, else by the row function. */
bool csv_reader_feed(struct csv_reader *reader, const char *bytes, size_t size);

/* The text is at its end: gives the last row. */
bool csv_reader_finish(struct csv_reader *reader);

#endif
