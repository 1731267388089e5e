#include "lsm/table_reader.h"

#include "base/bytes.h"
#include "base/integer.h"
#include "storage/layout.h"
#include "support/table_fixture.h"
#include "support/test.h"

#include <stdlib.h>

enum { RECORDS = 31 * 150 + 7 }; /* 151 value blocks of 31 objects: a full leaf, and half of one */

static struct table_fixture fixture;
static struct table_info info;
static struct random source;

static void begin(void)
{
    const struct table_fixture_options options = {
        .shape = record_shape_object(128, 0),
        .block_size = 4096,
        .value_count_max = RECORDS,
        .seed = 1,
    };
    random_init(&source, 1);
    table_fixture_begin(&fixture, &options);
    uint8_t *records = malloc((size_t)RECORDS * 128);
    for (uint32_t index = 0; index < RECORDS; index += 1) {
        table_fixture_record(&options.shape, records + (size_t)index * 128, index, 1);
    }
    info = table_fixture_build(&fixture, records, RECORDS, &source);
    free(records);
}

static struct key key_of(uint64_t index)
{
    return table_fixture_key(&fixture.format.shape, index, 1, 0);
}

static void cursor_start(struct table_cursor *cursor, struct key key, bool descending)
{
    const struct table_cursor_options options = {
        .format = &fixture.format,
        .grid = &fixture.storage.grid,
        .info = &info,
        .key = key,
        .descending = descending,
        .read_ahead = 2,
    };
    table_cursor_start(cursor, &options);
}

TEST(table_reader, a_cached_lookup_needs_no_io)
{
    uint8_t record[128];
    bool found;
    begin();
    table_fixture_reopen(&fixture);
    struct grid_statistics *statistics = &fixture.storage.grid.statistics;
    EXPECT(table_fixture_lookup(&fixture, &info, key_of(77), record, &found) == PROGRESS_DONE);
    EXPECT(found && statistics->blocks_read == 3);
    EXPECT(table_fixture_lookup(&fixture, &info, key_of(77), record, &found) == PROGRESS_DONE);
    EXPECT(found && statistics->blocks_read == 3 && statistics->reads_cached == 3);
    table_fixture_end(&fixture);
}

TEST(table_reader, a_lookup_in_the_gap_between_blocks_reads_no_value_block)
{
    uint8_t record[128];
    bool found;
    begin();
    table_fixture_reopen(&fixture);
    const struct key key = key_successor(key_of(30)); /* the first block ends with record 30 */
    EXPECT(table_fixture_lookup(&fixture, &info, key, record, &found) == PROGRESS_DONE);
    EXPECT(!found && fixture.storage.grid.statistics.blocks_read == 2);
    table_fixture_end(&fixture);
}

/* Ends a lookup of a key that is there after each of its reads, of which there are so many. */
static void expect_ends_at_any_stage(uint32_t reads)
{
    struct table_lookup lookup = {0};
    table_lookup_end(&lookup);
    for (uint32_t waits = 0; waits <= reads; waits += 1) {
        table_fixture_reopen(&fixture);
        table_lookup_start(&lookup, &fixture.format, &fixture.storage.grid, &info, key_of(4000));
        enum progress progress = table_lookup_advance(&lookup);
        for (uint32_t wait = 0; wait < waits; wait += 1) {
            EXPECT(progress == PROGRESS_WAIT);
            while (lookup.read.stage != IO_DONE)
                grid_wait(&fixture.storage.grid);
            progress = table_lookup_advance(&lookup);
        }
        EXPECT(progress == (waits == reads ? PROGRESS_DONE : PROGRESS_WAIT));
        table_lookup_end(&lookup);
        table_lookup_end(&lookup);
        while (fixture.storage.grid.reads_in_flight > 0)
            grid_wait(&fixture.storage.grid);
        EXPECT(fixture.storage.grid.cache.pinned_count == 0);
    }
}

TEST(table_reader, a_lookup_may_be_ended_at_any_stage)
{
    begin();
    expect_ends_at_any_stage(3); /* root, leaf, value block */
    table_fixture_end(&fixture);
}

/* Of a key that is there, once its blocks are all cached: three steps a block, and one more. */
static void expect_ends_after_any_step(uint32_t blocks)
{
    struct table_lookup lookup;
    uint8_t record[128];
    bool found;
    EXPECT(table_fixture_lookup(&fixture, &info, key_of(4000), record, &found) == PROGRESS_DONE);
    EXPECT(found);
    const uint32_t all = 3 * blocks + 1;
    for (uint32_t steps = 0; steps <= all; steps += 1) {
        const uint64_t cached = fixture.storage.grid.statistics.reads_cached;
        table_lookup_start(&lookup, &fixture.format, &fixture.storage.grid, &info, key_of(4000));
        for (uint32_t step = 1; step <= steps; step += 1) {
            EXPECT(table_lookup_step(&lookup) == (step == all ? PROGRESS_DONE : PROGRESS_WAIT));
            EXPECT(!table_lookup_is_reading(&lookup));
            EXPECT(fixture.storage.grid.cache.pinned_count <= 1);
        }
        EXPECT((lookup.record != NULL) == (steps == all));
        if (steps == all) EXPECT(table_lookup_step(&lookup) == PROGRESS_DONE); /* and remains so */
        EXPECT(fixture.storage.grid.statistics.reads_cached - cached == (steps + 1) / 3);
        table_lookup_end(&lookup);
        EXPECT(fixture.storage.grid.cache.pinned_count == 0);
    }
}

