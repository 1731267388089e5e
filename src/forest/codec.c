#include "forest/codec.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/integer.h"
#include "forest/native.h"

#include <stddef.h>
#include <string.h>

#include "base/poison.h"

struct code code_max(uint32_t bytes)
{
    assert(bytes >= 1);
    assert(bytes <= ORDER_BYTES_MAX);
    if (bytes == 16) return (struct code){UINT64_MAX, UINT64_MAX};
    if (bytes >= 8) return (struct code){(UINT64_C(1) << (bytes - 8) * 8) - 1, UINT64_MAX};
    return (struct code){0, (UINT64_C(1) << bytes * 8) - 1};
}

/* ---- Codes ---------------------------------------------------------------------------------- */

static struct code native_load_u128(const void *value)
{
    struct tactus_u128 number;
    memcpy(&number, value, sizeof number);
    return (struct code){.high = number.high, .low = number.low};
}

static uint64_t sign_bit(uint32_t size)
{
    return UINT64_C(1) << (size * 8 - 1);
}

/* The total order of IEEE 754: negative numbers descend with their bits, so those are flipped. */
static uint64_t float_code(uint64_t bits, uint32_t size)
{
    const uint64_t sign = sign_bit(size);
    if ((bits & sign) == 0) return bits | sign;
    return ~bits & (sign | (sign - 1));
}

static struct code string_code(const uint8_t *bytes, uint32_t count)
{
    struct code code = {0, 0};
    for (uint32_t i = 0; i < count; i += 1) {
        code.high = code.high << 8 | code.low >> 56;
        code.low = code.low << 8 | bytes[i];
    }
    return code;
}

/* The code of a value of at most 8 bytes that is no string. */
static uint64_t number_code(const struct field *field, const void *value)
{
    const uint64_t bits = native_load(value, field->size);
    switch ((enum tactus_type)field->type) {
    case TACTUS_TYPE_U8:
    case TACTUS_TYPE_U16:
    case TACTUS_TYPE_U32:
    case TACTUS_TYPE_U64:
    case TACTUS_TYPE_BOOL:
    case TACTUS_TYPE_TIMESTAMP: return bits;
    case TACTUS_TYPE_I8:
    case TACTUS_TYPE_I16:
    case TACTUS_TYPE_I32:
    case TACTUS_TYPE_I64:
    case TACTUS_TYPE_TIME:
    case TACTUS_TYPE_DECIMAL: return bits ^ sign_bit(field->size);
    case TACTUS_TYPE_F32:
    case TACTUS_TYPE_F64: return float_code(bits, field->size);
    case TACTUS_TYPE_U128:
    case TACTUS_TYPE_UUID:
    case TACTUS_TYPE_TEXT:
    case TACTUS_TYPE_BYTES:
    case TACTUS_TYPE_RESERVED: break;
    }
    assert(false);
    return 0;
}

struct code codec_encode(const struct field *field, const void *value)
{
    assert(field->type != TACTUS_TYPE_RESERVED);
    if (field_is_string(field)) return string_code(value, field_order_bytes(field));
    if (field->size == 16) return native_load_u128(value);
    return (struct code){.high = 0, .low = number_code(field, value)};
}

int codec_compare(const struct field *field, const void *a, const void *b)
{
    if (field_is_string(field)) return memcmp(a, b, field->size);
    if (field->size == 16) {
        const struct code code_a = native_load_u128(a);
        const struct code code_b = native_load_u128(b);
        return (int)code_less(code_b, code_a) - (int)code_less(code_a, code_b);
    }
    const uint64_t code_a = number_code(field, a);
    const uint64_t code_b = number_code(field, b);
    return (int)(code_b < code_a) - (int)(code_a < code_b);
}

/* ---- Bytes on disk --------------------------------------------------------------------------- */

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
static void bytes_reverse(uint8_t *bytes, uint32_t size)
{
    for (uint32_t i = 0; i < size / 2; i += 1) {
        const uint8_t byte = bytes[i];
        bytes[i] = bytes[size - 1 - i];
        bytes[size - 1 - i] = byte;
    }
}

static void value_swap(const struct field *field, uint8_t *value)
{
    if (field_is_string(field) || field->type == TACTUS_TYPE_RESERVED) return;
    if (field->size == 16) {
        bytes_reverse(value, 8);
        bytes_reverse(value + 8, 8);
    } else {
        bytes_reverse(value, field->size);
    }
}

