#include "base/statistics.h"

#include "base/random.h"
#include "support/test.h"

#include <stdlib.h>

#include "base/poison.h"

static struct histogram histogram;
static struct histogram other;

static void clear(void)
{
    histogram = (struct histogram){0};
    other = (struct histogram){0};
}

TEST(statistics, empty_histogram_answers_zero)
{
    clear();
    EXPECT(histogram_percentile(&histogram, 50) == 0);
    EXPECT(histogram_max(&histogram) == 0 && histogram_count(&histogram) == 0);
}

TEST(statistics, small_values_are_exact)
{
    clear();
    for (uint64_t value = 0; value < 32; value += 1) {
        histogram_add(&histogram, value);
    }
    EXPECT(histogram_percentile(&histogram, 0) == 0);
    EXPECT(histogram_percentile(&histogram, 50) == 15);
    EXPECT(histogram_percentile(&histogram, 100) == 31);
}

TEST(statistics, every_power_of_two_and_its_neighbours_have_a_bucket_that_is_not_too_wide)
{
    for (uint32_t bit = 0; bit < 64; bit += 1) {
        for (uint64_t step = 0; step < 3; step += 1) {
            const uint64_t value = (UINT64_C(1) << bit) - 1 + step;
            clear();
            histogram_add(&histogram, value);
            histogram_add(&histogram, UINT64_MAX); /* so that the maximum does not help */
            const uint64_t found = histogram_percentile(&histogram, 50);
            EXPECT(found >= value);
            EXPECT(found - value <= value / 16);
        }
    }
}

static int compare_numbers(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

TEST(statistics, percentiles_are_those_of_the_sorted_values_up_to_a_sixteenth)
{
    enum { VALUES = 1000 };
    static uint64_t values[VALUES];
    struct random random;
    random_init(&random, 1);
    clear();
    for (uint32_t index = 0; index < VALUES; index += 1) {
        values[index] = random_u64(&random) >> random_below(&random, 60);
        histogram_add(&histogram, values[index]);
    }
    qsort(values, VALUES, sizeof values[0], compare_numbers);
    for (uint32_t percent = 1; percent <= 100; percent += 1) {
        const uint64_t exact = values[VALUES * percent / 100 - 1];
        const uint64_t found = histogram_percentile(&histogram, percent);
        EXPECT(found >= exact && found - exact <= exact / 16);
    }
    EXPECT(histogram_max(&histogram) == values[VALUES - 1]);
    EXPECT(histogram_percentile(&histogram, 100) == values[VALUES - 1]);
}

TEST_MAIN()
