#include "bench/latencies.h"

/* Below 128 a bucket a value; above, the seven bits after the leading one. */
static uint32_t bucket_of(uint64_t value)
{
    if (value >> LATENCIES_SHIFT == 0) return (uint32_t)value;
    const uint32_t shift = 63 - (uint32_t)__builtin_clzll(value) - LATENCIES_SHIFT;
    return ((shift + 1) << LATENCIES_SHIFT) + (uint32_t)(value >> shift) - (1 << LATENCIES_SHIFT);
}

static uint64_t bucket_last(uint32_t bucket)
{
    if (bucket >> LATENCIES_SHIFT == 0) return bucket;
    const uint32_t shift = (bucket >> LATENCIES_SHIFT) - 1;
    const uint64_t leading = (bucket & ((1 << LATENCIES_SHIFT) - 1)) + (1 << LATENCIES_SHIFT);
    return (leading << shift) + ((UINT64_C(1) << shift) - 1);
}

void latencies_add(struct latencies *latencies, uint64_t value)
{
    latencies->buckets[bucket_of(value)] += 1;
    latencies->count += 1;
    if (value > latencies->max) latencies->max = value;
}

uint64_t latencies_percentile(const struct latencies *latencies, double share)
{
    /* 0.07 of 100 is 7, though not in binary fractions. */
    const double wanted = share * (double)latencies->count * (1 - 1e-12);
    uint64_t seen = 0;
    for (uint32_t bucket = 0; bucket < LATENCIES_BUCKETS; bucket += 1) {
        seen += latencies->buckets[bucket];
        if (seen == 0 || (double)seen < wanted) continue;
        const uint64_t last = bucket_last(bucket);
        return last < latencies->max ? last : latencies->max;
    }
    return latencies->max;
}
