/* Checkpoints that are written while transactions go on.
 *
 * A control run commits transaction after transaction from a moment at which a capture is due, and
 * notes what the database holds after each op, and between which changes of the disk the capture,
 * its superblock and its effect lie. Then the disk dies at every one of those changes. Whatever it
 * leaves: the superblock is the old or the new one; every block that it refers to is whole (verify
 * says so), as nothing that was released is written over before the effect; what is there is the
 * control's contents after some op, none older than what was acknowledged; and going on from there
 * comes to the control's end, byte for byte.
 *
 * Besides: how full the journal gets at worst (S8), and that nobody has to wait where the disk is
 * fast enough. */
#include "database/digest.h"
#include "database/verify.h"
#include "support/database_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "support/test.h"

#include "base/poison.h"

enum {
    IDS = 400,
    EVENTS_MAX = 9,      /* of items, in one transaction: several share a beat of 32 */
    CAPTURES_BEFORE = 2, /* so that there are blocks to be freed */
    TRANSACTIONS_MAX = 400,
    TAIL = 6, /* transactions after the effect */
    OUTCOMES_TRIED = 4,
};

/* The disk at a moment when a capture is due, closed, and what comes after it. */
struct control {
    struct database_fixture start;
    uint64_t op_start;
    uint64_t op_end;
    uint64_t beat_before; /* the capture of the superblock at the start */
    uint64_t beat_after;
    struct checksum contents[TRANSACTIONS_MAX]; /* after op_start + index */
    struct tactus_digest end;                   /* after a complete checkpoint behind op_end */

    /* Changes of the disk since before the open: until the transaction before the capture was over,
     * until the superblock was durable, until the transaction that had the effect was over. */
    uint64_t captured_after, durable_before, effect_before;
    uint64_t ops_meanwhile; /* committed between capture and durable */
    uint64_t waited;        /* checkpoints that the effect had to wait for */
};

/* How a disk is. */
struct manner {
    uint32_t sync;
    bool slow; /* flushes and the superblock outlast the beats until the effect */
};

#define SLOW_NS (UINT64_C(1) << 40)

static uint64_t point_count, outcome_count, old_count, new_count, under_way_count, rot_count;

static uint64_t last_op(const struct database_fixture *target)
{
    return database_fixture_stats(target).op;
}

/* The same for the same number, whatever was before. */
static enum tactus_status run_transaction(struct database_fixture *target, uint64_t number)
{
    struct random random;
    random_init(&random, number);
    const uint32_t count = 1 + (uint32_t)random_below(&random, EVENTS_MAX);
    tactus_txn *txn = NULL;
    enum tactus_status status = tactus_begin(target->db, NULL, &txn);
    if (status != TACTUS_OK) return status;
    for (uint32_t index = 0; index < count && status == TACTUS_OK; index += 1) {
        const uint64_t id = 1 + random_below(&random, IDS);
        const struct fixture_item item =
            database_fixture_item(id, (uint32_t)random_below(&random, 8));
        status = tactus_upsert(txn, target->items, &item, 1, NULL);
    }
    if (status == TACTUS_OK) return tactus_commit(txn, NULL);
    tactus_rollback(txn);
    return status;
}

static struct database_fixture clone_of(const struct database_fixture *source)
{
    struct database_fixture clone = *source;
    clone.db = NULL;
    clone.disk = simulated_disk_clone(source->disk);
    return clone;
}

static struct checksum contents_of(struct database_fixture *target)
{
    struct checksum contents;
    EXPECT(digest_logical(target->db, &contents) == TACTUS_OK);
    return contents;
}

static bool is_capture_due(const struct database_fixture *target)
{
    const struct schedule *schedule = &target->db->forest.schedule;
    return schedule->beat % schedule->bar_beats == 0 && schedule->checkpoint_due;
}

