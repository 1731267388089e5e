#include "base/bytes.h"
#include "base/integer.h"
#include "lsm/compaction_pick.h"
#include "support/lsm_fixture.h"
#include "support/test.h"

enum { RECORD_MAX = 100, BAR = 4 };

static struct lsm_fixture fixture;
static struct simulated_disk *disk;
static struct lsm_fixture_options options;

static void begin_with(enum tree_usage usage, uint32_t record_max, uint32_t depth)
{
    options = (struct lsm_fixture_options
    ){.shape = usage == TREE_INDEX ? record_shape_index64() : record_shape_id64(),
      .usage = usage,
      .point_lookups = usage == TREE_GENERAL,
      .record_max = record_max,
      .compaction_depth = depth,
      .bar_beats = BAR};
    disk = lsm_fixture_disk(1, &options);
    lsm_fixture_begin(&fixture, disk, &options);
    lsm_fixture_create(&fixture);
}

static void begin(enum tree_usage usage)
{
    begin_with(usage, RECORD_MAX, 0);
}

static void end(void)
{
    EXPECT(lsm_fixture_pinned(&fixture) == 0);
    lsm_fixture_end(&fixture);
    simulated_disk_free(disk);
}

static void put_range(uint64_t first, uint64_t count)
{
    for (uint64_t id = first; id < first + count; id += 1) {
        const uint64_t record[2] = {id, id + 1000};
        tree_put(&fixture.tree, record);
    }
}

static void remove_range(uint64_t first, uint64_t count)
{
    for (uint64_t id = first; id < first + count; id += 1) {
        const uint64_t record[2] = {id, id + 1000};
        tree_remove(&fixture.tree, record);
    }
}

static void bar(void)
{
    tree_settle(&fixture.tree);
    EXPECT(lsm_fixture_bar(&fixture, false) == TACTUS_OK);
    tree_check(&fixture.tree);
}

static const struct compaction_counters *total(uint8_t level)
{
    return &fixture.tree.compactions[level].total;
}

static uint32_t count_of(uint8_t level)
{
    return tree_table_count(&fixture.tree, level);
}

static const struct table_info *first_of(uint8_t level)
{
    return manifest_level_first(&fixture.tree.manifest.levels[level]);
}

TEST(compaction, runs_odd_targets_in_the_first_half_of_a_bar)
{
    EXPECT(compaction_is_active(1, HALF_BAR_FIRST) && compaction_is_active(5, HALF_BAR_FIRST));
    EXPECT(compaction_is_active(0, HALF_BAR_SECOND) && compaction_is_active(6, HALF_BAR_SECOND));
    EXPECT(!compaction_is_active(0, HALF_BAR_FIRST) && !compaction_is_active(3, HALF_BAR_SECOND));
}

TEST(compaction, writes_the_immutable_table_even_if_it_overlaps_nothing)
{
    begin(TREE_GENERAL);
    put_range(1, 100);
    bar();
    EXPECT(count_of(0) == 0);
    EXPECT(!tree_immutable_is_flushed(&fixture.tree));
    bar();
    EXPECT(count_of(0) == 1);
    EXPECT(tree_immutable_is_flushed(&fixture.tree));
    EXPECT(total(0)->merges == 1 && total(0)->tables_moved == 0);
    EXPECT(total(0)->records_in == 100 && total(0)->records_out == 100);
    EXPECT(total(0)->blocks_out == 4); /* value block, leaf, filter, root */
    EXPECT(first_of(0)->value_count == 100);
    EXPECT(first_of(0)->snapshot_min == 2 * BAR); /* the first beat of the next half-bar */
    bar();
    EXPECT(total(0)->merges == 1); /* there is nothing to do */
    end();
}

