/* Times in nanoseconds, counted in buckets that are 1/128 of their value wide: any percentile is
 * right to 0.8 %, at a fixed size. */
#ifndef TACTUS_BENCH_LATENCIES_H
#define TACTUS_BENCH_LATENCIES_H

#include <stdint.h>

enum { LATENCIES_SHIFT = 7, LATENCIES_BUCKETS = (64 - LATENCIES_SHIFT + 1) << LATENCIES_SHIFT };

struct latencies { /* all zero: empty */
    uint64_t buckets[LATENCIES_BUCKETS];
    uint64_t count;
    uint64_t max; /* exact */
};

void latencies_add(struct latencies *latencies, uint64_t value);

/* The least value that `share` (0 to 1) of all values do not exceed: the upper end of its bucket,
 * at most `max`; 0 of none. */
uint64_t latencies_percentile(const struct latencies *latencies, double share);

#endif
