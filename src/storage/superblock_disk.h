/* A copy of the superblock as it lies on disk. Only storage/superblock.c and tools that show bytes
 * include this; see docs/format.md.
 *
 *   0        8           24     25         32                                          4096
 *   | magic  | checksum  | copy | reserved | version, options, checkpoint ... reserved |
 *                                          |<------------ checksum covers ------------>|
 *
 * The checksum leaves out the copy's number, so that all copies of one sequence have the same. It
 * is seeded with zero: the file id, which seeds all others, is in here. Later formats keep magic,
 * checksum, copy, version, sequence, file_id and parent where they are, so that any library can say
 * which format a file has. */
#ifndef TACTUS_STORAGE_SUPERBLOCK_DISK_H
#define TACTUS_STORAGE_SUPERBLOCK_DISK_H

#include "storage/superblock.h"
#include "storage/superblock_quorum.h"

#define SUPERBLOCK_MAGIC "TACTUSDB"
enum { SUPERBLOCK_MAGIC_SIZE = 8, SUPERBLOCK_CHECKSUM_FROM = 32 };

#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"
struct superblock_disk {
    uint8_t magic[SUPERBLOCK_MAGIC_SIZE]; /*   0 */
    uint8_t checksum[16];                 /*   8  of bytes [32, 4096) */
    uint8_t copy;             /*  24  the slot it was written for: no checksum covers it */
    uint8_t reserved_head[7]; /*  25  zero, and checked to be, as all reserved bytes are */

    uint32_t version;    /*  32 */
    uint32_t block_size; /*  36 */
    uint64_t sequence;   /*  40 */
    uint8_t file_id[16]; /*  48 */
    uint8_t parent[16];  /*  64 */

    uint64_t epoch;                       /*  80 */
    uint64_t epoch_first_op;              /*  88 */
    uint64_t journal_bytes;               /*  96 */
    uint64_t size_max;                    /* 104 */
    uint32_t batch_max;                   /* 112 */
    uint32_t bar_beats;                   /* 116 */
    uint32_t growth_factor;               /* 120 */
    uint32_t tables_max;                  /* 124 */
    uint32_t keep;                        /* 128 */
    uint32_t snapshots_max;               /* 132 */
    uint32_t runs_max[SUPERBLOCK_LEVELS]; /* 136 */
    uint8_t reserved_options[92];         /* 164 */
    struct trailer_reference schema;      /* 256 */
    uint8_t reserved_schema[8];           /* 312 */

