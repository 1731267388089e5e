/* One tree and an oracle are given the same random transactions and must stay the same, through
 * beats, compactions, checkpoints, and crashes after which the last checkpoint is opened and what
 * came since is replayed.
 *
 * The oracle is an array with a place for each key there can be. Keys are few and far apart, over
 * the whole width; tables are small, so that a few hundred transactions fill three levels. After a
 * replay not only the records but the tables, addresses and the log must be what they were. */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "base/random.h"
#include "support/lsm_fixture.h"
#include "support/test.h"

#include <stdlib.h>

enum {
    KEYS_MAX = 4000,
    TRANSACTIONS = 500,
    EVENTS_MAX = 64,
    BOUNDARIES_MAX = 16,
    BARS_KEPT = 8,
};

enum kind { KIND_OBJECT, KIND_ID64, KIND_ID128, KIND_INDEX64, KIND_INDEX128, KINDS };

struct oracle_key {
    bool is_present;
    uint64_t value;
};

/* A committed transaction, as a journal would have it. */
struct entry {
    uint64_t
        beats[BOUNDARIES_MAX]; /* boundaries that its commit brought, by the beat that closed */
    bool captures[BOUNDARIES_MAX];
    uint32_t boundary_count;
    uint32_t event_count;
    struct {
        uint32_t key;
        bool is_remove;
        uint64_t value;
    } events[EVENTS_MAX];
};

struct model {
    struct random random;
    enum kind kind;
    uint32_t keys;
    uint32_t remove_percent;
    struct lsm_fixture_options options;
    struct simulated_disk *disk;
    struct lsm_fixture *fixture;
    struct oracle_key *oracle;          /* as the writer sees it */
    struct oracle_key *committed;       /* as all others do */
    struct oracle_key *bars[BARS_KEPT]; /* what was committed when bar n opened, at n % BARS_KEPT */
    uint64_t bars_opened[BARS_KEPT];    /* n */
    struct entry *entries;
    uint32_t entry_count;
    uint32_t beat_used; /* events committed in the open beat */
    uint64_t value;
};

static struct compaction_counters counted; /* over all seeds: every path must have been taken */
static uint32_t counted_levels;
static uint64_t counted_slices_below; /* level 0 */
static uint32_t counted_replays;
static uint32_t counted_deaths;
static struct lookup_counters counted_lookups;
static uint32_t counted_older;      /* reads at a snapshot before the newest; of those ... */
static uint32_t counted_older_bars; /* ... in a bar before the open one */

/* ---- Records -------------------------------------------------------------------------------- */

static bool is_index(const struct model *model)
{
    return model->options.usage == TREE_INDEX;
}

/* Ascends with the number, over the whole width. */
static struct key key_of(const struct model *model, uint32_t number)
{
    const uint64_t step = UINT64_MAX / KEYS_MAX;
    const uint64_t low = (uint64_t)(number % 16 + 1) << 58; /* of 63 bits */
    switch (model->kind) {
    case KIND_OBJECT: return key_from_u64(step / 2 * number + 1);
    case KIND_ID64: return key_from_u64(step * number);
    case KIND_ID128: return key_from_u128(step * (number % 16), step * (number / 16));
    case KIND_INDEX64: return key_from_prefix64(step * (number / 16), low);
    case KIND_INDEX128: return key_from_prefix128(7, step * (number / 16), low);
    case KINDS: break;
    }
    assert(false);
}

