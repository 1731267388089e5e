/* Tactus behind the interface, from its public header alone. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/engine.h"

enum { SCAN_OBJECTS = 1024, GET_MAX = 64 };

struct tactus_store {
    tactus_db *db;
    const tactus_collection *collection;
    tactus_query *all;
    tactus_query *newest; /* by debit */
    tactus_query *two;    /* by debit and code */
    struct tactus_plan plan;
    struct bench_object scanned[SCAN_OBJECTS];
};

static bool failed(
    const struct tactus_store *store,
    const char *what,
    enum tactus_status status,
    struct bench_failure *failure
)
{
    const char *words = tactus_error(store->db)->text;
    if (words[0] == 0) words = tactus_status_text(status);
    return bench_fail(failure, status, "%s: %s", what, words);
}

static bool file_failed(
    const char *path,
    enum tactus_status status,
    const struct tactus_error *error,
    struct bench_failure *failure
)
{
    const char *words = error->text[0] != 0 ? error->text : tactus_status_text(status);
    return bench_fail(failure, status, "%s: %s", path, words);
}

static bool store_open(
    struct tactus_store *store,
    const struct tactus_open_options *options,
    const char *path,
    struct bench_failure *failure
)
{
    struct tactus_error error = {0};
    enum tactus_status status = tactus_open(path, options, &error, &store->db);
    if (status != TACTUS_OK) return file_failed(path, status, &error, failure);
    status = tactus_collection_find(store->db, OBJECT_COLLECTION, 0, &store->collection);
    if (status != TACTUS_OK) return failed(store, OBJECT_COLLECTION, status, failure);

    tactus_db *db = store->db;
    const tactus_collection *entries = store->collection;
    status = tactus_prepare(db, entries, NULL, NULL, &store->all);
    if (status == TACTUS_OK) {
        status = tactus_prepare(db, entries, "debit = ?1", "-timestamp", &store->newest);
    }
    if (status == TACTUS_OK) {
        status = tactus_prepare(db, entries, "debit = ?1 and code = ?2", "-timestamp", &store->two);
    }
    return status == TACTUS_OK || failed(store, "query", status, failure);
}

static enum tactus_status store_close(struct tactus_store *store)
{
    tactus_query_close(store->all);
    tactus_query_close(store->newest);
    tactus_query_close(store->two);
    const enum tactus_status status = tactus_close(store->db);
    free(store);
    return status;
}

static bool open_file(
    const struct bench_settings *settings,
    const struct tactus_open_options *options,
    const char *path,
    void **store,
    struct bench_failure *failure
)
{
    struct tactus_store *opened = calloc(1, sizeof *opened);
    if (opened == NULL) return bench_fail(failure, TACTUS_IO, "tactus: there is no memory");
    opened->plan = settings->plan;
    if (!store_open(opened, options, path, failure)) {
        (void)store_close(opened);
        return false;
    }
    *store = opened;
    return true;
}

static bool engine_open(
    const struct bench_settings *settings,
    const char *path,
    void **store,
    struct bench_failure *failure
)
{
    struct tactus_error error = {0};
    const enum tactus_status status = tactus_create(path, OBJECT_SCHEMA, &settings->create, &error);
    if (status != TACTUS_OK) return file_failed(path, status, &error, failure);
    return open_file(settings, &settings->open, path, store, failure);
}

static bool engine_reopen(
    const struct bench_settings *settings,
    const char *path,
    uint64_t cache_bytes,
    bool direct,
    void **store,
    struct bench_failure *failure
)
{
    (void)direct; /* always */
    struct tactus_open_options options = settings->open;
    options.cache_bytes = cache_bytes;
    return open_file(settings, &options, path, store, failure);
}

typedef enum tactus_status (*change_fn
)(tactus_txn *txn,
  const tactus_collection *collection,
  const void *objects,
  uint32_t count,
  struct tactus_result *results);

static bool change(
    struct tactus_store *store,
    change_fn call,
    const struct bench_object *objects,
    uint32_t count,
    struct bench_failure *failure
)
{
    tactus_txn *txn = NULL;
    enum tactus_status status = tactus_begin(store->db, NULL, &txn);
    if (status == TACTUS_OK) {
        status = call(txn, store->collection, objects, count, NULL);
        if (status == TACTUS_OK) {
            status = tactus_commit(txn, NULL);
        } else {
            /* The words are those of the call, so they are taken before the rollback. */
            (void)failed(store, "transaction", status, failure);
            tactus_rollback(txn);
            return false;
        }
    }
    return status == TACTUS_OK || failed(store, "transaction", status, failure);
}

