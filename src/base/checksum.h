#ifndef TACTUS_BASE_CHECKSUM_H
#define TACTUS_BASE_CHECKSUM_H

#include <stdbool.h>
#include <stdint.h>

/* The one checksum of everything: XXH3-128 (unseeded, default secret) of a 16-byte prefix, the
 * `seed`, followed by the data. The seed is the id of the file: so a block of another file is as
 * wrong as a damaged one. On disk it lies as 16 bytes, `low` first, each half little-endian. */
struct checksum {
    uint64_t low, high;
};

struct checksum checksum_of(struct checksum seed, const void *data, uint64_t size);

static inline bool checksum_equal(struct checksum a, struct checksum b)
{
    return a.low == b.low && a.high == b.high;
}

static inline bool checksum_is_zero(struct checksum checksum)
{
    return checksum.low == 0 && checksum.high == 0;
}

void checksum_store(uint8_t target[16], struct checksum checksum);
struct checksum checksum_load(const uint8_t source[16]);

/* The same checksum of data that comes in pieces. Lives wherever its owner puts it; it needs no
 * end: a stream may be dropped, or begun again, at any time. */
struct checksum_stream {
    _Alignas(64) uint8_t state[576]; /* an XXH3_state_t, which only checksum.c sees */
};

void checksum_stream_begin(struct checksum_stream *stream, struct checksum seed);
void checksum_stream_add(struct checksum_stream *stream, const void *data, uint64_t size);

/* The checksum of everything added so far; more may be added after it. */
struct checksum checksum_stream_end(const struct checksum_stream *stream);

#endif
