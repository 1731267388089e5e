#ifndef TACTUS_STORAGE_JOURNAL_HEADERS_H
#define TACTUS_STORAGE_JOURNAL_HEADERS_H

#include "base/bit_set.h"
#include "base/budget.h"
#include "base/status.h"
#include "io/reactor.h"
#include "storage/journal_entry.h"
#include "storage/layout.h"

#include <stdbool.h>
#include <stdint.h>

/* The ring of redundant headers: copies of entry headers in other sectors, written only after the
 * flush that covers their entry (S2). So a valid one proves that its entry was whole and durable;
 * that is all they are for: telling a torn tail from a damaged entry.
 *
 *   slot = op mod (journal_bytes / 4096), 16 slots of 256 bytes to a sector.
 *
 * Every entry takes at least 4 KiB of the journal, so live ops never share a slot.
 *
 *   H1  The image holds the header of every entry appended, the not yet durable ones included; what
 *       goes to the disk is a copy of a sector without those.
 *   H2  At most one write of a sector is in flight; the bytes in flight never change.
 *   H3  A sector is dirty while a durable header in the image was not handed to the disk. */
enum {
    JOURNAL_HEADERS_PER_SECTOR = 16,
    JOURNAL_HEADER_WRITES = 4,
    JOURNAL_HEADER_WRITE_SECTORS = 16, /* of one write, at most */
};

struct journal_headers_write {
    struct io_request request; /* IO_IDLE: free */
    uint64_t sector;           /* the first one */
    uint8_t *buffer;           /* owned by the budget: write_sectors sectors */
};

struct journal_headers {
    struct reactor *reactor; /* borrowed until close */
    struct fault *fault;     /* borrowed until close; may be NULL */
    struct journal_ring ring;
    uint64_t offset; /* of the zone in the file */
    uint64_t bytes;  /* of the zone */
    uint64_t slot_count, sector_count;
    uint64_t write_sectors; /* most in one write: less than the zone holds */

    uint8_t *image;       /* owned by the budget: the whole zone */
    struct bit_set dirty; /* by sector: H3 */
    uint64_t dirty_count;
    struct journal_headers_write writes[JOURNAL_HEADER_WRITES];
    enum tactus_status status; /* of the first write that failed */
    uint64_t write_count;      /* handed to the disk since init */
};

void journal_headers_init(
    struct journal_headers *headers,
    struct budget *budget,
    struct reactor *reactor,
    const struct layout *layout,
    const struct journal_ring *ring
);

/* Reads the zone into the image. A slot whose bytes are no valid header of an op that belongs there
 * becomes zero in the image; *bad_count is how many of those were not zero. Where the disk cannot
 * read a sector, its slots count as bad. */
enum tactus_status journal_headers_load(struct journal_headers *headers, uint64_t *bad_count)
    __attribute__((warn_unused_result));

/* The 256 bytes of a slot of the image, or NULL if it is empty. */
const uint8_t *journal_headers_slot(const struct journal_headers *headers, uint64_t slot);

/* The header of `op` in the image, or NULL if its slot is empty or another op's. */
const uint8_t *journal_headers_get(const struct journal_headers *headers, uint64_t op);

/* Puts a header that was sealed into the image. Nothing is written for it. */
void journal_headers_put(struct journal_headers *headers, uint64_t op, const uint8_t *bytes);

/* The headers of ops first..last (none if last < first) may go to the disk: their entries are
 * durable. */
void journal_headers_cover(struct journal_headers *headers, uint64_t first, uint64_t last);

bool journal_headers_are_dirty(const struct journal_headers *headers);

/* Hands dirty sectors to the disk without waiting for any, neighbours together: what finds no free
 * write, or has a write of its sector in flight, stays dirty until the next call. Headers of ops >
 * op_durable are left out. The status is the first failure of any header write so far. */
enum tactus_status journal_headers_submit(struct journal_headers *headers, uint64_t op_durable)
    __attribute__((warn_unused_result));

/* The same, waiting until no sector is dirty. Writes may still be in flight after it. */
enum tactus_status journal_headers_submit_all(struct journal_headers *headers, uint64_t op_durable)
    __attribute__((warn_unused_result));

/* A write that is in flight, or NULL. */
struct io_request *journal_headers_in_flight(struct journal_headers *headers);

/* Waits until no write is in flight. */
enum tactus_status journal_headers_finish(struct journal_headers *headers)
    __attribute__((warn_unused_result));

#endif
