#include "storage/trailer.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"

#include <stddef.h>

#include "base/poison.h"

/* Bytes of the string in a full block. */
static uint64_t body_size_max(uint32_t block_size)
{
    return block_size - BLOCK_HEADER_SIZE;
}

uint64_t trailer_block_count(uint64_t size, uint32_t block_size)
{
    return div_ceil_u64(size, body_size_max(block_size));
}

uint64_t trailer_acquire(struct grid *grid, uint64_t size, uint64_t *addresses)
{
    const uint64_t count = trailer_block_count(size, grid->options.layout->block_size);
    struct free_set_reservation reservation;
    const bool is_reserved = free_set_reserve(&grid->free_set, count, &reservation);
    assert(is_reserved);
    for (uint64_t index = 0; index < count; index += 1) {
        addresses[index] = free_set_acquire(&grid->free_set, &reservation);
    }
    assert(free_set_reservation_left(&reservation) == 0);
    free_set_forfeit(&grid->free_set, &reservation);
    return count;
}

void trailer_write_begin(
    struct trailer_writer *writer, struct grid *grid, const struct trailer_source *source
)
{
    *writer = (struct trailer_writer){.source = *source};
    if (source->size == 0) return;
    writer->reference.size = source->size;
    writer->reference.checksum = checksum_of(grid->options.file_id, source->bytes, source->size);
}

bool trailer_write_is_over(const struct trailer_writer *writer)
{
    return writer->offset == writer->source.size;
}

void trailer_write_next(struct trailer_writer *writer, struct grid *grid)
{
    assert(!trailer_write_is_over(writer));
    const struct trailer_source *source = &writer->source;
    struct block_reference *last = &writer->reference.last;
    const uint64_t full = body_size_max(grid->options.layout->block_size);
    const uint64_t size = min_u64(full, source->size - writer->offset);
    struct block_frame *frame = grid_frame_take(grid);
    struct block_header *header = block_header_of(frame->data);
    header->type = (uint8_t)source->type;
    header->size = (uint32_t)(BLOCK_HEADER_SIZE + size);
    /* The reference to the block before; zero in the first. */
    bytes_copy(header->metadata, last, sizeof *last);
    bytes_copy(frame->data + BLOCK_HEADER_SIZE, source->bytes + writer->offset, size);
    *last = grid_write_start(grid, frame, source->addresses[writer->index]);
    grid_unref(grid, frame);
    writer->offset += size;
    writer->index += 1;
}

struct trailer_reference trailer_write(struct grid *grid, const struct trailer_source *source)
{
    struct trailer_writer writer;
    trailer_write_begin(&writer, grid, source);
    while (!trailer_write_is_over(&writer))
        trailer_write_next(&writer, grid);
    return writer.reference;
}

/* ---- Reading -------------------------------------------------------------------------------- */

static enum tactus_status trailer_fault(
    struct fault *fault, const struct trailer_block *block, const char *what
)
{
    return fault_set(
        fault,
        (struct fault){
            .status = TACTUS_CORRUPT,
            .zone = FAULT_ZONE_GRID,
            .what = what,
            .remedy = "the checkpoint cannot be opened: restore a copy of the file",
            .address = block->reference.address,
            .wanted = block->reference.checksum,
            .block_type = (uint8_t)block->type,
        }
    );
}

/* Reads the block at one address into the scratch buffer; *what: NULL, or why it is not the one. */
static enum tactus_status raw_read_at(
    const struct trailer_reader *reader,
    const struct block_reference *reference,
    uint64_t address,
    const char **what
)
{
    const uint32_t block_size = reader->layout->block_size;
    const uint64_t offset = layout_block_offset(reader->layout, address);
    TRY(reactor_read(reader->reactor, reader->scratch, block_size, offset, reader->fault));
    *what = block_fault(reader->scratch, reference->address, block_size, reader->file_id);
    if (*what != NULL) return TACTUS_OK;
    if (!checksum_equal(block_checksum(reader->scratch), reference->checksum)) {
        *what = "a block is whole, but not the one that its reference names";
    }
    return TACTUS_OK;
}

/* What grid_read_start() does, without a grid: twice from its place, then from its copy. */
static enum tactus_status raw_read(
    const struct trailer_reader *reader, const struct trailer_block *block
)
{
    const struct block_reference *reference = &block->reference;
    const char *what = block_reference_fault(reference, reader->layout->block_count_max);
    if (what == NULL && reference->address == 0) what = "a reference to a block is empty";
    if (what != NULL) return trailer_fault(reader->fault, block, what);

    TRY(raw_read_at(reader, reference, reference->address, &what));
    if (what != NULL) TRY(raw_read_at(reader, reference, reference->address, &what));
    if (what != NULL && reference->copy_address != 0) {
        TRY(raw_read_at(reader, reference, reference->copy_address, &what));
    }
    if (what != NULL) return trailer_fault(reader->fault, block, what);

    const struct block_header *header = block_header_read(reader->scratch);
    if (header->type != block->type || header->tree != 0) {
        return trailer_fault(reader->fault, block, "a block is not of the trailer that names it");
    }
    return TACTUS_OK;
}

