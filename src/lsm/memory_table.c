#include "lsm/memory_table.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"

#include <stddef.h>

#include "base/poison.h"

static uint8_t *memory_table_record(const struct memory_table *table, uint32_t index)
{
    assert(index <= table->capacity);
    return table->records + (uint64_t)index * table->shape->record_size;
}

/* ---- The hash over the suffix (R5) ---------------------------------------------------------- */

/* A bucket for two records of a full suffix: chains are short, and clearing the heads is cheap. */
static uint32_t memory_table_heads_wanted(uint32_t suffix_max)
{
    uint32_t count = 16;
    while (count < suffix_max / 2)
        count *= 2;
    return count;
}

/* Multiplying spreads every bit of a word upwards, shifting brings the upper half down again. */
static uint64_t key_hash(struct key key)
{
    uint64_t hash = key.word[2] * UINT64_C(0x9e3779b97f4a7c15);
    hash = (hash ^ hash >> 32 ^ key.word[1]) * UINT64_C(0xd6e8feb86659fd93);
    hash = (hash ^ hash >> 32 ^ key.word[0]) * UINT64_C(0xd6e8feb86659fd93);
    return hash ^ hash >> 32;
}

static uint32_t memory_table_bucket(const struct memory_table *table, struct key key)
{
    return (uint32_t)(key_hash(key) >> 32) & (table->heads_count - 1);
}

static struct key memory_table_key(const struct memory_table *table, uint32_t index)
{
    assert(index < table->count);
    return record_key(table->shape, memory_table_record(table, index));
}

static void memory_table_link(struct memory_table *table, uint32_t index)
{
    if (table->heads_count == 0) return;
    const uint32_t place = index - table->sorted_count;
    assert(place < table->suffix_max);
    uint32_t *head = &table->heads[memory_table_bucket(table, memory_table_key(table, index))];
    table->previous[place] = *head;
    *head = place + 1;
}

/* Newest first, so that the record to unlink is always the head of its chain. */
static void memory_table_unlink(struct memory_table *table, uint32_t index)
{
    if (table->heads_count == 0) return;
    const uint32_t place = index - table->sorted_count;
    assert(index + 1 == table->count);
    uint32_t *head = &table->heads[memory_table_bucket(table, memory_table_key(table, index))];
    assert(*head == place + 1);
    *head = table->previous[place];
}

/* After the suffix changed its start: forgets all links, and makes those of what it is now. */
static void memory_table_relink(struct memory_table *table)
{
    if (table->heads_count == 0) return;
    bytes_zero(table->heads, (uint64_t)table->heads_count * sizeof table->heads[0]);
    for (uint32_t index = table->sorted_count; index < table->count; index += 1) {
        memory_table_link(table, index);
    }
}

/* ---- The filter over the runs (R5) ---------------------------------------------------------- */

/* The records of [begin, end) are in the newest run now. */
static void memory_table_add_to_filter(struct memory_table *table, uint32_t begin, uint32_t end)
{
    if (table->heads_count == 0) return;
    assert(table->label_count == 0);
    for (uint32_t index = begin; index < end; index += 1) {
        const uint64_t hash = key_hash(memory_table_key(table, index));
        memory_filter_add(&table->filter, hash, table->run_count - 1);
    }
}

/* After an absorb any label may be that of any run. */
static bool memory_table_run_may_contain(
    const struct memory_table *table, uint32_t run, uint64_t hash
)
{
    if (table->label_count == 0) return memory_filter_may_contain(&table->filter, hash, run);
    bool may_contain = false;
    for (uint32_t label = 0; label < table->label_count; label += 1) {
        may_contain |= memory_filter_may_contain(&table->filter, hash, label);
    }
    return may_contain;
}

/* ---- Begin ---------------------------------------------------------------------------------- */

static uint32_t suffix_max_of(const struct memory_table_options *options)
{
    return options->suffix_max > 0 ? options->suffix_max : options->capacity;
}

/* A full beat's records, as a suffix is a beat and a tail: see "Absorb". */
static uint32_t long_run_of(uint32_t suffix_max)
{
    return suffix_max / 2 + 1;
}

