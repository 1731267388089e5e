/* The clock: which beats end half-bars and bars and what happens there, when a checkpoint is due,
 * when it takes effect. Beats are closed here one by one, as commits that fill them would. */
#include "forest/forest.h"

#include "base/integer.h"
#include "support/database_fixture.h"
#include "support/test.h"

#include "base/poison.h"

static struct database_fixture fixture;
static struct forest *forest;
static struct schedule *schedule;

static void begin(uint32_t bar_beats)
{
    database_fixture_init(&fixture, 1);
    fixture.create.bar_beats = bar_beats;
    EXPECT(database_fixture_open(&fixture, true) == TACTUS_OK);
    forest = &fixture.db->forest;
    schedule = &forest->schedule;
}

static void reopen(void)
{
    database_fixture_reopen(&fixture);
    forest = &fixture.db->forest;
    schedule = &forest->schedule;
}

static void end(void)
{
    forest_check(forest);
    database_fixture_end(&fixture);
}

static void close_one(void)
{
    const struct forest_commit commit = {
        .entry_bytes = schedule->beat_bytes_max + 1, .event_counts = schedule->beat_events};
    EXPECT(forest_admit(forest, &commit) == TACTUS_OK);
    const struct journal_position head = journal_head(&fixture.db->journal);
    EXPECT(forest_close_beat(forest, &head) == TACTUS_OK);
    /* No commit follows that would append the entry which a capture waits for. */
    fixture.db->checkpoint.op_cause = head.op - 1;
    EXPECT(forest_capture_wait(forest) == TACTUS_OK);
}

/* Until this beat is the open one. */
static void close_to(uint64_t beat)
{
    EXPECT(schedule->beat <= beat);
    while (schedule->beat < beat)
        close_one();
}

static void insert(uint64_t id)
{
    EXPECT(database_fixture_insert(&fixture, id, 1, 5) == TACTUS_OK);
}

static const struct tree *objects(void)
{
    return forest->collections[0].object_tree;
}

static uint64_t op_covered(void)
{
    return fixture.db->superblock.checkpoint.op_covered;
}

static uint64_t beat_capture(void)
{
    return fixture.db->superblock.checkpoint.beat_capture;
}

/* ---- Bars ------------------------------------------------------------------------------------ */

/* No tree puts its flush off: as if a complete checkpoint were being made. */
static void never_defer(void)
{
    schedule->completes = true;
}

static void run_bars(uint32_t bar)
{
    begin(bar);
    never_defer();
    EXPECT(schedule->bar_beats == bar && schedule->effect_beats == bar / 2);
    EXPECT(schedule->beat == 1);
    uint32_t in_bar = 0;
    uint32_t in_immutable = 0;
    for (uint64_t beat = 1; beat <= 5 * (uint64_t)bar; beat += 1) {
        EXPECT(schedule->beat == beat);
        insert(beat);
        in_bar += 1;
        EXPECT(tree_visible_settled(objects()) == in_bar);
        EXPECT(objects()->mutable->sorted_count == in_bar - 1);
        EXPECT(objects()->immutable->count == in_immutable);
        /* The immutable table is chosen in the second half of its bar. */
        const bool second_half = (beat - 1) % bar >= bar / 2;
        const bool selected = compaction_is_selected(&objects()->compactions[0]);
        EXPECT(selected == (second_half && in_immutable > 0));
        const uint64_t merges = objects()->compactions[0].total.merges;
        close_one();
        const bool flushed = beat % bar == 0 && in_immutable > 0;
        EXPECT(objects()->compactions[0].total.merges == merges + flushed);
        if (beat % bar != 0) continue;
        in_immutable = in_bar;
        in_bar = 0;
    }
    EXPECT(objects()->compactions[0].total.merges == 4);
    EXPECT(forest->counters.beats == 5 * (uint64_t)bar);
    EXPECT(database_fixture_count(&fixture, NULL) == 5 * bar);
    end();
}

TEST(schedule, a_bar_s_end_swaps_and_the_next_bar_s_end_flushes)
{
    run_bars(4);
    run_bars(6);
    run_bars(8);
    run_bars(10);
}

/* One object a beat: 4 of the 128 that a bar's table holds. It waits until, with half a bar more,
 * it could be too many; or until a checkpoint needs it to be flushed. */
