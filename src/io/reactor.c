#include "io/reactor.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "io/backend.h"

#include <errno.h>

#include "base/poison.h"

enum {
    REACTOR_PIECE = 1 << 20, /* of the waiting calls; a request of one's own may be larger */
    /* EINTR, EAGAIN: so many in a row are no accident. A write of 0 bytes gets its second
     * chance. */
    ATTEMPTS_IDLE_MAX = 10000,
    ATTEMPTS_NOTHING_MAX = 2,
};

static bool is_aligned(uint64_t value)
{
    return value % IO_SECTOR == 0;
}

static enum tactus_status status_of_write_error(int32_t os_error)
{
    switch (os_error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return TACTUS_FULL;
    default: return TACTUS_IO;
    }
}

/* ---- What happens between attempts ---------------------------------------------------------- */

struct io_attempt io_attempt_of(const struct io_request *request)
{
    assert(request->stage == IO_IN_FLIGHT);
    if (request->kind == IO_FLUSH) return (struct io_attempt){0};

    assert(request->done_bytes < request->size);
    assert(is_aligned(request->done_bytes));
    const uint32_t rest = request->size - request->done_bytes;
    return (struct io_attempt){
        .buffer = (uint8_t *)request->buffer + request->done_bytes,
        .size = request->by_sector ? IO_SECTOR : rest,
        .offset = request->offset + request->done_bytes,
    };
}

static bool request_done(
    struct reactor *reactor, struct io_request *request, enum tactus_status status, int32_t os_error
)
{
    assert(request->stage == IO_IN_FLIGHT);
    assert(reactor->in_flight > 0);
    assert((status == TACTUS_OK) == (os_error == 0));

    request->status = status;
    request->os_error = os_error;
    request->stage = IO_DONE;
    reactor->in_flight -= 1;
    reactor->unnoticed += 1;

    if (request->kind == IO_WRITE && status == TACTUS_OK && reactor->owner == NULL) {
        const uint64_t end = request->offset + request->size;
        if (end > reactor->size) reactor->size = end;
    }
    return true;
}

/* false as long as another attempt may still bring something. */
static bool attempt_was_idle(
    struct reactor *reactor, struct io_request *request, uint32_t idle_max, int32_t os_error
)
{
    request->attempts_idle += 1;
    if (request->attempts_idle < idle_max) return false;
    return request_done(reactor, request, TACTUS_IO, os_error);
}

/* IO4: the second EIO of a single sector gives it up. */
static bool read_met_bad_sector(struct reactor *reactor, struct io_request *request)
{
    if (!request->by_sector) {
        request->by_sector = true;
        return false;
    }
    bytes_zero((uint8_t *)request->buffer + request->done_bytes, IO_SECTOR);
    request->unreadable = true;
    request->done_bytes += IO_SECTOR;
    request->attempts_idle = 0;
    if (request->done_bytes < request->size) return false;
    return request_done(reactor, request, TACTUS_OK, 0);
}

static bool attempt_failed(struct reactor *reactor, struct io_request *request, int32_t os_error)
{
    assert(os_error > 0);
    if (os_error == EINTR || os_error == EAGAIN) {
        return attempt_was_idle(reactor, request, ATTEMPTS_IDLE_MAX, os_error);
    }
    if (request->kind == IO_READ) {
        if (os_error == EIO) return read_met_bad_sector(reactor, request);
        return request_done(reactor, request, TACTUS_IO, os_error);
    }
    return request_done(reactor, request, status_of_write_error(os_error), os_error);
}

/* IO1, IO3. Direct I/O can only go on at a sector, so a part of one counts as nothing, but at the
 * end of the file, where asking again would bring that part for ever. */
