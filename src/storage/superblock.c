#include "storage/superblock.h"

#include "base/bytes.h"
#include "base/integer.h"
#include "io/file.h"
#include "storage/superblock_disk.h"
#include "storage/superblock_quorum.h"

#include "base/poison.h"

/* All slots as they were read: what the copies say, and which of them hold what. */
struct copies {
    _Alignas(SECTOR_SIZE) struct superblock_disk disk[SUPERBLOCK_COPIES];
    struct quorum_copy quorum[SUPERBLOCK_COPIES];
    bool is_unreadable[SUPERBLOCK_COPIES];
    bool has_tail[SUPERBLOCK_COPIES]; /* bytes behind the copy that should be zero */
    bool has_magic;                   /* any of them begins as a data file does */
    bool has_bytes;                   /* any byte is not zero */
};

static enum tactus_status corrupt(struct fault *fault, const char *what, const char *remedy)
{
    return fault_set(
        fault,
        (struct fault){
            .status = TACTUS_CORRUPT,
            .zone = FAULT_ZONE_SUPERBLOCK,
            .what = what,
            .remedy = remedy,
        }
    );
}

/* ---- What can be ours ----------------------------------------------------------------------- */

const char *file_options_fault(const struct file_options *options)
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
    if (options->keep > KEEP_MAX) return "keep is above 16";
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
    const char *why = file_options_fault(options);
    if (why == NULL) why = checkpoint_fault(checkpoint, options);
    if (why != NULL) return why;
    if (superblock->file_block_count > options->size_max / options->block_size) {
        return "the file has more blocks than size_max allows";
    }
    return trailer_fault(&superblock->schema, checkpoint->block_count, options->block_size);
}

/* ---- Reading -------------------------------------------------------------------------------- */

static enum tactus_status slot_read(
    struct reactor *reactor, struct copies *copies, uint32_t slot, struct fault *fault
)
{
    _Alignas(SECTOR_SIZE) uint8_t bytes[SUPERBLOCK_SLOT];
    struct io_request read = {
        .kind = IO_READ,
        .buffer = bytes,
        .size = sizeof bytes,
        .offset = layout_superblock_offset(slot),
    };
    reactor_submit(reactor, &read);
    reactor_finish(reactor, &read);
    TRY(reactor_fault(&read, fault));

    bytes_copy(&copies->disk[slot], bytes, SUPERBLOCK_SIZE);
    copies->quorum[slot] = superblock_disk_judge(&copies->disk[slot]);
    copies->is_unreadable[slot] = read.unreadable;
    copies->has_tail[slot] =
        !bytes_are_zero(bytes + SUPERBLOCK_SIZE, SUPERBLOCK_SLOT - SUPERBLOCK_SIZE);
    copies->has_magic = copies->has_magic || superblock_disk_has_magic(&copies->disk[slot]);
    copies->has_bytes = copies->has_bytes || !bytes_are_zero(bytes, sizeof bytes);
    return TACTUS_OK;
}

/* One after the other, as they were written: what goes wrong with one then concerns that one. */
static enum tactus_status copies_read(
    struct reactor *reactor, struct copies *copies, struct fault *fault
)
{
    copies->has_magic = false;
    copies->has_bytes = false;
    for (uint32_t slot = 0; slot < SUPERBLOCK_COPIES; slot += 1) {
        TRY(slot_read(reactor, copies, slot, fault));
    }
    return TACTUS_OK;
}

/* Whether the very first write may not have come to its end: two slots at least are still zero. */
static bool copies_are_first(const struct copies *copies)
{
    uint32_t zero_count = 0;
    for (uint32_t slot = 0; slot < SUPERBLOCK_COPIES; slot += 1) {
        const struct quorum_copy *copy = &copies->quorum[slot];
        if (copy->is_valid && copy->sequence > 1) return false;
        if (bytes_are_zero(&copies->disk[slot], SUPERBLOCK_SIZE)) zero_count += 1;
    }
    return zero_count >= 2;
}

static enum tactus_status quorum_failed(
    const struct reactor *reactor,
    const struct copies *copies,
    enum quorum_result result,
    struct fault *fault
)
{
    if (file_size(reactor) == 0) {
        return corrupt(fault, "the file is empty: not a Tactus data file", "create it anew");
    }
    if (!copies->has_bytes) {
        return corrupt(
            fault,
            "not a Tactus data file: its beginning is zero",
            "if its creation was interrupted, remove it and create it anew"
        );
    }
    if (!copies->has_magic) return corrupt(fault, "not a Tactus data file", "name one that is");
    if (copies_are_first(copies)) {
        return corrupt(
            fault,
            "the file's creation was interrupted: it has no whole superblock yet",
            "remove the file and create it anew"
        );
    }
    return corrupt(
        fault,
        quorum_result_text(result),
        "restore the file from a backup: nothing in it can be found without its superblock"
    );
}

