/* Where one thing ends and the next begins: a bar and its capture, a batch, the tables that a file
 * may have, the time after which a commit is durable; and a history that goes on otherwise than it
 * would have, because the end of it was lost.
 *
 * A checkpoint is made at the end of a bar, and a bar ends when a transaction comes that does not
 * fit into it any more. So the checkpoint has a cause, and the cause can be lost: then the same
 * history, as it is known after a reopen, must never have had that checkpoint. What the tests here
 * compare is the whole: the digest of the contents and that of the canonical image. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "support/database_fixture.h"
#include "support/engine_model.h"
#include "support/test.h"

#include "base/poison.h"

enum { IDS = 400, EVENTS = 20, BAR = 4 };

static struct database_fixture fixture;

/* Transaction `number` of a history: the same whenever and wherever it is run. Two of EVENTS do not
 * fit one beat. */
static enum tactus_status run_transaction(
    struct database_fixture *target, uint64_t number, uint32_t count
)
{
    struct random random;
    random_init(&random, number);
    tactus_txn *txn = NULL;
    enum tactus_status status = tactus_begin(target->db, NULL, &txn);
    for (uint32_t index = 0; index < count && status == TACTUS_OK; index += 1) {
        const uint64_t id = 1 + random_below(&random, IDS);
        const struct fixture_item item =
            database_fixture_item(id, (uint32_t)random_below(&random, 8));
        status = tactus_upsert(txn, target->items, &item, 1, NULL);
    }
    if (status == TACTUS_OK) {
        const struct fixture_pair pair = {.id = {.low = number % 50, .high = 1}, .flag = 1};
        status = tactus_upsert(txn, target->pairs, &pair, 1, NULL);
    }
    if (status == TACTUS_OK) return tactus_commit(txn, NULL);
    tactus_rollback(txn);
    return status;
}

static bool has_item(const struct database_fixture *target, uint64_t id)
{
    struct fixture_item item;
    const enum tactus_status status =
        tactus_get(tactus_latest(target->db), target->items, &id, 1, &item, NULL);
    EXPECT(status == TACTUS_OK || status == TACTUS_ABSENT);
    return status == TACTUS_OK;
}

static struct tactus_digest digest_of(const struct database_fixture *target)
{
    struct tactus_digest digest = {0};
    EXPECT(tactus_digest(target->db, &digest) == TACTUS_OK);
    return digest;
}

