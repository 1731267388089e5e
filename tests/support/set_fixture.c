#include "support/set_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "support/database_fixture.h"
#include "support/test.h"

#include "base/poison.h"

static const char schema_text[] = "collection c {\n"
                                  "  id u64\n"
                                  "  a u8 index\n"
                                  "  b u8 index\n"
                                  "  c u8 index\n"
                                  "  d u16 index\n"
                                  "  e u32 optional index\n"
                                  "  timestamp timestamp\n"
                                  "  index ab (a, b)\n"
                                  "}\n";

static void draw(struct set_fixture *fixture, struct set_object *object)
{
    struct random *random = &fixture->random;
    object->a = (uint8_t)random_below(random, 3);
    object->b = (uint8_t)random_below(random, 8);
    object->c = (uint8_t)(object->id / 50 % 2);
    object->d = (uint16_t)random_below(random, 64);
    object->e = random_chance(random, 1, 3) ? 0 : (uint32_t)random_below(random, 1000);
}

static void insert_one(struct set_fixture *fixture, tactus_txn *txn, uint32_t index)
{
    struct set_object *object = &fixture->objects[index];
    struct tactus_result result;
    object->id = index + 1;
    draw(fixture, object);
    EXPECT(tactus_insert(txn, fixture->handle, object, 1, &result) == TACTUS_OK);
    object->timestamp = result.timestamp;
    fixture->present[index] = true;
}

static void change_one(struct set_fixture *fixture, tactus_txn *txn, uint32_t index)
{
    struct set_object *object = &fixture->objects[index];
    if (!fixture->present[index]) return;
    if (random_chance(&fixture->random, 1, 2)) {
        draw(fixture, object);
        EXPECT(tactus_update(txn, fixture->handle, object, 1, NULL) == TACTUS_OK);
    } else {
        EXPECT(tactus_remove(txn, fixture->handle, &object->id, 1, NULL) == TACTUS_OK);
        fixture->present[index] = false;
    }
}

static void fill(struct set_fixture *fixture)
{
    uint32_t next = 0;
    uint64_t timestamp = 0;
    while (next < fixture->object_count) {
        struct tactus_txn_options options;
        tactus_txn_options_default(&options);
        timestamp += 1;
        if (random_chance(&fixture->random, 1, 8)) timestamp += random_below(&fixture->random, 400);
        options.first = timestamp;
        tactus_txn *txn = NULL;
        EXPECT(tactus_begin(fixture->db, &options, &txn) == TACTUS_OK);
        uint32_t events = 1 + (uint32_t)random_below(&fixture->random, FIXTURE_BATCH);
        for (; events > 0; events -= 1) {
            if (next > 100 && random_chance(&fixture->random, 1, 5)) {
                change_one(fixture, txn, (uint32_t)random_below(&fixture->random, next));
            } else if (next < fixture->object_count) {
                insert_one(fixture, txn, next);
                timestamp = fixture->objects[next].timestamp;
                next += 1;
            }
        }
        EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    }
}

void set_fixture_open(
    struct set_fixture *fixture, uint64_t seed, const char *schema, uint32_t batch_max
)
{
    const struct simulated_disk_options options = {.seed = seed, .size_max = UINT64_C(1) << 30};
    *fixture = (struct set_fixture){.object_count = 0};
    random_init(&fixture->random, seed);
    fixture->disk = simulated_disk_new(&options);
    struct tactus_open_options open;
    tactus_open_options_default(&open);
    struct tactus_create_options create = database_fixture_create_options();
    create.batch_max = batch_max;
    open.cache_bytes = 0;
    open.query_count_max = 2;
    open.schema = schema;
    open.create = &create;
    struct reactor reactor;
    simulated_disk_open(&reactor, fixture->disk);
    reactor.is_new = true;
    struct tactus_error error;
    EXPECT(database_open(&reactor, &open, &error, &fixture->db) == TACTUS_OK);
    fixture->handle = tactus_collection_at(fixture->db, 0);
    fixture->collection = &fixture->db->forest.collections[0];
    fixture->schema = fixture->collection->schema;
    fixture->held = calloc(fixture->db->grid.cache.frame_count, sizeof *fixture->held);
    EXPECT(fixture->held != NULL);
}

void set_fixture_begin(struct set_fixture *fixture, uint64_t seed, uint32_t object_count)
{
    set_fixture_open(fixture, seed, schema_text, FIXTURE_BATCH);
    EXPECT(fixture->schema->object_bytes == sizeof(struct set_object));
    fixture->object_count = object_count;
    fixture->objects = calloc(object_count, sizeof *fixture->objects);
    fixture->present = calloc(object_count, sizeof *fixture->present);
    EXPECT(fixture->objects != NULL && fixture->present != NULL);
    fill(fixture);
}

void set_fixture_end(struct set_fixture *fixture)
{
    EXPECT(fixture->db->query_pool.free_count == fixture->db->query_pool.count);
    EXPECT(fixture->db->scan_pool.free_count == fixture->db->scan_pool.cursor_count);
    EXPECT(tactus_close(fixture->db) == TACTUS_OK);
    simulated_disk_free(fixture->disk);
    free(fixture->objects);
    free(fixture->present);
    free(fixture->held);
}

void set_fixture_chill(struct set_fixture *fixture)
{
    struct block_cache *cache = &fixture->db->grid.cache;
    uint32_t count = 0;
    for (; cache->pinned_count < cache->frame_count; count += 1) {
        fixture->held[count] = block_cache_take(cache);
    }
    for (; count > 0; count -= 1)
        block_cache_unref(cache, fixture->held[count - 1]);
}

uint32_t set_fixture_pinned(struct set_fixture *fixture)
{
    struct grid *grid = &fixture->db->grid;
    while (grid->reads_in_flight + grid->writes_in_flight > 0)
        grid_wait(grid);
    return grid->cache.pinned_count;
}
