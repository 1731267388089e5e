/* A file that is full: by its own size_max, by the disk. What was committed stays, reads and
 * removals go on, nothing is half done. */
#include "support/database_fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/integer.h"
#include "support/test.h"

#include "base/poison.h"

enum { BATCHES_MAX = 3000 };

static struct database_fixture fixture;

/* The least size_max that create accepts. */
static uint64_t size_max_least(struct tactus_create_options create)
{
    uint64_t fails = 4096;
    uint64_t fits = create.size_max;
    while (fails + 4096 < fits) {
        create.size_max = (fails + (fits - fails) / 2) / 4096 * 4096;
        struct tactus_plan plan = {.struct_bytes = sizeof plan};
        const enum tactus_status status =
            tactus_memory_required(database_fixture_schema(), &create, NULL, &plan, NULL);
        EXPECT(status == TACTUS_OK || status == TACTUS_LIMIT);
        if (status == TACTUS_OK) {
            fits = create.size_max;
        } else {
            fails = create.size_max;
        }
    }
    return fits;
}

static void begin_small_with(uint64_t factor, const struct tactus_create_options *create)
{
    database_fixture_init(&fixture, factor);
    fixture.create = *create;
    fixture.create.size_max = size_max_least(*create) * factor;
    EXPECT(database_fixture_open(&fixture, true) == TACTUS_OK);
}

/* Released blocks are kept for so many checkpoints; size_max is that many times the least. */
static void begin_keeping(uint64_t factor, uint32_t keep)
{
    struct tactus_create_options create = database_fixture_create_options();
    create.keep = keep;
    begin_small_with(factor, &create);
}

static void begin_small(uint64_t factor)
{
    begin_keeping(factor, 1);
}

/* In hundredths of W: the least that a checkpoint left free in the file. */
static uint64_t slack_least;

/* A checkpoint, which is admitted, and leaves W in the file whatever came before. */
static void checkpoint(void)
{
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    const struct grid *grid = &fixture.db->grid;
    const uint64_t free_blocks = grid->block_count - free_set_count_acquired(&grid->free_set);
    const uint64_t bar_blocks = fixture.db->forest.schedule.bar_blocks;
    EXPECT(free_blocks >= bar_blocks);
    slack_least = min_u64(slack_least, 100 * free_blocks / bar_blocks);
}

static void say_slack(const char *what)
{
    printf(
        "admission: %s: %llu %% of W or more free in the file after every checkpoint\n",
        what,
        (unsigned long long)slack_least
    );
}

/* Inserts until one is refused: how many batches were accepted. */
static uint64_t fill(enum tactus_status *refusal)
{
    for (uint64_t batch = 0; batch < BATCHES_MAX; batch += 1) {
        const uint64_t id = 1 + batch * FIXTURE_BATCH;
        const uint32_t kind = (uint32_t)(batch % 10);
        *refusal = database_fixture_insert(&fixture, id, FIXTURE_BATCH, kind);
        if (*refusal != TACTUS_OK) return batch;
    }
    *refusal = TACTUS_OK;
    return BATCHES_MAX;
}

static void expect_contents(uint64_t batches)
{
    EXPECT(database_fixture_count(&fixture, NULL) == batches * FIXTURE_BATCH);
    EXPECT(database_fixture_count(&fixture, "kind = 3") == (batches + 6) / 10 * FIXTURE_BATCH);
    uint64_t ids[2] = {1, batches * FIXTURE_BATCH};
    struct fixture_item items[2];
    if (batches == 0) return;
    EXPECT(tactus_get(tactus_latest(fixture.db), fixture.items, ids, 2, items, NULL) == TACTUS_OK);
}

