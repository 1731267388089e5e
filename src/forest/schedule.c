/* The clock of the forest: what happens when a beat ends. */
#include "forest/forest.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"

#include "base/poison.h"

static bool ends_half_bar(const struct schedule *schedule, uint64_t beat)
{
    return beat % (schedule->bar_beats / 2) == 0;
}

static bool ends_bar(const struct schedule *schedule, uint64_t beat)
{
    return beat % schedule->bar_beats == 0;
}

/* Which half of its bar a beat lies in. */
static enum half_bar_half half_of(const struct schedule *schedule, uint64_t beat)
{
    return (beat - 1) % schedule->bar_beats < schedule->bar_beats / 2 ? HALF_BAR_FIRST
                                                                      : HALF_BAR_SECOND;
}

/* A failure half way through a boundary leaves memory and file fit for reading only. */
static enum tactus_status forest_break(struct forest *forest, enum tactus_status status)
{
    assert(status != TACTUS_OK);
    forest->broken = status;
    return status;
}

/* ---- Instalments ----------------------------------------------------------------------------- */

/* Admission has made room: so this grows the file for a file from elsewhere only. */
static enum tactus_status forest_reserve(
    struct forest *forest, uint64_t blocks, struct free_set_reservation *reservation
)
{
    struct grid *grid = forest->options.grid;
    const uint64_t needed = blocks + free_set_count_reserved(&grid->free_set);
    const uint64_t highest = needed == 0 ? 0 : free_set_nth_free(&grid->free_set, needed);
    if (needed > 0 && highest == 0) {
        const struct fault found = {
            .status = TACTUS_LIMIT,
            .zone = FAULT_ZONE_FILE,
            .what = "compaction: size_max is reached, though admission had made room",
            .remedy = "run `tactus verify`; open it for reading, and export into a larger file",
        };
        return fault_set(forest->options.fault, found);
    }
    if (highest > grid->block_count) TRY(grid_grow(grid, highest));
    const bool reserved = free_set_reserve(&grid->free_set, blocks, reservation);
    assert(reserved);
    return TACTUS_OK;
}

/* Levels ascending, then trees ascending: the one order of everything (reference 14.1). */
static void select_compactions(struct forest *forest, enum half_bar_half half)
{
    const struct schedule *schedule = &forest->schedule;
    const struct compaction_terms terms = {
        .snapshot_min = schedule->beat + schedule->bar_beats / 2,
        .in_haste = schedule->short_of_room,
        .coalesces = true,
        .may_defer = !schedule->checkpoint_due && !schedule->completes,
    };
    half_bar_begin(&forest->half_bar, &terms);
    for (uint8_t level = 0; level < LEVELS; level += 1) {
        if (!compaction_is_active(level, half)) continue;
        for (uint32_t tree = 0; tree < forest->tree_count; tree += 1) {
            struct compaction *compaction = &forest->trees[tree].compactions[level];
            const uint64_t deferrals = compaction->total.deferrals;
            half_bar_select(&forest->half_bar, compaction);
            forest->counters.deferrals += compaction->total.deferrals - deferrals;
        }
    }
}

/* R8, step 8. The log reserves before the trees and forfeits after them, so its blocks come
 * first. */
static enum tactus_status forest_open_instalment(struct forest *forest)
{
    struct schedule *schedule = &forest->schedule;
    struct half_bar *half_bar = &forest->half_bar;
    const uint32_t half_beats = schedule->bar_beats / 2;
    const uint32_t beats_left = half_beats - (uint32_t)((schedule->beat - 1) % half_beats);
    if (half_bar_is_idle(half_bar)) return TACTUS_OK;

    if (beats_left == 1) {
        const uint64_t blocks = manifest_log_half_bar_blocks(&forest->log, half_bar->entries);
        TRY(forest_reserve(forest, blocks, &schedule->log_reservation));
        manifest_log_half_bar_open(&forest->log, half_bar->entries, &schedule->log_reservation);
    }
    const uint64_t blocks = half_bar_beat_plan(half_bar, beats_left);
    TRY(forest_reserve(forest, blocks, &schedule->reservation));
    struct free_set *free_set = &forest->options.grid->free_set;
    block_supply_fill(&half_bar->supply, free_set, &schedule->reservation);
    schedule->instalment_open = true;
    if (worker_is_open(forest->options.worker)) {
        worker_start(forest->options.worker);
    } else {
        forest_instalment(forest);
    }
    return TACTUS_OK;
}

void forest_instalment(void *context)
{
    struct forest *forest = context;
    half_bar_beat_run(&forest->half_bar);
}

