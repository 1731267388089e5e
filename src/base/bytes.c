#include "base/bytes.h"

#include "base/poison.h"

bool bytes_are_zero(const void *bytes, uint64_t size)
{
    if (size == 0) return true;
    assert(bytes != NULL);

    /* If the first byte is 0 and every byte equals the one before it, all are 0; memcmp does that
     * comparison by vectors, which a loop over bytes would not at -O2. */
    const uint8_t *first = bytes;
    return first[0] == 0 && memcmp(first, first + 1, (size_t)(size - 1)) == 0;
}
