#include "query/scan_set.h"

#include "base/assert.h"

#include "base/poison.h"

void scan_set_init(struct scan_set *set, struct query_pool *pool, struct fault *fault)
{
    *set = (struct scan_set){.pool = pool, .fault = fault};
}

/* Places ascend, whichever way the timestamps go: and so back. */
static uint64_t place_of(const struct scan_set *set, uint64_t timestamp)
{
    return set->plan->descending ? ~timestamp : timestamp;
}

/* ---- Begin ----------------------------------------------------------------------------------- */

static struct tree *node_tree(const struct scan_set *set, const struct plan_node *plan)
{
    const struct collection *collection = set->collection;
    struct tree *tree =
        plan->kind == PLAN_NODE_RANGE ? collection->id_tree : collection->object_tree;
    if (plan->index != NULL) {
        tree = collection->index_trees[plan->index - collection->schema->indexes];
    }
    assert(tree->options.id == plan->tree);
    return tree;
}

static enum tactus_status node_scan_start(struct scan_set *set, uint32_t number)
{
    const struct plan_node *plan = &set->plan->nodes[number];
    struct tree *tree = node_tree(set, plan);
    const struct scan_tree_range range = {
        .tree = tree,
        .key_min = plan->key_min,
        .key_max = plan->key_max,
        .descending = set->plan->descending,
        .snapshot = tree_snapshot_newest(tree),
        .visible_count = collection_visible(tree, set->visibility),
    };
    return scan_tree_start(set->nodes[number].scan, &range);
}

/* From the first one: the scan is idle. */
static enum tactus_status node_begin(struct scan_set *set, uint32_t number)
{
    struct scan_set_node *node = &set->nodes[number];
    const struct plan_node *plan = &set->plan->nodes[number];
    node->has_current = false;
    node->has_ended = false;
    node->is_waiting = false;
    node->bound = 0;
    node->id_next = plan->id_first;
    node->is_in_pass = plan->kind == PLAN_NODE_RANGE && !set->is_unsorted;
    if (node->is_in_pass) sort_begin(set->sort);
    return node->scan == NULL ? TACTUS_OK : node_scan_start(set, number);
}

/* A scan for each node that reads a tree, and starts them. */
static enum tactus_status take_scans(struct scan_set *set)
{
    for (uint32_t number = 0; number < set->node_count; number += 1) {
        struct scan_set_node *node = &set->nodes[number];
        const uint8_t kind = set->plan->nodes[number].kind;
        if (kind == PLAN_NODE_SCAN || kind == PLAN_NODE_RANGE) {
            node->scan = query_pool_take(set->pool);
            set->limit = SCAN_SET_FEW_SCANS;
            if (node->scan == NULL) return TACTUS_LIMIT;
        }
        set->limit = SCAN_SET_FEW_CURSORS;
        TRY(node_begin(set, number));
    }
    set->limit = NULL;
    return TACTUS_OK;
}

/* Of what is not scanned in the order of timestamps. */
static bool is_in_range(const struct query_plan *plan, uint64_t timestamp)
{
    return timestamp >= plan->timestamps.min && timestamp <= plan->timestamps.max;
}

/* At most PLAN_IDS_MAX: insertion is quick enough. */
static void insert_id(struct scan_set *set, struct scan_set_node *node, uint32_t first, uint64_t id)
{
    uint32_t at = node->id_end;
    for (; at > first && set->ids[at - 1] > id; at -= 1)
        set->ids[at] = set->ids[at - 1];
    set->ids[at] = id;
    node->id_end += 1;
}

static enum tactus_status find_ids(struct scan_set *set, struct resolver *resolver)
{
    const struct query_plan *plan = set->plan;
    uint64_t timestamps[PLAN_IDS_MAX];
    static_assert((int)PLAN_IDS_MAX <= (int)RESOLVE_MAX, "all ids are one batch of lookups");
    assert(plan->id_count <= PLAN_IDS_MAX);
    if (plan->id_count == 0) return TACTUS_OK;
    TRY(collection_find(
        set->collection, resolver, set->visibility, plan->ids, plan->id_count, timestamps
    ));
    for (uint32_t number = 0; number < plan->node_count; number += 1) {
        const struct plan_node *of = &plan->nodes[number];
        struct scan_set_node *node = &set->nodes[number];
        if (of->kind != PLAN_NODE_IDS) continue;
        assert(of->id_first + of->id_count <= plan->id_count);
        node->id_end = of->id_first;
        set->actual->entries[number] += of->id_count;
        for (uint32_t id = of->id_first; id < of->id_first + of->id_count; id += 1) {
            if (!is_in_range(plan, timestamps[id])) continue; /* as 0 is: not found */
            insert_id(set, node, of->id_first, place_of(set, timestamps[id]));
        }
    }
    return TACTUS_OK;
}

