/* Plans carried out, beside a filter over all objects. Where estimates decide between plans they
 * are drawn at random here, anew for every start: whatever is chosen, the answer is the same, and a
 * run goes on where one with another plan stopped. */
#include "query/run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query/filter.h"
#include "support/database_fixture.h"
#include "support/set_fixture.h"
#include "support/test.h"

#include "base/poison.h"

enum { OBJECTS = 2500, TEXT_SIZE = 2000 };

static struct set_fixture fixture;
static struct expression expression;
static struct query_plan plan;
static struct plan_order order;
static char where[TEXT_SIZE];

struct placed {
    struct key place;
    const struct set_object *object;
};
static struct placed expected[OBJECTS];
static uint32_t expected_count;

/* What was met, in all questions. */
static uint64_t answers, resumes, counted, sorted, sorted_passes, sets, scans, unfetched, dense,
    probed;

static uint64_t below(uint64_t bound)
{
    return random_below(&fixture.random, bound);
}

static struct query_run *run_of(uint32_t slot)
{
    return &fixture.db->queries[slot].state->run;
}

/* ---- Questions ------------------------------------------------------------------------------- */

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    const size_t used = strlen(where);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(where + used, TEXT_SIZE - used, format, arguments);
    va_end(arguments);
}

static void say_test(void)
{
    static const char *const comparisons[] = {"<", "<=", ">", ">=", "!="};
    const unsigned long long last = fixture.objects[OBJECTS - 1].timestamp;
    switch (below(11)) {
    case 0: say("a = %u", (unsigned)below(4)); break;
    case 1: say("b = %u", (unsigned)below(9)); break;
    case 2: say("c = %u", (unsigned)below(3)); break;
    case 3: say("d = %u", (unsigned)below(65)); break;
    case 4: say("e = %u", (unsigned)below(300)); break;
    case 5: say("e %s %u", comparisons[below(5)], (unsigned)below(1000)); break;
    case 6: say("d %s %u", comparisons[below(5)], (unsigned)below(64)); break;
    case 7: say("b in (%u, %u)", (unsigned)below(9), (unsigned)below(9)); break;
    case 8: say("id in (%u, %u)", (unsigned)below(OBJECTS), (unsigned)below(OBJECTS)); break;
    case 9: say("id %s %u", comparisons[below(4)], (unsigned)below(OBJECTS)); break;
    default: say("timestamp %s %llu", comparisons[below(4)], (unsigned long long)below(last));
    }
}

static void say_expression(uint32_t depth)
{
    if (depth == 0 || below(5) == 0) {
        say_test();
        return;
    }
    const char *word = below(3) == 0 ? "or" : "and";
    if (below(6) == 0) say("not ");
    say("(");
    say_expression(depth - 1);
    for (uint64_t children = 1 + below(2); children > 0; children -= 1) {
        say(" %s ", word);
        say_expression(depth - 1);
    }
    say(")");
}

static uint64_t guess(void *context, uint16_t tree, struct key key_min, struct key key_max)
{
    (void)context;
    (void)tree;
    if (key_less(key_max, key_min)) return 0;
    return UINT64_C(1) << below(20);
}

/* So that every index is worth its use. */
static uint64_t few(void *context, uint16_t tree, struct key key_min, struct key key_max)
{
    (void)context;
    if (key_less(key_max, key_min)) return 0;
    return tree == fixture.schema->object_tree ? 1000000 : 10;
}

static enum tactus_status choose(void)
{
    const struct plan_statistics statistics = {.entries = guess};
    return plan_choose(&expression, order, below(4) == 0 ? NULL : &statistics, &plan, NULL);
}

/* False: no index gives the order, or it asks for too much. */
static bool ask_to_count(const char *text, const char *by, bool counts)
{
    where[0] = 0;
    say("%s", text);
    EXPECT(expression_parse(&expression, fixture.schema, where, NULL) == TACTUS_OK);
    EXPECT(plan_order_parse(fixture.schema, by, &order, NULL) == TACTUS_OK);
    const struct plan_statistics statistics = {.entries = few};
    order.counts = counts;
    return plan_choose(&expression, order, &statistics, &plan, NULL) == TACTUS_OK;
}

