/* Grid, trailers, checkpoint and superblock over a disk that crashes at every change.
 *
 * A small history runs: each round writes blocks and releases others while the last checkpoint is
 * still being written, waits for it and lets it take effect, writes more and captures the next,
 * whose state names every live block and the seed its body follows from. What a round does follows
 * from its number and that state alone, as it does from the journal in the engine.
 *
 * The history is cut at each of its writes, flushes and growths, and the disk resolves what was
 * pending in many ways. After each: the file opens with the last checkpoint that was acknowledged
 * or with the one that was under way; every block that its state names reads back; the free set
 * has exactly those blocks, the schema's and the trailers'. Then, for some, the rest of the history
 * runs, and its end must be the same checkpoint, to the byte, as that of a run without a crash:
 * determinism across crash and recovery. */
#include "storage/checkpoint.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/random.h"
#include "support/storage_fixture.h"
#include "support/test.h"

#include <stdlib.h>

#include "base/poison.h"

enum {
    ROUNDS = 5,
    LIVE_MAX = 256,
    ENTRY_SIZE = 48,
    STATE_HEADER = 16,
    BODY_MAX = 3000,
    OUTCOMES_TRIED = 10, /* for each crash point, in a quick run */
};

static const struct storage_fixture_options options = {.block_count_max = 4096};
static const char schema[] = "the schema";

/* What the floors above would hold. */
struct live {
    struct block_reference reference;
    uint32_t seed;
    uint32_t size;
};

struct forest {
    uint64_t round;
    uint64_t count;
    struct live live[LIVE_MAX];
};

static uint64_t forest_encode(const struct forest *forest, uint8_t *state)
{
    store_u64(state, forest->round);
    store_u64(state + 8, forest->count);
    for (uint64_t index = 0; index < forest->count; index += 1) {
        uint8_t *entry = state + STATE_HEADER + index * ENTRY_SIZE;
        bytes_zero(entry, ENTRY_SIZE);
        bytes_copy(entry, &forest->live[index].reference, sizeof(struct block_reference));
        store_u32(entry + 32, forest->live[index].seed);
        store_u32(entry + 36, forest->live[index].size);
    }
    return STATE_HEADER + forest->count * ENTRY_SIZE;
}

static void forest_decode(struct forest *forest, const uint8_t *state, uint64_t size)
{
    forest->round = load_u64(state);
    forest->count = load_u64(state + 8);
    EXPECT(size == STATE_HEADER + forest->count * ENTRY_SIZE);
    for (uint64_t index = 0; index < forest->count; index += 1) {
        const uint8_t *entry = state + STATE_HEADER + index * ENTRY_SIZE;
        bytes_copy(&forest->live[index].reference, entry, sizeof(struct block_reference));
        forest->live[index].seed = load_u32(entry + 32);
        forest->live[index].size = load_u32(entry + 36);
    }
}

static enum tactus_status write_blocks(
    struct storage_fixture *fixture, struct forest *forest, struct random *random
)
{
    struct grid *grid = &fixture->grid;
    const uint64_t count = random_range(random, 1, 6);
    const uint64_t highest = free_set_nth_free(&grid->free_set, count);
    assert(highest > 0);
    TRY(grid_grow(grid, highest));
    struct free_set_reservation reservation;
    const bool is_reserved = free_set_reserve(&grid->free_set, count + 1, &reservation);
    assert(is_reserved); /* one more than is used */
    for (uint64_t index = 0; index < count; index += 1) {
        assert(forest->count < LIVE_MAX);
        struct live *live = &forest->live[forest->count];
        live->seed = (uint32_t)random_u64(random);
        live->size = (uint32_t)random_range(random, 1, BODY_MAX);
        live->reference = storage_fixture_write(
            fixture, free_set_acquire(&grid->free_set, &reservation), live->seed, live->size
        );
        forest->count += 1;
    }
    free_set_forfeit(&grid->free_set, &reservation);
    return TACTUS_OK;
}

static enum tactus_status release_blocks(
    struct storage_fixture *fixture, struct forest *forest, struct random *random
)
{
    uint64_t index = 0;
    while (index < forest->count) { /* ends: either grows or shrinks by one */
        if (!random_chance(random, 1, 3)) {
            index += 1;
            continue;
        }
        TRY(grid_release(&fixture->grid, forest->live[index].reference.address));
        forest->live[index] = forest->live[forest->count - 1];
        forest->count -= 1;
    }
    return TACTUS_OK;
}

