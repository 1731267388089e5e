/* What insert, upsert, update, remove, commit and rollback answer, and what is there afterwards. */
#include "support/database_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

#include "base/poison.h"

static struct database_fixture fixture;

static void begin(void)
{
    database_fixture_begin(&fixture, 1);
}

static void end(void)
{
    forest_check(&fixture.db->forest);
    database_fixture_end(&fixture);
}

static struct fixture_item get(tactus_view *view, uint64_t id)
{
    struct fixture_item item;
    const enum tactus_status status = tactus_get(view, fixture.items, &id, 1, &item, NULL);
    EXPECT(status == TACTUS_OK || status == TACTUS_ABSENT);
    EXPECT((status == TACTUS_OK) == (item.timestamp != 0));
    return item;
}

static bool is_there(uint64_t id)
{
    return get(tactus_latest(fixture.db), id).id == id && id != 0;
}

static uint64_t timestamp_last(const tactus_collection *collection)
{
    struct tactus_collection_info info;
    tactus_collection_info(collection, &info);
    return info.timestamp_last;
}

/* ---- Refusals -------------------------------------------------------------------------------- */

TEST(transaction, insert_refuses_an_id_that_is_there)
{
    begin();
    EXPECT(database_fixture_insert(&fixture, 1, 2, 5) == TACTUS_OK);
    tactus_txn *txn = database_fixture_txn(&fixture);
    const struct fixture_item items[3] = {
        database_fixture_item(3, 6), database_fixture_item(2, 6), database_fixture_item(4, 6)};
    EXPECT(tactus_insert(txn, fixture.items, items, 3, NULL) == TACTUS_EXISTS);
    EXPECT(database_fixture_says(&fixture, "insert into item: object 1"));
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    EXPECT(!is_there(3) && !is_there(4));
    EXPECT(get(tactus_latest(fixture.db), 2).kind == 5);
    end();
}

TEST(transaction, update_and_remove_refuse_an_id_that_is_not_there)
{
    begin();
    EXPECT(database_fixture_insert(&fixture, 1, 1, 5) == TACTUS_OK);
    tactus_txn *txn = database_fixture_txn(&fixture);
    const struct fixture_item items[2] = {database_fixture_item(1, 6), database_fixture_item(9, 6)};
    const uint64_t ids[2] = {1, 9};
    EXPECT(tactus_update(txn, fixture.items, items, 2, NULL) == TACTUS_ABSENT);
    EXPECT(database_fixture_says(&fixture, "object 1"));
    EXPECT(tactus_remove(txn, fixture.items, ids, 2, NULL) == TACTUS_ABSENT);
    EXPECT(get(tactus_txn_view(txn), 1).kind == 5);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    EXPECT(get(tactus_latest(fixture.db), 1).kind == 5);
    EXPECT(database_fixture_stats(&fixture).op == 1);
    end();
}

TEST(transaction, an_invalid_value_is_refused_with_the_number_of_its_field)
{
    begin();
    tactus_txn *txn = database_fixture_txn(&fixture);
    struct fixture_item items[3] = {
        database_fixture_item(1, 5), database_fixture_item(2, 5), database_fixture_item(3, 5)};
    memcpy(items[1].name, "\xff\xfe", 2);
    EXPECT(tactus_insert(txn, fixture.items, items, 3, NULL) == TACTUS_INVALID);
    EXPECT(database_fixture_says(&fixture, "field name"));
    struct tactus_result results[3];
    EXPECT(tactus_insert(txn, fixture.items, items, 3, results) == TACTUS_SOME);
    EXPECT(database_fixture_says(&fixture, "1 of 3"));
    EXPECT(results[0].status == TACTUS_OK && results[2].status == TACTUS_OK);
    EXPECT(results[1].status == TACTUS_INVALID && results[1].field == 4);
    EXPECT(results[0].timestamp == 1 && results[1].timestamp == 0 && results[2].timestamp == 2);
    items[0].kind = 9;
    EXPECT(tactus_update(txn, fixture.items, items, 2, results) == TACTUS_SOME);
    EXPECT(tactus_upsert(txn, fixture.items, &items[1], 1, NULL) == TACTUS_INVALID);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    EXPECT(get(tactus_latest(fixture.db), 1).kind == 9);
    EXPECT(!is_there(2) && is_there(3));
    end();
}

TEST(transaction, results_say_what_became_of_each_object)
{
    begin();
    EXPECT(database_fixture_insert(&fixture, 1, 3, 5) == TACTUS_OK);
    tactus_txn *txn = database_fixture_txn(&fixture);
    struct fixture_item items[4];
    struct tactus_result results[4];
    for (uint32_t index = 0; index < 4; index += 1) {
        items[index] = database_fixture_item(3 + index % 3, 7); /* 3 4 5 3 */
    }
    EXPECT(tactus_insert(txn, fixture.items, items, 4, results) == TACTUS_SOME);
    EXPECT(results[0].status == TACTUS_EXISTS && results[0].timestamp == 3);
    EXPECT(results[1].status == TACTUS_OK && results[1].timestamp == 4);
    EXPECT(results[2].status == TACTUS_OK && results[2].timestamp == 5);
    EXPECT(results[3].status == TACTUS_EXISTS && results[3].timestamp == 3);
    EXPECT(tactus_upsert(txn, fixture.items, items, 4, results) == TACTUS_OK);
    EXPECT(results[0].timestamp == 3 && results[1].timestamp == 4 && results[3].timestamp == 3);
    const uint64_t ids[4] = {5, 6, 5, 1};
    EXPECT(tactus_remove(txn, fixture.items, ids, 4, results) == TACTUS_SOME);
    EXPECT(results[0].status == TACTUS_OK && results[0].timestamp == 5);
    EXPECT(results[1].status == TACTUS_ABSENT && results[1].timestamp == 0);
    EXPECT(results[2].status == TACTUS_ABSENT);
    EXPECT(results[3].status == TACTUS_OK && results[3].timestamp == 1);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    EXPECT(database_fixture_count(&fixture, NULL) == 3);
    EXPECT(database_fixture_count(&fixture, "kind = 7") == 2);
    end();
}

