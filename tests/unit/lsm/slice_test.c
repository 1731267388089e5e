/* Level 0 with several runs: how they come together, go down in slices, and stay within bounds. */
#include "base/bytes.h"
#include "base/random.h"
#include "lsm/slice.h"
#include "support/lsm_fixture.h"
#include "support/test.h"

enum { RECORD_MAX = 100, BAR = 4, A_BAR = RECORD_MAX * BAR, KEYS = 100000 };

static struct lsm_fixture fixture;
static struct simulated_disk *disk;
static struct lsm_fixture_options options;

static void begin(uint32_t runs_max, enum tree_usage usage)
{
    options = (struct lsm_fixture_options
    ){.shape = usage == TREE_INDEX ? record_shape_index64() : record_shape_id64(),
      .usage = usage,
      .point_lookups = usage == TREE_GENERAL,
      .record_max = RECORD_MAX,
      .bar_beats = BAR,
      .runs_max = runs_max,
      .block_count_max = 65536};
    disk = lsm_fixture_disk(1, &options);
    lsm_fixture_begin(&fixture, disk, &options);
    lsm_fixture_create(&fixture);
}

static void end(void)
{
    EXPECT(lsm_fixture_pinned(&fixture) == 0);
    lsm_fixture_end(&fixture);
    simulated_disk_free(disk);
}

static const struct manifest_level *level(uint8_t number)
{
    return &fixture.tree.manifest.levels[number];
}

static const struct compaction_counters *total(uint8_t number)
{
    return &fixture.tree.compactions[number].total;
}

static void put(uint64_t id, uint64_t value)
{
    const uint64_t record[2] = {id, value};
    tree_put(&fixture.tree, record);
}

static void remove_id(uint64_t id)
{
    const uint64_t record[2] = {id, 1};
    tree_remove(&fixture.tree, record);
}

/* So many beats, each of which brings ids spread over all keys. */
static void beats_of_spread_ids(struct random *random, uint32_t beats)
{
    for (uint32_t beat = 0; beat < beats; beat += 1) {
        for (uint32_t index = 0; index < RECORD_MAX; index += 1)
            put(random_below(random, KEYS) + 1, beat + 1);
        tree_settle(&fixture.tree);
        EXPECT(lsm_fixture_boundary(&fixture, false) == TACTUS_OK);
        tree_check(&fixture.tree);
    }
}

static bool is_found(uint64_t id, uint64_t *value)
{
    uint64_t record[2];
    bool found = false;
    EXPECT(lsm_fixture_get(&fixture, key_from_u64(id), record, &found) == TACTUS_OK);
    if (found) *value = record[1];
    return found;
}

TEST(slice, begins_when_a_group_is_complete_and_ends_before_the_next_is)
{
    struct random random;
    random_init(&random, 1);
    begin(4, TREE_GENERAL);
    beats_of_spread_ids(&random, 2 * BAR);
    EXPECT(level(0)->run_count == 1);
    beats_of_spread_ids(&random, 3 * BAR);
    EXPECT(level(0)->run_count == 4);
    EXPECT(run_group_newest_is_complete(level(0), 4));
    EXPECT(total(1)->slices == 0);
    beats_of_spread_ids(&random, BAR);
    EXPECT(total(1)->slices == 1);
    EXPECT(total(1)->tables_trimmed == 4);
    EXPECT(level(0)->run_count == 5);
    EXPECT(!run_group_newest_is_complete(level(0), 4));

    const struct run_group group = run_group_oldest(level(0));
    EXPECT(group.run_count == 4 && group.table_count == 4 && group.newer_tables == 1);
    EXPECT(run_group_bars_left(&group, 4) == 3);
    EXPECT(group.record_count < 3 * (uint64_t)A_BAR + 1);
    EXPECT(level(1)->count == 1);

    beats_of_spread_ids(&random, 3 * BAR);
    EXPECT(level(0)->run_count == 4); /* the group is gone, and the next complete */
    EXPECT(run_group_oldest(level(0)).newer_tables == 0);
    EXPECT(total(1)->slices == 4);
    end();
}

/* Z1 and Z2 are asserted by tree_check() at every beat. */
TEST(slice, keeps_levels_within_their_bounds_whatever_the_keys)
{
    static const uint32_t runs[] = {2, 3, 8, 16};
    const struct test_seeds seeds = test_seeds(8);
    uint64_t slices = 0;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        struct random random;
        random_init(&random, seed);
        begin(runs[seed % 4], TREE_GENERAL);
        for (uint32_t beat = 0; beat < 400; beat += 1) {
            /* Hot ranges, wide ranges, small beats and none, ranges that move on. */
            const uint64_t width = random_chance(&random, 1, 2) ? 500 : KEYS;
            const uint64_t first = random_chance(&random, 1, 3) ? beat * 300 : 0;
            const uint64_t count =
                random_chance(&random, 1, 4) ? random_below(&random, 5) : RECORD_MAX;
            for (uint64_t index = 0; index < count; index += 1)
                put(first + random_below(&random, width) + 1, beat + 1);
            tree_settle(&fixture.tree);
            EXPECT(lsm_fixture_boundary(&fixture, false) == TACTUS_OK);
            tree_check(&fixture.tree);
        }
        slices += total(1)->slices;
        end();
    }
    EXPECT(slices > 0 || seeds.count < 8);
}

