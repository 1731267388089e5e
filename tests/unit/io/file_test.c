/* Opening, locking and growing of real files, and that all backends answer alike. Works in the
 * current directory, in names that begin with "file_test". */
#include "io/file.h"

#include "base/bytes.h"
#include "base/integer.h"
#include "base/random.h"
#include "io/backend.h"
#include "support/simulated_disk.h"
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/poison.h"

enum { SIZE = 1 << 20 };
#define PATH "file_test.tactus"

static _Alignas(IO_SECTOR) uint8_t written[SIZE];
static _Alignas(IO_SECTOR) uint8_t found[SIZE];

static void written_fill(uint64_t seed)
{
    struct random random;
    random_init(&random, seed);
    random_fill(&random, written, SIZE);
    bytes_zero(found, SIZE);
}

static enum tactus_status try_open(
    struct reactor *reactor, const char *path, bool read_only, struct fault *fault
)
{
    *fault = (struct fault){0};
    const struct file_open_options options = {.path = path, .read_only = read_only};
    return file_open(reactor, &options, fault);
}

static void create(struct reactor *reactor, const char *path, enum io_path io)
{
    (void)unlink(path);
    const struct file_open_options options = {.path = path, .create = true, .io = io};
    EXPECT(file_open(reactor, &options, NULL) == TACTUS_OK);
    EXPECT(reactor->is_new);
    EXPECT(file_size(reactor) == 0);
}

/* A file of SIZE bytes with known content, closed. */
static void make(const char *path)
{
    struct reactor reactor;
    create(&reactor, path, IO_PATH_AUTO);
    written_fill(1);
    EXPECT(file_grow(&reactor, SIZE, NULL) == TACTUS_OK);
    EXPECT(reactor_write(&reactor, written, SIZE, 0, true, NULL) == TACTUS_OK);
    file_close(&reactor);
}

/* ---- Backends ------------------------------------------------------------------------------- */

static void check_transfers(struct reactor *reactor)
{
    written_fill(7);
    EXPECT(file_grow(reactor, 2 * SIZE, NULL) == TACTUS_OK);
    EXPECT(file_size(reactor) == 2 * SIZE);
    EXPECT(reactor_read(reactor, found, SIZE, SIZE, NULL) == TACTUS_OK);
    EXPECT(bytes_are_zero(found, SIZE)); /* grown, not written */
    EXPECT(reactor_write(reactor, written, SIZE, IO_SECTOR, false, NULL) == TACTUS_OK);
    EXPECT(reactor_flush(reactor, NULL) == TACTUS_OK);
    EXPECT(reactor_write(reactor, written + IO_SECTOR, IO_SECTOR, 0, true, NULL) == TACTUS_OK);
    EXPECT(reactor_read(reactor, found, SIZE, IO_SECTOR, NULL) == TACTUS_OK);
    EXPECT(bytes_equal(found, written, SIZE));
    EXPECT(reactor_read(reactor, found, IO_SECTOR, 0, NULL) == TACTUS_OK);
    EXPECT(bytes_equal(found, written + IO_SECTOR, IO_SECTOR));

    /* across the end, and far behind it */
    EXPECT(reactor_read(reactor, found, SIZE, SIZE + SIZE / 2, NULL) == TACTUS_OK);
    EXPECT(bytes_are_zero(found, SIZE));
    EXPECT(reactor_read(reactor, found, IO_SECTOR, UINT64_C(1) << 41, NULL) == TACTUS_OK);
    EXPECT(bytes_are_zero(found, IO_SECTOR));
}

