/* All trees of a database, what they share, and the clock they go by.
 *
 * Beats are numbered from 1. Beat k belongs to bar (k - 1) / bar_beats; it ends a half-bar if
 * bar_beats / 2 divides it, and the bar if bar_beats does.
 *
 *   beat  1 ... bar/2 | bar/2 + 1 ... bar | bar + 1 ...
 *         even levels | odd levels and the immutable tables
 *                     ^ due-ness is decided (S8)
 *                                         ^ half-bar end, swap, capture if due
 *
 * Everything that changes trees or the free set, but for appending to mutable tables, happens in
 * forest_close_beat(): one function, in front of the open transaction (R8). */
#ifndef TACTUS_FOREST_FOREST_H
#define TACTUS_FOREST_FOREST_H

#include "base/budget.h"
#include "base/status.h"
#include "base/worker.h"
#include "forest/collection.h"
#include "forest/event.h"
#include "forest/forest_state.h"
#include "forest/half_bar.h"
#include "forest/resolver.h"
#include "forest/schema.h"
#include "forest/sizing.h"
#include "lsm/manifest_log.h"
#include "lsm/tree.h"
#include "storage/checkpoint.h"
#include "storage/grid.h"
#include "storage/journal.h"

#include <stdbool.h>
#include <stdint.h>

struct forest_options {
    const struct schema *schema; /* kept, as all of these */
    const struct sizing *sizing;
    struct grid *grid;
    struct journal *journal;
    struct checkpoint *checkpoint;
    struct superblock *superblock;
    struct fault *fault;
    struct grid *compaction_grid; /* the view that instalments use; NULL: read-only */
    struct fault *compaction_fault;
    uint32_t compaction_depth;      /* 1 to COMPACTION_DEPTH_MAX */
    struct worker *worker;          /* runs forest_instalment(); closed: the writer's thread does */
    const uint32_t *overlay_events; /* of each collection, in the journal; NULL: for writing */
};

/* Which beat it is, and what is due when. */
struct schedule {
    uint32_t bar_beats;
    uint32_t effect_beats;   /* d: a capture takes effect so many beats later (S8) */
    uint64_t beat_bytes_max; /* journal bytes a beat holds (R6) */

    uint64_t beat;                         /* the open one */
    uint32_t beat_events[COLLECTIONS_MAX]; /* committed in it */
    uint64_t beat_bytes;                   /* of journal, committed in it */
    uint64_t beat_capture;                 /* of the current checkpoint */
    uint64_t replay_through;               /* compactions of beats up to it are in the file (R10) */
    bool checkpoint_due;                   /* at this bar's end */
    bool completes;     /* a complete checkpoint is being made: no tree defers (S9) */
    bool short_of_room; /* of the op that closes beats now: JOURNAL_SHORT_OF_ROOM (S7) */
    bool effect_pending;
    uint64_t journal_bytes_since_capture;
    uint64_t released_baseline; /* of the free set's count of released blocks, at the capture */
    uint64_t bar_blocks; /* W, and what it can be in the bars to come: forest_measure_bar() */
    uint64_t bar_blocks_next;
    uint64_t bar_blocks_after_next;
    uint64_t last_level_room; /* tables, of the tree that has the least */
    bool instalment_open;     /* the open beat's reservation is made, its work under way or done */
    struct free_set_reservation reservation;
    struct free_set_reservation log_reservation; /* in the last beat of a half-bar with work */
    struct journal_position bar_head;            /* of the first op of the open bar */
    struct journal_position covered; /* where the current checkpoint lets the journal begin */
};

struct forest {
    struct forest_options options;
    struct node_pool nodes;
    struct manifest_log log;
    struct half_bar half_bar;
    struct lsm_shared shared;
    struct tree *trees; /* tree t at t - 1 */
    uint32_t tree_count;
    struct collection collections[COLLECTIONS_MAX];
    uint32_t collection_count;
    struct resolver resolver;

    struct schedule schedule;
    struct forest_counters counters;
    uint64_t replay_last[COLLECTIONS_MAX]; /* the highest timestamps that replay inserted */
    uint64_t op_captured;                  /* counters hold what happened up to it, when opened */
    enum tactus_status broken; /* not OK: a boundary failed half way; nothing more is written */
};

/* Frames that a forest pins at most at once, without scans and compactions. */
enum { FOREST_FRAMES = RESOLVE_FRAMES + MANIFEST_LOG_FRAMES };

/* Takes all memory; the same walk measures and carves. */
void forest_init(
    struct forest *forest, struct budget *budget, const struct forest_options *options
);

/* What tree 1 to tree_count is made with. */
struct tree_options forest_tree_options(struct forest *forest, uint32_t tree);

/* Loads the checkpoint's tables and state. Replay begins behind it: forest_replay(). CORRUPT,
 * IO. */
enum tactus_status forest_open(struct forest *forest, const uint8_t *state, uint64_t state_size);

/* The worker's job: `context` is the forest. */
void forest_instalment(void *context);

