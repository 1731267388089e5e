#include "query/explain_key.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "forest/field_text.h"
#include "forest/native.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/poison.h"

/* ---- Codes ---------------------------------------------------------------------------------- */

static uint64_t number_decode(const struct field *field, uint64_t code)
{
    const uint64_t sign = UINT64_C(1) << (field->size * 8 - 1);
    switch ((enum tactus_type)field->type) {
    case TACTUS_TYPE_I8:
    case TACTUS_TYPE_I16:
    case TACTUS_TYPE_I32:
    case TACTUS_TYPE_I64:
    case TACTUS_TYPE_TIME:
    case TACTUS_TYPE_DECIMAL: return code ^ sign;
    case TACTUS_TYPE_F32:
    case TACTUS_TYPE_F64: return (code & sign) != 0 ? code ^ sign : ~code;
    case TACTUS_TYPE_U8:
    case TACTUS_TYPE_U16:
    case TACTUS_TYPE_U32:
    case TACTUS_TYPE_U64:
    case TACTUS_TYPE_BOOL:
    case TACTUS_TYPE_TIMESTAMP:
    case TACTUS_TYPE_U128:
    case TACTUS_TYPE_UUID:
    case TACTUS_TYPE_TEXT:
    case TACTUS_TYPE_BYTES:
    case TACTUS_TYPE_RESERVED: break;
    }
    return code;
}

/* Byte `i` of a code of `bytes` bytes, the most significant one first. */
static uint8_t code_byte(struct code code, uint32_t bytes, uint32_t i)
{
    const uint32_t shift = (bytes - 1 - i) * 8;
    return (uint8_t)(shift >= 64 ? code.high >> (shift - 64) : code.low >> shift);
}

void code_decode(const struct field *field, struct code code, uint8_t *value)
{
    if (field_is_string(field)) {
        const uint32_t bytes = field_order_bytes(field);
        bytes_zero(value, field->size);
        for (uint32_t i = 0; i < bytes; i += 1)
            value[i] = code_byte(code, bytes, i);
    } else if (field->size == 16) {
        native_store(value, code.low, 8);
        native_store(value + 8, code.high, 8);
    } else {
        native_store(value, number_decode(field, code.low), field->size);
    }
}

/* ---- Terms ---------------------------------------------------------------------------------- */

enum { VALUE_SIZE = 96 }; /* more than 16 bytes take in any form, and any number */

static bool bytes_are_text(const uint8_t *bytes, uint64_t size)
{
    for (uint64_t i = 0; i < size; i += 1) {
        if (bytes[i] < 0x20 || bytes[i] == 0x7f) return false;
    }
    return utf8_is_valid(bytes, size);
}

/* A text in quotes, each of its own quotes twice. */
static void format_text(const uint8_t *bytes, uint64_t size, char text[VALUE_SIZE])
{
    uint64_t at = 1;
    text[0] = '\'';
    for (uint64_t i = 0; i < size; i += 1) {
        text[at] = (char)bytes[i];
        at += 1;
        if (bytes[i] != '\'') continue;
        text[at] = '\'';
        at += 1;
    }
    memcpy(text + at, "'", 2);
}

/* The first bytes of a text or of bytes as the language has them; what is no text in hex digits. */
static void format_string(
    const struct field *field, const uint8_t *bytes, uint64_t size, char text[VALUE_SIZE]
)
{
    assert(size <= ORDER_BYTES_MAX);
    if (field->type == TACTUS_TYPE_TEXT) {
        const uint64_t length = strnlen((const char *)bytes, size);
        if (bytes_are_text(bytes, length)) {
            format_text(bytes, length, text);
            return;
        }
    }
    uint64_t at = (uint64_t)snprintf(text, VALUE_SIZE, "x'");
    for (uint64_t i = 0; i < size; i += 1)
        at += (uint64_t)snprintf(text + at, VALUE_SIZE - at, "%02x", bytes[i]);
    (void)snprintf(text + at, VALUE_SIZE - at, "'");
}

