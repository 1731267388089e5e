#include "storage/free_set.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"

#include <stddef.h>

#include "base/poison.h"

enum { WORD_BITS = 64, SHARD_WORDS = FREE_SET_SHARD_BLOCKS / WORD_BITS };

static_assert(FREE_SET_SHARD_BLOCKS % WORD_BITS == 0, "a word belongs to one shard");

static uint64_t word_total(const struct free_set *set)
{
    return bit_set_word_count(set->block_count_max);
}

/* Words that can hold an acquired bit: all others are zero in every set. */
static uint64_t word_used(const struct free_set *set)
{
    return bit_set_word_count(set->highest);
}

/* Generation number `generation`, from 0: the oldest; keep: the side. */
static struct free_set_generation *generation_of(struct free_set *set, uint32_t generation)
{
    assert(generation <= set->keep);
    return &set->released[(set->oldest + generation) % (set->keep + 1)];
}

static const struct free_set_generation *generation_at(
    const struct free_set *set, uint32_t generation
)
{
    assert(generation <= set->keep);
    return &set->released[(set->oldest + generation) % (set->keep + 1)];
}

/* The blocks of this word that are free. Bits past the last block are neither free nor acquired. */
static uint64_t word_free(const struct free_set *set, uint64_t word)
{
    const uint64_t blocks = set->block_count_max - word * WORD_BITS;
    const uint64_t exists = blocks < WORD_BITS ? (UINT64_C(1) << blocks) - 1 : UINT64_MAX;
    return ~set->acquired.words[word] & exists;
}

/* A word with the n-th of its set bits (from 1) and all bits above it cleared. */
static uint64_t bits_below_nth(uint64_t bits, uint64_t n)
{
    uint64_t rest = bits;
    for (uint64_t index = 1; index < n; index += 1)
        rest &= rest - 1;
    assert(rest != 0);
    return (rest & -rest) - 1;
}

/* The first position from `from` on at which `count` free blocks lie behind us, or UINT64_MAX:
 * there are not as many. Takes a shard at a time where it is full, else a word. */
static uint64_t position_after(const struct free_set *set, uint64_t from, uint64_t count)
{
    assert(count > 0);
    uint64_t left = count;
    uint64_t mask =
        ~((UINT64_C(1) << (from % WORD_BITS)) - 1); /* bits of the first word to look at */
    for (uint64_t word = from / WORD_BITS; word < word_total(set);) {
        if (bit_set_get(&set->index, word / SHARD_WORDS)) {
            word = bit_set_find_first_clear(&set->index, word / SHARD_WORDS) * SHARD_WORDS;
            mask = UINT64_MAX;
            continue;
        }
        const uint64_t bits = word_free(set, word) & mask;
        const uint64_t found = (uint64_t)__builtin_popcountll(bits);
        if (found >= left) {
            const uint64_t below = bits_below_nth(bits, left);
            return word * WORD_BITS + (uint64_t)__builtin_popcountll(below) + 1;
        }
        left -= found;
        mask = UINT64_MAX;
        word += 1;
    }
    return UINT64_MAX;
}

void free_set_init(
    struct free_set *set, struct budget *budget, uint64_t block_count_max, uint32_t keep
)
{
    assert(block_count_max > 0);
    assert(keep >= 1 && keep <= FREE_SET_KEEP_MAX);
    *set = (struct free_set){.block_count_max = block_count_max, .keep = keep};
    bit_set_init(&set->acquired, budget, block_count_max);
    for (uint32_t generation = 0; generation <= keep; generation += 1) {
        bit_set_init(&set->released[generation].blocks, budget, block_count_max);
    }
    bit_set_init(&set->index, budget, div_ceil_u64(block_count_max, FREE_SET_SHARD_BLOCKS));
}

void free_set_open_empty(struct free_set *set)
{
    assert(!set->opened);
    assert(set->acquired_count == 0);
    set->opened = true;
}

/* Whether these words, which no zero word may end, name blocks up to `limit` only. */
static bool words_fit(const uint8_t *words, uint64_t count, uint64_t limit)
{
    if (count == 0) return true;
    if (count > bit_set_word_count(limit)) return false;
    const uint64_t last = load_u64(words + (count - 1) * sizeof last);
    if (last == 0) return false;
    const uint64_t highest = count * WORD_BITS - (uint64_t)__builtin_clzll(last);
    return highest <= limit;
}

/* Every released block must be acquired, and released once. */
static const char *released_fault(const struct free_set_words *words)
{
    for (uint64_t word = 0; word < words->acquired_count; word += 1) {
        const uint64_t acquired = load_u64(words->acquired + word * sizeof acquired);
        uint64_t seen = 0;
        for (uint64_t at = word; at < words->released_count; at += words->acquired_count) {
            const uint64_t released = load_u64(words->released + at * sizeof released);
            if ((released & ~acquired) != 0)
                return "the free set has released blocks that are free";
            if ((released & seen) != 0) return "the free set has a block that was released twice";
            seen |= released;
        }
    }
    return NULL;
}

