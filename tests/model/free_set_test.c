/* A free set and an oracle are given the same random operations and must stay the same.
 *
 * The oracle is an array of states, one a block, and a list of reservations each with the addresses
 * it claims: too wasteful to ship, too plain to be wrong. Few blocks, so that full sets, refused
 * reservations and addresses in use again are common; in other runs three shards, so that the index
 * matters. Now and then the set is encoded and opened again, as a process would that starts from a
 * checkpoint, and must go on alike. */
#include "storage/free_set.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/random.h"
#include "support/test.h"

#include <stdlib.h>

#include "base/poison.h"

enum { BLOCKS_MAX = 3 * FREE_SET_SHARD_BLOCKS + 77, RESERVATIONS_MAX = 4, OWN_MAX = 3 };

/* RELEASED + n: after n more effects than the next it is free; RELEASED + keep: of the side. */
enum block_state { FREE, ACQUIRED, RELEASED };

struct claim {
    struct free_set_reservation reservation;
    uint64_t *addresses; /* the free ones it claims, ascending */
    uint64_t count;
    uint64_t used;
    bool is_open;
};

struct model {
    struct random random;
    uint64_t block_count;
    uint32_t keep;
    struct free_set set;
    void *region;
    uint8_t *state; /* enum block_state, by address */
    struct claim claims[RESERVATIONS_MAX];
    uint32_t open_count;
    uint64_t reserved_to; /* the highest address that is claimed */
    bool is_forfeiting;
    bool is_pending;
};

/* A set over zeroed memory. */
static void set_new(struct model *model)
{
    struct budget budget;
    budget_measure_begin(&budget);
    free_set_init(&model->set, &budget, model->block_count, model->keep);
    const uint64_t size = budget_used(&budget);
    model->region =
        aligned_alloc(BUDGET_ALIGNMENT, (size / BUDGET_ALIGNMENT + 1) * BUDGET_ALIGNMENT);
    assert(model->region != NULL);
    bytes_zero(model->region, size);
    budget_carve_begin(&budget, model->region, size);
    free_set_init(&model->set, &budget, model->block_count, model->keep);
}

static void compare_counts(const struct model *model)
{
    uint64_t free_count = 0;
    uint64_t released_count = 0;
    uint64_t highest = 0;
    uint64_t first_free = 0;
    for (uint64_t address = 1; address <= model->block_count; address += 1) {
        const uint8_t state = model->state[address];
        EXPECT(free_set_is_free(&model->set, address) == (state == FREE));
        EXPECT(free_set_is_released(&model->set, address) == (state >= RELEASED));
        const uint32_t effects = state < RELEASED ? 0 : state - RELEASED + 1;
        EXPECT(free_set_effects_left(&model->set, address) == effects);
        if (state == FREE) free_count += 1;
        if (state == FREE && first_free == 0) first_free = address;
        if (state >= RELEASED) released_count += 1;
        if (state != FREE) highest = address;
    }
    EXPECT(free_set_count_free(&model->set) == free_count);
    EXPECT(free_set_count_acquired(&model->set) == model->block_count - free_count);
    EXPECT(free_set_count_released(&model->set) == released_count);
    EXPECT(free_set_highest_acquired(&model->set) == highest);
    EXPECT(free_set_nth_free(&model->set, 1) == first_free);
    free_set_check(&model->set);
}

static void reserve(struct model *model)
{
    if (model->is_forfeiting || model->open_count == RESERVATIONS_MAX) return;
    struct claim *claim = &model->claims[model->open_count];
    const uint64_t count = random_below(&model->random, model->block_count / 3 + 2);
    uint64_t found = 0;
    uint64_t last = model->reserved_to;
    for (uint64_t address = last + 1; address <= model->block_count && found < count;
         address += 1) {
        if (model->state[address] != FREE) continue;
        claim->addresses[found] = address;
        found += 1;
        last = address;
    }
    const bool is_reserved = free_set_reserve(&model->set, count, &claim->reservation);
    EXPECT(is_reserved == (found == count));
    if (!is_reserved) return;
    model->reserved_to = last;
    claim->count = count;
    claim->used = 0;
    claim->is_open = true;
    model->open_count += 1;
}

static void acquire(struct model *model)
{
    struct claim *claim = &model->claims[random_below(&model->random, RESERVATIONS_MAX)];
    if (!claim->is_open) return;
    uint64_t count = random_below(&model->random, claim->count - claim->used + 1);
    while (count > 0) {
        const uint64_t address = free_set_acquire(&model->set, &claim->reservation);
        EXPECT(address == claim->addresses[claim->used]);
        EXPECT(model->state[address] == FREE);
        model->state[address] = ACQUIRED;
        claim->used += 1;
        count -= 1;
    }
    EXPECT(free_set_reservation_left(&claim->reservation) == claim->count - claim->used);
}

static void forfeit(struct model *model, struct claim *claim)
{
    if (!claim->is_open) return;
    free_set_forfeit(&model->set, &claim->reservation);
    claim->is_open = false;
    uint32_t left = 0;
    for (uint32_t index = 0; index < RESERVATIONS_MAX; index += 1) {
        if (model->claims[index].is_open) left += 1;
    }
    model->is_forfeiting = left > 0;
    if (left > 0) return;
    model->open_count = 0;
    model->reserved_to = 0;
}

