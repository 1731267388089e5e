#include "bench/objects.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/checksum.h"
#include "base/integer.h"
#include "support/test.h"

#include "base/poison.h"

static struct zipf zipf;

static struct bench_object object_of(uint64_t seed, uint64_t number, uint32_t version)
{
    struct bench_object object;
    zipf_init(&zipf);
    object_make(&zipf, seed, number, version, &object);
    return object;
}

static bool is_same(struct tactus_u128 left, struct tactus_u128 right)
{
    return left.low == right.low && left.high == right.high;
}

TEST(objects, are_a_function_of_seed_number_and_version)
{
    const struct bench_object one = object_of(1, 7, 0);
    const struct bench_object again = object_of(1, 7, 0);
    const struct bench_object other = object_of(1, 8, 0);
    const struct bench_object seeded = object_of(2, 7, 0);
    EXPECT(memcmp(&one, &again, sizeof one) == 0);
    EXPECT(!is_same(one.id, other.id) && one.user64 != other.user64);
    EXPECT(!is_same(one.id, seeded.id) && one.user64 != seeded.user64);
}

TEST(objects, keep_their_id_over_versions)
{
    const struct bench_object first = object_of(1, 7, 0);
    const struct bench_object second = object_of(1, 7, 1);
    EXPECT(is_same(first.id, second.id));
    EXPECT(is_same(first.id, object_id(1, 7)));
    EXPECT(first.user64 != second.user64);
}

/* A workload that changed unnoticed would make old and new figures look comparable. */
TEST(objects, are_those_they_always_were)
{
    struct bench_object objects[100];
    zipf_init(&zipf);
    for (uint32_t number = 0; number < COUNT_OF(objects); number += 1) {
        object_make(&zipf, 1, number, number % 3, &objects[number]);
    }
    const struct checksum sum = checksum_of((struct checksum){0, 0}, objects, sizeof objects);
    EXPECT(sum.low == UINT64_C(0xab8d424041544627));
    EXPECT(sum.high == UINT64_C(0x4d2dc20557f18f3d));
}

TEST(objects, have_fields_in_their_ranges_and_two_accounts)
{
    uint64_t amounts = 0;
    uint64_t codes = 0;
    struct bench_object object = object_of(1, 0, 0);
    for (uint64_t number = 0; number < 20000; number += 1) {
        object_make(&zipf, 3, number, 0, &object);
        EXPECT(object.debit.low >= 1 && object.debit.low <= ACCOUNT_COUNT);
        EXPECT(object.credit.low >= 1 && object.credit.low <= ACCOUNT_COUNT);
        EXPECT(object.debit.low != object.credit.low);
        EXPECT(object.debit.high == 0 && object.credit.high == 0 && object.amount.high == 0);
        EXPECT(object.amount.low >= 1 && object.amount.low <= AMOUNT_MAX);
        EXPECT(object.code >= 1 && object.code <= CODE_MAX);
        EXPECT(object.timestamp == 0 && object.timeout == 0 && object.pending.low == 0);
        amounts += object.amount.low;
        codes += object.code;
    }
    /* Means, to 5 standard deviations. */
    EXPECT(fabs((double)amounts / 20000 - 500000.5) < 5 * 288675 / sqrt(20000));
    EXPECT(fabs((double)codes / 20000 - 50.5) < 5 * 28.9 / sqrt(20000));
}

TEST(zipf, ranks_are_as_likely_as_one_over_rank_to_the_0_99)
{
    enum { DRAWS = 2000000 };
    static uint32_t seen[ACCOUNT_COUNT];
    zipf_init(&zipf);
    double sum = 0;
    for (uint32_t rank = 0; rank < ACCOUNT_COUNT; rank += 1) {
        sum += pow(rank + 1.0, -0.99);
    }
    uint64_t state = 1;
    for (uint32_t draw = 0; draw < DRAWS; draw += 1) {
        const uint32_t rank = zipf_rank(&zipf, draw_u64(&state));
        EXPECT(rank < ACCOUNT_COUNT);
        seen[rank] += 1;
    }
    double chi_square = 0;
    for (uint32_t rank = 0; rank < ACCOUNT_COUNT; rank += 1) {
        const double wanted = DRAWS * pow(rank + 1.0, -0.99) / sum;
        chi_square += (seen[rank] - wanted) * (seen[rank] - wanted) / wanted;
    }
    /* Of 9,999 degrees of freedom: mean 9,999, standard deviation 141. */
    EXPECT(chi_square > 9999 - 5 * 141.4 && chi_square < 9999 + 5 * 141.4);
}

TEST(zipf, accounts_of_ranks_are_all_accounts_once)
{
    static bool seen[ACCOUNT_COUNT + 1];
    for (uint32_t rank = 0; rank < ACCOUNT_COUNT; rank += 1) {
        const uint32_t account = account_of_rank(rank);
        EXPECT(account >= 1 && account <= ACCOUNT_COUNT && !seen[account]);
        seen[account] = true;
    }
}

TEST_MAIN()
