#include "support/oracle_question.h"

#include <string.h>

#include "support/test.h"

#include "base/poison.h"

/* ---- Trees ----------------------------------------------------------------------------------- */

struct drawer {
    struct oracle_question *question;
    struct random *random;
    bool lookups; /* equalities of indexed fields alone, nearly */
    bool wide;    /* lists of many values alone */
};

static uint64_t below(struct drawer *drawer, uint64_t count)
{
    return random_below(drawer->random, count);
}

static bool chance(struct drawer *drawer, uint64_t a, uint64_t b)
{
    return random_chance(drawer->random, a, b);
}

static struct oracle_node *node_new(struct oracle_question *question)
{
    EXPECT(question->node_count < ORACLE_NODES);
    struct oracle_node *node = &question->nodes[question->node_count];
    question->node_count += 1;
    *node = (struct oracle_node){0};
    return node;
}

/* Cuts a value for `starts`; a text between letters. */
static void cut_value(
    struct drawer *drawer, const struct tactus_field *field, struct oracle_value *value
)
{
    if (value->size == 0) return;
    value->size = 1 + (uint32_t)below(drawer, value->size);
    if (field->type == TACTUS_TYPE_TEXT) {
        while (value->size > 0 && (value->bytes[value->size] & 0xc0) == 0x80)
            value->size -= 1;
    }
    memset(value->bytes + value->size, 0, ORACLE_VALUE_SIZE - value->size);
}

static void draw_value(struct drawer *drawer, struct oracle_node *node)
{
    struct oracle_value *value = &node->values[node->value_count];
    node->value_count += 1;
    const struct tactus_field *field = &node->field->field;
    oracle_question_value(node->field, drawer->random, value->bytes);
    if (field->type == TACTUS_TYPE_TIMESTAMP) {
        const uint64_t last = drawer->question->store->timestamp_last;
        const uint64_t number = 1 + below(drawer, last + 2);
        memcpy(value->bytes, &number, 8);
    }
    const bool zero = field->type == TACTUS_TYPE_F64 && chance(drawer, 1, 16);
    if (zero) memcpy(value->bytes, (const double[]){-0.0}, 8);
    value->size = field->size;
    if (field->type == TACTUS_TYPE_TEXT) {
        value->size = (uint32_t)strnlen((const char *)value->bytes, field->size);
    }
    if (node->op == ORACLE_STARTS) cut_value(drawer, field, value);
    if (chance(drawer, 1, 8)) {
        drawer->question->parameter_count += 1;
        value->parameter = drawer->question->parameter_count;
    }
}

static const struct oracle_field *draw_subject(struct drawer *drawer)
{
    const struct oracle_store *store = drawer->question->store;
    const struct oracle_field *field = NULL;
    const bool indexed = drawer->lookups && (drawer->wide || chance(drawer, 7, 8));
    for (uint32_t attempt = 0; attempt < 100; attempt += 1) {
        const uint32_t number = (uint32_t)below(drawer, store->field_count);
        field = &store->fields[number];
        if (field->field.type == TACTUS_TYPE_RESERVED) continue;
        if (!indexed || field->indexed) return field;
    }
    return &store->fields[0];
}

static const struct oracle_node *draw_test(struct drawer *drawer)
{
    struct oracle_question *question = drawer->question;
    struct oracle_node *node = node_new(question);
    node->field = draw_subject(drawer);
    node->op = (enum oracle_op)(ORACLE_EQ + below(drawer, ORACLE_STARTS - ORACLE_EQ + 1));
    if (chance(drawer, 1, 4)) node->op = ORACLE_EQ;
    if (drawer->lookups && chance(drawer, 7, 8)) {
        node->op = chance(drawer, 1, 3) ? ORACLE_IN : ORACLE_EQ;
    }
    if (drawer->wide) node->op = ORACLE_IN;
    const bool prefix = oracle_is_string(&node->field->field);
    if (node->op == ORACLE_STARTS && !prefix) node->op = ORACLE_EQ;
    uint32_t count = node->op == ORACLE_BETWEEN ? 2 : 1;
    if (node->op == ORACLE_IN) count = 1 + (uint32_t)below(drawer, ORACLE_VALUES);
    if (drawer->wide) count = ORACLE_VALUES;
    for (uint32_t index = 0; index < count; index += 1)
        draw_value(drawer, node);
    question->lookups += count;
    return node;
}

