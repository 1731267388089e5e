/* S7: whether the file has room for what a commit may set off, asked before anything changes. */
#include "forest/forest.h"

#include "base/assert.h"
#include "base/integer.h"
#include "lsm/run_group.h"

#include "base/poison.h"

/* The last level gives nothing on: as many tables short of its limit a tree must be, for what may
 * come down in the bars that a transaction can still set off. A checkpoint sets off three at
 * most. */
enum { ADMIT_LAST_LEVEL = 8, ADMIT_LAST_LEVEL_REMOVES = 5 };

/* Likewise of tables, which are there for whoever writes next as soon as they are replaced: keep
 * has no part in that. A tree gains at most MANIFEST_TABLES_A_BAR in a bar, so these are bars
 * (R14), and what slices leave behind in them; a checkpoint's are three. Haste begins within two
 * more bars, as with blocks: what was removed sinks then, and its tables go. */
enum { ADMIT_TABLES = 6, ADMIT_TABLES_REMOVES = 3, HASTE_TABLES = 8 };
static_assert(MANIFEST_TABLES_A_BAR == 1, "tables are counted as bars times trees");

/* Of W, what must be free: sizing_bars_kept(), 3 where keep is 1, which is said here in brackets.
 * Under size_max removals need as many, other commits twice as many [6]; and in the file, whose
 * growth the disk may refuse, removals as many again and other commits one more [4]. Whatever a bar
 * acquires is there then, and removals have bars left in which their tombstones sink; a commit
 * leaves in the file what a checkpoint needs. Within two more W under size_max [8], or one more in
 * the file [5], the work is done in haste, ordinary commits' too: what was removed before makes
 * room for them, instead of only being refused to them. */
static uint32_t bars_free(const struct forest *forest, bool removes_only)
{
    const uint32_t bars = sizing_bars_kept(forest->options.sizing);
    return removes_only ? bars : 2 * bars;
}

static uint32_t bars_in_file(const struct forest *forest, bool removes_only)
{
    const uint32_t bars = sizing_bars_kept(forest->options.sizing);
    return removes_only ? bars : bars + 1;
}

/* The open bar, an empty one, and what is reserved and not acquired: whatever keep is. */
enum { CHECKPOINT_BARS = 3 };

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
 * 0 by the flush, a lower one from the level above, or more by a slice of that; a table meets at
 * most all of the next level. */
static struct tree_levels tree_levels_next(const struct tree_levels *now, const uint32_t *runs_max)
{
    struct tree_levels next = *now;
    for (uint32_t level = 0; level < SUPERBLOCK_LEVELS; level += 1) {
        if (level == 0 || now->table_count[level - 1] > 0) next.table_count[level] += 1;
    }
    for (uint8_t level = 0; runs_max[level] > 1; level += 1) { /* not the last one */
        const uint32_t most = run_limits_of(runs_max, level).most;
        next.table_count[level + 1] += min_u32(most, next.table_count[level]);
    }
    for (uint32_t level = 0; level + 1 < SUPERBLOCK_LEVELS; level += 1) {
        next.overlap_max[level] = runs_max[level + 1] > 1 ? 0 : next.table_count[level + 1];
    }
    return next;
}

/* The log's share, if compactions write so many tables in the bar. How long it is when the next bar
 * opens is not asked: it may be as long as ever. A bar brings each tree one table more at most. */
static uint64_t forest_log_blocks_of(const struct forest *forest, uint64_t tables, uint32_t ahead)
{
    const struct manifest_log *log = &forest->log;
    uint64_t closed = log->block_count;
    uint64_t live = log->extents.count;
    if (ahead > 0) {
        closed = log->pace.ring_blocks;
        live += ahead * MANIFEST_TABLES_A_BAR * (uint64_t)forest->tree_count;
    }
    return manifest_pace_bar_blocks(&log->pace, closed, live, sizing_log_events(tables));
}

