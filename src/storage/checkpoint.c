#include "storage/checkpoint.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"

#include <stddef.h>

#include "base/poison.h"

static_assert((uint32_t)KEEP_MAX == FREE_SET_KEEP_MAX, "a file's keep fits the free set");

/* Trailer blocks of a capture with so many bytes of state, if `highest` is the highest address that
 * is acquired before it. The state's own blocks may lie above that, and then lengthen the sets. */
static uint64_t blocks_needed(
    const struct checkpoint *checkpoint, uint64_t state_size, uint64_t highest
)
{
    const struct layout *layout = checkpoint->options.grid->options.layout;
    const uint64_t state = trailer_block_count(state_size, layout->block_size);
    const uint64_t positions = min_u64(highest + state, layout->block_count_max);
    const uint64_t size = free_set_encoded_size_max(positions);
    const uint64_t keep = checkpoint->options.grid->options.keep;
    return state + trailer_block_count(size, layout->block_size) +
           trailer_block_count(keep * size, layout->block_size);
}

void checkpoint_init(
    struct checkpoint *checkpoint, struct budget *budget, const struct checkpoint_options *options
)
{
    *checkpoint = (struct checkpoint){.options = *options};
    const uint64_t block_count_max = options->grid->options.layout->block_count_max;
    const uint64_t set_size = free_set_encoded_size_max(block_count_max);
    /* Of each block, and of its copy; while a file is made also of the schema's. */
    const uint64_t schema =
        trailer_block_count(CHECKPOINT_SCHEMA_SIZE_MAX, options->grid->options.layout->block_size);
    checkpoint->addresses_max =
        2 * blocks_needed(checkpoint, CHECKPOINT_STATE_SIZE_MAX, block_count_max) + schema;
    budget_group(budget, "free set");
    checkpoint->state = budget_take(budget, CHECKPOINT_STATE_SIZE_MAX, 1, sizeof(uint64_t));
    checkpoint->acquired = budget_take(budget, set_size, 1, sizeof(uint64_t));
    checkpoint->released =
        budget_take(budget, options->grid->options.keep * set_size, 1, sizeof(uint64_t));
    checkpoint->addresses =
        budget_take(budget, checkpoint->addresses_max, sizeof(uint64_t), sizeof(uint64_t));
    superblock_writer_init(&checkpoint->writer, budget, options->grid->options.reactor);
}

void checkpoint_close(struct checkpoint *checkpoint)
{
    superblock_writer_stop(&checkpoint->writer);
    checkpoint->stage = CHECKPOINT_IDLE;
}

/* ---- Capture -------------------------------------------------------------------------------- */

/* Sees to it that the file has room for so many blocks more, or changes nothing. */
static enum tactus_status make_room(struct grid *grid, uint64_t block_count)
{
    if (block_count == 0) return TACTUS_OK;
    const uint64_t highest = free_set_nth_free(&grid->free_set, block_count);
    /* 0: size_max has not as many; grid_grow() has the words for that. */
    return grid_grow(grid, highest == 0 ? grid->options.layout->block_count_max + 1 : highest);
}

/* Acquires blocks for a trailer and appends their addresses to the checkpoint's own. */
static struct trailer_source acquire_own(
    struct checkpoint *checkpoint, enum block_type type, const uint8_t *bytes, uint64_t size
)
{
    struct grid *grid = checkpoint->options.grid;
    uint64_t *addresses = checkpoint->addresses + checkpoint->address_count;
    const uint64_t count = trailer_block_count(size, grid->options.layout->block_size);
    assert(checkpoint->address_count + count <= checkpoint->addresses_max);
    checkpoint->address_count += trailer_acquire(grid, size, addresses);
    return (struct trailer_source
    ){.type = type, .bytes = bytes, .size = size, .addresses = addresses};
}

/* The first part: what the floors above say, and their state as the first of its own trailers.
 * There is room. */
