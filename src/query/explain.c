#include "query/explain.h"

#include "base/assert.h"
#include "query/explain_key.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/poison.h"

struct writer {
    const struct explanation *of;
    explain_write_fn write;
    void *context;
    int stopped;    /* what `write` answered first that is not 0 */
    bool is_bound;  /* every parameter has its value: the keys mean something */
    bool has_terms; /* of the range that is being written */
    bool is_json;
};

static void put_bytes(struct writer *writer, const char *text, size_t size)
{
    if (writer->stopped != 0 || size == 0) return;
    writer->stopped = writer->write(writer->context, text, size);
}

__attribute__((format(printf, 2, 3))) static void put(
    struct writer *writer, const char *format, ...
)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    const int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert(size >= 0);
    assert((size_t)size < sizeof text);
    put_bytes(writer, text, (size_t)size);
}

/* Valid UTF-8 without control characters; in JSON what has to be is escaped. */
static void put_words(struct writer *writer, const char *text)
{
    size_t from = 0;
    size_t at = 0;
    for (; text[at] != 0; at += 1) {
        if (!writer->is_json || (text[at] != '"' && text[at] != '\\')) continue;
        put_bytes(writer, text + from, at - from);
        put_bytes(writer, "\\", 1);
        from = at;
    }
    put_bytes(writer, text + from, at - from);
}

static unsigned long long number(uint64_t value)
{
    return (unsigned long long)value;
}

/* ---- Ranges --------------------------------------------------------------------------------- */

static void put_term(struct writer *writer, const struct field *field, struct code_range range)
{
    char text[EXPLAIN_TERM_SIZE];
    explain_term(field, range, text);
    if (text[0] == 0) return;
    if (writer->has_terms) put_words(writer, " and ");
    put_words(writer, text);
    writer->has_terms = true;
}

static void put_timestamps(struct writer *writer, uint64_t min, uint64_t max)
{
    const struct collection_schema *collection = writer->of->expression->collection;
    if (min <= 1) min = 0;
    if (max >= TIMESTAMP_MAX) max = UINT64_MAX;
    put_term(
        writer,
        &collection->fields[collection->timestamp_field],
        (struct code_range){{0, min}, {0, max}}
    );
}

/* What the plan says of the timestamps of entries that do not come by timestamp. */
static void put_passed_over(struct writer *writer)
{
    const struct query_plan *plan = writer->of->plan;
    put_timestamps(writer, plan->timestamps.min, plan->timestamps.max);
}

/* The conditions that the keys of an index stand for. */
static void put_index_terms(
    struct writer *writer, const struct index_schema *index, struct key key_min, struct key key_max
)
{
    const struct collection_schema *collection = writer->of->expression->collection;
    bool fixed = true;
    for (uint32_t i = 0; i < index->field_count; i += 1) {
        const struct field *field = &collection->fields[index->fields[i]];
        if (index->hashed) {
            put(writer, "the hash of ");
            put_words(writer, field->name);
            writer->has_terms = true;
            continue;
        }
        const struct code_range range = explain_key_range(collection, index, i, key_min, key_max);
        put_term(writer, field, range);
        fixed = fixed && code_equal(range.min, range.max);
    }
    if (fixed) {
        put_timestamps(writer, key_min.word[2], key_max.word[2]);
    } else {
        put_passed_over(writer);
    }
}

enum tree_is { TREE_IS_OBJECTS = 1, TREE_IS_IDS, TREE_IS_MAP, TREE_IS_INDEX };

static enum tree_is tree_is(
    const struct writer *writer, uint16_t tree, const struct index_schema *index
)
{
    const struct collection_schema *collection = writer->of->expression->collection;
    if (index != NULL) return TREE_IS_INDEX;
    if (tree == collection->id_tree) return TREE_IS_IDS;
    return collection->timestamp_field == FIELD_NONE ? TREE_IS_MAP : TREE_IS_OBJECTS;
}