static void control_start(struct control *control, uint64_t seed, struct manner manner)
{
    struct database_fixture *start = &control->start;
    database_fixture_init(start, seed);
    start->open.sync = manner.sync;
    EXPECT(database_fixture_open(start, true) == TACTUS_OK);
    uint32_t captures = 0;
    while (captures < CAPTURES_BEFORE || !is_capture_due(start)) {
        captures += is_capture_due(start);
        const uint64_t beat = start->db->forest.schedule.beat;
        do {
            EXPECT(run_transaction(start, last_op(start)) == TACTUS_OK);
        } while (start->db->forest.schedule.beat == beat);
    }
    control->op_start = last_op(start);
    EXPECT(database_fixture_close(start) == TACTUS_OK);
    if (!manner.slow) return;
    const struct simulated_fault slow = {
        .kind = SIMULATED_DELAY,
        .to = (uint64_t)SUPERBLOCK_COPIES * SUPERBLOCK_SLOT,
        .is_sticky = true,
        .delay_ns = SLOW_NS,
    };
    simulated_disk_fault_add(start->disk, slow);
}

static struct tactus_digest end_of(struct database_fixture *target)
{
    struct tactus_digest digest = {0};
    EXPECT(tactus_checkpoint(target->db) == TACTUS_OK);
    EXPECT(tactus_digest(target->db, &digest) == TACTUS_OK);
    return digest;
}

static void control_run(struct control *control)
{
    struct database_fixture run = clone_of(&control->start);
    const uint64_t before = simulated_disk_change_count(run.disk);
    EXPECT(database_fixture_open(&run, false) == TACTUS_OK);
    const struct schedule *schedule = &run.db->forest.schedule;
    control->beat_before = run.db->superblock.checkpoint.beat_capture;
    control->contents[0] = contents_of(&run);
    uint64_t left = TAIL;
    while (left > 0) {
        const bool was_captured = schedule->beat_capture > control->beat_before;
        const uint64_t changes = simulated_disk_change_count(run.disk) - before;
        const bool is_durable = run.db->superblock.checkpoint.beat_capture > control->beat_before;
        if (!was_captured) control->captured_after = changes;
        if (was_captured && !is_durable) control->ops_meanwhile += 1;
        EXPECT(run_transaction(&run, last_op(&run)) == TACTUS_OK);
        const uint64_t index = last_op(&run) - control->op_start;
        EXPECT(index < TRANSACTIONS_MAX);
        control->contents[index] = contents_of(&run);
        if (!is_durable) control->durable_before = simulated_disk_change_count(run.disk) - before;
        if (was_captured && !schedule->effect_pending && left == TAIL) {
            control->effect_before = simulated_disk_change_count(run.disk) - before;
        }
        if (was_captured && !schedule->effect_pending) left -= 1;
    }
    control->beat_after = schedule->beat_capture;
    control->waited = run.db->checkpoint.statistics.waited;
    control->op_end = last_op(&run);
    control->end = end_of(&run);
    database_fixture_end(&run);
}

/* Every block that the superblock's checkpoint names is there, and so is everything else. */
static void expect_whole(const struct database_fixture *source)
{
    struct database_fixture reader = clone_of(source);
    struct reactor reactor;
    simulated_disk_open_read_only(&reactor, reader.disk);
    struct report report;
    struct fault fault = {0};
    report_begin(&report, NULL, NULL);
    const enum tactus_status status = verify_file(&reactor, &report, &fault);
    if (status != TACTUS_OK) printf("verify: %s\n", report.first);
    EXPECT(status == TACTUS_OK);
    file_close(&reactor);
    simulated_disk_free(reader.disk);
}

/* The old superblock or the new one; counted. */
static void expect_superblock(const struct control *control, struct simulated_disk *disk)
{
    struct reactor reactor;
    struct superblock superblock;
    struct fault fault = {0};
    simulated_disk_open_read_only(&reactor, disk);
    EXPECT(superblock_read(&reactor, &superblock, NULL, &fault) == TACTUS_OK);
    file_close(&reactor);
    const uint64_t beat = superblock.checkpoint.beat_capture;
    EXPECT(beat == control->beat_before || beat == control->beat_after);
    old_count += beat == control->beat_before;
    new_count += beat == control->beat_after;
}

