#include "forest/schema_token.h"

#include "base/assert.h"
#include "base/bytes.h"

#include <string.h>

#include "base/poison.h"

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A zero byte is stepped over nowhere, not even in a comment: what follows it would be read by us,
 * and by nobody who takes the text for a string. */
static void lexer_skip(struct lexer *lexer)
{
    bool comment = false;
    while (lexer->at < lexer->size) {
        const char c = lexer->text[lexer->at];
        if (c == '#') comment = true;
        if (c == 0) return;
        if (!comment && c != ' ' && c != '\t' && c != '\r' && c != '\n') return;
        lexer->at += 1;
        lexer->column += 1;
        if (c == '\n') {
            comment = false;
            lexer->line += 1;
            lexer->column = 1;
        }
    }
}

struct token lexer_next(struct lexer *lexer)
{
    lexer_skip(lexer);
    assert(lexer->at <= lexer->size);
    struct token token = {
        .kind = TOKEN_END,
        .text = lexer->text + lexer->at,
        .line = lexer->line,
        .column = lexer->column,
    };
    if (lexer->at == lexer->size) return token;

    const char first = *token.text;
    const uint64_t room = lexer->size - lexer->at;
    uint64_t size = 1;
    if (is_name_start(first) || is_digit(first)) {
        while (size < room && (is_name_start(token.text[size]) || is_digit(token.text[size]))) {
            size += 1;
        }
        token.kind = is_digit(first) ? TOKEN_NUMBER : TOKEN_NAME;
    } else if (first != 0 && strchr("(){},", first) != NULL) {
        token.kind = TOKEN_MARK;
    } else {
        token.kind = TOKEN_BAD;
        return token;
    }
    token.size = (uint32_t)size;
    lexer->at += size;
    lexer->column += (uint32_t)size;
    return token;
}

bool token_is(const struct token *token, const char *text)
{
    return token->kind != TOKEN_END && strlen(text) == token->size &&
           bytes_equal(token->text, text, token->size);
}

void token_refuse(const struct token *token, struct text_error *error)
{
    assert(token->kind == TOKEN_BAD);
    const uint8_t byte = (uint8_t)*token->text;
    const char *format = "unexpected `%c`: a schema has names, numbers, ( ) , { } and #";
    if (byte < ' ') format = "control character 0x%02x: remove it";
    if (byte > '~') format = "byte 0x%02x outside a comment: names are plain ASCII";
    if (byte == 0) format = "zero byte (0x%02x): a schema is plain text; remove it";
    text_error_set(error, token->line, token->column, format, byte);
}