TEST(table_reader, a_lookup_goes_by_steps_and_may_be_ended_after_any)
{
    begin();
    expect_ends_after_any_step(3);
    table_fixture_end(&fixture);
}

TEST(table_reader, a_descending_cursor_finds_the_block_before_a_leaf)
{
    begin();
    struct table_cursor cursor;
    const uint32_t edge = 31 * fixture.format.geometry.leaf_fanout; /* first of the second leaf */
    EXPECT(edge < RECORDS);
    cursor_start(&cursor, key_predecessor(key_of(edge)), true); /* between the two leaves */
    EXPECT(table_fixture_advance(&fixture, &cursor) == PROGRESS_DONE);
    EXPECT(!table_cursor_is_end(&cursor));
    EXPECT(key_equal(record_key(&fixture.format.shape, cursor.records), key_of(edge - 31)));
    table_cursor_stop(&cursor);

    cursor_start(&cursor, key_predecessor(key_of(edge)), false);
    EXPECT(table_fixture_advance(&fixture, &cursor) == PROGRESS_DONE);
    EXPECT(key_equal(record_key(&fixture.format.shape, cursor.records), key_of(edge)));
    table_cursor_stop(&cursor);
    EXPECT(fixture.storage.grid.cache.pinned_count == 0);
    table_fixture_end(&fixture);
}

TEST(table_reader, a_cursor_may_be_stopped_at_any_stage)
{
    struct table_cursor cursor = {0};
    table_cursor_stop(&cursor);
    begin();
    for (uint32_t steps = 0; steps < 12; steps += 1) {
        table_fixture_reopen(&fixture);
        cursor_start(&cursor, key_of(31 * 97), steps % 2 == 0);
        for (uint32_t step = 0; step < steps; step += 1) {
            if (cursor.stage == TABLE_CURSOR_READY) table_cursor_next(&cursor);
            if (table_cursor_advance(&cursor) == PROGRESS_WAIT) grid_wait(&fixture.storage.grid);
        }
        table_cursor_stop(&cursor);
        EXPECT(cursor.stage == TABLE_CURSOR_IDLE);
        while (fixture.storage.grid.reads_in_flight > 0)
            grid_wait(&fixture.storage.grid);
        EXPECT(fixture.storage.grid.cache.pinned_count == 0);
    }
    table_fixture_end(&fixture);
}

/* The number of the first record of the block at hand; RECORDS at the end. */
static uint64_t block_at_hand(struct table_cursor *cursor)
{
    EXPECT(table_fixture_advance(&fixture, cursor) == PROGRESS_DONE);
    if (table_cursor_is_end(cursor)) return RECORDS;
    const struct key key = record_key(&fixture.format.shape, cursor->records);
    uint64_t block = 0;
    while (block < RECORDS && !key_equal(key_of(block), key))
        block += 31;
    EXPECT(block < RECORDS);
    return block;
}

/* Where a cursor starts that has nothing behind it. */
static uint64_t block_of(struct key key, bool descending)
{
    struct table_cursor cursor;
    cursor_start(&cursor, key, descending);
    const uint64_t block = block_at_hand(&cursor);
    table_cursor_stop(&cursor);
    return block;
}

/* Blocks of 31: as many are read as the range has, and in the gap between two of them none. */
TEST(table_reader, a_bounded_cursor_reads_no_block_that_lies_behind_its_end)
{
    begin();
    const struct key gap = key_successor(key_of(30));
    const struct {
        struct key low, high;
        uint32_t blocks;
    } cases[] = {
        {key_of(0), key_of(30), 1},
        {key_of(5), key_of(30), 1},
        {key_of(5), key_of(31), 2},
        {gap, gap, 0},
        {gap, key_of(31), 1},
        {key_of(30), gap, 1},
        {key_of(20), key_of(31 * 3), 4},
    };
    for (uint32_t round = 0; round < 2 * COUNT_OF(cases); round += 1) {
        const uint32_t number = round / 2;
        const bool descending = round % 2 == 1;
        table_fixture_reopen(&fixture);
        const struct table_cursor_options options = {
            .format = &fixture.format,
            .grid = &fixture.storage.grid,
            .info = &info,
            .key = descending ? cases[number].high : cases[number].low,
            .descending = descending,
            .read_ahead = 2,
            .is_bounded = true,
            .key_end = descending ? cases[number].low : cases[number].high,
        };
        struct table_cursor cursor;
        table_cursor_start(&cursor, &options);
        uint32_t blocks = 0;
        EXPECT(table_fixture_advance(&fixture, &cursor) == PROGRESS_DONE);
        while (!table_cursor_is_end(&cursor)) {
            blocks += 1;
            table_cursor_next(&cursor);
            EXPECT(table_fixture_advance(&fixture, &cursor) == PROGRESS_DONE);
        }
        EXPECT(blocks == cases[number].blocks);
        EXPECT(fixture.storage.grid.statistics.blocks_read == 2 + blocks);
        table_cursor_stop(&cursor);
        EXPECT(fixture.storage.grid.cache.pinned_count == 0);
    }
    table_fixture_end(&fixture);
}

