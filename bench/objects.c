#include "bench/objects.h"

#include <math.h>
#include <stddef.h>

_Static_assert(sizeof(struct bench_object) == 128, "the schema says 128 bytes");
_Static_assert(offsetof(struct bench_object, timestamp) == 120, "the timestamp is the last field");

static const double ZIPF_EXPONENT = 0.99;

static uint64_t mix(uint64_t number)
{
    number = (number ^ (number >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ (number >> 27)) * UINT64_C(0x94d049bb133111eb);
    return number ^ (number >> 31);
}

uint64_t draw_u64(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return mix(*state);
}

uint64_t draw_below(uint64_t *state, uint64_t bound)
{
    /* The high half of the product: biased by bound / 2^64, which nobody will see. */
    return (uint64_t)((unsigned __int128)draw_u64(state) * bound >> 64);
}

void zipf_init(struct zipf *zipf)
{
    /* Shares are scaled so that their mean is 1. Slots with less are topped up by ranks that have
     * more (Vose): `small` and `large` are stacks that share one array from its two ends. */
    double share[ACCOUNT_COUNT];
    uint32_t stack[ACCOUNT_COUNT];
    double sum = 0;
    for (uint32_t rank = 0; rank < ACCOUNT_COUNT; rank += 1) {
        share[rank] = pow(rank + 1.0, -ZIPF_EXPONENT);
        sum += share[rank];
    }
    uint32_t small = 0;
    uint32_t large = ACCOUNT_COUNT;
    for (uint32_t rank = 0; rank < ACCOUNT_COUNT; rank += 1) {
        share[rank] *= ACCOUNT_COUNT / sum;
        zipf->threshold[rank] = UINT32_MAX;
        zipf->alias[rank] = rank;
        if (share[rank] < 1) {
            stack[small++] = rank;
        } else {
            stack[--large] = rank;
        }
    }
    while (small > 0 && large < ACCOUNT_COUNT) {
        const uint32_t poor = stack[--small];
        const uint32_t rich = stack[large];
        zipf->threshold[poor] = (uint32_t)(share[poor] * 4294967295.0);
        zipf->alias[poor] = rich;
        share[rich] -= 1 - share[poor];
        if (share[rich] < 1) {
            large += 1;
            stack[small++] = rich;
        }
    }
}

uint32_t zipf_rank(const struct zipf *zipf, uint64_t random)
{
    const uint32_t slot = (uint32_t)((random >> 32) * ACCOUNT_COUNT >> 32);
    return (uint32_t)random <= zipf->threshold[slot] ? slot : zipf->alias[slot];
}

uint32_t account_of_rank(uint32_t rank)
{
    return 1 + (uint32_t)((uint64_t)rank * 7919 % ACCOUNT_COUNT); /* 7,919 is prime to it */
}

struct tactus_u128 object_id(uint64_t seed, uint64_t number)
{
    uint64_t state = mix(seed) ^ mix(number + UINT64_C(0x632be59bd9b4e019));
    const uint64_t low = draw_u64(&state);
    const uint64_t high = draw_u64(&state);
    return (struct tactus_u128){low, high};
}

void object_make(
    const struct zipf *zipf,
    uint64_t seed,
    uint64_t number,
    uint32_t version,
    struct bench_object *object
)
{
    uint64_t state = mix(seed + version) ^ mix(number);
    const uint32_t debit = zipf_rank(zipf, draw_u64(&state));
    uint32_t credit = zipf_rank(zipf, draw_u64(&state));
    while (credit == debit)
        credit = zipf_rank(zipf, draw_u64(&state)); /* the first rank has a tenth of all */

    *object = (struct bench_object){
        .id = object_id(seed, number),
        .debit = {account_of_rank(debit), 0},
        .credit = {account_of_rank(credit), 0},
        .amount = {1 + draw_below(&state, AMOUNT_MAX), 0},
        .user64 = draw_u64(&state),
        .user32 = (uint32_t)number,
        .ledger = 1,
        .code = (uint16_t)(1 + draw_below(&state, CODE_MAX)),
    };
    object->user128.low = draw_u64(&state);
    object->user128.high = draw_u64(&state);
}

void object_expected(const struct object_set *set, uint64_t number, struct bench_object *object)
{
    const uint32_t version = set->versions != NULL ? set->versions[number] : 0;
    object_make(set->zipf, set->seed, number, version, object);
    object->timestamp = number + 1;
}
