#include "forest/collection.h"

#include "base/assert.h"
#include "base/bytes.h"

#include "base/poison.h"

static void put_object(struct collection *collection, const void *object)
{
    uint8_t record[OBJECT_SIZE_MAX];
    bytes_copy(record, object, collection->schema->object_bytes);
    object_to_disk(collection->schema, record);
    tree_put(collection->object_tree, record);
}

static const void *object_id(const struct collection *collection, const void *object)
{
    const struct collection_schema *schema = collection->schema;
    assert(schema->id_field != FIELD_NONE);
    return (const uint8_t *)object + schema->fields[schema->id_field].offset;
}

bool collection_same_id(const struct collection *collection, const void *a, const void *b)
{
    if (collection->id_tree == NULL) return true;
    return bytes_equal(
        object_id(collection, a), object_id(collection, b), collection->schema->id_bytes
    );
}

static void touch(struct collection *collection)
{
    collection->touched = true;
    collection->event_count += 1;
}

void collection_insert(struct collection *collection, const void *object)
{
    const struct collection_schema *schema = collection->schema;
    const uint64_t timestamp = object_timestamp(schema, object);
    assert(timestamp > 0 && timestamp <= TIMESTAMP_MAX);

    touch(collection);
    put_object(collection, object);
    uint8_t record[INDEX_RECORD_SIZE_MAX];
    if (collection->id_tree != NULL) {
        codec_id_record(schema, object_id(collection, object), timestamp, record);
        tree_put(collection->id_tree, record);
    }
    for (uint32_t index = 0; index < schema->index_count; index += 1) {
        if (codec_index_record(schema, &schema->indexes[index], object, record)) {
            tree_put(collection->index_trees[index], record);
        }
    }
}

static void update_index(
    struct collection *collection, uint32_t index, const void *old, const void *new
)
{
    const struct collection_schema *schema = collection->schema;
    const struct index_schema *index_schema = &schema->indexes[index];
    struct tree *tree = collection->index_trees[index];
    uint8_t old_record[INDEX_RECORD_SIZE_MAX];
    uint8_t new_record[INDEX_RECORD_SIZE_MAX];
    const bool had = codec_index_record(schema, index_schema, old, old_record);
    const bool has = codec_index_record(schema, index_schema, new, new_record);
    const uint32_t size = tree->options.shape.record_size;
    if (had && has && bytes_equal(old_record, new_record, size)) return;
    if (had) tree_remove(tree, old_record);
    if (has) tree_put(tree, new_record);
}

void collection_update(struct collection *collection, const void *old, const void *new)
{
    const struct collection_schema *schema = collection->schema;
    assert(object_timestamp(schema, old) == object_timestamp(schema, new));

    touch(collection);
    put_object(collection, new);
    for (uint32_t index = 0; index < schema->index_count; index += 1) {
        update_index(collection, index, old, new);
    }
}

void collection_remove(struct collection *collection, const void *old)
{
    const struct collection_schema *schema = collection->schema;
    const uint64_t timestamp = object_timestamp(schema, old);

    touch(collection);
    uint8_t object[OBJECT_SIZE_MAX];
    bytes_copy(object, old, schema->object_bytes);
    object_to_disk(schema, object);
    tree_remove(collection->object_tree, object);
    uint8_t record[INDEX_RECORD_SIZE_MAX];
    if (collection->id_tree != NULL) {
        codec_id_record(schema, object_id(collection, old), timestamp, record);
        tree_remove(collection->id_tree, record);
    }
    for (uint32_t index = 0; index < schema->index_count; index += 1) {
        if (codec_index_record(schema, &schema->indexes[index], old, record)) {
            tree_remove(collection->index_trees[index], record);
        }
    }
}

void collection_put(struct collection *map, const void *object)
{
    assert(map->schema->is_map);
    touch(map);
    uint8_t record[RECORD_SIZE_MAX];
    codec_map_record(map->schema, object, record);
    tree_put(map->object_tree, record);
}

