/* What is on its way to the journal: order and groups, disks that are done in another order than
 * they were asked, each write and flush failing in its turn, room, and threads that wait. Power
 * cuts are tests/sim/journal_test.c's. */
#include "storage/journal_queue.h"

#include "base/bytes.h"
#include "base/integer.h"
#include "base/random.h"
#include "io/backend.h"
#include "io/file.h"
#include "support/journal_fixture.h"
#include "support/test.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/poison.h"

enum { RING = 64, ENTRY = 4, SMALL = 100, LARGE = ENTRY * SECTOR_SIZE - JOURNAL_HEADER_SIZE };
#define SECOND UINT64_C(1000000000)

static struct journal_fixture fixture;
static struct journal *const journal = &fixture.journal;
static struct journal_queue *const queue = &fixture.journal.queue;

/* A disk that takes its time, so that a test says itself what is done. */
static void begin(uint64_t seed)
{
    journal_fixture_new(&fixture, RING, ENTRY, seed, false);
    journal_fixture_reopen(&fixture);
}

static void begin_immediate(void)
{
    journal_fixture_new(&fixture, RING, ENTRY, 1, true);
    journal_fixture_reopen(&fixture);
}

static void end(void)
{
    journal_fixture_free(&fixture);
}

static void slow_down(uint64_t from, uint64_t to, bool is_sticky)
{
    const struct simulated_fault delay = {
        .kind = SIMULATED_DELAY,
        .from = from,
        .to = to,
        .is_sticky = is_sticky,
        .delay_ns = SECOND,
    };
    simulated_disk_fault_add(fixture.disk, delay);
}

static void slow_entries_down(void)
{
    slow_down(fixture.layout.journal_offset, fixture.layout.headers_offset, true);
}

static uint64_t now(void)
{
    return reactor_now_ns(&fixture.reactor);
}

static void append(uint64_t body_size, enum journal_sync sync)
{
    const uint64_t content = journal_head(journal).op;
    EXPECT(journal_fixture_append(&fixture, body_size, content, sync) == TACTUS_OK);
}

/* What is there after a kill: these ops, whose contents are their numbers. */
static void expect_recovered(uint64_t first, uint64_t last)
{
    uint64_t contents[RING];
    for (uint64_t op = first; op <= last; op += 1)
        contents[op - first] = op;
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    EXPECT(journal_fixture_holds(&fixture, first, contents, last + 1 - first));
}

/* ---- Order and groups ------------------------------------------------------------------------ */

TEST(journal_queue, what_gathers_while_the_disk_is_busy_goes_out_in_one_write)
{
    begin(1);
    slow_entries_down();
    const uint64_t before = now();
    for (uint32_t i = 0; i < 8; i += 1)
        append(SMALL, JOURNAL_SYNC_START);
    EXPECT(now() - before < SECOND); /* nobody waited */
    EXPECT(queue->write_total == JOURNAL_WRITES_IN_FLIGHT);
    EXPECT(journal_op_durable(journal) == 0);

    EXPECT(journal_wait(journal, 8) == TACTUS_OK);
    EXPECT(journal_op_durable(journal) == 8);
    EXPECT(queue->write_total == JOURNAL_WRITES_IN_FLIGHT + 1);
    EXPECT(queue->flush_total == 0); /* durable writes, all of them */
    expect_recovered(1, 8);
    end();
}

TEST(journal_queue, a_second_write_is_begun_when_it_is_worth_it_or_waited_for)
{
    begin(1);
    slow_entries_down();
    append(SMALL, JOURNAL_SYNC_START);
    EXPECT(queue->write_total == 1); /* at once */
    while (queue->write_total == 1)
        append(SMALL, JOURNAL_SYNC_START);
    EXPECT(journal_op_last(journal) == 1 + JOURNAL_GROUP_BYTES_MIN / SECTOR_SIZE);
    EXPECT(journal_wait(journal, journal_op_last(journal)) == TACTUS_OK);

    append(SMALL, JOURNAL_SYNC_START);
    append(SMALL, JOURNAL_SYNC_START);
    EXPECT(queue->write_total == 3);
    append(SMALL, JOURNAL_SYNC_WAIT);
    EXPECT(queue->write_total == 4);
    end();
}

