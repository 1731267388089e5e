#include "storage/journal_entry.h"

#include "base/bytes.h"
#include "base/integer.h"

#include "base/poison.h"

static_assert((uint32_t)JOURNAL_ALIGNMENT == (uint32_t)SECTOR_SIZE, "no two share a sector");

/* The struct is for its offsets; its fields are little-endian bytes and go through load and
 * store. */
static const struct journal_entry_disk *disk_of(const uint8_t *bytes)
{
    return (const struct journal_entry_disk *)(const void *)bytes;
}

uint64_t journal_entry_rounded(uint64_t body_size)
{
    assert(body_size <= UINT64_MAX - JOURNAL_HEADER_SIZE - JOURNAL_ALIGNMENT);
    return round_up_u64(JOURNAL_HEADER_SIZE + body_size, JOURNAL_ALIGNMENT);
}

struct checksum journal_header_checksum_stored(const uint8_t *bytes)
{
    return checksum_load(disk_of(bytes)->checksum);
}

struct checksum journal_header_checksum_computed(const uint8_t *bytes, struct checksum file_id)
{
    const uint32_t skip = sizeof disk_of(bytes)->checksum;
    return checksum_of(file_id, bytes + skip, JOURNAL_HEADER_SIZE - skip);
}

struct checksum journal_header_logical_checksum(const uint8_t *bytes, struct checksum file_id)
{
    return checksum_of(
        file_id, bytes + JOURNAL_LOGICAL_OFFSET, JOURNAL_HEADER_SIZE - JOURNAL_LOGICAL_OFFSET
    );
}

struct journal_header journal_header_decode(const uint8_t *bytes)
{
    const struct journal_entry_disk *disk = disk_of(bytes);
    return (struct journal_header){
        .epoch = load_u64(&disk->epoch),
        .durable_op = load_u64(&disk->durable_op),
        .offset = load_u64(&disk->offset),
        .predecessor = checksum_load(disk->predecessor),
        .body_checksum = checksum_load(disk->body_checksum),
        .op = load_u64(&disk->op),
        .beat = load_u64(&disk->beat),
        .timestamp = load_u64(&disk->timestamp),
        .size = load_u64(&disk->size),
        .event_count = load_u32(&disk->event_count),
        .kind = (enum journal_kind)disk->kind,
        .short_of_room = (disk->flags & JOURNAL_SHORT_OF_ROOM) != 0,
    };
}

static const char *fields_fault(
    const struct journal_header *header, const struct journal_ring *ring
)
{
    if (header->op == 0) return "journal entry has no op";
    if (header->epoch == 0) return "journal entry has no epoch";
    if (header->op >= JOURNAL_COUNTER_LIMIT || header->epoch >= JOURNAL_COUNTER_LIMIT ||
        header->beat >= JOURNAL_COUNTER_LIMIT) {
        return "journal entry counts beyond what a file can live through";
    }
    if (header->durable_op >= header->op) return "journal entry calls itself durable";
    if (header->size < JOURNAL_HEADER_SIZE) return "journal entry is smaller than its header";
    if (header->size > ring->entry_bytes_max) return "journal entry is larger than any can be";
    if (header->offset % JOURNAL_ALIGNMENT != 0) return "journal entry lies askew";
    /* Neither sum nor rounding can overflow: size <= entry_bytes_max <= journal_bytes < 2^63. */
    if (header->offset >= ring->journal_bytes ||
        round_up_u64(header->size, JOURNAL_ALIGNMENT) > ring->journal_bytes - header->offset) {
        return "journal entry reaches past the ring's end";
    }
    switch ((uint8_t)header->kind) {
    case JOURNAL_TRANSACTION: return NULL;
    case JOURNAL_CHECKPOINT: return header->event_count == 0 ? NULL : "checkpoint entry has events";
    default: return "journal entry is of an unknown kind";
    }
}

const char *journal_header_fault(const uint8_t *bytes, const struct journal_ring *ring)
{
    assert(ring->journal_bytes < UINT64_C(1) << 63);
    assert(ring->entry_bytes_max <= ring->journal_bytes);

    const struct journal_entry_disk *disk = disk_of(bytes);
    if (!checksum_equal(
            journal_header_checksum_stored(bytes),
            journal_header_checksum_computed(bytes, ring->file_id)
        )) {
        return "journal entry's header does not match its checksum";
    }
    if (!checksum_equal(checksum_load(disk->file_id), ring->file_id)) {
        return "journal entry is another file's";
    }
    if (disk->version != JOURNAL_ENTRY_VERSION) return "journal entry is of an unknown version";
    if ((disk->flags & ~JOURNAL_SHORT_OF_ROOM) != 0) return "journal entry has unknown flags";
    if (!bytes_are_zero(disk->reserved_physical, sizeof disk->reserved_physical) ||
        !bytes_are_zero(disk->reserved_logical, sizeof disk->reserved_logical)) {
        return "journal entry's reserved bytes are not zero";
    }
    const struct journal_header header = journal_header_decode(bytes);
    return fields_fault(&header, ring);
}

const char *journal_body_fault(
    const uint8_t *entry, const struct journal_header *header, const struct journal_ring *ring
)
{
    assert(header->size >= JOURNAL_HEADER_SIZE);
    assert(header->size <= ring->entry_bytes_max);

    const uint64_t body_size = header->size - JOURNAL_HEADER_SIZE;
    const struct checksum found =
        checksum_of(ring->file_id, entry + JOURNAL_HEADER_SIZE, body_size);
    if (!checksum_equal(found, header->body_checksum)) {
        return "journal entry's body does not match its checksum";
    }
    if (!bytes_are_zero(entry + header->size, journal_entry_rounded(body_size) - header->size)) {
        return "journal entry's padding is not zero";
    }
    return NULL;
}

struct checksum journal_entry_seal(
    uint8_t *entry, const struct journal_header *header, const struct journal_ring *ring
)
{
    assert(header->size >= JOURNAL_HEADER_SIZE);
    assert(header->size <= ring->entry_bytes_max);

    const uint64_t body_size = header->size - JOURNAL_HEADER_SIZE;
    bytes_zero(entry + header->size, journal_entry_rounded(body_size) - header->size);

    struct journal_entry_disk *disk = (struct journal_entry_disk *)(void *)entry;
    bytes_zero(disk, sizeof *disk);
    store_u64(&disk->epoch, header->epoch);
    store_u64(&disk->durable_op, header->durable_op);
    store_u64(&disk->offset, header->offset);
    checksum_store(disk->predecessor, header->predecessor);
    checksum_store(
        disk->body_checksum, checksum_of(ring->file_id, entry + JOURNAL_HEADER_SIZE, body_size)
    );
    checksum_store(disk->file_id, ring->file_id);
    store_u64(&disk->op, header->op);
    store_u64(&disk->beat, header->beat);
    store_u64(&disk->timestamp, header->timestamp);
    store_u64(&disk->size, header->size);
    store_u32(&disk->event_count, header->event_count);
    disk->kind = (uint8_t)header->kind;
    disk->version = JOURNAL_ENTRY_VERSION;
    disk->flags = header->short_of_room ? JOURNAL_SHORT_OF_ROOM : 0;
    checksum_store(disk->checksum, journal_header_checksum_computed(entry, ring->file_id));

    assert(journal_header_fault(entry, ring) == NULL);
    return journal_header_logical_checksum(entry, ring->file_id);
}

bool journal_header_is_current(
    const struct journal_header *header, uint64_t epoch, uint64_t epoch_first_op
)
{
    return header->op < epoch_first_op ? header->epoch < epoch : header->epoch == epoch;
}
