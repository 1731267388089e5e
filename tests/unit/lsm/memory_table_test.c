#include "lsm/memory_table.h"

#include "base/integer.h"
#include "support/test.h"

#include <stdlib.h>

/* A record of an id tree, and as well one of an index tree: prefix and timestamp. */
struct pair {
    uint64_t key, value;
};

#define DEAD RECORD_TOMBSTONE

static struct record_shape shape;
static _Alignas(4096) uint8_t region[1 << 16];
static uint8_t scratch[1 << 14];

static struct memory_table table_new(enum tree_usage usage, uint32_t capacity, uint32_t runs_max)
{
    struct budget budget;
    struct memory_table table;
    shape = usage == TREE_INDEX ? record_shape_index64() : record_shape_id64();
    const struct memory_table_options options = {
        .shape = &shape,
        .usage = usage,
        .point_lookups = true,
        .capacity = capacity,
        .runs_max = runs_max,
    };
    budget_measure_begin(&budget);
    memory_table_init(&table, &budget, &options);
    const uint64_t size = budget_used(&budget);
    EXPECT(size > 0 && size <= sizeof region);
    bytes_zero(region, sizeof region);
    budget_carve_begin(&budget, region, sizeof region);
    memory_table_init(&table, &budget, &options);
    EXPECT(budget_used(&budget) == size);
    EXPECT(memory_table_scratch_size(&options) == (uint64_t)capacity * 16);
    memory_table_set_scratch(&table, scratch, sizeof scratch);
    return table;
}

static void put(struct memory_table *table, uint64_t key, uint64_t value)
{
    const struct pair pair = {key, value};
    memory_table_put(table, &pair);
    memory_table_check(table);
}

static struct key key_of(const struct memory_table *table, uint64_t key, uint64_t timestamp)
{
    return table->is_index ? key_from_prefix64(key, timestamp) : key_from_u64(key);
}

/* The value of the newest record of an id tree, 0: none. */
static uint64_t get_below(const struct memory_table *table, uint64_t key, uint32_t visible)
{
    const struct pair *pair = memory_table_get(table, key_of(table, key, 0), visible);
    if (pair != NULL) EXPECT(pair->key == key);
    return pair == NULL ? 0 : pair->value;
}

static uint64_t get(const struct memory_table *table, uint64_t key)
{
    return get_below(table, key, table->count);
}

static void sort(struct memory_table *table)
{
    memory_table_sort_suffix(table, table->count);
    memory_table_check(table);
}

TEST(memory_table, get_finds_the_newest_of_equal_keys)
{
    struct memory_table table = table_new(TREE_GENERAL, 10, 4);
    put(&table, 7, 1);
    put(&table, 5, 2);
    put(&table, 7, 3);
    EXPECT(get(&table, 7) == 3);

    sort(&table);
    EXPECT(table.count == 2);
    EXPECT(get(&table, 7) == 3);
    EXPECT(get(&table, 6) == 0); /* absent, between two present keys */
    EXPECT(get(&table, 8) == 0);
}

TEST(memory_table, get_answers_with_tombstones)
{
    struct memory_table table = table_new(TREE_GENERAL, 10, 4);
    put(&table, 7, 1);
    sort(&table);
    put(&table, 7, DEAD);
    EXPECT(get(&table, 7) == DEAD);
    sort(&table);
    EXPECT(get(&table, 7) == DEAD);
    EXPECT(table.run_count == 2);
    memory_table_make_immutable(&table);
    EXPECT(get(&table, 7) == DEAD); /* it may hide what lies on disk */
    EXPECT(table.count == 1);
}

TEST(memory_table, get_sees_only_what_is_visible)
{
    struct memory_table table = table_new(TREE_GENERAL, 10, 4);
    put(&table, 7, 1);
    sort(&table);
    put(&table, 7, 2);
    put(&table, 7, 3);
    put(&table, 8, 4);
    EXPECT(get_below(&table, 7, 1) == 1);
    EXPECT(get_below(&table, 7, 2) == 2);
    EXPECT(get_below(&table, 7, 3) == 3);
    EXPECT(get_below(&table, 8, 3) == 0);
    EXPECT(get_below(&table, 8, 4) == 4);
}