const char *free_set_fault(
    const struct free_set *set, const struct free_set_words *words, uint64_t block_count
)
{
    if (block_count > set->block_count_max) return "the file has more blocks than its size_max";
    if (!words_fit(words->acquired, words->acquired_count, block_count)) {
        return "the free set has blocks beyond the end of the file";
    }
    if (words->released_count == 0) return NULL;
    if (words->released_count > set->keep * words->acquired_count) {
        return "the free set has more released blocks than keep allows, or free ones";
    }
    const uint8_t *last = words->released + (words->released_count - 1) * sizeof(uint64_t);
    if (load_u64(last) == 0) return "the free set's released blocks end with a zero word";
    return released_fault(words);
}

uint64_t free_set_words_released(const struct free_set_words *words, uint64_t word)
{
    assert(word < words->acquired_count);
    uint64_t bits = 0;
    for (uint64_t at = word; at < words->released_count; at += words->acquired_count) {
        bits |= load_u64(words->released + at * sizeof bits);
    }
    return bits;
}

/* Sets or clears the index bit of a shard by looking at all of it. */
static void index_update(struct free_set *set, uint64_t shard)
{
    const uint64_t end = min_u64((shard + 1) * SHARD_WORDS, word_total(set));
    for (uint64_t word = shard * SHARD_WORDS; word < end; word += 1) {
        if (word_free(set, word) == 0) continue;
        bit_set_clear(&set->index, shard);
        return;
    }
    bit_set_set(&set->index, shard);
}

void free_set_open(struct free_set *set, const struct free_set_words *words)
{
    assert(!set->opened);
    assert(set->acquired_count == 0);
    assert(free_set_fault(set, words, set->block_count_max) == NULL);

    for (uint64_t word = 0; word < words->acquired_count; word += 1) {
        const uint64_t bits = load_u64(words->acquired + word * sizeof bits);
        set->acquired.words[word] = bits;
        set->acquired_count += (uint64_t)__builtin_popcountll(bits);
        if (bits == 0) continue;
        set->highest = (word + 1) * WORD_BITS - (uint64_t)__builtin_clzll(bits);
    }
    for (uint64_t at = 0; at < words->released_count; at += 1) {
        const uint64_t bits = load_u64(words->released + at * sizeof bits);
        struct free_set_generation *generation =
            generation_of(set, (uint32_t)(at / words->acquired_count));
        generation->blocks.words[at % words->acquired_count] = bits;
        generation->count += (uint64_t)__builtin_popcountll(bits);
    }
    const uint64_t shards = div_ceil_u64(set->highest, FREE_SET_SHARD_BLOCKS);
    for (uint64_t shard = 0; shard < shards; shard += 1)
        index_update(set, shard);
    set->effect_pending = true;
    set->opened = true;
    assert_slow((free_set_check(set), true));
}

/* Makes a free block an acquired one. */
static void mark_acquired(struct free_set *set, uint64_t position)
{
    assert(!bit_set_get(&set->acquired, position));
    assert_slow(!free_set_is_released(set, position + 1));
    bit_set_set(&set->acquired, position);
    set->acquired_count += 1;
    set->highest = max_u64(set->highest, position + 1);
    if (word_free(set, position / WORD_BITS) == 0) {
        index_update(set, position / FREE_SET_SHARD_BLOCKS);
    }
}

bool free_set_open_own(struct free_set *set, uint64_t address, bool free_before)
{
    assert(set->opened);
    assert(set->effect_pending);
    assert(set->reservations_open == 0);
    if (address == 0 || address > set->block_count_max) return false;
    if (free_set_is_free(set, address) != free_before) return false;
    if (free_set_is_released(set, address)) return false;

    if (free_before) mark_acquired(set, address - 1);
    free_set_release(set, address);
    return true;
}

/* F1 and the count of one generation, none of which `seen` may have. */
static void check_generation(
    const struct free_set *set, uint32_t number, uint64_t words, uint64_t *seen
)
{
    const struct free_set_generation *generation = generation_at(set, number);
    uint64_t count = 0;
    for (uint64_t word = 0; word < words; word += 1) {
        const uint64_t bits = generation->blocks.words[word];
        assert((bits & ~set->acquired.words[word]) == 0);
        for (uint32_t older = 0; older < number && bits != 0; older += 1) {
            assert((bits & generation_at(set, older)->blocks.words[word]) == 0);
        }
        count += (uint64_t)__builtin_popcountll(bits);
    }
    assert(generation->count == count);
    *seen += count;
}