static void go_on(
    const struct control *control,
    struct database_fixture *after,
    uint64_t op_least,
    uint64_t op_most
)
{
    EXPECT(database_fixture_open(after, false) == TACTUS_OK);
    const uint64_t op = last_op(after);
    EXPECT(op >= op_least);
    EXPECT(op <= op_most);
    const struct checksum contents = contents_of(after);
    EXPECT(checksum_equal(contents, control->contents[op - control->op_start]));
    while (last_op(after) < control->op_end)
        EXPECT(run_transaction(after, last_op(after)) == TACTUS_OK);
    const struct tactus_digest end = end_of(after);
    EXPECT(memcmp(&end, &control->end, sizeof end) == 0);
    EXPECT(database_fixture_close(after) == TACTUS_OK);
}

static void crash_at(const struct control *control, uint64_t nth, struct random *random)
{
    struct database_fixture run = clone_of(&control->start);
    simulated_disk_crash_at(run.disk, nth);
    EXPECT(database_fixture_open(&run, false) == TACTUS_OK);
    uint64_t acknowledged = last_op(&run);
    while (run_transaction(&run, acknowledged) == TACTUS_OK)
        acknowledged += 1;
    EXPECT(simulated_disk_is_dead(run.disk));
    under_way_count += checkpoint_is_under_way(&run.db->checkpoint);
    EXPECT(database_fixture_close(&run) == TACTUS_POISONED);
    point_count += 1;

    const uint32_t outcomes = simulated_disk_outcome_count(run.disk);
    for (uint32_t turn = 0; turn < OUTCOMES_TRIED; turn += 1) {
        const uint32_t index =
            turn < 2 && turn < outcomes ? turn : (uint32_t)random_below(random, outcomes);
        struct database_fixture after = clone_of(&run);
        simulated_disk_crash(after.disk, simulated_disk_outcome(run.disk, index));
        if (turn + 1 < OUTCOMES_TRIED) {
            expect_whole(&after);
        } else { /* one copy of the superblock rots, too */
            const uint32_t copy = (uint32_t)random_below(random, SUPERBLOCK_COPIES);
            simulated_disk_flip(after.disk, layout_superblock_offset(copy) + 100, 3);
            rot_count += 1;
        }
        expect_superblock(control, after.disk);
        const bool durable = run.open.sync == TACTUS_SYNC_COMMIT;
        go_on(control, &after, durable ? acknowledged : control->op_start, acknowledged + 1);
        simulated_disk_free(after.disk);
        outcome_count += 1;
    }
    simulated_disk_free(run.disk);
}

static void run_crashes(uint64_t seed, struct manner manner)
{
    struct random random;
    random_init(&random, seed);
    struct control *control = calloc(1, sizeof *control);
    EXPECT(control != NULL);
    control_start(control, seed, manner);
    control_run(control);
    EXPECT(control->beat_after > control->beat_before);
    EXPECT(control->ops_meanwhile > 1);
    EXPECT(control->captured_after < control->durable_before);
    EXPECT(control->durable_before <= control->effect_before);
    EXPECT(control->waited == (manner.slow ? 1 : 0));
    for (uint64_t nth = control->captured_after + 1; nth <= control->effect_before; nth += 1) {
        crash_at(control, nth, &random);
    }
    simulated_disk_free(control->start.disk);
    free(control);
}

TEST(background, a_crash_at_any_change_while_a_checkpoint_is_written_loses_nothing)
{
    const struct test_seeds seeds = test_seeds(2);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        run_crashes(seed, (struct manner){.sync = TACTUS_SYNC_COMMIT});
        run_crashes(seed, (struct manner){.sync = TACTUS_SYNC_NONE});
        run_crashes(seed, (struct manner){.sync = TACTUS_SYNC_COMMIT, .slow = true});
        run_crashes(seed, (struct manner){.sync = TACTUS_SYNC_NONE, .slow = true});
    }
    printf(
        "background: %llu crash points, %llu of them with a checkpoint under way; %llu outcomes: "
        "%llu with the old superblock, %llu with the new one, %llu with one copy rotten\n",
        (unsigned long long)point_count,
        (unsigned long long)under_way_count,
        (unsigned long long)outcome_count,
        (unsigned long long)old_count,
        (unsigned long long)new_count,
        (unsigned long long)rot_count
    );
    EXPECT(under_way_count > 0);
    EXPECT(old_count > 0 && new_count > 0);
}

