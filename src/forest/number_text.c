#include "forest/number_text.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "forest/native.h"

#include <float.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/poison.h"

/* ---- Whole numbers -------------------------------------------------------------------------- */

/* value · 10 + digit, or false if that is more than 128 bits. */
static bool u128_add_digit(struct tactus_u128 *value, uint32_t digit)
{
    const unsigned __int128 number = (unsigned __int128)value->high << 64 | value->low;
    unsigned __int128 result;
    if (__builtin_mul_overflow(number, (unsigned __int128)10, &result)) return false;
    if (__builtin_add_overflow(result, (unsigned __int128)digit, &result)) return false;
    value->low = (uint64_t)result;
    value->high = (uint64_t)(result >> 64);
    return true;
}

/* [sign] digits [ "." zeros ]: the magnitude, at most 128 bits, and the sign. */
static bool parse_integer(struct input *input, struct tactus_u128 *magnitude, bool *negative)
{
    *magnitude = (struct tactus_u128){0, 0};
    *negative = input_accept(input, '-');
    if (!*negative) (void)input_accept(input, '+');
    if (!is_digit(input_peek(input))) {
        return input_refuse(input, "`%.*s` is not a whole number", INPUT_TEXT(input));
    }
    for (; is_digit(input_peek(input)); input->at += 1) {
        if (!u128_add_digit(magnitude, (uint32_t)(input_peek(input) - '0'))) {
            return input_refuse(input, "`%.*s` is out of range", INPUT_TEXT(input));
        }
    }
    if (input_accept(input, '.')) {
        const uint64_t fraction = input->at;
        while (input_accept(input, '0')) {
        }
        if (input->at == fraction || is_digit(input_peek(input))) {
            return input_refuse(
                input, "`%.*s` is not a whole number: its fraction is not zero", INPUT_TEXT(input)
            );
        }
    }
    if (!input_at_end(input)) {
        return input_refuse(input, "`%.*s` is not a whole number", INPUT_TEXT(input));
    }
    return true;
}

bool number_parse_unsigned(
    struct input *input, const struct field *field, uint64_t limit, void *value
)
{
    struct tactus_u128 number;
    bool negative;
    if (!parse_integer(input, &number, &negative)) return false;
    if (number.high != 0 || number.low > limit || (negative && number.low != 0)) {
        return input_refuse(
            input,
            "`%.*s` is out of range: %s is 0 to %llu",
            INPUT_TEXT(input),
            field_type_of(field->type)->name,
            (unsigned long long)limit
        );
    }
    native_store(value, number.low, field->size);
    return true;
}

bool number_parse_signed(struct input *input, const struct field *field, void *value)
{
    struct tactus_u128 number;
    bool negative;
    if (!parse_integer(input, &number, &negative)) return false;
    const uint64_t limit = UINT64_C(1) << (field->size * 8 - 1); /* of the magnitude */
    if (number.high != 0 || number.low > limit || (!negative && number.low == limit)) {
        return input_refuse(
            input,
            "`%.*s` is out of range: %s is -%llu to %llu",
            INPUT_TEXT(input),
            field_type_of(field->type)->name,
            (unsigned long long)limit,
            (unsigned long long)limit - 1
        );
    }
    native_store(value, negative ? 0 - number.low : number.low, field->size);
    return true;
}

uint64_t number_format_unsigned(const struct field *field, const void *value, char *text)
{
    const unsigned long long number = native_load(value, field->size);
    return (uint64_t)snprintf(text, NUMBER_TEXT_MAX, "%llu", number);
}

uint64_t number_format_signed(const struct field *field, const void *value, char *text)
{
    const uint32_t shift = 64 - (uint32_t)field->size * 8;
    const int64_t number = (int64_t)(native_load(value, field->size) << shift) >> shift;
    return (uint64_t)snprintf(text, NUMBER_TEXT_MAX, "%lld", (long long)number);
}

/* ---- 128 bits ------------------------------------------------------------------------------- */