void free_set_check(const struct free_set *set)
{
    uint64_t acquired_count = 0;
    uint64_t released_count = 0;
    uint64_t highest = 0;
    const uint64_t words = min_u64(word_total(set), set->highest / WORD_BITS + 2);
    for (uint64_t word = 0; word < words; word += 1) {
        const uint64_t acquired = set->acquired.words[word];
        acquired_count += (uint64_t)__builtin_popcountll(acquired);
        if (acquired == 0) continue;
        highest = (word + 1) * WORD_BITS - (uint64_t)__builtin_clzll(acquired);
    }
    for (uint32_t generation = 0; generation <= set->keep; generation += 1) {
        check_generation(set, generation, words, &released_count);
    }
    assert(set->acquired_count == acquired_count);
    assert(free_set_count_released(set) == released_count);
    assert(set->highest == highest);
    if (!set->effect_pending) assert(generation_at(set, set->keep)->count == 0);

    /* Beyond the highest block all shards are alike. */
    const uint64_t shards = min_u64(set->index.bit_count, set->highest / FREE_SET_SHARD_BLOCKS + 2);
    for (uint64_t shard = 0; shard < shards; shard += 1) {
        uint64_t free = 0;
        const uint64_t end = min_u64((shard + 1) * SHARD_WORDS, word_total(set));
        for (uint64_t word = shard * SHARD_WORDS; word < end; word += 1) {
            free |= word_free(set, word);
        }
        assert(bit_set_get(&set->index, shard) == (free == 0));
    }
}

bool free_set_reserve(
    struct free_set *set, uint64_t count, struct free_set_reservation *reservation
)
{
    assert(set->opened);
    assert(!set->forfeiting);
    assert(set->reservations_open < UINT32_MAX);

    const uint64_t base = set->reserved_limit;
    const uint64_t limit = count == 0 ? base : position_after(set, base, count);
    if (limit == UINT64_MAX) return false;
    assert(limit >= base);
    assert(limit <= set->block_count_max);

    *reservation = (struct free_set_reservation){
        .base = base,
        .limit = limit,
        .block_count = count,
        .session = set->session,
        .cursor = base,
    };
    set->reserved_limit = limit;
    set->reserved_count += count;
    set->reservations_open += 1;
    return true;
}

uint64_t free_set_acquire(struct free_set *set, struct free_set_reservation *reservation)
{
    assert(set->opened);
    assert(set->reservations_open > 0);
    assert(reservation->session == set->session);
    assert(reservation->limit <= set->reserved_limit);
    assert(reservation->acquired_count < reservation->block_count);

    const uint64_t position = position_after(set, reservation->cursor, 1) - 1;
    assert(position >= reservation->base);
    assert(position < reservation->limit);
    mark_acquired(set, position);
    reservation->cursor = position + 1;
    reservation->acquired_count += 1;
    set->reserved_count -= 1;
    return position + 1;
}

void free_set_forfeit(struct free_set *set, struct free_set_reservation *reservation)
{
    assert(set->reservations_open > 0);
    assert(reservation->session == set->session);
    assert(reservation->acquired_count <= reservation->block_count);

    set->reserved_count -= free_set_reservation_left(reservation);
    set->reservations_open -= 1;
    set->forfeiting = set->reservations_open > 0;
    if (!set->forfeiting) {
        assert(set->reserved_count == 0);
        set->reserved_limit = 0;
        set->session += 1;
    }
    /* Dead: a session that never comes. */
    *reservation = (struct free_set_reservation){.session = UINT64_MAX};
}

void free_set_reservation_list(
    const struct free_set *set, const struct free_set_reservation *reservation, uint64_t *addresses
)
{
    assert(reservation->session == set->session);
    const uint64_t count = free_set_reservation_left(reservation);
    uint64_t position = reservation->cursor;
    for (uint64_t index = 0; index < count; index += 1) {
        position = bit_set_find_first_clear(&set->acquired, position);
        assert(position < reservation->limit);
        position += 1;
        addresses[index] = position;
    }
}

uint64_t free_set_reservation_left(const struct free_set_reservation *reservation)
{
    assert(reservation->acquired_count <= reservation->block_count);
    return reservation->block_count - reservation->acquired_count;
}

void free_set_release(struct free_set *set, uint64_t address)
{
    assert(set->opened);
    assert(address > 0 && address <= set->block_count_max);
    assert(!free_set_is_free(set, address));
    assert(!free_set_is_released(set, address));

    struct free_set_generation *generation =
        generation_of(set, set->effect_pending ? set->keep : set->keep - 1);
    bit_set_set(&generation->blocks, address - 1);
    generation->count += 1;
}

bool free_set_is_free(const struct free_set *set, uint64_t address)
{
    if (address == 0 || address > set->block_count_max) return false;
    return !bit_set_get(&set->acquired, address - 1);
}

