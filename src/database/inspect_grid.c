/* What lies in the grid: the manifest log and what it tells of, and every block. */
#include "database/inspect_parts.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "lsm/manifest_log.h"

#include "base/poison.h"

static void report_to_writer(void *context, enum tactus_severity severity, const char *line)
{
    if (severity != TACTUS_NOTE) inspect_line(context, "fault", line);
}

static void faults_begin(struct inspect *inspect)
{
    inspect_list_begin(inspect->writer, "faults");
    report_begin(&inspect->report, report_to_writer, inspect->writer);
}

static void faults_end(struct inspect *inspect)
{
    report_end(&inspect->report);
    inspect_list_end(inspect->writer);
}

enum tactus_status inspect_look(struct inspect *inspect)
{
    faults_begin(inspect);
    verify_trailers(&inspect->verify);
    if (inspect->verify.status == TACTUS_OK) verify_manifest(&inspect->verify);
    faults_end(inspect);
    return inspect->verify.status;
}

static const char *block_type_text(uint32_t type)
{
    switch (type) {
    case BLOCK_FREE_SET: return "free-set";
    case BLOCK_STATE: return "state";
    case BLOCK_SCHEMA: return "schema";
    case BLOCK_MANIFEST: return "manifest";
    case BLOCK_ROOT: return "root";
    case BLOCK_LEAF: return "leaf";
    case BLOCK_VALUE: return "value";
    case BLOCK_FILTER: return "filter";
    default: return "unknown";
    }
}

/* ---- Manifest -------------------------------------------------------------------------------- */

static const char *event_text(uint8_t event)
{
    switch (event) {
    case MANIFEST_INSERT: return "insert";
    case MANIFEST_UPDATE: return "update";
    case MANIFEST_REMOVE: return "remove";
    default: return "unknown";
    }
}

static void event_rows(struct inspect_writer *writer, const uint8_t *block, uint64_t address)
{
    const uint32_t count = manifest_block_entry_count(block);
    for (uint32_t index = count; index > 0; index -= 1) {
        const struct manifest_entry *entry = manifest_block_entry(block, index - 1);
        inspect_row_begin(writer);
        inspect_number(writer, "log_block", address);
        inspect_number(writer, "entry", index - 1);
        inspect_text(writer, "event", event_text(entry->event));
        inspect_number(writer, "tree", entry->tree);
        inspect_number(writer, "level", entry->level);
        inspect_number(writer, "root", entry->address);
        inspect_number(writer, "records", entry->value_count);
        inspect_number(writer, "snapshot_min", entry->snapshot_min);
        inspect_number(writer, "snapshot_max", entry->snapshot_max);
        inspect_row_end(writer);
    }
}

/* Newest first, as the log is read. The report writes its faults between the rows. */
enum tactus_status inspect_manifest(struct inspect *inspect)
{
    struct verify *verify = &inspect->verify;
    const struct checkpoint_state *checkpoint = &verify->bootstrap.superblock.checkpoint;
    const struct layout *layout = &verify->bootstrap.layout;
    struct inspect_writer *writer = inspect->writer;
    inspect_number(writer, "block_count", checkpoint->manifest_block_count);
    inspect_number(writer, "block_count_max", verify->bootstrap.sizing->log.log_blocks_max);
    inspect_list_begin(writer, "events");
    report_begin(&inspect->report, report_to_writer, writer);
    struct verify_want want = {.reference = checkpoint->manifest_newest, .type = BLOCK_MANIFEST};
    for (uint64_t step = 0; step < checkpoint->manifest_block_count; step += 1) {
        if (!verify_block_read(verify, &want, 0)) break;
        const uint8_t *block = verify->blocks[0];
        const char *what = manifest_block_fault(block, layout->block_size, layout->block_count_max);
        if (what != NULL) {
            verify_block_fault(verify, &want, what);
            break;
        }
        event_rows(writer, block, want.reference.address);
        want.reference = manifest_block_previous(block);
    }
    inspect_list_end(writer);
    return verify->status;
}

