/* What opens to what is tests/model/manifest_log_test.c's; here are bytes, and files that anyone
 * may have written: their checksums are right, and nothing else has to be. */
#include "base/assert.h"
#include "base/bytes.h"
#include "lsm/manifest_log.h"
#include "support/storage_fixture.h"
#include "support/test.h"

#include <stdlib.h>

enum { TABLES_MAX = 20, BLOCKS = 64, FIRST_FREE = 61 }; /* blocks 61 to 64 are not in use */

static struct storage_fixture storage;
static struct simulated_disk *disk;
static struct manifest_log log_;
static void *region;
static uint32_t tables_seen;

static void begin(void)
{
    const struct storage_fixture_options options = {.block_count_max = 1000};
    disk = storage_fixture_disk(1, &options);
    storage_fixture_begin(&storage, disk, &options);
    storage_fixture_grid(&storage, FIRST_FREE - 1);
    EXPECT(grid_grow(&storage.grid, BLOCKS) == TACTUS_OK);
    const struct manifest_log_options log_options = {
        .grid = &storage.grid,
        .fault = &storage.fault,
        .block_count_max = 1000,
        .block_size = 4096,
        .tables_max = TABLES_MAX,
        .growth_factor = 4};
    struct budget budget;
    budget_measure_begin(&budget);
    manifest_log_init(&log_, &budget, &log_options);
    const uint64_t size = (budget_used(&budget) / BUDGET_ALIGNMENT + 1) * BUDGET_ALIGNMENT;
    region = aligned_alloc(BUDGET_ALIGNMENT, size);
    EXPECT(region != NULL);
    bytes_zero(region, size);
    budget_carve_begin(&budget, region, size);
    manifest_log_init(&log_, &budget, &log_options);
    tables_seen = 0;
}

static void end(void)
{
    manifest_log_deinit(&log_);
    EXPECT(storage.grid.cache.pinned_count == 0);
    storage_fixture_end(&storage);
    simulated_disk_free(disk);
    free(region);
}

static struct table_info table_at(uint64_t address)
{
    return (struct table_info
    ){.key_min = key_from_u64(address * 10),
      .key_max = key_from_u64(address * 10 + 5),
      .checksum = {1, 2},
      .address = address,
      .snapshot_min = 4,
      .snapshot_max = UINT64_MAX,
      .value_count = 7,
      .tree = 2,
      .level = 1};
}

static struct manifest_entry event(enum manifest_event kind, uint64_t address)
{
    struct table_info info = table_at(address);
    if (kind == MANIFEST_REMOVE) info.snapshot_max = 9;
    struct manifest_entry entry;
    manifest_entry_encode(&entry, kind, &info);
    return entry;
}

/* Writes any bytes as a block of the log. */
static struct block_reference block_at(
    uint64_t address,
    struct block_reference previous,
    const struct manifest_entry *entries,
    uint32_t count
)
{
    struct block_frame *frame = grid_frame_take(&storage.grid);
    struct block_header *header = block_header_of(frame->data);
    header->type = BLOCK_MANIFEST;
    header->size = BLOCK_HEADER_SIZE + count * MANIFEST_ENTRY_SIZE;
    bytes_copy(header->metadata, &previous, sizeof previous);
    store_u32(header->metadata + 32, count);
    bytes_copy(frame->data + BLOCK_HEADER_SIZE, entries, (uint64_t)count * sizeof *entries);
    const struct block_reference reference = grid_write_start(&storage.grid, frame, address);
    grid_unref(&storage.grid, frame);
    EXPECT(grid_writes_finish(&storage.grid) == TACTUS_OK);
    return reference;
}

static const char *visit(void *context, const struct table_info *info)
{
    (void)context;
    tables_seen += 1;
    return info->tree == 2 ? NULL : "there is no such tree";
}

static enum tactus_status open_log(
    struct block_reference oldest, struct block_reference newest, uint64_t block_count
)
{
    const struct manifest_log_references references = {
        .oldest = oldest, .newest = newest, .block_count = block_count};
    const struct manifest_log_visitor visitor = {.table = visit};
    return manifest_log_open(&log_, &references, &visitor);
}

static const struct block_reference none;

/* A log of one block with these events: is it CORRUPT, and does the fault say where? */
static bool is_refused(const struct manifest_entry *entries, uint32_t count)
{
    begin();
    const struct block_reference reference = block_at(5, none, entries, count);
    const bool refused = open_log(reference, reference, 1) == TACTUS_CORRUPT;
    if (refused) EXPECT(storage.fault.address == 5 && storage.fault.what != NULL);
    end();
    return refused;
}

