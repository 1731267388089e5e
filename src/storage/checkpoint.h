/* The checkpoint: how a newer forest takes the place of an older one, whole or not at all, while
 * transactions go on.
 *
 * What the floors above know (where the manifest log is, their own state as bytes, what of the
 * journal is covered) comes in as values. S11's order:
 *
 *   start    everything that history decides, in memory alone: state trailer acquired · free set
 *            encoded · its own trailers acquired · from here releases go to the side set · own
 *            trailer blocks released into it
 *   advance  everything that takes time, step by step and without waiting: trailers written · all
 *            grid writes up to here done · the entry that caused it durable · flush · superblock
 *            written, read back (S12)
 *   effect   at a later beat fixed by history: what was released before the capture, or, where
 *            `keep` is k, before the k - 1 captures before this one, becomes free (S13)
 *
 * A crash before the superblock is durable finds the old checkpoint, of which no block was written
 * over: nothing becomes free before the effect, and that waits for the superblock. After it, a
 * crash finds the new one. Both processes, the one that runs on and the one that reopens, hold the
 * same free set: the blocks of the state trailer are acquired in what is encoded, those of the free
 * set's own trailers are free in it, and all of them are acquired and in the side set after. When
 * each step of advance comes depends on the disk, and decides no byte. */
#ifndef TACTUS_STORAGE_CHECKPOINT_H
#define TACTUS_STORAGE_CHECKPOINT_H

#include "base/budget.h"
#include "base/progress.h"
#include "base/status.h"
#include "storage/grid.h"
#include "storage/journal.h"
#include "storage/superblock.h"
#include "storage/superblock_writer.h"
#include "storage/trailer.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CHECKPOINT_STATE_SIZE_MAX = 65536,    /* bytes that the floors above may keep in the trailer */
    CHECKPOINT_SCHEMA_SIZE_MAX = 1 << 20, /* bytes of schema text */
};

struct checkpoint_options {
    struct grid *grid;             /* kept, as all of these */
    struct superblock *superblock; /* what is durable; changed when a newer one is */
    struct journal *journal;       /* with the grid's fault; NULL: none is to be waited for */
    struct grid *view;             /* through which compactions write; NULL: through the grid */
};

/* How far the capture has come. */
enum checkpoint_stage {
    CHECKPOINT_IDLE, /* there is none, or its superblock is durable */
    CHECKPOINT_TRAILERS,
    CHECKPOINT_GRID,
    CHECKPOINT_JOURNAL,
    CHECKPOINT_SUPERBLOCK,
    CHECKPOINT_FAILED,
};

enum { CHECKPOINT_TRAILERS_OWN = 3 }; /* state, acquired, released */

/* Of this process; decides nothing. */
struct checkpoint_statistics {
    uint64_t count;                     /* made durable */
    uint64_t waited;                    /* of them, those that somebody had to wait for */
    uint64_t ns_last, ns_max, ns_total; /* from capture to durable */
    uint64_t blocks_last, blocks_total; /* of trailers */
    uint64_t bytes_last, bytes_total;   /* of their strings */
};

struct checkpoint {
    struct checkpoint_options options;
    uint8_t *state;      /* CHECKPOINT_STATE_SIZE_MAX; the capture's, until it is written */
    uint8_t *acquired;   /* encoded words, for a whole set; only touched as far as needed */
    uint8_t *released;   /* likewise, for as many sets as there are generations */
    uint64_t *addresses; /* of the trailer blocks of the current checkpoint: state, then free set */
    uint64_t addresses_max;

    uint64_t address_count;
    uint8_t stage;                                           /* enum checkpoint_stage */
    struct trailer_writer trailers[CHECKPOINT_TRAILERS_OWN]; /* in the order of their blocks */
    uint64_t grid_mark; /* behind the last write that the superblock stands on */
    uint64_t view_mark; /* of the view, likewise */
    bool journal_asked; /* the journal was asked to make op_cause durable */
    uint64_t op_cause;
    struct checkpoint_state next; /* what the superblock is going to say */
    struct superblock_writer writer;
    uint64_t captured_ns;
    struct checkpoint_statistics statistics;
};

