/* Maps through the public calls: puts, deletes and gets, what refuses them, and that they are part
 * of transactions, digests and counts like collections. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/integer.h"
#include "support/database_fixture.h"
#include "support/test.h"

#include "base/poison.h"

static struct database_fixture fixture;

static void begin(void)
{
    database_fixture_begin_with_maps(&fixture, 1);
}

static void end(void)
{
    database_fixture_end(&fixture);
}

static enum tactus_status get(tactus_view *view, uint64_t key, struct fixture_slot *slot)
{
    memset(slot, 0xa5, sizeof *slot);
    return tactus_get(view, fixture.slots, &key, 1, slot, NULL);
}

/* The slot of that key is there, with this n; 0: none is. */
static bool has(tactus_view *view, uint64_t key, uint32_t n)
{
    struct fixture_slot slot;
    const enum tactus_status status = get(view, key, &slot);
    if (n == 0) return status == TACTUS_ABSENT && bytes_are_zero(&slot, sizeof slot);
    const struct fixture_slot wanted = database_fixture_slot(key, n);
    return status == TACTUS_OK && memcmp(&slot, &wanted, sizeof slot) == 0;
}

static bool latest_has(uint64_t key, uint32_t n)
{
    return has(tactus_latest(fixture.db), key, n);
}

static enum tactus_status put(tactus_txn *txn, uint64_t key, uint32_t n)
{
    const struct fixture_slot slot = database_fixture_slot(key, n);
    return tactus_put(txn, fixture.slots, &slot, 1, NULL);
}

static enum tactus_status delete (tactus_txn *txn, uint64_t key) {
    return tactus_delete(txn, fixture.slots, &key, 1, NULL);
}

static struct tactus_u128 digest_of(const tactus_collection *collection, uint64_t *count)
{
    struct tactus_u128 digest;
    EXPECT(tactus_digest_collection(fixture.db, collection, &digest, count) == TACTUS_OK);
    return digest;
}

static bool same(struct tactus_u128 a, struct tactus_u128 b)
{
    return a.low == b.low && a.high == b.high;
}

/* ---- What is there --------------------------------------------------------------------------- */

TEST(map, what_was_put_is_there_until_it_is_put_anew_or_deleted)
{
    begin();
    EXPECT(latest_has(7, 0));
    EXPECT(database_fixture_put(&fixture, 7, 1, 1) == TACTUS_OK);
    EXPECT(latest_has(7, 1));
    EXPECT(database_fixture_put(&fixture, 7, 1, 2) == TACTUS_OK);
    EXPECT(latest_has(7, 2));
    EXPECT(database_fixture_delete(&fixture, 7, 1) == TACTUS_OK);
    EXPECT(latest_has(7, 0));
    EXPECT(database_fixture_delete(&fixture, 7, 1) == TACTUS_OK); /* nobody looks */
    EXPECT(database_fixture_delete(&fixture, 8, 1) == TACTUS_OK);
    EXPECT(database_fixture_put(&fixture, 7, 1, 3) == TACTUS_OK);
    EXPECT(latest_has(7, 3) && latest_has(8, 0));
    end();
}

TEST(map, every_key_may_be_there_the_lowest_and_the_highest_too)
{
    begin();
    static const uint64_t keys[] = {0, 1, UINT64_C(1) << 63, UINT64_MAX};
    static const struct tactus_u128 wide[] = {
        {0, 0}, {0, 1}, {1, 0}, {0, UINT64_C(1) << 63}, {UINT64_MAX, UINT64_MAX}};
    tactus_txn *txn = database_fixture_txn(&fixture);
    for (uint32_t index = 0; index < COUNT_OF(keys); index += 1)
        EXPECT(put(txn, keys[index], index + 1) == TACTUS_OK);
    for (uint32_t index = 0; index < COUNT_OF(wide); index += 1) {
        const struct fixture_session session = {.key = wide[index], .at = index};
        EXPECT(tactus_put(txn, fixture.sessions, &session, 1, NULL) == TACTUS_OK);
    }
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    for (uint32_t times = 0; times < 3; times += 1) {
        for (uint32_t index = 0; index < COUNT_OF(keys); index += 1)
            EXPECT(latest_has(keys[index], index + 1));
        struct fixture_session sessions[COUNT_OF(wide)];
        EXPECT(
            tactus_get(
                tactus_latest(fixture.db), fixture.sessions, wide, COUNT_OF(wide), sessions, NULL
            ) == TACTUS_OK
        );
        for (uint32_t index = 0; index < COUNT_OF(wide); index += 1) {
            EXPECT(same(sessions[index].key, wide[index]));
            EXPECT(sessions[index].at == index);
        }
        /* From memory, replayed, from a table. */
        if (times == 1) EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
        database_fixture_reopen(&fixture);
    }
    end();
}

