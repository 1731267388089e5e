#ifndef TACTUS_STORAGE_JOURNAL_CHAIN_H
#define TACTUS_STORAGE_JOURNAL_CHAIN_H

#include "storage/journal.h"

/* Reading the journal's ring and walking its chain: what recovery, replay, repair and inspection
 * have in common. For src/storage/journal*.c alone. */

/* What was found where the next entry of a cursor should begin. */
struct journal_find {
    bool valid;       /* the entry is there, whole */
    bool header_fits; /* its header is there and fits the chain; `valid` or the body is damaged */
    uint64_t offset;  /* in the ring: where it is, or was sought first */
    const char *what; /* a literal: why it is not valid; else NULL */

    struct journal_header header; /* where header_fits */
    struct checksum physical;     /* likewise: names this very copy */
    struct checksum logical;      /* likewise: what its successor names */
    const uint8_t *entry;         /* where valid: borrowed until the next read of the ring */
    bool is_newer;                /* one that would fit is of an epoch above the superblock's */
    bool unreadable_near;         /* the disk did not read all that was read on the way */

    bool has_checksums; /* of what does not match */
    struct checksum wanted, found;
};

/* Bytes [offset, offset + size) of the ring, through the journal's one buffer: borrowed until the
 * next read. Both are multiples of a sector, within the ring, size at most entry_bytes_max. Sectors
 * that cannot be read are zero. */
enum tactus_status journal_window(
    struct journal *journal, uint64_t offset, uint64_t size, const uint8_t **bytes
) __attribute__((warn_unused_result));

/* Reads exactly these bytes again: whether the disk fails to read some of them. */
enum tactus_status journal_is_unreadable(
    struct journal *journal, uint64_t offset, uint64_t size, bool *unreadable
) __attribute__((warn_unused_result));

/* Whether the cursor's next entry may begin at the ring's start rather than at next.offset (J1):
 * the largest entry would not fit before the end, and the start is not in use. */
bool journal_cursor_may_wrap(const struct journal *journal, const struct journal_cursor *cursor);

/* Whether an epoch can be one that was reached from the superblock's, or before it: what looks like
 * a header of a far later one was not written by us. */
bool journal_epoch_is_ours(const struct journal *journal, uint64_t epoch);

/* Looks at both places for the cursor's next entry: header, chain, currentness (S3), body. */
enum tactus_status journal_find_next(
    struct journal *journal, const struct journal_cursor *cursor, struct journal_find *find
) __attribute__((warn_unused_result));

/* Moves behind an entry that was found valid. */
void journal_cursor_advance(
    const struct journal *journal, struct journal_cursor *cursor, const struct journal_find *find
);

/* Notes that the cursor's next entry was durable and is not whole; returns TACTUS_CORRUPT. */
enum tactus_status journal_corrupt(
    struct journal *journal,
    const struct journal_cursor *cursor,
    const struct journal_find *find,
    enum fault_answer acknowledged
) __attribute__((warn_unused_result));

#endif
