#include "lsm/compaction.h"

#include "base/assert.h"
#include "base/integer.h"
#include "lsm/compaction_pick.h"
#include "lsm/tree.h"

#include "base/poison.h"

/* ---- The pool ------------------------------------------------------------------------------- */

void compaction_pool_init(
    struct compaction_pool *pool,
    struct budget *budget,
    const struct compaction_pool_options *options
)
{
    assert(options->depth >= 1 && options->depth <= COMPACTION_DEPTH_MAX);
    *pool = (struct compaction_pool){
        .grid = options->grid,
        .supply = options->supply,
        .fault = options->fault,
        .read_ahead = options->depth - 1,
    };
    pool->block = budget_take(budget, 1, options->block_size, 64);
    uint32_t tables = 0;
    for (uint8_t level = 0; level < LEVELS; level += 1) {
        const uint32_t of_level =
            compaction_tables_max(options->runs_max, options->growth_factor, level);
        tables = max_u32(tables, of_level);
    }
    const uint32_t widest = run_limits_widest(options->runs_max);
    pool->taken = budget_take(budget, tables, sizeof *pool->taken, 8);
    if (widest > 1) {
        slice_merge_init(&pool->slices, budget, widest, options->block_size, pool->read_ahead);
    }
    pool->a.stage = TABLE_CURSOR_IDLE;
    pool->b[0].stage = TABLE_CURSOR_IDLE;
    pool->b[1].stage = TABLE_CURSOR_IDLE;
}

void compaction_pool_abandon(struct compaction_pool *pool)
{
    if (pool->user == NULL) return;
    if (pool->a.stage != TABLE_CURSOR_IDLE) table_cursor_stop(&pool->a);
    if (pool->b[0].stage != TABLE_CURSOR_IDLE) table_cursor_stop(&pool->b[0]);
    if (pool->b[1].stage != TABLE_CURSOR_IDLE) table_cursor_stop(&pool->b[1]);
    slice_merge_stop(&pool->slices);
    if (table_builder_is_open(&pool->builder)) table_builder_abandon(&pool->builder);
    pool->user->stage = COMPACTION_FAILED;
    pool->user = NULL;
}

static void cursor_begin(
    struct table_cursor *cursor, const struct compaction *compaction, const struct table_info *table
)
{
    assert(cursor->stage == TABLE_CURSOR_IDLE);
    struct tree *tree = compaction->tree;
    const struct table_cursor_options options = {
        .format = &tree->format,
        .grid = tree->options.shared->compaction->grid,
        .info = table,
        .key = table->key_min,
        .descending = false,
        .read_ahead = tree->options.shared->compaction->read_ahead,
    };
    table_cursor_start(cursor, &options);
}

/* ---- Selecting ------------------------------------------------------------------------------ */

static const struct manifest_level *level_of(const struct compaction *compaction, uint8_t level)
{
    return &compaction->tree->manifest.levels[level];
}

/* The run of level B that the outputs are to be of: without tables, if they begin it. */
static const struct manifest_run *run_b_of(const struct compaction *compaction)
{
    static const struct manifest_run none = {0};
    const struct manifest_run *run =
        manifest_level_find_run(level_of(compaction, compaction->level_b), compaction->run_b);
    return run == NULL ? &none : run;
}

static uint32_t runs_max_of(const struct compaction *compaction, uint8_t level)
{
    return compaction->tree->manifest.runs_max[level];
}

/* The tables of level B that overlap the range, and the union of both. */
static void select_overlap(struct compaction *compaction)
{
    const struct manifest_run *b = run_b_of(compaction);
    const struct table_info *table = manifest_run_at_or_above(b, compaction->key_min);
    const struct key key_max = compaction->key_max;
    compaction->b_first = NULL;
    compaction->b_count = 0;
    for (; table != NULL && !key_less(key_max, table->key_min);) {
        if (compaction->b_count == 0) compaction->b_first = table;
        compaction->b_count += 1;
        compaction->key_min = key_lower_of(compaction->key_min, table->key_min);
        compaction->key_max = key_higher_of(compaction->key_max, table->key_max);
        table = manifest_run_next(b, table);
    }
    assert((compaction->b_count == 0) == (compaction->b_first == NULL));
}

/* What the selected inputs hold. */
static uint64_t input_records(const struct compaction *compaction)
{
    const struct manifest_run *b = run_b_of(compaction);
    uint64_t count = 0;
    if (compaction->from_memory) count = compaction->tree->immutable->count;
    if (compaction->from_slice) count = compaction->slice.target;
    if (compaction->a != NULL) count = compaction->a->value_count;
    const struct table_info *table = compaction->b_first;
    for (uint32_t index = 0; index < compaction->b_count; index += 1) {
        count += table->value_count;
        table = manifest_run_next(b, table);
    }
    return count;
}

