#include "query/token.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "base/integer.h"
#include "base/random.h"
#include "forest/schema_parser.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

static struct schema schema;
static struct expression expression;
static struct text_error error;

static const char *const two =
    "collection c { id u64\n n i32 optional index\n t text(20)\n d decimal(2) index }\n"
    "collection e { id u64\n n i32 optional index\n t text(20)\n d decimal(2) index }";

/* Of a where over collection c; order by `id`, ascending. */
static uint64_t hash_of(const char *where)
{
    EXPECT(schema_parse(two, strlen(two), &schema, &error) == TACTUS_OK);
    const enum tactus_status status =
        expression_parse(&expression, &schema.collections[0], where, &error);
    if (status != TACTUS_OK) printf("%s: %s\n", where, error.text);
    EXPECT(status == TACTUS_OK);
    return token_query_hash(&expression, (struct token_order){0});
}

static const struct token_query wide = {.hash = 77, .bits = KEY_192};

static bool refuses(const struct token_query *query, const char *text, const char *words)
{
    struct key place = {{1, 2, 3}};
    error.text[0] = 0;
    const enum tactus_status status = token_parse(query, text, &place, &error);
    if (strstr(error.text, words) == NULL) printf("%s: %s\n", text, error.text);
    EXPECT(token_parse(query, text, &place, NULL) == status);
    EXPECT(key_equal(place, (struct key){{1, 2, 3}}));
    return status == TACTUS_SYNTAX && strstr(error.text, words) != NULL;
}

TEST(token, is_the_same_for_ways_of_writing_the_same_query)
{
    const uint64_t hash = hash_of("n = 5 and t starts 'ab'");
    EXPECT(hash_of("  n=5   AND t STARTS 'ab'\n") == hash);
    EXPECT(hash_of("(n = +5) and (t starts 'ab')") == hash);
    EXPECT(hash_of("d = 2.5") == hash_of("d = 2.500"));
    EXPECT(hash_of("") == hash_of("  "));
}

TEST(token, a_bound_value_is_as_one_that_stands_there)
{
    const uint64_t hash = hash_of("n = 5 and t starts 'ab'");
    EXPECT(schema_parse(two, strlen(two), &schema, &error) == TACTUS_OK);
    EXPECT(
        expression_parse(&expression, &schema.collections[0], "n = ?1 and t starts ?2", NULL) ==
        TACTUS_OK
    );
    EXPECT(expression_bind(&expression, 1, "5", NULL) == TACTUS_OK);
    EXPECT(expression_bind(&expression, 2, "ab", NULL) == TACTUS_OK);
    EXPECT(token_query_hash(&expression, (struct token_order){0}) == hash);
    EXPECT(expression_bind(&expression, 1, "6", NULL) == TACTUS_OK);
    EXPECT(token_query_hash(&expression, (struct token_order){0}) != hash);
}

TEST(token, tells_queries_apart)
{
    static const char *const wheres[] = {
        "",
        "n = 5",
        "n = 6",
        "n != 5",
        "not n = 5",
        "n in (5, 6)",
        "n between 5 and 6",
        "n > 5",
        "id = 5",
        "n = 5 and d = 1",
        "n = 5 or d = 1",
        "d = 1 and n = 5",
        "(n = 5 or d = 1) and n = 5",
        "n = 5 or (d = 1 and n = 5)",
        "t = 'a'",
        "t starts 'a'",
        "t starts 'ab'",
        "t = 'ab'"};
    uint64_t hashes[COUNT_OF(wheres)];
    for (uint32_t i = 0; i < COUNT_OF(wheres); i += 1) {
        hashes[i] = hash_of(wheres[i]);
        for (uint32_t k = 0; k < i; k += 1)
            EXPECT(hashes[i] != hashes[k]);
    }
    (void)hash_of("");
    const uint64_t plain = token_query_hash(&expression, (struct token_order){.field = 1});
    EXPECT(plain != hashes[0]);
    EXPECT(token_query_hash(&expression, (struct token_order){1, 0, true}) != plain);
    EXPECT(token_query_hash(&expression, (struct token_order){1, 3, false}) != plain);
    expression.collection = &schema.collections[1]; /* all the same, but for its name */
    EXPECT(token_query_hash(&expression, (struct token_order){.field = 1}) != plain);
}

