/* What the parts of verify share. For src/database/verify*.c alone. */
#ifndef TACTUS_DATABASE_VERIFY_PARTS_H
#define TACTUS_DATABASE_VERIFY_PARTS_H

#include "database/database.h"
#include "database/report.h"
#include "lsm/table_info.h"
#include "lsm/table_layout.h"

#include <stdbool.h>
#include <stdint.h>

/* What is known of a block, one byte for each. */
enum verify_mark {
    MARK_ACQUIRED = 1, /* by the encoded free set */
    MARK_RELEASED = 2, /* likewise */
    MARK_REACHED = 4,  /* something refers to it */
    MARK_OWN = 8,      /* holds the free set itself: free in what it encodes (S11) */
};

struct verify {
    struct reactor *reactor; /* borrowed */
    struct report *report;   /* borrowed */
    struct fault *fault;     /* borrowed: what made it give up */
    struct bootstrap bootstrap;
    struct checksum file_id;
    uint64_t block_count;

    uint8_t *marks;     /* block_count + 1, by address; owned, as all of these */
    uint8_t *blocks[3]; /* room for a block each: roots and trailers, leaves, value blocks */
    uint8_t *filters;   /* room for the filter blocks of one table, one after the other */
    struct table_format *formats; /* by tree number, from 1 */
    struct table_info *tables;    /* live ones: by tree, level and key once the log is read */
    uint64_t table_count;
    uint64_t table_capacity;
    struct forest_state state;
    bool has_state;    /* it was read, and is whole */
    bool has_free_set; /* likewise */

    enum tactus_status status; /* not OK: give up, `fault` says why */
    bool is_incomplete;        /* something could not be followed */
    bool is_journal_damaged;
    uint64_t blocks_read;
    uint64_t bytes_read;
    uint64_t record_count;
    bool has_tombstones;  /* the table at hand */
    uint64_t built;       /* likewise: what its blocks name as the first beat that sees them */
    uint64_t stale_count; /* likewise: records in its blocks below its bounds (R18) */
    uint64_t entry_count;
};

/* A block that something refers to. */
struct verify_want {
    struct block_reference reference;
    enum block_type type;
    const struct table_info *table; /* whose block it is; NULL: a trailer's, or the log's */
};

/* ---- verify.c -------------------------------------------------------------------------------- */

/* For a bootstrap that was read: takes the memory that the parts below need. IO: there is none, and
 * the fault says so; verify_end() is due all the same. */
enum tactus_status verify_begin(struct verify *verify);

/* Gives all memory back, the bootstrap's too. */
void verify_end(struct verify *verify);

/* ---- verify_blocks.c ------------------------------------------------------------------------- */

/* Takes the memory for marks and blocks. IO: there is none. */
enum tactus_status verify_blocks_begin(struct verify *verify);

/* Reads the block into blocks[slot], marks it as reached and looks at its copy. False, with a fault
 * reported: it is not what the reference says, or was reached before. */
bool verify_block_read(struct verify *verify, const struct verify_want *want, uint32_t slot);

/* A fault of a block that was read. `what` is copied. */
void verify_block_fault(struct verify *verify, const struct verify_want *want, const char *what);

/* Trailers: schema, state, free set. */
void verify_trailers(struct verify *verify);

/* What is acquired against what was reached; after everything else. */
void verify_reachability(struct verify *verify);

/* ---- verify_journal.c ------------------------------------------------------------------------ */

void verify_journal(struct verify *verify);

/* ---- verify_manifest.c ----------------------------------------------------------------------- */

/* Walks the log, collects the live tables, looks at every level. */
void verify_manifest(struct verify *verify);

/* ---- verify_tables.c ------------------------------------------------------------------------- */

/* Reads every block of every table. */
void verify_tables(struct verify *verify);

/* Writes the name of a tree: "sale", "sale id", "sale index customer_at". */
void verify_tree_name(const struct schema *schema, uint32_t tree, char *name, uint32_t size);

/* ---- verify_contents.c ----------------------------------------------------------------------- */

/* Compares collections with themselves. The grid has no fault. */
void verify_contents(struct verify *verify);

#endif
