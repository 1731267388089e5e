#include "storage/grid.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "support/storage_fixture.h"
#include "support/test.h"

#include <errno.h>

#include "base/poison.h"

enum { BODY = 500 };

static const struct storage_fixture_options plain = {0};
static const struct storage_fixture_options tiny = {.cache_frames = 1, .pinned_frames_max = 8};

static void begin(
    struct storage_fixture *fixture,
    const struct storage_fixture_options *options,
    uint64_t block_count
)
{
    storage_fixture_begin(fixture, storage_fixture_disk(1, options), options);
    storage_fixture_grid(fixture, block_count);
}

static void end(struct storage_fixture *fixture)
{
    block_cache_check(&fixture->grid.cache);
    storage_fixture_end(fixture);
    simulated_disk_free(fixture->disk);
}

static uint64_t offset_of(const struct storage_fixture *fixture, uint64_t address)
{
    return layout_block_offset(&fixture->layout, address);
}

static void cache_empty(struct storage_fixture *fixture)
{
    storage_fixture_empty_cache(&fixture->grid);
}

static enum tactus_status read_status(
    struct storage_fixture *fixture, struct block_reference reference
)
{
    struct grid_read read;
    fault_clear(&fixture->fault);
    grid_read_start(&fixture->grid, &read, reference, BLOCK_VALUE, 7);
    const enum tactus_status status = grid_read_finish(&fixture->grid, &read);
    EXPECT((status == TACTUS_OK) == (read.frame != NULL));
    grid_read_cancel(&fixture->grid, &read);
    return status;
}

TEST(grid, gives_a_block_that_was_just_written_without_reading)
{
    struct storage_fixture fixture;
    begin(&fixture, &plain, 4);
    const struct block_reference reference = storage_fixture_write(&fixture, 2, 5, BODY);
    EXPECT(fixture.grid.writes_in_flight == 1);
    struct grid_read read;
    grid_read_start(&fixture.grid, &read, reference, BLOCK_VALUE, 7);
    EXPECT(read.stage == IO_DONE); /* at once */
    EXPECT(read.status == TACTUS_OK);
    EXPECT(storage_fixture_body_is(read.frame->data, 5, BODY));
    grid_unref(&fixture.grid, read.frame);

    EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
    EXPECT(fixture.grid.statistics.blocks_read == 0);
    EXPECT(fixture.grid.statistics.bytes_written == 4096);
    cache_empty(&fixture);
    EXPECT(storage_fixture_read(&fixture, reference, 5, BODY));
    EXPECT(fixture.grid.statistics.blocks_read == 1);
    EXPECT(storage_fixture_read(&fixture, reference, 5, BODY));
    EXPECT(fixture.grid.statistics.blocks_read == 1); /* cached */
    end(&fixture);
}

TEST(grid, writes_only_the_sectors_that_a_block_uses)
{
    const struct storage_fixture_options options = {.block_size = 16384};
    struct storage_fixture fixture;
    begin(&fixture, &options, 4);
    const struct block_reference reference = storage_fixture_write(&fixture, 1, 5, 4096);
    EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
    EXPECT(fixture.grid.statistics.bytes_written == 8192);
    cache_empty(&fixture);
    EXPECT(storage_fixture_read(&fixture, reference, 5, 4096));
    end(&fixture);
}

TEST(grid, merges_reads_of_one_block)
{
    struct storage_fixture fixture;
    begin(&fixture, &plain, 4);
    const struct block_reference reference = storage_fixture_write(&fixture, 2, 5, BODY);
    EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
    cache_empty(&fixture);
    struct grid_read reads[4];
    for (uint32_t index = 0; index < 4; index += 1) {
        grid_read_start(&fixture.grid, &reads[index], reference, BLOCK_VALUE, 7);
    }
    for (uint32_t index = 0; index < 4; index += 1) {
        EXPECT(grid_read_finish(&fixture.grid, &reads[index]) == TACTUS_OK);
        EXPECT(reads[index].frame == reads[0].frame);
    }
    EXPECT(reads[0].frame->references == 4);
    EXPECT(fixture.grid.statistics.blocks_read == 1);
    EXPECT(fixture.grid.statistics.reads_merged == 3);
    for (uint32_t index = 0; index < 4; index += 1)
        grid_read_cancel(&fixture.grid, &reads[index]);
    EXPECT(fixture.grid.cache.pinned_count == 0);
    end(&fixture);
}

