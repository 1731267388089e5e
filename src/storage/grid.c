#include "storage/grid.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "io/file.h"

#include <stdatomic.h>
#include <stddef.h>

#include "base/poison.h"

/* A read is tried so often: a block that is wrong may have been read from the wrong place, and a
 * device that does so once seldom does it twice. */
enum { ATTEMPT_FIRST, ATTEMPT_AGAIN, ATTEMPT_COPY };

static void queue_push_read(struct grid_read_queue *queue, struct grid_read *read)
{
    assert(read->next == NULL);
    if (queue->last == NULL) {
        assert(queue->first == NULL);
        queue->first = read;
    } else {
        queue->last->next = read;
    }
    queue->last = read;
}

static struct grid_read *queue_pop_read(struct grid_read_queue *queue)
{
    struct grid_read *read = queue->first;
    if (read == NULL) return NULL;
    queue->first = read->next;
    if (queue->first == NULL) queue->last = NULL;
    read->next = NULL;
    return read;
}

/* True: it was in this queue, and is out of it. */
static bool queue_remove_read(struct grid_read_queue *queue, struct grid_read *read)
{
    struct grid_read *before = NULL;
    struct grid_read *walk = queue->first;
    while (walk != NULL && walk != read) { /* ends: a queue has no cycle */
        before = walk;
        walk = walk->next;
    }
    if (walk == NULL) return false;
    if (before == NULL) queue->first = read->next;
    if (before != NULL) before->next = read->next;
    if (queue->last == read) queue->last = before;
    read->next = NULL;
    return true;
}

/* ---- Opening -------------------------------------------------------------------------------- */

static bool is_owner(const struct grid *grid)
{
    return grid->owner == grid;
}

static struct block_cache *cache_of(const struct grid *grid)
{
    return &grid->owner->cache;
}

static bool is_poisoned(const struct grid *grid)
{
    return grid->owner->status != TACTUS_OK;
}

static void slots_init(
    struct grid *grid, struct budget *budget, uint32_t reads_max, uint32_t writes_max
)
{
    grid->reads_max = reads_max;
    grid->writes_max = writes_max;
    grid->reads =
        budget_take(budget, reads_max, sizeof *grid->reads, _Alignof(struct grid_read_slot));
    grid->writes =
        budget_take(budget, writes_max, sizeof *grid->writes, _Alignof(struct grid_write_slot));
}

void grid_init(struct grid *grid, struct budget *budget, const struct grid_options *options)
{
    assert(options->layout != NULL);
    assert(options->cache_frames > 0);
    assert(options->cache_frames < UINT32_MAX / 16);
    assert(options->pinned_frames_max < UINT32_MAX / 16);
    assert(options->view_frames_max < UINT32_MAX / 16);

    *grid = (struct grid){.options = *options, .owner = grid};
    /* What is in flight holds frames of its own, so that no caller can be in its way. */
    const uint32_t frame_count = options->cache_frames + options->pinned_frames_max +
                                 GRID_READS_MAX + GRID_WRITES_MAX + options->view_frames_max;
    budget_group(budget, "free set");
    free_set_init(&grid->free_set, budget, options->layout->block_count_max, options->keep);
    budget_group(budget, "cache");
    block_cache_init(&grid->cache, budget, frame_count, options->layout->block_size);
    slots_init(grid, budget, GRID_READS_MAX, GRID_WRITES_MAX);
    if (!budget_is_measuring(budget)) lock_init(&grid->status_lock);
}

uint32_t grid_view_frames(const struct grid_view_options *options)
{
    assert(options->pinned_frames_max < UINT32_MAX / 64);
    assert(options->reads_max > 0 && options->reads_max < UINT32_MAX / 64);
    assert(options->writes_max > 0 && options->writes_max < UINT32_MAX / 64);
    return options->pinned_frames_max + options->reads_max + options->writes_max;
}

void grid_init_sharing(
    struct grid *view,
    struct budget *budget,
    struct grid *owner,
    const struct grid_view_options *options
)
{
    assert(is_owner(owner));
    owner->view_frames += grid_view_frames(options);
    assert(owner->view_frames <= owner->options.view_frames_max);

    *view = (struct grid){.options = owner->options, .owner = owner};
    view->options.reactor = options->reactor;
    view->options.fault = options->fault;
    budget_group(budget, "cache");
    slots_init(view, budget, options->reads_max, options->writes_max);
    if (!budget_is_measuring(budget)) owner->view_count += 1;
}