TEST(transaction, more_events_than_the_batch_are_refused_and_those_before_kept)
{
    begin();
    tactus_txn *txn = database_fixture_txn(&fixture);
    struct fixture_item items[FIXTURE_BATCH + 1];
    struct tactus_result results[FIXTURE_BATCH + 1];
    for (uint32_t index = 0; index <= FIXTURE_BATCH; index += 1) {
        items[index] = database_fixture_item(1 + index, 5);
    }
    EXPECT(tactus_insert(txn, fixture.items, items, FIXTURE_BATCH + 1, NULL) == TACTUS_LIMIT);
    EXPECT(database_fixture_says(&fixture, "more than 32 objects"));
    EXPECT(tactus_insert(txn, fixture.items, items, FIXTURE_BATCH + 1, results) == TACTUS_LIMIT);
    EXPECT(tactus_insert(txn, fixture.items, items, FIXTURE_BATCH - 1, NULL) == TACTUS_OK);
    /* Refused objects are no events: one more fits, whatever is refused beside it. */
    EXPECT(tactus_insert(txn, fixture.items, items, FIXTURE_BATCH - 1, results) == TACTUS_SOME);
    EXPECT(tactus_insert(txn, fixture.items, items + FIXTURE_BATCH - 1, 2, NULL) == TACTUS_LIMIT);
    EXPECT(tactus_insert(txn, fixture.items, items + FIXTURE_BATCH - 1, 1, NULL) == TACTUS_OK);
    EXPECT(tactus_remove(txn, fixture.items, &items[0].id, 1, NULL) == TACTUS_LIMIT);
    EXPECT(tactus_update(txn, fixture.items, items, 1, NULL) == TACTUS_LIMIT);
    /* Each collection has a batch of its own. */
    const struct fixture_pair pair = {.id = {.low = 1}};
    EXPECT(tactus_insert(txn, fixture.pairs, &pair, 1, NULL) == TACTUS_OK);
    uint64_t op = 0;
    EXPECT(tactus_commit(txn, &op) == TACTUS_OK);
    EXPECT(op == 1);
    EXPECT(database_fixture_count(&fixture, NULL) == FIXTURE_BATCH);
    EXPECT(timestamp_last(fixture.items) == FIXTURE_BATCH);
    end();
}

TEST(transaction, a_call_may_be_longer_than_what_is_looked_up_at_once)
{
    database_fixture_init(&fixture, 1);
    fixture.create.batch_max = 300;
    fixture.create.block_size = 16384;
    EXPECT(database_fixture_open(&fixture, true) == TACTUS_OK);
    struct fixture_item *items = calloc(300, sizeof *items);
    struct tactus_result *results = calloc(300, sizeof *results);
    EXPECT(items != NULL && results != NULL);
    for (uint32_t index = 0; index < 300; index += 1) {
        items[index] = database_fixture_item(1 + index % 200, index / 200 + 1);
    }
    tactus_txn *txn = database_fixture_txn(&fixture);
    /* What the second chunk refuses takes back what the first did. */
    EXPECT(tactus_insert(txn, fixture.items, items, 300, NULL) == TACTUS_EXISTS);
    EXPECT(database_fixture_says(&fixture, "object 200"));
    EXPECT(get(tactus_txn_view(txn), 1).id == 0);
    EXPECT(tactus_insert(txn, fixture.items, items, 300, results) == TACTUS_SOME);
    for (uint32_t index = 0; index < 300; index += 1) {
        EXPECT(results[index].status == (index < 200 ? TACTUS_OK : TACTUS_EXISTS));
    }
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    txn = database_fixture_txn(&fixture);
    EXPECT(tactus_upsert(txn, fixture.items, items, 300, NULL) == TACTUS_OK);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    EXPECT(database_fixture_count(&fixture, NULL) == 200);
    EXPECT(database_fixture_count(&fixture, "kind = 2") == 100);
    free(items);
    free(results);
    end();
}

/* ---- One after the other --------------------------------------------------------------------- */

TEST(transaction, each_object_is_judged_after_those_before_it_in_the_call)
{
    begin();
    tactus_txn *txn = database_fixture_txn(&fixture);
    struct fixture_item items[3] = {
        database_fixture_item(1, 5), database_fixture_item(1, 6), database_fixture_item(1, 7)};
    struct tactus_result results[3];
    EXPECT(tactus_insert(txn, fixture.items, items, 2, NULL) == TACTUS_EXISTS);
    EXPECT(tactus_upsert(txn, fixture.items, items, 3, results) == TACTUS_OK);
    EXPECT(results[0].timestamp == 1 && results[1].timestamp == 1 && results[2].timestamp == 1);
    EXPECT(get(tactus_txn_view(txn), 1).kind == 7);
    const uint64_t ids[2] = {1, 1};
    EXPECT(tactus_remove(txn, fixture.items, ids, 2, NULL) == TACTUS_ABSENT);
    EXPECT(tactus_remove(txn, fixture.items, ids, 2, results) == TACTUS_SOME);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    EXPECT(database_fixture_count(&fixture, NULL) == 0);
    EXPECT(database_fixture_count(&fixture, "kind in (5, 6, 7)") == 0);
    end();
}