static bool digests_equal(const struct tactus_digest *a, const struct tactus_digest *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* A call in which the disk may have died. IO: it died while the file grew, before anything else. */
static bool may_end_so(enum tactus_status status)
{
    return status == TACTUS_OK || status == TACTUS_POISONED || status == TACTUS_IO;
}

static uint64_t last_op(const struct database_fixture *target)
{
    return database_fixture_stats(target).op;
}

/* ---- A capture that outlives its cause ------------------------------------------------------- */

/* A moment of a history, closed, and what comes of it with and without the next transaction. */
struct moment {
    struct database_fixture before;
    uint64_t number;                 /* of the transaction that comes next */
    uint64_t op;                     /* the last one before it */
    struct tactus_digest digests[2]; /* at the end, without and with it */
};

enum { SMALL_ID = 100000, SMALL_NUMBER = 5000, TAIL = 9, CAPTURES_WANTED = 4 };

static uint64_t lost_count, kept_count;

static struct database_fixture clone_of(const struct database_fixture *source)
{
    struct database_fixture clone = *source;
    clone.db = NULL;
    clone.disk = simulated_disk_clone(source->disk);
    return clone;
}

/* What follows: more transactions, then a complete checkpoint. */
static struct tactus_digest digest_at_end(struct database_fixture *target)
{
    for (uint64_t index = 0; index < TAIL; index += 1) {
        EXPECT(run_transaction(target, SMALL_NUMBER + index, EVENTS) == TACTUS_OK);
    }
    EXPECT(tactus_checkpoint(target->db) == TACTUS_OK);
    return digest_of(target);
}

static void moment_prepare(struct moment *moment)
{
    for (uint32_t with = 0; with < 2; with += 1) {
        struct database_fixture run = clone_of(&moment->before);
        EXPECT(database_fixture_open(&run, false) == TACTUS_OK);
        moment->op = last_op(&run);
        if (with == 1) EXPECT(run_transaction(&run, moment->number, EVENTS) == TACTUS_OK);
        EXPECT(database_fixture_insert(&run, SMALL_ID, 1, 7) == TACTUS_OK);
        moment->digests[with] = digest_at_end(&run);
        database_fixture_end(&run);
    }
}

static void expect_small(const struct database_fixture *source, uint32_t flags, uint64_t op)
{
    struct database_fixture reader = clone_of(source);
    reader.open.flags = flags;
    EXPECT(database_fixture_open(&reader, false) == TACTUS_OK);
    EXPECT(last_op(&reader) == op);
    EXPECT(has_item(&reader, SMALL_ID));
    database_fixture_end(&reader);
}

/* The disk is as the crash has left it. Something else is done than what was lost. */
static void go_on(const struct moment *moment, struct database_fixture *after, bool acknowledged)
{
    EXPECT(database_fixture_open(after, false) == TACTUS_OK);
    const uint64_t op = last_op(after);
    const bool is_there = op == moment->op + 1;
    EXPECT(is_there || (op == moment->op && !acknowledged));
    lost_count += !is_there;
    kept_count += is_there;
    EXPECT(!has_item(after, SMALL_ID));
    EXPECT(database_fixture_insert(after, SMALL_ID, 1, 7) == TACTUS_OK);
    EXPECT(database_fixture_close(after) == TACTUS_OK);
    expect_small(after, TACTUS_READ_ONLY_OPEN, op + 1);
    expect_small(after, 0, op + 1);
    EXPECT(database_fixture_open(after, false) == TACTUS_OK);
    const struct tactus_digest digest = digest_at_end(after);
    EXPECT(digests_equal(&digest, &moment->digests[is_there]));
    EXPECT(database_fixture_close(after) == TACTUS_OK);
}

/* The entry's own write fails; the process ends; with or without the power. */
static void lose_the_entry(const struct moment *moment, enum simulated_crash_kind crash)
{
    struct database_fixture run = clone_of(&moment->before);
    EXPECT(database_fixture_open(&run, false) == TACTUS_OK);
    const struct layout *layout = &run.db->layout;
    const struct simulated_fault fault = {
        .kind = SIMULATED_WRITE_ERROR,
        .from = layout->journal_offset,
        .to = layout->journal_offset + layout->journal_bytes,
        .is_sticky = true,
    };
    simulated_disk_fault_add(run.disk, fault);
    const enum tactus_status status = run_transaction(&run, moment->number, EVENTS);
    /* Who did not wait for it is told later. */
    if (status != TACTUS_POISONED) EXPECT(run.open.sync == TACTUS_SYNC_NONE);
    EXPECT(database_fixture_close(&run) == TACTUS_POISONED);
    simulated_disk_fault_clear(run.disk);
    simulated_disk_crash(run.disk, (struct simulated_crash){.kind = crash});
    go_on(moment, &run, false);
    simulated_disk_free(run.disk);
}

/* False: the transaction was over before the disk died, and so was the close, which ends the
 * checkpoint that is under way. */
static bool crash_within(const struct moment *moment, uint64_t nth, struct random *random)
{
    struct database_fixture run = clone_of(&moment->before);
    EXPECT(database_fixture_open(&run, false) == TACTUS_OK);
    simulated_disk_seed(run.disk, random_u64(random));
    simulated_disk_crash_at(run.disk, nth);
    const enum tactus_status status = run_transaction(&run, moment->number, EVENTS);
    EXPECT(may_end_so(status));
    const bool acknowledged = status == TACTUS_OK;
    const enum tactus_status closed = database_fixture_close(&run);
    EXPECT(closed == TACTUS_OK || closed == TACTUS_POISONED);
    const bool durable = acknowledged && run.open.sync == TACTUS_SYNC_COMMIT;
    const uint32_t outcomes = simulated_disk_outcome_count(run.disk);
    const uint32_t random_outcome = (uint32_t)random_below(random, outcomes);
    const uint32_t tried[] = {0, outcomes > 1 ? 1 : 0, random_outcome};
    for (uint32_t index = 0; index < 3; index += 1) {
        struct database_fixture after = clone_of(&run);
        simulated_disk_crash(after.disk, simulated_disk_outcome(run.disk, tried[index]));
        go_on(moment, &after, durable);
        simulated_disk_free(after.disk);
    }
    simulated_disk_free(run.disk);
    return !acknowledged || closed != TACTUS_OK;
}

static void lose_at(struct moment *moment, struct random *random)
{
    moment_prepare(moment);
    lose_the_entry(moment, SIMULATED_KEEP_ALL);
    lose_the_entry(moment, SIMULATED_DROP_ALL);
    uint64_t nth = 1 + random_below(random, 3);
    while (crash_within(moment, nth, random)) {
        nth += 1 + random_below(random, 6);
    }
}

static void run_to_captures(uint64_t seed)
{
    test_seed_begin(seed);
    struct random random;
    random_init(&random, seed);
    database_fixture_init(&fixture, seed);
    fixture.open.sync = seed % 2 == 0 ? TACTUS_SYNC_NONE : TACTUS_SYNC_COMMIT;
    EXPECT(database_fixture_open(&fixture, true) == TACTUS_OK);
    uint32_t captures = 0;
    for (uint64_t number = seed * 1000; captures < CAPTURES_WANTED; number += 1) {
        EXPECT(number < seed * 1000 + 400);
        const struct schedule *schedule = &fixture.db->forest.schedule;
        const bool is_due = schedule->beat % BAR == 0 && schedule->checkpoint_due;
        const uint64_t beat_capture = schedule->beat_capture;
        if (is_due || random_chance(&random, 1, 30)) {
            EXPECT(database_fixture_close(&fixture) == TACTUS_OK);
            struct moment moment = {.before = clone_of(&fixture), .number = number};
            lose_at(&moment, &random);
            simulated_disk_free(moment.before.disk);
            EXPECT(database_fixture_open(&fixture, false) == TACTUS_OK);
        }
        EXPECT(run_transaction(&fixture, number, EVENTS) == TACTUS_OK);
        schedule = &fixture.db->forest.schedule;
        if (is_due) EXPECT(schedule->beat_capture > beat_capture);
        captures += is_due;
    }
    database_fixture_end(&fixture);
}

TEST(boundary, a_capture_never_outlives_the_entry_that_made_it_due)
{
    const struct test_seeds seeds = test_seeds(2);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1)
        run_to_captures(seed);
    printf(
        "boundary: the transaction was lost %llu times, kept %llu times\n",
        (unsigned long long)lost_count,
        (unsigned long long)kept_count
    );
    EXPECT(lost_count > 0 && kept_count > 0);
}

