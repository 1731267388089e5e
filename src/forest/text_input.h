/* Reading a text character by character: what number_text.c, time_text.c and field_text.c share. */
#ifndef TACTUS_FOREST_TEXT_INPUT_H
#define TACTUS_FOREST_TEXT_INPUT_H

#include "base/integer.h"
#include "forest/text_error.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* A text to be read, from `at` on. */
struct input {
    const char *text; /* borrowed; no zero byte behind it */
    uint64_t size;
    uint64_t at;
    struct text_error *error; /* may be NULL */
};

#define input_refuse(input, ...) (text_error_set((input)->error, 0, 0, __VA_ARGS__), false)

/* For "%.*s": what was read, at most so much that the reason still fits behind it. */
#define INPUT_TEXT(input) (int)min_u64((input)->size, 60), (input)->text

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static inline int hex_digit(char c)
{
    if (is_digit(c)) return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static inline bool input_at_end(const struct input *input)
{
    return input->at == input->size;
}

/* The next character, or 0 at the end. */
static inline char input_peek(const struct input *input)
{
    return input_at_end(input) ? 0 : input->text[input->at];
}

static inline bool input_accept(struct input *input, char c)
{
    if (input_at_end(input) || input->text[input->at] != c) return false;
    input->at += 1;
    return true;
}

static inline bool input_is_word(const struct input *input, const char *word)
{
    if (strlen(word) != input->size) return false;
    for (uint64_t i = 0; i < input->size; i += 1) {
        if (lower(input->text[i]) != word[i]) return false;
    }
    return true;
}

#endif
