#include "storage/checkpoint.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "support/storage_fixture.h"
#include "support/test.h"

#include <stdlib.h>

#include "base/poison.h"

enum { BODY = 300 };

static const struct storage_fixture_options plain = {0};
static const char schema[] = "collection sale { }";
static uint8_t state_found[CHECKPOINT_STATE_SIZE_MAX];

/* A capture whose state is `text`. */
static struct checkpoint_capture capture_of(uint64_t op, const char *text)
{
    uint64_t size = 0;
    while (text[size] != 0)
        size += 1;
    return (struct checkpoint_capture){
        .op_covered = op,
        .op_captured = op,
        .beat_capture = op,
        .state = (const uint8_t *)text,
        .state_size = size,
    };
}

/* A new file, formatted, ready to go on. */
static void begin(struct storage_fixture *fixture, const struct storage_fixture_options *options)
{
    storage_fixture_begin(fixture, storage_fixture_disk(5, options), options);
    const struct checkpoint_capture capture = capture_of(0, "zero");
    EXPECT(checkpoint_format(&fixture->checkpoint, &capture, schema, sizeof schema) == TACTUS_OK);
}

static void end(struct storage_fixture *fixture)
{
    free_set_check(&fixture->grid.free_set);
    storage_fixture_end(fixture);
    simulated_disk_free(fixture->disk);
}

static enum tactus_status open_keeping(
    struct storage_fixture *fixture, struct simulated_disk *disk, const char *text, uint32_t keep
)
{
    const struct storage_fixture_options options = {.keep = keep};
    storage_fixture_begin(fixture, disk, &options);
    uint64_t size = 0;
    const enum tactus_status status = storage_fixture_open(fixture, state_found, &size);
    if (status == TACTUS_OK) {
        const struct checkpoint_capture wanted = capture_of(0, text);
        EXPECT(size == wanted.state_size);
        EXPECT(bytes_equal(state_found, wanted.state, size));
    }
    return status;
}

static enum tactus_status open_again(
    struct storage_fixture *fixture, struct simulated_disk *disk, const char *text
)
{
    return open_keeping(fixture, disk, text, 1);
}

/* Acquires and writes `count` blocks. */
static void write_blocks(struct storage_fixture *fixture, uint64_t count, uint64_t seed)
{
    struct grid *grid = &fixture->grid;
    const uint64_t highest = free_set_nth_free(&grid->free_set, count);
    EXPECT(grid_grow(grid, highest) == TACTUS_OK);
    struct free_set_reservation reservation;
    EXPECT(free_set_reserve(&grid->free_set, count, &reservation));
    for (uint64_t index = 0; index < count; index += 1) {
        const uint64_t address = free_set_acquire(&grid->free_set, &reservation);
        (void)storage_fixture_write(fixture, address, seed + index, BODY);
    }
    free_set_forfeit(&grid->free_set, &reservation);
}

static void expect_same_sets(const struct free_set *a, const struct free_set *b)
{
    EXPECT(a->effect_pending == b->effect_pending);
    EXPECT(free_set_highest_acquired(a) == free_set_highest_acquired(b));
    const uint64_t highest = free_set_highest_acquired(a);
    for (uint64_t position = 0; position < highest; position += 1) {
        EXPECT(bit_set_get(&a->acquired, position) == bit_set_get(&b->acquired, position));
        const uint64_t address = position + 1;
        EXPECT(free_set_effects_left(a, address) == free_set_effects_left(b, address));
    }
}

static void expect_same_checkpoint(const struct storage_fixture *a, const struct storage_fixture *b)
{
    EXPECT(bytes_equal(
        &a->superblock.checkpoint, &b->superblock.checkpoint, sizeof a->superblock.checkpoint
    ));
}

TEST(checkpoint, formats_a_file_that_opens_as_it_was)
{
    struct storage_fixture first;
    begin(&first, &plain);
    EXPECT(first.superblock.sequence == 1);
    EXPECT(free_set_count_acquired(&first.grid.free_set) == 3); /* state, schema, acquired */
    EXPECT(free_set_count_released(&first.grid.free_set) == 2);
    EXPECT(first.superblock.checkpoint.block_count == 3);
    EXPECT(first.grid.free_set.effect_pending);

    struct storage_fixture second;
    struct simulated_disk *disk = simulated_disk_clone(first.disk);
    EXPECT(open_again(&second, disk, "zero") == TACTUS_OK);
    expect_same_sets(&first.grid.free_set, &second.grid.free_set);
    EXPECT(second.superblock.schema.size == sizeof schema);
    end(&first);
    end(&second);
}

