#include "query/explain.h"

#include "base/bytes.h"
#include "base/integer.h"
#include "base/random.h"
#include "forest/schema_parser.h"
#include "query/explain_key.h"
#include "support/test.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static struct schema schema;
static struct expression expression;
static struct query_plan plan;
static struct query_actual actual;
static struct text_error error;

static const char *const sale =
    "collection sale { id u64\n timestamp timestamp\n invoice text(8) index\n stock text(12) "
    "index\n"
    "customer u32 optional index\n at time index\n price decimal(3)\n quantity i32 index sparse\n"
    "country text(20) index\n note text(40) index hash\n blob bytes(20) index\n"
    "index customer_at (customer, at) }";

/* So many entries in each tree: 1000 a value, 200 of a range, 1000000 objects. */
static uint64_t entries(void *context, uint16_t tree, struct key min, struct key max)
{
    (void)context;
    if (tree == schema.collections[0].object_tree) {
        return min_u64(1000000, max.word[2] - min.word[2] + 1);
    }
    return min.word[0] == max.word[0] && min.word[1] == max.word[1] ? 1000 : 200;
}

/* ---- What is written ------------------------------------------------------------------------ */

static struct {
    char text[16000];
    size_t size;
    uint32_t pieces;
    uint32_t pieces_max; /* the next one stops it */
} output;

static int write_piece(void *context, const char *text, size_t size)
{
    EXPECT(context == &output);
    EXPECT(output.size + size < sizeof output.text);
    EXPECT(size > 0);
    if (output.pieces == output.pieces_max) return 7;
    output.pieces += 1;
    memcpy(output.text + output.size, text, size);
    output.size += size;
    output.text[output.size] = 0;
    return 0;
}

static const char *show(enum explain_format format, const struct query_actual *of)
{
    const struct explanation explanation = {&expression, &plan, of};
    output.size = 0;
    output.pieces = 0;
    output.pieces_max = UINT32_MAX;
    EXPECT(explain(&explanation, format, write_piece, &output) == 0);
    return output.text;
}

static void make(const char *where, const char *order)
{
    const struct plan_statistics statistics = {entries, NULL};
    struct plan_order by;
    EXPECT(schema_parse(sale, strlen(sale), &schema, &error) == TACTUS_OK);
    const struct collection_schema *of = &schema.collections[0];
    EXPECT(expression_parse(&expression, of, where, &error) == TACTUS_OK);
    EXPECT(plan_order_parse(of, order, &by, &error) == TACTUS_OK);
    EXPECT(plan_choose(&expression, by, &statistics, &plan, &error) == TACTUS_OK);
}

static bool is(const char *found, const char *wanted)
{
    if (strcmp(found, wanted) != 0) printf("%s\n", found);
    return strcmp(found, wanted) == 0;
}

static bool says(const char *where, const char *order, const char *wanted)
{
    make(where, order);
    return is(show(EXPLAIN_TEXT, NULL), wanted);
}

TEST(explain, says_scans_and_sets_in_words)
{
    EXPECT(says("price > 5 and price < 3", NULL, "nothing: no object can fulfil the conditions\n"));
    EXPECT(says(
        "",
        "-timestamp",
        "scan of objects: all [about 1000000]\n"
        "check: none, all that comes matches\n"
        "order: timestamp, descending\n"
    ));
    EXPECT(says(
        "timestamp > 10 and price = 3",
        NULL,
        "scan of objects: timestamp >= 11 [about 1000000]\n"
        "check: each object, by all conditions\n"
        "order: timestamp, ascending\n"
        "advice: no index helps: declare `index` behind `price`\n"
    ));
    EXPECT(says(
        "stock = 'it''s' and customer = 5 and timestamp between 7 and 9000 and invoice != 'b'",
        NULL,
        "set of timestamps, then their objects\n"
        "  difference [about 99]\n"
        "    intersection [about 111]\n"
        "      scan of index stock: stock = 'it''s' and 7 <= timestamp <= 9000 [about 1000]\n"
        "      scan of index customer: customer = 5 and 7 <= timestamp <= 9000 [about 1000]\n"
        "    scan of index invoice: invoice = 'b' and 7 <= timestamp <= 9000 [about 1000]\n"
        "check: none, all that comes matches\n"
        "order: timestamp, ascending\n"
    ));
    EXPECT(says(
        "id in (3, 4) and (customer = 5 or note = 'x')",
        "-at",
        "set of timestamps, then their objects\n"
        "  lookup of 2 ids [about 2]\n"
        "check: each object, by all conditions\n"
        "order: as index at, descending, sorted\n"
    ));
    EXPECT(says(
        "customer = 5 or note = 'x'",
        NULL,
        "set of timestamps, then their objects\n"
        "  union [about 2000]\n"
        "    scan of index customer: customer = 5 [about 1000]\n"
        "    scan of index note: the hash of note, maybe more [about 1000]\n"
        "check: each object, by all conditions\n"
        "order: timestamp, ascending\n"
    ));
}

