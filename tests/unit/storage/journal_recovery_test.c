/* What an open finds: S3 to S6, each rule in its smallest case and its awkward neighbour; and what
 * repair and inspection make of it. */
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

static void rot(uint64_t byte)
{
    simulated_disk_flip(fixture.disk, byte, 3);
}

static void erase(uint64_t byte, uint64_t size)
{
    static uint8_t zeros[RING * SECTOR_SIZE];
    EXPECT(size <= sizeof zeros);
    simulated_disk_poke(fixture.disk, byte, zeros, size);
}

static void expect_corrupt(uint64_t op, uint64_t byte)
{
    EXPECT(journal_fixture_open(&fixture) == TACTUS_CORRUPT);
    EXPECT(fixture.fault.status == TACTUS_CORRUPT);
    EXPECT(fixture.fault.zone == FAULT_ZONE_JOURNAL);
    EXPECT(fixture.fault.op == op);
    EXPECT(fixture.fault.byte == byte);
    EXPECT(fixture.fault.what != NULL && fixture.fault.remedy != NULL);
}

/* Puts a whole, well-formed entry without body at a place of the ring, as if it had been
 * written. */
static void forge(uint64_t place, const struct journal_header *header)
{
    static _Alignas(4096) uint8_t forged[SECTOR_SIZE];
    struct journal_header sized = *header;
    sized.size = JOURNAL_HEADER_SIZE;
    sized.kind = JOURNAL_TRANSACTION;
    journal_entry_seal(forged, &sized, &journal->ring);
    simulated_disk_poke(fixture.disk, fixture.layout.journal_offset + place, forged, sizeof forged);
}

/* ---- S4: the end, or damage ------------------------------------------------------------------ */

TEST(journal_recovery, s4_a_torn_append_of_the_first_lap_is_cut)
{
    /* Reference bug 17: what lay there before were zeros. */
    begin();
    append(10, 1, true);
    append(2 * SECTOR_SIZE, 2, false);
    const uint64_t byte = fixture.layout.journal_offset + SECTOR_SIZE;
    erase(byte + SECTOR_SIZE, SECTOR_SIZE);
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    JOURNAL_EXPECT_HOLDS(&fixture, 1, 1);
    EXPECT(journal->recovery.cut_op == 2 && journal->recovery.cut_byte == byte);
    EXPECT(journal->recovery.cut_entry_count == 1);
    end();
}

TEST(journal_recovery, s4_a_tail_with_a_hole_is_cut_at_the_hole)
{
    begin();
    append(10, 1, true);
    append(10, 2, false);
    append(10, 3, false);
    append(10, 4, false);
    erase(fixture.layout.journal_offset + SECTOR_SIZE, SECTOR_SIZE);
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    JOURNAL_EXPECT_HOLDS(&fixture, 1, 1);
    EXPECT(journal->recovery.cut_op == 2 && journal->recovery.cut_entry_count == 2);
    end();
}

TEST(journal_recovery, s4_rot_in_any_durable_entry_is_damage)
{
    for (uint64_t op = 1; op <= 6; op += 1) {
        for (uint64_t at = 0; at < 2 * SECTOR_SIZE; at += 509) {
            begin();
            for (uint64_t i = 1; i <= 6; i += 1)
                append(SECTOR_SIZE, i, true);
            const uint64_t byte = journal_fixture_byte_of(&fixture, op);
            rot(byte + at);
            const uint64_t hash = simulated_disk_hash(fixture.disk);
            expect_corrupt(op, byte);
            EXPECT(fixture.fault.acknowledged == FAULT_YES);
            EXPECT(simulated_disk_hash(fixture.disk) == hash); /* left as it was */
            const bool in_padding = at >= JOURNAL_HEADER_SIZE + SECTOR_SIZE;
            EXPECT(fixture.fault.has_checksums == !in_padding);
            end();
        }
    }
}

TEST(journal_recovery, s4_a_durable_entry_that_is_gone_is_damage)
{
    begin();
    append_many(1, 4);
    const uint64_t byte = journal_fixture_byte_of(&fixture, 4);
    erase(byte, SECTOR_SIZE);
    expect_corrupt(4, byte); /* by its redundant header alone */
    end();
}

