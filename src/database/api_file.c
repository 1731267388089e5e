/* Exported: files, options, handles, words. Every function here checks its arguments and calls one
 * below; a caller's misuse ends here. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "database/database.h"
#include "forest/schema_parser.h"

#include "base/poison.h"

uint32_t tactus_version(void)
{
    return TACTUS_VERSION_NUMBER;
}

const char *tactus_status_text(enum tactus_status status)
{
    static const char *const texts[] = {
        "ok",
        "it exists already",
        "it is absent",
        "a value is not valid",
        "some objects were refused",
        "a syntax error",
        "the schema is another",
        "a limit is reached",
        "the disk is full",
        "the file is damaged",
        "the system refused",
        "a write failed",
        "it is busy",
        "it has expired",
        "it is read-only",
        "the file's format is unknown",
        "the handle is from before a fork",
        "the call is wrong",
    };
    const uint32_t number = (uint32_t)status;
    return number < sizeof texts / sizeof texts[0] ? texts[number] : "an unknown status";
}

/* ---- What every exported function begins with ------------------------------------------------ */

static bool is_writable(const tactus_db *db)
{
    return !db->read_only && db->forest.broken == TACTUS_OK && db->grid.status == TACTUS_OK &&
           db->journal.stage == JOURNAL_OPEN && !journal_is_poisoned(&db->journal);
}

void database_flush_if_due(tactus_db *db)
{
    if (db->options.sync != TACTUS_SYNC_INTERVAL || !is_writable(db)) return;
    const uint64_t op_durable = journal_op_durable(&db->journal);
    const uint64_t op_last = journal_op_last(&db->journal);
    if (op_durable == op_last) return;
    const uint64_t now = reactor_now_ns(&db->reactor);
    if (op_durable < db->flushed_op) {
        journal_poll(&db->journal); /* on its way */
    } else if (now - db->flushed_ns >= db->options.sync_interval_ns) {
        db->flushed_ns = now;
        db->flushed_op = op_last;
        journal_flush_start(&db->journal);
    }
}

enum tactus_status database_enter_any(const tactus_db *db)
{
    if (db == NULL || db->magic != DATABASE_MAGIC) return TACTUS_MISUSE;
    return process_mark_is_child(&db->process) ? TACTUS_FORKED : TACTUS_OK;
}

bool database_is_usable(const tactus_db *db)
{
    return database_enter_any(db) == TACTUS_OK;
}

enum tactus_status database_enter(tactus_db *db)
{
    TRY(database_enter_any(db));
    db->error = (struct tactus_error){0};
    fault_clear(&db->fault);
    database_flush_if_due(db);
    return TACTUS_OK;
}

enum tactus_status database_enter_view(const tactus_view *view, const tactus_collection *collection)
{
    if (view == NULL || view->db == NULL) return TACTUS_MISUSE;
    tactus_db *db = view->db;
    TRY(database_enter(db));
    if (view->visibility == VISIBLE_ALL && !db->txn.open) {
        return error_set(
            &db->error, TACTUS_EXPIRED, "the transaction has ended; read by tactus_latest()"
        );
    }
    if (collection == NULL || collection->db != db) {
        return database_misuse(db, "the collection is NULL, or another database's");
    }
    return TACTUS_OK;
}

enum tactus_status database_enter_write(tactus_db *db)
{
    TRY(database_enter(db));
    if (db->read_only) {
        return error_set(
            &db->error, TACTUS_READ_ONLY, "the file was opened read-only; open it for writing"
        );
    }
    if (journal_is_poisoned(&db->journal)) {
        const enum tactus_status status = journal_poisoned(&db->journal);
        (void)database_failed(db); /* the cause, in words */
        db->error.status = (int32_t)status;
        return status;
    }
    if (!is_writable(db)) {
        return error_set(
            &db->error,
            TACTUS_POISONED,
            "an earlier write failed, so what is durable is unknown; close and reopen the file"
        );
    }
    return TACTUS_OK;
}

enum tactus_status database_failed(tactus_db *db)
{
    assert(db->fault.status != TACTUS_OK);
    error_find_byte(&db->fault, &db->layout);
    return error_from_fault(&db->error, &db->fault);
}

enum tactus_status database_misuse(tactus_db *db, const char *words)
{
    return error_set(&db->error, TACTUS_MISUSE, "%s", words);
}

void database_end_runs(tactus_db *db)
{
    db->generation += 1;
    for (uint32_t index = 0; index < db->query_count_max; index += 1) {
        struct tactus_query *query = &db->queries[index];
        if (!query->running) continue;
        query_run_stop(&query->state->run);
        query->running = false;
    }
}