static void object_swap(const struct collection_schema *collection, void *object)
{
    for (uint32_t i = 0; i < collection->field_count; i += 1) {
        const struct field *field = &collection->fields[i];
        value_swap(field, (uint8_t *)object + field->offset);
    }
}
#else
static void value_swap(const struct field *field, uint8_t *value)
{
    (void)field;
    (void)value;
}

static void object_swap(const struct collection_schema *collection, void *object)
{
    (void)collection;
    (void)object;
}
#endif

void object_to_disk(const struct collection_schema *collection, void *object)
{
    object_swap(collection, object);
}

void object_from_disk(const struct collection_schema *collection, void *object)
{
    object_swap(collection, object);
}

/* The prefix of a hashed index. Only strings are longer than 16 bytes, and they lie on disk as in
 * memory. */
static struct code value_hash(const struct field *field, const void *value)
{
    if (field_is_string(field)) return (struct code){0, hash_64(value, field->size)};
    uint8_t bytes[16];
    assert(field->size <= sizeof bytes);
    bytes_copy(bytes, value, field->size);
    value_swap(field, bytes);
    return (struct code){0, hash_64(bytes, field->size)};
}

struct record_shape codec_shape(const struct tree_place *place)
{
    const struct collection_schema *collection = place->collection;
    switch (place->kind) {
    case TREE_KIND_OBJECT:
        return record_shape_object(collection->object_bytes, collection->timestamp_offset);
    case TREE_KIND_ID:
        assert(collection->id_field != FIELD_NONE);
        return collection->id_bytes == 8 ? record_shape_id64() : record_shape_id128();
    case TREE_KIND_INDEX:
        return place->index->order_bytes <= 8 ? record_shape_index64() : record_shape_index128();
    case TREE_KIND_MAP: return record_shape_map(collection->id_bytes, collection->object_bytes);
    }
    assert(false);
    return (struct record_shape){0};
}

/* ---- Records -------------------------------------------------------------------------------- */

uint64_t object_timestamp(const struct collection_schema *collection, const void *object)
{
    assert(!collection->is_map);
    return native_load((const uint8_t *)object + collection->timestamp_offset, 8);
}

void object_timestamp_set(
    const struct collection_schema *collection, void *object, uint64_t timestamp
)
{
    assert(!collection->is_map);
    assert(timestamp <= TIMESTAMP_MAX);
    memcpy((uint8_t *)object + collection->timestamp_offset, &timestamp, sizeof timestamp);
}

struct key codec_id_key_of_code(const struct collection_schema *collection, struct code code)
{
    assert(collection->id_field != FIELD_NONE);
    if (collection->id_bytes == 8) assert(code.high == 0);
    return key_from_u128(code.low, code.high);
}

struct key codec_id_key(const struct collection_schema *collection, const void *id)
{
    assert(collection->id_field != FIELD_NONE);
    return codec_id_key_of_code(
        collection, codec_encode(&collection->fields[collection->id_field], id)
    );
}

/* A code of up to 8 bytes, or of more, and a timestamp: what the records of id and index trees
 * are. */
static void code_record(struct code code, bool wide, uint64_t timestamp, uint8_t *record)
{
    assert(timestamp >= 1);
    assert(timestamp <= TIMESTAMP_MAX);
    store_u64(record, code.low);
    if (wide) {
        store_u64(record + 8, code.high);
    } else {
        assert(code.high == 0);
    }
    store_u64(record + (wide ? 16 : 8), timestamp);
}

void codec_id_record(
    const struct collection_schema *collection, const void *id, uint64_t timestamp, void *record
)
{
    assert(collection->id_field != FIELD_NONE);
    const struct code code = codec_encode(&collection->fields[collection->id_field], id);
    code_record(code, collection->id_bytes == 16, timestamp, record);
}

void codec_map_key_store(const struct collection_schema *map, struct key key, void *bytes)
{
    assert(map->is_map);
    key_store(bytes, map->id_bytes == 8 ? KEY_64 : KEY_128, key);
}

struct key codec_map_key_load(const struct collection_schema *map, const void *bytes)
{
    assert(map->is_map);
    return key_load(bytes, map->id_bytes == 8 ? KEY_64 : KEY_128);
}

