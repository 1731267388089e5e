#include "forest/field_text.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "forest/number_text.h"
#include "forest/text_input.h"
#include "forest/time_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/poison.h"

static_assert((int)TIME_TEXT_MAX <= (int)NUMBER_TEXT_MAX, "one buffer serves both");

/* ---- Strings -------------------------------------------------------------------------------- */

static bool parse_text(struct input *input, const struct field *field, void *value)
{
    if (input->size > field->size) {
        return input_refuse(
            input,
            "text of %llu bytes in a text(%u): shorten it, nothing is ever cut",
            (unsigned long long)input->size,
            field->size
        );
    }
    if (memchr(input->text, 0, input->size) != NULL) {
        return input_refuse(input, "text with a zero byte inside");
    }
    if (!utf8_is_valid((const uint8_t *)input->text, input->size)) {
        return input_refuse(input, "text is not UTF-8");
    }
    bytes_copy(value, input->text, input->size);
    bytes_zero((uint8_t *)value + input->size, field->size - input->size);
    return true;
}

static bool parse_bytes(struct input *input, const struct field *field, void *value)
{
    uint64_t end = input->size;
    const char *text = input->text;
    if (end >= 2 && text[0] == '0' && lower(text[1]) == 'x') {
        input->at = 2;
    } else if (end >= 3 && lower(text[0]) == 'x' && text[1] == '\'' && text[end - 1] == '\'') {
        input->at = 2;
        end -= 1;
    }
    const uint64_t digits = end - input->at;
    for (uint64_t i = input->at; i < end; i += 1) {
        if (hex_digit(input->text[i]) >= 0) continue;
        return input_refuse(input, "`%.*s` is not hex", INPUT_TEXT(input));
    }
    if (digits % 2 != 0) {
        return input_refuse(input, "odd number of hex digits: a byte has two");
    }
    if (digits / 2 > field->size) {
        return input_refuse(
            input,
            "%llu bytes in a bytes(%u): nothing is ever cut",
            (unsigned long long)(digits / 2),
            field->size
        );
    }
    uint8_t *bytes = value;
    for (uint64_t i = 0; i < digits / 2; i += 1) {
        const char *pair = input->text + input->at + 2 * i;
        bytes[i] = (uint8_t)(hex_digit(pair[0]) << 4 | hex_digit(pair[1]));
    }
    bytes_zero(bytes + digits / 2, field->size - digits / 2);
    return true;
}

static bool parse_bool(struct input *input, void *value)
{
    const bool yes = input_is_word(input, "true") || input_is_word(input, "1");
    if (!yes && !input_is_word(input, "false") && !input_is_word(input, "0")) {
        return input_refuse(
            input, "`%.*s` is not a bool: write true, false, 1 or 0", INPUT_TEXT(input)
        );
    }
    *(uint8_t *)value = yes;
    return true;
}

/* ---- Every type ----------------------------------------------------------------------------- */

static bool parse_value(struct input *input, const struct field *field, void *value)
{
    const uint64_t ones = UINT64_MAX >> (64 - min_u32(field->size, 8) * 8);
    switch ((enum tactus_type)field->type) {
    case TACTUS_TYPE_U8:
    case TACTUS_TYPE_U16:
    case TACTUS_TYPE_U32:
    case TACTUS_TYPE_U64: return number_parse_unsigned(input, field, ones, value);
    case TACTUS_TYPE_TIMESTAMP: return number_parse_unsigned(input, field, INT64_MAX, value);
    case TACTUS_TYPE_U128:
    case TACTUS_TYPE_UUID: return number_parse_u128(input, field, value);
    case TACTUS_TYPE_I8:
    case TACTUS_TYPE_I16:
    case TACTUS_TYPE_I32:
    case TACTUS_TYPE_I64: return number_parse_signed(input, field, value);
    case TACTUS_TYPE_F32:
    case TACTUS_TYPE_F64: return number_parse_float(input, field, value);
    case TACTUS_TYPE_BOOL: return parse_bool(input, value);
    case TACTUS_TYPE_TIME: return time_parse(input, value);
    case TACTUS_TYPE_DECIMAL: return number_parse_decimal(input, field, value);
    case TACTUS_TYPE_TEXT: return parse_text(input, field, value);
    case TACTUS_TYPE_BYTES: return parse_bytes(input, field, value);
    case TACTUS_TYPE_RESERVED: return input_refuse(input, "reserved bytes have no value");
    }
    assert(false);
    return false;
}