TEST(map, of_two_objects_with_one_key_the_later_one_stays)
{
    begin();
    tactus_txn *txn = database_fixture_txn(&fixture);
    struct fixture_slot slots[4];
    for (uint32_t index = 0; index < 4; index += 1)
        slots[index] = database_fixture_slot(7 + index % 2, index + 1);
    EXPECT(tactus_put(txn, fixture.slots, slots, 4, NULL) == TACTUS_OK);
    EXPECT(delete (txn, 9) == TACTUS_OK);
    EXPECT(put(txn, 9, 5) == TACTUS_OK);
    EXPECT(put(txn, 10, 5) == TACTUS_OK);
    EXPECT(delete (txn, 10) == TACTUS_OK);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    for (uint32_t times = 0; times < 3; times += 1) {
        EXPECT(latest_has(7, 3) && latest_has(8, 4) && latest_has(9, 5) && latest_has(10, 0));
        if (times == 1) EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
        database_fixture_reopen(&fixture);
    }
    end();
}

TEST(map, a_transaction_sees_its_own_writes_and_others_see_them_when_it_is_committed)
{
    begin();
    EXPECT(database_fixture_put(&fixture, 1, 3, 1) == TACTUS_OK);
    tactus_txn *txn = database_fixture_txn(&fixture);
    tactus_view *own = tactus_txn_view(txn);
    EXPECT(put(txn, 2, 5) == TACTUS_OK);
    EXPECT(delete (txn, 3) == TACTUS_OK);
    EXPECT(put(txn, 4, 5) == TACTUS_OK);
    EXPECT(has(own, 1, 1) && has(own, 2, 5) && has(own, 3, 0) && has(own, 4, 5));
    EXPECT(latest_has(1, 1) && latest_has(2, 1) && latest_has(3, 1) && latest_has(4, 0));
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    EXPECT(latest_has(1, 1) && latest_has(2, 5) && latest_has(3, 0) && latest_has(4, 5));
    end();
}

TEST(map, a_rollback_leaves_no_trace_in_maps_and_collections_alike)
{
    begin();
    EXPECT(database_fixture_put(&fixture, 1, 3, 1) == TACTUS_OK);
    EXPECT(database_fixture_insert(&fixture, 1, 3, 1) == TACTUS_OK);
    struct tactus_digest before;
    struct tactus_digest after;
    EXPECT(tactus_digest(fixture.db, &before) == TACTUS_OK);
    tactus_txn *txn = database_fixture_txn(&fixture);
    const struct fixture_item item = database_fixture_item(50, 1);
    EXPECT(put(txn, 1, 9) == TACTUS_OK && delete (txn, 2) == TACTUS_OK);
    EXPECT(tactus_insert(txn, fixture.items, &item, 1, NULL) == TACTUS_OK);
    EXPECT(put(txn, 77, 9) == TACTUS_OK);
    tactus_rollback(txn);
    EXPECT(latest_has(1, 1) && latest_has(2, 1) && latest_has(77, 0));
    EXPECT(tactus_digest(fixture.db, &after) == TACTUS_OK);
    EXPECT(memcmp(&before, &after, sizeof before) == 0);
    end();
}

/* ---- Gets ------------------------------------------------------------------------------------ */

