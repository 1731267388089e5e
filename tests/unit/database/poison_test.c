/* A block that could not be written: from the moment that the grid knows it, nothing is
 * acknowledged any more, since a checkpoint without that block would be a file with a hole. Whoever
 * writes is told so, in words; reads go on, as what was not written is still in memory; and
 * reopening finds every transaction that was acknowledged.
 *
 * The grid may learn of it in the middle of a commit, of a checkpoint, or of a read that waits for
 * a block of its own. */
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "support/database_fixture.h"
#include "support/test.h"

#include "base/poison.h"

enum { IDS = 3000, EVENTS = 20, BASE_NUMBERS = 200, NUMBERS_MAX = 500, READ_IDS = 30 };

/* What only fills the file: more than the cache holds, so that reads have blocks to wait for. */
enum { BULK_ID = 100000, BULK_COUNT = 625 * FIXTURE_BATCH, BULK_KIND = 77 };

static struct database_fixture fixture;
static struct database_fixture base; /* closed */

/* What each id holds after so many transactions: its kind, 0 if it is absent. */
static uint32_t kinds[IDS + 1];
static uint32_t base_kinds[IDS + 1];
static uint32_t kinds_if_kept[IDS + 1]; /* with the one whose commit has failed */
static uint64_t acknowledged;           /* transactions */
static bool is_last_unknown;            /* one has failed, and may be there after all */

static uint64_t poisoned_count, read_first_count, cut_count, kept_count;

/* ---- The history ----------------------------------------------------------------------------- */

static void plan(uint64_t number, uint32_t *contents, struct fixture_item *items)
{
    struct random random;
    random_init(&random, number);
    for (uint32_t index = 0; index < EVENTS; index += 1) {
        const uint64_t id = 1 + random_below(&random, IDS);
        items[index] = database_fixture_item(id, 1 + (uint32_t)random_below(&random, 9));
        contents[id] = items[index].kind;
    }
}

/* The next transaction. `txn`: one that was begun before, or NULL. */
static enum tactus_status write_next(tactus_txn *txn)
{
    struct fixture_item items[EVENTS];
    memcpy(kinds_if_kept, kinds, sizeof kinds);
    plan(acknowledged, kinds_if_kept, items);
    if (txn == NULL) {
        const enum tactus_status begun = tactus_begin(fixture.db, NULL, &txn);
        if (begun != TACTUS_OK) return begun;
    }
    const enum tactus_status status = tactus_upsert(txn, fixture.items, items, EVENTS, NULL);
    if (status != TACTUS_OK) {
        tactus_rollback(txn);
        return status;
    }
    const enum tactus_status committed = tactus_commit(txn, NULL);
    is_last_unknown = committed != TACTUS_OK;
    if (committed != TACTUS_OK) return committed;
    memcpy(kinds, kinds_if_kept, sizeof kinds);
    acknowledged += 1;
    return TACTUS_OK;
}

static bool contents_are(const uint32_t *contents)
{
    static uint64_t ids[IDS];
    static struct fixture_item items[IDS];
    static struct tactus_result results[IDS];
    for (uint32_t index = 0; index < IDS; index += 1)
        ids[index] = index + 1;
    tactus_view *view = tactus_latest(fixture.db);
    const enum tactus_status status = tactus_get(view, fixture.items, ids, IDS, items, results);
    EXPECT(status == TACTUS_OK || status == TACTUS_SOME);
    uint32_t count = 0;
    for (uint32_t index = 0; index < IDS; index += 1) {
        const uint32_t kind = results[index].status == TACTUS_OK ? items[index].kind : 0;
        if (kind != contents[index + 1]) return false;
        count += kind != 0;
    }
    EXPECT(database_fixture_count(&fixture, "kind < 50") == count);
    return true;
}

/* A few reads, which wait for blocks: so they may be the first to meet the failure. */
static void read_some(struct random *random)
{
    uint64_t ids[READ_IDS];
    struct fixture_item items[READ_IDS];
    for (uint32_t index = 0; index < READ_IDS; index += 1)
        ids[index] = BULK_ID + random_below(random, BULK_COUNT);
    tactus_view *view = tactus_latest(fixture.db);
    EXPECT(tactus_get(view, fixture.items, ids, READ_IDS, items, NULL) == TACTUS_OK);
    for (uint32_t index = 0; index < READ_IDS; index += 1)
        EXPECT(items[index].id == ids[index] && items[index].kind == BULK_KIND);
}

/* ---- What must hold -------------------------------------------------------------------------- */

static bool grid_is_poisoned(void)
{
    return fixture.db->grid.status != TACTUS_OK;
}

