/* Scans that are probed, against an array: whatever is asked for, in whatever order, with whatever
 * reads on their way, the scan gives what the array has at that place, and what follows it.
 *
 * Keys are put and removed in no order that has to do with what is asked for, so that versions of
 * one key lie in many sources and answers lie scattered. Tables have several leaves, blocks few
 * records, and the cache next to no frames: a probe has every kind of border to cross. */
#include "base/bytes.h"
#include "base/integer.h"
#include "base/random.h"
#include "support/lsm_fixture.h"
#include "support/test.h"

#include <stdlib.h>

enum { KEYS = 6000, ROUNDS = 6, SESSIONS = 40, STEPS = 300 };

enum kind { KIND_OBJECT, KIND_ID128, KIND_INDEX64, KINDS };

struct model {
    struct random random;
    enum kind kind;
    struct lsm_fixture_options options;
    struct simulated_disk *disk;
    struct lsm_fixture *fixture;
    uint64_t *values; /* KEYS; 0: there is none */
    uint64_t value;
};

/* A scan as the array has it. */
struct session {
    struct scan_tree *scan;
    bool descending;
    int64_t at;  /* the number that comes next, in the direction, if it is there ... */
    int64_t end; /* ... and the last one of the range */
};

static struct scan_counters counted; /* over all seeds: every path must have been taken */
static uint64_t counted_waiting;     /* probes while reads were on their way */
static uint64_t counted_ends;        /* sessions whose scan was probed past its range */

/* ---- Records -------------------------------------------------------------------------------- */

/* Ascends with the number; even, so that there are keys between any two. */
static struct key key_of(const struct model *model, int64_t number)
{
    const uint64_t place = (uint64_t)number + 1;
    if (model->kind == KIND_OBJECT) return key_from_u64(place << 40);
    if (model->kind == KIND_ID128) return key_from_u128((place % 16 + 1) << 40, place / 16);
    return key_from_prefix64(place / 16, (place % 16 + 1) << 40);
}

static void record_of(const struct model *model, int64_t number, uint64_t value, uint8_t *record)
{
    const struct record_shape *shape = &model->options.shape;
    const struct key key = key_of(model, number);
    bytes_zero(record, shape->record_size);
    if (model->kind == KIND_OBJECT) {
        for (uint32_t at = 0; at < shape->record_size; at += 8)
            store_u64(record + at, value + at);
        store_u64(record + shape->flag_offset, key.word[2]);
        return;
    }
    if (model->kind == KIND_INDEX64) {
        store_u64(record + shape->key_offset, key.word[1]);
        store_u64(record + shape->flag_offset, key.word[2]);
        return;
    }
    store_u64(record + shape->key_offset, key.word[2]);
    store_u64(record + shape->key_offset + 8, key.word[1]);
    store_u64(record + shape->flag_offset, value);
}

static bool record_is(const struct model *model, const void *found, int64_t number)
{
    _Alignas(8) uint8_t wanted[RECORD_SIZE_MAX];
    record_of(model, number, model->values[number], wanted);
    return bytes_equal(found, wanted, model->options.shape.record_size);
}

static void change(struct model *model, int64_t number, bool is_remove)
{
    _Alignas(8) uint8_t record[RECORD_SIZE_MAX];
    if (model->kind == KIND_INDEX64) is_remove = model->values[number] != 0;
    model->value += 1;
    record_of(model, number, model->value, record);
    if (is_remove) {
        tree_remove(&model->fixture->tree, record);
    } else {
        tree_put(&model->fixture->tree, record);
    }
    model->values[number] = is_remove ? 0 : model->value;
}

/* A beat's worth and more: anywhere, or one after the other as objects come. */
static void load(struct model *model)
{
    const uint64_t beats = random_range(&model->random, 1, model->options.bar_beats * 4);
    for (uint64_t beat = 0; beat < beats; beat += 1) {
        const bool is_spread = random_chance(&model->random, 1, 2);
        const bool removes = random_chance(&model->random, 1, 3);
        const uint64_t first = random_below(&model->random, KEYS);
        const uint64_t count = random_range(&model->random, 1, model->options.record_max);
        for (uint64_t index = 0; index < count; index += 1) {
            const uint64_t spread = random_below(&model->random, KEYS);
            const uint64_t number = is_spread ? spread : (first + index) % KEYS;
            change(model, (int64_t)number, removes && random_chance(&model->random, 1, 2));
        }
        tree_settle(&model->fixture->tree);
        EXPECT(lsm_fixture_boundary(model->fixture, false) == TACTUS_OK);
    }
    const uint64_t unsorted = random_below(&model->random, model->options.record_max + 1);
    for (uint64_t index = 0; index < unsorted; index += 1)
        change(
            model, (int64_t)random_below(&model->random, KEYS), random_chance(&model->random, 1, 3)
        );
}

