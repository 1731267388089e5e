#include "bench/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench/report_reads.h"

static const double SLOW_SHARE = 0.6; /* of the median second */
static const double MIB = 1024.0 * 1024.0;

enum { CELL_SIZE = 32, SECONDS_PER_LINE = 16 };

/* Every figure there is; NAN where a run has none. */
enum metric {
    OBJECTS_PER_SECOND,
    SECONDS,
    CPU_SECONDS,
    MS_P50,
    MS_P99,
    MS_P999,
    MS_MAX,
    MAX_TO_P50,
    P999_TO_P50,
    SECOND_MEDIAN,
    SECOND_LEAST,
    SECONDS_SLOW,
    CHECKPOINT_MS_MAX,
    FULL_MS_P50,
    MAX_TO_FULL_P50,
    OVERWRITES_PER_SECOND,
    OVERWRITE_MS_P50,
    OVERWRITE_MS_P999,
    OVERWRITE_MS_MAX,
    OVERWRITE_MAX_TO_P50,
    OPEN_SECONDS,
    SETTLE_SECONDS,
    CLOSE_SECONDS,
    STALL_SECONDS,
    INSERT_WRITTEN,
    INSERT_WRITTEN_PER_TRANSACTION,
    DEVICE_WRITTEN,
    DEVICE_WRITTEN_TO_LOGICAL,
    DEVICE_READ,
    WRITTEN_JOURNAL,
    WRITTEN_GRID,
    WRITTEN_GRID_TO_LOGICAL,
    ALLOCATED,
    ALLOCATED_TO_LIVE,
    RELEASED,
    JOURNAL,
    FILE_LENGTH,
    FILE_TO_LOGICAL,
    COMPACTIONS,
    CHECKPOINTS,
    BLOCKS_READ,
    BLOCKS_CACHED,
    PLAN_BYTES,
    PEAK_RSS,
    PEAK_RSS_TO_PLAN,
    SCANNED_PER_SECOND,
    GETS_PER_SECOND,
    ABSENT_PER_SECOND,
    METRIC_COUNT
};

enum unit { NUMBER, BYTES };

