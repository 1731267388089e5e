/* A manifest log and a list of the tables that live must stay the same, whenever the log is closed
 * for a checkpoint and opened again from what the checkpoint remembers; whatever the log has
 * compacted, and wherever its blocks and the tables' roots lie.
 *
 * Root addresses are few and are used again and again, so that a table's events stand between those
 * of older tables at the same address. The log's own blocks are freed by the checkpoints and used
 * again, too. What a log knows of its tables' places is compared, and what a reader finds that goes
 * from the oldest event to the newest. */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "base/random.h"
#include "lsm/manifest_log.h"
#include "support/storage_fixture.h"
#include "support/test.h"

#include <stdlib.h>

enum { ROOTS = 700, ROUNDS = 150 };

struct shape {
    uint32_t tables_max;
    uint32_t roots; /* at most ROOTS */
    uint32_t trees;
    uint32_t growth;
};

/* Many events a half-bar and few tables; few events and many tables. */
static const struct shape shapes[] = {
    {.tables_max = 150, .roots = 200, .trees = 5, .growth = 4},
    {.tables_max = 600, .roots = 700, .trees = 1, .growth = 2},
    {.tables_max = 30, .roots = 33, .trees = 1, .growth = 2}};

enum churn { CHURN_RANDOM, CHURN_NEWEST, CHURN_OLDEST, CHURNS };

struct table {
    struct table_info info;
    uint64_t touched; /* when its newest event was appended */
    bool is_live;
    bool was_given; /* while opening, or when replayed */
};

struct model {
    struct random random;
    struct shape shape;
    struct storage_fixture storage;
    struct manifest_log log;
    void *region;
    struct table tables[ROOTS]; /* by root address - 1 */
    uint32_t live_count;
    uint64_t snapshot;
    uint64_t clock;
    enum churn churn;
    bool at_most;          /* every half-bar appends all that it may */
    uint64_t blocks_most;  /* of the log, at any time */
    uint64_t compacted;    /* by logs that were opened before this one */
    struct checksum image; /* of all references that checkpoints got */
};

