#include "storage/superblock.h"

#include "base/bytes.h"
#include "io/file.h"
#include "storage/superblock_disk.h"
#include "support/simulated_disk.h"
#include "support/test.h"

#include <stddef.h>

#include "base/poison.h"

enum { FILE_SIZE = 1 << 20 };

static struct simulated_disk *disk;
static struct reactor reactor;

static void begin(void)
{
    const struct simulated_disk_options options = {.seed = 1, .size = FILE_SIZE};
    disk = simulated_disk_new(&options);
    simulated_disk_open(&reactor, disk);
}

static void end(void)
{
    file_close(&reactor);
    simulated_disk_free(disk);
}

static struct superblock superblock_make(void)
{
    return (struct superblock){
        .options =
            {
                .version = SUPERBLOCK_VERSION,
                .block_size = 4096,
                .file_id = {.low = 5, .high = 6},
                .batch_max = 100,
                .bar_beats = 16,
                .growth_factor = 8,
                .tables_max = 1000,
                .journal_bytes = 65536,
                .size_max = 1 << 30,
                .keep = 1,
                .snapshots_max = 4,
                .runs_max = {1, 1, 1, 1, 1, 1, 1},
            },
        .epoch = 1,
        .epoch_first_op = 1,
    };
}

/* One that uses every field. */
static struct superblock superblock_make_full(void)
{
    struct superblock superblock = superblock_make();
    superblock.schema = (struct trailer_reference){{1, 0, {1, 2}}, 100, {3, 4}};
    superblock.checkpoint = (struct checkpoint_state){
        .op_covered = 70,
        .op_captured = 90,
        .beat_capture = 33,
        .journal_offset = 8192,
        .journal_predecessor = {5, 6},
        .state = {{2, 12, {7, 8}}, 200, {9, 10}},
        .acquired = {{3, 13, {11, 12}}, 300, {13, 14}},
        .released = {{4, 14, {15, 16}}, 400, {17, 18}},
        .manifest_oldest = {5, 15, {19, 20}},
        .manifest_newest = {6, 16, {21, 22}},
        .manifest_block_count = 2,
        .block_count = 20,
    };
    superblock.epoch = 44;
    superblock.epoch_first_op = 55;
    return superblock;
}

static struct superblock superblock_written(void)
{
    struct superblock superblock = superblock_make();
    EXPECT(superblock_write(&reactor, &superblock, NULL) == TACTUS_OK);
    return superblock;
}

static enum tactus_status read_status(struct fault *fault)
{
    struct superblock superblock;
    *fault = (struct fault){0};
    return superblock_read(&reactor, &superblock, NULL, fault);
}

TEST(superblock, what_was_written_is_read_back_field_by_field)
{
    begin();
    struct superblock superblock = superblock_make_full();
    EXPECT(superblock_write(&reactor, &superblock, NULL) == TACTUS_OK);
    EXPECT(superblock.sequence == 1 && superblock.is_whole);
    EXPECT(checksum_is_zero(superblock.parent));

    struct superblock found;
    bytes_zero(&found, sizeof found);
    struct superblock_report report;
    EXPECT(superblock_read(&reactor, &found, &report, NULL) == TACTUS_OK);
    EXPECT(report.good_count == 4 && !report.needs_heal);
    struct superblock_disk a;
    struct superblock_disk b;
    EXPECT(checksum_equal(superblock_disk_encode(&a, &found), superblock.checksum));
    superblock_disk_encode(&b, &superblock);
    EXPECT(bytes_equal(&a, &b, sizeof a));
    EXPECT(found.checkpoint.released.checksum.high == 18);
    EXPECT(found.checkpoint.manifest_newest.copy_address == 16);
    EXPECT(found.checkpoint.manifest_block_count == 2 && found.checkpoint.block_count == 20);
    EXPECT(found.checkpoint.journal_predecessor.low == 5 && found.checkpoint.beat_capture == 33);
    EXPECT(found.schema.size == 100 && found.schema.checksum.high == 4);
    EXPECT(found.epoch == 44 && found.epoch_first_op == 55);
    EXPECT(found.options.snapshots_max == 4 && found.options.runs_max[6] == 1);
    EXPECT(checksum_equal(found.checksum, superblock.checksum));
    end();
}

