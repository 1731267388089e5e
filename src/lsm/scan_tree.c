#include "lsm/scan_tree.h"

#include "base/assert.h"

static struct key key_choose(uint64_t mask, struct key a, struct key b)
{
    for (uint32_t word = 0; word < 3; word += 1)
        b.word[word] ^= (a.word[word] ^ b.word[word]) & mask;
    return b;
}

#define LOSER_KEY                struct key
#define LOSER_LESS(a, b)         key_less(a, b)
#define LOSER_EQUAL(a, b)        key_equal(a, b)
#define LOSER_CHOOSE(mask, a, b) key_choose(mask, a, b)
#include "lsm/loser_tree_template.h"

#include "base/poison.h"

enum scan_source_kind { SOURCE_PERMUTED, SOURCE_SORTED, SOURCE_LEVEL };

/* One sorted stream of records; the source with the lower number is the newer one. What is left of
 * it, or of the block at hand, is [begin, end): taken from the front ascending, from the back
 * descending. */
struct scan_source {
    uint8_t kind;       /* enum scan_source_kind */
    bool is_last_block; /* the range ends in the block at hand */
    bool is_ended;      /* a level: no block is left */
    bool is_leaping;    /* a level: it was probed past a block, so that none is read ahead */
    uint32_t begin;
    uint32_t end;
    const uint8_t *records;         /* of SOURCE_SORTED and SOURCE_LEVEL */
    const struct manifest_run *run; /* of SOURCE_LEVEL, like all below */
    struct table_cursor *cursor;    /* idle: none of its tables is being read */
    const struct table_info *table; /* being read, or to be read next; NULL: there is none */
};

/* ---- The pool ------------------------------------------------------------------------------- */

void scan_pool_init(struct scan_pool *pool, struct budget *budget, uint32_t cursor_count)
{
    *pool = (struct scan_pool){.cursor_count = cursor_count, .free_count = cursor_count};
    pool->cursors = budget_take(budget, cursor_count, sizeof(struct table_cursor), 64);
    pool->free = budget_take(budget, cursor_count, sizeof(uint32_t), 8);
    if (budget_is_measuring(budget)) return;
    for (uint32_t index = 0; index < cursor_count; index += 1) {
        pool->cursors[index].stage = TABLE_CURSOR_IDLE;
        pool->free[index] = cursor_count - 1 - index;
    }
}

static struct table_cursor *scan_pool_take(struct scan_pool *pool)
{
    assert(pool->free_count > 0);
    pool->free_count -= 1;
    struct table_cursor *cursor = &pool->cursors[pool->free[pool->free_count]];
    assert(cursor->stage == TABLE_CURSOR_IDLE);
    return cursor;
}

static void scan_pool_give_back(struct scan_pool *pool, struct table_cursor *cursor)
{
    assert(cursor->stage == TABLE_CURSOR_IDLE);
    assert(pool->free_count < pool->cursor_count);
    pool->free[pool->free_count] = (uint32_t)(cursor - pool->cursors);
    pool->free_count += 1;
}

/* ---- Init ----------------------------------------------------------------------------------- */

void scan_tree_init(
    struct scan_tree *scan, struct budget *budget, const struct scan_tree_options *options
)
{
    *scan = (struct scan_tree
    ){.permutation_max = options->permutation_max,
      .pool = options->pool,
      .sources_max = 1 + 2 * options->runs_max + options->level_runs_max};
    scan->loser_count_max = loser_tree_leaves(scan->sources_max);
    scan->permutation = budget_take(budget, options->permutation_max, sizeof(uint32_t), 8);
    scan->sources = budget_take(budget, scan->sources_max, sizeof(struct scan_source), 8);
    scan->loser_keys = budget_take(budget, scan->loser_count_max, sizeof(struct key), 8);
    scan->losers = budget_take(budget, scan->loser_count_max, sizeof(uint32_t), 8);
}

/* No beat may end under a scan: then its tables might be gone, and its memory tables others. */
static void scan_check_snapshot(const struct scan_tree *scan)
{
    assert(scan->open);
    assert(tree_snapshot_is_held(scan->range.tree, scan->range.snapshot));
    assert(scan->reads_memory == tree_snapshot_is_newest(scan->range.tree, scan->range.snapshot));
}

/* ---- The record at hand of a source --------------------------------------------------------- */

static bool source_has_record(const struct scan_source *source)
{
    return source->begin < source->end;
}

