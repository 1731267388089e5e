#include "storage/block_cache.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "storage/block.h"
#include "support/test.h"

#include <stdlib.h>

#include "base/poison.h"

enum { BLOCK_SIZE = 4096 };

struct fixture {
    struct block_cache cache;
    void *region;
};

static void fixture_begin(struct fixture *fixture, uint32_t frame_count)
{
    struct budget budget;
    budget_measure_begin(&budget);
    block_cache_init(&fixture->cache, &budget, frame_count, BLOCK_SIZE);
    const uint64_t size = budget_used(&budget);
    fixture->region =
        aligned_alloc(BUDGET_ALIGNMENT, (size / BUDGET_ALIGNMENT + 1) * BUDGET_ALIGNMENT);
    assert(fixture->region != NULL);
    bytes_zero(fixture->region, size);
    budget_carve_begin(&budget, fixture->region, size);
    block_cache_init(&fixture->cache, &budget, frame_count, BLOCK_SIZE);
}

static void fixture_end(struct fixture *fixture)
{
    block_cache_check(&fixture->cache);
    block_cache_deinit(&fixture->cache);
    free(fixture->region);
}

static struct checksum checksum_n(uint64_t n)
{
    return (struct checksum){.low = n, .high = ~n};
}

/* Caches a block whose first byte behind the header is its checksum's low byte; not held. */
static void put(struct block_cache *cache, uint64_t address, uint64_t checksum)
{
    struct block_frame *frame = block_cache_take(cache);
    frame->data[200] = (uint8_t)checksum;
    block_cache_insert(cache, frame, address, checksum_n(checksum));
    block_cache_unref(cache, frame);
}

/* Whether the block is cached, and is what it should be. */
static bool has(struct block_cache *cache, uint64_t address, uint64_t checksum)
{
    struct block_frame *frame = block_cache_find(cache, address, checksum_n(checksum));
    if (frame == NULL) return false;
    EXPECT(frame->address == address);
    EXPECT(frame->data[200] == (uint8_t)checksum);
    block_cache_unref(cache, frame);
    return true;
}

TEST(block_cache, finds_a_block_by_address_and_checksum_alone)
{
    struct fixture fixture;
    fixture_begin(&fixture, 4);
    put(&fixture.cache, 7, 70);
    EXPECT(has(&fixture.cache, 7, 70));
    EXPECT(!has(&fixture.cache, 7, 71));
    EXPECT(!has(&fixture.cache, 8, 70));
    fixture_end(&fixture);
}

TEST(block_cache, drops_the_stale_block_when_its_address_is_written_anew)
{
    struct fixture fixture;
    fixture_begin(&fixture, 4);
    put(&fixture.cache, 7, 70);
    struct block_frame *held = block_cache_find(&fixture.cache, 7, checksum_n(70));
    put(&fixture.cache, 7, 71);
    EXPECT(!has(&fixture.cache, 7, 70));
    EXPECT(has(&fixture.cache, 7, 71));
    EXPECT(held->data[200] == 70); /* whoever has it may read on */
    block_cache_check(&fixture.cache);
    block_cache_unref(&fixture.cache, held);
    block_cache_check(&fixture.cache);
    for (uint64_t address = 10; address < 14; address += 1)
        put(&fixture.cache, address, address);
    fixture_end(&fixture);
}

/* Takes a frame and gives it back as filled by reading; not held. */
static struct block_frame *put_read(struct block_cache *cache, uint64_t address, uint64_t checksum)
{
    struct block_frame *frame = block_cache_take(cache);
    frame->data[200] = (uint8_t)checksum;
    return block_cache_insert_read(cache, frame, address, checksum_n(checksum));
}

TEST(block_cache, knows_what_the_header_of_a_block_says_for_as_long_as_it_is_that_block)
{
    struct fixture fixture;
    fixture_begin(&fixture, 3);
    EXPECT(sizeof(struct block_frame) == 64 && (uintptr_t)fixture.cache.frames % 64 == 0);
    struct block_frame *frames[3];
    for (uint32_t way = 0; way < 3; way += 1) { /* built; read; read, its address being taken */
        struct block_frame *frame = block_cache_take(&fixture.cache);
        EXPECT(frame->type == 0 && frame->tree == 0 && frame->size == 0);
        struct block_header *header = block_header_of(frame->data);
        header->type = BLOCK_LEAF;
        header->tree = (uint16_t)(300 + way);
        header->size = 1000 + way;
        if (way == 0) block_cache_insert(&fixture.cache, frame, 7, checksum_n(70));
        if (way > 0) {
            EXPECT(
                block_cache_insert_read(&fixture.cache, frame, way == 1 ? 8 : 7, checksum_n(71)) ==
                frame
            );
        }
        frames[way] = frame;
    }
    for (uint32_t way = 0; way < 3; way += 1) {
        EXPECT(frames[way]->type == BLOCK_LEAF && frames[way]->tree == 300 + way);
        EXPECT(frames[way]->size == 1000 + way);
        block_cache_unref(&fixture.cache, frames[way]);
    }
    fixture_end(&fixture);
}