static void log_begin(struct model *model)
{
    const struct manifest_log_options options = {
        .grid = &model->storage.grid,
        .fault = &model->storage.fault,
        .block_count_max = model->storage.layout.block_count_max,
        .block_size = model->storage.layout.block_size,
        .tables_max = model->shape.tables_max,
        .half_bar_tables = 4 * (1 + model->shape.growth),
        .tree_count = model->shape.trees};
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

static void log_append(struct model *model, enum manifest_event event, struct table *table)
{
    manifest_log_append(&model->log, event, &table->info);
    model->clock += 1;
    table->touched = model->clock;
    const uint64_t blocks = model->log.block_count + (model->log.frame == NULL ? 0 : 1);
    model->blocks_most = max_u64(model->blocks_most, blocks);
}

static void insert(struct model *model, struct table *table)
{
    const uint64_t low = random_u64(&model->random);
    table->info = (struct table_info
    ){.key_min = {{0, low, 7}},
      .key_max = {{low, UINT64_MAX, 9}},
      .checksum = {low, ~low},
      .address = 1 + (uint64_t)(table - model->tables),
      .snapshot_min = model->snapshot,
      .snapshot_max = UINT64_MAX,
      .value_count = 1 + (uint32_t)random_below(&model->random, 1000),
      .tree = (uint16_t)random_range(&model->random, 1, model->shape.trees),
      .level = (uint8_t)random_below(&model->random, LEVELS)};
    log_append(model, MANIFEST_INSERT, table);
    table->is_live = true;
    model->live_count += 1;
}

static void change(struct model *model, struct table *table)
{
    struct table_info *info = &table->info;
    const bool stays = model->live_count == model->shape.tables_max;
    if (random_chance(&model->random, stays ? 9 : 1, stays ? 10 : 2)) {
        info->level = (uint8_t)random_below(&model->random, LEVELS);
        log_append(model, MANIFEST_UPDATE, table);
        return;
    }
    info->snapshot_max = model->snapshot + 1;
    if (model->log.entries_left > 1 && random_chance(&model->random, 1, 2)) {
        log_append(model, MANIFEST_UPDATE, table);
    }
    log_append(model, MANIFEST_REMOVE, table);
    table->is_live = false;
    model->live_count -= 1;
}

/* Any table; or, if those are to change that changed last, or first, such a one. */
static struct table *choose(struct model *model)
{
    struct table *chosen = &model->tables[random_below(&model->random, model->shape.roots)];
    const bool room = model->live_count < model->shape.tables_max;
    if (model->churn == CHURN_RANDOM || (room && !chosen->is_live)) return chosen;
    chosen = NULL;
    for (uint32_t index = 0; index < model->shape.roots; index += 1) {
        struct table *table = &model->tables[index];
        if (!table->is_live) continue;
        const bool newer = chosen == NULL || table->touched > chosen->touched;
        if (chosen == NULL || newer == (model->churn == CHURN_NEWEST)) chosen = table;
    }
    return chosen == NULL ? &model->tables[0] : chosen;
}

static void append(struct model *model)
{
    struct table *table = choose(model);
    if (table->is_live) {
        change(model, table);
    } else if (model->live_count < model->shape.tables_max) {
        insert(model, table);
    }
}

static void half_bar(struct model *model)
{
    struct manifest_log *log = &model->log;
    struct free_set *set = &model->storage.grid.free_set;
    const uint64_t most = log->pace.events_max;
    const uint64_t entries = model->at_most ? most : random_below(&model->random, most + 1);
    struct free_set_reservation reservation;
    EXPECT(free_set_reserve(set, manifest_log_half_bar_blocks(log, entries), &reservation));
    const uint64_t oldest = log->oldest;
    const uint64_t wanted = manifest_pace_compact(&log->pace, log->block_count, log->extents.count);
    manifest_log_half_bar_open(log, entries, &reservation);
    const uint64_t spared = model->at_most ? 0 : random_below(&model->random, entries + 1);
    model->snapshot += 1;
    for (uint32_t tries = 0; tries < 5000 && log->entries_left > spared; tries += 1) {
        append(model);
    }
    EXPECT(manifest_log_compact(log) == TACTUS_OK);
    manifest_log_forfeit(log);
    free_set_forfeit(set, &reservation);
    EXPECT(log->oldest == oldest + wanted);
    EXPECT(log->extents.count == model->live_count);
    EXPECT(model->blocks_most <= log->pace.log_blocks_max);
    manifest_log_check(log);
    address_map_check(&log->extents);
    free_set_check(set);
    const uint64_t in_use = free_set_count_acquired(set) - free_set_count_released(set);
    EXPECT(in_use == ROOTS + log->block_count + (log->frame == NULL ? 0 : 1));
}

static bool is_same(const struct table_info *a, const struct table_info *b)
{
    struct manifest_entry entries[2];
    manifest_entry_encode(&entries[0], MANIFEST_UPDATE, a);
    manifest_entry_encode(&entries[1], MANIFEST_UPDATE, b);
    return bytes_equal(&entries[0], &entries[1], sizeof entries[0]);
}

static const char *visit(void *context, const struct table_info *info)
{
    struct model *model = context;
    struct table *table = &model->tables[info->address - 1];
    EXPECT(table->is_live);
    EXPECT(!table->was_given);
    EXPECT(is_same(info, &table->info));
    table->was_given = true;
    return NULL;
}

/* From the oldest event to the newest, as docs/format.md has it. */
static void replay(struct model *model)
{
    struct grid *grid = &model->storage.grid;
    const struct manifest_log *log = &model->log;
    static struct table_info known[ROOTS];
    bytes_zero(known, sizeof known);
    for (uint64_t number = log->oldest; number < log->oldest + log->block_count; number += 1) {
        struct grid_read read = {0};
        const struct block_reference reference = log->blocks[number % log->pace.ring_blocks];
        grid_read_start(grid, &read, reference, BLOCK_MANIFEST, 0);
        EXPECT(grid_read_finish(grid, &read) == TACTUS_OK);
        for (uint32_t at = 0; at < manifest_block_entry_count(read.frame->data); at += 1) {
            const struct manifest_entry *entry = manifest_block_entry(read.frame->data, at);
            struct table_info *info = &known[entry->address - 1];
            *info = manifest_entry_decode(entry);
            if (entry->event == MANIFEST_REMOVE) *info = (struct table_info){0};
        }
        grid_read_cancel(grid, &read);
    }
    for (uint32_t index = 0; index < model->shape.roots; index += 1) {
        const struct table *table = &model->tables[index];
        EXPECT((known[index].address != 0) == table->is_live);
        if (table->is_live) EXPECT(is_same(&known[index], &table->info));
    }
}

static void expect_same_extents(const struct manifest_log *was, const struct manifest_log *is)
{
    for (uint64_t address = 1; address <= ROOTS; address += 1) {
        const struct table_extent *before = address_map_get(&was->extents, address);
        const struct table_extent *after = address_map_get(&is->extents, address);
        EXPECT((before != NULL) == (after != NULL));
        if (before == NULL) continue;
        EXPECT(before->event - was->oldest * was->entries_max == after->event);
    }
}

static void reopen(struct model *model, const struct manifest_log_references *references)
{
    const struct manifest_log before = model->log;
    void *region_before = model->region;
    log_begin(model);
    for (uint32_t index = 0; index < model->shape.roots; index += 1)
        model->tables[index].was_given = false;
    const struct manifest_log_visitor visitor = {.table = visit, .context = model};
    EXPECT(manifest_log_open(&model->log, references, &visitor) == TACTUS_OK);
    EXPECT(model->log.extents.count == model->live_count);
    for (uint32_t index = 0; index < model->shape.roots; index += 1) {
        EXPECT(model->tables[index].was_given == model->tables[index].is_live);
    }
    expect_same_extents(&before, &model->log);
    model->compacted += before.statistics.blocks_compacted;
    free(region_before); /* the opened log goes on */
}

/* The capture of now takes effect with the next one. */
static void checkpoint(struct model *model)
{
    struct manifest_log_references references;
    manifest_log_close(&model->log, &references);
    EXPECT(grid_writes_finish(&model->storage.grid) == TACTUS_OK);
    model->blocks_most = max_u64(model->blocks_most, references.block_count);
    struct checksum_stream stream;
    checksum_stream_begin(&stream, model->image);
    checksum_stream_add(&stream, &references, sizeof references);
    model->image = checksum_stream_end(&stream);
    reopen(model, &references);
    replay(model);
    struct free_set *set = &model->storage.grid.free_set;
    if (set->effect_pending) free_set_effect(set);
    free_set_capture(set);
}

static void model_begin(struct model *model, uint64_t seed, uint32_t frames, uint64_t disk_seed)
{
    *model = (struct model){.shape = shapes[seed % COUNT_OF(shapes)]};
    random_init(&model->random, seed);
    const struct storage_fixture_options options = {.cache_frames = frames};
    struct simulated_disk *disk = storage_fixture_disk(disk_seed, &options);
    storage_fixture_begin(&model->storage, disk, &options);
    storage_fixture_grid(&model->storage, ROOTS);
    EXPECT(grid_grow(&model->storage.grid, 8000) == TACTUS_OK);
    log_begin(model);
    model->churn = (enum churn)random_below(&model->random, CHURNS);
}

static void model_end(struct model *model)
{
    struct simulated_disk *disk = model->storage.disk;
    manifest_log_deinit(&model->log);
    EXPECT(grid_writes_finish(&model->storage.grid) == TACTUS_OK);
    EXPECT(model->storage.grid.cache.pinned_count == 0);
    free(model->region);
    storage_fixture_end(&model->storage);
    simulated_disk_free(disk);
}

static void run(struct model *model, uint64_t seed)
{
    model_begin(model, seed, 1 + (uint32_t)(seed % 20), seed);
    const uint64_t checkpoints = random_range(&model->random, 2, 9);
    checkpoint(model); /* of an empty log */
    for (uint32_t round = 0; round < ROUNDS; round += 1) {
        model->at_most = random_chance(&model->random, 1, 4);
        half_bar(model);
        if (random_chance(&model->random, 1, checkpoints)) checkpoint(model);
        if (random_chance(&model->random, 1, 30)) {
            model->churn = (enum churn)random_below(&model->random, CHURNS);
        }
    }
    checkpoint(model);
    EXPECT(model->compacted > 10);
    model_end(model);
}

TEST(manifest_log, opens_to_exactly_the_tables_that_live)
{
    struct model *model = malloc(sizeof *model);
    const struct test_seeds seeds = test_seeds(30);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        run(model, seed);
    }
    free(model);
}