/* Of the open bar, or of one so many bars ahead. */
static uint64_t forest_bar_blocks_of(const struct forest *forest, uint32_t ahead)
{
    const struct sizing *sizing = forest->options.sizing;
    const struct free_set *free_set = &forest->options.grid->free_set;
    uint64_t blocks = 0;
    uint64_t tables_written = 0;
    for (uint32_t tree = 0; tree < forest->tree_count; tree += 1) {
        struct tree_levels levels = tree_levels_of(&forest->trees[tree]);
        for (uint32_t bar = 0; bar < ahead; bar += 1) {
            levels = tree_levels_next(&levels, sizing->runs_max);
        }
        const uint64_t tables = sizing_tree_bar_tables(sizing, &levels);
        tables_written += tables;
        blocks += tables * sizing->trees[tree].table_blocks;
    }
    const uint64_t trailers =
        sizing_trailer_blocks(sizing, free_set_highest_acquired(free_set) + blocks);
    return blocks + forest_log_blocks_of(forest, tables_written, ahead) + trailers;
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
    forest->schedule.bar_blocks = forest_bar_blocks_of(forest, 0);
    forest->schedule.bar_blocks_next = forest_bar_blocks_of(forest, 1);
    forest->schedule.bar_blocks_after_next = forest_bar_blocks_of(forest, 2);
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

/* Makes the file long enough for so many more blocks. LIMIT: size_max does not hold them, which
 * `what` says; FULL: the disk does not. Nothing changed. POISONED, IO: the file is not well. */
static enum tactus_status forest_make_room(struct forest *forest, uint64_t blocks, const char *what)
{
    struct grid *grid = forest->options.grid;
    const uint64_t in_use = free_set_count_acquired(&grid->free_set);
    assert(in_use <= grid->block_count);
    if (grid->block_count - in_use >= blocks) return TACTUS_OK;
    const uint64_t highest = free_set_nth_free(&grid->free_set, blocks);
    if (highest == 0) return forest_limit(forest, what);
    return grid_grow(grid, highest);
}

/* So many bars, of which the last is the next one at its worst. That is at least W for the open
 * bar, all that the next can be, and W besides: a beat reserves more than it is going to acquire,
 * by 1 and the index blocks of a table for each compaction, and W has a table or more for each. */
static uint64_t bars_blocks(const struct schedule *schedule, uint32_t bars)
{
    assert(bars >= CHECKPOINT_BARS);
    const uint64_t next = max_u64(schedule->bar_blocks, schedule->bar_blocks_next);
    return (bars - 1) * schedule->bar_blocks + next;
}

/* Whether there is room for the tables that so many bars may bring. */
static bool has_tables_for(const struct forest *forest, uint32_t bars)
{
    const uint32_t of_a_tree = bars + run_limits_surplus(forest->options.sizing->runs_max, bars);
    return manifest_room(&forest->trees[0].manifest, of_a_tree * forest->tree_count);
}

/* Makes the file as long as it should be; finds out if that is refused, or if size_max is near, or
 * tables_max. */
static enum tactus_status forest_ask_haste(struct forest *forest)
{
    struct schedule *schedule = &forest->schedule;
    const struct fault before = *forest->options.fault;
    const uint64_t blocks = bars_blocks(schedule, bars_in_file(forest, false) + 1);
    const enum tactus_status status = forest_make_room(forest, blocks, "size_max is near");
    const bool has_room = status == TACTUS_OK;
    if (!has_room && status != TACTUS_FULL && status != TACTUS_LIMIT) return status;
    *forest->options.fault = before; /* that there is none is no fault of anyone's */
    const uint64_t free_blocks = free_set_count_free(&forest->options.grid->free_set);
    const uint32_t bars = bars_free(forest, false) + 2;
    schedule->short_of_room = !has_room || free_blocks < bars * schedule->bar_blocks ||
                              !has_tables_for(forest, HASTE_TABLES);
    return TACTUS_OK;
}

/* Asked at every commit, also at one that joins the open beat: the next checkpoint flushes what it
 * brings, and is not refused for it. The blocks have to be in the file, not only under size_max: so
 * a disk that is full leaves removals the same room as a file that is. Whether a commit that closes
 * a beat was short of room is its op's to say, for the room on a disk is no part of the history. */
enum tactus_status forest_admit(struct forest *forest, const struct forest_commit *commit)
{
    static const char *const at_size_max = "commit: size_max is reached";
    struct schedule *schedule = &forest->schedule;
    const bool removes_only = commit->removes_only;
    const uint32_t tables = removes_only ? ADMIT_TABLES_REMOVES : ADMIT_TABLES;
    schedule->short_of_room = false;
    if (!has_tables_for(forest, tables)) {
        return forest_limit(forest, "commit: tables_max is reached");
    }
    if (schedule->last_level_room < (removes_only ? ADMIT_LAST_LEVEL_REMOVES : ADMIT_LAST_LEVEL)) {
        return forest_limit(forest, "commit: the last level of a tree is full");
    }
    const uint64_t free_blocks = free_set_count_free(&forest->options.grid->free_set);
    if (free_blocks < bars_free(forest, removes_only) * schedule->bar_blocks) {
        return forest_limit(forest, at_size_max);
    }
    if (forest_beat_is_full(forest, commit)) TRY(forest_ask_haste(forest));
    const uint64_t blocks = bars_blocks(schedule, bars_in_file(forest, removes_only));
    return forest_make_room(forest, blocks, at_size_max);
}

/* Its entry is durable before its bars are worked off: were one of them to lack room, no replay
 * could go past it. So all that they can acquire and reserve has to be in the file before: of the
 * open bar and an empty one, which is what admission leaves behind every commit; and of one more,
 * where the entry does not fit into the last beat of a bar. That a bar which the levels outgrew
 * meanwhile makes this more than was left is possible: then it is refused, and nothing is lost. */
enum tactus_status forest_admit_checkpoint(struct forest *forest)
{
    struct schedule *schedule = &forest->schedule;
    const uint32_t none[COLLECTIONS_MAX] = {0};
    const struct forest_commit commit = {.entry_bytes = SECTOR_SIZE, .event_counts = none};
    TRY(forest_ask_haste(forest));
    uint64_t blocks = bars_blocks(schedule, CHECKPOINT_BARS);
    if (schedule->beat % schedule->bar_beats == 0 && forest_beat_is_full(forest, &commit)) {
        blocks += schedule->bar_blocks_after_next;
    }
    return forest_make_room(forest, blocks, "checkpoint: size_max is reached");
}

bool forest_may_checkpoint_again(const struct forest *forest)
{
    const struct schedule *schedule = &forest->schedule;
    return schedule->effect_pending && schedule->last_level_room >= CHECKPOINT_BARS &&
           has_tables_for(forest, CHECKPOINT_BARS);
}
