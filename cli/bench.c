#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/intersect.h"
#include "bench/ledger.h"
#include "bench/report.h"
#include "commands.h"
#include "create_options.h"
#include "errors.h"
#include "interrupt.h"
#include "output.h"
#include "progress.h"
#include "session.h"

enum { ENGINES_MAX = 4, PATH_SIZE = 4096 };

struct bench {
    struct bench_settings settings;
    const struct bench_engine *engines[ENGINES_MAX];
    uint32_t engine_count;
    bool json;
    bool is_kept;           /* --file: what was made stays there */
    char folder[PATH_SIZE]; /* made for the run, and removed after it */
    char path[PATH_SIZE + 16];
    struct bench_result *results; /* owned: one an engine */
};

static void show_progress(uint64_t objects_done)
{
    progress_update(objects_done, objects_done);
}

/* ---- Options -------------------------------------------------------------------------------- */

static int read_workload(const struct arguments *arguments, struct bench_settings *settings)
{
    const char *name = arguments->words[0];
    if (strcmp(name, "ledger") == 0) {
        settings->workload = BENCH_LEDGER;
    } else if (strcmp(name, "small") == 0) {
        settings->workload = BENCH_SMALL;
        settings->object_count = 100000;
    } else if (strcmp(name, "intersect") == 0) {
        settings->workload = BENCH_INTERSECT;
        settings->object_count = 10000000;
    } else {
        return complain_usage(
            "bench", "there is no workload '%s': ledger, small or intersect", name
        );
    }
    return EXIT_OK;
}

/* A number from 1, where the option was given. */
static int read_count(
    const struct arguments *arguments, const char *name, uint64_t max, uint64_t *value
)
{
    const int code = arguments_number(arguments, name, max, value);
    if (code != EXIT_OK || !arguments_has(arguments, name) || *value > 0) return code;
    return complain_usage("bench", "--%s is 0: give 1 or more", name);
}

static int read_counts(const struct arguments *arguments, struct bench_settings *settings)
{
    uint64_t transaction = settings->transaction;
    uint64_t volumes = settings->volumes;
    uint64_t buffers = settings->peer_buffers;
    int code = read_count(arguments, "objects", (uint64_t)1 << 40, &settings->object_count);
    if (code == EXIT_OK) code = read_count(arguments, "transaction", UINT16_MAX, &transaction);
    if (code == EXIT_OK) code = read_count(arguments, "overwrite", BENCH_VOLUMES_MAX, &volumes);
    if (code == EXIT_OK) {
        code = read_count(arguments, "checkpoint-every", UINT32_MAX, &settings->checkpoint_every);
    }
    if (code == EXIT_OK) code = arguments_number(arguments, "seed", UINT64_MAX, &settings->seed);
    if (code == EXIT_OK) code = arguments_number(arguments, "peer-buffers", UINT32_MAX, &buffers);
    if (code == EXIT_OK) code = arguments_size(arguments, "budget", &settings->budget_bytes);
    if (code == EXIT_OK && (buffers < 2 || buffers > 64)) {
        return complain_usage("bench", "--peer-buffers is 2 to 64");
    }
    settings->peer_buffers = (uint32_t)buffers;
    settings->transaction = (uint32_t)transaction;
    settings->volumes = (uint32_t)volumes;
    return code;
}

static int read_reads(const struct arguments *arguments, struct bench_settings *settings)
{
    static const char *const choices[] = {"none", "cached", "large", "both", NULL};
    static const uint32_t readings[] = {
        0, BENCH_READ_CACHED, BENCH_READ_LARGE, BENCH_READ_CACHED | BENCH_READ_LARGE};
    int choice = 0;
    uint64_t seconds = settings->read_seconds;
    int code = arguments_choice(arguments, "reads", choices, &choice);
    if (code == EXIT_OK) code = read_count(arguments, "seconds", 3600, &seconds);
    if (code == EXIT_OK) {
        code = read_count(arguments, "questions", UINT64_MAX, &settings->read_questions);
    }
    settings->readings = readings[choice];
    settings->read_seconds = (uint32_t)seconds;
    return code;
}