TEST(compaction, takes_a_level_at_its_limit_and_moves_what_overlaps_nothing)
{
    begin(TREE_GENERAL);
    for (uint64_t index = 0; index < 4; index += 1) {
        put_range(1 + index * 1000, 100);
        bar();
    }
    bar();
    EXPECT(count_of(0) == 4 && count_of(1) == 0);
    const struct table_info before = *first_of(0);
    const uint64_t released = free_set_count_released(&fixture.storage.grid.free_set);
    bar();
    EXPECT(count_of(0) == 3 && count_of(1) == 1);
    EXPECT(total(1)->tables_moved == 1 && total(1)->merges == 0 && total(1)->records_in == 0);
    const struct table_info *moved = first_of(1);
    EXPECT(moved->address == before.address && moved->level == 1);
    EXPECT(moved->snapshot_min == before.snapshot_min && moved->snapshot_max == UINT64_MAX);
    EXPECT(free_set_count_released(&fixture.storage.grid.free_set) == released);
    end();
}

TEST(compaction, merges_what_overlaps_and_lets_go_of_its_inputs)
{
    begin(TREE_GENERAL);
    put_range(1, 100);
    bar();
    bar();
    const struct free_set *set = &fixture.storage.grid.free_set;
    const uint64_t old = first_of(0)->address;
    const uint64_t released = free_set_count_released(set);
    put_range(50, 100);
    bar();
    bar();
    EXPECT(count_of(0) == 1);
    EXPECT(first_of(0)->value_count == 149);
    EXPECT(total(0)->records_replaced == 51);
    EXPECT(total(0)->tables_in == 1 && total(0)->tables_out == 2);
    EXPECT(total(0)->blocks_out == 8);
    EXPECT(free_set_is_released(set, old) && !free_set_is_free(set, old));
    EXPECT(free_set_count_released(set) == released + 4); /* value block, leaf, filter, root */
    EXPECT(!manifest_log_is_live(&fixture.log, old));
    end();
}

TEST(compaction, keeps_tombstones_while_something_below_may_need_them)
{
    begin(TREE_GENERAL);
    for (uint64_t index = 0; index < 4; index += 1) {
        put_range(1 + index * 1000, 100);
        bar();
    }
    bar();
    bar(); /* keys 1 to 100 are in level 1 now */
    EXPECT(count_of(1) == 1);
    remove_range(1, 10);
    bar();
    bar();
    EXPECT(total(0)->records_dropped == 0);
    EXPECT(first_of(0)->value_count == 10);
    remove_range(2001, 10); /* these are in level 0, and nothing below it overlaps them */
    bar();
    bar();
    EXPECT(total(0)->records_dropped == 10);
    end();
}

TEST(compaction, of_what_cancels_leaves_no_table)
{
    begin(TREE_INDEX);
    put_range(1, 100);
    bar();
    bar();
    EXPECT(count_of(0) == 1);
    remove_range(1, 100);
    bar();
    bar();
    EXPECT(count_of(0) == 0);
    EXPECT(total(0)->records_cancelled == 200);
    EXPECT(fixture.log.extents.count == 0);
    EXPECT(fixture.tree.mutable->count + fixture.tree.immutable->count == 0);
    end();
}

/* A table holds 400: 100 and 100 are small, 300 beside them is not, and does not fit. */
TEST(compaction, of_a_flush_takes_in_small_neighbours)
{
    begin(TREE_GENERAL);
    fixture.options.coalesces = true;
    put_range(1, 100);
    bar();
    put_range(2000, 100);
    bar();
    EXPECT(count_of(0) == 1);
    bar(); /* flushes the second: beside the first */
    EXPECT(count_of(0) == 1 && first_of(0)->value_count == 200);
    EXPECT(total(0)->tables_coalesced == 1);
    put_range(1000, 10); /* overlaps it */
    bar();
    bar();
    EXPECT(count_of(0) == 1 && first_of(0)->value_count == 210);
    EXPECT(total(0)->tables_coalesced == 1);
    put_range(3000, 100); /* 210 are half a table, and so is what they would make */
    bar();
    bar();
    EXPECT(count_of(0) == 1 && first_of(0)->value_count == 310);
    EXPECT(total(0)->tables_coalesced == 2);
    for (uint32_t beat = 0; beat < BAR; beat += 1) {
        put_range(4000 + 100 * beat, 100);
        tree_settle(&fixture.tree);
        EXPECT(lsm_fixture_boundary(&fixture, false) == TACTUS_OK);
    }
    bar();
    EXPECT(count_of(0) == 2 && total(0)->tables_coalesced == 2); /* 400 are enough */
    end();
}

