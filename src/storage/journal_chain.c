#include "storage/journal_chain.h"

#include "base/assert.h"
#include "base/integer.h"

#include "base/poison.h"

enum { EPOCH_LEAP_MAX = 1 << 16 };

static enum tactus_status window_read(struct journal *journal, uint64_t offset, uint64_t size)
{
    struct io_request request = {
        .kind = IO_READ,
        .size = (uint32_t)size,
        .offset = journal->layout->journal_offset + offset,
        .buffer = journal->window,
    };
    journal->window_size = 0;
    reactor_submit(journal->reactor, &request);
    reactor_finish(journal->reactor, &request);
    if (request.status != TACTUS_OK) return reactor_fault(&request, journal->fault);

    journal->window_offset = offset;
    journal->window_size = size;
    journal->window_unreadable = request.unreadable;
    return TACTUS_OK;
}

enum tactus_status journal_window(
    struct journal *journal, uint64_t offset, uint64_t size, const uint8_t **bytes
)
{
    const uint64_t ring = journal->ring.journal_bytes;
    assert(offset % SECTOR_SIZE == 0);
    assert(size % SECTOR_SIZE == 0);
    assert(size <= journal->ring.entry_bytes_max);
    assert(size <= ring - offset);

    const bool is_inside = offset >= journal->window_offset &&
                           offset + size <= journal->window_offset + journal->window_size;
    if (!is_inside) {
        /* All that the buffer holds: most entries are small, and their neighbours come next. */
        TRY(window_read(journal, offset, min_u64(journal->ring.entry_bytes_max, ring - offset)));
    }
    *bytes = journal->window + (offset - journal->window_offset);
    return TACTUS_OK;
}

enum tactus_status journal_is_unreadable(
    struct journal *journal, uint64_t offset, uint64_t size, bool *unreadable
)
{
    TRY(window_read(journal, offset, size));
    *unreadable = journal->window_unreadable;
    return TACTUS_OK;
}

bool journal_cursor_may_wrap(const struct journal *journal, const struct journal_cursor *cursor)
{
    const uint64_t ring = journal->ring.journal_bytes;
    const uint64_t lap_rest = ring - cursor->next.offset;
    return cursor->next.offset > 0 && lap_rest < journal->ring.entry_bytes_max &&
           lap_rest < ring - cursor->used_bytes;
}

bool journal_epoch_is_ours(const struct journal *journal, uint64_t epoch)
{
    return epoch <= journal->read_epoch || epoch - journal->read_epoch <= EPOCH_LEAP_MAX;
}

/* Bytes of the lap's end that an entry at `offset` leaves behind. */
static uint64_t lap_rest_before(
    const struct journal *journal, const struct journal_cursor *cursor, uint64_t offset
)
{
    if (offset == cursor->next.offset) return 0;
    assert(offset == 0);
    return journal->ring.journal_bytes - cursor->next.offset;
}

static const char newer_than_superblock[] = "journal is newer than the superblock";

/* Why a header without fault, found at `offset`, is not the cursor's next, or NULL. */
static const char *chain_fault(
    const struct journal *journal,
    const struct journal_cursor *cursor,
    const struct journal_header *header,
    uint64_t offset
)
{
    if (header->offset != offset) return "journal entry was written for another place";
    if (header->op != cursor->next.op) return "journal entry of another op stands in its place";
    if (!checksum_equal(header->predecessor, cursor->next.predecessor)) {
        return "journal entry does not follow its predecessor";
    }
    if (header->epoch > journal->read_epoch && journal_epoch_is_ours(journal, header->epoch)) {
        return newer_than_superblock;
    }
    if (!journal_header_is_current(header, journal->read_epoch, journal->read_epoch_first_op)) {
        return "journal entry is one that an earlier recovery cut";
    }
    /* Of entries that were cut, one can be followed by a new history that leads up to the same
     * predecessor. Epochs and durable_op never fall, so it does not get in behind newer ones. */
    if (header->epoch < cursor->epoch || header->durable_op < cursor->durable_op) {
        return "journal entry is older than its predecessor";
    }
    const uint64_t rounded = journal_entry_rounded(header->size - JOURNAL_HEADER_SIZE);
    const uint64_t lap_rest = lap_rest_before(journal, cursor, offset);
    if (lap_rest > 0 && rounded <= lap_rest) return "journal entry would have fitted before";
    if (lap_rest + rounded > journal->ring.journal_bytes - cursor->used_bytes) {
        return "journal entry reaches into entries that are still needed";
    }
    return NULL;
}

/* Sets what, and where the bytes at hand are an entry that fits, its fields. */
static void find_judge(
    const struct journal *journal,
    const struct journal_cursor *cursor,
    const uint8_t *bytes,
    struct journal_find *find
)
{
    find->what = journal_header_fault(bytes, &journal->ring);
    find->wanted = journal_header_checksum_stored(bytes);
    find->found = journal_header_checksum_computed(bytes, journal->ring.file_id);
    find->has_checksums = !checksum_equal(find->wanted, find->found);
    find->header_fits = false;
    if (find->what != NULL) return;

    find->header = journal_header_decode(bytes);
    find->what = chain_fault(journal, cursor, &find->header, find->offset);
    find->header_fits = find->what == NULL;
    find->is_newer = find->what == newer_than_superblock;
    find->physical = find->wanted;
    find->logical = journal_header_logical_checksum(bytes, journal->ring.file_id);
    find->entry = bytes;
}