static void capture_state(struct checkpoint *checkpoint, const struct checkpoint_capture *capture)
{
    struct grid *grid = checkpoint->options.grid;
    checkpoint->captured_ns = reactor_now_ns(grid->options.reactor);
    checkpoint->address_count = 0;
    checkpoint->op_cause = capture->op_cause;
    checkpoint->next = (struct checkpoint_state){
        .op_covered = capture->op_covered,
        .op_captured = capture->op_captured,
        .beat_capture = capture->beat_capture,
        .journal_offset = capture->journal_offset,
        .journal_predecessor = capture->journal_predecessor,
        .manifest_oldest = capture->manifest_oldest,
        .manifest_newest = capture->manifest_newest,
        .manifest_block_count = capture->manifest_block_count,
    };
    bytes_copy(checkpoint->state, capture->state, capture->state_size);
    const struct trailer_source source =
        acquire_own(checkpoint, BLOCK_STATE, checkpoint->state, capture->state_size);
    trailer_write_begin(&checkpoint->trailers[0], grid, &source);
}

/* The last part: the free set as it is now. Its own blocks come after the encoding, so they are
 * free in it; then all of the checkpoint's own blocks are released into the side set, as an open
 * will do. */
static void capture_free_set(struct checkpoint *checkpoint)
{
    struct grid *grid = checkpoint->options.grid;
    struct free_set *set = &grid->free_set;
    const uint64_t acquired_size = free_set_acquired_size(set);
    const uint64_t released_size = free_set_released_size(set);
    free_set_encode(set, checkpoint->acquired, checkpoint->released);
    const struct trailer_source acquired =
        acquire_own(checkpoint, BLOCK_FREE_SET, checkpoint->acquired, acquired_size);
    const struct trailer_source released =
        acquire_own(checkpoint, BLOCK_FREE_SET, checkpoint->released, released_size);
    trailer_write_begin(&checkpoint->trailers[1], grid, &acquired);
    trailer_write_begin(&checkpoint->trailers[2], grid, &released);
    checkpoint->next.block_count = free_set_highest_acquired(set);

    const struct grid *view = checkpoint->options.view;
    checkpoint->view_mark = view == NULL ? 0 : grid_write_mark(view);
    free_set_capture(set);
    for (uint64_t index = 0; index < checkpoint->address_count; index += 1) {
        const enum tactus_status status = grid_release(grid, checkpoint->addresses[index]);
        assert(status == TACTUS_OK);
    }
    checkpoint->journal_asked = false;
    checkpoint->stage = CHECKPOINT_TRAILERS;
}

enum tactus_status checkpoint_capture_start(
    struct checkpoint *checkpoint, const struct checkpoint_capture *capture
)
{
    struct grid *grid = checkpoint->options.grid;
    assert(!grid->options.read_only);
    assert(checkpoint->stage == CHECKPOINT_IDLE);
    assert(!grid->free_set.effect_pending);
    assert(grid->free_set.reservations_open == 0);
    assert(capture->state_size <= CHECKPOINT_STATE_SIZE_MAX);
    assert(capture->op_covered <= capture->op_captured);

    TRY(grid_status(grid));
    const uint64_t highest = free_set_highest_acquired(&grid->free_set);
    TRY(make_room(grid, blocks_needed(checkpoint, capture->state_size, highest)));
    capture_state(checkpoint, capture);
    capture_free_set(checkpoint);
    return TACTUS_OK;
}

bool checkpoint_is_under_way(const struct checkpoint *checkpoint)
{
    return checkpoint->stage != CHECKPOINT_IDLE;
}

/* ---- Making it durable, step by step -------------------------------------------------------- */

/* Starts as many writes as there are slots for. DONE: all of them. */
static enum progress trailers_advance(struct checkpoint *checkpoint)
{
    struct grid *grid = checkpoint->options.grid;
    for (uint32_t index = 0; index < CHECKPOINT_TRAILERS_OWN; index += 1) {
        struct trailer_writer *trailer = &checkpoint->trailers[index];
        while (!trailer_write_is_over(trailer)) { /* ends: each turn writes a block */
            if (!grid_can_write(grid)) return PROGRESS_WAIT;
            trailer_write_next(trailer, grid);
        }
    }
    checkpoint->next.state = checkpoint->trailers[0].reference;
    checkpoint->next.acquired = checkpoint->trailers[1].reference;
    checkpoint->next.released = checkpoint->trailers[2].reference;
    checkpoint->grid_mark = grid_write_mark(grid);
    return PROGRESS_DONE;
}

/* Whether all that the checkpoint refers to has reached the device: every write of a beat up to the
 * capture, and the trailers. */
static bool grid_is_written(const struct checkpoint *checkpoint)
{
    const struct grid *view = checkpoint->options.view;
    if (view != NULL && !grid_written_through(view, checkpoint->view_mark)) return false;
    return grid_written_through(checkpoint->options.grid, checkpoint->grid_mark);
}

