/* What the command says on standard error, and what it exits with.
 *
 * Every line has the form `tactus: WHAT: WHY; WHAT TO DO`. Control characters in it become '?', so
 * that a cell of a CSV cannot steer the terminal. */
#ifndef TACTUS_CLI_ERRORS_H
#define TACTUS_CLI_ERRORS_H

#include "tactus.h"

enum exit_code {
    EXIT_OK = 0,
    EXIT_DATA = 1,    /* absent, exists, invalid: the data is not as asked */
    EXIT_USAGE = 2,   /* schema, expression, options */
    EXIT_CORRUPT = 3, /* damage in the file */
    EXIT_SYSTEM = 4,  /* I/O, a full disk, read-only */
    EXIT_BUSY = 5,    /* another process has the file */
    EXIT_LIMIT = 6,   /* size_max, batch, scans, snapshots; a run that expired */
    EXIT_SIGNAL = 128 /* and the signal's number: 130 for SIGINT, 143 for SIGTERM */
};

/* The one place that says which status exits with what. */
int exit_code_of(enum tactus_status status);

/* Prints one line and returns `exit_code`, so that a caller can return what this returns. */
__attribute__((format(printf, 2, 3))) int complain(int exit_code, const char *format, ...);

/* The same for a wrong use of `command`: adds where to read on; answers EXIT_USAGE. */
__attribute__((format(printf, 2, 3))) int complain_usage(
    const char *command, const char *format, ...
);

/* The words of an error of the library. `place` says where a line and column belong (the name of a
 * schema file, "where"), or is NULL. Answers the status's exit code. */
int complain_error(enum tactus_status status, const struct tactus_error *error, const char *place);

/* The same for a call that has only a path: the path comes first, but before damage, whose line has
 * a form of its own. */
int complain_file(enum tactus_status status, const struct tactus_error *error, const char *path);

/* A value that its field cannot hold: "field NAME, 'VALUE': WHY; WHAT TO DO". Answers the status's
 * exit code. */
int complain_value(
    enum tactus_status status,
    const struct tactus_error *error,
    const char *field,
    const char *value
);

/* What is to do, for a reason that does not say it: "" if there is a ';' or ": remove it" in it. */
const char *advice(const char *reason, const char *to_do);

/* "WHAT: the system's words; WHAT TO DO" for the system call that failed just now: EXIT_SYSTEM. */
int complain_system(const char *what, const char *to_do);

/* `tactus: warning: …`: the command goes on. */
__attribute__((format(printf, 1, 2))) void warn(const char *format, ...);

/* A plain line for people, without a prefix: summaries. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);

#endif
