#include "lsm/table_reader.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"

#include <stddef.h>

#include "base/poison.h"

/* Bytes that are fetched ahead of a look at a record: of small ones the neighbours, too, as guesses
 * are near rather than right; of large ones where they begin, for the CPU goes on by itself. */
enum { PREFETCH_AROUND = 64, PREFETCH_MAX = 256 };

static void table_records_prefetch(
    const uint8_t *records, const struct record_shape *shape, uint32_t index
)
{
    const uint64_t offset = (uint64_t)index * shape->record_size;
    const uint64_t before = min_u64(offset, PREFETCH_AROUND);
    const uint64_t after = min_u64(shape->record_size, PREFETCH_MAX);
    bytes_prefetch(records + offset - before, before + after);
    bytes_prefetch(records + offset + shape->flag_offset, 8);
}

/* The block's checksum holds, and yet it cannot be what its parent names. */
static enum tactus_status table_corrupt(
    const struct grid *grid, const struct grid_read *read, const char *what
)
{
    const struct fault fault = {
        .status = TACTUS_CORRUPT,
        .zone = FAULT_ZONE_GRID,
        .what = what,
        .address = read->reference.address,
        .byte = layout_block_offset(grid->options.layout, read->reference.address),
        .block_type = read->type,
        .tree = read->tree,
    };
    return fault_set(grid->options.fault, fault);
}

/* The frame of a read that is done, whose reference is the caller's from here on. */
static struct block_frame *table_take_frame(struct grid_read *read)
{
    struct block_frame *frame = read->frame;
    assert(read->stage == IO_DONE);
    assert(read->status == TACTUS_OK);
    assert(frame != NULL);
    read->frame = NULL;
    return frame;
}

/* ---- One key in one table ------------------------------------------------------------------- */

static void table_lookup_read(
    struct table_lookup *lookup,
    enum table_lookup_stage stage,
    struct block_reference reference,
    enum block_type type
)
{
    lookup->stage = (uint8_t)stage;
    lookup->turn = TABLE_TURN_NAMED;
    lookup->type = (uint8_t)type;
    lookup->reference = reference;
    grid_prefetch_head(lookup->grid, reference);
    if (type != BLOCK_LEAF && type != BLOCK_VALUE) return;
    const struct table_range *range = &lookup->range;
    lookup->guess = key_guess(range->key_min, range->key_max, range->count, lookup->key);
}

void table_lookup_start(
    struct table_lookup *lookup,
    const struct table_format *format,
    struct grid *grid,
    const struct table_info *info,
    struct key key
)
{
    assert(!key_less(info->key_max, info->key_min));
    *lookup = (struct table_lookup
    ){.format = format, .grid = grid, .info = *info, .key = key, .stage = TABLE_LOOKUP_END};
    if (!table_info_overlaps(info, key, key)) return;
    table_lookup_read(lookup, TABLE_LOOKUP_ROOT, table_info_root(info), BLOCK_ROOT);
}

/* A block that was checked whole since it came into its frame, or is ours, is asked for its counts
 * only; of leaves and value blocks the frame knows them, so that their headers are not waited for.
 * One that is merely in the cache may have failed its check, or never had one: a cursor or a
 * lookup that was given up reads blocks that it does not look at. */
static const char *table_lookup_root(struct table_lookup *lookup)
{
    const uint8_t *block = lookup->frame->data;
    const struct table_format *format = lookup->format;
    const char *fault = block_frame_is_checked(lookup->frame)
                            ? table_root_size_fault(block, format, &lookup->info)
                            : table_root_fault(block, format, &lookup->info);
    if (fault != NULL) return fault;
    block_frame_note_checked(lookup->frame);

    const struct table_root root = table_root_decode(block);
    const uint32_t index = table_root_find(block, format, lookup->key);
    if (index == root.leaf_count) return "entries of a root do not ascend";
    const struct table_root_entry entry = table_root_entry_at(block, format, index);
    lookup->record_count = table_root_decode(block).record_count;
    lookup->range = table_root_range_at(block, format, &lookup->info, index);
    lookup->leaf_index = index;
    lookup->leaf = entry.reference;
    if (root.filter_count == 0) {
        table_lookup_read(lookup, TABLE_LOOKUP_LEAF, lookup->leaf, BLOCK_LEAF);
        return NULL;
    }
    const struct table_geometry *geometry = &format->geometry;
    lookup->hash = table_key_hash(format, lookup->key);
    const uint32_t filter = table_filter_find(geometry, root.record_count, lookup->hash);
    lookup->filter_range = table_filter_range_at(geometry, root.record_count, filter);
    const struct block_reference reference = table_root_filter_at(block, format, filter);
    table_lookup_read(lookup, TABLE_LOOKUP_FILTER, reference, BLOCK_FILTER);
    return NULL;
}

