/* A query on its way: the scan or lookups that its plan chose, the objects fetched in batches, the
 * filter, in the order of the plan. One commit's state is seen; any write ends the run (the caller
 * knows when), after which it is started again. */
#ifndef TACTUS_QUERY_RUN_H
#define TACTUS_QUERY_RUN_H

#include "base/budget.h"
#include "base/status.h"
#include "forest/collection.h"
#include "lsm/scan_tree.h"
#include "query/expression.h"
#include "query/plan.h"

#include <stdbool.h>
#include <stdint.h>

struct query_run_options {
    struct grid *grid;         /* kept */
    struct resolver *resolver; /* kept; used within a call only */
    struct fault *fault;       /* kept */
    struct scan_tree_options scan;
    uint32_t object_bytes_max; /* of all collections */
};

struct query_run {
    struct query_run_options options;
    struct scan_tree scan;
    uint8_t *objects; /* RESOLVE_MAX of object_bytes_max, borrowed from the budget */

    const struct collection *collection; /* borrowed while running */
    const struct expression *expression; /* likewise */
    const struct query_plan *plan;       /* likewise */
    enum visibility visibility;
    bool running;
    bool exhausted;                    /* the scan or the list of ids has no more */
    uint64_t timestamps[PLAN_IDS_MAX]; /* of the batch being fetched, or of all ids */
    bool found[PLAN_IDS_MAX];
    uint32_t batch_count; /* objects fetched */
    uint32_t batch_next;  /* the next of them to look at */
};

void query_run_init(
    struct query_run *run, struct budget *budget, const struct query_run_options *options
);

/* What to run, all borrowed until stop; every parameter is bound and the plan was chosen after. */
struct query_run_start {
    const struct collection *collection;
    const struct expression *expression;
    const struct query_plan *plan;
    enum visibility visibility;
};

/* Starts; whatever ran before is stopped. LIMIT: more unsorted records than a scan has room for;
 * CORRUPT, IO, POISONED: from looking ids up. */
enum tactus_status query_run_start(struct query_run *run, const struct query_run_start *start);

/* Copies up to `capacity` matching objects, in order; *count of 0: there are no more. CORRUPT, IO,
 * POISONED: the run is over, and the fault says which block. */
enum tactus_status query_run_next(
    struct query_run *run, uint8_t *objects, uint32_t capacity, uint32_t *count
);

/* Drops what is pinned. Fine at any time. */
void query_run_stop(struct query_run *run);

#endif