TEST(journal_queue, a_group_ends_where_the_ring_does)
{
    begin(1);
    for (uint32_t i = 0; i < RING - 3; i += 1)
        append(SMALL, JOURNAL_SYNC_NONE);
    journal_fixture_checkpoint(&fixture);
    slow_entries_down();
    const uint64_t writes = queue->write_total;
    for (uint32_t i = 0; i < 8; i += 1)
        append(SMALL, JOURNAL_SYNC_START);
    EXPECT(journal_flush(journal) == TACTUS_OK);
    EXPECT(journal_head(journal).offset == 5 * SECTOR_SIZE);
    EXPECT(queue->write_total - writes == 3); /* one, two up to the end, five from the start */
    expect_recovered(RING - 2, RING + 5);
    end();
}

TEST(journal_queue, an_op_is_durable_when_all_before_it_are)
{
    begin(1);
    const uint64_t byte = fixture.layout.journal_offset;
    slow_down(byte, byte + SECTOR_SIZE, false); /* op 1's place */
    append(SMALL, JOURNAL_SYNC_START);
    append(LARGE, JOURNAL_SYNC_START);
    while (queue->writes[1].request.stage != IO_DONE) {
        simulated_disk_advance(fixture.disk, SECOND / 100);
        journal_poll(journal);
    }
    EXPECT(queue->writes[0].request.stage == IO_IN_FLIGHT);
    EXPECT(journal_op_durable(journal) == 0); /* op 2 is on the disk, and counts for nothing */
    append(SMALL, JOURNAL_SYNC_START);
    EXPECT(journal_header_decode(journal_headers_get(&journal->headers, 3)).durable_op == 0);
    EXPECT(journal_wait(journal, 1) == TACTUS_OK);
    EXPECT(journal_op_durable(journal) >= 2);
    end();
}

TEST(journal_queue, redundant_headers_follow_durability_and_nobody_waits_for_them)
{
    begin(1);
    slow_down(fixture.layout.headers_offset, fixture.layout.grid_offset, true);
    for (uint32_t i = 0; i < 20; i += 1) {
        append(SMALL, i % 4 == 3 ? JOURNAL_SYNC_WAIT : JOURNAL_SYNC_START);
        const struct io_request *header = journal_headers_in_flight(&journal->headers);
        EXPECT((header != NULL) == (journal_op_durable(journal) > 0));
        if (header == NULL) continue;
        /* What goes out names durable ops alone. */
        for (uint32_t at = 0; at < header->size; at += JOURNAL_HEADER_SIZE) {
            const uint8_t *bytes = (const uint8_t *)header->buffer + at;
            if (bytes_are_zero(bytes, JOURNAL_HEADER_SIZE)) continue;
            EXPECT(journal_header_decode(bytes).op <= journal_op_durable(journal));
        }
    }
    EXPECT(now() < 2 * SECOND);
    EXPECT(journal_close(journal) == TACTUS_OK); /* it does */
    EXPECT(now() >= 2 * SECOND);
    end();
}

/* ---- Plain writes and flushes ---------------------------------------------------------------- */

TEST(journal_queue, a_wait_for_plain_writes_is_one_flush)
{
    begin(1);
    for (uint32_t i = 0; i < 10; i += 1)
        append(SMALL, JOURNAL_SYNC_NONE);
    EXPECT(queue->flush_total == 0 && journal_op_durable(journal) == 0);
    EXPECT(journal_wait(journal, 4) == TACTUS_OK);
    EXPECT(journal_op_durable(journal) >= 4);
    EXPECT(journal_wait(journal, 10) == TACTUS_OK);
    EXPECT(queue->flush_total <= 2);

    append(SMALL, JOURNAL_SYNC_WAIT); /* nothing plain is before it any more */
    EXPECT(queue->flush_total <= 2);
    append(SMALL, JOURNAL_SYNC_NONE);
    const uint64_t flushes = queue->flush_total;
    append(SMALL, JOURNAL_SYNC_WAIT);
    EXPECT(queue->flush_total == flushes + 1);
    EXPECT(journal_op_durable(journal) == 13);
    simulated_disk_crash(fixture.disk, (struct simulated_crash){.kind = SIMULATED_DROP_ALL});
    expect_recovered(1, 13);
    end();
}