static const char *table_lookup_filter(struct table_lookup *lookup)
{
    const uint8_t *block = lookup->frame->data;
    const char *fault = table_filter_fault(block, lookup->format, &lookup->filter_range);
    if (fault != NULL) return fault;

    if (!table_filter_contains(block, lookup->filter_range, lookup->hash)) {
        lookup->filter = TABLE_FILTER_ABSENT;
        lookup->stage = TABLE_LOOKUP_END;
        return NULL;
    }
    lookup->filter = TABLE_FILTER_PASSED;
    table_lookup_read(lookup, TABLE_LOOKUP_LEAF, lookup->leaf, BLOCK_LEAF);
    return NULL;
}

static const char *table_lookup_leaf(struct table_lookup *lookup)
{
    const uint8_t *block = lookup->frame->data;
    const struct table_format *format = lookup->format;
    const char *fault = block_frame_is_checked(lookup->frame)
                            ? table_leaf_count_fault(lookup->frame->size, format, &lookup->range)
                            : table_leaf_fault(block, format, &lookup->range);
    if (fault != NULL) return fault;
    block_frame_note_checked(lookup->frame);

    const uint32_t count = lookup->range.count;
    const uint32_t index = table_leaf_find_near(block, format, count, lookup->guess, lookup->key);
    if (index == count) return "entries of a leaf do not ascend";
    const struct table_leaf_entry entry = table_leaf_entry_at(block, format, index);
    lookup->range =
        table_leaf_range_at(block, format, lookup->record_count, lookup->leaf_index, index);
    const uint64_t number = (uint64_t)lookup->leaf_index * format->geometry.leaf_fanout + index;
    fault = table_bound_fault(format, &lookup->info, lookup->record_count, number, &entry);
    if (fault != NULL) return fault;
    lookup->block = number;
    lookup->stage = TABLE_LOOKUP_END;
    if (key_less(lookup->key, entry.key_min)) return NULL; /* in the gap between two blocks */

    const struct block_reference reference = {.address = entry.address, .checksum = entry.checksum};
    table_lookup_read(lookup, TABLE_LOOKUP_VALUE, reference, BLOCK_VALUE);
    return NULL;
}

/* A second guess, from the key at the first one. Timestamps are nearly evenly spread, so that the
 * first is right or close; ids that were drawn are off by the root of their number, and by the root
 * of that at the second. */
static uint32_t table_lookup_guess(const struct table_lookup *lookup, const uint8_t *records)
{
    const struct record_shape *shape = &lookup->format->shape;
    const struct table_range *range = &lookup->range;
    const uint32_t guess = lookup->guess;
    const struct key found = record_key(shape, records + (uint64_t)guess * shape->record_size);
    if (key_less(found, lookup->key)) {
        return guess + key_guess(found, range->key_max, range->count - guess, lookup->key);
    }
    return key_guess(range->key_min, found, guess + 1, lookup->key);
}

static const char *table_lookup_value(struct table_lookup *lookup)
{
    const uint8_t *block = lookup->frame->data;
    const struct table_format *format = lookup->format;
    const char *fault = block_frame_is_checked(lookup->frame)
                            ? table_value_count_fault(lookup->frame->size, format, &lookup->range)
                            : table_value_fault(block, format, &lookup->range);
    if (fault != NULL) return fault;
    block_frame_note_checked(lookup->frame);

    const uint8_t *records = table_value_records(block);
    lookup->guess = table_lookup_guess(lookup, records);
    lookup->stage = TABLE_LOOKUP_RECORD;
    table_records_prefetch(records, &format->shape, lookup->guess);
    return NULL;
}

static const char *table_lookup_record(struct table_lookup *lookup)
{
    const struct table_format *format = lookup->format;
    const struct record_shape *shape = &format->shape;
    const uint32_t count = lookup->range.count;
    const uint8_t *records = table_value_records(lookup->frame->data);
    const uint32_t index =
        format->kernels->lower_bound_near(shape, records, count, lookup->guess, lookup->key);
    lookup->stage = TABLE_LOOKUP_END;
    if (index == count) return NULL;
    const uint8_t *record = records + (uint64_t)index * shape->record_size;
    if (!key_equal(record_key(shape, record), lookup->key)) return NULL;
    const uint64_t number = lookup->block * format->geometry.records_per_block + index;
    if (number < lookup->record_count - lookup->info.value_count) {
        return "a record lies within its table's bounds that the manifest does not count";
    }
    lookup->record = record;
    return NULL;
}