TEST(manifest_entry, has_the_bytes_that_the_format_says)
{
    struct table_info info = table_at(0x1122);
    info.key_min = (struct key){{3, 2, 1}};
    info.copy_address = 0x3344;
    info.value_count = 0x01020304;
    struct manifest_entry entry;
    manifest_entry_encode(&entry, MANIFEST_UPDATE, &info);
    const uint8_t *bytes = (const uint8_t *)&entry;
    EXPECT(load_u64(bytes) == 1 && load_u64(bytes + 8) == 2 && load_u64(bytes + 16) == 3);
    EXPECT(load_u64(bytes + 24) == 0x1122 * 10 + 5);
    EXPECT(load_u64(bytes + 48) == 1 && load_u64(bytes + 56) == 2);
    EXPECT(load_u64(bytes + 64) == 0x1122 && load_u64(bytes + 72) == 0x3344);
    EXPECT(load_u64(bytes + 80) == 4 && load_u64(bytes + 88) == UINT64_MAX);
    EXPECT(load_u32(bytes + 96) == 0x01020304);
    EXPECT(load_u16(bytes + 100) == 2 && bytes[102] == 1 && bytes[103] == 2);
    EXPECT(bytes_are_zero(bytes + 104, 24));
    const struct table_info decoded = manifest_entry_decode(&entry);
    EXPECT(key_equal(decoded.key_min, info.key_min) && decoded.copy_address == 0x3344);
}

TEST(manifest_log, opens_an_empty_log)
{
    begin();
    EXPECT(open_log(none, none, 0) == TACTUS_OK);
    EXPECT(tables_seen == 0);
    end();
}

TEST(manifest_log, gives_each_live_table_once_in_its_newest_state)
{
    begin();
    struct manifest_entry entries[] = {
        event(MANIFEST_INSERT, 10),
        event(MANIFEST_INSERT, 11),
        event(MANIFEST_UPDATE, 10),
        event(MANIFEST_REMOVE, 11),
        event(MANIFEST_INSERT, 11),
        event(MANIFEST_INSERT, 12),
        event(MANIFEST_REMOVE, 12)};
    const struct block_reference old = block_at(5, none, entries, 4);
    const struct block_reference young = block_at(6, old, entries + 4, 3);
    EXPECT(open_log(old, young, 2) == TACTUS_OK);
    EXPECT(tables_seen == 2);
    EXPECT(manifest_log_is_live(&log_, 10) && manifest_log_is_live(&log_, 11));
    EXPECT(!manifest_log_is_live(&log_, 12));
    const struct table_extent *extent = address_map_get(&log_.extents, 10);
    EXPECT(extent->block == 5 && extent->entry == 2);
    extent = address_map_get(&log_.extents, 11);
    EXPECT(extent->block == 6 && extent->entry == 0);
    end();
}

TEST(manifest_log, does_not_follow_the_oldest_block)
{
    begin();
    const struct manifest_entry entry = event(MANIFEST_INSERT, 10);
    const struct block_reference gone = {.address = 50, .checksum = {3, 4}};
    const struct block_reference only = block_at(5, gone, &entry, 1);
    EXPECT(open_log(only, only, 1) == TACTUS_OK);
    end();
}

TEST(manifest_log, refuses_a_chain_of_another_length)
{
    const struct manifest_entry entries[] = {
        event(MANIFEST_INSERT, 10), event(MANIFEST_INSERT, 11)};
    const uint64_t wrong[] = {1, 3, 1001, UINT64_MAX};
    for (uint32_t index = 0; index < 4; index += 1) {
        begin();
        const struct block_reference old = block_at(5, none, entries, 1);
        const struct block_reference young = block_at(6, old, entries + 1, 1);
        EXPECT(open_log(old, young, wrong[index]) == TACTUS_CORRUPT);
        end();
    }
    begin(); /* the oldest block is never met */
    const struct block_reference old = block_at(5, none, entries, 1);
    const struct block_reference young = block_at(6, old, entries + 1, 1);
    struct block_reference other = old;
    other.address = 7;
    EXPECT(open_log(other, young, 3) == TACTUS_CORRUPT);
    end();
    begin();
    EXPECT(open_log(none, none, 1) == TACTUS_CORRUPT);
    end();
    begin();
    other = (struct block_reference){.address = 1001};
    EXPECT(open_log(other, other, 1) == TACTUS_CORRUPT);
    end();
}