enum tactus_status field_parse(
    const struct field *field,
    const char *text,
    uint64_t size,
    void *value,
    struct text_error *error
)
{
    struct input input = {.text = text, .size = size, .error = error};
    if (size == 0) {
        if (!field_is_optional(field) && !field_is_string(field) &&
            field->type != TACTUS_TYPE_RESERVED) {
            text_error_set(
                error, 0, 0, "empty: `%s` is not optional, so it needs a value", field->name
            );
            return TACTUS_INVALID;
        }
        bytes_zero(value, field->size);
        return TACTUS_OK;
    }
    if (!field_is_string(field) && (text[0] == ' ' || text[size - 1] == ' ')) {
        text_error_set(error, 0, 0, "`%.*s` has a blank around it: remove it", INPUT_TEXT(&input));
        return TACTUS_INVALID;
    }
    return parse_value(&input, field, value) ? TACTUS_OK : TACTUS_INVALID;
}

/* The text of any value but a string's, at most 64 bytes; no zero byte behind it. */
static uint64_t format_number(const struct field *field, const void *value, char *text)
{
    switch ((enum tactus_type)field->type) {
    case TACTUS_TYPE_U8:
    case TACTUS_TYPE_U16:
    case TACTUS_TYPE_U32:
    case TACTUS_TYPE_U64:
    case TACTUS_TYPE_TIMESTAMP: return number_format_unsigned(field, value, text);
    case TACTUS_TYPE_I8:
    case TACTUS_TYPE_I16:
    case TACTUS_TYPE_I32:
    case TACTUS_TYPE_I64: return number_format_signed(field, value, text);
    case TACTUS_TYPE_U128: return number_format_u128(value, text);
    case TACTUS_TYPE_UUID: return number_format_uuid(value, text);
    case TACTUS_TYPE_F32:
    case TACTUS_TYPE_F64: return number_format_float(field, value, text);
    case TACTUS_TYPE_BOOL:
        return (uint64_t)snprintf(text, 64, "%s", *(const uint8_t *)value != 0 ? "true" : "false");
    case TACTUS_TYPE_TIME: return time_format(value, text);
    case TACTUS_TYPE_DECIMAL: return number_format_decimal(field, value, text);
    case TACTUS_TYPE_RESERVED: return 0;
    case TACTUS_TYPE_TEXT:
    case TACTUS_TYPE_BYTES: break;
    }
    assert(false);
    return 0;
}

/* Puts `length` bytes into the buffer, as far as they fit, and a zero byte. */
static uint64_t deliver(const char *text, uint64_t length, char *buffer, uint64_t size)
{
    if (size > 0) {
        const uint64_t part = min_u64(length, size - 1);
        bytes_copy(buffer, text, part);
        buffer[part] = 0;
    }
    return length;
}

static uint64_t deliver_hex(const uint8_t *bytes, uint32_t count, char *buffer, uint64_t size)
{
    const uint64_t length = (uint64_t)count * 2;
    if (size == 0) return length;
    const uint64_t part = min_u64(length, size - 1);
    for (uint64_t i = 0; i < part; i += 1) {
        buffer[i] = "0123456789abcdef"[bytes[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
    }
    buffer[part] = 0;
    return length;
}

uint64_t field_format(const struct field *field, const void *value, char *buffer, uint64_t size)
{
    char text[NUMBER_TEXT_MAX];
    if (field_is_optional(field) && bytes_are_zero(value, field->size)) {
        return deliver("", 0, buffer, size);
    }
    if (field->type == TACTUS_TYPE_TEXT) {
        return deliver(value, strnlen(value, field->size), buffer, size);
    }
    if (field->type == TACTUS_TYPE_BYTES) return deliver_hex(value, field->size, buffer, size);

    const uint64_t length = format_number(field, value, text);
    assert(length <= sizeof text);
    return deliver(text, length, buffer, size);
}
