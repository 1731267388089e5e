#include "forest/schema.h"

#include "base/assert.h"
#include "base/bytes.h"

#include <stddef.h>
#include <string.h>

#include "base/poison.h"

const struct collection_schema *schema_find(const struct schema *schema, const char *name)
{
    for (uint32_t i = 0; i < schema->count; i += 1) {
        if (strcmp(schema->collections[i].name, name) == 0) return &schema->collections[i];
    }
    return NULL;
}

uint32_t collection_field_find(
    const struct collection_schema *collection, const char *name, uint64_t size
)
{
    if (size >= NAME_SIZE) return FIELD_NONE;
    for (uint32_t i = 0; i < collection->field_count; i += 1) {
        const char *known = collection->fields[i].name;
        if (strlen(known) == size && bytes_equal(known, name, size)) return i;
    }
    return FIELD_NONE;
}

bool index_leaves_zero_out(
    const struct collection_schema *collection, const struct index_schema *index, uint32_t field
)
{
    assert(field < collection->field_count);
    for (uint32_t i = 0; i < index->field_count; i += 1) {
        if (index->fields[i] != field) continue;
        return index->sparse || field_is_optional(&collection->fields[field]);
    }
    assert(false); /* the field is one of the index's own */
    return false;
}

struct tree_place schema_tree(const struct schema *schema, uint32_t tree)
{
    assert(tree >= 1);
    assert(tree <= schema->tree_count);
    for (uint32_t i = 0; i < schema->count; i += 1) {
        const struct collection_schema *collection = &schema->collections[i];
        if (tree == collection->object_tree) {
            const enum tree_kind kind = collection->is_map ? TREE_KIND_MAP : TREE_KIND_OBJECT;
            return (struct tree_place){collection, NULL, kind};
        }
        if (tree == collection->id_tree) {
            return (struct tree_place){collection, NULL, TREE_KIND_ID};
        }
        for (uint32_t k = 0; k < collection->index_count; k += 1) {
            const struct index_schema *index = &collection->indexes[k];
            if (tree == index->tree) return (struct tree_place){collection, index, TREE_KIND_INDEX};
        }
    }
    assert(false); /* every number up to tree_count is a tree's */
    return (struct tree_place){0};
}
