#include "base/assert.h"

#include "base/bytes.h"
#include "support/test.h"

#include <signal.h>
#include <stdbool.h>

#include "base/poison.h"

static void assert_it(void *context)
{
    const bool fact = *(const bool *)context;
    assert(fact);
}

TEST(assert, that_holds_does_nothing)
{
    char words[512];
    bool fact = true;
    EXPECT(test_signal_of(assert_it, &fact, words, sizeof words) == 0);
    EXPECT(words[0] == 0);
}

TEST(assert, that_fails_names_the_fact_and_aborts_in_every_build)
{
    char words[512];
    bool fact = false;
    EXPECT(test_signal_of(assert_it, &fact, words, sizeof words) == SIGABRT);
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
