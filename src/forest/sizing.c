#include "forest/sizing.h"

#include "base/assert.h"
#include "base/integer.h"
#include "forest/codec.h"
#include "forest/event.h"
#include "lsm/manifest_log.h"
#include "lsm/slice.h"
#include "storage/block.h"
#include "storage/layout.h"

#include <stddef.h>
#include <string.h>

#include "base/poison.h"

enum {
    KIB = 1 << 10,
    MIB = 1 << 20,
    MEMORY_DEFAULT = 16 * MIB,
    BLOCK_SIZE_DEFAULT = 32 * KIB,
    BLOCKS_DEFAULT = 1 << 25, /* of size_max */
    GROWTH_FACTOR_DEFAULT = 8,
    SNAPSHOTS_DEFAULT = 4,
    BATCH_MIN_DEFAULT = 64, /* the least that is chosen; less may be given */
    BATCH_MAX_DEFAULT = 8192,
    SECTOR = 4096,
    TABLES_KEPT_FREE = 10 /* of a tree, of tables_max */
};

static uint32_t block_body(const struct sizing *sizing)
{
    return sizing->block_size - BLOCK_HEADER_SIZE;
}

/* ---- Options in their range ----------------------------------------------------------------- */

static enum tactus_status refuse_range(
    struct text_error *error, const char *option, uint64_t given, const char *range
)
{
    text_error_set(
        error, 0, 0, "%s is %llu: it must be %s", option, (unsigned long long)given, range
    );
    return TACTUS_MISUSE;
}

/* Takes over what is given, and checks it; what is not given stays 0 where it needs the schema. */
static enum tactus_status take_numbers(
    const struct tactus_create_options *options, struct sizing *sizing, struct text_error *error
)
{
    sizing->batch_max = options->batch_max;
    sizing->bar_beats = options->bar_beats;
    sizing->growth_factor = options->growth_factor;
    sizing->tables_max = options->tables_max;
    sizing->keep = options->keep;
    sizing->snapshots_max = options->snapshots_max;
    if (sizing->growth_factor == 0) sizing->growth_factor = GROWTH_FACTOR_DEFAULT;
    if (sizing->keep == 0) sizing->keep = 1;
    if (sizing->snapshots_max == 0) sizing->snapshots_max = SNAPSHOTS_DEFAULT;

    if (sizing->batch_max > BATCH_MAX_MAX) {
        return refuse_range(error, "batch", sizing->batch_max, "1 to 65,536");
    }
    const uint32_t bar = sizing->bar_beats;
    if (bar != 0 && (bar < BAR_BEATS_MIN || bar > BAR_BEATS_MAX || bar % 2 != 0)) {
        return refuse_range(error, "bar", bar, "an even number, 4 to 64");
    }
    if (sizing->growth_factor < GROWTH_FACTOR_MIN || sizing->growth_factor > GROWTH_FACTOR_MAX) {
        return refuse_range(error, "growth", sizing->growth_factor, "2 to 16");
    }
    if (sizing->tables_max > TABLES_LIMIT) {
        return refuse_range(error, "tables-max", sizing->tables_max, "at most 268,435,456");
    }
    if (sizing->snapshots_max > SNAPSHOTS_MAX_MAX) {
        return refuse_range(error, "snapshots-max", sizing->snapshots_max, "1 to 64");
    }
    if (sizing->keep > KEEP_MAX) {
        return refuse_range(error, "keep", sizing->keep, "1 to 8");
    }
    for (uint32_t i = 0; i < SUPERBLOCK_LEVELS; i += 1) {
        sizing->runs_max[i] = options->runs_max[i] == 0 ? 1 : options->runs_max[i];
        if (sizing->runs_max[i] > RUNS_MAX_MAX) {
            return refuse_range(error, "runs", sizing->runs_max[i], "1 to 64");
        }
    }
    const char *fault = run_limits_fault(sizing->runs_max);
    if (fault == NULL) return TACTUS_OK;
    text_error_set(error, 0, 0, "runs cannot be so: %s", fault);
    return TACTUS_MISUSE;
}

