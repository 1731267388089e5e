#include "forest/forest_state.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "forest/codec.h"

#include "base/poison.h"

enum { FOREST_STATE_VERSION = 1, FLAG_SHORT_OF_ROOM = 1 };

struct forest_level_counters forest_counters_sum(const struct forest_counters *counters)
{
    struct forest_level_counters sum = {0};
    for (uint32_t level = 0; level < LEVELS; level += 1) {
        const struct forest_level_counters *of = &counters->levels[level];
        sum.tables_written += of->tables_written;
        sum.tables_moved += of->tables_moved;
        sum.blocks_written += of->blocks_written;
        sum.records_in += of->records_in;
        sum.records_written += of->records_written;
        sum.bytes_written += of->bytes_written;
        sum.slices += of->slices;
        sum.tables_trimmed += of->tables_trimmed;
    }
    return sum;
}

uint64_t forest_state_encode(const struct forest_state *state, uint8_t *bytes)
{
    assert(state->collection_count > 0 && state->collection_count <= COLLECTIONS_MAX);

    uint64_t counters[FOREST_COUNTER_COUNT];
    bytes_copy(counters, &state->counters, sizeof counters);
    store_u32(bytes, FOREST_STATE_VERSION);
    store_u16(bytes + 4, (uint16_t)state->collection_count);
    store_u16(bytes + 6, state->short_of_room ? FLAG_SHORT_OF_ROOM : 0);
    uint64_t offset = 8;
    for (uint32_t index = 0; index < FOREST_COUNTER_COUNT; index += 1) {
        store_u64(bytes + offset, counters[index]);
        offset += 8;
    }
    for (uint32_t index = 0; index < state->collection_count; index += 1) {
        store_u64(bytes + offset, state->timestamp_last[index]);
        offset += 8;
    }
    assert(offset <= FOREST_STATE_SIZE_MAX);
    return offset;
}

const char *forest_state_decode(
    struct forest_state *state, const uint8_t *bytes, uint64_t size, uint32_t collection_count
)
{
    assert(collection_count > 0 && collection_count <= COLLECTIONS_MAX);

    const uint64_t expected = 8 + ((uint64_t)FOREST_COUNTER_COUNT + collection_count) * 8;
    if (size != expected) return "the state has the wrong size for this schema";
    if (load_u32(bytes) != FOREST_STATE_VERSION) return "the state is of an unknown version";
    if (load_u16(bytes + 4) != collection_count) return "the state is of another schema";
    if ((load_u16(bytes + 6) & ~FLAG_SHORT_OF_ROOM) != 0) return "the state has unknown flags";

    uint64_t counters[FOREST_COUNTER_COUNT];
    uint64_t offset = 8;
    for (uint32_t index = 0; index < FOREST_COUNTER_COUNT; index += 1) {
        counters[index] = load_u64(bytes + offset);
        if (counters[index] > FOREST_COUNTER_MAX) return "a counter is out of range";
        offset += 8;
    }
    *state = (struct forest_state){
        .collection_count = collection_count,
        .short_of_room = load_u16(bytes + 6) != 0,
    };
    bytes_copy(&state->counters, counters, sizeof counters);
    for (uint32_t index = 0; index < collection_count; index += 1) {
        state->timestamp_last[index] = load_u64(bytes + offset);
        if (state->timestamp_last[index] > TIMESTAMP_MAX) return "a timestamp is out of range";
        offset += 8;
    }
    return NULL;
}

const char *forest_state_fault(const struct forest_state *state, const struct schema *schema)
{
    assert(state->collection_count == schema->count);
    for (uint32_t index = 0; index < schema->count; index += 1) {
        if (schema->collections[index].is_map && state->timestamp_last[index] != 0) {
            return "a map has a timestamp";
        }
    }
    return NULL;
}
