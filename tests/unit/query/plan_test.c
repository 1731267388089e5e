#include "query/plan.h"

#include "base/bytes.h"
#include "base/integer.h"
#include "base/random.h"
#include "forest/field_text.h"
#include "forest/schema_parser.h"
#include "query/filter.h"
#include "support/plan_oracle.h"
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
    "country text(20) index\n note text(40) index hash\n blob bytes(20) index\n"
    "index customer_at (customer, at)\n index at_price (at, price) }";

/* ---- Statistics ----------------------------------------------------------------------------- */

/* Entries of every tree of one value (both keys have the same words but the timestamp), and of
 * any other range; all of them, of the object tree. */
struct fake {
    uint64_t objects, equal, range;
    uint64_t by_tree[16]; /* instead of these, if not 0 */
};

static struct fake fake;

static uint64_t fake_entries(void *context, uint16_t tree, struct key min, struct key max)
{
    const struct fake *of = context;
    const struct collection_schema *sales = &schema.collections[0];
    EXPECT(!key_less(max, min));
    if (tree == sales->object_tree) {
        const uint64_t width = max.word[2] - min.word[2] + 1;
        return width < of->objects ? width : of->objects;
    }
    if (tree == sales->id_tree) return min_u64(max.word[2] - min.word[2], of->objects / 4) + 1;
    const bool one = min.word[0] == max.word[0] && min.word[1] == max.word[1];
    if (of->by_tree[tree] != 0) return of->by_tree[tree];
    return one ? of->equal : of->range;
}

static const struct plan_statistics statistics = {fake_entries, &fake};

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
    return plan_choose(&expression, by, &statistics, &plan, &error);
}

/* ---- The plan as a short text --------------------------------------------------------------- */

/* stock        a scan of that index; objects: of the object tree
 * at[]         a range; id[]: of the id tree
 * 3 ids        looked up
 * (a & b)      intersection; (a | b) union; (a - b) difference
 * what is not exact has a ~ behind it */
static size_t put_node(uint32_t number, char *text, size_t room)
{
    const struct plan_node *node = &plan.nodes[number];
    const char *const marks[] = {
        [PLAN_NODE_UNION] = " | ",
        [PLAN_NODE_INTERSECTION] = " & ",
        [PLAN_NODE_DIFFERENCE] = " - "};
    size_t size = 0;
    if (node->kind == PLAN_NODE_SCAN) {
        const char *name = node->index == NULL ? "objects" : node->index->name;
        size = (size_t)snprintf(text, room, "%s", name);
    } else if (node->kind == PLAN_NODE_RANGE) {
        const char *name = node->index == NULL ? "id" : node->index->name;
        size = (size_t)snprintf(text, room, "%s[]", name);
    } else if (node->kind == PLAN_NODE_IDS) {
        size = (size_t)snprintf(text, room, "%u ids", node->id_count);
    } else {
        size = (size_t)snprintf(text, room, "(");
        for (uint8_t child = node->child; child != PLAN_NODE_NONE; child = plan.nodes[child].next) {
            EXPECT(child > number);
            if (child != node->child) {
                size += (size_t)snprintf(text + size, room - size, "%s", marks[node->kind]);
            }
            size += put_node(child, text + size, room - size);
        }
        size += (size_t)snprintf(text + size, room - size, ")");
    }
    if (!node->exact) size += (size_t)snprintf(text + size, room - size, "~");
    return size;
}

/* "nothing"; "scan TREE" or "set ..."; then "check" and "sort", if so. */
static const char *plan_text(void)
{
    static char text[4000];
    size_t size = 0;
    if (plan.drive == PLAN_NOTHING) return "nothing";
    if (plan.drive == PLAN_SCAN) {
        const struct tree_place place = schema_tree(&schema, plan.tree);
        const char *name = place.kind == TREE_KIND_OBJECT ? "objects" : "id";
        if (place.kind == TREE_KIND_INDEX) name = place.index->name;
        size = (size_t)snprintf(text, sizeof text, "scan %s", name);
    } else {
        size = (size_t)snprintf(text, sizeof text, "set ");
        size += put_node(0, text + size, sizeof text - size);
    }
    (void)snprintf(
        text + size,
        sizeof text - size,
        "%s%s",
        plan.filters ? " check" : "",
        plan.sorts ? " sort" : ""
    );
    return text;
}

static bool plans(const char *where, const char *order, const char *wanted)
{
    const enum tactus_status status = choose(where, order);
    const char *found = status == TACTUS_OK ? plan_text() : error.text;
    if (strcmp(found, wanted) != 0) printf("%s by %s: %s\n", where, order, found);
    return strcmp(found, wanted) == 0;
}

static bool refuses(const char *where, const char *order, const char *words)
{
    if (choose(where, order) != TACTUS_INVALID) return false;
    if (strstr(error.text, words) == NULL) printf("%s\n", error.text);
    return strstr(error.text, words) != NULL;
}

static void many(void)
{
    fake = (struct fake){.objects = 1000000, .equal = 100, .range = 300000};
}

/* ---- Sets ----------------------------------------------------------------------------------- */