static const struct {
    const char *name;  /* in JSON; bytes there whatever the table shows */
    const char *label; /* in the table; bytes are MiB there */
    int decimals;
    enum unit unit;
} metrics[METRIC_COUNT] = {
    [OBJECTS_PER_SECOND] = {"objects_per_second", "objects/s", 0, NUMBER},
    [SECONDS] = {"seconds", "seconds", 2, NUMBER},
    [CPU_SECONDS] = {"cpu_seconds", "CPU seconds, all threads", 2, NUMBER},
    [MS_P50] = {"transaction_ms_p50", "transaction p50, ms", 4, NUMBER},
    [MS_P99] = {"transaction_ms_p99", "transaction p99, ms", 4, NUMBER},
    [MS_P999] = {"transaction_ms_p999", "transaction p99.9, ms", 4, NUMBER},
    [MS_MAX] = {"transaction_ms_max", "transaction max, ms", 4, NUMBER},
    [MAX_TO_P50] = {"max_to_p50", "max / p50", 2, NUMBER},
    [P999_TO_P50] = {"p999_to_p50", "p99.9 / p50", 2, NUMBER},
    [SECOND_MEDIAN] = {"second_median", "objects in the median second", 0, NUMBER},
    [SECOND_LEAST] = {"second_least_to_median", "slowest second / median", 2, NUMBER},
    [SECONDS_SLOW] = {"seconds_slow", "seconds under 0.6 of the median", 0, NUMBER},
    [CHECKPOINT_MS_MAX] = {"checkpoint_ms_max", "checkpoint max, ms", 2, NUMBER},
    [FULL_MS_P50] = {"full_transaction_ms_p50", "full transaction p50, ms", 4, NUMBER},
    [MAX_TO_FULL_P50] = {"max_to_full_p50", "max / p50 of a full one", 2, NUMBER},
    [OVERWRITES_PER_SECOND] = {"overwrites_per_second", "overwritten/s", 0, NUMBER},
    [OVERWRITE_MS_P50] = {"overwrite_ms_p50", "overwriting p50, ms", 4, NUMBER},
    [OVERWRITE_MS_P999] = {"overwrite_ms_p999", "overwriting p99.9, ms", 4, NUMBER},
    [OVERWRITE_MS_MAX] = {"overwrite_ms_max", "overwriting max, ms", 4, NUMBER},
    [OVERWRITE_MAX_TO_P50] = {"overwrite_max_to_p50", "overwriting max / p50", 2, NUMBER},
    [OPEN_SECONDS] = {"open_seconds", "making the file, s", 2, NUMBER},
    [SETTLE_SECONDS] = {"settle_seconds", "settling at the end, s", 2, NUMBER},
    [CLOSE_SECONDS] = {"close_seconds", "closing, s", 2, NUMBER},
    [STALL_SECONDS] = {"stall_seconds", "writes stalled, s", 2, NUMBER},
    [INSERT_WRITTEN] = {"insert_device_bytes_written", "written while inserting, MiB", 1, BYTES},
    [INSERT_WRITTEN_PER_TRANSACTION] =
        {"insert_device_bytes_per_transaction", "  bytes / transaction", 0, NUMBER},
    [DEVICE_WRITTEN] = {"device_bytes_written", "written since the open, settled, MiB", 1, BYTES},
    [DEVICE_WRITTEN_TO_LOGICAL] = {"device_written_to_logical", "  / logical", 2, NUMBER},
    [DEVICE_READ] = {"device_bytes_read", "read from the device, MiB", 1, BYTES},
    [WRITTEN_JOURNAL] = {"journal_bytes_written", "journal written, MiB", 1, BYTES},
    [WRITTEN_GRID] = {"grid_bytes_written", "blocks written, MiB", 1, BYTES},
    [WRITTEN_GRID_TO_LOGICAL] = {"grid_written_to_logical", "  / logical", 2, NUMBER},
    [ALLOCATED] = {"allocated_bytes", "allocated, MiB", 1, BYTES},
    [ALLOCATED_TO_LIVE] = {"allocated_to_live", "  / live", 3, NUMBER},
    [RELEASED] = {"released_bytes", "of it waiting for a checkpoint, MiB", 1, BYTES},
    [JOURNAL] = {"journal_bytes", "journal in the file, MiB", 1, BYTES},
    [FILE_LENGTH] = {"file_bytes", "file, MiB", 1, BYTES},
    [FILE_TO_LOGICAL] = {"file_to_logical", "  / logical", 3, NUMBER},
    [COMPACTIONS] = {"compactions", "compactions", 0, NUMBER},
    [CHECKPOINTS] = {"checkpoints", "checkpoints", 0, NUMBER},
    [BLOCKS_READ] = {"blocks_read", "blocks read", 0, NUMBER},
    [BLOCKS_CACHED] = {"blocks_cached", "blocks the cache had", 0, NUMBER},
    [PLAN_BYTES] = {"memory_bytes", "memory it may take, MiB", 1, BYTES},
    [PEAK_RSS] = {"peak_rss_bytes", "peak RSS, MiB", 1, BYTES},
    [PEAK_RSS_TO_PLAN] = {"peak_rss_to_memory", "  / what it may take", 3, NUMBER},
    [SCANNED_PER_SECOND] = {"scanned_per_second", "scanned and compared/s", 0, NUMBER},
    [GETS_PER_SECOND] = {"gets_per_second", "got by id, 64 at a time/s", 0, NUMBER},
    [ABSENT_PER_SECOND] = {"absent_per_second", "absent ids, 64 at a time/s", 0, NUMBER},
};

/* ---- Figures -------------------------------------------------------------------------------- */

static int compare_doubles(const void *left, const void *right)
{
    double a = 0;
    double b = 0;
    memcpy(&a, left, sizeof a);
    memcpy(&b, right, sizeof b);
    return a < b ? -1 : a > b ? 1 : 0;
}

struct bench_seconds bench_seconds_of(const struct bench_phase *phase)
{
    struct bench_seconds seconds = {0};
    const uint32_t count = phase->second_count;
    double *sorted = calloc((size_t)count + 1, sizeof *sorted);
    if (count == 0 || sorted == NULL) {
        free(sorted);
        return seconds;
    }
    memcpy(sorted, phase->by_second, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_doubles);
    seconds.median =
        count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
    seconds.least = sorted[0];
    for (uint32_t i = 0; i < count; i += 1) {
        if (sorted[i] < SLOW_SHARE * seconds.median) seconds.slow_count += 1;
    }
    free(sorted);
    return seconds;
}

static double ratio(double part, double whole)
{
    return whole > 0 ? part / whole : NAN;
}

static double figure(uint64_t value)
{
    return value == UINT64_MAX ? NAN : (double)value;
}

static double percentile_ms(const struct latencies *latencies, double share)
{
    return latencies->count > 0 ? (double)latencies_percentile(latencies, share) / 1e6 : NAN;
}

