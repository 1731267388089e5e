#include "forest/event.h"

#include "base/assert.h"
#include "base/bytes.h"

#include "base/poison.h"

uint64_t event_encode(uint8_t *body, uint64_t offset, const struct event *event)
{
    assert(offset % 8 == 0);
    assert(event->kind >= EVENT_INSERT && event->kind <= EVENT_DELETE);
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

uint32_t event_payload_size(const struct collection_schema *collection, enum event_kind kind)
{
    if (kind == EVENT_REMOVE) return EVENT_REMOVE_SIZE;
    if (kind == EVENT_DELETE) return collection->id_bytes;
    return collection->object_bytes;
}

/* What of an event does not go with the schema. */
static const char *event_fault(const struct schema *schema, const struct event *event)
{
    if (event->collection >= schema->count) {
        return "an event names a collection that the schema does not have";
    }
    const struct collection_schema *collection = &schema->collections[event->collection];
    const bool of_map = event->kind == EVENT_PUT || event->kind == EVENT_DELETE;
    if (of_map != collection->is_map) {
        return of_map ? "an event of maps names a collection"
                      : "an event of collections names a map";
    }
    if (event->size != event_payload_size(collection, event->kind)) {
        return "an event has the wrong size for its collection";
    }
    return NULL;
}

const char *event_decode(
    const struct schema *schema,
    const uint8_t *body,
    uint64_t body_size,
    uint64_t *offset,
    struct event *event
)
{
    assert(*offset <= body_size);

    if (body_size - *offset < EVENT_HEADER_SIZE) return "an event's header is cut off";
    const uint8_t *source = body + *offset;
    const uint32_t size = load_u32(source + 4);
    if (source[0] < EVENT_INSERT || source[0] > EVENT_DELETE) return "an event of unknown kind";
    if (source[1] != 0) return "a reserved byte of an event is not zero";
    if (size % 8 != 0 || size < EVENT_REMOVE_SIZE) return "an event has an impossible size";
    if (size > body_size - *offset - EVENT_HEADER_SIZE) return "an event is cut off";

    event->kind = (enum event_kind)source[0];
    event->collection = load_u16(source + 2);
    event->size = size;
    event->payload = source + EVENT_HEADER_SIZE;
    const char *fault = event_fault(schema, event);
    if (fault != NULL) return fault;
    *offset += EVENT_HEADER_SIZE + (uint64_t)size;
    return NULL;
}
