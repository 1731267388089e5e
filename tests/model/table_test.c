/* Tables of random records are built on a grid and read back in every way: all blocks in both
 * directions, from any key, with any read-ahead; and single keys, those in the gaps as well.
 *
 * The oracle is the array of records that went in. Blocks are small, so that most tables have
 * several leaves; the disk finishes its requests in an order of its own. At the end the blocks that
 * a full pass has left behind are released: each of the table's blocks exactly once, and in the
 * order in which the builder acquired them (R12).
 *
 * A table is trimmed as well (R18): its bounds leave out records that look alive, in a block that
 * it still needs, and blocks without any others, which are scribbled over. */
#include "base/integer.h"
#include "support/table_fixture.h"
#include "support/test.h"

#include <stdlib.h>

struct model {
    struct random random;
    struct table_fixture fixture;
    struct table_info info;
    uint8_t *records;
    uint32_t count;
    uint32_t stale; /* records in front that are out of the table's bounds */
    uint64_t gap;
};

static struct record_shape shape_of(uint64_t kind)
{
    switch (kind) {
    case 0: return record_shape_object(128, 64);
    case 1: return record_shape_object(1984, 0); /* as large as fits 4-KiB blocks */
    case 2: return record_shape_id64();
    case 3: return record_shape_id128();
    case 4: return record_shape_index64();
    default: return record_shape_index128();
    }
}

static const uint8_t *record_at(const struct model *model, uint32_t index)
{
    return model->records + (uint64_t)index * model->fixture.format.shape.record_size;
}

static struct key key_at(const struct model *model, uint32_t index)
{
    return record_key(&model->fixture.format.shape, record_at(model, index));
}

static void model_begin(struct model *model, uint64_t seed)
{
    *model = (struct model){0};
    random_init(&model->random, seed);
    const struct record_shape shape = shape_of(random_below(&model->random, 6));
    const uint32_t block_size = random_chance(&model->random, 3, 4) ? 4096 : 16384;
    const uint32_t per_block = (block_size - BLOCK_HEADER_SIZE) / shape.record_size;
    const uint32_t blocks = (uint32_t)random_range(&model->random, 1, 300);
    const struct table_fixture_options options = {
        .shape = shape,
        .block_size = block_size,
        .value_count_max = blocks * per_block,
        .seed = seed,
    };
    table_fixture_begin(&model->fixture, &options);
    const uint32_t full = model->fixture.format.geometry.records_max;
    model->count = (uint32_t)random_range(&model->random, 1, full);
    if (random_chance(&model->random, 1, 4)) model->count = full;
    if (random_chance(&model->random, 1, 8)) model->count = 1;
    model->gap = random_range(&model->random, 0, 3);
    model->records = malloc((uint64_t)model->count * shape.record_size);
    for (uint32_t index = 0; index < model->count; index += 1) {
        uint8_t *record = model->records + (uint64_t)index * shape.record_size;
        table_fixture_record(&shape, record, index, model->gap);
    }
    model->info =
        table_fixture_build(&model->fixture, model->records, model->count, &model->random);
}

static void model_end(struct model *model)
{
    table_fixture_end(&model->fixture);
    free(model->records);
}

static void check_info(const struct model *model)
{
    const struct table_info *info = &model->info;
    EXPECT(key_equal(info->key_min, key_at(model, 0)));
    EXPECT(key_equal(info->key_max, key_at(model, model->count - 1)));
    EXPECT(info->value_count == model->count);
    EXPECT(info->tree == 7 && info->level == 0);
    EXPECT(info->snapshot_min == 5 && info->snapshot_max == UINT64_MAX);
    EXPECT(info->address > 0 && info->copy_address == 0);
}

