/* Any text as a value of any type: it is refused in words, or it is a value that an object may
 * hold, whose own text reads back as the same value.
 *
 * The first byte is the type, the second its number (decimals or bytes), the rest the text. */
#include "base/assert.h"
#include "base/bytes.h"
#include "forest/codec.h"
#include "forest/field_text.h"

#include <stddef.h>
#include <string.h>

#include "base/poison.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    const uint8_t type = (uint8_t)(TACTUS_TYPE_U8 + data[0] % TACTUS_TYPE_RESERVED);
    struct field field = {.name = "f", .type = type, .size = field_type_of(type)->size};
    if (type == TACTUS_TYPE_DECIMAL) field.decimals = (uint8_t)(1 + data[1] % DECIMALS_MAX);
    if (field.size == 0) field.size = (uint16_t)(1 + data[1]);
    if (data[0] >= 128) field.flags = TACTUS_FIELD_OPTIONAL;

    uint8_t value[256];
    uint8_t back[256];
    char text[FIELD_TEXT_MAX];
    struct text_error error = {.text = ""};
    const char *given = (const char *)data + 2;
    if (field_parse(&field, given, size - 2, value, &error) != TACTUS_OK) {
        assert(error.text[0] != 0);
        return 0;
    }
    const struct collection_schema one = {
        .fields = &field, .field_count = 1, .object_bytes = field.size};
    assert(object_fault(&one, value) == NULL);
    const uint64_t length = field_format(&field, value, text, sizeof text);
    assert(length < sizeof text);
    assert(strlen(text) == length);
    const enum tactus_status status = field_parse(&field, text, length, back, &error);
    assert(status == TACTUS_OK);
    assert(bytes_equal(value, back, field.size));
    return 0;
}