/* Some steps of the checkpoint that is under way, as commits would make them. How many decides
 * nothing: it comes from elsewhere than what the round does. */
static enum tactus_status advance_some(struct storage_fixture *fixture, uint64_t steps)
{
    for (uint64_t step = 0; step < steps; step += 1) {
        if (!checkpoint_is_under_way(&fixture->checkpoint)) return TACTUS_OK;
        const enum progress progress = checkpoint_advance(&fixture->checkpoint);
        if (progress == PROGRESS_FAILED) return checkpoint_failure(&fixture->checkpoint);
    }
    return TACTUS_OK;
}

static uint64_t under_way_count; /* rounds that wrote blocks while a checkpoint was written */

static enum tactus_status round_run(
    struct storage_fixture *fixture, struct forest *forest, uint64_t *acknowledged
)
{
    static uint8_t state[CHECKPOINT_STATE_SIZE_MAX];
    struct checkpoint *checkpoint = &fixture->checkpoint;
    const bool was_under_way = checkpoint_is_under_way(checkpoint);
    forest->round += 1;
    struct random random;
    random_init(&random, 1000 + forest->round);
    TRY(write_blocks(fixture, forest, &random));
    TRY(advance_some(fixture, forest->round % 4));
    TRY(write_blocks(fixture, forest, &random));
    under_way_count += checkpoint_is_under_way(checkpoint);
    TRY(advance_some(fixture, simulated_disk_change_count(fixture->disk) % 6));
    TRY(release_blocks(fixture, forest, &random));
    assert(fixture->grid.free_set.effect_pending);
    TRY(checkpoint_wait(checkpoint));
    *acknowledged += was_under_way;
    checkpoint_effect(checkpoint);
    TRY(write_blocks(fixture, forest, &random));
    TRY(release_blocks(fixture, forest, &random));
    TRY(write_blocks(fixture, forest, &random));
    const struct checkpoint_capture capture = {
        .op_covered = forest->round,
        .op_captured = forest->round,
        .beat_capture = forest->round,
        .state = state,
        .state_size = forest_encode(forest, state),
    };
    return checkpoint_capture_start(checkpoint, &capture);
}

/* Runs what is left of the history. *acknowledged counts checkpoints, the format's included. */
static enum tactus_status history_run(
    struct storage_fixture *fixture, struct forest *forest, uint64_t *acknowledged
)
{
    if (*acknowledged == 0) {
        static uint8_t state[STATE_HEADER];
        const struct checkpoint_capture capture = {
            .state = state, .state_size = forest_encode(forest, state)};
        TRY(checkpoint_format(&fixture->checkpoint, &capture, schema, sizeof schema));
        *acknowledged += 1;
    }
    while (forest->round < ROUNDS) {
        TRY(round_run(fixture, forest, acknowledged));
    }
    TRY(checkpoint_wait(&fixture->checkpoint));
    *acknowledged = fixture->superblock.sequence;
    return TACTUS_OK;
}

static void seen(void *context, uint64_t address, enum block_type type)
{
    maybe(type == BLOCK_SCHEMA);
    bool *is_seen = context;
    EXPECT(!is_seen[address]);
    is_seen[address] = true;
}

/* The free set has what is reachable and what is released, nothing else. */
static void check_reachable(struct storage_fixture *fixture, const struct forest *forest)
{
    const struct free_set *set = &fixture->grid.free_set;
    free_set_check(set);
    bool is_seen[8192] = {false};
    EXPECT(storage_fixture_trailers(fixture, seen, is_seen) == TACTUS_OK);
    for (uint64_t index = 0; index < forest->count; index += 1) {
        const uint64_t address = forest->live[index].reference.address;
        EXPECT(!is_seen[address]);
        EXPECT(!free_set_is_released(set, address));
        is_seen[address] = true;
    }
    for (uint64_t address = 1; address <= options.block_count_max; address += 1) {
        if (is_seen[address]) EXPECT(!free_set_is_free(set, address));
        if (!free_set_is_free(set, address) && !is_seen[address]) {
            EXPECT(free_set_is_released(set, address));
        }
    }
}

static void check_blocks(struct storage_fixture *fixture, const struct forest *forest)
{
    for (uint64_t index = 0; index < forest->count; index += 1) {
        const struct live *live = &forest->live[index];
        EXPECT(storage_fixture_read(fixture, live->reference, live->seed, live->size));
    }
}

/* The end of a run without a crash. */
struct ending {
    struct checkpoint_state checkpoint;
    struct forest forest;
    uint64_t change_count;
};

