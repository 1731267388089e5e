/* Every command, one file each. */
#ifndef TACTUS_CLI_COMMANDS_H
#define TACTUS_CLI_COMMANDS_H

#include "arguments.h"

extern const struct command command_create;
extern const struct command command_plan;
extern const struct command command_import;
extern const struct command command_put;
extern const struct command command_set;
extern const struct command command_get;
extern const struct command command_remove;
extern const struct command command_query;
extern const struct command command_export;
extern const struct command command_digest;
extern const struct command command_verify;
extern const struct command command_inspect;
extern const struct command command_stats;
extern const struct command command_repair;
extern const struct command command_codegen;
extern const struct command command_bench;

#endif