/* Has the CPU fetch what the block's turn will look at. */
static void table_lookup_prefetch(const struct table_lookup *lookup)
{
    const uint8_t *block = lookup->read.frame->data;
    switch ((enum table_lookup_stage)lookup->stage) {
    case TABLE_LOOKUP_ROOT: bytes_prefetch(block, 2 * (uint64_t)BLOCK_HEADER_SIZE); break;
    case TABLE_LOOKUP_FILTER:
        table_filter_prefetch(block, lookup->filter_range, lookup->hash);
        break;
    case TABLE_LOOKUP_LEAF:
        table_leaf_prefetch(block, lookup->format, lookup->range.count, lookup->guess);
        break;
    case TABLE_LOOKUP_VALUE:
        table_records_prefetch(table_value_records(block), &lookup->format->shape, lookup->guess);
        break;
    case TABLE_LOOKUP_RECORD:
    case TABLE_LOOKUP_IDLE:
    case TABLE_LOOKUP_END: assert(false);
    }
}

/* What has come leads to the next block, or to the end. The frame is let go of unless the record is
 * in it, or yet to be looked for. */
static enum progress table_lookup_look(struct table_lookup *lookup)
{
    const char *fault = NULL;
    switch ((enum table_lookup_stage)lookup->stage) {
    case TABLE_LOOKUP_ROOT: fault = table_lookup_root(lookup); break;
    case TABLE_LOOKUP_FILTER: fault = table_lookup_filter(lookup); break;
    case TABLE_LOOKUP_LEAF: fault = table_lookup_leaf(lookup); break;
    case TABLE_LOOKUP_VALUE: fault = table_lookup_value(lookup); break;
    case TABLE_LOOKUP_RECORD: fault = table_lookup_record(lookup); break;
    case TABLE_LOOKUP_IDLE:
    case TABLE_LOOKUP_END: assert(false);
    }
    if (lookup->record == NULL && (fault != NULL || lookup->stage != TABLE_LOOKUP_RECORD)) {
        grid_unref(lookup->grid, lookup->frame);
        lookup->frame = NULL;
    }
    if (fault != NULL) {
        lookup->status = table_corrupt(lookup->grid, &lookup->read, fault);
        return PROGRESS_FAILED;
    }
    return lookup->stage == TABLE_LOOKUP_END ? PROGRESS_DONE : PROGRESS_WAIT;
}

/* The block has come, or cannot. */
static enum progress table_lookup_take(struct table_lookup *lookup)
{
    lookup->status = lookup->read.status;
    if (lookup->status != TACTUS_OK) {
        (void)grid_read_failed(lookup->grid, &lookup->read);
        return PROGRESS_FAILED;
    }
    lookup->frame = table_take_frame(&lookup->read);
    return table_lookup_look(lookup);
}

enum progress table_lookup_step(struct table_lookup *lookup)
{
    assert(lookup->stage != TABLE_LOOKUP_IDLE);
    assert(lookup->status == TACTUS_OK);
    if (lookup->stage == TABLE_LOOKUP_END) return PROGRESS_DONE;
    if (lookup->stage == TABLE_LOOKUP_RECORD) return table_lookup_look(lookup);
    switch ((enum table_lookup_turn)lookup->turn) {
    case TABLE_TURN_NAMED:
        grid_prefetch_frame(lookup->grid, lookup->reference);
        lookup->turn = TABLE_TURN_SOUGHT;
        return PROGRESS_WAIT;
    case TABLE_TURN_SOUGHT:
        grid_read_start(
            lookup->grid,
            &lookup->read,
            lookup->reference,
            (enum block_type)lookup->type,
            lookup->format->tree
        );
        lookup->turn = TABLE_TURN_READ;
        if (lookup->read.frame != NULL) table_lookup_prefetch(lookup);
        return PROGRESS_WAIT;
    case TABLE_TURN_READ: break;
    }
    return lookup->read.stage == IO_DONE ? table_lookup_take(lookup) : PROGRESS_WAIT;
}

bool table_lookup_is_reading(const struct table_lookup *lookup)
{
    return lookup->stage != TABLE_LOOKUP_END && lookup->turn == TABLE_TURN_READ &&
           lookup->read.stage != IO_DONE;
}

/* Three steps a block, of at most four, and one more in the last: stages only grow. */
enum progress table_lookup_advance(struct table_lookup *lookup)
{
    enum progress progress = table_lookup_step(lookup);
    while (progress == PROGRESS_WAIT && !table_lookup_is_reading(lookup)) {
        progress = table_lookup_step(lookup);
    }
    return progress;
}

void table_lookup_end(struct table_lookup *lookup)
{
    if (lookup->stage == TABLE_LOOKUP_IDLE) return;
    grid_read_cancel(lookup->grid, &lookup->read);
    if (lookup->frame != NULL) grid_unref(lookup->grid, lookup->frame);
    lookup->frame = NULL;
    lookup->record = NULL;
    lookup->stage = TABLE_LOOKUP_IDLE;
}

/* ---- Blocks in order ------------------------------------------------------------------------ */

static void table_cursor_unref(struct table_cursor *cursor, struct block_frame **frame)
{
    if (*frame != NULL) grid_unref(cursor->grid, *frame);
    *frame = NULL;
}

