/* Scopes, beats and what a hostile file may bring; reading and compacting have tests of their
 * own. */
#include "base/bytes.h"
#include "support/lsm_fixture.h"
#include "support/test.h"

static struct lsm_fixture fixture;
static struct simulated_disk *disk;
static struct lsm_fixture_options options;

static void begin(void)
{
    options = (struct lsm_fixture_options
    ){.shape = record_shape_id64(),
      .usage = TREE_GENERAL,
      .point_lookups = true,
      .record_max = 10,
      .bar_beats = 4,
      .tables_max = 5};
    disk = lsm_fixture_disk(1, &options);
    lsm_fixture_begin(&fixture, disk, &options);
    lsm_fixture_create(&fixture);
}

static void end(void)
{
    tree_check(&fixture.tree);
    lsm_fixture_end(&fixture);
    simulated_disk_free(disk);
}

static void put(uint64_t id, uint64_t timestamp)
{
    const uint64_t record[2] = {id, timestamp};
    tree_put(&fixture.tree, record);
}

/* 0: absent. */
static uint64_t get(uint64_t id)
{
    uint64_t record[2] = {0, 0};
    bool found = false;
    EXPECT(lsm_fixture_get(&fixture, key_from_u64(id), record, &found) == TACTUS_OK);
    EXPECT(found == (record[1] != 0));
    return record[1];
}

TEST(tree, discard_brings_back_what_the_scope_had_hidden)
{
    begin();
    put(7, 70);
    tree_settle(&fixture.tree);
    const struct tree_mark mark = tree_mark(&fixture.tree);
    put(7, 71);
    put(900, 1);
    EXPECT(get(7) == 71);
    EXPECT(tree_key_range_contains(&fixture.tree, key_from_u64(500)));
    EXPECT(tree_visible_settled(&fixture.tree) == 1 && tree_visible_all(&fixture.tree) == 3);
    const uint64_t *settled = tree_get_mutable(&fixture.tree, key_from_u64(7), 1);
    EXPECT(settled != NULL && settled[1] == 70);

    tree_discard(&fixture.tree, &mark);
    EXPECT(get(7) == 70);
    EXPECT(get(900) == 0);
    EXPECT(!tree_key_range_contains(&fixture.tree, key_from_u64(500)));
    EXPECT(tree_visible_all(&fixture.tree) == 1);
    end();
}

TEST(tree, keeps_the_open_transaction_through_the_end_of_a_bar)
{
    begin();
    put(1, 10);
    put(2, 20);
    tree_settle(&fixture.tree);
    for (uint32_t beat = 0; beat < 3; beat += 1) {
        EXPECT(lsm_fixture_boundary(&fixture, false) == TACTUS_OK);
    }
    put(2, 21);
    put(3, 30);
    EXPECT(lsm_fixture_boundary(&fixture, false) == TACTUS_OK);
    EXPECT(fixture.tree.immutable->count == 2);
    EXPECT(tree_visible_settled(&fixture.tree) == 0 && tree_visible_all(&fixture.tree) == 2);
    EXPECT(get(1) == 10 && get(2) == 21 && get(3) == 30);
    tree_settle(&fixture.tree);
    EXPECT(tree_visible_settled(&fixture.tree) == 2);
    end();
}

TEST(tree, remove_hides_the_record_and_leaves_its_argument_alone)
{
    begin();
    put(5, 50);
    const uint64_t record[2] = {5, 50};
    tree_remove(&fixture.tree, record);
    EXPECT(record[1] == 50);
    EXPECT(get(5) == 0);
    const void *newest = tree_get_mutable(&fixture.tree, key_from_u64(5), 2);
    EXPECT(newest != NULL && record_is_tombstone(&fixture.tree.format.shape, newest));
    end();
}

/* Ends a bar of one beat, without the compaction that would flush the immutable table. */
static void end_bar(void)
{
    tree_settle(&fixture.tree);
    tree_sort_suffix(&fixture.tree);
    tree_end_bar(&fixture.tree);
    tree_check(&fixture.tree);
}

