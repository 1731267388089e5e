#include "query/run.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "query/filter.h"

#include "base/poison.h"

/* A first batch that small is right for `limit 1`; each one after it is twice as large. */
enum { RUN_BATCH_MIN = 8, DENSE_BATCH_MIN = 16, DENSE_SPAN = 4 };

void query_run_init(
    struct query_run *run, struct budget *budget, const struct query_run_options *options
)
{
    struct sort sort = {0};
    sort_init(&sort, budget);
    uint8_t *objects = budget_take(budget, RESOLVE_MAX, options->object_bytes_max, 64);
    if (budget_is_measuring(budget)) return;
    *run = (struct query_run){.options = *options, .sort = sort, .objects = objects};
    scan_set_init(&run->set, options->pool, options->fault);
}

static enum tactus_status run_failed(struct query_run *run)
{
    query_run_stop(run);
    assert(run->options.fault->status != TACTUS_OK);
    return run->options.fault->status;
}

static enum tactus_status run_corrupt(struct query_run *run, const char *what, uint16_t tree)
{
    const struct fault found = {
        .status = TACTUS_CORRUPT,
        .zone = FAULT_ZONE_GRID,
        .what = what,
        .tree = tree,
    };
    (void)fault_set(run->options.fault, found);
    return run_failed(run);
}

static const struct collection_schema *run_schema(const struct query_run *run)
{
    return run->start.collection->schema;
}

static uint8_t *batch_object(const struct query_run *run, uint32_t index)
{
    return run->objects + (uint64_t)index * run_schema(run)->object_bytes;
}

/* The records of this scan are the objects. */
static bool run_scans_objects(const struct query_run *run)
{
    const struct query_plan *plan = run->start.plan;
    return plan->drive == PLAN_SCAN && plan->tree == run_schema(run)->object_tree;
}

/* ---- Places ---------------------------------------------------------------------------------- */

static struct key place_of_id(struct key id, uint64_t timestamp)
{
    assert(id.word[0] == 0);
    return (struct key){{id.word[1], id.word[2], timestamp}};
}

/* False: the index that gives the order leaves the object out, which then is not one of those that
 * were looked for: an entry of another index led to it wrongly. */
static bool place_of_object(const struct query_run *run, const uint8_t *object, struct key *place)
{
    const struct query_plan *plan = run->start.plan;
    const struct collection_schema *schema = run_schema(run);
    switch (plan->order) {
    case PLAN_ORDER_TIMESTAMP: *place = key_from_u64(object_timestamp(schema, object)); return true;
    case PLAN_ORDER_ID: {
        const uint8_t *id = object + schema->fields[schema->id_field].offset;
        *place = place_of_id(codec_id_key(schema, id), object_timestamp(schema, object));
        return true;
    }
    case PLAN_ORDER_INDEX: {
        const uint32_t number = (uint32_t)(plan->order_index - schema->indexes);
        const struct tree *tree = run->start.collection->index_trees[number];
        uint8_t record[INDEX_RECORD_SIZE_MAX];
        if (!codec_index_record(schema, plan->order_index, object, record)) return false;
        *place = record_key(&tree->options.shape, record);
        return true;
    }
    case PLAN_ORDER_KEY: *place = codec_id_key(schema, object); return true;
    }
    assert(false);
    return false;
}

/* Of the record that a scan in the order of the plan came to. */
static struct key place_of_record(const struct query_run *run, const void *record)
{
    const struct record_shape *shape = &run->scan->range.tree->options.shape;
    const struct key key = record_key(shape, record);
    if (run->start.plan->order != PLAN_ORDER_ID) return key;
    return place_of_id(key, record_timestamp(shape, record));
}

static struct key key_of_place(const struct query_run *run, struct key place)
{
    if (run->start.plan->order != PLAN_ORDER_ID) return place;
    return (struct key){{0, place.word[0], place.word[1]}};
}

static enum tactus_status run_misled(struct query_run *run)
{
    const struct query_plan *plan = run->start.plan;
    const uint16_t tree = plan->drive == PLAN_SCAN ? plan->tree : plan->order_index->tree;
    return run_corrupt(run, "an index entry leads to another object", tree);
}

