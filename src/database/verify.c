#include "database/verify.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/integer.h"
#include "database/verify_parts.h"
#include "lsm/kernel.h"

#include "base/poison.h"

static void verify_superblock(struct verify *verify)
{
    const struct superblock_report *copies = &verify->bootstrap.report;
    for (uint32_t copy = 0; copy < SUPERBLOCK_COPIES; copy += 1) {
        const enum superblock_copy found = (enum superblock_copy)copies->copy[copy];
        if (found == SUPERBLOCK_COPY_GOOD) continue;
        report_line(
            verify->report,
            TACTUS_WARNING,
            "zone=superblock copy=%u byte=%llu: %s; opening for writing, or `tactus repair`, heals "
            "it",
            copy,
            (unsigned long long)layout_superblock_offset(copy),
            superblock_copy_text(found)
        );
    }
}

/* What superblock_fault() cannot know, since it is the forest's. */
static void verify_checkpoint(struct verify *verify)
{
    const struct superblock *superblock = &verify->bootstrap.superblock;
    const struct checkpoint_state *checkpoint = &superblock->checkpoint;
    const uint64_t bar_beats = superblock->options.bar_beats;
    const bool is_complete = checkpoint->op_covered == checkpoint->op_captured;
    struct fault found = {.status = TACTUS_CORRUPT, .zone = FAULT_ZONE_SUPERBLOCK};
    found.op = checkpoint->op_captured;
    if (checkpoint->beat_capture % bar_beats != 0) {
        found.what = "the checkpoint was captured within a bar";
    } else if (!is_complete && checkpoint->beat_capture == 0) {
        found.what = "the checkpoint was captured before the first bar, and covers less than it";
    } else if (checkpoint->beat_capture >= UINT64_C(1) << 62) {
        found.what = "the checkpoint was captured at an impossible beat";
    }
    if (found.what != NULL) report_fault(verify->report, &found);
}

/* One for each tree, from number 1 on. */
static enum tactus_status verify_formats_begin(struct verify *verify)
{
    const struct sizing *sizing = verify->bootstrap.sizing;
    uint64_t filters_max = 1;
    for (uint32_t tree = 1; tree <= sizing->tree_count; tree += 1) {
        filters_max = max_u64(filters_max, sizing->trees[tree - 1].geometry.filters_max);
    }
    verify->formats = calloc((size_t)sizing->tree_count + 1, sizeof *verify->formats);
    verify->filters = malloc(filters_max * sizing->block_size);
    if (verify->formats == NULL || verify->filters == NULL) {
        return fault_set(
            verify->fault, (struct fault){.status = TACTUS_IO, .what = "verify: no memory"}
        );
    }
    for (uint32_t tree = 1; tree <= sizing->tree_count; tree += 1) {
        const struct tree_sizing *of_tree = &sizing->trees[tree - 1];
        verify->formats[tree] = (struct table_format){
            .shape = of_tree->shape,
            .kernels = kernels_for(&of_tree->shape),
            .geometry = of_tree->geometry,
            .block_count_max = verify->block_count,
            .tree = (uint16_t)tree,
        };
    }
    return TACTUS_OK;
}

static void verify_summary(const struct verify *verify)
{
    const struct checkpoint_state *checkpoint = &verify->bootstrap.superblock.checkpoint;
    report_line(
        verify->report,
        TACTUS_NOTE,
        "%llu blocks of %llu read (%llu bytes), %llu tables, %llu records in them, "
        "%llu journal entries after op %llu",
        (unsigned long long)verify->blocks_read,
        (unsigned long long)verify->block_count,
        (unsigned long long)verify->bytes_read,
        (unsigned long long)verify->table_count,
        (unsigned long long)verify->record_count,
        (unsigned long long)verify->entry_count,
        (unsigned long long)checkpoint->op_covered
    );
}

enum tactus_status verify_begin(struct verify *verify)
{
    verify->file_id = verify->bootstrap.superblock.options.file_id;
    verify->block_count = verify->bootstrap.superblock.checkpoint.block_count;
    TRY(verify_blocks_begin(verify));
    return verify_formats_begin(verify);
}

static enum tactus_status verify_steps(struct verify *verify)
{
    TRY(verify_begin(verify));
    verify_superblock(verify);
    verify_journal(verify);
    const uint64_t faults_before = verify->report->fault_count;
    verify_checkpoint(verify);
    if (verify->status == TACTUS_OK) verify_trailers(verify);
    if (verify->status == TACTUS_OK) verify_manifest(verify);
    if (verify->status == TACTUS_OK) verify_tables(verify);
    if (verify->status == TACTUS_OK) verify_reachability(verify);
    if (verify->status != TACTUS_OK) return verify->status;

    if (verify->report->fault_count == faults_before) {
        verify_contents(verify);
    } else {
        report_line(
            verify->report,
            TACTUS_NOTE,
            "collections and indexes were not compared with each other: the grid has faults"
        );
    }
    verify_summary(verify);
    return verify->status;
}

void verify_end(struct verify *verify)
{
    bootstrap_free(&verify->bootstrap);
    for (uint32_t slot = 0; slot < 3; slot += 1) {
        free(verify->blocks[slot]);
    }
    free(verify->marks);
    free(verify->formats);
    free(verify->filters);
    free(verify->tables);
}

/* A file that cannot even be begun with has its one fault as a line, too. */
static enum tactus_status verify_refused(struct verify *verify, enum tactus_status status)
{
    if (verify->bootstrap.superblock.sequence != 0) verify_superblock(verify);
    if (status == TACTUS_CORRUPT || status == TACTUS_VERSION) {
        report_fault(verify->report, verify->fault);
    }
    return status;
}

enum tactus_status verify_file(struct reactor *reactor, struct report *report, struct fault *fault)
{
    struct verify verify = {.reactor = reactor, .report = report, .fault = fault};
    const enum tactus_status begun = bootstrap_read(&verify.bootstrap, reactor, fault);
    if (begun != TACTUS_OK) {
        const enum tactus_status refused = verify_refused(&verify, begun);
        report_end(report);
        return refused;
    }
    const enum tactus_status status = verify_steps(&verify);
    verify_end(&verify);
    report_end(report);
    if (status != TACTUS_OK) return status;
    return report->fault_count > 0 ? TACTUS_CORRUPT : TACTUS_OK;
}
