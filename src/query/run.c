#include "query/run.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "query/filter.h"

#include "base/poison.h"

static_assert((int)PLAN_IDS_MAX <= (int)RESOLVE_MAX, "a list of ids is one batch of lookups");

/* A first batch that small is right for `limit 1`; what is not enough is gone on with. */
enum { RUN_BATCH_MIN = 8 };

void query_run_init(
    struct query_run *run, struct budget *budget, const struct query_run_options *options
)
{
    struct scan_tree scan;
    scan_tree_init(&scan, budget, &options->scan);
    uint8_t *objects = budget_take(budget, RESOLVE_MAX, options->object_bytes_max, 64);
    if (budget_is_measuring(budget)) return;
    *run = (struct query_run){.options = *options, .scan = scan, .objects = objects};
}

static void reverse(uint64_t *values, uint32_t count)
{
    for (uint32_t index = 0; index < count / 2; index += 1) {
        const uint64_t value = values[index];
        values[index] = values[count - 1 - index];
        values[count - 1 - index] = value;
    }
}

/* At most PLAN_IDS_MAX values: insertion is quick enough. */
static void sort(uint64_t *values, uint32_t count)
{
    for (uint32_t index = 1; index < count; index += 1) {
        const uint64_t value = values[index];
        uint32_t place = index;
        for (; place > 0 && values[place - 1] > value; place -= 1) {
            values[place] = values[place - 1];
        }
        values[place] = value;
    }
}

static enum tactus_status run_failed(struct query_run *run)
{
    query_run_stop(run);
    assert(run->options.fault->status != TACTUS_OK);
    return run->options.fault->status;
}

static enum tactus_status run_fetch(struct query_run *run, uint32_t count)
{
    run->batch_next = 0;
    run->batch_count = count;
    return collection_fetch(
        run->collection,
        run->options.resolver,
        run->visibility,
        run->timestamps,
        count,
        run->objects,
        run->found
    );
}

static enum tactus_status run_lookup_ids(struct query_run *run)
{
    const struct query_plan *plan = run->plan;
    uint64_t timestamps[PLAN_IDS_MAX];
    TRY(collection_find(
        run->collection,
        run->options.resolver,
        run->visibility,
        plan->ids,
        plan->id_count,
        timestamps
    ));
    uint32_t count = 0;
    for (uint32_t index = 0; index < plan->id_count; index += 1) {
        if (timestamps[index] == 0) continue;
        run->timestamps[count] = timestamps[index];
        count += 1;
    }
    if (plan->sort_timestamps) sort(run->timestamps, count);
    if (plan->descending) reverse(run->timestamps, count);
    run->exhausted = true;
    return run_fetch(run, count);
}

enum tactus_status query_run_start(struct query_run *run, const struct query_run_start *start)
{
    query_run_stop(run);
    run->collection = start->collection;
    run->expression = start->expression;
    run->plan = start->plan;
    run->visibility = start->visibility;
    run->batch_count = 0;
    run->batch_next = 0;
    run->exhausted = start->plan->access == PLAN_NOTHING;
    if (run->exhausted) return TACTUS_OK;
    if (start->plan->access == PLAN_LOOKUP_IDS) return run_lookup_ids(run);

    const struct collection_schema *schema = start->collection->schema;
    struct tree *tree = start->collection->object_tree;
    if (start->plan->access == PLAN_SCAN_IDS) tree = start->collection->id_tree;
    if (start->plan->access == PLAN_SCAN_INDEX) {
        tree = start->collection->index_trees[start->plan->index - schema->indexes];
    }
    assert(tree->options.id == start->plan->tree);
    const struct scan_tree_range range = {
        .tree = tree,
        .key_min = start->plan->key_min,
        .key_max = start->plan->key_max,
        .descending = start->plan->descending,
        .snapshot = tree_snapshot_newest(tree),
        .visible_count = collection_visible(tree, start->visibility),
    };
    TRY(scan_tree_start(&run->scan, &range));
    run->running = true;
    return TACTUS_OK;
}