TEST(checkpoint, gives_the_schema_before_there_is_a_grid)
{
    struct storage_fixture fixture;
    begin(&fixture, &plain);
    uint8_t *scratch = aligned_alloc(4096, 4096);
    const struct trailer_reader reader = {
        .reactor = &fixture.reactor,
        .layout = &fixture.layout,
        .file_id = fixture.superblock.options.file_id,
        .scratch = scratch,
        .fault = &fixture.fault,
    };
    uint8_t found[100];
    struct trailer_target target = {.bytes = found, .size_max = sizeof found};
    EXPECT(trailer_open(&reader, BLOCK_SCHEMA, &fixture.superblock.schema, &target) == TACTUS_OK);
    EXPECT(target.size == sizeof schema);
    EXPECT(bytes_equal(found, schema, sizeof schema));
    free(scratch);
    end(&fixture);
}

/* One round of a history that is the same for whoever runs it. */
static void round_run(struct storage_fixture *fixture, uint64_t round)
{
    struct free_set *set = &fixture->grid.free_set;
    write_blocks(fixture, 5 + round % 4, round * 100);
    const uint64_t highest = free_set_highest_acquired(set);
    for (uint64_t address = 5 + round % 3; address <= highest; address += 4) {
        if (free_set_is_free(set, address) || free_set_is_released(set, address)) continue;
        EXPECT(grid_release(&fixture->grid, address) == TACTUS_OK);
    }
    if (set->effect_pending) checkpoint_effect(&fixture->checkpoint);
    write_blocks(fixture, 3, round * 100 + 50);
    const struct checkpoint_capture capture = capture_of(round, "some state");
    EXPECT(checkpoint_capture(&fixture->checkpoint, &capture) == TACTUS_OK);
    free_set_check(set);
}

static void run_and_reopen(uint32_t keep)
{
    const struct storage_fixture_options options = {.keep = keep};
    struct storage_fixture running;
    begin(&running, &options);
    for (uint64_t round = 1; round < 30; round += 1) {
        struct storage_fixture reopened;
        struct simulated_disk *disk = simulated_disk_clone(running.disk);
        const char *state = round == 1 ? "zero" : "some state";
        EXPECT(open_keeping(&reopened, disk, state, keep) == TACTUS_OK);
        expect_same_sets(&running.grid.free_set, &reopened.grid.free_set);
        round_run(&running, round);
        round_run(&reopened, round);
        expect_same_sets(&running.grid.free_set, &reopened.grid.free_set);
        expect_same_checkpoint(&running, &reopened);
        end(&reopened);
    }
    EXPECT(running.superblock.sequence == 30);
    end(&running);
}

TEST(checkpoint, leaves_who_runs_on_and_who_reopens_with_the_same_sets)
{
    run_and_reopen(1);
    run_and_reopen(2);
    run_and_reopen(3);
    run_and_reopen(FREE_SET_KEEP_MAX);
}

enum { KEPT = 20 }; /* the block that is watched */

static bool kept_is_there(const struct storage_fixture *fixture, const uint8_t *wanted)
{
    uint8_t found[4096];
    const uint64_t byte = layout_block_offset(&fixture->layout, KEPT);
    simulated_disk_peek(fixture->disk, byte, found, sizeof found);
    return bytes_equal(found, wanted, sizeof found);
}