static enum tactus_status take_sizes(
    const struct tactus_create_options *options, struct sizing *sizing, struct text_error *error
)
{
    sizing->memory_bytes = options->memory_bytes == 0 ? MEMORY_DEFAULT : options->memory_bytes;
    sizing->block_size = options->block_size == 0 ? BLOCK_SIZE_DEFAULT : options->block_size;
    const uint32_t block = sizing->block_size;
    if (!is_power_of_two(block) || block < BLOCK_SIZE_MIN || block > BLOCK_SIZE_MAX) {
        return refuse_range(error, "block-size", block, "a power of two, 4K to 1M");
    }
    sizing->size_max =
        options->size_max == 0 ? (uint64_t)BLOCKS_DEFAULT * block : options->size_max;
    if (sizing->size_max > LAYOUT_SIZE_MAX_MAX) {
        return refuse_range(error, "size-max", sizing->size_max, "at most 2^56");
    }
    sizing->size_max = round_down_u64(sizing->size_max, block);
    sizing->block_count_max = sizing->size_max / block;
    if (options->journal_bytes > JOURNAL_BYTES_MAX) {
        return refuse_range(error, "journal", options->journal_bytes, "at most 1T");
    }
    sizing->journal_bytes = round_up_u64(options->journal_bytes, SECTOR);
    return TACTUS_OK;
}

/* ---- Batch, bar, journal -------------------------------------------------------------------- */

/* Shapes and records an event of every tree, and what an event of each collection comes to. */
static void take_trees(const struct schema *schema, struct sizing *sizing)
{
    sizing->tree_count = schema->tree_count;
    for (uint32_t tree = 1; tree <= schema->tree_count; tree += 1) {
        const struct tree_place place = schema_tree(schema, tree);
        struct tree_sizing *of = &sizing->trees[tree - 1];
        *of = (struct tree_sizing){
            .shape = codec_shape(&place),
            .records_per_event = place.kind == TREE_KIND_INDEX ? 2 : 1, /* R1 */
        };
        sizing->event_memory_bytes += (uint64_t)of->shape.record_size * of->records_per_event;
        sizing->object_bytes_logical += of->shape.record_size;
    }
}

/* S8: header and `batch` events of every collection, rounded up. */
static uint64_t entry_bytes(const struct schema *schema, uint32_t batch)
{
    uint64_t bytes = JOURNAL_HEADER_SIZE;
    for (uint32_t i = 0; i < schema->count; i += 1) {
        const uint64_t event = EVENT_HEADER_SIZE + schema->collections[i].object_bytes;
        bytes += batch * event;
    }
    return round_up_u64(bytes, SECTOR);
}

/* Mutable and immutable tables, each with room for a bar and the tail of a beat. */
static uint64_t tables_memory(const struct sizing *sizing, uint32_t bar, uint32_t batch)
{
    return 2 * ((uint64_t)bar + 1) * batch * sizing->event_memory_bytes;
}

/* The journal twice as large as it must be stays at most 512M, unless a larger one is given. */
static bool memory_fits(
    const struct schema *schema, const struct sizing *sizing, uint32_t bar, uint32_t batch
)
{
    const uint64_t journal = max_u64(JOURNAL_DEFAULT_LIMIT / 2, sizing->journal_bytes);
    return tables_memory(sizing, bar, batch) <= sizing->memory_bytes &&
           6 * bar * entry_bytes(schema, batch) <= journal;
}

static enum tactus_status refuse_memory(
    const struct schema *schema,
    const struct sizing *sizing,
    uint32_t bar,
    uint32_t batch,
    struct text_error *error
)
{
    const uint64_t memory = tables_memory(sizing, bar, batch);
    if (memory > sizing->memory_bytes) {
        text_error_set(
            error,
            0,
            0,
            "memory %llu is too little for this schema: batch %u and bar %u need %llu; give "
            "--memory "
            "of that, or a smaller --batch and --bar",
            (unsigned long long)sizing->memory_bytes,
            batch,
            bar,
            (unsigned long long)memory
        );
    } else {
        text_error_set(
            error,
            0,
            0,
            "a transaction of this schema may take %llu bytes at batch %u, and its journal over "
            "512M: "
            "give --batch and --bar, and --journal",
            (unsigned long long)entry_bytes(schema, batch),
            batch
        );
    }
    return TACTUS_LIMIT;
}