/* DONE: the entry that caused the capture is durable, and so is every one before it (S4). At replay
 * they are: recovery read them after a flush. It is asked for once; then it is the disk's turn. */
static enum progress journal_advance(struct checkpoint *checkpoint)
{
    struct journal *journal = checkpoint->options.journal;
    if (journal == NULL || journal->stage == JOURNAL_RECOVERED) return PROGRESS_DONE;
    if (journal_op_durable(journal) >= checkpoint->op_cause) return PROGRESS_DONE;
    if (journal_op_last(journal) < checkpoint->op_cause) return PROGRESS_WAIT;
    if (checkpoint->journal_asked) {
        journal_poll(journal);
    } else {
        journal_flush_start(journal);
        checkpoint->journal_asked = true;
    }
    if (journal_op_durable(journal) >= checkpoint->op_cause) return PROGRESS_DONE;
    if (!journal_is_poisoned(journal)) return PROGRESS_WAIT;
    const enum tactus_status status = journal_poisoned(journal);
    maybe(status == TACTUS_POISONED); /* the fault has the cause */
    return PROGRESS_FAILED;
}

static void superblock_begin(struct checkpoint *checkpoint)
{
    struct superblock next = *checkpoint->options.superblock;
    next.checkpoint = checkpoint->next;
    next.file_block_count = checkpoint->options.grid->block_count;
    superblock_write_start(&checkpoint->writer, &next);
}

/* It flushes the file before its first copy, which makes the grid durable. */
static enum progress superblock_advance(struct checkpoint *checkpoint)
{
    struct fault fault = {0};
    const enum progress progress = superblock_write_advance(&checkpoint->writer, &fault);
    if (progress == PROGRESS_DONE) *checkpoint->options.superblock = checkpoint->writer.superblock;
    if (progress == PROGRESS_FAILED) (void)grid_poison(checkpoint->options.grid, fault);
    return progress;
}

static void count_durable(struct checkpoint *checkpoint)
{
    const struct checkpoint_state *state = &checkpoint->next;
    struct checkpoint_statistics *statistics = &checkpoint->statistics;
    const uint64_t now = reactor_now_ns(checkpoint->options.grid->options.reactor);
    statistics->count += 1;
    statistics->ns_last = now - checkpoint->captured_ns;
    statistics->ns_max = max_u64(statistics->ns_max, statistics->ns_last);
    statistics->ns_total += statistics->ns_last;
    statistics->blocks_last = checkpoint->address_count;
    statistics->blocks_total += statistics->blocks_last;
    statistics->bytes_last = state->state.size + state->acquired.size + state->released.size;
    statistics->bytes_total += statistics->bytes_last;
}

/* One step, and whether the next may be tried at once. */
static enum progress stage_advance(struct checkpoint *checkpoint)
{
    switch ((enum checkpoint_stage)checkpoint->stage) {
    case CHECKPOINT_TRAILERS: return trailers_advance(checkpoint);
    case CHECKPOINT_GRID: return grid_is_written(checkpoint) ? PROGRESS_DONE : PROGRESS_WAIT;
    case CHECKPOINT_JOURNAL: return journal_advance(checkpoint);
    case CHECKPOINT_SUPERBLOCK: return superblock_advance(checkpoint);
    case CHECKPOINT_IDLE:
    case CHECKPOINT_FAILED: break;
    }
    assert(false);
    return PROGRESS_FAILED;
}

enum progress checkpoint_advance(struct checkpoint *checkpoint)
{
    struct grid *grid = checkpoint->options.grid;
    assert(checkpoint_is_under_way(checkpoint));
    if (checkpoint->stage == CHECKPOINT_FAILED) return PROGRESS_FAILED;

    grid_poll(grid);
    enum progress progress = PROGRESS_DONE;
    while (progress == PROGRESS_DONE) { /* ends: each turn is another stage */
        progress = grid_status(grid) == TACTUS_OK ? stage_advance(checkpoint) : PROGRESS_FAILED;
        if (progress != PROGRESS_DONE) break;
        if (checkpoint->stage == CHECKPOINT_SUPERBLOCK) {
            checkpoint->stage = CHECKPOINT_IDLE;
            count_durable(checkpoint);
            return PROGRESS_DONE;
        }
        checkpoint->stage += 1;
        if (checkpoint->stage == CHECKPOINT_SUPERBLOCK) {
            superblock_begin(checkpoint);
            progress = PROGRESS_WAIT;
        }
    }
    if (progress == PROGRESS_FAILED) checkpoint->stage = CHECKPOINT_FAILED;
    return progress;
}

