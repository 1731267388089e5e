#include "lsm/filter.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/hash.h"
#include "base/integer.h"

#include "base/poison.h"

enum { FILTER_WORDS = FILTER_BUCKET_SIZE / 4 };

/* Odd numbers, which make eight hashes out of one: those of Parquet. */
static const uint32_t filter_salts[FILTER_WORDS] = {
    0x47b6137bU,
    0x44974d91U,
    0x8824ad5bU,
    0xa2b7289dU,
    0x705495c7U,
    0x2df1424bU,
    0x9efc4947U,
    0x5c6bfb31U,
};

uint32_t filter_bucket_count(uint64_t key_count)
{
    assert(key_count > 0);
    assert(key_count <= UINT32_MAX);
    return (uint32_t)div_ceil_u64(key_count * FILTER_BITS_PER_KEY, FILTER_BUCKET_BITS);
}

uint64_t filter_hash(const void *key, uint32_t key_bytes)
{
    assert(key_bytes > 0);
    return hash_64(key, key_bytes);
}

/* The bit of word `index`: the highest five bits of the product. */
static uint32_t filter_bit(uint64_t hash, uint32_t index)
{
    return UINT32_C(1) << (((uint32_t)hash * filter_salts[index]) >> 27);
}

void filter_bucket_insert(uint8_t bucket[FILTER_BUCKET_SIZE], uint64_t hash)
{
    for (uint32_t index = 0; index < FILTER_WORDS; index += 1) {
        uint8_t *word = bucket + index * 4;
        store_u32(word, load_u32(word) | filter_bit(hash, index));
    }
}

bool filter_bucket_contains(const uint8_t bucket[FILTER_BUCKET_SIZE], uint64_t hash)
{
    uint32_t missing = 0;
    for (uint32_t index = 0; index < FILTER_WORDS; index += 1) {
        missing |= ~load_u32(bucket + index * 4) & filter_bit(hash, index);
    }
    return missing == 0;
}

/* ---- Splitting ------------------------------------------------------------------------------ */

void filter_split_begin(
    struct filter_split *split,
    uint64_t *hashes,
    uint32_t count,
    uint32_t bucket_count,
    uint32_t fanout
)
{
    assert(bucket_count > 0);
    assert(fanout > 0);
    split->hashes = hashes;
    split->bucket_count = bucket_count;
    split->fanout = fanout;
    split->hash_position = 0;
    split->block_position = 0;
    split->depth = 1;
    split->ranges[0].hash_end = count;
    split->ranges[0].block_end = (uint32_t)div_ceil_u64(bucket_count, fanout);
}

/* Moves the hashes of buckets below `limit` to the front; how many they are. Every turn does the
 * same, whatever the hash: a branch would be wrong half of the time. */
static uint32_t filter_partition(
    uint64_t *hashes, uint32_t count, uint32_t bucket_count, uint64_t limit
)
{
    uint32_t below = 0;
    for (uint32_t index = 0; index < count; index += 1) {
        const uint64_t hash = hashes[index];
        hashes[index] = hashes[below];
        hashes[below] = hash;
        below += filter_bucket(hash, bucket_count) < limit;
    }
    return below;
}

/* Halves the range at hand until it is one block: at most 32 turns. */
bool filter_split_next(struct filter_split *split, const uint64_t **hashes, uint32_t *count)
{
    if (split->depth == 0) return false;
    uint32_t hash_end = split->ranges[split->depth - 1].hash_end;
    uint32_t block_end = split->ranges[split->depth - 1].block_end;
    while (block_end - split->block_position > 1) {
        assert(split->depth < FILTER_SPLIT_DEPTH);
        block_end = split->block_position + (block_end - split->block_position) / 2;
        hash_end = split->hash_position + filter_partition(
                                              split->hashes + split->hash_position,
                                              hash_end - split->hash_position,
                                              split->bucket_count,
                                              (uint64_t)block_end * split->fanout
                                          );
        split->ranges[split->depth].hash_end = hash_end;
        split->ranges[split->depth].block_end = block_end;
        split->depth += 1;
    }
    *hashes = split->hashes + split->hash_position;
    *count = hash_end - split->hash_position;
    split->hash_position = hash_end;
    split->block_position = block_end;
    split->depth -= 1;
    return true;
}
