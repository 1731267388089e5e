/* Level 0 with several runs: how they come together, go down in slices, and stay within bounds. */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "base/random.h"
#include "lsm/slice.h"
#include "support/lsm_fixture.h"
#include "support/test.h"

enum { RECORD_MAX = 100, BAR = 4, A_BAR = RECORD_MAX * BAR, KEYS = 100000 };

static struct lsm_fixture fixture;
static struct simulated_disk *disk;
static struct lsm_fixture_options options;
static bool coalesces;

static void begin_runs(const uint32_t runs_max[LEVELS], enum tree_usage usage)
{
    options = (struct lsm_fixture_options
    ){.shape = usage == TREE_INDEX ? record_shape_index64() : record_shape_id64(),
      .usage = usage,
      .point_lookups = usage == TREE_GENERAL,
      .record_max = RECORD_MAX,
      .bar_beats = BAR,
      .coalesces = coalesces,
      .block_count_max = 65536};
    bytes_copy(options.runs_max, runs_max, sizeof options.runs_max);
    disk = lsm_fixture_disk(1, &options);
    lsm_fixture_begin(&fixture, disk, &options);
    lsm_fixture_create(&fixture);
}

/* Several runs in level 0 alone. */
static void begin(uint32_t runs_max, enum tree_usage usage)
{
    const uint32_t runs[LEVELS] = {runs_max};
    begin_runs(runs, usage);
}

static void end(void)
{
    EXPECT(lsm_fixture_pinned(&fixture) == 0);
    lsm_fixture_end(&fixture);
    simulated_disk_free(disk);
}

static const struct manifest_level *level(uint8_t number)
{
    return &fixture.tree.manifest.levels[number];
}

static const struct compaction_counters *total(uint8_t number)
{
    return &fixture.tree.compactions[number].total;
}

static uint32_t bars_left(uint8_t number)
{
    const struct manifest *manifest = &fixture.tree.manifest;
    return run_group_bars_left(manifest->levels, manifest->runs_max, number);
}

static void put(uint64_t id, uint64_t value)
{
    const uint64_t record[2] = {id, value};
    tree_put(&fixture.tree, record);
}

static void remove_id(uint64_t id)
{
    const uint64_t record[2] = {id, 1};
    tree_remove(&fixture.tree, record);
}

/* So many beats, each of which brings ids spread over all keys. */
static void beats_of_spread_ids(struct random *random, uint32_t beats)
{
    for (uint32_t beat = 0; beat < beats; beat += 1) {
        for (uint32_t index = 0; index < RECORD_MAX; index += 1)
            put(random_below(random, KEYS) + 1, beat + 1);
        tree_settle(&fixture.tree);
        EXPECT(lsm_fixture_boundary(&fixture, false) == TACTUS_OK);
        tree_check(&fixture.tree);
    }
}

static bool is_found(uint64_t id, uint64_t *value)
{
    uint64_t record[2];
    bool found = false;
    EXPECT(lsm_fixture_get(&fixture, key_from_u64(id), record, &found) == TACTUS_OK);
    if (found) *value = record[1];
    return found;
}

TEST(slice, begins_when_a_group_is_complete_and_ends_before_the_next_is)
{
    struct random random;
    random_init(&random, 1);
    begin(4, TREE_GENERAL);
    beats_of_spread_ids(&random, 2 * BAR);
    EXPECT(level(0)->run_count == 1);
    beats_of_spread_ids(&random, 3 * BAR);
    EXPECT(level(0)->run_count == 4);
    EXPECT((run_group_newest(level(0)).table_count == 4));
    EXPECT(total(1)->slices == 0);
    beats_of_spread_ids(&random, BAR);
    EXPECT(total(1)->slices == 1);
    EXPECT(total(1)->tables_trimmed == 4);
    EXPECT(level(0)->run_count == 5);
    EXPECT(!(run_group_newest(level(0)).table_count == 4));

    const struct run_group group = run_group_oldest(level(0));
    EXPECT(group.run_count == 4 && group.table_count == 4);
    EXPECT(bars_left(0) == 3);
    EXPECT(group.record_count < 3 * (uint64_t)A_BAR + 1);
    EXPECT(level(1)->count == 1);

    beats_of_spread_ids(&random, 3 * BAR);
    EXPECT(level(0)->run_count == 4); /* the group is gone, and the next complete */
    EXPECT(run_group_oldest(level(0)).table_count == level(0)->count);
    EXPECT(total(1)->slices == 4);
    end();
}