/* However much is written meanwhile, also where the process ends and another goes on. */
static void keep_a_block(uint32_t keep, bool reopens)
{
    const struct storage_fixture_options options = {.keep = keep, .block_count_max = 4096};
    struct storage_fixture fixture;
    begin(&fixture, &options);
    struct free_set *set = &fixture.grid.free_set;
    write_blocks(&fixture, KEPT + 10, 1);
    EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
    uint8_t wanted[4096];
    simulated_disk_peek(
        fixture.disk, layout_block_offset(&fixture.layout, KEPT), wanted, sizeof wanted
    );
    EXPECT(block_header_read(wanted)->address == KEPT);
    checkpoint_effect(&fixture.checkpoint); /* of the checkpoint that made the file */
    EXPECT(grid_release(&fixture.grid, KEPT) == TACTUS_OK);
    for (uint64_t checkpoints = 1; checkpoints <= keep; checkpoints += 1) {
        write_blocks(&fixture, 10, 100 * checkpoints);
        EXPECT(free_set_is_released(set, KEPT));
        const struct checkpoint_capture capture = capture_of(checkpoints, "some state");
        EXPECT(checkpoint_capture(&fixture.checkpoint, &capture) == TACTUS_OK);
        if (reopens) {
            struct simulated_disk *disk = simulated_disk_clone(fixture.disk);
            end(&fixture);
            storage_fixture_begin(&fixture, disk, &options);
            uint64_t size = 0;
            EXPECT(storage_fixture_open(&fixture, state_found, &size) == TACTUS_OK);
        }
        write_blocks(&fixture, 10, 100 * checkpoints + 50);
        EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
        EXPECT(free_set_effects_left(set, KEPT) == keep + 1 - checkpoints);
        EXPECT(kept_is_there(&fixture, wanted)); /* for who opens the file of that long ago */
        checkpoint_effect(&fixture.checkpoint);
    }
    EXPECT(free_set_is_free(set, KEPT));
    EXPECT(kept_is_there(&fixture, wanted));
    write_blocks(&fixture, 10, 7777);
    EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
    EXPECT(!free_set_is_free(set, KEPT) && !free_set_is_released(set, KEPT));
    EXPECT(!kept_is_there(&fixture, wanted));
    end(&fixture);
}

TEST(checkpoint, writes_over_a_released_block_as_many_checkpoints_later_as_the_file_keeps)
{
    for (uint32_t keep = 1; keep <= FREE_SET_KEEP_MAX; keep += 1) {
        keep_a_block(keep, false);
        keep_a_block(keep, true);
    }
}

TEST(checkpoint, frees_its_own_old_blocks)
{
    struct storage_fixture fixture;
    begin(&fixture, &plain);
    for (uint64_t round = 1; round < 200; round += 1) {
        checkpoint_effect(&fixture.checkpoint);
        const struct checkpoint_capture capture = capture_of(round, "state");
        EXPECT(checkpoint_capture(&fixture.checkpoint, &capture) == TACTUS_OK);
    }
    /* The schema, and two generations of at most three trailer blocks. */
    EXPECT(free_set_highest_acquired(&fixture.grid.free_set) <= 10);
    EXPECT(free_set_count_acquired(&fixture.grid.free_set) <= 7);
    end(&fixture);
}

TEST(checkpoint, writes_the_same_bytes_whatever_the_size_max_the_cache_and_the_timing)
{
    const struct storage_fixture_options options[] = {
        {0},
        {.block_count_max = 100000, .cache_frames = 1, .pinned_frames_max = 2},
        {.cache_frames = 500},
    };
    struct storage_fixture fixtures[COUNT_OF(options)];
    for (uint32_t index = 0; index < COUNT_OF(options); index += 1) {
        begin(&fixtures[index], &options[index]);
        simulated_disk_seed(fixtures[index].disk, index * 77);
        for (uint64_t round = 1; round < 10; round += 1)
            round_run(&fixtures[index], round);
        expect_same_checkpoint(&fixtures[0], &fixtures[index]);
    }
    for (uint32_t index = 0; index < COUNT_OF(options); index += 1)
        end(&fixtures[index]);
}

TEST(checkpoint, keeps_sets_of_several_blocks)
{
    /* 31,744 blocks to a block of words: five blocks for each set. */
    const struct storage_fixture_options options = {.block_count_max = 140000};
    struct storage_fixture running;
    begin(&running, &options);
    struct free_set *set = &running.grid.free_set;
    checkpoint_effect(&running.checkpoint);
    struct free_set_reservation reservation;
    EXPECT(free_set_reserve(set, 130000, &reservation));
    for (uint64_t index = 0; index < 130000; index += 1) {
        (void)free_set_acquire(set, &reservation);
    }
    free_set_forfeit(set, &reservation);
    for (uint64_t address = 10; address <= 130000; address += 2) {
        EXPECT(grid_release(&running.grid, address) == TACTUS_OK);
    }
    const struct checkpoint_capture capture = capture_of(1, "wide");
    const uint64_t acquired_before = free_set_count_acquired(set);
    EXPECT(checkpoint_capture(&running.checkpoint, &capture) == TACTUS_OK);
    EXPECT(free_set_count_acquired(set) == acquired_before + 1 + 5 + 5);

    struct storage_fixture reopened;
    storage_fixture_begin(&reopened, running.disk, &options);
    uint64_t size = 0;
    EXPECT(storage_fixture_open(&reopened, state_found, &size) == TACTUS_OK);
    expect_same_sets(set, &reopened.grid.free_set);
    storage_fixture_end(&reopened);
    end(&running);
}