/* The record at hand, or the one that comes so many after it. */
static inline const void *source_record_after(
    const struct scan_tree *scan, const struct scan_source *source, uint32_t count
)
{
    assert(count < source->end - source->begin);
    const struct tree *tree = scan->range.tree;
    const uint32_t index = scan->range.descending ? source->end - 1 - count : source->begin + count;
    if (source->kind == SOURCE_PERMUTED) {
        return memory_table_at(tree->mutable, scan->permutation[index]);
    }
    return source->records + (uint64_t)index * tree->format.shape.record_size;
}

static const void *source_record(const struct scan_tree *scan, const struct scan_source *source)
{
    assert(source_has_record(source));
    return source_record_after(scan, source, 0);
}

static struct key source_key(const struct scan_tree *scan, const struct scan_source *source)
{
    return record_key(&scan->range.tree->format.shape, source_record(scan, source));
}

static void source_pop(const struct scan_tree *scan, struct scan_source *source)
{
    assert(source_has_record(source));
    if (scan->range.descending) {
        source->end -= 1;
    } else {
        source->begin += 1;
    }
}

/* Narrows [0, count) of sorted records to what lies in the range. */
static void source_slice(const struct scan_tree *scan, struct scan_source *source, uint32_t count)
{
    const struct tree *tree = scan->range.tree;
    const struct record_shape *shape = &tree->format.shape;
    const struct kernels *kernels = tree->format.kernels;
    source->begin = kernels->lower_bound(shape, source->records, count, scan->range.key_min);
    source->end = source->begin;
    if (source->begin == count) return;
    /* Most runs have nothing in a narrow range: their next key says so. */
    const uint8_t *first = source->records + (uint64_t)source->begin * shape->record_size;
    if (key_less(scan->range.key_max, record_key(shape, first))) return;
    source->end = kernels->upper_bound(shape, source->records, count, scan->range.key_max);
    assert(source->begin <= source->end);
}

/* ---- Levels --------------------------------------------------------------------------------- */

/* From `table` on, in the scan's direction, the first one in the range that the snapshot sees, or
 * NULL. */
static const struct table_info *table_seen(
    const struct scan_tree *scan, const struct manifest_run *tables, const struct table_info *table
)
{
    const struct scan_tree_range *range = &scan->range;
    while (table != NULL && table_info_overlaps(table, range->key_min, range->key_max)) {
        if (table_info_is_visible(table, range->snapshot)) return table;
        table = range->descending ? manifest_run_previous(tables, table)
                                  : manifest_run_next(tables, table);
    }
    return NULL;
}

static const struct table_info *table_first(
    const struct scan_tree *scan, const struct manifest_run *tables
)
{
    const struct scan_tree_range *range = &scan->range;
    return table_seen(
        scan,
        tables,
        range->descending ? manifest_run_at_or_below(tables, range->key_max)
                          : manifest_run_at_or_above(tables, range->key_min)
    );
}

static const struct table_info *table_after(
    const struct scan_tree *scan, const struct manifest_run *tables, const struct table_info *table
)
{
    return table_seen(
        scan,
        tables,
        scan->range.descending ? manifest_run_previous(tables, table)
                               : manifest_run_next(tables, table)
    );
}

static void source_cursor_start(const struct scan_tree *scan, struct scan_source *source)
{
    const struct tree *tree = scan->range.tree;
    const struct table_cursor_options options = {
        .format = &tree->format,
        .grid = tree->options.shared->grid,
        .info = source->table,
        .key = scan->range.descending ? scan->range.key_max : scan->range.key_min,
        .descending = scan->range.descending,
        .is_bounded = true,
        .read_ahead = source->is_leaping ? 0 : SCAN_READ_AHEAD,
        .key_end = scan->range.descending ? scan->range.key_min : scan->range.key_max,
    };
    table_cursor_start(source->cursor, &options);
}

/* Goes on in a run until a record is at hand, the run has ended, or a block is waited for. Each
 * turn passes a block or a table, so the loop ends. */
