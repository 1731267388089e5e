#include "lsm/filter.h"

#include "base/bytes.h"
#include "base/integer.h"
#include "base/random.h"
#include "support/test.h"

#include <stdio.h>
#include <stdlib.h>

/* A filter in one piece. */
struct whole {
    uint8_t *buckets;
    uint32_t bucket_count;
};

static struct whole whole_begin(uint32_t key_count)
{
    const uint32_t count = filter_bucket_count(key_count);
    struct whole whole = {calloc(count, FILTER_BUCKET_SIZE), count};
    EXPECT(whole.buckets != NULL);
    return whole;
}

static uint8_t *bucket_of(const struct whole *whole, uint64_t hash)
{
    const uint32_t index = filter_bucket(hash, whole->bucket_count);
    EXPECT(index < whole->bucket_count);
    return whole->buckets + (uint64_t)index * FILTER_BUCKET_SIZE;
}

static uint64_t hash_of(uint64_t number)
{
    uint8_t key[8];
    store_u64(key, number);
    return filter_hash(key, sizeof key);
}

TEST(filter, has_ten_bits_a_key_in_whole_buckets)
{
    EXPECT(filter_bucket_count(1) == 1);
    EXPECT(filter_bucket_count(25) == 1);
    EXPECT(filter_bucket_count(26) == 2);
    EXPECT(filter_bucket_count(262144) == 10240); /* 320 KiB */
    EXPECT(filter_bucket_count(UINT32_MAX) == 167772160);
}

TEST(filter, a_hash_s_high_half_chooses_the_bucket)
{
    EXPECT(filter_bucket(0, 1000) == 0);
    EXPECT(filter_bucket(UINT32_MAX, 1000) == 0);
    EXPECT(filter_bucket(UINT64_C(1) << 63, 1000) == 500);
    EXPECT(filter_bucket(UINT64_MAX, 1000) == 999);
    EXPECT(filter_bucket(UINT64_MAX, 1) == 0);
    EXPECT(filter_bucket(UINT64_MAX, UINT32_MAX) == UINT32_MAX - 1);
}

/* Part of the format: these are bits of files. With the salts of Parquet. */
TEST(filter, a_key_sets_one_bit_in_each_word)
{
    uint8_t bucket[FILTER_BUCKET_SIZE] = {0};
    filter_bucket_insert(bucket, UINT64_C(0xffffffff00000000)); /* the high half is no matter */
    for (uint32_t word = 0; word < 8; word += 1)
        EXPECT(load_u32(bucket + 4 * word) == 1);

    bytes_zero(bucket, sizeof bucket);
    filter_bucket_insert(bucket, 1);
    static const uint32_t shifts[] = {8, 8, 17, 20, 14, 5, 19, 11}; /* each salt >> 27 */
    for (uint32_t word = 0; word < 8; word += 1)
        EXPECT(load_u32(bucket + 4 * word) == UINT32_C(1) << shifts[word]);
    EXPECT(filter_bucket_contains(bucket, 1));
    EXPECT(!filter_bucket_contains(bucket, 0));

    filter_bucket_insert(bucket, 0); /* leaves the other's bits as they are */
    EXPECT(filter_bucket_contains(bucket, 0) && filter_bucket_contains(bucket, 1));
    for (uint32_t bit = 0; bit < 8 * FILTER_BUCKET_SIZE; bit += 1) {
        const bool is_set = (bucket[bit / 8] >> (bit % 8) & 1) != 0;
        if (!is_set) continue;
        bucket[bit / 8] ^= (uint8_t)(1 << (bit % 8)); /* each of them counts */
        EXPECT(!filter_bucket_contains(bucket, 0) || !filter_bucket_contains(bucket, 1));
        bucket[bit / 8] ^= (uint8_t)(1 << (bit % 8));
    }
}

/* Keys of a set, and as many as wanted that are not of it. */
static uint64_t member(uint64_t seed, uint32_t kind, uint64_t index)
{
    switch (kind) {
    case 0: return 2 * index;                                     /* in a row */
    case 1: return index << 40;                                   /* high bits alone */
    case 2: return index * UINT64_C(0x9e3779b97f4a7c15) * 2;      /* spread */
    default: return (index ^ (seed << 20)) * UINT64_C(1000) << 1; /* round numbers */
    }
}

static uint64_t stranger(uint64_t seed, uint32_t kind, uint64_t index)
{
    return member(seed, kind, index) + 1; /* members are even */
}

