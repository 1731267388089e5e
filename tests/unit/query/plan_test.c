#include "query/plan.h"

#include "base/bytes.h"
#include "base/integer.h"
#include "base/random.h"
#include "forest/field_text.h"
#include "forest/schema_parser.h"
#include "query/filter.h"
#include "support/test.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static struct schema schema;
static struct expression expression;
static struct query_plan plan;
static struct text_error error;

static const char *const sale =
    "collection sale { id u64\n timestamp timestamp\n invoice text(8) index\n stock text(12) "
    "index\n"
    "customer u32 optional index\n at time index\n price decimal(3)\n quantity i32 index sparse\n"
    "country text(20) index\n index customer_at (customer, at)\n index at_price (at, price) }";

static enum tactus_status choose(const char *where, const char *order)
{
    struct plan_order by;
    EXPECT(schema_parse(sale, strlen(sale), &schema, &error) == TACTUS_OK);
    const struct collection_schema *of = &schema.collections[0];
    const enum tactus_status parsed = expression_parse(&expression, of, where, &error);
    if (parsed != TACTUS_OK) printf("%s: %s\n", where, error.text);
    EXPECT(parsed == TACTUS_OK);
    TRY(plan_order_parse(of, order, &by, &error));
    memset(&plan, 0xa5, sizeof plan);
    return plan_choose(&expression, by, &plan, &error);
}

/* Whether the plan is to scan this index, "" for the objects. */
static bool scans(const char *where, const char *order, const char *index, bool descending)
{
    const enum tactus_status status = choose(where, order);
    bool good = status == TACTUS_OK && plan.descending == descending && plan.recheck;
    if (*index == 0) {
        good = good && plan.access == PLAN_SCAN_OBJECTS;
    } else {
        good = good && plan.access == PLAN_SCAN_INDEX && strcmp(plan.index->name, index) == 0;
    }
    if (!good) printf("%s by %s: %s\n", where, order, status == TACTUS_OK ? plan.text : error.text);
    return good;
}

static bool refuses(const char *where, const char *order, const char *words)
{
    if (choose(where, order) != TACTUS_INVALID) return false;
    if (strstr(error.text, words) == NULL) printf("%s\n", error.text);
    return strstr(error.text, words) != NULL;
}

TEST(plan, takes_no_order_and_no_range_from_a_hashed_index)
{
    static const char *const text = "collection c { a u32 index hash\n b u32 }";
    struct plan_order by;
    EXPECT(schema_parse(text, strlen(text), &schema, &error) == TACTUS_OK);
    const struct collection_schema *of = &schema.collections[0];
    EXPECT(expression_parse(&expression, of, "a > 5", &error) == TACTUS_OK);
    EXPECT(plan_order_parse(of, "a", &by, &error) == TACTUS_OK);
    EXPECT(plan_choose(&expression, by, &plan, &error) == TACTUS_INVALID);
    EXPECT(plan_order_parse(of, NULL, &by, &error) == TACTUS_OK);
    EXPECT(plan_choose(&expression, by, &plan, &error) == TACTUS_OK);
    EXPECT(plan.access == PLAN_SCAN_OBJECTS);
}

TEST(plan, by_timestamp_takes_the_longest_index_fixed_by_equality)
{
    EXPECT(scans("", NULL, "", false));
    EXPECT(scans("", "-timestamp", "", true));
    EXPECT(scans("price < 0", NULL, "", false));
    EXPECT(scans("customer = 17850 and stock = '85123A'", NULL, "stock", false));
    EXPECT(scans("customer = 17850 and quantity = 2", "-timestamp", "customer", true));
    EXPECT(scans("customer = 5 and at = '2011-01-01'", NULL, "customer_at", false));
    EXPECT(scans("stock = '22423' and not country = 'United Kingdom'", NULL, "stock", false));
    EXPECT(scans("country = 'Germany'", NULL, "country", false));
    EXPECT(scans("stock = 'a' or stock = 'b'", NULL, "", false));
    EXPECT(scans("invoice starts 'C'", NULL, "", false)); /* not by timestamp */
    EXPECT(scans("customer in (5)", NULL, "customer", false));
}

