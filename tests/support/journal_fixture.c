#include "support/journal_fixture.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "base/random.h"

#include <stdlib.h>

#include "base/poison.h"

void journal_fixture_new(
    struct journal_fixture *fixture,
    uint64_t ring_sectors,
    uint64_t entry_sectors,
    uint64_t seed,
    bool at_submission
)
{
    *fixture = (struct journal_fixture){.entry_bytes_max = entry_sectors * SECTOR_SIZE};
    layout_init(&fixture->layout, SECTOR_SIZE, ring_sectors * SECTOR_SIZE, 1 << 20);
    fixture->superblock = (struct superblock){
        .epoch = 0,
        .epoch_first_op = 1,
        .options = {.file_id = {.low = 0x1234567890abcdef, .high = 42}},
    };
    fixture->disk = simulated_disk_new(&(struct simulated_disk_options){
        .seed = seed,
        .size = fixture->layout.grid_offset,
        .in_order = at_submission,
        .at_submission = at_submission,
    });
    simulated_disk_open(&fixture->reactor, fixture->disk);
    const enum tactus_status status =
        journal_format(&fixture->reactor, &fixture->layout, &fixture->fault);
    assert(status == TACTUS_OK);
}

void journal_fixture_free(struct journal_fixture *fixture)
{
    simulated_disk_free(fixture->disk);
    free(fixture->region);
    *fixture = (struct journal_fixture){.disk = NULL};
}

void journal_fixture_attach(struct journal_fixture *fixture, bool read_only)
{
    void *dropped = fixture->region;
    fixture->reactor = (struct reactor){.backend = NULL};
    if (read_only) {
        simulated_disk_open_read_only(&fixture->reactor, fixture->disk);
    } else {
        simulated_disk_open(&fixture->reactor, fixture->disk);
    }
    free(dropped); /* only now: writes in flight had their bytes there */

    fault_clear(&fixture->fault);
    const struct journal_options options = {
        .reactor = &fixture->reactor,
        .layout = &fixture->layout,
        .file_id = fixture->superblock.options.file_id,
        .entry_bytes_max = fixture->entry_bytes_max,
        .read_only = read_only,
        .fault = &fixture->fault,
    };
    struct budget budget;
    budget_measure_begin(&budget);
    journal_init(&fixture->journal, &budget, &options);
    const uint64_t size = round_up_u64(budget_used(&budget), SECTOR_SIZE);
    fixture->region = aligned_alloc(SECTOR_SIZE, (size_t)size);
    assert(fixture->region != NULL);
    bytes_zero(fixture->region, size);
    budget_carve_begin(&budget, fixture->region, size);
    journal_init(&fixture->journal, &budget, &options);
}

enum tactus_status journal_fixture_open(struct journal_fixture *fixture)
{
    journal_fixture_attach(fixture, false);
    return journal_recover(&fixture->journal, &fixture->superblock);
}

enum tactus_status journal_fixture_open_read_only(struct journal_fixture *fixture)
{
    journal_fixture_attach(fixture, true);
    return journal_recover(&fixture->journal, &fixture->superblock);
}

void journal_fixture_raise(struct journal_fixture *fixture)
{
    fixture->superblock.epoch = journal_epoch_next(&fixture->journal);
    fixture->superblock.epoch_first_op = journal_op_last(&fixture->journal) + 1;
    journal_open_for_append(&fixture->journal, fixture->superblock.epoch);
}

void journal_fixture_reopen(struct journal_fixture *fixture)
{
    const enum tactus_status status = journal_fixture_open(fixture);
    assert(status == TACTUS_OK);
    journal_fixture_raise(fixture);
}

void journal_fixture_fill(uint8_t *body, uint64_t body_size, uint64_t content)
{
    struct random random;
    random_init(&random, content);
    random_fill(&random, body, body_size);
}

enum tactus_status journal_fixture_append(
    struct journal_fixture *fixture, uint64_t body_size, uint64_t content, enum journal_sync sync
)
{
    journal_fixture_fill(journal_body(&fixture->journal), body_size, content);
    uint64_t op;
    return journal_append(
        &fixture->journal,
        &(struct journal_append){
            .kind = JOURNAL_TRANSACTION,
            .beat = 7,
            .event_count = 1,
            .body_size = body_size,
            .timestamp_reserved = content,
            .sync = sync,
        },
        &op
    );
}

void journal_fixture_checkpoint(struct journal_fixture *fixture)
{
    const enum tactus_status status = journal_flush(&fixture->journal);
    assert(status == TACTUS_OK);
    const struct journal_position head = journal_head(&fixture->journal);
    fixture->superblock.checkpoint.op_covered = head.op - 1;
    fixture->superblock.checkpoint.op_captured = head.op - 1;
    fixture->superblock.checkpoint.journal_offset = head.offset;
    fixture->superblock.checkpoint.journal_predecessor = head.predecessor;
    journal_tail_set(&fixture->journal, head.op, head.offset);
}

uint64_t journal_fixture_header_byte_of(const struct journal_fixture *fixture, uint64_t op)
{
    const uint64_t slot = op % (fixture->layout.journal_bytes / SECTOR_SIZE);
    return fixture->layout.headers_offset + slot * JOURNAL_HEADER_SIZE;
}

uint64_t journal_fixture_byte_of(const struct journal_fixture *fixture, uint64_t op)
{
    uint8_t bytes[JOURNAL_HEADER_SIZE];
    simulated_disk_peek(
        fixture->disk, journal_fixture_header_byte_of(fixture, op), bytes, sizeof bytes
    );
    assert(journal_header_fault(bytes, &fixture->journal.ring) == NULL);
    const struct journal_header header = journal_header_decode(bytes);
    assert(header.op == op);
    return fixture->layout.journal_offset + header.offset;
}

static bool body_is(const struct journal_entry *entry, uint64_t content)
{
    struct random random;
    random_init(&random, content);
    uint8_t expected[8];
    for (uint64_t done = 0; done < entry->body_size; done += sizeof expected) {
        random_fill(&random, expected, sizeof expected);
        const uint64_t size = min_u64(sizeof expected, entry->body_size - done);
        if (!bytes_equal(entry->body + done, expected, size)) return false;
    }
    return true;
}

bool journal_fixture_holds(
    struct journal_fixture *fixture, uint64_t first, const uint64_t *contents, uint64_t count
)
{
    if (journal_read_begin(&fixture->journal) != TACTUS_OK) return false;
    for (uint64_t i = 0; i <= count; i += 1) {
        struct journal_entry entry;
        bool end;
        if (journal_read_next(&fixture->journal, &entry, &end) != TACTUS_OK) return false;
        if (end) return i == count;
        if (i == count || entry.op != first + i || entry.timestamp != contents[i]) return false;
        if (entry.kind == JOURNAL_TRANSACTION && !body_is(&entry, contents[i])) return false;
    }
    return false;
}

bool journal_fixture_is_zero(const struct journal_fixture *fixture, uint64_t byte, uint64_t size)
{
    uint8_t *bytes = malloc(size);
    assert(bytes != NULL);
    simulated_disk_peek(fixture->disk, byte, bytes, size);
    const bool is_zero = bytes_are_zero(bytes, size);
    free(bytes);
    return is_zero;
}
