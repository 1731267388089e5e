/* IO1 to IO5: what happens between a request and what the disk makes of it. */
#include "io/reactor.h"

#include "base/bytes.h"
#include "base/random.h"
#include "io/file.h"
#include "support/simulated_disk.h"
#include "support/test.h"

#include <errno.h>
#include <stddef.h>

#include "base/poison.h"

enum { SECTORS = 16, SIZE = SECTORS * IO_SECTOR };

static _Alignas(IO_SECTOR) uint8_t written[SIZE];
static _Alignas(IO_SECTOR) uint8_t found[SIZE];
static struct simulated_disk *disk;
static struct reactor reactor;

static void begin(uint64_t seed)
{
    const struct simulated_disk_options options = {
        .seed = seed, .size = SIZE, .at_submission = seed % 2 == 0};
    disk = simulated_disk_new(&options);
    simulated_disk_open(&reactor, disk);
    struct random random;
    random_init(&random, seed);
    random_fill(&random, written, SIZE);
    EXPECT(reactor_write(&reactor, written, SIZE, 0, true, NULL) == TACTUS_OK);
    bytes_zero(found, SIZE);
}

static void end(void)
{
    file_close(&reactor);
    simulated_disk_free(disk);
}

static void fault_of_sector(enum simulated_fault_kind kind, uint32_t sector, bool is_sticky)
{
    simulated_disk_fault_add(
        disk,
        (struct simulated_fault){
            .kind = kind,
            .from = (uint64_t)sector * IO_SECTOR,
            .to = (uint64_t)(sector + 1) * IO_SECTOR,
            .is_sticky = is_sticky,
        }
    );
}

static struct io_request read_all(void)
{
    struct io_request read = {.kind = IO_READ, .size = SIZE, .buffer = found};
    reactor_submit(&reactor, &read);
    reactor_finish(&reactor, &read);
    EXPECT(read.stage == IO_DONE);
    return read;
}

TEST(reactor, short_reads_and_writes_go_on)
{
    for (uint64_t seed = 1; seed <= 4; seed += 1) {
        begin(seed);
        for (uint32_t i = 0; i < 3; i += 1) {
            simulated_disk_fault_add(disk, (struct simulated_fault){.kind = SIMULATED_READ_SHORT});
            simulated_disk_fault_add(disk, (struct simulated_fault){.kind = SIMULATED_WRITE_SHORT});
        }
        written[0] ^= 1;
        written[SIZE - 1] ^= 1;
        EXPECT(reactor_write(&reactor, written, SIZE, 0, true, NULL) == TACTUS_OK);
        const struct io_request read = read_all();
        EXPECT(read.status == TACTUS_OK && read.done_bytes == SIZE && !read.unreadable);
        EXPECT(bytes_equal(written, found, SIZE));
        EXPECT(simulated_disk_fault_count(disk) == 6);
        end();
    }
}

TEST(reactor, half_a_sector_counts_for_nothing)
{
    begin(1);
    fault_of_sector(SIMULATED_READ_SHORT, 15, false);
    fault_of_sector(SIMULATED_WRITE_SHORT, 15, false);
    written[SIZE - 1] ^= 1;
    const uint64_t offset = SIZE - IO_SECTOR;
    EXPECT(reactor_write(&reactor, written + offset, IO_SECTOR, offset, true, NULL) == TACTUS_OK);
    EXPECT(reactor_read(&reactor, found, IO_SECTOR, offset, NULL) == TACTUS_OK);
    EXPECT(bytes_equal(written + offset, found, IO_SECTOR));
    end();
}

TEST(reactor, interrupted_attempts_are_repeated)
{
    begin(1);
    for (uint32_t i = 0; i < 5; i += 1) {
        simulated_disk_fault_add(disk, (struct simulated_fault){.kind = SIMULATED_READ_INTERRUPT});
        simulated_disk_fault_add(
            disk, (struct simulated_fault){.kind = SIMULATED_WRITE_INTERRUPT, .os_error = EAGAIN}
        );
    }
    written[5] ^= 1;
    EXPECT(reactor_write(&reactor, written, SIZE, 0, true, NULL) == TACTUS_OK);
    EXPECT(read_all().status == TACTUS_OK);
    EXPECT(bytes_equal(written, found, SIZE));
    end();
}