TEST(plan, an_index_that_leaves_zero_out_needs_zero_ruled_out)
{
    EXPECT(scans("customer = 0", NULL, "", false));
    EXPECT(scans("customer = 0 and country = 'United Kingdom'", NULL, "country", false));
    EXPECT(scans("quantity = 0", NULL, "", false));
    EXPECT(scans("quantity = 1", NULL, "quantity", false));
    EXPECT(scans("customer > 0", "customer", "customer", false));
    EXPECT(scans("customer != 0", "-customer", "customer", true));
    EXPECT(refuses("", "customer", "index customer leaves out objects in which `customer`"));
    EXPECT(refuses("customer < 9", "customer", "leaves out"));
    EXPECT(refuses("", "quantity", "index quantity leaves out"));
    EXPECT(scans("customer = 0", "customer", "", false)); /* all equal: by timestamp */
}

TEST(plan, by_field_takes_an_index_behind_fixed_fields)
{
    EXPECT(scans("customer = 17850", "-at", "customer_at", true));
    EXPECT(scans("country = 'Germany' and at >= '2011-11-01'", "at", "at", false));
    EXPECT(scans("", "at", "at", false)); /* at_price would mix equal ones */
    EXPECT(scans("price = 5", "at", "at", false));
    EXPECT(scans("at = '2011-11-01'", "price", "at_price", false));
    EXPECT(scans("at = '2011-11-01'", "-at", "at", true));
    EXPECT(scans("invoice starts 'C'", "invoice", "invoice", false));
    EXPECT(refuses("", "price", "no index gives it"));
    EXPECT(refuses("at > '2011-11-01'", "price", "no index gives it"));
    EXPECT(refuses("", "country", "first 16 bytes only, of 20"));
    EXPECT(choose("", "colour") == TACTUS_SYNTAX);
    EXPECT(strstr(error.text, "unknown order `colour`") != NULL);
    EXPECT(choose("", "-") == TACTUS_SYNTAX);
}

TEST(plan, ids_are_looked_up_or_scanned)
{
    EXPECT(choose("id = 7 and price > 3", "price") == TACTUS_OK); /* one is in every order */
    EXPECT(plan.access == PLAN_LOOKUP_IDS && plan.id_count == 1);
    EXPECT(key_equal(plan.ids[0], key_from_u64(7)));
    EXPECT(plan.tree == 2);

    EXPECT(choose("id in (9, 3, 9, 5) and price > 3", NULL) == TACTUS_OK);
    EXPECT(plan.access == PLAN_LOOKUP_IDS && plan.id_count == 3 && plan.sort_timestamps);
    EXPECT(key_equal(plan.ids[0], key_from_u64(3)));
    EXPECT(key_equal(plan.ids[2], key_from_u64(9)));

    EXPECT(choose("id in (9, 3)", "-id") == TACTUS_OK);
    EXPECT(plan.access == PLAN_LOOKUP_IDS && plan.descending && !plan.sort_timestamps);

    EXPECT(choose("id > 5 and id <= 9", "-id") == TACTUS_OK);
    EXPECT(plan.access == PLAN_SCAN_IDS && plan.descending && plan.tree == 2);
    EXPECT(key_equal(plan.key_min, key_from_u64(6)));
    EXPECT(key_equal(plan.key_max, key_from_u64(9)));

    EXPECT(scans("id > 5", NULL, "", false));
    EXPECT(scans("id in (1, 2) or price = 1", NULL, "", false));
    EXPECT(scans("not id in (1, 2)", NULL, "", false));
}

TEST(plan, timestamps_narrow_every_scan)
{
    EXPECT(scans("timestamp >= 10 and timestamp < 20", NULL, "", false));
    EXPECT(key_equal(plan.key_min, key_from_u64(10)));
    EXPECT(key_equal(plan.key_max, key_from_u64(19)));
    EXPECT(scans("", NULL, "", false));
    EXPECT(key_equal(plan.key_min, key_from_u64(1)));
    EXPECT(key_equal(plan.key_max, key_from_u64(TIMESTAMP_MAX)));
    EXPECT(scans("customer = 5 and timestamp > 10", NULL, "customer", false));
    EXPECT(key_equal(plan.key_min, key_from_prefix64(5, 11)));
    EXPECT(key_equal(plan.key_max, key_from_prefix64(5, TIMESTAMP_MAX)));
    EXPECT(scans("customer = 5 and timestamp = 10", NULL, "", false));
}

