#include "lsm/address_map.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"

#include "base/poison.h"

static uint8_t *place_at(const struct address_map *map, uint32_t place)
{
    assert(place < map->capacity);
    return map->places + (uint64_t)place * map->place_size;
}

static uint64_t address_at(const struct address_map *map, uint32_t place)
{
    return load_u64(place_at(map, place));
}

static uint32_t place_after(const struct address_map *map, uint32_t place)
{
    return (place + 1) & (map->capacity - 1);
}

/* Fibonacci hashing: neighbouring addresses, of which a table has many, spread evenly. */
static uint32_t home_of(const struct address_map *map, uint64_t address)
{
    return (uint32_t)((address * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (map->capacity - 1);
}

/* The place of the address, or the empty one where its chain ends. */
static uint32_t place_find(const struct address_map *map, uint64_t address)
{
    assert(address != 0);
    uint32_t place = home_of(map, address);
    for (uint64_t found = address_at(map, place); found != 0 && found != address;) {
        place = place_after(map, place); /* ends: a quarter of the places is empty (H1) */
        found = address_at(map, place);
    }
    return place;
}

void address_map_init(
    struct address_map *map, struct budget *budget, uint32_t count_max, uint32_t value_size
)
{
    assert(value_size % 8 == 0);
    assert(count_max > 0);
    assert(count_max < UINT32_C(1) << 30);
    *map =
        (struct address_map){.place_size = 8 + value_size, .capacity = 4, .count_max = count_max};
    while (map->capacity < div_ceil_u64((uint64_t)count_max * 4, 3))
        map->capacity *= 2;
    map->places = budget_take(budget, map->capacity, map->place_size, 8);
    if (budget_is_measuring(budget)) return;
    assert(map->count_max < map->capacity);
}

void address_map_check(const struct address_map *map)
{
    uint32_t count = 0;
    for (uint32_t place = 0; place < map->capacity; place += 1) {
        const uint64_t address = address_at(map, place);
        if (address == 0) continue;
        assert(place_find(map, address) == place);
        count += 1;
    }
    assert(map->count == count);
    assert(map->count <= map->count_max);
}

void *address_map_get(const struct address_map *map, uint64_t address)
{
    uint8_t *place = place_at(map, place_find(map, address));
    return load_u64(place) == 0 ? NULL : place + 8;
}

void *address_map_insert(struct address_map *map, uint64_t address)
{
    assert(!address_map_is_full(map));
    uint8_t *place = place_at(map, place_find(map, address));
    assert(load_u64(place) == 0);
    store_u64(place, address);
    map->count += 1;
    return place + 8;
}

bool address_map_is_full(const struct address_map *map)
{
    assert(map->count <= map->count_max);
    return map->count == map->count_max;
}

void address_map_remove(struct address_map *map, uint64_t address)
{
    uint32_t hole = place_find(map, address);
    assert(address_at(map, hole) == address);
    const uint32_t mask = map->capacity - 1;

    /* Whatever comes later in the chain and may stand in the hole, whose place lies between its
     * home and its present place, moves there and leaves a new hole. Ends: at an empty place
     * (H1). */
    for (uint32_t place = place_after(map, hole); address_at(map, place) != 0;) {
        const uint32_t home = home_of(map, address_at(map, place));
        if (((place - home) & mask) >= ((place - hole) & mask)) {
            bytes_copy(place_at(map, hole), place_at(map, place), map->place_size);
            hole = place;
        }
        place = place_after(map, place);
    }
    bytes_zero(place_at(map, hole), map->place_size);
    assert(map->count > 0);
    map->count -= 1;
}