static enum progress source_fetch(struct scan_tree *scan, struct scan_source *source)
{
    assert(source->kind == SOURCE_LEVEL);
    struct table_cursor *cursor = source->cursor;
    while (!source_has_record(source) && !source->is_ended) {
        if (source->table == NULL) {
            source->is_ended = true;
            break;
        }
        if (cursor->stage == TABLE_CURSOR_IDLE) source_cursor_start(scan, source);
        const enum progress progress = table_cursor_advance(cursor);
        if (progress != PROGRESS_DONE) return progress;

        if (table_cursor_is_end(cursor)) {
            table_cursor_stop(cursor);
            source->table = table_after(scan, source->run, source->table);
            continue;
        }
        scan->counters.blocks += 1;
        source->records = cursor->records;
        source_slice(scan, source, cursor->count);
        source->is_last_block =
            scan->range.descending ? source->begin > 0 : source->end < cursor->count;
        if (source_has_record(source)) break;
        source->is_ended = source->is_last_block;
        table_cursor_next(cursor);
    }
    if (source->is_ended && cursor->stage != TABLE_CURSOR_IDLE) table_cursor_stop(cursor);
    return PROGRESS_DONE;
}

/* The block at hand is used up: leaves it, and takes the next one if that is there already. */
static enum progress source_next_block(struct scan_tree *scan, struct scan_source *source)
{
    assert(!source_has_record(source));
    if (source->is_leaping) table_cursor_set_read_ahead(source->cursor, SCAN_READ_AHEAD);
    source->is_leaping = false;
    if (source->is_last_block) {
        source->is_ended = true;
    } else {
        table_cursor_next(source->cursor);
    }
    return source_fetch(scan, source);
}

/* ---- The order ------------------------------------------------------------------------------- */

/* Of sources that have no record at hand, which may not be their end: it is played as one, and the
 * tree made anew when they have one again. */
static struct key key_last(const struct scan_tree *scan)
{
    return scan->range.descending ? key_min_of_all() : key_max_of(KEY_192);
}

static struct loser_tree order_of(const struct scan_tree *scan)
{
    return (struct loser_tree
    ){scan->loser_keys, scan->losers, loser_tree_leaves(scan->source_count)};
}

/* Whoever wins has the next record: by key in the scan's direction, newest first. */
static void order_make(struct scan_tree *scan)
{
    struct loser_tree order;
    loser_tree_begin(&order, scan->loser_keys, scan->losers, scan->source_count);
    assert(order.leaves <= scan->loser_count_max);
    for (uint32_t leaf = 0; leaf < order.leaves; leaf += 1) {
        struct key key = key_last(scan);
        uint32_t id = LOSER_ENDED;
        if (leaf < scan->source_count && source_has_record(&scan->sources[leaf])) {
            key = source_key(scan, &scan->sources[leaf]);
            id = leaf;
        }
        loser_tree_enter(&order, leaf, key, id, scan->range.descending);
    }
    scan->has_order = true;
}

/* The winner's source has moved on. */
static void order_replay(struct scan_tree *scan)
{
    struct loser_tree order = order_of(scan);
    const uint32_t leaf = scan->losers[0];
    const struct scan_source *source = &scan->sources[leaf];
    const bool has_record = source_has_record(source);
    const struct key key = has_record ? source_key(scan, source) : key_last(scan);
    loser_tree_replay(&order, leaf, key, has_record ? leaf : LOSER_ENDED, scan->range.descending);
}

/* ---- Probing -------------------------------------------------------------------------------- */

/* Whether a key comes before another one, in the scan's direction. */
static bool scan_is_before(const struct scan_tree *scan, struct key key, struct key other)
{
    return scan->range.descending ? key_less(other, key) : key_less(key, other);
}

/* Passes over the records at hand that come before `key`, older ones of one key among them: by
 * steps that double, for it is often near, then by halves. */
static void source_skip(const struct scan_tree *scan, struct scan_source *source, struct key key)
{
    const struct record_shape *shape = &scan->range.tree->format.shape;
    const uint32_t count = source->end - source->begin;
    uint32_t low = 0; /* records known to come before it */
    uint32_t high = 1;
    while (high <= count &&
           scan_is_before(scan, record_key(shape, source_record_after(scan, source, high - 1)), key)
    ) {
        low = high;
        high = high <= count / 2 ? 2 * high : high + count;
    }
    if (high > count) high = count + 1;
    while (high - low > 1) { /* record number `high`, from 1, does not, or there is none */
        const uint32_t middle = low + (high - low) / 2;
        const void *record = source_record_after(scan, source, middle - 1);
        if (scan_is_before(scan, record_key(shape, record), key)) {
            low = middle;
        } else {
            high = middle;
        }
    }
    if (scan->range.descending) {
        source->end -= low;
    } else {
        source->begin += low;
    }
}

