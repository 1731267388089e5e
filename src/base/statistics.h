#ifndef TACTUS_BASE_STATISTICS_H
#define TACTUS_BASE_STATISTICS_H

#include <stdint.h>

/* How often values came, in fixed buckets that grow with the value: log-linear. The values below 16
 * have a bucket each; from there on every power of two is cut into 16 buckets of one size, so a
 * bucket is at most 1/16 as wide as its values are large.
 *
 *   value     0 .. 15 | 16 .. 31 | 32 .. 63 | ... | 2^63 .. 2^64 - 1
 *   width        1    |    1     |    2     | ... |      2^59
 *   buckets     16    |   16     |   16     | ... |       16          together 16 + 60 * 16 = 976
 *
 * Zero-initialized is empty. */
enum { HISTOGRAM_BUCKETS = 976 };

struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t count;
    uint64_t sum; /* modulo 2^64 */
    uint64_t max;
};

void histogram_add(struct histogram *histogram, uint64_t value);

/* A value that `percent` (0 to 100) of all values are not above: the highest one of its bucket, so
 * it is never too low, at most 1/16 too high, and never above histogram_max(). 0 of no values. */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

uint64_t histogram_max(const struct histogram *histogram);   /* exact; 0 if there are none */
uint64_t histogram_count(const struct histogram *histogram); /* how many values came */

#endif
