/* The awkward neighbours; all the rest is in tests/model/manifest_run_test.c. */
#include "lsm/compaction_pick.h"
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

TEST(compaction_pick, prefers_the_lowest_key_among_equals)
{
    struct manifest_run a = level_begin();
    struct manifest_run b;
    manifest_run_init(&b, &pool, 0);
    EXPECT(
        manifest_fixture_insert(&a, 10, 19) && manifest_fixture_insert(&a, 20, 29) &&
        manifest_fixture_insert(&a, 30, 39)
    );
    EXPECT(
        manifest_fixture_insert(&b, 1, 11) && manifest_fixture_insert(&b, 12, 20) &&
        manifest_fixture_insert(&b, 28, 30) && manifest_fixture_insert(&b, 38, 99)
    );
    const struct compaction_choice choice = compaction_pick(&a, &b, 8);
    EXPECT(choice.table->address == 10);
    EXPECT(choice.overlap_count == 2);
    EXPECT(compaction_pick_overlap_max(&a, &b) == 2);
}

TEST(compaction_pick, takes_the_first_table_that_overlaps_nothing)
{
    struct manifest_run a = level_begin();
    struct manifest_run b;
    manifest_run_init(&b, &pool, 0);
    EXPECT(
        manifest_fixture_insert(&a, 10, 19) && manifest_fixture_insert(&a, 21, 24) &&
        manifest_fixture_insert(&a, 40, 41)
    );
    EXPECT(
        manifest_fixture_insert(&b, 1, 10) && manifest_fixture_insert(&b, 20, 20) &&
        manifest_fixture_insert(&b, 25, 39)
    );
    const struct compaction_choice choice = compaction_pick(&a, &b, 8);
    EXPECT(choice.table->address == 21);
    EXPECT(choice.overlap_count == 0);
}

TEST(compaction_pick, skips_what_overlaps_too_many)
{
    struct manifest_run a = level_begin();
    struct manifest_run b;
    manifest_run_init(&b, &pool, 0);
    EXPECT(manifest_fixture_insert(&a, 10, 50));
    EXPECT(
        manifest_fixture_insert(&b, 10, 11) && manifest_fixture_insert(&b, 12, 13) &&
        manifest_fixture_insert(&b, 14, 15)
    );
    EXPECT(compaction_pick(&a, &b, 2).table == NULL);
    EXPECT(compaction_pick(&a, &b, 3).overlap_count == 3);
}

TEST_MAIN()
