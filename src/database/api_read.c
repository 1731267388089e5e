/* Exported: schema, values as text, lookups. */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "database/database.h"
#include "forest/field_text.h"
#include "forest/schema_parser.h"

#include "base/poison.h"

/* ---- Schema ---------------------------------------------------------------------------------- */

enum tactus_status tactus_schema_check(const char *text, struct tactus_error *error)
{
    if (text == NULL) return error_set(error, TACTUS_MISUSE, "schema: the text is NULL");
    return tactus_memory_required(text, NULL, NULL, NULL, error);
}

const char *tactus_schema_text(const tactus_db *db)
{
    return database_is_usable(db) ? db->schema_text : "";
}

enum tactus_status tactus_collection_find(
    tactus_db *db, const char *name, uint64_t shape, const tactus_collection **collection
)
{
    TRY(database_enter(db));
    if (name == NULL || collection == NULL) {
        return database_misuse(db, "collection: name or collection is NULL");
    }
    const struct collection_schema *schema = schema_find(db->schema, name);
    if (schema == NULL) {
        return error_set(
            &db->error, TACTUS_ABSENT, "collection %.64s: the schema has none of this name", name
        );
    }
    if (shape != 0 && shape != schema->shape) {
        return error_set(
            &db->error,
            TACTUS_SCHEMA,
            "collection %s: the program was built for another schema; run `tactus codegen c` anew",
            name
        );
    }
    *collection = &db->collections[schema->number];
    return TACTUS_OK;
}

const tactus_collection *tactus_collection_at(const tactus_db *db, uint32_t number)
{
    if (db == NULL || db->magic != DATABASE_MAGIC || number >= db->schema->count) return NULL;
    return &db->collections[number];
}

static enum tactus_status enter_collection(const tactus_collection *collection)
{
    return collection == NULL ? TACTUS_MISUSE : database_enter_any(collection->db);
}

void tactus_collection_info(
    const tactus_collection *collection, struct tactus_collection_info *info
)
{
    if (info == NULL) return;
    *info = (struct tactus_collection_info){0};
    if (enter_collection(collection) != TACTUS_OK) return;
    const struct collection_schema *schema = collection->collection->schema;
    *info = (struct tactus_collection_info){
        .name = schema->name,
        .kind = schema->is_map ? TACTUS_KIND_MAP : TACTUS_KIND_COLLECTION,
        .field_count = schema->field_count,
        .object_bytes = schema->object_bytes,
        .id_field = schema->id_field,
        .timestamp_field = schema->timestamp_field,
        .index_count = schema->index_count,
        .shape = schema->shape,
        .timestamp_last = collection->collection->timestamp_last,
        .batch_max = collection->db->sizing->batch_max,
    };
}

enum tactus_status tactus_field_at(
    const tactus_collection *collection, uint32_t number, struct tactus_field *field
)
{
    TRY(enter_collection(collection));
    if (field == NULL) return TACTUS_MISUSE;
    const struct collection_schema *schema = collection->collection->schema;
    if (number >= schema->field_count) return TACTUS_ABSENT;
    const struct field *source = &schema->fields[number];
    *field = (struct tactus_field){
        .name = source->name,
        .type = source->type,
        .offset = source->offset,
        .size = source->size,
        .decimals = source->decimals,
        .flags = source->flags,
    };
    return TACTUS_OK;
}

/* ---- Values as text -------------------------------------------------------------------------- */

enum tactus_status tactus_value_parse(
    const tactus_collection *collection,
    uint32_t field,
    const char *text,
    size_t bytes,
    void *object,
    struct tactus_error *error
)
{
    const enum tactus_status entered = enter_collection(collection);
    if (entered == TACTUS_FORKED) {
        return error_set(error, entered, "value: the handle was opened before fork()");
    }
    if (entered != TACTUS_OK || text == NULL || object == NULL ||
        field >= collection->collection->schema->field_count) {
        return error_set(error, TACTUS_MISUSE, "value: an argument is NULL, or no such field");
    }
    const struct field *place = &collection->collection->schema->fields[field];
    struct text_error words = {0};
    const enum tactus_status status =
        field_parse(place, text, bytes, (uint8_t *)object + place->offset, &words);
    if (status != TACTUS_OK) (void)error_from_text(error, status, &words);
    return status;
}

size_t tactus_value_format(
    const tactus_collection *collection,
    uint32_t field,
    const void *object,
    char *buffer,
    size_t size
)
{
    if (enter_collection(collection) != TACTUS_OK || object == NULL ||
        (buffer == NULL && size > 0) || field >= collection->collection->schema->field_count) {
        if (size > 0 && buffer != NULL) buffer[0] = 0;
        return 0;
    }
    const struct field *place = &collection->collection->schema->fields[field];
    return field_format(place, (const uint8_t *)object + place->offset, buffer, size);
}

