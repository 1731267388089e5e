#include "query/expression.h"

#include "forest/schema_parser.h"
#include "support/test.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static struct schema schema;
static struct expression expression;
static struct text_error error;

static const char *const sale =
    "collection sale { id u64\n invoice text(8) index\n customer u32 optional index\n at time "
    "index\n"
    "price decimal(3)\n quantity i32\n ok bool\n rate f64\n who uuid\n big u128\n hash bytes(4)\n"
    "wide text(1000)\n spare reserved(8) }";

static enum tactus_status parse(const char *text)
{
    EXPECT(schema_parse(sale, strlen(sale), &schema, &error) == TACTUS_OK);
    memset(&expression, 0xa5, sizeof expression);
    error = (struct text_error){0};
    return expression_parse(&expression, &schema.collections[0], text, &error);
}

static bool parses(const char *text)
{
    const bool good = parse(text) == TACTUS_OK;
    if (!good) printf("%s\n%u:%u: %s\n", text, error.line, error.column, error.text);
    return good;
}

static bool refuses(const char *text, uint32_t column, const char *words)
{
    if (parse(text) != TACTUS_SYNTAX) return false;
    const bool good =
        error.line == 1 && error.column == column && strstr(error.text, words) != NULL;
    if (!good) printf("%s\n%u:%u: %s\n", text, error.line, error.column, error.text);
    return good;
}

/* The tree, in prefix form: "and(=,or(<,in2))". */
static size_t describe(uint32_t number, char *text, size_t room)
{
    static const char *const names[] = {
        "", "and", "or", "not", "=", "!=", "<", "<=", ">", ">=", "between", "in", "starts"};
    const struct expression_node *node = &expression.nodes[number];
    size_t size = (size_t)snprintf(text, room, "%s", names[node->kind]);
    if (node->kind > EXPRESSION_NOT) return size;
    for (uint32_t child = node->child; child != EXPRESSION_NODE_NONE;
         child = expression.nodes[child].next) {
        size += (size_t)snprintf(text + size, room - size, child == node->child ? "(" : ",");
        size += describe(child, text + size, room - size);
    }
    return size + (size_t)snprintf(text + size, room - size, ")");
}

static bool tree_is(const char *text, const char *wanted)
{
    char found[200] = "all";
    if (!parses(text)) return false;
    if (expression.root != EXPRESSION_NODE_NONE) (void)describe(expression.root, found, 200);
    if (strcmp(found, wanted) != 0) printf("%s: %s\n", text, found);
    return strcmp(found, wanted) == 0;
}

TEST(expression, binds_not_before_and_before_or)
{
    EXPECT(tree_is("", "all"));
    EXPECT(tree_is("  \n", "all"));
    EXPECT(tree_is("id = 1", "="));
    EXPECT(tree_is("id = 1 or id = 2 and customer > 3", "or(=,and(=,>))"));
    EXPECT(tree_is("(id = 1 or id = 2) and customer > 3", "and(or(=,=),>)"));
    EXPECT(tree_is("not id = 1 and customer > 3", "and(not(=),>)"));
    EXPECT(tree_is("not (id = 1 and customer > 3)", "not(and(=,>))"));
    EXPECT(tree_is("not not id = 1", "not(not(=))"));
    EXPECT(tree_is("((((id = 1))))", "="));
    EXPECT(refuses("id=1and id<2", 4, "not a whole number"));
    EXPECT(tree_is("id = 1 and id = 2 and id = 3", "and(=,=,=)"));
    EXPECT(tree_is("id between 1 and 2 and id != 3", "and(between,!=)"));
    EXPECT(tree_is("id in (1, 2,3) or invoice starts 'C'", "or(in,starts)"));
    EXPECT(refuses("ID = 1", 1, "unknown field `ID`")); /* fields exactly */
    EXPECT(tree_is("NOT id BETWEEN 1 AND 2 OR id In (1)", "or(not(between),in)"));
    EXPECT(parse(NULL) == TACTUS_OK);
    EXPECT(expression.root == EXPRESSION_NODE_NONE);
}

