#include "forest/codec.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "base/integer.h"
#include "base/random.h"
#include "forest/field_text.h"
#include "forest/schema_parser.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

static struct schema schema;

static const struct collection_schema *shape_of(const char *text)
{
    struct text_error error;
    const enum tactus_status status = schema_parse(text, strlen(text), &schema, &error);
    if (status != TACTUS_OK) printf("%u:%u: %s\n", error.line, error.column, error.text);
    EXPECT(status == TACTUS_OK);
    return &schema.collections[0];
}

static void set(
    const struct collection_schema *of, void *object, const char *name, const char *text
)
{
    const struct field *field = &of->fields[collection_field_find(of, name, strlen(name))];
    struct text_error error;
    const enum tactus_status status =
        field_parse(field, text, strlen(text), (uint8_t *)object + field->offset, &error);
    if (status != TACTUS_OK) printf("%s\n", error.text);
    EXPECT(status == TACTUS_OK);
}

/* Codes of these values, in this order, ascend; and codec_compare() says the same. */
static void expect_ascending(const char *type, const char *const *texts, uint32_t count)
{
    char text[100];
    (void)snprintf(text, sizeof text, "collection c { v %s }", type);
    const struct field *field = &shape_of(text)->fields[0];
    uint8_t values[16][64];
    struct text_error error;
    for (uint32_t i = 0; i < count; i += 1) {
        EXPECT(field_parse(field, texts[i], strlen(texts[i]), values[i], &error) == TACTUS_OK);
        const struct code code = codec_encode(field, values[i]);
        EXPECT(!code_less(code_max(field_order_bytes(field)), code));
        EXPECT(codec_compare(field, values[i], values[i]) == 0);
        if (i == 0) continue;
        EXPECT(code_less(codec_encode(field, values[i - 1]), code));
        EXPECT(codec_compare(field, values[i - 1], values[i]) < 0);
        EXPECT(codec_compare(field, values[i], values[i - 1]) > 0);
    }
}

#define EXPECT_ASCENDING(type, ...)                                                                \
    do {                                                                                           \
        const char *const texts[] = {__VA_ARGS__};                                                 \
        expect_ascending(type, texts, COUNT_OF(texts));                                            \
    } while (0)

TEST(codec, codes_are_in_the_order_of_values)
{
    EXPECT_ASCENDING("u8", "0", "1", "127", "128", "255");
    EXPECT_ASCENDING("u16", "0", "255", "256", "65535");
    EXPECT_ASCENDING("u32", "0", "65536", "4294967295");
    EXPECT_ASCENDING("u64", "0", "4294967296", "18446744073709551615");
    EXPECT_ASCENDING(
        "u128",
        "0",
        "1",
        "18446744073709551615",
        "18446744073709551616",
        "0x80000000000000000000000000000000"
    );
    EXPECT_ASCENDING("i8", "-128", "-127", "-1", "0", "1", "127");
    EXPECT_ASCENDING("i16", "-32768", "-1", "0", "32767");
    EXPECT_ASCENDING("i32", "-2147483648", "-1", "0", "2147483647");
    EXPECT_ASCENDING("i64", "-9223372036854775808", "-1", "0", "9223372036854775807");
    EXPECT_ASCENDING("decimal(2)", "-11062.06", "-0.01", "0", "0.01", "2.55", "10");
    EXPECT_ASCENDING(
        "time", "1677-09-21T00:12:44Z", "1969-12-31", "1970-01-01", "2010-12-01 08:26"
    );
    EXPECT_ASCENDING("bool", "false", "true");
    EXPECT_ASCENDING("timestamp", "0", "1", "9223372036854775807");
    EXPECT_ASCENDING("f32", "-inf", "-1e38", "-1.5", "-1e-45", "0", "1e-45", "1", "3e38", "inf");
    EXPECT_ASCENDING(
        "f64", "-inf", "-1e308", "-1.5", "-5e-324", "0", "5e-324", "1", "1e308", "inf"
    );
    EXPECT_ASCENDING("text(5)", "", "a", "aa", "ab", "b", "\xc3\xa4");
    EXPECT_ASCENDING("text(16)", "", "0123456789abcde", "0123456789abcdef", "1");
    EXPECT_ASCENDING("bytes(3)", "", "000001", "0001", "01", "80", "ffffff");
    EXPECT_ASCENDING(
        "uuid",
        "00000000-0000-0000-0000-000000000001",
        "00000000-0000-0001-0000-000000000000",
        "01000000-0000-0000-0000-000000000000",
        "f0000000-0000-0000-0000-000000000000"
    );
}