/* From anywhere, at any stage, to anywhere: as if it had been started there, but never back. */
TEST(table_reader, a_cursor_that_seeks_comes_to_the_block_where_it_would_have_started)
{
    begin();
    struct random random;
    random_init(&random, 7);
    for (uint32_t round = 0; round < 4000; round += 1) {
        if (round % 16 == 0) table_fixture_reopen(&fixture);
        const bool descending = random_chance(&random, 1, 2);
        struct table_cursor cursor;
        struct key key = key_of(random_below(&random, RECORDS));
        uint64_t wanted = block_of(key, descending);
        cursor_start(&cursor, key, descending);
        for (uint64_t seeks = random_range(&random, 1, 4); seeks > 0; seeks -= 1) {
            for (uint64_t waits = random_below(&random, 6); waits > 0; waits -= 1) {
                if (table_cursor_is_end(&cursor)) break;
                if (cursor.stage == TABLE_CURSOR_READY && random_chance(&random, 1, 2)) {
                    table_cursor_next(&cursor);
                    const bool is_last = wanted == (descending ? 0 : 31 * 150);
                    wanted = is_last ? RECORDS : descending ? wanted - 31 : wanted + 31;
                }
                if (table_cursor_advance(&cursor) == PROGRESS_WAIT &&
                    random_chance(&random, 1, 2)) {
                    grid_wait(&fixture.storage.grid);
                }
            }
            key = key_of(random_below(&random, RECORDS));
            if (random_chance(&random, 1, 3)) key = key_successor(key);
            if (random_chance(&random, 1, 3)) key = key_predecessor(key);
            if (random_chance(&random, 1, 50)) key = key_of(descending ? 0 : RECORDS);
            if (random_chance(&random, 1, 50)) key = descending ? (struct key){0} : key_of(RECORDS);
            const uint64_t there = block_of(key, descending);
            const bool is_behind = descending ? there < wanted : there > wanted;
            if (wanted != RECORDS && (there == RECORDS || is_behind)) wanted = there;
            EXPECT(table_cursor_seek(&cursor, key) == PROGRESS_DONE);
        }
        EXPECT(block_at_hand(&cursor) == wanted);
        table_cursor_stop(&cursor);
    }
    while (fixture.storage.grid.reads_in_flight > 0)
        grid_wait(&fixture.storage.grid);
    EXPECT(fixture.storage.grid.cache.pinned_count == 0);
    table_fixture_end(&fixture);
}

/* A block, a leaf and a block, or nothing, whichever way: what is jumped over is not read. */
TEST(table_reader, a_cursor_that_seeks_reads_nothing_that_lies_between)
{
    begin();
    const uint64_t edge = 31 * (uint64_t)fixture.format.geometry.leaf_fanout;
    for (uint32_t way = 0; way < 2; way += 1) {
        const bool descending = way == 1;
        const uint64_t first = descending ? RECORDS - 1 : 0;
        const uint64_t in_leaf = descending ? edge + 31 * 2 : edge - 31 * 2;
        const uint64_t in_other = descending ? 31 * 7 : edge + 31 * 7;
        table_fixture_reopen(&fixture);
        const struct grid_statistics *statistics = &fixture.storage.grid.statistics;
        struct table_cursor cursor;
        cursor_start(&cursor, key_of(first), descending);
        table_cursor_set_read_ahead(&cursor, 0);
        (void)block_at_hand(&cursor);
        EXPECT(statistics->blocks_read == 3); /* root, leaf, value block */
        EXPECT(table_cursor_seek(&cursor, key_of(in_leaf)) == PROGRESS_DONE);
        EXPECT(block_at_hand(&cursor) == in_leaf && statistics->blocks_read == 4);
        EXPECT(table_cursor_seek(&cursor, key_of(in_leaf)) == PROGRESS_DONE);
        EXPECT(block_at_hand(&cursor) == in_leaf && statistics->blocks_read == 4);
        EXPECT(table_cursor_seek(&cursor, key_of(in_other)) == PROGRESS_DONE);
        EXPECT(block_at_hand(&cursor) == in_other && statistics->blocks_read == 6);
        EXPECT(table_cursor_seek(&cursor, key_of(first)) == PROGRESS_DONE); /* behind it */
        EXPECT(block_at_hand(&cursor) == in_other && statistics->blocks_read == 6);
        const struct key beyond = descending ? (struct key){0} : key_of(RECORDS);
        EXPECT(table_cursor_seek(&cursor, beyond) == PROGRESS_DONE);
        EXPECT(table_cursor_is_end(&cursor) && statistics->blocks_read == 6);
        EXPECT(fixture.storage.grid.cache.pinned_count == 0);
        table_cursor_stop(&cursor);
    }
    table_fixture_end(&fixture);
}

