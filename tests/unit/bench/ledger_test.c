/* The workloads over an engine that is an array: what is given to it can be known in full, and it
 * can be told to lose, change or invent something, which the reading back must find. */
#include "bench/ledger.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/report.h"
#include "support/test.h"

#include "base/poison.h"

enum { OBJECTS_MAX = 20000, NOWHERE = OBJECTS_MAX };

enum lie { LIE_NONE, LIE_LOSE_LAST, LIE_CHANGE_SCANNED, LIE_CHANGE_GOT, LIE_INVENT, LIE_REFUSE };

static struct {
    enum lie lie;
    struct bench_object objects[OBJECTS_MAX];
    uint32_t count;
    uint32_t transactions;
    uint32_t largest;
    uint32_t overwritten;
    uint32_t checkpoints;
    uint32_t settles;
    uint32_t opens;
    uint32_t reopens; /* direct ones count ten */
    uint32_t closes;
} fake;

static bool fake_open(
    const struct bench_settings *settings,
    const char *path,
    void **store,
    struct bench_failure *failure
)
{
    (void)settings;
    (void)path;
    (void)failure;
    fake.opens += 1;
    *store = &fake;
    return true;
}

static bool fake_insert(
    void *store, const struct bench_object *objects, uint32_t count, struct bench_failure *failure
)
{
    EXPECT(store == &fake && fake.count + count <= OBJECTS_MAX);
    if (fake.lie == LIE_REFUSE) return bench_fail(failure, TACTUS_FULL, "no room");
    for (uint32_t i = 0; i < count; i += 1) {
        fake.objects[fake.count] = objects[i];
        fake.objects[fake.count].timestamp = fake.count + 1;
        fake.count += 1;
    }
    fake.transactions += 1;
    if (count > fake.largest) fake.largest = count;
    return true;
}

static uint32_t place_of(struct tactus_u128 id)
{
    for (uint32_t i = 0; i < fake.count; i += 1) {
        if (fake.objects[i].id.low == id.low && fake.objects[i].id.high == id.high) return i;
    }
    return NOWHERE;
}

static bool fake_overwrite(
    void *store, const struct bench_object *objects, uint32_t count, struct bench_failure *failure
)
{
    (void)store;
    (void)failure;
    for (uint32_t i = 0; i < count; i += 1) {
        const uint32_t place = place_of(objects[i].id);
        EXPECT(place != NOWHERE);
        const uint64_t timestamp = fake.objects[place].timestamp;
        fake.objects[place] = objects[i];
        fake.objects[place].timestamp = timestamp;
    }
    fake.overwritten += count;
    return true;
}

static bool fake_checkpoint(
    void *store, bool settle, uint64_t *idle_ns, struct bench_failure *failure
)
{
    *idle_ns = 0;
    (void)store;
    (void)failure;
    fake.checkpoints += 1;
    if (settle) fake.settles += 1;
    return true;
}

static bool fake_get(
    void *store,
    const struct tactus_u128 *ids,
    uint32_t count,
    struct bench_object *objects,
    struct bench_failure *failure
)
{
    (void)store;
    (void)failure;
    for (uint32_t i = 0; i < count; i += 1) {
        const uint32_t place = place_of(ids[i]);
        memset(&objects[i], 0, sizeof objects[i]);
        if (place != NOWHERE) objects[i] = fake.objects[place];
        if (place == NOWHERE && fake.lie == LIE_INVENT) objects[i].flags = 1;
        if (place != NOWHERE && fake.lie == LIE_CHANGE_GOT) objects[i].amount.low ^= 1;
    }
    return true;
}

static bool fake_scan(
    void *store,
    bool (*visit)(void *context, const struct bench_object *object),
    void *context,
    struct bench_failure *failure
)
{
    (void)store;
    (void)failure;
    for (uint32_t i = 0; i < fake.count; i += 1) {
        struct bench_object object = fake.objects[i];
        if (fake.lie == LIE_LOSE_LAST && i + 1 == fake.count) return true;
        if (fake.lie == LIE_CHANGE_SCANNED && i == 5) object.code ^= 1;
        if (!visit(context, &object)) return true;
    }
    return true;
}

static bool fake_reopen(
    const struct bench_settings *settings,
    const char *path,
    uint64_t cache_bytes,
    bool direct,
    void **store,
    struct bench_failure *failure
)
{
    (void)settings;
    (void)path;
    (void)cache_bytes;
    (void)failure;
    EXPECT(fake.closes > 0);
    fake.reopens += direct ? 10 : 1;
    *store = &fake;
    return true;
}

static bool fake_ask(
    void *store,
    const struct bench_question *question,
    struct bench_object *objects,
    uint32_t *count,
    struct bench_failure *failure
)
{
    (void)store;
    (void)failure;
    *count = 0;
    for (uint32_t place = fake.count; place > 0 && *count < BENCH_NEWEST; place -= 1) {
        const struct bench_object *object = &fake.objects[place - 1];
        if (object->debit.low != question->debit) continue;
        if (question->code != 0 && object->code != question->code) continue;
        objects[*count] = *object;
        *count += 1;
    }
    return true;
}

