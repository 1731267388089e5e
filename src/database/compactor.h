/* Who does a beat's compaction work (R7): a worker thread with its own way to file and grid; or,
 * without one (TACTUS_NO_WORKER, a system that gives no thread, a disk of a test), the writer's
 * thread, by the same code and through the same view of the grid. What lands in the file is the
 * same. */
#ifndef TACTUS_DATABASE_COMPACTOR_H
#define TACTUS_DATABASE_COMPACTOR_H

#include "base/budget.h"
#include "base/status.h"
#include "base/worker.h"
#include "io/reactor.h"
#include "storage/grid.h"

#include <stdbool.h>

struct compactor {
    struct reactor reactor; /* the worker's; closed if there is none */
    struct grid grid;       /* a view of the database's */
    struct worker worker;   /* closed if there is none */
    struct fault fault;     /* of the view: read when the worker is joined */
};

struct compactor_options {
    uint32_t runs_max; /* the most of any level */
    uint32_t depth;    /* 1 to COMPACTION_DEPTH_MAX */
};

/* Opens the way to the file, before any memory is taken. `owner` has its final place. */
void compactor_open(struct compactor *compactor, const struct reactor *owner);

/* Starts the thread. Without one, or where that fails, the writer's thread does the job. */
void compactor_start(struct compactor *compactor, void (*job)(void *context), void *context);

/* Frames that it adds to the owner's cache, for grid_options.view_frames_max. */
uint32_t compactor_frames(const struct compactor_options *options);

/* Takes its memory, right after the owner's grid. `reactor`: the owner's. */
void compactor_init(
    struct compactor *compactor,
    struct budget *budget,
    struct grid *owner,
    struct reactor *reactor,
    const struct compactor_options *options
);

/* Ends view, thread and reactor: before the owner's grid is closed, after the worker was joined and
 * what it pins was dropped. A zeroed one is fine. */
void compactor_close(struct compactor *compactor);

/* In a child after fork(), which has no such thread: gives back its descriptors. */
void compactor_abandon(struct compactor *compactor);

#endif