/* ---- Sessions ------------------------------------------------------------------------------- */

static void session_start(struct model *model, struct session *session)
{
    struct tree *tree = &model->fixture->tree;
    const bool is_narrow = random_chance(&model->random, 1, 4);
    const int64_t low = (int64_t)random_below(&model->random, is_narrow ? KEYS : 100);
    const int64_t high = is_narrow ? low + (int64_t)random_below(&model->random, 300)
                                   : KEYS - 1 - (int64_t)random_below(&model->random, 100);
    const int64_t last = high < KEYS ? high : KEYS - 1;
    const bool descending = random_chance(&model->random, 1, 2);
    const struct scan_tree_range range = {
        .tree = tree,
        .key_min = key_of(model, low),
        .key_max = key_of(model, high),
        .descending = descending,
        .snapshot = tree_snapshot_newest(tree),
        .visible_count = tree_visible_all(tree)};
    *session = (struct session){
        .scan = session->scan,
        .descending = descending,
        .at = descending ? last : low,
        .end = descending ? low : last,
    };
    EXPECT(scan_tree_start(session->scan, &range) == TACTUS_OK);
}

/* Ahead, mostly: near or far. Before a key that can be, at it, or behind it. */
static void session_probe(struct model *model, struct session *session)
{
    const uint64_t reach = UINT64_C(1) << random_below(&model->random, 14);
    int64_t number = (int64_t)random_below(&model->random, reach);
    if (random_chance(&model->random, 1, 10)) number = -number;
    number = session->descending ? session->at - number : session->at + number;
    if (number < 0 || number >= KEYS * 2) return;
    struct key key = key_of(model, number);
    const uint64_t aside = random_below(&model->random, 3);
    key.word[2] += aside;
    key.word[2] -= 1;
    scan_tree_probe(session->scan, key);
    if (session->descending) {
        if (aside == 0) number -= 1; /* the key itself is passed over */
        if (number < session->at) session->at = number;
        counted_ends += number < session->end;
    } else {
        if (aside == 2) number += 1;
        if (number > session->at) session->at = number;
        counted_ends += number > session->end;
    }
}

/* What the scan says next; while it waits, it may be told that it need not. */
static enum scan_result session_drive(
    struct model *model, struct session *session, const void **record
)
{
    enum scan_result result = scan_tree_next(session->scan, record);
    while (result == SCAN_READ_AGAIN) {
        if (random_chance(&model->random, 1, 8)) session_probe(model, session);
        enum progress progress = scan_tree_advance(session->scan);
        while (progress == PROGRESS_WAIT) {
            if (random_chance(&model->random, 1, 8)) {
                session_probe(model, session);
                counted_waiting += 1;
            }
            if (random_chance(&model->random, 3, 4)) grid_wait(&model->fixture->storage.grid);
            progress = scan_tree_advance(session->scan);
        }
        EXPECT(progress == PROGRESS_DONE);
        if (random_chance(&model->random, 1, 8)) session_probe(model, session);
        result = scan_tree_next(session->scan, record);
    }
    return result;
}

/* False: it has come to its end. */
static bool session_next(struct model *model, struct session *session)
{
    const void *record = NULL;
    const enum scan_result result = session_drive(model, session, &record);
    const int64_t step = session->descending ? -1 : 1;
    while (session->descending ? session->at >= session->end : session->at <= session->end) {
        if (model->values[session->at] != 0) break;
        session->at += step;
    }
    const bool is_end =
        session->descending ? session->at < session->end : session->at > session->end;
    EXPECT(result == (is_end ? SCAN_END : SCAN_RECORD));
    if (is_end) return false;
    EXPECT(record_is(model, record, session->at));
    session->at += step;
    return true;
}

static void count(const struct scan_tree *scan)
{
    counted.records += scan->counters.records;
    counted.probes += scan->counters.probes;
    counted.blocks += scan->counters.blocks;
    counted.block_seeks += scan->counters.block_seeks;
    counted.table_seeks += scan->counters.table_seeks;
}