static const struct oracle_node *draw_node(struct drawer *drawer, uint32_t depth)
{
    const uint64_t roll = below(drawer, 10);
    if (depth == 0 || roll < 3 || drawer->question->node_count > ORACLE_NODES / 3) {
        return draw_test(drawer);
    }
    struct oracle_node *node = node_new(drawer->question);
    node->op = roll < 7 ? ORACLE_AND : roll < 9 ? ORACLE_OR : ORACLE_NOT;
    node->child_count = node->op == ORACLE_NOT ? 1 : 2 + (uint32_t)below(drawer, 3);
    for (uint32_t index = 0; index < node->child_count; index += 1) {
        node->children[index] = draw_node(drawer, depth - 1);
    }
    return node;
}

/* Many scans at once, up to more than a query may have. */
static const struct oracle_node *draw_wide(struct drawer *drawer)
{
    struct oracle_node *node = node_new(drawer->question);
    node->op = ORACLE_OR;
    node->child_count = 2 + (uint32_t)below(drawer, ORACLE_CHILDREN - 1);
    drawer->lookups = true;
    drawer->wide = true;
    for (uint32_t index = 0; index < node->child_count; index += 1)
        node->children[index] = draw_test(drawer);
    return node;
}

/* ---- Text ------------------------------------------------------------------------------------ */

static void say_value(struct oracle_text *text, const struct oracle_node *node, uint32_t number)
{
    const struct oracle_value *value = &node->values[number];
    if (value->parameter != 0) {
        oracle_say(text, "?%u", value->parameter);
    } else {
        oracle_say_literal(text, &node->field->field, value->bytes, value->size);
    }
}

static void say_test(struct oracle_text *text, const struct oracle_node *node)
{
    static const char *const words[] = {"=", "!=", "<", "<=", ">", ">="};
    oracle_say(text, "%s", node->field->field.name);
    if (node->op <= ORACLE_GE) {
        oracle_say(text, " %s ", words[node->op - ORACLE_EQ]);
        say_value(text, node, 0);
    } else if (node->op == ORACLE_BETWEEN) {
        oracle_say(text, " Between ");
        say_value(text, node, 0);
        oracle_say(text, " and ");
        say_value(text, node, 1);
    } else if (node->op == ORACLE_STARTS) {
        oracle_say(text, " starts ");
        say_value(text, node, 0);
    } else {
        for (uint32_t index = 0; index < node->value_count; index += 1) {
            oracle_say(text, "%s", index == 0 ? " in (" : ", ");
            say_value(text, node, index);
        }
        oracle_say(text, ")");
    }
}

static void say_node(struct oracle_text *text, const struct oracle_node *node)
{
    if (node->op > ORACLE_NOT) {
        say_test(text, node);
        return;
    }
    oracle_say(text, "%s", node->op == ORACLE_NOT ? "not (" : "(");
    for (uint32_t index = 0; index < node->child_count; index += 1) {
        if (index > 0) oracle_say(text, "%s", node->op == ORACLE_AND ? " and " : "\n OR ");
        say_node(text, node->children[index]);
    }
    oracle_say(text, ")");
}

/* ---- Orders ---------------------------------------------------------------------------------- */

static struct oracle_sort *sort_new(struct oracle_question *question)
{
    EXPECT(question->sort_count < ORACLE_SORTS);
    struct oracle_sort *sort = &question->sorts[question->sort_count];
    question->sort_count += 1;
    *sort = (struct oracle_sort){.count = 1, .fields = {&question->order->field}};
    return sort;
}

/* Equal values come by timestamp; or, where a longer index gave the order, by its further fields
 * first. */
static void draw_order(struct drawer *drawer)
{
    struct oracle_question *question = drawer->question;
    const struct oracle_store *store = question->store;
    question->order = &store->fields[store->is_map ? store->id_field : store->timestamp_field];
    const bool any = chance(drawer, 1, 3);
    for (uint32_t attempt = 0; attempt < 20 && chance(drawer, 9, 10); attempt += 1) {
        const uint32_t number = (uint32_t)below(drawer, store->field_count);
        if (store->fields[number].field.type == TACTUS_TYPE_RESERVED) continue;
        if (!any && !store->fields[number].gives_order) continue;
        question->order = &store->fields[number];
        break;
    }
    question->descending = chance(drawer, 1, 2);
    question->must_order = question->order->gives_order;
    (void)sort_new(question);
    const bool id =
        store->id_field != UINT32_MAX && question->order == &store->fields[store->id_field];
    if (id) sort_new(question)->loose = true;
    if (question->must_order) return;
    for (uint32_t number = 0; number < store->composite_count; number += 1) {
        const struct oracle_composite *composite = &store->composites[number];
        uint32_t at = 0;
        while (at < composite->count && &store->fields[composite->fields[at]] != question->order)
            at += 1;
        if (at + 1 >= composite->count) continue;
        struct oracle_sort *sort = sort_new(question);
        for (at += 1; at < composite->count; at += 1) {
            sort->fields[sort->count] = &store->fields[composite->fields[at]].field;
            sort->count += 1;
        }
    }
}

