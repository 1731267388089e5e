#include <stddef.h>

#include "commands.h"
#include "inspect.h"

static int run(const struct arguments *arguments)
{
    return inspect_print(arguments, "stats");
}

static const struct option options[] = {{NULL, OPTION_END}};

const struct command command_stats = {
    .name = "stats",
    .synopsis = "FILE [--format table|json]",
    .help =
        "Prints what a file's history came to, up to its last checkpoint: blocks in use and free,\n"
        "the manifest log and how it keeps short, the journal, counts of everything since the "
        "file\n"
        "was made, write amplification by level and what each tree holds in each level. Changes "
        "no\n"
        "byte.\n"
        "\n"
        "  --format table|json  for people (table), or one JSON object on a line\n"
        "\n"
        "Amplification is bytes of the blocks written into a level's tables, divided by\n"
        "bytes_committed: those of the objects inserted and updated, and 8 for each remove.\n"
        "Slices are merges of several sorted runs (create --runs), trims the tables that they "
        "took\n"
        "the lower part of.\n"
        "Figures of a process (work per beat, times): import --stats, and tactus_stats() in C.\n"
        "\n"
        "Example:\n"
        "  tactus stats shop.tactus\n",
    .options = options,
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
