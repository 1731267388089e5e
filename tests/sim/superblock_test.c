/* The superblock under power cuts: goal, that after a crash at any I/O, with any outcome of what
 * was pending, the file opens with the superblock that was last acknowledged, or with the one that
 * was being written, whole: never with anything else.
 *
 * Method: a seed makes a history of writes, opens and rot. The disk is cloned before each step; the
 * step is run once to count its changes, and then once for each of them as crash point. Every
 * outcome of the crash is opened, compared, healed, written to and opened again; for some, the
 * healing is itself interrupted at every change (a crash during recovery), and one more copy may
 * rot before. */
#include "storage/superblock.h"

#include "base/bytes.h"
#include "base/integer.h"
#include "base/random.h"
#include "io/file.h"
#include "storage/superblock_disk.h"
#include "support/simulated_disk.h"
#include "support/test.h"

#include <stdio.h>

#include "base/poison.h"

enum { FILE_SIZE = 1 << 20, STEPS = 6, BLOCK_COUNT = 100 };

static uint64_t crash_points;
static uint64_t crash_outcomes;

/* What may be found: the last acknowledged, and the one in the making. */
struct expected {
    struct superblock old;
    struct superblock new;
};

static struct block_reference reference_random(struct random *random)
{
    return (struct block_reference){
        .address = random_range(random, 1, BLOCK_COUNT),
        .checksum = {random_u64(random), random_u64(random)},
    };
}

static struct trailer_reference trailer_random(struct random *random)
{
    return (struct trailer_reference){
        .last = reference_random(random),
        .size = random_range(random, 1, 5000),
        .checksum = {random_u64(random), random_u64(random)},
    };
}

static struct superblock superblock_first(void)
{
    struct superblock superblock = {
        .options =
            {
                .version = SUPERBLOCK_VERSION,
                .block_size = 4096,
                .file_id = {.low = 1, .high = 2},
                .batch_max = 100,
                .bar_beats = 16,
                .growth_factor = 8,
                .tables_max = 1000,
                .journal_bytes = 65536,
                .size_max = 1 << 30,
                .keep = 1,
                .snapshots_max = 4,
                .runs_max = {1, 1, 1, 1, 1, 1, 1},
            },
    };
    superblock.checkpoint.block_count = BLOCK_COUNT;
    return superblock;
}

/* An open's new epoch, or a checkpoint. */
static void change(struct superblock *superblock, struct random *random)
{
    struct checkpoint_state *checkpoint = &superblock->checkpoint;
    if (random_chance(random, 1, 3)) {
        superblock->epoch += 1;
        superblock->epoch_first_op = checkpoint->op_captured + 1;
        return;
    }
    checkpoint->op_covered = checkpoint->op_captured;
    checkpoint->op_captured += random_below(random, 100);
    checkpoint->journal_offset = random_below(random, 16) * SECTOR_SIZE;
    checkpoint->journal_predecessor.low = random_u64(random);
    checkpoint->state = trailer_random(random);
    checkpoint->acquired = trailer_random(random);
    checkpoint->released = trailer_random(random);
    checkpoint->manifest_oldest = reference_random(random);
    checkpoint->manifest_newest = reference_random(random);
    checkpoint->manifest_block_count = 2;
}

static bool is_same(const struct superblock *a, const struct superblock *b)
{
    struct superblock_disk disk_a;
    struct superblock_disk disk_b;
    (void)superblock_disk_encode(&disk_a, a);
    (void)superblock_disk_encode(&disk_b, b);
    return bytes_equal(&disk_a, &disk_b, sizeof disk_a);
}

static bool is_expected(const struct superblock *found, const struct expected *expected)
{
    return is_same(found, &expected->old) || is_same(found, &expected->new);
}

static void rot(struct simulated_disk *disk, struct random *random)
{
    const uint64_t slot = random_below(random, SUPERBLOCK_COPIES);
    const uint64_t byte = random_below(random, random_chance(random, 1, 2) ? 640 : SUPERBLOCK_SLOT);
    simulated_disk_flip(disk, slot * SUPERBLOCK_SLOT + byte, (uint32_t)random_below(random, 8));
}

/* Opens, without a write at first: so what is found must be found again after healing. */
static struct superblock open_expected(struct reactor *reactor, const struct expected *expected)
{
    struct superblock found;
    struct superblock_report report;
    EXPECT(superblock_read(reactor, &found, &report, NULL) == TACTUS_OK);
    EXPECT(is_expected(&found, expected));
    return found;
}

