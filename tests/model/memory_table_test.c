/* The memory tables of one tree and an oracle are given the same random operations and must stay
 * the same: puts and removes in nested scopes, discards, commits, beats' ends, bars' ends with a
 * flush before them or an absorb instead, in chains until the table is full to the last record.
 *
 * The oracle is an array with the key's number as its index. What readers see is asked of the
 * tables twice: by get(), and by walking all records from the newest to the oldest. Sixteen keys
 * and room for some dozens of records, so that equal keys, full tables, empty scopes and tables in
 * which everything cancels are common. After every operation all visible content is compared and
 * every invariant is checked.
 *
 * Five kinds of tree: ids of two widths, objects too fat to be sorted by moving them about, and
 * indexes of two widths, where the promises of TREE_INDEX are kept: put only when absent, remove
 * only when present. */
#include "lsm/memory_table.h"

#include "base/integer.h"
#include "base/random.h"
#include "lsm/run_merge.h"
#include "support/test.h"

#include <stdlib.h>

enum { KEYS = 16, MARKS_MAX = 4, RECORD_WORDS = 33, STEPS = 600 };

/* What a reader finds under each key; 0: nothing. In an index tree all values are 1. */
struct view {
    uint64_t value[KEYS];
};

struct model {
    struct random random;
    struct record_shape shape;
    enum tree_usage usage;
    struct memory_table memory[2];
    struct memory_table *mutable, *immutable;
    void *region, *scratch;

    uint32_t settled_count;
    uint64_t version;
    struct view disk;    /* what lies below both tables */
    struct view settled; /* what every reader sees */
    struct view all;     /* what the open transaction sees */
    uint32_t marks_count;
    struct memory_table_mark marks[MARKS_MAX];
    struct view at_mark[MARKS_MAX];
    struct counts {
        uint64_t annihilated; /* tables that ended with nothing in them, or gave nothing */
        uint64_t absorbed;
        uint64_t filled; /* absorbs that left no room */
        uint64_t merged; /* absorbs that left fewer runs than came together */
        uint64_t stops;  /* pieces after which a flush went on */
    } counts;
};

/* ---- Records -------------------------------------------------------------------------------- */

static struct record_shape shape_of(uint64_t kind)
{
    switch (kind) {
    case 0: return record_shape_id64();
    case 1: return record_shape_id128();
    case 2: return record_shape_object(264, 40);
    case 3: return record_shape_index64();
    default: return record_shape_index128();
    }
}

/* Keys spread over all their bytes. */
static void record_of(
    const struct model *model, uint64_t words[RECORD_WORDS], uint32_t key, uint64_t value
)
{
    const struct record_shape *shape = &model->shape;
    const uint64_t spread = (key + 1) * UINT64_C(0x0f83e0f83e0f83e1);
    uint8_t *bytes = (uint8_t *)words;
    bytes_zero(words, RECORD_WORDS * sizeof words[0]);
    if (shape->key_offset != 0) { /* an object: its value beside its timestamp */
        store_u64(bytes + shape->flag_offset, spread >> 1);
        store_u64(bytes, value);
        return;
    }
    store_u64(bytes, spread);
    if (shape->flag_offset == 16) store_u64(bytes + 8, key % 3);
    const uint64_t timestamp = model->usage == TREE_INDEX ? key / 3 + 1 : value;
    store_u64(bytes + shape->flag_offset, timestamp);
}

/* What a record says: 0 for a tombstone. */
static uint64_t value_of(const struct model *model, const uint8_t *record)
{
    if (record_is_tombstone(&model->shape, record)) return 0;
    if (model->usage == TREE_INDEX) return 1;
    return load_u64(record + (model->shape.key_offset != 0 ? 0 : model->shape.flag_offset));
}

/* ---- Compare -------------------------------------------------------------------------------- */

/* The newest record with this key among the first `visible`, by looking at all of them. */
static const uint8_t *newest(const struct memory_table *table, struct key key, uint32_t visible)
{
    for (uint32_t index = visible; index > 0; index -= 1) { /* runs are in order of age, too */
        const uint8_t *record = memory_table_at(table, index - 1);
        if (key_equal(record_key(table->shape, record), key)) return record;
    }
    return NULL;
}

static const uint8_t *newest_twice(
    const struct memory_table *table, struct key key, uint32_t visible
)
{
    const uint8_t *record = newest(table, key, visible);
    EXPECT(memory_table_get(table, key, visible) == record);
    return record;
}

