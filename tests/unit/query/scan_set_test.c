/* Sets of timestamps beside the plainest way to say what is in them: of each object, whether its
 * records lie in the ranges of the leaves, put together by and, or, not. Plans are drawn at random,
 * without a planner; the trees are real ones. */
#include "query/scan_set.h"

#include <stdlib.h>
#include <string.h>

#include "support/set_fixture.h"
#include "support/test.h"

#include "base/poison.h"

enum { OBJECTS = 2500, DEPTH = 4 };

static struct set_fixture fixture;
static struct scan_set set;
static struct sort sort;
static struct query_plan plan;
static struct query_actual actual;
static uint64_t expected[OBJECTS];
static uint32_t expected_count;

/* How often each happened, in all questions. */
static uint64_t waits_count, given_count, ranges, passes, probes, skipped, kinds[7];

static struct sort sort_of_its_own(void)
{
    static struct key places[SORT_MAX];
    return (struct sort){.places = places};
}

static void begin(uint64_t seed)
{
    set_fixture_begin(&fixture, seed, OBJECTS);
    scan_set_init(&set, &fixture.db->query_pool, &fixture.db->fault);
    sort = sort_of_its_own();
}

static uint64_t below(uint64_t bound)
{
    return random_below(&fixture.random, bound);
}

/* ---- Plans ----------------------------------------------------------------------------------- */

static struct code code_of(uint64_t value)
{
    return (struct code){0, value};
}

static struct timestamp_range draw_timestamps(void)
{
    const uint64_t last = fixture.objects[OBJECTS - 1].timestamp + 10;
    struct timestamp_range range = {1, TIMESTAMP_MAX};
    if (below(3) == 0) range.min = 1 + below(last);
    if (below(3) == 0) range.max = range.min + below(last);
    return range;
}

static void index_leaf(
    struct plan_node *node,
    uint32_t number,
    const struct code_range *ranges_of,
    uint32_t count,
    struct timestamp_range timestamps
)
{
    node->index = &fixture.schema->indexes[number];
    node->tree = node->index->tree;
    const struct key_bounds bounds =
        codec_index_range(fixture.schema, node->index, ranges_of, count, timestamps);
    node->key_min = bounds.min;
    node->key_max = bounds.max;
}

static void draw_scan(struct plan_node *node)
{
    static const uint64_t values[SET_INDEXES] = {4, 9, 3, 65, 1000, 0};
    const uint32_t number = (uint32_t)below(SET_INDEXES + 1);
    const struct timestamp_range timestamps = draw_timestamps();
    struct code_range fixed[2];
    node->kind = PLAN_NODE_SCAN;
    plan.scan_count += 1;
    if (number == SET_INDEXES) {
        node->tree = fixture.schema->object_tree;
        node->key_min = key_from_u64(timestamps.min);
        node->key_max = key_from_u64(timestamps.max);
        return;
    }
    uint32_t count = 1;
    fixed[0].min = code_of(below(number == SET_INDEX_AB ? 4 : values[number]));
    if (number == SET_INDEX_AB) {
        fixed[1].min = code_of(below(9));
        count = 2;
    }
    for (uint32_t index = 0; index < count; index += 1)
        fixed[index].max = fixed[index].min;
    index_leaf(node, number, fixed, count, timestamps);
}

static void draw_range(struct plan_node *node)
{
    const struct timestamp_range all = {1, TIMESTAMP_MAX};
    node->kind = PLAN_NODE_RANGE;
    plan.scan_count += 1;
    ranges += 1;
    const uint64_t which = below(3);
    if (which == 0) {
        node->tree = fixture.schema->id_tree;
        node->key_min = key_from_u64(below(OBJECTS));
        node->key_max = key_from_u64(node->key_min.word[2] + below(OBJECTS));
        return;
    }
    struct code_range range = {code_of(below(500)), {0, 0}};
    range.max = code_of(range.min.low + below(500));
    if (which == 1) {
        index_leaf(node, SET_INDEX_E, &range, 1, all);
    } else {
        range = (struct code_range){code_of(below(3)), {0, 0}};
        range.max = range.min;
        index_leaf(node, SET_INDEX_AB, &range, 1, all); /* b is free */
    }
}

static void draw_ids(struct plan_node *node)
{
    node->kind = PLAN_NODE_IDS;
    node->id_first = plan.id_count;
    node->id_count = 1 + (uint32_t)below(6);
    for (uint32_t index = 0; index < node->id_count; index += 1) {
        plan.ids[plan.id_count] = key_from_u64(1 + below(OBJECTS + 20));
        plan.id_count += 1;
    }
}

