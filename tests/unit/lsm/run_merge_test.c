#include "lsm/run_merge.h"

#include "base/integer.h"
#include "support/test.h"

struct pair {
    uint64_t key, value;
};

#define DEAD RECORD_TOMBSTONE

static struct record_shape shape;
static struct memory_table table;
static struct run_merge merge;
static struct pair target[64];

static void begin(enum tree_usage usage)
{
    static _Alignas(4096) uint8_t region[1 << 14];
    static uint8_t scratch[1 << 12];
    shape = usage == TREE_INDEX ? record_shape_index64() : record_shape_id64();
    const struct memory_table_options options = {
        .shape = &shape, .usage = usage, .capacity = 64, .runs_max = 8};
    struct budget budget;
    bytes_zero(region, sizeof region);
    budget_carve_begin(&budget, region, sizeof region);
    memory_table_init(&table, &budget, &options);
    memory_table_set_scratch(&table, scratch, sizeof scratch);
}

static void put(uint64_t key, uint64_t value)
{
    const struct pair pair = {key, value};
    memory_table_put(&table, &pair);
}

static void beat(void)
{
    memory_table_sort_suffix(&table, table.count);
}

TEST(run_merge, of_nothing_gives_nothing)
{
    begin(TREE_GENERAL);
    run_merge_begin(&merge, &table);
    EXPECT(merge.remaining == 0);
    EXPECT(run_merge_next(&merge, target, 2).consumed == 0);
}

TEST(run_merge, gives_one_run_where_it_lies)
{
    begin(TREE_GENERAL);
    for (uint64_t key = 0; key < 10; key += 1)
        put(key, key);
    beat();
    run_merge_begin(&merge, &table);
    struct run_merge_piece piece = run_merge_next(&merge, target, 7);
    EXPECT(piece.records == memory_table_at(&table, 0));
    EXPECT(piece.count == 7 && piece.consumed == 7 && merge.remaining == 3);
    piece = run_merge_next(&merge, target, 7);
    EXPECT(piece.records == memory_table_at(&table, 7) && piece.count == 3);
    EXPECT(merge.remaining == 0);
}

TEST(run_merge, counts_what_newer_runs_replace)
{
    begin(TREE_GENERAL);
    for (uint64_t round = 1; round <= 3; round += 1) {
        for (uint64_t key = round; key < 6; key += 1)
            put(key, round);
        beat();
    }
    EXPECT(table.run_count == 3 && table.count == 12);
    run_merge_begin(&merge, &table);
    const struct run_merge_piece piece = run_merge_next(&merge, target, 20);
    EXPECT(piece.consumed == 12 && piece.count == 5 && piece.replaced == 7);
    EXPECT(target[0].value == 1 && target[1].value == 2);
    EXPECT(target[2].value == 3 && target[4].value == 3);
    EXPECT(table.count == 12); /* and changes nothing */
    memory_table_check(&table);
}

TEST(run_merge, may_give_an_empty_piece_before_the_end)
{
    begin(TREE_INDEX);
    for (uint64_t key = 1; key <= 6; key += 1)
        put(key, 9);
    beat();
    for (uint64_t key = 1; key <= 4; key += 1)
        put(key, 9 | DEAD);
    beat();
    run_merge_begin(&merge, &table);
    struct run_merge_piece piece = run_merge_next(&merge, target, 4);
    EXPECT(piece.consumed == 4 && piece.count == 0 && piece.cancelled == 2);
    piece = run_merge_next(&merge, target, 4);
    EXPECT(piece.consumed == 4 && piece.count == 0 && piece.cancelled == 2);
    piece = run_merge_next(&merge, target, 4);
    EXPECT(piece.consumed == 2 && piece.count == 2 && merge.remaining == 0);
    EXPECT(((const struct pair *)piece.records)[0].key == 5);
}

TEST(run_merge, of_a_table_that_cancels_gives_nothing_but_counts)
{
    begin(TREE_INDEX);
    put(1, 9 | DEAD); /* one that lies on disk */
    beat();
    put(1, 9);
    beat();
    run_merge_begin(&merge, &table);
    const struct run_merge_piece piece = run_merge_next(&merge, target, 2);
    EXPECT(piece.consumed == 2 && piece.count == 0 && piece.cancelled == 1);
    EXPECT(merge.remaining == 0);
}

TEST_MAIN()
