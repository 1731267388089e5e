/* What a disk has to offer to be one: io_uring, pread and pwrite, memory, and the simulated disk of
 * the tests. The rules of retrying and going on (IO1 to IO5 in io/reactor.h) are not the backends':
 * a backend does one attempt at a time, and says what came of it.
 *
 *   start  begins an attempt at what io_attempt_of() names. When there is a result, now or in a
 *          later `reap`, the backend calls io_attempt_done(), and begins the next attempt if it
 *   says so. reap   finishes what can be finished; with `wait`, at least one request.
 *   share  makes `sharing`, which has the descriptor and names its owner, another way to the same
 *          file, for another thread. NULL, or false: this file cannot be shared.
 *   grow   makes the file at least `size` bytes long, room on the disk included, durably.
 *   close  gives back what the backend took for this reactor; nothing is in flight.
 *
 * And, each of them NULL where the backend has no such thing:
 *
 *   push     tells the system of what was only queued.
 *   sleep    waits until the system may have finished something; changes nothing in the reactor.
 *   signal   has the system signal an eventfd whenever it finishes something; false: it cannot.
 *   abandon  in a child after fork(): gives back what the child has of the backend, I/O in flight
 *            or not. */
#ifndef TACTUS_IO_BACKEND_H
#define TACTUS_IO_BACKEND_H

#include "io/reactor.h"

struct backend {
    const char *name;
    void (*start)(struct reactor *reactor, struct io_request *request);
    void (*reap)(struct reactor *reactor, bool wait);
    bool (*share)(struct reactor *sharing, const struct reactor *owner);
    enum tactus_status (*grow)(struct reactor *reactor, uint64_t size, struct fault *fault);
    uint64_t (*now_ns)(const struct reactor *reactor);
    void (*close)(struct reactor *reactor);
    void (*push)(struct reactor *reactor);
    void (*sleep)(const struct reactor *reactor);
    bool (*signal)(struct reactor *reactor, int event_fd);
    void (*abandon)(struct reactor *reactor);
    bool is_immediate; /* requests are IO_DONE when they were submitted */
};

/* The part of a request that the next attempt is about. Of a flush: nothing. */
struct io_attempt {
    uint8_t *buffer;
    uint32_t size;
    uint64_t offset;
};
struct io_attempt io_attempt_of(const struct io_request *request);

/* Takes note of an attempt: `result` is the bytes it did, or minus an errno. true: the request is
 * IO_DONE, and its owner's. false: another attempt is needed. */
bool io_attempt_done(struct reactor *reactor, struct io_request *request, int64_t result)
    __attribute__((warn_unused_result));

/* What backends of real files share (io/file_grow.c): fallocate, or zeros really written where the
 * file system has none, and a flush; the monotonic clock. */
enum tactus_status backend_grow_on_disk(
    struct reactor *reactor, uint64_t size, struct fault *fault
);
uint64_t backend_clock_ns(const struct reactor *reactor);

/* pread and pwrite at submission: a request is IO_DONE when reactor_submit returns. */
extern const struct backend backend_posix;

/* io_uring, 64 requests at a time; those above wait in a queue of our own. */
extern const struct backend backend_uring;

/* Takes a ring for reactor->fd and makes this its backend. false: the system has none for us (it
 * is switched off, forbidden, or out of memory or descriptors), and nothing was changed. */
bool backend_uring_open(struct reactor *reactor) __attribute__((warn_unused_result));

/* A file that is only memory. Address space for BACKEND_MEMORY_SIZE_MAX is set aside at open
 * without taking memory, less where the system refuses so much; a page costs memory once it is
 * written. TACTUS_FULL past that. */
extern const struct backend backend_memory;
#define BACKEND_MEMORY_SIZE_MAX (UINT64_C(1) << 42)
#define BACKEND_MEMORY_SIZE_MIN (UINT64_C(1) << 24)
enum tactus_status backend_memory_open(struct reactor *reactor, struct fault *fault)
    __attribute__((warn_unused_result));

#endif