static void fake_figures(void *store, struct bench_figures *figures)
{
    (void)store;
    memset(figures, 0xff, sizeof *figures);
    figures->record_bytes = OBJECT_LOGICAL_BYTES;
    figures->allocated_bytes = (uint64_t)fake.count * sizeof fake.objects[0];
    figures->stall_seconds = -1;
}

static bool fake_close(void *store, struct bench_failure *failure)
{
    (void)store;
    (void)failure;
    fake.closes += 1;
    return true;
}

static const struct bench_engine engine_fake = {
    .name = "fake",
    .suffix = ".none",
    .open = fake_open,
    .insert = fake_insert,
    .overwrite = fake_overwrite,
    .checkpoint = fake_checkpoint,
    .get = fake_get,
    .reopen = fake_reopen,
    .ask = fake_ask,
    .scan = fake_scan,
    .figures = fake_figures,
    .close = fake_close,
};

static struct bench_settings settings;
static struct bench_result result;

static void prepare(enum bench_workload workload, uint64_t objects, uint32_t transaction)
{
    memset(&fake, 0, sizeof fake);
    memset(&result, 0, sizeof result);
    bench_settings_default(&settings);
    settings.workload = workload;
    settings.object_count = objects;
    settings.transaction = transaction;
    settings.path = "bench_of_nothing";
    settings.create.memory_bytes = 4 << 20;
}

static void run_fake(void)
{
    struct bench_failure failure = {.status = TACTUS_OK};
    EXPECT(bench_plan(&settings, &failure));
    bench_run(&engine_fake, &settings, &result);
    EXPECT(fake.opens == 1 && fake.closes == 1);
}

static void expect_failure(enum tactus_status status, const char *words)
{
    EXPECT(result.failure.status == status);
    EXPECT(strstr(result.failure.text, words) != NULL);
}

TEST(ledger, inserts_every_object_once_and_reads_all_of_them_back)
{
    prepare(BENCH_LEDGER, 1050, 100);
    run_fake();
    EXPECT(result.failure.status == TACTUS_OK && !result.interrupted);
    EXPECT(fake.count == 1050 && fake.transactions == 11 && fake.largest == 100);
    EXPECT(result.phases[PHASE_INSERT].objects == 1050);
    EXPECT(result.phases[PHASE_INSERT].latency.count == 11);
    EXPECT(result.scanned == 1050 && result.got == 1050 && result.absent == 1050);
    EXPECT(fake.checkpoints == 1 && fake.settles == 1);
}

TEST(ledger, checkpoints_in_between_are_asked_for_and_timed)
{
    prepare(BENCH_LEDGER, 1000, 100);
    settings.checkpoint_every = 3;
    run_fake();
    EXPECT(fake.checkpoints == 4 && fake.settles == 1);
    EXPECT(result.phases[PHASE_INSERT].checkpoints.count == 3);
}

TEST(ledger, small_transactions_are_followed_by_full_ones)
{
    prepare(BENCH_SMALL, 50, 0);
    settings.create.memory_bytes = 1 << 20;
    run_fake();
    const uint32_t batch = settings.plan.batch_max;
    EXPECT(settings.transaction == 1);
    EXPECT(fake.transactions == 50 + BENCH_FULL_TRANSACTIONS && fake.largest == batch);
    EXPECT(result.phases[PHASE_INSERT].transactions == 50);
    EXPECT(result.phases[PHASE_FULL].objects == (uint64_t)batch * BENCH_FULL_TRANSACTIONS);
    EXPECT(result.scanned == fake.count);
}

TEST(ledger, overwriting_is_read_back_in_its_last_version)
{
    prepare(BENCH_LEDGER, 300, 64);
    settings.volumes = 3;
    run_fake();
    EXPECT(result.failure.status == TACTUS_OK);
    EXPECT(fake.count == 300 && fake.overwritten == 900);
    EXPECT(result.volume_count == 4 && fake.settles == 5);
    EXPECT(result.volumes[3].figures.allocated_bytes == 300 * sizeof(struct bench_object));
    EXPECT(bench_objects_total(&settings) == 1200);
}

TEST(ledger, reads_come_last_of_what_was_overwritten_last)
{
    prepare(BENCH_LEDGER, 300, 64);
    settings.volumes = 2;
    settings.readings = BENCH_READ_CACHED | BENCH_READ_LARGE;
    settings.read_questions = 20;
    struct bench_failure failure = {.status = TACTUS_OK};
    EXPECT(bench_plan(&settings, &failure));
    bench_run(&engine_fake, &settings, &result);
    EXPECT(result.failure.status == TACTUS_OK);
    EXPECT(fake.opens == 1 && fake.reopens == 11 && fake.closes == 3);
    EXPECT(result.reads[READING_CACHED].done && result.reads[READING_LARGE].done);
    EXPECT(result.reads[READING_LARGE].kinds[READ_GET].questions == 20);
    EXPECT(result.answers != 0);
}