TEST(codec, long_texts_have_the_code_of_their_first_bytes)
{
    const struct collection_schema *of = shape_of("collection c { v text(20) index }");
    uint8_t a[40] = {0};
    uint8_t b[40] = {0};
    set(of, a, "v", "0123456789abcdefgh");
    set(of, b, "v", "0123456789abcdefgi");
    EXPECT(code_equal(codec_encode(&of->fields[0], a), codec_encode(&of->fields[0], b)));
    EXPECT(codec_compare(&of->fields[0], a, b) < 0);
    EXPECT(of->indexes[0].truncated);
    EXPECT(of->indexes[0].order_bytes == 16);
}

TEST(codec, index_records_hold_the_prefix_and_the_timestamp)
{
    const struct collection_schema *of = shape_of("collection c { a u32 index\n b i16\n t text(6)\n"
                                                  "index ab (a, b) index abt (a, b, t) }");
    uint8_t object[64] = {0};
    uint8_t record[INDEX_RECORD_SIZE_MAX];
    set(of, object, "a", "258");
    set(of, object, "b", "-1");
    set(of, object, "t", "xyz");
    object_timestamp_set(of, object, 77);
    EXPECT(object_timestamp(of, object) == 77);

    EXPECT(codec_index_record(of, &of->indexes[0], object, record));
    const struct record_shape narrow = record_shape_index64();
    EXPECT(key_equal(record_key(&narrow, record), key_from_prefix64(258, 77)));
    EXPECT(codec_index_record(of, &of->indexes[1], object, record));
    EXPECT(key_equal(record_key(&narrow, record), key_from_prefix64(258 << 16 | 0x7fff, 77)));
    EXPECT(codec_index_record(of, &of->indexes[2], object, record));
    const struct record_shape wide = record_shape_index128();
    EXPECT(key_equal(
        record_key(&wide, record), key_from_prefix128(UINT64_C(0x7fff78797a000000), 258, 77)
    ));
}

TEST(codec, indexes_leave_out_objects_whose_optional_or_sparse_field_is_zero)
{
    const struct collection_schema *of =
        shape_of("collection c { a u32 optional index\n b u32 index sparse\n d u32 index\n"
                 "e bytes(20) optional index\n index ab (a, b) index db (d, b) }");
    uint8_t object[80] = {0};
    uint8_t record[INDEX_RECORD_SIZE_MAX];
    object_timestamp_set(of, object, 1);
    EXPECT(!codec_index_record(of, &of->indexes[0], object, record));
    EXPECT(!codec_index_record(of, &of->indexes[1], object, record));
    EXPECT(codec_index_record(of, &of->indexes[2], object, record));
    EXPECT(!codec_index_record(of, &of->indexes[3], object, record));
    EXPECT(!codec_index_record(of, &of->indexes[4], object, record));
    EXPECT(codec_index_record(of, &of->indexes[5], object, record)); /* sparse is not optional */

    set(of, object, "a", "1");
    EXPECT(codec_index_record(of, &of->indexes[0], object, record));
    EXPECT(codec_index_record(of, &of->indexes[4], object, record));

    /* Its first 16 bytes are zero, the value is not. */
    set(of, object, "e", "0000000000000000000000000000000000000001");
    EXPECT(codec_index_record(of, &of->indexes[3], object, record));
}

/* The prefix is the hash of the bytes on disk: here they are written down, byte by byte. */
TEST(codec, hashed_indexes_hold_the_hash_of_the_whole_value)
{
    const struct collection_schema *of =
        shape_of("collection c { a u32 index hash\n b i16 index hash\n t text(20) index hash\n"
                 "u u128 index hash\n s bytes(20) optional index hash\n z u8 index hash sparse }");
    uint8_t object[128] = {0};
    uint8_t record[INDEX_RECORD_SIZE_MAX];
    set(of, object, "a", "258");
    set(of, object, "b", "-2");
    set(of, object, "t", "0123456789abcdefgh");
    set(of, object, "u", "0x0102030405060708090a0b0c0d0e0f10");
    object_timestamp_set(of, object, 77);
    const struct {
        const char *bytes;
        uint32_t size;
    } cases[] = {
        {"\x02\x01\x00\x00", 4},
        {"\xfe\xff", 2},
        {"0123456789abcdefgh\x00\x00", 20},
        {"\x10\x0f\x0e\x0d\x0c\x0b\x0a\x09\x08\x07\x06\x05\x04\x03\x02\x01", 16},
    };
    const struct record_shape narrow = record_shape_index64();
    for (uint32_t i = 0; i < COUNT_OF(cases); i += 1) {
        const uint64_t hash = hash_64(cases[i].bytes, cases[i].size);
        const struct tree_place place = {of, &of->indexes[i], TREE_KIND_INDEX};
        EXPECT(codec_shape(&place).record_size == 16);
        EXPECT(codec_index_record(of, &of->indexes[i], object, record));
        EXPECT(load_u64(record) == hash);
        EXPECT(key_equal(record_key(&narrow, record), key_from_prefix64(hash, 77)));

        const void *value = object + of->fields[of->indexes[i].fields[0]].offset;
        const struct key_bounds range =
            codec_hash_range(of, &of->indexes[i], value, (struct timestamp_range){5, 77});
        EXPECT(key_equal(range.min, key_from_prefix64(hash, 5)));
        EXPECT(key_equal(range.max, key_from_prefix64(hash, 77)));
    }
    EXPECT(!codec_index_record(of, &of->indexes[4], object, record));
    EXPECT(!codec_index_record(of, &of->indexes[5], object, record));
    set(of, object, "s", "0000000000000000000000000000000000000001");
    set(of, object, "z", "1");
    EXPECT(codec_index_record(of, &of->indexes[4], object, record));
    EXPECT(codec_index_record(of, &of->indexes[5], object, record));
}

