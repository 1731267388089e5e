#include "database/database.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"

#include "base/poison.h"

const char *txn_verb_name(enum txn_verb verb)
{
    switch (verb) {
    case TXN_INSERT: return "insert";
    case TXN_UPSERT: return "upsert";
    case TXN_UPDATE: return "update";
    case TXN_REMOVE: return "remove";
    case TXN_PUT: return "put";
    case TXN_DELETE: return "delete";
    }
    assert(false);
    return "";
}

/* ---- A chunk: what is known before anything is judged (R3) ----------------------------------- */

/* Whether the call brings ids or keys in place of objects. */
static bool gives_ids(const struct txn_call *call)
{
    return call->verb == TXN_REMOVE || call->verb == TXN_DELETE;
}

static uint64_t given_stride(const struct txn_call *call)
{
    const struct collection_schema *schema = call->collection->schema;
    if (!gives_ids(call)) return schema->object_bytes;
    return schema->id_field == FIELD_NONE ? sizeof(uint64_t) : schema->id_bytes;
}

/* Copies and normalises the objects, and finds the key that each is judged by. */
static void chunk_fill(
    struct txn_chunk *chunk, const struct txn_call *call, uint32_t first, uint32_t count
)
{
    const struct collection_schema *schema = call->collection->schema;
    const uint64_t stride = given_stride(call);
    chunk->count = count;
    for (uint32_t index = 0; index < count; index += 1) {
        const uint8_t *given = call->given + (first + index) * stride;
        uint8_t *object = chunk->objects + index * (uint64_t)schema->object_bytes;
        chunk->results[index] = (struct tactus_result){0};
        chunk->skip[index] = false;
        chunk->timestamps[index] = 0;
        bytes_copy(object, given, stride);
        uint32_t field = 0;
        if (!gives_ids(call) && object_normalise(schema, object, &field) != TACTUS_OK) {
            chunk->results[index].status = TACTUS_INVALID;
            chunk->results[index].field = field;
            chunk->skip[index] = true;
            continue;
        }
        if (schema->id_field == FIELD_NONE) {
            uint64_t timestamp = 0;
            if (gives_ids(call)) {
                bytes_copy(&timestamp, object, sizeof timestamp);
            } else {
                timestamp = object_timestamp(schema, object);
            }
            chunk->timestamps[index] = timestamp;
        } else {
            const uint32_t offset = gives_ids(call) ? 0 : schema->fields[schema->id_field].offset;
            chunk->keys[index] = codec_id_key(schema, object + offset);
        }
    }
}

/* Looks the ids up beneath the mutable table. Those that it knows are left out: what it knows now
 * it knows later. */
static enum tactus_status chunk_find_ids(
    struct tactus_txn *txn, struct txn_chunk *chunk, const struct collection *collection
)
{
    bool skip[RESOLVE_MAX];
    for (uint32_t index = 0; index < chunk->count; index += 1) {
        skip[index] = chunk->skip[index] ||
                      collection_id_in_memory(
                          collection, &chunk->keys[index], VISIBLE_ALL, &chunk->timestamps[index]
                      );
    }
    const struct resolve resolve = {
        .tree = collection->id_tree,
        .snapshot = tree_snapshot_newest(collection->id_tree),
        .keys = chunk->keys,
        .count = chunk->count,
        .skip = skip,
        .records = chunk->records,
        .found = chunk->found,
    };
    TRY(resolver_run(&txn->db->forest.resolver, &resolve));
    const struct record_shape *shape = &collection->id_tree->options.shape;
    for (uint32_t index = 0; index < chunk->count; index += 1) {
        if (!chunk->found[index]) continue;
        chunk->timestamps[index] =
            record_timestamp(shape, chunk->records + (uint64_t)index * shape->record_size);
    }
    return TACTUS_OK;
}

/* Looks up, likewise, the objects that those timestamps name: an update or a removal needs them. */
static enum tactus_status chunk_find_objects(
    struct tactus_txn *txn, struct txn_chunk *chunk, const struct collection *collection
)
{
    for (uint32_t index = 0; index < chunk->count; index += 1) {
        const uint64_t timestamp = chunk->timestamps[index];
        const struct key key = key_from_u64(timestamp);
        const struct tree *tree = collection->object_tree;
        chunk->object_keys[index] = key;
        chunk->skip_object[index] = chunk->skip[index] || timestamp == 0 ||
                                    timestamp > TIMESTAMP_MAX ||
                                    tree_get_mutable(tree, key, tree_visible_all(tree)) != NULL;
    }
    const struct resolve resolve = {
        .tree = collection->object_tree,
        .snapshot = tree_snapshot_newest(collection->object_tree),
        .keys = chunk->object_keys,
        .count = chunk->count,
        .skip = chunk->skip_object,
        .records = chunk->old,
        .found = chunk->old_found,
    };
    TRY(resolver_run(&txn->db->forest.resolver, &resolve));
    for (uint32_t index = 0; index < chunk->count; index += 1) {
        uint8_t *old = chunk->old + (uint64_t)index * collection->schema->object_bytes;
        if (chunk->old_found[index]) object_from_disk(collection->schema, old);
    }
    return TACTUS_OK;
}