static bool source_is_waiting(const struct scan_source *source)
{
    return source->kind == SOURCE_LEVEL && !source_has_record(source) && !source->is_ended;
}

/* Goes on to `key` in a run of which no record is at hand: in the table being read, or else in the
 * one that the manifest names. The tables between are passed over, so the next one is not that
 * table's neighbour. */
static void source_seek(struct scan_tree *scan, struct scan_source *source, struct key key)
{
    struct table_cursor *cursor = source->cursor;
    assert(source->table != NULL);
    const struct key edge =
        scan->range.descending ? source->table->key_min : source->table->key_max;
    if (scan_is_before(scan, edge, key)) {
        table_cursor_stop(cursor);
        source->table = table_first(scan, source->run);
        source->is_ended = source->table == NULL;
        source->is_leaping = true;
        scan->counters.table_seeks += 1;
        return;
    }
    if (cursor->stage == TABLE_CURSOR_IDLE) return; /* it will start at the range's new end */

    const uint32_t leaf = cursor->leaf_index;
    const uint32_t block = cursor->block_index;
    if (table_cursor_seek(cursor, key) == PROGRESS_FAILED) {
        scan->failed = true;
        return;
    }
    /* From one block to the next one the scan may as well have stepped. */
    const uint32_t steps =
        scan->range.descending ? block - cursor->block_index : cursor->block_index - block;
    if (leaf != cursor->leaf_index || steps > 1) source->is_leaping = true;
    if (leaf == cursor->leaf_index && steps == 1) source->is_leaping = false;
    scan->counters.block_seeks += leaf != cursor->leaf_index || steps > 0;
    table_cursor_set_read_ahead(cursor, source->is_leaping ? 0 : SCAN_READ_AHEAD);
}

static void source_probe(struct scan_tree *scan, struct scan_source *source, struct key key)
{
    const bool was_waiting = source_is_waiting(source);
    source_skip(scan, source, key);
    if (source_is_waiting(source)) {
        if (!was_waiting && source->is_last_block) {
            source->is_ended = true;
            table_cursor_stop(source->cursor);
        } else {
            source_seek(scan, source, key);
        }
    }
    scan->waiting_count -= was_waiting;
    scan->waiting_count += source_is_waiting(source);
}

static void source_end(struct scan_source *source)
{
    source->begin = source->end;
    if (source->kind != SOURCE_LEVEL) return;
    source->is_ended = true;
    table_cursor_stop(source->cursor);
}

/* As long as the order is known, only those are touched that come before `key`. */
void scan_tree_probe(struct scan_tree *scan, struct key key)
{
    scan_check_snapshot(scan);
    scan->counters.probes += 1;
    struct scan_tree_range *range = &scan->range;
    struct key *bound = range->descending ? &range->key_max : &range->key_min;
    if (scan->failed || !scan_is_before(scan, *bound, key)) return;

    *bound = key;
    if (key_less(range->key_max, range->key_min)) {
        for (uint32_t number = 0; number < scan->source_count; number += 1)
            source_end(&scan->sources[number]);
        scan->waiting_count = 0;
        scan->has_order = false;
        scan->advance_top = false;
        return;
    }
    if (!scan->has_order || scan->waiting_count > 0) {
        for (uint32_t number = 0; number < scan->source_count; number += 1)
            source_probe(scan, &scan->sources[number], key);
        scan->has_order = false;
        assert(!scan->advance_top);
        return;
    }
    /* Ends: each turn passes a record. */
    while (scan->losers[0] != LOSER_ENDED && scan_is_before(scan, scan->loser_keys[0], key)) {
        scan->advance_top = false;
        source_probe(scan, &scan->sources[scan->losers[0]], key);
        order_replay(scan);
    }
}

/* ---- The unsorted records ------------------------------------------------------------------- */

/* Whether record a of the mutable table is to lie before b in the permutation: keys ascend, and of
 * equal keys the newest is met first, from whichever end the scan comes. */
static bool permuted_before(const struct scan_tree *scan, uint32_t a, uint32_t b)
{
    const struct tree *tree = scan->range.tree;
    const struct record_shape *shape = &tree->format.shape;
    const struct key key_a = record_key(shape, memory_table_at(tree->mutable, a));
    const struct key key_b = record_key(shape, memory_table_at(tree->mutable, b));
    const int order = key_compare(key_a, key_b);
    if (order != 0) return order < 0;
    return scan->range.descending ? a < b : a > b;
}