/* Blocks that the file has room for, as long as it is now. */
static uint64_t blocks_in_file(const struct grid *grid)
{
    return layout_block_count(grid->options.layout, file_size(grid->options.reactor));
}

enum tactus_status grid_open(struct grid *grid, uint64_t block_count)
{
    assert(is_owner(grid));
    assert(grid->block_count == 0);
    const uint64_t found = blocks_in_file(grid);
    if (block_count > grid->options.layout->block_count_max || block_count > found) {
        return fault_set(
            grid->options.fault,
            (struct fault){
                .status = TACTUS_CORRUPT,
                .zone = FAULT_ZONE_FILE,
                .what = "the file is shorter than its superblock says",
                .remedy = "it was truncated: restore it from a copy",
                .byte = file_size(grid->options.reactor),
                .wanted_number = block_count,
                .found_number = found,
            }
        );
    }
    grid->block_count = found;
    return TACTUS_OK;
}

void grid_close(struct grid *grid)
{
    if (grid->reads == NULL) return; /* it was only measured, or not even that */
    grid->queued = (struct grid_read_queue){0};
    for (uint32_t index = 0; index < grid->reads_max; index += 1) {
        grid->reads[index].waiting = (struct grid_read_queue){0};
    }
    while (grid->reads_in_flight + grid->writes_in_flight > 0)
        grid_wait(grid); /* ends with the I/O */
    grid->reads = NULL;
    grid->writes = NULL;
    if (!is_owner(grid)) {
        assert(grid->owner->view_count > 0);
        grid->owner->view_count -= 1;
        return;
    }
    assert(grid->view_count == 0);
    block_cache_deinit(&grid->cache);
    lock_deinit(&grid->status_lock);
}

enum tactus_status grid_poison(struct grid *grid, struct fault fault)
{
    fault.status = TACTUS_POISONED;
    if (fault.remedy == NULL) {
        fault.remedy = "close the file and open it again: what was acknowledged is recovered";
    }
    struct grid *owner = grid->owner;
    lock_acquire(&owner->status_lock);
    if (owner->status == TACTUS_OK) owner->poison = fault;
    owner->status = TACTUS_POISONED;
    lock_release(&owner->status_lock);
    return fault_set(grid->options.fault, fault);
}

enum tactus_status grid_status(struct grid *grid)
{
    if (!is_poisoned(grid)) return TACTUS_OK;
    return fault_set(grid->options.fault, grid->owner->poison);
}

/* ---- Reads ---------------------------------------------------------------------------------- */

/* Ends a read without a block. */
static void read_failed(const struct grid *grid, struct grid_read *read, struct fault fault)
{
    fault.zone = FAULT_ZONE_GRID;
    fault.address = read->reference.address;
    fault.block_type = read->type;
    fault.tree = read->tree;
    if (fault.status == TACTUS_CORRUPT && is_poisoned(grid)) {
        /* It may be one that the failed write should have written. */
        fault.status = TACTUS_POISONED;
        fault.remedy = "close the file and open it again: what was acknowledged is recovered";
    }
    read->fault = fault;
    read->status = fault.status;
    read->stage = IO_DONE;
}

enum tactus_status grid_read_failed(struct grid *grid, const struct grid_read *read)
{
    assert(read->stage == IO_DONE);
    assert(read->status != TACTUS_OK);
    return fault_set(grid->options.fault, read->fault);
}

/* The fault of a wrong block, but for what read_failed() adds. */
static struct fault corrupt_fault(
    const struct grid *grid, const char *what, uint64_t address, struct block_reference reference
)
{
    struct fault fault = {
        .status = TACTUS_CORRUPT,
        .what = what,
        .remedy =
            "run `tactus verify` to learn what else is damaged, and restore a copy of the file",
        .wanted = reference.checksum,
    };
    if (address > 0 && address <= grid->options.layout->block_count_max) {
        fault.byte = layout_block_offset(grid->options.layout, address);
    }
    return fault;
}

