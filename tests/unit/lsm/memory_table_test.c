#include "lsm/memory_table.h"

#include "base/integer.h"
#include "base/random.h"
#include "support/test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* A record of an id tree, and as well one of an index tree: prefix and timestamp. */
struct pair {
    uint64_t key, value;
};

#define DEAD RECORD_TOMBSTONE

static struct record_shape shape;
static uint32_t suffix_max; /* of new tables; 0: their capacity */
static _Alignas(4096) uint8_t region[1 << 17];
static uint8_t scratch[1 << 16];

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
        .suffix_max = suffix_max,
    };
    budget_measure_begin(&budget);
    memory_table_init(&table, &budget, &options);
    const uint64_t size = budget_used(&budget);
    EXPECT(size > 0 && size <= sizeof region);
    bytes_zero(region, sizeof region);
    budget_carve_begin(&budget, region, sizeof region);
    memory_table_init(&table, &budget, &options);
    EXPECT(budget_used(&budget) == size);
    const uint32_t unsorted = suffix_max == 0 ? capacity : suffix_max;
    EXPECT(memory_table_scratch_size(&options) == (uint64_t)unsorted * 16);
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

/* The other table of the tree. */
static struct memory_table other_table(uint32_t capacity, uint32_t runs_max)
{
    static _Alignas(64) uint8_t other_region[1 << 17];
    struct budget budget;
    struct memory_table table;
    const bool is_index = shape.key_bits == KEY_128;
    const struct memory_table_options options = {
        .shape = &shape,
        .usage = is_index ? TREE_INDEX : TREE_GENERAL,
        .point_lookups = true,
        .capacity = capacity,
        .runs_max = runs_max,
        .suffix_max = suffix_max};
    bytes_zero(other_region, sizeof other_region);
    budget_carve_begin(&budget, other_region, sizeof other_region);
    memory_table_init(&table, &budget, &options);
    memory_table_set_scratch(&table, scratch, sizeof scratch);
    return table;
}

TEST(memory_table, take_tail_moves_the_open_scope_to_the_next_bar)
{
    struct memory_table old = table_new(TREE_GENERAL, 20, 4);
    put(&old, 1, 10);
    put(&old, 2, 20);
    put(&old, 2, 21); /* the tail */
    put(&old, 3, 30);

    struct memory_table next = other_table(20, 4);
    EXPECT(memory_table_sort_suffix(&old, 2) == 2);
    memory_table_take_tail(&next, &old, 2);
    memory_table_check(&old);
    memory_table_check(&next);
    EXPECT(old.count == 2 && next.count == 2);
    EXPECT(get(&old, 2) == 20 && get(&old, 3) == 0);
    EXPECT(get(&next, 2) == 21 && get(&next, 3) == 30 && get(&next, 1) == 0);
    memory_table_discard(&next, memory_table_mark_at(&next, 0));
    EXPECT(next.count == 0);
}

/* A bar ends: all but the last `tail` records are settled. */
static void absorb(struct memory_table *immutable, struct memory_table *mutable, uint32_t tail)
{
    const uint32_t settled = memory_table_sort_suffix(mutable, mutable->count - tail);
    memory_table_absorb(immutable, mutable, settled);
    memory_table_check(immutable);
    memory_table_check(mutable);
}

TEST(memory_table, absorb_takes_what_is_settled_and_leaves_the_tail)
{
    struct memory_table mutable = table_new(TREE_GENERAL, 40, 4);
    struct memory_table immutable = other_table(40, 4);
    put(&immutable, 1, 10);
    put(&immutable, 2, 20);
    sort(&immutable);
    put(&mutable, 2, 21);
    put(&mutable, 3, DEAD);
    put(&mutable, 3, 31); /* the tail */
    put(&mutable, 4, 40);
    const struct memory_table_mark mark = memory_table_mark_at(&mutable, 2);
    absorb(&immutable, &mutable, 2);
    EXPECT(immutable.count == 3); /* two runs of two are one: 20 is gone */
    EXPECT(get(&immutable, 1) == 10 && get(&immutable, 2) == 21 && get(&immutable, 3) == DEAD);
    EXPECT(mutable.count == 2 && mutable.sorted_count == 0);
    EXPECT(get(&mutable, 2) == 0 && get(&mutable, 3) == 31 && get(&mutable, 4) == 40);
    EXPECT(mark.generation != mutable.generation);
    memory_table_discard(&mutable, memory_table_mark_at(&mutable, 1));
    EXPECT(get(&mutable, 4) == 0 && get(&mutable, 3) == 31);
}

TEST(memory_table, absorb_of_nothing_changes_nothing)
{
    struct memory_table mutable = table_new(TREE_GENERAL, 40, 4);
    struct memory_table immutable = other_table(40, 4);
    put(&immutable, 1, 10);
    sort(&immutable);
    put(&mutable, 2, 20);
    const struct memory_table_mark mark = memory_table_mark(&mutable);
    put(&mutable, 3, 30);
    absorb(&immutable, &mutable, 2);
    EXPECT(immutable.count == 1 && mutable.count == 2);
    memory_table_discard(&mutable, mark);
    EXPECT(get(&mutable, 2) == 20 && get(&mutable, 3) == 0);
}

TEST(memory_table, absorb_goes_to_the_exact_capacity)
{
    struct memory_table mutable = table_new(TREE_GENERAL, 256, 4);
    struct memory_table immutable = other_table(256, 4);
    for (uint64_t index = 0; index < 256; index += 1) {
        put(&mutable, index * 37 % 256, index + 1);
        absorb(&immutable, &mutable, 0);
        EXPECT(immutable.count == index + 1 && mutable.count == 0);
    }
    EXPECT(immutable.count == immutable.capacity);
    for (uint64_t index = 0; index < 256; index += 1)
        EXPECT(get(&immutable, index * 37 % 256) == index + 1);
}