/* Z1 and Z2 are asserted by tree_check() at every beat. */
TEST(slice, keeps_levels_within_their_bounds_whatever_the_keys)
{
    static const uint32_t runs[] = {2, 3, 8, 16};
    const struct test_seeds seeds = test_seeds(8);
    uint64_t slices = 0;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        struct random random;
        random_init(&random, seed);
        begin(runs[seed % 4], TREE_GENERAL);
        for (uint32_t beat = 0; beat < 400; beat += 1) {
            /* Hot ranges, wide ranges, small beats and none, ranges that move on. */
            const uint64_t width = random_chance(&random, 1, 2) ? 500 : KEYS;
            const uint64_t first = random_chance(&random, 1, 3) ? beat * 300 : 0;
            const uint64_t count =
                random_chance(&random, 1, 4) ? random_below(&random, 5) : RECORD_MAX;
            for (uint64_t index = 0; index < count; index += 1)
                put(first + random_below(&random, width) + 1, beat + 1);
            tree_settle(&fixture.tree);
            EXPECT(lsm_fixture_boundary(&fixture, false) == TACTUS_OK);
            tree_check(&fixture.tree);
        }
        slices += total(1)->slices;
        end();
    }
    EXPECT(slices > 0 || seeds.count < 8);
}

/* ---- Several levels ----------------------------------------------------------------------- */

enum order { ASCENDING, DESCENDING, SPREAD, CLUSTERED, FEW, REMOVED, PULSES, ORDERS };

/* The `count`th event of a history with this order of keys. */
static void event(struct random *random, enum order order, uint64_t count)
{
    const uint64_t cluster = count / 700 * 7919 % 50;
    switch (order) {
    case ASCENDING: put(count + 1, count); break;
    case DESCENDING: put(10000000 - count, count); break;
    case SPREAD: put(random_below(random, KEYS) + 1, count); break;
    case CLUSTERED: put(cluster * 2000 + random_below(random, 300) + 1, count); break;
    case FEW: put(random_below(random, 150) + 1, count); break;
    case REMOVED:
        if (random_chance(random, 2, 3)) {
            remove_id(random_below(random, 3000) + 1);
        } else {
            put(random_below(random, 3000) + 1, count);
        }
        break;
    case PULSES: /* much that is spread, then little that is not */
        if (count / 12000 % 2 == 0) {
            put(random_below(random, KEYS) + 1, count);
        } else {
            put(random_below(random, 20) + 1, count);
        }
        break;
    case ORDERS: assert(false);
    }
}

/* What a level came to have at most. */
struct most {
    uint32_t runs;
    uint32_t tables;
    uint32_t groups;
};

static void look(struct most most[LEVELS])
{
    for (uint8_t number = 0; number < LEVELS; number += 1) {
        const struct manifest_level *at = level(number);
        const struct run_group oldest = run_group_oldest(at);
        const uint32_t groups = at->count == 0 ? 0 : oldest.run_count < at->run_count ? 2 : 1;
        most[number].runs = max_u32(most[number].runs, at->run_count);
        most[number].tables = max_u32(most[number].tables, at->count);
        most[number].groups = max_u32(most[number].groups, groups);
    }
}

/* Z1, Z2 and Z6 for every order of keys; tree_check() and the engine's own assertions test more. */
static void run_order(
    const uint32_t runs_max[LEVELS], enum order order, uint32_t bars, struct most most[LEVELS]
)
{
    struct random random;
    random_init(&random, order);
    begin_runs(runs_max, TREE_GENERAL);
    uint64_t count = 0;
    for (uint32_t beat = 0; beat < bars * BAR; beat += 1) {
        const bool is_small = random_chance(&random, 1, 10) && order != ASCENDING;
        const uint32_t events = is_small ? (uint32_t)random_below(&random, 9) : RECORD_MAX;
        for (uint32_t index = 0; index < events; index += 1) {
            event(&random, order, count);
            count += 1;
        }
        tree_settle(&fixture.tree);
        EXPECT(lsm_fixture_boundary(&fixture, beat % 97 == 95) == TACTUS_OK);
        tree_check(&fixture.tree);
        look(most);
    }
    const uint32_t *runs = fixture.shared.runs_max;
    for (uint8_t number = 0; number < LEVELS; number += 1) {
        const struct run_limits limits = run_limits_of(runs, number);
        EXPECT(most[number].runs <= manifest_level_runs_bound(limits.runs));
        if (limits.runs > 1) EXPECT(most[number].tables <= 2 * limits.most);
        if (limits.runs > 1) EXPECT(most[number].groups <= 2);
        EXPECT(most[number].tables <= level_tables_max(runs, 4, number) + 1);
    }
}