TEST(transaction, each_call_is_judged_after_those_before_it)
{
    begin();
    EXPECT(database_fixture_insert(&fixture, 1, 1, 5) == TACTUS_OK);
    tactus_txn *txn = database_fixture_txn(&fixture);
    struct fixture_item item = database_fixture_item(1, 6);
    const uint64_t id = 1;
    struct tactus_result result;
    EXPECT(tactus_remove(txn, fixture.items, &id, 1, NULL) == TACTUS_OK);
    EXPECT(tactus_update(txn, fixture.items, &item, 1, NULL) == TACTUS_ABSENT);
    EXPECT(tactus_insert(txn, fixture.items, &item, 1, &result) == TACTUS_OK);
    EXPECT(result.timestamp == 2); /* another object with the same id */
    EXPECT(tactus_insert(txn, fixture.items, &item, 1, NULL) == TACTUS_EXISTS);
    item.kind = 8;
    EXPECT(tactus_update(txn, fixture.items, &item, 1, &result) == TACTUS_OK);
    EXPECT(result.timestamp == 2);
    EXPECT(get(tactus_latest(fixture.db), 1).kind == 5);
    EXPECT(get(tactus_txn_view(txn), 1).kind == 8);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    EXPECT(get(tactus_latest(fixture.db), 1).timestamp == 2);
    EXPECT(database_fixture_count(&fixture, NULL) == 1);
    end();
}

TEST(transaction, what_lies_on_disk_is_judged_like_what_lies_in_memory)
{
    begin();
    for (uint32_t batch = 0; batch < 30; batch += 1) {
        EXPECT(database_fixture_insert(&fixture, 1 + batch * 30, 30, batch) == TACTUS_OK);
    }
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    EXPECT(database_fixture_stats(&fixture).tables > 0);
    EXPECT(database_fixture_insert(&fixture, 450, 1, 1) == TACTUS_EXISTS);
    tactus_txn *txn = database_fixture_txn(&fixture);
    const struct fixture_item item = database_fixture_item(450, 77);
    const uint64_t ids[3] = {451, 5000, 451};
    struct tactus_result results[3];
    EXPECT(tactus_upsert(txn, fixture.items, &item, 1, results) == TACTUS_OK);
    EXPECT(results[0].timestamp == 450);
    EXPECT(tactus_remove(txn, fixture.items, ids, 3, results) == TACTUS_SOME);
    EXPECT(results[0].status == TACTUS_OK && results[0].timestamp == 451);
    EXPECT(results[1].status == TACTUS_ABSENT && results[2].status == TACTUS_ABSENT);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    EXPECT(get(tactus_latest(fixture.db), 450).kind == 77);
    EXPECT(!is_there(451));
    EXPECT(database_fixture_count(&fixture, NULL) == 899);
    EXPECT(database_fixture_count(&fixture, "kind = 77") == 1);
    EXPECT(database_fixture_count(&fixture, "kind = 14") == 29);
    EXPECT(database_fixture_count(&fixture, "kind = 15") == 29);
    end();
}

/* ---- Timestamps ------------------------------------------------------------------------------ */

static tactus_txn *txn_with(uint32_t flags, uint64_t first)
{
    struct tactus_txn_options options;
    tactus_txn_options_default(&options);
    options.flags = flags;
    options.first = first;
    tactus_txn *txn = NULL;
    EXPECT(tactus_begin(fixture.db, &options, &txn) == TACTUS_OK);
    return txn;
}

TEST(transaction, timestamps_given_must_ascend)
{
    begin();
    tactus_txn *txn = txn_with(TACTUS_TIMESTAMPS_GIVEN, 0);
    struct fixture_item items[5];
    struct tactus_result results[5];
    static const uint64_t given[5] = {10, 10, 9, 0, 20};
    for (uint32_t index = 0; index < 5; index += 1) {
        items[index] = database_fixture_item(1 + index, 5);
        items[index].timestamp = given[index];
    }
    EXPECT(tactus_insert(txn, fixture.items, items, 5, NULL) == TACTUS_INVALID);
    EXPECT(database_fixture_says(&fixture, "its timestamp must lie above the last"));
    EXPECT(tactus_insert(txn, fixture.items, items, 5, results) == TACTUS_SOME);
    EXPECT(results[0].timestamp == 10);
    EXPECT(results[1].status == TACTUS_INVALID && results[1].field == 1);
    EXPECT(results[2].status == TACTUS_INVALID);
    EXPECT(results[3].status == TACTUS_OK && results[3].timestamp == 11);
    EXPECT(results[4].timestamp == 20);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    EXPECT(timestamp_last(fixture.items) == 20);

    txn = txn_with(TACTUS_TIMESTAMPS_GIVEN, 0);
    items[0] = database_fixture_item(50, 5);
    items[0].timestamp = 20;
    EXPECT(tactus_insert(txn, fixture.items, items, 1, NULL) == TACTUS_INVALID);
    items[0].timestamp = (uint64_t)1 << 63;
    EXPECT(tactus_insert(txn, fixture.items, items, 1, NULL) == TACTUS_INVALID);
    items[0].timestamp = ((uint64_t)1 << 63) - 1;
    EXPECT(tactus_insert(txn, fixture.items, items, 1, NULL) == TACTUS_OK);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    /* There is none above. */
    EXPECT(database_fixture_insert(&fixture, 60, 1, 1) == TACTUS_INVALID);
    const struct fixture_pair pair = {.id = {.low = 1}};
    txn = database_fixture_txn(&fixture);
    EXPECT(tactus_insert(txn, fixture.pairs, &pair, 1, NULL) == TACTUS_OK);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    end();
}