/* R8, steps 1 and 2. */
static enum tactus_status forest_close_instalment(struct forest *forest)
{
    struct schedule *schedule = &forest->schedule;
    if (!schedule->instalment_open) return TACTUS_OK;
    struct grid *grid = forest->options.grid;
    if (worker_is_open(forest->options.worker)) worker_join(forest->options.worker);
    grid_poll(forest->options.compaction_grid); /* a checkpoint asks which writes are done */
    grid_statistics_move(forest->options.compaction_grid);
    TRY(half_bar_beat_end(&forest->half_bar, forest->options.fault));
    /* Blocks that were not even tried since a write failed are nowhere: their tables stay out. */
    TRY(grid_status(grid));
    schedule->instalment_open = false;
    return block_supply_settle(&forest->half_bar.supply, grid, &schedule->reservation);
}

/* ---- The end of a half-bar ------------------------------------------------------------------- */

/* Only where a hostile file named a block twice can a new table lie where the log knows of one. */
static bool outputs_are_new(struct forest *forest, const struct compaction *compaction)
{
    for (uint32_t index = 0; index < compaction->output_count; index += 1) {
        const uint64_t address = compaction->outputs[index].address;
        if (!manifest_log_is_live(&forest->log, address)) continue;
        const struct fault found = {
            .status = TACTUS_CORRUPT,
            .zone = FAULT_ZONE_GRID,
            .what = "a new table lies where another one is named: a block is in use twice",
            .address = address,
            .block_type = BLOCK_ROOT,
            .tree = compaction->tree->options.id,
        };
        (void)fault_set(forest->options.fault, found);
        return false;
    }
    return true;
}

static void apply_compaction(struct forest *forest, struct compaction *compaction)
{
    struct forest_counters *counters = &forest->counters;
    struct forest_level_counters *level = &counters->levels[compaction->level_b];
    const struct compaction_counters *now = &compaction->now;
    counters->merges += now->merges;
    counters->tables_coalesced += now->tables_coalesced;
    counters->records_dropped += now->records_dropped;
    counters->records_replaced += now->records_replaced;
    counters->records_cancelled += now->records_cancelled;
    level->tables_written += now->tables_out;
    level->tables_moved += now->tables_moved;
    level->blocks_written += now->blocks_out;
    level->records_in += now->records_in;
    level->records_written += now->records_out;
    level->bytes_written += now->records_out * compaction->tree->options.shape.record_size;
    level->slices += now->slices;
    level->tables_trimmed += now->tables_trimmed;
    compaction_apply(compaction);
}

static enum tactus_status compact_log(struct forest *forest)
{
    const struct manifest_log_statistics before = forest->log.statistics;
    TRY(manifest_log_compact(&forest->log));
    const struct manifest_log_statistics *after = &forest->log.statistics;
    struct forest_counters *counters = &forest->counters;
    counters->log_blocks_compacted += after->blocks_compacted - before.blocks_compacted;
    counters->log_events_copied += after->events_copied - before.events_copied;
    return TACTUS_OK;
}

/* R8, step 4. The log's reservation was made when the beat opened. */
static enum tactus_status forest_end_half_bar(struct forest *forest)
{
    struct half_bar *half_bar = &forest->half_bar;
    if (half_bar_is_idle(half_bar)) return TACTUS_OK;
    for (uint32_t index = 0; index < half_bar->count; index += 1) {
        if (!outputs_are_new(forest, half_bar->compactions[index])) {
            return forest->options.fault->status;
        }
    }
    struct free_set_reservation *reservation = &forest->schedule.log_reservation;
    for (uint32_t index = 0; index < half_bar->count; index += 1) {
        apply_compaction(forest, half_bar->compactions[index]);
    }
    half_bar_end(half_bar);
    TRY(compact_log(forest));
    manifest_log_forfeit(&forest->log);
    free_set_forfeit(&forest->options.grid->free_set, reservation);
    return TACTUS_OK;
}

/* ---- Checkpoints ----------------------------------------------------------------------------- */

/* Behind a complete checkpoint no entry says how the next beat was opened: its own is covered. */
static uint64_t forest_encode_state(const struct forest *forest, bool is_complete, uint8_t *bytes)
{
    struct forest_state state = {
        .counters = forest->counters,
        .collection_count = forest->collection_count,
        .short_of_room = is_complete && forest->schedule.short_of_room,
    };
    for (uint32_t number = 0; number < forest->collection_count; number += 1) {
        state.timestamp_last[number] = forest->collections[number].timestamp_last;
    }
    return forest_state_encode(&state, bytes);
}

/* R8, step 7; the part of S11 that history fixes. `covered`: where the journal begins that the
 * checkpoint needs. `head`: behind the last op that is committed. op_cause: whose entry closed the
 * bar; a checkpoint is durable only if what caused it is. */