static void draw_leaf(struct plan_node *node, bool *may_range)
{
    const uint64_t roll = below(10);
    if (roll == 0 && *may_range) {
        *may_range = false;
        draw_range(node);
    } else if (roll == 1 && plan.id_count + 6 < PLAN_IDS_MAX) {
        draw_ids(node);
    } else {
        draw_scan(node);
    }
}

/* Children stand behind their parents. */
static uint8_t draw_node(uint32_t depth, bool *may_range)
{
    const uint8_t number = plan.node_count;
    struct plan_node *node = &plan.nodes[number];
    plan.node_count += 1;
    *node = (struct plan_node){.child = PLAN_NODE_NONE, .next = PLAN_NODE_NONE};
    if (depth == 0 || below(4) == 0 || plan.scan_count > 20) {
        draw_leaf(node, may_range);
    } else {
        static const uint8_t inner[] = {
            PLAN_NODE_UNION, PLAN_NODE_INTERSECTION, PLAN_NODE_DIFFERENCE};
        node->kind = inner[below(3)];
        const uint64_t children = 2 + below(2);
        uint8_t *link = &node->child;
        for (uint64_t index = 0; index < children; index += 1) {
            const uint8_t child = draw_node(depth - 1, may_range);
            *link = child;
            link = &plan.nodes[child].next;
        }
    }
    kinds[node->kind] += 1;
    return number;
}

static void draw_plan(void)
{
    bool may_range = true;
    plan = (struct query_plan){
        .drive = PLAN_SET,
        .order = PLAN_ORDER_TIMESTAMP,
        .descending = below(2) == 0,
        .timestamps = draw_timestamps(),
    };
    (void)draw_node((uint32_t)below(DEPTH + 1), &may_range);
}

/* ---- What is in them ------------------------------------------------------------------------- */

static bool key_is_in(const struct plan_node *node, struct key key)
{
    return !key_less(key, node->key_min) && !key_less(node->key_max, key);
}

static bool leaf_has(const struct plan_node *node, const struct set_object *object)
{
    const bool in_time =
        object->timestamp >= plan.timestamps.min && object->timestamp <= plan.timestamps.max;
    if (node->kind == PLAN_NODE_IDS) {
        for (uint32_t index = 0; index < node->id_count; index += 1) {
            if (plan.ids[node->id_first + index].word[2] == object->id) return in_time;
        }
        return false;
    }
    if (node->kind == PLAN_NODE_RANGE && !in_time) return false;
    if (node->index != NULL) {
        const uint32_t number = (uint32_t)(node->index - fixture.schema->indexes);
        const struct tree *tree = fixture.collection->index_trees[number];
        uint8_t record[INDEX_RECORD_SIZE_MAX];
        return codec_index_record(fixture.schema, node->index, object, record) &&
               key_is_in(node, record_key(&tree->options.shape, record));
    }
    const bool by_id = node->kind == PLAN_NODE_RANGE;
    return key_is_in(node, key_from_u64(by_id ? object->id : object->timestamp));
}

static bool node_has(uint32_t number, const struct set_object *object)
{
    const struct plan_node *node = &plan.nodes[number];
    if (node->child == PLAN_NODE_NONE) return leaf_has(node, object);
    uint32_t count = 0;
    uint32_t has = 0;
    for (uint32_t child = node->child; child != PLAN_NODE_NONE; child = plan.nodes[child].next) {
        count += 1;
        has += node_has(child, object);
    }
    if (node->kind == PLAN_NODE_UNION) return has > 0;
    if (node->kind == PLAN_NODE_INTERSECTION) return has == count;
    return has == 1 && node_has(node->child, object);
}

static void expect_of_plan(void)
{
    expected_count = 0;
    for (uint32_t index = 0; index < OBJECTS; index += 1) {
        const uint32_t at = plan.descending ? OBJECTS - 1 - index : index;
        if (!fixture.present[at] || !node_has(0, &fixture.objects[at])) continue;
        expected[expected_count] = fixture.objects[at].timestamp;
        expected_count += 1;
    }
}

/* ---- Runs ------------------------------------------------------------------------------------ */