TEST(memory_table, discard_brings_back_what_the_scope_had_hidden)
{
    struct memory_table table = table_new(TREE_GENERAL, 10, 4);
    put(&table, 7, 1);
    const struct memory_table_mark outer = memory_table_mark(&table);
    put(&table, 7, 2);
    const struct memory_table_mark inner = memory_table_mark(&table);
    put(&table, 7, 3);
    put(&table, 9, 4);
    memory_table_discard(&table, inner);
    EXPECT(get(&table, 7) == 2 && get(&table, 9) == 0);
    put(&table, 9, 5);
    memory_table_discard(&table, outer);
    EXPECT(get(&table, 7) == 1 && get(&table, 9) == 0);
    memory_table_check(&table);
}

TEST(memory_table, an_empty_table_counts_as_sorted)
{
    struct memory_table table = table_new(TREE_INDEX, 10, 4);
    EXPECT(memory_table_is_sorted(&table));
    put(&table, 7, 1);
    EXPECT(!memory_table_is_sorted(&table));
    put(&table, 7, 1 | DEAD);
    EXPECT(memory_table_sort_suffix(&table, 2) == 0); /* a beat in which all of it cancels */
    EXPECT(memory_table_is_sorted(&table));
    put(&table, 7, 1); /* and a put after it */
    sort(&table);
    EXPECT(memory_table_is_sorted(&table));
}

TEST(memory_table, a_suffix_above_the_last_run_joins_it)
{
    struct memory_table table = table_new(TREE_GENERAL, 20, 2);
    for (uint64_t beat = 0; beat < 6; beat += 1) { /* more beats than runs_max */
        put(&table, 10 * beat + 1, 1);
        put(&table, 10 * beat + 2, 1);
        sort(&table);
    }
    EXPECT(table.run_count == 1);
    put(&table, 90, 1); /* not ascending, but above it once sorted */
    put(&table, 80, 1);
    sort(&table);
    EXPECT(table.run_count == 1);
    put(&table, 90, 2); /* equal is not above */
    sort(&table);
    EXPECT(table.run_count == 2);
    EXPECT(get(&table, 90) == 2);
}

TEST(memory_table, the_tail_moves_down_behind_a_run_that_shrank)
{
    struct memory_table table = table_new(TREE_GENERAL, 20, 4);
    put(&table, 7, 1);
    put(&table, 7, 2);
    put(&table, 3, 3);
    put(&table, 7, 4); /* the tail */
    put(&table, 1, 5);
    EXPECT(memory_table_sort_suffix(&table, 3) == 2);
    memory_table_check(&table);
    EXPECT(table.count == 4 && table.sorted_count == 2);
    EXPECT(get_below(&table, 7, 2) == 2 && get(&table, 7) == 4 && get(&table, 1) == 5);

    memory_table_discard(&table, memory_table_mark_at(&table, 2));
    EXPECT(get(&table, 7) == 2 && get(&table, 1) == 0 && get(&table, 3) == 3);
    memory_table_check(&table);
}

TEST(memory_table, sorting_nothing_settled_leaves_marks_alone)
{
    struct memory_table table = table_new(TREE_GENERAL, 20, 4);
    const struct memory_table_mark mark = memory_table_mark(&table);
    put(&table, 7, 1);
    EXPECT(memory_table_sort_suffix(&table, 0) == 0);
    memory_table_discard(&table, mark);
    EXPECT(table.count == 0);
}

