#include "storage/superblock_writer.h"

#include "base/bytes.h"
#include "io/file.h"
#include "support/storage_fixture.h"
#include "support/test.h"

#include <stdlib.h>

#include "base/poison.h"

static const struct storage_fixture_options plain = {0};

enum { STEPS = 9 }; /* a flush, four copies, four reads */

/* A formatted file, and a writer with memory of its own. */
struct setting {
    struct storage_fixture fixture;
    struct superblock_writer writer;
    void *region;
};

static void begin(struct setting *setting, uint64_t seed)
{
    storage_fixture_begin(&setting->fixture, storage_fixture_disk(seed, &plain), &plain);
    const struct checkpoint_capture capture = {.state = (const uint8_t *)"s", .state_size = 1};
    EXPECT(checkpoint_format(&setting->fixture.checkpoint, &capture, "schema", 6) == TACTUS_OK);
    struct budget budget;
    budget_measure_begin(&budget);
    superblock_writer_init(&setting->writer, &budget, &setting->fixture.reactor);
    const uint64_t size =
        (budget_used(&budget) + BUDGET_ALIGNMENT - 1) / BUDGET_ALIGNMENT * BUDGET_ALIGNMENT;
    EXPECT(size <= 41 * 1024);
    setting->region = aligned_alloc(BUDGET_ALIGNMENT, size);
    EXPECT(setting->region != NULL);
    bytes_zero(setting->region, size);
    budget_carve_begin(&budget, setting->region, size);
    superblock_writer_init(&setting->writer, &budget, &setting->fixture.reactor);
}

static void end(struct setting *setting)
{
    superblock_writer_stop(&setting->writer);
    storage_fixture_end(&setting->fixture);
    simulated_disk_free(setting->fixture.disk);
    free(setting->region);
}

/* As often as it takes; how often. */
static uint32_t advance_all(struct setting *setting)
{
    uint32_t turns = 0;
    enum progress progress = PROGRESS_WAIT;
    while (progress == PROGRESS_WAIT) {
        reactor_finish(&setting->fixture.reactor, &setting->writer.request);
        progress = superblock_write_advance(&setting->writer, &setting->fixture.fault);
        turns += 1;
    }
    EXPECT(progress == PROGRESS_DONE);
    return turns;
}

static struct superblock next_of(const struct setting *setting, uint64_t epoch)
{
    struct superblock next = setting->fixture.superblock;
    next.epoch = epoch;
    return next;
}

TEST(superblock_writer, writes_what_the_waiting_call_writes)
{
    for (uint64_t seed = 1; seed <= 4; seed += 1) { /* 2: done at submission */
        struct setting setting;
        begin(&setting, seed);
        struct simulated_disk *other = simulated_disk_clone(setting.fixture.disk);
        struct superblock next = next_of(&setting, 17);
        superblock_write_start(&setting.writer, &next);
        EXPECT(advance_all(&setting) == STEPS);
        EXPECT(setting.writer.superblock.sequence == next.sequence + 1);
        EXPECT(setting.writer.superblock.is_whole);

        struct reactor reactor;
        simulated_disk_open(&reactor, other);
        EXPECT(superblock_write(&reactor, &next, &setting.fixture.fault) == TACTUS_OK);
        EXPECT(simulated_disk_equal(setting.fixture.disk, other));
        file_close(&reactor);
        simulated_disk_free(other);
        end(&setting);
    }
}

