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
