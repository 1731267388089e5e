#include "storage/journal_headers.h"

#include "base/bytes.h"
#include "base/integer.h"

#include "base/poison.h"

static_assert(
    JOURNAL_HEADERS_PER_SECTOR * JOURNAL_HEADER_SIZE == SECTOR_SIZE, "slots fill sectors"
);

void journal_headers_init(
    struct journal_headers *headers,
    struct budget *budget,
    struct reactor *reactor,
    const struct layout *layout,
    const struct journal_ring *ring
)
{
    assert(layout->headers_bytes % SECTOR_SIZE == 0);
    *headers = (struct journal_headers){
        .reactor = reactor,
        .ring = *ring,
        .offset = layout->headers_offset,
        .bytes = layout->headers_bytes,
        .slot_count = layout->journal_bytes / SECTOR_SIZE,
        .sector_count = layout->headers_bytes / SECTOR_SIZE,
        .status = TACTUS_OK,
    };
    assert(headers->slot_count <= headers->sector_count * JOURNAL_HEADERS_PER_SECTOR);

    headers->write_sectors =
        min_u64(JOURNAL_HEADER_WRITE_SECTORS, div_ceil_u64(headers->sector_count, 4));
    headers->image = budget_take(budget, headers->sector_count, SECTOR_SIZE, SECTOR_SIZE);
    for (uint32_t i = 0; i < JOURNAL_HEADER_WRITES; i += 1) {
        headers->writes[i].buffer =
            budget_take(budget, headers->write_sectors, SECTOR_SIZE, SECTOR_SIZE);
    }
    bit_set_init(&headers->dirty, budget, headers->sector_count);
}

/* What the slot may hold: a header of ours whose op belongs there. */
static const char *slot_fault(
    const struct journal_headers *headers, uint64_t slot, const uint8_t *bytes
)
{
    const char *fault = journal_header_fault(bytes, &headers->ring);
    if (fault != NULL) return fault;
    const uint64_t op = journal_header_decode(bytes).op;
    return op % headers->slot_count == slot ? NULL : "redundant header is in another's slot";
}

enum tactus_status journal_headers_load(struct journal_headers *headers, uint64_t *bad_count)
{
    *bad_count = 0;
    bit_set_clear_all(&headers->dirty);
    headers->dirty_count = 0;
    TRY(reactor_read(
        headers->reactor, headers->image, headers->bytes, headers->offset, headers->fault
    ));
    for (uint64_t slot = 0; slot < headers->slot_count; slot += 1) {
        uint8_t *bytes = headers->image + slot * JOURNAL_HEADER_SIZE;
        if (bytes_are_zero(bytes, JOURNAL_HEADER_SIZE)) continue;
        if (slot_fault(headers, slot, bytes) == NULL) continue;
        bytes_zero(bytes, JOURNAL_HEADER_SIZE);
        *bad_count += 1;
    }
    const uint64_t used = headers->slot_count * JOURNAL_HEADER_SIZE;
    if (!bytes_are_zero(headers->image + used, headers->bytes - used)) {
        bytes_zero(headers->image + used, headers->bytes - used);
        *bad_count += 1;
    }
    return TACTUS_OK;
}

const uint8_t *journal_headers_slot(const struct journal_headers *headers, uint64_t slot)
{
    assert(slot < headers->slot_count);
    const uint8_t *bytes = headers->image + slot * JOURNAL_HEADER_SIZE;
    /* A header that is there has no fault, and so an epoch, which lies in its first 64 bytes. */
    return bytes_are_zero(bytes, JOURNAL_LOGICAL_OFFSET) ? NULL : bytes;
}

const uint8_t *journal_headers_get(const struct journal_headers *headers, uint64_t op)
{
    const uint8_t *bytes = journal_headers_slot(headers, op % headers->slot_count);
    return bytes != NULL && journal_header_decode(bytes).op == op ? bytes : NULL;
}

void journal_headers_put(struct journal_headers *headers, uint64_t op, const uint8_t *bytes)
{
    const uint64_t slot = op % headers->slot_count;
    assert(slot_fault(headers, slot, bytes) == NULL);
    assert(journal_header_decode(bytes).op == op);
    bytes_copy(headers->image + slot * JOURNAL_HEADER_SIZE, bytes, JOURNAL_HEADER_SIZE);
}

void journal_headers_cover(struct journal_headers *headers, uint64_t first, uint64_t last)
{
    if (last < first) return;
    assert(last - first < headers->slot_count);
    for (uint64_t op = first; op <= last; op += 1) {
        const uint64_t sector = op % headers->slot_count / JOURNAL_HEADERS_PER_SECTOR;
        if (bit_set_get(&headers->dirty, sector)) continue;
        bit_set_set(&headers->dirty, sector);
        headers->dirty_count += 1;
    }
}

bool journal_headers_are_dirty(const struct journal_headers *headers)
{
    assert(headers->dirty_count <= headers->sector_count);
    return headers->dirty_count > 0;
}

/* Takes the writes that are done. The first failure is kept: nothing is ever written again. */
static void headers_reap(struct journal_headers *headers)
{
    for (uint32_t i = 0; i < JOURNAL_HEADER_WRITES; i += 1) {
        struct journal_headers_write *write = &headers->writes[i];
        if (write->request.stage != IO_DONE) continue;
        if (write->request.status != TACTUS_OK && headers->status == TACTUS_OK) {
            headers->status = reactor_fault(&write->request, headers->fault);
        }
        write->request.stage = IO_IDLE;
    }
}