TEST(journal_recovery, s4_without_headers_a_later_entry_tells)
{
    for (uint64_t op = 1; op <= 3; op += 1) {
        begin();
        append_many(1, 4);
        const uint64_t byte = journal_fixture_byte_of(&fixture, op);
        erase(byte, SECTOR_SIZE);
        erase(fixture.layout.headers_offset, fixture.layout.headers_bytes);
        expect_corrupt(op, byte);
        EXPECT(fixture.fault.acknowledged == FAULT_YES);
        end();
    }
}

TEST(journal_recovery, s4_a_later_entry_tells_behind_a_laps_end)
{
    begin();
    append_many(1, RING - 1);
    journal_fixture_checkpoint(&fixture);
    append(2 * SECTOR_SIZE, 7, true); /* at the ring's start */
    append(10, 8, true);
    erase(fixture.layout.journal_offset, SECTOR_SIZE);
    erase(fixture.layout.headers_offset, fixture.layout.headers_bytes);
    EXPECT(journal_fixture_open(&fixture) == TACTUS_CORRUPT);
    EXPECT(fixture.fault.op == RING);
    end();
}

TEST(journal_recovery, s4_even_a_torn_entry_tells_that_the_one_before_was_durable)
{
    begin();
    append(10, 1, true);
    append(SECTOR_SIZE, 2, false);
    erase(fixture.layout.headers_offset, fixture.layout.headers_bytes);
    erase(fixture.layout.journal_offset, SECTOR_SIZE);
    erase(fixture.layout.journal_offset + 2 * SECTOR_SIZE, SECTOR_SIZE);
    expect_corrupt(1, fixture.layout.journal_offset);
    end();
}

TEST(journal_recovery, s4_what_the_checkpoint_captured_is_never_cut)
{
    begin();
    append(10, 1, true);
    const struct journal_position mark = journal_head(journal);
    append_many(2, 2);
    fixture.superblock.checkpoint.op_covered = 1;
    fixture.superblock.checkpoint.op_captured = 3;
    fixture.superblock.checkpoint.journal_offset = mark.offset;
    fixture.superblock.checkpoint.journal_predecessor = mark.predecessor;
    erase(fixture.layout.journal_offset + 2 * SECTOR_SIZE, SECTOR_SIZE);
    erase(fixture.layout.headers_offset, fixture.layout.headers_bytes);
    expect_corrupt(3, fixture.layout.journal_offset + 2 * SECTOR_SIZE);
    fixture.superblock.checkpoint.op_captured = 2;
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    end();
}

TEST(journal_recovery, s4_what_an_earlier_open_had_read_is_never_cut)
{
    begin();
    append_many(1, 3);
    journal_fixture_reopen(&fixture);
    erase(fixture.layout.journal_offset + 2 * SECTOR_SIZE, SECTOR_SIZE);
    erase(fixture.layout.headers_offset, fixture.layout.headers_bytes);
    expect_corrupt(3, fixture.layout.journal_offset + 2 * SECTOR_SIZE);
    end();
}

TEST(journal_recovery, s6_the_window_that_remains)
{
    /* The last flush group's headers are gone, and its entry rots: this is told from a torn append
     * by nothing. The same test with one more acknowledged commit finds it (above). */
    begin();
    append_many(1, 3);
    erase(fixture.layout.headers_offset, fixture.layout.headers_bytes);
    rot(fixture.layout.journal_offset + 2 * SECTOR_SIZE + 300);
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    JOURNAL_EXPECT_HOLDS(&fixture, 1, 1, 2);
    EXPECT(journal->recovery.cut_op == 3);
    end();
}

