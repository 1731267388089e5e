/* Unsigned numbers of 1, 2, 4 or 8 bytes in the CPU's byte order, at any alignment: fields of an
 * object in memory. (base/bytes.h has those of the disk.) */
#ifndef TACTUS_FOREST_NATIVE_H
#define TACTUS_FOREST_NATIVE_H

#include "base/assert.h"

#include <stdint.h>
#include <string.h>

static inline uint64_t native_load(const void *source, uint32_t size)
{
    uint8_t one;
    uint16_t two;
    uint32_t four;
    uint64_t eight;
    switch (size) {
    case 1: memcpy(&one, source, sizeof one); return one;
    case 2: memcpy(&two, source, sizeof two); return two;
    case 4: memcpy(&four, source, sizeof four); return four;
    default:
        assert(size == 8);
        memcpy(&eight, source, sizeof eight);
        return eight;
    }
}

/* Stores the low `size` bytes of the value. */
static inline void native_store(void *target, uint64_t number, uint32_t size)
{
    const uint8_t one = (uint8_t)number;
    const uint16_t two = (uint16_t)number;
    const uint32_t four = (uint32_t)number;
    switch (size) {
    case 1: memcpy(target, &one, sizeof one); break;
    case 2: memcpy(target, &two, sizeof two); break;
    case 4: memcpy(target, &four, sizeof four); break;
    default: assert(size == 8); memcpy(target, &number, sizeof number);
    }
}

#endif
