#include "forest/text_error.h"

#include "support/test.h"

#include <string.h>

TEST(text_error, keeps_place_and_words)
{
    struct text_error error;
    text_error_set(&error, 3, 7, "bad %s", "thing");
    EXPECT(error.line == 3);
    EXPECT(error.column == 7);
    EXPECT(strcmp(error.text, "bad thing") == 0);
}

TEST(text_error, cuts_what_is_too_long)
{
    struct text_error error;
    text_error_set(&error, 0, 0, "%0300d", 7);
    EXPECT(strlen(error.text) == sizeof error.text - 1);
}

TEST(text_error, lets_nothing_through_that_a_terminal_would_obey)
{
    struct text_error error;
    text_error_set(&error, 0, 0, "a\x1b[2Jb\nc\xc3\xa4");
    EXPECT(strcmp(error.text, "a?[2Jb?c??") == 0);
}

TEST(text_error, takes_null)
{
    text_error_set(NULL, 0, 0, "%d", 1);
}

TEST_MAIN()
