/* What verify and repair have to say, line by line, to the caller's function. */
#ifndef TACTUS_DATABASE_REPORT_H
#define TACTUS_DATABASE_REPORT_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    REPORT_LINES_MAX = 1000, /* faults and warnings that are shown; the rest is only counted */
    REPORT_LINE_SIZE = 1024,
};

struct report {
    tactus_report_fn report; /* NULL: only counted */
    void *context;           /* the caller's, borrowed for the call */

    uint64_t fault_count;
    uint64_t warning_count;
    uint64_t line_count;          /* of those, shown */
    char first[REPORT_LINE_SIZE]; /* the first fault's line; empty: there was none */
};

void report_begin(struct report *report, tactus_report_fn function, void *context);

/* One fault, in the words of error_fault_line(). */
void report_fault(struct report *report, const struct fault *fault);

/* The same place, of which nothing acknowledged is touched: a warning. */
void report_damage_healed(struct report *report, const struct fault *fault);

/* A line of words. A fault's begins with "corrupt: ". The format is printf's. */
void report_line(struct report *report, enum tactus_severity severity, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* No further fault or warning would be shown: whoever only looks for more words may stop. */
bool report_is_full(const struct report *report);

/* Says how many lines were not shown, if any. */
void report_end(struct report *report);

#endif
