/* What runs came to: a table with a column for each engine, or a JSON object a line for each. */
#ifndef TACTUS_BENCH_REPORT_H
#define TACTUS_BENCH_REPORT_H

#include <stdint.h>
#include <stdio.h>

#include "bench/ledger.h"

void bench_report_table(
    FILE *stream,
    const struct bench_settings *settings,
    const struct bench_result *results,
    uint32_t result_count
);

void bench_report_json(
    FILE *stream, const struct bench_settings *settings, const struct bench_result *result
);

/* 1234567.8 as "1,234,567.8", "-" for what is NAN. */
void bench_number_text(double value, int decimals, char *text, size_t size);

/* Of the seconds of a phase: the median's objects, the least, and how many have less than 0.6 of
 * the median. All 0 where there is no whole second. */
struct bench_seconds {
    double median;
    double least;
    uint32_t slow_count;
};
struct bench_seconds bench_seconds_of(const struct bench_phase *phase);

#endif