TEST(superblock, every_write_is_the_child_of_the_one_before)
{
    begin();
    struct superblock superblock = superblock_written();
    for (uint64_t i = 2; i < 10; i += 1) {
        const struct checksum before = superblock.checksum;
        superblock.epoch = i;
        EXPECT(superblock_write(&reactor, &superblock, NULL) == TACTUS_OK);
        EXPECT(superblock.sequence == i);
        EXPECT(checksum_equal(superblock.parent, before));
        EXPECT(!checksum_equal(superblock.checksum, before));
    }
    struct superblock found;
    EXPECT(superblock_read(&reactor, &found, NULL, NULL) == TACTUS_OK);
    EXPECT(found.sequence == 9 && found.epoch == 9);
    end();
}

TEST(superblock, reading_changes_no_byte)
{
    begin();
    superblock_written();
    simulated_disk_flip(disk, 100, 1);
    const uint64_t before = simulated_disk_hash(disk);
    simulated_disk_open_read_only(&reactor, disk);
    struct superblock found;
    struct superblock_report report;
    EXPECT(superblock_read(&reactor, &found, &report, NULL) == TACTUS_OK);
    EXPECT(report.needs_heal && report.copy[0] == SUPERBLOCK_COPY_DAMAGED);
    EXPECT(simulated_disk_hash(disk) == before);
    end();
}

TEST(superblock, every_bit_of_every_slot_is_noticed_and_healed)
{
    begin();
    const struct superblock superblock = superblock_written();
    struct simulated_disk *sound = disk;
    uint32_t reported = 0;
    for (uint32_t byte = 0; byte < 65536; byte += byte % 16384 < 700 ? 1 : 131) {
        disk = simulated_disk_clone(sound);
        simulated_disk_open(&reactor, disk);
        simulated_disk_flip(disk, byte, byte % 8);

        struct superblock found;
        struct superblock_report report;
        EXPECT(superblock_read(&reactor, &found, &report, NULL) == TACTUS_OK);
        EXPECT(checksum_equal(found.checksum, superblock.checksum));
        EXPECT(report.needs_heal && !found.is_whole && report.good_count == 3);
        EXPECT(report.copy[byte / 16384] != SUPERBLOCK_COPY_GOOD);
        reported += 1;

        uint32_t healed = 0;
        EXPECT(superblock_heal(&reactor, &healed, NULL) == TACTUS_OK);
        EXPECT(healed == 1);
        EXPECT(simulated_disk_equal(disk, sound));
        simulated_disk_free(disk);
    }
    EXPECT(reported > 2800);
    disk = sound;
    simulated_disk_open(&reactor, disk);
    end();
}

TEST(superblock, two_bad_copies_open_and_three_do_not)
{
    begin();
    struct superblock superblock = superblock_written();
    EXPECT(superblock_write(&reactor, &superblock, NULL) == TACTUS_OK);
    simulated_disk_flip(disk, 50, 0);
    simulated_disk_flip(disk, 3 * 16384 + 3000, 0);
    struct superblock found;
    EXPECT(superblock_read(&reactor, &found, NULL, NULL) == TACTUS_OK);

    simulated_disk_flip(disk, 16384 + 50, 0);
    struct fault fault;
    EXPECT(read_status(&fault) == TACTUS_CORRUPT);
    EXPECT(fault.zone == FAULT_ZONE_SUPERBLOCK && fault.what != NULL && fault.remedy != NULL);
    end();
}

TEST(superblock, a_write_heals_first)
{
    begin();
    struct superblock superblock = superblock_written();
    simulated_disk_flip(disk, 50, 0);
    simulated_disk_flip(disk, 16384 + 50, 0);
    EXPECT(superblock_read(&reactor, &superblock, NULL, NULL) == TACTUS_OK);
    EXPECT(!superblock.is_whole);
    const uint64_t before = simulated_disk_change_count(disk);
    EXPECT(superblock_write(&reactor, &superblock, NULL) == TACTUS_OK);
    EXPECT(superblock.is_whole);
    /* two slots, each rest and copy; flush; four copies */
    EXPECT(simulated_disk_change_count(disk) - before == 2 * 2 + 1 + 4);
    end();
}

