/* The clock: which beats end half-bars and bars and what happens there, when a checkpoint is due,
 * when it takes effect. Beats are closed here one by one, as commits that fill them would. */
#include "forest/forest.h"

#include "base/checksum.h"
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
    reopen();
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

TEST(schedule, a_checkpoint_is_due_when_more_than_an_eighth_was_released_since_the_last)
{
    for (uint64_t more = 0; more < 2; more += 1) {
        begin(4);
        insert(1);
        close_to(6); /* neither an effect nor a compaction comes at this one's end */
        const struct free_set *free_set = &fixture.db->grid.free_set;
        const uint64_t eighth = free_set_count_acquired(free_set) / 8;
        /* As if an eighth had been released since the capture, and then a block more. */
        schedule->released_baseline = free_set_count_released(free_set) - eighth - more;
        EXPECT(!schedule->effect_pending && !schedule->checkpoint_due);
        close_one();
        EXPECT(schedule->checkpoint_due == (more == 1));
        schedule->released_baseline = 0;
        end();
    }
}

/* Captures in a history of scattered batches, and the most blocks in use at any commit's end. */
static uint64_t captures_of(uint32_t keep, uint64_t *acquired_max)
{
    database_fixture_init(&fixture, 1);
    fixture.create.keep = keep;
    EXPECT(database_fixture_open(&fixture, true) == TACTUS_OK);
    forest = &fixture.db->forest;
    schedule = &forest->schedule;
    *acquired_max = 0;
    for (uint64_t batch = 0; batch < 1500; batch += 1) {
        const uint64_t id = 1 + batch * 7919 % 40000 * FIXTURE_BATCH;
        EXPECT(database_fixture_insert(&fixture, id, FIXTURE_BATCH, (uint32_t)batch) == TACTUS_OK);
        const uint64_t acquired = free_set_count_acquired(&fixture.db->grid.free_set);
        *acquired_max = max_u64(*acquired_max, acquired);
    }
    const uint64_t count = forest->counters.checkpoints;
    end();
    return count;
}

/* What waits to be free puts off no checkpoint: else the more waits the later they come, and from
 * four generations on without end. (A trailer may have a block more: so a checkpoint may move.) */
