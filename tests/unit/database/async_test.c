/* Commits that nobody waits for: started, queued, waited for from other threads, told by a
 * descriptor. Works in the current directory, in names that begin with "async_test". */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "database/database.h"
#include "support/database_fixture.h"
#include "support/test.h"

#include "base/poison.h"

#define PATH "async_test.tactus"
enum { COMMITS = 200, THREADS = 2 };

static struct database_fixture fixture;

static const struct {
    const char *path;
    uint32_t flags;
} files[] = {{PATH, 0}, {PATH, TACTUS_POSIX_IO}, {":memory:", 0}};
enum { FILES = sizeof files / sizeof files[0] };

/* Opens a file of that kind, new. */
static void begin_file(uint32_t kind, uint32_t sync)
{
    (void)unlink(PATH);
    fixture = (struct database_fixture){.create = database_fixture_create_options()};
    tactus_open_options_default(&fixture.open);
    struct tactus_open_options open = fixture.open;
    open.schema = database_fixture_schema();
    open.create = &fixture.create;
    open.sync = sync;
    open.flags = files[kind].flags;
    EXPECT(tactus_open(files[kind].path, &open, &fixture.error, &fixture.db) == TACTUS_OK);
    database_fixture_find(&fixture);
}

/* Closes, and whether the file then holds so many items. */
static void end_file(uint32_t kind, uint32_t count)
{
    EXPECT(database_fixture_count(&fixture, NULL) == count);
    EXPECT(tactus_close(fixture.db) == TACTUS_OK);
    if (strcmp(files[kind].path, PATH) != 0) return;
    EXPECT(tactus_open(PATH, NULL, NULL, &fixture.db) == TACTUS_OK);
    database_fixture_find(&fixture);
    EXPECT(database_fixture_count(&fixture, NULL) == count);
    EXPECT(tactus_close(fixture.db) == TACTUS_OK);
    EXPECT(tactus_verify(PATH, NULL, NULL, NULL, NULL) == TACTUS_OK);
    (void)unlink(PATH);
}

static enum tactus_status start(uint64_t id, uint64_t *op)
{
    tactus_txn *txn = database_fixture_txn(&fixture);
    const struct fixture_item item = database_fixture_item(id, 1);
    EXPECT(tactus_insert(txn, fixture.items, &item, 1, NULL) == TACTUS_OK);
    return tactus_commit_start(txn, op);
}

static uint64_t durable_op(void)
{
    uint64_t op = 0;
    EXPECT(tactus_durable_op(fixture.db, &op) == TACTUS_OK);
    return op;
}

/* ---- Starting and waiting -------------------------------------------------------------------- */

TEST(async, a_started_commit_is_there_at_once_and_durable_when_waited_for)
{
    for (uint32_t kind = 0; kind < FILES; kind += 1) {
        for (uint32_t sync = TACTUS_SYNC_COMMIT; sync <= TACTUS_SYNC_NONE; sync += 1) {
            begin_file(kind, sync);
            uint64_t op = 0;
            for (uint64_t id = 1; id <= COMMITS; id += 1) {
                EXPECT(start(id, &op) == TACTUS_OK && op == id);
                if (id % 50 == 25) EXPECT(tactus_durable_wait(fixture.db, op - 10) == TACTUS_OK);
                if (id % 50 == 25) EXPECT(durable_op() >= op - 10);
            }
            EXPECT(database_fixture_count(&fixture, NULL) == COMMITS);
            EXPECT(tactus_durable_wait(fixture.db, op) == TACTUS_OK);
            EXPECT(durable_op() == op);
            EXPECT(database_fixture_stats(&fixture).op_durable == op);
            EXPECT(start(COMMITS + 1, NULL) == TACTUS_OK);
            end_file(kind, COMMITS + 1); /* the last one by closing */
        }
    }
}

#define SECOND UINT64_C(1000000000)

/* A disk that takes a second for whatever is written to the journal. */
static void begin_slow(void)
{
    database_fixture_begin(&fixture, 1);
    const struct simulated_fault slow = {
        .kind = SIMULATED_DELAY,
        .from = fixture.db->layout.journal_offset,
        .to = fixture.db->layout.grid_offset,
        .is_sticky = true,
        .delay_ns = SECOND,
    };
    simulated_disk_fault_add(fixture.disk, slow);
}

TEST(async, a_started_commit_does_not_wait_and_a_commit_does)
{
    begin_slow();
    const uint64_t before = reactor_now_ns(&fixture.db->reactor);
    uint64_t op = 0;
    for (uint64_t id = 1; id <= 8; id += 1)
        EXPECT(start(id, &op) == TACTUS_OK);
    EXPECT(reactor_now_ns(&fixture.db->reactor) - before < SECOND);
    EXPECT(database_fixture_stats(&fixture).op_durable == 0);
    EXPECT(database_fixture_insert(&fixture, 100, 1, 1) == TACTUS_OK);
    EXPECT(reactor_now_ns(&fixture.db->reactor) - before >= SECOND);
    EXPECT(database_fixture_stats(&fixture).op_durable == 9);
    database_fixture_end(&fixture);
}