/* The leaf that follows is on its way, and the place in it where the cursor goes on is another one
 * than its edge. */
TEST(table_reader, a_cursor_that_seeks_while_it_waits_for_a_leaf_finds_its_block_there)
{
    begin();
    const uint64_t edge = 31 * (uint64_t)fixture.format.geometry.leaf_fanout;
    for (uint32_t way = 0; way < 2; way += 1) {
        const bool descending = way == 1;
        const uint64_t place = descending ? 31 * 7 : edge + 31 * 7;
        table_fixture_reopen(&fixture);
        struct table_cursor cursor;
        cursor_start(&cursor, key_of(descending ? edge : edge - 1), descending);
        table_cursor_set_read_ahead(&cursor, 0);
        (void)block_at_hand(&cursor);
        table_cursor_next(&cursor);
        EXPECT(cursor.stage == TABLE_CURSOR_LEAF);
        EXPECT(table_cursor_seek(&cursor, key_of(place)) == PROGRESS_DONE);
        EXPECT(block_at_hand(&cursor) == place);
        EXPECT(fixture.storage.grid.statistics.blocks_read == 5); /* 3, the leaf, the block */
        table_cursor_stop(&cursor);
    }
    table_fixture_end(&fixture);
}

/* What was read ahead and is jumped to is used; what was jumped over is given up. */
TEST(table_reader, a_cursor_that_seeks_keeps_what_it_read_ahead)
{
    begin();
    table_fixture_reopen(&fixture);
    const struct grid_statistics *statistics = &fixture.storage.grid.statistics;
    struct table_cursor cursor;
    cursor_start(&cursor, key_of(0), false);
    (void)block_at_hand(&cursor);
    EXPECT(statistics->blocks_read == 5 && cursor.reads_count == 3);
    table_cursor_set_read_ahead(&cursor, 0);
    EXPECT(table_cursor_seek(&cursor, key_of(31 * 2 + 3)) == PROGRESS_DONE);
    EXPECT(cursor.reads_count == 1);
    EXPECT(block_at_hand(&cursor) == 31 * 2 && statistics->blocks_read == 5);
    table_cursor_stop(&cursor);
    EXPECT(fixture.storage.grid.cache.pinned_count == 0);
    table_fixture_end(&fixture);
}

TEST(table_reader, a_damaged_block_is_corrupt_and_named)
{
    begin();
    table_fixture_reopen(&fixture);
    const uint64_t address = 40; /* of the 40th value block */
    simulated_disk_flip(
        fixture.disk, layout_block_offset(&fixture.storage.layout, address) + 500, 3
    );
    uint8_t record[128];
    bool found;
    EXPECT(
        table_fixture_lookup(&fixture, &info, key_of(31 * 39), record, &found) == PROGRESS_FAILED
    );
    EXPECT(fixture.storage.fault.status == TACTUS_CORRUPT);
    EXPECT(fixture.storage.fault.address == address);
    EXPECT(fixture.storage.fault.block_type == BLOCK_VALUE && fixture.storage.fault.tree == 7);

    EXPECT(table_fixture_lookup(&fixture, &info, key_of(1), record, &found) == PROGRESS_DONE);
    EXPECT(found); /* others can be read on */
    table_fixture_end(&fixture);
}

/* ---- Keys that are not where a search guesses them ------------------------------------------- */

enum { UNEVEN = 3000 };

/* From the lowest key to the highest: dense ones, some far apart by turns, a cluster, the last. */
static struct key uneven_key(enum key_bits bits, uint64_t index)
{
    const uint64_t part = index / 1000;
    const uint64_t low = part == 0   ? index
                         : part == 1 ? (index << 40) + index % 7
                                     : UINT64_MAX - (UNEVEN - 1 - index) * (UNEVEN - index);
    if (bits == KEY_64) return key_from_u64(low);
    return key_from_u128(low, part == 0 ? 0 : index < 1500 ? 1 : UINT64_MAX);
}

TEST(table_reader, a_lookup_finds_keys_however_unevenly_they_are_spread)
{
    for (uint32_t wide = 0; wide <= 1; wide += 1) {
        const struct record_shape shape = wide ? record_shape_id128() : record_shape_id64();
        const enum key_bits bits = (enum key_bits)shape.key_bits;
        const struct table_fixture_options options = {
            .shape = shape, .block_size = 4096, .value_count_max = UNEVEN, .seed = 1};
        random_init(&source, 1);
        table_fixture_begin(&fixture, &options);
        uint8_t *records = malloc((size_t)UNEVEN * shape.record_size);
        for (uint32_t index = 0; index < UNEVEN; index += 1) {
            uint8_t *record = records + (size_t)index * shape.record_size;
            key_store(record, bits, uneven_key(bits, index));
            store_u64(record + shape.flag_offset, index + 1);
        }
        info = table_fixture_build(&fixture, records, UNEVEN, &source);
        free(records);
        for (uint32_t index = 0; index < UNEVEN; index += 1) {
            uint8_t record[24];
            bool found;
            const struct key key = uneven_key(bits, index);
            EXPECT(table_fixture_lookup(&fixture, &info, key, record, &found) == PROGRESS_DONE);
            EXPECT(found && load_u64(record + shape.flag_offset) == index + 1);
            if (index + 1 == UNEVEN) continue;
            const struct key next = key_successor(key);
            EXPECT(table_fixture_lookup(&fixture, &info, next, record, &found) == PROGRESS_DONE);
            EXPECT(found == key_equal(next, uneven_key(bits, index + 1)));
        }
        table_fixture_end(&fixture);
    }
}

