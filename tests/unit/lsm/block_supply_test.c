#include "lsm/block_supply.h"

#include "support/lsm_fixture.h"
#include "support/test.h"

static struct lsm_fixture fixture;
static struct simulated_disk *disk;
static struct free_set_reservation reservation;

static struct block_supply *begin(uint64_t count)
{
    const struct lsm_fixture_options options = {
        .shape = record_shape_id64(),
        .usage = TREE_GENERAL,
        .point_lookups = true,
        .record_max = 100,
        .bar_beats = 4,
    };
    disk = lsm_fixture_disk(1, &options);
    lsm_fixture_begin(&fixture, disk, &options);
    lsm_fixture_create(&fixture);
    struct free_set *set = &fixture.storage.grid.free_set;
    EXPECT(free_set_reserve(set, count, &reservation));
    block_supply_fill(&fixture.supply, set, &reservation);
    return &fixture.supply;
}

static void end(void)
{
    lsm_fixture_end(&fixture);
    simulated_disk_free(disk);
}

TEST(block_supply, gives_the_reservation_s_blocks_in_order_and_settles_a_prefix)
{
    struct block_supply *supply = begin(5);
    struct grid *grid = &fixture.storage.grid;
    struct free_set *set = &grid->free_set;
    const uint64_t acquired = free_set_count_acquired(set);
    const uint64_t first = free_set_nth_free(set, 1);
    EXPECT(block_supply_take(supply) == first);
    EXPECT(block_supply_take(supply) == first + 1);
    EXPECT(supply->count - supply->taken == 3);
    EXPECT(free_set_count_acquired(set) == acquired); /* it knows nothing yet (R7) */
    EXPECT(block_supply_settle(supply, grid, &reservation) == TACTUS_OK);
    EXPECT(free_set_count_acquired(set) == acquired + 2);
    EXPECT(free_set_nth_free(set, 1) == first + 2);
    EXPECT(supply->count == 0 && supply->taken == 0);
    end();
}

TEST(block_supply, releases_when_the_beat_is_over)
{
    struct block_supply *supply = begin(1);
    struct grid *grid = &fixture.storage.grid;
    const uint64_t address = block_supply_take(supply);
    EXPECT(block_supply_settle(supply, grid, &reservation) == TACTUS_OK);
    EXPECT(free_set_reserve(&grid->free_set, 0, &reservation));
    block_supply_fill(supply, &grid->free_set, &reservation);
    EXPECT(block_supply_release(supply, address));
    EXPECT(!free_set_is_released(&grid->free_set, address));
    EXPECT(block_supply_settle(supply, grid, &reservation) == TACTUS_OK);
    EXPECT(free_set_is_released(&grid->free_set, address));
    end();
}

TEST(block_supply, says_that_a_block_not_in_use_was_released)
{
    struct block_supply *supply = begin(0);
    EXPECT(block_supply_release(supply, 4000));
    EXPECT(block_supply_settle(supply, &fixture.storage.grid, &reservation) == TACTUS_CORRUPT);
    end();
}

TEST(block_supply, takes_no_more_releases_than_a_beat_can_have)
{
    struct block_supply *supply = begin(0);
    for (uint32_t index = 0; index < supply->capacity; index += 1) {
        EXPECT(block_supply_release(supply, index + 1));
    }
    EXPECT(!block_supply_release(supply, 1));
    block_supply_drop(supply);
    end();
}

TEST_MAIN()