TEST(explain, says_ranges_in_words_of_the_fields)
{
    EXPECT(says(
        "customer = 5 and at >= '2011-12-09 12:50' and at < '2011-12-10'",
        "at",
        "scan of index customer_at: customer = 5 and '2011-12-09T12:50:00Z' <= at <= "
        "'2011-12-09T23:59:59.999999999Z' [about 200]\n"
        "check: none, all that comes matches\n"
        "order: as index customer_at, ascending\n"
    ));
    EXPECT(says(
        "id > 5",
        "id",
        "scan of ids: id >= 6 [about 1000]\n"
        "check: none, all that comes matches\n"
        "order: id, ascending\n"
    ));
    EXPECT(says(
        "customer = 5 and at > '2011-12-09' and timestamp > 7",
        "-at",
        "scan of index customer_at: customer = 5 and at >= '2011-12-09T00:00:00.000000001Z' and "
        "timestamp >= 8 [about 200]\n"
        "check: none, all that comes matches\n"
        "order: as index customer_at, descending\n"
    ));
    EXPECT(says(
        "id in (5, 7) and timestamp < 7",
        NULL,
        "set of timestamps, then their objects\n"
        "  lookup of 2 ids and timestamp <= 6 [about 2]\n"
        "check: none, all that comes matches\n"
        "order: timestamp, ascending\n"
    ));
    EXPECT(says(
        "country starts 'Uni'",
        NULL,
        "set of timestamps, then their objects\n"
        "  scan of index country: country starts 'Uni', sorted [about 200]\n"
        "check: none, all that comes matches\n"
        "order: timestamp, ascending\n"
    ));
    EXPECT(says(
        "quantity <= -1",
        NULL,
        "set of timestamps, then their objects\n"
        "  scan of index quantity: quantity <= -1, sorted [about 200]\n"
        "check: none, all that comes matches\n"
        "order: timestamp, ascending\n"
    ));
    EXPECT(says(
        "blob = x'00ff'",
        NULL,
        "set of timestamps, then their objects\n"
        "  scan of index blob: blob starts x'00ff0000000000000000000000000000', maybe more "
        "[about 1000]\n"
        "check: each object, by all conditions\n"
        "order: timestamp, ascending\n"
    ));
}

TEST(explain, says_nothing_of_values_that_are_not_bound)
{
    EXPECT(says(
        "stock = ?1",
        NULL,
        "set of timestamps, then their objects\n"
        "  scan of index stock: values that are not bound [about 1000]\n"
        "check: none, all that comes matches\n"
        "order: timestamp, ascending\n"
    ));
}