static void put_range(
    struct writer *writer,
    uint16_t tree,
    const struct index_schema *index,
    struct key key_min,
    struct key key_max
)
{
    const struct collection_schema *collection = writer->of->expression->collection;
    writer->has_terms = false;
    if (!writer->is_bound) {
        put(writer, "values that are not bound");
        return;
    }
    switch (tree_is(writer, tree, index)) {
    case TREE_IS_INDEX: put_index_terms(writer, index, key_min, key_max); break;
    case TREE_IS_OBJECTS: put_timestamps(writer, key_min.word[2], key_max.word[2]); break;
    case TREE_IS_IDS:
    case TREE_IS_MAP:
        put_term(
            writer,
            &collection->fields[collection->id_field],
            (struct code_range
            ){{key_min.word[1], key_min.word[2]}, {key_max.word[1], key_max.word[2]}}
        );
        if (collection->timestamp_field != FIELD_NONE) put_passed_over(writer);
        break;
    }
    if (!writer->has_terms) put(writer, "all");
}

static const char *tree_name(
    const struct writer *writer, uint16_t tree, const struct index_schema *index
)
{
    switch (tree_is(writer, tree, index)) {
    case TREE_IS_INDEX: return index->name;
    case TREE_IS_OBJECTS: return "objects";
    case TREE_IS_IDS: return "ids";
    case TREE_IS_MAP: break;
    }
    return "map";
}

/* ---- Words ---------------------------------------------------------------------------------- */

static const char *kind_name(const struct plan_node *node)
{
    switch ((enum plan_node_kind)node->kind) {
    case PLAN_NODE_SCAN: return "scan";
    case PLAN_NODE_RANGE: return "range";
    case PLAN_NODE_IDS: return "ids";
    case PLAN_NODE_UNION: return "union";
    case PLAN_NODE_INTERSECTION: return "intersection";
    case PLAN_NODE_DIFFERENCE: break;
    }
    return "difference";
}

/* " [about 100; read 120, leapt 3, gave 99]", of what is known. */
static void text_counts(struct writer *writer, uint32_t node, uint64_t estimate, bool reads)
{
    const struct query_actual *actual = writer->of->actual;
    if (estimate == PLAN_UNKNOWN && actual == NULL) return;
    put(writer, " [");
    if (estimate != PLAN_UNKNOWN) put(writer, "about %llu", number(estimate));
    if (actual != NULL) {
        if (estimate != PLAN_UNKNOWN) put(writer, "; ");
        if (reads) put(writer, "read %llu, ", number(actual->entries[node]));
        if (actual->probes[node] > 0) put(writer, "leapt %llu, ", number(actual->probes[node]));
        put(writer, "gave %llu", number(actual->given[node]));
    }
    put(writer, "]");
}

static void text_tree(
    struct writer *writer,
    uint16_t tree,
    const struct index_schema *index,
    struct key key_min,
    struct key key_max
)
{
    put(writer, "scan of %s%s: ", index == NULL ? "" : "index ", tree_name(writer, tree, index));
    put_range(writer, tree, index, key_min, key_max);
}

static void text_ids(struct writer *writer, uint32_t count)
{
    put(writer, "lookup of %u %s", count, count == 1 ? "id" : "ids");
}

/* Recursion is as deep as the plan, that is, as the expression: at most EXPRESSION_DEPTH_MAX times
 * and, or. */
static void text_node(struct writer *writer, uint32_t at, int depth)
{
    const struct plan_node *node = &writer->of->plan->nodes[at];
    const bool is_leaf = node->child == PLAN_NODE_NONE;
    put(writer, "%*s", 2 * depth, "");
    if (node->kind == PLAN_NODE_IDS) {
        text_ids(writer, node->id_count);
        writer->has_terms = true;
        if (writer->is_bound) put_passed_over(writer);
    } else if (is_leaf) {
        text_tree(writer, node->tree, node->index, node->key_min, node->key_max);
        if (node->kind == PLAN_NODE_RANGE) put(writer, ", sorted");
        const bool whole = node->index == NULL || (!node->index->truncated && !node->index->hashed);
        if (!whole && !node->exact) put(writer, ", maybe more");
    } else {
        put(writer, "%s", kind_name(node));
    }
    text_counts(writer, at, node->estimate, is_leaf);
    put(writer, "\n");
    for (uint8_t child = node->child; child != PLAN_NODE_NONE;
         child = writer->of->plan->nodes[child].next) {
        text_node(writer, child, depth + 1);
    }
}