/* ---- Filters --------------------------------------------------------------------------------- */

enum { IDS = 248 * 120 + 7 }; /* a full leaf and one of 22 blocks; ten filter blocks */

/* Every second key of the range is there. */
static void begin_ids(void)
{
    const struct table_fixture_options options = {
        .shape = record_shape_id64(),
        .block_size = 4096,
        .value_count_max = IDS,
        .seed = 1,
    };
    random_init(&source, 1);
    table_fixture_begin(&fixture, &options);
    uint8_t *records = malloc((size_t)IDS * 16);
    for (uint32_t index = 0; index < IDS; index += 1) {
        table_fixture_record(&options.shape, records + (size_t)index * 16, index, 1);
    }
    info = table_fixture_build(&fixture, records, IDS, &source);
    EXPECT(table_filter_count(&fixture.format.geometry, IDS) == 10);
    free(records);
}

/* What the filter said; *found tells whether the table had the key. */
static enum table_filter_answer filtered(struct key key, bool *found)
{
    struct table_lookup lookup;
    table_lookup_start(&lookup, &fixture.format, &fixture.storage.grid, &info, key);
    enum progress progress = table_lookup_advance(&lookup);
    while (progress == PROGRESS_WAIT) { /* at most four reads */
        grid_wait(&fixture.storage.grid);
        progress = table_lookup_advance(&lookup);
    }
    EXPECT(progress == PROGRESS_DONE);
    *found = lookup.record != NULL;
    const enum table_filter_answer answer = (enum table_filter_answer)lookup.filter;
    table_lookup_end(&lookup);
    return answer;
}

TEST(table_reader, a_key_that_the_filter_does_not_know_touches_neither_leaf_nor_value_block)
{
    enum { PROBES = 4000 };
    uint32_t passed = 0;
    begin_ids();
    for (uint64_t probe = 0; probe < PROBES; probe += 1) {
        bool found;
        const struct key key = table_fixture_key(&fixture.format.shape, probe * 7, 1, 1);
        const struct grid_statistics before = fixture.storage.grid.statistics;
        const enum table_filter_answer answer = filtered(key, &found);
        const struct grid_statistics *after = &fixture.storage.grid.statistics;
        const uint64_t reads =
            after->blocks_read + after->reads_cached - before.blocks_read - before.reads_cached;
        EXPECT(!found);
        EXPECT(answer == TABLE_FILTER_PASSED || answer == TABLE_FILTER_ABSENT);
        if (answer == TABLE_FILTER_ABSENT) EXPECT(reads == 2); /* root and filter block */
        if (answer == TABLE_FILTER_PASSED) EXPECT(reads >= 3);
        passed += answer == TABLE_FILTER_PASSED;
    }
    EXPECT(passed > 0 && passed * 1000 < PROBES * 20);
    table_fixture_end(&fixture);
}

TEST(table_reader, a_key_that_is_there_passes_its_filter)
{
    begin_ids();
    table_fixture_reopen(&fixture);
    const struct grid_statistics *statistics = &fixture.storage.grid.statistics;
    bool found;
    EXPECT(filtered(key_of(77), &found) == TABLE_FILTER_PASSED);
    EXPECT(found && statistics->blocks_read == 4);
    for (uint64_t index = 0; index < IDS; index += 13) {
        EXPECT(filtered(key_of(index), &found) == TABLE_FILTER_PASSED);
        EXPECT(found);
    }
    EXPECT(filtered(key_successor(info.key_max), &found) == TABLE_FILTER_NONE);
    EXPECT(!found);
    table_fixture_end(&fixture);
}

TEST(table_reader, a_lookup_with_a_filter_may_be_ended_at_any_stage)
{
    begin_ids();
    expect_ends_after_any_step(4); /* the filter block, too */
    expect_ends_at_any_stage(4);
    table_fixture_end(&fixture);
}

TEST(table_reader, a_damaged_filter_block_is_corrupt_and_named)
{
    begin_ids();
    table_fixture_reopen(&fixture);
    const uint64_t hash = table_key_hash(&fixture.format, key_of(5));
    const uint32_t index = table_filter_find(&fixture.format.geometry, IDS, hash);
    const uint64_t address = info.address - 10 + index; /* by R12 */
    simulated_disk_flip(
        fixture.disk, layout_block_offset(&fixture.storage.layout, address) + 300, 3
    );
    uint8_t record[16];
    bool found;
    EXPECT(table_fixture_lookup(&fixture, &info, key_of(5), record, &found) == PROGRESS_FAILED);
    EXPECT(fixture.storage.fault.status == TACTUS_CORRUPT);
    EXPECT(fixture.storage.fault.address == address);
    EXPECT(fixture.storage.fault.block_type == BLOCK_FILTER && fixture.storage.fault.tree == 7);
    table_fixture_end(&fixture);
}

