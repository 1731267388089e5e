/* Both kinds of maps beside plain arrays: random puts and deletes of a few thousand keys,
 * rollbacks, checkpoints, reopens for writing and for reading, with one and with several runs a
 * level, until several levels are full. Every key is asked for; the digest says that nothing else
 * is there, and that a sweep comes by it in order; queries come by ranges of it, either way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/random.h"
#include "support/database_fixture.h"
#include "support/test.h"

#include "base/poison.h"

enum { KEYS = 1500, TRANSACTIONS = 400 };

struct oracle {
    uint32_t slots[KEYS];   /* n + 1; 0: not there */
    int64_t sessions[KEYS]; /* at + 1; 0: not there */
};

static struct database_fixture fixture;
static struct oracle now;
static struct oracle before; /* the open transaction */
static uint64_t levels_max;
static uint64_t replaced_total, dropped_total, negatives_total, range_total;

/* In an order that is not that of the numbers; close ones and distant ones. */
static uint64_t slot_key(uint64_t number)
{
    return number % 2 == 0 ? number : number * UINT64_C(0x9e3779b97f4a7c15);
}

static struct tactus_u128 session_key(uint64_t number)
{
    return (struct tactus_u128){.low = slot_key(number), .high = number % 7};
}

/* ---- Comparing ------------------------------------------------------------------------------- */

static int by_slot_key(const void *a, const void *b)
{
    const uint64_t left = ((const struct fixture_slot *)a)->key;
    const uint64_t right = ((const struct fixture_slot *)b)->key;
    return (left > right) - (left < right);
}

static int by_session_key(const void *a, const void *b)
{
    const struct tactus_u128 left = ((const struct fixture_session *)a)->key;
    const struct tactus_u128 right = ((const struct fixture_session *)b)->key;
    if (left.high != right.high) return left.high > right.high ? 1 : -1;
    return (left.low > right.low) - (left.low < right.low);
}

static void expect_digest(
    const tactus_collection *map, const void *objects, uint64_t size, uint64_t count
)
{
    struct checksum_stream stream;
    uint8_t total[8];
    store_u64(total, count);
    checksum_stream_begin(&stream, (struct checksum){0});
    checksum_stream_add(&stream, objects, size * count);
    checksum_stream_add(&stream, total, sizeof total);
    const struct checksum wanted = checksum_stream_end(&stream);
    struct tactus_u128 digest;
    uint64_t found = 0;
    EXPECT(tactus_digest_collection(fixture.db, map, &digest, &found) == TACTUS_OK);
    EXPECT(found == count);
    EXPECT(digest.low == wanted.low && digest.high == wanted.high);
}

static void compare_slots(const struct oracle *oracle, tactus_view *view, bool is_latest)
{
    static uint64_t keys[KEYS];
    static struct fixture_slot found[KEYS];
    static struct fixture_slot there[KEYS];
    static struct tactus_result results[KEYS];
    uint64_t count = 0;
    for (uint64_t number = 0; number < KEYS; number += 1)
        keys[number] = slot_key(number);
    const enum tactus_status status = tactus_get(view, fixture.slots, keys, KEYS, found, results);
    for (uint64_t number = 0; number < KEYS; number += 1) {
        const bool is_there = oracle->slots[number] != 0;
        struct fixture_slot wanted = {0};
        if (is_there) wanted = database_fixture_slot(keys[number], oracle->slots[number] - 1);
        EXPECT(results[number].status == (is_there ? TACTUS_OK : TACTUS_ABSENT));
        EXPECT(memcmp(&found[number], &wanted, sizeof wanted) == 0);
        if (is_there) there[count++] = wanted;
    }
    EXPECT(status == (count == KEYS ? TACTUS_OK : TACTUS_SOME));
    if (!is_latest) return;
    qsort(there, count, sizeof *there, by_slot_key);
    expect_digest(fixture.slots, there, sizeof *there, count);
}

