/* Prints a part of what tactus_inspect() shows: for the commands inspect and stats. */
#ifndef TACTUS_CLI_INSPECT_H
#define TACTUS_CLI_INSPECT_H

#include "arguments.h"

/* The file is the first word; what may be NULL. --format table (or text), json: on one line. The
 * exit status; what went wrong was said. */
int inspect_print(const struct arguments *arguments, const char *what);

#endif