static enum tactus_status start(bool is_unsorted)
{
    const struct scan_set_start options = {
        .plan = &plan,
        .collection = fixture.collection,
        .resolver = &fixture.db->forest.resolver,
        .sort = &sort,
        .visibility = VISIBLE_SETTLED,
        .actual = &actual,
        .is_unsorted = is_unsorted,
    };
    actual = (struct query_actual){.passes = 0};
    return scan_set_start(&set, &options);
}

/* Waits, at times with an empty cache. */
static enum scan_result next(uint64_t *timestamp)
{
    for (;;) {
        const enum scan_result result = scan_set_next(&set, timestamp);
        if (result != SCAN_READ_AGAIN) return result;
        waits_count += 1;
        while (scan_set_advance(&set) == PROGRESS_WAIT)
            grid_wait(&fixture.db->grid);
        if (below(8) == 0) set_fixture_chill(&fixture);
    }
}

/* The first of what is expected that lies not before the timestamp, from `at` on. */
static uint32_t expected_from(uint32_t at, uint64_t timestamp)
{
    while (at < expected_count &&
           (plan.descending ? expected[at] > timestamp : expected[at] < timestamp)) {
        at += 1;
    }
    return at;
}

static void read_all(bool leaps)
{
    uint32_t at = 0;
    uint64_t timestamp = 0;
    for (;;) {
        if (leaps && below(20) == 0) {
            const uint64_t to = fixture.objects[below(OBJECTS)].timestamp + below(3);
            const uint32_t next_at = expected_from(at, to);
            scan_set_probe(&set, to);
            skipped += next_at - at;
            at = next_at;
        }
        if (below(50) == 0) set_fixture_chill(&fixture);
        const enum scan_result result = next(&timestamp);
        EXPECT(result == SCAN_RECORD || result == SCAN_END);
        if (result == SCAN_END) break;
        EXPECT(at < expected_count);
        EXPECT(timestamp == expected[at]);
        at += 1;
        given_count += 1;
    }
    EXPECT(at == expected_count);
    EXPECT(next(&timestamp) == SCAN_END); /* as often as it is asked */
}

static void question(void)
{
    draw_plan();
    expect_of_plan();
    set_fixture_chill(&fixture);
    const uint32_t pinned = set_fixture_pinned(&fixture);
    const bool leaps = below(2) == 0;
    EXPECT(start(false) == TACTUS_OK);
    read_all(leaps);
    if (!leaps && plan.nodes[0].kind != PLAN_NODE_RANGE) {
        EXPECT(actual.given[0] == expected_count);
    }
    for (uint32_t number = 0; number < plan.node_count; number += 1)
        probes += actual.probes[number];
    passes += actual.passes;
    if (below(4) == 0) {
        scan_set_restart(&set, false);
        read_all(false);
    }
    scan_set_stop(&set);
    EXPECT(set_fixture_pinned(&fixture) == pinned);
}

TEST(scan_set, gives_what_set_operations_over_all_objects_give)
{
    const struct test_seeds seeds = test_seeds(4);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        begin(seed);
        for (uint32_t number = 0; number < 120; number += 1)
            question();
        set_fixture_end(&fixture);
    }
    EXPECT(given_count > 10000 && waits_count > 1000);
    EXPECT(ranges > 10 && passes > 10 && probes > 1000 && skipped > 1000);
    for (uint32_t kind = PLAN_NODE_SCAN; kind <= PLAN_NODE_DIFFERENCE; kind += 1)
        EXPECT(kinds[kind] > 10);
}

/* At every call, whatever it waits for. */
TEST(scan_set, can_be_stopped_at_any_point)
{
    begin(7);
    for (uint32_t number = 0; number < 150; number += 1) {
        draw_plan();
        set_fixture_chill(&fixture);
        const uint32_t pinned = set_fixture_pinned(&fixture);
        EXPECT(start(false) == TACTUS_OK);
        for (uint64_t calls = below(40); calls > 0; calls -= 1) {
            uint64_t timestamp = 0;
            const enum scan_result result = scan_set_next(&set, &timestamp);
            if (result != SCAN_READ_AGAIN) continue;
            const uint64_t roll = below(3);
            if (roll > 0) (void)scan_set_advance(&set);
            if (roll > 1) grid_wait(&fixture.db->grid);
        }
        scan_set_stop(&set);
        scan_set_stop(&set);
        EXPECT(set_fixture_pinned(&fixture) == pinned);
        EXPECT(fixture.db->query_pool.free_count == fixture.db->query_pool.count);
    }
    set_fixture_end(&fixture);
}