/* ---- Judging, one after the other ------------------------------------------------------------ */

/* The timestamp of the object that this one is about, as things stand now; 0: there is none. */
static uint64_t judge_timestamp(
    const struct txn_chunk *chunk, const struct collection *collection, uint32_t index
)
{
    uint64_t timestamp = chunk->timestamps[index];
    if (collection->id_tree != NULL) {
        (void)collection_id_in_memory(collection, &chunk->keys[index], VISIBLE_ALL, &timestamp);
    }
    return timestamp <= TIMESTAMP_MAX ? timestamp : 0;
}

/* The object of that timestamp as it stands now, into the chunk's `old`. */
static bool judge_old(
    struct txn_chunk *chunk, const struct collection *collection, uint32_t index, uint64_t timestamp
)
{
    if (timestamp == 0) return false;
    uint8_t *old = chunk->old + (uint64_t)index * collection->schema->object_bytes;
    bool present = false;
    if (collection_object_in_memory(collection, timestamp, VISIBLE_ALL, old, &present)) {
        return present;
    }
    return !chunk->skip_object[index] && chunk->old_found[index];
}

static void journal_event(
    struct tactus_txn *txn, const struct collection *collection, const struct event *event
)
{
    const uint32_t number = collection->schema->number;
    uint8_t *body = journal_body(&txn->db->journal);
    txn->body_size = event_encode(body, txn->body_size, event);
    txn->event_count += 1;
    txn->event_counts[number] += 1;
    txn->kinds.count[event->kind] += 1;
}

static void journal_object(
    struct tactus_txn *txn,
    const struct collection *collection,
    enum event_kind kind,
    const uint8_t *object
)
{
    uint8_t disk[OBJECT_SIZE_MAX];
    bytes_copy(disk, object, collection->schema->object_bytes);
    object_to_disk(collection->schema, disk);
    const struct event event = {
        .kind = kind,
        .collection = (uint16_t)collection->schema->number,
        .size = collection->schema->object_bytes,
        .payload = disk,
    };
    journal_event(txn, collection, &event);
}

/* The next timestamp of the collection, or the one given, which must lie above; 0: it does not. */
static uint64_t next_timestamp(
    const struct tactus_txn *txn, const struct collection *collection, uint64_t given
)
{
    const uint32_t number = collection->schema->number;
    const uint64_t last = max_u64(collection->timestamp_last, txn->timestamps[number]);
    const uint64_t least = max_u64(last + 1, txn->first);
    if (least > TIMESTAMP_MAX) return 0;
    if (!txn->timestamps_given || given == 0) return least;
    return given >= least && given <= TIMESTAMP_MAX ? given : 0;
}

/* R1: one more event of this collection would be one too many. */
static bool batch_is_full(const struct tactus_txn *txn, const struct collection *collection)
{
    return collection->event_count == txn->db->sizing->batch_max;
}

/* LIMIT: the batch is full. */
static enum tactus_status judge_insert(
    struct tactus_txn *txn, struct txn_chunk *chunk, struct collection *collection, uint32_t index
)
{
    const struct collection_schema *schema = collection->schema;
    uint8_t *object = chunk->objects + (uint64_t)index * schema->object_bytes;
    struct tactus_result *result = &chunk->results[index];
    const uint64_t timestamp = next_timestamp(txn, collection, object_timestamp(schema, object));
    if (timestamp == 0) {
        result->status = TACTUS_INVALID;
        result->field = schema->timestamp_field;
        return TACTUS_OK;
    }
    if (batch_is_full(txn, collection)) return TACTUS_LIMIT;
    object_timestamp_set(schema, object, timestamp);
    collection_insert(collection, object);
    journal_object(txn, collection, EVENT_INSERT, object);
    txn->timestamps[schema->number] = timestamp;
    result->timestamp = timestamp;
    return TACTUS_OK;
}

