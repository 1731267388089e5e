#include "query/sort.h"

#include <stdlib.h>

#include "base/random.h"
#include "support/test.h"

#include "base/poison.h"

enum { PLACES = 3 * SORT_MAX };

static struct key source[PLACES];
static uint64_t given[PLACES];
static uint32_t given_count, passes;

static struct sort sort_new(void **region)
{
    struct sort sort;
    struct budget budget;
    budget_measure_begin(&budget);
    sort_init(&sort, &budget);
    const uint64_t size = (budget_used(&budget) + BUDGET_ALIGNMENT - 1) & ~(uint64_t)4095;
    EXPECT(size >= SORT_MAX * sizeof(struct key));
    *region = aligned_alloc(BUDGET_ALIGNMENT, size);
    EXPECT(*region != NULL);
    budget_carve_begin(&budget, *region, size);
    sort_init(&sort, &budget);
    return sort;
}

static void add_all(struct sort *sort, uint32_t count)
{
    passes += 1;
    for (uint32_t index = 0; index < count; index += 1)
        sort_add(sort, source[index]);
    sort_pass_end(sort);
}

/* What comes out, from here on. */
static void take_all(struct sort *sort, uint32_t count)
{
    struct key place;
    do {
        add_all(sort, count);
        while (sort_next(sort, &place)) {
            given[given_count] = place.word[2];
            given_count += 1;
        }
    } while (sort_has_more(sort));
}

static void begin(struct sort *sort)
{
    given_count = 0;
    passes = 0;
    sort_begin(sort);
}

/* The numbers 1 to `count`, in an order of the seed's. */
static void shuffle(struct random *random, uint32_t count)
{
    for (uint32_t index = 0; index < count; index += 1) {
        const uint32_t other = (uint32_t)random_below(random, index + 1);
        source[index] = source[other];
        source[other] = key_from_u64(index + 1);
    }
}

TEST(sort, gives_places_in_order_in_as_many_passes_as_it_takes)
{
    static const struct {
        uint32_t count, passes;
    } cases[] = {
        {0, 1},
        {1, 1},
        {2, 1},
        {1000, 1},
        {SORT_MAX, 1},
        {SORT_MAX + 1, 2},
        {2 * SORT_MAX, 2},
        {PLACES, 3}};
    void *region = NULL;
    struct sort sort = sort_new(&region);
    const struct test_seeds seeds = test_seeds(3);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        struct random random;
        test_seed_begin(seed);
        random_init(&random, seed);
        for (uint32_t number = 0; number < sizeof cases / sizeof cases[0]; number += 1) {
            shuffle(&random, cases[number].count);
            begin(&sort);
            take_all(&sort, cases[number].count);
            EXPECT(given_count == cases[number].count);
            EXPECT(passes == cases[number].passes);
            for (uint32_t index = 0; index < given_count; index += 1)
                EXPECT(given[index] == index + 1);
        }
    }
    free(region);
}

TEST(sort, compares_all_three_words_and_gives_what_comes_twice_once)
{
    void *region = NULL;
    struct sort sort = sort_new(&region);
    static const struct key places[] = {
        {{0, 1, 0}}, {{1, 0, 0}}, {{0, 0, 9}}, {{1, 0, 0}}, {{0, 1, 1}}, {{0, 1, 0}}};
    static const struct key ascending[] = {{{0, 0, 9}}, {{0, 1, 0}}, {{0, 1, 1}}, {{1, 0, 0}}};
    for (uint32_t descending = 0; descending < 2; descending += 1) {
        sort_begin(&sort);
        for (uint32_t index = 0; index < 6; index += 1) {
            sort_add(&sort, descending ? place_complement(places[index]) : places[index]);
        }
        sort_pass_end(&sort);
        for (uint32_t index = 0; index < 4; index += 1) {
            struct key place;
            EXPECT(sort_next(&sort, &place));
            if (descending) place = place_complement(place);
            EXPECT(key_equal(place, ascending[descending ? 3 - index : index]));
        }
        struct key place;
        EXPECT(!sort_next(&sort, &place));
        EXPECT(!sort_has_more(&sort));
    }
    free(region);
}

/* Before the first pass, within one, and between what it gives. */
TEST(sort, leaves_out_what_lies_behind_its_bound_whenever_that_is_raised)
{
    void *region = NULL;
    struct sort sort = sort_new(&region);
    const struct test_seeds seeds = test_seeds(20);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        struct random random;
        test_seed_begin(seed);
        random_init(&random, seed);
        shuffle(&random, PLACES);
        begin(&sort);
        uint64_t bound = random_below(&random, PLACES / 4);
        sort_raise(&sort, key_from_u64(bound));
        uint64_t expected = bound + 1;
        do {
            for (uint32_t index = 0; index < PLACES; index += 1) {
                if (random_chance(&random, 1, 20000)) {
                    bound = expected + random_below(&random, PLACES / 4);
                    sort_raise(&sort, key_from_u64(bound));
                    if (bound >= expected) expected = bound + 1;
                }
                sort_add(&sort, source[index]);
            }
            sort_pass_end(&sort);
            struct key place;
            while (sort_next(&sort, &place)) {
                EXPECT(place.word[2] == expected);
                expected += 1;
                if (!random_chance(&random, 1, 2000)) continue;
                bound = expected - 2 + random_below(&random, 6000);
                sort_raise(&sort, key_from_u64(bound));
                if (bound >= expected) expected = bound + 1;
            }
        } while (sort_has_more(&sort));
        EXPECT(expected > PLACES);
    }
    free(region);
}

TEST_MAIN()
