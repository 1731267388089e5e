/* What opens to what is tests/model/manifest_log_test.c's; here are bytes, and files that anyone
 * may have written: their checksums are right, and nothing else has to be. */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
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
        .half_bar_tables = 5,
        .tree_count = 1};
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
    while (storage.grid.reads_in_flight + storage.grid.writes_in_flight > 0)
        grid_wait(&storage.grid);
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
    EXPECT(extent->event == 2);
    extent = address_map_get(&log_.extents, 11);
    EXPECT(extent->event == log_.entries_max);
    EXPECT(log_.block_count == 2 && log_.blocks[0].address == 5 && log_.blocks[1].address == 6);
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
    const uint64_t wrong[] = {1, 3, 0, 1001, UINT64_MAX}; /* 0: just above its bound */
    for (uint32_t index = 0; index < COUNT_OF(wrong); index += 1) {
        begin();
        const struct block_reference old = block_at(5, none, entries, 1);
        const struct block_reference young = block_at(6, old, entries + 1, 1);
        const uint64_t count = wrong[index] == 0 ? log_.pace.log_blocks_max + 1 : wrong[index];
        EXPECT(open_log(old, young, count) == TACTUS_CORRUPT);
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
    bad.run = RUN_NUMBER_MAX + 1;
    EXPECT(is_refused(&bad, 1));
    bad = good;
    bad.reserved_low = 1;
    EXPECT(is_refused(&bad, 1));
    bad = good;
    bad.reserved_mid[1] = 1;
    EXPECT(is_refused(&bad, 1));
    bad = good;
    bad.has_tombstones = 2;
    EXPECT(is_refused(&bad, 1));
    bad = good;
    bad.is_trimmed = 2;
    EXPECT(is_refused(&bad, 1));
    bad = good;
    bad.reserved[7] = 1;
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

/* ---- Compaction ------------------------------------------------------------------------------ */

/* What the log's compaction may have left: of events only the newest count, and what began before
 * the oldest block has no insert. */
TEST(manifest_log, opens_though_the_events_before_it_are_gone)
{
    begin();
    struct table_info moved = table_at(12);
    moved.level = 5;
    struct manifest_entry entries[] = {
        event(MANIFEST_REMOVE, 10), /* its insert is gone */
        event(MANIFEST_UPDATE, 11), /* likewise, and it lives */
        event(MANIFEST_UPDATE, 13),
        event(MANIFEST_REMOVE, 13),
        event(MANIFEST_INSERT, 12),
        event(MANIFEST_INSERT, 10),
        event(MANIFEST_UPDATE, 12),
        event(MANIFEST_INSERT, 11), /* a copy of what is known already */
    };
    manifest_entry_encode(&entries[6], MANIFEST_UPDATE, &moved);
    const struct block_reference gone = {.address = 50, .checksum = {3, 4}};
    const struct block_reference old = block_at(5, gone, entries, 4);
    const struct block_reference young = block_at(6, old, entries + 4, 4);
    EXPECT(open_log(old, young, 2) == TACTUS_OK);
    EXPECT(tables_seen == 3);
    EXPECT(manifest_log_is_live(&log_, 10) && manifest_log_is_live(&log_, 11));
    EXPECT(manifest_log_is_live(&log_, 12) && !manifest_log_is_live(&log_, 13));
    end();
}

static struct free_set_reservation reservation;

static void half_bar_open(uint64_t entries)
{
    const uint64_t blocks = manifest_log_half_bar_blocks(&log_, entries);
    EXPECT(free_set_reserve(&storage.grid.free_set, blocks, &reservation));
    manifest_log_half_bar_open(&log_, entries, &reservation);
}

static enum tactus_status half_bar_end(void)
{
    TRY(manifest_log_compact(&log_));
    manifest_log_forfeit(&log_);
    free_set_forfeit(&storage.grid.free_set, &reservation);
    return TACTUS_OK;
}

/* Opens a log of five blocks, at 5 to 9: tables 20 to 24 are inserted in one each, table 25 is
 * updated there. None of them is in the cache. */
static void open_five(void)
{
    begin();
    EXPECT(grid_grow(&storage.grid, 200) == TACTUS_OK);
    struct block_reference oldest = none;
    struct block_reference newest = none;
    for (uint64_t index = 0; index < 5; index += 1) {
        const enum manifest_event kind = index == 0 ? MANIFEST_INSERT : MANIFEST_UPDATE;
        const struct manifest_entry entries[] = {
            event(MANIFEST_INSERT, 20 + index), event(kind, 25)};
        newest = block_at(5 + index, newest, entries, 2);
        if (index == 0) oldest = newest;
    }
    EXPECT(open_log(oldest, newest, 5) == TACTUS_OK);
    EXPECT(tables_seen == 6);
    storage_fixture_empty_cache(&storage.grid);
}

TEST(manifest_log, copies_what_lives_and_lets_go_of_the_oldest_blocks)
{
    open_five();
    struct free_set *set = &storage.grid.free_set;
    const uint64_t acquired = free_set_count_acquired(set);
    half_bar_open(3); /* 5 blocks, where 1 would do: 3 too many */
    EXPECT(log_.compact_end == 3);
    EXPECT(storage.grid.cache.pinned_count <= MANIFEST_LOG_FRAMES);
    struct table_info gone = table_at(21);
    gone.snapshot_max = 9;
    manifest_log_append(&log_, MANIFEST_UPDATE, &gone);
    manifest_log_append(&log_, MANIFEST_REMOVE, &gone);
    EXPECT(half_bar_end() == TACTUS_OK);

    /* Of 20 to 22 the first and the last live; 25 has newer events than these blocks have. */
    EXPECT(log_.statistics.events_appended == 2);
    EXPECT(log_.statistics.events_copied == 2);
    EXPECT(log_.statistics.blocks_compacted == 3);
    EXPECT(log_.block_count == 2 && log_.entry_count == 4);
    EXPECT(free_set_count_acquired(set) == acquired + 1);
    for (uint64_t address = 5; address <= 9; address += 1) {
        EXPECT(free_set_is_released(set, address) == (address <= 7));
    }
    const struct manifest_entry *open = (const void *)(log_.frame->data + BLOCK_HEADER_SIZE);
    EXPECT(open[2].event == MANIFEST_INSERT && open[2].address == 20);
    EXPECT(open[3].event == MANIFEST_INSERT && open[3].address == 22);

    struct manifest_log_references references;
    manifest_log_close(&log_, &references);
    EXPECT(references.block_count == 3 && references.oldest.address == 8);
    EXPECT(grid_writes_finish(&storage.grid) == TACTUS_OK);
    manifest_log_check(&log_);
    EXPECT(log_.extents.count == 5);
    end();
}

TEST(manifest_log, ends_when_nothing_lives)
{
    begin();
    EXPECT(grid_grow(&storage.grid, 200) == TACTUS_OK);
    EXPECT(open_log(none, none, 0) == TACTUS_OK);
    for (uint32_t round = 0; round < 20; round += 1) {
        half_bar_open(3);
        struct table_info info = table_at(10);
        manifest_log_append(&log_, MANIFEST_INSERT, &info);
        info.snapshot_max = 9;
        manifest_log_append(&log_, MANIFEST_UPDATE, &info);
        manifest_log_append(&log_, MANIFEST_REMOVE, &info);
        EXPECT(half_bar_end() == TACTUS_OK);
        struct manifest_log_references references;
        manifest_log_close(&log_, &references);
        EXPECT(references.block_count == 1); /* the half-bar's own */
    }
    half_bar_open(0);
    EXPECT(free_set_reservation_left(&reservation) == 0);
    EXPECT(half_bar_end() == TACTUS_OK);
    struct manifest_log_references references;
    manifest_log_close(&log_, &references);
    EXPECT(references.block_count == 0);
    EXPECT(references.oldest.address == 0 && references.newest.address == 0);
    EXPECT(log_.statistics.blocks_compacted == 20);
    EXPECT(grid_writes_finish(&storage.grid) == TACTUS_OK);
    end();
}

TEST(manifest_log, says_when_a_block_to_be_compacted_cannot_be_read)
{
    open_five();
    const struct simulated_fault fault = {.kind = SIMULATED_READ_ERROR, .is_sticky = true};
    simulated_disk_fault_add(disk, fault);
    half_bar_open(3);
    const enum tactus_status status = manifest_log_compact(&log_);
    EXPECT(status == TACTUS_IO || status == TACTUS_CORRUPT);
    EXPECT(storage.fault.status == status);
    simulated_disk_fault_clear(disk);
    end();
}

TEST(manifest_log, says_which_block_was_damaged_since_it_was_opened)
{
    open_five();
    const uint64_t byte = layout_block_offset(&storage.layout, 6) + BLOCK_HEADER_SIZE + 7;
    simulated_disk_flip(disk, byte, 3);
    half_bar_open(3);
    EXPECT(manifest_log_compact(&log_) == TACTUS_CORRUPT);
    EXPECT(storage.fault.address == 6 && storage.fault.block_type == BLOCK_MANIFEST);
    EXPECT(log_.statistics.blocks_compacted == 1);
    end();
}

/* A file may name a block of the log as a table's, too, and the table was let go first. */
TEST(manifest_log, does_not_let_go_of_a_block_twice)
{
    open_five();
    half_bar_open(3);
    EXPECT(grid_release(&storage.grid, 6) == TACTUS_OK);
    EXPECT(manifest_log_compact(&log_) == TACTUS_CORRUPT);
    EXPECT(storage.fault.address == 6);
    end();
}

TEST(manifest_log, may_be_closed_while_it_reads)
{
    open_five();
    half_bar_open(3);
    EXPECT(log_.read_end == 3);
    end(); /* nothing stays pinned */
}

TEST_MAIN()
