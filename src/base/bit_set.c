#include "base/bit_set.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"

#include "base/poison.h"

enum { WORD_BITS = 64 };

uint64_t bit_set_word_count(uint64_t bit_count)
{
    return div_ceil_u64(bit_count, WORD_BITS);
}

void bit_set_init(struct bit_set *set, struct budget *budget, uint64_t bit_count)
{
    assert(set != NULL);
    set->bit_count = bit_count;
    set->words =
        budget_take(budget, bit_set_word_count(bit_count), sizeof *set->words, sizeof *set->words);
}

bool bit_set_get(const struct bit_set *set, uint64_t index)
{
    assert(index < set->bit_count);
    return (set->words[index / WORD_BITS] >> (index % WORD_BITS) & 1) != 0;
}

void bit_set_set(struct bit_set *set, uint64_t index)
{
    assert(index < set->bit_count);
    set->words[index / WORD_BITS] |= UINT64_C(1) << (index % WORD_BITS);
}

void bit_set_clear(struct bit_set *set, uint64_t index)
{
    assert(index < set->bit_count);
    set->words[index / WORD_BITS] &= ~(UINT64_C(1) << (index % WORD_BITS));
}

void bit_set_clear_all(struct bit_set *set)
{
    bytes_zero(set->words, bit_set_word_count(set->bit_count) * sizeof *set->words);
}

/* The first bit from `from` on that is set once every word is XORed with `flip`. */
static uint64_t bit_set_find(const struct bit_set *set, uint64_t from, uint64_t flip)
{
    assert(from <= set->bit_count);
    const uint64_t word_count = bit_set_word_count(set->bit_count);
    uint64_t below = (UINT64_C(1) << (from % WORD_BITS)) - 1; /* bits of the first word to skip */
    for (uint64_t word = from / WORD_BITS; word < word_count; word += 1) {
        const uint64_t found = (set->words[word] ^ flip) & ~below;
        below = 0;
        if (found == 0) continue;
        /* Past the end all bits are clear (S1), so a search for clear ones may land there. */
        const uint64_t index = word * WORD_BITS + (uint64_t)__builtin_ctzll(found);
        return min_u64(index, set->bit_count);
    }
    return set->bit_count;
}

uint64_t bit_set_find_first_clear(const struct bit_set *set, uint64_t from)
{
    return bit_set_find(set, from, UINT64_MAX);
}

uint64_t bit_set_find_first_set(const struct bit_set *set, uint64_t from)
{
    return bit_set_find(set, from, 0);
}