static void run_set_place(struct query_run *run, struct key place)
{
    run->place = place;
    run->is_bounded = true;
    run->has_place = true;
}

/* Places go one way, or whoever goes on behind them would come by the same objects for ever: an
 * entry that leads to another object than its own may lead back. */
static enum tactus_status run_note_place(struct query_run *run, const uint8_t *object)
{
    struct key place;
    if (!place_of_object(run, object, &place)) return run_misled(run);
    const bool descending = run->start.plan->descending;
    const bool is_ahead = descending ? key_less(place, run->place) : key_less(run->place, place);
    if (run->is_bounded && !is_ahead) return run_misled(run);
    run_set_place(run, place);
    return TACTUS_OK;
}

bool query_run_place(const struct query_run *run, struct key *place)
{
    if (run->has_place) *place = run->place;
    return run->has_place;
}

/* ---- Start ----------------------------------------------------------------------------------- */

static struct key key_predecessor(struct key key)
{
    key.word[0] -= key.word[1] == 0 && key.word[2] == 0;
    key.word[1] -= key.word[2] == 0;
    key.word[2] -= 1;
    return key;
}

/* False: nothing of the range lies behind the place. */
static bool range_narrow(
    const struct query_run *run, struct scan_tree_range *range, struct key place
)
{
    const struct key key = key_of_place(run, place);
    if (range->descending) {
        if (!key_less(range->key_min, key)) return false;
        range->key_max = key_lower_of(range->key_max, key_predecessor(key));
    } else {
        if (!key_less(key, range->key_max)) return false;
        range->key_min = key_higher_of(range->key_min, key_successor(key));
    }
    return true;
}

static struct tree *plan_tree(const struct query_run *run)
{
    const struct query_plan *plan = run->start.plan;
    const struct collection *collection = run->start.collection;
    struct tree *tree = collection->object_tree;
    if (plan->tree == run_schema(run)->object_tree) return tree;
    tree = collection->id_tree;
    if (plan->order == PLAN_ORDER_INDEX) {
        tree = collection->index_trees[plan->order_index - run_schema(run)->indexes];
    }
    assert(tree->options.id == plan->tree);
    return tree;
}

static struct scan_tree_range range_of(
    const struct query_run *run, struct tree *tree, struct key key_min, struct key key_max
)
{
    return (struct scan_tree_range){
        .tree = tree,
        .key_min = key_min,
        .key_max = key_max,
        .descending = run->start.plan->descending,
        .snapshot = tree_snapshot_newest(tree),
        .visible_count = collection_visible(tree, run->start.visibility),
    };
}

static enum tactus_status start_scan(struct query_run *run, const struct key *after)
{
    const struct query_plan *plan = run->start.plan;
    struct scan_tree_range range = range_of(run, plan_tree(run), plan->key_min, plan->key_max);
    if (after != NULL && !range_narrow(run, &range, *after)) {
        run->is_exhausted = true;
        return TACTUS_OK;
    }
    run->limit = SCAN_SET_FEW_SCANS;
    run->scan = query_pool_take(run->options.pool);
    if (run->scan == NULL) return TACTUS_LIMIT;
    run->limit = SCAN_SET_FEW_CURSORS;
    return scan_tree_start(run->scan, &range);
}

/* Timestamps from the one behind the place on. */
static void set_narrow(struct query_run *run, struct key place)
{
    const uint64_t timestamp = place.word[2];
    const bool is_last = timestamp == (run->start.plan->descending ? 0 : UINT64_MAX);
    run->is_exhausted = is_last; /* of no place of ours */
    if (is_last) return;
    scan_set_probe(&run->set, run->start.plan->descending ? timestamp - 1 : timestamp + 1);
}

static struct key sort_place(const struct query_run *run, struct key place)
{
    return run->start.plan->descending ? place_complement(place) : place;
}

