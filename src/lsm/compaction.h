/* One compaction: merges a table of level B - 1, or the immutable table for B = 0, with the tables
 * of level B that it overlaps, into new tables of level B.
 *
 *   half-bar opens   compaction_select   chooses; nothing else happens
 *   its beats        compaction_begin    takes the shared resources
 *                    compaction_advance  reads, merges, writes; PROGRESS_WAIT means grid_wait()
 *   half-bar ends    compaction_apply    changes levels and log; idle again
 *
 * A tree has one for each target level. First half-bar: targets 1, 3, 5; second: 0, 2, 4, 6. So no
 * level is source and target at once, what select chose stays as it is until apply, and level 0 is
 * relieved before the immutable table comes. A half-bar's compactions are advanced one after the
 * other, each to its end, levels then trees ascending, for they share one pool of resources; and
 * applied in the same order, after all of them. The one that is running when a beat ends stays as
 * it is, with the blocks that it holds, and goes on in the next (half_bar.h).
 *
 * begin and advance touch the pool, its grid and supply, and read levels and immutable tables,
 * which nobody changes between a beat's opening and its end: so they may run on a thread of their
 * own (R7). select and apply are the writer's.
 *
 * Inputs are at most 1 + growth_factor tables. Outputs are at most as many as inputs, since they
 * are filled to a table's capacity; they may be none, when everything cancels.
 *
 * What comes into a level that may have several runs makes a run of its own or joins the newest,
 * and what goes down from there is a slice of the oldest group of runs (run_group.h, slice.h): at
 * most compaction_tables_max() tables in, and as many out. Of its tables of level A, those that it
 * has not consumed whole stay, trimmed. */
#ifndef TACTUS_LSM_COMPACTION_H
#define TACTUS_LSM_COMPACTION_H

#include "base/budget.h"
#include "base/progress.h"
#include "base/status.h"
#include "lsm/block_supply.h"
#include "lsm/manifest_level.h"
#include "lsm/run_merge.h"
#include "lsm/slice.h"
#include "lsm/slice_merge.h"
#include "lsm/table_builder.h"
#include "lsm/table_info.h"
#include "lsm/table_reader.h"
#include "storage/grid.h"
#include "storage/superblock.h"

#include <stdbool.h>
#include <stdint.h>

struct tree;

/* How much of its input a compaction has at hand or on its way: so many value blocks of each
 * table. Of depth 1 it asks for nothing before it needs it. The depth decides what is waited for,
 * and no order, address or byte. */
enum { COMPACTION_DEPTH_DEFAULT = 5, COMPACTION_DEPTH_MAX = TABLE_READ_AHEAD_MAX + 1 };

/* The most frames that the running compaction pins at once, for grid_options.pinned_frames_max: a
 * table of A, or of each run of A, one of B and the next one of B, and the table being built.
 * `runs_max`: the most of any level. */
static inline uint32_t compaction_frames(uint32_t runs_max, uint32_t depth)
{
    const uint32_t tables = depth == 1 ? 2 : 3;
    return tables * (TABLE_CURSOR_FRAMES + depth - 1) + TABLE_BUILDER_FRAMES +
           slice_merge_frames(runs_max, depth - 1);
}

enum half_bar_half { HALF_BAR_FIRST, HALF_BAR_SECOND };

/* Targets of the first half of a bar are odd, of the second even. */
static inline bool compaction_is_active(uint8_t level_b, enum half_bar_half half)
{
    return level_b % 2 == (half == HALF_BAR_FIRST ? 1 : 0);
}

/* What the one running compaction needs; shared by all compactions of all trees. */
struct compaction_pool {
    struct grid *grid;           /* borrowed, as are these */
    struct block_supply *supply; /* of the beat that is worked on */
    struct fault *fault;
    uint32_t read_ahead; /* value blocks of each table asked for ahead: depth - 1 */

    /* Side A where it is the immutable table, or a slice of several runs: these are merged, a piece
     * at a time, into `block`, or into the slice's. */
    struct run_merge runs;
    struct slice_merge slices; /* without room if no level has several runs */
    struct run_merge_piece piece;
    uint32_t piece_position; /* records of the piece that were consumed */
    void *block;             /* of block_size bytes; borrowed from the memory budget */

    struct table_cursor a;    /* side A where it is a table */
    struct table_cursor b[2]; /* the current table of B, and the next: its index is on its way,
                                 if anything is read ahead */
    const struct table_info *b_table; /* the current one; NULL: none is left */
    uint32_t b_left;     /* tables of B that are not consumed, the current one included */
    uint32_t b_current;  /* which of the two cursors is at b_table */
    uint32_t a_position; /* records of the block at hand that were consumed */
    uint32_t b_position;
    uint64_t a_consumed; /* records of the current table that were consumed */
    uint64_t b_consumed;
    struct table_builder builder;
    struct compaction *user; /* the one that has begun and is not finished, or NULL */

    /* For apply: compaction_tables_max() of any level; borrowed from the budget. */
    struct table_info *taken;
};

struct compaction_pool_options {
    struct grid *grid; /* kept, as are these */
    struct block_supply *supply;
    struct fault *fault;
    uint32_t block_size;
    uint32_t growth_factor;
    const uint32_t *runs_max; /* of LEVELS levels; not kept */
    uint32_t depth;           /* 1 to COMPACTION_DEPTH_MAX */
};

/* Takes little from the budget: most blocks that it needs are frames of the grid. */
void compaction_pool_init(
    struct compaction_pool *pool,
    struct budget *budget,
    const struct compaction_pool_options *options
);

/* Drops what the running compaction pins, if one runs: before closing. */
void compaction_pool_abandon(struct compaction_pool *pool);