/* A merge makes full tables and one that is not. Where keys ascend in small flushes, or tombstones
 * come down and cancel, that one is often small, and a level would fill with such: each costs its
 * index blocks and a place under tables_max. So a merge takes in neighbours that it does not
 * overlap, first downwards, then upwards, while its last table has room for all that they hold: it
 * makes none more for them, and theirs are gone. The smaller of both is half a table at most; where
 * tables are nearly full nothing is taken. At most growth_factor tables of level B in all, as ever.
 * W and Z4 rely on it that a merge makes no more for them. */
static bool coalesce(
    struct compaction *compaction, uint64_t *records, const struct table_info *table
)
{
    const uint64_t capacity = compaction->tree->format.geometry.records_max;
    if (table == NULL) return false;
    if (compaction->b_count >= compaction->tree->manifest.growth_factor) return false;
    assert(*records > 0);
    const uint64_t last = (*records - 1) % capacity + 1; /* in the last table */
    if (last + table->value_count > capacity) return false;
    *records += table->value_count;
    compaction->b_count += 1;
    compaction->key_min = key_lower_of(compaction->key_min, table->key_min);
    compaction->key_max = key_higher_of(compaction->key_max, table->key_max);
    return true;
}

static void select_neighbours(struct compaction *compaction)
{
    const uint32_t before = compaction->b_count;
    const struct manifest_run *level = run_b_of(compaction);
    const struct table_info *last = compaction->b_first;
    for (uint32_t index = 1; index < before; index += 1)
        last = manifest_run_next(level, last);
    const struct table_info *lower = compaction->b_first != NULL
                                         ? manifest_run_previous(level, compaction->b_first)
                                         : manifest_run_at_or_below(level, compaction->key_min);
    const struct table_info *upper = last != NULL
                                         ? manifest_run_next(level, last)
                                         : manifest_run_at_or_above(level, compaction->key_max);
    uint64_t records = input_records(compaction);
    while (coalesce(compaction, &records, lower)) { /* at most growth_factor turns */
        compaction->b_first = lower;
        lower = manifest_run_previous(level, lower);
    }
    while (coalesce(compaction, &records, upper)) { /* likewise */
        if (compaction->b_first == NULL) compaction->b_first = upper;
        upper = manifest_run_next(level, upper);
    }
    compaction->now.tables_coalesced = compaction->b_count - before;
}

/* R9. Asked at the opening of a bar's second half: half a bar's records are still to come, at most,
 * and then what is immutable and what is mutable now fit one table. So a small table is not written
 * for itself: it takes in the next one (tree_end_bar). */
static bool has_room_for_another_bar(const struct tree *tree)
{
    const uint64_t full = tree->options.value_count_max;
    const uint64_t records = (uint64_t)tree->immutable->count + tree->settled_count;
    return records + div_ceil_u64(full, 2) <= full;
}

static bool select_immutable(struct compaction *compaction, bool may_defer)
{
    const struct memory_table *immutable = compaction->tree->immutable;
    if (immutable->count == 0) return false;
    if (may_defer && has_room_for_another_bar(compaction->tree)) {
        compaction->total.deferrals += 1;
        return false;
    }
    compaction->from_memory = true;
    compaction->key_min = memory_table_key_min(immutable);
    compaction->key_max = memory_table_key_max(immutable);
    return true;
}

static bool select_table(struct compaction *compaction, bool in_haste)
{
    const struct manifest *manifest = &compaction->tree->manifest;
    const uint8_t level_a = (uint8_t)(compaction->level_b - 1);
    const struct manifest_run *a = manifest_level_sole(level_of(compaction, level_a));
    assert(a->count <= manifest_level_count_max(manifest, level_a) + 1);
    const bool must = a->count >= manifest_level_limit(manifest, level_a);
    const bool haste_decides = in_haste && !must;
    if (!haste_decides && a->count < manifest_level_relief(manifest, level_a)) return false;

    const struct compaction_choice choice =
        haste_decides ? compaction_pick_in_haste(manifest, level_a)
                      : compaction_pick(a, run_b_of(compaction), manifest->growth_factor);
    assert(choice.table != NULL || haste_decides); /* exists: compaction_pick.h */
    if (choice.table == NULL) return false;
    compaction->a = choice.table;
    compaction->key_min = choice.table->key_min;
    compaction->key_max = choice.table->key_max;
    return true;
}