static void permutation_sift(struct scan_tree *scan, uint32_t root, uint32_t count)
{
    uint32_t *items = scan->permutation;
    const uint32_t moved = items[root];
    uint32_t hole = root;
    for (uint32_t child = 2 * hole + 1; child < count; child = 2 * hole + 1) { /* ends: at a leaf */
        if (child + 1 < count && permuted_before(scan, items[child], items[child + 1])) child += 1;
        if (!permuted_before(scan, moved, items[child])) break;
        items[hole] = items[child];
        hole = child;
    }
    items[hole] = moved;
}

/* Heap sort: needs no room. The order is total, as it ends with the record's number, so that it is
 * the same whatever the algorithm. Records that came in order, as in object trees, cost one
 * pass. */
static void permutation_sort(struct scan_tree *scan, uint32_t count)
{
    uint32_t sorted = 1;
    while (sorted < count &&
           permuted_before(scan, scan->permutation[sorted - 1], scan->permutation[sorted])) {
        sorted += 1; /* ends: counts up */
    }
    if (sorted >= count) return;

    for (uint32_t root = count / 2; root > 0; root -= 1)
        permutation_sift(scan, root - 1, count);
    for (uint32_t last = count - 1; last > 0; last -= 1) {
        const uint32_t highest = scan->permutation[0];
        scan->permutation[0] = scan->permutation[last];
        scan->permutation[last] = highest;
        permutation_sift(scan, 0, last);
    }
}

/* Lists the unsorted records of the range. False: they are too many. */
static bool permutation_fill(struct scan_tree *scan, uint32_t *count)
{
    const struct scan_tree_range *range = &scan->range;
    const struct memory_table *table = range->tree->mutable;
    const struct record_shape *shape = &range->tree->format.shape;
    *count = 0;
    for (uint32_t index = table->sorted_count; index < range->visible_count; index += 1) {
        const struct key key = record_key(shape, memory_table_at(table, index));
        if (key_less(key, range->key_min) || key_less(range->key_max, key)) continue;
        if (*count == scan->permutation_max) return false;
        scan->permutation[*count] = index;
        *count += 1;
    }
    permutation_sort(scan, *count);
    return true;
}

/* ---- The scan ------------------------------------------------------------------------------- */

static void source_add(struct scan_tree *scan, struct scan_source source)
{
    assert(scan->source_count < scan->sources_max);
    scan->sources[scan->source_count] = source;
    scan->source_count += 1;
    if (source.kind == SOURCE_LEVEL) scan->waiting_count += 1;
}

static void source_add_runs(struct scan_tree *scan, const struct memory_table *table)
{
    for (uint32_t index = table->run_count; index > 0; index -= 1) {
        const struct memory_run run = table->runs[index - 1];
        struct scan_source source = {
            .kind = SOURCE_SORTED, .records = memory_table_at(table, run.begin)};
        source_slice(scan, &source, run.end - run.begin);
        if (source_has_record(&source)) source_add(scan, source);
    }
}

/* The memory tables. False: too many unsorted records lie in the range; nothing was added. */
static bool source_add_memory(struct scan_tree *scan)
{
    const struct tree *tree = scan->range.tree;
    assert(scan->range.visible_count >= tree->mutable->sorted_count);
    assert(scan->range.visible_count <= tree->mutable->count);
    uint32_t permuted = 0;
    if (!permutation_fill(scan, &permuted)) return false;
    if (permuted > 0) {
        source_add(scan, (struct scan_source){.kind = SOURCE_PERMUTED, .end = permuted});
    }
    source_add_runs(scan, tree->mutable);
    source_add_runs(scan, tree->immutable);
    return true;
}

/* The runs on disk that have something in the range, newest first; they have no cursors yet. */
static void source_add_levels(struct scan_tree *scan)
{
    for (uint8_t number = 0; number < LEVELS; number += 1) {
        const struct manifest_level *level = &scan->range.tree->manifest.levels[number];
        for (uint32_t index = 0; index < level->run_count; index += 1) {
            const struct manifest_run *run = &level->runs[index];
            const struct table_info *table = table_first(scan, run);
            if (table == NULL) continue;
            source_add(
                scan, (struct scan_source){.kind = SOURCE_LEVEL, .run = run, .table = table}
            );
        }
    }
}