TEST(grid, queues_reads_and_writes_beyond_its_slots)
{
    enum { COUNT = 200 };
    const struct storage_fixture_options options = {.pinned_frames_max = COUNT};
    struct storage_fixture fixture;
    begin(&fixture, &options, COUNT);
    struct block_reference references[COUNT];
    for (uint32_t index = 0; index < COUNT; index += 1) {
        references[index] = storage_fixture_write(&fixture, index + 1, index, BODY);
        EXPECT(fixture.grid.writes_in_flight <= GRID_WRITES_MAX);
    }
    EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
    EXPECT(fixture.grid.statistics.blocks_written == COUNT);

    struct grid_read reads[2 * COUNT];
    for (uint32_t index = 0; index < 2 * COUNT; index += 1) { /* each block twice */
        struct block_reference reference = references[index % COUNT];
        grid_read_start(&fixture.grid, &reads[index], reference, BLOCK_VALUE, 7);
        EXPECT(fixture.grid.reads_in_flight <= GRID_READS_MAX);
    }
    for (uint32_t index = 0; index < 2 * COUNT; index += 1) {
        EXPECT(grid_read_finish(&fixture.grid, &reads[index]) == TACTUS_OK);
        EXPECT(storage_fixture_body_is(reads[index].frame->data, index % COUNT, BODY));
    }
    EXPECT(fixture.grid.statistics.blocks_read <= COUNT);
    for (uint32_t index = 0; index < 2 * COUNT; index += 1) {
        grid_read_cancel(&fixture.grid, &reads[index]);
    }
    EXPECT(fixture.grid.cache.pinned_count == 0);
    end(&fixture);
}

TEST(grid, works_with_the_smallest_cache_whatever_the_order_of_completion)
{
    for (uint64_t seed = 4; seed < 8; seed += 1) {
        struct storage_fixture fixture;
        storage_fixture_begin(&fixture, storage_fixture_disk(seed, &tiny), &tiny);
        storage_fixture_grid(&fixture, 300);
        struct block_reference references[300];
        for (uint32_t index = 0; index < 300; index += 1) {
            references[index] = storage_fixture_write(&fixture, index + 1, index, BODY);
        }
        for (uint32_t index = 0; index < 300; index += 1) {
            EXPECT(storage_fixture_read(&fixture, references[index], index, BODY));
        }
        EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
        end(&fixture);
    }
}

TEST(grid, names_every_flipped_bit_of_a_block)
{
    struct storage_fixture fixture;
    begin(&fixture, &plain, 4);
    const struct block_reference reference = storage_fixture_write(&fixture, 2, 5, BODY);
    EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
    for (uint32_t byte = 0; byte < 4096; byte += 1) { /* header, body and padding */
        const uint32_t bit = byte % 8;
        cache_empty(&fixture);
        simulated_disk_flip(fixture.disk, offset_of(&fixture, 2) + byte, bit);
        EXPECT(read_status(&fixture, reference) == TACTUS_CORRUPT);
        simulated_disk_flip(fixture.disk, offset_of(&fixture, 2) + byte, bit);
    }
    EXPECT(fixture.fault.zone == FAULT_ZONE_GRID);
    EXPECT(fixture.fault.address == 2);
    EXPECT(fixture.fault.byte == offset_of(&fixture, 2));
    EXPECT(fixture.fault.block_type == BLOCK_VALUE);
    EXPECT(fixture.fault.tree == 7);
    EXPECT(fixture.fault.has_checksums);
    EXPECT(checksum_equal(fixture.fault.wanted, reference.checksum));
    EXPECT(fixture.fault.what != NULL);
    EXPECT(fixture.fault.remedy != NULL);
    cache_empty(&fixture);
    EXPECT(storage_fixture_read(&fixture, reference, 5, BODY));
    end(&fixture);
}

