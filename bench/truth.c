#include "bench/truth.h"

#include <stdlib.h>

enum { NONE = UINT32_MAX };

/* The questions about each account, as lists: those that are full leave them. */
struct lists {
    uint32_t first[ACCOUNT_COUNT + 1]; /* by debit: a question, or NONE */
    uint32_t *next;                    /* owned; by question */
};

uint64_t truth_sum(const struct bench_object *object)
{
    uint64_t state = object->timestamp * UINT64_C(0x9e3779b97f4a7c15) + object->id.low;
    return draw_u64(&state);
}

static void answer(
    struct truth *truth,
    struct lists *lists,
    const struct bench_question *questions,
    const struct bench_object *object
)
{
    uint32_t *link = &lists->first[object->debit.low];
    while (*link != NONE) {
        const uint32_t question = *link;
        struct truth_answer *given = &truth->answers[question];
        const uint32_t code = questions[question].code;
        if (code == 0 || code == object->code) {
            given->timestamps[given->count] = object->timestamp;
            given->count += 1;
        }
        if (given->count == BENCH_NEWEST) {
            *link = lists->next[question];
        } else {
            link = &lists->next[question];
        }
    }
}

bool truth_init(
    struct truth *truth,
    const struct object_set *set,
    const struct bench_question *questions,
    uint32_t count
)
{
    struct lists *lists = calloc(1, sizeof *lists);
    *truth = (struct truth){.count = count};
    truth->answers = calloc((size_t)count + 1, sizeof *truth->answers);
    if (lists != NULL) lists->next = calloc((size_t)count + 1, sizeof *lists->next);
    if (lists == NULL || lists->next == NULL || truth->answers == NULL) {
        if (lists != NULL) free(lists->next);
        free(lists);
        truth_deinit(truth);
        return false;
    }
    for (uint32_t i = 0; i <= ACCOUNT_COUNT; i += 1)
        lists->first[i] = NONE;
    for (uint32_t i = 0; i < count; i += 1) {
        lists->next[i] = lists->first[questions[i].debit];
        lists->first[questions[i].debit] = i;
    }
    for (uint64_t number = set->count; number > 0; number -= 1) {
        struct bench_object object;
        object_expected(set, number - 1, &object);
        truth->scan_sum += truth_sum(&object);
        answer(truth, lists, questions, &object);
    }
    free(lists->next);
    free(lists);
    return true;
}

void truth_deinit(struct truth *truth)
{
    free(truth->answers);
    truth->answers = NULL;
}
