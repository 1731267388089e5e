/* The checkpoint: how a newer forest takes the place of an older one, whole or not at all.
 *
 * What the floors above know (where the manifest log is, their own state as bytes, what of the
 * journal is covered) comes in as values. S11's order:
 *
 *   start    state trailer acquired and written · free set encoded · its own trailers acquired and
 *            written · from here releases go to the side set · own trailer blocks released into it
 *   finish   all grid writes done · flush · superblock written, flushed, read back (S12)
 *   effect   at a later beat fixed by history: what was released before the capture becomes free
 *
 * A crash before the superblock is durable finds the old checkpoint, of which no block was written
 * over; after it, the new one. Both processes, the one that runs on and the one that reopens, hold
 * the same free set: the blocks of the state trailer are acquired in what is encoded, those of the
 * free set's own trailers are free in it, and all of them are acquired and in the side set
 * after. */
#ifndef TACTUS_STORAGE_CHECKPOINT_H
#define TACTUS_STORAGE_CHECKPOINT_H

#include "base/budget.h"
#include "base/status.h"
#include "storage/grid.h"
#include "storage/superblock.h"
#include "storage/trailer.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    CHECKPOINT_STATE_SIZE_MAX = 65536,    /* bytes that the floors above may keep in the trailer */
    CHECKPOINT_SCHEMA_SIZE_MAX = 1 << 20, /* bytes of schema text */
};

struct checkpoint_options {
    struct grid *grid;             /* kept */
    struct superblock *superblock; /* kept: what is durable; changed when a newer one is */
};

struct checkpoint {
    struct checkpoint_options options;
    uint8_t *acquired; /* encoded words, for a whole set each; only touched as far as needed */
    uint8_t *released;
    uint64_t *addresses; /* of the trailer blocks of the current checkpoint: state, then free set */
    uint64_t addresses_max;

    uint64_t address_count;
    bool finish_pending;          /* started, and its superblock is not written yet */
    struct checkpoint_state next; /* what finish will write */
};

/* Takes memory for the encoded sets and for addresses, listed under "free set". */
void checkpoint_init(
    struct checkpoint *checkpoint, struct budget *budget, const struct checkpoint_options *options
);

/* Everything a capture is told from above. */
struct checkpoint_capture {
    uint64_t op_covered;
    uint64_t op_captured;
    uint64_t beat_capture;
    uint64_t journal_offset;             /* of op_covered + 1 */
    struct checksum journal_predecessor; /* logical checksum of op_covered */
    struct block_reference manifest_oldest;
    struct block_reference manifest_newest;
    uint64_t manifest_block_count;
    const uint8_t *state; /* borrowed for the call */
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

/* Most trailer blocks that the next capture can acquire if no address above `highest` is acquired
 * before it (S7's "trailers"). */
uint64_t checkpoint_block_count_max(const struct checkpoint *checkpoint, uint64_t highest);

/* Start and finish in one: returns when the new superblock is durable. */
enum tactus_status checkpoint_capture(
    struct checkpoint *checkpoint, const struct checkpoint_capture *capture
);

/* The part that history fixes: acquires, encodes, starts to write, releases. No effect is pending,
 * no reservation is open, the manifest log is closed. FULL, LIMIT, IO: the file has no room for the
 * trailers and did not grow; nothing changed (S7's admission sees to it that this does not happen).
 * Write errors show in finish. */
enum tactus_status checkpoint_capture_start(
    struct checkpoint *checkpoint, const struct checkpoint_capture *capture
);

/* The part that waits. All journal writes of ops <= op_captured have completed before. OK: durable.
 * POISONED: a write or flush failed; the file holds the old checkpoint or the new one, whole. */
enum tactus_status checkpoint_capture_finish(struct checkpoint *checkpoint);

/* The effect beat has come: frees what was released before the capture. The capture is finished. */
void checkpoint_effect(struct checkpoint *checkpoint);

/* An effect is still to come: of a capture, or after an open. */
bool checkpoint_effect_is_pending(const struct checkpoint *checkpoint);

/* Reads every trailer block that the superblock names (schema, state, acquired, released) and gives
 * the address of each, and of its copy if it has one, to visit(). For verify and inspect; the free
 * set need not be open, but grid_open() has been. Stops at the first failure. */
enum tactus_status checkpoint_trailer_walk(
    struct grid *grid,
    const struct superblock *superblock,
    void (*visit)(void *context, uint64_t address, enum block_type type),
    void *context
);

#endif