/* Ends a read with a block whose identity is known to be right; a reference to it is given over. */
static void read_succeeded(struct grid *grid, struct grid_read *read, struct block_frame *frame)
{
    const char *what = NULL;
    if (frame->type != read->type) what = "a block is of another type than its reference says";
    if (what == NULL && frame->tree != read->tree) what = "a block belongs to another tree";
    if (what != NULL) {
        struct fault fault = corrupt_fault(grid, what, read->reference.address, read->reference);
        fault.wanted_number = frame->type != read->type ? read->type : read->tree;
        fault.found_number = frame->type != read->type ? frame->type : frame->tree;
        read_failed(grid, read, fault);
        grid_unref(grid, frame);
        return;
    }
    read->frame = frame;
    read->status = TACTUS_OK;
    read->stage = IO_DONE;
}

static void read_slot_submit(struct grid *grid, struct grid_read_slot *slot)
{
    const uint64_t address =
        slot->attempts == ATTEMPT_COPY ? slot->reference.copy_address : slot->reference.address;
    assert(address > 0);
    assert(address <= grid->owner->block_count);
    slot->request = (struct io_request){
        .kind = IO_READ,
        .size = grid->options.layout->block_size,
        .offset = layout_block_offset(grid->options.layout, address),
        .buffer = slot->frame->data,
    };
    grid->statistics.blocks_read += 1;
    reactor_submit(grid->options.reactor, &slot->request);
}

/* Answers the read from what is at hand, or puts it behind one that is in flight. */
static bool read_join(struct grid *grid, struct grid_read *read)
{
    const struct block_reference reference = read->reference;
    struct block_frame *frame = grid_cached(grid, reference);
    if (frame != NULL) {
        read_succeeded(grid, read, frame);
        grid->statistics.reads_cached += 1;
        return true;
    }
    for (uint32_t index = 0; index < grid->reads_max; index += 1) {
        struct grid_read_slot *slot = &grid->reads[index];
        if (slot->frame == NULL) continue;
        if (!block_reference_equal(slot->reference, reference)) continue;
        queue_push_read(&slot->waiting, read);
        grid->statistics.reads_merged += 1;
        return true;
    }
    return false;
}

/* Begins as many queued reads as there are slots for. */
static void reads_begin(struct grid *grid)
{
    for (uint32_t index = 0; index < grid->reads_max; index += 1) {
        struct grid_read_slot *slot = &grid->reads[index];
        if (slot->frame != NULL) continue;
        struct grid_read *read = queue_pop_read(&grid->queued);
        while (read != NULL && read_join(grid, read)
        ) { /* ends: each turn takes one from the queue */
            read = queue_pop_read(&grid->queued);
        }
        if (read == NULL) return;

        *slot = (struct grid_read_slot){.reference = read->reference};
        slot->frame = block_cache_take(cache_of(grid));
        queue_push_read(&slot->waiting, read);
        grid->reads_in_flight += 1;
        read_slot_submit(grid, slot);
    }
}

void grid_prefetch_head(const struct grid *grid, struct block_reference reference)
{
    block_cache_prefetch_head(cache_of(grid), reference.address);
}

void grid_prefetch_frame(const struct grid *grid, struct block_reference reference)
{
    block_cache_prefetch_frame(cache_of(grid), reference.address);
}

void grid_read_start(
    struct grid *grid,
    struct grid_read *read,
    struct block_reference reference,
    enum block_type type,
    uint16_t tree
)
{
    *read = (struct grid_read){
        .reference = reference,
        .stage = IO_IN_FLIGHT,
        .type = (uint8_t)type,
        .tree = tree,
    };
    const char *what = block_reference_fault(&reference, grid->owner->block_count);
    if (what == NULL && reference.address == 0) what = "a reference to a block is empty";
    if (what != NULL) {
        read_failed(grid, read, corrupt_fault(grid, what, reference.address, reference));
        return;
    }
    if (read_join(grid, read)) return;
    queue_push_read(&grid->queued, read);
    reads_begin(grid);
}

