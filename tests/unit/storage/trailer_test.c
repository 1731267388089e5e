#include "storage/trailer.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "base/random.h"
#include "support/storage_fixture.h"
#include "support/test.h"

#include <stdlib.h>

#include "base/poison.h"

enum { FULL = 4096 - BLOCK_HEADER_SIZE, SIZE_MAX_HERE = 10 * FULL };

static const struct storage_fixture_options plain = {0};

/* A fixture with one trailer written into it, and the ways to read it. */
struct trailer_case {
    struct storage_fixture fixture;
    struct trailer_reference reference;
    uint64_t addresses[16];
    uint64_t address_count;
    uint8_t bytes[SIZE_MAX_HERE];
    uint8_t found[SIZE_MAX_HERE];
    uint64_t found_addresses[32];
    uint8_t *scratch;
};

static struct trailer_case *case_new(uint64_t size)
{
    struct trailer_case *test = calloc(1, sizeof *test);
    assert(test != NULL);
    test->scratch = aligned_alloc(4096, 4096);
    struct storage_fixture *fixture = &test->fixture;
    storage_fixture_begin(fixture, storage_fixture_disk(3, &plain), &plain);
    storage_fixture_grid(fixture, 3);
    EXPECT(grid_grow(&fixture->grid, 40) == TACTUS_OK);
    struct random random;
    random_init(&random, size);
    random_fill(&random, test->bytes, size);
    test->address_count = trailer_acquire(&fixture->grid, size, test->addresses);
    const struct trailer_source source = {
        .type = BLOCK_STATE, .bytes = test->bytes, .size = size, .addresses = test->addresses};
    test->reference = trailer_write(&fixture->grid, &source);
    EXPECT(grid_writes_finish(&fixture->grid) == TACTUS_OK);
    return test;
}

static void case_free(struct trailer_case *test)
{
    storage_fixture_end(&test->fixture);
    simulated_disk_free(test->fixture.disk);
    free(test->scratch);
    free(test);
}

static enum tactus_status open_by(
    struct trailer_case *test, const struct trailer_reader *reader, struct trailer_target *target
)
{
    *target = (struct trailer_target){
        .bytes = test->found,
        .size_max = SIZE_MAX_HERE,
        .addresses = test->found_addresses,
        .address_count_max = COUNT_OF(test->found_addresses),
    };
    fault_clear(&test->fixture.fault);
    return trailer_open(reader, BLOCK_STATE, &test->reference, target);
}

static struct trailer_reader raw_reader(struct trailer_case *test)
{
    return (struct trailer_reader){
        .reactor = &test->fixture.reactor,
        .layout = &test->fixture.layout,
        .file_id = test->fixture.grid.options.file_id,
        .scratch = test->scratch,
        .fault = &test->fixture.fault,
    };
}

/* Both ways of reading answer alike. */
static enum tactus_status open_status(struct trailer_case *test)
{
    const struct trailer_reader by_grid = {.grid = &test->fixture.grid};
    const struct trailer_reader by_file = raw_reader(test);
    struct trailer_target target;
    const enum tactus_status status = open_by(test, &by_file, &target);
    EXPECT(open_by(test, &by_grid, &target) == status);
    EXPECT(test->fixture.grid.cache.pinned_count == 0);
    return status;
}

TEST(trailer, gives_back_strings_of_every_awkward_size)
{
    const uint64_t sizes[] = {0, 1, FULL - 1, FULL, FULL + 1, 3 * FULL, 9 * FULL + 17};
    for (uint32_t index = 0; index < COUNT_OF(sizes); index += 1) {
        struct trailer_case *test = case_new(sizes[index]);
        EXPECT(test->address_count == trailer_block_count(sizes[index], 4096));
        const struct trailer_reader readers[] = {{.grid = &test->fixture.grid}, raw_reader(test)};
        for (uint32_t turn = 0; turn < 2; turn += 1) {
            struct trailer_target target;
            EXPECT(open_by(test, &readers[turn], &target) == TACTUS_OK);
            EXPECT(target.size == sizes[index]);
            EXPECT(bytes_equal(test->found, test->bytes, sizes[index]));
            EXPECT(target.address_count == test->address_count);
            for (uint64_t block = 0; block < target.address_count; block += 1) {
                const uint64_t other = test->addresses[test->address_count - 1 - block];
                EXPECT(test->found_addresses[block] == other);
            }
        }
        case_free(test);
    }
}

TEST(trailer, is_no_block_at_all_when_it_is_empty)
{
    struct trailer_case *test = case_new(0);
    EXPECT(bytes_are_zero(&test->reference, sizeof test->reference));
    EXPECT(open_status(test) == TACTUS_OK);
    test->reference.last.address = 1;
    EXPECT(open_status(test) == TACTUS_CORRUPT);
    case_free(test);
}

