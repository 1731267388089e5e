/* What the history of a file came to: its counts, and what it holds now, tree by tree. */
#include "database/inspect_parts.h"

#include "base/integer.h"

#include "base/poison.h"

void inspect_counters(const struct inspect *inspect)
{
    const struct forest_counters *counters = &inspect->verify.state.counters;
    const struct forest_level_counters sum = forest_counters_sum(counters);
    struct inspect_writer *writer = inspect->writer;
    inspect_section_begin(writer, "counters");
    inspect_number(writer, "transactions", counters->transactions);
    inspect_number(writer, "inserts", counters->inserts);
    inspect_number(writer, "updates", counters->updates);
    inspect_number(writer, "removes", counters->removes);
    inspect_number(writer, "puts", counters->puts);
    inspect_number(writer, "deletes", counters->deletes);
    inspect_number(writer, "bytes_committed", counters->bytes_committed);
    inspect_number(writer, "bytes_journal", counters->bytes_journal);
    inspect_number(writer, "beats", counters->beats);
    inspect_number(writer, "checkpoints", counters->checkpoints);
    inspect_number(writer, "merges", counters->merges);
    inspect_number(writer, "moves", sum.tables_moved);
    inspect_number(writer, "deferrals", counters->deferrals);
    inspect_number(writer, "tables_coalesced", counters->tables_coalesced);
    inspect_number(writer, "tables_written", sum.tables_written);
    inspect_number(writer, "blocks_written", sum.blocks_written);
    inspect_number(writer, "records_written", sum.records_written);
    inspect_number(writer, "bytes_written", sum.bytes_written);
    inspect_number(writer, "records_dropped", counters->records_dropped);
    inspect_number(writer, "records_replaced", counters->records_replaced);
    inspect_number(writer, "records_cancelled", counters->records_cancelled);
    inspect_number(writer, "slices", sum.slices);
    inspect_number(writer, "tables_trimmed", sum.tables_trimmed);
    inspect_section_end(writer);
}

/* The blocks of state and free set are live: they hold the checkpoint that is shown. (A process
 * that goes on from it counts them as released, for the next.) */
void inspect_grid(const struct inspect *inspect)
{
    const struct verify *verify = &inspect->verify;
    const struct layout *layout = &verify->bootstrap.layout;
    struct inspect_writer *writer = inspect->writer;
    uint64_t acquired = 0;
    uint64_t released = 0;
    for (uint64_t address = 1; address <= verify->block_count; address += 1) {
        const uint8_t marks = verify->marks[address];
        if ((marks & (MARK_ACQUIRED | MARK_OWN)) != 0) acquired += 1;
        if ((marks & MARK_RELEASED) != 0) released += 1;
    }
    const uint64_t blocks =
        max_u64(layout_block_count(layout, file_size(verify->reactor)), verify->block_count);
    inspect_section_begin(writer, "grid");
    inspect_number(writer, "block_size", layout->block_size);
    inspect_number(writer, "blocks", blocks);
    if (verify->has_free_set) {
        inspect_number(writer, "blocks_acquired", acquired);
        inspect_number(writer, "blocks_live", acquired - released);
        inspect_number(writer, "blocks_released", released);
        inspect_number(writer, "blocks_free", blocks - acquired);
    }
    inspect_number(writer, "tables", verify->table_count);
    inspect_number(
        writer, "manifest_blocks", verify->bootstrap.superblock.checkpoint.manifest_block_count
    );
    inspect_section_end(writer);
}

/* Its length now, and the most that it can come to; how it keeps to that. */
static void stats_manifest_log(const struct inspect *inspect)
{
    const struct verify *verify = &inspect->verify;
    const struct forest_counters *counters = &verify->state.counters;
    struct inspect_writer *writer = inspect->writer;
    inspect_section_begin(writer, "manifest_log");
    inspect_number(writer, "blocks", verify->bootstrap.superblock.checkpoint.manifest_block_count);
    inspect_number(writer, "blocks_max", verify->bootstrap.sizing->log.log_blocks_max);
    if (verify->has_state) {
        inspect_number(writer, "blocks_compacted", counters->log_blocks_compacted);
        inspect_number(writer, "events_copied", counters->log_events_copied);
    }
    inspect_section_end(writer);
}

static void stats_file(const struct inspect *inspect)
{
    const struct checkpoint_state *checkpoint = &inspect->verify.bootstrap.superblock.checkpoint;
    struct inspect_writer *writer = inspect->writer;
    inspect_section_begin(writer, "file");
    inspect_number(writer, "bytes", file_size(inspect->verify.reactor));
    inspect_number(writer, "op_covered", checkpoint->op_covered);
    inspect_number(writer, "op_captured", checkpoint->op_captured);
    inspect_number(writer, "beat_capture", checkpoint->beat_capture);
    inspect_section_end(writer);
}

/* ---- Write amplification --------------------------------------------------------------------- */

/* Bytes of blocks, without running over whatever a file says: what no history comes to counts as
 * the most that there is. */
