#include "query/expression.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "forest/field_text.h"

#include <stddef.h>
#include <string.h>

#include "base/poison.h"

enum token_kind {
    TOKEN_WORD = 1, /* a word or a number, or a UUID or date without quotes */
    TOKEN_TEXT,     /* 'so' */
    TOKEN_HEX,      /* x'so' */
    TOKEN_PARAMETER,
    TOKEN_MARK, /* ( ) , and comparisons */
    TOKEN_END
};

struct token {
    enum token_kind kind;
    const char *text; /* with its quotes, x and ? */
    uint32_t size;
    uint32_t column; /* from 1; of the line */
    uint32_t line;
};

struct parser {
    const char *text; /* borrowed, zero-terminated */
    uint64_t at;
    uint32_t line, column;
    struct token token; /* the next one, not yet taken */
    enum tactus_status status;
    uint32_t depth;

    struct expression *expression;
    struct text_error *error; /* may be NULL */
};

#define TOKEN_WORDS(token) (int)min_u32((token)->size, 64), (token)->text

/* Keeps the first failure. Tokens end then, so that every loop does. */
#define parser_fail(parser, code, at_token, ...)                                                   \
    do {                                                                                           \
        if ((parser)->status == TACTUS_OK) {                                                       \
            (parser)->status = (code);                                                             \
            text_error_set((parser)->error, (at_token)->line, (at_token)->column, __VA_ARGS__);    \
            (parser)->token.kind = TOKEN_END;                                                      \
        }                                                                                          \
    } while (0)

static bool parser_failed(const struct parser *parser)
{
    return parser->status != TACTUS_OK;
}

/* ---- Tokens --------------------------------------------------------------------------------- */

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-' || c == '+' || c == ':';
}

static void parser_skip(struct parser *parser)
{
    for (;; parser->at += 1) {
        const char c = parser->text[parser->at];
        if (c == '\n') {
            parser->line += 1;
            parser->column = 1;
        } else if (c == ' ' || c == '\t' || c == '\r') {
            parser->column += 1;
        } else {
            return;
        }
    }
}

/* Bytes of the quoted text that begins at `text`, both quotes counted; 0 if it has no end. */
static uint64_t quoted_size(const char *text)
{
    assert(*text == '\'');
    uint64_t size = 1;
    while (text[size] != 0) {
        if (text[size] != '\'') {
            size += 1;
        } else if (text[size + 1] == '\'') {
            size += 2;
        } else {
            return size + 1;
        }
    }
    return 0;
}

static uint64_t mark_size(const char *text)
{
    static const char *const marks[] = {"!=", "<=", ">=", "(", ")", ",", "=", "<", ">"};
    for (uint32_t i = 0; i < COUNT_OF(marks); i += 1) {
        if (strncmp(text, marks[i], strlen(marks[i])) == 0) return strlen(marks[i]);
    }
    return 0;
}

/* What begins here, and how long it is; 0: nothing that the language has. */
static uint64_t token_measure(const char *text, enum token_kind *kind)
{
    uint64_t size = 0;
    if ((text[0] == 'x' || text[0] == 'X') && text[1] == '\'') {
        *kind = TOKEN_HEX;
        size = quoted_size(text + 1);
        return size == 0 ? 0 : size + 1;
    }
    if (text[0] == '\'') {
        *kind = TOKEN_TEXT;
        return quoted_size(text);
    }
    if (text[0] == '?') {
        *kind = TOKEN_PARAMETER;
        for (size = 1; text[size] >= '0' && text[size] <= '9';)
            size += 1;
        return size;
    }
    if (is_word(text[0])) {
        *kind = TOKEN_WORD;
        while (is_word(text[size]))
            size += 1;
        return size;
    }
    *kind = TOKEN_MARK;
    return mark_size(text);
}