TEST(schedule, checkpoints_come_as_often_however_long_blocks_are_kept)
{
    uint64_t most = 0;
    const uint64_t count = captures_of(1, &most);
    EXPECT(count > 10);
    static const uint32_t keeps[] = {2, 3, 8};
    for (uint32_t index = 0; index < COUNT_OF(keeps); index += 1) {
        uint64_t most_kept = 0;
        const uint64_t count_kept = captures_of(keeps[index], &most_kept);
        EXPECT(count_kept + count / 10 >= count && count_kept <= count + count / 10);
        EXPECT(most_kept > most);
        EXPECT(most_kept <= most + (keeps[index] - 1) * most / 3);
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

/* Captures at the end of the open bar, with the entry that closed it. True: writes of the bar's
 * instalments are on their way, and the next beat has an instalment. */
static bool capture_over_writes(void)
{
    const uint64_t bar = (schedule->beat - 1) / schedule->bar_beats;
    for (uint64_t id = bar * 1000; schedule->beat % schedule->bar_beats != 0; id += FIXTURE_BATCH) {
        const uint64_t first = 1 + id * 7919 % 100000;
        EXPECT(database_fixture_insert(&fixture, first, FIXTURE_BATCH, 3) == TACTUS_OK);
    }
    EXPECT(forest_capture_wait(forest) == TACTUS_OK);
    schedule->checkpoint_due = true;
    struct journal *journal = &fixture.db->journal;
    const struct journal_position head = journal_head(journal);
    EXPECT(forest_close_beat(forest, &head) == TACTUS_OK);
    const bool writes =
        !grid_written_through(forest->options.compaction_grid, fixture.db->checkpoint.view_mark);
    const struct journal_append append = {.kind = JOURNAL_CHECKPOINT, .beat = schedule->beat};
    uint64_t op = 0;
    (void)journal_body(journal);
    EXPECT(journal_append(journal, &append, &op) == TACTUS_OK);
    return writes && schedule->instalment_open;
}

/* One thread does the work of both: whoever polls takes note of what the instalments wrote, also of
 * those that ended before the capture and left writes on their way. */
TEST(schedule, without_a_worker_a_capture_does_not_wait_for_the_open_beat_s_end)
{
    begin(4);
    EXPECT(!worker_is_open(forest->options.worker));
    const struct simulated_fault slow = {
        .kind = SIMULATED_DELAY,
        .from = fixture.db->layout.grid_offset,
        .to = UINT64_MAX,
        .is_sticky = true,
        .delay_ns = 100 * 1000,
    };
    simulated_disk_fault_add(fixture.disk, slow);
    uint32_t bars = 0;
    while (!capture_over_writes()) {
        bars += 1;
        EXPECT(bars < 100);
    }
    const uint64_t beat = schedule->beat;
    for (uint32_t poll = 0; poll < 3000 && beat_capture() != beat - 1; poll += 1) {
        EXPECT(forest_capture_advance(forest) == TACTUS_OK);
    }
    EXPECT(beat_capture() == beat - 1);
    EXPECT(schedule->beat == beat && schedule->instalment_open);
    end();
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

/* ---- What a boundary may do, and when -------------------------------------------------------- */

/* A commit that fills a beat by itself, and so closes the one before. Ids lie far apart, so that
 * tables of the id tree overlap. */
static void fill_beat(uint64_t batch)
{
    const uint64_t id = 1 + batch * 7919 % 100003 * FIXTURE_BATCH;
    EXPECT(database_fixture_insert(&fixture, id, FIXTURE_BATCH, (uint32_t)batch % 7) == TACTUS_OK);
}

/* Calls `visit` with each table of the forest; levels ascending, then trees. */
static void each_table(void (*visit)(const struct table_info *table, void *context), void *context)
{
    for (uint8_t level = 0; level < LEVELS; level += 1) {
        for (uint32_t tree = 0; tree < forest->tree_count; tree += 1) {
            const struct manifest_level *tables = &forest->trees[tree].manifest.levels[level];
            const struct table_info *table = manifest_level_first(tables);
            for (; table != NULL; table = manifest_level_next(tables, table))
                visit(table, context);
        }
    }
}

static void add_to_stream(const struct table_info *table, void *context)
{
    const uint64_t words[4] = {
        table->address, table->snapshot_min, table->snapshot_max, table->level};
    checksum_stream_add(context, words, sizeof words);
}

static struct checksum levels_checksum(void)
{
    struct checksum_stream stream;
    checksum_stream_begin(&stream, (struct checksum){0});
    each_table(add_to_stream, &stream);
    return checksum_stream_end(&stream);
}

/* Nor does the log get an event before, though compactions have ended. */
TEST(schedule, levels_change_only_where_a_half_bar_ends)
{
    begin(8);
    uint64_t changes = 0;
    uint64_t waiting = 0;
    for (uint64_t batch = 0; batch < 400; batch += 1) {
        const uint64_t beat = schedule->beat;
        const struct checksum before = levels_checksum();
        const uint64_t events = forest->log.statistics.events_appended;
        fill_beat(batch);
        const bool is_same = checksum_equal(levels_checksum(), before);
        EXPECT(is_same == (forest->log.statistics.events_appended == events));
        if (schedule->beat == beat || beat % 4 != 0) {
            EXPECT(is_same);
            waiting += forest->half_bar.current > 0;
        }
        changes += !is_same;
    }
    EXPECT(changes > 20 && waiting > 20);
    end();
}

/* The events from number `first` of the log's open block on: their inserts, in order. */
static bool inserts_are_in_order(uint32_t first, uint32_t count, uint32_t *levels_seen)
{
    uint32_t last = 0;
    for (uint32_t index = first; index < first + count; index += 1) {
        const uint8_t *block = forest->log.frame->data;
        const struct manifest_entry *entries = (const void *)(block + BLOCK_HEADER_SIZE);
        const struct manifest_entry *entry = &entries[index];
        if (entry->event != MANIFEST_INSERT) continue;
        const uint32_t place = ((uint32_t)entry->level << 16) + entry->tree;
        if (place < last) return false;
        last = place;
        *levels_seen |= 1U << entry->level;
    }
    return true;
}

TEST(schedule, events_are_logged_by_level_and_then_by_tree)
{
    database_fixture_init(&fixture, 1);
    fixture.create.block_size = 32768; /* a half-bar's events lie in one block, mostly */
    fixture.create.growth_factor = 2;
    EXPECT(database_fixture_open(&fixture, true) == TACTUS_OK);
    forest = &fixture.db->forest;
    schedule = &forest->schedule;
    uint32_t of_two_levels = 0;
    for (uint64_t batch = 0; batch < 900; batch += 1) {
        const struct manifest_log *log = &forest->log;
        const uint64_t address = log->frame == NULL ? 0 : log->frame_address;
        const uint64_t appended = log->statistics.events_appended;
        const uint32_t first = log->entry_count;
        fill_beat(batch);
        const uint64_t count = log->statistics.events_appended - appended;
        if (count == 0 || log->frame == NULL || log->frame_address != address) continue;
        uint32_t levels_seen = 0;
        EXPECT(first + count <= log->entry_count);
        EXPECT(inserts_are_in_order(first, (uint32_t)count, &levels_seen));
        of_two_levels += (levels_seen & (levels_seen - 1)) != 0;
    }
    EXPECT(of_two_levels > 10);
    end();
}

struct dates {
    uint64_t beat;
    uint64_t now; /* tables that this beat is the first to see */
};

static void add_to_dates(const struct table_info *table, void *context)
{
    struct dates *dates = context;
    EXPECT(table->snapshot_min <= dates->beat);
    EXPECT((table->snapshot_min - 1) % (schedule->bar_beats / 2) == 0);
    EXPECT(table->snapshot_max == UINT64_MAX); /* what was replaced is in no level */
    dates->now += table->snapshot_min == dates->beat;
}

static uint64_t tables_written(void)
{
    return forest_counters_sum(&forest->counters).tables_written;
}

/* By the beats of history, not of the process: also in one that has opened the file meanwhile. */
TEST(schedule, tables_are_dated_by_the_beat_that_first_sees_them)
{
    begin(4);
    uint64_t written = 0;
    for (uint64_t batch = 0; batch < 400; batch += 1) {
        const uint64_t beat = schedule->beat;
        const uint64_t before = tables_written();
        fill_beat(batch);
        struct dates dates = {.beat = schedule->beat};
        each_table(add_to_dates, &dates);
        if (schedule->beat != beat) EXPECT(dates.now == tables_written() - before);
        written += tables_written() - before;
        if (batch % 97 == 96) reopen();
    }
    EXPECT(written > 100);
    end();
}

/* ---- Deferral and captures ------------------------------------------------------------------- */

/* So at a capture the immutable table holds the last bar, which replay brings back, and nothing
 * else. Here a beat takes two small entries, and two bars of them make a checkpoint due. */
TEST(schedule, no_tree_defers_in_a_bar_that_ends_with_a_checkpoint)
{
    database_fixture_init(&fixture, 1);
    fixture.create.journal_bytes = UINT64_C(6) * 4 * 8192;
    EXPECT(database_fixture_open(&fixture, true) == TACTUS_OK);
    forest = &fixture.db->forest;
    schedule = &forest->schedule;
    uint64_t captures = 0;
    uint64_t deferrals = 0;
    for (uint64_t id = 1; id <= 400; id += 1) {
        const uint64_t captured = schedule->beat_capture;
        const uint64_t before = objects()->compactions[0].total.deferrals;
        const bool was_due = schedule->checkpoint_due;
        insert(id);
        if (schedule->checkpoint_due && !was_due) {
            EXPECT(compaction_is_selected(&objects()->compactions[0]));
            EXPECT(objects()->compactions[0].total.deferrals == before);
        }
        deferrals += objects()->compactions[0].total.deferrals - before;
        if (schedule->beat_capture == captured) continue;
        EXPECT(schedule->beat == schedule->beat_capture + 1);
        EXPECT(objects()->immutable->count == 8);
        EXPECT(schedule->bar_head.op - schedule->covered.op == 8);
        captures += 1;
        if (captures % 4 != 0) continue;
        reopen();
        EXPECT(objects()->immutable->count == 8);
        EXPECT(database_fixture_count(&fixture, NULL) == id);
    }
    EXPECT(captures > 10 && deferrals > 10);
    end();
}

static uint64_t compactions_since_open(void)
{
    uint64_t count = 0;
    for (uint32_t tree = 0; tree < forest->tree_count; tree += 1) {
        for (uint8_t level = 0; level < LEVELS; level += 1) {
            const struct compaction_counters *total = &forest->trees[tree].compactions[level].total;
            count += total->merges + total->tables_moved;
        }
    }
    return count;
}

/* What a checkpoint has of the bar before it is not done a second time: R10. */
TEST(schedule, replay_compacts_nothing_that_the_checkpoint_has)
{
    begin(4);
    uint32_t reopenings = 0;
    for (uint64_t batch = 0; reopenings < 5; batch += 1) {
        const uint64_t captured = schedule->beat_capture;
        if (batch % 40 == 20) {
            schedule->journal_bytes_since_capture = fixture.db->sizing->journal_bytes;
        }
        fill_beat(batch);
        EXPECT(batch < 1000);
        if (schedule->beat_capture == captured) continue;
        EXPECT(forest_capture_wait(forest) == TACTUS_OK);
        EXPECT(schedule->beat == beat_capture() + 1 && objects()->immutable->count > 0);
        const struct checksum levels = levels_checksum();
        const uint64_t acquired = free_set_count_acquired(&fixture.db->grid.free_set);
        const uint64_t merges = forest->counters.merges;
        reopen();
        EXPECT(fixture.db->replayed_ops > 0);
        EXPECT(compactions_since_open() == 0);
        EXPECT(checksum_equal(levels_checksum(), levels));
        EXPECT(free_set_count_acquired(&fixture.db->grid.free_set) == acquired);
        EXPECT(forest->counters.merges == merges);
        reopenings += 1;
    }
    end();
}

/* ---- Snapshots at replay --------------------------------------------------------------------- */

/* A committed item, as a reader sees it. */
static bool find_item(uint64_t id, struct fixture_item *item)
{
    const enum tactus_status status =
        tactus_get(tactus_latest(fixture.db), fixture.items, &id, 1, item, NULL);
    EXPECT(status == TACTUS_OK || status == TACTUS_ABSENT);
    return status == TACTUS_OK;
}

/* Whether some table on disk that holds the object's place is one that beat `beat` does not see. */
static bool lies_in_a_newer_table(uint64_t timestamp, uint64_t beat)
{
    const struct key key = key_from_u64(timestamp);
    for (uint8_t level = 0; level < LEVELS; level += 1) {
        const struct manifest_level *tables = &objects()->manifest.levels[level];
        for (uint32_t run = 0; run < tables->run_count; run += 1) {
            const struct table_info *table = manifest_run_find(&tables->runs[run], key);
            if (table != NULL && !table_info_is_visible(table, beat)) return true;
        }
    }
    return false;
}

enum { LAG = 2 }; /* so many batches later an item is removed: in the bar after its own */

/* The first id of a batch, as fill_beat() has it. */
static uint64_t batch_id(uint64_t batch)
{
    return 1 + batch * 7919 % 100003 * FIXTURE_BATCH;
}

/* Fills a beat and then another one with a removal, until a capture was made. Of the removals that
 * are to be replayed over it, returns how many are of objects which no beat of theirs would see. */
static uint32_t remove_until_captured(uint64_t *batch)
{
    const uint64_t captured = schedule->beat_capture;
    uint64_t timestamps[16];
    uint64_t beats[16];
    uint32_t count = 0;
    schedule->journal_bytes_since_capture = fixture.db->sizing->journal_bytes;
    while (schedule->beat_capture == captured) {
        fill_beat(*batch);
        *batch += 1;
        if (*batch <= LAG) continue;
        struct fixture_item item;
        const uint64_t id = batch_id(*batch - 1 - LAG);
        EXPECT(find_item(id, &item) && item.id == id);
        EXPECT(database_fixture_remove(&fixture, id, 1) == TACTUS_OK);
        timestamps[count % COUNT_OF(beats)] = item.timestamp;
        beats[count % COUNT_OF(beats)] = schedule->beat;
        count += 1;
    }
    EXPECT(forest_capture_wait(forest) == TACTUS_OK);
    uint32_t newer = 0;
    for (uint32_t index = 0; index < min_u32(count, COUNT_OF(beats)); index += 1) {
        if (beats[index] + schedule->bar_beats <= schedule->beat_capture) continue;
        newer += lies_in_a_newer_table(timestamps[index], beats[index]);
    }
    return newer;
}

/* R10: what the last bar before a capture removed lay in tables that only beats after it see. At
 * its own beats' snapshots replay would find none of it, and call the journal corrupt; a read-only
 * open, which closes no beat, would not even find what is there. */
TEST(schedule, replay_finds_what_lies_in_tables_that_are_newer_than_its_beats)
{
    begin(4);
    never_defer();
    uint64_t batch = 0;
    uint32_t newer = 0;
    for (uint32_t round = 0; round < 6; round += 1) {
        const uint32_t newer_now = remove_until_captured(&batch);
        newer += newer_now;
        const uint32_t count = database_fixture_count(&fixture, NULL);
        const uint64_t capture = beat_capture();
        const uint64_t beat = schedule->beat;
        for (uint32_t read_only = 0; read_only < 2; read_only += 1) {
            fixture.open.flags = read_only > 0 ? TACTUS_READ_ONLY_OPEN : 0;
            reopen();
            EXPECT(fixture.db->replayed_ops > 0);
            EXPECT(forest->shared.lookups.tables >= newer_now);
            EXPECT(schedule->beat == (read_only > 0 ? capture - 3 : beat));
            EXPECT(tree_snapshot_newest(objects()) == (read_only > 0 ? capture + 1 : beat));
            EXPECT(tree_snapshot_oldest(objects()) == capture + 1);
            EXPECT(database_fixture_count(&fixture, NULL) == count);
            for (uint64_t other = 0; other < batch; other += 1) {
                struct fixture_item item;
                EXPECT(find_item(batch_id(other) + 1, &item));
                EXPECT(find_item(batch_id(other), &item) == (other + LAG >= batch));
            }
        }
        fixture.open.flags = 0;
        reopen();
        never_defer();
    }
    EXPECT(newer >= 5);
    end();
}

TEST_MAIN()
