#include "lsm/table_layout.h"

#include "base/integer.h"
#include "support/test.h"

#include <string.h>

enum { BLOCK = 4096 };

static struct table_format format;
static _Alignas(4096) uint8_t block[BLOCK];

/* Keys 10, 20, 30 ... */
static void begin(uint32_t value_count_max)
{
    format =
        (struct table_format){.shape = record_shape_id64(), .block_count_max = 1000, .tree = 3};
    format.kernels = kernels_for(&format.shape);
    EXPECT(
        table_geometry_init(&format.geometry, &format.shape, BLOCK, 10, value_count_max) ==
        TABLE_FITS
    );
    bytes_zero(block, sizeof block);
}

static struct key key_of(uint64_t number)
{
    return key_from_u64(10 * number);
}

static struct table_range value_block(uint32_t count)
{
    for (uint32_t index = 0; index < count; index += 1) {
        store_u64(block + BLOCK_HEADER_SIZE + index * 16, 10 * (index + 1));
    }
    table_value_encode(block, &format, count);
    return (struct table_range
    ){.key_min = key_of(1), .key_max = key_of(count), .count = count, .is_exact = true};
}

/* Value block n holds the keys from 100 n to 100 n + 50 and has address n + 1. */
static struct table_range leaf(uint32_t count)
{
    for (uint32_t index = 0; index < count; index += 1) {
        const struct table_leaf_entry entry = {
            .key_min = key_of(10 * index),
            .key_max = key_of(10 * index + 5),
            .address = index + 1,
            .checksum = {.low = index, .high = 7},
        };
        table_leaf_entry_set(block, &format, index, entry);
    }
    table_leaf_encode(block, &format, count);
    return (struct table_range
    ){.key_min = key_of(0), .key_max = key_of(10 * (count - 1) + 5), .count = count};
}

static struct table_info root(uint32_t count)
{
    const uint64_t value_blocks = (uint64_t)(count - 1) * format.geometry.leaf_fanout + 1;
    const uint64_t records = (value_blocks - 1) * format.geometry.records_per_block + 1;
    for (uint32_t index = 0; index < count; index += 1) {
        const struct table_root_entry entry = {
            .key_max = key_of(index + 1),
            .reference =
                {.address = index + 1, .copy_address = index + 2, .checksum = {.low = index}},
        };
        table_root_entry_set(block, &format, index, entry);
    }
    const uint32_t filters = table_filter_count(&format.geometry, records);
    for (uint32_t index = 0; index < filters; index += 1) {
        const struct block_reference reference = {
            .address = 500 + index, .copy_address = 700 + index, .checksum = {.high = index}};
        table_root_filter_set(block, &format, index, reference);
    }
    const struct table_root head = {
        .leaf_count = count,
        .filter_count = filters,
        .record_count = records,
        .value_block_count = value_blocks};
    table_root_encode(block, &format, head);
    return (struct table_info
    ){.key_min = key_of(0), .key_max = key_of(count), .value_count = (uint32_t)records};
}

TEST(table_layout, geometry_follows_from_the_block_size)
{
    struct table_geometry geometry;
    const struct record_shape index64 = record_shape_index64();
    EXPECT(table_geometry_init(&geometry, &index64, 32768, 8192, 262144) == TABLE_FITS);
    EXPECT(geometry.records_per_block == (32768 - 128) / 16);
    EXPECT(geometry.value_blocks_max == 129); /* the header makes it one more than 2^18 / 2^11 */
    EXPECT(geometry.records_max == 129 * 2040);
    EXPECT(geometry.leaf_fanout == (32768 - 128) / (2 * 16 + 8 + 16));
    EXPECT(geometry.leaves_max == 1);
    EXPECT(geometry.blocks_max == 131);
    EXPECT(geometry.memory_count_max == 262144 + 8192);

    const struct record_shape object = record_shape_object(128, 0);
    EXPECT(table_geometry_init(&geometry, &object, 4096, 512, 16384) == TABLE_FITS);
    EXPECT(geometry.records_per_block == 31 && geometry.value_blocks_max == 529);
    EXPECT(geometry.leaf_fanout == 99 && geometry.leaves_max == 6 && geometry.blocks_max == 536);
    EXPECT(geometry.filter_fanout == 0 && geometry.filters_max == 0);
}