static bool ask(const char *text, const char *by)
{
    return ask_to_count(text, by, false);
}

static bool ask_anything(void)
{
    static const char *const orders[] = {
        "", "-timestamp", "id", "-id", "d", "-d", "b", "-b", "e", "-e", "a", "timestamp"};
    char text[TEXT_SIZE];
    where[0] = 0;
    if (below(20) > 0) say_expression((uint32_t)below(4));
    memcpy(text, where, sizeof text);
    return ask(text, orders[below(sizeof orders / sizeof orders[0])]);
}

/* ---- Answers --------------------------------------------------------------------------------- */

static struct key place_of(const struct set_object *object)
{
    switch (plan.order) {
    case PLAN_ORDER_TIMESTAMP: return key_from_u64(object->timestamp);
    case PLAN_ORDER_ID: return (struct key){{0, object->id, object->timestamp}};
    case PLAN_ORDER_INDEX: {
        uint8_t record[INDEX_RECORD_SIZE_MAX];
        const uint32_t number = (uint32_t)(plan.order_index - fixture.schema->indexes);
        EXPECT(codec_index_record(fixture.schema, plan.order_index, object, record));
        return record_key(&fixture.collection->index_trees[number]->options.shape, record);
    }
    case PLAN_ORDER_KEY: break;
    }
    EXPECT(false);
    return key_min_of_all();
}

static int by_place(const void *a, const void *b)
{
    const int ascending =
        key_compare(((const struct placed *)a)->place, ((const struct placed *)b)->place);
    return plan.descending ? -ascending : ascending;
}

static void expect_of_plan(void)
{
    expected_count = 0;
    for (uint32_t index = 0; index < OBJECTS && plan.drive != PLAN_NOTHING; index += 1) {
        const struct set_object *object = &fixture.objects[index];
        if (!fixture.present[index] || !filter_matches(&expression, object)) continue;
        expected[expected_count] = (struct placed){place_of(object), object};
        expected_count += 1;
    }
    qsort(expected, expected_count, sizeof expected[0], by_place);
    for (uint32_t index = 0; index < OBJECTS && plan.drive == PLAN_NOTHING; index += 1)
        EXPECT(!fixture.present[index] || !filter_matches(&expression, &fixture.objects[index]));
}

static enum tactus_status start(struct query_run *run, const struct key *after)
{
    const struct query_run_start options = {
        .collection = fixture.collection,
        .expression = &expression,
        .plan = &plan,
        .visibility = VISIBLE_SETTLED,
        .after = after,
    };
    return query_run_start(run, &options);
}

/* Goes on behind the place, by a plan of other estimates. */
static void resume(struct query_run *run, uint32_t at)
{
    struct key place;
    const bool has_place = query_run_place(run, &place);
    EXPECT(!has_place || at > 0);
    if (at > 0 && !has_place) return; /* counted to its end */
    if (at > 0) EXPECT(key_equal(place, expected[at - 1].place));
    query_run_stop(run);
    EXPECT(choose() == TACTUS_OK);
    if (at > 0) EXPECT(key_equal(place, place_of(expected[at - 1].object)));
    EXPECT(start(run, at > 0 ? &place : NULL) == TACTUS_OK);
    resumes += 1;
}

static void note_plan(const struct query_run *run)
{
    sets += plan.drive == PLAN_SET;
    scans += plan.drive == PLAN_SCAN;
    sorted += plan.sorts;
    if (plan.sorts) sorted_passes += query_run_actual(run)->passes;
}

static uint32_t count_some(struct query_run *run, uint32_t at)
{
    const uint64_t some[] = {UINT64_MAX, expected_count - at, below(expected_count + 2)};
    const uint64_t max = some[below(3)];
    const struct query_actual before = *query_run_actual(run);
    uint64_t count = 0;
    EXPECT(query_run_count(run, max, &count) == TACTUS_OK);
    const uint32_t left = expected_count - at;
    EXPECT(count == (max < left ? max : left));
    struct key place;
    if (max > 0) EXPECT(query_run_place(run, &place) == (count == max));
    if (max > 0 && count == max) EXPECT(key_equal(place, expected[at + count - 1].place));
    counted += 1;
    const uint64_t fetched = query_run_actual(run)->objects_fetched - before.objects_fetched;
    if (!plan.filters && !plan.sorts) {
        EXPECT(fetched <= (plan.order == PLAN_ORDER_INDEX ? 1 : 0));
        unfetched += count;
    }
    return at + (uint32_t)count;
}

