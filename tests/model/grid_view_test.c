/* Two threads over one cache: the owner of a grid in one, a view of it in another. Both read,
 * write, and give addresses back to be written anew, at random; the oracle is a list, under a lock,
 * of what lies where. Every block that is read is compared with it.
 *
 * Blocks are readable for the other thread as soon as their write has begun, so that writes in
 * flight are met all the time; the cache is smaller than what is written, so that blocks are
 * evicted and read back all the time. An address is written anew only when its write is done and
 * nobody reads it, as the free set has it. The owner grows the file while the view works.
 *
 * What the threads do depends on their timing, so a seed names a mixture, not a history. Run under
 * ThreadSanitizer by the gate. Works in the current directory, in a file that begins with
 * "grid_view_test". */
#include "storage/grid.h"

#include "base/assert.h"
#include "base/integer.h"
#include "base/random.h"
#include "base/worker.h"
#include "support/storage_fixture.h"
#include "support/test.h"

#include <unistd.h>

#include "base/poison.h"

enum {
    ENTRIES_FIRST = 100,
    ENTRIES_MAX = 1000,
    READS_HELD = 6, /* of one thread, started and not yet compared */
    ROUNDS = 40,
    STEPS = 100, /* of each thread in a round */
    BODY_MAX = 3900,
};
#define PATH "grid_view_test.tactus"

enum entry_state { ENTRY_FREE = 0, ENTRY_TAKEN, ENTRY_WRITTEN };

/* One address: index + 1. */
struct entry {
    enum entry_state state;
    struct block_reference reference;
    uint64_t seed;
    uint32_t size;
    uint32_t readers;
    uint32_t writer; /* the actor that wrote it: only that one frees it, after its write is done */
};

struct oracle {
    struct lock lock;
    struct entry entries[ENTRIES_MAX];
    uint32_t count;
};

/* One thread's part. */
struct actor {
    uint32_t number;
    struct grid *grid;
    struct oracle *oracle;
    struct random random;
    uint64_t writes; /* so many; also what its next seed follows from */
    uint64_t reads;
    struct grid_read held[READS_HELD];
    struct entry *held_entries[READS_HELD]; /* NULL: the read is not used */
};

/* An entry of this state from a random place on, or NULL. Under the lock. */
static struct entry *pick(struct actor *actor, enum entry_state state)
{
    struct oracle *oracle = actor->oracle;
    const uint32_t from = (uint32_t)random_below(&actor->random, oracle->count);
    for (uint32_t turn = 0; turn < oracle->count; turn += 1) {
        struct entry *entry = &oracle->entries[(from + turn) % oracle->count];
        if (entry->state == state) return entry;
    }
    return NULL;
}

static void write_one(struct actor *actor)
{
    struct oracle *oracle = actor->oracle;
    lock_acquire(&oracle->lock);
    struct entry *entry = pick(actor, ENTRY_FREE);
    if (entry != NULL) entry->state = ENTRY_TAKEN;
    lock_release(&oracle->lock);
    if (entry == NULL) return;

    const uint64_t address = (uint64_t)(entry - oracle->entries) + 1;
    actor->writes += 1;
    entry->seed = 2 * actor->writes + actor->number;
    entry->size = (uint32_t)random_below(&actor->random, BODY_MAX) + 1;
    entry->writer = actor->number;
    entry->reference =
        storage_fixture_write_through(actor->grid, address, entry->seed, entry->size);
    lock_acquire(&oracle->lock);
    entry->state = ENTRY_WRITTEN; /* and very likely still in flight */
    lock_release(&oracle->lock);
}

/* Ends a read, if one is held there, and compares. */
static void end_read(struct actor *actor, uint32_t index)
{
    struct entry *entry = actor->held_entries[index];
    if (entry == NULL) return;
    struct grid_read *read = &actor->held[index];
    const enum tactus_status status = grid_read_finish(actor->grid, read);
    assert(status == TACTUS_OK);
    assert(storage_fixture_body_is(read->frame->data, entry->seed, entry->size));
    grid_read_cancel(actor->grid, read);
    actor->held_entries[index] = NULL;
    actor->reads += 1;
    lock_acquire(&actor->oracle->lock);
    entry->readers -= 1;
    lock_release(&actor->oracle->lock);
}