/* Neither is given: batch up to 2048 at bar 8, then bar up to 32, then batch up to 8192. */
static enum tactus_status choose_both(
    const struct schema *schema, struct sizing *sizing, struct text_error *error
)
{
    static const struct {
        uint32_t bar, batch;
    } ladder[] = {
        {8, 64},
        {8, 128},
        {8, 256},
        {8, 512},
        {8, 1024},
        {8, 2048},
        {16, 2048},
        {32, 2048},
        {32, 4096},
        {32, BATCH_MAX_DEFAULT}};
    for (uint32_t i = 0; i < COUNT_OF(ladder); i += 1) {
        if (!memory_fits(schema, sizing, ladder[i].bar, ladder[i].batch)) break;
        sizing->bar_beats = ladder[i].bar;
        sizing->batch_max = ladder[i].batch;
    }
    if (sizing->batch_max != 0) return TACTUS_OK;
    return refuse_memory(schema, sizing, ladder[0].bar, ladder[0].batch, error);
}

static enum tactus_status choose_batch(
    const struct schema *schema, struct sizing *sizing, struct text_error *error
)
{
    const uint32_t bar = sizing->bar_beats;
    for (uint32_t batch = BATCH_MIN_DEFAULT; batch <= BATCH_MAX_DEFAULT; batch *= 2) {
        if (!memory_fits(schema, sizing, bar, batch)) break;
        sizing->batch_max = batch;
    }
    if (sizing->batch_max != 0) return TACTUS_OK;
    return refuse_memory(schema, sizing, bar, BATCH_MIN_DEFAULT, error);
}

/* What is given stays; what is not is the most that fits in the memory. A batch and bar that do not
 * fit are refused where the memory was given, too; else memory is what they need. */
static enum tactus_status choose_batch_and_bar(
    const struct schema *schema,
    const struct tactus_create_options *options,
    struct sizing *sizing,
    struct text_error *error
)
{
    if (sizing->batch_max == 0 && sizing->bar_beats == 0) {
        return choose_both(schema, sizing, error);
    }
    if (sizing->batch_max == 0) return choose_batch(schema, sizing, error);
    if (sizing->bar_beats == 0) {
        sizing->bar_beats = 32;
        while (sizing->bar_beats > 8 &&
               !memory_fits(schema, sizing, sizing->bar_beats, sizing->batch_max)) {
            sizing->bar_beats /= 2;
        }
    }
    const uint64_t memory = tables_memory(sizing, sizing->bar_beats, sizing->batch_max);
    if (options->memory_bytes != 0 && memory > sizing->memory_bytes) {
        return refuse_memory(schema, sizing, sizing->bar_beats, sizing->batch_max, error);
    }
    return TACTUS_OK;
}

