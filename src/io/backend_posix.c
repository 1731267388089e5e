#include "io/backend.h"

#include "base/assert.h"

#include <errno.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/poison.h"

uint64_t backend_clock_ns(const struct reactor *reactor)
{
    (void)reactor;
    struct timespec now;
    const int result = clock_gettime(CLOCK_MONOTONIC, &now);
    assert(result == 0);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static int64_t result_of(ssize_t result)
{
    return result < 0 ? -(int64_t)errno : (int64_t)result;
}

/* One write with RWF_DSYNC costs a flush less than write + fdatasync; where the kernel or the file
 * system does not know it, the two do the same. */
static int64_t write_durable(struct reactor *reactor, struct io_attempt attempt)
{
    const struct iovec vector = {.iov_base = attempt.buffer, .iov_len = attempt.size};
    const off_t offset = (off_t)attempt.offset;
    int64_t result = result_of(pwritev2(reactor->fd, &vector, 1, offset, RWF_DSYNC));
    if (result != -EOPNOTSUPP && result != -ENOSYS) return result;

    result = result_of(pwrite(reactor->fd, attempt.buffer, attempt.size, offset));
    if (result <= 0) return result;
    int flushed = 0;
    do {
        flushed = fdatasync(reactor->fd);
    } while (flushed != 0 && errno == EINTR);
    return flushed == 0 ? result : -(int64_t)errno;
}

static int64_t attempt_now(struct reactor *reactor, const struct io_request *request)
{
    const struct io_attempt attempt = io_attempt_of(request);
    const off_t offset = (off_t)attempt.offset;
    switch ((enum io_kind)request->kind) {
    case IO_READ: return result_of(pread(reactor->fd, attempt.buffer, attempt.size, offset));
    case IO_WRITE:
        if (request->durable) return write_durable(reactor, attempt);
        return result_of(pwrite(reactor->fd, attempt.buffer, attempt.size, offset));
    case IO_FLUSH: return result_of(fdatasync(reactor->fd));
    }
    assert(false);
    return -EINVAL;
}

static void posix_start(struct reactor *reactor, struct io_request *request)
{
    while (!io_attempt_done(reactor, request, attempt_now(reactor, request))) {
        /* bounded by io_attempt_done: every attempt advances, or is counted */
    }
}

static void posix_reap(struct reactor *reactor, bool wait)
{
    (void)wait;
    assert(reactor->in_flight == 0); /* nothing outlives its submission */
}

static bool posix_share(struct reactor *sharing, const struct reactor *owner)
{
    assert(sharing->fd == owner->fd);
    sharing->backend = &backend_posix;
    return true;
}

static void posix_close(struct reactor *reactor)
{
    (void)reactor;
}

const struct backend backend_posix = {
    .name = "posix",
    .start = posix_start,
    .reap = posix_reap,
    .share = posix_share,
    .grow = backend_grow_on_disk,
    .now_ns = backend_clock_ns,
    .close = posix_close,
    .is_immediate = true,
};