void oracle_question_draw(
    struct oracle_question *question, const struct oracle_store *store, struct random *random
)
{
    struct drawer drawer = {.question = question, .random = random};
    question->store = store;
    question->node_count = 0;
    question->root = NULL;
    question->parameter_count = 0;
    question->lookups = 0;
    question->where[0] = 0;
    question->sort_count = 0;
    drawer.lookups = chance(&drawer, 1, 2);
    if (!chance(&drawer, 1, 16)) {
        const uint32_t depth = 1 + (uint32_t)below(&drawer, ORACLE_DEPTH);
        const bool wide = chance(&drawer, 1, 16);
        question->root = wide ? draw_wide(&drawer) : draw_node(&drawer, depth);
        struct oracle_text text = {.at = question->where, .size = ORACLE_WHERE_SIZE};
        say_node(&text, question->root);
    }
    draw_order(&drawer);
}

void oracle_question_bind(const struct oracle_question *question, tactus_query *query)
{
    for (uint32_t number = 0; number < question->node_count; number += 1) {
        const struct oracle_node *node = &question->nodes[number];
        for (uint32_t index = 0; index < node->value_count; index += 1) {
            const struct oracle_value *value = &node->values[index];
            if (value->parameter == 0) continue;
            char plain[256] = "";
            struct oracle_text text = {.at = plain, .size = sizeof plain};
            oracle_say_plain(&text, &node->field->field, value->bytes, value->size);
            EXPECT(tactus_bind(query, value->parameter, plain) == TACTUS_OK);
        }
    }
}

/* ---- Answers --------------------------------------------------------------------------------- */

static bool test_matches(const struct oracle_node *node, const uint8_t *object)
{
    const struct tactus_field *field = &node->field->field;
    const uint8_t *value = object + field->offset;
    int order[ORACLE_VALUES] = {0};
    for (uint32_t index = 0; index < node->value_count; index += 1) {
        order[index] = oracle_compare(field, value, node->values[index].bytes);
    }
    switch (node->op) {
    case ORACLE_EQ: return order[0] == 0;
    case ORACLE_NE: return order[0] != 0;
    case ORACLE_LT: return order[0] < 0;
    case ORACLE_LE: return order[0] <= 0;
    case ORACLE_GT: return order[0] > 0;
    case ORACLE_GE: return order[0] >= 0;
    case ORACLE_BETWEEN: return order[0] >= 0 && order[1] <= 0;
    case ORACLE_STARTS: return memcmp(value, node->values[0].bytes, node->values[0].size) == 0;
    case ORACLE_IN: break;
    case ORACLE_AND:
    case ORACLE_OR:
    case ORACLE_NOT: EXPECT(false);
    }
    for (uint32_t index = 0; index < node->value_count; index += 1) {
        if (order[index] == 0) return true;
    }
    return false;
}

static bool node_matches(const struct oracle_node *node, const uint8_t *object)
{
    if (node->op > ORACLE_NOT) return test_matches(node, object);
    if (node->op == ORACLE_NOT) return !node_matches(node->children[0], object);
    for (uint32_t index = 0; index < node->child_count; index += 1) {
        const bool matches = node_matches(node->children[index], object);
        if (matches != (node->op == ORACLE_AND)) return matches;
    }
    return node->op == ORACLE_AND;
}

bool oracle_matches(const struct oracle_question *question, const struct oracle_object *object)
{
    if (!object->present) return false;
    return question->root == NULL || node_matches(question->root, object->bytes);
}

int oracle_order(
    const struct oracle_question *question,
    uint32_t sort,
    const struct oracle_object *a,
    const struct oracle_object *b
)
{
    const struct oracle_sort *by = &question->sorts[sort];
    int order = 0;
    for (uint32_t index = 0; index < by->count && order == 0; index += 1) {
        const struct tactus_field *field = by->fields[index];
        order = oracle_compare(field, a->bytes + field->offset, b->bytes + field->offset);
    }
    if (order == 0 && !by->loose)
        order = (a->timestamp > b->timestamp) - (a->timestamp < b->timestamp);
    return question->descending ? -order : order;
}