/* The scan's next record, waiting for its reads; NULL: there is none. */
static enum tactus_status run_scan(struct query_run *run, const void **record)
{
    for (;;) {
        enum progress progress = PROGRESS_DONE;
        switch (scan_tree_next(&run->scan, record)) {
        case SCAN_RECORD: return TACTUS_OK;
        case SCAN_END: *record = NULL; return TACTUS_OK;
        case SCAN_FAILED: return run_failed(run);
        case SCAN_READ_AGAIN: progress = scan_tree_advance(&run->scan);
        }
        while (progress == PROGRESS_WAIT) {
            grid_wait(run->options.grid);
            progress = scan_tree_advance(&run->scan);
        }
        if (progress == PROGRESS_FAILED) return run_failed(run);
    }
}

/* Gathers the timestamps of up to `wanted` records, and fetches their objects. */
static enum tactus_status run_batch(struct query_run *run, uint32_t wanted)
{
    const struct record_shape *shape = &run->scan.range.tree->options.shape;
    uint32_t count = 0;
    while (count < wanted && !run->exhausted) {
        const void *record = NULL;
        TRY(run_scan(run, &record));
        if (record == NULL) {
            run->exhausted = true;
            break;
        }
        run->timestamps[count] = record_timestamp(shape, record);
        count += 1;
    }
    return run_fetch(run, count);
}

/* An entry of an index or of the id tree leads to its object, always. */
static enum tactus_status run_object_missing(struct query_run *run)
{
    const struct fault found = {
        .status = TACTUS_CORRUPT,
        .zone = FAULT_ZONE_GRID,
        .what = "an index entry leads to no object",
        .tree = run->plan->tree,
    };
    (void)fault_set(run->options.fault, found);
    return run_failed(run);
}

static enum tactus_status next_fetched(
    struct query_run *run, uint8_t *objects, uint32_t capacity, uint32_t *count
)
{
    const uint64_t size = run->collection->schema->object_bytes;
    while (*count < capacity) {
        if (run->batch_next == run->batch_count) {
            if (run->exhausted) break;
            const uint32_t left = max_u32(capacity - *count, RUN_BATCH_MIN);
            TRY(run_batch(run, min_u32(left, RESOLVE_MAX)));
            continue;
        }
        const uint32_t index = run->batch_next;
        run->batch_next += 1;
        if (!run->found[index]) return run_object_missing(run);
        const uint8_t *object = run->objects + index * size;
        if (!filter_matches(run->expression, object)) continue;
        bytes_copy(objects + *count * size, object, size);
        *count += 1;
    }
    return TACTUS_OK;
}

/* The object tree's records are the objects. */
static enum tactus_status next_scanned(
    struct query_run *run, uint8_t *objects, uint32_t capacity, uint32_t *count
)
{
    const struct collection_schema *schema = run->collection->schema;
    while (*count < capacity && !run->exhausted) {
        const void *record = NULL;
        TRY(run_scan(run, &record));
        if (record == NULL) {
            run->exhausted = true;
            break;
        }
        uint8_t *object = objects + *count * (uint64_t)schema->object_bytes;
        bytes_copy(object, record, schema->object_bytes);
        object_from_disk(schema, object);
        if (filter_matches(run->expression, object)) *count += 1;
    }
    return TACTUS_OK;
}

enum tactus_status query_run_next(
    struct query_run *run, uint8_t *objects, uint32_t capacity, uint32_t *count
)
{
    assert(run->plan != NULL);
    *count = 0;
    if (run->plan->access == PLAN_NOTHING) return TACTUS_OK;
    if (run->plan->access == PLAN_SCAN_OBJECTS) {
        return next_scanned(run, objects, capacity, count);
    }
    return next_fetched(run, objects, capacity, count);
}

void query_run_stop(struct query_run *run)
{
    scan_tree_stop(&run->scan);
    run->running = false;
    run->exhausted = true;
    run->batch_count = 0;
    run->batch_next = 0;
}
