#include "base/checksum.h"

#include "base/assert.h"
#include "base/bytes.h"

#define XXH_STATIC_LINKING_ONLY /* for the size of XXH3_state_t, stable since 0.8.0 */
#include <xxhash.h>

#include "base/poison.h"

static_assert(sizeof(struct checksum) == 16, "two words, no padding");
static_assert(
    sizeof(XXH3_state_t) <= sizeof(struct checksum_stream), "the state of the library fits"
);
static_assert(_Alignof(XXH3_state_t) <= _Alignof(struct checksum_stream), "and lies where it must");

static XXH3_state_t *stream_state(struct checksum_stream *stream)
{
    return (XXH3_state_t *)(void *)stream->state;
}

void checksum_stream_begin(struct checksum_stream *stream, struct checksum seed)
{
    assert(stream != NULL);

    XXH3_state_t *state = stream_state(stream);
    XXH3_INITSTATE(state);
    const XXH_errorcode error = XXH3_128bits_reset(state);
    assert(error == XXH_OK);

    uint8_t prefix[16];
    checksum_store(prefix, seed);
    checksum_stream_add(stream, prefix, sizeof prefix);
}

void checksum_stream_add(struct checksum_stream *stream, const void *data, uint64_t size)
{
    if (size == 0) return;
    assert(data != NULL);

    const XXH_errorcode error = XXH3_128bits_update(stream_state(stream), data, (size_t)size);
    assert(error == XXH_OK);
}

struct checksum checksum_stream_end(const struct checksum_stream *stream)
{
    const XXH128_hash_t hash =
        XXH3_128bits_digest((const XXH3_state_t *)(const void *)stream->state);
    return (struct checksum){.low = hash.low64, .high = hash.high64};
}

struct checksum checksum_of(struct checksum seed, const void *data, uint64_t size)
{
    struct checksum_stream stream;
    checksum_stream_begin(&stream, seed);
    checksum_stream_add(&stream, data, size);
    return checksum_stream_end(&stream);
}

void checksum_store(uint8_t target[16], struct checksum checksum)
{
    store_u64(target, checksum.low);
    store_u64(target + 8, checksum.high);
}

struct checksum checksum_load(const uint8_t source[16])
{
    return (struct checksum){.low = load_u64(source), .high = load_u64(source + 8)};
}
