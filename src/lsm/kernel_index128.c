/* Index records with a prefix of 128 bits, and the timestamp behind it. */
#define KERNEL_KIND index128
#define KERNEL_KEY  struct key_192
#define KERNEL_LOAD(shape, record)                                                                 \
    ((void)(shape),                                                                                \
     key_192(                                                                                      \
         load_u64((record) + 8), load_u64(record), load_u64((record) + 16) & ~RECORD_TOMBSTONE     \
     ))
#define KERNEL_FROM(key)                  key_192((key).word[0], (key).word[1], (key).word[2])
#define KERNEL_LESS(a, b)                 key_192_less(a, b)
#define KERNEL_EQUAL(a, b)                key_192_equal(a, b)
#define KERNEL_CHOOSE(mask, a, b)         key_192_choose(mask, a, b)
#define KERNEL_DIGITS                     24
#define KERNEL_DIGIT_OFFSET(shape, digit) ((void)(shape), (digit) < 8 ? (digit) + 16 : (digit)-8)
#define KERNEL_TIMESTAMP_DIGITS           8
#define KERNEL_SIZE                       24

#include <stdbool.h>
#include <stdint.h>

struct key_192 {
    unsigned __int128 prefix;
    uint64_t timestamp;
};

static inline struct key_192 key_192(uint64_t high, uint64_t low, uint64_t timestamp)
{
    return (struct key_192){(unsigned __int128)high << 64 | low, timestamp};
}

static inline bool key_192_equal(struct key_192 a, struct key_192 b)
{
    return a.prefix == b.prefix && a.timestamp == b.timestamp;
}

/* Without a branch: prefixes of one account are equal as often as not. */
static inline bool key_192_less(struct key_192 a, struct key_192 b)
{
    return (a.prefix < b.prefix) | ((a.prefix == b.prefix) & (a.timestamp < b.timestamp));
}

static inline struct key_192 key_192_choose(uint64_t mask, struct key_192 a, struct key_192 b)
{
    const unsigned __int128 mask_128 = (unsigned __int128)mask << 64 | mask;
    b.prefix ^= (a.prefix ^ b.prefix) & mask_128;
    b.timestamp ^= (a.timestamp ^ b.timestamp) & mask;
    return b;
}

#include "lsm/kernel_template.h"

#include "base/poison.h"
