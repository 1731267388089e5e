/* The blocks of one beat's compaction work, as two lists: what it may acquire, and what it lets go.
 *
 *   beat opens    block_supply_fill    the addresses of the beat's reservation, ascending
 *   in the beat   _take, _release      by whoever runs the work, on whatever thread
 *   beat closes   block_supply_settle  the free set learns of both
 *
 * So the work touches no free set (R7): it takes a prefix of what was reserved for it, and which
 * block it gets next depends on nothing but the work done before. */
#ifndef TACTUS_LSM_BLOCK_SUPPLY_H
#define TACTUS_LSM_BLOCK_SUPPLY_H

#include "base/budget.h"
#include "base/status.h"
#include "storage/free_set.h"
#include "storage/grid.h"

#include <stdbool.h>
#include <stdint.h>

/* Invariants:
 *
 *   L1  taken <= count <= capacity; released_count <= capacity.
 *   L2  Outside a beat, between settle and fill, all counts are zero. */
struct block_supply {
    uint64_t *addresses; /* `capacity` of each; borrowed from the memory budget */
    uint64_t *released;
    uint32_t capacity;
    uint32_t count; /* addresses, ascending */
    uint32_t taken; /* of them, from the front */
    uint32_t released_count;
};

/* `capacity`: the most blocks that a beat may reserve, and the most that it may let go of. */
void block_supply_init(struct block_supply *supply, struct budget *budget, uint32_t capacity);

/* Lists what the reservation claims, none of it acquired yet: at most `capacity` blocks. */
void block_supply_fill(
    struct block_supply *supply,
    const struct free_set *set,
    const struct free_set_reservation *reservation
);

/* The next address. There is one: the beat reserved for all that it may write. */
uint64_t block_supply_take(struct block_supply *supply);

/* Notes a block that nothing new refers to. False: more than any beat can let go of, so that some
 * table has more blocks than its records need. */
bool block_supply_release(struct block_supply *supply, uint64_t address);

/* Tells the free set what was taken and released since fill. The reservation, the same as then, is
 * forfeited. CORRUPT: a released block was not in use. */
enum tactus_status block_supply_settle(
    struct block_supply *supply, struct grid *grid, struct free_set_reservation *reservation
);

/* Forgets all, as if the beat had not been: when the database closes in its middle. */
void block_supply_drop(struct block_supply *supply);

#endif
