/* What a run did, from its start on: the executor counts, explain.h shows it beside the plan. */
#ifndef TACTUS_QUERY_ACTUAL_H
#define TACTUS_QUERY_ACTUAL_H

#include "query/plan.h"

#include <stdint.h>

struct query_actual {
    /* By the number of the plan's node; of PLAN_SCAN all is in [0]. */
    uint64_t entries[PLAN_NODES_MAX]; /* read from the tree; of IDS: ids looked up */
    uint64_t probes[PLAN_NODES_MAX];  /* leaps ahead that were asked of it */
    uint64_t given[PLAN_NODES_MAX];   /* timestamps that it yielded */

    uint64_t objects_fetched; /* by timestamp, or read as records of a scan */
    uint64_t objects_refused; /* of those: by the check */
    uint64_t objects_given;   /* to the caller, or counted */
    uint64_t passes;          /* to the end of the source of a sort: 0 without one */
    uint64_t blocks_read;     /* from the file */
    uint64_t blocks_cached;   /* found in the cache */
};

#endif