uint32_t memory_table_run_capacity(const struct memory_table_options *options)
{
    const uint32_t long_run = long_run_of(suffix_max_of(options));
    uint32_t runs = options->capacity / long_run + 1; /* the long ones, and one that was added */
    for (uint32_t length = 1; length < long_run; length *= 2)
        runs += 1;
    return max_u32(options->runs_max, runs);
}

void memory_table_init(
    struct memory_table *table, struct budget *budget, const struct memory_table_options *options
)
{
    record_shape_check(options->shape);
    assert(options->capacity > 0);
    assert(options->runs_max > 0);
    assert(options->suffix_max <= options->capacity);

    const uint32_t suffix_max = suffix_max_of(options);
    const uint32_t heads_count = options->point_lookups ? memory_table_heads_wanted(suffix_max) : 0;
    const uint32_t links_count = options->point_lookups ? suffix_max : 0;
    const uint32_t run_capacity = memory_table_run_capacity(options);
    *table = (struct memory_table){
        .shape = options->shape,
        .kernels = kernels_for(options->shape),
        .records = budget_take(budget, options->capacity, options->shape->record_size, 64),
        .runs = budget_take(budget, run_capacity, sizeof table->runs[0], 8),
        .heads = budget_take(budget, heads_count, sizeof table->heads[0], 64),
        .previous = budget_take(budget, links_count, sizeof table->previous[0], 64),
        .capacity = options->capacity,
        .runs_max = options->runs_max,
        .run_capacity = run_capacity,
        .long_run = long_run_of(suffix_max),
        .suffix_max = suffix_max,
        .heads_count = heads_count,
        .is_index = options->usage == TREE_INDEX,
    };
    if (options->point_lookups) memory_filter_init(&table->filter, budget, options->capacity);
}

uint64_t memory_table_scratch_size(const struct memory_table_options *options)
{
    return (uint64_t)suffix_max_of(options) * options->shape->record_size;
}

void memory_table_set_scratch(struct memory_table *table, void *scratch, uint64_t scratch_size)
{
    assert(scratch != NULL);
    assert(scratch_size >= (uint64_t)table->suffix_max * table->shape->record_size);
    table->scratch = scratch;
    table->scratch_size = scratch_size;
}

/* ---- Check ---------------------------------------------------------------------------------- */

static void memory_table_check_runs(const struct memory_table *table)
{
    uint32_t end = 0;
    assert(table->run_count <= table->run_capacity);
    for (uint32_t index = 0; index < table->run_count; index += 1) {
        const struct memory_run run = table->runs[index];
        assert(run.begin == end);
        assert(run.begin < run.end);
        assert(table->kernels->is_sorted(
            table->shape, memory_table_record(table, run.begin), run.end - run.begin
        ));
        end = run.end;
    }
    assert(end == table->sorted_count);
}

static void memory_table_check_filter(const struct memory_table *table)
{
    for (uint32_t run = 0; run < table->run_count; run += 1) {
        for (uint32_t index = table->runs[run].begin; index < table->runs[run].end; index += 1) {
            const struct key key = memory_table_key(table, index);
            assert(memory_table_run_may_contain(table, run, key_hash(key)));
        }
    }
}

static void memory_table_check_links(const struct memory_table *table)
{
    uint32_t linked = 0;
    for (uint32_t bucket = 0; bucket < table->heads_count; bucket += 1) {
        uint32_t newer = UINT32_MAX;
        for (uint32_t link = table->heads[bucket]; link != 0;) {
            const uint32_t index = table->sorted_count + link - 1;
            assert(link < newer);
            assert(index < table->count);
            assert(memory_table_bucket(table, memory_table_key(table, index)) == bucket);
            newer = link;
            link = table->previous[link - 1];
            linked += 1;
        }
    }
    assert(linked == table->count - table->sorted_count);
}

void memory_table_check(const struct memory_table *table)
{
    assert(table->sorted_count <= table->count);
    assert(table->count <= table->capacity);
    assert(table->count - table->sorted_count <= table->suffix_max);
    memory_table_check_runs(table);
    if (table->heads_count > 0) memory_table_check_links(table);
    if (table->heads_count > 0) memory_table_check_filter(table);
    if (table->count == 0) assert(memory_table_is_sorted(table));
}