/* More requests than the ring has room for, of all kinds. */
static void check_many(struct reactor *reactor)
{
    enum { COUNT = 200 };
    static struct io_request requests[COUNT + 1];
    for (uint32_t i = 0; i < COUNT; i += 1) {
        requests[i] = (struct io_request){
            .kind = IO_WRITE,
            .durable = i % 3 == 0,
            .size = IO_SECTOR,
            .offset = (uint64_t)i * IO_SECTOR,
            .buffer = written + (uint64_t)i * IO_SECTOR,
        };
        reactor_submit(reactor, &requests[i]);
    }
    requests[COUNT] = (struct io_request){.kind = IO_FLUSH};
    reactor_submit(reactor, &requests[COUNT]);
    uint32_t done_count = 0;
    while (done_count < COUNT + 1) {
        reactor_wait(reactor);
        done_count = 0;
        for (uint32_t i = 0; i <= COUNT; i += 1) {
            if (requests[i].stage == IO_DONE) done_count += 1;
        }
    }
    for (uint32_t i = 0; i <= COUNT; i += 1) {
        EXPECT(requests[i].status == TACTUS_OK);
    }
    for (uint32_t i = 0; i < COUNT; i += 1) {
        requests[i].kind = IO_READ;
        requests[i].buffer = found + (uint64_t)i * IO_SECTOR;
        reactor_submit(reactor, &requests[i]);
        if (i % 16 == 0) reactor_poll(reactor);
    }
    for (uint32_t i = 0; i < COUNT; i += 1) {
        reactor_finish(reactor, &requests[i]);
    }
    EXPECT(reactor->in_flight == 0);
    EXPECT(bytes_equal(found, written, COUNT * IO_SECTOR));
}

TEST(file, posix_reads_what_it_wrote)
{
    struct reactor reactor;
    create(&reactor, PATH, IO_PATH_POSIX);
    EXPECT(reactor.backend == &backend_posix);
    check_transfers(&reactor);
    check_many(&reactor);
    file_close(&reactor);
}

TEST(file, uring_reads_what_it_wrote)
{
    (void)unlink(PATH);
    struct reactor reactor;
    const struct file_open_options options = {.path = PATH, .create = true, .io = IO_PATH_URING};
    struct fault fault = {0};
    const enum tactus_status status = file_open(&reactor, &options, &fault);
    if (status != TACTUS_OK) { /* forbidden here, in so many words, and nothing is left behind */
        EXPECT(status == TACTUS_IO && fault.what != NULL);
        EXPECT(access(PATH, F_OK) != 0);
        return;
    }
    if (reactor.backend == &backend_uring) {
        check_transfers(&reactor);
        check_many(&reactor);
    }
    file_close(&reactor);
}

TEST(file, the_environment_forces_posix)
{
    EXPECT(setenv("TACTUS_IO", "posix", 1) == 0);
    struct reactor reactor;
    create(&reactor, PATH, IO_PATH_AUTO);
    EXPECT(reactor.backend == &backend_posix);
    file_close(&reactor);
    EXPECT(unsetenv("TACTUS_IO") == 0);
}

TEST(file, without_descriptors_for_a_ring_posix_takes_over)
{
    struct rlimit before;
    EXPECT(getrlimit(RLIMIT_NOFILE, &before) == 0);
    const int next = dup(0);
    EXPECT(next >= 0);
    close(next);
    const struct rlimit few = {.rlim_cur = (rlim_t)next + 1, .rlim_max = before.rlim_max};

    make(PATH);
    EXPECT(setrlimit(RLIMIT_NOFILE, &few) == 0);
    struct reactor reactor;
    struct fault fault;
    const enum tactus_status status = try_open(&reactor, PATH, false, &fault);
    EXPECT(setrlimit(RLIMIT_NOFILE, &before) == 0);
    EXPECT(status == TACTUS_OK);
    EXPECT(reactor.backend == &backend_posix);
    EXPECT(reactor_read(&reactor, found, SIZE, 0, NULL) == TACTUS_OK);
    EXPECT(bytes_equal(found, written, SIZE));
    file_close(&reactor);
}

/* ---- A second reactor over one file --------------------------------------------------------- */

static void check_same(struct reactor *writer, struct reactor *reader, uint64_t offset)
{
    written_fill(offset + 1);
    EXPECT(reactor_write(writer, written, SIZE, offset, false, NULL) == TACTUS_OK);
    EXPECT(reactor_read(reader, found, SIZE, offset, NULL) == TACTUS_OK);
    EXPECT(bytes_equal(found, written, SIZE));
}

