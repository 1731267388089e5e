/* The workload `intersect`: two indexed fields, of which one has a value that is common and the
 * other one that is rare, and the question for both at once, whichever way it is put. What it costs
 * is to follow from the rare one and from the answer, not from the common one.
 *
 *   common   one object in ten
 *   rare     one in ten thousand
 *   rarest   one in a million
 *
 * Both fields have all three, evenly and independently of each other. Each question is asked with
 * nothing in the cache, again, and then counted with nothing in the cache, which fetches no object:
 * what is left are the blocks of the indexes. Of Tactus alone: it is about blocks and plans. */
#ifndef TACTUS_BENCH_INTERSECT_H
#define TACTUS_BENCH_INTERSECT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "bench/engine.h"

enum {
    INTERSECT_QUESTIONS = 6,
    INTERSECT_COMMON = 1, /* values of the fields; others are above */
    INTERSECT_RARE = 2,
    INTERSECT_RAREST = 3,
    INTERSECT_EXPLAIN_SIZE = 4096
};

/* In the CPU's byte order, as the schema has it. */
struct intersect_object {
    uint64_t a; /* indexed, as is the next */
    uint64_t b;
    uint64_t number;
    uint8_t payload[96];
    uint64_t timestamp;
};

/* A question, asked once. */
struct intersect_asked {
    double seconds;
    uint64_t blocks_read;
    uint64_t blocks_cached;
};

struct intersect_answer {
    const char *where;
    uint64_t values[2];                /* of a and b */
    uint64_t matches[2];               /* objects that have each, as counted while they were made */
    uint64_t objects;                  /* that have both, likewise; the answer came to the same */
    struct intersect_asked cold;       /* with nothing in the cache */
    struct intersect_asked again;      /* the same handle */
    struct intersect_asked count;      /* with nothing in the cache */
    char plan[INTERSECT_EXPLAIN_SIZE]; /* of `again`, in words */
    char plan_cold[INTERSECT_EXPLAIN_SIZE]; /* JSON: of `cold`, whose estimates know no block */
    char plan_again[INTERSECT_EXPLAIN_SIZE];
};

struct intersect_result {
    struct bench_failure failure;
    bool interrupted;
    uint64_t objects;
    double fill_seconds;
    uint64_t block_bytes;
    uint64_t cache_bytes;
    struct intersect_answer answers[INTERSECT_QUESTIONS];
};

/* The object of that number, without its timestamp. */
void intersect_object_make(uint64_t seed, uint64_t number, struct intersect_object *object);

/* Makes the file at settings->path, and asks. `result` is all zero before; its failure says how it
 * went. An answer that is not what was put in is a failure. */
void bench_intersect(const struct bench_settings *settings, struct intersect_result *result);

void bench_intersect_table(
    FILE *stream, const struct bench_settings *settings, const struct intersect_result *result
);
void bench_intersect_json(
    FILE *stream, const struct bench_settings *settings, const struct intersect_result *result
);

#endif