/* ---- Checkpoint operations at every place of a bar ------------------------------------------- */

enum { PLACES = 44, LOOKS_MAX = 8 };

static uint64_t replayed_checkpoint_count;

/* What there was to see after each operation. */
struct looks {
    struct tactus_digest digests[LOOKS_MAX];
    uint64_t ops[LOOKS_MAX];
    uint32_t count;
    uint32_t reopens; /* bit i: reopen before the i-th look */
};

static void look(struct database_fixture *target, struct looks *looks)
{
    EXPECT(looks->count < LOOKS_MAX);
    if ((looks->reopens >> looks->count & 1) != 0) database_fixture_reopen(target);
    looks->digests[looks->count] = digest_of(target);
    looks->ops[looks->count] = last_op(target);
    looks->count += 1;
}

static void run_to_place(struct database_fixture *run, uint32_t place, uint32_t sync)
{
    database_fixture_init(run, place);
    run->open.sync = sync;
    EXPECT(database_fixture_open(run, true) == TACTUS_OK);
    for (uint32_t number = 0; number < place; number += 1) {
        /* Beats of one transaction and of two. */
        EXPECT(run_transaction(run, number, number % 3 == 0 ? EVENTS / 2 : EVENTS) == TACTUS_OK);
    }
}

/* `place` transactions, then checkpoints: one, one more over nothing new, one over one small
 * transaction; and what comes after them. True: a capture was due in the bar of the first. */
static bool run_place(uint32_t place, uint32_t sync, struct looks *looks)
{
    struct database_fixture run;
    run_to_place(&run, place, sync);
    look(&run, looks);
    const bool is_due = run.db->forest.schedule.checkpoint_due;
    EXPECT(tactus_checkpoint(run.db) == TACTUS_OK);
    look(&run, looks);
    EXPECT(tactus_checkpoint(run.db) == TACTUS_OK);
    look(&run, looks);
    EXPECT(database_fixture_insert(&run, SMALL_ID, 1, 7) == TACTUS_OK);
    look(&run, looks);
    EXPECT(tactus_checkpoint(run.db) == TACTUS_OK);
    look(&run, looks);
    EXPECT(database_fixture_insert(&run, SMALL_ID + 1, 1, 7) == TACTUS_OK);
    EXPECT(tactus_checkpoint(run.db) == TACTUS_OK);
    look(&run, looks);
    for (uint32_t number = 0; number < 2 * BAR + 1; number += 1) {
        EXPECT(run_transaction(&run, 900 + number, EVENTS) == TACTUS_OK);
    }
    look(&run, looks);
    EXPECT(tactus_checkpoint(run.db) == TACTUS_OK);
    look(&run, looks);
    EXPECT(has_item(&run, SMALL_ID) && has_item(&run, SMALL_ID + 1));
    database_fixture_end(&run);
    return is_due;
}

TEST(boundary, a_checkpoint_at_any_beat_of_a_bar_is_the_same_whenever_the_file_is_reopened)
{
    uint32_t due_count = 0;
    for (uint32_t place = 0; place < PLACES; place += 1) {
        struct random random;
        random_init(&random, place);
        struct looks plain = {0};
        due_count += run_place(place, TACTUS_SYNC_COMMIT, &plain);
        const uint32_t reopens[] = {0xff, 0x55, 1, (uint32_t)random_below(&random, 256)};
        for (uint32_t index = 0; index < sizeof reopens / sizeof reopens[0]; index += 1) {
            struct looks looks = {.reopens = reopens[index]};
            (void)run_place(place, index % 2 == 0 ? TACTUS_SYNC_NONE : TACTUS_SYNC_COMMIT, &looks);
            EXPECT(looks.count == plain.count);
            EXPECT(memcmp(looks.ops, plain.ops, sizeof plain.ops) == 0);
            EXPECT(memcmp(looks.digests, plain.digests, sizeof plain.digests) == 0);
        }
    }
    EXPECT(due_count > 0);
}

/* The power fails within the first checkpoint: its entry is there or not. If it is, the reopen
 * makes the checkpoint that the operation would have made. */
