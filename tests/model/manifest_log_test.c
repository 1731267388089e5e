/* A manifest log and a list of the tables that live must stay the same, whenever the log is closed
 * for a checkpoint and opened again from what the checkpoint remembers.
 *
 * Root addresses are few and are used again and again, so that a table's events stand between those
 * of older tables at the same address. What a log knows of its tables' places is compared, too. */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "base/random.h"
#include "lsm/manifest_log.h"
#include "support/storage_fixture.h"
#include "support/test.h"

#include <stdlib.h>

enum { TABLES_MAX = 150, ROOTS = 200, GROWTH = 4, TREES = 5, ROUNDS = 60, EVENTS_MAX = 100 };

struct table {
    struct table_info info;
    bool is_live;
    bool was_given; /* while opening */
};

struct model {
    struct random random;
    struct storage_fixture storage;
    struct manifest_log log;
    void *region;
    struct table tables[ROOTS]; /* by root address - first_root */
    uint64_t first_root;
    uint32_t live_count;
    uint64_t snapshot;
};

static void log_begin(struct model *model)
{
    const struct manifest_log_options options = {
        .grid = &model->storage.grid,
        .fault = &model->storage.fault,
        .block_count_max = model->storage.layout.block_count_max,
        .block_size = model->storage.layout.block_size,
        .tables_max = TABLES_MAX,
        .growth_factor = GROWTH};
    struct budget budget;
    budget_measure_begin(&budget);
    manifest_log_init(&model->log, &budget, &options);
    const uint64_t size = round_up_u64(budget_used(&budget), BUDGET_ALIGNMENT);
    model->region = aligned_alloc(BUDGET_ALIGNMENT, size);
    assert(model->region != NULL);
    bytes_zero(model->region, size);
    budget_carve_begin(&budget, model->region, size);
    manifest_log_init(&model->log, &budget, &options);
}

static void append(struct model *model)
{
    struct table *table = &model->tables[random_below(&model->random, ROOTS)];
    struct table_info *info = &table->info;
    const uint64_t address = model->first_root + (uint64_t)(table - model->tables);
    if (!table->is_live) {
        if (model->live_count == TABLES_MAX) return;
        const uint64_t low = random_u64(&model->random);
        *info = (struct table_info
        ){.key_min = {{0, low, 7}},
          .key_max = {{low, UINT64_MAX, 9}},
          .checksum = {low, ~low},
          .address = address,
          .snapshot_min = model->snapshot,
          .snapshot_max = UINT64_MAX,
          .value_count = 1 + (uint32_t)random_below(&model->random, 1000),
          .tree = (uint16_t)random_range(&model->random, 1, TREES),
          .level = (uint8_t)random_below(&model->random, LEVELS)};
        manifest_log_append(&model->log, MANIFEST_INSERT, info);
        table->is_live = true;
        model->live_count += 1;
    } else if (random_chance(&model->random, 1, 2)) {
        info->level = (uint8_t)random_below(&model->random, LEVELS);
        manifest_log_append(&model->log, MANIFEST_UPDATE, info);
    } else {
        info->snapshot_max = model->snapshot + 1;
        if (random_chance(&model->random, 1, 2)) {
            manifest_log_append(&model->log, MANIFEST_UPDATE, info);
            if (model->log.entries_left == 0) return;
        }
        manifest_log_append(&model->log, MANIFEST_REMOVE, info);
        table->is_live = false;
        model->live_count -= 1;
    }
}

static void half_bar(struct model *model)
{
    struct free_set *set = &model->storage.grid.free_set;
    const uint64_t entries = random_below(&model->random, EVENTS_MAX);
    struct free_set_reservation reservation;
    EXPECT(free_set_reserve(set, manifest_log_blocks_for(&model->log, entries), &reservation));
    manifest_log_reserve(&model->log, entries, &reservation);
    const uint64_t spared = random_below(&model->random, entries + 1);
    model->snapshot += 1;
    for (uint32_t tries = 0; tries < 1000 && model->log.entries_left > spared; tries += 1) {
        append(model);
    }
    manifest_log_forfeit(&model->log);
    free_set_forfeit(set, &reservation);
    EXPECT(model->log.extents.count == model->live_count);
    address_map_check(&model->log.extents);
}

static const char *visit(void *context, const struct table_info *info)
{
    struct model *model = context;
    struct table *table = &model->tables[info->address - model->first_root];
    EXPECT(table->is_live);
    EXPECT(!table->was_given);
    const struct table_info *wanted = &table->info;
    EXPECT(key_equal(info->key_min, wanted->key_min) && key_equal(info->key_max, wanted->key_max));
    EXPECT(checksum_equal(info->checksum, wanted->checksum));
    EXPECT(info->copy_address == 0);
    EXPECT(
        info->snapshot_min == wanted->snapshot_min && info->snapshot_max == wanted->snapshot_max
    );
    EXPECT(info->value_count == wanted->value_count);
    EXPECT(info->tree == wanted->tree && info->level == wanted->level);
    table->was_given = true;
    return NULL;
}

static void checkpoint(struct model *model)
{
    struct manifest_log_references references;
    manifest_log_close(&model->log, &references);
    EXPECT(grid_writes_finish(&model->storage.grid) == TACTUS_OK);
    const struct manifest_log before = model->log;
    void *region_before = model->region;

    log_begin(model);
    for (uint32_t index = 0; index < ROOTS; index += 1)
        model->tables[index].was_given = false;
    const struct manifest_log_visitor visitor = {.table = visit, .context = model};
    EXPECT(manifest_log_open(&model->log, &references, &visitor) == TACTUS_OK);
    EXPECT(model->log.extents.count == model->live_count);
    EXPECT(model->log.removed.count == 0);
    for (uint32_t index = 0; index < ROOTS; index += 1) {
        const struct table *table = &model->tables[index];
        const uint64_t address = model->first_root + index;
        EXPECT(table->was_given == table->is_live);
        const struct table_extent *was = address_map_get(&before.extents, address);
        const struct table_extent *is = address_map_get(&model->log.extents, address);
        EXPECT((was != NULL) == (is != NULL));
        if (was != NULL) EXPECT(was->block == is->block && was->entry == is->entry);
    }
    free(region_before); /* the opened log goes on */
}

static void run(uint64_t seed)
{
    struct model *model = calloc(1, sizeof *model);
    random_init(&model->random, seed);
    const struct storage_fixture_options options = {
        .cache_frames = (uint32_t)random_range(&model->random, 1, 20)};
    struct simulated_disk *disk = storage_fixture_disk(seed, &options);
    storage_fixture_begin(&model->storage, disk, &options);
    storage_fixture_grid(&model->storage, ROOTS);
    EXPECT(grid_grow(&model->storage.grid, 4000) == TACTUS_OK);
    model->first_root = 1;
    log_begin(model);

    checkpoint(model); /* of an empty log */
    for (uint32_t round = 0; round < ROUNDS; round += 1) {
        half_bar(model);
        if (random_chance(&model->random, 1, 5)) checkpoint(model);
    }
    checkpoint(model);
    EXPECT(model->log.references.block_count > 1);

    manifest_log_deinit(&model->log);
    free(model->region);
    storage_fixture_end(&model->storage);
    simulated_disk_free(disk);
    free(model);
}

TEST(manifest_log, opens_to_exactly_the_tables_that_live)
{
    const struct test_seeds seeds = test_seeds(40);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        run(seed);
    }
}

TEST_MAIN()
