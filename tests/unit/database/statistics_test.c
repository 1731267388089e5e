/* What tactus_stats() says, against itself, against the trees and against what inspect shows. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "database/inspect.h"
#include "support/database_fixture.h"
#include "support/test.h"

#include "base/poison.h"

static struct database_fixture fixture;

static uint64_t id_of(uint32_t batch)
{
    return 1 + batch * UINT64_C(7919) % 1000 * FIXTURE_BATCH;
}

/* Goes on by a batch: inserts it, and now and then removes half of an older one, which is in a
 * table by then. */
static void go_on(uint32_t batch)
{
    EXPECT(database_fixture_insert(&fixture, id_of(batch), FIXTURE_BATCH, 1) == TACTUS_OK);
    if (batch < 60 || batch % 3 != 0) return;
    EXPECT(database_fixture_remove(&fixture, id_of(batch - 60), FIXTURE_BATCH / 2) == TACTUS_OK);
}

static void history(uint32_t batches)
{
    for (uint32_t batch = 0; batch < batches; batch += 1) {
        go_on(batch);
    }
}

static void begin(uint32_t batches)
{
    database_fixture_begin(&fixture, 1);
    history(batches);
}

static void end(void)
{
    EXPECT(database_fixture_close(&fixture) == TACTUS_OK);
    database_fixture_end(&fixture);
}

TEST(statistics, levels_and_blocks_add_up)
{
    begin(300);
    const struct tactus_stats stats = database_fixture_stats(&fixture);
    uint64_t tables = 0;
    uint64_t moved = 0;
    uint64_t records_in = 0;
    uint64_t records_written = 0;
    for (uint32_t level = 0; level < TACTUS_LEVELS; level += 1) {
        const struct tactus_level_stats *of = &stats.levels[level];
        EXPECT((of->tables == 0) == (of->records == 0));
        EXPECT((of->tables_written == 0) == (of->blocks_written == 0));
        EXPECT(of->blocks_written >= 3 * of->tables_written); /* values, a leaf, the root */
        EXPECT(of->records_in >= of->records_written);
        EXPECT(of->bytes_written >= 16 * of->records_written);
        tables += of->tables;
        moved += of->tables_moved;
        records_in += of->records_in;
        records_written += of->records_written;
    }
    EXPECT(stats.levels[1].tables_written > 0 && stats.levels[1].tables_moved > 0);
    EXPECT(stats.levels[0].tables_moved == 0);
    EXPECT(tables == stats.tables && tables > 0);
    EXPECT(moved == stats.moves);
    EXPECT(records_written == stats.records_written);
    EXPECT(
        records_in ==
        records_written + stats.records_dropped + stats.records_replaced + stats.records_cancelled
    );
    EXPECT(stats.records_cancelled > 0 && stats.records_dropped > 0);
    EXPECT(stats.blocks_live + stats.blocks_released == stats.blocks_allocated);
    EXPECT(stats.blocks_free + stats.blocks_allocated == stats.blocks_in_file);
    EXPECT(stats.file_bytes >= stats.blocks_in_file * stats.block_bytes);
    EXPECT(stats.manifest_blocks > 0);
    end();
}

/* What is in the checkpoint counts from the file's beginning, what a level or the log says from the
 * open. */
static void expect_counted(const struct tactus_stats *before)
{
    const struct tactus_stats stats = database_fixture_stats(&fixture);
    const struct forest *forest = &fixture.db->forest;
    struct compaction_counters since = {0};
    for (uint32_t tree = 0; tree < forest->tree_count; tree += 1) {
        for (uint32_t level = 0; level < LEVELS; level += 1) {
            const struct compaction_counters *of = &forest->trees[tree].compactions[level].total;
            since.slices += of->slices;
            since.tables_trimmed += of->tables_trimmed;
        }
    }
    EXPECT(stats.slices == before->slices + since.slices);
    EXPECT(stats.tables_trimmed == before->tables_trimmed + since.tables_trimmed);
    const struct manifest_log_statistics *log = &forest->log.statistics;
    EXPECT(
        stats.manifest_blocks_compacted == before->manifest_blocks_compacted + log->blocks_compacted
    );
    EXPECT(stats.manifest_events_copied == before->manifest_events_copied + log->events_copied);
    EXPECT(stats.manifest_blocks > 0 && stats.manifest_blocks <= stats.manifest_blocks_max);
}

