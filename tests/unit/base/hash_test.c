#include "base/hash.h"

#include "base/integer.h"
#include "support/test.h"

#include "base/poison.h"

enum { SANITY_BYTES = 222 };

/* The buffer over which xxHash publishes its known answers (xxhsum's sanity check). */
TEST(hash, equals_the_published_answers_of_xxh3_64)
{
    static const struct {
        uint32_t size;
        uint64_t wanted;
    } vectors[] = {
        {0, 0x2d06800538d394c2},
        {1, 0xc44bdff4074eecdb},
        {6, 0x27b56a84cd2d7325},
        {12, 0xa713daf0dfbb77e7},
        {24, 0xa3fe70bf9d3510eb},
        {48, 0x397da259ecba1f11},
        {80, 0xbcdefbbb2c47c90a},
        {195, 0xcd94217ee362ec3a},
    };
    uint8_t buffer[SANITY_BYTES];
    uint64_t generator = 2654435761U;
    for (uint32_t index = 0; index < SANITY_BYTES; index += 1) {
        buffer[index] = (uint8_t)(generator >> 56);
        generator *= 11400714785074694797U;
    }
    for (uint32_t index = 0; index < COUNT_OF(vectors); index += 1) {
        EXPECT(hash_64(buffer, vectors[index].size) == vectors[index].wanted);
    }
}

TEST_MAIN()