TEST(codec, id_records_and_keys)
{
    uint8_t record[24];
    const struct collection_schema *of = shape_of("collection c { id u64 }");
    const uint64_t id = 5;
    codec_id_record(of, &id, 9, record);
    const struct record_shape narrow = record_shape_id64();
    EXPECT(key_equal(record_key(&narrow, record), key_from_u64(5)));
    EXPECT(key_equal(codec_id_key(of, &id), key_from_u64(5)));
    EXPECT(record_timestamp(&narrow, record) == 9);

    of = shape_of("collection c { id uuid }");
    const struct tactus_u128 uuid = {.low = 1, .high = 2};
    codec_id_record(of, &uuid, 9, record);
    const struct record_shape wide = record_shape_id128();
    EXPECT(key_equal(record_key(&wide, record), key_from_u128(1, 2)));
    EXPECT(key_equal(codec_id_key(of, &uuid), key_from_u128(1, 2)));
    EXPECT(record_timestamp(&wide, record) == 9);
}

/* Every object's key lies in the range made of its own codes, whatever part of them is given. */
TEST(codec, ranges_hold_what_they_are_of)
{
    const struct collection_schema *of =
        shape_of("collection c { a u8\n b i32\n t text(7)\n u u128\n d u16\n index abt (a, b, t)\n"
                 "index iu (u) index dt (d, t) index ba (b, a) }");
    struct random random;
    random_init(&random, 1);
    for (uint32_t step = 0; step < 2000; step += 1) {
        uint8_t object[64] = {0};
        for (uint32_t i = 0; i < of->object_bytes; i += 1)
            object[i] = (uint8_t)random_u64(&random);
        const uint64_t timestamp = 1 + random_below(&random, TIMESTAMP_MAX);
        object_timestamp_set(of, object, timestamp);
        const struct index_schema *index = &of->indexes[random_below(&random, of->index_count)];
        const uint32_t count = (uint32_t)random_below(&random, index->field_count + 1U);

        struct code_range ranges[ORDER_BYTES_MAX];
        for (uint32_t i = 0; i < count; i += 1) {
            const struct field *field = &of->fields[index->fields[i]];
            const struct code code = codec_encode(field, object + field->offset);
            ranges[i] = (struct code_range){code, code};
        }
        const struct key_bounds range = codec_index_range(
            of, index, ranges, count, (struct timestamp_range){timestamp, timestamp}
        );
        uint8_t record[INDEX_RECORD_SIZE_MAX];
        EXPECT(codec_index_record(of, index, object, record));
        const struct record_shape shape =
            index->order_bytes <= 8 ? record_shape_index64() : record_shape_index128();
        const struct key key = record_key(&shape, record);
        EXPECT(!key_less(key, range.min));
        EXPECT(!key_less(range.max, key));
        if (count == index->field_count) EXPECT(key_equal(range.min, range.max));
    }
}

TEST(codec, normalise_zeroes_what_no_field_holds)
{
    const struct collection_schema *of =
        shape_of("collection c { a u8\n b u32\n t text(5)\n f f64\n g f32 }");
    uint8_t object[48];
    uint32_t bad = 77;
    memset(object, 0xff, sizeof object);
    memcpy(object + of->fields[2].offset, "ab\0zz", 5);
    const double minus_zero = -0.0;
    const float minus_zero_single = -0.0F;
    memcpy(object + of->fields[3].offset, &minus_zero, 8);
    memcpy(object + of->fields[4].offset, &minus_zero_single, 4);
    EXPECT(object_fault(of, object) != NULL);
    EXPECT(object_normalise(of, object, &bad) == TACTUS_OK);
    EXPECT(object_fault(of, object) == NULL);
    uint8_t wanted[48] = {0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 'a', 'b'};
    memset(wanted + of->timestamp_offset, 0xff, 8);
    EXPECT(memcmp(object, wanted, of->object_bytes) == 0);
}

