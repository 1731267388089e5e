#include "lsm/manifest_level.h"

#include "base/assert.h"

#include <stddef.h>

#include "base/poison.h"

/* Of an AVL tree of 2^32 nodes: 1.44 * 32. Bounds every recursion below. */
enum { DEPTH_MAX = 47 };

static struct table_node *node_at(const struct manifest_level *level, uint32_t node)
{
    return node_pool_at(level->pool, node);
}

static const struct table_info *info_at(const struct manifest_level *level, uint32_t node)
{
    return node == NODE_NONE ? NULL : &node_at(level, node)->info;
}

/* The number of the node that holds this table: callers give back what they got from here. */
static uint32_t node_of(const struct manifest_level *level, const struct table_info *table)
{
    const uint64_t byte = (uint64_t)((const uint8_t *)table - (const uint8_t *)level->pool->nodes);
    assert(byte % sizeof(struct table_node) == offsetof(struct table_node, info));
    const uint64_t node = byte / sizeof(struct table_node);
    assert(node != NODE_NONE);
    assert(node <= level->pool->capacity);
    return (uint32_t)node;
}

static uint32_t height_of(const struct manifest_level *level, uint32_t node)
{
    return node == NODE_NONE ? 0 : node_at(level, node)->height;
}

static void height_update(const struct manifest_level *level, struct table_node *node)
{
    const uint32_t left = height_of(level, node->left);
    const uint32_t right = height_of(level, node->right);
    node->height = 1 + (left > right ? left : right);
}

/* Makes the left child the root of this subtree. */
static uint32_t rotate_right(const struct manifest_level *level, uint32_t root)
{
    struct table_node *above = node_at(level, root);
    const uint32_t pivot = above->left;
    struct table_node *below = node_at(level, pivot);
    above->left = below->right;
    below->right = root;
    height_update(level, above);
    height_update(level, below);
    return pivot;
}

static uint32_t rotate_left(const struct manifest_level *level, uint32_t root)
{
    struct table_node *above = node_at(level, root);
    const uint32_t pivot = above->right;
    struct table_node *below = node_at(level, pivot);
    above->right = below->left;
    below->left = root;
    height_update(level, above);
    height_update(level, below);
    return pivot;
}

/* Restores L3 at `root`, below which it holds, after one insertion or removal there. */
static uint32_t rebalance(const struct manifest_level *level, uint32_t root)
{
    struct table_node *node = node_at(level, root);
    const uint32_t left = height_of(level, node->left);
    const uint32_t right = height_of(level, node->right);
    assert(left <= right + 2);
    assert(right <= left + 2);

    if (left > right + 1) {
        const struct table_node *child = node_at(level, node->left);
        if (height_of(level, child->left) < height_of(level, child->right)) {
            node->left = rotate_left(level, node->left);
        }
        return rotate_right(level, root);
    }
    if (right > left + 1) {
        const struct table_node *child = node_at(level, node->right);
        if (height_of(level, child->right) < height_of(level, child->left)) {
            node->right = rotate_right(level, node->right);
        }
        return rotate_left(level, root);
    }
    height_update(level, node);
    return root;
}

static uint32_t tree_insert(const struct manifest_level *level, uint32_t root, uint32_t added)
{
    if (root == NODE_NONE) return added;
    struct table_node *node = node_at(level, root);
    assert(node->height <= DEPTH_MAX);
    if (key_less(node_at(level, added)->info.key_max, node->info.key_min)) {
        node->left = tree_insert(level, node->left, added);
    } else {
        node->right = tree_insert(level, node->right, added);
    }
    return rebalance(level, root);
}

static uint32_t tree_remove(const struct manifest_level *level, uint32_t root, uint32_t removed)
{
    struct table_node *node = node_at(level, root);
    assert(node->height <= DEPTH_MAX);
    if (root != removed) {
        if (key_less(node_at(level, removed)->info.key_max, node->info.key_min)) {
            node->left = tree_remove(level, node->left, removed);
        } else {
            node->right = tree_remove(level, node->right, removed);
        }
        return rebalance(level, root);
    }
    if (node->left == NODE_NONE) return node->right;
    if (node->right == NODE_NONE) return node->left;

    /* The next table in order is the lowest of the right subtree; it has no left child. */
    const uint32_t heir = node->next;
    const uint32_t right = tree_remove(level, node->right, heir);
    node_at(level, heir)->left = node->left;
    node_at(level, heir)->right = right;
    return rebalance(level, heir);
}

void manifest_level_init(struct manifest_level *level, struct node_pool *pool)
{
    *level = (struct manifest_level){.pool = pool};
}