static uint32_t read_some(struct query_run *run, uint32_t at, bool *ended)
{
    static struct set_object objects[300];
    const uint32_t capacity = 1 + (uint32_t)below(below(3) == 0 ? 300 : 20);
    uint32_t count = 0;
    EXPECT(query_run_next(run, (uint8_t *)objects, capacity, &count) == TACTUS_OK);
    EXPECT(count <= capacity && at + count <= expected_count);
    for (uint32_t index = 0; index < count; index += 1) {
        EXPECT(memcmp(&objects[index], expected[at + index].object, sizeof objects[0]) == 0);
    }
    *ended = count == 0;
    answers += count;
    return at + count;
}

static void question(void)
{
    if (!ask_anything()) return;
    EXPECT(choose() == TACTUS_OK);
    expect_of_plan();
    struct query_run *run = run_of((uint32_t)below(2));
    const uint32_t pinned = set_fixture_pinned(&fixture);
    const uint32_t dense_before = run->dense_count;
    EXPECT(start(run, NULL) == TACTUS_OK);
    uint32_t at = 0;
    bool ended = false;
    while (!ended) {
        if (below(10) == 0) set_fixture_chill(&fixture);
        if (below(8) == 0) resume(run, at);
        if (below(12) == 0) at = count_some(run, at);
        at = read_some(run, at, &ended);
    }
    EXPECT(at == expected_count);
    note_plan(run);
    dense += run->dense_count > dense_before;
    query_run_stop(run);
    EXPECT(set_fixture_pinned(&fixture) == pinned);
}

TEST(run, answers_what_a_filter_over_all_objects_does_whatever_plan_is_chosen)
{
    const struct test_seeds seeds = test_seeds(4);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        set_fixture_begin(&fixture, seed, OBJECTS);
        for (uint32_t number = 0; number < 120; number += 1)
            question();
        set_fixture_end(&fixture);
    }
    EXPECT(answers > 10000 && resumes > 200 && counted > 100 && unfetched > 500);
    EXPECT(sets > 30 && scans > 30 && dense > 10 && sorted > 50 && sorted_passes > 50);
}

/* ---- Maps ------------------------------------------------------------------------------------ */

/* As both maps have it: the narrow one's key has no high half. */
struct entry {
    struct tactus_u128 key;
    uint32_t value;
    bool present;
};

enum { ENTRIES = 1500, ENTRY_VALUES = 50 };

static struct entry entries[ENTRIES];
static bool is_wide;

static uint32_t entry_size(void)
{
    return is_wide ? 24 : 16;
}

/* The object of an entry: key, value, padding. */
static void entry_object(const struct entry *entry, uint8_t *object)
{
    const uint32_t key_bytes = is_wide ? 16 : 8;
    memset(object, 0, 24);
    memcpy(object, &entry->key, key_bytes);
    memcpy(object + key_bytes, &entry->value, sizeof entry->value);
}

static struct key entry_key(const struct entry *entry)
{
    return key_from_u128(entry->key.low, entry->key.high);
}

static void fill_map(void)
{
    for (uint32_t done = 0; done < 3 * ENTRIES; done += FIXTURE_BATCH) {
        tactus_txn *txn = NULL;
        EXPECT(tactus_begin(fixture.db, NULL, &txn) == TACTUS_OK);
        for (uint32_t event = 0; event < FIXTURE_BATCH; event += 1) {
            const uint64_t number = below(ENTRIES);
            struct entry *entry = &entries[number];
            entry->key = (struct tactus_u128){.low = 7 * number + 1};
            if (is_wide) entry->key = (struct tactus_u128){number * 12345 % 1000, number / 10};
            entry->value = (uint32_t)below(ENTRY_VALUES);
            entry->present = below(5) > 0;
            uint8_t object[24];
            entry_object(entry, object);
            EXPECT(
                (entry->present
                     ? tactus_put(txn, fixture.handle, object, 1, NULL)
                     : tactus_delete(txn, fixture.handle, &entry->key, 1, NULL)) == TACTUS_OK
            );
        }
        EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    }
}

