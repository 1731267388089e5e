#include "query/token.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/checksum.h"
#include "base/hash.h"
#include "base/integer.h"
#include "forest/codec.h"

#include <string.h>

#include "base/poison.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static_assert(sizeof alphabet == 64 + 1, "six bits a character");

enum { TOKEN_VERSION = 'c' };

/* ---- The query ------------------------------------------------------------------------------ */

static void add_number(struct checksum_stream *stream, uint64_t number)
{
    uint8_t bytes[8];
    store_u64(bytes, number);
    checksum_stream_add(stream, bytes, sizeof bytes);
}

/* As its code where it is a number, so that the CPU's byte order says nothing. */
static void add_value(
    struct checksum_stream *stream,
    const struct expression *expression,
    const struct expression_value *value
)
{
    assert(value->bound);
    const struct field *field = &expression->collection->fields[value->field];
    const uint8_t *bytes = expression_bytes(expression, value);
    if (field_is_string(field)) {
        add_number(stream, value->size);
        checksum_stream_add(stream, bytes, value->size);
    } else {
        const struct code code = codec_encode(field, bytes);
        add_number(stream, code.low);
        add_number(stream, code.high);
    }
}

/* The nodes lie in the pool as the text names them, so two trees are equal if their pools are. */
static void add_node(
    struct checksum_stream *stream,
    const struct expression *expression,
    const struct expression_node *node
)
{
    add_number(stream, node->kind);
    add_number(stream, node->field);
    add_number(stream, node->child);
    add_number(stream, node->next);
    add_number(stream, node->value_count);
    for (uint32_t i = 0; i < node->value_count; i += 1) {
        add_value(stream, expression, &expression->values[node->value + i]);
    }
}

uint64_t token_query_hash(const struct expression *expression, struct token_order order)
{
    const struct collection_schema *collection = expression->collection;
    assert(expression_unbound(expression) == 0);
    assert(order.field < collection->field_count);
    struct checksum_stream stream;
    checksum_stream_begin(&stream, (struct checksum){0});
    checksum_stream_add(&stream, collection->name, NAME_SIZE);
    add_number(&stream, collection->shape);
    add_number(&stream, order.field);
    add_number(&stream, order.tree);
    add_number(&stream, order.descending);
    add_number(&stream, expression->root);
    add_number(&stream, expression->node_count);
    for (uint32_t i = 0; i < expression->node_count; i += 1) {
        add_node(&stream, expression, &expression->nodes[i]);
    }
    return checksum_stream_end(&stream).low;
}

/* ---- The text ------------------------------------------------------------------------------- */

/* What a token's bytes end with. */
static void check_store(const uint8_t *bytes, uint32_t size, uint8_t check[TOKEN_CHECK_BYTES])
{
    uint8_t hash[8];
    store_u64(hash, hash_64(bytes, size));
    bytes_copy(check, hash, TOKEN_CHECK_BYTES);
}

/* The bytes as characters; returns how many, without a zero byte. */
static uint32_t characters_write(const uint8_t *bytes, uint32_t size, char *text)
{
    uint32_t bits = 0; /* gathered, and not yet written: fewer than 14 */
    uint32_t bit_count = 0;
    uint32_t length = 0;
    for (uint32_t i = 0; i < size; i += 1) {
        bits = (bits << 8 | bytes[i]) & 0x3fff;
        bit_count += 8;
        while (bit_count >= 6) {
            bit_count -= 6;
            text[length] = alphabet[bits >> bit_count & 63];
            length += 1;
        }
    }
    if (bit_count > 0) {
        text[length] = alphabet[bits << (6 - bit_count) & 63];
        length += 1;
    }
    return length;
}