TEST(async, queued_commits_share_a_flush)
{
    begin_slow();
    const uint64_t writes = fixture.db->journal.queue.write_total;
    uint64_t op = 0;
    for (uint64_t id = 1; id <= 64; id += 1) {
        EXPECT(start(id, &op) == TACTUS_OK);
        if (id % 8 == 0) EXPECT(tactus_durable_wait(fixture.db, op) == TACTUS_OK);
    }
    EXPECT(fixture.db->journal.queue.write_total - writes == 8 * (JOURNAL_WRITES_IN_FLIGHT + 1));
    EXPECT(fixture.db->journal.queue.flush_total == 0);
    database_fixture_end(&fixture);
}

TEST(async, an_empty_transaction_starts_nothing)
{
    database_fixture_begin(&fixture, 1);
    uint64_t op = 77;
    EXPECT(tactus_commit_start(database_fixture_txn(&fixture), &op) == TACTUS_OK && op == 0);
    EXPECT(tactus_durable_wait(fixture.db, 0) == TACTUS_OK);
    EXPECT(start(1, &op) == TACTUS_OK && op == 1);
    EXPECT(tactus_commit_start(database_fixture_txn(&fixture), &op) == TACTUS_OK && op == 1);
    database_fixture_end(&fixture);
}

TEST(async, misuse_is_answered)
{
    database_fixture_begin(&fixture, 1);
    uint64_t op = 0;
    EXPECT(start(1, &op) == TACTUS_OK);
    EXPECT(tactus_durable_wait(fixture.db, op + 1) == TACTUS_MISUSE);
    EXPECT(tactus_durable_wait(NULL, 1) == TACTUS_MISUSE);
    EXPECT(tactus_durable_op(NULL, &op) == TACTUS_MISUSE);
    EXPECT(tactus_durable_op(fixture.db, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_commit_start(NULL, &op) == TACTUS_MISUSE);
    EXPECT(tactus_fd(NULL) == -1);
    tactus_txn *txn = database_fixture_txn(&fixture);
    tactus_rollback(txn);
    EXPECT(tactus_commit_start(txn, &op) == TACTUS_MISUSE);
    EXPECT(database_fixture_close(&fixture) == TACTUS_OK);

    fixture.open.flags = TACTUS_READ_ONLY_OPEN;
    EXPECT(database_fixture_open(&fixture, false) == TACTUS_OK);
    EXPECT(tactus_durable_wait(fixture.db, 1) == TACTUS_OK); /* what was read is durable */
    EXPECT(tactus_durable_wait(fixture.db, 2) == TACTUS_MISUSE);
    EXPECT(durable_op() == 1);
    EXPECT(tactus_fd(fixture.db) == -1);
    EXPECT(tactus_error(fixture.db)->status == TACTUS_READ_ONLY);
    database_fixture_end(&fixture);
}

/* ---- Failures -------------------------------------------------------------------------------- */

TEST(async, a_write_that_fails_later_is_said_by_the_next_change_and_to_who_waits)
{
    database_fixture_begin(&fixture, 1);
    uint64_t op = 0;
    EXPECT(start(1, &op) == TACTUS_OK);
    EXPECT(tactus_durable_wait(fixture.db, op) == TACTUS_OK);
    const int fd = tactus_fd(fixture.db);
    const struct simulated_fault fault = {
        .kind = SIMULATED_WRITE_ERROR,
        .from = fixture.db->layout.journal_offset,
        .to = fixture.db->layout.headers_offset,
        .is_sticky = true,
    };
    simulated_disk_fault_add(fixture.disk, fault);
    EXPECT(start(2, &op) == TACTUS_OK);
    EXPECT(start(3, &op) == TACTUS_OK);
    EXPECT(tactus_durable_wait(fixture.db, op) == TACTUS_POISONED);
    EXPECT(tactus_durable_wait(fixture.db, 1) == TACTUS_OK);
    uint64_t durable = 0;
    EXPECT(tactus_durable_op(fixture.db, &durable) == TACTUS_POISONED && durable == 1);
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    EXPECT(poll(&pollfd, 1, 0) == 1);

    for (uint32_t times = 0; times < 2; times += 1) {
        tactus_txn *txn = NULL;
        EXPECT(tactus_begin(fixture.db, NULL, &txn) == TACTUS_POISONED);
        EXPECT(tactus_error(fixture.db)->status == TACTUS_POISONED);
        EXPECT(database_fixture_says(&fixture, "could not be written"));
        EXPECT(tactus_flush(fixture.db) == TACTUS_POISONED);
        EXPECT(tactus_checkpoint(fixture.db) == TACTUS_POISONED);
        EXPECT(database_fixture_count(&fixture, NULL) == 3); /* reads go on */
    }
    EXPECT(database_fixture_close(&fixture) == TACTUS_POISONED);
    simulated_disk_fault_clear(fixture.disk);
    EXPECT(database_fixture_open(&fixture, false) == TACTUS_OK);
    EXPECT(database_fixture_count(&fixture, NULL) == 1);
    database_fixture_end(&fixture);
}

TEST(async, a_commit_that_was_begun_before_the_failure_is_rolled_back)
{
    database_fixture_begin(&fixture, 1);
    const struct simulated_fault fault = {.kind = SIMULATED_WRITE_ERROR, .is_sticky = true};
    simulated_disk_fault_add(fixture.disk, fault);
    uint64_t op = 0;
    EXPECT(start(1, &op) == TACTUS_OK);
    tactus_txn *txn = database_fixture_txn(&fixture);
    EXPECT(tactus_durable_wait(fixture.db, op) == TACTUS_POISONED);
    EXPECT(tactus_commit_start(txn, &op) == TACTUS_POISONED);
    EXPECT(database_fixture_close(&fixture) == TACTUS_POISONED); /* no transaction is open */
    simulated_disk_fault_clear(fixture.disk);
    simulated_disk_free(fixture.disk);
}

/* ---- Threads --------------------------------------------------------------------------------- */

struct waiter {
    pthread_t thread;
    uint64_t op_first;
    uint64_t waits;
};

/* Each op in turn, as soon as it is there: before that it is MISUSE. */
static void *wait_for_all(void *context)
{
    struct waiter *waiter = context;
    uint64_t op = waiter->op_first;
    while (op <= COMMITS) {
        const enum tactus_status status = tactus_durable_wait(fixture.db, op);
        EXPECT(status == TACTUS_OK || status == TACTUS_MISUSE);
        if (status == TACTUS_MISUSE) continue;
        uint64_t durable = 0;
        EXPECT(tactus_durable_op(fixture.db, &durable) == TACTUS_OK && durable >= op);
        op += THREADS;
        waiter->waits += 1;
    }
    return NULL;
}

TEST(async, threads_wait_while_the_writer_goes_on)
{
    for (uint32_t kind = 0; kind < FILES; kind += 1) {
        for (uint32_t sync = TACTUS_SYNC_COMMIT; sync <= TACTUS_SYNC_NONE; sync += 1) {
            begin_file(kind, sync);
            struct waiter waiters[THREADS];
            for (uint32_t index = 0; index < THREADS; index += 1) {
                waiters[index] = (struct waiter){.op_first = index + 1};
                EXPECT(
                    pthread_create(&waiters[index].thread, NULL, wait_for_all, &waiters[index]) == 0
                );
            }
            for (uint64_t id = 1; id <= COMMITS; id += 1) {
                if (id % 40 == 0) {
                    EXPECT(database_fixture_insert(&fixture, id, 1, 1) == TACTUS_OK);
                } else {
                    EXPECT(start(id, NULL) == TACTUS_OK);
                }
            }
            for (uint32_t index = 0; index < THREADS; index += 1) {
                EXPECT(pthread_join(waiters[index].thread, NULL) == 0);
                EXPECT(waiters[index].waits == COMMITS / THREADS);
            }
            end_file(kind, COMMITS);
        }
    }
}

/* ---- The descriptor -------------------------------------------------------------------------- */

TEST(async, the_descriptor_is_readable_when_the_durable_op_has_moved)
{
    for (uint32_t kind = 0; kind < FILES; kind += 1) {
        begin_file(kind, TACTUS_SYNC_COMMIT);
        const int fd = tactus_fd(fixture.db);
        EXPECT(fd >= 0 && tactus_fd(fixture.db) == fd);
        uint64_t op = 0;
        uint64_t told = 0;
        uint64_t id = 0;
        while (told < COMMITS) {
            for (uint32_t more = 0; more < 16 && id < COMMITS; more += 1) {
                id += 1;
                EXPECT(start(id, &op) == TACTUS_OK);
            }
            struct pollfd pollfd = {.fd = fd, .events = POLLIN};
            EXPECT(poll(&pollfd, 1, -1) == 1);
            uint64_t count = 0;
            EXPECT(read(fd, &count, sizeof count) == (ssize_t)sizeof count && count > 0);
            const uint64_t durable = durable_op();
            EXPECT(durable >= told && durable <= op);
            told = durable;
        }
        uint64_t count = 0;
        while (read(fd, &count, sizeof count) > 0) {
        }
        EXPECT(errno == EAGAIN);
        end_file(kind, COMMITS);
    }
}

TEST_MAIN()
