#include "storage/free_set.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "support/test.h"

#include <stdlib.h>

#include "base/poison.h"

/* A set over memory of its own: an open one without any block acquired. */
struct fixture {
    struct free_set set;
    void *region;
};

static void fixture_begin_keeping(struct fixture *fixture, uint64_t block_count_max, uint32_t keep)
{
    struct budget budget;
    budget_measure_begin(&budget);
    free_set_init(&fixture->set, &budget, block_count_max, keep);
    const uint64_t size = budget_used(&budget) + BUDGET_ALIGNMENT;
    fixture->region = aligned_alloc(BUDGET_ALIGNMENT, size - size % BUDGET_ALIGNMENT);
    assert(fixture->region != NULL);
    bytes_zero(fixture->region, size - size % BUDGET_ALIGNMENT);
    budget_carve_begin(&budget, fixture->region, size);
    free_set_init(&fixture->set, &budget, block_count_max, keep);
}

static void fixture_begin(struct fixture *fixture, uint64_t block_count_max)
{
    fixture_begin_keeping(fixture, block_count_max, 1);
}

static void fixture_end(struct fixture *fixture)
{
    free(fixture->region);
}

/* Acquires the `count` lowest free blocks; returns the last one's address. */
static uint64_t acquire_many(struct free_set *set, uint64_t count)
{
    struct free_set_reservation reservation;
    EXPECT(free_set_reserve(set, count, &reservation));
    uint64_t address = 0;
    for (uint64_t index = 0; index < count; index += 1) {
        address = free_set_acquire(set, &reservation);
    }
    free_set_forfeit(set, &reservation);
    return address;
}

TEST(free_set, acquires_the_lowest_addresses_first)
{
    struct fixture fixture;
    fixture_begin(&fixture, 10000);
    struct free_set *set = &fixture.set;
    free_set_open_empty(set);
    EXPECT(acquire_many(set, 1) == 1);
    EXPECT(acquire_many(set, 4) == 5);
    EXPECT(free_set_count_acquired(set) == 5);
    EXPECT(free_set_count_free(set) == 9995);
    EXPECT(free_set_highest_acquired(set) == 5);
    EXPECT(!free_set_is_free(set, 5));
    EXPECT(free_set_is_free(set, 6));
    EXPECT(!free_set_is_free(set, 0));     /* no block */
    EXPECT(!free_set_is_free(set, 10001)); /* none either */
    free_set_check(set);
    fixture_end(&fixture);
}

TEST(free_set, gives_each_reservation_its_own_range_whatever_the_order_of_use)
{
    struct fixture fixture;
    fixture_begin(&fixture, 100);
    struct free_set *set = &fixture.set;
    free_set_open_empty(set);
    struct free_set_reservation a;
    struct free_set_reservation b;
    EXPECT(free_set_reserve(set, 3, &a));
    EXPECT(free_set_reserve(set, 2, &b));
    EXPECT(free_set_count_reserved(set) == 5);
    EXPECT(free_set_acquire(set, &b) == 4);
    EXPECT(free_set_acquire(set, &a) == 1);
    EXPECT(free_set_acquire(set, &b) == 5);
    EXPECT(free_set_acquire(set, &a) == 2);
    EXPECT(free_set_reservation_left(&a) == 1);
    EXPECT(free_set_reservation_left(&b) == 0);
    free_set_forfeit(set, &b);
    free_set_forfeit(set, &a);
    EXPECT(free_set_count_reserved(set) == 0);
    EXPECT(acquire_many(set, 1) == 3); /* what a did not use */
    free_set_check(set);
    fixture_end(&fixture);
}