static void search(struct model *model)
{
    const struct record_shape *shape = &model->fixture.format.shape;
    uint8_t record[RECORD_SIZE_MAX];
    const uint32_t index = (uint32_t)random_below(&model->random, model->count);
    const uint64_t above = random_range(&model->random, 0, model->gap);
    const struct key key = table_fixture_key(shape, index, model->gap, above);
    bool found;
    EXPECT(
        table_fixture_lookup(&model->fixture, &model->info, key, record, &found) == PROGRESS_DONE
    );
    EXPECT(found == (above == 0 && index >= model->stale));
    if (found) EXPECT(bytes_equal(record, record_at(model, index), shape->record_size));
}

/* Of the keys that are not there: the filter's "no" costs two blocks, and is never wrong. */
static uint64_t filter_negatives, filter_passes;

static void search_filtered(struct model *model)
{
    const struct table_format *format = &model->fixture.format;
    struct grid *grid = &model->fixture.storage.grid;
    const uint32_t index = (uint32_t)random_below(&model->random, model->count);
    const uint64_t above = random_range(&model->random, 0, model->gap);
    const struct key key = table_fixture_key(&format->shape, index, model->gap, above);
    const struct grid_statistics before = grid->statistics;
    struct table_lookup lookup;
    table_lookup_start(&lookup, format, grid, &model->info, key);
    while (table_lookup_advance(&lookup) == PROGRESS_WAIT)
        grid_wait(grid);
    EXPECT(lookup.status == TACTUS_OK);
    EXPECT((lookup.record != NULL) == (above == 0));
    const uint64_t reads = grid->statistics.reads_cached + grid->statistics.blocks_read -
                           before.reads_cached - before.blocks_read;
    switch ((enum table_filter_answer)lookup.filter) {
    case TABLE_FILTER_NONE:
        EXPECT(!record_shape_has_filter(&format->shape) || index == model->count - 1);
        break;
    case TABLE_FILTER_ABSENT:
        EXPECT(above > 0 && reads == 2);
        filter_negatives += 1;
        break;
    case TABLE_FILTER_PASSED: filter_passes += above > 0; break;
    }
    table_lookup_end(&lookup);
}

static void search_outside(struct model *model)
{
    uint8_t record[RECORD_SIZE_MAX];
    bool found;
    struct key key = key_predecessor(model->info.key_min);
    const uint64_t reads = model->fixture.storage.grid.statistics.reads_cached;
    EXPECT(
        table_fixture_lookup(&model->fixture, &model->info, key, record, &found) == PROGRESS_DONE
    );
    EXPECT(!found);
    key = key_successor(model->info.key_max);
    EXPECT(
        table_fixture_lookup(&model->fixture, &model->info, key, record, &found) == PROGRESS_DONE
    );
    EXPECT(!found);
    EXPECT(
        model->fixture.storage.grid.statistics.reads_cached == reads
    ); /* no block was asked for */
}

/* From a random key on, all blocks in one direction, or some of them. */
static void walk(struct model *model, bool descending)
{
    const uint32_t per_block = model->fixture.format.geometry.records_per_block;
    const uint32_t blocks = (uint32_t)div_ceil_u64(model->count, per_block);
    const uint32_t index = (uint32_t)random_below(&model->random, model->count);
    const uint64_t above = random_range(&model->random, 0, model->gap);
    const struct record_shape *shape = &model->fixture.format.shape;
    const struct table_cursor_options options = {
        .format = &model->fixture.format,
        .grid = &model->fixture.storage.grid,
        .info = &model->info,
        .key = table_fixture_key(shape, index, model->gap, above),
        .descending = descending,
        .read_ahead = (uint32_t)random_range(&model->random, 0, TABLE_READ_AHEAD_MAX),
    };
    /* the first record not below the key */
    const uint32_t least = max_u32(above == 0 ? index : index + 1, model->stale);
    const uint32_t lowest = model->stale / per_block;
    uint32_t next = (descending ? index : least) / per_block;
    if (!descending && least == model->count) next = blocks;
    if (descending && index < model->stale) next = lowest - 1;
    struct table_cursor cursor;
    table_cursor_start(&cursor, &options);
    for (;;) {
        EXPECT(table_fixture_advance(&model->fixture, &cursor) == PROGRESS_DONE);
        if (table_cursor_is_end(&cursor)) {
            EXPECT(next == (descending ? lowest - 1 : blocks));
            break;
        }
        EXPECT(next < blocks);
        const uint32_t first = max_u32(next * per_block, model->stale);
        const uint32_t count = min_u32((next + 1) * per_block, model->count) - first;
        EXPECT(cursor.count == count);
        EXPECT(bytes_equal(
            cursor.records, record_at(model, first), (uint64_t)count * shape->record_size
        ));
        if (random_chance(&model->random, 1, 100)) break; /* with reads in flight, perhaps */
        next = descending ? next - 1 : next + 1;
        table_cursor_next(&cursor);
    }
    table_cursor_stop(&cursor);
}