/* Somebody always asks for more than is written: what was asked for first becomes durable. */
TEST(journal_queue, a_flush_is_not_put_off_by_who_asks_for_more)
{
    begin(1);
    slow_entries_down();
    uint64_t first = 0;
    for (uint32_t i = 0; i < 40 && journal_op_durable(journal) == 0; i += 1) {
        append(SMALL, JOURNAL_SYNC_NONE);
        journal_flush_start(journal);
        if (first == 0) first = journal_op_last(journal);
        simulated_disk_advance(fixture.disk, SECOND / 4);
    }
    EXPECT(journal_op_durable(journal) >= first);
    end();
}

TEST(journal_queue, a_started_flush_is_brought_on_by_looking)
{
    begin(1);
    for (uint32_t i = 0; i < 5; i += 1)
        append(SMALL, JOURNAL_SYNC_NONE);
    journal_flush_start(journal);
    EXPECT(journal_op_durable(journal) < 5);
    for (uint32_t i = 0; i < 100 && journal_op_durable(journal) < 5; i += 1)
        journal_poll(journal);
    EXPECT(journal_op_durable(journal) == 5);
    EXPECT(queue->flush_total == 1);
    end();
}

TEST(journal_queue, a_disk_that_is_waited_for_flushes_once_for_all_that_was_queued)
{
    begin_immediate();
    for (uint32_t i = 0; i < 8; i += 1)
        append(SMALL, JOURNAL_SYNC_START);
    EXPECT(queue->write_total == 8 && queue->flush_total == 0);
    EXPECT(journal_op_durable(journal) == 0);
    EXPECT(journal_wait(journal, 3) == TACTUS_OK);
    EXPECT(journal_op_durable(journal) == 8 && queue->flush_total == 1);
    append(SMALL, JOURNAL_SYNC_WAIT); /* one durable write is enough for one */
    EXPECT(journal_op_durable(journal) == 9 && queue->flush_total == 1);
    append(SMALL, JOURNAL_SYNC_START);
    journal_poll(journal); /* nobody else would */
    EXPECT(journal_op_durable(journal) == 10 && queue->flush_total == 2);
    append(SMALL, JOURNAL_SYNC_NONE);
    journal_flush_start(journal);
    EXPECT(journal_op_durable(journal) == 11 && queue->flush_total == 3);
    end();
}

/* ---- Room ------------------------------------------------------------------------------------ */

TEST(journal_queue, an_append_waits_for_room_only)
{
    begin(1);
    slow_entries_down();
    const uint64_t before = now();
    const uint64_t room = queue->stage_bytes / queue->entry_bytes_max;
    for (uint64_t i = 0; i < room; i += 1)
        append(LARGE, JOURNAL_SYNC_NONE); /* the next is built while others are on their way */
    EXPECT(now() - before < SECOND);
    (void)journal_body(journal);
    EXPECT(now() - before >= SECOND);
    EXPECT(journal_flush(journal) == TACTUS_OK);
    expect_recovered(1, room);
    end();
}

/* The simulated disk asserts that bytes on their way do not change. */
TEST(journal_queue, the_staging_area_goes_round)
{
    const struct test_seeds seeds = test_seeds(50);
    for (uint64_t i = 0; i < seeds.count; i += 1) {
        const uint64_t seed = seeds.first + i;
        test_seed_begin(seed);
        begin(seed);
        struct random random;
        random_init(&random, seed);
        uint64_t first = 1;
        for (uint32_t step = 0; step < 200; step += 1) {
            const uint64_t needed = 2 * ENTRY * SECTOR_SIZE;
            if (journal_used_bytes(journal) + needed > RING * SECTOR_SIZE) {
                journal_fixture_checkpoint(&fixture);
                first = journal_head(journal).op;
            }
            append(
                random_below(&random, random_chance(&random, 1, 2) ? LARGE + 1 : SMALL),
                (enum journal_sync)random_below(&random, 3)
            );
            EXPECT(queue->place + queue->entry_bytes_max <= queue->stage_bytes);
        }
        const uint64_t last = journal_op_last(journal);
        EXPECT(journal_close(journal) == TACTUS_OK);
        simulated_disk_crash(fixture.disk, (struct simulated_crash){.kind = SIMULATED_DROP_ALL});
        expect_recovered(first, last);
        end();
    }
}

/* ---- Failures -------------------------------------------------------------------------------- */

