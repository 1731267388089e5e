#include "inspect.h"

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

struct one_line {
    bool in_string;
    bool escaped;  /* the byte before was a backslash in a string */
    bool indented; /* a line end was left out, and blanks after it are, too */
    bool written;
};

/* The document as one line: without the line ends outside strings, and what indents after them. */
static int write_json(void *context, const char *text, size_t bytes)
{
    struct one_line *line = context;
    for (size_t i = 0; i < bytes; i += 1) {
        const char byte = text[i];
        const bool is_end = !line->in_string && (byte == '\n' || byte == '\r');
        const bool is_blank = line->indented && (byte == ' ' || byte == '\t');
        if (is_end) line->indented = true;
        if (is_end || is_blank) continue;

        line->indented = false;
        if (byte == '"' && !line->escaped) line->in_string = !line->in_string;
        line->escaped = line->in_string && byte == '\\' && !line->escaped;
        line->written = true;
        if (fputc((unsigned char)byte, stdout) == EOF) return 1;
    }
    return 0;
}

int inspect_print(const struct arguments *arguments, const char *what)
{
    static const char *const formats[] = {"table", "text", "json", NULL};
    int format = 0;
    const int code = arguments_choice(arguments, "format", formats, &format);
    if (code != EXIT_OK) return code;

    struct tactus_error error = {0};
    const char *path = arguments->words[0];
    struct one_line line = {0};
    enum tactus_status status = TACTUS_OK;
    if (format == 2) {
        status = tactus_inspect(path, what, "json", write_json, &line, &error);
        if (line.written) (void)fputc('\n', stdout);
    } else {
        status = tactus_inspect(path, what, "text", write_text, NULL, &error);
    }
    const int written = output_flush();
    if (written != EXIT_OK) return written;
    return status == TACTUS_OK ? EXIT_OK : complain_file(status, &error, path);
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
    return inspect_print(arguments, what);
}

static const struct option options[] = {{NULL, OPTION_END}};

const struct command command_inspect = {
    .name = "inspect",
    .synopsis =
        "FILE [superblock|journal|manifest|trees|tables|blocks|memory] [--format table|json]",
    .help = "Prints the insides of a file, damaged or not; without a word, a summary. Changes no "
            "byte.\n"
            "\n"
            "  --format table|json  for people (table), or one JSON object on a line\n"
            "\n"
            "Example:\n"
            "  tactus inspect shop.tactus journal\n",
    .options = options,
    .words_min = 1,
    .words_max = 2,
    .run = run,
};
