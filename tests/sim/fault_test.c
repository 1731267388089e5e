/* A disk that answers the n-th request of a kind with an error, for n over a whole run: making the
 * database, transactions, reads, checkpoints, closing and opening.
 *
 * Whatever is struck: every answer is one that tactus.h documents; what a read says is right; after
 * a write error the handle is poisoned and says so; somebody is told of every write that was lost.
 * Then the fault is gone, and reopening (after a restart, and after a power cut) finds every
 * acknowledged transaction, of the one that failed all or nothing. A short or interrupted request
 * is no fault at all: such a run must pass as if nothing had been.
 *
 * The numbers n of a run are spread over the seeds: a seed takes each STRIDE-th, so STRIDE seeds
 * try every request. */
#include "support/database_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "support/test.h"

#include "base/poison.h"

enum { IDS = 100, STEPS = 60, STRIDE = 61, CALL_MAX = 20, OPS = STEPS + 2 };

struct contents {
    uint32_t kind[IDS]; /* 0: absent */
};

struct run {
    struct database_fixture fixture;
    struct random random;
    struct contents now;          /* committed */
    struct contents next;         /* with the transaction that is under way */
    struct contents history[OPS]; /* after each op, of one that failed what it would have been */
    uint64_t op_durable; /* all up to it were acknowledged: they are there after a reopen */
    uint64_t op_known;   /* the last one of the history */
    bool next_may_be;    /* a commit has failed: it may be there after a reopen */
    bool created;        /* making the database was acknowledged */
    bool poisoned;       /* a call has said so */
    uint32_t failure_count;
    uint32_t step;
};

static uint64_t run_count;
static uint64_t struck_count;
static uint64_t refused_count;

static bool is_read_failure(enum tactus_status status)
{
    return status == TACTUS_CORRUPT || status == TACTUS_IO || status == TACTUS_POISONED;
}

static bool is_write_failure(enum tactus_status status)
{
    return is_read_failure(status) || status == TACTUS_FULL;
}

static void failed(struct run *run, enum tactus_status status)
{
    run->failure_count += 1;
    refused_count += 1;
    if (status == TACTUS_POISONED || status == TACTUS_CORRUPT) run->poisoned = true;
    EXPECT(tactus_error(run->fixture.db)->status == (int32_t)status);
    EXPECT(tactus_error(run->fixture.db)->text[0] != 0);
}

/* Notes what there is after an op, and how far all is durable. */
static void remember(struct run *run, uint64_t op, const struct contents *contents)
{
    const struct tactus_stats stats = database_fixture_stats(&run->fixture);
    EXPECT(op < OPS);
    run->history[op] = *contents;
    run->op_known = op;
    run->op_durable = stats.op_durable;
}

/* After a reopen: all that was durable is there, and of the rest the first part. */
static const struct contents *recovered(const struct run *run, const struct database_fixture *after)
{
    const uint64_t op = database_fixture_stats(after).op;
    EXPECT(op >= run->op_durable && op <= run->op_known);
    return &run->history[op];
}

/* ---- Reading --------------------------------------------------------------------------------- */

static void read_all_by_id(struct run *run)
{
    uint64_t ids[IDS];
    struct fixture_item items[IDS];
    struct tactus_result results[IDS];
    for (uint32_t index = 0; index < IDS; index += 1)
        ids[index] = index + 1;
    const enum tactus_status status =
        tactus_get(tactus_latest(run->fixture.db), run->fixture.items, ids, IDS, items, results);
    if (status != TACTUS_OK && status != TACTUS_SOME) {
        EXPECT(is_read_failure(status));
        run->failure_count += 1;
        return;
    }
    for (uint32_t index = 0; index < IDS; index += 1) {
        const uint32_t kind = run->now.kind[index];
        EXPECT((results[index].status == TACTUS_OK) == (kind != 0));
        if (kind != 0) EXPECT(items[index].kind == kind && items[index].id == index + 1);
    }
}