TEST(plan, equalities_become_scans_intersections_and_unions)
{
    many();
    EXPECT(plans("", NULL, "scan objects"));
    EXPECT(plans("price < 0", NULL, "scan objects check"));
    EXPECT(plans("stock = '85123A'", NULL, "set stock"));
    EXPECT(plans("stock = '85123A' and price > 3", NULL, "set stock~ check"));
    EXPECT(plans("customer = 17850 and stock = '85123A'", NULL, "set (customer & stock)"));
    EXPECT(plans("stock = 'a' or stock = 'b'", NULL, "set (stock | stock)"));
    EXPECT(plans("stock in ('a', 'b', 'a')", NULL, "set (stock | stock)"));
    EXPECT(plans("customer in (5, 5)", NULL, "set customer"));
    EXPECT(plans(
        "stock = 'a' or customer = 5 or invoice in ('1', '2')",
        NULL,
        "set (stock | customer | invoice | invoice)"
    ));
    EXPECT(plans("stock = 'a' or price = 3", NULL, "scan objects check"));
    EXPECT(plans(
        "(stock = 'a' or customer = 5) and invoice = 'x'",
        NULL,
        "set (invoice & (stock | customer))"
    ));
    EXPECT(
        plans("(stock = 'a' and price = 3) or customer = 5", NULL, "set (stock~ | customer)~ check")
    );
    EXPECT(plans(
        "(stock = 'a' and invoice = 'b') or customer = 5",
        NULL,
        "set ((stock & invoice) | customer)"
    ));
}

TEST(plan, negations_become_differences_where_they_are_exact)
{
    many();
    EXPECT(plans("stock = 'a' and customer != 5", NULL, "set (stock - customer)"));
    EXPECT(plans("stock = 'a' and not customer = 5", NULL, "set (stock - customer)"));
    EXPECT(plans("not (not stock = 'a' or customer = 5)", NULL, "set (stock - customer)"));
    EXPECT(plans(
        "stock = 'a' and not (customer = 5 or invoice = 'b')",
        NULL,
        "set (stock - customer - invoice)"
    ));
    EXPECT(plans(
        "stock = 'a' and not (customer = 5 and invoice = 'b')",
        NULL,
        "set (stock - (customer & invoice))"
    ));
    EXPECT(plans(
        "stock = 'a' and not (customer = 5 and invoice != 'b')",
        NULL,
        "set (stock - (customer - invoice))"
    ));
    EXPECT(
        plans("stock = 'a' and not customer in (5, 6)", NULL, "set (stock - (customer | customer))")
    );
    EXPECT(plans("stock = 'a' and not (customer = 5 and price = 3)", NULL, "set stock~ check"));
    EXPECT(plans("stock = 'a' and note != 'x'", NULL, "set stock~ check"));
    EXPECT(plans("stock = 'a' and blob != x'00'", NULL, "set stock~ check"));
    EXPECT(plans("stock = 'a' and country != 'France'", NULL, "set (stock - country)"));
    EXPECT(plans("stock = 'a' and country != 'United Kingdom of Y'", NULL, "set stock~ check"));
    EXPECT(plans("stock != 'a'", NULL, "scan objects check"));
    EXPECT(plans("stock != 'a' or customer = 5", NULL, "scan objects check"));
}

TEST(plan, supersets_are_checked)
{
    many();
    EXPECT(plans("note = 'x'", NULL, "set note~ check"));
    EXPECT(plans("note in ('x', 'y')", NULL, "set (note~ | note~)~ check"));
    EXPECT(plans("note > 'x'", NULL, "scan objects check"));
    EXPECT(plans("blob = x'00'", NULL, "set blob~ check"));
    EXPECT(plans("blob = x'00' and stock = 'a'", NULL, "set (blob~ & stock)~ check"));
    EXPECT(plans("country = 'Germany'", NULL, "set country")); /* all of it is in the index */
    EXPECT(plans("country = '0123456789abcde'", NULL, "set country"));
    EXPECT(plans("country = '0123456789abcdef'", NULL, "set country~ check"));
}

TEST(plan, an_index_that_leaves_zero_out_needs_zero_ruled_out)
{
    many();
    EXPECT(plans("customer = 0", NULL, "scan objects check"));
    EXPECT(plans("customer = 0 and country = 'Spain'", NULL, "set country~ check"));
    EXPECT(plans("customer in (0, 1)", NULL, "scan objects check"));
    EXPECT(plans("quantity = 0", NULL, "scan objects check"));
    EXPECT(plans("quantity = 1", NULL, "set quantity"));
    EXPECT(plans("customer = 0 and at = '2011-01-01'", NULL, "set at~ check"));
    EXPECT(plans("customer > 0", "customer", "scan customer"));
    EXPECT(plans("customer != 0", "-customer", "scan customer"));
    EXPECT(plan.descending);
    EXPECT(plans("customer != 0 and customer != 5", "-customer", "scan customer check"));
    EXPECT(plans("quantity != 0", NULL, "scan objects check"));
    fake.by_tree[7] = 50; /* few have one */
    EXPECT(plans("quantity != 0", NULL, "set quantity[]"));
    EXPECT(plans("not quantity in (0) and stock = 'a'", NULL, "set (quantity[] & stock)"));
    EXPECT(refuses("", "customer", "index customer leaves out objects in which `customer`"));
    EXPECT(refuses("customer < 9", "customer", "leaves out"));
    EXPECT(refuses("", "quantity", "index quantity leaves out"));
    EXPECT(plans("customer = 0", "customer", "scan objects check")); /* all equal: by timestamp */
}