static void begin_read(struct actor *actor, uint32_t index)
{
    end_read(actor, index);
    lock_acquire(&actor->oracle->lock);
    struct entry *entry = pick(actor, ENTRY_WRITTEN);
    if (entry != NULL) entry->readers += 1;
    lock_release(&actor->oracle->lock);
    if (entry == NULL) return;
    actor->held_entries[index] = entry;
    grid_read_start(actor->grid, &actor->held[index], entry->reference, BLOCK_VALUE, 7);
}

/* Frees about a third of what it has written itself. */
static void free_some(struct actor *actor)
{
    const enum tactus_status status = grid_writes_finish(actor->grid);
    assert(status == TACTUS_OK);
    struct oracle *oracle = actor->oracle;
    lock_acquire(&oracle->lock);
    for (uint32_t index = 0; index < oracle->count; index += 1) {
        struct entry *entry = &oracle->entries[index];
        if (entry->state != ENTRY_WRITTEN || entry->writer != actor->number) continue;
        if (entry->readers > 0 || random_below(&actor->random, 3) != 0) continue;
        entry->state = ENTRY_FREE;
        block_cache_demote(&actor->grid->owner->cache, (uint64_t)index + 1);
    }
    lock_release(&oracle->lock);
}

static void step(struct actor *actor)
{
    const uint64_t roll = random_below(&actor->random, 100);
    const uint32_t index = (uint32_t)random_below(&actor->random, READS_HELD);
    if (roll < 30) {
        write_one(actor);
    } else if (roll < 70) {
        begin_read(actor, index);
    } else if (roll < 95) {
        end_read(actor, index);
    } else if (roll < 98) {
        grid_poll(actor->grid);
    } else {
        free_some(actor);
    }
}

static void run_steps(void *context)
{
    struct actor *actor = context;
    for (uint32_t count = 0; count < STEPS; count += 1)
        step(actor);
}

static void actor_init(
    struct actor *actor, uint32_t number, struct grid *grid, struct oracle *oracle, uint64_t seed
)
{
    *actor = (struct actor){.number = number, .grid = grid, .oracle = oracle};
    random_init(&actor->random, 2 * seed + number);
}

static void actor_end(struct actor *actor)
{
    for (uint32_t index = 0; index < READS_HELD; index += 1)
        end_read(actor, index);
    EXPECT(grid_writes_finish(actor->grid) == TACTUS_OK);
}

/* The owner makes room for a few more blocks, while the view works below. */
static void grow(struct storage_fixture *fixture, struct oracle *oracle)
{
    const uint32_t count = min_u32(oracle->count + oracle->count / 4, ENTRIES_MAX);
    EXPECT(grid_grow(&fixture->grid, count) == TACTUS_OK);
    struct free_set *set = &fixture->grid.free_set;
    struct free_set_reservation reservation;
    EXPECT(free_set_reserve(set, count - oracle->count, &reservation));
    for (uint32_t index = oracle->count; index < count; index += 1) {
        (void)free_set_acquire(set, &reservation);
    }
    free_set_forfeit(set, &reservation);
    lock_acquire(&oracle->lock);
    oracle->count = count;
    lock_release(&oracle->lock);
}

/* All that was ever written and not freed, from the disk, in the thread that owns the grid. */
static void compare_all(struct storage_fixture *fixture, const struct oracle *oracle)
{
    storage_fixture_empty_cache(&fixture->grid);
    EXPECT(fixture->grid.cache.pinned_count == 0);
    for (uint32_t index = 0; index < oracle->count; index += 1) {
        const struct entry *entry = &oracle->entries[index];
        EXPECT(entry->readers == 0 && entry->state != ENTRY_TAKEN);
        if (entry->state != ENTRY_WRITTEN) continue;
        EXPECT(storage_fixture_read(fixture, entry->reference, entry->seed, entry->size));
    }
}