TEST(statistics, slices_trims_and_the_log_s_own_compaction_are_counted_over_all_opens)
{
    database_fixture_init(&fixture, 1);
    fixture.create.runs_max[0] = 4;
    EXPECT(database_fixture_open(&fixture, true) == TACTUS_OK);
    struct tactus_stats stats = {0};
    for (uint32_t open = 0; open < 3; open += 1) {
        for (uint32_t batch = 0; batch < 100; batch += 1)
            go_on(open * 100 + batch);
        expect_counted(&stats);
        EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
        stats = database_fixture_stats(&fixture);
        database_fixture_reopen(&fixture);
        expect_counted(&stats);
    }
    EXPECT(stats.slices > 0 && stats.slices < stats.compactions);
    EXPECT(stats.tables_trimmed > 0);
    EXPECT(stats.manifest_blocks_compacted > 0 && stats.manifest_events_copied > 0);
    end();
}

TEST(statistics, bytes_are_those_of_objects_and_of_entries)
{
    begin(0);
    EXPECT(database_fixture_stats(&fixture).bytes_committed == 0);
    EXPECT(database_fixture_stats(&fixture).journal_used_bytes == 0);
    EXPECT(database_fixture_insert(&fixture, 1, 10, 1) == TACTUS_OK);
    struct tactus_stats stats = database_fixture_stats(&fixture);
    EXPECT(stats.bytes_committed == 10 * sizeof(struct fixture_item));
    EXPECT(stats.bytes_journaled == 4096 && stats.bytes_journal == 4096);
    EXPECT(stats.journal_used_bytes == 4096);
    EXPECT(database_fixture_remove(&fixture, 3, 2) == TACTUS_OK);
    stats = database_fixture_stats(&fixture);
    EXPECT(stats.bytes_committed == 10 * sizeof(struct fixture_item) + UINT64_C(2) * 8);
    EXPECT(stats.bytes_journaled == 8192);
    database_fixture_reopen(&fixture); /* the file's history goes on, the process begins anew */
    stats = database_fixture_stats(&fixture);
    EXPECT(stats.bytes_committed == 10 * sizeof(struct fixture_item) + UINT64_C(2) * 8);
    EXPECT(stats.bytes_journaled == 8192 && stats.bytes_journal == 0);
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    EXPECT(database_fixture_stats(&fixture).bytes_journaled == 12288);
    end();
}

TEST(statistics, the_work_of_a_beat_keeps_to_its_share)
{
    begin(0);
    EXPECT(database_fixture_stats(&fixture).beats_worked == 0);
    history(300);
    const struct tactus_stats stats = database_fixture_stats(&fixture);
    EXPECT(stats.beats_worked > 100 && stats.beats_worked <= stats.beat);
    EXPECT(stats.beat_bytes_p50 > 0);
    EXPECT(stats.beat_bytes_p50 <= stats.beat_bytes_p99);
    EXPECT(stats.beat_bytes_p99 <= stats.beat_bytes_max);
    EXPECT(stats.beat_bytes_max <= stats.beat_quota_max + stats.beat_beyond_max);
    EXPECT(stats.beat_bytes_max >= stats.beat_quota_max);
    EXPECT(stats.beat_beyond_max > 0 && stats.beat_beyond_max < 2 * stats.block_bytes);
    EXPECT(stats.blocks_written > 0);
    database_fixture_reopen(&fixture);
    EXPECT(database_fixture_stats(&fixture).blocks_written < stats.blocks_written);
    end();
}

/* Full batches, then single objects, of which a bar is so small that its flush is put off. */
static struct tactus_stats mixed_history(uint32_t reopen_every, uint32_t runs_max)
{
    database_fixture_init(&fixture, 2);
    fixture.create.runs_max[0] = runs_max;
    EXPECT(database_fixture_open(&fixture, true) == TACTUS_OK);
    for (uint32_t step = 0; step < 600; step += 1) {
        if (step < 200) go_on(step);
        if (step >= 200) EXPECT(database_fixture_insert(&fixture, 90000 + step, 1, 2) == TACTUS_OK);
        if (reopen_every > 0 && step % reopen_every == 0) database_fixture_reopen(&fixture);
    }
    const struct tactus_stats stats = database_fixture_stats(&fixture);
    end();
    return stats;
}

