#include "database/repair.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "support/care_fixture.h"
#include "support/test.h"

#include "base/poison.h"

static enum tactus_status repair(
    struct simulated_disk *disk, bool truncate, struct care_verdict *said
)
{
    struct reactor reactor = {0};
    struct report report;
    struct fault fault = {0};
    *said = (struct care_verdict){0};
    simulated_disk_open(&reactor, disk);
    report_begin(&report, care_report, said);
    const enum tactus_status status = repair_file(&reactor, truncate, &report, &fault);
    report_end(&report);
    file_close(&reactor);
    return status;
}

/* Where the entry of an op lies in the file, by its redundant header. */
static uint64_t entry_byte(struct simulated_disk *disk, uint64_t op)
{
    const struct layout layout = care_layout(disk);
    uint8_t header[JOURNAL_HEADER_SIZE];
    const uint64_t slot = op % (layout.journal_bytes / SECTOR_SIZE);
    simulated_disk_peek(
        disk, layout.headers_offset + slot * JOURNAL_HEADER_SIZE, header, sizeof header
    );
    EXPECT(load_u64(header + 112) == op);
    return layout.journal_offset + load_u64(header + 32);
}

static uint64_t op_last(tactus_db *db)
{
    struct tactus_stats stats = {.struct_bytes = sizeof stats};
    tactus_stats(db, &stats);
    return stats.op;
}

static void expect_sound(struct simulated_disk *disk)
{
    static struct care_verdict verdict;
    care_verify(disk, &verdict);
    if (verdict.status != TACTUS_OK) (void)fputs(verdict.lines, stderr);
    EXPECT(verdict.status == TACTUS_OK);
}

TEST(repair, of_a_sound_file_changes_nothing)
{
    struct simulated_disk *disk = care_disk_filled(1, 200, 80);
    const uint64_t hash = simulated_disk_hash(disk);
    static struct care_verdict said;
    EXPECT(repair(disk, false, &said) == TACTUS_OK);
    EXPECT(repair(disk, true, &said) == TACTUS_OK);
    EXPECT(said.warning_count == 0);
    EXPECT(strstr(said.lines, "no entry is damaged") != NULL);
    EXPECT(simulated_disk_hash(disk) == hash);
    simulated_disk_free(disk);
}

TEST(repair, writes_bad_copies_of_the_superblock_again)
{
    struct simulated_disk *disk = care_disk_filled(2, 200, 0);
    const uint64_t hash = simulated_disk_hash(disk);
    static struct care_verdict said;
    for (uint32_t copy = 0; copy < SUPERBLOCK_COPIES; copy += 1) {
        simulated_disk_flip(disk, layout_superblock_offset(copy) + 300, copy);
        simulated_disk_flip(disk, layout_superblock_offset((copy + 1) % 4) + 9000, 1);
        care_verify(disk, &said);
        EXPECT(said.status == TACTUS_OK);
        EXPECT(said.warning_count == 2);
        EXPECT(repair(disk, false, &said) == TACTUS_OK);
        EXPECT(strstr(said.lines, "2 of 4 copies were written again") != NULL);
        EXPECT(simulated_disk_hash(disk) == hash);
    }
    simulated_disk_free(disk);
}

TEST(repair, without_a_quorum_is_refused)
{
    struct simulated_disk *disk = care_disk_new(3);
    for (uint32_t copy = 0; copy < 3; copy += 1) {
        simulated_disk_flip(disk, layout_superblock_offset(copy) + 40, 1);
    }
    const uint64_t hash = simulated_disk_hash(disk);
    static struct care_verdict said;
    EXPECT(repair(disk, true, &said) == TACTUS_CORRUPT);
    EXPECT(simulated_disk_hash(disk) == hash);
    simulated_disk_free(disk);
}

