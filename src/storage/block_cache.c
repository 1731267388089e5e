#include "storage/block_cache.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "storage/block.h"

#include <stddef.h>

#include "base/poison.h"

enum {
    /* Turns of the hand that a block survives: more the more often it was asked for, so that one
     * long scan does not drive out what is used all the time. */
    CHANCES_NEW = 1,
    CHANCES_MAX = 3,
};

/* ---- Inside: under the lock, which the functions of the header take ------------------------- */

static uint32_t bucket_of(const struct block_cache *cache, uint64_t address)
{
    /* Fibonacci hashing: neighbouring addresses, the common case, fall into different buckets. */
    return (uint32_t)((address * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - cache->bucket_bits));
}

static uint32_t frame_index(const struct block_cache *cache, const struct block_frame *frame)
{
    assert(frame >= cache->frames);
    assert(frame < cache->frames + cache->frame_count);
    return (uint32_t)(frame - cache->frames);
}

/* Heads are atomic for block_cache_prefetch_frame() alone: an index that is out of date is as good
 * to it as any. */
static uint32_t head_of(const struct block_cache *cache, uint64_t address)
{
    return atomic_load_explicit(&cache->heads[bucket_of(cache, address)], memory_order_relaxed);
}

static void set_head(struct block_cache *cache, uint64_t address, uint32_t link)
{
    atomic_store_explicit(&cache->heads[bucket_of(cache, address)], link, memory_order_relaxed);
}

/* The findable frame of this address, or NULL. */
static struct block_frame *lookup(const struct block_cache *cache, uint64_t address)
{
    uint32_t link = head_of(cache, address);
    while (link != 0) { /* ends: each frame is in one chain once */
        struct block_frame *frame = &cache->frames[link - 1];
        if (frame->address == address) return frame;
        link = frame->next;
    }
    return NULL;
}

/* Takes a frame out of its chain. */
static void drop(struct block_cache *cache, struct block_frame *frame)
{
    assert(frame->is_findable);
    const uint32_t own = frame_index(cache, frame) + 1;
    uint32_t link = head_of(cache, frame->address);
    if (link == own) {
        set_head(cache, frame->address, frame->next);
    } else {
        assert(link != 0);
        while (cache->frames[link - 1].next != own) { /* ends: the frame is in this chain (C1) */
            link = cache->frames[link - 1].next;
            assert(link != 0);
        }
        cache->frames[link - 1].next = frame->next;
    }
    frame->next = 0;
    frame->is_findable = false;
}

void block_cache_init(
    struct block_cache *cache, struct budget *budget, uint32_t frame_count, uint32_t block_size
)
{
    assert(frame_count > 0);
    assert(frame_count < UINT32_MAX / 4);
    assert(is_power_of_two(block_size));
    assert(block_size >= BUDGET_ALIGNMENT);

    *cache = (struct block_cache){.frame_count = frame_count, .block_size = block_size};
    /* At least two buckets for each frame. */
    cache->bucket_bits = 1;
    while ((UINT64_C(1) << cache->bucket_bits) < 2 * (uint64_t)frame_count)
        cache->bucket_bits += 1;
    cache->frames =
        budget_take(budget, frame_count, sizeof *cache->frames, _Alignof(struct block_frame));
    cache->heads = budget_take(
        budget, UINT64_C(1) << cache->bucket_bits, sizeof *cache->heads, _Alignof(_Atomic uint32_t)
    );
    uint8_t *data = budget_take(budget, frame_count, block_size, BUDGET_ALIGNMENT);
    if (budget_is_measuring(budget)) return;

    lock_init(&cache->lock);
    for (uint32_t index = 0; index < frame_count; index += 1) {
        cache->frames[index].data = data + (uint64_t)index * block_size;
    }
}

void block_cache_deinit(struct block_cache *cache)
{
    lock_deinit(&cache->lock);
}

static void check(const struct block_cache *cache)
{
    uint32_t findable_count = 0;
    uint32_t pinned_count = 0;
    for (uint32_t index = 0; index < cache->frame_count; index += 1) {
        const struct block_frame *frame = &cache->frames[index];
        if (frame->references > 0) pinned_count += 1;
        if (!frame->is_findable) continue;
        assert(frame->address > 0);
        assert(lookup(cache, frame->address) == frame);
        findable_count += 1;
    }
    assert(cache->pinned_count == pinned_count);

    uint32_t linked_count = 0;
    for (uint32_t bucket = 0; bucket < UINT32_C(1) << cache->bucket_bits; bucket += 1) {
        for (uint32_t link = cache->heads[bucket]; link != 0; linked_count += 1) {
            assert(cache->frames[link - 1].is_findable);
            assert(bucket_of(cache, cache->frames[link - 1].address) == bucket);
            assert(linked_count < cache->frame_count); /* else the chain has a cycle */
            link = cache->frames[link - 1].next;
        }
    }
    assert(linked_count == findable_count);
}

void block_cache_check(struct block_cache *cache)
{
    lock_acquire(&cache->lock);
    check(cache);
    lock_release(&cache->lock);
}

static void ref(struct block_cache *cache, struct block_frame *frame)
{
    assert(frame->references < UINT32_MAX);
    frame->references += 1;
    if (frame->references == 1) cache->pinned_count += 1;
}

static void unref(struct block_cache *cache, struct block_frame *frame)
{
    assert(frame_index(cache, frame) < cache->frame_count);
    assert(frame->references > 0);
    assert(cache->pinned_count > 0);
    frame->references -= 1;
    if (frame->references == 0) cache->pinned_count -= 1;
}

