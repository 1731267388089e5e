/* A set of timestamps, in order: a cursor over a plan's tree of nodes.
 *
 *   scan           of an index whose fields are all fixed, or of the object tree
 *   range          of an index in field order: its timestamps sorted, in passes (sort.h)
 *   ids            a few, looked up as the set begins
 *   union          the lowest of what its children have next
 *   intersection   leapfrog: the furthest of what the children have next is the candidate, and the
 *                  others are probed to it, until all agree. A child that waits for a block is
 *                  probed, too, before that block is asked for; a child that ends is the end
 *   difference     what the first child has and no other, which are probed to it
 *
 * Timestamps ascend, or descend if the plan does; each comes once. Blocks are never waited for
 * within a call: READ_AGAIN says that some are missing, and scan_set_advance() fetches them for all
 * scans that miss one, side by side.
 *
 *     scan_set_start(set, &start);
 *     while ((result = scan_set_next(set, &timestamp)) != SCAN_END) {
 *         if (result == SCAN_READ_AGAIN) {
 *             while (scan_set_advance(set) == PROGRESS_WAIT) grid_wait(grid);
 *         }
 *         ...
 *     }
 *     scan_set_stop(set);
 *
 * As of a scan: no state may change between start and stop. */
#ifndef TACTUS_QUERY_SCAN_SET_H
#define TACTUS_QUERY_SCAN_SET_H

#include "base/progress.h"
#include "base/status.h"
#include "forest/collection.h"
#include "forest/resolver.h"
#include "lsm/scan_tree.h"
#include "query/actual.h"
#include "query/plan.h"
#include "query/query_pool.h"
#include "query/sort.h"

#include <stdbool.h>
#include <stdint.h>

/* Why a start is TACTUS_LIMIT. A scan takes a cursor for each sorted run on disk that has something
 * in its range: so where levels have many, a query of many scans may want more than there are
 * although no other run is open. */
#define SCAN_SET_FEW_SCANS                                                                         \
    "other runs hold the scans that it needs; close one, or read it to the end"
#define SCAN_SET_FEW_CURSORS                                                                       \
    "its scans meet more sorted runs than there are cursors left; close other runs, or ask for "   \
    "fewer alternatives at once; or more of the open transaction lies in a range than a scan has " \
    "room for; commit"

/* A place of a timestamp in the set's order: the timestamp, or its complement if that descends. So
 * what follows compares numbers that ascend. */
struct scan_set_node {
    struct scan_tree *scan; /* of SCAN, RANGE: borrowed from the pool */
    uint64_t current;       /* if has_current: what the node has next */
    uint64_t bound;         /* nothing below it may come any more */
    uint32_t id_next;       /* of IDS: in set->ids; id_end of them are there */
    uint32_t id_end;
    bool has_current;
    bool has_ended;
    bool is_waiting; /* of SCAN, RANGE: for a block */
    bool is_in_pass; /* of RANGE: the sort is being filled */
};

struct scan_set {
    struct query_pool *pool; /* kept, as is fault */
    struct fault *fault;
    struct sort *sort; /* borrowed from start to stop */

    const struct query_plan *plan; /* borrowed from start to stop */
    const struct collection *collection;
    struct query_actual *actual;
    enum visibility visibility;
    bool is_unsorted; /* see start */
    bool is_open;
    const char *limit; /* why a start was TACTUS_LIMIT: a literal */
    uint32_t node_count;
    struct scan_set_node nodes[PLAN_NODES_MAX];
    uint64_t ids[PLAN_IDS_MAX]; /* places of the ids found: of each IDS node, ascending */
};

void scan_set_init(struct scan_set *set, struct query_pool *pool, struct fault *fault);

struct scan_set_start {
    const struct query_plan *plan; /* a PLAN_SET; borrowed until stop, as all here */
    const struct collection *collection;
    struct resolver *resolver; /* used within the call only */
    struct sort *sort;         /* for a RANGE node: what it holds is lost */
    enum visibility visibility;
    struct query_actual *actual; /* entries, probes, given and passes are added to */
    bool is_unsorted;            /* the order does not matter: where the root is a RANGE it is given
                                  * out as it comes, and nothing may be probed */
};

/* Begins. What was begun before has been stopped. LIMIT: too few scans or cursors are left, or more
 * unsorted records lie in a range than a scan has room for: set->limit says it in words; nothing
 * was begun. CORRUPT, IO, POISONED: from looking ids up. */
enum tactus_status scan_set_start(struct scan_set *set, const struct scan_set_start *start);

/* Begins once more, from the first one: of the same plan, ids not looked up again. `is_unsorted` as
 * of the start. */
void scan_set_restart(struct scan_set *set, bool is_unsorted);

/* The next timestamp. FAILED: the fault says which block; only a stop may follow. */
enum scan_result scan_set_next(struct scan_set *set, uint64_t *timestamp);

/* Nothing before this timestamp, in the set's direction, is asked for. One that lies behind changes
 * nothing. At any time between start and stop. */
void scan_set_probe(struct scan_set *set, uint64_t timestamp);

/* After READ_AGAIN. WAIT: grid_wait(), then again. DONE: scan_set_next() has more to say. */
enum progress scan_set_advance(struct scan_set *set);

/* Gives the scans back. Fine at any time. */
void scan_set_stop(struct scan_set *set);

#endif