TEST(journal_recovery, s4_a_bad_redundant_header_is_written_anew)
{
    for (uint64_t at = 0; at < JOURNAL_HEADER_SIZE; at += 17) {
        begin();
        append_many(1, 5);
        uint8_t before[JOURNAL_HEADER_SIZE], after[JOURNAL_HEADER_SIZE];
        const uint64_t byte = journal_fixture_header_byte_of(&fixture, 3);
        simulated_disk_peek(fixture.disk, byte, before, sizeof before);
        rot(byte + at);
        EXPECT(journal_fixture_open_read_only(&fixture) == TACTUS_OK);
        JOURNAL_EXPECT_HOLDS(&fixture, 1, 1, 2, 3, 4, 5);
        EXPECT(journal->recovery.headers_bad_count == 1);
        simulated_disk_peek(fixture.disk, byte, after, sizeof after);
        EXPECT(!bytes_equal(before, after, sizeof after));

        EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
        JOURNAL_EXPECT_HOLDS(&fixture, 1, 1, 2, 3, 4, 5);
        EXPECT(journal->recovery.headers_heal_count == 1);
        simulated_disk_peek(fixture.disk, byte, after, sizeof after);
        EXPECT(bytes_equal(before, after, sizeof after));
        EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
        EXPECT(journal->recovery.headers_heal_count == 0);
        EXPECT(journal->recovery.headers_bad_count == 0);
        end();
    }
}

TEST(journal_recovery, read_only_changes_no_byte)
{
    begin();
    append_many(1, 4);
    append(SECTOR_SIZE, 5, false);
    erase(fixture.layout.journal_offset + 5 * SECTOR_SIZE, SECTOR_SIZE);
    rot(journal_fixture_header_byte_of(&fixture, 2) + 20);
    const uint64_t hash = simulated_disk_hash(fixture.disk);
    const uint64_t changes = simulated_disk_change_count(fixture.disk);
    EXPECT(journal_fixture_open_read_only(&fixture) == TACTUS_OK);
    JOURNAL_EXPECT_HOLDS(&fixture, 1, 1, 2, 3, 4);
    EXPECT(journal_close(journal) == TACTUS_OK);
    EXPECT(simulated_disk_hash(fixture.disk) == hash);
    EXPECT(simulated_disk_change_count(fixture.disk) == changes);
    end();
}

TEST(journal_recovery, recovery_decides_by_durable_bytes)
{
    /* Reference bug 24: a process died, its plain entry is in no log but the system's cache. What
     * recovery shows must still be there after a power cut. */
    begin();
    append(10, 1, false);
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    JOURNAL_EXPECT_HOLDS(&fixture, 1, 1);
    simulated_disk_crash(fixture.disk, (struct simulated_crash){.kind = SIMULATED_DROP_ALL});
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    JOURNAL_EXPECT_HOLDS(&fixture, 1, 1);
    end();
}

/* ---- S3, S5: epochs -------------------------------------------------------------------------- */

TEST(journal_recovery, s5_cut_entries_never_come_back)
{
    begin();
    append(10, 1, true);
    append(10, 2, false);
    append(10, 3, false);
    erase(fixture.layout.journal_offset + SECTOR_SIZE, SECTOR_SIZE); /* op 2 is lost, op 3 is not */
    journal_fixture_reopen(&fixture);
    EXPECT(journal_op_last(journal) == 1);

    /* The very same transaction again: op 3's predecessor is there once more. */
    append(10, 2, true);
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    JOURNAL_EXPECT_HOLDS(&fixture, 1, 1, 2);
    journal_fixture_raise(&fixture);
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    JOURNAL_EXPECT_HOLDS(&fixture, 1, 1, 2);
    journal_fixture_raise(&fixture);
    journal_fixture_reopen(&fixture);
    append(10, 9, true);
    journal_fixture_reopen(&fixture);
    JOURNAL_EXPECT_HOLDS(&fixture, 1, 1, 2, 9);
    end();
}

TEST(journal_recovery, s5_a_torn_entry_at_the_laps_end_does_not_hide_its_successor)
{
    /* Op n is torn where it fitted, cut, and its successor of the same op is too large for
     * there. */
    for (uint32_t erased = 0; erased < 2; erased += 1) {
        begin();
        append_many(1, RING - 2);
        journal_fixture_checkpoint(&fixture);
        append(SECTOR_SIZE, 50, false);
        erase(fixture.layout.journal_offset + (RING - 1) * SECTOR_SIZE, SECTOR_SIZE);
        journal_fixture_reopen(&fixture);
        EXPECT(journal->recovery.cut_op == RING - 1);
        append(2 * SECTOR_SIZE, 51, true);
        journal_fixture_reopen(&fixture);
        JOURNAL_EXPECT_HOLDS(&fixture, RING - 1, 51);
        /* Without its redundant header, too, which says where it is. */
        if (erased == 1) erase(fixture.layout.headers_offset, fixture.layout.headers_bytes);
        journal_fixture_reopen(&fixture);
        JOURNAL_EXPECT_HOLDS(&fixture, RING - 1, 51);
        append(10, 52, true);
        journal_fixture_reopen(&fixture);
        JOURNAL_EXPECT_HOLDS(&fixture, RING - 1, 51, 52);
        end();
    }
}

