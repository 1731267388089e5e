/* Journals that nobody would write, with every checksum valid where the input does not say
 * otherwise.
 *
 * The input is a superblock's figures (8 bytes), then records of 24 bytes: each makes one entry or
 * redundant header, with whatever fields it likes, and puts it anywhere. Untouched, the fields are
 * those of a good chain, so that most inputs get past the first checks.
 *
 * Whatever it is, recovery, walking and truncation end with a status; what was recovered reads
 * back whole, can be appended to, and is still there after the next recovery; what was truncated
 * opens. */
#include "storage/journal.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "io/backend.h"

#include <stddef.h>

#include "base/poison.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RING_SECTORS = 16, ENTRY_SECTORS = 4, RECORD_SIZE = 24, RECORDS_MAX = 64 };
enum { DISK_SIZE = SUPERBLOCK_COPIES * SUPERBLOCK_SLOT + (RING_SECTORS + 1) * SECTOR_SIZE };
enum { MEMORY_SIZE = (2 * ENTRY_SECTORS + 24) * SECTOR_SIZE };

static uint8_t disk[DISK_SIZE];
static _Alignas(4096) uint8_t memory[MEMORY_SIZE];
static struct layout layout;
static struct reactor reactor;
static const struct checksum file_id = {.low = 11, .high = 12};
static const struct journal_ring ring = {
    .file_id = {.low = 11, .high = 12},
    .journal_bytes = RING_SECTORS * SECTOR_SIZE,
    .entry_bytes_max = ENTRY_SECTORS * SECTOR_SIZE,
};

/* ---- A disk that is an array ----------------------------------------------------------------- */

static void array_start(struct reactor *owner, struct io_request *request)
{
    const struct io_attempt attempt = io_attempt_of(request);
    if (request->kind != IO_FLUSH) {
        assert(attempt.offset <= DISK_SIZE);
        assert(attempt.size <= DISK_SIZE - attempt.offset);
    }
    if (request->kind == IO_READ) bytes_copy(attempt.buffer, disk + attempt.offset, attempt.size);
    if (request->kind == IO_WRITE) bytes_copy(disk + attempt.offset, attempt.buffer, attempt.size);
    const bool done = io_attempt_done(owner, request, attempt.size);
    assert(done);
}

static void array_reap(struct reactor *owner, bool wait)
{
    (void)owner;
    (void)wait;
}

static uint64_t array_now_ns(const struct reactor *owner)
{
    (void)owner;
    return 0;
}

static const struct backend array = {
    .name = "array", .start = array_start, .reap = array_reap, .now_ns = array_now_ns};

/* ---- From the input to a journal ------------------------------------------------------------- */

/* What is not as it should be. */
enum record_flag {
    RECORD_PREDECESSOR = 1,
    RECORD_BODY = 2,
    RECORD_CHECKSUM = 4,
    RECORD_FILE_ID = 8,
    RECORD_OFFSET = 16,    /* a full 64 bits of the input's choice */
    RECORD_SIZE_WILD = 32, /* likewise */
    RECORD_RESERVED = 64,
    RECORD_REDUNDANT = 128, /* not an entry: goes to the header ring */
};

/* Where an entry of this size belongs, as the engine would have it. */
static uint64_t next_place(uint64_t offset, uint64_t rounded)
{
    return rounded <= ring.journal_bytes - offset ? offset : 0;
}

struct builder {
    struct journal_position next;
    uint64_t epoch, durable_op;
};

