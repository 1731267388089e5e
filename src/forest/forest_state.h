/* What the forest keeps in a checkpoint's state trailer: the highest timestamps, and counts that
 * depend on the history alone. docs/format.md, "State".
 *
 *    0  version              u32   1
 *    4  collection_count     u16
 *    6  flags                u16   1: short of room
 *    8  counters             u64 each, in the order of struct forest_counters
 *   ..  timestamp_last       u64 for each collection, in the order of the schema
 *
 * All little-endian. */
#ifndef TACTUS_FOREST_FOREST_STATE_H
#define TACTUS_FOREST_FOREST_STATE_H

#include "forest/schema.h"
#include "lsm/manifest_level.h"

#include <stdbool.h>
#include <stdint.h>

/* Of one target level, all trees. */
struct forest_level_counters {
    uint64_t tables_written;
    uint64_t tables_moved;   /* into it from the level above, as they were */
    uint64_t blocks_written; /* of those written: values and all that leads to them */
    uint64_t records_in;     /* read by compactions into it, of both sides */
    uint64_t records_written;
    uint64_t bytes_written;  /* of these records */
    uint64_t slices;         /* of the merges: those of several runs */
    uint64_t tables_trimmed; /* of the tables read: those that a slice left the upper part of */
};

/* Counted since the file was made, up to the op that the checkpoint captured. Compactions count
 * when they are applied, at the end of their half-bar. All are uint64_t, so that the order of the
 * fields is that of the file. */
struct forest_counters {
    uint64_t transactions;
    uint64_t inserts;
    uint64_t updates;
    uint64_t removes;
    uint64_t puts;            /* of maps, as are the next */
    uint64_t deletes;         /* of keys, there or not */
    uint64_t bytes_committed; /* objects; 8 for each remove; the keys deleted */
    uint64_t bytes_journal;   /* entries, rounded as they lie in the ring */
    uint64_t beats;
    uint64_t checkpoints;
    uint64_t merges;           /* compactions that were no moves */
    uint64_t deferrals;        /* immutable tables whose flush was put off by a bar */
    uint64_t tables_coalesced; /* neighbours that a merge took in, to fill its last table */
    uint64_t records_dropped;
    uint64_t records_replaced;
    uint64_t records_cancelled;
    uint64_t log_blocks_compacted; /* of the manifest log, by its own compaction */
    uint64_t log_events_copied;    /* of these blocks' events: those that still counted */
    struct forest_level_counters levels[LEVELS];
};

enum {
    FOREST_COUNTER_COUNT = sizeof(struct forest_counters) / sizeof(uint64_t),
    FOREST_STATE_SIZE_MAX = 8 + (FOREST_COUNTER_COUNT + COLLECTIONS_MAX) * 8
};

/* No history comes to it: 4 GB/s for 36 years. So nothing that is added at runtime runs over. */
#define FOREST_COUNTER_MAX (UINT64_C(1) << 62)

/* Over all levels. */
struct forest_level_counters forest_counters_sum(const struct forest_counters *counters);

struct forest_state {
    struct forest_counters counters;
    uint32_t collection_count;
    bool short_of_room; /* the beat behind a complete checkpoint was opened in haste (S7) */
    uint64_t timestamp_last[COLLECTIONS_MAX];
};

/* Writes it into `bytes`, FOREST_STATE_SIZE_MAX of them, and returns how many it took. */
uint64_t forest_state_encode(const struct forest_state *state, uint8_t *bytes);

/* Reads it. Why it cannot be the state of a file with so many collections, or NULL. */
const char *forest_state_decode(
    struct forest_state *state, const uint8_t *bytes, uint64_t size, uint32_t collection_count
);

/* Why a state that was read cannot be that of a file with this schema, or NULL. */
const char *forest_state_fault(const struct forest_state *state, const struct schema *schema);

#endif
