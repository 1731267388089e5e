/* A hash map from block addresses to a few bytes each, of a size that is fixed at open. */
#ifndef TACTUS_LSM_ADDRESS_MAP_H
#define TACTUS_LSM_ADDRESS_MAP_H

#include "base/budget.h"

#include <stdbool.h>
#include <stdint.h>

/* Open addressing with linear probing; removing moves later entries of a chain back, so there are
 * no graves and a full life of inserts and removes costs nothing.
 *
 *   H1  count <= count_max <= 3/4 capacity, so every probe ends.
 *   H2  Between the home of an address and its place, no place is empty.
 *
 * The order of places depends on the history of calls alone; nothing iterates over it. */
struct address_map {
    uint8_t *places;     /* u64 address (0: empty), then the value; borrowed from the budget */
    uint32_t place_size; /* a multiple of 8 */
    uint32_t capacity;   /* a power of two */
    uint32_t count_max;

    uint32_t count;
};

/* Takes room for count_max addresses with value_size bytes (a multiple of 8, may be 0) each. */
void address_map_init(
    struct address_map *map, struct budget *budget, uint32_t count_max, uint32_t value_size
);
void address_map_check(const struct address_map *map); /* O(capacity): for assert_slow(), tests */

/* The value, zeroed when inserted; NULL: the address is not there. Borrowed until the next insert
 * or remove. Of value_size 0, only whether it is NULL counts. */
void *address_map_get(const struct address_map *map, uint64_t address);

/* The address is not there yet, and there is room. */
void *address_map_insert(struct address_map *map, uint64_t address);
bool address_map_is_full(const struct address_map *map);

/* The address is there. */
void address_map_remove(struct address_map *map, uint64_t address);

#endif
