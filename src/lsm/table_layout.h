/* Bodies of the blocks of a table (SSTable) on disk, and how many of them a table has.
 *
 *   root --> leaf --> value block
 *    '-----> filter block, in trees that are asked for single keys (R12)
 *
 *   value   u32 record_count, u32 record_size, u32 record_count_max; then the records, keys
 *           strictly ascending
 *   leaf    u32 count, u32 key_bytes; then four arrays of `count`, without gaps: key_max, key_min,
 *           u64 address and checksum[16] of each value block
 *   filter  u32 bucket_count, u32 bucket_first, u32 bucket_total; then the buckets of 32 bytes that
 *           begin at bucket_first of the table's one filter (lsm/filter.h)
 *   root    u32 leaf_count, u32 key_bytes, u32 filter_count, u32 reserved, u64 record_count, u64
 *           value_block_count; then arrays of leaf_count: key_max and a block_reference[32] of each
 *           leaf; then a block_reference[32] of each filter block
 *
 * What stands before the semicolon is in the header's metadata, whose rest is zero. The header's
 * size ends with the last element. All little-endian; docs/format.md has the offsets. */
#ifndef TACTUS_LSM_TABLE_LAYOUT_H
#define TACTUS_LSM_TABLE_LAYOUT_H

#include "lsm/filter.h"
#include "lsm/kernel.h"
#include "lsm/key.h"
#include "lsm/record.h"
#include "lsm/table_info.h"
#include "storage/block.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    TABLE_ADDRESS_SIZE = 8,    /* of a value block, in a leaf */
    TABLE_CHECKSUM_SIZE = 16,  /* of a value block, in a leaf */
    TABLE_REFERENCE_SIZE = 32, /* of a leaf or a filter block, in a root */
};

/* Sizes of one tree's tables: a function of its shape and of the file's options. */
struct table_geometry {
    uint32_t block_size;
    uint32_t records_per_block;
    uint32_t value_blocks_max; /* a table is filled until its blocks are full ... */
    uint32_t records_max;      /* ... so this may exceed value_count_max */
    uint32_t leaf_fanout;      /* value blocks that one leaf can address */
    uint32_t leaves_max;       /* leaves of a full table */
    uint32_t filter_fanout;    /* buckets of a full filter block; 0: tables have no filters */
    uint32_t filters_max;      /* filter blocks of a full table */
    uint32_t blocks_max;       /* blocks of a full table: of values, leaves, filters, the root */
    uint32_t
        memory_count_max; /* records of a mutable table: a bar, and the tail of one beat (R1) */
};

enum table_fit {
    TABLE_FITS,
    TABLE_RECORD_TOO_LARGE, /* a record exceeds half of a block's body (R13) */
    TABLE_TOO_LARGE         /* a bar exceeds what a root can address (R13) */
};

/* `record_max` records come in a full beat, `value_count_max` in a full bar. The geometry is set
 * whole only if TABLE_FITS. Pure: nothing of an open file is needed. */
enum table_fit table_geometry_init(
    struct table_geometry *geometry,
    const struct record_shape *shape,
    uint32_t block_size,
    uint32_t record_max,
    uint32_t value_count_max
);

/* Filter blocks of a table of so many records, at least one; none in trees without filters. */
uint32_t table_filter_count(const struct table_geometry *geometry, uint64_t record_count);

/* Hashes that a builder has to keep for the filter of a full table. */
uint32_t table_filter_hashes_max(const struct table_geometry *geometry);

/* All that builders and readers of one tree's tables share. */
struct table_format {
    struct record_shape shape;
    const struct kernels *kernels;
    struct table_geometry geometry;
    uint64_t block_count_max; /* addresses are 1 to this */
    uint16_t tree;
};

/* What the parent says about a child: a leaf or a value block. */
struct table_range {
    struct key key_min; /* the lowest key is this one if is_exact, else not below this one */
    struct key key_max; /* the highest key, exactly */
    uint32_t count;     /* of its entries or records, exactly: only the last ones are not full */
    bool is_exact;
};