/* ---- Trees and tables ------------------------------------------------------------------------ */

enum tactus_status inspect_trees(struct inspect *inspect)
{
    TRY(inspect_look(inspect));
    const struct verify *verify = &inspect->verify;
    const struct sizing *sizing = verify->bootstrap.sizing;
    struct inspect_writer *writer = inspect->writer;
    uint64_t next = 0; /* of the tables, which are in the order of trees, then levels */
    inspect_list_begin(writer, "trees");
    for (uint32_t tree = 1; tree <= sizing->tree_count; tree += 1) {
        char name[INSPECT_TREE_NAME_SIZE];
        verify_tree_name(verify->bootstrap.schema, tree, name, sizeof name);
        uint64_t tables[LEVELS] = {0};
        uint64_t records = 0;
        for (; next < verify->table_count && verify->tables[next].tree == tree; next += 1) {
            tables[verify->tables[next].level] += 1;
            records += verify->tables[next].value_count;
        }
        static const char *const keys[LEVELS] = {
            "level_0", "level_1", "level_2", "level_3", "level_4", "level_5", "level_6"};
        const struct tree_sizing *of_tree = &sizing->trees[tree - 1];
        inspect_row_begin(writer);
        inspect_number(writer, "tree", tree);
        inspect_text(writer, "name", name);
        inspect_number(writer, "record_bytes", of_tree->shape.record_size);
        inspect_number(writer, "key_bits", of_tree->shape.key_bits);
        inspect_number(writer, "table_records_max", of_tree->geometry.records_max);
        if (of_tree->geometry.filters_max > 0) {
            inspect_number(writer, "table_filters_max", of_tree->geometry.filters_max);
        }
        inspect_number(writer, "records", records);
        for (uint32_t level = 0; level < LEVELS; level += 1) {
            if (tables[level] > 0) inspect_number(writer, keys[level], tables[level]);
        }
        inspect_row_end(writer);
    }
    inspect_list_end(writer);
    return TACTUS_OK;
}

static void key_value(
    struct inspect_writer *writer, const char *name, struct key key, uint32_t key_bits
)
{
    static const char digits[] = "0123456789abcdef";
    char text[3 * 16 + 1];
    uint32_t used = 0;
    for (uint32_t bit = key_bits; bit > 0; bit -= 4) {
        const uint64_t word = key.word[2 - (bit - 1) / 64];
        text[used] = digits[(word >> ((bit - 4) % 64)) & 15];
        used += 1;
    }
    text[used] = 0;
    inspect_text(writer, name, text);
}

/* What the root says of the table's blocks; nothing, if it is not whole. */
static enum tactus_status root_columns(struct inspect *inspect, const struct table_info *table)
{
    const struct verify *verify = &inspect->verify;
    const struct layout *layout = &verify->bootstrap.layout;
    uint8_t *block = verify->blocks[0];
    if (table->address > verify->block_count) return TACTUS_OK;
    const uint64_t byte = layout_block_offset(layout, table->address);
    TRY(reactor_read(verify->reactor, block, layout->block_size, byte, verify->fault));
    const struct table_format *format = &verify->formats[table->tree];
    if (block_fault(block, table->address, layout->block_size, verify->file_id) != NULL ||
        !checksum_equal(block_checksum(block), table->checksum) ||
        table_root_fault(block, format, table) != NULL) {
        return TACTUS_OK;
    }
    const struct table_root root = table_root_decode(block);
    inspect_number(inspect->writer, "value_blocks", root.value_block_count);
    inspect_number(inspect->writer, "leaves", root.leaf_count);
    inspect_number(inspect->writer, "filter_blocks", root.filter_count);
    return TACTUS_OK;
}