TEST(transaction, without_the_flag_the_timestamp_of_an_object_is_not_looked_at)
{
    begin();
    tactus_txn *txn = database_fixture_txn(&fixture);
    struct fixture_item item = database_fixture_item(1, 5);
    item.timestamp = UINT64_MAX;
    struct tactus_result result;
    EXPECT(tactus_insert(txn, fixture.items, &item, 1, &result) == TACTUS_OK);
    EXPECT(result.timestamp == 1);
    EXPECT(tactus_update(txn, fixture.items, &item, 1, &result) == TACTUS_OK);
    EXPECT(result.timestamp == 1);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    EXPECT(get(tactus_latest(fixture.db), 1).timestamp == 1);
    end();
}

TEST(transaction, the_first_timestamp_is_the_larger_of_the_next_and_the_one_asked_for)
{
    begin();
    tactus_txn *txn = txn_with(0, 1000);
    struct fixture_item items[2] = {database_fixture_item(1, 5), database_fixture_item(2, 5)};
    struct tactus_result results[2];
    EXPECT(tactus_insert(txn, fixture.items, items, 2, results) == TACTUS_OK);
    EXPECT(results[0].timestamp == 1000 && results[1].timestamp == 1001);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    txn = txn_with(0, 500);
    items[0] = database_fixture_item(3, 5);
    EXPECT(tactus_insert(txn, fixture.items, items, 1, results) == TACTUS_OK);
    EXPECT(results[0].timestamp == 1002);
    const struct fixture_pair pair = {.id = {.low = 1}};
    EXPECT(tactus_insert(txn, fixture.pairs, &pair, 1, results) == TACTUS_OK);
    EXPECT(results[0].timestamp == 500); /* each collection counts for itself */
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    end();
}

TEST(transaction, options_out_of_range_are_misuse)
{
    begin();
    struct tactus_txn_options options;
    tactus_txn *txn = NULL;
    tactus_txn_options_default(&options);
    options.flags = 2;
    EXPECT(tactus_begin(fixture.db, &options, &txn) == TACTUS_MISUSE);
    tactus_txn_options_default(&options);
    options.first = (uint64_t)1 << 63;
    EXPECT(tactus_begin(fixture.db, &options, &txn) == TACTUS_MISUSE);
    tactus_txn_options_default(&options);
    options.struct_bytes = 3;
    EXPECT(tactus_begin(fixture.db, &options, &txn) == TACTUS_MISUSE);
    EXPECT(txn == NULL);
    EXPECT(database_fixture_insert(&fixture, 1, 1, 1) == TACTUS_OK);
    end();
}

/* ---- Ends ------------------------------------------------------------------------------------ */

TEST(transaction, a_rollback_leaves_no_trace)
{
    begin();
    EXPECT(database_fixture_insert(&fixture, 1, 10, 5) == TACTUS_OK);
    const struct tactus_stats before = database_fixture_stats(&fixture);
    tactus_txn *txn = database_fixture_txn(&fixture);
    struct fixture_item item = database_fixture_item(1, 6);
    const uint64_t id = 2;
    EXPECT(tactus_update(txn, fixture.items, &item, 1, NULL) == TACTUS_OK);
    EXPECT(tactus_remove(txn, fixture.items, &id, 1, NULL) == TACTUS_OK);
    item = database_fixture_item(99, 6);
    EXPECT(tactus_insert(txn, fixture.items, &item, 1, NULL) == TACTUS_OK);
    EXPECT(get(tactus_txn_view(txn), 99).kind == 6);
    tactus_rollback(txn);
    const struct tactus_stats after = database_fixture_stats(&fixture);
    EXPECT(after.op == before.op && after.beat == before.beat);
    EXPECT(after.bytes_journal == before.bytes_journal);
    EXPECT(after.objects_committed == before.objects_committed);
    EXPECT(timestamp_last(fixture.items) == 10);
    EXPECT(get(tactus_latest(fixture.db), 1).kind == 5);
    EXPECT(is_there(2) && !is_there(99));
    EXPECT(database_fixture_count(&fixture, "kind = 6") == 0);
    EXPECT(database_fixture_insert(&fixture, 99, 1, 7) == TACTUS_OK);
    EXPECT(get(tactus_latest(fixture.db), 99).timestamp == 11);
    database_fixture_reopen(&fixture);
    EXPECT(database_fixture_count(&fixture, NULL) == 11);
    end();
}

TEST(transaction, one_is_open_at_a_time_and_an_ended_one_is_misuse)
{
    begin();
    tactus_txn *txn = database_fixture_txn(&fixture);
    tactus_txn *second = NULL;
    EXPECT(tactus_begin(fixture.db, NULL, &second) == TACTUS_BUSY);
    EXPECT(second == NULL);
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_BUSY);
    EXPECT(tactus_flush(fixture.db) == TACTUS_OK);
    tactus_rollback(txn);
    tactus_rollback(txn);
    const struct fixture_item item = database_fixture_item(1, 5);
    EXPECT(tactus_insert(txn, fixture.items, &item, 1, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_txn_view(txn) == NULL);
    EXPECT(tactus_begin(fixture.db, NULL, &second) == TACTUS_OK);
    tactus_view *view = tactus_txn_view(second);
    EXPECT(tactus_commit(second, NULL) == TACTUS_OK);
    uint64_t id = 1;
    struct fixture_item found;
    EXPECT(tactus_get(view, fixture.items, &id, 1, &found, NULL) == TACTUS_EXPIRED);
    end();
}

