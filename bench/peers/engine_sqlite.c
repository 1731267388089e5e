/* SQLite, given the same work as Tactus: one table, its key the timestamp, an index without
 * repetition on the id and five others. Numbers of 128 bits are blobs of 16 bytes, big-endian.
 *
 * A transaction is one of SQLite's, by prepared statements, in a write-ahead log: synced at each
 * commit if commits are to be durable, never if not. The log may grow to a quarter of the budget
 * before it is brought into the file, so that a page that is changed again and again is written
 * less often; the page cache has the rest. Pages of 4 KiB: of 1 M objects, larger ones took as much
 * CPU time and wrote more. Nobody else opens the file, so there is no shared memory, and one lock
 * for good.
 *
 * Reads: it is told how its indexes are distributed (ANALYZE). Two conditions are asked for by
 * going through the account's entries and looking for each in the index of the code, so that only
 * objects that have both are fetched: of 1 M objects six times as quick as `debit=?1 and code=?2`,
 * which fetches all of the account, and direct fourteen times. 64 ids are looked up one by one, in
 * one transaction.
 *
 * Files are read and written through the page cache of the system, which is memory beyond the
 * budget; direct reads go past it by sqlite_direct.h, a page at a time. */
#include "engine_sqlite.h"

#include <sqlite3.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqlite_direct.h"

enum { PAGE_SIZE = 4096, ID_BYTES = 16, SQL_SIZE = 600 };

enum statement {
    INSERT = 0,
    UPDATE,
    GET,
    NEWEST,
    TWO,
    SCAN,
    BEGIN,
    COMMIT,
    ROLLBACK,
    STATEMENT_COUNT
};

#define COLUMNS                                                                                    \
    "timestamp, id, debit, credit, amount, user128, user64, user32, ledger, code, flags, "         \
    "timeout, "                                                                                    \
    "pending"

static const char *const statement_texts[STATEMENT_COUNT] = {
    [INSERT] = "insert into entry(" COLUMNS ") values(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)",
    [UPDATE] = "update entry set debit=?3, credit=?4, amount=?5, user128=?6, user64=?7, "
               "user32=?8, ledger=?9, code=?10, flags=?11, timeout=?12, pending=?13 where id=?2",
    [GET] = "select " COLUMNS " from entry where id=?1",
    [NEWEST] = "select " COLUMNS " from entry where debit=?1 order by timestamp desc limit ?3",
    [TWO] = "select " COLUMNS " from entry as d where debit=?1 and exists(select 1 from entry as c"
            " indexed by entry_code where c.code=?2 and c.timestamp=d.timestamp)"
            " order by timestamp desc limit ?3",
    [SCAN] = "select " COLUMNS " from entry order by timestamp",
    [BEGIN] = "begin",
    [COMMIT] = "commit",
    [ROLLBACK] = "rollback",
};

static const char schema[] =
    "create table entry(timestamp integer primary key, id blob not null, debit blob not null,"
    " credit blob not null, amount blob not null, user128 blob not null, user64 integer not null,"
    " user32 integer not null, ledger integer not null, code integer not null,"
    " flags integer not null, timeout integer not null, pending blob not null);"
    "create unique index entry_id on entry(id);"
    "create index entry_debit on entry(debit);"
    "create index entry_credit on entry(credit);"
    "create index entry_amount on entry(amount);"
    "create index entry_user64 on entry(user64);"
    "create index entry_code on entry(code);";

struct sqlite_store {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    uint64_t last; /* timestamp */
    uint64_t pages_read;
    uint64_t pages_cached;
};

static bool failed(struct sqlite_store *store, const char *what, struct bench_failure *failure)
{
    const char *words = store->db != NULL ? sqlite3_errmsg(store->db) : "there is no memory";
    return bench_fail(failure, TACTUS_IO, "sqlite: %s: %s", what, words);
}

static bool run_text(struct sqlite_store *store, const char *text, struct bench_failure *failure)
{
    if (sqlite3_exec(store->db, text, NULL, NULL, NULL) == SQLITE_OK) return true;
    return failed(store, text, failure);
}

/* ---- Open and close ------------------------------------------------------------------------- */

static void store_close(struct sqlite_store *store)
{
    for (uint32_t i = 0; i < STATEMENT_COUNT; i += 1)
        (void)sqlite3_finalize(store->statements[i]);
    (void)sqlite3_close(store->db);
    free(store);
}

