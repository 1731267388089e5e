#include "lsm/estimate.h"

#include "base/assert.h"
#include "base/integer.h"
#include "lsm/manifest_level.h"
#include "lsm/table_layout.h"
#include "storage/grid.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/poison.h"

/* ---- Memory --------------------------------------------------------------------------------- */

static bool key_is_within(struct key key, struct key key_min, struct key key_max)
{
    return !key_less(key, key_min) && !key_less(key_max, key);
}

static uint64_t runs_estimate(
    const struct tree *tree,
    const struct memory_table *table,
    struct key key_min,
    struct key key_max
)
{
    const struct record_shape *shape = &tree->format.shape;
    const struct kernels *kernels = tree->format.kernels;
    uint64_t sum = 0;
    for (uint32_t index = 0; index < table->run_count; index += 1) {
        const struct memory_run run = table->runs[index];
        const uint32_t count = run.end - run.begin;
        const void *records = memory_table_at(table, run.begin);
        const uint32_t begin = kernels->lower_bound(shape, records, count, key_min);
        sum += kernels->upper_bound(shape, records, count, key_max) - begin;
    }
    return sum;
}

static uint64_t suffix_estimate(const struct tree *tree, struct key key_min, struct key key_max)
{
    const struct memory_table *table = tree->mutable;
    const struct record_shape *shape = &tree->format.shape;
    const uint32_t count = table->count - table->sorted_count;
    const uint32_t sample = min_u32(count, ESTIMATE_SAMPLE_MAX);
    uint64_t found = 0;
    for (uint32_t number = 0; number < sample; number += 1) {
        const uint32_t index = (uint32_t)((uint64_t)number * count / sample);
        const void *record = memory_table_at(table, table->sorted_count + index);
        found += key_is_within(record_key(shape, record), key_min, key_max);
    }
    return sample == 0 ? 0 : found * count / sample;
}

/* ---- A table that an edge of the range lies in ---------------------------------------------- */

/* Where a key lies in a table, as far as is known: `before` of its records are below `low`, then
 * come `count` ones from `low` to `high`, and the key lies there, too. */
struct place {
    struct key low;
    struct key high;
    uint64_t before;
    uint64_t count;
};

/* a - b, roughly; a is not below b. */
static double key_distance(struct key a, struct key b)
{
    const uint64_t borrow_low = a.word[2] < b.word[2];
    const uint64_t borrow_high = a.word[1] < b.word[1] || (a.word[1] == b.word[1] && borrow_low);
    const double two_to_64 = 18446744073709551616.0;
    const double high = (double)(a.word[0] - b.word[0] - borrow_high);
    const double middle = (double)(a.word[1] - b.word[1] - borrow_low);
    return (high * two_to_64 + middle) * two_to_64 + (double)(a.word[2] - b.word[2]);
}

/* Records of the place that lie before the key, at most count - 1. */
static uint64_t place_interpolate(const struct place *place, struct key key)
{
    if (place->count == 0 || !key_less(place->low, key)) return 0;
    if (!key_less(key, place->high)) return place->count - 1;
    const double share = key_distance(key, place->low) / key_distance(place->high, place->low);
    const uint64_t found = (uint64_t)(share * (double)(place->count - 1));
    return min_u64(found, place->count - 1);
}

/* The frame of a block that is in the cache and was checked whole, or NULL. Checked, it may have
 * been, as the child of another parent: whoever looks into it asks for its counts first. */
static struct block_frame *block_cached(struct grid *grid, struct block_reference reference)
{
    struct block_frame *frame = grid_cached(grid, reference);
    if (frame == NULL || block_frame_is_checked(frame)) return frame;
    grid_unref(grid, frame);
    return NULL;
}

/* A search from the root down, as far as blocks are there. */
struct search {
    const struct table_format *format;
    const struct table_info *info;
    struct grid *grid;
    struct key key;
    struct place place;
    struct table_range range;         /* of the child, once its parent was there */
    struct block_reference reference; /* likewise */
    uint64_t record_count;            /* of the root */
    uint64_t stale_count;             /* likewise: below the table's bound (R18) */
    uint32_t leaf_index;
};

/* The key lies among `count` records, number `before` and on, stale ones included. */
static void search_narrow(
    struct search *search, struct key low, struct key high, uint64_t before, uint64_t count
)
{
    const uint64_t stale = search->stale_count;
    const uint64_t end = before + count;
    search->place = (struct place){
        .low = key_higher_of(low, search->info->key_min),
        .high = high,
        .before = before > stale ? before - stale : 0,
        .count = end > stale ? end - max_u64(before, stale) : 0,
    };
}

/* Each of the three says whether the search can go on. */
static bool search_root(struct search *search, const uint8_t *block)
{
    const struct table_format *format = search->format;
    if (table_root_size_fault(block, format, search->info) != NULL) return false;
    const struct table_root root = table_root_decode(block);
    const uint32_t index = table_root_find(block, format, search->key);
    if (index == root.leaf_count) return false;

    search->record_count = root.record_count;
    search->stale_count = table_root_stale_count(block, search->info);
    search->leaf_index = index;
    search->range = table_root_range_at(block, format, search->info, index);
    search->reference = table_root_entry_at(block, format, index).reference;
    const uint64_t full =
        (uint64_t)format->geometry.leaf_fanout * format->geometry.records_per_block;
    const uint64_t before = index * full;
    const uint64_t count = min_u64(full, root.record_count - before);
    search_narrow(search, search->range.key_min, search->range.key_max, before, count);
    return true;
}

