#include "lsm/memory_filter.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"

#include "base/poison.h"

/* Six keys a word and four bits a key: a word of average load has a third of its bits set, so one
 * stranger in 81 passes there; as words differ in load, two in a hundred over all. */
enum { KEYS_PER_WORD = 6 };

void memory_filter_init(struct memory_filter *filter, struct budget *budget, uint32_t key_count_max)
{
    const uint32_t word_count = (uint32_t)div_ceil_u64(key_count_max, KEYS_PER_WORD);
    *filter = (struct memory_filter
    ){.words = budget_take(budget, word_count, sizeof filter->words[0], 64),
      .word_count = word_count};
}

static uint32_t filter_word(const struct memory_filter *filter, uint64_t hash)
{
    assert(filter->word_count > 0);
    return (uint32_t)((hash >> 32) * filter->word_count >> 32);
}

static uint64_t filter_bits(uint64_t hash, uint32_t label)
{
    const uint64_t mixed =
        (hash + label * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xd6e8feb86659fd93);
    return UINT64_C(1) << (mixed >> 58) | UINT64_C(1) << (mixed >> 52 & 63) |
           UINT64_C(1) << (mixed >> 46 & 63) | UINT64_C(1) << (mixed >> 40 & 63);
}

void memory_filter_add(struct memory_filter *filter, uint64_t hash, uint32_t label)
{
    filter->words[filter_word(filter, hash)] |= filter_bits(hash, label);
}

bool memory_filter_may_contain(const struct memory_filter *filter, uint64_t hash, uint32_t label)
{
    const uint64_t bits = filter_bits(hash, label);
    return (filter->words[filter_word(filter, hash)] & bits) == bits;
}

void memory_filter_take(struct memory_filter *target, struct memory_filter *source)
{
    assert(target->word_count == source->word_count);
    for (uint32_t word = 0; word < target->word_count; word += 1)
        target->words[word] |= source->words[word];
    memory_filter_clear(source);
}

void memory_filter_clear(struct memory_filter *filter)
{
    bytes_zero(filter->words, (uint64_t)filter->word_count * sizeof filter->words[0]);
}
