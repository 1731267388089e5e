/* The declared shape of a file: its collections and maps, their fields and indexes, and the numbers
 * of their trees. schema_parse() (forest/schema_parser.h) makes it from the text.
 *
 * Maps       Are collections here, of which `is_map` is set: objects under a key, their first
 *            field, which is the id field. There is no timestamp and no index. What is said of
 *            collections goes for both, unless it says otherwise.
 *
 * Layout     Fields lie in the order of declaration, each at the next multiple of its alignment
 *            (u128, uuid 8; text, bytes, reserved 1; all others their size); gaps are padding. An
 *            object's size is a multiple of 8. A timestamp that is not declared is the last field,
 *            with the name `timestamp`. Nothing is added to a map.
 * Trees      Have the numbers 1, 2, 3 ... in the order of the text: of each collection its object
 *            tree, its id tree if it has an id, then its indexes as they are declared (a field's
 *            own and composite ones alike); of each map its one tree. A tree keeps its number for
 *            life: what a later `alter` adds gets the next free ones, wherever it stands in the
 *            text.
 * Shape      A hash of the collection's and its fields' names, of their types, decimals, sizes and
 *            offsets, and of the object's size; not of indexes or `optional`, which change no
 *            struct. */
#ifndef TACTUS_FOREST_SCHEMA_H
#define TACTUS_FOREST_SCHEMA_H

#include "base/assert.h"
#include "base/status.h"
#include "forest/field.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    COLLECTIONS_MAX = 64, /* maps counted */
    FIELDS_MAX = 128,     /* of a collection, its timestamp counted */
    INDEXES_MAX = 16,     /* of a collection, composite ones counted */
    OBJECT_SIZE_MAX = 4096,
    MAP_OBJECT_SIZE_MAX = OBJECT_SIZE_MAX - 8, /* of a map: its record has a flag word besides */
    TREES_MAX = COLLECTIONS_MAX * (INDEXES_MAX + 2),
    HASH_BYTES = 8,           /* of the prefix of a hashed index */
    SCHEMA_TEXT_MAX = 1 << 20 /* bytes */
};

#define FIELD_NONE UINT32_MAX

struct index_schema {
    char name[NAME_SIZE]; /* of a field's own index, the field's */

    /* Numbers, most significant first. Each brings a byte at least, so ORDER_BYTES_MAX are
     * enough. */
    uint8_t fields[ORDER_BYTES_MAX];
    uint8_t field_count; /* from 1 */

    uint8_t order_bytes; /* of their values together, 1 to ORDER_BYTES_MAX; hashed: HASH_BYTES */
    bool composite;      /* declared by `index NAME (...)` */
    bool sparse;         /* `index sparse`: leaves zero out, as if the field were optional */
    bool truncated;      /* its only field is longer than ORDER_BYTES_MAX, and not hashed */
    bool hashed;         /* `index hash`: has the hash of its only field; for equality alone */
    uint16_t tree;       /* its number */
};

struct collection_schema {
    char name[NAME_SIZE];
    struct field *fields; /* in the schema's pool */
    uint32_t field_count;
    struct index_schema *indexes; /* in the schema's pool */
    uint32_t index_count;

    uint32_t number;           /* of the collection, from 0 */
    uint32_t id_field;         /* its number, or FIELD_NONE; of a map 0, the key */
    uint32_t id_bytes;         /* 0, 8 or 16; of a map those of the key */
    uint32_t timestamp_field;  /* its number; of a map FIELD_NONE */
    uint32_t timestamp_offset; /* of a map 0, and nothing lies there */
    uint32_t object_bytes;     /* a multiple of 8, at most OBJECT_SIZE_MAX */
    uint16_t object_tree;      /* of a map its one tree */
    uint16_t id_tree;          /* 0: there is none, as for a map */
    bool is_map;
    uint64_t shape; /* never 0 */
};

/* About 700 KiB, of which a schema touches only what it uses (it need not be zeroed first). Holds
 * pointers into itself: do not move or copy it. */
struct schema {
    uint32_t count; /* collections, from 1 */
    uint32_t field_count;
    uint32_t index_count;
    uint32_t tree_count;
    struct collection_schema collections[COLLECTIONS_MAX];
    struct index_schema indexes[COLLECTIONS_MAX * INDEXES_MAX];
    struct field fields[COLLECTIONS_MAX * FIELDS_MAX];
};
static_assert(sizeof(struct schema) <= 1 << 20, "a schema takes at most 1 MiB");

/* The collection of that name (zero-terminated), or NULL. */
const struct collection_schema *schema_find(const struct schema *schema, const char *name);

/* The number of the field of that name (`size` bytes), or FIELD_NONE. */
uint32_t collection_field_find(
    const struct collection_schema *collection, const char *name, uint64_t size
);

/* Whether the index leaves out an object in which this field (one of its own) is zero: optional
 * fields, and the field of `index sparse`. A composite index leaves an object out when any of its
 * optional fields is zero. */
bool index_leaves_zero_out(
    const struct collection_schema *collection, const struct index_schema *index, uint32_t field
);

/* What a tree's number means. */
enum tree_kind { TREE_KIND_OBJECT = 1, TREE_KIND_ID, TREE_KIND_INDEX, TREE_KIND_MAP };

struct tree_place {
    const struct collection_schema *collection;
    const struct index_schema *index; /* of TREE_KIND_INDEX, else NULL */
    enum tree_kind kind;
};

/* Of tree 1 to schema->tree_count. */
struct tree_place schema_tree(const struct schema *schema, uint32_t tree);

#endif