static void compare_sessions(const struct oracle *oracle, tactus_view *view, bool is_latest)
{
    static struct tactus_u128 keys[KEYS];
    static struct fixture_session found[KEYS];
    static struct fixture_session there[KEYS];
    static struct tactus_result results[KEYS];
    uint64_t count = 0;
    for (uint64_t number = 0; number < KEYS; number += 1)
        keys[number] = session_key(number);
    const enum tactus_status status =
        tactus_get(view, fixture.sessions, keys, KEYS, found, results);
    for (uint64_t number = 0; number < KEYS; number += 1) {
        const bool is_there = oracle->sessions[number] != 0;
        struct fixture_session wanted = {{0, 0}, 0};
        if (is_there) {
            wanted = (struct fixture_session){keys[number], oracle->sessions[number] - 1};
        }
        EXPECT(results[number].status == (is_there ? TACTUS_OK : TACTUS_ABSENT));
        EXPECT(memcmp(&found[number], &wanted, sizeof wanted) == 0);
        if (is_there) there[count++] = wanted;
    }
    EXPECT(status == (count == KEYS ? TACTUS_OK : TACTUS_SOME));
    if (!is_latest) return;
    qsort(there, count, sizeof *there, by_session_key);
    expect_digest(fixture.sessions, there, sizeof *there, count);
}

/* The slots of a range of keys, by a query: what is there of it, in order, either way. */
static void compare_range(struct random *random, tactus_view *view)
{
    static struct fixture_slot there[KEYS];
    const uint64_t a = slot_key(random_below(random, KEYS));
    const uint64_t b = slot_key(random_below(random, KEYS));
    const uint64_t low = a < b ? a : b;
    const uint64_t high = a < b ? b : a;
    const bool descending = random_chance(random, 1, 2);
    uint64_t wanted = 0;
    for (uint64_t number = 0; number < KEYS; number += 1) {
        const uint64_t key = slot_key(number);
        if (now.slots[number] == 0 || key < low || key > high) continue;
        there[wanted] = database_fixture_slot(key, now.slots[number] - 1);
        if (there[wanted].n < 900) wanted += 1;
    }
    qsort(there, wanted, sizeof *there, by_slot_key);
    char where[128];
    (void)snprintf(
        where,
        sizeof where,
        "key between %llu and %llu and n < 900",
        (unsigned long long)low,
        (unsigned long long)high
    );
    tactus_query *query = NULL;
    const char *order = descending ? "-key" : NULL;
    EXPECT(tactus_prepare(fixture.db, fixture.slots, where, order, &query) == TACTUS_OK);
    EXPECT(tactus_run(query, view, NULL) == TACTUS_OK);
    for (uint64_t found = 0;;) {
        struct fixture_slot slots[7];
        uint32_t count = 0;
        EXPECT(tactus_next(query, slots, 7, &count) == TACTUS_OK);
        if (count == 0) {
            EXPECT(found == wanted);
            break;
        }
        EXPECT(found + count <= wanted);
        for (uint32_t index = 0; index < count; index += 1) {
            const uint64_t place = descending ? wanted - 1 - found : found;
            EXPECT(memcmp(&slots[index], &there[place], sizeof *slots) == 0);
            found += 1;
        }
    }
    tactus_query_close(query);
    range_total += wanted;
}

static void compare(struct random *random)
{
    tactus_view *view = tactus_latest(fixture.db);
    compare_slots(&now, view, true);
    compare_sessions(&now, view, true);
    for (uint32_t times = 0; times < 8; times += 1)
        compare_range(random, view);
}

/* ---- Writing --------------------------------------------------------------------------------- */

static void write_slot(struct random *random, tactus_txn *txn, bool deletes)
{
    const uint64_t number = random_below(random, KEYS);
    if (deletes) {
        const uint64_t key = slot_key(number);
        EXPECT(tactus_delete(txn, fixture.slots, &key, 1, NULL) == TACTUS_OK);
        now.slots[number] = 0;
        return;
    }
    const uint32_t n = (uint32_t)random_below(random, 1000);
    const struct fixture_slot slot = database_fixture_slot(slot_key(number), n);
    EXPECT(tactus_put(txn, fixture.slots, &slot, 1, NULL) == TACTUS_OK);
    now.slots[number] = n + 1;
}

static void write_session(struct random *random, tactus_txn *txn, bool deletes)
{
    const uint64_t number = random_below(random, KEYS);
    const struct fixture_session session = {
        session_key(number), (int64_t)random_below(random, 1000)};
    if (deletes) {
        EXPECT(tactus_delete(txn, fixture.sessions, &session.key, 1, NULL) == TACTUS_OK);
        now.sessions[number] = 0;
    } else {
        EXPECT(tactus_put(txn, fixture.sessions, &session, 1, NULL) == TACTUS_OK);
        now.sessions[number] = session.at + 1;
    }
}

