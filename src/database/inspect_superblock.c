#include "database/inspect_parts.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "storage/superblock_disk.h"

#include <stdio.h>

#include "base/poison.h"

/* ---- Copies ---------------------------------------------------------------------------------- */

static void copy_row(
    struct inspect_writer *writer,
    uint32_t slot,
    const struct superblock_disk *disk,
    const struct superblock_report *report
)
{
    const struct quorum_copy copy = superblock_disk_judge(disk);
    inspect_row_begin(writer);
    inspect_number(writer, "slot", slot);
    inspect_number(writer, "byte", layout_superblock_offset(slot));
    if (report != NULL) {
        const enum superblock_copy found = (enum superblock_copy)report->copy[slot];
        inspect_text(writer, "state", superblock_copy_text(found));
    }
    if (copy.is_valid) {
        inspect_number(writer, "copy", copy.copy);
        inspect_number(writer, "sequence", copy.sequence);
        inspect_number(writer, "format", superblock_disk_version(disk));
        inspect_checksum(writer, "checksum", copy.checksum);
        inspect_checksum(writer, "parent", copy.parent);
        inspect_checksum(writer, "file_id", copy.file_id);
    }
    inspect_row_end(writer);
}

enum tactus_status inspect_copies(
    struct inspect_writer *writer, struct reactor *reactor, struct fault *fault
)
{
    /* What the quorum makes of them; a fault of its own says more than the copies' conditions. */
    struct superblock superblock;
    struct superblock_report report;
    struct fault found = {0};
    const enum tactus_status status = superblock_read(reactor, &superblock, &report, &found);
    if (status == TACTUS_IO) return fault_set(fault, found);

    _Alignas(SECTOR_SIZE) uint8_t sector[SECTOR_SIZE];
    inspect_list_begin(writer, "copies");
    for (uint32_t slot = 0; slot < SUPERBLOCK_COPIES; slot += 1) {
        const uint64_t byte = layout_superblock_offset(slot);
        if (reactor_read(reactor, sector, sizeof sector, byte, fault) != TACTUS_OK) break;
        copy_row(writer, slot, (const struct superblock_disk *)(const void *)sector, &report);
    }
    inspect_list_end(writer);
    if (status != TACTUS_OK) {
        char line[REPORT_LINE_SIZE];
        error_fault_line(line, sizeof line, &found);
        inspect_list_begin(writer, "faults");
        inspect_line(writer, "fault", line);
        inspect_list_end(writer);
    }
    return TACTUS_OK;
}

/* ---- What they say --------------------------------------------------------------------------- */

enum { RUNS_TEXT_SIZE = SUPERBLOCK_LEVELS * 11 };

/* "4,4,1,1,1,1,1". */
static const char *runs_text(const uint32_t *runs_max, char text[RUNS_TEXT_SIZE])
{
    int used = 0;
    for (uint32_t level = 0; level < SUPERBLOCK_LEVELS; level += 1) {
        used += snprintf(
            text + used,
            (size_t)(RUNS_TEXT_SIZE - used),
            "%s%u",
            level == 0 ? "" : ",",
            runs_max[level]
        );
    }
    return text;
}

static void write_options(struct inspect_writer *writer, const struct file_options *options)
{
    char runs[RUNS_TEXT_SIZE];
    inspect_section_begin(writer, "options");
    inspect_number(writer, "block_size", options->block_size);
    inspect_number(writer, "journal_bytes", options->journal_bytes);
    inspect_number(writer, "size_max", options->size_max);
    inspect_number(writer, "batch_max", options->batch_max);
    inspect_number(writer, "bar_beats", options->bar_beats);
    inspect_number(writer, "growth_factor", options->growth_factor);
    inspect_number(writer, "tables_max", options->tables_max);
    inspect_number(writer, "keep", options->keep);
    inspect_number(writer, "snapshots_max", options->snapshots_max);
    inspect_text(writer, "runs_max", runs_text(options->runs_max, runs));
    inspect_section_end(writer);
}

static void write_trailer(
    struct inspect_writer *writer, const char *key, const struct trailer_reference *trailer
)
{
    inspect_section_begin(writer, key);
    inspect_number(writer, "bytes", trailer->size);
    inspect_checksum(writer, "bytes_checksum", trailer->checksum);
    inspect_number(writer, "block", trailer->last.address);
    if (trailer->last.copy_address != 0) {
        inspect_number(writer, "copy", trailer->last.copy_address);
    }
    inspect_checksum(writer, "checksum", trailer->last.checksum);
    inspect_section_end(writer);
}

static void write_checkpoint(
    struct inspect_writer *writer, const struct checkpoint_state *checkpoint
)
{
    inspect_section_begin(writer, "checkpoint");
    inspect_number(writer, "op_covered", checkpoint->op_covered);
    inspect_number(writer, "op_captured", checkpoint->op_captured);
    inspect_number(writer, "beat_capture", checkpoint->beat_capture);
    inspect_number(writer, "journal_offset", checkpoint->journal_offset);
    inspect_checksum(writer, "journal_predecessor", checkpoint->journal_predecessor);
    inspect_number(writer, "block_count", checkpoint->block_count);
    inspect_number(writer, "manifest_block_count", checkpoint->manifest_block_count);
    inspect_reference(writer, "manifest_oldest", &checkpoint->manifest_oldest);
    inspect_reference(writer, "manifest_newest", &checkpoint->manifest_newest);
    write_trailer(writer, "state", &checkpoint->state);
    write_trailer(writer, "acquired", &checkpoint->acquired);
    write_trailer(writer, "released", &checkpoint->released);
    inspect_section_end(writer);
}

void inspect_superblock(struct inspect_writer *writer, const struct superblock *superblock)
{
    inspect_section_begin(writer, "superblock");
    inspect_number(writer, "format", superblock->options.version);
    inspect_number(writer, "sequence", superblock->sequence);
    inspect_checksum(writer, "checksum", superblock->checksum);
    inspect_checksum(writer, "parent", superblock->parent);
    inspect_checksum(writer, "file_id", superblock->options.file_id);
    inspect_number(writer, "epoch", superblock->epoch);
    inspect_number(writer, "epoch_first_op", superblock->epoch_first_op);
    inspect_number(writer, "file_block_count", superblock->file_block_count);
    inspect_section_end(writer);
    write_options(writer, &superblock->options);
    write_checkpoint(writer, &superblock->checkpoint);
    write_trailer(writer, "schema", &superblock->schema);
}
