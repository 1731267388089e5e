#include "database/inspect.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/integer.h"
#include "database/inspect_parts.h"

#include "base/poison.h"

bool inspect_what_find(const char *word, enum inspect_what *what)
{
    static const char *const words[] = {
        [INSPECT_SUPERBLOCK] = "superblock",
        [INSPECT_JOURNAL] = "journal",
        [INSPECT_MANIFEST] = "manifest",
        [INSPECT_TREES] = "trees",
        [INSPECT_TABLES] = "tables",
        [INSPECT_BLOCKS] = "blocks",
        [INSPECT_MEMORY] = "memory",
        [INSPECT_STATS] = "stats",
    };
    *what = INSPECT_SUMMARY;
    if (word == NULL) return true;
    for (uint32_t index = INSPECT_SUPERBLOCK; index < COUNT_OF(words); index += 1) {
        if (strcmp(words[index], word) != 0) continue;
        *what = (enum inspect_what)index;
        return true;
    }
    return false;
}

void inspect_reference(
    struct inspect_writer *writer, const char *key, const struct block_reference *reference
)
{
    inspect_section_begin(writer, key);
    inspect_number(writer, "block", reference->address);
    if (reference->copy_address != 0) inspect_number(writer, "copy", reference->copy_address);
    inspect_checksum(writer, "checksum", reference->checksum);
    inspect_section_end(writer);
}

/* ---- Summary --------------------------------------------------------------------------------- */

static void summary_file(const struct inspect *inspect)
{
    struct inspect_writer *writer = inspect->writer;
    const struct superblock *superblock = &inspect->verify.bootstrap.superblock;
    const struct layout *layout = &inspect->verify.bootstrap.layout;
    inspect_section_begin(writer, "file");
    inspect_number(writer, "format", superblock->options.version);
    inspect_checksum(writer, "file_id", superblock->options.file_id);
    inspect_number(writer, "bytes", file_size(inspect->verify.reactor));
    const uint64_t blocks =
        max_u64(superblock->checkpoint.block_count, superblock->file_block_count);
    inspect_number(writer, "bytes_needed", layout_file_size(layout, blocks));
    inspect_number(writer, "block_size", superblock->options.block_size);
    inspect_number(writer, "journal_bytes", superblock->options.journal_bytes);
    inspect_number(writer, "size_max", superblock->options.size_max);
    inspect_number(writer, "superblock_copies_good", inspect->verify.bootstrap.report.good_count);
    inspect_section_end(writer);
}

static void summary_collections(const struct inspect *inspect)
{
    struct inspect_writer *writer = inspect->writer;
    const struct schema *schema = inspect->verify.bootstrap.schema;
    inspect_list_begin(writer, "collections");
    for (uint32_t number = 0; number < schema->count; number += 1) {
        const struct collection_schema *collection = &schema->collections[number];
        inspect_row_begin(writer);
        inspect_text(writer, "name", collection->name);
        inspect_text(writer, "kind", collection->is_map ? "map" : "collection");
        inspect_number(writer, "object_bytes", collection->object_bytes);
        inspect_number(writer, "fields", collection->field_count);
        inspect_number(writer, "indexes", collection->index_count);
        if (inspect->verify.has_state) {
            inspect_number(writer, "timestamp_last", inspect->verify.state.timestamp_last[number]);
        }
        inspect_row_end(writer);
    }
    inspect_list_end(writer);
}

static void summary_checkpoint(const struct inspect *inspect)
{
    struct inspect_writer *writer = inspect->writer;
    const struct superblock *superblock = &inspect->verify.bootstrap.superblock;
    inspect_section_begin(writer, "checkpoint");
    inspect_number(writer, "sequence", superblock->sequence);
    inspect_number(writer, "op_covered", superblock->checkpoint.op_covered);
    inspect_number(writer, "op_captured", superblock->checkpoint.op_captured);
    inspect_number(writer, "beat_capture", superblock->checkpoint.beat_capture);
    inspect_section_end(writer);
}