TEST(scan_set, gives_a_range_as_it_comes_where_no_order_is_wanted)
{
    begin(8);
    plan = (struct query_plan
    ){.drive = PLAN_SET, .node_count = 1, .timestamps = {1, TIMESTAMP_MAX}, .scan_count = 1};
    plan.nodes[0] = (struct plan_node
    ){.kind = PLAN_NODE_RANGE, .child = PLAN_NODE_NONE, .next = PLAN_NODE_NONE};
    const struct code_range range = {{0, 1}, {0, 999}};
    index_leaf(&plan.nodes[0], SET_INDEX_E, &range, 1, plan.timestamps);
    expect_of_plan();
    EXPECT(expected_count > 1000);
    EXPECT(start(true) == TACTUS_OK);
    uint64_t timestamp = 0;
    uint64_t sum = 0;
    uint32_t count = 0;
    uint32_t last_e = 0;
    for (; next(&timestamp) == SCAN_RECORD; count += 1) {
        uint32_t at = 0;
        while (fixture.objects[at].timestamp != timestamp)
            at += 1;
        EXPECT(fixture.objects[at].e >= last_e);
        last_e = fixture.objects[at].e;
        sum += timestamp;
    }
    EXPECT(count == expected_count);
    for (uint32_t index = 0; index < expected_count; index += 1)
        sum -= expected[index];
    EXPECT(sum == 0);
    EXPECT(actual.passes == 0);
    scan_set_stop(&set);
    set_fixture_end(&fixture);
}

/* ---- What is read ---------------------------------------------------------------------------- */

struct pair {
    uint64_t id;
    uint8_t large; /* 1: of all objects */
    uint8_t small; /* 1: of some, in clusters */
    uint8_t padding_0[6];
    uint64_t timestamp;
};

enum { PAIRS = 100000, PAIRS_BATCH = 256, CLUSTER = 50 };

static void fill_pairs(void)
{
    static const char schema[] =
        "collection pair {\n  id u64\n  large u8 index\n  small u8 index\n}\n";
    set_fixture_open(&fixture, 21, schema, PAIRS_BATCH);
    EXPECT(fixture.schema->object_bytes == sizeof(struct pair));
    scan_set_init(&set, &fixture.db->query_pool, &fixture.db->fault);
    for (uint32_t first = 0; first < PAIRS; first += PAIRS_BATCH) {
        static struct pair pairs[PAIRS_BATCH];
        uint32_t count = 0;
        for (; count < PAIRS_BATCH && first + count < PAIRS; count += 1) {
            const uint32_t number = first + count;
            const uint32_t cluster = number / CLUSTER;
            pairs[count] = (struct pair){.id = number + 1, .large = 1, .small = 9};
            if (cluster % 100 == 7) pairs[count].small = 1;  /* 1,000 of them */
            if (cluster % 100 == 57) pairs[count].small = 2; /* 1,000 others */
            if (cluster % 50 == 30) pairs[count].small = 3;  /* 2,000 */
        }
        tactus_txn *txn = NULL;
        EXPECT(tactus_begin(fixture.db, NULL, &txn) == TACTUS_OK);
        EXPECT(tactus_insert(txn, fixture.handle, pairs, count, NULL) == TACTUS_OK);
        EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    }
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
}

static void value_leaf(uint32_t node, uint32_t index, uint8_t value, uint8_t next_leaf)
{
    const struct timestamp_range all = {1, TIMESTAMP_MAX};
    const struct code_range fixed = {{0, value}, {0, value}};
    plan.nodes[node] =
        (struct plan_node){.kind = PLAN_NODE_SCAN, .child = PLAN_NODE_NONE, .next = next_leaf};
    index_leaf(&plan.nodes[node], index, &fixed, 1, all);
}

struct cost {
    uint64_t blocks, entries_large, found;
};

