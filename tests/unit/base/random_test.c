#include "base/random.h"

#include "base/integer.h"
#include "support/test.h"

#include "base/poison.h"

/* What the reference implementation gives from the state {1, 2, 3, 4}. */
TEST(random, is_xoshiro256_starstar)
{
    struct random random = {.state = {1, 2, 3, 4}};
    static const uint64_t wanted[] = {
        11520,
        0,
        1509978240,
        1215971899390074240,
        1216172134540287360,
        607988272756665600,
    };
    for (uint32_t index = 0; index < COUNT_OF(wanted); index += 1) {
        EXPECT(random_u64(&random) == wanted[index]);
    }
}

TEST(random, state_is_filled_by_splitmix64)
{
    struct random random;
    random_init(&random, 0);
    EXPECT(random.state[0] == 0xe220a8397b1dcdaf); /* splitmix64's first outputs for seed 0 */
    EXPECT(random.state[1] == 0x6e789e6aa1b965f4);
    EXPECT(random.state[2] == 0x06c45d188009454f);
}

TEST(random, below_reaches_every_number_and_no_other)
{
    struct random random;
    random_init(&random, 1);
    uint32_t seen[7] = {0};
    for (uint32_t draw = 0; draw < 7000; draw += 1) {
        const uint64_t number = random_below(&random, 7);
        EXPECT(number < 7);
        seen[number] += 1;
    }
    for (uint32_t number = 0; number < 7; number += 1) {
        EXPECT(seen[number] > 850 && seen[number] < 1150); /* 5 standard deviations */
    }
    EXPECT(random_below(&random, 1) == 0);
}

TEST(random, range_includes_both_ends)
{
    struct random random;
    random_init(&random, 2);
    uint32_t seen[3] = {0};
    for (uint32_t draw = 0; draw < 100; draw += 1) {
        seen[random_range(&random, UINT64_MAX - 2, UINT64_MAX) - (UINT64_MAX - 2)] += 1;
    }
    EXPECT(seen[0] > 0 && seen[1] > 0 && seen[2] > 0);
    EXPECT(random_range(&random, 5, 5) == 5);
    EXPECT(random_range(&random, 0, UINT64_MAX) != random_range(&random, 0, UINT64_MAX));
}

TEST(random, chance_of_none_and_of_all_is_certain)
{
    struct random random;
    random_init(&random, 3);
    for (uint32_t draw = 0; draw < 100; draw += 1) {
        EXPECT(!random_chance(&random, 0, 5));
        EXPECT(random_chance(&random, 5, 5));
    }
}

TEST(random, fill_stops_at_the_end)
{
    struct random random;
    random_init(&random, 4);
    uint8_t bytes[32] = {0};
    random_fill(&random, bytes, 19);
    uint32_t zeros = 0;
    for (uint32_t index = 0; index < 19; index += 1) {
        zeros += bytes[index] == 0;
    }
    EXPECT(zeros < 5);
    for (uint32_t index = 19; index < 32; index += 1) {
        EXPECT(bytes[index] == 0);
    }
}

TEST_MAIN()
