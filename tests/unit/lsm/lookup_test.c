#include "base/bytes.h"
#include "support/lsm_fixture.h"
#include "support/test.h"

#include <signal.h>
#include <string.h>

static struct lsm_fixture fixture;
static struct simulated_disk *disk;
static struct lsm_fixture_options options;

static void begin_runs(uint32_t runs_max)
{
    options = (struct lsm_fixture_options
    ){.shape = record_shape_id64(),
      .usage = TREE_GENERAL,
      .point_lookups = true,
      .record_max = 100,
      .bar_beats = 4,
      .runs_max = {runs_max}};
    disk = lsm_fixture_disk(1, &options);
    lsm_fixture_begin(&fixture, disk, &options);
    lsm_fixture_create(&fixture);
}

static void begin(void)
{
    begin_runs(1);
}

static void end(void)
{
    EXPECT(lsm_fixture_pinned(&fixture) == 0);
    lsm_fixture_end(&fixture);
    simulated_disk_free(disk);
}

static void put(uint64_t id, uint64_t timestamp)
{
    const uint64_t record[2] = {id, timestamp};
    tree_put(&fixture.tree, record);
}

static void remove_id(uint64_t id)
{
    const uint64_t record[2] = {id, 0};
    tree_remove(&fixture.tree, record);
}

static void bar(bool capture)
{
    tree_settle(&fixture.tree);
    EXPECT(lsm_fixture_bar(&fixture, capture) == TACTUS_OK);
}

static uint64_t newest(void)
{
    return tree_snapshot_newest(&fixture.tree);
}

/* 0: absent. Not the mutable table. */
static uint64_t look_up_at(uint64_t snapshot, uint64_t id)
{
    struct lookup lookup;
    uint64_t record[2] = {0, 0};
    lookup_init(&lookup, &fixture.tree, snapshot, key_from_u64(id), record);
    enum progress progress = lookup_advance(&lookup);
    while (progress == PROGRESS_WAIT) {
        grid_wait(&fixture.storage.grid);
        progress = lookup_advance(&lookup);
    }
    EXPECT(progress == PROGRESS_DONE);
    EXPECT(lookup.answer == (record[1] == 0 ? LOOKUP_ABSENT : LOOKUP_FOUND));
    return record[1];
}

static uint64_t look_up(uint64_t id)
{
    return look_up_at(newest(), id);
}

static const struct lookup_counters *counters(void)
{
    return &fixture.shared.lookups;
}

TEST(lookup, leaves_the_mutable_table_to_its_caller)
{
    begin();
    put(5, 50);
    EXPECT(look_up(5) == 0);
    const uint64_t *found = tree_get_mutable(&fixture.tree, key_from_u64(5), 1);
    EXPECT(found != NULL && found[1] == 50);
    end();
}

TEST(lookup, asks_the_immutable_table_before_the_levels)
{
    begin();
    put(5, 50);
    put(6, 60);
    bar(false); /* immutable */
    EXPECT(look_up(5) == 50);
    bar(false); /* level 0 */
    EXPECT(tree_table_count(&fixture.tree, 0) == 1);
    EXPECT(look_up(5) == 50);
    EXPECT(look_up(7) == 0);
    put(5, 51);
    bar(false);
    EXPECT(look_up(5) == 51);
    EXPECT(look_up(6) == 60);
    end();
}

TEST(lookup, answers_absent_for_a_tombstone_that_hides_an_older_record)
{
    begin();
    for (uint64_t id = 1; id < 100; id += 1)
        put(id, id * 10);
    bar(false);
    bar(false);
    remove_id(5);
    bar(false); /* the tombstone is in the immutable table */
    EXPECT(look_up(5) == 0);
    EXPECT(look_up(6) == 60);
    bar(false); /* merged into level 0, where nothing is left of it */
    EXPECT(look_up(5) == 0);
    EXPECT(look_up(6) == 60);
    EXPECT(fixture.tree.compactions[0].total.records_dropped == 1);
    end();
}

TEST(lookup, of_a_key_outside_all_ranges_need_not_begin)
{
    begin();
    EXPECT(!tree_key_range_contains(&fixture.tree, key_from_u64(5)));
    put(5, 50);
    put(9, 90);
    EXPECT(tree_key_range_contains(&fixture.tree, key_from_u64(7)));
    bar(false);
    EXPECT(tree_key_range_contains(&fixture.tree, key_from_u64(5)));
    EXPECT(!tree_key_range_contains(&fixture.tree, key_from_u64(10)));
    bar(false);
    EXPECT(tree_key_range_contains(&fixture.tree, key_from_u64(9)));
    EXPECT(!tree_key_range_contains(&fixture.tree, key_from_u64(4)));
    end();
}

