#include "lsm/key.h"

#include "base/integer.h"
#include "support/test.h"

static const enum key_bits widths[] = {KEY_64, KEY_128, KEY_192};

TEST(key, words_compare_from_the_most_significant_one)
{
    const struct key ascending[] = {
        {{0, 0, 0}},
        {{0, 0, 1}},
        {{0, 0, UINT64_MAX}},
        {{0, 1, 0}},
        {{0, 1, 1}},
        {{0, UINT64_MAX, 0}},
        {{1, 0, 0}},
        {{1, 0, UINT64_MAX}},
        {{UINT64_MAX, UINT64_MAX, UINT64_MAX}},
    };
    for (int a = 0; a < (int)COUNT_OF(ascending); a += 1) {
        for (int b = 0; b < (int)COUNT_OF(ascending); b += 1) {
            EXPECT(key_less(ascending[a], ascending[b]) == (a < b));
            EXPECT(key_equal(ascending[a], ascending[b]) == (a == b));
            EXPECT(key_compare(ascending[a], ascending[b]) == (a > b) - (a < b));
            EXPECT(key_equal(key_lower_of(ascending[a], ascending[b]), ascending[a < b ? a : b]));
            EXPECT(key_equal(key_higher_of(ascending[a], ascending[b]), ascending[a < b ? b : a]));
        }
    }
}

TEST(key, a_prefix_outweighs_any_timestamp)
{
    EXPECT(key_less(key_from_prefix64(4, UINT64_MAX), key_from_prefix64(5, 0)));
    EXPECT(key_less(key_from_prefix64(5, 0), key_from_prefix64(5, 1)));
    EXPECT(key_less(key_from_prefix128(UINT64_MAX, 1, 9), key_from_prefix128(0, 2, 0)));
    EXPECT(key_equal(key_from_u128(7, 0), key_from_u64(7)));
    EXPECT(key_less(key_from_u64(UINT64_MAX), key_from_u128(0, 1)));
}

TEST(key, successor_carries_over_words)
{
    const struct key low = {{0, UINT64_MAX, UINT64_MAX}};
    const struct key high = {{1, 0, 0}};
    EXPECT(key_equal(key_successor(low), high));
    EXPECT(key_equal(key_successor(key_from_u64(UINT64_MAX)), key_from_u128(0, 1)));
    EXPECT(key_equal(key_successor(key_min_of_all()), key_from_u64(1)));
}

TEST(key, the_highest_key_of_a_width_fits_it_and_no_narrower_one)
{
    for (uint32_t index = 0; index < COUNT_OF(widths); index += 1) {
        const struct key highest = key_max_of(widths[index]);
        EXPECT(key_fits(highest, widths[index]));
        if (index > 0) EXPECT(!key_fits(highest, widths[index - 1]));
    }
    EXPECT(!key_fits(key_successor(key_max_of(KEY_64)), KEY_64));
    EXPECT(!key_fits(key_successor(key_max_of(KEY_128)), KEY_128));
}

TEST(key, stored_keys_are_little_endian_and_come_back)
{
    const struct key key = {{0x0102030405060708, 0x1112131415161718, 0x2122232425262728}};
    uint8_t bytes[KEY_BYTES_MAX + 1] = {0};
    key_store(bytes + 1, KEY_192, key); /* unaligned */
    EXPECT(bytes[1] == 0x28 && bytes[8] == 0x21 && bytes[9] == 0x18 && bytes[24] == 0x01);
    EXPECT(key_equal(key_load(bytes + 1, KEY_192), key));

    for (uint32_t index = 0; index < COUNT_OF(widths); index += 1) {
        uint8_t stored[KEY_BYTES_MAX + 1];
        bytes_zero(stored, sizeof stored);
        stored[widths[index] / 8] = 0xaa;
        key_store(stored, widths[index], key_max_of(widths[index]));
        EXPECT(key_equal(key_load(stored, widths[index]), key_max_of(widths[index])));
        EXPECT(stored[widths[index] / 8] == 0xaa); /* not a byte more */
    }
}

TEST_MAIN()