static void crash_at_place(uint32_t place, const struct looks *plain, struct random *random)
{
    struct database_fixture run;
    run_to_place(&run, place, TACTUS_SYNC_COMMIT);
    simulated_disk_seed(run.disk, random_u64(random));
    simulated_disk_crash_at(run.disk, 1 + random_below(random, 40));
    const uint64_t op = last_op(&run);
    const enum tactus_status status = tactus_checkpoint(run.db);
    EXPECT(may_end_so(status));
    (void)database_fixture_close(&run);
    run.db = NULL;
    const uint32_t outcomes = simulated_disk_outcome_count(run.disk);
    const uint32_t index = (uint32_t)random_below(random, outcomes);
    simulated_disk_crash(run.disk, simulated_disk_outcome(run.disk, index));

    EXPECT(database_fixture_open(&run, false) == TACTUS_OK);
    const bool is_there = last_op(&run) == op + 1;
    EXPECT(is_there || (last_op(&run) == op && status != TACTUS_OK));
    replayed_checkpoint_count += is_there && database_fixture_stats(&run).replayed_ops > 0;
    struct looks looks = {0};
    if (!is_there) EXPECT(tactus_checkpoint(run.db) == TACTUS_OK);
    look(&run, &looks);
    EXPECT(digests_equal(&looks.digests[0], &plain->digests[1]));
    EXPECT(database_fixture_insert(&run, SMALL_ID, 1, 7) == TACTUS_OK);
    EXPECT(tactus_checkpoint(run.db) == TACTUS_OK);
    look(&run, &looks);
    EXPECT(digests_equal(&looks.digests[1], &plain->digests[4]));
    database_fixture_end(&run);
}

TEST(boundary, a_checkpoint_that_a_crash_interrupts_is_made_by_the_reopen_or_never_was)
{
    const struct test_seeds seeds = test_seeds(1);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        struct random random;
        random_init(&random, seed);
        for (uint32_t place = 1; place < PLACES; place += 1) {
            struct looks plain = {0};
            (void)run_place(place, TACTUS_SYNC_COMMIT, &plain);
            for (uint32_t times = 0; times < 3; times += 1)
                crash_at_place(place, &plain, &random);
        }
    }
    printf(
        "boundary: %llu checkpoints made by replay\n", (unsigned long long)replayed_checkpoint_count
    );
    EXPECT(replayed_checkpoint_count > 0);
}

/* ---- Another history after the crash --------------------------------------------------------- */

enum { CHANGES_BACK = 20 };

static uint64_t outcome_count, due_count;

/* At the end: after a complete checkpoint. */
static struct tactus_digest digest_of_model(struct model *model)
{
    struct tactus_digest digest = {0};
    EXPECT(tactus_checkpoint(model->db) == TACTUS_OK);
    EXPECT(tactus_digest(model->db, &digest) == TACTUS_OK);
    return digest;
}

static void reopen_model(struct model *model, struct simulated_disk *disk, uint32_t items)
{
    struct reactor reactor;
    simulated_disk_open_read_only(&reactor, disk);
    EXPECT(model_open_read_only(model, &reactor) == TACTUS_OK);
    model_recover(model);
    model_close(model);
    model_reopen(model, disk);
    for (uint32_t item = 0; item < items; item += 1)
        EXPECT(model_step(model) == TACTUS_OK);
    if (items > 0) model_compare(model);
    model_close_durable(model);
}

/* What is done after the crash. Items are made from the seed: with another one, other transactions
 * come than those that were lost, larger and smaller ones. */
struct sequel {
    uint64_t item; /* the first of them */
    uint64_t seed;
    uint32_t items;       /* before the first reopen */
    uint32_t items_after; /* and after it */
};

static struct tactus_digest run_sequel(
    const struct model *model,
    struct simulated_disk *after,
    struct random *random,
    struct sequel *sequel
)
{
    struct model *copy = model_copy(model);
    model_reopen(copy, after);
    *sequel = (struct sequel){
        .item = copy->now.item,
        .seed = random_u64(random),
        .items = (uint32_t)(random_below(random, 3) * random_below(random, 6)),
        .items_after = (uint32_t)random_below(random, 4),
    };
    copy->options.seed = sequel->seed;
    for (uint32_t item = 0; item < sequel->items; item += 1)
        EXPECT(model_step(copy) == TACTUS_OK);
    model_close_durable(copy);
    reopen_model(copy, after, sequel->items_after);
    reopen_model(copy, after, 0);
    model_reopen(copy, after);
    const struct tactus_digest digest = digest_of_model(copy);
    model_free(copy);
    return digest;
}

/* The same on a disk that never crashed: from where it stood before, without what was lost. */
static struct tactus_digest run_without_crash(
    const struct model *model, const struct simulated_disk *disk, const struct sequel *sequel
)
{
    struct simulated_disk *control = simulated_disk_clone(disk);
    struct model *copy = model_copy(model);
    model_reopen(copy, control);
    while (copy->now.item < sequel->item)
        EXPECT(model_step(copy) == TACTUS_OK);
    copy->options.seed = sequel->seed;
    for (uint32_t item = 0; item < sequel->items + sequel->items_after; item += 1)
        EXPECT(model_step(copy) == TACTUS_OK);
    const struct tactus_digest digest = digest_of_model(copy);
    model_free(copy);
    simulated_disk_free(control);
    return digest;
}

/* Runs a copy until the disk dies with its `nth` change, then tries what that may leave. */
static void crash_with(
    const struct model *model,
    const struct simulated_disk *disk,
    uint64_t nth,
    struct random *random
)
{
    struct simulated_disk *doomed = simulated_disk_clone(disk);
    struct model *copy = model_copy(model);
    simulated_disk_crash_at(doomed, nth);
    model_run_to_death(copy, doomed);
    const uint32_t count = simulated_disk_outcome_count(doomed);
    const uint32_t step = count <= 4 ? 1 : count / 4;
    for (uint32_t index = 0; index < count; index += step) {
        struct simulated_disk *after = simulated_disk_clone(doomed);
        simulated_disk_crash(after, simulated_disk_outcome(doomed, index));
        struct sequel sequel;
        const struct tactus_digest digest = run_sequel(copy, after, random, &sequel);
        const struct tactus_digest expected = run_without_crash(model, disk, &sequel);
        EXPECT(digests_equal(&digest, &expected));
        outcome_count += 1;
        simulated_disk_free(after);
    }
    model_free(copy);
    simulated_disk_free(doomed);
}

