/* Trailers: byte strings kept in the grid as chains of blocks, named by the superblock.
 *
 *   superblock: { last block, size, checksum of all bytes }
 *
 *   [block 0] <---- [block 1] <---- ... <---- [last block]     each refers to its predecessor
 *
 * All blocks but the last are full. The predecessor's reference is the first 32 bytes of the
 * block's metadata, zero in block 0; the rest of the metadata, the tree and the snapshot are zero.
 * An empty string has no block, and a reference that is all zero. */
#ifndef TACTUS_STORAGE_TRAILER_H
#define TACTUS_STORAGE_TRAILER_H

#include "base/status.h"
#include "storage/block.h"
#include "storage/grid.h"
#include "storage/superblock.h"

#include <stdbool.h>
#include <stdint.h>

/* Blocks that a string of `size` bytes needs. */
uint64_t trailer_block_count(uint64_t size, uint32_t block_size);

/* Acquires trailer blocks for `size` bytes into addresses[], which has room for them: reserve,
 * acquire, forfeit. The caller has seen to it that they are there. Returns their number. */
uint64_t trailer_acquire(struct grid *grid, uint64_t size, uint64_t *addresses);

/* What to write: type, bytes and their size, and addresses[], acquired by trailer_acquire(). */
struct trailer_source {
    enum block_type type;
    const uint8_t *bytes; /* borrowed until all is written */
    uint64_t size;
    const uint64_t *addresses; /* likewise */
};

/* A trailer that is being written, block by block. */
struct trailer_writer {
    struct trailer_source source;
    uint64_t offset;                    /* in the string: what is below has been started */
    uint64_t index;                     /* of the next block */
    struct trailer_reference reference; /* whole once trailer_write_next() says so */
};

/* Begins; starts no write. */
void trailer_write_begin(
    struct trailer_writer *writer, struct grid *grid, const struct trailer_source *source
);

/* True: no block is left to start. */
bool trailer_write_is_over(const struct trailer_writer *writer);

/* Starts to write the next block; waits if the grid has no slot for it. */
void trailer_write_next(struct trailer_writer *writer, struct grid *grid);

/* Starts to write all blocks, in order; they are written once a grid_write_mark() taken after it is
 * written through. */
struct trailer_reference trailer_write(struct grid *grid, const struct trailer_source *source);

/* Where blocks come from: a grid, or, before there is one, the file itself. */
struct trailer_reader {
    struct grid *grid; /* NULL: read by the fields below */

    struct reactor *reactor;
    const struct layout *layout;
    struct checksum file_id;
    uint8_t *scratch; /* one block, 4096-aligned */
    struct fault *fault;
};

/* One block of a trailer, from the last to the first. */
struct trailer_block {
    enum block_type type;
    struct block_reference reference;
    uint64_t offset;     /* in the string */
    const uint8_t *body; /* borrowed for the call */
    uint64_t body_size;
};

/* Reads every block of the trailer and gives each to visit(), which may be NULL. Checks all that
 * can be, but not the checksum of the whole. Returns CORRUPT, IO or POISONED, or what visit()
 * answered if not OK, and stops there. */
enum tactus_status trailer_walk(
    const struct trailer_reader *reader,
    enum block_type type,
    const struct trailer_reference *reference,
    enum tactus_status (*visit)(void *context, const struct trailer_block *block),
    void *context
);

/* Where trailer_open() puts what it reads. */
struct trailer_target {
    uint8_t *bytes;      /* size_max bytes */
    uint64_t size_max;   /* a longer trailer is CORRUPT */
    uint64_t *addresses; /* of its blocks and of their copies, or NULL: not wanted */
    uint64_t address_count_max;

    uint64_t size;          /* out */
    uint64_t address_count; /* out; the last block first, a copy after its block */
};

/* Reads the whole string, and compares its checksum. */
enum tactus_status trailer_open(
    const struct trailer_reader *reader,
    enum block_type type,
    const struct trailer_reference *reference,
    struct trailer_target *target
);

#endif
