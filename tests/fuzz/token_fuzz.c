/* Any text as a cursor: it is refused in words, or it has one place, and that place gives this text
 * and no other. The first bytes are what a query's places may be, and the query's hash; then, as a
 * place of their own, the text's first bytes are given out as a token and read back. */
#include "base/assert.h"
#include "base/bytes.h"
#include "query/token.h"

#include <stddef.h>
#include <string.h>

#include "base/poison.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD_BYTES = 1 + 8, TEXT_MAX = 256 };

static void check_text(const struct token_query *query, const char *text)
{
    struct text_error error = {.text = ""};
    struct key place;
    const enum tactus_status status = token_parse(query, text, &place, &error);
    if (status == TACTUS_OK) {
        char again[TOKEN_SIZE];
        token_format(query, place, again);
        assert(strcmp(again, text) == 0);
    } else {
        assert(status == TACTUS_SYNTAX || status == TACTUS_MISUSE);
        assert(error.text[0] != 0);
    }
}

static void check_place(const struct token_query *query, const uint8_t *data, size_t size)
{
    uint8_t bytes[KEY_BYTES_MAX + 1] = {0};
    bytes_copy(bytes, data, size < sizeof bytes ? size : sizeof bytes);
    struct key place = key_load(bytes, query->bits);
    if (query->timestamped) place.word[2] >>= 1;
    char text[TOKEN_SIZE];
    token_format(query, place, text);
    struct key found;
    const enum tactus_status read = token_parse(query, text, &found, NULL);
    assert(read == TACTUS_OK);
    assert(key_equal(found, place));

    text[bytes[KEY_BYTES_MAX] % strlen(text)] ^= 1;
    const enum tactus_status damaged = token_parse(query, text, &found, NULL);
    assert(damaged == TACTUS_SYNTAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum key_bits widths[] = {KEY_64, KEY_128, KEY_192};
    char text[TEXT_MAX + 1];
    if (size < HEAD_BYTES || size - HEAD_BYTES > TEXT_MAX) return 0;
    const struct token_query query = {
        .hash = load_u64(data + 1),
        .bits = widths[data[0] % 3],
        .timestamped = (data[0] & 0x80) != 0,
    };
    bytes_copy(text, data + HEAD_BYTES, size - HEAD_BYTES);
    text[size - HEAD_BYTES] = 0;
    check_text(&query, text);
    check_place(&query, data + HEAD_BYTES, size - HEAD_BYTES);
    return 0;
}