/* Level 0 holds four tables, and gives one to level 1 whenever it is full. */
TEST(compaction, of_lower_levels_takes_in_neighbours_that_its_last_table_has_room_for)
{
    begin(TREE_GENERAL);
    const uint64_t counts[] = {160, 300, 100, 120, 40, 60, 80, 20};
    for (uint64_t index = 0; index < 9; index += 1) {
        for (uint64_t part = 0; part < BAR; part += 1) {
            if (index < 8) put_range(1000 * (index + 1) + 100 * part, counts[index] / BAR);
            tree_settle(&fixture.tree);
            fixture.options.coalesces = BAR * index + part >= 8 * BAR - 1; /* the ninth bar's */
            EXPECT(lsm_fixture_boundary(&fixture, false) == TACTUS_OK);
        }
        if (index != 7) continue;
        EXPECT(count_of(1) == 3 && first_of(1)->value_count == 160);
        EXPECT(total(1)->tables_coalesced == 0);
    }
    /* 120 came down beside 100, whose place it took; no room was left for 300 */
    EXPECT(count_of(1) == 3 && total(1)->tables_coalesced == 1);
    EXPECT(total(1)->tables_moved == 3);
    EXPECT(manifest_level_sole(&fixture.tree.manifest.levels[1])->record_count == 680);
    end();
}

static void beat(void)
{
    tree_settle(&fixture.tree);
    EXPECT(lsm_fixture_boundary(&fixture, false) == TACTUS_OK);
}

TEST(compaction, merges_the_runs_of_the_immutable_table)
{
    begin(TREE_GENERAL);
    put_range(301, 60);
    beat();
    put_range(101, 100);
    beat();
    put_range(151, 100);
    remove_range(101, 1);
    beat();
    bar();
    const struct memory_table *immutable = fixture.tree.immutable;
    EXPECT(immutable->run_count == 3 && immutable->count == 60 + 100 + 100 + 1);
    bar();
    EXPECT(total(0)->records_in == 261 && total(0)->records_out == 209);
    EXPECT(total(0)->records_replaced == 51 && total(0)->records_dropped == 1);
    EXPECT(first_of(0)->value_count == 209);
    EXPECT(key_equal(first_of(0)->key_min, key_from_u64(102)));
    end();
}

TEST(compaction, of_an_immutable_table_that_cancels_leaves_no_table)
{
    begin(TREE_INDEX);
    put_range(1, 100);
    beat();
    remove_range(1, 100);
    bar();
    EXPECT(fixture.tree.immutable->count == 200);
    bar();
    EXPECT(tree_immutable_is_flushed(&fixture.tree));
    EXPECT(count_of(0) == 0);
    EXPECT(total(0)->records_in == 200 && total(0)->records_cancelled == 200);
    EXPECT(total(0)->tables_out == 0 && fixture.log.extents.count == 0);
    end();
}

TEST(compaction, counts_what_cancels_in_memory_and_what_cancels_on_disk)
{
    begin(TREE_INDEX);
    put_range(1, 100);
    bar();
    bar();
    remove_range(1, 50);
    beat();
    put_range(1, 10);
    put_range(200, 20);
    beat();
    remove_range(200, 20);
    bar();
    EXPECT(fixture.tree.immutable->count == 100);
    bar();
    EXPECT(total(0)->records_in == 100 + 100 + 100 && total(0)->records_out == 100 + 60);
    EXPECT(total(0)->records_cancelled == 2 * (10 + 20 + 40));
    EXPECT(first_of(0)->value_count == 60);
    end();
}

