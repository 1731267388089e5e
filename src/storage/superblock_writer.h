/* Writes the superblock step by step, without waiting: for a checkpoint in the background.
 *
 *   start -> [read all, write one copy that is not right]* -> flush -> copy 0 .. copy 3, each
 *            durable before the next -> read all -> DONE
 *
 * One request is in flight at a time, which is Q1's safe order by itself. superblock_write() and
 * superblock_heal() are this, waited for: there is one way to write a superblock. */
#ifndef TACTUS_STORAGE_SUPERBLOCK_WRITER_H
#define TACTUS_STORAGE_SUPERBLOCK_WRITER_H

#include "base/budget.h"
#include "base/progress.h"
#include "base/status.h"
#include "io/reactor.h"
#include "storage/superblock.h"

#include <stdbool.h>
#include <stdint.h>

enum superblock_writer_stage {
    SUPERBLOCK_WRITER_IDLE, /* nothing was started, or what was is DONE or FAILED */
    SUPERBLOCK_WRITER_HEAL_READ,
    SUPERBLOCK_WRITER_HEAL_TAIL, /* zeros behind a copy */
    SUPERBLOCK_WRITER_HEAL_COPY,
    SUPERBLOCK_WRITER_FLUSH,
    SUPERBLOCK_WRITER_COPY,
    SUPERBLOCK_WRITER_VERIFY,
};

struct superblock_copies;

struct superblock_writer {
    struct reactor *reactor;
    struct superblock_copies *copies;
    struct io_request request; /* of the stage; IO_IDLE: there is none */
    uint8_t stage;             /* enum superblock_writer_stage */
    uint8_t slot;              /* that the request is about */
    bool heals_only;
    bool was_healed[SUPERBLOCK_COPIES];
    uint32_t healed_count;

    struct superblock superblock; /* DONE: what the file has */
    enum tactus_status status;    /* FAILED: why */
};

/* Takes 40 KiB, listed under the budget's open group. The reactor is kept. */
void superblock_writer_init(
    struct superblock_writer *writer, struct budget *budget, struct reactor *reactor
);

/* Begins to write *superblock as superblock_write() says, and submits the first request. Nothing is
 * under way. */
void superblock_write_start(struct superblock_writer *writer, const struct superblock *superblock);

/* Takes note of the request if it is done, and submits the next: one at most, so that a backend
 * that is done at submission holds its caller up for one step only. WAIT: for writer->request, or
 * for the next call. FAILED: the fault is filled; statuses as superblock_write(). */
enum progress superblock_write_advance(struct superblock_writer *writer, struct fault *fault);

/* Waits until no request is in flight, whatever came of it, and gives up what was not DONE. Fine at
 * any time, also for a writer that never got its memory. */
void superblock_writer_stop(struct superblock_writer *writer);

#endif
