/* Split-block Bloom filters: they say of most keys that a table does not hold that it does not.
 *
 * A filter is an array of buckets of 256 bits, eight words of 32. A key belongs to one bucket,
 * chosen by the high half of its hash, and has one bit in each of the bucket's words, chosen by the
 * low half: one line of the CPU's cache, without any divisions or branches. At 10 bits a key about
 * 1.2 % of the keys that are not there pass.
 *
 * Source: F. Putze, P. Sanders, J. Singler, "Cache-, Hash- and Space-Efficient Bloom Filters",
 * WEA 2007; buckets and salts are those of Apache Impala and of the Parquet format
 * (BloomFilter.md), which calls a bucket a block. Parquet hashes by XXH64, we by XXH3-64.
 *
 * The array of a table is cut into grid blocks of `fanout` buckets each, the last one shorter: see
 * table_layout.h. All functions are pure: memory in, memory out. Part of the file format. */
#ifndef TACTUS_LSM_FILTER_H
#define TACTUS_LSM_FILTER_H

#include <stdbool.h>
#include <stdint.h>

enum {
    FILTER_BITS_PER_KEY = 10,
    FILTER_BUCKET_SIZE = 32, /* bytes */
    FILTER_BUCKET_BITS = 8 * FILTER_BUCKET_SIZE,
    FILTER_SPLIT_DEPTH = 33 /* halvings of a number of blocks that has 32 bits, and the whole */
};

/* Buckets of the filter over so many keys: at least one. */
uint32_t filter_bucket_count(uint64_t key_count);

/* The hash of a key: of its bytes as records have them. */
uint64_t filter_hash(const void *key, uint32_t key_bytes);

/* Which of so many buckets, at least one, the key belongs to. Ascends with the hash. */
static inline uint32_t filter_bucket(uint64_t hash, uint32_t bucket_count)
{
    return (uint32_t)(((hash >> 32) * bucket_count) >> 32);
}

void filter_bucket_insert(uint8_t bucket[FILTER_BUCKET_SIZE], uint64_t hash);

/* False: the key was not inserted. True says little. */
bool filter_bucket_contains(const uint8_t bucket[FILTER_BUCKET_SIZE], uint64_t hash);

/* The hashes of a table, sorted out by the filter block that they belong to, one block after the
 * other: so a filter of any size is built in the memory of one block. By halving, in place: about
 * log2(blocks) comparisons a hash. */
struct filter_split {
    uint64_t *hashes; /* borrowed until the end; their order is lost */
    uint32_t bucket_count;
    uint32_t fanout;

    uint32_t hash_position; /* hashes and blocks that were given out */
    uint32_t block_position;
    uint32_t depth;
    struct {
        uint32_t hash_end;
        uint32_t block_end;
    } ranges[FILTER_SPLIT_DEPTH]; /* each ends inside the one before; the innermost is next */
};

void filter_split_begin(
    struct filter_split *split,
    uint64_t *hashes,
    uint32_t count,
    uint32_t bucket_count,
    uint32_t fanout
);

/* The hashes of the next filter block, 0 or more. False: there is no further block. */
bool filter_split_next(struct filter_split *split, const uint64_t **hashes, uint32_t *count);

#endif