static struct grid_read *table_cursor_index_read(struct table_cursor *cursor)
{
    return &cursor->index_reads[cursor->index_current];
}

void table_cursor_start(struct table_cursor *cursor, const struct table_cursor_options *options)
{
    assert(options->read_ahead <= TABLE_READ_AHEAD_MAX);
    assert(!key_less(options->info->key_max, options->info->key_min));
    *cursor = (struct table_cursor){
        .format = options->format,
        .grid = options->grid,
        .info = *options->info,
        .key = options->key,
        .descending = options->descending,
        .is_bounded = options->is_bounded,
        .read_ahead = options->read_ahead,
        .key_end = options->key_end,
        .stage = TABLE_CURSOR_END,
    };
    if (!options->descending) {
        cursor->key = key_higher_of(options->key, options->info->key_min);
    }
    const bool nothing = options->descending ? key_less(options->key, options->info->key_min)
                                             : key_less(options->info->key_max, options->key);
    if (nothing) return;
    cursor->stage = TABLE_CURSOR_ROOT;
    grid_read_start(
        cursor->grid,
        table_cursor_index_read(cursor),
        table_info_root(&cursor->info),
        BLOCK_ROOT,
        cursor->format->tree
    );
}

/* Whether there is another one of `count` things behind `index`, in the direction. */
static bool table_cursor_has_more(const struct table_cursor *cursor, uint32_t index, uint32_t count)
{
    assert(index < count);
    return cursor->descending ? index > 0 : index + 1 < count;
}

/* The index that lies `steps` behind, which is known to exist. */
static uint32_t table_cursor_step(const struct table_cursor *cursor, uint32_t index, uint32_t steps)
{
    if (cursor->descending) assert(index >= steps);
    return cursor->descending ? index - steps : index + steps;
}

static struct block_reference table_cursor_leaf_reference(
    const struct table_cursor *cursor, uint32_t index
)
{
    return table_root_entry_at(cursor->root->data, cursor->format, index).reference;
}

static void table_cursor_read_leaf(
    struct table_cursor *cursor, struct grid_read *read, uint32_t index
)
{
    const struct block_reference reference = table_cursor_leaf_reference(cursor, index);
    grid_read_start(cursor->grid, read, reference, BLOCK_LEAF, cursor->format->tree);
}

/* Waits for leaf `index` from here on: it may be under way already. */
static void table_cursor_enter_leaf(struct table_cursor *cursor, uint32_t index)
{
    assert(cursor->leaf == NULL);
    assert(cursor->reads_count == 0);
    cursor->leaf_index = index;
    cursor->stage = TABLE_CURSOR_LEAF;
    if (cursor->next_leaf_started) {
        cursor->index_current = 1 - cursor->index_current;
        cursor->next_leaf_started = false;
    } else {
        table_cursor_read_leaf(cursor, table_cursor_index_read(cursor), index);
    }
}

static const char *table_cursor_root(struct table_cursor *cursor)
{
    cursor->root = table_take_frame(table_cursor_index_read(cursor));
    const uint8_t *block = cursor->root->data;
    const char *fault = block_frame_is_checked(cursor->root)
                            ? table_root_place_fault(block, cursor->format, &cursor->info)
                            : table_root_fault(block, cursor->format, &cursor->info);
    if (fault != NULL) return fault;
    block_frame_note_checked(cursor->root);

    cursor->stale_count = table_root_stale_count(block, &cursor->info);
    const uint32_t leaf_count = table_root_decode(block).leaf_count;
    const uint32_t found = table_root_find(block, cursor->format, cursor->key);
    assert(cursor->descending || found < leaf_count); /* the key is not above key_max */
    table_cursor_enter_leaf(cursor, min_u32(found, leaf_count - 1));
    return NULL;
}

/* Value blocks of the table in front of this one. */
static uint64_t table_cursor_blocks_before(
    const struct table_cursor *cursor, uint32_t leaf_index, uint32_t block_index
)
{
    return (uint64_t)leaf_index * cursor->format->geometry.leaf_fanout + block_index;
}

/* The first value block that has a record within the table's bounds. */
static uint64_t table_cursor_first_live(const struct table_cursor *cursor)
{
    return cursor->stale_count / cursor->format->geometry.records_per_block;
}

/* Whether the block at hand is the last one of its table in this direction: descending, blocks of
 * stale records only are as good as gone. */
static bool table_cursor_is_lowest(const struct table_cursor *cursor)
{
    if (!cursor->descending) return false;
    const uint64_t before =
        table_cursor_blocks_before(cursor, cursor->leaf_index, cursor->block_index);
    return before <= table_cursor_first_live(cursor);
}

/* The block of the first leaf where the cursor starts. Descending, it may lie in the leaf before:
 * the root does not know where a leaf begins. Then false, and that leaf's last block is it. */
