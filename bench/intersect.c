#include "bench/intersect.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/ledger.h"
#include "bench/objects.h"
#include "bench/process.h"

enum { ANSWER_OBJECTS = 1024, OTHER_VALUES = 1000, FIELDS = 2 };

static const char schema[] = "collection pair {\n"
                             "  a          u64 index\n"
                             "  b          u64 index\n"
                             "  number     u64\n"
                             "  payload    bytes(96)\n"
                             "  timestamp  timestamp\n"
                             "}\n";

_Static_assert(sizeof(struct intersect_object) == 128, "the schema says 128 bytes");
_Static_assert(offsetof(struct intersect_object, timestamp) == 120, "the last field");

/* The same two conditions in both orders; then with the fields' parts exchanged. */
static const struct {
    const char *where; /* ?1 is for a, ?2 for b */
    uint64_t a;
    uint64_t b;
} questions[INTERSECT_QUESTIONS] = {
    {"a = ?1 and b = ?2", INTERSECT_COMMON, INTERSECT_RARE},
    {"b = ?2 and a = ?1", INTERSECT_COMMON, INTERSECT_RARE},
    {"a = ?1 and b = ?2", INTERSECT_RARE, INTERSECT_COMMON},
    {"b = ?2 and a = ?1", INTERSECT_RARE, INTERSECT_COMMON},
    {"a = ?1 and b = ?2", INTERSECT_COMMON, INTERSECT_RAREST},
    {"a = ?1 and b = ?2", INTERSECT_RAREST, INTERSECT_COMMON},
};

/* What the objects made so far have for answers. */
struct matches {
    uint64_t of_value[FIELDS][INTERSECT_RAREST + 1];
    uint64_t both[INTERSECT_QUESTIONS];
    uint64_t sums[INTERSECT_QUESTIONS]; /* of number_sum() */
};

struct run {
    const struct bench_settings *settings;
    struct intersect_result *result;
    struct bench_failure *failure; /* the result's */
    tactus_db *db;
    const tactus_collection *pairs;
    tactus_query *query;
    struct matches matches;
    struct intersect_object objects[BENCH_LEDGER_TRANSACTION]; /* a transaction's, or an answer's */
};

/* ---- Objects -------------------------------------------------------------------------------- */

/* Whether `number` is the one that was drawn of its `size` neighbours. */
static bool is_drawn(uint64_t seed, uint64_t number, uint64_t size)
{
    uint64_t state = seed ^ (number / size * UINT64_C(0x2545f4914f6cdd1d)) ^ size;
    return number % size == draw_below(&state, size);
}

static uint64_t value_of(uint64_t seed, uint64_t number)
{
    if (is_drawn(seed, number, 1000000)) return INTERSECT_RAREST;
    if (is_drawn(seed, number, 10000)) return INTERSECT_RARE;
    if (is_drawn(seed, number, 10)) return INTERSECT_COMMON;
    uint64_t state = seed ^ number;
    return INTERSECT_RAREST + 1 + draw_below(&state, OTHER_VALUES);
}

void intersect_object_make(uint64_t seed, uint64_t number, struct intersect_object *object)
{
    uint64_t state = seed;
    const uint64_t seed_a = draw_u64(&state);
    const uint64_t seed_b = draw_u64(&state);
    *object = (struct intersect_object
    ){.a = value_of(seed_a, number), .b = value_of(seed_b, number), .number = number};
    state ^= number;
    for (size_t at = 0; at < sizeof object->payload; at += sizeof(uint64_t)) {
        const uint64_t word = draw_u64(&state);
        memcpy(object->payload + at, &word, sizeof word);
    }
}

/* Sums of it do not depend on order. */
static uint64_t number_sum(uint64_t number)
{
    uint64_t state = number;
    return draw_u64(&state);
}

static void count(struct matches *matches, const struct intersect_object *object)
{
    if (object->a <= INTERSECT_RAREST) matches->of_value[0][object->a] += 1;
    if (object->b <= INTERSECT_RAREST) matches->of_value[1][object->b] += 1;
    for (uint32_t i = 0; i < INTERSECT_QUESTIONS; i += 1) {
        if (object->a != questions[i].a || object->b != questions[i].b) continue;
        matches->both[i] += 1;
        matches->sums[i] += number_sum(object->number);
    }
}

/* ---- The file ------------------------------------------------------------------------------- */

static bool is_interrupted(const struct run *run)
{
    return run->settings->interrupted != NULL && *run->settings->interrupted != 0;
}

