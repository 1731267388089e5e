/* Gets and queries: what they see, in which order, what ends them, what is refused. */
#include "support/database_fixture.h"

#include <stdio.h>
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
    database_fixture_end(&fixture);
}

static tactus_query *prepare(const char *where, const char *order)
{
    tactus_query *query = NULL;
    const enum tactus_status status =
        tactus_prepare(fixture.db, fixture.items, where, order, &query);
    if (status != TACTUS_OK) printf("%s\n", tactus_error(fixture.db)->text);
    EXPECT(status == TACTUS_OK);
    return query;
}

static tactus_query *run(const char *where, const char *order)
{
    tactus_query *query = prepare(where, order);
    EXPECT(tactus_run(query, tactus_latest(fixture.db), NULL) == TACTUS_OK);
    return query;
}

static uint32_t next(tactus_query *query, struct fixture_item *items, uint32_t capacity)
{
    uint32_t count = 77;
    EXPECT(tactus_next(query, items, capacity, &count) == TACTUS_OK);
    EXPECT(count <= capacity);
    return count;
}

static void expect_refused(const char *where, const char *order, enum tactus_status status)
{
    tactus_query *query = NULL;
    EXPECT(tactus_prepare(fixture.db, fixture.items, where, order, &query) == status);
    EXPECT(query == NULL);
    EXPECT(tactus_error(fixture.db)->text[0] != 0);
}

/* ---- Gets ------------------------------------------------------------------------------------ */

TEST(read, get_gives_objects_in_the_order_asked_for_and_zero_where_there_is_none)
{
    begin();
    EXPECT(database_fixture_insert(&fixture, 1, 20, 5) == TACTUS_OK);
    const uint64_t ids[5] = {7, 99, 1, 7, 20};
    struct fixture_item items[5];
    struct tactus_result results[5];
    memset(items, 0xff, sizeof items);
    tactus_view *latest = tactus_latest(fixture.db);
    EXPECT(tactus_get(latest, fixture.items, ids, 5, items, NULL) == TACTUS_ABSENT);
    EXPECT(database_fixture_says(&fixture, "1 of 5"));
    EXPECT(tactus_get(latest, fixture.items, ids, 5, items, results) == TACTUS_SOME);
    EXPECT(items[0].id == 7 && items[2].id == 1 && items[3].id == 7 && items[4].id == 20);
    const struct fixture_item none = {0};
    EXPECT(memcmp(&items[1], &none, sizeof none) == 0);
    EXPECT(results[1].status == TACTUS_ABSENT && results[1].timestamp == 0);
    EXPECT(results[4].status == TACTUS_OK && results[4].timestamp == 20);
    EXPECT(tactus_get(latest, fixture.items, ids + 2, 3, items, results) == TACTUS_OK);
    EXPECT(tactus_get(latest, fixture.items, ids, 0, items, NULL) == TACTUS_OK);
    end();
}

TEST(read, get_by_timestamp_serves_any_collection)
{
    begin();
    EXPECT(database_fixture_insert(&fixture, 101, 20, 5) == TACTUS_OK);
    const uint64_t timestamps[4] = {1, 20, 21, UINT64_MAX};
    struct fixture_item items[4];
    struct tactus_result results[4];
    tactus_view *latest = tactus_latest(fixture.db);
    EXPECT(
        tactus_get_by_timestamp(latest, fixture.items, timestamps, 4, items, results) == TACTUS_SOME
    );
    EXPECT(items[0].id == 101 && items[1].id == 120);
    EXPECT(results[2].status == TACTUS_ABSENT && results[3].status == TACTUS_ABSENT);
    end();
}

TEST(read, more_ids_than_are_looked_up_at_once_come_all)
{
    begin();
    for (uint64_t id = 1; id <= 600; id += 30) {
        EXPECT(database_fixture_insert(&fixture, id, 30, (uint32_t)id) == TACTUS_OK);
    }
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    uint64_t ids[700];
    static struct fixture_item items[700];
    static struct tactus_result results[700];
    for (uint32_t index = 0; index < 700; index += 1)
        ids[index] = 700 - index;
    EXPECT(
        tactus_get(tactus_latest(fixture.db), fixture.items, ids, 700, items, results) ==
        TACTUS_SOME
    );
    for (uint32_t index = 0; index < 700; index += 1) {
        EXPECT((results[index].status == TACTUS_OK) == (ids[index] <= 600));
        EXPECT(items[index].id == (ids[index] <= 600 ? ids[index] : 0));
    }
    end();
}