static bool headers_sector_is_in_flight(const struct journal_headers *headers, uint64_t sector)
{
    for (uint32_t i = 0; i < JOURNAL_HEADER_WRITES; i += 1) {
        const struct journal_headers_write *write = &headers->writes[i];
        if (write->request.stage == IO_IDLE || sector < write->sector) continue;
        if (sector - write->sector < write->request.size / SECTOR_SIZE) return true;
    }
    return false;
}

static struct journal_headers_write *headers_write_free(struct journal_headers *headers)
{
    for (uint32_t i = 0; i < JOURNAL_HEADER_WRITES; i += 1) {
        if (headers->writes[i].request.stage == IO_IDLE) return &headers->writes[i];
    }
    return NULL;
}

/* Copies the sector without what is not durable yet (H1). What such a header has replaced in the
 * image was a whole lap older, and nothing needs it: its slot goes out as zeros. */
static void headers_compose(
    const struct journal_headers *headers, uint64_t sector, uint64_t op_durable, uint8_t *buffer
)
{
    bytes_copy(buffer, headers->image + sector * SECTOR_SIZE, SECTOR_SIZE);
    for (uint32_t i = 0; i < JOURNAL_HEADERS_PER_SECTOR; i += 1) {
        const uint64_t slot = sector * JOURNAL_HEADERS_PER_SECTOR + i;
        if (slot >= headers->slot_count) break;
        const uint8_t *bytes = journal_headers_slot(headers, slot);
        if (bytes == NULL || journal_header_decode(bytes).op <= op_durable) continue;
        bytes_zero(buffer + i * JOURNAL_HEADER_SIZE, JOURNAL_HEADER_SIZE);
    }
}

/* How many sectors from this one on are dirty, and can be written together. */
static uint64_t headers_run(const struct journal_headers *headers, uint64_t sector)
{
    uint64_t count = 0;
    while (count < headers->write_sectors && sector + count < headers->sector_count &&
           bit_set_get(&headers->dirty, sector + count) &&
           !headers_sector_is_in_flight(headers, sector + count)) { /* H2 */
        count += 1;
    }
    return count;
}

static void headers_write(
    struct journal_headers *headers,
    struct journal_headers_write *write,
    uint64_t sector,
    uint64_t count,
    uint64_t op_durable
)
{
    assert(write->request.stage == IO_IDLE);
    assert(count > 0 && sector + count <= headers->sector_count);

    for (uint64_t i = 0; i < count; i += 1) {
        headers_compose(headers, sector + i, op_durable, write->buffer + i * SECTOR_SIZE);
        bit_set_clear(&headers->dirty, sector + i);
    }
    headers->dirty_count -= count;
    write->sector = sector;
    write->request = (struct io_request){
        .kind = IO_WRITE,
        .size = (uint32_t)(count * SECTOR_SIZE),
        .offset = headers->offset + sector * SECTOR_SIZE,
        .buffer = write->buffer,
    };
    headers->write_count += 1;
    reactor_submit(headers->reactor, &write->request);
}

enum tactus_status journal_headers_submit(struct journal_headers *headers, uint64_t op_durable)
{
    headers_reap(headers);
    uint64_t sector = 0;
    while (headers->dirty_count > 0 && headers->status == TACTUS_OK) {
        sector = bit_set_find_first_set(&headers->dirty, sector);
        if (sector == headers->sector_count) break;
        const uint64_t count = headers_run(headers, sector);
        if (count > 0) {
            struct journal_headers_write *write = headers_write_free(headers);
            if (write == NULL) break;
            headers_write(headers, write, sector, count, op_durable);
            headers_reap(headers); /* some disks are done at once */
        }
        sector += max_u64(count, 1);
    }
    return headers->status;
}

enum tactus_status journal_headers_submit_all(struct journal_headers *headers, uint64_t op_durable)
{
    /* Each turn ends with one write more done, of at most sector_count + JOURNAL_HEADER_WRITES. */
    for (;;) {
        TRY(journal_headers_submit(headers, op_durable));
        if (headers->dirty_count == 0) return TACTUS_OK;
        struct journal_headers_write *oldest = NULL;
        for (uint32_t i = 0; i < JOURNAL_HEADER_WRITES && oldest == NULL; i += 1) {
            if (headers->writes[i].request.stage != IO_IDLE) oldest = &headers->writes[i];
        }
        assert(oldest != NULL); /* else the dirty sector had gone out */
        reactor_finish(headers->reactor, &oldest->request);
    }
}

struct io_request *journal_headers_in_flight(struct journal_headers *headers)
{
    for (uint32_t i = 0; i < JOURNAL_HEADER_WRITES; i += 1) {
        struct io_request *request = &headers->writes[i].request;
        if (request->stage == IO_IN_FLIGHT) return request;
    }
    return NULL;
}

enum tactus_status journal_headers_finish(struct journal_headers *headers)
{
    for (uint32_t i = 0; i < JOURNAL_HEADER_WRITES; i += 1) {
        struct io_request *request = &headers->writes[i].request;
        if (request->stage != IO_IDLE) reactor_finish(headers->reactor, request);
    }
    headers_reap(headers);
    return headers->status;
}
