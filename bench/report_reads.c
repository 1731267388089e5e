#include "bench/report_reads.h"

#include <math.h>

#include "bench/report.h"

enum { CELL_SIZE = 32 };

static const double KIB = 1024.0;

static const char *const reading_names[READING_COUNT] = {"cached", "large"};
static const char *const reading_labels[READING_COUNT] = {
    "all of it cached", "four times as much as the cache holds, direct"};

static const struct {
    const char *name;  /* in JSON */
    const char *label; /* in the table */
} kinds[READ_COUNT] = {
    [READ_GET] = {"get", "get by id"},
    [READ_GET_64] = {"get_64", "get by id, 64 at a time (ids/s)"},
    [READ_ABSENT] = {"absent", "absent id"},
    [READ_NEWEST] = {"newest", "newest 100 of an account"},
    [READ_TWO] = {"two_conditions", "two conditions, newest 100"},
    [READ_SCAN] = {"scan", "full scan (objects/s)"},
};

/* NAN: there is none. */
struct line {
    double per_second; /* questions; ids or objects where these are what counts */
    double us_p50;     /* of questions, as is all below */
    double us_p99;
    double objects;
    double device_bytes;
    double blocks_read;
    double blocks_cached;
};

static double each(uint64_t sum, uint64_t count)
{
    return count > 0 && sum != UINT64_MAX ? (double)sum / (double)count : NAN;
}

static double percentile_us(const struct bench_read *read, double share)
{
    const bool any = read->latency.count > 0;
    return any ? (double)latencies_percentile(&read->latency, share) / 1e3 : NAN;
}

static struct line line_of(const struct bench_read *read, enum bench_read_kind kind)
{
    const bool counts_questions = kind == READ_NEWEST || kind == READ_TWO;
    const uint64_t done = counts_questions ? read->questions : read->wanted;
    return (struct line){
        .per_second = read->seconds > 0 ? (double)done / read->seconds : NAN,
        .us_p50 = percentile_us(read, 0.5),
        .us_p99 = percentile_us(read, 0.99),
        .objects = kind == READ_ABSENT ? 0 : each(read->wanted, read->questions),
        .device_bytes = read->has_io ? each(read->device_read, read->questions) : NAN,
        .blocks_read = each(read->blocks_read, read->questions),
        .blocks_cached = each(read->blocks_cached, read->questions),
    };
}

static void print_cell(FILE *stream, int width, double value, int decimals)
{
    char text[CELL_SIZE];
    bench_number_text(value, decimals, text, sizeof text);
    (void)fprintf(stream, " %*s", width, text);
}

static void print_line(FILE *stream, const struct line *line)
{
    print_cell(stream, 12, line->per_second, 0);
    print_cell(stream, 10, line->us_p50, 1);
    print_cell(stream, 10, line->us_p99, 1);
    print_cell(stream, 10, line->objects, 1);
    print_cell(stream, 12, line->device_bytes / KIB, 2);
    print_cell(stream, 11, line->blocks_read, 2);
    print_cell(stream, 11, line->blocks_cached, 2);
    (void)fprintf(stream, "\n");
}

static void print_reading(
    FILE *stream,
    const struct bench_result *results,
    uint32_t result_count,
    enum bench_reading reading
)
{
    (void)fprintf(
        stream,
        "reads, %s: %.1f MiB of cache each; columns from p50 on are of a question\n"
        "%-32s %-8s %12s %10s %10s %10s %12s %11s %11s\n",
        reading_labels[reading],
        (double)results[0].reads[reading].cache_bytes / KIB / KIB,
        "",
        "",
        "a second",
        "p50 us",
        "p99 us",
        "objects",
        "device KiB",
        "blocks read",
        "from cache"
    );
    for (uint32_t kind = 0; kind < READ_COUNT; kind += 1) {
        for (uint32_t i = 0; i < result_count; i += 1) {
            const struct bench_read *read = &results[i].reads[reading].kinds[kind];
            const struct line line = line_of(read, kind);
            const char *label = i == 0 ? kinds[kind].label : "";
            (void)fprintf(stream, "%-32s %-8s", label, results[i].engine);
            print_line(stream, &line);
        }
    }
}

void bench_report_reads_table(
    FILE *stream, const struct bench_result *results, uint32_t result_count
)
{
    bool any = false;
    for (uint32_t reading = 0; reading < READING_COUNT; reading += 1) {
        if (result_count == 0 || !results[0].reads[reading].done) continue;
        print_reading(stream, results, result_count, reading);
        any = true;
    }
    if (!any) return;
    (void)fprintf(
        stream,
        "answers to the first %d questions of each kind: %016llx\n",
        BENCH_ANSWERS,
        (unsigned long long)results[0].answers
    );
}

static void json_number(FILE *stream, const char *name, double value, int decimals)
{
    if (isnan(value)) {
        (void)fprintf(stream, ",\"%s\":null", name);
    } else {
        (void)fprintf(stream, ",\"%s\":%.*f", name, decimals, value);
    }
}

static void json_reading(FILE *stream, const struct bench_reads *reads)
{
    (void)fprintf(
        stream,
        "{\"cache_bytes\":%llu,\"open_seconds\":%.3f",
        (unsigned long long)reads->cache_bytes,
        reads->open_seconds
    );
    for (uint32_t kind = 0; kind < READ_COUNT; kind += 1) {
        const struct bench_read *read = &reads->kinds[kind];
        const struct line line = line_of(read, kind);
        (void)fprintf(
            stream,
            ",\"%s\":{\"questions\":%llu",
            kinds[kind].name,
            (unsigned long long)read->questions
        );
        json_number(stream, "per_second", line.per_second, 1);
        json_number(stream, "us_p50", line.us_p50, 3);
        json_number(stream, "us_p99", line.us_p99, 3);
        json_number(stream, "objects_each", line.objects, 3);
        json_number(stream, "device_bytes_each", line.device_bytes, 1);
        json_number(stream, "blocks_read_each", line.blocks_read, 3);
        json_number(stream, "blocks_cached_each", line.blocks_cached, 3);
        (void)fprintf(stream, "}");
    }
    (void)fprintf(stream, "}");
}

void bench_report_reads_json(FILE *stream, const struct bench_result *result)
{
    (void)fprintf(stream, ",\"reads\":");
    bool any = false;
    for (uint32_t reading = 0; reading < READING_COUNT; reading += 1) {
        if (!result->reads[reading].done) continue;
        (void)fprintf(stream, "%c\"%s\":", any ? ',' : '{', reading_names[reading]);
        json_reading(stream, &result->reads[reading]);
        any = true;
    }
    (void)fprintf(stream, any ? "}" : "null");
    if (any) {
        const unsigned long long answers = result->answers;
        (void)fprintf(stream, ",\"answers\":\"%016llx\"", answers);
    } else {
        (void)fprintf(stream, ",\"answers\":null");
    }
}