TEST(free_set, refuses_a_reservation_that_does_not_fit_and_changes_nothing)
{
    struct fixture fixture;
    fixture_begin(&fixture, 70);
    struct free_set *set = &fixture.set;
    free_set_open_empty(set);
    struct free_set_reservation a;
    struct free_set_reservation b;
    EXPECT(!free_set_reserve(set, 71, &a));
    EXPECT(free_set_reserve(set, 69, &a));
    EXPECT(!free_set_reserve(set, 2, &b));
    EXPECT(free_set_reserve(set, 1, &b));
    EXPECT(free_set_acquire(set, &b) == 70);
    free_set_forfeit(set, &a);
    free_set_forfeit(set, &b);
    EXPECT(acquire_many(set, 69) == 69);
    EXPECT(free_set_count_free(set) == 0);
    EXPECT(!free_set_reserve(set, 1, &a));
    EXPECT(free_set_reserve(set, 0, &a)); /* nothing may be claimed, too */
    free_set_forfeit(set, &a);
    EXPECT(free_set_nth_free(set, 1) == 0);
    free_set_check(set);
    fixture_end(&fixture);
}

TEST(free_set, frees_a_released_block_only_at_the_effect_after_its_capture)
{
    struct fixture fixture;
    fixture_begin(&fixture, 100);
    struct free_set *set = &fixture.set;
    free_set_open_empty(set);
    (void)acquire_many(set, 3);
    free_set_release(set, 2);
    EXPECT(free_set_is_released(set, 2));
    EXPECT(!free_set_is_free(set, 2));
    EXPECT(acquire_many(set, 1) == 4);

    free_set_capture(set);
    free_set_release(set, 1); /* after the capture: one checkpoint later */
    EXPECT(free_set_count_released(set) == 2);
    free_set_effect(set);
    EXPECT(free_set_is_free(set, 2));
    EXPECT(!free_set_is_free(set, 1));
    EXPECT(free_set_is_released(set, 1));
    EXPECT(free_set_count_released(set) == 1);
    EXPECT(acquire_many(set, 1) == 2);

    free_set_capture(set);
    free_set_effect(set);
    EXPECT(free_set_is_free(set, 1));
    EXPECT(free_set_count_released(set) == 0);
    EXPECT(free_set_highest_acquired(set) == 4);
    free_set_check(set);
    fixture_end(&fixture);
}

/* One capture with its effect. */
static void checkpoint(struct free_set *set)
{
    free_set_capture(set);
    free_set_effect(set);
    free_set_check(set);
}

TEST(free_set, frees_a_released_block_as_many_checkpoints_later_as_it_keeps)
{
    for (uint32_t keep = 1; keep <= FREE_SET_KEEP_MAX; keep += 1) {
        struct fixture fixture;
        fixture_begin_keeping(&fixture, 100, keep);
        struct free_set *set = &fixture.set;
        free_set_open_empty(set);
        (void)acquire_many(set, 50);
        EXPECT(free_set_effects_left(set, 7) == 0 && free_set_effects_left(set, 0) == 0);
        free_set_release(set, 7);
        for (uint32_t effects = keep; effects > 0; effects -= 1) {
            EXPECT(free_set_effects_left(set, 7) == effects);
            EXPECT(free_set_is_released(set, 7) && !free_set_is_free(set, 7));
            EXPECT(acquire_many(set, 1) == 51 + keep - effects); /* another one */
            free_set_capture(set);
            free_set_release(set, 10 + effects); /* after the capture: a generation younger */
            EXPECT(free_set_effects_left(set, 10 + effects) == keep + 1);
            EXPECT(free_set_count_kept(set) == keep - effects);
            free_set_effect(set);
            EXPECT(free_set_effects_left(set, 10 + effects) == keep);
            free_set_check(set);
        }
        EXPECT(free_set_is_free(set, 7) && !free_set_is_released(set, 7));
        EXPECT(free_set_count_released(set) == keep);
        EXPECT(acquire_many(set, 1) == 7);
        for (uint32_t effects = keep; effects > 0; effects -= 1) {
            EXPECT(free_set_effects_left(set, 10 + effects) == keep - (effects - 1));
        }
        for (uint32_t index = keep; index > 0; index -= 1) {
            EXPECT(!free_set_is_free(set, 10 + index));
            checkpoint(set);
            EXPECT(free_set_is_free(set, 10 + index));
        }
        EXPECT(free_set_count_released(set) == 0);
        fixture_end(&fixture);
    }
}

