/* A database of objects with many indexes over a simulated disk, and what it should hold, for tests
 * of what carries plans out. Values are drawn independently of any question, from small pools, so
 * that matches of one condition lie among those of others in every index. */
#ifndef TACTUS_TESTS_SET_FIXTURE_H
#define TACTUS_TESTS_SET_FIXTURE_H

#include "base/random.h"
#include "database/database.h"
#include "support/simulated_disk.h"
#include "tactus.h"

#include <stdbool.h>
#include <stdint.h>

struct set_object {
    uint64_t id;
    uint8_t a; /* of 3 values */
    uint8_t b; /* of 8 */
    uint8_t c; /* of 2, in runs of 50 objects */
    uint8_t padding_0[1];
    uint16_t d; /* of 64 */
    uint8_t padding_1[2];
    uint32_t e; /* optional: of 1,000, a third of them zero */
    uint8_t padding_2[4];
    uint64_t timestamp;
};

enum { SET_INDEX_A, SET_INDEX_B, SET_INDEX_C, SET_INDEX_D, SET_INDEX_E, SET_INDEX_AB, SET_INDEXES };

struct set_fixture {
    struct random random;
    struct simulated_disk *disk; /* owned, as are the next three */
    struct set_object *objects;  /* by id - 1 */
    bool *present;
    struct block_frame **held; /* while the cache is emptied */
    uint32_t object_count;
    tactus_db *db;
    const tactus_collection *handle;
    const struct collection *collection;
    const struct collection_schema *schema;
};

/* Inserts so many objects, in transactions between which others are changed and removed; the last
 * ones are still in memory. */
void set_fixture_begin(struct set_fixture *fixture, uint64_t seed, uint32_t object_count);

/* An empty database of another schema, whose first collection is meant, and in larger batches:
 * `objects` and `present` stay as they are. */
void set_fixture_open(
    struct set_fixture *fixture, uint64_t seed, const char *schema, uint32_t batch_max
);

/* Everything that was taken from the pool of scans, and every frame, must have been given back. */
void set_fixture_end(struct set_fixture *fixture);

/* Drops every block that nobody holds: what comes next has to read. */
void set_fixture_chill(struct set_fixture *fixture);

/* Frames that are referenced; nothing may be in flight. */
uint32_t set_fixture_pinned(struct set_fixture *fixture);

#endif
