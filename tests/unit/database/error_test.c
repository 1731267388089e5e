/* The words that a person reads: of a fault, place and remedy, whatever the floor below knew. */
#include "database/error.h"

#include <stdio.h>
#include <string.h>

#include "storage/block.h"
#include "support/test.h"

#include "base/poison.h"

static struct tactus_error error;

static void expect_line(const struct fault *fault, const char *expected)
{
    char line[1024];
    error_fault_line(line, sizeof line, fault);
    if (strcmp(line, expected) != 0) printf("%s\nwanted: %s\n", line, expected);
    EXPECT(strcmp(line, expected) == 0);
    EXPECT(error_from_fault(&error, fault) == fault->status);
    EXPECT(error.status == (int32_t)fault->status);
    EXPECT(error.byte == fault->byte);
    EXPECT(error.line == 0 && error.column == 0);
    if (!fault->has_checksums) EXPECT(strcmp(error.text, expected) == 0);
    const char *remedy =
        strrchr(expected, ';'); /* the short form keeps it, whatever it leaves out */
    EXPECT(remedy != NULL && strstr(error.text, remedy) != NULL);
}

TEST(error, damage_of_the_journal_names_op_place_checksums_and_what_was_acknowledged)
{
    const struct fault fault = {
        .status = TACTUS_CORRUPT,
        .zone = FAULT_ZONE_JOURNAL,
        .what = "an entry is damaged",
        .remedy = "run `tactus repair --truncate-journal`",
        .op = 90211,
        .byte = 1118208,
        .wanted = {.low = 2, .high = 1},
        .found = {.low = 0xffffffffffffffff, .high = 0},
        .has_checksums = true,
        .acknowledged = FAULT_YES,
    };
    expect_line(
        &fault,
        "corrupt: zone=journal op=90211 byte=1118208 wanted=00000000000000010000000000000002 "
        "found=0000000000000000ffffffffffffffff acknowledged=yes: an entry is damaged; "
        "run `tactus repair --truncate-journal`"
    );
    EXPECT(strstr(error.text, " wanted=0000000000000001 found=0000000000000000 ") != NULL);
}

TEST(error, damage_of_the_grid_names_block_type_tree_and_level)
{
    struct fault fault = {
        .status = TACTUS_CORRUPT,
        .zone = FAULT_ZONE_GRID,
        .what = "a block's checksum is wrong",
        .address = 17,
        .byte = 196608,
        .block_type = BLOCK_VALUE,
        .tree = 3,
        .level = 2,
        .acknowledged = FAULT_NO,
    };
    expect_line(
        &fault,
        "corrupt: zone=grid block=17 type=value tree=3 level=2 byte=196608 acknowledged=no: "
        "a block's checksum is wrong; run `tactus verify`, restore the file from a copy"
    );
    static const char *const names[] = {
        "free-set", "state", "schema", "manifest", "root", "leaf", "value", "filter"};
    for (uint32_t index = 0; index < 8; index += 1) {
        fault.block_type = (uint8_t)(index + 1);
        char line[300];
        char wanted[40];
        error_fault_line(line, sizeof line, &fault);
        (void)snprintf(wanted, sizeof wanted, " type=%s ", names[index]);
        EXPECT(strstr(line, wanted) != NULL);
    }
    fault.block_type = 200;
    char line[300];
    error_fault_line(line, sizeof line, &fault);
    EXPECT(strstr(line, " type=unknown ") != NULL);
}