/* The field that the order is by. */
static const char *order_name(const struct writer *writer)
{
    const struct collection_schema *collection = writer->of->expression->collection;
    const struct query_plan *plan = writer->of->plan;
    switch (plan->order) {
    case PLAN_ORDER_TIMESTAMP: return collection->fields[collection->timestamp_field].name;
    case PLAN_ORDER_ID:
    case PLAN_ORDER_KEY: return collection->fields[collection->id_field].name;
    case PLAN_ORDER_INDEX: break;
    }
    return plan->order_index->name;
}

static void text_order(struct writer *writer)
{
    const struct query_plan *plan = writer->of->plan;
    put(writer,
        "order: %s%s, %s%s\n",
        plan->order == PLAN_ORDER_INDEX ? "as index " : "",
        order_name(writer),
        plan->descending ? "descending" : "ascending",
        plan->sorts ? ", sorted" : "");
}

static void text_run(struct writer *writer, const struct query_actual *actual)
{
    put(writer,
        "run: %llu objects fetched, %llu refused, %llu given; ",
        number(actual->objects_fetched),
        number(actual->objects_refused),
        number(actual->objects_given));
    if (actual->passes > 0) put(writer, "%llu passes; ", number(actual->passes));
    put(writer,
        "%llu blocks read, %llu from the cache\n",
        number(actual->blocks_read),
        number(actual->blocks_cached));
}

static const char *advice_name(const struct writer *writer)
{
    const uint32_t field = writer->of->plan->advice_field;
    return field == FIELD_NONE ? NULL : writer->of->expression->collection->fields[field].name;
}