/* Whether a table of a group that is this run takes one off what the group may make (Z4). */
static bool may_move(
    const struct compaction *compaction,
    const struct manifest_run *run,
    const struct table_info *table
)
{
    if (!table->is_trimmed) return true;
    const uint64_t capacity = compaction->tree->format.geometry.records_max;
    uint64_t trimmed = 0;
    const struct table_info *at = manifest_run_first(run);
    for (; at != NULL; at = manifest_run_next(run, at))
        trimmed += at->is_trimmed ? at->value_count : 0;
    return div_ceil_u64(trimmed - table->value_count, capacity) < div_ceil_u64(trimmed, capacity);
}

/* One table of a group that is a single run. Into one run, as from a level of one run: that which
 * overlaps least, but it may overlap all of it. Into a level of several, the lowest: so the next
 * ones lie above it. False: it has to go down with others. */
static bool select_from_run(struct compaction *compaction, const struct manifest_run *run)
{
    const bool has_runs_b = runs_max_of(compaction, compaction->level_b) > 1;
    const struct table_info *table =
        has_runs_b ? manifest_run_first(run)
                   : compaction_pick(run, run_b_of(compaction), UINT32_MAX - 1).table;
    assert(table != NULL);
    if (!may_move(compaction, run, table)) return false;
    compaction->a = table;
    compaction->key_min = table->key_min;
    compaction->key_max = table->key_max;
    return true;
}

/* What goes down of a level of several runs. If the blocks that decide it cannot be read, it has
 * failed, and says so when its work begins. */
static bool select_group(struct compaction *compaction, bool in_haste)
{
    const struct manifest *manifest = &compaction->tree->manifest;
    const uint8_t level_a = (uint8_t)(compaction->level_b - 1);
    const struct manifest_level *level = level_of(compaction, level_a);
    const struct run_limits limits = run_limits_of(manifest->runs_max, level_a);
    const struct run_group group = run_group_oldest(level);
    if (group.table_count == 0) return false;
    if (!run_group_is_due(level, &group, limits.complete) && !in_haste) return false;

    const uint32_t bars_left = run_group_bars_left(manifest->levels, manifest->runs_max, level_a);
    if (group.run_count == 1 && group.table_count <= bars_left &&
        select_from_run(compaction, &level->runs[group.first])) {
        return true;
    }
    struct lsm_shared *shared = compaction->tree->options.shared;
    struct slice *slice = &compaction->slice;
    const enum tactus_status status =
        slice_select(slice, level, &group, bars_left, &compaction->tree->format, shared->grid);
    if (status != TACTUS_OK) {
        (void)fault_set(shared->compaction->fault, *shared->grid->options.fault);
        compaction->stage = COMPACTION_FAILED;
        return true;
    }
    compaction->from_slice = true;
    compaction->slice_run = level->runs[group.first].number;
    compaction->key_min = slice->key_min;
    compaction->key_max = slice->key_max;
    return true;
}

static bool select_side_a(struct compaction *compaction, const struct compaction_terms *terms)
{
    if (compaction->level_b == 0) return select_immutable(compaction, terms->may_defer);
    if (runs_max_of(compaction, (uint8_t)(compaction->level_b - 1)) > 1) {
        return select_group(compaction, terms->in_haste);
    }
    return select_table(compaction, terms->in_haste);
}

/* Whether this bar has taken a slice of level B's newest group, which then takes nothing more: else
 * what comes could go down before all that was there, again and again. Asked of levels that give in
 * a bar's first half and take in its second; those with odd numbers take first, and what the bar
 * before did is not known in a file just opened. */
static bool is_sliced(const struct compaction *compaction)
{
    const uint8_t level_b = compaction->level_b;
    if (level_b % 2 != 0) return false;
    const struct compaction *given = &compaction->tree->compactions[level_b + 1];
    const struct manifest_level *level = level_of(compaction, level_b);
    if (!given->from_slice || level->run_count == 0) return false;
    return given->slice_run % 2 == level->runs[0].number % 2; /* the group's bit: run_group.h */
}

/* Whether nothing older than the inputs has keys of their range (R17). Older runs of level A there
 * are none: the oldest group goes down first. */
static bool is_bottom(const struct compaction *compaction)
{
    const struct manifest_level *b = level_of(compaction, compaction->level_b);
    for (uint32_t index = 0; index < b->run_count; index += 1) {
        const struct manifest_run *run = &b->runs[index];
        if (run->number >= compaction->run_b) continue;
        if (manifest_run_overlaps(run, compaction->key_min, compaction->key_max)) return false;
    }
    return manifest_is_bottom(
        &compaction->tree->manifest, compaction->level_b, compaction->key_min, compaction->key_max
    );
}

/* Tables of level B that it may rewrite. */
static uint64_t overlap_max(const struct compaction *compaction)
{
    const struct manifest *manifest = &compaction->tree->manifest;
    if (compaction->level_b == 0 ||
        runs_max_of(compaction, (uint8_t)(compaction->level_b - 1)) == 1)
        return manifest->growth_factor;
    if (runs_max_of(compaction, compaction->level_b) > 1) return manifest->growth_factor;
    return manifest_level_count_max(manifest, compaction->level_b);
}