/* More than are looked up at once; some in memory, some in tables, some nowhere. */
TEST(map, get_gives_many_objects_in_the_order_asked_for_and_zero_where_there_is_none)
{
    enum { KEYS = 300 };
    begin();
    for (uint32_t first = 0; first < KEYS; first += 20)
        EXPECT(database_fixture_put(&fixture, first, 20, 1) == TACTUS_OK);
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    for (uint32_t first = 0; first < KEYS; first += 20) {
        EXPECT(database_fixture_delete(&fixture, first, 4) == TACTUS_OK);
        EXPECT(database_fixture_put(&fixture, first + 4, 4, 2) == TACTUS_OK);
    }
    database_fixture_reopen(&fixture);
    uint64_t keys[KEYS + 50];
    struct fixture_slot slots[KEYS + 50];
    struct tactus_result results[KEYS + 50];
    for (uint32_t index = 0; index < KEYS + 50; index += 1)
        keys[index] = (uint64_t)index * 101 % (KEYS + 50);
    memset(slots, 0xa5, sizeof slots);
    EXPECT(
        tactus_get(tactus_latest(fixture.db), fixture.slots, keys, KEYS + 50, slots, results) ==
        TACTUS_SOME
    );
    EXPECT(database_fixture_says(&fixture, "get from slot: 110 of 350 objects are absent"));
    for (uint32_t index = 0; index < KEYS + 50; index += 1) {
        const uint64_t key = keys[index];
        const bool is_there = key < KEYS && key % 20 >= 4;
        struct fixture_slot wanted = database_fixture_slot(key, key % 20 < 8 ? 2 : 1);
        if (!is_there) wanted = (struct fixture_slot){0};
        EXPECT(results[index].status == (is_there ? TACTUS_OK : TACTUS_ABSENT));
        EXPECT(results[index].timestamp == 0);
        EXPECT(memcmp(&slots[index], &wanted, sizeof wanted) == 0);
    }
    EXPECT(
        tactus_get(tactus_latest(fixture.db), fixture.slots, keys, KEYS, slots, NULL) ==
        TACTUS_ABSENT
    );
    EXPECT(tactus_get(tactus_latest(fixture.db), fixture.slots, NULL, 0, NULL, NULL) == TACTUS_OK);
    end();
}

TEST(map, writing_looks_nothing_up)
{
    begin();
    for (uint32_t first = 0; first < 400; first += 20)
        EXPECT(database_fixture_put(&fixture, first, 20, 1) == TACTUS_OK);
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    const struct tactus_stats before = database_fixture_stats(&fixture);
    EXPECT(database_fixture_put(&fixture, 0, 20, 2) == TACTUS_OK);
    EXPECT(database_fixture_delete(&fixture, 20, 20) == TACTUS_OK);
    const struct tactus_stats after = database_fixture_stats(&fixture);
    EXPECT(after.lookups == before.lookups && after.lookups_memory == before.lookups_memory);
    EXPECT(latest_has(0, 2) && latest_has(20, 0) && latest_has(40, 1));
    EXPECT(database_fixture_stats(&fixture).lookups == before.lookups + 1); /* of 40 */
    end();
}

/* ---- Queries --------------------------------------------------------------------------------- */

/* The keys that a query finds, in its order, are those wanted, each with its object; 0 ends
 * them. */
static void expect_keys(const char *where, const char *order, const uint64_t *wanted)
{
    tactus_query *query = NULL;
    EXPECT(tactus_prepare(fixture.db, fixture.slots, where, order, &query) == TACTUS_OK);
    EXPECT(tactus_run(query, tactus_latest(fixture.db), NULL) == TACTUS_OK);
    uint32_t count = 0;
    for (uint32_t index = 0;; index += 1) {
        struct fixture_slot slot;
        EXPECT(tactus_next(query, &slot, 1, &count) == TACTUS_OK);
        if (count == 0) {
            EXPECT(wanted[index] == 0);
            break;
        }
        const struct fixture_slot object =
            database_fixture_slot(wanted[index], (uint32_t)(wanted[index] % 7));
        EXPECT(memcmp(&slot, &object, sizeof slot) == 0);
    }
    tactus_query_close(query);
}

