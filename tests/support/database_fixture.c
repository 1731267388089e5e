#include "support/database_fixture.h"

#include <stdio.h>
#include <string.h>

#include "support/test.h"

#include "base/poison.h"

#define COLLECTIONS                                                                                \
    "collection item {\n"                                                                          \
    "  id u64\n  timestamp timestamp\n  kind u32 index\n  rank i32 optional index\n"               \
    "  name text(20) index\n  index kind_rank (kind, rank)\n}\n"                                   \
    "collection pair {\n  id u128\n  timestamp timestamp\n  flag u8 index sparse\n}\n"             \
    "collection entry {\n  at time index\n  size u32\n}\n"

const char *database_fixture_schema(void)
{
    return COLLECTIONS;
}

const char *database_fixture_schema_with_maps(void)
{
    return COLLECTIONS "map slot {\n  key u64\n  n u32\n  set bool\n  note text(9)\n}\n"
                       "map session {\n  key u128\n  at time optional\n}\n";
}

struct tactus_create_options database_fixture_create_options(void)
{
    struct tactus_create_options create;
    tactus_create_options_default(&create);
    create.block_size = 4096;
    create.batch_max = FIXTURE_BATCH;
    create.bar_beats = 4;
    create.growth_factor = 4;
    create.size_max = UINT64_C(256) << 20;
    create.file_id = (struct tactus_u128){.low = 11, .high = 13};
    return create;
}

void database_fixture_init(struct database_fixture *fixture, uint64_t seed)
{
    const struct simulated_disk_options options = {.seed = seed, .size_max = UINT64_C(1) << 30};
    *fixture = (struct database_fixture
    ){.disk = simulated_disk_new(&options), .create = database_fixture_create_options()};
    tactus_open_options_default(&fixture->open);
    fixture->open.cache_bytes = 0;
    fixture->open.query_count_max = 2;
}

void database_fixture_find(struct database_fixture *fixture)
{
    EXPECT(tactus_collection_find(fixture->db, "item", 0, &fixture->items) == TACTUS_OK);
    EXPECT(tactus_collection_find(fixture->db, "pair", 0, &fixture->pairs) == TACTUS_OK);
    EXPECT(tactus_collection_find(fixture->db, "entry", 0, &fixture->entries) == TACTUS_OK);
    struct tactus_collection_info info;
    tactus_collection_info(fixture->items, &info);
    EXPECT(info.object_bytes == sizeof(struct fixture_item));
    tactus_collection_info(fixture->pairs, &info);
    EXPECT(info.object_bytes == sizeof(struct fixture_pair));
    tactus_collection_info(fixture->entries, &info);
    EXPECT(info.object_bytes == sizeof(struct fixture_entry));
    if (!fixture->has_maps) return;
    EXPECT(tactus_collection_find(fixture->db, "slot", 0, &fixture->slots) == TACTUS_OK);
    EXPECT(tactus_collection_find(fixture->db, "session", 0, &fixture->sessions) == TACTUS_OK);
    tactus_collection_info(fixture->slots, &info);
    EXPECT(info.object_bytes == sizeof(struct fixture_slot));
    tactus_collection_info(fixture->sessions, &info);
    EXPECT(info.object_bytes == sizeof(struct fixture_session));
}

enum tactus_status database_fixture_open(struct database_fixture *fixture, bool is_new)
{
    EXPECT(fixture->db == NULL);
    struct tactus_open_options open = fixture->open;
    const bool read_only = (open.flags & TACTUS_READ_ONLY_OPEN) != 0;
    open.schema =
        fixture->has_maps ? database_fixture_schema_with_maps() : database_fixture_schema();
    if (read_only) open.schema = NULL;
    open.create = &fixture->create;
    struct reactor reactor;
    if (read_only) {
        simulated_disk_open_read_only(&reactor, fixture->disk);
    } else {
        simulated_disk_open(&reactor, fixture->disk);
    }
    reactor.is_new = is_new;
    fixture->error = (struct tactus_error){0};
    tactus_db *db = NULL;
    const enum tactus_status status = database_open(&reactor, &open, &fixture->error, &db);
    EXPECT((status == TACTUS_OK) == (db != NULL));
    if (status != TACTUS_OK) {
        EXPECT(fixture->error.status == (int32_t)status);
        EXPECT(fixture->error.text[0] != 0);
        return status;
    }
    fixture->db = db;
    database_fixture_find(fixture);
    return TACTUS_OK;
}

void database_fixture_begin(struct database_fixture *fixture, uint64_t seed)
{
    database_fixture_init(fixture, seed);
    EXPECT(database_fixture_open(fixture, true) == TACTUS_OK);
}

void database_fixture_begin_with_maps(struct database_fixture *fixture, uint64_t seed)
{
    database_fixture_init(fixture, seed);
    fixture->has_maps = true;
    EXPECT(database_fixture_open(fixture, true) == TACTUS_OK);
}

