/* A journal over a simulated disk, with a superblock that is only a struct: what a test stores
 * there counts as durable at once. Tests of the journal alone. */
#ifndef TACTUS_TESTS_JOURNAL_FIXTURE_H
#define TACTUS_TESTS_JOURNAL_FIXTURE_H

#include "base/integer.h"
#include "base/status.h"
#include "io/reactor.h"
#include "storage/journal.h"
#include "storage/superblock.h"
#include "support/simulated_disk.h"
#include "support/test.h"

struct journal_fixture {
    struct simulated_disk *disk; /* owned */
    struct reactor reactor;
    struct layout layout;
    struct superblock superblock;
    struct fault fault; /* of the last open, and of what came after it */
    uint64_t entry_bytes_max;
    void *region; /* owned: the journal's memory */
    struct journal journal;
};

/* A formatted, empty journal of so many sectors; not open yet. `at_submission`: every request is
 * done when it is submitted, so that tests can count on what the disk holds. */
void journal_fixture_new(
    struct journal_fixture *fixture,
    uint64_t ring_sectors,
    uint64_t entry_sectors,
    uint64_t seed,
    bool at_submission
);
void journal_fixture_free(struct journal_fixture *fixture);

/* Drops what is open, as a killed process does, and recovers. */
enum tactus_status journal_fixture_open(struct journal_fixture *fixture);
enum tactus_status journal_fixture_open_read_only(struct journal_fixture *fixture);

/* The same without recovering: for truncate and walk. */
void journal_fixture_attach(struct journal_fixture *fixture, bool read_only);

/* Raises the epoch in the superblock and opens for append (S5). */
void journal_fixture_raise(struct journal_fixture *fixture);

/* Open, expecting OK, and raise. */
void journal_fixture_reopen(struct journal_fixture *fixture);

/* Appends a body of `body_size` bytes made from `content`. */
enum tactus_status journal_fixture_append(
    struct journal_fixture *fixture, uint64_t body_size, uint64_t content, enum journal_sync sync
);

/* Fills a body as journal_fixture_append does. */
void journal_fixture_fill(uint8_t *body, uint64_t body_size, uint64_t content);

/* As a checkpoint does that covers everything: flush, superblock, tail. */
void journal_fixture_checkpoint(struct journal_fixture *fixture);

/* Where an op's entry begins in the file, by its redundant header on the disk; it must be there. */
uint64_t journal_fixture_byte_of(const struct journal_fixture *fixture, uint64_t op);
uint64_t journal_fixture_header_byte_of(const struct journal_fixture *fixture, uint64_t op);

/* Whether entries first, first + 1 ... of bodies made from contents[0], contents[1] ... are all
 * that there is to read. */
bool journal_fixture_holds(
    struct journal_fixture *fixture, uint64_t first, const uint64_t *contents, uint64_t count
);

/* Ends the test unless these are the contents of entries first, first + 1 ..., and of no more. */
#define JOURNAL_EXPECT_HOLDS(fixture, first, ...)                                                  \
    do {                                                                                           \
        const uint64_t contents[] = {__VA_ARGS__};                                                 \
        EXPECT(journal_fixture_holds((fixture), (first), contents, COUNT_OF(contents)));           \
    } while (0)

/* Whether these bytes of the disk are all zero. */
bool journal_fixture_is_zero(const struct journal_fixture *fixture, uint64_t byte, uint64_t size);

#endif
