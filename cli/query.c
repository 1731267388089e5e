#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "errors.h"
#include "output.h"
#include "session.h"
#include "sum.h"

enum { FETCH_COUNT = 256 };

struct query {
    const struct session *session;
    tactus_query *prepared;
    struct sum sum;
    struct output output;
    bool summing;
    uint64_t limit; /* UINT64_MAX: none */
    uint64_t row_count;
    bool cut; /* there were more rows than --limit */
};

/* Where the words of an error belong that has a line and a column. */
static int query_failed(const struct session *session, enum tactus_status status)
{
    return complain_error(status, tactus_error(session->db), "where");
}

static void take(struct query *query, const uint8_t *objects, uint32_t count)
{
    const uint64_t bytes = query->session->info.object_bytes;
    for (uint32_t i = 0; i < count; i += 1) {
        if (query->row_count == query->limit) {
            query->cut = true;
            return;
        }
        query->row_count += 1;
        if (query->summing) {
            sum_add(&query->sum, objects + i * bytes);
        } else {
            output_row(&query->output, objects + i * bytes);
        }
    }
}

/* One object more than the limit is asked for, to learn whether there is one. */
static int fetch(struct query *query)
{
    uint8_t *objects = session_object(query->session, FETCH_COUNT);
    if (objects == NULL) return EXIT_SYSTEM;

    int code = EXIT_OK;
    for (uint32_t count = 1; count > 0 && !query->cut && code == EXIT_OK;) {
        uint64_t wanted = query->limit - query->row_count;
        wanted = wanted < FETCH_COUNT ? wanted + 1 : FETCH_COUNT;
        if (wanted > FETCH_COUNT) wanted = FETCH_COUNT;
        const enum tactus_status status =
            tactus_next(query->prepared, objects, (uint32_t)wanted, &count);
        if (status != TACTUS_OK) {
            code = query_failed(query->session, status);
        } else {
            take(query, objects, count);
        }
    }
    free(objects);
    return code;
}

static int print_sum(const struct query *query, enum format format)
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
    if (format != FORMAT_JSON) {
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

static int answer(struct query *query, const struct arguments *arguments, enum format format)
{
    const struct session *session = query->session;
    const char *where = arguments->word_count > 2 ? arguments->words[2] : NULL;
    const char *order = arguments_value(arguments, "order");
    enum tactus_status status =
        tactus_prepare(session->db, session->collection, where, order, &query->prepared);
    if (status != TACTUS_OK) return query_failed(session, status);
    const int usage = check_parameters(where);
    if (usage != EXIT_OK) return usage;

    status = tactus_run(query->prepared, tactus_latest(session->db), NULL);
    if (status != TACTUS_OK) return query_failed(session, status);
    if (query->summing) {
        const int code = fetch(query);
        return code == EXIT_OK ? print_sum(query, format) : code;
    }
    int code = output_begin(&query->output, session, format, arguments_value(arguments, "select"));
    if (code == EXIT_OK) code = fetch(query);
    const int written = output_end(&query->output);
    return code == EXIT_OK ? written : code;
}

static int run_query(
    const struct session *session, const struct arguments *arguments, enum format format
)
{
    struct query query = {.session = session, .limit = UINT64_MAX};
    int code = arguments_number(arguments, "limit", UINT64_MAX - 1, &query.limit);
    if (code == EXIT_OK) code = prepare_sum(&query, arguments_value(arguments, "sum"));
    if (code == EXIT_OK) code = answer(&query, arguments, format);
    tactus_query_close(query.prepared);
    if (code == EXIT_OK && query.cut) say("more rows: raise --limit");
    return code;
}

static int run(const struct arguments *arguments)
{
    static const char *const later[] = {"after", "explain", "snapshot"};
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i += 1) {
        if (arguments_has(arguments, later[i])) {
            return complain(
                EXIT_USAGE, "query: --%s comes with a later version; leave it out", later[i]
            );
        }
    }
    enum format format = FORMAT_TABLE;
    int code = output_format(arguments, true, &format);
    if (code != EXIT_OK) return code;

    struct session session;
    code = session_open(&session, arguments, SESSION_READ, TACTUS_SYNC_COMMIT);
    if (code != EXIT_OK) return code;
    code = session_collection(&session, arguments->words[1]);
    if (code == EXIT_OK) code = run_query(&session, arguments, format);
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
        "  --limit N            at most N rows; says on standard error when there were more\n"
        "  --select a,b         these fields only\n"
        "  --sum FIELD          the exact sum of a field in place of the rows\n"
        "  --format F           table, csv, json, or count: the number of rows alone\n"
        "  --after, --explain, --snapshot come with a later version\n"
        "\n"
        "Example:\n"
        "  tactus query shop.tactus sale \"customer = 17850 and stock = '85123A'\" --order -at "
        "--limit 5\n",
    .options = options,
    .words_min = 2,
    .words_max = 3,
    .run = run,
};
