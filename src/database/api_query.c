/* Exported: queries. */
#include <string.h>

#include "base/assert.h"
#include "database/database.h"
#include "lsm/estimate.h"
#include "query/explain.h"
#include "query/token.h"

#include "base/poison.h"

static_assert((int)TOKEN_SIZE <= (int)TACTUS_TOKEN_BYTES, "every token fits what callers have");

/* ---- Prepared -------------------------------------------------------------------------------- */

static struct tactus_query *query_slot(tactus_db *db)
{
    for (uint32_t index = 0; index < db->query_count_max; index += 1) {
        if (!db->queries[index].open) return &db->queries[index];
    }
    return NULL;
}

static uint64_t tree_entries(void *context, uint16_t tree, struct key key_min, struct key key_max)
{
    const tactus_db *db = context;
    assert(tree >= 1 && tree <= db->schema->tree_count);
    return tree_estimate(&db->forest.trees[tree - 1], key_min, key_max);
}

/* INVALID, LIMIT: in words. A place in a text is one in the expression, so there is none here. */
static enum tactus_status query_plan(tactus_query *query, bool counts, bool one_scan)
{
    tactus_db *db = query->db;
    const struct plan_statistics statistics = {.entries = tree_entries, .context = db};
    struct plan_order order = query->order;
    order.counts = counts;
    order.one_scan = one_scan;
    struct text_error words = {0};
    const enum tactus_status status =
        plan_choose(&query->state->expression, order, &statistics, &query->state->plan, &words);
    if (status != TACTUS_OK) {
        words.line = 0;
        words.column = 0;
        return error_from_text(&db->error, status, &words);
    }
    return TACTUS_OK;
}

static void query_stop(tactus_query *query)
{
    query_run_stop(&query->state->run);
    query->running = false;
}

enum tactus_status tactus_prepare(
    tactus_db *db,
    const tactus_collection *collection,
    const char *where,
    const char *order,
    tactus_query **query_out
)
{
    TRY(database_enter(db));
    if (collection == NULL || collection->db != db || query_out == NULL) {
        return database_misuse(db, "prepare: the collection is another database's, or NULL");
    }
    struct tactus_query *query = query_slot(db);
    if (query == NULL) {
        return error_set(
            &db->error,
            TACTUS_LIMIT,
            "prepare: %u queries are open; close one, or open with a higher query_count_max",
            db->query_count_max
        );
    }
    const struct collection_schema *schema = collection->collection->schema;
    struct text_error words = {0};
    enum tactus_status status = expression_parse(&query->state->expression, schema, where, &words);
    if (status != TACTUS_OK) return error_from_text(&db->error, status, &words);
    status = plan_order_parse(schema, order, &query->order, &words);
    words.line = 0;
    words.column = 0;
    if (status != TACTUS_OK) return error_from_text(&db->error, status, &words);
    TRY(query_plan(query, false, false));
    query->collection = collection;
    query->open = true;
    query->running = false;
    query->has_run = false;
    *query_out = query;
    return TACTUS_OK;
}

static enum tactus_status enter_query(tactus_query *query)
{
    if (query == NULL || query->db == NULL) return TACTUS_MISUSE;
    TRY(database_enter(query->db));
    if (!query->open) return database_misuse(query->db, "the query is closed; prepare another");
    return TACTUS_OK;
}

enum tactus_status tactus_bind(tactus_query *query, uint32_t number, const char *value)
{
    TRY(enter_query(query));
    if (value == NULL) return database_misuse(query->db, "bind: the value is NULL");
    struct text_error words = {0};
    const enum tactus_status status =
        expression_bind(&query->state->expression, number, value, &words);
    if (status != TACTUS_OK) return error_from_text(&query->db->error, status, &words);
    query_stop(query);
    query->has_run = false;
    return TACTUS_OK;
}