/* A damaged entry stops every open; after the cut what came before it is there, and goes on. */
static void cut_at(struct simulated_disk *disk, uint64_t op, uint64_t op_lost)
{
    simulated_disk_flip(disk, entry_byte(disk, op) + 700, 5);
    enum tactus_status status;
    static struct care_verdict said;
    care_verify(disk, &said);
    EXPECT(said.status == TACTUS_CORRUPT);
    EXPECT(strstr(said.lines, "zone=journal") != NULL);
    EXPECT(strstr(said.lines, "acknowledged=yes") != NULL);
    EXPECT(care_open(disk, true, &status) == NULL);
    EXPECT(status == TACTUS_CORRUPT);
    EXPECT(care_open(disk, false, &status) == NULL);
    EXPECT(status == TACTUS_CORRUPT);

    EXPECT(repair(disk, false, &said) == TACTUS_OK); /* that alone does not help */
    EXPECT(care_open(disk, false, &status) == NULL);
    EXPECT(repair(disk, true, &said) == TACTUS_OK);
    char words[64];
    (void)snprintf(
        words,
        sizeof words,
        "ops %llu to %llu are lost",
        (unsigned long long)op,
        (unsigned long long)op_lost
    );
    EXPECT(strstr(said.lines, words) != NULL);
    expect_sound(disk);
}

TEST(repair, cuts_the_journal_before_a_damaged_entry)
{
    struct simulated_disk *disk = care_disk_filled(4, 400, 370);
    enum tactus_status status;
    tactus_db *db = care_open(disk, true, &status);
    const uint64_t last = op_last(db);
    care_close(db);
    const uint64_t cut = last - 5;
    EXPECT(cut > care_superblock(disk).checkpoint.op_captured);
    cut_at(disk, cut, last);

    db = care_open(disk, false, &status);
    EXPECT(db != NULL);
    EXPECT(op_last(db) == cut - 1);
    care_close(db);
    expect_sound(disk);
    EXPECT(care_superblock(disk).epoch_first_op == cut);
    simulated_disk_free(disk);
}

/* The cut goes into the bar that the checkpoint captured but does not cover: the grid stays, the
 * bar is replayed as far as it is there, and its other beats are empty. */
TEST(repair, cuts_into_the_bar_that_was_captured)
{
    struct simulated_disk *filled = care_disk_new(5);
    enum tactus_status status;
    tactus_db *db = care_open(filled, false, &status);
    care_insert(db, 0, 4000);
    const uint64_t last = op_last(db);
    care_close(db);
    const struct checkpoint_state checkpoint = care_superblock(filled).checkpoint;
    EXPECT(checkpoint.op_covered < checkpoint.op_captured); /* a capture that history made due */

    for (uint64_t op = checkpoint.op_covered + 1; op <= checkpoint.op_captured + 1 && op <= last;
         op += 1) {
        struct simulated_disk *disk = simulated_disk_clone(filled);
        cut_at(disk, op, last);
        EXPECT(
            care_superblock(disk).checkpoint.op_captured ==
            (op - 1 < checkpoint.op_captured ? op - 1 : checkpoint.op_captured)
        );
        db = care_open(disk, false, &status);
        EXPECT(db != NULL);
        EXPECT(op_last(db) == op - 1);
        care_insert(db, 5000, 1); /* less than the bar's rest: its beats were empty */
        EXPECT(tactus_flush(db) == TACTUS_OK);
        care_close(db);
        expect_sound(disk);
        for (uint32_t times = 0; times < 2; times += 1) {
            db = care_open(disk, times == 1, &status);
            EXPECT(db != NULL);
            EXPECT(op_last(db) == op);
            care_close(db);
        }
        db = care_open(disk, false, &status);
        care_insert(db, 6000, 2000);
        EXPECT(tactus_checkpoint(db) == TACTUS_OK);
        care_close(db);
        expect_sound(disk);
        simulated_disk_free(disk);
    }
    simulated_disk_free(filled);
}

TEST(repair, refuses_what_it_cannot_do_in_words)
{
    struct tactus_error error;
    EXPECT(tactus_repair(NULL, 0, NULL, NULL, &error) == TACTUS_MISUSE);
    EXPECT(tactus_repair("nothing", 2, NULL, NULL, &error) == TACTUS_MISUSE);
    EXPECT(tactus_repair(":memory:", 0, NULL, NULL, &error) == TACTUS_MISUSE);
    EXPECT(tactus_repair("there-is-no-such-file", 0, NULL, NULL, &error) == TACTUS_IO);
    EXPECT(error.text[0] != 0);
}

TEST_MAIN()
