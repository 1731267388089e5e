#include "storage/journal_queue.h"

#include "base/assert.h"
#include "base/integer.h"
#include "io/event.h"
#include "io/file.h"

#include "base/poison.h"

void journal_queue_init(
    struct journal_queue *queue, struct budget *budget, uint64_t entry_bytes_max
)
{
    assert(entry_bytes_max > 0 && entry_bytes_max % SECTOR_SIZE == 0);
    *queue = (struct journal_queue){
        .entry_bytes_max = entry_bytes_max,
        .stage_bytes =
            2 * entry_bytes_max +
            min_u64(max_u64(entry_bytes_max, JOURNAL_STAGE_BYTES_MIN), JOURNAL_GROUP_BYTES_MAX),
        .event_fd = -1,
    };
    queue->stage = budget_take(budget, queue->stage_bytes / SECTOR_SIZE, SECTOR_SIZE, SECTOR_SIZE);
}

/* A way to the file for threads of whatever kind; where there is none, only one thread comes. */
static struct reactor *reactor_for(struct reactor *own, struct reactor *file)
{
    return file_open_sharing(own, file, NULL) == TACTUS_OK ? own : file;
}

void journal_queue_open(
    struct journal_queue *queue,
    struct reactor *file,
    struct journal_headers *headers,
    uint64_t op_last
)
{
    assert(!queue->is_open);
    assert(headers->status == TACTUS_OK);
    queue->status = TACTUS_OK;
    queue->cause = (struct fault){0};
    queue->is_reserved = false;
    queue->write_count = 0;
    queue->submitted_count = 0;
    queue->op_plain = 0;
    queue->op_waited = 0;
    queue->op_awaited = 0;
    queue->flush_target = 0;
    queue->reactor = reactor_for(&queue->own[0], file);
    queue->flusher = reactor_for(&queue->own[1], file);
    headers->reactor = queue->reactor;
    headers->fault = &queue->cause;
    queue->headers = headers;

    lock_init(&queue->lock);
    const int result = pthread_cond_init(&queue->moved, NULL);
    assert(result == 0);
    queue->op_last = op_last;
    queue->op_written = op_last;
    queue->op_durable = op_last;
    queue->op_covered = op_last;
    queue->op_wanted = op_last;
    queue->is_open = true;
}

/* ---- The lock, and who waits ----------------------------------------------------------------- */

static void wake_all(struct journal_queue *queue)
{
    const int result = pthread_cond_broadcast(&queue->moved);
    assert(result == 0);
}

/* Something was done that a thread here, or a program over event_fd, may wait for. */
static void moved(struct journal_queue *queue)
{
    queue->progress += 1;
    wake_all(queue);
    if (queue->event_fd >= 0) event_signal(queue->event_fd);
}

/* ---- The staging area ------------------------------------------------------------------------ */

static struct journal_write *write_at(struct journal_queue *queue, uint32_t index)
{
    assert(index <= queue->write_count);
    return &queue->writes[(queue->write_first + index) % JOURNAL_WRITES_MAX];
}

/* Whether the largest entry fits behind the last one, and where. Entries lie in the order of their
 * ops, and round: none is split. */
static bool stage_has_room(struct journal_queue *queue, uint64_t *place)
{
    *place = 0;
    if (queue->write_count == 0) return true;

    const uint64_t tail = write_at(queue, 0)->stage_offset;
    const struct journal_write *last = write_at(queue, queue->write_count - 1);
    const uint64_t head = last->stage_offset + last->request.size;
    assert(head <= queue->stage_bytes);
    const uint64_t size = queue->entry_bytes_max;
    if (head <= tail) { /* behind the turn already */
        *place = head;
        return head + size <= tail;
    }
    if (head + size <= queue->stage_bytes) {
        *place = head;
        return true;
    }
    return size <= tail;
}

/* ---- What is done ---------------------------------------------------------------------------- */

/* Q4. What has not begun never will: its place is free. */
static void poison(struct journal_queue *queue, enum tactus_status status)
{
    assert(status != TACTUS_OK);
    if (queue->status != TACTUS_OK) return;
    assert(queue->cause.status != TACTUS_OK);
    queue->status = status;
    queue->write_count = queue->submitted_count;
    moved(queue);
}

static void request_failed(struct journal_queue *queue, const struct io_request *request)
{
    if (queue->status != TACTUS_OK) return;
    poison(queue, reactor_fault(request, &queue->cause));
}

static void durable_up_to(struct journal_queue *queue, uint64_t op)
{
    assert(op <= queue->op_written);
    if (op <= queue->op_durable || queue->status != TACTUS_OK) return;
    queue->op_durable = op;
    moved(queue);
}

