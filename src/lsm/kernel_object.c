/* Objects: the key is the timestamp, somewhere in the record. */
#define KERNEL_KIND                       object
#define KERNEL_KEY                        uint64_t
#define KERNEL_LOAD(shape, record)        record_timestamp(shape, record)
#define KERNEL_FROM(key)                  ((key).word[2])
#define KERNEL_LESS(a, b)                 ((a) < (b))
#define KERNEL_EQUAL(a, b)                ((a) == (b))
#define KERNEL_CHOOSE(mask, a, b)         ((b) ^ (((a) ^ (b)) & (mask)))
#define KERNEL_DIGITS                     8
#define KERNEL_DIGIT_OFFSET(shape, digit) ((shape)->flag_offset + (digit))
#define KERNEL_TIMESTAMP_DIGITS           8
#define KERNEL_SIZE                       128
#include "lsm/kernel_template.h"

#include "base/poison.h"
