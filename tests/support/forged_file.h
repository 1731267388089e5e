/* A file that somebody has made to do harm: the bytes of a sound one, in which the events of tables
 * in the manifest log are changed, or the tables' blocks, and whose checksums are then made to hold
 * again. Only lengths are believed of what was changed before. */
#ifndef TACTUS_TESTS_FORGED_FILE_H
#define TACTUS_TESTS_FORGED_FILE_H

#include "base/random.h"
#include "lsm/manifest.h"
#include "storage/layout.h"
#include "support/simulated_disk.h"

#include <stdbool.h>
#include <stdint.h>

enum { FORGED_TABLES_MAX = 1024 };

struct forged_file {
    uint8_t *sound; /* owned, as is bytes */
    uint8_t *bytes;
    uint64_t size;
    struct layout layout;
    uint64_t block_count; /* whole ones in the file */
    uint64_t beat_capture;
    struct table_info tables[FORGED_TABLES_MAX]; /* as they are in the sound file */
    uint32_t table_count;
    uint32_t trimmed_count; /* of these */
};

/* Takes the bytes of a file that was closed. */
void forged_file_begin(struct forged_file *file, const struct simulated_disk *disk);
void forged_file_end(struct forged_file *file);

/* Tells it of the tables of one tree of that file. */
void forged_file_add(struct forged_file *file, const struct manifest *manifest);

/* Undoes all changes. */
void forged_file_reset(struct forged_file *file);

/* Has the manifest log say this of one of the tables. False: it says something else by now. */
bool forged_file_set(
    struct forged_file *file, const struct table_info *table, const struct table_info *forged
);

/* Changes something at random: bounds of a table, mostly of level 0; its place; bytes of one of its
 * blocks. */
void forged_file_change(struct forged_file *file, struct random *random);

/* Makes the checksums hold, and writes it to the disk. */
void forged_file_write(struct forged_file *file, struct simulated_disk *disk);

#endif