TEST(read, latest_sees_what_is_committed_and_the_transaction_its_own_writes_too)
{
    begin();
    EXPECT(database_fixture_insert(&fixture, 1, 3, 5) == TACTUS_OK);
    tactus_txn *txn = database_fixture_txn(&fixture);
    const struct fixture_item item = database_fixture_item(2, 9);
    const struct fixture_item added = database_fixture_item(8, 9);
    const uint64_t ids[4] = {1, 2, 3, 8};
    EXPECT(tactus_update(txn, fixture.items, &item, 1, NULL) == TACTUS_OK);
    EXPECT(tactus_remove(txn, fixture.items, &ids[2], 1, NULL) == TACTUS_OK);
    EXPECT(tactus_insert(txn, fixture.items, &added, 1, NULL) == TACTUS_OK);
    tactus_view *views[2] = {tactus_latest(fixture.db), tactus_txn_view(txn)};
    struct fixture_item items[4];
    struct tactus_result results[4];
    EXPECT(tactus_get(views[0], fixture.items, ids, 4, items, results) == TACTUS_SOME);
    EXPECT(items[1].kind == 5 && items[2].kind == 5 && results[3].status == TACTUS_ABSENT);
    EXPECT(tactus_get(views[1], fixture.items, ids, 4, items, results) == TACTUS_SOME);
    EXPECT(items[1].kind == 9 && results[2].status == TACTUS_ABSENT && items[3].kind == 9);

    tactus_query *query = prepare("kind = 9", NULL);
    EXPECT(tactus_run(query, views[0], NULL) == TACTUS_OK);
    EXPECT(next(query, items, 4) == 0);
    EXPECT(tactus_run(query, views[1], NULL) == TACTUS_OK);
    EXPECT(next(query, items, 4) == 2);
    EXPECT(items[0].id == 2 && items[1].id == 8);
    tactus_rollback(txn);
    EXPECT(tactus_run(query, views[1], NULL) == TACTUS_EXPIRED);
    tactus_query_close(query);
    EXPECT(tactus_get(views[1], fixture.items, ids, 4, items, results) == TACTUS_EXPIRED);
    end();
}

/* ---- Queries --------------------------------------------------------------------------------- */

TEST(read, a_query_gives_its_answer_in_steps_of_any_size)
{
    begin();
    for (uint64_t id = 1; id <= 300; id += 30) {
        EXPECT(database_fixture_insert(&fixture, id, 30, (uint32_t)(id % 2)) == TACTUS_OK);
    }
    static const uint32_t capacities[] = {1, 7, 64, 65, 300, 1000};
    static struct fixture_item items[1000];
    for (uint32_t index = 0; index < 6; index += 1) {
        tactus_query *query = run("rank >= 0", "-timestamp");
        uint32_t total = 0;
        uint64_t last = UINT64_MAX;
        for (;;) {
            const uint32_t count = next(query, items, capacities[index]);
            if (count == 0) break;
            for (uint32_t place = 0; place < count; place += 1) {
                EXPECT(items[place].timestamp < last);
                EXPECT(items[place].rank >= 0);
                last = items[place].timestamp;
            }
            total += count;
        }
        EXPECT(total == database_fixture_count(&fixture, "rank >= 0"));
        EXPECT(next(query, items, 5) == 0); /* the end stays the end */
        EXPECT(tactus_run(query, tactus_latest(fixture.db), NULL) == TACTUS_OK);
        EXPECT(next(query, items, 1) == 1);
        tactus_query_close(query);
    }
    tactus_query *query = run(NULL, NULL);
    EXPECT(next(query, NULL, 0) == 0);
    EXPECT(next(query, items, 1000) == 300); /* a step of 0 was no end */
    tactus_query_close(query);
    end();
}