static void expect_words(void)
{
    EXPECT(tactus_error(fixture.db)->status == TACTUS_POISONED);
    EXPECT(
        database_fixture_says(&fixture, "could not be written") ||
        database_fixture_says(&fixture, "an earlier write failed")
    );
    EXPECT(strchr(tactus_error(fixture.db)->text, ';') != NULL); /* and what to do */
}

/* Whatever writes is refused, each time it is tried; whatever reads is right. */
static void expect_poisoned(void)
{
    for (uint32_t times = 0; times < 2; times += 1) {
        tactus_txn *txn = NULL;
        EXPECT(tactus_begin(fixture.db, NULL, &txn) == TACTUS_POISONED);
        expect_words();
        EXPECT(txn == NULL);
        EXPECT(tactus_checkpoint(fixture.db) == TACTUS_POISONED);
        expect_words();
        EXPECT(tactus_flush(fixture.db) == TACTUS_POISONED);
        expect_words();
        EXPECT(contents_are(kinds));
    }
}

/* The device is sound again; the process starts anew, after a power cut or not. */
static void expect_recovery(enum simulated_crash_kind crash)
{
    struct database_fixture closed = fixture;
    fixture.disk = simulated_disk_clone(closed.disk);
    simulated_disk_fault_clear(fixture.disk);
    if (crash != 0) simulated_disk_crash(fixture.disk, (struct simulated_crash){.kind = crash});
    EXPECT(database_fixture_open(&fixture, false) == TACTUS_OK);
    const bool is_cut = contents_are(kinds);
    if (!is_cut) EXPECT(is_last_unknown && contents_are(kinds_if_kept));
    cut_count += is_cut;
    kept_count += !is_cut;
    EXPECT(database_fixture_insert(&fixture, IDS + 1, EVENTS, 1) == TACTUS_OK);
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    database_fixture_reopen(&fixture);
    EXPECT(database_fixture_remove(&fixture, IDS + 1, EVENTS) == TACTUS_OK);
    EXPECT(contents_are(is_cut ? kinds : kinds_if_kept));
    database_fixture_end(&fixture);
    fixture = closed;
}

static void finish(void)
{
    expect_poisoned();
    poisoned_count += 1;
    const enum tactus_status closed = database_fixture_close(&fixture);
    EXPECT(closed == TACTUS_OK || closed == TACTUS_POISONED);
    fixture.db = NULL;
    expect_recovery(0);
    expect_recovery(SIMULATED_KEEP_ALL);
    if (fixture.open.sync == TACTUS_SYNC_COMMIT) expect_recovery(SIMULATED_DROP_ALL);
    simulated_disk_free(fixture.disk);
}

/* ---- Runs ------------------------------------------------------------------------------------ */

/* Made once. */
static void prepare(void)
{
    if (base.disk != NULL) return;
    database_fixture_init(&fixture, 1);
    fixture.open.sync = TACTUS_SYNC_NONE;
    EXPECT(database_fixture_open(&fixture, true) == TACTUS_OK);
    for (uint64_t first = 0; first < BULK_COUNT; first += FIXTURE_BATCH) {
        const uint64_t id = BULK_ID + first;
        EXPECT(database_fixture_insert(&fixture, id, FIXTURE_BATCH, BULK_KIND) == TACTUS_OK);
    }
    while (acknowledged < BASE_NUMBERS)
        EXPECT(write_next(NULL) == TACTUS_OK);
    EXPECT(database_fixture_close(&fixture) == TACTUS_OK);
    base = fixture;
    memcpy(base_kinds, kinds, sizeof kinds);
}

static void begin(uint64_t seed)
{
    prepare();
    memcpy(kinds, base_kinds, sizeof kinds);
    acknowledged = BASE_NUMBERS;
    is_last_unknown = false;
    fixture = base;
    fixture.disk = simulated_disk_clone(base.disk);
    simulated_disk_seed(fixture.disk, seed);
    fixture.open.sync = seed % 3 == 0 ? TACTUS_SYNC_NONE : TACTUS_SYNC_COMMIT;
    EXPECT(database_fixture_open(&fixture, false) == TACTUS_OK);
    for (uint64_t number = 0; number < seed % 16; number += 1)
        EXPECT(write_next(NULL) == TACTUS_OK);
}

/* From the write number `skip` on, or that one alone, blocks are not written any more. */
static void fail_grid_writes(uint64_t skip, bool is_sticky)
{
    const struct simulated_fault fault = {
        .kind = SIMULATED_WRITE_ERROR,
        .from = fixture.db->layout.grid_offset,
        .to = UINT64_MAX,
        .skip = skip,
        .is_sticky = is_sticky,
    };
    simulated_disk_fault_add(fixture.disk, fault);
}

