#include "base/bytes.h"
#include "base/integer.h"
#include "support/lsm_fixture.h"
#include "support/test.h"

#include <signal.h>
#include <string.h>

static struct lsm_fixture fixture;
static struct simulated_disk *disk;
static struct lsm_fixture_options options;

static void begin_as(enum tree_usage usage, uint32_t runs_max)
{
    options = (struct lsm_fixture_options
    ){.shape = usage == TREE_INDEX ? record_shape_index64() : record_shape_id64(),
      .usage = usage,
      .point_lookups = usage == TREE_GENERAL,
      .record_max = 10,
      .bar_beats = 4,
      .runs_max = {runs_max}};
    disk = lsm_fixture_disk(1, &options);
    lsm_fixture_begin(&fixture, disk, &options);
    lsm_fixture_create(&fixture);
}

static void begin(void)
{
    begin_as(TREE_GENERAL, 1);
}

static void end(void)
{
    scan_tree_stop(&fixture.scan);
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

static void beat(void)
{
    tree_settle(&fixture.tree);
    EXPECT(lsm_fixture_boundary(&fixture, false) == TACTUS_OK);
}

static void bar(bool capture)
{
    tree_settle(&fixture.tree);
    EXPECT(lsm_fixture_bar(&fixture, capture) == TACTUS_OK);
}

static struct key key_of(uint64_t id, uint64_t timestamp)
{
    const bool is_index = options.usage == TREE_INDEX;
    return is_index ? key_from_prefix64(id, timestamp) : key_from_u64(id);
}

static enum tactus_status start_at(
    uint64_t snapshot, uint64_t key_min, uint64_t key_max, bool descending
)
{
    scan_tree_stop(&fixture.scan);
    const struct scan_tree_range range = {
        .tree = &fixture.tree,
        .key_min = key_of(key_min, 0),
        .key_max = key_of(key_max, UINT64_MAX >> 1),
        .descending = descending,
        .snapshot = snapshot,
        .visible_count = tree_visible_all(&fixture.tree)};
    return scan_tree_start(&fixture.scan, &range);
}

static uint64_t newest(void)
{
    return tree_snapshot_newest(&fixture.tree);
}

static enum tactus_status start(uint64_t key_min, uint64_t key_max, bool descending)
{
    return start_at(newest(), key_min, key_max, descending);
}

/* The next timestamp; 0 at the end. */
static uint64_t next(void)
{
    const void *record = NULL;
    const enum scan_result result = lsm_fixture_next(&fixture, &record);
    EXPECT(result == SCAN_RECORD || result == SCAN_END);
    return result == SCAN_END ? 0 : load_u64((const uint8_t *)record + 8);
}

/* Whether the range holds exactly these timestamps, both ways. */
static bool holds_at(
    uint64_t snapshot, uint64_t key_min, uint64_t key_max, const uint64_t *wanted, uint32_t count
)
{
    EXPECT(start_at(snapshot, key_min, key_max, false) == TACTUS_OK);
    for (uint32_t i = 0; i < count; i += 1) {
        if (next() != wanted[i]) return false;
    }
    if (next() != 0 || next() != 0) return false;
    EXPECT(start_at(snapshot, key_min, key_max, true) == TACTUS_OK);
    for (uint32_t i = count; i > 0; i -= 1) {
        if (next() != wanted[i - 1]) return false;
    }
    return next() == 0;
}

static bool holds(uint64_t key_min, uint64_t key_max, const uint64_t *wanted, uint32_t count)
{
    return holds_at(newest(), key_min, key_max, wanted, count);
}

TEST(scan_tree, of_an_empty_tree_ends_at_once)
{
    begin();
    EXPECT(holds(0, UINT64_MAX, NULL, 0));
    EXPECT(holds(9, 3, NULL, 0)); /* a range that is none */
    end();
}

TEST(scan_tree, gives_the_newest_record_wherever_the_older_ones_are)
{
    begin();
    for (uint64_t id = 1; id <= 6; id += 1)
        put(id, id * 10);
    bar(false);
    bar(false); /* in level 0 */
    for (uint64_t id = 2; id <= 6; id += 1)
        put(id, id * 10 + 1);
    bar(false); /* immutable */
    for (uint64_t id = 3; id <= 6; id += 1)
        put(id, id * 10 + 2);
    beat(); /* an older run */
    for (uint64_t id = 5; id >= 4; id -= 1)
        put(id, id * 10 + 3);
    put(6, 63);
    beat(); /* a newer run */
    put(6, 64);
    put(5, 54);
    put(6, 65); /* not sorted */
    const uint64_t wanted[] = {10, 21, 32, 43, 54, 65};
    EXPECT(fixture.tree.mutable->run_count == 2);
    EXPECT(tree_table_count(&fixture.tree, 0) == 1);
    EXPECT(holds(0, UINT64_MAX, wanted, 6));
    EXPECT(holds(2, 5, wanted + 1, 4));
    EXPECT(holds(4, 4, wanted + 3, 1));
    EXPECT(holds(7, 9, NULL, 0));
    end();
}

/* Every source at once, and equal keys in all of them; the immutable table has runs of its own. */
TEST(scan_tree, merges_the_runs_of_the_immutable_table)
{
    begin();
    for (uint64_t beats = 0; beats < 3; beats += 1) {
        for (uint64_t id = 1 + beats % 2; id <= 9 - beats; id += 2)
            put(id, id * 10 + beats);
        if (beats == 1) remove_id(9);
        beat();
    }
    bar(false);
    EXPECT(fixture.tree.immutable->run_count == 3);
    const uint64_t wanted[] = {12, 21, 32, 41, 52, 61, 72, 81};
    EXPECT(holds(0, UINT64_MAX, wanted, 8));
    EXPECT(holds(3, 6, wanted + 2, 4));
    EXPECT(holds(9, 9, NULL, 0));

    put(9, 95);
    remove_id(5);
    put(2, 25);
    const uint64_t with_newer[] = {12, 25, 32, 41, 61, 72, 81, 95};
    EXPECT(holds(0, UINT64_MAX, with_newer, 8));
    end();
}

TEST(scan_tree, of_an_index_lets_the_newest_of_put_and_remove_decide)
{
    begin_as(TREE_INDEX, 1);
    const uint64_t first[2] = {1, 11};
    const uint64_t second[2] = {2, 22};
    const uint64_t third[2] = {3, 33};
    tree_put(&fixture.tree, first);
    tree_put(&fixture.tree, second);
    beat();
    tree_remove(&fixture.tree, first);
    tree_put(&fixture.tree, third);
    beat();
    tree_put(&fixture.tree, first);
    tree_remove(&fixture.tree, second);
    bar(false);
    EXPECT(fixture.tree.immutable->count == 6 && fixture.tree.immutable->run_count == 3);
    const uint64_t wanted[] = {11, 33};
    EXPECT(holds(0, UINT64_MAX, wanted, 2));
    EXPECT(holds(2, 2, NULL, 0));
    tree_remove(&fixture.tree, third);
    tree_put(&fixture.tree, second);
    const uint64_t now[] = {11, 22};
    EXPECT(holds(0, UINT64_MAX, now, 2));
    end();
}

TEST(scan_tree, has_room_for_as_many_runs_as_absorbing_leaves)
{
    begin();
    uint64_t wanted[40];
    for (uint64_t id = 0; id < 40; id += 1)
        wanted[id] = id + 100;
    for (uint64_t round = 0; round < 40; round += 1) {
        const uint64_t id = round * 17 % 40;
        put(id, id + 100);
        tree_settle(&fixture.tree);
        tree_sort_suffix(&fixture.tree);
        tree_end_bar(&fixture.tree); /* the first time the tables change roles */
    }
    EXPECT(fixture.tree.immutable->count == 40 && fixture.tree.immutable->run_count > 2);
    EXPECT(holds(0, UINT64_MAX, wanted, 40));
    end();
}

TEST(scan_tree, leaves_out_what_was_removed_and_what_that_hides)
{
    begin();
    for (uint64_t id = 1; id <= 5; id += 1)
        put(id, id * 10);
    bar(false);
    bar(false);
    remove_id(1);
    remove_id(3);
    bar(false);
    remove_id(5);
    put(3, 33);
    const uint64_t wanted[] = {20, 33, 40};
    EXPECT(holds(0, UINT64_MAX, wanted, 3));
    end();
}

TEST(scan_tree, sees_only_what_its_reader_may_see)
{
    begin();
    put(1, 10);
    tree_settle(&fixture.tree);
    put(1, 11);
    put(2, 20);
    EXPECT(start(0, 9, false) == TACTUS_OK);
    EXPECT(next() == 11 && next() == 20 && next() == 0);
    scan_tree_stop(&fixture.scan);
    const struct scan_tree_range range = {
        .tree = &fixture.tree,
        .key_max = key_from_u64(9),
        .snapshot = newest(),
        .visible_count = tree_visible_settled(&fixture.tree)};
    EXPECT(scan_tree_start(&fixture.scan, &range) == TACTUS_OK);
    EXPECT(next() == 10 && next() == 0);
    end();
}

TEST(scan_tree, refuses_more_unsorted_records_than_it_has_room_for)
{
    begin();
    fixture.scan.permutation_max = 3;
    for (uint64_t id = 1; id <= 4; id += 1)
        put(id, id * 10);
    EXPECT(start(1, 4, false) == TACTUS_LIMIT);
    EXPECT(start(2, 4, true) == TACTUS_OK);
    EXPECT(next() == 40);
    scan_tree_stop(&fixture.scan);
    beat(); /* sorted now */
    EXPECT(start(1, 4, false) == TACTUS_OK);
    end();
}

TEST(scan_tree, crosses_the_tables_of_a_level)
{
    begin();
    for (uint64_t round = 0; round < 4; round += 1) {
        for (uint64_t id = 1; id <= 5; id += 1)
            put(round * 100 + id, round * 100 + id);
        bar(false);
    }
    bar(true);
    EXPECT(tree_table_count(&fixture.tree, 0) == 4);
    lsm_fixture_end(&fixture);
    lsm_fixture_begin(&fixture, disk, &options); /* with an empty cache */
    EXPECT(lsm_fixture_open(&fixture) == TACTUS_OK);
    const uint64_t wanted[] = {4, 5, 101, 102, 103, 104, 105, 201, 202};
    EXPECT(holds(4, 202, wanted, 9));
    EXPECT(holds(106, 200, NULL, 0)); /* between two tables */
    EXPECT(holds(106, 201, wanted + 7, 1));
    end();
}

/* Tables of one run, each seen from a bar of its own on: wherever one lies that the snapshot does
 * not see, at either end of the range or between others, the scan goes on behind it. */
TEST(scan_tree, passes_over_the_tables_that_its_snapshot_does_not_see)
{
    begin();
    static const uint64_t firsts[] = {300, 100, 500, 200, 400};
    const uint32_t count = COUNT_OF(firsts);
    for (uint32_t index = 0; index < count; index += 1) {
        for (uint64_t id = firsts[index]; id < firsts[index] + 10; id += 1)
            put(id, id * 10);
        bar(false);
    }
    bar(false);
    EXPECT(fixture.tree.compactions[0].total.tables_in == 0);
    EXPECT(tree_snapshot_oldest(&fixture.tree) == 0 && newest() == 4 * (count + 1));
    for (uint64_t snapshot = 0; snapshot <= newest(); snapshot += 1) {
        const uint64_t bars = snapshot / 4;
        const uint32_t seen = bars == 0 ? 0 : (uint32_t)bars - 1;
        uint64_t wanted[50];
        uint32_t found = 0;
        for (uint64_t first = 100; first <= 500; first += 100) {
            bool is_seen = false;
            for (uint32_t index = 0; index < seen; index += 1)
                is_seen = is_seen || firsts[index] == first;
            for (uint64_t id = first; is_seen && id < first + 10; id += 1) {
                wanted[found] = id * 10;
                found += 1;
            }
        }
        EXPECT(found == 10 * seen);
        EXPECT(holds_at(snapshot, 0, UINT64_MAX, wanted, found));
        for (uint32_t skip = 0; skip + 20 <= found; skip += 7) { /* ends within tables */
            EXPECT(holds_at(
                snapshot,
                wanted[skip] / 10,
                wanted[found - 1 - skip / 2] / 10,
                &wanted[skip],
                found - skip - skip / 2
            ));
        }
    }
    end();
}

TEST(scan_tree, gives_at_each_snapshot_the_newest_record_of_the_runs_that_it_sees)
{
    begin_as(TREE_GENERAL, 4);
    put(1, 10);
    put(2, 20);
    put(3, 30);
    bar(false);
    put(2, 21);
    remove_id(3);
    bar(false);
    put(3, 32);
    put(4, 42);
    bar(false);
    put(2, 23); /* in the immutable table, which the newest alone sees */
    bar(false);
    remove_id(1); /* in the mutable one, likewise */
    EXPECT(tree_snapshot_oldest(&fixture.tree) == 0 && newest() == 16);
    for (uint64_t snapshot = 0; snapshot <= 16; snapshot += 1) {
        static const uint64_t wanted[][4] = {
            {0}, {0}, {10, 20, 30}, {10, 21}, {23, 32, 42} /* at the newest */};
        static const uint32_t counts[] = {0, 0, 3, 2, 3};
        const uint64_t bars = snapshot / 4;
        EXPECT(holds_at(snapshot, 0, UINT64_MAX, wanted[bars], counts[bars]));
    }
    bar(false);
    static const uint64_t older[] = {10, 21, 32, 42};
    EXPECT(newest() == 20 && holds_at(19, 0, UINT64_MAX, older, 4));
    end();
}

static void close_a_beat_and_go_on(void *context)
{
    (void)context;
    beat();
    (void)next();
}

TEST(scan_tree, of_the_newest_snapshot_that_is_gone_on_with_in_another_beat_aborts)
{
    begin();
    put(1, 10);
    put(2, 20);
    bar(false);
    EXPECT(start(0, 9, false) == TACTUS_OK);
    EXPECT(next() == 10);
    char words[512];
    const int number = test_signal_of(close_a_beat_and_go_on, NULL, words, sizeof words);
    EXPECT(number == SIGABRT && strstr(words, "scan_check_snapshot") != NULL);
    EXPECT(next() == 20 && next() == 0);
    end();
}

TEST(scan_tree, may_stop_while_it_waits)
{
    begin();
    for (uint64_t id = 1; id <= 5; id += 1)
        put(id, id);
    bar(false);
    bar(true);
    lsm_fixture_end(&fixture);
    lsm_fixture_begin(&fixture, disk, &options);
    EXPECT(lsm_fixture_open(&fixture) == TACTUS_OK);
    EXPECT(start(0, 9, false) == TACTUS_OK);
    const void *record = NULL;
    EXPECT(scan_tree_next(&fixture.scan, &record) == SCAN_READ_AGAIN);
    EXPECT(scan_tree_advance(&fixture.scan) == PROGRESS_WAIT);
    scan_tree_stop(&fixture.scan);
    EXPECT(lsm_fixture_pinned(&fixture) == 0);
    EXPECT(start(0, 9, true) == TACTUS_OK);
    EXPECT(next() == 5);
    end();
}

static void probe(uint64_t id)
{
    scan_tree_probe(&fixture.scan, key_of(id, options.usage == TREE_INDEX ? 1 : 0));
}

static void reopen(void)
{
    lsm_fixture_end(&fixture);
    lsm_fixture_begin(&fixture, disk, &options); /* with an empty cache */
    EXPECT(lsm_fixture_open(&fixture) == TACTUS_OK);
}

/* Ids 1 to 60 in all kinds of sources: a third in level 0, a third in the immutable table, a third
 * in two runs of the mutable one and unsorted. Some were overwritten where they lie, some are
 * removed in a newer place. */
static void fill_all_sources(void)
{
    for (uint64_t id = 3; id <= 30; id += 3)
        put(id, id * 10);
    beat();
    for (uint64_t id = 33; id <= 60; id += 3)
        put(id, id * 10);
    bar(false);
    bar(false);
    for (uint64_t id = 1; id <= 30; id += 3)
        put(id, id * 10);
    beat();
    for (uint64_t id = 31; id <= 60; id += 3)
        put(id, id * 10);
    bar(false);
    for (uint64_t id = 2; id <= 20; id += 3)
        put(id, id * 10);
    remove_id(21);
    put(59, 7); /* so that the next run does not join this one */
    beat();
    for (uint64_t id = 23; id <= 44; id += 3)
        put(id, id * 10);
    remove_id(22);
    beat();
    for (uint64_t id = 47; id <= 59; id += 3) {
        put(id, 1);
        put(id, 2);
        put(id, id * 10);
    }
    remove_id(24);
    put(25, 9);
    remove_id(25);
    EXPECT(fixture.tree.mutable->run_count == 2 && fixture.tree.immutable->run_count > 0);
    EXPECT(tree_table_count(&fixture.tree, 0) == 1);
}

static bool is_removed(uint64_t id)
{
    return id == 21 || id == 22 || id == 24 || id == 25;
}

/* Every step there is: after `from` was given, to `to`, both ways. */
TEST(scan_tree, that_is_probed_goes_on_there_in_every_source)
{
    begin();
    options.record_max = 20;
    lsm_fixture_end(&fixture);
    simulated_disk_free(disk);
    disk = lsm_fixture_disk(1, &options);
    lsm_fixture_begin(&fixture, disk, &options);
    lsm_fixture_create(&fixture);
    fill_all_sources();
    for (uint64_t from = 1; from <= 60; from += 1) {
        if (is_removed(from)) continue;
        for (uint64_t to = 1; to <= 61; to += 1) {
            uint64_t wanted = to > from ? to : from + 1;
            while (is_removed(wanted))
                wanted += 1;
            EXPECT(start(from, 60, false) == TACTUS_OK);
            EXPECT(next() == from * 10);
            probe(to);
            EXPECT(next() == (wanted > 60 ? 0 : wanted * 10));

            wanted = to < from ? to : from - 1;
            while (is_removed(wanted))
                wanted -= 1;
            EXPECT(start(1, from, true) == TACTUS_OK);
            EXPECT(next() == from * 10);
            probe(to);
            EXPECT(next() == wanted * 10);
        }
    }
    EXPECT(start(1, 60, false) == TACTUS_OK);
    probe(30); /* before anything was given, and again, and back */
    probe(50);
    probe(40);
    EXPECT(next() == 500 && next() == 510);
    probe(61);
    EXPECT(next() == 0);
    probe(3);
    EXPECT(next() == 0);
    EXPECT(fixture.scan.counters.probes == 5 && fixture.scan.counters.records == 2);
    end();
}

/* Big records, so that blocks are many: two a block. */
static void begin_with_blocks(uint32_t runs_max)
{
    options = (struct lsm_fixture_options){
        .shape = record_shape_object(1984, 8),
        .usage = TREE_GENERAL,
        .point_lookups = true,
        .record_max = 256,
        .bar_beats = 4,
        .runs_max = {runs_max},
        .block_count_max = 16384,
        .cache_frames = 16,
    };
    disk = lsm_fixture_disk(1, &options);
    lsm_fixture_begin(&fixture, disk, &options);
    lsm_fixture_create(&fixture);
}

static void put_object(uint64_t timestamp)
{
    uint8_t object[1984] = {0};
    store_u64(object + 8, timestamp);
    tree_put(&fixture.tree, object);
}

/* As many tables of 1,024 objects, 512 blocks each; timestamps from 1 on. Nothing is cached. */
static void fill_tables(uint64_t count)
{
    uint64_t timestamp = 0;
    for (uint64_t table = 0; table < count; table += 1) {
        for (uint32_t beats = 0; beats < 4; beats += 1) {
            for (uint32_t index = 0; index < 256; index += 1) {
                timestamp += 1;
                put_object(timestamp);
            }
            beat();
        }
    }
    bar(true);
    reopen();
}

TEST(scan_tree, that_is_probed_over_a_thousand_blocks_reads_a_handful)
{
    begin_with_blocks(1);
    fill_tables(3);
    const struct grid_statistics *statistics = &fixture.storage.grid.statistics;
    const struct scan_counters *counters = &fixture.scan.counters;
    for (uint32_t way = 0; way < 2; way += 1) {
        const bool descending = way == 1;
        reopen();
        const uint64_t opened = statistics->blocks_read;
        EXPECT(start(1, 3072, descending) == TACTUS_OK);
        EXPECT(next() == (descending ? 3072 : 1));
        const uint64_t before = statistics->blocks_read;
        EXPECT(counters->blocks == 1 && before - opened == 4);
        const uint64_t far = descending ? 100 : 2900;
        probe(far);
        EXPECT(statistics->blocks_read == before); /* a probe reads nothing by itself */
        EXPECT(next() == far && counters->blocks == 2 && counters->table_seeks == 1);
        EXPECT(statistics->blocks_read <= before + 3); /* root, leaf, value block */

        const uint64_t farther = descending ? 80 : 2920; /* ten blocks on, in the leaf at hand */
        probe(farther);
        EXPECT(next() == farther && counters->blocks == 3 && counters->block_seeks == 1);
        EXPECT(statistics->blocks_read <= before + 4);
        const uint64_t near = descending ? farther - 1 : farther + 1;
        probe(near);
        EXPECT(next() == near && counters->blocks <= 4 && counters->table_seeks == 1);
        probe(descending ? 0 : 4000);
        EXPECT(next() == 0 && counters->blocks <= 4);
    }
    end();
}

/* A probe may move the range past the end of the table at hand, into a gap, or into a table that is
 * not its neighbour: the run is not at its end then. */
TEST(scan_tree, that_is_probed_past_the_end_of_a_table_goes_on_in_another_one)
{
    begin();
    for (uint64_t round = 0; round < 6; round += 1) {
        for (uint64_t id = 1; id <= 5; id += 1)
            put(round * 100 + id, round * 100 + id);
        bar(false);
    }
    bar(true);
    EXPECT(tree_table_count(&fixture.tree, 0) + tree_table_count(&fixture.tree, 1) == 6);
    for (uint64_t to = 2; to <= 510; to += 1) {
        const uint64_t place = to % 100 == 0 ? 1 : to % 100;
        const uint64_t up = place <= 5 ? to / 100 * 100 + place : to / 100 * 100 + 101;
        const uint64_t down = place <= 5 && to % 100 != 0 ? to
                              : to % 100 == 0             ? to - 95
                                                          : to / 100 * 100 + 5;
        reopen();
        EXPECT(start(1, 505, false) == TACTUS_OK);
        if (to % 2 == 0) EXPECT(next() == 1);
        probe(to);
        EXPECT(next() == (up > 505 ? 0 : up));

        reopen();
        EXPECT(start(1, 600, true) == TACTUS_OK);
        if (to % 2 == 0 && to < 505) EXPECT(next() == 505);
        probe(to);
        EXPECT(next() == down);
    }
    end();
}

TEST(scan_tree, may_be_probed_while_it_waits)
{
    begin_with_blocks(4);
    fill_tables(2);
    const void *record = NULL;
    for (uint32_t waits = 0; waits < 8; waits += 1) {
        reopen();
        EXPECT(start(1, 2048, waits % 2 == 1) == TACTUS_OK);
        EXPECT(scan_tree_next(&fixture.scan, &record) == SCAN_READ_AGAIN);
        for (uint32_t wait = 0; wait < waits / 2; wait += 1) {
            if (scan_tree_advance(&fixture.scan) == PROGRESS_WAIT) grid_wait(&fixture.storage.grid);
        }
        probe(waits % 2 == 1 ? 700 : 1400);
        probe(waits % 2 == 1 ? 300 : 1800);
        EXPECT(scan_tree_next(&fixture.scan, &record) == SCAN_READ_AGAIN);
        EXPECT(next() == (waits % 2 == 1 ? 300 : 1800));
        scan_tree_stop(&fixture.scan);
        EXPECT(lsm_fixture_pinned(&fixture) == 0);
    }
    reopen();
    EXPECT(start(1, 2048, false) == TACTUS_OK);
    EXPECT(scan_tree_advance(&fixture.scan) == PROGRESS_WAIT);
    probe(2049); /* and what it waited for is not wanted any more */
    EXPECT(scan_tree_advance(&fixture.scan) == PROGRESS_DONE);
    EXPECT(scan_tree_next(&fixture.scan, &record) == SCAN_END);
    EXPECT(fixture.scan.counters.blocks == 0);
    EXPECT(lsm_fixture_pinned(&fixture) == 0);
    end();
}

/* The range ends in the block at hand: that it has no more is known without another look. */
TEST(scan_tree, that_is_probed_past_what_its_block_has_of_the_range_is_at_its_end)
{
    begin();
    for (uint64_t id = 10; id <= 50; id += 10)
        put(id, id);
    bar(false);
    bar(false);
    const void *record = NULL;
    EXPECT(start(10, 35, false) == TACTUS_OK);
    EXPECT(next() == 10);
    probe(33);
    EXPECT(scan_tree_next(&fixture.scan, &record) == SCAN_END);
    EXPECT(fixture.scan.counters.blocks == 1);
    EXPECT(start(25, 50, true) == TACTUS_OK);
    EXPECT(next() == 50);
    scan_tree_probe(&fixture.scan, key_from_u64(27));
    EXPECT(scan_tree_next(&fixture.scan, &record) == SCAN_END);
    EXPECT(fixture.scan.counters.blocks == 1);
    end();
}

TEST(scan_tree, that_is_probed_steps_over_blocks_without_reading_ahead)
{
    begin_with_blocks(1);
    fill_tables(1);
    const struct grid_statistics *statistics = &fixture.storage.grid.statistics;
    EXPECT(start(1, 1024, false) == TACTUS_OK);
    EXPECT(next() == 1);
    const uint64_t before = statistics->blocks_read;
    for (uint64_t id = 21; id <= 101; id += 20) { /* ten blocks a step, in one leaf */
        probe(id);
        EXPECT(next() == id);
    }
    EXPECT(statistics->blocks_read == before + 5 && fixture.scan.counters.block_seeks == 5);
    const uint64_t leapt = statistics->blocks_read;
    for (uint64_t id = 102; id <= 110; id += 1)
        EXPECT(next() == id);
    EXPECT(statistics->blocks_read == leapt + 5); /* four more, and one that is read ahead */
    end();
}

/* Blocks are two records, leaves many blocks: of a range no block is read but its own. */
TEST(scan_tree, reads_nothing_ahead_that_lies_behind_its_range)
{
    begin_with_blocks(1);
    fill_tables(1);
    const struct grid_statistics *statistics = &fixture.storage.grid.statistics;
    const uint64_t fanout = fixture.tree.format.geometry.leaf_fanout;
    const uint64_t firsts[] = {101, 2 * fanout - 3};
    for (uint32_t round = 0; round < 8; round += 1) {
        const uint64_t first = firsts[round / 4]; /* the second ends with a leaf, if it is long */
        const uint64_t count = round % 4 < 2 ? 2 : 4;
        reopen();
        const uint64_t opened = statistics->blocks_read;
        EXPECT(start(first, first + count - 1, round % 2 == 1) == TACTUS_OK);
        for (uint64_t index = 0; index < count; index += 1)
            EXPECT(next() == (round % 2 == 1 ? first + count - 1 - index : first + index));
        EXPECT(next() == 0);
        EXPECT(statistics->blocks_read - opened == 2 + count / 2); /* root, leaf, value blocks */
        EXPECT(lsm_fixture_pinned(&fixture) == 0);
    }
    end();
}

TEST(scan_tree, that_has_failed_stays_so_when_it_is_probed)
{
    begin_with_blocks(1);
    fill_tables(1);
    const struct table_info *table = manifest_level_first(&fixture.tree.manifest.levels[0]);
    const uint64_t offset = layout_block_offset(&fixture.storage.layout, table->address);
    simulated_disk_flip(disk, offset + 50, 3);
    reopen();
    EXPECT(start(1, 1024, false) == TACTUS_OK);
    probe(500);
    const void *record = NULL;
    EXPECT(lsm_fixture_next(&fixture, &record) == SCAN_FAILED);
    probe(600);
    probe(5000);
    EXPECT(scan_tree_next(&fixture.scan, &record) == SCAN_FAILED);
    EXPECT(scan_tree_advance(&fixture.scan) == PROGRESS_FAILED);
    end();
}

/* Two levels' worth of cursors are enough for two scans of one table each, and no more. */
TEST(scan_tree, that_finds_too_few_cursors_in_the_pool_does_not_begin)
{
    begin();
    lsm_fixture_end(&fixture);
    simulated_disk_free(disk);
    options.scan_cursors = 2;
    disk = lsm_fixture_disk(1, &options);
    lsm_fixture_begin(&fixture, disk, &options);
    lsm_fixture_create(&fixture);
    for (uint64_t id = 1; id <= 5; id += 1)
        put(id, id * 10);
    bar(false);
    bar(false);
    put(7, 70);
    EXPECT(tree_table_count(&fixture.tree, 0) == 1);

    const struct scan_tree_range range = {
        .tree = &fixture.tree,
        .key_max = key_from_u64(9),
        .snapshot = newest(),
        .visible_count = tree_visible_all(&fixture.tree)};
    struct scan_tree *third = &fixture.other_scans[1];
    EXPECT(start(0, 9, false) == TACTUS_OK);
    EXPECT(scan_tree_start(&fixture.other_scans[0], &range) == TACTUS_OK);
    EXPECT(fixture.scan_pool.free_count == 0);
    EXPECT(scan_tree_start(third, &range) == TACTUS_LIMIT);
    EXPECT(scan_tree_start(third, &range) == TACTUS_LIMIT);
    scan_tree_stop(third); /* nothing was begun, so nothing is given back */
    EXPECT(fixture.scan_pool.free_count == 0);
    const struct scan_tree_range memory_only = {
        .tree = &fixture.tree,
        .key_min = key_from_u64(6),
        .key_max = key_from_u64(9),
        .snapshot = newest(),
        .visible_count = tree_visible_all(&fixture.tree)};
    EXPECT(scan_tree_start(third, &memory_only) == TACTUS_OK);
    scan_tree_stop(third);

    EXPECT(next() == 10 && next() == 20);
    scan_tree_stop(&fixture.other_scans[0]);
    scan_tree_stop(&fixture.other_scans[0]);
    EXPECT(fixture.scan_pool.free_count == 1);
    EXPECT(scan_tree_start(third, &range) == TACTUS_OK);
    EXPECT(next() == 30);
    scan_tree_stop(third);
    EXPECT(fixture.scan_pool.free_count == 1);
    scan_tree_stop(&fixture.scan);
    EXPECT(fixture.scan_pool.free_count == 2);
    end();
}

TEST(scan_tree, fails_on_a_damaged_block_and_stays_failed)
{
    begin();
    for (uint64_t id = 1; id <= 5; id += 1)
        put(id, id);
    bar(false);
    bar(true);
    const uint64_t address = manifest_level_first(&fixture.tree.manifest.levels[0])->address;
    const uint64_t offset = layout_block_offset(&fixture.storage.layout, address);
    lsm_fixture_end(&fixture);
    simulated_disk_flip(disk, offset + 50, 3);
    lsm_fixture_begin(&fixture, disk, &options);
    EXPECT(lsm_fixture_open(&fixture) == TACTUS_OK);
    EXPECT(start(0, 9, false) == TACTUS_OK);
    const void *record = NULL;
    EXPECT(lsm_fixture_next(&fixture, &record) == SCAN_FAILED);
    EXPECT(scan_tree_next(&fixture.scan, &record) == SCAN_FAILED);
    EXPECT(scan_tree_advance(&fixture.scan) == PROGRESS_FAILED);
    EXPECT(fixture.storage.fault.status == TACTUS_CORRUPT);
    EXPECT(fixture.storage.fault.address == address);
    end();
}

TEST_MAIN()