/* Instalment by instalment, each as small as can be: what cancels in memory is work, too. */
TEST(compaction, goes_on_within_the_immutable_table)
{
    begin(TREE_INDEX);
    put_range(1, 100);
    beat();
    remove_range(1, 100);
    beat();
    put_range(400, 100);
    beat();
    put_range(250, 100);
    beat();
    EXPECT(fixture.tree.immutable->run_count == 3);
    beat();
    beat(); /* the second half-bar opens */
    struct compaction *flush = &fixture.tree.compactions[0];
    EXPECT(compaction_is_selected(flush) && compaction_record_count(flush) == 400);
    struct grid *grid = &fixture.storage.grid;
    struct free_set_reservation reservation;
    const uint64_t blocks = compaction_block_count_max(flush, 400);
    EXPECT(free_set_reserve(&grid->free_set, blocks, &reservation));
    block_supply_fill(&fixture.supply, &grid->free_set, &reservation);

    compaction_begin(flush);
    const uint32_t block_records = fixture.tree.format.geometry.records_per_block;
    uint32_t instalments = 0;
    while (!compaction_is_finished(flush)) {
        const uint64_t before = compaction_record_done(flush);
        EXPECT(compaction_advance(flush, before + 1) == PROGRESS_DONE);
        EXPECT(compaction_record_done(flush) > before);
        EXPECT(compaction_record_done(flush) <= before + block_records);
        EXPECT(flush->now.records_in - flush->now.records_cancelled == flush->now.records_out);
        instalments += 1;
    }
    EXPECT(instalments >= 2 && compaction_record_done(flush) == 400);
    EXPECT(block_supply_settle(&fixture.supply, grid, &reservation) == TACTUS_OK);
    bar(); /* applies it */
    EXPECT(total(0)->records_out == 200 && total(0)->records_cancelled == 200);
    EXPECT(first_of(0)->value_count == 200);
    end();
}

TEST(compaction, fills_tables_beyond_what_a_bar_brings)
{
    begin(TREE_GENERAL);
    const struct table_geometry *geometry = &fixture.tree.format.geometry;
    EXPECT(geometry->records_max > RECORD_MAX * BAR);
    for (uint64_t round = 0; round < 4; round += 1) {
        for (uint64_t beat = 0; beat < BAR; beat += 1) {
            for (uint64_t index = 0; index < RECORD_MAX; index += 1) {
                put_range(1 + (beat * RECORD_MAX + index) * 4 + round, 1);
            }
            tree_settle(&fixture.tree);
            EXPECT(lsm_fixture_boundary(&fixture, false) == TACTUS_OK);
        }
    }
    bar();
    EXPECT(first_of(0)->value_count == geometry->records_max);
    EXPECT(count_of(0) == (uint32_t)div_ceil_u64(4 * BAR * RECORD_MAX, geometry->records_max));
    end();
}

TEST(compaction, knows_how_many_blocks_and_events_it_needs)
{
    begin(TREE_GENERAL);
    put_range(1, 100);
    for (uint32_t beat = 0; beat < BAR; beat += 1) {
        if (beat > 0) put_range(1000 * beat, 100);
        tree_settle(&fixture.tree);
        EXPECT(lsm_fixture_boundary(&fixture, false) == TACTUS_OK);
    }
    EXPECT(lsm_fixture_boundary(&fixture, false) == TACTUS_OK);
    EXPECT(lsm_fixture_boundary(&fixture, false) == TACTUS_OK);
    const struct compaction *flush = &fixture.tree.compactions[0];
    EXPECT(compaction_is_selected(flush));
    EXPECT(compaction_record_count(flush) == 400);
    /* Value blocks, one begun before; and leaf, filter block and root of two tables. */
    EXPECT(compaction_block_count_max(flush, 400) == 2 + 1 + 2 * (1 + 1 + 1));
    EXPECT(compaction_block_count_max(flush, 1) == 1 + 1 + 2 * (1 + 1 + 1));
    EXPECT(compaction_block_count_max(flush, 0) == 0);
    EXPECT(compaction_entry_count_max(flush) == 1);
    const uint64_t acquired = free_set_count_acquired(&fixture.storage.grid.free_set);
    bar();
    EXPECT(free_set_count_acquired(&fixture.storage.grid.free_set) == acquired + 5 + 1); /* log */
    end();
}

