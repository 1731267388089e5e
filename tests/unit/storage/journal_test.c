/* Appending, what is durable when (S2), and failures. Recovery is journal_recovery_test.c's, what
 * is on its way to the disk journal_queue_test.c's, crashes at every write are
 * tests/sim/journal_test.c's. */
#include "storage/journal.h"

#include "base/bytes.h"
#include "base/integer.h"
#include "support/journal_fixture.h"
#include "support/test.h"

enum { RING = 32, ENTRY = 4 }; /* sectors */

static struct journal_fixture fixture;
static struct journal *const journal = &fixture.journal;

static void begin(void)
{
    journal_fixture_new(&fixture, RING, ENTRY, 1, true);
    journal_fixture_reopen(&fixture);
}

static void end(void)
{
    journal_fixture_free(&fixture);
}

static void append(uint64_t body_size, uint64_t content, bool durable)
{
    const enum journal_sync sync = durable ? JOURNAL_SYNC_WAIT : JOURNAL_SYNC_NONE;
    EXPECT(journal_fixture_append(&fixture, body_size, content, sync) == TACTUS_OK);
}

static void append_many(uint64_t first_content, uint64_t count)
{
    for (uint64_t i = 0; i < count; i += 1)
        append(100, first_content + i, true);
}

static void power_cut(enum simulated_crash_kind kind, uint64_t mask)
{
    simulated_disk_crash(
        fixture.disk, (struct simulated_crash){.kind = kind, .mask = mask, .seed = 1}
    );
}

/* ---- Appending and reading back -------------------------------------------------------------- */

TEST(journal, an_empty_one_opens_empty)
{
    begin();
    EXPECT(journal_op_last(journal) == 0);
    EXPECT(journal_op_durable(journal) == 0);
    EXPECT(journal_head(journal).op == 1 && journal_head(journal).offset == 0);
    EXPECT(journal_used_bytes(journal) == 0);
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    EXPECT(journal->recovery.op_first == 1 && journal->recovery.op_last == 0);
    EXPECT(journal->recovery.cut_op == 0);
    EXPECT(journal_fixture_holds(&fixture, 1, NULL, 0));
    end();
}

TEST(journal, entries_come_back_as_they_went_in)
{
    begin();
    append(0, 11, true);
    append(5000, 12, true);
    append(ENTRY * SECTOR_SIZE - JOURNAL_HEADER_SIZE, 13, true); /* the largest there is */
    EXPECT(journal_op_durable(journal) == 3);
    EXPECT(journal_used_bytes(journal) == (1 + 2 + 4) * SECTOR_SIZE);

    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    EXPECT(journal_op_last(journal) == 3);
    JOURNAL_EXPECT_HOLDS(&fixture, 1, 11, 12, 13);
    JOURNAL_EXPECT_HOLDS(&fixture, 1, 11, 12, 13); /* and again from the beginning */
    EXPECT(journal->recovery.headers_heal_count == 0);
    end();
}

TEST(journal, a_checkpoint_entry_keeps_its_fields)
{
    begin();
    uint64_t op;
    const struct journal_append given = {
        .kind = JOURNAL_CHECKPOINT, .beat = 99, .timestamp_reserved = 5, .sync = JOURNAL_SYNC_WAIT};
    EXPECT(journal_append(journal, &given, &op) == TACTUS_OK && op == 1);
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    EXPECT(journal_read_begin(journal) == TACTUS_OK);
    struct journal_entry entry;
    bool is_end;
    EXPECT(journal_read_next(journal, &entry, &is_end) == TACTUS_OK && !is_end);
    EXPECT(entry.op == 1 && entry.beat == 99 && entry.kind == JOURNAL_CHECKPOINT);
    EXPECT(entry.timestamp == 5 && entry.event_count == 0 && entry.body_size == 0);
    EXPECT(entry.rounded_bytes == SECTOR_SIZE);
    EXPECT(journal_read_next(journal, &entry, &is_end) == TACTUS_OK && is_end);
    end();
}