TEST(slice, keeps_several_levels_within_their_bounds_in_any_order_of_keys)
{
    static const uint32_t runs[][LEVELS] = {{4, 4}, {2, 2, 2}, {8, 8}, {2, 3, 2, 2}, {3, 5}};
    uint64_t slices = 0;
    uint64_t below = 0;
    uint64_t coalesced = 0;
    for (uint32_t index = 0; index < 2 * COUNT_OF(runs); index += 1) {
        coalesces = index >= COUNT_OF(runs);
        const uint32_t *runs_max = runs[index % COUNT_OF(runs)];
        for (uint32_t order = 0; order < ORDERS; order += 1) {
            struct most most[LEVELS] = {0};
            run_order(runs_max, (enum order)order, 160, most);
            coalesced += total(2)->tables_coalesced + total(3)->tables_coalesced;
            slices += total(2)->slices;
            below += total(3)->slices;
            if (order == SPREAD) EXPECT(most[1].groups == 2 && most[1].runs > runs_max[1]);
            if (order == ASCENDING) {
                for (uint8_t target = 0; target < LEVELS; target += 1)
                    EXPECT(total(target)->slices == 0);
                EXPECT(total(1)->merges == 0 && total(2)->merges == 0 && total(3)->merges == 0);
                EXPECT(total(2)->tables_moved > 10);
            }
            end();
        }
    }
    coalesces = false;
    EXPECT(slices > 0 && below > 0 && coalesced > 0);
}

TEST(slice, is_not_needed_for_keys_that_ascend)
{
    begin(4, TREE_GENERAL);
    for (uint32_t bar = 0; bar < 24; bar += 1) {
        for (uint32_t beat = 0; beat < BAR; beat += 1) {
            for (uint32_t index = 0; index < RECORD_MAX; index += 1)
                put((bar * BAR + beat) * RECORD_MAX + index + 1, 1);
            tree_settle(&fixture.tree);
            EXPECT(lsm_fixture_boundary(&fixture, false) == TACTUS_OK);
        }
        tree_check(&fixture.tree);
        EXPECT(level(0)->run_count <= 1);
    }
    EXPECT(total(1)->slices == 0);
    EXPECT(total(1)->merges == 0);
    EXPECT(total(1)->tables_moved > 10);
    EXPECT(manifest_level_first(level(1))->run == 0);
    end();
}

/* What was removed stays so, when its tombstone has gone down and the table that had it has not. */
TEST(slice, leaves_nothing_below_a_bound_that_comes_back)
{
    begin(2, TREE_GENERAL);
    for (uint32_t round = 0; round < 40; round += 1) {
        for (uint64_t id = 1; id <= RECORD_MAX; id += 1) {
            if ((id + round) % 2 == 0) {
                put(id * 1000, round);
            } else {
                remove_id(id * 1000);
            }
        }
        tree_settle(&fixture.tree);
        EXPECT(lsm_fixture_bar(&fixture, round % 7 == 3) == TACTUS_OK);
        tree_check(&fixture.tree);
        for (uint64_t id = 1; id <= RECORD_MAX; id += 1) {
            uint64_t value = 0;
            EXPECT(is_found(id * 1000, &value) == ((id + round) % 2 == 0));
            if ((id + round) % 2 == 0) EXPECT(value == round);
        }
    }
    EXPECT(total(1)->slices > 10);
    EXPECT(total(1)->records_dropped > 0);
    end();
}

TEST(slice, of_an_index_cancels_pairs_of_several_runs)
{
    begin(4, TREE_INDEX);
    for (uint32_t round = 0; round < 40; round += 1) {
        for (uint64_t id = 1; id <= RECORD_MAX; id += 1) {
            /* Each key is there or not by turns, in a rhythm of its own. */
            if (round % (id % 3 + 1) != 0) continue;
            const bool is_there = round / (id % 3 + 1) % 2 == 0;
            const uint64_t record[2] = {id, 5};
            if (is_there) {
                tree_put(&fixture.tree, record);
            } else {
                tree_remove(&fixture.tree, record);
            }
        }
        tree_settle(&fixture.tree);
        EXPECT(lsm_fixture_bar(&fixture, false) == TACTUS_OK);
        tree_check(&fixture.tree);
    }
    EXPECT(total(1)->slices > 0);
    EXPECT(total(1)->records_cancelled > 0);
    end();
}

