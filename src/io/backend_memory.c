#include "io/backend.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/poison.h"

/* The bytes never move, so that another thread may read and write while the file grows. */
struct memory {
    uint8_t *bytes; /* owned: pages of the system that cost nothing until they are written */
    uint64_t capacity;
};

static int64_t memory_attempt(struct reactor *reactor, const struct io_request *request)
{
    const struct memory *memory = reactor->state;
    if (request->kind == IO_FLUSH) return 0;

    const struct io_attempt attempt = io_attempt_of(request);
    if (request->kind == IO_READ) {
        const uint64_t size = reactor_of_file(reactor)->size;
        if (attempt.offset >= size) return 0;
        const uint64_t found = min_u64(attempt.size, size - attempt.offset);
        bytes_copy(attempt.buffer, memory->bytes + attempt.offset, found);
        return (int64_t)found;
    }
    if (attempt.offset + attempt.size > memory->capacity) return -ENOSPC;
    bytes_copy(memory->bytes + attempt.offset, attempt.buffer, attempt.size);
    return attempt.size;
}

static void memory_start(struct reactor *reactor, struct io_request *request)
{
    while (!io_attempt_done(reactor, request, memory_attempt(reactor, request))) {
        /* once: a read that the file's end cut short is answered from there */
    }
}

static void memory_reap(struct reactor *reactor, bool wait)
{
    (void)wait;
    assert(reactor->in_flight == 0); /* nothing outlives its submission */
}

static enum tactus_status memory_grow(struct reactor *reactor, uint64_t size, struct fault *fault)
{
    const struct memory *memory = reactor->state;
    assert(size > reactor->size);
    if (size > memory->capacity) {
        return fault_set(
            fault,
            (struct fault){
                .status = TACTUS_FULL,
                .zone = FAULT_ZONE_FILE,
                .what = "a file in memory cannot grow so large here",
                .byte = size,
                .os_error = ENOSPC,
            }
        );
    }
    reactor->size = size;
    return TACTUS_OK;
}

/* Of a child after fork(), too: it has a copy of its own. */
static void memory_close(struct reactor *reactor)
{
    struct memory *memory = reactor->state;
    reactor->state = NULL;
    if (reactor->owner != NULL) return; /* they are the owner's */
    const int result = munmap(memory->bytes, (size_t)memory->capacity);
    assert(result == 0);
    free(memory);
}

static bool memory_share(struct reactor *sharing, const struct reactor *owner)
{
    sharing->backend = &backend_memory;
    sharing->state = owner->state;
    return true;
}

/* A limit on address space, or strict overcommit, may refuse the most: then half, and so on. */
static bool reserve(struct memory *memory)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    for (uint64_t size = BACKEND_MEMORY_SIZE_MAX; size >= BACKEND_MEMORY_SIZE_MIN; size /= 2) {
        if (size > SIZE_MAX) continue;
        void *bytes = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, flags, -1, 0);
        if (bytes == MAP_FAILED) continue;
        memory->bytes = bytes;
        memory->capacity = size;
        return true;
    }
    return false;
}

enum tactus_status backend_memory_open(struct reactor *reactor, struct fault *fault)
{
    assert(reactor->backend == NULL);
    struct memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL || !reserve(memory)) {
        free(memory);
        return fault_set(
            fault,
            (struct fault){
                .status = TACTUS_IO,
                .zone = FAULT_ZONE_FILE,
                .what = "there is no address space for a file in memory",
                .os_error = ENOMEM,
            }
        );
    }
    reactor->backend = &backend_memory;
    reactor->state = memory;
    reactor->size = 0;
    reactor->is_new = true;
    return TACTUS_OK;
}

const struct backend backend_memory = {
    .name = "memory",
    .start = memory_start,
    .reap = memory_reap,
    .share = memory_share,
    .grow = memory_grow,
    .now_ns = backend_clock_ns,
    .close = memory_close,
    .abandon = memory_close,
    .is_immediate = true,
};