static void compare_view(const struct model *model, const struct view *view, uint32_t visible)
{
    for (uint32_t key = 0; key < KEYS; key += 1) {
        uint64_t words[RECORD_WORDS];
        record_of(model, words, key, 1);
        const struct key wanted = record_key(&model->shape, words);
        const uint8_t *record = newest_twice(model->mutable, wanted, visible);
        if (record == NULL) {
            record = newest_twice(model->immutable, wanted, model->immutable->count);
        }
        const uint64_t value = record == NULL ? model->disk.value[key] : value_of(model, record);
        EXPECT(value == view->value[key]);
    }
}

static void compare(const struct model *model)
{
    memory_table_check(model->mutable);
    memory_table_check(model->immutable);
    EXPECT(model->immutable->sorted_count == model->immutable->count);
    EXPECT(model->settled_count >= model->mutable->sorted_count);
    compare_view(model, &model->all, model->mutable->count);
    compare_view(model, &model->settled, model->settled_count);
}

/* ---- Operations ----------------------------------------------------------------------------- */

static bool has_room(const struct model *model)
{
    const struct memory_table *table = model->mutable;
    return table->count < table->capacity && table->count - table->sorted_count < table->suffix_max;
}

static void write(struct model *model)
{
    const uint32_t key = (uint32_t)random_below(&model->random, KEYS);
    const bool present = model->all.value[key] != 0;
    const bool remove = model->usage == TREE_INDEX ? present : random_chance(&model->random, 1, 3);
    model->version += 1;
    uint64_t words[RECORD_WORDS];
    record_of(model, words, key, model->version);
    if (remove) record_make_tombstone(&model->shape, words);
    memory_table_put(model->mutable, words);
    model->all.value[key] = value_of(model, (const uint8_t *)words);
}

static void mark(struct model *model)
{
    if (model->marks_count == MARKS_MAX) return;
    model->marks[model->marks_count] = memory_table_mark(model->mutable);
    model->at_mark[model->marks_count] = model->all;
    model->marks_count += 1;
}

/* To any of the open marks; those above it are gone. Without marks: the whole transaction. */
static void discard(struct model *model)
{
    if (model->marks_count == 0) {
        memory_table_discard(
            model->mutable, memory_table_mark_at(model->mutable, model->settled_count)
        );
        model->all = model->settled;
        return;
    }
    model->marks_count = (uint32_t)random_below(&model->random, model->marks_count);
    memory_table_discard(model->mutable, model->marks[model->marks_count]);
    model->all = model->at_mark[model->marks_count];
}

static void settle(struct model *model)
{
    model->settled_count = model->mutable->count;
    model->settled = model->all;
    model->marks_count = 0;
}

/* A beat ends in front of the tail. */
static void end_beat(struct model *model)
{
    model->marks_count = 0;
    model->settled_count = memory_table_sort_suffix(model->mutable, model->settled_count);
}

static void flush_record(struct model *model, const uint8_t *record)
{
    for (uint32_t key = 0; key < KEYS; key += 1) {
        uint64_t words[RECORD_WORDS];
        record_of(model, words, key, 1);
        if (!key_equal(record_key(&model->shape, words), record_key(&model->shape, record))) {
            continue;
        }
        const uint64_t value = value_of(model, record);
        if (model->usage == TREE_INDEX) {
            EXPECT((model->disk.value[key] != 0) == (value == 0)); /* its promises hold */
        }
        model->disk.value[key] = value;
    }
}

/* In pieces of any size, as a compaction takes them: together they are one run without
 * duplicates, and account for every record. */
static void flush(struct model *model)
{
    const uint32_t input_max = (uint32_t)random_range(&model->random, 2, 12);
    const struct record_shape *shape = &model->shape;
    uint8_t target[12 * RECORD_WORDS * sizeof(uint64_t)];
    struct run_merge merge;
    struct key last = key_min_of_all();
    uint32_t produced = 0;
    uint32_t consumed = 0;
    run_merge_begin(&merge, model->immutable);
    while (merge.remaining > 0) {
        const struct run_merge_piece piece = run_merge_next(&merge, target, input_max);
        EXPECT(piece.consumed > 0 && piece.consumed <= input_max);
        EXPECT(piece.consumed == piece.count + piece.replaced + 2 * piece.cancelled);
        EXPECT(model->usage == TREE_INDEX ? piece.replaced == 0 : piece.cancelled == 0);
        for (uint32_t index = 0; index < piece.count; index += 1) {
            const uint8_t *record = (const uint8_t *)piece.records + index * shape->record_size;
            EXPECT(produced == 0 || key_less(last, record_key(shape, record)));
            last = record_key(shape, record);
            flush_record(model, record);
            produced += 1;
        }
        consumed += piece.consumed;
        model->counts.stops += merge.remaining > 0;
    }
    EXPECT(consumed == model->immutable->count);
    model->counts.annihilated += consumed > 0 && produced == 0;
    memory_table_reset(model->immutable);
}