/* ---- Options --------------------------------------------------------------------------------- */

void tactus_create_options_init(struct tactus_create_options *options, size_t struct_bytes)
{
    if (options == NULL || struct_bytes > sizeof *options) return;
    const struct tactus_create_options defaults = {.struct_bytes = (uint32_t)struct_bytes};
    memcpy(options, &defaults, struct_bytes);
}

void tactus_open_options_init(struct tactus_open_options *options, size_t struct_bytes)
{
    if (options == NULL || struct_bytes > sizeof *options) return;
    const struct tactus_open_options defaults = {
        .struct_bytes = (uint32_t)struct_bytes,
        .sync = TACTUS_SYNC_COMMIT,
        .sync_interval_ns = 10 * 1000 * 1000,
        .cache_bytes = UINT64_C(64) << 20,
        .view_count_max = 8,
        .query_count_max = 16,
    };
    memcpy(options, &defaults, struct_bytes);
}

void tactus_txn_options_init(struct tactus_txn_options *options, size_t struct_bytes)
{
    if (options == NULL || struct_bytes > sizeof *options) return;
    const struct tactus_txn_options defaults = {.struct_bytes = (uint32_t)struct_bytes};
    memcpy(options, &defaults, struct_bytes);
}

/* Copies what the caller's version of the struct has; the rest keeps its default. */
static bool take_struct(void *target, size_t size, const void *given, uint32_t given_bytes)
{
    if (given == NULL) return true;
    if (given_bytes < sizeof given_bytes || given_bytes > size) return false;
    memcpy(target, given, given_bytes);
    return true;
}

static bool take_create_options(
    struct tactus_create_options *target, const struct tactus_create_options *given
)
{
    tactus_create_options_default(target);
    const uint32_t given_bytes = given == NULL ? 0 : given->struct_bytes;
    const uint32_t flags = TACTUS_OVERWRITE | TACTUS_CREATE_POSIX_IO;
    return take_struct(target, sizeof *target, given, given_bytes) && (target->flags & ~flags) == 0;
}

static enum tactus_status take_open_options(
    struct tactus_open_options *target,
    const struct tactus_open_options *given,
    struct tactus_error *error
)
{
    tactus_open_options_default(target);
    if (!take_struct(target, sizeof *target, given, given == NULL ? 0 : given->struct_bytes)) {
        return error_set(
            error, TACTUS_MISUSE, "open options: not filled by tactus_open_options_default()"
        );
    }
    const uint32_t flags = TACTUS_READ_ONLY_OPEN | TACTUS_NO_WORKER | TACTUS_POSIX_IO;
    if (target->sync > TACTUS_SYNC_NONE || (target->flags & ~flags) != 0) {
        return error_set(
            error, TACTUS_MISUSE, "open options: sync or flags is out of range; see tactus.h"
        );
    }
    if (target->compaction_depth > COMPACTION_DEPTH_MAX) {
        return error_set(
            error,
            TACTUS_MISUSE,
            "open options: compaction_depth is %u; choose 1 to %u, or 0 for the default, %u",
            target->compaction_depth,
            (unsigned)COMPACTION_DEPTH_MAX,
            (unsigned)COMPACTION_DEPTH_DEFAULT
        );
    }
    if (target->query_count_max == 0 || target->query_count_max > DATABASE_QUERIES_MAX) {
        return error_set(
            error,
            TACTUS_MISUSE,
            "open options: query_count_max is %u; choose 1 to %u",
            target->query_count_max,
            (unsigned)DATABASE_QUERIES_MAX
        );
    }
    if (target->cache_bytes > UINT64_C(1) << 44) {
        return error_set(error, TACTUS_MISUSE, "open options: cache_bytes is over 16 TiB");
    }
    return TACTUS_OK;
}

static enum io_path io_path_of(const struct tactus_open_options *options)
{
    return (options->flags & TACTUS_POSIX_IO) != 0 ? IO_PATH_POSIX : IO_PATH_AUTO;
}

/* ---- Files ----------------------------------------------------------------------------------- */