void collection_delete(struct collection *map, struct key key)
{
    assert(map->schema->is_map);
    touch(map);
    uint8_t record[RECORD_SIZE_MAX];
    codec_map_tombstone(map->schema, key, record);
    tree_remove(map->object_tree, record);
}

void collection_mark(const struct collection *collection, struct collection_mark *mark)
{
    const uint32_t index_count = collection->schema->index_count;
    for (uint32_t index = 0; index < index_count; index += 1) {
        mark->trees[index] = tree_mark(collection->index_trees[index]);
    }
    mark->trees[INDEXES_MAX] = tree_mark(collection->object_tree);
    if (collection->id_tree != NULL) mark->trees[INDEXES_MAX + 1] = tree_mark(collection->id_tree);
    mark->event_count = collection->event_count;
}

void collection_discard(struct collection *collection, const struct collection_mark *mark)
{
    assert(mark->event_count <= collection->event_count);

    const uint32_t index_count = collection->schema->index_count;
    for (uint32_t index = 0; index < index_count; index += 1) {
        tree_discard(collection->index_trees[index], &mark->trees[index]);
    }
    tree_discard(collection->object_tree, &mark->trees[INDEXES_MAX]);
    if (collection->id_tree != NULL) {
        tree_discard(collection->id_tree, &mark->trees[INDEXES_MAX + 1]);
    }
    collection->event_count = mark->event_count;
}

void collection_settle(struct collection *collection, uint64_t timestamp)
{
    for (uint32_t index = 0; index < collection->schema->index_count; index += 1) {
        tree_settle(collection->index_trees[index]);
    }
    tree_settle(collection->object_tree);
    if (collection->id_tree != NULL) tree_settle(collection->id_tree);
    if (timestamp > collection->timestamp_last) collection->timestamp_last = timestamp;
    collection->event_count = 0;
    collection->touched = false;
}

uint32_t collection_visible(const struct tree *tree, enum visibility visibility)
{
    return visibility == VISIBLE_ALL ? tree_visible_all(tree) : tree_visible_settled(tree);
}

bool collection_id_in_memory(
    const struct collection *collection,
    const struct key *id,
    enum visibility visibility,
    uint64_t *timestamp
)
{
    assert(!collection->schema->is_map);
    const struct tree *tree = collection->id_tree;
    const void *record = tree_get_mutable(tree, *id, collection_visible(tree, visibility));
    if (record == NULL) return false;
    const struct record_shape *shape = &tree->options.shape;
    *timestamp = record_is_tombstone(shape, record) ? 0 : record_timestamp(shape, record);
    return true;
}

bool collection_object_in_memory(
    const struct collection *collection,
    uint64_t timestamp,
    enum visibility visibility,
    void *object,
    bool *present
)
{
    assert(!collection->schema->is_map);
    const struct tree *tree = collection->object_tree;
    const struct key key = key_from_u64(timestamp);
    const void *record = tree_get_mutable(tree, key, collection_visible(tree, visibility));
    if (record == NULL) return false;
    *present = !record_is_tombstone(&tree->options.shape, record);
    if (*present) codec_object_of_record(collection->schema, record, object);
    return true;
}

enum tactus_status collection_find(
    const struct collection *collection,
    struct resolver *resolver,
    enum visibility visibility,
    const struct key *ids,
    uint32_t count,
    uint64_t *timestamps
)
{
    assert(count <= RESOLVE_MAX);
    assert(collection->id_tree != NULL);

    bool known[RESOLVE_MAX];
    bool found[RESOLVE_MAX];
    uint8_t records[RESOLVE_MAX * INDEX_RECORD_SIZE_MAX];
    for (uint32_t index = 0; index < count; index += 1) {
        timestamps[index] = 0;
        known[index] =
            collection_id_in_memory(collection, &ids[index], visibility, &timestamps[index]);
    }
    const struct resolve resolve = {
        .tree = collection->id_tree,
        .snapshot = tree_snapshot_newest(collection->id_tree),
        .keys = ids,
        .count = count,
        .skip = known,
        .records = records,
        .found = found,
    };
    TRY(resolver_run(resolver, &resolve));
    const struct record_shape *shape = &collection->id_tree->options.shape;
    for (uint32_t index = 0; index < count; index += 1) {
        if (known[index] || !found[index]) continue;
        timestamps[index] = record_timestamp(shape, records + index * shape->record_size);
    }
    return TACTUS_OK;
}

