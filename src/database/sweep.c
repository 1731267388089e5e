#include "database/sweep.h"

#include "base/assert.h"
#include "storage/grid.h"

#include "base/poison.h"

struct sweep sweep_all(struct scan_tree *scan, struct tree *tree, sweep_visit *visit, void *context)
{
    return (struct sweep){
        .scan = scan,
        .tree = tree,
        .key_min = key_min_of_all(),
        .key_max = key_max_of((enum key_bits)tree->options.shape.key_bits),
        .visit = visit,
        .context = context,
    };
}

/* Fetches what the scan misses. Each turn waits for a read that it has asked for. */
static void sweep_fetch(const struct sweep *sweep)
{
    while (scan_tree_advance(sweep->scan) == PROGRESS_WAIT) {
        grid_wait(sweep->tree->options.shared->grid);
    }
}

static enum tactus_status sweep_records(const struct sweep *sweep)
{
    for (;;) {
        const void *record = NULL;
        switch (scan_tree_next(sweep->scan, &record)) {
        case SCAN_RECORD: TRY(sweep->visit(sweep->context, record)); break;
        case SCAN_READ_AGAIN: sweep_fetch(sweep); break;
        case SCAN_END: return TACTUS_OK;
        case SCAN_FAILED: {
            const struct fault *fault = sweep->tree->options.shared->fault;
            assert(fault->status != TACTUS_OK);
            return fault->status;
        }
        }
    }
}

enum tactus_status sweep_run(const struct sweep *sweep)
{
    const struct scan_tree_range range = {
        .tree = sweep->tree,
        .key_min = sweep->key_min,
        .key_max = sweep->key_max,
        .snapshot = tree_snapshot_newest(sweep->tree),
        .visible_count = tree_visible_settled(sweep->tree),
    };
    TRY(scan_tree_start(sweep->scan, &range));
    const enum tactus_status status = sweep_records(sweep);
    scan_tree_stop(sweep->scan);
    return status;
}
