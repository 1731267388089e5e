#include "support/oracle_field.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "support/test.h"

#include "base/poison.h"

enum { WIDE = 3000 };
#define SECOND_NS INT64_C(1000000000)

/* ---- Values ---------------------------------------------------------------------------------- */

static void store(uint8_t *target, const void *value, uint32_t size)
{
    memcpy(target, value, size);
}

/* At most `size` bytes of it, and no half letter. */
static void store_text(uint8_t *value, const char *text, uint32_t size)
{
    size_t length = strlen(text);
    if (length > size) {
        length = size;
        while (length > 0 && ((uint8_t)text[length] & 0xc0) == 0x80)
            length -= 1;
    }
    memcpy(value, text, length);
}

static void make_text(struct random *random, uint8_t *value, uint32_t size)
{
    static const char *const texts[] = {
        "",
        "a",
        "b",
        "ab",
        "it's",
        "'",
        "\xc3\xa4",
        "a\xc3\xa4z",
        "\xf0\x9f\x90\x9f",
        "sixteen bytes ok",
        "sixteen bytes o",
        "sixteen bytes okay a",
        "sixteen bytes okay b",
        "sixteen bytes okay, and on",
        "sixteen bytes, and more than twice as many: a",
        "sixteen bytes, and more than twice as many: b",
        "sixteen bytes, and more than twice as many",
        "twentieth \xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4",
        "~"};
    store_text(value, texts[random_below(random, sizeof texts / sizeof texts[0])], size);
}

static void make_bytes(struct random *random, uint8_t *value, uint32_t size)
{
    static const uint8_t bytes[] = {0, 0x7f, 0xff};
    for (uint32_t index = 0; index < size; index += 1) {
        const bool counts = index % 16 < 2 || index == size - 1;
        value[index] = counts ? bytes[random_below(random, 3)] : 0;
    }
}

static void make_float(struct random *random, uint8_t *value, uint32_t size)
{
    static const double numbers[] = {0, 1, -1, 0.5, -0.25, 1e10, -1e10, 3.5, 1e-300, -1e38, 65536};
    const double number = numbers[random_below(random, sizeof numbers / sizeof numbers[0])];
    const float narrow = (float)number;
    if (size == 4) store(value, &narrow, 4);
    if (size == 8) store(value, &number, 8);
}

static void make_number(struct random *random, const struct tactus_field *field, uint8_t *value)
{
    static const int64_t numbers[] = {
        0, 1, 2, -1, -2, 100, -100, 127, 128, 255, 256, -32768, INT64_MAX, INT64_MIN};
    int64_t number = numbers[random_below(random, sizeof numbers / sizeof numbers[0])];
    if (field->type == TACTUS_TYPE_BOOL) number &= 1;
    if (field->type == TACTUS_TYPE_TIME) {
        number = 0;
        if (!random_chance(random, 1, 8)) {
            number = ((int64_t)random_below(random, 40000) - 10000) * INT64_C(86399) * SECOND_NS;
        }
        if (random_chance(random, 1, 4)) number += (int64_t)random_below(random, 3) - 1;
    }
    store(value, &number, field->size); /* little-endian: the low bytes */
}

/* Some value that the field can hold. */
static void make_value(struct random *random, const struct tactus_field *field, uint8_t *value)
{
    memset(value, 0, ORACLE_VALUE_SIZE);
    switch ((enum tactus_type)field->type) {
    case TACTUS_TYPE_TEXT: make_text(random, value, field->size); break;
    case TACTUS_TYPE_BYTES: make_bytes(random, value, field->size); break;
    case TACTUS_TYPE_F32:
    case TACTUS_TYPE_F64: make_float(random, value, field->size); break;
    case TACTUS_TYPE_U128:
    case TACTUS_TYPE_UUID: {
        const uint64_t halves[2] = {random_below(random, 4) - 1, random_below(random, 4) - 1};
        store(value, halves, 16);
        break;
    }
    case TACTUS_TYPE_U8:
    case TACTUS_TYPE_U16:
    case TACTUS_TYPE_U32:
    case TACTUS_TYPE_U64:
    case TACTUS_TYPE_I8:
    case TACTUS_TYPE_I16:
    case TACTUS_TYPE_I32:
    case TACTUS_TYPE_I64:
    case TACTUS_TYPE_BOOL:
    case TACTUS_TYPE_TIME:
    case TACTUS_TYPE_TIMESTAMP:
    case TACTUS_TYPE_DECIMAL: make_number(random, field, value); break;
    case TACTUS_TYPE_RESERVED: break;
    }
}

