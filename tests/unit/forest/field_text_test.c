#include "forest/field_text.h"

#include "base/integer.h"
#include "base/random.h"
#include "forest/codec.h"
#include "support/test.h"

#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A field of a type as a schema writes it, "decimal(3)", "u8 optional". */
static struct field field_of(const char *type)
{
    struct field field = {.name = "f"};
    const size_t size = strcspn(type, "( ");
    const struct field_type *of = field_type_find(type, size);
    field.type = of->type;
    field.size = of->size;
    if (of->has_number) {
        const uint16_t number = (uint16_t)strtoul(type + size + 1, NULL, 10);
        if (of->type == TACTUS_TYPE_DECIMAL) {
            field.decimals = (uint8_t)number;
        } else {
            field.size = number;
        }
    }
    if (strstr(type, " optional") != NULL) field.flags |= TACTUS_FIELD_OPTIONAL;
    return field;
}

static bool parse(const char *type, const char *text, uint8_t *value)
{
    const struct field field = field_of(type);
    struct text_error error = {.text = ""};
    char *copy = malloc(strlen(text) + 1); /* of the exact size, for the sanitizer */
    memcpy(copy, text, strlen(text));
    const enum tactus_status status = field_parse(&field, copy, strlen(text), value, &error);
    free(copy);
    EXPECT(status == TACTUS_OK || status == TACTUS_INVALID);
    EXPECT((status == TACTUS_OK) == (error.text[0] == 0));
    return status == TACTUS_OK;
}

/* Whether the text is read and shown as `shown`. */
static bool shows(const char *type, const char *text, const char *shown)
{
    uint8_t value[64];
    char buffer[FIELD_TEXT_MAX];
    const struct field field = field_of(type);
    if (!parse(type, text, value)) return false;
    const uint64_t length = field_format(&field, value, buffer, sizeof buffer);
    const bool good = length == strlen(buffer) && strcmp(buffer, shown) == 0;
    if (!good) printf("%s: `%s` shows `%s`\n", type, text, buffer);
    return good;
}

static bool refuses(const char *type, const char *text, const char *words)
{
    uint8_t value[64];
    uint8_t before[64];
    const struct field field = field_of(type);
    struct text_error error = {.text = ""};
    memset(value, 0x5a, sizeof value);
    memcpy(before, value, sizeof value);
    if (field_parse(&field, text, strlen(text), value, &error) == TACTUS_OK) return false;
    EXPECT(memcmp(value, before, sizeof value) == 0); /* nothing was written */
    const bool good = strstr(error.text, words) != NULL;
    if (!good) printf("%s: `%s`: %s\n", type, text, error.text);
    return good;
}

TEST(field_text, whole_numbers)
{
    EXPECT(shows("u8", "255", "255"));
    EXPECT(shows("u8", "+7", "7"));
    EXPECT(shows("u8", "-0", "0"));
    EXPECT(shows("u8", "007", "7"));
    EXPECT(shows("u32", "17850.0", "17850"));
    EXPECT(shows("u32", "17850.000", "17850"));
    EXPECT(shows("u64", "18446744073709551615", "18446744073709551615"));
    EXPECT(shows("i8", "-128", "-128"));
    EXPECT(shows("i16", "-1.0", "-1"));
    EXPECT(shows("i64", "-9223372036854775808", "-9223372036854775808"));
    EXPECT(shows("i64", "9223372036854775807", "9223372036854775807"));
    EXPECT(shows("timestamp", "9223372036854775807", "9223372036854775807"));

    EXPECT(refuses("u8", "256", "u8 is 0 to 255"));
    EXPECT(refuses("u8", "-1", "out of range"));
    EXPECT(refuses("u64", "18446744073709551616", "out of range"));
    EXPECT(refuses("u64", "999999999999999999999999999999999999999999", "out of range"));
    EXPECT(refuses("i8", "128", "i8 is -128 to 127"));
    EXPECT(refuses("i8", "-129", "out of range"));
    EXPECT(refuses("timestamp", "9223372036854775808", "out of range"));
    EXPECT(refuses("u32", "17850.5", "fraction is not zero"));
    EXPECT(refuses("u32", "17850.", "not a whole number"));
    EXPECT(refuses("u32", "1e3", "not a whole number"));
    EXPECT(refuses("u32", "0x10", "not a whole number"));
    EXPECT(refuses("u32", "abc", "not a whole number"));
    EXPECT(refuses("u32", "-", "not a whole number"));
    EXPECT(refuses("u32", "1.0x", "not a whole number"));
    EXPECT(refuses("u32", " 5", "blank"));
    EXPECT(refuses("u32", "5 ", "blank"));
    EXPECT(refuses("u32", "", "needs a value"));
}

