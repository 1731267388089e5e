#ifndef TACTUS_BASE_HASH_H
#define TACTUS_BASE_HASH_H

#include <stdint.h>

/* XXH3-64 (seed 0, default secret): spreads keys evenly. Part of the file format, in filters.
 * Not a checksum: whoever chooses the data can choose the hash. */
uint64_t hash_64(const void *data, uint64_t size);

#endif