enum tactus_status tactus_create(
    const char *path,
    const char *schema,
    const struct tactus_create_options *options,
    struct tactus_error *error
)
{
    struct tactus_create_options create;
    if (path == NULL || schema == NULL || !take_create_options(&create, options)) {
        return error_set(
            error,
            TACTUS_MISUSE,
            "create: path or schema is NULL, or the options are not initialised"
        );
    }
    /* The schema is looked at before a file that is there is touched. */
    TRY(tactus_memory_required(schema, &create, NULL, NULL, error));
    struct reactor reactor = {0};
    struct fault fault = {0};
    const struct file_open_options file_options = {
        .path = path,
        .create = true,
        .overwrite = (create.flags & TACTUS_OVERWRITE) != 0,
        .io = (create.flags & TACTUS_CREATE_POSIX_IO) != 0 ? IO_PATH_POSIX : IO_PATH_AUTO,
    };
    if (file_open(&reactor, &file_options, &fault) != TACTUS_OK) {
        return error_from_fault(error, &fault);
    }
    const enum tactus_status status = database_create(&reactor, schema, &create, error);
    if (status == TACTUS_OK) {
        file_close(&reactor);
    } else {
        file_discard(&reactor, path);
    }
    return status;
}

/* Opens the file, or makes it where the options have a schema and it is absent. */
static enum tactus_status open_file(
    struct reactor *reactor,
    const char *path,
    const struct tactus_open_options *options,
    struct tactus_error *error
)
{
    const bool memory = strcmp(path, ":memory:") == 0;
    struct file_open_options file_options = {
        .path = path,
        .create = memory,
        .read_only = (options->flags & TACTUS_READ_ONLY_OPEN) != 0,
        .io = io_path_of(options),
    };
    if (memory && (options->schema == NULL || file_options.read_only)) {
        return error_set(
            error, TACTUS_MISUSE, "open: a file in memory needs a schema and cannot be read-only"
        );
    }
    struct fault fault = {0};
    enum tactus_status status = file_open(reactor, &file_options, &fault);
    if (status == TACTUS_ABSENT && options->schema != NULL && !file_options.read_only) {
        TRY(tactus_memory_required(options->schema, options->create, NULL, NULL, error));
        fault_clear(&fault);
        file_options.create = true;
        status = file_open(reactor, &file_options, &fault);
        if (status == TACTUS_EXISTS) { /* somebody was quicker */
            fault_clear(&fault);
            file_options.create = false;
            status = file_open(reactor, &file_options, &fault);
        }
    }
    if (status != TACTUS_OK) return error_from_fault(error, &fault);
    return TACTUS_OK;
}

enum tactus_status tactus_open(
    const char *path,
    const struct tactus_open_options *options,
    struct tactus_error *error,
    tactus_db **db
)
{
    if (path == NULL || db == NULL) {
        return error_set(error, TACTUS_MISUSE, "open: path or db is NULL");
    }
    struct tactus_open_options open;
    TRY(take_open_options(&open, options, error));
    struct tactus_create_options create;
    if (!take_create_options(&create, open.create)) {
        return error_set(error, TACTUS_MISUSE, "open: the create options are not initialised");
    }
    open.create = &create;
    struct reactor reactor = {0};
    TRY(open_file(&reactor, path, &open, error));
    const bool unlinkable = reactor.is_unlinkable;
    const enum tactus_status status = database_open(&reactor, &open, error, db);
    /* What was made for this open and came to nothing is not left behind. */
    if (status != TACTUS_OK && unlinkable) (void)unlink(path);
    return status;
}

enum tactus_status tactus_close(tactus_db *db)
{
    if (db == NULL) return TACTUS_OK;
    const enum tactus_status status = database_enter_any(db);
    if (status == TACTUS_FORKED) database_abandon(db);
    if (status != TACTUS_OK) return status;
    if (db->txn.open) return database_misuse(db, "close: a transaction is open; end it first");
    for (uint32_t index = 0; index < db->query_count_max; index += 1) {
        if (!db->queries[index].open) continue;
        return database_misuse(db, "close: a query is open; close it first");
    }
    return database_close(db) == TACTUS_OK ? TACTUS_OK : TACTUS_POISONED;
}

const char *tactus_warning(const tactus_db *db)
{
    return database_is_usable(db) ? db->warning : "";
}

const struct tactus_error *tactus_error(const tactus_db *db)
{
    static const struct tactus_error closed = {
        .status = TACTUS_MISUSE,
        .text = "the handle is NULL or closed; open a file",
    };
    static const struct tactus_error forked = {
        .status = TACTUS_FORKED,
        .text = "the handle was opened before fork(): it is the parent's; open one in the child",
    };
    const enum tactus_status status = database_enter_any(db);
    if (status == TACTUS_FORKED) return &forked;
    return status == TACTUS_OK ? &db->error : &closed;
}

/* ---- What it costs --------------------------------------------------------------------------- */

static uint64_t line_bytes(const struct budget *budget, const char *name)
{
    for (uint32_t index = 0; index < budget_line_count(budget); index += 1) {
        const struct budget_line line = budget_line_at(budget, index);
        if (strcmp(line.name, name) == 0) return line.bytes;
    }
    return 0;
}