/* The next transaction that does not fit the beat sets off a capture. */
static bool is_capture_due(const struct model *model)
{
    const struct schedule *schedule = &model->db->forest.schedule;
    return schedule->beat % BAR == 0 && schedule->checkpoint_due;
}

/* Changes from here, an open among them, until the transaction that sets off a capture is over. */
static uint64_t changes_to_capture(const struct model *model, const struct simulated_disk *disk)
{
    struct simulated_disk *copied = simulated_disk_clone(disk);
    struct model *copy = model_copy(model);
    const uint64_t before = simulated_disk_change_count(copied);
    model_reopen(copy, copied);
    const uint64_t beat_capture = copy->db->superblock.checkpoint.beat_capture;
    while (copy->db->superblock.checkpoint.beat_capture == beat_capture)
        EXPECT(model_step(copy) == TACTUS_OK);
    const uint64_t changes = simulated_disk_change_count(copied) - before;
    model_free(copy);
    simulated_disk_free(copied);
    return changes;
}

static void crash_sometimes(
    const struct model *model, const struct simulated_disk *disk, bool is_due, struct random *random
)
{
    if (!is_due) {
        crash_with(model, disk, 1 + random_below(random, 60), random);
        return;
    }
    const uint64_t end = changes_to_capture(model, disk);
    EXPECT(end > CHANGES_BACK);
    crash_with(model, disk, end, random);
    crash_with(model, disk, end - random_below(random, 3), random);
    crash_with(model, disk, end - random_below(random, CHANGES_BACK), random);
    crash_with(model, disk, end + random_below(random, 4), random);
    due_count += 1;
}

static void run_other_histories(uint64_t seed)
{
    test_seed_begin(seed);
    struct random random;
    random_init(&random, seed);
    const struct model_options options = {
        .seed = seed,
        .sync = random_chance(&random, 1, 2) ? TACTUS_SYNC_COMMIT : TACTUS_SYNC_NONE,
        .checkpoints = random_chance(&random, 2, 3) ? 0 : 20,
        .cache_bytes = random_chance(&random, 1, 2) ? 0 : 1 << 20,
        .batch_max = random_chance(&random, 1, 2) ? 32 : 96,
    };
    const struct simulated_disk_options disk_options = {
        .seed = seed, .size_max = UINT64_C(1) << 30};
    struct model *model = model_new(&options);
    struct simulated_disk *disk = simulated_disk_new(&disk_options);
    model_begin(model, disk);
    for (uint32_t round = 0; round < 7; round += 1) {
        const uint64_t items = random_below(&random, 20);
        for (uint64_t item = 0; item < items; item += 1)
            EXPECT(model_step(model) == TACTUS_OK);
        const uint64_t most = random_chance(&random, 2, 3) ? 80 : 0;
        for (uint64_t item = 0; item < most && !is_capture_due(model); item += 1)
            EXPECT(model_step(model) == TACTUS_OK);
        const bool is_due = is_capture_due(model);
        model_close_durable(model);
        crash_sometimes(model, disk, is_due, &random);
        model_reopen(model, disk);
    }
    model_free(model);
    simulated_disk_free(disk);
}

TEST(boundary, after_a_crash_another_history_than_before_is_kept_as_well)
{
    const struct test_seeds seeds = test_seeds(4);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1)
        run_other_histories(seed);
    printf(
        "boundary: %llu outcomes gone on from, %llu captures\n",
        (unsigned long long)outcome_count,
        (unsigned long long)due_count
    );
}

/* ---- As many tables as the file may have ----------------------------------------------------- */

enum { TABLES_BATCH = 8, TABLES_IDS_MAX = 1 << 17, STALLED_MAX = 4 };

static uint64_t table_ids[TABLES_IDS_MAX];

static void begin_with_few_tables(uint32_t factor)
{
    database_fixture_init(&fixture, factor);
    fixture.open.sync = TACTUS_SYNC_NONE;
    fixture.open.cache_bytes = 1 << 20;
    fixture.create.batch_max = TABLES_BATCH;
    fixture.create.tables_max = 1;
    struct tactus_plan plan = {.struct_bytes = sizeof plan};
    while (tactus_memory_required(database_fixture_schema(), &fixture.create, NULL, &plan, NULL) !=
           TACTUS_OK) {
        fixture.create.tables_max += 1;
    }
    fixture.create.tables_max *= factor;
    EXPECT(database_fixture_open(&fixture, true) == TACTUS_OK);
}

