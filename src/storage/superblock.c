#include "storage/superblock.h"

#include "base/assert.h"
#include "base/integer.h"
#include "io/file.h"
#include "storage/superblock_copies.h"

#include "base/poison.h"

/* ---- What can be ours ----------------------------------------------------------------------- */

/* Their range alone: what depends on the schema (S8's bound on the journal) is the caller's. */
static const char *options_fault(const struct file_options *options)
{
    const char *why = layout_fault(options->block_size, options->journal_bytes, options->size_max);
    if (why != NULL) return why;
    if (checksum_is_zero(options->file_id)) return "the file id is zero";
    if (options->batch_max == 0) return "batch_max is zero";
    if (options->batch_max > BATCH_MAX_MAX) return "batch_max is above 65,536";
    if (options->bar_beats < BAR_BEATS_MIN) return "bar_beats is below 4";
    if (options->bar_beats > BAR_BEATS_MAX) return "bar_beats is above 64";
    if (options->bar_beats % 2 != 0) return "bar_beats is odd";
    if (options->growth_factor < GROWTH_FACTOR_MIN) return "growth_factor is below 2";
    if (options->growth_factor > GROWTH_FACTOR_MAX) return "growth_factor is above 16";
    if (options->tables_max == 0) return "tables_max is zero";
    if (options->keep == 0) return "keep is zero";
    if (options->keep > KEEP_MAX) return "keep is above 8";
    if (options->snapshots_max > SNAPSHOTS_MAX_MAX) return "snapshots_max is above 64";
    for (uint32_t level = 0; level < SUPERBLOCK_LEVELS; level += 1) {
        if (options->runs_max[level] == 0) return "runs_max is zero";
        if (options->runs_max[level] > RUNS_MAX_MAX) return "runs_max is above 64";
    }
    return NULL;
}

/* A size that its blocks cannot hold is refused here, before anyone takes memory for it. */
static const char *trailer_fault(
    const struct trailer_reference *trailer, uint64_t block_count, uint32_t block_size
)
{
    const char *why = block_reference_fault(&trailer->last, block_count);
    if (why != NULL) return why;
    if ((trailer->last.address == 0) != (trailer->size == 0)) {
        return "a trailer has bytes but no block, or a block but no bytes";
    }
    if (trailer->size > block_count * block_size) return "a trailer is larger than the file";
    return NULL;
}

static const char *manifest_fault(const struct checkpoint_state *checkpoint)
{
    const struct block_reference *oldest = &checkpoint->manifest_oldest;
    const struct block_reference *newest = &checkpoint->manifest_newest;
    const uint64_t count = checkpoint->manifest_block_count;
    const char *why = block_reference_fault(oldest, checkpoint->block_count);
    if (why == NULL) why = block_reference_fault(newest, checkpoint->block_count);
    if (why != NULL) return why;

    if (count > checkpoint->block_count) return "the manifest log is larger than the file";
    if ((count == 0) != (oldest->address == 0) || (count == 0) != (newest->address == 0)) {
        return "the manifest log has blocks but no ends, or ends but no blocks";
    }
    if (count > 0 && (count == 1) != block_reference_equal(*oldest, *newest)) {
        return "the manifest log's ends do not fit its block count";
    }
    return NULL;
}

static const char *checkpoint_fault(
    const struct checkpoint_state *checkpoint, const struct file_options *options
)
{
    const uint64_t block_count = checkpoint->block_count;
    if (block_count > options->size_max / options->block_size) {
        return "the file has more blocks than size_max allows";
    }
    if (checkpoint->op_covered > checkpoint->op_captured) {
        return "the checkpoint covers ops after its capture";
    }
    if (checkpoint->journal_offset % SECTOR_SIZE != 0) {
        return "the checkpoint's journal position lies within a sector";
    }
    if (checkpoint->journal_offset > options->journal_bytes) {
        return "the checkpoint's journal position lies past the journal";
    }
    const struct trailer_reference *trailers[] = {
        &checkpoint->state, &checkpoint->acquired, &checkpoint->released};
    for (uint32_t i = 0; i < COUNT_OF(trailers); i += 1) {
        const char *why = trailer_fault(trailers[i], block_count, options->block_size);
        if (why != NULL) return why;
    }
    return manifest_fault(checkpoint);
}

const char *superblock_fault(const struct superblock *superblock)
{
    const struct file_options *options = &superblock->options;
    const struct checkpoint_state *checkpoint = &superblock->checkpoint;
    if (superblock->sequence == 0) return "the superblock's sequence is zero";
    if (superblock->sequence == UINT64_MAX) return "the superblock's sequence is at its end";
    if ((superblock->sequence == 1) != checksum_is_zero(superblock->parent)) {
        return "the superblock's parent does not fit its sequence";
    }
    if (options->version != SUPERBLOCK_VERSION) return "the format's version is unknown";
    const char *why = options_fault(options);
    if (why == NULL) why = checkpoint_fault(checkpoint, options);
    if (why != NULL) return why;
    if (superblock->file_block_count > options->size_max / options->block_size) {
        return "the file has more blocks than size_max allows";
    }
    return trailer_fault(&superblock->schema, checkpoint->block_count, options->block_size);
}

/* ---- Reading -------------------------------------------------------------------------------- */

/* A longer file is fine: blocks at its end were used once, or a growth was not needed after all. */
static enum tactus_status length_check(
    const struct reactor *reactor, const struct superblock *superblock, struct fault *fault
)
{
    struct layout layout;
    const struct file_options *options = &superblock->options;
    layout_init(&layout, options->block_size, options->journal_bytes, options->size_max);
    const uint64_t blocks =
        max_u64(superblock->checkpoint.block_count, superblock->file_block_count);
    const uint64_t wanted = layout_file_size(&layout, blocks);
    if (file_size(reactor) >= wanted) return TACTUS_OK;
    return fault_set(
        fault,
        (struct fault){
            .status = TACTUS_CORRUPT,
            .zone = FAULT_ZONE_FILE,
            .what = "the file was cut: it is shorter than its superblock says",
            .remedy = "restore the file from a backup",
            .byte = file_size(reactor),
            .wanted_number = wanted,
            .found_number = file_size(reactor),
        }
    );
}

enum tactus_status superblock_read(
    struct reactor *reactor,
    struct superblock *superblock,
    struct superblock_report *report,
    struct fault *fault
)
{
    struct superblock_report unwanted;
    if (report == NULL) report = &unwanted;
    *report = (struct superblock_report){0};

    struct superblock_copies copies;
    struct quorum quorum;
    struct superblock found = {0};
    TRY(superblock_copies_read(reactor, &copies, fault));
    superblock_copies_report(report, &copies, NULL);
    TRY(superblock_copies_choose(reactor, &copies, &quorum, &found, fault));
    superblock_copies_report(report, &copies, &quorum);
    TRY(length_check(reactor, &found, fault));

    found.is_whole = !report->needs_heal;
    *superblock = found;
    return TACTUS_OK;
}

const char *superblock_copy_text(enum superblock_copy copy)
{
    switch (copy) {
    case SUPERBLOCK_COPY_GOOD: return "good";
    case SUPERBLOCK_COPY_UNREADABLE: return "unreadable";
    case SUPERBLOCK_COPY_DAMAGED: return "damaged";
    case SUPERBLOCK_COPY_MISPLACED: return "misplaced";
    case SUPERBLOCK_COPY_OTHER: return "of another sequence";
    case SUPERBLOCK_COPY_TAIL: return "good, but its slot is not zero behind it";
    }
    assert(false);
    return "";
}