TEST(tree, end_of_a_bar_moves_no_record_to_the_immutable_table)
{
    begin();
    put(9, 90);
    tree_settle(&fixture.tree);
    tree_sort_suffix(&fixture.tree);
    put(5, 50);
    tree_settle(&fixture.tree);
    tree_sort_suffix(&fixture.tree);
    const struct memory_table *mutable = fixture.tree.mutable;
    tree_end_bar(&fixture.tree);
    EXPECT(fixture.tree.immutable == mutable);
    EXPECT(mutable->run_count == 2 && mutable->count == 2);
    EXPECT(get(5) == 50 && get(9) == 90 && get(7) == 0);
    end();
}

TEST(tree, absorbs_until_both_tables_are_full)
{
    begin();
    const uint32_t most = fixture.tree.options.value_count_max;
    for (uint64_t id = 1; id <= most; id += 1) {
        put(id * 7 % (most + 1), id);
        end_bar();
        EXPECT(fixture.tree.immutable->count == id);
        EXPECT(tree_visible_all(&fixture.tree) == 0);
    }
    EXPECT(fixture.tree.immutable->run_count > 1);
    for (uint64_t id = 1; id <= most; id += 1)
        EXPECT(get(id * 7 % (most + 1)) == id);
    EXPECT(!tree_key_range_contains(&fixture.tree, key_from_u64(most + 1)));
    for (uint32_t bar = 0; bar < 2; bar += 1)
        EXPECT(lsm_fixture_bar(&fixture, false) == TACTUS_OK);
    EXPECT(tree_immutable_is_flushed(&fixture.tree));
    EXPECT(fixture.tree.compactions[0].total.records_in == most);
    EXPECT(get(7) == 1);
    end();
}

TEST(tree, absorbs_behind_the_open_transaction)
{
    begin();
    put(1, 10);
    put(2, 20);
    end_bar();
    put(2, 21);
    put(3, 30);
    tree_settle(&fixture.tree);
    const struct tree_mark mark = tree_mark(&fixture.tree);
    put(3, 31);
    put(400, 40);
    tree_sort_suffix(&fixture.tree);
    tree_end_bar(&fixture.tree);
    EXPECT(mark.memory.generation != tree_mark(&fixture.tree).memory.generation);
    EXPECT(tree_visible_settled(&fixture.tree) == 0 && tree_visible_all(&fixture.tree) == 2);
    EXPECT(get(1) == 10 && get(2) == 21 && get(3) == 31 && get(400) == 40);
    tree_end_bar(&fixture.tree); /* nothing is settled: nothing happens */
    EXPECT(get(3) == 31 && get(2) == 21);
    tree_settle(&fixture.tree);
    EXPECT(tree_visible_settled(&fixture.tree) == 2);
    end();
}

TEST(tree, removes_reach_what_was_absorbed_before)
{
    begin();
    const uint64_t record[2] = {5, 0};
    put(5, 50);
    put(6, 60);
    end_bar();
    tree_remove(&fixture.tree, record);
    end_bar();
    EXPECT(get(5) == 0 && get(6) == 60);
    put(5, 51);
    end_bar();
    EXPECT(get(5) == 51);
    end();
}

/* Nor does what an open transaction brought widen the range of the bar that ended, whether it is
 * rolled back or not. */
TEST(tree, the_range_of_a_bar_that_ended_knows_nothing_of_the_tail)
{
    begin();
    for (uint64_t bar = 0; bar < 3; bar += 1) { /* a swap, then it absorbs */
        put(10 + bar, 1);
        tree_settle(&fixture.tree);
        const struct tree_mark mark = tree_mark(&fixture.tree);
        put(900, 1);
        tree_sort_suffix(&fixture.tree);
        tree_end_bar(&fixture.tree);
        EXPECT(tree_key_range_contains(&fixture.tree, key_from_u64(900)));
        const struct tree_mark none = {
            .memory = memory_table_mark_at(fixture.tree.mutable, 0),
            .range = {.is_empty = true},
        };
        EXPECT(none.memory.generation != mark.memory.generation);
        tree_discard(&fixture.tree, &none);
        EXPECT(tree_key_range_contains(&fixture.tree, key_from_u64(10 + bar)));
        EXPECT(!tree_key_range_contains(&fixture.tree, key_from_u64(900)));
        EXPECT(!tree_key_range_contains(&fixture.tree, key_from_u64(11 + bar)));
    }
    EXPECT(fixture.tree.immutable->count == 3);
    end();
}

