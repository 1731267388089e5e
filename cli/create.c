#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "create_options.h"
#include "errors.h"
#include "output.h"

/* With --overwrite the schema would be gone, and be read by nobody again. */
static int check_path(const struct arguments *arguments)
{
    const char *path = arguments->words[0];
    const char *schema = arguments_value(arguments, "schema");
    struct stat one;
    struct stat other;
    if (schema == NULL || stat(path, &one) != 0 || S_ISCHR(one.st_mode)) return EXIT_OK;
    const int answer =
        strcmp(schema, "-") == 0 ? fstat(STDIN_FILENO, &other) : stat(schema, &other);
    if (answer != 0 || one.st_dev != other.st_dev || one.st_ino != other.st_ino) return EXIT_OK;
    return complain_usage("create", "'%s' is the schema's file: name another", path);
}

/* "; 3276800 objects of every collection fit, then tables-max is reached". */
static void limit_text(const struct tactus_plan *plan, char *text, size_t size)
{
    (void)snprintf(
        text,
        size,
        "; %llu objects of every collection fit, then %s is reached",
        (unsigned long long)plan->objects_max,
        plan->tables_bind != 0 ? "tables-max (before size-max)" : "size-max"
    );
}

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
    char limit[160];
    limit_text(plan, limit, sizeof limit);
    say("created %s: an open takes %s of memory (%s of it cache, which --cache sets); batch %u, "
        "bar %u, journal %s, blocks of %s, at most %s of them%s",
        arguments->words[0],
        memory,
        cache,
        plan->batch_max,
        plan->bar_beats,
        journal,
        block,
        size_max,
        limit);
    return EXIT_OK;
}

static int run(const struct arguments *arguments)
{
    enum format format = FORMAT_TABLE;
    int code = output_format(arguments, false, &format);
    if (code == EXIT_OK) code = check_path(arguments);
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