/* Which part of the table's filter a filter block holds. */
struct table_filter_range {
    uint32_t bucket_first;
    uint32_t bucket_count; /* of this block, from bucket_first on */
    uint32_t bucket_total; /* of the whole filter */
};

/* Why bytes whose checksum held cannot be a block that our builder wrote for this tree and place,
 * or NULL if they can be. Builders assert these, readers turn them into TACTUS_CORRUPT: no count,
 * key or address is used before. Cost: O(entries). */
const char *table_root_fault(
    const uint8_t *block, const struct table_format *format, const struct table_info *info
);
const char *table_leaf_fault(
    const uint8_t *block, const struct table_format *format, const struct table_range *range
);
const char *table_value_fault(
    const uint8_t *block, const struct table_format *format, const struct table_range *range
);

/* The same in O(1), for any bits can be a filter's; whether they hide a key, verify finds out. */
const char *table_filter_fault(
    const uint8_t *block, const struct table_format *format, const struct table_filter_range *range
);

/* The O(1) part of the above: counts and sizes, so that no access to an entry or a record leaves
 * the block. Enough for a search in a block that was checked whole when it was read from disk. */
const char *table_root_size_fault(
    const uint8_t *block, const struct table_format *format, const struct table_info *info
);
const char *table_leaf_size_fault(
    const uint8_t *block, const struct table_format *format, const struct table_range *range
);
const char *table_value_size_fault(
    const uint8_t *block, const struct table_format *format, const struct table_range *range
);

/* The O(1) part that depends on who names the block: its counts, its sizes, and the keys where it
 * begins and ends. With it a block that was checked whole before, whoever named it then, is as good
 * as checked whole again. */
const char *table_root_place_fault(
    const uint8_t *block, const struct table_format *format, const struct table_info *info
);
const char *table_leaf_place_fault(
    const uint8_t *block, const struct table_format *format, const struct table_range *range
);
const char *table_value_place_fault(
    const uint8_t *block, const struct table_format *format, const struct table_range *range
);

/* Of a block that was found to be a whole leaf or value block of this tree, and that takes `size`
 * bytes: whether that is as many entries or records as this parent says. Enough for a search. */
const char *table_leaf_count_fault(
    uint32_t size, const struct table_format *format, const struct table_range *range
);
const char *table_value_count_fault(
    uint32_t size, const struct table_format *format, const struct table_range *range
);

/* What the root says of its leaf, and a leaf of its value block. The index block was checked. */
struct table_range table_root_range_at(
    const uint8_t *block,
    const struct table_format *format,
    const struct table_info *info,
    uint32_t index
);
struct table_range table_leaf_range_at(
    const uint8_t *block,
    const struct table_format *format,
    uint64_t record_count, /* of the root */
    uint32_t leaf_index,
    uint32_t index
);

/* What filter block `index` of a table of so many records has to hold. */
struct table_filter_range table_filter_range_at(
    const struct table_geometry *geometry, uint64_t record_count, uint32_t index
);

struct table_root {
    uint32_t leaf_count;
    uint32_t filter_count;
    uint64_t record_count; /* as it was built; of a trimmed table more than it still has */
    uint64_t value_block_count;
};
struct table_root table_root_decode(const uint8_t *block);
uint32_t table_leaf_count(const uint8_t *block);  /* value blocks of a leaf */
uint32_t table_value_count(const uint8_t *block); /* records of a value block */

/* Records at the front of a table that lie below its bound: 0, unless it was trimmed. The root was
 * checked. */
uint64_t table_root_stale_count(const uint8_t *block, const struct table_info *info);

/* Sets size, tree, type and metadata of a block whose body is complete; its header was zero. */
void table_root_encode(uint8_t *block, const struct table_format *format, struct table_root root);
void table_leaf_encode(uint8_t *block, const struct table_format *format, uint32_t count);
void table_value_encode(uint8_t *block, const struct table_format *format, uint32_t count);
void table_filter_encode(
    uint8_t *block, const struct table_format *format, struct table_filter_range range
);