/* Waits for the worker, and drops what is pinned, so that the grid can be closed. */
void forest_close(struct forest *forest);

/* Tests all trees and the log against each other: for assert_slow() and tests. */
void forest_check(const struct forest *forest);

/* ---- Admission (S7), at the head of a commit ------------------------------------------------- */

/* What a transaction, sealed, would bring. */
struct forest_commit {
    uint64_t entry_bytes;         /* of journal, rounded */
    uint64_t payload_bytes;       /* of its events, without their headers */
    const uint32_t *event_counts; /* of each collection */
    bool removes_only;            /* of objects, and deletes of keys */
};

/* Whether the beat must be closed before a transaction of this size can be part of it (R6). */
bool forest_beat_is_full(const struct forest *forest, const struct forest_commit *commit);

/* Whether the file has room for what this commit may set off; grows it when a beat is to be closed.
 * Says in schedule.short_of_room whether it is short, which the commit's entry has to repeat.
 * LIMIT, FULL: it has not, and nothing changed. */
enum tactus_status forest_admit(struct forest *forest, const struct forest_commit *commit);

/* The same for forest_checkpoint(), asked before its entry is written: whatever the bars that it
 * closes may take is in the file then. What the entry repeats holds for the beats that are closed
 * behind it. */
enum tactus_status forest_admit_checkpoint(struct forest *forest);

/* Whether a checkpoint behind the one just made may bring back room: what that one let go is free
 * some beats after its capture, or after that of a later one, as keep says; and tables have room
 * for the bars of one more. */
bool forest_may_checkpoint_again(const struct forest *forest);

/* Computes W, the most blocks that the open bar may acquire, from the manifest as it stands, and a
 * bound of what it can be in the next two: whenever levels have changed. */
void forest_measure_bar(struct forest *forest);

/* ---- Beats ----------------------------------------------------------------------------------- */

/* The beat or the checkpoint is another one now: says which snapshot the writer sees,
 * tree_snapshot_newest() of all trees. */
void forest_set_snapshot(struct forest *forest);

/* Opens the first beat after forest_open(): at replay, and without. FULL, LIMIT: there is no room
 * for its instalment, which only a forged file can do. */
enum tactus_status forest_begin(struct forest *forest);

/* Ends the open beat and opens the next (R8). `head`: where the entry that ends the beat will be,
 * or, at replay, is. What is above the settled counts stays the open transaction. Not OK: the
 * forest is broken, reads go on. */
enum tactus_status forest_close_beat(struct forest *forest, const struct journal_position *head);

/* Takes the capture that closing a beat may have made as far as it goes without waiting: a poll, at
 * every commit. Its superblock waits for the entry of the commit that closed the beat: so a
 * checkpoint is durable only if what caused it is, and the same history has the same checkpoints,
 * wherever it was cut off. Nothing under way: nothing is done. POISONED, or what the journal
 * answered: a write or flush failed; the forest is broken. */
enum tactus_status forest_capture_advance(struct forest *forest);

/* The same, to the end. The entry of the commit that closed the beat has been appended. */
enum tactus_status forest_capture_wait(struct forest *forest);

/* Counts a transaction, whose entry is written, into the open beat, and settles it. `timestamps`
 * has the highest of each collection, 0: none. */
void forest_settle(
    struct forest *forest,
    const struct forest_commit *commit,
    const uint64_t *timestamps,
    const struct event_kinds *kinds
);

/* The operation of history `checkpoint` (S9), whose entry has been counted into the open beat:
 * closes beats to the bar's end and those of one empty bar more, then captures, so that both memory
 * tables are empty. `head` is behind the entry. OK: the superblock is durable, nothing is left to
 * replay. */
enum tactus_status forest_checkpoint(struct forest *forest, const struct journal_position *head);

/* Counts an entry's bytes into the open beat. */
void forest_count_entry(struct forest *forest, uint64_t entry_bytes);

/* One entry at replay: its events, checked and counted, then applied as the open transaction. */
struct forest_replay {
    const uint8_t *body;
    uint64_t body_size;
    uint32_t event_count;
    uint64_t op;
    uint32_t event_counts[COLLECTIONS_MAX]; /* out, by forest_replay_count */
    uint64_t timestamps[COLLECTIONS_MAX];   /* out, by forest_replay_apply: the highest, 0: none */
    struct event_kinds kinds;               /* out, likewise */
};

/* Checks every event and counts them by collection. CORRUPT: the body is not one of ours. */
enum tactus_status forest_replay_count(struct forest *forest, struct forest_replay *replay);

/* Applies them. CORRUPT: an event names an object that is not there, or brings one that is not
 * ours. */
enum tactus_status forest_replay_apply(struct forest *forest, struct forest_replay *replay);

/* A read-only replay closes no beats (storage.md section 5): what is settled joins the overlay,
 * which sorts itself. */
void forest_overlay_settle(struct forest *forest, const struct forest_replay *replay);

#endif
