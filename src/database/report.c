#include "database/report.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "database/error.h"

#include "base/poison.h"

void report_begin(struct report *report, tactus_report_fn function, void *context)
{
    *report = (struct report){.report = function, .context = context};
}

static void report_give(struct report *report, enum tactus_severity severity, const char *line)
{
    if (severity == TACTUS_FAULT) {
        if (report->fault_count == 0)
            (void)snprintf(report->first, sizeof report->first, "%s", line);
        report->fault_count += 1;
    }
    if (severity == TACTUS_WARNING) report->warning_count += 1;
    if (severity != TACTUS_NOTE) {
        if (report_is_full(report)) return;
        report->line_count += 1;
    }
    if (report->report != NULL) report->report(report->context, severity, line);
}

void report_fault(struct report *report, const struct fault *fault)
{
    assert(fault->status != TACTUS_OK);

    char line[REPORT_LINE_SIZE];
    error_fault_line(line, sizeof line, fault);
    report_give(report, TACTUS_FAULT, line);
}

void report_damage_healed(struct report *report, const struct fault *fault)
{
    assert(fault->status == TACTUS_CORRUPT);

    char line[REPORT_LINE_SIZE];
    error_fault_line(line, sizeof line, fault);
    report_give(report, TACTUS_WARNING, line);
}

void report_line(struct report *report, enum tactus_severity severity, const char *format, ...)
{
    char line[REPORT_LINE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    report_give(report, severity, line);
}

bool report_is_full(const struct report *report)
{
    return report->line_count >= REPORT_LINES_MAX;
}

void report_end(struct report *report)
{
    const uint64_t total = report->fault_count + report->warning_count;
    assert(report->line_count <= total);

    if (report->line_count == total) return;
    char line[REPORT_LINE_SIZE];
    (void)snprintf(
        line,
        sizeof line,
        "%llu more faults and warnings are not shown",
        (unsigned long long)(total - report->line_count)
    );
    report_give(report, TACTUS_NOTE, line);
}
