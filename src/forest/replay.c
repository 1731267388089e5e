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

static const char *event_fault(const struct forest *forest, const struct event *event)
{
    if (event->collection >= forest->collection_count) {
        return "an event names a collection that the schema does not have";
    }
    const struct collection_schema *schema = forest->collections[event->collection].schema;
    const uint32_t size =
        event->kind == EVENT_REMOVE ? EVENT_REMOVE_SIZE : (uint32_t)schema->object_bytes;
    if (event->size != size) return "an event has the wrong size for its collection";
    return NULL;
}

enum tactus_status forest_replay_count(struct forest *forest, struct forest_replay *replay)
{
    bytes_zero(replay->event_counts, sizeof replay->event_counts);
    uint64_t offset = 0;
    uint32_t count = 0;
    while (offset < replay->body_size) {
        struct event event;
        const char *fault = event_decode(replay->body, replay->body_size, &offset, &event);
        if (fault == NULL) fault = event_fault(forest, &event);
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

enum tactus_status forest_replay_apply(struct forest *forest, struct forest_replay *replay)
{
    bytes_zero(replay->timestamps, sizeof replay->timestamps);
    bytes_zero(replay->kinds, sizeof replay->kinds);
    uint64_t offset = 0;
    while (offset < replay->body_size) {
        struct event event;
        const char *fault = event_decode(replay->body, replay->body_size, &offset, &event);
        assert(fault == NULL); /* forest_replay_count() has passed it */
        replay->kinds[event.kind - EVENT_INSERT] += 1;
        if (event.kind == EVENT_REMOVE) {
            TRY(replay_remove(forest, replay, &event));
        } else {
            TRY(replay_write(forest, replay, &event));
        }
    }
    return TACTUS_OK;
}

void forest_settle(
    struct forest *forest,
    const struct forest_commit *commit,
    const uint64_t *timestamps,
    const uint64_t *kinds
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
    forest->counters.inserts += kinds[0];
    forest->counters.updates += kinds[1];
    forest->counters.removes += kinds[2];
    forest->counters.bytes_committed += commit->payload_bytes;
}

void forest_overlay_settle(struct forest *forest, const struct forest_replay *replay)
{
    for (uint32_t number = 0; number < forest->collection_count; number += 1) {
        if (!forest->collections[number].touched) continue;
        collection_settle(&forest->collections[number], replay->timestamps[number]);
    }
}