bool compaction_select(struct compaction *compaction, const struct compaction_terms *terms)
{
    assert(compaction->stage == COMPACTION_IDLE);
    assert(compaction->level_b < LEVELS);
    assert(terms->snapshot_min > 0);
    compaction->snapshot_min = terms->snapshot_min;
    compaction->from_memory = false;
    compaction->from_slice = false;
    compaction->run_b = 0;
    compaction->a = NULL;
    compaction->b_first = NULL;
    compaction->b_count = 0;
    compaction->move_table = false;
    compaction->output_count = 0;
    compaction->record_count = 0;
    compaction->now = (struct compaction_counters){0};
    if (!select_side_a(compaction, terms)) return false;
    if (compaction->stage == COMPACTION_FAILED) {
        compaction->record_count = 1; /* so that a beat comes to it */
        return true;
    }
    const struct run_limits limits =
        run_limits_of(compaction->tree->manifest.runs_max, compaction->level_b);
    if (limits.runs > 1) {
        compaction->run_b = run_group_join(
            level_of(compaction, compaction->level_b),
            &limits,
            is_sliced(compaction),
            compaction->key_min,
            compaction->key_max,
            compaction->snapshot_min
        );
    }
    select_overlap(compaction);
    if (terms->coalesces) select_neighbours(compaction);
    assert(compaction->b_count <= overlap_max(compaction));
    compaction->drop_tombstones = is_bottom(compaction);
    /* A table is not moved to where its tombstones would be left out: nothing came to do so. */
    const bool would_drop =
        compaction->drop_tombstones && compaction->a != NULL && compaction->a->has_tombstones;
    compaction->move_table = compaction->a != NULL && compaction->b_count == 0 && !would_drop;
    if (compaction->move_table) {
        compaction->now.tables_moved = 1;
        compaction->stage = COMPACTION_FINISHED;
        return true;
    }
    compaction->record_count = input_records(compaction);
    compaction->stage = COMPACTION_SELECTED;
    return true;
}

bool compaction_is_selected(const struct compaction *compaction)
{
    return compaction->stage != COMPACTION_IDLE;
}

uint64_t compaction_record_count(const struct compaction *compaction)
{
    assert(compaction->stage != COMPACTION_IDLE);
    return compaction->record_count;
}

uint64_t compaction_record_done(const struct compaction *compaction)
{
    return min_u64(compaction->now.records_in, compaction->record_count);
}

bool compaction_is_finished(const struct compaction *compaction)
{
    return compaction->stage == COMPACTION_FINISHED;
}

/* Of r records a block, a beat that starts with at most r - 1 in the block at hand and goes on by
 * `records` closes at most ceil(records / r) + 1 value blocks: its last step, which may go beyond,
 * fills one. In tables of v blocks, of which at most v - 1 were closed before, n + 1 more lie in at
 * most ceil(n / v) + 1 of them; each may get all of its leaves, its filter and its root. */
uint64_t compaction_blocks_extra(const struct table_geometry *geometry)
{
    const uint64_t index_blocks = geometry->blocks_max - geometry->value_blocks_max;
    return 1 + 2 * index_blocks;
}

uint64_t compaction_block_count_max(const struct compaction *compaction, uint64_t records)
{
    if (records == 0) return 0;
    const struct table_geometry *geometry = &compaction->tree->format.geometry;
    const uint64_t value_blocks = div_ceil_u64(records, geometry->records_per_block);
    const uint64_t tables = div_ceil_u64(value_blocks, geometry->value_blocks_max) - 1;
    const uint64_t index_blocks = geometry->blocks_max - geometry->value_blocks_max;
    return value_blocks + tables * index_blocks + compaction_blocks_extra(geometry);
}

/* Outputs are full but for the last one. */
static uint64_t outputs_max(const struct compaction *compaction)
{
    return compaction->b_count + (compaction->from_slice ? compaction->slice.tables_worth : 1);
}

uint64_t compaction_entry_count_max(const struct compaction *compaction)
{
    assert(compaction->stage != COMPACTION_IDLE);
    if (compaction->move_table) return 1;
    uint64_t inputs = compaction->b_count;
    uint64_t trimmed = 0;
    if (compaction->a != NULL) inputs += 1;
    if (compaction->from_slice) {
        inputs += compaction->slice.input_count;
        trimmed = compaction->slice.input_count;
    }
    /* an update and a remove each, an insert each */
    return inputs * 2 + outputs_max(compaction) + trimmed;
}

/* ---- Merging -------------------------------------------------------------------------------- */

