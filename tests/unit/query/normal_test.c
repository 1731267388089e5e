#include "query/normal.h"

#include "base/bytes.h"
#include "base/integer.h"
#include "base/random.h"
#include "forest/schema_parser.h"
#include "query/filter.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

static struct schema schema;
static struct expression expression;
static struct normal normal;
static struct text_error error;

static const char *const shape = "collection c { a u8\n b i8\n t text(2) }";

static void make(const char *where)
{
    EXPECT(schema_parse(shape, strlen(shape), &schema, &error) == TACTUS_OK);
    EXPECT(expression_parse(&expression, &schema.collections[0], where, &error) == TACTUS_OK);
    memset(&normal, 0xa5, sizeof normal);
    normal_make(&normal, &expression);
}

/* ---- As a short text ------------------------------------------------------------------------ */

/* Tests as a=, a<, !a=; groups as (a= & b=). */
static size_t put_node(uint32_t number, char *text, size_t room)
{
    static const char *const marks[] = {
        [EXPRESSION_EQUAL] = "=",
        [EXPRESSION_LESS] = "<",
        [EXPRESSION_LESS_EQUAL] = "<=",
        [EXPRESSION_GREATER] = ">",
        [EXPRESSION_GREATER_EQUAL] = ">=",
        [EXPRESSION_BETWEEN] = "[]",
        [EXPRESSION_IN] = "{}",
        [EXPRESSION_STARTS] = "^",
    };
    const struct normal_node *node = &normal.nodes[number];
    if (node->kind == NORMAL_TEST) {
        const struct normal_test test = normal_test_of(&expression, node, false);
        const struct normal_test opposite = normal_test_of(&expression, node, true);
        EXPECT(test.kind != opposite.kind || test.negated != opposite.negated);
        const char *name = schema.collections[0].fields[test.field].name;
        return (size_t
        )snprintf(text, room, "%s%s%s", test.negated ? "!" : "", name, marks[test.kind]);
    }
    size_t size = (size_t)snprintf(text, room, "(");
    uint32_t children = 0;
    for (uint16_t child = node->child; child != NORMAL_NONE; child = normal.nodes[child].next) {
        EXPECT(child > number && child < normal.count);
        EXPECT(normal.nodes[child].kind != node->kind);
        if (children > 0) {
            const char *mark = node->kind == NORMAL_AND ? " & " : " | ";
            size += (size_t)snprintf(text + size, room - size, "%s", mark);
        }
        size += put_node(child, text + size, room - size);
        children += 1;
    }
    EXPECT(children >= 2);
    return size + (size_t)snprintf(text + size, room - size, ")");
}

static bool becomes(const char *where, const char *wanted)
{
    char found[1000];
    make(where);
    (void)put_node(normal.root, found, sizeof found);
    if (strcmp(found, wanted) != 0) printf("%s: %s\n", where, found);
    return strcmp(found, wanted) == 0;
}

TEST(normal, pushes_negations_to_the_tests)
{
    EXPECT(becomes("a = 1", "a="));
    EXPECT(becomes("a != 1", "!a="));
    EXPECT(becomes("not a = 1", "!a="));
    EXPECT(becomes("not not a = 1", "a="));
    EXPECT(becomes("not a != 1", "a="));
    EXPECT(becomes("not a < 1", "a>="));
    EXPECT(becomes("not a <= 1", "a>"));
    EXPECT(becomes("not a > 1", "a<="));
    EXPECT(becomes("not a >= 1", "a<"));
    EXPECT(becomes("not a between 1 and 2", "!a[]"));
    EXPECT(becomes("not t starts 'x'", "!t^"));
    EXPECT(becomes("a in (1, 2)", "a{}"));
    EXPECT(becomes("not a in (1, 2)", "!a{}"));
    EXPECT(becomes("a in (1)", "a="));
    EXPECT(becomes("not a in (1)", "!a="));
    EXPECT(becomes("not (a = 1 and b = 1)", "(!a= | !b=)"));
    EXPECT(becomes("not (a = 1 or not (b < 1 and t = ''))", "(!a= & b< & t=)"));
}

TEST(normal, flattens_groups)
{
    EXPECT(becomes("a = 1 and (b = 1 and (t = 'x' and a > 0))", "(a= & b= & t= & a>)"));
    EXPECT(becomes("(a = 1 or b = 1) or not (t = 'x' and a > 0)", "(a= | b= | !t= | a<=)"));
    EXPECT(becomes("(a = 1 or b = 1) and (t = 'x' or a > 0)", "((a= | b=) & (t= | a>))"));
    make("");
    EXPECT(normal.root == NORMAL_NONE && normal.count == 0);
}

/* ---- It means the same ---------------------------------------------------------------------- */

static bool node_matches(uint32_t number, const uint8_t *object)
{
    const struct normal_node *node = &normal.nodes[number];
    if (node->kind == NORMAL_TEST) {
        static struct expression single;
        single = expression;
        single.root = node->test;
        return filter_matches(&single, object) != node->negated;
    }
    for (uint16_t child = node->child; child != NORMAL_NONE; child = normal.nodes[child].next) {
        if (node_matches(child, object) == (node->kind == NORMAL_OR)) {
            return node->kind == NORMAL_OR;
        }
    }
    return node->kind == NORMAL_AND;
}

static size_t put_where(struct random *random, uint32_t depth, char *text, size_t room)
{
    static const char *const operators[] = {"=", "!=", "<", "<=", ">", ">="};
    size_t size = (size_t)snprintf(text, room, "%s", random_chance(random, 1, 3) ? "not " : "");
    if (depth == 0 || random_chance(random, 1, 4)) {
        const char *name = random_chance(random, 1, 2) ? "a" : "b";
        const char *mark = operators[random_below(random, COUNT_OF(operators))];
        const uint32_t value = (uint32_t)random_below(random, 4);
        return size + (size_t)snprintf(text + size, room - size, "%s %s %u", name, mark, value);
    }
    size += (size_t)snprintf(text + size, room - size, "(");
    size += put_where(random, depth - 1, text + size, room - size);
    for (uint64_t more = random_below(random, 3); more > 0; more -= 1) {
        const char *word = random_chance(random, 1, 2) ? " and " : " or ";
        size += (size_t)snprintf(text + size, room - size, "%s", word);
        size += put_where(random, depth - 1, text + size, room - size);
    }
    return size + (size_t)snprintf(text + size, room - size, ")");
}

TEST(normal, means_the_same)
{
    const struct test_seeds seeds = test_seeds(5000);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        struct random random;
        char where[8000];
        char found[8000];
        test_seed_begin(seed);
        random_init(&random, seed);
        EXPECT(put_where(&random, 4, where, sizeof where) < sizeof where);
        make(where);
        (void)put_node(normal.root, found, sizeof found);
        EXPECT(normal.count <= expression.node_count);
        for (uint32_t value = 0; value < 16; value += 1) {
            uint8_t object[64];
            bytes_zero(object, sizeof object);
            object[schema.collections[0].fields[0].offset] = (uint8_t)(value % 4);
            object[schema.collections[0].fields[1].offset] = (uint8_t)(value / 4);
            EXPECT(node_matches(normal.root, object) == filter_matches(&expression, object));
        }
    }
}

TEST_MAIN()