static enum tactus_status start_set(struct query_run *run, const struct key *after)
{
    const bool sorts = run->start.plan->sorts;
    const struct scan_set_start start = {
        .plan = run->start.plan,
        .collection = run->start.collection,
        .resolver = run->options.resolver,
        .sort = &run->sort,
        .visibility = run->start.visibility,
        .actual = &run->actual,
        .is_unsorted = sorts,
    };
    const enum tactus_status status = scan_set_start(&run->set, &start);
    run->limit = run->set.limit;
    if (status != TACTUS_OK) return status;
    run->needs_pass = sorts;
    if (sorts) sort_begin(&run->sort);
    if (after == NULL) return TACTUS_OK;
    if (sorts) {
        sort_raise(&run->sort, sort_place(run, *after));
    } else {
        set_narrow(run, *after);
    }
    return TACTUS_OK;
}

/* The blocks that a call reads are the run's: calls of other runs may lie between. */
static struct grid_statistics blocks_before(const struct query_run *run)
{
    return run->options.grid->statistics;
}

static void blocks_after(struct query_run *run, struct grid_statistics before)
{
    const struct grid_statistics *now = &run->options.grid->statistics;
    run->actual.blocks_read += now->blocks_read - before.blocks_read;
    run->actual.blocks_cached += now->reads_cached - before.reads_cached;
}

enum tactus_status query_run_start(struct query_run *run, const struct query_run_start *start)
{
    query_run_stop(run);
    const struct grid_statistics before = blocks_before(run);
    run->start = *start;
    run->start.after = NULL;
    run->actual = (struct query_actual){.objects_fetched = 0};
    run->is_fresh = start->after == NULL;
    run->is_exhausted = start->plan->drive == PLAN_NOTHING;
    run->has_place = false;
    run->is_bounded = start->after != NULL;
    if (run->is_bounded) run->place = *start->after;
    run->key_next = 0;
    run->batch_size = RUN_BATCH_MIN;
    enum tactus_status status = TACTUS_OK;
    if (start->plan->drive == PLAN_SCAN) status = start_scan(run, start->after);
    if (start->plan->drive == PLAN_SET) status = start_set(run, start->after);
    if (status != TACTUS_OK) query_run_stop(run);
    blocks_after(run, before);
    return status;
}

static void give_back(struct query_run *run, struct scan_tree **scan)
{
    if (*scan != NULL) query_pool_give(run->options.pool, *scan);
    *scan = NULL;
}

/* What is asked for after that is none. */
void query_run_stop(struct query_run *run)
{
    give_back(run, &run->scan);
    give_back(run, &run->dense);
    scan_set_stop(&run->set);
    sort_begin(&run->sort);
    sort_pass_end(&run->sort);
    run->is_fresh = false;
    run->is_exhausted = true;
    run->needs_pass = false;
    run->batch_count = 0;
    run->batch_next = 0;
}

/* Behind a call. All objects were given out if there were `fewer` than it asked for: then others
 * have the scans, and between two calls the one that the plan does not have. */
static void run_leave(struct query_run *run, bool fewer)
{
    if (fewer) query_run_stop(run);
    give_back(run, &run->dense);
}

/* ---- Records of a scan ----------------------------------------------------------------------- */

/* The scan's next record, waiting for its reads; NULL: there is none. */
static enum tactus_status run_scan(
    struct query_run *run, struct scan_tree *scan, const void **record
)
{
    for (;;) { /* ends: each turn but the last brings a block */
        enum progress progress = PROGRESS_DONE;
        switch (scan_tree_next(scan, record)) {
        case SCAN_RECORD: return TACTUS_OK;
        case SCAN_END: *record = NULL; return TACTUS_OK;
        case SCAN_FAILED: return run_failed(run);
        case SCAN_READ_AGAIN: progress = scan_tree_advance(scan);
        }
        while (progress == PROGRESS_WAIT) {
            grid_wait(run->options.grid);
            progress = scan_tree_advance(scan);
        }
        if (progress == PROGRESS_FAILED) return run_failed(run);
    }
}

/* Key number `index` of the plan, in the order of the scan. */
static struct key plan_key(const struct query_plan *plan, uint32_t index)
{
    return plan->ids[plan->descending ? plan->key_count - 1 - index : index];
}