static void judge_update(
    struct tactus_txn *txn,
    struct txn_chunk *chunk,
    struct collection *collection,
    uint32_t index,
    uint64_t timestamp
)
{
    const uint64_t size = collection->schema->object_bytes;
    uint8_t *object = chunk->objects + index * size;
    object_timestamp_set(collection->schema, object, timestamp);
    collection_update(collection, chunk->old + index * size, object);
    journal_object(txn, collection, EVENT_UPDATE, object);
    chunk->results[index].timestamp = timestamp;
}

static void judge_remove(
    struct tactus_txn *txn,
    struct txn_chunk *chunk,
    struct collection *collection,
    uint32_t index,
    uint64_t timestamp
)
{
    const uint64_t size = collection->schema->object_bytes;
    collection_remove(collection, chunk->old + index * size);
    uint8_t payload[EVENT_REMOVE_SIZE];
    store_u64(payload, timestamp);
    const struct event event = {
        .kind = EVENT_REMOVE,
        .collection = (uint16_t)collection->schema->number,
        .size = EVENT_REMOVE_SIZE,
        .payload = payload,
    };
    journal_event(txn, collection, &event);
    chunk->results[index].timestamp = timestamp;
}

/* An id leads to an object, always. */
static enum tactus_status object_missing(
    struct tactus_txn *txn, const struct collection *collection
)
{
    const struct fault found = {
        .status = TACTUS_CORRUPT,
        .zone = FAULT_ZONE_GRID,
        .what = "an id leads to no object",
        .tree = collection->schema->object_tree,
    };
    return fault_set(&txn->db->fault, found);
}

/* What is written to a map is blind: there is nothing to judge but the room for it. */
static enum tactus_status judge_map(
    struct tactus_txn *txn, struct txn_chunk *chunk, const struct txn_call *call, uint32_t index
)
{
    struct collection *map = call->collection;
    if (batch_is_full(txn, map)) return TACTUS_LIMIT;
    if (call->verb == TXN_PUT) {
        const uint8_t *object = chunk->objects + (uint64_t)index * map->schema->object_bytes;
        collection_put(map, object);
        journal_object(txn, map, EVENT_PUT, object);
        return TACTUS_OK;
    }
    collection_delete(map, chunk->keys[index]);
    uint8_t payload[16];
    codec_map_key_store(map->schema, chunk->keys[index], payload);
    const struct event event = {
        .kind = EVENT_DELETE,
        .collection = (uint16_t)map->schema->number,
        .size = event_payload_size(map->schema, EVENT_DELETE),
        .payload = payload,
    };
    journal_event(txn, map, &event);
    return TACTUS_OK;
}

static enum tactus_status judge(
    struct tactus_txn *txn, struct txn_chunk *chunk, const struct txn_call *call, uint32_t index
)
{
    struct collection *collection = call->collection;
    if (collection->schema->is_map) return judge_map(txn, chunk, call, index);
    struct tactus_result *result = &chunk->results[index];
    const bool by_id = collection->id_tree != NULL;
    if (call->verb == TXN_INSERT && !by_id) return judge_insert(txn, chunk, collection, index);
    const uint64_t timestamp = judge_timestamp(chunk, collection, index);
    if (call->verb == TXN_INSERT && timestamp != 0) {
        result->status = TACTUS_EXISTS;
        result->timestamp = timestamp;
        return TACTUS_OK;
    }
    const bool insert =
        call->verb == TXN_INSERT || (call->verb == TXN_UPSERT && by_id && timestamp == 0);
    if (insert) return judge_insert(txn, chunk, collection, index);
    const bool there = judge_old(chunk, collection, index, timestamp);
    if (!there && by_id && timestamp != 0) return object_missing(txn, collection);
    if (!there && call->verb == TXN_UPSERT) return judge_insert(txn, chunk, collection, index);
    if (there && batch_is_full(txn, collection)) return TACTUS_LIMIT;
    if (!there) {
        result->status = TACTUS_ABSENT;
    } else if (call->verb == TXN_REMOVE) {
        judge_remove(txn, chunk, collection, index, timestamp);
    } else {
        judge_update(txn, chunk, collection, index, timestamp);
    }
    return TACTUS_OK;
}

/* ---- A call ---------------------------------------------------------------------------------- */

/* Nothing more is written through this handle. The words stay those of the cause; the status is
 * what the caller is told. */