TEST(read, a_prepared_query_is_bound_and_run_often)
{
    begin();
    EXPECT(database_fixture_insert(&fixture, 1, 20, 5) == TACTUS_OK);
    EXPECT(database_fixture_insert(&fixture, 21, 10, 6) == TACTUS_OK);
    tactus_query *query = prepare("kind = ?1 and id between ?2 and ?3", NULL);
    struct fixture_item items[40];
    EXPECT(tactus_run(query, tactus_latest(fixture.db), NULL) == TACTUS_INVALID);
    EXPECT(database_fixture_says(&fixture, "?1"));
    EXPECT(tactus_bind(query, 1, "5") == TACTUS_OK);
    EXPECT(tactus_bind(query, 2, "3") == TACTUS_OK);
    EXPECT(tactus_run(query, tactus_latest(fixture.db), NULL) == TACTUS_INVALID);
    EXPECT(tactus_bind(query, 3, "7") == TACTUS_OK);
    EXPECT(tactus_bind(query, 4, "7") == TACTUS_ABSENT);
    EXPECT(tactus_bind(query, 1, "five") == TACTUS_INVALID);
    EXPECT(database_fixture_says(&fixture, "five"));
    EXPECT(tactus_run(query, tactus_latest(fixture.db), NULL) == TACTUS_OK);
    EXPECT(next(query, items, 40) == 5);
    EXPECT(tactus_bind(query, 1, "6") == TACTUS_OK);
    uint32_t count = 0;
    EXPECT(tactus_next(query, items, 40, &count) == TACTUS_EXPIRED); /* run again, after a bind */
    EXPECT(tactus_run(query, tactus_latest(fixture.db), NULL) == TACTUS_OK);
    EXPECT(next(query, items, 40) == 0);
    EXPECT(tactus_bind(query, 3, "25") == TACTUS_OK);
    EXPECT(tactus_run(query, tactus_latest(fixture.db), NULL) == TACTUS_OK);
    EXPECT(next(query, items, 40) == 5);
    tactus_query_close(query);
    end();
}

TEST(read, next_before_run_and_after_a_write_has_expired)
{
    begin();
    EXPECT(database_fixture_insert(&fixture, 1, 20, 5) == TACTUS_OK);
    struct fixture_item items[8];
    uint32_t count = 77;
    tactus_query *query = prepare("kind = 5", NULL);
    EXPECT(tactus_next(query, items, 8, &count) == TACTUS_EXPIRED);

    EXPECT(tactus_run(query, tactus_latest(fixture.db), NULL) == TACTUS_OK);
    EXPECT(next(query, items, 8) == 8);
    tactus_txn *txn = database_fixture_txn(&fixture);
    EXPECT(next(query, items, 8) == 8); /* beginning writes nothing */
    const struct fixture_item item = database_fixture_item(50, 5);
    EXPECT(tactus_insert(txn, fixture.items, &item, 1, NULL) == TACTUS_OK);
    EXPECT(tactus_next(query, items, 8, &count) == TACTUS_EXPIRED);
    EXPECT(database_fixture_says(&fixture, "run the query again"));
    EXPECT(count == 77);

    EXPECT(tactus_run(query, tactus_txn_view(txn), NULL) == TACTUS_OK);
    EXPECT(next(query, items, 8) == 8);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    EXPECT(tactus_next(query, items, 8, &count) == TACTUS_EXPIRED);

    EXPECT(tactus_run(query, tactus_latest(fixture.db), NULL) == TACTUS_OK);
    EXPECT(next(query, items, 8) == 8);
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    EXPECT(tactus_next(query, items, 8, &count) == TACTUS_EXPIRED);
    EXPECT(tactus_run(query, tactus_latest(fixture.db), NULL) == TACTUS_OK);
    EXPECT(next(query, items, 8) == 8);
    EXPECT(tactus_flush(fixture.db) == TACTUS_OK); /* changes nothing that is read */
    EXPECT(next(query, items, 8) == 8);
    tactus_query_close(query);
    end();
}

