#include "io/backend.h"

#include "base/assert.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/uio.h>

#include "base/poison.h"

enum {
    RING_ENTRIES = 64, /* the completion queue has twice as many: it cannot overflow */
    RING_BATCH = 8, /* queued so many, the kernel is told: the first should not wait for the rest */
};

struct uring {
    struct io_uring ring;
    uint32_t in_kernel; /* queued in the ring, or taken by the kernel */
    uint32_t queued;    /* of them, those that the kernel was not told of */

    /* Requests the ring has no room for, oldest first. */
    struct io_request *waiting_first;
    struct io_request *waiting_last;
};

/* The flags of one write in the queue entry, where prep_write puts none. */
static void prepare(int fd, struct io_uring_sqe *sqe, struct io_request *request)
{
    const struct io_attempt attempt = io_attempt_of(request);
    switch ((enum io_kind)request->kind) {
    case IO_READ: io_uring_prep_read(sqe, fd, attempt.buffer, attempt.size, attempt.offset); break;
    case IO_WRITE:
        io_uring_prep_write(sqe, fd, attempt.buffer, attempt.size, attempt.offset);
        if (request->durable) sqe->rw_flags = RWF_DSYNC;
        break;
    case IO_FLUSH: io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC); break;
    }
    io_uring_sqe_set_data(sqe, request);
}

/* What a host cannot undo and no status could say: the kernel holds buffers of requests that would
 * never finish. EAGAIN, EBUSY and ENOMEM pass: there is something to reap, or memory comes back. */
static void check_enter(int result)
{
    if (result >= 0) return;
    assert(result == -EINTR || result == -EAGAIN || result == -EBUSY || result == -ENOMEM);
}

static void tell_kernel(struct uring *uring, uint32_t wait_count)
{
    check_enter(io_uring_submit_and_wait(&uring->ring, wait_count));
    uring->queued = io_uring_sq_ready(&uring->ring);
}

static void enter(struct reactor *reactor, struct io_request *request)
{
    struct uring *uring = reactor->state;
    assert(uring->in_kernel < RING_ENTRIES);

    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
    while (sqe == NULL) { /* the kernel had no memory for what is queued: it is asked again */
        tell_kernel(uring, 0);
        sqe = io_uring_get_sqe(&uring->ring);
    }
    prepare(reactor->fd, sqe, request);
    uring->in_kernel += 1;
    uring->queued += 1;
}

static void uring_start(struct reactor *reactor, struct io_request *request)
{
    struct uring *uring = reactor->state;
    assert(request->next == NULL);
    if (uring->in_kernel == RING_ENTRIES) {
        if (uring->waiting_last == NULL) {
            uring->waiting_first = request;
        } else {
            uring->waiting_last->next = request;
        }
        uring->waiting_last = request;
        return;
    }
    enter(reactor, request);
    if (uring->queued >= RING_BATCH) tell_kernel(uring, 0);
}

static void enter_waiting(struct reactor *reactor)
{
    struct uring *uring = reactor->state;
    while (uring->waiting_first != NULL && uring->in_kernel < RING_ENTRIES) {
        struct io_request *request = uring->waiting_first;
        uring->waiting_first = request->next;
        if (uring->waiting_first == NULL) uring->waiting_last = NULL;
        request->next = NULL;
        enter(reactor, request);
    }
}

/* Whether any request came to its end. */
static bool reap_finished(struct reactor *reactor)
{
    struct uring *uring = reactor->state;
    bool any_done = false;
    struct io_uring_cqe *cqe = NULL;
    while (io_uring_peek_cqe(&uring->ring, &cqe) == 0 && cqe != NULL) {
        struct io_request *request = io_uring_cqe_get_data(cqe);
        /* cancelled: the thread that submitted it has ended before it was begun */
        const int32_t result = cqe->res == -ECANCELED ? -EINTR : cqe->res;
        io_uring_cqe_seen(&uring->ring, cqe);
        assert(uring->in_kernel > 0);
        uring->in_kernel -= 1;

        if (io_attempt_done(reactor, request, result)) {
            any_done = true;
        } else {
            uring_start(reactor, request);
        }
    }
    enter_waiting(reactor);
    return any_done;
}