static void read_by_query(struct run *run)
{
    const uint32_t kind = 1 + (uint32_t)random_below(&run->random, 8);
    char where[40];
    (void)snprintf(where, sizeof where, "kind = %u", kind);
    tactus_query *query = NULL;
    EXPECT(tactus_prepare(run->fixture.db, run->fixture.items, where, NULL, &query) == TACTUS_OK);
    enum tactus_status status = tactus_run(query, tactus_latest(run->fixture.db), NULL);
    uint32_t found = 0;
    while (status == TACTUS_OK) {
        struct fixture_item items[7];
        uint32_t count = 0;
        status = tactus_next(query, items, 7, &count);
        if (status != TACTUS_OK || count == 0) break;
        for (uint32_t index = 0; index < count; index += 1) {
            EXPECT(items[index].kind == kind);
            EXPECT(run->now.kind[items[index].id - 1] == kind);
        }
        found += count;
    }
    tactus_query_close(query);
    if (status != TACTUS_OK) {
        EXPECT(is_read_failure(status));
        run->failure_count += 1;
        return;
    }
    for (uint32_t index = 0; index < IDS; index += 1)
        found -= run->now.kind[index] == kind;
    EXPECT(found == 0);
}

/* ---- Writing --------------------------------------------------------------------------------- */

static enum tactus_status write_calls(struct run *run, tactus_txn *txn)
{
    const tactus_collection *items = run->fixture.items;
    const uint32_t count = 1 + (uint32_t)random_below(&run->random, CALL_MAX);
    const bool removes = random_chance(&run->random, 1, 4);
    run->next = run->now;
    for (uint32_t index = 0; index < count; index += 1) {
        const uint64_t id = 1 + random_below(&run->random, IDS);
        const uint32_t kind = 1 + (uint32_t)random_below(&run->random, 8);
        const struct fixture_item item = database_fixture_item(id, kind);
        const bool there = run->next.kind[id - 1] != 0;
        enum tactus_status status = TACTUS_OK;
        if (removes) {
            status = tactus_remove(txn, items, &id, 1, NULL);
            if (!is_read_failure(status)) EXPECT(status == (there ? TACTUS_OK : TACTUS_ABSENT));
        } else {
            status = tactus_upsert(txn, items, &item, 1, NULL);
            if (!is_read_failure(status)) EXPECT(status == TACTUS_OK);
        }
        if (is_read_failure(status)) return status;
        run->next.kind[id - 1] = removes ? 0 : kind;
    }
    return TACTUS_OK;
}

static void write_transaction(struct run *run)
{
    tactus_txn *txn = NULL;
    const enum tactus_status begun = tactus_begin(run->fixture.db, NULL, &txn);
    if (begun != TACTUS_OK) {
        EXPECT(begun == TACTUS_POISONED);
        failed(run, begun);
        return;
    }
    EXPECT(!run->poisoned || run->failure_count > 0);
    const enum tactus_status written = write_calls(run, txn);
    if (written != TACTUS_OK) {
        /* A read failed: the transaction is as it was; give it up. */
        run->failure_count += 1;
        tactus_rollback(txn);
        return;
    }
    const uint64_t op = database_fixture_stats(&run->fixture).op;
    const enum tactus_status status = tactus_commit(txn, NULL);
    if (status == TACTUS_OK) {
        run->now = run->next;
        remember(run, database_fixture_stats(&run->fixture).op, &run->now);
        if (run->fixture.open.sync == TACTUS_SYNC_COMMIT) EXPECT(run->op_durable == run->op_known);
        return;
    }
    EXPECT(is_write_failure(status));
    failed(run, status);
    /* FULL and IO have rolled back; what POISONED says is that nobody knows. */
    run->next_may_be = status == TACTUS_POISONED;
    if (run->next_may_be) remember(run, op + 1, &run->next);
    if (run->next_may_be) EXPECT(tactus_begin(run->fixture.db, NULL, &txn) == TACTUS_POISONED);
}

static void write_checkpoint(struct run *run)
{
    const uint64_t op = database_fixture_stats(&run->fixture).op;
    const enum tactus_status status = tactus_checkpoint(run->fixture.db);
    if (status == TACTUS_OK) {
        remember(run, database_fixture_stats(&run->fixture).op, &run->now);
        return;
    }
    remember(run, op + 1, &run->now); /* its entry may be there */
    EXPECT(is_write_failure(status));
    failed(run, status);
}

