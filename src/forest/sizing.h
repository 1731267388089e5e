/* What a schema and the options of `create` come to: every option resolved, the sizes of every
 * tree, and what a bar may take of the file. Pure arithmetic: `create`, `open` and `plan` share
 * it.
 *
 * An event is one object operation; R1 counts the records it brings to each tree: one to the
 * object and the id tree, two to an index (a remove and a put). */
#ifndef TACTUS_FOREST_SIZING_H
#define TACTUS_FOREST_SIZING_H

#include "base/status.h"
#include "forest/schema.h"
#include "forest/text_error.h"
#include "lsm/manifest_pace.h"
#include "lsm/record.h"
#include "lsm/table_layout.h"
#include "storage/journal_entry.h"
#include "storage/layout.h"
#include "storage/superblock.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    TABLES_MIN = 1024, /* the least that tables_max is by default (R14) */
    TABLES_LIMIT = 1 << 28,
    TABLE_MEMORY = 200 /* bytes of memory that a table of tables_max is reckoned at */
};

/* No default goes above it: the journal is written in full when the file is made. */
#define JOURNAL_DEFAULT_LIMIT (UINT64_C(512) << 20)

/* One tree: its record, and how many of them come (R1, R12). */
struct tree_sizing {
    struct record_shape shape;
    uint32_t records_per_event; /* 1 or 2 */
    uint32_t record_max;        /* of a transaction, and so of a beat: batch · records_per_event */
    uint32_t value_count_max;   /* of a bar: bar · record_max */
    struct table_geometry geometry;
    uint64_t table_blocks; /* of a full table, its filter included */
    uint64_t memory_bytes; /* of one memory table, with room for the tail */
};

struct sizing {
    uint64_t memory_bytes; /* as asked for, or its default */
    uint32_t block_size;
    uint32_t batch_max;
    uint32_t bar_beats;
    uint32_t growth_factor;
    uint64_t journal_bytes; /* a multiple of 4 KiB */
    uint64_t size_max;      /* a multiple of block_size */
    uint64_t block_count_max;
    uint32_t tables_max;
    uint32_t keep;
    uint32_t snapshots_max;
    uint32_t runs_max[SUPERBLOCK_LEVELS];

    uint32_t tree_count;
    uint64_t
        event_memory_bytes; /* records that one event of each collection brings: a memory table's
                                      share of it */
    uint64_t object_bytes_logical; /* one object of each collection: its records in all trees */
    uint64_t entry_bytes_max;      /* the largest journal entry, a multiple of 4 KiB (S8) */
    uint64_t journal_bytes_min;    /* 6 · bar · entry_bytes_max (S8) */
    uint64_t memory_tables_bytes;  /* mutable and immutable ones, tails included */
    uint64_t sort_scratch_bytes;   /* the most that is sorted at once: a beat and a tail */
    uint64_t filter_hashes_bytes;  /* 8 a key of the largest table with a filter (R12) */
    uint64_t bar_blocks_empty;     /* W of an empty forest (S7) */
    uint64_t log_blocks_bar;       /* of it: the manifest log's share, at worst */
    struct manifest_pace log;      /* how long the manifest log may get */

    struct tree_sizing trees[TREES_MAX]; /* tree t at t - 1 */
};

/* Resolves options (NULL: the defaults; a field of 0: its default) for a schema, and fills
 * `sizing`, whatever it held. MISUSE: an option is out of its range. LIMIT: the options do not
 * fit this schema; `error` (which may be NULL) names what does. */
enum tactus_status sizing_resolve(
    const struct schema *schema,
    const struct tactus_create_options *options,
    struct sizing *sizing,
    struct text_error *error
) __attribute__((warn_unused_result));

/* Whether some level may have several sorted runs. */
bool sizing_has_runs(const struct sizing *sizing);

/* ---- W: the blocks that one bar may acquire (S7) -------------------------------------------- */

/* What S7 asks of the manifest about one tree, when a bar opens. */
struct tree_levels {
    uint32_t table_count[SUPERBLOCK_LEVELS];
    uint32_t overlap_max
        [SUPERBLOCK_LEVELS]; /* [i]: most tables of level i + 1 that one of level i meets */
};

/* So many W are taken before what a bar lets go can be written over: 2 + keep. In haste a
 * checkpoint ends every bar, and its effect comes half way into the next. What bar b released
 * before its own checkpoint becomes free at the effect of the keep-th checkpoint from that one on,
 * half way into bar b + keep. Until then 1 + keep bars, b to b + keep, have acquired W each, and
 * none of it is made up for by what they let go. One W more holds what a beat reserves and does not
 * acquire. So whoever finds so many free when a bar opens lacks no block until what it lets go is
 * back, even if nobody let go of anything before: removals need these. Other commits need twice as
 * many, so that removals have as many left in which their tombstones sink; and a new file has twice
 * as many again. */
uint32_t sizing_bars_kept(const struct sizing *sizing);

/* Most tables that a bar writes in one tree: 1 + n0 + the sum over i < 6 with n(i) or n(i - 1) > 0
 * of (1 + min(growth, o(i) + 1)). Where level i has several runs: no n0, and all of a group, which
 * may have come in this bar, and o(i), for 1 + min(...). Its share of W is as many times the blocks
 * of a full table; the sum over all trees, the log and the trailers is W. */
uint64_t sizing_tree_bar_tables(const struct sizing *sizing, const struct tree_levels *levels);

/* Most events of the manifest log that compactions append which write so many tables: each reads no
 * more tables than it writes, and updates and removes them. The log's own share of W, as it stands,
 * follows from them: manifest_pace_bar_blocks(). */
uint64_t sizing_log_events(uint64_t tables);

/* The share of a checkpoint: the state's and the free set's trailers, at this many allocated
 * blocks. */
uint64_t sizing_trailer_blocks(const struct sizing *sizing, uint64_t blocks_allocated);

/* W of a forest of `objects` objects in each collection, evenly spread, levels filled from the
 * top; the manifest log as busy and as long as it may be. */
uint64_t sizing_bar_blocks(const struct sizing *sizing, uint64_t objects);

/* ---- For `plan` ----------------------------------------------------------------------------- */

/* How many objects of each collection alike fit: the live data and the W that commits must find
 * free under size_max, and tables at least half full under tables_max; *tables_bind says which of
 * the two it is. */
uint64_t sizing_objects_max(const struct sizing *sizing, bool *tables_bind);

/* Bytes written for a byte of record, at worst, in a file of `objects` objects in each collection:
 * full transactions, evenly spread keys, every merge with all the tables it may meet. */
double sizing_write_amplification(const struct sizing *sizing, uint64_t objects);

#endif