static enum tactus_status inspect_summary(struct inspect *inspect)
{
    TRY(inspect_look(inspect));
    summary_file(inspect);
    summary_checkpoint(inspect);
    summary_collections(inspect);
    inspect_grid(inspect);
    TRY(inspect_journal_count(inspect));
    if (inspect->verify.has_state) inspect_counters(inspect);
    inspect_text(inspect->writer, "schema", inspect->verify.bootstrap.schema_text);
    return TACTUS_OK;
}

/* ---- Memory ---------------------------------------------------------------------------------- */

/* What an open for writing with the default options takes, by name. */
static enum tactus_status inspect_memory(struct inspect *inspect)
{
    struct inspect_writer *writer = inspect->writer;
    tactus_db *db = calloc(1, sizeof *db);
    if (db == NULL) {
        return fault_set(
            inspect->verify.fault,
            (struct fault){.status = TACTUS_IO, .what = "inspect: the system has no memory"}
        );
    }
    struct bootstrap *bootstrap = &inspect->verify.bootstrap;
    tactus_open_options_default(&db->options);
    db->query_count_max = db->options.query_count_max;
    db->superblock = bootstrap->superblock;
    db->layout = bootstrap->layout;
    db->schema = bootstrap->schema;
    db->sizing = bootstrap->sizing;
    struct budget *budget = &db->budget;
    budget_measure_begin(budget);
    database_init_parts(db, budget, NULL);
    inspect_list_begin(writer, "memory");
    for (uint32_t index = 0; index < budget_line_count(budget); index += 1) {
        const struct budget_line line = budget_line_at(budget, index);
        inspect_row_begin(writer);
        inspect_text(writer, "name", line.name);
        inspect_number(writer, "bytes", line.bytes);
        inspect_row_end(writer);
    }
    inspect_list_end(writer);
    inspect_number(writer, "bytes", budget_used(budget));
    free(db);
    return TACTUS_OK;
}

/* ---- The whole ------------------------------------------------------------------------------- */

static enum tactus_status inspect_part(struct inspect *inspect, enum inspect_what what)
{
    switch (what) {
    case INSPECT_SUMMARY: return inspect_summary(inspect);
    case INSPECT_JOURNAL: return inspect_journal(inspect);
    case INSPECT_MANIFEST: return inspect_manifest(inspect);
    case INSPECT_TREES: return inspect_trees(inspect);
    case INSPECT_TABLES: return inspect_tables(inspect);
    case INSPECT_BLOCKS: return inspect_blocks(inspect);
    case INSPECT_MEMORY: return inspect_memory(inspect);
    case INSPECT_STATS: return inspect_stats(inspect);
    case INSPECT_SUPERBLOCK: break;
    }
    assert(false);
    return TACTUS_MISUSE;
}

/* The superblock alone: its copies are shown whatever they hold, so that damage is seen where
 * nothing else can be read. */
static enum tactus_status inspect_root(
    struct reactor *reactor, struct inspect_writer *writer, struct fault *fault
)
{
    TRY(inspect_copies(writer, reactor, fault));
    struct superblock superblock;
    TRY(superblock_read(reactor, &superblock, NULL, fault));
    inspect_superblock(writer, &superblock);
    return TACTUS_OK;
}

enum tactus_status inspect_file(
    struct reactor *reactor,
    enum inspect_what what,
    struct inspect_writer *writer,
    struct fault *fault
)
{
    if (what == INSPECT_SUPERBLOCK) return inspect_root(reactor, writer, fault);
    struct inspect inspect = {
        .verify = {.reactor = reactor, .fault = fault},
        .writer = writer,
    };
    inspect.verify.report = &inspect.report;
    enum tactus_status status = bootstrap_read(&inspect.verify.bootstrap, reactor, fault);
    if (status != TACTUS_OK) {
        /* As much of the root as there is. */
        struct fault echo = {0};
        if (status == TACTUS_IO) return status;
        const enum tactus_status shown = inspect_copies(writer, reactor, &echo);
        maybe(shown != TACTUS_OK); /* what came first is the answer */
        return status;
    }
    status = verify_begin(&inspect.verify);
    if (status == TACTUS_OK) status = inspect_part(&inspect, what);
    verify_end(&inspect.verify);
    return status;
}