/* One outcome of one crash: opens, looks at everything, and maybe runs to the end. */
static void recover(
    struct simulated_disk *disk, const struct ending *ending, uint64_t acknowledged, bool run_on
)
{
    static uint8_t state[CHECKPOINT_STATE_SIZE_MAX];
    static struct forest forest;
    forest = (struct forest){0};
    struct storage_fixture fixture;
    storage_fixture_begin(&fixture, disk, &options);
    uint64_t size = 0;
    const enum tactus_status status = storage_fixture_open(&fixture, state, &size);
    if (acknowledged == 0 && status == TACTUS_CORRUPT) { /* the file never came to be */
        storage_fixture_end(&fixture);
        return;
    }
    EXPECT(status == TACTUS_OK);
    const uint64_t sequence = fixture.superblock.sequence;
    EXPECT(sequence == acknowledged || sequence == acknowledged + 1);
    forest_decode(&forest, state, size);
    EXPECT(forest.round + 1 == sequence); /* state and superblock belong together */
    check_reachable(&fixture, &forest);
    check_blocks(&fixture, &forest);

    if (run_on) {
        acknowledged = sequence;
        EXPECT(history_run(&fixture, &forest, &acknowledged) == TACTUS_OK);
        EXPECT(bytes_equal(
            &fixture.superblock.checkpoint, &ending->checkpoint, sizeof ending->checkpoint
        ));
        EXPECT(forest.count == ending->forest.count);
        check_blocks(&fixture, &forest);
    }
    storage_fixture_end(&fixture);
}

/* Runs until the n-th change, then tries some outcomes of the crash; returns how many. */
static uint64_t crash_at(
    const struct simulated_disk *start, const struct ending *ending, uint64_t nth, uint64_t seed
)
{
    static struct forest forest;
    forest = (struct forest){0};
    struct simulated_disk *disk = simulated_disk_clone(start);
    simulated_disk_seed(disk, seed);
    simulated_disk_crash_at(disk, nth);
    struct storage_fixture fixture;
    storage_fixture_begin(&fixture, disk, &options);
    uint64_t acknowledged = 0;
    const enum tactus_status status = history_run(&fixture, &forest, &acknowledged);
    EXPECT(status != TACTUS_OK);
    EXPECT(simulated_disk_is_dead(disk));
    storage_fixture_end(&fixture);

    const uint32_t outcomes = simulated_disk_outcome_count(disk);
    const uint32_t step = outcomes / OUTCOMES_TRIED + 1;
    uint64_t tried = 0;
    for (uint32_t index = (uint32_t)((seed + nth) % step); index < outcomes; index += step) {
        struct simulated_disk *after = simulated_disk_clone(disk);
        simulated_disk_crash(after, simulated_disk_outcome(after, index));
        recover(after, ending, acknowledged, tried % 4 == 0);
        simulated_disk_free(after);
        tried += 1;
    }
    simulated_disk_free(disk);
    return tried;
}

static void run(uint64_t seed)
{
    static struct ending ending;
    ending = (struct ending){0};
    struct simulated_disk *start = storage_fixture_disk(seed, &options);
    struct simulated_disk *disk = simulated_disk_clone(start);
    struct storage_fixture fixture;
    storage_fixture_begin(&fixture, disk, &options);
    const uint64_t before = simulated_disk_change_count(disk);
    uint64_t acknowledged = 0;
    EXPECT(history_run(&fixture, &ending.forest, &acknowledged) == TACTUS_OK);
    EXPECT(acknowledged == ROUNDS + 1);
    ending.change_count = simulated_disk_change_count(disk) - before;
    ending.checkpoint = fixture.superblock.checkpoint;
    check_blocks(&fixture, &ending.forest);
    storage_fixture_end(&fixture);
    simulated_disk_free(disk);

    uint64_t tried = 0;
    for (uint64_t nth = 1; nth <= ending.change_count; nth += 1) {
        tried += crash_at(start, &ending, nth, seed);
    }
    EXPECT(tried >= ending.change_count);
    simulated_disk_free(start);
}

TEST(checkpoint_crash, opens_with_the_old_or_the_new_checkpoint_whole)
{
    const struct test_seeds seeds = test_seeds(4);
    for (uint64_t index = 0; index < seeds.count; index += 1) {
        test_seed_begin(seeds.first + index);
        run(seeds.first + index);
    }
    EXPECT(under_way_count > 0);
}

TEST_MAIN()
