#include "lsm/table_layout.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "lsm/gallop.h"
#include "storage/layout.h"

#include <stddef.h>

#include "base/poison.h"

/* ---- Geometry ------------------------------------------------------------------------------- */

enum table_fit table_geometry_init(
    struct table_geometry *geometry,
    const struct record_shape *shape,
    uint32_t block_size,
    uint32_t record_max,
    uint32_t value_count_max
)
{
    record_shape_check(shape);
    assert(is_power_of_two(block_size));
    assert(block_size >= BLOCK_SIZE_MIN);
    assert(block_size <= BLOCK_SIZE_MAX);
    assert(record_max > 0);
    assert(record_max <= value_count_max);
    assert(value_count_max <= UINT32_MAX / 2 - BLOCK_SIZE_MAX); /* so records_max fits, too */

    const uint32_t body = block_size - BLOCK_HEADER_SIZE;
    const uint32_t key_bytes = shape->key_bits / 8;
    const uint32_t leaf_entry = 2 * key_bytes + TABLE_ADDRESS_SIZE + TABLE_CHECKSUM_SIZE;
    const uint64_t root_entry = key_bytes + TABLE_REFERENCE_SIZE;
    if (shape->record_size > body / 2) return TABLE_RECORD_TOO_LARGE;

    struct table_geometry result = {
        .block_size = block_size,
        .records_per_block = body / shape->record_size,
        .leaf_fanout = body / leaf_entry,
        .filter_fanout = record_shape_has_filter(shape) ? body / FILTER_BUCKET_SIZE : 0,
        .memory_count_max = value_count_max + record_max,
    };
    result.value_blocks_max = (uint32_t)div_ceil_u64(value_count_max, result.records_per_block);
    result.records_max = result.value_blocks_max * result.records_per_block;
    result.leaves_max = (uint32_t)div_ceil_u64(result.value_blocks_max, result.leaf_fanout);
    result.filters_max = table_filter_count(&result, result.records_max);
    result.blocks_max = result.value_blocks_max + result.leaves_max + result.filters_max + 1;
    const uint64_t root =
        result.leaves_max * root_entry + (uint64_t)result.filters_max * TABLE_REFERENCE_SIZE;
    if (root > body) return TABLE_TOO_LARGE;

    assert(result.records_max >= value_count_max);
    *geometry = result;
    return TABLE_FITS;
}

uint32_t table_filter_count(const struct table_geometry *geometry, uint64_t record_count)
{
    assert(record_count <= geometry->records_max);
    if (geometry->filter_fanout == 0) return 0;
    return (uint32_t)div_ceil_u64(filter_bucket_count(record_count), geometry->filter_fanout);
}

uint32_t table_filter_hashes_max(const struct table_geometry *geometry)
{
    return geometry->filter_fanout == 0 ? 0 : geometry->records_max;
}

/* ---- Where things lie ----------------------------------------------------------------------- */

enum {
    METADATA = offsetof(struct block_header, metadata),
    METADATA_END = METADATA + BLOCK_METADATA_SIZE,

    VALUE_COUNT = METADATA,
    VALUE_RECORD_SIZE = METADATA + 4,
    VALUE_COUNT_MAX = METADATA + 8,
    VALUE_METADATA_END = METADATA + 12,

    LEAF_COUNT = METADATA,
    LEAF_KEY_BYTES = METADATA + 4,
    LEAF_METADATA_END = METADATA + 8,

    FILTER_BUCKET_COUNT = METADATA,
    FILTER_BUCKET_FIRST = METADATA + 4,
    FILTER_BUCKET_TOTAL = METADATA + 8,
    FILTER_METADATA_END = METADATA + 12,

    ROOT_LEAF_COUNT = METADATA,
    ROOT_KEY_BYTES = METADATA + 4,
    ROOT_FILTER_COUNT = METADATA + 8,
    ROOT_RESERVED = METADATA + 12,
    ROOT_RECORD_COUNT = METADATA + 16,
    ROOT_VALUE_BLOCK_COUNT = METADATA + 24,
    ROOT_METADATA_END = METADATA + 32,
};