/* Of `large = 1 and small = value`, with nothing in the cache; value 0: of `large = 1` alone. */
static struct cost cost_of(uint8_t value, bool large_first)
{
    plan = (struct query_plan){.drive = PLAN_SET, .timestamps = {1, TIMESTAMP_MAX}};
    if (value == 0) {
        plan.node_count = 1;
        value_leaf(0, 0, 1, PLAN_NODE_NONE);
    } else {
        plan.node_count = 3;
        plan.nodes[0] =
            (struct plan_node){.kind = PLAN_NODE_INTERSECTION, .child = 1, .next = PLAN_NODE_NONE};
        value_leaf(1, large_first ? 0 : 1, large_first ? 1 : value, 2);
        value_leaf(2, large_first ? 1 : 0, large_first ? value : 1, PLAN_NODE_NONE);
    }
    set_fixture_chill(&fixture);
    const uint64_t before = fixture.db->grid.statistics.blocks_read;
    EXPECT(start(false) == TACTUS_OK);
    struct cost cost = {0};
    uint64_t timestamp = 0;
    for (;;) {
        const enum scan_result result = scan_set_next(&set, &timestamp);
        if (result == SCAN_END) break;
        if (result == SCAN_RECORD) cost.found += 1;
        if (result != SCAN_READ_AGAIN) continue;
        while (scan_set_advance(&set) == PROGRESS_WAIT)
            grid_wait(&fixture.db->grid);
    }
    (void)set_fixture_pinned(&fixture); /* waits for what was read ahead */
    cost.blocks = fixture.db->grid.statistics.blocks_read - before;
    cost.entries_large = actual.entries[value == 0 ? 0 : large_first ? 1 : 2];
    scan_set_stop(&set);
    return cost;
}

/* Blocks of 4 KiB, 256 entries each: 391 of them in the larger side. Each of the 20 clusters lies
 * in one or two. */
TEST(scan_set, reads_of_the_larger_side_what_the_smaller_one_leads_to)
{
    fill_pairs();
    const struct cost whole = cost_of(0, true);
    EXPECT(whole.found == PAIRS && whole.entries_large == PAIRS);
    const struct cost one = cost_of(1, true);
    const struct cost other = cost_of(2, true);
    const struct cost twice = cost_of(3, true);
    EXPECT(one.found == 1000 && other.found == 1000 && twice.found == 2000);
    EXPECT(one.entries_large < 1100 && other.entries_large < 1100);
    EXPECT(one.blocks * 3 < whole.blocks);
    EXPECT(twice.blocks > one.blocks && twice.blocks < one.blocks * 5 / 2);
    for (uint8_t value = 1; value <= 3; value += 1) {
        const struct cost first = cost_of(value, true);
        const struct cost second = cost_of(value, false);
        EXPECT(first.found == second.found);
        EXPECT(first.blocks == second.blocks);
        EXPECT(first.entries_large <= second.entries_large + 1);
    }
    set_fixture_end(&fixture);
}

/* A union of as many scans as there are: and then of one more. */
TEST(scan_set, is_refused_where_others_have_the_scans_and_takes_none_then)
{
    begin(9);
    struct query_pool *pool = &fixture.db->query_pool;
    plan = (struct query_plan){.drive = PLAN_SET, .timestamps = {1, TIMESTAMP_MAX}};
    plan.node_count = 1 + PLAN_SCANS_MAX;
    plan.nodes[0] = (struct plan_node){.kind = PLAN_NODE_UNION, .child = 1, .next = PLAN_NODE_NONE};
    for (uint32_t number = 1; number <= PLAN_SCANS_MAX; number += 1) {
        const struct code_range fixed = {{0, number}, {0, number}};
        plan.nodes[number] = (struct plan_node
        ){.kind = PLAN_NODE_SCAN,
          .child = PLAN_NODE_NONE,
          .next = number == PLAN_SCANS_MAX ? PLAN_NODE_NONE : (uint8_t)(number + 1)};
        index_leaf(&plan.nodes[number], SET_INDEX_D, &fixed, 1, plan.timestamps);
    }
    expect_of_plan();
    EXPECT(start(false) == TACTUS_OK);
    EXPECT(pool->free_count == pool->count - PLAN_SCANS_MAX);
    read_all(false);
    scan_set_stop(&set);

    struct scan_tree *others[DATABASE_QUERIES_MAX];
    uint32_t count = 0;
    for (; pool->free_count >= PLAN_SCANS_MAX; count += 1)
        others[count] = query_pool_take(pool);
    EXPECT(start(false) == TACTUS_LIMIT);
    EXPECT(strstr(set.limit, "other runs") != NULL);
    EXPECT(pool->free_count == PLAN_SCANS_MAX - 1);
    query_pool_give(pool, others[count - 1]);
    EXPECT(start(false) == TACTUS_OK);
    scan_set_stop(&set);
    for (count -= 1; count > 0; count -= 1)
        query_pool_give(pool, others[count - 1]);
    set_fixture_end(&fixture);
}

TEST_MAIN()