TEST(plan, a_composite_index_takes_the_place_of_scans)
{
    many();
    EXPECT(plans("customer = 5 and at = '2011-01-01'", NULL, "set customer_at"));
    EXPECT(plans(
        "customer in (5) and at = '2011-01-01' and stock = 'a'", NULL, "set (customer_at & stock)"
    ));
    EXPECT(plans("at = '2011-01-01' and price = 5", NULL, "set at_price"));
    EXPECT(plans(
        "at = '2011-01-01' and price = 5 and customer = 3", NULL, "set (customer_at & at_price)"
    ));
    EXPECT(plans(
        "(customer = 5 and at = '2011-01-01') or stock = 'a'", NULL, "set (customer_at | stock)"
    ));
    EXPECT(plans("customer = 5 or at = '2011-01-01'", NULL, "set (customer | at)"));
}

TEST(plan, ids_are_looked_up_or_scanned)
{
    many();
    EXPECT(plans("id = 7 and price > 3", "price", "set 1 ids~ check")); /* one is in every order */
    EXPECT(key_equal(plan.ids[0], key_from_u64(7)));
    EXPECT(plans("id = 7", "country", "set 1 ids"));
    EXPECT(plans("id in (9, 3, 9, 5) and price > 3", NULL, "set 3 ids~ check"));
    EXPECT(key_equal(plan.ids[0], key_from_u64(3)));
    EXPECT(key_equal(plan.ids[1], key_from_u64(5)));
    EXPECT(key_equal(plan.ids[2], key_from_u64(9)));
    EXPECT(plans("id in (9, 3)", "-id", "set 2 ids sort"));
    EXPECT(plan.order == PLAN_ORDER_ID && plan.descending);
    EXPECT(plans("id = 9 or stock = 'a' or id in (2, 3)", NULL, "set (3 ids | stock)"));
    EXPECT(plans("stock = 'a' and id != 5", NULL, "set (stock - 1 ids)"));
    EXPECT(plans("stock = 'a' and id in (5, 6)", NULL, "set (2 ids & stock)"));
    EXPECT(plans("id > 5 and id <= 9000", "-id", "scan id"));
    EXPECT(plan.descending && plan.tree == schema.collections[0].id_tree);
    EXPECT(key_equal(plan.key_min, key_from_u64(6)));
    EXPECT(key_equal(plan.key_max, key_from_u64(9000)));
    EXPECT(plans("id between 6 and 900", NULL, "set id[]"));
    EXPECT(plans("id > 5", NULL, "scan objects check"));
    EXPECT(plans("id in (1, 2) or price = 1", NULL, "scan objects check"));
    EXPECT(plans("not id in (1, 2)", NULL, "scan objects check"));
}

TEST(plan, timestamps_narrow_every_scan)
{
    many();
    EXPECT(plans("timestamp >= 10 and timestamp < 20", NULL, "scan objects"));
    EXPECT(key_equal(plan.key_min, key_from_u64(10)));
    EXPECT(key_equal(plan.key_max, key_from_u64(19)));
    EXPECT(plan.timestamps.min == 10 && plan.timestamps.max == 19);
    EXPECT(plans("", NULL, "scan objects"));
    EXPECT(key_equal(plan.key_min, key_from_u64(1)));
    EXPECT(key_equal(plan.key_max, key_from_u64(TIMESTAMP_MAX)));
    EXPECT(plans("customer = 5 and timestamp > 10", NULL, "set customer"));
    EXPECT(key_equal(plan.nodes[0].key_min, key_from_prefix64(5, 11)));
    EXPECT(key_equal(plan.nodes[0].key_max, key_from_prefix64(5, TIMESTAMP_MAX)));
    EXPECT(plans("customer = 5 and timestamp = 10", NULL, "set customer"));
    EXPECT(plans("customer = 5 and timestamp != 10", NULL, "set (customer - objects)"));
    EXPECT(plans("customer = 5 or timestamp = 10", NULL, "set (customer | objects)"));
    EXPECT(plans("timestamp in (10, 900000, 20)", NULL, "set (objects | objects | objects)"));
    EXPECT(plans(
        "(customer = 5 and not timestamp < 30) or stock = 'a'", NULL, "set (customer | stock)"
    ));
    EXPECT(key_equal(plan.nodes[1].key_min, key_from_prefix64(5, 30)));
    EXPECT(plans("(id = 5 and timestamp < 30) or stock = 'a'", NULL, "set (1 ids~ | stock)~ check")
    );
    EXPECT(plans("id = 5 and timestamp < 30", NULL, "set 1 ids"));
    EXPECT(plans("at > '2011-01-01' and timestamp < 30", "at", "scan at"));
    EXPECT(plan.timestamps.max == 29);
}