TEST(memory_table, absorb_annihilates_a_whole_table)
{
    struct memory_table mutable = table_new(TREE_INDEX, 40, 4);
    struct memory_table immutable = other_table(40, 4);
    put(&immutable, 7, 1);
    put(&immutable, 8, 1);
    sort(&immutable);
    put(&mutable, 7, 1 | DEAD);
    sort(&mutable);
    put(&mutable, 8, 1 | DEAD);
    absorb(&immutable, &mutable, 0);
    EXPECT(immutable.count == 0 && immutable.run_count == 0);
    put(&mutable, 7, 1); /* and is used again */
    absorb(&immutable, &mutable, 0);
    EXPECT(immutable.count == 1);
}

/* Runs that ascend from bar to bar become one, others stay few: long ones, and short ones each
 * twice as long as the next. */
TEST(memory_table, absorb_keeps_runs_few_over_thousands_of_bars)
{
    struct random random;
    random_init(&random, 5);
    for (uint32_t round = 0; round < 3; round += 1) {
        suffix_max = 398;
        struct memory_table mutable = table_new(TREE_GENERAL, 3000, 8);
        struct memory_table immutable = other_table(3000, 8);
        EXPECT(immutable.long_run == 200);
        uint32_t most = 0;
        for (uint32_t bar = 0; immutable.count < 2900; bar += 1) {
            for (uint32_t beat = 0; beat < 3; beat += 1) {
                const uint64_t count = round == 2 ? random_below(&random, 30) : 1;
                for (uint64_t index = 0; index < count; index += 1) {
                    const struct pair pair = {round == 0 ? bar * 3 + beat : random_u64(&random), 1};
                    memory_table_put(&mutable, &pair);
                }
                memory_table_sort_suffix(&mutable, mutable.count);
            }
            memory_table_absorb(&immutable, &mutable, mutable.count);
            most = max_u32(most, immutable.run_count);
            for (uint32_t run = 1; run < immutable.run_count; run += 1) {
                const struct memory_run older = immutable.runs[run - 1];
                const struct memory_run newer = immutable.runs[run];
                const uint32_t length = older.end - older.begin;
                EXPECT(length >= 200 || length >= 2 * (newer.end - newer.begin));
            }
        }
        memory_table_check(&immutable);
        EXPECT(round == 0 ? most == 1 : most > 4);
        EXPECT(most <= 3000 / 200 + 8);
    }
    suffix_max = 0;
}

TEST(memory_table, filter_spares_a_search_of_the_runs)
{
    struct memory_table table = table_new(TREE_GENERAL, 60, 4);
    put(&table, 7, 1);
    sort(&table);
    store_u64(table.records, 8); /* where a search would find it */
    EXPECT(get(&table, 8) == 0);
    const struct pair unsorted = {9, 1};
    memory_table_put(&table, &unsorted);
    EXPECT(get(&table, 9) == 1); /* what is unsorted is not the filter's */
}

TEST(memory_table, filter_spares_a_search_of_the_other_runs)
{
    struct memory_table table = table_new(TREE_GENERAL, 60, 4);
    put(&table, 7, 1);
    sort(&table);
    put(&table, 5, 2);
    put(&table, 9, 2);
    sort(&table);
    EXPECT(table.run_count == 2);
    store_u64(table.records + 16, 7); /* where a search of the newer run would find it */
    EXPECT(get(&table, 7) == 1 && get(&table, 9) == 2);
}

TEST(memory_table, filter_forgets_with_a_reset)
{
    struct memory_table table = table_new(TREE_GENERAL, 60, 4);
    for (uint64_t key = 0; key < 60; key += 1)
        put(&table, key, 1);
    sort(&table);
    memory_table_reset(&table);
    for (uint32_t word = 0; word < table.filter.word_count; word += 1)
        EXPECT(table.filter.words[word] == 0);
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
    sort(&table);
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
    sort(&table);
    EXPECT(table.count == 500 && memory_table_is_sorted(&table));
    for (uint64_t index = 0; index < 500; index += 1) {
        EXPECT(get(&table, index * 7919 % 500) == index + 1);
    }
}

struct both_tables {
    struct memory_table *immutable, *mutable;
};

static void absorb_all(void *context)
{
    struct both_tables *tables = context;
    memory_table_absorb(tables->immutable, tables->mutable, tables->mutable->count);
}

TEST(memory_table, absorb_of_more_than_there_is_room_for_aborts)
{
    struct memory_table mutable = table_new(TREE_GENERAL, 40, 4);
    struct memory_table immutable = other_table(40, 4);
    struct both_tables tables = {&immutable, &mutable};
    for (uint64_t key = 1000; key < 1030; key += 1) /* a run that takes no other in */
        put(&immutable, key, 1);
    sort(&immutable);
    for (uint64_t key = 100; key < 110; key += 1)
        put(&mutable, key, 1);
    sort(&mutable);
    char words[512];
    EXPECT(test_signal_of(absorb_all, &tables, words, sizeof words) == 0);
    put(&mutable, 110, 1);
    sort(&mutable);
    EXPECT(test_signal_of(absorb_all, &tables, words, sizeof words) == SIGABRT);
    EXPECT(strstr(words, "capacity") != NULL);
}

TEST_MAIN()
