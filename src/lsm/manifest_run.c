#include "lsm/manifest_run.h"

#include "base/assert.h"

#include <stddef.h>

#include "base/poison.h"

/* Of an AVL tree of 2^32 nodes: 1.44 * 32. Bounds every recursion below. */
enum { DEPTH_MAX = 47 };

static struct table_node *node_at(const struct manifest_run *run, uint32_t node)
{
    return node_pool_at(run->pool, node);
}

static const struct table_info *info_at(const struct manifest_run *run, uint32_t node)
{
    return node == NODE_NONE ? NULL : &node_at(run, node)->info;
}

/* The number of the node that holds this table: callers give back what they got from here. */
static uint32_t node_of(const struct manifest_run *run, const struct table_info *table)
{
    const uint64_t byte = (uint64_t)((const uint8_t *)table - (const uint8_t *)run->pool->nodes);
    assert(byte % sizeof(struct table_node) == offsetof(struct table_node, info));
    const uint64_t node = byte / sizeof(struct table_node);
    assert(node != NODE_NONE);
    assert(node <= run->pool->capacity);
    return (uint32_t)node;
}

static uint32_t height_of(const struct manifest_run *run, uint32_t node)
{
    return node == NODE_NONE ? 0 : node_at(run, node)->height;
}

static void height_update(const struct manifest_run *run, struct table_node *node)
{
    const uint32_t left = height_of(run, node->left);
    const uint32_t right = height_of(run, node->right);
    node->height = 1 + (left > right ? left : right);
}

/* Makes the left child the root of this subtree. */
static uint32_t rotate_right(const struct manifest_run *run, uint32_t root)
{
    struct table_node *above = node_at(run, root);
    const uint32_t pivot = above->left;
    struct table_node *below = node_at(run, pivot);
    above->left = below->right;
    below->right = root;
    height_update(run, above);
    height_update(run, below);
    return pivot;
}

static uint32_t rotate_left(const struct manifest_run *run, uint32_t root)
{
    struct table_node *above = node_at(run, root);
    const uint32_t pivot = above->right;
    struct table_node *below = node_at(run, pivot);
    above->right = below->left;
    below->left = root;
    height_update(run, above);
    height_update(run, below);
    return pivot;
}

/* Restores L3 at `root`, below which it holds, after one insertion or removal there. */
static uint32_t rebalance(const struct manifest_run *run, uint32_t root)
{
    struct table_node *node = node_at(run, root);
    const uint32_t left = height_of(run, node->left);
    const uint32_t right = height_of(run, node->right);
    assert(left <= right + 2);
    assert(right <= left + 2);

    if (left > right + 1) {
        const struct table_node *child = node_at(run, node->left);
        if (height_of(run, child->left) < height_of(run, child->right)) {
            node->left = rotate_left(run, node->left);
        }
        return rotate_right(run, root);
    }
    if (right > left + 1) {
        const struct table_node *child = node_at(run, node->right);
        if (height_of(run, child->right) < height_of(run, child->left)) {
            node->right = rotate_right(run, node->right);
        }
        return rotate_left(run, root);
    }
    height_update(run, node);
    return root;
}

static uint32_t tree_insert(const struct manifest_run *run, uint32_t root, uint32_t added)
{
    if (root == NODE_NONE) return added;
    struct table_node *node = node_at(run, root);
    assert(node->height <= DEPTH_MAX);
    if (key_less(node_at(run, added)->info.key_max, node->info.key_min)) {
        node->left = tree_insert(run, node->left, added);
    } else {
        node->right = tree_insert(run, node->right, added);
    }
    return rebalance(run, root);
}

static uint32_t tree_remove(const struct manifest_run *run, uint32_t root, uint32_t removed)
{
    struct table_node *node = node_at(run, root);
    assert(node->height <= DEPTH_MAX);
    if (root != removed) {
        if (key_less(node_at(run, removed)->info.key_max, node->info.key_min)) {
            node->left = tree_remove(run, node->left, removed);
        } else {
            node->right = tree_remove(run, node->right, removed);
        }
        return rebalance(run, root);
    }
    if (node->left == NODE_NONE) return node->right;
    if (node->right == NODE_NONE) return node->left;

    /* The next table in order is the lowest of the right subtree; it has no left child. */
    const uint32_t heir = node->next;
    const uint32_t right = tree_remove(run, node->right, heir);
    node_at(run, heir)->left = node->left;
    node_at(run, heir)->right = right;
    return rebalance(run, heir);
}

void manifest_run_init(struct manifest_run *run, struct node_pool *pool, uint64_t number)
{
    *run = (struct manifest_run){.pool = pool, .number = number};
}