TEST(plan, ranges_are_sorted_where_that_pays)
{
    many();
    EXPECT(plans("at > '2011-01-01'", NULL, "scan objects check"));
    fake.range = 2000;
    EXPECT(plans("at > '2011-01-01'", NULL, "set at[]"));
    EXPECT(plans("invoice starts 'C'", "-timestamp", "set invoice[]"));
    EXPECT(plans("at > '2011-01-01' and price = 3", NULL, "set at[]~ check"));
    EXPECT(plans("country starts 'Uni'", NULL, "set country[]"));
    EXPECT(plans("country starts '0123456789abcdef0'", NULL, "set country~ check"));
    EXPECT(plans("country < 'B'", NULL, "set country[]~ check"));
    EXPECT(plans("note < 'B'", NULL, "scan objects check"));
    EXPECT(plans("blob between x'00' and x'01'", NULL, "set blob[]~ check"));
    EXPECT(plans("customer = 5 and at < '2011-01-01'", NULL, "set (customer & at[])"));
    fake.by_tree[11] = 50; /* customer_at, of which half is asked for */
    EXPECT(plans("customer = 5 and at < '2011-01-01'", NULL, "set customer_at[]"));
    fake.equal = 5000;
    EXPECT(plans("stock = 'a' and at < '2011-01-01'", NULL, "set (at[] & stock)"));
    EXPECT(plans(
        "stock = 'a' and at < '2011-01-01' and customer != 3",
        NULL,
        "set ((at[] & stock) - customer)"
    ));
    fake.equal = 10;
    EXPECT(plans("stock = 'a' and at < '2011-01-01'", NULL, "set stock~ check"));
    EXPECT(plans("not (at < '2011-01-01' or at > '2011-02-01')", NULL, "set at[]"));
    EXPECT(plans("at < '2011-01-01' or at > '2011-02-01'", NULL, "scan objects check"));
    EXPECT(plans("at != '2011-01-01' and at > '2010-01-01'", NULL, "set at[]~ check"));
    EXPECT(plans("customer < 5", NULL, "scan objects check")); /* zero, too */
    fake.equal = 3000;
    fake.range = 8000;
    EXPECT(plans("stock in ('a', 'b')", NULL, "set (stock | stock)")); /* no range of them */
    EXPECT(plans("stock in ('a', 'b') and price = 3", NULL, "set (stock | stock)~ check"));
    EXPECT(plans("stock in ('a', 'b') and stock > 'a'", NULL, "set (stock | stock)~ check"));
    fake.by_tree[11] = 0;
    EXPECT(plans("customer < 5 and customer > 0", NULL, "set customer[]"));
}

TEST(plan, the_estimates_choose)
{
    many();
    fake.equal = 900000;
    EXPECT(plans("country = 'Spain'", NULL, "scan objects check"));
    fake.equal = 1000;
    fake.by_tree[8] = 900000;                                                          /* country */
    EXPECT(plans("stock = 'a' and country = 'Spain'", NULL, "set (stock & country)")); /* exact */
    EXPECT(plans("stock = 'a' and country = 'Spain' and price > 3", NULL, "set stock~ check"));
    fake.by_tree[8] = 100000;
    EXPECT(plans(
        "stock = 'a' and country = 'Spain' and price > 3", NULL, "set (stock & country)~ check"
    ));
    EXPECT(plans("country = 'Spain' and stock = 'a'", NULL, "set (stock & country)"));
    EXPECT(plan.nodes[1].estimate == 1000 && plan.nodes[2].estimate == 100000);
    EXPECT(plan.estimate == 100);
    EXPECT(plans("stock = 'a' and customer != 5 and price > 3", NULL, "set stock~ check"));
    fake = (struct fake){.objects = 10, .equal = 2, .range = 5}; /* small, so indexes are used */
    EXPECT(plans("country = 'Spain'", NULL, "set country"));
    EXPECT(plans("at > '2011-01-01'", NULL, "set at[]"));
}

TEST(plan, counts_read_what_needs_no_objects)
{
    many();
    fake.range = 300000;
    struct plan_order order = {.field = 1, .counts = true};
    EXPECT(choose("at > '2011-01-01'", NULL) == TACTUS_OK);
    EXPECT(strcmp(plan_text(), "scan objects check") == 0);
    EXPECT(plan_choose(&expression, order, &statistics, &plan, &error) == TACTUS_OK);
    EXPECT(strcmp(plan_text(), "set at[]") == 0);
    EXPECT(choose("at > '2011-01-01' and price > 3", NULL) == TACTUS_OK);
    EXPECT(plan_choose(&expression, order, &statistics, &plan, &error) == TACTUS_OK);
    EXPECT(strcmp(plan_text(), "scan objects check") == 0);
}

/* ---- Orders --------------------------------------------------------------------------------- */

TEST(plan, by_field_takes_an_index_behind_fixed_fields)
{
    many();
    fake.equal = 100000;
    fake.range = 10000;
    EXPECT(plans("customer = 17850", "-at", "scan customer_at"));
    EXPECT(plan.descending);
    EXPECT(plans("country = 'Germany' and at >= '2011-11-01'", "at", "scan at check"));
    EXPECT(plans("", "at", "scan at")); /* at_price would mix equal ones */
    EXPECT(plans("price = 5", "at", "scan at check"));
    EXPECT(plans("at = '2011-11-01'", "price", "scan at_price"));
    EXPECT(plans("at = '2011-11-01'", "-at", "scan objects check")); /* all equal: by timestamp */
    EXPECT(plan.order == PLAN_ORDER_TIMESTAMP && plan.descending);
    EXPECT(plans("invoice starts 'C'", "invoice", "scan invoice"));
    EXPECT(plans("invoice starts 'C' and timestamp > 5", "invoice", "scan invoice"));
    EXPECT(refuses("", "price", "no index gives it"));
    EXPECT(refuses("at > '2011-11-01'", "price", "no index gives it"));
    EXPECT(refuses("", "country", "first 16 bytes only, of 20"));
    EXPECT(refuses("note = 'a'", "note", "first 16 bytes only, of 40"));
    EXPECT(choose("", "colour") == TACTUS_SYNTAX);
    EXPECT(strstr(error.text, "unknown order `colour`") != NULL);
    EXPECT(choose("", "-") == TACTUS_SYNTAX);
}