TEST(trailer, is_corrupt_when_any_block_of_it_is)
{
    for (uint64_t block = 0; block < 3; block += 1) {
        struct trailer_case *test = case_new(2 * FULL + 100);
        const uint64_t offset =
            layout_block_offset(&test->fixture.layout, test->addresses[block]) + 150;
        /* What is cached is still right: only the file itself is damaged. */
        simulated_disk_flip(test->fixture.disk, offset, 2);
        const struct trailer_reader by_file = raw_reader(test);
        struct trailer_target target;
        EXPECT(open_by(test, &by_file, &target) == TACTUS_CORRUPT);
        EXPECT(test->fixture.fault.address == test->addresses[block]);
        EXPECT(test->fixture.fault.block_type == BLOCK_STATE);
        case_free(test);
    }
}

TEST(trailer, reads_its_copy_before_there_is_a_grid)
{
    struct trailer_case *test = case_new(100);
    const struct layout *layout = &test->fixture.layout;
    uint8_t block[4096];
    const uint64_t offset = layout_block_offset(layout, test->addresses[0]);
    simulated_disk_peek(test->fixture.disk, offset, block, sizeof block);
    simulated_disk_poke(test->fixture.disk, layout_block_offset(layout, 40), block, sizeof block);
    simulated_disk_flip(test->fixture.disk, offset, 2);
    test->reference.last.copy_address = 40;
    const struct trailer_reader by_file = raw_reader(test);
    struct trailer_target target;
    EXPECT(open_by(test, &by_file, &target) == TACTUS_OK);
    EXPECT(target.address_count == 2);
    EXPECT(test->found_addresses[1] == 40);
    case_free(test);
}

/* Changes the last block as someone would who can compute checksums, and refers to it. */
static struct block_header *forge_begin(struct trailer_case *test)
{
    const uint64_t address = test->reference.last.address;
    simulated_disk_peek(
        test->fixture.disk, layout_block_offset(&test->fixture.layout, address), test->scratch, 4096
    );
    return block_header_of(test->scratch);
}

static void forge_end(struct trailer_case *test)
{
    const uint64_t address = test->reference.last.address;
    test->reference.last.checksum = block_seal(test->scratch, test->fixture.grid.options.file_id);
    simulated_disk_poke(
        test->fixture.disk, layout_block_offset(&test->fixture.layout, address), test->scratch, 4096
    );
}

TEST(trailer, believes_no_forged_block)
{
    for (uint32_t turn = 0; turn < 8; turn += 1) {
        struct trailer_case *test = case_new(FULL + 100);
        struct block_header *header = forge_begin(test);
        if (turn == 0) header->size += 1;
        if (turn == 1) header->size = 4096;
        if (turn == 2) header->type = BLOCK_SCHEMA;
        if (turn == 3) header->tree = 1;
        if (turn == 4) header->snapshot = 1;
        if (turn == 5) header->metadata[40] = 1;
        if (turn == 6) bytes_zero(header->metadata, 32);      /* too short a chain */
        if (turn == 7) test->scratch[BLOCK_HEADER_SIZE] ^= 1; /* another string */
        forge_end(test);
        EXPECT(open_status(test) == TACTUS_CORRUPT);
        EXPECT(test->fixture.fault.what != NULL);
        case_free(test);
    }
}

TEST(trailer, believes_no_forged_reference)
{
    struct trailer_case *test = case_new(FULL + 100);
    const struct trailer_reference right = test->reference;
    EXPECT(open_status(test) == TACTUS_OK);
    test->reference.size = 100; /* the chain is longer than that */
    EXPECT(open_status(test) == TACTUS_CORRUPT);
    test->reference.size = 2 * FULL + 100; /* and shorter than that */
    EXPECT(open_status(test) == TACTUS_CORRUPT);
    test->reference.size = SIZE_MAX_HERE + 1;
    EXPECT(open_status(test) == TACTUS_CORRUPT);
    test->reference.size = UINT64_MAX;
    EXPECT(open_status(test) == TACTUS_CORRUPT);
    test->reference = right;
    test->reference.checksum.low ^= 1;
    EXPECT(open_status(test) == TACTUS_CORRUPT);
    test->reference = right;
    test->reference.last.address = UINT64_MAX;
    EXPECT(open_status(test) == TACTUS_CORRUPT);
    test->reference.last.address = 0;
    EXPECT(open_status(test) == TACTUS_CORRUPT);
    case_free(test);
}

TEST_MAIN()