static void record_of(const struct model *model, uint32_t number, uint64_t value, uint8_t *record)
{
    const struct record_shape *shape = &model->options.shape;
    const struct key key = key_of(model, number);
    bytes_zero(record, shape->record_size);
    if (is_index(model)) {
        store_u64(record + shape->flag_offset, key.word[2]);
        store_u64(record + shape->key_offset, key.word[1]);
        if (model->kind != KIND_INDEX128) return;
        store_u64(record + shape->key_offset, key.word[1]);
        store_u64(record + shape->key_offset + 8, key.word[0]);
        return;
    }
    for (uint32_t at = 0; at < shape->record_size; at += 8)
        store_u64(record + at, value + at);
    if (model->kind == KIND_OBJECT) {
        store_u64(record + shape->flag_offset, key.word[2]);
        return;
    }
    store_u64(record + shape->flag_offset, value);
    store_u64(record + shape->key_offset, key.word[2]);
    if (model->kind == KIND_ID128) store_u64(record + shape->key_offset + 8, key.word[1]);
}

static bool record_is(const struct model *model, const void *found, uint32_t number, uint64_t value)
{
    _Alignas(8) uint8_t wanted[RECORD_SIZE_MAX];
    record_of(model, number, value, wanted);
    return bytes_equal(found, wanted, model->options.shape.record_size);
}

/* ---- Comparing ------------------------------------------------------------------------------ */

static void compare_scan(
    struct model *model,
    const struct oracle_key *oracle,
    uint32_t from,
    uint32_t to,
    uint64_t snapshot,
    bool is_committed
)
{
    struct lsm_fixture *fixture = model->fixture;
    struct tree *tree = &fixture->tree;
    const bool descending = random_chance(&model->random, 1, 2);
    const struct scan_tree_range range = {
        .tree = tree,
        .key_min = key_of(model, from),
        .key_max = key_of(model, to),
        .descending = descending,
        .snapshot = snapshot,
        .visible_count = is_committed ? tree_visible_settled(tree) : tree_visible_all(tree)};
    EXPECT(scan_tree_start(&fixture->scan, &range) == TACTUS_OK);
    const void *record = NULL;
    const uint64_t gives_up = random_chance(&model->random, 1, 8) ? from + 5 : UINT64_MAX;
    for (uint32_t index = 0; index <= to - from && index <= gives_up; index += 1) {
        const uint32_t number = descending ? to - index : from + index;
        if (!oracle[number].is_present) continue;
        EXPECT(lsm_fixture_next(fixture, &record) == SCAN_RECORD);
        EXPECT(record_is(model, record, number, oracle[number].value));
    }
    if (gives_up == UINT64_MAX) EXPECT(lsm_fixture_next(fixture, &record) == SCAN_END);
    scan_tree_stop(&fixture->scan);
}

/* Lets the bar that opens with the beat at hand be known. */
static void keep_bar(struct model *model)
{
    const uint64_t beat = model->fixture->beat;
    if (beat % model->options.bar_beats != 0) return;
    const uint64_t bar = beat / model->options.bar_beats;
    bytes_copy(
        model->bars[bar % BARS_KEPT], model->committed, model->keys * sizeof model->committed[0]
    );
    model->bars_opened[bar % BARS_KEPT] = bar;
}

/* At an older snapshot, one range and one key. On disk was then what had been committed before the
 * bar began which lies before the snapshot's: of that bar the immutable table had the records. */
static void compare_older(struct model *model, uint32_t from, uint32_t to)
{
    const struct tree *tree = &model->fixture->tree;
    const uint64_t oldest = tree_snapshot_oldest(tree);
    const uint64_t newest = tree_snapshot_newest(tree);
    if (oldest == newest) return;
    const uint64_t snapshot = random_range(&model->random, oldest, newest - 1);
    const uint64_t bar = snapshot / model->options.bar_beats;
    if (bar == 0 || model->bars_opened[(bar - 1) % BARS_KEPT] != bar - 1) return;
    const struct oracle_key *oracle = model->bars[(bar - 1) % BARS_KEPT];
    compare_scan(model, oracle, from, to, snapshot, true);
    counted_older += 1;
    counted_older_bars += bar < newest / model->options.bar_beats;
    if (!model->options.point_lookups) return;

    _Alignas(8) uint8_t record[RECORD_SIZE_MAX];
    bool found = false;
    const struct key key = key_of(model, from);
    EXPECT(lsm_fixture_look_up(model->fixture, snapshot, key, record, &found) == TACTUS_OK);
    EXPECT(found == oracle[from].is_present);
    if (found) EXPECT(record_is(model, record, from, oracle[from].value));
}