TEST(plan, a_small_set_is_put_in_order)
{
    many();
    fake.equal = 50;
    EXPECT(plans("country = 'Germany'", "at", "set country sort"));
    EXPECT(plan.order == PLAN_ORDER_INDEX && strcmp(plan.order_index->name, "at") == 0);
    EXPECT(plans("country = 'Germany' and price > 3", "-at", "set country~ check sort"));
    EXPECT(plans("customer = 5", "at", "set customer sort"));
    EXPECT(strcmp(plan.order_index->name, "customer_at") == 0);
    EXPECT(plans("country = 'Germany'", "id", "set country sort"));
    EXPECT(plan.order == PLAN_ORDER_ID);
    fake.range = 100;
    fake.equal = 100000;
    EXPECT(plans("invoice starts 'C'", "id", "set invoice[] sort"));
    EXPECT(plans("invoice starts 'C' and stock = 'a'", "id", "set invoice[]~ check sort"));
}

TEST(plan, which_index_gives_the_order_is_no_matter_of_estimates)
{
    const char *const wheres[] = {"", "customer = 5", "stock = 'a' and at > '2011-01-01'"};
    for (uint32_t i = 0; i < COUNT_OF(wheres); i += 1) {
        const struct index_schema *first = NULL;
        for (uint32_t k = 0; k < 40; k += 1) {
            fake =
                (struct fake){UINT64_C(1) << k / 2, UINT64_C(1) << k % 21, UINT64_C(9) << k, {0}};
            EXPECT(choose(wheres[i], "at") == TACTUS_OK);
            EXPECT(plan.order == PLAN_ORDER_INDEX);
            if (first == NULL) first = plan.order_index;
            EXPECT(plan.order_index == first);
        }
    }
}

TEST(plan, a_contradiction_reads_nothing)
{
    many();
    EXPECT(plans("price > 5 and price < 3", NULL, "nothing"));
    EXPECT(plans("timestamp = 0", NULL, "nothing"));
    EXPECT(plans("timestamp > 5 and timestamp < 5 and stock = 'a'", NULL, "nothing"));
    EXPECT(plans("price > 5 and price < 3", "price", "nothing"));
    EXPECT(plans(
        "stock = 'a' and (customer = 5 or (timestamp > 5 and timestamp < 3))",
        NULL,
        "set (stock & customer)"
    ));
    EXPECT(plans(
        "(timestamp < 5 and timestamp > 7) or (timestamp > 5 and timestamp < 3)", NULL, "nothing"
    ));
}

TEST(plan, is_tried_before_parameters_are_bound)
{
    many();
    fake.equal = 100000;
    EXPECT(plans("customer = ?1", "-at", "scan customer_at"));
    EXPECT(expression_bind(&expression, 1, "0", &error) == TACTUS_OK);
    const struct plan_order by_at = {.field = 5, .descending = true};
    EXPECT(plan_choose(&expression, by_at, &statistics, &plan, &error) == TACTUS_OK);
    EXPECT(strcmp(plan.order_index->name, "at") == 0);
    EXPECT(refuses("price >= ?1 and price <= ?1", "price", "no index"));
    EXPECT(refuses("price in (?1, ?2)", "price", "no index"));
    EXPECT(refuses("customer = ?1 and customer = 5", "price", "no index"));
    EXPECT(choose("price = ?1 and price = 5", "price") == TACTUS_OK);
    EXPECT(plans("customer < ?1", "customer", "scan customer"));
    EXPECT(expression_bind(&expression, 1, "9", &error) == TACTUS_OK);
    const struct plan_order by_customer = {.field = 4};
    EXPECT(plan_choose(&expression, by_customer, &statistics, &plan, &error) == TACTUS_INVALID);
    EXPECT(plans("id = ?1", NULL, "set 1 ids"));
}

/* ---- Limits --------------------------------------------------------------------------------- */

/* `stock in ('0', '1', ...)`. */
static const char *list(const char *before, uint32_t count, const char *after)
{
    static char text[8000];
    size_t size = (size_t)snprintf(text, sizeof text, "%s (", before);
    for (uint32_t i = 0; i < count; i += 1) {
        size +=
            (size_t)snprintf(text + size, sizeof text - size, "%s%u", i == 0 ? "" : ", ", i + 1);
    }
    (void)snprintf(text + size, sizeof text - size, ")%s", after);
    return text;
}

static bool is_limit(const char *where, const char *order)
{
    const enum tactus_status status = choose(where, order);
    if (status != TACTUS_LIMIT) printf("%s: %s\n", where, status == TACTUS_OK ? plan_text() : "?");
    return status == TACTUS_LIMIT && strstr(error.text, "at most 32") != NULL;
}

