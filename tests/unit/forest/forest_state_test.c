#include "forest/forest_state.h"

#include <string.h>

#include "base/bytes.h"
#include "forest/codec.h"
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
    EXPECT(load_u64(bytes + 8 + 12 * 8) == state.counters.records_cancelled);
    EXPECT(load_u64(bytes + size - 16) == TIMESTAMP_MAX);
    EXPECT(load_u64(bytes + size - 8) == TIMESTAMP_MAX - 1);
    EXPECT(FOREST_COUNTER_COUNT == 13);
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
    bytes[size - 1] = 0x80;
    EXPECT(strstr(forest_state_decode(&found, bytes, size, 3), "timestamp") != NULL);
}

TEST_MAIN()
