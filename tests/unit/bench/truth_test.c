#include "bench/truth.h"

#include "base/integer.h"
#include "base/random.h"
#include "support/test.h"

#include "base/poison.h"

enum { OBJECTS = 30000, QUESTIONS = 120 };

static struct zipf zipf;
static uint16_t versions[OBJECTS];
static struct bench_object objects[OBJECTS];
static struct bench_question questions[QUESTIONS];

static struct object_set set_of(uint64_t count)
{
    zipf_init(&zipf);
    return (struct object_set){.zipf = &zipf, .seed = 3, .count = count, .versions = versions};
}

/* The oracle looks through all objects for each question. */
static void expect_answer(
    const struct truth_answer *answer, const struct bench_question *question, uint64_t count
)
{
    uint32_t found = 0;
    for (uint64_t number = count; number > 0 && found < BENCH_NEWEST; number -= 1) {
        const struct bench_object *object = &objects[number - 1];
        if (object->debit.low != question->debit) continue;
        if (question->code != 0 && object->code != question->code) continue;
        EXPECT(found < answer->count && answer->timestamps[found] == object->timestamp);
        found += 1;
    }
    EXPECT(answer->count == found);
}

TEST(truth, answers_are_those_of_looking_through_all_objects)
{
    struct random random;
    struct truth truth;
    random_init(&random, 1);
    for (uint32_t i = 0; i < OBJECTS; i += 1)
        versions[i] = (uint16_t)random_below(&random, 3);
    const struct object_set set = set_of(OBJECTS);
    uint64_t sum = 0;
    for (uint64_t number = 0; number < OBJECTS; number += 1) {
        object_expected(&set, number, &objects[number]);
        sum += truth_sum(&objects[number]);
    }
    /* Busy accounts and others, some asked about more than once. */
    for (uint32_t i = 0; i < QUESTIONS; i += 1) {
        const uint32_t ranks = i % 2 == 0 ? 10 : ACCOUNT_COUNT;
        questions[i].debit = account_of_rank((uint32_t)random_below(&random, ranks));
        questions[i].code = i % 3 == 0 ? 1 + (uint32_t)random_below(&random, CODE_MAX) : 0;
    }
    EXPECT(truth_init(&truth, &set, questions, QUESTIONS));
    EXPECT(truth.count == QUESTIONS && truth.scan_sum == sum);
    uint32_t full = 0;
    for (uint32_t i = 0; i < QUESTIONS; i += 1) {
        expect_answer(&truth.answers[i], &questions[i], OBJECTS);
        full += truth.answers[i].count == BENCH_NEWEST;
    }
    EXPECT(full > 0 && full < QUESTIONS);
    truth_deinit(&truth);
}

TEST(truth, of_no_objects_and_no_questions_there_is_none)
{
    struct truth truth;
    const struct object_set set = set_of(0);
    EXPECT(truth_init(&truth, &set, questions, 0));
    EXPECT(truth.count == 0 && truth.scan_sum == 0);
    truth_deinit(&truth);
    truth_deinit(&truth);
}

TEST_MAIN()
