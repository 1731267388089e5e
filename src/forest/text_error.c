#include "forest/text_error.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "base/poison.h"

void text_error_set(
    struct text_error *error, uint32_t line, uint32_t column, const char *format, ...
)
{
    if (error == NULL) return;

    error->line = line;
    error->column = column;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);

    /* The words may quote what someone wrote: nothing of it may reach a terminal as a command. */
    for (char *c = error->text; *c != 0; c += 1) {
        if (*c < ' ' || *c > '~') *c = '?';
    }
}