TEST(codec, normalise_refuses_what_a_field_cannot_hold)
{
    const struct collection_schema *of =
        shape_of("collection c { t text(4)\n b bool\n f f64\n g f32\n r reserved(3) }");
    const struct {
        uint32_t field;
        uint8_t bytes[8];
        uint32_t size;
    } cases[] = {
        {0, {0xff}, 1},
        {0, {'a', 'b', 0xe2, 0x82}, 4}, /* cut inside a character */
        {1, {2}, 1},
        {2, {0, 0, 0, 0, 0, 0, 0xf8, 0x7f}, 8},
        {2, {1, 0, 0, 0, 0, 0, 0xf0, 0xff}, 8},
        {3, {0, 0, 0xc0, 0x7f}, 4},
        {4, {0, 0, 1}, 3},
    };
    for (uint32_t i = 0; i < COUNT_OF(cases); i += 1) {
        uint8_t object[48] = {0};
        uint32_t bad = 77;
        memcpy(object + of->fields[cases[i].field].offset, cases[i].bytes, cases[i].size);
        EXPECT(object_fault(of, object) != NULL);
        EXPECT(object_normalise(of, object, &bad) == TACTUS_INVALID);
        EXPECT(bad == cases[i].field);
    }
}

TEST(codec, disk_order_and_back_is_the_same_object)
{
    const struct collection_schema *of = shape_of("collection c { a u16\n u u128\n t text(4) }");
    uint8_t object[40];
    uint8_t copy[40];
    for (uint32_t i = 0; i < sizeof object; i += 1)
        object[i] = (uint8_t)i;
    memcpy(copy, object, sizeof object);
    object_to_disk(of, copy);
    object_from_disk(of, copy);
    EXPECT(memcmp(copy, object, sizeof object) == 0);
}

/* ---- Maps ----------------------------------------------------------------------------------- */

TEST(codec, a_maps_record_has_a_flag_word_behind_the_key)
{
    const struct collection_schema *of = shape_of("map m { key u128\n n u32\n t text(6)\n v u16 }");
    EXPECT(of->object_bytes == 32);
    const struct tree_place place = schema_tree(&schema, of->object_tree);
    const struct record_shape shape = codec_shape(&place);
    EXPECT(shape.record_size == 40 && shape.record_size == codec_map_record_bytes(of));
    EXPECT(shape.key_bits == KEY_128 && shape.flag_offset == 16);

    _Alignas(8) uint8_t object[32] = {0};
    set(of, object, "key", "0x0102030405060708090a0b0c0d0e0f10");
    set(of, object, "n", "287454020");
    set(of, object, "t", "abc");
    set(of, object, "v", "4660");
    static const uint8_t wanted[40] = {
        0x10, 0x0f, 0x0e, 0x0d, 0x0c, 0x0b, 0x0a, 0x09, 8, 7, 6,    5,
        4,    3,    2,    1,                                              /* low word first */
        0,    0,    0,    0,    0,    0,    0,    0,                      /* the flag word */
        0x44, 0x33, 0x22, 0x11, 'a',  'b',  'c',  0,    0, 0, 0x34, 0x12, /* little-endian */
    };
    uint8_t record[40];
    memset(record, 0xa5, sizeof record);
    codec_map_record(of, object, record);
    EXPECT(memcmp(record, wanted, sizeof wanted) == 0);
    const struct key key = key_from_u128(0x090a0b0c0d0e0f10, 0x0102030405060708);
    EXPECT(key_equal(record_key(&shape, record), key));
    EXPECT(key_equal(codec_id_key(of, object), key));
    EXPECT(key_equal(codec_map_key_load(of, wanted), key));
    EXPECT(!record_is_tombstone(&shape, record));

    _Alignas(8) uint8_t back[32];
    memset(back, 0xa5, sizeof back);
    codec_object_of_record(of, record, back);
    EXPECT(memcmp(back, object, sizeof back) == 0);

    uint8_t tombstone[40];
    memset(tombstone, 0xa5, sizeof tombstone);
    codec_map_tombstone(of, key, tombstone);
    record_make_tombstone(&shape, record);
    EXPECT(memcmp(tombstone, record, sizeof record) == 0);
}

TEST(codec, a_map_of_nothing_but_keys_has_records_of_two_words)
{
    const struct collection_schema *of = shape_of("map m { key u64 }");
    const uint64_t object = UINT64_C(0xfedcba9876543210);
    uint8_t record[16];
    codec_map_record(of, &object, record);
    EXPECT(load_u64(record) == object);
    EXPECT(load_u64(record + 8) == 0);
    codec_map_tombstone(of, codec_id_key(of, &object), record);
    EXPECT(load_u64(record) == object);
    EXPECT(load_u64(record + 8) == RECORD_TOMBSTONE);
    uint64_t back = 0;
    codec_map_object(of, record, &back);
    EXPECT(back == object);
}

TEST_MAIN()