enum tactus_status collection_fetch(
    const struct collection *collection,
    struct resolver *resolver,
    enum visibility visibility,
    const uint64_t *timestamps,
    uint32_t count,
    uint8_t *objects,
    bool *found
)
{
    assert(count <= RESOLVE_MAX);
    assert(!collection->schema->is_map);

    const uint64_t size = collection->schema->object_bytes;
    bool known[RESOLVE_MAX];
    bool present[RESOLVE_MAX];
    bool beneath[RESOLVE_MAX];
    struct key keys[RESOLVE_MAX];
    for (uint32_t index = 0; index < count; index += 1) {
        keys[index] = key_from_u64(timestamps[index]);
        present[index] = false;
        known[index] =
            timestamps[index] == 0 ||
            collection_object_in_memory(
                collection, timestamps[index], visibility, objects + index * size, &present[index]
            );
    }
    const struct resolve resolve = {
        .tree = collection->object_tree,
        .snapshot = tree_snapshot_newest(collection->object_tree),
        .keys = keys,
        .count = count,
        .skip = known,
        .records = objects,
        .found = beneath,
    };
    TRY(resolver_run(resolver, &resolve));
    for (uint32_t index = 0; index < count; index += 1) {
        found[index] = known[index] ? present[index] : beneath[index];
        if (!found[index]) bytes_zero(objects + index * size, size);
        if (beneath[index]) object_from_disk(collection->schema, objects + index * size);
    }
    return TACTUS_OK;
}

/* The object of that key in the map's mutable table. False: the table does not know it. */
static bool get_in_memory(
    const struct collection *map,
    const struct key *key,
    enum visibility visibility,
    void *object,
    bool *present
)
{
    const struct tree *tree = map->object_tree;
    const void *record = tree_get_mutable(tree, *key, collection_visible(tree, visibility));
    if (record == NULL) return false;
    *present = !record_is_tombstone(&tree->options.shape, record);
    if (*present) codec_map_object(map->schema, record, object);
    return true;
}

enum tactus_status collection_get(
    const struct collection *map,
    struct resolver *resolver,
    enum visibility visibility,
    const struct key *keys,
    uint32_t count,
    uint8_t *objects,
    bool *found
)
{
    assert(count <= RESOLVE_MAX);
    assert(map->schema->is_map);

    const uint64_t size = map->schema->object_bytes;
    bool known[RESOLVE_MAX];
    bool present[RESOLVE_MAX];
    bool beneath[RESOLVE_MAX];
    for (uint32_t index = 0; index < count; index += 1) {
        uint8_t *object = objects + index * size;
        present[index] = false;
        known[index] = get_in_memory(map, &keys[index], visibility, object, &present[index]);
    }
    const struct resolve resolve = {
        .tree = map->object_tree,
        .snapshot = tree_snapshot_newest(map->object_tree),
        .keys = keys,
        .count = count,
        .skip = known,
        .records = resolver->map_records,
        .found = beneath,
    };
    TRY(resolver_run(resolver, &resolve));
    const uint64_t record_size = codec_map_record_bytes(map->schema);
    for (uint32_t index = 0; index < count; index += 1) {
        uint8_t *object = objects + index * size;
        found[index] = known[index] ? present[index] : beneath[index];
        if (!found[index]) bytes_zero(object, size);
        if (!beneath[index]) continue;
        codec_map_object(map->schema, resolver->map_records + index * record_size, object);
    }
    return TACTUS_OK;
}
