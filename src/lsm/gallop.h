/* A binary search that begins at a guess: away from it by doubled steps until the answer is between
 * two places, then by halves.
 *
 *     struct gallop gallop = gallop_begin(count, guess);
 *     while (gallop.low < gallop.high) gallop_step(&gallop, key_at(gallop.place) < wanted);
 *
 * gallop.low is then the first index whose key is not below the wanted one, or count. Of n keys it
 * looks at no more than 2 log2(n) + 2, and at about 2 log2(d) if the guess is off by d. */
#ifndef TACTUS_LSM_GALLOP_H
#define TACTUS_LSM_GALLOP_H

#include "base/assert.h"

#include <stdbool.h>
#include <stdint.h>

struct gallop {
    uint32_t low, high; /* all keys below low are less, none from high on is */
    uint32_t place;     /* the one to look at next; of [low, high), while there is one */
    uint32_t step;
    uint32_t count;
};

static inline struct gallop gallop_begin(uint32_t count, uint32_t guess)
{
    assert(count == 0 || guess < count);
    assert(count <= UINT32_MAX / 2);
    return (struct gallop){.high = count, .place = guess, .step = 1, .count = count};
}

/* Whether the key at gallop->place is less than the wanted one is known now. */
static inline void gallop_step(struct gallop *gallop, bool is_less)
{
    if (is_less) gallop->low = gallop->place + 1;
    if (!is_less) gallop->high = gallop->place;
    const uint32_t left = gallop->high - gallop->low;
    if (gallop->step <= left && gallop->high == gallop->count) {
        gallop->place = gallop->low + gallop->step - 1; /* nothing above is known */
        gallop->step *= 2;
    } else if (gallop->step <= left && gallop->low == 0) {
        gallop->place = gallop->high - gallop->step; /* nothing below is known */
        gallop->step *= 2;
    } else {
        gallop->place = gallop->low + left / 2;
    }
}

#endif