static void measure_phases(const struct bench_result *result, double *values)
{
    const struct bench_phase *insert = &result->phases[PHASE_INSERT];
    const struct bench_phase *full = &result->phases[PHASE_FULL];
    const struct bench_phase *overwrite = &result->phases[PHASE_OVERWRITE];
    const struct bench_seconds seconds = bench_seconds_of(insert);
    values[OBJECTS_PER_SECOND] = ratio((double)insert->objects, insert->seconds);
    values[SECONDS] = insert->seconds;
    values[CPU_SECONDS] = insert->cpu_seconds;
    values[MS_P50] = percentile_ms(&insert->latency, 0.5);
    values[MS_P99] = percentile_ms(&insert->latency, 0.99);
    values[MS_P999] = percentile_ms(&insert->latency, 0.999);
    values[MS_MAX] = percentile_ms(&insert->latency, 1);
    values[MAX_TO_P50] = ratio(values[MS_MAX], values[MS_P50]);
    values[P999_TO_P50] = ratio(values[MS_P999], values[MS_P50]);
    if (insert->second_count > 0) {
        values[SECOND_MEDIAN] = seconds.median;
        values[SECOND_LEAST] = ratio(seconds.least, seconds.median);
        values[SECONDS_SLOW] = seconds.slow_count;
    }
    values[CHECKPOINT_MS_MAX] = percentile_ms(&insert->checkpoints, 1);
    values[FULL_MS_P50] = percentile_ms(&full->latency, 0.5);
    if (full->transactions > 0) {
        values[MAX_TO_FULL_P50] = ratio(values[MS_MAX], values[FULL_MS_P50]);
    }
    values[OVERWRITES_PER_SECOND] = ratio((double)overwrite->objects, overwrite->seconds);
    values[OVERWRITE_MS_P50] = percentile_ms(&overwrite->latency, 0.5);
    values[OVERWRITE_MS_P999] = percentile_ms(&overwrite->latency, 0.999);
    values[OVERWRITE_MS_MAX] = percentile_ms(&overwrite->latency, 1);
    if (overwrite->transactions > 0) {
        values[OVERWRITE_MAX_TO_P50] = ratio(values[OVERWRITE_MS_MAX], values[OVERWRITE_MS_P50]);
    }
}

static uint64_t objects_written(const struct bench_result *result)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < PHASE_COUNT; i += 1)
        sum += result->phases[i].objects;
    return sum;
}

static uint64_t objects_live(const struct bench_result *result)
{
    return result->phases[PHASE_INSERT].objects + result->phases[PHASE_FULL].objects;
}

static void measure(const struct bench_result *result, double *values)
{
    const struct bench_figures *figures = &result->figures;
    const double logical = (double)objects_written(result) * OBJECT_LOGICAL_BYTES;
    const double live = (double)objects_live(result) * (double)figures->record_bytes;
    for (uint32_t i = 0; i < METRIC_COUNT; i += 1)
        values[i] = NAN;
    measure_phases(result, values);
    values[OPEN_SECONDS] = result->open_seconds;
    values[SETTLE_SECONDS] = result->settle_seconds;
    values[CLOSE_SECONDS] = result->close_seconds;
    if (figures->stall_seconds >= 0) values[STALL_SECONDS] = figures->stall_seconds;
    if (result->has_io) {
        const struct bench_phase *insert = &result->phases[PHASE_INSERT];
        values[INSERT_WRITTEN] = (double)insert->device_written;
        values[INSERT_WRITTEN_PER_TRANSACTION] =
            ratio((double)insert->device_written, (double)insert->transactions);
        values[DEVICE_WRITTEN] = (double)result->device_written;
        values[DEVICE_WRITTEN_TO_LOGICAL] = ratio((double)result->device_written, logical);
        values[DEVICE_READ] = (double)result->device_read;
    }
    values[WRITTEN_JOURNAL] = figure(figures->bytes_journal);
    values[WRITTEN_GRID] = figure(figures->bytes_grid);
    values[WRITTEN_GRID_TO_LOGICAL] = ratio(values[WRITTEN_GRID], logical);
    values[ALLOCATED] = figure(figures->allocated_bytes);
    values[ALLOCATED_TO_LIVE] = ratio(values[ALLOCATED], live);
    values[RELEASED] = figure(figures->released_bytes);
    values[JOURNAL] = figure(figures->journal_bytes);
    values[FILE_LENGTH] = (double)result->file.length;
    values[FILE_TO_LOGICAL] =
        ratio((double)result->file.length, (double)objects_live(result) * OBJECT_LOGICAL_BYTES);
    values[COMPACTIONS] = figure(figures->compactions);
    values[CHECKPOINTS] = figure(figures->checkpoints);
    values[BLOCKS_READ] = figure(figures->blocks_read);
    values[BLOCKS_CACHED] = figure(figures->blocks_cached);
    values[PLAN_BYTES] = (double)result->plan_bytes;
    values[PEAK_RSS] = (double)result->peak_rss;
    values[PEAK_RSS_TO_PLAN] = ratio((double)result->peak_rss, (double)result->plan_bytes);
    values[SCANNED_PER_SECOND] = ratio((double)result->scanned, result->scan_seconds);
    values[GETS_PER_SECOND] = ratio((double)result->got, result->get_seconds);
    values[ABSENT_PER_SECOND] = ratio((double)result->absent, result->absent_seconds);
}

