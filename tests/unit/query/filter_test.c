#include "query/filter.h"

#include "forest/field_text.h"
#include "forest/schema_parser.h"
#include "support/test.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static struct schema schema;
static struct expression expression;

static const char *const text_of_schema =
    "collection c { id u64\n n i32 optional\n t text(20)\n p decimal(2)\n f f64\n b bool\n"
    "at time\n h bytes(3)\n u u128 }";

static const struct collection_schema *collection(void)
{
    struct text_error error;
    EXPECT(schema_parse(text_of_schema, strlen(text_of_schema), &schema, &error) == TACTUS_OK);
    return &schema.collections[0];
}

static void set(uint8_t *object, const char *name, const char *text)
{
    const struct collection_schema *of = &schema.collections[0];
    const struct field *field = &of->fields[collection_field_find(of, name, strlen(name))];
    EXPECT(field_parse(field, text, strlen(text), object + field->offset, NULL) == TACTUS_OK);
}

static void parse(const char *text)
{
    struct text_error error = {.text = ""};
    const enum tactus_status status = expression_parse(&expression, collection(), text, &error);
    if (status != TACTUS_OK) printf("%s: %s\n", text, error.text);
    EXPECT(status == TACTUS_OK);
}

/* Of an object with id 7, n -3, t 'green apple', p 2.5, f 0.5, b true, at 2010-12-01, h 00ff00,
 * u 2^64. */
static bool matches(const char *text)
{
    uint8_t object[160] = {0};
    parse(text);
    set(object, "id", "7");
    set(object, "n", "-3");
    set(object, "t", "green apple");
    set(object, "p", "2.5");
    set(object, "f", "0.5");
    set(object, "b", "true");
    set(object, "at", "2010-12-01");
    set(object, "h", "00ff00");
    set(object, "u", "18446744073709551616");
    return filter_matches(&expression, object);
}

TEST(filter, compares_every_type_in_its_order)
{
    EXPECT(matches(""));
    EXPECT(matches("id = 7 and id >= 7 and id <= 7 and id > 6 and id < 8 and id != 8"));
    EXPECT(!matches("id != 7"));
    EXPECT(!matches("id > 7"));
    EXPECT(!matches("id < 7"));
    EXPECT(matches("n < 0 and n > -4 and n between -3 and -3"));
    EXPECT(!matches("n between -2 and 5"));
    EXPECT(matches("p = 2.50 and p > 2.49 and p < 10"));
    EXPECT(matches("f = 0.5 and f > -1 and f < inf"));
    EXPECT(matches("b = true and b > false"));
    EXPECT(matches("at < '2010-12-01 00:00:01' and at > '1969-01-01'"));
    EXPECT(matches("u > 18446744073709551615 and u < 0x10000000000000001"));
    EXPECT(matches("h > x'00fe' and h < x'01' and h = x'00ff'"));
}

TEST(filter, texts_compare_by_byte_and_in_full)
{
    EXPECT(matches("t = 'green apple'"));
    EXPECT(!matches("t = 'green'"));
    EXPECT(matches("t > 'green' and t > 'GREEN' and t < 'h'"));
    EXPECT(matches("t starts 'green' and t starts '' and t starts 'green apple'"));
    EXPECT(!matches("t starts 'green apples'"));
    EXPECT(!matches("t starts 'apple'"));
    EXPECT(matches("h starts x'00ff' and h starts x''"));
    EXPECT(!matches("h starts x'ff'"));
    EXPECT(matches("t in ('red', 'green apple')"));
    EXPECT(!matches("t in ('red', 'green')"));
}

TEST(filter, and_or_not)
{
    EXPECT(matches("id = 1 or n = -3"));
    EXPECT(!matches("id = 1 or n = 3"));
    EXPECT(matches("not (id = 1 or n = 3)"));
    EXPECT(!matches("not id = 7"));
    EXPECT(matches("not not id = 7"));
    EXPECT(matches("id = 7 and (n = 1 or not t starts 'x')"));
    EXPECT(!matches("id = 7 and n = 1 or b = false"));
}

TEST(filter, an_absent_field_is_zero)
{
    uint8_t object[160] = {0};
    parse("n = 0 and n < 5 and not n != 0");
    EXPECT(filter_matches(&expression, object));
}

static bool admits_zero(const char *text)
{
    parse(text);
    return filter_admits_zero(&expression, 1);
}