TEST(map, queries_come_by_the_keys_in_order_both_ways)
{
    begin();
    for (uint32_t times = 0; times < 3; times += 1) {
        for (uint64_t key = 1; key <= 200 && times == 0; key += 1) {
            if (key == 100) EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
            if (key % 2 == 0) continue;
            EXPECT(database_fixture_put(&fixture, key, 1, (uint32_t)(key % 7)) == TACTUS_OK);
        }
        if (times == 0) EXPECT(database_fixture_delete(&fixture, 55, 1) == TACTUS_OK);
        expect_keys("key between 51 and 60", NULL, (const uint64_t[]){51, 53, 57, 59, 0});
        expect_keys("key between 51 and 60", "-key", (const uint64_t[]){59, 57, 53, 51, 0});
        expect_keys("key > 190 and n = 2", "key", (const uint64_t[]){191, 0});
        expect_keys(
            "key < 40 and set = true and n != 5", NULL, (const uint64_t[]){1, 3, 15, 17, 29, 31, 0}
        );
        expect_keys("key in (199, 7, 55, 8, 93)", NULL, (const uint64_t[]){7, 93, 199, 0});
        expect_keys("key in (199, 7, 55, 8, 93)", "-key", (const uint64_t[]){199, 93, 7, 0});
        expect_keys("key = 55", NULL, (const uint64_t[]){0});
        expect_keys("key = 1 and key = 3", NULL, (const uint64_t[]){0});
        expect_keys("note = 'no 77'", NULL, (const uint64_t[]){77, 0});
        if (times == 1) EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
        database_fixture_reopen(&fixture);
    }
    tactus_query *query = NULL;
    EXPECT(tactus_prepare(fixture.db, fixture.slots, NULL, "n", &query) == TACTUS_INVALID);
    EXPECT(database_fixture_says(&fixture, "a map has the order of its `key` alone"));
    end();
}

/* ---- What is refused ------------------------------------------------------------------------- */

TEST(map, what_its_fields_cannot_hold_is_refused_with_the_number_of_the_field)
{
    begin();
    struct fixture_slot slots[3];
    struct tactus_result results[3];
    for (uint32_t index = 0; index < 3; index += 1)
        slots[index] = database_fixture_slot(index, 1);
    slots[1].set = 2;
    slots[2].note[0] = (char)0xff;
    slots[0].padding_0[0] = 'x'; /* is not stored */
    tactus_txn *txn = database_fixture_txn(&fixture);
    EXPECT(tactus_put(txn, fixture.slots, slots, 3, NULL) == TACTUS_INVALID);
    EXPECT(database_fixture_says(&fixture, "put into slot: object 1 of the call: field set"));
    EXPECT(has(tactus_txn_view(txn), 0, 0)); /* all or nothing */
    EXPECT(tactus_put(txn, fixture.slots, slots, 3, results) == TACTUS_SOME);
    EXPECT(results[0].status == TACTUS_OK && results[0].timestamp == 0);
    EXPECT(results[1].status == TACTUS_INVALID && results[1].field == 2);
    EXPECT(results[2].status == TACTUS_INVALID && results[2].field == 3);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    EXPECT(latest_has(0, 1) && latest_has(1, 0) && latest_has(2, 0));
    end();
}

