/* Checks a file that nobody has open, byte by byte where it counts.
 *
 *   physical   superblock copies; schema; journal; trailers; free set; manifest log; every table of
 *              every level: root, leaves, value blocks, records; free set against reachability
 *   logical    every index entry and id against its object and back: of the checkpoint, and of what
 *              a reader sees after the journal's replay
 *
 * Nothing stops at the first fault: what can still be reached is looked at. What it cannot reach
 * any more it does not call leaked. Logical checks need a grid without faults. */
#ifndef TACTUS_DATABASE_VERIFY_H
#define TACTUS_DATABASE_VERIFY_H

#include "database/report.h"
#include "io/reactor.h"

/* Reads through the reactor, whose file is open (read-only will do), and changes no byte; the
 * reactor stays open. Takes memory by malloc: a byte for each block of the file, a copy of the
 * manifest, and what a read-only open takes.
 *
 *   TACTUS_OK       no fault was reported
 *   TACTUS_CORRUPT  at least one was
 *   TACTUS_VERSION  of another format: one fault line says so
 *   TACTUS_IO       the system refused to read, or has no memory: `fault` says what */
enum tactus_status verify_file(struct reactor *reactor, struct report *report, struct fault *fault)
    __attribute__((warn_unused_result));

#endif
