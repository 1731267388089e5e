/* In place of libFuzzer where it is not built in: runs a fuzz target once on every file that is
 * named, or that lies in a directory that is named; so old findings stay found in every build. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/poison.h"

enum { INPUT_BYTES_MAX = 16 << 20, PATH_BYTES_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t replayed;

static void replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(INPUT_BYTES_MAX);
    if (file == NULL || data == NULL) {
        perror(path);
        exit(1);
    }
    const size_t size = fread(data, 1, INPUT_BYTES_MAX, file);
    (void)fclose(file);

    /* exactly as large as the input, so that a sanitizer sees the first byte past its end */
    uint8_t *input = malloc(size + (size == 0));
    if (input == NULL) abort();
    for (size_t index = 0; index < size; index += 1) {
        input[index] = data[index];
    }
    free(data);

    (void)LLVMFuzzerTestOneInput(input, size);
    free(input);
    replayed += 1;
}

static void replay_directory(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL) {
        perror(path);
        exit(1);
    }
    for (const struct dirent *entry = readdir(directory); entry != NULL;
         entry = readdir(directory)) {
        if (entry->d_name[0] == '.') continue;
        char name[PATH_BYTES_MAX];
        const int length = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (length < 0 || (size_t)length >= sizeof name) continue;
        replay_file(name);
    }
    (void)closedir(directory);
}

int main(int argc, char **argv)
{
    for (int index = 1; index < argc; index += 1) {
        struct stat status;
        if (stat(argv[index], &status) != 0) {
            perror(argv[index]);
            return 1;
        }
        if (S_ISDIR(status.st_mode)) {
            replay_directory(argv[index]);
        } else {
            replay_file(argv[index]);
        }
    }
    (void)printf("%llu inputs replayed\n", (unsigned long long)replayed);
    return replayed == 0;
}
