/* What a query refuses, by the public calls: each with its status, in words, with the place in the
 * expression where there is one; and nothing is left behind that stands in the next one's way. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "support/test.h"
#include "tactus.h"

#include "base/poison.h"

enum { OBJECTS = 200, TEXT_SIZE = 16384, SCANS_MAX = 32 };

static const char *const schema = "collection c {\n"
                                  "  id u64\n"
                                  "  a u32 index\n"
                                  "  b i16 index\n"
                                  "  plain u32\n"
                                  "  long text(40) index\n"
                                  "  hashed text(8) index hash\n"
                                  "  maybe u32 optional index\n"
                                  "  price decimal(2) index\n"
                                  "  at time index\n"
                                  "  flag bool\n"
                                  "  key uuid\n"
                                  "  raw bytes(4) index\n"
                                  "  spare reserved(4)\n"
                                  "  index pair (a, plain)\n"
                                  "}\n"
                                  "collection d { a u32 index }\n";

static tactus_db *db;
static const tactus_collection *c, *d;
static char where[TEXT_SIZE];

static void begin(void)
{
    struct tactus_open_options options;
    tactus_open_options_default(&options);
    options.schema = schema;
    options.query_count_max = 2;
    EXPECT(tactus_open(":memory:", &options, NULL, &db) == TACTUS_OK);
    EXPECT(tactus_collection_find(db, "c", 0, &c) == TACTUS_OK);
    EXPECT(tactus_collection_find(db, "d", 0, &d) == TACTUS_OK);
    tactus_txn *txn = NULL;
    EXPECT(tactus_begin(db, NULL, &txn) == TACTUS_OK);
    struct tactus_collection_info info;
    tactus_collection_info(c, &info);
    for (uint32_t number = 0; number < OBJECTS; number += 1) {
        uint8_t object[512] = {0};
        char text[16];
        const int size = snprintf(text, sizeof text, "%u", number);
        for (uint32_t field = 0; field < 2; field += 1) {
            EXPECT(tactus_value_parse(c, field, text, (size_t)size, object, NULL) == TACTUS_OK);
        }
        EXPECT(info.object_bytes <= sizeof object);
        EXPECT(tactus_insert(txn, c, object, 1, NULL) == TACTUS_OK);
    }
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
}

static void end(void)
{
    EXPECT(tactus_close(db) == TACTUS_OK);
}

static const struct tactus_error *refused(
    enum tactus_status wanted, const char *condition, const char *order
)
{
    tactus_query *query = NULL;
    const enum tactus_status status = tactus_prepare(db, c, condition, order, &query);
    if (status != wanted) {
        printf("%s order %s: %s\n", condition, order, tactus_error(db)->text);
    }
    EXPECT(status == wanted);
    EXPECT(query == NULL);
    EXPECT(tactus_error(db)->status == (int32_t)wanted);
    EXPECT(tactus_error(db)->text[0] != 0);
    return tactus_error(db);
}

static tactus_query *prepared(const char *condition, const char *order)
{
    tactus_query *query = NULL;
    const enum tactus_status status = tactus_prepare(db, c, condition, order, &query);
    if (status != TACTUS_OK) printf("%s: %s\n", condition, tactus_error(db)->text);
    EXPECT(status == TACTUS_OK);
    return query;
}

/* ---- Expressions ----------------------------------------------------------------------------- */

struct wrong {
    const char *where;
    uint32_t line, column;
    const char *words; /* among those of the error */
};

static void expect_wrong(const struct wrong *wrong, size_t count)
{
    begin();
    for (size_t index = 0; index < count; index += 1) {
        const struct tactus_error *error = refused(TACTUS_SYNTAX, wrong[index].where, NULL);
        const bool right = error->line == wrong[index].line &&
                           error->column == wrong[index].column &&
                           strstr(error->text, wrong[index].words) != NULL;
        if (!right) {
            printf("%s\n%u:%u: %s\n", wrong[index].where, error->line, error->column, error->text);
        }
        EXPECT(right);
    }
    tactus_query_close(prepared("a = 1", NULL));
    end();
}

