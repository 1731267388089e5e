#include "database/digest.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "database/sweep.h"

#include "base/poison.h"

static void add_u64(struct checksum_stream *stream, uint64_t value)
{
    uint8_t bytes[8];
    store_u64(bytes, value);
    checksum_stream_add(stream, bytes, sizeof bytes);
}

static void add_checksum(struct checksum_stream *stream, struct checksum checksum)
{
    uint8_t bytes[16];
    checksum_store(bytes, checksum);
    checksum_stream_add(stream, bytes, sizeof bytes);
}

/* ---- Logical --------------------------------------------------------------------------------- */

struct digest_objects {
    struct checksum_stream stream;
    const struct collection_schema *schema;
    uint64_t count;
};

static enum tactus_status digest_object(void *context, const void *record)
{
    struct digest_objects *objects = context;
    const struct collection_schema *schema = objects->schema;
    const uint8_t *bytes = record;
    if (schema->is_map) { /* without the flag word, which is none of the contents */
        const uint32_t key_bytes = schema->id_bytes;
        const uint8_t *value = bytes + key_bytes + 8;
        checksum_stream_add(&objects->stream, bytes, key_bytes);
        checksum_stream_add(&objects->stream, value, schema->object_bytes - key_bytes);
    } else {
        checksum_stream_add(&objects->stream, bytes, schema->object_bytes);
    }
    objects->count += 1;
    return TACTUS_OK;
}

enum tactus_status digest_collection(
    tactus_db *db, const struct collection *collection, struct checksum *digest, uint64_t *count
)
{
    struct digest_objects objects = {.schema = collection->schema};
    checksum_stream_begin(&objects.stream, (struct checksum){0});
    enum tactus_status status = TACTUS_LIMIT;
    struct scan_tree *scan = query_pool_take(&db->query_pool);
    if (scan != NULL) {
        const struct sweep sweep =
            sweep_all(scan, collection->object_tree, digest_object, &objects);
        status = sweep_run(&sweep);
        query_pool_give(&db->query_pool, scan);
    }
    if (status == TACTUS_LIMIT) {
        const struct fault found = {
            .status = TACTUS_LIMIT,
            .what = "digest: runs of queries hold all scans",
            .remedy = "close a query, or read it to its end",
        };
        (void)fault_set(&db->fault, found);
    }
    TRY(status);
    add_u64(&objects.stream, objects.count);
    *digest = checksum_stream_end(&objects.stream);
    *count = objects.count;
    return TACTUS_OK;
}

enum tactus_status digest_logical(tactus_db *db, struct checksum *digest)
{
    struct checksum_stream stream;
    checksum_stream_begin(&stream, (struct checksum){0});
    for (uint32_t number = 0; number < db->forest.collection_count; number += 1) {
        const struct collection *collection = &db->forest.collections[number];
        const char *name = collection->schema->name;
        struct checksum of_collection;
        uint64_t count = 0;
        TRY(digest_collection(db, collection, &of_collection, &count));
        checksum_stream_add(&stream, name, strlen(name) + 1);
        add_checksum(&stream, of_collection);
    }
    *digest = checksum_stream_end(&stream);
    return TACTUS_OK;
}

/* ---- Physical -------------------------------------------------------------------------------- */

static void add_reference(struct checksum_stream *stream, const struct block_reference *reference)
{
    add_u64(stream, reference->address);
    add_u64(stream, reference->copy_address);
    add_checksum(stream, reference->checksum);
}

/* The checksum of the whole string stands for its bytes, which were compared with it when they were
 * read, or which it was computed from when they were written. */
static void add_trailer(struct checksum_stream *stream, const struct trailer_reference *trailer)
{
    add_reference(stream, &trailer->last);
    add_u64(stream, trailer->size);
    add_checksum(stream, trailer->checksum);
}

