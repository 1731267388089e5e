/* Exported: transactions. */
#include <string.h>

#include "base/assert.h"
#include "database/database.h"

#include "base/poison.h"

enum tactus_status tactus_begin(
    tactus_db *db, const struct tactus_txn_options *options, tactus_txn **txn_out
)
{
    TRY(database_enter_write(db));
    if (txn_out == NULL) return database_misuse(db, "begin: txn is NULL");
    struct tactus_txn_options given;
    tactus_txn_options_default(&given);
    if (options != NULL) {
        if (options->struct_bytes != sizeof given ||
            (options->flags & ~(uint32_t)TACTUS_TIMESTAMPS_GIVEN) != 0 ||
            options->first > TIMESTAMP_MAX) {
            return database_misuse(db, "begin: an option is out of range; see tactus.h");
        }
        given = *options;
    }
    struct tactus_txn *txn = &db->txn;
    if (txn->open) {
        return error_set(
            &db->error, TACTUS_BUSY, "begin: a transaction is open; commit it or roll it back"
        );
    }
    txn->open = true;
    txn->timestamps_given = (given.flags & TACTUS_TIMESTAMPS_GIVEN) != 0;
    txn->first = given.first;
    *txn_out = txn;
    return TACTUS_OK;
}

static enum tactus_status enter_call(
    tactus_txn *txn, const tactus_collection *collection, const void *given, uint32_t count
)
{
    if (txn == NULL || txn->db == NULL) return TACTUS_MISUSE;
    tactus_db *db = txn->db;
    TRY(database_enter_write(db));
    if (!txn->open) return database_misuse(db, "the transaction has ended; begin another");
    if (collection == NULL || collection->db != db) {
        return database_misuse(db, "the collection is NULL, or another database's");
    }
    if (given == NULL && count > 0) return database_misuse(db, "objects is NULL");
    return TACTUS_OK;
}

static enum tactus_status call(
    tactus_txn *txn, const tactus_collection *collection, struct txn_call *txn_call
)
{
    TRY(enter_call(txn, collection, txn_call->given, txn_call->count));
    const struct collection_schema *schema = collection->collection->schema;
    if (txn_verb_is_of_maps(txn_call->verb) != schema->is_map) {
        return error_set(
            &txn->db->error,
            TACTUS_MISUSE,
            schema->is_map
                ? "%s: %s is a map: call tactus_put or tactus_delete"
                : "%s: %s is a collection: call tactus_insert, _upsert, _update or _remove",
            txn_verb_name(txn_call->verb),
            schema->name
        );
    }
    txn_call->collection = collection->collection;
    return transaction_call(txn, txn_call);
}

enum tactus_status tactus_insert(
    tactus_txn *txn,
    const tactus_collection *collection,
    const void *objects,
    uint32_t count,
    struct tactus_result *results
)
{
    struct txn_call insert = {
        .verb = TXN_INSERT, .given = objects, .count = count, .results = results};
    return call(txn, collection, &insert);
}

enum tactus_status tactus_upsert(
    tactus_txn *txn,
    const tactus_collection *collection,
    const void *objects,
    uint32_t count,
    struct tactus_result *results
)
{
    struct txn_call upsert = {
        .verb = TXN_UPSERT, .given = objects, .count = count, .results = results};
    return call(txn, collection, &upsert);
}

enum tactus_status tactus_update(
    tactus_txn *txn,
    const tactus_collection *collection,
    const void *objects,
    uint32_t count,
    struct tactus_result *results
)
{
    struct txn_call update = {
        .verb = TXN_UPDATE, .given = objects, .count = count, .results = results};
    return call(txn, collection, &update);
}

enum tactus_status tactus_remove(
    tactus_txn *txn,
    const tactus_collection *collection,
    const void *ids,
    uint32_t count,
    struct tactus_result *results
)
{
    struct txn_call remove = {.verb = TXN_REMOVE, .given = ids, .count = count, .results = results};
    return call(txn, collection, &remove);
}

enum tactus_status tactus_put(
    tactus_txn *txn,
    const tactus_collection *map,
    const void *objects,
    uint32_t count,
    struct tactus_result *results
)
{
    struct txn_call put = {.verb = TXN_PUT, .given = objects, .count = count, .results = results};
    return call(txn, map, &put);
}

enum tactus_status tactus_delete(
    tactus_txn *txn,
    const tactus_collection *map,
    const void *keys,
    uint32_t count,
    struct tactus_result *results
)
{
    struct txn_call delete = {
        .verb = TXN_DELETE, .given = keys, .count = count, .results = results};
    return call(txn, map, &delete);
}

static enum tactus_status commit(tactus_txn *txn, bool wait, uint64_t *op)
{
    if (txn == NULL || txn->db == NULL) return TACTUS_MISUSE;
    const enum tactus_status status = database_enter_write(txn->db);
    if (status == TACTUS_FORKED || status == TACTUS_MISUSE) return status;
    if (!txn->open) return database_misuse(txn->db, "commit: the transaction has ended");
    if (status != TACTUS_OK) {
        transaction_rollback(txn);
        return status;
    }
    return transaction_commit(txn, wait, op);
}

enum tactus_status tactus_commit(tactus_txn *txn, uint64_t *op)
{
    return commit(txn, true, op);
}

enum tactus_status tactus_commit_start(tactus_txn *txn, uint64_t *op)
{
    return commit(txn, false, op);
}

void tactus_rollback(tactus_txn *txn)
{
    if (txn == NULL || txn->db == NULL || !txn->open) return;
    if (!database_is_usable(txn->db)) return;
    transaction_rollback(txn);
}

enum tactus_status tactus_flush(tactus_db *db)
{
    TRY(database_enter_write(db));
    return database_flush(db);
}

enum tactus_status tactus_checkpoint(tactus_db *db)
{
    TRY(database_enter_write(db));
    if (db->txn.open) {
        return error_set(
            &db->error, TACTUS_BUSY, "checkpoint: a transaction is open; end it first"
        );
    }
    return database_checkpoint(db);
}

/* ---- Durability: from any thread, so words and fault are left alone -------------------------- */

enum tactus_status tactus_durable_wait(tactus_db *db, uint64_t op)
{
    TRY(database_enter_any(db));
    if (op > journal_op_appended(&db->journal)) return TACTUS_MISUSE;
    return journal_wait(&db->journal, op);
}

enum tactus_status tactus_durable_op(tactus_db *db, uint64_t *op)
{
    TRY(database_enter_any(db));
    if (op == NULL) return TACTUS_MISUSE;
    journal_poll(&db->journal);
    *op = journal_op_durable(&db->journal);
    return journal_is_poisoned(&db->journal) ? TACTUS_POISONED : TACTUS_OK;
}

int tactus_fd(tactus_db *db)
{
    int fd = -1;
    if (database_enter(db) != TACTUS_OK) return -1;
    if (db->read_only) {
        (void)error_set(
            &db->error, TACTUS_READ_ONLY, "fd: nothing is committed here; open the file for writing"
        );
        return -1;
    }
    if (journal_event_fd(&db->journal, &fd) != TACTUS_OK) {
        (void)database_failed(db);
        return -1;
    }
    return fd;
}