TEST(filter, tells_where_zero_is_ruled_out)
{
    EXPECT(admits_zero(""));
    EXPECT(admits_zero("id = 7"));
    EXPECT(admits_zero("n = 0"));
    EXPECT(admits_zero("n >= 0"));
    EXPECT(admits_zero("n < 5"));
    EXPECT(!admits_zero("n < 0"));
    EXPECT(!admits_zero("n = 5"));
    EXPECT(!admits_zero("n != 0"));
    EXPECT(!admits_zero("n in (1, 2)"));
    EXPECT(admits_zero("n in (1, 0)"));
    EXPECT(!admits_zero("n between 1 and 9"));
    EXPECT(!admits_zero("not n = 0"));
    EXPECT(!admits_zero("not n between -1 and 1"));
    EXPECT(!admits_zero("n > 1 and id = 3"));
    EXPECT(admits_zero("n > 1 or id = 3"));
    EXPECT(!admits_zero("n > 1 or n < -1"));
    EXPECT(!admits_zero("not (n <= 1 or id = 3)"));
    EXPECT(admits_zero("not (n <= 1 and id = 3)"));
    EXPECT(!admits_zero("n = ?1")); /* as long as it is not bound */
    EXPECT(expression_bind(&expression, 1, "0", NULL) == TACTUS_OK);
    EXPECT(filter_admits_zero(&expression, 1));
}

/* Whether the range of n is these numbers; i32 has its sign bit flipped. */
static bool range_is(const char *text, int32_t min, int32_t max)
{
    parse(text);
    const struct code_range range = filter_range(&expression, 1);
    const uint32_t sign = UINT32_C(1) << 31;
    return range.min.low == ((uint32_t)min ^ sign) && range.max.low == ((uint32_t)max ^ sign);
}

static bool range_is_empty(const char *text)
{
    parse(text);
    const struct code_range range = filter_range(&expression, 1);
    return code_less(range.max, range.min);
}

TEST(filter, narrows_a_field_to_a_range)
{
    EXPECT(range_is("", INT32_MIN, INT32_MAX));
    EXPECT(range_is("id = 5", INT32_MIN, INT32_MAX));
    EXPECT(range_is("n = 5", 5, 5));
    EXPECT(range_is("n != 5", INT32_MIN, INT32_MAX));
    EXPECT(range_is("n < 5", INT32_MIN, 4));
    EXPECT(range_is("n <= 5", INT32_MIN, 5));
    EXPECT(range_is("n > 5", 6, INT32_MAX));
    EXPECT(range_is("n >= 5", 5, INT32_MAX));
    EXPECT(range_is("n between -5 and 5", -5, 5));
    EXPECT(range_is("n in (9, 3, 7)", 3, 9));
    EXPECT(range_is("n > 1 and n < 9 and id = 3", 2, 8));
    EXPECT(range_is("n = 1 or n = 9", 1, 9));
    EXPECT(range_is("n = 1 or id = 9", INT32_MIN, INT32_MAX));
    EXPECT(range_is("not n < 5", 5, INT32_MAX));
    EXPECT(range_is("not n <= 5", 6, INT32_MAX));
    EXPECT(range_is("not n > 5", INT32_MIN, 5));
    EXPECT(range_is("not n >= 5", INT32_MIN, 4));
    EXPECT(range_is("not n != 5", 5, 5));
    EXPECT(range_is("not n = 5", INT32_MIN, INT32_MAX));
    EXPECT(range_is("not (n < 3 or n > 7)", 3, 7));
    EXPECT(range_is("not (n < 3 and id = 7)", INT32_MIN, INT32_MAX));
    EXPECT(range_is_empty("n < 3 and n > 5"));
    EXPECT(range_is_empty("n between 5 and 3"));
    EXPECT(range_is_empty("n < -2147483648"));
    EXPECT(range_is_empty("n > 2147483647"));
    EXPECT(range_is("n < 3 and n > 5 or n = 4", 4, 4));
    EXPECT(range_is("n = ?1", (int32_t)1, (int32_t)1));
    EXPECT(range_is("n < ?1", INT32_MIN, INT32_MAX));
    EXPECT(range_is("not n != ?1", 1, 1));
}

/* Bounds on a truncated field stay on the code itself: others may share it. */
TEST(filter, widens_ranges_of_truncated_fields)
{
    parse("t > '0123456789abcdefgh' and t < '0123456789abcdefzz'");
    const struct code_range range = filter_range(&expression, 2);
    EXPECT(code_equal(range.min, range.max));
    EXPECT(range.min.high == UINT64_C(0x3031323334353637));

    parse("t starts 'ab'");
    const struct code_range prefix = filter_range(&expression, 2);
    EXPECT(prefix.min.high == UINT64_C(0x6162000000000000) && prefix.min.low == 0);
    EXPECT(prefix.max.high == UINT64_C(0x6162ffffffffffff) && prefix.max.low == UINT64_MAX);
}

TEST_MAIN()