static bool engine_close(void *store, struct bench_failure *failure)
{
    struct sqlite_store *self = store;
    for (uint32_t i = 0; i < STATEMENT_COUNT; i += 1) {
        (void)sqlite3_finalize(self->statements[i]);
        self->statements[i] = NULL;
    }
    const bool closed = sqlite3_close(self->db) == SQLITE_OK || failed(self, "close", failure);
    if (closed) self->db = NULL;
    store_close(self);
    return closed;
}

static bool prepare(struct sqlite_store *store, struct bench_failure *failure)
{
    for (uint32_t i = 0; i < STATEMENT_COUNT; i += 1) {
        const int code = sqlite3_prepare_v3(
            store->db,
            statement_texts[i],
            -1,
            SQLITE_PREPARE_PERSISTENT,
            &store->statements[i],
            NULL
        );
        if (code != SQLITE_OK) return failed(store, statement_texts[i], failure);
    }
    return true;
}

static bool fill(
    struct sqlite_store *store, const struct bench_settings *settings, struct bench_failure *failure
)
{
    const uint32_t sync = settings->open.sync;
    const char *words = "normal";
    if (sync == TACTUS_SYNC_NONE) words = "off";
    if (sync == TACTUS_SYNC_COMMIT) words = "full";
    const uint64_t log_bytes = settings->budget_bytes / 4;
    const uint64_t cache_bytes = settings->budget_bytes - log_bytes;
    char text[SQL_SIZE];
    (void)snprintf(
        text,
        sizeof text,
        "pragma page_size=%d; pragma locking_mode=exclusive; pragma journal_mode=wal;"
        "pragma synchronous=%s; pragma cache_size=-%llu; pragma wal_autocheckpoint=%llu",
        PAGE_SIZE,
        words,
        (unsigned long long)(cache_bytes / 1024),
        (unsigned long long)(log_bytes / PAGE_SIZE)
    );
    return run_text(store, text, failure) && run_text(store, schema, failure);
}

static bool engine_open(
    const struct bench_settings *settings,
    const char *path,
    void **store,
    struct bench_failure *failure
)
{
    struct sqlite_store *self = calloc(1, sizeof *self);
    if (self == NULL) return bench_fail(failure, TACTUS_IO, "sqlite: there is no memory");
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    const bool opened = sqlite3_open_v2(path, &self->db, flags, NULL) == SQLITE_OK;
    if (!opened) (void)failed(self, path, failure);
    if (!opened || !fill(self, settings, failure) || !prepare(self, failure)) {
        store_close(self);
        return false;
    }
    *store = self;
    return true;
}

/* A file that nobody changes: no lock is taken. */
static bool engine_reopen(
    const struct bench_settings *settings,
    const char *path,
    uint64_t cache_bytes,
    bool direct,
    void **store,
    struct bench_failure *failure
)
{
    (void)settings;
    struct sqlite_store *self = calloc(1, sizeof *self);
    if (self == NULL) return bench_fail(failure, TACTUS_IO, "sqlite: there is no memory");
    const int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI;
    char uri[4200];
    char text[SQL_SIZE];
    (void)snprintf(uri, sizeof uri, "file:%s?immutable=1", path);
    (void)snprintf(
        text, sizeof text, "pragma cache_size=-%llu", (unsigned long long)(cache_bytes / 1024)
    );
    const bool opened =
        sqlite_direct_register() == SQLITE_OK &&
        sqlite3_open_v2(uri, &self->db, flags, direct ? SQLITE_DIRECT_NAME : NULL) == SQLITE_OK;
    if (!opened) (void)failed(self, path, failure);
    if (!opened || !run_text(self, text, failure) || !prepare(self, failure)) {
        store_close(self);
        return false;
    }
    *store = self;
    return true;
}

/* ---- Values --------------------------------------------------------------------------------- */

static void big_endian(uint8_t *bytes, uint64_t number)
{
    for (uint32_t i = 0; i < 8; i += 1)
        bytes[i] = (uint8_t)(number >> (8 * (7 - i)));
}

static uint64_t from_big_endian(const uint8_t *bytes)
{
    uint64_t number = 0;
    for (uint32_t i = 0; i < 8; i += 1)
        number = number << 8 | bytes[i];
    return number;
}