TEST(compaction, logs_its_events_in_the_order_of_the_format)
{
    begin(TREE_GENERAL);
    put_range(1, 50);
    bar();
    put_range(1000, 50);
    bar();
    bar();
    EXPECT(count_of(0) == 2);
    const uint64_t first = first_of(0)->address;
    const uint64_t second =
        manifest_run_last(manifest_level_sole(&fixture.tree.manifest.levels[0]))->address;
    put_range(40, 100);
    put_range(1040, 1);
    bar();
    const uint32_t before = fixture.log.entry_count;
    bar();
    EXPECT(fixture.log.entry_count == before + 5);
    const struct manifest_entry *entries =
        (const void *)(fixture.log.frame->data + BLOCK_HEADER_SIZE);
    entries += before;
    const uint64_t snapshot = fixture.beat;
    EXPECT(entries[0].event == MANIFEST_UPDATE && entries[0].address == first);
    EXPECT(entries[0].snapshot_max == snapshot - 1);
    EXPECT(entries[1].event == MANIFEST_UPDATE && entries[1].address == second);
    EXPECT(entries[2].event == MANIFEST_INSERT && entries[2].snapshot_min == snapshot);
    EXPECT(entries[3].event == MANIFEST_REMOVE && entries[3].address == second);
    EXPECT(entries[4].event == MANIFEST_REMOVE && entries[4].address == first);
    end();
}

TEST(compaction, answers_what_admission_asks)
{
    begin(TREE_GENERAL);
    for (uint64_t index = 0; index < 5; index += 1) {
        put_range(1 + index * 1000, 100);
        bar();
    }
    bar();
    EXPECT(count_of(0) == 4 && count_of(1) == 1);
    EXPECT(tree_overlap_max(&fixture.tree, 0) == 0);
    EXPECT(tree_overlap_max(&fixture.tree, LEVELS - 1) == 0);
    EXPECT(manifest_room(&fixture.tree.manifest, 1024 - 5));
    EXPECT(!manifest_room(&fixture.tree.manifest, 1024 - 4));
    EXPECT(manifest_level_limit(&fixture.tree.manifest, 0) == 4);
    EXPECT(manifest_level_limit(&fixture.tree.manifest, 6) == 16384);
    end();
}

TEST(compaction, fails_on_a_damaged_input_and_keeps_nothing)
{
    begin(TREE_GENERAL);
    put_range(1, 100);
    bar();
    bar();
    EXPECT(lsm_fixture_bar(&fixture, true) == TACTUS_OK);
    const uint64_t address = first_of(0)->address - 3; /* its value block, by R12 */
    const uint64_t offset = layout_block_offset(&fixture.storage.layout, address);
    lsm_fixture_end(&fixture);
    simulated_disk_flip(disk, offset + 200, 1);
    lsm_fixture_begin(&fixture, disk, &options);
    EXPECT(lsm_fixture_open(&fixture) == TACTUS_OK);
    EXPECT(lsm_fixture_bar(&fixture, false) == TACTUS_OK); /* what was replayed: nothing */
    put_range(50, 10);
    tree_settle(&fixture.tree);
    EXPECT(lsm_fixture_bar(&fixture, false) == TACTUS_OK);
    EXPECT(lsm_fixture_bar(&fixture, false) == TACTUS_CORRUPT);
    EXPECT(fixture.storage.fault.address == address);
    EXPECT(fixture.tree.compactions[0].stage == COMPACTION_FAILED);
    EXPECT(fixture.pool.user == NULL);
    end();
}