/* What a side has at hand. `count` of 0: it has come to its end for good, unless is_passing. */
struct side {
    const void *records;
    uint32_t count;
    bool is_passing; /* all that this step came to is gone; there is more to come */
};

static bool compaction_corrupt(
    struct compaction *compaction, const struct table_info *table, const char *what
)
{
    const struct fault fault = {
        .status = TACTUS_CORRUPT,
        .zone = FAULT_ZONE_GRID,
        .what = what,
        .address = table == NULL ? 0 : table->address,
        .block_type = table == NULL ? 0 : BLOCK_ROOT,
        .level = table == NULL ? compaction->level_b : table->level,
        .tree = compaction->tree->options.id};
    (void)fault_set(compaction->tree->options.shared->compaction->fault, fault);
    return false;
}

/* What a cursor has at hand behind `position`; nothing, if its table has ended. The table's records
 * are counted against what the manifest says before any is used: the reservation relies on it. */
static enum progress cursor_prepare(
    struct compaction *compaction,
    struct table_cursor *cursor,
    uint32_t position,
    uint64_t consumed,
    struct side *side
)
{
    const enum progress progress = table_cursor_advance(cursor);
    if (progress != PROGRESS_DONE) return progress;
    if (table_cursor_is_end(cursor)) {
        if (consumed == cursor->info.value_count) return PROGRESS_DONE;
        (void)compaction_corrupt(compaction, &cursor->info, "a table has too few records");
        return PROGRESS_FAILED;
    }
    assert(position < cursor->count);
    side->count = cursor->count - position;
    side->records = (const uint8_t *)cursor->records +
                    (uint64_t)position * compaction->tree->format.shape.record_size;
    if (consumed + side->count <= cursor->info.value_count) return PROGRESS_DONE;
    (void)compaction_corrupt(compaction, &cursor->info, "a table has too many records");
    return PROGRESS_FAILED;
}

/* So many records of the block at hand were consumed; with the last one, goes on to the next block
 * and lets go of those behind. False, with the fault set: the table has more blocks than it can. */
static bool cursor_consume(
    struct compaction *compaction,
    struct table_cursor *cursor,
    uint32_t *position,
    uint64_t *consumed,
    uint32_t count
)
{
    struct block_supply *supply = compaction->tree->options.shared->compaction->supply;
    *position += count;
    *consumed += count;
    assert(*position <= cursor->count);
    if (*position < cursor->count) return true;

    *position = 0;
    table_cursor_next(cursor);
    for (uint32_t index = 0; index < cursor->finished_count; index += 1) {
        const uint64_t address = table_cursor_finished(cursor, index);
        if (block_supply_release(supply, address)) continue;
        return compaction_corrupt(compaction, &cursor->info, "a table has too many blocks");
    }
    return true;
}

/* What met its like within the immutable table counts with the piece that it went out of. */
static void piece_count(struct compaction *compaction, const struct run_merge_piece *piece)
{
    struct compaction_counters *now = &compaction->now;
    now->records_in += piece->consumed - piece->count;
    now->records_replaced += piece->replaced;
    now->records_cancelled += (uint64_t)piece->cancelled * 2;
}

static enum progress piece_next(struct compaction *compaction, struct run_merge_piece *piece)
{
    struct compaction_pool *pool = compaction->tree->options.shared->compaction;
    if (compaction->from_memory) {
        const uint32_t input_max = compaction->tree->format.geometry.records_per_block;
        *piece = run_merge_next(&pool->runs, pool->block, input_max);
        return PROGRESS_DONE;
    }
    const enum progress progress = slice_merge_next(&pool->slices);
    if (progress == PROGRESS_DONE) *piece = pool->slices.piece;
    if (progress == PROGRESS_FAILED && pool->slices.fault != NULL) {
        (void)compaction_corrupt(compaction, pool->slices.faulty, pool->slices.fault);
    }
    return progress;
}

/* The next piece of the immutable table, or of the slice, made of no more records than a value
 * block has; of a slice, those of the last one's key besides. */
static enum progress side_pieces_prepare(struct compaction *compaction, struct side *side)
{
    struct compaction_pool *pool = compaction->tree->options.shared->compaction;
    struct run_merge_piece *piece = &pool->piece;
    if (pool->piece_position == piece->count) {
        const enum progress progress = piece_next(compaction, piece);
        if (progress != PROGRESS_DONE) return progress;
        pool->piece_position = 0;
        if (piece->count == 0) piece_count(compaction, piece);
        side->is_passing = piece->count == 0 && piece->consumed > 0;
    }
    side->count = piece->count - pool->piece_position;
    if (side->count == 0) return PROGRESS_DONE;
    side->records = (const uint8_t *)piece->records +
                    (uint64_t)pool->piece_position * compaction->tree->format.shape.record_size;
    return PROGRESS_DONE;
}

