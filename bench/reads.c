#include "bench/reads.h"

#include <stdlib.h>
#include <string.h>

#include "bench/process.h"
#include "bench/truth.h"

enum {
    CHUNK_IDS = 1024,     /* looked up before any of them is compared */
    CHUNK_QUESTIONS = 16, /* likewise */
    CACHE_BLOCKS_MIN = 64,
    CACHE_TIMES = 2, /* of what there is: blocks and pages are not full, and have heads */
    CACHE_PART = 4
};

static const char *const kind_names[READ_COUNT] = {
    "get", "get of 64", "get of an absent id", "newest of an account", "two conditions", "scan"};

struct reader {
    const struct bench_reads_options *options;
    void *store;
    struct bench_failure *failure;
    struct truth truth;
    struct bench_read unmeasured;
    uint64_t random; /* state: which questions */

    /* Of what is being asked. */
    enum bench_read_kind kind;
    struct bench_read *read;
    uint64_t checksum;                  /* of all that came, in order */
    const struct truth_answer *answers; /* of the questions to come; NULL: not known */

    /* A chunk: questions, and what came. */
    uint64_t numbers[CHUNK_IDS];
    struct tactus_u128 ids[CHUNK_IDS];
    struct bench_question questions[CHUNK_QUESTIONS];
    uint32_t counts[CHUNK_QUESTIONS];
    struct bench_object objects[CHUNK_QUESTIONS * BENCH_NEWEST];
};

_Static_assert(CHUNK_QUESTIONS *BENCH_NEWEST >= CHUNK_IDS, "objects of a chunk have room");

uint64_t bench_reads_cache(
    const struct bench_settings *settings, enum bench_reading reading, uint64_t object_count
)
{
    const uint64_t logical = object_count * OBJECT_LOGICAL_BYTES;
    const uint64_t least = settings->plan.block_size * CACHE_BLOCKS_MIN;
    const uint64_t bytes = reading == READING_CACHED ? logical * CACHE_TIMES : logical / CACHE_PART;
    return bytes > least ? bytes : least;
}

static bool is_interrupted(const struct reader *reader)
{
    const volatile sig_atomic_t *interrupted = reader->options->settings->interrupted;
    return interrupted != NULL && *interrupted != 0;
}

/* ---- What comes back ------------------------------------------------------------------------ */

static bool wrong(struct reader *reader, const char *what)
{
    return bench_fail(
        reader->failure,
        TACTUS_CORRUPT,
        "%s: %s: %s",
        reader->options->engine->name,
        kind_names[reader->kind],
        what
    );
}

static void fold(struct reader *reader, uint64_t number)
{
    uint64_t state = reader->checksum ^ number;
    reader->checksum = draw_u64(&state);
}

static bool is_expected(struct reader *reader, uint64_t number, const struct bench_object *object)
{
    struct bench_object wanted;
    object_expected(&reader->options->set, number, &wanted);
    fold(reader, object->timestamp);
    fold(reader, object->id.low ^ object->id.high);
    return memcmp(object, &wanted, sizeof wanted) == 0 || wrong(reader, "an object is not its own");
}

static bool check_ids(struct reader *reader, uint32_t count)
{
    static const struct bench_object zero;
    for (uint32_t i = 0; i < count; i += 1) {
        const struct bench_object *object = &reader->objects[i];
        if (reader->kind != READ_ABSENT) {
            if (!is_expected(reader, reader->numbers[i], object)) return false;
        } else if (memcmp(object, &zero, sizeof zero) != 0) {
            return wrong(reader, "it is there");
        }
    }
    return true;
}

/* Without the truth at hand: each object fits the question, and they descend. */
static bool check_answer(
    struct reader *reader,
    const struct bench_question *question,
    const struct bench_object *objects,
    uint32_t count
)
{
    uint64_t before = reader->options->set.count + 1;
    for (uint32_t i = 0; i < count; i += 1) {
        const struct bench_object *object = &objects[i];
        if (object->timestamp == 0 || object->timestamp >= before) {
            return wrong(reader, "timestamps do not descend");
        }
        before = object->timestamp;
        if (!is_expected(reader, object->timestamp - 1, object)) return false;
        const bool fits = object->debit.low == question->debit &&
                          (question->code == 0 || question->code == object->code);
        if (!fits) return wrong(reader, "an object that was not asked for");
    }
    fold(reader, count);
    return true;
}

static bool check_truth(
    struct reader *reader,
    const struct truth_answer *answer,
    const struct bench_object *objects,
    uint32_t count
)
{
    if (count != answer->count) return wrong(reader, "another number of objects than there are");
    for (uint32_t i = 0; i < count; i += 1) {
        if (objects[i].timestamp != answer->timestamps[i]) {
            return wrong(reader, "another object than the newest");
        }
    }
    return true;
}

/* ---- Asking --------------------------------------------------------------------------------- */