static bool read_advanced(struct reactor *reactor, struct io_request *request, uint32_t bytes)
{
    const uint32_t wanted = io_attempt_of(request).size;
    assert(bytes <= wanted);

    const uint32_t whole = (uint32_t)round_down_u64(bytes, IO_SECTOR);
    if (whole > 0) {
        request->done_bytes += whole;
        request->attempts_idle = 0;
        if (request->done_bytes < request->size) return false;
        return request_done(reactor, request, TACTUS_OK, 0);
    }
    request->attempts_idle += 1;
    if (bytes > 0 && request->attempts_idle < ATTEMPTS_NOTHING_MAX) return false;

    const uint32_t done = request->done_bytes + bytes;
    bytes_zero((uint8_t *)request->buffer + done, request->size - done);
    request->done_bytes = request->size;
    return request_done(reactor, request, TACTUS_OK, 0);
}

static bool write_advanced(struct reactor *reactor, struct io_request *request, uint32_t bytes)
{
    assert(bytes <= request->size - request->done_bytes);
    const uint32_t whole = (uint32_t)round_down_u64(bytes, IO_SECTOR);
    if (whole == 0) return attempt_was_idle(reactor, request, ATTEMPTS_NOTHING_MAX, EIO);

    request->done_bytes += whole;
    request->attempts_idle = 0;
    if (request->done_bytes < request->size) return false;
    return request_done(reactor, request, TACTUS_OK, 0);
}

bool io_attempt_done(struct reactor *reactor, struct io_request *request, int64_t result)
{
    assert(request->stage == IO_IN_FLIGHT);
    if (result < 0) return attempt_failed(reactor, request, (int32_t)-result);
    assert(result <= UINT32_MAX);

    switch ((enum io_kind)request->kind) {
    case IO_READ: return read_advanced(reactor, request, (uint32_t)result);
    case IO_WRITE: return write_advanced(reactor, request, (uint32_t)result);
    case IO_FLUSH: return request_done(reactor, request, TACTUS_OK, 0);
    }
    assert(false);
    return true;
}

/* ---- Requests ------------------------------------------------------------------------------- */

const struct reactor *reactor_of_file(const struct reactor *reactor)
{
    return reactor->owner == NULL ? reactor : reactor->owner;
}

void reactor_submit(struct reactor *reactor, struct io_request *request)
{
    const struct reactor *file = reactor_of_file(reactor);
    const uint64_t end = request->offset + request->size;
    assert(reactor->backend != NULL);
    assert(request->stage != IO_IN_FLIGHT);
    assert(request->kind >= IO_READ && request->kind <= IO_FLUSH);
    if (request->kind != IO_READ) assert(!reactor->is_read_only);
    if (request->kind != IO_FLUSH) {
        assert(request->buffer != NULL && is_aligned((uintptr_t)request->buffer));
        assert(request->size > 0 && is_aligned(request->size));
        assert(
            is_aligned(request->offset) && request->offset <= (uint64_t)INT64_MAX - request->size
        );
    }

    /* no thread but the owner's makes the file longer, so that none has to ask how long it is */
    if (request->kind == IO_WRITE && file != reactor) assert(end <= file->size);

    request->done_bytes = 0;
    request->unreadable = false;
    request->by_sector = false;
    request->attempts_idle = 0;
    request->status = TACTUS_OK;
    request->os_error = 0;
    request->next = NULL;
    request->stage = IO_IN_FLIGHT;
    reactor->in_flight += 1;

    /* the kernel would answer with a signal that kills the host */
    if (request->kind == IO_WRITE && end > file->write_limit) {
        const bool done = request_done(reactor, request, TACTUS_FULL, EFBIG);
        assert(done);
        return;
    }
    reactor->backend->start(reactor, request);
}

void reactor_wait(struct reactor *reactor)
{
    assert(reactor->backend != NULL);
    assert(reactor->in_flight + reactor->unnoticed > 0);
    if (reactor->unnoticed == 0) reactor->backend->reap(reactor, true);

    assert(reactor->unnoticed > 0);
    reactor->unnoticed = 0;
}

void reactor_poll(struct reactor *reactor)
{
    assert(reactor->backend != NULL);
    if (reactor->in_flight > 0) reactor->backend->reap(reactor, false);
    reactor->unnoticed = 0;
}

