/* One tree over a simulated disk, with the beat boundary as the forest has it (R8), for tests. */
#ifndef TACTUS_TESTS_LSM_FIXTURE_H
#define TACTUS_TESTS_LSM_FIXTURE_H

#include "lsm/lookup.h"
#include "lsm/scan_tree.h"
#include "lsm/tree.h"
#include "support/storage_fixture.h"

struct lsm_fixture_options {
    struct record_shape shape;
    enum tree_usage usage;
    bool point_lookups;
    uint32_t record_max;
    uint32_t bar_beats;
    uint32_t growth_factor;    /* 0: 4 */
    uint32_t runs_max[LEVELS]; /* 0: 1 */
    uint32_t tables_max;       /* 0: 1024 */
    uint32_t compaction_depth; /* 0: the default */
    uint32_t overlay_count;    /* > 0: read-only */
    bool coalesces;
    uint32_t scan_cursors;    /* of the pool; 0: as many as one scan can need */
    uint32_t cache_frames;    /* 0: 8 */
    uint64_t block_count_max; /* 0: 8192 */
};

enum {
    LSM_FIXTURE_TREE = 3,
    LSM_FIXTURE_LOOKUPS = 4,
    LSM_FIXTURE_SCANS = 3,
    LSM_FIXTURE_SUPPLY = 4096
};

struct lsm_fixture {
    struct lsm_fixture_options options;
    struct storage_fixture storage;
    struct node_pool nodes;
    struct manifest_log log;
    struct block_supply supply;
    struct compaction_pool pool;
    struct lsm_shared shared;
    struct tree tree;
    struct scan_pool scan_pool;
    struct scan_tree scan;
    struct scan_tree other_scans[LSM_FIXTURE_SCANS - 1]; /* of the same pool */
    void *region;                                        /* owned */

    uint64_t beat;          /* the open one */
    uint64_t beat_captured; /* of the last checkpoint; UINT64_MAX: there is none but the first */
    uint64_t half_bars;     /* whose compactions ran */
};

/* A disk for it, as long as the zones before the grid. */
struct simulated_disk *lsm_fixture_disk(uint64_t seed, const struct lsm_fixture_options *options);

/* Sets everything up in memory; then either create or open. */
void lsm_fixture_begin(
    struct lsm_fixture *fixture,
    struct simulated_disk *disk,
    const struct lsm_fixture_options *options
);
void lsm_fixture_create(struct lsm_fixture *fixture);

/* Opens the last checkpoint; the open beat is the first of the bar that it was captured after,
 * whose records are still to be put again. */
enum tactus_status lsm_fixture_open(struct lsm_fixture *fixture);

/* Drops everything but the disk, whatever is under way. */
void lsm_fixture_end(struct lsm_fixture *fixture);

/* The boundary to the next beat, steps 3 to 8. What the checkpoint has is not done again. With
 * `capture` and at a bar's end, a checkpoint; it takes effect one beat later. OK, or what the
 * compaction or checkpoint ran into. */
enum tactus_status lsm_fixture_boundary(struct lsm_fixture *fixture, bool capture);

/* Boundaries up to the end of the bar. */
enum tactus_status lsm_fixture_bar(struct lsm_fixture *fixture, bool capture);

/* Waits for one lookup, mutable table included: OK and *found, or the fault's status. */
enum tactus_status lsm_fixture_get(
    struct lsm_fixture *fixture, struct key key, void *record, bool *found
);

/* The same beneath the mutable table, at any snapshot that the tree can answer for. */
enum tactus_status lsm_fixture_look_up(
    struct lsm_fixture *fixture, uint64_t snapshot, struct key key, void *record, bool *found
);

/* Waits for the scan's next record. SCAN_READ_AGAIN is never given. */
enum scan_result lsm_fixture_next(struct lsm_fixture *fixture, const void **record);

/* Frames that are referenced once nothing is in flight, but for the log's open block: 0, unless
 * something is under way or was not given back. */
uint32_t lsm_fixture_pinned(struct lsm_fixture *fixture);

/* A checksum of all that must be the same in every run: tables, log, free set. */
struct checksum lsm_fixture_image(const struct lsm_fixture *fixture);

#endif
