#include "storage/block.h"

#include "base/bytes.h"
#include "base/integer.h"
#include "storage/layout.h"

#include "base/poison.h"

enum { CHECKSUM_SIZE = 16 };
static_assert(offsetof(struct block_header, checksum) == 0, "the checksum does not cover itself");
static_assert(CHECKSUM_SIZE == sizeof(struct checksum), "as on disk, so in memory");

struct block_header *block_header_of(uint8_t *block)
{
    assert((uintptr_t)block % _Alignof(struct block_header) == 0);
    return (struct block_header *)(void *)block;
}

const struct block_header *block_header_read(const uint8_t *block)
{
    assert((uintptr_t)block % _Alignof(struct block_header) == 0);
    return (const struct block_header *)(const void *)block;
}

uint32_t block_size_rounded(const uint8_t *block)
{
    const uint32_t size = block_header_read(block)->size;
    assert(size >= BLOCK_HEADER_SIZE && size <= BLOCK_SIZE_MAX);
    return (uint32_t)round_up_u64(size, SECTOR_SIZE);
}

struct checksum block_checksum(const uint8_t *block)
{
    return checksum_load(block_header_read(block)->checksum);
}

static struct checksum checksum_compute(const uint8_t *block, struct checksum file_id)
{
    const uint32_t size = block_header_read(block)->size;
    return checksum_of(file_id, block + CHECKSUM_SIZE, size - CHECKSUM_SIZE);
}

struct checksum block_seal(uint8_t *block, struct checksum file_id)
{
    struct block_header *header = block_header_of(block);
    assert(header->address > 0);
    assert(header->type >= BLOCK_FREE_SET && header->type <= BLOCK_FILTER);
    assert(!checksum_is_zero(file_id));

    checksum_store(header->file_id, file_id);
    header->version = BLOCK_VERSION;
    bytes_zero(header->reserved, sizeof header->reserved);
    bytes_zero(block + header->size, block_size_rounded(block) - header->size);

    const struct checksum checksum = checksum_compute(block, file_id);
    checksum_store(header->checksum, checksum);
    assert_slow(block_fault(block, header->address, BLOCK_SIZE_MAX, file_id) == NULL);
    return checksum;
}

/* size is the one field used before the checksum holds: it says how much the checksum covers. */
const char *block_fault(
    const uint8_t *block, uint64_t address, uint32_t block_size, struct checksum file_id
)
{
    assert(is_power_of_two(block_size));
    assert(block_size >= BLOCK_SIZE_MIN && block_size <= BLOCK_SIZE_MAX);

    const struct block_header *header = block_header_read(block);
    if (header->size < BLOCK_HEADER_SIZE || header->size > block_size) {
        return bytes_are_zero(header, sizeof *header) ? "the block is zero"
                                                      : "the block's size is out of range";
    }
    if (!checksum_equal(block_checksum(block), checksum_compute(block, file_id))) {
        return "the block's checksum does not hold";
    }
    if (!checksum_equal(checksum_load(header->file_id), file_id)) {
        return "the block is of another file";
    }
    if (header->version != BLOCK_VERSION) return "the block has an unknown version";
    if (header->address == 0) return "the block has no address";
    if (address != 0 && header->address != address) return "the block belongs elsewhere";
    if (header->type < BLOCK_FREE_SET || header->type > BLOCK_FILTER) {
        return "the block has an unknown type";
    }
    if (!bytes_are_zero(header->reserved, sizeof header->reserved)) {
        return "reserved bytes of the block are not zero";
    }
    if (!bytes_are_zero(block + header->size, block_size_rounded(block) - header->size)) {
        return "bytes behind the block's end are not zero";
    }
    return NULL;
}

const char *block_reference_fault(const struct block_reference *reference, uint64_t block_count)
{
    if (reference->address == 0) {
        if (reference->copy_address != 0) return "a reference has a copy, but no block";
        if (!checksum_is_zero(reference->checksum)) return "a reference to no block has a checksum";
        return NULL;
    }
    if (reference->address > block_count) return "a reference is past the last block";
    if (reference->copy_address > block_count) return "a copy's address is past the last block";
    if (reference->copy_address == reference->address) return "a block is its own copy";
    return NULL;
}

bool block_reference_equal(struct block_reference a, struct block_reference b)
{
    return a.address == b.address && a.copy_address == b.copy_address &&
           checksum_equal(a.checksum, b.checksum);
}