static void u128_add_hex(struct tactus_u128 *number, int digit)
{
    number->high = number->high << 4 | number->low >> 60;
    number->low = number->low << 4 | (uint64_t)digit;
}

/* 1 to 32 hex digits from `at` to the end. */
static bool parse_hex_u128(struct input *input, struct tactus_u128 *number)
{
    *number = (struct tactus_u128){0, 0};
    if (input_at_end(input) || input->size - input->at > 32) {
        return input_refuse(input, "`%.*s` does not have 1 to 32 hex digits", INPUT_TEXT(input));
    }
    for (; !input_at_end(input); input->at += 1) {
        const int digit = hex_digit(input_peek(input));
        if (digit < 0) return input_refuse(input, "`%.*s` is not hex", INPUT_TEXT(input));
        u128_add_hex(number, digit);
    }
    return true;
}

enum { UUID_LENGTH = 36 };

static bool is_uuid_dash(uint64_t at)
{
    return at == 8 || at == 13 || at == 18 || at == 23;
}

static bool input_looks_like_uuid(const struct input *input)
{
    return input->size == UUID_LENGTH && input->text[8] == '-';
}

static bool parse_uuid_form(struct input *input, struct tactus_u128 *number)
{
    *number = (struct tactus_u128){0, 0};
    for (uint64_t at = 0; at < UUID_LENGTH; at += 1) {
        const char c = input->text[at];
        const int digit = hex_digit(c);
        if (is_uuid_dash(at) ? c != '-' : digit < 0) {
            return input_refuse(input, "`%.*s` is not a UUID", INPUT_TEXT(input));
        }
        if (!is_uuid_dash(at)) u128_add_hex(number, digit);
    }
    return true;
}

bool number_parse_u128(struct input *input, const struct field *field, void *value)
{
    struct tactus_u128 number;
    if (input_looks_like_uuid(input)) {
        if (!parse_uuid_form(input, &number)) return false;
    } else if (input->size > 2 && input->text[0] == '0' && lower(input->text[1]) == 'x') {
        input->at = 2;
        if (!parse_hex_u128(input, &number)) return false;
    } else if (field->type == TACTUS_TYPE_UUID) {
        if (input->size != 32) {
            return input_refuse(
                input,
                "`%.*s` is not a UUID: write 123e4567-e89b-12d3-a456-426614174000 or 0x...",
                INPUT_TEXT(input)
            );
        }
        if (!parse_hex_u128(input, &number)) return false;
    } else {
        bool negative;
        if (!parse_integer(input, &number, &negative)) return false;
        if (negative && (number.low | number.high) != 0) {
            return input_refuse(
                input, "`%.*s` is out of range: u128 is not negative", INPUT_TEXT(input)
            );
        }
    }
    memcpy(value, &number, sizeof number);
    return true;
}

uint64_t number_format_u128(const void *value, char *text)
{
    struct tactus_u128 parts;
    memcpy(&parts, value, sizeof parts);
    unsigned __int128 number = (unsigned __int128)parts.high << 64 | parts.low;
    char digits[40];
    uint64_t count = 0;
    do {
        digits[count] = (char)('0' + (int)(number % 10));
        count += 1;
        number /= 10;
    } while (number > 0);
    for (uint64_t i = 0; i < count; i += 1) {
        text[i] = digits[count - 1 - i];
    }
    return count;
}

uint64_t number_format_uuid(const void *value, char *text)
{
    struct tactus_u128 number;
    memcpy(&number, value, sizeof number);
    uint32_t nibble = 0;
    for (uint64_t at = 0; at < UUID_LENGTH; at += 1) {
        if (is_uuid_dash(at)) {
            text[at] = '-';
            continue;
        }
        const uint64_t word = nibble < 16 ? number.high : number.low;
        text[at] = "0123456789abcdef"[word >> (60 - 4 * (nibble % 16)) & 15];
        nibble += 1;
    }
    return UUID_LENGTH;
}

/* ---- Floats --------------------------------------------------------------------------------- */

enum { FLOAT_TEXT_MAX = 400 };