void block_cache_ref(struct block_cache *cache, struct block_frame *frame)
{
    lock_acquire(&cache->lock);
    assert(frame->references > 0); /* else it could be evicted under the caller's hands */
    ref(cache, frame);
    lock_release(&cache->lock);
}

void block_cache_unref(struct block_cache *cache, struct block_frame *frame)
{
    lock_acquire(&cache->lock);
    unref(cache, frame);
    lock_release(&cache->lock);
}

/* The findable frame of exactly this block, with one more reference; or NULL. */
static struct block_frame *find(
    struct block_cache *cache, uint64_t address, struct checksum checksum
)
{
    struct block_frame *frame = lookup(cache, address);
    if (frame == NULL || !checksum_equal(frame->checksum, checksum)) return NULL;
    if (frame->chances < CHANCES_MAX) frame->chances += 1;
    ref(cache, frame);
    return frame;
}

struct block_frame *block_cache_find(
    struct block_cache *cache, uint64_t address, struct checksum checksum
)
{
    lock_acquire(&cache->lock);
    struct block_frame *frame = find(cache, address, checksum);
    lock_release(&cache->lock);
    return frame;
}

void block_cache_prefetch_head(const struct block_cache *cache, uint64_t address)
{
    __builtin_prefetch(&cache->heads[bucket_of(cache, address)]);
}

void block_cache_prefetch_frame(const struct block_cache *cache, uint64_t address)
{
    const uint32_t link = head_of(cache, address);
    if (link != 0) bytes_prefetch(&cache->frames[link - 1], 1);
}

/* The frame to fill next. Each turn of the hand takes a chance from every frame that nobody holds,
 * so it ends within CHANCES_MAX + 1 turns, if there is any such frame. */
static struct block_frame *evict(struct block_cache *cache)
{
    const uint64_t steps_max = (uint64_t)cache->frame_count * (CHANCES_MAX + 1);
    for (uint64_t step = 0; step < steps_max; step += 1) {
        struct block_frame *frame = &cache->frames[cache->hand];
        cache->hand = cache->hand + 1 == cache->frame_count ? 0 : cache->hand + 1;
        if (frame->references > 0) continue;
        if (frame->chances > 0 && frame->is_findable) {
            frame->chances -= 1;
            continue;
        }
        if (frame->is_findable) drop(cache, frame);
        return frame;
    }
    assert(false); /* more frames are held than block_cache_init() was told */
    return NULL;
}

struct block_frame *block_cache_take(struct block_cache *cache)
{
    lock_acquire(&cache->lock);
    assert(cache->pinned_count < cache->frame_count);
    struct block_frame *frame = evict(cache);
    assert(frame->references == 0);
    assert(frame->next == 0);
    frame->address = 0;
    frame->checksum = (struct checksum){0};
    frame->type = 0;
    frame->tree = 0;
    frame->size = 0;
    atomic_store_explicit(&frame->is_checked, false, memory_order_relaxed);
    frame->chances = 0;
    ref(cache, frame);
    lock_release(&cache->lock);

    bytes_zero(
        frame->data, BLOCK_HEADER_SIZE
    ); /* so that nobody takes what was there for his own */
    return frame;
}

/* From here on the frame is that block's. */
static void name(struct block_frame *frame, uint64_t address, struct checksum checksum)
{
    const struct block_header *header = block_header_read(frame->data);
    frame->address = address;
    frame->checksum = checksum;
    frame->type = header->type;
    frame->tree = header->tree;
    frame->size = header->size;
}

/* Puts the frame into the chain of the address, which has no other. */
static void link_in(
    struct block_cache *cache, struct block_frame *frame, uint64_t address, struct checksum checksum
)
{
    name(frame, address, checksum);
    frame->chances = CHANCES_NEW;
    frame->next = head_of(cache, address);
    frame->is_findable = true;
    set_head(cache, address, frame_index(cache, frame) + 1);
    assert_slow((check(cache), true));
}

/* What whoever filled a frame asserts before it becomes findable. */
static void check_filled(const struct block_frame *frame, uint64_t address)
{
    assert(address > 0);
    assert(frame->references > 0);
    assert(frame->address == 0);
    assert(!frame->is_findable);
}

void block_cache_insert(
    struct block_cache *cache, struct block_frame *frame, uint64_t address, struct checksum checksum
)
{
    lock_acquire(&cache->lock);
    check_filled(frame, address);
    struct block_frame *stale = lookup(cache, address);
    if (stale != NULL) drop(cache, stale);
    link_in(cache, frame, address, checksum);
    lock_release(&cache->lock);
}

struct block_frame *block_cache_insert_read(
    struct block_cache *cache, struct block_frame *frame, uint64_t address, struct checksum checksum
)
{
    lock_acquire(&cache->lock);
    check_filled(frame, address);
    assert(!block_frame_is_checked(frame));
    struct block_frame *result = find(cache, address, checksum);
    if (result != NULL) {
        unref(cache, frame);
    } else {
        result = frame;
        if (lookup(cache, address) == NULL) {
            link_in(cache, frame, address, checksum);
        } else {
            name(frame, address, checksum);
        }
    }
    lock_release(&cache->lock);
    return result;
}

void block_cache_demote(struct block_cache *cache, uint64_t address)
{
    lock_acquire(&cache->lock);
    struct block_frame *frame = lookup(cache, address);
    if (frame != NULL) frame->chances = 0;
    lock_release(&cache->lock);
}
