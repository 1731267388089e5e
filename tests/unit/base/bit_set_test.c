#include "base/bit_set.h"

#include "base/bytes.h"
#include "base/integer.h"
#include "base/random.h"
#include "support/test.h"

#include "base/poison.h"

enum { BITS_MAX = 300 };

static _Alignas(BUDGET_ALIGNMENT) uint8_t region[BUDGET_ALIGNMENT];

static struct bit_set set_of(uint64_t bit_count)
{
    bytes_zero(region, sizeof region);
    struct budget budget;
    budget_carve_begin(&budget, region, sizeof region);
    struct bit_set set;
    bit_set_init(&set, &budget, bit_count);
    return set;
}

TEST(bit_set, of_no_bits_has_nothing_to_find)
{
    const struct bit_set set = set_of(0);
    EXPECT(bit_set_find_first_clear(&set, 0) == 0);
    EXPECT(bit_set_find_first_set(&set, 0) == 0);
}

TEST(bit_set, does_not_find_clear_bits_past_the_end)
{
    struct bit_set set = set_of(65);
    for (uint64_t index = 0; index < 65; index += 1) {
        bit_set_set(&set, index);
    }
    EXPECT(bit_set_find_first_clear(&set, 0) == 65);
    EXPECT(bit_set_find_first_clear(&set, 65) == 65);
    bit_set_clear(&set, 64);
    EXPECT(bit_set_find_first_clear(&set, 3) == 64);
    bit_set_clear_all(&set);
    EXPECT(bit_set_find_first_set(&set, 0) == 65);
}

static void compare(const struct bit_set *set, const bool *model, uint64_t bit_count)
{
    uint64_t first_set = bit_count;
    uint64_t first_clear = bit_count;
    for (uint64_t index = bit_count; index > 0; index -= 1) {
        const uint64_t bit = index - 1;
        if (model[bit]) {
            first_set = bit;
        } else {
            first_clear = bit;
        }
        EXPECT(bit_set_get(set, bit) == model[bit]);
        EXPECT(bit_set_find_first_set(set, bit) == first_set);
        EXPECT(bit_set_find_first_clear(set, bit) == first_clear);
    }
}

/* The model is an array of bool; sizes around the words' edges are as common as any other. */
TEST(bit_set, agrees_with_an_array_of_bool)
{
    const struct test_seeds seeds = test_seeds(100);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        struct random random;
        random_init(&random, seed);
        const uint64_t words = random_range(&random, 1, 4);
        const uint64_t bit_count = random_chance(&random, 1, 2)
                                       ? random_range(&random, 1, BITS_MAX)
                                       : 64 * words - 1 + random_below(&random, 3);
        struct bit_set set = set_of(bit_count);
        bool model[BITS_MAX] = {false};
        for (uint32_t step = 0; step < 60; step += 1) {
            const uint64_t from = random_below(&random, bit_count);
            const uint64_t count = random_range(&random, 1, bit_count - from);
            const bool value = random_chance(&random, 1, 2);
            for (uint64_t bit = from; bit < from + count; bit += 1) {
                model[bit] = value;
                if (value) bit_set_set(&set, bit);
                if (!value) bit_set_clear(&set, bit);
            }
            compare(&set, model, bit_count);
        }
    }
}

TEST_MAIN()
