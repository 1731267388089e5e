/* A cursor as text: where a query's answer was left, so that a later run goes on behind it, after a
 * reopen or in another process, whatever plan that run has.
 *
 *   token = "c" and the bytes below in the 64 characters A-Z a-z 0-9 - _, six bits each, the first
 *           one most significant; the last character is filled with zero bits
 *   bytes = hash of the query, 8 bytes | the place, 0 to 24 bytes, most significant first, without
 *           leading zero bytes | check, 6 bytes: the low part of hash_64() of what stands before it
 *
 * The first character is the version: a later form has another letter. A letter, so that a token is
 * never taken for an option of a command. Every place has one token and every token one place. The
 * check finds damage, no forgery: whoever makes tokens gets places that fit, and no others. */
#ifndef TACTUS_QUERY_TOKEN_H
#define TACTUS_QUERY_TOKEN_H

#include "base/status.h"
#include "forest/text_error.h"
#include "lsm/key.h"
#include "query/expression.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    TOKEN_HASH_BYTES = 8,
    TOKEN_CHECK_BYTES = 6,
    TOKEN_BYTES_MAX = TOKEN_HASH_BYTES + KEY_BYTES_MAX + TOKEN_CHECK_BYTES,
    TOKEN_SIZE = 1 + (TOKEN_BYTES_MAX * 8 + 5) / 6 + 1 /* of a text, its zero byte included */
};

/* What a token belongs to, and what its place may be. */
struct token_query {
    uint64_t hash;      /* token_query_hash() */
    enum key_bits bits; /* a place is a key of this width, ... */
    bool timestamped;   /* ... of which the last word is a timestamp */
};

/* The order of a query's answer, as far as places depend on it. */
struct token_order {
    uint32_t field;
    uint16_t tree; /* whose keys the places are; 0: none's in particular */
    bool descending;
};

/* Two queries have one hash if they are of a collection of the same name and shape, in the same
 * order, and their conditions are the same but for blanks, parentheses without effect, the writing
 * of values, and whether a value stands there or was bound. Every parameter is bound. Costs a
 * hash of the expression. */
uint64_t token_query_hash(const struct expression *expression, struct token_order order);

/* Writes the token of a place, zero-terminated. */
void token_format(const struct token_query *query, struct key place, char text[TOKEN_SIZE]);

/* Reads a token (zero-terminated). SYNTAX: it is none, or not as it was given out. MISUSE: it is
 * another query's. `error` may be NULL; *place is left alone then. */
enum tactus_status token_parse(
    const struct token_query *query, const char *text, struct key *place, struct text_error *error
) __attribute__((warn_unused_result));

#endif