static enum tactus_status forest_capture(
    struct forest *forest,
    const struct journal_position *covered,
    const struct journal_position *head,
    uint64_t op_cause
)
{
    struct schedule *schedule = &forest->schedule;
    assert(!schedule->effect_pending);
    assert(covered->op <= head->op);

    forest->counters.checkpoints += 1;
    uint8_t state[FOREST_STATE_SIZE_MAX];
    struct manifest_log_references log;
    manifest_log_close(&forest->log, &log);
    const struct checkpoint_capture capture = {
        .op_covered = covered->op - 1,
        .op_captured = head->op - 1,
        .op_cause = op_cause,
        .beat_capture = schedule->beat,
        .journal_offset = covered->offset,
        .journal_predecessor = covered->predecessor,
        .manifest_oldest = log.oldest,
        .manifest_newest = log.newest,
        .manifest_block_count = log.block_count,
        .state = state,
        .state_size = forest_encode_state(forest, covered->op == head->op, state),
    };
    TRY(checkpoint_capture_start(forest->options.checkpoint, &capture));
    schedule->beat_capture = schedule->beat;
    schedule->effect_pending = true;
    schedule->checkpoint_due = false;
    schedule->journal_bytes_since_capture = 0;
    schedule->released_baseline = free_set_count_released(&forest->options.grid->free_set);
    schedule->covered = *covered;
    forest->op_captured = head->op - 1;
    return TACTUS_OK;
}

enum tactus_status forest_capture_advance(struct forest *forest)
{
    struct checkpoint *checkpoint = forest->options.checkpoint;
    if (!checkpoint_is_under_way(checkpoint)) return TACTUS_OK;
    /* No instalment, or one that is over already: no worker takes note of the writes before it. */
    const bool is_worked_on =
        forest->schedule.instalment_open && worker_is_open(forest->options.worker);
    if (!is_worked_on) grid_poll(forest->options.compaction_grid);
    if (checkpoint_advance(checkpoint) != PROGRESS_FAILED) return TACTUS_OK;
    return forest_break(forest, checkpoint_failure(checkpoint));
}

enum tactus_status forest_capture_wait(struct forest *forest)
{
    struct worker *worker = forest->options.worker;
    if (!checkpoint_is_under_way(forest->options.checkpoint)) return TACTUS_OK;
    if (worker_is_open(worker)) worker_join(worker); /* the view is the worker's until then */
    const enum tactus_status status = checkpoint_wait(forest->options.checkpoint);
    return status == TACTUS_OK ? TACTUS_OK : forest_break(forest, status);
}

/* R8, step 6. Nothing that the checkpoint before refers to becomes free, and none of its journal is
 * given up, until this one's superblock is durable. */
static enum tactus_status forest_effect(struct forest *forest)
{
    struct schedule *schedule = &forest->schedule;
    TRY(forest_capture_wait(forest));
    struct free_set *free_set = &forest->options.grid->free_set;
    const uint64_t released_before = free_set_count_released(free_set);
    checkpoint_effect(forest->options.checkpoint);
    const uint64_t freed = released_before - free_set_count_released(free_set);
    assert(freed <= schedule->released_baseline);
    schedule->released_baseline -= freed;
    schedule->effect_pending = false;
    journal_tail_set(forest->options.journal, schedule->covered.op, schedule->covered.offset);
    return TACTUS_OK;
}

/* S8: whether a checkpoint is due at the end of the bar whose second half opens now. Blocks that
 * are only kept for longer count as free: else what waits would put off what frees it, more and
 * more with each checkpoint. So keep has next to no part in when checkpoints come: the free set's
 * trailer may have a block more. */
static bool forest_checkpoint_is_due(const struct forest *forest)
{
    const struct schedule *schedule = &forest->schedule;
    const struct free_set *free_set = &forest->options.grid->free_set;
    const uint64_t released = free_set_count_released(free_set) - schedule->released_baseline;
    const uint64_t allocated = free_set_count_acquired(free_set) - free_set_count_kept(free_set);
    return schedule->journal_bytes_since_capture >= forest->options.sizing->journal_bytes / 3 ||
           released > allocated / 8;
}

/* ---- The boundary ---------------------------------------------------------------------------- */

/* R10. A replayed beat is older than the checkpoint that it is replayed over: its compactions are
 * in the file, and the tables that they made are dated up to beat_capture + 1. At its own number a
 * lookup would not see them, and what they replaced is gone. So the snapshot is the checkpoint's
 * until replay has come that far; in a read-only open, which closes no beat, for good. That shows
 * nobody too much: those tables hold what came before the first beat that is replayed. */
