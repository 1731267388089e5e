#include "forest/event.h"

#include "base/assert.h"
#include "base/bytes.h"

#include "base/poison.h"

uint64_t event_encode(uint8_t *body, uint64_t offset, const struct event *event)
{
    assert(offset % 8 == 0);
    assert(event->size % 8 == 0);
    assert(event->size >= EVENT_REMOVE_SIZE);

    uint8_t *target = body + offset;
    target[0] = (uint8_t)event->kind;
    target[1] = 0;
    store_u16(target + 2, event->collection);
    store_u32(target + 4, event->size);
    bytes_copy(target + EVENT_HEADER_SIZE, event->payload, event->size);
    return offset + EVENT_HEADER_SIZE + event->size;
}

const char *event_decode(
    const uint8_t *body, uint64_t body_size, uint64_t *offset, struct event *event
)
{
    assert(*offset <= body_size);

    if (body_size - *offset < EVENT_HEADER_SIZE) return "an event's header is cut off";
    const uint8_t *source = body + *offset;
    const uint32_t size = load_u32(source + 4);
    if (source[0] < EVENT_INSERT || source[0] > EVENT_REMOVE) return "an event of unknown kind";
    if (source[1] != 0) return "a reserved byte of an event is not zero";
    if (size % 8 != 0 || size < EVENT_REMOVE_SIZE) return "an event has an impossible size";
    if (size > body_size - *offset - EVENT_HEADER_SIZE) return "an event is cut off";

    event->kind = (enum event_kind)source[0];
    event->collection = load_u16(source + 2);
    event->size = size;
    event->payload = source + EVENT_HEADER_SIZE;
    *offset += EVENT_HEADER_SIZE + (uint64_t)size;
    return NULL;
}