TEST(plan, more_scans_than_32_are_refused_by_the_form)
{
    many();
    EXPECT(choose(list("customer in", 32, ""), NULL) == TACTUS_OK);
    EXPECT(plan.scan_count == 32 && plan.node_count == 33);
    EXPECT(is_limit(list("customer in", 33, ""), NULL));
    EXPECT(is_limit(list("customer in", 33, ""), "at"));
    EXPECT(is_limit(list("customer in", 33, " and price > 3"), NULL));
    EXPECT(is_limit(list("customer in", 32, " or stock = 'a'"), NULL));
    EXPECT(is_limit(list("customer in", 32, " or stock = ?1"), NULL));
    fake.equal = 1000000; /* a scan of all would be chosen: refused all the same */
    EXPECT(is_limit(list("customer in", 33, ""), NULL));
    many();
    EXPECT(plans(list("price in", 100, ""), NULL, "scan objects check"));
    EXPECT(plans(list("customer in", 33, " or price = 3"), NULL, "scan objects check"));
    EXPECT(plans(list("id in", 64, ""), NULL, "set 64 ids"));
    EXPECT(plans(list("id in", 65, ""), NULL, "set id[]~ check"));
    EXPECT(plans(list("timestamp in", 33, ""), NULL, "scan objects check"));
}

TEST(plan, an_and_does_without_its_largest_part)
{
    many();
    EXPECT(plans(list("stock = 'a' and customer in", 32, ""), NULL, "set stock~ check"));
    EXPECT(choose(list("stock = 'a' and customer in", 31, ""), NULL) == TACTUS_OK);
    EXPECT(plan.scan_count == 32 && !plan.filters);
    EXPECT(plans(list("stock = 'a' and not customer in", 40, ""), NULL, "set stock~ check"));
    EXPECT(plans(
        list("stock = 'a' and customer in", 40, " and invoice = 'b'"),
        NULL,
        "set (stock & invoice)~ check"
    ));
    EXPECT(plans(list("id = 5 and customer in", 40, ""), NULL, "set 1 ids~ check"));
    EXPECT(choose(list("at > '2011-01-01' and customer in", 40, ""), NULL) == TACTUS_OK);
    EXPECT(choose(list("timestamp > 5 and customer in", 40, ""), NULL) == TACTUS_OK);
    EXPECT(is_limit(list("invoice = 'c' or customer in", 40, ""), NULL));
    EXPECT(plans(
        list("invoice = 'c' or (stock = 'a' and customer in", 40, ")"),
        NULL,
        "set (invoice | stock~)~ check"
    ));
}

TEST(plan, an_and_keeps_one_part)
{
    char text[8000];
    size_t size = 0;
    many();
    for (uint32_t i = 0; i < 33; i += 1) {
        size += (size_t)snprintf(
            text + size,
            sizeof text - size,
            "%s(stock = '%u' and invoice = '%u')",
            i == 0 ? "" : " or ",
            i,
            i
        );
        if (i == 31) EXPECT(choose(text, NULL) == TACTUS_OK);
    }
    EXPECT(is_limit(text, NULL));
    EXPECT(is_limit(list("customer in", 33, " and stock != 'a'"), NULL));
    EXPECT(is_limit(list("(at > '2011-01-01' and customer in", 33, ") or stock = 'a'"), NULL));
}

TEST(plan, names_the_index_that_would_help)
{
    many();
    EXPECT(choose("price = 3 and quantity != 3", NULL) == TACTUS_OK);
    EXPECT(plan.advice_field == collection_field_find(&schema.collections[0], "price", 5));
    EXPECT(choose("stock = 'a' and price = 3", NULL) == TACTUS_OK);
    EXPECT(plan.advice_field == FIELD_NONE);
    EXPECT(choose("at > '2001-01-01'", NULL) == TACTUS_OK);
    EXPECT(plan.drive == PLAN_SCAN && plan.advice_field == FIELD_NONE);
    EXPECT(choose("", NULL) == TACTUS_OK);
    EXPECT(plan.advice_field == FIELD_NONE);
    EXPECT(choose("stock = 'a' or price < 3", NULL) == TACTUS_OK);
    EXPECT(plan.advice_field == collection_field_find(&schema.collections[0], "price", 5));
}

/* ---- Maps ----------------------------------------------------------------------------------- */

/* A map as the planner sees it: no timestamp, no index. */
static enum tactus_status choose_map(const char *where, const char *order)
{
    static const char *const text = "collection m { id u64\n price decimal(3)\n name text(8) }";
    struct plan_order by;
    EXPECT(schema_parse(text, strlen(text), &schema, &error) == TACTUS_OK);
    struct collection_schema *map = &schema.collections[0];
    map->timestamp_field = FIELD_NONE;
    map->field_count = 3;
    EXPECT(expression_parse(&expression, map, where, &error) == TACTUS_OK);
    TRY(plan_order_parse(map, order, &by, &error));
    memset(&plan, 0xa5, sizeof plan);
    return plan_choose(&expression, by, &statistics, &plan, &error);
}