/* Takes the writes that are done, in the order of their ops (Q1). */
static void take_writes(struct journal_queue *queue)
{
    for (uint32_t index = 0; index < queue->submitted_count; index += 1) {
        const struct io_request *request = &write_at(queue, index)->request;
        if (request->stage != IO_DONE || request->status == TACTUS_OK) continue;
        request_failed(queue, request);
    }
    while (queue->submitted_count > 0 && write_at(queue, 0)->request.stage == IO_DONE) {
        const struct journal_write *write = write_at(queue, 0);
        if (queue->status == TACTUS_OK) {
            assert(write->op_first == queue->op_written + 1);
            queue->op_written = write->op_last;
            if (write->request.durable) {
                assert(write->op_first == queue->op_durable + 1); /* Q2 */
                durable_up_to(queue, write->op_last);
            }
        }
        queue->write_first = (queue->write_first + 1) % JOURNAL_WRITES_MAX;
        queue->write_count -= 1;
        queue->submitted_count -= 1;
        queue->progress += 1;
        wake_all(queue);
    }
}

static void take_flush(struct journal_queue *queue)
{
    if (queue->flush.stage != IO_DONE) return;
    if (queue->flush.status == TACTUS_OK) {
        durable_up_to(queue, queue->flush_op);
    } else {
        request_failed(queue, &queue->flush);
    }
    queue->flush.stage = IO_IDLE;
    queue->progress += 1;
}

/* Q3. */
static void send_headers(struct journal_queue *queue)
{
    if (queue->status != TACTUS_OK) return;
    const uint64_t op_durable = queue->op_durable;
    journal_headers_cover(queue->headers, queue->op_covered + 1, op_durable);
    queue->op_covered = op_durable;
    const enum tactus_status status = journal_headers_submit(queue->headers, op_durable);
    if (status != TACTUS_OK) poison(queue, status);
}

/* ---- What comes next ------------------------------------------------------------------------- */

static bool may_submit(struct journal_queue *queue)
{
    if (queue->status != TACTUS_OK || queue->submitted_count == queue->write_count) return false;
    if (queue->submitted_count == 0) return true;
    if (queue->submitted_count == JOURNAL_WRITES_IN_FLIGHT) return false;
    if (queue->submitted_count + 1 < queue->write_count) return true; /* it gathers no more */
    const struct journal_write *write = write_at(queue, queue->submitted_count);
    return write->request.size >= JOURNAL_GROUP_BYTES_MIN || queue->op_awaited >= write->op_first;
}

/* Q1, Q2. */
static void submit_writes(struct journal_queue *queue)
{
    const bool is_immediate = reactor_is_immediate(queue->reactor);
    while (may_submit(queue)) {
        struct journal_write *write = write_at(queue, queue->submitted_count);
        /* A disk that is waited for in any case makes durable only what somebody waits for: of
         * the rest, many can share the flush. */
        const uint64_t op_wanted = is_immediate ? queue->op_waited : queue->op_wanted;
        write->request.durable =
            op_wanted >= write->op_first && queue->op_plain <= queue->op_durable;
        if (!write->request.durable) queue->op_plain = write->op_last;
        queue->submitted_count += 1;
        queue->write_total += 1;
        reactor_submit(queue->reactor, &write->request);
        take_writes(queue); /* some disks are done at once */
    }
}

/* Whether what was asked for needs a flush (Q2). */
static bool needs_flush(const struct journal_queue *queue)
{
    return queue->status == TACTUS_OK && queue->op_wanted > queue->op_durable &&
           queue->op_plain > queue->op_durable;
}

static void submit_flush(struct journal_queue *queue)
{
    if (queue->flush.stage != IO_IDLE || !needs_flush(queue)) return;
    /* Fixed when it is first asked for, or who always asks for more would put it off for ever. */
    if (queue->flush_target <= queue->op_durable) queue->flush_target = queue->op_wanted;
    if (queue->op_written < queue->flush_target) return;

    queue->flush_op = queue->op_written;
    queue->flush = (struct io_request){.kind = IO_FLUSH};
    queue->flush_total += 1;
    reactor_submit(queue->reactor, &queue->flush);
    take_flush(queue);
}