static void parser_refuse(struct parser *parser, const struct token *token)
{
    const uint8_t c = (uint8_t)token->text[0];
    if (token->kind == TOKEN_TEXT || token->kind == TOKEN_HEX) {
        parser_fail(parser, TACTUS_SYNTAX, token, "open quote: the text ends before the closing '");
    } else if (c == '"') {
        parser_fail(
            parser, TACTUS_SYNTAX, token, "unexpected \": text stands in single quotes: 'so'"
        );
    } else if (c < ' ' || c > '~') {
        parser_fail(parser, TACTUS_SYNTAX, token, "unexpected byte 0x%02x", c);
    } else {
        parser_fail(
            parser, TACTUS_SYNTAX, token, "unexpected `%c`: comparisons are = != < <= > >=", c
        );
    }
}

static void parser_scan(struct parser *parser)
{
    parser_skip(parser);
    struct token token = {
        .kind = TOKEN_END,
        .text = parser->text + parser->at,
        .line = parser->line,
        .column = parser->column,
    };
    if (*token.text != 0) {
        const uint64_t size = token_measure(token.text, &token.kind);
        if (size == 0 || size > UINT32_MAX / 2) {
            parser_refuse(parser, &token);
            return;
        }
        token.size = (uint32_t)size;
    }
    parser->token = token;
    parser->at += token.size;
    for (uint32_t i = 0; i < token.size; i += 1) { /* a quoted text may have line ends */
        parser->column += 1;
        if (token.text[i] != '\n') continue;
        parser->line += 1;
        parser->column = 1;
    }
}

static struct token parser_take(struct parser *parser)
{
    const struct token taken = parser->token;
    if (taken.kind != TOKEN_END) parser_scan(parser);
    return taken;
}

/* Whether a token is this word, in any case, or this mark. */
static bool token_is(const struct token *token, const char *word)
{
    if (token->kind != TOKEN_WORD && token->kind != TOKEN_MARK) return false;
    if (strlen(word) != token->size) return false;
    for (uint32_t i = 0; i < token->size; i += 1) {
        const char c = token->text[i];
        if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != word[i]) return false;
    }
    return true;
}

static bool parser_accept(struct parser *parser, const char *word)
{
    if (!token_is(&parser->token, word)) return false;
    (void)parser_take(parser);
    return true;
}

/* A failure that says what should stand here. */
static void parser_expected(struct parser *parser, const char *what)
{
    const struct token token = parser->token;
    if (token.kind == TOKEN_END) {
        parser_fail(parser, TACTUS_SYNTAX, &token, "expected %s: the text ends here", what);
    } else {
        parser_fail(
            parser, TACTUS_SYNTAX, &token, "expected %s, found `%.*s`", what, TOKEN_WORDS(&token)
        );
    }
}

/* ---- Pools ---------------------------------------------------------------------------------- */

/* A new node's number; EXPRESSION_NODE_NONE after a failure. */
static uint16_t parser_add_node(
    struct parser *parser, enum expression_kind kind, const struct token *at
)
{
    struct expression *expression = parser->expression;
    if (expression->node_count == EXPRESSION_NODES_MAX) {
        parser_fail(
            parser,
            TACTUS_LIMIT,
            at,
            "too long: an expression has at most %d tests and groups",
            EXPRESSION_NODES_MAX
        );
        return EXPRESSION_NODE_NONE;
    }
    const uint16_t number = expression->node_count;
    expression->node_count += 1;
    expression->nodes[number] = (struct expression_node
    ){.kind = (uint8_t)kind, .child = EXPRESSION_NODE_NONE, .next = EXPRESSION_NODE_NONE};
    return number;
}

/* A new value of a field, with its room in the literals; NULL after a failure. */
static struct expression_value *parser_add_value(
    struct parser *parser, uint32_t field, const struct token *at
)
{
    struct expression *expression = parser->expression;
    const uint32_t size = expression->collection->fields[field].size;
    if (expression->value_count == EXPRESSION_VALUES_MAX ||
        EXPRESSION_LITERAL_BYTES - expression->literal_bytes < (int64_t)size) {
        parser_fail(
            parser,
            TACTUS_LIMIT,
            at,
            "too many values: at most %d, and %d bytes together",
            EXPRESSION_VALUES_MAX,
            EXPRESSION_LITERAL_BYTES
        );
        return NULL;
    }
    struct expression_value *value = &expression->values[expression->value_count];
    *value = (struct expression_value){
        .offset = expression->literal_bytes,
        .size = (uint16_t)size,
        .field = (uint8_t)field,
        .bound = true,
    };
    expression->value_count += 1;
    expression->literal_bytes = (uint16_t)(expression->literal_bytes + size);
    return value;
}

