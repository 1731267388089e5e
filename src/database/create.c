#include "database/database.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "forest/schema_parser.h"

#include "base/poison.h"

enum { CREATE_FRAMES = 64 }; /* more than the trailers that a new file begins with hold at once */

enum tactus_status database_plan(
    const char *schema_text,
    const struct tactus_create_options *options,
    struct schema *schema,
    struct sizing *sizing,
    struct tactus_error *error
)
{
    struct text_error words = {0};
    enum tactus_status status = schema_parse(schema_text, strlen(schema_text), schema, &words);
    if (status == TACTUS_OK) status = sizing_resolve(schema, options, sizing, &words);
    if (status == TACTUS_OK) return TACTUS_OK;
    (void)error_set(error, status, "%s", words.text);
    if (error != NULL) {
        error->line = words.line;
        error->column = words.column;
    }
    return status;
}

static struct file_options file_options_of(const struct sizing *sizing, struct checksum file_id)
{
    struct file_options options = {
        .version = SUPERBLOCK_VERSION,
        .block_size = sizing->block_size,
        .file_id = file_id,
        .batch_max = sizing->batch_max,
        .bar_beats = sizing->bar_beats,
        .growth_factor = sizing->growth_factor,
        .tables_max = sizing->tables_max,
        .journal_bytes = sizing->journal_bytes,
        .size_max = sizing->size_max,
        .keep = sizing->keep,
        .snapshots_max = sizing->snapshots_max,
    };
    for (uint32_t level = 0; level < SUPERBLOCK_LEVELS; level += 1) {
        options.runs_max[level] = sizing->runs_max[level];
    }
    return options;
}

/* The one use of chance: an id that the caller did not give. */
static struct checksum file_id_of(const struct tactus_create_options *options)
{
    struct checksum file_id = {0};
    if (options != NULL) {
        file_id = (struct checksum){.low = options->file_id.low, .high = options->file_id.high};
    }
    while (checksum_is_zero(file_id)) {
        if (getrandom(&file_id, sizeof file_id, 0) != (ssize_t)sizeof file_id) {
            file_id = (struct checksum){0};
        }
    }
    return file_id;
}

/* The parts that write a first checkpoint. */
struct creation {
    struct superblock superblock;
    struct layout layout;
    struct grid grid;
    struct checkpoint checkpoint;
    struct fault fault;
};

static void creation_init(struct creation *creation, struct budget *budget, struct reactor *reactor)
{
    const struct grid_options grid_options = {
        .reactor = reactor,
        .layout = &creation->layout,
        .file_id = creation->superblock.options.file_id,
        .keep = creation->superblock.options.keep,
        .cache_frames = DATABASE_CACHE_FRAMES_MIN,
        .pinned_frames_max = CREATE_FRAMES,
        .fault = &creation->fault,
    };
    grid_init(&creation->grid, budget, &grid_options);
    const struct checkpoint_options checkpoint_options = {
        .grid = &creation->grid, .superblock = &creation->superblock};
    checkpoint_init(&creation->checkpoint, budget, &checkpoint_options);
}

static enum tactus_status creation_write(
    struct creation *creation,
    struct reactor *reactor,
    const char *schema_text,
    const struct schema *schema,
    const struct sizing *sizing
)
{
    /* Room for the first two bars beside what the file begins with, so that the first open need not
     * grow it (S7). */
    const uint64_t ahead = 2 * sizing->bar_blocks_empty;
    const uint64_t blocks = min_u64(ahead, creation->layout.block_count_max);
    TRY(file_grow(reactor, layout_file_size(&creation->layout, blocks), &creation->fault));
    if (reactor->is_device) TRY(superblock_erase(reactor, &creation->fault));
    TRY(journal_format(reactor, &creation->layout, &creation->fault));

    const struct forest_state state = {.collection_count = schema->count};
    uint8_t bytes[FOREST_STATE_SIZE_MAX];
    const struct checkpoint_capture capture = {
        .state = bytes,
        .state_size = forest_state_encode(&state, bytes),
    };
    return checkpoint_format(
        &creation->checkpoint, &capture, schema_text, (uint64_t)strlen(schema_text)
    );
}

static enum tactus_status creation_run(
    struct creation *creation,
    struct reactor *reactor,
    const char *schema_text,
    const struct schema *schema,
    const struct sizing *sizing
)
{
    struct budget budget;
    budget_measure_begin(&budget);
    creation_init(creation, &budget, reactor);
    const uint64_t size = budget_used(&budget);
    void *region = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (region == MAP_FAILED) {
        const struct fault found = {
            .status = TACTUS_IO, .what = "create: the system has no memory for the free set"};
        return fault_set(&creation->fault, found);
    }
    budget_carve_begin(&budget, region, size);
    creation_init(creation, &budget, reactor);
    const enum tactus_status status =
        creation_write(creation, reactor, schema_text, schema, sizing);
    grid_close(&creation->grid);
    (void)munmap(region, size);
    return status;
}

static enum tactus_status create_in(
    struct creation *creation,
    struct reactor *reactor,
    const char *schema_text,
    const struct schema *schema,
    const struct sizing *sizing
)
{
    layout_init(&creation->layout, sizing->block_size, sizing->journal_bytes, sizing->size_max);
    return creation_run(creation, reactor, schema_text, schema, sizing);
}

enum tactus_status database_create(
    struct reactor *reactor,
    const char *schema_text,
    const struct tactus_create_options *options,
    struct tactus_error *error
)
{
    struct schema *schema = malloc(sizeof *schema);
    struct sizing *sizing = malloc(sizeof *sizing);
    struct creation *creation = calloc(1, sizeof *creation);
    enum tactus_status status = TACTUS_IO;
    if (schema == NULL || sizing == NULL || creation == NULL) {
        (void)error_set(error, status, "create: the system has no memory; free some");
    } else {
        status = database_plan(schema_text, options, schema, sizing, error);
        if (status == TACTUS_OK) {
            creation->superblock.options = file_options_of(sizing, file_id_of(options));
            status = create_in(creation, reactor, schema_text, schema, sizing);
            if (status != TACTUS_OK) (void)error_from_fault(error, &creation->fault);
        }
    }
    free(schema);
    free(sizing);
    free(creation);
    return status;
}