/* ---- Put, get, discard ---------------------------------------------------------------------- */

void memory_table_put(struct memory_table *table, const void *record)
{
    assert(table->count < table->capacity);
    assert(table->count - table->sorted_count < table->suffix_max);
    bytes_copy(memory_table_record(table, table->count), record, table->shape->record_size);
    table->count += 1;
    memory_table_link(table, table->count - 1);
}

static const void *memory_table_get_suffix(
    const struct memory_table *table, struct key key, uint32_t visible_count
)
{
    const uint32_t visible_links = visible_count - table->sorted_count;
    uint32_t link = table->heads[memory_table_bucket(table, key)];
    for (; link != 0; link = table->previous[link - 1]) { /* links only get lower */
        if (link > visible_links) continue;
        const uint32_t index = table->sorted_count + link - 1;
        if (key_equal(memory_table_key(table, index), key)) return memory_table_at(table, index);
    }
    return NULL;
}

static const void *memory_table_get_run(
    const struct memory_table *table, struct memory_run run, struct key key
)
{
    if (key_less(key, memory_table_key(table, run.begin))) return NULL;
    if (key_less(memory_table_key(table, run.end - 1), key)) return NULL;

    const uint32_t index =
        run.begin +
        table->kernels->lower_bound(
            table->shape, memory_table_record(table, run.begin), run.end - run.begin, key
        );
    assert(index < run.end);
    if (!key_equal(memory_table_key(table, index), key)) return NULL;
    return memory_table_at(table, index);
}

const void *memory_table_get(
    const struct memory_table *table, struct key key, uint32_t visible_count
)
{
    assert(table->heads_count > 0);
    assert(visible_count >= table->sorted_count);
    assert(visible_count <= table->count);

    const void *record = memory_table_get_suffix(table, key, visible_count);
    if (record != NULL || table->run_count == 0) return record;
    const uint64_t hash = key_hash(key);
    if (table->label_count > 0 && !memory_table_run_may_contain(table, 0, hash)) return NULL;
    for (uint32_t run = table->run_count; record == NULL && run > 0; run -= 1) {
        if (table->label_count == 0 && !memory_table_run_may_contain(table, run - 1, hash))
            continue;
        record = memory_table_get_run(table, table->runs[run - 1], key);
    }
    return record;
}

struct memory_table_mark memory_table_mark_at(const struct memory_table *table, uint32_t count)
{
    assert(count >= table->sorted_count);
    assert(count <= table->count);
    return (struct memory_table_mark){.count = count, .generation = table->generation};
}

struct memory_table_mark memory_table_mark(const struct memory_table *table)
{
    return memory_table_mark_at(table, table->count);
}

void memory_table_discard(struct memory_table *table, struct memory_table_mark mark)
{
    assert(mark.generation == table->generation);
    assert(mark.count >= table->sorted_count);
    assert(mark.count <= table->count);
    while (table->count > mark.count) {
        memory_table_unlink(table, table->count - 1);
        table->count -= 1;
    }
}

/* ---- Sort ----------------------------------------------------------------------------------- */

/* Sorts [begin, end), drops what newer records replace, returns how many are left. */
static uint32_t memory_table_sort_range(struct memory_table *table, uint32_t begin, uint32_t end)
{
    uint8_t *records = memory_table_record(table, begin);
    const uint32_t count = end - begin;
    if (table->kernels->is_sorted(table->shape, records, count)) return count;

    const uint64_t size = (uint64_t)count * table->shape->record_size;
    if (count > KERNEL_SORT_SMALL) assert(table->scratch_size >= size);
    table->kernels->sort(table->shape, records, table->scratch, count);
    return table->kernels->dedup(table->shape, records, count, table->is_index);
}

/* The records from sorted_count to `end` are a run now, or belong to the last one. */
static void memory_table_append_run(struct memory_table *table, uint32_t end)
{
    const uint32_t begin = table->sorted_count;
    if (begin == end) return;
    table->sorted_count = end;
    if (table->run_count > 0) {
        struct memory_run *last = &table->runs[table->run_count - 1];
        const struct key key_max = memory_table_key(table, last->end - 1);
        if (key_less(key_max, memory_table_key(table, begin))) {
            last->end = end;
            return;
        }
    }
    assert(table->run_count < table->run_capacity);
    table->runs[table->run_count] = (struct memory_run){.begin = begin, .end = end};
    table->run_count += 1;
}