bool manifest_run_insert(struct manifest_run *run, const struct table_info *info)
{
    assert(!key_less(info->key_max, info->key_min));
    assert(info->run == run->number);
    const struct table_info *above = manifest_run_at_or_above(run, info->key_min);
    if (above != NULL && !key_less(info->key_max, above->key_min)) return false;

    const uint32_t next = above == NULL ? NODE_NONE : node_of(run, above);
    const uint32_t previous = next == NODE_NONE ? run->last : node_at(run, next)->previous;
    const uint32_t added = node_pool_take(run->pool);
    *node_at(run, added) =
        (struct table_node){.previous = previous, .next = next, .info = *info, .height = 1};

    if (previous == NODE_NONE) run->first = added;
    if (previous != NODE_NONE) node_at(run, previous)->next = added;
    if (next == NODE_NONE) run->last = added;
    if (next != NODE_NONE) node_at(run, next)->previous = added;
    run->root = tree_insert(run, run->root, added);
    run->count += 1;
    run->record_count += info->value_count;
    assert_slow((manifest_run_check(run), true));
    return true;
}

void manifest_run_remove(struct manifest_run *run, const struct table_info *table)
{
    assert(run->count > 0);
    assert(run->record_count >= table->value_count);
    const uint32_t removed = node_of(run, table);
    run->count -= 1;
    run->record_count -= table->value_count;
    run->root = tree_remove(run, run->root, removed);

    const struct table_node *node = node_at(run, removed);
    if (node->previous == NODE_NONE) run->first = node->next;
    if (node->previous != NODE_NONE) node_at(run, node->previous)->next = node->next;
    if (node->next == NODE_NONE) run->last = node->previous;
    if (node->next != NODE_NONE) node_at(run, node->next)->previous = node->previous;
    node_pool_give(run->pool, removed);
    assert_slow((manifest_run_check(run), true));
}

const struct table_info *manifest_run_at_or_above(const struct manifest_run *run, struct key key)
{
    uint32_t best = NODE_NONE;
    for (uint32_t at = run->root; at != NODE_NONE;) { /* ends: one level down the tree a turn */
        const struct table_node *node = node_at(run, at);
        const bool is_below = key_less(node->info.key_max, key);
        if (!is_below) best = at;
        at = is_below ? node->right : node->left;
    }
    return info_at(run, best);
}

const struct table_info *manifest_run_at_or_below(const struct manifest_run *run, struct key key)
{
    uint32_t best = NODE_NONE;
    for (uint32_t at = run->root; at != NODE_NONE;) { /* ends: one level down the tree a turn */
        const struct table_node *node = node_at(run, at);
        const bool is_above = key_less(key, node->info.key_min);
        if (!is_above) best = at;
        at = is_above ? node->left : node->right;
    }
    return info_at(run, best);
}

const struct table_info *manifest_run_find(const struct manifest_run *run, struct key key)
{
    const struct table_info *table = manifest_run_at_or_above(run, key);
    return table != NULL && !key_less(key, table->key_min) ? table : NULL;
}

const struct table_info *manifest_run_first(const struct manifest_run *run)
{
    return info_at(run, run->first);
}

const struct table_info *manifest_run_last(const struct manifest_run *run)
{
    return info_at(run, run->last);
}

const struct table_info *manifest_run_next(
    const struct manifest_run *run, const struct table_info *table
)
{
    return info_at(run, node_at(run, node_of(run, table))->next);
}

const struct table_info *manifest_run_previous(
    const struct manifest_run *run, const struct table_info *table
)
{
    return info_at(run, node_at(run, node_of(run, table))->previous);
}

bool manifest_run_range_contains(const struct manifest_run *run, struct key key)
{
    if (run->count == 0) return false;
    return !key_less(key, manifest_run_first(run)->key_min) &&
           !key_less(manifest_run_last(run)->key_max, key);
}

bool manifest_run_overlaps(const struct manifest_run *run, struct key key_min, struct key key_max)
{
    assert(!key_less(key_max, key_min));
    const struct table_info *table = manifest_run_at_or_above(run, key_min);
    return table != NULL && !key_less(key_max, table->key_min);
}

/* Walks the subtree in order along the list; returns its height. */
static uint32_t check_subtree(const struct manifest_run *run, uint32_t root, uint32_t *expected)
{
    if (root == NODE_NONE) return 0;
    const struct table_node *node = node_at(run, root);
    assert(node->height <= DEPTH_MAX);
    const uint32_t left = check_subtree(run, node->left, expected);
    assert(*expected == root);
    *expected = node->next;
    const uint32_t right = check_subtree(run, node->right, expected);
    assert(left <= right + 1);
    assert(right <= left + 1);
    assert(node->height == 1 + (left > right ? left : right));
    return node->height;
}

void manifest_run_check(const struct manifest_run *run)
{
    uint32_t count = 0;
    uint64_t record_count = 0;
    uint32_t previous = NODE_NONE;
    for (uint32_t at = run->first; at != NODE_NONE; at = node_at(run, at)->next) {
        const struct table_node *node = node_at(run, at);
        assert(node->previous == previous);
        assert(!key_less(node->info.key_max, node->info.key_min));
        assert(node->info.run == run->number);
        if (previous != NODE_NONE) {
            assert(key_less(node_at(run, previous)->info.key_max, node->info.key_min));
        }
        count += 1;
        record_count += node->info.value_count;
        previous = at;
    }
    assert(run->last == previous);
    assert(run->count == count);
    assert(run->record_count == record_count);

    uint32_t expected = run->first;
    (void)check_subtree(run, run->root, &expected);
    assert(expected == NODE_NONE);
}
