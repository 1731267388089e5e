#include "bench/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

uint64_t process_clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

void process_usage(struct process_usage *usage)
{
    struct rusage used;
    memset(&used, 0, sizeof used);
    (void)getrusage(RUSAGE_SELF, &used);
    *usage = (struct process_usage){
        .cpu_seconds = seconds_of(used.ru_utime) + seconds_of(used.ru_stime),
    };

    FILE *file = fopen("/proc/self/io", "re");
    if (file == NULL) return;
    uint64_t cancelled = 0;
    uint32_t found = 0;
    char line[128];
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "read_bytes: %" SCNu64, &usage->bytes_read) == 1) found += 1;
        if (sscanf(line, "write_bytes: %" SCNu64, &usage->bytes_written) == 1) found += 1;
        if (sscanf(line, "cancelled_write_bytes: %" SCNu64, &cancelled) == 1) found += 1;
    }
    (void)fclose(file);
    usage->has_io = found == 3;
    usage->bytes_written -= cancelled < usage->bytes_written ? cancelled : usage->bytes_written;
}

uint64_t process_peak_rss(void)
{
    struct rusage used;
    memset(&used, 0, sizeof used);
    (void)getrusage(RUSAGE_SELF, &used);
    return (uint64_t)used.ru_maxrss * 1024;
}

/* Calls `visit` for each file of the folder. */
static void each_file(
    const char *path, void (*visit)(void *context, const char *path), void *context
)
{
    DIR *folder = opendir(path);
    if (folder == NULL) return;
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char name[PATH_SIZE];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        const int size = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (size > 0 && (size_t)size < sizeof name) visit(context, name);
    }
    (void)closedir(folder);
}

static void add_file(void *context, const char *path)
{
    struct file_bytes *bytes = context;
    struct stat status;
    if (lstat(path, &status) != 0 || !S_ISREG(status.st_mode)) return;
    bytes->length += (uint64_t)status.st_size;
    bytes->allocated += (uint64_t)status.st_blocks * 512;
}

struct file_bytes process_file_bytes(const char *path)
{
    struct file_bytes bytes = {0};
    add_file(&bytes, path);
    each_file(path, add_file, &bytes);
    return bytes;
}

static void remove_file(void *context, const char *path)
{
    (void)context;
    (void)unlink(path);
}

void process_remove(const char *path)
{
    each_file(path, remove_file, NULL);
    if (rmdir(path) != 0) (void)unlink(path);
}
