#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "errors.h"
#include "output.h"

/* Stops at the first write that standard output refuses. */
static int write_text(void *context, const char *text, size_t bytes)
{
    (void)context;
    return fwrite(text, 1, bytes, stdout) == bytes ? 0 : 1;
}

static int run(const struct arguments *arguments)
{
    static const char *const kinds[] = {
        "superblock",
        "journal",
        "manifest",
        "trees",
        "tables",
        "blocks",
        "memory",
        NULL,
    };
    static const char *const formats[] = {"text", "table", "json", NULL};
    int format = 0;
    const int code = arguments_choice(arguments, "format", formats, &format);
    if (code != EXIT_OK) return code;

    const char *what = arguments->word_count > 1 ? arguments->words[1] : NULL;
    bool known = what == NULL;
    for (int i = 0; kinds[i] != NULL && !known; i += 1)
        known = strcmp(kinds[i], what) == 0;
    if (!known) {
        return complain_usage(
            "inspect",
            "'%s' is not superblock, journal, manifest, trees, tables, blocks or memory",
            what
        );
    }
    struct tactus_error error = {0};
    const enum tactus_status status = tactus_inspect(
        arguments->words[0], what, format == 2 ? "json" : "text", write_text, NULL, &error
    );
    const int written = output_flush();
    if (written != EXIT_OK) return written;
    return status == TACTUS_OK ? EXIT_OK : complain_file(status, &error, arguments->words[0]);
}

static const struct option options[] = {{NULL, OPTION_END}};

const struct command command_inspect = {
    .name = "inspect",
    .synopsis = "FILE [superblock|journal|manifest|trees|tables|blocks|memory]",
    .help = "Prints the insides of a file, damaged or not; without a word, a summary. Changes no "
            "byte.\n"
            "\n"
            "  --format text|json\n"
            "\n"
            "Example:\n"
            "  tactus inspect shop.tactus journal\n",
    .options = options,
    .words_min = 1,
    .words_max = 2,
    .run = run,
};