void codec_map_record(const struct collection_schema *map, const void *object, void *record)
{
    assert(map->is_map);
    const uint32_t key_bytes = map->id_bytes;
    uint8_t disk[OBJECT_SIZE_MAX];
    bytes_copy(disk, object, map->object_bytes);
    object_to_disk(map, disk);
    uint8_t *bytes = record;
    bytes_copy(bytes, disk, key_bytes);
    store_u64(bytes + key_bytes, 0);
    bytes_copy(bytes + key_bytes + 8, disk + key_bytes, map->object_bytes - key_bytes);
}

void codec_map_tombstone(const struct collection_schema *map, struct key key, void *record)
{
    assert(map->is_map);
    uint8_t *bytes = record;
    bytes_zero(bytes, codec_map_record_bytes(map));
    codec_map_key_store(map, key, bytes);
    store_u64(bytes + map->id_bytes, RECORD_TOMBSTONE);
}

void codec_map_object(const struct collection_schema *map, const void *record, void *object)
{
    assert(map->is_map);
    const uint32_t key_bytes = map->id_bytes;
    const uint8_t *bytes = record;
    bytes_copy(object, bytes, key_bytes);
    bytes_copy((uint8_t *)object + key_bytes, bytes + key_bytes + 8, map->object_bytes - key_bytes);
    object_from_disk(map, object);
}

void codec_object_of_record(
    const struct collection_schema *collection, const void *record, void *object
)
{
    if (collection->is_map) {
        codec_map_object(collection, record, object);
        return;
    }
    bytes_copy(object, record, collection->object_bytes);
    object_from_disk(collection, object);
}

/* Appends a code of `bytes` bytes to a prefix, from the right. */
static struct code prefix_append(struct code prefix, struct code code, uint32_t bytes)
{
    if (bytes == 16) return code; /* the only one: nothing else fits */
    const uint32_t bits = bytes * 8;
    if (bits >= 64) {
        prefix.high = bits == 64 ? prefix.low : prefix.low << (bits - 64);
        prefix.low = 0;
    } else {
        prefix.high = prefix.high << bits | prefix.low >> (64 - bits);
        prefix.low <<= bits;
    }
    prefix.high |= code.high;
    prefix.low |= code.low;
    return prefix;
}

bool codec_index_record(
    const struct collection_schema *collection,
    const struct index_schema *index,
    const void *object,
    void *record
)
{
    struct code prefix = {0, 0};
    for (uint32_t i = 0; i < index->field_count; i += 1) {
        const struct field *field = &collection->fields[index->fields[i]];
        const uint8_t *value = (const uint8_t *)object + field->offset;
        const bool leaves_zero_out = index->sparse || field_is_optional(field);
        if (leaves_zero_out && bytes_are_zero(value, field->size)) return false;
        if (index->hashed) {
            prefix = value_hash(field, value);
            continue;
        }
        prefix = prefix_append(prefix, codec_encode(field, value), field_order_bytes(field));
    }
    code_record(prefix, index->order_bytes > 8, object_timestamp(collection, object), record);
    return true;
}

/* ---- Key ranges ----------------------------------------------------------------------------- */

static struct key prefix_key(
    const struct index_schema *index, struct code prefix, uint64_t timestamp
)
{
    if (index->order_bytes > 8) return key_from_prefix128(prefix.low, prefix.high, timestamp);
    assert(prefix.high == 0);
    return key_from_prefix64(prefix.low, timestamp);
}

struct key_bounds codec_index_range(
    const struct collection_schema *collection,
    const struct index_schema *index,
    const struct code_range *ranges,
    uint32_t range_count,
    struct timestamp_range timestamps
)
{
    assert(range_count <= index->field_count);
    assert(!index->hashed);
    assert(timestamps.min <= timestamps.max);
    assert(timestamps.max <= TIMESTAMP_MAX);
    struct code min = {0, 0};
    struct code max = {0, 0};
    for (uint32_t i = 0; i < index->field_count; i += 1) {
        const uint32_t bytes = field_order_bytes(&collection->fields[index->fields[i]]);
        struct code_range range = {{0, 0}, code_max(bytes)};
        if (i < range_count) range = ranges[i];
        assert(!code_less(range.max, range.min));
        assert(!code_less(code_max(bytes), range.max));
        if (i + 1 < range_count) assert(code_equal(range.min, range.max));
        min = prefix_append(min, range.min, bytes);
        max = prefix_append(max, range.max, bytes);
    }
    return (struct key_bounds
    ){prefix_key(index, min, timestamps.min), prefix_key(index, max, timestamps.max)};
}

