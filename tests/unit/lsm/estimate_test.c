#include "lsm/estimate.h"

#include "base/bytes.h"
#include "base/integer.h"
#include "base/random.h"
#include "support/lsm_fixture.h"
#include "support/test.h"

enum { OBJECT_BYTES = 504, PER_BLOCK = 7 };

static struct lsm_fixture fixture;
static struct simulated_disk *disk;
static struct lsm_fixture_options options;

static void begin(uint32_t runs_max, uint32_t cache_frames)
{
    options = (struct lsm_fixture_options){
        .shape = record_shape_object(OBJECT_BYTES, 8),
        .usage = TREE_GENERAL,
        .point_lookups = true,
        .record_max = 256,
        .bar_beats = 4,
        .runs_max = {runs_max},
        .block_count_max = 16384,
        .cache_frames = cache_frames,
    };
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

static void reopen(void)
{
    lsm_fixture_end(&fixture);
    lsm_fixture_begin(&fixture, disk, &options); /* with an empty cache */
    EXPECT(lsm_fixture_open(&fixture) == TACTUS_OK);
}

static void put(uint64_t timestamp)
{
    uint8_t object[OBJECT_BYTES] = {0};
    store_u64(object + 8, timestamp);
    tree_put(&fixture.tree, object);
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

/* Without any I/O, whatever is asked. */
static uint64_t estimate(uint64_t key_min, uint64_t key_max)
{
    const uint64_t before = fixture.storage.grid.statistics.blocks_read;
    const uint64_t found =
        tree_estimate(&fixture.tree, key_from_u64(key_min), key_from_u64(key_max));
    EXPECT(fixture.storage.grid.statistics.blocks_read == before);
    EXPECT(fixture.storage.grid.reads_in_flight == 0);
    return found;
}

static bool is_near(uint64_t found, uint64_t wanted, uint64_t error)
{
    return found + error >= wanted && found <= wanted + error;
}

/* Goes to `key` in a table: then its root, its leaf and, if `blocks` are asked for, so many value
 * blocks from there on are cached. Counts the records up to key_max in those. */
static uint64_t visit(
    const struct table_info *info, uint64_t key, uint64_t key_max, uint32_t blocks
)
{
    const struct table_cursor_options cursor_options = {
        .format = &fixture.tree.format,
        .grid = &fixture.storage.grid,
        .info = info,
        .key = key_from_u64(key)};
    struct table_cursor cursor;
    uint64_t count = 0;
    table_cursor_start(&cursor, &cursor_options);
    while (!table_cursor_is_end(&cursor)) {
        if (cursor.stage == TABLE_CURSOR_VALUE && blocks == 0) break;
        const enum progress progress = table_cursor_advance(&cursor);
        EXPECT(progress != PROGRESS_FAILED);
        if (progress == PROGRESS_WAIT) grid_wait(&fixture.storage.grid);
        if (cursor.stage != TABLE_CURSOR_READY) continue;
        for (uint32_t index = 0; index < cursor.count; index += 1) {
            const uint8_t *record = (const uint8_t *)cursor.records + index * OBJECT_BYTES;
            const uint64_t timestamp = record_timestamp(&options.shape, record);
            count += key <= timestamp && timestamp <= key_max;
        }
        blocks -= 1;
        if (blocks > 0) table_cursor_next(&cursor);
    }
    table_cursor_stop(&cursor);
    while (fixture.storage.grid.reads_in_flight > 0)
        grid_wait(&fixture.storage.grid);
    return count;
}

/* Versions in the range, of which there are none in the mutable table; all is cached then. */
static uint64_t versions(uint64_t key_min, uint64_t key_max, uint32_t *tables)
{
    uint64_t count = 0;
    *tables = 0;
    for (uint8_t number = 0; number < LEVELS; number += 1) {
        const struct manifest_level *level = &fixture.tree.manifest.levels[number];
        const struct table_info *info = manifest_level_first(level);
        for (; info != NULL; info = manifest_level_next(level, info)) {
            count += visit(info, key_min, key_max, UINT32_MAX);
            *tables += 1;
        }
    }
    const struct memory_table *immutable = fixture.tree.immutable;
    for (uint32_t index = 0; index < immutable->count; index += 1) {
        const void *record = memory_table_at(immutable, index);
        const uint64_t timestamp = record_timestamp(&options.shape, record);
        count += key_min <= timestamp && timestamp <= key_max;
    }
    return count;
}

TEST(estimate, of_memory_is_exact)
{
    begin(1, 8);
    EXPECT(estimate(0, UINT64_MAX) == 0);
    for (uint64_t id = 1; id <= 100; id += 1)
        put(id * 10);
    EXPECT(estimate(0, UINT64_MAX) == 100);
    EXPECT(estimate(10, 1000) == 100 && estimate(11, 999) == 98 && estimate(20, 20) == 1);
    EXPECT(estimate(21, 29) == 0 && estimate(1001, UINT64_MAX) == 0 && estimate(30, 20) == 0);
    beat();
    for (uint64_t id = 1; id <= 50; id += 1)
        put(id * 10 + 5);
    EXPECT(estimate(10, 19) == 2 && estimate(0, UINT64_MAX) == 150);
    bar(false); /* immutable */
    EXPECT(estimate(10, 19) == 2 && estimate(10, 20) == 3 && estimate(0, UINT64_MAX) == 150);
    put(12);
    EXPECT(estimate(10, 19) == 3);
    end();
}

TEST(estimate, of_many_unsorted_records_is_that_of_a_sample)
{
    begin(1, 8);
    struct random random;
    random_init(&random, 3);
    for (uint32_t beats = 0; beats < 2; beats += 1) { /* a beat's, and a transaction's */
        for (uint32_t index = 0; index < 256; index += 1)
            put(random_range(&random, 1, 1000000));
    }
    EXPECT(fixture.tree.mutable->count == 512);
    EXPECT(estimate(0, UINT64_MAX) == 512);
    EXPECT(is_near(estimate(0, 500000), 256, 60));
    EXPECT(is_near(estimate(250000, 500000), 128, 60));
    EXPECT(estimate(1000001, UINT64_MAX) == 0);
    end();
}

/* Keys far apart and close together, over seven orders of magnitude. */
static uint64_t skewed(uint64_t number)
{
    return number * number * number + 1;
}

static void fill(uint64_t count, uint64_t (*key_of)(uint64_t number))
{
    for (uint64_t number = 1; number <= count; number += 1) {
        put(key_of(number));
        if (number % 256 == 0) beat();
    }
    bar(false);
    bar(true);
}

static uint64_t even(uint64_t number)
{
    return number << 30;
}

/* Nothing is known but the tables' bounds. */
TEST(estimate, of_evenly_spread_keys_needs_no_block)
{
    begin(1, 8);
    fill(4096, even);
    reopen();
    struct random random;
    random_init(&random, 5);
    for (uint32_t round = 0; round < 1000; round += 1) {
        const uint64_t low = random_range(&random, 1, 4096);
        const uint64_t high = random_range(&random, low, 4096);
        EXPECT(is_near(estimate(even(low), even(high)), high - low + 1, 2));
        EXPECT(is_near(estimate(even(low) + 1, even(high) - 1), high - low, 2));
    }
    EXPECT(estimate(0, UINT64_MAX) == 4096 && estimate(0, even(1) - 1) == 0);
    EXPECT(estimate(even(4096) + 1, UINT64_MAX) == 0);
    end();
}

/* However keys are spread: within a block at each edge. */
TEST(estimate, with_leaves_in_the_cache_is_right_but_for_a_block_an_edge)
{
    begin(1, 4096);
    fill(4096, skewed);
    struct random random;
    random_init(&random, 7);
    uint32_t uncached = 0;
    for (uint32_t round = 0; round < 100; round += 1) {
        reopen();
        const uint64_t low = random_range(&random, 1, 4096);
        const uint64_t high = random_range(&random, low, 4096);
        uncached += !is_near(estimate(skewed(low), skewed(high)), high - low + 1, 2 * PER_BLOCK);
        for (uint8_t number = 0; number < LEVELS; number += 1) {
            const struct manifest_level *level = &fixture.tree.manifest.levels[number];
            const struct table_info *info = manifest_level_first(level);
            for (; info != NULL; info = manifest_level_next(level, info)) {
                (void)visit(info, skewed(low), 0, 0);
                (void)visit(info, skewed(high), 0, 0);
            }
        }
        EXPECT(is_near(estimate(skewed(low), skewed(high)), high - low + 1, 2 * PER_BLOCK));
    }
    EXPECT(uncached > 20); /* so the leaves have told */
    end();
}

/* Overwritten records, several runs, trimmed tables: with everything in the cache each version is
 * counted, and with next to nothing the estimate still grows with the range. */
static void compare_random(uint32_t runs_max, uint32_t cache_frames)
{
    begin(runs_max, cache_frames);
    struct random random;
    random_init(&random, runs_max);
    uint32_t trimmed = 0;
    for (uint32_t round = 0; round < 12; round += 1) {
        for (uint32_t beats = 0; beats < 8; beats += 1) {
            for (uint32_t index = 0; index < 200; index += 1)
                put(skewed(random_range(&random, 1, 3000)));
            beat();
        }
        uint32_t tables = 0;
        const uint64_t all = versions(0, UINT64_MAX, &tables);
        EXPECT(estimate(0, UINT64_MAX) == all);
        for (uint32_t check = 0; check < 30; check += 1) {
            const uint64_t low = skewed(random_range(&random, 1, 3000));
            const uint64_t high = low + random_below(&random, skewed(3000));
            const uint64_t found = estimate(low, high);
            EXPECT(found <= all);
            EXPECT(estimate(low, high + random_below(&random, 1000000)) >= found);
            EXPECT(estimate(low - random_below(&random, low), high) >= found);
            if (cache_frames < 4096) continue;
            const uint64_t wanted = versions(low, high, &tables);
            EXPECT(is_near(found, wanted, 0) || (wanted == 0 && found == 1));
        }
        for (uint8_t number = 0; number < LEVELS; number += 1) {
            const struct manifest_level *level = &fixture.tree.manifest.levels[number];
            const struct table_info *info = manifest_level_first(level);
            for (; info != NULL; info = manifest_level_next(level, info))
                trimmed += info->is_trimmed;
        }
    }
    EXPECT(runs_max == 1 || trimmed > 0);
    end();
}

TEST(estimate, counts_each_version_if_all_is_in_the_cache)
{
    compare_random(1, 4096);
    compare_random(4, 4096);
}

TEST(estimate, grows_with_the_range_whatever_is_in_the_cache)
{
    compare_random(1, 20);
    compare_random(4, 20);
    compare_random(4, 300);
}

/* A cache that serves a damaged file: what is there is looked at, and not believed. */
TEST(estimate, of_a_table_whose_blocks_are_not_its_own_falls_back_on_its_bounds)
{
    begin(1, 4096);
    fill(1024, even);
    uint32_t tables = 0;
    EXPECT(versions(0, UINT64_MAX, &tables) == 1024 && tables == 1);
    EXPECT(estimate(even(1), even(100)) == 100);
    struct table_info *info =
        (struct table_info *)(uintptr_t)manifest_level_first(&fixture.tree.manifest.levels[0]);
    info->value_count = 2048; /* another number than its root has */
    EXPECT(is_near(estimate(even(1), even(100)), 200, 2));
    info->value_count = 1024;
    EXPECT(estimate(even(1), even(100)) == 100);
    end();
}

TEST_MAIN()
