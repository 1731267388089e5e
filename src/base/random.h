#ifndef TACTUS_BASE_RANDOM_H
#define TACTUS_BASE_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

/* The only source of chance, in tests too: a seed gives the same numbers on every machine.
 * xoshiro256** by Blackman and Vigna (public domain), its state filled by splitmix64. Not for
 * secrets. */
struct random {
    uint64_t state[4];
};

void random_init(struct random *random, uint64_t seed);

uint64_t random_u64(struct random *random);

/* 0 to bound - 1, all alike; bound must not be 0. */
uint64_t random_below(struct random *random, uint64_t bound);

/* min to max, both included, all alike. */
uint64_t random_range(struct random *random, uint64_t min, uint64_t max);

/* True in `numerator` of `denominator` cases. */
bool random_chance(struct random *random, uint64_t numerator, uint64_t denominator);

void random_fill(struct random *random, void *target, uint64_t size);

#endif