TEST(schedule, a_small_immutable_table_waits_for_more)
{
    begin(4);
    const struct compaction *flush = &objects()->compactions[0];
    const uint32_t full = objects()->options.value_count_max;
    uint64_t beat = 1;
    while (flush->total.merges == 0) {
        EXPECT(objects()->immutable->count + objects()->mutable->count <= full);
        insert(beat);
        close_one();
        beat += 1;
        EXPECT(beat < 2 * full);
    }
    EXPECT(flush->total.deferrals > 8);
    EXPECT(flush->total.records_in > full / 2 - 8 && flush->total.records_in <= full);
    EXPECT(tree_table_count(objects(), 0) == 1);

    const uint64_t deferrals = flush->total.deferrals;
    insert(beat);
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    EXPECT(objects()->immutable->count == 0 && objects()->mutable->count == 0);
    EXPECT(flush->total.deferrals == deferrals);
    EXPECT(forest->counters.deferrals >= deferrals);
    const uint64_t counted = forest->counters.deferrals;
    EXPECT(database_fixture_count(&fixture, NULL) == beat);
    database_fixture_reopen(&fixture);
    EXPECT(fixture.db->forest.counters.deferrals == counted);
    EXPECT(database_fixture_count(&fixture, NULL) == beat);
    end();
}

TEST(schedule, a_beat_takes_its_batch_and_not_one_event_more)
{
    begin(4);
    EXPECT(database_fixture_insert(&fixture, 1, FIXTURE_BATCH - 2, 1) == TACTUS_OK);
    EXPECT(schedule->beat == 1 && schedule->beat_events[0] == FIXTURE_BATCH - 2);
    EXPECT(database_fixture_insert(&fixture, 100, 2, 1) == TACTUS_OK);
    EXPECT(schedule->beat == 1 && schedule->beat_events[0] == FIXTURE_BATCH);
    /* Another collection counts by itself. */
    tactus_txn *txn = database_fixture_txn(&fixture);
    const struct fixture_pair pair = {.id = {.low = 1}};
    EXPECT(tactus_insert(txn, fixture.pairs, &pair, 1, NULL) == TACTUS_OK);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    EXPECT(schedule->beat == 1 && schedule->beat_events[1] == 1);
    EXPECT(database_fixture_insert(&fixture, 200, 1, 1) == TACTUS_OK);
    EXPECT(schedule->beat == 2 && schedule->beat_events[0] == 1 && schedule->beat_events[1] == 0);
    EXPECT(schedule->beat_bytes == 4096);
    end();
}

TEST(schedule, a_beat_takes_its_bytes_and_not_one_entry_more)
{
    begin(4);
    EXPECT(schedule->beat_bytes_max == fixture.db->sizing->journal_bytes / (6 * UINT64_C(4)));
    const uint64_t entries = schedule->beat_bytes_max / 4096;
    EXPECT(entries < FIXTURE_BATCH); /* so bytes come first */
    for (uint64_t number = 1; number <= entries; number += 1)
        insert(number);
    EXPECT(schedule->beat == 1 && schedule->beat_bytes == entries * 4096);
    insert(entries + 1);
    EXPECT(schedule->beat == 2 && schedule->beat_bytes == 4096);
    end();
}

TEST(schedule, a_rolled_back_transaction_and_one_without_events_close_no_beat)
{
    begin(4);
    EXPECT(database_fixture_insert(&fixture, 1, FIXTURE_BATCH, 1) == TACTUS_OK);
    for (uint32_t times = 0; times < 10; times += 1) {
        tactus_txn *txn = database_fixture_txn(&fixture);
        const struct fixture_item item = database_fixture_item(500 + times, 1);
        EXPECT(tactus_insert(txn, fixture.items, &item, 1, NULL) == TACTUS_OK);
        tactus_rollback(txn);
        txn = database_fixture_txn(&fixture);
        EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    }
    EXPECT(schedule->beat == 1);
    end();
}

TEST(schedule, the_open_transaction_moves_into_the_new_bar)
{
    begin(4);
    close_to(4);
    EXPECT(database_fixture_insert(&fixture, 1, FIXTURE_BATCH, 1) == TACTUS_OK);
    EXPECT(schedule->beat == 4);
    EXPECT(database_fixture_insert(&fixture, 100, 5, 2) == TACTUS_OK);
    EXPECT(schedule->beat == 5);
    EXPECT(objects()->immutable->count == FIXTURE_BATCH);
    EXPECT(tree_visible_settled(objects()) == 5);
    EXPECT(schedule->bar_head.op == 2); /* the entry that closed the bar is the first of the next */
    EXPECT(database_fixture_count(&fixture, NULL) == FIXTURE_BATCH + 5);
    end();
}

/* ---- Due-ness (S8) --------------------------------------------------------------------------- */

