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
    journal_queue_init(&journal->queue, budget, options->entry_bytes_max);
    journal->window = journal->queue.stage;
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
    /* What was recovered was read after a flush. */
    if (journal->stage == JOURNAL_RECOVERED) return journal->head.op - 1;
    return journal_queue_op_durable(&journal->queue);
}

uint64_t journal_op_appended(struct journal *journal)
{
    if (journal->stage == JOURNAL_RECOVERED) return journal_op_last(journal);
    return journal_queue_op_last(&journal->queue);
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
    journal->reading = false;
    journal->window_size = 0;
    journal_queue_open(&journal->queue, journal->reactor, &journal->headers, journal->head.op - 1);
    journal->stage = JOURNAL_OPEN;
}

uint8_t *journal_body(struct journal *journal)
{
    assert(journal->stage == JOURNAL_OPEN);
    assert(!journal->reading);
    journal->window_size = 0;
    return journal_queue_reserve(&journal->queue) + JOURNAL_HEADER_SIZE;
}

bool journal_is_poisoned(const struct journal *journal)
{
    return journal->stage == JOURNAL_OPEN && journal_queue_is_poisoned(&journal->queue);
}

static enum tactus_status journal_failed(struct journal *journal)
{
    return fault_set(journal->fault, journal_queue_cause(&journal->queue));
}

enum tactus_status journal_poisoned(struct journal *journal)
{
    assert(journal_is_poisoned(journal));
    const enum tactus_status cause = journal_failed(journal);
    maybe(cause != TACTUS_POISONED);
    return TACTUS_POISONED;
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

enum tactus_status journal_append(
    struct journal *journal, const struct journal_append *append, uint64_t *op
)
{
    assert(journal->stage == JOURNAL_OPEN);
    assert(append->body_size <= journal->ring.entry_bytes_max - JOURNAL_HEADER_SIZE);
    uint8_t *bytes = journal_body(journal) - JOURNAL_HEADER_SIZE;
    if (journal_is_poisoned(journal)) return journal_poisoned(journal);

    const uint64_t rounded = journal_entry_rounded(append->body_size);
    const struct journal_header header = {
        .epoch = journal->epoch,
        .durable_op = journal_op_durable(journal),
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
    const struct checksum logical = journal_entry_seal(bytes, &header, &journal->ring);
    const struct journal_queue_entry entry = {
        .op = header.op,
        .byte = journal->layout->journal_offset + header.offset,
        .size = rounded,
        .sync = append->sync,
    };
    const enum tactus_status status = journal_queue_append(&journal->queue, &entry);
    if (status == TACTUS_POISONED) return journal_poisoned(journal);

    journal->head = (struct journal_position){
        .op = header.op + 1,
        .offset = (header.offset + rounded) % journal->ring.journal_bytes,
        .predecessor = logical,
    };
    assert(journal_used_bytes(journal) > 0);
    if (status != TACTUS_OK) return journal_failed(journal);
    *op = header.op;
    return TACTUS_OK;
}

enum tactus_status journal_wait(struct journal *journal, uint64_t op)
{
    if (journal->stage != JOURNAL_OPEN) return TACTUS_OK; /* what was recovered is durable */
    return journal_queue_wait(&journal->queue, op);
}

enum tactus_status journal_flush(struct journal *journal)
{
    assert(journal->stage == JOURNAL_OPEN);
    if (journal_is_poisoned(journal)) return journal_poisoned(journal);
    const enum tactus_status status = journal_queue_wait(&journal->queue, journal->head.op - 1);
    return status == TACTUS_OK ? TACTUS_OK : journal_failed(journal);
}

void journal_flush_start(struct journal *journal)
{
    assert(journal->stage == JOURNAL_OPEN);
    journal_queue_flush_start(&journal->queue);
}

void journal_poll(struct journal *journal)
{
    if (journal->stage == JOURNAL_OPEN) journal_queue_poll(&journal->queue);
}

enum tactus_status journal_event_fd(struct journal *journal, int *fd)
{
    assert(journal->stage == JOURNAL_OPEN);
    return journal_queue_event(&journal->queue, fd, journal->fault);
}

enum tactus_status journal_close(struct journal *journal)
{
    enum tactus_status status = TACTUS_OK;
    if (journal->stage == JOURNAL_OPEN) {
        const bool was_poisoned = journal_is_poisoned(journal);
        status = journal_queue_close(&journal->queue);
        if (status != TACTUS_OK) {
            (void)fault_set(journal->fault, journal->queue.cause);
            if (was_poisoned) status = TACTUS_POISONED;
        }
        journal->headers.reactor = journal->reactor;
        journal->headers.fault = journal->fault;
    } else {
        status = journal_headers_finish(&journal->headers);
    }
    journal->stage = JOURNAL_CLOSED;
    journal->reading = false;
    journal->window_size = 0;
    return status;
}

void journal_abandon(struct journal *journal)
{
    journal_queue_abandon(&journal->queue);
    journal->stage = JOURNAL_CLOSED;
}
