#include "forest/forest_state.h"

#include <string.h>

#include "base/bytes.h"
#include "forest/codec.h"
#include "forest/schema_parser.h"
#include "support/test.h"

#include "base/poison.h"

static uint8_t bytes[FOREST_STATE_SIZE_MAX + 8];

static struct forest_state state_of(uint32_t collections)
{
    struct forest_state state = {.collection_count = collections};
    uint64_t counters[FOREST_COUNTER_COUNT];
    for (uint64_t index = 0; index < FOREST_COUNTER_COUNT; index += 1) {
        counters[index] = (index + 1) << 33;
    }
    memcpy(&state.counters, counters, sizeof counters);
    for (uint64_t index = 0; index < collections; index += 1) {
        state.timestamp_last[index] = TIMESTAMP_MAX - index;
    }
    return state;
}

TEST(forest_state, is_read_as_it_was_written)
{
    for (uint32_t collections = 1; collections <= COLLECTIONS_MAX; collections += 1) {
        const struct forest_state state = state_of(collections);
        memset(bytes, 0xa5, sizeof bytes);
        const uint64_t size = forest_state_encode(&state, bytes);
        EXPECT(size <= FOREST_STATE_SIZE_MAX);
        EXPECT(size == 8 + (FOREST_COUNTER_COUNT + collections) * 8);
        EXPECT(bytes[size] == 0xa5);
        struct forest_state found;
        EXPECT(forest_state_decode(&found, bytes, size, collections) == NULL);
        EXPECT(memcmp(&found, &state, sizeof state) == 0);
    }
    EXPECT(
        forest_state_encode(&(struct forest_state){.collection_count = COLLECTIONS_MAX}, bytes) ==
        FOREST_STATE_SIZE_MAX
    );
}

TEST(forest_state, lies_as_the_format_says)
{
    const struct forest_state state = state_of(2);
    const uint64_t size = forest_state_encode(&state, bytes);
    EXPECT(load_u32(bytes) == 1);
    EXPECT(load_u32(bytes + 4) == 2);
    EXPECT(load_u64(bytes + 8) == state.counters.transactions);
    EXPECT(load_u64(bytes + 8 + 4 * 8) == state.counters.puts);
    EXPECT(load_u64(bytes + 8 + 5 * 8) == state.counters.deletes);
    EXPECT(load_u64(bytes + 8 + 15 * 8) == state.counters.records_cancelled);
    EXPECT(load_u64(bytes + 8 + 16 * 8) == state.counters.log_blocks_compacted);
    EXPECT(load_u64(bytes + 8 + 17 * 8) == state.counters.log_events_copied);
    for (uint32_t level = 0; level < LEVELS; level += 1) {
        const struct forest_level_counters *of = &state.counters.levels[level];
        const uint8_t *at = bytes + 152 + level * UINT64_C(64);
        EXPECT(load_u64(at) == of->tables_written);
        EXPECT(load_u64(at + 8) == of->tables_moved);
        EXPECT(load_u64(at + 16) == of->blocks_written);
        EXPECT(load_u64(at + 24) == of->records_in);
        EXPECT(load_u64(at + 32) == of->records_written);
        EXPECT(load_u64(at + 40) == of->bytes_written);
        EXPECT(load_u64(at + 48) == of->slices);
        EXPECT(load_u64(at + 56) == of->tables_trimmed);
    }
    EXPECT(load_u64(bytes + size - 16) == TIMESTAMP_MAX);
    EXPECT(load_u64(bytes + size - 8) == TIMESTAMP_MAX - 1);
    EXPECT(FOREST_COUNTER_COUNT == 74);
}

TEST(forest_state, a_map_has_no_timestamp)
{
    static struct schema schema;
    static const char text[] = "collection a { x u8 }\nmap m { key u64 }";
    EXPECT(schema_parse(text, sizeof text - 1, &schema, NULL) == TACTUS_OK);
    struct forest_state state = state_of(2);
    EXPECT(strstr(forest_state_fault(&state, &schema), "a map has a timestamp") != NULL);
    state.timestamp_last[1] = 0;
    EXPECT(forest_state_fault(&state, &schema) == NULL);
}

TEST(forest_state, levels_add_up)
{
    struct forest_counters counters = {0};
    for (uint64_t level = 0; level < LEVELS; level += 1) {
        counters.levels[level] = (struct forest_level_counters){
            .tables_written = 1,
            .tables_moved = level,
            .blocks_written = UINT64_C(1) << (8 * level),
            .records_in = 10,
            .records_written = 100,
            .bytes_written = 1000 * level,
            .slices = level + 1,
            .tables_trimmed = 2 * level,
        };
    }
    const struct forest_level_counters sum = forest_counters_sum(&counters);
    EXPECT(sum.tables_written == 7 && sum.tables_moved == 21);
    EXPECT(sum.blocks_written == UINT64_C(0x01010101010101));
    EXPECT(sum.records_in == 70 && sum.records_written == 700 && sum.bytes_written == 21000);
    EXPECT(sum.slices == 28 && sum.tables_trimmed == 42);
}

TEST(forest_state, bytes_that_are_none_are_refused)
{
    const struct forest_state state = state_of(3);
    const uint64_t size = forest_state_encode(&state, bytes);
    struct forest_state found;
    EXPECT(strstr(forest_state_decode(&found, bytes, size - 8, 3), "size") != NULL);
    EXPECT(strstr(forest_state_decode(&found, bytes, size + 8, 3), "size") != NULL);
    EXPECT(strstr(forest_state_decode(&found, bytes, 0, 3), "size") != NULL);
    EXPECT(strstr(forest_state_decode(&found, bytes, size, 4), "size") != NULL);
    bytes[0] = 2;
    EXPECT(strstr(forest_state_decode(&found, bytes, size, 3), "version") != NULL);
    bytes[0] = 1;
    bytes[4] = 2;
    EXPECT(strstr(forest_state_decode(&found, bytes, size, 3), "schema") != NULL);
    bytes[4] = 3;
    for (uint32_t index = 0; index < FOREST_COUNTER_COUNT; index += 1) {
        uint8_t *counter = bytes + 8 + index * UINT64_C(8);
        const uint64_t before = load_u64(counter);
        store_u64(counter, FOREST_COUNTER_MAX);
        EXPECT(forest_state_decode(&found, bytes, size, 3) == NULL);
        store_u64(counter, FOREST_COUNTER_MAX + 1);
        EXPECT(strstr(forest_state_decode(&found, bytes, size, 3), "counter") != NULL);
        store_u64(counter, before);
    }
    bytes[size - 1] = 0x80;
    EXPECT(strstr(forest_state_decode(&found, bytes, size, 3), "timestamp") != NULL);
}

TEST_MAIN()
