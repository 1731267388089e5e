#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "errors.h"
#include "output.h"
#include "report.h"

static void print_summary(const char *path, const struct report *report, const char *verdict)
{
    char words[8192];
    (void)snprintf(
        words,
        sizeof words,
        "%s: %s, %llu fault%s, %llu warning%s",
        path,
        verdict,
        (unsigned long long)report->fault_count,
        report->fault_count == 1 ? "" : "s",
        (unsigned long long)report->warning_count,
        report->warning_count == 1 ? "" : "s"
    );
    if (report->json) {
        report_json("note", words);
    } else {
        (void)printf("%s\n", words);
    }
}

static int run(const struct arguments *arguments)
{
    static const char *const io_choices[] = {"uring", "posix", NULL};
    int io = 0;
    static const char *const formats[] = {"table", "text", "json", NULL};
    int format = 0;
    int usage = arguments_choice(arguments, "io", io_choices, &io);
    if (usage == EXIT_OK) usage = arguments_choice(arguments, "format", formats, &format);
    if (usage != EXIT_OK) return usage;

    const char *path = arguments->words[0];
    struct tactus_verify_options options = {
        .struct_bytes = (uint32_t)sizeof options,
        .flags = io == 1 ? TACTUS_POSIX_IO : 0,
    };
    struct report report = {.json = format == 2};
    struct tactus_error error = {0};
    const enum tactus_status status = tactus_verify(path, &options, report_print, &report, &error);
    int code = exit_code_of(status);
    if (status != TACTUS_OK && report.fault_count == 0) code = complain_file(status, &error, path);
    if (status == TACTUS_OK && report.fault_count > 0) code = EXIT_CORRUPT;
    if (code == EXIT_OK || code == EXIT_CORRUPT) {
        print_summary(path, &report, code == EXIT_OK ? "sound" : "damaged");
    }
    const int written = output_flush();
    return code == EXIT_OK ? written : code;
}

static const struct option options[] = {{NULL, OPTION_END}};

const struct command command_verify = {
    .name = "verify",
    .synopsis = "FILE [--format table|json]",
    .help =
        "Reads every reachable block of a file, damaged or not, and checks all that can be:\n"
        "checksums, order, tables against the manifest, the free set, every index entry against\n"
        "its object and back. Changes no byte. One line per fault on standard error, a summary\n"
        "on standard output; exit status 3 if there was a fault. A torn tail that nobody was\n"
        "told of is a warning.\n"
        "\n"
        "  --format table|json  lines for people (table), or all of them on standard output, each\n"
        "                       a JSON object: {\"severity\":\"fault\",\"line\":\"...\"}; "
        "severities\n"
        "                       are note, warning and fault; the last one, a note, is the summary\n"
        "\n"
        "Example:\n"
        "  tactus verify shop.tactus\n",
    .options = options,
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