/* ---- Values --------------------------------------------------------------------------------- */

/* How a literal of a type is written, or NULL if `token` is written so. */
static const char *literal_form_fault(const struct field *field, const struct token *token)
{
    const bool word = token->kind == TOKEN_WORD;
    const bool text = token->kind == TOKEN_TEXT;
    switch ((enum tactus_type)field->type) {
    case TACTUS_TYPE_TEXT: return text ? NULL : "text stands in quotes: 'so'";
    case TACTUS_TYPE_BYTES: return token->kind == TOKEN_HEX ? NULL : "bytes are written x'00ff'";
    case TACTUS_TYPE_TIME: return text ? NULL : "time stands in quotes: '2010-12-01 08:26'";
    case TACTUS_TYPE_U128:
    case TACTUS_TYPE_UUID: return word || text ? NULL : "write a number, 0x... or a UUID";
    case TACTUS_TYPE_BOOL: return word ? NULL : "write true or false, without quotes";
    case TACTUS_TYPE_U8:
    case TACTUS_TYPE_U16:
    case TACTUS_TYPE_U32:
    case TACTUS_TYPE_U64:
    case TACTUS_TYPE_I8:
    case TACTUS_TYPE_I16:
    case TACTUS_TYPE_I32:
    case TACTUS_TYPE_I64:
    case TACTUS_TYPE_F32:
    case TACTUS_TYPE_F64:
    case TACTUS_TYPE_TIMESTAMP:
    case TACTUS_TYPE_DECIMAL: return word ? NULL : "write a number, without quotes";
    case TACTUS_TYPE_RESERVED: break;
    }
    assert(false);
    return NULL;
}

/* The text inside a literal's quotes, in a buffer if a quote is doubled in it. */
static uint64_t literal_text(const struct token *token, char *buffer, uint64_t room)
{
    uint64_t from = token->kind == TOKEN_HEX ? 2 : token->kind == TOKEN_TEXT ? 1 : 0;
    const uint64_t end = token->kind == TOKEN_WORD ? token->size : token->size - 1;
    uint64_t size = 0;
    while (from < end && size < room) {
        buffer[size] = token->text[from];
        size += 1;
        from += token->kind == TOKEN_TEXT && token->text[from] == '\'' ? 2 : 1;
    }
    return size;
}

/* Text that is read as a value, and the value before it is put into the pool. */
struct reading {
    const char *text; /* borrowed */
    uint64_t text_size;
    uint16_t size; /* as in struct expression_value */
    uint8_t bytes[FIELD_SIZE_MAX];
};

/* Bytes of a prefix that was written in one of the forms of hex: 00ff, 0x00ff, x'00ff'. */
static uint64_t hex_bytes(const char *text, uint64_t size)
{
    if (size >= 3 && text[1] == '\'') return (size - 3) / 2;
    if (size >= 2 && (text[1] == 'x' || text[1] == 'X')) return (size - 2) / 2;
    return size / 2;
}

/* Reads text for a value; of a prefix, the length is what the text has, not what the field has. */
static enum tactus_status value_read(
    const struct expression *expression,
    const struct expression_value *value,
    struct reading *reading,
    struct text_error *error
)
{
    const struct field *field = &expression->collection->fields[value->field];
    TRY(field_parse(field, reading->text, reading->text_size, reading->bytes, error));
    reading->size = field->size;
    if (value->prefix) {
        const bool is_text = field->type == TACTUS_TYPE_TEXT;
        const uint64_t digits = hex_bytes(reading->text, reading->text_size);
        reading->size = (uint16_t)(is_text ? reading->text_size : digits);
    }
    assert(reading->size <= field->size);
    return TACTUS_OK;
}

