#include "bench/intersect.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/ledger.h"
#include "support/test.h"

#include "base/poison.h"

TEST(intersect, each_value_has_its_share_of_the_objects)
{
    enum { OBJECTS = 1000000 };
    uint32_t a[INTERSECT_RAREST + 1] = {0};
    uint32_t b[INTERSECT_RAREST + 1] = {0};
    uint32_t both = 0;
    for (uint64_t number = 0; number < OBJECTS; number += 1) {
        struct intersect_object object;
        intersect_object_make(1, number, &object);
        EXPECT(object.number == number && object.timestamp == 0 && object.a > 0 && object.b > 0);
        if (object.a <= INTERSECT_RAREST) a[object.a] += 1;
        if (object.b <= INTERSECT_RAREST) b[object.b] += 1;
        both += object.a == INTERSECT_COMMON && object.b == INTERSECT_COMMON;
    }
    /* What is drawn twice goes to the rarer value. */
    EXPECT(a[INTERSECT_RAREST] == 1 && b[INTERSECT_RAREST] == 1);
    EXPECT(a[INTERSECT_RARE] >= 99 && a[INTERSECT_RARE] <= 100);
    EXPECT(b[INTERSECT_RARE] >= 99 && b[INTERSECT_RARE] <= 100);
    EXPECT(a[INTERSECT_COMMON] > 99950 && a[INTERSECT_COMMON] <= 100000);
    EXPECT(b[INTERSECT_COMMON] > 99950 && b[INTERSECT_COMMON] <= 100000);
    EXPECT(both > 9500 && both < 10500); /* independent: 10,000, to 5 standard deviations */
}

static struct bench_settings settings;
static struct intersect_result result;

static void run_small(const char *path)
{
    struct bench_failure failure = {.status = TACTUS_OK};
    bench_settings_default(&settings);
    memset(&result, 0, sizeof result);
    settings.workload = BENCH_INTERSECT;
    settings.object_count = 30000;
    settings.create.memory_bytes = 1 << 20;
    settings.create.size_max = (uint64_t)1 << 30;
    settings.path = path;
    EXPECT(bench_plan(&settings, &failure));
    bench_intersect(&settings, &result);
}

TEST(intersect, a_small_run_answers_what_was_put_in)
{
    char path[] = "intersect_test.XXXXXX";
    const int file = mkstemp(path);
    EXPECT(file >= 0 && close(file) == 0);
    run_small(path);
    EXPECT(result.failure.status == TACTUS_EXISTS);

    EXPECT(unlink(path) == 0);
    run_small(path);
    EXPECT(unlink(path) == 0);
    EXPECT(result.failure.status == TACTUS_OK && result.objects == 30000);
    for (uint32_t i = 0; i < INTERSECT_QUESTIONS; i += 1) {
        const struct intersect_answer *answer = &result.answers[i];
        EXPECT(answer->objects <= answer->matches[0] && answer->objects <= answer->matches[1]);
        EXPECT(answer->cold.blocks_read > 0);
        EXPECT(answer->again.blocks_read <= answer->cold.blocks_read);
    }
    /* The same two conditions in both orders. */
    EXPECT(result.answers[0].objects == result.answers[1].objects);
    EXPECT(result.answers[0].matches[0] == result.answers[1].matches[0]);
    EXPECT(
        result.answers[0].matches[1] == result.answers[2].matches[0] ||
        result.answers[0].matches[1] <= 3
    );
}

TEST_MAIN()