static void fill_to_size_max(uint64_t factor)
{
    begin_small(factor);
    enum tactus_status refusal = TACTUS_OK;
    const uint64_t batches = fill(&refusal);
    EXPECT(batches > 0 && batches < BATCHES_MAX);
    EXPECT(refusal == TACTUS_LIMIT);
    EXPECT(database_fixture_says(&fixture, "size_max is reached"));
    EXPECT(database_fixture_says(&fixture, "remove objects"));
    const struct tactus_stats before = database_fixture_stats(&fixture);
    EXPECT(before.blocks_in_file * 4096 <= fixture.create.size_max);
    expect_contents(batches);
    /* It stays so, and changes nothing. */
    for (uint32_t times = 0; times < 5; times += 1) {
        EXPECT(database_fixture_insert(&fixture, 1000000, FIXTURE_BATCH, 1) == TACTUS_LIMIT);
    }
    const struct tactus_stats after = database_fixture_stats(&fixture);
    EXPECT(after.op == before.op && after.beat == before.beat);
    EXPECT(after.blocks_allocated == before.blocks_allocated);
    expect_contents(batches);
    database_fixture_reopen(&fixture);
    expect_contents(batches);
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    expect_contents(batches);
    database_fixture_reopen(&fixture);
    expect_contents(batches);
    database_fixture_end(&fixture);
}

TEST(admission, at_size_max_inserts_are_refused_and_everything_is_there)
{
    fill_to_size_max(1);
    fill_to_size_max(3);
    fill_to_size_max(5);
}

static void remove_beside_insertions(uint64_t factor)
{
    begin_small(factor);
    enum tactus_status refusal = TACTUS_OK;
    const uint64_t batches = fill(&refusal);
    EXPECT(refusal == TACTUS_LIMIT);
    EXPECT(database_fixture_insert(&fixture, 1000000, FIXTURE_BATCH, 1) == TACTUS_LIMIT);
    /* An update is no removal. */
    tactus_txn *txn = database_fixture_txn(&fixture);
    for (uint32_t index = 0; index < FIXTURE_BATCH; index += 1) {
        const struct fixture_item item = database_fixture_item(1 + index, 77);
        EXPECT(tactus_update(txn, fixture.items, &item, 1, NULL) == TACTUS_OK);
    }
    EXPECT(tactus_commit(txn, NULL) == TACTUS_LIMIT);
    EXPECT(database_fixture_count(&fixture, "kind = 77") == 0);
    /* Each of these closes a beat, so each is judged. */
    const uint64_t removals = 4;
    for (uint64_t batch = 0; batch < removals; batch += 1) {
        const uint64_t id = 1 + batch * FIXTURE_BATCH;
        EXPECT(database_fixture_remove(&fixture, id, FIXTURE_BATCH) == TACTUS_OK);
    }
    database_fixture_reopen(&fixture);
    EXPECT(database_fixture_count(&fixture, NULL) == (batches - removals) * FIXTURE_BATCH);
    database_fixture_end(&fixture);
}

TEST(admission, removals_are_admitted_where_insertions_are_not)
{
    remove_beside_insertions(1);
    remove_beside_insertions(3);
    remove_beside_insertions(5);
}

static void empty_full_file(uint64_t factor)
{
    begin_small(factor);
    enum tactus_status refusal = TACTUS_OK;
    const uint64_t batches = fill(&refusal);
    EXPECT(refusal == TACTUS_LIMIT);
    uint64_t removed = 0;
    uint32_t checkpoints = 0;
    while (removed < batches) {
        const uint64_t id = 1 + removed * FIXTURE_BATCH;
        const enum tactus_status status = database_fixture_remove(&fixture, id, FIXTURE_BATCH);
        if (status == TACTUS_OK) {
            removed += 1;
            continue;
        }
        EXPECT(status == TACTUS_LIMIT);
        EXPECT(database_fixture_count(&fixture, NULL) == (batches - removed) * FIXTURE_BATCH);
        checkpoint();
        checkpoints += 1;
        EXPECT(checkpoints < 1000);
    }
    printf(
        "admission: %llu batches inserted and removed again, with %u checkpoints\n",
        (unsigned long long)batches,
        checkpoints
    );
    EXPECT(database_fixture_count(&fixture, NULL) == (batches - removed) * FIXTURE_BATCH);
    EXPECT(database_fixture_count(&fixture, NULL) == 0);
    checkpoint();
    EXPECT(database_fixture_insert(&fixture, 1, FIXTURE_BATCH, 1) == TACTUS_OK);
    database_fixture_reopen(&fixture);
    EXPECT(database_fixture_count(&fixture, NULL) == FIXTURE_BATCH);
    database_fixture_end(&fixture);
}