enum tactus_status scan_set_start(struct scan_set *set, const struct scan_set_start *start)
{
    assert(!set->is_open);
    assert(start->plan->drive == PLAN_SET);
    assert(start->plan->node_count > 0 && start->plan->node_count <= PLAN_NODES_MAX);
    assert(start->plan->timestamps.min > 0);
    set->plan = start->plan;
    set->collection = start->collection;
    set->sort = start->sort;
    set->visibility = start->visibility;
    set->actual = start->actual;
    set->is_unsorted = start->is_unsorted && start->plan->nodes[0].kind == PLAN_NODE_RANGE;
    set->node_count = start->plan->node_count;
    set->is_open = true;
    for (uint32_t number = 0; number < set->node_count; number += 1) {
        set->nodes[number] = (struct scan_set_node){.scan = NULL};
    }
    enum tactus_status status = find_ids(set, start->resolver);
    if (status == TACTUS_OK) status = take_scans(set);
    if (status != TACTUS_OK) scan_set_stop(set);
    return status;
}

void scan_set_restart(struct scan_set *set, bool is_unsorted)
{
    assert(set->is_open);
    set->is_unsorted = is_unsorted && set->plan->nodes[0].kind == PLAN_NODE_RANGE;
    for (uint32_t number = 0; number < set->node_count; number += 1) {
        if (set->nodes[number].scan != NULL) scan_tree_stop(set->nodes[number].scan);
    }
    for (uint32_t number = 0; number < set->node_count; number += 1) {
        const enum tactus_status status = node_begin(set, number);
        assert(status == TACTUS_OK); /* what it needs it has just given back */
    }
}

void scan_set_stop(struct scan_set *set)
{
    if (!set->is_open) return;
    for (uint32_t number = 0; number < set->node_count; number += 1) {
        struct scan_set_node *node = &set->nodes[number];
        if (node->scan != NULL) query_pool_give(set->pool, node->scan);
        node->scan = NULL;
    }
    set->is_open = false;
}

/* ---- Leaves ---------------------------------------------------------------------------------- */

/* Keys ascend within every table and run, or the file is damaged: what an index lists out of order
 * would be missed or come twice. */
static enum scan_result node_disordered(const struct scan_set *set, uint32_t number)
{
    const struct fault found = {
        .status = TACTUS_CORRUPT,
        .zone = FAULT_ZONE_GRID,
        .what = "entries of a tree are out of order",
        .tree = set->plan->nodes[number].tree,
    };
    (void)fault_set(set->fault, found);
    return SCAN_FAILED;
}

/* The scan's next record, which is counted: its place. */
static enum scan_result next_place(struct scan_set *set, uint32_t number, uint64_t *place)
{
    struct scan_set_node *node = &set->nodes[number];
    const void *record = NULL;
    const enum scan_result result = scan_tree_next(node->scan, &record);
    node->is_waiting = result == SCAN_READ_AGAIN;
    if (result != SCAN_RECORD) return result;
    set->actual->entries[number] += 1;
    const struct record_shape *shape = &node->scan->range.tree->options.shape;
    *place = place_of(set, record_timestamp(shape, record));
    return SCAN_RECORD;
}

static enum scan_result peek_scan(struct scan_set *set, uint32_t number)
{
    struct scan_set_node *node = &set->nodes[number];
    const enum scan_result result = next_place(set, number, &node->current);
    if (result != SCAN_RECORD) return result;
    return node->current < node->bound ? node_disordered(set, number) : SCAN_RECORD;
}

/* In the order of the tree. Each turn takes a record, or is the last one. */
static enum scan_result peek_unsorted(struct scan_set *set, uint32_t number)
{
    struct scan_set_node *node = &set->nodes[number];
    for (;;) {
        const enum scan_result result = next_place(set, number, &node->current);
        if (result != SCAN_RECORD) return result;
        if (is_in_range(set->plan, place_of(set, node->current))) return SCAN_RECORD;
    }
}

/* The range once more, for the next pass. */
static void range_restart(struct scan_set *set, uint32_t number)
{
    struct scan_set_node *node = &set->nodes[number];
    scan_tree_stop(node->scan);
    const enum tactus_status status = node_scan_start(set, number);
    assert(status == TACTUS_OK); /* what it needs it has just given back */
    node->is_in_pass = true;
}