static bool table_cursor_position(struct table_cursor *cursor, uint32_t count)
{
    const uint8_t *block = cursor->leaf->data;
    uint32_t index = table_leaf_find(block, cursor->format, cursor->key);
    if (cursor->descending) {
        if (index == count ||
            key_less(cursor->key, table_leaf_entry_at(block, cursor->format, index).key_min)) {
            if (index == 0) return false;
            index -= 1;
        }
    }
    assert(index < count);
    cursor->block_index = index;
    return true;
}

static const char *table_cursor_bounds_fault(const struct table_cursor *cursor)
{
    return table_bounds_fault(
        cursor->root->data,
        cursor->leaf->data,
        cursor->format,
        &cursor->info,
        cursor->leaf_index,
        cursor->block_index
    );
}

/* What a descending cursor looks for lies below the leaf at hand: the last block of the leaf before
 * is it, if there is one that is not stale. */
static const char *table_cursor_leaf_before(struct table_cursor *cursor)
{
    if (table_cursor_blocks_before(cursor, cursor->leaf_index, 0) <=
        table_cursor_first_live(cursor)) {
        cursor->stage = TABLE_CURSOR_END;
        return table_leaf_bound_fault(
            cursor->root->data, cursor->format, &cursor->info, cursor->leaf_index
        );
    }
    table_cursor_unref(cursor, &cursor->leaf);
    table_cursor_enter_leaf(cursor, cursor->leaf_index - 1);
    return NULL;
}

/* The block that comes next was found in the leaf at hand. */
static const char *table_cursor_enter_block(struct table_cursor *cursor)
{
    const uint64_t block =
        table_cursor_blocks_before(cursor, cursor->leaf_index, cursor->block_index);
    const bool is_stale = block < table_cursor_first_live(cursor);
    cursor->stage = is_stale ? TABLE_CURSOR_END : TABLE_CURSOR_VALUE;
    return is_stale ? table_cursor_bounds_fault(cursor) : NULL;
}

static const char *table_cursor_leaf(struct table_cursor *cursor)
{
    const uint8_t *root = cursor->root->data;
    cursor->leaf = table_take_frame(table_cursor_index_read(cursor));
    const struct table_range range =
        table_root_range_at(root, cursor->format, &cursor->info, cursor->leaf_index);
    const char *fault = block_frame_is_checked(cursor->leaf)
                            ? table_leaf_place_fault(cursor->leaf->data, cursor->format, &range)
                            : table_leaf_fault(cursor->leaf->data, cursor->format, &range);
    if (fault != NULL) return fault;
    block_frame_note_checked(cursor->leaf);

    const uint32_t count = table_leaf_count(cursor->leaf->data);
    const bool is_positioned = cursor->is_positioned;
    cursor->is_positioned = true;
    cursor->block_index = cursor->descending ? count - 1 : 0;
    if (!is_positioned && !table_cursor_position(cursor, count)) {
        return table_cursor_leaf_before(cursor);
    }
    return table_cursor_enter_block(cursor);
}

static struct grid_read *table_cursor_value_read(struct table_cursor *cursor, uint32_t index)
{
    return &cursor->reads[index % COUNT_OF(cursor->reads)];
}

/* Whether what lies behind the block that comes so many after the one that is due may be wanted. */
static bool table_cursor_goes_on(const struct table_cursor *cursor, uint32_t count)
{
    if (!cursor->is_bounded) return true;
    const uint32_t index = table_cursor_step(cursor, cursor->block_index, count);
    const struct table_leaf_entry entry =
        table_leaf_entry_at(cursor->leaf->data, cursor->format, index);
    return cursor->descending ? key_less(cursor->key_end, entry.key_min)
                              : key_less(entry.key_max, cursor->key_end);
}

/* Whether block `index` of the leaf at hand lies wholly behind what is of interest. */
static bool table_cursor_is_beyond(const struct table_cursor *cursor, uint32_t index)
{
    if (!cursor->is_bounded) return false;
    const struct table_leaf_entry entry =
        table_leaf_entry_at(cursor->leaf->data, cursor->format, index);
    return cursor->descending ? key_less(entry.key_max, cursor->key_end)
                              : key_less(cursor->key_end, entry.key_min);
}

/* Asks for the block that is due and those after it, and behind a leaf's last one for the next
 * leaf. At most read_ahead + 1 turns. */
