#include "forest/event.h"

#include <string.h>

#include "base/bytes.h"
#include "base/integer.h"
#include "base/random.h"
#include "forest/schema_parser.h"
#include "support/test.h"

#include "base/poison.h"

static uint8_t body[4096];
static uint8_t payload[256];
static struct schema schema;

/* Objects of 120 and 256 bytes, and maps of both kinds of keys. */
static void begin(void)
{
    static const char text[] = "collection a { v bytes(112) }\n"
                               "collection b { v bytes(248) }\n"
                               "map narrow { key u64\n v bytes(24) }\n"
                               "map wide { key uuid\n v bytes(100) }";
    EXPECT(schema_parse(text, sizeof text - 1, &schema, NULL) == TACTUS_OK);
    for (uint32_t index = 0; index < sizeof payload; index += 1)
        payload[index] = (uint8_t)index;
}

static uint64_t put(uint64_t offset, enum event_kind kind, uint16_t collection, uint32_t size)
{
    const struct event event = {
        .kind = kind, .collection = collection, .size = size, .payload = payload};
    return event_encode(body, offset, &event);
}

TEST(event, lies_as_the_format_says)
{
    memset(body, 0xa5, sizeof body);
    memset(payload, 0x5a, sizeof payload);
    EXPECT(put(8, EVENT_UPDATE, 0x0102, 16) == 32);
    static const uint8_t header[8] = {2, 0, 0x02, 0x01, 16, 0, 0, 0};
    EXPECT(memcmp(body + 8, header, 8) == 0);
    for (uint32_t index = 16; index < 32; index += 1)
        EXPECT(body[index] == 0x5a);
    EXPECT(body[7] == 0xa5 && body[32] == 0xa5);
}

TEST(event, several_are_read_as_they_were_written)
{
    begin();
    uint64_t end = put(0, EVENT_INSERT, 0, 120);
    end = put(end, EVENT_REMOVE, 1, 8);
    end = put(end, EVENT_UPDATE, 1, 256);
    end = put(end, EVENT_PUT, 2, 32);
    end = put(end, EVENT_DELETE, 2, 8);
    end = put(end, EVENT_PUT, 3, 120);
    end = put(end, EVENT_DELETE, 3, 16);
    EXPECT(end == 7 * 8 + 120 + 8 + 256 + 32 + 8 + 120 + 16);
    static const struct {
        enum event_kind kind;
        uint16_t collection;
        uint32_t size;
    } expected[] = {
        {EVENT_INSERT, 0, 120},
        {EVENT_REMOVE, 1, 8},
        {EVENT_UPDATE, 1, 256},
        {EVENT_PUT, 2, 32},
        {EVENT_DELETE, 2, 8},
        {EVENT_PUT, 3, 120},
        {EVENT_DELETE, 3, 16}};
    uint64_t offset = 0;
    for (uint32_t index = 0; index < COUNT_OF(expected); index += 1) {
        struct event event;
        EXPECT(event_decode(&schema, body, end, &offset, &event) == NULL);
        EXPECT(event.kind == expected[index].kind);
        EXPECT(event.collection == expected[index].collection);
        EXPECT(event.size == expected[index].size);
        EXPECT(memcmp(event.payload, payload, event.size) == 0);
        EXPECT(event.payload + event.size == body + offset);
    }
    EXPECT(offset == end);
}

TEST(event, bytes_that_are_none_are_refused_and_the_offset_stays)
{
    begin();
    const uint64_t end = put(0, EVENT_REMOVE, 1, 8);
    uint8_t sound[16];
    memcpy(sound, body, sizeof sound);
    static const struct {
        uint32_t place;
        uint8_t value;
        const char *words;
    } cases[] = {
        {0, 0, "unknown kind"},
        {0, 6, "unknown kind"},
        {0, 255, "unknown kind"},
        {1, 1, "reserved"},
        {4, 0, "impossible size"},
        {4, 9, "impossible size"},
        {4, 12, "impossible size"},
        {4, 16, "cut off"},
        {7, 255, "cut off"}, /* a size near 2^32: nothing overflows */
    };
    for (uint32_t index = 0; index < sizeof cases / sizeof cases[0]; index += 1) {
        memcpy(body, sound, sizeof sound);
        body[cases[index].place] = cases[index].value;
        uint64_t offset = 0;
        struct event event;
        const char *fault = event_decode(&schema, body, end, &offset, &event);
        EXPECT(fault != NULL && strstr(fault, cases[index].words) != NULL);
        EXPECT(offset == 0);
    }
    memcpy(body, sound, sizeof sound);
    for (uint64_t size = 0; size < end; size += 1) {
        uint64_t offset = 0;
        struct event event;
        EXPECT(event_decode(&schema, body, size, &offset, &event) != NULL);
    }
}