/* What is wrong with the block that was read, or NULL. */
static const char *read_slot_fault(const struct grid *grid, const struct grid_read_slot *slot)
{
    const uint8_t *block = slot->frame->data;
    const char *what = block_fault(
        block, slot->reference.address, grid->options.layout->block_size, grid->options.file_id
    );
    /* What lies behind the block's end may be unreadable: it means nothing. */
    if (what != NULL && slot->request.unreadable) return "the device cannot read a block";
    if (what != NULL) return what;
    if (!checksum_equal(block_checksum(block), slot->reference.checksum)) {
        return "a block is whole, but not the one that its reference names";
    }
    return NULL;
}

/* The I/O is over for good: tells everyone who waits, and frees the slot. */
static void read_slot_end(struct grid *grid, struct grid_read_slot *slot, const struct fault *fault)
{
    struct block_frame *frame = slot->frame;
    if (fault == NULL) {
        frame = block_cache_insert_read(
            cache_of(grid), frame, slot->reference.address, slot->reference.checksum
        );
    }
    struct grid_read *read = queue_pop_read(&slot->waiting);
    while (read != NULL) { /* ends: nothing joins a slot meanwhile */
        if (fault == NULL) {
            block_cache_ref(cache_of(grid), frame);
            read_succeeded(grid, read, frame);
        }
        if (fault != NULL) read_failed(grid, read, *fault);
        read = queue_pop_read(&slot->waiting);
    }
    slot->frame = NULL;
    grid->reads_in_flight -= 1;
    grid_unref(grid, frame);
}

static void read_slot_done(struct grid *grid, struct grid_read_slot *slot)
{
    if (slot->request.status != TACTUS_OK) {
        struct fault fault = {0};
        (void)reactor_fault(&slot->request, &fault);
        read_slot_end(grid, slot, &fault);
        return;
    }
    const char *what = read_slot_fault(grid, slot);
    if (what == NULL) {
        if (slot->attempts > ATTEMPT_FIRST) grid->statistics.reads_healed += 1;
        read_slot_end(grid, slot, NULL);
        return;
    }
    const uint8_t last = slot->reference.copy_address == 0 ? ATTEMPT_AGAIN : ATTEMPT_COPY;
    if (slot->attempts < last && slot->waiting.first != NULL) {
        slot->attempts += 1;
        read_slot_submit(grid, slot);
        return;
    }
    struct fault fault = corrupt_fault(grid, what, slot->reference.address, slot->reference);
    fault.has_checksums = true;
    fault.found = block_checksum(slot->frame->data);
    read_slot_end(grid, slot, &fault);
}

void grid_read_cancel(struct grid *grid, struct grid_read *read)
{
    if (read->stage == IO_IN_FLIGHT) {
        bool is_found = queue_remove_read(&grid->queued, read);
        for (uint32_t index = 0; index < grid->reads_max && !is_found; index += 1) {
            is_found = queue_remove_read(&grid->reads[index].waiting, read);
        }
        assert(is_found);
    }
    if (read->frame != NULL) {
        assert(read->stage == IO_DONE);
        grid_unref(grid, read->frame);
    }
    *read = (struct grid_read){.stage = IO_IDLE};
}

enum tactus_status grid_read_finish(struct grid *grid, struct grid_read *read)
{
    assert(read->stage != IO_IDLE);
    while (read->stage != IO_DONE)
        grid_wait(grid); /* ends with the I/O */
    return read->status == TACTUS_OK ? TACTUS_OK : grid_read_failed(grid, read);
}

struct block_frame *grid_cached(struct grid *grid, struct block_reference reference)
{
    if (reference.address == 0) return NULL;
    return block_cache_find(cache_of(grid), reference.address, reference.checksum);
}

void grid_unref(struct grid *grid, struct block_frame *frame)
{
    block_cache_unref(cache_of(grid), frame);
}

struct block_frame *grid_frame_take(struct grid *grid)
{
    return block_cache_take(cache_of(grid));
}

/* ---- Writes --------------------------------------------------------------------------------- */

/* A free slot, or NULL: the grid is poisoned. */
static struct grid_write_slot *write_slot_take(struct grid *grid)
{
    while (!is_poisoned(grid)) { /* ends: each wait ends a write, or poisons */
        for (uint32_t index = 0; index < grid->writes_max; index += 1) {
            if (grid->writes[index].frame == NULL) return &grid->writes[index];
        }
        grid_wait(grid);
    }
    return NULL;
}