TEST(expression, reads_values_by_the_type_of_the_field)
{
    EXPECT(parses("price = 2.55 and quantity = -12 and ok = TRUE and rate < 1e3"));
    EXPECT(parses("invoice = 'it''s' and at >= '2011-11-01' and hash = x'00ff' and ok = 1"));
    EXPECT(memcmp(expression_bytes(&expression, &expression.values[0]), "it's\0\0\0", 8) == 0);
    EXPECT(parses("who = 123e4567-e89b-12d3-a456-426614174000 or who = '0x1' or big = 0xff"));
    EXPECT(parses("big = 340282366920938463463374607431768211455"));
    EXPECT(parses("timestamp > 5"));
    EXPECT(parses("customer=17850.0"));
    EXPECT(parses("rate > -inf"));
    EXPECT(parses("invoice = ''"));
    EXPECT(expression.values[0].size == 8);
    EXPECT(parses("invoice starts 'ab'"));
    EXPECT(expression.values[0].size == 2);
    EXPECT(parses("hash starts X'00ff'"));
    EXPECT(expression.values[0].size == 2);
}

TEST(expression, refuses_values_of_another_type)
{
    EXPECT(refuses("customer = 'abc'", 12, "a number, without quotes"));
    EXPECT(refuses("customer = abc", 12, "not a whole number"));
    EXPECT(refuses("customer = -1", 12, "out of range"));
    EXPECT(refuses("customer = 4294967296", 12, "out of range"));
    EXPECT(refuses("price = 2.5555", 9, "more than 3 digits"));
    EXPECT(refuses("invoice = 5", 11, "text stands in quotes"));
    EXPECT(refuses("invoice = 'longer than it'", 11, "text of 14 bytes"));
    EXPECT(refuses("at > 2011-11-01", 6, "time stands in quotes"));
    EXPECT(refuses("at > 'yesterday'", 6, "not a time"));
    EXPECT(refuses("hash = '00'", 8, "bytes are written x'00ff'"));
    EXPECT(refuses("hash = x'0'", 8, "odd number"));
    EXPECT(refuses("ok = 'true'", 6, "true or false, without quotes"));
    EXPECT(refuses("who = 5", 7, "not a UUID"));
    EXPECT(refuses("who = x'00'", 7, "0x... or a UUID"));
    EXPECT(refuses("rate = nan", 8, "NaN is refused"));
    EXPECT(refuses("customer = ''", 12, "without quotes"));
    EXPECT(refuses("price starts '2'", 7, "`starts` is for text and bytes"));
    EXPECT(refuses("spare = x'00'", 1, "reserved bytes"));
}

TEST(expression, refuses_what_is_no_expression_and_says_where)
{
    EXPECT(refuses("name = 1", 1, "unknown field `name`"));
    EXPECT(refuses("id", 3, "expected a comparison"));
    EXPECT(refuses("id = ", 6, "expected a value: the text ends"));
    EXPECT(refuses("id == 1", 5, "expected a value, found `=`"));
    EXPECT(refuses("id <> 1", 5, "expected a value, found `>`"));
    EXPECT(refuses("id = 1 id = 2", 8, "expected `and`, `or` or the end"));
    EXPECT(refuses("id = 1 and", 11, "expected a field"));
    EXPECT(refuses("and id = 1", 1, "expected a field"));
    EXPECT(refuses("(id = 1", 8, "expected `and`, `or` or `)`"));
    EXPECT(refuses("id = 1)", 7, "expected `and`, `or` or the end, found `)`"));
    EXPECT(refuses("()", 2, "expected a field"));
    EXPECT(refuses("id in 1", 7, "expected `(` behind `in`"));
    EXPECT(refuses("id in ()", 8, "expected a value"));
    EXPECT(refuses("id in (1, 2", 12, "expected `,` or `)`"));
    EXPECT(refuses("id between 1", 13, "expected `and` and the upper bound"));
    EXPECT(refuses("id = 1 & id = 2", 8, "unexpected `&`"));
    EXPECT(refuses("invoice = 'open", 11, "open quote"));
    EXPECT(refuses("hash = x'00", 8, "open quote"));
    EXPECT(refuses("invoice = \"a\"", 11, "single quotes"));
    EXPECT(refuses("id = 1 \x01", 8, "unexpected byte 0x01"));
    EXPECT(refuses("id = ?", 6, "bad parameter `?`"));
    EXPECT(refuses("id = ?0", 6, "bad parameter"));
    EXPECT(refuses("id = ?256", 6, "write ?1 to ?255"));
    EXPECT(parse("id = 1\n  and x = 2") == TACTUS_SYNTAX);
    EXPECT(error.line == 2 && error.column == 7);
    EXPECT(expression_parse(&expression, &schema.collections[0], "x", NULL) == TACTUS_SYNTAX);
}