enum tactus_status inspect_tables(struct inspect *inspect)
{
    TRY(inspect_look(inspect));
    const struct verify *verify = &inspect->verify;
    struct inspect_writer *writer = inspect->writer;
    enum tactus_status status = TACTUS_OK;
    inspect_list_begin(writer, "tables");
    for (uint64_t index = 0; index < verify->table_count && status == TACTUS_OK; index += 1) {
        const struct table_info *table = &verify->tables[index];
        const uint32_t key_bits = verify->formats[table->tree].shape.key_bits;
        char name[INSPECT_TREE_NAME_SIZE];
        verify_tree_name(verify->bootstrap.schema, table->tree, name, sizeof name);
        inspect_row_begin(writer);
        inspect_number(writer, "tree", table->tree);
        inspect_text(writer, "name", name);
        inspect_number(writer, "level", table->level);
        if (table->run != 0) inspect_number(writer, "run", table->run);
        inspect_number(writer, "root", table->address);
        if (table->copy_address != 0) inspect_number(writer, "copy", table->copy_address);
        inspect_checksum(writer, "checksum", table->checksum);
        inspect_number(writer, "records", table->value_count);
        inspect_text(writer, "tombstones", table->has_tombstones ? "yes" : "no");
        if (table->is_trimmed) inspect_text(writer, "trimmed", "yes");
        status = root_columns(inspect, table);
        inspect_number(writer, "snapshot_min", table->snapshot_min);
        key_value(writer, "key_min", table->key_min, key_bits);
        key_value(writer, "key_max", table->key_max, key_bits);
        inspect_row_end(writer);
    }
    inspect_list_end(writer);
    return status;
}

/* ---- Blocks ---------------------------------------------------------------------------------- */

static const char *marks_text(uint8_t marks)
{
    if ((marks & MARK_OWN) != 0) return "free-set";
    if ((marks & MARK_RELEASED) != 0) return "released";
    return (marks & MARK_ACQUIRED) != 0 ? "acquired" : "free";
}

/* What a block says of itself; no reference is compared, as there need not be one. */
static void block_row(struct inspect *inspect, uint64_t address)
{
    const struct verify *verify = &inspect->verify;
    const uint32_t block_size = verify->bootstrap.layout.block_size;
    const uint8_t *block = verify->blocks[0];
    const struct block_header *header = block_header_read(block);
    struct inspect_writer *writer = inspect->writer;
    const char *what = block_fault(block, address, block_size, verify->file_id);
    inspect_row_begin(writer);
    inspect_number(writer, "block", address);
    inspect_text(writer, "state", marks_text(verify->marks[address]));
    if (what == NULL) {
        inspect_text(writer, "type", block_type_text(header->type));
        if (header->tree != 0) inspect_number(writer, "tree", header->tree);
        inspect_number(writer, "size", header->size);
        if (header->snapshot != 0) inspect_number(writer, "snapshot", header->snapshot);
        inspect_checksum(writer, "checksum", block_checksum(block));
    } else {
        inspect_text(writer, "fault", what);
    }
    inspect_row_end(writer);
}

enum tactus_status inspect_blocks(struct inspect *inspect)
{
    TRY(inspect_look(inspect));
    struct verify *verify = &inspect->verify;
    const struct layout *layout = &verify->bootstrap.layout;
    inspect_number(inspect->writer, "block_size", layout->block_size);
    inspect_number(inspect->writer, "block_count", verify->block_count);
    inspect_list_begin(inspect->writer, "blocks");
    enum tactus_status status = TACTUS_OK;
    for (uint64_t address = 1; address <= verify->block_count; address += 1) {
        /* Without a free set all are shown. */
        const bool is_free = (verify->marks[address] & (MARK_ACQUIRED | MARK_OWN)) == 0;
        if (verify->has_free_set && is_free) continue;
        const uint64_t byte = layout_block_offset(layout, address);
        status = reactor_read(
            verify->reactor, verify->blocks[0], layout->block_size, byte, verify->fault
        );
        if (status != TACTUS_OK) break;
        block_row(inspect, address);
        if (inspect->writer->is_stopped) break;
    }
    inspect_list_end(inspect->writer);
    return status;
}