static void compare_some(struct model *model)
{
    const uint32_t from = (uint32_t)random_below(&model->random, model->keys);
    const uint32_t size = (uint32_t)random_below(&model->random, 40);
    const uint32_t to = min_u32(model->keys - 1, from + size);
    const bool is_committed = random_chance(&model->random, 1, 2);
    const struct oracle_key *oracle = is_committed ? model->committed : model->oracle;
    const uint64_t newest = tree_snapshot_newest(&model->fixture->tree);
    compare_scan(model, oracle, from, to, newest, is_committed);
    compare_older(model, from, to);
    if (!model->options.point_lookups) return;

    _Alignas(8) uint8_t record[RECORD_SIZE_MAX];
    bool found = false;
    EXPECT(lsm_fixture_get(model->fixture, key_of(model, from), record, &found) == TACTUS_OK);
    EXPECT(found == model->oracle[from].is_present);
    if (found) EXPECT(record_is(model, record, from, model->oracle[from].value));
}

static void compare_all(struct model *model)
{
    tree_check(&model->fixture->tree);
    uint32_t table_count = 0;
    for (uint8_t level = 0; level < LEVELS; level += 1)
        table_count += tree_table_count(&model->fixture->tree, level);
    EXPECT(model->fixture->log.extents.count == table_count);
    EXPECT(
        node_pool_room(&model->fixture->nodes) + model->fixture->log.extents.count ==
        model->fixture->nodes.capacity
    );
    EXPECT(lsm_fixture_pinned(model->fixture) == 0);
    const uint64_t newest = tree_snapshot_newest(&model->fixture->tree);
    compare_scan(model, model->oracle, 0, model->keys - 1, newest, false);
    compare_scan(model, model->committed, 0, model->keys - 1, newest, true);
    compare_older(model, 0, model->keys - 1);
    for (uint32_t index = 0; index < 20; index += 1)
        compare_some(model);
}

/* ---- Transactions --------------------------------------------------------------------------- */

static void event_apply(struct model *model, uint32_t key, bool is_remove, uint64_t value)
{
    _Alignas(8) uint8_t record[RECORD_SIZE_MAX];
    record_of(model, key, value, record);
    if (is_remove) {
        tree_remove(&model->fixture->tree, record);
    } else {
        tree_put(&model->fixture->tree, record);
    }
    model->oracle[key] = (struct oracle_key){.is_present = !is_remove, .value = value};
}

static void event_add(struct model *model, struct entry *entry)
{
    /* Most go to a narrow place that wanders, so that tables overlap little at times. */
    uint32_t key = (uint32_t)random_below(&model->random, model->keys);
    if (random_chance(&model->random, 2, 3)) {
        const uint32_t narrow = model->keys / 8 + 1;
        key = (uint32_t)(model->entry_count / 8 * narrow + random_below(&model->random, narrow));
        key %= model->keys;
    }
    bool is_remove = random_chance(&model->random, model->remove_percent, 100);
    if (is_index(model)) is_remove = model->oracle[key].is_present;
    model->value += 1;
    const uint64_t value = is_index(model) ? 0 : model->value;
    const uint32_t count = entry->event_count;
    entry->events[count].key = key;
    entry->events[count].is_remove = is_remove;
    entry->events[count].value = value;
    entry->event_count += 1;
    event_apply(model, key, is_remove, value);
}

static void oracle_copy(const struct model *model, struct oracle_key *to, struct oracle_key *from)
{
    bytes_copy(to, from, model->keys * sizeof *to);
}