/* The next record of one of the plan's keys: each turn passes a key. */
static enum tactus_status next_of_keys(struct query_run *run, const void **record)
{
    const struct query_plan *plan = run->start.plan;
    const struct record_shape *shape = &run->scan->range.tree->options.shape;
    while (run->key_next < plan->key_count) {
        scan_tree_probe(run->scan, plan_key(plan, run->key_next));
        run->actual.probes[0] += 1;
        TRY(run_scan(run, run->scan, record));
        if (*record == NULL) return TACTUS_OK;
        const struct key key = record_key(shape, *record);
        int order = -1;
        while (order < 0 && run->key_next < plan->key_count) {
            order = key_compare(plan_key(plan, run->key_next), key);
            if (plan->descending) order = -order;
            if (order <= 0) run->key_next += 1;
        }
        if (order == 0) return TACTUS_OK;
    }
    *record = NULL;
    return TACTUS_OK;
}

/* The next record of PLAN_SCAN; NULL, and the run is exhausted: there is none. */
static enum tactus_status next_record(struct query_run *run)
{
    run->record = NULL;
    if (run->is_exhausted) return TACTUS_OK;
    if (run->start.plan->key_count > 0) {
        TRY(next_of_keys(run, &run->record));
    } else {
        TRY(run_scan(run, run->scan, &run->record));
    }
    if (run->record == NULL) {
        run->is_exhausted = true;
    } else {
        run->actual.entries[0] += 1;
        run->actual.given[0] += run_scans_objects(run);
    }
    return TACTUS_OK;
}

/* Whether the expression means the object; counts it if not. */
static bool run_matches(struct query_run *run, const uint8_t *object)
{
    if (!run->start.plan->filters) return true;
    if (filter_matches(run->start.expression, object)) return true;
    run->actual.objects_refused += 1;
    return false;
}

/* ---- Timestamps ------------------------------------------------------------------------------ */

/* Each turn passes an entry. */
static enum tactus_status next_of_scan(struct query_run *run, uint64_t *timestamp)
{
    const struct timestamp_range range = run->start.plan->timestamps;
    do {
        TRY(next_record(run));
        if (run->record == NULL) return TACTUS_OK;
        *timestamp = record_timestamp(&run->scan->range.tree->options.shape, run->record);
    } while (*timestamp < range.min || *timestamp > range.max);
    run->actual.given[0] += 1;
    return TACTUS_OK;
}

static enum tactus_status next_of_set(struct query_run *run, uint64_t *timestamp)
{
    for (;;) { /* ends: each turn but the last brings a block */
        enum progress progress = PROGRESS_DONE;
        switch (scan_set_next(&run->set, timestamp)) {
        case SCAN_RECORD: return TACTUS_OK;
        case SCAN_END: run->is_exhausted = true; return TACTUS_OK;
        case SCAN_FAILED: return run_failed(run);
        case SCAN_READ_AGAIN: progress = scan_set_advance(&run->set);
        }
        while (progress == PROGRESS_WAIT) {
            grid_wait(run->options.grid);
            progress = scan_set_advance(&run->set);
        }
        if (progress == PROGRESS_FAILED) return run_failed(run);
    }
}

/* The next timestamp of scan or set, unless the run is exhausted then. */
static enum tactus_status next_timestamp(struct query_run *run, uint64_t *timestamp)
{
    if (run->is_exhausted) return TACTUS_OK;
    if (run->start.plan->drive == PLAN_SCAN) return next_of_scan(run, timestamp);
    return next_of_set(run, timestamp);
}

/* ---- Batches --------------------------------------------------------------------------------- */

/* Whether these timestamps, which are in order, are so close to each other that a scan comes to
 * their objects sooner than lookups do: measured, at neighbours four times as soon. Further apart,
 * or where timestamps are no counter, lookups are at least as good, and their reads overlap. */
static bool batch_is_dense(const struct query_run *run, uint32_t count)
{
    const struct query_plan *plan = run->start.plan;
    if (plan->drive != PLAN_SET || plan->sorts || count < DENSE_BATCH_MIN) return false;
    const uint64_t first = run->timestamps[plan->descending ? count - 1 : 0];
    const uint64_t last = run->timestamps[plan->descending ? 0 : count - 1];
    assert(first < last);
    return last - first < (uint64_t)count * DENSE_SPAN;
}

