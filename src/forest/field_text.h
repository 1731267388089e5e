/* Text to values and back, for every type, independent of the locale and without memory.
 *
 *   u8 .. u64, i8 .. i64   digits, a sign, a zero fraction (17850.0)
 *   u128                   as these; 0x...; the form of a UUID
 *   uuid                   the form of a UUID, 32 hex digits, 0x...
 *   f32, f64               decimal, an exponent, inf; shows the shortest text that reads back
 *   bool                   true, false, 1, 0 in any case
 *   decimal(D)             exact; more digits than D if they are zeros; shows no zeros at the end
 *   time                   2010-12-01, 2010-12-01 08:26[:00[.5]] with T or a blank, then Z or
 *                          +hh:mm or -hh:mm, UTC if none; shows 2010-12-01T08:26:00Z
 *   timestamp              digits, up to 2^63 - 1; 0: the next one
 *   text(N), bytes(N)      UTF-8 without a zero byte; hex digits, also as 0x... or x'...'
 *   reserved(N)            the empty text alone
 *
 * Nothing is trimmed. The empty text is the zero value of an optional field, of text and of
 * bytes, and refused elsewhere; an optional field that is zero shows as the empty text. */
#ifndef TACTUS_FOREST_FIELD_TEXT_H
#define TACTUS_FOREST_FIELD_TEXT_H

#include "base/status.h"
#include "forest/field.h"
#include "forest/text_error.h"

#include <stdint.h>

enum {
    FIELD_TEXT_MAX = 8256
}; /* bytes that any field's text and its zero byte fit: 2 · 4096 + 64 */

/* Reads `size` bytes of text into `value`, field->size bytes in native order, at any alignment.
 * INVALID: nothing was written, and `error` (which may be NULL) has the reason, without a place. */
enum tactus_status field_parse(
    const struct field *field,
    const char *text,
    uint64_t size,
    void *value,
    struct text_error *error
) __attribute__((warn_unused_result));

/* Writes the value as text, zero-terminated if size > 0, and returns its length without the zero
 * byte; if that is not less than `size`, it was cut. */
uint64_t field_format(const struct field *field, const void *value, char *buffer, uint64_t size);

#endif
