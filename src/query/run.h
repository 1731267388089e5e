/* A query on its way: carries a plan out.
 *
 *   plan                        objects
 *   scan of objects, or a map   are the records themselves; of a map with a list of keys, from key
 *                               to key
 *   scan of ids or an index     are fetched by the timestamps of its records, in batches
 *   set                         likewise, in the order of timestamps; where a batch's objects lie
 *                               close to each other, by a scan of the object tree with probes
 *   set that is sorted          are fetched, checked and put in order by their places, in passes;
 *                               then fetched again in that order
 *
 * and those that the expression does not mean are passed over, if the plan says that there may be
 * some.
 *
 * One commit's state is seen; any write ends the run (the caller knows when). It may go on behind
 * its place then: query_run_place(), query_run_start.after. */
#ifndef TACTUS_QUERY_RUN_H
#define TACTUS_QUERY_RUN_H

#include "base/budget.h"
#include "base/status.h"
#include "forest/collection.h"
#include "lsm/scan_tree.h"
#include "query/actual.h"
#include "query/expression.h"
#include "query/plan.h"
#include "query/query_pool.h"
#include "query/scan_set.h"
#include "query/sort.h"

#include <stdbool.h>
#include <stdint.h>

struct query_run_options {
    struct grid *grid;         /* kept */
    struct resolver *resolver; /* kept; used within a call only */
    struct query_pool *pool;   /* kept */
    struct fault *fault;       /* kept */
    uint32_t object_bytes_max; /* of all collections */
};

/* What to run, all borrowed until stop; every parameter is bound and the plan was chosen after. */
struct query_run_start {
    const struct collection *collection;
    const struct expression *expression;
    const struct query_plan *plan;
    enum visibility visibility;
    const struct key *after; /* the place to go on behind, of the same query; NULL: all. Not kept */
};

struct query_run {
    struct query_run_options options;
    uint8_t *objects; /* RESOLVE_MAX of object_bytes_max, borrowed from the budget */
    struct sort sort;
    struct scan_set set;

    struct query_run_start start; /* `after` is NULL */
    struct scan_tree *scan;       /* of PLAN_SCAN: borrowed from the pool */
    struct scan_tree *dense; /* of the object tree, within a call that has use for it: likewise */
    uint32_t dense_count;    /* batches that it read, since the init */
    const void *record;      /* of PLAN_SCAN: the last; borrowed from the scan */
    uint32_t key_next;       /* of PLAN_SCAN: the key of the plan to look for next */
    bool is_fresh;           /* nothing was given out, and it began with the first */
    bool is_exhausted;       /* scan, set or ids have no more */
    bool needs_pass;         /* the sort is to be filled */
    bool has_place;
    bool is_bounded;      /* the next place has to lie behind `place` */
    struct key place;     /* of what was given out last, or `after` */
    uint32_t batch_size;  /* of the next batch */
    uint32_t batch_count; /* objects fetched */
    uint32_t batch_next;  /* the next of them to look at */
    uint64_t timestamps[RESOLVE_MAX];
    bool found[RESOLVE_MAX];
    const char *limit; /* why the start was TACTUS_LIMIT */
    struct query_actual actual;
};

void query_run_init(
    struct query_run *run, struct budget *budget, const struct query_run_options *options
);

/* Starts; whatever ran before is stopped. LIMIT: other runs hold the scans that it needs, or more
 * unsorted records lie in a range than a scan has room for; run->limit says which, in words.
 * CORRUPT, IO, POISONED: from looking ids up. */
enum tactus_status query_run_start(struct query_run *run, const struct query_run_start *start);

/* Copies up to `capacity` matching objects, in order; *count of 0: there are no more. CORRUPT, IO,
 * POISONED: the run is over, and the fault says which block. */
enum tactus_status query_run_next(
    struct query_run *run, uint8_t *objects, uint32_t capacity, uint32_t *count
);

/* Passes up to `max` matching objects without giving them out, and says how many: fewer: there are
 * no more. Fetches none where the plan does not filter, unless a sort has to be cut. CORRUPT, IO,
 * POISONED as above. */
enum tactus_status query_run_count(struct query_run *run, uint64_t max, uint64_t *count);

/* The place of the object that was given out or counted last. False: there is none, or the last
 * call was a count that found fewer than it was asked for. */
bool query_run_place(const struct query_run *run, struct key *place);

/* What it has done since its start; also after a stop. */
static inline const struct query_actual *query_run_actual(const struct query_run *run)
{
    return &run->actual;
}

/* Gives everything back. Fine at any time. */
void query_run_stop(struct query_run *run);

#endif