TEST(table_layout, tables_of_single_keys_have_filters_of_ten_bits_a_key)
{
    struct table_geometry geometry;
    const struct record_shape id64 = record_shape_id64();
    EXPECT(table_geometry_init(&geometry, &id64, 32768, 8192, 262144) == TABLE_FITS);
    EXPECT(geometry.filter_fanout == (32768 - 128) / 32);
    EXPECT(geometry.filters_max == 11); /* 129 * 2040 keys in 10,280 buckets of 256 bits */
    EXPECT(geometry.blocks_max == 129 + 1 + 11 + 1);
    EXPECT(table_filter_hashes_max(&geometry) == 129 * 2040);
    EXPECT(table_filter_count(&geometry, 1) == 1);
    EXPECT(table_filter_count(&geometry, 1020 * 256 / 10) == 1); /* a full filter block */
    EXPECT(table_filter_count(&geometry, 1020 * 256 / 10 + 1) == 2);

    const struct record_shape id128 = record_shape_id128();
    EXPECT(table_geometry_init(&geometry, &id128, 4096, 8192, 65536) == TABLE_FITS);
    EXPECT(geometry.filter_fanout == 124 && geometry.filters_max == 21);

    const struct record_shape shapes[] = {
        record_shape_object(128, 0), record_shape_index64(), record_shape_index128()};
    for (uint32_t index = 0; index < COUNT_OF(shapes); index += 1) {
        EXPECT(table_geometry_init(&geometry, &shapes[index], 4096, 8, 32) == TABLE_FITS);
        EXPECT(table_filter_count(&geometry, 32) == 0);
        EXPECT(table_filter_hashes_max(&geometry) == 0);
    }
}

/* The smallest block size in which such a table fits. */
static uint32_t block_size_min(
    const struct record_shape *shape, uint32_t record_max, uint32_t value_count_max
)
{
    uint32_t size = 4096;
    struct table_geometry geometry;
    while (table_geometry_init(&geometry, shape, size, record_max, value_count_max) != TABLE_FITS)
        size *= 2;
    return size;
}

TEST(table_layout, a_root_must_have_room_for_its_filters)
{
    struct table_geometry geometry;
    const struct record_shape id64 = record_shape_id64();
    uint32_t count = 4;
    while (table_geometry_init(&geometry, &id64, 4096, 1, count) == TABLE_FITS)
        count += 1;
    /* The body of the largest root that fits is full to the next leaf or filter block. */
    EXPECT(table_geometry_init(&geometry, &id64, 4096, 1, count - 1) == TABLE_FITS);
    EXPECT(geometry.leaves_max * 40 + geometry.filters_max * 32 + 40 > 4096 - 128);
    EXPECT(block_size_min(&id64, 1, count) == 8192);
}

TEST(table_layout, what_does_not_fit_names_the_block_size_that_does)
{
    struct table_geometry geometry;
    const struct record_shape fat = record_shape_object(1992, 0);
    EXPECT(table_geometry_init(&geometry, &fat, 4096, 1, 4) == TABLE_RECORD_TOO_LARGE);
    EXPECT(block_size_min(&fat, 1, 4) == 8192);
    const struct record_shape fits = record_shape_object(1984, 0);
    EXPECT(block_size_min(&fits, 1, 4) == 4096);

    const struct record_shape object = record_shape_object(1024, 0);
    EXPECT(table_geometry_init(&geometry, &object, 4096, 65536, 2097152) == TABLE_TOO_LARGE);
    EXPECT(block_size_min(&object, 65536, 2097152) == 16384);
    const struct record_shape widest = record_shape_object(RECORD_SIZE_MAX, 0);
    EXPECT(block_size_min(&widest, 131072, 131072 * 64) == 65536);
}

TEST(table_layout, a_value_block_is_its_header_and_its_records)
{
    begin(1000);
    const struct table_range range = value_block(3);
    EXPECT(table_value_fault(block, &format, &range) == NULL);
    EXPECT(table_value_count(block) == 3);
    EXPECT(block_header_read(block)->size == 128 + 3 * 16);
    EXPECT(block_header_read(block)->type == BLOCK_VALUE && block_header_read(block)->tree == 3);
    EXPECT(load_u32(block + 56) == 3 && load_u32(block + 60) == 16 && load_u32(block + 64) == 248);
    EXPECT(table_value_records(block) == block + 128);
}

