/* Exported: queries. */
#include "base/assert.h"
#include "database/database.h"
#include "lsm/estimate.h"

#include "base/poison.h"

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
    return tree_estimate(&db->forest.trees[tree - 1], key_min, key_max);
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
    if (status == TACTUS_OK) {
        status =
            plan_choose(&query->state->expression, query->order, NULL, &query->state->plan, &words);
    }
    /* A place is one in the expression. */
    words.line = 0;
    words.column = 0;
    if (status != TACTUS_OK) return error_from_text(&db->error, status, &words);
    query->collection = collection;
    query->open = true;
    query->running = false;
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
    query_run_stop(&query->state->run);
    query->running = false;
    return TACTUS_OK;
}

enum tactus_status tactus_run(tactus_query *query, tactus_view *view, const char *token)
{
    TRY(enter_query(query));
    tactus_db *db = query->db;
    if (view == NULL || view->db != db || token != NULL) {
        return database_misuse(db, "run: the view is NULL or another's, or a token is given");
    }
    TRY(database_enter_view(view, query->collection));
    const uint32_t unbound = expression_unbound(&query->state->expression);
    if (unbound != 0) {
        return error_set(
            &db->error, TACTUS_INVALID, "run: ?%u has no value; call tactus_bind", unbound
        );
    }
    query_run_stop(&query->state->run);
    query->running = false;
    struct text_error words = {0};
    const struct plan_statistics statistics = {.entries = tree_entries, .context = db};
    const enum tactus_status chosen = plan_choose(
        &query->state->expression, query->order, &statistics, &query->state->plan, &words
    );
    if (chosen != TACTUS_OK) return error_from_text(&db->error, chosen, &words);
    const struct query_run_start start = {
        .collection = query->collection->collection,
        .expression = &query->state->expression,
        .plan = &query->state->plan,
        .visibility = view->visibility,
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

enum tactus_status tactus_next(
    tactus_query *query, void *objects, uint32_t capacity, uint32_t *count
)
{
    TRY(enter_query(query));
    tactus_db *db = query->db;
    if (count == NULL || (objects == NULL && capacity > 0)) {
        return database_misuse(db, "next: objects or count is NULL");
    }
    if (!query->running || query->generation != db->generation) {
        return error_set(
            &db->error,
            TACTUS_EXPIRED,
            "next: no run is open, or a write has ended it; run the query again"
        );
    }
    uint32_t got = 0;
    if (query_run_next(&query->state->run, objects, capacity, &got) != TACTUS_OK) {
        query->running = false;
        return database_failed(db);
    }
    *count = got;
    return TACTUS_OK;
}

void tactus_query_close(tactus_query *query)
{
    if (query == NULL || query->db == NULL || !query->open) return;
    if (!database_is_usable(query->db)) return;
    query_run_stop(&query->state->run);
    query->open = false;
    query->running = false;
}