TEST(grid, reads_again_what_came_from_the_wrong_place)
{
    struct storage_fixture fixture;
    begin(&fixture, &plain, 4);
    (void)storage_fixture_write(&fixture, 1, 4, BODY);
    const struct block_reference reference = storage_fixture_write(&fixture, 2, 5, BODY);
    EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
    cache_empty(&fixture);
    struct simulated_fault fault = {
        .kind = SIMULATED_READ_MISDIRECT,
        .from = offset_of(&fixture, 2),
        .to = offset_of(&fixture, 3),
        .target = offset_of(&fixture, 1),
    };
    simulated_disk_fault_add(fixture.disk, fault);
    EXPECT(storage_fixture_read(&fixture, reference, 5, BODY));
    EXPECT(fixture.grid.statistics.reads_healed == 1);

    cache_empty(&fixture);
    simulated_disk_fault_clear(fixture.disk);
    fault.is_sticky = true;
    simulated_disk_fault_add(fixture.disk, fault);
    EXPECT(read_status(&fixture, reference) == TACTUS_CORRUPT);
    end(&fixture);
}

TEST(grid, reads_the_copy_of_a_damaged_block)
{
    struct storage_fixture fixture;
    begin(&fixture, &plain, 4);
    struct block_reference reference = storage_fixture_write(&fixture, 2, 5, BODY);
    EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
    uint8_t block[4096];
    simulated_disk_peek(fixture.disk, offset_of(&fixture, 2), block, sizeof block);
    simulated_disk_poke(fixture.disk, offset_of(&fixture, 4), block, sizeof block);
    simulated_disk_flip(fixture.disk, offset_of(&fixture, 2) + 200, 3);
    cache_empty(&fixture);
    EXPECT(read_status(&fixture, reference) == TACTUS_CORRUPT);
    reference.copy_address = 4;
    EXPECT(storage_fixture_read(&fixture, reference, 5, BODY));
    EXPECT(fixture.grid.statistics.reads_healed == 1);

    cache_empty(&fixture);
    simulated_disk_flip(fixture.disk, offset_of(&fixture, 4) + 300, 3);
    EXPECT(read_status(&fixture, reference) == TACTUS_CORRUPT);
    end(&fixture);
}

TEST(grid, finds_lost_and_misdirected_writes)
{
    struct storage_fixture fixture;
    begin(&fixture, &plain, 4);
    const struct block_reference old = storage_fixture_write(&fixture, 2, 4, BODY);
    const struct block_reference other = storage_fixture_write(&fixture, 3, 6, BODY);
    EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
    struct simulated_fault fault = {.kind = SIMULATED_WRITE_LOST};
    simulated_disk_fault_add(fixture.disk, fault);
    const struct block_reference lost = storage_fixture_write(&fixture, 2, 5, BODY);
    EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
    cache_empty(&fixture);
    EXPECT(read_status(&fixture, lost) == TACTUS_CORRUPT); /* a whole block, but the old one */
    EXPECT(read_status(&fixture, old) == TACTUS_OK);

    simulated_disk_fault_clear(fixture.disk);
    fault.kind = SIMULATED_WRITE_MISDIRECT;
    fault.target = offset_of(&fixture, 3);
    simulated_disk_fault_add(fixture.disk, fault);
    const struct block_reference strayed = storage_fixture_write(&fixture, 1, 8, BODY);
    EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
    cache_empty(&fixture);
    EXPECT(read_status(&fixture, strayed) == TACTUS_CORRUPT);
    EXPECT(read_status(&fixture, other) == TACTUS_CORRUPT); /* the victim */
    end(&fixture);
}

TEST(grid, never_serves_a_stale_block_at_an_address_in_use_again)
{
    const struct storage_fixture_options options = {.cache_frames = 100};
    struct storage_fixture fixture;
    begin(&fixture, &options, 4);
    struct block_reference before = {0};
    for (uint64_t turn = 1; turn < 50; turn += 1) {
        const struct block_reference now = storage_fixture_write(&fixture, 2, turn, BODY);
        if (before.address != 0) {
            EXPECT(grid_cached(&fixture.grid, before) == NULL);
            /* On the disk it may still be, while the write is in flight. */
            const enum tactus_status status = read_status(&fixture, before);
            EXPECT(status == TACTUS_OK || status == TACTUS_CORRUPT);
        }
        EXPECT(storage_fixture_read(&fixture, now, turn, BODY));
        EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
        if (before.address != 0) EXPECT(read_status(&fixture, before) == TACTUS_CORRUPT);
        EXPECT(storage_fixture_read(&fixture, now, turn, BODY));
        before = now;
    }
    end(&fixture);
}

