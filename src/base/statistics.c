#include "base/statistics.h"

#include "base/assert.h"
#include "base/integer.h"

#include "base/poison.h"

enum { PART_BITS = 4, PARTS = 1 << PART_BITS };

static_assert(HISTOGRAM_BUCKETS == PARTS + (64 - PART_BITS) * PARTS, "the picture in the header");

/* A value of 16 or more is 1pppp and more bits: which power of two, and pppp, are its bucket. */
static uint32_t bucket_of(uint64_t value)
{
    if (value < PARTS) return (uint32_t)value;
    const uint32_t shift = 63 - (uint32_t)__builtin_clzll(value) - PART_BITS;
    return (shift + 1) * PARTS + (uint32_t)(value >> shift) % PARTS;
}

static uint64_t bucket_max(uint32_t bucket)
{
    assert(bucket < HISTOGRAM_BUCKETS);
    if (bucket < PARTS) return bucket;
    const uint32_t shift = bucket / PARTS - 1;
    const uint64_t low = (uint64_t)(PARTS + bucket % PARTS) << shift;
    return low + ((UINT64_C(1) << shift) - 1);
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    const uint32_t bucket = bucket_of(value);
    assert(bucket < HISTOGRAM_BUCKETS);
    histogram->buckets[bucket] += 1;
    histogram->count += 1;
    histogram->sum += value;
    histogram->max = max_u64(histogram->max, value);
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
    assert(percent >= 0 && percent <= 100);
    if (histogram->count == 0) return 0;

    const double rank = percent / 100 * (double)histogram->count;
    uint64_t seen = 0;
    for (uint32_t bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket += 1) {
        seen += histogram->buckets[bucket];
        if (seen == 0 || (double)seen < rank) continue;
        return min_u64(bucket_max(bucket), histogram->max);
    }
    return histogram->max;
}

uint64_t histogram_max(const struct histogram *histogram)
{
    return histogram->max;
}

uint64_t histogram_count(const struct histogram *histogram)
{
    return histogram->count;
}