void tactus_query_close(tactus_query *query)
{
    if (query == NULL || query->db == NULL || !query->open) return;
    if (!database_is_usable(query->db)) return;
    query_stop(query);
    query->open = false;
}

/* ---- Running --------------------------------------------------------------------------------- */

/* What the query's tokens belong to. The plan is chosen. */
static struct token_query query_token(const tactus_query *query)
{
    const struct query_plan *plan = &query->state->plan;
    const struct collection_schema *schema = query->collection->collection->schema;
    struct token_query token = {.bits = KEY_64, .timestamped = true};
    struct token_order order = {.field = query->order.field, .descending = plan->descending};
    switch (plan->order) {
    case PLAN_ORDER_TIMESTAMP: break;
    case PLAN_ORDER_ID: token.bits = schema->id_bytes == 8 ? KEY_128 : KEY_192; break;
    case PLAN_ORDER_INDEX:
        token.bits = plan->order_index->order_bytes <= 8 ? KEY_128 : KEY_192;
        order.tree = plan->order_index->tree;
        break;
    case PLAN_ORDER_KEY:
        token.bits = schema->id_bytes == 8 ? KEY_64 : KEY_128;
        token.timestamped = false;
        break;
    }
    token.hash = token_query_hash(&query->state->expression, order);
    return token;
}

/* Runs the plan from query->place on, or from the beginning. */
static enum tactus_status query_start(tactus_query *query)
{
    tactus_db *db = query->db;
    const struct query_run_start start = {
        .collection = query->collection->collection,
        .expression = &query->state->expression,
        .plan = &query->state->plan,
        .visibility = query->visibility,
        .after = query->has_place ? &query->place : NULL,
    };
    const enum tactus_status status = query_run_start(&query->state->run, &start);
    if (status == TACTUS_LIMIT) {
        return error_set(&db->error, TACTUS_LIMIT, "run: %s", query->state->run.limit);
    }
    if (status != TACTUS_OK) return database_failed(db);
    query->running = true;
    query->generation = db->generation;
    return TACTUS_OK;
}

/* A set may take more scans, or more cursors over the runs of its trees, than others have left. One
 * tree in order gives the same answer in the same order: slower, but there is nearly always room
 * for one scan. */
static enum tactus_status query_start_whatever(tactus_query *query)
{
    const enum tactus_status status = query_start(query);
    if (status != TACTUS_LIMIT || query->state->plan.drive != PLAN_SET) return status;
    TRY(query_plan(query, false, true));
    return query_start(query);
}

enum tactus_status tactus_run(tactus_query *query, tactus_view *view, const char *token)
{
    TRY(enter_query(query));
    tactus_db *db = query->db;
    if (view == NULL || view->db != db) {
        return database_misuse(db, "run: the view is NULL or another's");
    }
    TRY(database_enter_view(view, query->collection));
    const uint32_t unbound = expression_unbound(&query->state->expression);
    if (unbound != 0) {
        return error_set(
            &db->error, TACTUS_INVALID, "run: ?%u has no value; call tactus_bind", unbound
        );
    }
    query_stop(query);
    query->has_run = false;
    TRY(query_plan(query, false, false));
    query->has_place = token != NULL;
    if (token != NULL) {
        struct text_error words = {0};
        const struct token_query of = query_token(query);
        const enum tactus_status read = token_parse(&of, token, &query->place, &words);
        if (read != TACTUS_OK) return error_from_text(&db->error, read, &words);
    }
    query->visibility = view->visibility;
    TRY(query_start_whatever(query));
    query->has_run = true;
    query->is_fresh = true;
    return TACTUS_OK;
}

/* Whether the run can go on. */
static enum tactus_status enter_run(tactus_query *query, const char *call)
{
    tactus_db *db = query->db;
    if (query->running && query->generation == db->generation) return TACTUS_OK;
    return error_set(
        &db->error,
        TACTUS_EXPIRED,
        "%s: no run is open, or a write has ended it; run the query again",
        call
    );
}