static void run(const char *path, enum io_path io, uint64_t seed)
{
    const struct storage_fixture_options options = {
        .cache_frames = 4,
        .pinned_frames_max = READS_HELD + 2,
        .view =
            {
                .pinned_frames_max = READS_HELD + 2,
                .reads_max = 1 + (uint32_t)(seed % 8),
                .writes_max = 1 + (uint32_t)(seed % 5),
            },
    };
    static struct storage_fixture fixture;
    storage_fixture_begin_file(&fixture, path, io, &options);
    storage_fixture_grid(&fixture, ENTRIES_FIRST);
    static struct oracle oracle;
    oracle = (struct oracle){.count = ENTRIES_FIRST};
    lock_init(&oracle.lock);
    static struct actor actors[2];
    actor_init(&actors[0], 0, &fixture.grid, &oracle, seed);
    actor_init(&actors[1], 1, &fixture.view, &oracle, seed);

    struct worker worker;
    EXPECT(worker_open(&worker, run_steps, &actors[1], NULL) == TACTUS_OK);
    for (uint32_t round = 0; round < ROUNDS; round += 1) {
        worker_start(&worker);
        if (round % 4 == 3) grow(&fixture, &oracle);
        run_steps(&actors[0]);
        worker_join(&worker);
        block_cache_check(&fixture.grid.cache);
    }
    /* What the worker left in flight is ended from here, while its thread is still there. */
    actor_end(&actors[1]);
    actor_end(&actors[0]);
    EXPECT(fixture.view.statistics.blocks_written == actors[1].writes);
    grid_statistics_move(&fixture.view);
    EXPECT(fixture.grid.statistics.blocks_written == actors[0].writes + actors[1].writes);
    EXPECT(actors[0].writes > 100 && actors[1].writes > 100);
    EXPECT(actors[0].reads > 100 && actors[1].reads > 100);
    EXPECT(fixture.grid.statistics.blocks_read > 100 && fixture.grid.statistics.reads_cached > 100);
    compare_all(&fixture, &oracle);
    grid_close(&fixture.view);
    worker_close(&worker);
    storage_fixture_end(&fixture);
    lock_deinit(&oracle.lock);
    (void)unlink(PATH);
}

static void run_seeds(const char *path, enum io_path io)
{
    const struct test_seeds seeds = test_seeds(5);
    for (uint64_t index = 0; index < seeds.count; index += 1) {
        test_seed_begin(seeds.first + index);
        run(path, io, seeds.first + index);
    }
}

TEST(grid_view, two_threads_agree_in_memory)
{
    run_seeds(":memory:", IO_PATH_AUTO);
}

TEST(grid_view, two_threads_agree_over_posix)
{
    run_seeds(PATH, IO_PATH_POSIX);
}

TEST(grid_view, two_threads_agree_over_what_the_system_has)
{
    run_seeds(PATH, IO_PATH_AUTO);
}

static void poison_and_go_on(void *context)
{
    struct actor *actor = context;
    write_one(actor);
    const struct fault fault = {.status = TACTUS_IO, .what = "a test says so", .address = 77};
    assert(grid_poison(actor->grid, fault) == TACTUS_POISONED);
    write_one(actor);
}

TEST(grid_view, one_threads_failure_stops_the_other)
{
    for (uint32_t round = 0; round < 20; round += 1) {
        const struct storage_fixture_options options = {
            .view = {.pinned_frames_max = 2, .reads_max = 2, .writes_max = 2}};
        static struct storage_fixture fixture;
        storage_fixture_begin_file(&fixture, ":memory:", IO_PATH_AUTO, &options);
        storage_fixture_grid(&fixture, 4);
        static struct oracle oracle;
        oracle = (struct oracle){.count = 4};
        lock_init(&oracle.lock);
        struct actor actor;
        actor_init(&actor, 1, &fixture.view, &oracle, round);
        struct worker worker;
        EXPECT(worker_open(&worker, poison_and_go_on, &actor, NULL) == TACTUS_OK);
        worker_start(&worker);
        while (grid_status(&fixture.grid) == TACTUS_OK) { /* ends: the worker poisons it */
        }
        EXPECT(fixture.fault.status == TACTUS_POISONED && fixture.fault.address == 77);
        const struct fault later = {.status = TACTUS_IO, .what = "and so does it", .address = 78};
        EXPECT(grid_poison(&fixture.grid, later) == TACTUS_POISONED);
        worker_close(&worker);
        EXPECT(fixture.grid.poison.address == 77); /* the first is the cause */
        EXPECT(fixture.view.statistics.blocks_written + fixture.view.writes_in_flight == 1);
        storage_fixture_end(&fixture);
        lock_deinit(&oracle.lock);
    }
}

TEST_MAIN()