/* Queues, waits, flushes. False once something was refused. */
static bool run_script(uint64_t seed, uint64_t *acknowledged)
{
    struct random random;
    random_init(&random, seed);
    for (uint32_t step = 0; step < 20; step += 1) {
        const enum journal_sync sync = (enum journal_sync)random_below(&random, 3);
        const uint64_t op = journal_head(journal).op;
        enum tactus_status status = journal_fixture_append(&fixture, SMALL, op, sync);
        if (status == TACTUS_OK && sync == JOURNAL_SYNC_WAIT) *acknowledged = op;
        const uint64_t roll = random_below(&random, 6);
        const uint64_t asked = random_range(&random, 1, op);
        if (status == TACTUS_OK && roll == 0) {
            status = journal_wait(journal, asked);
            if (status == TACTUS_OK) *acknowledged = max_u64(*acknowledged, asked);
        }
        if (status == TACTUS_OK && roll == 1) {
            status = journal_flush(journal);
            if (status == TACTUS_OK) *acknowledged = op;
        }
        if (roll == 2) journal_flush_start(journal);
        *acknowledged = max_u64(*acknowledged, journal_op_durable(journal));
        if (status == TACTUS_OK) continue;
        EXPECT(status == TACTUS_IO || status == TACTUS_POISONED);
        return false;
    }
    return true;
}

/* Nothing is written, nothing becomes durable, and everybody is told. */
static void expect_poisoned(void)
{
    EXPECT(journal_is_poisoned(journal));
    const uint64_t op_durable = journal_op_durable(journal);
    const uint64_t op_last = journal_op_appended(journal);
    const uint64_t changes = simulated_disk_change_count(fixture.disk);
    fault_clear(&fixture.fault);
    EXPECT(journal_fixture_append(&fixture, SMALL, 1, JOURNAL_SYNC_START) == TACTUS_POISONED);
    EXPECT(fixture.fault.status == TACTUS_IO); /* the cause, not its echo */
    EXPECT(journal_flush(journal) == TACTUS_POISONED);
    journal_flush_start(journal);
    journal_poll(journal);
    for (uint64_t op = 1; op <= op_last; op += 1) {
        EXPECT(journal_wait(journal, op) == (op <= op_durable ? TACTUS_OK : TACTUS_POISONED));
    }
    EXPECT(journal_op_durable(journal) == op_durable);
    EXPECT(journal_close(journal) == TACTUS_POISONED);
    EXPECT(simulated_disk_change_count(fixture.disk) == changes);
}

/* The n-th request of that kind fails. False: there were fewer. */
static bool fail_one(uint64_t seed, enum simulated_fault_kind kind, uint64_t n)
{
    journal_fixture_new(&fixture, RING, ENTRY, seed, seed % 3 == 0);
    journal_fixture_reopen(&fixture);
    const struct simulated_fault fault = {.kind = kind, .skip = n};
    simulated_disk_fault_add(fixture.disk, fault);
    uint64_t acknowledged = 0;
    const bool was_refused = !run_script(seed, &acknowledged);
    const bool was_poisoned = journal_is_poisoned(journal);
    if (was_refused) EXPECT(was_poisoned);
    if (was_poisoned) {
        expect_poisoned();
    } else {
        const enum tactus_status closed = journal_close(journal);
        const bool has_struck = simulated_disk_fault_count(fixture.disk) > 0;
        EXPECT(closed == (has_struck ? TACTUS_IO : TACTUS_OK));
    }
    const bool has_struck = simulated_disk_fault_count(fixture.disk) > 0;
    simulated_disk_fault_clear(fixture.disk);
    simulated_disk_crash(fixture.disk, (struct simulated_crash){.kind = SIMULATED_DROP_ALL});
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    const uint64_t recovered = journal_op_last(journal);
    EXPECT(recovered >= acknowledged);
    expect_recovered(1, recovered);
    end();
    return has_struck;
}

TEST(journal_queue, each_write_and_flush_that_fails_poisons)
{
    const struct test_seeds seeds = test_seeds(30);
    uint64_t failures = 0;
    for (uint64_t i = 0; i < seeds.count; i += 1) {
        test_seed_begin(seeds.first + i);
        for (uint64_t n = 0; fail_one(seeds.first + i, SIMULATED_WRITE_ERROR, n); n += 1)
            failures += 1;
        for (uint64_t n = 0; fail_one(seeds.first + i, SIMULATED_FLUSH_ERROR, n); n += 1)
            failures += 1;
    }
    EXPECT(failures > 10 * seeds.count);
}

