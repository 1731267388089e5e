#include "base/bytes.h"
#include "base/random.h"
#include "lsm/address_map.h"
#include "support/test.h"

#include <stdlib.h>

static void *map_begin(struct address_map *map, uint32_t count_max, uint32_t value_size)
{
    struct budget budget;
    budget_measure_begin(&budget);
    address_map_init(map, &budget, count_max, value_size);
    const uint64_t size = (budget_used(&budget) / BUDGET_ALIGNMENT + 1) * BUDGET_ALIGNMENT;
    void *region = aligned_alloc(BUDGET_ALIGNMENT, size);
    EXPECT(region != NULL);
    bytes_zero(region, size);
    budget_carve_begin(&budget, region, size);
    address_map_init(map, &budget, count_max, value_size);
    return region;
}

TEST(address_map, finds_what_was_put_and_nothing_else)
{
    struct address_map map;
    void *region = map_begin(&map, 3, 8);
    EXPECT(address_map_get(&map, 7) == NULL);
    store_u64(address_map_insert(&map, 7), 70);
    store_u64(address_map_insert(&map, 8), 80);
    store_u64(address_map_insert(&map, UINT64_MAX), 90);
    EXPECT(address_map_is_full(&map));
    EXPECT(load_u64(address_map_get(&map, 7)) == 70);
    EXPECT(load_u64(address_map_get(&map, 8)) == 80);
    EXPECT(load_u64(address_map_get(&map, UINT64_MAX)) == 90);
    EXPECT(address_map_get(&map, 9) == NULL);
    address_map_remove(&map, 8);
    EXPECT(address_map_get(&map, 8) == NULL);
    EXPECT(!address_map_is_full(&map));
    EXPECT(load_u64(address_map_insert(&map, 8)) == 0); /* zeroed again */
    EXPECT(map.count == 3);
    free(region);
}

/* Against an array with a place for each address; full most of the time, so that chains are long
 * and run over the end. */
TEST(address_map, stays_the_same_as_an_array)
{
    enum { ADDRESSES = 200, COUNT_MAX = 96 };
    const struct test_seeds seeds = test_seeds(20);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        struct random random;
        random_init(&random, seed);
        struct address_map map;
        void *region = map_begin(&map, COUNT_MAX, seed % 2 == 0 ? 8 : 0);
        uint64_t addresses[ADDRESSES];
        uint64_t values[ADDRESSES] = {0};
        for (uint32_t i = 0; i < ADDRESSES; i += 1) {
            addresses[i] = seed % 3 == 0 ? i + 1 : random_u64(&random) / 2 + i + 1;
        }
        for (uint32_t step = 0; step < 4000; step += 1) {
            const uint32_t i = (uint32_t)random_below(&random, ADDRESSES);
            if (values[i] != 0) {
                address_map_remove(&map, addresses[i]);
                values[i] = 0;
            } else if (!address_map_is_full(&map)) {
                values[i] = step + 1;
                void *value = address_map_insert(&map, addresses[i]);
                if (seed % 2 == 0) store_u64(value, values[i]);
            }
            if (step % 64 != 0) continue;
            address_map_check(&map);
            for (uint32_t j = 0; j < ADDRESSES; j += 1) {
                const void *value = address_map_get(&map, addresses[j]);
                EXPECT((value != NULL) == (values[j] != 0));
                if (value != NULL && seed % 2 == 0) EXPECT(load_u64(value) == values[j]);
            }
        }
        free(region);
    }
}

TEST_MAIN()
