/* What a tree stores: records of one size, with their key inside them.
 *
 *   tree             record                        key                       tombstone: bit 63 of
 *   object           the object                    its timestamp             the timestamp
 *   id, 64 bits      { u64 id, u64 timestamp }     id                        the timestamp
 *   id, 128 bits     { u128 id, u64 timestamp }    id                        the timestamp
 *   map, 64 bits     { u64 key, u64 0, value }     key                       the second u64
 *   map, 128 bits    { u128 key, u64 0, value }    key                       the third u64
 *   index, 64 bits   { u64 prefix, u64 timestamp } prefix · 2^64 + timestamp the timestamp
 *   index, 128 bits  { u128 prefix, u64 timestamp} prefix · 2^64 + timestamp the timestamp
 *
 * Little-endian; a u128 is its low u64, then its high one. A timestamp has 63 bits, and the key
 * never holds bit 63 of the flag word: a tombstone has the key of the record that it hides. */
#ifndef TACTUS_LSM_RECORD_H
#define TACTUS_LSM_RECORD_H

#include "base/assert.h"
#include "base/bytes.h"
#include "lsm/key.h"

#include <stdbool.h>
#include <stdint.h>

enum { RECORD_SIZE_MAX = 4096 };

#define RECORD_TOMBSTONE (UINT64_C(1) << 63)

struct record_shape {
    uint32_t record_size;   /* a multiple of 8, at most RECORD_SIZE_MAX */
    uint32_t key_bits;      /* enum key_bits */
    uint32_t key_offset;    /* of the key, or of its prefix in index trees */
    uint32_t flag_offset;   /* of the u64 whose bit 63 is the tombstone */
    bool key_has_timestamp; /* the key's low 64 bits are the flag word without bit 63 */
};

struct record_shape record_shape_object(uint32_t object_bytes, uint32_t timestamp_offset);
struct record_shape record_shape_id64(void);
struct record_shape record_shape_id128(void);
struct record_shape record_shape_index64(void);
struct record_shape record_shape_index128(void);

/* key_bytes: 8 or 16; object_bytes: of key and value, without the flag word between them. */
struct record_shape record_shape_map(uint32_t key_bytes, uint32_t object_bytes);

/* Asserts that a shape is one of the kinds above. */
void record_shape_check(const struct record_shape *shape);

static inline uint64_t record_flag_word(const struct record_shape *shape, const void *record)
{
    return load_u64((const uint8_t *)record + shape->flag_offset);
}

static inline bool record_is_tombstone(const struct record_shape *shape, const void *record)
{
    return (record_flag_word(shape, record) & RECORD_TOMBSTONE) != 0;
}

/* The flag word without its flag: the timestamp, in all trees of a collection. */
static inline uint64_t record_timestamp(const struct record_shape *shape, const void *record)
{
    return record_flag_word(shape, record) & ~RECORD_TOMBSTONE;
}

struct key record_key(const struct record_shape *shape, const void *record);

/* Whether tables of such records carry filters (R12): those of id trees and maps, which are asked
 * for single keys in no order. Objects are asked for by timestamps that are there, indexes for
 * ranges. */
static inline bool record_shape_has_filter(const struct record_shape *shape)
{
    return !shape->key_has_timestamp;
}

/* Makes the tombstone of its key out of a record, in place: all that is not key is zeroed. */
void record_make_tombstone(const struct record_shape *shape, void *record);

#endif
