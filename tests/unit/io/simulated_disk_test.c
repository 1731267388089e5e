/* The disk that all crash tests stand on has tests of its own: what it promises to lose, it must be
 * able to lose, and what it promises to keep, it must keep. */
#include "support/simulated_disk.h"

#include "base/bytes.h"
#include "base/integer.h"
#include "base/random.h"
#include "io/file.h"
#include "support/test.h"

#include <stddef.h>

#include "base/poison.h"

enum { SECTORS = 16, SIZE = SECTORS * IO_SECTOR };

static _Alignas(IO_SECTOR) uint8_t buffer[SIZE];
static _Alignas(IO_SECTOR) uint8_t other[SIZE];

static struct simulated_disk *disk_new(uint64_t seed)
{
    const struct simulated_disk_options options = {.seed = seed, .size = SIZE};
    return simulated_disk_new(&options);
}

static void fill(uint8_t *target, uint8_t byte, uint64_t size)
{
    for (uint64_t i = 0; i < size; i += 1) {
        target[i] = byte;
    }
}

static void write_sector(struct reactor *reactor, uint32_t sector, uint8_t byte, bool durable)
{
    fill(buffer, byte, IO_SECTOR);
    const uint64_t offset = (uint64_t)sector * IO_SECTOR;
    EXPECT(reactor_write(reactor, buffer, IO_SECTOR, offset, durable, NULL) == TACTUS_OK);
}

/* The byte that fills the sector, or -1: more than one does. */
static int sector_of(const struct simulated_disk *disk, uint32_t sector)
{
    uint8_t bytes[IO_SECTOR];
    simulated_disk_peek(disk, (uint64_t)sector * IO_SECTOR, bytes, sizeof bytes);
    for (uint32_t i = 1; i < IO_SECTOR; i += 1) {
        if (bytes[i] != bytes[0]) return -1;
    }
    return bytes[0];
}

static void crash(struct simulated_disk *disk, enum simulated_crash_kind kind, uint64_t mask)
{
    simulated_disk_crash(disk, (struct simulated_crash){.kind = kind, .mask = mask, .seed = 1});
}

TEST(simulated_disk, reads_what_was_written_and_zeros_elsewhere)
{
    struct simulated_disk *disk = disk_new(1);
    struct reactor reactor;
    simulated_disk_open(&reactor, disk);
    write_sector(&reactor, 3, 7, false);
    fill(other, 9, sizeof other);
    EXPECT(reactor_read(&reactor, other, sizeof other, 0, NULL) == TACTUS_OK);
    EXPECT(bytes_are_zero(other, 3 * IO_SECTOR));
    EXPECT(other[3 * IO_SECTOR] == 7 && other[4 * IO_SECTOR - 1] == 7);
    EXPECT(bytes_are_zero(other + 4 * IO_SECTOR, 12 * IO_SECTOR));
    file_close(&reactor);
    simulated_disk_free(disk);
}

TEST(simulated_disk, a_write_without_a_flush_may_be_lost_and_may_be_kept)
{
    struct simulated_disk *disk = disk_new(1);
    struct reactor reactor;
    simulated_disk_open(&reactor, disk);
    write_sector(&reactor, 0, 1, false);
    EXPECT(simulated_disk_pending_count(disk) == 1);
    struct simulated_disk *clone = simulated_disk_clone(disk);
    crash(disk, SIMULATED_DROP_ALL, 0);
    EXPECT(sector_of(disk, 0) == 0);
    crash(clone, SIMULATED_KEEP_ALL, 0);
    EXPECT(sector_of(clone, 0) == 1);
    simulated_disk_free(clone);
    simulated_disk_free(disk);
}

TEST(simulated_disk, a_flush_keeps_what_was_done_and_a_durable_write_itself_alone)
{
    struct simulated_disk *disk = disk_new(1);
    struct reactor reactor;
    simulated_disk_open(&reactor, disk);
    write_sector(&reactor, 0, 1, false);
    EXPECT(reactor_flush(&reactor, NULL) == TACTUS_OK);
    write_sector(&reactor, 1, 2, false);
    write_sector(&reactor, 2, 3, true);
    EXPECT(simulated_disk_pending_count(disk) == 1);
    crash(disk, SIMULATED_DROP_ALL, 0);
    EXPECT(sector_of(disk, 0) == 1);
    EXPECT(sector_of(disk, 1) == 0);
    EXPECT(sector_of(disk, 2) == 3);
    simulated_disk_free(disk);
}

