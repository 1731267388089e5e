/* Queries beside a filter over an array.
 *
 * Each seed makes a schema (types, optional, sparse and truncated indexes, composite ones, an id or
 * none), fills it through transactions of inserts, updates and removals until several levels are
 * full, and asks between them: where-expressions to depth 4, some values as parameters, every order
 * that there is and some that there is not, both ways, in steps of any capacity, of what is
 * committed and of what the open transaction sees.
 *
 * Values of objects and of questions are drawn from one small pool a field, so that equal values
 * are the rule, but independently of each other. The oracle evaluates the expression that it made,
 * never the text: it knows nothing of codes, ranges or plans. Types are compared as C compares
 * them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "support/test.h"
#include "tactus.h"

#include "base/poison.h"

enum {
    FIELDS = 8,
    POOL = 9,
    VALUE_SIZE = 40,
    OBJECT_SIZE = 512,
    OBJECTS = 1400,
    EVENTS_MAX = 32, /* batch_max */
    DEPTH = 4,
    NODES = 64,
    VALUES = 4,
    TEXT_SIZE = 16384,
};

struct place {
    struct tactus_field field;
    uint8_t pool[POOL][VALUE_SIZE];
    bool gives_order; /* an index of its own, of every object and of whole values */
};

struct object {
    bool present;
    uint64_t timestamp;
    uint8_t bytes[OBJECT_SIZE];
};

struct objects {
    struct object at[OBJECTS];
};

struct world {
    struct random random;
    tactus_db *db;
    const tactus_collection *collection;
    struct tactus_collection_info info;
    struct place places[FIELDS + 3];
    uint32_t place_count;
    bool has_id;
    uint64_t timestamp_last;
    struct objects *committed;
    struct objects *pending;
};

enum op {
    OP_AND,
    OP_OR,
    OP_NOT,
    OP_EQ,
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_BETWEEN,
    OP_IN,
    OP_STARTS
};

struct value {
    uint8_t bytes[VALUE_SIZE];
    uint32_t size;      /* of a prefix */
    uint32_t parameter; /* its number, or 0 */
};

struct node {
    enum op op;
    const struct node *children[3];
    uint32_t child_count;
    const struct place *place;
    struct value values[VALUES];
    uint32_t value_count;
};

struct question {
    struct node nodes[NODES];
    uint32_t node_count;
    const struct node *root; /* NULL: all */
    uint32_t parameter_count;
    char text[TEXT_SIZE];
    uint32_t used;
    const struct place *order;
    bool descending;
    bool must_order; /* it cannot be refused, and equal values come by timestamp */
};

static uint64_t question_count, answer_count, refused_count, found_count;

static uint64_t below(struct world *world, uint64_t count)
{
    return random_below(&world->random, count);
}

static bool chance(struct world *world, uint64_t a, uint64_t b)
{
    return random_chance(&world->random, a, b);
}

static bool is_string(const struct tactus_field *field)
{
    return field->type == TACTUS_TYPE_TEXT || field->type == TACTUS_TYPE_BYTES;
}

/* ---- Schemas --------------------------------------------------------------------------------- */