TEST(journal_recovery, a_redundant_header_says_which_of_two_places)
{
    /* Op n is at the ring's start; a whole one of an earlier epoch is where it did not fit. */
    begin();
    append_many(1, RING - 1);
    journal_fixture_checkpoint(&fixture);
    const struct journal_position head = journal_head(journal);
    journal_fixture_reopen(&fixture);
    append(SECTOR_SIZE, 50, true);
    forge(
        head.offset,
        &(struct journal_header){
            .op = head.op,
            .epoch = 1,
            .durable_op = head.op - 1,
            .offset = head.offset,
            .predecessor = head.predecessor,
        }
    );
    journal_fixture_reopen(&fixture);
    JOURNAL_EXPECT_HOLDS(&fixture, RING, 50);
    journal_fixture_reopen(&fixture);
    JOURNAL_EXPECT_HOLDS(&fixture, RING, 50);
    end();
}

TEST(journal_recovery, s5_no_epoch_is_used_twice)
{
    begin();
    append_many(1, 2);
    const struct superblock old = fixture.superblock;
    journal_fixture_reopen(&fixture);
    append_many(3, 3);
    fixture.superblock = old; /* rolled back to epoch 1; of epoch 2, op 5 alone is left */
    erase(fixture.layout.headers_offset, fixture.layout.headers_bytes);
    erase(fixture.layout.journal_offset + 2 * SECTOR_SIZE, 2 * SECTOR_SIZE);
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    EXPECT(journal_op_last(journal) == 2);
    EXPECT(journal_epoch_next(journal) == 3);
    end();
}

TEST(journal_recovery, s5_a_superblock_older_than_the_journal_is_damage)
{
    begin();
    append(10, 1, true);
    const struct superblock old = fixture.superblock;
    journal_fixture_reopen(&fixture);
    append(10, 2, true);
    const struct superblock new = fixture.superblock;
    fixture.superblock = old; /* all copies were rolled back */
    expect_corrupt(2, fixture.layout.journal_offset + SECTOR_SIZE);
    erase(fixture.layout.headers_offset, fixture.layout.headers_bytes);
    expect_corrupt(2, fixture.layout.journal_offset + SECTOR_SIZE); /* the entry itself tells */

    erase(fixture.layout.journal_offset + SECTOR_SIZE, SECTOR_SIZE);
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK); /* now nothing does */
    fixture.superblock = new;
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    end();
}

/* ---- The chain: an entry is the next one only if everything fits ----------------------------- */

/* Ops 1 and 2, of epochs 1 and 2; *next is op 3 as epoch 2 would write it, in a file that has seen
 * op 3 in epoch 2, and is in epoch 3 since. */
static void begin_forgery(struct journal_header *next)
{
    begin();
    append(10, 1, true);
    journal_fixture_reopen(&fixture);
    append(10, 2, true);
    const struct journal_position head = journal_head(journal);
    *next = (struct journal_header){
        .op = head.op,
        .epoch = 2,
        .durable_op = 2,
        .offset = head.offset,
        .predecessor = head.predecessor,
    };
    fixture.superblock.epoch = 3;
    fixture.superblock.epoch_first_op = 4;
}

static bool forged_is_taken(const struct journal_header *header)
{
    forge(2 * SECTOR_SIZE, header);
    return journal_fixture_open_read_only(&fixture) == TACTUS_OK && journal_op_last(journal) == 3;
}

