/* The open database: every floor below put together, and what the public handles are. */
#ifndef TACTUS_DATABASE_DATABASE_H
#define TACTUS_DATABASE_DATABASE_H

#include "base/budget.h"
#include "base/statistics.h"
#include "base/status.h"
#include "database/compactor.h"
#include "database/error.h"
#include "forest/forest.h"
#include "forest/schema.h"
#include "forest/sizing.h"
#include "io/file.h"
#include "io/process.h"
#include "io/reactor.h"
#include "query/query_pool.h"
#include "query/run.h"
#include "query/token.h"
#include "storage/checkpoint.h"
#include "storage/grid.h"
#include "storage/journal.h"
#include "storage/superblock.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    DATABASE_QUERIES_MAX = 64,
    DATABASE_CACHE_FRAMES_MIN = 16, /* unpinned, whatever cache_bytes says */
};
#define DATABASE_MAGIC UINT64_C(0x7461637475736462)

struct tactus_collection {
    tactus_db *db;
    struct collection *collection;
};

struct tactus_view {
    tactus_db *db;
    enum visibility visibility;
};

/* Objects on their way into a transaction: up to RESOLVE_MAX, with what was found of them beneath
 * the mutable tables (R3). */
struct txn_chunk {
    uint32_t count;
    uint8_t *objects; /* RESOLVE_MAX of the largest object, borrowed from the budget */
    uint8_t *old;     /* likewise */
    struct key keys[RESOLVE_MAX];
    struct key object_keys[RESOLVE_MAX];
    bool skip[RESOLVE_MAX];
    bool skip_object[RESOLVE_MAX];
    bool found[RESOLVE_MAX];
    bool old_found[RESOLVE_MAX];
    uint64_t timestamps[RESOLVE_MAX];
    uint8_t records[RESOLVE_MAX * INDEX_RECORD_SIZE_MAX];
    struct tactus_result results[RESOLVE_MAX];
};

struct tactus_txn {
    tactus_db *db;
    struct tactus_view view;
    bool open;
    bool timestamps_given;
    uint64_t first;
    uint64_t body_size;
    uint32_t event_count;
    struct event_kinds kinds;
    uint64_t timestamps[COLLECTIONS_MAX]; /* the highest used, or 0 */
    uint32_t event_counts[COLLECTIONS_MAX];
    struct collection_mark *marks; /* of each collection, where its part began; from the budget */
    struct txn_chunk *chunk;       /* from the budget */
};

/* What a query keeps while it is prepared: in the budget. */
struct query_state {
    struct query_run run;
    struct expression expression;
    struct query_plan plan;
};

struct tactus_query {
    tactus_db *db;
    struct query_state *state;
    bool open;
    const struct tactus_collection *collection;
    struct plan_order order;

    bool running;
    bool has_run;               /* since it was prepared or bound: its tokens have a meaning */
    bool is_fresh;              /* nothing was given out or counted since the run began */
    uint64_t generation;        /* of the database when the run began */
    enum visibility visibility; /* of the run */
    bool has_place;
    struct key place; /* of what was given out or counted last, or of the token it began with */
};

struct tactus_db {
    uint64_t magic;
    struct process_mark process; /* that opened it */
    struct tactus_open_options options;
    bool read_only;

    struct reactor reactor;
    struct layout layout;
    struct superblock superblock;
    struct schema *schema;
    struct sizing *sizing;
    char *schema_text;
    uint64_t schema_size;

    struct budget budget;
    void *region;
    uint64_t region_size;
    bool region_is_ours_alone; /* a child after fork() does not have it */
    struct grid grid;
    struct compactor compactor; /* zeroed in a read-only database */
    struct journal journal;
    struct checkpoint checkpoint;
    struct forest forest;
    struct scan_pool scan_pool;   /* cursors, of all scans */
    struct query_pool query_pool; /* scans, of all runs and sweeps */
    struct tactus_query queries[DATABASE_QUERIES_MAX];
    uint32_t query_count_max;
    uint8_t *state; /* CHECKPOINT_STATE_SIZE_MAX: the state trailer's bytes, at open */

    struct tactus_collection collections[COLLECTIONS_MAX];
    struct tactus_txn txn;
    struct tactus_view latest;
    uint64_t generation; /* raised by whatever ends runs */
    uint64_t flushed_ns; /* when the journal was last asked to become durable */
    uint64_t flushed_op; /* up to where */
    uint64_t replayed_ops;
    uint64_t journal_bytes; /* appended by this process */
    struct histogram *commit_ns;

    struct fault fault;
    struct tactus_error error;
    char warning[232];
};

/* ---- open.c ---------------------------------------------------------------------------------- */

/* Opens a database over a reactor whose file is open; takes the reactor over by value whatever
 * comes of it. Tests give it a simulated disk. `schema`, `create`: what to make if the file is
 * new. */
enum tactus_status database_open(
    struct reactor *reactor,
    const struct tactus_open_options *options,
    struct tactus_error *error,
    tactus_db **db
);