TEST(journal_queue, what_had_not_begun_never_does)
{
    begin(1);
    simulated_disk_fault_add(fixture.disk, (struct simulated_fault){.kind = SIMULATED_WRITE_ERROR});
    slow_entries_down(); /* the others */
    for (uint32_t i = 0; i < 6; i += 1)
        append(SMALL, JOURNAL_SYNC_START);
    EXPECT(journal_wait(journal, 6) == TACTUS_POISONED);
    EXPECT(journal_wait(journal, 1) == TACTUS_POISONED);
    EXPECT(journal_close(journal) == TACTUS_POISONED); /* waits for what is on its way */
    EXPECT(queue->write_total == JOURNAL_WRITES_IN_FLIGHT);
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    EXPECT(journal_op_last(journal) == 0);
    EXPECT(journal->recovery.cut_op == 1 && journal->recovery.cut_entry_count == 4);
    end();
}

TEST(journal_queue, a_failure_leaves_room_for_who_builds_the_next_entry)
{
    begin(1);
    for (uint32_t i = 0; i < RING - 2; i += 1)
        append(SMALL, JOURNAL_SYNC_NONE);
    journal_fixture_checkpoint(&fixture);
    slow_entries_down();
    while (journal_headers_in_flight(&journal->headers) != NULL)
        journal_poll(journal);
    /* On their way: one sector, and one at the ring's end; both will fail. All else has not
     * begun. */
    simulated_disk_crash_at(fixture.disk, 2);
    append(SMALL, JOURNAL_SYNC_START);
    append(SMALL, JOURNAL_SYNC_START);
    for (uint64_t i = 1; i < queue->stage_bytes / queue->entry_bytes_max; i += 1)
        append(LARGE, JOURNAL_SYNC_START);
    EXPECT(journal_fixture_append(&fixture, LARGE, 1, JOURNAL_SYNC_START) == TACTUS_POISONED);
    EXPECT(journal_close(journal) == TACTUS_POISONED);
    end();
}

/* ---- The descriptor -------------------------------------------------------------------------- */

static bool is_readable(int fd)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    EXPECT(poll(&pollfd, 1, 0) >= 0);
    return (pollfd.revents & POLLIN) != 0;
}

static void drain(int fd)
{
    uint64_t count;
    EXPECT(read(fd, &count, sizeof count) == (ssize_t)sizeof count);
}

TEST(journal_queue, the_descriptor_tells_when_to_look)
{
    for (uint32_t immediate = 0; immediate < 2; immediate += 1) {
        if (immediate == 1) begin_immediate();
        if (immediate == 0) begin(1);
        append(SMALL, JOURNAL_SYNC_WAIT);
        int fd = -1;
        int again = -1;
        EXPECT(journal_event_fd(journal, &fd) == TACTUS_OK);
        EXPECT(journal_event_fd(journal, &again) == TACTUS_OK && again == fd);
        EXPECT(is_readable(fd));
        drain(fd);
        append(SMALL, JOURNAL_SYNC_START);
        EXPECT(is_readable(fd)); /* there is something to do */
        drain(fd);
        for (uint32_t i = 0; i < 100 && journal_op_durable(journal) < 2; i += 1)
            journal_poll(journal);
        EXPECT(journal_op_durable(journal) == 2);
        EXPECT(is_readable(fd));
        drain(fd);
        journal_poll(journal);
        EXPECT(!is_readable(fd));

        const struct simulated_fault fault = {.kind = SIMULATED_WRITE_ERROR, .is_sticky = true};
        simulated_disk_fault_add(fixture.disk, fault);
        append(SMALL, JOURNAL_SYNC_START);
        for (uint32_t i = 0; i < 100 && !journal_is_poisoned(journal); i += 1)
            journal_poll(journal);
        EXPECT(is_readable(fd));
        EXPECT(journal_close(journal) == TACTUS_POISONED);
        end();
    }
}

/* ---- Threads --------------------------------------------------------------------------------- */

enum { THREADS = 4, THREAD_OPS = 300, WAIT_EVERY = 50 };

/* Over a file, or over the simulated disk: which knows no threads, but is used under the queue's
 * lock alone here, as long as it is not one that flushes without it. */
