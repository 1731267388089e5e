/* The lines of tactus_verify and tactus_repair: faults and warnings to standard error, notes to
 * standard output; in JSON all of them there. */
#ifndef TACTUS_CLI_REPORT_H
#define TACTUS_CLI_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "tactus.h"

struct report {
    bool json; /* each line, of any severity, as an object on standard output */
    uint64_t fault_count;
    uint64_t warning_count;
};

/* A tactus_report_fn; context is a struct report. */
void report_print(void *context, enum tactus_severity severity, const char *line);

/* One line of --format json: {"severity":"note","line":"..."}. */
void report_json(const char *severity, const char *line);

#endif
