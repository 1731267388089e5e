/* The grid: blocks by reference. The only way to read and to write them.
 *
 * A struct grid is one thread's way to it. The *owner* has the free set, and makes the file longer;
 * a *view*, made over it for another thread (grid_init_sharing), reads and writes blocks at
 * addresses that it is told. Each has its own reactor, slots, queue, statistics and fault, so that
 * no thread ever waits for another's I/O. Shared are the cache, under its lock, and the status.
 *
 * A block is named by (address, checksum) and never changes, so a read either gives exactly the
 * bytes its reference names or a status. Reads of one block by one thread are merged, and are
 * answered from the cache or from writes in flight, whose ever, without I/O (R11): a write is in
 * the cache before it is submitted, and is held there until it is done.
 *
 * A failed write poisons the grid: nothing more is written, blocks already in frames stay readable
 * where they must, and a block that is not found as it should be is POISONED, not CORRUPT (it may
 * be one that could not be written). One for all: whichever thread's write failed.
 *
 * A struct grid is for one thread at a time; handing it to another is fine where something orders
 * the two (worker_start and worker_join do). */
#ifndef TACTUS_STORAGE_GRID_H
#define TACTUS_STORAGE_GRID_H

#include "base/budget.h"
#include "base/lock.h"
#include "base/status.h"
#include "io/reactor.h"
#include "storage/block.h"
#include "storage/block_cache.h"
#include "storage/free_set.h"
#include "storage/layout.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    GRID_READS_MAX = 32,  /* the owner's in flight at once; more wait in a queue */
    GRID_WRITES_MAX = 32, /* the owner's in flight at once; a writer waits for a slot */
};

/* Most that a file is grown ahead of need in one step. */
#define GRID_GROW_STEP_MAX ((uint64_t)1 << 30)

struct grid_options {
    struct reactor *reactor;     /* kept */
    const struct layout *layout; /* kept */
    struct checksum file_id;
    uint32_t keep;              /* checkpoints that a released block is kept for (S13) */
    uint32_t cache_frames;      /* room for blocks that nobody holds; at least 1 */
    uint32_t pinned_frames_max; /* most that callers hold at once, by reads and grid_frame_take();
                                   what is in flight is the grid's own and not counted here */
    uint32_t view_frames_max; /* for views: grid_view_frames() of each, summed; 0: there is none */
    bool read_only;           /* nothing is written, grown, acquired or released */
    struct fault *fault;      /* kept: gets the first failure */
};

struct grid_view_options {
    struct reactor *reactor;    /* kept; the thread's own, over the owner's file. The owner's own
                                   will do where one thread uses both by turns */
    uint32_t pinned_frames_max; /* as in grid_options, of the view */
    uint32_t reads_max;         /* in flight at once, from 1 */
    uint32_t writes_max;        /* likewise */
    struct fault *fault;        /* kept: gets the first failure that the view meets */
};

/* A read, owned by the caller from start until it is DONE or cancelled; it must not move. */
struct grid_read {
    struct block_reference reference;
    uint8_t stage; /* enum io_stage: IO_IN_FLIGHT, IO_DONE */
    uint8_t type;  /* enum block_type that the block must be of */
    uint16_t tree;
    enum tactus_status status; /* when DONE: OK, CORRUPT, POISONED or IO */
    struct block_frame *frame; /* when DONE and OK: referenced for the caller; else NULL */

    struct fault fault; /* when DONE and not OK: for grid_read_finish() and grid_read_failed() */
    struct grid_read *next; /* the grid's */
};

struct grid_read_queue {
    struct grid_read *first;
    struct grid_read *last;
};

struct grid_read_slot {
    struct io_request request;
    struct block_reference reference;
    struct block_frame *frame; /* being read into; NULL: the slot is free */
    struct grid_read_queue waiting;
    uint8_t attempts; /* 0: the first; 1: read again; 2: the copy */
};

struct grid_write_slot {
    struct io_request request;
    struct block_frame
        *frame;        /* referenced until written, or for ever if that failed; NULL: free */
    uint64_t sequence; /* how many writes were started before it, and it */
    bool failed;
};

struct grid_statistics {
    uint64_t reads_cached;   /* answered without I/O */
    uint64_t reads_merged;   /* with one that was in flight */
    uint64_t blocks_read;    /* I/Os, those made again included */
    uint64_t blocks_written; /* completed */
    uint64_t bytes_written;
    uint64_t reads_healed; /* that a second read, or the copy, saved */
};

struct grid {
    struct grid_options options;    /* of a view: the owner's, with its own reactor and fault */
    struct grid *owner;             /* itself; of a view: borrowed until its grid_close() */
    struct grid_read_slot *reads;   /* reads_max; NULL: there is no memory yet, or no more */
    struct grid_write_slot *writes; /* writes_max */
    uint32_t reads_max;
    uint32_t writes_max;

    struct grid_read_queue queued;
    uint32_t reads_in_flight;
    uint32_t writes_in_flight;
    uint64_t writes_started;
    _Atomic uint64_t written_through; /* all writes up to this sequence are done */
    struct grid_statistics statistics;

    /* Of the owner alone; a view's are zero. */
    struct free_set free_set;
    struct block_cache cache;
    _Atomic uint64_t block_count;      /* blocks that the file has room for now; never falls */
    struct lock status_lock;           /* for who changes the status */
    _Atomic enum tactus_status status; /* OK, or POISONED for good */
    struct fault poison;               /* why; set before the status, and never again */
    uint32_t view_count;               /* not closed */
    uint32_t view_frames;              /* promised to views */
};

/* Takes all memory, listed under "free set" and "cache". Neither grid_open() nor the free
 * set's opening has happened then. */