TEST(transaction, one_without_an_event_takes_no_op)
{
    begin();
    uint64_t op = 77;
    tactus_txn *txn = database_fixture_txn(&fixture);
    EXPECT(tactus_commit(txn, &op) == TACTUS_OK);
    EXPECT(op == 0);
    EXPECT(database_fixture_insert(&fixture, 1, 1, 1) == TACTUS_OK);
    txn = database_fixture_txn(&fixture);
    const struct fixture_item item = database_fixture_item(1, 5);
    EXPECT(tactus_insert(txn, fixture.items, &item, 1, NULL) == TACTUS_EXISTS);
    EXPECT(tactus_insert(txn, fixture.items, &item, 0, NULL) == TACTUS_OK);
    const struct tactus_stats before = database_fixture_stats(&fixture);
    EXPECT(tactus_commit(txn, &op) == TACTUS_OK);
    EXPECT(op == 1);
    const struct tactus_stats after = database_fixture_stats(&fixture);
    EXPECT(before.bytes_journal == after.bytes_journal && after.op == 1);
    end();
}

TEST(transaction, is_durable_when_its_sync_says_so)
{
    static const uint32_t syncs[] = {TACTUS_SYNC_COMMIT, TACTUS_SYNC_INTERVAL, TACTUS_SYNC_NONE};
    for (uint32_t index = 0; index < 3; index += 1) {
        database_fixture_init(&fixture, 1);
        fixture.open.sync = syncs[index];
        fixture.open.sync_interval_ns = 1000000000;
        EXPECT(database_fixture_open(&fixture, true) == TACTUS_OK);
        EXPECT(database_fixture_insert(&fixture, 1, 1, 1) == TACTUS_OK);
        EXPECT(
            database_fixture_stats(&fixture).op_durable ==
            (syncs[index] == TACTUS_SYNC_COMMIT ? 1 : 0)
        );
        simulated_disk_advance(fixture.disk, 2000000000);
        EXPECT(database_fixture_insert(&fixture, 2, 1, 1) == TACTUS_OK);
        /* The first call after the interval has asked for what came before it: the begin. The
         * calls after it bring that on, and may bring what came after, too. */
        for (uint32_t times = 0; times < 100; times += 1)
            database_fixture_find(&fixture);
        static const uint64_t durable_min[] = {2, 1, 0};
        static const uint64_t durable_max[] = {2, 2, 0};
        EXPECT(database_fixture_stats(&fixture).op_durable >= durable_min[index]);
        EXPECT(database_fixture_stats(&fixture).op_durable <= durable_max[index]);
        EXPECT(database_fixture_insert(&fixture, 3, 1, 1) == TACTUS_OK);
        EXPECT(tactus_flush(fixture.db) == TACTUS_OK);
        EXPECT(database_fixture_stats(&fixture).op_durable == 3);
        EXPECT(database_fixture_insert(&fixture, 4, 1, 1) == TACTUS_OK);
        EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
        EXPECT(database_fixture_stats(&fixture).op_durable == 5);
        EXPECT(database_fixture_stats(&fixture).checkpoint_op == 5);
        end();
    }
}

TEST(transaction, a_second_checkpoint_over_nothing_new_is_no_operation)
{
    begin();
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    EXPECT(database_fixture_insert(&fixture, 1, 5, 1) == TACTUS_OK);
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    const struct tactus_stats before = database_fixture_stats(&fixture);
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    const struct tactus_stats after = database_fixture_stats(&fixture);
    EXPECT(before.op == after.op && before.beat == after.beat);
    database_fixture_reopen(&fixture);
    EXPECT(database_fixture_stats(&fixture).replayed_ops == 0);
    EXPECT(database_fixture_count(&fixture, NULL) == 5);
    end();
}

/* ---- Other kinds of ids ---------------------------------------------------------------------- */

TEST(transaction, ids_of_128_bits_differ_in_either_half)
{
    begin();
    tactus_txn *txn = database_fixture_txn(&fixture);
    const struct fixture_pair pairs[4] = {
        {.id = {.low = 1, .high = 2}, .flag = 1},
        {.id = {.low = 2, .high = 1}, .flag = 2},
        {.id = {.low = 0, .high = 0}},
        {.id = {.low = UINT64_MAX, .high = UINT64_MAX}, .flag = 4},
    };
    EXPECT(tactus_insert(txn, fixture.pairs, pairs, 4, NULL) == TACTUS_OK);
    EXPECT(tactus_insert(txn, fixture.pairs, &pairs[3], 1, NULL) == TACTUS_EXISTS);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    struct fixture_pair found[4];
    const struct tactus_u128 ids[4] = {pairs[3].id, pairs[2].id, pairs[1].id, pairs[0].id};
    EXPECT(tactus_get(tactus_latest(fixture.db), fixture.pairs, ids, 4, found, NULL) == TACTUS_OK);
    EXPECT(found[0].flag == 4 && found[1].timestamp == 3 && found[2].flag == 2);
    EXPECT(found[3].flag == 1 && found[3].id.high == 2);
    txn = database_fixture_txn(&fixture);
    EXPECT(tactus_remove(txn, fixture.pairs, ids, 2, NULL) == TACTUS_OK);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    struct tactus_result results[4];
    EXPECT(
        tactus_get(tactus_latest(fixture.db), fixture.pairs, ids, 4, found, results) == TACTUS_SOME
    );
    EXPECT(results[0].status == TACTUS_ABSENT && results[1].status == TACTUS_ABSENT);
    EXPECT(results[2].status == TACTUS_OK && results[2].timestamp == 2);
    EXPECT(found[0].timestamp == 0 && found[0].id.low == 0);
    end();
}