TEST(admission, a_full_file_can_be_emptied_by_removals_and_checkpoints)
{
    empty_full_file(1);
    empty_full_file(3);
    empty_full_file(5);
}

static void checkpoint_when_full(uint64_t factor)
{
    begin_small(factor);
    enum tactus_status refusal = TACTUS_OK;
    const uint64_t batches = fill(&refusal);
    for (uint32_t times = 0; times < 30; times += 1) {
        /* Something small to do in between, which closes no beat. */
        const uint64_t id = 1 + times;
        EXPECT(database_fixture_remove(&fixture, id, 1) == TACTUS_OK);
        checkpoint();
    }
    EXPECT(database_fixture_count(&fixture, NULL) == batches * FIXTURE_BATCH - 30);
    database_fixture_reopen(&fixture);
    EXPECT(database_fixture_count(&fixture, NULL) == batches * FIXTURE_BATCH - 30);
    database_fixture_end(&fixture);
}

/* ---- Filled to the brim and emptied again, many times over, without a restart ---------------- */

enum { ROUNDS = 20 };

/* Batches come in an order that scatters ids and kinds over their ranges. */
static uint64_t scattered(uint64_t batch, uint64_t round)
{
    return batch * (round % 3 == 0 ? 1 : 1009 + 2 * round) % 65536;
}

static uint64_t fill_round(uint64_t round, enum tactus_status wanted)
{
    for (uint64_t batch = 0; batch < 65536; batch += 1) {
        const uint64_t id = 1 + scattered(batch, round) * FIXTURE_BATCH;
        const uint32_t kind = (uint32_t)(scattered(batch, round) % 97);
        const enum tactus_status status =
            database_fixture_insert(&fixture, id, FIXTURE_BATCH, kind);
        if (status == TACTUS_OK) continue;
        EXPECT(status == wanted);
        return batch;
    }
    EXPECT(false);
    return 0;
}

/* Removes all batches, in another order; says how often a checkpoint had to make way. */
static uint32_t empty_round(uint64_t round, uint64_t batches, enum tactus_status wanted)
{
    uint32_t checkpoints = 0;
    for (uint64_t number = 0; number < batches; number += 1) {
        const uint64_t batch = round % 2 == 0 ? number : batches - 1 - number;
        const uint64_t id = 1 + scattered(batch, round) * FIXTURE_BATCH;
        enum tactus_status status = database_fixture_remove(&fixture, id, FIXTURE_BATCH);
        while (status != TACTUS_OK) {
            EXPECT(status == wanted);
            checkpoint();
            checkpoints += 1;
            EXPECT(checkpoints < 1000);
            status = database_fixture_remove(&fixture, id, FIXTURE_BATCH);
        }
    }
    EXPECT(database_fixture_count(&fixture, NULL) == 0);
    return checkpoints;
}