/* Adds events of which a part may be taken back. */
static void events_add(struct model *model, struct entry *entry, struct oracle_key *saved)
{
    const uint32_t most = min_u32(model->options.record_max, EVENTS_MAX);
    const uint32_t count = (uint32_t)random_range(&model->random, 1, most - entry->event_count);
    const struct tree_mark mark = tree_mark(&model->fixture->tree);
    const uint32_t before = entry->event_count;
    oracle_copy(model, saved, model->oracle);
    for (uint32_t index = 0; index < count; index += 1)
        event_add(model, entry);
    if (random_chance(&model->random, 1, 8)) compare_some(model);
    if (!random_chance(&model->random, 1, 6)) return;
    tree_discard(&model->fixture->tree, &mark);
    oracle_copy(model, model->oracle, saved);
    entry->event_count = before;
    if (random_chance(&model->random, 1, 4)) compare_some(model);
}

static void boundary(struct model *model, struct entry *entry, bool capture)
{
    if (entry->boundary_count == BOUNDARIES_MAX) return;
    entry->beats[entry->boundary_count] = model->fixture->beat;
    entry->captures[entry->boundary_count] = capture;
    entry->boundary_count += 1;
    EXPECT(lsm_fixture_boundary(model->fixture, capture) == TACTUS_OK);
    keep_bar(model);
    model->beat_used = 0;
    if (random_chance(&model->random, 1, 4)) compare_some(model);
}

static void transaction(struct model *model, struct oracle_key *saved)
{
    struct entry *entry = &model->entries[model->entry_count];
    *entry = (struct entry){0};
    const uint32_t most = min_u32(model->options.record_max, EVENTS_MAX);
    events_add(model, entry, saved);
    if (entry->event_count < most && random_chance(&model->random, 1, 3)) {
        events_add(model, entry, saved);
    }
    const bool capture = random_chance(&model->random, 1, 3);
    if (model->beat_used + entry->event_count > model->options.record_max ||
        random_chance(&model->random, 1, 10)) {
        boundary(model, entry, capture);
    }
    if (random_chance(&model->random, 1, 30)) {
        const uint64_t more = random_below(&model->random, model->options.bar_beats * 2);
        for (uint64_t index = 0; index < more; index += 1)
            boundary(model, entry, capture);
    }
    tree_settle(&model->fixture->tree);
    model->beat_used += entry->event_count;
    oracle_copy(model, model->committed, model->oracle);
    model->entry_count += 1;
}

/* ---- Crash and reopen ----------------------------------------------------------------------- */

static void begin(struct model *model)
{
    lsm_fixture_begin(model->fixture, model->disk, &model->options);
}

/* Counts what the process that goes away has done. */
static void count(const struct model *model)
{
    for (uint8_t level = 0; level < LEVELS; level += 1) {
        const struct compaction_counters *total = &model->fixture->tree.compactions[level].total;
        counted.merges += total->merges;
        counted.tables_moved += total->tables_moved;
        counted.tables_trimmed += total->tables_trimmed;
        counted.slices += total->slices;
        if (level > 1) counted_slices_below += total->slices;
        counted.records_dropped += total->records_dropped;
        counted.records_replaced += total->records_replaced;
        counted.records_cancelled += total->records_cancelled;
        if (tree_table_count(&model->fixture->tree, level) > 0) {
            counted_levels = max_u32(counted_levels, level + 1U);
        }
    }
    const struct lookup_counters *lookups = &model->fixture->shared.lookups;
    counted_lookups.mutable_hits += lookups->mutable_hits;
    counted_lookups.immutable_hits += lookups->immutable_hits;
    counted_lookups.level_misses += lookups->level_misses;
    counted_lookups.gap_misses += lookups->gap_misses;
    counted_lookups.filter_negatives += lookups->filter_negatives;
    counted_lookups.filter_positives += lookups->filter_positives;
    counted_lookups.filter_false_positives += lookups->filter_false_positives;
}