/* Gives the first table of level 0 a root that claims more records than there are, or fewer. */
static void forge_root(uint32_t more, uint32_t fewer)
{
    struct grid *grid = &fixture.storage.grid;
    struct manifest_level *level = &fixture.tree.manifest.levels[0];
    struct table_info info = *manifest_level_first(level);
    manifest_level_remove(level, manifest_level_first(level));
    info.value_count = info.value_count + more - fewer;

    struct grid_read read = {0};
    grid_read_start(grid, &read, table_info_root(&info), BLOCK_ROOT, info.tree);
    EXPECT(grid_read_finish(grid, &read) == TACTUS_OK);
    struct block_frame *frame = grid_frame_take(grid);
    bytes_copy(frame->data, read.frame->data, fixture.shared.block_size);
    struct table_root root = table_root_decode(frame->data);
    root.record_count = info.value_count;
    store_u64(block_header_of(frame->data)->metadata + 16, root.record_count);
    EXPECT(table_root_decode(frame->data).record_count == root.record_count);

    struct free_set_reservation reservation;
    EXPECT(free_set_reserve(&grid->free_set, 1, &reservation));
    info.address = free_set_acquire(&grid->free_set, &reservation);
    free_set_forfeit(&grid->free_set, &reservation);
    info.checksum = grid_write_start(grid, frame, info.address).checksum;
    grid_unref(grid, frame);
    grid_read_cancel(grid, &read);
    EXPECT(manifest_level_insert(level, &info));
}

static void expect_forged_root_is_refused(uint32_t more, uint32_t fewer)
{
    begin(TREE_GENERAL);
    for (uint64_t first = 1; first < 300; first += 100) {
        put_range(first, 100);
        tree_settle(&fixture.tree);
        EXPECT(lsm_fixture_boundary(&fixture, false) == TACTUS_OK);
    }
    bar();
    bar();
    forge_root(more, fewer);
    put_range(50, 10);
    tree_settle(&fixture.tree);
    EXPECT(lsm_fixture_bar(&fixture, false) == TACTUS_OK);
    EXPECT(lsm_fixture_bar(&fixture, false) == TACTUS_CORRUPT);
    EXPECT(fixture.storage.fault.level == 0 && fixture.storage.fault.tree == LSM_FIXTURE_TREE);
    end();
}

TEST(compaction, counts_the_records_that_a_table_claims)
{
    expect_forged_root_is_refused(1, 0);
    expect_forged_root_is_refused(0, 1);
}

TEST(compaction, finds_an_index_that_holds_a_key_twice)
{
    begin(TREE_INDEX);
    put_range(1, 10);
    bar();
    bar();
    put_range(5, 1); /* as a damaged file would have it */
    tree_settle(&fixture.tree);
    EXPECT(lsm_fixture_bar(&fixture, false) == TACTUS_OK);
    EXPECT(lsm_fixture_bar(&fixture, false) == TACTUS_CORRUPT);
    end();
}

TEST(compaction, is_abandoned_when_the_database_closes_in_its_middle)
{
    begin(TREE_GENERAL);
    for (uint64_t first = 1; first < 300; first += 100) {
        put_range(first, 100);
        tree_settle(&fixture.tree);
        EXPECT(lsm_fixture_boundary(&fixture, false) == TACTUS_OK);
    }
    bar();
    bar();
    put_range(50, 10);
    bar();
    EXPECT(lsm_fixture_boundary(&fixture, false) == TACTUS_OK);
    EXPECT(lsm_fixture_boundary(&fixture, false) == TACTUS_OK);
    struct compaction *compaction = &fixture.tree.compactions[0];
    compaction_begin(compaction);
    EXPECT(fixture.pool.user == compaction);
    compaction_pool_abandon(&fixture.pool);
    compaction_pool_abandon(&fixture.pool); /* nothing runs: fine */
    EXPECT(compaction->stage == COMPACTION_FAILED);
    end();
}