TEST(query_refusal, of_what_is_no_expression_says_line_column_and_reason)
{
    static const struct wrong wrong[] = {
        {"a", 1, 2, "comparison"},
        {"a =", 1, 4, "value"},
        {"a = 1 and", 1, 10, "field"},
        {"a = 1\n  or b = ", 2, 10, "value"},
        {"(a = 1", 1, 7, "`)`"},
        {"a = 1)", 1, 6, "the end"},
        {"a = 1 b = 2", 1, 7, "`and`, `or`"},
        {"nothing = 1", 1, 1, "nothing"},
        {"A = 1", 1, 1, "unknown field"},
        {"spare = 0", 1, 1, "reserved"},
        {"a between 1", 1, 12, "upper bound"},
        {"a between 1 or 2", 1, 13, "upper bound"},
        {"a in 1", 1, 6, "`(`"},
        {"a in ()", 1, 7, "value"},
        {"a in (1, )", 1, 10, "value"},
        {"a in (1 2)", 1, 9, "`,`"},
        {"long = 'open", 1, 8, "open quote"},
        {"long = \"so\"", 1, 8, "single quotes"},
        {"a == 1", 1, 4, "value"},
        {"a <> 1", 1, 4, "value"},
        {"not", 1, 4, "field"},
        {"a = ?0", 1, 5, "parameter"},
        {"a = ?256", 1, 5, "parameter"},
        {"a = 1 \x01", 1, 7, "0x01"},
        {"a = 1; b = 2", 1, 6, ";"},
    };
    expect_wrong(wrong, sizeof wrong / sizeof wrong[0]);
}

TEST(query_refusal, of_values_of_another_type_says_line_column_and_reason)
{
    static const struct wrong wrong[] = {
        {"a = 'text'", 1, 5, "number"},
        {"a = true", 1, 5, "true"},
        {"a = -1", 1, 5, "-1"},
        {"a = 4294967296", 1, 5, "4294967296"},
        {"a = 1.5", 1, 5, "1.5"},
        {"b = 32768", 1, 5, "32768"},
        {"a = 1 and b in (1, 2, 'x')", 1, 23, "number"},
        {"price = 0.001", 1, 9, "0.001"},
        {"price = '2.55'", 1, 9, "number"},
        {"at = 2010", 1, 6, "quotes"},
        {"at = '2010-13-01'", 1, 6, "2010-13-01"},
        {"flag = 'true'", 1, 8, "true or false"},
        {"flag = 2", 1, 8, "2"},
        {"key = 'no uuid'", 1, 7, "no uuid"},
        {"raw = 'ab'", 1, 7, "x'"},
        {"raw = x'0'", 1, 7, ""},
        {"raw = x'0001020304'", 1, 7, ""},
        {"long = 5", 1, 8, "quotes"},
        {"hashed = 'nine byte'", 1, 10, ""},
        {"a starts 1", 1, 3, "starts"},
        {"at starts '2010'", 1, 4, "starts"},
    };
    expect_wrong(wrong, sizeof wrong / sizeof wrong[0]);
}

/* `count` copies of `piece` with their numbers, between them `word`; in `where`. */
static const char *repeat(
    const char *first, const char *piece, const char *word, uint32_t count, const char *last
)
{
    uint32_t used = (uint32_t)snprintf(where, sizeof where, "%s", first);
    for (uint32_t number = 0; number < count; number += 1) {
        if (number > 0) used += (uint32_t)snprintf(where + used, sizeof where - used, "%s", word);
        used += (uint32_t)snprintf(where + used, sizeof where - used, piece, number);
        EXPECT(used < sizeof where);
    }
    used += (uint32_t)snprintf(where + used, sizeof where - used, "%s", last);
    EXPECT(used < sizeof where);
    return where;
}

TEST(query_refusal, of_more_than_an_expression_holds_is_limit)
{
    begin();
    (void)refused(TACTUS_LIMIT, repeat("", "plain = %u", " or ", 257, ""), NULL);
    (void)refused(TACTUS_LIMIT, repeat("a = 1 and ", "not (plain = %u", " and ", 40, ""), NULL);
    (void)refused(TACTUS_LIMIT, repeat("plain in (", "%u", ", ", 513, ")"), NULL);
    end();
}

/* ---- Orders ---------------------------------------------------------------------------------- */