static void check_sharing(struct reactor *reactor)
{
    EXPECT(file_grow(reactor, 2 * SIZE, NULL) == TACTUS_OK);
    struct reactor sharing;
    EXPECT(file_open_sharing(&sharing, reactor, NULL) == TACTUS_OK);
    EXPECT(sharing.backend == reactor->backend);
    check_same(&sharing, reactor, 0);
    check_same(reactor, &sharing, SIZE);
    check_many(&sharing);

    EXPECT(file_grow(reactor, 4 * SIZE, NULL) == TACTUS_OK); /* with the other one open */
    EXPECT(file_size(&sharing) == 4 * SIZE);
    check_same(&sharing, reactor, 3 * SIZE);
    EXPECT(reactor_read(&sharing, found, SIZE, 4 * SIZE, NULL) == TACTUS_OK);
    EXPECT(bytes_are_zero(found, SIZE));
    EXPECT(reactor_flush(reactor, NULL) == TACTUS_OK);

    /* requests of both at once, each finished by its own */
    struct io_request requests[2] = {
        {.kind = IO_WRITE, .size = SIZE, .offset = 0, .buffer = written},
        {.kind = IO_READ, .size = SIZE, .offset = 3 * SIZE, .buffer = found},
    };
    reactor_submit(reactor, &requests[0]);
    reactor_submit(&sharing, &requests[1]);
    reactor_finish(&sharing, &requests[1]);
    EXPECT(sharing.in_flight == 0);
    reactor_finish(reactor, &requests[0]);
    EXPECT(bytes_equal(found, written, SIZE));

    file_close(&sharing);
    file_close(&sharing); /* a closed one is fine */
    check_same(reactor, reactor, 2 * SIZE);
}

TEST(file, a_second_reactor_sees_what_the_first_does)
{
    static const enum io_path paths[] = {IO_PATH_POSIX, IO_PATH_AUTO};
    for (uint32_t index = 0; index < COUNT_OF(paths); index += 1) {
        struct reactor reactor;
        create(&reactor, PATH, paths[index]);
        check_sharing(&reactor);
        struct reactor other;
        struct fault fault;
        EXPECT(try_open(&other, PATH, false, &fault) == TACTUS_BUSY); /* the lock is still there */
        file_close(&reactor);
    }
    struct reactor reactor;
    struct fault fault;
    EXPECT(try_open(&reactor, ":memory:", false, &fault) == TACTUS_OK);
    check_sharing(&reactor);
    file_close(&reactor);
}

TEST(file, a_second_reactor_obeys_the_size_limit_of_the_last_growth)
{
    struct rlimit before;
    EXPECT(getrlimit(RLIMIT_FSIZE, &before) == 0);
    const struct rlimit little = {.rlim_cur = SIZE, .rlim_max = before.rlim_max};
    EXPECT(setrlimit(RLIMIT_FSIZE, &little) == 0);
    struct reactor reactor;
    create(&reactor, PATH, IO_PATH_AUTO);
    EXPECT(file_grow(&reactor, SIZE, NULL) == TACTUS_OK);
    struct reactor sharing;
    EXPECT(file_open_sharing(&sharing, &reactor, NULL) == TACTUS_OK);
    EXPECT(setrlimit(RLIMIT_FSIZE, &before) == 0);
    EXPECT(file_grow(&reactor, 2 * SIZE, NULL) == TACTUS_OK);
    check_same(&sharing, &reactor, SIZE);

    EXPECT(setrlimit(RLIMIT_FSIZE, &little) == 0);
    EXPECT(file_grow(&reactor, 3 * SIZE, NULL) == TACTUS_FULL);
    const enum tactus_status status = reactor_write(&sharing, written, SIZE, SIZE, false, NULL);
    EXPECT(setrlimit(RLIMIT_FSIZE, &before) == 0);
    EXPECT(status == TACTUS_FULL);
    file_close(&sharing);
    file_close(&reactor);
}

TEST(file, a_second_reactor_does_without_a_ring_where_there_is_none_left)
{
    make(PATH);
    struct reactor reactor;
    struct fault fault;
    EXPECT(try_open(&reactor, PATH, true, &fault) == TACTUS_OK);
    struct rlimit before;
    EXPECT(getrlimit(RLIMIT_NOFILE, &before) == 0);
    const int next = dup(0);
    EXPECT(next >= 0);
    close(next);
    const struct rlimit few = {.rlim_cur = (rlim_t)next, .rlim_max = before.rlim_max};
    EXPECT(setrlimit(RLIMIT_NOFILE, &few) == 0);
    struct reactor sharing;
    const enum tactus_status status = file_open_sharing(&sharing, &reactor, &fault);
    EXPECT(setrlimit(RLIMIT_NOFILE, &before) == 0);
    EXPECT(status == TACTUS_OK);
    EXPECT(sharing.backend == &backend_posix);
    EXPECT(reactor_read(&sharing, found, SIZE, 0, NULL) == TACTUS_OK);
    EXPECT(bytes_equal(found, written, SIZE));
    file_close(&sharing);
    file_close(&reactor);
}

