#ifndef TACTUS_BASE_STATUS_H
#define TACTUS_BASE_STATUS_H

#include "base/checksum.h"
#include "tactus.h"

#include <stdbool.h>
#include <stdint.h>

/* Evaluates a call that gives an enum tactus_status, and returns what it gave unless it is OK. The
 * one macro that returns: only where nothing must be undone. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        const enum tactus_status try_status = (call);                                              \
        if (try_status != TACTUS_OK) return try_status;                                            \
    } while (0)

/* Where in the file. */
enum fault_zone {
    FAULT_ZONE_NONE,
    FAULT_ZONE_SUPERBLOCK,
    FAULT_ZONE_JOURNAL,
    FAULT_ZONE_GRID,
    FAULT_ZONE_FILE, /* the file as a whole, or the system's view of it */
};

enum fault_answer { FAULT_UNKNOWN, FAULT_NO, FAULT_YES };

/* What the world did to us, with all that the message will need: filled where it is found, put into
 * words by database/. A field that does not apply is zero. */
struct fault {
    enum tactus_status status; /* OK: there is no fault */
    enum fault_zone zone;
    const char *what;   /* a literal: what is wrong */
    const char *remedy; /* a literal, or NULL */
    uint64_t op;        /* of the transaction it concerns */
    uint64_t address;   /* of the block it concerns */
    uint64_t byte;      /* offset in the file */
    uint64_t wanted_number, found_number;
    struct checksum wanted, found;
    bool has_checksums;             /* wanted and found are meant */
    enum fault_answer acknowledged; /* whether acknowledged data is affected */
    uint8_t block_type;
    uint8_t level;
    uint16_t tree;
    int32_t os_error; /* an errno, or 0 */
};

/* Notes `found` unless there is a fault already: the first one is the cause, later ones echo.
 * Returns found.status, which must not be OK. `fault` may be NULL. */
enum tactus_status fault_set(struct fault *fault, struct fault found);

void fault_clear(struct fault *fault);

#endif
