#include "storage/layout.h"

#include "base/assert.h"
#include "base/integer.h"
#include "io/reactor.h"

#include <stddef.h>

#include "base/poison.h"

static_assert((int)SECTOR_SIZE == (int)IO_SECTOR, "one unit of reading and writing");
static_assert(SUPERBLOCK_SLOT % SECTOR_SIZE == 0, "slots never share a sector");
static_assert(SECTOR_SIZE % JOURNAL_HEADER_SIZE == 0, "a journal header lies in one sector");

const char *layout_fault(uint32_t block_size, uint64_t journal_bytes, uint64_t size_max)
{
    if (!is_power_of_two(block_size)) return "block_size is not a power of two";
    if (block_size < BLOCK_SIZE_MIN) return "block_size is below 4 KiB";
    if (block_size > BLOCK_SIZE_MAX) return "block_size is above 1 MiB";
    if (journal_bytes == 0) return "the journal has no bytes";
    if (journal_bytes % SECTOR_SIZE != 0) return "journal_bytes is not a multiple of 4 KiB";
    if (journal_bytes > JOURNAL_BYTES_MAX) return "journal_bytes is above 1 TiB";
    if (size_max < block_size) return "size_max does not hold a block";
    if (size_max > LAYOUT_SIZE_MAX_MAX) return "size_max is above 2^56";
    return NULL;
}

/* All sums stay below 2^40 + 2^36 + 2^56 + a little: far from 2^63. */
void layout_init(
    struct layout *layout, uint32_t block_size, uint64_t journal_bytes, uint64_t size_max
)
{
    assert(layout_fault(block_size, journal_bytes, size_max) == NULL);

    const uint64_t header_count = journal_bytes / SECTOR_SIZE;
    layout->journal_offset = (uint64_t)SUPERBLOCK_COPIES * SUPERBLOCK_SLOT;
    layout->journal_bytes = journal_bytes;
    layout->headers_offset = layout->journal_offset + journal_bytes;
    layout->headers_bytes = round_up_u64(header_count * JOURNAL_HEADER_SIZE, SECTOR_SIZE);
    layout->grid_offset = layout->headers_offset + layout->headers_bytes;
    layout->block_size = block_size;
    layout->block_count_max = size_max / block_size;

    assert(layout->grid_offset % SECTOR_SIZE == 0);
    assert(layout->block_count_max > 0);
}

uint64_t layout_block_offset(const struct layout *layout, uint64_t address)
{
    assert(address > 0);
    assert(address <= layout->block_count_max);
    return layout->grid_offset + (address - 1) * layout->block_size;
}

uint64_t layout_file_size(const struct layout *layout, uint64_t block_count)
{
    assert(block_count <= layout->block_count_max);
    return layout->grid_offset + block_count * layout->block_size;
}

uint64_t layout_block_count(const struct layout *layout, uint64_t file_size)
{
    if (file_size < layout->grid_offset) return 0;
    return min_u64((file_size - layout->grid_offset) / layout->block_size, layout->block_count_max);
}

uint64_t layout_superblock_offset(uint32_t copy)
{
    assert(copy < SUPERBLOCK_COPIES);
    return (uint64_t)copy * SUPERBLOCK_SLOT;
}
