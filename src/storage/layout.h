/* Where the zones of the file are; nothing else knows an offset.
 *
 *   0            64 KiB        headers_offset     grid_offset
 *   | superblock | journal     | journal headers  | block 1 | block 2 | ...
 *   | 4 x 16 KiB | a ring      | 256 B per 4 KiB  | block_size each
 *
 * All of it follows from three options of the file, which the superblock keeps. */
#ifndef TACTUS_STORAGE_LAYOUT_H
#define TACTUS_STORAGE_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

enum {
    SECTOR_SIZE = 4096,
    SUPERBLOCK_COPIES = 4,
    SUPERBLOCK_SLOT = 16384,
    JOURNAL_HEADER_SIZE = 256, /* one redundant header for each sector of the journal */
    BLOCK_SIZE_MIN = 4096,
    BLOCK_SIZE_MAX = 1 << 20,
};
#define JOURNAL_BYTES_MAX   (UINT64_C(1) << 40)
#define LAYOUT_SIZE_MAX_MAX (UINT64_C(1) << 56) /* of size_max: no offset comes near 2^63 */

struct layout {
    uint64_t journal_offset;
    uint64_t journal_bytes; /* a multiple of SECTOR_SIZE */
    uint64_t headers_offset;
    uint64_t headers_bytes; /* rounded up to SECTOR_SIZE; what is above the last header is zero */
    uint64_t grid_offset;   /* a multiple of SECTOR_SIZE */
    uint32_t block_size;
    uint64_t block_count_max; /* the highest address there can be */
};

/* Why no layout can be made of these options, as a literal, or NULL: the block size is no power of
 * two from 4 KiB to 1 MiB; the journal is empty, above 1 TiB or not in whole sectors; size_max
 * holds no block or is above 2^56. */
const char *layout_fault(uint32_t block_size, uint64_t journal_bytes, uint64_t size_max);

/* layout_fault() must have found nothing. */
void layout_init(
    struct layout *layout, uint32_t block_size, uint64_t journal_bytes, uint64_t size_max
);

/* The first byte of a block: address from 1 to block_count_max. */
uint64_t layout_block_offset(const struct layout *layout, uint64_t address);

/* How long a file must be to hold blocks 1 to block_count (0: none). */
uint64_t layout_file_size(const struct layout *layout, uint64_t block_count);

/* How many blocks a file of this length has room for. */
uint64_t layout_block_count(const struct layout *layout, uint64_t file_size);

/* The first byte of a copy of the superblock. */
uint64_t layout_superblock_offset(uint32_t copy);

#endif