TEST(plan, a_contradiction_reads_nothing)
{
    EXPECT(choose("price > 5 and price < 3", NULL) == TACTUS_OK);
    EXPECT(plan.access == PLAN_NOTHING);
    EXPECT(choose("timestamp = 0", NULL) == TACTUS_OK);
    EXPECT(plan.access == PLAN_NOTHING);
}

TEST(plan, is_tried_before_parameters_are_bound)
{
    EXPECT(scans("customer = ?1", "-at", "customer_at", true));
    EXPECT(expression_bind(&expression, 1, "0", &error) == TACTUS_OK);
    EXPECT(plan_choose(&expression, (struct plan_order){5, true}, &plan, &error) == TACTUS_OK);
    EXPECT(strcmp(plan.index->name, "at") == 0);
    EXPECT(refuses("price >= ?1 and price <= ?1", "price", "no index"));
    EXPECT(refuses("price in (?1, ?2)", "price", "no index"));
    EXPECT(scans("customer < ?1", "customer", "customer", false));
    EXPECT(expression_bind(&expression, 1, "9", &error) == TACTUS_OK);
    EXPECT(
        plan_choose(&expression, (struct plan_order){4, false}, &plan, &error) == TACTUS_INVALID
    );
    EXPECT(choose("id = ?1", NULL) == TACTUS_OK);
    EXPECT(plan.access == PLAN_LOOKUP_IDS);
}

/* ---- Against an oracle ---------------------------------------------------------------------- */

/* Random expressions over random objects: whatever matches lies in the plan's range of its tree,
 * and keys there are in the order that was asked for. Values are few, so that much is equal. */
static const char *const small = "collection s { id u64\n a u8 index\n b i16 optional index\n t "
                                 "text(3) index\n w text(20) index\n"
                                 "d decimal(1) index sparse\n f f32\n u u128\n index ab (a, b) "
                                 "index bt (b, t) index dtf (d, t, f)\n"
                                 "index ub (u) index fta (f, t, a) }";

static const char *const values[][6] = {
    {"0", "1", "2", "3", "4", "5"},               /* id */
    {"0", "1", "2", "3", "254", "255"},           /* a */
    {"0", "1", "2", "-1", "-32768", "32767"},     /* b */
    {"''", "'a'", "'ab'", "'abc'", "'b'", "'~'"}, /* t */
    {"''",
     "'a'",
     "'0123456789abcdef'",
     "'0123456789abcdef0'",
     "'0123456789abcdef1'",
     "'z'"},                                                           /* w */
    {"0", "0.1", "-0.1", "100", "1", "2"},                             /* d */
    {"0", "1", "-1", "0.5", "inf", "-inf"},                            /* f */
    {"0", "1", "0xffffffffffffffff", "0x10000000000000000", "2", "3"}, /* u */
    {"1", "2", "3", "9223372036854775807", "5", "6"},                  /* timestamp */
};

static size_t put_test(struct random *random, char *text, size_t room)
{
    static const char *const operators[] = {"=", "!=", "<", "<=", ">", ">=", "=", "="};
    const struct collection_schema *of = &schema.collections[0];
    const uint32_t field = (uint32_t)random_below(random, COUNT_OF(values));
    const char *name = of->fields[field].name;
    const char *a = values[field][random_below(random, 6)];
    const char *b = values[field][random_below(random, 6)];
    const uint64_t roll = random_below(random, 12);
    if (roll == 0) {
        return (size_t)snprintf(text, room, "%s between %s and %s", name, a, b);
    }
    if (roll == 1) return (size_t)snprintf(text, room, "%s in (%s, %s)", name, a, b);
    if (roll == 2 && field_is_string(&of->fields[field])) {
        return (size_t)snprintf(text, room, "%s starts %s", name, a);
    }
    return (size_t)snprintf(text, room, "%s %s %s", name, operators[random_below(random, 8)], a);
}

static size_t put_where(struct random *random, uint32_t depth, char *text, size_t room)
{
    const uint64_t roll = random_below(random, 10);
    if (depth == 0 || roll < 3) return put_test(random, text, room);
    size_t size = 0;
    if (roll < 5) {
        size = (size_t)snprintf(text, room, "not (");
    } else {
        size = (size_t)snprintf(text, room, "(");
        size += put_where(random, depth - 1, text + size, room - size);
        size += (size_t)snprintf(text + size, room - size, roll < 9 ? " and " : " or ");
    }
    size += put_where(random, depth - 1, text + size, room - size);
    return size + (size_t)snprintf(text + size, room - size, ")");
}