/* ---- A hostile file: checksums hold, contents do not ---------------------------------------- */

static void block_peek(uint64_t address, uint8_t *block)
{
    const uint64_t offset = layout_block_offset(&fixture.storage.layout, address);
    simulated_disk_peek(fixture.disk, offset, block, 4096);
}

/* As block_seal() does, but without its assertions: the header may hold anything. */
static struct checksum block_poke(uint64_t address, uint8_t *block)
{
    const uint64_t offset = layout_block_offset(&fixture.storage.layout, address);
    const uint64_t size = min_u32(max_u32(block_header_read(block)->size, 128), 4096);
    const struct checksum checksum =
        checksum_of(fixture.storage.grid.options.file_id, block + 16, size - 16);
    checksum_store(block, checksum);
    simulated_disk_poke(fixture.disk, offset, block, 4096);
    return checksum;
}

/* Changes some bytes of one block, and makes its checksum and those of its parents right again.
 * Level 0: the root, 1: its first leaf, 2: that leaf's second value block. */
static struct table_info forge(uint32_t level)
{
    static _Alignas(4096) uint8_t root[4096], leaf[4096], value[4096];
    const uint64_t leaf_address = fixture.format.geometry.leaf_fanout + 1;
    struct table_info forged = info;
    block_peek(info.address, root);
    block_peek(leaf_address, leaf);
    block_peek(2, value);
    uint8_t *blocks[] = {root, leaf, value};
    uint8_t *block = blocks[level];
    const uint32_t changes = (uint32_t)random_range(&source, 1, 3);
    for (uint32_t change = 0; change < changes; change += 1) {
        const uint32_t size = block_header_read(block)->size;
        const uint64_t metadata = random_range(&source, 48, 88);
        const uint64_t body = random_range(&source, 120, max_u32(min_u32(size, 4096), 121) - 1);
        const uint64_t offset = random_chance(&source, 1, 3) ? metadata : body;
        block[offset] = (uint8_t)(random_chance(&source, 1, 2) ? random_u64(&source) : 0xff);
    }
    if (level == 2) {
        struct table_leaf_entry entry = table_leaf_entry_at(leaf, &fixture.format, 1);
        entry.checksum = block_poke(2, value);
        table_leaf_entry_set(leaf, &fixture.format, 1, entry); /* a full leaf: places are final */
    }
    if (level >= 1) {
        const uint32_t at = 128 + 2 * 8 + 16; /* two keys, then references: the first's checksum */
        checksum_store(root + at, block_poke(leaf_address, leaf));
    }
    forged.checksum = block_poke(info.address, root);
    return forged;
}

/* The same of a filter block of a table of ids, and of its root. */
static struct table_info forge_filter(void)
{
    static _Alignas(4096) uint8_t root[4096], filter[4096];
    const uint64_t filter_count = 10;
    const uint64_t index = random_below(&source, filter_count);
    const uint64_t address = info.address - filter_count + index;
    struct table_info forged = info;
    block_peek(info.address, root);
    block_peek(address, filter);
    const uint32_t changes = (uint32_t)random_range(&source, 1, 3);
    for (uint32_t change = 0; change < changes; change += 1) {
        const uint64_t offset = random_range(&source, 48, random_chance(&source, 1, 2) ? 88 : 4095);
        filter[offset] = (uint8_t)(random_chance(&source, 1, 2) ? random_u64(&source) : 0xff);
    }
    const uint32_t leaf_count = table_root_decode(root).leaf_count;
    uint8_t *references = root + 128 + (size_t)leaf_count * (8 + 32);
    checksum_store(references + index * 32 + 16, block_poke(address, filter));
    if (random_chance(&source, 1, 2)) {
        const uint64_t at = random_below(&source, filter_count * 32);
        if (at % 32 < 16) references[at] = (uint8_t)random_u64(&source);
    }
    forged.checksum = block_poke(info.address, root);
    return forged;
}

static void read_all(bool descending)
{
    struct table_cursor cursor;
    cursor_start(&cursor, descending ? info.key_max : info.key_min, descending);
    enum progress progress = table_fixture_advance(&fixture, &cursor);
    while (progress == PROGRESS_DONE && !table_cursor_is_end(&cursor)) {
        EXPECT(
            fixture.format.kernels->is_sorted(&fixture.format.shape, cursor.records, cursor.count)
        );
        table_cursor_next(&cursor);
        progress = table_fixture_advance(&fixture, &cursor);
    }
    if (progress == PROGRESS_FAILED) EXPECT(cursor.status == TACTUS_CORRUPT);
    table_cursor_stop(&cursor);
}