/* ---- As a table ----------------------------------------------------------------------------- */

void bench_number_text(double value, int decimals, char *text, size_t size)
{
    char plain[CELL_SIZE];
    if (isnan(value)) {
        (void)snprintf(text, size, "-");
        return;
    }
    (void)snprintf(plain, sizeof plain, "%.*f", decimals, value);
    const size_t whole = strcspn(plain, ".");
    size_t used = 0;
    for (size_t i = 0; plain[i] != 0 && used + 2 < size; i += 1) {
        const bool is_group = i > 0 && i < whole && (whole - i) % 3 == 0 && plain[i - 1] != '-';
        if (is_group) text[used++] = ',';
        text[used++] = plain[i];
    }
    text[used] = 0;
}

static const char *sync_name(uint32_t sync)
{
    if (sync == TACTUS_SYNC_NONE) return "none";
    return sync == TACTUS_SYNC_COMMIT ? "commit" : "interval";
}

static const char *workload_name(const struct bench_settings *settings)
{
    return settings->workload == BENCH_SMALL ? "small" : "ledger";
}

static void print_head(FILE *stream, const struct bench_settings *settings)
{
    struct utsname system;
    memset(&system, 0, sizeof system);
    (void)uname(&system);
    char count[CELL_SIZE];
    char memory[CELL_SIZE];
    bench_number_text((double)settings->object_count, 0, count, sizeof count);
    bench_number_text((double)settings->budget_bytes / MIB, 0, memory, sizeof memory);
    const uint32_t version = tactus_version();
    (void)fprintf(
        stream,
        "%s: %s objects of %zu bytes, %u a transaction, sync %s, %s MiB of memory, seed %llu; "
        "tactus %u.%u.%u, %s, %ld CPUs\n",
        workload_name(settings),
        count,
        sizeof(struct bench_object),
        settings->transaction,
        sync_name(settings->open.sync),
        memory,
        (unsigned long long)settings->seed,
        version / 10000,
        version / 100 % 100,
        version % 100,
        system.machine,
        sysconf(_SC_NPROCESSORS_ONLN)
    );
}

static void print_metrics(FILE *stream, const struct bench_result *results, uint32_t count)
{
    double values[4][METRIC_COUNT];
    if (count > 4) count = 4;
    (void)fprintf(stream, "%-36s", "");
    for (uint32_t i = 0; i < count; i += 1) {
        measure(&results[i], values[i]);
        (void)fprintf(stream, " %14s", results[i].engine);
    }
    (void)fprintf(stream, "\n");
    for (uint32_t metric = 0; metric < METRIC_COUNT; metric += 1) {
        bool any = false;
        for (uint32_t i = 0; i < count; i += 1)
            any = any || !isnan(values[i][metric]);
        if (!any) continue;
        (void)fprintf(stream, "%-36s", metrics[metric].label);
        for (uint32_t i = 0; i < count; i += 1) {
            char text[CELL_SIZE];
            const double scale = metrics[metric].unit == BYTES ? MIB : 1;
            bench_number_text(
                values[i][metric] / scale, metrics[metric].decimals, text, sizeof text
            );
            (void)fprintf(stream, " %14s", text);
        }
        (void)fprintf(stream, "\n");
    }
}

static void print_seconds(FILE *stream, const struct bench_result *result)
{
    const struct bench_phase *phase = &result->phases[PHASE_INSERT];
    if (phase->second_count == 0) return;
    (void)fprintf(stream, "%s, thousands of objects in each second:", result->engine);
    for (uint32_t i = 0; i < phase->second_count; i += 1) {
        if (i % SECONDS_PER_LINE == 0) (void)fprintf(stream, "\n ");
        (void)fprintf(stream, " %5.0f", phase->by_second[i] / 1e3);
    }
    (void)fprintf(stream, "\n");
}

