/* The rows of one transaction of an import: gathered as objects, then written at once.
 *
 * No transaction is open while rows are gathered, so what is interrupted drops the running one by
 * doing nothing. */
#ifndef TACTUS_CLI_IMPORT_BATCH_H
#define TACTUS_CLI_IMPORT_BATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "import_map.h"
#include "session.h"

/* Of a map, replacing is blind; the others look first. */
enum on_exists { ON_EXISTS_ERROR = 0, ON_EXISTS_SKIP, ON_EXISTS_REPLACE };

struct row_place {
    const char *file; /* borrowed from argv */
    uint64_t line;
    size_t text_offset; /* in the batch's texts, where rows are kept for --reject */
    uint32_t cell_count;
};

struct import_counts {
    uint64_t imported; /* inserted or replaced, and committed */
    uint64_t skipped;  /* were there already */
    uint64_t rejected; /* set aside */
    uint64_t commits;
};

struct import_batch {
    struct session *session; /* borrowed */
    struct import_map *map;  /* borrowed */
    enum on_exists on_exists;
    enum tactus_sync sync;
    char delimiter;
    bool ack;
    bool wall_clock;   /* --clock wall */
    FILE *reject;      /* borrowed, or NULL */
    bool reject_begun; /* its header is written */
    uint32_t capacity; /* rows in a transaction */

    uint32_t count;
    uint8_t *objects; /* owned, as are the next three: one a row */
    struct row_place *places;
    struct tactus_result *results;
    char *texts; /* owned: the rows' cells, each zero-terminated */
    size_t texts_size, texts_room;

    struct import_counts counts;
    uint64_t timestamp_last; /* with --clock COLUMN */
    uint64_t *commit_ns;     /* owned: how long each transaction took */
    uint64_t commit_room;
    uint64_t rows_acked;
    uint64_t rows_pending, op_pending; /* committed, and not known to be durable */
};

/* 0 or an exit code after complaining; import_batch_deinit is due either way. The fields above the
 * blank line are the caller's to set before. */
int import_batch_init(struct import_batch *batch);
void import_batch_deinit(struct import_batch *batch);

/* Adds a row; it commits what is there when the batch is full. EXIT_DATA: the row is bad, and there
 * is no --reject; it has complained. */
int import_batch_add(
    struct import_batch *batch, const struct csv_row *row, uint64_t row_number, const char *file
);

/* Commits what is there. */
int import_batch_commit(struct import_batch *batch);

/* Prints `ack N` for every row committed: they are durable now. */
void import_batch_ack_all(struct import_batch *batch);

/* Sets a row aside that is no row, byte by byte: begin, bytes without the line end, end. */
void import_batch_reject_begin(struct import_batch *batch);
void import_batch_reject_bytes(struct import_batch *batch, const char *bytes, size_t size);
void import_batch_reject_end(struct import_batch *batch);

/* "FILE:LINE: column NAME: REASON" on standard error. */
int complain_row(
    const struct import_map *map, const char *file, uint64_t line, const struct row_fault *fault
);

#endif
