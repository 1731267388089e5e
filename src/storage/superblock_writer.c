#include "storage/superblock_writer.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "storage/superblock_copies.h"

#include "base/poison.h"

void superblock_writer_init(
    struct superblock_writer *writer, struct budget *budget, struct reactor *reactor
)
{
    *writer = (struct superblock_writer){.reactor = reactor};
    writer->copies = budget_take(budget, 1, sizeof *writer->copies, SECTOR_SIZE);
}

/* ---- Requests ------------------------------------------------------------------------------- */

static void submit(
    struct superblock_writer *writer, enum superblock_writer_stage stage, struct io_request request
)
{
    assert(writer->request.stage == IO_IDLE);
    writer->stage = (uint8_t)stage;
    writer->request = request;
    reactor_submit(writer->reactor, &writer->request);
}

static void submit_read(
    struct superblock_writer *writer, enum superblock_writer_stage stage, uint32_t slot
)
{
    writer->slot = (uint8_t)slot;
    if (slot == 0) superblock_copies_begin(writer->copies);
    submit(writer, stage, superblock_copies_request(writer->copies, slot));
}

/* Of what is in `written`, with the slot's number. Durable before the next one begins (Q1). */
static void submit_copy(
    struct superblock_writer *writer, enum superblock_writer_stage stage, uint32_t slot
)
{
    struct superblock_disk *disk = &writer->copies->written;
    disk->copy = (uint8_t)slot;
    assert(superblock_disk_judge(disk).is_valid);
    writer->slot = (uint8_t)slot;
    const struct io_request request = {
        .kind = IO_WRITE,
        .durable = true,
        .size = sizeof *disk,
        .offset = layout_superblock_offset(slot),
        .buffer = disk,
    };
    submit(writer, stage, request);
}

/* Zeros behind the copy come first: nothing depends on them, and the copy may still be needed. */
static void submit_tail(struct superblock_writer *writer, uint32_t slot)
{
    uint8_t *zeros = writer->copies->slot;
    const uint32_t size = SUPERBLOCK_SLOT - SUPERBLOCK_SIZE;
    bytes_zero(zeros, size);
    writer->slot = (uint8_t)slot;
    const struct io_request request = {
        .kind = IO_WRITE,
        .durable = true,
        .size = size,
        .offset = layout_superblock_offset(slot) + SUPERBLOCK_SIZE,
        .buffer = zeros,
    };
    submit(writer, SUPERBLOCK_WRITER_HEAL_TAIL, request);
}

/* ---- Steps ---------------------------------------------------------------------------------- */

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

/* Encodes the next sequence and flushes what it refers to. */
static void write_begin(struct superblock_writer *writer)
{
    struct superblock *next = &writer->superblock;
    const struct checksum parent = next->sequence == 0 ? (struct checksum){0} : next->checksum;
    next->options.version = SUPERBLOCK_VERSION;
    next->sequence += 1;
    next->parent = parent;
    assert(superblock_fault(next) == NULL);
    next->checksum = superblock_disk_encode(&writer->copies->written, next);
    submit(writer, SUPERBLOCK_WRITER_FLUSH, (struct io_request){.kind = IO_FLUSH});
}

/* Q1: what was written must be found again, from the device where that can be had. */
static enum tactus_status verify(struct superblock_writer *writer, struct fault *fault)
{
    const struct superblock_copies *copies = writer->copies;
    struct quorum quorum;
    const enum quorum_result result = quorum_choose(&quorum, copies->quorum, QUORUM_VERIFY);
    const bool is_found =
        result == QUORUM_FOUND &&
        checksum_equal(copies->quorum[quorum.slot].checksum, writer->superblock.checksum);
    if (!is_found) return not_kept(fault);

    struct superblock_report report;
    superblock_copies_report(&report, copies, &quorum);
    writer->superblock.is_whole = !report.needs_heal;
    writer->stage = SUPERBLOCK_WRITER_IDLE;
    return TACTUS_OK;
}

/* The next slot to be healed: by the quorum's order first, then those that are at home, but with
 * bytes behind them or a damaged number. One that did not keep what was written is passed over. */
static uint32_t heal_next(const struct superblock_writer *writer, struct quorum quorum)
{
    struct superblock_report report;
    superblock_copies_report(&report, writer->copies, &quorum);
    for (uint32_t slot = 0; slot < SUPERBLOCK_COPIES; slot += 1) {
        if (writer->was_healed[slot]) quorum.home[slot] = (uint8_t)slot;
    }
    const uint32_t next = quorum_repair_next(&quorum);
    if (next != QUORUM_COPY_NONE) return next;
    for (uint32_t slot = 0; slot < SUPERBLOCK_COPIES; slot += 1) {
        if (report.copy[slot] != SUPERBLOCK_COPY_GOOD && !writer->was_healed[slot]) return slot;
    }
    return QUORUM_COPY_NONE;
}

/* All slots were read: writes one that no turn before wrote, after which all are read again, so
 * that a write that was lost is not built upon; or ends the healing. */
static enum tactus_status heal(struct superblock_writer *writer, struct fault *fault)
{
    struct quorum quorum;
    struct superblock chosen;
    const struct superblock_copies *copies = writer->copies;
    TRY(superblock_copies_choose(writer->reactor, copies, &quorum, &chosen, fault));
    const uint32_t slot = heal_next(writer, quorum);
    if (slot != QUORUM_COPY_NONE) {
        assert(!writer->was_healed[slot]);
        bytes_copy(
            &writer->copies->written, &copies->disk[quorum.slot], sizeof writer->copies->written
        );
        submit_tail(writer, slot);
        return TACTUS_OK;
    }
    if (quorum.count < (uint32_t)QUORUM_VERIFY) return not_kept(fault);
    writer->stage = SUPERBLOCK_WRITER_IDLE;
    if (!writer->heals_only) write_begin(writer);
    return TACTUS_OK;
}