/* Gives each run its cursor, all or none. */
static bool source_take_cursors(struct scan_tree *scan)
{
    if (scan->waiting_count > scan->pool->free_count) return false;
    for (uint32_t number = 0; number < scan->source_count; number += 1) {
        struct scan_source *source = &scan->sources[number];
        if (source->kind == SOURCE_LEVEL) source->cursor = scan_pool_take(scan->pool);
    }
    return true;
}

enum tactus_status scan_tree_start(struct scan_tree *scan, const struct scan_tree_range *range)
{
    assert(!scan->open);
    const struct tree *tree = range->tree;
    assert(tree_snapshot_is_held(tree, range->snapshot));
    scan->range = *range;
    scan->reads_memory = tree_snapshot_is_newest(tree, range->snapshot);
    scan->counters = (struct scan_counters){0};
    scan->source_count = 0;
    scan->has_order = false;
    scan->waiting_count = 0;
    scan->has_last = false;
    scan->advance_top = false;
    scan->failed = false;
    if (key_less(range->key_max, range->key_min)) {
        scan->open = true; /* an empty range: the end comes at once */
        return TACTUS_OK;
    }

    if (scan->reads_memory && !source_add_memory(scan)) return TACTUS_LIMIT;
    source_add_levels(scan);
    scan->open = source_take_cursors(scan);
    return scan->open ? TACTUS_OK : TACTUS_LIMIT;
}

/* The winner's record was given out or passed over. */
static void scan_advance_top(struct scan_tree *scan)
{
    struct scan_source *source = &scan->sources[scan->losers[0]];
    scan->advance_top = false;
    source_pop(scan, source);
    if (!source_has_record(source) && source->kind == SOURCE_LEVEL) {
        const enum progress progress = source_next_block(scan, source);
        if (progress == PROGRESS_FAILED) scan->failed = true;
        if (progress == PROGRESS_WAIT) scan->waiting_count += 1;
    }
    order_replay(scan);
}

enum scan_result scan_tree_next(struct scan_tree *scan, const void **record)
{
    scan_check_snapshot(scan);
    while (true) { /* ends: each turn but the last passes a record */
        if (scan->advance_top) scan_advance_top(scan);
        if (scan->failed) return SCAN_FAILED;
        if (scan->waiting_count > 0) return SCAN_READ_AGAIN;
        if (!scan->has_order) order_make(scan);
        if (scan->losers[0] == LOSER_ENDED) return SCAN_END;

        const struct key key = scan->loser_keys[0];
        const bool is_older = scan->has_last && key_equal(scan->last, key);
        scan->advance_top = true;
        if (is_older) continue;
        scan->last = key;
        scan->has_last = true;
        const void *found = source_record(scan, &scan->sources[scan->losers[0]]);
        if (record_is_tombstone(&scan->range.tree->format.shape, found)) continue;
        scan->counters.records += 1;
        *record = found;
        return SCAN_RECORD;
    }
}

enum progress scan_tree_advance(struct scan_tree *scan)
{
    scan_check_snapshot(scan);
    if (scan->failed) return PROGRESS_FAILED;
    if (scan->waiting_count == 0) return PROGRESS_DONE;

    scan->waiting_count = 0;
    for (uint32_t number = 0; number < scan->source_count; number += 1) {
        struct scan_source *source = &scan->sources[number];
        if (source->kind != SOURCE_LEVEL) continue;
        if (source->is_ended || source_has_record(source)) continue; /* at hand, or done */
        const enum progress progress = source_fetch(scan, source);
        if (progress == PROGRESS_FAILED) {
            scan->failed = true;
            return PROGRESS_FAILED;
        }
        if (progress == PROGRESS_WAIT) {
            scan->waiting_count += 1;
        } else if (source_has_record(source)) {
            scan->has_order = false;
        }
    }
    return scan->waiting_count > 0 ? PROGRESS_WAIT : PROGRESS_DONE;
}

void scan_tree_stop(struct scan_tree *scan)
{
    for (uint32_t number = 0; scan->open && number < scan->source_count; number += 1) {
        struct scan_source *source = &scan->sources[number];
        if (source->kind != SOURCE_LEVEL) continue;
        table_cursor_stop(source->cursor);
        scan_pool_give_back(scan->pool, source->cursor);
    }
    scan->open = false;
}