static void report_fill(
    struct superblock_report *report, const struct copies *copies, const struct quorum *quorum
)
{
    *report = (struct superblock_report){0};
    struct checksum chosen = {0}; /* of no copy, as far as checksums can tell */
    if (quorum != NULL) chosen = copies->quorum[quorum->slot].checksum;
    for (uint32_t slot = 0; slot < SUPERBLOCK_COPIES; slot += 1) {
        const struct quorum_copy *copy = &copies->quorum[slot];
        enum superblock_copy found = SUPERBLOCK_COPY_GOOD;
        if (!copy->is_valid) {
            found =
                copies->is_unreadable[slot] ? SUPERBLOCK_COPY_UNREADABLE : SUPERBLOCK_COPY_DAMAGED;
        } else if (!checksum_equal(copy->checksum, chosen)) {
            found = SUPERBLOCK_COPY_OTHER;
        } else if (copy->copy != slot) {
            found = SUPERBLOCK_COPY_MISPLACED;
        } else if (copies->is_unreadable[slot] || copies->has_tail[slot]) {
            found = SUPERBLOCK_COPY_TAIL;
        }
        report->copy[slot] = (uint8_t)found;
        if (found == SUPERBLOCK_COPY_GOOD) report->good_count += 1;
    }
    report->needs_heal = report->good_count < SUPERBLOCK_COPIES;
}

/* A counter that stands here would not run over in the lives of this file: nobody counts so far. */
#define COUNTER_LIMIT (UINT64_C(1) << 61)

/* Why a superblock from a file cannot be ours, though one in memory might come to be like that. */
static const char *counters_fault(const struct superblock *superblock)
{
    const struct checkpoint_state *checkpoint = &superblock->checkpoint;
    if (superblock->sequence >= COUNTER_LIMIT) return "the superblock's sequence is impossible";
    if (superblock->epoch >= COUNTER_LIMIT) return "the superblock's epoch is impossible";
    if (superblock->epoch_first_op >= COUNTER_LIMIT || checkpoint->op_captured >= COUNTER_LIMIT) {
        return "the superblock names an impossible op";
    }
    return NULL;
}

/* Chooses, and believes what was chosen only after superblock_fault() has seen it. */
static enum tactus_status copies_choose(
    const struct reactor *reactor,
    const struct copies *copies,
    struct quorum *quorum,
    struct superblock *superblock,
    struct fault *fault
)
{
    const enum quorum_result result = quorum_choose(quorum, copies->quorum, QUORUM_OPEN);
    if (result != QUORUM_FOUND) return quorum_failed(reactor, copies, result, fault);

    const struct superblock_disk *disk = &copies->disk[quorum->slot];
    const uint32_t version = superblock_disk_version(disk);
    if (version != SUPERBLOCK_VERSION) {
        return fault_set(
            fault,
            (struct fault){
                .status = TACTUS_VERSION,
                .zone = FAULT_ZONE_SUPERBLOCK,
                .what = "the file has a format that this library does not know",
                .remedy = "use the version of Tactus that wrote the file, or a newer one",
                .found_number = version,
                .wanted_number = SUPERBLOCK_VERSION,
            }
        );
    }
    const char *why = superblock_disk_decode(disk, superblock);
    if (why == NULL) why = superblock_fault(superblock);
    if (why == NULL) why = counters_fault(superblock);
    if (why != NULL) return corrupt(fault, why, "restore the file from a backup");
    superblock->checksum = copies->quorum[quorum->slot].checksum;
    return TACTUS_OK;
}

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

    struct copies copies;
    struct quorum quorum;
    struct superblock found = {0};
    TRY(copies_read(reactor, &copies, fault));
    report_fill(report, &copies, NULL);
    TRY(copies_choose(reactor, &copies, &quorum, &found, fault));
    report_fill(report, &copies, &quorum);
    TRY(length_check(reactor, &found, fault));

    found.is_whole = !report->needs_heal;
    *superblock = found;
    return TACTUS_OK;
}

/* ---- Writing -------------------------------------------------------------------------------- */

static enum tactus_status copy_write(
    struct reactor *reactor, struct superblock_disk *disk, uint32_t slot, struct fault *fault
)
{
    disk->copy = (uint8_t)slot;
    assert(superblock_disk_judge(disk).is_valid);
    const uint64_t offset = layout_superblock_offset(slot);
    return reactor_write(reactor, disk, sizeof *disk, offset, true, fault);
}

static enum tactus_status not_kept(struct fault *fault)
{
    return fault_set(
        fault,
        (struct fault){
            .status = TACTUS_IO,
            .zone = FAULT_ZONE_SUPERBLOCK,
            .what = "the superblock does not read back as it was written",
            .remedy = "check the device, then open the file again",
        }
    );
}