TEST(simulated_disk, a_flush_says_nothing_about_writes_that_were_still_in_flight)
{
    bool was_lost = false;
    for (uint64_t seed = 1; seed <= 20; seed += 1) {
        struct simulated_disk *disk = disk_new(seed);
        struct reactor reactor;
        simulated_disk_open(&reactor, disk);
        fill(buffer, 5, IO_SECTOR);
        struct io_request write = {.kind = IO_WRITE, .size = IO_SECTOR, .buffer = buffer};
        struct io_request flush = {.kind = IO_FLUSH};
        reactor_submit(&reactor, &write);
        reactor_submit(&reactor, &flush);
        reactor_finish(&reactor, &write);
        reactor_finish(&reactor, &flush);
        crash(disk, SIMULATED_DROP_ALL, 0);
        was_lost = was_lost || sector_of(disk, 0) == 0;
        simulated_disk_free(disk);
    }
    EXPECT(was_lost);
}

TEST(simulated_disk, what_lies_under_a_durable_write_does_not_come_back)
{
    struct simulated_disk *disk = disk_new(1);
    struct reactor reactor;
    simulated_disk_open(&reactor, disk);
    fill(buffer, 1, 2 * IO_SECTOR);
    EXPECT(reactor_write(&reactor, buffer, 2 * IO_SECTOR, 0, false, NULL) == TACTUS_OK);
    write_sector(&reactor, 0, 2, true);
    crash(disk, SIMULATED_KEEP_ALL, 0);
    EXPECT(sector_of(disk, 0) == 2);
    EXPECT(sector_of(disk, 1) == 1);
    simulated_disk_free(disk);
}

TEST(simulated_disk, all_subsets_of_few_writes_are_outcomes)
{
    struct simulated_disk *disk = disk_new(3);
    struct reactor reactor;
    simulated_disk_open(&reactor, disk);
    for (uint32_t i = 0; i < 3; i += 1) {
        write_sector(&reactor, i, 9, false);
    }
    bool seen[8] = {false};
    for (uint32_t i = 0; i < simulated_disk_outcome_count(disk); i += 1) {
        struct simulated_disk *after = simulated_disk_clone(disk);
        const struct simulated_crash outcome = simulated_disk_outcome(after, i);
        simulated_disk_crash(after, outcome);
        if (outcome.kind == SIMULATED_SUBSET) {
            uint32_t mask = 0;
            for (uint32_t sector = 0; sector < 3; sector += 1) {
                if (sector_of(after, sector) == 9) mask |= 1U << sector;
            }
            seen[mask] = true;
        }
        simulated_disk_free(after);
    }
    for (uint32_t i = 0; i < 8; i += 1) {
        EXPECT(seen[i]);
    }
    simulated_disk_free(disk);
}

TEST(simulated_disk, many_writes_are_lost_one_and_all_and_each_alone)
{
    struct simulated_disk *disk = disk_new(3);
    struct reactor reactor;
    simulated_disk_open(&reactor, disk);
    for (uint32_t i = 0; i < 12; i += 1) {
        write_sector(&reactor, i, 9, false);
    }
    uint32_t kept_counts[13] = {0};
    for (uint32_t i = 0; i < simulated_disk_outcome_count(disk); i += 1) {
        struct simulated_disk *after = simulated_disk_clone(disk);
        simulated_disk_crash(after, simulated_disk_outcome(after, i));
        uint32_t kept = 0;
        for (uint32_t sector = 0; sector < 12; sector += 1) {
            if (sector_of(after, sector) == 9) kept += 1;
        }
        kept_counts[kept] += 1;
        simulated_disk_free(after);
    }
    EXPECT(kept_counts[0] >= 1);
    EXPECT(kept_counts[12] >= 1);
    EXPECT(kept_counts[1] >= 12);
    EXPECT(kept_counts[11] >= 12);
    simulated_disk_free(disk);
}