TEST(journal, an_entry_that_does_not_fit_begins_at_the_rings_start)
{
    begin();
    append_many(100, RING - 2);
    journal_fixture_checkpoint(&fixture);
    append(SECTOR_SIZE * 3 - JOURNAL_HEADER_SIZE, 7, true);
    EXPECT(journal_head(journal).offset == 3 * SECTOR_SIZE);
    EXPECT(journal_used_bytes(journal) == 5 * SECTOR_SIZE); /* the lap's end counts */
    append(1, 8, true);

    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    EXPECT(journal_head(journal).offset == 4 * SECTOR_SIZE);
    EXPECT(journal_used_bytes(journal) == 6 * SECTOR_SIZE);
    JOURNAL_EXPECT_HOLDS(&fixture, RING - 1, 7, 8);
    end();
}

TEST(journal, a_lap_may_end_exactly_with_an_entry)
{
    begin();
    append_many(100, RING - 2);
    journal_fixture_checkpoint(&fixture);
    append(SECTOR_SIZE * 2 - JOURNAL_HEADER_SIZE, 7, true);
    EXPECT(journal_head(journal).offset == 0);
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    EXPECT(journal_head(journal).offset == 0);
    JOURNAL_EXPECT_HOLDS(&fixture, RING - 1, 7);

    journal_fixture_raise(&fixture);
    append(1, 8, true);
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    JOURNAL_EXPECT_HOLDS(&fixture, RING - 1, 7, 8);
    end();
}

TEST(journal, a_checkpoint_at_a_laps_end_leaves_it_empty)
{
    begin();
    append_many(100, RING);
    EXPECT(journal_used_bytes(journal) == RING * SECTOR_SIZE); /* full, to the last sector */
    journal_fixture_checkpoint(&fixture);
    EXPECT(journal_used_bytes(journal) == 0);
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    EXPECT(journal_op_last(journal) == RING);
    EXPECT(journal_fixture_holds(&fixture, RING + 1, NULL, 0));
    end();
}

TEST(journal, a_ring_that_is_full_is_recovered)
{
    begin();
    append_many(100, 5);
    journal_fixture_checkpoint(&fixture);
    append_many(200, RING);
    EXPECT(journal_used_bytes(journal) == RING * SECTOR_SIZE);
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    EXPECT(journal_op_last(journal) == 5 + RING);
    EXPECT(journal_used_bytes(journal) == RING * SECTOR_SIZE);
    end();
}

TEST(journal, the_tail_follows_the_checkpoint_over_many_laps)
{
    begin();
    uint64_t content = 1;
    for (uint32_t lap = 0; lap < 20; lap += 1) {
        journal_fixture_checkpoint(&fixture);
        const uint64_t first = journal_op_last(journal) + 1;
        for (uint32_t i = 0; i < 5; i += 1) {
            append(((lap + i) % 4) * SECTOR_SIZE, content + i, (lap + i) % 3 != 0);
        }
        EXPECT(journal_flush(journal) == TACTUS_OK);
        journal_fixture_reopen(&fixture);
        JOURNAL_EXPECT_HOLDS(
            &fixture, first, content, content + 1, content + 2, content + 3, content + 4
        );
        EXPECT(journal->recovery.cut_op == 0);
        content += 5;
    }
    end();
}

TEST(journal, measuring_and_carving_agree_and_small_rings_work)
{
    for (uint64_t sectors = 1; sectors < 20; sectors += 1) {
        journal_fixture_new(&fixture, sectors, min_u64(sectors, 2), 1, true);
        journal_fixture_reopen(&fixture);
        for (uint64_t op = 1; op < 50; op += 1) {
            append(100, op, true);
            journal_fixture_checkpoint(&fixture);
        }
        EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
        EXPECT(journal_op_last(journal) == 49);
        end();
    }
}

/* ---- S2: durability, and what redundant headers prove ---------------------------------------- */

TEST(journal, s2_nothing_is_durable_before_a_flush_says_so)
{
    begin();
    append(10, 1, false);
    append(10, 2, false);
    EXPECT(journal_op_last(journal) == 2 && journal_op_durable(journal) == 0);
    EXPECT(journal_fixture_is_zero(
        &fixture, fixture.layout.headers_offset, fixture.layout.headers_bytes
    ));
    EXPECT(journal_flush(journal) == TACTUS_OK);
    EXPECT(journal_op_durable(journal) == 2);
    EXPECT(!journal_fixture_is_zero(
        &fixture, journal_fixture_header_byte_of(&fixture, 1), JOURNAL_HEADER_SIZE
    ));
    EXPECT(!journal_fixture_is_zero(
        &fixture, journal_fixture_header_byte_of(&fixture, 2), JOURNAL_HEADER_SIZE
    ));
    end();
}