static void print_volumes(FILE *stream, const struct bench_result *result)
{
    if (result->volume_count == 0) return;
    (void)fprintf(
        stream,
        "%s, after each volume and a checkpoint\n%8s %10s %14s %8s %12s %10s %14s\n",
        result->engine,
        "volume",
        "seconds",
        "allocated MiB",
        "/ live",
        "waiting MiB",
        "file MiB",
        "blocks / live"
    );
    const double live = (double)objects_live(result) * (double)result->figures.record_bytes;
    for (uint32_t i = 0; i < result->volume_count; i += 1) {
        const struct bench_volume *volume = &result->volumes[i];
        const uint64_t journal = volume->figures.journal_bytes;
        const double blocks = (double)(volume->file.length - (journal == UINT64_MAX ? 0 : journal));
        char released[CELL_SIZE];
        bench_number_text(
            figure(volume->figures.released_bytes) / MIB, 1, released, sizeof released
        );
        (void)fprintf(
            stream,
            "%8u %10.2f %14.1f %8.3f %12s %10.1f %14.3f\n",
            i,
            volume->seconds,
            (double)volume->figures.allocated_bytes / MIB,
            ratio((double)volume->figures.allocated_bytes, live),
            released,
            (double)volume->file.length / MIB,
            ratio(blocks, live)
        );
    }
}

void bench_report_table(
    FILE *stream,
    const struct bench_settings *settings,
    const struct bench_result *results,
    uint32_t result_count
)
{
    print_head(stream, settings);
    print_metrics(stream, results, result_count);
    bench_report_reads_table(stream, results, result_count);
    for (uint32_t i = 0; i < result_count; i += 1)
        print_seconds(stream, &results[i]);
    for (uint32_t i = 0; i < result_count; i += 1)
        print_volumes(stream, &results[i]);
}

/* ---- As JSON -------------------------------------------------------------------------------- */

static void json_volumes(FILE *stream, const struct bench_result *result)
{
    (void)fprintf(stream, ",\"volumes\":[");
    for (uint32_t i = 0; i < result->volume_count; i += 1) {
        const struct bench_volume *volume = &result->volumes[i];
        const uint64_t released = volume->figures.released_bytes;
        (void)fprintf(
            stream,
            "%s{\"volume\":%u,\"seconds\":%.3f,\"allocated_bytes\":%llu,"
            "\"released_bytes\":%llu,\"file_bytes\":%llu}",
            i == 0 ? "" : ",",
            i,
            volume->seconds,
            (unsigned long long)volume->figures.allocated_bytes,
            (unsigned long long)(released == UINT64_MAX ? 0 : released),
            (unsigned long long)volume->file.length
        );
    }
    (void)fprintf(stream, "]");
}

void bench_report_json(
    FILE *stream, const struct bench_settings *settings, const struct bench_result *result
)
{
    const struct bench_phase *insert = &result->phases[PHASE_INSERT];
    (void)fprintf(
        stream,
        "{\"workload\":\"%s\",\"engine\":\"%s\",\"objects\":%llu,\"transactions\":%llu,"
        "\"transaction\":%u,\"sync\":\"%s\",\"seed\":%llu,\"peer_buffers\":%u,\"volume_count\":%u,"
        "\"live_bytes\":%llu,"
        "\"checked\":%llu",
        workload_name(settings),
        result->engine,
        (unsigned long long)insert->objects,
        (unsigned long long)insert->transactions,
        settings->transaction,
        sync_name(settings->open.sync),
        (unsigned long long)settings->seed,
        settings->peer_buffers,
        settings->volumes,
        (unsigned long long)(objects_live(result) * result->figures.record_bytes),
        (unsigned long long)(result->scanned + result->got + result->absent)
    );
    double values[METRIC_COUNT];
    measure(result, values);
    for (uint32_t i = 0; i < METRIC_COUNT; i += 1) {
        (void)fprintf(stream, ",\"%s\":", metrics[i].name);
        if (isnan(values[i])) {
            (void)fprintf(stream, "null");
        } else {
            const int decimals = metrics[i].unit == BYTES ? 0 : metrics[i].decimals;
            (void)fprintf(stream, "%.*f", decimals, values[i]);
        }
    }
    (void)fprintf(stream, ",\"objects_by_second\":[");
    for (uint32_t i = 0; i < insert->second_count; i += 1)
        (void)fprintf(stream, "%s%.0f", i == 0 ? "" : ",", insert->by_second[i]);
    (void)fprintf(stream, "]");
    json_volumes(stream, result);
    bench_report_reads_json(stream, result);
    (void)fprintf(stream, "}\n");
}