static void say(char *text, uint32_t *used, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void say(char *text, uint32_t *used, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(text + *used, TEXT_SIZE - *used, format, arguments);
    va_end(arguments);
    EXPECT(length >= 0 && *used + (uint32_t)length < TEXT_SIZE);
    *used += (uint32_t)length;
}

static const struct {
    const char *name;
    uint32_t order_bytes;
    bool truncated;
} types[] = {
    {"u8", 1, false},         {"u16", 2, false},      {"u32", 4, false},
    {"u64", 8, false},        {"i8", 1, false},       {"i16", 2, false},
    {"i32", 4, false},        {"i64", 8, false},      {"f32", 4, false},
    {"f64", 8, false},        {"bool", 1, false},     {"time", 8, false},
    {"decimal(2)", 8, false}, {"u128", 16, false},    {"uuid", 16, false},
    {"text(3)", 3, false},    {"text(8)", 8, false},  {"text(16)", 16, false},
    {"text(20)", 16, true},   {"text(40)", 16, true}, {"bytes(4)", 4, false},
    {"bytes(20)", 16, true},
};

/* The collection `c`, its fields f0, f1 ...; which fields an index of their own orders. */
static void make_schema(struct world *world, char *text, bool *gives_order)
{
    uint32_t used = 0;
    uint32_t bytes[FIELDS];
    bool truncated[FIELDS];
    say(text, &used, "collection c {\n");
    static const char *const ids[] = {"  id u64\n", "  id u128\n", "  id uuid\n", ""};
    const uint64_t id = below(world, 4);
    world->has_id = id < 3;
    say(text, &used, "%s", ids[id]);
    if (chance(world, 1, 2)) say(text, &used, "  timestamp timestamp\n");
    const uint32_t count = 3 + (uint32_t)below(world, FIELDS - 3);
    for (uint32_t index = 0; index < count; index += 1) {
        static const char *const flags[] = {
            "", " index", " index", " optional", " optional index", " index sparse"};
        const uint64_t type = below(world, sizeof types / sizeof types[0]);
        const uint64_t flag = below(world, 6);
        bytes[index] = types[type].order_bytes;
        truncated[index] = types[type].truncated;
        gives_order[index] = (flag == 1 || flag == 2) && !types[type].truncated;
        say(text, &used, "  f%u %s%s\n", index, types[type].name, flags[flag]);
    }
    const uint64_t composites = below(world, 3);
    for (uint64_t number = 0; number < composites; number += 1) {
        const uint32_t a = (uint32_t)below(world, count);
        const uint32_t b = (uint32_t)below(world, count);
        const uint32_t c = (uint32_t)below(world, count);
        if (a == b || truncated[a] || truncated[b] || bytes[a] + bytes[b] > 16) continue;
        say(text, &used, "  index both_%u (f%u, f%u", (unsigned)number, a, b);
        const bool third = c != a && c != b && !truncated[c];
        if (third && bytes[a] + bytes[b] + bytes[c] <= 16) say(text, &used, ", f%u", c);
        say(text, &used, ")\n");
    }
    say(text, &used, "}\n");
}

/* ---- Values ---------------------------------------------------------------------------------- */

static void store(uint8_t *target, const void *value, uint32_t size)
{
    memcpy(target, value, size);
}

static void make_text(struct world *world, uint8_t *value, uint32_t size)
{
    static const char *const texts[] = {
        "a",
        "b",
        "ab",
        "it's",
        "\xc3\xa4",
        "a\xc3\xa4z",
        "sixteen bytes ok",
        "sixteen bytes okay a",
        "sixteen bytes okay b",
        "sixteen bytes okay, and on",
        "~"};
    const char *text = texts[below(world, sizeof texts / sizeof texts[0])];
    size_t length = strlen(text);
    if (length > size) length = size;
    while (length > 0 && (text[length - 1] & 0x80) != 0)
        length -= 1; /* whole letters */
    memcpy(value, text, length);
}

static void make_float(struct world *world, uint8_t *value, uint32_t size)
{
    static const double numbers[] = {0, 1, -1, 0.5, -0.25, 1e10, -1e10, 3.5};
    const double number = numbers[below(world, 8)];
    const float narrow = (float)number;
    if (size == 4) store(value, &narrow, 4);
    if (size == 8) store(value, &number, 8);
}

static void make_number(struct world *world, const struct tactus_field *field, uint8_t *value)
{
    static const int64_t numbers[] = {0, 1, 2, -1, 100, -100, INT64_MAX, INT64_MIN};
    int64_t number = numbers[below(world, 8)];
    if (field->type == TACTUS_TYPE_BOOL) number &= 1;
    /* Whole seconds of this century, and zero. */
    if (field->type == TACTUS_TYPE_TIME) {
        number =
            below(world, 5) == 0 ? 0 : INT64_C(86399) * (int64_t)below(world, 20000) * 1000000000;
    }
    store(value, &number, field->size); /* little-endian: the low bytes */
}

/* A value that the field can hold; the first of a pool is zero. */
static void make_value(struct world *world, const struct tactus_field *field, uint8_t *value)
{
    memset(value, 0, VALUE_SIZE);
    switch ((enum tactus_type)field->type) {
    case TACTUS_TYPE_TEXT: make_text(world, value, field->size); break;
    case TACTUS_TYPE_F32:
    case TACTUS_TYPE_F64: make_float(world, value, field->size); break;
    case TACTUS_TYPE_U128:
    case TACTUS_TYPE_UUID: {
        const struct tactus_u128 number = {below(world, 3) - 1, below(world, 3) - 1};
        store(value, &number, 16);
        break;
    }
    case TACTUS_TYPE_BYTES:
        for (uint32_t index = 0; index < field->size; index += 1) {
            value[index] = index % 16 < 2 ? (uint8_t)(below(world, 3) * 255 / 2) : 0;
        }
        break;
    case TACTUS_TYPE_U8:
    case TACTUS_TYPE_U16:
    case TACTUS_TYPE_U32:
    case TACTUS_TYPE_U64:
    case TACTUS_TYPE_I8:
    case TACTUS_TYPE_I16:
    case TACTUS_TYPE_I32:
    case TACTUS_TYPE_I64:
    case TACTUS_TYPE_BOOL:
    case TACTUS_TYPE_TIME:
    case TACTUS_TYPE_TIMESTAMP:
    case TACTUS_TYPE_DECIMAL:
    case TACTUS_TYPE_RESERVED: make_number(world, field, value); break;
    }
}

static uint64_t load_unsigned(const uint8_t *value, uint32_t size)
{
    uint64_t number = 0;
    memcpy(&number, value, size);
    return number;
}

static int64_t load_signed(const uint8_t *value, uint32_t size)
{
    const uint32_t shift = 64 - size * 8;
    return (int64_t)(load_unsigned(value, size) << shift) >> shift;
}

static double load_float(const uint8_t *value, uint32_t size)
{
    float narrow;
    double wide;
    memcpy(&narrow, value, sizeof narrow);
    if (size == 4) return narrow;
    memcpy(&wide, value, sizeof wide);
    return wide;
}

#define THREE_WAY(a, b) (((a) > (b)) - ((a) < (b)))

static int compare_values(const struct tactus_field *field, const uint8_t *a, const uint8_t *b)
{
    switch ((enum tactus_type)field->type) {
    case TACTUS_TYPE_TEXT:
    case TACTUS_TYPE_BYTES: return memcmp(a, b, field->size);
    case TACTUS_TYPE_F32:
    case TACTUS_TYPE_F64: return THREE_WAY(load_float(a, field->size), load_float(b, field->size));
    case TACTUS_TYPE_U128:
    case TACTUS_TYPE_UUID: {
        const int high = THREE_WAY(load_unsigned(a + 8, 8), load_unsigned(b + 8, 8));
        return high != 0 ? high : THREE_WAY(load_unsigned(a, 8), load_unsigned(b, 8));
    }
    case TACTUS_TYPE_I8:
    case TACTUS_TYPE_I16:
    case TACTUS_TYPE_I32:
    case TACTUS_TYPE_I64:
    case TACTUS_TYPE_TIME:
    case TACTUS_TYPE_DECIMAL:
        return THREE_WAY(load_signed(a, field->size), load_signed(b, field->size));
    case TACTUS_TYPE_U8:
    case TACTUS_TYPE_U16:
    case TACTUS_TYPE_U32:
    case TACTUS_TYPE_U64:
    case TACTUS_TYPE_BOOL:
    case TACTUS_TYPE_TIMESTAMP:
    case TACTUS_TYPE_RESERVED: break;
    }
    return THREE_WAY(load_unsigned(a, field->size), load_unsigned(b, field->size));
}

/* ---- Values as text -------------------------------------------------------------------------- */

static void say_hex(char *text, uint32_t *used, const uint8_t *bytes, uint32_t size)
{
    for (uint32_t index = 0; index < size; index += 1)
        say(text, used, "%02x", bytes[index]);
}

static void say_decimal(char *text, uint32_t *used, int64_t number)
{
    const uint64_t size = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    say(text,
        used,
        "%s%llu.%02llu",
        number < 0 ? "-" : "",
        (unsigned long long)(size / 100),
        (unsigned long long)(size % 100));
}

static void say_time(
    struct world *world, char *text, uint32_t *used, const struct place *place, const uint8_t *value
)
{
    uint8_t object[OBJECT_SIZE] = {0};
    memcpy(object + place->field.offset, value, 8);
    uint32_t number = 0;
    while (&world->places[number] != place)
        number += 1;
    char shown[64];
    if (tactus_value_format(world->collection, number, object, shown, sizeof shown) == 0) {
        say(text, used, "1970-01-01"); /* an optional zero shows as nothing */
    } else {
        say(text, used, "%s", shown);
    }
}

static void say_uuid(char *text, uint32_t *used, const uint8_t *value)
{
    const unsigned long long high = load_unsigned(value + 8, 8);
    const unsigned long long low = load_unsigned(value, 8);
    say(text,
        used,
        "%08llx-%04llx-%04llx-%04llx-%012llx",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffffffffffff);
}

/* As tactus_bind() takes it. */
static void say_plain(
    struct world *world,
    char *text,
    uint32_t *used,
    const struct place *place,
    const struct value *value
)
{
    const uint32_t size = place->field.size;
    const uint8_t *bytes = value->bytes;
    switch ((enum tactus_type)place->field.type) {
    case TACTUS_TYPE_TEXT: say(text, used, "%.*s", (int)value->size, (const char *)bytes); break;
    case TACTUS_TYPE_BYTES: say_hex(text, used, bytes, value->size); break;
    case TACTUS_TYPE_F32:
    case TACTUS_TYPE_F64: say(text, used, "%.17g", load_float(bytes, size)); break;
    case TACTUS_TYPE_U128:
        say(text,
            used,
            "0x%016llx%016llx",
            (unsigned long long)load_unsigned(bytes + 8, 8),
            (unsigned long long)load_unsigned(bytes, 8));
        break;
    case TACTUS_TYPE_UUID: say_uuid(text, used, bytes); break;
    case TACTUS_TYPE_DECIMAL: say_decimal(text, used, load_signed(bytes, size)); break;
    case TACTUS_TYPE_TIME: say_time(world, text, used, place, bytes); break;
    case TACTUS_TYPE_I8:
    case TACTUS_TYPE_I16:
    case TACTUS_TYPE_I32:
    case TACTUS_TYPE_I64: say(text, used, "%lld", (long long)load_signed(bytes, size)); break;
    case TACTUS_TYPE_BOOL: say(text, used, "%s", bytes[0] != 0 ? "True" : "0"); break;
    case TACTUS_TYPE_U8:
    case TACTUS_TYPE_U16:
    case TACTUS_TYPE_U32:
    case TACTUS_TYPE_U64:
    case TACTUS_TYPE_TIMESTAMP:
    case TACTUS_TYPE_RESERVED:
        say(text, used, "%llu", (unsigned long long)load_unsigned(bytes, size));
        break;
    }
}

/* As it stands in an expression. */
static void say_value(
    struct world *world,
    struct question *question,
    const struct place *place,
    const struct value *value
)
{
    if (value->parameter != 0) {
        say(question->text, &question->used, "?%u", value->parameter);
        return;
    }
    char plain[256];
    uint32_t size = 0;
    say_plain(world, plain, &size, place, value);
    plain[size] = 0;
    const uint32_t type = place->field.type;
    const bool quoted =
        type == TACTUS_TYPE_TEXT || type == TACTUS_TYPE_TIME || type == TACTUS_TYPE_UUID;
    if (type == TACTUS_TYPE_BYTES) {
        say(question->text, &question->used, "x'%s'", plain);
    } else if (!quoted) {
        say(question->text, &question->used, "%s", plain);
    } else {
        say(question->text, &question->used, "'");
        for (uint32_t index = 0; index < size; index += 1) {
            say(question->text, &question->used, plain[index] == '\'' ? "''" : "%c", plain[index]);
        }
        say(question->text, &question->used, "'");
    }
}

/* ---- Expressions ----------------------------------------------------------------------------- */

static struct node *node_new(struct question *question)
{
    EXPECT(question->node_count < NODES);
    struct node *node = &question->nodes[question->node_count];
    question->node_count += 1;
    *node = (struct node){0};
    return node;
}

static void draw_value(struct world *world, struct question *question, struct node *node)
{
    struct value *value = &node->values[node->value_count];
    node->value_count += 1;
    const struct tactus_field *field = &node->place->field;
    if (chance(world, 1, 8)) {
        make_value(world, field, value->bytes);
    } else {
        memcpy(value->bytes, node->place->pool[below(world, POOL)], VALUE_SIZE);
    }
    if (field->type == TACTUS_TYPE_TIMESTAMP) {
        const uint64_t number = 1 + below(world, world->timestamp_last + 2);
        store(value->bytes, &number, 8);
    }
    value->size = field->size;
    if (field->type == TACTUS_TYPE_TEXT) {
        value->size = (uint32_t)strnlen((const char *)value->bytes, field->size);
    }
    if (node->op == OP_STARTS && value->size > 0) {
        value->size = 1 + (uint32_t)below(world, value->size);
        /* A text is cut between letters. */
        while (field->type == TACTUS_TYPE_TEXT && (value->bytes[value->size - 1] & 0x80) != 0 &&
               value->size > 1) {
            value->size -= 1;
        }
        if ((value->bytes[value->size - 1] & 0x80) != 0 && field->type == TACTUS_TYPE_TEXT) {
            memcpy(value->bytes, "a", 2);
        }
        memset(value->bytes + value->size, 0, VALUE_SIZE - value->size);
    }
    if (chance(world, 1, 6)) {
        question->parameter_count += 1;
        value->parameter = question->parameter_count;
    }
}

static struct node *draw_test(struct world *world, struct question *question)
{
    struct node *node = node_new(question);
    node->place = &world->places[below(world, world->place_count)];
    node->op = (enum op)(OP_EQ + below(world, OP_STARTS - OP_EQ + 1));
    /* Equality is what indexes serve best. */
    if (chance(world, 1, 4)) node->op = OP_EQ;
    if (node->op == OP_STARTS && !is_string(&node->place->field)) node->op = OP_EQ;
    uint32_t count = node->op == OP_BETWEEN ? 2 : 1;
    if (node->op == OP_IN) count = 1 + (uint32_t)below(world, VALUES);
    for (uint32_t index = 0; index < count; index += 1)
        draw_value(world, question, node);
    return node;
}

static struct node *draw_node(struct world *world, struct question *question, uint32_t depth)
{
    const uint64_t roll = below(world, 10);
    if (depth == 0 || roll < 4 || question->node_count > NODES / 2) {
        return draw_test(world, question);
    }
    struct node *node = node_new(question);
    node->op = roll < 7 ? OP_AND : roll < 9 ? OP_OR : OP_NOT;
    node->child_count = node->op == OP_NOT ? 1 : 2 + (uint32_t)below(world, 2);
    for (uint32_t index = 0; index < node->child_count; index += 1) {
        node->children[index] = draw_node(world, question, depth - 1);
    }
    return node;
}

static void say_test(struct world *world, struct question *question, const struct node *node)
{
    static const char *const words[] = {"=", "!=", "<", "<=", ">", ">="};
    char *text = question->text;
    uint32_t *used = &question->used;
    say(text, used, "%s ", node->place->field.name);
    if (node->op <= OP_GE) {
        say(text, used, "%s ", words[node->op - OP_EQ]);
        say_value(world, question, node->place, &node->values[0]);
    } else if (node->op == OP_BETWEEN) {
        say(text, used, "Between ");
        say_value(world, question, node->place, &node->values[0]);
        say(text, used, " and ");
        say_value(world, question, node->place, &node->values[1]);
    } else if (node->op == OP_STARTS) {
        say(text, used, "starts ");
        say_value(world, question, node->place, &node->values[0]);
    } else {
        say(text, used, "in (");
        for (uint32_t index = 0; index < node->value_count; index += 1) {
            if (index > 0) say(text, used, ", ");
            say_value(world, question, node->place, &node->values[index]);
        }
        say(text, used, ")");
    }
}

static void say_node(struct world *world, struct question *question, const struct node *node)
{
    if (node->op > OP_NOT) {
        say_test(world, question, node);
        return;
    }
    if (node->op == OP_NOT) say(question->text, &question->used, "not ");
    say(question->text, &question->used, "(");
    for (uint32_t index = 0; index < node->child_count; index += 1) {
        if (index > 0) say(question->text, &question->used, node->op == OP_AND ? " and " : " OR ");
        say_node(world, question, node->children[index]);
    }
    say(question->text, &question->used, ")");
}

static bool test_matches(const struct node *node, const uint8_t *object)
{
    const struct tactus_field *field = &node->place->field;
    const uint8_t *value = object + field->offset;
    int order[VALUES] = {0};
    for (uint32_t index = 0; index < node->value_count; index += 1) {
        order[index] = compare_values(field, value, node->values[index].bytes);
    }
    switch (node->op) {
    case OP_EQ: return order[0] == 0;
    case OP_NE: return order[0] != 0;
    case OP_LT: return order[0] < 0;
    case OP_LE: return order[0] <= 0;
    case OP_GT: return order[0] > 0;
    case OP_GE: return order[0] >= 0;
    case OP_BETWEEN: return order[0] >= 0 && order[1] <= 0;
    case OP_STARTS: return memcmp(value, node->values[0].bytes, node->values[0].size) == 0;
    case OP_IN: break;
    case OP_AND:
    case OP_OR:
    case OP_NOT: EXPECT(false);
    }
    for (uint32_t index = 0; index < node->value_count; index += 1) {
        if (order[index] == 0) return true;
    }
    return false;
}

static bool node_matches(const struct node *node, const uint8_t *object)
{
    if (node->op > OP_NOT) return test_matches(node, object);
    if (node->op == OP_NOT) return !node_matches(node->children[0], object);
    for (uint32_t index = 0; index < node->child_count; index += 1) {
        const bool matches = node_matches(node->children[index], object);
        if (matches != (node->op == OP_AND)) return matches;
    }
    return node->op == OP_AND;
}

/* ---- Asking ---------------------------------------------------------------------------------- */

static const struct tactus_field *sort_field;
static const struct place *sort_timestamp;

static int by_timestamp(const void *a, const void *b)
{
    const struct object *const *left = a;
    const struct object *const *right = b;
    return THREE_WAY((*left)->timestamp, (*right)->timestamp);
}

static int by_field(const void *a, const void *b)
{
    const struct object *const *left = a;
    const struct object *const *right = b;
    const int order = compare_values(
        sort_field, (*left)->bytes + sort_field->offset, (*right)->bytes + sort_field->offset
    );
    return order != 0 ? order : by_timestamp(a, b);
}

/* What should be found, in order; descending is the same backwards. */
static uint32_t answer_of(
    const struct question *question, const struct objects *objects, const struct object **answer
)
{
    uint32_t count = 0;
    for (uint32_t index = 0; index < OBJECTS; index += 1) {
        const struct object *object = &objects->at[index];
        if (!object->present) continue;
        if (question->root != NULL && !node_matches(question->root, object->bytes)) continue;
        answer[count] = object;
        count += 1;
    }
    sort_field = &question->order->field;
    qsort(answer, count, sizeof *answer, by_field);
    for (uint32_t index = 0; question->descending && index < count / 2; index += 1) {
        const struct object *object = answer[index];
        answer[index] = answer[count - 1 - index];
        answer[count - 1 - index] = object;
    }
    return count;
}

static void explain(const struct question *question, uint32_t found, uint32_t expected)
{
    printf(
        "where %s\norder %s%s\nfound %u, expected %u\n",
        question->text,
        question->descending ? "-" : "",
        question->order->field.name,
        found,
        expected
    );
}

/* Where only a longer index gives the order, equal values come in some other order: compared by
 * timestamp then, and the field must ascend or descend. */
static void expect_sorted_set(
    const struct question *question,
    struct object *found,
    const struct object **expected,
    uint32_t count
)
{
    const struct object *set[OBJECTS];
    const struct tactus_field *field = &question->order->field;
    for (uint32_t index = 0; index < count; index += 1)
        set[index] = &found[index];
    for (uint32_t index = 1; index < count; index += 1) {
        const int order = compare_values(
            field, found[index - 1].bytes + field->offset, found[index].bytes + field->offset
        );
        EXPECT(question->descending ? order >= 0 : order <= 0);
    }
    qsort(set, count, sizeof *set, by_timestamp);
    qsort(expected, count, sizeof *expected, by_timestamp);
    for (uint32_t index = 0; index < count; index += 1) {
        EXPECT(memcmp(set[index]->bytes, expected[index]->bytes, OBJECT_SIZE) == 0);
    }
}

static uint32_t read_answer(struct world *world, tactus_query *query, struct object *found)
{
    const uint32_t size = world->info.object_bytes;
    static uint8_t objects[OBJECTS * OBJECT_SIZE];
    uint32_t total = 0;
    for (;;) {
        const uint32_t most = chance(world, 1, 8) ? OBJECTS : 30;
        uint32_t count = 0;
        const uint32_t capacity = 1 + (uint32_t)below(world, most);
        EXPECT(tactus_next(query, objects, capacity, &count) == TACTUS_OK);
        EXPECT(count <= capacity);
        if (count == 0) break;
        for (uint32_t index = 0; index < count; index += 1) {
            EXPECT(total < OBJECTS);
            struct object *object = &found[total];
            *object = (struct object){.present = true};
            memcpy(object->bytes, objects + (size_t)index * size, size);
            memcpy(&object->timestamp, object->bytes + sort_timestamp->field.offset, 8);
            total += 1;
        }
    }
    uint32_t again = 7;
    EXPECT(tactus_next(query, objects, 5, &again) == TACTUS_OK);
    EXPECT(again == 0);
    return total;
}

static void bind_all(struct world *world, tactus_query *query, const struct question *question)
{
    for (uint32_t number = 0; number < question->node_count; number += 1) {
        const struct node *node = &question->nodes[number];
        for (uint32_t index = 0; index < node->value_count; index += 1) {
            const struct value *value = &node->values[index];
            if (value->parameter == 0) continue;
            char text[256];
            uint32_t used = 0;
            text[0] = 0;
            say_plain(world, text, &used, node->place, value);
            EXPECT(tactus_bind(query, value->parameter, text) == TACTUS_OK);
        }
    }
}

static void run_question(
    struct world *world,
    const struct question *question,
    tactus_view *view,
    const struct objects *objects
)
{
    static struct object found[OBJECTS];
    const struct object *expected[OBJECTS];
    char order[80];
    (void)snprintf(
        order, sizeof order, "%s%s", question->descending ? "-" : "", question->order->field.name
    );
    const char *where = question->root == NULL ? NULL : question->text;
    tactus_query *query = NULL;
    enum tactus_status status = tactus_prepare(world->db, world->collection, where, order, &query);
    question_count += 1;
    if (status == TACTUS_OK) {
        bind_all(world, query, question);
        status = tactus_run(query, view, NULL);
    }
    if (status != TACTUS_OK) {
        const bool refused = status == TACTUS_INVALID && !question->must_order;
        if (!refused) {
            explain(question, 0, 0);
            printf("%s\n", tactus_error(world->db)->text);
        }
        EXPECT(refused);
        EXPECT(tactus_error(world->db)->text[0] != 0);
        refused_count += 1;
        tactus_query_close(query);
        return;
    }
    const uint32_t count = read_answer(world, query, found);
    const uint32_t wanted = answer_of(question, objects, expected);
    if (count != wanted) explain(question, count, wanted);
    EXPECT(count == wanted);
    if (question->must_order) {
        for (uint32_t index = 0; index < count; index += 1) {
            const bool same = memcmp(found[index].bytes, expected[index]->bytes, OBJECT_SIZE) == 0;
            if (!same) explain(question, count, wanted);
            EXPECT(same);
        }
    } else {
        expect_sorted_set(question, found, expected, count);
    }
    answer_count += 1;
    found_count += count;
    tactus_query_close(query);
}

static void ask(struct world *world, tactus_view *view, const struct objects *objects)
{
    struct question *question = calloc(1, sizeof *question);
    EXPECT(question != NULL);
    if (!chance(world, 1, 12)) {
        question->root = draw_node(world, question, 1 + (uint32_t)below(world, DEPTH));
        say_node(world, question, question->root);
    }
    question->order = sort_timestamp;
    if (chance(world, 1, 2)) {
        question->order = &world->places[below(world, world->place_count)];
    }
    question->descending = chance(world, 1, 2);
    question->must_order = question->order->gives_order;
    run_question(world, question, view, objects);
    free(question);
}

/* ---- Writing --------------------------------------------------------------------------------- */

static void draw_object(struct world *world, uint32_t number, struct object *object)
{
    const uint64_t timestamp = object->timestamp;
    *object = (struct object){.present = true, .timestamp = timestamp};
    for (uint32_t index = 0; index < world->place_count; index += 1) {
        const struct place *place = &world->places[index];
        uint8_t *target = object->bytes + place->field.offset;
        if (place->field.type == TACTUS_TYPE_TIMESTAMP) {
            memcpy(target, &timestamp, 8);
        } else if ((place->field.flags & TACTUS_FIELD_ID) != 0) {
            const uint64_t id[2] = {number % 300 * 5, place->field.size == 16 ? number / 300 : 0};
            memcpy(target, id, 8);
            if (place->field.size == 16) memcpy(target + 8, &id[1], 8);
            if (place->field.size == 8) {
                const uint64_t narrow = (uint64_t)number * 5;
                memcpy(target, &narrow, 8);
            }
        } else {
            memcpy(target, place->pool[below(world, POOL)], place->field.size);
        }
    }
}

static const struct place *id_place(const struct world *world)
{
    for (uint32_t index = 0; index < world->place_count; index += 1) {
        if ((world->places[index].field.flags & TACTUS_FIELD_ID) != 0) return &world->places[index];
    }
    return sort_timestamp;
}

static void write_object(struct world *world, tactus_txn *txn)
{
    const uint32_t number = (uint32_t)below(world, OBJECTS);
    struct object *object = &world->pending->at[number];
    struct tactus_result result;
    if (object->present && chance(world, 1, 4)) {
        const uint8_t *id = object->bytes + id_place(world)->field.offset;
        EXPECT(tactus_remove(txn, world->collection, id, 1, NULL) == TACTUS_OK);
        *object = (struct object){0};
        return;
    }
    const bool there = object->present;
    draw_object(world, number, object);
    enum tactus_status status = TACTUS_OK;
    if (there) {
        status = tactus_update(txn, world->collection, object->bytes, 1, &result);
    } else {
        status = tactus_insert(txn, world->collection, object->bytes, 1, &result);
    }
    EXPECT(status == TACTUS_OK);
    if (there) {
        EXPECT(result.timestamp == object->timestamp);
    } else {
        EXPECT(result.timestamp == world->timestamp_last + 1);
        world->timestamp_last = result.timestamp;
    }
    object->timestamp = result.timestamp;
    memcpy(object->bytes + sort_timestamp->field.offset, &object->timestamp, 8);
}

static void write_transaction(struct world *world)
{
    tactus_txn *txn = NULL;
    EXPECT(tactus_begin(world->db, NULL, &txn) == TACTUS_OK);
    *world->pending = *world->committed;
    const uint64_t timestamp_before = world->timestamp_last;
    const uint32_t events = 1 + (uint32_t)below(world, EVENTS_MAX);
    for (uint32_t event = 0; event < events; event += 1)
        write_object(world, txn);
    if (chance(world, 1, 8)) {
        ask(world, tactus_txn_view(txn), world->pending);
        ask(world, tactus_latest(world->db), world->committed);
    }
    if (chance(world, 1, 10)) {
        tactus_rollback(txn);
        world->timestamp_last = timestamp_before;
        return;
    }
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    *world->committed = *world->pending;
}

/* ---- A world --------------------------------------------------------------------------------- */

static void learn_fields(struct world *world, const bool *gives_order)
{
    tactus_collection_info(world->collection, &world->info);
    EXPECT(world->info.object_bytes <= OBJECT_SIZE);
    world->place_count = world->info.field_count;
    for (uint32_t number = 0; number < world->place_count; number += 1) {
        struct place *place = &world->places[number];
        *place = (struct place){0};
        EXPECT(tactus_field_at(world->collection, number, &place->field) == TACTUS_OK);
        place->gives_order =
            number == world->info.id_field || number == world->info.timestamp_field;
        if (place->field.name[0] == 'f')
            place->gives_order = gives_order[place->field.name[1] - '0'];
        for (uint32_t index = 1; index < POOL; index += 1) {
            make_value(world, &place->field, place->pool[index]);
        }
        if (number == world->info.timestamp_field) sort_timestamp = place;
    }
    for (uint32_t index = 0; world->has_id && index < POOL; index += 1) {
        uint64_t id[2] = {below(world, 300) * 5, below(world, 5)};
        memcpy(world->places[world->info.id_field].pool[index], id, sizeof id);
        if (world->places[world->info.id_field].field.size == 8) {
            memset(world->places[world->info.id_field].pool[index] + 8, 0, 8);
        }
    }
}

static void world_open(struct world *world, uint64_t seed)
{
    random_init(&world->random, seed);
    world->timestamp_last = 0;
    *world->committed = (struct objects){0};
    char *schema = malloc(TEXT_SIZE);
    EXPECT(schema != NULL);
    bool gives_order[FIELDS] = {false};
    make_schema(world, schema, gives_order);
    struct tactus_create_options create;
    tactus_create_options_default(&create);
    create.block_size = 4096;
    create.batch_max = EVENTS_MAX;
    create.bar_beats = 4;
    create.growth_factor = chance(world, 1, 2) ? 2 : 4;
    struct tactus_open_options open;
    tactus_open_options_default(&open);
    open.schema = schema;
    open.create = &create;
    open.cache_bytes = chance(world, 1, 2) ? 0 : 4 << 20;
    open.query_count_max = 1;
    struct tactus_error error;
    const enum tactus_status status = tactus_open(":memory:", &open, &error, &world->db);
    if (status != TACTUS_OK) printf("%s\n%s\n", schema, error.text);
    EXPECT(status == TACTUS_OK);
    EXPECT(tactus_collection_find(world->db, "c", 0, &world->collection) == TACTUS_OK);
    learn_fields(world, gives_order);
    free(schema);
}

static void run_seed(struct world *world, uint64_t seed)
{
    test_seed_begin(seed);
    world_open(world, seed);
    const uint64_t transactions = 40 + below(world, 160);
    for (uint64_t number = 0; number < transactions; number += 1) {
        write_transaction(world);
        if (chance(world, 1, 4)) ask(world, tactus_latest(world->db), world->committed);
        if (chance(world, 1, 60)) EXPECT(tactus_checkpoint(world->db) == TACTUS_OK);
    }
    for (uint32_t number = 0; number < 60; number += 1) {
        ask(world, tactus_latest(world->db), world->committed);
    }
    EXPECT(tactus_close(world->db) == TACTUS_OK);
}

TEST(query, finds_what_a_filter_over_all_objects_finds)
{
    const struct test_seeds seeds = test_seeds(80);
    struct world *world = calloc(1, sizeof *world);
    EXPECT(world != NULL);
    world->committed = malloc(sizeof *world->committed);
    world->pending = malloc(sizeof *world->pending);
    EXPECT(world->committed != NULL && world->pending != NULL);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        run_seed(world, seed);
    }
    free(world->committed);
    free(world->pending);
    free(world);
    printf(
        "query: %llu questions, %llu answers with %llu objects, %llu orders refused\n",
        (unsigned long long)question_count,
        (unsigned long long)answer_count,
        (unsigned long long)found_count,
        (unsigned long long)refused_count
    );
    EXPECT(seeds.count < 10 || found_count > 0);
}

TEST_MAIN()