void reactor_finish(struct reactor *reactor, struct io_request *request)
{
    assert(reactor->backend != NULL);
    assert(request->stage != IO_IDLE);
    while (request->stage == IO_IN_FLIGHT) {
        reactor->backend->reap(reactor, true);
    }
    assert(request->stage == IO_DONE);
}

bool reactor_is_immediate(const struct reactor *reactor)
{
    assert(reactor->backend != NULL);
    return reactor->backend->is_immediate;
}

void reactor_reap(struct reactor *reactor)
{
    assert(reactor->backend != NULL);
    if (reactor->in_flight > 0) reactor->backend->reap(reactor, false);
}

void reactor_push(struct reactor *reactor)
{
    assert(reactor->backend != NULL);
    if (reactor->backend->push != NULL) reactor->backend->push(reactor);
}

bool reactor_can_sleep(const struct reactor *reactor)
{
    assert(reactor->backend != NULL);
    return reactor->backend->sleep != NULL;
}

void reactor_sleep(const struct reactor *reactor)
{
    assert(reactor_can_sleep(reactor));
    reactor->backend->sleep(reactor);
}

bool reactor_signal(struct reactor *reactor, int event_fd)
{
    assert(reactor->backend != NULL);
    return reactor->backend->signal != NULL && reactor->backend->signal(reactor, event_fd);
}

/* ---- Calls that wait ------------------------------------------------------------------------ */

enum tactus_status reactor_fault(const struct io_request *request, struct fault *fault)
{
    assert(request->stage == IO_DONE);
    if (request->status == TACTUS_OK) return TACTUS_OK;

    const bool is_full = request->status == TACTUS_FULL;
    const char *what = "the data file could not be flushed";
    if (request->kind == IO_READ) what = "the data file could not be read";
    if (request->kind == IO_WRITE) what = "the data file could not be written";
    return fault_set(
        fault,
        (struct fault){
            .status = request->status,
            .zone = FAULT_ZONE_FILE,
            .what = is_full ? "the data file could not be written: there is no space" : what,
            .remedy = is_full ? "make room on the disk, then open the file again" : NULL,
            .byte = request->offset,
            .os_error = request->os_error,
        }
    );
}

static enum tactus_status transfer(
    struct reactor *reactor, struct io_request request, uint64_t size, struct fault *fault
)
{
    assert(is_aligned(size));
    uint8_t *buffer = request.buffer;
    for (uint64_t done = 0; done < size; done += request.size) {
        request.buffer = buffer + done;
        request.size = (uint32_t)min_u64(size - done, REACTOR_PIECE);
        reactor_submit(reactor, &request);
        reactor_finish(reactor, &request);
        if (request.status != TACTUS_OK) return reactor_fault(&request, fault);
        request.offset += request.size;
    }
    return TACTUS_OK;
}

enum tactus_status reactor_read(
    struct reactor *reactor, void *buffer, uint64_t size, uint64_t offset, struct fault *fault
)
{
    const struct io_request request = {.kind = IO_READ, .buffer = buffer, .offset = offset};
    return transfer(reactor, request, size, fault);
}

enum tactus_status reactor_write(
    struct reactor *reactor,
    const void *buffer,
    uint64_t size,
    uint64_t offset,
    bool durable,
    struct fault *fault
)
{
    /* through an integer: a write only reads its buffer, but a request has one field for both */
    const struct io_request request = {
        .kind = IO_WRITE,
        .durable = durable,
        .buffer = (void *)(uintptr_t)buffer,
        .offset = offset,
    };
    return transfer(reactor, request, size, fault);
}

enum tactus_status reactor_flush(struct reactor *reactor, struct fault *fault)
{
    struct io_request request = {.kind = IO_FLUSH};
    reactor_submit(reactor, &request);
    reactor_finish(reactor, &request);
    return reactor_fault(&request, fault);
}

uint64_t reactor_now_ns(const struct reactor *reactor)
{
    assert(reactor->backend != NULL);
    return reactor->backend->now_ns(reactor);
}