TEST(transaction, without_an_id_the_timestamp_names_an_object)
{
    begin();
    tactus_txn *txn = database_fixture_txn(&fixture);
    struct fixture_entry entries[3] = {{.at = 5, .size = 1}, {.at = 5, .size = 1}, {.at = 4}};
    struct tactus_result results[4];
    EXPECT(tactus_insert(txn, fixture.entries, entries, 3, results) == TACTUS_OK);
    EXPECT(results[0].timestamp == 1 && results[2].timestamp == 3);
    entries[0].timestamp = 2;
    entries[0].size = 20;
    entries[1].timestamp = 9;
    entries[2].timestamp = 0;
    EXPECT(tactus_update(txn, fixture.entries, entries, 1, NULL) == TACTUS_OK);
    EXPECT(tactus_update(txn, fixture.entries, entries, 2, NULL) == TACTUS_ABSENT);
    EXPECT(tactus_update(txn, fixture.entries, &entries[2], 1, NULL) == TACTUS_ABSENT);
    EXPECT(tactus_upsert(txn, fixture.entries, entries, 2, results) == TACTUS_OK);
    EXPECT(results[0].timestamp == 2 && results[1].timestamp == 4);
    const uint64_t timestamps[4] = {3, 9, UINT64_MAX, 0};
    EXPECT(tactus_remove(txn, fixture.entries, timestamps, 4, results) == TACTUS_SOME);
    EXPECT(results[0].status == TACTUS_OK && results[1].status == TACTUS_ABSENT);
    EXPECT(results[2].status == TACTUS_ABSENT && results[3].status == TACTUS_ABSENT);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    struct fixture_entry found[3];
    const uint64_t wanted[3] = {2, 3, 4};
    EXPECT(
        tactus_get(tactus_latest(fixture.db), fixture.entries, wanted, 3, found, results) ==
        TACTUS_SOME
    );
    EXPECT(found[0].size == 20 && found[0].timestamp == 2);
    EXPECT(results[1].status == TACTUS_ABSENT && results[2].status == TACTUS_OK);
    end();
}

/* ---- Indexes --------------------------------------------------------------------------------- */

static void expect_counts(uint32_t kind5, uint32_t kind6, uint32_t rank1, uint32_t both)
{
    EXPECT(database_fixture_count(&fixture, "kind = 5") == kind5);
    EXPECT(database_fixture_count(&fixture, "kind = 6") == kind6);
    EXPECT(database_fixture_count(&fixture, "rank = 1") == rank1);
    EXPECT(database_fixture_count(&fixture, "kind = 6 and rank = 1") == both);
}

/* The same steps with everything in memory, and with a checkpoint after each. */
static void change_indexes(bool checkpoints)
{
    begin();
    struct fixture_item item = {.id = 1, .kind = 5, .rank = 1};
    static const struct {
        uint32_t kind;
        int32_t rank;
        const char *name;
        uint32_t counts[4];
    } steps[] = {
        {5, 1, "abcdefghijklmnopX", {1, 0, 1, 0}},
        {5, 1, "abcdefghijklmnopY", {1, 0, 1, 0}}, /* the truncated key is the same */
        {6, 1, "abcdefghijklmnopY", {0, 1, 1, 1}},
        {6, 0, "abcdefghijklmnopY", {0, 1, 0, 0}}, /* optional: left out of both indexes */
        {6, 0, "", {0, 1, 0, 0}},
        {6, 1, "z", {0, 1, 1, 1}},
        {5, 2, "z", {1, 0, 0, 0}},
    };
    for (uint32_t index = 0; index < sizeof steps / sizeof steps[0]; index += 1) {
        item.kind = steps[index].kind;
        item.rank = steps[index].rank;
        memset(item.name, 0, sizeof item.name);
        memcpy(item.name, steps[index].name, strlen(steps[index].name));
        tactus_txn *txn = database_fixture_txn(&fixture);
        EXPECT(tactus_upsert(txn, fixture.items, &item, 1, NULL) == TACTUS_OK);
        EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
        if (checkpoints) EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
        const uint32_t *counts = steps[index].counts;
        expect_counts(counts[0], counts[1], counts[2], counts[3]);
        char where[64];
        (void)snprintf(where, sizeof where, "name = '%s'", steps[index].name);
        EXPECT(database_fixture_count(&fixture, where) == 1);
        EXPECT(
            database_fixture_count(&fixture, "name starts 'abcdefghijklmnop'") ==
            (steps[index].name[0] == 'a' ? 1 : 0)
        );
        EXPECT(
            database_fixture_count(&fixture, "name = 'abcdefghijklmnopX'") == (index == 0 ? 1 : 0)
        );
        EXPECT(database_fixture_count(&fixture, "rank = 0") == (steps[index].rank == 0 ? 1 : 0));
    }
    EXPECT(database_fixture_remove(&fixture, 1, 1) == TACTUS_OK);
    expect_counts(0, 0, 0, 0);
    end();
}

TEST(transaction, indexes_follow_updates)
{
    change_indexes(false);
    change_indexes(true);
}

