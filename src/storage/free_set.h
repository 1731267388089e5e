/* The free set: which blocks of the grid may be written, and when those let go may be again.
 *
 * A block is *free*, *acquired*, or acquired and *released* (nothing new refers to it, but a
 * checkpoint still may). What is handed out depends on the history of calls alone, never on
 * timing: reservations are made in a fixed order, each claims the lowest free addresses that no
 * earlier one claims, and whoever holds one may then acquire at any time.
 *
 *   reserve*  ->  acquire*  ->  forfeit*        a cycle; after the first forfeit nobody may reserve
 *                                               until all have forfeited
 *
 * A block that is released becomes free `keep` checkpoints later (S13). What was released between
 * two captures is a *generation*; there are keep of them, and the *side*, which is the next:
 *
 *   generation   0   1   ...   keep - 1   side
 *                |                |         |
 *                |                |         released while an effect is pending
 *                |                released since the last capture but the pending one
 *                freed at the next effect: then all move up by one, and the side is empty
 *
 *   release ----> newest ---- capture C: all generations encoded ---- effect of C: 0 is free
 *                 side   ---- (released between C's capture and its effect) ----> newest
 *
 * Invariants, which free_set_check() tests one by one:
 *
 *   F1  Generations and side are subsets of acquired, and no two have a block in common.
 *   F2  Unless a capture's effect is pending, side is empty.
 *   F3  A shard's index bit is set exactly if all of its blocks are acquired.
 *   F4  The counts, and the highest acquired address, are those of the bit sets.
 *
 * The sets are sized for block_count_max, but memory that was never needed is never touched: zero
 * means free, and every walk ends at the highest acquired block or at what it looks for. */
#ifndef TACTUS_STORAGE_FREE_SET_H
#define TACTUS_STORAGE_FREE_SET_H

#include "base/bit_set.h"
#include "base/budget.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    FREE_SET_SHARD_BLOCKS = 4096, /* that one bit of the index stands for */
    FREE_SET_KEEP_MAX = 8         /* checkpoints that a released block can be kept for */
};

/* A claim on the free blocks among [base, limit), positions counted from 0 (address - 1). */
struct free_set_reservation {
    uint64_t base;
    uint64_t limit;
    uint64_t block_count; /* free blocks that it claimed */
    uint64_t session;     /* the cycle it belongs to */

    uint64_t cursor;         /* nothing below it is left to acquire */
    uint64_t acquired_count; /* of block_count */
};

/* Blocks that were released between two captures. */
struct free_set_generation {
    struct bit_set blocks;
    uint64_t count;
};

struct free_set {
    uint64_t block_count_max;
    uint32_t keep; /* from 1 to FREE_SET_KEEP_MAX */
    struct bit_set acquired;
    struct free_set_generation released[FREE_SET_KEEP_MAX + 1]; /* keep + 1 of them, in a ring */
    uint32_t oldest;      /* place of generation 0 in it; the side is the one before */
    struct bit_set index; /* a bit per shard: set if no block of it is free */

    uint64_t acquired_count;
    uint64_t highest; /* highest address acquired; 0: none is */
    bool opened;
    bool effect_pending;

    uint64_t reserved_limit; /* positions below it are spoken for in this cycle */
    uint64_t reserved_count; /* blocks reserved and not yet acquired */
    uint64_t session;
    uint32_t reservations_open;
    bool forfeiting;
};

/* Takes the sets' memory. All blocks are free and no effect is pending; not open. */
void free_set_init(
    struct free_set *set, struct budget *budget, uint64_t block_count_max, uint32_t keep
);

/* Opens a set that nothing was ever acquired from: at create. */
void free_set_open_empty(struct free_set *set);

/* The encoded form: plain 64-bit words, little-endian, no zero word at the end. `released` has the
 * generations one after the other, the oldest first, each with as many words as acquired has; the
 * last one's zero words, and whole generations of them, are left out at the end. */
struct free_set_words {
    const uint8_t *acquired; /* borrowed for the call */
    const uint8_t *released;
    uint64_t acquired_count; /* words */
    uint64_t released_count;
};

/* Says why these words cannot be what free_set_encode() made for a file of block_count blocks, or
 * NULL if they can be. The words may come from a file that anyone wrote. */