TEST(free_set, encodes_generations_one_after_the_other_without_zero_words_at_the_end)
{
    struct fixture fixtures[2];
    fixture_begin_keeping(&fixtures[0], 1000, 3);
    struct free_set *old = &fixtures[0].set;
    free_set_open_empty(old);
    (void)acquire_many(old, 130); /* three words */
    EXPECT(free_set_released_size(old) == 0);
    free_set_release(old, 65);
    EXPECT(free_set_released_size(old) == 8 * (6 + 2)); /* of the newest: word 1 */
    checkpoint(old);
    EXPECT(free_set_released_size(old) == 8 * (3 + 2));
    free_set_release(old, 130);
    free_set_release(old, 1);
    EXPECT(free_set_released_size(old) == 8 * 9);
    checkpoint(old);
    free_set_release(old, 2);

    uint8_t acquired[24];
    uint8_t released[72];
    EXPECT(free_set_acquired_size(old) == sizeof acquired);
    EXPECT(free_set_released_size(old) == 8 * 7);
    free_set_encode(old, acquired, released);
    const uint64_t expected[7] = {0, 1, 0, 1, 0, 2, 2};
    for (uint32_t word = 0; word < 7; word += 1) {
        EXPECT(load_u64(released + (size_t)word * 8) == expected[word]);
    }
    const struct free_set_words words = {acquired, released, 3, 7};
    EXPECT(free_set_words_released(&words, 0) == 3);
    EXPECT(free_set_words_released(&words, 1) == 1);
    EXPECT(free_set_words_released(&words, 2) == 2);

    fixture_begin_keeping(&fixtures[1], 1000, 3);
    struct free_set *new = &fixtures[1].set;
    EXPECT(free_set_fault(new, &words, 130) == NULL);
    free_set_open(new, &words);
    free_set_check(new);
    EXPECT(free_set_effects_left(new, 65) == 1);
    EXPECT(free_set_effects_left(new, 1) == 2 && free_set_effects_left(new, 130) == 2);
    EXPECT(free_set_effects_left(new, 2) == 3);
    EXPECT(free_set_open_own(new, 3, false));
    EXPECT(free_set_effects_left(new, 3) == 4);
    free_set_effect(new);
    EXPECT(free_set_is_free(new, 65) && free_set_effects_left(new, 3) == 3);
    checkpoint(new);
    EXPECT(free_set_is_free(new, 1) && free_set_is_free(new, 130));
    EXPECT(free_set_highest_acquired(new) == 129);
    fixture_end(&fixtures[0]);
    fixture_end(&fixtures[1]);
}

TEST(free_set, finds_free_blocks_behind_full_shards)
{
    struct fixture fixture;
    fixture_begin(&fixture, 3 * FREE_SET_SHARD_BLOCKS + 5);
    struct free_set *set = &fixture.set;
    free_set_open_empty(set);
    EXPECT(acquire_many(set, 2 * FREE_SET_SHARD_BLOCKS) == 2 * FREE_SET_SHARD_BLOCKS);
    free_set_check(set);
    EXPECT(free_set_nth_free(set, 1) == 2 * FREE_SET_SHARD_BLOCKS + 1);
    EXPECT(free_set_nth_free(set, FREE_SET_SHARD_BLOCKS + 5) == 3 * FREE_SET_SHARD_BLOCKS + 5);
    EXPECT(free_set_nth_free(set, FREE_SET_SHARD_BLOCKS + 6) == 0);

    free_set_release(set, 100);
    free_set_capture(set);
    free_set_effect(set);
    free_set_check(set);
    EXPECT(acquire_many(set, 1) == 100);
    EXPECT(acquire_many(set, FREE_SET_SHARD_BLOCKS + 5) == 3 * FREE_SET_SHARD_BLOCKS + 5);
    free_set_check(set);
    fixture_end(&fixture);
}