TEST(checkpoint, opens_read_only_without_a_write)
{
    struct storage_fixture fixture;
    begin(&fixture, &plain);
    round_run(&fixture, 1);
    storage_fixture_end(&fixture);
    const uint64_t hash = simulated_disk_hash(fixture.disk);
    const struct storage_fixture_options options = {.read_only = true};
    struct storage_fixture reader;
    storage_fixture_begin(&reader, fixture.disk, &options);
    uint64_t size = 0;
    EXPECT(storage_fixture_open(&reader, state_found, &size) == TACTUS_OK);
    EXPECT(simulated_disk_hash(fixture.disk) == hash);
    end(&reader);
}

TEST(checkpoint, is_poisoned_by_a_failed_write_or_flush_and_the_old_one_opens)
{
    for (uint32_t turn = 0; turn < 4; turn += 1) {
        struct storage_fixture fixture;
        begin(&fixture, &plain);
        checkpoint_effect(&fixture.checkpoint);
        const struct simulated_fault fault = {
            .kind = turn < 3 ? SIMULATED_WRITE_ERROR : SIMULATED_FLUSH_ERROR,
            .skip = turn < 3 ? turn : 0,
        };
        simulated_disk_fault_add(fixture.disk, fault);
        const struct checkpoint_capture capture = capture_of(1, "new");
        EXPECT(checkpoint_capture(&fixture.checkpoint, &capture) == TACTUS_POISONED);
        EXPECT(fixture.grid.status == TACTUS_POISONED);
        EXPECT(fixture.fault.status == TACTUS_POISONED);
        EXPECT(fixture.superblock.sequence == 1);
        struct simulated_disk *disk = fixture.disk;
        storage_fixture_end(&fixture);

        simulated_disk_fault_clear(disk);
        struct storage_fixture reopened;
        if (turn < 2) EXPECT(open_again(&reopened, disk, "zero") == TACTUS_OK);
        /* A superblock that could not be written whole: the old or the new one. */
        if (turn >= 2) {
            uint64_t size = 0;
            storage_fixture_begin(&reopened, disk, &plain);
            EXPECT(storage_fixture_open(&reopened, state_found, &size) == TACTUS_OK);
        }
        end(&reopened);
    }
}

TEST(checkpoint, changes_nothing_where_there_is_no_room)
{
    struct storage_fixture fixture;
    begin(&fixture, &plain);
    checkpoint_effect(&fixture.checkpoint);
    struct free_set *set = &fixture.grid.free_set;
    write_blocks(&fixture, fixture.grid.block_count - 3, 1); /* the file is full now */
    const uint64_t free_count = free_set_count_free(set);
    simulated_disk_fault_add(
        fixture.disk, (struct simulated_fault){.kind = SIMULATED_GROW_ERROR, .is_sticky = true}
    );
    const struct checkpoint_capture capture = capture_of(1, "new");
    EXPECT(checkpoint_capture(&fixture.checkpoint, &capture) == TACTUS_FULL);
    EXPECT(free_set_count_free(set) == free_count);
    EXPECT(!set->effect_pending);
    EXPECT(fixture.grid.status == TACTUS_OK);

    simulated_disk_fault_clear(fixture.disk);
    fault_clear(&fixture.fault);
    EXPECT(checkpoint_capture(&fixture.checkpoint, &capture) == TACTUS_OK);
    end(&fixture);
}

TEST(checkpoint, of_the_largest_state_needs_17_blocks_for_it_and_2_for_the_free_set)
{
    struct storage_fixture fixture;
    begin(&fixture, &plain);
    checkpoint_effect(&fixture.checkpoint);
    write_blocks(&fixture, 100, 1);
    static uint8_t state[CHECKPOINT_STATE_SIZE_MAX];
    struct checkpoint_capture capture = capture_of(1, "");
    capture.state = state;
    capture.state_size = sizeof state;
    const uint64_t before = free_set_count_acquired(&fixture.grid.free_set);
    EXPECT(checkpoint_capture(&fixture.checkpoint, &capture) == TACTUS_OK);
    EXPECT(free_set_count_acquired(&fixture.grid.free_set) - before == 17 + 2);
    end(&fixture);
}