TEST(manifest_log, refuses_events_that_are_not_ours)
{
    const struct manifest_entry good = event(MANIFEST_INSERT, 10);
    EXPECT(!is_refused(&good, 1));
    struct manifest_entry bad = good;
    bad.event = 0;
    EXPECT(is_refused(&bad, 1));
    bad.event = 4;
    EXPECT(is_refused(&bad, 1));
    bad = good;
    bad.level = LEVELS;
    EXPECT(is_refused(&bad, 1));
    bad = good;
    bad.tree = 0;
    EXPECT(is_refused(&bad, 1));
    bad.tree = 77; /* the visitor does not know it */
    EXPECT(is_refused(&bad, 1));
    bad = good;
    bad.key_min[23] = 1;
    EXPECT(is_refused(&bad, 1));
    bad = good;
    bad.address = 0;
    EXPECT(is_refused(&bad, 1));
    bad.address = 1001;
    EXPECT(is_refused(&bad, 1));
    bad.address = FIRST_FREE; /* our own writes would strike it */
    EXPECT(is_refused(&bad, 1));
    bad = good;
    bad.copy_address = 1001;
    EXPECT(is_refused(&bad, 1));
    bad = good;
    bad.value_count = 0;
    EXPECT(is_refused(&bad, 1));
    bad = good;
    bad.snapshot_min = 0;
    EXPECT(is_refused(&bad, 1));
    bad = good;
    bad.snapshot_max = 3;
    EXPECT(is_refused(&bad, 1));
    bad.snapshot_max = 9; /* an insert of a table that is gone */
    EXPECT(is_refused(&bad, 1));
    bad = event(MANIFEST_REMOVE, 10);
    EXPECT(!is_refused(&bad, 1));
    bad.snapshot_max = UINT64_MAX;
    EXPECT(is_refused(&bad, 1));
    bad = good;
    bad.run = 1;
    EXPECT(is_refused(&bad, 1));
    bad = good;
    bad.has_tombstones = 2;
    EXPECT(is_refused(&bad, 1));
    bad = good;
    bad.reserved[18] = 1;
    EXPECT(is_refused(&bad, 1));
}

TEST(manifest_log, refuses_a_history_that_cannot_be)
{
    const struct manifest_entry twice[] = {event(MANIFEST_REMOVE, 10), event(MANIFEST_REMOVE, 10)};
    EXPECT(is_refused(twice, 2));

    struct manifest_entry many[TABLES_MAX + 8];
    for (uint32_t index = 0; index < TABLES_MAX + 8; index += 1) {
        many[index] = event(MANIFEST_INSERT, 20 + index);
    }
    EXPECT(!is_refused(many, TABLES_MAX));
    EXPECT(is_refused(many, TABLES_MAX + 1));
    for (uint32_t index = 0; index < TABLES_MAX + 8; index += 1) {
        many[index] = event(MANIFEST_REMOVE, 20 + index);
    }
    EXPECT(!is_refused(many, TABLES_MAX + 1 + 4));
    EXPECT(is_refused(many, TABLES_MAX + 1 + 5));
}

TEST(manifest_block, is_refused_if_its_header_does_not_fit)
{
    begin();
    const struct manifest_entry entry = event(MANIFEST_INSERT, 10);
    const struct block_reference reference = block_at(5, none, &entry, 1);
    struct block_frame *frame = grid_cached(&storage.grid, reference);
    EXPECT(frame != NULL);
    uint8_t *block = malloc(4096);
    struct block_header *header = block_header_of(block);

    bytes_copy(block, frame->data, 4096);
    EXPECT(manifest_block_fault(block, 4096, 1000) == NULL);
    store_u32(header->metadata + 32, 0);
    EXPECT(manifest_block_fault(block, 4096, 1000) != NULL);
    store_u32(header->metadata + 32, UINT32_MAX);
    EXPECT(manifest_block_fault(block, 4096, 1000) != NULL);
    store_u32(header->metadata + 32, 2);
    EXPECT(manifest_block_fault(block, 4096, 1000) != NULL);
    bytes_copy(block, frame->data, 4096);
    header->tree = 1;
    EXPECT(manifest_block_fault(block, 4096, 1000) != NULL);
    bytes_copy(block, frame->data, 4096);
    header->metadata[40] = 1;
    EXPECT(manifest_block_fault(block, 4096, 1000) != NULL);
    bytes_copy(block, frame->data, 4096);
    store_u64(header->metadata, 1001); /* the block before it is outside the file */
    EXPECT(manifest_block_fault(block, 4096, 1000) != NULL);

    free(block);
    grid_unref(&storage.grid, frame);
    end();
}

TEST(manifest_log, that_is_free_according_to_the_free_set_is_refused)
{
    begin();
    const struct manifest_entry entry = event(MANIFEST_INSERT, 10);
    const struct block_reference reference = block_at(5, none, &entry, 1);
    free_set_release(&storage.grid.free_set, 5);
    EXPECT(open_log(reference, reference, 1) == TACTUS_CORRUPT);
    end();
}

TEST(manifest_log, says_which_block_is_damaged)
{
    begin();
    const struct manifest_entry entry = event(MANIFEST_INSERT, 10);
    struct block_reference reference = block_at(5, none, &entry, 1);
    reference.checksum.low ^= 1;
    EXPECT(open_log(reference, reference, 1) == TACTUS_CORRUPT);
    EXPECT(storage.fault.address == 5);
    end();
}

TEST_MAIN()
