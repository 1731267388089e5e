/* Any text as a where-expression, and many that are well-formed, over a small database with an
 * index of each kind.
 *
 * The library and its parts are asked the same: a text that does not parse is refused, in words and
 * with a place; of a text that does, the query gives those objects for which the filter holds, in
 * order, whichever plan it chose; it counts as many; and a token taken anywhere goes on with the
 * rest. A token that is made up gives an end of the answer, or is refused.
 *
 *   byte 0   which collection, and whether the rest is a text or makes one
 *   byte 1   the order
 *   byte 2   where in the answer the token is taken
 *   the rest a text; or, byte by byte, choices within the grammar */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "forest/schema_parser.h"
#include "query/filter.h"
#include "tactus.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/poison.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    HEAD_BYTES = 3,
    TEXT_MAX = 8192,
    STORES = 3,
    OBJECTS = 90,
    BATCH = 8,
    OBJECT_BYTES_MAX = 256,
    DEPTH_MAX = 6
};

static const char *const schema_text =
    "collection c { id u64\n a u8 index\n b i16 optional index\n t text(3) index\n w text(20) "
    "index\n"
    "d decimal(1) index sparse\n f f32 index\n u uuid index\n e bool\n at time index\n h bytes(4)\n"
    "x text(40) index hash\n y u32 optional index hash\n r reserved(2)\n"
    "index ab (a, b) index bt (b, t) index dtf (d, t, f) index ata (at, a) }\n"
    "collection d { v i64 index\n k u128\n s bytes(20) index }\n"
    "map m { key u64\n a u8\n t text(5)\n g i64 }";

static struct schema schema;
static tactus_db *db;
static const tactus_collection *collections[STORES];
static struct {
    uint32_t count;
    uint8_t objects[OBJECTS][OBJECT_BYTES_MAX];
    uint32_t numbers[OBJECTS + 1]; /* by identity_of(); UINT32_MAX: it is gone */
} stores[STORES];

/* ---- The database ---------------------------------------------------------------------------- */

/* A few values a field, apart from each other: which of them follows from the object's number. */
static void make_object(
    const struct collection_schema *collection, uint32_t number, uint8_t *object
)
{
    static const char *const texts[] = {"", "a", "ab", "b", "it's", "sixteen bytes ok", "~"};
    static const uint8_t bytes[] = {0, 1, 2, 5, 127, 128, 255};
    bytes_zero(object, OBJECT_BYTES_MAX);
    for (uint32_t i = 0; i < collection->field_count; i += 1) {
        const struct field *field = &collection->fields[i];
        uint8_t *target = object + field->offset;
        const uint32_t turn = number * (i * 2 + 1) / (i + 1) + i;
        if (field->type == TACTUS_TYPE_RESERVED || field->type == TACTUS_TYPE_TIMESTAMP) continue;
        if (i == collection->id_field) {
            target[0] = (uint8_t)(number * 3);
            target[1] = (uint8_t)(number * 3 >> 8);
        } else if (field->type == TACTUS_TYPE_TEXT) {
            const char *text = texts[turn % COUNT_OF(texts)];
            const size_t length = min_u64(strlen(text), field->size);
            memcpy(target, text, length);
            if (field->size > 20 && turn % 3 == 0)
                memcpy(target, "a text of forty bytes, nearly", 29);
            if (field->size > 20 && turn % 3 == 0) target[29] = (uint8_t)('a' + turn % 2);
        } else if (field->type == TACTUS_TYPE_F32) {
            memcpy(target, (const float[]){(float)(turn % 5) - 1}, 4);
        } else if (field->type == TACTUS_TYPE_BOOL) {
            target[0] = turn % 2;
        } else {
            target[0] = bytes[turn % COUNT_OF(bytes)];
            if (turn % 4 == 3) target[field->size - 1] = 0xff;
        }
    }
}

static uint32_t naming_field(const struct collection_schema *collection)
{
    const bool has_id = collection->id_field != FIELD_NONE;
    return has_id ? collection->id_field : collection->timestamp_field;
}