void forest_set_snapshot(struct forest *forest)
{
    const struct schedule *schedule = &forest->schedule;
    const uint64_t snapshot = max_u64(schedule->beat, schedule->beat_capture + 1);
    assert(snapshot >= forest->shared.snapshot_newest);
    forest->shared.snapshot_newest = snapshot;
}

/* R8, step 8. */
static enum tactus_status forest_open_beat(
    struct forest *forest, uint64_t beat, const struct journal_position *head
)
{
    struct schedule *schedule = &forest->schedule;
    schedule->beat = beat;
    forest_set_snapshot(forest);
    schedule->beat_bytes = 0;
    bytes_zero(schedule->beat_events, sizeof schedule->beat_events);
    if (ends_bar(schedule, beat - 1)) schedule->bar_head = *head;
    if (ends_half_bar(schedule, beat - 1)) forest_measure_bar(forest);
    if (beat <= schedule->replay_through) return TACTUS_OK; /* R10 */
    if (ends_half_bar(schedule, beat - 1)) {
        const enum half_bar_half half = half_of(schedule, beat);
        if (half == HALF_BAR_SECOND) {
            schedule->checkpoint_due = schedule->short_of_room || forest_checkpoint_is_due(forest);
        }
        select_compactions(forest, half);
    }
    return forest_open_instalment(forest);
}

/* The beat boundary: R8, step by step. */
static enum tactus_status close_beat(
    struct forest *forest, const struct journal_position *head, uint64_t op_cause
)
{
    struct schedule *schedule = &forest->schedule;
    const uint64_t beat = schedule->beat;
    const bool in_file = beat <= schedule->replay_through; /* R10 */
    if (!in_file) forest->counters.beats += 1;

    TRY(forest_close_instalment(forest));
    for (uint32_t tree = 0; tree < forest->tree_count; tree += 1) {
        tree_sort_suffix(&forest->trees[tree]);
    }
    if (ends_half_bar(schedule, beat) && !in_file) TRY(forest_end_half_bar(forest));
    if (ends_bar(schedule, beat)) {
        for (uint32_t tree = 0; tree < forest->tree_count; tree += 1) {
            tree_end_bar(&forest->trees[tree]);
        }
    }
    if (schedule->effect_pending && beat == schedule->beat_capture + schedule->effect_beats) {
        TRY(forest_effect(forest));
    }
    if (ends_bar(schedule, beat) && schedule->checkpoint_due) {
        TRY(forest_capture(forest, &schedule->bar_head, head, op_cause));
    }
    TRY(forest_open_beat(forest, beat + 1, head));
    assert_slow((forest_check(forest), true));
    return TACTUS_OK;
}

static enum tactus_status close_beat_for(
    struct forest *forest, const struct journal_position *head, uint64_t op_cause
)
{
    assert(forest->broken == TACTUS_OK);

    const enum tactus_status status = close_beat(forest, head, op_cause);
    if (status != TACTUS_OK) return forest_break(forest, status);
    return TACTUS_OK;
}

enum tactus_status forest_close_beat(struct forest *forest, const struct journal_position *head)
{
    return close_beat_for(forest, head, head->op);
}

/* After an open the first beat is opened without one before it being closed. */
enum tactus_status forest_begin(struct forest *forest)
{
    struct schedule *schedule = &forest->schedule;
    const struct journal_position head = schedule->covered;
    assert(ends_bar(schedule, schedule->beat - 1));
    return forest_open_beat(forest, schedule->beat, &head);
}

void forest_count_entry(struct forest *forest, uint64_t entry_bytes)
{
    struct schedule *schedule = &forest->schedule;
    schedule->beat_bytes += entry_bytes;
    if (schedule->beat > schedule->replay_through) {
        schedule->journal_bytes_since_capture += entry_bytes;
        forest->counters.bytes_journal += entry_bytes;
    }
    assert(schedule->beat_bytes <= schedule->beat_bytes_max);
}

/* The bar may have a capture of its own due; the complete one, a bar later, stands in for it. */
static enum tactus_status close_beat_without_capture(
    struct forest *forest, const struct journal_position *head
)
{
    forest->schedule.checkpoint_due = false;
    return close_beat_for(forest, head, head->op - 1);
}

enum tactus_status forest_checkpoint(struct forest *forest, const struct journal_position *head)
{
    assert(forest->broken == TACTUS_OK);

    struct schedule *schedule = &forest->schedule;
    const uint64_t beat_last =
        round_up_u64(schedule->beat, schedule->bar_beats) + schedule->bar_beats;
    schedule->completes = true;
    while (schedule->beat < beat_last) {
        TRY(close_beat_without_capture(forest, head));
    }
    schedule->completes = false;
    schedule->checkpoint_due = true;
    schedule->bar_head = *head;
    TRY(close_beat_for(forest, head, head->op - 1));
    return forest_capture_wait(forest);
}