/* All that can be done without waiting. */
static void advance(struct journal_queue *queue)
{
    if (!queue->has_sleeper) reactor_reap(queue->reactor); /* Q5 */
    take_writes(queue);
    take_flush(queue);
    submit_writes(queue);
    if (!reactor_is_immediate(queue->reactor)) submit_flush(queue);
    send_headers(queue);
    reactor_push(queue->reactor);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

/* For disks that are done when they return: one thread flushes, without the lock, what all have
 * written until now. */
static void flush_unlocked(struct journal_queue *queue)
{
    assert(!queue->has_sleeper);
    assert(queue->op_written == queue->op_last);
    const uint64_t op = queue->op_written;
    struct fault fault = {0};
    queue->has_sleeper = true;
    queue->flush_total += 1;
    lock_release(&queue->lock);
    const enum tactus_status status = reactor_flush(queue->flusher, &fault);
    lock_acquire(&queue->lock);
    queue->has_sleeper = false;
    if (status == TACTUS_OK) {
        durable_up_to(queue, op);
    } else if (queue->status == TACTUS_OK) {
        queue->cause = fault;
        poison(queue, status);
    }
    advance(queue);
    wake_all(queue);
}

static struct io_request *any_in_flight(struct journal_queue *queue)
{
    for (uint32_t index = 0; index < queue->submitted_count; index += 1) {
        struct io_request *request = &write_at(queue, index)->request;
        if (request->stage == IO_IN_FLIGHT) return request;
    }
    if (queue->flush.stage == IO_IN_FLIGHT) return &queue->flush;
    return journal_headers_in_flight(queue->headers);
}

/* Waits until something may have changed (Q5). What is waited for was asked for. */
static void wait_step(struct journal_queue *queue)
{
    if (queue->has_sleeper) {
        const int result = pthread_cond_wait(&queue->moved, &queue->lock.mutex);
        assert(result == 0);
        return;
    }
    const uint64_t progress = queue->progress;
    const uint32_t in_flight = queue->reactor->in_flight;
    advance(queue);
    if (queue->progress != progress || queue->reactor->in_flight != in_flight) return;

    struct io_request *request = any_in_flight(queue);
    if (reactor_is_immediate(queue->reactor)) {
        assert(needs_flush(queue));
        flush_unlocked(queue);
    } else if (reactor_can_sleep(queue->reactor)) {
        assert(request != NULL);
        queue->has_sleeper = true;
        lock_release(&queue->lock);
        reactor_sleep(queue->reactor);
        lock_acquire(&queue->lock);
        queue->has_sleeper = false;
        advance(queue);
        wake_all(queue);
    } else {
        assert(request != NULL);
        reactor_finish(queue->reactor, request);
    }
}

static bool wait_for_op(struct journal_queue *queue, uint64_t op)
{
    queue->op_wanted = max_u64(queue->op_wanted, op);
    queue->op_awaited = max_u64(queue->op_awaited, op);
    while (queue->op_durable < op && queue->status == TACTUS_OK) {
        wait_step(queue);
    }
    return queue->op_durable >= op;
}

enum tactus_status journal_queue_wait(struct journal_queue *queue, uint64_t op)
{
    if (queue->op_durable >= op) return TACTUS_OK;
    lock_acquire(&queue->lock);
    assert(op <= queue->op_last);
    const bool is_durable = wait_for_op(queue, op);
    lock_release(&queue->lock);
    return is_durable ? TACTUS_OK : TACTUS_POISONED;
}

/* ---- Appending ------------------------------------------------------------------------------- */

uint8_t *journal_queue_reserve(struct journal_queue *queue)
{
    if (!queue->is_reserved) {
        lock_acquire(&queue->lock);
        while (!stage_has_room(queue, &queue->place)) {
            wait_step(queue);
        }
        lock_release(&queue->lock);
        queue->is_reserved = true;
    }
    return queue->stage + queue->place;
}

/* Whether the entry can go out with the one before it. */
static bool is_neighbour(
    const struct journal_queue *queue,
    const struct journal_write *write,
    const struct journal_queue_entry *entry
)
{
    return write->request.offset + write->request.size == entry->byte &&
           write->stage_offset + write->request.size == queue->place &&
           write->request.size + entry->size <= JOURNAL_GROUP_BYTES_MAX;
}

static void stage_entry(struct journal_queue *queue, const struct journal_queue_entry *entry)
{
    if (queue->submitted_count < queue->write_count) {
        struct journal_write *last = write_at(queue, queue->write_count - 1);
        if (is_neighbour(queue, last, entry)) {
            last->request.size += (uint32_t)entry->size;
            last->op_last = entry->op;
            return;
        }
    }
    while (queue->write_count == JOURNAL_WRITES_MAX) {
        wait_step(queue);
    }
    if (queue->status != TACTUS_OK) return;
    *write_at(queue, queue->write_count) = (struct journal_write){
        .request =
            {
                .kind = IO_WRITE,
                .size = (uint32_t)entry->size,
                .offset = entry->byte,
                .buffer = queue->stage + queue->place,
            },
        .op_first = entry->op,
        .op_last = entry->op,
        .stage_offset = queue->place,
    };
    queue->write_count += 1;
}

static enum tactus_status append(
    struct journal_queue *queue, const struct journal_queue_entry *entry
)
{
    if (queue->status == TACTUS_OK) stage_entry(queue, entry);
    if (queue->status != TACTUS_OK) return TACTUS_POISONED;

    queue->op_last = entry->op;
    journal_headers_put(queue->headers, entry->op, queue->stage + queue->place);
    if (entry->sync != JOURNAL_SYNC_NONE) queue->op_wanted = entry->op;
    if (entry->sync == JOURNAL_SYNC_WAIT) {
        queue->op_waited = entry->op;
        queue->op_awaited = entry->op;
    }
    advance(queue);
    if (entry->sync == JOURNAL_SYNC_WAIT) {
        return wait_for_op(queue, entry->op) ? TACTUS_OK : queue->status;
    }
    const bool is_due = entry->sync == JOURNAL_SYNC_START && queue->op_durable < entry->op;
    if (is_due && queue->event_fd >= 0 && !queue->event_by_system) event_signal(queue->event_fd);
    return TACTUS_OK;
}

enum tactus_status journal_queue_append(
    struct journal_queue *queue, const struct journal_queue_entry *entry
)
{
    assert(queue->is_reserved);
    assert(entry->op == queue->op_last + 1);
    assert(entry->size > 0 && entry->size <= queue->entry_bytes_max);
    assert(entry->size % SECTOR_SIZE == 0);
    lock_acquire(&queue->lock);
    const enum tactus_status status = append(queue, entry);
    lock_release(&queue->lock);
    queue->is_reserved = false;
    return status;
}

/* ---- From any thread ------------------------------------------------------------------------- */

static void poll_locked(struct journal_queue *queue)
{
    advance(queue);
    if (!reactor_is_immediate(queue->reactor) || queue->has_sleeper) return;
    if (needs_flush(queue)) flush_unlocked(queue);
}

void journal_queue_poll(struct journal_queue *queue)
{
    lock_acquire(&queue->lock);
    poll_locked(queue);
    lock_release(&queue->lock);
}

void journal_queue_flush_start(struct journal_queue *queue)
{
    lock_acquire(&queue->lock);
    queue->op_wanted = queue->op_last;
    poll_locked(queue);
    lock_release(&queue->lock);
}

uint64_t journal_queue_op_last(struct journal_queue *queue)
{
    lock_acquire(&queue->lock);
    const uint64_t op_last = queue->op_last;
    lock_release(&queue->lock);
    return op_last;
}

uint64_t journal_queue_op_durable(const struct journal_queue *queue)
{
    return queue->op_durable;
}

bool journal_queue_is_poisoned(const struct journal_queue *queue)
{
    return queue->status != TACTUS_OK;
}

struct fault journal_queue_cause(struct journal_queue *queue)
{
    lock_acquire(&queue->lock);
    assert(queue->status != TACTUS_OK);
    const struct fault cause = queue->cause;
    lock_release(&queue->lock);
    return cause;
}

enum tactus_status journal_queue_event(struct journal_queue *queue, int *fd, struct fault *fault)
{
    enum tactus_status status = TACTUS_OK;
    lock_acquire(&queue->lock);
    if (queue->event_fd < 0) status = event_open(&queue->event_fd, fault);
    if (status == TACTUS_OK && !queue->event_by_system) {
        queue->event_by_system = reactor_signal(queue->reactor, queue->event_fd);
    }
    *fd = queue->event_fd;
    lock_release(&queue->lock);
    return status;
}

/* ---- The end --------------------------------------------------------------------------------- */

static void give_back(struct journal_queue *queue)
{
    if (queue->event_fd >= 0) event_close(queue->event_fd);
    queue->event_fd = -1;
    queue->is_open = false;
}

enum tactus_status journal_queue_close(struct journal_queue *queue)
{
    lock_acquire(&queue->lock);
    const bool is_durable = wait_for_op(queue, queue->op_last);
    maybe(is_durable);
    while (queue->status == TACTUS_OK && journal_headers_are_dirty(queue->headers)) {
        wait_step(queue);
    }
    while (any_in_flight(queue) != NULL) {
        wait_step(queue); /* whatever happened: their memory is the caller's after this */
    }
    advance(queue);
    lock_release(&queue->lock);

    /* So that a file which was closed has all its redundant headers: S6's window is empty. */
    enum tactus_status status = queue->status;
    if (status == TACTUS_OK && queue->headers->write_count > 0) {
        status = reactor_flush(queue->flusher, &queue->cause);
    }
    for (uint32_t index = 0; index < COUNT_OF(queue->own); index += 1) {
        file_close(&queue->own[index]); /* one that is closed is fine */
    }
    give_back(queue);
    return status;
}

void journal_queue_abandon(struct journal_queue *queue)
{
    if (!queue->is_open) return;
    for (uint32_t index = 0; index < COUNT_OF(queue->own); index += 1) {
        file_abandon(&queue->own[index]);
    }
    give_back(queue);
}