struct block_reference grid_write_start(
    struct grid *grid, struct block_frame *frame, uint64_t address
)
{
    assert(!grid->options.read_only);
    assert(address > 0);
    assert(address <= grid->owner->block_count);
    assert(frame->references > 0);
    assert(frame->address == 0);

    struct block_header *header = block_header_of(frame->data);
    assert(header->type >= BLOCK_FREE_SET && header->type <= BLOCK_FILTER);
    assert(header->size >= BLOCK_HEADER_SIZE);
    assert(header->size <= grid->options.layout->block_size);
    header->address = address;
    const struct block_reference reference = {
        .address = address,
        .checksum = block_seal(frame->data, grid->options.file_id),
    };
    assert_slow(
        block_fault(
            frame->data, address, grid->options.layout->block_size, grid->options.file_id
        ) == NULL
    );
    block_frame_note_checked(frame); /* it is ours */
    /* First findable, then written: no one may read the address from the disk before. */
    block_cache_insert(cache_of(grid), frame, address, reference.checksum);

    struct grid_write_slot *slot = write_slot_take(grid);
    if (slot == NULL) return reference;
    block_cache_ref(cache_of(grid), frame);
    grid->writes_started += 1;
    *slot = (struct grid_write_slot){.frame = frame, .sequence = grid->writes_started};
    slot->request = (struct io_request){
        .kind = IO_WRITE,
        .size = block_size_rounded(frame->data),
        .offset = layout_block_offset(grid->options.layout, address),
        .buffer = frame->data,
    };
    grid->writes_in_flight += 1;
    reactor_submit(grid->options.reactor, &slot->request);
    return reference;
}

/* Up to the oldest write that is not done. */
static void note_written(struct grid *grid)
{
    uint64_t through = grid->writes_started;
    for (uint32_t index = 0; index < grid->writes_max; index += 1) {
        const struct grid_write_slot *slot = &grid->writes[index];
        if (slot->frame != NULL) through = min_u64(through, slot->sequence - 1);
    }
    atomic_store_explicit(&grid->written_through, through, memory_order_release);
}

static void write_slot_done(struct grid *grid, struct grid_write_slot *slot)
{
    grid->writes_in_flight -= 1;
    if (slot->request.status == TACTUS_OK) {
        grid->statistics.blocks_written += 1;
        grid->statistics.bytes_written += slot->request.size;
        grid_unref(grid, slot->frame);
        slot->frame = NULL;
        note_written(grid);
        return;
    }
    /* The slot keeps its reference for good: this block can be read from nowhere else (R11). */
    slot->failed = true;
    const struct block_header *header = block_header_read(slot->frame->data);
    struct fault fault = {0};
    (void)reactor_fault(&slot->request, &fault);
    fault.zone = FAULT_ZONE_GRID;
    fault.what = "a block could not be written";
    fault.address = slot->frame->address;
    fault.byte = slot->request.offset;
    fault.block_type = header->type;
    fault.tree = header->tree;
    (void)grid_poison(grid, fault);
}

/* Completes every request that is done. False: none was. */
static bool progress(struct grid *grid)
{
    bool any = false;
    for (uint32_t index = 0; index < grid->writes_max && grid->writes_in_flight > 0; index += 1) {
        struct grid_write_slot *slot = &grid->writes[index];
        if (slot->frame == NULL || slot->failed || slot->request.stage != IO_DONE) continue;
        write_slot_done(grid, slot);
        any = true;
    }
    for (uint32_t index = 0; index < grid->reads_max && grid->reads_in_flight > 0; index += 1) {
        struct grid_read_slot *slot = &grid->reads[index];
        if (slot->frame == NULL || slot->request.stage != IO_DONE) continue;
        read_slot_done(grid, slot);
        any = true;
    }
    reads_begin(grid);
    return any;
}

void grid_wait(struct grid *grid)
{
    /* Others wait on the same reactor, and may have seen our I/O end: so first look. */
    if (progress(grid)) return;
    if (grid->reads_in_flight + grid->writes_in_flight == 0) return;
    reactor_wait(grid->options.reactor);
    (void)progress(grid);
}