/* Entries of index blocks that were encoded, and checked; index is below the count. */
struct table_leaf_entry {
    struct key key_min, key_max;
    uint64_t address;
    struct checksum checksum;
};
struct table_root_entry {
    struct key key_max;
    struct block_reference reference;
};
struct table_leaf_entry table_leaf_entry_at(
    const uint8_t *block, const struct table_format *format, uint32_t index
);
struct table_root_entry table_root_entry_at(
    const uint8_t *block, const struct table_format *format, uint32_t index
);

struct block_reference table_root_filter_at(
    const uint8_t *block, const struct table_format *format, uint32_t index
);

/* Why value block number `block` of a table of so many records cannot be where its bounds say
 * (R18), or NULL: records that the manifest does not count lie below key_min, and no others do. As
 * far as the leaf's entry tells: how many lie below in the one block that the bound runs through,
 * its records show. Whoever asks of each block that it reads shows none beyond the bounds, whatever
 * the manifest says. O(1). */
const char *table_bound_fault(
    const struct table_format *format,
    const struct table_info *info,
    uint64_t record_count, /* of the root */
    uint64_t block,
    const struct table_leaf_entry *entry
);

/* The same of block `index` of a leaf, and of where the block before it ends. O(1). */
const char *table_bounds_fault(
    const uint8_t *root,
    const uint8_t *leaf,
    const struct table_format *format,
    const struct table_info *info,
    uint32_t leaf_index,
    uint32_t index
);

/* The same of where a leaf begins: the block before its first one, if there is one. O(1). */
const char *table_leaf_bound_fault(
    const uint8_t *root,
    const struct table_format *format,
    const struct table_info *info,
    uint32_t leaf_index
);

/* Index blocks are built in arrays of full size; encoding moves them together. */
void table_leaf_entry_set(
    uint8_t *block, const struct table_format *format, uint32_t index, struct table_leaf_entry entry
);
void table_root_entry_set(
    uint8_t *block, const struct table_format *format, uint32_t index, struct table_root_entry entry
);

void table_root_filter_set(
    uint8_t *block,
    const struct table_format *format,
    uint32_t index,
    struct block_reference reference
);

/* A filter block while it is built: bits of `range` are all clear, then those of a key are set. */
void table_filter_clear(uint8_t *block, struct table_filter_range range);
void table_filter_insert(uint8_t *block, struct table_filter_range range, uint64_t hash);

/* Which filter block of a table of so many records a key's hash leads to. */
uint32_t table_filter_find(
    const struct table_geometry *geometry, uint64_t record_count, uint64_t hash
);

/* Whether a key of this hash, which leads to this block, may be in the table. */
bool table_filter_contains(const uint8_t *block, struct table_filter_range range, uint64_t hash);

/* Has the CPU fetch what table_filter_fault() and table_filter_contains() will look at. */
void table_filter_prefetch(const uint8_t *block, struct table_filter_range range, uint64_t hash);

/* The hash of a key of the tree's width. */
uint64_t table_key_hash(const struct table_format *format, struct key key);

/* The first entry whose key_max is not below `key`; the count if there is none. */
uint32_t table_leaf_find(const uint8_t *block, const struct table_format *format, struct key key);
uint32_t table_root_find(const uint8_t *block, const struct table_format *format, struct key key);

/* The same of a leaf of `count` entries, by a search that begins at `guess`, which is below. */
uint32_t table_leaf_find_near(
    const uint8_t *block,
    const struct table_format *format,
    uint32_t count,
    uint32_t guess,
    struct key key
);

/* Has the CPU fetch what this search, and then table_leaf_entry_at() of what it finds, will look
 * at if the guess is good. */
void table_leaf_prefetch(
    const uint8_t *block, const struct table_format *format, uint32_t count, uint32_t guess
);

static inline const void *table_value_records(const uint8_t *block)
{
    return block + BLOCK_HEADER_SIZE;
}

#endif