struct seen {
    uint64_t addresses[64];
    uint8_t types[64];
    uint32_t count;
};

static void see(void *context, uint64_t address, enum block_type type)
{
    struct seen *seen = context;
    assert(seen->count < COUNT_OF(seen->addresses));
    seen->addresses[seen->count] = address;
    seen->types[seen->count] = (uint8_t)type;
    seen->count += 1;
}

TEST(checkpoint, shows_every_trailer_block_it_holds)
{
    struct storage_fixture fixture;
    begin(&fixture, &plain);
    round_run(&fixture, 1);
    struct seen seen = {.count = 0};
    EXPECT(storage_fixture_trailers(&fixture, see, &seen) == TACTUS_OK);
    EXPECT(seen.count == 4); /* schema, state, acquired, released */
    EXPECT(seen.types[0] == BLOCK_SCHEMA);
    EXPECT(seen.addresses[0] == fixture.superblock.schema.last.address);
    EXPECT(seen.types[1] == BLOCK_STATE);
    EXPECT(seen.types[2] == BLOCK_FREE_SET);
    EXPECT(seen.types[3] == BLOCK_FREE_SET);
    for (uint32_t index = 1; index < seen.count; index += 1) {
        EXPECT(free_set_is_released(&fixture.grid.free_set, seen.addresses[index]));
    }
    end(&fixture);
}

/* Writes the superblock as someone would who can compute checksums, and opens it. */
static enum tactus_status open_forged(
    struct storage_fixture *fixture, const struct superblock *forged
)
{
    struct simulated_disk *disk = simulated_disk_clone(fixture->disk);
    struct storage_fixture other;
    storage_fixture_begin(&other, disk, &plain);
    struct superblock superblock = *forged;
    EXPECT(superblock_write(&other.reactor, &superblock, &other.fault) == TACTUS_OK);
    storage_fixture_end(&other);
    storage_fixture_begin(&other, disk, &plain);
    uint64_t size = 0;
    const enum tactus_status status = storage_fixture_open(&other, state_found, &size);
    if (status != TACTUS_OK) EXPECT(other.fault.what != NULL);
    storage_fixture_end(&other);
    simulated_disk_free(disk);
    return status;
}

TEST(checkpoint, believes_no_forged_superblock)
{
    struct storage_fixture fixture;
    begin(&fixture, &plain);
    round_run(&fixture, 1);
    const struct superblock right = fixture.superblock;
    EXPECT(open_forged(&fixture, &right) == TACTUS_OK);

    struct superblock forged = right; /* two trailers in the same blocks */
    forged.checkpoint.released = right.checkpoint.acquired;
    EXPECT(open_forged(&fixture, &forged) == TACTUS_CORRUPT);
    forged = right; /* a block that is acquired for something else */
    forged.checkpoint.acquired = right.checkpoint.released;
    EXPECT(open_forged(&fixture, &forged) == TACTUS_CORRUPT);
    forged = right; /* of another type */
    forged.checkpoint.state = right.checkpoint.acquired;
    EXPECT(open_forged(&fixture, &forged) == TACTUS_CORRUPT);
    forged = right; /* everything is free: the schema, too */
    forged.checkpoint.acquired = (struct trailer_reference){0};
    EXPECT(open_forged(&fixture, &forged) == TACTUS_CORRUPT);
    forged = right;
    forged.checkpoint.block_count += 1;
    EXPECT(open_forged(&fixture, &forged) == TACTUS_CORRUPT);
    end(&fixture);
}

/* Puts other words into the acquired set of a file that was just made, all checksums made right. */
static enum tactus_status open_with_words(struct storage_fixture *fixture, uint64_t word)
{
    struct superblock forged = fixture->superblock;
    struct trailer_reference *acquired = &forged.checkpoint.acquired;
    const struct checksum file_id = forged.options.file_id;
    const uint64_t offset = layout_block_offset(&fixture->layout, acquired->last.address);
    _Alignas(4096) uint8_t block[4096];
    simulated_disk_peek(fixture->disk, offset, block, sizeof block);
    store_u64(block + BLOCK_HEADER_SIZE, word);
    acquired->last.checksum = block_seal(block, file_id);
    acquired->checksum = checksum_of(file_id, block + BLOCK_HEADER_SIZE, sizeof word);
    simulated_disk_poke(fixture->disk, offset, block, sizeof block);
    return open_forged(fixture, &forged);
}