struct shared {
    struct journal *journal;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    uint64_t op_last; /* appended */
    bool is_over;
    uint64_t poisoned_count;
    uint64_t waited_count;
};

static void publish(struct shared *shared, uint64_t op_last, bool is_over)
{
    EXPECT(pthread_mutex_lock(&shared->mutex) == 0);
    shared->op_last = op_last;
    shared->is_over = is_over;
    EXPECT(pthread_cond_broadcast(&shared->changed) == 0);
    EXPECT(pthread_mutex_unlock(&shared->mutex) == 0);
}

/* Waits for each new op, as it comes. */
static void *run_waiter(void *context)
{
    struct shared *shared = context;
    uint64_t op = 0;
    uint64_t poisoned_count = 0;
    uint64_t waited_count = 0;
    for (;;) {
        EXPECT(pthread_mutex_lock(&shared->mutex) == 0);
        while (shared->op_last == op && !shared->is_over)
            EXPECT(pthread_cond_wait(&shared->changed, &shared->mutex) == 0);
        const bool is_over = shared->op_last == op;
        op = shared->op_last;
        EXPECT(pthread_mutex_unlock(&shared->mutex) == 0);
        if (is_over) break;
        const enum tactus_status status = journal_wait(shared->journal, op);
        EXPECT(status == TACTUS_OK || status == TACTUS_POISONED);
        if (status == TACTUS_OK) EXPECT(journal_op_durable(shared->journal) >= op);
        poisoned_count += status == TACTUS_POISONED;
        waited_count += 1;
    }
    EXPECT(pthread_mutex_lock(&shared->mutex) == 0);
    shared->poisoned_count += poisoned_count;
    shared->waited_count += waited_count;
    EXPECT(pthread_mutex_unlock(&shared->mutex) == 0);
    return NULL;
}

static struct shared *shared_new(struct journal *over)
{
    struct shared *shared = calloc(1, sizeof *shared);
    EXPECT(shared != NULL);
    shared->journal = over;
    EXPECT(pthread_mutex_init(&shared->mutex, NULL) == 0);
    EXPECT(pthread_cond_init(&shared->changed, NULL) == 0);
    return shared;
}

static enum tactus_status append_to(struct journal *over, enum journal_sync sync, uint64_t *op)
{
    const struct journal_append entry = {
        .kind = JOURNAL_TRANSACTION, .event_count = 1, .body_size = SMALL, .sync = sync};
    journal_fixture_fill(journal_body(over), SMALL, journal_head(over).op);
    return journal_append(over, &entry, op);
}

/* Appends while threads wait; what came of it. */
static struct shared run_threads(struct journal *over, enum journal_sync sync, uint64_t count)
{
    struct shared *shared = shared_new(over);
    pthread_t threads[THREADS];
    for (uint32_t i = 0; i < THREADS; i += 1)
        EXPECT(pthread_create(&threads[i], NULL, run_waiter, shared) == 0);
    uint64_t op = 0;
    for (uint64_t i = 0; i < count; i += 1) {
        const bool waits = i % WAIT_EVERY == WAIT_EVERY - 1;
        if (append_to(over, waits ? JOURNAL_SYNC_WAIT : sync, &op) != TACTUS_OK) break;
        publish(shared, op, false);
    }
    publish(shared, op, true);
    for (uint32_t i = 0; i < THREADS; i += 1)
        EXPECT(pthread_join(threads[i], NULL) == 0);
    const struct shared result = *shared;
    free(shared);
    return result;
}

TEST(journal_queue, many_threads_wait_and_the_writer_goes_on)
{
    for (uint32_t sync = JOURNAL_SYNC_NONE; sync <= JOURNAL_SYNC_START; sync += 1) {
        journal_fixture_new(&fixture, 512, ENTRY, 1, false);
        journal_fixture_reopen(&fixture);
        const struct shared shared = run_threads(journal, (enum journal_sync)sync, THREAD_OPS);
        EXPECT(shared.poisoned_count == 0 && shared.waited_count >= THREADS);
        EXPECT(journal_close(journal) == TACTUS_OK);
        EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
        EXPECT(journal_op_last(journal) == THREAD_OPS);
        end();
    }
}

/* The n-th request of that kind fails, while threads wait or in the close. False: there were
 * fewer. */
