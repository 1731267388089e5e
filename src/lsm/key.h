/* The order of everything a tree holds: unsigned integers of 64, 128 or 192 bits. Kernels use the
 * native width of their tree; what is not hot (manifest, index blocks, scans) uses struct key. */
#ifndef TACTUS_LSM_KEY_H
#define TACTUS_LSM_KEY_H

#include "base/assert.h"
#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

enum key_bits { KEY_64 = 64, KEY_128 = 128, KEY_192 = 192 };
enum { KEY_BYTES_MAX = KEY_192 / 8 };

/* Most significant word first; a key of fewer bits has leading zero words. So keys of one width
 * compare word by word, whatever that width is. */
struct key {
    uint64_t word[3];
};

static inline struct key key_from_u64(uint64_t value)
{
    return (struct key){{0, 0, value}};
}

static inline struct key key_from_u128(uint64_t low, uint64_t high)
{
    return (struct key){{0, high, low}};
}

/* The key of an index record: prefix · 2^64 + timestamp. */
static inline struct key key_from_prefix64(uint64_t prefix, uint64_t timestamp)
{
    return (struct key){{0, prefix, timestamp}};
}

static inline struct key key_from_prefix128(uint64_t low, uint64_t high, uint64_t timestamp)
{
    return (struct key){{high, low, timestamp}};
}

/* Key 0 is the lowest of every width. */
static inline struct key key_min_of_all(void)
{
    return (struct key){{0, 0, 0}};
}

/* The highest key of a width: all its bits set. */
static inline struct key key_max_of(enum key_bits bits)
{
    assert(bits == KEY_64 || bits == KEY_128 || bits == KEY_192);
    return (struct key
    ){{bits == KEY_192 ? UINT64_MAX : 0, bits == KEY_64 ? 0 : UINT64_MAX, UINT64_MAX}};
}

static inline bool key_equal(struct key a, struct key b)
{
    return a.word[0] == b.word[0] && a.word[1] == b.word[1] && a.word[2] == b.word[2];
}

static inline bool key_less(struct key a, struct key b)
{
    if (a.word[0] != b.word[0]) return a.word[0] < b.word[0];
    if (a.word[1] != b.word[1]) return a.word[1] < b.word[1];
    return a.word[2] < b.word[2];
}

/* Below zero, zero or above it, as a sorts before, with or after b. */
static inline int key_compare(struct key a, struct key b)
{
    return (int)key_less(b, a) - (int)key_less(a, b);
}

static inline struct key key_lower_of(struct key a, struct key b)
{
    return key_less(b, a) ? b : a;
}

static inline struct key key_higher_of(struct key a, struct key b)
{
    return key_less(a, b) ? b : a;
}

/* The next key of any width; the caller knows that there is one. */
static inline struct key key_successor(struct key key)
{
    key.word[2] += 1;
    if (key.word[2] == 0) key.word[1] += 1;
    if (key.word[2] == 0 && key.word[1] == 0) key.word[0] += 1;
    return key;
}

/* Where `key` would lie among `count` keys (at least one), in order, of which the first is about
 * `first` and the last about `last`, were they evenly spread: an index below count. A guess, for
 * searches that begin there; any three keys are fine. */
uint32_t key_guess(struct key first, struct key last, uint32_t count, struct key key);

/* Whether a key fits a width: what is read from a file may have been given any width. */
static inline bool key_fits(struct key key, enum key_bits bits)
{
    return (bits == KEY_192 || key.word[0] == 0) && (bits != KEY_64 || key.word[1] == 0);
}

/* A key in an index block: bits / 8 bytes, little-endian, at any alignment. */
void key_store(uint8_t *target, enum key_bits bits, struct key key);
struct key key_load(const uint8_t *source, enum key_bits bits);

#endif