enum tactus_status database_fixture_close(struct database_fixture *fixture)
{
    const enum tactus_status status = tactus_close(fixture->db);
    if (status != TACTUS_MISUSE) fixture->db = NULL;
    return status;
}

void database_fixture_reopen(struct database_fixture *fixture)
{
    EXPECT(database_fixture_close(fixture) == TACTUS_OK);
    EXPECT(database_fixture_open(fixture, false) == TACTUS_OK);
}

void database_fixture_end(struct database_fixture *fixture)
{
    const enum tactus_status status = database_fixture_close(fixture);
    EXPECT(status == TACTUS_OK || status == TACTUS_POISONED);
    simulated_disk_free(fixture->disk);
    fixture->disk = NULL;
}

bool database_fixture_says(const struct database_fixture *fixture, const char *text)
{
    return strstr(tactus_error(fixture->db)->text, text) != NULL;
}

tactus_txn *database_fixture_txn(struct database_fixture *fixture)
{
    tactus_txn *txn = NULL;
    EXPECT(tactus_begin(fixture->db, NULL, &txn) == TACTUS_OK);
    EXPECT(txn != NULL);
    return txn;
}

struct fixture_item database_fixture_item(uint64_t id, uint32_t kind)
{
    struct fixture_item item = {.id = id, .kind = kind, .rank = (int32_t)(id % 7) - 3};
    (void)snprintf(item.name, sizeof item.name, "name %u", (unsigned)(id % 100));
    return item;
}

enum tactus_status database_fixture_insert(
    struct database_fixture *fixture, uint64_t id, uint32_t count, uint32_t kind
)
{
    tactus_txn *txn = database_fixture_txn(fixture);
    for (uint32_t index = 0; index < count; index += 1) {
        const struct fixture_item item = database_fixture_item(id + index, kind);
        const enum tactus_status status = tactus_insert(txn, fixture->items, &item, 1, NULL);
        if (status == TACTUS_OK) continue;
        tactus_rollback(txn);
        return status;
    }
    return tactus_commit(txn, NULL);
}

enum tactus_status database_fixture_remove(
    struct database_fixture *fixture, uint64_t id, uint32_t count
)
{
    tactus_txn *txn = database_fixture_txn(fixture);
    for (uint32_t index = 0; index < count; index += 1) {
        const uint64_t number = id + index;
        const enum tactus_status status = tactus_remove(txn, fixture->items, &number, 1, NULL);
        if (status == TACTUS_OK) continue;
        tactus_rollback(txn);
        return status;
    }
    return tactus_commit(txn, NULL);
}

struct fixture_slot database_fixture_slot(uint64_t key, uint32_t n)
{
    struct fixture_slot slot = {.key = key, .n = n, .set = n % 2};
    (void)snprintf(slot.note, sizeof slot.note, "no %u", (unsigned)(key % 1000));
    return slot;
}

enum tactus_status database_fixture_put(
    struct database_fixture *fixture, uint64_t key, uint32_t count, uint32_t n
)
{
    tactus_txn *txn = database_fixture_txn(fixture);
    for (uint32_t index = 0; index < count; index += 1) {
        const struct fixture_slot slot = database_fixture_slot(key + index, n);
        const enum tactus_status status = tactus_put(txn, fixture->slots, &slot, 1, NULL);
        if (status == TACTUS_OK) continue;
        tactus_rollback(txn);
        return status;
    }
    return tactus_commit(txn, NULL);
}

enum tactus_status database_fixture_delete(
    struct database_fixture *fixture, uint64_t key, uint32_t count
)
{
    tactus_txn *txn = database_fixture_txn(fixture);
    for (uint32_t index = 0; index < count; index += 1) {
        const uint64_t number = key + index;
        const enum tactus_status status = tactus_delete(txn, fixture->slots, &number, 1, NULL);
        if (status == TACTUS_OK) continue;
        tactus_rollback(txn);
        return status;
    }
    return tactus_commit(txn, NULL);
}

uint32_t database_fixture_count(struct database_fixture *fixture, const char *where)
{
    tactus_query *query = NULL;
    EXPECT(tactus_prepare(fixture->db, fixture->items, where, NULL, &query) == TACTUS_OK);
    EXPECT(tactus_run(query, tactus_latest(fixture->db), NULL) == TACTUS_OK);
    uint32_t total = 0;
    for (;;) {
        struct fixture_item items[50];
        uint32_t count = 0;
        EXPECT(tactus_next(query, items, 50, &count) == TACTUS_OK);
        if (count == 0) break;
        total += count;
    }
    tactus_query_close(query);
    return total;
}

struct tactus_stats database_fixture_stats(const struct database_fixture *fixture)
{
    struct tactus_stats stats = {.struct_bytes = sizeof stats};
    tactus_stats(fixture->db, &stats);
    return stats;
}
