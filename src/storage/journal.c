#include "storage/journal.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"

#include "base/poison.h"

void journal_init(
    struct journal *journal, struct budget *budget, const struct journal_options *options
)
{
    assert(options->layout->journal_bytes % SECTOR_SIZE == 0);
    assert(options->entry_bytes_max % SECTOR_SIZE == 0);
    assert(options->entry_bytes_max > 0);
    assert(options->entry_bytes_max <= JOURNAL_ENTRY_BYTES_MAX_MAX);
    assert(options->entry_bytes_max <= options->layout->journal_bytes);

    *journal = (struct journal){
        .reactor = options->reactor,
        .layout = options->layout,
        .fault = options->fault,
        .ring =
            {
                .file_id = options->file_id,
                .journal_bytes = options->layout->journal_bytes,
                .entry_bytes_max = options->entry_bytes_max,
            },
        .read_only = options->read_only,
        .stage = JOURNAL_CLOSED,
    };
    budget_group(budget, "journal");
    journal->entry =
        budget_take(budget, options->entry_bytes_max / SECTOR_SIZE, SECTOR_SIZE, SECTOR_SIZE);
    journal_headers_init(
        &journal->headers, budget, options->reactor, options->layout, &journal->ring
    );
    journal->headers.fault = options->fault;
}

enum tactus_status journal_format(
    struct reactor *reactor, const struct layout *layout, struct fault *fault
)
{
    /* The header ring follows the journal, so both are one stretch of zeros. */
    assert(layout->headers_offset == layout->journal_offset + layout->journal_bytes);
    static _Alignas(4096) uint8_t zeros[1 << 16];
    const uint64_t end = layout->headers_offset + layout->headers_bytes;
    for (uint64_t offset = layout->journal_offset; offset < end;) {
        const uint64_t size = min_u64(sizeof zeros, end - offset);
        TRY(reactor_write(reactor, zeros, size, offset, false, fault));
        offset += size;
    }
    return reactor_flush(reactor, fault);
}

uint64_t journal_op_last(const struct journal *journal)
{
    assert(journal->stage != JOURNAL_CLOSED);
    assert(journal->head.op > 0);
    return journal->head.op - 1;
}

uint64_t journal_op_durable(const struct journal *journal)
{
    assert(journal->stage != JOURNAL_CLOSED);
    assert(journal->op_durable < journal->head.op);
    return journal->op_durable;
}

struct journal_position journal_head(const struct journal *journal)
{
    assert(journal->stage != JOURNAL_CLOSED);
    return journal->head;
}

uint64_t journal_used_bytes(const struct journal *journal)
{
    assert(journal->stage != JOURNAL_CLOSED);
    assert(journal->tail_op <= journal->head.op);

    if (journal->tail_op == journal->head.op) return 0;
    const uint64_t ring = journal->ring.journal_bytes;
    const uint64_t used = (journal->head.offset + ring - journal->tail_offset) % ring;
    return used == 0 ? ring : used;
}

void journal_tail_set(struct journal *journal, uint64_t op, uint64_t offset)
{
    assert(op >= journal->tail_op);
    assert(op <= journal->head.op);
    assert(offset % SECTOR_SIZE == 0);
    assert(offset < journal->ring.journal_bytes);
    if (op == journal->head.op) assert(offset == journal->head.offset);
    if (op == journal->tail_op) assert(offset == journal->tail_offset);

    const uint64_t used_before = journal_used_bytes(journal);
    journal->tail_op = op;
    journal->tail_offset = offset;
    assert(journal_used_bytes(journal) <= used_before);
}

void journal_open_for_append(struct journal *journal, uint64_t epoch)
{
    assert(journal->stage == JOURNAL_RECOVERED);
    assert(!journal->read_only);
    assert(epoch > journal->read_epoch);

    journal->epoch = epoch;
    journal->stage = JOURNAL_OPEN;
}

uint8_t *journal_body(struct journal *journal)
{
    assert(!journal->reading);
    journal->window_size = 0;
    return journal->entry + JOURNAL_HEADER_SIZE;
}

/* The first failure has told what the system said; all that is left to say is that it happened. */
static enum tactus_status journal_poisoned(struct journal *journal)
{
    journal->stage = JOURNAL_POISONED;
    return fault_set(
        journal->fault,
        (struct fault){
            .status = TACTUS_POISONED,
            .zone = FAULT_ZONE_JOURNAL,
            .what = "an earlier write of the journal failed",
            .op = journal->head.op,
        }
    );
}

/* A header write that nobody waited for may have failed since the last call. */
static bool journal_is_poisoned(const struct journal *journal)
{
    return journal->stage == JOURNAL_POISONED || journal->headers.status != TACTUS_OK;
}

/* Where an entry of this size goes (J1); that there is room is the caller's promise (J4). */
static uint64_t journal_place(const struct journal *journal, uint64_t rounded)
{
    const uint64_t ring = journal->ring.journal_bytes;
    const uint64_t room = ring - journal_used_bytes(journal);
    const uint64_t lap_rest = ring - journal->head.offset;
    if (rounded <= lap_rest) {
        assert(rounded <= room);
        return journal->head.offset;
    }
    assert(lap_rest + rounded <= room);
    return 0;
}

