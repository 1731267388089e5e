#ifndef TACTUS_BASE_QUEUE_H
#define TACTUS_BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The struct whose member `member` lies at `pointer`. */
#define CONTAINER_OF(pointer, type, member)                                                        \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* A first-in, first-out queue of nodes that lie inside the things queued, so that it needs no
 * memory. Zero-initialized is empty.
 *
 *   Q1  first == NULL, last == NULL and count == 0, or none of the three.
 *   Q2  A node is in one queue at most; last->next == NULL. */
struct queue_node {
    struct queue_node *next;
};

struct queue {
    struct queue_node *first;
    struct queue_node *last;
    uint64_t count;
};

void queue_init(struct queue *queue);
bool queue_is_empty(const struct queue *queue);

/* Appends a node, kept until it is popped. It must be in no queue. */
void queue_push(struct queue *queue, struct queue_node *node);

/* Takes the oldest node out, or answers NULL. */
struct queue_node *queue_pop(struct queue *queue);

/* The oldest node, left where it is, or NULL. */
struct queue_node *queue_peek(const struct queue *queue);

#endif
