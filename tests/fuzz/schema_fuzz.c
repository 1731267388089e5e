/* Any text as a schema: it is refused in words, with a place, or it is a schema of which everything
 * holds that schema.h promises, and for which options are resolved or refused in words. */
#include "base/assert.h"
#include "base/bytes.h"
#include "forest/schema_parser.h"
#include "forest/sizing.h"

#include <stddef.h>
#include <string.h>

#include "base/poison.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_fields(const struct collection_schema *collection)
{
    uint32_t end = 0;
    for (uint32_t i = 0; i < collection->field_count; i += 1) {
        const struct field *field = &collection->fields[i];
        assert(field->size >= 1);
        assert(field->offset >= end);
        assert(field->offset % field_type_of(field->type)->alignment == 0);
        assert(field->offset - end < 8);
        assert(collection_field_find(collection, field->name, strlen(field->name)) == i);
        end = (uint32_t)field->offset + field->size;
    }
    assert(collection->object_bytes >= end);
    assert(collection->object_bytes - end < 8);
    assert(collection->object_bytes % 8 == 0);
    assert(collection->object_bytes <= OBJECT_SIZE_MAX);
    assert(collection->shape != 0);
    if (collection->is_map) {
        assert(collection->object_bytes <= MAP_OBJECT_SIZE_MAX);
        assert(collection->timestamp_field == FIELD_NONE);
        assert(collection->id_field == 0);
        assert(collection->id_bytes == collection->fields[0].size);
        assert(collection->id_tree == 0 && collection->index_count == 0);
        return;
    }
    const struct field *timestamp = &collection->fields[collection->timestamp_field];
    assert(timestamp->type == TACTUS_TYPE_TIMESTAMP);
    assert(timestamp->offset == collection->timestamp_offset);
}

static void check_indexes(const struct collection_schema *collection)
{
    assert(collection->index_count <= INDEXES_MAX);
    for (uint32_t i = 0; i < collection->index_count; i += 1) {
        const struct index_schema *index = &collection->indexes[i];
        uint32_t bytes = 0;
        assert(index->field_count >= 1);
        for (uint32_t k = 0; k < index->field_count; k += 1) {
            assert(index->fields[k] < collection->field_count);
            bytes += field_order_bytes(&collection->fields[index->fields[k]]);
        }
        if (index->hashed) {
            assert(index->field_count == 1 && !index->composite && !index->truncated);
            bytes = HASH_BYTES;
        }
        assert(bytes == index->order_bytes);
        assert(bytes <= ORDER_BYTES_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct schema schema;
    static struct sizing sizing;
    struct text_error error = {.text = ""};
    if (schema_parse((const char *)data, size, &schema, &error) != TACTUS_OK) {
        assert(error.line >= 1);
        assert(error.column >= 1);
        assert(error.text[0] != 0);
        return 0;
    }
    uint32_t trees = 0;
    for (uint32_t i = 0; i < schema.count; i += 1) {
        const struct collection_schema *collection = &schema.collections[i];
        check_fields(collection);
        check_indexes(collection);
        trees += 1U + (collection->id_tree != 0 ? 1U : 0U) + collection->index_count;
    }
    assert(trees == schema.tree_count);
    for (uint32_t tree = 1; tree <= trees; tree += 1)
        (void)schema_tree(&schema, tree);

    const struct tactus_create_options small = {
        .block_size = 4096, .batch_max = 64, .bar_beats = 4, .journal_bytes = 1 << 20};
    if (sizing_resolve(&schema, NULL, &sizing, &error) != TACTUS_OK) assert(error.text[0] != 0);
    if (sizing_resolve(&schema, &small, &sizing, &error) != TACTUS_OK) assert(error.text[0] != 0);
    return 0;
}