/* One of many: the number within WIDE. */
static void make_wide(const struct tactus_field *field, int64_t number, uint8_t *value)
{
    memset(value, 0, ORACLE_VALUE_SIZE);
    char text[ORACLE_VALUE_SIZE];
    const double wide = (double)number / 8;
    const float narrow = (float)wide;
    switch ((enum tactus_type)field->type) {
    case TACTUS_TYPE_TEXT:
        (void)snprintf(
            text,
            sizeof text,
            "%s%lld",
            field->size > 24 ? "of sixteen bytes " : "",
            (long long)number
        );
        store_text(value, text, field->size);
        break;
    case TACTUS_TYPE_BYTES:
        for (uint32_t index = 0; index < field->size && index < 8; index += 1)
            value[field->size - 1 - index] = (uint8_t)((uint64_t)number >> (index * 8));
        break;
    case TACTUS_TYPE_F32: store(value, &narrow, 4); break;
    case TACTUS_TYPE_F64: store(value, &wide, 8); break;
    case TACTUS_TYPE_BOOL: value[0] = number & 1; break;
    case TACTUS_TYPE_TIME:
        number *= 3600 * SECOND_NS;
        store(value, &number, 8);
        break;
    case TACTUS_TYPE_U128:
    case TACTUS_TYPE_UUID:
        number += WIDE;
        store(value + number % 2 * 8, &number, 8);
        break;
    case TACTUS_TYPE_U8:
    case TACTUS_TYPE_U16:
    case TACTUS_TYPE_U32:
    case TACTUS_TYPE_U64:
        number += WIDE;
        store(value, &number, field->size);
        break;
    case TACTUS_TYPE_I8:
    case TACTUS_TYPE_I16:
    case TACTUS_TYPE_I32:
    case TACTUS_TYPE_I64:
    case TACTUS_TYPE_TIMESTAMP:
    case TACTUS_TYPE_DECIMAL: store(value, &number, field->size); break;
    case TACTUS_TYPE_RESERVED: break;
    }
}

static int64_t wide_number(struct random *random)
{
    return (int64_t)random_below(random, WIDE) - WIDE / 4;
}

void oracle_field_draw(struct oracle_field *field, struct random *random)
{
    field->spread = (enum oracle_spread)(1 + random_below(random, ORACLE_SPREADS));
    field->pool_count = 2 + (uint32_t)random_below(random, ORACLE_POOL - 1);
    if (field->pool_count > 4 && random_chance(random, 1, 4)) field->pool_count = 3;
    for (uint32_t index = 0; index < field->pool_count; index += 1) {
        make_value(random, &field->field, field->pool[index]);
    }
    memset(field->pool[random_below(random, field->pool_count)], 0, ORACLE_VALUE_SIZE);
}

void oracle_object_value(
    const struct oracle_field *field, struct random *random, uint64_t moment, uint8_t *value
)
{
    uint64_t index = random_below(random, field->pool_count);
    if (field->spread == ORACLE_WIDE && !random_chance(random, 1, 16)) {
        make_wide(&field->field, wide_number(random), value);
        return;
    }
    if (field->spread == ORACLE_SKEWED) index = random_below(random, index + 1);
    if (field->spread == ORACLE_SKEWED) index = random_below(random, index + 1);
    if (field->spread == ORACLE_STRETCHES && !random_chance(random, 1, 16)) {
        index = moment / 40 % field->pool_count;
    }
    memcpy(value, field->pool[index], ORACLE_VALUE_SIZE);
}