static void note(struct reader *reader, uint64_t begin_ns, uint64_t wanted)
{
    const uint64_t took_ns = process_clock_ns() - begin_ns;
    struct bench_read *read = reader->read;
    latencies_add(&read->latency, took_ns);
    read->seconds += (double)took_ns / 1e9;
    read->questions += 1;
    read->wanted += wanted;
}

/* Looks up to `most` times ids up, as many at a time as the kind says. */
static bool ask_ids(struct reader *reader, uint64_t most)
{
    const struct bench_reads_options *options = reader->options;
    const uint32_t batch = reader->kind == READ_GET_64 ? BENCH_GET_BATCH : 1;
    const uint32_t room = CHUNK_IDS / batch;
    const uint32_t count = (most < room ? (uint32_t)most : room) * batch;
    const uint64_t beyond = reader->kind == READ_ABSENT ? options->set.count : 0;
    for (uint32_t i = 0; i < count; i += 1) {
        reader->numbers[i] = draw_below(&reader->random, options->set.count) + beyond;
        reader->ids[i] = object_id(options->set.seed, reader->numbers[i]);
    }
    for (uint32_t at = 0; at < count; at += batch) {
        const uint64_t begin_ns = process_clock_ns();
        const bool good = options->engine->get(
            reader->store, reader->ids + at, batch, reader->objects + at, reader->failure
        );
        if (!good) return false;
        note(reader, begin_ns, batch);
    }
    return check_ids(reader, count);
}

static struct bench_question draw_question(uint64_t *random, enum bench_read_kind kind)
{
    struct bench_question question = {.debit = 1 + (uint32_t)draw_below(random, ACCOUNT_COUNT)};
    if (kind == READ_TWO) question.code = 1 + (uint32_t)draw_below(random, CODE_MAX);
    return question;
}

static bool ask_questions(struct reader *reader, uint64_t most)
{
    const struct bench_reads_options *options = reader->options;
    const uint32_t count = most < CHUNK_QUESTIONS ? (uint32_t)most : CHUNK_QUESTIONS;
    for (uint32_t i = 0; i < count; i += 1) {
        const struct bench_question question = draw_question(&reader->random, reader->kind);
        reader->questions[i] = question;
        const uint64_t begin_ns = process_clock_ns();
        const bool good = options->engine->ask(
            reader->store,
            &question,
            reader->objects + (size_t)i * BENCH_NEWEST,
            &reader->counts[i],
            reader->failure
        );
        if (!good) return false;
        note(reader, begin_ns, reader->counts[i]);
    }
    for (uint32_t i = 0; i < count; i += 1) {
        const struct bench_object *objects = reader->objects + (size_t)i * BENCH_NEWEST;
        if (!check_answer(reader, &reader->questions[i], objects, reader->counts[i])) return false;
        if (reader->answers == NULL) continue;
        if (!check_truth(reader, reader->answers, objects, reader->counts[i])) return false;
        reader->answers += 1;
    }
    return true;
}

/* Each kind has questions of its own. */
static uint64_t random_of(uint64_t seed, enum bench_read_kind kind)
{
    return seed + (uint64_t)kind * UINT64_C(0x1e3779b97f4a7c15);
}

/* How many questions of a kind are held against the truth. */
static uint32_t answers_of(const struct bench_settings *settings)
{
    const uint64_t limit = settings->read_questions;
    return limit < BENCH_ANSWERS ? (uint32_t)limit : BENCH_ANSWERS;
}

/* Asks `most` questions, or until so many seconds are over (0: no matter how long). */
static bool ask(
    struct reader *reader, enum bench_read_kind kind, uint64_t seed, uint64_t most, uint32_t seconds
)
{
    reader->kind = kind;
    reader->random = random_of(seed, kind);
    const uint64_t begin_ns = process_clock_ns();
    const uint64_t end_ns = seconds > 0 ? begin_ns + seconds * UINT64_C(1000000000) : UINT64_MAX;
    struct bench_read *read = reader->read;
    while (read->questions < most && !is_interrupted(reader) && process_clock_ns() < end_ns) {
        const uint64_t left = most - read->questions;
        const bool is_get = kind == READ_GET || kind == READ_GET_64 || kind == READ_ABSENT;
        if (!(is_get ? ask_ids(reader, left) : ask_questions(reader, left))) return false;
    }
    return true;
}

struct scan {
    uint64_t sum;
    uint64_t count;
};

static bool visit(void *context, const struct bench_object *object)
{
    struct scan *scan = context;
    scan->sum += truth_sum(object);
    scan->count += 1;
    return true;
}

static bool scan_all(struct reader *reader)
{
    const struct bench_reads_options *options = reader->options;
    struct bench_read *read = reader->read;
    struct scan scan = {0};
    reader->kind = READ_SCAN;
    const uint64_t begin_ns = process_clock_ns();
    if (!options->engine->scan(reader->store, visit, &scan, reader->failure)) return false;
    read->seconds = (double)(process_clock_ns() - begin_ns) / 1e9;
    read->questions = 1;
    read->wanted = scan.count;
    if (scan.count != options->set.count) return wrong(reader, "another number of objects");
    return scan.sum == reader->truth.scan_sum || wrong(reader, "an object is not its own");
}

