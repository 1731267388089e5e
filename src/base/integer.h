#ifndef TACTUS_BASE_INTEGER_H
#define TACTUS_BASE_INTEGER_H

#include "base/assert.h"

#include <stdbool.h>
#include <stdint.h>

/* How many elements an array (never a pointer) has. */
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static inline bool is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline uint32_t min_u32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint32_t max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* The quotient, rounded up. It cannot overflow, whatever the dividend. */
static inline uint64_t div_ceil_u64(uint64_t dividend, uint64_t divisor)
{
    assert(divisor > 0);
    return dividend / divisor + (dividend % divisor != 0);
}

/* The largest multiple of `multiple` (any number but 0) that is not above `value`. */
static inline uint64_t round_down_u64(uint64_t value, uint64_t multiple)
{
    assert(multiple > 0);
    return value - value % multiple;
}

/* Whether a + b is more than 64 bits hold; *sum is then the sum modulo 2^64. */
static inline bool add_overflows_u64(uint64_t a, uint64_t b, uint64_t *sum)
{
    return __builtin_add_overflow(a, b, sum);
}

/* Whether a * b is more than 64 bits hold; *product is then the product modulo 2^64. */
static inline bool mul_overflows_u64(uint64_t a, uint64_t b, uint64_t *product)
{
    return __builtin_mul_overflow(a, b, product);
}

/* The smallest multiple of `multiple` that is not below `value`; it must fit 64 bits. */
static inline uint64_t round_up_u64(uint64_t value, uint64_t multiple)
{
    uint64_t result;
    const bool overflows = mul_overflows_u64(div_ceil_u64(value, multiple), multiple, &result);
    assert(!overflows);
    return result;
}

/* All ones if `condition` holds, else 0: for a choice without a branch. The empty asm hides where
 * the mask comes from; without it compilers turn the choice back into the branch it replaces. */
static inline uint32_t mask_if(bool condition)
{
    uint32_t mask = 0U - (uint32_t)condition;
    __asm__("" : "+r"(mask));
    return mask;
}

#endif
