#include "base/queue.h"

#include "base/assert.h"
#include "support/test.h"

#include "base/poison.h"

struct thing {
    uint32_t number;
    struct queue_node node;
};

TEST(queue, gives_back_in_the_order_it_got)
{
    struct thing things[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    struct queue queue;
    queue_init(&queue);
    for (uint32_t index = 0; index < 3; index += 1) {
        queue_push(&queue, &things[index].node);
    }
    EXPECT(queue.count == 3 && !queue_is_empty(&queue));
    EXPECT(queue_peek(&queue) == &things[0].node);
    for (uint32_t number = 1; number <= 3; number += 1) {
        const struct thing *thing = CONTAINER_OF(queue_pop(&queue), struct thing, node);
        EXPECT(thing->number == number);
    }
    EXPECT(queue_is_empty(&queue));
}

TEST(queue, empty_gives_nothing_and_can_be_filled_again)
{
    struct thing thing = {.number = 7};
    struct queue queue = {0};
    EXPECT(queue_pop(&queue) == NULL && queue_peek(&queue) == NULL);
    for (uint32_t round = 0; round < 3; round += 1) {
        queue_push(&queue, &thing.node);
        EXPECT(queue_pop(&queue) == &thing.node);
        EXPECT(queue_pop(&queue) == NULL && queue.last == NULL && queue.count == 0);
    }
}

TEST_MAIN()