/* Gives the second half of its fields the zero value. */
static void object_field_zero(const struct collection_schema *collection, uint8_t *object)
{
    for (uint32_t i = collection->field_count / 2; i < collection->field_count; i += 1) {
        if (i == collection->id_field || i == collection->timestamp_field) continue;
        bytes_zero(object + collection->fields[i].offset, collection->fields[i].size);
    }
}

/* 1 to OBJECTS. */
static uint64_t identity_of(const struct collection_schema *collection, const uint8_t *object)
{
    if (!collection->is_map) return object_timestamp(collection, object);
    uint64_t key = 0;
    memcpy(&key, object + collection->fields[collection->id_field].offset, sizeof key);
    return key / 3 + 1;
}

static tactus_txn *begin(void)
{
    tactus_txn *txn = NULL;
    const enum tactus_status status = tactus_begin(db, NULL, &txn);
    assert(status == TACTUS_OK);
    return txn;
}

static void commit(tactus_txn *txn, enum tactus_status written)
{
    assert(written == TACTUS_OK);
    const enum tactus_status status = tactus_commit(txn, NULL);
    assert(status == TACTUS_OK);
}

/* Adds an object, and changes an older one now and then: its records stay behind in the trees. */
static void add(uint32_t which, uint32_t number, uint8_t objects[][OBJECT_BYTES_MAX])
{
    const struct collection_schema *collection = &schema.collections[which];
    uint8_t *object = objects[number];
    uint8_t *older = objects[number / 2];
    make_object(collection, number, object);
    tactus_txn *txn = begin();
    struct tactus_result result;
    enum tactus_status status = TACTUS_OK;
    if (collection->is_map) {
        status = tactus_put(txn, collections[which], object, 1, NULL);
    } else {
        status = tactus_insert(txn, collections[which], object, 1, &result);
        object_timestamp_set(collection, object, result.timestamp);
    }
    assert(status == TACTUS_OK);
    if (number % 5 == 4 && number / 2 % 9 != 0) {
        object_field_zero(collection, older);
        if (collection->is_map) {
            status = tactus_put(txn, collections[which], older, 1, NULL);
        } else {
            status = tactus_update(txn, collections[which], older, 1, NULL);
        }
    }
    commit(txn, status);
}

static void fill(uint32_t which)
{
    const struct collection_schema *collection = &schema.collections[which];
    assert(collection->object_bytes <= OBJECT_BYTES_MAX);
    uint8_t objects[OBJECTS][OBJECT_BYTES_MAX];
    for (uint32_t number = 0; number < OBJECTS; number += 1)
        add(which, number, objects);
    tactus_txn *txn = begin();
    enum tactus_status status = TACTUS_OK;
    for (uint32_t number = 0; number < OBJECTS && status == TACTUS_OK; number += 1) {
        uint32_t *place = &stores[which].numbers[identity_of(collection, objects[number])];
        *place = UINT32_MAX;
        const uint8_t *name = objects[number] + collection->fields[naming_field(collection)].offset;
        if (number % 25 != 7) {
            *place = stores[which].count;
            bytes_copy(stores[which].objects[*place], objects[number], OBJECT_BYTES_MAX);
            stores[which].count += 1;
        } else if (collection->is_map) {
            status = tactus_delete(txn, collections[which], name, 1, NULL);
        } else {
            status = tactus_remove(txn, collections[which], name, 1, NULL);
        }
    }
    commit(txn, status);
}

static void open_database(void)
{
    struct text_error words;
    enum tactus_status status = schema_parse(schema_text, strlen(schema_text), &schema, &words);
    assert(status == TACTUS_OK);
    struct tactus_create_options create;
    tactus_create_options_default(&create);
    create.block_size = 4096;
    create.batch_max = BATCH;
    create.bar_beats = 4;
    create.growth_factor = 2;
    struct tactus_open_options options;
    tactus_open_options_default(&options);
    options.schema = schema_text;
    options.create = &create;
    options.cache_bytes = 1 << 20;
    options.flags = TACTUS_NO_WORKER;
    struct tactus_error error;
    status = tactus_open(":memory:", &options, &error, &db);
    assert(status == TACTUS_OK);
    for (uint32_t which = 0; which < STORES; which += 1) {
        status = tactus_collection_find(db, schema.collections[which].name, 0, &collections[which]);
        assert(status == TACTUS_OK);
        fill(which);
    }
}

