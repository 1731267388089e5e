#include "forest/schema_parser.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/checksum.h"
#include "base/integer.h"
#include "forest/schema_token.h"

#include <stddef.h>
#include <string.h>

#include "base/poison.h"

/* A composite index names fields that may be declared after it: they are looked up at the end of
 * the collection's block. */
struct composite {
    uint32_t index; /* its number in the collection */
    uint32_t field_count;
    struct token fields[ORDER_BYTES_MAX];
};

struct parser {
    struct lexer lexer; /* behind `token` */
    struct token token; /* the next one, not yet taken */
    bool failed;        /* once set, it stays; `error` has the first reason */

    struct schema *schema;
    struct text_error *error; /* may be NULL */

    struct collection_schema *collection; /* the one whose block is open */
    uint32_t object_size;                 /* so far, without padding at the end */
    uint32_t composite_count;
    struct composite composites[INDEXES_MAX];
};

/* Keeps the first failure. Tokens end then, so that every loop does. */
#define parser_fail(parser, at_token, ...)                                                         \
    do {                                                                                           \
        if (!(parser)->failed) {                                                                   \
            (parser)->failed = true;                                                               \
            text_error_set((parser)->error, (at_token)->line, (at_token)->column, __VA_ARGS__);    \
            (parser)->token.kind = TOKEN_END;                                                      \
        }                                                                                          \
    } while (0)

/* ---- Tokens --------------------------------------------------------------------------------- */

/* Reads the token behind the next one, which then is the next one itself. */
static void parser_advance(struct parser *parser)
{
    parser->token = lexer_next(&parser->lexer);
    if (parser->token.kind != TOKEN_BAD) return;
    assert(!parser->failed);
    parser->failed = true;
    token_refuse(&parser->token, parser->error);
    parser->token.kind = TOKEN_END;
}

/* Takes the next token. After a failure there is only the end. */
static struct token parser_take(struct parser *parser)
{
    const struct token taken = parser->token;
    if (!parser->failed) parser_advance(parser);
    return taken;
}

/* The token after the next one, without taking any. */
static struct token parser_peek_second(const struct parser *parser)
{
    struct lexer ahead = parser->lexer;
    return lexer_next(&ahead);
}

static bool parser_expect(struct parser *parser, const char *mark, const char *where)
{
    const struct token token = parser_take(parser);
    if (token_is(&token, mark)) return true;
    if (token.kind == TOKEN_END) {
        parser_fail(parser, &token, "`%s` is missing %s: the text ends here", mark, where);
    } else {
        parser_fail(
            parser, &token, "expected `%s` %s, found `%.*s`", mark, where, TOKEN_TEXT(&token)
        );
    }
    return false;
}

/* ---- Names ---------------------------------------------------------------------------------- */

static bool name_is_reserved(const struct token *token)
{
    static const char *const words[] = {
        "or",
        "and",
        "not",
        "between",
        "in",
        "starts",
        "true",
        "false",
        "index",
        "map",
        "collection"};
    for (uint32_t i = 0; i < COUNT_OF(words); i += 1) {
        if (token_is(token, words[i])) return true;
    }
    return false;
}

/* Takes a name that may be given to a `what`. */
static struct token parser_take_name(struct parser *parser, const char *what)
{
    const struct token token = parser_take(parser);
    if (token.kind == TOKEN_END) {
        parser_fail(parser, &token, "the text ends where the name of %s should stand", what);
    } else if (token.kind != TOKEN_NAME) {
        parser_fail(
            parser,
            &token,
            "expected the name of %s, found `%.*s`: names are [a-z][a-z0-9_]*",
            what,
            TOKEN_TEXT(&token)
        );
    } else if (name_is_reserved(&token)) {
        parser_fail(
            parser,
            &token,
            "`%.*s` is a word of the language: choose another name",
            TOKEN_TEXT(&token)
        );
    } else if (token.size >= NAME_SIZE) {
        parser_fail(
            parser, &token, "name of %u bytes: at most %d are allowed", token.size, NAME_SIZE - 1
        );
    } else {
        for (uint32_t i = 0; i < token.size; i += 1) {
            const char c = token.text[i];
            if (!(c >= 'A' && c <= 'Z') && (c != '_' || i > 0)) continue;
            parser_fail(
                parser,
                &token,
                "bad name `%.*s`: names are small letters, digits and _, a letter first",
                TOKEN_TEXT(&token)
            );
        }
    }
    return token;
}