/* Deletes come in times of their own, so that maps shrink, too. */
static void transaction(struct random *random, uint32_t deletes_in_8)
{
    before = now;
    tactus_txn *txn = database_fixture_txn(&fixture);
    const uint32_t slots = (uint32_t)random_below(random, FIXTURE_BATCH + 1);
    const uint32_t sessions = (uint32_t)random_below(random, FIXTURE_BATCH + 1);
    for (uint32_t index = 0; index < slots; index += 1)
        write_slot(random, txn, random_chance(random, deletes_in_8, 8));
    for (uint32_t index = 0; index < sessions; index += 1)
        write_session(random, txn, random_chance(random, deletes_in_8, 8));
    if (random_chance(random, 1, 50)) {
        compare_slots(&now, tactus_txn_view(txn), false);
        compare_slots(&before, tactus_latest(fixture.db), false);
        compare_sessions(&now, tactus_txn_view(txn), false);
        compare_range(random, tactus_txn_view(txn));
    }
    if (random_chance(random, 1, 10)) {
        tactus_rollback(txn);
        now = before;
    } else {
        EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    }
}

static void count(void)
{
    const struct tactus_stats stats = database_fixture_stats(&fixture);
    for (uint64_t level = 0; level < TACTUS_LEVELS; level += 1) {
        if (stats.levels[level].tables > 0 && level + 1 > levels_max) levels_max = level + 1;
    }
    negatives_total += stats.filter_negatives;
}

static void reopen(struct random *random)
{
    count();
    if (random_chance(random, 1, 2)) {
        EXPECT(database_fixture_close(&fixture) == TACTUS_OK);
        const uint64_t hash = simulated_disk_hash(fixture.disk);
        fixture.open.flags |= TACTUS_READ_ONLY_OPEN;
        EXPECT(database_fixture_open(&fixture, false) == TACTUS_OK);
        compare(random);
        EXPECT(database_fixture_close(&fixture) == TACTUS_OK);
        fixture.open.flags &= ~(uint32_t)TACTUS_READ_ONLY_OPEN;
        EXPECT(simulated_disk_hash(fixture.disk) == hash);
        EXPECT(database_fixture_open(&fixture, false) == TACTUS_OK);
    } else {
        database_fixture_reopen(&fixture);
    }
    compare(random);
}

static void run(uint64_t seed, uint32_t runs_max)
{
    struct random random;
    test_seed_begin(seed);
    random_init(&random, seed);
    now = (struct oracle){0};
    database_fixture_init(&fixture, seed);
    fixture.has_maps = true;
    fixture.create.runs_max[0] = runs_max;
    fixture.create.runs_max[1] = runs_max;
    fixture.open.cache_bytes = random_below(&random, 3) << 18;
    EXPECT(database_fixture_open(&fixture, true) == TACTUS_OK);
    uint32_t deletes_in_8 = 1;
    for (uint32_t number = 0; number < TRANSACTIONS; number += 1) {
        if (random_chance(&random, 1, 60)) deletes_in_8 = (uint32_t)random_below(&random, 8);
        transaction(&random, deletes_in_8);
        if (random_chance(&random, 1, 60)) EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
        if (random_chance(&random, 1, 60)) compare(&random);
        if (random_chance(&random, 1, 80)) reopen(&random);
    }
    compare(&random);
    forest_check(&fixture.db->forest);
    count();
    replaced_total += database_fixture_stats(&fixture).records_replaced;
    dropped_total += database_fixture_stats(&fixture).records_dropped;
    database_fixture_end(&fixture);
}

TEST(map, holds_what_the_oracle_holds)
{
    const struct test_seeds seeds = test_seeds(8);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        run(seed, seed % 2 == 0 ? 4 : 1);
    }
    printf(
        "map: %llu levels, %llu records replaced, %llu tombstones dropped, %llu filters said no\n",
        (unsigned long long)levels_max,
        (unsigned long long)replaced_total,
        (unsigned long long)dropped_total,
        (unsigned long long)negatives_total
    );
    if (seeds.count < 2) return;
    EXPECT(levels_max >= 2);
    EXPECT(range_total > 0 && replaced_total > 0 && dropped_total > 0 && negatives_total > 0);
}

TEST_MAIN()