static int by_key(const void *a, const void *b)
{
    const struct entry *const *left = a;
    const struct entry *const *right = b;
    const int ascending = key_compare(entry_key(*left), entry_key(*right));
    return order.descending ? -ascending : ascending;
}

static const struct entry *wanted[ENTRIES];

static void say_key(const struct entry *entry)
{
    if (is_wide) {
        say("0x%llx%016llx", (unsigned long long)entry->key.high, (unsigned long long)entry->key.low
        );
    } else {
        say("%llu", (unsigned long long)entry->key.low);
    }
}

/* A list of keys, a range of them, or values, in any combination. */
static uint32_t ask_map(void)
{
    char text[TEXT_SIZE];
    where[0] = 0;
    const uint64_t kind = below(4);
    const uint64_t key_count = kind < 2 ? 1 + below(40) : 0;
    static uint32_t listed[40];
    if (key_count > 0) say("key in (");
    for (uint64_t number = 0; number < key_count; number += 1) {
        listed[number] = (uint32_t)below(ENTRIES);
        if (number > 0) say(", ");
        say_key(&entries[listed[number]]);
    }
    if (key_count > 0) say(")");
    const struct entry *least = &entries[below(ENTRIES)];
    if (kind == 2) {
        say("key > ");
        say_key(least);
    }
    const uint32_t most = kind % 2 == 1 ? (uint32_t)below(ENTRY_VALUES) : ENTRY_VALUES;
    if (most < ENTRY_VALUES) say("%svalue <= %u", key_count > 0 ? " and " : "", (unsigned)most);
    memcpy(text, where, sizeof text);
    EXPECT(ask(text, below(2) == 0 ? "key" : "-key"));

    uint32_t count = 0;
    for (uint32_t index = 0; index < ENTRIES; index += 1) {
        const struct entry *entry = &entries[index];
        bool is_listed = key_count == 0;
        for (uint64_t number = 0; number < key_count; number += 1)
            is_listed |= listed[number] == index;
        if (!entry->present || !is_listed || entry->value > most) continue;
        if (kind == 2 && !key_less(entry_key(least), entry_key(entry))) continue;
        wanted[count] = entry;
        count += 1;
    }
    qsort(wanted, count, sizeof wanted[0], by_key);
    return count;
}

static void map_question(void)
{
    const uint32_t wanted_count = ask_map();
    struct query_run *run = run_of(0);
    EXPECT(plan.drive == PLAN_SCAN && plan.order == PLAN_ORDER_KEY);
    EXPECT(start(run, NULL) == TACTUS_OK);
    uint32_t at = 0;
    for (;;) {
        if (below(10) == 0) set_fixture_chill(&fixture);
        struct key place;
        if (below(4) == 0 && query_run_place(run, &place)) {
            EXPECT(key_equal(place, entry_key(wanted[at - 1])));
            EXPECT(start(run, &place) == TACTUS_OK);
            resumes += 1;
        }
        if (below(6) == 0) {
            uint64_t passed = 0;
            const uint64_t max = 1 + below(20);
            EXPECT(query_run_count(run, max, &passed) == TACTUS_OK);
            EXPECT(passed == (max < wanted_count - at ? max : wanted_count - at));
            at += (uint32_t)passed;
        }
        uint8_t objects[30 * 24];
        uint32_t count = 0;
        const uint32_t capacity = 1 + (uint32_t)below(30);
        EXPECT(query_run_next(run, objects, capacity, &count) == TACTUS_OK);
        EXPECT(at + count <= wanted_count);
        for (uint32_t index = 0; index < count; index += 1) {
            uint8_t object[24];
            entry_object(wanted[at + index], object);
            EXPECT(memcmp(objects + index * entry_size(), object, entry_size()) == 0);
        }
        at += count;
        answers += count;
        if (count == 0) break;
    }
    EXPECT(at == wanted_count);
    probed += query_run_actual(run)->probes[0];
    query_run_stop(run);
}

