/* Reads of an engine that is an array, and can be told to answer wrongly in one way or another:
 * each has to be found. */
#include "bench/reads.h"

#include <string.h>

#include "bench/ledger.h"
#include "support/test.h"

#include "base/poison.h"

enum { OBJECTS = 3000 };

enum lie {
    LIE_NONE,
    LIE_GET,        /* another amount, of some */
    LIE_INVENT,     /* an object for an absent id */
    LIE_SHORT,      /* the oldest of an answer is left out */
    LIE_SKIP,       /* the newest one is left out, and the answer filled up behind */
    LIE_ORDER,      /* oldest first */
    LIE_CODE,       /* the code is not looked at */
    LIE_SCAN,       /* one object comes twice, in place of its neighbour */
    LIE_SCAN_SHORT, /* the last one does not come */
    LIE_REFUSE
};

static struct {
    enum lie lie;
    struct bench_object objects[OBJECTS];
    uint64_t cache_bytes;
    bool direct;
    uint32_t opens;
    uint32_t closes;
    uint32_t get_calls;
    uint32_t asked;
    uint32_t scans;
} fake;

static struct zipf zipf;
static struct bench_settings settings;
static struct bench_reads reads;
static struct bench_failure failure;
static uint64_t answers;

static bool fake_reopen(
    const struct bench_settings *given,
    const char *path,
    uint64_t cache_bytes,
    bool direct,
    void **store,
    struct bench_failure *why
)
{
    EXPECT(given == &settings && strcmp(path, "a path") == 0);
    fake.opens += 1;
    fake.cache_bytes = cache_bytes;
    fake.direct = direct;
    if (fake.lie == LIE_REFUSE) return bench_fail(why, TACTUS_IO, "it is gone");
    *store = &fake;
    return true;
}

static bool fake_get(
    void *store,
    const struct tactus_u128 *ids,
    uint32_t count,
    struct bench_object *objects,
    struct bench_failure *why
)
{
    EXPECT(store == &fake && (count == 1 || count == BENCH_GET_BATCH));
    (void)why;
    fake.get_calls += 1;
    for (uint32_t i = 0; i < count; i += 1) {
        bool found = false;
        for (uint32_t place = 0; place < OBJECTS && !found; place += 1) {
            if (memcmp(&fake.objects[place].id, &ids[i], sizeof ids[i]) != 0) continue;
            objects[i] = fake.objects[place];
            if (fake.lie == LIE_GET && place % 50 == 7) objects[i].amount.low ^= 1;
            found = true;
        }
        if (!found) memset(&objects[i], 0, sizeof objects[i]);
        if (!found && fake.lie == LIE_INVENT) objects[i].timestamp = 1;
    }
    return true;
}

static void reverse(struct bench_object *objects, uint32_t count)
{
    for (uint32_t i = 0; i < count / 2; i += 1) {
        const struct bench_object object = objects[i];
        objects[i] = objects[count - 1 - i];
        objects[count - 1 - i] = object;
    }
}

static bool fake_ask(
    void *store,
    const struct bench_question *question,
    struct bench_object *objects,
    uint32_t *count,
    struct bench_failure *why
)
{
    EXPECT(store == &fake);
    (void)why;
    fake.asked += 1;
    bool skip = fake.lie == LIE_SKIP;
    *count = 0;
    for (uint32_t place = OBJECTS; place > 0 && *count < BENCH_NEWEST; place -= 1) {
        const struct bench_object *object = &fake.objects[place - 1];
        const bool any_code = question->code == 0 || fake.lie == LIE_CODE;
        if (object->debit.low != question->debit) continue;
        if (!any_code && object->code != question->code) continue;
        if (!skip) objects[*count] = *object;
        if (!skip) *count += 1;
        skip = false;
    }
    if (fake.lie == LIE_SHORT && *count > 0) *count -= 1;
    if (fake.lie == LIE_ORDER) reverse(objects, *count);
    return true;
}

static bool fake_scan(
    void *store,
    bool (*visit)(void *context, const struct bench_object *object),
    void *context,
    struct bench_failure *why
)
{
    EXPECT(store == &fake);
    (void)why;
    fake.scans += 1;
    const uint32_t end = fake.lie == LIE_SCAN_SHORT ? OBJECTS - 1 : OBJECTS;
    for (uint32_t place = 0; place < end; place += 1) {
        const uint32_t given = fake.lie == LIE_SCAN && place == 5 ? 4 : place;
        if (!visit(context, &fake.objects[given])) return true;
    }
    return true;
}

/* Each get reads two blocks, and each question a hundred. */
static void fake_figures(void *store, struct bench_figures *figures)
{
    EXPECT(store == &fake);
    memset(figures, 0xff, sizeof *figures);
    figures->blocks_read = fake.get_calls * 2;
    figures->blocks_cached = fake.asked * 100;
}

static bool fake_close(void *store, struct bench_failure *why)
{
    EXPECT(store == &fake);
    (void)why;
    fake.closes += 1;
    return true;
}

static const struct bench_engine engine = {
    .name = "fake",
    .suffix = "",
    .get = fake_get,
    .reopen = fake_reopen,
    .ask = fake_ask,
    .scan = fake_scan,
    .figures = fake_figures,
    .close = fake_close,
};

