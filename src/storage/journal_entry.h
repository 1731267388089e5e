#ifndef TACTUS_STORAGE_JOURNAL_ENTRY_H
#define TACTUS_STORAGE_JOURNAL_ENTRY_H

#include "base/assert.h"
#include "base/checksum.h"
#include "storage/layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One entry of the journal (write-ahead log): a header of 256 bytes, the body, zeros up to the next
 * multiple of 4 KiB. The bytes, and what makes them valid; where they lie is journal.h's.
 *
 * A header has two parts. The *logical* part says what happened, and is the same whenever the same
 * history is run again; the *physical* part says how this copy came to the disk. Entries are
 * chained by checksums of logical parts only: each holds the one of its predecessor. */
enum {
    JOURNAL_LOGICAL_OFFSET = 64, /* the logical part is bytes [64, 256) */
    JOURNAL_ALIGNMENT = 4096,    /* of entries: no two share a sector */
    JOURNAL_ENTRY_VERSION = 1,
};

/* Of what the largest entry of a file may be: one request writes an entry whole. */
#define JOURNAL_ENTRY_BYTES_MAX_MAX (UINT64_C(1) << 30)

/* Of ops, epochs and beats: so none of them runs over, whoever made the file. */
#define JOURNAL_COUNTER_LIMIT (UINT64_C(1) << 62)

enum journal_kind {
    JOURNAL_TRANSACTION = 1,
    JOURNAL_CHECKPOINT = 2, /* an operation of the history without events: storage.md S9 */
};

enum journal_flag {
    /* The file was short of room when this op closed a beat: what it opened was worked on in haste
     * (storage.md S7). Part of the history, as the room on a disk is not. */
    JOURNAL_SHORT_OF_ROOM = 1,
};

/* The header as it lies on disk: little-endian, read and written through base/bytes.h. */
#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"
struct journal_entry_disk {
    uint8_t checksum[16];          /*   0  physical: of bytes [16, 256), seeded by the file's id */
    uint64_t epoch;                /*  16  of the open for writing that wrote it; never 0 */
    uint64_t durable_op;           /*  24  the highest op known durable when this was sealed */
    uint64_t offset;               /*  32  where in the ring it begins: misdirected ones show */
    uint8_t reserved_physical[24]; /*  40  zero */
    uint8_t predecessor[16];       /*  64  logical checksum of op - 1; zero for op 1 */
    uint8_t body_checksum[16];     /*  80  of bytes [256, size) of the entry, seeded likewise */
    uint8_t file_id[16];           /*  96 */
    uint64_t op;                   /* 112  from 1, without gaps */
    uint64_t beat;                 /* 120  the beat it belongs to */
    uint64_t timestamp;            /* 128  the caller's: nothing here looks into it */
    uint64_t size;                 /* 136  bytes in use: header and body */
    uint32_t event_count;          /* 144 */
    uint8_t kind;                  /* 148  enum journal_kind */
    uint8_t version;               /* 149  JOURNAL_ENTRY_VERSION */
    uint8_t flags;                 /* 150  enum journal_flag, or 0 */
    uint8_t reserved_logical[105]; /* 151  zero */
};
#pragma GCC diagnostic pop
static_assert(sizeof(struct journal_entry_disk) == JOURNAL_HEADER_SIZE, "docs/format.md: 256");
static_assert(offsetof(struct journal_entry_disk, epoch) == 16, "docs/format.md: 16");
static_assert(offsetof(struct journal_entry_disk, offset) == 32, "docs/format.md: 32");
static_assert(
    offsetof(struct journal_entry_disk, predecessor) == JOURNAL_LOGICAL_OFFSET, "docs/format.md: 64"
);
static_assert(offsetof(struct journal_entry_disk, body_checksum) == 80, "docs/format.md: 80");
static_assert(offsetof(struct journal_entry_disk, op) == 112, "docs/format.md: 112");
static_assert(offsetof(struct journal_entry_disk, size) == 136, "docs/format.md: 136");
static_assert(offsetof(struct journal_entry_disk, event_count) == 144, "docs/format.md: 144");
static_assert(offsetof(struct journal_entry_disk, version) == 149, "docs/format.md: 149");

/* The same, as we use it. */
struct journal_header {
    uint64_t epoch, durable_op, offset;
    struct checksum predecessor, body_checksum;
    uint64_t op, beat, timestamp;
    uint64_t size; /* header and body, without the zeros after them */
    uint32_t event_count;
    enum journal_kind kind;
    bool short_of_room;
};

/* What headers are measured against: the same for every entry of a file. */
struct journal_ring {
    struct checksum file_id;
    uint64_t journal_bytes;   /* of the ring; a multiple of 4096 */
    uint64_t entry_bytes_max; /* of an entry; a multiple of 4096, at most journal_bytes */
};

/* Bytes that an entry with such a body takes in the ring: header and body, rounded up to 4 KiB. The
 * body's size must be one that an entry can have. */
uint64_t journal_entry_rounded(uint64_t body_size);

/* Makes the entry whole: the body is at entry + 256 already. Writes the header (body_checksum is
 * computed, the one given is not looked at) and the zeros up to the next 4 KiB, the physical
 * checksum last. Returns the logical checksum, which the next entry must name. */
struct checksum journal_entry_seal(
    uint8_t *entry, const struct journal_header *header, const struct journal_ring *ring
);

/* Says why these 256 bytes cannot be a header that we wrote, or NULL if they can be. The one
 * definition of a valid header: writers assert it, readers turn it into a status. No field is
 * believed before this has answered NULL. */
const char *journal_header_fault(const uint8_t *bytes, const struct journal_ring *ring);

/* The fields of a header that has no fault. */
struct journal_header journal_header_decode(const uint8_t *bytes);

/* The physical checksum as stored, and as these bytes would have it. */
struct checksum journal_header_checksum_stored(const uint8_t *bytes);
struct checksum journal_header_checksum_computed(const uint8_t *bytes, struct checksum file_id);

/* What the successor of this entry names as its predecessor. */
struct checksum journal_header_logical_checksum(const uint8_t *bytes, struct checksum file_id);

/* Says why what follows the header (`entry` holds journal_entry_rounded bytes) is not the body that
 * was sealed, padding included, or NULL. The header has no fault. */
const char *journal_body_fault(
    const uint8_t *entry, const struct journal_header *header, const struct journal_ring *ring
);

/* S3: whether an entry or redundant header belongs to the history that a superblock with this epoch
 * goes on with. What was cut by a recovery never does while it could do harm. */
bool journal_header_is_current(
    const struct journal_header *header, uint64_t epoch, uint64_t epoch_first_op
);

#endif