TEST(run, answers_questions_to_maps_of_either_width)
{
    static const char *const schemas[] = {
        "map m {\n  key u64\n  value u32\n}\n", "map m {\n  key u128\n  value u32\n}\n"};
    for (uint32_t wide = 0; wide < 2; wide += 1) {
        answers = resumes = probed = 0;
        is_wide = wide == 1;
        memset(entries, 0, sizeof entries);
        set_fixture_open(&fixture, 31, schemas[wide], FIXTURE_BATCH);
        EXPECT(fixture.schema->object_bytes == entry_size());
        fill_map();
        for (uint32_t number = 0; number < 150; number += 1)
            map_question();
        EXPECT(answers > 10000 && resumes > 300 && probed > 500);
        set_fixture_end(&fixture);
    }
}

/* ---- Counts ---------------------------------------------------------------------------------- */

TEST(run, counts_without_fetching_where_nothing_is_to_be_checked)
{
    static const char *const questions[] = {
        "",
        "a = 1",
        "a = 1 and b = 2",
        "b in (1, 2, 3)",
        "a = 1 and not d = 7",
        "timestamp > 500",
        "c = 0 and timestamp between 100 and 50000"};
    set_fixture_begin(&fixture, 11, OBJECTS);
    struct query_run *run = run_of(0);
    for (uint32_t number = 0; number < sizeof questions / sizeof questions[0]; number += 1) {
        EXPECT(ask_to_count(questions[number], number % 2 == 0 ? "" : "-timestamp", true));
        EXPECT(!plan.filters);
        expect_of_plan();
        EXPECT(expected_count > 5);
        uint64_t count = 0;
        EXPECT(start(run, NULL) == TACTUS_OK);
        EXPECT(query_run_count(run, 5, &count) == TACTUS_OK);
        EXPECT(count == 5);
        struct key place;
        EXPECT(query_run_place(run, &place) && key_equal(place, expected[4].place));
        EXPECT(query_run_count(run, UINT64_MAX, &count) == TACTUS_OK);
        EXPECT(count == expected_count - 5);
        EXPECT(!query_run_place(run, &place));
        const struct query_actual *actual = query_run_actual(run);
        EXPECT(actual->objects_fetched == 0 && actual->objects_refused == 0);
        EXPECT(actual->objects_given == expected_count);
    }
    query_run_stop(run);
    set_fixture_end(&fixture);
}

TEST(run, counts_a_range_without_putting_it_in_order)
{
    set_fixture_begin(&fixture, 14, OBJECTS);
    struct query_run *run = run_of(0);
    for (uint32_t number = 0; number < 2; number += 1) {
        EXPECT(ask_to_count("d >= 20", number == 0 ? "" : "-timestamp", true));
        EXPECT(plan.drive == PLAN_SET && plan.nodes[0].kind == PLAN_NODE_RANGE);
        EXPECT(!plan.filters && !plan.sorts);
        expect_of_plan();
        uint64_t count = 0;
        struct key place;
        EXPECT(start(run, NULL) == TACTUS_OK);
        EXPECT(query_run_count(run, UINT64_MAX, &count) == TACTUS_OK);
        EXPECT(count == expected_count && !query_run_place(run, &place));
        EXPECT(query_run_actual(run)->passes == 0);
        EXPECT(query_run_actual(run)->entries[0] == expected_count);

        EXPECT(start(run, NULL) == TACTUS_OK);
        EXPECT(query_run_count(run, 5, &count) == TACTUS_OK);
        EXPECT(count == 5);
        EXPECT(query_run_place(run, &place) && key_equal(place, expected[4].place));
        bool ended = false;
        EXPECT(read_some(run, 5, &ended) > 5);
        query_run_stop(run);
    }
    set_fixture_end(&fixture);
}

/* ---- What is refused, and what is damaged ---------------------------------------------------- */