static void value_set(
    struct expression *expression, struct expression_value *value, const struct reading *reading
)
{
    const struct field *field = &expression->collection->fields[value->field];
    bytes_copy(expression->literals + value->offset, reading->bytes, field->size);
    value->size = reading->size;
    value->bound = true;
}

/* Some value that is not zero: a plan can be tried before the parameter is bound. */
static void value_placeholder(struct expression *expression, struct expression_value *value)
{
    const struct field *field = &expression->collection->fields[value->field];
    uint8_t *bytes = expression->literals + value->offset;
    bytes_zero(bytes, field->size);
    bytes[0] = 1;
    if (value->prefix) value->size = 1;
    value->bound = false;
}

static void parser_parameter(
    struct parser *parser, struct expression_value *value, const struct token *token
)
{
    uint32_t number = 0;
    for (uint32_t i = 1; i < token->size; i += 1) {
        number = min_u32(number * 10 + (uint32_t)(token->text[i] - '0'), UINT16_MAX);
    }
    if (number < 1 || number > EXPRESSION_PARAMETERS_MAX) {
        parser_fail(
            parser,
            TACTUS_SYNTAX,
            token,
            "bad parameter `%.*s`: write ?1 to ?%d",
            TOKEN_WORDS(token),
            EXPRESSION_PARAMETERS_MAX
        );
        return;
    }
    value->parameter = (uint8_t)number;
    value_placeholder(parser->expression, value);
}

static void parser_literal(
    struct parser *parser, struct expression_value *value, const struct token *token
)
{
    const struct field *field = &parser->expression->collection->fields[value->field];
    const char *fault = literal_form_fault(field, token);
    if (fault != NULL) {
        parser_fail(
            parser,
            TACTUS_SYNTAX,
            token,
            "`%.*s` cannot be compared with `%s`, a %s: %s",
            (int)min_u32(token->size, 40),
            token->text,
            field->name,
            field_type_of(field->type)->name,
            fault
        );
        return;
    }
    char text[FIELD_TEXT_MAX];
    struct reading reading = {.text = text, .text_size = literal_text(token, text, sizeof text)};
    struct text_error reason = {.text = ""};
    if (value_read(parser->expression, value, &reading, &reason) != TACTUS_OK) {
        parser_fail(parser, TACTUS_SYNTAX, token, "%s", reason.text);
        return;
    }
    value_set(parser->expression, value, &reading);
}

/* Takes one value for a field; false after a failure. */
static bool parser_value(struct parser *parser, uint32_t field, bool prefix)
{
    if (parser->token.kind == TOKEN_END || parser->token.kind == TOKEN_MARK) {
        parser_expected(parser, "a value");
        return false;
    }
    const struct token token = parser_take(parser);
    if (parser_failed(parser)) return false;
    struct expression_value *value = parser_add_value(parser, field, &token);
    if (value == NULL) return false;
    value->prefix = prefix;
    if (token.kind == TOKEN_PARAMETER) {
        parser_parameter(parser, value, &token);
    } else {
        parser_literal(parser, value, &token);
    }
    return !parser_failed(parser);
}

/* ---- Tests ---------------------------------------------------------------------------------- */

/* Takes the name of a field that can be compared; FIELD_NONE after a failure. */
static uint32_t parser_field(struct parser *parser)
{
    static const char *const words[] = {"or", "and", "not", "between", "in", "starts"};
    for (uint32_t i = 0; i < COUNT_OF(words); i += 1) {
        if (token_is(&parser->token, words[i])) parser_expected(parser, "a field, `not` or `(`");
    }
    if (parser->token.kind != TOKEN_WORD) parser_expected(parser, "a field, `not` or `(`");
    if (parser_failed(parser)) return FIELD_NONE;

    const struct token token = parser_take(parser);
    const struct collection_schema *collection = parser->expression->collection;
    const uint32_t field = collection_field_find(collection, token.text, token.size);
    if (field == FIELD_NONE) {
        parser_fail(
            parser,
            TACTUS_SYNTAX,
            &token,
            "unknown field `%.*s`: `%s` has none of that name",
            TOKEN_WORDS(&token),
            collection->name
        );
    } else if (collection->fields[field].type == TACTUS_TYPE_RESERVED) {
        parser_fail(parser, TACTUS_SYNTAX, &token, "reserved bytes have no value to compare");
    }
    return parser_failed(parser) ? FIELD_NONE : field;
}