TEST(block_cache, keeps_one_frame_of_a_block_that_was_read_twice)
{
    struct fixture fixture;
    fixture_begin(&fixture, 4);
    struct block_frame *first = put_read(&fixture.cache, 7, 70);
    struct block_frame *second = put_read(&fixture.cache, 7, 70);
    EXPECT(first == second);
    EXPECT(first->references == 2);
    EXPECT(fixture.cache.pinned_count == 1); /* the frame of the second went back */
    block_cache_unref(&fixture.cache, first);
    block_cache_unref(&fixture.cache, second);
    EXPECT(has(&fixture.cache, 7, 70));
    fixture_end(&fixture);
}

TEST(block_cache, lets_no_block_that_was_read_drive_out_a_newer_one)
{
    struct fixture fixture;
    fixture_begin(&fixture, 4);
    put(&fixture.cache, 7, 71); /* written anew, while the old content was being read */
    struct block_frame *old = put_read(&fixture.cache, 7, 70);
    EXPECT(old->address == 7);
    EXPECT(checksum_equal(old->checksum, checksum_n(70)));
    EXPECT(old->data[200] == 70);
    EXPECT(!has(&fixture.cache, 7, 70));
    EXPECT(has(&fixture.cache, 7, 71));
    block_cache_unref(&fixture.cache, old);
    fixture_end(&fixture);
}

TEST(block_cache, never_evicts_what_is_held)
{
    struct fixture fixture;
    fixture_begin(&fixture, 3);
    put(&fixture.cache, 1, 1);
    put(&fixture.cache, 2, 2);
    struct block_frame *one = block_cache_find(&fixture.cache, 1, checksum_n(1));
    struct block_frame *two = block_cache_find(&fixture.cache, 2, checksum_n(2));
    EXPECT(fixture.cache.pinned_count == 2);
    for (uint64_t address = 10; address < 30; address += 1)
        put(&fixture.cache, address, address);
    EXPECT(one->data[200] == 1);
    EXPECT(two->data[200] == 2);
    EXPECT(has(&fixture.cache, 1, 1));
    block_cache_unref(&fixture.cache, one);
    block_cache_unref(&fixture.cache, two);
    EXPECT(fixture.cache.pinned_count == 0);
    fixture_end(&fixture);
}

TEST(block_cache, keeps_what_is_asked_for_often_through_a_scan)
{
    struct fixture fixture;
    fixture_begin(&fixture, 8);
    put(&fixture.cache, 1, 1);
    for (uint64_t address = 10; address < 100; address += 1) {
        EXPECT(has(&fixture.cache, 1, 1));
        put(&fixture.cache, address, address);
    }
    EXPECT(has(&fixture.cache, 1, 1));
    fixture_end(&fixture);
}

TEST(block_cache, lets_a_released_block_go_first)
{
    struct fixture fixture;
    fixture_begin(&fixture, 4);
    for (uint64_t address = 1; address <= 4; address += 1)
        put(&fixture.cache, address, address);
    block_cache_demote(&fixture.cache, 3);
    block_cache_demote(&fixture.cache, 99); /* not there: fine */
    put(&fixture.cache, 5, 5);
    EXPECT(!has(&fixture.cache, 3, 3));
    EXPECT(has(&fixture.cache, 1, 1));
    EXPECT(has(&fixture.cache, 5, 5));
    fixture_end(&fixture);
}

TEST(block_cache, gives_a_frame_with_a_zeroed_header_and_no_address)
{
    struct fixture fixture;
    fixture_begin(&fixture, 1);
    struct block_frame *frame = block_cache_take(&fixture.cache);
    for (uint32_t index = 0; index < BLOCK_SIZE; index += 1)
        frame->data[index] = 0xff;
    block_cache_insert(&fixture.cache, frame, 5, checksum_n(255));
    block_cache_unref(&fixture.cache, frame);
    frame = block_cache_take(&fixture.cache);
    EXPECT(bytes_are_zero(frame->data, 128));
    EXPECT(frame->address == 0);
    EXPECT(!has(&fixture.cache, 5, 255));
    block_cache_unref(&fixture.cache, frame);
    fixture_end(&fixture);
}

TEST_MAIN()
