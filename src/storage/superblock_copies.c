#include "storage/superblock_copies.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "io/file.h"

#include "base/poison.h"

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

void superblock_copies_begin(struct superblock_copies *copies)
{
    copies->has_magic = false;
    copies->has_bytes = false;
}

struct io_request superblock_copies_request(struct superblock_copies *copies, uint32_t slot)
{
    return (struct io_request){
        .kind = IO_READ,
        .buffer = copies->slot,
        .size = sizeof copies->slot,
        .offset = layout_superblock_offset(slot),
    };
}

void superblock_copies_take(struct superblock_copies *copies, uint32_t slot, bool unreadable)
{
    assert(slot < SUPERBLOCK_COPIES);
    const uint8_t *bytes = copies->slot;
    bytes_copy(&copies->disk[slot], bytes, SUPERBLOCK_SIZE);
    copies->quorum[slot] = superblock_disk_judge(&copies->disk[slot]);
    copies->is_unreadable[slot] = unreadable;
    copies->has_tail[slot] =
        !bytes_are_zero(bytes + SUPERBLOCK_SIZE, SUPERBLOCK_SLOT - SUPERBLOCK_SIZE);
    copies->has_magic = copies->has_magic || superblock_disk_has_magic(&copies->disk[slot]);
    copies->has_bytes = copies->has_bytes || !bytes_are_zero(bytes, sizeof copies->slot);
}

enum tactus_status superblock_copies_read(
    struct reactor *reactor, struct superblock_copies *copies, struct fault *fault
)
{
    superblock_copies_begin(copies);
    for (uint32_t slot = 0; slot < SUPERBLOCK_COPIES; slot += 1) {
        struct io_request read = superblock_copies_request(copies, slot);
        reactor_submit(reactor, &read);
        reactor_finish(reactor, &read);
        TRY(reactor_fault(&read, fault));
        superblock_copies_take(copies, slot, read.unreadable);
    }
    return TACTUS_OK;
}

/* Whether the very first write may not have come to its end: two slots at least are still zero. */
static bool copies_are_first(const struct superblock_copies *copies)
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
    const struct superblock_copies *copies,
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

void superblock_copies_report(
    struct superblock_report *report,
    const struct superblock_copies *copies,
    const struct quorum *quorum
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

enum tactus_status superblock_copies_choose(
    const struct reactor *reactor,
    const struct superblock_copies *copies,
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
