#ifndef TACTUS_TESTS_SUPPORT_TEST_H
#define TACTUS_TESTS_SUPPORT_TEST_H

#include <stddef.h>
#include <stdint.h>

/* cmocka, under names that say less at each test:
 *
 *   TEST(memory_table, get_finds_the_newest_of_equal_keys)
 *   {
 *       EXPECT(memory_table_get(&table, 7)->value == 3);
 *   }
 *
 *   TEST_MAIN()
 *
 * Tests register themselves and run in the order they stand in. `x_test` runs all, with few seeds;
 * `x_test 1234` runs all with this one seed; `x_test 'memory_table/get*'` runs those that match;
 * TACTUS_TEST_SEEDS=1000 in the environment tries so many seeds. */
struct test_case {
    const char *name;
    void (*run)(void);
    struct test_case *next;
};

#define TEST(module, sentence)                                                                     \
    static void test_##module##_##sentence(void);                                                  \
    __attribute__((constructor)) static void test_register_##module##_##sentence(void)             \
    {                                                                                              \
        static struct test_case test = {                                                           \
            .name = #module "/" #sentence, .run = test_##module##_##sentence};                     \
        test_register(&test);                                                                      \
    }                                                                                              \
    static void test_##module##_##sentence(void)

/* Ends the test with a failure that names the condition, unless it holds. */
#define EXPECT(condition)                                                                          \
    ((condition) ? (void)0 : test_expectation_failed(#condition, __FILE__, __LINE__))

#define TEST_MAIN()                                                                                \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        return test_main(argc, argv);                                                              \
    }

/* The seeds that a test is to be run with: `count` of them, from `first` on. Without any word from
 * the caller they are 1 to `quick`. */
struct test_seeds {
    uint64_t first, count;
};
struct test_seeds test_seeds(uint64_t quick);

/* Says which seed is running, so that a failure or a crash after it names the one to replay. */
void test_seed_begin(uint64_t seed);

/* Makes the call in a child process, and answers the signal that ended it, or 0. What it said on
 * standard error is in `words`: as much as fits, in one piece and ended by a zero. */
int test_signal_of(void (*call)(void *context), void *context, char *words, size_t words_size);

void test_register(struct test_case *test);
_Noreturn void test_expectation_failed(const char *condition, const char *file, int line);
int test_main(int argc, char **argv);

#endif