/* Heals, crashing at every change on the way. The choice may still turn from the old one to the new
 * one: a torn repair can complete the very copy that the first crash had torn. */
static void check_healing(const struct simulated_disk *crashed, const struct expected *expected)
{
    for (uint64_t nth = 1;; nth += 1) {
        struct reactor reactor;
        struct simulated_disk *disk = simulated_disk_clone(crashed);
        simulated_disk_open(&reactor, disk);
        simulated_disk_crash_at(disk, nth);
        const enum tactus_status status = superblock_heal(&reactor, NULL, NULL);
        if (!simulated_disk_is_dead(disk)) {
            EXPECT(status == TACTUS_OK);
            simulated_disk_free(disk);
            return;
        }
        EXPECT(status != TACTUS_OK);
        crash_points += 1;
        for (uint32_t i = 0; i < simulated_disk_outcome_count(disk); i += 1) {
            struct simulated_disk *after = simulated_disk_clone(disk);
            simulated_disk_crash(after, simulated_disk_outcome(after, i));
            simulated_disk_open(&reactor, after);
            struct superblock found;
            EXPECT(superblock_read(&reactor, &found, NULL, NULL) == TACTUS_OK);
            EXPECT(is_expected(&found, expected));
            crash_outcomes += 1;
            simulated_disk_free(after);
        }
        simulated_disk_free(disk);
    }
}

static void check_outcome(
    struct simulated_disk *disk, const struct expected *expected, struct random *random
)
{
    /* one copy may be in flux, another may rot: Q2 */
    const bool is_rotten = random_chance(random, 1, 3);
    if (is_rotten) rot(disk, random);

    struct reactor reactor;
    simulated_disk_open(&reactor, disk);
    struct superblock found = open_expected(&reactor, expected);
    if (random_chance(random, 1, 10)) check_healing(disk, expected);

    simulated_disk_open(&reactor, disk);
    EXPECT(superblock_heal(&reactor, NULL, NULL) == TACTUS_OK);
    struct superblock again;
    struct superblock_report report;
    EXPECT(superblock_read(&reactor, &again, &report, NULL) == TACTUS_OK);
    EXPECT(is_same(&found, &again));
    EXPECT(!report.needs_heal);

    change(&again, random);
    EXPECT(superblock_write(&reactor, &again, NULL) == TACTUS_OK);
    EXPECT(superblock_read(&reactor, &found, &report, NULL) == TACTUS_OK);
    EXPECT(is_same(&found, &again));
    EXPECT(!report.needs_heal);
    crash_outcomes += 1;
}

/* Writes `next` over the clone, with a crash at its nth change. false: it came to its end
 * before. */
static bool crash_once(
    const struct simulated_disk *start,
    const struct superblock *old,
    const struct superblock *next,
    uint64_t nth,
    struct random *random
)
{
    struct reactor reactor;
    struct simulated_disk *disk = simulated_disk_clone(start);
    simulated_disk_open(&reactor, disk);
    simulated_disk_crash_at(disk, nth);
    struct superblock written = *next;
    const enum tactus_status status = superblock_write(&reactor, &written, NULL);
    const bool is_dead = simulated_disk_is_dead(disk);
    EXPECT(is_dead == (status != TACTUS_OK));
    if (is_dead) {
        crash_points += 1;
        struct expected expected = {.old = *old, .new = *next};
        expected.new.sequence = old->sequence + 1;
        expected.new.parent = old->checksum;
        for (uint32_t i = 0; i < simulated_disk_outcome_count(disk); i += 1) {
            struct simulated_disk *after = simulated_disk_clone(disk);
            simulated_disk_crash(after, simulated_disk_outcome(after, i));
            check_outcome(after, &expected, random);
            simulated_disk_free(after);
        }
    }
    simulated_disk_free(disk);
    return is_dead;
}

static void run(uint64_t seed)
{
    struct random random;
    random_init(&random, seed);
    const struct simulated_disk_options options = {.seed = seed, .size = FILE_SIZE};
    struct simulated_disk *disk = simulated_disk_new(&options);
    struct reactor reactor;
    simulated_disk_open(&reactor, disk);

    struct superblock superblock = superblock_first();
    EXPECT(superblock_write(&reactor, &superblock, NULL) == TACTUS_OK);
    for (uint32_t step = 0; step < STEPS; step += 1) {
        if (random_chance(&random, 1, 3)) {
            rot(disk, &random);
            EXPECT(superblock_read(&reactor, &superblock, NULL, NULL) == TACTUS_OK);
        }
        struct superblock next = superblock;
        change(&next, &random);
        uint64_t nth = 1;
        while (crash_once(disk, &superblock, &next, nth, &random)) {
            nth += 1;
        }
        simulated_disk_open(&reactor, disk);
        EXPECT(superblock_write(&reactor, &next, NULL) == TACTUS_OK);
        superblock = next;
    }
    simulated_disk_free(disk);
}

