/* A grid and a view of it: what both see, what each has to itself. All in one thread, so that every
 * step is where the test wants it; threads are in model/grid_view_test. Works in the current
 * directory, in a file that begins with "grid_view_test". */
#include "storage/grid.h"

#include "base/integer.h"
#include "support/storage_fixture.h"
#include "support/test.h"

#include <unistd.h>

#include "base/poison.h"

enum { BODY = 500, PINNED = 8, SLOTS = 4 };
#define PATH "grid_view_test.tactus"

static const struct storage_fixture_options plain = {
    .view = {.pinned_frames_max = PINNED, .reads_max = SLOTS, .writes_max = SLOTS}};

static void begin(struct storage_fixture *fixture, uint64_t block_count)
{
    storage_fixture_begin(fixture, storage_fixture_disk(1, &plain), &plain);
    storage_fixture_grid(fixture, block_count);
}

static void end(struct storage_fixture *fixture)
{
    block_cache_check(&fixture->grid.cache);
    storage_fixture_end(fixture);
    simulated_disk_free(fixture->disk);
}

static void start_read(struct grid *grid, struct grid_read *read, struct block_reference reference)
{
    grid_read_start(grid, read, reference, BLOCK_VALUE, 7);
}

/* What one writes, the other has at once: while it is in flight, and from the disk later. */
static void check_write_is_seen(struct grid *writer, struct grid *reader, uint64_t address)
{
    const uint64_t blocks_read = reader->statistics.blocks_read;
    const struct block_reference reference =
        storage_fixture_write_through(writer, address, address, BODY);
    EXPECT(writer->writes_in_flight == 1);
    EXPECT(reader->writes_in_flight == 0);
    storage_fixture_empty_cache(reader); /* what is in flight stays */
    struct grid_read read;
    start_read(reader, &read, reference);
    EXPECT(read.stage == IO_DONE && read.status == TACTUS_OK);
    EXPECT(storage_fixture_body_is(read.frame->data, address, BODY));
    grid_unref(reader, read.frame);
    EXPECT(reader->statistics.blocks_read == blocks_read);

    EXPECT(grid_writes_finish(reader) == TACTUS_OK);
    EXPECT(writer->writes_in_flight == 1); /* it has waited for its own alone */
    EXPECT(grid_writes_finish(writer) == TACTUS_OK);
    storage_fixture_empty_cache(reader);
    EXPECT(grid_cached(reader, reference) == NULL);
    EXPECT(storage_fixture_read_through(reader, reference, address, BODY));
    EXPECT(reader->statistics.blocks_read == blocks_read + 1);
}

TEST(grid_view, both_see_what_the_other_has_in_flight)
{
    struct storage_fixture fixture;
    begin(&fixture, 4);
    check_write_is_seen(&fixture.view, &fixture.grid, 1);
    check_write_is_seen(&fixture.grid, &fixture.view, 2);
    EXPECT(fixture.grid.cache.pinned_count == 0);
    end(&fixture);
}

TEST(grid_view, both_see_what_the_other_has_in_flight_whatever_the_file)
{
    static const struct {
        const char *path;
        enum io_path io;
    } files[] = {{":memory:", IO_PATH_AUTO}, {PATH, IO_PATH_POSIX}, {PATH, IO_PATH_AUTO}};
    for (uint32_t index = 0; index < COUNT_OF(files); index += 1) {
        struct storage_fixture fixture;
        storage_fixture_begin_file(&fixture, files[index].path, files[index].io, &plain);
        storage_fixture_grid(&fixture, 4);
        check_write_is_seen(&fixture.view, &fixture.grid, 1);
        check_write_is_seen(&fixture.grid, &fixture.view, 2);
        storage_fixture_end(&fixture);
    }
    (void)unlink(PATH);
}

