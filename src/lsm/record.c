#include "lsm/record.h"

#include "base/poison.h"

struct record_shape record_shape_object(uint32_t object_bytes, uint32_t timestamp_offset)
{
    const struct record_shape shape = {
        .record_size = object_bytes,
        .key_bits = KEY_64,
        .key_offset = timestamp_offset,
        .flag_offset = timestamp_offset,
        .key_has_timestamp = true,
    };
    record_shape_check(&shape);
    return shape;
}

struct record_shape record_shape_id64(void)
{
    return (struct record_shape){.record_size = 16, .key_bits = KEY_64, .flag_offset = 8};
}

struct record_shape record_shape_id128(void)
{
    return (struct record_shape){.record_size = 24, .key_bits = KEY_128, .flag_offset = 16};
}

struct record_shape record_shape_index64(void)
{
    return (struct record_shape
    ){.record_size = 16, .key_bits = KEY_128, .flag_offset = 8, .key_has_timestamp = true};
}

struct record_shape record_shape_index128(void)
{
    return (struct record_shape
    ){.record_size = 24, .key_bits = KEY_192, .flag_offset = 16, .key_has_timestamp = true};
}

struct record_shape record_shape_map(uint32_t key_bytes, uint32_t object_bytes)
{
    assert(key_bytes == 8 || key_bytes == 16);
    assert(object_bytes >= key_bytes);
    const struct record_shape shape = {
        .record_size = object_bytes + 8,
        .key_bits = key_bytes * 8,
        .flag_offset = key_bytes,
    };
    record_shape_check(&shape);
    return shape;
}

/* Bytes at key_offset that belong to the key: in index trees the prefix alone. */
static uint32_t record_key_bytes(const struct record_shape *shape)
{
    const bool is_index = shape->key_has_timestamp && shape->key_bits != KEY_64;
    return is_index ? shape->key_bits / 8 - 8 : shape->key_bits / 8;
}

void record_shape_check(const struct record_shape *shape)
{
    assert(shape->record_size >= 8);
    assert(shape->record_size <= RECORD_SIZE_MAX);
    assert(shape->record_size % 8 == 0);
    assert(shape->flag_offset % 8 == 0);
    assert(shape->flag_offset <= shape->record_size - 8);
    if (shape->key_bits == KEY_64 && shape->key_has_timestamp) {
        assert(shape->key_offset == shape->flag_offset);
    } else {
        assert(shape->key_bits != KEY_192 || shape->key_has_timestamp);
        assert(shape->key_offset == 0);
        assert(shape->flag_offset == record_key_bytes(shape));
    }
}

struct key record_key(const struct record_shape *shape, const void *record)
{
    const uint8_t *bytes = (const uint8_t *)record + shape->key_offset;
    if (!shape->key_has_timestamp) return key_load(bytes, (enum key_bits)shape->key_bits);

    const uint64_t timestamp = record_timestamp(shape, record);
    if (shape->key_bits == KEY_64) return key_from_u64(timestamp);
    if (shape->key_bits == KEY_128) return key_from_prefix64(load_u64(bytes), timestamp);
    return key_from_prefix128(load_u64(bytes), load_u64(bytes + 8), timestamp);
}

void record_make_tombstone(const struct record_shape *shape, void *record)
{
    uint8_t *bytes = record;
    uint8_t key[KEY_BYTES_MAX];
    const uint32_t key_bytes = record_key_bytes(shape);
    const struct key key_before = record_key(shape, record);
    const uint64_t timestamp = shape->key_has_timestamp ? record_timestamp(shape, record) : 0;

    bytes_copy(key, bytes + shape->key_offset, key_bytes);
    bytes_zero(bytes, shape->record_size);
    bytes_copy(bytes + shape->key_offset, key, key_bytes);
    store_u64(bytes + shape->flag_offset, timestamp | RECORD_TOMBSTONE);

    assert(record_is_tombstone(shape, record));
    assert(key_equal(record_key(shape, record), key_before));
}