/* Why the header of a trailer's block is not right for its place in the chain, or NULL. Type and
 * tree were compared before. */
static const char *header_fault(
    const struct block_header *header,
    const struct trailer_block *block,
    const struct block_reference *previous
)
{
    if (header->size != BLOCK_HEADER_SIZE + block->body_size) {
        return "a block of a trailer has another size than its place asks for";
    }
    if (header->snapshot != 0) return "a block of a trailer has a snapshot";
    const uint64_t used = sizeof *previous;
    if (!bytes_are_zero(header->metadata + used, BLOCK_METADATA_SIZE - used)) {
        return "reserved bytes of a trailer's block are not zero";
    }
    const bool is_first = block->offset == 0;
    if (is_first && !bytes_are_zero(previous, sizeof *previous)) {
        return "a trailer is longer than the superblock says";
    }
    if (!is_first && previous->address == 0) return "a trailer is shorter than the superblock says";
    return NULL;
}

/* Looks at one block that was read, shows it to the visitor, and finds its predecessor. */
static enum tactus_status visit_block(
    struct trailer_block *block,
    struct fault *fault,
    struct block_reference *previous,
    enum tactus_status (*visit)(void *context, const struct trailer_block *block),
    void *context
)
{
    const struct block_header *header = block_header_read(block->body - BLOCK_HEADER_SIZE);
    bytes_copy(previous, header->metadata, sizeof *previous);
    const char *what = header_fault(header, block, previous);
    if (what != NULL) return trailer_fault(fault, block, what);
    return visit == NULL ? TACTUS_OK : visit(context, block);
}

enum tactus_status trailer_walk(
    const struct trailer_reader *reader,
    enum block_type type,
    const struct trailer_reference *reference,
    enum tactus_status (*visit)(void *context, const struct trailer_block *block),
    void *context
)
{
    struct grid *grid = reader->grid;
    struct fault *fault = grid != NULL ? grid->options.fault : reader->fault;
    const struct layout *layout = grid != NULL ? grid->options.layout : reader->layout;
    const uint64_t full = body_size_max(layout->block_size);
    const uint64_t count = trailer_block_count(reference->size, layout->block_size);

    struct trailer_block block = {.type = type, .reference = reference->last};
    if (count > layout->block_count_max) {
        return trailer_fault(fault, &block, "a trailer is longer than the file can be");
    }
    for (uint64_t index = count; index > 0; index -= 1) {
        block.offset = (index - 1) * full;
        block.body_size = min_u64(full, reference->size - block.offset);
        struct grid_read read = {0};
        if (grid != NULL) {
            grid_read_start(grid, &read, block.reference, type, 0);
            TRY(grid_read_finish(grid, &read));
            block.body = read.frame->data + BLOCK_HEADER_SIZE;
        } else {
            TRY(raw_read(reader, &block));
            block.body = reader->scratch + BLOCK_HEADER_SIZE;
        }
        struct block_reference previous;
        const enum tactus_status status = visit_block(&block, fault, &previous, visit, context);
        if (grid != NULL) grid_read_cancel(grid, &read);
        TRY(status);
        block.reference = previous;
    }
    return TACTUS_OK;
}

static enum tactus_status open_visit(void *context, const struct trailer_block *block)
{
    struct trailer_target *target = context;
    bytes_copy(target->bytes + block->offset, block->body, block->body_size);
    if (target->addresses == NULL) return TACTUS_OK;

    assert(target->address_count + 2 <= target->address_count_max);
    target->addresses[target->address_count] = block->reference.address;
    target->address_count += 1;
    if (block->reference.copy_address == 0) return TACTUS_OK;
    target->addresses[target->address_count] = block->reference.copy_address;
    target->address_count += 1;
    return TACTUS_OK;
}

enum tactus_status trailer_open(
    const struct trailer_reader *reader,
    enum block_type type,
    const struct trailer_reference *reference,
    struct trailer_target *target
)
{
    struct grid *grid = reader->grid;
    struct fault *fault = grid != NULL ? grid->options.fault : reader->fault;
    const struct checksum file_id = grid != NULL ? grid->options.file_id : reader->file_id;
    const struct trailer_block last = {.type = type, .reference = reference->last};
    target->size = 0;
    target->address_count = 0;

    if (reference->size > target->size_max) {
        return trailer_fault(fault, &last, "a trailer is longer than it can be");
    }
    if (reference->size == 0) {
        if (bytes_are_zero(reference, sizeof *reference)) return TACTUS_OK;
        return trailer_fault(fault, &last, "an empty trailer has a block");
    }
    TRY(trailer_walk(reader, type, reference, open_visit, target));
    const struct checksum found = checksum_of(file_id, target->bytes, reference->size);
    if (!checksum_equal(found, reference->checksum)) {
        return trailer_fault(fault, &last, "a trailer as a whole is not what was written");
    }
    target->size = reference->size;
    return TACTUS_OK;
}