enum tactus_status tactus_text_set(char *field, size_t field_bytes, const char *text)
{
    if (field == NULL || text == NULL) return TACTUS_MISUSE;
    const size_t length = strlen(text);
    if (length > field_bytes) return TACTUS_INVALID;
    memcpy(field, text, length);
    memset(field + length, 0, field_bytes - length);
    return TACTUS_OK;
}

/* ---- Lookups --------------------------------------------------------------------------------- */

tactus_view *tactus_latest(tactus_db *db)
{
    return db == NULL || db->magic != DATABASE_MAGIC ? NULL : &db->latest;
}

tactus_view *tactus_txn_view(tactus_txn *txn)
{
    return txn == NULL || txn->db == NULL || !txn->open ? NULL : &txn->view;
}

struct get {
    const struct collection *collection;
    enum visibility visibility;
    const uint8_t *ids; /* or keys of a map; NULL: by timestamp */
    const uint64_t *timestamps;
    uint8_t *objects;
    struct tactus_result *results;
    uint32_t absent_count;
};

/* One object after the other, as the call's `found` and `objects` have them. */
static void get_results(
    struct get *get, uint32_t first, uint32_t count, const bool *found, const uint64_t *timestamps
)
{
    for (uint32_t index = 0; index < count; index += 1) {
        if (!found[index]) get->absent_count += 1;
        if (get->results == NULL) continue;
        get->results[first + index] = (struct tactus_result){
            .timestamp = found[index] ? timestamps[index] : 0,
            .status = found[index] ? TACTUS_OK : TACTUS_ABSENT,
        };
    }
}

static enum tactus_status get_chunk(tactus_db *db, struct get *get, uint32_t first, uint32_t count)
{
    const struct collection_schema *schema = get->collection->schema;
    struct resolver *resolver = &db->forest.resolver;
    uint8_t *objects = get->objects + (uint64_t)first * schema->object_bytes;
    uint64_t timestamps[RESOLVE_MAX] = {0};
    struct key keys[RESOLVE_MAX];
    bool found[RESOLVE_MAX];
    for (uint32_t index = 0; index < count; index += 1) {
        if (get->ids != NULL) {
            const uint64_t offset = (uint64_t)(first + index) * schema->id_bytes;
            keys[index] = codec_id_key(schema, get->ids + offset);
        } else {
            const uint64_t timestamp = get->timestamps[first + index];
            timestamps[index] = timestamp <= TIMESTAMP_MAX ? timestamp : 0;
        }
    }
    if (schema->is_map) {
        TRY(collection_get(get->collection, resolver, get->visibility, keys, count, objects, found)
        );
        get_results(get, first, count, found, timestamps);
        return TACTUS_OK;
    }
    if (get->ids != NULL) {
        TRY(collection_find(get->collection, resolver, get->visibility, keys, count, timestamps));
    }
    TRY(collection_fetch(
        get->collection, resolver, get->visibility, timestamps, count, objects, found
    ));
    get_results(get, first, count, found, timestamps);
    return TACTUS_OK;
}

static enum tactus_status get_all(tactus_db *db, struct get *get, uint32_t count)
{
    for (uint32_t first = 0; first < count; first += RESOLVE_MAX) {
        if (get_chunk(db, get, first, min_u32(count - first, RESOLVE_MAX)) != TACTUS_OK) {
            return database_failed(db);
        }
    }
    if (get->absent_count == 0) return TACTUS_OK;
    return error_set(
        &db->error,
        get->results == NULL ? TACTUS_ABSENT : TACTUS_SOME,
        "get from %s: %u of %u objects are absent",
        get->collection->schema->name,
        get->absent_count,
        count
    );
}

enum tactus_status tactus_get(
    tactus_view *view,
    const tactus_collection *collection,
    const void *ids,
    uint32_t count,
    void *objects,
    struct tactus_result *results
)
{
    TRY(database_enter_view(view, collection));
    if (count > 0 && (ids == NULL || objects == NULL)) {
        return database_misuse(view->db, "get: ids or objects is NULL");
    }
    if (collection->collection->schema->id_field == FIELD_NONE) {
        return tactus_get_by_timestamp(view, collection, ids, count, objects, results);
    }
    struct get get = {
        .collection = collection->collection,
        .visibility = view->visibility,
        .ids = ids,
        .objects = objects,
        .results = results,
    };
    return get_all(view->db, &get, count);
}

enum tactus_status tactus_get_by_timestamp(
    tactus_view *view,
    const tactus_collection *collection,
    const uint64_t *timestamps,
    uint32_t count,
    void *objects,
    struct tactus_result *results
)
{
    TRY(database_enter_view(view, collection));
    if (count > 0 && (timestamps == NULL || objects == NULL)) {
        return database_misuse(view->db, "get: timestamps or objects is NULL");
    }
    if (collection->collection->schema->is_map) {
        return database_misuse(view->db, "get: a map has no timestamps; call tactus_get");
    }
    struct get get = {
        .collection = collection->collection,
        .visibility = view->visibility,
        .timestamps = timestamps,
        .objects = objects,
        .results = results,
    };
    return get_all(view->db, &get, count);
}