static void run_commits(uint64_t seed, bool is_sticky)
{
    begin(seed);
    fail_grid_writes(seed * 5 % 40, is_sticky);
    enum tactus_status status = TACTUS_OK;
    while (status == TACTUS_OK) {
        EXPECT(acknowledged < NUMBERS_MAX);
        const bool was_poisoned = grid_is_poisoned();
        status = write_next(NULL);
        if (was_poisoned) EXPECT(status != TACTUS_OK);
        if (status == TACTUS_OK) EXPECT(!grid_is_poisoned());
    }
    EXPECT(status == TACTUS_POISONED);
    EXPECT(tactus_error(fixture.db)->status == TACTUS_POISONED);
    expect_words();
    finish();
}

TEST(poison, after_a_failed_block_no_commit_is_acknowledged)
{
    const struct test_seeds seeds = test_seeds(10);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        run_commits(seed, true);
        run_commits(seed, false);
    }
}

/* Reads between the commits wait for blocks, and so learn first of a write that has failed. */
static void run_reads_between(uint64_t seed)
{
    begin(seed);
    struct random random;
    random_init(&random, seed);
    fail_grid_writes(seed * 3 % 20, true);
    bool was_read_first = false;
    enum tactus_status status = TACTUS_OK;
    while (status == TACTUS_OK) {
        EXPECT(acknowledged < NUMBERS_MAX);
        tactus_txn *txn = database_fixture_txn(&fixture);
        for (uint32_t times = 0; times < 5 && !grid_is_poisoned(); times += 1)
            read_some(&random);
        was_read_first = grid_is_poisoned();
        status = write_next(txn);
        if (was_read_first) EXPECT(status == TACTUS_POISONED);
        read_first_count += was_read_first;
    }
    EXPECT(status == TACTUS_POISONED);
    expect_words();
    /* What was refused at the door is not on its way to the disk. */
    if (was_read_first) is_last_unknown = false;
    finish();
}

TEST(poison, an_open_transaction_is_not_committed_after_a_read_has_met_a_failed_block)
{
    const struct test_seeds seeds = test_seeds(9);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        run_reads_between(seed);
    }
}

static void run_checkpoint(uint64_t seed)
{
    begin(seed);
    fail_grid_writes(seed * 7 % 25, true);
    enum tactus_status status = TACTUS_OK;
    for (uint64_t times = 0; status == TACTUS_OK; times += 1) {
        EXPECT(acknowledged < NUMBERS_MAX);
        const bool was_poisoned = grid_is_poisoned();
        status = times % 4 == 3 ? tactus_checkpoint(fixture.db) : write_next(NULL);
        if (was_poisoned) EXPECT(status == TACTUS_POISONED);
    }
    EXPECT(status == TACTUS_POISONED);
    expect_words();
    finish();
}

TEST(poison, a_checkpoint_over_a_failed_block_is_refused_in_words)
{
    const struct test_seeds seeds = test_seeds(9);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        run_checkpoint(seed);
    }
}

/* The first call after the failure is another one each time. */
TEST(poison, whatever_writes_first_after_a_failed_block_says_so)
{
    for (uint64_t first = 0; first < 3; first += 1) {
        begin(first);
        struct random random;
        random_init(&random, first);
        fail_grid_writes(0, true);
        while (!grid_is_poisoned()) {
            EXPECT(acknowledged < NUMBERS_MAX);
            if (write_next(NULL) != TACTUS_OK) break;
            for (uint32_t times = 0; times < 20 && !grid_is_poisoned(); times += 1)
                read_some(&random);
        }
        tactus_txn *txn = NULL;
        if (first == 0) EXPECT(tactus_begin(fixture.db, NULL, &txn) == TACTUS_POISONED);
        if (first == 1) EXPECT(tactus_checkpoint(fixture.db) == TACTUS_POISONED);
        if (first == 2) EXPECT(tactus_flush(fixture.db) == TACTUS_POISONED);
        expect_words();
        finish();
    }
}

TEST(poison, figures)
{
    simulated_disk_free(base.disk);
    base.disk = NULL;
    printf(
        "poison: %llu handles, %llu by a read first; the last transaction was cut %llu times, kept "
        "%llu\n",
        (unsigned long long)poisoned_count,
        (unsigned long long)read_first_count,
        (unsigned long long)cut_count,
        (unsigned long long)kept_count
    );
}

TEST_MAIN()