/* ---- A run ----------------------------------------------------------------------------------- */

static bool open_database(struct run *run, bool is_new)
{
    const enum tactus_status status = database_fixture_open(&run->fixture, is_new);
    if (status == TACTUS_OK) {
        run->created = true;
        run->now = *recovered(run, &run->fixture);
        remember(run, database_fixture_stats(&run->fixture).op, &run->now);
        return true;
    }
    EXPECT(is_write_failure(status));
    run->failure_count += 1;
    refused_count += 1;
    return false;
}

static void run_steps(struct run *run)
{
    if (!open_database(run, true)) return;
    for (run->step = 0; run->step < STEPS && !run->next_may_be; run->step += 1) {
        if (run->step % 16 == 15) {
            write_checkpoint(run);
        } else if (run->step % 20 == 19) {
            const enum tactus_status status = database_fixture_close(&run->fixture);
            EXPECT(status == TACTUS_OK || status == TACTUS_POISONED);
            if (status != TACTUS_OK) run->failure_count += 1;
            run->poisoned = false;
            if (!open_database(run, false)) return;
        } else {
            write_transaction(run);
        }
        if (run->step % 8 == 3) read_all_by_id(run);
        if (run->step % 8 == 7) read_by_query(run);
    }
    read_all_by_id(run);
    if (database_fixture_close(&run->fixture) != TACTUS_OK) run->failure_count += 1;
}

static bool contents_are(struct database_fixture *fixture, const struct contents *contents)
{
    uint64_t ids[IDS];
    struct fixture_item items[IDS];
    struct tactus_result results[IDS];
    for (uint32_t index = 0; index < IDS; index += 1)
        ids[index] = index + 1;
    const enum tactus_status status =
        tactus_get(tactus_latest(fixture->db), fixture->items, ids, IDS, items, results);
    EXPECT(status == TACTUS_OK || status == TACTUS_SOME);
    uint32_t count = 0;
    for (uint32_t index = 0; index < IDS; index += 1) {
        const uint32_t kind = results[index].status == TACTUS_OK ? items[index].kind : 0;
        if (kind != contents->kind[index]) return false;
        count += kind != 0;
    }
    EXPECT(database_fixture_count(fixture, NULL) == count);
    return true;
}

/* The device is sound again: what is there is what was acknowledged. */
static void expect_recovery(struct run *run, enum simulated_crash_kind crash)
{
    struct database_fixture after = run->fixture;
    after.db = NULL;
    after.disk = simulated_disk_clone(run->fixture.disk);
    simulated_disk_fault_clear(after.disk);
    if (crash != 0) simulated_disk_crash(after.disk, (struct simulated_crash){.kind = crash});
    const enum tactus_status status = database_fixture_open(&after, false);
    if (run->created) EXPECT(status == TACTUS_OK);
    if (status == TACTUS_OK) {
        EXPECT(contents_are(&after, recovered(run, &after)));
        EXPECT(database_fixture_insert(&after, 1000, 5, 1) == TACTUS_OK);
        EXPECT(tactus_checkpoint(after.db) == TACTUS_OK);
    }
    database_fixture_end(&after);
}

enum effect {
    HARMLESS, /* the caller must not notice */
    READS,    /* reads may fail, and what needs them */
    WRITES    /* somebody must be told */
};

/* False: the run had fewer such requests. */
static bool run_with(struct simulated_fault fault, enum effect effect, uint32_t sync)
{
    struct run *run = calloc(1, sizeof *run);
    EXPECT(run != NULL);
    database_fixture_init(&run->fixture, 1 + fault.skip);
    run->fixture.open.sync = sync;
    random_init(&run->random, 7);
    simulated_disk_fault_add(run->fixture.disk, fault);
    run_steps(run);
    const bool struck = simulated_disk_fault_count(run->fixture.disk) > 0;
    if (!struck || effect == HARMLESS) EXPECT(run->failure_count == 0);
    if (struck && effect == WRITES) EXPECT(run->failure_count > 0);
    run_count += 1;
    struck_count += struck;
    expect_recovery(run, 0);
    if (sync == TACTUS_SYNC_COMMIT) {
        expect_recovery(run, SIMULATED_DROP_ALL);
        expect_recovery(run, SIMULATED_KEEP_ALL);
    }
    (void)database_fixture_close(&run->fixture);
    simulated_disk_free(run->fixture.disk);
    free(run);
    return struck;
}