TEST(table_layout, a_leaf_has_four_arrays_without_gaps)
{
    begin(100000);
    const struct table_range range = leaf(5);
    EXPECT(table_leaf_fault(block, &format, &range) == NULL);
    EXPECT(block_header_read(block)->size == 128 + 5 * (2 * 8 + 8 + 16));
    EXPECT(load_u64(block + 128) == 50);              /* key_max */
    EXPECT(load_u64(block + 128 + 5 * 8 + 8) == 100); /* key_min of the second one */
    EXPECT(load_u64(block + 128 + 10 * 8) == 1);      /* address */
    EXPECT(load_u64(block + 128 + 15 * 8 + 8) == 7);  /* checksum's high half */
    for (uint32_t index = 0; index < 5; index += 1) {
        const struct table_leaf_entry entry = table_leaf_entry_at(block, &format, index);
        EXPECT(key_equal(entry.key_min, key_of(10 * index)));
        EXPECT(key_equal(entry.key_max, key_of(10 * index + 5)));
        EXPECT(entry.address == index + 1 && entry.checksum.low == index);
    }
    EXPECT(table_leaf_find(block, &format, key_of(0)) == 0);
    EXPECT(table_leaf_find(block, &format, key_of(5)) == 0);
    EXPECT(table_leaf_find(block, &format, key_of(6)) == 1);
    EXPECT(table_leaf_find(block, &format, key_of(45)) == 4);
    EXPECT(table_leaf_find(block, &format, key_of(46)) == 5);
}

TEST(table_layout, a_full_leaf_fits_its_block)
{
    begin(100000);
    const uint32_t fanout = format.geometry.leaf_fanout;
    const struct table_range range = leaf(fanout);
    EXPECT(table_leaf_fault(block, &format, &range) == NULL);
    EXPECT(table_leaf_entry_at(block, &format, fanout - 1).address == fanout);
    EXPECT(BLOCK - block_header_read(block)->size < 2 * 8 + 24);
}

TEST(table_layout, a_root_has_references_with_copies)
{
    begin(100000);
    const struct table_info info = root(3);
    const uint32_t filters = table_filter_count(&format.geometry, info.value_count);
    EXPECT(filters > 1);
    EXPECT(table_root_fault(block, &format, &info) == NULL);
    EXPECT(block_header_read(block)->size == 128 + 3 * (8 + 32) + filters * 32);
    EXPECT(load_u32(block + 56) == 3 && load_u32(block + 60) == 8);
    EXPECT(load_u32(block + 64) == filters && load_u32(block + 68) == 0);
    EXPECT(load_u64(block + 128 + 3 * 40) == 500 && load_u64(block + 128 + 3 * 40 + 8) == 700);
    const struct block_reference filter = table_root_filter_at(block, &format, filters - 1);
    EXPECT(filter.address == 499 + filters && filter.copy_address == 699 + filters);
    EXPECT(filter.checksum.high == filters - 1);
    EXPECT(load_u64(block + 72) == info.value_count);
    EXPECT(load_u64(block + 128 + 3 * 8) == 1 && load_u64(block + 128 + 3 * 8 + 8) == 2);
    const struct table_root_entry entry = table_root_entry_at(block, &format, 2);
    EXPECT(entry.reference.address == 3 && entry.reference.copy_address == 4);
    EXPECT(entry.reference.checksum.low == 2 && key_equal(entry.key_max, key_of(3)));
    EXPECT(table_root_find(block, &format, key_of(2)) == 1);

    const struct table_range first = table_root_range_at(block, &format, &info, 0);
    EXPECT(first.is_exact && key_equal(first.key_min, key_of(0)));
    EXPECT(first.count == format.geometry.leaf_fanout && key_equal(first.key_max, key_of(1)));
    const struct table_range last = table_root_range_at(block, &format, &info, 2);
    EXPECT(!last.is_exact && key_equal(last.key_min, key_successor(key_of(2))));
    EXPECT(last.count == 1);
}

TEST(table_layout, every_byte_of_a_value_blocks_metadata_is_checked)
{
    begin(1000);
    const struct table_range range = value_block(3);
    for (uint32_t offset = 48; offset < 120; offset += 1) {
        if (offset == 55) continue; /* the version is the grid's */
        block[offset] ^= 0x40;
        EXPECT(table_value_fault(block, &format, &range) != NULL);
        block[offset] ^= 0x40;
    }
    EXPECT(table_value_fault(block, &format, &range) == NULL);
}

TEST(table_layout, every_byte_of_an_index_blocks_metadata_is_checked)
{
    begin(100000);
    const struct table_range range = leaf(5);
    for (uint32_t offset = 48; offset < 120; offset += 1) {
        if (offset == 55) continue;
        block[offset] ^= 0x40;
        EXPECT(table_leaf_fault(block, &format, &range) != NULL);
        block[offset] ^= 0x40;
    }
    begin(100000);
    const struct table_info info = root(3);
    for (uint32_t offset = 48; offset < 120; offset += 1) {
        if (offset == 55) continue;
        block[offset] ^= 0x40;
        EXPECT(table_root_fault(block, &format, &info) != NULL);
        block[offset] ^= 0x40;
    }
}