/* Since open, of one target level of one tree. */
struct compaction_counters {
    uint64_t merges;    /* compactions that were neither empty nor a move */
    uint64_t tables_in; /* from both levels; the immutable table is none */
    uint64_t tables_out;
    uint64_t blocks_out; /* of tables_out, all kinds */
    uint64_t tables_moved;
    uint64_t deferrals;        /* of level 0: bars in which the immutable table was not flushed */
    uint64_t tables_trimmed;   /* of tables_in: those that a slice left the upper part of */
    uint64_t slices;           /* of merges: those of several runs */
    uint64_t tables_coalesced; /* of tables_in: neighbours that a merge took in without overlap */
    uint64_t records_in;       /* the immutable table's included */
    uint64_t records_out;
    uint64_t records_dropped;   /* tombstones that had nothing below to hide */
    uint64_t records_replaced;  /* older records of a key that met a newer one */
    uint64_t records_cancelled; /* pairs of put and remove, counted as two records */
};

enum compaction_stage {
    COMPACTION_IDLE,     /* nothing selected, or applied */
    COMPACTION_SELECTED, /* there is work for the half-bar's beats; begin comes next */
    COMPACTION_RUNNING,  /* maybe between two beats */
    COMPACTION_FINISHED, /* outputs are in the grid; apply comes next */
    COMPACTION_FAILED    /* the fault says why; the database can only be closed */
};

/* Invariants:
 *
 *   C1  While not idle, inputs point to tables of the two levels and are not in the free set's
 *       released set before they were consumed.
 *   C2  output_count <= input_count, which counts the immutable table as one.
 *   C3  When finished: records_in == records_out + dropped + replaced + cancelled. */
struct compaction {
    struct tree *tree; /* borrowed: the tree that it is part of */
    struct table_info
        *outputs; /* compaction_tables_max(); shared with the compaction into the level above */
    uint8_t level_b;

    uint8_t stage; /* enum compaction_stage */
    bool from_memory;
    bool from_slice;
    bool move_table;
    bool drop_tombstones;
    uint64_t run_b;                   /* the number of the run that the outputs are of */
    struct slice slice;               /* of several runs; without room where level A has one */
    uint64_t slice_run;               /* from_slice: the newest run of its group */
    const struct table_info *a;       /* NULL: the immutable table, or a slice */
    const struct table_info *b_first; /* the others follow it in the level; NULL: none overlaps */
    uint32_t b_count;
    uint32_t output_count;
    struct key key_min; /* of the union of all inputs */
    struct key key_max;
    uint64_t snapshot_min;            /* first beat that sees the outputs */
    uint64_t record_count;            /* of all inputs; 0: a move */
    struct compaction_counters now;   /* of this compaction */
    struct compaction_counters total; /* of all that were applied */
};

/* What a half-bar's compactions are chosen by; the same for all of them. */
struct compaction_terms {
    uint64_t snapshot_min; /* the first beat of the next half-bar, which sees the outputs */
    bool in_haste;         /* room is short: levels below their limits are compacted, too (S7) */
    bool coalesces;        /* merges take in neighbours that fill their last table */
    bool may_defer;        /* a small immutable table may wait for the next bar's records (R9) */
};

/* The half-bar opens: chooses what to compact into level_b. Level 0: the immutable table, unless it
 * is empty. Level above: if level_b - 1 is at its limit, its table that overlaps least; in haste,
 * compaction_pick_in_haste()'s. True if there is work; a move is finished with this already. */
bool compaction_select(struct compaction *compaction, const struct compaction_terms *terms);

/* Whether select found work that is not yet applied. */
bool compaction_is_selected(const struct compaction *compaction);

/* The most blocks that it acquires while it goes on from where it is by `records` records, in one
 * beat: with carried partial blocks, and one block more than asked for. */
uint64_t compaction_block_count_max(const struct compaction *compaction, uint64_t records);

/* The most blocks of a beat, for each selected compaction beyond those that its records fill. */
uint64_t compaction_blocks_extra(const struct table_geometry *geometry);

/* The most events that its apply appends to the manifest log. */
uint64_t compaction_entry_count_max(const struct compaction *compaction);

/* Records that it reads in all, those of the immutable table that cancel in memory included: the
 * measure of work, 0 for a move; and that it has read. */
uint64_t compaction_record_count(const struct compaction *compaction);
uint64_t compaction_record_done(const struct compaction *compaction);

/* Its first beat: the pool must be free. */
void compaction_begin(struct compaction *compaction);

/* Goes on until record_done has reached `target`, by at most a value block of each side more, or
 * until it must wait; with the last record it is finished, too. What it releases and acquires goes
 * through the pool's supply.
 *
 *   PROGRESS_DONE    target is reached; compaction_is_finished() says whether that was the end
 *   PROGRESS_WAIT    call grid_wait(), then again
 *   PROGRESS_FAILED  a block cannot be read, or is not what a table's block must be; the pool's
 *                    fault says which, and nothing is pinned any more
 *
 * Writes may still be in flight when it is done: a checkpoint waits until those before its mark
 * are written through. */
enum progress compaction_advance(struct compaction *compaction, uint64_t target);
bool compaction_is_finished(const struct compaction *compaction);

/* The half-bar ends. Changes levels and log; the log's reservation is made. The order is part of
 * the format's history: input A, inputs B ascending are updated (seen up to snapshot_min - 1),
 * outputs inserted ascending, inputs B descending then A removed; a moved table is one update. The
 * tables of a slice are input A one after the other, newest run first, keys ascending; one that is
 * trimmed is inserted right after it was removed. */
void compaction_apply(struct compaction *compaction);

#endif
