/* Finds one key in the immutable table and the levels, newest first: an activity.
 *
 * It is given a snapshot (tree.h): of the tables on disk those are asked that this beat sees, and
 * the immutable table only at the newest.
 *
 * What can tell without I/O that the key is not there is asked first: the ranges of the tree's
 * parts, of each level, of each table; then, in trees that have filters, the table's filter. Each
 * such answer is counted in lsm_shared.lookups.
 *
 * The mutable table is the caller's to ask before (tree_get_mutable): what it holds changes within
 * a transaction, while this answer does not, so many can be fetched ahead of their use (R3).
 *
 *     lookup_init(&lookup, tree, tree_snapshot_newest(tree), key, record);
 *     while ((progress = lookup_advance(&lookup)) == PROGRESS_WAIT) grid_wait(grid);
 *
 * Many are advanced, or stepped, in turn before one grid_wait(), so that their reads run side by
 * side. Between init and the end neither swap nor compaction_apply may happen to the tree. */
#ifndef TACTUS_LSM_LOOKUP_H
#define TACTUS_LSM_LOOKUP_H

#include "base/progress.h"
#include "lsm/key.h"
#include "lsm/table_reader.h"
#include "lsm/tree.h"

#include <stdbool.h>
#include <stdint.h>

/* The most frames that a lookup pins, for grid_options.pinned_frames_max. */
enum { LOOKUP_FRAMES = 1 };

enum lookup_answer { LOOKUP_ABSENT = 1, LOOKUP_FOUND };

enum lookup_stage { LOOKUP_MEMORY, LOOKUP_LEVEL, LOOKUP_TABLE, LOOKUP_END };

struct lookup {
    struct tree *tree; /* borrowed until the end */
    uint64_t snapshot;
    struct key key;
    void *record; /* borrowed until the end: room for a record */

    uint8_t stage; /* enum lookup_stage */
    uint8_t level; /* being asked, or to be asked next; and the run in it, newest first */
    uint32_t run;
    uint8_t answer; /* enum lookup_answer, once done; 0 before, and if it failed */
    bool failed;
    struct table_lookup table;
};

/* Begins; does no I/O yet. The tree can answer for `snapshot`, until the end. `record` is filled
 * only when the answer is LOOKUP_FOUND. From the first advance to the last the lookup must not move
 * in memory. */
void lookup_init(
    struct lookup *lookup, struct tree *tree, uint64_t snapshot, struct key key, void *record
);

/* Goes on until the answer is there, or a block has to be waited for.
 *
 *   PROGRESS_DONE    lookup->answer says whether the key is there; a tombstone is ABSENT
 *   PROGRESS_WAIT    a read is under way: grid_wait(), then again
 *   PROGRESS_FAILED  a block cannot be read, or is damaged: the fault says which
 *
 * Once it is not WAIT, nothing is pinned and the lookup may be used again. */
enum progress lookup_advance(struct lookup *lookup);

/* The same, but goes on only until what it will look at next may not be in the CPU's caches: that
 * is being fetched when it returns. Many are stepped in turn, so that each finds its memory come.
 * WAIT is then no reason to wait, unless lookup_is_reading() says so: of the one, and of all
 * others. */
enum progress lookup_step(struct lookup *lookup);
bool lookup_is_reading(const struct lookup *lookup);

/* Gives a lookup up that is still waiting. A read under way may have to be waited for. */
void lookup_cancel(struct lookup *lookup);

#endif