bool manifest_level_insert(struct manifest_level *level, const struct table_info *info)
{
    assert(!key_less(info->key_max, info->key_min));
    const struct table_info *above = manifest_level_at_or_above(level, info->key_min);
    if (above != NULL && !key_less(info->key_max, above->key_min)) return false;

    const uint32_t next = above == NULL ? NODE_NONE : node_of(level, above);
    const uint32_t previous = next == NODE_NONE ? level->last : node_at(level, next)->previous;
    const uint32_t added = node_pool_take(level->pool);
    *node_at(level, added) =
        (struct table_node){.previous = previous, .next = next, .info = *info, .height = 1};

    if (previous == NODE_NONE) level->first = added;
    if (previous != NODE_NONE) node_at(level, previous)->next = added;
    if (next == NODE_NONE) level->last = added;
    if (next != NODE_NONE) node_at(level, next)->previous = added;
    level->root = tree_insert(level, level->root, added);
    level->count += 1;
    level->record_count += info->value_count;
    assert_slow((manifest_level_check(level), true));
    return true;
}

void manifest_level_remove(struct manifest_level *level, const struct table_info *table)
{
    assert(level->count > 0);
    assert(level->record_count >= table->value_count);
    const uint32_t removed = node_of(level, table);
    level->count -= 1;
    level->record_count -= table->value_count;
    level->root = tree_remove(level, level->root, removed);

    const struct table_node *node = node_at(level, removed);
    if (node->previous == NODE_NONE) level->first = node->next;
    if (node->previous != NODE_NONE) node_at(level, node->previous)->next = node->next;
    if (node->next == NODE_NONE) level->last = node->previous;
    if (node->next != NODE_NONE) node_at(level, node->next)->previous = node->previous;
    node_pool_give(level->pool, removed);
    assert_slow((manifest_level_check(level), true));
}

const struct table_info *manifest_level_at_or_above(
    const struct manifest_level *level, struct key key
)
{
    uint32_t best = NODE_NONE;
    for (uint32_t at = level->root; at != NODE_NONE;) { /* ends: one level down the tree a turn */
        const struct table_node *node = node_at(level, at);
        const bool is_below = key_less(node->info.key_max, key);
        if (!is_below) best = at;
        at = is_below ? node->right : node->left;
    }
    return info_at(level, best);
}

const struct table_info *manifest_level_at_or_below(
    const struct manifest_level *level, struct key key
)
{
    uint32_t best = NODE_NONE;
    for (uint32_t at = level->root; at != NODE_NONE;) { /* ends: one level down the tree a turn */
        const struct table_node *node = node_at(level, at);
        const bool is_above = key_less(key, node->info.key_min);
        if (!is_above) best = at;
        at = is_above ? node->left : node->right;
    }
    return info_at(level, best);
}

const struct table_info *manifest_level_find(const struct manifest_level *level, struct key key)
{
    const struct table_info *table = manifest_level_at_or_above(level, key);
    return table != NULL && !key_less(key, table->key_min) ? table : NULL;
}

const struct table_info *manifest_level_first(const struct manifest_level *level)
{
    return info_at(level, level->first);
}

const struct table_info *manifest_level_last(const struct manifest_level *level)
{
    return info_at(level, level->last);
}

const struct table_info *manifest_level_next(
    const struct manifest_level *level, const struct table_info *table
)
{
    return info_at(level, node_at(level, node_of(level, table))->next);
}

const struct table_info *manifest_level_previous(
    const struct manifest_level *level, const struct table_info *table
)
{
    return info_at(level, node_at(level, node_of(level, table))->previous);
}

bool manifest_level_range_contains(const struct manifest_level *level, struct key key)
{
    if (level->count == 0) return false;
    return !key_less(key, manifest_level_first(level)->key_min) &&
           !key_less(manifest_level_last(level)->key_max, key);
}

bool manifest_level_overlaps(
    const struct manifest_level *level, struct key key_min, struct key key_max
)
{
    assert(!key_less(key_max, key_min));
    const struct table_info *table = manifest_level_at_or_above(level, key_min);
    return table != NULL && !key_less(key_max, table->key_min);
}

/* Walks the subtree in order along the list; returns its height. */
static uint32_t check_subtree(const struct manifest_level *level, uint32_t root, uint32_t *expected)
{
    if (root == NODE_NONE) return 0;
    const struct table_node *node = node_at(level, root);
    assert(node->height <= DEPTH_MAX);
    const uint32_t left = check_subtree(level, node->left, expected);
    assert(*expected == root);
    *expected = node->next;
    const uint32_t right = check_subtree(level, node->right, expected);
    assert(left <= right + 1);
    assert(right <= left + 1);
    assert(node->height == 1 + (left > right ? left : right));
    return node->height;
}

void manifest_level_check(const struct manifest_level *level)
{
    uint32_t count = 0;
    uint64_t record_count = 0;
    uint32_t previous = NODE_NONE;
    for (uint32_t at = level->first; at != NODE_NONE; at = node_at(level, at)->next) {
        const struct table_node *node = node_at(level, at);
        assert(node->previous == previous);
        assert(!key_less(node->info.key_max, node->info.key_min));
        if (previous != NODE_NONE) {
            assert(key_less(node_at(level, previous)->info.key_max, node->info.key_min));
        }
        count += 1;
        record_count += node->info.value_count;
        previous = at;
    }
    assert(level->last == previous);
    assert(level->count == count);
    assert(level->record_count == record_count);

    uint32_t expected = level->first;
    (void)check_subtree(level, level->root, &expected);
    assert(expected == NODE_NONE);
}