static void uring_reap(struct reactor *reactor, bool wait)
{
    struct uring *uring = reactor->state;
    bool any_done = reap_finished(reactor);
    if (!any_done) {
        if (uring->queued > 0) tell_kernel(uring, 0);
        any_done = reap_finished(reactor);
    }
    while (wait && !any_done) {
        assert(uring->in_kernel > 0);
        tell_kernel(uring, 1);
        any_done = reap_finished(reactor);
    }
    if (uring->queued > 0) tell_kernel(uring, 0);
}

/* Of a child after fork(), too: the ring is the parent's as long as that holds it, and what this
 * gives back are the child's own maps and descriptor. */
static void uring_abandon(struct reactor *reactor)
{
    struct uring *uring = reactor->state;
    io_uring_queue_exit(&uring->ring);
    free(uring);
    reactor->state = NULL;
}

static void uring_close(struct reactor *reactor)
{
    const struct uring *uring = reactor->state;
    assert(uring->in_kernel == 0);
    assert(uring->waiting_first == NULL);
    uring_abandon(reactor);
}

static void uring_push(struct reactor *reactor)
{
    struct uring *uring = reactor->state;
    if (uring->queued > 0) tell_kernel(uring, 0);
}

/* The ring's own descriptor is readable while there is a completion that nobody has taken. */
static void uring_sleep(const struct reactor *reactor)
{
    const struct uring *uring = reactor->state;
    struct pollfd pollfd = {.fd = uring->ring.ring_fd, .events = POLLIN};
    const int result = poll(&pollfd, 1, -1);
    assert(result >= 0 || errno == EINTR || errno == ENOMEM);
}

static bool uring_signal(struct reactor *reactor, int event_fd)
{
    struct uring *uring = reactor->state;
    return io_uring_register_eventfd(&uring->ring, event_fd) == 0;
}

/* IORING_OP_READ and _WRITE came with Linux 5.6; a ring without them is of no use to us. */
static bool ring_is_able(struct io_uring *ring)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    if (probe == NULL) return false;
    const bool is_able = io_uring_opcode_supported(probe, IORING_OP_READ) &&
                         io_uring_opcode_supported(probe, IORING_OP_WRITE) &&
                         io_uring_opcode_supported(probe, IORING_OP_FSYNC);
    io_uring_free_probe(probe);
    return is_able;
}

bool backend_uring_open(struct reactor *reactor)
{
    assert(reactor->backend == NULL);
    assert(reactor->fd >= 0);
    struct uring *uring = calloc(1, sizeof *uring);
    if (uring == NULL) return false;
    if (io_uring_queue_init(RING_ENTRIES, &uring->ring, 0) != 0) {
        free(uring);
        return false;
    }
    if (!ring_is_able(&uring->ring)) {
        io_uring_queue_exit(&uring->ring);
        free(uring);
        return false;
    }
    reactor->backend = &backend_uring;
    reactor->state = uring;
    return true;
}

/* A ring of its own; a process that may have but one does with pread and pwrite in this thread. */
static bool uring_share(struct reactor *sharing, const struct reactor *owner)
{
    assert(sharing->fd == owner->fd);
    return backend_uring_open(sharing) || backend_posix.share(sharing, owner);
}

const struct backend backend_uring = {
    .name = "uring",
    .start = uring_start,
    .reap = uring_reap,
    .share = uring_share,
    .grow = backend_grow_on_disk,
    .now_ns = backend_clock_ns,
    .close = uring_close,
    .push = uring_push,
    .sleep = uring_sleep,
    .signal = uring_signal,
    .abandon = uring_abandon,
};