/* The transaction whose commit opened this beat, the first of a bar. */
static uint32_t entry_that_opened(const struct model *model, uint64_t beat)
{
    uint32_t first = 0;
    for (uint32_t index = 0; index < model->entry_count && beat > 0; index += 1) {
        const struct entry *entry = &model->entries[index];
        for (uint32_t at = 0; at < entry->boundary_count; at += 1) {
            if (entry->beats[at] + 1 == beat) first = index;
        }
    }
    return first;
}

/* Puts again what the checkpoint does not have: all of the bar that it was captured after. */
static void replay(struct model *model)
{
    struct lsm_fixture *fixture = model->fixture;
    const uint64_t beat = fixture->beat;
    const uint32_t first = entry_that_opened(model, beat);
    for (uint32_t index = first; index < model->entry_count; index += 1) {
        const struct entry *entry = &model->entries[index];
        for (uint32_t at = 0; at < entry->event_count; at += 1) {
            const uint64_t value = entry->events[at].value;
            event_apply(model, entry->events[at].key, entry->events[at].is_remove, value);
        }
        for (uint32_t at = 0; at < entry->boundary_count; at += 1) {
            if (entry->beats[at] < beat) continue;
            EXPECT(fixture->beat == entry->beats[at]);
            EXPECT(lsm_fixture_boundary(fixture, entry->captures[at]) == TACTUS_OK);
        }
        tree_settle(&fixture->tree);
    }
    counted_replays += 1;
}

/* The power fails; the process that comes after it gets back to what was committed. */
static void reopen(struct model *model)
{
    count(model);
    lsm_fixture_end(model->fixture);
    const struct simulated_crash crash = {
        .kind = SIMULATED_TEAR_512, .seed = random_u64(&model->random)};
    simulated_disk_crash(model->disk, crash);
    begin(model);
    EXPECT(lsm_fixture_open(model->fixture) == TACTUS_OK);
    tree_check(&model->fixture->tree);
    const uint64_t block_count = model->fixture->storage.layout.block_count_max;
    EXPECT(grid_grow(&model->fixture->storage.grid, block_count) == TACTUS_OK);
    oracle_copy(model, model->oracle, model->committed);
    replay(model);
    oracle_copy(model, model->oracle, model->committed);
}

static void crash(struct model *model)
{
    const uint64_t beat = model->fixture->beat;
    const struct checksum image = lsm_fixture_image(model->fixture);
    const uint64_t beat_captured = model->fixture->beat_captured;
    reopen(model);
    EXPECT(model->fixture->beat == beat);
    EXPECT(model->fixture->beat_captured == beat_captured);
    const struct checksum replayed = lsm_fixture_image(model->fixture);
    EXPECT(checksum_equal(replayed, image));
    compare_all(model);
}

/* The disk dies at some write of the next boundaries. The boundary that it dies in may have made a
 * checkpoint durable all the same; then its beat has to be closed after the replay (R10). */
static void crash_in_boundary(struct model *model)
{
    struct entry *entry = &model->entries[model->entry_count];
    *entry = (struct entry){0};
    model->entry_count += 1;
    struct lsm_fixture *fixture = model->fixture;
    simulated_disk_crash_at(model->disk, random_range(&model->random, 1, 60));
    enum tactus_status status = TACTUS_OK;
    while (status == TACTUS_OK && entry->boundary_count < BOUNDARIES_MAX / 2) {
        const bool capture = random_chance(&model->random, 1, 2);
        const uint64_t beat = fixture->beat;
        status = lsm_fixture_boundary(fixture, capture);
        if (status != TACTUS_OK) break;
        keep_bar(model);
        entry->beats[entry->boundary_count] = beat;
        entry->captures[entry->boundary_count] = capture;
        entry->boundary_count += 1;
    }
    counted_deaths += status == TACTUS_OK ? 0 : 1;
    reopen(model);
    while (fixture->beat_captured != UINT64_MAX && fixture->beat <= fixture->beat_captured) {
        boundary(model, entry, true);
    }
    if (entry->boundary_count > 0) model->beat_used = 0;
    compare_all(model);
}