TEST(slice, is_not_needed_for_keys_that_ascend)
{
    begin(4, TREE_GENERAL);
    for (uint32_t bar = 0; bar < 24; bar += 1) {
        for (uint32_t beat = 0; beat < BAR; beat += 1) {
            for (uint32_t index = 0; index < RECORD_MAX; index += 1)
                put((bar * BAR + beat) * RECORD_MAX + index + 1, 1);
            tree_settle(&fixture.tree);
            EXPECT(lsm_fixture_boundary(&fixture, false) == TACTUS_OK);
        }
        tree_check(&fixture.tree);
        EXPECT(level(0)->run_count <= 1);
    }
    EXPECT(total(1)->slices == 0);
    EXPECT(total(1)->merges == 0);
    EXPECT(total(1)->tables_moved > 10);
    EXPECT(manifest_level_first(level(1))->run == 0);
    end();
}

/* What was removed stays so, when its tombstone has gone down and the table that had it has not. */
TEST(slice, leaves_nothing_below_a_bound_that_comes_back)
{
    begin(2, TREE_GENERAL);
    for (uint32_t round = 0; round < 40; round += 1) {
        for (uint64_t id = 1; id <= RECORD_MAX; id += 1) {
            if ((id + round) % 2 == 0) {
                put(id * 1000, round);
            } else {
                remove_id(id * 1000);
            }
        }
        tree_settle(&fixture.tree);
        EXPECT(lsm_fixture_bar(&fixture, round % 7 == 3) == TACTUS_OK);
        tree_check(&fixture.tree);
        for (uint64_t id = 1; id <= RECORD_MAX; id += 1) {
            uint64_t value = 0;
            EXPECT(is_found(id * 1000, &value) == ((id + round) % 2 == 0));
            if ((id + round) % 2 == 0) EXPECT(value == round);
        }
    }
    EXPECT(total(1)->slices > 10);
    EXPECT(total(1)->records_dropped > 0);
    end();
}

TEST(slice, of_an_index_cancels_pairs_of_several_runs)
{
    begin(4, TREE_INDEX);
    for (uint32_t round = 0; round < 40; round += 1) {
        for (uint64_t id = 1; id <= RECORD_MAX; id += 1) {
            /* Each key is there or not by turns, in a rhythm of its own. */
            if (round % (id % 3 + 1) != 0) continue;
            const bool is_there = round / (id % 3 + 1) % 2 == 0;
            const uint64_t record[2] = {id, 5};
            if (is_there) {
                tree_put(&fixture.tree, record);
            } else {
                tree_remove(&fixture.tree, record);
            }
        }
        tree_settle(&fixture.tree);
        EXPECT(lsm_fixture_bar(&fixture, false) == TACTUS_OK);
        tree_check(&fixture.tree);
    }
    EXPECT(total(1)->slices > 0);
    EXPECT(total(1)->records_cancelled > 0);
    end();
}

TEST(slice, that_meets_a_damaged_leaf_is_corrupt_when_its_work_begins)
{
    struct random random;
    random_init(&random, 3);
    begin(4, TREE_GENERAL);
    beats_of_spread_ids(&random, 4 * BAR);
    EXPECT(lsm_fixture_bar(&fixture, true) == TACTUS_OK);
    EXPECT(run_group_newest_is_complete(level(0), 4));
    EXPECT(grid_writes_finish(&fixture.storage.grid) == TACTUS_OK);
    /* In front of a table's root lie its filter and its leaf. */
    const uint64_t root = manifest_level_first(level(0))->address;
    lsm_fixture_end(&fixture);
    for (uint64_t back = 1; back <= 3; back += 1) {
        const struct layout *layout = &fixture.storage.layout;
        simulated_disk_flip(disk, layout_block_offset(layout, root - back) + 300, 1);
    }
    lsm_fixture_begin(&fixture, disk, &options);
    EXPECT(lsm_fixture_open(&fixture) == TACTUS_OK);
    enum tactus_status status = TACTUS_OK;
    for (uint32_t beat = 0; beat < 2 * BAR && status == TACTUS_OK; beat += 1)
        status = lsm_fixture_boundary(&fixture, false);
    EXPECT(status == TACTUS_CORRUPT);
    EXPECT(fixture.storage.fault.block_type == BLOCK_LEAF);
    end();
}

TEST(slice, of_a_forged_level_is_refused)
{
    struct budget budget;
    static _Alignas(BUDGET_ALIGNMENT) uint8_t region[1 << 16];
    struct node_pool pool;
    struct manifest_level forged;
    budget_carve_begin(&budget, region, sizeof region);
    node_pool_init(&pool, &budget, 20);
    manifest_level_init(&forged, &budget, &pool, manifest_level_runs_bound(2));
    for (uint64_t run = 0; run < 3; run += 1) {
        const struct table_info info = {
            .key_min = key_from_u64(1),
            .key_max = key_from_u64(9),
            .run = run_number(run + 1, false),
            .value_count = 1};
        EXPECT(manifest_level_insert(&forged, &info));
        EXPECT((run_groups_fault(&forged, 2) == NULL) == (run < 2));
    }
    manifest_level_remove(&forged, manifest_level_first(&forged));
    EXPECT(run_groups_fault(&forged, 2) == NULL);
    struct table_info info = {
        .key_max = key_from_u64(9), .run = run_number(8, true), .value_count = 1};
    EXPECT(manifest_level_insert(&forged, &info));
    EXPECT(run_groups_fault(&forged, 2) == NULL);
    info.run = run_number(9, false);
    EXPECT(manifest_level_insert(&forged, &info));
    EXPECT(run_groups_fault(&forged, 2) != NULL); /* a third group */
}

TEST_MAIN()