TEST(superblock_writer, submits_one_request_a_call_and_waits_for_none)
{
    struct setting setting;
    begin(&setting, 2); /* every request is done when it is submitted */
    const struct superblock next = next_of(&setting, 17);
    struct simulated_disk *disk = setting.fixture.disk;
    uint64_t before = simulated_disk_change_count(disk) + simulated_disk_read_count(disk);
    superblock_write_start(&setting.writer, &next);
    for (uint32_t step = 1; step <= STEPS; step += 1) {
        const uint64_t now = simulated_disk_change_count(disk) + simulated_disk_read_count(disk);
        EXPECT(now == before + 1);
        before = now;
        const enum progress progress =
            superblock_write_advance(&setting.writer, &setting.fixture.fault);
        EXPECT(progress == (step < STEPS ? PROGRESS_WAIT : PROGRESS_DONE));
    }
    end(&setting);

    begin(&setting, 1);
    superblock_write_start(&setting.writer, &next);
    for (uint32_t turn = 0; turn < 100; turn += 1) { /* nobody takes note of the disk */
        EXPECT(superblock_write_advance(&setting.writer, &setting.fixture.fault) == PROGRESS_WAIT);
    }
    EXPECT(setting.writer.stage == SUPERBLOCK_WRITER_FLUSH);
    end(&setting);
}

TEST(superblock_writer, heals_before_it_writes)
{
    struct setting setting;
    begin(&setting, 1);
    simulated_disk_flip(setting.fixture.disk, layout_superblock_offset(2) + 200, 1);
    struct superblock found;
    EXPECT(
        superblock_read(&setting.fixture.reactor, &found, NULL, &setting.fixture.fault) == TACTUS_OK
    );
    EXPECT(!found.is_whole);
    superblock_write_start(&setting.writer, &found);
    /* All read, one slot written in two parts, all read again, then as ever. */
    EXPECT(advance_all(&setting) == 4 + 2 + 4 + STEPS);
    EXPECT(setting.writer.healed_count == 1);
    EXPECT(setting.writer.superblock.is_whole);
    end(&setting);
}

TEST(superblock_writer, may_be_given_up_at_any_step)
{
    for (uint32_t steps = 0; steps < STEPS; steps += 1) {
        struct setting setting;
        begin(&setting, 1 + steps % 4);
        const struct superblock next = next_of(&setting, 17);
        superblock_write_start(&setting.writer, &next);
        for (uint32_t step = 0; step < steps; step += 1) {
            reactor_finish(&setting.fixture.reactor, &setting.writer.request);
            EXPECT(
                superblock_write_advance(&setting.writer, &setting.fixture.fault) == PROGRESS_WAIT
            );
        }
        superblock_writer_stop(&setting.writer);
        EXPECT(setting.fixture.reactor.in_flight == 0);
        struct superblock found;
        EXPECT(
            superblock_read(&setting.fixture.reactor, &found, NULL, &setting.fixture.fault) ==
            TACTUS_OK
        );
        EXPECT(found.sequence == next.sequence || found.sequence == next.sequence + 1);
        end(&setting);
    }
}

TEST(superblock_writer, fails_once_and_says_why)
{
    for (uint64_t turn = 0; turn < 5; turn += 1) {
        struct setting setting;
        begin(&setting, 1);
        const struct simulated_fault fault = {
            .kind = turn == 0 ? SIMULATED_FLUSH_ERROR : SIMULATED_WRITE_ERROR,
            .skip = turn == 0 ? 0 : turn - 1,
        };
        simulated_disk_fault_add(setting.fixture.disk, fault);
        const struct superblock next = next_of(&setting, 17);
        superblock_write_start(&setting.writer, &next);
        enum progress progress = PROGRESS_WAIT;
        for (uint64_t step = 0; step <= turn; step += 1) {
            EXPECT(progress == PROGRESS_WAIT);
            reactor_finish(&setting.fixture.reactor, &setting.writer.request);
            progress = superblock_write_advance(&setting.writer, &setting.fixture.fault);
        }
        EXPECT(progress == PROGRESS_FAILED);
        EXPECT(setting.writer.status == TACTUS_IO);
        EXPECT(setting.fixture.fault.status == TACTUS_IO);
        EXPECT(setting.fixture.reactor.in_flight == 0);
        end(&setting);
    }
}

TEST_MAIN()