/* ---- Snapshots ------------------------------------------------------------------------------- */

/* Of several runs that hold the same id, those that the beat saw decide. */
TEST(lookup, finds_at_each_snapshot_what_was_on_disk_then)
{
    begin_runs(4);
    put(5, 50);
    put(6, 60);
    bar(false);
    put(5, 51);
    bar(false); /* a table with 5 and 6, which beat 8 is the first to see */
    remove_id(5);
    bar(false); /* one with the newer 5, from 12 on */
    bar(false); /* one with the tombstone, from 16 on */
    EXPECT(tree_table_count(&fixture.tree, 0) == 3);
    EXPECT(tree_snapshot_oldest(&fixture.tree) == 0 && newest() == 16);
    for (uint64_t snapshot = 0; snapshot <= 16; snapshot += 1) {
        const uint64_t five = snapshot >= 16 ? 0 : snapshot >= 12 ? 51 : snapshot >= 8 ? 50 : 0;
        EXPECT(look_up_at(snapshot, 5) == five);
        EXPECT(look_up_at(snapshot, 6) == (snapshot >= 8 ? 60 : 0));
    }
    end();
}

TEST(lookup, reads_memory_tables_at_the_newest_snapshot_only)
{
    begin();
    put(5, 50);
    put(6, 60);
    bar(false);
    bar(false);
    put(5, 51);
    put(7, 70);
    bar(false); /* immutable */
    EXPECT(newest() == 12);
    EXPECT(look_up(5) == 51 && look_up(6) == 60 && look_up(7) == 70);
    EXPECT(look_up_at(11, 5) == 50 && look_up_at(11, 6) == 60 && look_up_at(11, 7) == 0);
    EXPECT(look_up_at(7, 5) == 0);
    end();
}

/* A table that is replaced is gone as its half-bar ends; one that is moved stays what it was. */
TEST(lookup, can_be_asked_back_to_the_last_replacement)
{
    begin();
    const struct tree *tree = &fixture.tree;
    put(5, 50);
    bar(false);
    put(5, 51);
    bar(false);
    EXPECT(tree_snapshot_oldest(tree) == 0 && newest() == 8);
    bar(false); /* both are merged */
    EXPECT(tree_snapshot_oldest(tree) == 12 && newest() == 12);
    EXPECT(look_up_at(12, 5) == 51);
    for (uint64_t id = 10; id < 15; id += 1) {
        put(id, id * 10);
        bar(false); /* each in a table of its own */
    }
    bar(false);
    EXPECT(fixture.tree.compactions[1].total.tables_moved > 0);
    EXPECT(tree_snapshot_oldest(tree) == 12 && newest() == 36);
    for (uint64_t snapshot = 12; snapshot <= 36; snapshot += 1) {
        EXPECT(look_up_at(snapshot, 5) == 51);
        for (uint64_t id = 10; id < 15; id += 1)
            EXPECT(look_up_at(snapshot, id) == (snapshot >= 20 + 4 * (id - 10) ? id * 10 : 0));
    }
    end();
}

static void look_up_five_at(void *snapshot)
{
    (void)look_up_at(*(uint64_t *)snapshot, 5);
}

/* The signal that ends a lookup at it. */
static int signal_at(uint64_t snapshot)
{
    char words[512];
    const int number = test_signal_of(look_up_five_at, &snapshot, words, sizeof words);
    EXPECT((number == 0) == (strstr(words, "tree_snapshot_is_held") == NULL));
    return number;
}

TEST(lookup, at_a_snapshot_that_the_tree_cannot_answer_for_aborts)
{
    begin();
    put(5, 50);
    bar(false);
    put(5, 51);
    bar(false);
    bar(false);
    bar(false);
    EXPECT(tree_snapshot_oldest(&fixture.tree) == 12 && newest() == 16);
    EXPECT(signal_at(11) == SIGABRT && signal_at(17) == SIGABRT);
    EXPECT(signal_at(12) == 0 && signal_at(16) == 0);
    end();
}