static bool failed(struct run *run, const char *what, enum tactus_status status)
{
    const char *words = run->db != NULL ? tactus_error(run->db)->text : "";
    if (words[0] == 0) words = tactus_status_text(status);
    return bench_fail(run->failure, status, "%s: %s", what, words);
}

static bool open_file(struct run *run)
{
    const struct bench_settings *settings = run->settings;
    struct tactus_error error = {0};
    enum tactus_status status = tactus_open(settings->path, &settings->open, &error, &run->db);
    if (status != TACTUS_OK) {
        return bench_fail(run->failure, status, "%s: %s", settings->path, error.text);
    }
    status = tactus_collection_find(run->db, "pair", 0, &run->pairs);
    return status == TACTUS_OK || failed(run, "pair", status);
}

static bool close_file(struct run *run)
{
    tactus_query_close(run->query);
    run->query = NULL;
    const enum tactus_status status = tactus_close(run->db);
    run->db = NULL;
    return status == TACTUS_OK || failed(run, "close", status);
}

static bool insert(struct run *run, uint64_t first, uint32_t some)
{
    for (uint32_t i = 0; i < some; i += 1) {
        intersect_object_make(run->settings->seed, first + i, &run->objects[i]);
        count(&run->matches, &run->objects[i]);
    }
    tactus_txn *txn = NULL;
    enum tactus_status status = tactus_begin(run->db, NULL, &txn);
    if (status != TACTUS_OK) return failed(run, "transaction", status);
    status = tactus_insert(txn, run->pairs, run->objects, some, NULL);
    if (status == TACTUS_OK) {
        status = tactus_commit(txn, NULL);
        return status == TACTUS_OK || failed(run, "transaction", status);
    }
    (void)failed(run, "transaction", status);
    tactus_rollback(txn);
    return false;
}

static bool fill(struct run *run)
{
    const struct bench_settings *settings = run->settings;
    struct tactus_collection_info info;
    tactus_collection_info(run->pairs, &info);
    uint32_t most = settings->transaction;
    if (most == 0 || most > info.batch_max) most = info.batch_max;
    if (most > BENCH_LEDGER_TRANSACTION) most = BENCH_LEDGER_TRANSACTION;

    const uint64_t begin_ns = process_clock_ns();
    uint64_t done = 0;
    while (done < settings->object_count && !is_interrupted(run)) {
        const uint64_t left = settings->object_count - done;
        const uint32_t some = left < most ? (uint32_t)left : most;
        if (!insert(run, done, some)) return false;
        done += some;
        if (settings->progress != NULL) settings->progress(done);
    }
    const enum tactus_status status = tactus_checkpoint(run->db);
    run->result->objects = done;
    run->result->fill_seconds = (double)(process_clock_ns() - begin_ns) / 1e9;
    return status == TACTUS_OK || failed(run, "checkpoint", status);
}

static bool make_file(struct run *run)
{
    const struct bench_settings *settings = run->settings;
    if (access(settings->path, F_OK) == 0) {
        return bench_fail(
            run->failure,
            TACTUS_EXISTS,
            "%s: it is there; remove it, or name another",
            settings->path
        );
    }
    struct tactus_error error = {0};
    const enum tactus_status status =
        tactus_create(settings->path, schema, &settings->create, &error);
    if (status != TACTUS_OK) {
        return bench_fail(run->failure, status, "%s: %s", settings->path, error.text);
    }
    if (!open_file(run)) return false;
    const bool filled = fill(run);
    return close_file(run) && filled;
}

/* ---- Asking --------------------------------------------------------------------------------- */

static bool prepare(struct run *run, uint32_t question)
{
    char text[24];
    enum tactus_status status =
        tactus_prepare(run->db, run->pairs, questions[question].where, NULL, &run->query);
    if (status == TACTUS_OK) {
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)questions[question].a);
        status = tactus_bind(run->query, 1, text);
    }
    if (status == TACTUS_OK) {
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)questions[question].b);
        status = tactus_bind(run->query, 2, text);
    }
    return status == TACTUS_OK || failed(run, "query", status);
}

/* All of the answer; what came of it is counted, and added up. */
static enum tactus_status take_answer(struct run *run, uint64_t *objects, uint64_t *sum)
{
    enum tactus_status status = tactus_run(run->query, tactus_latest(run->db), NULL);
    while (status == TACTUS_OK) {
        uint32_t some = 0;
        status = tactus_next(run->query, run->objects, ANSWER_OBJECTS, &some);
        if (some == 0) break;
        for (uint32_t i = 0; i < some; i += 1)
            *sum += number_sum(run->objects[i].number);
        *objects += some;
    }
    return status;
}

