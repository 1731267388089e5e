#include "storage/block.h"

#include "base/bytes.h"
#include "storage/layout.h"
#include "support/test.h"

#include "base/poison.h"

enum { BLOCK_SIZE = 8192 };

static const struct checksum FILE_ID = {.low = 11, .high = 22};
static _Alignas(4096) uint8_t block[BLOCK_SIZE];

/* A value block of 5,000 bytes at address 7, all bytes of its body set; garbage behind it. */
static struct checksum block_make(void)
{
    for (uint32_t i = 0; i < BLOCK_SIZE; i += 1) {
        block[i] = (uint8_t)(i * 7 + 1);
    }
    struct block_header *header = block_header_of(block);
    bytes_zero(header, sizeof *header);
    header->address = 7;
    header->snapshot = 3;
    header->size = 5000;
    header->tree = 9;
    header->type = BLOCK_VALUE;
    header->metadata[63] = 1;
    return block_seal(block, FILE_ID);
}

static const char *fault_of(void)
{
    return block_fault(block, 7, BLOCK_SIZE, FILE_ID);
}

/* Makes the checksum right again, as whoever forges a block would. */
static const char *fault_of_forged(void)
{
    const struct block_header *header = block_header_read(block);
    checksum_store(block, checksum_of(FILE_ID, block + 16, header->size - 16));
    return fault_of();
}

TEST(block, a_sealed_block_is_valid_and_knows_its_checksum)
{
    const struct checksum checksum = block_make();
    EXPECT(fault_of() == NULL);
    EXPECT(checksum_equal(block_checksum(block), checksum));
    EXPECT(block_size_rounded(block) == 8192);
    EXPECT(bytes_are_zero(block + 5000, 8192 - 5000));
}

TEST(block, the_same_block_of_another_file_has_another_checksum)
{
    const struct checksum checksum = block_make();
    const struct checksum other = {.low = 11, .high = 23};
    EXPECT(block_fault(block, 7, BLOCK_SIZE, other) != NULL);
    EXPECT(!checksum_equal(block_seal(block, other), checksum));
}

TEST(block, every_flipped_bit_is_found)
{
    block_make();
    for (uint32_t bit = 0; bit < BLOCK_SIZE * 8; bit += 1) {
        block[bit / 8] = (uint8_t)(block[bit / 8] ^ (1U << bit % 8));
        EXPECT(fault_of() != NULL);
        block[bit / 8] = (uint8_t)(block[bit / 8] ^ (1U << bit % 8));
    }
    EXPECT(fault_of() == NULL);
}

TEST(block, a_block_found_elsewhere_was_misdirected)
{
    block_make();
    EXPECT(block_fault(block, 8, BLOCK_SIZE, FILE_ID) != NULL);
    EXPECT(block_fault(block, 0, BLOCK_SIZE, FILE_ID) == NULL); /* any place will do */
}

TEST(block, a_block_of_zeros_is_none)
{
    bytes_zero(block, BLOCK_SIZE);
    EXPECT(fault_of() != NULL);
}

TEST(block, sizes_at_the_limits_with_a_valid_checksum)
{
    static const uint32_t good[] = {BLOCK_HEADER_SIZE, 129, 4096, 4097, BLOCK_SIZE};
    for (uint32_t i = 0; i < sizeof good / sizeof good[0]; i += 1) {
        block_make();
        block_header_of(block)->size = good[i];
        block_seal(block, FILE_ID);
        EXPECT(fault_of() == NULL);
    }
    static const uint32_t bad[] = {0, 1, 16, 127, BLOCK_SIZE + 1, UINT32_MAX};
    for (uint32_t i = 0; i < sizeof bad / sizeof bad[0]; i += 1) {
        block_make();
        block_header_of(block)->size = bad[i];
        EXPECT(fault_of() != NULL);
    }
}

TEST(block, forged_headers_are_refused_though_their_checksum_holds)
{
    block_make();
    block_header_of(block)->type = 0;
    EXPECT(fault_of_forged() != NULL);
    block_make();
    block_header_of(block)->type = BLOCK_FILTER + 1;
    EXPECT(fault_of_forged() != NULL);
    block_make();
    block_header_of(block)->version = 2;
    EXPECT(fault_of_forged() != NULL);
    block_make();
    block_header_of(block)->reserved[7] = 1;
    EXPECT(fault_of_forged() != NULL);
    block_make();
    block_header_of(block)->file_id[0] ^= 1;
    EXPECT(fault_of_forged() != NULL);
    block_make();
    block_header_of(block)->address = 0;
    EXPECT(fault_of_forged() != NULL);
    block_make();
    block[8191] = 1; /* padding, which no checksum covers */
    EXPECT(fault_of_forged() != NULL);
    block_make();
    EXPECT(fault_of_forged() == NULL);
}

TEST(block, references_are_checked_against_the_file)
{
    struct block_reference none = {0};
    EXPECT(block_reference_fault(&none, 0) == NULL);
    struct block_reference some = {.address = 10, .checksum = {1, 2}};
    EXPECT(block_reference_fault(&some, 10) == NULL);
    EXPECT(block_reference_fault(&some, 9) != NULL);
    some.copy_address = 11;
    EXPECT(block_reference_fault(&some, 10) != NULL);
    EXPECT(block_reference_fault(&some, 11) == NULL);
    some.copy_address = 10;
    EXPECT(block_reference_fault(&some, 11) != NULL);
    none.checksum.high = 1;
    EXPECT(block_reference_fault(&none, 5) != NULL);
    none = (struct block_reference){.copy_address = 1};
    EXPECT(block_reference_fault(&none, 5) != NULL);
    EXPECT(!block_reference_equal(none, some));
    EXPECT(block_reference_equal(some, some));
}

TEST_MAIN()