static uint64_t bytes_of_blocks(const struct inspect *inspect, uint64_t blocks)
{
    uint64_t bytes;
    const uint32_t block_size = inspect->verify.bootstrap.layout.block_size;
    return mul_overflows_u64(blocks, block_size, &bytes) ? UINT64_MAX : bytes;
}

static void stats_levels(const struct inspect *inspect)
{
    static const struct inspect_column columns[] = {
        {.key = "level"},
        {.key = "tables", .width = 9},
        {.key = "moves", .width = 9},
        {.key = "blocks", .width = 10},
        {.key = "records_in", .width = 13},
        {.key = "records", .width = 13},
        {.key = "bytes", .width = 16},
        {.key = "slices", .width = 9},
        {.key = "trims", .width = 9},
        {.key = "amplification"},
    };
    const struct forest_counters *counters = &inspect->verify.state.counters;
    struct inspect_writer *writer = inspect->writer;
    inspect_table_begin(writer, "written_by_level", columns, COUNT_OF(columns));
    for (uint32_t level = 0; level < LEVELS; level += 1) {
        const struct forest_level_counters *of = &counters->levels[level];
        inspect_row_begin(writer);
        inspect_number(writer, "level", level);
        inspect_number(writer, "tables", of->tables_written);
        inspect_number(writer, "moves", of->tables_moved);
        inspect_number(writer, "blocks", of->blocks_written);
        inspect_number(writer, "records_in", of->records_in);
        inspect_number(writer, "records", of->records_written);
        inspect_number(writer, "bytes", of->bytes_written);
        inspect_number(writer, "slices", of->slices);
        inspect_number(writer, "trims", of->tables_trimmed);
        inspect_ratio(
            writer,
            "amplification",
            bytes_of_blocks(inspect, of->blocks_written),
            counters->bytes_committed
        );
        inspect_row_end(writer);
    }
    inspect_table_end(writer);
}

static void stats_amplification(const struct inspect *inspect)
{
    const struct forest_counters *counters = &inspect->verify.state.counters;
    const struct forest_level_counters sum = forest_counters_sum(counters);
    const uint64_t tables = bytes_of_blocks(inspect, sum.blocks_written);
    const uint64_t committed = counters->bytes_committed;
    struct inspect_writer *writer = inspect->writer;
    uint64_t both;
    if (add_overflows_u64(tables, counters->bytes_journal, &both)) both = UINT64_MAX;
    inspect_section_begin(writer, "write_amplification");
    inspect_ratio(writer, "tables", tables, committed);
    inspect_ratio(writer, "journal", counters->bytes_journal, committed);
    inspect_ratio(writer, "both", both, committed);
    inspect_section_end(writer);
}

/* ---- Trees ----------------------------------------------------------------------------------- */

static void tree_level_row(
    const struct inspect *inspect, uint32_t tree, uint32_t level, uint64_t tables, uint64_t records
)
{
    struct inspect_writer *writer = inspect->writer;
    const struct verify *verify = &inspect->verify;
    const struct table_geometry *geometry = &verify->bootstrap.sizing->trees[tree - 1].geometry;
    char name[INSPECT_TREE_NAME_SIZE];
    verify_tree_name(verify->bootstrap.schema, tree, name, sizeof name);
    inspect_row_begin(writer);
    inspect_number(writer, "tree", tree);
    inspect_number(writer, "level", level);
    inspect_number(writer, "tables", tables);
    inspect_number(writer, "records", records);
    inspect_number(writer, "records_per_table", records / tables);
    inspect_ratio(writer, "fill_percent", records * 100, tables * geometry->records_max);
    inspect_text(writer, "name", name);
    inspect_row_end(writer);
}

static void stats_trees(const struct inspect *inspect)
{
    static const struct inspect_column columns[] = {
        {.key = "tree"},
        {.key = "level"},
        {.key = "tables", .width = 9},
        {.key = "records", .width = 13},
        {.key = "records_per_table"},
        {.key = "fill_percent"},
        {.key = "name", .is_text = true},
    };
    const struct verify *verify = &inspect->verify;
    inspect_table_begin(inspect->writer, "trees", columns, COUNT_OF(columns));
    for (uint64_t index = 0; index < verify->table_count;) { /* by tree, then level */
        const struct table_info *first = &verify->tables[index];
        uint64_t tables = 0;
        uint64_t records = 0;
        for (; index < verify->table_count; index += 1) {
            const struct table_info *table = &verify->tables[index];
            if (table->tree != first->tree || table->level != first->level) break;
            tables += 1;
            records += table->value_count;
        }
        tree_level_row(inspect, first->tree, first->level, tables, records);
    }
    inspect_table_end(inspect->writer);
}

enum tactus_status inspect_stats(struct inspect *inspect)
{
    TRY(inspect_look(inspect));
    stats_file(inspect);
    inspect_grid(inspect);
    stats_manifest_log(inspect);
    TRY(inspect_journal_count(inspect));
    if (inspect->verify.has_state) {
        inspect_counters(inspect);
        stats_amplification(inspect);
        stats_levels(inspect);
    }
    stats_trees(inspect);
    return TACTUS_OK;
}