/* A read-only process of the same file: everything since the checkpoint goes into an overlay. */
static void compare_read_only(struct model *model)
{
    const struct lsm_fixture_options options = model->options;
    struct lsm_fixture *writer = model->fixture;
    struct simulated_disk *disk = model->disk;
    uint32_t events = 0;
    for (uint32_t index = 0; index < model->entry_count; index += 1) {
        events += model->entries[index].event_count;
    }
    lsm_fixture_end(writer);
    model->options.overlay_count = events + 1;
    begin(model);
    EXPECT(lsm_fixture_open(model->fixture) == TACTUS_OK);
    const uint32_t first = entry_that_opened(model, model->fixture->beat);
    for (uint32_t index = first; index < model->entry_count; index += 1) {
        const struct entry *entry = &model->entries[index];
        for (uint32_t at = 0; at < entry->event_count; at += 1) {
            const uint64_t value = entry->events[at].value;
            event_apply(model, entry->events[at].key, entry->events[at].is_remove, value);
        }
        tree_settle(&model->fixture->tree);
    }
    oracle_copy(model, model->oracle, model->committed);
    compare_all(model);
    lsm_fixture_end(model->fixture);
    model->options = options;
    model->disk = disk;
}

/* ---- The run -------------------------------------------------------------------------------- */

static struct record_shape shape_of(struct model *model)
{
    static const uint32_t object_sizes[] = {16, 64, 200, 512, 1984};
    const uint32_t size = object_sizes[random_below(&model->random, COUNT_OF(object_sizes))];
    switch (model->kind) {
    case KIND_OBJECT:
        return record_shape_object(size, 8 * (uint32_t)random_below(&model->random, 2));
    case KIND_ID64: return record_shape_id64();
    case KIND_ID128: return record_shape_id128();
    case KIND_INDEX64: return record_shape_index64();
    case KIND_INDEX128: return record_shape_index128();
    case KINDS: break;
    }
    assert(false);
}

static void model_run(uint64_t seed, const uint32_t runs_max[LEVELS])
{
    struct model model = {.kind = (enum kind)(seed % KINDS)};
    random_init(&model.random, seed);
    static const uint32_t key_counts[] = {40, 600, KEYS_MAX};
    model.keys = key_counts[random_below(&model.random, COUNT_OF(key_counts))];
    model.remove_percent = (uint32_t)random_range(&model.random, 5, 60);
    const bool is_an_index = model.kind == KIND_INDEX64 || model.kind == KIND_INDEX128;
    model.options = (struct lsm_fixture_options
    ){.shape = shape_of(&model),
      .usage = is_an_index ? TREE_INDEX : TREE_GENERAL,
      .point_lookups = !is_an_index,
      .record_max = (uint32_t)random_range(&model.random, 8, 64),
      .bar_beats = 4,
      .compaction_depth = (uint32_t)(seed % (COMPACTION_DEPTH_MAX + 1)),
      .coalesces = runs_max[0] > 1 && seed % 2 == 1,
      .block_count_max = 16384,
      .cache_frames = (uint32_t)random_range(&model.random, 1, 64)};
    bytes_copy(model.options.runs_max, runs_max, sizeof model.options.runs_max);
    model.oracle = calloc(KEYS_MAX, sizeof *model.oracle);
    model.committed = calloc(KEYS_MAX, sizeof *model.committed);
    model.entries = calloc(TRANSACTIONS, sizeof *model.entries);
    model.fixture = malloc(sizeof *model.fixture);
    for (uint32_t index = 0; index < BARS_KEPT; index += 1)
        model.bars[index] = calloc(KEYS_MAX, sizeof *model.bars[0]);
    struct oracle_key *saved = calloc(KEYS_MAX, sizeof *saved);
    model.disk = lsm_fixture_disk(seed, &model.options);
    begin(&model);
    lsm_fixture_create(model.fixture);

    while (model.entry_count < TRANSACTIONS) {
        transaction(&model, saved);
        if (random_chance(&model.random, 1, 25)) compare_all(&model);
        if (random_chance(&model.random, 1, 60)) crash(&model);
        if (random_chance(&model.random, 1, 60) && model.entry_count < TRANSACTIONS) {
            crash_in_boundary(&model);
        }
    }
    compare_all(&model);
    count(&model);
    compare_read_only(&model);

    simulated_disk_free(model.disk);
    free(saved);
    free(model.fixture);
    free(model.entries);
    for (uint32_t index = 0; index < BARS_KEPT; index += 1)
        free(model.bars[index]);
    free(model.committed);
    free(model.oracle);
}