TEST(checkpoint, believes_no_forged_free_set)
{
    struct storage_fixture fixture;
    begin(&fixture, &plain);
    const uint64_t state = UINT64_C(1) << (fixture.superblock.checkpoint.state.last.address - 1);
    const uint64_t text = UINT64_C(1) << (fixture.superblock.schema.last.address - 1);
    const uint64_t own = UINT64_C(1) << (fixture.superblock.checkpoint.acquired.last.address - 1);
    EXPECT(open_with_words(&fixture, state | text) == TACTUS_OK);
    EXPECT(open_with_words(&fixture, state) == TACTUS_CORRUPT); /* the schema could be lost */
    EXPECT(open_with_words(&fixture, text) == TACTUS_CORRUPT);
    EXPECT(open_with_words(&fixture, state | text | own) == TACTUS_CORRUPT);
    EXPECT(open_with_words(&fixture, state | text | 64) == TACTUS_CORRUPT); /* past the end */
    EXPECT(open_with_words(&fixture, 0) == TACTUS_CORRUPT);
    EXPECT(open_with_words(&fixture, state | text) == TACTUS_OK);
    end(&fixture);
}

/* ---- In the background ---------------------------------------------------------------------- */

/* A formatted file whose first checkpoint has taken effect, with this many blocks written. */
static void begin_on(struct storage_fixture *fixture, uint64_t seed, uint64_t blocks)
{
    storage_fixture_begin(fixture, storage_fixture_disk(seed, &plain), &plain);
    const struct checkpoint_capture capture = capture_of(0, "zero");
    EXPECT(checkpoint_format(&fixture->checkpoint, &capture, schema, sizeof schema) == TACTUS_OK);
    checkpoint_effect(&fixture->checkpoint);
    if (blocks > 0) write_blocks(fixture, blocks, 1);
}

static void capture_now(struct storage_fixture *fixture)
{
    const struct checkpoint_capture capture = capture_of(1, "new");
    EXPECT(checkpoint_capture_start(&fixture->checkpoint, &capture) == TACTUS_OK);
}

TEST(checkpoint, starts_a_capture_without_a_request)
{
    for (uint64_t seed = 1; seed <= 4; seed += 1) {
        struct storage_fixture fixture;
        begin_on(&fixture, seed, 5);
        EXPECT(grid_writes_finish(&fixture.grid) == TACTUS_OK);
        EXPECT(grid_grow(&fixture.grid, 40) == TACTUS_OK);
        const uint64_t before = simulated_disk_change_count(fixture.disk);
        capture_now(&fixture);
        EXPECT(simulated_disk_change_count(fixture.disk) == before);
        EXPECT(checkpoint_is_under_way(&fixture.checkpoint));
        EXPECT(checkpoint_wait(&fixture.checkpoint) == TACTUS_OK);
        EXPECT(!checkpoint_is_under_way(&fixture.checkpoint));
        EXPECT(checkpoint_wait(&fixture.checkpoint) == TACTUS_OK); /* nothing to wait for */
        EXPECT(fixture.checkpoint.statistics.count == 2);
        end(&fixture);
    }
}

TEST(checkpoint, comes_to_its_end_by_polls_alone)
{
    for (uint64_t seed = 1; seed <= 4; seed += 1) {
        struct storage_fixture fixture;
        begin_on(&fixture, seed, 5);
        capture_now(&fixture);
        const uint64_t waited = fixture.checkpoint.statistics.waited;
        uint32_t polls = 1;
        while (checkpoint_advance(&fixture.checkpoint) == PROGRESS_WAIT)
            polls += 1;
        EXPECT(polls > 9); /* one request of the superblock in each */
        EXPECT(fixture.superblock.checkpoint.op_captured == 1);
        const struct checkpoint_statistics *statistics = &fixture.checkpoint.statistics;
        EXPECT(statistics->waited == waited);
        EXPECT(statistics->ns_last > 0 && statistics->ns_last <= statistics->ns_max);
        EXPECT(statistics->blocks_last == 3);
        EXPECT(statistics->bytes_last == 3 + 8 + 8); /* state, acquired, released */
        end(&fixture);
    }
}