uint32_t memory_table_sort_suffix(struct memory_table *table, uint32_t settled_count)
{
    assert(settled_count >= table->sorted_count);
    assert(settled_count <= table->count);
    if (settled_count == table->sorted_count) return settled_count;

    const uint32_t tail_count = table->count - settled_count;
    const uint32_t kept = memory_table_sort_range(table, table->sorted_count, settled_count);
    const uint32_t end = table->sorted_count + kept;
    bytes_move(
        memory_table_record(table, end),
        memory_table_record(table, settled_count),
        (uint64_t)tail_count * table->shape->record_size
    );
    table->count = end + tail_count;
    const uint32_t begin = table->sorted_count;
    memory_table_append_run(table, end);
    memory_table_add_to_filter(table, begin, end);
    assert(table->run_count <= table->runs_max);
    memory_table_relink(table);
    table->generation += 1;

    assert(table->sorted_count == end);
    assert(table->count == end + tail_count);
    return end;
}

/* ---- The end of a bar ------------------------------------------------------------------------ */

void memory_table_take_tail(
    struct memory_table *target, struct memory_table *source, uint32_t settled_count
)
{
    assert(target != source);
    assert(target->count == 0);
    assert(target->shape->record_size == source->shape->record_size);
    assert(settled_count >= source->sorted_count);
    assert(settled_count <= source->count);

    for (uint32_t index = settled_count; index < source->count; index += 1) {
        memory_table_put(target, memory_table_at(source, index));
    }
    memory_table_discard(source, memory_table_mark_at(source, settled_count));
    target->generation += 1;
    source->generation += 1;
}

/* Absorb. A chain of small bars adds their runs to one table, thousands of them perhaps; whoever
 * reads it looks into each, so they are merged as they come. The rule is a stack's: while the run
 * before the newest ones is not at least twice as long as all of them are together, it is one of
 * them; then they become one. But a run of a full beat or more, `long_run`, stays as it is.
 *
 *   - What remains is: long runs, at most capacity / long_run; behind them short ones, each at
 *     least twice as long as the next, so at most log2(long_run) + 1.
 *   - A record is copied once, then it is merged as part of the newest run once, and as part of an
 *     older one log1.5(long_run) times at most, since that grows by a half each time.
 *   - At the end of one bar at most the short runs that were there, less than 2 · long_run records
 *     together, and the bar's own are merged: never the whole of a table that has absorbed much.
 *   - Lengths alone decide: they are the same whenever the history is.
 *
 * Merging goes from the scratch, to which all but the newest of these runs go, into their place:
 * they are short, and each is twice as long as the next, so 2 · long_run - 2 <= suffix_max records
 * of room suffice. */
static void memory_table_merge_newest(struct memory_table *table, uint32_t first)
{
    const uint32_t size = table->shape->record_size;
    const uint32_t begin = table->runs[first].begin;
    const uint32_t newest = table->runs[table->run_count - 1].begin;
    struct merge_stream streams[MERGE_STREAMS_MAX];
    struct merge_streams merge = {
        .streams = streams,
        .stream_count = table->run_count - first,
        .input_max = table->count - begin,
        .target = memory_table_record(table, begin),
        .cancel = table->is_index,
    };
    assert(merge.stream_count <= MERGE_STREAMS_MAX);
    assert((uint64_t)(newest - begin) * size <= table->scratch_size);
    bytes_copy(table->scratch, merge.target, (uint64_t)(newest - begin) * size);
    for (uint32_t index = 0; index < merge.stream_count; index += 1) {
        const struct memory_run run = table->runs[first + index];
        const uint8_t *copy =
            (const uint8_t *)table->scratch + (uint64_t)(run.begin - begin) * size;
        const bool is_newest = run.begin == newest;
        streams[index].next = is_newest ? memory_table_at(table, run.begin) : copy;
        streams[index].end = streams[index].next + (uint64_t)(run.end - run.begin) * size;
    }
    table->kernels->merge_streams(table->shape, &merge);
    assert(merge.consumed == merge.input_max);

    table->run_count = first;
    table->sorted_count = begin;
    table->count = begin + merge.produced;
    memory_table_append_run(table, table->count);
}