static void fill_and_empty(uint64_t number, enum tactus_status wanted)
{
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;
    uint32_t checkpoints = 0;
    slack_least = UINT64_MAX;
    for (uint64_t round = 0; round < ROUNDS; round += 1) {
        const uint64_t batches = fill_round(round, wanted);
        EXPECT(database_fixture_count(&fixture, NULL) == batches * FIXTURE_BATCH);
        checkpoints += empty_round(round, batches, wanted);
        checkpoint();
        if (round == 0) continue; /* a new file, without tombstones */
        if (batches < least) least = batches;
        if (batches > most) most = batches;
    }
    printf(
        "admission: number %llu, %d rounds: %llu to %llu batches, %u checkpoints asked for\n",
        (unsigned long long)number,
        ROUNDS,
        (unsigned long long)least,
        (unsigned long long)most,
        checkpoints
    );
    say_slack("filled and emptied");
    EXPECT(least > 0);
    EXPECT(least * 3 >= most); /* orders differ, but no room is lost from round to round */
    database_fixture_reopen(&fixture);
    EXPECT(database_fixture_count(&fixture, NULL) == 0);
    database_fixture_end(&fixture);
}

TEST(admission, a_file_at_size_max_is_filled_and_emptied_many_times)
{
    static const uint64_t factors[] = {1, 2};
    for (uint32_t index = 0; index < COUNT_OF(factors); index += 1) {
        begin_small(factors[index]);
        fill_and_empty(factors[index], TACTUS_LIMIT);
    }
}

TEST(admission, a_file_of_several_runs_is_filled_and_emptied_many_times)
{
    static const uint32_t runs[][2] = {{8, 1}, {4, 4}};
    for (uint32_t index = 0; index < COUNT_OF(runs); index += 1) {
        struct tactus_create_options create = database_fixture_create_options();
        bytes_copy(create.runs_max, runs[index], sizeof runs[index]);
        begin_small_with(1, &create);
        fill_and_empty(1, TACTUS_LIMIT);
    }
}

TEST(admission, a_full_disk_is_filled_and_emptied_many_times)
{
    static const uint64_t factors[] = {2};
    for (uint32_t index = 0; index < COUNT_OF(factors); index += 1) {
        const uint64_t size = size_max_least(database_fixture_create_options()) * factors[index];
        database_fixture_init(&fixture, factors[index]);
        simulated_disk_limit(fixture.disk, size);
        EXPECT(database_fixture_open(&fixture, true) == TACTUS_OK);
        fill_and_empty(factors[index], TACTUS_FULL);
    }
}

/* A file that keeps what was released for longer needs more room, and gives it all back. */
TEST(admission, a_file_that_keeps_for_longer_is_filled_and_emptied_many_times)
{
    static const uint32_t keeps[] = {2, 8};
    for (uint32_t index = 0; index < COUNT_OF(keeps); index += 1) {
        begin_keeping(index == 0 ? 2 : 1, keeps[index]);
        EXPECT(fixture.db->grid.free_set.keep == keeps[index]);
        fill_and_empty(keeps[index], TACTUS_LIMIT);
    }
    struct tactus_create_options create = database_fixture_create_options();
    create.keep = 2;
    const uint64_t size = size_max_least(create) * 2;
    database_fixture_init(&fixture, 2);
    fixture.create.keep = 2;
    simulated_disk_limit(fixture.disk, size);
    EXPECT(database_fixture_open(&fixture, true) == TACTUS_OK);
    fill_and_empty(2, TACTUS_FULL);
}

/* The newest of what waits to be free, when a checkpoint is asked for in haste, is free when it
 * returns: it brings as many more as that takes, or as bring room back. True: all of them. */
static bool give_back(uint64_t factor, uint32_t keep)
{
    begin_keeping(factor, keep);
    enum tactus_status refusal = TACTUS_OK;
    (void)fill(&refusal);
    EXPECT(refusal == TACTUS_LIMIT);
    EXPECT(database_fixture_remove(&fixture, 1, 1) == TACTUS_OK);
    const struct free_set *set = &fixture.db->grid.free_set;
    const uint32_t newest_left = set->effect_pending ? keep + 1 : keep;
    uint64_t newest = 0;
    for (uint64_t address = 1; address <= free_set_highest_acquired(set); address += 1) {
        if (free_set_effects_left(set, address) == newest_left) newest = address;
    }
    EXPECT(newest > 0);
    const struct forest *forest = &fixture.db->forest;
    const uint64_t before = forest->counters.checkpoints;
    checkpoint();
    const uint64_t made = forest->counters.checkpoints - before;
    EXPECT(made >= 1 && made <= 1 + keep);
    const bool is_whole = made == 1 + keep;
    if (!is_whole) EXPECT(!forest->schedule.short_of_room);
    if (is_whole) {
        /* Free, or in use again since. */
        const uint32_t left = free_set_effects_left(set, newest);
        EXPECT(left == 0 || left > keep);
    }
    database_fixture_end(&fixture);
    return is_whole;
}

