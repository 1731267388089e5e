#ifndef TACTUS_BASE_BYTES_H
#define TACTUS_BASE_BYTES_H

#include "base/assert.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Little-endian numbers at any address, whatever the order of the CPU. */

static inline uint16_t load_u16(const void *source)
{
    uint16_t value;
    memcpy(&value, source, sizeof value);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap16(value);
#endif
    return value;
}

static inline uint32_t load_u32(const void *source)
{
    uint32_t value;
    memcpy(&value, source, sizeof value);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap32(value);
#endif
    return value;
}

static inline uint64_t load_u64(const void *source)
{
    uint64_t value;
    memcpy(&value, source, sizeof value);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    return value;
}

static inline void store_u16(void *target, uint16_t value)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap16(value);
#endif
    memcpy(target, &value, sizeof value);
}

static inline void store_u32(void *target, uint32_t value)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap32(value);
#endif
    memcpy(target, &value, sizeof value);
}

static inline void store_u64(void *target, uint64_t value)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    memcpy(target, &value, sizeof value);
}

/* Copies between places that do not overlap. Of size 0, either may be NULL. */
static inline void bytes_copy(void *restrict target, const void *restrict source, uint64_t size)
{
    if (size == 0) return;
    const uintptr_t to = (uintptr_t)target;
    const uintptr_t from = (uintptr_t)source;
    assert(to >= from ? to - from >= size : from - to >= size);
    memcpy(target, source, (size_t)size);
}

/* Copies between places that may overlap. Of size 0, either may be NULL. */
static inline void bytes_move(void *target, const void *source, uint64_t size)
{
    if (size > 0) memmove(target, source, (size_t)size);
}

/* Has the CPU fetch these bytes into its caches, without waiting for them: a hint, which no address
 * is wrong for. */
static inline void bytes_prefetch(const void *source, uint64_t size)
{
    const uint8_t *bytes = source;
    __builtin_prefetch(bytes);
    for (uint64_t offset = 64; offset < size; offset += 64) {
        __builtin_prefetch(bytes + offset);
    }
    if (size > 1) __builtin_prefetch(bytes + size - 1); /* they may begin anywhere in a line */
}

static inline void bytes_zero(void *target, uint64_t size)
{
    if (size > 0) memset(target, 0, (size_t)size);
}

static inline bool bytes_equal(const void *a, const void *b, uint64_t size)
{
    return size == 0 || memcmp(a, b, (size_t)size) == 0;
}

/* Whether every byte is 0; true of size 0. */
bool bytes_are_zero(const void *bytes, uint64_t size);

#endif