static void walk_outside(struct model *model)
{
    struct table_cursor cursor;
    struct table_cursor_options options = {
        .format = &model->fixture.format,
        .grid = &model->fixture.storage.grid,
        .info = &model->info,
        .key = key_successor(model->info.key_max),
    };
    table_cursor_start(&cursor, &options);
    EXPECT(table_cursor_is_end(&cursor));
    table_cursor_stop(&cursor);
    options.descending = true;
    options.key = key_predecessor(model->info.key_min);
    table_cursor_start(&cursor, &options);
    EXPECT(table_cursor_is_end(&cursor));
    table_cursor_stop(&cursor);
    options.key = key_max_of((enum key_bits)model->fixture.format.shape.key_bits);
    table_cursor_start(&cursor, &options);
    EXPECT(table_fixture_advance(&model->fixture, &cursor) == PROGRESS_DONE);
    EXPECT(cursor.count > 0);
    table_cursor_stop(&cursor);
}

/* A full pass, as a compaction's. All came from one reservation on an empty grid, so the order of
 * acquisition is the order of addresses. */
static void release(struct model *model)
{
    const struct table_geometry *geometry = &model->fixture.format.geometry;
    const uint64_t blocks = div_ceil_u64(model->count, geometry->records_per_block);
    const struct table_cursor_options options = {
        .format = &model->fixture.format,
        .grid = &model->fixture.storage.grid,
        .info = &model->info,
        .key = key_min_of_all(),
        .read_ahead = 4,
    };
    struct table_cursor cursor;
    uint64_t released = 0;
    table_cursor_start(&cursor, &options);
    EXPECT(table_fixture_advance(&model->fixture, &cursor) == PROGRESS_DONE);
    while (!table_cursor_is_end(&cursor)) {
        table_cursor_next(&cursor);
        for (uint32_t index = 0; index < cursor.finished_count; index += 1) {
            released += 1;
            EXPECT(table_cursor_finished(&cursor, index) == released);
            EXPECT(grid_release(&model->fixture.storage.grid, released) == TACTUS_OK);
        }
        EXPECT(table_fixture_advance(&model->fixture, &cursor) == PROGRESS_DONE);
    }
    table_cursor_stop(&cursor);
    const uint64_t leaves = div_ceil_u64(blocks, geometry->leaf_fanout);
    const uint64_t filters = table_filter_count(geometry, model->count);
    EXPECT((filters > 0) == record_shape_has_filter(&model->fixture.format.shape));
    EXPECT(released == blocks + leaves + filters + 1);
    EXPECT(released == model->info.address);
    EXPECT(released == free_set_count_acquired(&model->fixture.storage.grid.free_set));
}

TEST(table, reads_back_what_was_built)
{
    const struct test_seeds seeds = test_seeds(40);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        struct model model;
        test_seed_begin(seed);
        model_begin(&model, seed);
        check_info(&model);
        for (uint32_t round = 0; round < 60; round += 1)
            search(&model);
        for (uint32_t round = 0; round < 60; round += 1)
            search_filtered(&model);
        for (uint32_t round = 0; round < 12; round += 1)
            walk(&model, round % 2 == 1);
        search_outside(&model);
        walk_outside(&model);
        release(&model);
        block_cache_check(&model.fixture.storage.grid.cache);
        EXPECT(model.fixture.storage.grid.cache.pinned_count == 0); /* every frame was given back */
        model_end(&model);
    }
    if (seeds.count < 40) return;
    EXPECT(filter_negatives > 100);
    EXPECT(filter_passes * 20 < filter_negatives);
}