/* S8: at least 6 · bar · entry_max; twice that by default, in whole MiB. */
static enum tactus_status choose_journal(
    const struct schema *schema, struct sizing *sizing, struct text_error *error
)
{
    sizing->entry_bytes_max = entry_bytes(schema, sizing->batch_max);
    sizing->journal_bytes_min = 6 * sizing->bar_beats * sizing->entry_bytes_max;
    if (sizing->entry_bytes_max > JOURNAL_ENTRY_BYTES_MAX_MAX) {
        text_error_set(
            error,
            0,
            0,
            "a transaction of batch %u takes up to %llu bytes, more than the 1 GiB of one entry; "
            "give a smaller --batch",
            sizing->batch_max,
            (unsigned long long)sizing->entry_bytes_max
        );
        return TACTUS_LIMIT;
    }
    const bool given = sizing->journal_bytes != 0;
    if (!given) sizing->journal_bytes = round_up_u64(2 * sizing->journal_bytes_min, MIB);

    if (sizing->journal_bytes < sizing->journal_bytes_min) {
        text_error_set(
            error,
            0,
            0,
            "journal %llu is too small: batch %u and bar %u need %llu at least (6 * bar * the "
            "largest "
            "transaction)",
            (unsigned long long)sizing->journal_bytes,
            sizing->batch_max,
            sizing->bar_beats,
            (unsigned long long)sizing->journal_bytes_min
        );
        return TACTUS_LIMIT;
    }
    if (!given && sizing->journal_bytes > JOURNAL_DEFAULT_LIMIT) {
        text_error_set(
            error,
            0,
            0,
            "batch %u and bar %u ask for a journal of %llu, over 512M: give --journal (%llu at "
            "least), "
            "or a smaller --batch or --bar",
            sizing->batch_max,
            sizing->bar_beats,
            (unsigned long long)sizing->journal_bytes,
            (unsigned long long)sizing->journal_bytes_min
        );
        return TACTUS_LIMIT;
    }
    return TACTUS_OK;
}

/* ---- Tables --------------------------------------------------------------------------------- */

/* Sizes a tree's tables at a block size. */
static enum table_fit size_tree(struct tree_sizing *tree, uint32_t block_size)
{
    const enum table_fit fit = table_geometry_init(
        &tree->geometry, &tree->shape, block_size, tree->record_max, tree->value_count_max
    );
    if (fit == TABLE_FITS) tree->table_blocks = tree->geometry.blocks_max;
    return fit;
}

/* R13: names the smallest block size in which every tree's tables fit. */
static enum tactus_status refuse_block_size(
    const struct schema *schema, const struct sizing *sizing, struct text_error *error
)
{
    uint32_t block_size = sizing->block_size;
    uint32_t tree = 1;
    while (block_size < BLOCK_SIZE_MAX && tree <= schema->tree_count) {
        struct tree_sizing copy = sizing->trees[tree - 1];
        if (size_tree(&copy, block_size) == TABLE_FITS) {
            tree += 1;
        } else {
            block_size *= 2;
        }
    }
    text_error_set(
        error,
        0,
        0,
        "block-size %u is too small for this schema at batch %u and bar %u: give --block-size %u%s",
        sizing->block_size,
        sizing->batch_max,
        sizing->bar_beats,
        block_size,
        block_size == BLOCK_SIZE_MAX ? ", and a smaller --batch" : " or more"
    );
    return TACTUS_LIMIT;
}

static enum tactus_status size_trees(
    const struct schema *schema, struct sizing *sizing, struct text_error *error
)
{
    for (uint32_t tree = 1; tree <= schema->tree_count; tree += 1) {
        struct tree_sizing *of = &sizing->trees[tree - 1];
        of->record_max = sizing->batch_max * of->records_per_event;
        of->value_count_max = sizing->bar_beats * of->record_max;
    }
    for (uint32_t tree = 1; tree <= schema->tree_count; tree += 1) {
        struct tree_sizing *of = &sizing->trees[tree - 1];
        if (size_tree(of, sizing->block_size) != TABLE_FITS) {
            return refuse_block_size(schema, sizing, error);
        }
        of->memory_bytes = ((uint64_t)of->value_count_max + of->record_max) * of->shape.record_size;
        sizing->memory_tables_bytes += 2 * of->memory_bytes;
        const uint64_t suffix_bytes = 2 * (uint64_t)of->record_max * of->shape.record_size;
        sizing->sort_scratch_bytes = max_u64(sizing->sort_scratch_bytes, suffix_bytes);
        const uint64_t hashes_bytes = (uint64_t)table_filter_hashes_max(&of->geometry) * 8;
        sizing->filter_hashes_bytes = max_u64(sizing->filter_hashes_bytes, hashes_bytes);
    }
    const uint64_t reckoned = tables_memory(sizing, sizing->bar_beats, sizing->batch_max);
    assert(sizing->memory_tables_bytes == reckoned);
    return TACTUS_OK;
}

