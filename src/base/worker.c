#include "base/worker.h"

#include "base/assert.h"
#include "base/integer.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "base/poison.h"

static void must(int result)
{
    assert(result == 0); /* of calls that fail by misuse only */
}

static void stage_set(struct worker *worker, enum worker_stage stage)
{
    worker->stage = stage;
    must(pthread_cond_broadcast(&worker->changed));
}

static void *worker_run(void *argument)
{
    struct worker *worker = argument;
    (void)pthread_setname_np(pthread_self(), "tactus"); /* for whoever debugs the host */
    must(pthread_mutex_lock(&worker->mutex));
    stage_set(worker, WORKER_IDLE);
    while (worker->stage != WORKER_ENDING) { /* ends by worker_close */
        if (worker->stage == WORKER_BUSY) {
            must(pthread_mutex_unlock(&worker->mutex));
            worker->job(worker->context);
            must(pthread_mutex_lock(&worker->mutex));
            stage_set(worker, WORKER_IDLE);
        } else {
            must(pthread_cond_wait(&worker->changed, &worker->mutex));
        }
    }
    must(pthread_mutex_unlock(&worker->mutex));
    return NULL;
}

/* Every signal but those that a thread can only bring about itself. */
static sigset_t signals_of_others(void)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
    sigset_t signals;
    must(sigfillset(&signals));
    for (uint32_t index = 0; index < COUNT_OF(own); index += 1) {
        must(sigdelset(&signals, own[index]));
    }
    return signals;
}

/* The number of the error, or 0. A thread inherits the mask of the one that makes it. */
static int thread_create(struct worker *worker)
{
    pthread_attr_t attributes;
    int result = pthread_attr_init(&attributes);
    if (result != 0) return result;
    result = pthread_attr_setstacksize(&attributes, WORKER_STACK_SIZE);
    if (result == 0) {
        const sigset_t blocked = signals_of_others();
        sigset_t before;
        must(pthread_sigmask(SIG_SETMASK, &blocked, &before));
        result = pthread_create(&worker->thread, &attributes, worker_run, worker);
        must(pthread_sigmask(SIG_SETMASK, &before, NULL));
    }
    must(pthread_attr_destroy(&attributes));
    return result;
}

enum tactus_status worker_open(
    struct worker *worker, void (*job)(void *context), void *context, struct fault *fault
)
{
    assert(job != NULL);
    *worker =
        (struct worker){.job = job, .context = context, .pid = getpid(), .stage = WORKER_BEGINNING};
    must(pthread_mutex_init(&worker->mutex, NULL));
    must(pthread_cond_init(&worker->changed, NULL));
    const int result = thread_create(worker);
    if (result == 0) {
        must(pthread_mutex_lock(&worker->mutex));
        while (worker->stage == WORKER_BEGINNING) /* ends: the thread has been made */
            must(pthread_cond_wait(&worker->changed, &worker->mutex));
        must(pthread_mutex_unlock(&worker->mutex));
        return TACTUS_OK;
    }

    must(pthread_cond_destroy(&worker->changed));
    must(pthread_mutex_destroy(&worker->mutex));
    *worker = (struct worker){.stage = WORKER_CLOSED};
    return fault_set(
        fault,
        (struct fault){
            .status = TACTUS_IO,
            .what = "the system gives no thread",
            .remedy = "raise the limit on threads or address space",
            .os_error = result,
        }
    );
}

bool worker_is_open(const struct worker *worker)
{
    return worker->job != NULL;
}

/* Its mutex may be held, and its condition be waited on, by a thread that is not here. */
static bool is_of_parent(const struct worker *worker)
{
    return worker->pid != getpid();
}

void worker_start(struct worker *worker)
{
    assert(worker_is_open(worker));
    must(pthread_mutex_lock(&worker->mutex));
    assert(worker->stage == WORKER_IDLE);
    stage_set(worker, WORKER_BUSY);
    must(pthread_mutex_unlock(&worker->mutex));
}

void worker_join(struct worker *worker)
{
    assert(worker_is_open(worker));
    if (is_of_parent(worker)) return;
    must(pthread_mutex_lock(&worker->mutex));
    while (worker->stage == WORKER_BUSY) { /* ends with the job */
        must(pthread_cond_wait(&worker->changed, &worker->mutex));
    }
    must(pthread_mutex_unlock(&worker->mutex));
}

void worker_close(struct worker *worker)
{
    if (!worker_is_open(worker)) return;
    if (!is_of_parent(worker)) {
        worker_join(worker);
        must(pthread_mutex_lock(&worker->mutex));
        stage_set(worker, WORKER_ENDING);
        must(pthread_mutex_unlock(&worker->mutex));
        must(pthread_join(worker->thread, NULL));
        must(pthread_cond_destroy(&worker->changed));
        must(pthread_mutex_destroy(&worker->mutex));
    }
    *worker = (struct worker){.stage = WORKER_CLOSED};
}