TEST(file, a_disk_of_another_kind_is_not_shared)
{
    const struct simulated_disk_options options = {.size = SIZE};
    struct simulated_disk *disk = simulated_disk_new(&options);
    struct reactor reactor;
    simulated_disk_open(&reactor, disk);
    struct reactor sharing;
    struct fault fault = {0};
    EXPECT(file_open_sharing(&sharing, &reactor, &fault) == TACTUS_IO);
    EXPECT(fault.what != NULL);
    file_close(&sharing); /* it is closed already */
    file_close(&reactor);
    simulated_disk_free(disk);
}

TEST(file, memory_is_a_file_that_leaves_nothing)
{
    struct reactor reactor;
    struct fault fault;
    EXPECT(try_open(&reactor, ":memory:", false, &fault) == TACTUS_OK);
    EXPECT(reactor.is_new && file_size(&reactor) == 0);
    check_transfers(&reactor);
    check_many(&reactor);
    EXPECT(file_grow(&reactor, UINT64_C(1) << 50, &fault) == TACTUS_FULL);
    EXPECT(fault.what != NULL);
    EXPECT(file_size(&reactor) == 2 * SIZE);
    file_close(&reactor);
    EXPECT(access(":memory:", F_OK) != 0);
}

TEST(file, the_clock_does_not_go_back)
{
    struct reactor reactor;
    create(&reactor, PATH, IO_PATH_AUTO);
    uint64_t last = reactor_now_ns(&reactor);
    for (uint32_t i = 0; i < 1000; i += 1) {
        const uint64_t now = reactor_now_ns(&reactor);
        EXPECT(now >= last);
        last = now;
    }
    file_close(&reactor);
}

/* ---- Opening -------------------------------------------------------------------------------- */

TEST(file, what_is_written_is_there_after_reopening)
{
    make(PATH);
    struct reactor reactor;
    struct fault fault;
    EXPECT(try_open(&reactor, PATH, false, &fault) == TACTUS_OK);
    EXPECT(!reactor.is_new && file_size(&reactor) == SIZE);
    EXPECT(reactor_read(&reactor, found, SIZE, 0, NULL) == TACTUS_OK);
    EXPECT(bytes_equal(found, written, SIZE));
    file_close(&reactor);
    file_close(&reactor); /* again is fine */
}

TEST(file, names_with_spaces_and_letters_of_any_kind_are_names)
{
    static const char *const names[] = {
        "file_test with spaces.tactus",
        "file_test-Größe-数据-🗄.tactus",
        "./file_test'quote\".tactus"};
    for (uint32_t i = 0; i < COUNT_OF(names); i += 1) {
        make(names[i]);
        struct reactor reactor;
        struct fault fault;
        EXPECT(try_open(&reactor, names[i], true, &fault) == TACTUS_OK);
        file_close(&reactor);
        EXPECT(unlink(names[i]) == 0);
    }
}

TEST(file, a_file_that_is_not_there_is_absent_and_stays_so)
{
    struct reactor reactor;
    struct fault fault;
    (void)unlink(PATH);
    EXPECT(try_open(&reactor, PATH, false, &fault) == TACTUS_ABSENT);
    EXPECT(fault.os_error == ENOENT && fault.what != NULL && fault.zone == FAULT_ZONE_FILE);
    EXPECT(try_open(&reactor, PATH, true, &fault) == TACTUS_ABSENT);
    EXPECT(access(PATH, F_OK) != 0);
    EXPECT(try_open(&reactor, "file_test_nowhere/x", false, &fault) == TACTUS_ABSENT);
    EXPECT(try_open(&reactor, "", false, &fault) == TACTUS_ABSENT);
    const struct file_open_options options = {.path = "file_test_nowhere/x", .create = true};
    fault_clear(&fault);
    EXPECT(file_open(&reactor, &options, &fault) == TACTUS_ABSENT);
}

