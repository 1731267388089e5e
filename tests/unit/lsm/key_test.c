#include "lsm/key.h"

#include "base/integer.h"
#include "base/random.h"
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

/* ---- Guesses --------------------------------------------------------------------------------- */

TEST(key, a_guess_hits_evenly_spread_keys)
{
    enum { COUNT = 1000 };
    static const struct key bases[] = {
        {{0, 0, 0}},
        {{0, 0, 1700000000000000000}},
        {{0, 77, UINT64_MAX - 5}},
        {{5, UINT64_MAX, UINT64_MAX - 3}},
    };
    for (uint32_t base = 0; base < COUNT_OF(bases); base += 1) {
        for (uint32_t shift = 0; shift < 54; shift += 9) {
            struct key keys[COUNT];
            keys[0] = bases[base];
            for (uint32_t index = 1; index < COUNT; index += 1) {
                keys[index] = keys[index - 1];
                keys[index].word[2] += UINT64_C(1) << shift;
                if (keys[index].word[2] >= keys[index - 1].word[2]) continue;
                keys[index].word[1] += 1;
                keys[index].word[0] += keys[index].word[1] == 0;
            }
            for (uint32_t index = 0; index < COUNT; index += 1) {
                const uint32_t guess = key_guess(keys[0], keys[COUNT - 1], COUNT, keys[index]);
                EXPECT(guess == index || guess + 1 == index);
            }
        }
    }
}

TEST(key, a_guess_is_proportional_for_prefixes_too)
{
    const struct key first = key_from_prefix128(0, 1000, 17);
    const struct key last = key_from_prefix128(0, 2000, 5);
    EXPECT(key_guess(first, last, 101, key_from_prefix128(0, 1500, 9)) == 49);
    EXPECT(key_guess(first, last, 101, key_from_prefix128(0, 1011, 9)) == 1);
    EXPECT(key_guess(first, last, 101, key_from_prefix128(0, 1999, 9)) == 99);
}

TEST(key, a_guess_is_an_index_whatever_the_keys)
{
    static const uint64_t words[] = {
        0, 1, 2, UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 63, (UINT64_C(1) << 32) + 1};
    enum { WORDS = COUNT_OF(words), KEYS = WORDS * WORDS * WORDS };
    struct key keys[KEYS];
    for (uint32_t index = 0; index < KEYS; index += 1) {
        keys[index] = (struct key
        ){{words[index / WORDS / WORDS], words[index / WORDS % WORDS], words[index % WORDS]}};
    }
    struct random random;
    random_init(&random, 1);
    for (uint32_t round = 0; round < 300000; round += 1) {
        const struct key first = keys[random_below(&random, KEYS)];
        const struct key last = keys[random_below(&random, KEYS)]; /* may lie below the first */
        const struct key key = keys[random_below(&random, KEYS)];
        const uint32_t count = round % 3 == 0 ? 1 : 1 + (uint32_t)random_below(&random, UINT32_MAX);
        const uint32_t guess = key_guess(first, last, count, key);
        EXPECT(guess < count);
        if (!key_less(first, key)) EXPECT(guess == 0);
        if (key_less(first, key) && !key_less(key, last)) EXPECT(guess == count - 1);
    }
}

TEST_MAIN()
