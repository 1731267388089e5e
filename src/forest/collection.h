/* A collection: its object tree, id tree and index trees as one. Or a map: its one tree.
 *
 *   object tree   timestamp -> object
 *   id tree       id -> timestamp
 *   index trees   (prefix, timestamp) -> nothing, one for each index
 *   a map's tree  key -> what stands behind it
 *
 * What is written here is decided already: objects are normalised and carry their timestamps, an
 * insert's id is absent, an update's and a removal's object is the one that is there. Objects are
 * in native order; trees hold them little-endian. What is written to a map is blind: nobody has
 * looked whether the key is there.
 *
 * What is written since the last settle is the open transaction: collection_mark() and
 * collection_discard() take back any end of it. */
#ifndef TACTUS_FOREST_COLLECTION_H
#define TACTUS_FOREST_COLLECTION_H

#include "base/status.h"
#include "forest/codec.h"
#include "forest/resolver.h"
#include "forest/schema.h"
#include "lsm/tree.h"

#include <stdbool.h>
#include <stdint.h>

enum { COLLECTION_TREES_MAX = INDEXES_MAX + 2 };

struct collection {
    const struct collection_schema *schema; /* borrowed while the database is open */
    struct tree *object_tree;               /* borrowed from the forest; of a map its one tree */
    struct tree *id_tree;                   /* NULL: there is no id, or this is a map */
    struct tree *index_trees[INDEXES_MAX];

    uint64_t timestamp_last; /* the highest ever committed (R4) */
    uint32_t event_count;    /* of the open transaction */
    bool touched;            /* by the open transaction */
};

/* Whether both objects have the same id, or the collection has none. */
bool collection_same_id(const struct collection *collection, const void *a, const void *b);

void collection_insert(struct collection *collection, const void *object);

/* Replaces `old` by `new`, which has its timestamp. An index is changed only where its record
 * differs; the removal comes first (R2). */
void collection_update(struct collection *collection, const void *old, const void *new);

void collection_remove(struct collection *collection, const void *old);

/* Of a map: the object is there from here on, whatever its key led to before. */
void collection_put(struct collection *map, const void *object);

/* Of a map: nothing is there under this key from here on, as maybe nothing was before. */
void collection_delete(struct collection *map, struct key key);

struct collection_mark {
    struct tree_mark trees[COLLECTION_TREES_MAX];
    uint32_t event_count;
};

void collection_mark(const struct collection *collection, struct collection_mark *mark);

/* No sort and no swap may lie between. */
void collection_discard(struct collection *collection, const struct collection_mark *mark);

/* The open transaction is committed. timestamp: the highest it used, or 0. */
void collection_settle(struct collection *collection, uint64_t timestamp);

/* What a reader sees of the mutable tables. */
enum visibility {
    VISIBLE_SETTLED, /* what is committed */
    VISIBLE_ALL      /* the open transaction, too */
};

uint32_t collection_visible(const struct tree *tree, enum visibility visibility);

/* The timestamp that the id has in the id tree's mutable table. False: the table does not know the
 * id. True: *timestamp, 0 if the id was removed. */
bool collection_id_in_memory(
    const struct collection *collection,
    const struct key *id,
    enum visibility visibility,
    uint64_t *timestamp
);

/* The object of that timestamp in the object tree's mutable table, in native order, into `object`.
 * False: the table does not know it. True: *present says whether it is there, or was removed. */
bool collection_object_in_memory(
    const struct collection *collection,
    uint64_t timestamp,
    enum visibility visibility,
    void *object,
    bool *present
);

/* The timestamps of up to RESOLVE_MAX ids, 0 where there is no object. CORRUPT, IO, POISONED. */
enum tactus_status collection_find(
    const struct collection *collection,
    struct resolver *resolver,
    enum visibility visibility,
    const struct key *ids,
    uint32_t count,
    uint64_t *timestamps
);

/* The objects of up to RESOLVE_MAX timestamps, in native order, one after the other; a timestamp of
 * 0 names none. found[i] is false, and the object all zero, where there is none. CORRUPT, IO,
 * POISONED. */
enum tactus_status collection_fetch(
    const struct collection *collection,
    struct resolver *resolver,
    enum visibility visibility,
    const uint64_t *timestamps,
    uint32_t count,
    uint8_t *objects,
    bool *found
);

/* Of a map: the objects of up to RESOLVE_MAX keys, in native order, one after the other. found[i]
 * is false, and the object all zero, where there is none. CORRUPT, IO, POISONED. */
enum tactus_status collection_get(
    const struct collection *map,
    struct resolver *resolver,
    enum visibility visibility,
    const struct key *keys,
    uint32_t count,
    uint8_t *objects,
    bool *found
);

#endif