/* Ids that lie far from each other, so that every table overlaps many. How many went in. */
static uint64_t insert_until_refused(struct random *random)
{
    uint64_t count = 0;
    for (;;) {
        EXPECT(count + TABLES_BATCH <= TABLES_IDS_MAX);
        tactus_txn *txn = database_fixture_txn(&fixture);
        for (uint32_t index = 0; index < TABLES_BATCH; index += 1) {
            const uint64_t id = 1 + (count + index) * 7919 % 1000003;
            const struct fixture_item item =
                database_fixture_item(id, (uint32_t)random_below(random, 100));
            EXPECT(tactus_insert(txn, fixture.items, &item, 1, NULL) == TACTUS_OK);
            table_ids[count + index] = id;
        }
        const enum tactus_status status = tactus_commit(txn, NULL);
        if (status != TACTUS_OK) {
            EXPECT(status == TACTUS_LIMIT);
            EXPECT(database_fixture_says(&fixture, "tables_max is reached"));
            return count;
        }
        count += TABLES_BATCH;
    }
}

static void shuffle_ids(struct random *random, uint64_t count)
{
    for (uint64_t index = count; index > 1; index -= 1) {
        const uint64_t other = random_below(random, index);
        const uint64_t id = table_ids[index - 1];
        table_ids[index - 1] = table_ids[other];
        table_ids[other] = id;
    }
}

static enum tactus_status remove_batch(uint64_t count)
{
    tactus_txn *txn = database_fixture_txn(&fixture);
    const uint64_t *ids = table_ids + count - TABLES_BATCH;
    EXPECT(tactus_remove(txn, fixture.items, ids, TABLES_BATCH, NULL) == TACTUS_OK);
    return tactus_commit(txn, NULL);
}

/* Removes the last ids first, so long as anything helps; how many are left. */
static uint64_t remove_until_stalled(uint64_t count)
{
    for (uint32_t stalled = 0; count > 0 && stalled < STALLED_MAX;) {
        const enum tactus_status status = remove_batch(count);
        if (status == TACTUS_OK) {
            count -= TABLES_BATCH;
            stalled = 0;
            continue;
        }
        EXPECT(status == TACTUS_LIMIT);
        EXPECT(tactus_error(fixture.db)->text[0] != 0);
        const enum tactus_status checkpoint = tactus_checkpoint(fixture.db);
        EXPECT(checkpoint == TACTUS_OK || checkpoint == TACTUS_LIMIT);
        stalled += 1;
    }
    return count;
}

static void fill_tables(uint32_t factor)
{
    test_seed_begin(factor);
    struct random random;
    random_init(&random, factor);
    begin_with_few_tables(factor);
    const uint64_t inserted = insert_until_refused(&random);
    EXPECT(inserted > 0);
    EXPECT(database_fixture_count(&fixture, NULL) == inserted);
    shuffle_ids(&random, inserted);
    const uint64_t left = remove_until_stalled(inserted);
    EXPECT(left < inserted);
    EXPECT(database_fixture_count(&fixture, NULL) == left);
    EXPECT(database_fixture_stats(&fixture).tables <= fixture.create.tables_max);

    database_fixture_reopen(&fixture);
    EXPECT(database_fixture_count(&fixture, NULL) == left);
    const uint64_t left_after = remove_until_stalled(left);
    EXPECT(database_fixture_count(&fixture, NULL) == left_after);
    const enum tactus_status checkpoint = tactus_checkpoint(fixture.db);
    EXPECT(checkpoint == TACTUS_OK || checkpoint == TACTUS_LIMIT);
    const enum tactus_status insert = database_fixture_insert(&fixture, 2000000, 8, 1);
    EXPECT(insert == TACTUS_OK || insert == TACTUS_LIMIT);
    database_fixture_reopen(&fixture);
    const uint64_t more = insert == TACTUS_OK ? 8 : 0;
    EXPECT(database_fixture_count(&fixture, NULL) == left_after + more);
    printf(
        "boundary: %u tables: %llu objects inserted, %llu left when removals stalled\n",
        fixture.create.tables_max,
        (unsigned long long)inserted,
        (unsigned long long)left_after
    );
    database_fixture_end(&fixture);
}

TEST(boundary, at_tables_max_inserts_and_removals_end_in_limit_and_never_in_an_abort)
{
    fill_tables(1);
    fill_tables(2);
    fill_tables(5);
}

/* One object closes no beat, but a checkpoint makes tables of it, in every tree. */
static void checkpoint_with_full_tables(uint32_t factor)
{
    test_seed_begin(factor);
    struct random random;
    random_init(&random, factor);
    begin_with_few_tables(factor);
    uint64_t count = insert_until_refused(&random);
    uint32_t refused = 0;
    for (uint64_t times = 0; times < 60; times += 1) {
        const enum tactus_status insert =
            database_fixture_insert(&fixture, 2000000 + times * 7919, 1, 1);
        EXPECT(insert == TACTUS_OK || insert == TACTUS_LIMIT);
        count += insert == TACTUS_OK;
        const struct tactus_stats before = database_fixture_stats(&fixture);
        const enum tactus_status checkpoint = tactus_checkpoint(fixture.db);
        EXPECT(checkpoint == TACTUS_OK || checkpoint == TACTUS_LIMIT);
        if (checkpoint == TACTUS_OK) continue;
        EXPECT(tactus_error(fixture.db)->text[0] != 0);
        const struct tactus_stats after = database_fixture_stats(&fixture);
        EXPECT(after.op == before.op && after.beat == before.beat);
        EXPECT(after.tables == before.tables);
        refused += 1;
    }
    EXPECT(database_fixture_stats(&fixture).tables <= fixture.create.tables_max);
    EXPECT(database_fixture_count(&fixture, NULL) == count);
    database_fixture_reopen(&fixture);
    EXPECT(database_fixture_count(&fixture, NULL) == count);
    printf("boundary: %u of 60 checkpoints refused at tables_max\n", refused);
    database_fixture_end(&fixture);
}