static int read_file_options(const struct arguments *arguments, struct bench_settings *settings)
{
    static const char *const sync_choices[] = {"commit", "interval", "none", NULL};
    const uint64_t memory_default = settings->create.memory_bytes;
    int sync = (int)settings->open.sync;
    int code = arguments_choice(arguments, "sync", sync_choices, &sync);
    if (code == EXIT_OK) code = create_options_read(arguments, &settings->create);
    if (code == EXIT_OK) code = session_options(arguments, &settings->open);
    settings->open.sync = (uint32_t)sync;
    if (!arguments_has(arguments, "memory")) settings->create.memory_bytes = memory_default;
    if ((settings->open.flags & TACTUS_POSIX_IO) != 0) {
        settings->create.flags |= TACTUS_CREATE_POSIX_IO;
    }
    return code;
}

/* "NAME or NAME or all" of the engines. */
static const char *engine_choices(
    const struct bench_engine *const *engines, char *text, size_t size
)
{
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; engines[i] != NULL && used < size; i += 1) {
        used += (size_t)snprintf(text + used, size - used, "%s, ", engines[i]->name);
    }
    if (used < size) (void)snprintf(text + used, size - used, "or all");
    return text;
}

static const struct bench_engine *find_engine(
    const struct bench_engine *const *engines, const char *name, size_t length
)
{
    for (uint32_t i = 0; engines[i] != NULL; i += 1) {
        const char *known = engines[i]->name;
        if (strlen(known) == length && memcmp(known, name, length) == 0) return engines[i];
    }
    return NULL;
}

static bool is_chosen(const struct bench *bench, const struct bench_engine *engine)
{
    for (uint32_t i = 0; i < bench->engine_count; i += 1) {
        if (bench->engines[i] == engine) return true;
    }
    return false;
}

static void choose_engine(struct bench *bench, const struct bench_engine *engine)
{
    if (is_chosen(bench, engine) || bench->engine_count == ENGINES_MAX) return;
    bench->engines[bench->engine_count] = engine;
    bench->engine_count += 1;
}

/* --engine: names with commas between them. */
static int choose_engines(
    struct bench *bench,
    const struct arguments *arguments,
    const struct bench_engine *const *engines
)
{
    const char *wanted = arguments_value(arguments, "engine");
    if (wanted == NULL) wanted = engines[0]->name;
    const bool all = strcmp(wanted, "all") == 0;
    for (uint32_t i = 0; all && engines[i] != NULL; i += 1)
        choose_engine(bench, engines[i]);
    if (all) return EXIT_OK;

    for (const char *name = wanted; name != NULL;) {
        const size_t length = strcspn(name, ",");
        const struct bench_engine *engine = find_engine(engines, name, length);
        char choices[100];
        if (engine == NULL) {
            return complain_usage(
                "bench",
                "--engine '%.*s' is not %s%s",
                (int)length,
                name,
                engine_choices(engines, choices, sizeof choices),
                engines[1] == NULL ? "; 'make bench-compare' has others" : ""
            );
        }
        choose_engine(bench, engine);
        name = name[length] == ',' ? name + length + 1 : NULL;
    }
    return EXIT_OK;
}

static int read_options(
    struct bench *bench,
    const struct arguments *arguments,
    const struct bench_engine *const *engines
)
{
    static const char *const formats[] = {"table", "json", NULL};
    int format = 0;
    bench_settings_default(&bench->settings);
    int code = arguments_choice(arguments, "format", formats, &format);
    if (code == EXIT_OK) code = read_workload(arguments, &bench->settings);
    if (code == EXIT_OK) code = read_counts(arguments, &bench->settings);
    if (code == EXIT_OK) code = read_reads(arguments, &bench->settings);
    if (code == EXIT_OK) code = read_file_options(arguments, &bench->settings);
    if (code == EXIT_OK) code = choose_engines(bench, arguments, engines);
    if (code != EXIT_OK) return code;

    bench->json = format == 1;
    bench->settings.interrupted = &interrupted;
    bench->settings.progress = show_progress;
    if (bench->settings.workload == BENCH_INTERSECT &&
        (bench->engine_count > 1 || bench->engines[0] != &bench_engine_tactus)) {
        return complain_usage("bench", "intersect is of tactus alone: leave --engine out");
    }
    struct bench_failure failure = {.status = TACTUS_OK};
    if (bench_plan(&bench->settings, &failure)) return EXIT_OK;
    return complain(exit_code_of(failure.status), "bench: %s", failure.text);
}