void grid_poll(struct grid *grid)
{
    reactor_poll(grid->options.reactor);
    (void)progress(grid);
}

bool grid_can_write(const struct grid *grid)
{
    return grid->writes_in_flight < grid->writes_max;
}

uint64_t grid_write_mark(const struct grid *grid)
{
    return grid->writes_started;
}

bool grid_written_through(const struct grid *grid, uint64_t mark)
{
    return mark <= atomic_load_explicit(&grid->written_through, memory_order_acquire);
}

enum tactus_status grid_writes_finish(struct grid *grid)
{
    while (grid->writes_in_flight > 0)
        grid_wait(grid); /* ends with the I/O */
    return grid_status(grid);
}

void grid_statistics_move(struct grid *view)
{
    assert(!is_owner(view));
    struct grid_statistics *sum = &view->owner->statistics;
    sum->reads_cached += view->statistics.reads_cached;
    sum->reads_merged += view->statistics.reads_merged;
    sum->blocks_read += view->statistics.blocks_read;
    sum->blocks_written += view->statistics.blocks_written;
    sum->bytes_written += view->statistics.bytes_written;
    sum->reads_healed += view->statistics.reads_healed;
    view->statistics = (struct grid_statistics){0};
}

/* ---- Space ---------------------------------------------------------------------------------- */

enum tactus_status grid_release(struct grid *grid, uint64_t address)
{
    assert(is_owner(grid));
    assert(!grid->options.read_only);
    struct free_set *set = &grid->free_set;
    const char *what = NULL;
    if (address == 0 || address > set->block_count_max) what = "a reference names no block";
    if (what == NULL && free_set_is_free(set, address)) what = "a block is in use, and free, too";
    if (what == NULL && free_set_is_released(set, address)) what = "two references name one block";
    if (what != NULL) {
        struct fault fault = corrupt_fault(grid, what, address, (struct block_reference){0});
        fault.zone = FAULT_ZONE_GRID;
        fault.address = address;
        return fault_set(grid->options.fault, fault);
    }
    free_set_release(set, address);
    block_cache_demote(cache_of(grid), address);
    return TACTUS_OK;
}

static enum tactus_status grow_to(struct grid *grid, uint64_t block_count, struct fault *fault)
{
    assert(block_count > grid->block_count);
    const uint64_t size = layout_file_size(grid->options.layout, block_count);
    TRY(file_grow(grid->options.reactor, size, fault));
    grid->block_count = blocks_in_file(grid);
    assert(grid->block_count >= block_count);
    return TACTUS_OK;
}

enum tactus_status grid_grow(struct grid *grid, uint64_t block_count)
{
    assert(is_owner(grid));
    assert(!grid->options.read_only);
    const struct layout *layout = grid->options.layout;
    if (block_count <= grid->block_count) return TACTUS_OK;
    TRY(grid_status(grid));
    if (block_count > layout->block_count_max) {
        return fault_set(
            grid->options.fault,
            (struct fault){
                .status = TACTUS_LIMIT,
                .zone = FAULT_ZONE_FILE,
                .what = "the file would outgrow its size_max",
                .remedy = "remove objects, or import an export into a file with a larger size_max",
                .wanted_number = block_count,
                .found_number = layout->block_count_max,
            }
        );
    }
    /* Doubling would give a file of which half is never used: what is asked for is two bars ahead
     * already. An eighth more still keeps growths few. */
    const uint64_t step = min_u64(grid->block_count / 8, GRID_GROW_STEP_MAX / layout->block_size);
    const uint64_t ahead =
        min_u64(max_u64(block_count, grid->block_count + step), layout->block_count_max);
    struct fault fault = {0};
    enum tactus_status status = grow_to(grid, ahead, &fault);
    if (status == TACTUS_FULL && ahead > block_count) {
        fault_clear(&fault);
        status = grow_to(grid, block_count, &fault);
    }
    if (status == TACTUS_POISONED) return grid_poison(grid, fault);
    if (status != TACTUS_OK) (void)fault_set(grid->options.fault, fault);
    return status;
}