/* The scan of the object tree that dense batches share; false: there is none free. */
static bool dense_start(struct query_run *run)
{
    if (run->dense != NULL) return true;
    run->dense = query_pool_take(run->options.pool);
    if (run->dense == NULL) return false;
    const struct timestamp_range all = run->start.plan->timestamps;
    const struct scan_tree_range range = range_of(
        run, run->start.collection->object_tree, key_from_u64(all.min), key_from_u64(all.max)
    );
    if (scan_tree_start(run->dense, &range) == TACTUS_OK) return true;
    query_pool_give(run->options.pool, run->dense);
    run->dense = NULL;
    return false;
}

static enum tactus_status batch_scan(struct query_run *run, uint32_t count)
{
    const bool descending = run->start.plan->descending;
    const void *record = NULL;
    uint64_t at = 0;
    scan_tree_probe(run->dense, key_from_u64(run->timestamps[0]));
    for (uint32_t index = 0; index < count; index += 1) {
        const uint64_t timestamp = run->timestamps[index];
        while (record == NULL || (descending ? at > timestamp : at < timestamp)) {
            TRY(run_scan(run, run->dense, &record));
            if (record == NULL) break;
            at = record_timestamp(&run->dense->range.tree->options.shape, record);
        }
        run->found[index] = record != NULL && at == timestamp;
        if (run->found[index])
            codec_object_of_record(run_schema(run), record, batch_object(run, index));
    }
    return TACTUS_OK;
}

static enum tactus_status batch_fetch(struct query_run *run, uint32_t count)
{
    run->batch_next = 0;
    run->batch_count = count;
    run->actual.objects_fetched += count;
    if (batch_is_dense(run, count) && dense_start(run)) {
        run->dense_count += 1;
        return batch_scan(run, count);
    }
    return collection_fetch(
        run->start.collection,
        run->options.resolver,
        run->start.visibility,
        run->timestamps,
        count,
        run->objects,
        run->found
    );
}

/* Up to `wanted` objects of scan or set. */
static enum tactus_status batch_gather(struct query_run *run, uint32_t wanted)
{
    uint32_t count = 0;
    while (count < wanted) {
        TRY(next_timestamp(run, &run->timestamps[count]));
        if (run->is_exhausted) break;
        count += 1;
    }
    return batch_fetch(run, count);
}

/* The next object of the batch, which the expression may not mean. */
static enum tactus_status batch_take(struct query_run *run, const uint8_t **object)
{
    assert(run->batch_next < run->batch_count);
    const uint32_t index = run->batch_next;
    run->batch_next += 1;
    *object = batch_object(run, index);
    if (run->found[index]) return TACTUS_OK;
    /* An entry of an index or of the id tree leads to its object, always. */
    const struct query_plan *plan = run->start.plan;
    const uint16_t tree = plan->drive == PLAN_SCAN ? plan->tree : plan->nodes[0].tree;
    return run_corrupt(run, "an index entry leads to no object", tree);
}

/* Goes through the whole set and keeps the places of what matches. */
static enum tactus_status sort_pass(struct query_run *run)
{
    run->actual.passes += 1;
    run->needs_pass = false;
    while (!run->is_exhausted) {
        TRY(batch_gather(run, RESOLVE_MAX));
        while (run->batch_next < run->batch_count) {
            const uint8_t *object = NULL;
            TRY(batch_take(run, &object));
            if (!run_matches(run, object)) continue;
            struct key place;
            if (!place_of_object(run, object, &place)) return run_misled(run);
            sort_add(&run->sort, sort_place(run, place));
        }
    }
    sort_pass_end(&run->sort);
    return TACTUS_OK;
}

/* Up to `wanted` objects from the sort; makes the pass that it needs. None: there are no more. */
static enum tactus_status batch_sorted(struct query_run *run, uint32_t wanted)
{
    struct key place;
    uint32_t count = 0;
    do { /* each turn but the last makes a pass */
        if (run->needs_pass) TRY(sort_pass(run));
        while (count < wanted && sort_next(&run->sort, &place)) {
            run->timestamps[count] = sort_place(run, place).word[2];
            count += 1;
        }
        if (count > 0 || !sort_has_more(&run->sort)) break;
        scan_set_restart(&run->set, true);
        run->is_exhausted = false;
        run->needs_pass = true;
    } while (run->needs_pass);
    return batch_fetch(run, count);
}

