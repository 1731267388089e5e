/* What the questions of bench/engine.h have for answers, by going through all objects: no engine
 * is asked. */
#ifndef TACTUS_BENCH_TRUTH_H
#define TACTUS_BENCH_TRUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/engine.h"
#include "bench/objects.h"

struct truth_answer {
    uint32_t count;
    uint64_t timestamps[BENCH_NEWEST]; /* descending */
};

struct truth {
    uint64_t scan_sum;            /* truth_sum() of every object, added up */
    uint32_t count;               /* of questions */
    struct truth_answer *answers; /* owned: one a question */
};

/* A number for an object, the more different the objects; sums of them do not depend on order. */
uint64_t truth_sum(const struct bench_object *object);

/* Answers all questions at once, in one walk through the objects. False: there is no memory. */
bool truth_init(
    struct truth *truth,
    const struct object_set *set,
    const struct bench_question *questions,
    uint32_t count
);

void truth_deinit(struct truth *truth); /* all zero is fine */

#endif
