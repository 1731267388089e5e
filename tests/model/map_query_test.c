/* Queries over a map beside a plain array: ranges of keys, lists of keys, conditions on values, up
 * and down, in steps of any size, on from tokens after writes and reopens, counted, in the view of
 * an open transaction, with one and with several runs a level. */
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "support/database_fixture.h"
#include "support/test.h"

#include "base/poison.h"

enum { KEYS = 700, ROUNDS = 150, QUERIES = 6, LIST_MAX = 5, STEP_MAX = 100 };

static struct database_fixture fixture;
static uint32_t values[KEYS]; /* the n of each key, from 1; 0: it is not there */
static uint64_t query_total, resumed_total, counted_total, given_total;

/* Ascending: a third at the low end, a third at the high end. */
static uint64_t key_of(uint64_t number)
{
    if (number < KEYS / 3) return number;
    if (number >= 2 * KEYS / 3) return UINT64_MAX - (KEYS - 1 - number);
    return number * UINT64_C(0x10000000000);
}

struct question {
    bool has_range, has_list, has_other;
    uint64_t min, max, list[LIST_MAX], other; /* numbers of keys */
    uint32_t list_count;
    uint32_t test; /* of n: 0 none, 1 =, 2 !=, 3 <, 4 not >= */
    uint32_t n;
    bool descending;
    char where[500];
};

static bool holds(const struct question *question, uint64_t number, uint32_t n)
{
    if (question->has_other && number == question->other) return true;
    if (question->has_range && (number < question->min || number > question->max)) return false;
    bool listed = !question->has_list;
    for (uint32_t i = 0; i < question->list_count; i += 1)
        listed |= question->list[i] == number;
    const bool tests[] = {
        true, n == question->n, n != question->n, n < question->n, n < question->n};
    return listed && tests[question->test];
}

static void ask(struct question *question, struct random *random)
{
    *question = (struct question){
        .has_range = random_chance(random, 1, 2),
        .has_list = random_chance(random, 1, 3),
        .has_other = random_chance(random, 1, 5),
        .min = random_below(random, KEYS),
        .max = random_below(random, KEYS),
        .other = random_below(random, KEYS),
        .test = (uint32_t)random_below(random, 5),
        .n = (uint32_t)random_below(random, 6),
        .descending = random_chance(random, 1, 2),
    };
    static const char *const tests[] = {"key >=", "n =", "n !=", "n <", "not n >="};
    char *at = question->where;
    char *const end = question->where + sizeof question->where;
    at += snprintf(at, (size_t)(end - at), "(");
    if (question->has_range) {
        at += snprintf(
            at,
            (size_t)(end - at),
            "key between %llu and %llu and ",
            (unsigned long long)key_of(question->min),
            (unsigned long long)key_of(question->max)
        );
    }
    if (question->has_list) {
        question->list_count = 1 + (uint32_t)random_below(random, LIST_MAX);
        for (uint32_t i = 0; i < question->list_count; i += 1) {
            question->list[i] = random_below(random, KEYS);
            at += snprintf(
                at,
                (size_t)(end - at),
                "%s%llu",
                i == 0 ? "key in (" : ", ",
                (unsigned long long)key_of(question->list[i])
            );
        }
        at += snprintf(at, (size_t)(end - at), ") and ");
    }
    const uint32_t bound = question->test == 0 ? 0 : question->n;
    at += snprintf(at, (size_t)(end - at), "%s %u", tests[question->test], bound);
    at += snprintf(at, (size_t)(end - at), ")");
    if (question->has_other) {
        const unsigned long long key = key_of(question->other);
        at += snprintf(at, (size_t)(end - at), " or key = %llu", key);
    }
    EXPECT(at < end);
}

/* ---- Writing --------------------------------------------------------------------------------- */

static void write_some(tactus_txn *txn, struct random *random)
{
    const uint32_t count = 1 + (uint32_t)random_below(random, FIXTURE_BATCH);
    for (uint32_t i = 0; i < count; i += 1) {
        const uint64_t number = random_below(random, KEYS);
        const uint64_t key = key_of(number);
        if (random_chance(random, 1, 3)) {
            EXPECT(tactus_delete(txn, fixture.slots, &key, 1, NULL) == TACTUS_OK);
            values[number] = 0;
        } else {
            const uint32_t n = 1 + (uint32_t)random_below(random, 5);
            const struct fixture_slot slot = database_fixture_slot(key, n);
            EXPECT(tactus_put(txn, fixture.slots, &slot, 1, NULL) == TACTUS_OK);
            values[number] = n;
        }
    }
}

static void write_and_commit(struct random *random)
{
    tactus_txn *txn = database_fixture_txn(&fixture);
    write_some(txn, random);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
}

/* ---- Asking ---------------------------------------------------------------------------------- */

/* The number of the next key that the question means, from `number` on in its order; KEYS: none. */
static uint64_t next_wanted(const struct question *question, uint64_t number)
{
    while (number < KEYS && (values[number] == 0 || !holds(question, number, values[number]))) {
        number = question->descending ? (number == 0 ? KEYS : number - 1) : number + 1;
    }
    return number;
}