static void name_set(char name[NAME_SIZE], const struct token *token)
{
    assert(token->size < NAME_SIZE);
    memset(name, 0, NAME_SIZE);
    bytes_copy(name, token->text, token->size);
}

/* Fields and composite indexes of a collection share one space of names. */
static void parser_check_unique(struct parser *parser, const struct token *name)
{
    const struct collection_schema *collection = parser->collection;
    if (collection_field_find(collection, name->text, name->size) != FIELD_NONE) {
        if (token_is(name, "id")) {
            parser_fail(parser, name, "two ids: a collection has at most one");
        }
        parser_fail(parser, name, "duplicate name `%.*s`: a field above has it", TOKEN_TEXT(name));
    }
    for (uint32_t i = 0; i < collection->index_count; i += 1) {
        const struct index_schema *index = &collection->indexes[i];
        if (!index->composite || !token_is(name, index->name)) continue;
        parser_fail(parser, name, "duplicate name `%.*s`: an index above has it", TOKEN_TEXT(name));
    }
}

/* ---- Fields --------------------------------------------------------------------------------- */

/* Takes "(N)" behind a type; N from 1 to `limit`, or 0 after a failure. */
static uint32_t parser_take_number(struct parser *parser, const char *type, uint32_t limit)
{
    if (!token_is(&parser->token, "(")) {
        parser_fail(
            parser,
            &parser->token,
            "%s needs a number: write %s(N), N from 1 to %u",
            type,
            type,
            limit
        );
        return 0;
    }
    (void)parser_take(parser);
    const struct token token = parser_take(parser);
    uint64_t number = 0;
    bool good = token.kind == TOKEN_NUMBER;
    for (uint32_t i = 0; good && i < token.size; i += 1) {
        good = token.text[i] >= '0' && token.text[i] <= '9';
        number = min_u64(number * 10 + (uint64_t)(token.text[i] - '0'), UINT32_MAX);
    }
    if (!good || number == 0 || number > limit) {
        parser_fail(
            parser,
            &token,
            "bad number `%.*s` in %s(N): N is a number from 1 to %u",
            TOKEN_TEXT(&token),
            type,
            limit
        );
        return 0;
    }
    return parser_expect(parser, ")", "behind the number") ? (uint32_t)number : 0;
}

/* Gives the field its place behind those before it. */
static void parser_place_field(
    struct parser *parser, struct field *field, uint32_t alignment, const struct token *at
)
{
    const uint32_t offset = (uint32_t)round_up_u64(parser->object_size, alignment);
    const uint32_t limit = parser->collection->is_map ? MAP_OBJECT_SIZE_MAX : OBJECT_SIZE_MAX;
    if (round_up_u64(offset + field->size, 8) > limit) {
        parser_fail(
            parser,
            at,
            "object too large: with `%s` it has %u bytes, and %u are allowed; shorten a field",
            field->name,
            (uint32_t)round_up_u64(offset + field->size, 8),
            limit
        );
        return;
    }
    field->offset = (uint16_t)offset;
    parser->object_size = offset + field->size;
}

/* A new field at the end of the collection, or NULL. */
static struct field *parser_add_field(struct parser *parser, const struct token *at)
{
    struct collection_schema *collection = parser->collection;
    if (collection->field_count == FIELDS_MAX) {
        parser_fail(
            parser,
            at,
            "too many fields in `%s`: at most %d, the timestamp among them",
            collection->name,
            FIELDS_MAX
        );
        return NULL;
    }
    struct field *field = &collection->fields[collection->field_count];
    *field = (struct field){0};
    collection->field_count += 1;
    parser->schema->field_count += 1;
    return field;
}

/* A new index at the end of the collection, or NULL. */
static struct index_schema *parser_add_index(struct parser *parser, const struct token *at)
{
    struct collection_schema *collection = parser->collection;
    if (collection->index_count == INDEXES_MAX) {
        parser_fail(
            parser, at, "too many indexes in `%s`: at most %d", collection->name, INDEXES_MAX
        );
        return NULL;
    }
    struct index_schema *index = &collection->indexes[collection->index_count];
    *index = (struct index_schema){0};
    collection->index_count += 1;
    parser->schema->index_count += 1;
    return index;
}