TEST(map, more_events_than_the_batch_are_refused_and_those_before_kept)
{
    begin();
    struct fixture_slot slots[FIXTURE_BATCH + 1];
    uint64_t keys[FIXTURE_BATCH + 1];
    for (uint32_t index = 0; index < FIXTURE_BATCH + 1; index += 1) {
        slots[index] = database_fixture_slot(index, 1);
        keys[index] = index;
    }
    struct tactus_result results[FIXTURE_BATCH + 1];
    tactus_txn *txn = database_fixture_txn(&fixture);
    EXPECT(tactus_put(txn, fixture.slots, slots, FIXTURE_BATCH + 1, results) == TACTUS_LIMIT);
    EXPECT(tactus_put(txn, fixture.slots, slots, 5, NULL) == TACTUS_OK);
    EXPECT(tactus_delete(txn, fixture.slots, keys, FIXTURE_BATCH - 4, NULL) == TACTUS_LIMIT);
    EXPECT(database_fixture_says(&fixture, "more than 32 objects of it in one transaction"));
    EXPECT(tactus_delete(txn, fixture.slots, keys + 3, FIXTURE_BATCH - 5, NULL) == TACTUS_OK);
    EXPECT(delete (txn, 0) == TACTUS_LIMIT);
    /* The others have batches of their own. */
    const struct fixture_session session = {.at = 1};
    EXPECT(tactus_put(txn, fixture.sessions, &session, 1, NULL) == TACTUS_OK);
    const struct fixture_item item = database_fixture_item(1, 1);
    EXPECT(tactus_insert(txn, fixture.items, &item, 1, NULL) == TACTUS_OK);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    EXPECT(latest_has(0, 1) && latest_has(2, 1) && latest_has(3, 0) && latest_has(5, 0));
    database_fixture_reopen(&fixture);
    EXPECT(latest_has(0, 1) && latest_has(2, 1) && latest_has(3, 0) && latest_has(5, 0));
    end();
}

/* Full batches of all there is, beat after beat: no table is too small for them. */
TEST(map, full_batches_of_keys_that_repeat_fit)
{
    begin();
    for (uint32_t times = 0; times < 100; times += 1) {
        tactus_txn *txn = database_fixture_txn(&fixture);
        for (uint32_t index = 0; index < FIXTURE_BATCH; index += 1) {
            const uint64_t key = (times + index) % 3;
            EXPECT((index % 5 == 4 ? delete (txn, key) : put(txn, key, times + 1)) == TACTUS_OK);
            const struct fixture_session session = {.key = {.low = index, .high = times}};
            EXPECT(tactus_put(txn, fixture.sessions, &session, 1, NULL) == TACTUS_OK);
        }
        EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    }
    uint64_t count = 0;
    (void)digest_of(fixture.sessions, &count);
    EXPECT(count == 100 * FIXTURE_BATCH);
    (void)digest_of(fixture.slots, &count);
    EXPECT(count <= 3);
    end();
}