TEST(admission, a_checkpoint_in_haste_gives_back_what_waits_to_be_free)
{
    uint32_t whole = 0;
    for (uint32_t keep = 1; keep <= 5; keep += 2) {
        for (uint64_t factor = 1; factor <= 3; factor += 1) {
            if (give_back(factor, keep)) whole += 1;
        }
    }
    EXPECT(whole > 0);
}

/* Of a run that is open when a second checkpoint, with nothing to cover, is asked for. True: that
 * has brought some, in haste, and ended the run. */
static bool checkpoint_ends_run(void)
{
    checkpoint();
    struct fixture_item item;
    uint32_t count = 0;
    tactus_query *query = NULL;
    EXPECT(tactus_prepare(fixture.db, fixture.items, NULL, NULL, &query) == TACTUS_OK);
    EXPECT(tactus_run(query, tactus_latest(fixture.db), NULL) == TACTUS_OK);
    EXPECT(tactus_next(query, &item, 1, &count) == TACTUS_OK && count == 1);
    const uint64_t before = fixture.db->forest.counters.checkpoints;
    checkpoint();
    const bool is_hasty = fixture.db->forest.counters.checkpoints > before;
    const enum tactus_status status = tactus_next(query, &item, 1, &count);
    EXPECT(status == (is_hasty ? TACTUS_EXPIRED : TACTUS_OK));
    tactus_query_close(query);
    return is_hasty;
}

TEST(admission, a_checkpoint_in_haste_ends_runs_also_if_there_is_nothing_to_cover)
{
    begin_keeping(2, 3);
    EXPECT(database_fixture_insert(&fixture, 9000000, 1, 5) == TACTUS_OK);
    EXPECT(!checkpoint_ends_run());
    enum tactus_status refusal = TACTUS_OK;
    (void)fill(&refusal);
    EXPECT(refusal == TACTUS_LIMIT);
    EXPECT(checkpoint_ends_run());
    database_fixture_end(&fixture);
}

/* Whatever is admitted leaves room for removals and checkpoints: also what only joins a beat, with
 * a checkpoint behind it that opens the next. */
static void creep_up(uint64_t factor, uint32_t keep)
{
    begin_keeping(factor, keep);
    enum tactus_status refusal = TACTUS_OK;
    const uint64_t batches = fill(&refusal);
    EXPECT(refusal == TACTUS_LIMIT);
    uint64_t crept = 0;
    slack_least = UINT64_MAX;
    for (uint64_t times = 0; times < 300; times += 1) {
        const uint64_t id = 2000000 + 7919 * times % 5000 * FIXTURE_BATCH;
        if (database_fixture_insert(&fixture, id, FIXTURE_BATCH - 2, 5) == TACTUS_OK) crept += 1;
        checkpoint();
    }
    database_fixture_reopen(&fixture);
    for (uint64_t batch = 0; batch < batches; batch += 1) {
        const uint64_t id = 1 + batch * FIXTURE_BATCH;
        enum tactus_status status = database_fixture_remove(&fixture, id, FIXTURE_BATCH);
        for (uint32_t again = 0; status != TACTUS_OK; again += 1) {
            EXPECT(again < 3);
            checkpoint();
            status = database_fixture_remove(&fixture, id, FIXTURE_BATCH);
        }
    }
    EXPECT(database_fixture_count(&fixture, NULL) == crept * (FIXTURE_BATCH - 2));
    say_slack("crept up");
    database_fixture_end(&fixture);
}

