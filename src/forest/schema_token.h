/* The words of a schema's text, one after the other, with their places. */
#ifndef TACTUS_FOREST_SCHEMA_TOKEN_H
#define TACTUS_FOREST_SCHEMA_TOKEN_H

#include "forest/text_error.h"

#include <stdbool.h>
#include <stdint.h>

enum token_kind {
    TOKEN_NAME = 1, /* letters, digits and _, no digit first */
    TOKEN_NUMBER,   /* the same, a digit first: "1x" is a bad number, not two words */
    TOKEN_MARK,     /* one of ( ) { } , */
    TOKEN_END,
    TOKEN_BAD /* a byte that begins nothing of these; the lexer stays there */
};

struct token {
    enum token_kind kind;
    const char *text; /* in the lexer's text, not zero-terminated */
    uint32_t size;
    uint32_t line, column; /* from 1; columns count bytes */
};

/* Arguments of "%.*s" for a token; no word that is quoted needs more than a line. */
#define TOKEN_TEXT(token) (int)((token)->size < 64 ? (token)->size : 64), (token)->text

/* A place in a text: copy it to look ahead. */
struct lexer {
    const char *text; /* borrowed */
    uint64_t size;    /* below 2^32 */
    uint64_t at;
    uint32_t line, column;
};

/* Steps over blanks, line ends and comments, and gives the token behind them. */
struct token lexer_next(struct lexer *lexer);

/* Whether a token is this word or mark. */
bool token_is(const struct token *token, const char *text);

/* Says in words what is wrong with a bad token. */
void token_refuse(const struct token *token, struct text_error *error);

#endif