static void bind_u128(sqlite3_stmt *statement, int parameter, struct tactus_u128 value)
{
    uint8_t bytes[ID_BYTES];
    big_endian(bytes, value.high);
    big_endian(bytes + 8, value.low);
    (void)sqlite3_bind_blob(statement, parameter, bytes, sizeof bytes, SQLITE_TRANSIENT);
}

static void bind_number(sqlite3_stmt *statement, int parameter, uint64_t value)
{
    (void)sqlite3_bind_int64(statement, parameter, (sqlite3_int64)value);
}

static struct tactus_u128 column_u128(sqlite3_stmt *statement, int column)
{
    struct tactus_u128 value = {0};
    const uint8_t *bytes = sqlite3_column_blob(statement, column);
    if (bytes == NULL || sqlite3_column_bytes(statement, column) != ID_BYTES) return value;
    value.high = from_big_endian(bytes);
    value.low = from_big_endian(bytes + 8);
    return value;
}

static uint64_t column_number(sqlite3_stmt *statement, int column)
{
    return (uint64_t)sqlite3_column_int64(statement, column);
}

/* Parameters 1 to 13, in the order of COLUMNS; so are the columns of a row, from 0. */
static void bind_object(
    sqlite3_stmt *statement, const struct bench_object *object, uint64_t timestamp
)
{
    bind_number(statement, 1, timestamp);
    bind_u128(statement, 2, object->id);
    bind_u128(statement, 3, object->debit);
    bind_u128(statement, 4, object->credit);
    bind_u128(statement, 5, object->amount);
    bind_u128(statement, 6, object->user128);
    bind_number(statement, 7, object->user64);
    bind_number(statement, 8, object->user32);
    bind_number(statement, 9, object->ledger);
    bind_number(statement, 10, object->code);
    bind_number(statement, 11, object->flags);
    bind_number(statement, 12, object->timeout);
    bind_u128(statement, 13, object->pending);
}

static void take_row(sqlite3_stmt *statement, struct bench_object *object)
{
    *object = (struct bench_object){
        .id = column_u128(statement, 1),
        .debit = column_u128(statement, 2),
        .credit = column_u128(statement, 3),
        .amount = column_u128(statement, 4),
        .user128 = column_u128(statement, 5),
        .user64 = column_number(statement, 6),
        .user32 = (uint32_t)column_number(statement, 7),
        .ledger = (uint32_t)column_number(statement, 8),
        .code = (uint16_t)column_number(statement, 9),
        .flags = (uint16_t)column_number(statement, 10),
        .timeout = (uint32_t)column_number(statement, 11),
        .pending = column_u128(statement, 12),
        .timestamp = column_number(statement, 0),
    };
}

/* ---- Writing -------------------------------------------------------------------------------- */

/* A statement without rows. */
static bool run_statement(
    struct sqlite_store *store, enum statement which, struct bench_failure *failure
)
{
    sqlite3_stmt *statement = store->statements[which];
    const bool done = sqlite3_step(statement) == SQLITE_DONE;
    if (!done) (void)failed(store, "statement", failure);
    (void)sqlite3_reset(statement);
    return done;
}

static bool change(
    struct sqlite_store *store,
    enum statement which,
    const struct bench_object *objects,
    uint32_t count,
    struct bench_failure *failure
)
{
    if (!run_statement(store, BEGIN, failure)) return false;
    bool good = true;
    for (uint32_t i = 0; good && i < count; i += 1) {
        bind_object(store->statements[which], &objects[i], store->last + 1 + i);
        good = run_statement(store, which, failure);
        if (good && sqlite3_changes(store->db) != 1) {
            good = bench_fail(failure, TACTUS_ABSENT, "sqlite: no such id");
        }
    }
    if (good) return run_statement(store, COMMIT, failure);
    struct bench_failure unused = {.status = TACTUS_OK};
    (void)run_statement(store, ROLLBACK, &unused);
    return false;
}

static bool engine_insert(
    void *store, const struct bench_object *objects, uint32_t count, struct bench_failure *failure
)
{
    struct sqlite_store *self = store;
    if (!change(self, INSERT, objects, count, failure)) return false;
    self->last += count;
    return true;
}

static bool engine_overwrite(
    void *store, const struct bench_object *objects, uint32_t count, struct bench_failure *failure
)
{
    return change(store, UPDATE, objects, count, failure);
}

