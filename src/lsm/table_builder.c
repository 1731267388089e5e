#include "lsm/table_builder.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"

#include <stddef.h>

#include "base/poison.h"

void table_builder_init(
    struct table_builder *builder,
    const struct table_format *format,
    struct grid *grid,
    struct block_supply *supply,
    uint64_t *hashes
)
{
    const bool has_filter = table_filter_hashes_max(&format->geometry) > 0;
    if (has_filter) assert(hashes != NULL);
    assert(format->tree > 0);
    assert(format->kernels == kernels_for(&format->shape));
    assert(format->geometry.records_per_block > 0);
    *builder = (struct table_builder
    ){.format = format, .grid = grid, .supply = supply, .hashes = has_filter ? hashes : NULL};
}

void table_builder_begin(struct table_builder *builder, uint64_t snapshot_min)
{
    assert(!builder->is_open);
    assert(builder->value == NULL && builder->leaf == NULL && builder->root == NULL);
    assert(builder->record_count == 0);
    builder->snapshot_min = snapshot_min;
    builder->is_open = true;
}

bool table_builder_is_open(const struct table_builder *builder)
{
    return builder->is_open;
}

bool table_builder_is_empty(const struct table_builder *builder)
{
    assert(builder->is_open);
    return builder->record_count == 0;
}

bool table_builder_is_full(const struct table_builder *builder)
{
    assert(builder->is_open);
    return builder->value_block_count == builder->format->geometry.value_blocks_max;
}

/* ---- Blocks --------------------------------------------------------------------------------- */

static struct block_reference table_builder_write(
    struct table_builder *builder, struct block_frame **frame
)
{
    struct grid *grid = builder->grid;
    block_header_of((*frame)->data)->snapshot = builder->snapshot_min;
    const uint64_t address = block_supply_take(builder->supply);
    const struct block_reference reference = grid_write_start(grid, *frame, address);
    assert(reference.address == address);
    grid_unref(grid, *frame);
    *frame = NULL;
    return reference;
}

static void table_builder_write_leaf(struct table_builder *builder)
{
    const struct table_format *format = builder->format;
    assert(builder->leaf_count > 0);
    assert(builder->root_count < format->geometry.leaves_max);

    table_leaf_encode(builder->leaf->data, format, builder->leaf_count);
    if (builder->root == NULL) builder->root = grid_frame_take(builder->grid);
    const struct table_root_entry entry = {
        .key_max = builder->key_max,
        .reference = table_builder_write(builder, &builder->leaf),
    };
    table_root_entry_set(builder->root->data, format, builder->root_count, entry);
    builder->root_count += 1;
    builder->leaf_count = 0;
}

static bool has_tombstone(const struct record_shape *shape, const uint8_t *records, uint32_t count)
{
    uint64_t flags = 0;
    for (uint32_t index = 0; index < count; index += 1) {
        flags |= record_flag_word(shape, records);
        records += shape->record_size;
    }
    return (flags & RECORD_TOMBSTONE) != 0;
}

static void table_builder_write_value(struct table_builder *builder)
{
    const struct table_format *format = builder->format;
    assert(builder->value_count > 0);
    assert(builder->value_block_count < format->geometry.value_blocks_max);

    const uint8_t *records = table_value_records(builder->value->data);
    const struct key key_min = record_key(&format->shape, records);
    assert_slow(format->kernels->is_sorted(&format->shape, records, builder->value_count));
    if (has_tombstone(&format->shape, records, builder->value_count)) {
        builder->has_tombstones = true;
    }
    table_value_encode(builder->value->data, format, builder->value_count);

    if (builder->leaf == NULL) builder->leaf = grid_frame_take(builder->grid);
    const struct block_reference reference = table_builder_write(builder, &builder->value);
    const struct table_leaf_entry entry = {
        .key_min = key_min,
        .key_max = builder->key_max,
        .address = reference.address,
        .checksum = reference.checksum,
    };
    table_leaf_entry_set(builder->leaf->data, format, builder->leaf_count, entry);
    builder->leaf_count += 1;
    builder->value_block_count += 1;
    builder->value_count = 0;
    if (builder->leaf_count == format->geometry.leaf_fanout) table_builder_write_leaf(builder);
}

/* The filter over all keys, in as many blocks as its size asks for: one frame after the other. */
static void table_builder_write_filter(struct table_builder *builder)
{
    const struct table_format *format = builder->format;
    const uint64_t record_count = builder->record_count;
    const uint32_t filter_count = table_filter_count(&format->geometry, record_count);
    if (filter_count == 0) return;

    struct filter_split split;
    filter_split_begin(
        &split,
        builder->hashes,
        (uint32_t)record_count,
        filter_bucket_count(record_count),
        format->geometry.filter_fanout
    );
    const uint64_t *hashes;
    uint32_t count;
    uint32_t index = 0;
    for (; filter_split_next(&split, &hashes, &count); index += 1) {
        const struct table_filter_range range =
            table_filter_range_at(&format->geometry, record_count, index);
        struct block_frame *frame = grid_frame_take(builder->grid);
        table_filter_clear(frame->data, range);
        for (uint32_t i = 0; i < count; i += 1) {
            table_filter_insert(frame->data, range, hashes[i]);
        }
        table_filter_encode(frame->data, format, range);
        assert(table_filter_fault(frame->data, format, &range) == NULL);
        const struct block_reference reference = table_builder_write(builder, &frame);
        table_root_filter_set(builder->root->data, format, index, reference);
    }
    assert(index == filter_count);
}