static bool may_absorb(const struct model *model)
{
    const struct memory_table *table = model->immutable;
    return table->count > 0 && model->settled_count <= table->capacity - table->count;
}

static void absorb(struct model *model)
{
    const uint32_t runs = model->immutable->run_count + model->mutable->run_count;
    memory_table_absorb(model->immutable, model->mutable, model->settled_count);
    model->counts.absorbed += 1;
    model->counts.annihilated += model->immutable->count == 0;
    model->counts.filled += model->immutable->count == model->immutable->capacity;
    model->counts.merged += model->immutable->run_count < runs;
}

static void swap(struct model *model)
{
    flush(model);
    memory_table_take_tail(model->immutable, model->mutable, model->settled_count);
    struct memory_table *old = model->mutable;
    model->mutable = model->immutable;
    model->immutable = old;
    model->counts.annihilated += model->immutable->count == 0;
}

static void end_bar(struct model *model)
{
    end_beat(model);
    if (may_absorb(model) && random_chance(&model->random, 7, 8)) {
        absorb(model);
    } else {
        swap(model);
    }
    model->settled_count = 0;
    model->marks_count = 0;
    const struct memory_table *table = model->immutable;
    for (uint32_t index = 0; index < table->count; index += 1) {
        const struct key key = record_key(&model->shape, memory_table_at(table, index));
        EXPECT(!key_less(key, memory_table_key_min(table)));
        EXPECT(!key_less(memory_table_key_max(table), key));
    }
}

/* ---- Run ------------------------------------------------------------------------------------ */

static void model_begin(struct model *model, uint64_t seed)
{
    *model = (struct model){0};
    random_init(&model->random, seed);
    const uint64_t kind = random_below(&model->random, 5);
    model->shape = shape_of(kind);
    model->usage = kind < 3 ? TREE_GENERAL : TREE_INDEX;
    const uint32_t capacity = (uint32_t)random_range(&model->random, 4, 160);
    const struct memory_table_options options = {
        .shape = &model->shape,
        .usage = model->usage,
        .point_lookups = true,
        .capacity = capacity,
        .runs_max = (uint32_t)random_range(&model->random, 2, 8),
        .suffix_max = random_chance(&model->random, 1, 2) ? capacity / 2 : 0,
    };
    struct budget budget;
    budget_measure_begin(&budget);
    memory_table_init(&model->memory[0], &budget, &options);
    memory_table_init(&model->memory[1], &budget, &options);
    const uint64_t size = round_up_u64(budget_used(&budget), BUDGET_ALIGNMENT);
    model->region = aligned_alloc(BUDGET_ALIGNMENT, size);
    model->scratch = malloc(memory_table_scratch_size(&options));
    bytes_zero(model->region, size);
    budget_carve_begin(&budget, model->region, size);
    for (uint32_t index = 0; index < 2; index += 1) {
        memory_table_init(&model->memory[index], &budget, &options);
        memory_table_set_scratch(
            &model->memory[index], model->scratch, memory_table_scratch_size(&options)
        );
    }
    model->mutable = &model->memory[0];
    model->immutable = &model->memory[1];
    for (uint32_t key = 0; key < KEYS; key += 1) {
        model->disk.value[key] = random_below(&model->random, 2);
    }
    model->settled = model->all = model->disk;
}

static void step(struct model *model)
{
    const uint64_t roll = random_below(&model->random, 100);
    if (roll < 70) {
        if (has_room(model))
            write(model);
        else if (random_chance(&model->random, 1, 2))
            discard(model);
        else
            settle(model);
    } else if (roll < 78) {
        mark(model);
    } else if (roll < 84) {
        discard(model);
    } else if (roll < 90) {
        settle(model);
    } else if (roll < 96 && model->mutable->run_count + 1 < model->mutable->runs_max) {
        end_beat(model); /* with room for the run of the bar's last beat */
    } else {
        end_bar(model);
    }
}

TEST(memory_table, behaves_like_the_model)
{
    const struct test_seeds seeds = test_seeds(300);
    struct counts counts = {0};
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        struct model model;
        test_seed_begin(seed);
        model_begin(&model, seed);
        for (uint32_t index = 0; index < STEPS; index += 1) {
            step(&model);
            compare(&model);
        }
        counts.annihilated += model.counts.annihilated;
        counts.absorbed += model.counts.absorbed;
        counts.filled += model.counts.filled;
        counts.merged += model.counts.merged;
        counts.stops += model.counts.stops;
        free(model.region);
        free(model.scratch);
    }
    if (seeds.count < 100) return;
    EXPECT(counts.annihilated > 100);
    EXPECT(counts.absorbed > 1000);
    EXPECT(counts.filled > 10);
    EXPECT(counts.merged > 1000);
    EXPECT(counts.stops > 1000);
}

TEST_MAIN()