TEST(run, is_refused_where_another_run_has_the_scans_and_works_once_that_is_stopped)
{
    char text[TEXT_SIZE] = "d in (0";
    set_fixture_begin(&fixture, 12, OBJECTS);
    for (uint32_t value = 1; value < PLAN_SCANS_MAX; value += 1) {
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), ", %u", value);
    }
    (void)snprintf(text + strlen(text), sizeof text - strlen(text), ")");
    EXPECT(ask(text, ""));
    EXPECT(plan.drive == PLAN_SET && plan.scan_count == PLAN_SCANS_MAX);
    expect_of_plan();
    static const struct query_plan all = {
        .drive = PLAN_SCAN,
        .order = PLAN_ORDER_TIMESTAMP,
        .timestamps = {1, TIMESTAMP_MAX},
        .key_max = {{0, 0, TIMESTAMP_MAX}},
    };
    struct query_plan other = all;
    other.tree = fixture.schema->object_tree;
    const struct query_run_start options = {
        .collection = fixture.collection, .expression = &expression, .plan = &other};
    EXPECT(query_run_start(run_of(1), &options) == TACTUS_OK);
    EXPECT(start(run_of(0), NULL) == TACTUS_LIMIT);
    EXPECT(strstr(run_of(0)->limit, "other runs") != NULL);
    query_run_stop(run_of(1));
    EXPECT(start(run_of(0), NULL) == TACTUS_OK);
    bool ended = false;
    uint32_t at = 0;
    while (!ended)
        at = read_some(run_of(0), at, &ended);
    EXPECT(at == expected_count);
    query_run_stop(run_of(0));
    set_fixture_end(&fixture);
}

static void expect_scans_taken(uint32_t count)
{
    EXPECT(fixture.db->query_pool.free_count == fixture.db->query_pool.count - count);
    if (count == 0) EXPECT(fixture.db->scan_pool.free_count == fixture.db->scan_pool.cursor_count);
}

TEST(run, leaves_the_scans_to_others_once_it_has_been_read_to_its_end)
{
    static const struct {
        const char *text, *by;
    } questions[] = {
        {"", ""},
        {"", "d"},
        {"c = 0", ""},
        {"c = 0 and b in (1, 2)", "-timestamp"},
        {"e > 500", "-e"},
        {"d > 30 and c = 1", "id"}};
    static struct set_object objects[OBJECTS];
    set_fixture_begin(&fixture, 15, OBJECTS);
    struct query_run *run = run_of(0);
    uint32_t scanned = 0;
    for (uint32_t number = 0; number < sizeof questions / sizeof questions[0]; number += 1) {
        EXPECT(ask(questions[number].text, questions[number].by));
        expect_of_plan();
        EXPECT(expected_count > 200);
        const uint32_t taken = plan.drive == PLAN_SCAN ? 1 : plan.scan_count;
        scanned += plan.drive == PLAN_SCAN;
        uint32_t count = 0;
        EXPECT(start(run, NULL) == TACTUS_OK);
        EXPECT(query_run_next(run, (uint8_t *)objects, 200, &count) == TACTUS_OK);
        EXPECT(count == 200);
        expect_scans_taken(taken);
        EXPECT(query_run_next(run, (uint8_t *)objects, OBJECTS, &count) == TACTUS_OK);
        EXPECT(count == expected_count - 200);
        expect_scans_taken(0);
        struct key place;
        EXPECT(query_run_place(run, &place));
        EXPECT(key_equal(place, expected[expected_count - 1].place));
        if (plan.drive == PLAN_SCAN && !plan.filters) {
            EXPECT(query_run_actual(run)->given[0] == expected_count);
        }

        uint64_t more = 1;
        EXPECT(query_run_next(run, (uint8_t *)objects, OBJECTS, &count) == TACTUS_OK && count == 0);
        EXPECT(query_run_count(run, UINT64_MAX, &more) == TACTUS_OK && more == 0);

        EXPECT(start(run, NULL) == TACTUS_OK);
        EXPECT(query_run_count(run, UINT64_MAX, &more) == TACTUS_OK && more == expected_count);
        expect_scans_taken(0);
    }
    EXPECT(scanned >= 2 && run->dense_count > 0);
    set_fixture_end(&fixture);
}

/* As in a file whose trees do not fit each other. */
static void put_stray_entry(uint32_t index, const struct set_object *object)
{
    struct tree *tree = fixture.collection->index_trees[index];
    uint8_t record[INDEX_RECORD_SIZE_MAX];
    EXPECT(codec_index_record(fixture.schema, &fixture.schema->indexes[index], object, record));
    tree_put(tree, record);
    tree_settle(tree);
}