/* A piece counts when its first record does: not when it is made, as the other side may still have
 * to be waited for then, and what was counted must not depend on that. */
static void side_pieces_consume(struct compaction *compaction, uint32_t count)
{
    struct compaction_pool *pool = compaction->tree->options.shared->compaction;
    if (count == 0) return;
    if (pool->piece_position == 0) piece_count(compaction, &pool->piece);
    pool->piece_position += count;
    assert(pool->piece_position <= pool->piece.count);
}

static enum progress side_a_prepare(struct compaction *compaction, struct side *side)
{
    struct compaction_pool *pool = compaction->tree->options.shared->compaction;
    if (compaction->a == NULL) return side_pieces_prepare(compaction, side);
    return cursor_prepare(compaction, &pool->a, pool->a_position, pool->a_consumed, side);
}

/* Starts on the current table of B, and on the one after it if anything is read ahead. */
static void side_b_begin(struct compaction *compaction, struct compaction_pool *pool)
{
    const struct manifest_run *b = run_b_of(compaction);
    struct table_cursor *current = &pool->b[pool->b_current];
    if (pool->b_left > 0 && current->stage == TABLE_CURSOR_IDLE) {
        cursor_begin(current, compaction, pool->b_table);
    }
    if (pool->b_left <= 1 || pool->read_ahead == 0) return;
    cursor_begin(&pool->b[pool->b_current ^ 1], compaction, manifest_run_next(b, pool->b_table));
}

/* The current table of B has ended: its neighbour, which may be on its way, takes its place. */
static void side_b_next_table(struct compaction *compaction, struct compaction_pool *pool)
{
    assert(pool->b_left > 0);
    assert(pool->b_position == 0);
    table_cursor_stop(&pool->b[pool->b_current]);
    pool->b_left -= 1;
    pool->b_consumed = 0;
    pool->b_table =
        pool->b_left == 0 ? NULL : manifest_run_next(run_b_of(compaction), pool->b_table);
    pool->b_current ^= 1;
    side_b_begin(compaction, pool);
}

static enum progress side_b_prepare(struct compaction *compaction, struct side *side)
{
    struct compaction_pool *pool = compaction->tree->options.shared->compaction;
    while (pool->b_left > 0) { /* at most b_count turns */
        struct table_cursor *current = &pool->b[pool->b_current];
        struct table_cursor *next = &pool->b[pool->b_current ^ 1];
        if (next->stage != TABLE_CURSOR_IDLE && table_cursor_advance(next) == PROGRESS_FAILED) {
            return PROGRESS_FAILED;
        }
        const enum progress progress =
            cursor_prepare(compaction, current, pool->b_position, pool->b_consumed, side);
        if (progress != PROGRESS_DONE || side->count > 0) return progress;
        side_b_next_table(compaction, pool);
    }
    return PROGRESS_DONE;
}

static void output_finish(struct compaction *compaction, struct compaction_pool *pool)
{
    assert(compaction->output_count < outputs_max(compaction));
    struct table_info *output = &compaction->outputs[compaction->output_count];
    table_builder_finish(&pool->builder, output);
    output->level = compaction->level_b;
    output->run = compaction->run_b;
    assert(output->tree == compaction->tree->options.id);
    assert(!key_less(output->key_min, compaction->key_min));
    assert(!key_less(compaction->key_max, output->key_max));
    compaction->output_count += 1;
}

static bool merge_consume(struct compaction *compaction, const struct merge *merge)
{
    struct compaction_pool *pool = compaction->tree->options.shared->compaction;
    struct compaction_counters *now = &compaction->now;
    now->records_in += (uint64_t)merge->consumed_a + merge->consumed_b;
    now->records_out += merge->produced;
    now->records_dropped += merge->dropped;
    now->records_replaced += merge->shadowed;
    now->records_cancelled += (uint64_t)merge->cancelled * 2;
    if (merge->conflicts > 0) {
        return compaction_corrupt(compaction, NULL, "an index holds a key twice");
    }
    if (compaction->a == NULL) {
        side_pieces_consume(compaction, merge->consumed_a);
    } else if (merge->consumed_a > 0) {
        const bool consumed = cursor_consume(
            compaction, &pool->a, &pool->a_position, &pool->a_consumed, merge->consumed_a
        );
        if (!consumed) return false;
    }
    if (merge->consumed_b == 0) return true;
    struct table_cursor *b = &pool->b[pool->b_current];
    return cursor_consume(compaction, b, &pool->b_position, &pool->b_consumed, merge->consumed_b);
}