/* Whether the next token opens another field on the same line, as in `{ key u64  user u64 }`. */
static bool parser_at_field(const struct parser *parser)
{
    const struct token second = parser_peek_second(parser);
    return second.kind == TOKEN_NAME && second.line == parser->token.line &&
           field_type_find(second.text, second.size) != NULL;
}

/* Takes a word behind `index`, if it stands there, on its line; sets the flag that it means. */
static bool parser_take_index_word(
    struct parser *parser, struct field *field, uint32_t line, const char *text, uint8_t flag
)
{
    if (!token_is(&parser->token, text) || parser->token.line != line) return false;
    if (parser_at_field(parser)) return false;
    const struct token word = parser_take(parser);
    if ((field->flags & flag) != 0) {
        parser_fail(parser, &word, "`%s` stands twice behind `%s`", text, field->name);
    }
    field->flags |= flag;
    return true;
}

/* Takes "index {hash | sparse}" behind a type. */
static void parser_take_field_index(struct parser *parser, struct field *field)
{
    const struct token word = parser_take(parser);
    assert(token_is(&word, "index"));
    if ((field->flags & TACTUS_FIELD_INDEX) != 0) {
        parser_fail(parser, &word, "`index` stands twice behind `%s`", field->name);
    }
    field->flags |= TACTUS_FIELD_INDEX;

    while (parser_take_index_word(parser, field, word.line, "hash", TACTUS_FIELD_HASH) ||
           parser_take_index_word(parser, field, word.line, "sparse", TACTUS_FIELD_SPARSE)) {
    }
}

static bool parser_at_composite(const struct parser *parser)
{
    if (!token_is(&parser->token, "index")) return false;
    struct lexer ahead = parser->lexer;
    const struct token name = lexer_next(&ahead);
    const struct token mark = lexer_next(&ahead);
    return name.kind == TOKEN_NAME && token_is(&mark, "(");
}

/* Takes the words behind a type: those on its line. */
static void parser_take_words(struct parser *parser, struct field *field, const struct token *type)
{
    while (parser->token.kind == TOKEN_NAME && parser->token.line == type->line) {
        if (parser_at_composite(parser)) return;
        if (token_is(&parser->token, "index")) {
            parser_take_field_index(parser, field);
        } else if (token_is(&parser->token, "optional")) {
            const struct token word = parser_take(parser);
            if (field_is_optional(field)) {
                parser_fail(parser, &word, "`optional` stands twice behind `%s`", field->name);
            }
            field->flags |= TACTUS_FIELD_OPTIONAL;
        } else if (token_is(&parser->token, "sparse") && !parser_at_field(parser)) {
            parser_fail(parser, &parser->token, "`sparse` stands alone: write `index sparse`");
        } else if (token_is(&parser->token, "hash") && !parser_at_field(parser)) {
            parser_fail(parser, &parser->token, "`hash` stands alone: write `index hash`");
        } else if (parser_at_field(parser)) {
            return;
        } else {
            parser_fail(
                parser,
                &parser->token,
                "unknown word `%.*s` behind a type: known are optional, index, index hash, index "
                "sparse",
                TOKEN_TEXT(&parser->token)
            );
        }
    }
}

static bool type_is_id(uint8_t type)
{
    return type == TACTUS_TYPE_U64 || type == TACTUS_TYPE_U128 || type == TACTUS_TYPE_UUID;
}

/* What fields of some names and types may not be. */
static void parser_check_field(
    struct parser *parser, const struct field *field, const struct token *at
)
{
    const bool is_id = strcmp(field->name, "id") == 0;
    const bool is_timestamp = field->type == TACTUS_TYPE_TIMESTAMP;
    if (is_id && !type_is_id(field->type)) {
        parser_fail(parser, at, "the id must be u64, u128 or uuid: choose one, or another name");
    }
    if (strcmp(field->name, "timestamp") == 0 && !is_timestamp) {
        parser_fail(
            parser, at, "a field named timestamp has the type timestamp: choose another name"
        );
    }
    if (is_id && field->flags != 0) {
        parser_fail(
            parser,
            at,
            "the id is always there, and always served: write neither optional nor index"
        );
    }
    if (is_timestamp && field->flags != 0) {
        parser_fail(
            parser,
            at,
            "the timestamp is always there, and always served: write neither optional nor index"
        );
    }
    if (field->type == TACTUS_TYPE_RESERVED && field->flags != 0) {
        parser_fail(parser, at, "reserved bytes have no value: write neither optional nor index");
    }
    if (is_timestamp && parser->collection->timestamp_field != FIELD_NONE) {
        parser_fail(parser, at, "two timestamps in `%s`: at most one", parser->collection->name);
    }
}

