#include "base/queue.h"

#include "base/assert.h"

#include "base/poison.h"

void queue_init(struct queue *queue)
{
    assert(queue != NULL);
    *queue = (struct queue){.first = NULL};
}

bool queue_is_empty(const struct queue *queue)
{
    assert((queue->first == NULL) == (queue->count == 0));
    return queue->first == NULL;
}

void queue_push(struct queue *queue, struct queue_node *node)
{
    assert(node != NULL);
    assert((queue->first == NULL) == (queue->last == NULL));
    assert(queue->last != node);

    node->next = NULL;
    if (queue->last == NULL) {
        queue->first = node;
    } else {
        assert(queue->last->next == NULL);
        queue->last->next = node;
    }
    queue->last = node;
    queue->count += 1;
}

struct queue_node *queue_pop(struct queue *queue)
{
    struct queue_node *node = queue->first;
    if (node == NULL) return NULL;
    assert(queue->count > 0);

    queue->first = node->next;
    if (queue->first == NULL) queue->last = NULL;
    queue->count -= 1;
    node->next = NULL;
    assert((queue->first == NULL) == (queue->count == 0));
    return node;
}

struct queue_node *queue_peek(const struct queue *queue)
{
    return queue->first;
}