TEST(journal_recovery, an_entry_that_does_not_fit_the_chain_is_not_taken)
{
    struct journal_header next;
    begin_forgery(&next);
    EXPECT(forged_is_taken(&next));

    struct journal_header wrong = next;
    wrong.predecessor.low += 1;
    EXPECT(!forged_is_taken(&wrong));
    wrong = next;
    wrong.op = 4;
    EXPECT(!forged_is_taken(&wrong));
    wrong = next;
    wrong.offset = 3 * SECTOR_SIZE; /* misdirected */
    EXPECT(!forged_is_taken(&wrong));
    wrong = next;
    wrong.epoch = 3; /* S3 */
    EXPECT(!forged_is_taken(&wrong));
    wrong = next;
    wrong.epoch = 1; /* S3 has nothing against it, but its predecessor is of epoch 2 */
    EXPECT(!forged_is_taken(&wrong));
    wrong = next;
    wrong.durable_op = 0; /* below its predecessor's */
    EXPECT(!forged_is_taken(&wrong));
    EXPECT(forged_is_taken(&next));
    end();
}

TEST(journal_recovery, an_entry_at_the_rings_start_that_would_have_fitted_is_not_taken)
{
    begin();
    append_many(1, RING - 2);
    journal_fixture_checkpoint(&fixture);
    const struct journal_position head = journal_head(journal);
    forge(
        0,
        &(struct journal_header){
            .op = head.op,
            .epoch = 1,
            .durable_op = head.op - 1,
            .predecessor = head.predecessor,
        }
    );
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    EXPECT(journal_op_last(journal) == RING - 2);
    end();
}

TEST(journal_recovery, an_entry_that_reaches_into_live_ones_is_not_taken)
{
    /* Hostile: its body holds the very bytes of the entry that it lies upon. */
    begin();
    append_many(1, 5);
    journal_fixture_checkpoint(&fixture);
    append_many(6, RING - 2);
    const struct journal_position head = journal_head(journal);
    static _Alignas(4096) uint8_t forged[3 * SECTOR_SIZE];
    const uint64_t byte = fixture.layout.journal_offset + head.offset;
    simulated_disk_peek(fixture.disk, byte, forged, sizeof forged);
    const struct journal_header header = {
        .op = head.op,
        .epoch = 1,
        .durable_op = head.op - 1,
        .offset = head.offset,
        .predecessor = head.predecessor,
        .size = sizeof forged,
        .kind = JOURNAL_TRANSACTION,
    };
    journal_entry_seal(forged, &header, &journal->ring);
    simulated_disk_poke(fixture.disk, byte, forged, sizeof forged);
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    EXPECT(journal_op_last(journal) == head.op - 1);
    end();
}

TEST(journal_recovery, s4_only_an_op_that_can_be_there_is_evidence)
{
    struct journal_header later = {.epoch = 1, .durable_op = 3, .offset = 4 * SECTOR_SIZE};
    for (later.op = 4; later.op < 10; later.op += 1) {
        begin();
        append_many(1, 2);
        /* Op 3 is missing at sector 2. Two sectors on there may be op 4, or 5. */
        forge(4 * SECTOR_SIZE, &later);
        EXPECT(journal_fixture_open(&fixture) == (later.op <= 5 ? TACTUS_CORRUPT : TACTUS_OK));
        end();
    }
}

/* ---- User bytes ------------------------------------------------------------------------------ */

/* Puts what looks like entry `op` of this epoch into the body that is being built, where its second
 * sector will begin at `offset` in the ring. */
static void disguise(uint64_t body_size, uint64_t offset, uint64_t op, uint64_t durable_op)
{
    static _Alignas(4096) uint8_t fake[SECTOR_SIZE];
    const struct journal_header header = {
        .epoch = fixture.superblock.epoch,
        .durable_op = durable_op,
        .offset = offset,
        .op = op,
        .size = JOURNAL_HEADER_SIZE,
        .kind = JOURNAL_TRANSACTION,
    };
    journal_entry_seal(fake, &header, &journal->ring);
    uint8_t *body = journal_body(journal);
    journal_fixture_fill(body, body_size, 1);
    bytes_copy(body + SECTOR_SIZE - JOURNAL_HEADER_SIZE, fake, JOURNAL_HEADER_SIZE);
    uint64_t given;
    const struct journal_append plain = {
        .kind = JOURNAL_TRANSACTION, .event_count = 1, .body_size = body_size};
    EXPECT(journal_append(journal, &plain, &given) == TACTUS_OK);
}

