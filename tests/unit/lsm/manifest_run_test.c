#include "lsm/manifest_run.h"
#include "support/manifest_fixture.h"
#include "support/test.h"

#include <stdlib.h>

static struct node_pool pool;
static void *region;

static struct manifest_run level_begin(void)
{
    free(region);
    region = manifest_fixture_pool(&pool, 100);
    struct manifest_run level;
    manifest_run_init(&level, &pool, 0);
    return level;
}

static uint64_t address_of(const struct table_info *table)
{
    return table == NULL ? 0 : table->address;
}

TEST(manifest_run, of_no_tables_finds_nothing)
{
    const struct manifest_run level = level_begin();
    manifest_run_check(&level);
    EXPECT(manifest_run_first(&level) == NULL);
    EXPECT(manifest_run_last(&level) == NULL);
    EXPECT(manifest_run_find(&level, key_from_u64(5)) == NULL);
    EXPECT(!manifest_run_range_contains(&level, key_from_u64(0)));
    EXPECT(!manifest_run_overlaps(&level, key_from_u64(0), key_max_of(KEY_192)));
}

TEST(manifest_run, refuses_a_table_that_shares_a_key_with_another)
{
    struct manifest_run level = level_begin();
    EXPECT(manifest_fixture_insert(&level, 10, 20));
    EXPECT(!manifest_fixture_insert(&level, 20, 30));
    EXPECT(!manifest_fixture_insert(&level, 5, 10));
    EXPECT(!manifest_fixture_insert(&level, 12, 13));
    EXPECT(!manifest_fixture_insert(&level, 1, 100));
    EXPECT(manifest_fixture_insert(&level, 21, 21)); /* a neighbour without a gap */
    EXPECT(manifest_fixture_insert(&level, 9, 9));
    EXPECT(level.count == 3);
    EXPECT(level.record_count == 30);
}

TEST(manifest_run, finds_by_key_between_tables_and_in_them)
{
    struct manifest_run level = level_begin();
    EXPECT(manifest_fixture_insert(&level, 10, 20));
    EXPECT(manifest_fixture_insert(&level, 30, 40));
    EXPECT(address_of(manifest_run_find(&level, key_from_u64(20))) == 10);
    EXPECT(address_of(manifest_run_find(&level, key_from_u64(30))) == 30);
    EXPECT(manifest_run_find(&level, key_from_u64(25)) == NULL);
    EXPECT(address_of(manifest_run_at_or_above(&level, key_from_u64(25))) == 30);
    EXPECT(address_of(manifest_run_at_or_below(&level, key_from_u64(25))) == 10);
    EXPECT(manifest_run_at_or_below(&level, key_from_u64(9)) == NULL);
    EXPECT(manifest_run_at_or_above(&level, key_from_u64(41)) == NULL);
    EXPECT(manifest_run_overlaps(&level, key_from_u64(21), key_from_u64(30)));
    EXPECT(!manifest_run_overlaps(&level, key_from_u64(21), key_from_u64(29)));
    EXPECT(manifest_run_range_contains(&level, key_from_u64(25)));
    EXPECT(!manifest_run_range_contains(&level, key_from_u64(41)));
}

TEST(manifest_run, narrows_its_range_when_an_end_is_removed)
{
    struct manifest_run level = level_begin();
    EXPECT(
        manifest_fixture_insert(&level, 10, 20) && manifest_fixture_insert(&level, 30, 40) &&
        manifest_fixture_insert(&level, 50, 60)
    );
    manifest_run_remove(&level, manifest_run_last(&level));
    EXPECT(!manifest_run_range_contains(&level, key_from_u64(55)));
    manifest_run_remove(&level, manifest_run_first(&level));
    EXPECT(!manifest_run_range_contains(&level, key_from_u64(15)));
    EXPECT(manifest_run_range_contains(&level, key_from_u64(35)));
    manifest_run_check(&level);
}

TEST(manifest_run, stays_balanced_when_tables_come_in_order)
{
    struct manifest_run level = level_begin();
    for (uint64_t key = 1; key <= 100; key += 1)
        EXPECT(manifest_fixture_insert(&level, key * 2, key * 2 + 1));
    EXPECT(node_pool_at(&pool, level.root)->height <= 8);
    for (uint64_t key = 1; key <= 90; key += 1) {
        manifest_run_remove(&level, manifest_run_find(&level, key_from_u64(key * 2)));
        manifest_run_check(&level);
    }
    EXPECT(level.count == 10);
    EXPECT(node_pool_at(&pool, level.root)->height <= 4);
}

TEST(manifest_run, leaves_other_tables_where_they_are_in_memory)
{
    struct manifest_run level = level_begin();
    EXPECT(manifest_fixture_insert(&level, 50, 60));
    const struct table_info *kept = manifest_run_first(&level);
    for (uint64_t key = 1; key <= 20; key += 1)
        EXPECT(manifest_fixture_insert(&level, key, key));
    for (uint64_t key = 1; key <= 20; key += 1) {
        manifest_run_remove(&level, manifest_run_find(&level, key_from_u64(key)));
    }
    EXPECT(manifest_run_first(&level) == kept);
    EXPECT(kept->address == 50);
}

TEST_MAIN()