TEST(table_layout, keys_that_do_not_ascend_are_a_fault)
{
    begin(100000);
    struct table_range range = value_block(4);
    store_u64(block + BLOCK_HEADER_SIZE + 16, 30); /* equal to the next one */
    EXPECT(table_value_fault(block, &format, &range) != NULL);

    begin(100000);
    range = leaf(4);
    store_u64(block + 128 + 4 * 8 + 8, 50); /* key_min: where the block before ends */
    EXPECT(table_leaf_fault(block, &format, &range) != NULL);
    store_u64(block + 128 + 4 * 8 + 8, 160); /* above its own key_max */
    EXPECT(table_leaf_fault(block, &format, &range) != NULL);
    store_u64(block + 128 + 4 * 8 + 8, 51);
    EXPECT(table_leaf_fault(block, &format, &range) == NULL);

    begin(100000);
    const struct table_info info = root(4);
    store_u64(block + 128, 20); /* key_max: the second one's */
    EXPECT(table_root_fault(block, &format, &info) != NULL);
}

/* Where a block's keys begin and end, and how many they are, is asked of each that names it. What
 * lies between is the same whoever does. */
TEST(table_layout, the_place_of_a_block_is_its_counts_and_where_it_begins_and_ends)
{
    begin(100000);
    struct table_range range = value_block(4);
    store_u64(block + BLOCK_HEADER_SIZE + 16, 30); /* not a matter of place */
    EXPECT(table_value_place_fault(block, &format, &range) == NULL);
    range.count = 5;
    EXPECT(table_value_place_fault(block, &format, &range) != NULL);
    range.count = 4;
    range.key_max = key_successor(range.key_max);
    EXPECT(table_value_place_fault(block, &format, &range) != NULL);

    begin(100000);
    range = leaf(4);
    store_u64(block + 128 + 4 * 8 + 8, 50);
    EXPECT(table_leaf_place_fault(block, &format, &range) == NULL);
    struct table_range other = range;
    other.key_min = key_successor(range.key_min);
    EXPECT(table_leaf_place_fault(block, &format, &other) != NULL);
    other = range;
    other.key_max = key_successor(range.key_max);
    EXPECT(table_leaf_place_fault(block, &format, &other) != NULL);

    begin(100000);
    struct table_info info = root(4);
    store_u64(block + 128 + 8, 10); /* key_max of the second one: the first one's */
    EXPECT(table_root_place_fault(block, &format, &info) == NULL);
    info.key_min = key_of(2); /* the first leaf would end below it */
    EXPECT(table_root_place_fault(block, &format, &info) != NULL);
    info.key_min = key_of(0);
    info.key_max = key_successor(info.key_max);
    EXPECT(table_root_place_fault(block, &format, &info) != NULL);
}

TEST(table_layout, addresses_out_of_range_are_a_fault)
{
    begin(100000);
    const struct table_range range = leaf(4);
    store_u64(block + 128 + 2 * 4 * 8, 0);
    EXPECT(table_leaf_fault(block, &format, &range) != NULL);
    store_u64(block + 128 + 2 * 4 * 8, 1001);
    EXPECT(table_leaf_fault(block, &format, &range) != NULL);

    begin(100000);
    struct table_info info = root(4);
    store_u64(block + 128 + 4 * 8 + 8, 1001); /* the copy */
    EXPECT(table_root_fault(block, &format, &info) != NULL);

    static const uint64_t outside[] = {0, 1001, UINT64_MAX};
    for (uint32_t index = 0; index < COUNT_OF(outside); index += 1) {
        begin(100000);
        info = root(4);
        store_u64(block + 128 + 4 * 40 + 32, outside[index]); /* the second filter block */
        EXPECT(table_root_size_fault(block, &format, &info) == NULL);
        EXPECT(table_root_fault(block, &format, &info) != NULL);
    }
}

/* ---- Filter blocks --------------------------------------------------------------------------- */

enum { FILTERED = 30000 }; /* records: 1,172 buckets, nine blocks of 124 and one of 56 */

static struct table_filter_range filter_block(uint32_t index)
{
    begin(100000);
    EXPECT(table_filter_count(&format.geometry, FILTERED) == 10);
    const struct table_filter_range range =
        table_filter_range_at(&format.geometry, FILTERED, index);
    table_filter_clear(block, range);
    table_filter_encode(block, &format, range);
    return range;
}

