#include "lsm/memory_filter.h"

#include "base/bytes.h"
#include "base/random.h"
#include "support/test.h"

static _Alignas(4096) uint8_t region[1 << 15];

static struct memory_filter filter_new(uint32_t key_count_max, uint64_t offset)
{
    struct budget budget;
    struct memory_filter filter;
    budget_carve_begin(&budget, region + offset, sizeof region / 2);
    bytes_zero(region + offset, sizeof region / 2);
    memory_filter_init(&filter, &budget, key_count_max);
    return filter;
}

TEST(memory_filter, contains_all_that_was_added_and_few_others)
{
    struct random random;
    random_init(&random, 1);
    struct memory_filter filter = filter_new(6000, 0);
    EXPECT(filter.word_count == 1000);
    uint64_t hashes[6000];
    for (uint32_t index = 0; index < 6000; index += 1) {
        hashes[index] = random_u64(&random);
        memory_filter_add(&filter, hashes[index], index % 32);
    }
    for (uint32_t index = 0; index < 6000; index += 1)
        EXPECT(memory_filter_may_contain(&filter, hashes[index], index % 32));
    uint32_t strangers = 0;
    uint32_t mislabelled = 0;
    for (uint32_t index = 0; index < 6000; index += 1) {
        strangers += memory_filter_may_contain(&filter, random_u64(&random), index % 32);
        mislabelled += memory_filter_may_contain(&filter, hashes[index], (index + 1) % 32);
    }
    EXPECT(strangers > 0 && strangers < 180); /* two in a hundred, or three */
    EXPECT(mislabelled > 0 && mislabelled < 300);
}

TEST(memory_filter, take_joins_two_and_empties_the_source)
{
    struct memory_filter target = filter_new(100, 0);
    struct memory_filter source = filter_new(100, sizeof region / 2);
    memory_filter_add(&target, UINT64_C(0x123456789abcdef0), 5);
    memory_filter_add(&source, UINT64_C(0xfedcba9876543210), 5);
    memory_filter_take(&target, &source);
    EXPECT(memory_filter_may_contain(&target, UINT64_C(0x123456789abcdef0), 5));
    EXPECT(memory_filter_may_contain(&target, UINT64_C(0xfedcba9876543210), 5));
    EXPECT(!memory_filter_may_contain(&source, UINT64_C(0xfedcba9876543210), 5));
    memory_filter_clear(&target);
    EXPECT(!memory_filter_may_contain(&target, UINT64_C(0x123456789abcdef0), 5));
}

TEST_MAIN()