static void table_cursor_read_ahead(struct table_cursor *cursor)
{
    const uint32_t count = table_leaf_count(cursor->leaf->data);
    const uint64_t leaf_begin = table_cursor_blocks_before(cursor, cursor->leaf_index, 0);
    const uint64_t first_live = table_cursor_first_live(cursor);
    const bool is_last_leaf = cursor->descending && leaf_begin <= first_live;
    const uint32_t lowest = is_last_leaf ? (uint32_t)(first_live - leaf_begin) : 0;
    const uint32_t left =
        cursor->descending ? cursor->block_index + 1 - lowest : count - cursor->block_index;
    while (cursor->reads_count < min_u32(left, 1 + cursor->read_ahead)) {
        const uint32_t asked = cursor->reads_count;
        const uint32_t index = table_cursor_step(cursor, cursor->block_index, asked);
        if (asked > 0 && table_cursor_is_beyond(cursor, index)) return;
        const struct table_leaf_entry entry =
            table_leaf_entry_at(cursor->leaf->data, cursor->format, index);
        const struct block_reference reference = {
            .address = entry.address, .checksum = entry.checksum};
        struct grid_read *read = table_cursor_value_read(cursor, index);
        grid_read_start(cursor->grid, read, reference, BLOCK_VALUE, cursor->format->tree);
        cursor->reads_count += 1;
    }

    const uint32_t leaf_count = table_root_decode(cursor->root->data).leaf_count;
    if (cursor->read_ahead == 0 || cursor->reads_count < left || cursor->next_leaf_started) return;
    if (is_last_leaf || !table_cursor_has_more(cursor, cursor->leaf_index, leaf_count)) return;
    if (!table_cursor_goes_on(cursor, left - 1)) return;
    struct grid_read *read = &cursor->index_reads[1 - cursor->index_current];
    table_cursor_read_leaf(cursor, read, table_cursor_step(cursor, cursor->leaf_index, 1));
    cursor->next_leaf_started = true;
}

/* Leaves out what lies below the table's bound, in the one block that holds both (R18). */
static const char *table_cursor_clip(struct table_cursor *cursor)
{
    const uint64_t before =
        table_cursor_blocks_before(cursor, cursor->leaf_index, cursor->block_index);
    if (before != table_cursor_first_live(cursor)) return NULL;
    const struct record_shape *shape = &cursor->format->shape;
    const uint32_t stale =
        (uint32_t)(cursor->stale_count % cursor->format->geometry.records_per_block);
    const uint32_t below = cursor->format->kernels->lower_bound(
        shape, cursor->records, cursor->count, cursor->info.key_min
    );
    if (below != stale || below == cursor->count) {
        return "table has another number of records in its bounds than the manifest says";
    }
    cursor->records = (const uint8_t *)cursor->records + (uint64_t)stale * shape->record_size;
    cursor->count -= stale;
    return NULL;
}

/* Even of a block that was checked before it is asked where its keys begin and end: what a
 * compaction merges, and what a scan puts in order, must ascend from block to block, too, and in a
 * damaged table another parent, with another key range, may have named the same block. Root and
 * leaf likewise. */
static const char *table_cursor_value(struct table_cursor *cursor)
{
    cursor->value = table_take_frame(table_cursor_value_read(cursor, cursor->block_index));
    const struct table_range range = table_leaf_range_at(
        cursor->leaf->data,
        cursor->format,
        table_root_decode(cursor->root->data).record_count,
        cursor->leaf_index,
        cursor->block_index
    );
    const uint8_t *block = cursor->value->data;
    const char *fault = block_frame_is_checked(cursor->value)
                            ? table_value_place_fault(block, cursor->format, &range)
                            : table_value_fault(block, cursor->format, &range);
    if (fault == NULL) fault = table_cursor_bounds_fault(cursor);
    if (fault != NULL) return fault;
    block_frame_note_checked(cursor->value);

    cursor->records = table_value_records(block);
    cursor->count = table_value_count(block);
    cursor->stage = TABLE_CURSOR_READY;
    return table_cursor_clip(cursor);
}

static const char *table_cursor_turn(struct table_cursor *cursor)
{
    const char *fault = NULL;
    switch ((enum table_cursor_stage)cursor->stage) {
    case TABLE_CURSOR_ROOT: fault = table_cursor_root(cursor); break;
    case TABLE_CURSOR_LEAF: fault = table_cursor_leaf(cursor); break;
    case TABLE_CURSOR_VALUE: fault = table_cursor_value(cursor); break;
    case TABLE_CURSOR_IDLE:
    case TABLE_CURSOR_READY:
    case TABLE_CURSOR_END:
    case TABLE_CURSOR_FAILED: assert(false);
    }
    return fault;
}

/* The read that the stage waits for. */
static struct grid_read *table_cursor_awaited(struct table_cursor *cursor)
{
    if (cursor->stage != TABLE_CURSOR_VALUE) return table_cursor_index_read(cursor);
    return table_cursor_value_read(cursor, cursor->block_index);
}