TEST(field_text, wide_numbers)
{
    const char *const most = "340282366920938463463374607431768211455";
    EXPECT(shows("u128", most, most));
    EXPECT(shows("u128", "0xFFffffffffffffffffffffffffffffff", most));
    EXPECT(shows("u128", "0x10", "16"));
    EXPECT(shows("u128", "00000000-0000-0001-0000-000000000002", "18446744073709551618"));
    EXPECT(shows("u128", "0", "0"));
    EXPECT(shows(
        "uuid", "123E4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"
    ));
    EXPECT(shows("uuid", "123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-426614174000")
    );
    EXPECT(shows("uuid", "0x1", "00000000-0000-0000-0000-000000000001"));

    EXPECT(refuses("u128", "340282366920938463463374607431768211456", "out of range"));
    EXPECT(refuses("u128", "-1", "not negative"));
    EXPECT(refuses("u128", "0x", "not a whole number"));
    EXPECT(refuses("u128", "0x123456789012345678901234567890123", "1 to 32 hex digits"));
    EXPECT(refuses("u128", "0xg", "is not hex"));
    EXPECT(refuses("uuid", "123e4567-e89b-12d3-a456-42661417400g", "not a UUID"));
    EXPECT(refuses("uuid", "123e4567-e89b-12d3-a456a426614174000", "not a UUID"));
    EXPECT(refuses("uuid", "5", "not a UUID"));
}

TEST(field_text, decimals_are_exact)
{
    EXPECT(shows("decimal(3)", "2.55", "2.55"));
    EXPECT(shows("decimal(2)", "-11062.06", "-11062.06"));
    EXPECT(shows("decimal(3)", "2.5500000", "2.55"));
    EXPECT(shows("decimal(3)", "2", "2"));
    EXPECT(shows("decimal(3)", "100", "100"));
    EXPECT(shows("decimal(3)", "-0.001", "-0.001"));
    EXPECT(shows("decimal(3)", "-0", "0"));
    EXPECT(shows("decimal(3)", ".5", "0.5"));
    EXPECT(shows("decimal(18)", "9.223372036854775807", "9.223372036854775807"));
    EXPECT(shows("decimal(18)", "-9.223372036854775808", "-9.223372036854775808"));
    EXPECT(shows("decimal(1)", "922337203685477580.7", "922337203685477580.7"));

    EXPECT(refuses("decimal(3)", "2.5555", "more than 3 digits"));
    EXPECT(refuses("decimal(18)", "9.223372036854775808", "out of range of decimal(18)"));
    EXPECT(refuses("decimal(18)", "10", "out of range"));
    EXPECT(refuses("decimal(3)", "9999999999999999999999999999999999999999", "out of range"));
    EXPECT(refuses("decimal(3)", "1.2.3", "not a decimal number"));
    EXPECT(refuses("decimal(3)", ".", "not a decimal number"));
    EXPECT(refuses("decimal(3)", "1e3", "not a decimal number"));
    EXPECT(refuses("decimal(3)", "1,5", "not a decimal number"));
}

TEST(field_text, times)
{
    EXPECT(shows("time", "2010-12-01", "2010-12-01T00:00:00Z"));
    EXPECT(shows("time", "2010-12-01 08:26", "2010-12-01T08:26:00Z"));
    EXPECT(shows("time", "2010-12-01T08:26:00Z", "2010-12-01T08:26:00Z"));
    EXPECT(shows("time", "2010-12-01 08:26:00.5", "2010-12-01T08:26:00.5Z"));
    EXPECT(shows("time", "2010-12-01 08:26:00.1234567890", "2010-12-01T08:26:00.123456789Z"));
    EXPECT(shows("time", "2010-12-01 00:26+01:00", "2010-11-30T23:26:00Z"));
    EXPECT(shows("time", "2010-12-01T08:26:30-05:30", "2010-12-01T13:56:30Z"));
    EXPECT(shows("time", "2012-02-29", "2012-02-29T00:00:00Z"));
    EXPECT(shows("time", "2000-02-29", "2000-02-29T00:00:00Z"));
    EXPECT(shows("time", "1969-12-31 23:59:59.999999999", "1969-12-31T23:59:59.999999999Z"));
    EXPECT(shows("time", "1677-09-21T00:12:43.145224192", "1677-09-21T00:12:43.145224192Z"));
    EXPECT(shows("time", "2262-04-11T23:47:16.854775807", "2262-04-11T23:47:16.854775807Z"));

    EXPECT(refuses("time", "1677-09-21T00:12:43.145224191", "out of range"));
    EXPECT(refuses("time", "2262-04-11T23:47:16.854775808", "out of range"));
    EXPECT(refuses("time", "9999-12-31", "out of range"));
    EXPECT(refuses("time", "2011-02-29", "no such day"));
    EXPECT(refuses("time", "1900-02-29", "no such day"));
    EXPECT(refuses("time", "2011-04-31", "no such day"));
    EXPECT(refuses("time", "2011-13-01", "no such month"));
    EXPECT(refuses("time", "2011-00-01", "no such month"));
    EXPECT(refuses("time", "2011-12-01 24:00", "23:59:59"));
    EXPECT(refuses("time", "2011-12-01 23:59:60", "23:59:59"));
    EXPECT(refuses("time", "2011-12-01 08:26:00.", "is not a time"));
    EXPECT(refuses("time", "2011-12-01 08:26:00.1234567891", "finer than a nanosecond"));
    EXPECT(refuses("time", "2011-12-01 08", "is not a time"));
    EXPECT(refuses("time", "2011-12-01 08:26 Z", "is not a time"));
    EXPECT(refuses("time", "2011-12-01 08:26Zx", "is not a time"));
    EXPECT(refuses("time", "2011-12-01 08:26+24:00", "no such offset"));
    EXPECT(refuses("time", "2011-12-01 08:26+1", "is not a time"));
    EXPECT(refuses("time", "2011-12-1", "is not a time"));
    EXPECT(refuses("time", "12/1/2010 8:26", "is not a time"));
    EXPECT(refuses("time", "2011-12-01x", "is not a time"));
}