TEST(ledger, without_readings_nothing_is_opened_again)
{
    prepare(BENCH_LEDGER, 300, 64);
    run_fake();
    EXPECT(fake.reopens == 0 && result.answers == 0);
    EXPECT(!result.reads[READING_CACHED].done && !result.reads[READING_LARGE].done);
}

TEST(ledger, finds_an_object_that_was_lost)
{
    prepare(BENCH_LEDGER, 100, 10);
    fake.lie = LIE_LOSE_LAST;
    run_fake();
    expect_failure(TACTUS_CORRUPT, "99 objects came back of 100");
}

TEST(ledger, finds_a_changed_object_in_the_scan_and_by_its_id)
{
    prepare(BENCH_LEDGER, 100, 10);
    fake.lie = LIE_CHANGE_SCANNED;
    run_fake();
    expect_failure(TACTUS_CORRUPT, "object 5 came back otherwise");
    EXPECT(result.got == 0);

    prepare(BENCH_LEDGER, 100, 10);
    fake.lie = LIE_CHANGE_GOT;
    run_fake();
    expect_failure(TACTUS_CORRUPT, "came back otherwise");
    EXPECT(result.scanned == 100);
}

TEST(ledger, finds_an_object_that_nobody_wrote)
{
    prepare(BENCH_LEDGER, 100, 10);
    fake.lie = LIE_INVENT;
    run_fake();
    expect_failure(TACTUS_CORRUPT, "an absent id is there");
}

TEST(ledger, a_refused_transaction_ends_the_run_with_its_words)
{
    prepare(BENCH_LEDGER, 100, 10);
    fake.lie = LIE_REFUSE;
    run_fake();
    expect_failure(TACTUS_FULL, "no room");
    EXPECT(result.scanned == 0);
}

TEST(ledger, a_signal_ends_it_between_transactions_without_reading_back)
{
    static volatile sig_atomic_t interrupted = SIGINT;
    prepare(BENCH_LEDGER, 100, 10);
    settings.interrupted = &interrupted;
    run_fake();
    EXPECT(result.failure.status == TACTUS_OK && result.interrupted);
    EXPECT(fake.transactions == 0 && result.scanned == 0);
}

TEST(ledger, in_a_process_of_its_own_it_gives_the_same_result)
{
    struct bench_failure failure = {.status = TACTUS_OK};
    prepare(BENCH_LEDGER, 100, 10);
    EXPECT(bench_plan(&settings, &failure));
    bench_run_apart(&engine_fake, &settings, &result);
    EXPECT(result.failure.status == TACTUS_OK);
    EXPECT(result.scanned == 100 && result.got == 100);
    EXPECT(fake.opens == 0); /* here */
}

static bool fake_abort(void *store, struct bench_failure *failure)
{
    (void)store;
    (void)failure;
    _exit(7);
}

TEST(ledger, a_process_that_ends_early_is_a_failure)
{
    struct bench_failure failure = {.status = TACTUS_OK};
    struct bench_engine engine = engine_fake;
    engine.close = fake_abort;
    prepare(BENCH_LEDGER, 100, 10);
    EXPECT(bench_plan(&settings, &failure));
    bench_run_apart(&engine, &settings, &result);
    expect_failure(TACTUS_IO, "ended with status");
}

TEST(ledger, a_transaction_over_the_batch_is_refused)
{
    struct bench_failure failure = {.status = TACTUS_OK};
    prepare(BENCH_LEDGER, 100, 60000);
    EXPECT(!bench_plan(&settings, &failure));
    EXPECT(failure.status == TACTUS_LIMIT && strstr(failure.text, "batch") != NULL);
}

TEST(ledger, the_cache_takes_what_the_budget_leaves)
{
    struct bench_failure failure = {.status = TACTUS_OK};
    prepare(BENCH_LEDGER, 100, 10);
    settings.budget_bytes = (uint64_t)512 << 20;
    EXPECT(bench_plan(&settings, &failure));
    EXPECT(settings.plan.memory_bytes <= settings.budget_bytes);
    EXPECT(settings.plan.memory_bytes > settings.budget_bytes - settings.budget_bytes / 100);

    prepare(BENCH_LEDGER, 100, 10);
    settings.budget_bytes = 1 << 20;
    EXPECT(!bench_plan(&settings, &failure));
    EXPECT(failure.status == TACTUS_LIMIT && strstr(failure.text, "budget") != NULL);
}

TEST(report, seconds_far_under_the_median_are_counted)
{
    static struct bench_phase phase;
    static const double objects[] = {100, 61, 100, 59, 120, 100, 3};
    memcpy(phase.by_second, objects, sizeof objects);
    phase.second_count = 6; /* the last one is no whole second */
    const struct bench_seconds seconds = bench_seconds_of(&phase);
    EXPECT(seconds.median == 100);
    EXPECT(seconds.least == 59);
    EXPECT(seconds.slow_count == 1);

    phase.second_count = 0;
    EXPECT(bench_seconds_of(&phase).median == 0);
}

TEST_MAIN()
