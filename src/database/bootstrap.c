#include "database/database.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "forest/schema_parser.h"
#include "storage/trailer.h"

#include "base/poison.h"

struct tactus_create_options bootstrap_create_options(const struct file_options *options)
{
    struct tactus_create_options create;
    tactus_create_options_default(&create);
    /* What the file was made with is given in full, so memory decides nothing any more. */
    create.memory_bytes = UINT64_C(1) << 50;
    create.block_size = options->block_size;
    create.batch_max = options->batch_max;
    create.bar_beats = options->bar_beats;
    create.growth_factor = options->growth_factor;
    create.journal_bytes = options->journal_bytes;
    create.size_max = options->size_max;
    create.tables_max = options->tables_max;
    create.keep = options->keep;
    create.snapshots_max = options->snapshots_max;
    for (uint32_t level = 0; level < SUPERBLOCK_LEVELS; level += 1) {
        create.runs_max[level] = options->runs_max[level];
    }
    create.file_id.low = options->file_id.low;
    create.file_id.high = options->file_id.high;
    return create;
}

static enum tactus_status bootstrap_corrupt(
    const struct bootstrap *bootstrap, struct fault *fault, const char *what
)
{
    struct fault found = {
        .status = TACTUS_CORRUPT,
        .zone = FAULT_ZONE_GRID,
        .what = what,
        .address = bootstrap->superblock.schema.last.address,
        .block_type = BLOCK_SCHEMA,
    };
    error_find_byte(&found, &bootstrap->layout);
    return fault_set(fault, found);
}

static enum tactus_status bootstrap_read_schema(
    struct bootstrap *bootstrap, struct reactor *reactor, struct fault *fault
)
{
    const struct file_options *options = &bootstrap->superblock.options;
    const uint64_t size = bootstrap->superblock.schema.size;
    if (size == 0 || size > SCHEMA_TEXT_MAX) {
        return bootstrap_corrupt(bootstrap, fault, "the schema's text has an impossible size");
    }
    uint8_t *scratch = aligned_alloc(SECTOR_SIZE, options->block_size);
    bootstrap->schema_text = malloc(size + 1);
    if (scratch == NULL || bootstrap->schema_text == NULL) {
        free(scratch);
        return fault_set(
            fault, (struct fault){.status = TACTUS_IO, .what = "open: the system has no memory"}
        );
    }
    const struct trailer_reader reader = {
        .reactor = reactor,
        .layout = &bootstrap->layout,
        .file_id = options->file_id,
        .scratch = scratch,
        .fault = fault,
    };
    struct trailer_target target = {.bytes = (uint8_t *)bootstrap->schema_text, .size_max = size};
    const enum tactus_status status =
        trailer_open(&reader, BLOCK_SCHEMA, &bootstrap->superblock.schema, &target);
    free(scratch);
    TRY(status);
    bootstrap->schema_text[size] = 0;
    bootstrap->schema_size = size;
    return TACTUS_OK;
}

static enum tactus_status bootstrap_parse(struct bootstrap *bootstrap, struct fault *fault)
{
    bootstrap->schema = malloc(sizeof *bootstrap->schema);
    bootstrap->sizing = malloc(sizeof *bootstrap->sizing);
    if (bootstrap->schema == NULL || bootstrap->sizing == NULL) {
        return fault_set(
            fault, (struct fault){.status = TACTUS_IO, .what = "open: the system has no memory"}
        );
    }
    const enum tactus_status parsed =
        schema_parse(bootstrap->schema_text, bootstrap->schema_size, bootstrap->schema, NULL);
    if (parsed != TACTUS_OK) {
        return bootstrap_corrupt(bootstrap, fault, "the schema's text in the file is not one");
    }
    const struct file_options *options = &bootstrap->superblock.options;
    const struct tactus_create_options create = bootstrap_create_options(options);
    const enum tactus_status sized =
        sizing_resolve(bootstrap->schema, &create, bootstrap->sizing, NULL);
    const struct sizing *sizing = bootstrap->sizing;
    if (sized != TACTUS_OK || sizing->journal_bytes != options->journal_bytes ||
        sizing->size_max != options->size_max || sizing->batch_max != options->batch_max ||
        sizing->bar_beats != options->bar_beats || sizing->tables_max != options->tables_max) {
        return bootstrap_corrupt(bootstrap, fault, "the file's options do not fit its schema");
    }
    return TACTUS_OK;
}

enum tactus_status bootstrap_read(
    struct bootstrap *bootstrap, struct reactor *reactor, struct fault *fault
)
{
    *bootstrap = (struct bootstrap){0};
    TRY(superblock_read(reactor, &bootstrap->superblock, &bootstrap->report, fault));
    const struct file_options *options = &bootstrap->superblock.options;
    layout_init(&bootstrap->layout, options->block_size, options->journal_bytes, options->size_max);
    enum tactus_status status = bootstrap_read_schema(bootstrap, reactor, fault);
    if (status == TACTUS_OK) status = bootstrap_parse(bootstrap, fault);
    if (status != TACTUS_OK) bootstrap_free(bootstrap);
    return status;
}

void bootstrap_free(struct bootstrap *bootstrap)
{
    free(bootstrap->schema);
    free(bootstrap->sizing);
    free(bootstrap->schema_text);
    bootstrap->schema = NULL;
    bootstrap->sizing = NULL;
    bootstrap->schema_text = NULL;
}