/* A level at its limit is relieved before it gets the next table: an even one in the half-bar
 * before, an odd one in the half-bar after. So none is ever above it. */
TEST(compaction, relieves_a_level_at_its_limit_and_not_above)
{
    begin(TREE_GENERAL);
    uint32_t at_limit[LEVELS] = {0};
    for (uint64_t beats = 0; beats < 60 * BAR; beats += 1) {
        for (uint64_t index = 0; index < RECORD_MAX; index += 1)
            put_range((beats * RECORD_MAX + index) * 7919 % 1000003, 1);
        beat();
        for (uint8_t level = 0; level < LEVELS; level += 1) {
            const uint64_t limit = manifest_level_limit(&fixture.tree.manifest, level);
            EXPECT(count_of(level) <= limit);
            at_limit[level] += count_of(level) == limit;
        }
        if (fixture.beat % BAR == 0) EXPECT(count_of(1) < 16);
    }
    EXPECT(at_limit[0] > 20 && at_limit[1] > 0 && count_of(2) > 16);
    end();
}

static bool is_let_go(uint64_t address)
{
    for (uint32_t index = 0; index < fixture.supply.released_count; index += 1)
        if (fixture.supply.released[index] == address) return true;
    return false;
}

/* Half of all keys are overwritten again and again: what level 1 holds hides what level 2 does, and
 * comes to be a growth-th of it, not as much as may be. */
TEST(compaction, relieves_a_level_that_is_large_beside_the_next_one)
{
    begin(TREE_GENERAL);
    struct manifest *manifest = &fixture.tree.manifest;
    const uint64_t keys = 20 * BAR * RECORD_MAX;
    uint64_t most = 0;
    for (uint64_t beats = 0; beats < 150 * BAR; beats += 1) {
        for (uint64_t index = 0; index < RECORD_MAX; index += 1) {
            const uint64_t number = (beats * RECORD_MAX + index) * 7919;
            put_range(beats < 20 * BAR ? number % 1000003 : number % keys * 7919 % 1000003, 1);
        }
        beat();
        if (fixture.beat % BAR != 0 || count_of(2) == 0) continue;
        EXPECT(manifest_level_relief(manifest, 1) <= manifest_level_limit(manifest, 1));
        EXPECT(manifest_level_relief(manifest, 1) * 4 >= count_of(2));
        if (beats > 100 * BAR) most = max_u64(most, count_of(1));
    }
    EXPECT(count_of(2) >= 16 && count_of(3) == 0);
    EXPECT(most < manifest_level_limit(manifest, 1) - 4); /* 16; 15 without relief */
    end();
}

/* Value blocks one by one; leaf, filter and root with the last of them, never before: what is left
 * of the table could not be found without them. */