/* The C library's point is the host program's: a locale must decide nothing here. */
static char locale_point(void)
{
    char half[16];
    (void)snprintf(half, sizeof half, "%.1f", 0.5);
    return half[1];
}

/* [sign] digits [ "." digits ] [ "e" [sign] digits ], with a digit before or behind the point. */
static bool input_is_float(const struct input *input)
{
    struct input copy = *input;
    uint32_t digits = 0;
    if (!input_accept(&copy, '-')) (void)input_accept(&copy, '+');
    for (; is_digit(input_peek(&copy)); copy.at += 1)
        digits += 1;
    if (input_accept(&copy, '.')) {
        for (; is_digit(input_peek(&copy)); copy.at += 1)
            digits += 1;
    }
    if (digits == 0) return false;
    if (input_accept(&copy, 'e') || input_accept(&copy, 'E')) {
        if (!input_accept(&copy, '-')) (void)input_accept(&copy, '+');
        if (!is_digit(input_peek(&copy))) return false;
        while (is_digit(input_peek(&copy)))
            copy.at += 1;
    }
    return input_at_end(&copy);
}

static bool input_is_infinity(const struct input *input, bool *negative)
{
    struct input copy = *input;
    *negative = input->size > 0 && input->text[0] == '-';
    if (input->size > 0 && (*negative || input->text[0] == '+')) {
        copy.text += 1;
        copy.size -= 1;
    }
    return input_is_word(&copy, "inf") || input_is_word(&copy, "infinity");
}

static void float_store(const struct field *field, double number, float single, void *value)
{
    if (field->type == TACTUS_TYPE_F32) {
        memcpy(value, &single, sizeof single);
    } else {
        memcpy(value, &number, sizeof number);
    }
}

bool number_parse_float(struct input *input, const struct field *field, void *value)
{
    bool negative;
    if (input_is_infinity(input, &negative)) {
        const double infinity = negative ? -__builtin_inf() : __builtin_inf();
        float_store(field, infinity, (float)infinity, value);
        return true;
    }
    if (input_is_word(input, "nan")) return input_refuse(input, "NaN is refused: it has no order");
    if (!input_is_float(input)) {
        return input_refuse(input, "`%.*s` is not a number", INPUT_TEXT(input));
    }
    if (input->size >= FLOAT_TEXT_MAX) {
        return input_refuse(input, "number of %d characters or more", FLOAT_TEXT_MAX);
    }
    char text[FLOAT_TEXT_MAX];
    bytes_copy(text, input->text, input->size);
    text[input->size] = 0;
    char *point = strchr(text, '.');
    if (point != NULL) *point = locale_point();

    /* Each by its own function: a double rounded to float would be rounded twice. */
    const double number = strtod(text, NULL) + 0.0; /* + 0.0: -0.0 becomes 0.0 */
    const float single = strtof(text, NULL) + 0.0F;
    if (__builtin_isinf(field->type == TACTUS_TYPE_F32 ? (double)single : number)) {
        return input_refuse(
            input,
            "`%.*s` is out of range of %s",
            INPUT_TEXT(input),
            field_type_of(field->type)->name
        );
    }
    float_store(field, number, single, value);
    return true;
}

/* Makes "1,5e+07" of some locale "1.5e7", and returns its length. */
static uint64_t float_tidy(char *text)
{
    const char point = locale_point();
    uint64_t to = 0;
    bool exponent = false;
    bool leading = false; /* zeros of the exponent are dropped: it is never all zeros */
    for (uint64_t from = 0; text[from] != 0; from += 1) {
        char c = text[from];
        if (c == point) c = '.';
        if (exponent && (c == '+' || (leading && c == '0'))) continue;
        if (exponent && is_digit(c)) leading = false;
        if (c == 'e') exponent = leading = true;
        text[to] = c;
        to += 1;
    }
    return to;
}