TEST(admission, small_commits_with_checkpoints_between_do_not_creep_past_the_limits)
{
    creep_up(1, 1);
    creep_up(2, 1);
    creep_up(3, 1);
    creep_up(2, 3);
}

/* Behind a complete checkpoint the next beat was opened in haste or not: a reopen does the same. */
static struct tactus_digest haste_digest(bool reopens, uint32_t keep)
{
    begin_keeping(3, keep);
    enum tactus_status refusal = TACTUS_OK;
    const uint64_t batches = fill(&refusal);
    for (uint64_t batch = 0; batch < batches / 3; batch += 1) {
        const uint64_t id = 1 + batch * 2 * FIXTURE_BATCH;
        EXPECT(database_fixture_remove(&fixture, id, FIXTURE_BATCH) == TACTUS_OK);
        if (batch % 7 != 0) continue;
        checkpoint();
        if (reopens) database_fixture_reopen(&fixture);
        if (batch % 2 == 0) EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    }
    checkpoint();
    EXPECT(fixture.db->forest.schedule.beat > 100);
    struct tactus_digest digest;
    EXPECT(tactus_digest(fixture.db, &digest) == TACTUS_OK);
    database_fixture_end(&fixture);
    return digest;
}

TEST(admission, haste_is_the_same_whether_the_file_was_reopened_or_not)
{
    for (uint32_t keep = 1; keep <= 3; keep += 2) {
        const struct tactus_digest one = haste_digest(false, keep);
        const struct tactus_digest other = haste_digest(true, keep);
        EXPECT(memcmp(&one, &other, sizeof one) == 0);
    }
}

TEST(admission, checkpoints_alone_never_fill_a_file)
{
    checkpoint_when_full(1);
    checkpoint_when_full(3);
    checkpoint_when_full(5);
}

/* A file of the least tables_max, times `percent` / 100. */
static void begin_few_tables(uint32_t percent, uint32_t runs_0, uint32_t runs_1)
{
    database_fixture_init(&fixture, 1);
    fixture.create.runs_max[0] = runs_0;
    fixture.create.runs_max[1] = runs_1;
    struct tactus_plan plan = {.struct_bytes = sizeof plan};
    fixture.create.tables_max = 1;
    while (tactus_memory_required(database_fixture_schema(), &fixture.create, NULL, &plan, NULL) !=
           TACTUS_OK) {
        fixture.create.tables_max += 1;
    }
    fixture.create.tables_max = fixture.create.tables_max * percent / 100;
    EXPECT(database_fixture_open(&fixture, true) == TACTUS_OK);
}

/* Fills it up to tables_max, and removes all: with a checkpoint, if need be, but not one for each
 * batch again and again. */
static void fill_tables_and_empty(uint32_t percent, uint32_t runs_0, uint32_t runs_1)
{
    begin_few_tables(percent, runs_0, runs_1);
    for (uint32_t round = 0; round < 3; round += 1) {
        enum tactus_status refusal = TACTUS_OK;
        const uint64_t batches = fill(&refusal);
        EXPECT(refusal == TACTUS_LIMIT);
        EXPECT(database_fixture_says(&fixture, "tables_max is reached"));
        EXPECT(batches > 20);
        expect_contents(batches);
        uint64_t checkpoints = 0;
        for (uint64_t batch = 0; batch < batches;) {
            const uint64_t id = 1 + batch * FIXTURE_BATCH;
            const enum tactus_status status = database_fixture_remove(&fixture, id, FIXTURE_BATCH);
            if (status == TACTUS_OK) {
                batch += 1;
                continue;
            }
            checkpoints += 1;
            EXPECT(checkpoints < 40);
            EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
        }
        database_fixture_reopen(&fixture);
        EXPECT(database_fixture_count(&fixture, NULL) == 0);
    }
    database_fixture_end(&fixture);
}

