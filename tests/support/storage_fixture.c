#include "support/storage_fixture.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "base/random.h"

#include <stdlib.h>

#include "base/poison.h"

static const struct checksum fixture_file_id = {.low = 0x1234, .high = 0x5678};

static uint32_t block_size_of(const struct storage_fixture_options *options)
{
    return options->block_size == 0 ? 4096 : options->block_size;
}

static uint64_t size_max_of(const struct storage_fixture_options *options)
{
    const uint64_t count = options->block_count_max == 0 ? 8192 : options->block_count_max;
    return count * block_size_of(options);
}

struct simulated_disk *storage_fixture_disk(
    uint64_t seed, const struct storage_fixture_options *options
)
{
    struct layout layout;
    layout_init(&layout, block_size_of(options), STORAGE_FIXTURE_JOURNAL, size_max_of(options));
    const struct simulated_disk_options disk = {
        .seed = seed,
        .size = layout.grid_offset,
        .at_submission = seed % 4 == 2,
        .in_order = seed % 4 == 3,
    };
    return simulated_disk_new(&disk);
}

static void init_all(
    struct storage_fixture *fixture,
    struct budget *budget,
    const struct storage_fixture_options *options
)
{
    struct grid_view_options view = options->view;
    view.reactor = fixture->disk != NULL ? &fixture->reactor : &fixture->view_reactor;
    view.fault = &fixture->view_fault;
    const struct grid_options grid = {
        .reactor = &fixture->reactor,
        .layout = &fixture->layout,
        .file_id = fixture_file_id,
        .keep = options->keep == 0 ? 1 : options->keep,
        .cache_frames = options->cache_frames == 0 ? 8 : options->cache_frames,
        .pinned_frames_max = options->pinned_frames_max == 0 ? 8 : options->pinned_frames_max,
        .view_frames_max = view.reads_max == 0 ? 0 : grid_view_frames(&view),
        .read_only = options->read_only,
        .fault = &fixture->fault,
    };
    const struct checkpoint_options checkpoint = {
        .grid = &fixture->grid,
        .superblock = &fixture->superblock,
        .view = view.reads_max == 0 ? NULL : &fixture->view,
    };
    grid_init(&fixture->grid, budget, &grid);
    if (view.reads_max != 0) grid_init_sharing(&fixture->view, budget, &fixture->grid, &view);
    checkpoint_init(&fixture->checkpoint, budget, &checkpoint);
}

/* Everything but what is under the reactors. */
static void begin_parts(
    struct storage_fixture *fixture, const struct storage_fixture_options *options
)
{
    layout_init(
        &fixture->layout, block_size_of(options), STORAGE_FIXTURE_JOURNAL, size_max_of(options)
    );
    fixture->superblock.epoch = 1;
    fixture->superblock.epoch_first_op = 1;
    fixture->superblock.options = (struct file_options){
        .version = SUPERBLOCK_VERSION,
        .block_size = block_size_of(options),
        .file_id = fixture_file_id,
        .batch_max = 16,
        .bar_beats = 4,
        .growth_factor = 4,
        .tables_max = 1024,
        .journal_bytes = STORAGE_FIXTURE_JOURNAL,
        .size_max = size_max_of(options),
        .keep = options->keep == 0 ? 1 : options->keep,
        .snapshots_max = 4,
        .runs_max = {1, 1, 1, 1, 1, 1, 1},
    };
    struct budget budget;
    budget_measure_begin(&budget);
    init_all(fixture, &budget, options);
    const uint64_t size = round_up_u64(budget_used(&budget), BUDGET_ALIGNMENT);
    fixture->region = aligned_alloc(BUDGET_ALIGNMENT, size);
    assert(fixture->region != NULL);
    bytes_zero(fixture->region, size);
    budget_carve_begin(&budget, fixture->region, size);
    init_all(fixture, &budget, options);
    assert(budget_used(&budget) <= size);
}

void storage_fixture_begin(
    struct storage_fixture *fixture,
    struct simulated_disk *disk,
    const struct storage_fixture_options *options
)
{
    *fixture = (struct storage_fixture){.disk = disk};
    if (options->read_only) simulated_disk_open_read_only(&fixture->reactor, disk);
    if (!options->read_only) simulated_disk_open(&fixture->reactor, disk);
    begin_parts(fixture, options);
}

void storage_fixture_begin_file(
    struct storage_fixture *fixture,
    const char *path,
    enum io_path io,
    const struct storage_fixture_options *options
)
{
    *fixture = (struct storage_fixture){0};
    const struct file_open_options file = {
        .path = path, .create = true, .overwrite = true, .io = io};
    enum tactus_status status = file_open(&fixture->reactor, &file, &fixture->fault);
    assert(status == TACTUS_OK);
    status = file_open_sharing(&fixture->view_reactor, &fixture->reactor, &fixture->fault);
    assert(status == TACTUS_OK);
    begin_parts(fixture, options);
}

enum tactus_status storage_fixture_open(
    struct storage_fixture *fixture, uint8_t *state, uint64_t *state_size
)
{
    TRY(superblock_read(&fixture->reactor, &fixture->superblock, NULL, &fixture->fault));
    return checkpoint_open(&fixture->checkpoint, state, state_size);
}