/* One merge step into the value block being built. */
static bool compaction_merge(struct compaction *compaction, struct side a, struct side b)
{
    const struct tree *tree = compaction->tree;
    struct compaction_pool *pool = tree->options.shared->compaction;
    const uint32_t taken = pool->supply->taken;
    if (!table_builder_is_open(&pool->builder)) {
        table_builder_begin(&pool->builder, compaction->snapshot_min);
    }
    struct merge merge = {
        .a = a.records,
        .b = b.records,
        .a_count = a.count,
        .b_count = b.count,
        .drop_tombstones = compaction->drop_tombstones,
        .cancel = tree->options.usage == TREE_INDEX,
    };
    merge.target = table_builder_space(&pool->builder, &merge.target_count);
    tree->format.kernels->merge(&tree->format.shape, &merge);
    merge_check(&merge);
    assert(merge.consumed_a + merge.consumed_b > 0);
    table_builder_advance(&pool->builder, merge.produced);
    if (table_builder_is_full(&pool->builder)) output_finish(compaction, pool);
    compaction->now.blocks_out += pool->supply->taken - taken;
    return merge_consume(compaction, &merge);
}

static void compaction_done(struct compaction *compaction, struct compaction_pool *pool)
{
    const uint32_t taken = pool->supply->taken;
    if (table_builder_is_open(&pool->builder)) {
        if (table_builder_is_empty(&pool->builder)) {
            table_builder_abandon(&pool->builder);
        } else {
            output_finish(compaction, pool);
        }
    }
    if (pool->a.stage != TABLE_CURSOR_IDLE) table_cursor_stop(&pool->a);

    struct compaction_counters *now = &compaction->now;
    assert(!compaction->from_memory || pool->runs.remaining == 0);
    now->merges = 1;
    now->tables_in = compaction->b_count + (compaction->a != NULL ? 1U : 0U);
    if (compaction->from_slice) {
        slice_merge_stop(&pool->slices);
        slice_finish(&compaction->slice);
        now->tables_in += compaction->slice.input_count;
        now->tables_trimmed = slice_trimmed_count(&compaction->slice);
        now->slices = 1;
    }
    now->tables_out = compaction->output_count;
    now->blocks_out += pool->supply->taken - taken;
    assert(
        now->records_in ==
        now->records_out + now->records_dropped + now->records_replaced + now->records_cancelled
    );
    assert(compaction_record_done(compaction) == compaction_record_count(compaction));
    assert(now->records_in == compaction->record_count || compaction->from_slice);
    pool->user = NULL;
    compaction->stage = COMPACTION_FINISHED;
}

void compaction_begin(struct compaction *compaction)
{
    assert(compaction->stage == COMPACTION_SELECTED);
    struct compaction_pool *pool = compaction->tree->options.shared->compaction;
    assert(pool->user == NULL);
    pool->user = compaction;
    pool->a_position = 0;
    pool->b_position = 0;
    pool->a_consumed = 0;
    pool->b_consumed = 0;
    pool->b_current = 0;
    pool->b_left = compaction->b_count;
    pool->b_table = compaction->b_first;
    uint64_t *hashes = compaction->tree->options.shared->filter_hashes;
    table_builder_init(&pool->builder, &compaction->tree->format, pool->grid, pool->supply, hashes);

    pool->piece = (struct run_merge_piece){0};
    pool->piece_position = 0;
    if (compaction->from_memory) run_merge_begin(&pool->runs, compaction->tree->immutable);
    if (compaction->from_slice) {
        const struct slice_merge_options slice = {
            .format = &compaction->tree->format,
            .grid = pool->grid,
            .supply = pool->supply,
            .slice = &compaction->slice,
            .cancel = compaction->tree->options.usage == TREE_INDEX,
        };
        slice_merge_begin(&pool->slices, &slice);
    }
    if (compaction->a != NULL) cursor_begin(&pool->a, compaction, compaction->a);
    side_b_begin(compaction, pool);
    compaction->stage = COMPACTION_RUNNING;
}

/* Whether the beat's share is done. With the last record there is still the last table to be
 * finished, in the same beat. */
static bool target_is_reached(const struct compaction *compaction, uint64_t target)
{
    const uint64_t done = compaction->now.records_in;
    return done >= target && done < compaction_record_count(compaction);
}

/* All control flow of a compaction. Each turn consumes records, so the loop takes at most as many
 * turns as there are records, but for the last. */
