#include "base/worker.h"

#include "base/integer.h"
#include "base/lock.h"
#include "support/test.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/poison.h"

#if defined(__has_feature)
#define HAS_FEATURE(name) __has_feature(name)
#else
#define HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
    HAS_FEATURE(address_sanitizer) || HAS_FEATURE(thread_sanitizer)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif

struct counter {
    uint64_t count;
    pthread_t thread; /* that counted last */
};

static void count_up(void *context)
{
    struct counter *counter = context;
    counter->count += 1;
    counter->thread = pthread_self();
}

/* A job that lasts until it is let go: so a test knows that it is running. */
struct gate {
    struct lock lock;
    bool is_running;
    bool is_open;
    bool has_ended;
};

static void pass_gate(void *context)
{
    struct gate *gate = context;
    bool is_open = false;
    while (!is_open) { /* ends once the test opens the gate */
        lock_acquire(&gate->lock);
        gate->is_running = true;
        is_open = gate->is_open;
        lock_release(&gate->lock);
        (void)sched_yield();
    }
    gate->has_ended = true; /* without the lock: whoever joins or closes is ordered after it */
}

static void wait_until_running(struct gate *gate)
{
    bool is_running = false;
    while (!is_running) { /* ends once the thread has come that far */
        lock_acquire(&gate->lock);
        is_running = gate->is_running;
        lock_release(&gate->lock);
        (void)sched_yield();
    }
}

static void open_gate(struct gate *gate)
{
    lock_acquire(&gate->lock);
    gate->is_open = true;
    lock_release(&gate->lock);
}

TEST(worker, does_its_job_in_its_own_thread_each_time_it_is_told_to)
{
    struct counter counter = {.thread = pthread_self()};
    struct worker worker;
    EXPECT(worker_open(&worker, count_up, &counter, NULL) == TACTUS_OK);
    EXPECT(worker_is_open(&worker));
    worker_join(&worker); /* nothing was started */
    EXPECT(counter.count == 0);
    for (uint64_t round = 1; round <= 1000; round += 1) {
        worker_start(&worker);
        worker_join(&worker);
        EXPECT(counter.count == round);
        EXPECT(pthread_equal(counter.thread, worker.thread));
    }
    worker_join(&worker);
    EXPECT(!pthread_equal(counter.thread, pthread_self()));
    worker_close(&worker);
    EXPECT(counter.count == 1000);
    EXPECT(!worker_is_open(&worker));
}

TEST(worker, closes_before_any_job_after_some_and_twice)
{
    struct counter counter = {0};
    struct worker worker = {0};
    worker_close(&worker); /* never opened */
    EXPECT(!worker_is_open(&worker));
    EXPECT(worker_open(&worker, count_up, &counter, NULL) == TACTUS_OK);
    worker_close(&worker);
    worker_close(&worker);
    EXPECT(counter.count == 0);
    for (uint32_t round = 0; round < 100; round += 1) {
        EXPECT(worker_open(&worker, count_up, &counter, NULL) == TACTUS_OK);
        worker_start(&worker);
        worker_close(&worker); /* of a job that may not have begun yet */
    }
    EXPECT(counter.count == 100);
}

TEST(worker, join_waits_for_a_job_that_is_running)
{
    struct gate gate = {0};
    lock_init(&gate.lock);
    struct worker worker;
    EXPECT(worker_open(&worker, pass_gate, &gate, NULL) == TACTUS_OK);
    worker_start(&worker);
    wait_until_running(&gate);
    open_gate(&gate);
    worker_join(&worker);
    EXPECT(gate.has_ended);

    gate = (struct gate){.lock = gate.lock};
    worker_start(&worker);
    wait_until_running(&gate);
    open_gate(&gate);
    worker_close(&worker);
    EXPECT(gate.has_ended);
    lock_deinit(&gate.lock);
}

static volatile sig_atomic_t signal_count;

