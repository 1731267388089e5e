#include "base/bytes.h"

#include "base/random.h"
#include "support/test.h"

#include "base/poison.h"

TEST(bytes, numbers_are_little_endian_at_any_address)
{
    uint8_t bytes[16] = {0};
    store_u64(bytes + 1, 0x0807060504030201);
    EXPECT(bytes[0] == 0 && bytes[1] == 1 && bytes[8] == 8 && bytes[9] == 0);
    EXPECT(load_u64(bytes + 1) == 0x0807060504030201);
    EXPECT(load_u32(bytes + 1) == 0x04030201);
    EXPECT(load_u16(bytes + 1) == 0x0201);

    store_u32(bytes + 3, 0xdeadbeef);
    EXPECT(bytes[3] == 0xef && bytes[6] == 0xde && bytes[7] == 7);
    store_u16(bytes + 3, 0x1234);
    EXPECT(bytes[3] == 0x34 && bytes[4] == 0x12 && bytes[5] == 0xad);
}

TEST(bytes, copy_takes_neighbours_and_nothing)
{
    uint8_t bytes[8] = {1, 2, 3, 4, 0, 0, 0, 0};
    bytes_copy(bytes + 4, bytes, 4);
    EXPECT(bytes_equal(bytes, bytes + 4, 4));
    bytes_copy(bytes, NULL, 0);
    bytes_copy(NULL, bytes, 0);
    EXPECT(bytes[0] == 1);
}

TEST(bytes, move_takes_overlapping_places)
{
    uint8_t bytes[5] = {1, 2, 3, 4, 5};
    bytes_move(bytes + 1, bytes, 4);
    EXPECT(bytes[1] == 1 && bytes[2] == 2 && bytes[3] == 3 && bytes[4] == 4);
}

TEST(bytes, are_zero_sees_every_single_bit)
{
    uint8_t bytes[130] = {0};
    EXPECT(bytes_are_zero(NULL, 0));
    for (uint32_t size = 0; size <= sizeof bytes; size += 1) {
        EXPECT(bytes_are_zero(bytes, size));
    }
    for (uint32_t bit = 0; bit < 8 * sizeof bytes; bit += 1) {
        bytes[bit / 8] = (uint8_t)(1 << bit % 8);
        EXPECT(!bytes_are_zero(bytes, sizeof bytes));
        EXPECT(bytes_are_zero(bytes, bit / 8)); /* all before it */
        bytes[bit / 8] = 0;
    }
}

TEST(bytes, equal_and_zero_go_exactly_as_far_as_told)
{
    uint8_t a[4] = {1, 2, 3, 4};
    uint8_t b[4] = {1, 2, 3, 5};
    EXPECT(bytes_equal(a, b, 3) && !bytes_equal(a, b, 4));
    bytes_zero(a, 3);
    EXPECT(a[2] == 0 && a[3] == 4);
    bytes_zero(a, 0);
    EXPECT(a[3] == 4);
}

TEST_MAIN()