static enum tactus_status journal_write_failed(struct journal *journal, struct io_request *request)
{
    assert(request->status != TACTUS_OK);
    journal->stage = JOURNAL_POISONED;
    return reactor_fault(request, journal->fault);
}

/* What is appended is durable now: its redundant headers may go out, and nobody waits for them. A
 * failure of theirs is the next call's: what this one was to make durable is. */
static void journal_durable(struct journal *journal, bool all)
{
    const uint64_t op_last = journal->head.op - 1;
    journal_headers_cover(&journal->headers, journal->op_durable + 1, op_last);
    journal->op_durable = op_last;
    const enum tactus_status status = all ? journal_headers_submit_all(&journal->headers, op_last)
                                          : journal_headers_submit(&journal->headers, op_last);
    maybe(status != TACTUS_OK);
}

static enum tactus_status journal_flush_entries(struct journal *journal)
{
    struct io_request request = {.kind = IO_FLUSH};
    reactor_submit(journal->reactor, &request);
    reactor_finish(journal->reactor, &request);
    return request.status == TACTUS_OK ? TACTUS_OK : journal_write_failed(journal, &request);
}

static enum tactus_status journal_write_entry(
    struct journal *journal, uint64_t offset, uint64_t rounded, bool durable
)
{
    struct io_request request = {
        .kind = IO_WRITE,
        .durable = durable,
        .size = (uint32_t)rounded,
        .offset = journal->layout->journal_offset + offset,
        .buffer = journal->entry,
    };
    reactor_submit(journal->reactor, &request);
    reactor_finish(journal->reactor, &request);
    return request.status == TACTUS_OK ? TACTUS_OK : journal_write_failed(journal, &request);
}

enum tactus_status journal_append(
    struct journal *journal, const struct journal_append *append, uint64_t *op
)
{
    assert(journal->stage == JOURNAL_OPEN || journal->stage == JOURNAL_POISONED);
    assert(!journal->reading);
    assert(append->body_size <= journal->ring.entry_bytes_max - JOURNAL_HEADER_SIZE);
    if (journal_is_poisoned(journal)) return journal_poisoned(journal);

    const uint64_t rounded = journal_entry_rounded(append->body_size);
    const struct journal_header header = {
        .epoch = journal->epoch,
        .durable_op = journal->op_durable,
        .offset = journal_place(journal, rounded),
        .predecessor = journal->head.predecessor,
        .op = journal->head.op,
        .beat = append->beat,
        .timestamp = append->timestamp_reserved,
        .size = JOURNAL_HEADER_SIZE + append->body_size,
        .event_count = append->event_count,
        .kind = append->kind,
        .short_of_room = append->short_of_room,
    };
    journal->window_size = 0;
    const struct checksum logical = journal_entry_seal(journal->entry, &header, &journal->ring);

    /* A durable write says nothing of plain ones before it: those need the flush (S2). */
    const bool all_before_durable = journal->op_durable + 1 == header.op;
    TRY(journal_write_entry(journal, header.offset, rounded, append->durable && all_before_durable)
    );
    if (append->durable && !all_before_durable) TRY(journal_flush_entries(journal));

    journal_headers_put(&journal->headers, header.op, journal->entry);
    journal->head = (struct journal_position){
        .op = header.op + 1,
        .offset = (header.offset + rounded) % journal->ring.journal_bytes,
        .predecessor = logical,
    };
    assert(journal_used_bytes(journal) > 0);
    if (append->durable) journal_durable(journal, false);
    *op = header.op;
    return TACTUS_OK;
}

enum tactus_status journal_flush(struct journal *journal)
{
    assert(journal->stage == JOURNAL_OPEN || journal->stage == JOURNAL_POISONED);
    if (journal_is_poisoned(journal)) return journal_poisoned(journal);

    if (journal->op_durable + 1 < journal->head.op) TRY(journal_flush_entries(journal));
    journal_durable(journal, true);
    return TACTUS_OK;
}

enum tactus_status journal_close(struct journal *journal)
{
    enum tactus_status status = TACTUS_OK;
    if (journal->stage == JOURNAL_POISONED) status = journal_poisoned(journal);
    if (journal->stage == JOURNAL_OPEN) status = journal_flush(journal);

    /* Waited for whatever happened: their memory is the caller's after this. */
    const enum tactus_status headers_status = journal_headers_finish(&journal->headers);
    if (status == TACTUS_OK) status = headers_status;

    /* So that a file which was closed has all its redundant headers: S6's window is empty. */
    if (status == TACTUS_OK && journal->headers.write_count > 0) {
        status = journal_flush_entries(journal);
    }
    journal->stage = JOURNAL_CLOSED;
    journal->reading = false;
    journal->window_size = 0;
    return status;
}
