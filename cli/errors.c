#include "errors.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "progress.h"

enum { WORDS_MAX = 4096 };

int exit_code_of(enum tactus_status status)
{
    switch (status) {
    case TACTUS_OK: return EXIT_OK;
    case TACTUS_EXISTS:
    case TACTUS_ABSENT:
    case TACTUS_INVALID:
    case TACTUS_SOME: return EXIT_DATA;
    case TACTUS_SYNTAX:
    case TACTUS_SCHEMA:
    case TACTUS_VERSION:
    case TACTUS_MISUSE: return EXIT_USAGE;
    case TACTUS_CORRUPT: return EXIT_CORRUPT;
    case TACTUS_FULL:
    case TACTUS_IO:
    case TACTUS_POISONED:
    case TACTUS_READ_ONLY:
    case TACTUS_FORKED: return EXIT_SYSTEM;
    case TACTUS_BUSY: return EXIT_BUSY;
    case TACTUS_LIMIT:
    case TACTUS_EXPIRED: return EXIT_LIMIT;
    }
    return EXIT_SYSTEM; /* a status of a newer library */
}

static void print_line(const char *prefix, const char *format, va_list arguments)
{
    char words[WORDS_MAX];
    (void)vsnprintf(words, sizeof words, format, arguments);
    for (char *at = words; *at != 0; at += 1) {
        const unsigned char byte = (unsigned char)*at;
        if (byte < 0x20 || byte == 0x7f) *at = '?';
    }
    progress_clear();
    (void)fflush(stdout); /* so that words stand after the data they are about */
    (void)fprintf(stderr, "%s%s\n", prefix, words);
}

int complain(int exit_code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line("tactus: ", format, arguments);
    va_end(arguments);
    return exit_code;
}

int complain_usage(const char *command, const char *format, ...)
{
    char words[WORDS_MAX / 2];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    return complain(EXIT_USAGE, "%s: %s; see 'tactus %s --help'", command, words, command);
}

int complain_error(enum tactus_status status, const struct tactus_error *error, const char *place)
{
    const char *words = tactus_status_text(status);
    if (error != NULL && error->text[0] != 0) words = error->text;

    if (place != NULL && error != NULL && error->line > 0) {
        return complain(
            exit_code_of(status), "%s:%u:%u: %s", place, error->line, error->column, words
        );
    }
    return complain(exit_code_of(status), "%s", words);
}

int complain_file(enum tactus_status status, const struct tactus_error *error, const char *path)
{
    const bool named = strncmp(error->text, path, strlen(path)) == 0;
    const bool plain = status == TACTUS_CORRUPT || named;
    if (plain || error->text[0] == 0) return complain_error(status, error, NULL);
    return complain(exit_code_of(status), "%s: %s", path, error->text);
}

const char *advice(const char *reason, const char *to_do)
{
    const bool told = strchr(reason, ';') != NULL || strstr(reason, ": remove it") != NULL;
    return told ? "" : to_do;
}

int complain_value(
    enum tactus_status status,
    const struct tactus_error *error,
    const char *field,
    const char *value
)
{
    const char *reason = error->text[0] != 0 ? error->text : tactus_status_text(status);
    return complain(
        exit_code_of(status),
        "field %s, '%.100s': %s%s",
        field,
        value,
        reason,
        advice(reason, "; correct it")
    );
}

int complain_system(const char *what, const char *to_do)
{
    const char *why = strerror(errno);
    return complain(EXIT_SYSTEM, "%s: %s; %s", what, why, to_do);
}

void warn(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line("tactus: warning: ", format, arguments);
    va_end(arguments);
}

void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_line("", format, arguments);
    va_end(arguments);
}
