/* Writes tables: records in ascending order go in, blocks go to the grid. */
#ifndef TACTUS_LSM_TABLE_BUILDER_H
#define TACTUS_LSM_TABLE_BUILDER_H

#include "lsm/block_supply.h"
#include "lsm/table_info.h"
#include "lsm/table_layout.h"
#include "storage/grid.h"

#include <stdbool.h>
#include <stdint.h>

/* Frames that a builder holds at most: value block, leaf, root; at the end root and one filter
 * block after the other. */
enum { TABLE_BUILDER_FRAMES = 3 };

/*   begin --> space, advance --> ... --> finish --> begin ...
 *
 * Addresses come from the supply in one order (R12): a full value block takes its own and is
 * written at once; a full leaf follows its last value block; finish() takes those of a value block
 * and leaf that are not full, then those of the filter blocks, then the root's. So the same records
 * give the same addresses, however many beats they took.
 *
 *   T1  No more than geometry.value_blocks_max value blocks; their records may exceed a bar's.
 *   T2  Keys strictly ascend over the whole table.
 *   T3  No block is empty, no frame is held that has nothing in it.
 *   T4  In trees with filters hashes[0 .. record_count) are those of all keys put, tombstones'
 *       included: a filter that did not know them would bring what they hide back to life. */
struct table_builder {
    const struct table_format *format; /* kept */
    struct grid *grid;                 /* kept */
    struct block_supply *supply;       /* kept: the next block's address is its next */
    uint64_t *hashes;                  /* kept; NULL: tables of this format have no filters */

    uint64_t snapshot_min;
    struct block_frame *value; /* each referenced, or NULL while it has nothing in it */
    struct block_frame *leaf;
    struct block_frame *root;
    uint32_t value_count; /* records in `value` */
    uint32_t leaf_count;  /* value blocks in `leaf` */
    uint32_t root_count;  /* leaves in `root` */
    uint32_t value_block_count;
    uint64_t record_count;
    bool has_tombstones; /* in blocks that are written */
    struct key key_min;  /* of the table, once record_count > 0 */
    struct key key_max;
    bool is_open;
};

/* The format has its kernels and a geometry that fits. Whenever a block is written, `supply` has an
 * address left: geometry.blocks_max are enough for a whole table. `hashes` is room for
 * table_filter_hashes_max(), the builder's alone while a table is open; not looked at if that is
 * 0. */
void table_builder_init(
    struct table_builder *builder,
    const struct table_format *format,
    struct grid *grid,
    struct block_supply *supply,
    uint64_t *hashes
);

/* Starts a table, visible from the beat `snapshot_min` on. */
void table_builder_begin(struct table_builder *builder, uint64_t snapshot_min);

/* Where the next records go, and how many fit there, at least one. The table is not full. */
void *table_builder_space(struct table_builder *builder, uint32_t *room);

/* `count` records (0 to room) were put there: ascending, above all before. A block that is full is
 * written: waits for the grid if no write slot is free. */
void table_builder_advance(struct table_builder *builder, uint32_t count);

bool table_builder_is_open(const struct table_builder *builder);
bool table_builder_is_empty(const struct table_builder *builder); /* open, without a record */
bool table_builder_is_full(const struct table_builder *builder);  /* has to be finished now */

/* Writes what is left: the filter, and the root last. The table is not empty. `info` is complete
 * but for its level, which is 0; its blocks are durable once all writes before a grid_write_mark()
 * taken now are written through, and flushed. */
void table_builder_finish(struct table_builder *builder, struct table_info *info);

/* Gives the frames back and forgets the table, whose addresses stay acquired: for an open table
 * without records, or when the database is closed in the middle. */
void table_builder_abandon(struct table_builder *builder);

#endif