TEST(admission, at_tables_max_a_file_is_emptied_and_filled_again)
{
    static const uint32_t percents[] = {100, 130, 200};
    for (uint32_t index = 0; index < COUNT_OF(percents); index += 1) {
        fill_tables_and_empty(percents[index], 1, 1);
        fill_tables_and_empty(percents[index], 8, 1);
        fill_tables_and_empty(percents[index], 4, 4);
    }
}

/* ---- The disk -------------------------------------------------------------------------------- */

static struct simulated_fault disk_full(int32_t os_error)
{
    return (struct simulated_fault
    ){.kind = SIMULATED_GROW_ERROR, .is_sticky = true, .os_error = os_error};
}

TEST(admission, on_a_full_disk_commits_are_refused_and_go_on_when_there_is_room)
{
    database_fixture_begin(&fixture, 1);
    EXPECT(database_fixture_insert(&fixture, 1000000, 10, 77) == TACTUS_OK);
    simulated_disk_fault_add(fixture.disk, disk_full(0));
    enum tactus_status refusal = TACTUS_OK;
    const uint64_t batches = fill(&refusal);
    EXPECT(batches < BATCHES_MAX);
    EXPECT(refusal == TACTUS_FULL);
    EXPECT(database_fixture_says(&fixture, "free space on the disk"));
    EXPECT(database_fixture_count(&fixture, "kind != 77") == batches * FIXTURE_BATCH);
    EXPECT(database_fixture_insert(&fixture, 500000, FIXTURE_BATCH, 1) == TACTUS_FULL);

    /* Reopening needs no space. */
    database_fixture_reopen(&fixture);
    EXPECT(database_fixture_count(&fixture, "kind != 77") == batches * FIXTURE_BATCH);
    EXPECT(database_fixture_insert(&fixture, 500000, FIXTURE_BATCH, 1) == TACTUS_FULL);

    simulated_disk_fault_clear(fixture.disk);
    for (uint64_t batch = 0; batch < 100; batch += 1) {
        EXPECT(
            database_fixture_insert(&fixture, 500000 + batch * FIXTURE_BATCH, FIXTURE_BATCH, 55) ==
            TACTUS_OK
        );
    }
    EXPECT(database_fixture_count(&fixture, "kind = 55") == 100 * FIXTURE_BATCH);
    EXPECT(database_fixture_count(&fixture, "kind = 77") == 10);
    database_fixture_end(&fixture);
}

TEST(admission, a_checkpoint_on_a_full_disk_is_made_or_refused_whole)
{
    database_fixture_begin(&fixture, 1);
    simulated_disk_fault_add(fixture.disk, disk_full(0));
    enum tactus_status refusal = TACTUS_OK;
    const uint64_t batches = fill(&refusal);
    EXPECT(refusal == TACTUS_FULL);
    const struct tactus_stats before = database_fixture_stats(&fixture);
    const enum tactus_status status = tactus_checkpoint(fixture.db);
    EXPECT(status == TACTUS_OK || status == TACTUS_FULL);
    if (status == TACTUS_FULL) {
        EXPECT(database_fixture_stats(&fixture).op == before.op);
        EXPECT(database_fixture_stats(&fixture).beat == before.beat);
    }
    expect_contents(batches);
    database_fixture_reopen(&fixture);
    expect_contents(batches);
    simulated_disk_fault_clear(fixture.disk);
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    expect_contents(batches);
    database_fixture_end(&fixture);
}

TEST(admission, on_a_full_disk_a_database_cannot_be_made_and_says_so)
{
    database_fixture_init(&fixture, 1);
    simulated_disk_fault_add(fixture.disk, disk_full(0));
    EXPECT(database_fixture_open(&fixture, true) == TACTUS_FULL);
    EXPECT(strstr(fixture.error.text, "free space") != NULL);
    simulated_disk_free(fixture.disk);
}

TEST_MAIN()
