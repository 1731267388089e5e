#include "support/table_fixture.h"

#include "base/integer.h"
#include "support/test.h"

#include <stdlib.h>

enum { BLOCKS = 4096, FRAMES_PINNED = 32 };

static void open_grid(struct table_fixture *fixture, uint64_t block_count)
{
    storage_fixture_begin(&fixture->storage, fixture->disk, &fixture->storage_options);
    free_set_open_empty(&fixture->storage.grid.free_set);
    EXPECT(grid_open(&fixture->storage.grid, block_count) == TACTUS_OK);
    EXPECT(grid_grow(&fixture->storage.grid, BLOCKS) == TACTUS_OK);
}

void table_fixture_begin(struct table_fixture *fixture, const struct table_fixture_options *options)
{
    *fixture = (struct table_fixture){
        .options = *options,
        .storage_options =
            {
                .block_size = options->block_size,
                .block_count_max = BLOCKS,
                .cache_frames = 8,
                .pinned_frames_max = FRAMES_PINNED,
            },
        .format =
            {
                .shape = options->shape,
                .kernels = kernels_for(&options->shape),
                .block_count_max = BLOCKS,
                .tree = 7,
            },
    };
    const enum table_fit fit = table_geometry_init(
        &fixture->format.geometry,
        &fixture->format.shape,
        options->block_size,
        options->value_count_max,
        options->value_count_max
    );
    EXPECT(fit == TABLE_FITS);
    EXPECT(fixture->format.geometry.blocks_max <= BLOCKS);
    const uint64_t hashes_max = table_filter_hashes_max(&fixture->format.geometry);
    fixture->hashes = malloc(max_u64(hashes_max, 1) * sizeof *fixture->hashes);
    EXPECT(fixture->hashes != NULL);
    fixture->disk = storage_fixture_disk(options->seed, &fixture->storage_options);
    open_grid(fixture, 0);
}

void table_fixture_end(struct table_fixture *fixture)
{
    storage_fixture_end(&fixture->storage);
    simulated_disk_free(fixture->disk);
    free(fixture->hashes);
}

void table_fixture_reopen(struct table_fixture *fixture)
{
    EXPECT(grid_writes_finish(&fixture->storage.grid) == TACTUS_OK);
    storage_fixture_end(&fixture->storage);
    open_grid(fixture, BLOCKS);
}

struct table_info table_fixture_build(
    struct table_fixture *fixture, const uint8_t *records, uint32_t count, struct random *random
)
{
    struct grid *grid = &fixture->storage.grid;
    struct free_set_reservation reservation;
    struct table_builder builder;
    struct table_info info;
    const uint64_t blocks = fixture->format.geometry.blocks_max;
    EXPECT(free_set_reserve(&grid->free_set, blocks, &reservation));
    struct block_supply supply = {
        .addresses = calloc(blocks, sizeof(uint64_t)), .capacity = (uint32_t)blocks};
    assert(supply.addresses != NULL);
    block_supply_fill(&supply, &grid->free_set, &reservation);
    table_builder_init(&builder, &fixture->format, grid, &supply, fixture->hashes);
    table_builder_begin(&builder, 5);
    for (uint32_t index = 0; index < count;) {
        uint32_t room;
        uint8_t *space = table_builder_space(&builder, &room);
        EXPECT(room > 0);
        const uint32_t piece = (uint32_t)min_u64(random_range(random, 0, room), count - index);
        const uint32_t size = fixture->format.shape.record_size;
        bytes_copy(space, records + (uint64_t)index * size, (uint64_t)piece * size);
        table_builder_advance(&builder, piece);
        index += piece;
    }
    table_builder_finish(&builder, &info);
    EXPECT(block_supply_settle(&supply, grid, &reservation) == TACTUS_OK);
    EXPECT(grid_writes_finish(grid) == TACTUS_OK);
    free(supply.addresses);
    return info;
}

struct key table_fixture_key(
    const struct record_shape *shape, uint64_t index, uint64_t gap, uint64_t above
)
{
    const uint64_t number = 1000 + index * (gap + 1) + above;
    if (shape->key_bits == KEY_64) return key_from_u64(number);
    if (shape->key_bits == KEY_128) return key_from_u128(number % 16, number / 16);
    return key_from_prefix128(number / 16 % 4, number / 64, number % 16);
}

void table_fixture_record(
    const struct record_shape *shape, uint8_t *record, uint64_t index, uint64_t gap
)
{
    const struct key key = table_fixture_key(shape, index, gap, 0);
    for (uint32_t offset = 0; offset < shape->record_size; offset += 8) {
        store_u64(record + offset, shape->record_size > 24 ? index * 31 + offset : 0);
    }
    if (shape->key_has_timestamp) {
        store_u64(record + shape->flag_offset, key.word[2]);
        if (shape->key_bits >= KEY_128) store_u64(record, key.word[1]);
        if (shape->key_bits == KEY_192) store_u64(record + 8, key.word[0]);
    } else {
        key_store(record, (enum key_bits)shape->key_bits, key);
        store_u64(record + shape->flag_offset, index + 1);
    }
    if (index % 3 == 2) record_make_tombstone(shape, record);
    EXPECT(key_equal(record_key(shape, record), key));
}

enum progress table_fixture_lookup(
    struct table_fixture *fixture,
    const struct table_info *info,
    struct key key,
    uint8_t *record,
    bool *found
)
{
    struct table_lookup lookup;
    table_lookup_start(&lookup, &fixture->format, &fixture->storage.grid, info, key);
    enum progress progress = table_lookup_advance(&lookup);
    while (progress == PROGRESS_WAIT) { /* at most four reads */
        grid_wait(&fixture->storage.grid);
        progress = table_lookup_advance(&lookup);
    }
    *found = progress == PROGRESS_DONE && lookup.record != NULL;
    if (*found) bytes_copy(record, lookup.record, fixture->format.shape.record_size);
    if (progress == PROGRESS_FAILED) EXPECT(lookup.status != TACTUS_OK);
    table_lookup_end(&lookup);
    return progress;
}

enum progress table_fixture_advance(struct table_fixture *fixture, struct table_cursor *cursor)
{
    enum progress progress = table_cursor_advance(cursor);
    while (progress == PROGRESS_WAIT) { /* at most four reads */
        grid_wait(&fixture->storage.grid);
        progress = table_cursor_advance(cursor);
    }
    if (progress == PROGRESS_FAILED) EXPECT(cursor->status != TACTUS_OK);
    return progress;
}
