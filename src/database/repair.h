/* Writes good copies over bad ones, and, where the caller accepts the loss, cuts a damaged
 * journal. */
#ifndef TACTUS_DATABASE_REPAIR_H
#define TACTUS_DATABASE_REPAIR_H

#include "database/report.h"
#include "io/reactor.h"

#include <stdbool.h>

/* The reactor's file is open for writing, and stays open. The superblock is healed first. With
 * `truncate` the journal is then cut before its first damaged entry, if there is one; a torn tail
 * that nobody was told of is none: the next opening cuts it by itself.
 *
 *   TACTUS_OK       the report says what was done, and what was lost
 *   TACTUS_CORRUPT  the superblock has no quorum; or, with `truncate`, the schema cannot be read,
 *                   which says how large an entry can be. What was healed before stays so
 *   TACTUS_VERSION, TACTUS_IO, TACTUS_FULL  as the fault says */
enum tactus_status repair_file(
    struct reactor *reactor, bool truncate, struct report *report, struct fault *fault
) __attribute__((warn_unused_result));

#endif