TEST(file, creating_does_not_touch_a_file_that_is_there)
{
    make(PATH);
    struct reactor reactor;
    struct fault fault = {0};
    struct file_open_options options = {.path = PATH, .create = true};
    EXPECT(file_open(&reactor, &options, &fault) == TACTUS_EXISTS);
    EXPECT(fault.os_error == EEXIST && fault.remedy != NULL);
    EXPECT(try_open(&reactor, PATH, true, &fault) == TACTUS_OK);
    EXPECT(file_size(&reactor) == SIZE);
    file_close(&reactor);

    options.overwrite = true;
    EXPECT(file_open(&reactor, &options, NULL) == TACTUS_OK);
    EXPECT(reactor.is_new && file_size(&reactor) == 0);
    EXPECT(file_grow(&reactor, SIZE, NULL) == TACTUS_OK);
    EXPECT(reactor_read(&reactor, found, SIZE, 0, NULL) == TACTUS_OK);
    EXPECT(bytes_are_zero(found, SIZE));
    file_discard(&reactor, PATH);
    EXPECT(access(PATH, F_OK) == 0); /* it was there before */
}

TEST(file, a_create_that_is_given_up_leaves_no_file)
{
    struct reactor reactor;
    create(&reactor, PATH, IO_PATH_AUTO);
    EXPECT(access(PATH, F_OK) == 0);
    file_discard(&reactor, PATH);
    EXPECT(access(PATH, F_OK) != 0);
}

TEST(file, what_is_no_file_is_refused_in_words)
{
    struct reactor reactor;
    struct fault fault;
    EXPECT(try_open(&reactor, ".", false, &fault) == TACTUS_IO);
    EXPECT(fault.what != NULL);
    EXPECT(try_open(&reactor, ".", true, &fault) == TACTUS_IO);
    EXPECT(try_open(&reactor, "/dev/null", false, &fault) == TACTUS_IO);
    EXPECT(fault.what != NULL);
    (void)unlink("file_test_fifo");
    EXPECT(mkfifo("file_test_fifo", 0600) == 0);
    EXPECT(try_open(&reactor, "file_test_fifo", true, &fault) == TACTUS_IO); /* does not wait */
    EXPECT(try_open(&reactor, "file_test_fifo", false, &fault) == TACTUS_IO);
    const struct file_open_options options = {
        .path = "file_test_fifo", .create = true, .overwrite = true};
    EXPECT(file_open(&reactor, &options, NULL) == TACTUS_IO);
    EXPECT(unlink("file_test_fifo") == 0);
    EXPECT(try_open(&reactor, "/etc/passwd/x", false, &fault) == TACTUS_IO); /* ENOTDIR */
}

TEST(file, a_file_without_permission_to_write_can_be_read)
{
    make(PATH);
    EXPECT(chmod(PATH, 0400) == 0);
    struct reactor reactor;
    struct fault fault;
    EXPECT(try_open(&reactor, PATH, true, &fault) == TACTUS_OK);
    file_close(&reactor);
    if (geteuid() != 0) {
        EXPECT(try_open(&reactor, PATH, false, &fault) == TACTUS_IO);
        EXPECT(fault.os_error == EACCES && fault.remedy != NULL);
    }
    EXPECT(chmod(PATH, 0600) == 0);
}

TEST(file, a_file_of_odd_length_reads_as_zeros_behind_its_end)
{
    make(PATH);
    EXPECT(truncate(PATH, 5000) == 0);
    struct reactor reactor;
    struct fault fault;
    static const enum io_path paths[] = {IO_PATH_AUTO, IO_PATH_POSIX};
    for (uint32_t i = 0; i < 2; i += 1) {
        const struct file_open_options options = {.path = PATH, .io = paths[i]};
        EXPECT(file_open(&reactor, &options, &fault) == TACTUS_OK);
        EXPECT(file_size(&reactor) == 5000);
        EXPECT(reactor_read(&reactor, found, 16384, 0, NULL) == TACTUS_OK);
        EXPECT(bytes_equal(found, written, 5000));
        EXPECT(bytes_are_zero(found + 5000, 16384 - 5000));
        file_close(&reactor);
    }
    EXPECT(try_open(&reactor, PATH, false, &fault) == TACTUS_OK);
    EXPECT(file_grow(&reactor, SIZE, NULL) == TACTUS_OK);
    EXPECT(reactor_read(&reactor, found, SIZE, 0, NULL) == TACTUS_OK);
    EXPECT(bytes_equal(found, written, 5000));
    EXPECT(bytes_are_zero(found + 5000, SIZE - 5000));
    file_close(&reactor);
}