/* ---- A reading ------------------------------------------------------------------------------ */

/* The same questions for every engine, and their whole answers. */
static bool check_answers(struct reader *reader, uint64_t *answers)
{
    const struct bench_reads_options *options = reader->options;
    const uint32_t count = answers_of(options->settings);
    struct bench_read *read = &reader->unmeasured;
    reader->read = read;
    for (uint32_t kind = 0; kind < READ_SCAN; kind += 1) {
        const bool is_known = kind == READ_NEWEST || kind == READ_TWO;
        reader->answers = is_known ? reader->truth.answers : NULL;
        if (kind == READ_TWO) reader->answers += count;
        read->questions = 0;
        if (!ask(reader, kind, options->set.seed, count, 0)) return false;
        reader->answers = NULL;
    }
    *answers = reader->checksum;
    return true;
}

/* What was asked of READ_NEWEST and READ_TWO by check_answers(), answered. */
static bool find_truth(struct reader *reader)
{
    struct bench_question questions[2 * BENCH_ANSWERS];
    const struct bench_reads_options *options = reader->options;
    const uint32_t each = answers_of(options->settings);
    uint32_t count = 0;
    for (uint32_t kind = READ_NEWEST; kind <= READ_TWO; kind += 1) {
        uint64_t random = random_of(options->set.seed, kind);
        for (uint32_t i = 0; i < each; i += 1) {
            questions[count] = draw_question(&random, kind);
            count += 1;
        }
    }
    return truth_init(&reader->truth, &options->set, questions, count) ||
           bench_fail(reader->failure, TACTUS_IO, "truth: there is no memory");
}

/* Warms up and measures. Cached, it is the same questions both times; else others, so that the
 * cache is full, and of what is asked now and then. */
static bool measure(struct reader *reader, enum bench_read_kind kind, struct bench_read *read)
{
    const struct bench_reads_options *options = reader->options;
    const struct bench_settings *settings = options->settings;
    const bool is_cached = options->reading == READING_CACHED;
    const uint64_t warming = options->set.seed + 1;
    const uint64_t measured = is_cached ? warming : options->set.seed + 2;
    uint64_t most = settings->read_questions;

    reader->unmeasured.questions = 0;
    reader->read = &reader->unmeasured;
    if (kind == READ_SCAN) {
        if (is_cached && !scan_all(reader)) return false;
    } else if (!ask(reader, kind, warming, most, settings->read_seconds)) {
        return false;
    }
    if (is_cached && kind != READ_SCAN) most = reader->unmeasured.questions;

    struct process_usage before;
    struct process_usage after;
    struct bench_figures figures_before;
    struct bench_figures figures;
    process_usage(&before);
    options->engine->figures(reader->store, &figures_before);
    reader->read = read;
    const bool good = kind == READ_SCAN ? scan_all(reader)
                                        : ask(reader, kind, measured, most, settings->read_seconds);
    options->engine->figures(reader->store, &figures);
    process_usage(&after);
    read->has_io = before.has_io && after.has_io;
    read->device_read = after.bytes_read - before.bytes_read;
    read->blocks_read = UINT64_MAX;
    read->blocks_cached = UINT64_MAX;
    if (figures.blocks_read != UINT64_MAX) {
        read->blocks_read = figures.blocks_read - figures_before.blocks_read;
        read->blocks_cached = figures.blocks_cached - figures_before.blocks_cached;
    }
    return good;
}

static bool read_all(struct reader *reader, struct bench_reads *reads, uint64_t *answers)
{
    if (!find_truth(reader) || !check_answers(reader, answers)) return false;
    for (uint32_t kind = 0; kind < READ_COUNT && !is_interrupted(reader); kind += 1) {
        if (!measure(reader, kind, &reads->kinds[kind])) return false;
    }
    reads->done = !is_interrupted(reader);
    return true;
}

bool bench_reads_run(
    const struct bench_reads_options *options,
    struct bench_reads *reads,
    uint64_t *answers,
    struct bench_failure *failure
)
{
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) return bench_fail(failure, TACTUS_IO, "reads: there is no memory");
    reader->options = options;
    reader->failure = failure;
    reads->cache_bytes = bench_reads_cache(options->settings, options->reading, options->set.count);

    const struct bench_engine *engine = options->engine;
    const uint64_t begin_ns = process_clock_ns();
    bool good = engine->reopen(
        options->settings,
        options->path,
        reads->cache_bytes,
        options->reading == READING_LARGE,
        &reader->store,
        failure
    );
    if (good) {
        reads->open_seconds = (double)(process_clock_ns() - begin_ns) / 1e9;
        good = read_all(reader, reads, answers);
        struct bench_failure closing = {.status = TACTUS_OK};
        if (!engine->close(reader->store, &closing) && good) {
            *failure = closing;
            good = false;
        }
    }
    truth_deinit(&reader->truth);
    free(reader);
    return good;
}
