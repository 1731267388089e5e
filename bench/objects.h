/* The objects of the workloads `ledger` and `small`: 128 bytes, an id, five indexes.
 *
 * An object is a function of (seed, number, version) alone: whoever reads one back can make it
 * again, and no engine has to be trusted with the truth. Number n is the n-th object inserted,
 * from 0; version 0 is what was inserted, version v what the v-th overwriting made of it. The id
 * does not depend on the version. */
#ifndef TACTUS_BENCH_OBJECTS_H
#define TACTUS_BENCH_OBJECTS_H

#include <stdint.h>

#include "tactus.h"

enum {
    ACCOUNT_COUNT = 10000,
    AMOUNT_MAX = 1000000,
    CODE_MAX = 100,

    /* What an object brings, whatever the engine: itself under its timestamp (8 + 128), its id's
     * entry (16 + 8), three indexes of 16 + 8, one of 8 + 8, one of 2 + 8. */
    OBJECT_LOGICAL_BYTES = 258
};

/* In the CPU's byte order, as `tactus codegen c` prints it for OBJECT_SCHEMA. */
struct bench_object {
    struct tactus_u128 id; /* random */
    struct tactus_u128 debit;
    struct tactus_u128 credit; /* another account than debit */
    struct tactus_u128 amount; /* 1 to AMOUNT_MAX, drawn evenly */
    struct tactus_u128 user128;
    uint64_t user64; /* random */
    uint32_t user32;
    uint32_t ledger;
    uint16_t code; /* 1 to CODE_MAX, drawn evenly */
    uint16_t flags;
    uint32_t timeout;
    struct tactus_u128 pending;
    uint64_t timestamp; /* 0 until an engine gave it: number + 1 */
};

#define OBJECT_SCHEMA                                                                              \
    "collection entry {\n"                                                                         \
    "  id         u128\n"                                                                          \
    "  debit      u128 index\n"                                                                    \
    "  credit     u128 index\n"                                                                    \
    "  amount     u128 index\n"                                                                    \
    "  user128    u128\n"                                                                          \
    "  user64     u64 index\n"                                                                     \
    "  user32     u32\n"                                                                           \
    "  ledger     u32\n"                                                                           \
    "  code       u16 index\n"                                                                     \
    "  flags      u16\n"                                                                           \
    "  timeout    u32\n"                                                                           \
    "  pending    u128\n"                                                                          \
    "  timestamp  timestamp\n"                                                                     \
    "}\n"
#define OBJECT_COLLECTION "entry"

/* Ranks with a probability that falls as 1 / rank^0.99, one draw of 64 bits each: Walker's alias
 * method. 80 KB, so that making objects stays cheap beside storing them. */
struct zipf {
    uint32_t threshold[ACCOUNT_COUNT]; /* in 2^-32: below it the slot's own rank, else its alias */
    uint32_t alias[ACCOUNT_COUNT];
};

void zipf_init(struct zipf *zipf);

/* A rank from 0 of an evenly drawn number. */
uint32_t zipf_rank(const struct zipf *zipf, uint64_t random);

/* The account of a rank, from 1: the busy ones do not lie beside each other. */
uint32_t account_of_rank(uint32_t rank);

/* A generator of 64-bit numbers (splitmix64): the same state, the same numbers, everywhere. */
uint64_t draw_u64(uint64_t *state);

/* A number below `bound`, which is not 0. */
uint64_t draw_below(uint64_t *state, uint64_t bound);

struct tactus_u128 object_id(uint64_t seed, uint64_t number);

void object_make(
    const struct zipf *zipf,
    uint64_t seed,
    uint64_t number,
    uint32_t version,
    struct bench_object *object
);

/* The objects that an engine was given: numbers below `count`. All borrowed. */
struct object_set {
    const struct zipf *zipf;
    uint64_t seed;
    uint64_t count;
    const uint16_t *versions; /* by number; NULL: all are as they were inserted */
};

/* The object of a number as the engine has to give it back, its timestamp included. */
void object_expected(const struct object_set *set, uint64_t number, struct bench_object *object);

#endif