TEST(field_text, every_day_of_the_range_comes_back)
{
    const struct field field = field_of("time");
    for (int64_t day = -106751; day <= 106751; day += 1) {
        const int64_t time = day * 86400 * 1000000000;
        int64_t back;
        char text[64];
        const uint64_t size = field_format(&field, &time, text, sizeof text);
        EXPECT(field_parse(&field, text, size, &back, NULL) == TACTUS_OK);
        EXPECT(back == time);
    }
}

TEST(field_text, floats_show_the_shortest_text_that_reads_back)
{
    EXPECT(shows("f64", "0.1", "0.1"));
    EXPECT(shows("f64", "100000", "100000"));
    EXPECT(shows("f64", "1e22", "1e22"));
    EXPECT(shows("f64", "1.50E+07", "15000000"));
    EXPECT(shows("f64", "-2.5e-09", "-2.5e-9"));
    EXPECT(shows("f64", "1e-10", "1e-10"));
    EXPECT(shows("f64", "0.30000000000000004", "0.30000000000000004"));
    EXPECT(shows("f64", "5e-324", "5e-324"));
    EXPECT(shows("f64", "1.7976931348623157e308", "1.7976931348623157e308"));
    EXPECT(shows("f64", "-0.0", "0"));
    EXPECT(shows("f64", "1e-999", "0"));
    EXPECT(shows("f64", "-INF", "-inf"));
    EXPECT(shows("f64", "Infinity", "inf"));
    EXPECT(shows("f64", ".5", "0.5"));
    EXPECT(shows("f32", "1e-45", "1e-45"));
    EXPECT(shows("f32", "0.1", "0.1"));
    EXPECT(shows("f32", "16777217", "16777216"));
    EXPECT(shows("f32", "3.4028235e38", "3.4028235e38"));

    EXPECT(refuses("f64", "nan", "NaN is refused"));
    EXPECT(refuses("f64", "1e999", "out of range of f64"));
    EXPECT(refuses("f32", "1e39", "out of range of f32"));
    EXPECT(refuses("f64", "1,5", "not a number"));
    EXPECT(refuses("f64", "0x1p3", "not a number"));
    EXPECT(refuses("f64", "1e", "not a number"));
    EXPECT(refuses("f64", "1.5x", "not a number"));
    char text[500];
    memset(text, '1', sizeof text);
    text[sizeof text - 1] = 0;
    EXPECT(refuses("f64", text, "400 characters or more"));
}

static void expect_all_come_back(const char *type, uint64_t seed)
{
    struct field field = field_of(type);
    struct random random;
    random_init(&random, seed);
    for (uint32_t i = 0; i < 20000; i += 1) {
        uint64_t bits = random_u64(&random);
        if (i % 3 == 0) bits &= ~(UINT64_MAX >> random_below(&random, 64));
        char text[64];
        uint8_t value[16] = {0};
        uint8_t back[16] = {0};
        memcpy(value, &bits, sizeof bits);
        memcpy(value + 8, &bits, sizeof bits);
        memset(value + field.size, 0, sizeof value - field.size);
        struct collection_schema one = {.fields = &field, .field_count = 1, .object_bytes = 16};
        uint32_t bad;
        if (object_normalise(&one, value, &bad) != TACTUS_OK) continue; /* a NaN */
        if (field.type == TACTUS_TYPE_TIMESTAMP) value[7] &= 0x7f;
        const uint64_t size = field_format(&field, value, text, sizeof text);
        EXPECT(size < sizeof text);
        EXPECT(field_parse(&field, text, size, back, NULL) == TACTUS_OK);
        EXPECT(memcmp(back, value, field.size) == 0);
    }
}