TEST(superblock, unreadable_sectors_cost_one_copy)
{
    begin();
    superblock_written();
    simulated_disk_fault_add(
        disk,
        (struct simulated_fault
        ){.kind = SIMULATED_READ_ERROR, .from = 16384, .to = 16384 + 4096, .is_sticky = true}
    );
    struct superblock found;
    struct superblock_report report;
    EXPECT(superblock_read(&reactor, &found, &report, NULL) == TACTUS_OK);
    EXPECT(report.copy[1] == SUPERBLOCK_COPY_UNREADABLE && report.good_count == 3);
    end();
}

TEST(superblock, a_slot_that_keeps_nothing_is_lived_with_but_two_are_not)
{
    begin();
    struct superblock superblock = superblock_written();
    struct simulated_fault lost = {.kind = SIMULATED_WRITE_LOST, .to = 16384, .is_sticky = true};
    simulated_disk_fault_add(disk, lost);
    EXPECT(superblock_write(&reactor, &superblock, NULL) == TACTUS_OK);
    EXPECT(superblock.sequence == 2 && !superblock.is_whole);
    EXPECT(superblock_write(&reactor, &superblock, NULL) == TACTUS_OK); /* two behind by now */
    EXPECT(superblock.sequence == 3 && !superblock.is_whole);
    end();

    begin();
    superblock = superblock_written();
    lost.from = 16384;
    lost.to = 3 * 16384;
    simulated_disk_fault_add(disk, lost);
    struct fault fault = {0};
    EXPECT(superblock_write(&reactor, &superblock, &fault) == TACTUS_IO);
    EXPECT(superblock.sequence == 1 && fault.what != NULL);
    end();
}

TEST(superblock, a_misdirected_copy_is_found_out_at_once)
{
    begin();
    struct superblock superblock = superblock_written();
    simulated_disk_fault_add(
        disk,
        (struct simulated_fault){.kind = SIMULATED_WRITE_MISDIRECT, .to = 4096, .target = 3 * 16384}
    );
    EXPECT(superblock_write(&reactor, &superblock, NULL) == TACTUS_OK);
    EXPECT(!superblock.is_whole); /* slot 0 still holds sequence 1; slot 3 was written over */
    EXPECT(superblock_write(&reactor, &superblock, NULL) == TACTUS_OK);
    EXPECT(superblock.is_whole);
    end();
}

TEST(superblock, errors_of_the_device_are_answered_and_change_nothing_in_memory)
{
    static const enum simulated_fault_kind kinds[] = {
        SIMULATED_WRITE_ERROR, SIMULATED_FLUSH_ERROR, SIMULATED_READ_ERROR};
    for (uint32_t i = 0; i < 3; i += 1) {
        begin();
        struct superblock superblock = superblock_written();
        simulated_disk_fault_add(
            disk, (struct simulated_fault){.kind = kinds[i], .os_error = 9, .is_sticky = true}
        );
        struct fault fault = {0};
        EXPECT(superblock_write(&reactor, &superblock, &fault) == TACTUS_IO);
        EXPECT(superblock.sequence == 1 && fault.os_error == 9);
        end();
    }
}

TEST(superblock, files_that_are_not_ours_are_told_apart)
{
    struct fault fault;
    begin();
    EXPECT(read_status(&fault) == TACTUS_CORRUPT); /* zeros: an interrupted create */
    EXPECT(fault.remedy != NULL);

    const char text[] = "SQLite format 3";
    simulated_disk_poke(disk, 0, text, sizeof text);
    EXPECT(read_status(&fault) == TACTUS_CORRUPT);
    EXPECT(fault.remedy != NULL);

    simulated_disk_truncate(disk, 0);
    simulated_disk_open(&reactor, disk);
    EXPECT(read_status(&fault) == TACTUS_CORRUPT);
    simulated_disk_truncate(disk, 1);
    simulated_disk_open(&reactor, disk);
    EXPECT(read_status(&fault) == TACTUS_CORRUPT);
    end();
}

