/* Many lookups at once, over one tree whose records lie in the immutable table and on disk. */
#include "forest/resolver.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "support/lsm_fixture.h"
#include "support/test.h"

#include "base/poison.h"

static struct lsm_fixture fixture;
static struct simulated_disk *disk;
static struct resolver resolver;
static struct budget budget;
static void *region;

enum { RECORD_MAX = 40 };

static const struct lsm_fixture_options options = {
    .usage = TREE_GENERAL,
    .point_lookups = true,
    .record_max = RECORD_MAX,
    .bar_beats = 4,
    .cache_frames = RESOLVE_FRAMES + 16,
};

static void begin_over(struct simulated_disk *given)
{
    struct lsm_fixture_options complete = options;
    complete.shape = record_shape_id64();
    disk = given == NULL ? lsm_fixture_disk(1, &complete) : given;
    lsm_fixture_begin(&fixture, disk, &complete);
    if (given == NULL) {
        lsm_fixture_create(&fixture);
    } else {
        EXPECT(lsm_fixture_open(&fixture) == TACTUS_OK);
    }
    const struct resolver_options resolver_options = {
        .grid = &fixture.storage.grid, .fault = &fixture.storage.fault};
    budget_measure_begin(&budget);
    resolver_init(&resolver, &budget, &resolver_options);
    const uint64_t size = budget_used(&budget);
    region = aligned_alloc(
        BUDGET_ALIGNMENT, (size + BUDGET_ALIGNMENT) / BUDGET_ALIGNMENT * BUDGET_ALIGNMENT
    );
    EXPECT(region != NULL);
    memset(region, 0, size);
    budget_carve_begin(&budget, region, size);
    resolver_init(&resolver, &budget, &resolver_options);
}

static void begin(void)
{
    begin_over(NULL);
}

static void end(void)
{
    EXPECT(lsm_fixture_pinned(&fixture) == 0);
    lsm_fixture_end(&fixture);
    simulated_disk_free(disk);
    free(region);
}

/* What was checkpointed, with nothing of it in the cache. */
static void reopen(void)
{
    lsm_fixture_end(&fixture);
    free(region);
    begin_over(disk);
}

/* The ids from `id` on, each with timestamp 10 times its own; a beat each. */
static void put_beat(uint64_t id, uint32_t count)
{
    for (uint64_t number = id; number < id + count; number += 1) {
        const uint64_t record[2] = {number, number * 10};
        tree_put(&fixture.tree, record);
    }
    tree_settle(&fixture.tree);
    EXPECT(lsm_fixture_boundary(&fixture, false) == TACTUS_OK);
}

static enum tactus_status resolve(
    const uint64_t *ids, uint32_t count, const bool *skip, uint64_t *timestamps
)
{
    struct key keys[RESOLVE_MAX];
    uint64_t records[RESOLVE_MAX][2];
    bool found[RESOLVE_MAX];
    for (uint32_t index = 0; index < count; index += 1) {
        keys[index] = key_from_u64(ids[index]);
        found[index] = true;
    }
    const struct resolve all = {
        .tree = &fixture.tree,
        .snapshot = tree_snapshot_newest(&fixture.tree),
        .keys = keys,
        .count = count,
        .skip = skip,
        .records = (uint8_t *)records,
        .found = found,
    };
    const enum tactus_status status = resolver_run(&resolver, &all);
    for (uint32_t index = 0; status == TACTUS_OK && index < count; index += 1) {
        timestamps[index] = found[index] ? records[index][1] : 0;
        if (found[index]) EXPECT(records[index][0] == ids[index]);
    }
    return status;
}

TEST(resolver, finds_what_lies_beneath_the_mutable_table_and_nothing_else)
{
    begin();
    for (uint64_t beat = 0; beat < 25; beat += 1)
        put_beat(1 + beat * 80, 40);
    struct random random;
    random_init(&random, 1);
    for (uint32_t times = 0; times < 200; times += 1) {
        uint64_t ids[RESOLVE_MAX];
        uint64_t timestamps[RESOLVE_MAX];
        bool skip[RESOLVE_MAX];
        const uint32_t count = (uint32_t)random_below(&random, RESOLVE_MAX + 1);
        for (uint32_t index = 0; index < count; index += 1) {
            ids[index] = random_below(&random, 2200);
            skip[index] = random_chance(&random, 1, 5);
        }
        const bool *skipped = times % 2 == 0 ? skip : NULL;
        EXPECT(resolve(ids, count, skipped, timestamps) == TACTUS_OK);
        for (uint32_t index = 0; index < count; index += 1) {
            /* The last beat is of the open bar, and so in the mutable table alone. */
            const bool there =
                ids[index] >= 1 && (ids[index] - 1) % 80 < 40 && ids[index] <= 24 * 80;
            const bool wanted = there && (skipped == NULL || !skip[index]);
            EXPECT(timestamps[index] == (wanted ? ids[index] * 10 : 0));
        }
        EXPECT(lsm_fixture_pinned(&fixture) == 0);
    }
    end();
}

TEST(resolver, one_key_may_be_asked_for_many_times)
{
    begin();
    for (uint64_t beat = 0; beat < 8; beat += 1)
        put_beat(1 + beat * 40, 40);
    uint64_t ids[RESOLVE_MAX];
    uint64_t timestamps[RESOLVE_MAX];
    for (uint32_t index = 0; index < RESOLVE_MAX; index += 1)
        ids[index] = 7;
    EXPECT(resolve(ids, RESOLVE_MAX, NULL, timestamps) == TACTUS_OK);
    for (uint32_t index = 0; index < RESOLVE_MAX; index += 1)
        EXPECT(timestamps[index] == 70);
    end();
}

TEST(resolver, a_block_that_cannot_be_read_ends_all_and_pins_nothing)
{
    begin();
    for (uint64_t beat = 0; beat < 24; beat += 1)
        put_beat(1 + beat * 40, 40);
    EXPECT(lsm_fixture_bar(&fixture, true) == TACTUS_OK);
    uint64_t ids[RESOLVE_MAX];
    uint64_t timestamps[RESOLVE_MAX];
    for (uint32_t index = 0; index < RESOLVE_MAX; index += 1)
        ids[index] = 1 + index * 12;
    uint32_t failed = 0;
    for (uint64_t skip = 0; skip < 30; skip += 1) {
        reopen();
        const struct simulated_fault fault = {
            .kind = SIMULATED_READ_ERROR, .skip = skip, .is_sticky = true};
        simulated_disk_fault_add(disk, fault);
        const enum tactus_status status = resolve(ids, RESOLVE_MAX, NULL, timestamps);
        EXPECT(status == TACTUS_OK || status == TACTUS_CORRUPT);
        if (status != TACTUS_OK) {
            EXPECT(fixture.storage.fault.status == status);
            failed += 1;
        }
        simulated_disk_fault_clear(disk);
        EXPECT(lsm_fixture_pinned(&fixture) == 0);
        fixture.storage.fault = (struct fault){0};
        EXPECT(resolve(ids, RESOLVE_MAX, NULL, timestamps) == TACTUS_OK);
        EXPECT(timestamps[3] == ids[3] * 10);
    }
    EXPECT(failed > 5 && failed < 30);
    end();
}

TEST_MAIN()