/* The form is a promise to those who keep tokens: spelled out here once. */
TEST(token, has_the_form_that_is_described)
{
    const struct token_query query = {.hash = UINT64_C(0x0807060504030201), .bits = KEY_64};
    uint8_t bytes[15] = {1, 2, 3, 4, 5, 6, 7, 8, 0x2a};
    uint8_t check[8];
    store_u64(check, hash_64(bytes, 9));
    bytes_copy(bytes + 9, check, 6);
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char wanted[TOKEN_SIZE] = "c";
    for (uint32_t i = 0; i < 20; i += 1) {
        uint32_t six = 0;
        for (uint32_t bit = i * 6; bit < i * 6 + 6; bit += 1)
            six = six << 1 | (bytes[bit / 8] >> (7 - bit % 8) & 1);
        wanted[1 + i] = set[six];
    }
    char text[TOKEN_SIZE];
    token_format(&query, key_from_u64(42), text);
    EXPECT(strcmp(text, wanted) == 0);
    token_format(&query, key_from_u64(0), text); /* no byte of a place at all */
    EXPECT(strlen(text) == 1 + 19);
    token_format(&wide, key_max_of(KEY_192), text);
    EXPECT(strlen(text) == TOKEN_SIZE - 1);
}

TEST(token, refuses_what_is_none)
{
    char text[2 * TOKEN_SIZE];
    token_format(&wide, key_from_u64(1234567), text);
    EXPECT(refuses(&wide, "", "damaged cursor"));
    EXPECT(refuses(&wide, "c", "damaged"));
    EXPECT(refuses(&wide, "hello world", "damaged cursor `hello world`"));
    EXPECT(refuses(&wide, text + 1, "damaged"));
    for (uint64_t length = strlen(text) - 1; length > 0; length -= 1) {
        char part[TOKEN_SIZE] = "";
        bytes_copy(part, text, length);
        EXPECT(refuses(&wide, part, "damaged"));
    }
    for (uint64_t length = strlen(text); length < sizeof text - 1; length += 1) {
        text[length] = 'A'; /* something behind it */
        text[length + 1] = 0;
        EXPECT(refuses(&wide, text, "damaged"));
    }
    EXPECT(refuses(&wide, "c\x1b[31m", "damaged cursor `c?[31m`"));
}

TEST(token, refuses_anothers)
{
    char text[TOKEN_SIZE];
    token_format(&wide, key_from_u64(5), text);
    const struct token_query other = {.hash = 78, .bits = KEY_192};
    struct key place = {{1, 2, 3}};
    EXPECT(token_parse(&other, text, &place, &error) == TACTUS_MISUSE);
    EXPECT(strstr(error.text, "another query's") != NULL);
    EXPECT(token_parse(&other, text, &place, NULL) == TACTUS_MISUSE);
    EXPECT(key_equal(place, (struct key){{1, 2, 3}}));
}

/* The check can be made by anybody: what a query's places can be is looked at, too. */
TEST(token, refuses_places_that_the_query_cannot_have)
{
    const struct token_query narrow = {.hash = 77, .bits = KEY_64};
    const struct token_query timed = {.hash = 77, .bits = KEY_128, .timestamped = true};
    char text[TOKEN_SIZE];
    token_format(&wide, key_from_u128(5, 1), text);
    EXPECT(refuses(&narrow, text, "no such place"));
    token_format(&wide, (struct key){{1, 0, 0}}, text);
    EXPECT(refuses(&timed, text, "no such place"));
    token_format(&wide, key_from_u64(UINT64_C(1) << 63), text);
    EXPECT(refuses(&timed, text, "no such place"));
    struct key place;
    EXPECT(token_parse(&narrow, text, &place, &error) == TACTUS_OK);
    EXPECT(place.word[2] == UINT64_C(1) << 63);
}

/* Round trip; and every change of a single character, to any other of the alphabet, is refused. */
TEST(token, property_round_trip_and_damage)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_ .";
    const struct test_seeds seeds = test_seeds(20);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        struct random random;
        random_init(&random, seed);
        const struct token_query query = {
            .hash = random_u64(&random),
            .bits = KEY_192,
            .timestamped = random_chance(&random, 1, 2)};
        struct key place = {{0, 0, 0}};
        for (uint32_t word = (uint32_t)random_below(&random, 3); word < 3; word += 1)
            place.word[word] = random_u64(&random) >> random_below(&random, 64);
        if (query.timestamped) place.word[2] >>= 1;

        char text[TOKEN_SIZE];
        memset(text, 'x', sizeof text);
        token_format(&query, place, text);
        const uint64_t length = strlen(text);
        EXPECT(strspn(text, set) == length && length < TOKEN_SIZE);
        EXPECT((text[0] >= 'a' && text[0] <= 'z') || (text[0] >= 'A' && text[0] <= 'Z'));
        struct key found;
        EXPECT(token_parse(&query, text, &found, &error) == TACTUS_OK);
        EXPECT(key_equal(found, place));

        for (uint64_t at = 0; at < length; at += 1) {
            const char was = text[at];
            for (uint32_t i = 0; set[i] != 0; i += 1) {
                if (set[i] == was) continue;
                text[at] = set[i];
                EXPECT(token_parse(&query, text, &found, &error) == TACTUS_SYNTAX);
            }
            text[at] = was;
        }
    }
}

TEST_MAIN()