/* Raises the table's bound to somewhere above a record, and scribbles over what lies wholly below:
 * blocks that a compaction has let go of may be anybody's. */
static void trim(struct model *model)
{
    const struct record_shape *shape = &model->fixture.format.shape;
    const uint32_t per_block = model->fixture.format.geometry.records_per_block;
    struct random *random = &model->random;
    const uint32_t stale = (uint32_t)random_below(random, model->count);
    const struct table_cursor_options options = {
        .format = &model->fixture.format,
        .grid = &model->fixture.storage.grid,
        .info = &model->info,
        .key = key_min_of_all(),
    };
    struct table_cursor cursor;
    table_cursor_start(&cursor, &options);
    for (uint32_t block = 0; block < stale / per_block; block += 1) {
        EXPECT(table_fixture_advance(&model->fixture, &cursor) == PROGRESS_DONE);
        table_cursor_next(&cursor);
        for (uint32_t index = 0; index < cursor.finished_count; index += 1) {
            const struct layout *layout = &model->fixture.storage.layout;
            const uint64_t byte =
                layout_block_offset(layout, table_cursor_finished(&cursor, index));
            simulated_disk_flip(model->fixture.disk, byte + 200, 3);
        }
    }
    table_cursor_stop(&cursor);
    table_fixture_reopen(&model->fixture);

    model->stale = stale;
    model->info.is_trimmed = stale > 0;
    model->info.value_count -= stale;
    model->info.snapshot_min += random_range(random, 1, 3);
    const uint64_t above = random_range(random, 1, model->gap + 1);
    if (stale == 0) return;
    model->info.key_min = above > model->gap
                              ? key_at(model, stale)
                              : table_fixture_key(shape, stale - 1, model->gap, above);
}

TEST(table, shows_nothing_below_its_bound)
{
    const struct test_seeds seeds = test_seeds(60);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        struct model model;
        test_seed_begin(seed);
        model_begin(&model, seed);
        trim(&model);
        for (uint32_t round = 0; round < 60; round += 1)
            search(&model);
        for (uint32_t round = 0; round < 24; round += 1)
            walk(&model, round % 2 == 1);
        search_outside(&model);
        walk_outside(&model);
        struct grid *grid = &model.fixture.storage.grid;
        while (grid->reads_in_flight > 0)
            grid_wait(grid);
        EXPECT(grid->cache.pinned_count == 0);
        model_end(&model);
    }
}

/* ---- Bounds that lie ------------------------------------------------------------------------- */

/* How many records a manifest counts that lies, or is right by chance; and where it says that they
 * begin: at a record, in the gap behind it, or in front of all. */
static void forge(struct model *model)
{
    struct random *random = &model->random;
    const struct record_shape *shape = &model->fixture.format.shape;
    const uint32_t begin = (uint32_t)random_below(random, model->count);
    const uint32_t per_block = model->fixture.format.geometry.records_per_block;
    model->info.key_min = key_at(model, begin);
    model->stale = begin;
    if (begin > 0 && random_chance(random, 1, 3)) {
        const uint64_t above = random_range(random, 0, model->gap);
        model->info.key_min = table_fixture_key(shape, begin - 1, model->gap, above);
        if (above == 0) model->stale = begin - 1;
    }
    const uint32_t live = model->count - model->stale;
    uint64_t value_count = random_range(random, 1, model->count);
    if (random_chance(random, 1, 4)) value_count = live;
    if (random_chance(random, 1, 4)) value_count = live + random_range(random, 0, 2) - 1;
    if (random_chance(random, 1, 4)) value_count = live + per_block * random_range(random, 0, 2);
    model->info.value_count = (uint32_t)min_u64(max_u64(value_count, 1), model->count);
    model->info.is_trimmed = model->info.value_count < model->count;
}

