#include "lsm/key.h"

#include "base/poison.h"

void key_store(uint8_t *target, enum key_bits bits, struct key key)
{
    assert(bits == KEY_64 || bits == KEY_128 || bits == KEY_192);
    assert(key_fits(key, bits));
    store_u64(target, key.word[2]);
    if (bits >= KEY_128) store_u64(target + 8, key.word[1]);
    if (bits == KEY_192) store_u64(target + 16, key.word[0]);
}

struct key key_load(const uint8_t *source, enum key_bits bits)
{
    assert(bits == KEY_64 || bits == KEY_128 || bits == KEY_192);
    struct key key = {{0, 0, load_u64(source)}};
    if (bits >= KEY_128) key.word[1] = load_u64(source + 8);
    if (bits == KEY_192) key.word[0] = load_u64(source + 16);
    return key;
}

/* a - b, which is not above a. */
static struct key key_difference(struct key a, struct key b)
{
    struct key result;
    uint64_t borrow = 0;
    for (uint32_t index = 3; index > 0; index -= 1) {
        const uint64_t minuend = a.word[index - 1];
        const uint64_t subtrahend = b.word[index - 1];
        result.word[index - 1] = minuend - subtrahend - borrow;
        borrow = minuend < subtrahend || (minuend == subtrahend && borrow != 0);
    }
    assert(borrow == 0);
    return result;
}

/* The 32 bits that begin `zeros` bits below the key's highest one. */
static uint32_t key_window(struct key key, uint32_t zeros)
{
    const uint32_t word = zeros / 64;
    const uint32_t shift = zeros % 64;
    uint64_t bits = key.word[word] << shift;
    if (shift > 0 && word < 2) bits |= key.word[word + 1] >> (64 - shift);
    return (uint32_t)(bits >> 32);
}

/* Of part and span the leading 32 bits of the span will do: no block has so many keys. */
uint32_t key_guess(struct key first, struct key last, uint32_t count, struct key key)
{
    assert(count > 0);
    if (!key_less(first, key)) return 0;
    if (!key_less(key, last)) return count - 1;
    const struct key span = key_difference(last, first);
    const struct key part = key_difference(key, first);
    uint32_t zeros = 0;
    uint32_t word = 0;
    while (span.word[word] == 0) { /* ends: first lies below last */
        word += 1;
        zeros += 64;
    }
    zeros += (uint32_t)__builtin_clzll(span.word[word]);
    const uint64_t guess =
        (uint64_t)key_window(part, zeros) * (count - 1) / key_window(span, zeros);
    assert(guess < count);
    return (uint32_t)guess;
}