TEST(journal_recovery, s4_user_bytes_that_look_like_an_entry_mislead_nobody)
{
    begin();
    append(10, 1, true);
    disguise(
        2 * SECTOR_SIZE, 2 * SECTOR_SIZE, 3, 2
    ); /* in op 2: "op 3 knows that op 2 is durable" */
    EXPECT(journal_fixture_open_read_only(&fixture) == TACTUS_OK); /* heals no header of op 2 */
    EXPECT(journal_op_last(journal) == 2);

    erase(fixture.layout.journal_offset + 3 * SECTOR_SIZE, SECTOR_SIZE); /* op 2 is torn */
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    EXPECT(journal_op_last(journal) == 1 && journal->recovery.cut_op == 2);
    end();
}

TEST(journal_recovery, s4_user_bytes_in_old_laps_mislead_nobody)
{
    begin();
    append(10, 1, true);
    append(10, 2, true);
    disguise(2 * SECTOR_SIZE, 3 * SECTOR_SIZE, 5, 4); /* in op 3: "op 4 is durable" */
    journal_fixture_checkpoint(&fixture);
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    EXPECT(journal_op_last(journal) == 3);
    end();
}

/* ---- What cannot be read, or cannot be ------------------------------------------------------- */

TEST(journal_recovery, a_sector_that_cannot_be_read_is_not_cut)
{
    begin();
    append_many(1, 3);
    erase(fixture.layout.headers_offset, fixture.layout.headers_bytes);
    const uint64_t byte = fixture.layout.journal_offset + 2 * SECTOR_SIZE;
    const struct simulated_fault fault = {
        .kind = SIMULATED_READ_ERROR, .from = byte, .to = byte + SECTOR_SIZE, .is_sticky = true};
    simulated_disk_fault_add(fixture.disk, fault);
    expect_corrupt(3, byte);
    EXPECT(fixture.fault.acknowledged == FAULT_UNKNOWN);

    /* Of an unused sector that cannot be read nothing hangs. */
    simulated_disk_fault_clear(fixture.disk);
    struct simulated_fault unused = fault;
    unused.from += 5 * SECTOR_SIZE;
    unused.to += 5 * SECTOR_SIZE;
    simulated_disk_fault_add(fixture.disk, unused);
    EXPECT(journal_fixture_open(&fixture) == TACTUS_OK);
    JOURNAL_EXPECT_HOLDS(&fixture, 1, 1, 2, 3);
    end();
}

TEST(journal_recovery, a_read_error_that_passes_costs_nothing)
{
    for (uint64_t skip = 0; skip < 6; skip += 1) {
        begin();
        append_many(1, 3);
        erase(fixture.layout.headers_offset, fixture.layout.headers_bytes);
        for (uint32_t i = 0; i < 2; i += 1) { /* the read, and the reactor's second try */
            simulated_disk_fault_add(
                fixture.disk,
                (struct simulated_fault){
                    .kind = SIMULATED_READ_ERROR,
                    .from = fixture.layout.journal_offset + 2 * SECTOR_SIZE,
                    .to = fixture.layout.journal_offset + 3 * SECTOR_SIZE,
                    .skip = skip,
                }
            );
        }
        const enum tactus_status status = journal_fixture_open(&fixture);
        EXPECT(status == TACTUS_OK || fixture.fault.acknowledged == FAULT_UNKNOWN);
        if (status == TACTUS_OK) {
            simulated_disk_fault_clear(fixture.disk);
            JOURNAL_EXPECT_HOLDS(&fixture, 1, 1, 2, 3);
        }
        end();
    }
}

TEST(journal_recovery, a_superblock_that_names_no_place_is_corrupt)
{
    begin();
    append(10, 1, true);
    const struct superblock good = fixture.superblock;
    const uint64_t offsets[] = {1, RING * SECTOR_SIZE, UINT64_MAX - 4095, 4095};
    for (uint64_t i = 0; i < COUNT_OF(offsets); i += 1) {
        fixture.superblock.checkpoint.journal_offset = offsets[i];
        EXPECT(journal_fixture_open(&fixture) == TACTUS_CORRUPT);
        EXPECT(fixture.fault.zone == FAULT_ZONE_SUPERBLOCK);
    }
    fixture.superblock = good;
    fixture.superblock.checkpoint.op_covered = UINT64_MAX;
    EXPECT(journal_fixture_open(&fixture) == TACTUS_CORRUPT);
    fixture.superblock = good;
    fixture.superblock.checkpoint.journal_offset = 5 * SECTOR_SIZE; /* a place, but not the one */
    EXPECT(journal_fixture_open(&fixture) == TACTUS_CORRUPT);
    end();
}

