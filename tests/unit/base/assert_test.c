#include "base/assert.h"

#include "base/bytes.h"
#include "support/test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/poison.h"

/* Asserts `fact` in a child, and answers the signal that ended it; 0: none. What it wrote to
 * standard error lies in `words`. */
static int signal_of_assert(bool fact, char *words, size_t words_size)
{
    int ends[2];
    EXPECT(pipe(ends) == 0);
    const pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        (void)signal(SIGABRT, SIG_DFL);
        assert(fact);
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

TEST(assert, that_holds_does_nothing)
{
    char words[512];
    EXPECT(signal_of_assert(true, words, sizeof words) == 0);
    EXPECT(words[0] == 0);
}

TEST(assert, that_fails_names_the_fact_and_aborts_in_every_build)
{
    char words[512];
    EXPECT(signal_of_assert(false, words, sizeof words) == SIGABRT);
    EXPECT(strstr(words, "assertion failed: fact") != NULL);
    EXPECT(strstr(words, "assert_test.c") != NULL);
}

TEST(assert, maybe_never_runs_what_it_names)
{
    int calls = 0;
    maybe(++calls > 0);
    EXPECT(calls == 0);
}

TEST_MAIN()