enum tactus_status checkpoint_failure(const struct checkpoint *checkpoint)
{
    assert(checkpoint->stage == CHECKPOINT_FAILED);
    struct grid *grid = checkpoint->options.grid;
    if (grid->status != TACTUS_OK) return grid_status(grid);
    assert(grid->options.fault->status != TACTUS_OK); /* the journal's, which shares it */
    return grid->options.fault->status;
}

/* Until something has happened that advance may be waiting for. */
static void wait_for_some(struct checkpoint *checkpoint)
{
    struct grid *grid = checkpoint->options.grid;
    struct grid *view = checkpoint->options.view;
    if (checkpoint->stage == CHECKPOINT_SUPERBLOCK) {
        reactor_finish(grid->options.reactor, &checkpoint->writer.request);
    } else if (checkpoint->stage == CHECKPOINT_JOURNAL) {
        const enum tactus_status status =
            journal_wait(checkpoint->options.journal, checkpoint->op_cause);
        maybe(status != TACTUS_OK); /* advance says so */
    } else if (view != NULL && !grid_written_through(view, checkpoint->view_mark)) {
        grid_wait(view);
    } else {
        grid_wait(grid);
    }
}

enum tactus_status checkpoint_wait(struct checkpoint *checkpoint)
{
    if (!checkpoint_is_under_way(checkpoint)) return TACTUS_OK;
    const struct journal *journal = checkpoint->options.journal;
    if (journal != NULL) assert(journal_op_last(journal) >= checkpoint->op_cause);
    checkpoint->statistics.waited += 1;
    enum progress progress = checkpoint_advance(checkpoint);
    while (progress == PROGRESS_WAIT) { /* ends with the I/O: nothing else is waited for */
        wait_for_some(checkpoint);
        progress = checkpoint_advance(checkpoint);
    }
    return progress == PROGRESS_DONE ? TACTUS_OK : checkpoint_failure(checkpoint);
}

enum tactus_status checkpoint_capture(
    struct checkpoint *checkpoint, const struct checkpoint_capture *capture
)
{
    TRY(checkpoint_capture_start(checkpoint, capture));
    return checkpoint_wait(checkpoint);
}

void checkpoint_effect(struct checkpoint *checkpoint)
{
    assert(checkpoint->stage == CHECKPOINT_IDLE);
    free_set_effect(&checkpoint->options.grid->free_set);
}

enum tactus_status checkpoint_format(
    struct checkpoint *checkpoint,
    const struct checkpoint_capture *capture,
    const void *schema,
    uint64_t schema_size
)
{
    struct grid *grid = checkpoint->options.grid;
    struct superblock *superblock = checkpoint->options.superblock;
    assert(superblock->sequence == 0);
    assert(capture->state_size <= CHECKPOINT_STATE_SIZE_MAX);
    assert(schema_size <= CHECKPOINT_SCHEMA_SIZE_MAX);

    TRY(grid_open(grid, 0));
    free_set_open_empty(&grid->free_set);
    const uint64_t schema_blocks =
        trailer_block_count(schema_size, grid->options.layout->block_size);
    TRY(make_room(
        grid, schema_blocks + blocks_needed(checkpoint, capture->state_size, schema_blocks)
    ));
    capture_state(checkpoint, capture);

    /* After the state, and not one of the checkpoint's own: nothing releases it. So its addresses
     * are forgotten once they are written; here they borrow the place of those to come. */
    const uint64_t own_count = checkpoint->address_count;
    assert(schema_blocks <= checkpoint->addresses_max - own_count);
    const struct trailer_source source = acquire_own(checkpoint, BLOCK_SCHEMA, schema, schema_size);
    superblock->schema = trailer_write(grid, &source);
    checkpoint->address_count = own_count;

    capture_free_set(checkpoint);
    return checkpoint_wait(checkpoint);
}

/* ---- Open ----------------------------------------------------------------------------------- */