/* It may lie in the range of the run and of the table, and pass the filter. */
TEST(lookup, of_a_table_that_its_snapshot_does_not_see_reads_nothing)
{
    begin();
    put(5, 50);
    bar(false);
    bar(false);
    EXPECT(look_up_at(7, 5) == 0);
    EXPECT(counters()->tables == 0 && counters()->gap_misses == 1);
    EXPECT(look_up_at(8, 5) == 50);
    EXPECT(counters()->tables == 1 && counters()->filter_positives == 1);
    end();
}

/* R10: the checkpoint's last tables are dated one beat behind it, those that are replayed lie
 * before. */
TEST(lookup, at_replay_sees_what_the_checkpoint_has)
{
    begin();
    put(5, 50);
    bar(false);
    put(6, 60);
    bar(true); /* 5 is in a table, 6 is to be replayed */
    lsm_fixture_end(&fixture);
    lsm_fixture_begin(&fixture, disk, &options);
    EXPECT(lsm_fixture_open(&fixture) == TACTUS_OK);
    EXPECT(fixture.beat == 4 && newest() == 8 && tree_snapshot_oldest(&fixture.tree) == 8);
    EXPECT(manifest_level_first(&fixture.tree.manifest.levels[0])->snapshot_min == 8);
    EXPECT(look_up(5) == 50 && look_up(6) == 0);
    put(6, 60);
    bar(false);
    EXPECT(fixture.beat == 8 && newest() == 8);
    EXPECT(look_up(5) == 50 && look_up(6) == 60);
    end();
}

/* ---- Fast paths ------------------------------------------------------------------------------ */

TEST(lookup, counts_hits_in_the_memory_tables)
{
    begin();
    put(5, 50);
    EXPECT(tree_get_mutable(&fixture.tree, key_from_u64(5), 1) != NULL);
    EXPECT(tree_get_mutable(&fixture.tree, key_from_u64(6), 1) == NULL);
    EXPECT(counters()->mutable_hits == 1);
    bar(false);
    EXPECT(look_up(5) == 50);
    EXPECT(counters()->immutable_hits == 1);
    EXPECT(counters()->lookups == 1 && counters()->tables == 0);
    end();
}

TEST(lookup, of_a_key_outside_the_tree_asks_nothing)
{
    begin();
    put(5, 50);
    put(9, 90);
    bar(false);
    bar(false);
    const struct grid_statistics before = fixture.storage.grid.statistics;
    EXPECT(look_up(4) == 0 && look_up(10) == 0);
    EXPECT(counters()->lookups == 2 && counters()->tree_misses == 2);
    EXPECT(counters()->level_misses == 0 && counters()->tables == 0);
    EXPECT(fixture.storage.grid.statistics.reads_cached == before.reads_cached);
    EXPECT(fixture.storage.grid.statistics.blocks_read == before.blocks_read);
    end();
}

TEST(lookup, of_a_key_outside_a_level_or_between_its_tables_asks_none_of_them)
{
    begin();
    put(1000, 1);
    bar(false);
    put(3000, 1);
    bar(false);
    bar(false);
    EXPECT(tree_table_count(&fixture.tree, 0) == 2);
    EXPECT(look_up(2000) == 0);
    EXPECT(counters()->gap_misses == 1);
    EXPECT(counters()->level_misses == 0 && counters()->tables == 0);
    put(3500, 1);
    put(5000, 1); /* widens the tree, not the level */
    EXPECT(look_up(4000) == 0);
    EXPECT(counters()->level_misses == 1);
    EXPECT(counters()->tree_misses == 0 && counters()->tables == 0);
    end();
}

/* Of many keys that are not there a few pass the filter, and are looked for in vain. */
TEST(lookup, counts_what_filters_say)
{
    enum { PROBES = 2000 };
    begin();
    for (uint64_t first = 0; first < 400; first += 100) {
        for (uint64_t id = first; id < first + 100; id += 1)
            put(100 + id * 100, id + 1);
        tree_settle(&fixture.tree);
        EXPECT(lsm_fixture_boundary(&fixture, false) == TACTUS_OK);
    }
    bar(false);
    EXPECT(tree_table_count(&fixture.tree, 0) == 1);
    for (uint64_t id = 0; id < 400; id += 1)
        EXPECT(look_up(100 + id * 100) == id + 1);
    EXPECT(counters()->tables == 400);
    EXPECT(counters()->filter_positives == 400);
    EXPECT(counters()->filter_negatives == 0 && counters()->filter_false_positives == 0);

    for (uint64_t probe = 0; probe < PROBES; probe += 1)
        EXPECT(look_up(101 + probe * 19 / 100 * 100 + probe % 99) == 0);
    EXPECT(counters()->tables == 400 + PROBES);
    EXPECT(counters()->filter_positives == 400);
    EXPECT(counters()->filter_negatives + counters()->filter_false_positives == PROBES);
    EXPECT(counters()->filter_negatives > PROBES * 95 / 100);
    EXPECT(counters()->filter_false_positives > 0);
    end();
}