TEST(compaction, lets_go_of_index_blocks_with_the_last_value_block)
{
    begin(TREE_GENERAL);
    for (uint64_t round = 0; round < BAR; round += 1) {
        for (uint64_t index = 0; index < RECORD_MAX; index += 1)
            put_range(2 * (index * BAR + round), 1);
        beat();
    }
    bar();
    EXPECT(count_of(0) == 1 && first_of(0)->value_count == 400);
    const uint64_t root = first_of(0)->address;
    put_range(401, 1);
    put_range(801, 99);
    bar();
    beat();
    beat(); /* the second half-bar opens */
    struct compaction *flush = &fixture.tree.compactions[0];
    EXPECT(compaction_is_selected(flush) && flush->b_count == 1);
    struct grid *grid = &fixture.storage.grid;
    struct free_set_reservation reservation;
    const uint64_t records = compaction_record_count(flush);
    EXPECT(
        free_set_reserve(&grid->free_set, compaction_block_count_max(flush, records), &reservation)
    );
    block_supply_fill(&fixture.supply, &grid->free_set, &reservation);

    compaction_begin(flush);
    uint32_t before = 0; /* beats between the first value block and the last */
    while (!compaction_is_finished(flush)) {
        enum progress progress = PROGRESS_WAIT;
        while (progress == PROGRESS_WAIT) {
            progress = compaction_advance(flush, compaction_record_done(flush) + 1);
            if (progress == PROGRESS_WAIT) grid_wait(grid);
        }
        EXPECT(progress == PROGRESS_DONE);
        const uint32_t count = fixture.supply.released_count;
        const bool is_consumed = fixture.pool.b_left == 0 || fixture.pool.b_consumed == 400;
        EXPECT(count == 5 ? is_consumed && is_let_go(root) : count <= 1 && !is_consumed);
        before += count == 1;
    }
    EXPECT(before > 0 && fixture.supply.released_count == 5);
    EXPECT(block_supply_settle(&fixture.supply, grid, &reservation) == TACTUS_OK);
    bar(); /* applies it */
    EXPECT(fixture.tree.manifest.levels[0].record_count == 500);
    end();
}

/* ---- Depth ----------------------------------------------------------------------------------- */

/* Most reads in flight while an immutable table is merged with two tables larger than
 * the cache. */
static uint32_t reads_in_flight_max(struct compaction *compaction)
{
    struct grid *grid = &fixture.storage.grid;
    uint32_t most = 0;
    enum progress progress;
    do {
        progress = compaction_advance(compaction, UINT64_MAX);
        most = max_u32(most, grid->reads_in_flight);
        if (progress == PROGRESS_WAIT) grid_wait(grid);
    } while (progress == PROGRESS_WAIT);
    EXPECT(progress == PROGRESS_DONE);
    return most;
}

static struct checksum merge_in_depth(uint32_t depth, uint32_t *reads_max)
{
    begin_with(TREE_GENERAL, 4000, depth);
    for (uint64_t first = 1; first < 32000; first += 4000) {
        put_range(first, 4000);
        beat();
    }
    bar();
    EXPECT(count_of(0) == 2);
    put_range(500, 1);
    put_range(31000, 1);
    bar();
    beat();
    beat(); /* the second half-bar opens */

    struct compaction *flush = &fixture.tree.compactions[0];
    EXPECT(compaction_is_selected(flush) && flush->b_count == 2);
    struct grid *grid = &fixture.storage.grid;
    struct free_set_reservation reservation;
    const uint64_t blocks = compaction_block_count_max(flush, compaction_record_count(flush));
    EXPECT(free_set_reserve(&grid->free_set, blocks, &reservation));
    block_supply_fill(&fixture.supply, &grid->free_set, &reservation);
    compaction_begin(flush);
    EXPECT(fixture.pool.b[0].stage != TABLE_CURSOR_IDLE);
    EXPECT((fixture.pool.b[1].stage == TABLE_CURSOR_IDLE) == (depth == 1));
    *reads_max = reads_in_flight_max(flush);
    EXPECT(block_supply_settle(&fixture.supply, grid, &reservation) == TACTUS_OK);
    EXPECT(lsm_fixture_bar(&fixture, true) == TACTUS_OK); /* applies it */
    const struct checksum image = lsm_fixture_image(&fixture);
    end();
    return image;
}

TEST(compaction, has_as_much_under_way_as_it_is_told_and_writes_the_same)
{
    uint32_t reads_max = 0;
    const struct checksum image = merge_in_depth(1, &reads_max);
    EXPECT(reads_max == 1);
    for (uint32_t depth = 2; depth <= COMPACTION_DEPTH_MAX; depth += 1) {
        EXPECT(checksum_equal(merge_in_depth(depth, &reads_max), image));
        EXPECT(reads_max >= depth);
        EXPECT(reads_max <= 2 * (depth + 1));
    }
}

TEST_MAIN()