static void expect_corrupt(const char *text, const char *by, const char *what)
{
    struct set_object objects[64];
    struct query_run *run = run_of(0);
    EXPECT(ask(text, by));
    fault_clear(&fixture.db->fault);
    EXPECT(start(run, NULL) == TACTUS_OK);
    uint32_t count = 0;
    enum tactus_status status = TACTUS_OK;
    do {
        status = query_run_next(run, (uint8_t *)objects, 64, &count);
    } while (status == TACTUS_OK && count > 0);
    EXPECT(status == TACTUS_CORRUPT);
    EXPECT(strcmp(fixture.db->fault.what, what) == 0);
    EXPECT(fixture.db->query_pool.free_count == fixture.db->query_pool.count);
}

TEST(run, ends_with_a_fault_where_an_entry_leads_to_no_object)
{
    set_fixture_begin(&fixture, 13, OBJECTS);
    struct set_object stray = {.d = 70, .e = 5000};
    stray.timestamp = fixture.objects[OBJECTS - 1].timestamp + 1000;
    put_stray_entry(SET_INDEX_D, &stray);
    put_stray_entry(SET_INDEX_E, &stray);
    static const char what[] = "an index entry leads to no object";
    expect_corrupt("d = 70", "", what);
    expect_corrupt("d in (3, 70)", "-timestamp", what);
    expect_corrupt("d > 60", "d", what);
    expect_corrupt("e = 5000 and d = 70", "id", what);
    expect_corrupt("e > 900", "-e", what);
    set_fixture_end(&fixture);
}

/* An entry that leads back must not lead whoever goes on from place to place round and round. */
TEST(run, ends_with_a_fault_where_an_entry_leads_to_an_object_that_it_has_passed)
{
    set_fixture_begin(&fixture, 16, OBJECTS);
    struct query_run *run = run_of(0);
    struct set_object stray = {.d = 70};
    uint32_t present = 0;
    while (!fixture.present[present])
        present += 1;
    stray.timestamp = fixture.objects[present].timestamp;
    put_stray_entry(SET_INDEX_D, &stray);
    static const char what[] = "an index entry leads to another object";
    expect_corrupt("", "d", what);

    EXPECT(ask("", "d"));
    EXPECT(plan.drive == PLAN_SCAN);
    fault_clear(&fixture.db->fault);
    struct key place;
    enum tactus_status status = start(run, NULL);
    for (uint32_t page = 0; status == TACTUS_OK; page += 1) {
        struct set_object object;
        uint32_t count = 0;
        EXPECT(page <= OBJECTS);
        status = query_run_next(run, (uint8_t *)&object, 1, &count);
        if (status != TACTUS_OK) break;
        EXPECT(query_run_place(run, &place));
        status = start(run, &place);
    }
    EXPECT(status == TACTUS_CORRUPT);
    EXPECT(strcmp(fixture.db->fault.what, what) == 0);
    set_fixture_end(&fixture);
}

TEST(run, counts_no_entry_that_leads_to_no_object_among_those_that_were_fetched)
{
    set_fixture_begin(&fixture, 17, OBJECTS);
    struct query_run *run = run_of(0);
    struct set_object stray = {.d = 63};
    stray.timestamp = fixture.objects[OBJECTS - 1].timestamp + 1000;
    put_stray_entry(SET_INDEX_D, &stray);
    EXPECT(ask("d = 63", ""));
    EXPECT(plan.drive == PLAN_SET && !plan.filters);
    expect_of_plan();
    EXPECT(expected_count > 24 && expected_count < 56); /* the third batch: 8, 16, 32 */
    EXPECT(start(run, NULL) == TACTUS_OK);
    for (uint32_t at = 0; at + 1 < expected_count; at += 1) {
        struct set_object object;
        uint32_t count = 0;
        EXPECT(query_run_next(run, (uint8_t *)&object, 1, &count) == TACTUS_OK && count == 1);
    }
    fault_clear(&fixture.db->fault);
    uint64_t count = 0;
    EXPECT(query_run_count(run, 2, &count) == TACTUS_CORRUPT);
    set_fixture_end(&fixture);
}

TEST_MAIN()