/* A bar's own full table of low keys is swallowed whole by each slice: were it to join the group
 * that is sliced, what was there before would stay for ever. */
TEST(slice, of_keys_that_are_overwritten_does_not_hold_up_the_rest_of_its_group)
{
    struct random random;
    random_init(&random, 3);
    begin(4, TREE_GENERAL);
    beats_of_spread_ids(&random, 3 * BAR);
    const uint64_t spread_end = fixture.beat;
    for (uint32_t bar = 0; bar < 30; bar += 1) {
        for (uint32_t beat = 0; beat < BAR; beat += 1) {
            for (uint64_t index = 0; index < RECORD_MAX; index += 1) {
                const uint64_t record[2] = {beat * RECORD_MAX + index + 1, bar};
                tree_put(&fixture.tree, record);
            }
            tree_settle(&fixture.tree);
            EXPECT(lsm_fixture_boundary(&fixture, false) == TACTUS_OK);
            tree_check(&fixture.tree);
        }
        if (bar < 10 || level(0)->run_count == 0) continue;
        const struct manifest_run *oldest = &level(0)->runs[level(0)->run_count - 1];
        EXPECT(oldest->number / 2 > spread_end);
    }
    EXPECT(total(1)->slices > 10);
    end();
}

TEST(slice, that_meets_a_damaged_leaf_is_corrupt_when_its_work_begins)
{
    struct random random;
    random_init(&random, 3);
    begin(4, TREE_GENERAL);
    beats_of_spread_ids(&random, 4 * BAR);
    EXPECT(lsm_fixture_bar(&fixture, true) == TACTUS_OK);
    EXPECT((run_group_newest(level(0)).table_count == 4));
    EXPECT(grid_writes_finish(&fixture.storage.grid) == TACTUS_OK);
    /* In front of a table's root lie its filter and its leaf. */
    const uint64_t root = manifest_level_first(level(0))->address;
    lsm_fixture_end(&fixture);
    for (uint64_t back = 1; back <= 3; back += 1) {
        const struct layout *layout = &fixture.storage.layout;
        simulated_disk_flip(disk, layout_block_offset(layout, root - back) + 300, 1);
    }
    lsm_fixture_begin(&fixture, disk, &options);
    EXPECT(lsm_fixture_open(&fixture) == TACTUS_OK);
    enum tactus_status status = TACTUS_OK;
    for (uint32_t beat = 0; beat < 2 * BAR && status == TACTUS_OK; beat += 1)
        status = lsm_fixture_boundary(&fixture, false);
    EXPECT(status == TACTUS_CORRUPT);
    EXPECT(fixture.storage.fault.block_type == BLOCK_LEAF);
    end();
}

TEST(slice, of_a_forged_level_is_refused)
{
    struct budget budget;
    static _Alignas(BUDGET_ALIGNMENT) uint8_t region[1 << 16];
    struct node_pool pool;
    struct manifest_level forged;
    const uint32_t runs_max[LEVELS] = {2, 1, 1, 1, 1, 1, 1};
    const struct run_limits limits = run_limits_of(runs_max, 0);
    budget_carve_begin(&budget, region, sizeof region);
    node_pool_init(&pool, &budget, 20);
    manifest_level_init(&forged, &budget, &pool, manifest_level_runs_bound(2));
    for (uint64_t run = 0; run < 3; run += 1) {
        const struct table_info info = {
            .key_min = key_from_u64(1),
            .key_max = key_from_u64(9),
            .run = run_number(run + 1, false),
            .value_count = 1};
        EXPECT(manifest_level_insert(&forged, &info));
        EXPECT((run_groups_fault(&forged, &limits) == NULL) == (run < 2));
    }
    manifest_level_remove(&forged, manifest_level_first(&forged));
    EXPECT(run_groups_fault(&forged, &limits) == NULL);
    struct table_info info = {
        .key_max = key_from_u64(9), .run = run_number(8, true), .value_count = 1};
    EXPECT(manifest_level_insert(&forged, &info));
    EXPECT(run_groups_fault(&forged, &limits) == NULL);
    info.run = run_number(9, false);
    EXPECT(manifest_level_insert(&forged, &info));
    EXPECT(run_groups_fault(&forged, &limits) != NULL); /* a third group */
}

