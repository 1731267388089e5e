/* Index records with a prefix of 64 bits: it comes first in the record, the timestamp, which is the
 * key's low half, behind it. */
#define KERNEL_KIND index64
#define KERNEL_KEY  unsigned __int128
#define KERNEL_LOAD(shape, record)                                                                 \
    ((void)(shape), key_128(load_u64(record), load_u64((record) + 8) & ~RECORD_TOMBSTONE))
#define KERNEL_FROM(key)                  key_128((key).word[1], (key).word[2])
#define KERNEL_LESS(a, b)                 ((a) < (b))
#define KERNEL_EQUAL(a, b)                ((a) == (b))
#define KERNEL_CHOOSE(mask, a, b)         ((b) ^ (((a) ^ (b)) & key_128(mask, mask)))
#define KERNEL_DIGITS                     16
#define KERNEL_DIGIT_OFFSET(shape, digit) ((void)(shape), (digit) ^ 8)
#define KERNEL_TIMESTAMP_DIGITS           8
#define KERNEL_SIZE                       16

#include <stdint.h>

static inline unsigned __int128 key_128(uint64_t high, uint64_t low)
{
    return (unsigned __int128)high << 64 | low;
}

#include "lsm/kernel_template.h"

#include "base/poison.h"