TEST(checkpoint, is_not_held_up_by_writes_that_came_after_it)
{
    struct storage_fixture fixture;
    begin_on(&fixture, 3, 0); /* requests finish in their order */
    EXPECT(grid_grow(&fixture.grid, 400) == TACTUS_OK);
    capture_now(&fixture);
    uint64_t seed = 100;
    uint32_t polls = 1;
    while (checkpoint_advance(&fixture.checkpoint) == PROGRESS_WAIT) {
        EXPECT(polls < 200);
        write_blocks(&fixture, 1, seed); /* so that some are in flight at all times */
        EXPECT(fixture.grid.writes_in_flight > 0);
        seed += 1;
        polls += 1;
    }
    EXPECT(fixture.grid.writes_in_flight > 0);
    end(&fixture);
}

TEST(checkpoint, waits_for_the_writes_before_it)
{
    struct storage_fixture fixture;
    begin_on(&fixture, 1, 0);
    const struct simulated_fault slow = {
        .kind = SIMULATED_DELAY,
        .from = fixture.layout.grid_offset,
        .to = UINT64_C(1) << 40,
        .delay_ns = UINT64_C(1) << 40,
    };
    simulated_disk_fault_add(fixture.disk, slow);
    write_blocks(&fixture, 1, 1); /* this one takes long */
    capture_now(&fixture);
    for (uint32_t poll = 0; poll < 200; poll += 1) {
        EXPECT(checkpoint_advance(&fixture.checkpoint) == PROGRESS_WAIT);
    }
    EXPECT(fixture.checkpoint.stage == CHECKPOINT_GRID);
    EXPECT(fixture.grid.writes_in_flight == 1);
    EXPECT(checkpoint_wait(&fixture.checkpoint) == TACTUS_OK);
    EXPECT(fixture.grid.writes_in_flight == 0);
    end(&fixture);
}

TEST(checkpoint, waits_for_the_writes_of_a_view_before_it_but_not_for_those_after)
{
    const struct storage_fixture_options options = {
        .view = {.pinned_frames_max = 4, .reads_max = 2, .writes_max = 8}};
    struct storage_fixture fixture;
    storage_fixture_begin(&fixture, storage_fixture_disk(1, &options), &options);
    const struct checkpoint_capture first = capture_of(0, "zero");
    EXPECT(checkpoint_format(&fixture.checkpoint, &first, schema, sizeof schema) == TACTUS_OK);
    checkpoint_effect(&fixture.checkpoint);
    EXPECT(grid_grow(&fixture.grid, 100) == TACTUS_OK);
    const struct simulated_fault slow = {
        .kind = SIMULATED_DELAY,
        .from = layout_block_offset(&fixture.layout, 60),
        .to = UINT64_C(1) << 40,
        .is_sticky = true,
        .delay_ns = UINT64_C(1) << 40,
    };
    simulated_disk_fault_add(fixture.disk, slow);
    for (uint64_t address = 60; address <= 61; address += 1) {
        struct block_frame *frame = grid_frame_take(&fixture.view);
        struct block_header *header = block_header_of(frame->data);
        header->type = BLOCK_VALUE;
        header->size = BLOCK_HEADER_SIZE;
        (void)grid_write_start(&fixture.view, frame, address);
        grid_unref(&fixture.view, frame);
        if (address == 60) capture_now(&fixture); /* between the two */
    }
    for (uint32_t poll = 0; poll < 100; poll += 1) {
        EXPECT(checkpoint_advance(&fixture.checkpoint) == PROGRESS_WAIT);
        grid_poll(&fixture.view);
    }
    EXPECT(fixture.checkpoint.stage == CHECKPOINT_GRID);
    EXPECT(checkpoint_wait(&fixture.checkpoint) == TACTUS_OK);
    EXPECT(fixture.view.writes_in_flight == 1);
    end(&fixture);
}