/* A checkpoint of some beat is about to be opened. */
static void begin_forged(const uint32_t runs_max[LEVELS])
{
    begin_runs(runs_max, TREE_GENERAL);
    fixture.shared.snapshot_newest = 100;
}

static struct table_info forged_table(uint8_t number, uint64_t run, uint64_t key)
{
    return (struct table_info
    ){.key_min = key_from_u64(key),
      .key_max = key_from_u64(key + 9),
      .address = 1,
      .snapshot_min = 1,
      .snapshot_max = UINT64_MAX,
      .run = run,
      .value_count = 1,
      .tree = LSM_FIXTURE_TREE,
      .level = number};
}

/* One way to forge a level at a time, in each that may have several runs. */
TEST(slice, of_a_file_with_forged_runs_is_refused_at_every_level)
{
    static const uint32_t runs[LEVELS] = {2, 2, 3};
    for (uint8_t number = 0; number < 3; number += 1) {
        const uint32_t most = run_limits_of((const uint32_t[]){2, 2, 3, 1, 1, 1, 1}, number).most;
        enum { RUN_OF_ONE, TOO_MANY_RUNS, THREE_GROUPS, TOO_MANY_TABLES, RIGHT, WAYS };
        for (uint32_t way = 0; way < WAYS; way += 1) {
            const bool is_of_one = way == RUN_OF_ONE;
            const uint32_t count = way == TOO_MANY_RUNS     ? runs[number] + 1
                                   : way == THREE_GROUPS    ? 3
                                   : way == TOO_MANY_TABLES ? most + 1
                                   : way == RIGHT           ? most
                                                            : 1;
            const char *what = NULL;
            begin_forged(runs);
            for (uint32_t index = 0; index < count && what == NULL; index += 1) {
                const bool is_alone = way == TOO_MANY_RUNS || way == THREE_GROUPS;
                const bool is_odd = way == THREE_GROUPS && index == 1;
                const uint64_t run = run_number(is_alone ? index + 1 : 1, is_odd);
                const struct table_info info =
                    forged_table(number, is_of_one ? 0 : run, 1 + 10 * index);
                what = tree_open_table(&fixture.tree, &info);
            }
            const enum tactus_status status =
                what == NULL ? tree_open_end(&fixture.tree) : TACTUS_CORRUPT;
            EXPECT(status == (way == RIGHT ? TACTUS_OK : TACTUS_CORRUPT));
            end();
        }
        begin_forged(runs);
        struct table_info info = forged_table(LEVELS - 1, 4, 1); /* one run, but it has a number */
        EXPECT(tree_open_table(&fixture.tree, &info) != NULL);
        end();
    }
}

/* Level 1 takes before it gives: what would begin a third group there is refused (Z2). */
TEST(slice, of_a_file_whose_level_should_have_given_is_refused)
{
    static const uint32_t runs[LEVELS] = {2, 2};
    for (uint32_t tables = 3; tables <= 4; tables += 1) {
        begin_forged(runs);
        struct table_info info = forged_table(1, run_number(1, false), 1);
        EXPECT(tree_open_table(&fixture.tree, &info) == NULL);
        for (uint32_t index = 0; index < tables; index += 1) {
            info = forged_table(1, run_number(2, true), 1 + 10 * index);
            EXPECT(tree_open_table(&fixture.tree, &info) == NULL);
        }
        EXPECT(tree_open_end(&fixture.tree) == (tables == 3 ? TACTUS_OK : TACTUS_CORRUPT));
        end();
    }
    for (uint32_t above = 0; above < 2; above += 1) { /* the newest run would be joined, or not */
        begin_forged(runs);
        for (uint32_t run = 1; run <= 3; run += 1) {
            const struct table_info info = forged_table(1, run_number(run, run > 1), 50);
            EXPECT(tree_open_table(&fixture.tree, &info) == NULL);
        }
        for (uint32_t run = 1; run <= 2; run += 1) {
            const struct table_info info =
                forged_table(0, run_number(run, false), above == 1 ? 100 : 20);
            EXPECT(tree_open_table(&fixture.tree, &info) == NULL);
        }
        EXPECT(tree_open_end(&fixture.tree) == (above == 1 ? TACTUS_OK : TACTUS_CORRUPT));
        end();
    }
}

TEST_MAIN()