TEST(transaction, a_sparse_index_leaves_zero_out_and_is_not_used_for_it)
{
    begin();
    tactus_txn *txn = database_fixture_txn(&fixture);
    for (uint64_t number = 0; number < 10; number += 1) {
        const struct fixture_pair pair = {.id = {.low = number}, .flag = (uint8_t)(number % 3)};
        EXPECT(tactus_insert(txn, fixture.pairs, &pair, 1, NULL) == TACTUS_OK);
    }
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    static const struct {
        const char *where;
        uint32_t count;
    } cases[] = {
        {"flag = 0", 4}, {"flag = 1", 3}, {"flag < 2", 7}, {"flag >= 1", 6}, {"not flag = 2", 7}};
    for (uint32_t index = 0; index < sizeof cases / sizeof cases[0]; index += 1) {
        tactus_query *query = NULL;
        EXPECT(
            tactus_prepare(fixture.db, fixture.pairs, cases[index].where, NULL, &query) == TACTUS_OK
        );
        EXPECT(tactus_run(query, tactus_latest(fixture.db), NULL) == TACTUS_OK);
        struct fixture_pair pairs[20];
        uint32_t count = 0;
        EXPECT(tactus_next(query, pairs, 20, &count) == TACTUS_OK);
        EXPECT(count == cases[index].count);
        tactus_query_close(query);
    }
    end();
}

TEST(transaction, padding_and_the_tail_of_a_text_are_stored_as_zero)
{
    begin();
    struct fixture_item item;
    memset(&item, 0xa5, sizeof item);
    item.id = 1;
    item.kind = 5;
    item.rank = 1;
    memcpy(item.name, "ab", 3);
    struct fixture_pair pair;
    memset(&pair, 0xa5, sizeof pair);
    pair.flag = 1;
    tactus_txn *txn = database_fixture_txn(&fixture);
    EXPECT(tactus_insert(txn, fixture.items, &item, 1, NULL) == TACTUS_OK);
    EXPECT(tactus_insert(txn, fixture.pairs, &pair, 1, NULL) == TACTUS_OK);
    struct fixture_item expected = {.id = 1, .timestamp = 1, .kind = 5, .rank = 1, .name = "ab"};
    struct fixture_item found = get(tactus_txn_view(txn), 1);
    EXPECT(memcmp(&found, &expected, sizeof found) == 0);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    database_fixture_reopen(&fixture);
    found = get(tactus_latest(fixture.db), 1);
    EXPECT(memcmp(&found, &expected, sizeof found) == 0);
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    found = get(tactus_latest(fixture.db), 1);
    EXPECT(memcmp(&found, &expected, sizeof found) == 0);
    struct fixture_pair found_pair;
    const struct fixture_pair expected_pair = {.id = pair.id, .timestamp = 1, .flag = 1};
    EXPECT(
        tactus_get(tactus_latest(fixture.db), fixture.pairs, &pair.id, 1, &found_pair, NULL) ==
        TACTUS_OK
    );
    EXPECT(memcmp(&found_pair, &expected_pair, sizeof found_pair) == 0);
    end();
}

TEST(transaction, what_is_passed_in_is_not_changed)
{
    begin();
    struct fixture_item item;
    memset(&item, 0x41, sizeof item);
    item.name[3] = 0;
    struct fixture_item copy = item;
    tactus_txn *txn = database_fixture_txn(&fixture);
    EXPECT(tactus_insert(txn, fixture.items, &item, 1, NULL) == TACTUS_OK);
    EXPECT(tactus_update(txn, fixture.items, &item, 1, NULL) == TACTUS_OK);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    EXPECT(memcmp(&item, &copy, sizeof item) == 0);
    end();
}

/* ---- Many collections, all or nothing -------------------------------------------------------- */

TEST(transaction, spans_collections_and_is_there_whole_after_a_reopen)
{
    begin();
    for (uint32_t number = 1; number <= 100; number += 1) {
        tactus_txn *txn = database_fixture_txn(&fixture);
        const struct fixture_item item = database_fixture_item(number, number % 4);
        const struct fixture_pair pair = {.id = {.high = number}, .flag = 1};
        const struct fixture_entry entry = {.at = number, .size = number};
        EXPECT(tactus_insert(txn, fixture.items, &item, 1, NULL) == TACTUS_OK);
        EXPECT(tactus_insert(txn, fixture.pairs, &pair, 1, NULL) == TACTUS_OK);
        EXPECT(tactus_insert(txn, fixture.entries, &entry, 1, NULL) == TACTUS_OK);
        if (number % 10 == 0) {
            tactus_rollback(txn);
        } else {
            EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
        }
        if (number % 33 == 0) database_fixture_reopen(&fixture);
    }
    database_fixture_reopen(&fixture);
    EXPECT(database_fixture_count(&fixture, NULL) == 90);
    EXPECT(timestamp_last(fixture.items) == 90);
    EXPECT(timestamp_last(fixture.pairs) == 90);
    EXPECT(timestamp_last(fixture.entries) == 90);
    EXPECT(!is_there(10) && is_there(11));
    end();
}

/* An index gets two records of such an event: its tables are sized for that. */
TEST(transaction, full_batches_of_updates_that_change_every_index_fit)
{
    begin();
    EXPECT(database_fixture_insert(&fixture, 1, FIXTURE_BATCH, 0) == TACTUS_OK);
    const struct tree *index = &fixture.db->forest.trees[2]; /* objects, ids, and then indexes */
    EXPECT(index->options.usage == TREE_INDEX);
    uint32_t most = 0;
    for (uint32_t batch = 1; batch <= 40; batch += 1) {
        tactus_txn *txn = database_fixture_txn(&fixture);
        for (uint64_t id = 1; id <= FIXTURE_BATCH; id += 1) {
            struct fixture_item item = database_fixture_item(id, batch);
            item.rank = (int32_t)(batch * FIXTURE_BATCH + id);
            (void)snprintf(item.name, sizeof item.name, "%u of %u", (unsigned)id, batch);
            EXPECT(tactus_update(txn, fixture.items, &item, 1, NULL) == TACTUS_OK);
        }
        EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
        if (index->mutable->count > most) most = index->mutable->count;
        char where[64];
        (void)snprintf(where, sizeof where, "kind = %u and rank > 0", batch);
        EXPECT(database_fixture_count(&fixture, where) == FIXTURE_BATCH);
        (void)snprintf(where, sizeof where, "kind = %u", batch - 1);
        EXPECT(database_fixture_count(&fixture, where) == 0);
    }
    EXPECT(most == index->options.value_count_max); /* full: 4 beats of 32 events of two records */
    end();
}