static void text_all(struct writer *writer)
{
    const struct query_plan *plan = writer->of->plan;
    if (plan->drive == PLAN_NOTHING) {
        put(writer, "nothing: no object can fulfil the conditions\n");
        return;
    }
    if (plan->drive == PLAN_SET) {
        put(writer, "set of timestamps, then their objects\n");
        text_node(writer, 0, 1);
    } else if (plan->key_count > 0) {
        put(writer, "lookup of %u %s", plan->key_count, plan->key_count == 1 ? "key" : "keys");
        text_counts(writer, 0, plan->estimate, true);
        put(writer, "\n");
    } else {
        text_tree(writer, plan->tree, plan->order_index, plan->key_min, plan->key_max);
        text_counts(writer, 0, plan->estimate, true);
        put(writer, "\n");
    }
    put(writer,
        "check: %s\n",
        plan->filters ? "each object, by all conditions" : "none, all that comes matches");
    text_order(writer);
    const char *advice = advice_name(writer);
    if (advice != NULL) {
        put(writer, "advice: no index helps: declare `index` behind `%s`\n", advice);
    }
    if (writer->of->actual != NULL) text_run(writer, writer->of->actual);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void json_estimate(struct writer *writer, uint64_t estimate)
{
    if (estimate == PLAN_UNKNOWN) {
        put(writer, "\"estimate\":null");
    } else {
        put(writer, "\"estimate\":%llu", number(estimate));
    }
}

/* The counts of a node, behind others. */
static void json_counts(struct writer *writer, uint32_t node)
{
    const struct query_actual *actual = writer->of->actual;
    if (actual == NULL) return;
    put(writer,
        ",\"entries\":%llu,\"probes\":%llu,\"given\":%llu",
        number(actual->entries[node]),
        number(actual->probes[node]),
        number(actual->given[node]));
}

static void json_tree(
    struct writer *writer,
    uint16_t tree,
    const struct index_schema *index,
    struct key key_min,
    struct key key_max
)
{
    put(writer,
        "\"%s\":\"%s\",\"range\":\"",
        index == NULL ? "tree" : "index",
        tree_name(writer, tree, index));
    put_range(writer, tree, index, key_min, key_max);
    put(writer, "\"");
}

/* Recursion as in text_node(). */
static void json_node(struct writer *writer, uint32_t at)
{
    const struct plan_node *node = &writer->of->plan->nodes[at];
    put(writer, "{\"kind\":\"%s\",", kind_name(node));
    if (node->kind == PLAN_NODE_IDS) {
        put(writer, "\"ids\":%u,", node->id_count);
    } else if (node->child == PLAN_NODE_NONE) {
        json_tree(writer, node->tree, node->index, node->key_min, node->key_max);
        put(writer, ",");
    }
    put(writer, "\"exact\":%s,", node->exact ? "true" : "false");
    json_estimate(writer, node->estimate);
    json_counts(writer, at);
    if (node->child != PLAN_NODE_NONE) {
        put(writer, ",\"parts\":[");
        for (uint8_t child = node->child; child != PLAN_NODE_NONE;
             child = writer->of->plan->nodes[child].next) {
            if (child != node->child) put(writer, ",");
            json_node(writer, child);
        }
        put(writer, "]");
    }
    put(writer, "}");
}

static void json_access(struct writer *writer)
{
    const struct query_plan *plan = writer->of->plan;
    static const char *const names[] = {
        [PLAN_NOTHING] = "nothing", [PLAN_SCAN] = "scan", [PLAN_SET] = "set"};
    put(writer, "\"access\":\"%s\"", names[plan->drive]);
    if (plan->drive == PLAN_NOTHING) return;
    if (plan->drive == PLAN_SET) {
        put(writer, ",\"set\":");
        json_node(writer, 0);
        return;
    }
    put(writer, ",\"scan\":{");
    if (plan->key_count > 0) {
        put(writer, "\"tree\":\"map\",\"keys\":%u", plan->key_count);
    } else {
        json_tree(writer, plan->tree, plan->order_index, plan->key_min, plan->key_max);
    }
    put(writer, ",");
    json_estimate(writer, plan->estimate);
    json_counts(writer, 0);
    put(writer, "}");
}

static void json_run(struct writer *writer, const struct query_actual *actual)
{
    put(writer,
        ",\"run\":{\"objects_fetched\":%llu,\"objects_refused\":%llu,\"objects_given\":%llu,",
        number(actual->objects_fetched),
        number(actual->objects_refused),
        number(actual->objects_given));
    put(writer,
        "\"passes\":%llu,\"blocks_read\":%llu,\"blocks_cached\":%llu}",
        number(actual->passes),
        number(actual->blocks_read),
        number(actual->blocks_cached));
}

static void json_all(struct writer *writer)
{
    const struct query_plan *plan = writer->of->plan;
    put(writer, "{");
    json_access(writer);
    put(writer,
        ",\"check\":%s,\"sort\":%s,\"order\":\"%s\",\"order_index\":%s,\"descending\":%s,",
        plan->filters ? "true" : "false",
        plan->sorts ? "true" : "false",
        order_name(writer),
        plan->order == PLAN_ORDER_INDEX ? "true" : "false",
        plan->descending ? "true" : "false");
    json_estimate(writer, plan->estimate);
    put(writer, ",\"cost_ns\":%llu,\"advice\":", number(plan->cost));
    const char *advice = advice_name(writer);
    if (advice == NULL) {
        put(writer, "null");
    } else {
        put(writer, "\"no index helps: declare `index` behind `%s`\"", advice);
    }
    if (writer->of->actual != NULL) json_run(writer, writer->of->actual);
    put(writer, "}\n");
}

int explain(
    const struct explanation *explanation,
    enum explain_format format,
    explain_write_fn write,
    void *context
)
{
    struct writer writer = {
        .of = explanation,
        .write = write,
        .context = context,
        .is_bound = expression_unbound(explanation->expression) == 0,
        .is_json = format == EXPLAIN_JSON,
    };
    if (writer.is_json) {
        json_all(&writer);
    } else {
        text_all(&writer);
    }
    return writer.stopped;
}