TEST(grid_view, merges_its_own_reads_and_shares_one_frame_with_the_owner)
{
    struct storage_fixture fixture;
    begin(&fixture, 4);
    const struct block_reference reference = storage_fixture_write(&fixture, 2, 5, BODY);
    EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
    storage_fixture_empty_cache(&fixture.grid);

    struct grid_read reads[3];
    start_read(&fixture.view, &reads[0], reference);
    start_read(&fixture.view, &reads[1], reference);
    start_read(&fixture.grid, &reads[2], reference);
    EXPECT(grid_read_finish(&fixture.view, &reads[0]) == TACTUS_OK);
    EXPECT(grid_read_finish(&fixture.view, &reads[1]) == TACTUS_OK);
    EXPECT(grid_read_finish(&fixture.grid, &reads[2]) == TACTUS_OK);
    EXPECT(reads[0].frame == reads[1].frame && reads[1].frame == reads[2].frame);
    EXPECT(reads[0].frame->references == 3);
    EXPECT(fixture.view.statistics.reads_merged == 1);
    EXPECT(fixture.view.statistics.blocks_read == 1);
    EXPECT(
        fixture.grid.statistics.blocks_read == 1
    ); /* each has read it: nobody waits for others */
    EXPECT(fixture.grid.cache.pinned_count == 1);
    for (uint32_t index = 0; index < 2; index += 1)
        grid_read_cancel(&fixture.view, &reads[index]);
    grid_read_cancel(&fixture.grid, &reads[2]);
    EXPECT(fixture.grid.cache.pinned_count == 0);
    end(&fixture);
}

/* One cannot write block 2; then neither writes, and both say so; block 2 stays readable. */
static void check_poison(
    struct storage_fixture *fixture, struct grid *fails, struct grid *other, struct fault *fault
)
{
    const struct block_reference good = storage_fixture_write_through(fails, 1, 1, BODY);
    EXPECT(grid_writes_finish(fails) == TACTUS_OK);
    const uint64_t byte = layout_block_offset(&fixture->layout, 2);
    simulated_disk_fault_add(
        fixture->disk,
        (struct simulated_fault){.kind = SIMULATED_WRITE_ERROR, .from = byte, .to = byte + 1}
    );
    const struct block_reference failed = storage_fixture_write_through(fails, 2, 2, BODY);
    EXPECT(grid_status(other) == TACTUS_OK); /* nobody knows yet */
    EXPECT(grid_writes_finish(fails) == TACTUS_POISONED);

    EXPECT(fault->status == TACTUS_OK); /* of the other: it is told what happened when it asks */
    EXPECT(grid_status(other) == TACTUS_POISONED);
    EXPECT(fault->status == TACTUS_POISONED && fault->address == 2);
    const uint64_t changes = simulated_disk_change_count(fixture->disk);
    const struct block_reference later = storage_fixture_write_through(other, 3, 3, BODY);
    EXPECT(grid_writes_finish(other) == TACTUS_POISONED);
    EXPECT(grid_writes_finish(fails) == TACTUS_POISONED);
    EXPECT(grid_grow(&fixture->grid, 9) == TACTUS_POISONED);
    EXPECT(simulated_disk_change_count(fixture->disk) == changes);

    storage_fixture_empty_cache(other);
    EXPECT(storage_fixture_read_through(other, good, 1, BODY));
    EXPECT(storage_fixture_read_through(other, failed, 2, BODY));
    struct grid_read read;
    start_read(fails, &read, later);
    EXPECT(grid_read_finish(fails, &read) == TACTUS_POISONED); /* not CORRUPT */
}

TEST(grid_view, its_failed_write_poisons_the_owner)
{
    struct storage_fixture fixture;
    begin(&fixture, 4);
    check_poison(&fixture, &fixture.view, &fixture.grid, &fixture.fault);
    end(&fixture);
}

TEST(grid_view, the_owners_failed_write_poisons_it)
{
    struct storage_fixture fixture;
    begin(&fixture, 4);
    check_poison(&fixture, &fixture.grid, &fixture.view, &fixture.view_fault);
    end(&fixture);
}