static void add_checkpoint(
    struct checksum_stream *stream, const struct checkpoint_state *checkpoint
)
{
    add_u64(stream, checkpoint->op_covered);
    add_u64(stream, checkpoint->op_captured);
    add_u64(stream, checkpoint->beat_capture);
    add_u64(stream, checkpoint->journal_offset);
    add_checksum(stream, checkpoint->journal_predecessor);
    add_trailer(stream, &checkpoint->state);
    add_trailer(stream, &checkpoint->acquired);
    add_trailer(stream, &checkpoint->released);
    add_reference(stream, &checkpoint->manifest_oldest);
    add_reference(stream, &checkpoint->manifest_newest);
    add_u64(stream, checkpoint->manifest_block_count);
    add_u64(stream, checkpoint->block_count);
}

static enum tactus_status add_block(
    tactus_db *db, struct checksum_stream *stream, uint8_t *block, uint64_t address
)
{
    const struct layout *layout = &db->layout;
    const uint64_t byte = layout_block_offset(layout, address);
    TRY(reactor_read(&db->reactor, block, layout->block_size, byte, &db->fault));
    const char *what =
        block_fault(block, address, layout->block_size, db->superblock.options.file_id);
    if (what != NULL) {
        const struct fault found = {
            .status = TACTUS_CORRUPT,
            .zone = FAULT_ZONE_GRID,
            .what = what,
            .address = address,
            .byte = byte,
        };
        return fault_set(&db->fault, found);
    }
    add_u64(stream, address);
    add_checksum(stream, block_checksum(block));
    return TACTUS_OK;
}

/* Every block that the checkpoint holds, in the order of addresses. What it has released is left
 * out: once the checkpoint has taken effect those blocks are free, and are written over while the
 * bar goes on. What it holds stays as it is until the next checkpoint's effect. */
static enum tactus_status add_blocks(tactus_db *db, struct checksum_stream *stream, uint8_t *block)
{
    const struct checkpoint_state *checkpoint = &db->superblock.checkpoint;
    const struct free_set_words words = {
        .acquired = db->checkpoint.acquired,
        .released = db->checkpoint.released,
        .acquired_count = checkpoint->acquired.size / 8,
        .released_count = checkpoint->released.size / 8,
    };
    for (uint64_t word = 0; word < words.acquired_count; word += 1) {
        uint64_t bits = load_u64(words.acquired + word * 8);
        bits &= ~free_set_words_released(&words, word);
        for (; bits != 0; bits &= bits - 1) { /* ends: each turn clears a bit */
            const uint64_t address = word * 64 + (uint64_t)__builtin_ctzll(bits) + 1;
            TRY(add_block(db, stream, block, address));
        }
    }
    return TACTUS_OK;
}

/* The image of the redundant headers holds the header of every entry that the checkpoint does not
 * cover, durable or not: recovery and appending see to that (H1). */
static void add_journal(tactus_db *db, struct checksum_stream *stream)
{
    const struct checksum file_id = db->superblock.options.file_id;
    const uint64_t op_last = journal_op_last(&db->journal);
    for (uint64_t op = db->superblock.checkpoint.op_covered + 1; op <= op_last; op += 1) {
        const uint8_t *header = journal_headers_get(&db->journal.headers, op);
        assert(header != NULL);
        add_u64(stream, op);
        add_checksum(stream, journal_header_logical_checksum(header, file_id));
    }
}

enum tactus_status digest_physical(tactus_db *db, struct checksum *digest)
{
    assert(!db->txn.open);

    /* What is encoded, and what the file has, must be one: so that the same history has the same
     * digest, however far the disk has come. */
    if (db->forest.broken == TACTUS_OK) TRY(forest_capture_wait(&db->forest));
    if (checkpoint_is_under_way(&db->checkpoint)) {
        const struct fault found = {
            .status = TACTUS_POISONED, .what = "digest: a checkpoint could not be written"};
        return fault_set(&db->fault, found);
    }
    struct checksum_stream stream;
    checksum_stream_begin(&stream, db->superblock.options.file_id);
    add_checkpoint(&stream, &db->superblock.checkpoint);
    add_trailer(&stream, &db->superblock.schema);
    struct block_frame *frame = grid_frame_take(&db->grid);
    const enum tactus_status status = add_blocks(db, &stream, frame->data);
    grid_unref(&db->grid, frame);
    TRY(status);
    add_journal(db, &stream);
    *digest = checksum_stream_end(&stream);
    return TACTUS_OK;
}
