/* Which of a memory table's sorted runs may have a key (R5): a Bloom filter whose bits of one key
 * lie in one word, so that asking about all runs costs one access to memory. For each run a key
 * has bits of its own, by the run's label. It lives as long as the open does; no byte of the file
 * depends on it. */
#ifndef TACTUS_LSM_MEMORY_FILTER_H
#define TACTUS_LSM_MEMORY_FILTER_H

#include "base/budget.h"

#include <stdbool.h>
#include <stdint.h>

/* F1  Every key that was added since the last clear may be contained, under its label; others are
 *     with a chance of two in a hundred, while at most key_count_max were added. That is the chance
 *     for one label: who asks under several, as there are after one filter has taken in another,
 *     meets a stranger under each with that chance. */
struct memory_filter {
    uint64_t *words; /* borrowed from the memory budget */
    uint32_t word_count;
};

void memory_filter_init(
    struct memory_filter *filter, struct budget *budget, uint32_t key_count_max
);

/* Keys are given by a hash, all of whose bits depend on all of the key. */
void memory_filter_add(struct memory_filter *filter, uint64_t hash, uint32_t label);
bool memory_filter_may_contain(const struct memory_filter *filter, uint64_t hash, uint32_t label);

/* `target` may contain what `source`, of the same size, may, under the same labels; source is then
 * empty. */
void memory_filter_take(struct memory_filter *target, struct memory_filter *source);
void memory_filter_clear(struct memory_filter *filter);

#endif