static const uint32_t one_run[LEVELS];

TEST(tree, stays_the_same_as_a_sorted_array_through_crashes)
{
    const struct test_seeds seeds = test_seeds(10);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        model_run(seed, one_run);
    }
    if (seeds.count < 10) return;
    EXPECT(counted.merges > 0);
    EXPECT(counted.tables_moved > 0);
    EXPECT(counted.records_dropped > 0);
    EXPECT(counted.records_replaced > 0);
    EXPECT(counted.records_cancelled > 0);
    EXPECT(counted_levels >= 3);
    EXPECT(counted_replays > 0);
    EXPECT(counted_deaths > 0);
    EXPECT(counted_lookups.mutable_hits > 0);
    EXPECT(counted_lookups.immutable_hits > 0);
    EXPECT(counted_lookups.level_misses > 0);
    EXPECT(counted_lookups.gap_misses > 0);
    EXPECT(counted_lookups.filter_negatives > 0);
    EXPECT(counted_lookups.filter_positives > 0);
    EXPECT(counted_lookups.filter_false_positives > 0);
    EXPECT(counted_older > 100);
}

TEST(tree, of_several_runs_stays_the_same_as_a_sorted_array_through_crashes)
{
    static const uint32_t runs[][LEVELS] = {{2}, {3}, {4}, {8}};
    const struct test_seeds seeds = test_seeds(20);
    counted = (struct compaction_counters){0};
    counted_replays = 0;
    counted_deaths = 0;
    counted_older_bars = 0;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        model_run(seed, runs[seed / KINDS % COUNT_OF(runs)]);
    }
    if (seeds.count < 20) return;
    EXPECT(counted.merges > 0);
    EXPECT(counted.slices > 0);
    EXPECT(counted.tables_trimmed > 0);
    EXPECT(counted.records_dropped > 0);
    EXPECT(counted.records_replaced > 0);
    EXPECT(counted.records_cancelled > 0);
    EXPECT(counted_replays > 0);
    EXPECT(counted_deaths > 0);
    EXPECT(counted_older_bars > 100);
}

/* Of groups as small as can be, so that records come down to where levels have one run. */
TEST(tree, of_several_runs_in_several_levels_stays_the_same_as_a_sorted_array_through_crashes)
{
    static const uint32_t runs[][LEVELS] = {{2, 2}, {4, 4}, {2, 2, 2}, {3, 2}, {2, 3, 2, 2}};
    const struct test_seeds seeds = test_seeds(25);
    counted = (struct compaction_counters){0};
    counted_slices_below = 0;
    counted_replays = 0;
    counted_deaths = 0;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        model_run(seed, runs[seed / KINDS % COUNT_OF(runs)]);
    }
    if (seeds.count < 25) return;
    EXPECT(counted.merges > 0);
    EXPECT(counted_slices_below > 0);
    EXPECT(counted.tables_trimmed > 0);
    EXPECT(counted.records_dropped > 0);
    EXPECT(counted.records_replaced > 0);
    EXPECT(counted.records_cancelled > 0);
    EXPECT(counted_replays > 0);
    EXPECT(counted_deaths > 0);
}

TEST_MAIN()
