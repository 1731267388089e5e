/* S7: whether the file has room for what a commit may set off, asked before anything changes. */
#include "forest/forest.h"

#include "base/assert.h"
#include "base/integer.h"

#include "base/poison.h"

/* The last level gives nothing on: as many tables short of its limit a tree must be, for what may
 * come down in the bars that a transaction can still set off. A checkpoint sets off three at
 * most. */
enum { ADMIT_LAST_LEVEL = 8, ADMIT_LAST_LEVEL_REMOVES = 5 };

/* A tree gains at most MANIFEST_TABLES_A_BAR tables in a bar: as many bars as of blocks are kept
 * free (R14). */
static_assert(MANIFEST_TABLES_A_BAR == 1, "tables are counted as bars times trees");

/* Of W, and of twice and thrice W, what must be free: so that whatever one bar acquires is there,
 * and removes have bars left in which their tombstones sink (storage.md S7, for keep = 1). */
enum { ADMIT_BARS = 6, ADMIT_BARS_REMOVES = 3 };

static struct tree_levels tree_levels_of(const struct tree *tree)
{
    struct tree_levels levels = {0};
    for (uint8_t level = 0; level < SUPERBLOCK_LEVELS; level += 1) {
        levels.table_count[level] = tree_table_count(tree, level);
        levels.overlap_max[level] = tree_overlap_max(tree, level);
    }
    return levels;
}

/* What the levels can be, at worst, one bar later: a level gains at most one table in a bar, level
 * 0 by the flush, a lower one from the level above; and a table meets at most all of the next
 * level. */
static struct tree_levels tree_levels_next(const struct tree_levels *now)
{
    struct tree_levels next = *now;
    for (uint32_t level = 0; level < SUPERBLOCK_LEVELS; level += 1) {
        if (level == 0 || now->table_count[level - 1] > 0) next.table_count[level] += 1;
    }
    for (uint32_t level = 0; level + 1 < SUPERBLOCK_LEVELS; level += 1) {
        next.overlap_max[level] = next.table_count[level + 1];
    }
    return next;
}

static uint64_t forest_bar_blocks_of(const struct forest *forest, bool next_bar)
{
    const struct sizing *sizing = forest->options.sizing;
    const struct free_set *free_set = &forest->options.grid->free_set;
    uint64_t blocks = 0;
    for (uint32_t tree = 1; tree <= forest->tree_count; tree += 1) {
        struct tree_levels levels = tree_levels_of(&forest->trees[tree - 1]);
        if (next_bar) levels = tree_levels_next(&levels);
        blocks += sizing_tree_bar_blocks(sizing, tree, &levels);
    }
    return blocks + sizing->log_blocks_bar +
           sizing_trailer_blocks(sizing, free_set_highest_acquired(free_set) + blocks);
}

/* Tables that the fullest last level still holds. Only small growth factors come near it. */
static uint64_t last_level_room(const struct forest *forest)
{
    uint64_t room = UINT64_MAX;
    for (uint32_t index = 0; index < forest->tree_count; index += 1) {
        const struct tree *tree = &forest->trees[index];
        const uint64_t limit = manifest_level_limit(&tree->manifest, LEVELS - 1);
        const uint64_t count = tree_table_count(tree, LEVELS - 1);
        room = min_u64(room, count < limit ? limit - count : 0);
    }
    return room;
}

void forest_measure_bar(struct forest *forest)
{
    forest->schedule.bar_blocks = forest_bar_blocks_of(forest, false);
    forest->schedule.bar_blocks_next = forest_bar_blocks_of(forest, true);
    forest->schedule.last_level_room = last_level_room(forest);
}

bool forest_beat_is_full(const struct forest *forest, const struct forest_commit *commit)
{
    const struct schedule *schedule = &forest->schedule;
    if (schedule->beat_bytes + commit->entry_bytes > schedule->beat_bytes_max) return true;
    for (uint32_t number = 0; number < forest->collection_count; number += 1) {
        const uint64_t events =
            (uint64_t)schedule->beat_events[number] + commit->event_counts[number];
        if (events > forest->options.sizing->batch_max) return true;
    }
    return false;
}

static enum tactus_status forest_limit(struct forest *forest, const char *what)
{
    const struct fault found = {
        .status = TACTUS_LIMIT,
        .zone = FAULT_ZONE_FILE,
        .what = what,
        .remedy = "remove objects, or export into a file made with a higher limit",
    };
    return fault_set(forest->options.fault, found);
}

/* What is left of this bar, and all of the next so many, get room in the file now: nothing can be
 * refused once a beat is closed. What the open bar has acquired already is counted once more:
 * simple, and bounded by one W. */
static enum tactus_status forest_grow_ahead(struct forest *forest, uint64_t bars)
{
    struct grid *grid = forest->options.grid;
    const struct schedule *schedule = &forest->schedule;
    const uint64_t blocks = schedule->bar_blocks + bars * schedule->bar_blocks_next;
    const uint64_t highest = free_set_nth_free(&grid->free_set, blocks);
    if (highest == 0) return forest_limit(forest, "commit: size_max is reached");
    if (highest <= grid->block_count) return TACTUS_OK;
    return grid_grow(grid, highest);
}

/* Tables and levels are asked about at every commit: what only joins the open beat is flushed by
 * the next checkpoint, which is not refused for them. Blocks are when a beat is to be closed: a
 * checkpoint asks for its own. */
enum tactus_status forest_admit(struct forest *forest, const struct forest_commit *commit)
{
    const struct schedule *schedule = &forest->schedule;
    const bool removes_only = commit->removes_only;
    const uint32_t bars = removes_only ? ADMIT_BARS_REMOVES : ADMIT_BARS;
    if (!manifest_room(&forest->trees[0].manifest, bars * forest->tree_count)) {
        return forest_limit(forest, "commit: tables_max is reached");
    }
    if (schedule->last_level_room < (removes_only ? ADMIT_LAST_LEVEL_REMOVES : ADMIT_LAST_LEVEL)) {
        return forest_limit(forest, "commit: the last level of a tree is full");
    }
    if (!forest_beat_is_full(forest, commit)) return TACTUS_OK;
    const uint64_t free_blocks = free_set_count_free(&forest->options.grid->free_set);
    if (free_blocks < bars * schedule->bar_blocks) {
        return forest_limit(forest, "commit: size_max is reached");
    }
    /* A half-bar's end is where blocks are acquired; the next one lies in this bar or the next. */
    if (schedule->beat % (schedule->bar_beats / 2) != 0) return TACTUS_OK;
    return forest_grow_ahead(forest, 1);
}

/* It closes up to three bars: the open one, if its entry does not fit the last beat, the one that
 * the entry is in, and an empty one. Where the file cannot grow by what they may take at worst, 2 W
 * free in it are enough: they hold what is in memory now, and nothing comes in. */
enum tactus_status forest_admit_checkpoint(struct forest *forest)
{
    const struct fault before = *forest->options.fault;
    const enum tactus_status status = forest_grow_ahead(forest, 2);
    if (status == TACTUS_OK) return TACTUS_OK;
    const struct grid *grid = forest->options.grid;
    const uint64_t blocks = 2 * forest->schedule.bar_blocks;
    const uint64_t highest = free_set_nth_free(&grid->free_set, blocks);
    if (highest == 0 || highest > grid->block_count) return status;
    *forest->options.fault = before;
    return TACTUS_OK;
}