static bool fail_among_threads(enum simulated_fault_kind kind, uint64_t n)
{
    journal_fixture_new(&fixture, 512, ENTRY, n, false);
    journal_fixture_reopen(&fixture);
    simulated_disk_fault_add(fixture.disk, (struct simulated_fault){.kind = kind, .skip = n});
    const struct shared shared = run_threads(
        journal, kind == SIMULATED_FLUSH_ERROR ? JOURNAL_SYNC_NONE : JOURNAL_SYNC_START, THREAD_OPS
    );
    if (shared.poisoned_count > 0) EXPECT(simulated_disk_fault_count(fixture.disk) > 0);
    const enum tactus_status closed =
        journal_close(journal); /* the close writes and flushes, too */
    const bool has_struck = simulated_disk_fault_count(fixture.disk) > 0;
    EXPECT((closed == TACTUS_OK) == !has_struck);
    end();
    return has_struck;
}

TEST(journal_queue, many_threads_are_told_of_a_failure_and_none_hangs)
{
    uint64_t failures = 0;
    for (uint64_t n = 0; fail_among_threads(SIMULATED_WRITE_ERROR, n); n += 1)
        failures += 1;
    for (uint64_t n = 0; fail_among_threads(SIMULATED_FLUSH_ERROR, n); n += 1)
        failures += 1;
    EXPECT(failures >= 2 * THREAD_OPS / WAIT_EVERY); /* what the writer itself waits for */
}

/* ---- Over a file ----------------------------------------------------------------------------- */

#define PATH "journal_queue_test.tactus"

struct over_file {
    struct reactor reactor;
    struct layout layout;
    struct superblock superblock;
    struct fault fault;
    struct journal journal;
    void *region;
};

static void file_attach_journal(struct over_file *file)
{
    const struct journal_options options = {
        .reactor = &file->reactor,
        .layout = &file->layout,
        .file_id = {.low = 3, .high = 4},
        .entry_bytes_max = ENTRY * SECTOR_SIZE,
        .fault = &file->fault,
    };
    struct budget budget;
    budget_measure_begin(&budget);
    journal_init(&file->journal, &budget, &options);
    const uint64_t size = round_up_u64(budget_used(&budget), SECTOR_SIZE);
    free(file->region);
    file->region = aligned_alloc(SECTOR_SIZE, (size_t)size);
    EXPECT(file->region != NULL);
    bytes_zero(file->region, size);
    budget_carve_begin(&budget, file->region, size);
    journal_init(&file->journal, &budget, &options);
    EXPECT(journal_recover(&file->journal, &file->superblock) == TACTUS_OK);
}

static void file_begin(struct over_file *file, const char *path, enum io_path io)
{
    (void)unlink(PATH);
    *file = (struct over_file){.superblock = {.epoch_first_op = 1}};
    const struct file_open_options options = {.path = path, .create = true, .io = io};
    EXPECT(file_open(&file->reactor, &options, &file->fault) == TACTUS_OK);
    layout_init(&file->layout, SECTOR_SIZE, 4096 * SECTOR_SIZE, 1 << 20);
    EXPECT(file_grow(&file->reactor, file->layout.grid_offset, NULL) == TACTUS_OK);
    EXPECT(journal_format(&file->reactor, &file->layout, NULL) == TACTUS_OK);
    file_attach_journal(file);
    file->superblock.epoch = 1;
    journal_open_for_append(&file->journal, 1);
}

static void file_end(struct over_file *file)
{
    file_close(&file->reactor);
    free(file->region);
    (void)unlink(PATH);
}

static const struct {
    const char *path;
    enum io_path io;
} files[] = {{PATH, IO_PATH_AUTO}, {PATH, IO_PATH_POSIX}, {":memory:", IO_PATH_AUTO}};

TEST(journal_queue, threads_wait_over_every_kind_of_file)
{
    for (uint32_t kind = 0; kind < COUNT_OF(files); kind += 1) {
        for (uint32_t sync = JOURNAL_SYNC_NONE; sync <= JOURNAL_SYNC_START; sync += 1) {
            struct over_file file;
            file_begin(&file, files[kind].path, files[kind].io);
            const struct shared shared =
                run_threads(&file.journal, (enum journal_sync)sync, THREAD_OPS);
            EXPECT(shared.poisoned_count == 0 && shared.waited_count >= THREADS);
            EXPECT(journal_close(&file.journal) == TACTUS_OK);
            file_attach_journal(&file);
            EXPECT(journal_op_last(&file.journal) == THREAD_OPS);
            EXPECT(file.journal.recovery.headers_heal_count == 0);
            file_end(&file);
        }
    }
}