/* ---- Runs ----------------------------------------------------------------------------------- */

/* --file, or a folder of its own among the temporary files. */
static int choose_path(struct bench *bench, const struct arguments *arguments)
{
    bench->settings.path = arguments_value(arguments, "file");
    bench->is_kept = bench->settings.path != NULL;
    if (bench->is_kept) return EXIT_OK;

    const char *temporary = getenv("TMPDIR");
    if (temporary == NULL || temporary[0] == 0) temporary = "/tmp";
    const int size =
        snprintf(bench->folder, sizeof bench->folder, "%s/tactus-bench.XXXXXX", temporary);
    if (size < 0 || (size_t)size >= sizeof bench->folder) {
        bench->folder[0] = 0;
        return complain_usage("bench", "TMPDIR is too long a name; use --file");
    }
    if (mkdtemp(bench->folder) == NULL) {
        bench->folder[0] = 0;
        return complain_system(temporary, "name another place: --file");
    }
    (void)snprintf(bench->path, sizeof bench->path, "%s/bench.tactus", bench->folder);
    bench->settings.path = bench->path;
    return EXIT_OK;
}

/* Between engines, too: they are not to share the disk's room. */
static void remove_files(const struct bench *bench, const struct bench_engine *engine)
{
    char path[sizeof bench->path + 16];
    if (bench->is_kept) return;
    (void)snprintf(path, sizeof path, "%s%s", bench->path, engine->suffix);
    process_remove(path);
}

static int run_engines(struct bench *bench)
{
    const bool alone = bench->engine_count == 1;
    for (uint32_t i = 0; i < bench->engine_count; i += 1) {
        struct bench_result *result = &bench->results[i];
        progress_begin(bench_objects_total(&bench->settings));
        if (alone) {
            bench_run(bench->engines[i], &bench->settings, result);
        } else {
            bench_run_apart(bench->engines[i], &bench->settings, result);
        }
        progress_end();
        remove_files(bench, bench->engines[i]);
        if (result->failure.status != TACTUS_OK) {
            return complain(
                exit_code_of(result->failure.status), "bench: %s", result->failure.text
            );
        }
        if (interrupted != 0) return EXIT_SIGNAL + interrupted;
    }
    return EXIT_OK;
}

/* Engines that were asked the same have the same answers. */
static int compare_answers(const struct bench *bench)
{
    for (uint32_t i = 1; i < bench->engine_count; i += 1) {
        const struct bench_result *first = &bench->results[0];
        const struct bench_result *result = &bench->results[i];
        if (result->answers == first->answers) continue;
        return complain(
            exit_code_of(TACTUS_CORRUPT),
            "bench: %s and %s answer differently: %016llx and %016llx",
            first->engine,
            result->engine,
            (unsigned long long)first->answers,
            (unsigned long long)result->answers
        );
    }
    return EXIT_OK;
}

static int run_bench(struct bench *bench)
{
    bench->results = calloc(bench->engine_count, sizeof *bench->results);
    if (bench->results == NULL) return complain_system("results", "free some memory");
    interrupt_catch();
    int code = run_engines(bench);
    if (code != EXIT_OK) return code;
    if (!bench->json) {
        bench_report_table(stdout, &bench->settings, bench->results, bench->engine_count);
    }
    for (uint32_t i = 0; bench->json && i < bench->engine_count; i += 1)
        bench_report_json(stdout, &bench->settings, &bench->results[i]);
    code = output_flush();
    return code == EXIT_OK ? compare_answers(bench) : code;
}

static int run_intersect(const struct bench *bench)
{
    const struct bench_settings *settings = &bench->settings;
    struct intersect_result result = {.interrupted = false};
    interrupt_catch();
    progress_begin(settings->object_count);
    bench_intersect(settings, &result);
    progress_end();
    if (result.failure.status != TACTUS_OK) {
        return complain(exit_code_of(result.failure.status), "bench: %s", result.failure.text);
    }
    if (interrupted != 0) return EXIT_SIGNAL + interrupted;
    if (bench->json) {
        bench_intersect_json(stdout, settings, &result);
    } else {
        bench_intersect_table(stdout, settings, &result);
    }
    return output_flush();
}

