#include "report.h"

#include <stdio.h>
#include <string.h>

#include "errors.h"

void report_print(void *context, enum tactus_severity severity, const char *line)
{
    struct report *report = context;
    switch (severity) {
    case TACTUS_NOTE: (void)printf("%s\n", line); break;
    case TACTUS_WARNING:
        report->warning_count += 1;
        warn("%s", line);
        break;
    case TACTUS_FAULT:
        report->fault_count += 1;
        (void)complain(EXIT_CORRUPT, "%s", line);
        break;
    }
}