/* The first of the newest runs that are to become one; the newest itself if none are. */
static uint32_t memory_table_merge_from(const struct memory_table *table)
{
    uint32_t first = table->run_count - 1;
    for (; first > 0; first -= 1) {
        const struct memory_run before = table->runs[first - 1];
        const uint64_t length = before.end - before.begin;
        if (length >= table->long_run) break;
        if (length >= 2 * (uint64_t)(table->count - before.end)) break;
    }
    return first;
}

/* Puts a run behind the others; its records are elsewhere, or further up in the table. */
static void memory_table_push_run(
    struct memory_table *table, const uint8_t *records, uint32_t count
)
{
    assert(table->count == table->sorted_count);
    assert(count <= table->capacity - table->count);
    const uint64_t size = (uint64_t)count * table->shape->record_size;
    bytes_move(memory_table_record(table, table->count), records, size);
    table->count += count;
    memory_table_append_run(table, table->count);
    while (table->run_count > 1) { /* ends: each turn but the last leaves fewer runs */
        const uint32_t first = memory_table_merge_from(table);
        if (first + 1 == table->run_count) break;
        memory_table_merge_newest(table, first);
    }
}

void memory_table_absorb(
    struct memory_table *target, struct memory_table *source, uint32_t settled_count
)
{
    assert(target != source);
    assert(target->count == target->sorted_count);
    assert(settled_count == source->sorted_count);
    assert(settled_count <= target->capacity - target->count);
    if (settled_count == 0) return;

    /* Its own runs may have come from a bar that no one merged: they are pushed like the others. */
    const uint32_t own_count = target->run_count;
    target->count = target->sorted_count = target->run_count = 0;
    for (uint32_t index = 0; index < own_count; index += 1) {
        const struct memory_run run = target->runs[index];
        assert(target->run_count <= index);
        memory_table_push_run(target, memory_table_record(target, run.begin), run.end - run.begin);
    }
    for (uint32_t index = 0; index < source->run_count; index += 1) {
        const struct memory_run run = source->runs[index];
        memory_table_push_run(target, memory_table_at(source, run.begin), run.end - run.begin);
    }
    if (target->heads_count > 0) {
        target->label_count = max_u32(target->label_count, max_u32(own_count, source->run_count));
        memory_filter_take(&target->filter, &source->filter);
    }
    target->generation += 1;

    const uint32_t tail_count = source->count - settled_count;
    bytes_move(
        source->records,
        memory_table_at(source, settled_count),
        (uint64_t)tail_count * source->shape->record_size
    );
    source->count = tail_count;
    source->sorted_count = 0;
    source->run_count = 0;
    source->generation += 1;
    memory_table_relink(source);
    if (target->count == 0) memory_table_reset(target); /* all of it cancelled */
}

void memory_table_reset(struct memory_table *table)
{
    if (table->heads_count > 0) memory_filter_clear(&table->filter);
    table->label_count = 0;
    table->count = 0;
    table->sorted_count = 0;
    table->run_count = 0;
    table->generation += 1;
    memory_table_relink(table);
}

bool memory_table_is_sorted(const struct memory_table *table)
{
    return table->sorted_count == table->count && table->run_count <= 1;
}

struct key memory_table_key_min(const struct memory_table *table)
{
    assert(table->run_count > 0);
    assert(table->sorted_count == table->count);
    struct key key_min = memory_table_key(table, table->runs[0].begin);
    for (uint32_t index = 1; index < table->run_count; index += 1) {
        key_min = key_lower_of(key_min, memory_table_key(table, table->runs[index].begin));
    }
    return key_min;
}

struct key memory_table_key_max(const struct memory_table *table)
{
    assert(table->run_count > 0);
    assert(table->sorted_count == table->count);
    struct key key_max = memory_table_key(table, table->runs[0].end - 1);
    for (uint32_t index = 1; index < table->run_count; index += 1) {
        key_max = key_higher_of(key_max, memory_table_key(table, table->runs[index].end - 1));
    }
    return key_max;
}