TEST(memory_table, index_pairs_cancel_and_the_odd_one_stays)
{
    struct memory_table table = table_new(TREE_INDEX, 10, 4);
    put(&table, 7, 1 | DEAD); /* removes what lies on disk */
    put(&table, 7, 1);
    put(&table, 7, 1 | DEAD);
    put(&table, 7, 2); /* another timestamp is another key */
    sort(&table);
    EXPECT(table.count == 2);
    const struct pair *pair = memory_table_get(&table, key_of(&table, 7, 1), table.count);
    EXPECT(pair != NULL && pair->value == (1 | DEAD));
}

TEST(memory_table, runs_cancel_only_when_they_meet)
{
    struct memory_table table = table_new(TREE_INDEX, 10, 4);
    put(&table, 7, 1);
    put(&table, 8, 1);
    sort(&table);
    put(&table, 7, 1 | DEAD);
    sort(&table);
    EXPECT(table.count == 3 && table.run_count == 2);
    put(&table, 8, 1 | DEAD);
    memory_table_make_immutable(&table); /* of two runs and an unsorted suffix */
    memory_table_check(&table);
    EXPECT(table.count == 0 && table.run_count == 0);
}

TEST(memory_table, take_tail_moves_the_open_scope_to_the_next_bar)
{
    struct memory_table old = table_new(TREE_GENERAL, 20, 4);
    put(&old, 1, 10);
    put(&old, 2, 20);
    put(&old, 2, 21); /* the tail */
    put(&old, 3, 30);

    static _Alignas(64) uint8_t other_region[1 << 12];
    struct budget budget;
    struct memory_table next;
    const struct memory_table_options options = {
        .shape = &shape, .point_lookups = true, .capacity = 20, .runs_max = 4};
    bytes_zero(other_region, sizeof other_region);
    budget_carve_begin(&budget, other_region, sizeof other_region);
    memory_table_init(&next, &budget, &options);

    memory_table_take_tail(&next, &old, 2);
    memory_table_make_immutable(&old);
    memory_table_check(&old);
    memory_table_check(&next);
    EXPECT(old.count == 2 && next.count == 2);
    EXPECT(get(&old, 2) == 20 && get(&old, 3) == 0);
    EXPECT(get(&next, 2) == 21 && get(&next, 3) == 30 && get(&next, 1) == 0);
    memory_table_discard(&next, memory_table_mark_at(&next, 0));
    EXPECT(next.count == 0);
}

TEST(memory_table, key_min_and_key_max_are_over_all_runs)
{
    struct memory_table table = table_new(TREE_GENERAL, 20, 4);
    put(&table, 5, 1);
    put(&table, 9, 1);
    sort(&table);
    put(&table, 2, 1);
    put(&table, 6, 1);
    sort(&table);
    EXPECT(table.run_count == 2);
    EXPECT(key_equal(memory_table_key_min(&table), key_from_u64(2)));
    EXPECT(key_equal(memory_table_key_max(&table), key_from_u64(9)));
}

TEST(memory_table, reset_forgets_everything)
{
    struct memory_table table = table_new(TREE_GENERAL, 4, 4);
    for (uint64_t key = 0; key < 4; key += 1)
        put(&table, 9 - key, 1);
    memory_table_make_immutable(&table);
    memory_table_reset(&table);
    memory_table_check(&table);
    EXPECT(table.count == 0 && get(&table, 9) == 0);
    for (uint64_t key = 0; key < 4; key += 1)
        put(&table, 9 - key, 2);
    EXPECT(get(&table, 6) == 2);
}

TEST(memory_table, a_table_can_be_filled_to_the_last_record)
{
    struct memory_table table = table_new(TREE_GENERAL, 500, 4);
    for (uint64_t index = 0; index < 500; index += 1)
        put(&table, index * 7919 % 500, index + 1);
    for (uint64_t index = 0; index < 500; index += 1) {
        EXPECT(get(&table, index * 7919 % 500) == index + 1);
    }
    memory_table_make_immutable(&table);
    memory_table_check(&table);
    EXPECT(table.count == 500);
    for (uint64_t index = 0; index < 500; index += 1) {
        EXPECT(get(&table, index * 7919 % 500) == index + 1);
    }
}

TEST_MAIN()