TEST(checkpoint, writes_its_trailers_as_the_grid_has_slots_for_them)
{
    /* Eleven blocks for each set of 340,000: with the writes before them more than slots. */
    const struct storage_fixture_options options = {.block_count_max = 350000};
    struct storage_fixture fixture;
    storage_fixture_begin(&fixture, storage_fixture_disk(1, &options), &options);
    const struct checkpoint_capture first = capture_of(0, "zero");
    EXPECT(checkpoint_format(&fixture.checkpoint, &first, schema, sizeof schema) == TACTUS_OK);
    checkpoint_effect(&fixture.checkpoint);
    struct free_set *set = &fixture.grid.free_set;
    struct free_set_reservation reservation;
    EXPECT(free_set_reserve(set, 340000, &reservation));
    for (uint64_t index = 0; index < 340000; index += 1)
        (void)free_set_acquire(set, &reservation);
    free_set_forfeit(set, &reservation);
    for (uint64_t address = 10; address <= 340000; address += 2)
        EXPECT(grid_release(&fixture.grid, address) == TACTUS_OK);
    write_blocks(&fixture, GRID_WRITES_MAX, 1);
    EXPECT(!grid_can_write(&fixture.grid));
    capture_now(&fixture);
    bool was_between = false;
    while (checkpoint_advance(&fixture.checkpoint) == PROGRESS_WAIT) {
        const struct trailer_writer *trailers = fixture.checkpoint.trailers;
        was_between =
            was_between || (trailers[1].offset > 0 && !trailer_write_is_over(&trailers[1]));
    }
    EXPECT(was_between);
    EXPECT(fixture.checkpoint.statistics.blocks_last == 1 + 11 + 11);

    struct storage_fixture reopened;
    storage_fixture_begin(&reopened, fixture.disk, &options);
    uint64_t size = 0;
    EXPECT(storage_fixture_open(&reopened, state_found, &size) == TACTUS_OK);
    expect_same_sets(set, &reopened.grid.free_set);
    storage_fixture_end(&reopened);
    end(&fixture);
}

TEST(checkpoint, keeps_its_own_copy_of_the_state)
{
    struct storage_fixture fixture;
    begin_on(&fixture, 1, 2);
    char text[] = "state as it was";
    const struct checkpoint_capture capture = capture_of(1, text);
    EXPECT(checkpoint_capture_start(&fixture.checkpoint, &capture) == TACTUS_OK);
    bytes_zero(text, sizeof text);
    EXPECT(checkpoint_wait(&fixture.checkpoint) == TACTUS_OK);
    storage_fixture_end(&fixture);
    struct storage_fixture reopened;
    EXPECT(open_again(&reopened, fixture.disk, "state as it was") == TACTUS_OK);
    end(&reopened);
}

TEST(checkpoint, is_given_up_by_a_close_at_any_step)
{
    for (uint32_t steps = 0; steps < 30; steps += 1) {
        struct storage_fixture fixture;
        begin_on(&fixture, 1 + steps % 4, 3);
        capture_now(&fixture);
        for (uint32_t step = 0; step < steps; step += 1) {
            if (!checkpoint_is_under_way(&fixture.checkpoint)) break;
            EXPECT(checkpoint_advance(&fixture.checkpoint) != PROGRESS_FAILED);
        }
        checkpoint_close(&fixture.checkpoint);
        struct simulated_disk *disk = fixture.disk;
        storage_fixture_end(&fixture);
        uint64_t size = 0;
        storage_fixture_begin(&fixture, disk, &plain);
        EXPECT(storage_fixture_open(&fixture, state_found, &size) == TACTUS_OK);
        EXPECT(size == 4 || size == 3); /* "zero" or "new" */
        end(&fixture);
    }
}

TEST(checkpoint, fails_for_good_when_a_later_block_cannot_be_written)
{
    struct storage_fixture fixture;
    begin_on(&fixture, 1, 0);
    capture_now(&fixture);
    EXPECT(checkpoint_advance(&fixture.checkpoint) == PROGRESS_WAIT);
    simulated_disk_fault_add(fixture.disk, (struct simulated_fault){.kind = SIMULATED_WRITE_ERROR});
    write_blocks(&fixture, 1, 1);
    EXPECT(checkpoint_wait(&fixture.checkpoint) == TACTUS_POISONED);
    EXPECT(checkpoint_advance(&fixture.checkpoint) == PROGRESS_FAILED);
    EXPECT(checkpoint_failure(&fixture.checkpoint) == TACTUS_POISONED);
    EXPECT(checkpoint_wait(&fixture.checkpoint) == TACTUS_POISONED);
    end(&fixture);
}

TEST_MAIN()
