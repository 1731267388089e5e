#include <stdio.h>

#include "commands.h"
#include "errors.h"
#include "output.h"
#include "report.h"

/* Nothing is cut without --yes: it shows what verify finds, and says what a cut would mean. */
static int explain_truncation(const char *path)
{
    struct report report = {0};
    struct tactus_error error = {0};
    const enum tactus_status status = tactus_verify(path, NULL, report_print, &report, &error);
    if (status != TACTUS_OK && status != TACTUS_CORRUPT) return complain_file(status, &error, path);

    if (report.fault_count == 0) {
        return complain(
            EXIT_USAGE,
            "repair: --truncate-journal would cut the journal before its first damaged entry, and "
            "verify finds no damage; leave the file as it is"
        );
    }
    return complain(
        EXIT_USAGE,
        "repair: --truncate-journal cuts the journal before its first damaged entry, and every "
        "commit "
        "from there on is lost for good; copy the file, then add --yes"
    );
}

static int run(const struct arguments *arguments)
{
    const char *path = arguments->words[0];
    const bool truncate = arguments_has(arguments, "truncate-journal");
    const bool yes = arguments_has(arguments, "yes");
    if (yes && !truncate) {
        return complain_usage("repair", "--yes goes with --truncate-journal");
    }
    if (truncate && !yes) return explain_truncation(path);

    struct report report = {0};
    struct tactus_error error = {0};
    const uint32_t flags = truncate ? TACTUS_TRUNCATE_JOURNAL : 0;
    const enum tactus_status status = tactus_repair(path, flags, report_print, &report, &error);
    const int written = output_flush();
    if (status != TACTUS_OK) return complain_file(status, &error, path);
    return written;
}

static const struct option options[] = {
    {"truncate-journal", OPTION_FLAG},
    {"yes", OPTION_FLAG},
    {NULL, OPTION_END},
};

const struct command command_repair = {
    .name = "repair",
    .synopsis = "FILE [--truncate-journal --yes]",
    .help =
        "Writes good copies over bad ones where a file holds something more than once. What has "
        "no\n"
        "good copy is left as it is.\n"
        "\n"
        "  --truncate-journal   cut the journal before its first damaged entry: commits are lost\n"
        "  --yes                do it; without, only says what it would mean\n"
        "\n"
        "Example:\n"
        "  tactus repair shop.tactus\n",
    .options = options,
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