TEST(table_reader, hostile_blocks_give_a_status)
{
    uint32_t corrupt = 0;
    const struct test_seeds seeds = test_seeds(200);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        begin();
        EXPECT(fixture.format.geometry.leaf_fanout == 99);
        random_init(&source, seed);
        table_fixture_reopen(&fixture);
        info = forge((uint32_t)(seed % 3));
        for (uint32_t round = 0; round < 20; round += 1) {
            uint8_t record[128];
            bool found;
            const uint64_t index = random_below(&source, round < 10 ? 100 : RECORDS);
            const struct key key = table_fixture_key(&fixture.format.shape, index, 1, round % 2);
            if (round == 10) read_all(seed % 2 == 0);
            if (round == 15) read_all(seed % 2 != 0);
            if (table_fixture_lookup(&fixture, &info, key, record, &found) == PROGRESS_DONE)
                continue;
            EXPECT(fixture.storage.fault.status == TACTUS_CORRUPT);
            EXPECT(fixture.storage.fault.address > 0 && fixture.storage.fault.what != NULL);
        }
        corrupt += fixture.storage.fault.status == TACTUS_CORRUPT;
        while (fixture.storage.grid.reads_in_flight > 0)
            grid_wait(&fixture.storage.grid);
        EXPECT(fixture.storage.grid.cache.pinned_count == 0);
        table_fixture_end(&fixture);
    }
    if (seeds.count >= 100) EXPECT(corrupt > seeds.count / 2);
}

TEST(table_reader, hostile_filters_give_a_status_or_an_answer)
{
    uint32_t corrupt = 0;
    uint32_t hidden = 0;
    const struct test_seeds seeds = test_seeds(100);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        begin_ids();
        random_init(&source, seed);
        table_fixture_reopen(&fixture);
        info = forge_filter();
        for (uint32_t round = 0; round < 200; round += 1) {
            uint8_t record[16];
            bool found;
            const uint64_t index = random_below(&source, IDS);
            const struct key key = table_fixture_key(&fixture.format.shape, index, 1, round % 2);
            if (table_fixture_lookup(&fixture, &info, key, record, &found) == PROGRESS_DONE) {
                EXPECT(!found || round % 2 == 0); /* no key comes out of nowhere */
                hidden += !found && round % 2 == 0;
                continue;
            }
            EXPECT(fixture.storage.fault.status == TACTUS_CORRUPT);
            EXPECT(fixture.storage.fault.address > 0 && fixture.storage.fault.what != NULL);
        }
        corrupt += fixture.storage.fault.status == TACTUS_CORRUPT;
        while (fixture.storage.grid.reads_in_flight > 0)
            grid_wait(&fixture.storage.grid);
        EXPECT(fixture.storage.grid.cache.pinned_count == 0);
        table_fixture_end(&fixture);
    }
    maybe(hidden > 0); /* a bit that is missing: verify's to find */
    if (seeds.count >= 100) EXPECT(corrupt > seeds.count / 4);
}

/* ---- Blocks whose checksums hold, and whose records do not ascend --------------------------- */

static struct block_frame *read_block(struct block_reference reference, enum block_type type)
{
    struct grid_read read = {0};
    grid_read_start(&fixture.storage.grid, &read, reference, type, fixture.format.tree);
    EXPECT(grid_read_finish(&fixture.storage.grid, &read) == TACTUS_OK);
    return read.frame;
}

/* A copy of the block, to be changed and written elsewhere; its header is to be sealed anew. */
static struct block_frame *copy_block(struct block_reference reference, enum block_type type)
{
    struct block_frame *from = read_block(reference, type);
    struct block_frame *frame = grid_frame_take(&fixture.storage.grid);
    bytes_copy(frame->data, from->data, 4096);
    grid_unref(&fixture.storage.grid, from);
    return frame;
}

static struct block_reference write_block(struct block_frame *frame, uint64_t address)
{
    const struct block_reference reference =
        grid_write_start(&fixture.storage.grid, frame, address);
    grid_unref(&fixture.storage.grid, frame);
    return reference;
}

/* Swaps two records of value block `index`, and seals it, its leaf and the root anew: everything
 * but the order is as it should be. Nothing is cached then. */
static void damage_value(uint32_t index)
{
    const struct table_format *format = &fixture.format;
    struct block_frame *root = copy_block(table_info_root(&info), BLOCK_ROOT);
    const struct table_root_entry root_entry = table_root_entry_at(root->data, format, 0);
    struct block_frame *leaf = copy_block(root_entry.reference, BLOCK_LEAF);
    const struct table_leaf_entry entry = table_leaf_entry_at(leaf->data, format, index);
    const struct block_reference from = {.address = entry.address, .checksum = entry.checksum};
    struct block_frame *value = copy_block(from, BLOCK_VALUE);

    uint8_t *records = value->data + BLOCK_HEADER_SIZE;
    uint8_t spare[128];
    bytes_copy(spare, records + 5 * 128, 128);
    bytes_copy(records + 5 * 128, records + 20 * 128, 128);
    bytes_copy(records + 20 * 128, spare, 128);
    const struct block_reference to = write_block(value, 3001);

    const uint32_t count = table_leaf_count(leaf->data); /* docs/format.md: two keys, then these */
    uint8_t *addresses = leaf->data + BLOCK_HEADER_SIZE + count * 16;
    store_u64(addresses + index * 8, to.address);
    checksum_store(addresses + count * 8 + index * 16, to.checksum);
    EXPECT(table_leaf_entry_at(leaf->data, format, index).address == to.address);
    const struct block_reference leaf_to = write_block(leaf, 3002);

    uint8_t *references =
        root->data + BLOCK_HEADER_SIZE + table_root_decode(root->data).leaf_count * 8;
    store_u64(references, leaf_to.address);
    checksum_store(references + 16, leaf_to.checksum);
    EXPECT(block_reference_equal(table_root_entry_at(root->data, format, 0).reference, leaf_to));
    const struct block_reference root_to = write_block(root, 3003);
    info.address = root_to.address;
    info.checksum = root_to.checksum;
    table_fixture_reopen(&fixture);
}

