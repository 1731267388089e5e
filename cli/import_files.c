#include "import_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "csv_reader.h"
#include "errors.h"

/* ---- What is read -------------------------------------------------------------------------- */

static int check_readable(const char *path)
{
    struct stat status;
    bool good = stat(path, &status) == 0;
    if (good && S_ISDIR(status.st_mode)) {
        errno = EISDIR;
        good = false;
    } else if (good && !S_ISREG(status.st_mode)) {
        good = access(path, R_OK) == 0; /* to open a pipe is to begin to read it */
    } else if (good) {
        const int fd = open(path, O_RDONLY | O_CLOEXEC);
        good = fd >= 0;
        if (good) (void)close(fd);
    }
    if (good) return EXIT_OK;
    return complain_system(path, "nothing was imported: name a file that can be read");
}

/* The cells of a header, each zero-terminated. */
struct header {
    char *text; /* owned; NULL: there is none */
    size_t size;
};

static bool take_header(void *context, const struct csv_row *row)
{
    struct header *header = context;
    const struct csv_cell *last = &row->cells[row->cell_count - 1];
    header->size = last->offset + last->size + 1;
    header->text = malloc(header->size);
    if (header->text != NULL) memcpy(header->text, row->text, header->size);
    return false;
}

/* Nothing for what is no plain file; what is wrong with a header is said when it is imported. */
static void read_header(const char *path, char delimiter, struct header *header)
{
    struct stat status;
    if (strcmp(path, "-") == 0 || stat(path, &status) != 0 || !S_ISREG(status.st_mode)) return;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;

    const struct csv_calls calls = {.row = take_header, .context = header};
    struct csv_reader reader;
    char *block = malloc(CSV_BLOCK_SIZE);
    bool going = csv_reader_init(&reader, delimiter, &calls) && block != NULL;
    while (going) {
        const ssize_t size = read(fd, block, CSV_BLOCK_SIZE);
        if (size <= 0) break;
        going = csv_reader_feed(&reader, block, (size_t)size);
    }
    if (going) (void)csv_reader_finish(&reader);
    csv_reader_deinit(&reader);
    free(block);
    (void)close(fd);
}

/* Rows are set aside under one header. */
static int check_headers(const struct arguments *arguments, char delimiter)
{
    struct header first = {0};
    const char *first_path = NULL;
    int code = EXIT_OK;
    for (int i = 2; i < arguments->word_count && code == EXIT_OK; i += 1) {
        struct header header = {0};
        const char *path = arguments->words[i];
        read_header(path, delimiter, &header);
        if (header.text == NULL) continue;
        if (first.text == NULL) {
            first = header;
            first_path = path;
            continue;
        }
        const bool same =
            header.size == first.size && memcmp(header.text, first.text, first.size) == 0;
        free(header.text);
        if (!same) {
            code = complain(
                EXIT_USAGE,
                "import: --reject has one header, and that of '%s' is not that of '%s'; import "
                "the files one by one",
                path,
                first_path
            );
        }
    }
    free(first.text);
    return code;
}

/* ---- What is written ----------------------------------------------------------------------- */

static bool is_file(const struct stat *status, const char *path)
{
    struct stat other;
    const int answer = strcmp(path, "-") == 0 ? fstat(STDIN_FILENO, &other) : stat(path, &other);
    return answer == 0 && status->st_dev == other.st_dev && status->st_ino == other.st_ino;
}

/* What else the target is, in words, or NULL. A device such as /dev/null may be many things. */
static const char *clash(
    const struct import_target *target,
    const struct import_target *before,
    const struct arguments *arguments
)
{
    if (S_ISCHR(target->status.st_mode)) return NULL;
    if (is_file(&target->status, arguments->words[0])) return "is the data file";
    if (arguments->word_count == 2 && is_file(&target->status, "-")) {
        return "is one of the files to read";
    }
    for (int i = 2; i < arguments->word_count; i += 1) {
        if (is_file(&target->status, arguments->words[i])) return "is one of the files to read";
    }
    const bool same = before != NULL && before->fd >= 0 &&
                      before->status.st_dev == target->status.st_dev &&
                      before->status.st_ino == target->status.st_ino;
    return same ? "is the file of --stats" : NULL;
}

static int refuse(const struct import_target *target, const char *why)
{
    return complain_usage(
        "import", "--%s '%s' %s: name another", target->option, target->path, why
    );
}

static int open_target(
    struct import_target *target,
    const struct import_target *before,
    const struct arguments *arguments
)
{
    target->path = arguments_value(arguments, target->option);
    if (target->path == NULL) return EXIT_OK;
    if (stat(target->path, &target->status) == 0) {
        const char *why = clash(target, before, arguments);
        if (why != NULL) return refuse(target, why);
    }

    /* Not truncated: nothing is lost until the import begins. */
    target->fd = open(target->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    target->created = target->fd >= 0;
    if (target->fd < 0 && errno == EEXIST) {
        target->fd = open(target->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    }
    if (target->fd < 0 || fstat(target->fd, &target->status) != 0) {
        return complain_system(target->path, "name a file that can be written");
    }
    /* Once more: only now has a file that was not there an inode to compare. */
    const char *why = clash(target, before, arguments);
    return why != NULL ? refuse(target, why) : EXIT_OK;
}

static void close_target(struct import_target *target)
{
    if (target->fd < 0) return;
    (void)close(target->fd);
    if (target->created) (void)unlink(target->path);
    target->fd = -1;
}

int import_target_begin(struct import_target *target, FILE **stream)
{
    *stream = NULL;
    if (target->fd < 0) return EXIT_OK;
    if (!S_ISREG(target->status.st_mode) || ftruncate(target->fd, 0) == 0) {
        *stream = fdopen(target->fd, "w");
    }
    if (*stream == NULL) return complain_system(target->path, "name a file that can be written");
    target->fd = -1;
    return EXIT_OK;
}

/* ---- All of them --------------------------------------------------------------------------- */

int import_files_open(struct import_files *files, const struct arguments *arguments, char delimiter)
{
    *files = (struct import_files){
        .stats = {.option = "stats", .fd = -1},
        .reject = {.option = "reject", .fd = -1},
    };
    int code = EXIT_OK;
    for (int i = 2; i < arguments->word_count && code == EXIT_OK; i += 1) {
        const char *path = arguments->words[i];
        if (strcmp(path, "-") != 0) code = check_readable(path);
    }
    if (code == EXIT_OK) code = open_target(&files->stats, NULL, arguments);
    if (code == EXIT_OK) code = open_target(&files->reject, &files->stats, arguments);
    if (code == EXIT_OK && files->reject.path != NULL) code = check_headers(arguments, delimiter);
    return code;
}

void import_files_close(struct import_files *files)
{
    close_target(&files->stats);
    close_target(&files->reject);
}