/* The fewest digits that read back. A decimal of up to 15 digits (6 for a float) survives the way
 * there and back, so a shorter one shows as itself, with its zeros dropped, and no fewer need be
 * tried; except near zero, where numbers have fewer bits. 17 (9) tell all numbers apart. */
uint64_t number_format_float(const struct field *field, const void *value, char *text)
{
    const bool is_single = field->type == TACTUS_TYPE_F32;
    float single = 0;
    double number;
    if (is_single) {
        memcpy(&single, value, sizeof single);
        number = (double)single;
    } else {
        memcpy(&number, value, sizeof number);
    }
    if (__builtin_isinf(number)) {
        const char *word = number < 0 ? "-inf" : "inf";
        bytes_copy(text, word, strlen(word));
        return strlen(word);
    }
    const double normal_min = is_single ? (double)FLT_MIN : DBL_MIN;
    const bool is_subnormal = number > -normal_min && number < normal_min;
    for (int digits = is_subnormal ? 1 : is_single ? 6 : 15; digits <= 17; digits += 1) {
        (void)snprintf(text, NUMBER_TEXT_MAX, "%.*g", digits, number);
        const bool same = is_single
                              ? !(strtof(text, NULL) < single) && !(strtof(text, NULL) > single)
                              : !(strtod(text, NULL) < number) && !(strtod(text, NULL) > number);
        if (same) break;
    }
    return float_tidy(text);
}

/* ---- Decimals ------------------------------------------------------------------------------- */

static bool decimal_refuse(struct input *input, const struct field *field)
{
    return input_refuse(
        input, "`%.*s` is out of range of decimal(%u)", INPUT_TEXT(input), field->decimals
    );
}

bool number_parse_decimal(struct input *input, const struct field *field, void *value)
{
    const bool negative = input_accept(input, '-');
    if (!negative) (void)input_accept(input, '+');

    struct tactus_u128 number = {0, 0};
    uint32_t digits = 0;
    uint32_t decimals = 0; /* read or filled up, at most D */
    bool point = false;
    for (; !input_at_end(input); input->at += 1) {
        const char c = input_peek(input);
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (!is_digit(c)) {
            return input_refuse(input, "`%.*s` is not a decimal number", INPUT_TEXT(input));
        }
        digits = 1;
        if (point && decimals == field->decimals) {
            if (c == '0') continue;
            return input_refuse(
                input,
                "`%.*s` has more than %u digits after the point",
                INPUT_TEXT(input),
                field->decimals
            );
        }
        if (point) decimals += 1;
        if (!u128_add_digit(&number, (uint32_t)(c - '0'))) return decimal_refuse(input, field);
    }
    if (digits == 0) {
        return input_refuse(input, "`%.*s` is not a decimal number", INPUT_TEXT(input));
    }
    for (; decimals < field->decimals; decimals += 1) {
        if (!u128_add_digit(&number, 0)) return decimal_refuse(input, field);
    }
    const uint64_t limit = UINT64_C(1) << 63; /* of the magnitude */
    if (number.high != 0 || number.low > limit || (!negative && number.low == limit)) {
        return decimal_refuse(input, field);
    }
    native_store(value, negative ? 0 - number.low : number.low, 8);
    return true;
}

uint64_t number_format_decimal(const struct field *field, const void *value, char *text)
{
    const uint64_t bits = native_load(value, 8);
    const bool negative = bits >> 63 != 0;
    uint64_t magnitude = negative ? 0 - bits : bits;

    char digits[24]; /* from the last one to the first; at least one before the point */
    uint32_t count = 0;
    while (magnitude > 0 || count <= field->decimals) {
        digits[count] = (char)('0' + (int)(magnitude % 10));
        count += 1;
        magnitude /= 10;
    }
    uint32_t last = 0; /* zeros at the end are not shown */
    while (last < field->decimals && digits[last] == '0')
        last += 1;

    uint64_t length = 0;
    if (negative) text[length++] = '-';
    for (uint32_t i = count; i > last; i -= 1) {
        if (i == field->decimals) text[length++] = '.';
        text[length++] = digits[i - 1];
    }
    return length;
}