void oracle_question_value(const struct oracle_field *field, struct random *random, uint8_t *value)
{
    if (random_chance(random, 1, 10)) {
        make_value(random, &field->field, value);
    } else if (random_chance(random, 1, field->spread == ORACLE_WIDE ? 2 : 40)) {
        make_wide(&field->field, wide_number(random), value);
    } else {
        memcpy(value, field->pool[random_below(random, field->pool_count)], ORACLE_VALUE_SIZE);
    }
}

/* ---- Order ----------------------------------------------------------------------------------- */

static uint64_t load_unsigned(const uint8_t *value, uint32_t size)
{
    uint64_t number = 0;
    memcpy(&number, value, size);
    return number;
}

static int64_t load_signed(const uint8_t *value, uint32_t size)
{
    const uint32_t shift = 64 - size * 8;
    return (int64_t)(load_unsigned(value, size) << shift) >> shift;
}

static double load_float(const uint8_t *value, uint32_t size)
{
    float narrow;
    double wide;
    memcpy(&narrow, value, sizeof narrow);
    if (size == 4) return narrow;
    memcpy(&wide, value, sizeof wide);
    return wide;
}

#define THREE_WAY(a, b) (((a) > (b)) - ((a) < (b)))

int oracle_compare(const struct tactus_field *field, const uint8_t *a, const uint8_t *b)
{
    switch ((enum tactus_type)field->type) {
    case TACTUS_TYPE_TEXT:
    case TACTUS_TYPE_BYTES: return memcmp(a, b, field->size);
    case TACTUS_TYPE_F32:
    case TACTUS_TYPE_F64: return THREE_WAY(load_float(a, field->size), load_float(b, field->size));
    case TACTUS_TYPE_U128:
    case TACTUS_TYPE_UUID: {
        const int high = THREE_WAY(load_unsigned(a + 8, 8), load_unsigned(b + 8, 8));
        return high != 0 ? high : THREE_WAY(load_unsigned(a, 8), load_unsigned(b, 8));
    }
    case TACTUS_TYPE_I8:
    case TACTUS_TYPE_I16:
    case TACTUS_TYPE_I32:
    case TACTUS_TYPE_I64:
    case TACTUS_TYPE_TIME:
    case TACTUS_TYPE_DECIMAL:
        return THREE_WAY(load_signed(a, field->size), load_signed(b, field->size));
    case TACTUS_TYPE_U8:
    case TACTUS_TYPE_U16:
    case TACTUS_TYPE_U32:
    case TACTUS_TYPE_U64:
    case TACTUS_TYPE_BOOL:
    case TACTUS_TYPE_TIMESTAMP:
    case TACTUS_TYPE_RESERVED: break;
    }
    return THREE_WAY(load_unsigned(a, field->size), load_unsigned(b, field->size));
}

/* ---- Text ------------------------------------------------------------------------------------ */

void oracle_say(struct oracle_text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(text->at + text->used, text->size - text->used, format, arguments);
    va_end(arguments);
    EXPECT(length >= 0 && text->used + (uint32_t)length < text->size);
    text->used += (uint32_t)length;
}

static void say_hex(struct oracle_text *text, const uint8_t *bytes, uint32_t size)
{
    for (uint32_t index = 0; index < size; index += 1)
        oracle_say(text, "%02x", bytes[index]);
}

static void say_decimal(struct oracle_text *text, uint32_t decimals, int64_t number)
{
    const uint64_t size = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    uint64_t scale = 1;
    for (uint32_t index = 0; index < decimals; index += 1)
        scale *= 10;
    oracle_say(text, "%s%llu", number < 0 ? "-" : "", (unsigned long long)(size / scale));
    oracle_say(text, ".%0*llu", (int)decimals, (unsigned long long)(size % scale));
}

