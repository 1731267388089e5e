/* Objects and values as trees hold them: order-preserving codes, records, key ranges, and the
 * one definition of an object that may be stored.
 *
 * Code       The value of a field as an unsigned number of field_order_bytes() bytes, such that
 *            codes are in the order of the values: unsigned, bool and timestamp as they are;
 *            signed, time and decimal with the sign bit flipped; floats by total order (all bits
 *            flipped if negative, else the sign bit); u128 and uuid as they are; text and bytes:
 *            their first 16 bytes, most significant first.
 * Prefix     The codes of an index's fields, the first one most significant, as one number of
 *            index->order_bytes bytes, right-aligned: (a << bits of b) + b. Up to 8 bytes it is a
 *            u64 (records of 16 bytes), above a u128 (24 bytes). Of a hashed index (`index hash`)
 *            the prefix is hash_64() of the value's bytes as they lie on disk: it says nothing of
 *            order, and two values may share it.
 * Left out   An object is left out of an index while one of the index's fields is zero that the
 *            index leaves out (index_leaves_zero_out()); the whole value counts, not its first 16
 *            bytes. So such an index answers only for conditions that zero fails, on every such
 *            field. */
#ifndef TACTUS_FOREST_CODEC_H
#define TACTUS_FOREST_CODEC_H

#include "base/status.h"
#include "forest/field.h"
#include "forest/schema.h"
#include "lsm/key.h"
#include "lsm/record.h"

#include <stdbool.h>
#include <stdint.h>

enum { INDEX_RECORD_SIZE_MAX = 24 };

/* The highest timestamp: 63 bits, all set. */
#define TIMESTAMP_MAX ((uint64_t)INT64_MAX)

struct code {
    uint64_t high, low;
};

static inline bool code_less(struct code a, struct code b)
{
    return a.high != b.high ? a.high < b.high : a.low < b.low;
}

static inline bool code_equal(struct code a, struct code b)
{
    return a.high == b.high && a.low == b.low;
}

/* The highest code of this many bytes, 1 to 16: all bits set. */
struct code code_max(uint32_t bytes);

/* The code of a value: `value` has field->size bytes in native order, at any alignment, and is one
 * that object_normalise() leaves as it is. Not of reserved fields. */
struct code codec_encode(const struct field *field, const void *value);

/* Below zero, zero, above it: the order of two values of a field, in full (texts beyond their first
 * 16 bytes, too). The same order as that of their codes. */
int codec_compare(const struct field *field, const void *a, const void *b);

/* The record shape of a tree. */
struct record_shape codec_shape(const struct tree_place *place);

/* ---- Records -------------------------------------------------------------------------------- */

uint64_t object_timestamp(const struct collection_schema *collection, const void *object);
void object_timestamp_set(
    const struct collection_schema *collection, void *object, uint64_t timestamp
);

/* The key of an id, or of a map: uint64_t or struct tactus_u128, as the field is, in native
 * order. */
struct key codec_id_key(const struct collection_schema *collection, const void *id);

/* Writes the record of the id tree, 16 or 24 bytes. The collection has an id, and is no map. */
void codec_id_record(
    const struct collection_schema *collection, const void *id, uint64_t timestamp, void *record
);

/* A map's record is its key, a flag word, and what stands behind the key in the object, 8 bytes
 * more than the object: { u64 or u128 key, u64 0, ... }. */

/* Bytes of it. */
static inline uint32_t codec_map_record_bytes(const struct collection_schema *map)
{
    return map->object_bytes + 8;
}

/* A key as records and events have it, id_bytes of them, little-endian. (The key of an object of a
 * map is codec_id_key(): it stands at its start.) */
void codec_map_key_store(const struct collection_schema *map, struct key key, void *bytes);
struct key codec_map_key_load(const struct collection_schema *map, const void *bytes);

/* Writes the record of an object, which is normalised and in native order. They may not overlap. */
void codec_map_record(const struct collection_schema *map, const void *object, void *record);

/* Writes the record that hides a key. */
void codec_map_tombstone(const struct collection_schema *map, struct key key, void *record);

/* The object of a record that is no tombstone, in native order. They may not overlap. */
void codec_map_object(const struct collection_schema *map, const void *record, void *object);

/* The object of a record of the object tree, a map's or not, that is no tombstone: in native order.
 * They may not overlap. */
void codec_object_of_record(
    const struct collection_schema *collection, const void *record, void *object
);

/* Writes the object's record of an index, 16 or 24 bytes, and returns true; or returns false and
 * writes nothing if the index leaves the object out. The object is normalised and has its
 * timestamp. R2: an update changes an index if one of its two objects is left out and the other
 * is not, or if the two records differ. */
bool codec_index_record(
    const struct collection_schema *collection,
    const struct index_schema *index,
    const void *object,
    void *record
);

/* ---- Key ranges ----------------------------------------------------------------------------- */

/* A range of codes, both ends included. */
struct code_range {
    struct code min, max;
};

/* Timestamps, both ends included. */
struct timestamp_range {
    uint64_t min, max;
};

struct key_bounds {
    struct key min, max; /* both included */
};

/* The keys of an index between which all entries lie that have a code of `ranges[i]` in field i
 * for i < range_count, and a timestamp of `timestamps`. Of the ranges all but the last hold one
 * code (min equals max); fields from range_count on are free. Entries between these keys need
 * not fulfil the bounds of the timestamps unless every field of the index has one code. Not of a
 * hashed index. */
struct key_bounds codec_index_range(
    const struct collection_schema *collection,
    const struct index_schema *index,
    const struct code_range *ranges,
    uint32_t range_count,
    struct timestamp_range timestamps
);

/* The keys of a hashed index between which, in timestamp order, all entries lie that have this
 * value and a timestamp of `timestamps`; and those of values that share its hash. `value` is as
 * of codec_encode(). */
struct key_bounds codec_hash_range(
    const struct collection_schema *collection,
    const struct index_schema *index,
    const void *value,
    struct timestamp_range timestamps
);

/* The key of an id with this code. */
struct key codec_id_key_of_code(const struct collection_schema *collection, struct code code);

/* ---- Objects -------------------------------------------------------------------------------- */

/* Makes an object fit to be stored, in place: padding and what follows the first zero byte of a
 * text become zero, -0.0 becomes 0.0. INVALID: *bad_field is the first field whose value it
 * cannot hold: a text that is not UTF-8, a NaN, a bool above 1, a reserved byte that is not
 * zero. The timestamp is not looked at. */
enum tactus_status object_normalise(
    const struct collection_schema *collection, void *object, uint32_t *bad_field
) __attribute__((warn_unused_result));

/* Why these bytes cannot be an object that object_normalise() has passed, or NULL: for what is read
 * from a file. The object is in native order. */
const char *object_fault(const struct collection_schema *collection, const void *object);

/* Native order to little-endian and back, in place: nothing at all on a little-endian CPU. */
void object_to_disk(const struct collection_schema *collection, void *object);
void object_from_disk(const struct collection_schema *collection, void *object);

#endif
