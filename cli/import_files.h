/* The files of an import besides the data file: what it reads and what it writes, looked at before
 * anything is begun. */
#ifndef TACTUS_CLI_IMPORT_FILES_H
#define TACTUS_CLI_IMPORT_FILES_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

#include "arguments.h"

/* A file to write: open, and not touched yet. */
struct import_target {
    const char *option; /* "stats" */
    const char *path;   /* borrowed from argv; NULL: the option was not given */
    int fd;             /* -1: not open */
    bool created;       /* it was not there before */
    struct stat status;
};

struct import_files {
    struct import_target stats, reject;
};

/* Checks that every CSV can be opened, that with --reject all headers are the same (of plain files:
 * a pipe is read only once), and that what --stats and --reject name is nothing that is read or
 * written besides; opens the two. 0, or an exit code after complaining: then nothing has changed.
 * import_files_close is due either way. */
int import_files_open(
    struct import_files *files, const struct arguments *arguments, char delimiter
);

/* Closes what was not begun, and takes it away where it was not there before. */
void import_files_close(struct import_files *files);

/* Empties the file and gives its stream, which is the caller's to close; NULL for an option that
 * was not given. 0 or EXIT_SYSTEM after complaining. */
int import_target_begin(struct import_target *target, FILE **stream);

#endif