TEST(simulated_disk, a_torn_write_is_old_and_new_and_sometimes_neither)
{
    bool seen_old = false;
    bool seen_new = false;
    bool seen_mixed = false;
    bool seen_garbage = false;
    for (uint64_t seed = 0; seed < 200; seed += 1) {
        struct simulated_disk *disk = disk_new(1);
        struct reactor reactor;
        simulated_disk_open(&reactor, disk);
        write_sector(&reactor, 0, 9, false);
        simulated_disk_crash(
            disk, (struct simulated_crash){.kind = SIMULATED_TEAR_512, .seed = seed}
        );
        uint8_t bytes[IO_SECTOR];
        simulated_disk_peek(disk, 0, bytes, sizeof bytes);
        uint32_t count_old = 0;
        uint32_t count_new = 0;
        for (uint32_t i = 0; i < IO_SECTOR; i += 1) {
            if (bytes[i] == 0) count_old += 1;
            if (bytes[i] == 9) count_new += 1;
        }
        if (count_old + count_new < IO_SECTOR) seen_garbage = true;
        if (count_old > 512 && count_new > 512) seen_mixed = true;
        seen_old = seen_old || count_old == IO_SECTOR;
        seen_new = seen_new || count_new == IO_SECTOR;
        simulated_disk_free(disk);
    }
    EXPECT(seen_mixed);
    EXPECT(seen_garbage);
    maybe(seen_old && seen_new); /* 1 in 256 each */
}

TEST(simulated_disk, after_the_crash_point_nothing_answers_and_nothing_more_is_written)
{
    struct simulated_disk *disk = disk_new(1);
    struct reactor reactor;
    simulated_disk_open(&reactor, disk);
    write_sector(&reactor, 0, 1, true);
    simulated_disk_crash_at(disk, 2);
    write_sector(&reactor, 1, 1, true);
    fill(buffer, 1, IO_SECTOR);
    EXPECT(reactor_write(&reactor, buffer, IO_SECTOR, 2 * IO_SECTOR, true, NULL) == TACTUS_IO);
    EXPECT(simulated_disk_is_dead(disk));
    EXPECT(reactor_write(&reactor, buffer, IO_SECTOR, 3 * IO_SECTOR, true, NULL) == TACTUS_IO);
    EXPECT(reactor_read(&reactor, other, IO_SECTOR, 0, NULL) == TACTUS_IO);
    EXPECT(reactor_flush(&reactor, NULL) == TACTUS_IO);
    EXPECT(file_grow(&reactor, SIZE * 2, NULL) == TACTUS_IO);
    EXPECT(simulated_disk_pending_count(disk) == 1); /* the one at the crash point */
    EXPECT(simulated_disk_outcome_count(disk) > 1);

    crash(disk, SIMULATED_KEEP_ALL, 0);
    simulated_disk_open(&reactor, disk);
    EXPECT(sector_of(disk, 0) == 1);
    EXPECT(sector_of(disk, 1) == 1);
    EXPECT(sector_of(disk, 2) == 1);
    EXPECT(sector_of(disk, 3) == 0);
    EXPECT(reactor_read(&reactor, other, IO_SECTOR, 0, NULL) == TACTUS_OK);
    simulated_disk_free(disk);
}

TEST(simulated_disk, clones_share_nothing_that_shows)
{
    struct simulated_disk *a = disk_new(1);
    struct reactor reactor;
    simulated_disk_open(&reactor, a);
    write_sector(&reactor, 0, 1, true);
    struct simulated_disk *b = simulated_disk_clone(a);
    EXPECT(simulated_disk_equal(a, b));
    EXPECT(simulated_disk_hash(a) == simulated_disk_hash(b));
    write_sector(&reactor, 0, 2, true);
    simulated_disk_open(&reactor, b);
    write_sector(&reactor, 1, 3, false);
    EXPECT(sector_of(a, 0) == 2 && sector_of(a, 1) == 0);
    EXPECT(sector_of(b, 0) == 1 && sector_of(b, 1) == 3);
    EXPECT(!simulated_disk_equal(a, b));
    EXPECT(simulated_disk_hash(a) != simulated_disk_hash(b));
    simulated_disk_free(a);
    EXPECT(sector_of(b, 0) == 1);
    simulated_disk_free(b);
}

/* The order in which eight reads finish, as a number. */
static uint64_t order_of(uint64_t seed)
{
    struct simulated_disk *disk = disk_new(seed);
    struct reactor reactor;
    simulated_disk_open(&reactor, disk);
    struct io_request reads[8];
    for (uint32_t i = 0; i < 8; i += 1) {
        reads[i] = (struct io_request
        ){.kind = IO_READ, .size = IO_SECTOR, .buffer = buffer + (size_t)i * IO_SECTOR};
        reactor_submit(&reactor, &reads[i]);
    }
    uint64_t order = 0;
    uint32_t known = 0;
    while (known != 255) {
        reactor_wait(&reactor);
        for (uint32_t i = 0; i < 8; i += 1) {
            if (reads[i].stage != IO_DONE || (known >> i & 1) == 1) continue;
            known |= 1U << i;
            order = order * 8 + i;
        }
    }
    simulated_disk_free(disk);
    return order;
}