static enum tactus_status open_fault(const struct grid *grid, const char *what, uint64_t address)
{
    return fault_set(
        grid->options.fault,
        (struct fault){
            .status = TACTUS_CORRUPT,
            .zone = FAULT_ZONE_GRID,
            .what = what,
            .remedy = "the checkpoint cannot be opened: restore a copy of the file",
            .address = address,
            .block_type = BLOCK_FREE_SET,
        }
    );
}

/* Reads one of the checkpoint's own trailers, and appends its addresses. */
static enum tactus_status open_own(
    struct checkpoint *checkpoint,
    enum block_type type,
    const struct trailer_reference *reference,
    struct trailer_target *target
)
{
    const struct trailer_reader reader = {.grid = checkpoint->options.grid};
    target->addresses = checkpoint->addresses + checkpoint->address_count;
    target->address_count_max = checkpoint->addresses_max - checkpoint->address_count;
    TRY(trailer_open(&reader, type, reference, target));
    checkpoint->address_count += target->address_count;
    return TACTUS_OK;
}

static enum tactus_status open_free_set(
    struct checkpoint *checkpoint, const struct free_set_words *words, uint64_t state_count
)
{
    struct grid *grid = checkpoint->options.grid;
    const uint64_t block_count = checkpoint->options.superblock->checkpoint.block_count;
    const char *what = free_set_fault(&grid->free_set, words, block_count);
    if (what != NULL) return open_fault(grid, what, 0);
    free_set_open(&grid->free_set, words);

    for (uint64_t index = 0; index < checkpoint->address_count; index += 1) {
        const uint64_t address = checkpoint->addresses[index];
        const bool is_of_state = index < state_count;
        if (free_set_open_own(&grid->free_set, address, !is_of_state)) continue;
        return open_fault(grid, "the free set has a trailer's block for something else", address);
    }
    if (free_set_highest_acquired(&grid->free_set) != block_count) {
        return open_fault(grid, "the free set is of another length than the superblock says", 0);
    }
    return TACTUS_OK;
}

/* The schema's blocks must be in use, or they would be written over. */
static enum tactus_status open_schema_visit(void *context, const struct trailer_block *block)
{
    const struct grid *grid = context;
    const uint64_t addresses[] = {block->reference.address, block->reference.copy_address};
    for (uint32_t index = 0; index < COUNT_OF(addresses); index += 1) {
        const uint64_t address = addresses[index];
        const bool is_in_use = !free_set_is_free(&grid->free_set, address) &&
                               !free_set_is_released(&grid->free_set, address);
        if (!is_in_use) return open_fault(grid, "a block of the schema is free", address);
    }
    return TACTUS_OK;
}

enum tactus_status checkpoint_open(
    struct checkpoint *checkpoint, uint8_t *state, uint64_t *state_size
)
{
    struct grid *grid = checkpoint->options.grid;
    const struct superblock *superblock = checkpoint->options.superblock;
    const struct checkpoint_state *current = &superblock->checkpoint;
    const uint64_t set_size = free_set_encoded_size_max(grid->options.layout->block_count_max);
    assert(!grid->free_set.opened);
    TRY(grid_open(grid, current->block_count));

    checkpoint->address_count = 0;
    struct trailer_target target = {.bytes = state, .size_max = CHECKPOINT_STATE_SIZE_MAX};
    TRY(open_own(checkpoint, BLOCK_STATE, &current->state, &target));
    *state_size = target.size;
    const uint64_t state_count = checkpoint->address_count;

    struct trailer_target acquired = {.bytes = checkpoint->acquired, .size_max = set_size};
    TRY(open_own(checkpoint, BLOCK_FREE_SET, &current->acquired, &acquired));
    struct trailer_target released = {
        .bytes = checkpoint->released, .size_max = grid->options.keep * set_size};
    TRY(open_own(checkpoint, BLOCK_FREE_SET, &current->released, &released));
    if (acquired.size % sizeof(uint64_t) != 0 || released.size % sizeof(uint64_t) != 0) {
        return open_fault(grid, "the free set is not in whole words", 0);
    }
    const struct free_set_words words = {
        .acquired = checkpoint->acquired,
        .acquired_count = acquired.size / sizeof(uint64_t),
        .released = checkpoint->released,
        .released_count = released.size / sizeof(uint64_t),
    };
    TRY(open_free_set(checkpoint, &words, state_count));

    const struct trailer_reader reader = {.grid = grid};
    return trailer_walk(&reader, BLOCK_SCHEMA, &superblock->schema, open_schema_visit, grid);
}
