/* Ranges of keys in the words of the fields that they are made of. */
#ifndef TACTUS_QUERY_EXPLAIN_KEY_H
#define TACTUS_QUERY_EXPLAIN_KEY_H

#include "forest/codec.h"
#include "forest/schema.h"
#include "lsm/key.h"

#include <stdint.h>

/* The inverse of codec_encode(): writes field->size bytes in native order, at any alignment; zeros
 * where a truncated field goes on. */
void code_decode(const struct field *field, struct code code, uint8_t *value);

enum { EXPLAIN_TERM_SIZE = 300 };

/* Writes what a range of codes says of a field, as the language would: "price >= 2.5", "stock
 * starts 'AB'", "5 <= customer <= 9"; "" if it says nothing. Zero-terminated, valid UTF-8, cut to
 * the size. */
void explain_term(const struct field *field, struct code_range range, char text[EXPLAIN_TERM_SIZE]);

/* The codes of an index's field number `i` in two keys of the index, which is not hashed. */
struct code_range explain_key_range(
    const struct collection_schema *collection,
    const struct index_schema *index,
    uint32_t i,
    struct key key_min,
    struct key key_max
);

#endif