/* What the second half of the first bar finds when it is opened with so many bytes of journal. */
static bool is_due_at(uint64_t journal_bytes)
{
    begin(6);
    insert(1);
    close_to(3);
    EXPECT(!schedule->checkpoint_due);
    schedule->journal_bytes_since_capture = journal_bytes;
    close_one();
    EXPECT(schedule->beat == 4);
    const bool due = schedule->checkpoint_due;
    /* Later is too late: it is decided for this bar. */
    schedule->journal_bytes_since_capture = due ? 0 : fixture.db->sizing->journal_bytes;
    const uint64_t captured = beat_capture();
    close_to(7);
    EXPECT((beat_capture() != captured) == due);
    if (due) EXPECT(beat_capture() == 6);
    end();
    return due;
}

TEST(schedule, a_checkpoint_is_due_after_a_third_of_the_journal)
{
    begin(6);
    const uint64_t third = fixture.db->sizing->journal_bytes / 3;
    end();
    EXPECT(!is_due_at(third - 1));
    EXPECT(is_due_at(third));
}

TEST(schedule, a_checkpoint_is_due_when_more_than_a_quarter_was_released_since_the_last)
{
    for (uint64_t more = 0; more < 2; more += 1) {
        begin(4);
        insert(1);
        close_to(6); /* neither an effect nor a compaction comes at this one's end */
        const struct free_set *free_set = &fixture.db->grid.free_set;
        const uint64_t quarter = free_set_count_acquired(free_set) / 4;
        /* As if a quarter had been released since the capture, and then a block more. */
        schedule->released_baseline = free_set_count_released(free_set) - quarter - more;
        EXPECT(!schedule->effect_pending && !schedule->checkpoint_due);
        close_one();
        EXPECT(schedule->checkpoint_due == (more == 1));
        schedule->released_baseline = 0;
        end();
    }
}

/* ---- Captures and their effect --------------------------------------------------------------- */

static void capture_in_bar(uint32_t bar)
{
    begin(bar);
    for (uint64_t beat = 1; beat <= 2 * (uint64_t)bar; beat += 1) {
        insert(beat);
        if (beat == bar + bar / 2) {
            schedule->journal_bytes_since_capture = fixture.db->sizing->journal_bytes;
        }
        close_one();
    }
    /* All of the first bar is in the levels, the second is to be replayed. */
    EXPECT(beat_capture() == 2 * (uint64_t)bar);
    EXPECT(op_covered() == bar);
    EXPECT(fixture.db->superblock.checkpoint.op_captured == 2 * (uint64_t)bar);
    EXPECT(schedule->effect_pending && !schedule->checkpoint_due);
    EXPECT(schedule->journal_bytes_since_capture == 0);
    const uint64_t released = free_set_count_released(&fixture.db->grid.free_set);
    EXPECT(schedule->released_baseline == released);

    for (uint32_t beat = 1; beat < bar / 2; beat += 1) {
        close_one();
        EXPECT(schedule->effect_pending);
    }
    close_one();
    EXPECT(!schedule->effect_pending);
    EXPECT(schedule->beat == beat_capture() + bar / 2 + 1);
    EXPECT(journal_used_bytes(&fixture.db->journal) == bar * UINT64_C(4096));
    /* Only its own trailers stay released: they wait for the next one. */
    EXPECT(free_set_count_released(&fixture.db->grid.free_set) < released);

    EXPECT(database_fixture_count(&fixture, NULL) == 2 * bar);
    end();
}

TEST(schedule, a_capture_covers_the_bar_before_and_takes_effect_half_a_bar_later)
{
    capture_in_bar(4);
    capture_in_bar(6);
    capture_in_bar(8);
}

/* The commit that closes the bar captures; its entry comes after. */
static void capture_waits_for_its_entry(uint32_t sync)
{
    begin(4);
    EXPECT(database_fixture_close(&fixture) == TACTUS_OK);
    fixture.open.sync = sync;
    EXPECT(database_fixture_open(&fixture, false) == TACTUS_OK);
    forest = &fixture.db->forest;
    schedule = &forest->schedule;
    insert(1);
    close_to(4);
    schedule->checkpoint_due = true;
    struct journal *journal = &fixture.db->journal;
    const struct journal_position head = journal_head(journal);
    EXPECT(forest_close_beat(forest, &head) == TACTUS_OK);
    EXPECT(schedule->beat_capture == 4 && schedule->effect_pending);
    for (uint32_t poll = 0; poll < 300; poll += 1)
        EXPECT(forest_capture_advance(forest) == TACTUS_OK);
    EXPECT(beat_capture() == 0);
    EXPECT(fixture.db->checkpoint.stage == CHECKPOINT_JOURNAL);

    const struct journal_append append = {.kind = JOURNAL_CHECKPOINT, .beat = schedule->beat};
    uint64_t op = 0;
    (void)journal_body(journal);
    EXPECT(journal_append(journal, &append, &op) == TACTUS_OK);
    EXPECT(op == head.op);
    EXPECT(journal_op_durable(journal) < op);
    for (uint32_t poll = 0; poll < 300 && beat_capture() == 0; poll += 1) {
        EXPECT(forest_capture_advance(forest) == TACTUS_OK); /* asks for it, and does not wait */
        const bool is_over = fixture.db->checkpoint.stage != CHECKPOINT_JOURNAL;
        if (is_over) EXPECT(journal_op_durable(journal) >= op); /* before the superblock's write */
    }
    EXPECT(beat_capture() == 4);
    EXPECT(fixture.db->checkpoint.statistics.waited == 0);
    end();
}