int bench_command(const struct arguments *arguments, const struct bench_engine *const *engines)
{
    struct bench bench = {.results = NULL};
    int code = read_options(&bench, arguments, engines);
    if (code == EXIT_OK) code = choose_path(&bench, arguments);
    if (code == EXIT_OK) {
        const bool is_intersect = bench.settings.workload == BENCH_INTERSECT;
        code = is_intersect ? run_intersect(&bench) : run_bench(&bench);
    }
    if (bench.folder[0] != 0) process_remove(bench.folder);
    free(bench.results);
    return code;
}

static int run(const struct arguments *arguments)
{
    static const struct bench_engine *const engines[] = {&bench_engine_tactus, NULL};
    return bench_command(arguments, engines);
}

static const struct option options[] = {
    {"objects", OPTION_VALUE},
    {"transaction", OPTION_VALUE},
    {"sync", OPTION_VALUE},
    {"overwrite", OPTION_VALUE},
    {"checkpoint-every", OPTION_VALUE},
    {"seed", OPTION_VALUE},
    {"file", OPTION_VALUE},
    {"engine", OPTION_VALUE},
    {"reads", OPTION_VALUE},
    {"seconds", OPTION_VALUE},
    {"questions", OPTION_VALUE},
    {"budget", OPTION_VALUE},
    {"peer-buffers", OPTION_VALUE},
    {"memory", OPTION_VALUE},
    {"block-size", OPTION_VALUE},
    {"batch", OPTION_VALUE},
    {"bar", OPTION_VALUE},
    {"journal", OPTION_VALUE},
    {"size-max", OPTION_VALUE},
    {"runs", OPTION_VALUE},
    {"growth", OPTION_VALUE},
    {"tables-max", OPTION_VALUE},
    {"file-id", OPTION_VALUE},
    {NULL, OPTION_END},
};

const struct command command_bench = {
    .name = "bench",
    .synopsis = "ledger|small|intersect [options] [--format table|json]",
    .help =
        "Measures an engine: objects of 128 bytes with an id and five indexes go into a new file,\n"
        "every transaction is timed, and then it is checked that all of them come back.\n"
        "\n"
        "  ledger  1,000,000 objects, 8,190 a transaction\n"
        "  small   100,000 objects, one a transaction; then 64 full transactions beside them\n"
        "  intersect  10,000,000 other objects, and questions for two fields at once, of which one "
        "is\n"
        "          common and one rare: blocks read and time, cold and again\n"
        "\n"
        "  --objects N          how many are inserted\n"
        "  --transaction N      objects in a transaction, up to the file's batch\n"
        "  --sync commit|interval|none  when commits are durable (none)\n"
        "  --overwrite VOLUMES  then overwrites objects drawn at random, so many times as many as\n"
        "                       were inserted, and shows what the file takes after each volume\n"
        "  --checkpoint-every N a checkpoint after so many transactions (at the end only)\n"
        "  --seed N             of the objects, which are the same for the same seed (1)\n"
        "  --file PATH          where the file is made, and stays; without it, in a folder under\n"
        "                       TMPDIR or /tmp, which is removed\n"
        "  --reads none|cached|large|both  then times reads: by id, of the newest 100 of an "
        "account,\n"
        "                       of two conditions, of all; all of it cached, or four times as "
        "much as\n"
        "                       the cache holds (none)\n"
        "  --seconds N          for which each kind of read is asked, and as long before, to warm "
        "up (2)\n"
        "  --questions N        at most so many each time\n"
        "  --engine NAME,...    tactus; the program tactus-bench ('make bench-compare') has "
        "rocksdb\n"
        "                       and sqlite, too, and all: one after the other, a process each\n"
        "  --budget SIZE        memory of an engine, all told: Tactus gives what is left of it to\n"
        "                       the cache (what --memory and --cache come to)\n"
        "  --peer-buffers N     parts of RocksDB's write buffers, 2 to 64: many are quicker, few "
        "write\n"
        "                       less (12)\n"
        "  --memory SIZE        as for create (256M); so are --block-size, --batch, --bar,\n"
        "                       --journal, --size-max, --runs, --growth, --tables-max, --file-id\n"
        "  --format table|json  lines for people (table), or one JSON object an engine\n"
        "\n"
        "Example:\n"
        "  tactus bench ledger --objects 10000000 --sync commit\n",
    .options = options,
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
