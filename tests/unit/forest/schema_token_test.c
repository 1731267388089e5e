#include "forest/schema_token.h"

#include "support/test.h"

#include <string.h>

static struct lexer lexer_of(const char *text)
{
    return (struct lexer){.text = text, .size = strlen(text), .line = 1, .column = 1};
}

TEST(schema_token, gives_words_numbers_and_marks_with_their_places)
{
    struct lexer lexer = lexer_of("text(20)\n  _a1 # words {\n\t1x");
    const struct {
        const char *text;
        enum token_kind kind;
        uint32_t line, column;
    } wanted[] = {
        {"text", TOKEN_NAME, 1, 1},
        {"(", TOKEN_MARK, 1, 5},
        {"20", TOKEN_NUMBER, 1, 6},
        {")", TOKEN_MARK, 1, 8},
        {"_a1", TOKEN_NAME, 2, 3},
        {"1x", TOKEN_NUMBER, 3, 2},
    };
    for (uint32_t i = 0; i < sizeof wanted / sizeof wanted[0]; i += 1) {
        const struct token token = lexer_next(&lexer);
        EXPECT(token_is(&token, wanted[i].text));
        EXPECT(token.kind == wanted[i].kind);
        EXPECT(token.line == wanted[i].line);
        EXPECT(token.column == wanted[i].column);
    }
    EXPECT(lexer_next(&lexer).kind == TOKEN_END);
    EXPECT(lexer_next(&lexer).kind == TOKEN_END);
}

TEST(schema_token, stays_at_a_byte_that_begins_nothing)
{
    struct lexer lexer = lexer_of("a ;");
    EXPECT(lexer_next(&lexer).kind == TOKEN_NAME);
    EXPECT(lexer_next(&lexer).kind == TOKEN_BAD);
    const struct token token = lexer_next(&lexer);
    EXPECT(token.kind == TOKEN_BAD);
    struct text_error error;
    token_refuse(&token, &error);
    EXPECT(error.column == 3);
    EXPECT(strstr(error.text, "unexpected `;`") != NULL);
}

TEST(schema_token, a_zero_byte_is_bad_in_a_comment_too)
{
    struct lexer lexer = {.text = "# \0 a", .size = 5, .line = 1, .column = 1};
    EXPECT(lexer_next(&lexer).kind == TOKEN_BAD);
}

TEST_MAIN()