/* Takes the operator, and says which test it makes; 0 after a failure. */
static uint32_t parser_operator(struct parser *parser, uint32_t field)
{
    static const struct {
        const char *word;
        enum expression_kind kind;
    } operators[] = {
        {"=", EXPRESSION_EQUAL},
        {"!=", EXPRESSION_UNEQUAL},
        {"<", EXPRESSION_LESS},
        {"<=", EXPRESSION_LESS_EQUAL},
        {">", EXPRESSION_GREATER},
        {">=", EXPRESSION_GREATER_EQUAL},
        {"between", EXPRESSION_BETWEEN},
        {"in", EXPRESSION_IN},
        {"starts", EXPRESSION_STARTS},
    };
    const struct field *of = &parser->expression->collection->fields[field];
    const struct token token = parser->token;
    for (uint32_t i = 0; i < COUNT_OF(operators); i += 1) {
        if (!parser_accept(parser, operators[i].word)) continue;
        if (operators[i].kind == EXPRESSION_STARTS && !field_is_string(of)) {
            parser_fail(
                parser,
                TACTUS_SYNTAX,
                &token,
                "`starts` is for text and bytes: `%s` is %s",
                of->name,
                field_type_of(of->type)->name
            );
        }
        return parser_failed(parser) ? 0 : (uint32_t)operators[i].kind;
    }
    parser_expected(parser, "a comparison: = != < <= > >= between in starts");
    return 0;
}

/* Takes the values behind the operator. */
static void parser_values(struct parser *parser, enum expression_kind kind, uint32_t field)
{
    if (kind == EXPRESSION_IN) {
        if (!parser_accept(parser, "(")) {
            parser_expected(parser, "`(` behind `in`");
            return;
        }
        do {
            if (!parser_value(parser, field, false)) return;
        } while (parser_accept(parser, ","));
        if (!parser_accept(parser, ")")) parser_expected(parser, "`,` or `)`");
        return;
    }
    if (!parser_value(parser, field, kind == EXPRESSION_STARTS)) return;
    if (kind != EXPRESSION_BETWEEN) return;
    if (!parser_accept(parser, "and")) {
        parser_expected(parser, "`and` and the upper bound");
        return;
    }
    (void)parser_value(parser, field, false);
}

static uint16_t parser_test(struct parser *parser)
{
    const struct token at = parser->token;
    const uint32_t field = parser_field(parser);
    if (field == FIELD_NONE) return EXPRESSION_NODE_NONE;
    const uint32_t kind = parser_operator(parser, field);
    if (kind == 0) return EXPRESSION_NODE_NONE;
    const uint16_t number = parser_add_node(parser, (enum expression_kind)kind, &at);
    if (number == EXPRESSION_NODE_NONE) return number;

    struct expression *expression = parser->expression;
    struct expression_node *node = &expression->nodes[number];
    node->field = (uint8_t)field;
    node->value = expression->value_count;
    parser_values(parser, (enum expression_kind)kind, field);
    node->value_count = (uint16_t)(expression->value_count - node->value);
    return number;
}

/* ---- Groups --------------------------------------------------------------------------------- */

static uint16_t parser_where(struct parser *parser);