static void expect_one_set_of_counts(uint32_t runs_max)
{
    const struct tactus_stats straight = mixed_history(0, runs_max);
    const struct tactus_stats broken = mixed_history(17, runs_max);
    EXPECT(straight.deferrals > 0 && straight.tables_coalesced > 0);
    EXPECT((straight.slices > 0) == (runs_max > 1));
    EXPECT((straight.tables_trimmed > 0) == (runs_max > 1));
    EXPECT(straight.manifest_blocks_compacted > 0 && straight.manifest_events_copied > 0);
    EXPECT(memcmp(straight.levels, broken.levels, sizeof straight.levels) == 0);
    EXPECT(straight.bytes_committed == broken.bytes_committed);
    EXPECT(straight.bytes_journaled == broken.bytes_journaled);
    EXPECT(straight.deferrals == broken.deferrals);
    EXPECT(straight.tables_coalesced == broken.tables_coalesced);
    EXPECT(straight.records_dropped == broken.records_dropped);
    EXPECT(straight.slices == broken.slices);
    EXPECT(straight.tables_trimmed == broken.tables_trimmed);
    EXPECT(straight.manifest_blocks == broken.manifest_blocks);
    EXPECT(straight.manifest_blocks_compacted == broken.manifest_blocks_compacted);
    EXPECT(straight.manifest_events_copied == broken.manifest_events_copied);
    EXPECT(straight.blocks_allocated == broken.blocks_allocated);
}

TEST(statistics, one_history_has_one_set_of_counts)
{
    expect_one_set_of_counts(1);
    expect_one_set_of_counts(4);
}

TEST(statistics, checkpoints_of_this_process_are_counted)
{
    begin(40);
    const struct tactus_stats before = database_fixture_stats(&fixture);
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    const struct tactus_stats after = database_fixture_stats(&fixture);
    EXPECT(after.checkpoints_durable > before.checkpoints_durable);
    EXPECT(after.checkpoints_waited > before.checkpoints_waited);
    EXPECT(after.checkpoints_waited <= after.checkpoints_durable);
    EXPECT(after.checkpoint_blocks == 3); /* state, and the two sets */
    EXPECT(after.checkpoint_ns_last <= after.checkpoint_ns_max);
    EXPECT(after.checkpoint_ns_max <= after.checkpoint_ns_total);
    database_fixture_reopen(&fixture);
    EXPECT(database_fixture_stats(&fixture).checkpoints_durable == 0);
    EXPECT(database_fixture_stats(&fixture).checkpoints >= after.checkpoints_durable);
    end();
}

TEST(statistics, lookups_say_how_they_were_answered)
{
    begin(300);
    database_fixture_reopen(&fixture);
    const struct tactus_stats before = database_fixture_stats(&fixture);
    struct fixture_item item;
    uint32_t found = 0;
    for (uint64_t id = 1; id <= 64000; id += 7) {
        const enum tactus_status status =
            tactus_get(tactus_latest(fixture.db), fixture.items, &id, 1, &item, NULL);
        EXPECT(status == TACTUS_OK || status == TACTUS_ABSENT);
        if (status == TACTUS_OK) found += 1;
    }
    const struct tactus_stats after = database_fixture_stats(&fixture);
    EXPECT(found > 0);
    EXPECT(after.lookups + after.lookups_memory - before.lookups - before.lookups_memory >= found);
    EXPECT(after.lookups_outside > before.lookups_outside);
    EXPECT(after.levels_passed > before.levels_passed);
    EXPECT(after.filter_negatives > before.filter_negatives);
    EXPECT(after.filter_positives > before.filter_positives);
    EXPECT(
        after.filter_negatives + after.filter_positives + after.filter_false_positives <=
        after.tables_asked
    );
    end();
}

/* ---- The size of the struct ------------------------------------------------------------------ */

enum { FIRST_VERSION = offsetof(struct tactus_stats, blocks_live), BEHIND = 64 };

struct larger {
    struct tactus_stats stats;
    uint8_t behind[BEHIND];
};

static struct larger fill(uint32_t struct_bytes)
{
    struct larger larger;
    memset(&larger, 0xa5, sizeof larger);
    larger.stats.struct_bytes = struct_bytes;
    tactus_stats(fixture.db, &larger.stats);
    return larger;
}

static bool is_untouched(const struct larger *larger, size_t from)
{
    const uint8_t *bytes = (const uint8_t *)larger;
    for (size_t index = from; index < sizeof *larger; index += 1) {
        if (bytes[index] != 0xa5) return false;
    }
    return true;
}

