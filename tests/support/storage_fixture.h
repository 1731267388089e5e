/* A grid and a checkpoint over a simulated disk, as database/ would set them up, for tests; on
 * demand with a view of the grid, and over a file of another kind. */
#ifndef TACTUS_TESTS_STORAGE_FIXTURE_H
#define TACTUS_TESTS_STORAGE_FIXTURE_H

#include "io/file.h"
#include "storage/checkpoint.h"
#include "storage/grid.h"
#include "support/simulated_disk.h"

struct storage_fixture_options {
    uint32_t block_size;           /* 0: 4096 */
    uint64_t block_count_max;      /* 0: 8192 */
    uint32_t keep;                 /* 0: 1 */
    uint32_t cache_frames;         /* 0: 8 */
    uint32_t pinned_frames_max;    /* 0: 8 */
    struct grid_view_options view; /* reads_max 0: there is no view; reactor and fault: ignored */
    bool read_only;
};

enum { STORAGE_FIXTURE_JOURNAL = 1 << 16 }; /* bytes of its journal zone, which stays unused */

struct storage_fixture {
    struct simulated_disk *disk; /* borrowed; NULL: it is over a file */
    struct reactor reactor;
    struct reactor view_reactor; /* over a file alone: on a disk the view uses the grid's */
    struct layout layout;
    struct superblock
        superblock; /* options filled; the rest zero, or as storage_fixture_open() read */
    struct grid grid;
    struct grid view;
    struct checkpoint checkpoint;
    struct fault fault;
    struct fault view_fault;
    void *region; /* owned */
};

/* A disk that is as long as the zones before the grid. Every fourth seed's finishes requests as
 * they are submitted, another fourth's in order, the others' in any. */
struct simulated_disk *storage_fixture_disk(
    uint64_t seed, const struct storage_fixture_options *options
);

/* Opens the disk and sets everything up in memory; nothing is read. */
void storage_fixture_begin(
    struct storage_fixture *fixture,
    struct simulated_disk *disk,
    const struct storage_fixture_options *options
);

/* Makes a file at `path` and sets everything up over it; view and grid have their own reactors. The
 * caller removes the file. */
void storage_fixture_begin_file(
    struct storage_fixture *fixture,
    const char *path,
    enum io_path io,
    const struct storage_fixture_options *options
);

/* Reads the superblock and opens the checkpoint. `state` has room for CHECKPOINT_STATE_SIZE_MAX. */
enum tactus_status storage_fixture_open(
    struct storage_fixture *fixture, uint8_t *state, uint64_t *state_size
);

/* Drops everything but the disk; the process may as well be dead. */
void storage_fixture_end(struct storage_fixture *fixture);

/* Opens an empty grid with room for block_count blocks, of which all are acquired. */
void storage_fixture_grid(struct storage_fixture *fixture, uint64_t block_count);

/* Writes a block whose body is `size` bytes that follow from `seed`; does not wait. */
struct block_reference storage_fixture_write(
    struct storage_fixture *fixture, uint64_t address, uint64_t seed, uint32_t size
);

/* The same through any grid or view, with a block of type BLOCK_VALUE of tree 7. */
struct block_reference storage_fixture_write_through(
    struct grid *grid, uint64_t address, uint64_t seed, uint32_t size
);

/* Whether the body is what storage_fixture_write() wrote. */
bool storage_fixture_body_is(const uint8_t *block, uint64_t seed, uint32_t size);

/* Reads a block that storage_fixture_write() wrote; true if it has the right body. */
bool storage_fixture_read(
    struct storage_fixture *fixture, struct block_reference reference, uint64_t seed, uint32_t size
);
bool storage_fixture_read_through(
    struct grid *grid, struct block_reference reference, uint64_t seed, uint32_t size
);

/* Reads every trailer block that the superblock names (schema, state, acquired, released) and gives
 * the address of each, and of its copy if it has one, to visit(). Stops at the first failure. */
enum tactus_status storage_fixture_trailers(
    struct storage_fixture *fixture,
    void (*visit)(void *context, uint64_t address, enum block_type type),
    void *context
);

/* Drops everything cached that nobody holds: it is read from the disk from now on. */
void storage_fixture_empty_cache(struct grid *grid);

#endif