/* Tables of all trees, each full. */
static uint64_t full_blocks(const struct sizing *sizing)
{
    uint64_t blocks = 0;
    for (uint32_t i = 0; i < sizing->tree_count; i += 1)
        blocks += sizing->trees[i].table_blocks;
    return blocks;
}

/* R14: the smaller of 2 · size_max / mean table and memory / 8 / a table's memory; never fewer than
 * what the first levels of every tree take, and what admission keeps free for the bars to come. */
static enum tactus_status choose_tables_max(struct sizing *sizing, struct text_error *error)
{
    const uint64_t least =
        (uint64_t)sizing->tree_count *
        (sizing->growth_factor + run_limits_tables_above(sizing->runs_max, LEVELS) +
         TABLES_KEPT_FREE + run_limits_surplus(sizing->runs_max, TABLES_KEPT_FREE));
    const unsigned __int128 all = (unsigned __int128)2 * sizing->size_max * sizing->tree_count;
    const unsigned __int128 by_size =
        all / ((unsigned __int128)full_blocks(sizing) * sizing->block_size);
    uint64_t most = sizing->memory_bytes / 8 / TABLE_MEMORY;
    if (by_size < most) most = (uint64_t)by_size;
    most = min_u64(max_u64(max_u64(most, TABLES_MIN), least), TABLES_LIMIT);
    if (sizing->tables_max == 0) sizing->tables_max = (uint32_t)most;
    if (sizing->tables_max >= least) return TACTUS_OK;
    text_error_set(
        error,
        0,
        0,
        "tables-max %u is too small for %u trees: give %llu at least",
        sizing->tables_max,
        sizing->tree_count,
        (unsigned long long)least
    );
    return TACTUS_LIMIT;
}

bool sizing_has_runs(const struct sizing *sizing)
{
    for (uint32_t level = 0; level < SUPERBLOCK_LEVELS; level += 1) {
        if (sizing->runs_max[level] > 1) return true;
    }
    return false;
}

/* ---- W -------------------------------------------------------------------------------------- */

static void size_log(struct sizing *sizing)
{
    const struct manifest_pace_options options = {
        .entries_max = manifest_block_entries_max(sizing->block_size),
        .tables_max = sizing->tables_max,
        .tree_count = sizing->tree_count,
        .half_bar_tables = half_bar_tables_max(sizing->runs_max, sizing->growth_factor),
    };
    sizing->log = manifest_pace_of(&options);
    sizing->log_blocks_bar = manifest_pace_bar_blocks_max(&sizing->log);
}

uint32_t sizing_bars_kept(const struct sizing *sizing)
{
    return 2 + sizing->keep;
}

uint64_t sizing_log_events(uint64_t tables)
{
    return tables * (MANIFEST_EVENTS_IN + MANIFEST_EVENTS_OUT);
}

uint64_t sizing_trailer_blocks(const struct sizing *sizing, uint64_t blocks_allocated)
{
    /* What is acquired, and as many generations of what is released. */
    const uint64_t bitsets = (1 + (uint64_t)sizing->keep) * div_ceil_u64(blocks_allocated, 8);
    return 2 + 2 * div_ceil_u64(bitsets, block_body(sizing));
}

uint64_t sizing_tree_bar_tables(const struct sizing *sizing, const struct tree_levels *levels)
{
    uint64_t tables = 1;
    if (sizing->runs_max[0] == 1) tables += levels->table_count[0];
    uint32_t come = 0; /* into level i, in this bar */
    for (uint8_t i = 0; i + 1 < SUPERBLOCK_LEVELS; i += 1) {
        if (sizing->runs_max[i] > 1) { /* a slice: all of a group, into all of a level of one run */
            const uint32_t most = run_limits_of(sizing->runs_max, i).most;
            come = min_u32(most, levels->table_count[i] + come);
            if (come > 0) tables += come + levels->overlap_max[i];
            continue;
        }
        const bool above = i > 0 && levels->table_count[i - 1] > 0;
        if (levels->table_count[i] == 0 && !above) continue;
        /* An odd level takes in a bar's first half and gives in its second: what it gives may have
         * been made in the first, and be wider than any table it has now. */
        const uint32_t meets = i % 2 == 0 ? levels->overlap_max[i] : levels->table_count[i + 1];
        tables += 1 + min_u64(sizing->growth_factor, (uint64_t)meets + 1);
    }
    return tables;
}