/* ---- Locks ---------------------------------------------------------------------------------- */

TEST(file, a_writer_is_alone_and_readers_stand_beside_each_other)
{
    make(PATH);
    struct reactor a;
    struct reactor b;
    struct fault fault;
    EXPECT(try_open(&a, PATH, false, &fault) == TACTUS_OK);
    EXPECT(try_open(&b, PATH, false, &fault) == TACTUS_BUSY);
    EXPECT(fault.what != NULL && fault.remedy != NULL);
    EXPECT(try_open(&b, PATH, true, &fault) == TACTUS_BUSY);
    EXPECT(try_open(&b, "./" PATH, false, &fault) == TACTUS_BUSY);
    file_close(&a);
    EXPECT(try_open(&a, PATH, true, &fault) == TACTUS_OK);
    EXPECT(try_open(&b, PATH, true, &fault) == TACTUS_OK);
    file_close(&a);
    EXPECT(try_open(&a, PATH, false, &fault) == TACTUS_BUSY);
    file_close(&b);
    EXPECT(try_open(&a, PATH, false, &fault) == TACTUS_OK);
    file_close(&a);
}

TEST(file, links_lead_to_the_same_lock)
{
    make(PATH);
    (void)unlink("file_test_hard");
    (void)unlink("file_test_soft");
    EXPECT(link(PATH, "file_test_hard") == 0);
    EXPECT(symlink(PATH, "file_test_soft") == 0);
    struct reactor a;
    struct reactor b;
    struct fault fault;
    EXPECT(try_open(&a, "file_test_soft", false, &fault) == TACTUS_OK);
    EXPECT(try_open(&b, "file_test_hard", false, &fault) == TACTUS_BUSY);
    file_close(&a);
    EXPECT(unlink("file_test_hard") == 0);
    EXPECT(unlink("file_test_soft") == 0);
}

/* A child that has the file open until a byte comes through the pipe, or the child is killed. */
struct holder {
    pid_t pid;
    int to;
};

static struct holder holder_start(void)
{
    int to[2];
    int from[2];
    EXPECT(pipe(to) == 0 && pipe(from) == 0);
    const pid_t pid = fork();
    EXPECT(pid >= 0);
    uint8_t byte = 0;
    if (pid == 0) {
        struct reactor reactor;
        struct fault fault;
        close(to[1]);
        if (try_open(&reactor, PATH, false, &fault) != TACTUS_OK) _exit(1);
        if (write(from[1], &byte, 1) != 1) _exit(1);
        const ssize_t result = read(to[0], &byte, 1);
        usleep(100000); /* the other is waiting for the lock by now */
        file_close(&reactor);
        _exit(result < 0);
    }
    EXPECT(read(from[0], &byte, 1) == 1);
    close(to[0]);
    close(from[0]);
    close(from[1]);
    return (struct holder){.pid = pid, .to = to[1]};
}

TEST(file, another_process_that_has_the_file_is_named)
{
    make(PATH);
    const struct holder holder = holder_start();
    struct reactor reactor;
    struct fault fault;
    EXPECT(try_open(&reactor, PATH, false, &fault) == TACTUS_BUSY);
    EXPECT(fault.found_number == (uint64_t)holder.pid);
    EXPECT(try_open(&reactor, PATH, true, &fault) == TACTUS_BUSY);
    EXPECT(fault.found_number == (uint64_t)holder.pid);

    /* and no byte of it is lost to an overwrite */
    const struct file_open_options options = {.path = PATH, .create = true, .overwrite = true};
    EXPECT(file_open(&reactor, &options, NULL) == TACTUS_BUSY);
    struct stat status;
    EXPECT(stat(PATH, &status) == 0 && status.st_size == SIZE);

    /* one that lets go while we wait is waited for */
    EXPECT(write(holder.to, "", 1) == 1);
    EXPECT(try_open(&reactor, PATH, false, &fault) == TACTUS_OK);
    file_close(&reactor);
    close(holder.to);
    EXPECT(waitpid(holder.pid, NULL, 0) == holder.pid);
}