TEST(grid, compares_type_and_tree_from_the_disk_and_from_the_cache)
{
    struct storage_fixture fixture;
    begin(&fixture, &plain, 4);
    const struct block_reference reference = storage_fixture_write(&fixture, 2, 5, BODY);
    EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
    for (uint32_t turn = 0; turn < 2; turn += 1) {
        struct grid_read read;
        grid_read_start(&fixture.grid, &read, reference, BLOCK_LEAF, 7);
        EXPECT(grid_read_finish(&fixture.grid, &read) == TACTUS_CORRUPT);
        grid_read_start(&fixture.grid, &read, reference, BLOCK_VALUE, 8);
        EXPECT(grid_read_finish(&fixture.grid, &read) == TACTUS_CORRUPT);
        EXPECT(read.frame == NULL);
        cache_empty(&fixture);
    }
    EXPECT(fixture.grid.cache.pinned_count == 0);
    end(&fixture);
}

TEST(grid, refuses_references_that_cannot_be)
{
    struct storage_fixture fixture;
    begin(&fixture, &plain, 4);
    EXPECT(read_status(&fixture, (struct block_reference){0}) == TACTUS_CORRUPT);
    EXPECT(read_status(&fixture, (struct block_reference){.address = 5}) == TACTUS_CORRUPT);
    EXPECT(
        read_status(&fixture, (struct block_reference){.address = UINT64_MAX}) == TACTUS_CORRUPT
    );
    const struct block_reference copy = {.address = 1, .copy_address = 5};
    EXPECT(read_status(&fixture, copy) == TACTUS_CORRUPT);
    EXPECT(fixture.grid.statistics.blocks_read == 0);
    end(&fixture);
}

TEST(grid, survives_a_read_error_once_and_names_one_that_stays)
{
    struct storage_fixture fixture;
    begin(&fixture, &plain, 4);
    const struct block_reference reference = storage_fixture_write(&fixture, 2, 5, BODY);
    EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
    cache_empty(&fixture);
    struct simulated_fault fault = {.kind = SIMULATED_READ_ERROR};
    simulated_disk_fault_add(fixture.disk, fault);
    EXPECT(storage_fixture_read(&fixture, reference, 5, BODY));
    cache_empty(&fixture);
    fault.is_sticky = true;
    simulated_disk_fault_add(fixture.disk, fault);
    EXPECT(read_status(&fixture, reference) == TACTUS_CORRUPT);
    EXPECT(fixture.fault.address == 2);
    end(&fixture);
}

TEST(grid, is_poisoned_by_a_failed_write_and_keeps_that_block_readable)
{
    struct storage_fixture fixture;
    begin(&fixture, &plain, 8);
    const struct block_reference good = storage_fixture_write(&fixture, 1, 1, BODY);
    EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
    const struct simulated_fault fault = {.kind = SIMULATED_WRITE_ERROR, .os_error = ENOSPC};
    simulated_disk_fault_add(fixture.disk, fault);
    const struct block_reference failed = storage_fixture_write(&fixture, 2, 2, BODY);
    EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_POISONED);
    EXPECT(fixture.fault.status == TACTUS_POISONED);
    EXPECT(fixture.fault.address == 2);
    EXPECT(fixture.fault.os_error == ENOSPC);

    simulated_disk_fault_clear(fixture.disk);
    const uint64_t changes = simulated_disk_change_count(fixture.disk);
    const struct block_reference later = storage_fixture_write(&fixture, 3, 3, BODY);
    EXPECT(simulated_disk_change_count(fixture.disk) == changes); /* nothing is written any more */
    EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_POISONED);
    EXPECT(grid_grow(&fixture.grid, 9) == TACTUS_POISONED);
    cache_empty(&fixture);
    EXPECT(storage_fixture_read(&fixture, good, 1, BODY));
    EXPECT(storage_fixture_read(&fixture, failed, 2, BODY));
    EXPECT(read_status(&fixture, later) == TACTUS_POISONED); /* not CORRUPT: nothing is damaged */
    end(&fixture);
}

