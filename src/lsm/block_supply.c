#include "lsm/block_supply.h"

#include "base/assert.h"

#include "base/poison.h"

void block_supply_init(struct block_supply *supply, struct budget *budget, uint32_t capacity)
{
    assert(capacity > 0);
    *supply = (struct block_supply){
        .addresses = budget_take(budget, capacity, sizeof(uint64_t), 64),
        .released = budget_take(budget, capacity, sizeof(uint64_t), 64),
        .capacity = capacity,
    };
}

void block_supply_fill(
    struct block_supply *supply,
    const struct free_set *set,
    const struct free_set_reservation *reservation
)
{
    assert(supply->count == 0 && supply->taken == 0 && supply->released_count == 0);
    const uint64_t count = free_set_reservation_left(reservation);
    assert(count <= supply->capacity);
    free_set_reservation_list(set, reservation, supply->addresses);
    supply->count = (uint32_t)count;
}

uint64_t block_supply_take(struct block_supply *supply)
{
    assert(supply->taken < supply->count);
    const uint64_t address = supply->addresses[supply->taken];
    supply->taken += 1;
    return address;
}

bool block_supply_release(struct block_supply *supply, uint64_t address)
{
    if (supply->released_count == supply->capacity) return false;
    supply->released[supply->released_count] = address;
    supply->released_count += 1;
    return true;
}

enum tactus_status block_supply_settle(
    struct block_supply *supply, struct grid *grid, struct free_set_reservation *reservation
)
{
    for (uint32_t index = 0; index < supply->taken; index += 1) {
        const uint64_t address = free_set_acquire(&grid->free_set, reservation);
        assert(address == supply->addresses[index]);
    }
    free_set_forfeit(&grid->free_set, reservation);
    for (uint32_t index = 0; index < supply->released_count; index += 1) {
        TRY(grid_release(grid, supply->released[index]));
    }
    block_supply_drop(supply);
    return TACTUS_OK;
}

void block_supply_drop(struct block_supply *supply)
{
    supply->count = 0;
    supply->taken = 0;
    supply->released_count = 0;
}
