/* A small file on a simulated disk that holds blocks of every type, for tests of what looks after
 * files: verify, inspect, repair, digest.
 *
 * Two collections: `sale` with an id, three indexes (one composite, one that leaves zero out) and
 * an optional field; `note` without an id, with one hashed index. A map, `stock`. Blocks of 4 KiB,
 * batch 64, bar 4, so that a few thousand objects fill several levels. What an object holds follows
 * from its number, so that a reader can tell a wrong answer from a right one without a copy of the
 * data. */
#ifndef TACTUS_TESTS_CARE_FIXTURE_H
#define TACTUS_TESTS_CARE_FIXTURE_H

#include "database/database.h"
#include "database/report.h"
#include "support/simulated_disk.h"

extern const char *const care_schema;

/* As `codegen c` would print them. */
struct care_sale {
    uint64_t id;
    uint64_t timestamp;
    uint32_t customer;
    int32_t quantity;
    int64_t at;
    char country[8];
};
struct care_note {
    uint64_t timestamp;
    char words[16];
};
struct care_stock {
    uint64_t key;
    int32_t count;
    uint8_t is_open; /* a bool */
    char place[9];
    uint8_t padding_0[2];
};

/* A disk with a new, empty file. Owned by the caller. */
struct simulated_disk *care_disk_new(uint64_t seed);

/* The same, which keeps released blocks for so many checkpoints. */
struct simulated_disk *care_disk_keeping(uint64_t seed, uint32_t keep);

/* Opens it, read-only or not; NULL: refused, *status says why. sync is NONE. */
tactus_db *care_open(struct simulated_disk *disk, bool read_only, enum tactus_status *status);
void care_close(tactus_db *db);

/* Inserts sales number first to first + count - 1 and a note for each fourth, and puts a stock for
 * each second, 40 objects a transaction; expects OK. */
void care_insert(tactus_db *db, uint64_t first, uint64_t count);

/* Updates every third of them (another customer), and removes every fifth; the stock alike, and
 * deletes keys that are not there. */
void care_change(tactus_db *db, uint64_t first, uint64_t count);

/* A file with `count` sales, inserted, changed, then checkpointed, then `tail` more in the journal
 * alone; closed. */
struct simulated_disk *care_disk_filled(uint64_t seed, uint64_t count, uint64_t tail);

/* Reads everything in every way: all objects by a full scan, by id, key and each index; expects of
 * each answer that it is right for a file made by care_disk_filled(). CORRUPT, and that alone, is
 * the other answer there may be. */
enum tactus_status care_read_all(tactus_db *db, uint64_t count, uint64_t tail);

/* Runs verify over the disk. Lines are kept if `lines` is not NULL, "" otherwise. */
struct care_verdict {
    enum tactus_status status;
    uint64_t fault_count, warning_count;
    char lines[16384]; /* each ends with \n; what does not fit is left out */
};
void care_verify(struct simulated_disk *disk, struct care_verdict *verdict);

/* Keeps a report's lines in a care_verdict: a tactus_report_fn. */
void care_report(void *context, enum tactus_severity severity, const char *line);

/* The file's options and zones, as they lie on the disk. */
struct superblock care_superblock(struct simulated_disk *disk);
struct layout care_layout(struct simulated_disk *disk);

#endif