static void release(struct model *model)
{
    uint64_t count = random_below(&model->random, 1 + model->block_count / 8);
    const uint64_t from = random_below(&model->random, model->block_count) + 1;
    for (uint64_t address = from; address <= model->block_count && count > 0; address += 1) {
        if (model->state[address] != ACQUIRED) continue;
        if (random_chance(&model->random, 1, 4)) continue;
        free_set_release(&model->set, address);
        model->state[address] = (uint8_t)(RELEASED + model->keep - !model->is_pending);
        count -= 1;
    }
}

/* Encodes, acquires blocks of its own as a trailer does, captures and releases them; or, in place
 * of going on with this set, opens what was encoded. */
static void capture(struct model *model)
{
    uint64_t own[OWN_MAX];
    uint64_t own_count = random_below(&model->random, OWN_MAX + 1);
    const uint64_t acquired_size = free_set_acquired_size(&model->set);
    const uint64_t released_size = free_set_released_size(&model->set);
    uint8_t *acquired = malloc(acquired_size + 1);
    uint8_t *released = malloc(released_size + 1);
    assert(acquired != NULL && released != NULL);
    free_set_encode(&model->set, acquired, released);

    struct free_set_reservation reservation;
    if (!free_set_reserve(&model->set, own_count, &reservation)) {
        own_count = 0;
        EXPECT(free_set_reserve(&model->set, own_count, &reservation));
    }
    for (uint64_t index = 0; index < own_count; index += 1) {
        own[index] = free_set_acquire(&model->set, &reservation);
        model->state[own[index]] = (uint8_t)(RELEASED + model->keep);
    }
    free_set_forfeit(&model->set, &reservation);
    if (random_chance(&model->random, 1, 2)) {
        free_set_capture(&model->set);
        for (uint64_t index = 0; index < own_count; index += 1) {
            free_set_release(&model->set, own[index]);
        }
    } else {
        free(model->region);
        set_new(model);
        const struct free_set_words words = {
            .acquired = acquired,
            .released = released,
            .acquired_count = acquired_size / 8,
            .released_count = released_size / 8,
        };
        EXPECT(free_set_fault(&model->set, &words, model->block_count) == NULL);
        free_set_open(&model->set, &words);
        for (uint64_t index = 0; index < own_count; index += 1) {
            EXPECT(free_set_open_own(&model->set, own[index], true));
        }
    }
    free(acquired);
    free(released);
    model->is_pending = true;
}

static void effect(struct model *model)
{
    free_set_effect(&model->set);
    for (uint64_t address = 1; address <= model->block_count; address += 1) {
        uint8_t *state = &model->state[address];
        if (*state == RELEASED) *state = FREE;
        if (*state > RELEASED) *state -= 1;
    }
    model->is_pending = false;
}

static void run(uint64_t seed, uint32_t steps)
{
    struct model model = {0};
    random_init(&model.random, seed);
    const bool is_small = random_chance(&model.random, 3, 4);
    model.block_count = is_small ? random_range(&model.random, 1, 200)
                                 : random_range(&model.random, 4000, BLOCKS_MAX);
    model.keep = random_chance(&model.random, 1, 2)
                     ? 1
                     : (uint32_t)random_range(&model.random, 2, FREE_SET_KEEP_MAX);
    if (!is_small) steps /= 10;
    model.state = calloc(model.block_count + 1, 1);
    assert(model.state != NULL);
    for (uint32_t index = 0; index < RESERVATIONS_MAX; index += 1) {
        model.claims[index].addresses = calloc(model.block_count + 2, sizeof(uint64_t));
        assert(model.claims[index].addresses != NULL);
    }
    set_new(&model);
    free_set_open_empty(&model.set);

    for (uint32_t step = 0; step < steps; step += 1) {
        const uint64_t roll = random_below(&model.random, 100);
        if (roll < 25)
            reserve(&model);
        else if (roll < 60)
            acquire(&model);
        else if (roll < 75)
            release(&model);
        else if (roll < 90) {
            forfeit(&model, &model.claims[random_below(&model.random, RESERVATIONS_MAX)]);
        } else if (model.open_count > 0) {
            for (uint32_t i = 0; i < RESERVATIONS_MAX; i += 1)
                forfeit(&model, &model.claims[i]);
        } else if (model.is_pending) {
            effect(&model);
        } else {
            capture(&model);
        }
        compare_counts(&model);
    }
    for (uint32_t index = 0; index < RESERVATIONS_MAX; index += 1) {
        free(model.claims[index].addresses);
    }
    free(model.state);
    free(model.region);
}

TEST(free_set_model, does_what_a_plain_list_of_blocks_does)
{
    const struct test_seeds seeds = test_seeds(60);
    for (uint64_t index = 0; index < seeds.count; index += 1) {
        test_seed_begin(seeds.first + index);
        run(seeds.first + index, 1000);
    }
}

TEST_MAIN()