TEST(journal, s2_a_durable_append_is_durable_when_it_returns)
{
    begin();
    append(10, 1, true);
    append(5000, 2, true);
    power_cut(SIMULATED_DROP_ALL, 0);
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    JOURNAL_EXPECT_HOLDS(&fixture, 1, 1, 2);
    end();
}

TEST(journal, s2_a_durable_append_covers_the_plain_ones_before_it)
{
    begin();
    append(10, 1, false);
    append(10, 2, false);
    append(10, 3, true);
    EXPECT(journal_op_durable(journal) == 3);
    append(10, 4, false);
    EXPECT(journal_op_durable(journal) == 3);
    EXPECT(journal_fixture_is_zero(
        &fixture, journal_fixture_header_byte_of(&fixture, 4), JOURNAL_HEADER_SIZE
    ));

    power_cut(SIMULATED_DROP_ALL, 0);
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    JOURNAL_EXPECT_HOLDS(&fixture, 1, 1, 2, 3);
    EXPECT(journal->recovery.cut_op == 0); /* of op 4 there is no trace */
    end();
}

TEST(journal, s2_a_sector_of_headers_does_not_leak_what_is_not_durable)
{
    /* Reference bug 16: op 2's entry is appended, not durable, when op 1's header goes out. */
    begin();
    struct journal_headers *headers = &journal->headers;
    const struct journal_ring *ring = &journal->ring;
    static _Alignas(4096) uint8_t sealed[2][SECTOR_SIZE];
    for (uint32_t i = 0; i < 2; i += 1) {
        const struct journal_header header = {
            .epoch = 1,
            .op = i + 1,
            .offset = i * SECTOR_SIZE,
            .size = JOURNAL_HEADER_SIZE,
            .kind = JOURNAL_TRANSACTION,
        };
        journal_entry_seal(sealed[i], &header, ring);
        journal_headers_put(headers, i + 1, sealed[i]);
    }
    journal_headers_cover(headers, 1, 1);
    EXPECT(journal_headers_submit(headers, 1) == TACTUS_OK);
    EXPECT(journal_headers_finish(headers) == TACTUS_OK);
    uint8_t bytes[JOURNAL_HEADER_SIZE];
    const uint64_t byte = journal_fixture_header_byte_of(&fixture, 1);
    simulated_disk_peek(fixture.disk, byte, bytes, sizeof bytes);
    EXPECT(bytes_equal(bytes, sealed[0], sizeof bytes));
    EXPECT(journal_fixture_is_zero(
        &fixture, journal_fixture_header_byte_of(&fixture, 2), JOURNAL_HEADER_SIZE
    ));

    journal_headers_cover(headers, 2, 2);
    EXPECT(journal_headers_submit(headers, 2) == TACTUS_OK);
    EXPECT(journal_headers_finish(headers) == TACTUS_OK);
    EXPECT(!journal_fixture_is_zero(
        &fixture, journal_fixture_header_byte_of(&fixture, 2), JOURNAL_HEADER_SIZE
    ));
    end();
}

TEST(journal, s2_nobody_waits_for_a_header)
{
    journal_fixture_new(&fixture, RING, ENTRY, 1, false);
    journal_fixture_reopen(&fixture);
    simulated_disk_fault_add(
        fixture.disk,
        (struct simulated_fault){
            .kind = SIMULATED_DELAY,
            .from = fixture.layout.headers_offset,
            .to = fixture.layout.grid_offset,
            .is_sticky = true,
            .delay_ns = 10 * UINT64_C(1000000000),
        }
    );
    const uint64_t before = reactor_now_ns(&fixture.reactor);
    append_many(1, 20);
    EXPECT(reactor_now_ns(&fixture.reactor) - before < UINT64_C(1000000000));
    EXPECT(journal_op_durable(journal) == 20);
    simulated_disk_fault_clear(fixture.disk);
    EXPECT(journal_close(journal) == TACTUS_OK); /* this does */
    for (uint64_t op = 1; op <= 20; op += 1) {
        EXPECT(!journal_fixture_is_zero(
            &fixture, journal_fixture_header_byte_of(&fixture, op), JOURNAL_HEADER_SIZE
        ));
    }
    end();
}

