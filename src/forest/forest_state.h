/* What the forest keeps in a checkpoint's state trailer: the highest timestamps, and counts that
 * depend on the history alone. docs/format.md, "State".
 *
 *    0  version              u32   1
 *    4  collection_count     u32
 *    8  counters             u64 each, in the order of struct forest_counters
 *   ..  timestamp_last       u64 for each collection, in the order of the schema
 *
 * All little-endian. */
#ifndef TACTUS_FOREST_FOREST_STATE_H
#define TACTUS_FOREST_FOREST_STATE_H

#include "forest/schema.h"

#include <stdint.h>

/* Counted since the file was made, up to the op that the checkpoint captured. */
struct forest_counters {
    uint64_t transactions;
    uint64_t inserts;
    uint64_t updates;
    uint64_t removes;
    uint64_t beats;
    uint64_t checkpoints;
    uint64_t merges; /* compactions that were no moves */
    uint64_t moves;
    uint64_t tables_written;
    uint64_t records_written;
    uint64_t records_dropped;
    uint64_t records_replaced;
    uint64_t records_cancelled;
};

enum {
    FOREST_COUNTER_COUNT = sizeof(struct forest_counters) / sizeof(uint64_t),
    FOREST_STATE_SIZE_MAX = 8 + (FOREST_COUNTER_COUNT + COLLECTIONS_MAX) * 8
};

struct forest_state {
    struct forest_counters counters;
    uint32_t collection_count;
    uint64_t timestamp_last[COLLECTIONS_MAX];
};

/* Writes it into `bytes`, FOREST_STATE_SIZE_MAX of them, and returns how many it took. */
uint64_t forest_state_encode(const struct forest_state *state, uint8_t *bytes);

/* Reads it. Why it cannot be the state of a file with so many collections, or NULL. */
const char *forest_state_decode(
    struct forest_state *state, const uint8_t *bytes, uint64_t size, uint32_t collection_count
);

#endif
