/* Arguments of a command: long options, `--name value` or `--name=value`, among plain words; what
 * follows `--` is plain. An option that takes a value takes the next word whatever it looks like,
 * so `--order -at` needs no `=`. */
#ifndef TACTUS_CLI_ARGUMENTS_H
#define TACTUS_CLI_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

enum option_kind {
    OPTION_END = 0, /* closes a table */
    OPTION_FLAG,    /* no value */
    OPTION_VALUE    /* given twice: the last one holds, unless the command reads all of them */
};

struct option {
    const char *name; /* without the dashes */
    enum option_kind kind;
};

struct arguments;

struct command {
    const char *name;
    const char *synopsis;         /* what follows "tactus NAME" */
    const char *help;             /* sentences, options, an example */
    const struct option *options; /* besides the common ones; closed by OPTION_END */
    int words_min, words_max;     /* plain words; words_max -1: any number */
    int (*run)(const struct arguments *arguments); /* answers an exit code */
};

struct given_option {
    const struct option *option;
    const char *value; /* NULL for a flag; borrowed from argv */
};

struct arguments {
    const struct command *command;
    const char **words; /* owned; each borrowed from argv */
    int word_count;
    struct given_option *given; /* owned */
    int given_count;
    bool help; /* --help was among them: nothing else was checked */
};

/* argv[0] is the first word after the command's name. 0, or EXIT_USAGE after it has complained.
 * arguments_deinit is due either way. */
int arguments_parse(
    struct arguments *arguments, const struct command *command, int argc, char **argv
);
void arguments_deinit(struct arguments *arguments);

bool arguments_has(const struct arguments *arguments, const char *name);

/* The value of the last option of that name, or NULL. */
const char *arguments_value(const struct arguments *arguments, const char *name);

/* Sizes: 4096, 16M, 32K, 1T (powers of 1,024). Numbers: decimal digits. Both leave `*value` alone
 * where the option was not given. 0, or EXIT_USAGE after complaining. */
int arguments_size(const struct arguments *arguments, const char *name, uint64_t *value);
int arguments_number(
    const struct arguments *arguments, const char *name, uint64_t max, uint64_t *value
);

/* The index of the option's value in `choices` (closed by NULL) goes to `*choice`, which is left
 * alone where the option was not given. 0, or EXIT_USAGE after complaining. */
int arguments_choice(
    const struct arguments *arguments, const char *name, const char *const *choices, int *choice
);

#endif