/* ---- Records -------------------------------------------------------------------------------- */

void *table_builder_space(struct table_builder *builder, uint32_t *room)
{
    const struct table_format *format = builder->format;
    assert(builder->is_open);
    assert(!table_builder_is_full(builder));
    assert(builder->value_count < format->geometry.records_per_block);

    if (builder->value == NULL) builder->value = grid_frame_take(builder->grid);
    *room = format->geometry.records_per_block - builder->value_count;
    return builder->value->data + BLOCK_HEADER_SIZE +
           (uint64_t)builder->value_count * format->shape.record_size;
}

/* Of the records that come next: record_count is still without them. */
static void table_builder_hash(
    struct table_builder *builder, const uint8_t *records, uint32_t count
)
{
    const struct record_shape *shape = &builder->format->shape;
    const uint32_t key_bytes = shape->key_bits / 8;
    assert(builder->record_count + count <= builder->format->geometry.records_max);
    uint64_t *hashes = builder->hashes + builder->record_count;
    for (uint32_t index = 0; index < count; index += 1) {
        const uint8_t *record = records + (uint64_t)index * shape->record_size;
        hashes[index] = filter_hash(record + shape->key_offset, key_bytes);
    }
}

void table_builder_advance(struct table_builder *builder, uint32_t count)
{
    const struct record_shape *shape = &builder->format->shape;
    const uint32_t records_per_block = builder->format->geometry.records_per_block;
    assert(builder->is_open);
    assert(builder->value != NULL);
    assert(count <= records_per_block - builder->value_count);
    if (count == 0) return;

    const uint8_t *first = builder->value->data + BLOCK_HEADER_SIZE +
                           (uint64_t)builder->value_count * shape->record_size;
    const uint8_t *last = first + (uint64_t)(count - 1) * shape->record_size;
    const struct key key_first = record_key(shape, first);
    const struct key key_last = record_key(shape, last);
    if (builder->record_count == 0) {
        builder->key_min = key_first;
    } else {
        assert(key_less(builder->key_max, key_first));
    }
    assert(count == 1 ? key_equal(key_first, key_last) : key_less(key_first, key_last));

    if (builder->hashes != NULL) table_builder_hash(builder, first, count);
    builder->key_max = key_last;
    builder->value_count += count;
    builder->record_count += count;
    if (builder->value_count == records_per_block) table_builder_write_value(builder);
}

static void table_builder_reset(struct table_builder *builder)
{
    builder->value_count = 0;
    builder->leaf_count = 0;
    builder->root_count = 0;
    builder->value_block_count = 0;
    builder->record_count = 0;
    builder->has_tombstones = false;
    builder->is_open = false;
}

void table_builder_finish(struct table_builder *builder, struct table_info *info)
{
    const struct table_format *format = builder->format;
    assert(builder->is_open);
    assert(builder->record_count > 0);

    if (builder->value_count > 0) table_builder_write_value(builder);
    if (builder->leaf_count > 0) table_builder_write_leaf(builder);

    /* A block that was asked for and got no record. */
    if (builder->value != NULL) grid_unref(builder->grid, builder->value);
    builder->value = NULL;

    table_builder_write_filter(builder);
    const struct table_root root = {
        .leaf_count = builder->root_count,
        .filter_count = table_filter_count(&format->geometry, builder->record_count),
        .record_count = builder->record_count,
        .value_block_count = builder->value_block_count,
    };
    *info = (struct table_info){
        .key_min = builder->key_min,
        .key_max = builder->key_max,
        .snapshot_min = builder->snapshot_min,
        .snapshot_max = UINT64_MAX,
        .value_count = (uint32_t)builder->record_count,
        .has_tombstones = builder->has_tombstones,
        .tree = format->tree,
    };
    table_root_encode(builder->root->data, format, root);
    assert(table_root_fault(builder->root->data, format, info) == NULL);
    const struct block_reference reference = table_builder_write(builder, &builder->root);
    info->address = reference.address;
    info->copy_address = reference.copy_address;
    info->checksum = reference.checksum;
    table_builder_reset(builder);
}

void table_builder_abandon(struct table_builder *builder)
{
    struct block_frame **frames[] = {&builder->value, &builder->leaf, &builder->root};
    for (uint32_t index = 0; index < COUNT_OF(frames); index += 1) {
        if (*frames[index] != NULL) grid_unref(builder->grid, *frames[index]);
        *frames[index] = NULL;
    }
    table_builder_reset(builder);
}