TEST(query_refusal, of_an_order_that_no_index_gives_says_why)
{
    begin();
    static const struct {
        const char *order, *words;
    } none[] = {
        {"plain", "plain"},   /* only behind a, in `pair` */
        {"-plain", "plain"},  /* likewise */
        {"flag", "flag"},     /* no index */
        {"long", "long"},     /* longer than an index keeps */
        {"hashed", "hashed"}, /* a hash has no order */
        {"-maybe", "maybe"},  /* leaves the absent out */
    };
    for (size_t index = 0; index < sizeof none / sizeof none[0]; index += 1) {
        const struct tactus_error *error = refused(TACTUS_INVALID, "a > 1", none[index].order);
        EXPECT(strstr(error->text, none[index].words) != NULL);
        EXPECT(error->line == 0 && error->column == 0);
    }
    (void)refused(TACTUS_SYNTAX, NULL, "nothing");
    (void)refused(TACTUS_SYNTAX, NULL, "--a");
    (void)refused(TACTUS_SYNTAX, NULL, "a, b");
    (void)refused(TACTUS_SYNTAX, NULL, "-");
    /* What makes the order possible. */
    tactus_query_close(prepared("a = 5", "plain"));
    tactus_query_close(prepared("maybe > 0", "-maybe"));
    end();
}

TEST(query_refusal, of_an_order_may_come_with_the_value_that_is_bound)
{
    begin();
    tactus_query *query = prepared("maybe > ?1", "maybe");
    EXPECT(tactus_bind(query, 1, "3") == TACTUS_OK);
    EXPECT(tactus_run(query, tactus_latest(db), NULL) == TACTUS_OK);
    tactus_query_close(query);
    query = prepared("maybe >= ?1", "maybe");
    EXPECT(tactus_bind(query, 1, "0") == TACTUS_OK);
    EXPECT(tactus_run(query, tactus_latest(db), NULL) == TACTUS_INVALID);
    uint32_t count = 0;
    uint8_t object[512];
    EXPECT(tactus_next(query, object, 1, &count) == TACTUS_EXPIRED);
    EXPECT(tactus_bind(query, 1, "1") == TACTUS_OK);
    EXPECT(tactus_run(query, tactus_latest(db), NULL) == TACTUS_OK);
    EXPECT(tactus_next(query, object, 1, &count) == TACTUS_OK);
    tactus_query_close(query);
    end();
}

/* ---- Scans ----------------------------------------------------------------------------------- */

static uint64_t count_of(tactus_query *query, uint64_t max)
{
    uint64_t count = 0;
    EXPECT(tactus_run(query, tactus_latest(db), NULL) == TACTUS_OK);
    EXPECT(tactus_count(query, max, &count) == TACTUS_OK);
    tactus_query_close(query);
    return count;
}

TEST(query_refusal, of_33_scans_is_limit_where_nothing_else_narrows)
{
    begin();
    EXPECT(count_of(prepared(repeat("", "a = %u", " or ", SCANS_MAX, ""), NULL), UINT64_MAX) == 32);
    const struct tactus_error *error =
        refused(TACTUS_LIMIT, repeat("", "a = %u", " or ", SCANS_MAX + 1, ""), NULL);
    EXPECT(strstr(error->text, "32") != NULL);
    (void)refused(TACTUS_LIMIT, repeat("", "a = %u", " or ", 100, ""), "-id");
    /* As a filter they will do. */
    const char *narrowed = repeat("b = 0 and (", "a = %u", " or ", 100, ")");
    EXPECT(count_of(prepared(narrowed, NULL), UINT64_MAX) == 100);
    end();
}

/* ---- Scans that others hold ------------------------------------------------------------------ */

struct text {
    size_t size;
    char at[4096];
};

static int text_write(void *context, const char *text, size_t bytes)
{
    struct text *to = context;
    EXPECT(to->size + bytes < sizeof to->at);
    memcpy(to->at + to->size, text, bytes);
    to->size += bytes;
    to->at[to->size] = 0;
    return 0;
}

static bool takes_a_set(tactus_query *query)
{
    struct text text = {0};
    EXPECT(tactus_query_explain(query, "text", text_write, &text) == TACTUS_OK);
    return strstr(text.at, "union") != NULL;
}