TEST(superblock, a_file_cut_at_any_length_is_corrupt)
{
    begin();
    struct superblock superblock = superblock_make_full();
    EXPECT(superblock_write(&reactor, &superblock, NULL) == TACTUS_OK);
    struct layout layout;
    layout_init(&layout, 4096, 65536, 1 << 30);
    const uint64_t wanted = layout_file_size(&layout, 20);
    simulated_disk_truncate(disk, wanted);
    simulated_disk_open(&reactor, disk);
    struct fault fault;
    EXPECT(read_status(&fault) == TACTUS_OK);

    simulated_disk_truncate(disk, wanted - 1);
    simulated_disk_open(&reactor, disk);
    EXPECT(read_status(&fault) == TACTUS_CORRUPT);
    EXPECT(fault.zone == FAULT_ZONE_FILE);
    EXPECT(fault.wanted_number == wanted && fault.found_number == wanted - 1);
    for (uint64_t size = wanted; size > 0; size -= size > 1000 ? 999 : 1) {
        simulated_disk_truncate(disk, size - 1);
        simulated_disk_open(&reactor, disk);
        EXPECT(read_status(&fault) == TACTUS_CORRUPT);
    }
    end();
}

/* Changes all copies as someone would who knows the format, checksums included. */
static void forge(void (*change)(struct superblock_disk *copy))
{
    for (uint32_t slot = 0; slot < SUPERBLOCK_COPIES; slot += 1) {
        struct superblock_disk copy;
        simulated_disk_peek(disk, layout_superblock_offset(slot), &copy, sizeof copy);
        change(&copy);
        const uint8_t *bytes = (const uint8_t *)&copy;
        checksum_store(
            copy.checksum, checksum_of((struct checksum){0}, bytes + 32, SUPERBLOCK_SIZE - 32)
        );
        simulated_disk_poke(disk, layout_superblock_offset(slot), &copy, sizeof copy);
    }
}

static void forge_version(struct superblock_disk *copy)
{
    copy->version = 7;
    bytes_zero(copy->reserved_options, 4);
    copy->reserved[100] = 9; /* a newer format has given these a meaning */
}

TEST(superblock, an_unknown_version_is_refused_by_name)
{
    begin();
    superblock_written();
    forge(forge_version);
    struct fault fault;
    EXPECT(read_status(&fault) == TACTUS_VERSION);
    EXPECT(fault.found_number == 7 && fault.wanted_number == SUPERBLOCK_VERSION);
    end();
}

/* clang-format off: it lays these lines out anew each time */
#define FORGERIES(X)                                                                               \
    X(block_size, 0)                                                                               \
    X(block_size, 5000)                                                                            \
    X(block_size, 1U << 21)                                                                        \
    X(block_size, 1U << 31)                                                                        \
    X(sequence, 0)                                                                                 \
    X(sequence, UINT64_MAX)                                                                        \
    X(sequence, 2)                                                                                 \
    X(journal_bytes, 0)                                                                            \
    X(journal_bytes, 4097)                                                                         \
    X(journal_bytes, UINT64_C(1) << 41)                                                            \
    X(journal_bytes, UINT64_MAX - 4095)                                                            \
    X(size_max, 0)                                                                                 \
    X(size_max, 4095)                                                                              \
    X(size_max, UINT64_MAX)                                                                        \
    X(batch_max, 0)                                                                                \
    X(batch_max, 65537)                                                                            \
    X(bar_beats, 2)                                                                                \
    X(bar_beats, 5)                                                                                \
    X(bar_beats, 66)                                                                               \
    X(growth_factor, 1)                                                                            \
    X(growth_factor, 17)                                                                           \
    X(tables_max, 0)                                                                               \
    X(keep, 0)                                                                                     \
    X(keep, 9)                                                                                     \
    X(snapshots_max, 65)                                                                           \
    X(runs_max[0], 0)                                                                              \
    X(runs_max[6], 65)                                                                             \
    X(reserved_options[0], 1)                                                                      \
    X(reserved_options[91], 1)                                                                     \
    X(reserved_schema[7], 1)                                                                       \
    X(reserved[0], 1)                                                                              \
    X(reserved[3471], 128)                                                                         \
    X(op_covered, 91)                                                                              \
    X(journal_offset, 1)                                                                           \
    X(journal_offset, 65536 + 4096)                                                                \
    X(journal_offset, UINT64_MAX - 4095)                                                           \
    X(state.last.address, 21)                                                                      \
    X(state.last.address, 0)                                                                       \
    X(state.last.copy_address, 21)                                                                 \
    X(state.last.copy_address, 2)                                                                  \
    X(state.size, 0)                                                                               \
    X(state.size, UINT64_MAX)                                                                      \
    X(state.size, 20 * 4096 + 1)                                                                   \
    X(acquired.last.address, UINT64_MAX)                                                           \
    X(released.size, 1 << 30)                                                                      \
    X(schema.last.address, 21)                                                                     \
    X(schema.size, 0)                                                                              \
    X(manifest_oldest.address, 0)                                                                  \
    X(manifest_oldest.address, 21)                                                                 \
    X(manifest_newest.address, 21)                                                                 \
    X(manifest_newest.copy_address, 99)                                                            \
    X(manifest_block_count, 0)                                                                     \
    X(manifest_block_count, 1)                                                                     \
    X(manifest_block_count, 21)                                                                    \
    X(block_count, 5)                                                                              \
    X(block_count, UINT64_MAX)                                                                     \
    X(block_count, (1 << 18) + 1)
