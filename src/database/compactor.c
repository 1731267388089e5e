#include "database/compactor.h"

#include "base/assert.h"
#include "base/integer.h"
#include "io/file.h"
#include "lsm/compaction.h"

#include "base/poison.h"

/* Of reads it has as many in flight as the running compaction can ask for; writes come one block at
 * a time, and a few hide the device's latency. */
enum { COMPACTOR_READS = 32, COMPACTOR_WRITES = 16 };
static_assert(COMPACTOR_READS >= 3 * COMPACTION_READ_AHEAD, "all that is read ahead is in flight");

static struct grid_view_options view_options(
    struct compactor *compactor, struct reactor *reactor, uint32_t runs_max
)
{
    return (struct grid_view_options){
        .reactor = reactor,
        .pinned_frames_max = compaction_frames(runs_max),
        .reads_max = COMPACTOR_READS,
        .writes_max = COMPACTOR_WRITES,
        .fault = compactor == NULL ? NULL : &compactor->fault,
    };
}

void compactor_open(struct compactor *compactor, const struct reactor *owner)
{
    struct fault none = {0}; /* a file that cannot be shared is no fault of anyone's */
    const enum tactus_status status = file_open_sharing(&compactor->reactor, owner, &none);
    maybe(status != TACTUS_OK);
}

static bool has_reactor(const struct compactor *compactor)
{
    return compactor->reactor.backend != NULL;
}

void compactor_start(struct compactor *compactor, void (*job)(void *context), void *context)
{
    if (!has_reactor(compactor)) return;
    const enum tactus_status status = worker_open(&compactor->worker, job, context, NULL);
    maybe(status != TACTUS_OK);
}

uint32_t compactor_frames(uint32_t runs_max)
{
    const struct grid_view_options options = view_options(NULL, NULL, runs_max);
    return grid_view_frames(&options);
}

void compactor_init(
    struct compactor *compactor,
    struct budget *budget,
    struct grid *owner,
    struct reactor *reactor,
    uint32_t runs_max
)
{
    if (has_reactor(compactor)) reactor = &compactor->reactor;
    const struct grid_view_options options = view_options(compactor, reactor, runs_max);
    grid_init_sharing(&compactor->grid, budget, owner, &options);
}

void compactor_close(struct compactor *compactor)
{
    /* The view while its thread still lives: a ring cancels what an ended thread has in flight. */
    grid_close(&compactor->grid);
    worker_close(&compactor->worker);
    if (has_reactor(compactor)) file_close(&compactor->reactor);
}

void compactor_abandon(struct compactor *compactor)
{
    if (has_reactor(compactor)) file_abandon(&compactor->reactor);
}
