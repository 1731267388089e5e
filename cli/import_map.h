/* Which column, row number or constant each field of an object is filled from. */
#ifndef TACTUS_CLI_IMPORT_MAP_H
#define TACTUS_CLI_IMPORT_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "csv_reader.h"
#include "session.h"

enum source_kind {
    SOURCE_NONE = 0, /* stays zero: optional, the timestamp, reserved */
    SOURCE_COLUMN,
    SOURCE_ROW,  /* the data row's number over all files, from 1 */
    SOURCE_VALUE /* a constant */
};

struct source {
    enum source_kind kind;
    bool mapped;       /* by --map, not by its name */
    char *column_name; /* owned; NULL: the field's own name, letter case aside */
    const char *form;  /* borrowed from argv: strptime's, or NULL */
    uint32_t column;   /* of the file that is being read, from 0 */
};

/* Why a row is no object. */
struct row_fault {
    uint32_t column; /* from 0; UINT32_MAX: of no column */
    uint32_t field;  /* UINT32_MAX: of no field */
    char reason[512];
};

struct import_map {
    const struct session *session; /* borrowed */
    struct source *sources;        /* owned: one a field */
    uint8_t *constants;            /* owned: an object with the constants in it */
    bool has_clock;                /* --clock */
    const char *clock_name;        /* its column, borrowed from argv; NULL: none, or "wall" */
    uint32_t clock_column;

    /* Of the file that is being read. */
    char **columns; /* owned, names and all */
    uint32_t column_count;
    bool told_unknown; /* columns nobody takes were named already */
};

/* Reads every --map. 0, EXIT_USAGE or EXIT_DATA after complaining; import_map_deinit is due. */
int import_map_init(
    struct import_map *map, const struct session *session, const struct arguments *arguments
);
void import_map_deinit(struct import_map *map);

/* Forgets the names of the columns: what is said about a file without a header gives numbers. */
void import_map_forget_header(struct import_map *map);

/* Whether timestamps come from a column. */
bool import_map_fills_timestamps(const struct import_map *map);

/* Takes a file's header. False: `fault` has the reason (a column is missing or there twice). */
bool import_map_header(
    struct import_map *map, const struct csv_row *header, const char *file, struct row_fault *fault
);

/* Makes an object of a row. False: `fault` has the reason. */
bool import_map_row(
    const struct import_map *map,
    const struct csv_row *row,
    uint64_t row_number,
    void *object,
    struct row_fault *fault
);

/* The time in the --clock column. */
bool import_map_clock(
    const struct import_map *map, const struct csv_row *row, uint64_t *time, struct row_fault *fault
);

#endif