/* A filter that did not know tombstones would bring back what they hide. */
TEST(lookup, finds_a_tombstone_through_its_filter)
{
    begin();
    for (uint64_t index = 0; index < 4; index += 1) {
        for (uint64_t id = 1; id <= 100; id += 1)
            put(index * 1000 + id, id);
        bar(false);
    }
    bar(false);
    bar(false);
    EXPECT(tree_table_count(&fixture.tree, 1) == 1); /* keys 1 to 100 */
    for (uint64_t id = 1; id <= 50; id += 1)
        remove_id(id);
    bar(false);
    bar(false);
    const uint64_t positives = counters()->filter_positives;
    for (uint64_t id = 1; id <= 100; id += 1)
        EXPECT(look_up(id) == (id <= 50 ? 0 : id));
    EXPECT(counters()->filter_positives == positives + 100);
    end();
}

TEST(lookup, of_objects_goes_without_filters)
{
    begin();
    end();
    options.shape = record_shape_object(16, 0);
    disk = lsm_fixture_disk(1, &options);
    lsm_fixture_begin(&fixture, disk, &options);
    lsm_fixture_create(&fixture);
    put(5, 50);
    bar(false);
    bar(false);
    uint64_t record[2];
    bool found;
    EXPECT(lsm_fixture_get(&fixture, key_from_u64(5), record, &found) == TACTUS_OK);
    EXPECT(found && counters()->tables == 1);
    EXPECT(counters()->filter_positives == 0 && counters()->filter_negatives == 0);
    end();
}

/* ---- Side by side ---------------------------------------------------------------------------- */

TEST(lookup, several_are_advanced_side_by_side)
{
    begin();
    for (uint64_t id = 1; id < 100; id += 1)
        put(id * 3, id);
    bar(false);
    bar(true);
    lsm_fixture_end(&fixture);
    lsm_fixture_begin(&fixture, disk, &options); /* with an empty cache */
    EXPECT(lsm_fixture_open(&fixture) == TACTUS_OK);

    struct lookup lookups[LSM_FIXTURE_LOOKUPS];
    uint64_t records[LSM_FIXTURE_LOOKUPS][2];
    uint32_t waiting = LSM_FIXTURE_LOOKUPS;
    for (uint32_t i = 0; i < LSM_FIXTURE_LOOKUPS; i += 1) {
        lookup_init(&lookups[i], &fixture.tree, newest(), key_from_u64(i * 3 + 3), records[i]);
    }
    for (uint32_t rounds = 0; waiting > 0; rounds += 1) {
        EXPECT(rounds < 10);
        waiting = 0;
        for (uint32_t i = 0; i < LSM_FIXTURE_LOOKUPS; i += 1) {
            if (lookup_advance(&lookups[i]) == PROGRESS_WAIT) waiting += 1;
        }
        if (waiting > 0) grid_wait(&fixture.storage.grid);
    }
    for (uint32_t i = 0; i < LSM_FIXTURE_LOOKUPS; i += 1) {
        EXPECT(lookups[i].answer == LOOKUP_FOUND);
        EXPECT(records[i][1] == i + 1);
    }
    end();
}

TEST(lookup, of_several_tables_read_their_blocks_at_the_same_time)
{
    enum { TABLES = 3, READS = 4 }; /* root, filter block, leaf, value block */
    begin();
    for (uint64_t index = 0; index < TABLES; index += 1) {
        put(1000 * index + 1, 1);
        bar(false);
    }
    bar(true);
    EXPECT(tree_table_count(&fixture.tree, 0) == TABLES);
    lsm_fixture_end(&fixture);
    lsm_fixture_begin(&fixture, disk, &options); /* with an empty cache */
    EXPECT(lsm_fixture_open(&fixture) == TACTUS_OK);

    struct lookup lookups[TABLES];
    uint64_t records[TABLES][2];
    struct grid *grid = &fixture.storage.grid;
    for (uint32_t i = 0; i < TABLES; i += 1) {
        lookup_init(&lookups[i], &fixture.tree, newest(), key_from_u64(1000 * i + 1), records[i]);
    }
    for (uint32_t read = 0; read < READS; read += 1) {
        for (uint32_t i = 0; i < TABLES; i += 1)
            EXPECT(lookup_advance(&lookups[i]) == PROGRESS_WAIT);
        EXPECT(grid->reads_in_flight == TABLES);
        while (grid->reads_in_flight > 0)
            grid_wait(grid);
    }
    for (uint32_t i = 0; i < TABLES; i += 1) {
        EXPECT(lookup_advance(&lookups[i]) == PROGRESS_DONE);
        EXPECT(lookups[i].answer == LOOKUP_FOUND && records[i][1] == 1);
    }
    end();
}

