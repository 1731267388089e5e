/* Makes a damaged image look whole: every checksum is computed again from what is there now. So a
 * test can show what an attacker can: bytes that are wrong, and whose checksums hold. For fuzz
 * targets and tests, which include it once each. */
#ifndef TACTUS_TESTS_FUZZ_RESEAL_H
#define TACTUS_TESTS_FUZZ_RESEAL_H

#include "base/bytes.h"
#include "base/checksum.h"
#include "storage/block.h"
#include "storage/journal_entry.h"
#include "storage/layout.h"
#include "storage/superblock_disk.h"

enum { RESEAL_PASSES = 24, RESEAL_CHAIN_MAX = 64, RESEAL_ENTRIES_MAX = 4096 };

struct reseal {
    uint8_t *image; /* a whole file */
    uint64_t size;
    struct layout layout;
    struct checksum file_id;
    uint64_t block_count; /* whole blocks in the image */
    uint64_t log_oldest;  /* address of the manifest log's oldest block */
    uint64_t changes;     /* of checksums, in this pass */
};

static uint8_t *reseal_block(const struct reseal *reseal, uint64_t address)
{
    if (address == 0 || address > reseal->block_count) return NULL;
    return reseal->image + layout_block_offset(&reseal->layout, address);
}

static void reseal_store(struct reseal *reseal, uint8_t *place, struct checksum checksum)
{
    if (checksum_equal(checksum_load(place), checksum)) return;
    checksum_store(place, checksum);
    reseal->changes += 1;
}

/* The checksum that a reference to this address should have goes to `place`, if a block of that
 * type lies there: what is not in use any more may refer to anything, in circles, too. */
static void reseal_refer(struct reseal *reseal, uint64_t address, uint8_t type, uint8_t *place)
{
    const uint8_t *child = reseal_block(reseal, address);
    if (child != NULL && child[54] == type) reseal_store(reseal, place, checksum_load(child));
}

static void reseal_reference(struct reseal *reseal, uint8_t *reference, uint8_t type)
{
    reseal_refer(reseal, load_u64(reference), type, reference + 16);
}

static void reseal_leaf(struct reseal *reseal, uint8_t *block, uint64_t block_size)
{
    const uint64_t count = load_u32(block + 56);
    const uint64_t key_bytes = load_u32(block + 60);
    if (count > block_size || key_bytes > 24) return;
    const uint64_t addresses = BLOCK_HEADER_SIZE + 2 * count * key_bytes;
    const uint64_t checksums = addresses + 8 * count;
    if (checksums + 16 * count > block_size) return;
    for (uint64_t index = 0; index < count; index += 1) {
        const uint64_t address = load_u64(block + addresses + 8 * index);
        reseal_refer(reseal, address, BLOCK_VALUE, block + checksums + 16 * index);
    }
}

static void reseal_root(struct reseal *reseal, uint8_t *block, uint64_t block_size)
{
    const uint64_t count = load_u32(block + 56);
    const uint64_t key_bytes = load_u32(block + 60);
    if (count > block_size || key_bytes > 24) return;
    const uint64_t references = BLOCK_HEADER_SIZE + count * key_bytes;
    if (references + 32 * count > block_size) return;
    for (uint64_t index = 0; index < count; index += 1) {
        reseal_reference(reseal, block + references + 32 * index, BLOCK_LEAF);
    }
    const uint64_t filters = references + 32 * count;
    const uint64_t filter_count = load_u32(block + 64);
    if (filters + 32 * filter_count > block_size) return;
    for (uint64_t index = 0; index < filter_count; index += 1) {
        reseal_reference(reseal, block + filters + 32 * index, BLOCK_FILTER);
    }
}

/* What the oldest block refers to was let go: a newer one of the log may lie there by now. */
static void reseal_manifest(struct reseal *reseal, uint8_t *block, uint64_t block_size)
{
    const uint64_t count = load_u32(block + 56 + 32);
    if (block != reseal_block(reseal, reseal->log_oldest)) {
        reseal_reference(reseal, block + 56, BLOCK_MANIFEST);
    }
    if (BLOCK_HEADER_SIZE + count * 128 > block_size) return;
    for (uint64_t index = 0; index < count; index += 1) {
        uint8_t *entry = block + BLOCK_HEADER_SIZE + index * 128;
        reseal_refer(reseal, load_u64(entry + 64), BLOCK_ROOT, entry + 48);
    }
}

static void reseal_one(struct reseal *reseal, uint64_t address)
{
    uint8_t *block = reseal_block(reseal, address);
    const uint64_t block_size = reseal->layout.block_size;
    const uint32_t size = load_u32(block + 48);
    if (size < BLOCK_HEADER_SIZE || size > block_size) return;
    switch (block[54]) {
    case BLOCK_FREE_SET:
    case BLOCK_STATE:
    case BLOCK_SCHEMA: reseal_reference(reseal, block + 56, block[54]); break;
    case BLOCK_MANIFEST: reseal_manifest(reseal, block, block_size); break;
    case BLOCK_ROOT: reseal_root(reseal, block, block_size); break;
    case BLOCK_LEAF: reseal_leaf(reseal, block, block_size); break;
    default: break;
    }
    reseal_store(reseal, block, checksum_of(reseal->file_id, block + 16, size - 16));
}