/* Tables of each level, in a tree of `objects` records in full tables. */
static void fill_levels(
    const struct sizing *sizing, uint32_t tree, uint64_t objects, uint64_t levels[SUPERBLOCK_LEVELS]
)
{
    uint64_t left = div_ceil_u64(objects, sizing->trees[tree - 1].value_count_max);
    uint64_t limit = 1;
    for (uint32_t i = 0; i < SUPERBLOCK_LEVELS; i += 1) {
        limit *= sizing->growth_factor; /* 16^7 at most */
        const bool has_runs = sizing->runs_max[i] > 1;
        const uint32_t complete = run_limits_of(sizing->runs_max, (uint8_t)i).complete;
        levels[i] = min_u64(left, has_runs ? complete : limit);
        left -= levels[i];
    }
}

uint64_t sizing_bar_blocks(const struct sizing *sizing, uint64_t objects)
{
    const uint64_t growth = sizing->growth_factor;
    uint64_t blocks = 0;
    for (uint32_t tree = 1; tree <= sizing->tree_count; tree += 1) {
        uint64_t levels[SUPERBLOCK_LEVELS];
        fill_levels(sizing, tree, objects, levels);
        uint64_t tables = 1;
        if (sizing->runs_max[0] == 1) tables += min_u64(growth, levels[0]);
        for (uint32_t i = 0; i + 1 < SUPERBLOCK_LEVELS; i += 1) {
            const bool has_runs = sizing->runs_max[i] > 1;
            const bool has_runs_below = sizing->runs_max[i + 1] > 1;
            if (levels[i] == 0) continue;
            if (!has_runs) tables += 1 + min_u64(growth, levels[i + 1]);
            if (has_runs) tables += levels[i] + (has_runs_below ? 0 : levels[i + 1]);
        }
        blocks += tables * sizing->trees[tree - 1].table_blocks;
    }
    const unsigned __int128 live = (unsigned __int128)objects * sizing->object_bytes_logical;
    const uint64_t grid = (uint64_t)(live / sizing->block_size);
    return blocks + sizing->log_blocks_bar + sizing_trailer_blocks(sizing, grid);
}

/* S7: the least size that `create` accepts is 12 W of an empty forest, for keep = 1: twice what
 * ordinary commits need free. */
static enum tactus_status check_size_max(struct sizing *sizing, struct text_error *error)
{
    sizing->bar_blocks_empty = sizing_bar_blocks(sizing, 0);
    const uint32_t bars = 4 * sizing_bars_kept(sizing);
    const uint64_t least = bars * sizing->bar_blocks_empty * sizing->block_size;
    if (sizing->size_max >= least) return TACTUS_OK;
    text_error_set(
        error,
        0,
        0,
        "size-max %llu is too small: batch %u, bar %u and block-size %u need %llu at least (%u W); "
        "give --size-max of that, or a smaller --batch",
        (unsigned long long)sizing->size_max,
        sizing->batch_max,
        sizing->bar_beats,
        sizing->block_size,
        (unsigned long long)least,
        bars
    );
    return TACTUS_LIMIT;
}

enum tactus_status sizing_resolve(
    const struct schema *schema,
    const struct tactus_create_options *options,
    struct sizing *sizing,
    struct text_error *error
)
{
    assert(schema->tree_count >= 1);
    const struct tactus_create_options defaults = {.struct_bytes = sizeof defaults};
    if (options == NULL) options = &defaults;
    memset(sizing, 0, offsetof(struct sizing, trees)); /* the trees one by one: most are not used */

    TRY(take_numbers(options, sizing, error));
    TRY(take_sizes(options, sizing, error));
    take_trees(schema, sizing);
    TRY(choose_batch_and_bar(schema, options, sizing, error));
    TRY(choose_journal(schema, sizing, error));
    TRY(size_trees(schema, sizing, error));
    TRY(choose_tables_max(sizing, error));
    size_log(sizing);
    TRY(check_size_max(sizing, error));
    assert(sizing->batch_max >= 1);
    assert(sizing->bar_beats >= BAR_BEATS_MIN);
    return TACTUS_OK;
}

