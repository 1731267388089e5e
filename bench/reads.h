/* Reads of what a workload left behind, each kind for some seconds by one thread, each question
 * timed alone. Every object that comes is compared with what it should be, between the questions.
 *
 *   cached   the cache holds all there is twice over, and what is asked has just been asked
 *   large    the data is four times the cache, and nothing comes out of the page cache
 *
 * First of all the same questions are asked of every engine, and the whole answers held against the
 * truth; their checksum is the same whatever the engine. */
#ifndef TACTUS_BENCH_READS_H
#define TACTUS_BENCH_READS_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/engine.h"
#include "bench/latencies.h"
#include "bench/objects.h"

enum bench_read_kind {
    READ_GET = 0, /* an id drawn evenly */
    READ_GET_64,  /* 64 of them at a time */
    READ_ABSENT,  /* an id that is not there */
    READ_NEWEST,  /* the newest BENCH_NEWEST of an account drawn evenly */
    READ_TWO,     /* the same, of one code */
    READ_SCAN,    /* all objects, by timestamp */
    READ_COUNT
};

enum {
    BENCH_GET_BATCH = 64,
    BENCH_ANSWERS = 256, /* questions of each kind that are held against the truth */
    BENCH_READ_SECONDS = 2
};

struct bench_read {
    uint64_t questions;
    uint64_t wanted; /* ids looked up, or objects that came */
    double seconds;  /* of asking alone */
    bool has_io;     /* then the next one holds */
    uint64_t device_read;
    uint64_t blocks_read; /* UINT64_MAX: the engine does not say; so the next */
    uint64_t blocks_cached;
    struct latencies latency; /* of questions; none of a scan */
};

struct bench_reads {
    bool done;
    uint64_t cache_bytes;
    double open_seconds;
    struct bench_read kinds[READ_COUNT];
};

struct bench_reads_options {
    const struct bench_engine *engine;
    const struct bench_settings *settings;
    const char *path; /* of the engine's file, which is closed */
    struct object_set set;
    enum bench_reading reading;
};

/* What an engine may cache, of so many objects: the same for all. */
uint64_t bench_reads_cache(
    const struct bench_settings *settings, enum bench_reading reading, uint64_t object_count
);

/* Opens the engine, reads, closes it. *answers is the checksum of the answers. An interruption ends
 * it early: then `done` stays false. */
bool bench_reads_run(
    const struct bench_reads_options *options,
    struct bench_reads *reads,
    uint64_t *answers,
    struct bench_failure *failure
);

#endif