TEST(plan, a_map_is_read_by_key)
{
    many();
    EXPECT(choose_map("", NULL) == TACTUS_OK);
    EXPECT(plan.drive == PLAN_SCAN && plan.order == PLAN_ORDER_KEY && !plan.filters);
    EXPECT(plan.tree == schema.collections[0].object_tree);
    EXPECT(choose_map("id > 5 and id <= 9", "-id") == TACTUS_OK);
    EXPECT(plan.descending && !plan.filters && plan.key_count == 0);
    EXPECT(key_equal(plan.key_min, key_from_u64(6)) && key_equal(plan.key_max, key_from_u64(9)));
    EXPECT(choose_map("id > 5 and price > 3", NULL) == TACTUS_OK);
    EXPECT(plan.filters);
    EXPECT(choose_map("id = 5", NULL) == TACTUS_OK);
    EXPECT(plan.key_count == 1 && !plan.filters && key_equal(plan.ids[0], key_from_u64(5)));
    EXPECT(choose_map("id in (9, 5, 9, 2) and id > 4", NULL) == TACTUS_OK);
    EXPECT(plan.key_count == 2 && !plan.filters);
    EXPECT(key_equal(plan.ids[0], key_from_u64(5)) && key_equal(plan.ids[1], key_from_u64(9)));
    EXPECT(choose_map("id in (9, 5) and id in (2, 3, 4, 5)", NULL) == TACTUS_OK);
    EXPECT(plan.key_count == 1 && plan.filters);
    EXPECT(choose_map("id in (1, 2) and id > 4", NULL) == TACTUS_OK);
    EXPECT(plan.drive == PLAN_NOTHING);
    EXPECT(choose_map("price > 3 and price < 2", NULL) == TACTUS_OK);
    EXPECT(plan.drive == PLAN_NOTHING);
    EXPECT(choose_map("", "price") == TACTUS_INVALID);
    EXPECT(strstr(error.text, "a map has the order of its `id` alone") != NULL);
    EXPECT(choose_map(list("id in", 65, ""), NULL) == TACTUS_OK);
    EXPECT(plan.key_count == 0 && plan.filters);
    EXPECT(choose_map("id = 3 or price = 4", NULL) == TACTUS_OK);
    EXPECT(plan.key_count == 0 && plan.filters);
}

/* ---- Against an oracle ---------------------------------------------------------------------- */

/* Random expressions over random objects and with estimates of no sense, so that all kinds of plans
 * come up: whatever matches is in the plan's set, nothing else if nothing is checked, and keys of a
 * tree in order are in the order that was asked for. Values are few, so that much is equal. */
static const char *const small = "collection s { id u64\n a u8 index\n b i16 optional index\n t "
                                 "text(3) index\n w text(20) index\n"
                                 "d decimal(1) index sparse\n f f32\n u u128\n index ab (a, b) "
                                 "index bt (b, t) index dtf (d, t, f)\n"
                                 "index ub (u) index fta (f, t, a)\n h text(30) index hash }";

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
    {"''", "'a'", "'0123456789abcdef'", "'b'", "'c'", "'d'"},          /* h */
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

/* `field in (...)`, of many values. */
static size_t put_list(struct random *random, char *text, size_t room)
{
    const uint32_t field = (uint32_t)random_below(random, 5); /* all have an index */
    const char *name = schema.collections[0].fields[field].name;
    size_t size = (size_t)snprintf(text, room, "%s in (", name);
    for (uint64_t count = random_below(random, 18); count > 0; count -= 1) {
        const char *value = values[field][random_below(random, 6)];
        size += (size_t)snprintf(text + size, room - size, "%s, ", value);
    }
    return size + (size_t)snprintf(text + size, room - size, "%s)", values[field][0]);
}