TEST(file, a_killed_process_leaves_no_lock)
{
    make(PATH);
    const struct holder holder = holder_start();
    EXPECT(kill(holder.pid, SIGKILL) == 0);
    struct reactor reactor;
    struct fault fault;
    EXPECT(try_open(&reactor, PATH, false, &fault) == TACTUS_OK);
    file_close(&reactor);
    close(holder.to);
    EXPECT(waitpid(holder.pid, NULL, 0) == holder.pid);
}

/* ---- Growing -------------------------------------------------------------------------------- */

TEST(file, growing_takes_room_on_the_disk_and_never_shrinks)
{
    struct reactor reactor;
    create(&reactor, PATH, IO_PATH_AUTO);
    EXPECT(file_grow(&reactor, SIZE, NULL) == TACTUS_OK);
    struct stat status;
    EXPECT(stat(PATH, &status) == 0);
    EXPECT(status.st_size == SIZE);
    EXPECT((uint64_t)status.st_blocks * 512 >= SIZE);
    EXPECT(file_grow(&reactor, IO_SECTOR, NULL) == TACTUS_OK);
    EXPECT(file_size(&reactor) == SIZE);
    EXPECT(file_grow(&reactor, 0, NULL) == TACTUS_OK);
    file_close(&reactor);
}

TEST(file, a_limit_on_file_size_is_full_and_not_a_signal)
{
    struct rlimit before;
    EXPECT(getrlimit(RLIMIT_FSIZE, &before) == 0);
    make(PATH);
    const struct rlimit limit = {.rlim_cur = SIZE + 8192, .rlim_max = before.rlim_max};
    EXPECT(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    struct reactor reactor;
    struct fault fault;
    EXPECT(try_open(&reactor, PATH, false, &fault) == TACTUS_OK);
    EXPECT(file_grow(&reactor, SIZE + 8192, &fault) == TACTUS_OK);
    EXPECT(file_grow(&reactor, SIZE + 12288, &fault) == TACTUS_FULL);
    EXPECT(fault.os_error == EFBIG);
    EXPECT(reactor_write(&reactor, written, IO_SECTOR, SIZE, true, NULL) == TACTUS_OK);
    EXPECT(reactor_write(&reactor, written, 8192, SIZE + 4096, true, NULL) == TACTUS_FULL);
    file_close(&reactor);

    /* a limit below what the file has already */
    const struct rlimit lower = {.rlim_cur = 8192, .rlim_max = before.rlim_max};
    EXPECT(setrlimit(RLIMIT_FSIZE, &lower) == 0);
    EXPECT(try_open(&reactor, PATH, false, &fault) == TACTUS_OK);
    EXPECT(reactor_write(&reactor, written, 8192, 0, true, NULL) == TACTUS_OK);
    EXPECT(reactor_write(&reactor, written, 8192, 4096, true, NULL) == TACTUS_FULL);
    file_close(&reactor);
    EXPECT(setrlimit(RLIMIT_FSIZE, &before) == 0);
}

TEST(file, closing_waits_for_what_is_in_flight)
{
    make(PATH);
    struct reactor reactor;
    struct fault fault;
    EXPECT(try_open(&reactor, PATH, false, &fault) == TACTUS_OK);
    struct io_request write = {.kind = IO_WRITE, .size = SIZE, .buffer = written};
    written_fill(99);
    reactor_submit(&reactor, &write);
    file_close(&reactor);
    EXPECT(write.stage == IO_DONE && write.status == TACTUS_OK);
    EXPECT(try_open(&reactor, PATH, true, &fault) == TACTUS_OK);
    EXPECT(reactor_read(&reactor, found, SIZE, 0, NULL) == TACTUS_OK);
    EXPECT(bytes_equal(found, written, SIZE));
    file_close(&reactor);
}

TEST(file, open_and_close_leak_nothing)
{
    make(PATH);
    const int before = dup(0);
    for (uint32_t i = 0; i < 50; i += 1) {
        struct reactor reactor;
        struct fault fault;
        EXPECT(try_open(&reactor, PATH, i % 2 == 0, &fault) == TACTUS_OK);
        file_close(&reactor);
        EXPECT(try_open(&reactor, ".", false, &fault) == TACTUS_IO);
    }
    const int after = dup(0);
    EXPECT(after == before + 1);
    close(before);
    close(after);
    EXPECT(unlink(PATH) == 0);
}

TEST_MAIN()