static void format_code(const struct field *field, struct code code, char text[VALUE_SIZE])
{
    uint8_t value[FIELD_SIZE_MAX];
    struct field plain = *field;
    plain.flags = (uint8_t)(plain.flags & ~(uint32_t)TACTUS_FIELD_OPTIONAL); /* zero is a number */
    code_decode(field, code, value);
    if (field_is_string(field)) {
        format_string(field, value, field_order_bytes(field), text);
    } else if (field->type == TACTUS_TYPE_TIME) {
        text[0] = '\'';
        const uint64_t size = field_format(&plain, value, text + 1, VALUE_SIZE - 2);
        memcpy(text + 1 + size, "'", 2);
    } else {
        (void)field_format(&plain, value, text, VALUE_SIZE);
    }
}

/* How many bytes all strings between two codes begin with, if they are all that do; else 0. */
static uint32_t prefix_size(const struct field *field, struct code_range range)
{
    const uint32_t bytes = field_order_bytes(field);
    uint32_t size = 0;
    while (size < bytes && code_byte(range.min, bytes, size) == code_byte(range.max, bytes, size)) {
        size += 1;
    }
    for (uint32_t i = size; i < bytes; i += 1) {
        if (code_byte(range.min, bytes, i) != 0) return 0;
        if (code_byte(range.max, bytes, i) != UINT8_MAX) return 0;
    }
    return size;
}

void explain_term(const struct field *field, struct code_range range, char text[EXPLAIN_TERM_SIZE])
{
    char min[VALUE_SIZE];
    char max[VALUE_SIZE];
    const bool has_min = range.min.high != 0 || range.min.low != 0;
    const bool has_max = code_less(range.max, code_max(field_order_bytes(field)));
    const bool one = code_equal(range.min, range.max);
    text[0] = 0;
    if (!has_min && !has_max) return;
    if (field_is_string(field) && (!one || field_is_truncated(field))) {
        const uint32_t size = prefix_size(field, range);
        if (size > 0) {
            uint8_t value[FIELD_SIZE_MAX];
            code_decode(field, range.min, value);
            format_string(field, value, size, min);
            (void)snprintf(text, EXPLAIN_TERM_SIZE, "%s starts %s", field->name, min);
            return;
        }
    }
    format_code(field, range.min, min);
    format_code(field, range.max, max);
    if (one) {
        (void)snprintf(text, EXPLAIN_TERM_SIZE, "%s = %s", field->name, min);
    } else if (!has_max) {
        (void)snprintf(text, EXPLAIN_TERM_SIZE, "%s >= %s", field->name, min);
    } else if (!has_min) {
        (void)snprintf(text, EXPLAIN_TERM_SIZE, "%s <= %s", field->name, max);
    } else {
        (void)snprintf(text, EXPLAIN_TERM_SIZE, "%s <= %s <= %s", min, field->name, max);
    }
}

/* ---- Keys ----------------------------------------------------------------------------------- */

static struct code code_shift_right(struct code code, uint32_t bits)
{
    if (bits == 0) return code;
    if (bits >= 64) return (struct code){0, bits == 128 ? 0 : code.high >> (bits - 64)};
    return (struct code){code.high >> bits, code.low >> bits | code.high << (64 - bits)};
}

static struct code code_of_key(const struct index_schema *index, struct key key)
{
    if (index->order_bytes <= 8) return (struct code){0, key.word[1]};
    return (struct code){key.word[0], key.word[1]};
}

static struct code code_field(struct code prefix, uint32_t bytes_behind, uint32_t bytes)
{
    const struct code max = code_max(bytes);
    prefix = code_shift_right(prefix, bytes_behind * 8);
    return (struct code){prefix.high & max.high, prefix.low & max.low};
}

struct code_range explain_key_range(
    const struct collection_schema *collection,
    const struct index_schema *index,
    uint32_t i,
    struct key key_min,
    struct key key_max
)
{
    assert(i < index->field_count);
    assert(!index->hashed);
    uint32_t behind = 0;
    for (uint32_t k = i + 1; k < index->field_count; k += 1)
        behind += field_order_bytes(&collection->fields[index->fields[k]]);
    const uint32_t bytes = field_order_bytes(&collection->fields[index->fields[i]]);
    return (struct code_range
    ){code_field(code_of_key(index, key_min), behind, bytes),
      code_field(code_of_key(index, key_max), behind, bytes)};
}