static void try_each_with(
    enum simulated_fault_kind kind, bool is_sticky, enum effect effect, uint32_t sync
)
{
    const struct test_seeds seeds = test_seeds(3);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        for (uint64_t n = seed % STRIDE;; n += STRIDE) {
            const struct simulated_fault fault = {
                .kind = kind, .skip = n, .is_sticky = is_sticky, .delay_ns = 2000000000};
            if (!run_with(fault, effect, sync)) break;
        }
    }
}

static void try_each(enum simulated_fault_kind kind, bool is_sticky, enum effect effect)
{
    try_each_with(kind, is_sticky, effect, TACTUS_SYNC_COMMIT);
}

TEST(fault, a_run_without_faults_passes)
{
    const struct simulated_fault never = {.kind = SIMULATED_READ_ERROR, .skip = UINT64_MAX};
    EXPECT(!run_with(never, HARMLESS, TACTUS_SYNC_COMMIT));
}

TEST(fault, a_read_that_fails_once_is_read_again)
{
    try_each(SIMULATED_READ_ERROR, false, HARMLESS);
}

TEST(fault, reads_that_fail_are_reported_and_lose_nothing)
{
    try_each(SIMULATED_READ_ERROR, true, READS);
}

TEST(fault, a_failed_write_poisons_and_loses_nothing_acknowledged)
{
    try_each(SIMULATED_WRITE_ERROR, false, WRITES);
    try_each(SIMULATED_WRITE_ERROR, true, WRITES);
}

TEST(fault, a_failed_flush_poisons_and_loses_nothing_acknowledged)
{
    try_each(SIMULATED_FLUSH_ERROR, false, WRITES);
    try_each(SIMULATED_FLUSH_ERROR, true, WRITES);
}

TEST(fault, what_was_not_yet_durable_is_reported_too_when_it_cannot_be_made_so)
{
    try_each_with(SIMULATED_WRITE_ERROR, false, WRITES, TACTUS_SYNC_NONE);
    try_each_with(SIMULATED_FLUSH_ERROR, false, WRITES, TACTUS_SYNC_NONE);
    try_each_with(SIMULATED_WRITE_ERROR, true, WRITES, TACTUS_SYNC_INTERVAL);
    try_each_with(SIMULATED_FLUSH_ERROR, false, WRITES, TACTUS_SYNC_INTERVAL);
}

TEST(fault, a_file_that_cannot_grow_refuses_before_anything_changes)
{
    try_each(SIMULATED_GROW_ERROR, false, READS);
    try_each(SIMULATED_GROW_ERROR, true, READS);
}

TEST(fault, short_and_interrupted_requests_are_gone_on_with)
{
    try_each(SIMULATED_READ_SHORT, false, HARMLESS);
    try_each(SIMULATED_READ_SHORT, true, READS); /* of one sector never a whole one comes */
    try_each(SIMULATED_WRITE_SHORT, false, HARMLESS);
    try_each(SIMULATED_WRITE_NOTHING, false, HARMLESS);
    try_each(SIMULATED_READ_INTERRUPT, false, HARMLESS);
    try_each(SIMULATED_WRITE_INTERRUPT, false, HARMLESS);
}

TEST(fault, a_slow_disk_is_only_slow)
{
    try_each(SIMULATED_DELAY, false, HARMLESS);
}

TEST(fault, figures)
{
    printf(
        "fault: %llu runs, %llu struck, %llu calls refused\n",
        (unsigned long long)run_count,
        (unsigned long long)struck_count,
        (unsigned long long)refused_count
    );
}

TEST_MAIN()
