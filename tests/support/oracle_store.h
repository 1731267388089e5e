#ifndef TACTUS_TESTS_SUPPORT_ORACLE_STORE_H
#define TACTUS_TESTS_SUPPORT_ORACLE_STORE_H

#include "support/oracle_field.h"

/* Random schemas, and objects in an array: what a collection or a map is to the model test of
 * queries. */
enum {
    ORACLE_STORES = 3,
    ORACLE_FIELDS = 10,
    ORACLE_OBJECT_SIZE = 512,
    ORACLE_COMPOSITES = 3,
    ORACLE_COMPOSITE_FIELDS = 4,
    ORACLE_SCHEMA_SIZE = 8192,
};

struct oracle_object {
    bool present;
    uint64_t timestamp; /* of a map's: 0 */
    uint8_t bytes[ORACLE_OBJECT_SIZE];
};

/* An index over several fields, by their numbers. */
struct oracle_composite {
    uint32_t count;
    uint8_t fields[ORACLE_COMPOSITE_FIELDS];
};

struct oracle_store {
    char name[8];
    bool is_map;
    uint32_t field_count;
    uint32_t id_field;        /* or UINT32_MAX; of a map: its key */
    uint32_t timestamp_field; /* or UINT32_MAX, of a map */
    uint32_t object_bytes;
    uint32_t composite_count;
    struct oracle_composite composites[ORACLE_COMPOSITES];
    struct oracle_field fields[ORACLE_FIELDS + 3];

    const tactus_collection *collection;
    uint64_t timestamp_last; /* of the next insert: one more; of a map: how often one was put */
    uint32_t slot_count;     /* objects that there can be */
    struct oracle_object *committed;
    struct oracle_object *pending; /* as the open transaction sees them */
};

/* Draws 1 to ORACLE_STORES of them, with the text that declares them. What only the library knows
 * (offsets, collections) is still missing: oracle_store_learn(). */
uint32_t oracle_stores_draw(
    struct oracle_store *stores, struct random *random, struct oracle_text *text
);

/* Takes collection and offsets from a handle; again after each open. */
void oracle_store_learn(struct oracle_store *store, tactus_db *db);

/* Takes memory for so many objects, all absent; questions ask for their ids. */
void oracle_store_fill(struct oracle_store *store, struct random *random, uint32_t slot_count);
void oracle_store_free(struct oracle_store *store);

/* Draws the object of a slot, all but its timestamp. A slot's id is its own; ids lie apart. */
void oracle_object_draw(
    const struct oracle_store *store,
    struct random *random,
    uint32_t slot,
    struct oracle_object *object
);

/* What removes and updates name it by: its id, or its timestamp. */
const uint8_t *oracle_object_name(
    const struct oracle_store *store, const struct oracle_object *object
);

#endif
