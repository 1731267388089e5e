#ifndef TACTUS_BASE_BIT_SET_H
#define TACTUS_BASE_BIT_SET_H

#include "base/budget.h"

#include <stdbool.h>
#include <stdint.h>

/* A fixed number of bits, all clear at first.
 *
 *   S1  Bits of the last word from bit_count on are clear. */
struct bit_set {
    uint64_t *words; /* owned by the memory budget */
    uint64_t bit_count;
};

void bit_set_init(struct bit_set *set, struct budget *budget, uint64_t bit_count);

/* Words that hold `bit_count` bits. */
uint64_t bit_set_word_count(uint64_t bit_count);

bool bit_set_get(const struct bit_set *set, uint64_t index);
void bit_set_set(struct bit_set *set, uint64_t index);
void bit_set_clear(struct bit_set *set, uint64_t index);
void bit_set_clear_all(struct bit_set *set);

/* The first clear (set) bit that is not below `from`, or bit_count: there is none. `from` may be
 * bit_count. Takes a word at a time. */
uint64_t bit_set_find_first_clear(const struct bit_set *set, uint64_t from);
uint64_t bit_set_find_first_set(const struct bit_set *set, uint64_t from);

#endif