/* Each turn takes a record, ends or begins a pass, or is the last one. */
static enum scan_result peek_range(struct scan_set *set, uint32_t number)
{
    struct scan_set_node *node = &set->nodes[number];
    if (set->is_unsorted) return peek_unsorted(set, number);
    for (;;) {
        uint64_t found = 0;
        const enum scan_result result =
            node->is_in_pass ? next_place(set, number, &found) : SCAN_END;
        if (result == SCAN_RECORD) {
            if (is_in_range(set->plan, place_of(set, found))) {
                sort_add(set->sort, key_from_u64(found));
            }
            continue;
        }
        if (result != SCAN_END) return result;
        if (node->is_in_pass) {
            sort_pass_end(set->sort);
            set->actual->passes += 1;
        }
        node->is_in_pass = false;

        struct key place;
        if (sort_next(set->sort, &place)) {
            node->current = place.word[2];
            return SCAN_RECORD;
        }
        if (!sort_has_more(set->sort)) return SCAN_END;
        range_restart(set, number);
    }
}

static enum scan_result peek_ids(struct scan_set *set, uint32_t number)
{
    struct scan_set_node *node = &set->nodes[number];
    while (node->id_next < node->id_end) {
        node->current = set->ids[node->id_next];
        node->id_next += 1;
        if (node->current >= node->bound) return SCAN_RECORD;
    }
    return SCAN_END;
}