static enum tactus_status take_count(struct run *run, uint64_t *objects)
{
    const enum tactus_status status = tactus_run(run->query, tactus_latest(run->db), NULL);
    return status == TACTUS_OK ? tactus_count(run->query, UINT64_MAX, objects) : status;
}

static bool ask(struct run *run, uint32_t question, bool counts, struct intersect_asked *asked)
{
    struct tactus_stats before = {.struct_bytes = (uint32_t)sizeof before};
    struct tactus_stats after = {.struct_bytes = (uint32_t)sizeof after};
    uint64_t objects = 0;
    uint64_t sum = counts ? run->matches.sums[question] : 0;
    tactus_stats(run->db, &before);
    const uint64_t begin_ns = process_clock_ns();
    const enum tactus_status status =
        counts ? take_count(run, &objects) : take_answer(run, &objects, &sum);
    asked->seconds = (double)(process_clock_ns() - begin_ns) / 1e9;
    tactus_stats(run->db, &after);
    asked->blocks_read = after.blocks_read - before.blocks_read;
    asked->blocks_cached = after.blocks_cached - before.blocks_cached;
    if (status != TACTUS_OK) return failed(run, "query", status);
    const struct matches *matches = &run->matches;
    if (objects == matches->both[question] && sum == matches->sums[question]) return true;
    return bench_fail(
        run->failure,
        TACTUS_CORRUPT,
        "%s: %llu objects came, which are not the %llu that there are",
        questions[question].where,
        (unsigned long long)objects,
        (unsigned long long)matches->both[question]
    );
}

struct text {
    char *bytes; /* zero-terminated */
    size_t used;
};

static int append(void *context, const char *piece, size_t size)
{
    struct text *text = context;
    if (size >= INTERSECT_EXPLAIN_SIZE - text->used) return 1;
    memcpy(text->bytes + text->used, piece, size);
    text->used += size;
    text->bytes[text->used] = 0;
    return 0;
}

static bool explain(struct run *run, const char *format, char *bytes)
{
    struct text text = {.bytes = bytes};
    const enum tactus_status status = tactus_query_explain(run->query, format, append, &text);
    return status == TACTUS_OK || failed(run, "explain", status);
}

static bool ask_question(struct run *run, uint32_t question)
{
    const uint64_t a = questions[question].a;
    const uint64_t b = questions[question].b;
    struct intersect_answer *answer = &run->result->answers[question];
    *answer = (struct intersect_answer){
        .where = questions[question].where,
        .values = {a, b},
        .matches = {run->matches.of_value[0][a], run->matches.of_value[1][b]},
        .objects = run->matches.both[question],
    };
    if (!open_file(run)) return false;
    bool good = prepare(run, question) && ask(run, question, false, &answer->cold) &&
                explain(run, "json", answer->plan_cold) &&
                ask(run, question, false, &answer->again) &&
                explain(run, "json", answer->plan_again) && explain(run, "text", answer->plan);
    if (!close_file(run) || !good || !open_file(run)) return false;
    good = prepare(run, question) && ask(run, question, true, &answer->count);
    return close_file(run) && good;
}

void bench_intersect(const struct bench_settings *settings, struct intersect_result *result)
{
    struct run *run = calloc(1, sizeof *run);
    if (run == NULL) {
        (void)bench_fail(&result->failure, TACTUS_IO, "intersect: there is no memory");
        return;
    }
    run->settings = settings;
    run->result = result;
    run->failure = &result->failure;
    result->block_bytes = settings->plan.block_size;
    result->cache_bytes = settings->plan.cache_bytes;
    bool good = make_file(run);
    for (uint32_t i = 0; i < INTERSECT_QUESTIONS && good && !is_interrupted(run); i += 1)
        good = ask_question(run, i);
    result->interrupted = is_interrupted(run);
    free(run);
}

/* ---- What it came to ------------------------------------------------------------------------ */

static void question_text(const struct intersect_answer *answer, char *text, size_t size)
{
    static const char *const words[] = {"", "common", "rare", "rarest"};
    const bool a_first = answer->where[0] == 'a';
    const uint64_t first = answer->values[a_first ? 0 : 1];
    const uint64_t second = answer->values[a_first ? 1 : 0];
    (void)snprintf(
        text,
        size,
        "%c = %s and %c = %s",
        a_first ? 'a' : 'b',
        words[first],
        a_first ? 'b' : 'a',
        words[second]
    );
}