/* At most four turns: root, leaf, the leaf before it, value block. */
enum progress table_cursor_advance(struct table_cursor *cursor)
{
    assert(cursor->stage != TABLE_CURSOR_IDLE);
    assert(cursor->stage != TABLE_CURSOR_FAILED);
    while (cursor->stage != TABLE_CURSOR_READY && cursor->stage != TABLE_CURSOR_END) {
        if (cursor->stage == TABLE_CURSOR_VALUE) {
            if (table_cursor_is_beyond(cursor, cursor->block_index)) {
                cursor->stage = TABLE_CURSOR_END;
                break;
            }
            table_cursor_read_ahead(cursor);
        }
        struct grid_read *read = table_cursor_awaited(cursor);
        if (read->stage != IO_DONE) return PROGRESS_WAIT;

        const struct grid_read copy = *read; /* for the fault: a turn may start it anew */
        const char *fault = NULL;
        cursor->status = read->status;
        if (cursor->status == TACTUS_OK) {
            fault = table_cursor_turn(cursor);
        } else {
            (void)grid_read_failed(cursor->grid, &copy);
        }
        if (fault != NULL) cursor->status = table_corrupt(cursor->grid, &copy, fault);
        if (cursor->status != TACTUS_OK) {
            cursor->stage = TABLE_CURSOR_FAILED;
            return PROGRESS_FAILED;
        }
    }
    return PROGRESS_DONE;
}

bool table_cursor_is_end(const struct table_cursor *cursor)
{
    return cursor->stage == TABLE_CURSOR_END;
}

void table_cursor_next(struct table_cursor *cursor)
{
    assert(cursor->stage == TABLE_CURSOR_READY);
    assert(cursor->reads_count > 0);
    const uint32_t count = table_leaf_count(cursor->leaf->data);
    const uint32_t leaf_count = table_root_decode(cursor->root->data).leaf_count;
    const bool is_last = table_cursor_is_lowest(cursor) || !table_cursor_goes_on(cursor, 0);
    const bool has_block = !is_last && table_cursor_has_more(cursor, cursor->block_index, count);
    const bool has_leaf = !is_last && table_cursor_has_more(cursor, cursor->leaf_index, leaf_count);

    cursor->finished_value = cursor->value->address;
    cursor->finished_count = 1;
    table_cursor_unref(cursor, &cursor->value);
    cursor->records = NULL;
    cursor->count = 0;
    cursor->reads_count -= 1;
    if (has_block) {
        cursor->block_index = table_cursor_step(cursor, cursor->block_index, 1);
        cursor->stage = TABLE_CURSOR_VALUE;
        return;
    }
    cursor->finished_leaf = table_cursor_leaf_reference(cursor, cursor->leaf_index).address;
    cursor->finished_count = 2;
    table_cursor_unref(cursor, &cursor->leaf);
    if (has_leaf) {
        table_cursor_enter_leaf(cursor, table_cursor_step(cursor, cursor->leaf_index, 1));
        return;
    }
    /* The root stays at hand until stop: it names the filter blocks. */
    cursor->finished_count = 3 + table_root_decode(cursor->root->data).filter_count;
    cursor->stage = TABLE_CURSOR_END;
}

/* Gives up the reads of `count` value blocks, from the one at hand, or waited for, on. */
static void table_cursor_skip_reads(struct table_cursor *cursor, uint32_t count)
{
    count = min_u32(count, cursor->reads_count);
    for (uint32_t steps = 0; steps < count; steps += 1) {
        const uint32_t index = table_cursor_step(cursor, cursor->block_index, steps);
        grid_read_cancel(cursor->grid, table_cursor_value_read(cursor, index));
    }
    cursor->reads_count -= count;
}

/* Goes on to leaf `index`, which lies behind the one that is at hand or waited for. */
static void table_cursor_skip_to_leaf(struct table_cursor *cursor, uint32_t index)
{
    assert(index != cursor->leaf_index);
    if (cursor->leaf == NULL) {
        assert(!cursor->next_leaf_started);
        grid_read_cancel(cursor->grid, table_cursor_index_read(cursor));
    }
    if (cursor->next_leaf_started && index != table_cursor_step(cursor, cursor->leaf_index, 1)) {
        grid_read_cancel(cursor->grid, &cursor->index_reads[1 - cursor->index_current]);
        cursor->next_leaf_started = false;
    }
    table_cursor_unref(cursor, &cursor->leaf);
    cursor->is_positioned = false;
    table_cursor_enter_leaf(cursor, index);
}

/* The leaf where cursor->key lies, if the table has it. Descending, it may be the one before: the
 * root does not know where a leaf begins. */
static uint32_t table_cursor_find_leaf(const struct table_cursor *cursor)
{
    const uint8_t *root = cursor->root->data;
    const uint32_t leaf_count = table_root_decode(root).leaf_count;
    return min_u32(table_root_find(root, cursor->format, cursor->key), leaf_count - 1);
}

/* While a leaf is waited for. */
static void table_cursor_seek_leaf(struct table_cursor *cursor)
{
    const uint32_t index = table_cursor_find_leaf(cursor);
    if (index == cursor->leaf_index) {
        cursor->is_positioned = false; /* the block is found once the leaf has come */
    } else if (cursor->descending == (index < cursor->leaf_index)) {
        table_cursor_skip_to_leaf(cursor, index);
    }
}

