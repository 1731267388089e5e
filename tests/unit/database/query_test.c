/* Cursors, counts, explanations: what they promise over writes, reopens, ends and mistakes. */
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "query/token.h"
#include "support/database_fixture.h"
#include "support/test.h"

#include "base/poison.h"

static struct database_fixture fixture;
static char token[TACTUS_TOKEN_BYTES];

/* 300 items, ids from 1, of kind 5 where the id is odd, else 6; three quarters are on disk. */
static void begin(void)
{
    database_fixture_begin(&fixture, 1);
    for (uint64_t id = 1; id <= 300; id += 1) {
        EXPECT(database_fixture_insert(&fixture, id, 1, id % 2 == 1 ? 5 : 6) == TACTUS_OK);
        if (id == 225) EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    }
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

static enum tactus_status run(tactus_query *query, const char *after)
{
    return tactus_run(query, tactus_latest(fixture.db), after);
}

static uint32_t next(tactus_query *query, struct fixture_item *items, uint32_t capacity)
{
    uint32_t count = 77;
    EXPECT(tactus_next(query, items, capacity, &count) == TACTUS_OK);
    return count;
}

static uint64_t count(tactus_query *query, uint64_t max)
{
    uint64_t found = 77;
    EXPECT(tactus_count(query, max, &found) == TACTUS_OK);
    EXPECT(found <= max);
    return found;
}

static enum tactus_status take_token(tactus_query *query)
{
    return tactus_query_token(query, token, sizeof token);
}

/* ---- Cursors --------------------------------------------------------------------------------- */

TEST(query, a_run_goes_on_behind_its_token_after_a_write_and_after_a_reopen)
{
    static const char *const orders[] = {NULL, "-timestamp", "id", "-id", "kind", "-kind"};
    static const char *const wheres[] = {NULL, "kind = 5", "kind >= 5 and id < 250"};
    for (uint32_t number = 0; number < 18; number += 1) {
        begin();
        static struct fixture_item whole[400];
        static struct fixture_item items[400];
        tactus_query *query = prepare(wheres[number % 3], orders[number / 3]);
        EXPECT(run(query, NULL) == TACTUS_OK);
        const uint32_t all = next(query, whole, 400);
        EXPECT(all >= 140 && next(query, items, 1) == 0);

        EXPECT(run(query, NULL) == TACTUS_OK);
        EXPECT(next(query, items, 50) == 50);
        EXPECT(take_token(query) == TACTUS_OK);
        /* The object it was taken at is gone. */
        EXPECT(database_fixture_remove(&fixture, items[49].id, 1) == TACTUS_OK);
        uint32_t got = 0;
        EXPECT(tactus_next(query, items, 1, &got) == TACTUS_EXPIRED);
        char again[TACTUS_TOKEN_BYTES];
        EXPECT(tactus_query_token(query, again, sizeof again) == TACTUS_OK);
        EXPECT(strcmp(again, token) == 0);

        EXPECT(run(query, token) == TACTUS_OK);
        EXPECT(tactus_query_token(query, again, sizeof again) == TACTUS_OK);
        EXPECT(strcmp(again, token) == 0); /* nothing was given out yet */
        EXPECT(next(query, items + 50, 25) == 25);
        EXPECT(take_token(query) == TACTUS_OK);
        tactus_query_close(query);

        database_fixture_reopen(&fixture);
        query = prepare(wheres[number % 3], orders[number / 3]);
        EXPECT(run(query, token) == TACTUS_OK);
        EXPECT(next(query, items + 75, 325) == all - 75);
        EXPECT(memcmp(items, whole, all * sizeof items[0]) == 0);
        tactus_query_close(query);
        end();
    }
}

TEST(query, a_token_of_the_last_object_leads_to_what_came_after_it)
{
    begin();
    static struct fixture_item items[400];
    tactus_query *query = prepare("kind = 5", NULL);
    EXPECT(run(query, NULL) == TACTUS_OK);
    EXPECT(next(query, items, 400) == 150);
    EXPECT(next(query, items, 400) == 0);
    EXPECT(take_token(query) == TACTUS_OK);
    EXPECT(run(query, token) == TACTUS_OK);
    EXPECT(next(query, items, 400) == 0);
    EXPECT(database_fixture_insert(&fixture, 1000, 3, 5) == TACTUS_OK);
    EXPECT(run(query, token) == TACTUS_OK);
    EXPECT(next(query, items, 400) == 3);
    EXPECT(items[0].id == 1000 && items[2].id == 1002);
    tactus_query_close(query);
    end();
}

TEST(query, a_token_is_good_in_a_transactions_view)
{
    begin();
    static struct fixture_item items[400];
    tactus_query *query = prepare("kind = 5", NULL);
    EXPECT(run(query, NULL) == TACTUS_OK);
    EXPECT(next(query, items, 149) == 149);
    EXPECT(take_token(query) == TACTUS_OK);
    tactus_txn *txn = database_fixture_txn(&fixture);
    const struct fixture_item item = database_fixture_item(1000, 5);
    EXPECT(tactus_insert(txn, fixture.items, &item, 1, NULL) == TACTUS_OK);
    EXPECT(tactus_run(query, tactus_txn_view(txn), token) == TACTUS_OK);
    EXPECT(next(query, items, 400) == 2);
    EXPECT(items[0].id == 299 && items[1].id == 1000);
    tactus_rollback(txn);
    tactus_query_close(query);
    end();
}

TEST(query, tokens_of_others_and_damaged_ones_are_refused)
{
    begin();
    struct fixture_item items[8];
    tactus_query *query = prepare("kind = ?1", NULL);
    EXPECT(tactus_bind(query, 1, "5") == TACTUS_OK);
    EXPECT(run(query, NULL) == TACTUS_OK);
    EXPECT(next(query, items, 8) == 8);
    EXPECT(take_token(query) == TACTUS_OK);

    EXPECT(tactus_bind(query, 1, "6") == TACTUS_OK);
    EXPECT(run(query, token) == TACTUS_MISUSE);
    EXPECT(database_fixture_says(&fixture, "another query's"));
    uint32_t got = 0;
    EXPECT(tactus_next(query, items, 8, &got) == TACTUS_EXPIRED);
    char other[TACTUS_TOKEN_BYTES];
    EXPECT(tactus_query_token(query, other, sizeof other) == TACTUS_MISUSE);
    EXPECT(tactus_bind(query, 1, "5") == TACTUS_OK);
    EXPECT(run(query, token) == TACTUS_OK);
    EXPECT(next(query, items, 1) == 1 && items[0].id == 17);
    tactus_query_close(query);

    static const char *const others[][2] = {
        {"kind = 6", NULL},
        {"kind != 5", NULL},
        {NULL, NULL},
        {"kind = 5", "-timestamp"},
        {"kind = 5", "id"},
        {"kind = 5 and id > 0", NULL}};
    for (uint32_t number = 0; number < sizeof others / sizeof others[0]; number += 1) {
        query = prepare(others[number][0], others[number][1]);
        EXPECT(run(query, token) == TACTUS_MISUSE);
        tactus_query_close(query);
    }
    query = prepare("kind=5", "timestamp"); /* the same in other words */
    EXPECT(run(query, token) == TACTUS_OK);
    token[5] ^= 1;
    EXPECT(run(query, token) == TACTUS_SYNTAX);
    EXPECT(database_fixture_says(&fixture, "damaged cursor"));
    EXPECT(run(query, "") == TACTUS_SYNTAX);
    EXPECT(run(query, "hello") == TACTUS_SYNTAX);
    tactus_query_close(query);

    tactus_query *pair = NULL; /* another collection, the same order and no condition */
    query = prepare(NULL, NULL);
    EXPECT(run(query, NULL) == TACTUS_OK && next(query, items, 1) == 1);
    EXPECT(take_token(query) == TACTUS_OK);
    EXPECT(tactus_prepare(fixture.db, fixture.pairs, NULL, NULL, &pair) == TACTUS_OK);
    EXPECT(run(pair, token) == TACTUS_MISUSE);
    tactus_query_close(pair);
    tactus_query_close(query);
    end();
}

/* A place of any kind that fits, as whoever makes tokens can make them: near those of objects, at
 * the ends, anywhere. */
static struct key any_place(struct random *random, const struct token_query *of, struct key near)
{
    struct key place = near;
    const uint32_t word = (uint32_t)random_below(random, 3);
    switch (random_below(random, 4)) {
    case 0: place.word[word] = random_u64(random) >> random_below(random, 64); break;
    case 1: place.word[word] = random_chance(random, 1, 2) ? 0 : UINT64_MAX; break;
    case 2: place.word[word] += random_below(random, 3) - 1; break;
    default: place = random_chance(random, 1, 2) ? key_min_of_all() : key_max_of(of->bits);
    }
    if (of->bits != KEY_192) place.word[0] = 0;
    if (of->bits == KEY_64) place.word[1] = 0;
    if (of->timestamped) place.word[2] &= TIMESTAMP_MAX;
    return place;
}

TEST(query, whatever_place_a_token_has_what_comes_is_an_end_of_the_answer)
{
    static const struct {
        const char *where, *order;
        enum key_bits bits;
    } cases[] = {
        {NULL, NULL, KEY_64},
        {NULL, "-timestamp", KEY_64},
        {"kind = 5 and rank != 1", NULL, KEY_64},
        {"kind = 5 or rank = 2", "-timestamp", KEY_64},
        {NULL, "id", KEY_128},
        {"kind = 5", "-id", KEY_128},
        {NULL, "kind", KEY_128},
        {"id < 100", "-kind", KEY_128},
        {"rank > 0 and kind = 6", "rank", KEY_128},
        {"id = 7", "-id", KEY_64},
        {"id in (7, 9, 250)", "id", KEY_128}};
    begin();
    struct random random;
    random_init(&random, 1);
    for (uint32_t number = 0; number < sizeof cases / sizeof cases[0]; number += 1) {
        static struct fixture_item whole[301];
        static struct fixture_item items[301];
        tactus_query *query = prepare(cases[number].where, cases[number].order);
        EXPECT(run(query, NULL) == TACTUS_OK);
        const uint32_t all = next(query, whole, 301);
        EXPECT(all > 0);
        EXPECT(run(query, NULL) == TACTUS_OK);
        EXPECT(next(query, items, (all + 1) / 2) > 0 && take_token(query) == TACTUS_OK);
        const struct query_plan *plan = &query->state->plan;
        const struct token_query of = {
            .hash = token_query_hash(
                &query->state->expression,
                (struct token_order){
                    .field = query->order.field,
                    .tree = plan->order == PLAN_ORDER_INDEX ? plan->order_index->tree : 0,
                    .descending = plan->descending,
                }
            ),
            .bits = cases[number].bits,
            .timestamped = true,
        };
        struct key near;
        EXPECT(token_parse(&of, token, &near, NULL) == TACTUS_OK);
        for (uint32_t turn = 0; turn < 200; turn += 1) {
            char forged[TOKEN_SIZE];
            token_format(&of, any_place(&random, &of, near), forged);
            EXPECT(run(query, forged) == TACTUS_OK);
            const uint32_t rest = next(query, items, 301);
            EXPECT(rest <= all);
            EXPECT(memcmp(items, whole + all - rest, rest * sizeof items[0]) == 0);
            EXPECT(run(query, forged) == TACTUS_OK);
            EXPECT(count(query, 301) == rest);
        }
        tactus_query_close(query);
    }
    end();
}

TEST(query, without_a_place_there_is_no_token)
{
    begin();
    struct fixture_item items[8];
    tactus_query *query = prepare("kind = ?1", NULL);
    EXPECT(take_token(query) == TACTUS_MISUSE);
    EXPECT(database_fixture_says(&fixture, "has not been run"));
    EXPECT(tactus_bind(query, 1, "5") == TACTUS_OK);
    EXPECT(run(query, NULL) == TACTUS_OK);
    EXPECT(take_token(query) == TACTUS_ABSENT);
    EXPECT(next(query, items, 0) == 0);
    EXPECT(take_token(query) == TACTUS_ABSENT);
    EXPECT(next(query, items, 1) == 1);
    EXPECT(tactus_query_token(query, token, TACTUS_TOKEN_BYTES - 1) == TACTUS_MISUSE);
    EXPECT(tactus_query_token(query, NULL, sizeof token) == TACTUS_MISUSE);
    EXPECT(take_token(query) == TACTUS_OK);
    EXPECT(tactus_bind(query, 1, "6") == TACTUS_OK);
    EXPECT(take_token(query) == TACTUS_MISUSE);
    EXPECT(tactus_bind(query, 1, "7") == TACTUS_OK);
    EXPECT(run(query, NULL) == TACTUS_OK);
    EXPECT(next(query, items, 8) == 0);
    EXPECT(take_token(query) == TACTUS_ABSENT);
    tactus_query_close(query);
    EXPECT(take_token(query) == TACTUS_MISUSE);
    EXPECT(take_token(NULL) == TACTUS_MISUSE);
    end();
}

/* ---- Counts ---------------------------------------------------------------------------------- */

TEST(query, counts_go_on_where_the_run_is)
{
    static const char *const wheres[] = {"kind = 5", "kind = 5 and rank >= -3", "kind in (5, 7)"};
    for (uint32_t number = 0; number < 3; number += 1) {
        begin();
        struct fixture_item items[8];
        tactus_query *query = prepare(wheres[number], NULL);
        EXPECT(run(query, NULL) == TACTUS_OK);
        EXPECT(count(query, UINT64_MAX) == 150);
        EXPECT(count(query, 10) == 0);
        EXPECT(next(query, items, 8) == 0);

        EXPECT(run(query, NULL) == TACTUS_OK);
        EXPECT(count(query, 0) == 0);
        EXPECT(count(query, 20) == 20);
        EXPECT(take_token(query) == TACTUS_OK);
        EXPECT(next(query, items, 1) == 1 && items[0].id == 41);
        EXPECT(count(query, 29) == 29);
        EXPECT(next(query, items, 8) == 8 && items[0].id == 101);
        EXPECT(count(query, 1000) == 150 - 58);

        EXPECT(run(query, token) == TACTUS_OK);
        EXPECT(count(query, 130) == 130);
        EXPECT(count(query, 1) == 0);
        EXPECT(run(query, NULL) == TACTUS_OK);
        EXPECT(next(query, items, 1) == 1);
        EXPECT(database_fixture_insert(&fixture, 1000, 3, 5) == TACTUS_OK);
        uint64_t found = 77;
        EXPECT(tactus_count(query, 10, &found) == TACTUS_EXPIRED && found == 77);
        EXPECT(run(query, NULL) == TACTUS_OK);
        EXPECT(count(query, 1000) == 153);
        EXPECT(tactus_count(query, 10, NULL) == TACTUS_MISUSE);
        tactus_query_close(query);
        EXPECT(tactus_count(query, 10, &found) == TACTUS_MISUSE);
        end();
    }
}

TEST(query, there_is_a_token_behind_a_count_that_came_to_its_maximum_and_none_at_the_end)
{
    static const char *const wheres[] = {"kind = 5", "kind = 5 and rank >= -3", "kind >= 5", NULL};
    static const char *const orders[] = {NULL, "-id", "kind"};
    for (uint32_t number = 0; number < 12; number += 1) {
        begin();
        static struct fixture_item items[400];
        static struct fixture_item rest[400];
        tactus_query *query = prepare(wheres[number % 4], orders[number / 4]);
        EXPECT(run(query, NULL) == TACTUS_OK);
        const uint32_t all = next(query, items, 400);
        EXPECT(run(query, NULL) == TACTUS_OK);
        EXPECT(count(query, all - 7) == all - 7);
        EXPECT(take_token(query) == TACTUS_OK);
        EXPECT(next(query, rest, 2) == 2);
        EXPECT(memcmp(rest, items + all - 7, 2 * sizeof rest[0]) == 0);
        EXPECT(run(query, token) == TACTUS_OK);
        EXPECT(next(query, rest, 400) == 7);
        EXPECT(memcmp(rest, items + all - 7, 7 * sizeof rest[0]) == 0);

        EXPECT(run(query, token) == TACTUS_OK);
        EXPECT(count(query, 8) == 7);
        EXPECT(take_token(query) == TACTUS_ABSENT);
        EXPECT(database_fixture_says(&fixture, "counted to its end"));
        EXPECT(run(query, token) == TACTUS_OK);
        EXPECT(count(query, 7) == 7); /* all, and no more were asked for */
        EXPECT(take_token(query) == TACTUS_OK);
        EXPECT(count(query, 1) == 0); /* nothing was counted: the place stays */
        char again[TACTUS_TOKEN_BYTES];
        EXPECT(tactus_query_token(query, again, sizeof again) == TACTUS_OK);
        EXPECT(strcmp(again, token) == 0);
        EXPECT(run(query, token) == TACTUS_OK);
        EXPECT(next(query, rest, 400) == 0);
        tactus_query_close(query);
        end();
    }
}

TEST(query, a_count_that_an_index_answers_reads_no_object)
{
    begin();
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    tactus_query *query = prepare("kind = 5", NULL);
    EXPECT(run(query, NULL) == TACTUS_OK);
    EXPECT(count(query, 1000) == 150);
    EXPECT(query_run_actual(&query->state->run)->objects_fetched == 0);
    EXPECT(run(query, NULL) == TACTUS_OK);
    struct fixture_item items[8];
    EXPECT(next(query, items, 8) == 8);
    EXPECT(query_run_actual(&query->state->run)->objects_fetched >= 8); /* the test can fail */
    tactus_query_close(query);
    end();
}

/* ---- Explanations ---------------------------------------------------------------------------- */

struct said {
    char text[16384];
    size_t size;
    size_t size_max; /* stops the writer there */
};

static int keep(void *context, const char *text, size_t bytes)
{
    struct said *said = context;
    if (said->size + bytes > said->size_max) return 1;
    memcpy(said->text + said->size, text, bytes);
    said->size += bytes;
    said->text[said->size] = 0;
    return 0;
}

static enum tactus_status explain(tactus_query *query, const char *format, struct said *said)
{
    said->size = 0;
    said->size_max = sizeof said->text - 1;
    said->text[0] = 0;
    return tactus_query_explain(query, format, keep, said);
}

TEST(query, explains_before_during_and_after_a_run)
{
    begin();
    static struct said said;
    struct fixture_item items[200];
    tactus_query *query = prepare("kind = ?1 and rank > 0", NULL);
    EXPECT(explain(query, "text", &said) == TACTUS_OK);
    EXPECT(strstr(said.text, "kind") != NULL);
    EXPECT(tactus_bind(query, 1, "5") == TACTUS_OK);
    EXPECT(run(query, NULL) == TACTUS_OK);
    EXPECT(next(query, items, 5) == 5);
    EXPECT(explain(query, "text", &said) == TACTUS_OK);
    const size_t during = said.size;
    EXPECT(during > 0 && said.text[during - 1] == '\n');
    EXPECT(next(query, items, 200) > 0); /* the run goes on undisturbed */
    EXPECT(explain(query, "json", &said) == TACTUS_OK);
    EXPECT(said.text[0] == '{' && strcmp(said.text + said.size - 2, "}\n") == 0);
    EXPECT(database_fixture_insert(&fixture, 1000, 3, 5) == TACTUS_OK);
    EXPECT(explain(query, "json", &said) == TACTUS_OK); /* of the run that a write has ended */
    EXPECT(explain(query, NULL, &said) == TACTUS_OK && said.text[0] != '{');

    EXPECT(explain(query, "xml", &said) == TACTUS_MISUSE);
    EXPECT(tactus_query_explain(query, "text", NULL, NULL) == TACTUS_MISUSE);
    said.size = 0;
    said.size_max = 0;
    EXPECT(tactus_query_explain(query, "text", keep, &said) == TACTUS_IO);
    tactus_query_close(query);
    EXPECT(explain(query, "text", &said) == TACTUS_MISUSE);
    end();
}

TEST_MAIN()
