#include <string.h>

#include "commands.h"
#include "create_options.h"
#include "errors.h"
#include "output.h"

static int print_choice(const struct arguments *arguments, const struct tactus_plan *plan)
{
    enum format format = FORMAT_TABLE;
    const int code = output_format(arguments, false, &format);
    if (code != EXIT_OK) return code;
    if (format == FORMAT_JSON) {
        plan_print_json(stdout, plan);
        return output_flush();
    }

    char memory[64];
    char cache[64];
    char journal[64];
    char size_max[64];
    char block[64];
    bytes_text((double)plan->memory_bytes, memory, sizeof memory);
    bytes_text((double)plan->cache_bytes, cache, sizeof cache);
    bytes_text((double)plan->journal_bytes, journal, sizeof journal);
    bytes_text((double)plan->size_max, size_max, sizeof size_max);
    bytes_text((double)plan->block_size, block, sizeof block);
    say("created %s: an open takes %s of memory (%s of it cache, which --cache sets); batch %u, "
        "bar "
        "%u, journal %s, blocks of %s, at most %s of them",
        arguments->words[0],
        memory,
        cache,
        plan->batch_max,
        plan->bar_beats,
        journal,
        block,
        size_max);
    return EXIT_OK;
}

static int run(const struct arguments *arguments)
{
    enum format format = FORMAT_TABLE;
    int code = output_format(arguments, false, &format);
    if (code != EXIT_OK) return code; /* before there is a file */

    struct creation creation;
    code = creation_init(&creation, arguments);
    if (code == EXIT_OK) {
        struct tactus_error error = {0};
        const enum tactus_status status =
            tactus_create(arguments->words[0], creation.schema, &creation.create, &error);
        if (status != TACTUS_OK && error.line > 0) {
            code = complain_error(status, &error, creation.schema_path);
        } else if (status != TACTUS_OK) {
            code = complain_file(status, &error, arguments->words[0]);
        }
    }
    if (code == EXIT_OK) code = print_choice(arguments, &creation.plan);
    creation_deinit(&creation);
    return code;
}

static const struct option options[] = {CREATE_OPTIONS, {NULL, OPTION_END}};

const struct command command_create = {
    .name = "create",
    .synopsis = "FILE --schema S [options]",
    .help = "Makes a data file with this schema. Its options are fixed from then on.\n"
            "\n" CREATE_OPTIONS_HELP "\n"
            "Example:\n"
            "  tactus create shop.tactus --schema sale.tactus-schema --memory 64M\n",
    .options = options,
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
