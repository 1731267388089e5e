/* Every live record of a tree between two keys, in order: what digest and verify read by. */
#ifndef TACTUS_DATABASE_SWEEP_H
#define TACTUS_DATABASE_SWEEP_H

#include "base/status.h"
#include "lsm/scan_tree.h"
#include "lsm/tree.h"

/* What is called with each record, which is borrowed for the call. Not OK: the sweep ends with
 * it. */
typedef enum tactus_status sweep_visit(void *context, const void *record);

struct sweep {
    struct scan_tree *scan; /* idle; borrowed for the call */
    struct tree *tree;
    struct key key_min; /* inclusive, both */
    struct key key_max;
    sweep_visit *visit;
    void *context;
};

/* Reads what is settled. The visitor may read other trees, by other scans, but change nothing.
 * LIMIT: more unsorted records than the scan has room for; CORRUPT, IO, POISONED: the tree's fault
 * says which block; or what the visitor answered. */
enum tactus_status sweep_run(const struct sweep *sweep);

/* A sweep of the whole tree. */
struct sweep sweep_all(
    struct scan_tree *scan, struct tree *tree, sweep_visit *visit, void *context
);

#endif
