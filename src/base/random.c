#include "base/random.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"

#include "base/poison.h"

static uint64_t rotate_left(uint64_t value, unsigned count)
{
    assert(count > 0 && count < 64);
    return (value << count) | (value >> (64 - count));
}

void random_init(struct random *random, uint64_t seed)
{
    assert(random != NULL);
    for (uint32_t word = 0; word < 4; word += 1) {
        seed += 0x9e3779b97f4a7c15U;
        uint64_t mixed = seed;
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
        random->state[word] = mixed ^ (mixed >> 31);
    }
}

uint64_t random_u64(struct random *random)
{
    uint64_t *state = random->state;
    const uint64_t result = rotate_left(state[1] * 5, 7) * 9;
    const uint64_t shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotate_left(state[3], 45);
    return result;
}

uint64_t random_below(struct random *random, uint64_t bound)
{
    assert(bound > 0);

    /* The lowest 2^64 mod bound numbers would favour some results: drawn again. That is less than
     * half of all numbers, so the loop takes two turns on average at worst. */
    const uint64_t unfair = (0 - bound) % bound;
    uint64_t number = random_u64(random);
    while (number < unfair) {
        number = random_u64(random);
    }
    return number % bound;
}

uint64_t random_range(struct random *random, uint64_t min, uint64_t max)
{
    assert(min <= max);
    if (min == 0 && max == UINT64_MAX) return random_u64(random);
    return min + random_below(random, max - min + 1);
}

bool random_chance(struct random *random, uint64_t numerator, uint64_t denominator)
{
    assert(denominator > 0);
    assert(numerator <= denominator);
    return random_below(random, denominator) < numerator;
}

void random_fill(struct random *random, void *target, uint64_t size)
{
    uint8_t *bytes = target;
    uint64_t done = 0;
    while (done < size) {
        uint8_t word[8];
        store_u64(word, random_u64(random));
        const uint64_t part = min_u64(sizeof word, size - done);
        bytes_copy(bytes + done, word, part);
        done += part;
    }
}
