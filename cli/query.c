#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "errors.h"
#include "output.h"
#include "session.h"
#include "sum.h"

enum { FETCH_COUNT = 256 };

/* Also the most that --limit takes. */
#define LIMIT_NONE ((uint64_t)INT64_MAX)

struct query {
    const struct session *session;
    tactus_query *prepared;
    struct sum sum;
    struct output output;
    enum format format;
    bool summing;
    bool explaining; /* the rows are read, and not shown */
    uint64_t limit;  /* LIMIT_NONE: none */
    uint64_t row_count;
    bool cut;                       /* there were more rows than --limit */
    char token[TACTUS_TOKEN_BYTES]; /* if so: of the last one shown */
};

/* Where the words of an error belong that has a line and a column. */
static int query_failed(const struct session *session, enum tactus_status status)
{
    return complain_error(status, tactus_error(session->db), "where");
}

static void take(struct query *query, const uint8_t *objects, uint32_t count)
{
    const uint64_t bytes = query->session->info.object_bytes;
    query->row_count += count;
    for (uint32_t i = 0; i < count && !query->explaining; i += 1) {
        if (query->summing) {
            sum_add(&query->sum, objects + i * bytes);
        } else {
            output_row(&query->output, objects + i * bytes);
        }
    }
}

/* At the limit: the place, then whether there is a row more. Last of all, so that an explanation is
 * of the rows asked for. */
static int look_behind(struct query *query)
{
    if (query->row_count < query->limit) return EXIT_OK;
    uint64_t more = 0;
    enum tactus_status status =
        tactus_query_token(query->prepared, query->token, sizeof query->token);
    if (status == TACTUS_ABSENT) return EXIT_OK; /* counted to the end */
    if (status == TACTUS_OK) status = tactus_count(query->prepared, 1, &more);
    if (status != TACTUS_OK) return query_failed(query->session, status);
    query->cut = more > 0;
    return EXIT_OK;
}

static int fetch(struct query *query)
{
    uint8_t *objects = session_object(query->session, FETCH_COUNT);
    if (objects == NULL) return EXIT_SYSTEM;

    int code = EXIT_OK;
    for (uint32_t count = 1; count > 0 && query->row_count < query->limit && code == EXIT_OK;) {
        const uint64_t left = query->limit - query->row_count;
        const uint32_t wanted = left < FETCH_COUNT ? (uint32_t)left : FETCH_COUNT;
        const enum tactus_status status = tactus_next(query->prepared, objects, wanted, &count);
        if (status != TACTUS_OK) {
            code = query_failed(query->session, status);
        } else {
            take(query, objects, count);
        }
    }
    free(objects);
    return code;
}

static int count_rows(struct query *query)
{
    const enum tactus_status status =
        tactus_count(query->prepared, query->limit, &query->row_count);
    return status == TACTUS_OK ? EXIT_OK : query_failed(query->session, status);
}

static int print_count(const struct query *query)
{
    (void)printf("%llu\n", (unsigned long long)query->row_count);
    return output_flush();
}

static int print_sum(const struct query *query)
{
    if (query->sum.overflowed) {
        return complain(
            EXIT_LIMIT,
            "--sum %s: the sum is over 128 bits; narrow the question",
            query->sum.field.name
        );
    }
    char text[SUM_TEXT_MAX];
    sum_text(&query->sum, text);
    if (query->format != FORMAT_JSON) {
        (void)printf("%s\n", text);
        return output_flush();
    }
    const bool bare = query->sum.field.type == TACTUS_TYPE_F32 ||
                      query->sum.field.type == TACTUS_TYPE_F64 || json_number_is_exact(text);
    const bool finite = strchr(text, 'n') == NULL;
    (void)printf("{\"rows\":%llu,\"sum\":", (unsigned long long)query->row_count);
    if (bare && finite) {
        (void)fputs(text, stdout);
    } else {
        json_text(stdout, text);
    }
    (void)fputs("}\n", stdout);
    return output_flush();
}

static int prepare_sum(struct query *query, const char *name)
{
    if (name == NULL) return EXIT_OK;
    const uint32_t field = session_field(query->session, name, strlen(name));
    if (field == UINT32_MAX) {
        return complain_usage("query", "--sum: there is no field '%s'", name);
    }
    if (!sum_init(&query->sum, &query->session->fields[field])) {
        return complain_usage("query", "--sum: '%s' is no number", name);
    }
    query->summing = true;
    return EXIT_OK;
}

/* On the command line a parameter has nobody who binds it. */
static int check_parameters(const char *where)
{
    bool in_text = false;
    for (const char *at = where; at != NULL && *at != 0; at += 1) {
        if (*at == '\'') in_text = !in_text;
        if (*at != '?' || in_text) continue;
        return complain(
            EXIT_USAGE, "where: %.8s: parameters are for the C API; write the value", at
        );
    }
    return EXIT_OK;
}

static int write_piece(void *context, const char *text, size_t bytes)
{
    (void)context;
    return fwrite(text, 1, bytes, stdout) == bytes ? 0 : 1;
}