static enum tactus_status find_at(
    struct journal *journal,
    const struct journal_cursor *cursor,
    uint64_t offset,
    struct journal_find *find
)
{
    *find = (struct journal_find){.offset = offset};
    const uint8_t *bytes;
    TRY(journal_window(journal, offset, SECTOR_SIZE, &bytes));
    find->unreadable_near = journal->window_unreadable;
    find_judge(journal, cursor, bytes, find);
    if (!find->header_fits) return TACTUS_OK;

    /* The whole entry may have needed another read, which may have read other bytes. */
    const uint64_t rounded = journal_entry_rounded(find->header.size - JOURNAL_HEADER_SIZE);
    TRY(journal_window(journal, offset, rounded, &bytes));
    find->unreadable_near = find->unreadable_near || journal->window_unreadable;
    find_judge(journal, cursor, bytes, find);
    if (!find->header_fits) return TACTUS_OK;
    if (journal_entry_rounded(find->header.size - JOURNAL_HEADER_SIZE) != rounded) {
        find->what = "journal entry reads differently each time";
        find->header_fits = false;
        return TACTUS_OK;
    }
    find->what = journal_body_fault(bytes, &find->header, &journal->ring);
    find->valid = find->what == NULL;
    if (find->valid) return TACTUS_OK;
    find->wanted = find->header.body_checksum;
    find->found = checksum_of(
        journal->ring.file_id, bytes + JOURNAL_HEADER_SIZE, find->header.size - JOURNAL_HEADER_SIZE
    );
    find->has_checksums = !checksum_equal(find->wanted, find->found);
    return TACTUS_OK;
}

static bool redundant_is_at_start(const struct journal *journal, uint64_t op)
{
    const uint8_t *slot = journal_headers_get(&journal->headers, op);
    return slot != NULL && journal_header_decode(slot).offset == 0;
}

enum tactus_status journal_find_next(
    struct journal *journal, const struct journal_cursor *cursor, struct journal_find *find
)
{
    assert(cursor->used_bytes <= journal->ring.journal_bytes);
    assert(cursor->next.offset < journal->ring.journal_bytes);

    if (cursor->used_bytes == journal->ring.journal_bytes) {
        *find = (struct journal_find){.offset = cursor->next.offset, .what = "journal is full"};
        return TACTUS_OK;
    }
    if (!journal_cursor_may_wrap(journal, cursor)) {
        return find_at(journal, cursor, cursor->next.offset, find);
    }
    /* A redundant header knows which place it is: asked first, so that an entry of the same op that
     * was cut in the other place is not even looked at. */
    const bool starts_lap = redundant_is_at_start(journal, cursor->next.op);
    const uint64_t places[2] = {
        starts_lap ? 0 : cursor->next.offset, starts_lap ? cursor->next.offset : 0};
    TRY(find_at(journal, cursor, places[0], find));
    if (find->valid) return TACTUS_OK;

    /* Also where the first place holds a torn entry that fits: it may be one that was cut, and
     * whose successor of the same op did not fit there. */
    struct journal_find other;
    TRY(find_at(journal, cursor, places[1], &other));
    other.unreadable_near = other.unreadable_near || find->unreadable_near;
    find->unreadable_near = other.unreadable_near;
    other.is_newer = other.is_newer || find->is_newer;
    find->is_newer = other.is_newer;
    if (other.valid || (other.header_fits && !find->header_fits)) *find = other;
    return TACTUS_OK;
}

void journal_cursor_advance(
    const struct journal *journal, struct journal_cursor *cursor, const struct journal_find *find
)
{
    assert(find->valid);
    assert(find->header.op == cursor->next.op);

    const uint64_t ring = journal->ring.journal_bytes;
    const uint64_t rounded = journal_entry_rounded(find->header.size - JOURNAL_HEADER_SIZE);
    cursor->used_bytes += lap_rest_before(journal, cursor, find->offset) + rounded;
    cursor->epoch = find->header.epoch;
    cursor->durable_op = find->header.durable_op;
    cursor->next = (struct journal_position){
        .op = find->header.op + 1,
        .offset = (find->offset + rounded) % ring,
        .predecessor = find->logical,
    };
    assert(cursor->used_bytes <= ring);
}

enum tactus_status journal_corrupt(
    struct journal *journal,
    const struct journal_cursor *cursor,
    const struct journal_find *find,
    enum fault_answer acknowledged
)
{
    assert(!find->valid);
    return fault_set(
        journal->fault,
        (struct fault){
            .status = TACTUS_CORRUPT,
            .zone = FAULT_ZONE_JOURNAL,
            .what = find->what,
            .remedy =
                "restore a copy, or give it up: `tactus repair FILE --truncate-journal --yes`",
            .op = cursor->next.op,
            .byte = journal->layout->journal_offset + find->offset,
            .wanted = find->wanted,
            .found = find->found,
            .has_checksums = find->has_checksums,
            .acknowledged = acknowledged,
        }
    );
}