static struct table_info table_of(uint64_t key_min, uint64_t key_max)
{
    return (struct table_info
    ){.key_min = key_from_u64(key_min),
      .key_max = key_from_u64(key_max),
      .address = key_min,
      .snapshot_min = 4,
      .snapshot_max = UINT64_MAX,
      .value_count = 7,
      .tree = LSM_FIXTURE_TREE};
}

/* Without tree_check(): no log brought these tables. */
static void end_without_log(void)
{
    lsm_fixture_end(&fixture);
    simulated_disk_free(disk);
}

TEST(tree, refuses_tables_that_cannot_be_its)
{
    begin();
    struct tree *tree = &fixture.tree;
    struct table_info info = table_of(10, 20);
    fixture.shared.snapshot_newest = 4;
    EXPECT(tree_open_table(tree, &info) == NULL);
    info = table_of(20, 30);
    EXPECT(tree_open_table(tree, &info) != NULL); /* overlaps */
    info.level = 1;
    EXPECT(tree_open_table(tree, &info) == NULL);
    info = table_of(40, 50);
    info.key_max = key_from_u128(1, 1);
    EXPECT(tree_open_table(tree, &info) != NULL); /* wider than 64 bits */
    info = table_of(40, 50);
    info.value_count = tree->format.geometry.records_max + 1;
    EXPECT(tree_open_table(tree, &info) != NULL);
    info = table_of(40, 50);
    info.snapshot_max = 9;
    EXPECT(tree_open_table(tree, &info) != NULL); /* replaced, never removed */
    info = table_of(40, 50);
    info.snapshot_min = 5;
    EXPECT(strstr(tree_open_table(tree, &info), "newer than the checkpoint") != NULL);
    info = table_of(40, 50);
    info.run = run_number(4, true) + 1;
    EXPECT(strstr(tree_open_table(tree, &info), "run is newer than the checkpoint") != NULL);
    EXPECT(tree_open_end(tree) == TACTUS_OK);
    EXPECT(tree_snapshot_oldest(tree) == 4 && tree_snapshot_newest(tree) == 4);
    end_without_log();
}

TEST(tree, refuses_more_tables_than_a_level_or_the_file_may_hold)
{
    begin();
    fixture.shared.snapshot_newest = 4;
    for (uint64_t index = 1; index <= 5; index += 1) {
        const struct table_info info = table_of(index * 10, index * 10 + 5);
        EXPECT(tree_open_table(&fixture.tree, &info) == NULL);
    }
    EXPECT(!manifest_room(&fixture.tree.manifest, 1));
    const struct table_info info = table_of(100, 100);
    EXPECT(tree_open_table(&fixture.tree, &info) != NULL);  /* tables_max is 5 */
    EXPECT(tree_open_end(&fixture.tree) == TACTUS_CORRUPT); /* level 0 may have 4 */
    EXPECT(fixture.storage.fault.tree == LSM_FIXTURE_TREE);
    end_without_log();
}

TEST(tree, with_an_overlay_sorts_as_records_come)
{
    begin();
    lsm_fixture_end(&fixture);
    options.overlay_count = 100;
    lsm_fixture_begin(&fixture, disk, &options);
    EXPECT(lsm_fixture_open(&fixture) == TACTUS_OK);
    for (uint64_t id = 100; id > 0; id -= 1) {
        put(id, id * 2);
        tree_settle(&fixture.tree);
    }
    EXPECT(fixture.tree.mutable->run_count == 10);
    for (uint64_t id = 1; id <= 100; id += 1)
        EXPECT(get(id) == id * 2);
    end();
}

TEST_MAIN()
