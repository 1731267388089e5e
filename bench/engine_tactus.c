/* Tactus behind the interface, from its public header alone. */
#include <stdlib.h>

#include "bench/engine.h"

enum { SCAN_OBJECTS = 1024, GET_MAX = 64 };

struct tactus_store {
    tactus_db *db;
    const tactus_collection *collection;
    tactus_query *all;
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

static bool store_open(
    struct tactus_store *store,
    const struct bench_settings *settings,
    const char *path,
    struct bench_failure *failure
)
{
    struct tactus_error error = {0};
    enum tactus_status status = tactus_create(path, OBJECT_SCHEMA, &settings->create, &error);
    if (status == TACTUS_OK) status = tactus_open(path, &settings->open, &error, &store->db);
    if (status != TACTUS_OK) {
        const char *words = error.text[0] != 0 ? error.text : tactus_status_text(status);
        return bench_fail(failure, status, "%s: %s", path, words);
    }
    status = tactus_collection_find(store->db, OBJECT_COLLECTION, 0, &store->collection);
    if (status != TACTUS_OK) return failed(store, OBJECT_COLLECTION, status, failure);
    status = tactus_prepare(store->db, store->collection, NULL, NULL, &store->all);
    return status == TACTUS_OK || failed(store, "query", status, failure);
}

static bool engine_open(
    const struct bench_settings *settings,
    const char *path,
    void **store,
    struct bench_failure *failure
)
{
    struct tactus_store *opened = calloc(1, sizeof *opened);
    if (opened == NULL) return bench_fail(failure, TACTUS_IO, "tactus: there is no memory");
    opened->plan = settings->plan;
    if (!store_open(opened, settings, path, failure)) {
        tactus_query_close(opened->all);
        (void)tactus_close(opened->db);
        free(opened);
        return false;
    }
    *store = opened;
    return true;
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
    struct tactus_store *self = store;
    tactus_query_close(self->all);
    const enum tactus_status status = tactus_close(self->db);
    free(self);
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
    .scan = engine_scan,
    .figures = engine_figures,
    .close = engine_close,
};