/* ---- Removed, and never there ---------------------------------------------------------------- */

enum { FILL_BATCHES = 60 };

static void fill(uint64_t batch)
{
    const uint64_t id = 1000 + batch * 7919 % 1009 * FIXTURE_BATCH;
    EXPECT(database_fixture_insert(&fixture, id, FIXTURE_BATCH, 1) == TACTUS_OK);
}

/* Ids 1 to 5: never there; in memory; removed in memory; on disk; on disk, and removed. What is on
 * disk lies below level 0, so that a tombstone stays above it for a while. */
static void make_each_kind_of_absence(void)
{
    begin();
    EXPECT(database_fixture_insert(&fixture, 3, 3, 5) == TACTUS_OK);
    for (uint64_t batch = 0; batch < FILL_BATCHES; batch += 1)
        fill(batch);
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    const struct manifest_level *levels =
        fixture.db->forest.collections[0].id_tree->manifest.levels;
    const struct key five = key_from_u64(5);
    EXPECT(manifest_run_find(manifest_level_sole(&levels[0]), five) == NULL);
    EXPECT(manifest_level_range_contains(&levels[1], five));
    EXPECT(database_fixture_remove(&fixture, 3, 1) == TACTUS_OK); /* inserted again, then removed */
    EXPECT(database_fixture_insert(&fixture, 2, 2, 6) == TACTUS_OK);
    EXPECT(database_fixture_remove(&fixture, 3, 1) == TACTUS_OK);
    EXPECT(database_fixture_remove(&fixture, 5, 1) == TACTUS_OK);
}

static void expect_each_kind_of_absence(tactus_view *view)
{
    for (uint64_t id = 1; id <= 5; id += 2)
        EXPECT(get(view, id).id == 0);
    EXPECT(get(view, 2).kind == 6 && get(view, 4).kind == 5);
}

TEST(transaction, a_rollback_tells_what_was_removed_from_what_was_never_there)
{
    make_each_kind_of_absence();
    expect_each_kind_of_absence(tactus_latest(fixture.db));
    enum { CALLS = 3, ORDERS = CALLS * CALLS * CALLS };
    for (uint32_t order = 0; order < ORDERS; order += 1) {
        tactus_txn *txn = database_fixture_txn(&fixture);
        for (uint32_t step = 0, calls = order; step < 3; step += 1, calls /= CALLS) {
            for (uint64_t id = 1; id <= 5; id += 1) {
                const struct fixture_item item = database_fixture_item(id, 10 + step);
                struct tactus_result result; /* each call is refused here and there */
                enum tactus_status status = TACTUS_OK;
                switch (calls % CALLS) {
                case 0: status = tactus_insert(txn, fixture.items, &item, 1, &result); break;
                case 1: status = tactus_upsert(txn, fixture.items, &item, 1, &result); break;
                default: status = tactus_remove(txn, fixture.items, &id, 1, &result); break;
                }
                EXPECT(status == TACTUS_OK || status == TACTUS_SOME);
            }
        }
        expect_each_kind_of_absence(tactus_latest(fixture.db)); /* sees nothing of it */
        tactus_rollback(txn);
        expect_each_kind_of_absence(tactus_latest(fixture.db));
        txn = database_fixture_txn(&fixture); /* the next one finds nothing left of it */
        expect_each_kind_of_absence(tactus_txn_view(txn));
        tactus_rollback(txn);
    }
    EXPECT(database_fixture_insert(&fixture, 100, 1, 1) == TACTUS_OK);
    expect_each_kind_of_absence(tactus_latest(fixture.db));
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    expect_each_kind_of_absence(tactus_latest(fixture.db));
    EXPECT(database_fixture_count(&fixture, "kind in (5, 6)") == 2);
    EXPECT(database_fixture_count(&fixture, NULL) == 3 + FILL_BATCHES * FIXTURE_BATCH);
    end();
}

/* Through every beat of the bars in which the tombstone moves down, and the object's tables. */
TEST(transaction, what_is_removed_stays_removed_while_its_tombstone_sinks)
{
    make_each_kind_of_absence();
    for (uint64_t batch = FILL_BATCHES; batch < FILL_BATCHES + 200; batch += 1) {
        fill(batch);
        expect_each_kind_of_absence(tactus_latest(fixture.db));
        EXPECT(database_fixture_insert(&fixture, 4, 1, 9) == TACTUS_EXISTS);
        EXPECT(database_fixture_remove(&fixture, 5, 1) == TACTUS_ABSENT);
        if (batch % 50 == 49) database_fixture_reopen(&fixture);
    }
    EXPECT(database_fixture_count(&fixture, "kind in (5, 6)") == 2);
    EXPECT(database_fixture_insert(&fixture, 5, 1, 9) == TACTUS_OK);
    EXPECT(is_there(5));
    end();
}

TEST_MAIN()