static void plan_fill(
    struct tactus_plan *plan,
    const struct sizing *sizing,
    const struct budget *budget,
    uint64_t region_bytes
)
{
    enum { REPLAY_BYTES_A_SECOND = 100 * 1000 * 1000 };
    const uint32_t struct_bytes = plan->struct_bytes;
    bool tables_bind = false;
    struct layout layout;
    layout_init(&layout, sizing->block_size, sizing->journal_bytes, sizing->size_max);
    *plan = (struct tactus_plan){
        .struct_bytes = struct_bytes,
        .batch_max = sizing->batch_max,
        .bar_beats = sizing->bar_beats,
        .tree_count = sizing->tree_count,
        .block_size = sizing->block_size,
        .journal_bytes = sizing->journal_bytes,
        .size_max = sizing->size_max,
        .tables_max = sizing->tables_max,
        .entry_bytes_max = sizing->entry_bytes_max,
        .memory_bytes = region_bytes,
        .memory_tables_bytes = line_bytes(budget, "memory tables"),
        .sort_scratch_bytes = line_bytes(budget, "sort scratch"),
        .transaction_bytes = line_bytes(budget, "transaction") + line_bytes(budget, "journal"),
        .cache_bytes = line_bytes(budget, "cache"),
        .free_set_bytes = line_bytes(budget, "free set"),
        .manifest_bytes = line_bytes(budget, "manifest"),
        .query_bytes = line_bytes(budget, "queries"),
        .objects_max = sizing_objects_max(sizing, &tables_bind),
        .object_bytes_logical = sizing->object_bytes_logical,
        .file_bytes_empty = layout_file_size(&layout, 2 * sizing->bar_blocks_empty),
        .open_seconds_max = (double)sizing->journal_bytes / REPLAY_BYTES_A_SECOND,
    };
    plan->other_bytes = region_bytes - plan->memory_tables_bytes - plan->sort_scratch_bytes -
                        plan->transaction_bytes - plan->cache_bytes - plan->free_set_bytes -
                        plan->manifest_bytes - plan->query_bytes;
    /* The smallest event is a removal, so a journal full of them brings the most records. */
    plan->read_only_bytes_max = sizing->journal_bytes / (EVENT_HEADER_SIZE + EVENT_REMOVE_SIZE) *
                                sizing->event_memory_bytes;
    plan->tables_bind = tables_bind;
    plan->write_amplification_max = sizing_write_amplification(sizing, plan->objects_max);
}

static enum tactus_status plan_measure(
    tactus_db *db, const char *schema, struct tactus_plan *plan, struct tactus_error *error
)
{
    TRY(database_plan(schema, db->options.create, db->schema, db->sizing, error));
    const struct sizing *sizing = db->sizing;
    layout_init(&db->layout, sizing->block_size, sizing->journal_bytes, sizing->size_max);
    budget_measure_begin(&db->budget);
    database_init_parts(db, &db->budget, NULL);
    if (plan == NULL) return TACTUS_OK;
    const uint64_t bytes = round_up_u64(budget_used(&db->budget), BUDGET_ALIGNMENT);
    plan_fill(plan, sizing, &db->budget, bytes);
    return TACTUS_OK;
}

enum tactus_status tactus_memory_required(
    const char *schema,
    const struct tactus_create_options *create,
    const struct tactus_open_options *open,
    struct tactus_plan *plan,
    struct tactus_error *error
)
{
    struct tactus_create_options create_options;
    if (schema == NULL || !take_create_options(&create_options, create) ||
        (plan != NULL && plan->struct_bytes != sizeof *plan)) {
        return error_set(
            error, TACTUS_MISUSE, "plan: the schema is NULL, or a struct is not initialised"
        );
    }
    tactus_db *db = calloc(1, sizeof *db);
    if (db == NULL) return error_set(error, TACTUS_IO, "plan: the system has no memory");
    db->schema = malloc(sizeof *db->schema);
    db->sizing = malloc(sizeof *db->sizing);
    enum tactus_status status = TACTUS_IO;
    if (db->schema == NULL || db->sizing == NULL) {
        (void)error_set(error, status, "plan: the system has no memory");
    } else {
        status = take_open_options(&db->options, open, error);
        db->options.create = &create_options;
        db->query_count_max = db->options.query_count_max;
        if (status == TACTUS_OK) status = plan_measure(db, schema, plan, error);
    }
    free(db->schema);
    free(db->sizing);
    free(db);
    return status;
}
