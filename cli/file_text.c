#include "file_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"

enum { FILE_TEXT_MAX = 1 << 20 };

int file_text_read(const char *path, char **text)
{
    *text = NULL;
    const int is_standard_input = strcmp(path, "-") == 0;
    FILE *stream = is_standard_input ? stdin : fopen(path, "rb");
    if (stream == NULL) return complain_system(path, "name a file that can be read");

    char *buffer = malloc(FILE_TEXT_MAX + 1);
    int code = EXIT_OK;
    if (buffer == NULL) {
        code = complain_system(path, "free some memory");
    } else {
        const size_t size = fread(buffer, 1, FILE_TEXT_MAX + 1, stream);
        if (ferror(stream) != 0) {
            code = complain_system(path, "name a file that can be read");
        } else if (size > FILE_TEXT_MAX) {
            code = complain(EXIT_USAGE, "%s: longer than 1 MiB; name a schema", path);
        } else if (memchr(buffer, 0, size) != NULL) {
            code = complain(EXIT_USAGE, "%s: a zero byte is in it; name a schema, a text", path);
        } else {
            buffer[size] = 0;
        }
    }
    if (!is_standard_input) (void)fclose(stream);
    if (code != EXIT_OK) {
        free(buffer);
        return code;
    }
    *text = buffer;
    return EXIT_OK;
}
