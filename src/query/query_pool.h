/* The scans that all queries of a database share: a run takes what its plan needs and gives it back
 * as it ends. */
#ifndef TACTUS_QUERY_QUERY_POOL_H
#define TACTUS_QUERY_QUERY_POOL_H

#include "base/budget.h"
#include "lsm/scan_tree.h"

#include <stdint.h>

struct query_pool_options {
    struct scan_tree_options scan;
    uint32_t count; /* of scans, from 1 */
};

struct query_pool {
    struct scan_tree *scans; /* count, borrowed from the budget */
    uint32_t *free;          /* numbers of those that nobody has: free_count; likewise */
    uint32_t count;
    uint32_t free_count;
};

void query_pool_init(
    struct query_pool *pool, struct budget *budget, const struct query_pool_options *options
);

/* An idle scan, the caller's until it is given back; NULL: others have them all. */
struct scan_tree *query_pool_take(struct query_pool *pool);

/* Stops the scan, whatever it is at. */
void query_pool_give(struct query_pool *pool, struct scan_tree *scan);

#endif
