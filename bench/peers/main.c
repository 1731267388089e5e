/* tactus-bench: what `tactus bench` does, with other engines beside Tactus in the same run. */
#include <stdio.h>
#include <string.h>

#include "cli/arguments.h"
#include "cli/bench.h"
#include "cli/commands.h"
#include "cli/errors.h"
#include "cli/output.h"
#include "engine_rocksdb.h"
#include "engine_sqlite.h"

static int run(const struct arguments *arguments)
{
    static const struct bench_engine *const engines[] = {
        &bench_engine_tactus,
#ifdef BENCH_HAS_ROCKSDB
        &bench_engine_rocksdb,
#endif
#ifdef BENCH_HAS_SQLITE
        &bench_engine_sqlite,
#endif
        NULL};
    return bench_command(arguments, engines);
}

int main(int argc, char **argv)
{
    struct command command = command_bench;
    command.run = run;
    struct arguments arguments;
    int code = arguments_parse(&arguments, &command, argc - 1, argv + 1);
    if (code == EXIT_OK && arguments.help) {
        (void)printf("tactus-bench %s\n\n%s", command.synopsis, command.help);
        code = output_flush();
    } else if (code == EXIT_OK) {
        code = run(&arguments);
    }
    arguments_deinit(&arguments);
    return code;
}
