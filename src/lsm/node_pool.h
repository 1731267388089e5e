/* Nodes for all manifest levels of all trees: one node a table, taken at open, never grown.
 *
 * A level is a balanced tree of such nodes (manifest_run.h). With one table a node, a level costs
 * exactly its tables: no node is half empty, so room is a plain count, and admission can ask for it
 * before anything is written. tables_max of the file is the pool's size. */
#ifndef TACTUS_LSM_NODE_POOL_H
#define TACTUS_LSM_NODE_POOL_H

#include "base/budget.h"
#include "lsm/table_info.h"

#include <stdint.h>

/* Index 0 names no node, so zeroed memory is an empty level. */
enum { NODE_NONE = 0 };

/* What a search reads (links and keys) lies in the first 64 bytes: a cache line or two a step. */
struct table_node {
    uint32_t left;     /* tables with lower keys, in the balanced tree */
    uint32_t right;    /* tables with higher keys */
    uint32_t previous; /* the neighbour below, in key order; of a free node: unused */
    uint32_t next;     /* the neighbour above; of a free node: the next free one */
    struct table_info info;
    uint32_t height; /* of the subtree below, this node included */
};

/* Invariant: the nodes in use and free_count add up to capacity. Node numbers are never written to
 * the file and decide nothing; so their order need not be the same in two runs. */
struct node_pool {
    struct table_node *nodes; /* capacity + 1, borrowed from the budget; the first is never used */
    uint32_t capacity;

    uint32_t free_first; /* of those that were used before; NODE_NONE: there are none */
    uint32_t fresh;      /* from it on none was ever used, or its memory touched */
    uint32_t free_count; /* of both */
};

/* Takes room for `capacity` tables. */
void node_pool_init(struct node_pool *pool, struct budget *budget, uint32_t capacity);

/* How many more tables fit. */
uint32_t node_pool_room(const struct node_pool *pool);

/* A node of undefined content. There must be room. */
uint32_t node_pool_take(struct node_pool *pool);

/* Gives a node back; nothing may refer to it any more. */
void node_pool_give(struct node_pool *pool, uint32_t node);

/* The node with this number, which must not be NODE_NONE. */
struct table_node *node_pool_at(const struct node_pool *pool, uint32_t node);

#endif