static void fill_d(uint32_t count)
{
    uint32_t number = 0;
    while (number < count) {
        tactus_txn *txn = NULL;
        EXPECT(tactus_begin(db, NULL, &txn) == TACTUS_OK);
        for (uint32_t end_of = number + 1000; number < end_of; number += 1) {
            uint8_t object[64] = {0};
            char text[16];
            const int size = snprintf(text, sizeof text, "%u", number);
            EXPECT(tactus_value_parse(d, 0, text, (size_t)size, object, NULL) == TACTUS_OK);
            EXPECT(tactus_insert(txn, d, object, 1, NULL) == TACTUS_OK);
        }
        EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    }
}

TEST(query_refusal, of_a_set_whose_scans_others_hold_is_none_where_one_tree_in_order_will_do)
{
    begin();
    fill_d(20000);
    tactus_query *wide = NULL;
    tactus_query *narrow = NULL;
    const char *many = repeat("a in (", "%u", ", ", SCANS_MAX - 1, ")");
    EXPECT(tactus_prepare(db, d, many, NULL, &wide) == TACTUS_OK);
    EXPECT(tactus_prepare(db, d, "a in (7, 19999)", NULL, &narrow) == TACTUS_OK);

    uint64_t count = 0;
    EXPECT(tactus_run(narrow, tactus_latest(db), NULL) == TACTUS_OK);
    EXPECT(takes_a_set(narrow));
    EXPECT(tactus_run(wide, tactus_latest(db), NULL) == TACTUS_OK); /* 31 scans, of 30 left */
    EXPECT(!takes_a_set(wide));
    EXPECT(tactus_count(wide, UINT64_MAX, &count) == TACTUS_OK && count == SCANS_MAX - 1);

    EXPECT(tactus_count(narrow, UINT64_MAX, &count) == TACTUS_OK && count == 2);
    EXPECT(tactus_run(wide, tactus_latest(db), NULL) == TACTUS_OK);
    EXPECT(takes_a_set(wide));
    EXPECT(tactus_run(narrow, tactus_latest(db), NULL) == TACTUS_OK);
    EXPECT(!takes_a_set(narrow));
    EXPECT(tactus_count(narrow, UINT64_MAX, &count) == TACTUS_OK && count == 2);
    EXPECT(tactus_count(wide, UINT64_MAX, &count) == TACTUS_OK && count == SCANS_MAX - 1);
    tactus_query_close(wide);
    tactus_query_close(narrow);
    end();
}

/* ---- Runs ------------------------------------------------------------------------------------ */

