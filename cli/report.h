/* The lines of tactus_verify and tactus_repair: faults and warnings to standard error, notes to
 * standard output. */
#ifndef TACTUS_CLI_REPORT_H
#define TACTUS_CLI_REPORT_H

#include <stdint.h>

#include "tactus.h"

struct report {
    uint64_t fault_count;
    uint64_t warning_count;
};

/* A tactus_report_fn; context is a struct report. */
void report_print(void *context, enum tactus_severity severity, const char *line);

#endif