/* The stage's request is done and OK. */
static enum tactus_status step(
    struct superblock_writer *writer, bool unreadable, struct fault *fault
)
{
    const uint32_t slot = writer->slot;
    const enum superblock_writer_stage stage = (enum superblock_writer_stage)writer->stage;
    switch (stage) {
    case SUPERBLOCK_WRITER_IDLE: break;
    case SUPERBLOCK_WRITER_HEAL_TAIL:
        submit_copy(writer, SUPERBLOCK_WRITER_HEAL_COPY, slot);
        return TACTUS_OK;
    case SUPERBLOCK_WRITER_HEAL_COPY:
        writer->was_healed[slot] = true;
        writer->healed_count += 1;
        submit_read(writer, SUPERBLOCK_WRITER_HEAL_READ, 0);
        return TACTUS_OK;
    case SUPERBLOCK_WRITER_FLUSH: submit_copy(writer, SUPERBLOCK_WRITER_COPY, 0); return TACTUS_OK;
    case SUPERBLOCK_WRITER_COPY:
        if (slot + 1 < SUPERBLOCK_COPIES) submit_copy(writer, stage, slot + 1);
        if (slot + 1 == SUPERBLOCK_COPIES) submit_read(writer, SUPERBLOCK_WRITER_VERIFY, 0);
        return TACTUS_OK;
    case SUPERBLOCK_WRITER_HEAL_READ:
    case SUPERBLOCK_WRITER_VERIFY:
        superblock_copies_take(writer->copies, slot, unreadable);
        if (slot + 1 < SUPERBLOCK_COPIES) {
            submit_read(writer, stage, slot + 1);
            return TACTUS_OK;
        }
        return stage == SUPERBLOCK_WRITER_VERIFY ? verify(writer, fault) : heal(writer, fault);
    }
    assert(false);
    return TACTUS_OK;
}

static void writer_begin(
    struct superblock_writer *writer, const struct superblock *superblock, bool heals_only
)
{
    assert(writer->stage == SUPERBLOCK_WRITER_IDLE);
    assert(writer->request.stage == IO_IDLE);
    writer->heals_only = heals_only;
    writer->healed_count = 0;
    bytes_zero(writer->was_healed, sizeof writer->was_healed);
    writer->status = TACTUS_OK;
    if (superblock != NULL) writer->superblock = *superblock;
    const bool is_whole = superblock != NULL && (superblock->sequence == 0 || superblock->is_whole);
    if (is_whole) write_begin(writer);
    if (!is_whole) submit_read(writer, SUPERBLOCK_WRITER_HEAL_READ, 0);
}

void superblock_write_start(struct superblock_writer *writer, const struct superblock *superblock)
{
    writer_begin(writer, superblock, false);
}

enum progress superblock_write_advance(struct superblock_writer *writer, struct fault *fault)
{
    assert(writer->stage != SUPERBLOCK_WRITER_IDLE);
    assert(writer->request.stage != IO_IDLE);
    if (writer->request.stage == IO_IN_FLIGHT) return PROGRESS_WAIT;

    const bool unreadable = writer->request.unreadable;
    writer->status = reactor_fault(&writer->request, fault);
    writer->request.stage = IO_IDLE;
    if (writer->status == TACTUS_OK) writer->status = step(writer, unreadable, fault);
    if (writer->status != TACTUS_OK) {
        writer->stage = SUPERBLOCK_WRITER_IDLE;
        return PROGRESS_FAILED;
    }
    return writer->stage == SUPERBLOCK_WRITER_IDLE ? PROGRESS_DONE : PROGRESS_WAIT;
}

void superblock_writer_stop(struct superblock_writer *writer)
{
    if (writer->request.stage == IO_IN_FLIGHT) reactor_finish(writer->reactor, &writer->request);
    writer->request.stage = IO_IDLE;
    writer->stage = SUPERBLOCK_WRITER_IDLE;
}

/* ---- Calls that wait ------------------------------------------------------------------------ */

static enum tactus_status finish(struct superblock_writer *writer, struct fault *fault)
{
    enum progress progress = PROGRESS_WAIT;
    while (progress == PROGRESS_WAIT) { /* ends: each turn ends a request of a bounded row */
        reactor_finish(writer->reactor, &writer->request);
        progress = superblock_write_advance(writer, fault);
    }
    return writer->status;
}

enum tactus_status superblock_write(
    struct reactor *reactor, struct superblock *superblock, struct fault *fault
)
{
    struct superblock_copies copies;
    struct superblock_writer writer = {.reactor = reactor, .copies = &copies};
    writer_begin(&writer, superblock, false);
    TRY(finish(&writer, fault));
    assert(writer.superblock.sequence == superblock->sequence + 1);
    *superblock = writer.superblock;
    return TACTUS_OK;
}

enum tactus_status superblock_heal(
    struct reactor *reactor, uint32_t *healed_count, struct fault *fault
)
{
    struct superblock_copies copies;
    struct superblock_writer writer = {.reactor = reactor, .copies = &copies};
    writer_begin(&writer, NULL, true);
    TRY(finish(&writer, fault));
    if (healed_count != NULL) *healed_count = writer.healed_count;
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
