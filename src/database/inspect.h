/* The insides of a file, damaged or not, for people and scripts. */
#ifndef TACTUS_DATABASE_INSPECT_H
#define TACTUS_DATABASE_INSPECT_H

#include "database/inspect_writer.h"
#include "io/reactor.h"

#include <stdbool.h>

enum inspect_what {
    INSPECT_SUMMARY,
    INSPECT_SUPERBLOCK,
    INSPECT_JOURNAL,
    INSPECT_MANIFEST,
    INSPECT_TREES,
    INSPECT_TABLES,
    INSPECT_BLOCKS,
    INSPECT_MEMORY,
    INSPECT_STATS,
};

/* The number of a word ("superblock" ...); NULL is the summary. False: there is no such word. */
bool inspect_what_find(const char *word, enum inspect_what *what);

/* Writes what was asked for through the writer, which the caller begins and ends. The reactor's
 * file is open (read-only will do), stays open, and not a byte of it changes. Faults stand among
 * what is written, under "faults"; what lies behind them is left out.
 *
 *   TACTUS_OK       the superblock could be read, and the schema where it is needed
 *   TACTUS_CORRUPT, TACTUS_VERSION  not even these; what there is of them was written
 *   TACTUS_IO       the system refused to read, or has no memory */
enum tactus_status inspect_file(
    struct reactor *reactor,
    enum inspect_what what,
    struct inspect_writer *writer,
    struct fault *fault
) __attribute__((warn_unused_result));

#endif
