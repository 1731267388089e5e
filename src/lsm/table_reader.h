/* Reads tables: a point search, and a cursor over value blocks in either direction. */
#ifndef TACTUS_LSM_TABLE_READER_H
#define TACTUS_LSM_TABLE_READER_H

#include "base/progress.h"
#include "base/status.h"
#include "lsm/table_info.h"
#include "lsm/table_layout.h"
#include "storage/grid.h"

#include <stdbool.h>
#include <stdint.h>

/* ---- One key in one table ------------------------------------------------------------------- */

enum table_lookup_stage {
    TABLE_LOOKUP_IDLE, /* zeroed, or ended */
    TABLE_LOOKUP_ROOT, /* the root is being read, and so on */
    TABLE_LOOKUP_FILTER,
    TABLE_LOOKUP_LEAF,
    TABLE_LOOKUP_VALUE,
    TABLE_LOOKUP_RECORD, /* of the value block: what is around the second guess is being fetched */
    TABLE_LOOKUP_END
};

/* How near a block is: each leads to the next, with time between them for memory to come. */
enum table_lookup_turn {
    TABLE_TURN_NAMED,  /* its place in the cache's index is being fetched */
    TABLE_TURN_SOUGHT, /* the frame is, if it has one */
    TABLE_TURN_READ    /* the read was started; if it was cached, what is to be looked at comes */
};

/* What the table's filter said. */
enum table_filter_answer {
    TABLE_FILTER_NONE,   /* nothing: there is none, or it was not come to */
    TABLE_FILTER_ABSENT, /* the table has not the key: neither leaf nor value block was asked for */
    TABLE_FILTER_PASSED  /* it may */
};

/* Root, filter block, leaf, value block: one after the other, for each leads to the next. Holds a
 * frame by reference while it needs it: one at a time. */
struct table_lookup {
    const struct table_format *format; /* kept until the end, as is grid */
    struct grid *grid;
    struct table_info info;
    struct key key;

    uint8_t stage;
    uint8_t turn;   /* enum table_lookup_turn, of the block that the stage is about */
    uint8_t type;   /* enum block_type, of this block */
    uint8_t filter; /* enum table_filter_answer */
    enum tactus_status status;
    uint64_t record_count;    /* of the root */
    struct table_range range; /* what the parent says of the leaf or value block being read next */
    uint32_t leaf_index;      /* of the leaf, in the root */
    uint32_t guess;           /* where in the leaf or value block the key may be; below its count */
    uint64_t block;           /* number of the value block, in the table */
    struct block_reference reference;       /* of the block that the stage is about */
    struct block_reference leaf;            /* of the leaf, while the filter is asked first */
    struct table_filter_range filter_range; /* of the filter block being read */
    uint64_t hash;                          /* of the key, once it is needed */
    struct grid_read read;
    struct block_frame *frame; /* of the record, until table_lookup_end() */
    const void *record;        /* the answer, borrowed from the frame; NULL: the table has it not */
};

/* Starts the search for `key` in a table; the format's and the grid's owner outlives it. Without
 * any I/O if the key is outside the table's range. */
void table_lookup_start(
    struct table_lookup *lookup,
    const struct table_format *format,
    struct grid *grid,
    const struct table_info *info,
    struct key key
);

/* DONE: lookup->record is the answer, which may be a tombstone. WAIT: grid_wait(), then again.
 * FAILED: lookup->status, and the grid's fault, say why. */
enum progress table_lookup_advance(struct table_lookup *lookup);

/* The same, but one step only, which leaves time for memory to come: who has many lookups takes a
 * step of each by turns. WAIT: there are more; table_lookup_is_reading() says whether a read has to
 * be waited for first. */
enum progress table_lookup_step(struct table_lookup *lookup);
bool table_lookup_is_reading(const struct table_lookup *lookup);

/* Drops the frame and gives up a read in flight. At any stage, also of a zeroed one; needed after
 * every start, also after FAILED. */
void table_lookup_end(struct table_lookup *lookup);

/* ---- Blocks in order ------------------------------------------------------------------------ */

enum {
    TABLE_READ_AHEAD_MAX = 7,
    TABLE_CURSOR_FRAMES = 4, /* root, leaf, value block, next leaf: and one a block of read-ahead */
};