/* What a map's fields may not be, besides. */
static void parser_check_map_field(
    struct parser *parser, const struct field *field, uint32_t number, const struct token *at
)
{
    const char *map = parser->collection->name;
    if (number == 0 && strcmp(field->name, "key") != 0) {
        parser_fail(
            parser,
            at,
            "a map begins with its key: let `key u64`, u128 or uuid stand first in `%s`",
            map
        );
    }
    if (number == 0 && !type_is_id(field->type)) {
        parser_fail(parser, at, "the key must be u64, u128 or uuid: choose one");
    }
    if (number == 0 && field->flags != 0) {
        parser_fail(
            parser,
            at,
            "the key is always there, and always served: write neither optional nor index"
        );
    }
    if (strcmp(field->name, "id") == 0) {
        parser_fail(parser, at, "a map has a key, and no id: choose another name");
    }
    if (field->type == TACTUS_TYPE_TIMESTAMP) {
        parser_fail(
            parser, at, "a map has no timestamps: write `time`, or leave `%s` out", field->name
        );
    }
    if ((field->flags & TACTUS_FIELD_INDEX) != 0) {
        parser_fail(
            parser, at, "a map has no indexes: leave `index` out, or make `%s` a collection", map
        );
    }
}

static void parser_index_field(
    struct parser *parser, struct field *field, uint32_t number, const struct token *at
)
{
    struct index_schema *index = parser_add_index(parser, at);
    if (index == NULL) return;
    memcpy(index->name, field->name, sizeof index->name);
    index->fields[0] = (uint8_t)number;
    index->field_count = 1;
    index->hashed = (field->flags & TACTUS_FIELD_HASH) != 0;
    index->order_bytes = index->hashed ? HASH_BYTES : (uint8_t)field_order_bytes(field);
    index->sparse = (field->flags & TACTUS_FIELD_SPARSE) != 0;
    index->truncated = !index->hashed && field_is_truncated(field);
}

/* Takes the type of a field, with its number; NULL after a failure. */
static const struct field_type *parser_take_type(struct parser *parser, struct field *field)
{
    const struct token token = parser_take(parser);
    const struct field_type *type = NULL;
    if (token.kind == TOKEN_NAME) type = field_type_find(token.text, token.size);
    if (type == NULL) {
        parser_fail(
            parser,
            &token,
            "unknown type `%.*s`%s: known are u8 u16 u32 u64 u128 uuid i8 i16 i32 i64 f32 f64 bool "
            "time timestamp decimal(D) text(N) bytes(N) reserved(N)",
            token.kind == TOKEN_END ? 0 : (int)min_u32(token.size, 24),
            token.text,
            token.kind == TOKEN_END ? " at the end" : ""
        );
        return NULL;
    }
    field->type = type->type;
    field->size = type->size;
    if (type->type == TACTUS_TYPE_DECIMAL) {
        field->decimals = (uint8_t)parser_take_number(parser, type->name, DECIMALS_MAX);
    } else if (type->has_number) {
        field->size = (uint16_t)parser_take_number(parser, type->name, FIELD_SIZE_MAX);
    } else if (token_is(&parser->token, "(")) {
        parser_fail(parser, &parser->token, "%s takes no number: leave the ( ) out", type->name);
    }
    return parser->failed ? NULL : type;
}