struct key_bounds codec_hash_range(
    const struct collection_schema *collection,
    const struct index_schema *index,
    const void *value,
    struct timestamp_range timestamps
)
{
    assert(index->hashed);
    assert(index->field_count == 1);
    assert(timestamps.min <= timestamps.max);
    assert(timestamps.max <= TIMESTAMP_MAX);
    const struct code prefix = value_hash(&collection->fields[index->fields[0]], value);
    return (struct key_bounds
    ){prefix_key(index, prefix, timestamps.min), prefix_key(index, prefix, timestamps.max)};
}

/* ---- Objects -------------------------------------------------------------------------------- */

static bool float_is_nan(const void *value, uint32_t size)
{
    const uint64_t magnitude = native_load(value, size) & (sign_bit(size) - 1);
    return magnitude > (size == 4 ? UINT64_C(0x7f800000) : UINT64_C(0x7ff0000000000000));
}

/* Makes one value canonical; false if the field cannot hold it. */
static bool value_normalise(const struct field *field, uint8_t *value)
{
    const uint32_t size = field->size;
    if (field->type == TACTUS_TYPE_TEXT) {
        const uint64_t length = strnlen((const char *)value, size);
        bytes_zero(value + length, size - length);
        return utf8_is_valid(value, length);
    }
    if (field->type == TACTUS_TYPE_F32 || field->type == TACTUS_TYPE_F64) {
        if (native_load(value, size) == sign_bit(size)) bytes_zero(value, size); /* -0.0 */
        return !float_is_nan(value, size);
    }
    if (field->type == TACTUS_TYPE_BOOL) return *value <= 1;
    if (field->type == TACTUS_TYPE_RESERVED) return bytes_are_zero(value, size);
    return true;
}

enum tactus_status object_normalise(
    const struct collection_schema *collection, void *object, uint32_t *bad_field
)
{
    uint8_t *bytes = object;
    uint32_t end = 0;
    for (uint32_t i = 0; i < collection->field_count; i += 1) {
        const struct field *field = &collection->fields[i];
        assert(field->offset >= end);
        bytes_zero(bytes + end, field->offset - end);
        end = (uint32_t)field->offset + field->size;
        if (!value_normalise(field, bytes + field->offset)) {
            *bad_field = i;
            return TACTUS_INVALID;
        }
    }
    assert(collection->object_bytes >= end);
    bytes_zero(bytes + end, collection->object_bytes - end);
    return TACTUS_OK;
}

/* Why a value cannot have passed value_normalise(), or NULL. */
static const char *value_fault(const struct field *field, const uint8_t *value)
{
    const uint32_t size = field->size;
    if (field->type == TACTUS_TYPE_TEXT) {
        const uint64_t length = strnlen((const char *)value, size);
        if (!bytes_are_zero(value + length, size - length))
            return "text goes on behind its zero byte";
        if (!utf8_is_valid(value, length)) return "text is not UTF-8";
    }
    if (field->type == TACTUS_TYPE_F32 || field->type == TACTUS_TYPE_F64) {
        if (native_load(value, size) == sign_bit(size)) return "float is -0.0";
        if (float_is_nan(value, size)) return "float is a NaN";
    }
    if (field->type == TACTUS_TYPE_BOOL && *value > 1) return "bool is neither 0 nor 1";
    if (field->type == TACTUS_TYPE_RESERVED && !bytes_are_zero(value, size)) {
        return "reserved byte is not zero";
    }
    return NULL;
}

const char *object_fault(const struct collection_schema *collection, const void *object)
{
    const uint8_t *bytes = object;
    uint32_t end = 0;
    for (uint32_t i = 0; i < collection->field_count; i += 1) {
        const struct field *field = &collection->fields[i];
        if (!bytes_are_zero(bytes + end, field->offset - end)) return "padding is not zero";
        end = (uint32_t)field->offset + field->size;
        const char *fault = value_fault(field, bytes + field->offset);
        if (fault != NULL) return fault;
    }
    if (!bytes_are_zero(bytes + end, collection->object_bytes - end)) return "padding is not zero";
    return NULL;
}