TEST(boundary, a_checkpoint_at_tables_max_is_made_or_refused_whole)
{
    checkpoint_with_full_tables(1);
    checkpoint_with_full_tables(3);
}

/* ---- A full batch ---------------------------------------------------------------------------- */

TEST(boundary, what_is_refused_is_no_event_of_a_full_batch)
{
    database_fixture_begin(&fixture, 1);
    EXPECT(database_fixture_insert(&fixture, 1, 1, 1) == TACTUS_OK);
    struct fixture_item items[FIXTURE_BATCH + 1];
    struct tactus_result results[FIXTURE_BATCH + 1];
    const uint32_t last = FIXTURE_BATCH;
    for (uint32_t index = 0; index < last; index += 1)
        items[index] = database_fixture_item(10 + index, 2);

    /* The one that is there already comes first, or last: it is none of the batch. */
    items[last] = database_fixture_item(1, 2);
    tactus_txn *txn = database_fixture_txn(&fixture);
    EXPECT(tactus_insert(txn, fixture.items, items, last + 1, results) == TACTUS_SOME);
    EXPECT(results[last].status == TACTUS_EXISTS);
    EXPECT(results[last].timestamp == 1);
    for (uint32_t index = 0; index < last; index += 1)
        EXPECT(results[index].status == TACTUS_OK);

    /* The batch is full, and what is no event is still answered for what it is. */
    const uint64_t absent = 5000;
    const struct fixture_item unknown = database_fixture_item(absent, 2);
    struct fixture_item invalid = database_fixture_item(absent, 2);
    invalid.name[0] = (char)0xff;
    EXPECT(tactus_insert(txn, fixture.items, &items[last], 1, NULL) == TACTUS_EXISTS);
    EXPECT(tactus_remove(txn, fixture.items, &absent, 1, NULL) == TACTUS_ABSENT);
    EXPECT(tactus_update(txn, fixture.items, &unknown, 1, results) == TACTUS_SOME);
    EXPECT(results[0].status == TACTUS_ABSENT);
    EXPECT(tactus_insert(txn, fixture.items, &invalid, 1, NULL) == TACTUS_INVALID);
    EXPECT(tactus_insert(txn, fixture.items, &unknown, 1, NULL) == TACTUS_LIMIT);
    EXPECT(tactus_upsert(txn, fixture.items, &items[last], 1, NULL) == TACTUS_LIMIT);
    EXPECT(tactus_update(txn, fixture.items, &items[last], 1, results) == TACTUS_LIMIT);
    EXPECT(tactus_remove(txn, fixture.items, &items[last].id, 1, NULL) == TACTUS_LIMIT);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    EXPECT(database_fixture_count(&fixture, NULL) == FIXTURE_BATCH + 1);

    /* Without results the first refusal is the answer, and nothing was done. */
    txn = database_fixture_txn(&fixture);
    for (uint32_t index = 0; index < last; index += 1)
        items[index] = database_fixture_item(100 + index, 2);
    EXPECT(tactus_insert(txn, fixture.items, items, last + 1, NULL) == TACTUS_EXISTS);
    EXPECT(tactus_insert(txn, fixture.items, items, last, NULL) == TACTUS_OK);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    database_fixture_reopen(&fixture);
    EXPECT(database_fixture_count(&fixture, NULL) == 2 * FIXTURE_BATCH + 1);
    database_fixture_end(&fixture);
}

TEST(boundary, a_timestamp_that_is_refused_is_no_event_of_a_full_batch)
{
    database_fixture_begin(&fixture, 1);
    struct tactus_txn_options options;
    tactus_txn_options_default(&options);
    options.flags = TACTUS_TIMESTAMPS_GIVEN;
    tactus_txn *txn = NULL;
    EXPECT(tactus_begin(fixture.db, &options, &txn) == TACTUS_OK);
    struct fixture_entry entries[FIXTURE_BATCH + 1] = {0};
    struct tactus_result results[FIXTURE_BATCH + 1];
    for (uint32_t index = 0; index < FIXTURE_BATCH; index += 1)
        entries[index].timestamp = 10 + index;
    entries[FIXTURE_BATCH].timestamp = 5; /* below the ones before it */
    EXPECT(tactus_insert(txn, fixture.entries, entries, FIXTURE_BATCH + 1, results) == TACTUS_SOME);
    EXPECT(results[FIXTURE_BATCH].status == TACTUS_INVALID);
    EXPECT(results[FIXTURE_BATCH - 1].status == TACTUS_OK);
    entries[FIXTURE_BATCH].timestamp = 500;
    EXPECT(
        tactus_insert(txn, fixture.entries, &entries[FIXTURE_BATCH], 1, results) == TACTUS_LIMIT
    );
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    database_fixture_end(&fixture);
}

/* ---- sync=interval, when only reads come ----------------------------------------------------- */

#define INTERVAL_NS UINT64_C(1000000000)

