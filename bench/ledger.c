#include "bench/ledger.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATH_SIZE = 4096, GET_BATCH = 64, CACHE_BLOCKS_MIN = 16 };

struct run {
    const struct bench_engine *engine;
    const struct bench_settings *settings;
    struct bench_result *result;
    struct bench_failure *failure; /* the result's */
    void *store;
    char path[PATH_SIZE];

    struct zipf zipf;
    struct bench_object *objects; /* owned: a transaction's */
    uint16_t *versions;           /* owned, by number; NULL where nothing is overwritten */
    struct object_set set;        /* what is there */
    uint64_t done;                /* inserted and overwritten */
    uint64_t random;              /* state: which objects are overwritten, which are read back */
};

bool bench_fail(struct bench_failure *failure, enum tactus_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    failure->status = status;
    (void)vsnprintf(failure->text, sizeof failure->text, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- Settings ------------------------------------------------------------------------------- */

void bench_settings_default(struct bench_settings *settings)
{
    *settings = (struct bench_settings
    ){.seed = 1,
      .object_count = 1000000,
      .peer_buffers = BENCH_PEER_BUFFERS,
      .read_seconds = BENCH_READ_SECONDS,
      .read_questions = UINT64_MAX};
    tactus_create_options_default(&settings->create);
    tactus_open_options_default(&settings->open);
    settings->create.memory_bytes = (uint64_t)256 << 20;
    settings->open.sync = TACTUS_SYNC_NONE;
}

static bool plan_once(struct bench_settings *settings, struct bench_failure *failure)
{
    struct tactus_error error = {0};
    settings->plan = (struct tactus_plan){.struct_bytes = (uint32_t)sizeof settings->plan};
    const enum tactus_status status = tactus_memory_required(
        OBJECT_SCHEMA, &settings->create, &settings->open, &settings->plan, &error
    );
    if (status == TACTUS_OK) return true;
    const char *words = error.text[0] != 0 ? error.text : tactus_status_text(status);
    return bench_fail(failure, status, "%s", words);
}

/* The cache takes what the budget leaves. A byte of it costs a little more than a byte, so it grows
 * from below by less than what is left, again and again. */
static bool plan_cache(struct bench_settings *settings, struct bench_failure *failure)
{
    const struct tactus_plan *plan = &settings->plan;
    settings->open.cache_bytes = plan->block_size * CACHE_BLOCKS_MIN;
    if (!plan_once(settings, failure)) return false;
    if (plan->memory_bytes > settings->budget_bytes) {
        return bench_fail(
            failure,
            TACTUS_LIMIT,
            "budget: the file takes %llu bytes with the smallest cache; give more, or make "
            "--memory "
            "less",
            (unsigned long long)plan->memory_bytes
        );
    }
    for (uint32_t round = 0; round < 4; round += 1) {
        const uint64_t left = settings->budget_bytes - plan->memory_bytes;
        settings->open.cache_bytes += left / 16 * 15 / plan->block_size * plan->block_size;
        if (!plan_once(settings, failure)) return false;
    }
    return true;
}

bool bench_plan(struct bench_settings *settings, struct bench_failure *failure)
{
    if (!plan_once(settings, failure)) return false;
    if (settings->budget_bytes > 0 && !plan_cache(settings, failure)) return false;
    if (settings->budget_bytes == 0) settings->budget_bytes = settings->plan.memory_bytes;

    const uint32_t batch = settings->plan.batch_max;
    if (settings->transaction == 0) {
        const uint32_t most = batch < BENCH_LEDGER_TRANSACTION ? batch : BENCH_LEDGER_TRANSACTION;
        settings->transaction = settings->workload == BENCH_SMALL ? 1 : most;
    }
    if (settings->transaction > batch) {
        return bench_fail(
            failure,
            TACTUS_LIMIT,
            "transaction: %u objects, and the batch is %u; give 1 to that, or more memory",
            settings->transaction,
            batch
        );
    }
    return true;
}

static uint64_t full_objects(const struct bench_settings *settings)
{
    const uint32_t batch = settings->plan.batch_max;
    const uint32_t most = batch < BENCH_LEDGER_TRANSACTION ? batch : BENCH_LEDGER_TRANSACTION;
    return settings->workload == BENCH_SMALL ? (uint64_t)most * BENCH_FULL_TRANSACTIONS : 0;
}

uint64_t bench_objects_total(const struct bench_settings *settings)
{
    const uint64_t inserted = settings->object_count + full_objects(settings);
    return inserted + inserted * settings->volumes;
}

/* ---- Phases --------------------------------------------------------------------------------- */

/* A transaction's objects, spread over the seconds it took: one that stalls shows as slow seconds,
 * and none is counted whole where it happened to end. Times are from the phase's begin. */
static void spread(struct bench_phase *phase, uint64_t begin_ns, uint64_t end_ns, uint32_t objects)
{
    const uint64_t second_ns = 1000000000;
    const double per_ns = objects / (double)(end_ns > begin_ns ? end_ns - begin_ns : 1);
    for (uint64_t at = begin_ns; at < end_ns;) {
        const uint64_t second = at / second_ns;
        const uint64_t next = (second + 1) * second_ns;
        const uint64_t until = next < end_ns ? next : end_ns;
        if (second >= BENCH_SECONDS_MAX) return;
        phase->by_second[second] += per_ns * (double)(until - at);
        at = until;
    }
}

static bool is_interrupted(const struct run *run)
{
    return run->settings->interrupted != NULL && *run->settings->interrupted != 0;
}

/* Makes the objects of the next transaction and gives them to the engine. */
static bool transaction(
    struct run *run, struct bench_phase *phase, uint32_t count, bool overwrite, uint64_t begin_ns
)
{
    const struct bench_settings *settings = run->settings;
    for (uint32_t i = 0; i < count; i += 1) {
        uint64_t number = run->set.count + i;
        uint32_t version = 0;
        if (overwrite) {
            number = draw_below(&run->random, run->set.count);
            run->versions[number] += 1;
            version = run->versions[number];
        }
        object_make(&run->zipf, settings->seed, number, version, &run->objects[i]);
    }

    const struct bench_engine *engine = run->engine;
    const uint64_t before_ns = process_clock_ns();
    const bool done = overwrite ? engine->overwrite(run->store, run->objects, count, run->failure)
                                : engine->insert(run->store, run->objects, count, run->failure);
    const uint64_t after_ns = process_clock_ns();
    if (!done) return false;

    latencies_add(&phase->latency, after_ns - before_ns);
    spread(phase, before_ns - begin_ns, after_ns - begin_ns, count);
    phase->objects += count;
    phase->transactions += 1;
    run->done += count;
    if (!overwrite) run->set.count += count;
    if (settings->progress != NULL) settings->progress(run->done);

    const uint64_t every = settings->checkpoint_every;
    if (every == 0 || phase->transactions % every != 0) return true;
    uint64_t idle_ns;
    const bool checkpointed = engine->checkpoint(run->store, false, &idle_ns, run->failure);
    latencies_add(&phase->checkpoints, process_clock_ns() - after_ns);
    return checkpointed;
}

/* `count` more objects of the phase, `each` in a transaction. */
static bool transactions(struct run *run, enum bench_phase_kind kind, uint64_t count, uint32_t each)
{
    struct bench_phase *phase = &run->result->phases[kind];
    struct process_usage before;
    struct process_usage after;
    process_usage(&before);
    /* As if what went before in this phase had ended just now. */
    const uint64_t now_ns = process_clock_ns();
    const uint64_t begin_ns = now_ns - (uint64_t)(phase->seconds * 1e9);

    bool good = true;
    for (uint64_t left = count; good && left > 0 && !is_interrupted(run);) {
        const uint32_t some = left < each ? (uint32_t)left : each;
        good = transaction(run, phase, some, kind == PHASE_OVERWRITE, begin_ns);
        left -= some;
    }

    phase->seconds = (double)(process_clock_ns() - begin_ns) / 1e9;
    process_usage(&after);
    phase->cpu_seconds += after.cpu_seconds - before.cpu_seconds;
    phase->device_written += after.bytes_written - before.bytes_written;
    phase->second_count =
        phase->seconds < BENCH_SECONDS_MAX ? (uint32_t)phase->seconds : BENCH_SECONDS_MAX;
    return good;
}

static bool volume_end(struct run *run, uint64_t begin_ns)
{
    struct bench_result *result = run->result;
    uint64_t idle_ns;
    if (!run->engine->checkpoint(run->store, true, &idle_ns, run->failure)) return false;
    struct bench_volume *volume = &result->volumes[result->volume_count];
    result->volume_count += 1;
    volume->seconds = (double)(process_clock_ns() - begin_ns - idle_ns) / 1e9;
    run->engine->figures(run->store, &volume->figures);
    volume->file = process_file_bytes(run->path);
    return true;
}

static bool overwrite_all(struct run *run)
{
    const struct bench_settings *settings = run->settings;
    bool good = volume_end(run, process_clock_ns());
    for (uint32_t i = 0; good && i < settings->volumes && !is_interrupted(run); i += 1) {
        const uint64_t begin_ns = process_clock_ns();
        good = transactions(run, PHASE_OVERWRITE, run->set.count, settings->transaction) &&
               volume_end(run, begin_ns);
    }
    return good;
}

static bool fill(struct run *run)
{
    const struct bench_settings *settings = run->settings;
    struct bench_result *result = run->result;
    struct process_usage before;
    struct process_usage after;
    process_usage(&before);

    bool good = transactions(run, PHASE_INSERT, settings->object_count, settings->transaction);
    const uint64_t full = full_objects(settings);
    if (good && full > 0) {
        good = transactions(run, PHASE_FULL, full, (uint32_t)(full / BENCH_FULL_TRANSACTIONS));
    }
    if (good && settings->volumes > 0 && !is_interrupted(run)) good = overwrite_all(run);
    if (good && !is_interrupted(run)) {
        const uint64_t begin_ns = process_clock_ns();
        uint64_t idle_ns = 0;
        good = run->engine->checkpoint(run->store, true, &idle_ns, run->failure);
        result->settle_seconds = (double)(process_clock_ns() - begin_ns - idle_ns) / 1e9;
    }

    process_usage(&after);
    result->has_io = before.has_io && after.has_io;
    result->device_written = after.bytes_written - before.bytes_written;
    result->device_read = after.bytes_read - before.bytes_read;
    run->engine->figures(run->store, &result->figures);
    return good;
}

/* ---- What comes back ------------------------------------------------------------------------ */

static bool is_expected(struct run *run, uint64_t number, const struct bench_object *object)
{
    struct bench_object wanted;
    object_expected(&run->set, number, &wanted);
    if (memcmp(object, &wanted, sizeof wanted) == 0) return true;
    return bench_fail(
        run->failure,
        TACTUS_CORRUPT,
        "%s: object %llu came back otherwise than it was written",
        run->engine->name,
        (unsigned long long)number
    );
}

static bool visit(void *context, const struct bench_object *object)
{
    struct run *run = context;
    const uint64_t number = run->result->scanned;
    if (number >= run->set.count || !is_expected(run, number, object)) return false;
    run->result->scanned += 1;
    return true;
}

static bool check_scan(struct run *run)
{
    struct bench_result *result = run->result;
    const uint64_t begin_ns = process_clock_ns();
    if (!run->engine->scan(run->store, visit, run, run->failure)) return false;
    result->scan_seconds = (double)(process_clock_ns() - begin_ns) / 1e9;
    if (run->failure->status != TACTUS_OK) return false;
    if (result->scanned == run->set.count) return true;
    return bench_fail(
        run->failure,
        TACTUS_CORRUPT,
        "%s: %llu objects came back of %llu",
        run->engine->name,
        (unsigned long long)result->scanned,
        (unsigned long long)run->set.count
    );
}

/* Asks for a sample of ids, 64 at a time: of objects that are there, or of numbers beyond. */
static bool check_get(struct run *run, bool absent, uint64_t *checked, double *seconds)
{
    static const struct bench_object zero;
    struct tactus_u128 ids[GET_BATCH];
    uint64_t numbers[GET_BATCH];
    struct bench_object objects[GET_BATCH];
    const uint64_t wanted = run->set.count < BENCH_CHECKED_MAX ? run->set.count : BENCH_CHECKED_MAX;
    while (*checked < wanted) {
        const uint64_t left = wanted - *checked;
        const uint32_t count = left < GET_BATCH ? (uint32_t)left : GET_BATCH;
        for (uint32_t i = 0; i < count; i += 1) {
            numbers[i] = draw_below(&run->random, run->set.count) + (absent ? run->set.count : 0);
            ids[i] = object_id(run->settings->seed, numbers[i]);
        }
        const uint64_t begin_ns = process_clock_ns();
        if (!run->engine->get(run->store, ids, count, objects, run->failure)) return false;
        *seconds += (double)(process_clock_ns() - begin_ns) / 1e9;
        for (uint32_t i = 0; i < count; i += 1) {
            if (!absent && !is_expected(run, numbers[i], &objects[i])) return false;
            if (absent && memcmp(&objects[i], &zero, sizeof zero) != 0) {
                return bench_fail(
                    run->failure, TACTUS_CORRUPT, "%s: an absent id is there", run->engine->name
                );
            }
        }
        *checked += count;
    }
    return true;
}

static bool check(struct run *run)
{
    struct bench_result *result = run->result;
    return check_scan(run) && check_get(run, false, &result->got, &result->get_seconds) &&
           check_get(run, true, &result->absent, &result->absent_seconds);
}

/* ---- A run ---------------------------------------------------------------------------------- */

static bool run_open(struct run *run)
{
    const struct bench_settings *settings = run->settings;
    const int size =
        snprintf(run->path, sizeof run->path, "%s%s", settings->path, run->engine->suffix);
    if (size < 0 || (size_t)size >= sizeof run->path) {
        return bench_fail(run->failure, TACTUS_MISUSE, "%s: the path is too long", settings->path);
    }
    if (access(run->path, F_OK) == 0) {
        return bench_fail(
            run->failure, TACTUS_EXISTS, "%s: it is there; remove it, or name another", run->path
        );
    }
    run->objects = calloc(settings->plan.batch_max, sizeof *run->objects);
    if (settings->volumes > 0) {
        run->versions =
            calloc(settings->object_count + full_objects(settings), sizeof *run->versions);
    }
    if (run->objects == NULL || (settings->volumes > 0 && run->versions == NULL)) {
        return bench_fail(run->failure, TACTUS_IO, "objects: there is no memory");
    }
    zipf_init(&run->zipf);
    run->set =
        (struct object_set){.zipf = &run->zipf, .seed = settings->seed, .versions = run->versions};
    run->random = settings->seed;
    const uint64_t begin_ns = process_clock_ns();
    if (!run->engine->open(settings, run->path, &run->store, run->failure)) return false;
    run->result->open_seconds = (double)(process_clock_ns() - begin_ns) / 1e9;
    return true;
}

static void run_close(struct run *run)
{
    struct bench_failure failure = {.status = TACTUS_OK};
    const uint64_t begin_ns = process_clock_ns();
    const bool closed = run->engine->close(run->store, &failure);
    run->result->close_seconds = (double)(process_clock_ns() - begin_ns) / 1e9;
    run->result->file = process_file_bytes(run->path);
    if (!closed && run->failure->status == TACTUS_OK) *run->failure = failure;
}

/* The readings that were asked for; all have to come to the same answers. */
static void read_back(struct run *run)
{
    struct bench_result *result = run->result;
    bool good = true;
    bool any = false;
    for (uint32_t i = 0; i < READING_COUNT && good && !is_interrupted(run); i += 1) {
        if ((run->settings->readings & (1u << i)) == 0) continue;
        const struct bench_reads_options options = {
            .engine = run->engine,
            .settings = run->settings,
            .path = run->path,
            .set = run->set,
            .reading = i,
        };
        uint64_t answers = 0;
        good = bench_reads_run(&options, &result->reads[i], &answers, run->failure);
        if (good && any && answers != result->answers && !is_interrupted(run)) {
            good = bench_fail(
                run->failure, TACTUS_CORRUPT, "%s: two answers to the same", run->engine->name
            );
        }
        result->answers = answers;
        any = true;
    }
    result->interrupted = is_interrupted(run);
}

void bench_run(
    const struct bench_engine *engine,
    const struct bench_settings *settings,
    struct bench_result *result
)
{
    result->engine = engine->name;
    result->plan_bytes = settings->budget_bytes;
    struct run run = {
        .engine = engine,
        .settings = settings,
        .result = result,
        .failure = &result->failure,
    };
    if (run_open(&run)) {
        const bool filled = fill(&run);
        result->interrupted = is_interrupted(&run);
        if (filled && !result->interrupted) (void)check(&run);
        run_close(&run);
    }
    result->peak_rss = process_peak_rss();
    if (result->failure.status == TACTUS_OK && !result->interrupted) read_back(&run);
    free(run.objects);
    free(run.versions);
}

/* What parent and child see alike. */
struct shared {
    struct bench_result result;
    volatile sig_atomic_t interrupted; /* the child goes by it: a terminal's signal reaches both */
};

static void wait_for(pid_t child, const struct bench_settings *settings, struct shared *shared)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
        if (settings->interrupted != NULL) shared->interrupted = *settings->interrupted;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    (void)bench_fail(
        &shared->result.failure,
        TACTUS_IO,
        "%s: the process that ran it ended with status %d",
        shared->result.engine,
        status
    );
}

void bench_run_apart(
    const struct bench_engine *engine,
    const struct bench_settings *settings,
    struct bench_result *result
)
{
    result->engine = engine->name;
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        (void)bench_fail(&result->failure, TACTUS_IO, "result: there is no memory");
        return;
    }
    (void)fflush(NULL); /* or what waits in buffers is written twice */
    const pid_t child = fork();
    if (child == 0) {
        struct bench_settings own = *settings;
        own.interrupted = &shared->interrupted;
        bench_run(engine, &own, &shared->result);
        exit(0);
    }
    if (child < 0) {
        (void)bench_fail(&result->failure, TACTUS_IO, "fork: there is no process to be had");
    } else {
        shared->result.engine = engine->name;
        wait_for(child, settings, shared);
        *result = shared->result;
    }
    (void)munmap(shared, sizeof *shared);
}