/* While a leaf is at hand, and a block of it, or the read of that. */
static const char *table_cursor_seek_block(struct table_cursor *cursor)
{
    const uint8_t *leaf = cursor->leaf->data;
    const struct table_format *format = cursor->format;
    const uint32_t count = table_leaf_count(leaf);
    const struct table_leaf_entry entry = table_leaf_entry_at(leaf, format, cursor->block_index);
    const bool is_reached = cursor->descending ? !key_less(cursor->key, entry.key_min)
                                               : !key_less(entry.key_max, cursor->key);
    if (is_reached) return NULL;

    table_cursor_unref(cursor, &cursor->value);
    cursor->records = NULL;
    cursor->count = 0;
    const struct key lowest = table_leaf_entry_at(leaf, format, 0).key_min;
    const bool is_in_leaf = cursor->descending ? !key_less(cursor->key, lowest)
                                               : table_leaf_find(leaf, format, cursor->key) < count;
    if (is_in_leaf) {
        const uint32_t from = cursor->block_index;
        const bool is_found = table_cursor_position(cursor, count);
        const uint32_t to = cursor->block_index;
        assert(is_found && (cursor->descending ? to < from : to > from));
        cursor->block_index = from;
        table_cursor_skip_reads(cursor, cursor->descending ? from - to : to - from);
        cursor->block_index = to;
        return table_cursor_enter_block(cursor);
    }
    table_cursor_skip_reads(cursor, UINT32_MAX);
    const uint32_t index = table_cursor_find_leaf(cursor);
    if (index == cursor->leaf_index) return table_cursor_leaf_before(cursor);
    table_cursor_skip_to_leaf(cursor, index);
    return NULL;
}

enum progress table_cursor_seek(struct table_cursor *cursor, struct key key)
{
    assert(cursor->stage != TABLE_CURSOR_IDLE);
    assert(cursor->stage != TABLE_CURSOR_FAILED);
    const bool is_ahead =
        cursor->descending ? key_less(key, cursor->key) : key_less(cursor->key, key);
    if (!is_ahead || cursor->stage == TABLE_CURSOR_END) return PROGRESS_DONE;

    cursor->key = key;
    cursor->finished_count = 0;
    const bool is_beyond = cursor->descending ? key_less(key, cursor->info.key_min)
                                              : key_less(cursor->info.key_max, key);
    if (is_beyond) {
        table_cursor_stop(cursor);
        cursor->stage = TABLE_CURSOR_END;
        return PROGRESS_DONE;
    }
    if (cursor->stage == TABLE_CURSOR_LEAF) table_cursor_seek_leaf(cursor);
    if (cursor->leaf == NULL) return PROGRESS_DONE; /* else the leaf, or the root, is on its way */

    const struct grid_read leaf_read = *table_cursor_index_read(cursor); /* for the fault */
    const char *fault = table_cursor_seek_block(cursor);
    if (fault == NULL) return PROGRESS_DONE;
    cursor->status = table_corrupt(cursor->grid, &leaf_read, fault);
    cursor->stage = TABLE_CURSOR_FAILED;
    return PROGRESS_FAILED;
}

void table_cursor_set_read_ahead(struct table_cursor *cursor, uint32_t read_ahead)
{
    assert(cursor->stage != TABLE_CURSOR_IDLE);
    assert(read_ahead <= TABLE_READ_AHEAD_MAX);
    cursor->read_ahead = read_ahead;
}

/* Copies are not among them: none are written yet, so what a reference calls one is anybody's
 * block. */
uint64_t table_cursor_finished(const struct table_cursor *cursor, uint32_t index)
{
    assert(index < cursor->finished_count);
    if (index == 0) return cursor->finished_value;
    if (index == 1) return cursor->finished_leaf;
    if (index + 1 == cursor->finished_count) return cursor->info.address;
    return table_root_filter_at(cursor->root->data, cursor->format, index - 2).address;
}

void table_cursor_stop(struct table_cursor *cursor)
{
    if (cursor->stage == TABLE_CURSOR_IDLE) return;
    for (uint32_t index = 0; index < COUNT_OF(cursor->index_reads); index += 1) {
        grid_read_cancel(cursor->grid, &cursor->index_reads[index]);
    }
    for (uint32_t index = 0; index < COUNT_OF(cursor->reads); index += 1) {
        grid_read_cancel(cursor->grid, &cursor->reads[index]);
    }
    table_cursor_unref(cursor, &cursor->value);
    table_cursor_unref(cursor, &cursor->leaf);
    table_cursor_unref(cursor, &cursor->root);
    cursor->records = NULL;
    cursor->count = 0;
    cursor->stage = TABLE_CURSOR_IDLE;
}
