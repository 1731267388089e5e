#include "database/compactor.h"

#include "base/assert.h"
#include "base/integer.h"
#include "io/file.h"
#include "lsm/compaction.h"

#include "base/poison.h"

/* Reads and writes in flight: what three tables have on their way, indexes included, and a few
 * writes, which come one block at a time and hide the device's latency. Of depth 1, one of each. */
static struct grid_view_options view_options(
    struct compactor *compactor, struct reactor *reactor, const struct compactor_options *options
)
{
    const uint32_t ahead = options->depth - 1;
    assert(ahead < COMPACTION_DEPTH_MAX);
    return (struct grid_view_options){
        .reactor = reactor,
        .pinned_frames_max = compaction_frames(options->runs_max, options->depth),
        .reads_max = max_u32(8 * ahead, 1),
        .writes_max = max_u32(4 * ahead, 1),
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

uint32_t compactor_frames(const struct compactor_options *options)
{
    const struct grid_view_options view = view_options(NULL, NULL, options);
    return grid_view_frames(&view);
}

void compactor_init(
    struct compactor *compactor,
    struct budget *budget,
    struct grid *owner,
    struct reactor *reactor,
    const struct compactor_options *options
)
{
    if (has_reactor(compactor)) reactor = &compactor->reactor;
    const struct grid_view_options view = view_options(compactor, reactor, options);
    grid_init_sharing(&compactor->grid, budget, owner, &view);
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