static void probe_leaf(struct scan_set *set, uint32_t number, uint64_t place)
{
    struct scan_set_node *node = &set->nodes[number];
    const struct plan_node *plan = &set->plan->nodes[number];
    assert(!set->is_unsorted);
    set->actual->probes[number] += 1;
    if (plan->kind == PLAN_NODE_RANGE) sort_raise(set->sort, key_from_u64(place - 1));
    if (plan->kind != PLAN_NODE_SCAN) return;
    struct key key = plan->key_min; /* has the prefix */
    key.word[2] = place_of(set, place);
    scan_tree_probe(node->scan, key);
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

/* What a node has next stays its `current` until it is taken. Functions from here on call each
 * other for children: as deep as the plan's tree, which is at most as deep as an expression. */
static enum scan_result node_peek(struct scan_set *set, uint32_t number);

/* Children of a node, by their numbers. */
static uint32_t first_child(const struct scan_set *set, uint32_t number)
{
    return set->plan->nodes[number].child;
}

static uint32_t next_child(const struct scan_set *set, uint32_t child)
{
    return set->plan->nodes[child].next;
}

/* What comes next may lie above `place`; nothing below it is given any more. */
static void node_probe(struct scan_set *set, uint32_t number, uint64_t place)
{
    struct scan_set_node *node = &set->nodes[number];
    const struct plan_node *plan = &set->plan->nodes[number];
    if (place <= node->bound || node->has_ended) return;
    node->bound = place;
    if (node->has_current && node->current >= place) return;
    node->has_current = false;
    if (plan->child == PLAN_NODE_NONE) {
        probe_leaf(set, number, place);
        return;
    }
    set->actual->probes[number] += 1;
    for (uint32_t child = plan->child; child != PLAN_NODE_NONE; child = next_child(set, child)) {
        node_probe(set, child, place);
        if (plan->kind == PLAN_NODE_DIFFERENCE) break; /* the others follow the first */
    }
}

/* Passes what the node has next, which its parent has given out or does not want. */
static void node_take(struct scan_set *set, uint32_t number)
{
    struct scan_set_node *node = &set->nodes[number];
    const struct plan_node *plan = &set->plan->nodes[number];
    assert(node->has_current);
    node->has_current = false;
    node->bound = node->current + 1;
    set->actual->given[number] += 1;
    for (uint32_t child = plan->child; child != PLAN_NODE_NONE; child = next_child(set, child)) {
        const struct scan_set_node *of = &set->nodes[child];
        if (of->has_current && of->current == node->current) node_take(set, child);
    }
}

/* What the child has next that is not below `place`. It is looked at before it is probed: where
 * sets are dense, it is often the one. More steps than that one were slower, even there. A child
 * that waits is told where to go on before its block is asked for. */
static enum scan_result node_seek(struct scan_set *set, uint32_t number, uint64_t place)
{
    const enum scan_result result = node_peek(set, number);
    if (result == SCAN_READ_AGAIN) node_probe(set, number, place);
    if (result != SCAN_RECORD || set->nodes[number].current >= place) return result;
    node_probe(set, number, place);
    return node_peek(set, number);
}

static enum scan_result peek_union(struct scan_set *set, uint32_t number)
{
    struct scan_set_node *node = &set->nodes[number];
    enum scan_result result = SCAN_END;
    uint64_t lowest = UINT64_MAX;
    for (uint32_t child = first_child(set, number); child != PLAN_NODE_NONE;
         child = next_child(set, child)) {
        const enum scan_result of = node_peek(set, child);
        if (of == SCAN_FAILED) return of;
        if (of == SCAN_END) continue;
        if (result != SCAN_READ_AGAIN) result = of; /* all have to answer */
        if (of == SCAN_RECORD && set->nodes[child].current < lowest) {
            lowest = set->nodes[child].current;
        }
    }
    node->current = lowest;
    return result;
}

/* Goes round until all children in a row are at the candidate or wait. Each turn raises the
 * candidate, or counts one child more. */
static enum scan_result peek_intersection(struct scan_set *set, uint32_t number)
{
    struct scan_set_node *node = &set->nodes[number];
    uint64_t candidate = node->bound;
    uint32_t child_count = 0;
    uint32_t agreed = 0;
    bool waits = false;
    for (uint32_t child = first_child(set, number); child != PLAN_NODE_NONE;
         child = next_child(set, child)) {
        child_count += 1;
    }
    uint32_t child = first_child(set, number);
    while (agreed < child_count) {
        const enum scan_result of = node_seek(set, child, candidate);
        if (of == SCAN_FAILED || of == SCAN_END) return of;
        if (of == SCAN_RECORD && set->nodes[child].current > candidate) {
            candidate = set->nodes[child].current;
            agreed = 0;
            waits = false;
        }
        if (of == SCAN_READ_AGAIN) waits = true;
        agreed += 1;
        child = next_child(set, child);
        if (child == PLAN_NODE_NONE) child = first_child(set, number);
    }
    node->current = candidate;
    return waits ? SCAN_READ_AGAIN : SCAN_RECORD;
}

/* Each turn takes one of the first child, or is the last. */
static enum scan_result peek_difference(struct scan_set *set, uint32_t number)
{
    struct scan_set_node *node = &set->nodes[number];
    const uint32_t first = first_child(set, number);
    for (;;) {
        const enum scan_result result = node_peek(set, first);
        if (result != SCAN_RECORD) return result;
        const uint64_t current = set->nodes[first].current;
        bool waits = false;
        bool is_left_out = false;
        for (uint32_t child = next_child(set, first); child != PLAN_NODE_NONE;
             child = next_child(set, child)) {
            const enum scan_result of = node_seek(set, child, current);
            if (of == SCAN_FAILED) return of;
            if (of == SCAN_READ_AGAIN) waits = true;
            if (of == SCAN_RECORD && set->nodes[child].current == current) is_left_out = true;
        }
        if (is_left_out) {
            node_take(set, first);
            continue;
        }
        node->current = current;
        return waits ? SCAN_READ_AGAIN : SCAN_RECORD;
    }
}

static enum scan_result peek_kind(struct scan_set *set, uint32_t number)
{
    switch ((enum plan_node_kind)set->plan->nodes[number].kind) {
    case PLAN_NODE_SCAN: return peek_scan(set, number);
    case PLAN_NODE_RANGE: return peek_range(set, number);
    case PLAN_NODE_IDS: return peek_ids(set, number);
    case PLAN_NODE_UNION: return peek_union(set, number);
    case PLAN_NODE_INTERSECTION: return peek_intersection(set, number);
    case PLAN_NODE_DIFFERENCE: return peek_difference(set, number);
    }
    assert(false);
    return SCAN_FAILED;
}

static enum scan_result node_peek(struct scan_set *set, uint32_t number)
{
    struct scan_set_node *node = &set->nodes[number];
    if (node->has_current) return SCAN_RECORD;
    if (node->has_ended) return SCAN_END;
    const enum scan_result result = peek_kind(set, number);
    node->has_current = result == SCAN_RECORD;
    node->has_ended = result == SCAN_END;
    return result;
}

/* ---- The set --------------------------------------------------------------------------------- */

enum scan_result scan_set_next(struct scan_set *set, uint64_t *timestamp)
{
    assert(set->is_open);
    const enum scan_result result = node_peek(set, 0);
    if (result != SCAN_RECORD) return result;
    *timestamp = place_of(set, set->nodes[0].current);
    node_take(set, 0);
    return SCAN_RECORD;
}

void scan_set_probe(struct scan_set *set, uint64_t timestamp)
{
    assert(set->is_open);
    node_probe(set, 0, place_of(set, timestamp));
}

enum progress scan_set_advance(struct scan_set *set)
{
    assert(set->is_open);
    enum progress progress = PROGRESS_DONE;
    for (uint32_t number = 0; number < set->node_count; number += 1) {
        struct scan_set_node *node = &set->nodes[number];
        if (!node->is_waiting) continue;
        const enum progress of = scan_tree_advance(node->scan);
        if (of == PROGRESS_FAILED) return of;
        if (of == PROGRESS_WAIT) progress = of;
        if (of == PROGRESS_DONE) node->is_waiting = false;
    }
    return progress;
}
