#include "base/bytes.h"
#include "lsm/manifest_level.h"
#include "support/test.h"

#include <stdlib.h>

enum { TABLES_MAX = 40 };

static struct node_pool pool;
static struct manifest_level level;
static void *region;

static void take(struct budget *budget, uint32_t capacity)
{
    node_pool_init(&pool, budget, TABLES_MAX);
    manifest_level_init(&level, budget, &pool, capacity);
}

static void begin(uint32_t capacity)
{
    struct budget budget;
    budget_measure_begin(&budget);
    take(&budget, capacity);
    const uint64_t size = (budget_used(&budget) / BUDGET_ALIGNMENT + 1) * BUDGET_ALIGNMENT;
    region = aligned_alloc(BUDGET_ALIGNMENT, size);
    EXPECT(region != NULL);
    bytes_zero(region, size);
    budget_carve_begin(&budget, region, size);
    take(&budget, capacity);
}

static void end(void)
{
    EXPECT(node_pool_room(&pool) == TABLES_MAX - level.count);
    free(region);
}

static bool insert(uint64_t run, uint64_t key_min, uint64_t key_max)
{
    const struct table_info info = {
        .key_min = key_from_u64(key_min),
        .key_max = key_from_u64(key_max),
        .address = run * 1000 + key_min,
        .run = run,
        .value_count = 10};
    const bool inserted = manifest_level_insert(&level, &info);
    manifest_level_check(&level);
    return inserted;
}

static void remove_table(uint64_t run, uint64_t key)
{
    const struct manifest_run *of = manifest_level_find_run(&level, run);
    EXPECT(of != NULL);
    manifest_level_remove(&level, manifest_run_find(of, key_from_u64(key)));
    manifest_level_check(&level);
}

TEST(manifest_level, of_one_run_has_it_always)
{
    begin(1);
    EXPECT(manifest_level_sole(&level)->count == 0);
    EXPECT(!insert(1, 5, 6)); /* a number is for levels of several runs */
    EXPECT(insert(0, 5, 6));
    EXPECT(!insert(0, 6, 9));
    EXPECT(manifest_level_first(&level)->address == 5);
    remove_table(0, 5);
    EXPECT(manifest_level_sole(&level)->count == 0);
    EXPECT(level.run_count == 1);
    EXPECT(manifest_level_first(&level) == NULL);
    end();
}

TEST(manifest_level, keeps_its_runs_newest_first_however_they_come)
{
    begin(4);
    EXPECT(level.run_count == 0);
    EXPECT(manifest_level_first(&level) == NULL);
    EXPECT(!insert(0, 1, 2));
    EXPECT(insert(20, 10, 30));
    EXPECT(insert(40, 15, 16));
    EXPECT(insert(10, 1, 100));
    EXPECT(insert(30, 5, 9));
    EXPECT(insert(30, 10, 11));
    EXPECT(!insert(30, 11, 12));
    EXPECT(!insert(50, 1, 2)); /* a fifth run */
    EXPECT(insert(20, 31, 31));
    EXPECT(level.run_count == 4);
    EXPECT(level.count == 6);
    EXPECT(level.record_count == 60);

    static const uint64_t order[] = {40015, 30005, 30010, 20010, 20031, 10001};
    const struct table_info *table = manifest_level_first(&level);
    for (uint32_t index = 0; index < 6; index += 1) {
        EXPECT(table->address == order[index]);
        EXPECT(manifest_level_find_run(&level, table->run)->number == table->run);
        table = manifest_level_next(&level, table);
    }
    EXPECT(table == NULL);
    end();
}

TEST(manifest_level, drops_a_run_with_its_last_table)
{
    begin(3);
    EXPECT(insert(2, 1, 9) && insert(4, 1, 4) && insert(4, 5, 8) && insert(6, 2, 3));
    const struct table_info *kept =
        manifest_run_find(manifest_level_find_run(&level, 4), key_from_u64(5));
    remove_table(6, 2);
    EXPECT(level.run_count == 2);
    EXPECT(manifest_level_find_run(&level, 6) == NULL);
    remove_table(4, 1);
    EXPECT(level.run_count == 2);
    EXPECT(manifest_run_first(&level.runs[0]) == kept); /* tables stay where they are in memory */
    remove_table(4, 5);
    EXPECT(level.run_count == 1);
    EXPECT(insert(7, 1, 9));
    EXPECT(manifest_level_first(&level)->run == 7);
    end();
}

TEST(manifest_level, overlaps_and_contains_what_any_of_its_runs_does)
{
    begin(3);
    EXPECT(insert(2, 10, 20) && insert(2, 50, 60) && insert(4, 30, 35));
    EXPECT(manifest_level_overlaps(&level, key_from_u64(33), key_from_u64(40)));
    EXPECT(manifest_level_overlaps(&level, key_from_u64(1), key_from_u64(10)));
    EXPECT(!manifest_level_overlaps(&level, key_from_u64(36), key_from_u64(49)));
    EXPECT(manifest_level_range_contains(&level, key_from_u64(40))); /* between two of run 2 */
    EXPECT(!manifest_level_range_contains(&level, key_from_u64(61)));
    end();
}

TEST_MAIN()