TEST(simulated_disk, the_seed_decides_the_order_and_nothing_else_does)
{
    EXPECT(order_of(1) == order_of(1));
    uint32_t different = 0;
    for (uint64_t seed = 2; seed < 12; seed += 1) {
        if (order_of(seed) != order_of(1)) different += 1;
    }
    EXPECT(different >= 9);
}

TEST(simulated_disk, its_clock_moves_by_waiting_and_by_looking)
{
    struct simulated_disk *disk = disk_new(1);
    struct reactor reactor;
    simulated_disk_open(&reactor, disk);
    const uint64_t start = reactor_now_ns(&reactor);
    EXPECT(reactor_now_ns(&reactor) > start);
    simulated_disk_advance(disk, 1000000000);
    EXPECT(reactor_now_ns(&reactor) > start + 1000000000);
    simulated_disk_free(disk);
}

TEST(simulated_disk, lost_and_misdirected_writes_are_acknowledged)
{
    struct simulated_disk *disk = disk_new(1);
    struct reactor reactor;
    simulated_disk_open(&reactor, disk);
    simulated_disk_fault_add(disk, (struct simulated_fault){.kind = SIMULATED_WRITE_LOST});
    simulated_disk_fault_add(
        disk, (struct simulated_fault){.kind = SIMULATED_WRITE_MISDIRECT, .target = 5 * IO_SECTOR}
    );
    write_sector(&reactor, 0, 1, true); /* lost */
    write_sector(&reactor, 1, 2, true); /* found at 5 */
    write_sector(&reactor, 2, 3, true);
    EXPECT(simulated_disk_fault_count(disk) == 2);
    EXPECT(sector_of(disk, 0) == 0);
    EXPECT(sector_of(disk, 1) == 0);
    EXPECT(sector_of(disk, 5) == 2);
    EXPECT(sector_of(disk, 2) == 3);
    simulated_disk_free(disk);
}

TEST(simulated_disk, what_a_failed_flush_was_about_no_later_one_makes_durable)
{
    struct simulated_disk *disk = disk_new(1);
    struct reactor reactor;
    simulated_disk_open(&reactor, disk);
    simulated_disk_fault_add(disk, (struct simulated_fault){.kind = SIMULATED_FLUSH_ERROR});
    write_sector(&reactor, 0, 1, false);
    EXPECT(reactor_flush(&reactor, NULL) == TACTUS_IO);
    write_sector(&reactor, 1, 2, false);
    EXPECT(reactor_flush(&reactor, NULL) == TACTUS_OK);
    crash(disk, SIMULATED_DROP_ALL, 0);
    EXPECT(sector_of(disk, 0) == 0);
    EXPECT(sector_of(disk, 1) == 2);
    simulated_disk_free(disk);
}

TEST(simulated_disk, growth_is_refused_at_its_limit_and_by_a_fault)
{
    const struct simulated_disk_options options = {.seed = 1, .size = SIZE, .size_max = 2 * SIZE};
    struct simulated_disk *disk = simulated_disk_new(&options);
    struct reactor reactor;
    simulated_disk_open(&reactor, disk);
    struct fault fault = {0};
    EXPECT(file_grow(&reactor, 2 * SIZE, &fault) == TACTUS_OK);
    EXPECT(file_size(&reactor) == 2 * SIZE);
    EXPECT(file_grow(&reactor, 2 * SIZE + IO_SECTOR, &fault) == TACTUS_FULL);
    EXPECT(fault.zone == FAULT_ZONE_FILE && fault.what != NULL && fault.os_error != 0);
    EXPECT(file_size(&reactor) == 2 * SIZE);
    simulated_disk_truncate(disk, SIZE);
    simulated_disk_open(&reactor, disk);
    simulated_disk_fault_add(disk, (struct simulated_fault){.kind = SIMULATED_GROW_ERROR});
    EXPECT(file_grow(&reactor, 2 * SIZE, NULL) == TACTUS_FULL);
    EXPECT(file_grow(&reactor, 2 * SIZE, NULL) == TACTUS_OK);
    simulated_disk_free(disk);
}

TEST(simulated_disk, rot_flips_one_bit_in_both_images)
{
    struct simulated_disk *disk = disk_new(1);
    struct reactor reactor;
    simulated_disk_open(&reactor, disk);
    write_sector(&reactor, 0, 0xFF, true);
    simulated_disk_flip(disk, 100, 3);
    EXPECT(reactor_read(&reactor, other, IO_SECTOR, 0, NULL) == TACTUS_OK);
    EXPECT(other[100] == 0xF7 && other[99] == 0xFF && other[101] == 0xFF);
    crash(disk, SIMULATED_DROP_ALL, 0);
    uint8_t byte = 0;
    simulated_disk_peek(disk, 100, &byte, 1);
    EXPECT(byte == 0xF7);
    simulated_disk_free(disk);
}

