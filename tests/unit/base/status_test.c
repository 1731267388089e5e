#include "base/status.h"

#include "support/test.h"

#include "base/poison.h"

TEST(status, fault_keeps_the_first_and_answers_the_latest)
{
    struct fault fault = {0};
    const struct fault first = {.status = TACTUS_CORRUPT, .what = "first", .address = 7};
    const struct fault second = {.status = TACTUS_IO, .what = "second", .address = 8};
    EXPECT(fault_set(&fault, first) == TACTUS_CORRUPT);
    EXPECT(fault_set(&fault, second) == TACTUS_IO);
    EXPECT(fault.status == TACTUS_CORRUPT && fault.address == 7);

    fault_clear(&fault);
    EXPECT(fault.status == TACTUS_OK && fault.what == NULL && fault.address == 0);
    EXPECT(fault_set(&fault, second) == TACTUS_IO && fault.address == 8);
    EXPECT(fault_set(NULL, first) == TACTUS_CORRUPT);
}

static enum tactus_status answer(uint32_t *calls, enum tactus_status status)
{
    *calls += 1;
    return status;
}

static enum tactus_status try_three(uint32_t *calls, enum tactus_status middle)
{
    TRY(answer(calls, TACTUS_OK));
    TRY(answer(calls, middle));
    TRY(answer(calls, TACTUS_OK));
    return TACTUS_ABSENT;
}

TEST(status, try_returns_the_first_that_is_not_ok_and_calls_once)
{
    uint32_t calls = 0;
    EXPECT(try_three(&calls, TACTUS_FULL) == TACTUS_FULL && calls == 2);
    calls = 0;
    EXPECT(try_three(&calls, TACTUS_OK) == TACTUS_ABSENT && calls == 3);
}

TEST_MAIN()
