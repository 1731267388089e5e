/* What a transaction did to one object, as the body of a journal entry carries it.
 *
 * An event is 8 bytes of header and a payload, both at multiples of 8 from the body's start:
 *
 *   0  kind        u8    enum event_kind
 *   1  reserved    u8    zero
 *   2  collection  u16   its number in the schema, from 0
 *   4  size        u32   bytes of payload
 *   8  payload           INSERT, UPDATE: the object as on disk; REMOVE: its timestamp, 8 bytes
 *                        of maps: PUT: the object as on disk; DELETE: its key, 8 or 16 bytes
 *
 * Events stand in the order in which they were applied, and are decided: an entry names no event
 * that was refused, and every object carries its timestamp. So replay judges nothing (R4). */
#ifndef TACTUS_FOREST_EVENT_H
#define TACTUS_FOREST_EVENT_H

#include "forest/schema.h"

#include <stdbool.h>
#include <stdint.h>

enum event_kind {
    EVENT_INSERT = 1,
    EVENT_UPDATE = 2,
    EVENT_REMOVE = 3,
    EVENT_PUT = 4, /* this and the next are of maps, and say nothing about what was there */
    EVENT_DELETE = 5
};

enum { EVENT_HEADER_SIZE = 8, EVENT_REMOVE_SIZE = 8 };

/* How many events there were of each kind. */
struct event_kinds {
    uint64_t count[EVENT_DELETE + 1]; /* by enum event_kind; 0 is of none */
};

/* Whether they bring no object: what they let go of is more than what they bring. */
static inline bool event_kinds_only_remove(const struct event_kinds *kinds)
{
    return kinds->count[EVENT_INSERT] + kinds->count[EVENT_UPDATE] + kinds->count[EVENT_PUT] == 0;
}

struct event {
    enum event_kind kind;
    uint16_t collection;
    uint32_t size;
    const uint8_t *payload; /* borrowed from the body */
};

/* What a body of so many events holds without their headers. */
static inline uint64_t event_payload_bytes(uint64_t body_size, uint32_t event_count)
{
    return body_size - (uint64_t)event_count * EVENT_HEADER_SIZE;
}

/* Writes the event at `offset` of the body and returns the offset behind it. There must be room. */
uint64_t event_encode(uint8_t *body, uint64_t offset, const struct event *event);

/* Bytes of the payload of an event of this kind. */
uint32_t event_payload_size(const struct collection_schema *collection, enum event_kind kind);

/* Reads the event at *offset and moves *offset behind it. Returns why these bytes cannot be an
 * event of ours, or NULL: of this schema there is a collection, its kind and size are right. What
 * stands in the payload is not looked at. */
const char *event_decode(
    const struct schema *schema,
    const uint8_t *body,
    uint64_t body_size,
    uint64_t *offset,
    struct event *event
);

#endif