enum table_cursor_stage {
    TABLE_CURSOR_IDLE, /* zeroed, or stopped */
    TABLE_CURSOR_ROOT, /* the root is being read, and so on */
    TABLE_CURSOR_LEAF,
    TABLE_CURSOR_VALUE,
    TABLE_CURSOR_READY, /* records and count are a block's */
    TABLE_CURSOR_END,   /* there is no further block in this direction */
    TABLE_CURSOR_FAILED
};

struct table_cursor_options {
    const struct table_format *format; /* kept until the cursor is stopped, as is grid */
    struct grid *grid;
    const struct table_info *info; /* copied */
    struct key key;                /* where to start */
    bool descending;
    uint32_t read_ahead; /* value blocks asked for before they are needed; up to the maximum */
    bool is_bounded;     /* blocks that lie wholly behind key_end are no part of it ... */
    struct key key_end;  /* ... the last key of interest, in the direction */
};

/* Steps over the value blocks of one table.
 *
 *   start --> advance ... READY --> next --> advance ... READY --> ... --> END --> stop
 *                           '-----> seek --> advance ...
 *
 * Ascending, the first block is the first one with key_max >= key, so it may hold records below
 * key; descending, the last one with key_min <= key. Who wants fewer records than the block's
 * slices it with the kernels' bounds. Records below the table's own key_min are no part of any
 * block, and blocks that hold no others are never read; nor are those behind key_end. */
struct table_cursor {
    const struct table_format *format;
    struct grid *grid;
    struct table_info info;
    struct key key;
    bool descending;
    bool is_bounded;
    uint32_t read_ahead;
    struct key key_end;

    uint8_t stage;
    enum tactus_status status;
    struct block_frame *root; /* each referenced, or NULL */
    struct block_frame *leaf;
    struct block_frame *value;
    uint64_t stale_count; /* records below the table's bound, which are never shown (R18) */
    uint32_t leaf_index;  /* of `leaf`, or of the one being read, in the root */
    uint32_t block_index; /* of `value`, or of the one being read, in the leaf */
    bool is_positioned;   /* the first block was found: from here on blocks follow each other */

    struct grid_read index_reads[2]; /* the current one, of root or leaf; and of the next leaf */
    uint32_t index_current;
    bool next_leaf_started; /* the other one of index_reads is under way */
    struct grid_read reads[TABLE_READ_AHEAD_MAX + 1]; /* of value blocks: index modulo number */
    uint32_t reads_count; /* under way or done, from block_index on, in the direction */

    const void *records; /* of the block that is READY; borrowed until next or stop */
    uint32_t count;

    /* Blocks that the last next() has left behind for good: table_cursor_finished(). */
    uint64_t finished_value;
    uint64_t finished_leaf;
    uint32_t finished_count;
};

/* Starts at options->key; without any I/O if no block can be in that direction. */
void table_cursor_start(struct table_cursor *cursor, const struct table_cursor_options *options);

/* DONE: table_cursor_is_end(), or records and count are there. WAIT: grid_wait(), then again.
 * FAILED: cursor->status, and the grid's fault, say why. */
enum progress table_cursor_advance(struct table_cursor *cursor);

bool table_cursor_is_end(const struct table_cursor *cursor);

/* Leaves the block that is READY and starts on the next one; sets cursor->finished_count. */
void table_cursor_next(struct table_cursor *cursor);

/* "Nothing before `key`, in the cursor's direction, is of interest": goes on to the block that a
 * cursor started at `key` would begin with, or to END, without reading what lies between; what was
 * asked for of that is given up. Does nothing if the block at hand, or the one that is waited for,
 * is that very one or lies behind it: a cursor never goes back. At any stage but IDLE and FAILED;
 * it starts no read but that of a leaf. Whoever counts finished blocks does not seek.
 * FAILED: as of table_cursor_advance(). */
enum progress table_cursor_seek(struct table_cursor *cursor, struct key key);

/* From here on so many value blocks are asked for before they are needed; what is under way stays.
 * At any stage but IDLE. */
void table_cursor_set_read_ahead(struct table_cursor *cursor, uint32_t read_ahead);

/* The address of block `index` of the finished_count ones that the last next() has left behind for
 * good, in the order in which they were acquired and a compaction releases them: the value block;
 * with a leaf's last one the leaf; with the last of all, the filter blocks and the root. Until the
 * next call of next or stop. */
uint64_t table_cursor_finished(const struct table_cursor *cursor, uint32_t index);

/* Drops all frames and gives up what is in flight. At any stage, also of a zeroed cursor. */
void table_cursor_stop(struct table_cursor *cursor);

#endif