TEST(error, a_block_known_by_its_address_is_given_its_byte)
{
    struct layout layout;
    layout_init(&layout, 4096, 1 << 20, 1 << 20);
    struct fault fault = {.status = TACTUS_CORRUPT, .zone = FAULT_ZONE_GRID, .address = 3};
    error_find_byte(&fault, &layout);
    EXPECT(fault.byte == layout_block_offset(&layout, 3));
    fault.byte = 7; /* whoever noticed knew better */
    error_find_byte(&fault, &layout);
    EXPECT(fault.byte == 7);
    const uint64_t addresses[] = {0, 257, UINT64_MAX}; /* of no block */
    for (uint32_t index = 0; index < 3; index += 1) {
        fault = (struct fault){.zone = FAULT_ZONE_GRID, .address = addresses[index]};
        error_find_byte(&fault, &layout);
        EXPECT(fault.byte == 0);
    }
    fault = (struct fault){.zone = FAULT_ZONE_JOURNAL, .address = 3};
    error_find_byte(&fault, &layout);
    EXPECT(fault.byte == 0);
}

TEST(error, a_failed_write_names_the_byte_and_the_system_s_reason)
{
    const struct fault fault = {
        .status = TACTUS_IO,
        .zone = FAULT_ZONE_FILE,
        .what = "write",
        .byte = 4096,
        .os_error = 5,
    };
    expect_line(
        &fault, "write byte=4096: Input/output error; see to the device or the path, then reopen"
    );
    const struct fault full = {.status = TACTUS_FULL, .what = "grow", .os_error = 28};
    expect_line(
        &full, "grow: No space left on device; free space on the disk; removes and reads go on"
    );
}

TEST(error, a_busy_file_names_the_process_that_has_it)
{
    struct fault fault = {
        .status = TACTUS_BUSY, .what = "another process has the file open", .found_number = 4711};
    expect_line(
        &fault,
        "open: another process has the file open (process 4711); "
        "wait for the other process, or end it"
    );
    fault.found_number = 0; /* nobody knows */
    expect_line(
        &fault, "open: another process has the file open; wait for the other process, or end it"
    );
}

TEST(error, an_unknown_format_names_both_versions)
{
    const struct fault fault = {
        .status = TACTUS_VERSION,
        .what = "the file is of another format",
        .wanted_number = 1,
        .found_number = 9,
    };
    expect_line(
        &fault,
        "open: the file is of another format: format 9, this library knows 1; "
        "use a version of Tactus that knows this format"
    );
}

TEST(error, every_status_has_words_and_a_remedy)
{
    for (int status = TACTUS_EXISTS; status <= TACTUS_MISUSE; status += 1) {
        const struct fault fault = {.status = (enum tactus_status)status};
        char line[300];
        error_fault_line(line, sizeof line, &fault);
        const char *words = tactus_status_text((enum tactus_status)status);
        EXPECT(strstr(line, words) != NULL);
        const char *remedy = strstr(line, "; ");
        EXPECT(remedy != NULL && strlen(remedy) > 10);
    }
}

TEST(error, what_does_not_fit_is_cut_and_ends_with_a_zero)
{
    char what[400];
    memset(what, 'w', sizeof what - 1);
    what[sizeof what - 1] = 0;
    const struct fault fault = {.status = TACTUS_CORRUPT, .zone = FAULT_ZONE_GRID, .what = what};
    EXPECT(error_from_fault(&error, &fault) == TACTUS_CORRUPT);
    EXPECT(strnlen(error.text, sizeof error.text) == sizeof error.text - 1);
    for (size_t size = 1; size < 60; size += 1) {
        char line[64];
        memset(line, 'x', sizeof line);
        error_fault_line(line, size, &fault);
        EXPECT(strlen(line) == size - 1);
        for (size_t place = size; place < sizeof line; place += 1)
            EXPECT(line[place] == 'x');
    }
    EXPECT(error_set(&error, TACTUS_LIMIT, "%s", what) == TACTUS_LIMIT);
    EXPECT(strnlen(error.text, sizeof error.text) == sizeof error.text - 1);
}

TEST(error, without_a_place_for_words_the_status_is_enough)
{
    const struct fault fault = {.status = TACTUS_IO, .what = "read"};
    EXPECT(error_from_fault(NULL, &fault) == TACTUS_IO);
    EXPECT(error_set(NULL, TACTUS_BUSY, "%d", 5) == TACTUS_BUSY);
}

TEST_MAIN()