/* Gives everything up. Commits are durable before, if the journal can be written. */
enum tactus_status database_close(tactus_db *db);

/* In a child after fork(): gives up the child's memory and descriptors, and leaves the file, its
 * lock and what the parent has in flight alone. */
void database_abandon(tactus_db *db);

/* Takes every part's memory from the budget: measures, or carves. `overlay`: see forest_options. */
void database_init_parts(tactus_db *db, struct budget *budget, const uint32_t *overlay);

/* ---- create.c -------------------------------------------------------------------------------- */

/* Makes a new database in an open, empty file. Leaves the reactor open. */
enum tactus_status database_create(
    struct reactor *reactor,
    const char *schema_text,
    const struct tactus_create_options *options,
    struct tactus_error *error
);

/* Parses and sizes, as create does. `schema` and `sizing` are filled. */
enum tactus_status database_plan(
    const char *schema_text,
    const struct tactus_create_options *options,
    struct schema *schema,
    struct sizing *sizing,
    struct tactus_error *error
);

/* ---- bootstrap.c: what open, verify, inspect and repair read before there is a database ------ */

struct bootstrap {
    struct superblock superblock;
    struct superblock_report report;
    struct layout layout;
    struct schema *schema; /* owned, by malloc, as the next two */
    struct sizing *sizing;
    char *schema_text; /* zero-terminated */
    uint64_t schema_size;
};

/* Reads the superblock, the schema's text, and sizes both. On failure the fault is filled and
 * nothing is owned; what of the superblock was read stays. */
enum tactus_status bootstrap_read(
    struct bootstrap *bootstrap, struct reactor *reactor, struct fault *fault
);
void bootstrap_free(struct bootstrap *bootstrap);

/* The options that sizing_resolve() makes the file's sizing from. */
struct tactus_create_options bootstrap_create_options(const struct file_options *options);

/* ---- recovery.c ------------------------------------------------------------------------------ */

/* Loads the checkpoint, replays the journal, opens it for appending unless read-only. */
enum tactus_status database_recover(tactus_db *db);

/* How many events of each collection the journal holds, and how many entries: with memory of its
 * own, before the budget is measured (an overlay is sized by it). */
enum tactus_status recovery_count_events(
    struct reactor *reactor,
    const struct bootstrap *bootstrap,
    uint32_t *events,
    struct fault *fault
);

/* ---- transaction.c --------------------------------------------------------------------------- */

enum txn_verb {
    TXN_INSERT,
    TXN_UPSERT,
    TXN_UPDATE,
    TXN_REMOVE,
    TXN_PUT, /* this and the next are of maps */
    TXN_DELETE
};

static inline bool txn_verb_is_of_maps(enum txn_verb verb)
{
    return verb == TXN_PUT || verb == TXN_DELETE;
}

/* The name of the exported function, without `tactus_`. */
const char *txn_verb_name(enum txn_verb verb);

struct txn_call {
    enum txn_verb verb;
    struct collection *collection;
    const uint8_t *given; /* objects; ids for TXN_REMOVE, keys for TXN_DELETE */
    uint32_t count;
    struct tactus_result *results; /* NULL: all or nothing */
};

/* The verb is one of the collection's: of maps, or not. */
enum tactus_status transaction_call(struct tactus_txn *txn, const struct txn_call *call);

/* `wait`: under SYNC_COMMIT it returns when the transaction is durable; else it only sees to it
 * that it becomes so. */
enum tactus_status transaction_commit(struct tactus_txn *txn, bool wait, uint64_t *op);
void transaction_rollback(struct tactus_txn *txn);
enum tactus_status database_checkpoint(tactus_db *db);
enum tactus_status database_flush(tactus_db *db);

/* ---- What every exported function begins with ------------------------------------------------ */

/* Whether a call may use the handle; says nothing: for calls that leave the last error's words. */
bool database_is_usable(const tactus_db *db);

/* OK, MISUSE or FORKED, leaving words and fault alone: for calls of any thread. */
enum tactus_status database_enter_any(const tactus_db *db);

/* SYNC_INTERVAL: the first call after the interval, and a commit at its end, have what came before
 * made durable, without waiting for it. If that fails, the next call that writes says so. */
void database_flush_if_due(tactus_db *db);

/* OK, or why the handle cannot be used: MISUSE (NULL, closed), FORKED. Clears the last fault. */
enum tactus_status database_enter(tactus_db *db);

/* The same for a call that reads this collection through this view: EXPIRED, too. */
enum tactus_status database_enter_view(
    const struct tactus_view *view, const struct tactus_collection *collection
);

/* The same for a call that writes: READ_ONLY, POISONED too. */
enum tactus_status database_enter_write(tactus_db *db);

/* Puts the fault's words into db->error and returns its status. */
enum tactus_status database_failed(tactus_db *db);

/* Words for a caller's mistake. */
enum tactus_status database_misuse(tactus_db *db, const char *words);

/* A run of a query is over: what it read has changed. */
void database_end_runs(tactus_db *db);

#endif