static void build(struct builder *builder, const uint8_t *record)
{
    const uint8_t flags = record[0];
    const uint64_t wild = load_u64(record + 16);
    const uint64_t body_size = load_u16(record + 12) % (ENTRY_SECTORS * SECTOR_SIZE - 255);
    uint64_t place = next_place(builder->next.offset, journal_entry_rounded(body_size));
    if (record[1] != 0) place = (record[1] % RING_SECTORS) * (uint64_t)SECTOR_SIZE;

    const uint64_t slot = (builder->next.op + record[2]) % RING_SECTORS;
    uint8_t *bytes = disk + layout.journal_offset + place;
    if (flags & RECORD_REDUNDANT) bytes = disk + layout.headers_offset + slot * JOURNAL_HEADER_SIZE;

    struct journal_entry_disk entry = {.kind = JOURNAL_TRANSACTION, .version = 1};
    store_u64(&entry.epoch, builder->epoch + record[3]);
    store_u64(&entry.durable_op, builder->durable_op + record[4]);
    store_u64(&entry.offset, flags & RECORD_OFFSET ? wild : place);
    checksum_store(entry.predecessor, builder->next.predecessor);
    if (flags & RECORD_PREDECESSOR) entry.predecessor[record[14] % 16] ^= record[15];
    checksum_store(entry.file_id, file_id);
    if (flags & RECORD_FILE_ID) entry.file_id[record[14] % 16] ^= record[15];
    store_u64(&entry.op, builder->next.op + record[2]);
    store_u64(&entry.beat, record[5]);
    store_u64(&entry.size, flags & RECORD_SIZE_WILD ? wild : JOURNAL_HEADER_SIZE + body_size);
    store_u32(&entry.event_count, record[6]);
    if (record[7] != 0) entry.kind = (uint8_t)(record[7] - 1);
    if (record[8] != 0) entry.version = record[8];
    if (flags & RECORD_RESERVED) entry.reserved_logical[record[14] % 105] = record[15];
    if (flags & RECORD_RESERVED) entry.reserved_physical[record[14] % 24] = record[9];

    const uint64_t room = ring.journal_bytes - place;
    if (!(flags & RECORD_REDUNDANT) && journal_entry_rounded(body_size) <= room) {
        bytes_zero(bytes, journal_entry_rounded(body_size));
        for (uint64_t i = 0; i < body_size; i += 97)
            bytes[JOURNAL_HEADER_SIZE + i] = record[10];
    }
    const uint64_t summed = min_u64(body_size, room - JOURNAL_HEADER_SIZE);
    const uint8_t *body = disk + layout.journal_offset + place + JOURNAL_HEADER_SIZE;
    checksum_store(entry.body_checksum, checksum_of(file_id, body, summed));
    if (flags & RECORD_BODY) entry.body_checksum[record[14] % 16] ^= record[15];

    bytes_copy(bytes, &entry, sizeof entry);
    checksum_store(bytes, journal_header_checksum_computed(bytes, file_id));
    if (flags & RECORD_CHECKSUM) bytes[record[14]] ^= record[15];
    if ((flags & RECORD_REDUNDANT) || record[11] != 0) return;

    /* The chain goes on from here. */
    builder->next = (struct journal_position){
        .op = builder->next.op + record[2] + 1,
        .offset = (place + journal_entry_rounded(body_size)) % ring.journal_bytes,
        .predecessor = journal_header_logical_checksum(bytes, file_id),
    };
    builder->epoch += record[3];
    builder->durable_op += record[4];
}

static struct superblock build_all(const uint8_t *data, size_t size)
{
    bytes_zero(disk, sizeof disk);
    uint8_t figures[8] = {0};
    const size_t given = size < sizeof figures ? size : sizeof figures;
    bytes_copy(figures, data, given);
    struct superblock superblock = {
        .options = {.file_id = file_id},
        .checkpoint =
            {
                .op_covered = figures[0],
                .op_captured = (uint64_t)figures[0] + figures[1],
                .journal_offset = (figures[2] % RING_SECTORS) * (uint64_t)SECTOR_SIZE,
                .journal_predecessor = {.low = figures[3], .high = 1},
            },
        .epoch = (uint64_t)figures[4] + 1,
        .epoch_first_op = figures[5],
    };
    if (figures[6] == 1) superblock.checkpoint.journal_offset += figures[7];
    if (figures[6] == 2) superblock.checkpoint.op_covered = UINT64_MAX - figures[7];
    struct builder builder = {
        .next =
            {
                .op = superblock.checkpoint.op_covered + 1,
                .offset = superblock.checkpoint.journal_offset % ring.journal_bytes / SECTOR_SIZE *
                          SECTOR_SIZE,
                .predecessor = superblock.checkpoint.journal_predecessor,
            },
        .epoch = 1,
    };
    size_t at = given;
    for (uint32_t i = 0; i < RECORDS_MAX && size - at >= RECORD_SIZE; i += 1) {
        build(&builder, data + at);
        at += RECORD_SIZE;
    }
    /* What is left lies over the end of the journal and the redundant headers as it is. */
    const size_t rest = size - at < 2 * SECTOR_SIZE ? size - at : 2 * SECTOR_SIZE;
    if (rest >= RECORD_SIZE) bytes_copy(disk + layout.headers_offset - 4096, data + at, rest);
    return superblock;
}

