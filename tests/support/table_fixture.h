/* Tables of one tree over a grid on a simulated disk, for tests. */
#ifndef TACTUS_TESTS_TABLE_FIXTURE_H
#define TACTUS_TESTS_TABLE_FIXTURE_H

#include "base/random.h"
#include "lsm/table_builder.h"
#include "lsm/table_reader.h"
#include "support/storage_fixture.h"

struct table_fixture_options {
    struct record_shape shape;
    uint32_t block_size;
    uint32_t value_count_max;
    uint64_t seed; /* of the disk */
};

struct table_fixture {
    struct table_fixture_options options;
    struct storage_fixture_options storage_options;
    struct simulated_disk *disk;
    struct storage_fixture storage;
    struct table_format format;
    uint64_t *hashes; /* owned: for the filter of a table being built */
};

/* An empty grid with room for 4,096 blocks, of which none is acquired. */
void table_fixture_begin(
    struct table_fixture *fixture, const struct table_fixture_options *options
);
void table_fixture_end(struct table_fixture *fixture);

/* Opens the same disk again, with nothing cached, and no block acquired: for reading. */
void table_fixture_reopen(struct table_fixture *fixture);

/* Builds one table of these records, in pieces of random size, and waits for its writes. */
struct table_info table_fixture_build(
    struct table_fixture *fixture, const uint8_t *records, uint32_t count, struct random *random
);

/* Record number `index` of an ascending set: keys have gaps of `gap` between them, spread over all
 * words of the key; every third record is a tombstone. */
void table_fixture_record(
    const struct record_shape *shape, uint8_t *record, uint64_t index, uint64_t gap
);

/* The key of record number `index`, and `above` it: that much higher, at most gap. */
struct key table_fixture_key(
    const struct record_shape *shape, uint64_t index, uint64_t gap, uint64_t above
);

/* Looks a key up: DONE or FAILED, with the record copied (found set) or not there. */
enum progress table_fixture_lookup(
    struct table_fixture *fixture,
    const struct table_info *info,
    struct key key,
    uint8_t *record,
    bool *found
);

/* Advances until the cursor is DONE or FAILED. */
enum progress table_fixture_advance(struct table_fixture *fixture, struct table_cursor *cursor);

/* The key before; the caller knows that there is one. */
static inline struct key key_predecessor(struct key key)
{
    if (key.word[2] == 0 && key.word[1] == 0) key.word[0] -= 1;
    if (key.word[2] == 0) key.word[1] -= 1;
    key.word[2] -= 1;
    return key;
}

#endif