static void on_signal(int number)
{
    (void)number;
    signal_count = signal_count + 1;
}

/* The test's thread blocks the signal, so the system gives it to any other that does not. */
TEST(worker, gets_no_signal_of_the_process)
{
    struct counter counter = {0};
    struct worker worker;
    struct sigaction before;
    const struct sigaction action = {.sa_handler = on_signal};
    EXPECT(sigaction(SIGUSR1, &action, &before) == 0);
    sigset_t mask_before;
    sigset_t mask;
    EXPECT(pthread_sigmask(SIG_SETMASK, NULL, &mask_before) == 0);
    signal_count = 0;
    EXPECT(worker_open(&worker, count_up, &counter, NULL) == TACTUS_OK);
    EXPECT(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0);
    EXPECT(sigismember(&mask, SIGUSR1) == 0); /* our own mask is as it was */

    EXPECT(sigaddset(&mask, SIGUSR1) == 0);
    EXPECT(pthread_sigmask(SIG_SETMASK, &mask, NULL) == 0);
    EXPECT(kill(getpid(), SIGUSR1) == 0);
    worker_start(&worker); /* returns to its program, where a signal would be taken */
    worker_join(&worker);
    EXPECT(signal_count == 0);
    sigset_t pending;
    EXPECT(sigpending(&pending) == 0);
    EXPECT(sigismember(&pending, SIGUSR1) == 1);
    EXPECT(pthread_sigmask(SIG_SETMASK, &mask_before, NULL) == 0);
    EXPECT(signal_count == 1); /* taken here */
    worker_close(&worker);
    EXPECT(sigaction(SIGUSR1, &before, NULL) == 0);
}

/* 0: the child's function answered true. */
static int in_child(bool (*function)(void *context), void *context)
{
    const pid_t child = fork();
    if (child == 0) _exit(function(context) ? 0 : 1);
    int status = 0;
    EXPECT(child > 0 && waitpid(child, &status, 0) == child);
    EXPECT(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static bool close_of_parent(void *context)
{
    struct worker *worker = context;
    worker_join(worker);
    worker_close(worker);
    return !worker_is_open(worker);
}

TEST(worker, a_forked_child_lets_it_go_without_waiting)
{
    struct gate gate = {0};
    lock_init(&gate.lock);
    struct worker worker;
    EXPECT(worker_open(&worker, pass_gate, &gate, NULL) == TACTUS_OK);
    EXPECT(in_child(close_of_parent, &worker) == 0);
    worker_start(&worker);
    wait_until_running(&gate);
    EXPECT(in_child(close_of_parent, &worker) == 0); /* of a job that will never end there */
    open_gate(&gate);
    worker_close(&worker);
    EXPECT(gate.has_ended);
    lock_deinit(&gate.lock);
}

/* The C library may have a few stacks left of threads that have ended; then it must ask. */
static bool open_without_memory(void *context)
{
    static struct worker workers[1000];
    const struct rlimit none = {.rlim_cur = 1, .rlim_max = RLIM_INFINITY};
    if (setrlimit(RLIMIT_AS, &none) != 0) return false;
    struct fault fault = {0};
    uint32_t count = 0;
    while (count < COUNT_OF(workers) &&
           worker_open(&workers[count], count_up, context, &fault) == TACTUS_OK) {
        count += 1;
    }
    if (count == COUNT_OF(workers) || worker_is_open(&workers[count])) return false;
    for (uint32_t index = 0; index <= count; index += 1)
        worker_close(&workers[index]);
    return fault.status == TACTUS_IO && fault.os_error == EAGAIN && fault.what != NULL;
}

TEST(worker, says_that_the_system_gives_no_thread)
{
    if (IS_SANITIZED) return; /* they map memory themselves, and die without */
    struct counter counter = {0};
    EXPECT(in_child(open_without_memory, &counter) == 0);
}

TEST_MAIN()