void storage_fixture_end(struct storage_fixture *fixture)
{
    checkpoint_close(&fixture->checkpoint);
    grid_close(&fixture->view);
    grid_close(&fixture->grid);
    if (fixture->disk == NULL) file_close(&fixture->view_reactor);
    file_close(&fixture->reactor);
    free(fixture->region);
    fixture->region = NULL;
}

void storage_fixture_grid(struct storage_fixture *fixture, uint64_t block_count)
{
    struct grid *grid = &fixture->grid;
    enum tactus_status status = grid_open(grid, 0);
    assert(status == TACTUS_OK);
    free_set_open_empty(&grid->free_set);
    status = grid_grow(grid, block_count);
    assert(status == TACTUS_OK);
    struct free_set_reservation reservation;
    const bool is_reserved = free_set_reserve(&grid->free_set, block_count, &reservation);
    assert(is_reserved);
    for (uint64_t index = 0; index < block_count; index += 1) {
        (void)free_set_acquire(&grid->free_set, &reservation);
    }
    free_set_forfeit(&grid->free_set, &reservation);
}

struct block_reference storage_fixture_write_through(
    struct grid *grid, uint64_t address, uint64_t seed, uint32_t size
)
{
    struct block_frame *frame = grid_frame_take(grid);
    struct block_header *header = block_header_of(frame->data);
    header->type = BLOCK_VALUE;
    header->tree = 7;
    header->snapshot = seed;
    header->size = BLOCK_HEADER_SIZE + size;
    struct random random;
    random_init(&random, seed);
    random_fill(&random, frame->data + BLOCK_HEADER_SIZE, size);
    const struct block_reference reference = grid_write_start(grid, frame, address);
    grid_unref(grid, frame);
    return reference;
}

struct block_reference storage_fixture_write(
    struct storage_fixture *fixture, uint64_t address, uint64_t seed, uint32_t size
)
{
    return storage_fixture_write_through(&fixture->grid, address, seed, size);
}

bool storage_fixture_body_is(const uint8_t *block, uint64_t seed, uint32_t size)
{
    if (block_header_read(block)->size != BLOCK_HEADER_SIZE + size) return false;
    uint8_t *wanted = malloc(size + 1);
    assert(wanted != NULL);
    struct random random;
    random_init(&random, seed);
    random_fill(&random, wanted, size);
    const bool is_equal = bytes_equal(wanted, block + BLOCK_HEADER_SIZE, size);
    free(wanted);
    return is_equal;
}

bool storage_fixture_read_through(
    struct grid *grid, struct block_reference reference, uint64_t seed, uint32_t size
)
{
    struct grid_read read;
    grid_read_start(grid, &read, reference, BLOCK_VALUE, 7);
    if (grid_read_finish(grid, &read) != TACTUS_OK) return false;
    const bool is_right = storage_fixture_body_is(read.frame->data, seed, size);
    grid_unref(grid, read.frame);
    return is_right;
}

bool storage_fixture_read(
    struct storage_fixture *fixture, struct block_reference reference, uint64_t seed, uint32_t size
)
{
    return storage_fixture_read_through(&fixture->grid, reference, seed, size);
}

void storage_fixture_empty_cache(struct grid *grid)
{
    const struct block_cache *cache = &grid->owner->cache;
    /* Five turns of the clock's hand: each takes a chance from a frame, and none has more. */
    for (uint32_t turn = 0; turn < cache->frame_count * 5; turn += 1) {
        grid_unref(grid, grid_frame_take(grid));
    }
    for (uint32_t index = 0; index < cache->frame_count; index += 1) {
        const struct block_frame *frame = &cache->frames[index];
        assert(frame->references > 0 || !frame->is_findable);
    }
}

/* ---- Trailers -------------------------------------------------------------------------------- */

/* Who wants to hear of addresses. */
struct address_visitor {
    void (*visit)(void *context, uint64_t address, enum block_type type);
    void *context;
};

static enum tactus_status walk_visit(void *context, const struct trailer_block *block)
{
    const struct address_visitor *visitor = context;
    const struct block_reference *reference = &block->reference;
    visitor->visit(visitor->context, reference->address, block->type);
    if (reference->copy_address == 0) return TACTUS_OK;
    visitor->visit(visitor->context, reference->copy_address, block->type);
    return TACTUS_OK;
}

enum tactus_status storage_fixture_trailers(
    struct storage_fixture *fixture,
    void (*visit)(void *context, uint64_t address, enum block_type type),
    void *context
)
{
    const struct trailer_reader reader = {.grid = &fixture->grid};
    const struct checkpoint_state *current = &fixture->superblock.checkpoint;
    struct address_visitor visitor = {.visit = visit, .context = context};
    TRY(trailer_walk(&reader, BLOCK_SCHEMA, &fixture->superblock.schema, walk_visit, &visitor));
    TRY(trailer_walk(&reader, BLOCK_STATE, &current->state, walk_visit, &visitor));
    TRY(trailer_walk(&reader, BLOCK_FREE_SET, &current->acquired, walk_visit, &visitor));
    return trailer_walk(&reader, BLOCK_FREE_SET, &current->released, walk_visit, &visitor);
}
