/* Rows of a CSV (RFC 4180), by libcsv, with what libcsv leaves to its caller: lines are counted,
 * zero bytes, cells over 1 MiB and lines over 10 MB are faults, a byte order mark is skipped.
 *
 * Cells are never trimmed; lines end in LF, CR LF or CR; blank lines are no rows. */
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

/* One row, of at least one cell. Answer false to stop. */
typedef bool (*csv_row_fn)(void *context, const struct csv_row *row);

struct csv_reader {
    struct csv_parser parser;
    csv_row_fn row;
    void *context; /* borrowed */

    char *text; /* owned: the cells of the row that is being read */
    size_t text_size, text_room;
    struct csv_cell *cells; /* owned */
    uint32_t cell_count, cell_room;

    uint64_t line;     /* of what comes next */
    uint64_t row_line; /* of the row's first cell */
    bool after_return; /* a CR ended the last line: an LF belongs to it */
    bool has_zero;     /* the block that is being read has a zero byte in it */
    bool begun;        /* the first bytes were looked at for a byte order mark */
    bool stopped;      /* by a fault or by the row function */
    struct csv_fault fault;
};

/* False: there is no memory. csv_reader_deinit is due either way. */
bool csv_reader_init(struct csv_reader *reader, char delimiter, csv_row_fn row, void *context);
void csv_reader_deinit(struct csv_reader *reader);

/* Reads the next bytes (at least three in the first call, unless there are no more). False: it has
 * stopped, by a fault if reader->fault.reason is not NULL, else by the row function. */
bool csv_reader_feed(struct csv_reader *reader, const char *bytes, size_t size);

/* The text is at its end: gives the last row. */
bool csv_reader_finish(struct csv_reader *reader);

#endif