/* Offsets of the arrays of an index block with room for `slots` entries in each. */
struct table_arrays {
    uint32_t key_max;
    uint32_t key_min;   /* leaf */
    uint32_t address;   /* leaf */
    uint32_t checksum;  /* leaf */
    uint32_t reference; /* root */
    uint32_t filter;    /* root: references of filter blocks */
    uint32_t end;
};

static struct table_arrays table_leaf_arrays(const struct table_format *format, uint32_t slots)
{
    const uint32_t key_bytes = format->shape.key_bits / 8;
    struct table_arrays arrays = {.key_max = BLOCK_HEADER_SIZE};
    arrays.key_min = arrays.key_max + slots * key_bytes;
    arrays.address = arrays.key_min + slots * key_bytes;
    arrays.checksum = arrays.address + slots * TABLE_ADDRESS_SIZE;
    arrays.end = arrays.checksum + slots * TABLE_CHECKSUM_SIZE;
    assert(arrays.end <= format->geometry.block_size);
    return arrays;
}

static struct table_arrays table_root_arrays(
    const struct table_format *format, uint32_t slots, uint32_t filter_slots
)
{
    assert(slots <= format->geometry.leaves_max);
    assert(filter_slots <= format->geometry.filters_max);
    struct table_arrays arrays = {.key_max = BLOCK_HEADER_SIZE};
    arrays.reference = arrays.key_max + slots * (format->shape.key_bits / 8);
    arrays.filter = arrays.reference + slots * TABLE_REFERENCE_SIZE;
    arrays.end = arrays.filter + filter_slots * TABLE_REFERENCE_SIZE;
    assert(arrays.end <= format->geometry.block_size);
    return arrays;
}

static struct table_arrays table_root_arrays_full(const struct table_format *format)
{
    return table_root_arrays(format, format->geometry.leaves_max, format->geometry.filters_max);
}

static struct block_reference table_reference_load(const uint8_t *source)
{
    return (struct block_reference){
        .address = load_u64(source),
        .copy_address = load_u64(source + 8),
        .checksum = checksum_load(source + 16),
    };
}

static void table_reference_store(uint8_t *target, struct block_reference reference)
{
    assert(reference.address > 0);
    store_u64(target, reference.address);
    store_u64(target + 8, reference.copy_address);
    checksum_store(target + 16, reference.checksum);
}

static struct key table_key_load(
    const uint8_t *block, const struct table_format *format, uint32_t array, uint32_t index
)
{
    const uint32_t key_bytes = format->shape.key_bits / 8;
    return key_load(block + array + index * key_bytes, (enum key_bits)format->shape.key_bits);
}

static void table_key_store(
    uint8_t *block,
    const struct table_format *format,
    uint32_t array,
    uint32_t index,
    struct key key
)
{
    const uint32_t key_bytes = format->shape.key_bits / 8;
    key_store(block + array + index * key_bytes, (enum key_bits)format->shape.key_bits, key);
}