/* ---- Repair and inspection ------------------------------------------------------------------- */

/* What repair does around it. */
static struct journal_loss truncate_and_write_superblock(void)
{
    struct journal_loss loss;
    journal_fixture_attach(&fixture, false);
    EXPECT(journal_truncate(journal, &fixture.superblock, &loss) == TACTUS_OK);
    if (!loss.damaged) return loss;
    struct superblock *superblock = &fixture.superblock;
    superblock->epoch = loss.epoch_next;
    superblock->epoch_first_op = loss.op;
    superblock->checkpoint.op_captured = min_u64(superblock->checkpoint.op_captured, loss.op - 1);
    return loss;
}

TEST(journal_recovery, truncation_gives_up_the_damaged_entry_and_all_after_it)
{
    begin();
    append_many(1, 6);
    const uint64_t byte = journal_fixture_byte_of(&fixture, 3);
    rot(byte + 300);
    expect_corrupt(3, byte);
    const struct journal_loss loss = truncate_and_write_superblock();
    EXPECT(loss.damaged && loss.op == 3 && loss.byte == byte);
    EXPECT(loss.entry_count == 4 && loss.op_last_known == 6);
    EXPECT(loss.acknowledged == FAULT_YES && loss.what != NULL);

    journal_fixture_reopen(&fixture);
    JOURNAL_EXPECT_HOLDS(&fixture, 1, 1, 2);
    append(100, 33, true);
    journal_fixture_reopen(&fixture);
    JOURNAL_EXPECT_HOLDS(&fixture, 1, 1, 2, 33); /* op 4 of before is no successor */
    append(100, 34, true);
    journal_fixture_reopen(&fixture);
    JOURNAL_EXPECT_HOLDS(&fixture, 1, 1, 2, 33, 34);
    end();
}

TEST(journal_recovery, truncation_of_the_first_entry_leaves_none)
{
    begin();
    append_many(1, 3);
    erase(fixture.layout.journal_offset, SECTOR_SIZE);
    EXPECT(truncate_and_write_superblock().op == 1);
    journal_fixture_reopen(&fixture);
    EXPECT(journal_op_last(journal) == 0);
    append(10, 5, true);
    journal_fixture_reopen(&fixture);
    JOURNAL_EXPECT_HOLDS(&fixture, 1, 5);
    end();
}

TEST(journal_recovery, truncation_below_the_capture)
{
    begin();
    append_many(1, 4);
    fixture.superblock.checkpoint.op_captured = 4;
    rot(journal_fixture_byte_of(&fixture, 2));
    EXPECT(truncate_and_write_superblock().op == 2);
    journal_fixture_reopen(&fixture);
    JOURNAL_EXPECT_HOLDS(&fixture, 1, 1);
    end();
}

TEST(journal_recovery, truncation_changes_nothing_where_nothing_is_damaged)
{
    begin();
    append_many(1, 3);
    append(SECTOR_SIZE, 4, false);
    erase(fixture.layout.journal_offset + 4 * SECTOR_SIZE, SECTOR_SIZE); /* torn, not damaged */
    const uint64_t hash = simulated_disk_hash(fixture.disk);
    EXPECT(!truncate_and_write_superblock().damaged);
    EXPECT(simulated_disk_hash(fixture.disk) == hash);
    JOURNAL_EXPECT_HOLDS(&fixture, 1, 1, 2, 3);
    end();
}

