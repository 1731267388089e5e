#include "support/test.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { TESTS_MAX = 512 };

static struct test_case *test_first;
static struct test_case **test_next = &test_first;

static bool seed_given;
static uint64_t seed_wanted;
static bool seed_running;
static uint64_t seed_current;

void test_register(struct test_case *test)
{
    *test_next = test;
    test_next = &test->next;
}

struct test_seeds test_seeds(uint64_t quick)
{
    if (seed_given) return (struct test_seeds){.first = seed_wanted, .count = 1};

    const char *count = getenv("TACTUS_TEST_SEEDS");
    if (count == NULL || count[0] == 0) return (struct test_seeds){.first = 1, .count = quick};
    return (struct test_seeds){.first = 1, .count = strtoull(count, NULL, 10)};
}

void test_seed_begin(uint64_t seed)
{
    seed_running = true;
    seed_current = seed;
}

void test_expectation_failed(const char *condition, const char *file, int line)
{
    if (seed_running) {
        print_error("seed %llu: expected: %s\n", (unsigned long long)seed_current, condition);
    } else {
        print_error("expected: %s\n", condition);
    }
    _fail(file, line);
    abort();
}

int test_signal_of(void (*call)(void *context), void *context, char *words, size_t words_size)
{
    int ends[2];
    EXPECT(pipe(ends) == 0);
    const pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        (void)signal(SIGABRT, SIG_DFL);
        call(context);
        _exit(0);
    }
    (void)close(ends[1]);
    const ssize_t size = read(ends[0], words, words_size - 1);
    (void)close(ends[0]);
    words[size < 0 ? 0 : size] = 0;

    int status;
    EXPECT(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* Assertions of the engine abort: say first which seed it was. snprintf is not on the list of what
 * a handler may call, but the process is in our own abort(), not in the middle of libc. */
static void on_abort(int signal_number)
{
    char line[64];
    const int length =
        snprintf(line, sizeof line, "seed %llu: aborted\n", (unsigned long long)seed_current);
    if (seed_running && length > 0) {
        const ssize_t written = write(STDERR_FILENO, line, (size_t)length);
        (void)written;
    }
    (void)signal(signal_number, SIG_DFL);
}

static void run_case(void **state)
{
    const struct test_case *test = *state;
    seed_running = false;
    test->run();
}

int test_main(int argc, char **argv)
{
    if (argc > 1) {
        char *end;
        const unsigned long long number = strtoull(argv[1], &end, 10);
        seed_given = end != argv[1] && *end == 0;
        seed_wanted = number;
        if (!seed_given) cmocka_set_test_filter(argv[1]);
    }
    (void)signal(SIGABRT, on_abort);

    static struct CMUnitTest tests[TESTS_MAX];
    size_t count = 0;
    for (struct test_case *test = test_first; test != NULL; test = test->next) {
        if (count == TESTS_MAX) {
            (void)fprintf(stderr, "more than %d tests in one program\n", (int)TESTS_MAX);
            return 1;
        }
        tests[count] =
            (struct CMUnitTest){.name = test->name, .test_func = run_case, .initial_state = test};
        count += 1;
    }
    const char *slash = strrchr(argv[0], '/');
    return _cmocka_run_group_tests(slash == NULL ? argv[0] : slash + 1, tests, count, NULL, NULL);
}
