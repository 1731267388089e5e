/* Ids of 64 bits; the same with a value behind the flag word, whatever its size. */
#define KERNEL_KIND                       id64
#define KERNEL_KEY                        uint64_t
#define KERNEL_LOAD(shape, record)        ((void)(shape), load_u64(record))
#define KERNEL_FROM(key)                  ((key).word[2])
#define KERNEL_LESS(a, b)                 ((a) < (b))
#define KERNEL_EQUAL(a, b)                ((a) == (b))
#define KERNEL_CHOOSE(mask, a, b)         ((b) ^ (((a) ^ (b)) & (mask)))
#define KERNEL_DIGITS                     8
#define KERNEL_DIGIT_OFFSET(shape, digit) ((void)(shape), (digit))
#define KERNEL_TIMESTAMP_DIGITS           0
#define KERNEL_SIZE                       16
#include "lsm/kernel_template.h"

#include "base/poison.h"