static void parser_field(struct parser *parser)
{
    struct collection_schema *collection = parser->collection;
    const struct token name = parser_take_name(parser, "a field");
    if (!parser->failed) parser_check_unique(parser, &name);
    if (parser->failed) return;

    const uint32_t number = collection->field_count;
    struct field *field = parser_add_field(parser, &name);
    if (field == NULL) return;
    name_set(field->name, &name);

    const struct token at = parser->token;
    const struct field_type *type = parser_take_type(parser, field);
    if (type == NULL) return;
    parser_take_words(parser, field, &at);
    if (collection->is_map) parser_check_map_field(parser, field, number, &name);
    if (!parser->failed) parser_check_field(parser, field, &name);
    if (parser->failed) return;

    parser_place_field(parser, field, type->alignment, &name);
    if (strcmp(field->name, collection->is_map ? "key" : "id") == 0) {
        field->flags |= TACTUS_FIELD_ID;
        collection->id_field = number;
        collection->id_bytes = field->size;
    }
    if (field->type == TACTUS_TYPE_TIMESTAMP) collection->timestamp_field = number;
    if ((field->flags & TACTUS_FIELD_INDEX) != 0) parser_index_field(parser, field, number, &name);
}

/* ---- Composite indexes ---------------------------------------------------------------------- */

/* Takes "index NAME (a, b, ...)"; the fields are looked up later. */
static void parser_composite(struct parser *parser)
{
    const struct token word = parser_take(parser);
    assert(token_is(&word, "index"));
    if (parser->collection->is_map) {
        parser_fail(
            parser,
            &word,
            "a map has no indexes: leave it out, or make `%s` a collection",
            parser->collection->name
        );
    }
    const struct token name = parser_take_name(parser, "an index");
    if (!parser->failed) parser_check_unique(parser, &name);
    if (parser->failed) return;
    if (!parser_expect(parser, "(", "behind the name of the index")) return;

    struct index_schema *index = parser_add_index(parser, &name);
    if (index == NULL) return;
    name_set(index->name, &name);
    index->composite = true;

    struct composite *composite = &parser->composites[parser->composite_count];
    parser->composite_count += 1;
    *composite = (struct composite){.index = parser->collection->index_count - 1};
    do {
        const struct token field = parser_take_name(parser, "a field of the index");
        if (parser->failed) return;
        if (composite->field_count == ORDER_BYTES_MAX) {
            parser_fail(
                parser,
                &field,
                "index over %d bytes: `%s` has too many fields; leave some out",
                ORDER_BYTES_MAX,
                index->name
            );
            return;
        }
        composite->fields[composite->field_count] = field;
        composite->field_count += 1;
    } while (token_is(&parser->token, ",") && parser_take(parser).kind == TOKEN_MARK);
    if (!parser_expect(parser, ")", "behind the fields of the index")) return;

    if (token_is(&parser->token, "sparse") || token_is(&parser->token, "hash")) {
        if (parser->token.line != word.line || parser_at_field(parser)) return;
        parser_fail(
            parser,
            &parser->token,
            "a composite index takes no word behind it: it leaves out what has an optional field "
            "absent"
        );
    }
}

/* Adds one field to a composite index. */
static void parser_resolve_field(
    struct parser *parser, struct index_schema *index, const struct token *name
)
{
    const struct collection_schema *collection = parser->collection;
    const uint32_t number = collection_field_find(collection, name->text, name->size);
    if (number == FIELD_NONE) {
        parser_fail(
            parser,
            name,
            "unknown field `%.*s`: `%s` has none of that name",
            TOKEN_TEXT(name),
            collection->name
        );
        return;
    }
    const struct field *field = &collection->fields[number];
    for (uint32_t i = 0; i < index->field_count; i += 1) {
        if (index->fields[i] == number) {
            parser_fail(parser, name, "`%s` stands twice in index `%s`", field->name, index->name);
        }
    }
    if (field->type == TACTUS_TYPE_RESERVED) {
        parser_fail(parser, name, "reserved bytes have no value: leave `%s` out", field->name);
    }
    if (field->type == TACTUS_TYPE_TIMESTAMP) {
        parser_fail(
            parser, name, "every index is by the timestamp last: leave `%s` out", field->name
        );
    }
    if (index->field_count == 0 && number == collection->id_field) {
        parser_fail(parser, name, "the id is served already: do not begin an index with it");
    }
    if (index->order_bytes + field->size > ORDER_BYTES_MAX) {
        parser_fail(
            parser,
            name,
            "index over %d bytes: with `%s` the fields of `%s` take %u; leave it out or shorten it",
            ORDER_BYTES_MAX,
            field->name,
            index->name,
            (uint32_t)index->order_bytes + field->size
        );
    }
    if (parser->failed) return;
    index->fields[index->field_count] = (uint8_t)number;
    index->field_count += 1;
    index->order_bytes = (uint8_t)(index->order_bytes + field->size);
}