TEST(journal, closing_leaves_no_window)
{
    begin();
    append_many(1, 3);
    append(10, 4, false);
    EXPECT(journal_close(journal) == TACTUS_OK);
    power_cut(SIMULATED_DROP_ALL, 0);
    for (uint64_t op = 1; op <= 4; op += 1) {
        EXPECT(!journal_fixture_is_zero(
            &fixture, journal_fixture_header_byte_of(&fixture, op), JOURNAL_HEADER_SIZE
        ));
    }
    end();
}

/* ---- Errors ---------------------------------------------------------------------------------- */

TEST(journal, a_failed_write_poisons)
{
    const int32_t no_space = 28; /* ENOSPC */
    for (uint32_t full = 0; full < 2; full += 1) {
        begin();
        append(10, 1, true);
        simulated_disk_fault_add(
            fixture.disk,
            (struct simulated_fault){
                .kind = SIMULATED_WRITE_ERROR,
                .to = fixture.layout.headers_offset,
                .os_error = full == 1 ? no_space : 0,
            }
        );
        const enum tactus_status wanted = full == 1 ? TACTUS_FULL : TACTUS_IO;
        EXPECT(journal_fixture_append(&fixture, 10, 2, JOURNAL_SYNC_WAIT) == wanted);
        EXPECT(fixture.fault.status == wanted);
        EXPECT(journal_op_durable(journal) == 1);
        EXPECT(journal_fixture_append(&fixture, 10, 2, JOURNAL_SYNC_WAIT) == TACTUS_POISONED);
        EXPECT(journal_flush(journal) == TACTUS_POISONED);
        EXPECT(journal_close(journal) == TACTUS_POISONED);
        EXPECT(fixture.fault.status == wanted); /* the cause, not its echo */
        EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
        JOURNAL_EXPECT_HOLDS(&fixture, 1, 1);
        end();
    }
}

TEST(journal, a_failed_flush_poisons)
{
    begin();
    append(10, 1, false);
    simulated_disk_fault_add(fixture.disk, (struct simulated_fault){.kind = SIMULATED_FLUSH_ERROR});
    EXPECT(journal_flush(journal) == TACTUS_IO);
    EXPECT(journal_op_durable(journal) == 0);
    EXPECT(journal_fixture_is_zero(
        &fixture, fixture.layout.headers_offset, fixture.layout.headers_bytes
    ));
    EXPECT(journal_fixture_append(&fixture, 10, 2, JOURNAL_SYNC_WAIT) == TACTUS_POISONED);
    end();
}

TEST(journal, a_failed_header_write_poisons_what_comes_after_it)
{
    begin();
    simulated_disk_fault_add(
        fixture.disk,
        (struct simulated_fault){
            .kind = SIMULATED_WRITE_ERROR,
            .from = fixture.layout.headers_offset,
            .to = fixture.layout.grid_offset,
        }
    );
    append(10, 1, true); /* it is durable, so that is the answer */
    EXPECT(journal_fixture_append(&fixture, 10, 2, JOURNAL_SYNC_WAIT) == TACTUS_POISONED);
    EXPECT(fixture.fault.status == TACTUS_IO);
    EXPECT(journal_close(journal) == TACTUS_POISONED);
    end();
}

TEST(journal, formatting_leaves_nothing_of_what_was_there)
{
    begin();
    append_many(1, 10);
    EXPECT(journal_close(journal) == TACTUS_OK);
    EXPECT(journal_format(&fixture.reactor, &fixture.layout, NULL) == TACTUS_OK);
    power_cut(SIMULATED_DROP_ALL, 0);
    EXPECT(journal_fixture_is_zero(
        &fixture, fixture.layout.journal_offset, fixture.layout.journal_bytes
    ));
    EXPECT(journal_fixture_is_zero(
        &fixture, fixture.layout.headers_offset, fixture.layout.headers_bytes
    ));
    end();
}

TEST_MAIN()