static void expect_corrupt(uint64_t index)
{
    uint8_t record[128];
    bool found = false;
    fault_clear(&fixture.storage.fault);
    EXPECT(table_fixture_lookup(&fixture, &info, key_of(index), record, &found) == PROGRESS_FAILED);
    EXPECT(fixture.storage.fault.status == TACTUS_CORRUPT);
    EXPECT(fixture.storage.fault.address == 3001);
}

static bool is_checked(struct block_reference reference, enum block_type type)
{
    struct block_frame *frame = read_block(reference, type);
    const bool is_checked = block_frame_is_checked(frame);
    grid_unref(&fixture.storage.grid, frame);
    return is_checked;
}

TEST(table_reader, a_block_is_checked_once_it_was_looked_at_or_is_ours)
{
    begin();
    const struct block_reference root = table_info_root(&info);
    EXPECT(is_checked(root, BLOCK_ROOT)); /* built by us */
    table_fixture_reopen(&fixture);
    EXPECT(!is_checked(root, BLOCK_ROOT)); /* read, and not looked at */
    uint8_t record[128];
    bool found;
    EXPECT(table_fixture_lookup(&fixture, &info, key_of(5), record, &found) == PROGRESS_DONE);
    EXPECT(is_checked(root, BLOCK_ROOT));

    table_fixture_reopen(&fixture);
    EXPECT(!is_checked(root, BLOCK_ROOT));
    struct table_cursor cursor;
    cursor_start(&cursor, key_of(0), false);
    EXPECT(table_fixture_advance(&fixture, &cursor) == PROGRESS_DONE);
    EXPECT(block_frame_is_checked(cursor.leaf) && block_frame_is_checked(cursor.value));
    table_cursor_stop(&cursor);
    EXPECT(is_checked(root, BLOCK_ROOT));
    table_fixture_end(&fixture);
}

/* What is in a block that was checked whole is not looked at again, only where it begins and ends:
 * two records in its middle, exchanged in the cache, are not noticed; its last one is. */
TEST(table_reader, a_cursor_asks_a_block_that_was_checked_for_its_place_alone)
{
    begin();
    table_fixture_reopen(&fixture);
    struct table_cursor cursor;
    for (uint32_t round = 0; round < 3; round += 1) {
        cursor_start(&cursor, key_of(0), false);
        const enum progress progress = table_fixture_advance(&fixture, &cursor);
        EXPECT(progress == (round < 2 ? PROGRESS_DONE : PROGRESS_FAILED));
        if (round < 2) {
            uint8_t *records = (uint8_t *)(uintptr_t)cursor.records;
            const uint32_t from = round == 0 ? 5 : 30;
            uint8_t record[128];
            bytes_copy(record, records + 6 * 128, 128);
            bytes_copy(records + 6 * 128, records + from * 128, 128);
            bytes_copy(records + from * 128, record, 128);
        }
        table_cursor_stop(&cursor);
    }
    table_fixture_end(&fixture);
}

TEST(table_reader, a_block_that_failed_its_check_fails_again_from_the_cache)
{
    begin();
    damage_value(0);
    expect_corrupt(5);
    const uint64_t reads = fixture.storage.grid.statistics.blocks_read;
    expect_corrupt(5);
    expect_corrupt(20);
    EXPECT(fixture.storage.grid.statistics.blocks_read == reads);
    EXPECT(fixture.storage.grid.cache.pinned_count == 0);
    table_fixture_end(&fixture);
}

TEST(table_reader, a_block_that_was_read_ahead_in_vain_is_checked_when_it_is_asked_for)
{
    begin();
    damage_value(1);
    struct table_cursor cursor;
    cursor_start(&cursor, key_of(0), false);
    EXPECT(table_fixture_advance(&fixture, &cursor) == PROGRESS_DONE);
    EXPECT(!table_cursor_is_end(&cursor));
    while (fixture.storage.grid.reads_in_flight > 0)
        grid_wait(&fixture.storage.grid);
    table_cursor_stop(&cursor);

    const uint64_t reads = fixture.storage.grid.statistics.blocks_read;
    expect_corrupt(31 + 5);
    EXPECT(fixture.storage.grid.statistics.blocks_read == reads);
    EXPECT(fixture.storage.grid.cache.pinned_count == 0);
    table_fixture_end(&fixture);
}

TEST_MAIN()