static void make_object(struct random *random, uint8_t *object)
{
    const struct collection_schema *of = &schema.collections[0];
    bytes_zero(object, of->object_bytes);
    for (uint32_t i = 0; i < of->field_count; i += 1) {
        const struct field *field = &of->fields[i];
        const char *text = values[i][random_below(random, 6)];
        uint64_t size = strlen(text);
        if (*text == '\'') {
            text += 1;
            size -= 2;
        }
        EXPECT(field_parse(field, text, size, object + field->offset, NULL) == TACTUS_OK);
    }
    uint32_t bad;
    EXPECT(object_normalise(of, object, &bad) == TACTUS_OK);
}

/* The key of an object in the tree that the plan reads; false if the tree does not have it. */
static bool plan_key(const uint8_t *object, struct key *key)
{
    const struct collection_schema *of = &schema.collections[0];
    if (plan.access == PLAN_SCAN_OBJECTS) {
        *key = key_from_u64(object_timestamp(of, object));
    } else if (plan.access == PLAN_SCAN_INDEX) {
        uint8_t record[INDEX_RECORD_SIZE_MAX];
        if (!codec_index_record(of, plan.index, object, record)) return false;
        const struct tree_place place = schema_tree(&schema, plan.tree);
        EXPECT(place.index == plan.index);
        const struct record_shape shape = codec_shape(&place);
        *key = record_key(&shape, record);
    } else {
        *key = codec_id_key(of, object + of->fields[of->id_field].offset);
    }
    return true;
}

static void expect_found(const uint8_t *object)
{
    struct key key;
    EXPECT(plan.access != PLAN_NOTHING);
    EXPECT(plan_key(object, &key));
    if (plan.access != PLAN_LOOKUP_IDS) {
        EXPECT(!key_less(key, plan.key_min));
        EXPECT(!key_less(plan.key_max, key));
        return;
    }
    bool found = false;
    for (uint32_t i = 0; i < plan.id_count; i += 1) {
        if (key_equal(plan.ids[i], key)) found = true;
        if (i > 0) EXPECT(key_less(plan.ids[i - 1], plan.ids[i]));
    }
    EXPECT(found);
}

/* Two objects that match: in the tree's order they are in the order asked for. */
static void expect_ordered(const uint8_t *a, const uint8_t *b, struct plan_order order)
{
    struct key key_a;
    struct key key_b;
    if (plan.access == PLAN_LOOKUP_IDS && (plan.sort_timestamps || plan.id_count == 1)) return;
    EXPECT(plan_key(a, &key_a) && plan_key(b, &key_b));
    if (!key_less(key_a, key_b)) return;
    const struct field *field = &schema.collections[0].fields[order.field];
    EXPECT(codec_compare(field, a + field->offset, b + field->offset) <= 0);
    EXPECT(plan.descending == order.descending);
}

enum { OBJECTS = 60 };

static void run(uint64_t seed)
{
    struct random random;
    random_init(&random, seed);
    static uint8_t objects[OBJECTS][96];
    const struct collection_schema *of = &schema.collections[0];
    EXPECT(of->object_bytes <= sizeof objects[0]);
    for (uint32_t i = 0; i < OBJECTS; i += 1)
        make_object(&random, objects[i]);

    char where[2000];
    (void)put_where(&random, (uint32_t)random_below(&random, 5), where, sizeof where);
    const struct plan_order order = {
        .field = (uint32_t)random_below(&random, of->field_count),
        .descending = random_chance(&random, 1, 2),
    };
    EXPECT(expression_parse(&expression, of, where, &error) == TACTUS_OK);
    if (plan_choose(&expression, order, &plan, &error) != TACTUS_OK) return;
    const uint8_t *before = NULL;
    for (uint32_t i = 0; i < OBJECTS; i += 1) {
        if (!filter_matches(&expression, objects[i])) continue;
        expect_found(objects[i]);
        if (before != NULL) expect_ordered(before, objects[i], order);
        if (before != NULL) expect_ordered(objects[i], before, order);
        before = objects[i];
    }
}

TEST(plan, finds_all_that_matches_in_order)
{
    EXPECT(schema_parse(small, strlen(small), &schema, &error) == TACTUS_OK);
    const struct test_seeds seeds = test_seeds(20000);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        run(seed);
    }
}

TEST_MAIN()
