#include "lsm/gallop.h"

#include "base/integer.h"
#include "support/test.h"

/* Searches among `count` keys of which `below` are less; how many it looked at. */
static uint32_t search(uint32_t count, uint32_t guess, uint32_t below)
{
    uint32_t looks = 0;
    struct gallop gallop = gallop_begin(count, guess);
    while (gallop.low < gallop.high) {
        EXPECT(gallop.place >= gallop.low && gallop.place < gallop.high);
        gallop_step(&gallop, gallop.place < below);
        looks += 1;
        EXPECT(looks < 100);
    }
    EXPECT(gallop.low == below);
    return looks;
}

static uint32_t bits_of(uint32_t value)
{
    return value == 0 ? 0 : 32 - (uint32_t)__builtin_clz(value);
}

TEST(gallop, finds_its_place_whatever_the_guess)
{
    EXPECT(search(0, 0, 0) == 0);
    for (uint32_t count = 1; count < 40; count += 1) {
        for (uint32_t guess = 0; guess < count; guess += 1) {
            for (uint32_t below = 0; below <= count; below += 1) {
                EXPECT(search(count, guess, below) <= 2 * bits_of(count) + 2);
            }
        }
    }
}

TEST(gallop, costs_by_how_far_the_guess_was_off)
{
    enum { COUNT = 5000 };
    for (uint32_t below = 0; below <= COUNT; below += 7) {
        for (uint32_t off = 0; off < COUNT; off = 2 * off + 1) {
            if (below + off < COUNT) {
                EXPECT(search(COUNT, below + off, below) <= 2 * bits_of(off) + 2);
            }
            if (below >= off && below - off < COUNT) {
                EXPECT(search(COUNT, below - off, below) <= 2 * bits_of(off) + 2);
            }
        }
    }
}

TEST(gallop, stays_within_bounds_where_counts_are_large)
{
    static const uint32_t counts[] = {UINT32_MAX / 2, UINT32_MAX / 2 - 1, 1u << 30};
    for (uint32_t index = 0; index < COUNT_OF(counts); index += 1) {
        const uint32_t count = counts[index];
        const uint32_t places[] = {0, 1, count / 3, count / 2, count - 2, count - 1};
        for (uint32_t guess = 0; guess < COUNT_OF(places); guess += 1) {
            for (uint32_t below = 0; below < COUNT_OF(places); below += 1) {
                EXPECT(search(count, places[guess], places[below]) <= 64);
            }
            EXPECT(search(count, places[guess], count) <= 64);
        }
    }
}

TEST_MAIN()