/* The rows are read first, so that what it took stands beside what was expected. */
static int explain(struct query *query)
{
    const int code = query->format == FORMAT_COUNT ? count_rows(query) : fetch(query);
    if (code != EXIT_OK) return code;
    const char *format = query->format == FORMAT_JSON ? "json" : "text";
    const enum tactus_status status =
        tactus_query_explain(query->prepared, format, write_piece, NULL);
    if (status != TACTUS_OK && !ferror(stdout)) return query_failed(query->session, status);
    return output_flush();
}

static int print_rows(struct query *query, const char *select)
{
    int code = output_begin(&query->output, query->session, query->format, select);
    if (code == EXIT_OK) code = fetch(query);
    const int written = output_end(&query->output);
    return code == EXIT_OK ? written : code;
}

static int answer(struct query *query, const struct arguments *arguments)
{
    if (query->explaining) return explain(query);
    if (!query->summing && query->format != FORMAT_COUNT) {
        return print_rows(query, arguments_value(arguments, "select"));
    }
    const int code = query->summing ? fetch(query) : count_rows(query);
    if (code != EXIT_OK) return code;
    return query->summing ? print_sum(query) : print_count(query);
}

static int prepare(struct query *query, const struct arguments *arguments)
{
    const struct session *session = query->session;
    const char *where = arguments->word_count > 2 ? arguments->words[2] : NULL;
    const char *order = arguments_value(arguments, "order");
    enum tactus_status status =
        tactus_prepare(session->db, session->collection, where, order, &query->prepared);
    if (status != TACTUS_OK) return query_failed(session, status);
    const int code = check_parameters(where);
    if (code != EXIT_OK) return code;
    const char *after = arguments_value(arguments, "after");
    status = tactus_run(query->prepared, tactus_latest(session->db), after);
    if (status == TACTUS_OK) return EXIT_OK;
    return complain_error(status, tactus_error(session->db), after != NULL ? "--after" : NULL);
}

static int run_query(
    const struct session *session, const struct arguments *arguments, struct query *query
)
{
    query->session = session;
    int code = prepare_sum(query, arguments_value(arguments, "sum"));
    if (code == EXIT_OK) code = prepare(query, arguments);
    if (code == EXIT_OK) code = answer(query, arguments);
    if (code == EXIT_OK) code = look_behind(query);
    tactus_query_close(query->prepared);
    if (code == EXIT_OK && query->cut) say("more: --after %s", query->token);
    return code;
}

static int read_options(const struct arguments *arguments, struct query *query)
{
    if (arguments_has(arguments, "snapshot")) {
        return complain(EXIT_USAGE, "query: --snapshot comes with a later version; leave it out");
    }
    query->limit = LIMIT_NONE;
    query->explaining = arguments_has(arguments, "explain");
    const int code = arguments_number(arguments, "limit", LIMIT_NONE, &query->limit);
    if (code != EXIT_OK) return code;
    if (query->limit == 0) {
        return complain_usage(
            "query", "--limit 0 asks for nothing; give 1 or more, or leave it out for all"
        );
    }
    return output_format(arguments, true, &query->format);
}

static int run(const struct arguments *arguments)
{
    struct query query = {.format = FORMAT_TABLE};
    int code = read_options(arguments, &query);
    if (code != EXIT_OK) return code;

    struct session session;
    code = session_open(&session, arguments, SESSION_READ, TACTUS_SYNC_COMMIT);
    if (code != EXIT_OK) return code;
    code = session_collection(&session, arguments->words[1]);
    if (code == EXIT_OK) code = run_query(&session, arguments, &query);
    return session_close(&session, code);
}

static const struct option options[] = {
    {"order", OPTION_VALUE},
    {"limit", OPTION_VALUE},
    {"after", OPTION_VALUE},
    {"select", OPTION_VALUE},
    {"sum", OPTION_VALUE},
    {"explain", OPTION_FLAG},
    {"snapshot", OPTION_VALUE},
    {NULL, OPTION_END},
};

const struct command command_query = {
    .name = "query",
    .synopsis = "FILE NAME [WHERE] [options]",
    .help =
        "Prints the objects that a condition holds for; without WHERE all of them. Conditions:\n"
        "  field = value, != < <= > >=, between A and B, in (A, B), starts 'text', and, or, not, ( "
        ")\n"
        "  values: 12, -2.55, 'it''s text', '2011-11-01', x'00ff', true\n"
        "\n"
        "  --order [-]FIELD     ascending or descending (timestamp)\n"
        "  --limit N            at most N rows; if there are more, `more: --after TOKEN` on "
        "standard error\n"
        "  --after TOKEN        goes on behind the last row of the query that said so\n"
        "  --select a,b         these fields only\n"
        "  --sum FIELD          the exact sum of a field in place of the rows\n"
        "  --format F           table, csv, json, or count: the number of rows alone\n"
        "  --explain            reads the rows, and prints how they were found in their place\n"
        "  --snapshot comes with a later version\n"
        "\n"
        "Example:\n"
        "  tactus query shop.tactus sale \"customer = 17850 and stock = '85123A'\" --order -at "
        "--limit 5\n",
    .options = options,
    .words_min = 2,
    .words_max = 3,
    .run = run,
};