/* Two scans at once, each stepped and probed as it comes, from one pool and one cache. */
static void compare(struct model *model)
{
    struct lsm_fixture *fixture = model->fixture;
    struct session sessions[2] = {{.scan = &fixture->scan}, {.scan = &fixture->other_scans[0]}};
    const uint64_t probes_percent = random_below(&model->random, 101);
    session_start(model, &sessions[0]);
    session_start(model, &sessions[1]);
    for (uint32_t step = 0; step < STEPS; step += 1) {
        struct session *session = &sessions[random_below(&model->random, 2)];
        if (random_chance(&model->random, probes_percent, 100)) session_probe(model, session);
        if (random_chance(&model->random, 1, 2)) continue;
        if (session_next(model, session)) continue;
        EXPECT(!session_next(model, session)); /* an end stays one, whatever comes */
        count(session->scan);
        scan_tree_stop(session->scan);
        session_start(model, session);
    }
    for (uint32_t index = 0; index < COUNT_OF(sessions); index += 1) {
        count(sessions[index].scan);
        scan_tree_stop(sessions[index].scan);
    }
    EXPECT(fixture->scan_pool.free_count == fixture->scan_pool.cursor_count);
    EXPECT(lsm_fixture_pinned(fixture) == 0);
}

/* ---- The run -------------------------------------------------------------------------------- */

static struct record_shape shape_of(struct model *model)
{
    static const uint32_t object_sizes[] = {64, 504, 1984};
    if (model->kind == KIND_ID128) return record_shape_id128();
    if (model->kind == KIND_INDEX64) return record_shape_index64();
    const uint64_t index = random_below(&model->random, COUNT_OF(object_sizes));
    return record_shape_object(object_sizes[index], 8);
}

static void model_run(uint64_t seed, const uint32_t runs_max[LEVELS])
{
    struct model model = {.kind = (enum kind)(seed % KINDS)};
    random_init(&model.random, seed);
    const bool is_index = model.kind == KIND_INDEX64;
    model.options = (struct lsm_fixture_options
    ){.shape = shape_of(&model),
      .usage = is_index ? TREE_INDEX : TREE_GENERAL,
      .point_lookups = !is_index,
      .record_max = (uint32_t)random_range(&model.random, 16, 256),
      .bar_beats = 4,
      .block_count_max = 32768,
      .scan_cursors = 2 * tree_level_runs_max(runs_max),
      .cache_frames = (uint32_t)random_range(&model.random, 1, 64)};
    bytes_copy(model.options.runs_max, runs_max, sizeof model.options.runs_max);
    model.values = calloc(KEYS, sizeof *model.values);
    model.fixture = malloc(sizeof *model.fixture);
    model.disk = lsm_fixture_disk(seed, &model.options);
    lsm_fixture_begin(model.fixture, model.disk, &model.options);
    lsm_fixture_create(model.fixture);
    for (uint32_t round = 0; round < ROUNDS; round += 1) {
        load(&model);
        for (uint32_t session = 0; session < SESSIONS; session += 1)
            compare(&model);
        tree_settle(&model.fixture->tree);
        EXPECT(lsm_fixture_boundary(model.fixture, false) == TACTUS_OK);
    }
    lsm_fixture_end(model.fixture);
    simulated_disk_free(model.disk);
    free(model.fixture);
    free(model.values);
}

static void expect_all_was_counted(void)
{
    EXPECT(counted.records > 10000);
    EXPECT(counted.probes > 10000);
    EXPECT(counted.blocks > 1000);
    EXPECT(counted.block_seeks > 1000);
    EXPECT(counted.table_seeks > 1000);
    EXPECT(counted_waiting > 1000);
    EXPECT(counted_ends > 100);
    counted = (struct scan_counters){0};
    counted_waiting = 0;
    counted_ends = 0;
}

TEST(scan, that_is_probed_gives_what_a_sorted_array_has)
{
    static const uint32_t one_run[LEVELS] = {1, 1, 1, 1, 1, 1, 1};
    const struct test_seeds seeds = test_seeds(12);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        model_run(seed, one_run);
    }
    if (seeds.count >= 12) expect_all_was_counted();
}

TEST(scan, of_several_runs_that_is_probed_gives_what_a_sorted_array_has)
{
    static const uint32_t runs[LEVELS] = {4, 4, 1, 1, 1, 1, 1};
    const struct test_seeds seeds = test_seeds(12);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        model_run(seed, runs);
    }
    if (seeds.count >= 12) expect_all_was_counted();
}

TEST_MAIN()