TEST(statistics, programs_of_older_and_newer_headers_get_what_they_know)
{
    begin(20);
    const struct tactus_stats stats = database_fixture_stats(&fixture);
    struct larger found = fill(sizeof stats);
    EXPECT(memcmp(&found.stats, &stats, sizeof stats) == 0);
    EXPECT(is_untouched(&found, sizeof stats));

    found = fill(FIRST_VERSION);
    EXPECT(found.stats.struct_bytes == FIRST_VERSION);
    EXPECT(found.stats.op == stats.op && found.stats.replayed_ops == stats.replayed_ops);
    EXPECT(is_untouched(&found, FIRST_VERSION));

    found = fill(sizeof found);
    EXPECT(found.stats.struct_bytes == sizeof stats);
    EXPECT(memcmp(&found.stats, &stats, sizeof stats) == 0);
    for (uint32_t index = 0; index < BEHIND; index += 1) {
        EXPECT(found.behind[index] == 0);
    }

    found = fill(FIRST_VERSION - 1);
    EXPECT(is_untouched(&found, sizeof found.stats.struct_bytes));
    end();
}

/* ---- Inspect --------------------------------------------------------------------------------- */

static char text[1 << 16];
static size_t used;

static int keep(void *context, const char *piece, size_t bytes)
{
    (void)context;
    EXPECT(used + bytes < sizeof text);
    memcpy(text + used, piece, bytes);
    used += bytes;
    text[used] = 0;
    return 0;
}

static void expect_line(const char *key, uint64_t value)
{
    char line[96];
    (void)snprintf(line, sizeof line, "\n  %s: %" PRIu64 "\n", key, value);
    if (strstr(text, line) == NULL) (void)fprintf(stderr, "wanted: %s%s", line, text);
    EXPECT(strstr(text, line) != NULL);
}

static void expect_row(uint32_t level, const struct tactus_level_stats *of)
{
    char row[160];
    (void)snprintf(
        row,
        sizeof row,
        "\n  %5" PRIu32 "  %9" PRIu64 "  %9" PRIu64 "  %10" PRIu64 "  %13" PRIu64 "  %13" PRIu64
        "  %16" PRIu64 "  ",
        level,
        of->tables_written,
        of->tables_moved,
        of->blocks_written,
        of->records_in,
        of->records_written,
        of->bytes_written
    );
    if (strstr(text, row) == NULL) (void)fprintf(stderr, "wanted: %s%s", row, text);
    EXPECT(strstr(text, row) != NULL);
}

TEST(statistics, inspect_shows_the_same_of_a_checkpointed_file)
{
    begin(300);
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    const struct tactus_stats stats = database_fixture_stats(&fixture);
    EXPECT(database_fixture_close(&fixture) == TACTUS_OK);
    struct reactor reactor = {0};
    struct inspect_writer writer;
    struct fault fault = {0};
    simulated_disk_open_read_only(&reactor, fixture.disk);
    used = 0;
    inspect_begin(&writer, keep, NULL, false);
    EXPECT(inspect_file(&reactor, INSPECT_STATS, &writer, &fault) == TACTUS_OK);
    inspect_end(&writer);
    file_close(&reactor);
    expect_line("bytes", stats.file_bytes);
    expect_line("blocks", stats.blocks_in_file);
    expect_line("blocks_acquired", stats.blocks_allocated);
    /* The trailers (state, and the two sets) are let go of as soon as they are written, for the
     * next checkpoint; the file as it lies needs them. */
    expect_line("blocks_live", stats.blocks_live + 3);
    expect_line("blocks_released", stats.blocks_released - 3);
    expect_line("blocks_free", stats.blocks_free);
    expect_line("tables", stats.tables);
    expect_line("manifest_blocks", stats.manifest_blocks);
    expect_line("bytes_used", 0);
    expect_line("bytes_committed", stats.bytes_committed);
    expect_line("bytes_journal", stats.bytes_journaled);
    expect_line("moves", stats.moves);
    expect_line("records_written", stats.records_written);
    expect_line("blocks_max", stats.manifest_blocks_max);
    expect_line("blocks_compacted", stats.manifest_blocks_compacted);
    expect_line("events_copied", stats.manifest_events_copied);
    for (uint32_t level = 0; level < TACTUS_LEVELS; level += 1) {
        expect_row(level, &stats.levels[level]);
    }
    database_fixture_end(&fixture);
}

TEST_MAIN()