TEST(map, calls_of_collections_are_misuse_and_the_other_way_about)
{
    begin();
    tactus_txn *txn = database_fixture_txn(&fixture);
    const struct fixture_slot slot = database_fixture_slot(1, 1);
    const struct fixture_item item = database_fixture_item(1, 1);
    const uint64_t one = 1;
    struct fixture_slot out;
    EXPECT(tactus_insert(txn, fixture.slots, &slot, 1, NULL) == TACTUS_MISUSE);
    EXPECT(database_fixture_says(&fixture, "insert: slot is a map: call tactus_put"));
    EXPECT(tactus_upsert(txn, fixture.slots, &slot, 1, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_update(txn, fixture.slots, &slot, 1, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_remove(txn, fixture.slots, &one, 1, NULL) == TACTUS_MISUSE);
    EXPECT(database_fixture_says(&fixture, "remove: slot is a map"));
    EXPECT(tactus_put(txn, fixture.items, &item, 1, NULL) == TACTUS_MISUSE);
    EXPECT(database_fixture_says(&fixture, "put: item is a collection: call tactus_insert"));
    EXPECT(tactus_delete(txn, fixture.items, &one, 1, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_put(txn, fixture.slots, NULL, 1, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_put(txn, NULL, &slot, 1, NULL) == TACTUS_MISUSE);
    EXPECT(
        tactus_get_by_timestamp(tactus_latest(fixture.db), fixture.slots, &one, 1, &out, NULL) ==
        TACTUS_MISUSE
    );
    EXPECT(database_fixture_says(&fixture, "a map has no timestamps"));
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    EXPECT(latest_has(1, 0));
    EXPECT(tactus_put(txn, fixture.slots, &slot, 1, NULL) == TACTUS_MISUSE); /* it has ended */
    end();
}

/* ---- Beside everything else ------------------------------------------------------------------ */

TEST(map, is_described_as_one)
{
    begin();
    struct tactus_collection_info info;
    tactus_collection_info(fixture.slots, &info);
    EXPECT(info.kind == TACTUS_KIND_MAP && strcmp(info.name, "slot") == 0);
    EXPECT(info.id_field == 0 && info.timestamp_field == UINT32_MAX && info.index_count == 0);
    EXPECT(info.field_count == 4 && info.object_bytes == sizeof(struct fixture_slot));
    EXPECT(info.shape != 0 && info.timestamp_last == 0 && info.batch_max == FIXTURE_BATCH);
    struct tactus_field field;
    EXPECT(tactus_field_at(fixture.slots, 0, &field) == TACTUS_OK);
    EXPECT(strcmp(field.name, "key") == 0 && field.flags == TACTUS_FIELD_ID);
    tactus_collection_info(fixture.items, &info);
    EXPECT(info.kind == TACTUS_KIND_COLLECTION);
    const tactus_collection *found = NULL;
    tactus_collection_info(fixture.sessions, &info);
    EXPECT(tactus_collection_find(fixture.db, "session", info.shape, &found) == TACTUS_OK);
    EXPECT(found == fixture.sessions && tactus_collection_at(fixture.db, 4) == found);
    EXPECT(tactus_collection_find(fixture.db, "session", 1, &found) == TACTUS_SCHEMA);
    end();
}

TEST(map, puts_and_deletes_are_counted)
{
    begin();
    const struct tactus_stats before = database_fixture_stats(&fixture);
    EXPECT(database_fixture_put(&fixture, 1, 10, 1) == TACTUS_OK);
    EXPECT(database_fixture_delete(&fixture, 1, 3) == TACTUS_OK);
    const struct fixture_session session = {.at = 1};
    tactus_txn *txn = database_fixture_txn(&fixture);
    EXPECT(tactus_put(txn, fixture.sessions, &session, 1, NULL) == TACTUS_OK);
    EXPECT(tactus_delete(txn, fixture.sessions, &session.key, 1, NULL) == TACTUS_OK);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    for (uint32_t times = 0; times < 2; times += 1) {
        const struct tactus_stats after = database_fixture_stats(&fixture);
        const uint64_t bytes = 10 * sizeof(struct fixture_slot) + 3 * 8 + sizeof session + 16;
        EXPECT(after.objects_committed == before.objects_committed + 15);
        EXPECT(after.bytes_committed == before.bytes_committed + bytes);
        EXPECT(fixture.db->forest.counters.puts == 11);
        EXPECT(fixture.db->forest.counters.deletes == 4);
        EXPECT(fixture.db->forest.counters.inserts == 0);
        if (times == 0) EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
        database_fixture_reopen(&fixture);
    }
    end();
}

/* As docs/format.md has it: objects in the order of their keys, without the records' flag words. */
static struct tactus_u128 wanted_digest(uint32_t count)
{
    struct checksum_stream stream;
    uint8_t total[8];
    checksum_stream_begin(&stream, (struct checksum){0});
    for (uint32_t key = 0; key < count; key += 1) {
        const struct fixture_slot slot = database_fixture_slot(key, 2);
        checksum_stream_add(&stream, &slot, sizeof slot);
    }
    store_u64(total, count);
    checksum_stream_add(&stream, total, sizeof total);
    const struct checksum digest = checksum_stream_end(&stream);
    return (struct tactus_u128){.low = digest.low, .high = digest.high};
}

TEST(map, its_digest_follows_from_its_contents_alone)
{
    for (uint32_t way = 0; way < 3; way += 1) {
        begin();
        for (uint32_t first = 0; first < 400; first += 20) {
            const uint64_t from = way == 1 ? 380 - first : first;
            if (way == 2) EXPECT(database_fixture_put(&fixture, from, 20, 1) == TACTUS_OK);
            if (way == 2) EXPECT(database_fixture_put(&fixture, from + 1000, 20, 1) == TACTUS_OK);
            EXPECT(database_fixture_put(&fixture, from, 20, 2) == TACTUS_OK);
            if (way == 2) EXPECT(database_fixture_delete(&fixture, from + 1000, 20) == TACTUS_OK);
        }
        uint64_t count = 0;
        EXPECT(same(digest_of(fixture.slots, &count), wanted_digest(400)));
        EXPECT(count == 400);
        EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
        EXPECT(same(digest_of(fixture.slots, &count), wanted_digest(400)));
        EXPECT(database_fixture_delete(&fixture, 5000, 1) == TACTUS_OK); /* of nothing */
        EXPECT(same(digest_of(fixture.slots, &count), wanted_digest(400)));
        struct tactus_digest before;
        struct tactus_digest after;
        EXPECT(tactus_digest(fixture.db, &before) == TACTUS_OK);
        EXPECT(database_fixture_put(&fixture, 399, 1, 3) == TACTUS_OK);
        EXPECT(tactus_digest(fixture.db, &after) == TACTUS_OK);
        EXPECT(!same(before.logical, after.logical));
        EXPECT(!same(before.physical, after.physical));
        end();
    }
}

/* A read-only open lays what the journal holds over the tables. */
TEST(map, a_reader_sees_what_the_journal_holds_and_changes_no_byte)
{
    begin();
    for (uint32_t first = 0; first < 400; first += 20)
        EXPECT(database_fixture_put(&fixture, first, 20, 1) == TACTUS_OK);
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    for (uint32_t first = 0; first < 400; first += 20) {
        EXPECT(database_fixture_delete(&fixture, first, 5) == TACTUS_OK);
        EXPECT(database_fixture_put(&fixture, first + 5, 5, 2) == TACTUS_OK);
        EXPECT(database_fixture_put(&fixture, first + 1000, 1, 3) == TACTUS_OK);
    }
    uint64_t count = 0;
    const struct tactus_u128 digest = digest_of(fixture.slots, &count);
    EXPECT(count == 400 - 20 * 5 + 20);
    EXPECT(database_fixture_close(&fixture) == TACTUS_OK);
    const uint64_t hash = simulated_disk_hash(fixture.disk);
    fixture.open.flags |= TACTUS_READ_ONLY_OPEN;
    EXPECT(database_fixture_open(&fixture, false) == TACTUS_OK);
    EXPECT(same(digest_of(fixture.slots, &count), digest));
    for (uint64_t key = 0; key < 400; key += 1)
        EXPECT(latest_has(key, key % 20 < 5 ? 0 : key % 20 < 10 ? 2 : 1));
    EXPECT(latest_has(1000, 3) && latest_has(1001, 0));
    EXPECT(database_fixture_close(&fixture) == TACTUS_OK);
    EXPECT(simulated_disk_hash(fixture.disk) == hash);
    end();
}

TEST(map, deletes_are_admitted_where_puts_are_not)
{
    database_fixture_init(&fixture, 1);
    fixture.has_maps = true;
    fixture.create.size_max = 1 << 20;
    enum tactus_status status = database_fixture_open(&fixture, true);
    while (status == TACTUS_LIMIT) { /* ends: the least that there must be is a few MiB */
        fixture.create.size_max += 1 << 20;
        status = database_fixture_open(&fixture, true);
    }
    EXPECT(status == TACTUS_OK);
    uint64_t batches = 0;
    while (status == TACTUS_OK) {
        status = database_fixture_put(&fixture, batches * FIXTURE_BATCH, FIXTURE_BATCH, 1);
        if (status == TACTUS_OK) batches += 1;
    }
    EXPECT(status == TACTUS_LIMIT);
    EXPECT(database_fixture_put(&fixture, 0, FIXTURE_BATCH, 2) == TACTUS_LIMIT);
    for (uint64_t batch = 0; batch < 4; batch += 1) { /* each closes a beat: each is judged */
        const uint64_t key = batch * FIXTURE_BATCH;
        EXPECT(database_fixture_delete(&fixture, key, FIXTURE_BATCH) == TACTUS_OK);
    }
    database_fixture_reopen(&fixture);
    uint64_t count = 0;
    (void)digest_of(fixture.slots, &count);
    EXPECT(count == (batches - 4) * FIXTURE_BATCH);
    EXPECT(latest_has(0, 0) && latest_has(4 * FIXTURE_BATCH, 1));
    end();
}

TEST_MAIN()