TEST(free_set, forgets_its_highest_address_when_the_top_is_freed)
{
    struct fixture fixture;
    fixture_begin(&fixture, 1000);
    struct free_set *set = &fixture.set;
    free_set_open_empty(set);
    (void)acquire_many(set, 700);
    for (uint64_t address = 3; address <= 700; address += 1)
        free_set_release(set, address);
    free_set_capture(set);
    free_set_effect(set);
    EXPECT(free_set_highest_acquired(set) == 2);
    free_set_release(set, 1);
    free_set_release(set, 2);
    free_set_capture(set);
    free_set_effect(set);
    EXPECT(free_set_highest_acquired(set) == 0);
    EXPECT(free_set_acquired_size(set) == 0);
    free_set_check(set);
    fixture_end(&fixture);
}

TEST(free_set, encodes_no_word_that_depends_on_the_size_max)
{
    struct fixture fixtures[2];
    uint8_t acquired[2][64];
    uint8_t released[2][64];
    const uint64_t maxima[2] = {200, 100000};
    for (uint32_t index = 0; index < 2; index += 1) {
        struct free_set *set = &fixtures[index].set;
        fixture_begin(&fixtures[index], maxima[index]);
        free_set_open_empty(set);
        (void)acquire_many(set, 150);
        free_set_release(set, 70);
        EXPECT(free_set_acquired_size(set) == 24);
        EXPECT(free_set_released_size(set) == 16);
        free_set_encode(set, acquired[index], released[index]);
    }
    EXPECT(bytes_equal(acquired[0], acquired[1], 24));
    EXPECT(bytes_equal(released[0], released[1], 16));
    EXPECT(load_u64(acquired[0]) == UINT64_MAX);
    EXPECT(load_u64(acquired[0] + 16) == (UINT64_C(1) << 22) - 1);
    EXPECT(load_u64(released[0] + 8) == UINT64_C(1) << 5);
    fixture_end(&fixtures[0]);
    fixture_end(&fixtures[1]);
}

TEST(free_set, opens_as_it_was_encoded_with_an_effect_pending)
{
    struct fixture fixtures[2];
    uint8_t acquired[2048];
    uint8_t released[2048];
    fixture_begin(&fixtures[0], 10000);
    struct free_set *old = &fixtures[0].set;
    free_set_open_empty(old);
    (void)acquire_many(old, 5000);
    free_set_release(old, 17);
    free_set_release(old, 4999);
    free_set_encode(old, acquired, released);
    const struct free_set_words words = {
        .acquired = acquired,
        .acquired_count = free_set_acquired_size(old) / 8,
        .released = released,
        .released_count = free_set_released_size(old) / 8,
    };

    fixture_begin(&fixtures[1], 10000);
    struct free_set *new = &fixtures[1].set;
    EXPECT(free_set_fault(new, &words, 5000) == NULL);
    free_set_open(new, &words);
    free_set_check(new);
    EXPECT(free_set_count_acquired(new) == 5000);
    EXPECT(free_set_count_released(new) == 2);
    EXPECT(new->effect_pending);
    free_set_effect(new);
    EXPECT(free_set_is_free(new, 17));
    EXPECT(acquire_many(new, 1) == 17);
    free_set_check(new);
    fixture_end(&fixtures[0]);
    fixture_end(&fixtures[1]);
}

TEST(free_set, adds_own_blocks_only_where_the_words_say_what_they_must)
{
    struct fixture fixture;
    fixture_begin(&fixture, 100);
    struct free_set *set = &fixture.set;
    uint8_t acquired[8];
    uint8_t released[8];
    store_u64(acquired, 7);
    store_u64(released, 2);
    const struct free_set_words words = {acquired, released, 1, 1};
    free_set_open(set, &words);
    EXPECT(!free_set_open_own(set, 0, true));
    EXPECT(!free_set_open_own(set, 101, true));
    EXPECT(!free_set_open_own(set, 1, true)); /* in use by something else */
    EXPECT(!free_set_open_own(set, 2, false)
    ); /* released: it would be freed under the checkpoint */
    EXPECT(!free_set_open_own(set, 4, false)); /* free */
    EXPECT(free_set_open_own(set, 4, true));
    EXPECT(!free_set_open_own(set, 4, true)); /* twice */
    EXPECT(free_set_open_own(set, 3, false));
    EXPECT(!free_set_open_own(set, 3, false));
    EXPECT(free_set_count_acquired(set) == 4);
    EXPECT(free_set_count_released(set) == 3);
    free_set_check(set);
    free_set_effect(set);
    EXPECT(free_set_is_free(set, 2));
    EXPECT(free_set_is_released(set, 3));
    EXPECT(free_set_is_released(set, 4));
    fixture_end(&fixture);
}

