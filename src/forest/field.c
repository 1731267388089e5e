#include "forest/field.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"

#include <stddef.h>
#include <string.h>

#include "base/poison.h"

/* In the order of enum tactus_type, from 1. */
static const struct field_type field_types[] = {
    {"u8", TACTUS_TYPE_U8, 1, 1, false},
    {"u16", TACTUS_TYPE_U16, 2, 2, false},
    {"u32", TACTUS_TYPE_U32, 4, 4, false},
    {"u64", TACTUS_TYPE_U64, 8, 8, false},
    {"u128", TACTUS_TYPE_U128, 16, 8, false},
    {"uuid", TACTUS_TYPE_UUID, 16, 8, false},
    {"i8", TACTUS_TYPE_I8, 1, 1, false},
    {"i16", TACTUS_TYPE_I16, 2, 2, false},
    {"i32", TACTUS_TYPE_I32, 4, 4, false},
    {"i64", TACTUS_TYPE_I64, 8, 8, false},
    {"f32", TACTUS_TYPE_F32, 4, 4, false},
    {"f64", TACTUS_TYPE_F64, 8, 8, false},
    {"bool", TACTUS_TYPE_BOOL, 1, 1, false},
    {"time", TACTUS_TYPE_TIME, 8, 8, false},
    {"timestamp", TACTUS_TYPE_TIMESTAMP, 8, 8, false},
    {"decimal", TACTUS_TYPE_DECIMAL, 8, 8, true},
    {"text", TACTUS_TYPE_TEXT, 0, 1, true},
    {"bytes", TACTUS_TYPE_BYTES, 0, 1, true},
    {"reserved", TACTUS_TYPE_RESERVED, 0, 1, true},
};
static_assert(COUNT_OF(field_types) == TACTUS_TYPE_RESERVED, "every type has its line");

const struct field_type *field_type_find(const char *name, uint64_t size)
{
    for (uint32_t i = 0; i < COUNT_OF(field_types); i += 1) {
        const struct field_type *type = &field_types[i];
        if (strlen(type->name) == size && bytes_equal(type->name, name, size)) return type;
    }
    return NULL;
}

const struct field_type *field_type_of(uint8_t type)
{
    assert(type >= TACTUS_TYPE_U8);
    assert(type <= TACTUS_TYPE_RESERVED);
    assert(field_types[type - 1].type == type);
    return &field_types[type - 1];
}

/* Bytes of the sequence that a lead byte opens, or 0. Its second byte has narrower bounds, which is
 * what keeps overlong forms, surrogates and numbers above U+10FFFF out. */
static uint32_t utf8_sequence(uint8_t lead, uint8_t *second_min, uint8_t *second_max)
{
    *second_min = 0x80;
    *second_max = 0xbf;
    if (lead < 0x80) return 1;
    if (lead < 0xc2) return 0;
    if (lead < 0xe0) return 2;
    if (lead < 0xf0) {
        if (lead == 0xe0) *second_min = 0xa0;
        if (lead == 0xed) *second_max = 0x9f;
        return 3;
    }
    if (lead > 0xf4) return 0;
    if (lead == 0xf0) *second_min = 0x90;
    if (lead == 0xf4) *second_max = 0x8f;
    return 4;
}

bool utf8_is_valid(const uint8_t *bytes, uint64_t size)
{
    uint64_t at = 0;
    while (at < size) {
        uint8_t second_min;
        uint8_t second_max;
        const uint32_t length = utf8_sequence(bytes[at], &second_min, &second_max);
        if (length == 0 || size - at < length) return false;
        if (length > 1 && (bytes[at + 1] < second_min || bytes[at + 1] > second_max)) return false;
        for (uint32_t i = 2; i < length; i += 1) {
            if ((bytes[at + i] & 0xc0) != 0x80) return false;
        }
        at += length;
    }
    return true;
}