static bool run_fake(enum lie lie, enum bench_reading reading, uint64_t questions)
{
    zipf_init(&zipf);
    memset(&fake, 0, sizeof fake);
    memset(&reads, 0, sizeof reads);
    memset(&failure, 0, sizeof failure);
    bench_settings_default(&settings);
    settings.create.memory_bytes = 4 << 20;
    EXPECT(bench_plan(&settings, &failure));
    settings.read_seconds = 3600; /* so that the number of questions ends it */
    settings.read_questions = questions;
    const struct bench_reads_options options = {
        .engine = &engine,
        .settings = &settings,
        .path = "a path",
        .set = {.zipf = &zipf, .seed = 1, .count = OBJECTS},
        .reading = reading,
    };
    for (uint64_t number = 0; number < OBJECTS; number += 1)
        object_expected(&options.set, number, &fake.objects[number]);
    fake.lie = lie;
    const bool good = bench_reads_run(&options, &reads, &answers, &failure);
    EXPECT(good == (failure.status == TACTUS_OK));
    EXPECT(fake.opens == 1 && fake.closes == (lie == LIE_REFUSE ? 0 : 1));
    return good;
}

TEST(reads, each_kind_is_checked_warmed_up_and_measured)
{
    EXPECT(run_fake(LIE_NONE, READING_CACHED, 70));
    EXPECT(reads.done && !fake.direct);
    /* 70 of each kind against the truth, to warm up, and measured. */
    EXPECT(fake.get_calls == 3 * 3 * 70 && fake.asked == 2 * 3 * 70 && fake.scans == 2);
    for (uint32_t kind = 0; kind < READ_SCAN; kind += 1) {
        const struct bench_read *read = &reads.kinds[kind];
        EXPECT(read->questions == 70 && read->latency.count == 70 && read->seconds > 0);
    }
    EXPECT(reads.kinds[READ_GET].wanted == 70);
    EXPECT(reads.kinds[READ_GET_64].wanted == 70 * BENCH_GET_BATCH);
    EXPECT(reads.kinds[READ_GET_64].blocks_read == 140);
    EXPECT(reads.kinds[READ_NEWEST].blocks_cached == 7000);
    EXPECT(reads.kinds[READ_NEWEST].wanted > reads.kinds[READ_TWO].wanted);
    EXPECT(reads.kinds[READ_SCAN].wanted == OBJECTS && reads.kinds[READ_SCAN].questions == 1);
}

TEST(reads, the_cache_holds_twice_all_or_a_quarter_of_it)
{
    const uint64_t objects = 1000000;
    EXPECT(run_fake(LIE_NONE, READING_LARGE, 10));
    EXPECT(fake.direct && fake.scans == 1);
    EXPECT(fake.cache_bytes == reads.cache_bytes);
    EXPECT(
        bench_reads_cache(&settings, READING_CACHED, objects) == objects * 2 * OBJECT_LOGICAL_BYTES
    );
    EXPECT(
        bench_reads_cache(&settings, READING_LARGE, objects) == objects * OBJECT_LOGICAL_BYTES / 4
    );
    EXPECT(bench_reads_cache(&settings, READING_LARGE, 1) == settings.plan.block_size * 64);
}

TEST(reads, answers_have_the_same_sum_in_both_readings)
{
    EXPECT(run_fake(LIE_NONE, READING_CACHED, 50));
    const uint64_t cached = answers;
    EXPECT(run_fake(LIE_NONE, READING_LARGE, 50) && answers == cached);
    EXPECT(run_fake(LIE_NONE, READING_LARGE, 51) && answers != cached);
}

static void expect_found(enum lie lie, const char *words)
{
    EXPECT(!run_fake(lie, READING_CACHED, 2 * BENCH_ANSWERS));
    EXPECT(failure.status == TACTUS_CORRUPT && strstr(failure.text, words) != NULL);
    EXPECT(!reads.done);
}

TEST(reads, every_wrong_answer_is_found)
{
    expect_found(LIE_GET, "get: an object is not its own");
    expect_found(LIE_INVENT, "absent id: it is there");
    expect_found(LIE_SHORT, "newest of an account: another number of objects");
    expect_found(LIE_SKIP, "newest of an account: another");
    expect_found(LIE_ORDER, "newest of an account: timestamps do not descend");
    expect_found(LIE_CODE, "two conditions: an object that was not asked for");
    expect_found(LIE_SCAN, "scan: an object is not its own");
    expect_found(LIE_SCAN_SHORT, "scan: another number of objects");
}

TEST(reads, a_file_that_does_not_open_is_a_failure)
{
    EXPECT(!run_fake(LIE_REFUSE, READING_CACHED, 10));
    EXPECT(failure.status == TACTUS_IO && !reads.done);
}

TEST(reads, an_interruption_ends_them)
{
    static volatile sig_atomic_t interrupted = 2;
    EXPECT(run_fake(LIE_NONE, READING_CACHED, 10));
    settings.interrupted = &interrupted;
    const struct bench_reads_options options = {
        .engine = &engine,
        .settings = &settings,
        .path = "a path",
        .set = {.zipf = &zipf, .seed = 1, .count = OBJECTS},
        .reading = READING_LARGE,
    };
    memset(&reads, 0, sizeof reads);
    EXPECT(bench_reads_run(&options, &reads, &answers, &failure));
    EXPECT(!reads.done && fake.closes == 2);
}

TEST_MAIN()