/* The checksum of a trailer's whole string, gathered from its last block to its first. */
static void reseal_trailer(struct reseal *reseal, struct trailer_reference *trailer)
{
    const uint64_t full = reseal->layout.block_size - BLOCK_HEADER_SIZE;
    const uint64_t count = trailer->size / full + (trailer->size % full != 0);
    uint64_t addresses[RESEAL_CHAIN_MAX];
    uint64_t address = trailer->last.address;
    const uint8_t *last = reseal_block(reseal, address);
    if (last == NULL || count == 0 || count > RESEAL_CHAIN_MAX) return;
    trailer->last.checksum = checksum_load(last);
    for (uint64_t index = count; index > 0; index -= 1) {
        const uint8_t *block = reseal_block(reseal, address);
        if (block == NULL) return;
        addresses[index - 1] = address;
        address = load_u64(block + 56);
    }
    struct checksum_stream stream;
    checksum_stream_begin(&stream, reseal->file_id);
    for (uint64_t index = 0; index < count; index += 1) {
        const uint64_t left = trailer->size - index * full;
        const uint8_t *block = reseal_block(reseal, addresses[index]);
        checksum_stream_add(&stream, block + BLOCK_HEADER_SIZE, left < full ? left : full);
    }
    trailer->checksum = checksum_stream_end(&stream);
}

/* Entries from where the superblock says they begin, each chained to the one before, and their
 * redundant headers. */
static void reseal_journal(struct reseal *reseal, const struct superblock_disk *disk)
{
    const struct layout *layout = &reseal->layout;
    uint64_t offset = disk->journal_offset;
    uint64_t op = disk->op_covered + 1;
    struct checksum predecessor = checksum_load(disk->journal_predecessor);
    if (layout->headers_offset + layout->headers_bytes > reseal->size) return;
    for (uint32_t count = 0; count < RESEAL_ENTRIES_MAX; count += 1) {
        if (offset % SECTOR_SIZE != 0 || offset >= layout->journal_bytes) return;
        uint8_t *entry = reseal->image + layout->journal_offset + offset;
        const uint64_t size = load_u64(entry + 136);
        if (load_u64(entry + 112) != op || size < JOURNAL_HEADER_SIZE) return;
        if (size > layout->journal_bytes - offset) return;
        checksum_store(entry + 64, predecessor);
        checksum_store(
            entry + 80, checksum_of(reseal->file_id, entry + 256, size - JOURNAL_HEADER_SIZE)
        );
        checksum_store(entry, journal_header_checksum_computed(entry, reseal->file_id));
        predecessor = journal_header_logical_checksum(entry, reseal->file_id);
        const uint64_t slot = op % (layout->journal_bytes / SECTOR_SIZE);
        bytes_copy(
            reseal->image + layout->headers_offset + slot * JOURNAL_HEADER_SIZE,
            entry,
            JOURNAL_HEADER_SIZE
        );
        offset += (size + SECTOR_SIZE - 1) / SECTOR_SIZE * SECTOR_SIZE;
        op += 1;
    }
}

/* All of it, from the first copy of the superblock, which the other three become copies of. The
 * image holds the superblock's zone at least; whatever its bytes are, nothing outside of it is
 * touched. */
static void reseal_image(uint8_t *image, uint64_t size)
{
    struct reseal reseal = {.image = image, .size = size};
    struct superblock_disk disk;
    bytes_copy(&disk, image, sizeof disk);
    if (layout_fault(disk.block_size, disk.journal_bytes, disk.size_max) == NULL) {
        reseal.file_id = checksum_load(disk.file_id);
        layout_init(&reseal.layout, disk.block_size, disk.journal_bytes, disk.size_max);
        if (size > reseal.layout.grid_offset) {
            const uint64_t blocks = (size - reseal.layout.grid_offset) / disk.block_size;
            const uint64_t most = reseal.layout.block_count_max;
            reseal.block_count = blocks < most ? blocks : most;
        }
        reseal.log_oldest = disk.manifest_oldest.address;
        reseal.changes = 1;
        for (uint32_t pass = 0; pass < RESEAL_PASSES && reseal.changes > 0; pass += 1) {
            reseal.changes = 0;
            for (uint64_t address = 1; address <= reseal.block_count; address += 1) {
                reseal_one(&reseal, address);
            }
        }
        reseal_trailer(&reseal, &disk.schema);
        reseal_trailer(&reseal, &disk.state);
        reseal_trailer(&reseal, &disk.acquired);
        reseal_trailer(&reseal, &disk.released);
        reseal_reference(&reseal, (uint8_t *)&disk.manifest_oldest, BLOCK_MANIFEST);
        reseal_reference(&reseal, (uint8_t *)&disk.manifest_newest, BLOCK_MANIFEST);
        reseal_journal(&reseal, &disk);
    }
    const uint8_t *covered = (const uint8_t *)&disk + SUPERBLOCK_CHECKSUM_FROM;
    checksum_store(
        disk.checksum,
        checksum_of((struct checksum){0}, covered, sizeof disk - SUPERBLOCK_CHECKSUM_FROM)
    );
    for (uint32_t copy = 0; copy < SUPERBLOCK_COPIES; copy += 1) {
        disk.copy = (uint8_t)copy;
        bytes_copy(image + layout_superblock_offset(copy), &disk, sizeof disk);
    }
}

#endif
