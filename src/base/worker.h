/* A thread of our own that does one job, each time that it is told to (R7).
 *
 *   worker_open    worker_start ---- the job runs ---- worker_join    ...    worker_close
 *
 * What was done before worker_start is seen by the job, what the job did by whoever has joined it.
 * In between, what the job uses is the job's, or has a lock of its own.
 *
 * No signal that is sent to the process is delivered to this thread: handlers of the host run in
 * threads of the host. Only what the thread itself brings about (SIGSEGV, SIGBUS, SIGFPE, SIGILL,
 * SIGTRAP, SIGSYS) is not blocked, so that the host's crash handler sees it.
 *
 * A forked child has no such thread. There worker_join and worker_close return at once, and what a
 * job had begun stays as it was: nothing of it may be used.
 *
 * One thread at a time may call these. */
#ifndef TACTUS_BASE_WORKER_H
#define TACTUS_BASE_WORKER_H

#include "base/status.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

/* Bytes of address space for its stack, from the system and beside the memory budget; what is never
 * touched takes no memory. It also holds the host's thread-local variables. */
enum { WORKER_STACK_SIZE = 256 * 1024 };

enum worker_stage {
    WORKER_CLOSED = 0,
    WORKER_BEGINNING, /* inside worker_open */
    WORKER_IDLE,
    WORKER_BUSY, /* told to do the job, and not yet through */
    WORKER_ENDING
};

struct worker {
    void (*job)(void *context);
    void *context; /* kept */
    pthread_t thread;
    pid_t pid; /* of the process that has the thread */

    pthread_mutex_t mutex;
    pthread_cond_t changed; /* the stage */
    enum worker_stage stage;
};

/* Starts the thread, and returns when it waits: whatever memory the system takes for it is taken
 * then. IO: the system gives no thread (the fault, which may be NULL, has
 * the errno); the worker is closed then, and its owner does the job itself. */
enum tactus_status worker_open(
    struct worker *worker, void (*job)(void *context), void *context, struct fault *fault
) __attribute__((warn_unused_result));

bool worker_is_open(const struct worker *worker);

/* Tells it to do the job once. It must be open, and the job before must have been joined. */
void worker_start(struct worker *worker);

/* Waits until the job that was started has ended; returns at once if none was. */
void worker_join(struct worker *worker);

/* Joins, and ends the thread. A worker that is closed, or zeroed and never opened, is fine. */
void worker_close(struct worker *worker);

#endif