static void say_time(struct oracle_text *text, int64_t number)
{
    int64_t seconds = number / SECOND_NS;
    if (number % SECOND_NS < 0) seconds -= 1;
    const time_t when = seconds;
    struct tm parts;
    EXPECT(gmtime_r(&when, &parts) != NULL);
    char shown[64];
    EXPECT(strftime(shown, sizeof shown, "%Y-%m-%dT%H:%M:%S", &parts) > 0);
    const long long rest = number - seconds * SECOND_NS;
    oracle_say(text, "%s", shown);
    if (rest != 0) oracle_say(text, ".%09lld", rest);
    if (seconds % 2 == 0) oracle_say(text, "Z");
}

static void say_uuid(struct oracle_text *text, const uint8_t *value)
{
    const unsigned long long high = load_unsigned(value + 8, 8);
    const unsigned long long low = load_unsigned(value, 8);
    oracle_say(text, "%08llx-%04llx-%04llx-", high >> 32, high >> 16 & 0xffff, high & 0xffff);
    oracle_say(text, "%04llx-%012llx", low >> 48, low & 0xffffffffffff);
}

void oracle_say_plain(
    struct oracle_text *text, const struct tactus_field *field, const uint8_t *value, uint32_t size
)
{
    switch ((enum tactus_type)field->type) {
    case TACTUS_TYPE_TEXT:
        oracle_say(text, "%.*s", (int)strnlen((const char *)value, size), (const char *)value);
        break;
    case TACTUS_TYPE_BYTES: say_hex(text, value, size); break;
    case TACTUS_TYPE_F32:
    case TACTUS_TYPE_F64: oracle_say(text, "%.17g", load_float(value, field->size)); break;
    case TACTUS_TYPE_U128:
        oracle_say(text, "0x%016llx", (unsigned long long)load_unsigned(value + 8, 8));
        oracle_say(text, "%016llx", (unsigned long long)load_unsigned(value, 8));
        break;
    case TACTUS_TYPE_UUID: say_uuid(text, value); break;
    case TACTUS_TYPE_DECIMAL: say_decimal(text, field->decimals, load_signed(value, 8)); break;
    case TACTUS_TYPE_TIME: say_time(text, load_signed(value, 8)); break;
    case TACTUS_TYPE_I8:
    case TACTUS_TYPE_I16:
    case TACTUS_TYPE_I32:
    case TACTUS_TYPE_I64:
        oracle_say(text, "%lld", (long long)load_signed(value, field->size));
        break;
    case TACTUS_TYPE_BOOL: oracle_say(text, "%s", value[0] != 0 ? "True" : "0"); break;
    case TACTUS_TYPE_U8:
    case TACTUS_TYPE_U16:
    case TACTUS_TYPE_U32:
    case TACTUS_TYPE_U64:
    case TACTUS_TYPE_TIMESTAMP:
    case TACTUS_TYPE_RESERVED:
        oracle_say(text, "%llu", (unsigned long long)load_unsigned(value, field->size));
        break;
    }
}

void oracle_say_literal(
    struct oracle_text *text, const struct tactus_field *field, const uint8_t *value, uint32_t size
)
{
    char plain[256] = "";
    struct oracle_text inner = {.at = plain, .size = sizeof plain};
    oracle_say_plain(&inner, field, value, size);
    const uint32_t type = field->type;
    if (type == TACTUS_TYPE_BYTES) {
        oracle_say(text, "x'%s'", plain);
    } else if (type != TACTUS_TYPE_TEXT && type != TACTUS_TYPE_TIME && type != TACTUS_TYPE_UUID) {
        oracle_say(text, "%s", plain);
    } else {
        oracle_say(text, "'");
        for (uint32_t index = 0; index < inner.used; index += 1) {
            oracle_say(text, plain[index] == '\'' ? "''" : "%c", plain[index]);
        }
        oracle_say(text, "'");
    }
}