/* An engine that acknowledges a write before it is durable. The alarm that all crash tests rely on
 * must go off for it: this is the canary, and it must die. */
TEST(simulated_disk, canary_an_engine_that_forgets_to_flush_is_caught)
{
    uint32_t lost = 0;
    for (uint64_t nth = 1; nth <= SECTORS; nth += 1) {
        struct simulated_disk *disk = disk_new(nth);
        struct reactor reactor;
        simulated_disk_open(&reactor, disk);
        simulated_disk_crash_at(disk, nth);
        uint32_t acknowledged = 0;
        fill(buffer, 1, IO_SECTOR);
        while (acknowledged < SECTORS) {
            const uint64_t offset = (uint64_t)acknowledged * IO_SECTOR;
            if (reactor_write(&reactor, buffer, IO_SECTOR, offset, false, NULL) != TACTUS_OK) break;
            acknowledged += 1;
        }
        for (uint32_t i = 0; i < simulated_disk_outcome_count(disk); i += 1) {
            struct simulated_disk *after = simulated_disk_clone(disk);
            simulated_disk_crash(after, simulated_disk_outcome(after, i));
            for (uint32_t sector = 0; sector < acknowledged; sector += 1) {
                if (sector_of(after, sector) != 1) lost += 1;
            }
            simulated_disk_free(after);
        }
        simulated_disk_free(disk);
    }
    EXPECT(lost > 0);
}

/* Random requests against an array: what a write brought is read back whatever the order, and after
 * a crash every sector is one of the values that it had since it was last durable. */
static void model_run(uint64_t seed)
{
    struct random random;
    random_init(&random, seed);
    struct simulated_disk *disk = disk_new(seed);
    struct reactor reactor;
    simulated_disk_open(&reactor, disk);
    uint8_t now[SECTORS] = {0};
    bool may_be[SECTORS][256] = {{false}};
    for (uint32_t sector = 0; sector < SECTORS; sector += 1) {
        may_be[sector][0] = true;
    }
    for (uint32_t step = 1; step < 200; step += 1) {
        const uint32_t sector = (uint32_t)random_below(&random, SECTORS);
        const uint8_t byte = (uint8_t)step;
        if (random_chance(&random, 1, 10)) {
            EXPECT(reactor_flush(&reactor, NULL) == TACTUS_OK);
            bytes_zero(may_be, sizeof may_be);
            for (uint32_t i = 0; i < SECTORS; i += 1) {
                may_be[i][now[i]] = true;
            }
        } else if (random_chance(&random, 1, 20)) {
            const uint32_t count = simulated_disk_outcome_count(disk);
            const uint32_t chosen = (uint32_t)random_below(&random, count);
            struct simulated_crash outcome = simulated_disk_outcome(disk, chosen);
            if (outcome.kind == SIMULATED_TEAR_512) outcome.kind = SIMULATED_KEEP_ALL;
            if (outcome.kind == SIMULATED_TEAR_4096) outcome.kind = SIMULATED_DROP_ALL;
            simulated_disk_crash(disk, outcome);
            simulated_disk_open(&reactor, disk);
            for (uint32_t i = 0; i < SECTORS; i += 1) {
                const int found = sector_of(disk, i);
                EXPECT(found >= 0 && may_be[i][found]);
                bytes_zero(may_be[i], sizeof may_be[i]);
                now[i] = (uint8_t)found;
                may_be[i][found] = true;
            }
        } else {
            const bool durable = random_chance(&random, 1, 4);
            write_sector(&reactor, sector, byte, durable);
            if (durable) bytes_zero(may_be[sector], sizeof may_be[sector]);
            may_be[sector][byte] = true;
            now[sector] = byte;
        }
        EXPECT(sector_of(disk, sector) == now[sector]);
    }
    simulated_disk_free(disk);
}

TEST(simulated_disk, keeps_to_its_model_over_random_requests_and_crashes)
{
    const struct test_seeds seeds = test_seeds(100);
    for (uint64_t i = 0; i < seeds.count; i += 1) {
        test_seed_begin(seeds.first + i);
        model_run(seeds.first + i);
    }
}

TEST_MAIN()