    uint64_t op_covered;                    /* 320 */
    uint64_t op_captured;                   /* 328 */
    uint64_t beat_capture;                  /* 336 */
    uint64_t journal_offset;                /* 344 */
    uint8_t journal_predecessor[16];        /* 352 */
    struct trailer_reference state;         /* 368 */
    struct trailer_reference acquired;      /* 424 */
    struct trailer_reference released;      /* 480 */
    struct block_reference manifest_oldest; /* 536 */
    struct block_reference manifest_newest; /* 568 */
    uint64_t manifest_block_count;          /* 600 */
    uint64_t block_count;                   /* 608 */
    uint64_t file_block_count;              /* 616 */
    uint8_t reserved[3472];                 /* 624 */
};
#pragma GCC diagnostic pop
static_assert(sizeof(struct trailer_reference) == 56, "docs/format.md: trailer reference");
static_assert(offsetof(struct trailer_reference, size) == 32, "docs/format.md: trailer reference");
static_assert(offsetof(struct trailer_reference, checksum) == 40, "docs/format.md: trailer");
static_assert(sizeof(struct superblock_disk) == SUPERBLOCK_SIZE, "docs/format.md: superblock");
static_assert(offsetof(struct superblock_disk, checksum) == 8, "docs/format.md: superblock");
static_assert(offsetof(struct superblock_disk, copy) == 24, "docs/format.md: superblock");
static_assert(
    offsetof(struct superblock_disk, version) == SUPERBLOCK_CHECKSUM_FROM, "the checksum covers it"
);
static_assert(offsetof(struct superblock_disk, block_size) == 36, "docs/format.md: superblock");
static_assert(offsetof(struct superblock_disk, sequence) == 40, "docs/format.md: superblock");
static_assert(offsetof(struct superblock_disk, file_id) == 48, "docs/format.md: superblock");
static_assert(offsetof(struct superblock_disk, parent) == 64, "docs/format.md: superblock");
static_assert(offsetof(struct superblock_disk, epoch) == 80, "docs/format.md: superblock");
static_assert(offsetof(struct superblock_disk, epoch_first_op) == 88, "docs/format.md: superblock");
static_assert(offsetof(struct superblock_disk, journal_bytes) == 96, "docs/format.md: superblock");
static_assert(offsetof(struct superblock_disk, size_max) == 104, "docs/format.md: superblock");
static_assert(offsetof(struct superblock_disk, batch_max) == 112, "docs/format.md: superblock");
static_assert(offsetof(struct superblock_disk, bar_beats) == 116, "docs/format.md: superblock");
static_assert(offsetof(struct superblock_disk, growth_factor) == 120, "docs/format.md: superblock");
static_assert(offsetof(struct superblock_disk, tables_max) == 124, "docs/format.md: superblock");
static_assert(offsetof(struct superblock_disk, keep) == 128, "docs/format.md: superblock");
static_assert(offsetof(struct superblock_disk, snapshots_max) == 132, "docs/format.md: superblock");
static_assert(offsetof(struct superblock_disk, runs_max) == 136, "docs/format.md: superblock");
static_assert(offsetof(struct superblock_disk, schema) == 256, "docs/format.md: superblock");
static_assert(offsetof(struct superblock_disk, op_covered) == 320, "docs/format.md: superblock");
static_assert(offsetof(struct superblock_disk, op_captured) == 328, "docs/format.md: superblock");
static_assert(offsetof(struct superblock_disk, beat_capture) == 336, "docs/format.md: superblock");
static_assert(
    offsetof(struct superblock_disk, journal_offset) == 344, "docs/format.md: superblock"
);
static_assert(
    offsetof(struct superblock_disk, journal_predecessor) == 352, "docs/format.md: superblock"
);
static_assert(offsetof(struct superblock_disk, state) == 368, "docs/format.md: superblock");
static_assert(offsetof(struct superblock_disk, acquired) == 424, "docs/format.md: superblock");
static_assert(offsetof(struct superblock_disk, released) == 480, "docs/format.md: superblock");
static_assert(
    offsetof(struct superblock_disk, manifest_oldest) == 536, "docs/format.md: superblock"
);
static_assert(
    offsetof(struct superblock_disk, manifest_newest) == 568, "docs/format.md: superblock"
);
static_assert(
    offsetof(struct superblock_disk, manifest_block_count) == 600, "docs/format.md: superblock"
);
static_assert(offsetof(struct superblock_disk, block_count) == 608, "docs/format.md: superblock");
static_assert(
    offsetof(struct superblock_disk, file_block_count) == 616, "docs/format.md: superblock"
);
static_assert(offsetof(struct superblock_disk, reserved) == 624, "docs/format.md: superblock");

/* Fills every byte of *disk, as copy 0, and returns the checksum. superblock_fault() must be
 * NULL. */
struct checksum superblock_disk_encode(
    struct superblock_disk *disk, const struct superblock *superblock
);

/* What the quorum needs to know of these bytes, whatever they are. */
struct quorum_copy superblock_disk_judge(const struct superblock_disk *disk);

bool superblock_disk_has_magic(const struct superblock_disk *disk);

/* The format's number; of a copy that is valid. */
uint32_t superblock_disk_version(const struct superblock_disk *disk);

/* Reads a valid copy of our version; checksum and is_whole are left alone. Returns why it cannot be
 * ours, as a literal (reserved bytes are not zero), or NULL; the values are still to be checked by
 * superblock_fault(). */
const char *superblock_disk_decode(
    const struct superblock_disk *disk, struct superblock *superblock
);

#endif