static uint64_t number_behind(const struct question *question, uint64_t number)
{
    if (question->descending) return number == 0 ? KEYS : number - 1;
    return number + 1;
}

static tactus_query *prepare(const struct question *question)
{
    tactus_query *query = NULL;
    const enum tactus_status status = tactus_prepare(
        fixture.db, fixture.slots, question->where, question->descending ? "-key" : NULL, &query
    );
    if (status != TACTUS_OK) printf("%s: %s\n", question->where, tactus_error(fixture.db)->text);
    EXPECT(status == TACTUS_OK);
    return query;
}

/* Up to `step` objects, given or counted; *number moves behind them. Returns how many. */
static uint64_t take(
    tactus_query *query,
    const struct question *question,
    uint64_t step,
    bool counts,
    uint64_t *number
)
{
    static struct fixture_slot slots[STEP_MAX];
    uint32_t given = 0;
    uint64_t count = 0;
    if (counts) {
        EXPECT(tactus_count(query, step, &count) == TACTUS_OK);
        counted_total += count;
    } else {
        EXPECT(tactus_next(query, slots, (uint32_t)step, &given) == TACTUS_OK);
        count = given;
        given_total += given;
    }
    for (uint64_t i = 0; i < count; i += 1) {
        *number = next_wanted(question, *number);
        if (*number == KEYS) printf("too many: %s\n", question->where);
        EXPECT(*number < KEYS);
        if (!counts) {
            const struct fixture_slot wanted =
                database_fixture_slot(key_of(*number), values[*number]);
            EXPECT(memcmp(&slots[i], &wanted, sizeof wanted) == 0);
        }
        *number = number_behind(question, *number);
    }
    if (count < step) {
        const bool is_end = next_wanted(question, *number) == KEYS;
        if (!is_end) printf("too few: %s\n", question->where);
        EXPECT(is_end);
    }
    return count;
}

/* Through the answer in steps; now and then a write or a reopen, and on from the token. */
static void go_through(const struct question *question, struct random *random, tactus_view *view)
{
    tactus_query *query = prepare(question);
    const bool may_write = view == NULL;
    char token[TACTUS_TOKEN_BYTES];
    uint64_t number = question->descending ? KEYS - 1 : 0;
    EXPECT(tactus_run(query, may_write ? tactus_latest(fixture.db) : view, NULL) == TACTUS_OK);
    for (;;) { /* ends: each turn moves on, or is the last */
        const uint64_t step = 1 + random_below(random, STEP_MAX);
        const uint64_t count = take(query, question, step, random_chance(random, 1, 3), &number);
        if (count < step) break;
        if (!may_write || random_chance(random, 1, 2)) continue;
        EXPECT(tactus_query_token(query, token, sizeof token) == TACTUS_OK);
        write_and_commit(random);
        if (random_chance(random, 1, 8)) {
            tactus_query_close(query);
            database_fixture_reopen(&fixture);
            query = prepare(question);
        }
        EXPECT(tactus_run(query, tactus_latest(fixture.db), token) == TACTUS_OK);
        resumed_total += 1;
    }
    tactus_query_close(query);
    query_total += 1;
}

static void one_seed(uint64_t seed)
{
    struct random random;
    random_init(&random, seed);
    memset(values, 0, sizeof values);
    database_fixture_init(&fixture, seed);
    fixture.has_maps = true;
    if (seed % 2 == 0) {
        fixture.create.runs_max[0] = 4;
        fixture.create.runs_max[1] = 4;
    }
    EXPECT(database_fixture_open(&fixture, true) == TACTUS_OK);
    for (uint32_t round = 0; round < ROUNDS; round += 1) {
        write_and_commit(&random);
        if (random_chance(&random, 1, 20)) EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
        if (round % 5 != 0) continue;
        struct question question;
        for (uint32_t i = 0; i < QUERIES; i += 1) {
            ask(&question, &random);
            go_through(&question, &random, NULL);
        }
        uint32_t before[KEYS];
        memcpy(before, values, sizeof before);
        tactus_txn *txn = database_fixture_txn(&fixture);
        write_some(txn, &random);
        ask(&question, &random);
        go_through(&question, &random, tactus_txn_view(txn));
        tactus_rollback(txn);
        memcpy(values, before, sizeof values);
    }
    database_fixture_end(&fixture);
}

TEST(map_query, model)
{
    const struct test_seeds seeds = test_seeds(4);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        one_seed(seed);
    }
    printf(
        "%llu queries, %llu objects given, %llu counted, %llu runs on from a token\n",
        (unsigned long long)query_total,
        (unsigned long long)given_total,
        (unsigned long long)counted_total,
        (unsigned long long)resumed_total
    );
    EXPECT(given_total > 1000 && counted_total > 500 && resumed_total > 50);
}

TEST_MAIN()