TEST(explain, says_what_a_run_did)
{
    make("price = 3", "-at");
    EXPECT(plan.drive == PLAN_SET || plan.drive == PLAN_SCAN);
    actual = (struct query_actual){
        .entries = {120},
        .probes = {3},
        .given = {99},
        .objects_fetched = 99,
        .objects_refused = 9,
        .objects_given = 90,
        .passes = 2,
        .blocks_read = 12,
        .blocks_cached = 340,
    };
    EXPECT(
        is(show(EXPLAIN_TEXT, &actual),
           "scan of index at: all [about 200; read 120, leapt 3, gave 99]\n"
           "check: each object, by all conditions\n"
           "order: as index at, descending\n"
           "run: 99 objects fetched, 9 refused, 90 given; 2 passes; 12 blocks read, 340 from the "
           "cache\n")
    );
    EXPECT(strstr(output.text, "leapt 3, gave 99]") != NULL);
    EXPECT(strstr(output.text, "99 objects fetched, 9 refused, 90 given; 2 passes; 12") != NULL);
}

TEST(explain, writes_json)
{
    make("stock = 'a\"b' and not customer in (5, 6) and price = 3", NULL);
    EXPECT(
        is(show(EXPLAIN_JSON, NULL),
           "{\"access\":\"set\",\"set\":{\"kind\":\"scan\",\"index\":\"stock\",\"range\":\"stock = "
           "'a\\\"b'\",\"exact\":false,\"estimate\":1000},\"check\":true,\"sort\":false,\"order\":"
           "\"timestamp\",\"order_index\":false,\"descending\":false,\"estimate\":1000,\"cost_ns\":"
           "2022000,\"advice\":null}\n")
    );
    make("stock = 'a' or id = 3", NULL);
    actual = (struct query_actual){.given = {9, 8, 7}, .blocks_read = 5};
    EXPECT(is(
        show(EXPLAIN_JSON, &actual),
        "{\"access\":\"set\",\"set\":{\"kind\":\"union\",\"exact\":true,\"estimate\":1001,"
        "\"entries\":0,\"probes\":0,\"given\":9,\"parts\":[{\"kind\":\"ids\",\"ids\":1,\"exact\":"
        "true,\"estimate\":1,\"entries\":0,\"probes\":0,\"given\":8},{\"kind\":\"scan\",\"index\":"
        "\"stock\",\"range\":\"stock = 'a'\",\"exact\":true,\"estimate\":1000,\"entries\":0,"
        "\"probes\":0,\"given\":7}]},\"check\":false,\"sort\":false,\"order\":\"timestamp\","
        "\"order_index\":false,\"descending\":false,\"estimate\":1001,\"cost_ns\":2036010,"
        "\"advice\":null,\"run\":{\"objects_fetched\":0,\"objects_refused\":0,\"objects_given\":0,"
        "\"passes\":0,\"blocks_read\":5,\"blocks_cached\":0}}\n"
    ));
    make("price = 3", NULL);
    EXPECT(
        is(show(EXPLAIN_JSON, NULL),
           "{\"access\":\"scan\",\"scan\":{\"tree\":\"objects\",\"range\":\"all\",\"estimate\":"
           "1000000},\"check\":true,\"sort\":false,\"order\":\"timestamp\",\"order_index\":false,"
           "\"descending\":false,\"estimate\":1000000,\"cost_ns\":96002000,\"advice\":\"no index "
           "helps: declare `index` behind `price`\"}\n")
    );
    make("price > 3 and price < 2", "-id");
    EXPECT(strstr(show(EXPLAIN_JSON, NULL), "{\"access\":\"nothing\",\"check\":false") != NULL);
}

TEST(explain, stops_when_it_is_told)
{
    make("stock = 'a' or id = 3", NULL);
    (void)show(EXPLAIN_JSON, NULL);
    const uint32_t pieces = output.pieces;
    const struct explanation explanation = {&expression, &plan, NULL};
    for (uint32_t most = 0; most < pieces; most += 1) {
        output.size = 0;
        output.pieces = 0;
        output.pieces_max = most;
        EXPECT(explain(&explanation, EXPLAIN_JSON, write_piece, &output) == 7);
        EXPECT(output.pieces == most);
    }
}

/* ---- Codes ---------------------------------------------------------------------------------- */