TEST(grid_view, keeps_to_its_slots)
{
    enum { COUNT = 40 };
    struct storage_fixture fixture;
    begin(&fixture, COUNT);
    struct block_reference references[COUNT];
    for (uint32_t index = 0; index < COUNT; index += 1) {
        references[index] = storage_fixture_write_through(&fixture.view, index + 1, index, BODY);
        EXPECT(fixture.view.writes_in_flight <= SLOTS);
    }
    EXPECT(grid_writes_finish(&fixture.view) == TACTUS_OK);
    storage_fixture_empty_cache(&fixture.grid);
    struct grid_read reads[COUNT];
    for (uint32_t index = 0; index < COUNT; index += 1) {
        start_read(&fixture.view, &reads[index], references[index]);
        EXPECT(fixture.view.reads_in_flight <= SLOTS);
    }
    for (uint32_t index = COUNT; index > PINNED; index -= 1)
        grid_read_cancel(&fixture.view, &reads[index - 1]);
    for (uint32_t index = 0; index < PINNED; index += 1) {
        EXPECT(grid_read_finish(&fixture.view, &reads[index]) == TACTUS_OK);
        EXPECT(storage_fixture_body_is(reads[index].frame->data, index, BODY));
        grid_read_cancel(&fixture.view, &reads[index]);
    }
    end(&fixture);
}

static uint64_t bytes_of(const struct grid_view_options *view)
{
    struct layout layout;
    layout_init(&layout, 4096, STORAGE_FIXTURE_JOURNAL, 1 << 24);
    const struct grid_options options = {
        .layout = &layout,
        .keep = 1,
        .cache_frames = 8,
        .pinned_frames_max = 8,
        .view_frames_max = view == NULL ? 0 : grid_view_frames(view),
    };
    struct budget budget;
    budget_measure_begin(&budget);
    struct grid grid;
    grid_init(&grid, &budget, &options);
    struct grid over;
    if (view != NULL) grid_init_sharing(&over, &budget, &grid, view);
    return budget_used(&budget);
}

TEST(grid_view, takes_memory_for_its_frames_and_slots)
{
    const uint64_t alone = bytes_of(NULL);
    struct grid_view_options view = plain.view;
    const uint64_t with_view = bytes_of(&view);
    EXPECT(grid_view_frames(&view) == PINNED + 2 * SLOTS);
    EXPECT(with_view >= alone + (uint64_t)(PINNED + 2 * SLOTS) * 4096);
    EXPECT(with_view < alone + (uint64_t)(PINNED + 2 * SLOTS + 4) * 4096);
    view.writes_max += 1;
    EXPECT(bytes_of(&view) >= with_view + 4096);
}

TEST(grid_view, has_room_for_all_that_both_may_hold)
{
    enum { WRITES = GRID_WRITES_MAX + SLOTS, READS = GRID_READS_MAX + SLOTS };
    struct storage_fixture_options options = plain;
    options.cache_frames = 1;
    options.pinned_frames_max = PINNED;
    struct storage_fixture fixture;
    storage_fixture_begin(&fixture, storage_fixture_disk(1, &options), &options);
    storage_fixture_grid(&fixture, WRITES + READS);
    struct block_reference references[READS];
    for (uint32_t index = 0; index < READS; index += 1) {
        references[index] = storage_fixture_write(&fixture, WRITES + index + 1, index, BODY);
    }
    EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
    storage_fixture_empty_cache(&fixture.grid);

    struct grid_read reads[READS];
    for (uint32_t index = 0; index < READS; index += 1) {
        struct grid *grid = index < SLOTS ? &fixture.view : &fixture.grid;
        start_read(grid, &reads[index], references[index]);
    }
    for (uint32_t index = 0; index < WRITES; index += 1) {
        struct grid *grid = index < SLOTS ? &fixture.view : &fixture.grid;
        (void)storage_fixture_write_through(grid, index + 1, index, BODY);
    }
    EXPECT(fixture.grid.cache.pinned_count == WRITES + READS);
    struct block_frame *held[2 * PINNED];
    for (uint32_t index = 0; index < 2 * PINNED; index += 1) {
        held[index] = grid_frame_take(index < PINNED ? &fixture.view : &fixture.grid);
    }
    EXPECT(fixture.grid.cache.pinned_count + 1 == fixture.grid.cache.frame_count);
    for (uint32_t index = 0; index < 2 * PINNED; index += 1)
        grid_unref(&fixture.grid, held[index]);
    for (uint32_t index = 0; index < READS; index += 1)
        grid_read_cancel(index < SLOTS ? &fixture.view : &fixture.grid, &reads[index]);
    end(&fixture);
}

