/* The open transaction at replay, from the body of its journal entry; and how it is settled. */
#include "forest/forest.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"

#include "base/poison.h"

static enum tactus_status replay_fault(
    const struct forest *forest, const struct forest_replay *replay, const char *what
)
{
    const struct fault found = {
        .status = TACTUS_CORRUPT,
        .zone = FAULT_ZONE_JOURNAL,
        .what = what,
        .op = replay->op,
        .acknowledged = FAULT_YES,
    };
    return fault_set(forest->options.fault, found);
}

enum tactus_status forest_replay_count(struct forest *forest, struct forest_replay *replay)
{
    bytes_zero(replay->event_counts, sizeof replay->event_counts);
    uint64_t offset = 0;
    uint32_t count = 0;
    while (offset < replay->body_size) {
        struct event event;
        const char *fault =
            event_decode(forest->options.schema, replay->body, replay->body_size, &offset, &event);
        if (fault != NULL) return replay_fault(forest, replay, fault);
        replay->event_counts[event.collection] += 1;
        count += 1;
        if (replay->event_counts[event.collection] > forest->options.sizing->batch_max) {
            return replay_fault(forest, replay, "an entry has more events than batch_max");
        }
    }
    if (count != replay->event_count) {
        return replay_fault(forest, replay, "an entry does not have as many events as it says");
    }
    return TACTUS_OK;
}

/* The object that an update or removal is about; it must be there. */
static enum tactus_status replay_old(
    struct forest *forest,
    struct forest_replay *replay,
    const struct collection *collection,
    uint64_t timestamp,
    uint8_t *old
)
{
    bool found = false;
    TRY(collection_fetch(collection, &forest->resolver, VISIBLE_ALL, &timestamp, 1, old, &found));
    if (!found) return replay_fault(forest, replay, "an event names an object that is not there");
    return TACTUS_OK;
}

static enum tactus_status replay_remove(
    struct forest *forest, struct forest_replay *replay, const struct event *event
)
{
    struct collection *collection = &forest->collections[event->collection];
    uint8_t old[OBJECT_SIZE_MAX];
    TRY(replay_old(forest, replay, collection, load_u64(event->payload), old));
    collection_remove(collection, old);
    return TACTUS_OK;
}

/* What an insert must lie above: all that was inserted before it, as far as replay can know. The
 * checkpoint's state has counted what the capture held. */
static uint64_t replay_last(
    const struct forest *forest,
    const struct forest_replay *replay,
    const struct collection *collection
)
{
    const uint64_t last = forest->replay_last[collection->schema->number];
    if (replay->op <= forest->op_captured) return last;
    return max_u64(last, collection->timestamp_last);
}

static enum tactus_status replay_write(
    struct forest *forest, struct forest_replay *replay, const struct event *event
)
{
    struct collection *collection = &forest->collections[event->collection];
    const struct collection_schema *schema = collection->schema;
    uint8_t object[OBJECT_SIZE_MAX];
    bytes_copy(object, event->payload, schema->object_bytes);
    object_from_disk(schema, object);
    const uint64_t timestamp = object_timestamp(schema, object);
    const char *fault = object_fault(schema, object);
    if (fault == NULL && (timestamp == 0 || timestamp > TIMESTAMP_MAX)) {
        fault = "an object has an impossible timestamp";
    }
    if (fault != NULL) return replay_fault(forest, replay, fault);

    if (event->kind == EVENT_UPDATE) {
        uint8_t old[OBJECT_SIZE_MAX];
        TRY(replay_old(forest, replay, collection, timestamp, old));
        if (!collection_same_id(collection, old, object)) {
            return replay_fault(forest, replay, "an update changes an id");
        }
        collection_update(collection, old, object);
        return TACTUS_OK;
    }
    if (timestamp <= replay_last(forest, replay, collection)) {
        return replay_fault(forest, replay, "timestamps do not ascend");
    }
    replay->timestamps[event->collection] = timestamp;
    forest->replay_last[event->collection] = timestamp;
    collection_insert(collection, object);
    return TACTUS_OK;
}

/* Every key may be there: what a put and a delete do asks nothing of the map. */
static enum tactus_status replay_put(
    struct forest *forest, struct forest_replay *replay, const struct event *event
)
{
    struct collection *map = &forest->collections[event->collection];
    uint8_t object[OBJECT_SIZE_MAX];
    bytes_copy(object, event->payload, map->schema->object_bytes);
    object_from_disk(map->schema, object);
    const char *fault = object_fault(map->schema, object);
    if (fault != NULL) return replay_fault(forest, replay, fault);
    collection_put(map, object);
    return TACTUS_OK;
}

static void replay_delete(struct forest *forest, const struct event *event)
{
    struct collection *map = &forest->collections[event->collection];
    collection_delete(map, codec_map_key_load(map->schema, event->payload));
}

enum tactus_status forest_replay_apply(struct forest *forest, struct forest_replay *replay)
{
    bytes_zero(replay->timestamps, sizeof replay->timestamps);
    replay->kinds = (struct event_kinds){0};
    uint64_t offset = 0;
    while (offset < replay->body_size) {
        struct event event;
        const char *fault =
            event_decode(forest->options.schema, replay->body, replay->body_size, &offset, &event);
        assert(fault == NULL); /* forest_replay_count() has passed it */
        replay->kinds.count[event.kind] += 1;
        switch (event.kind) {
        case EVENT_INSERT:
        case EVENT_UPDATE: TRY(replay_write(forest, replay, &event)); break;
        case EVENT_REMOVE: TRY(replay_remove(forest, replay, &event)); break;
        case EVENT_PUT: TRY(replay_put(forest, replay, &event)); break;
        case EVENT_DELETE: replay_delete(forest, &event); break;
        }
    }
    return TACTUS_OK;
}

void forest_settle(
    struct forest *forest,
    const struct forest_commit *commit,
    const uint64_t *timestamps,
    const struct event_kinds *kinds
)
{
    struct schedule *schedule = &forest->schedule;
    for (uint32_t number = 0; number < forest->collection_count; number += 1) {
        if (!forest->collections[number].touched) continue;
        schedule->beat_events[number] += commit->event_counts[number];
        collection_settle(&forest->collections[number], timestamps[number]);
    }
    forest_count_entry(forest, commit->entry_bytes);
    if (schedule->beat <= schedule->replay_through) return; /* the checkpoint counted it */
    forest->counters.transactions += 1;
    forest->counters.inserts += kinds->count[EVENT_INSERT];
    forest->counters.updates += kinds->count[EVENT_UPDATE];
    forest->counters.removes += kinds->count[EVENT_REMOVE];
    forest->counters.puts += kinds->count[EVENT_PUT];
    forest->counters.deletes += kinds->count[EVENT_DELETE];
    forest->counters.bytes_committed += commit->payload_bytes;
}

void forest_overlay_settle(struct forest *forest, const struct forest_replay *replay)
{
    for (uint32_t number = 0; number < forest->collection_count; number += 1) {
        if (!forest->collections[number].touched) continue;
        collection_settle(&forest->collections[number], replay->timestamps[number]);
    }
}
