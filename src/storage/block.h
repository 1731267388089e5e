/* Blocks of the grid: a header of 128 bytes, and a body that its type decides.
 *
 *   0         128              size           rounded up to 4 KiB      block_size
 *   | header  | body           | zeros        | not written, not read  |
 *   |<-- checksum covers [16, size) -->|
 *
 * The checksum is known to whoever refers to the block, too: so a block that is whole but stale, or
 * that lies where another should, is found. See docs/format.md. */
#ifndef TACTUS_STORAGE_BLOCK_H
#define TACTUS_STORAGE_BLOCK_H

#include "base/assert.h"
#include "base/checksum.h"

#include <stddef.h>
#include <stdint.h>

enum { BLOCK_HEADER_SIZE = 128, BLOCK_METADATA_SIZE = 64, BLOCK_VERSION = 1 };

enum block_type { /* numbers are part of the format */
                  BLOCK_FREE_SET = 1,
                  BLOCK_STATE = 2,
                  BLOCK_SCHEMA = 3,
                  BLOCK_MANIFEST = 4,
                  BLOCK_ROOT = 5,
                  BLOCK_LEAF = 6,
                  BLOCK_VALUE = 7,
                  BLOCK_FILTER = 8,
};

/* As it lies on disk, little-endian. The compiler refuses padding, so no byte is left unwritten. */
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"
struct block_header {
    uint8_t checksum[16]; /*   0  of bytes [16, size), seeded with the file id */
    uint8_t file_id[16];  /*  16  a block of another file is not ours, however whole */
    uint64_t address;     /*  32  from 1; a block found anywhere else was misdirected */
    uint64_t snapshot;    /*  40  the beat that wrote it */
    uint32_t size;        /*  48  bytes in use, these 128 included */
    uint16_t tree;        /*  52  0: belongs to no tree */
    uint8_t type;         /*  54  enum block_type */
    uint8_t version;      /*  55  BLOCK_VERSION */
    uint8_t metadata[64]; /*  56  the type's own */
    uint8_t reserved[8];  /* 120  zero, and checked to be */
};

/* Names a block, in memory and on disk. */
struct block_reference {
    uint64_t address;         /*  0  0: no block */
    uint64_t copy_address;    /*  8  0: there is no copy (S1) */
    struct checksum checksum; /* 16 */
};
#pragma GCC diagnostic pop
static_assert(sizeof(struct block_header) == BLOCK_HEADER_SIZE, "docs/format.md: block header");
static_assert(offsetof(struct block_header, file_id) == 16, "docs/format.md: block header");
static_assert(offsetof(struct block_header, address) == 32, "docs/format.md: block header");
static_assert(offsetof(struct block_header, snapshot) == 40, "docs/format.md: block header");
static_assert(offsetof(struct block_header, size) == 48, "docs/format.md: block header");
static_assert(offsetof(struct block_header, tree) == 52, "docs/format.md: block header");
static_assert(offsetof(struct block_header, type) == 54, "docs/format.md: block header");
static_assert(offsetof(struct block_header, version) == 55, "docs/format.md: block header");
static_assert(offsetof(struct block_header, metadata) == 56, "docs/format.md: block header");
static_assert(offsetof(struct block_header, reserved) == 120, "docs/format.md: block header");
static_assert(sizeof(struct block_reference) == 32, "docs/format.md: block reference");
static_assert(offsetof(struct block_reference, checksum) == 16, "docs/format.md: block reference");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "these structs are read as they lie");

/* The header at the start of a block, which is aligned to 8 bytes at least. */
struct block_header *block_header_of(uint8_t *block);
const struct block_header *block_header_read(const uint8_t *block);

/* Bytes of the block that are written and read: its size rounded up to SECTOR_SIZE. */
uint32_t block_size_rounded(const uint8_t *block);

/* Last step before a block is written. The caller has set address, snapshot, size, tree, type and
 * metadata; this sets the rest, zeroes the padding behind `size` and returns the checksum, which
 * covers every other field. */
struct checksum block_seal(uint8_t *block, struct checksum file_id);

/* The checksum that the block claims: believed only after block_fault(). */
struct checksum block_checksum(const uint8_t *block);

/* Says why these bytes cannot be a block that we wrote at `address` (0: any), as a literal, or NULL
 * if they can be. The one definition of a valid header, checksum and padding: writers assert it,
 * readers turn it into TACTUS_CORRUPT. `block` has block_size readable bytes; of those, only what
 * its size says is looked at. */
const char *block_fault(
    const uint8_t *block, uint64_t address, uint32_t block_size, struct checksum file_id
);

/* Why this reference cannot be one of ours, in a file with blocks 1 to block_count, or NULL. A
 * reference to no block (all zero) is fine. */
const char *block_reference_fault(const struct block_reference *reference, uint64_t block_count);

bool block_reference_equal(struct block_reference a, struct block_reference b);

#endif