/* As many events as there can be, and a checkpoint at every half-bar, which closes a block that is
 * not full: the bound holds, and is not silly. */
TEST(manifest_log, stays_under_its_bound_and_comes_near_it)
{
    struct model *model = malloc(sizeof *model);
    const struct test_seeds seeds = test_seeds(6);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        model_begin(model, seed, 8, seed);
        model->at_most = true;
        for (uint32_t round = 0; round < ROUNDS; round += 1) {
            half_bar(model);
            if (seed % 2 == 0 || round % 2 == 0) checkpoint(model);
        }
        EXPECT(model->blocks_most <= model->log.pace.log_blocks_max);
        EXPECT(model->blocks_most >= model->log.pace.log_blocks_max / 4);
        model_end(model);
    }
    free(model);
}

/* Neither the cache nor the order in which the disk answers decides an address or a byte. */
TEST(manifest_log, is_the_same_whatever_the_cache_and_the_disk_do)
{
    struct model *model = malloc(sizeof *model);
    const struct test_seeds seeds = test_seeds(6);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        struct checksum images[3];
        for (uint32_t variant = 0; variant < COUNT_OF(images); variant += 1) {
            model_begin(model, seed, 1 + variant * 20, 4 * seed + variant);
            for (uint32_t round = 0; round < ROUNDS / 2; round += 1) {
                half_bar(model);
                if (round % 5 == 4) checkpoint(model);
            }
            EXPECT(model->compacted > 0);
            images[variant] = model->image;
            model_end(model);
        }
        EXPECT(checksum_equal(images[0], images[1]) && checksum_equal(images[0], images[2]));
    }
    free(model);
}

TEST_MAIN()
