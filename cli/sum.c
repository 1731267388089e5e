#include "sum.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool sum_init(struct sum *sum, const struct tactus_field *field)
{
    *sum = (struct sum){.field = *field};
    switch ((enum tactus_type)field->type) {
    case TACTUS_TYPE_U8:
    case TACTUS_TYPE_U16:
    case TACTUS_TYPE_U32:
    case TACTUS_TYPE_U64:
    case TACTUS_TYPE_U128:
    case TACTUS_TYPE_I8:
    case TACTUS_TYPE_I16:
    case TACTUS_TYPE_I32:
    case TACTUS_TYPE_I64:
    case TACTUS_TYPE_F32:
    case TACTUS_TYPE_F64:
    case TACTUS_TYPE_BOOL:
    case TACTUS_TYPE_DECIMAL: return true;
    case TACTUS_TYPE_UUID:
    case TACTUS_TYPE_TIME:
    case TACTUS_TYPE_TIMESTAMP:
    case TACTUS_TYPE_TEXT:
    case TACTUS_TYPE_BYTES:
    case TACTUS_TYPE_RESERVED: return false;
    }
    return false;
}

static int64_t load_signed(const uint8_t *bytes, uint32_t size)
{
    int8_t value8 = 0;
    int16_t value16 = 0;
    int32_t value32 = 0;
    int64_t value64 = 0;
    switch (size) {
    case 1: memcpy(&value8, bytes, 1); return value8;
    case 2: memcpy(&value16, bytes, 2); return value16;
    case 4: memcpy(&value32, bytes, 4); return value32;
    default: memcpy(&value64, bytes, 8); return value64;
    }
}

static uint64_t load_unsigned(const uint8_t *bytes, uint32_t size)
{
    uint8_t value8 = 0;
    uint16_t value16 = 0;
    uint32_t value32 = 0;
    uint64_t value64 = 0;
    switch (size) {
    case 1: memcpy(&value8, bytes, 1); return value8;
    case 2: memcpy(&value16, bytes, 2); return value16;
    case 4: memcpy(&value32, bytes, 4); return value32;
    default: memcpy(&value64, bytes, 8); return value64;
    }
}

static bool type_is_signed(uint32_t type)
{
    return type == TACTUS_TYPE_I8 || type == TACTUS_TYPE_I16 || type == TACTUS_TYPE_I32 ||
           type == TACTUS_TYPE_I64 || type == TACTUS_TYPE_DECIMAL;
}

/* Adds 128 bits; answers the carry out of them. */
static bool add_u128(struct tactus_u128 *total, struct tactus_u128 value)
{
    total->low += value.low;
    const uint64_t carry = total->low < value.low ? 1 : 0;
    const uint64_t high = total->high + value.high;
    const bool out = high < total->high || high + carry < high;
    total->high = high + carry;
    return out;
}

void sum_add(struct sum *sum, const void *object)
{
    const uint8_t *bytes = (const uint8_t *)object + sum->field.offset;
    if (sum->field.type == TACTUS_TYPE_F32) {
        float value = 0;
        memcpy(&value, bytes, sizeof value);
        sum->float_total += (double)value;
    } else if (sum->field.type == TACTUS_TYPE_F64) {
        double value = 0;
        memcpy(&value, bytes, sizeof value);
        sum->float_total += value;
    } else if (sum->field.type == TACTUS_TYPE_U128) {
        struct tactus_u128 value;
        memcpy(&value, bytes, sizeof value);
        if (add_u128(&sum->total, value)) sum->overflowed = true;
    } else if (type_is_signed(sum->field.type)) {
        /* 2^64 rows of 63 bits fit in 127: no carry to watch, only the sign to extend. */
        const int64_t value = load_signed(bytes, sum->field.size);
        const struct tactus_u128 wide = {(uint64_t)value, value < 0 ? UINT64_MAX : 0};
        (void)add_u128(&sum->total, wide);
    } else {
        const struct tactus_u128 wide = {load_unsigned(bytes, sum->field.size), 0};
        (void)add_u128(&sum->total, wide);
    }
}

/* Divides by ten and answers the remainder, 32 bits at a time. */
static uint32_t divide_by_ten(struct tactus_u128 *number)
{
    uint64_t words[4] = {
        number->high >> 32,
        number->high & UINT32_MAX,
        number->low >> 32,
        number->low & UINT32_MAX,
    };
    uint64_t rest = 0;
    for (int i = 0; i < 4; i += 1) {
        const uint64_t part = rest << 32 | words[i];
        words[i] = part / 10;
        rest = part % 10;
    }
    number->high = words[0] << 32 | words[1];
    number->low = words[2] << 32 | words[3];
    return (uint32_t)rest;
}

/* The shortest text that reads back. */
static void float_text(double value, char text[SUM_TEXT_MAX])
{
    for (int digits = 1; digits <= 17; digits += 1) {
        (void)snprintf(text, SUM_TEXT_MAX, "%.*g", digits, value);
        if (strtod(text, NULL) == value) return;
    }
}

void sum_text(const struct sum *sum, char text[SUM_TEXT_MAX])
{
    if (sum->field.type == TACTUS_TYPE_F32 || sum->field.type == TACTUS_TYPE_F64) {
        float_text(sum->float_total, text);
        return;
    }
    struct tactus_u128 rest = sum->total;
    const bool negative = type_is_signed(sum->field.type) && rest.high >> 63 != 0;
    if (negative) {
        rest.low = ~rest.low + 1;
        rest.high = ~rest.high + (rest.low == 0 ? 1 : 0);
    }

    /* From the last digit on; the decimals' zeros are cut as the values' are. */
    char digits[SUM_TEXT_MAX];
    uint32_t count = 0;
    uint32_t decimals = sum->field.type == TACTUS_TYPE_DECIMAL ? sum->field.decimals : 0;
    while (rest.low != 0 || rest.high != 0 || count <= decimals) {
        digits[count] = (char)('0' + divide_by_ten(&rest));
        count += 1;
    }
    uint32_t last = 0;
    while (decimals > last && digits[last] == '0')
        last += 1;

    uint32_t used = 0;
    if (negative) text[used++] = '-';
    for (uint32_t i = count; i > last; i -= 1) {
        if (i == decimals) text[used++] = '.';
        text[used++] = digits[i - 1];
    }
    text[used] = 0;
}