/* From the start of a control until the capture is under way. */
static struct database_fixture capture_under_way(const struct control *control)
{
    struct database_fixture run = clone_of(&control->start);
    EXPECT(database_fixture_open(&run, false) == TACTUS_OK);
    while (!checkpoint_is_under_way(&run.db->checkpoint))
        EXPECT(run_transaction(&run, last_op(&run)) == TACTUS_OK);
    EXPECT(run.db->superblock.checkpoint.beat_capture < run.db->forest.schedule.beat_capture);
    return run;
}

TEST(background, a_close_and_a_digest_end_the_checkpoint_that_is_under_way)
{
    struct control *control = calloc(1, sizeof *control);
    EXPECT(control != NULL);
    control_start(control, 1, (struct manner){.sync = TACTUS_SYNC_NONE, .slow = true});
    struct database_fixture run = capture_under_way(control);
    const uint64_t beat = run.db->forest.schedule.beat_capture;
    EXPECT(database_fixture_close(&run) == TACTUS_OK);
    EXPECT(database_fixture_open(&run, false) == TACTUS_OK);
    EXPECT(run.db->superblock.checkpoint.beat_capture == beat);
    EXPECT(tactus_warning(run.db)[0] == 0); /* all copies of the superblock are good */
    struct tactus_digest closed = {0};
    EXPECT(tactus_digest(run.db, &closed) == TACTUS_OK);
    database_fixture_end(&run);

    run = capture_under_way(control);
    struct tactus_digest running = {0};
    EXPECT(tactus_digest(run.db, &running) == TACTUS_OK);
    EXPECT(run.db->superblock.checkpoint.beat_capture == beat);
    EXPECT(memcmp(&closed, &running, sizeof running) == 0);
    database_fixture_end(&run);
    simulated_disk_free(control->start.disk);
    free(control);
}

/* A write of the superblock, or the flush before it, fails while transactions go on. */
TEST(background, a_checkpoint_that_cannot_be_written_is_said_by_a_commit_and_hangs_nothing)
{
    struct control *control = calloc(1, sizeof *control);
    EXPECT(control != NULL);
    control_start(control, 1, (struct manner){.sync = TACTUS_SYNC_COMMIT});
    for (uint64_t turn = 0; turn < 5; turn += 1) {
        struct database_fixture run = capture_under_way(control);
        const struct simulated_fault fault = {
            .kind = turn == 0 ? SIMULATED_FLUSH_ERROR : SIMULATED_WRITE_ERROR,
            .to = turn == 0 ? 0 : (uint64_t)SUPERBLOCK_COPIES * SUPERBLOCK_SLOT,
            .skip = turn == 0 ? 0 : turn - 1,
        };
        simulated_disk_fault_add(run.disk, fault);
        uint64_t acknowledged = last_op(&run);
        enum tactus_status status = TACTUS_OK;
        while (status == TACTUS_OK && acknowledged < TRANSACTIONS_MAX) {
            status = run_transaction(&run, acknowledged);
            acknowledged += status == TACTUS_OK;
        }
        EXPECT(status == TACTUS_POISONED);
        EXPECT(tactus_checkpoint(run.db) == TACTUS_POISONED);
        EXPECT(database_fixture_count(&run, NULL) > 0); /* reads go on */
        const enum tactus_status closed = database_fixture_close(&run);
        EXPECT(closed == TACTUS_OK || closed == TACTUS_POISONED);
        simulated_disk_fault_clear(run.disk);
        EXPECT(database_fixture_open(&run, false) == TACTUS_OK);
        EXPECT(last_op(&run) >= acknowledged && last_op(&run) <= acknowledged + 1);
        database_fixture_end(&run);
    }
    simulated_disk_free(control->start.disk);
    free(control);
}

/* ---- The journal (S8) ------------------------------------------------------------------------ */

enum { JOURNAL_BATCH = 120, JOURNAL_LAPS = 9 };

/* What a transaction of the run is like. */
enum load { ONE_OBJECT, LARGEST, MIXED };

static uint64_t journal_least(void)
{
    struct database_fixture probe;
    database_fixture_init(&probe, 1);
    probe.create.batch_max = JOURNAL_BATCH;
    EXPECT(database_fixture_open(&probe, true) == TACTUS_OK);
    const uint64_t least = 6 * probe.create.bar_beats * probe.db->sizing->entry_bytes_max;
    database_fixture_end(&probe);
    return least;
}