TEST(read, two_runs_and_gets_between_them_do_not_disturb_each_other)
{
    begin();
    for (uint64_t id = 1; id <= 600; id += 30) {
        EXPECT(database_fixture_insert(&fixture, id, 30, (uint32_t)(id / 30 % 4)) == TACTUS_OK);
    }
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    tactus_query *up = run("kind = 2", NULL);
    tactus_query *down = run("kind = 2", "-timestamp");
    uint32_t count = 0;
    for (;;) {
        struct fixture_item one;
        struct fixture_item other;
        struct fixture_item got;
        if (next(up, &one, 1) == 0) break;
        EXPECT(next(down, &other, 1) == 1);
        EXPECT(
            tactus_get(tactus_latest(fixture.db), fixture.items, &one.id, 1, &got, NULL) ==
            TACTUS_OK
        );
        EXPECT(memcmp(&got, &one, sizeof got) == 0);
        EXPECT(one.kind == 2 && other.kind == 2);
        count += 1;
    }
    EXPECT(count == 150);
    tactus_query_close(up);
    tactus_query_close(down);
    end();
}

TEST(read, more_queries_than_the_handle_has_room_for_are_refused)
{
    begin();
    tactus_query *first = prepare(NULL, NULL);
    tactus_query *second = prepare("kind = 1", NULL);
    expect_refused(NULL, NULL, TACTUS_LIMIT);
    EXPECT(database_fixture_says(&fixture, "2 queries"));
    tactus_query_close(first);
    tactus_query *third = prepare(NULL, NULL);
    expect_refused(NULL, NULL, TACTUS_LIMIT);
    tactus_query_close(second);
    tactus_query_close(third);
    /* What is refused for its words takes no room. */
    for (uint32_t times = 0; times < 5; times += 1)
        expect_refused("kind =", NULL, TACTUS_SYNTAX);
    first = prepare(NULL, NULL);
    second = prepare(NULL, NULL);
    tactus_query_close(first);
    tactus_query_close(second);
    end();
}

TEST(read, words_that_are_wrong_are_named_by_line_and_column)
{
    begin();
    static const struct {
        const char *where;
        uint32_t line, column;
        const char *words;
    } cases[] = {
        {"kind", 1, 5, ""},
        {"kind = ", 1, 8, ""},
        {"knd = 1", 1, 1, "knd"},
        {"kind = 1\nand (rank = 2", 2, 14, ""},
        {"kind = 'x'", 1, 8, ""},
        {"kind = 1 or", 1, 12, ""},
        {"kind starts 'a'", 1, 6, "starts"},
        {"name = 5", 1, 8, ""},
        {"kind = ?256", 1, 8, ""},
        {"kind = 1 kind = 2", 1, 10, ""},
        {"kind = -1", 1, 8, ""},
    };
    for (uint32_t index = 0; index < sizeof cases / sizeof cases[0]; index += 1) {
        expect_refused(cases[index].where, NULL, TACTUS_SYNTAX);
        const struct tactus_error *error = tactus_error(fixture.db);
        if (error->line != cases[index].line || error->column != cases[index].column) {
            printf("%s: %u:%u %s\n", cases[index].where, error->line, error->column, error->text);
        }
        EXPECT(error->line == cases[index].line && error->column == cases[index].column);
        EXPECT(strstr(error->text, cases[index].words) != NULL);
    }
    end();
}