/* ---- Texts ----------------------------------------------------------------------------------- */

struct writer {
    const uint8_t *choices;
    size_t left;
    char *text;
    uint32_t used;
};

static uint32_t choose(struct writer *writer, uint32_t count)
{
    if (writer->left == 0) return 0;
    const uint32_t choice = *writer->choices % count;
    writer->choices += 1;
    writer->left -= 1;
    return choice;
}

static void say(struct writer *writer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(struct writer *writer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length =
        vsnprintf(writer->text + writer->used, TEXT_MAX - writer->used, format, arguments);
    va_end(arguments);
    writer->used += (uint32_t)min_u64((uint64_t)length, TEXT_MAX - 1 - writer->used);
}

static void say_value(struct writer *writer, const struct field *field)
{
    static const char *const texts[] = {
        "''",
        "'a'",
        "'ab'",
        "'b'",
        "'it''s'",
        "'sixteen bytes ok'",
        "'~'",
        "'a text of forty bytes, nearlya'",
        "'a text of forty bytes, nearlyb'",
        "'a text of fo'"};
    static const char *const numbers[] = {
        "0", "1", "2", "5", "127", "128", "255", "-1", "-128", "-32768", "32767", "4278190080"};
    static const char *const bytes[] = {"x''", "x'00'", "x'01'", "x'0100'", "x'ff'", "x'7f0000ff'"};
    static const char *const times[] = {
        "'1970-01-01'",
        "'1970-01-01 00:00:00.000000001'",
        "'1970-01-01T00:00:00.000000255Z'",
        "'1969-12-31'",
        "'2010-12-01 08:26'"};
    static const char *const uuids[] = {
        "00000000-0000-0000-0000-000000000000",
        "00000000-0000-0000-0000-000000000005",
        "ff000000-0000-0000-0000-000000000001",
        "0x01",
        "7"};
    if (choose(writer, 12) == 11) {
        say(writer, "?%u", 1 + choose(writer, 4));
    } else if (field->type == TACTUS_TYPE_TEXT) {
        say(writer, "%s", texts[choose(writer, COUNT_OF(texts))]);
    } else if (field->type == TACTUS_TYPE_BYTES) {
        say(writer, "%s", bytes[choose(writer, COUNT_OF(bytes))]);
    } else if (field->type == TACTUS_TYPE_TIME) {
        say(writer, "%s", times[choose(writer, COUNT_OF(times))]);
    } else if (field->type == TACTUS_TYPE_UUID) {
        say(writer, "%s", uuids[choose(writer, COUNT_OF(uuids))]);
    } else if (field->type == TACTUS_TYPE_BOOL) {
        say(writer, "%s", choose(writer, 2) == 0 ? "false" : "TRUE");
    } else {
        const char *digits =
            field->type == TACTUS_TYPE_DECIMAL && choose(writer, 2) == 0 ? ".5" : "";
        say(writer, "%s%s", numbers[choose(writer, COUNT_OF(numbers))], digits);
    }
}

static void say_test(struct writer *writer, const struct collection_schema *collection)
{
    static const char *const operators[] = {"=", "!=", "<", "<=", ">", ">="};
    const struct field *field = &collection->fields[choose(writer, collection->field_count)];
    const uint32_t test = choose(writer, 14);
    say(writer, "%s ", field->name);
    if (test == 11) {
        say(writer, "between ");
        say_value(writer, field);
        say(writer, " and ");
        say_value(writer, field);
    } else if (test == 12) {
        const uint32_t count = choose(writer, 40);
        say(writer, "in (");
        for (uint32_t i = 0; i <= count; i += 1) {
            if (i > 0) say(writer, ", ");
            say_value(writer, field);
        }
        say(writer, ")");
    } else {
        const char *word = test < 6 ? operators[test] : "=";
        say(writer, "%s ", test == 13 ? "starts" : word);
        say_value(writer, field);
    }
}

/* An expression in parentheses; without recursion, with the words still to come on a stack. */
static void say_where(struct writer *writer, const struct collection_schema *collection)
{
    struct {
        const char *word; /* between the children */
        uint32_t left;    /* of them */
    } stack[DEPTH_MAX];
    uint32_t depth = 0;
    for (;;) {
        const uint32_t kind = depth < DEPTH_MAX ? choose(writer, 8) : 0;
        if (kind >= 4) {
            say(writer, "%s(", kind == 7 ? "not " : "");
            stack[depth].word = kind == 5 ? " or " : " and ";
            stack[depth].left = choose(writer, 5);
            depth += 1;
            continue;
        }
        say_test(writer, collection);
        while (depth > 0 && stack[depth - 1].left == 0) {
            say(writer, ")");
            depth -= 1;
        }
        if (depth == 0) return;
        stack[depth - 1].left -= 1;
        say(writer, "%s", stack[depth - 1].word);
    }
}

/* ---- Questions ------------------------------------------------------------------------------- */

struct question {
    const struct collection_schema *collection;
    uint32_t which;
    struct expression expression;
    tactus_query *query;
    uint32_t order;
    bool descending;
    uint32_t count; /* of the answer: the objects' numbers, in order */
    uint32_t answer[OBJECTS];
};

static int nothing(void *context, const char *text, size_t bytes)
{
    uint64_t *total = context;
    assert(memchr(text, 0, bytes) == NULL);
    *total += bytes;
    return 0;
}

/* Parameters get the first value that every field they meet can read. */
static bool bind_all(struct question *question)
{
    static const char *const values[] = {"1", "0", "0x1", "2010-12-01", "01", "true", "a"};
    struct text_error words;
    for (uint32_t number; (number = expression_unbound(&question->expression)) != 0;) {
        bool bound = false;
        for (uint32_t i = 0; i < COUNT_OF(values) && !bound; i += 1) {
            const enum tactus_status status =
                expression_bind(&question->expression, number, values[i], &words);
            assert(tactus_bind(question->query, number, values[i]) == status);
            bound = status == TACTUS_OK;
        }
        if (!bound) return false;
    }
    return true;
}

static uint32_t number_of(const struct question *question, const uint8_t *object)
{
    const uint64_t identity = identity_of(question->collection, object);
    assert(identity >= 1 && identity <= OBJECTS);
    const uint32_t number = stores[question->which].numbers[identity];
    assert(number < stores[question->which].count);
    const uint8_t *stored = stores[question->which].objects[number];
    assert(memcmp(object, stored, question->collection->object_bytes) == 0);
    return number;
}

/* Reads the rest of the answer. */
static uint32_t read_all(struct question *question, uint32_t step, uint32_t answer[OBJECTS])
{
    static uint8_t objects[OBJECTS * OBJECT_BYTES_MAX];
    uint32_t total = 0;
    for (;;) {
        uint32_t count = 0;
        const enum tactus_status status = tactus_next(question->query, objects, step, &count);
        assert(status == TACTUS_OK);
        assert(count <= step);
        if (count == 0) return total;
        for (uint32_t i = 0; i < count; i += 1) {
            assert(total < OBJECTS);
            const size_t at = (size_t)i * question->collection->object_bytes;
            answer[total] = number_of(question, objects + at);
            total += 1;
        }
    }
}

static void check_answer(struct question *question)
{
    bool found[OBJECTS] = {false};
    question->count = read_all(question, OBJECTS, question->answer);
    for (uint32_t i = 0; i < question->count; i += 1) {
        assert(!found[question->answer[i]]);
        found[question->answer[i]] = true;
    }
    const struct field *field = &question->collection->fields[question->order];
    for (uint32_t i = 1; i < question->count; i += 1) {
        uint8_t *const a = stores[question->which].objects[question->answer[i - 1]];
        uint8_t *const b = stores[question->which].objects[question->answer[i]];
        const struct code before = codec_encode(field, a + field->offset);
        const struct code after = codec_encode(field, b + field->offset);
        assert(question->descending ? !code_less(before, after) : !code_less(after, before));
    }
    for (uint32_t number = 0; number < stores[question->which].count; number += 1) {
        const uint8_t *object = stores[question->which].objects[number];
        assert(filter_matches(&question->expression, object) == found[number]);
    }
}

static void check_count_and_token(struct question *question, uint8_t place)
{
    tactus_view *view = tactus_latest(db);
    enum tactus_status status = tactus_run(question->query, view, NULL);
    assert(status == TACTUS_OK);
    const uint32_t first = question->count == 0 ? 0 : place % (question->count + 1);
    uint64_t count = 0;
    status = tactus_count(question->query, first, &count);
    assert(status == TACTUS_OK && count == first);
    char token[TACTUS_TOKEN_BYTES];
    status = tactus_query_token(question->query, token, sizeof token);
    assert(status == (first == 0 ? TACTUS_ABSENT : TACTUS_OK));
    status = tactus_run(question->query, view, first == 0 ? NULL : token);
    assert(status == TACTUS_OK);
    uint32_t rest[OBJECTS];
    const uint32_t left = read_all(question, 1 + place % 7, rest);
    assert(left == question->count - first);
    for (uint32_t i = 0; i < left; i += 1)
        assert(rest[i] == question->answer[first + i]);
    if (first == 0) return;
    /* Damaged, it is none; and nobody else's. */
    token[place % strlen(token)] ^= 1;
    status = tactus_run(question->query, view, token);
    assert(status == TACTUS_SYNTAX);
}

static void ask(struct question *question, const char *text, uint8_t place)
{
    struct text_error words;
    const enum tactus_status parsed =
        expression_parse(&question->expression, question->collection, text, &words);
    char order[80];
    const char *name = question->collection->fields[question->order].name;
    (void)snprintf(order, sizeof order, "%s%s", question->descending ? "-" : "", name);
    enum tactus_status status =
        tactus_prepare(db, collections[question->which], text, order, &question->query);
    if (status != TACTUS_OK) {
        const struct tactus_error *error = tactus_error(db);
        assert(error->status == (int32_t)status && error->text[0] != 0);
        assert(parsed == TACTUS_OK || (status == parsed && error->line > 0 && error->column > 0));
        assert(parsed != TACTUS_OK || status == TACTUS_INVALID || status == TACTUS_LIMIT);
        return;
    }
    assert(parsed == TACTUS_OK);
    uint64_t said = 0;
    status = tactus_query_explain(question->query, "text", nothing, &said);
    assert(status == TACTUS_OK && said > 0);
    if (bind_all(question)) {
        status = tactus_run(question->query, tactus_latest(db), NULL);
        assert(status == TACTUS_OK || status == TACTUS_INVALID);
        if (status == TACTUS_OK) {
            check_answer(question);
            status = tactus_query_explain(question->query, "json", nothing, &said);
            assert(status == TACTUS_OK);
            check_count_and_token(question, place);
        }
    }
    tactus_query_close(question->query);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct question question;
    static char text[TEXT_MAX + 1];
    if (size < HEAD_BYTES || size - HEAD_BYTES > TEXT_MAX) return 0;
    if (db == NULL) open_database();

    question.which = data[0] / 2 % STORES;
    question.collection = &schema.collections[question.which];
    question.order = data[1] / 2 % question.collection->field_count;
    question.descending = data[1] % 2 == 1;
    if (question.collection->fields[question.order].type == TACTUS_TYPE_RESERVED) return 0;
    const size_t rest = size - HEAD_BYTES;
    if (data[0] % 2 == 0) {
        bytes_copy(text, data + HEAD_BYTES, rest);
        text[rest] = 0;
    } else {
        struct writer writer = {.choices = data + HEAD_BYTES, .left = rest, .text = text};
        text[0] = 0;
        say_where(&writer, question.collection);
    }
    ask(&question, text, data[2]);
    return 0;
}