TEST(grid, cancels_reads_in_every_stage)
{
    enum { COUNT = 40 };
    const struct storage_fixture_options options = {.pinned_frames_max = COUNT};
    struct storage_fixture fixture;
    begin(&fixture, &options, COUNT);
    struct block_reference references[COUNT];
    for (uint32_t index = 0; index < COUNT; index += 1) {
        references[index] = storage_fixture_write(&fixture, index + 1, index, BODY);
    }
    EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
    cache_empty(&fixture);
    struct grid_read reads[COUNT];
    for (uint32_t index = 0; index < COUNT; index += 1) {
        grid_read_start(&fixture.grid, &reads[index], references[index], BLOCK_VALUE, 7);
    }
    EXPECT(reads[COUNT - 1].stage == IO_IN_FLIGHT);
    grid_read_cancel(&fixture.grid, &reads[COUNT - 1]); /* queued */
    grid_read_cancel(&fixture.grid, &reads[0]);         /* in flight */
    grid_read_cancel(&fixture.grid, &reads[0]);         /* idle */
    for (uint32_t index = 1; index < COUNT - 1; index += 1) {
        EXPECT(grid_read_finish(&fixture.grid, &reads[index]) == TACTUS_OK);
        grid_read_cancel(&fixture.grid, &reads[index]); /* done */
    }
    while (fixture.grid.reads_in_flight > 0)
        grid_wait(&fixture.grid);
    EXPECT(fixture.grid.cache.pinned_count == 0);
    end(&fixture);
}

TEST(grid, closes_with_reads_and_writes_in_flight)
{
    struct storage_fixture fixture;
    begin(&fixture, &plain, 64);
    struct block_reference references[64];
    for (uint32_t index = 0; index < 64; index += 1) {
        references[index] = storage_fixture_write(&fixture, index + 1, index, BODY);
    }
    EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
    struct grid_read reads[8];
    for (uint32_t index = 0; index < 8; index += 1) {
        grid_read_start(&fixture.grid, &reads[index], references[index], BLOCK_VALUE, 7);
    }
    (void)storage_fixture_write(&fixture, 64, 99, BODY);
    end(&fixture);
}

TEST(grid, names_releases_that_a_sound_file_cannot_ask_for)
{
    struct storage_fixture fixture;
    begin(&fixture, &plain, 4);
    EXPECT(grid_release(&fixture.grid, 2) == TACTUS_OK);
    EXPECT(grid_release(&fixture.grid, 2) == TACTUS_CORRUPT);
    EXPECT(grid_release(&fixture.grid, 5) == TACTUS_CORRUPT);
    EXPECT(grid_release(&fixture.grid, 0) == TACTUS_CORRUPT);
    EXPECT(grid_release(&fixture.grid, UINT64_MAX) == TACTUS_CORRUPT);
    EXPECT(free_set_count_released(&fixture.grid.free_set) == 1);
    end(&fixture);
}

TEST(grid, grows_by_an_eighth_and_by_the_need_alone_where_that_is_refused)
{
    const struct storage_fixture_options options = {.block_count_max = 1000};
    struct storage_fixture fixture;
    storage_fixture_begin(&fixture, storage_fixture_disk(1, &options), &options);
    struct grid *grid = &fixture.grid;
    EXPECT(grid_open(grid, 0) == TACTUS_OK);
    EXPECT(grid->block_count == 0);
    EXPECT(grid_grow(grid, 16) == TACTUS_OK);
    EXPECT(grid->block_count == 16);
    EXPECT(grid_grow(grid, 16) == TACTUS_OK);
    EXPECT(grid->block_count == 16);
    EXPECT(grid_grow(grid, 17) == TACTUS_OK);
    EXPECT(grid->block_count == 18); /* an eighth more */
    EXPECT(grid_grow(grid, 100) == TACTUS_OK);
    EXPECT(grid->block_count == 100); /* the need is more than that */

    simulated_disk_fault_add(fixture.disk, (struct simulated_fault){.kind = SIMULATED_GROW_ERROR});
    EXPECT(grid_grow(grid, 101) == TACTUS_OK);
    EXPECT(grid->block_count == 101);
    EXPECT(fixture.fault.status == TACTUS_OK);

    simulated_disk_fault_add(
        fixture.disk, (struct simulated_fault){.kind = SIMULATED_GROW_ERROR, .is_sticky = true}
    );
    const uint64_t size = simulated_disk_size(fixture.disk);
    EXPECT(grid_grow(grid, 150) == TACTUS_FULL);
    EXPECT(fixture.fault.status == TACTUS_FULL);
    EXPECT(grid->block_count == 101);
    EXPECT(grid->status == TACTUS_OK);
    EXPECT(simulated_disk_size(fixture.disk) == size);

    simulated_disk_fault_clear(fixture.disk);
    fault_clear(&fixture.fault);
    EXPECT(grid_grow(grid, 900) == TACTUS_OK);
    EXPECT(grid_grow(grid, 901) == TACTUS_OK);
    EXPECT(grid->block_count == 1000); /* no step leads past size_max */
    EXPECT(grid_grow(grid, 1001) == TACTUS_LIMIT);
    EXPECT(fixture.fault.status == TACTUS_LIMIT);
    storage_fixture_end(&fixture);
    simulated_disk_free(fixture.disk);
}