TEST(table_layout, a_filter_block_holds_its_part_of_the_buckets)
{
    struct table_filter_range range = filter_block(3);
    EXPECT(range.bucket_first == 3 * 124 && range.bucket_count == 124);
    EXPECT(range.bucket_total == 1172);
    EXPECT(table_filter_fault(block, &format, &range) == NULL);
    EXPECT(block_header_read(block)->size == 4096);
    EXPECT(block_header_read(block)->type == BLOCK_FILTER && block_header_read(block)->tree == 3);
    EXPECT(load_u32(block + 56) == 124 && load_u32(block + 60) == 372);
    EXPECT(load_u32(block + 64) == 1172);

    range = filter_block(9);
    EXPECT(range.bucket_first == 9 * 124 && range.bucket_count == 56);
    EXPECT(block_header_read(block)->size == 128 + 56 * 32);
    EXPECT(table_filter_fault(block, &format, &range) == NULL);
}

TEST(table_layout, a_key_is_sought_in_the_block_that_its_hash_leads_to)
{
    uint32_t met[10] = {0};
    for (uint64_t number = 1; number < 1000; number += 1) {
        begin(100000);
        const uint64_t hash = table_key_hash(&format, key_of(number));
        const uint32_t index = table_filter_find(&format.geometry, FILTERED, hash);
        EXPECT(index < 10);
        met[index] += 1;
        const struct table_filter_range range = filter_block(index);
        EXPECT(!table_filter_contains(block, range, hash));
        table_filter_insert(block, range, hash);
        EXPECT(table_filter_contains(block, range, hash));
        const uint32_t bucket = filter_bucket(hash, 1172) - range.bucket_first;
        EXPECT(filter_bucket_contains(block + 128 + bucket * 32, hash));
    }
    for (uint32_t index = 0; index < 10; index += 1)
        EXPECT(met[index] > 10);
}

TEST(table_layout, the_hash_of_a_key_is_that_of_its_bytes_in_records)
{
    begin(1000);
    uint8_t record[24] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17};
    struct key key = record_key(&format.shape, record);
    EXPECT(table_key_hash(&format, key) == filter_hash(record, 8));
    format.shape = record_shape_id128();
    key = record_key(&format.shape, record);
    EXPECT(table_key_hash(&format, key) == filter_hash(record, 16));
}

TEST(table_layout, every_byte_of_a_filter_blocks_metadata_is_checked)
{
    const struct table_filter_range range = filter_block(9);
    for (uint32_t offset = 48; offset < 120; offset += 1) {
        if (offset == 55) continue;
        block[offset] ^= 0x40;
        EXPECT(table_filter_fault(block, &format, &range) != NULL);
        block[offset] ^= 0x40;
    }
    EXPECT(table_filter_fault(block, &format, &range) == NULL);
    for (uint32_t other = 0; other < 9; other += 1) {
        const struct table_filter_range wrong =
            table_filter_range_at(&format.geometry, FILTERED, other);
        EXPECT(table_filter_fault(block, &format, &wrong) != NULL);
    }
}

TEST(table_layout, what_the_parent_says_has_to_hold)
{
    begin(100000);
    const struct table_range good = value_block(4);
    struct table_range range = good;
    range.key_min = key_of(0);
    EXPECT(table_value_fault(block, &format, &range) != NULL);
    range.is_exact = false; /* not below */
    EXPECT(table_value_fault(block, &format, &range) == NULL);
    range = good;
    range.key_max = key_of(5);
    EXPECT(table_value_fault(block, &format, &range) != NULL);
    range = good;
    range.count = 3;
    EXPECT(table_value_fault(block, &format, &range) != NULL);
    EXPECT(table_value_size_fault(block, &format, &range) != NULL);
    const uint32_t size = block_header_read(block)->size;
    EXPECT(table_value_count_fault(size, &format, &range) != NULL);
    EXPECT(table_value_count_fault(size, &format, &good) == NULL);

    begin(100000);
    const struct table_range full = leaf(5);
    range = full;
    range.count = 4;
    const uint32_t leaf_size = block_header_read(block)->size;
    EXPECT(table_leaf_count_fault(leaf_size, &format, &full) == NULL);
    EXPECT(table_leaf_count_fault(leaf_size, &format, &range) != NULL);

    begin(100000);
    struct table_info info = root(3);
    info.value_count += 1;
    EXPECT(table_root_size_fault(block, &format, &info) != NULL);
    info = root(3);
    info.key_max = key_of(4);
    EXPECT(table_root_fault(block, &format, &info) != NULL);
}

TEST_MAIN()
