/* The options that `create` and `plan` share, and what they come to. */
#ifndef TACTUS_CLI_CREATE_OPTIONS_H
#define TACTUS_CLI_CREATE_OPTIONS_H

#include <stdio.h>

#include "arguments.h"
#include "tactus.h"

#define CREATE_OPTIONS                                                                             \
    {"schema", OPTION_VALUE}, {"memory", OPTION_VALUE}, {"block-size", OPTION_VALUE},              \
        {"batch", OPTION_VALUE}, {"bar", OPTION_VALUE}, {"journal", OPTION_VALUE},                 \
        {"size-max", OPTION_VALUE}, {"runs", OPTION_VALUE}, {"growth", OPTION_VALUE},              \
        {"tables-max", OPTION_VALUE}, {"keep", OPTION_VALUE}, {"snapshots-max", OPTION_VALUE},     \
        {"file-id", OPTION_VALUE},                                                                 \
    {                                                                                              \
        "overwrite", OPTION_FLAG                                                                   \
    }

#define CREATE_OPTIONS_HELP                                                                        \
    "  --schema FILE        the schema's text; needed\n"                                           \
    "  --memory SIZE        for memory tables and scratch, without the cache (16M)\n"              \
    "  --block-size SIZE    a power of two, 4K to 1M (32K)\n"                                      \
    "  --batch N            most object events of one collection in a transaction (by --memory)\n" \
    "  --bar N              beats in a bar: even, 4 to 64 (by --memory)\n"                         \
    "  --journal SIZE       the ring of transactions (12 * bar * the largest of them)\n"           \
    "  --size-max SIZE      most bytes of blocks (2^25 blocks: 1T at 32K)\n"                       \
    "  --runs N[,N...]      sorted runs that come together in a level, level 0 first (1)\n"        \
    "  --growth N           tables of a level against the one above it, 2 to 16 (8)\n"             \
    "  --tables-max N       tables on disk over all trees (by --memory and --size-max)\n"          \
    "  --keep N             checkpoints a released block is kept for, 1 to 8 (1)\n"                \
    "  --snapshots-max N    named snapshots at once (4)\n"                                         \
    "  --file-id HEX        32 hex digits that seed every checksum (random)\n"                     \
    "  --overwrite          replace a file that is there\n"

struct creation {
    struct tactus_create_options create;
    struct tactus_open_options open;
    struct tactus_plan plan;
    const char *schema_path; /* borrowed from argv */
    char *schema;            /* owned */
};

/* The options of a file that were given, on top of the defaults: all but --schema and --overwrite.
 * 0 or EXIT_USAGE after complaining. */
int create_options_read(const struct arguments *arguments, struct tactus_create_options *create);

/* Reads the options and the schema, and plans. 0 or an exit code after complaining; creation_deinit
 * is due either way. */
int creation_init(struct creation *creation, const struct arguments *arguments);
void creation_deinit(struct creation *creation);

/* 3 MiB as "3.00 MiB": at most three figures that count. */
void bytes_text(double bytes, char *text, size_t size);

/* The plan, aligned for people or as one JSON object. */
void plan_print(FILE *stream, const struct tactus_plan *plan);
void plan_print_json(FILE *stream, const struct tactus_plan *plan);

#endif
