#include "storage/layout.h"

#include "support/test.h"

#include <stddef.h>

#include "base/poison.h"

TEST(layout, zones_follow_each_other_without_a_gap)
{
    struct layout layout;
    layout_init(&layout, 32768, 1 << 20, UINT64_C(1) << 30);
    EXPECT(layout.journal_offset == 65536);
    EXPECT(layout.headers_offset == 65536 + (1 << 20));
    EXPECT(layout.headers_bytes == 256 * 256); /* 256 sectors of journal, 256 bytes for each */
    EXPECT(layout.grid_offset == 65536 + (1 << 20) + 65536);
    EXPECT(layout.block_count_max == 32768);
}

TEST(layout, an_odd_journal_has_its_headers_rounded_up_to_a_sector)
{
    struct layout layout;
    layout_init(&layout, 4096, 17 * 4096, 4096);
    EXPECT(layout.headers_bytes == 8192); /* 17 headers: one more than a sector holds */
    EXPECT(layout.grid_offset % 4096 == 0);
    EXPECT(layout.block_count_max == 1);
    EXPECT(layout_block_offset(&layout, 1) == layout.grid_offset);
    EXPECT(layout_file_size(&layout, 0) == layout.grid_offset);
    EXPECT(layout_file_size(&layout, 1) == layout.grid_offset + 4096);
}

TEST(layout, a_block_ends_where_the_next_begins)
{
    struct layout layout;
    layout_init(&layout, 65536, 1 << 20, UINT64_C(1) << 40);
    for (uint64_t address = 1; address < 100; address += 1) {
        EXPECT(layout_file_size(&layout, address) == layout_block_offset(&layout, address + 1));
        const uint64_t size = layout_file_size(&layout, address);
        EXPECT(layout_block_count(&layout, size) == address);
        EXPECT(layout_block_count(&layout, size - 1) == address - 1);
    }
}

TEST(layout, the_largest_options_do_not_overflow)
{
    struct layout layout;
    EXPECT(layout_fault(4096, JOURNAL_BYTES_MAX, LAYOUT_SIZE_MAX_MAX) == NULL);
    layout_init(&layout, 4096, JOURNAL_BYTES_MAX, LAYOUT_SIZE_MAX_MAX);
    const uint64_t end = layout_file_size(&layout, layout.block_count_max);
    EXPECT(layout_block_count(&layout, UINT64_MAX) == layout.block_count_max);
    EXPECT(layout_block_count(&layout, layout.grid_offset - 1) == 0);
    EXPECT(end > LAYOUT_SIZE_MAX_MAX);
    EXPECT(end < UINT64_C(1) << 62);
}

TEST(layout, a_size_max_that_is_no_multiple_loses_its_rest)
{
    struct layout layout;
    layout_init(&layout, 8192, 4096, 3 * 8192 + 8191);
    EXPECT(layout.block_count_max == 3);
}

TEST(layout, what_is_out_of_range_is_refused_with_a_reason)
{
    EXPECT(layout_fault(32768, 4096, 1 << 20) == NULL);
    EXPECT(layout_fault(0, 4096, 1 << 20) != NULL);
    EXPECT(layout_fault(2048, 4096, 1 << 20) != NULL);
    EXPECT(layout_fault(12288, 4096, 1 << 20) != NULL);
    EXPECT(layout_fault(1 << 20, 4096, 1 << 20) == NULL);
    EXPECT(layout_fault(1 << 21, 4096, 1 << 30) != NULL);
    EXPECT(layout_fault(UINT32_C(1) << 31, 4096, UINT64_C(1) << 40) != NULL);
    EXPECT(layout_fault(4096, 0, 1 << 20) != NULL);
    EXPECT(layout_fault(4096, 4095, 1 << 20) != NULL);
    EXPECT(layout_fault(4096, JOURNAL_BYTES_MAX + 4096, 1 << 20) != NULL);
    EXPECT(layout_fault(4096, UINT64_MAX - 4095, 1 << 20) != NULL);
    EXPECT(layout_fault(4096, 4096, 4095) != NULL);
    EXPECT(layout_fault(4096, 4096, LAYOUT_SIZE_MAX_MAX + 1) != NULL);
    EXPECT(layout_fault(4096, 4096, UINT64_MAX) != NULL);
}

TEST(layout, copies_of_the_superblock_fill_the_first_64_KiB)
{
    EXPECT(layout_superblock_offset(0) == 0);
    EXPECT(layout_superblock_offset(3) + SUPERBLOCK_SLOT == 65536);
}

TEST_MAIN()