/* ---- For `plan` ----------------------------------------------------------------------------- */

/* Live data with 3 % for what blocks and tables leave empty, and what commits must find free. */
static bool objects_fit_size(const struct sizing *sizing, uint64_t objects)
{
    const unsigned __int128 live =
        (unsigned __int128)objects * sizing->object_bytes_logical * 103 / 100;
    const unsigned __int128 room = (unsigned __int128)2 * sizing_bars_kept(sizing) *
                                   sizing_bar_blocks(sizing, objects) * sizing->block_size;
    return live + room <= sizing->size_max;
}

/* Tables that the levels of one tree hold: the sum of growth^(i + 1). */
static uint64_t levels_tables(const struct sizing *sizing)
{
    uint64_t tables = 0;
    uint64_t level = 1;
    for (uint32_t i = 0; i < SUPERBLOCK_LEVELS; i += 1) {
        level *= sizing->growth_factor;
        tables += level;
    }
    return tables;
}

/* Tables that are half full. */
static bool objects_fit_tables(const struct sizing *sizing, uint64_t objects)
{
    uint64_t tables = 0;
    for (uint32_t i = 0; i < sizing->tree_count; i += 1) {
        const uint64_t of_tree = div_ceil_u64(2 * objects, sizing->trees[i].value_count_max);
        if (of_tree > levels_tables(sizing)) return false;
        tables += of_tree;
    }
    return tables <= sizing->tables_max;
}

uint64_t sizing_objects_max(const struct sizing *sizing, bool *tables_bind)
{
    uint64_t fits = 0;
    uint64_t fails = LAYOUT_SIZE_MAX_MAX; /* each takes more than a byte */
    while (fits + 1 < fails) {            /* at most 56 turns */
        const uint64_t middle = fits + (fails - fits) / 2;
        if (objects_fit_size(sizing, middle) && objects_fit_tables(sizing, middle)) {
            fits = middle;
        } else {
            fails = middle;
        }
    }
    *tables_bind = objects_fit_size(sizing, fails);
    return fits;
}

/* A record is written by the flush, which merges its table with all of level 0, and on its way
 * to each lower level that holds tables, merged with all that it may meet there: 1 + growth
 * bytes a byte. Where a level has several runs, nothing in it is merged with what comes, and all of
 * the first level that has one is rewritten once for the tables of a group. What index blocks and
 * filters add is in table_blocks; a full entry of the journal comes once. The log and the trailers,
 * a few per cent, are left out. */
double sizing_write_amplification(const struct sizing *sizing, uint64_t objects)
{
    const uint64_t growth = sizing->growth_factor;
    double bytes = (double)sizing->entry_bytes_max / (double)sizing->batch_max;
    for (uint32_t tree = 1; tree <= sizing->tree_count; tree += 1) {
        const struct tree_sizing *of = &sizing->trees[tree - 1];
        uint64_t levels[SUPERBLOCK_LEVELS];
        fill_levels(sizing, tree, objects, levels);
        uint64_t times = 0;
        uint32_t group = 1; /* tables that come at once */
        for (uint8_t i = 0; i < SUPERBLOCK_LEVELS && (i == 0 || levels[i] > 0); i += 1) {
            times += 1;
            if (sizing->runs_max[i] > 1) {
                group = run_limits_of(sizing->runs_max, i).complete;
            } else {
                times += group > 1 ? div_ceil_u64(levels[i], group) : min_u64(growth, levels[i]);
                group = 1;
            }
        }
        const double record =
            (double)(of->table_blocks * sizing->block_size) / (double)of->geometry.records_max;
        bytes += record * (double)times;
    }
    return bytes / (double)sizing->object_bytes_logical;
}
