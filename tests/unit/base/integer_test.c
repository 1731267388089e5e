#include "base/integer.h"

#include "support/test.h"

#include "base/poison.h"

TEST(integer, div_ceil_rounds_up_and_never_overflows)
{
    EXPECT(div_ceil_u64(0, 7) == 0);
    EXPECT(div_ceil_u64(1, 7) == 1);
    EXPECT(div_ceil_u64(7, 7) == 1);
    EXPECT(div_ceil_u64(8, 7) == 2);
    EXPECT(div_ceil_u64(UINT64_MAX, 2) == UINT64_C(1) << 63);
    EXPECT(div_ceil_u64(UINT64_MAX, 1) == UINT64_MAX);
}

TEST(integer, round_up_and_round_down_take_any_multiple)
{
    EXPECT(round_up_u64(0, 4096) == 0);
    EXPECT(round_up_u64(1, 4096) == 4096);
    EXPECT(round_up_u64(4096, 4096) == 4096);
    EXPECT(round_up_u64(10, 3) == 12);
    EXPECT(round_up_u64(UINT64_MAX - 4095, 4096) == UINT64_MAX - 4095);
    EXPECT(round_down_u64(4095, 4096) == 0);
    EXPECT(round_down_u64(11, 3) == 9);
    EXPECT(round_down_u64(UINT64_MAX, 4096) == UINT64_MAX - 4095);
}

TEST(integer, overflow_is_told_and_the_result_wraps)
{
    uint64_t result;
    EXPECT(!add_overflows_u64(UINT64_MAX - 1, 1, &result) && result == UINT64_MAX);
    EXPECT(add_overflows_u64(UINT64_MAX, 1, &result) && result == 0);
    EXPECT(!mul_overflows_u64(UINT32_MAX, UINT32_MAX, &result));
    EXPECT(result == UINT64_C(0xfffffffe00000001));
    EXPECT(mul_overflows_u64(UINT64_C(1) << 32, UINT64_C(1) << 32, &result) && result == 0);
    EXPECT(!mul_overflows_u64(UINT64_MAX, 0, &result) && result == 0);
}

TEST(integer, min_and_max_agree_with_the_order)
{
    EXPECT(min_u64(UINT64_MAX, 1) == 1 && min_u64(1, UINT64_MAX) == 1);
    EXPECT(max_u64(UINT64_MAX, 1) == UINT64_MAX && max_u64(1, UINT64_MAX) == UINT64_MAX);
    EXPECT(min_u32(2, 1) == 1 && min_u32(1, 2) == 1 && min_u32(2, 2) == 2);
    EXPECT(max_u32(2, 1) == 2 && max_u32(1, 2) == 2 && max_u32(2, 2) == 2);
}

TEST(integer, mask_is_all_ones_or_zero)
{
    EXPECT(mask_if(true) == UINT32_MAX);
    EXPECT(mask_if(false) == 0);
}

TEST(integer, powers_of_two_have_one_bit)
{
    EXPECT(!is_power_of_two(0));
    EXPECT(is_power_of_two(1));
    EXPECT(!is_power_of_two(3));
    EXPECT(is_power_of_two(UINT64_C(1) << 63));
    EXPECT(!is_power_of_two(UINT64_MAX));
}

TEST_MAIN()