TEST(query_refusal, of_a_run_without_its_values_or_its_view)
{
    begin();
    tactus_query *query = prepared("a = ?1 or b = ?2", NULL);
    EXPECT(tactus_run(query, tactus_latest(db), NULL) == TACTUS_INVALID);
    EXPECT(strstr(tactus_error(db)->text, "?1") != NULL);
    EXPECT(tactus_bind(query, 1, "x") == TACTUS_INVALID);
    EXPECT(tactus_bind(query, 3, "1") == TACTUS_ABSENT);
    EXPECT(tactus_bind(query, 0, "1") == TACTUS_ABSENT);
    EXPECT(tactus_bind(query, 1, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_bind(query, 1, "7") == TACTUS_OK);
    EXPECT(tactus_run(query, tactus_latest(db), NULL) == TACTUS_INVALID);
    EXPECT(strstr(tactus_error(db)->text, "?2") != NULL);
    EXPECT(tactus_bind(query, 2, "-1") == TACTUS_OK);
    EXPECT(tactus_run(query, NULL, NULL) == TACTUS_MISUSE);
    uint32_t count = 0;
    uint8_t object[512];
    EXPECT(tactus_next(query, object, 1, &count) == TACTUS_EXPIRED);
    EXPECT(tactus_run(query, tactus_latest(db), NULL) == TACTUS_OK);
    EXPECT(tactus_next(query, object, 1, &count) == TACTUS_OK && count == 1);
    tactus_query_close(query);
    EXPECT(tactus_run(query, tactus_latest(db), NULL) == TACTUS_MISUSE);
    EXPECT(tactus_prepare(db, NULL, "a = 1", NULL, &query) == TACTUS_MISUSE);
    EXPECT(tactus_prepare(db, c, "a = 1", NULL, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_prepare(NULL, c, "a = 1", NULL, &query) == TACTUS_MISUSE);
    end();
}

TEST(query_refusal, of_one_query_more_than_were_asked_for)
{
    begin();
    tactus_query *first = prepared("a = 1", NULL);
    tactus_query *second = prepared("a = 2", NULL);
    (void)refused(TACTUS_LIMIT, "a = 3", NULL);
    EXPECT(tactus_close(db) == TACTUS_MISUSE);
    tactus_query_close(first);
    EXPECT(count_of(prepared("a = 3", NULL), UINT64_MAX) == 1);
    EXPECT(count_of(second, UINT64_MAX) == 1);
    end();
}

TEST(query_refusal, of_a_cursor_of_another_query_leaves_the_query_fit_to_run)
{
    begin();
    char token[TACTUS_TOKEN_BYTES];
    uint8_t object[512];
    uint32_t count = 0;
    tactus_query *query = prepared("a < 100", "a");
    EXPECT(tactus_run(query, tactus_latest(db), NULL) == TACTUS_OK);
    EXPECT(tactus_next(query, object, 1, &count) == TACTUS_OK && count == 1);
    EXPECT(tactus_query_token(query, token, sizeof token) == TACTUS_OK);
    tactus_query_close(query);
    static const struct {
        const char *where, *order;
    } others[] = {
        {"a < 101", "a"},
        {"a <= 100", "a"},
        {"a < 100", "-a"},
        {"a < 100", NULL},
        {"a < 100", "id"},
        {"a < 100", "b"},
        {"a < 100 and b = 0", "a"},
        {NULL, "a"},
    };
    for (size_t index = 0; index < sizeof others / sizeof others[0]; index += 1) {
        query = prepared(others[index].where, others[index].order);
        EXPECT(tactus_run(query, tactus_latest(db), token) == TACTUS_MISUSE);
        EXPECT(tactus_error(db)->text[0] != 0);
        EXPECT(tactus_run(query, tactus_latest(db), "no token") == TACTUS_SYNTAX);
        EXPECT(tactus_run(query, tactus_latest(db), "") == TACTUS_SYNTAX);
        EXPECT(tactus_next(query, object, 1, &count) == TACTUS_EXPIRED);
        EXPECT(count_of(query, UINT64_MAX) >= 100);
    }
    tactus_query *other = NULL;
    EXPECT(tactus_prepare(db, d, "a < 100", "a", &other) == TACTUS_OK);
    EXPECT(tactus_run(other, tactus_latest(db), token) == TACTUS_MISUSE);
    tactus_query_close(other);
    query = prepared("a < 100", "a");
    EXPECT(tactus_run(query, tactus_latest(db), token) == TACTUS_OK);
    tactus_query_close(query);
    end();
}

TEST(query_refusal, of_no_limit_however_large)
{
    begin();
    static const uint64_t limits[] = {UINT64_MAX, UINT64_MAX - 1, UINT64_C(1) << 63, OBJECTS};
    for (size_t index = 0; index < sizeof limits / sizeof limits[0]; index += 1) {
        EXPECT(count_of(prepared(NULL, NULL), limits[index]) == OBJECTS);
        EXPECT(count_of(prepared("plain = 0", "-a"), limits[index]) == OBJECTS);
        EXPECT(count_of(prepared("b = 0", NULL), limits[index]) == OBJECTS);
    }
    EXPECT(count_of(prepared("b = 0", NULL), 0) == 0);
    /* More than there are may be asked for, as long as there is room for what there is. */
    static uint8_t objects[OBJECTS * 512];
    uint32_t count = 0;
    tactus_query *query = prepared("b = 0", NULL);
    EXPECT(tactus_run(query, tactus_latest(db), NULL) == TACTUS_OK);
    EXPECT(tactus_next(query, objects, 0, &count) == TACTUS_OK && count == 0);
    uint32_t total = 0;
    do {
        EXPECT(tactus_next(query, objects, UINT32_MAX, &count) == TACTUS_OK);
        total += count;
    } while (count > 0);
    EXPECT(total == OBJECTS);
    tactus_query_close(query);
    end();
}

TEST_MAIN()