/* [ "not" ] ( "(" where ")" | test ), and a row of nots. */
static uint16_t parser_not(struct parser *parser)
{
    const struct token at = parser->token;
    if (parser->depth == EXPRESSION_DEPTH_MAX) {
        parser_fail(
            parser,
            TACTUS_LIMIT,
            &at,
            "too deep: at most %d parentheses and nots stand in each other",
            EXPRESSION_DEPTH_MAX
        );
        return EXPRESSION_NODE_NONE;
    }
    parser->depth += 1;
    uint16_t number = EXPRESSION_NODE_NONE;
    if (parser_accept(parser, "not")) {
        const uint16_t child = parser_not(parser);
        if (!parser_failed(parser)) number = parser_add_node(parser, EXPRESSION_NOT, &at);
        if (!parser_failed(parser)) parser->expression->nodes[number].child = child;
    } else if (parser_accept(parser, "(")) {
        number = parser_where(parser);
        if (!parser_failed(parser) && !parser_accept(parser, ")")) {
            parser_expected(parser, "`and`, `or` or `)`");
        }
    } else {
        number = parser_test(parser);
    }
    parser->depth -= 1;
    return number;
}

/* Parts joined by a word. One part is itself; more become the children of a node. */
static uint16_t parser_joined(
    struct parser *parser, enum expression_kind kind, uint16_t (*part)(struct parser *)
)
{
    const char *word = kind == EXPRESSION_AND ? "and" : "or";
    const struct token at = parser->token;
    const uint16_t first = part(parser);
    if (parser_failed(parser) || !token_is(&parser->token, word)) return first;

    const uint16_t number = parser_add_node(parser, kind, &at);
    if (parser_failed(parser)) return EXPRESSION_NODE_NONE;
    struct expression_node *nodes = parser->expression->nodes;
    nodes[number].child = first;
    uint16_t last = first;
    while (parser_accept(parser, word)) {
        const uint16_t next = part(parser);
        if (parser_failed(parser)) return EXPRESSION_NODE_NONE;
        assert(nodes[last].next == EXPRESSION_NODE_NONE);
        nodes[last].next = next;
        last = next;
    }
    return number;
}

static uint16_t parser_and(struct parser *parser)
{
    return parser_joined(parser, EXPRESSION_AND, parser_not);
}

static uint16_t parser_where(struct parser *parser)
{
    return parser_joined(parser, EXPRESSION_OR, parser_and);
}

enum tactus_status expression_parse(
    struct expression *expression,
    const struct collection_schema *collection,
    const char *text,
    struct text_error *error
)
{
    expression->collection = collection;
    expression->root = EXPRESSION_NODE_NONE;
    expression->node_count = 0;
    expression->value_count = 0;
    expression->literal_bytes = 0;
    struct parser parser = {
        .text = text == NULL ? "" : text,
        .line = 1,
        .column = 1,
        .status = TACTUS_OK,
        .expression = expression,
        .error = error,
    };
    parser.token.kind = TOKEN_END;
    parser_scan(&parser);
    if (parser_failed(&parser)) return parser.status;
    if (parser.token.kind == TOKEN_END) return TACTUS_OK;

    const uint16_t root = parser_where(&parser);
    if (!parser_failed(&parser) && parser.token.kind != TOKEN_END) {
        parser_expected(&parser, "`and`, `or` or the end");
    }
    if (!parser_failed(&parser)) expression->root = root;
    return parser.status;
}

/* ---- Parameters ----------------------------------------------------------------------------- */

enum tactus_status expression_bind(
    struct expression *expression, uint32_t number, const char *text, struct text_error *error
)
{
    struct reading reading = {.text = text, .text_size = strlen(text)};
    bool found = false;
    /* Twice: every field reads it before any value changes. */
    for (uint32_t round = 0; round < 2; round += 1) {
        for (uint32_t i = 0; i < expression->value_count; i += 1) {
            struct expression_value *value = &expression->values[i];
            if (value->parameter == 0 || value->parameter != number) continue;
            found = true;
            TRY(value_read(expression, value, &reading, error));
            if (round == 1) value_set(expression, value, &reading);
        }
    }
    if (found) return TACTUS_OK;
    text_error_set(error, 0, 0, "the expression has no ?%u", number);
    return TACTUS_ABSENT;
}

uint32_t expression_unbound(const struct expression *expression)
{
    uint32_t lowest = 0;
    for (uint32_t i = 0; i < expression->value_count; i += 1) {
        const struct expression_value *value = &expression->values[i];
        if (value->bound) continue;
        if (lowest == 0 || value->parameter < lowest) lowest = value->parameter;
    }
    return lowest;
}
