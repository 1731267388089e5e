#include "bench/latencies.h"

#include <stdlib.h>

#include "base/random.h"
#include "support/test.h"

#include "base/poison.h"

TEST(latencies, of_none_every_percentile_is_0)
{
    static const struct latencies latencies;
    EXPECT(latencies_percentile(&latencies, 0.5) == 0);
    EXPECT(latencies_percentile(&latencies, 1) == 0);
}

TEST(latencies, small_numbers_are_counted_one_by_one)
{
    static struct latencies latencies;
    for (uint64_t value = 1; value <= 100; value += 1) {
        latencies_add(&latencies, value);
    }
    EXPECT(latencies.count == 100);
    EXPECT(latencies_percentile(&latencies, 0.5) == 50);
    EXPECT(latencies_percentile(&latencies, 0.99) == 99);
    EXPECT(latencies_percentile(&latencies, 0.999) == 100);
    EXPECT(latencies_percentile(&latencies, 1) == 100);
}

TEST(latencies, the_largest_is_exact_and_no_percentile_is_above_it)
{
    static struct latencies latencies;
    latencies_add(&latencies, UINT64_MAX);
    latencies_add(&latencies, 1000003);
    EXPECT(latencies_percentile(&latencies, 0.5) >= 1000003);
    EXPECT(latencies_percentile(&latencies, 0.5) < 1000003 + 1000003 / 128 + 1);
    EXPECT(latencies_percentile(&latencies, 1) == UINT64_MAX);
    EXPECT(latencies.max == UINT64_MAX);
}

static int compare(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left;
    const uint64_t b = *(const uint64_t *)right;
    return a < b ? -1 : a > b ? 1 : 0;
}

/* The oracle sorts. */
TEST(latencies, percentiles_are_those_of_the_sorted_values_to_one_in_128)
{
    enum { COUNT = 5000 };
    static struct latencies latencies;
    static uint64_t values[COUNT];
    struct random random;
    random_init(&random, 1);
    for (uint32_t i = 0; i < COUNT; i += 1) {
        values[i] = random_u64(&random) >> random_below(&random, 64);
        latencies_add(&latencies, values[i]);
    }
    qsort(values, COUNT, sizeof values[0], compare);
    for (uint32_t i = 1; i <= COUNT; i += 1) {
        const uint64_t wanted = values[i - 1];
        const uint64_t given = latencies_percentile(&latencies, (double)i / COUNT);
        EXPECT(given >= wanted && given - wanted <= wanted / 128);
    }
}

TEST_MAIN()