/* ---- What must hold -------------------------------------------------------------------------- */

static void attach(struct journal *journal, struct fault *fault)
{
    fault_clear(fault);
    struct budget budget;
    bytes_zero(memory, sizeof memory);
    budget_carve_begin(&budget, memory, sizeof memory);
    journal_init(
        journal,
        &budget,
        &(struct journal_options){
            .reactor = &reactor,
            .layout = &layout,
            .file_id = file_id,
            .entry_bytes_max = ring.entry_bytes_max,
            .fault = fault,
        }
    );
}

static void read_all(struct journal *journal)
{
    enum tactus_status status = journal_read_begin(journal);
    assert(status == TACTUS_OK);
    uint64_t op = journal->recovery.op_first;
    for (;;) {
        struct journal_entry entry;
        bool end;
        status = journal_read_next(journal, &entry, &end);
        assert(status == TACTUS_OK);
        if (end) break;
        assert(entry.op == op);
        assert(entry.rounded_bytes <= ring.entry_bytes_max);
        assert(entry.body_size <= entry.rounded_bytes - JOURNAL_HEADER_SIZE);
        op += 1;
    }
    assert(op == journal_op_last(journal) + 1);
}

/* Goes on from a journal that was recovered, as every open for writing does. */
static void go_on(struct journal *journal, struct superblock superblock, struct fault *fault)
{
    if (journal_used_bytes(journal) > ring.journal_bytes - 4 * SECTOR_SIZE) return;
    superblock.epoch = journal_epoch_next(journal);
    superblock.epoch_first_op = journal_op_last(journal) + 1;
    journal_open_for_append(journal, superblock.epoch);
    bytes_zero(journal_body(journal), 100);
    uint64_t op;
    enum tactus_status status = journal_append(
        journal,
        &(struct journal_append
        ){.kind = JOURNAL_TRANSACTION, .body_size = 100, .sync = JOURNAL_SYNC_WAIT},
        &op
    );
    assert(status == TACTUS_OK);
    status = journal_close(journal);
    assert(status == TACTUS_OK);

    attach(journal, fault);
    status = journal_recover(journal, &superblock);
    assert(status == TACTUS_OK);
    assert(journal_op_last(journal) == op);
    read_all(journal);
}

static void see(void *context, const struct journal_sighting *sighting)
{
    uint64_t *count = context;
    *count += 1;
    assert(*count <= 2 * RING_SECTORS + 1);
    assert(sighting->offset < ring.journal_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    layout_init(&layout, SECTOR_SIZE, ring.journal_bytes, 1 << 20);
    assert(layout.grid_offset == DISK_SIZE);
    reactor = (struct reactor){.backend = &array, .size = DISK_SIZE, .write_limit = UINT64_MAX};
    struct superblock superblock = build_all(data, size);

    struct journal journal;
    struct fault fault;
    attach(&journal, &fault);
    uint64_t count = 0;
    const struct journal_visitor visitor = {.see = see, .context = &count};
    const enum tactus_status walked = journal_walk(&journal, &superblock, &visitor);

    attach(&journal, &fault);
    enum tactus_status status = journal_recover(&journal, &superblock);
    assert(status == TACTUS_OK || status == TACTUS_CORRUPT);
    if (status == TACTUS_OK) {
        assert(walked == TACTUS_OK);
        read_all(&journal);
        go_on(&journal, superblock, &fault);
        return 0;
    }
    assert(fault.what != NULL);
    if (walked != TACTUS_OK) return 0; /* the superblock's own figures */

    attach(&journal, &fault);
    struct journal_loss loss;
    status = journal_truncate(&journal, &superblock, &loss);
    assert(status == TACTUS_OK);
    assert(loss.damaged);
    assert(loss.op <= loss.op_last_known);
    superblock.epoch = loss.epoch_next;
    superblock.epoch_first_op = loss.op;
    superblock.checkpoint.op_captured = min_u64(superblock.checkpoint.op_captured, loss.op - 1);
    attach(&journal, &fault);
    status = journal_recover(&journal, &superblock);
    assert(status == TACTUS_OK);
    assert(journal_op_last(&journal) == loss.op - 1);
    go_on(&journal, superblock, &fault);
    return 0;
}