enum progress compaction_advance(struct compaction *compaction, uint64_t target)
{
    struct compaction_pool *pool = compaction->tree->options.shared->compaction;
    while (compaction->stage == COMPACTION_RUNNING && !target_is_reached(compaction, target)) {
        assert(pool->user == compaction);
        struct side a = {0};
        struct side b = {0};
        const enum progress progress_a = side_a_prepare(compaction, &a);
        if (a.is_passing) continue;
        const enum progress progress_b =
            progress_a == PROGRESS_FAILED ? PROGRESS_FAILED : side_b_prepare(compaction, &b);
        if (progress_a == PROGRESS_FAILED || progress_b == PROGRESS_FAILED) {
            compaction_pool_abandon(pool);
        } else if (progress_a == PROGRESS_WAIT || progress_b == PROGRESS_WAIT) {
            return PROGRESS_WAIT;
        } else if (a.count == 0 && b.count == 0) {
            compaction_done(compaction, pool);
        } else if (!compaction_merge(compaction, a, b)) {
            compaction_pool_abandon(pool);
        }
    }
    assert(compaction->stage != COMPACTION_IDLE && compaction->stage != COMPACTION_SELECTED);
    return compaction->stage == COMPACTION_FAILED ? PROGRESS_FAILED : PROGRESS_DONE;
}

/* ---- Applying ------------------------------------------------------------------------------- */

static void counters_add(struct compaction_counters *total, const struct compaction_counters *now)
{
    total->merges += now->merges;
    total->tables_in += now->tables_in;
    total->tables_out += now->tables_out;
    total->blocks_out += now->blocks_out;
    total->tables_moved += now->tables_moved;
    total->tables_trimmed += now->tables_trimmed;
    total->slices += now->slices;
    total->tables_coalesced += now->tables_coalesced;
    total->records_in += now->records_in;
    total->records_out += now->records_out;
    total->records_dropped += now->records_dropped;
    total->records_replaced += now->records_replaced;
    total->records_cancelled += now->records_cancelled;
}

/* What is left of a table of a slice is seen from now on; it may be nothing. */
static void apply_trim(
    struct compaction *compaction, struct table_info *table, const struct slice_input *input
)
{
    const struct slice *slice = &compaction->slice;
    table->snapshot_max = compaction->snapshot_min - 1;
    manifest_remove(&compaction->tree->manifest, table);
    if (input->consumed == table->value_count) return;
    struct table_info rest = *table;
    rest.key_min = key_successor(slice->end);
    rest.value_count -= (uint32_t)input->consumed;
    rest.snapshot_min = compaction->snapshot_min;
    rest.snapshot_max = UINT64_MAX;
    rest.is_trimmed = true;
    manifest_insert(&compaction->tree->manifest, &rest);
}

/* Closes and takes one input. */
static void apply_take(
    struct compaction *compaction, const struct table_info *table, uint32_t place
)
{
    struct manifest *manifest = &compaction->tree->manifest;
    const uint64_t snapshot_max = compaction->snapshot_min - 1;
    struct table_info *taken = compaction->tree->options.shared->compaction->taken;
    manifest_close(manifest, table, snapshot_max);
    taken[place] = manifest_take(manifest, table);
    taken[place].snapshot_max = snapshot_max;
}

static void apply_merge(struct compaction *compaction)
{
    struct manifest *manifest = &compaction->tree->manifest;
    struct table_info *taken = compaction->tree->options.shared->compaction->taken;
    const uint32_t met = compaction->from_slice ? compaction->slice.input_count : 0;
    uint32_t place = 0;
    for (; place < met; place += 1)
        apply_take(compaction, compaction->slice.inputs[place].table, place);
    if (compaction->a != NULL) apply_take(compaction, compaction->a, place);
    const uint32_t count_a = met + (compaction->a != NULL ? 1 : 0);

    const struct table_info *table = compaction->b_first;
    for (uint32_t index = 0; index < compaction->b_count; index += 1) {
        const struct table_info *next = manifest_run_next(run_b_of(compaction), table);
        apply_take(compaction, table, count_a + index);
        table = next;
    }
    for (uint32_t index = 0; index < compaction->output_count; index += 1) {
        manifest_insert(manifest, &compaction->outputs[index]);
    }
    for (uint32_t index = compaction->b_count; index > 0; index -= 1) {
        manifest_remove(manifest, &taken[count_a + index - 1]);
    }
    if (compaction->a != NULL) manifest_remove(manifest, &taken[0]);
    for (uint32_t index = 0; index < met; index += 1)
        apply_trim(compaction, &taken[index], &compaction->slice.inputs[index]);
}

void compaction_apply(struct compaction *compaction)
{
    assert(compaction->stage == COMPACTION_FINISHED);
    if (compaction->move_table) {
        manifest_move(&compaction->tree->manifest, compaction->a, compaction->run_b);
    } else {
        apply_merge(compaction);
    }
    if (compaction->from_memory) tree_immutable_reset(compaction->tree);
    counters_add(&compaction->total, &compaction->now);
    compaction->a = NULL;
    compaction->b_first = NULL;
    compaction->stage = COMPACTION_IDLE;
}