/* The next object that the expression means; NULL: there is none. `wanted`: so many are asked
 * for. */
static enum tactus_status next_fetched(
    struct query_run *run, uint64_t wanted, const uint8_t **object
)
{
    const bool sorts = run->start.plan->sorts;
    for (;;) { /* ends: each turn passes an object, or makes a batch */
        if (run->batch_next == run->batch_count) {
            const uint64_t least = max_u64(wanted, run->batch_size);
            const uint32_t size = (uint32_t)min_u64(least, RESOLVE_MAX);
            run->batch_size = min_u32(run->batch_size * 2, RESOLVE_MAX);
            TRY(sorts ? batch_sorted(run, size) : batch_gather(run, size));
            if (run->batch_count == 0) break;
        }
        TRY(batch_take(run, object));
        if (sorts || run_matches(run, *object)) return TACTUS_OK;
    }
    *object = NULL;
    return TACTUS_OK;
}

/* Likewise, of a scan whose records are the objects: into `object`, which may be given out. False:
 * there is none. */
static enum tactus_status next_scanned(struct query_run *run, uint8_t *object, bool *found)
{
    *found = false;
    do {
        TRY(next_record(run));
        if (run->record == NULL) return TACTUS_OK;
        run->actual.objects_fetched += 1;
        codec_object_of_record(run_schema(run), run->record, object);
    } while (!run_matches(run, object));
    *found = true;
    return TACTUS_OK;
}

/* ---- Objects --------------------------------------------------------------------------------- */

static enum tactus_status give_scanned(
    struct query_run *run, uint8_t *objects, uint32_t capacity, uint32_t *count
)
{
    const uint64_t size = run_schema(run)->object_bytes;
    while (*count < capacity) {
        bool found = false;
        TRY(next_scanned(run, objects + *count * size, &found));
        if (!found) break;
        *count += 1;
    }
    return TACTUS_OK;
}

static enum tactus_status give_fetched(
    struct query_run *run, uint8_t *objects, uint32_t capacity, uint32_t *count
)
{
    const uint64_t size = run_schema(run)->object_bytes;
    while (*count < capacity) {
        const uint8_t *object = NULL;
        TRY(next_fetched(run, capacity - *count, &object));
        if (object == NULL) break;
        bytes_copy(objects + *count * size, object, size);
        *count += 1;
    }
    return TACTUS_OK;
}

static enum tactus_status give(
    struct query_run *run, uint8_t *objects, uint32_t capacity, uint32_t *count
)
{
    if (run->start.plan->drive == PLAN_NOTHING) return TACTUS_OK;
    if (run_scans_objects(run)) {
        TRY(give_scanned(run, objects, capacity, count));
    } else {
        TRY(give_fetched(run, objects, capacity, count));
    }
    if (*count == 0) return TACTUS_OK;
    run->is_fresh = false;
    run->actual.objects_given += *count;
    return run_note_place(run, objects + (*count - 1) * (uint64_t)run_schema(run)->object_bytes);
}

enum tactus_status query_run_next(
    struct query_run *run, uint8_t *objects, uint32_t capacity, uint32_t *count
)
{
    assert(run->start.plan != NULL);
    const struct grid_statistics before = blocks_before(run);
    *count = 0;
    const enum tactus_status status = give(run, objects, capacity, count);
    run_leave(run, *count < capacity);
    blocks_after(run, before);
    return status;
}

/* ---- Count ----------------------------------------------------------------------------------- */

