#include "arguments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"

static const struct option common_options[] = {
    {"cache", OPTION_VALUE},
    {"io", OPTION_VALUE},
    {"worker", OPTION_VALUE},
    {"compaction-depth", OPTION_VALUE},
    {"format", OPTION_VALUE},
    {"memory-max", OPTION_VALUE},
    {"help", OPTION_FLAG},
    {NULL, OPTION_END},
};

static const struct option *option_in(
    const struct option *options, const char *name, size_t name_size
)
{
    for (const struct option *option = options; option->kind != OPTION_END; option += 1) {
        if (strlen(option->name) == name_size && memcmp(option->name, name, name_size) == 0) {
            return option;
        }
    }
    return NULL;
}

static const struct option *option_find(
    const struct command *command, const char *name, size_t name_size
)
{
    const struct option *option = option_in(command->options, name, name_size);
    return option != NULL ? option : option_in(common_options, name, name_size);
}

/* Reads the option argv[*at]; moves *at on to its value's word if it has one there. */
static int parse_option(struct arguments *arguments, int argc, char **argv, int *at)
{
    const char *command = arguments->command->name;
    const char *name = argv[*at] + 2;
    const char *equals = strchr(name, '=');
    const size_t name_size = equals != NULL ? (size_t)(equals - name) : strlen(name);
    const struct option *option = option_find(arguments->command, name, name_size);
    if (option == NULL) {
        return complain_usage(command, "there is no option --%.*s", (int)name_size, name);
    }

    const char *value = equals != NULL ? equals + 1 : NULL;
    if (option->kind == OPTION_FLAG && value != NULL) {
        return complain_usage(command, "--%s takes no value", option->name);
    }
    if (option->kind == OPTION_VALUE && value == NULL) {
        if (*at + 1 >= argc) return complain_usage(command, "--%s needs a value", option->name);
        *at += 1;
        value = argv[*at];
    }
    if (option->kind == OPTION_FLAG && strcmp(option->name, "help") == 0) arguments->help = true;
    arguments->given[arguments->given_count] = (struct given_option){option, value};
    arguments->given_count += 1;
    return EXIT_OK;
}

static int check_words(const struct arguments *arguments)
{
    const struct command *command = arguments->command;
    if (arguments->word_count < command->words_min) {
        return complain(
            EXIT_USAGE,
            "%s: something is missing; write: tactus %s %s",
            command->name,
            command->name,
            command->synopsis
        );
    }
    if (command->words_max >= 0 && arguments->word_count > command->words_max) {
        return complain_usage(
            command->name, "'%s' is one word too many", arguments->words[command->words_max]
        );
    }
    return EXIT_OK;
}

int arguments_parse(
    struct arguments *arguments, const struct command *command, int argc, char **argv
)
{
    const size_t room = (size_t)argc + 1;
    *arguments = (struct arguments){.command = command};
    arguments->words = calloc(room, sizeof *arguments->words);
    arguments->given = calloc(room, sizeof *arguments->given);
    if (arguments->words == NULL || arguments->given == NULL) {
        return complain_system("arguments", "free some memory");
    }

    for (int at = 0; at < argc && strcmp(argv[at], "--") != 0; at += 1) {
        if (strcmp(argv[at], "--help") == 0) arguments->help = true;
    }
    if (arguments->help) return EXIT_OK;

    bool plain = false;
    for (int at = 0; at < argc; at += 1) {
        const char *word = argv[at];
        if (plain || word[0] != '-' || word[1] == 0) {
            arguments->words[arguments->word_count] = word;
            arguments->word_count += 1;
        } else if (strcmp(word, "--") == 0) {
            plain = true;
        } else if (word[1] != '-') {
            return complain_usage(
                command->name, "'%s' is no option, they are long; a word may follow '--'", word
            );
        } else {
            const int code = parse_option(arguments, argc, argv, &at);
            if (code != EXIT_OK) return code;
        }
    }
    return check_words(arguments);
}

void arguments_deinit(struct arguments *arguments)
{
    free(arguments->words);
    free(arguments->given);
    *arguments = (struct arguments){0};
}

static const struct given_option *given_last(const struct arguments *arguments, const char *name)
{
    for (int i = arguments->given_count; i > 0; i -= 1) {
        const struct given_option *given = &arguments->given[i - 1];
        if (strcmp(given->option->name, name) == 0) return given;
    }
    return NULL;
}

bool arguments_has(const struct arguments *arguments, const char *name)
{
    return given_last(arguments, name) != NULL;
}

const char *arguments_value(const struct arguments *arguments, const char *name)
{
    const struct given_option *given = given_last(arguments, name);
    return given != NULL ? given->value : NULL;
}

/* Reads the digits at *text and moves it behind them. */
static bool digits_parse(const char **text, uint64_t *number)
{
    const char *at = *text;
    uint64_t sum = 0;
    for (; *at >= '0' && *at <= '9'; at += 1) {
        const uint64_t digit = (uint64_t)(*at - '0');
        if (sum > (UINT64_MAX - digit) / 10) return false;
        sum = sum * 10 + digit;
    }
    if (at == *text) return false;
    *text = at;
    *number = sum;
    return true;
}

static bool number_parse(const char *text, uint64_t *number)
{
    return digits_parse(&text, number) && *text == 0;
}

static bool size_parse(const char *text, uint64_t *size)
{
    uint64_t number = 0;
    if (!digits_parse(&text, &number)) return false;

    uint32_t shift = 0;
    switch (*text) {
    case 'k':
    case 'K': shift = 10; break;
    case 'm':
    case 'M': shift = 20; break;
    case 'g':
    case 'G': shift = 30; break;
    case 't':
    case 'T': shift = 40; break;
    default: break;
    }
    if (shift > 0) text += 1;
    if (*text != 0 || number > UINT64_MAX >> shift) return false;
    *size = number << shift;
    return true;
}

int arguments_size(const struct arguments *arguments, const char *name, uint64_t *value)
{
    const char *text = arguments_value(arguments, name);
    if (text == NULL || size_parse(text, value)) return EXIT_OK;
    return complain_usage(
        arguments->command->name, "--%s '%s' is no size such as 4096, 32K, 16M or 1T", name, text
    );
}

int arguments_number(
    const struct arguments *arguments, const char *name, uint64_t max, uint64_t *value
)
{
    const char *text = arguments_value(arguments, name);
    if (text == NULL) return EXIT_OK;

    uint64_t number = 0;
    if (!number_parse(text, &number) || number > max) {
        return complain_usage(
            arguments->command->name,
            "--%s '%s' is no number from 0 to %llu",
            name,
            text,
            (unsigned long long)max
        );
    }
    *value = number;
    return EXIT_OK;
}

int arguments_choice(
    const struct arguments *arguments, const char *name, const char *const *choices, int *choice
)
{
    const char *text = arguments_value(arguments, name);
    if (text == NULL) return EXIT_OK;

    char all[128] = "";
    size_t used = 0;
    for (int i = 0; choices[i] != NULL; i += 1) {
        if (strcmp(choices[i], text) == 0) {
            *choice = i;
            return EXIT_OK;
        }
        const int more = snprintf(
            all + used,
            sizeof all - used,
            "%s%s",
            i == 0           ? ""
            : choices[i + 1] ? ", "
                             : " or ",
            choices[i]
        );
        if (more > 0 && (size_t)more < sizeof all - used) used += (size_t)more;
    }
    return complain_usage(arguments->command->name, "--%s '%s' is not %s", name, text, all);
}