bool free_set_is_released(const struct free_set *set, uint64_t address)
{
    return free_set_effects_left(set, address) > 0;
}

uint32_t free_set_effects_left(const struct free_set *set, uint64_t address)
{
    if (address == 0 || address > set->block_count_max) return 0;
    for (uint32_t generation = 0; generation <= set->keep; generation += 1) {
        if (bit_set_get(&generation_at(set, generation)->blocks, address - 1)) {
            return generation + 1;
        }
    }
    return 0;
}

uint64_t free_set_count_free(const struct free_set *set)
{
    return set->block_count_max - set->acquired_count;
}

uint64_t free_set_count_acquired(const struct free_set *set)
{
    return set->acquired_count;
}

uint64_t free_set_count_released(const struct free_set *set)
{
    uint64_t count = 0;
    for (uint32_t place = 0; place <= set->keep; place += 1) {
        count += set->released[place].count;
    }
    return count;
}

uint64_t free_set_count_kept(const struct free_set *set)
{
    uint64_t count = 0;
    for (uint32_t generation = 0; generation + 1 < set->keep; generation += 1) {
        count += generation_at(set, generation)->count;
    }
    return count;
}

uint64_t free_set_count_reserved(const struct free_set *set)
{
    return set->reserved_count;
}

uint64_t free_set_highest_acquired(const struct free_set *set)
{
    return set->highest;
}

uint64_t free_set_nth_free(const struct free_set *set, uint64_t n)
{
    assert(n > 0);
    if (n > free_set_count_free(set)) return 0;
    const uint64_t address = position_after(set, 0, n);
    assert(address <= set->block_count_max);
    return address;
}

uint64_t free_set_acquired_size(const struct free_set *set)
{
    return word_used(set) * sizeof(uint64_t);
}

uint64_t free_set_released_size(const struct free_set *set)
{
    uint32_t count = set->keep; /* generations up to the last that is not empty */
    while (count > 0 && generation_at(set, count - 1)->count == 0)
        count -= 1;
    if (count == 0) return 0;
    uint64_t words = word_used(set);
    while (generation_at(set, count - 1)->blocks.words[words - 1] == 0)
        words -= 1; /* ends: one word is not zero */
    return ((count - 1) * word_used(set) + words) * sizeof(uint64_t);
}

uint64_t free_set_encoded_size_max(uint64_t block_count_max)
{
    return bit_set_word_count(block_count_max) * sizeof(uint64_t);
}

void free_set_encode(const struct free_set *set, uint8_t *acquired, uint8_t *released)
{
    assert(set->opened);
    assert(!set->effect_pending);
    assert(generation_at(set, set->keep)->count == 0);
    assert(set->reservations_open == 0);

    const uint64_t acquired_size = free_set_acquired_size(set);
    for (uint64_t byte = 0; byte < acquired_size; byte += sizeof(uint64_t)) {
        store_u64(acquired + byte, set->acquired.words[byte / sizeof(uint64_t)]);
    }
    const uint64_t released_size = free_set_released_size(set);
    for (uint64_t byte = 0; byte < released_size; byte += sizeof(uint64_t)) {
        const struct free_set_generation *generation =
            generation_at(set, (uint32_t)(byte / acquired_size));
        store_u64(
            released + byte, generation->blocks.words[byte % acquired_size / sizeof(uint64_t)]
        );
    }
}

void free_set_capture(struct free_set *set)
{
    assert(set->opened);
    assert(!set->effect_pending);
    assert(generation_at(set, set->keep)->count == 0);
    set->effect_pending = true;
}

void free_set_effect(struct free_set *set)
{
    assert(set->opened);
    assert(set->effect_pending);
    assert(
        set->reservations_open == 0
    ); /* what they claimed must not depend on the beat's timing */

    const uint64_t words = word_used(set);
    struct free_set_generation *oldest = generation_of(set, 0);
    for (uint64_t word = 0; word < words; word += 1) {
        const uint64_t released = oldest->blocks.words[word];
        if (released == 0) continue;
        set->acquired.words[word] &= ~released;
        oldest->blocks.words[word] = 0;
        bit_set_clear(&set->index, word / SHARD_WORDS);
    }
    set->acquired_count -= oldest->count;
    oldest->count = 0; /* and so the side of the next capture */
    set->oldest = (set->oldest + 1) % (set->keep + 1);
    set->effect_pending = false;

    uint64_t left = words;
    while (left > 0 && set->acquired.words[left - 1] == 0)
        left -= 1;
    set->highest = 0;
    if (left > 0) {
        const uint64_t bits = set->acquired.words[left - 1];
        set->highest = left * WORD_BITS - (uint64_t)__builtin_clzll(bits);
    }
    assert_slow((free_set_check(set), true));
}