/* Whether a compaction that trimmed the table would have left it so: not to begin with, a table
 * begins with its first record. */
static bool is_honest(const struct model *model)
{
    return model->info.value_count == model->count - model->stale &&
           (model->stale > 0 || key_equal(model->info.key_min, key_at(model, 0)));
}

/* All that lies in one direction of a key, if the blocks are read to the end. No record lies
 * outside of the bounds, and a pass that ends well has seen all those within. */
static bool walk_forged(struct model *model, bool descending, bool whole)
{
    const struct record_shape *shape = &model->fixture.format.shape;
    const uint32_t index = (uint32_t)random_below(&model->random, model->count);
    const struct table_cursor_options options = {
        .format = &model->fixture.format,
        .grid = &model->fixture.storage.grid,
        .info = &model->info,
        .key = !whole       ? key_at(model, index)
               : descending ? model->info.key_max
                            : key_min_of_all(),
        .descending = descending,
        .read_ahead = (uint32_t)random_range(&model->random, 0, TABLE_READ_AHEAD_MAX),
    };
    struct table_cursor cursor;
    uint64_t seen = 0;
    table_cursor_start(&cursor, &options);
    enum progress progress = table_fixture_advance(&model->fixture, &cursor);
    while (progress == PROGRESS_DONE && !table_cursor_is_end(&cursor)) {
        EXPECT(cursor.count > 0);
        EXPECT(!key_less(record_key(shape, cursor.records), model->info.key_min));
        seen += cursor.count;
        table_cursor_next(&cursor);
        progress = table_fixture_advance(&model->fixture, &cursor);
    }
    if (progress == PROGRESS_FAILED) EXPECT(cursor.status == TACTUS_CORRUPT);
    if (progress == PROGRESS_DONE && whole) EXPECT(seen == model->info.value_count);
    table_cursor_stop(&cursor);
    return progress == PROGRESS_DONE;
}

/* What is found lies within the bounds, and what is not there is not hidden. */
static void search_forged(struct model *model)
{
    uint8_t record[RECORD_SIZE_MAX];
    const struct record_shape *shape = &model->fixture.format.shape;
    const uint32_t index = (uint32_t)random_below(&model->random, model->count);
    bool found;
    const enum progress progress =
        table_fixture_lookup(&model->fixture, &model->info, key_at(model, index), record, &found);
    if (is_honest(model)) EXPECT(progress == PROGRESS_DONE);
    if (progress == PROGRESS_FAILED) return;
    EXPECT(found == (index >= model->stale));
    if (found) EXPECT(bytes_equal(record, record_at(model, index), shape->record_size));
}

/* A manifest that counts otherwise than the bound does is damage, not a shorter table: whoever
 * passes over all of it is told, in either direction, wherever the bound lies in a block. */
TEST(table, whose_bounds_lie_is_corrupt_and_shows_nothing_outside_of_them)
{
    const struct test_seeds seeds = test_seeds(60);
    uint64_t honest = 0;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        struct model model;
        test_seed_begin(seed);
        model_begin(&model, seed);
        const struct table_info sound = model.info;
        for (uint32_t round = 0; round < 20; round += 1) {
            model.info = sound;
            forge(&model);
            const bool is_sound = is_honest(&model);
            honest += is_sound;
            EXPECT(walk_forged(&model, false, true) == is_sound);
            EXPECT(walk_forged(&model, true, true) == is_sound);
            for (uint32_t part = 0; part < 4; part += 1) {
                const bool is_done = walk_forged(&model, part % 2 == 1, false);
                if (is_sound) EXPECT(is_done);
                search_forged(&model);
            }
        }
        struct grid *grid = &model.fixture.storage.grid;
        while (grid->reads_in_flight > 0)
            grid_wait(grid);
        EXPECT(grid->cache.pinned_count == 0);
        model_end(&model);
    }
    if (seeds.count >= 60) EXPECT(honest > 100);
}

TEST_MAIN()