static bool engine_checkpoint(
    void *store, bool settle, uint64_t *idle_ns, struct bench_failure *failure
)
{
    struct sqlite_store *self = store;
    *idle_ns = 0;
    const int mode = SQLITE_CHECKPOINT_TRUNCATE;
    if (sqlite3_wal_checkpoint_v2(self->db, NULL, mode, NULL, NULL) != SQLITE_OK) {
        return failed(self, "checkpoint", failure);
    }
    return !settle || run_text(self, "pragma analysis_limit=10000; analyze", failure);
}

/* ---- Reading -------------------------------------------------------------------------------- */

/* Takes up to `capacity` rows of a statement whose parameters are bound. */
static bool take_rows(
    struct sqlite_store *store,
    enum statement which,
    struct bench_object *objects,
    uint32_t capacity,
    uint32_t *count,
    struct bench_failure *failure
)
{
    sqlite3_stmt *statement = store->statements[which];
    *count = 0;
    int code = SQLITE_ROW;
    while (*count < capacity && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        take_row(statement, &objects[*count]);
        *count += 1;
    }
    const bool good = code == SQLITE_ROW || code == SQLITE_DONE || failed(store, "read", failure);
    (void)sqlite3_reset(statement);
    return good;
}

static bool engine_get(
    void *store,
    const struct tactus_u128 *ids,
    uint32_t count,
    struct bench_object *objects,
    struct bench_failure *failure
)
{
    struct sqlite_store *self = store;
    if (count > 1 && !run_statement(self, BEGIN, failure)) return false;
    bool good = true;
    for (uint32_t i = 0; good && i < count; i += 1) {
        uint32_t found = 0;
        bind_u128(self->statements[GET], 1, ids[i]);
        good = take_rows(self, GET, &objects[i], 1, &found, failure);
        if (found == 0) objects[i] = (struct bench_object){0};
    }
    return (count == 1 || run_statement(self, COMMIT, failure)) && good;
}

static bool engine_ask(
    void *store,
    const struct bench_question *question,
    struct bench_object *objects,
    uint32_t *count,
    struct bench_failure *failure
)
{
    struct sqlite_store *self = store;
    const enum statement which = question->code == 0 ? NEWEST : TWO;
    sqlite3_stmt *statement = self->statements[which];
    bind_u128(statement, 1, (struct tactus_u128){question->debit, 0});
    if (question->code != 0) bind_number(statement, 2, question->code);
    bind_number(statement, 3, BENCH_NEWEST);
    return take_rows(self, which, objects, BENCH_NEWEST, count, failure);
}

static bool engine_scan(
    void *store,
    bool (*visit)(void *context, const struct bench_object *object),
    void *context,
    struct bench_failure *failure
)
{
    struct sqlite_store *self = store;
    sqlite3_stmt *statement = self->statements[SCAN];
    bool going = true;
    int code = SQLITE_ROW;
    while (going && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct bench_object object;
        take_row(statement, &object);
        going = visit(context, &object);
    }
    const bool good = code == SQLITE_ROW || code == SQLITE_DONE || failed(self, "scan", failure);
    (void)sqlite3_reset(statement);
    return good;
}

/* ---- Figures -------------------------------------------------------------------------------- */

/* SQLite counts in an int, so it is emptied into `sum` each time. */
static void add_status(sqlite3 *db, int what, uint64_t *sum)
{
    int now = 0;
    int most = 0;
    if (sqlite3_db_status(db, what, &now, &most, 1) == SQLITE_OK && now > 0) *sum += (uint64_t)now;
}

static void engine_figures(void *store, struct bench_figures *figures)
{
    struct sqlite_store *self = store;
    add_status(self->db, SQLITE_DBSTATUS_CACHE_MISS, &self->pages_read);
    add_status(self->db, SQLITE_DBSTATUS_CACHE_HIT, &self->pages_cached);
    memset(figures, 0xff, sizeof *figures); /* it does not say */
    figures->record_bytes = OBJECT_LOGICAL_BYTES;
    figures->blocks_read = self->pages_read;
    figures->blocks_cached = self->pages_cached;
    figures->stall_seconds = -1;
}

const struct bench_engine bench_engine_sqlite = {
    .name = "sqlite",
    .suffix = ".sqlite",
    .open = engine_open,
    .insert = engine_insert,
    .overwrite = engine_overwrite,
    .checkpoint = engine_checkpoint,
    .get = engine_get,
    .reopen = engine_reopen,
    .ask = engine_ask,
    .scan = engine_scan,
    .figures = engine_figures,
    .close = engine_close,
};
