#include "lsm/table_reader.h"

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

TEST(table_reader, a_lookup_may_be_ended_at_any_stage)
{
    struct table_lookup lookup = {0};
    table_lookup_end(&lookup);
    begin();
    for (uint32_t waits = 0; waits < 4; waits += 1) {
        table_fixture_reopen(&fixture);
        table_lookup_start(&lookup, &fixture.format, &fixture.storage.grid, &info, key_of(4000));
        enum progress progress = table_lookup_advance(&lookup);
        for (uint32_t wait = 0; wait < waits; wait += 1) {
            EXPECT(progress == PROGRESS_WAIT);
            while (lookup.read.stage != IO_DONE)
                grid_wait(&fixture.storage.grid);
            progress = table_lookup_advance(&lookup);
        }
        EXPECT(progress == (waits == 3 ? PROGRESS_DONE : PROGRESS_WAIT));
        table_lookup_end(&lookup);
        table_lookup_end(&lookup);
        while (fixture.storage.grid.reads_in_flight > 0)
            grid_wait(&fixture.storage.grid);
        EXPECT(fixture.storage.grid.cache.pinned_count == 0);
    }
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

TEST_MAIN()