static void parser_resolve_composites(struct parser *parser)
{
    for (uint32_t i = 0; i < parser->composite_count; i += 1) {
        const struct composite *composite = &parser->composites[i];
        struct index_schema *index = &parser->collection->indexes[composite->index];
        for (uint32_t k = 0; k < composite->field_count && !parser->failed; k += 1) {
            parser_resolve_field(parser, index, &composite->fields[k]);
        }
    }
}

/* ---- Collections ---------------------------------------------------------------------------- */

static void shape_add_number(struct checksum_stream *stream, uint32_t number)
{
    uint8_t bytes[4];
    store_u32(bytes, number);
    checksum_stream_add(stream, bytes, sizeof bytes);
}

static uint64_t collection_shape(const struct collection_schema *collection)
{
    struct checksum_stream stream;
    checksum_stream_begin(&stream, (struct checksum){0});
    checksum_stream_add(&stream, collection->name, NAME_SIZE);
    shape_add_number(&stream, collection->object_bytes);
    shape_add_number(&stream, collection->field_count);
    for (uint32_t i = 0; i < collection->field_count; i += 1) {
        const struct field *field = &collection->fields[i];
        checksum_stream_add(&stream, field->name, NAME_SIZE);
        shape_add_number(&stream, field->type);
        shape_add_number(&stream, field->decimals);
        shape_add_number(&stream, field->offset);
        shape_add_number(&stream, field->size);
    }
    const uint64_t shape = checksum_stream_end(&stream).low;
    return shape == 0 ? 1 : shape; /* 0 means "any" to tactus_collection_find */
}

/* Adds the timestamp that the text left out. */
static void parser_add_timestamp(struct parser *parser, const struct token *at)
{
    struct collection_schema *collection = parser->collection;
    const struct token name = {
        .kind = TOKEN_NAME, .text = "timestamp", .size = 9, .line = at->line, .column = at->column};
    parser_check_unique(parser, &name); /* an index may have this name */
    if (parser->failed) return;
    struct field *field = parser_add_field(parser, at);
    if (field == NULL) return;
    name_set(field->name, &name);
    field->type = TACTUS_TYPE_TIMESTAMP;
    field->size = 8;
    parser_place_field(parser, field, 8, at);
    collection->timestamp_field = collection->field_count - 1;
}

/* All fields are there: what is known only now. */
static void parser_end_collection(struct parser *parser, const struct token *end)
{
    struct collection_schema *collection = parser->collection;
    const bool is_map = collection->is_map;
    if (collection->field_count == 0) {
        parser_fail(
            parser,
            end,
            "`%s` has no field: declare %s at least",
            collection->name,
            is_map ? "its key" : "one"
        );
        return;
    }
    if (!is_map && collection->timestamp_field == FIELD_NONE) parser_add_timestamp(parser, end);
    if (!parser->failed) parser_resolve_composites(parser);
    if (parser->failed) return;

    collection->object_bytes = (uint32_t)round_up_u64(parser->object_size, 8);
    assert(collection->object_bytes <= OBJECT_SIZE_MAX);
    if (!is_map) {
        collection->timestamp_offset = collection->fields[collection->timestamp_field].offset;
        assert(collection->timestamp_offset % 8 == 0);
    }

    struct schema *schema = parser->schema;
    const bool has_id_tree = !is_map && collection->id_field != FIELD_NONE;
    collection->object_tree = (uint16_t)++schema->tree_count;
    if (has_id_tree) collection->id_tree = (uint16_t)++schema->tree_count;
    for (uint32_t i = 0; i < collection->index_count; i += 1) {
        collection->indexes[i].tree = (uint16_t)++schema->tree_count;
    }
    collection->shape = collection_shape(collection);
}