TEST(filter, knows_every_key_and_passes_few_others)
{
    enum { PROBES = 100000 };
    static const uint32_t counts[] = {2000, 18360, 262144};
    uint64_t passed_all = 0;
    uint64_t probes_all = 0;
    const struct test_seeds seeds = test_seeds(2);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        for (uint32_t run = 0; run < COUNT_OF(counts) * 4; run += 1) {
            const uint32_t count = counts[run / 4];
            struct whole whole = whole_begin(count);
            for (uint32_t index = 0; index < count; index += 1) {
                const uint64_t hash = hash_of(member(seed, run % 4, index));
                filter_bucket_insert(bucket_of(&whole, hash), hash);
            }
            for (uint32_t index = 0; index < count; index += 1) {
                const uint64_t hash = hash_of(member(seed, run % 4, index));
                EXPECT(filter_bucket_contains(bucket_of(&whole, hash), hash));
            }
            uint64_t passed = 0;
            for (uint32_t index = 0; index < PROBES; index += 1) {
                const uint64_t hash = hash_of(stranger(seed, run % 4, index));
                passed += filter_bucket_contains(bucket_of(&whole, hash), hash);
            }
            EXPECT(passed > 0);
            EXPECT(passed * 1000 < (uint64_t)PROBES * 15); /* 1.5 % */
            passed_all += passed;
            probes_all += PROBES;
            free(whole.buckets);
        }
    }
    (void)printf(
        "filter: %.3f %% of absent keys pass\n", 100.0 * (double)passed_all / (double)probes_all
    );
}

/* ---- Splitting ------------------------------------------------------------------------------ */

static int compare_hashes(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void split_run(struct random *random, uint32_t bucket_count, uint32_t fanout, uint32_t count)
{
    uint64_t *hashes = malloc((uint64_t)count * 8 + 8);
    uint64_t *wanted = malloc((uint64_t)count * 8 + 8);
    const uint64_t mask = random_chance(random, 1, 4) ? UINT64_C(3) << 62 : UINT64_MAX;
    for (uint32_t index = 0; index < count; index += 1)
        hashes[index] = random_u64(random) & mask; /* some blocks stay empty, others are full */
    bytes_copy(wanted, hashes, (uint64_t)count * 8);

    struct filter_split split;
    filter_split_begin(&split, hashes, count, bucket_count, fanout);
    const uint64_t *piece;
    uint32_t piece_count;
    uint64_t given = 0;
    uint32_t block = 0;
    for (; filter_split_next(&split, &piece, &piece_count); block += 1) {
        EXPECT(piece == hashes + given); /* one behind the other, without gaps */
        given += piece_count;
        for (uint32_t index = 0; index < piece_count; index += 1) {
            EXPECT(filter_bucket(piece[index], bucket_count) / fanout == block);
        }
    }
    EXPECT(!filter_split_next(&split, &piece, &piece_count));
    EXPECT(block == div_ceil_u64(bucket_count, fanout));
    EXPECT(given == count);
    qsort(hashes, count, 8, compare_hashes);
    qsort(wanted, count, 8, compare_hashes);
    EXPECT(bytes_equal(hashes, wanted, (uint64_t)count * 8)); /* the same ones, none lost */
    free(wanted);
    free(hashes);
}

TEST(filter, splits_hashes_by_the_block_they_belong_to)
{
    const struct test_seeds seeds = test_seeds(50);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        struct random random;
        test_seed_begin(seed);
        random_init(&random, seed);
        for (uint32_t run = 0; run < 10; run += 1) {
            const uint32_t fanout = (uint32_t)random_range(&random, 1, 130);
            const uint32_t buckets = (uint32_t)random_range(&random, 1, 3000);
            const uint32_t count = (uint32_t)random_below(&random, 4000);
            split_run(&random, buckets, run == 0 ? 1 : fanout, run == 1 ? 0 : count);
        }
    }
}

TEST(filter, splits_over_as_many_blocks_as_there_can_be)
{
    struct random random;
    random_init(&random, 1);
    split_run(&random, 1 << 20, 1, 1000);

    uint64_t hash = UINT64_MAX; /* of the last of 2^32 - 1 blocks: reached by 32 halvings */
    struct filter_split split;
    filter_split_begin(&split, &hash, 1, UINT32_MAX, 1);
    const uint64_t *piece;
    uint32_t count;
    for (uint32_t block = 0; block < 1000; block += 1) {
        EXPECT(filter_split_next(&split, &piece, &count));
        EXPECT(count == 0 && split.depth <= 32);
    }
}

TEST_MAIN()