/* The place outlives the run: it is what to go on with when a write has ended it. */
static void keep_place(tactus_query *query, uint64_t count)
{
    if (count == 0) return;
    query->is_fresh = false;
    query->has_place = query_run_place(&query->state->run, &query->place);
}

enum tactus_status tactus_next(
    tactus_query *query, void *objects, uint32_t capacity, uint32_t *count
)
{
    TRY(enter_query(query));
    tactus_db *db = query->db;
    if (count == NULL || (objects == NULL && capacity > 0)) {
        return database_misuse(db, "next: objects or count is NULL");
    }
    TRY(enter_run(query, "next"));
    uint32_t got = 0;
    if (query_run_next(&query->state->run, objects, capacity, &got) != TACTUS_OK) {
        query_stop(query);
        return database_failed(db);
    }
    keep_place(query, got);
    *count = got;
    return TACTUS_OK;
}

/* What is counted from its beginning may take another way than what is read. If others hold the
 * scan that this takes, the way that was begun will do. */
static enum tactus_status start_to_count(tactus_query *query)
{
    query_stop(query);
    TRY(query_plan(query, true, false));
    const enum tactus_status status = query_start_whatever(query);
    if (status != TACTUS_LIMIT) return status;
    TRY(query_plan(query, false, false));
    return query_start_whatever(query);
}

enum tactus_status tactus_count(tactus_query *query, uint64_t max, uint64_t *count)
{
    TRY(enter_query(query));
    tactus_db *db = query->db;
    if (count == NULL) return database_misuse(db, "count: count is NULL");
    TRY(enter_run(query, "count"));
    if (query->is_fresh) TRY(start_to_count(query));
    uint64_t got = 0;
    if (query_run_count(&query->state->run, max, &got) != TACTUS_OK) {
        query_stop(query);
        return database_failed(db);
    }
    keep_place(query, got);
    *count = got;
    return TACTUS_OK;
}

/* ---- What it did ----------------------------------------------------------------------------- */

enum tactus_status tactus_query_token(tactus_query *query, char *buffer, size_t bytes)
{
    TRY(enter_query(query));
    tactus_db *db = query->db;
    if (buffer == NULL || bytes < TACTUS_TOKEN_BYTES) {
        return database_misuse(db, "token: the buffer is NULL, or less than TACTUS_TOKEN_BYTES");
    }
    if (!query->has_run) return database_misuse(db, "token: the query has not been run");
    if (!query->has_place) {
        const char *why = query->is_fresh
                              ? "no object was given out; run the query without one"
                              : "the answer was counted to its end, and its last object not looked "
                                "up; take the token before, or read what comes";
        return error_set(&db->error, TACTUS_ABSENT, "token: %s", why);
    }
    const struct token_query token = query_token(query);
    token_format(&token, query->place, buffer);
    return TACTUS_OK;
}

enum tactus_status tactus_query_explain(
    tactus_query *query, const char *format, tactus_write_fn write, void *context
)
{
    TRY(enter_query(query));
    tactus_db *db = query->db;
    if (format == NULL) format = "text";
    const bool is_json = strcmp(format, "json") == 0;
    if (write == NULL || (!is_json && strcmp(format, "text") != 0)) {
        return database_misuse(db, "explain: write is NULL, or the format neither text nor json");
    }
    if (!query->has_run) TRY(query_plan(query, false, false));
    const struct explanation explanation = {
        .expression = &query->state->expression,
        .plan = &query->state->plan,
        .actual = query->has_run ? query_run_actual(&query->state->run) : NULL,
    };
    if (explain(&explanation, is_json ? EXPLAIN_JSON : EXPLAIN_TEXT, write, context) == 0) {
        return TACTUS_OK;
    }
    return error_set(&db->error, TACTUS_IO, "explain: who wrote it down stopped; try again");
}