TEST(lookup, takes_one_step_at_a_time_and_says_when_it_has_to_wait)
{
    enum { KEYS = 8, STEPS_MAX = 3 * 4 + 1 };
    begin();
    for (uint64_t id = 1; id <= KEYS; id += 1)
        put(id, id * 10);
    bar(false);
    bar(true);
    lsm_fixture_end(&fixture);
    lsm_fixture_begin(&fixture, disk, &options); /* with an empty cache */
    EXPECT(lsm_fixture_open(&fixture) == TACTUS_OK);

    struct grid *grid = &fixture.storage.grid;
    struct lookup lookups[KEYS];
    uint64_t records[KEYS][2];
    for (uint32_t pass = 0; pass < 2; pass += 1) { /* the second one finds everything cached */
        uint32_t running = KEYS;
        uint32_t waits = 0;
        for (uint32_t i = 0; i < KEYS; i += 1) {
            lookup_init(&lookups[i], &fixture.tree, newest(), key_from_u64(i + 1), records[i]);
            EXPECT(!lookup_is_reading(&lookups[i]));
        }
        for (uint32_t round = 0; running > 0; round += 1) {
            bool all_reading = true;
            EXPECT(round < 100);
            for (uint32_t i = 0; i < KEYS; i += 1) {
                if (lookups[i].stage == LOOKUP_END) continue;
                const enum progress progress = lookup_step(&lookups[i]);
                EXPECT(progress != PROGRESS_FAILED);
                running -= progress == PROGRESS_DONE;
                all_reading &= lookup_is_reading(&lookups[i]);
            }
            if (pass == 1) EXPECT(running == (round + 1 < STEPS_MAX ? KEYS : 0));
            if (running == 0 || !all_reading) continue;
            EXPECT(grid->reads_in_flight == 1); /* one block, for all of them */
            grid_wait(grid);
            waits += 1;
        }
        EXPECT(waits == (pass == 0 ? 4 : 0));
        for (uint32_t i = 0; i < KEYS; i += 1)
            EXPECT(lookups[i].answer == LOOKUP_FOUND && records[i][1] == (i + 1) * 10);
    }
    end();
}

TEST(lookup, may_be_cancelled_while_it_waits)
{
    begin();
    put(5, 50);
    bar(false);
    bar(true);
    lsm_fixture_end(&fixture);
    lsm_fixture_begin(&fixture, disk, &options);
    EXPECT(lsm_fixture_open(&fixture) == TACTUS_OK);
    struct lookup lookup;
    uint64_t record[2];
    lookup_init(&lookup, &fixture.tree, newest(), key_from_u64(5), record);
    EXPECT(lookup_advance(&lookup) == PROGRESS_WAIT);
    lookup_cancel(&lookup);
    EXPECT(lookup.answer == 0);
    end();
}

TEST(lookup, fails_on_a_damaged_block_and_says_which)
{
    begin();
    put(5, 50);
    bar(false);
    bar(true);
    const uint64_t address = manifest_level_first(&fixture.tree.manifest.levels[0])->address;
    const uint64_t offset = layout_block_offset(&fixture.storage.layout, address);
    lsm_fixture_end(&fixture);
    simulated_disk_flip(disk, offset + 130, 3);
    lsm_fixture_begin(&fixture, disk, &options);
    EXPECT(lsm_fixture_open(&fixture) == TACTUS_OK);
    uint64_t record[2];
    bool found = true;
    EXPECT(lsm_fixture_get(&fixture, key_from_u64(5), record, &found) == TACTUS_CORRUPT);
    EXPECT(!found);
    EXPECT(fixture.storage.fault.address == address);
    end();
}

TEST_MAIN()