TEST(journal_recovery, truncation_writes_over_what_cannot_be_read)
{
    begin();
    append_many(1, 3);
    const uint64_t byte = journal_fixture_byte_of(&fixture, 3);
    erase(fixture.layout.headers_offset, fixture.layout.headers_bytes);
    simulated_disk_fault_add(
        fixture.disk,
        (struct simulated_fault){
            .kind = SIMULATED_READ_ERROR,
            .from = byte,
            .to = byte + SECTOR_SIZE,
            .is_sticky = true,
        }
    );
    expect_corrupt(3, byte);
    const struct journal_loss loss = truncate_and_write_superblock();
    EXPECT(loss.op == 3 && loss.acknowledged == FAULT_UNKNOWN);
    EXPECT(journal_fixture_is_zero(&fixture, byte, SECTOR_SIZE));
    simulated_disk_fault_clear(fixture.disk); /* the disk has put it elsewhere */
    journal_fixture_reopen(&fixture);
    JOURNAL_EXPECT_HOLDS(&fixture, 1, 1, 2);
    end();
}

struct seen {
    struct journal_sighting sightings[16];
    uint64_t count;
};

static void see(void *context, const struct journal_sighting *sighting)
{
    struct seen *seen = context;
    EXPECT(seen->count < COUNT_OF(seen->sightings));
    seen->sightings[seen->count] = *sighting;
    seen->count += 1;
}

static struct seen walk(void)
{
    struct seen seen = {.count = 0};
    const uint64_t hash = simulated_disk_hash(fixture.disk);
    journal_fixture_attach(&fixture, true);
    const struct journal_visitor visitor = {.see = see, .context = &seen};
    EXPECT(journal_walk(journal, &fixture.superblock, &visitor) == TACTUS_OK);
    EXPECT(simulated_disk_hash(fixture.disk) == hash);
    return seen;
}

TEST(journal_recovery, walking_shows_what_is_there)
{
    begin();
    EXPECT(walk().count == 0);
    journal_fixture_reopen(&fixture);
    append_many(1, 2);
    append(SECTOR_SIZE, 3, false);
    rot(journal_fixture_header_byte_of(&fixture, 1) + 9);
    struct seen seen = walk();
    EXPECT(seen.count == 3);
    for (uint64_t i = 0; i < 3; i += 1) {
        EXPECT(seen.sightings[i].state == JOURNAL_ENTRY_VALID);
        EXPECT(seen.sightings[i].op == i + 1 && seen.sightings[i].offset == i * SECTOR_SIZE);
        EXPECT(seen.sightings[i].byte == fixture.layout.journal_offset + i * SECTOR_SIZE);
        EXPECT(seen.sightings[i].what == NULL);
    }
    EXPECT(seen.sightings[0].redundant == JOURNAL_REDUNDANT_MISSING);
    EXPECT(seen.sightings[1].redundant == JOURNAL_REDUNDANT_GOOD);
    EXPECT(seen.sightings[2].redundant == JOURNAL_REDUNDANT_MISSING);
    end();
}

TEST(journal_recovery, walking_goes_on_behind_damage)
{
    begin();
    append_many(1, 4);
    rot(journal_fixture_byte_of(&fixture, 2));
    const struct seen seen = walk();
    EXPECT(seen.count == 4);
    EXPECT(seen.sightings[0].state == JOURNAL_ENTRY_VALID);
    EXPECT(seen.sightings[1].state == JOURNAL_ENTRY_DAMAGED && seen.sightings[1].op == 2);
    EXPECT(seen.sightings[1].what != NULL);
    EXPECT(seen.sightings[1].redundant == JOURNAL_REDUNDANT_OTHER);
    EXPECT(seen.sightings[2].state == JOURNAL_ENTRY_BEYOND && seen.sightings[2].op == 3);
    EXPECT(seen.sightings[3].state == JOURNAL_ENTRY_BEYOND && seen.sightings[3].op == 4);
    EXPECT(seen.sightings[3].redundant == JOURNAL_REDUNDANT_GOOD);
    end();
}

TEST(journal_recovery, walking_tells_torn_from_damaged)
{
    begin();
    append(10, 1, true);
    append(SECTOR_SIZE, 2, false);
    erase(fixture.layout.journal_offset + 2 * SECTOR_SIZE, SECTOR_SIZE);
    const struct seen seen = walk();
    EXPECT(seen.count == 2);
    EXPECT(seen.sightings[1].state == JOURNAL_ENTRY_TORN && seen.sightings[1].header_known);
    EXPECT(seen.sightings[1].header.size == JOURNAL_HEADER_SIZE + SECTOR_SIZE);
    end();
}

TEST_MAIN()