/* As many objects of each collection as a transaction may have. */
static enum tactus_status run_largest(struct database_fixture *target, uint64_t number)
{
    static struct fixture_item items[JOURNAL_BATCH];
    static struct fixture_pair pairs[JOURNAL_BATCH];
    static struct fixture_entry entries[JOURNAL_BATCH];
    for (uint32_t index = 0; index < JOURNAL_BATCH; index += 1) {
        const uint64_t id = number * JOURNAL_BATCH + index;
        items[index] = database_fixture_item(1 + id % 5000, (uint32_t)number % 8);
        pairs[index] = (struct fixture_pair){.id = {.low = 1 + id % 3000, .high = 1}, .flag = 1};
        entries[index] = (struct fixture_entry){.at = (int64_t)id, .size = index};
    }
    tactus_txn *txn = database_fixture_txn(target);
    EXPECT(tactus_upsert(txn, target->items, items, JOURNAL_BATCH, NULL) == TACTUS_OK);
    EXPECT(tactus_upsert(txn, target->pairs, pairs, JOURNAL_BATCH, NULL) == TACTUS_OK);
    EXPECT(tactus_insert(txn, target->entries, entries, JOURNAL_BATCH, NULL) == TACTUS_OK);
    return tactus_commit(txn, NULL);
}

static void run_load(struct database_fixture *target, enum load load, struct random *random)
{
    const uint64_t number = last_op(target);
    const bool largest = load == LARGEST || (load == MIXED && random_chance(random, 1, 3));
    if (largest) {
        EXPECT(run_largest(target, number) == TACTUS_OK);
    } else if (load == MIXED && random_chance(random, 1, 40)) {
        EXPECT(tactus_checkpoint(target->db) == TACTUS_OK);
    } else if (load == MIXED && random_chance(random, 1, 40)) {
        database_fixture_reopen(target);
    } else {
        EXPECT(database_fixture_insert(target, 10000 + number, 1, 3) == TACTUS_OK);
    }
}

/* In 96ths of the journal, rounded up. */
static uint64_t fullest_journal(uint64_t seed, enum load load)
{
    struct random random;
    random_init(&random, seed);
    struct database_fixture run;
    database_fixture_init(&run, seed);
    run.create.batch_max = JOURNAL_BATCH;
    run.create.journal_bytes = journal_least();
    run.open.sync = TACTUS_SYNC_NONE;
    EXPECT(database_fixture_open(&run, true) == TACTUS_OK);
    const uint64_t ring = run.create.journal_bytes;
    const uint64_t entry_max = run.db->sizing->entry_bytes_max;
    EXPECT(run.db->layout.journal_bytes == ring);
    uint64_t written = 0;
    uint64_t fullest = 0;
    while (written < JOURNAL_LAPS * ring) {
        run_load(&run, load, &random);
        const uint64_t used = journal_used_bytes(&run.db->journal);
        EXPECT(used <= ring / 12 * 11 + entry_max);
        if (used > fullest) fullest = used;
        written += load == LARGEST ? entry_max : 4096;
    }
    EXPECT(run.db->forest.counters.checkpoints > 4);
    database_fixture_end(&run);
    return (fullest * 96 + ring - 1) / ring;
}

TEST(background, the_journal_is_never_fuller_than_eleven_twelfths_and_a_laps_end)
{
    const struct test_seeds seeds = test_seeds(2);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        const uint64_t one = fullest_journal(seed, ONE_OBJECT);
        const uint64_t largest = fullest_journal(seed, LARGEST);
        const uint64_t mixed = fullest_journal(seed, MIXED);
        printf(
            "background: of 96 parts of the smallest journal %llu are used by one-object "
            "transactions at most, %llu by the largest ones, %llu by both and checkpoints\n",
            (unsigned long long)one,
            (unsigned long long)largest,
            (unsigned long long)mixed
        );
        EXPECT(one > 48 && largest > 48 && mixed > 48); /* it came near the bound at all */
    }
}

TEST_MAIN()
