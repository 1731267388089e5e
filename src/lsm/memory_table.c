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

/* Multiplying spreads every bit of a word upwards, and the buckets are taken from the top. */
static uint32_t memory_table_bucket(const struct memory_table *table, struct key key)
{
    uint64_t hash = key.word[2] * UINT64_C(0x9e3779b97f4a7c15);
    hash = (hash ^ hash >> 32 ^ key.word[1]) * UINT64_C(0xd6e8feb86659fd93);
    hash = (hash ^ hash >> 32 ^ key.word[0]) * UINT64_C(0xd6e8feb86659fd93);
    return (uint32_t)(hash >> 32) & (table->heads_count - 1);
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

/* ---- Begin ---------------------------------------------------------------------------------- */

void memory_table_init(
    struct memory_table *table, struct budget *budget, const struct memory_table_options *options
)
{
    record_shape_check(options->shape);
    assert(options->capacity > 0);
    assert(options->runs_max > 0);
    assert(options->suffix_max <= options->capacity);

    const uint32_t suffix_max = options->suffix_max > 0 ? options->suffix_max : options->capacity;
    const uint32_t heads_count = options->point_lookups ? memory_table_heads_wanted(suffix_max) : 0;
    const uint32_t links_count = options->point_lookups ? suffix_max : 0;
    *table = (struct memory_table){
        .shape = options->shape,
        .kernels = kernels_for(options->shape),
        .records = budget_take(budget, options->capacity, options->shape->record_size, 64),
        .runs = budget_take(budget, options->runs_max, sizeof table->runs[0], 8),
        .heads = budget_take(budget, heads_count, sizeof table->heads[0], 64),
        .previous = budget_take(budget, links_count, sizeof table->previous[0], 64),
        .capacity = options->capacity,
        .runs_max = options->runs_max,
        .suffix_max = suffix_max,
        .heads_count = heads_count,
        .is_index = options->usage == TREE_INDEX,
    };
}

uint64_t memory_table_scratch_size(const struct memory_table_options *options)
{
    return (uint64_t)options->capacity * options->shape->record_size;
}

void memory_table_set_scratch(struct memory_table *table, void *scratch, uint64_t scratch_size)
{
    assert(scratch != NULL);
    assert(scratch_size >= (uint64_t)table->capacity * table->shape->record_size);
    table->scratch = scratch;
    table->scratch_size = scratch_size;
}

/* ---- Check ---------------------------------------------------------------------------------- */

static void memory_table_check_runs(const struct memory_table *table)
{
    uint32_t end = 0;
    assert(table->run_count <= table->runs_max);
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
    for (uint32_t index = table->run_count; record == NULL && index > 0; index -= 1) {
        record = memory_table_get_run(table, table->runs[index - 1], key);
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
    assert(table->run_count < table->runs_max);
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
    memory_table_append_run(table, end);
    memory_table_relink(table);
    table->generation += 1;

    assert(table->sorted_count == end);
    assert(table->count == end + tail_count);
    return end;
}

void memory_table_make_immutable(struct memory_table *table)
{
    if (memory_table_is_sorted(table)) return;
    const uint32_t kept = memory_table_sort_range(table, 0, table->count);
    table->count = kept;
    table->sorted_count = 0;
    table->run_count = 0;
    memory_table_append_run(table, kept);
    memory_table_relink(table);
    table->generation += 1;
    assert(memory_table_is_sorted(table));
}

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

void memory_table_reset(struct memory_table *table)
{
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