TEST(grid_view, writes_where_the_owner_made_room_meanwhile)
{
    struct storage_fixture fixture;
    begin(&fixture, 4);
    const struct block_reference first = storage_fixture_write_through(&fixture.view, 4, 4, BODY);
    EXPECT(fixture.view.writes_in_flight == 1);
    EXPECT(grid_grow(&fixture.grid, 20) == TACTUS_OK);
    const struct block_reference second =
        storage_fixture_write_through(&fixture.view, 20, 20, BODY);
    EXPECT(grid_writes_finish(&fixture.view) == TACTUS_OK);
    storage_fixture_empty_cache(&fixture.view);
    EXPECT(storage_fixture_read_through(&fixture.view, first, 4, BODY));
    EXPECT(storage_fixture_read_through(&fixture.view, second, 20, BODY));
    EXPECT(grid_grow(&fixture.grid, fixture.layout.block_count_max) == TACTUS_OK);
    struct grid_read read;
    const uint64_t beyond = fixture.layout.block_count_max + 1;
    start_read(&fixture.view, &read, (struct block_reference){.address = beyond});
    EXPECT(grid_read_finish(&fixture.view, &read) == TACTUS_CORRUPT);
    EXPECT(fixture.view_fault.status == TACTUS_CORRUPT && fixture.fault.status == TACTUS_OK);
    end(&fixture);
}

TEST(grid_view, counts_apart_until_its_counts_are_moved)
{
    struct storage_fixture fixture;
    begin(&fixture, 4);
    (void)storage_fixture_write(&fixture, 1, 1, BODY);
    const struct block_reference reference =
        storage_fixture_write_through(&fixture.view, 2, 2, BODY);
    EXPECT(storage_fixture_read_through(&fixture.view, reference, 2, BODY));
    EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
    EXPECT(grid_writes_finish(&fixture.view) == TACTUS_OK);
    EXPECT(fixture.grid.statistics.blocks_written == 1);
    EXPECT(fixture.view.statistics.blocks_written == 1);
    grid_statistics_move(&fixture.view);
    grid_statistics_move(&fixture.view);
    EXPECT(fixture.grid.statistics.blocks_written == 2);
    EXPECT(fixture.grid.statistics.bytes_written == 2 * 4096);
    EXPECT(fixture.grid.statistics.reads_cached == 1);
    EXPECT(fixture.view.statistics.blocks_written == 0);
    end(&fixture);
}

TEST(grid_view, closes_with_reads_and_writes_in_flight_and_leaves_the_owner_open)
{
    struct storage_fixture fixture;
    begin(&fixture, 8);
    struct block_reference references[7];
    for (uint32_t index = 0; index < COUNT_OF(references); index += 1) {
        references[index] = storage_fixture_write(&fixture, index + 1, index, BODY);
    }
    EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
    storage_fixture_empty_cache(&fixture.grid);
    struct grid_read reads[6]; /* more than there are slots */
    for (uint32_t index = 0; index < COUNT_OF(reads); index += 1)
        start_read(&fixture.view, &reads[index], references[index]);
    const struct block_reference last = storage_fixture_write_through(&fixture.view, 8, 99, BODY);
    grid_close(&fixture.view);
    EXPECT(fixture.grid.cache.pinned_count == 0);
    EXPECT(fixture.grid.view_count == 0);
    storage_fixture_empty_cache(&fixture.grid);
    EXPECT(storage_fixture_read(&fixture, last, 99, BODY));
    end(&fixture); /* closing a view that is closed is fine */
}

TEST_MAIN()