TEST(superblock_sim, opens_with_the_old_or_the_new_one_after_a_crash_at_every_change)
{
    const struct test_seeds seeds = test_seeds(30);
    for (uint64_t i = 0; i < seeds.count; i += 1) {
        test_seed_begin(seeds.first + i);
        run(seeds.first + i);
    }
    printf(
        "superblock: %llu crash points, %llu outcomes\n",
        (unsigned long long)crash_points,
        (unsigned long long)crash_outcomes
    );
}

/* A file whose first superblock never came to its end has none, or the first. */
TEST(superblock_sim, an_interrupted_create_opens_whole_or_not_at_all)
{
    for (uint64_t nth = 1; nth <= 5; nth += 1) {
        const struct simulated_disk_options options = {.seed = nth, .size = FILE_SIZE};
        struct simulated_disk *disk = simulated_disk_new(&options);
        struct reactor reactor;
        simulated_disk_open(&reactor, disk);
        simulated_disk_crash_at(disk, nth);
        struct superblock first = superblock_first();
        EXPECT(superblock_write(&reactor, &first, NULL) == TACTUS_IO);
        for (uint32_t i = 0; i < simulated_disk_outcome_count(disk); i += 1) {
            struct simulated_disk *after = simulated_disk_clone(disk);
            simulated_disk_crash(after, simulated_disk_outcome(after, i));
            simulated_disk_open(&reactor, after);
            struct superblock found;
            struct fault fault = {0};
            const enum tactus_status status = superblock_read(&reactor, &found, NULL, &fault);
            if (status == TACTUS_OK) EXPECT(found.sequence == 1);
            if (status != TACTUS_OK) EXPECT(status == TACTUS_CORRUPT && fault.what != NULL);
            simulated_disk_free(after);
        }
        simulated_disk_free(disk);
    }
}

/* Lost and misdirected writes, bad sectors and errors, one at a time, at every place: acknowledged
 * is what can be opened afterwards; or there is an error, and the old or the new one is there. */
TEST(superblock_sim, one_fault_at_any_change_is_survived)
{
    static const enum simulated_fault_kind kinds[] = {
        SIMULATED_WRITE_LOST,
        SIMULATED_WRITE_MISDIRECT,
        SIMULATED_WRITE_ERROR,
        SIMULATED_WRITE_SHORT,
        SIMULATED_WRITE_NOTHING,
        SIMULATED_FLUSH_ERROR,
        SIMULATED_READ_ERROR,
        SIMULATED_READ_MISDIRECT,
        SIMULATED_READ_SHORT,
    };
    for (uint32_t code = 0; code < COUNT_OF(kinds) * 5 * SUPERBLOCK_COPIES; code += 1) {
        const struct simulated_disk_options options = {.seed = code, .size = FILE_SIZE};
        struct simulated_disk *disk = simulated_disk_new(&options);
        struct reactor reactor;
        simulated_disk_open(&reactor, disk);
        struct superblock superblock = superblock_first();
        EXPECT(superblock_write(&reactor, &superblock, NULL) == TACTUS_OK);
        struct expected expected = {.old = superblock, .new = superblock};
        expected.new.epoch += 1;
        expected.new.sequence += 1;
        expected.new.parent = superblock.checksum;

        simulated_disk_fault_add(
            disk,
            (struct simulated_fault){
                .kind = kinds[code % COUNT_OF(kinds)],
                .skip = code / COUNT_OF(kinds) % 5,
                .target = layout_superblock_offset(code / (COUNT_OF(kinds) * 5)),
            }
        );
        superblock.epoch += 1;
        const enum tactus_status status = superblock_write(&reactor, &superblock, NULL);
        simulated_disk_fault_clear(disk);
        simulated_disk_crash(disk, (struct simulated_crash){.kind = SIMULATED_DROP_ALL});
        simulated_disk_open(&reactor, disk);
        struct superblock found = open_expected(&reactor, &expected);
        if (status == TACTUS_OK) EXPECT(is_same(&found, &expected.new));
        EXPECT(superblock_write(&reactor, &found, NULL) == TACTUS_OK);
        EXPECT(found.is_whole);
        simulated_disk_free(disk);
    }
}

TEST_MAIN()