static const char *const all_types =
    "collection a { a u8\n b u16\n c u32\n d u64\n e u128\n f uuid\n g i8\n h i16\n i i32\n j i64\n"
    "k f32\n l f64\n m bool\n n time\n o timestamp\n p decimal(3)\n q text(5)\n r text(16)\n"
    "s text(30)\n t bytes(3)\n u bytes(16)\n v bytes(40)\n"
    "index i1 (a, b, c, d) index i2 (g, q, a) index i3 (e) index i4 (k, l) index i5 (t, n) }";

TEST(explain_key, decodes_what_the_codec_encodes)
{
    EXPECT(schema_parse(all_types, strlen(all_types), &schema, &error) == TACTUS_OK);
    const struct collection_schema *of = &schema.collections[0];
    struct random random;
    random_init(&random, 1);
    for (uint32_t round = 0; round < 20000; round += 1) {
        const struct field *field = &of->fields[random_below(&random, of->field_count)];
        const struct code max = code_max(field_order_bytes(field));
        const uint64_t high = random_u64(&random) & max.high;
        const struct code code = {high, random_u64(&random) & max.low};
        uint8_t value[40];
        code_decode(field, code, value);
        EXPECT(code_equal(codec_encode(field, value), code));
        EXPECT(field->size <= ORDER_BYTES_MAX || bytes_are_zero(value + 16, field->size - 16u));
    }
}

TEST(explain_key, takes_the_codes_of_fields_out_of_keys)
{
    EXPECT(schema_parse(all_types, strlen(all_types), &schema, &error) == TACTUS_OK);
    const struct collection_schema *of = &schema.collections[0];
    struct random random;
    random_init(&random, 2);
    for (uint32_t round = 0; round < 20000; round += 1) {
        const struct index_schema *index = &of->indexes[random_below(&random, of->index_count)];
        struct code_range ranges[ORDER_BYTES_MAX];
        for (uint32_t i = 0; i < index->field_count; i += 1) {
            const struct code max = code_max(field_order_bytes(&of->fields[index->fields[i]]));
            const uint64_t high = random_u64(&random) & max.high;
            ranges[i].min = (struct code){high, random_u64(&random) & max.low};
            ranges[i].max = ranges[i].min;
        }
        const uint32_t last = index->field_count - 1u;
        ranges[last].max = code_max(field_order_bytes(&of->fields[index->fields[last]]));
        const struct key_bounds keys = codec_index_range(
            of, index, ranges, index->field_count, (struct timestamp_range){1, TIMESTAMP_MAX}
        );
        for (uint32_t i = 0; i < index->field_count; i += 1) {
            const struct code_range found = explain_key_range(of, index, i, keys.min, keys.max);
            EXPECT(code_equal(found.min, ranges[i].min));
            EXPECT(code_equal(found.max, ranges[i].max));
        }
    }
}

/* Whatever the bytes are, the words are UTF-8 that a terminal can show. */
TEST(explain_key, shows_any_range)
{
    EXPECT(schema_parse(all_types, strlen(all_types), &schema, &error) == TACTUS_OK);
    const struct collection_schema *of = &schema.collections[0];
    struct random random;
    random_init(&random, 3);
    for (uint32_t round = 0; round < 20000; round += 1) {
        const struct field *field = &of->fields[random_below(&random, of->field_count)];
        const struct code max = code_max(field_order_bytes(field));
        struct code_range range;
        uint64_t high = random_u64(&random) & random_u64(&random) & max.high;
        range.min = (struct code){high, random_u64(&random) & max.low};
        high = random_u64(&random) & max.high;
        range.max = (struct code){high, random_u64(&random) & max.low};
        if (random_chance(&random, 1, 3)) range.max = range.min;
        char text[EXPLAIN_TERM_SIZE];
        memset(text, 0xff, sizeof text);
        explain_term(field, range, text);
        const size_t size = strnlen(text, sizeof text);
        EXPECT(size < sizeof text);
        EXPECT(utf8_is_valid((const uint8_t *)text, size));
        for (size_t i = 0; i < size; i += 1)
            EXPECT((uint8_t)text[i] >= 0x20 && text[i] != 0x7f);
    }
}

TEST_MAIN()