TEST(reactor, a_write_of_nothing_gets_one_more_chance)
{
    begin(1);
    simulated_disk_fault_add(disk, (struct simulated_fault){.kind = SIMULATED_WRITE_NOTHING});
    EXPECT(reactor_write(&reactor, written, SIZE, 0, true, NULL) == TACTUS_OK);
    simulated_disk_fault_add(disk, (struct simulated_fault){.kind = SIMULATED_WRITE_NOTHING});
    simulated_disk_fault_add(disk, (struct simulated_fault){.kind = SIMULATED_WRITE_NOTHING});
    struct fault fault = {0};
    EXPECT(reactor_write(&reactor, written, SIZE, 0, true, &fault) == TACTUS_IO);
    EXPECT(fault.status == TACTUS_IO && fault.os_error == EIO && fault.what != NULL);
    end();
}

TEST(reactor, one_unreadable_sector_costs_that_sector_alone)
{
    for (uint32_t sector = 0; sector < SECTORS; sector += 1) {
        begin(sector + 1);
        fault_of_sector(SIMULATED_READ_ERROR, sector, true);
        const struct io_request read = read_all();
        EXPECT(read.status == TACTUS_OK && read.unreadable && read.os_error == 0);
        for (uint32_t i = 0; i < SECTORS; i += 1) {
            const uint8_t *bytes = found + (size_t)i * IO_SECTOR;
            if (i == sector) EXPECT(bytes_are_zero(bytes, IO_SECTOR));
            if (i != sector) EXPECT(bytes_equal(bytes, written + (size_t)i * IO_SECTOR, IO_SECTOR));
        }
        end();
    }
}

TEST(reactor, an_error_that_passes_leaves_no_trace)
{
    begin(1);
    simulated_disk_fault_add(disk, (struct simulated_fault){.kind = SIMULATED_READ_ERROR});
    struct io_request read = read_all();
    EXPECT(read.status == TACTUS_OK && !read.unreadable);
    EXPECT(bytes_equal(written, found, SIZE));

    /* of a single sector, too: there is one retry */
    simulated_disk_fault_add(disk, (struct simulated_fault){.kind = SIMULATED_READ_ERROR});
    read = (struct io_request){.kind = IO_READ, .size = IO_SECTOR, .buffer = found};
    reactor_submit(&reactor, &read);
    reactor_finish(&reactor, &read);
    EXPECT(read.status == TACTUS_OK && !read.unreadable);
    end();
}

TEST(reactor, another_read_error_is_no_bad_sector)
{
    begin(1);
    simulated_disk_fault_add(
        disk, (struct simulated_fault){.kind = SIMULATED_READ_ERROR, .os_error = EBADF}
    );
    const struct io_request read = read_all();
    EXPECT(read.status == TACTUS_IO && read.os_error == EBADF && !read.unreadable);
    end();
}

TEST(reactor, a_failed_write_is_not_repeated)
{
    static const struct {
        int32_t os_error;
        enum tactus_status status;
    } cases[] = {
        {EIO, TACTUS_IO},
        {ENOSPC, TACTUS_FULL},
        {EDQUOT, TACTUS_FULL},
        {EFBIG, TACTUS_FULL},
        {ECANCELED, TACTUS_IO},
        {EROFS, TACTUS_IO},
    };
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i += 1) {
        begin(i);
        simulated_disk_fault_add(
            disk,
            (struct simulated_fault){.kind = SIMULATED_WRITE_ERROR, .os_error = cases[i].os_error}
        );
        struct fault fault = {0};
        const uint64_t changes = simulated_disk_change_count(disk);
        written[0] ^= 1;
        EXPECT(reactor_write(&reactor, written, SIZE, 0, true, &fault) == cases[i].status);
        EXPECT(simulated_disk_change_count(disk) == changes + 1);
        EXPECT(fault.zone == FAULT_ZONE_FILE && fault.os_error == cases[i].os_error);
        EXPECT(read_all().status == TACTUS_OK);
        EXPECT(found[0] == (written[0] ^ 1));
        end();
    }
}