const char *free_set_fault(
    const struct free_set *set, const struct free_set_words *words, uint64_t block_count
);

/* The bits of word number `word` that are in any generation. Words without fault. */
uint64_t free_set_words_released(const struct free_set_words *words, uint64_t word);

/* Opens from words without fault. An effect is pending then, as it was right after the capture that
 * made them; the blocks that hold the words themselves are free in them (S11): the caller adds them
 * by free_set_open_own(). Not open before; costs O(words). */
void free_set_open(struct free_set *set, const struct free_set_words *words);

/* Adds a trailer block of the opened checkpoint: acquired, and in the side set, as it was in the
 * process that wrote it. False, and nothing done: it is beyond block_count_max, or it is not in the
 * state that `free_before` says (encoded as free, or as acquired and not released). */
bool free_set_open_own(struct free_set *set, uint64_t address, bool free_before);

/* O(block_count_max): for assert_slow() and tests. */
void free_set_check(const struct free_set *set);

/* Claims the count lowest free blocks that no open reservation claims. False, and nothing changes:
 * there are not as many below block_count_max. count may be 0. Nobody may have forfeited in this
 * cycle. Costs O(words walked). */
bool free_set_reserve(
    struct free_set *set, uint64_t count, struct free_set_reservation *reservation
);

/* The lowest free address of the reservation, now acquired. It must not be exhausted. */
uint64_t free_set_acquire(struct free_set *set, struct free_set_reservation *reservation);

/* Gives back what the reservation did not acquire; it is dead then. */
void free_set_forfeit(struct free_set *set, struct free_set_reservation *reservation);

/* The addresses that the reservation will acquire, ascending, free_set_reservation_left() of them,
 * into `addresses`. */
void free_set_reservation_list(
    const struct free_set *set, const struct free_set_reservation *reservation, uint64_t *addresses
);

/* Blocks that the reservation may still acquire. */
uint64_t free_set_reservation_left(const struct free_set_reservation *reservation);

/* Lets go of a block: acquired, and not released before. It stays acquired until an effect. */
void free_set_release(struct free_set *set, uint64_t address);

/* An address out of range is neither free nor released. */
bool free_set_is_free(const struct free_set *set, uint64_t address);
bool free_set_is_released(const struct free_set *set, uint64_t address); /* side included */

/* Effects until a released block is free, from 1; keep + 1: it is of the side. 0: not released. */
uint32_t free_set_effects_left(const struct free_set *set, uint64_t address);

uint64_t free_set_count_free(const struct free_set *set);     /* under block_count_max; O(1) */
uint64_t free_set_count_acquired(const struct free_set *set); /* released ones included; O(1) */
uint64_t free_set_count_released(const struct free_set *set); /* side included; O(1) */
/* Of the released ones, those that would be free by now if keep were 1; O(1). */
uint64_t free_set_count_kept(const struct free_set *set);
uint64_t free_set_count_reserved(const struct free_set *set); /* and not acquired; O(1) */

/* 0: none is. */
uint64_t free_set_highest_acquired(const struct free_set *set);

/* The address of the n-th free block, n from 1: a file this long has room for n more. Blocks that
 * are reserved but not acquired count as free: add free_set_count_reserved() to n if they must stay
 * available. 0: there are fewer. Costs O(words walked). */
uint64_t free_set_nth_free(const struct free_set *set, uint64_t n);

/* Bytes of the encoded sets: multiples of 8. free_set_encoded_size_max() is the most that acquired
 * has, and that each generation has of the released ones. */
uint64_t free_set_acquired_size(const struct free_set *set);
uint64_t free_set_released_size(const struct free_set *set);
uint64_t free_set_encoded_size_max(uint64_t block_count_max);

/* Writes all sets into buffers of the sizes above. No reservation is open, no effect is
 * pending. */
void free_set_encode(const struct free_set *set, uint8_t *acquired, uint8_t *released);

/* A checkpoint has encoded the set: from now on releases go to the side set. No effect is pending,
 * no reservation is open but one that is for the checkpoint's own blocks. */
void free_set_capture(struct free_set *set);

/* The captured checkpoint is durable and its beat has come: frees the oldest generation, what was
 * released keep captures ago; the side set is the newest then. No reservation is open.
 * O(highest / 64). */
void free_set_effect(struct free_set *set);

#endif