enum read_call { READ_GET, READ_TIMESTAMP, READ_PREPARE, READ_RUN, READ_NEXT, READ_DIGEST, READS };

static void read_by(enum read_call call, tactus_query **query)
{
    const uint64_t one = 1;
    struct fixture_item item;
    struct tactus_digest digest;
    uint32_t count = 0;
    tactus_view *view = tactus_latest(fixture.db);
    switch (call) {
    case READ_GET:
        EXPECT(tactus_get(view, fixture.items, &one, 1, &item, NULL) == TACTUS_OK);
        return;
    case READ_TIMESTAMP:
        EXPECT(tactus_get_by_timestamp(view, fixture.items, &one, 1, &item, NULL) == TACTUS_OK);
        return;
    case READ_PREPARE:
        tactus_query_close(*query);
        EXPECT(tactus_prepare(fixture.db, fixture.items, NULL, NULL, query) == TACTUS_OK);
        return;
    case READ_RUN: EXPECT(tactus_run(*query, view, NULL) == TACTUS_OK); return;
    case READ_NEXT: EXPECT(tactus_next(*query, &item, 1, &count) == TACTUS_OK); return;
    case READ_DIGEST: EXPECT(tactus_digest(fixture.db, &digest) == TACTUS_OK); return;
    case READS: break;
    }
    EXPECT(false);
}

/* The first call after the interval asks for the flush; how many until it is done is the disk's
 * affair. */
static void read_until_flushed(enum read_call call, tactus_query **query)
{
    simulated_disk_advance(fixture.disk, INTERVAL_NS);
    for (uint32_t times = 0; times < 4; times += 1) {
        read_by(call, query);
        simulated_disk_advance(fixture.disk, INTERVAL_NS / 2);
    }
}

/* Two commits that are not durable, and a query that runs over them. */
static tactus_query *begin_interval(void)
{
    database_fixture_init(&fixture, 1);
    fixture.open.sync = TACTUS_SYNC_INTERVAL;
    fixture.open.sync_interval_ns = INTERVAL_NS;
    EXPECT(database_fixture_open(&fixture, true) == TACTUS_OK);
    EXPECT(database_fixture_insert(&fixture, 1, 3, 1) == TACTUS_OK);
    EXPECT(database_fixture_insert(&fixture, 4, 3, 1) == TACTUS_OK);
    tactus_query *query = NULL;
    EXPECT(tactus_prepare(fixture.db, fixture.items, NULL, NULL, &query) == TACTUS_OK);
    EXPECT(tactus_run(query, tactus_latest(fixture.db), NULL) == TACTUS_OK);
    EXPECT(database_fixture_stats(&fixture).op == 2);
    EXPECT(database_fixture_stats(&fixture).op_durable == 0);
    return query;
}

TEST(boundary, a_commit_is_durable_after_the_interval_if_only_reads_come)
{
    for (uint32_t call = 0; call < READS; call += 1) {
        tactus_query *query = begin_interval();
        read_by((enum read_call)call, &query);
        EXPECT(database_fixture_stats(&fixture).op_durable == 0); /* not yet */
        read_until_flushed((enum read_call)call, &query);
        EXPECT(database_fixture_stats(&fixture).op_durable == 2);

        /* From here on nothing gets durable any more, and then the power fails. */
        tactus_query_close(query);
        const struct simulated_fault write = {.kind = SIMULATED_WRITE_ERROR, .is_sticky = true};
        const struct simulated_fault flush = {.kind = SIMULATED_FLUSH_ERROR, .is_sticky = true};
        simulated_disk_fault_add(fixture.disk, write);
        simulated_disk_fault_add(fixture.disk, flush);
        (void)database_fixture_close(&fixture);
        simulated_disk_fault_clear(fixture.disk);
        simulated_disk_crash(fixture.disk, (struct simulated_crash){.kind = SIMULATED_DROP_ALL});
        EXPECT(database_fixture_open(&fixture, false) == TACTUS_OK);
        EXPECT(database_fixture_count(&fixture, NULL) == 6);
        database_fixture_end(&fixture);
    }
}

TEST(boundary, a_flush_that_fails_during_a_read_is_said_by_the_next_write)
{
    for (uint32_t call = 0; call < READS; call += 1) {
        tactus_query *query = begin_interval();
        const struct simulated_fault fault = {.kind = SIMULATED_FLUSH_ERROR, .is_sticky = true};
        simulated_disk_fault_add(fixture.disk, fault);
        read_until_flushed((enum read_call)call, &query); /* they are right all the same */
        EXPECT(database_fixture_stats(&fixture).op_durable == 0);
        tactus_txn *txn = NULL;
        EXPECT(tactus_begin(fixture.db, NULL, &txn) == TACTUS_POISONED);
        EXPECT(database_fixture_says(&fixture, "could not be flushed"));
        EXPECT(tactus_flush(fixture.db) == TACTUS_POISONED);
        EXPECT(tactus_checkpoint(fixture.db) == TACTUS_POISONED);
        EXPECT(database_fixture_count(&fixture, NULL) == 6);
        tactus_query_close(query);
        EXPECT(database_fixture_close(&fixture) == TACTUS_POISONED);
        simulated_disk_free(fixture.disk);
    }
}

TEST_MAIN()
