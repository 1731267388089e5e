#include "forest/field.h"

#include "support/test.h"

#include <string.h>

static bool valid(const char *text)
{
    return utf8_is_valid((const uint8_t *)text, strlen(text));
}

TEST(field, finds_types_by_name)
{
    EXPECT(field_type_find("u128", 4)->type == TACTUS_TYPE_U128);
    EXPECT(field_type_find("u128x", 4)->type == TACTUS_TYPE_U128);
    EXPECT(field_type_find("u12", 3) == NULL);
    EXPECT(field_type_find("", 0) == NULL);
    for (uint8_t type = TACTUS_TYPE_U8; type <= TACTUS_TYPE_RESERVED; type += 1) {
        const struct field_type *of = field_type_of(type);
        EXPECT(of->type == type);
        EXPECT(field_type_find(of->name, strlen(of->name)) == of);
    }
}

TEST(field, utf8_accepts_every_length_and_its_bounds)
{
    EXPECT(valid(""));
    EXPECT(valid("plain"));
    EXPECT(valid("\xc2\x80\xdf\xbf"));
    EXPECT(valid("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"));
    EXPECT(valid("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
}

TEST(field, utf8_refuses_overlong_forms_surrogates_and_halves)
{
    EXPECT(!valid("\x80"));
    EXPECT(!valid("\xc0\x80"));
    EXPECT(!valid("\xc1\xbf"));
    EXPECT(!valid("\xe0\x9f\xbf"));
    EXPECT(!valid("\xed\xa0\x80"));
    EXPECT(!valid("\xf0\x8f\xbf\xbf"));
    EXPECT(!valid("\xf4\x90\x80\x80"));
    EXPECT(!valid("\xf5\x80\x80\x80"));
    EXPECT(!valid("\xff"));
    EXPECT(!valid("a\xc3"));
    EXPECT(!valid("a\xc3z"));
    EXPECT(!valid("\xe2\x82"));
    EXPECT(!valid("\xe2\x82z"));
    EXPECT(!valid("\xf0\x90\x80z"));
}

TEST_MAIN()