TEST(schedule, a_capture_is_durable_only_after_the_entry_that_closed_its_bar)
{
    capture_waits_for_its_entry(TACTUS_SYNC_COMMIT);
    capture_waits_for_its_entry(TACTUS_SYNC_NONE);
}

TEST(schedule, a_complete_checkpoint_ends_the_bar_and_an_empty_one)
{
    for (uint64_t offset = 0; offset < 6; offset += 1) {
        begin(6);
        close_to(1 + offset);
        insert(1);
        EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
        EXPECT(beat_capture() == 12);
        EXPECT(schedule->beat == 13);
        EXPECT(op_covered() == 2 && fixture.db->superblock.checkpoint.op_captured == 2);
        for (uint32_t tree = 0; tree < forest->tree_count; tree += 1) {
            EXPECT(forest->trees[tree].mutable->count == 0);
            EXPECT(tree_immutable_is_flushed(&forest->trees[tree]));
        }
        EXPECT(forest->counters.checkpoints == 1);
        reopen();
        EXPECT(schedule->beat == 13 && fixture.db->replayed_ops == 0);
        EXPECT(forest->counters.beats == 12);
        EXPECT(database_fixture_count(&fixture, NULL) == 1);
        end();
    }
}

TEST(schedule, a_complete_checkpoint_stands_in_for_one_that_was_due)
{
    begin(4);
    insert(1);
    close_to(2);
    schedule->journal_bytes_since_capture = fixture.db->sizing->journal_bytes;
    close_one();
    EXPECT(schedule->checkpoint_due);
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    EXPECT(forest->counters.checkpoints == 1);
    EXPECT(beat_capture() == 8);
    end();
}

TEST(schedule, replay_comes_to_the_same_beat_and_counters)
{
    for (uint32_t bar = 4; bar <= 8; bar += 2) {
        begin(bar);
        for (uint64_t batch = 0; batch < 200; batch += 1) {
            EXPECT(
                database_fixture_insert(&fixture, 1 + batch * 40, 20 + (uint32_t)batch % 13, 1) ==
                TACTUS_OK
            );
            if (batch % 23 != 22) continue;
            const uint64_t beat = schedule->beat;
            const uint64_t bytes = schedule->beat_bytes;
            const uint32_t events = schedule->beat_events[0];
            const struct forest_counters counters = forest->counters;
            reopen();
            EXPECT(schedule->beat == beat);
            EXPECT(schedule->beat_bytes == bytes && schedule->beat_events[0] == events);
            EXPECT(memcmp(&forest->counters, &counters, sizeof counters) == 0);
        }
        const struct forest_level_counters sum = forest_counters_sum(&forest->counters);
        EXPECT(forest->counters.checkpoints > 0);
        EXPECT(sum.blocks_written > sum.tables_written && sum.tables_written > 0);
        end();
    }
}

/* Half of the log at most is what nobody needs, however long the history, and over reopenings. */
TEST(schedule, the_manifest_log_is_as_long_as_its_live_tables_ask_for)
{
    begin(4);
    uint64_t compacted = 0;
    uint64_t copied = 0;
    uint64_t most = 0;
    for (uint64_t batch = 0; batch < 600; batch += 1) {
        const uint64_t id = 1 + batch * 7919 % 1000 * 32;
        const enum tactus_status status =
            batch % 3 == 2
                ? database_fixture_remove(&fixture, 1 + (batch - 1) * 7919 % 1000 * 32, 1)
                : database_fixture_insert(&fixture, id, FIXTURE_BATCH, 1);
        EXPECT(status == TACTUS_OK);
        const struct manifest_log *log = &forest->log;
        most = max_u64(most, log->block_count);
        EXPECT(log->block_count <= log->pace.log_blocks_max / 2);
        if (batch % 50 != 49) continue;
        EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
        compacted += log->statistics.blocks_compacted;
        copied += log->statistics.events_copied;
        reopen();
    }
    EXPECT(compacted > 20 && copied > 20);
    EXPECT(most > 2);
    end();
}

TEST_MAIN()
