#include "report.h"

#include <stdio.h>
#include <string.h>

#include "errors.h"
#include "output.h"

void report_json(const char *severity, const char *line)
{
    (void)printf("{\"severity\":\"%s\",\"line\":", severity);
    json_text(stdout, line);
    (void)fputs("}\n", stdout);
}

void report_print(void *context, enum tactus_severity severity, const char *line)
{
    struct report *report = context;
    switch (severity) {
    case TACTUS_NOTE:
        if (report->json) report_json("note", line);
        if (!report->json) (void)printf("%s\n", line);
        break;
    case TACTUS_WARNING:
        report->warning_count += 1;
        if (report->json) report_json("warning", line);
        if (!report->json) warn("%s", line);
        break;
    case TACTUS_FAULT:
        report->fault_count += 1;
        if (report->json) report_json("fault", line);
        if (!report->json) (void)complain(EXIT_CORRUPT, "%s", line);
        break;
    }
}