TEST(field_text, random_values_come_back)
{
    const char *const types[] = {
        "u8",
        "u16",
        "u32",
        "u64",
        "u128",
        "uuid",
        "i8",
        "i16",
        "i32",
        "i64",
        "f32",
        "f64",
        "time",
        "decimal(1)",
        "decimal(9)",
        "decimal(18)",
        "timestamp",
        "bytes(7)"};
    for (uint32_t i = 0; i < COUNT_OF(types); i += 1)
        expect_all_come_back(types[i], i);
}

TEST(field_text, a_locale_decides_nothing)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"};
    for (uint32_t i = 0; i < COUNT_OF(names); i += 1) {
        if (setlocale(LC_ALL, names[i]) != NULL) break; /* none may be installed here */
    }
    EXPECT(shows("f64", "1.5", "1.5"));
    EXPECT(shows("f32", "1.5e-20", "1.5e-20"));
    EXPECT(refuses("f64", "1,5", "not a number"));
    (void)setlocale(LC_ALL, "C");
}

TEST(field_text, bools)
{
    EXPECT(shows("bool", "true", "true"));
    EXPECT(shows("bool", "TRUE", "true"));
    EXPECT(shows("bool", "1", "true"));
    EXPECT(shows("bool", "False", "false"));
    EXPECT(shows("bool", "0", "false"));
    EXPECT(refuses("bool", "2", "not a bool"));
    EXPECT(refuses("bool", "yes", "not a bool"));
    EXPECT(refuses("bool", "", "needs a value"));
}

TEST(field_text, texts_are_never_cut_nor_trimmed)
{
    EXPECT(shows("text(5)", "", ""));
    EXPECT(shows("text(5)", "12345", "12345"));
    EXPECT(shows("text(5)", " a ", " a "));
    EXPECT(shows("text(4)", "\xe2\x82\xac", "\xe2\x82\xac"));
    EXPECT(refuses("text(5)", "123456", "text of 6 bytes in a text(5)"));
    EXPECT(refuses("text(2)", "\xe2\x82\xac", "text of 3 bytes"));
    EXPECT(refuses("text(5)", "\xff", "not UTF-8"));
    const struct field field = field_of("text(5)");
    uint8_t value[5];
    EXPECT(field_parse(&field, "a\0b", 3, value, NULL) == TACTUS_INVALID);
}

TEST(field_text, bytes_are_hex)
{
    EXPECT(shows("bytes(3)", "00ff", "00ff00"));
    EXPECT(shows("bytes(3)", "0x00FF", "00ff00"));
    EXPECT(shows("bytes(3)", "x'00ff'", "00ff00"));
    EXPECT(shows("bytes(3)", "", "000000"));
    EXPECT(shows("bytes(3)", "x''", "000000"));
    EXPECT(refuses("bytes(3)", "0", "odd number"));
    EXPECT(refuses("bytes(3)", "0g", "is not hex"));
    EXPECT(refuses("bytes(3)", "x'00", "is not hex"));
    EXPECT(refuses("bytes(3)", "00112233", "4 bytes in a bytes(3)"));
}

TEST(field_text, optional_fields_show_nothing_where_they_are_absent)
{
    EXPECT(shows("u32 optional", "", ""));
    EXPECT(shows("u32 optional", "0", ""));
    EXPECT(shows("u32 optional", "5", "5"));
    EXPECT(shows("time optional", "", ""));
    EXPECT(shows("bytes(2) optional", "", ""));
    EXPECT(shows("bool optional", "", ""));
}

TEST(field_text, reserved_bytes_have_no_text)
{
    EXPECT(shows("reserved(4)", "", ""));
    EXPECT(refuses("reserved(4)", "00", "no value"));
}

TEST(field_text, format_says_how_long_it_would_be)
{
    const struct field text = field_of("text(5)");
    const struct field bytes = field_of("bytes(2)");
    char buffer[4] = "zzz";
    EXPECT(field_format(&text, "hello", buffer, 4) == 5);
    EXPECT(strcmp(buffer, "hel") == 0);
    EXPECT(field_format(&bytes, "\x12\x34", buffer, 4) == 4);
    EXPECT(strcmp(buffer, "123") == 0);
    EXPECT(field_format(&text, "hello", NULL, 0) == 5);
    EXPECT(field_format(&bytes, "\x12\x34", NULL, 0) == 4);
}

TEST_MAIN()