/* Lower bound in the array of key_max, which both index blocks begin with. */
static uint32_t table_key_find(
    const uint8_t *block, const struct table_format *format, uint32_t count, struct key key
)
{
    uint32_t low = 0;
    uint32_t high = count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (key_less(table_key_load(block, format, BLOCK_HEADER_SIZE, middle), key)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* ---- Encode --------------------------------------------------------------------------------- */

static void table_header_encode(
    uint8_t *block, const struct table_format *format, enum block_type type, uint32_t size
)
{
    assert(size > BLOCK_HEADER_SIZE);
    assert(size <= format->geometry.block_size);
    struct block_header *header = block_header_of(block);
    header->size = size;
    header->tree = format->tree;
    header->type = (uint8_t)type;
}

void table_value_encode(uint8_t *block, const struct table_format *format, uint32_t count)
{
    assert(count > 0);
    assert(count <= format->geometry.records_per_block);
    const uint32_t size = BLOCK_HEADER_SIZE + count * format->shape.record_size;
    table_header_encode(block, format, BLOCK_VALUE, size);
    store_u32(block + VALUE_COUNT, count);
    store_u32(block + VALUE_RECORD_SIZE, format->shape.record_size);
    store_u32(block + VALUE_COUNT_MAX, format->geometry.records_per_block);
}

void table_leaf_encode(uint8_t *block, const struct table_format *format, uint32_t count)
{
    assert(count > 0);
    assert(count <= format->geometry.leaf_fanout);
    const uint32_t key_bytes = format->shape.key_bits / 8;
    const struct table_arrays from = table_leaf_arrays(format, format->geometry.leaf_fanout);
    const struct table_arrays to = table_leaf_arrays(format, count);
    bytes_move(block + to.key_min, block + from.key_min, count * key_bytes);
    bytes_move(block + to.address, block + from.address, count * TABLE_ADDRESS_SIZE);
    bytes_move(block + to.checksum, block + from.checksum, count * TABLE_CHECKSUM_SIZE);

    table_header_encode(block, format, BLOCK_LEAF, to.end);
    store_u32(block + LEAF_COUNT, count);
    store_u32(block + LEAF_KEY_BYTES, key_bytes);
}

void table_root_encode(uint8_t *block, const struct table_format *format, struct table_root root)
{
    assert(root.leaf_count > 0);
    assert(root.filter_count == table_filter_count(&format->geometry, root.record_count));
    const struct table_arrays from = table_root_arrays_full(format);
    const struct table_arrays to = table_root_arrays(format, root.leaf_count, root.filter_count);
    bytes_move(
        block + to.reference, block + from.reference, root.leaf_count * TABLE_REFERENCE_SIZE
    );
    bytes_move(block + to.filter, block + from.filter, root.filter_count * TABLE_REFERENCE_SIZE);

    table_header_encode(block, format, BLOCK_ROOT, to.end);
    store_u32(block + ROOT_LEAF_COUNT, root.leaf_count);
    store_u32(block + ROOT_KEY_BYTES, format->shape.key_bits / 8);
    store_u32(block + ROOT_FILTER_COUNT, root.filter_count);
    store_u32(block + ROOT_RESERVED, 0);
    store_u64(block + ROOT_RECORD_COUNT, root.record_count);
    store_u64(block + ROOT_VALUE_BLOCK_COUNT, root.value_block_count);
}

void table_leaf_entry_set(
    uint8_t *block, const struct table_format *format, uint32_t index, struct table_leaf_entry entry
)
{
    assert(index < format->geometry.leaf_fanout);
    assert(entry.address > 0);
    const struct table_arrays arrays = table_leaf_arrays(format, format->geometry.leaf_fanout);
    table_key_store(block, format, arrays.key_max, index, entry.key_max);
    table_key_store(block, format, arrays.key_min, index, entry.key_min);
    store_u64(block + arrays.address + index * TABLE_ADDRESS_SIZE, entry.address);
    checksum_store(block + arrays.checksum + index * TABLE_CHECKSUM_SIZE, entry.checksum);
}

void table_root_entry_set(
    uint8_t *block, const struct table_format *format, uint32_t index, struct table_root_entry entry
)
{
    assert(index < format->geometry.leaves_max);
    const struct table_arrays arrays = table_root_arrays_full(format);
    table_key_store(block, format, arrays.key_max, index, entry.key_max);
    table_reference_store(block + arrays.reference + index * TABLE_REFERENCE_SIZE, entry.reference);
}

void table_root_filter_set(
    uint8_t *block,
    const struct table_format *format,
    uint32_t index,
    struct block_reference reference
)
{
    assert(index < format->geometry.filters_max);
    const struct table_arrays arrays = table_root_arrays_full(format);
    table_reference_store(block + arrays.filter + index * TABLE_REFERENCE_SIZE, reference);
}

/* ---- Decode --------------------------------------------------------------------------------- */

uint32_t table_value_count(const uint8_t *block)
{
    return load_u32(block + VALUE_COUNT);
}

uint32_t table_leaf_count(const uint8_t *block)
{
    return load_u32(block + LEAF_COUNT);
}

struct table_root table_root_decode(const uint8_t *block)
{
    return (struct table_root){
        .leaf_count = load_u32(block + ROOT_LEAF_COUNT),
        .filter_count = load_u32(block + ROOT_FILTER_COUNT),
        .record_count = load_u64(block + ROOT_RECORD_COUNT),
        .value_block_count = load_u64(block + ROOT_VALUE_BLOCK_COUNT),
    };
}

struct table_leaf_entry table_leaf_entry_at(
    const uint8_t *block, const struct table_format *format, uint32_t index
)
{
    const uint32_t count = table_leaf_count(block);
    assert(index < count);
    const struct table_arrays arrays = table_leaf_arrays(format, count);
    return (struct table_leaf_entry){
        .key_min = table_key_load(block, format, arrays.key_min, index),
        .key_max = table_key_load(block, format, arrays.key_max, index),
        .address = load_u64(block + arrays.address + index * TABLE_ADDRESS_SIZE),
        .checksum = checksum_load(block + arrays.checksum + index * TABLE_CHECKSUM_SIZE),
    };
}

struct table_root_entry table_root_entry_at(
    const uint8_t *block, const struct table_format *format, uint32_t index
)
{
    const struct table_root root = table_root_decode(block);
    assert(index < root.leaf_count);
    const struct table_arrays arrays =
        table_root_arrays(format, root.leaf_count, root.filter_count);
    return (struct table_root_entry){
        .key_max = table_key_load(block, format, arrays.key_max, index),
        .reference = table_reference_load(block + arrays.reference + index * TABLE_REFERENCE_SIZE),
    };
}

struct block_reference table_root_filter_at(
    const uint8_t *block, const struct table_format *format, uint32_t index
)
{
    const struct table_root root = table_root_decode(block);
    assert(index < root.filter_count);
    const struct table_arrays arrays =
        table_root_arrays(format, root.leaf_count, root.filter_count);
    return table_reference_load(block + arrays.filter + index * TABLE_REFERENCE_SIZE);
}

uint32_t table_leaf_find(const uint8_t *block, const struct table_format *format, struct key key)
{
    return table_key_find(block, format, table_leaf_count(block), key);
}

uint32_t table_leaf_find_near(
    const uint8_t *block,
    const struct table_format *format,
    uint32_t count,
    uint32_t guess,
    struct key key
)
{
    assert(guess < count);
    struct gallop gallop = gallop_begin(count, guess);
    while (gallop.low < gallop.high) {
        const struct key probe = table_key_load(block, format, BLOCK_HEADER_SIZE, gallop.place);
        gallop_step(&gallop, key_less(probe, key));
    }
    return gallop.low;
}

void table_leaf_prefetch(
    const uint8_t *block, const struct table_format *format, uint32_t count, uint32_t guess
)
{
    const uint32_t key_bytes = format->shape.key_bits / 8;
    const struct table_arrays arrays = table_leaf_arrays(format, count);
    const uint32_t first = guess > 0 ? guess - 1 : 0; /* of three, for guesses are near */
    bytes_prefetch(block, LEAF_METADATA_END);
    bytes_prefetch(block + arrays.key_max + first * key_bytes, 3 * key_bytes);
    bytes_prefetch(block + arrays.key_min + first * key_bytes, 3 * key_bytes);
    bytes_prefetch(block + arrays.address + first * TABLE_ADDRESS_SIZE, 3 * TABLE_ADDRESS_SIZE);
    bytes_prefetch(block + arrays.checksum + first * TABLE_CHECKSUM_SIZE, 3 * TABLE_CHECKSUM_SIZE);
}

uint32_t table_root_find(const uint8_t *block, const struct table_format *format, struct key key)
{
    return table_key_find(block, format, load_u32(block + ROOT_LEAF_COUNT), key);
}

/* Entries of child `index` where all are full but the last: `total` things, `full` to a child. */
static uint32_t table_share(uint64_t total, uint32_t full, uint64_t index)
{
    assert(index * full < total);
    return (uint32_t)min_u64(full, total - index * full);
}

struct table_range table_root_range_at(
    const uint8_t *block,
    const struct table_format *format,
    const struct table_info *info,
    uint32_t index
)
{
    const struct table_root root = table_root_decode(block);
    struct table_range range = {
        .key_max = table_root_entry_at(block, format, index).key_max,
        .count = table_share(root.value_block_count, format->geometry.leaf_fanout, index),
        .is_exact = index == 0 && !info->is_trimmed, /* a trimmed table's blocks begin below it */
    };
    if (range.is_exact) range.key_min = info->key_min;
    if (index > 0) {
        range.key_min = key_successor(table_root_entry_at(block, format, index - 1).key_max);
    }
    return range;
}

struct table_range table_leaf_range_at(
    const uint8_t *block,
    const struct table_format *format,
    uint64_t record_count,
    uint32_t leaf_index,
    uint32_t index
)
{
    const struct table_leaf_entry entry = table_leaf_entry_at(block, format, index);
    const uint64_t block_index = (uint64_t)leaf_index * format->geometry.leaf_fanout + index;
    return (struct table_range){
        .key_min = entry.key_min,
        .key_max = entry.key_max,
        .count = table_share(record_count, format->geometry.records_per_block, block_index),
        .is_exact = true,
    };
}

uint64_t table_root_stale_count(const uint8_t *block, const struct table_info *info)
{
    const uint64_t record_count = table_root_decode(block).record_count;
    assert(record_count >= info->value_count);
    return record_count - info->value_count;
}

/* ---- Faults --------------------------------------------------------------------------------- */

static const char *table_header_fault(
    const uint8_t *block, const struct table_format *format, enum block_type type, uint32_t used
)
{
    const struct block_header *header = block_header_read(block);
    if (header->type != type)
        return "block is not of the type that its place in the table asks for";
    if (header->tree != format->tree) return "block belongs to another tree";
    if (!bytes_are_zero(block + used, METADATA_END - used)) {
        return "unused metadata of a table block is not zero";
    }
    return NULL;
}

static const char other_records[] =
    "value block holds another number of records than its table says";
static const char other_entries[] = "leaf holds another number of entries than its root says";

static const char *table_range_fault(
    const struct table_range *range, struct key key_min, struct key key_max
)
{
    if (!key_equal(key_max, range->key_max)) {
        return "table block ends at another key than its parent says";
    }
    if (range->is_exact ? !key_equal(key_min, range->key_min) : key_less(key_min, range->key_min)) {
        return "table block begins at another key than its parent says";
    }
    return NULL;
}

const char *table_value_count_fault(
    uint32_t size, const struct table_format *format, const struct table_range *range
)
{
    assert(range->count <= format->geometry.records_per_block);
    const uint64_t records = (uint64_t)range->count * format->shape.record_size;
    return size == BLOCK_HEADER_SIZE + records ? NULL : other_records;
}

const char *table_leaf_count_fault(
    uint32_t size, const struct table_format *format, const struct table_range *range
)
{
    assert(range->count <= format->geometry.leaf_fanout);
    return size == table_leaf_arrays(format, range->count).end ? NULL : other_entries;
}

const char *table_value_size_fault(
    const uint8_t *block, const struct table_format *format, const struct table_range *range
)
{
    const char *fault = table_header_fault(block, format, BLOCK_VALUE, VALUE_METADATA_END);
    if (fault != NULL) return fault;

    const uint32_t count = table_value_count(block);
    const uint64_t size = BLOCK_HEADER_SIZE + (uint64_t)count * format->shape.record_size;
    if (load_u32(block + VALUE_RECORD_SIZE) != format->shape.record_size) {
        return "records of a value block are not of the tree's size";
    }
    if (load_u32(block + VALUE_COUNT_MAX) != format->geometry.records_per_block) {
        return "value block is made for another number of records";
    }
    if (count == 0 || count > format->geometry.records_per_block || count != range->count) {
        return other_records;
    }
    if (block_header_read(block)->size != size) return "size of a value block is not its records'";
    return NULL;
}

const char *table_value_place_fault(
    const uint8_t *block, const struct table_format *format, const struct table_range *range
)
{
    const char *fault = table_value_size_fault(block, format, range);
    if (fault != NULL) return fault;

    const struct record_shape *shape = &format->shape;
    const uint8_t *records = table_value_records(block);
    const uint8_t *last = records + (uint64_t)(table_value_count(block) - 1) * shape->record_size;
    return table_range_fault(range, record_key(shape, records), record_key(shape, last));
}

const char *table_value_fault(
    const uint8_t *block, const struct table_format *format, const struct table_range *range
)
{
    const char *fault = table_value_place_fault(block, format, range);
    if (fault != NULL) return fault;

    const uint32_t count = table_value_count(block);
    if (!format->kernels->is_sorted(&format->shape, table_value_records(block), count)) {
        return "records of a value block do not ascend";
    }
    return NULL;
}

const char *table_leaf_size_fault(
    const uint8_t *block, const struct table_format *format, const struct table_range *range
)
{
    const char *fault = table_header_fault(block, format, BLOCK_LEAF, LEAF_METADATA_END);
    if (fault != NULL) return fault;

    const uint32_t count = table_leaf_count(block);
    if (load_u32(block + LEAF_KEY_BYTES) != format->shape.key_bits / 8) {
        return "keys of a leaf are not of the tree's size";
    }
    if (count == 0 || count > format->geometry.leaf_fanout || count != range->count) {
        return other_entries;
    }
    if (block_header_read(block)->size != table_leaf_arrays(format, count).end) {
        return "size of a leaf is not its entries'";
    }
    return NULL;
}

const char *table_leaf_place_fault(
    const uint8_t *block, const struct table_format *format, const struct table_range *range
)
{
    const char *fault = table_leaf_size_fault(block, format, range);
    if (fault != NULL) return fault;
    const struct key key_min = table_leaf_entry_at(block, format, 0).key_min;
    const uint32_t last = table_leaf_count(block) - 1;
    return table_range_fault(range, key_min, table_leaf_entry_at(block, format, last).key_max);
}

const char *table_leaf_fault(
    const uint8_t *block, const struct table_format *format, const struct table_range *range
)
{
    const char *fault = table_leaf_place_fault(block, format, range);
    if (fault != NULL) return fault;

    const uint32_t count = table_leaf_count(block);
    struct key before = {{0, 0, 0}};
    for (uint32_t index = 0; index < count; index += 1) {
        const struct table_leaf_entry entry = table_leaf_entry_at(block, format, index);
        if (key_less(entry.key_max, entry.key_min)) return "key range of a value block is reversed";
        if (index > 0 && !key_less(before, entry.key_min)) return "entries of a leaf do not ascend";
        if (entry.address == 0 || entry.address > format->block_count_max) {
            return "address of a value block is out of range";
        }
        before = entry.key_max;
    }
    return NULL;
}

const char *table_root_size_fault(
    const uint8_t *block, const struct table_format *format, const struct table_info *info
)
{
    const char *fault = table_header_fault(block, format, BLOCK_ROOT, ROOT_METADATA_END);
    if (fault != NULL) return fault;

    const struct table_root root = table_root_decode(block);
    const struct table_geometry *geometry = &format->geometry;
    if (load_u32(block + ROOT_KEY_BYTES) != format->shape.key_bits / 8) {
        return "keys of a root are not of the tree's size";
    }
    if (load_u32(block + ROOT_RESERVED) != 0) return "reserved bytes of a root are not zero";
    const bool is_count_right = info->is_trimmed ? root.record_count > info->value_count
                                                 : root.record_count == info->value_count;
    if (root.record_count == 0 || !is_count_right) {
        return "table holds another number of records than the manifest says";
    }
    if (root.value_block_count > geometry->value_blocks_max ||
        root.value_block_count != div_ceil_u64(root.record_count, geometry->records_per_block)) {
        return "number of value blocks of a table is not its records'";
    }
    if (root.leaf_count != div_ceil_u64(root.value_block_count, geometry->leaf_fanout)) {
        return "number of leaves of a table is not its value blocks'";
    }
    if (root.filter_count != table_filter_count(geometry, root.record_count)) {
        return "number of filter blocks of a table is not its records'";
    }
    const struct table_arrays arrays =
        table_root_arrays(format, root.leaf_count, root.filter_count);
    if (block_header_read(block)->size != arrays.end) return "size of a root is not its entries'";
    return NULL;
}

static bool table_reference_is_sane(
    struct block_reference reference, const struct table_format *format
)
{
    return reference.address > 0 && reference.address <= format->block_count_max &&
           reference.copy_address <= format->block_count_max;
}

const char *table_root_place_fault(
    const uint8_t *block, const struct table_format *format, const struct table_info *info
)
{
    const char *fault = table_root_size_fault(block, format, info);
    if (fault != NULL) return fault;
    const uint32_t last = table_root_decode(block).leaf_count - 1;
    if (!key_equal(table_root_entry_at(block, format, last).key_max, info->key_max)) {
        return "table ends at another key than the manifest says";
    }
    if (!info->is_trimmed &&
        key_less(table_root_entry_at(block, format, 0).key_max, info->key_min)) {
        return "entries of a root do not ascend";
    }
    return NULL;
}

const char *table_root_fault(
    const uint8_t *block, const struct table_format *format, const struct table_info *info
)
{
    const char *fault = table_root_place_fault(block, format, info);
    if (fault != NULL) return fault;

    const struct table_root root = table_root_decode(block);
    for (uint32_t index = 0; index < root.leaf_count; index += 1) {
        const struct table_root_entry entry = table_root_entry_at(block, format, index);
        if (index > 0 &&
            !key_less(table_root_entry_at(block, format, index - 1).key_max, entry.key_max)) {
            return "entries of a root do not ascend";
        }
        if (!table_reference_is_sane(entry.reference, format)) {
            return "address of a leaf is out of range";
        }
    }
    for (uint32_t index = 0; index < root.filter_count; index += 1) {
        if (!table_reference_is_sane(table_root_filter_at(block, format, index), format)) {
            return "address of a filter block is out of range";
        }
    }
    return NULL;
}

/* ---- Bounds --------------------------------------------------------------------------------- */

static const char too_many[] = "more of a trimmed table lies within its bounds than it counts";
static const char too_few[] = "less of a trimmed table lies within its bounds than it counts";

/* A block ends within the bounds exactly if one of its records is to lie there. */
static const char *table_block_end_fault(
    const struct table_format *format,
    const struct table_info *info,
    uint64_t record_count,
    uint64_t block,
    struct key key_max
)
{
    const uint64_t first_live =
        (record_count - info->value_count) / format->geometry.records_per_block;
    const bool ends_below = key_less(key_max, info->key_min);
    if (ends_below == (block < first_live)) return NULL;
    return ends_below ? too_few : too_many;
}

const char *table_bound_fault(
    const struct table_format *format,
    const struct table_info *info,
    uint64_t record_count,
    uint64_t block,
    const struct table_leaf_entry *entry
)
{
    assert(record_count >= info->value_count);
    const char *fault = table_block_end_fault(format, info, record_count, block, entry->key_max);
    if (fault != NULL) return fault;

    const uint64_t stale = record_count - info->value_count;
    const bool begins_below = key_less(entry->key_min, info->key_min);
    if (begins_below != (block * format->geometry.records_per_block < stale)) {
        return begins_below ? too_few : too_many;
    }
    if (stale == 0 && block == 0 && !key_equal(entry->key_min, info->key_min)) {
        return "table begins at another key than the manifest says";
    }
    return NULL;
}

const char *table_leaf_bound_fault(
    const uint8_t *root,
    const struct table_format *format,
    const struct table_info *info,
    uint32_t leaf_index
)
{
    if (leaf_index == 0) return NULL;
    const uint64_t record_count = table_root_decode(root).record_count;
    const uint64_t block = (uint64_t)leaf_index * format->geometry.leaf_fanout - 1;
    const struct key key_max = table_root_entry_at(root, format, leaf_index - 1).key_max;
    return table_block_end_fault(format, info, record_count, block, key_max);
}

const char *table_bounds_fault(
    const uint8_t *root,
    const uint8_t *leaf,
    const struct table_format *format,
    const struct table_info *info,
    uint32_t leaf_index,
    uint32_t index
)
{
    const uint64_t record_count = table_root_decode(root).record_count;
    const uint64_t block = (uint64_t)leaf_index * format->geometry.leaf_fanout + index;
    const struct table_leaf_entry entry = table_leaf_entry_at(leaf, format, index);
    const char *fault = table_bound_fault(format, info, record_count, block, &entry);
    if (fault != NULL) return fault;
    if (index == 0) return table_leaf_bound_fault(root, format, info, leaf_index);
    const struct table_leaf_entry before = table_leaf_entry_at(leaf, format, index - 1);
    return table_block_end_fault(format, info, record_count, block - 1, before.key_max);
}

/* ---- Filters -------------------------------------------------------------------------------- */

struct table_filter_range table_filter_range_at(
    const struct table_geometry *geometry, uint64_t record_count, uint32_t index
)
{
    assert(geometry->filter_fanout > 0);
    const uint32_t total = filter_bucket_count(record_count);
    return (struct table_filter_range){
        .bucket_first = index * geometry->filter_fanout,
        .bucket_count = table_share(total, geometry->filter_fanout, index),
        .bucket_total = total,
    };
}

uint32_t table_filter_find(
    const struct table_geometry *geometry, uint64_t record_count, uint64_t hash
)
{
    assert(geometry->filter_fanout > 0);
    return filter_bucket(hash, filter_bucket_count(record_count)) / geometry->filter_fanout;
}

/* Where the bucket of a hash lies, which leads to the block that holds this range. */
static uint32_t table_filter_offset(struct table_filter_range range, uint64_t hash)
{
    const uint32_t index = filter_bucket(hash, range.bucket_total) - range.bucket_first;
    assert(index < range.bucket_count);
    return BLOCK_HEADER_SIZE + index * FILTER_BUCKET_SIZE;
}

void table_filter_clear(uint8_t *block, struct table_filter_range range)
{
    bytes_zero(block + BLOCK_HEADER_SIZE, (uint64_t)range.bucket_count * FILTER_BUCKET_SIZE);
}

void table_filter_insert(uint8_t *block, struct table_filter_range range, uint64_t hash)
{
    filter_bucket_insert(block + table_filter_offset(range, hash), hash);
}

bool table_filter_contains(const uint8_t *block, struct table_filter_range range, uint64_t hash)
{
    return filter_bucket_contains(block + table_filter_offset(range, hash), hash);
}

void table_filter_prefetch(const uint8_t *block, struct table_filter_range range, uint64_t hash)
{
    bytes_prefetch(block, BLOCK_HEADER_SIZE);
    bytes_prefetch(block + table_filter_offset(range, hash), FILTER_BUCKET_SIZE);
}

uint64_t table_key_hash(const struct table_format *format, struct key key)
{
    uint8_t bytes[KEY_BYTES_MAX];
    key_store(bytes, (enum key_bits)format->shape.key_bits, key);
    return filter_hash(bytes, format->shape.key_bits / 8);
}

void table_filter_encode(
    uint8_t *block, const struct table_format *format, struct table_filter_range range
)
{
    assert(range.bucket_count <= format->geometry.filter_fanout);
    const uint32_t size = BLOCK_HEADER_SIZE + range.bucket_count * FILTER_BUCKET_SIZE;
    table_header_encode(block, format, BLOCK_FILTER, size);
    store_u32(block + FILTER_BUCKET_COUNT, range.bucket_count);
    store_u32(block + FILTER_BUCKET_FIRST, range.bucket_first);
    store_u32(block + FILTER_BUCKET_TOTAL, range.bucket_total);
}

const char *table_filter_fault(
    const uint8_t *block, const struct table_format *format, const struct table_filter_range *range
)
{
    const char *fault = table_header_fault(block, format, BLOCK_FILTER, FILTER_METADATA_END);
    if (fault != NULL) return fault;

    if (load_u32(block + FILTER_BUCKET_COUNT) != range->bucket_count ||
        load_u32(block + FILTER_BUCKET_FIRST) != range->bucket_first ||
        load_u32(block + FILTER_BUCKET_TOTAL) != range->bucket_total) {
        return "filter block holds other buckets than its table's records ask for";
    }
    const uint32_t size = BLOCK_HEADER_SIZE + range->bucket_count * FILTER_BUCKET_SIZE;
    if (block_header_read(block)->size != size) return "size of a filter block is not its buckets'";
    return NULL;
}
