#include "lsm/table_builder.h"

#include "base/integer.h"
#include "support/table_fixture.h"
#include "support/test.h"

static struct table_fixture fixture;
static struct free_set_reservation reservation;
static uint64_t addresses[4096];
static struct block_supply supply;
static struct table_builder builder;

static void begin_shape(struct record_shape shape, uint32_t value_count_max)
{
    const struct table_fixture_options options = {
        .shape = shape,
        .block_size = 4096,
        .value_count_max = value_count_max,
        .seed = 1,
    };
    table_fixture_begin(&fixture, &options);
    struct grid *grid = &fixture.storage.grid;
    EXPECT(free_set_reserve(&grid->free_set, fixture.format.geometry.blocks_max, &reservation));
    supply = (struct block_supply){.addresses = addresses, .capacity = COUNT_OF(addresses)};
    block_supply_fill(&supply, &grid->free_set, &reservation);
    table_builder_init(&builder, &fixture.format, grid, &supply, fixture.hashes);
}

/* 4-KiB blocks of 31 objects each; 99 value blocks to a leaf. */
static void begin(uint32_t value_count_max)
{
    begin_shape(record_shape_object(128, 0), value_count_max);
}

static void end(void)
{
    EXPECT(block_supply_settle(&supply, &fixture.storage.grid, &reservation) == TACTUS_OK);
    EXPECT(grid_writes_finish(&fixture.storage.grid) == TACTUS_OK);
    EXPECT(fixture.storage.grid.cache.pinned_count == 0);
    table_fixture_end(&fixture);
}

static void put(uint64_t first, uint32_t count)
{
    for (uint64_t index = first; index < first + count; index += 1) {
        uint32_t room;
        void *space = table_builder_space(&builder, &room);
        table_fixture_record(&fixture.format.shape, space, index, 0);
        table_builder_advance(&builder, 1);
    }
}

static uint64_t acquired(void)
{
    return supply.taken;
}

TEST(table_builder, a_table_of_one_record_has_three_blocks)
{
    struct table_info info;
    begin(100);
    table_builder_begin(&builder, 9);
    EXPECT(table_builder_is_open(&builder) && table_builder_is_empty(&builder));
    put(0, 1);
    EXPECT(!table_builder_is_empty(&builder) && acquired() == 0);
    table_builder_finish(&builder, &info);
    EXPECT(!table_builder_is_open(&builder));
    EXPECT(acquired() == 3 && info.address == 3 && info.value_count == 1);
    EXPECT(key_equal(info.key_min, info.key_max));
    EXPECT(info.snapshot_min == 9 && info.snapshot_max == UINT64_MAX);
    end();
}

TEST(table_builder, a_full_block_is_written_at_once)
{
    begin(31 * 200);
    table_builder_begin(&builder, 1);
    put(0, 30);
    EXPECT(acquired() == 0);
    put(30, 1);
    EXPECT(acquired() == 1); /* its value block */
    put(31, 31 * 98 - 1);
    EXPECT(acquired() == 98);
    put(31 * 99 - 1, 1);
    EXPECT(acquired() == 100); /* the 99th, and the leaf that it filled */

    struct table_info info;
    table_builder_finish(&builder, &info); /* nothing but the root is left */
    EXPECT(acquired() == 101 && info.address == 101);
    end();
}

TEST(table_builder, a_table_is_full_when_its_blocks_are_and_not_before)
{
    begin(100); /* four blocks, which hold 124 records */
    table_builder_begin(&builder, 1);
    put(0, 123);
    EXPECT(!table_builder_is_full(&builder));
    put(123, 1);
    EXPECT(table_builder_is_full(&builder));
    struct table_info info;
    table_builder_finish(&builder, &info);
    EXPECT(info.value_count == 124);
    EXPECT(acquired() == fixture.format.geometry.blocks_max);
    end();
}

TEST(table_builder, space_without_a_record_costs_nothing)
{
    uint32_t room;
    struct table_info info;
    begin(100);
    table_builder_begin(&builder, 1);
    (void)table_builder_space(&builder, &room);
    EXPECT(room == 31);
    table_builder_advance(&builder, 0);
    EXPECT(table_builder_is_empty(&builder));
    table_builder_abandon(&builder);
    EXPECT(!table_builder_is_open(&builder) && acquired() == 0);

    table_builder_begin(&builder, 1);
    put(0, 31);
    (void)table_builder_space(&builder, &room); /* of a block that stays empty */
    table_builder_finish(&builder, &info);
    EXPECT(info.value_count == 31 && acquired() == 3);
    end();
}

TEST(table_builder, one_builder_makes_table_after_table)
{
    struct table_info first, second;
    begin(31 * 8);
    table_builder_begin(&builder, 1);
    put(0, 40);
    table_builder_finish(&builder, &first);
    table_builder_begin(&builder, 1);
    put(40, 40);
    table_builder_finish(&builder, &second);
    EXPECT(first.address == 4 && second.address == 8);
    EXPECT(key_less(first.key_max, second.key_min));

    uint8_t record[128];
    bool found;
    EXPECT(
        table_fixture_lookup(&fixture, &second, second.key_min, record, &found) == PROGRESS_DONE
    );
    EXPECT(found);
    end();
}