TEST(event, one_that_does_not_go_with_the_schema_is_refused_and_the_offset_stays)
{
    begin();
    static const struct {
        enum event_kind kind;
        uint16_t collection;
        uint32_t size;
        const char *words;
    } cases[] = {
        {EVENT_REMOVE, 4, 8, "a collection that the schema does not have"},
        {EVENT_DELETE, 65535, 8, "a collection that the schema does not have"},
        {EVENT_INSERT, 0, 128, "wrong size"},
        {EVENT_UPDATE, 1, 120, "wrong size"},
        {EVENT_REMOVE, 0, 120, "wrong size"},
        {EVENT_PUT, 2, 40, "wrong size"}, /* a record is no object */
        {EVENT_PUT, 2, 24, "wrong size"},
        {EVENT_DELETE, 2, 16, "wrong size"},
        {EVENT_DELETE, 3, 8, "wrong size"},
        {EVENT_PUT, 0, 120, "an event of maps names a collection"},
        {EVENT_DELETE, 1, 8, "an event of maps names a collection"},
        {EVENT_INSERT, 2, 32, "an event of collections names a map"},
        {EVENT_UPDATE, 3, 120, "an event of collections names a map"},
        {EVENT_REMOVE, 2, 8, "an event of collections names a map"},
    };
    for (uint32_t index = 0; index < COUNT_OF(cases); index += 1) {
        const uint64_t end = put(0, cases[index].kind, cases[index].collection, cases[index].size);
        uint64_t offset = 0;
        struct event event;
        const char *fault = event_decode(&schema, body, end, &offset, &event);
        EXPECT(fault != NULL && strstr(fault, cases[index].words) != NULL);
        EXPECT(offset == 0);
    }
}

TEST(event, only_those_without_objects_are_removals)
{
    for (uint32_t kind = EVENT_INSERT; kind <= EVENT_DELETE; kind += 1) {
        struct event_kinds kinds = {0};
        EXPECT(event_kinds_only_remove(&kinds));
        kinds.count[EVENT_REMOVE] = 5;
        kinds.count[kind] += 1;
        EXPECT(event_kinds_only_remove(&kinds) == (kind == EVENT_REMOVE || kind == EVENT_DELETE));
    }
}

TEST(event, whatever_bytes_come_nothing_is_read_beyond_them)
{
    begin();
    struct random random;
    random_init(&random, 1);
    uint64_t read_count = 0;
    for (uint32_t times = 0; times < 20000; times += 1) {
        random_fill(&random, body, 256);
        if (random_chance(&random, 1, 2)) body[0] = 1 + (uint8_t)random_below(&random, 5);
        body[1] = 0;
        if (random_chance(&random, 1, 2)) store_u16(body + 2, (uint16_t)random_below(&random, 4));
        store_u32(body + 4, (uint32_t)random_below(&random, 64) * 8);
        const uint64_t size = random_below(&random, 257);
        uint64_t offset = 0;
        while (offset < size) {
            const uint64_t before = offset;
            struct event event;
            if (event_decode(&schema, body, size, &offset, &event) != NULL) {
                EXPECT(offset == before);
                break;
            }
            EXPECT(offset == before + EVENT_HEADER_SIZE + event.size);
            EXPECT(offset <= size);
            read_count += 1;
        }
    }
    EXPECT(read_count > 0);
}

TEST_MAIN()