static enum tactus_status write_failed(tactus_db *db)
{
    const enum tactus_status cause = database_failed(db);
    const enum tactus_status status = cause == TACTUS_CORRUPT ? cause : TACTUS_POISONED;
    if (db->forest.broken == TACTUS_OK) db->forest.broken = TACTUS_POISONED;
    db->error.status = (int32_t)status;
    return status;
}

/* What a call may have to take back. */
struct call_mark {
    struct collection_mark trees;
    uint64_t body_size;
    uint32_t event_count;
    uint32_t events_of_collection;
    struct event_kinds kinds;
    uint64_t timestamp;
};

static void call_mark_set(
    const struct tactus_txn *txn, const struct collection *collection, struct call_mark *mark
)
{
    const uint32_t number = collection->schema->number;
    collection_mark(collection, &mark->trees);
    mark->body_size = txn->body_size;
    mark->event_count = txn->event_count;
    mark->events_of_collection = txn->event_counts[number];
    mark->kinds = txn->kinds;
    mark->timestamp = txn->timestamps[number];
}

static void call_discard(
    struct tactus_txn *txn, struct collection *collection, const struct call_mark *mark
)
{
    const uint32_t number = collection->schema->number;
    collection_discard(collection, &mark->trees);
    txn->body_size = mark->body_size;
    txn->event_count = mark->event_count;
    txn->event_counts[number] = mark->events_of_collection;
    txn->kinds = mark->kinds;
    txn->timestamps[number] = mark->timestamp;
}

static void refusal_words(
    struct tactus_txn *txn,
    const struct txn_call *call,
    uint64_t place,
    const struct tactus_result *result
)
{
    const char *verb = txn_verb_name(call->verb);
    const struct collection_schema *schema = call->collection->schema;
    struct tactus_error *error = &txn->db->error;
    const enum tactus_status status = (enum tactus_status)result->status;
    const unsigned long long number = place;
    if (status == TACTUS_EXISTS) {
        (void)error_set(
            error,
            status,
            "%s into %s: object %llu of the call: its id is there already; upsert or update it",
            verb,
            schema->name,
            number
        );
    } else if (status == TACTUS_ABSENT) {
        (void)error_set(
            error,
            status,
            "%s in %s: object %llu of the call: there is none with this %s; insert it first",
            verb,
            schema->name,
            number,
            schema->id_field == FIELD_NONE ? "timestamp" : "id"
        );
    } else if (result->field == schema->timestamp_field) {
        (void)error_set(
            error,
            status,
            "%s into %s: object %llu of the call: its timestamp must lie above the last, %llu, and "
            "below 2^63; leave it 0 for the next one",
            verb,
            schema->name,
            number,
            (unsigned long long
            )max_u64(call->collection->timestamp_last, txn->timestamps[schema->number])
        );
    } else {
        (void)error_set(
            error,
            status,
            "%s into %s: object %llu of the call: field %s cannot hold its value; see the types",
            verb,
            schema->name,
            number,
            schema->fields[result->field].name
        );
    }
}

static enum tactus_status batch_full(struct tactus_txn *txn, const struct txn_call *call)
{
    return error_set(
        &txn->db->error,
        TACTUS_LIMIT,
        "%s into %s: more than %u objects of it in one transaction; commit, and begin another",
        txn_verb_name(call->verb),
        call->collection->schema->name,
        txn->db->sizing->batch_max
    );
}

/* Judges a chunk. *refused_count grows; with results NULL the first refusal is the answer. */
static enum tactus_status call_chunk(
    struct tactus_txn *txn, const struct txn_call *call, uint32_t first, uint32_t *refused_count
)
{
    struct collection *collection = call->collection;
    struct txn_chunk *chunk = txn->chunk;
    chunk_fill(chunk, call, first, min_u32(call->count - first, RESOLVE_MAX));
    enum tactus_status status = TACTUS_OK;
    if (collection->id_tree != NULL) status = chunk_find_ids(txn, chunk, collection);
    const bool needs_objects = call->verb != TXN_INSERT && !txn_verb_is_of_maps(call->verb);
    if (status == TACTUS_OK && needs_objects) {
        status = chunk_find_objects(txn, chunk, collection);
    }
    if (status != TACTUS_OK) return database_failed(txn->db);

    for (uint32_t index = 0; index < chunk->count; index += 1) {
        struct tactus_result *result = &chunk->results[index];
        if (result->status == TACTUS_OK) status = judge(txn, chunk, call, index);
        if (status == TACTUS_LIMIT) return batch_full(txn, call);
        if (status != TACTUS_OK) return database_failed(txn->db);
        if (call->results != NULL) call->results[first + index] = *result;
        if (result->status == TACTUS_OK) continue;
        *refused_count += 1;
        if (call->results != NULL) continue;
        refusal_words(txn, call, (uint64_t)first + index, result);
        return (enum tactus_status)result->status;
    }
    return TACTUS_OK;
}