TEST(reactor, a_failed_flush_is_not_repeated)
{
    begin(1);
    simulated_disk_fault_add(disk, (struct simulated_fault){.kind = SIMULATED_FLUSH_ERROR});
    const uint64_t changes = simulated_disk_change_count(disk);
    struct fault fault = {0};
    EXPECT(reactor_flush(&reactor, &fault) == TACTUS_IO);
    EXPECT(simulated_disk_change_count(disk) == changes + 1);
    EXPECT(fault.os_error == EIO);
    end();
}

TEST(reactor, past_the_end_there_are_zeros)
{
    begin(1);
    struct reactor *r = &reactor;
    for (uint32_t i = 0; i < SIZE; i += 1) {
        found[i] = 1;
    }
    EXPECT(reactor_read(r, found, 4 * IO_SECTOR, SIZE - IO_SECTOR, NULL) == TACTUS_OK);
    EXPECT(bytes_equal(found, written + SIZE - IO_SECTOR, IO_SECTOR));
    EXPECT(bytes_are_zero(found + IO_SECTOR, 3 * IO_SECTOR));
    EXPECT(found[4 * IO_SECTOR] == 1);
    EXPECT(reactor_read(r, found, IO_SECTOR, UINT64_C(1) << 50, NULL) == TACTUS_OK);
    EXPECT(bytes_are_zero(found, IO_SECTOR));

    /* a file that was cut within a sector */
    simulated_disk_truncate(disk, SIZE - 1000);
    EXPECT(reactor_read(r, found, 2 * IO_SECTOR, SIZE - IO_SECTOR, NULL) == TACTUS_OK);
    EXPECT(bytes_equal(found, written + SIZE - IO_SECTOR, IO_SECTOR - 1000));
    EXPECT(bytes_are_zero(found + IO_SECTOR - 1000, IO_SECTOR + 1000));
    end();
}

TEST(reactor, a_wait_comes_back_for_what_was_done_before_it)
{
    for (uint64_t seed = 1; seed <= 2; seed += 1) { /* with and without delay */
        begin(seed);
        struct io_request reads[2] = {
            {.kind = IO_READ, .size = IO_SECTOR, .buffer = found},
            {.kind = IO_READ, .size = IO_SECTOR, .buffer = found + IO_SECTOR},
        };
        reactor_submit(&reactor, &reads[0]);
        reactor_submit(&reactor, &reads[1]);
        uint32_t waits = 0;
        while (reads[0].stage != IO_DONE || reads[1].stage != IO_DONE) {
            reactor_wait(&reactor);
            waits += 1;
        }
        EXPECT(waits <= 3); /* one may be for the write that began this */
        reactor_submit(&reactor, &reads[0]);
        reactor_finish(&reactor, &reads[0]);
        reactor_wait(&reactor); /* does not hang: one was done since */
        reactor_submit(&reactor, &reads[0]);
        for (uint32_t polls = 0; reads[0].stage != IO_DONE; polls += 1) {
            EXPECT(polls < 1000);
            reactor_poll(&reactor);
        }
        end();
    }
}

TEST(reactor, large_transfers_are_split)
{
    enum { LARGE = 3 * (1 << 20) + 2 * IO_SECTOR };
    static _Alignas(IO_SECTOR) uint8_t large[LARGE];
    static _Alignas(IO_SECTOR) uint8_t again[LARGE];
    const struct simulated_disk_options options = {.seed = 1, .size = LARGE};
    disk = simulated_disk_new(&options);
    simulated_disk_open(&reactor, disk);
    struct random random;
    random_init(&random, 1);
    random_fill(&random, large, LARGE);
    EXPECT(reactor_write(&reactor, large, LARGE, 0, false, NULL) == TACTUS_OK);
    EXPECT(simulated_disk_change_count(disk) == 4);
    EXPECT(reactor_read(&reactor, again, LARGE, 0, NULL) == TACTUS_OK);
    EXPECT(bytes_equal(large, again, LARGE));
    EXPECT(reactor_write(&reactor, large, 0, 0, true, NULL) == TACTUS_OK);
    end();
}

TEST_MAIN()