TEST(free_set, finds_fault_with_words_that_are_not_ours)
{
    struct fixture fixture;
    fixture_begin(&fixture, 100);
    const struct free_set *set = &fixture.set;
    uint8_t a[16];
    uint8_t r[16];
    store_u64(a, 5);
    store_u64(a + 8, 1);
    store_u64(r, 4);
    store_u64(r + 8, 0);
    EXPECT(free_set_fault(set, &(struct free_set_words){a, r, 2, 1}, 65) == NULL);
    EXPECT(free_set_fault(set, &(struct free_set_words){a, r, 0, 0}, 0) == NULL);
    EXPECT(
        free_set_fault(set, &(struct free_set_words){a, r, 2, 1}, 64) != NULL
    ); /* past the end */
    EXPECT(free_set_fault(set, &(struct free_set_words){a, r, 2, 1}, 101) != NULL);
    EXPECT(free_set_fault(set, &(struct free_set_words){a, r, 2, 2}, 65) != NULL); /* zero word */
    EXPECT(free_set_fault(set, &(struct free_set_words){a, r, 0, 1}, 65) != NULL);
    EXPECT(free_set_fault(set, &(struct free_set_words){a, r, UINT64_MAX, 1}, 65) != NULL);
    store_u64(r, 2); /* released, and free */
    EXPECT(free_set_fault(set, &(struct free_set_words){a, r, 2, 1}, 65) != NULL);
    store_u64(a + 8, UINT64_C(1) << 36); /* block 101 */
    store_u64(r, 4);
    EXPECT(free_set_fault(set, &(struct free_set_words){a, r, 2, 1}, 100) != NULL);
    fixture_end(&fixture);
}

TEST(free_set, finds_fault_with_generations_that_are_not_ours)
{
    struct fixture fixture;
    fixture_begin_keeping(&fixture, 200, 2);
    const struct free_set *set = &fixture.set;
    uint8_t a[16];
    uint8_t r[40];
    store_u64(a, 7);
    store_u64(a + 8, 1);
    bytes_zero(r, sizeof r);
    store_u64(r, 1);
    store_u64(r + 16, 2);
    store_u64(r + 24, 1);
    EXPECT(free_set_fault(set, &(struct free_set_words){a, r, 2, 4}, 65) == NULL);
    EXPECT(free_set_fault(set, &(struct free_set_words){a, r, 2, 3}, 65) == NULL);
    EXPECT(free_set_fault(set, &(struct free_set_words){a, r, 2, 2}, 65) != NULL); /* zero word */
    store_u64(r + 32, 1);
    EXPECT(free_set_fault(set, &(struct free_set_words){a, r, 2, 5}, 65) != NULL); /* a third */
    store_u64(r + 24, 2); /* block 66 is free */
    EXPECT(free_set_fault(set, &(struct free_set_words){a, r, 2, 4}, 65) != NULL);
    store_u64(r + 24, 0);
    store_u64(r + 16, 1); /* block 1 twice */
    EXPECT(free_set_fault(set, &(struct free_set_words){a, r, 2, 3}, 65) != NULL);
    EXPECT(free_set_fault(set, &(struct free_set_words){a, r, 2, UINT64_MAX}, 65) != NULL);
    EXPECT(free_set_fault(set, &(struct free_set_words){a, r, 0, 1}, 0) != NULL);
    fixture_end(&fixture);
}

TEST_MAIN()