/* Back; false: another character, a length that no bytes have, or bits behind the last byte. */
static bool characters_read(const char *text, uint32_t length, uint8_t *bytes, uint32_t *size)
{
    uint32_t bits = 0;
    uint32_t bit_count = 0;
    *size = 0;
    for (uint32_t i = 0; i < length; i += 1) {
        const char *found = memchr(alphabet, text[i], 64);
        if (found == NULL) return false;
        bits = (bits << 6 | (uint32_t)(found - alphabet)) & 0x3fff;
        bit_count += 6;
        if (bit_count < 8) continue;
        bit_count -= 8;
        assert(*size < TOKEN_BYTES_MAX);
        bytes[*size] = (uint8_t)(bits >> bit_count);
        *size += 1;
    }
    return bit_count < 6 && (bits & ((1U << bit_count) - 1)) == 0;
}

/* ---- Tokens --------------------------------------------------------------------------------- */

static bool place_fits(const struct token_query *query, struct key place)
{
    if (query->timestamped && place.word[2] > TIMESTAMP_MAX) return false;
    return key_fits(place, query->bits);
}

void token_format(const struct token_query *query, struct key place, char text[TOKEN_SIZE])
{
    assert(place_fits(query, place));
    uint8_t bytes[TOKEN_BYTES_MAX];
    uint32_t size = TOKEN_HASH_BYTES;
    store_u64(bytes, query->hash);
    for (uint32_t i = 0; i < KEY_BYTES_MAX; i += 1) {
        const uint8_t byte = (uint8_t)(place.word[i / 8] >> (7 - i % 8) * 8);
        if (byte == 0 && size == TOKEN_HASH_BYTES) continue; /* leading */
        bytes[size] = byte;
        size += 1;
    }
    check_store(bytes, size, bytes + size);
    size += TOKEN_CHECK_BYTES;
    assert(size <= TOKEN_BYTES_MAX);
    text[0] = TOKEN_VERSION;
    const uint32_t length = 1 + characters_write(bytes, size, text + 1);
    assert(length < TOKEN_SIZE);
    text[length] = 0;
}

/* The bytes of a token that is as it was given out, or 0. */
static uint32_t token_read(const char *text, uint8_t bytes[TOKEN_BYTES_MAX])
{
    const uint64_t length = strnlen(text, TOKEN_SIZE);
    uint32_t size = 0;
    if (length < 2 || length >= TOKEN_SIZE || text[0] != TOKEN_VERSION) return 0;
    if (!characters_read(text + 1, (uint32_t)length - 1, bytes, &size)) return 0;
    if (size < TOKEN_HASH_BYTES + TOKEN_CHECK_BYTES) return 0;

    uint8_t check[TOKEN_CHECK_BYTES];
    check_store(bytes, size - TOKEN_CHECK_BYTES, check);
    if (!bytes_equal(check, bytes + size - TOKEN_CHECK_BYTES, TOKEN_CHECK_BYTES)) return 0;
    if (size > TOKEN_HASH_BYTES + TOKEN_CHECK_BYTES && bytes[TOKEN_HASH_BYTES] == 0) return 0;
    return size;
}

enum tactus_status token_parse(
    const struct token_query *query, const char *text, struct key *place, struct text_error *error
)
{
    uint8_t bytes[TOKEN_BYTES_MAX];
    const uint32_t size = token_read(text, bytes);
    if (size == 0) {
        text_error_set(
            error,
            0,
            0,
            "damaged cursor `%.*s`: it is not as it was given out; copy all of it",
            TOKEN_SIZE,
            text
        );
        return TACTUS_SYNTAX;
    }
    if (load_u64(bytes) != query->hash) {
        text_error_set(
            error,
            0,
            0,
            "the cursor is another query's: it goes on with the same collection, conditions and "
            "order only"
        );
        return TACTUS_MISUSE;
    }
    struct key found = {{0, 0, 0}};
    for (uint32_t i = TOKEN_HASH_BYTES; i < size - TOKEN_CHECK_BYTES; i += 1) {
        found.word[0] = found.word[0] << 8 | found.word[1] >> 56;
        found.word[1] = found.word[1] << 8 | found.word[2] >> 56;
        found.word[2] = found.word[2] << 8 | bytes[i];
    }
    if (!place_fits(query, found)) {
        text_error_set(error, 0, 0, "damaged cursor: the query's answer has no such place");
        return TACTUS_SYNTAX;
    }
    *place = found;
    return TACTUS_OK;
}