static void parser_begin_collection(struct parser *parser, const struct token *name, bool is_map)
{
    struct schema *schema = parser->schema;
    struct collection_schema *collection = &schema->collections[schema->count];
    *collection = (struct collection_schema){
        .fields = &schema->fields[schema->field_count],
        .indexes = &schema->indexes[schema->index_count],
        .number = schema->count,
        .id_field = FIELD_NONE,
        .timestamp_field = FIELD_NONE,
        .is_map = is_map,
    };
    name_set(collection->name, name);
    schema->count += 1;
    parser->collection = collection;
    parser->object_size = 0;
    parser->composite_count = 0;
}

/* Takes the name of a collection or map, which none above has. False: it failed. */
static bool parser_take_new_name(struct parser *parser, bool is_map, struct token *name)
{
    *name = parser_take_name(parser, is_map ? "a map" : "a collection");
    if (parser->failed) return false;
    for (uint32_t i = 0; i < parser->schema->count; i += 1) {
        const struct collection_schema *other = &parser->schema->collections[i];
        if (!token_is(name, other->name)) continue;
        parser_fail(
            parser,
            name,
            "duplicate name `%.*s`: a %s above has it",
            TOKEN_TEXT(name),
            other->is_map ? "map" : "collection"
        );
        return false;
    }
    if (parser->schema->count == COLLECTIONS_MAX) {
        parser_fail(parser, name, "too many collections and maps: at most %d", COLLECTIONS_MAX);
        return false;
    }
    return true;
}

static void parser_collection(struct parser *parser, bool is_map)
{
    struct token name;
    if (!parser_take_new_name(parser, is_map, &name)) return;
    const char *where = is_map ? "behind the name of the map" : "behind the name of the collection";
    if (!parser_expect(parser, "{", where)) return;
    parser_begin_collection(parser, &name, is_map);

    while (!parser->failed && !token_is(&parser->token, "}")) {
        if (parser->token.kind == TOKEN_END) {
            parser_fail(
                parser,
                &parser->token,
                "the block of `%s`, opened in line %u, is not closed: add a `}`",
                parser->collection->name,
                name.line
            );
        } else if (token_is(&parser->token, "collection") || token_is(&parser->token, "map")) {
            parser_fail(
                parser,
                &parser->token,
                "the block of `%s`, opened in line %u, is not closed before this: add a `}`",
                parser->collection->name,
                name.line
            );
        } else if (token_is(&parser->token, "index")) {
            parser_composite(parser);
        } else {
            parser_field(parser);
        }
    }
    if (parser->failed) return;
    parser_end_collection(parser, &parser->token);
    (void)parser_take(parser);
}

/* Everything between the first byte and the last: one turn a collection. */
static void parser_text(struct parser *parser)
{
    while (!parser->failed && parser->token.kind != TOKEN_END) {
        const struct token word = parser_take(parser);
        if (token_is(&word, "collection")) {
            parser_collection(parser, false);
        } else if (token_is(&word, "map")) {
            parser_collection(parser, true);
        } else {
            parser_fail(
                parser,
                &word,
                "unexpected `%.*s`: a schema is made of `collection NAME { ... }` and `map NAME { "
                "... }`",
                TOKEN_TEXT(&word)
            );
        }
    }
    if (!parser->failed && parser->schema->count == 0) {
        parser_fail(
            parser, &parser->token, "no collection: write `collection NAME { id u64 ... }`"
        );
    }
}

enum tactus_status schema_parse(
    const char *text, uint64_t size, struct schema *schema, struct text_error *error
)
{
    schema->count = 0;
    schema->field_count = 0;
    schema->index_count = 0;
    schema->tree_count = 0;
    if (size > SCHEMA_TEXT_MAX) {
        text_error_set(
            error, 1, 1, "schema of %llu bytes: at most 1 MiB is read", (unsigned long long)size
        );
        return TACTUS_SYNTAX;
    }
    struct parser parser = {
        .lexer = {.text = text, .size = size, .line = 1, .column = 1},
        .schema = schema,
        .error = error,
    };
    if (size >= 3 && bytes_equal(text, "\xef\xbb\xbf", 3))
        parser.lexer.at = 3; /* byte-order mark */
    parser_advance(&parser);
    if (!parser.failed) parser_text(&parser);
    if (parser.failed) return TACTUS_SYNTAX;

    assert(schema->count >= 1);
    assert(schema->tree_count <= TREES_MAX);
    return TACTUS_OK;
}
