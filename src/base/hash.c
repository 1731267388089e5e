#include "base/hash.h"

#include "base/assert.h"

#include <xxhash.h>

#include "base/poison.h"

uint64_t hash_64(const void *data, uint64_t size)
{
    assert(data != NULL);
    return XXH3_64bits(data, (size_t)size);
}