TEST(read, an_order_that_no_index_gives_is_refused_with_advice)
{
    begin();
    expect_refused(NULL, "size", TACTUS_SYNTAX);
    EXPECT(database_fixture_says(&fixture, "size"));
    expect_refused(NULL, "name", TACTUS_INVALID); /* longer than an index's key */
    EXPECT(database_fixture_says(&fixture, "name"));
    expect_refused(NULL, "rank", TACTUS_INVALID); /* its index leaves the absent out */
    EXPECT(database_fixture_says(&fixture, "rank"));
    static const char *const orders[] = {"id", "-id", "timestamp", "-timestamp", "kind", "-kind"};
    for (uint32_t index = 0; index < 6; index += 1) {
        tactus_query *query = prepare(NULL, orders[index]);
        tactus_query_close(query);
    }
    tactus_query *query = prepare("rank != 0", "-rank");
    tactus_query_close(query);
    query = prepare("kind = 5 and rank > 0", "rank");
    tactus_query_close(query);
    /* Whether the zero is ruled out shows only when the value is there. */
    query = prepare("rank >= ?1", "rank");
    EXPECT(tactus_bind(query, 1, "1") == TACTUS_OK);
    EXPECT(tactus_run(query, tactus_latest(fixture.db), NULL) == TACTUS_OK);
    EXPECT(tactus_bind(query, 1, "-1") == TACTUS_OK);
    EXPECT(tactus_run(query, tactus_latest(fixture.db), NULL) == TACTUS_INVALID);
    EXPECT(database_fixture_says(&fixture, "rank"));
    tactus_query_close(query);
    end();
}

TEST(read, a_query_finds_what_lies_in_any_place)
{
    begin();
    /* Levels, the immutable table, sorted runs, what is unsorted: all at once. */
    for (uint64_t number = 0; number < 50; number += 1) {
        EXPECT(database_fixture_insert(&fixture, 1 + number * 20, 20, 3) == TACTUS_OK);
        EXPECT(database_fixture_count(&fixture, "kind = 3") == (number + 1) * 20);
        EXPECT(database_fixture_count(&fixture, NULL) == (number + 1) * 20);
    }
    for (uint64_t number = 0; number < 50; number += 1) {
        EXPECT(database_fixture_remove(&fixture, 1 + number * 20, 20) == TACTUS_OK);
        EXPECT(database_fixture_count(&fixture, "kind = 3") == (49 - number) * 20);
        EXPECT(database_fixture_count(&fixture, NULL) == (49 - number) * 20);
    }
    end();
}

/* ---- Fast paths ------------------------------------------------------------------------------ */

/* A fast path that nobody takes leaves every answer right. So it is counted here, through the calls
 * that users make, in a file that was opened again. */
TEST(read, absent_ids_are_answered_without_leaves_and_value_blocks)
{
    database_fixture_begin(&fixture, 1);
    for (uint64_t batch = 0; batch < 60; batch += 1) { /* even ids */
        tactus_txn *txn = database_fixture_txn(&fixture);
        for (uint64_t index = 0; index < FIXTURE_BATCH; index += 1) {
            const uint64_t number = batch * FIXTURE_BATCH + index;
            const struct fixture_item item = database_fixture_item(2 + 2 * number, 1);
            EXPECT(tactus_insert(txn, fixture.items, &item, 1, NULL) == TACTUS_OK);
        }
        EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    }
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    database_fixture_reopen(&fixture);
    const struct lookup_counters *counters = &fixture.db->forest.shared.lookups;
    const struct lookup_counters before = *counters;
    for (uint64_t id = 1; id < 2 * 60 * FIXTURE_BATCH; id += 2) {
        struct fixture_item item;
        const enum tactus_status status =
            tactus_get(tactus_latest(fixture.db), fixture.items, &id, 1, &item, NULL);
        EXPECT(status == TACTUS_ABSENT);
    }
    const uint64_t asked = 60 * FIXTURE_BATCH;
    const uint64_t negatives = counters->filter_negatives - before.filter_negatives;
    const uint64_t false_positives =
        counters->filter_false_positives - before.filter_false_positives;
    EXPECT(negatives > asked * 8 / 10); /* the others lie between two tables */
    EXPECT(false_positives < asked / 20);
    EXPECT(counters->filter_positives == before.filter_positives);

    const uint64_t beyond = 1 << 20;
    struct fixture_item item;
    const uint64_t blocks = fixture.db->grid.statistics.blocks_read;
    EXPECT(
        tactus_get(tactus_latest(fixture.db), fixture.items, &beyond, 1, &item, NULL) ==
        TACTUS_ABSENT
    );
    EXPECT(fixture.db->grid.statistics.blocks_read == blocks);
    database_fixture_end(&fixture);
}

TEST_MAIN()