/* A thread that hands entries over and ends at once takes nothing with it. */
static void *run_writer(void *context)
{
    struct journal *over = context;
    for (uint32_t i = 0; i < 5; i += 1) {
        uint64_t op = 0;
        EXPECT(append_to(over, JOURNAL_SYNC_START, &op) == TACTUS_OK);
    }
    return NULL;
}

TEST(journal_queue, what_an_ended_thread_has_begun_is_done)
{
    for (uint32_t kind = 0; kind < COUNT_OF(files); kind += 1) {
        struct over_file file;
        file_begin(&file, files[kind].path, files[kind].io);
        for (uint64_t times = 1; times <= 50; times += 1) {
            pthread_t thread;
            EXPECT(pthread_create(&thread, NULL, run_writer, &file.journal) == 0);
            EXPECT(pthread_join(thread, NULL) == 0);
            EXPECT(journal_wait(&file.journal, 5 * times - times % 5) == TACTUS_OK);
        }
        EXPECT(journal_close(&file.journal) == TACTUS_OK);
        file_end(&file);
    }
}

static void fail_flush(struct reactor *reactor, struct io_request *request)
{
    if (request->kind == IO_FLUSH) {
        EXPECT(io_attempt_done(reactor, request, -EIO));
    } else {
        backend_posix.start(reactor, request);
    }
}

TEST(journal_queue, a_flush_that_fails_in_one_thread_is_told_to_all)
{
    struct backend failing = backend_posix;
    failing.start = fail_flush;
    struct over_file file;
    file_begin(&file, PATH, IO_PATH_POSIX);
    file.journal.queue.flusher->backend = &failing;
    const struct shared shared = run_threads(&file.journal, JOURNAL_SYNC_START, THREAD_OPS);
    EXPECT(shared.poisoned_count == shared.waited_count && shared.waited_count > 0);
    EXPECT(journal_op_durable(&file.journal) == 0);
    EXPECT(journal_queue_cause(&file.journal.queue).os_error == EIO);
    EXPECT(journal_close(&file.journal) == TACTUS_POISONED);
    file_end(&file);
}

/* The file may not grow so far: such a write fails while it is submitted, without the system. */
TEST(journal_queue, a_write_that_is_refused_at_once_is_told_to_all)
{
    struct over_file file;
    file_begin(&file, PATH, IO_PATH_AUTO);
    uint64_t op = 0;
    EXPECT(append_to(&file.journal, JOURNAL_SYNC_WAIT, &op) == TACTUS_OK);
    file.reactor.write_limit = file.layout.journal_offset + 20 * SECTOR_SIZE;
    const struct shared shared = run_threads(&file.journal, JOURNAL_SYNC_START, THREAD_OPS);
    EXPECT(shared.waited_count > 0);
    EXPECT(journal_op_durable(&file.journal) <= 20);
    EXPECT(journal_is_poisoned(&file.journal));
    EXPECT(journal_queue_cause(&file.journal.queue).status == TACTUS_FULL);
    EXPECT(journal_close(&file.journal) == TACTUS_POISONED);
    file_end(&file);
}

TEST(journal_queue, a_file_tells_by_its_descriptor_that_an_op_is_durable)
{
    for (uint32_t kind = 0; kind < COUNT_OF(files); kind += 1) {
        struct over_file file;
        file_begin(&file, files[kind].path, files[kind].io);
        int fd = -1;
        EXPECT(journal_event_fd(&file.journal, &fd) == TACTUS_OK);
        uint64_t op = 0;
        for (uint32_t i = 0; i < 100; i += 1)
            EXPECT(append_to(&file.journal, JOURNAL_SYNC_START, &op) == TACTUS_OK);
        while (journal_op_durable(&file.journal) < op) {
            struct pollfd pollfd = {.fd = fd, .events = POLLIN};
            EXPECT(poll(&pollfd, 1, -1) == 1); /* without this thread nothing goes on */
            drain(fd);
            journal_poll(&file.journal);
        }
        EXPECT(journal_close(&file.journal) == TACTUS_OK);
        file_end(&file);
    }
}

TEST_MAIN()