TEST(grid, opens_a_longer_file_and_refuses_a_shorter_one)
{
    const struct storage_fixture_options options = {.block_count_max = 1000};
    struct storage_fixture fixture;
    storage_fixture_begin(&fixture, storage_fixture_disk(1, &options), &options);
    EXPECT(grid_open(&fixture.grid, 0) == TACTUS_OK);
    EXPECT(grid_grow(&fixture.grid, 10) == TACTUS_OK);
    storage_fixture_end(&fixture);

    storage_fixture_begin(&fixture, fixture.disk, &options);
    EXPECT(grid_open(&fixture.grid, 5) == TACTUS_OK);
    EXPECT(fixture.grid.block_count == 10);
    storage_fixture_end(&fixture);

    storage_fixture_begin(&fixture, fixture.disk, &options);
    EXPECT(grid_open(&fixture.grid, 11) == TACTUS_CORRUPT);
    EXPECT(fixture.fault.zone == FAULT_ZONE_FILE);
    EXPECT(fixture.fault.wanted_number == 11);
    EXPECT(fixture.fault.found_number == 10);
    EXPECT(grid_open(&fixture.grid, 1001) == TACTUS_CORRUPT);
    storage_fixture_end(&fixture);
    simulated_disk_free(fixture.disk);
}

TEST(grid, knows_which_writes_lie_before_a_mark)
{
    struct storage_fixture fixture;
    const struct storage_fixture_options options = {.pinned_frames_max = 80};
    storage_fixture_begin(&fixture, storage_fixture_disk(3, &options), &options); /* in order */
    struct grid *grid = &fixture.grid;
    storage_fixture_grid(&fixture, 60);
    EXPECT(grid_written_through(grid, grid_write_mark(grid)));
    (void)storage_fixture_write(&fixture, 1, 1, 100);
    (void)storage_fixture_write(&fixture, 2, 2, 100);
    const uint64_t mark = grid_write_mark(grid);
    EXPECT(!grid_written_through(grid, mark));
    for (uint64_t address = 3; address <= 20; address += 1)
        (void)storage_fixture_write(&fixture, address, address, 100);
    while (!grid_written_through(grid, mark))
        grid_wait(grid);
    EXPECT(grid->writes_in_flight > 0);
    EXPECT(!grid_written_through(grid, grid_write_mark(grid)));
    EXPECT(grid_writes_finish(grid) == TACTUS_OK);
    EXPECT(grid_written_through(grid, grid_write_mark(grid)));

    for (uint64_t address = 21; grid_can_write(grid); address += 1)
        (void)storage_fixture_write(&fixture, address, address, 100);
    EXPECT(grid->writes_in_flight == GRID_WRITES_MAX);
    EXPECT(grid_writes_finish(grid) == TACTUS_OK);

    simulated_disk_fault_add(fixture.disk, (struct simulated_fault){.kind = SIMULATED_WRITE_ERROR});
    (void)storage_fixture_write(&fixture, 60, 1, 100);
    EXPECT(grid_writes_finish(grid) == TACTUS_POISONED);
    EXPECT(!grid_written_through(grid, grid_write_mark(grid)));
    storage_fixture_end(&fixture);
    simulated_disk_free(fixture.disk);
}

TEST_MAIN()
