#include "base/checksum.h"

#include "base/bytes.h"
#include "base/integer.h"
#include "support/test.h"

#include "base/poison.h"

enum { SANITY_BYTES = 2367 };

/* The buffer over which xxHash publishes its known answers (xxhsum's sanity check). */
static void fill_sanity_buffer(uint8_t buffer[SANITY_BYTES])
{
    uint64_t generator = 2654435761U;
    for (uint32_t index = 0; index < SANITY_BYTES; index += 1) {
        buffer[index] = (uint8_t)(generator >> 56);
        generator *= 11400714785074694797U;
    }
}

TEST(checksum, equals_the_published_answers_of_xxh3_over_seed_and_data)
{
    static const struct {
        uint32_t size;
        struct checksum wanted;
    } vectors[] = {
        {24, {0x1e7044d28b1b901d, 0x0ce966e4678d3761}},
        {48, {0xf942219aed80f67b, 0xa002ac4e5478227e}},
        {81, {0x5e8bafb9f95fb803, 0x4952f58181ab0042}},
        {222, {0xf1aebd597cec6b3a, 0x337e09641b948717}},
        {403, {0xcdeb804d65c6dea4, 0x1b6de21e332dd73d}},
        {512, {0x617e49599013cb6b, 0x18d2d110dcc9bca1}},
        {2048, {0xdd59e2c3a5f038e0, 0xf736557fd47073a5}},
        {2240, {0x6e73a90539cf2948, 0xccb134fbfa7ce49d}},
        {2367, {0xcb37aeb9e5d361ed, 0xe89c0f6ff369b427}},
    };
    uint8_t buffer[SANITY_BYTES];
    fill_sanity_buffer(buffer);
    for (uint32_t index = 0; index < COUNT_OF(vectors); index += 1) {
        const struct checksum seed = checksum_load(buffer);
        const struct checksum found = checksum_of(seed, buffer + 16, vectors[index].size - 16);
        EXPECT(checksum_equal(found, vectors[index].wanted));
    }
}

TEST(checksum, of_no_data_depends_on_the_seed)
{
    const struct checksum none = checksum_of((struct checksum){0}, NULL, 0);
    const struct checksum some = checksum_of((struct checksum){.high = 1}, NULL, 0);
    EXPECT(!checksum_is_zero(none));
    EXPECT(!checksum_equal(none, some));
}

TEST(checksum, of_pieces_is_that_of_the_whole)
{
    uint8_t buffer[SANITY_BYTES];
    fill_sanity_buffer(buffer);
    const struct checksum seed = {.low = 7, .high = 9};
    for (uint32_t piece = 1; piece <= SANITY_BYTES; piece += 97) {
        struct checksum_stream stream;
        checksum_stream_begin(&stream, seed);
        for (uint32_t done = 0; done < SANITY_BYTES; done += piece) {
            checksum_stream_add(&stream, buffer + done, min_u32(piece, SANITY_BYTES - done));
            (void)checksum_stream_end(&stream); /* a look in between changes nothing */
        }
        const struct checksum whole = checksum_of(seed, buffer, SANITY_BYTES);
        EXPECT(checksum_equal(checksum_stream_end(&stream), whole));
    }
}

TEST(checksum, changes_with_every_bit)
{
    uint8_t buffer[64] = {0};
    const struct checksum whole = checksum_of((struct checksum){0}, buffer, sizeof buffer);
    for (uint32_t bit = 0; bit < 8 * sizeof buffer; bit += 1) {
        buffer[bit / 8] ^= (uint8_t)(1 << bit % 8);
        EXPECT(!checksum_equal(checksum_of((struct checksum){0}, buffer, sizeof buffer), whole));
        buffer[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

TEST(checksum, is_stored_low_half_first_and_little_endian)
{
    const struct checksum checksum = {.low = 0x0807060504030201, .high = 0x100f0e0d0c0b0a09};
    uint8_t bytes[16];
    checksum_store(bytes, checksum);
    for (uint8_t index = 0; index < 16; index += 1) {
        EXPECT(bytes[index] == index + 1);
    }
    EXPECT(checksum_equal(checksum_load(bytes), checksum));
}

TEST_MAIN()
