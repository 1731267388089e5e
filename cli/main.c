#include <stdio.h>
#include <string.h>

#include "arguments.h"
#include "commands.h"
#include "errors.h"
#include "output.h"
#include "tactus.h"

static const struct command *const commands[] = {
    &command_create,
    &command_plan,
    &command_import,
    &command_put,
    &command_set,
    &command_get,
    &command_remove,
    &command_query,
    &command_export,
    &command_digest,
    &command_verify,
    &command_inspect,
    &command_stats,
    &command_repair,
    &command_codegen,
    &command_bench,
};
enum { COMMAND_COUNT = (int)(sizeof commands / sizeof commands[0]) };

/* Names that are settled and not there yet: an old script learns why. */
static const char *const later[] = {
    "alter",
    "snapshot",
    "salvage",
    "report",
    "diff",
    "backup",
    "restore",
    "scrub",
    "top",
    "shell",
};

static const char common_help[] =
    "Common options:\n"
    "  --cache SIZE         block cache (64M)\n"
    "  --io uring|posix     how the file is read and written; TACTUS_IO=posix does it, too\n"
    "  --worker on|off      whether the library may start a thread of its own\n"
    "  --compaction-depth N blocks of each table that compaction has under way, 1 to 8 (5)\n"
    "  --memory-max SIZE    refuse to open what needs more memory\n"
    "  --format F           of rows: table, csv or json; a table on a terminal, CSV in a pipe\n";

static void print_help(void)
{
    (void)printf("tactus - an embeddable, indexed, log-structured store of fixed-size objects\n\n"
                 "Commands:\n");
    for (int i = 0; i < COMMAND_COUNT; i += 1) {
        (void)printf("  tactus %s %s\n", commands[i]->name, commands[i]->synopsis);
    }
    (void)printf(
        "\n'tactus COMMAND --help' has each one's options and an example.\n\n"
        "%s\n"
        "Exit status: 0 done; 1 absent, exists, invalid; 2 wrong use, schema, expression; 3 "
        "damage;\n"
        "4 I/O or a full disk; 5 another process has the file; 6 a limit; 130 or 143 a "
        "signal.\n\n"
        "Example:\n"
        "  tactus create shop.tactus --schema sale.tactus-schema\n"
        "  tactus import shop.tactus sale sales.csv --map id=@row\n"
        "  tactus query shop.tactus sale \"country = 'Germany' and quantity > 100\" --order -at\n",
        common_help
    );
}

static int run_command(const struct command *command, int argc, char **argv)
{
    struct arguments arguments;
    int code = arguments_parse(&arguments, command, argc, argv);
    if (code == EXIT_OK && arguments.help) {
        (void)printf("tactus %s %s\n\n%s\n", command->name, command->synopsis, command->help);
        (void)fputs(common_help, stdout);
        code = output_flush();
    } else if (code == EXIT_OK) {
        code = command->run(&arguments);
    }
    arguments_deinit(&arguments);
    return code;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        return complain(EXIT_USAGE, "command: none was given; see 'tactus --help'");
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "help") == 0) {
        print_help();
        return output_flush();
    }
    if (strcmp(name, "--version") == 0) {
        const uint32_t version = tactus_version();
        (void)printf("tactus %u.%u.%u\n", version / 10000, version / 100 % 100, version % 100);
        return output_flush();
    }
    for (int i = 0; i < COMMAND_COUNT; i += 1) {
        if (strcmp(name, commands[i]->name) == 0) {
            return run_command(commands[i], argc - 2, argv + 2);
        }
    }
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i += 1) {
        if (strcmp(name, later[i]) == 0) {
            return complain(
                EXIT_USAGE,
                "%s: comes with a later version; see 'tactus --help' for what is there",
                name
            );
        }
    }
    return complain(EXIT_USAGE, "%s: there is no such command; see 'tactus --help'", name);
}