static void print_indented(FILE *stream, const char *text)
{
    while (*text != 0) {
        const size_t size = strcspn(text, "\n");
        (void)fprintf(stream, "  %.*s\n", (int)size, text);
        text += text[size] == 0 ? size : size + 1;
    }
}

void bench_intersect_table(
    FILE *stream, const struct bench_settings *settings, const struct intersect_result *result
)
{
    (void)fprintf(
        stream,
        "intersect: %llu objects of %zu bytes in %.1f s, blocks of %llu bytes, %.0f MiB of cache, "
        "seed %llu\n"
        "%-28s %9s %9s %7s %11s %10s %9s %10s %9s %11s %9s\n",
        (unsigned long long)result->objects,
        sizeof(struct intersect_object),
        result->fill_seconds,
        (unsigned long long)result->block_bytes,
        (double)result->cache_bytes / 1048576,
        (unsigned long long)settings->seed,
        "",
        "have a",
        "have b",
        "answer",
        "blocks read",
        "from cache",
        "ms, cold",
        "from cache",
        "ms, again",
        "to count it",
        "ms"
    );
    for (uint32_t i = 0; i < INTERSECT_QUESTIONS; i += 1) {
        const struct intersect_answer *answer = &result->answers[i];
        char text[48];
        question_text(answer, text, sizeof text);
        (void)fprintf(
            stream,
            "%-28s %9llu %9llu %7llu %11llu %10llu %9.3f %10llu %9.3f %11llu %9.3f\n",
            text,
            (unsigned long long)answer->matches[0],
            (unsigned long long)answer->matches[1],
            (unsigned long long)answer->objects,
            (unsigned long long)answer->cold.blocks_read,
            (unsigned long long)answer->cold.blocks_cached,
            answer->cold.seconds * 1e3,
            (unsigned long long)answer->again.blocks_cached,
            answer->again.seconds * 1e3,
            (unsigned long long)answer->count.blocks_read,
            answer->count.seconds * 1e3
        );
    }
    for (uint32_t i = 0; i < INTERSECT_QUESTIONS; i += 1) {
        char text[48];
        question_text(&result->answers[i], text, sizeof text);
        (void)fprintf(stream, "%s\n", text);
        print_indented(stream, result->answers[i].plan);
    }
}

static void json_asked(
    FILE *stream, const char *name, const struct intersect_asked *asked, const char *plan
)
{
    (void)fprintf(
        stream,
        ",\"%s\":{\"ms\":%.4f,\"blocks_read\":%llu,\"blocks_cached\":%llu,\"plan\":%.*s}",
        name,
        asked->seconds * 1e3,
        (unsigned long long)asked->blocks_read,
        (unsigned long long)asked->blocks_cached,
        (int)strcspn(plan, "\n"),
        plan
    );
}

void bench_intersect_json(
    FILE *stream, const struct bench_settings *settings, const struct intersect_result *result
)
{
    (void)fprintf(
        stream,
        "{\"workload\":\"intersect\",\"engine\":\"tactus\",\"objects\":%llu,\"seed\":%llu,"
        "\"seconds\":%.3f,\"block_bytes\":%llu,\"cache_bytes\":%llu,\"questions\":[",
        (unsigned long long)result->objects,
        (unsigned long long)settings->seed,
        result->fill_seconds,
        (unsigned long long)result->block_bytes,
        (unsigned long long)result->cache_bytes
    );
    for (uint32_t i = 0; i < INTERSECT_QUESTIONS; i += 1) {
        const struct intersect_answer *answer = &result->answers[i];
        char text[48];
        question_text(answer, text, sizeof text);
        (void)fprintf(
            stream,
            "%s{\"where\":\"%s\",\"have_a\":%llu,\"have_b\":%llu,\"answer\":%llu",
            i == 0 ? "" : ",",
            text,
            (unsigned long long)answer->matches[0],
            (unsigned long long)answer->matches[1],
            (unsigned long long)answer->objects
        );
        json_asked(stream, "cold", &answer->cold, answer->plan_cold);
        json_asked(stream, "again", &answer->again, answer->plan_again);
        json_asked(stream, "count", &answer->count, "null");
        (void)fprintf(stream, "}");
    }
    (void)fprintf(stream, "]}\n");
}