enum tactus_status transaction_call(struct tactus_txn *txn, const struct txn_call *call)
{
    struct collection *collection = call->collection;
    const uint32_t number = collection->schema->number;
    assert(txn_verb_is_of_maps(call->verb) == collection->schema->is_map);
    database_end_runs(txn->db);
    if (forest_capture_advance(&txn->db->forest) != TACTUS_OK) return write_failed(txn->db);
    if (!collection->touched) {
        collection_mark(collection, &txn->marks[number]);
        collection->touched = true;
    }
    struct call_mark mark;
    call_mark_set(txn, collection, &mark);
    uint32_t refused_count = 0;
    for (uint32_t first = 0; first < call->count; first += RESOLVE_MAX) {
        const enum tactus_status status = call_chunk(txn, call, first, &refused_count);
        if (status == TACTUS_OK) continue;
        call_discard(txn, collection, &mark);
        return status;
    }
    if (refused_count == 0) return TACTUS_OK;
    return error_set(
        &txn->db->error,
        TACTUS_SOME,
        "%s into %s: %u of %u objects were refused; the results say which and why",
        txn_verb_name(call->verb),
        collection->schema->name,
        refused_count,
        call->count
    );
}

/* ---- The end of a transaction ---------------------------------------------------------------- */

static void transaction_end(struct tactus_txn *txn)
{
    txn->open = false;
    txn->body_size = 0;
    txn->event_count = 0;
    txn->kinds = (struct event_kinds){0};
    bytes_zero(txn->timestamps, sizeof txn->timestamps);
    bytes_zero(txn->event_counts, sizeof txn->event_counts);
}

void transaction_rollback(struct tactus_txn *txn)
{
    struct forest *forest = &txn->db->forest;
    database_end_runs(txn->db);
    for (uint32_t number = 0; number < forest->collection_count; number += 1) {
        struct collection *collection = &forest->collections[number];
        if (!collection->touched) continue;
        if (forest->broken == TACTUS_OK) collection_discard(collection, &txn->marks[number]);
        collection->touched = false;
        collection->event_count = 0;
    }
    transaction_end(txn);
}

/* The entry is, or may be, on its way to the disk, or the trees are between two beats: there is no
 * way back, and none forward. Reads go on. */
static enum tactus_status transaction_poisoned(struct tactus_txn *txn)
{
    tactus_db *db = txn->db;
    const enum tactus_status status = write_failed(db);
    for (uint32_t number = 0; number < db->forest.collection_count; number += 1) {
        db->forest.collections[number].touched = false;
    }
    transaction_end(txn);
    return status;
}

static enum journal_sync sync_of(const tactus_db *db, bool wait)
{
    if (db->options.sync != TACTUS_SYNC_COMMIT) return JOURNAL_SYNC_NONE;
    return wait ? JOURNAL_SYNC_WAIT : JOURNAL_SYNC_START;
}

static enum tactus_status transaction_write(
    struct tactus_txn *txn, const struct forest_commit *commit, bool wait, uint64_t *op
)
{
    tactus_db *db = txn->db;
    if (forest_beat_is_full(&db->forest, commit)) {
        const struct journal_position head = journal_head(&db->journal);
        TRY(forest_close_beat(&db->forest, &head));
    }
    assert(!forest_beat_is_full(&db->forest, commit));
    TRY(grid_status(&db->grid)); /* nothing more is acknowledged after a failed write */
    const struct journal_append append = {
        .kind = JOURNAL_TRANSACTION,
        .beat = db->forest.schedule.beat,
        .short_of_room = db->forest.schedule.short_of_room,
        .event_count = txn->event_count,
        .body_size = txn->body_size,
        .sync = sync_of(db, wait),
    };
    TRY(journal_append(&db->journal, &append, op));
    TRY(forest_capture_advance(&db->forest));
    forest_settle(&db->forest, commit, txn->timestamps, &txn->kinds);
    db->journal_bytes += commit->entry_bytes;
    return TACTUS_OK;
}