static bool search_leaf(struct search *search, const uint8_t *block)
{
    const struct table_format *format = search->format;
    if (table_leaf_size_fault(block, format, &search->range) != NULL) return false;
    const uint32_t index = table_leaf_find(block, format, search->key);
    if (index == search->range.count) return false;

    const struct table_leaf_entry entry = table_leaf_entry_at(block, format, index);
    search->range =
        table_leaf_range_at(block, format, search->record_count, search->leaf_index, index);
    search->reference =
        (struct block_reference){.address = entry.address, .checksum = entry.checksum};
    const uint64_t number = (uint64_t)search->leaf_index * format->geometry.leaf_fanout + index;
    const uint64_t before = number * format->geometry.records_per_block;
    const bool is_between = key_less(search->key, entry.key_min);
    search_narrow(
        search, entry.key_min, entry.key_max, before, is_between ? 0 : search->range.count
    );
    return !is_between;
}

/* Records below the key, or up to it. */
static uint64_t search_value(const struct search *search, const uint8_t *block, bool is_upper)
{
    const struct table_format *format = search->format;
    const struct record_shape *shape = &format->shape;
    const uint32_t count = table_value_count(block);
    const void *records = table_value_records(block);
    const uint64_t skipped = count - search->place.count; /* stale ones, in front */
    const uint64_t found = is_upper
                               ? format->kernels->upper_bound(shape, records, count, search->key)
                               : format->kernels->lower_bound(shape, records, count, search->key);
    return search->place.before + (found > skipped ? found - skipped : 0);
}

/* Records of a table below `key`, or up to it with `is_upper`; the key lies within its bounds. */
static uint64_t table_rank(
    const struct tree *tree, const struct table_info *info, struct key key, bool is_upper
)
{
    struct search search = {
        .format = &tree->format,
        .info = info,
        .grid = tree->options.shared->grid,
        .key = key,
        .place = {.low = info->key_min, .high = info->key_max, .count = info->value_count},
        .reference = table_info_root(info),
    };
    bool goes_on = true;
    for (uint32_t depth = 0; depth < 3 && goes_on; depth += 1) {
        struct block_frame *frame = block_cached(search.grid, search.reference);
        if (frame == NULL) break;
        uint64_t rank = UINT64_MAX;
        if (depth == 0) goes_on = search_root(&search, frame->data);
        if (depth == 1) goes_on = search_leaf(&search, frame->data);
        if (depth == 2 && table_value_size_fault(frame->data, search.format, &search.range) == NULL)
            rank = search_value(&search, frame->data, is_upper);
        grid_unref(search.grid, frame);
        if (rank != UINT64_MAX) return rank;
    }
    const bool has_more = is_upper && search.place.count > 0;
    return search.place.before + place_interpolate(&search.place, key) + has_more;
}

static uint64_t table_estimate(
    const struct tree *tree, const struct table_info *info, struct key key_min, struct key key_max
)
{
    const bool begins_inside = key_less(info->key_min, key_min);
    const bool ends_inside = key_less(key_max, info->key_max);
    const uint64_t begin = begins_inside ? table_rank(tree, info, key_min, false) : 0;
    const uint64_t end = ends_inside ? table_rank(tree, info, key_max, true) : info->value_count;
    return end > begin ? end - begin : 0;
}

/* ---- The tree ------------------------------------------------------------------------------- */

static uint64_t run_estimate(
    const struct tree *tree,
    const struct manifest_run *run,
    struct key key_min,
    struct key key_max,
    bool *overlaps
)
{
    if (run->count == 0) return 0;
    const bool is_whole = !key_less(manifest_run_first(run)->key_min, key_min) &&
                          !key_less(key_max, manifest_run_last(run)->key_max);
    if (is_whole) {
        *overlaps = true;
        return run->record_count;
    }
    uint64_t sum = 0;
    const struct table_info *table = manifest_run_at_or_above(run, key_min);
    while (table != NULL && table_info_overlaps(table, key_min, key_max)) {
        *overlaps = true;
        sum += table_estimate(tree, table, key_min, key_max);
        table = manifest_run_next(run, table);
    }
    return sum;
}

uint64_t tree_estimate(const struct tree *tree, struct key key_min, struct key key_max)
{
    if (key_less(key_max, key_min)) return 0;
    bool overlaps = false;
    uint64_t sum = suffix_estimate(tree, key_min, key_max);
    sum += runs_estimate(tree, tree->mutable, key_min, key_max);
    sum += runs_estimate(tree, tree->immutable, key_min, key_max);
    for (uint8_t number = 0; number < LEVELS; number += 1) {
        const struct manifest_level *level = &tree->manifest.levels[number];
        for (uint32_t index = 0; index < level->run_count; index += 1) {
            sum += run_estimate(tree, &level->runs[index], key_min, key_max, &overlaps);
        }
    }
    return overlaps ? max_u64(sum, 1) : sum;
}