static char big[100000];

static const char *repeat(const char *first, const char *more, uint32_t count, const char *last)
{
    size_t size = (size_t)snprintf(big, sizeof big, "%s", first);
    for (uint32_t i = 0; i < count; i += 1) {
        size += (size_t)snprintf(big + size, sizeof big - size, "%s", more);
    }
    (void)snprintf(big + size, sizeof big - size, "%s", last);
    return big;
}

TEST(expression, says_limit_where_a_pool_ends)
{
    EXPECT(parses(repeat("id = 1", " or id = 1", 254, "")));
    EXPECT(expression.node_count == EXPRESSION_NODES_MAX);
    EXPECT(parse(repeat("id = 1", " or id = 1", 255, "")) == TACTUS_LIMIT);
    EXPECT(strstr(error.text, "256 tests and groups") != NULL);

    EXPECT(parses(repeat("", "not ", 31, "id = 1")));
    EXPECT(parse(repeat("", "not ", 32, "id = 1")) == TACTUS_LIMIT);
    EXPECT(error.column == 129);
    EXPECT(parse(repeat("", "(", 5000, "")) == TACTUS_LIMIT);

    EXPECT(parses(repeat("ok in (1", ", 1", 511, ")")));
    EXPECT(parse(repeat("ok in (1", ", 1", 512, ")")) == TACTUS_LIMIT);
    EXPECT(parses(repeat("wide in (''", ", ''", 3, ")")));
    EXPECT(parse(repeat("wide in (''", ", ''", 4, ")")) == TACTUS_LIMIT);
    EXPECT(strstr(error.text, "4096 bytes together") != NULL);
}

TEST(expression, parameters_are_bound_everywhere_or_nowhere)
{
    EXPECT(parses("customer = ?2 or id = ?2 or invoice starts ?1"));
    EXPECT(expression_unbound(&expression) == 1);
    EXPECT(expression_bind(&expression, 2, "5", &error) == TACTUS_OK);
    EXPECT(expression_unbound(&expression) == 1);
    EXPECT(expression_bind(&expression, 1, "ab", &error) == TACTUS_OK);
    EXPECT(expression_unbound(&expression) == 0);
    EXPECT(expression.values[2].size == 2);
    EXPECT(expression_bind(&expression, 3, "5", &error) == TACTUS_ABSENT);
    EXPECT(strstr(error.text, "?3") != NULL);
    EXPECT(expression_bind(&expression, 0, "5", &error) == TACTUS_ABSENT);

    /* Too large for the customer, not for the id: neither changes. */
    uint32_t customer;
    uint64_t id;
    EXPECT(expression_bind(&expression, 2, "99999999999", &error) == TACTUS_INVALID);
    memcpy(&customer, expression_bytes(&expression, &expression.values[0]), sizeof customer);
    memcpy(&id, expression_bytes(&expression, &expression.values[1]), sizeof id);
    EXPECT(customer == 5 && id == 5);
    EXPECT(expression_bind(&expression, 1, "", &error) == TACTUS_OK);
    EXPECT(expression.values[2].size == 0);
    EXPECT(expression_bind(&expression, 1, "123456789", NULL) == TACTUS_INVALID);
}

TEST(expression, parameters_of_bytes_may_be_written_in_every_form_of_hex)
{
    const char *const forms[] = {"00ff", "0x00FF", "x'00ff'"};
    EXPECT(parses("hash starts ?1"));
    for (uint32_t i = 0; i < 3; i += 1) {
        EXPECT(expression_bind(&expression, 1, forms[i], &error) == TACTUS_OK);
        EXPECT(expression.values[0].size == 2);
        EXPECT(memcmp(expression_bytes(&expression, &expression.values[0]), "\0\xff\0", 4) == 0);
    }
}

TEST_MAIN()
