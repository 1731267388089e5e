/* What the system says of this process and of files. */
#ifndef TACTUS_BENCH_PROCESS_H
#define TACTUS_BENCH_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/* Nanoseconds of a clock that never goes back. */
uint64_t process_clock_ns(void);

struct process_usage {      /* since the process began; differences are what counts */
    double cpu_seconds;     /* of all threads, user and system */
    bool has_io;            /* /proc/self/io could be read: then the next two hold */
    uint64_t bytes_read;    /* from devices */
    uint64_t bytes_written; /* to devices, or due to be: pages of the page cache that were dirtied,
                               less those that were dropped before they were written */
};

void process_usage(struct process_usage *usage);

/* The most memory that was resident at once, in bytes. */
uint64_t process_peak_rss(void);

/* Blocks that a file, or all files of a folder (one level), take on the disk, in bytes, and their
 * lengths. Zero for what is not there. */
struct file_bytes {
    uint64_t length;
    uint64_t allocated;
};
struct file_bytes process_file_bytes(const char *path);

/* Removes the file, or the folder and its files (one level). */
void process_remove(const char *path);

#endif