/* Q1: what was written must be found again, from the device where that can be had. */
static enum tactus_status verify(
    struct reactor *reactor, struct checksum wanted, bool *is_whole, struct fault *fault
)
{
    struct copies copies;
    struct quorum quorum;
    TRY(copies_read(reactor, &copies, fault));
    const enum quorum_result result = quorum_choose(&quorum, copies.quorum, QUORUM_VERIFY);
    const bool is_found =
        result == QUORUM_FOUND && checksum_equal(copies.quorum[quorum.slot].checksum, wanted);
    if (!is_found) return not_kept(fault);

    struct superblock_report report;
    report_fill(&report, &copies, &quorum);
    *is_whole = !report.needs_heal;
    return TACTUS_OK;
}

enum tactus_status superblock_write(
    struct reactor *reactor, struct superblock *superblock, struct fault *fault
)
{
    const bool is_first = superblock->sequence == 0;
    if (!is_first && !superblock->is_whole) TRY(superblock_heal(reactor, NULL, fault));

    struct superblock next = *superblock;
    next.options.version = SUPERBLOCK_VERSION;
    next.sequence += 1;
    next.parent = superblock->checksum;
    if (is_first) next.parent = (struct checksum){0};
    assert(superblock_fault(&next) == NULL);

    _Alignas(SECTOR_SIZE) struct superblock_disk disk;
    next.checksum = superblock_disk_encode(&disk, &next);
    TRY(reactor_flush(reactor, fault));
    for (uint32_t slot = 0; slot < SUPERBLOCK_COPIES; slot += 1) {
        TRY(copy_write(reactor, &disk, slot, fault));
    }
    TRY(verify(reactor, next.checksum, &next.is_whole, fault));

    assert(next.sequence == superblock->sequence + 1);
    *superblock = next;
    return TACTUS_OK;
}

/* The rest of the slot first: nothing depends on it, and the copy may still be needed. */
static enum tactus_status slot_heal(
    struct reactor *reactor, const struct superblock_disk *good, uint32_t slot, struct fault *fault
)
{
    _Alignas(SECTOR_SIZE) uint8_t zeros[SUPERBLOCK_SLOT - SUPERBLOCK_SIZE];
    bytes_zero(zeros, sizeof zeros);
    const uint64_t offset = layout_superblock_offset(slot) + SUPERBLOCK_SIZE;
    TRY(reactor_write(reactor, zeros, sizeof zeros, offset, true, fault));

    _Alignas(SECTOR_SIZE) struct superblock_disk disk;
    bytes_copy(&disk, good, sizeof disk);
    return copy_write(reactor, &disk, slot, fault);
}

/* The next slot to be written: by the quorum's order first, then those that are at home, but with
 * bytes behind them or a damaged number. One that did not keep what was written is passed over. */
static uint32_t heal_next(
    const struct copies *copies, struct quorum quorum, const bool was_written[SUPERBLOCK_COPIES]
)
{
    struct superblock_report report;
    report_fill(&report, copies, &quorum);
    for (uint32_t slot = 0; slot < SUPERBLOCK_COPIES; slot += 1) {
        if (was_written[slot]) quorum.home[slot] = (uint8_t)slot;
    }
    const uint32_t next = quorum_repair_next(&quorum);
    if (next != QUORUM_COPY_NONE) return next;
    for (uint32_t slot = 0; slot < SUPERBLOCK_COPIES; slot += 1) {
        if (report.copy[slot] != SUPERBLOCK_COPY_GOOD && !was_written[slot]) return slot;
    }
    return QUORUM_COPY_NONE;
}

/* Every turn writes a slot that none before wrote, and reads all again: so the loop ends, and a
 * write that was lost is not built upon. */
enum tactus_status superblock_heal(
    struct reactor *reactor, uint32_t *healed_count, struct fault *fault
)
{
    struct copies copies;
    struct quorum quorum;
    struct superblock superblock;
    bool was_written[SUPERBLOCK_COPIES] = {false};
    uint32_t count = 0;
    for (;;) {
        TRY(copies_read(reactor, &copies, fault));
        TRY(copies_choose(reactor, &copies, &quorum, &superblock, fault));
        const uint32_t slot = heal_next(&copies, quorum, was_written);
        if (slot == QUORUM_COPY_NONE) break;

        assert(!was_written[slot]);
        TRY(slot_heal(reactor, &copies.disk[quorum.slot], slot, fault));
        was_written[slot] = true;
        count += 1;
    }
    if (healed_count != NULL) *healed_count = count;
    if (quorum.count < (uint32_t)QUORUM_VERIFY) return not_kept(fault);
    return TACTUS_OK;
}

enum tactus_status superblock_erase(struct reactor *reactor, struct fault *fault)
{
    _Alignas(SECTOR_SIZE) uint8_t zeros[SUPERBLOCK_SLOT];
    bytes_zero(zeros, sizeof zeros);
    for (uint32_t slot = 0; slot < SUPERBLOCK_COPIES; slot += 1) {
        const uint64_t offset = layout_superblock_offset(slot);
        TRY(reactor_write(reactor, zeros, sizeof zeros, offset, true, fault));
    }
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