/* clang-format on */

struct forgery {
    uint32_t offset;
    uint32_t size;
    uint64_t value;
};

static const struct forgery forgeries[] = {
#define FORGERY(field, number)                                                                     \
    {offsetof(struct superblock_disk, field),                                                      \
     sizeof((struct superblock_disk *)NULL)->field,                                                \
     (number)},
    FORGERIES(FORGERY)
#undef FORGERY
};

static const struct forgery *forgery_now;

static void forge_field(struct superblock_disk *copy)
{
    uint8_t *bytes = (uint8_t *)copy + forgery_now->offset;
    for (uint32_t i = 0; i < forgery_now->size; i += 1) {
        bytes[i] = (uint8_t)(forgery_now->value >> 8 * i);
    }
}

TEST(superblock, values_out_of_range_are_refused_though_all_checksums_hold)
{
    for (uint32_t i = 0; i < sizeof forgeries / sizeof forgeries[0]; i += 1) {
        begin();
        struct superblock superblock = superblock_make_full();
        EXPECT(superblock_write(&reactor, &superblock, NULL) == TACTUS_OK);
        forgery_now = &forgeries[i];
        forge(forge_field);
        struct fault fault;
        EXPECT(read_status(&fault) == TACTUS_CORRUPT);
        EXPECT(fault.what != NULL);
        end();
    }
}

TEST(superblock, erasing_leaves_a_file_that_cannot_be_opened)
{
    begin();
    superblock_written();
    EXPECT(superblock_erase(&reactor, NULL) == TACTUS_OK);
    struct fault fault;
    EXPECT(read_status(&fault) == TACTUS_CORRUPT);
    end();
}

TEST(superblock, what_lay_there_before_does_not_matter_to_a_new_file)
{
    begin();
    struct superblock old = superblock_written();
    for (uint32_t i = 0; i < 5; i += 1) {
        EXPECT(superblock_write(&reactor, &old, NULL) == TACTUS_OK);
    }
    struct superblock superblock = superblock_make();
    superblock.options.file_id.low = 999;
    EXPECT(superblock_write(&reactor, &superblock, NULL) == TACTUS_OK);
    struct superblock found;
    EXPECT(superblock_read(&reactor, &found, NULL, NULL) == TACTUS_OK);
    EXPECT(found.sequence == 1 && found.options.file_id.low == 999);
    end();
}

TEST(superblock, conditions_of_copies_have_words)
{
    for (uint32_t i = SUPERBLOCK_COPY_GOOD; i <= SUPERBLOCK_COPY_TAIL; i += 1) {
        EXPECT(superblock_copy_text((enum superblock_copy)i)[0] != 0);
    }
}

TEST_MAIN()