/* Most frames that it holds at a time, beside the grid's own. */
enum { CHECKPOINT_FRAMES = 1 };

/* Takes memory for the state, the encoded sets and addresses, listed under "free set". */
void checkpoint_init(
    struct checkpoint *checkpoint, struct budget *budget, const struct checkpoint_options *options
);

/* Waits for its own request in flight, so that buffers may go, and gives up a capture that is not
 * durable: what it has may be found by the next open, or not. Fine at any time. */
void checkpoint_close(struct checkpoint *checkpoint);

/* Everything a capture is told from above. */
struct checkpoint_capture {
    uint64_t op_covered;
    uint64_t op_captured;
    uint64_t op_cause; /* whose entry must be durable before the superblock: op_captured, or the
                          next, which a commit that closed the beat is going to append */
    uint64_t beat_capture;
    uint64_t journal_offset;             /* of op_covered + 1 */
    struct checksum journal_predecessor; /* logical checksum of op_covered */
    struct block_reference manifest_oldest;
    struct block_reference manifest_newest;
    uint64_t manifest_block_count;
    const uint8_t *state; /* copied */
    uint64_t state_size;  /* up to CHECKPOINT_STATE_SIZE_MAX */
};

/* Writes the first checkpoint of a new file: grows it, opens the free set as empty, writes state,
 * schema text (a trailer of its own, never released) and free set, then the superblock. The
 * superblock that was given in the options holds the file's options and everything else that is not
 * the checkpoint's or the schema's; sequence 0. schema_size is at most CHECKPOINT_SCHEMA_SIZE_MAX.
 * FULL, LIMIT (size_max has no room), IO, POISONED. After it this process may go on as if it had
 * opened the file. */
enum tactus_status checkpoint_format(
    struct checkpoint *checkpoint,
    const struct checkpoint_capture *capture,
    const void *schema,
    uint64_t schema_size
);

/* Opens the superblock's checkpoint: grid_open(), free set, own trailer blocks; an effect is
 * pending then. `state` has room for CHECKPOINT_STATE_SIZE_MAX bytes. CORRUPT, IO. */
enum tactus_status checkpoint_open(
    struct checkpoint *checkpoint, uint8_t *state, uint64_t *state_size
);

/* The part that history fixes, in memory: acquires, encodes, releases. Writes nothing but, rarely,
 * a longer file. No effect is pending, no capture is under way, no reservation is open, the
 * manifest log is closed, no other thread uses the view. FULL, LIMIT, IO: the file has no room for
 * the trailers and did not grow; nothing changed (S7's admission sees to it that this does not
 * happen). */
enum tactus_status checkpoint_capture_start(
    struct checkpoint *checkpoint, const struct checkpoint_capture *capture
);

/* True: a capture is under way, or has failed. */
bool checkpoint_is_under_way(const struct checkpoint *checkpoint);

/* Takes the capture as far as it goes without waiting; one request of the superblock at most is
 * submitted by a call. DONE: the superblock is durable. WAIT: call again, at the next commit or
 * after some I/O. FAILED: a write or flush failed; the grid is poisoned, or the journal is, the
 * fault says why, and the file holds the old checkpoint or the new one, whole. A journal's append
 * of op_cause may come after the first calls: they leave the superblock alone until then. Another
 * thread may use the view: what it wrote before the capture counts once that thread has taken note.
 *
 * Under sync=none or interval the journal is flushed here, which takes as long as it takes. */
enum progress checkpoint_advance(struct checkpoint *checkpoint);

/* Why it FAILED: POISONED, or what the journal answered. The fault says more. */
enum tactus_status checkpoint_failure(const struct checkpoint *checkpoint);

/* Advances to the end. The entry of op_cause has been appended; no other thread uses the view. OK,
 * also if nothing is under way; else as checkpoint_failure(). */
enum tactus_status checkpoint_wait(struct checkpoint *checkpoint);

/* Start and wait in one. */
enum tactus_status checkpoint_capture(
    struct checkpoint *checkpoint, const struct checkpoint_capture *capture
);

/* The effect beat has come, and the capture is durable: free_set_effect(). */
void checkpoint_effect(struct checkpoint *checkpoint);

#endif