enum tactus_status transaction_commit(struct tactus_txn *txn, bool wait, uint64_t *op)
{
    tactus_db *db = txn->db;
    database_end_runs(db);
    uint64_t op_new = journal_op_last(&db->journal);
    if (txn->event_count > 0) {
        const uint64_t started = reactor_now_ns(&db->reactor);
        const struct forest_commit commit = {
            .entry_bytes = round_up_u64(JOURNAL_HEADER_SIZE + txn->body_size, SECTOR_SIZE),
            .payload_bytes = event_payload_bytes(txn->body_size, txn->event_count),
            .event_counts = txn->event_counts,
            .removes_only = event_kinds_only_remove(&txn->kinds),
        };
        if (forest_admit(&db->forest, &commit) != TACTUS_OK) {
            transaction_rollback(txn);
            return database_failed(db);
        }
        if (transaction_write(txn, &commit, wait, &op_new) != TACTUS_OK) {
            return transaction_poisoned(txn);
        }
        histogram_add(db->commit_ns, reactor_now_ns(&db->reactor) - started);
    }
    for (uint32_t number = 0; number < db->forest.collection_count; number += 1) {
        db->forest.collections[number].touched = false;
    }
    transaction_end(txn);
    database_flush_if_due(db);
    if (op != NULL) *op = op_new;
    return TACTUS_OK;
}

/* ---- Operations on the whole ----------------------------------------------------------------- */

enum tactus_status database_flush(tactus_db *db)
{
    db->flushed_ns = reactor_now_ns(&db->reactor);
    db->flushed_op = journal_op_last(&db->journal);
    return journal_flush(&db->journal) == TACTUS_OK ? TACTUS_OK : write_failed(db);
}

static enum tactus_status checkpoint_write(tactus_db *db)
{
    database_end_runs(db);
    struct forest *forest = &db->forest;
    const uint32_t none[COLLECTIONS_MAX] = {0};
    const struct forest_commit commit = {.entry_bytes = SECTOR_SIZE, .event_counts = none};
    const bool short_of_room = forest->schedule.short_of_room;
    forest->schedule.short_of_room = false;
    if (forest_beat_is_full(forest, &commit)) {
        const struct journal_position head = journal_head(&db->journal);
        TRY(forest_close_beat(forest, &head));
    }
    forest->schedule.short_of_room = short_of_room;
    TRY(grid_status(&db->grid));
    const struct journal_append append = {
        .kind = JOURNAL_CHECKPOINT,
        .beat = forest->schedule.beat,
        .short_of_room = short_of_room,
        .sync = JOURNAL_SYNC_WAIT,
    };
    uint64_t op = 0;
    (void)journal_body(&db->journal);
    TRY(journal_append(&db->journal, &append, &op));
    forest_count_entry(forest, commit.entry_bytes);
    db->journal_bytes += commit.entry_bytes;
    const struct journal_position head = journal_head(&db->journal);
    return forest_checkpoint(forest, &head);
}

/* What a checkpoint has let go is free at the effect of the keep-th from it on, some beats after
 * that one's capture (S8, S13). Where room is short nobody may be admitted to bring these beats: as
 * many more checkpoints do, while there is room for them. Whether room is short is asked anew: what
 * was found before may be of a commit that was refused, or of a process before this one. */
static enum tactus_status checkpoint_again(tactus_db *db)
{
    struct forest *forest = &db->forest;
    for (uint32_t index = 0; index < db->sizing->keep; index += 1) {
        if (!forest_may_checkpoint_again(forest)) return TACTUS_OK;
        const struct fault before = db->fault;
        const enum tactus_status status = forest_admit_checkpoint(forest);
        if (status == TACTUS_FULL || status == TACTUS_LIMIT) {
            db->fault = before;
            return TACTUS_OK;
        }
        TRY(status);
        if (!forest->schedule.short_of_room) return TACTUS_OK;
        TRY(checkpoint_write(db));
    }
    return TACTUS_OK;
}

enum tactus_status database_checkpoint(tactus_db *db)
{
    struct forest *forest = &db->forest;
    /* A checkpoint of what a complete one covers already would be an op about nothing. */
    const bool is_covered = forest->schedule.covered.op == journal_head(&db->journal).op;
    if (is_covered && forest_capture_wait(forest) != TACTUS_OK) return write_failed(db);
    if (!is_covered) {
        if (forest_admit_checkpoint(forest) != TACTUS_OK) return database_failed(db);
        if (checkpoint_write(db) != TACTUS_OK) return write_failed(db);
    }
    const bool may_be_short = is_covered || forest->schedule.short_of_room;
    if (may_be_short && checkpoint_again(db) != TACTUS_OK) return write_failed(db);
    return TACTUS_OK;
}