/* ---- Filters --------------------------------------------------------------------------------- */

/* 4-KiB blocks of 248 ids each; 99 value blocks to a leaf, 124 buckets to a filter block. */
static void begin_ids(uint32_t value_count_max)
{
    begin_shape(record_shape_id64(), value_count_max);
}

static uint8_t type_at(uint64_t address)
{
    const uint64_t offset = layout_block_offset(&fixture.storage.layout, address);
    struct block_header header;
    simulated_disk_peek(fixture.disk, offset, &header, sizeof header);
    EXPECT(header.address == address && header.tree == 7);
    return header.type;
}

TEST(table_builder, a_table_of_one_id_has_a_filter_before_its_root)
{
    struct table_info info;
    begin_ids(1000);
    table_builder_begin(&builder, 1);
    put(0, 1);
    table_builder_finish(&builder, &info);
    EXPECT(acquired() == 4 && info.address == 4);
    EXPECT(grid_writes_finish(&fixture.storage.grid) == TACTUS_OK);
    EXPECT(type_at(1) == BLOCK_VALUE && type_at(2) == BLOCK_LEAF);
    EXPECT(type_at(3) == BLOCK_FILTER && type_at(4) == BLOCK_ROOT);
    end();
}

TEST(table_builder, filter_blocks_follow_the_last_leaf)
{
    enum { COUNT = 248 * 120 }; /* a full leaf and one of 21; 1,163 buckets: ten filter blocks */
    struct table_info info;
    begin_ids(COUNT);
    table_builder_begin(&builder, 1);
    put(0, COUNT);
    EXPECT(acquired() == 121); /* no filter before the end of the table is known */
    table_builder_finish(&builder, &info);
    EXPECT(acquired() == 120 + 2 + 10 + 1);
    EXPECT(acquired() == fixture.format.geometry.blocks_max);
    EXPECT(grid_writes_finish(&fixture.storage.grid) == TACTUS_OK);
    EXPECT(type_at(100) == BLOCK_LEAF && type_at(122) == BLOCK_LEAF);
    for (uint64_t address = 123; address <= 132; address += 1)
        EXPECT(type_at(address) == BLOCK_FILTER);
    EXPECT(info.address == 133 && type_at(133) == BLOCK_ROOT);
    end();
}

TEST(table_builder, a_filter_is_of_the_size_of_what_was_put_and_knows_tombstones)
{
    struct table_info info;
    begin_ids(248 * 120); /* where a full table would have ten filter blocks */
    table_builder_begin(&builder, 1);
    put(0, 30);
    table_builder_finish(&builder, &info);
    EXPECT(acquired() == 4);
    uint32_t tombstones = 0;
    for (uint64_t index = 0; index < 30; index += 1) {
        uint8_t record[16];
        bool found;
        const struct key key = table_fixture_key(&fixture.format.shape, index, 0, 0);
        EXPECT(table_fixture_lookup(&fixture, &info, key, record, &found) == PROGRESS_DONE);
        EXPECT(found);
        tombstones += record_is_tombstone(&fixture.format.shape, record);
    }
    EXPECT(tombstones == 10);
    end();
}

TEST(table_builder, an_abandoned_table_leaves_no_key_in_the_next_one_s_filter)
{
    struct table_info info;
    begin_ids(1000);
    table_builder_begin(&builder, 1);
    put(0, 100);
    table_builder_abandon(&builder);
    table_builder_begin(&builder, 1);
    put(500, 20);
    table_builder_finish(&builder, &info);
    struct block_frame *frame = grid_cached(&fixture.storage.grid, table_info_root(&info));
    const struct block_reference reference = table_root_filter_at(frame->data, &fixture.format, 0);
    struct block_frame *filter = grid_cached(&fixture.storage.grid, reference);
    EXPECT(filter != NULL);
    uint32_t bits = 0;
    for (uint32_t word = 0; word < 4; word += 1)
        bits += (uint32_t)__builtin_popcountll(load_u64(filter->data + 128 + 8 * word));
    EXPECT(bits > 8 && bits <= 20 * 8); /* of 20 keys in the one bucket, not of 120 */
    EXPECT(block_header_read(filter->data)->size == 128 + 32);
    grid_unref(&fixture.storage.grid, filter);
    grid_unref(&fixture.storage.grid, frame);
    end();
}

TEST(table_builder, the_blocks_snapshot_is_the_tables)
{
    struct table_info info;
    begin(100);
    table_builder_begin(&builder, 1234);
    put(0, 50);
    table_builder_finish(&builder, &info);
    struct block_frame *frame = grid_cached(&fixture.storage.grid, table_info_root(&info));
    EXPECT(frame != NULL);
    EXPECT(block_header_read(frame->data)->snapshot == 1234);
    grid_unref(&fixture.storage.grid, frame);
    end();
}

TEST_MAIN()