static bool engine_insert(
    void *store, const struct bench_object *objects, uint32_t count, struct bench_failure *failure
)
{
    return change(store, tactus_insert, objects, count, failure);
}

static bool engine_overwrite(
    void *store, const struct bench_object *objects, uint32_t count, struct bench_failure *failure
)
{
    return change(store, tactus_update, objects, count, failure);
}

static bool engine_checkpoint(
    void *store, bool settle, uint64_t *idle_ns, struct bench_failure *failure
)
{
    (void)settle; /* nothing is ever put off beyond the bar */
    *idle_ns = 0;
    struct tactus_store *self = store;
    const enum tactus_status status = tactus_checkpoint(self->db);
    return status == TACTUS_OK || failed(self, "checkpoint", status, failure);
}

static bool engine_get(
    void *store,
    const struct tactus_u128 *ids,
    uint32_t count,
    struct bench_object *objects,
    struct bench_failure *failure
)
{
    struct tactus_store *self = store;
    struct tactus_result results[GET_MAX];
    for (uint32_t at = 0; at < count; at += GET_MAX) {
        const uint32_t some = count - at < GET_MAX ? count - at : GET_MAX;
        const enum tactus_status status = tactus_get(
            tactus_latest(self->db), self->collection, ids + at, some, objects + at, results
        );
        if (status != TACTUS_OK && status != TACTUS_SOME) {
            return failed(self, "get", status, failure);
        }
    }
    return true;
}

static enum tactus_status bind_number(tactus_query *query, uint32_t parameter, uint32_t value)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%u", value);
    return tactus_bind(query, parameter, text);
}

static bool engine_ask(
    void *store,
    const struct bench_question *question,
    struct bench_object *objects,
    uint32_t *count,
    struct bench_failure *failure
)
{
    struct tactus_store *self = store;
    tactus_query *query = question->code == 0 ? self->newest : self->two;
    enum tactus_status status = bind_number(query, 1, question->debit);
    if (status == TACTUS_OK && question->code != 0) status = bind_number(query, 2, question->code);
    if (status == TACTUS_OK) status = tactus_run(query, tactus_latest(self->db), NULL);
    *count = 0;
    while (status == TACTUS_OK && *count < BENCH_NEWEST) {
        uint32_t some = 0;
        status = tactus_next(query, objects + *count, BENCH_NEWEST - *count, &some);
        if (status == TACTUS_OK && some == 0) return true;
        *count += some;
    }
    return status == TACTUS_OK || failed(self, "query", status, failure);
}

static bool engine_scan(
    void *store,
    bool (*visit)(void *context, const struct bench_object *object),
    void *context,
    struct bench_failure *failure
)
{
    struct tactus_store *self = store;
    enum tactus_status status = tactus_run(self->all, tactus_latest(self->db), NULL);
    while (status == TACTUS_OK) {
        uint32_t count = 0;
        status = tactus_next(self->all, self->scanned, SCAN_OBJECTS, &count);
        if (status == TACTUS_OK && count == 0) return true;
        for (uint32_t i = 0; i < count; i += 1) {
            if (!visit(context, &self->scanned[i])) return true;
        }
    }
    return failed(self, "scan", status, failure);
}

static void engine_figures(void *store, struct bench_figures *figures)
{
    const struct tactus_store *self = store;
    struct tactus_stats stats = {.struct_bytes = (uint32_t)sizeof stats};
    tactus_stats(self->db, &stats);
    *figures = (struct bench_figures){
        .record_bytes = self->plan.object_bytes_logical,
        .allocated_bytes = stats.blocks_allocated * self->plan.block_size,
        .released_bytes = stats.blocks_released * self->plan.block_size,
        .journal_bytes = self->plan.journal_bytes,
        .bytes_journal = stats.bytes_journal,
        .bytes_grid = stats.bytes_grid,
        .blocks_read = stats.blocks_read,
        .blocks_cached = stats.blocks_cached,
        .compactions = stats.compactions,
        .checkpoints = stats.checkpoints,
        .stall_seconds = -1, /* each transaction's time has it all */
    };
}

static bool engine_close(void *store, struct bench_failure *failure)
{
    const enum tactus_status status = store_close(store);
    if (status == TACTUS_OK) return true;
    return bench_fail(failure, status, "close: %s", tactus_status_text(status));
}

const struct bench_engine bench_engine_tactus = {
    .name = "tactus",
    .suffix = "",
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