/* By records or timestamps alone: all that come match. */
static enum tactus_status count_unfetched(struct query_run *run, uint64_t max, uint64_t *count)
{
    const struct query_plan *plan = run->start.plan;
    const uint8_t *object = NULL;
    while (*count < max && run->batch_next < run->batch_count) { /* fetched, and not given out */
        TRY(batch_take(run, &object));
        *count += 1;
    }
    if (*count == max) return run_note_place(run, object);
    uint64_t timestamp = 0;
    while (*count < max) {
        TRY(run_scans_objects(run) ? next_record(run) : next_timestamp(run, &timestamp));
        if (run->is_exhausted) return TACTUS_OK;
        *count += 1;
    }
    const bool is_scan = plan->drive == PLAN_SCAN;
    assert(is_scan || plan->order == PLAN_ORDER_TIMESTAMP); /* or it sorts */
    run_set_place(run, is_scan ? place_of_record(run, run->record) : key_from_u64(timestamp));
    return TACTUS_OK;
}

/* A range alone is counted as its index has it, without being sorted by timestamps: unless it is as
 * much as is asked for, or more, for then the run goes on behind a place. */
static enum tactus_status count_range(struct query_run *run, uint64_t max, uint64_t *count)
{
    uint64_t timestamp = 0;
    scan_set_restart(&run->set, true);
    while (*count < max) {
        TRY(next_timestamp(run, &timestamp));
        if (run->is_exhausted) return TACTUS_OK;
        *count += 1;
    }
    *count = 0;
    scan_set_restart(&run->set, false);
    return count_unfetched(run, max, count);
}

static enum tactus_status count_scanned(struct query_run *run, uint64_t max, uint64_t *count)
{
    while (*count < max) {
        bool found = false;
        TRY(next_scanned(run, run->objects, &found));
        if (!found) return TACTUS_OK;
        *count += 1;
    }
    return *count > 0 ? run_note_place(run, run->objects) : TACTUS_OK;
}

static enum tactus_status count_fetched(struct query_run *run, uint64_t max, uint64_t *count)
{
    const uint8_t *object = NULL;
    while (*count < max) {
        TRY(next_fetched(run, max - *count, &object));
        if (object == NULL) return TACTUS_OK;
        *count += 1;
    }
    return *count > 0 ? run_note_place(run, object) : TACTUS_OK;
}

/* What a sort is to put in order can be counted without: unless it is as much as is asked for, or
 * more, for then the sort has to say behind which of them the run goes on. */
static enum tactus_status count_unsorted(struct query_run *run, uint64_t max, uint64_t *count)
{
    uint64_t timestamp = 0;
    while (*count < max && !run->is_exhausted) {
        if (run->start.plan->filters) {
            TRY(batch_gather(run, RESOLVE_MAX));
            while (run->batch_next < run->batch_count) {
                const uint8_t *object = NULL;
                TRY(batch_take(run, &object));
                *count += run_matches(run, object);
            }
        } else {
            TRY(next_timestamp(run, &timestamp));
            *count += !run->is_exhausted;
        }
    }
    if (*count < max) {
        sort_pass_end(&run->sort); /* of nothing: it has no more */
        run->needs_pass = false;
        return TACTUS_OK;
    }
    *count = 0;
    scan_set_restart(&run->set, true);
    run->is_exhausted = false;
    return count_fetched(run, max, count);
}

static enum tactus_status count_all(struct query_run *run, uint64_t max, uint64_t *count)
{
    const struct query_plan *plan = run->start.plan;
    run->has_place = false;
    if (plan->drive == PLAN_NOTHING) return TACTUS_OK;
    if (plan->sorts) {
        return run->is_fresh ? count_unsorted(run, max, count) : count_fetched(run, max, count);
    }
    if (!plan->filters && run->is_fresh && plan->drive == PLAN_SET &&
        plan->nodes[0].kind == PLAN_NODE_RANGE) {
        return count_range(run, max, count);
    }
    if (!plan->filters) return count_unfetched(run, max, count);
    if (run_scans_objects(run)) return count_scanned(run, max, count);
    return count_fetched(run, max, count);
}

enum tactus_status query_run_count(struct query_run *run, uint64_t max, uint64_t *count)
{
    assert(run->start.plan != NULL);
    const struct grid_statistics before = blocks_before(run);
    *count = 0;
    if (max == 0) return TACTUS_OK;
    const enum tactus_status status = count_all(run, max, count);
    run->is_fresh = false;
    run->actual.objects_given += *count;
    run_leave(run, *count < max);
    blocks_after(run, before);
    return status;
}
