/* The block cache: all block buffers of a grid, found by address, for all threads that use it.
 *
 * A frame is a buffer. Whoever holds a reference may read its data, whatever happens to the
 * address meanwhile; frames without references are the cache proper, evicted by CLOCK. Frames being
 * read or written are referenced by the grid.
 *
 *   take ----> building (address 0) ---- insert ----> findable ---- evicted, or replaced ----> take
 *
 * Invariants, which block_cache_check() tests one by one:
 *
 *   C1  A frame is in the chain of its address exactly if it is findable.
 *   C2  No two findable frames have the same address: of a block that is written anew the old
 *       content is dropped first, so that nothing stale is ever found.
 *   C3  Findable frames have an address; pinned_count frames have references.
 *
 * Any thread may call, any time: one lock, held for short, guards the lists and counts. The data of
 * a frame is no concern of the lock: it is written by the one who took the frame, before it is
 * findable, and only read from then on. What a holder may read without the lock: data, address,
 * checksum, is_checked, type, tree, size. */
#ifndef TACTUS_STORAGE_BLOCK_CACHE_H
#define TACTUS_STORAGE_BLOCK_CACHE_H

#include "base/budget.h"
#include "base/checksum.h"
#include "base/lock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* A line of the CPU's cache each: to find a frame costs one miss, never two. */
struct block_frame {
    _Alignas(64) uint8_t *data; /* block_size bytes, 4096-aligned; kept for the cache's life */

    uint64_t address; /* 0: none yet; stays as long as there are references */
    struct checksum checksum;

    /* More than the checksum holds: whoever reads blocks of this type has found that what is in it
     * can be (keys ascend, counts fit), or we have built it. A block gets into the cache before
     * that is known, and may be let go of unchecked. By the functions below. */
    _Atomic bool is_checked;

    /* What the block's header says, once the frame has an address: so whoever finds the frame need
     * not wait for the header's line, too. */
    uint8_t type;
    uint16_t tree;
    uint32_t size;

    uint32_t references; /* under the lock, like all below */
    uint32_t next;       /* in the chain: index + 1; 0: the last */
    uint8_t chances;     /* turns of the clock's hand that it still survives */
    bool is_findable;    /* in the chain of its address */
};

/* For who holds a reference, of any thread, without the lock. Relaxed is enough: the flag hands
 * over no data. What it speaks of, the bytes, came with the reference, and nobody changes them
 * while one is held; two threads that check the same bytes find the same. Nor is it ever of other
 * bytes: it is cleared under the lock when nobody has a reference, before anybody can get one to
 * what comes next. */
static inline bool block_frame_is_checked(const struct block_frame *frame)
{
    return atomic_load_explicit(&frame->is_checked, memory_order_relaxed);
}

/* The whole check held. Writes only once, so that threads can share the frame's cache line. */
static inline void block_frame_note_checked(struct block_frame *frame)
{
    if (block_frame_is_checked(frame)) return;
    atomic_store_explicit(&frame->is_checked, true, memory_order_relaxed);
}

struct block_cache {
    struct block_frame *frames; /* from the budget, like all below */
    _Atomic uint32_t *heads;    /* a chain per bucket: index + 1; 0: empty */
    uint32_t frame_count;
    uint32_t bucket_bits;
    uint32_t block_size;

    struct lock lock;
    uint32_t hand;
    uint32_t pinned_count;
};

/* Takes frame_count buffers of block_size bytes. frame_count is at least one more than the most
 * frames that are ever referenced at once, so that block_cache_take() always finds one. */
void block_cache_init(
    struct block_cache *cache, struct budget *budget, uint32_t frame_count, uint32_t block_size
);

/* Nothing may be called afterwards. Frames may still be held: nobody looks at them any more. */
void block_cache_deinit(struct block_cache *cache);

/* O(frames): for assert_slow() and tests. */
void block_cache_check(struct block_cache *cache);

/* The frame that holds exactly this block, with one more reference; NULL: none does. */
struct block_frame *block_cache_find(
    struct block_cache *cache, uint64_t address, struct checksum checksum
);

/* Has the CPU fetch what block_cache_find() of this address will look at, without waiting for it:
 * first its place in the index, then, once that has come, the frame. Hints, without the lock. */
void block_cache_prefetch_head(const struct block_cache *cache, uint64_t address);
void block_cache_prefetch_frame(const struct block_cache *cache, uint64_t address);

/* A frame to fill, with one reference; its address is 0, its data whatever it was, its header (the
 * first 128 bytes) zero; it is not checked. Evicts where it must. */
struct block_frame *block_cache_take(struct block_cache *cache);

/* Makes a taken frame findable under its new address; what was there before is dropped (C2), and
 * stays readable for those who have references to it. */
void block_cache_insert(
    struct block_cache *cache, struct block_frame *frame, uint64_t address, struct checksum checksum
);

/* The same for a frame that was filled by reading this block, and is not checked yet; gives the
 * frame to go on with, which the caller's reference is to. If the address has content already,
 * that stays: this very block, which another thread has read meanwhile, then takes the place of the
 * given frame; of another block (the address was written anew) the given frame is not findable, and
 * good all the same. */
struct block_frame *block_cache_insert_read(
    struct block_cache *cache, struct block_frame *frame, uint64_t address, struct checksum checksum
);

/* One more, one less. */
void block_cache_ref(struct block_cache *cache, struct block_frame *frame);
void block_cache_unref(struct block_cache *cache, struct block_frame *frame);

/* Whatever is cached of this address is the next to go: it was released. */
void block_cache_demote(struct block_cache *cache, uint64_t address);

#endif
