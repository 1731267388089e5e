#include "commands.h"
#include "create_options.h"
#include "errors.h"
#include "output.h"

static int run(const struct arguments *arguments)
{
    enum format format = FORMAT_TABLE;
    static const char *const choices[] = {"table", "text", "json", NULL};
    int choice = 0;
    int code = arguments_choice(arguments, "format", choices, &choice);
    if (code != EXIT_OK) return code;
    if (choice == 2) format = FORMAT_JSON;

    struct creation creation;
    code = creation_init(&creation, arguments);
    if (code == EXIT_OK && format == FORMAT_JSON) plan_print_json(stdout, &creation.plan);
    if (code == EXIT_OK && format == FORMAT_TABLE) plan_print(stdout, &creation.plan);
    creation_deinit(&creation);
    return code == EXIT_OK ? output_flush() : code;
}

static const struct option options[] = {CREATE_OPTIONS, {NULL, OPTION_END}};

const struct command command_plan = {
    .name = "plan",
    .synopsis = "--schema S [options of create] [--format table|json]",
    .help =
        "Says what a file would cost before there is one: memory and its split, how many\n"
        "objects fit, bytes an object takes, the time of an open, the worst write amplification.\n"
        "\n" CREATE_OPTIONS_HELP
        "  --format table|json  lines for people (table), or one JSON object\n"
        "\n"
        "Example:\n"
        "  tactus plan --schema sale.tactus-schema --cache 256M --format json\n",
    .options = options,
    .words_min = 0,
    .words_max = 0,
    .run = run,
};