/* Groups of many parts. */
static size_t put_wide(struct random *random, uint32_t depth, char *text, size_t room)
{
    if (depth == 0 && random_chance(random, 3, 4)) return put_list(random, text, room);
    if (depth == 0) return put_test(random, text, room);
    const char *word = random_chance(random, 1, 2) ? " and " : " or ";
    size_t size = (size_t)snprintf(text, room, "%s(", random_chance(random, 1, 5) ? "not " : "");
    for (uint64_t part = random_below(random, 4) + 2; part > 0; part -= 1) {
        size += put_wide(random, depth - 1, text + size, room - size);
        size += (size_t)snprintf(text + size, room - size, "%s", part > 1 ? word : ")");
    }
    return size;
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

/* Two objects that match: in the tree's order they are in the order asked for. */
static void expect_ordered(const uint8_t *a, const uint8_t *b, struct plan_order order)
{
    struct key key_a;
    struct key key_b;
    EXPECT(plan.descending == order.descending);
    if (plan.drive != PLAN_SCAN) return;
    EXPECT(plan_scan_has(&schema, &plan, a, &key_a));
    EXPECT(plan_scan_has(&schema, &plan, b, &key_b));
    if (!key_less(key_a, key_b)) return;
    const struct field *field = &schema.collections[0].fields[order.field];
    EXPECT(codec_compare(field, a + field->offset, b + field->offset) <= 0);
}

/* One id is in every order, and here several objects may have it. */
static bool same_id(const uint8_t *a, const uint8_t *b)
{
    const struct collection_schema *of = &schema.collections[0];
    const uint32_t at = of->fields[of->id_field].offset;
    return bytes_equal(a + at, b + at, of->id_bytes);
}

/* How often each kind of node came up, and the rest of what plans are made of. */
static struct {
    uint64_t kinds[PLAN_NODE_DIFFERENCE + 1];
    uint64_t nothing, scans, scans_exact, sets, sets_exact, sorts, refused, limits, deep;
} shown;

static void expect_sound(void)
{
    uint32_t scans = 0;
    uint32_t ranges = 0;
    EXPECT(plan.node_count <= PLAN_NODES_MAX && plan.id_count <= PLAN_IDS_MAX);
    for (uint32_t i = 0; i < plan.node_count; i += 1) {
        const struct plan_node *node = &plan.nodes[i];
        shown.kinds[node->kind] += 1;
        scans += node->kind == PLAN_NODE_SCAN || node->kind == PLAN_NODE_RANGE;
        uint32_t children = 0;
        for (uint8_t child = node->child; child != PLAN_NODE_NONE; child = plan.nodes[child].next) {
            EXPECT(child > i && child < plan.node_count);
            if (children > 0 && node->kind == PLAN_NODE_DIFFERENCE) EXPECT(plan.nodes[child].exact);
            if (plan.nodes[child].kind == PLAN_NODE_RANGE) {
                EXPECT(node->kind == PLAN_NODE_INTERSECTION || node->kind == PLAN_NODE_DIFFERENCE);
                EXPECT(i == 0 || i == plan.nodes[0].child);
            }
            children += 1;
        }
        EXPECT(node->kind < PLAN_NODE_UNION ? children == 0 : children >= 2);
        if (node->kind != PLAN_NODE_RANGE) continue;
        ranges += 1;
        if (plan.sorts) EXPECT(i == 0);
    }
    EXPECT(ranges <= 1 && scans == plan.scan_count && scans <= PLAN_SCANS_MAX);
    if (plan.drive == PLAN_SET) EXPECT(plan.nodes[0].exact == !plan.filters);
    shown.nothing += plan.drive == PLAN_NOTHING;
    shown.scans += plan.drive == PLAN_SCAN;
    shown.scans_exact += plan.drive == PLAN_SCAN && !plan.filters;
    shown.sets += plan.drive == PLAN_SET;
    shown.sets_exact += plan.drive == PLAN_SET && !plan.filters;
    shown.sorts += plan.drive == PLAN_SET && plan.sorts;
    shown.deep += plan.node_count > 6;
}

/* Some number, always the same one for the same question. */
static uint64_t random_entries(void *context, uint16_t tree, struct key min, struct key max)
{
    const uint64_t *salt = context;
    struct random random;
    random_init(&random, *salt ^ tree ^ min.word[1] ^ min.word[2] ^ max.word[1]);
    return random_below(&random, UINT64_C(1) << random_below(&random, 24));
}

enum { OBJECTS = 60 };

static void run(uint64_t seed)
{
    struct random random;
    random_init(&random, seed);
    static uint8_t objects[OBJECTS][128];
    const struct collection_schema *of = &schema.collections[0];
    EXPECT(of->object_bytes <= sizeof objects[0]);
    for (uint32_t i = 0; i < OBJECTS; i += 1)
        make_object(&random, objects[i]);

    char where[16000];
    const uint32_t depth = (uint32_t)random_below(&random, 6);
    if (random_chance(&random, 1, 4)) {
        EXPECT(put_wide(&random, min_u32(depth, 3), where, sizeof where) < sizeof where);
    } else {
        EXPECT(put_where(&random, depth, where, sizeof where) < sizeof where);
    }
    struct plan_order order = {
        .field = of->timestamp_field,
        .descending = random_chance(&random, 1, 2),
        .counts = random_chance(&random, 1, 4),
    };
    if (random_chance(&random, 1, 2)) {
        order.field = (uint32_t)random_below(&random, of->field_count);
    }
    uint64_t salt = seed;
    const struct plan_statistics senseless = {random_entries, &salt};
    const bool known = random_chance(&random, 7, 8);
    const enum tactus_status parsed = expression_parse(&expression, of, where, &error);
    EXPECT(parsed == TACTUS_OK || parsed == TACTUS_LIMIT);
    if (parsed != TACTUS_OK) return;
    const enum tactus_status status =
        plan_choose(&expression, order, known ? &senseless : NULL, &plan, &error);
    shown.refused += status == TACTUS_INVALID;
    shown.limits += status == TACTUS_LIMIT;
    if (status != TACTUS_OK) return;
    expect_sound();
    const uint8_t *before = NULL;
    for (uint32_t i = 0; i < OBJECTS; i += 1) {
        const bool matches = filter_matches(&expression, objects[i]);
        const bool has = plan_has(&schema, &plan, objects[i]);
        if (matches && !has) printf("%s: %s\n", where, plan_text());
        EXPECT(has || !matches);
        if (has && !matches && !plan.filters) printf("%s: %s\n", where, plan_text());
        EXPECT(matches || !has || plan.filters);
        if (!matches) continue;
        if (before != NULL && !same_id(before, objects[i])) {
            expect_ordered(before, objects[i], order);
            expect_ordered(objects[i], before, order);
        }
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
    if (seeds.count < 20000) return;
    for (uint32_t kind = PLAN_NODE_SCAN; kind <= PLAN_NODE_DIFFERENCE; kind += 1)
        EXPECT(shown.kinds[kind] >= 100);
    EXPECT(shown.scans_exact >= 100 && shown.sets_exact >= 100 && shown.sorts >= 100);
    EXPECT(shown.nothing >= 100 && shown.refused >= 100 && shown.deep >= 100);
    EXPECT(shown.limits >= 10);
}

TEST_MAIN()