void grid_init(struct grid *grid, struct budget *budget, const struct grid_options *options);

/* What a view adds to the owner's cache: view_frames_max of grid_options. */
uint32_t grid_view_frames(const struct grid_view_options *options);

/* Makes a view over the owner's grid, with the memory of its slots, in the same walks as the
 * owner's grid_init(). It is open as long as the owner is. Not for views: grid_open, grid_release,
 * grid_grow; nor does it know which addresses are acquired. Called where no other thread uses the
 * owner, as is a view's grid_close(). */
void grid_init_sharing(
    struct grid *view,
    struct budget *budget,
    struct grid *owner,
    const struct grid_view_options *options
);

/* Learns how many blocks the file has room for. CORRUPT: fewer than block_count, which its
 * superblock says it has, or block_count is above the layout's most. */
enum tactus_status grid_open(struct grid *grid, uint64_t block_count);

/* Waits until nothing is in flight (so that buffers may go), whatever came of it. Reads still
 * queued are dropped. A grid that never got its memory is fine. Views are closed before the owner,
 * and while the thread that used them is still there: the system cancels what an ended thread left
 * in flight. */
void grid_close(struct grid *grid);

/* Starts a read. A block that is in a frame, and one whose reference cannot be right, is DONE at
 * once. A wrong block is read once again, then from its copy, before it is CORRUPT (with the
 * fault filled) or, in a poisoned grid, POISONED. Type and tree are compared after the checksum. */
void grid_read_start(
    struct grid *grid,
    struct grid_read *read,
    struct block_reference reference,
    enum block_type type,
    uint16_t tree
);

/* For who has other work to do before he starts a read of this block: the CPU fetches what the
 * start will look at, without being waited for; the head first, then, some work later, the frame.
 * Hints: neither has to be called. */
void grid_prefetch_head(const struct grid *grid, struct block_reference reference);
void grid_prefetch_frame(const struct grid *grid, struct block_reference reference);

/* Ends the caller's interest: a read in flight is taken from its queue, of a read that is DONE the
 * frame is given back. Fine in any stage, also for a zeroed grid_read that was never started. */
void grid_read_cancel(struct grid *grid, struct grid_read *read);

/* Waits for this read; then returns its status. Not OK: the options' fault says why. */
enum tactus_status grid_read_finish(struct grid *grid, struct grid_read *read);

/* The owner of a read that is DONE and not OK takes notice: puts its fault into the options' and
 * returns its status. A read may have ended in an earlier call than the one that wants its block,
 * so nothing is said before. */
enum tactus_status grid_read_failed(struct grid *grid, const struct grid_read *read);

/* The block if it is in a frame, referenced; else NULL. Nothing but its identity is checked: type
 * and tree were, by the read or the write that brought it. Whether its content was, too, says
 * block_frame_is_checked(). */
struct block_frame *grid_cached(struct grid *grid, struct block_reference reference);

/* Gives back a reference. */
void grid_unref(struct grid *grid, struct block_frame *frame);

/* A frame for building a block: referenced once, the header's 128 bytes zero, the rest not: whoever
 * builds writes every byte below `size`. */
struct block_frame *grid_frame_take(struct grid *grid);

/* Seals the block and starts to write it at `address`, which must be acquired, or be the next of a
 * reservation, and within block_count. The caller has set type, tree, size, snapshot and metadata
 * in the header, and keeps its own reference: the frame may be read on, but not changed. Waits for
 * a slot if none is free. In a poisoned grid nothing is written; grid_status() says so. */
struct block_reference grid_write_start(
    struct grid *grid, struct block_frame *frame, uint64_t address
);

/* Completes what is done; if nothing is, waits until some I/O is. Returns at once if nothing of the
 * grid is in flight. */
void grid_wait(struct grid *grid);

/* Completes what is done, without waiting. */
void grid_poll(struct grid *grid);

/* Whether grid_write_start() would find a slot without waiting. */
bool grid_can_write(const struct grid *grid);

/* A mark behind every write started so far, and whether all writes before a mark have reached the
 * device (not: are durable): later ones do not hold it up. False for good once one of them failed.
 * A checkpoint takes the marks of owner and view, and flushes once both are written through. */
uint64_t grid_write_mark(const struct grid *grid);

/* Takes note of nothing, grid_poll() does; so another thread than the grid's may ask this, too. */
bool grid_written_through(const struct grid *grid, uint64_t mark);

/* Waits for all writes of this thread's. OK: they reached the device (not: are durable); POISONED.
 * For who has nothing else to do meanwhile. */
enum tactus_status grid_writes_finish(struct grid *grid);

/* Whoever learns otherwise that a write or flush failed says so here; keeps the fault, returns
 * TACTUS_POISONED. */
enum tactus_status grid_poison(struct grid *grid, struct fault fault);

/* OK; or POISONED, with the options' fault saying once more what failed. */
enum tactus_status grid_status(struct grid *grid);

/* Adds the view's counts to the owner's, and begins them anew. Nobody uses either meanwhile. */
void grid_statistics_move(struct grid *view);

/* Lets go of a block; it may be read on until it is freed. CORRUPT, and nothing done: no such
 * block is in use, or it was released before; only a file that is damaged or hostile can name
 * it. */
enum tactus_status grid_release(struct grid *grid, uint64_t address);

/* Makes the file long enough for blocks 1 to block_count (S7): by the larger of the need and min(an
 * eighth more, 1 GiB); if the system refuses that, by the need alone. LIMIT: above the layout's
 * block_count_max. FULL, IO: refused; nothing changed. POISONED: a flush failed. */
enum tactus_status grid_grow(struct grid *grid, uint64_t block_count);

#endif
