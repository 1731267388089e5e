/* What reads came to: a part of the table, and of the JSON object, of bench/report.h. */
#ifndef TACTUS_BENCH_REPORT_READS_H
#define TACTUS_BENCH_REPORT_READS_H

#include <stdint.h>
#include <stdio.h>

#include "bench/ledger.h"

/* For each reading a line for each kind and engine; nothing where there were no reads. */
void bench_report_reads_table(
    FILE *stream, const struct bench_result *results, uint32_t result_count
);

/* Two members with a comma before each: "reads" (null where there were none), "answers". */
void bench_report_reads_json(FILE *stream, const struct bench_result *result);

#endif
