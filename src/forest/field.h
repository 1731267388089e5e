/* One field of a collection: its type, its place in the object, and what its type says of it. */
#ifndef TACTUS_FOREST_FIELD_H
#define TACTUS_FOREST_FIELD_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    NAME_SIZE = 64,        /* of a name with the zero byte behind it: at most 63 bytes */
    FIELD_SIZE_MAX = 4096, /* a field fills at most a whole object */
    ORDER_BYTES_MAX = 16,  /* of a field's value, or of several, in the key of an index */
    DECIMALS_MAX = 18
};

struct field {
    char name[NAME_SIZE]; /* zero-terminated */
    uint8_t type;         /* enum tactus_type */
    uint8_t flags;        /* enum tactus_field_flags */
    uint8_t decimals;     /* of a decimal, 1 to 18 */
    uint16_t offset;      /* bytes from the object's start, a multiple of its alignment */
    uint16_t size;        /* bytes, 1 to FIELD_SIZE_MAX */
};

/* What the word of a type means. */
struct field_type {
    const char *name;
    uint8_t type;      /* enum tactus_type */
    uint8_t size;      /* 0: the number in parentheses says it */
    uint8_t alignment; /* of the field in an object */
    bool has_number;   /* decimal(D), text(N), bytes(N), reserved(N) */
};

/* The type of that name (not zero-terminated), or NULL. */
const struct field_type *field_type_find(const char *name, uint64_t size);

/* Of a valid enum tactus_type. */
const struct field_type *field_type_of(uint8_t type);

static inline bool field_is_optional(const struct field *field)
{
    return (field->flags & TACTUS_FIELD_OPTIONAL) != 0;
}

/* text and bytes: compared from the first byte on. */
static inline bool field_is_string(const struct field *field)
{
    return field->type == TACTUS_TYPE_TEXT || field->type == TACTUS_TYPE_BYTES;
}

/* Bytes that a value takes in the key of an index: its size, and the first 16 bytes of a longer
 * text or bytes. */
static inline uint32_t field_order_bytes(const struct field *field)
{
    return field->size < ORDER_BYTES_MAX ? field->size : ORDER_BYTES_MAX;
}

/* Two values of this field may differ and have one key: the index narrows, the object decides. */
static inline bool field_is_truncated(const struct field *field)
{
    return field->size > ORDER_BYTES_MAX;
}

/* Whether `size` bytes are UTF-8: no overlong form, no surrogate, nothing above U+10FFFF. */
bool utf8_is_valid(const uint8_t *bytes, uint64_t size);

#endif
