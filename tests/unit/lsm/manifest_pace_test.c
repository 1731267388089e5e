/* The arithmetic by hand; and the bound against a log that is nothing but counts, whose changes are
 * chosen to make it long. */
#include "lsm/manifest_pace.h"

#include "base/assert.h"
#include "base/integer.h"
#include "base/random.h"
#include "support/test.h"

#include <stdlib.h>
#include <string.h>

static struct manifest_pace pace_of(uint32_t entries_max, uint32_t tables_max, uint32_t trees)
{
    const struct manifest_pace_options options = {
        .entries_max = entries_max,
        .tables_max = tables_max,
        .tree_count = trees,
        .half_bar_tables = 4 * 5};
    return manifest_pace_of(&options);
}

TEST(manifest_pace, has_the_figures_of_the_proof)
{
    const struct manifest_pace pace = pace_of(31, 1000, 2);
    EXPECT(pace.events_max == 2 * 4 * 5 * 3);
    EXPECT(pace.table_blocks == 33);   /* 1000 / 31 */
    EXPECT(pace.append_blocks == 5);   /* 120 / 31, and 1 */
    EXPECT(pace.compact_blocks == 10); /* twice that */
    EXPECT(pace.log_blocks_max == 66 + 16 + 20 - 1);
    EXPECT(pace.ring_blocks == 101 + 16 + 5);
    const struct manifest_pace least = pace_of(8191, 1, 1);
    EXPECT(least.table_blocks == 1 && least.append_blocks == 2 && least.compact_blocks == 4);
    EXPECT(least.log_blocks_max == 2 + 0 + 8 - 1);
}

TEST(manifest_pace, leaves_twice_what_the_live_tables_fill)
{
    const struct manifest_pace pace = pace_of(31, 1000, 2);
    EXPECT(manifest_pace_compact(&pace, 0, 0) == 0);
    EXPECT(manifest_pace_compact(&pace, 3, 0) == 3); /* nothing lives */
    EXPECT(manifest_pace_compact(&pace, 2, 1) == 0);
    EXPECT(manifest_pace_compact(&pace, 3, 1) == 1);
    EXPECT(manifest_pace_compact(&pace, 4, 31) == 2);
    EXPECT(manifest_pace_compact(&pace, 4, 32) == 0);
    EXPECT(manifest_pace_compact(&pace, 66, 1000) == 0);
    EXPECT(manifest_pace_compact(&pace, 76, 1000) == 10);
    EXPECT(manifest_pace_compact(&pace, 101, 1000) == 10); /* full speed */
    EXPECT(manifest_pace_compact(&pace, UINT64_MAX, 1000) == 10);
}

TEST(manifest_pace, reserves_for_events_and_for_copies)
{
    const struct manifest_pace pace = pace_of(31, 1000, 2);
    EXPECT(manifest_pace_half_bar_blocks(&pace, 0, 0, 0) == 0);
    EXPECT(manifest_pace_half_bar_blocks(&pace, 2, 20, 31) == 1);
    EXPECT(manifest_pace_half_bar_blocks(&pace, 2, 20, 32) == 2);
    EXPECT(manifest_pace_half_bar_blocks(&pace, 5, 20, 0) == 1);  /* 3 blocks, but 20 tables */
    EXPECT(manifest_pace_half_bar_blocks(&pace, 5, 20, 11) == 1); /* 31 events */
    EXPECT(manifest_pace_half_bar_blocks(&pace, 5, 20, 12) == 2);
    EXPECT(manifest_pace_half_bar_blocks(&pace, 101, 1000, 120) == 14);
    EXPECT(manifest_pace_bar_blocks(&pace, 0, 0, 24) == 2);
    EXPECT(manifest_pace_bar_blocks(&pace, 4, 62, 24) == 2 + 2 * 2);     /* of 4 blocks in excess */
    EXPECT(manifest_pace_bar_blocks(&pace, 5, 1000, 240) == 9 + 2 * 10); /* 8, and 16 that die */
    EXPECT(manifest_pace_bar_blocks(&pace, pace.ring_blocks, 1000, 240) == 9 + 2 * 10);
    EXPECT(manifest_pace_bar_blocks_max(&pace) == 9 + 2 * 10);
    const struct manifest_pace few = pace_of(31, 62, 2);
    EXPECT(manifest_pace_bar_blocks_max(&few) == 9 + 2 * 2);
}

/* ---- A log of counts ------------------------------------------------------------------------- */

enum churn { CHURN_NEWEST, CHURN_OLDEST, CHURN_RANDOM, CHURNS };

struct counts {
    struct manifest_pace pace;
    struct random random;
    enum churn churn;
    uint64_t live[4096]; /* of closed block n, and of the open one behind them */
    uint64_t oldest;
    uint64_t closed;
    uint64_t in_open; /* events */
    uint64_t tables;
    uint64_t most; /* blocks, the open one included */
    uint64_t acquired;
};

static uint64_t *live_at(struct counts *log, uint64_t number)
{
    return &log->live[number % 4096];
}

static void counts_close(struct counts *log)
{
    if (log->in_open == 0) return;
    log->in_open = 0;
    log->closed += 1;
    EXPECT(log->closed < 4096);
    *live_at(log, log->oldest + log->closed) = 0;
}

static void counts_append(struct counts *log, uint64_t live)
{
    if (log->in_open == 0) log->acquired += 1;
    *live_at(log, log->oldest + log->closed) += live;
    log->in_open += 1;
    log->most = max_u64(log->most, log->closed + 1);
    if (log->in_open == log->pace.entries_max) counts_close(log);
}

/* The number of the block whose table changes next. */
static uint64_t counts_victim(struct counts *log)
{
    const uint64_t count = log->closed + 1;
    uint64_t place = log->churn == CHURN_OLDEST ? 0 : count - 1;
    if (log->churn == CHURN_RANDOM) place = random_below(&log->random, count);
    for (uint64_t tries = 0; tries < count; tries += 1) {
        if (*live_at(log, log->oldest + place) > 0) break;
        place = (log->churn == CHURN_OLDEST ? place + 1 : place + count - 1) % count;
    }
    return log->oldest + place;
}

static void counts_half_bar(struct counts *log, uint64_t events, bool capture)
{
    const struct manifest_pace *pace = &log->pace;
    const uint64_t compacted = manifest_pace_compact(pace, log->closed, log->tables);
    const uint64_t blocks = manifest_pace_half_bar_blocks(pace, log->closed, log->tables, events);
    log->acquired = 0;
    for (; events > 0; events -= 1) {
        if (log->tables < pace->tables_max) {
            log->tables += 1;
        } else {
            *live_at(log, counts_victim(log)) -= 1;
        }
        counts_append(log, 1);
    }
    for (uint64_t index = 0; index < compacted; index += 1) {
        uint64_t live = *live_at(log, log->oldest);
        log->oldest += 1;
        log->closed -= 1;
        for (; live > 0; live -= 1) {
            counts_append(log, 1);
        }
    }
    EXPECT(log->acquired <= blocks);
    if (capture) counts_close(log);
}

static void counts_begin(struct counts *log, uint64_t seed)
{
    memset(log, 0, sizeof *log);
    random_init(&log->random, seed);
    log->churn = (enum churn)random_below(&log->random, CHURNS);
    log->pace = pace_of(
        (uint32_t)random_range(&log->random, 2, 60),
        (uint32_t)random_range(&log->random, 1, 2000),
        (uint32_t)random_range(&log->random, 1, 4)
    );
}

TEST(manifest_pace, bounds_the_log_whatever_changes)
{
    struct counts *log = malloc(sizeof *log);
    const struct test_seeds seeds = test_seeds(60);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        counts_begin(log, seed);
        for (uint32_t round = 0; round < 600; round += 1) {
            const bool most = random_chance(&log->random, 3, 4);
            const uint64_t events_max = log->pace.events_max;
            const uint64_t events = most ? events_max : random_below(&log->random, events_max);
            counts_half_bar(log, events, random_chance(&log->random, 2, 3));
            if (random_chance(&log->random, 1, 100)) {
                log->churn = (enum churn)random_below(&log->random, CHURNS);
            }
        }
        EXPECT(log->most <= log->pace.log_blocks_max);
        EXPECT(log->most >= log->pace.log_blocks_max / 4);
    }
    free(log);
}

/* The bound is not too wide: with many tables, most of it is needed. */
TEST(manifest_pace, has_a_bound_that_is_nearly_reached)
{
    struct counts *log = malloc(sizeof *log);
    counts_begin(log, 1);
    log->pace = pace_of(8, 4000, 1);
    log->churn = CHURN_NEWEST;
    for (uint32_t round = 0; round < 2000; round += 1) {
        counts_half_bar(log, log->pace.events_max, true);
    }
    EXPECT(log->most <= log->pace.log_blocks_max);
    EXPECT(log->most >= log->pace.log_blocks_max * 3 / 4);
    free(log);
}

TEST(manifest_pace, comes_to_rest_when_nothing_changes)
{
    struct counts *log = malloc(sizeof *log);
    for (uint64_t seed = 1; seed <= 20; seed += 1) {
        counts_begin(log, seed);
        for (uint32_t round = 0; round < 200; round += 1) {
            counts_half_bar(log, log->pace.events_max, true);
        }
        for (uint32_t round = 0; round < 1000; round += 1) {
            counts_half_bar(log, 0, false);
        }
        const uint64_t at_rest = log->oldest;
        counts_half_bar(log, 0, false);
        EXPECT(log->oldest == at_rest);
        EXPECT(log->closed <= 2 * div_ceil_u64(log->tables, log->pace.entries_max));
    }
    free(log);
}

/* A file that anyone made: as long as may be, its live events where they hurt most. */
TEST(manifest_pace, has_room_for_a_log_that_begins_at_its_bound)
{
    struct counts *log = malloc(sizeof *log);
    for (uint64_t seed = 1; seed <= 60; seed += 1) {
        counts_begin(log, seed);
        log->churn = CHURN_NEWEST;
        log->closed = log->pace.log_blocks_max;
        log->tables = log->pace.tables_max;
        uint64_t left = log->tables;
        for (uint64_t index = 0; index < log->closed; index += 1) {
            const uint64_t place = seed % 2 == 0 ? index : log->closed - 1 - index;
            *live_at(log, place) = min_u64(left, log->pace.entries_max);
            left -= *live_at(log, place);
        }
        EXPECT(left == 0);
        for (uint32_t round = 0; round < 400; round += 1) {
            counts_half_bar(log, log->pace.events_max, true);
        }
        EXPECT(log->most - 1 <= log->pace.ring_blocks);
        EXPECT(log->closed <= log->pace.log_blocks_max);
    }
    free(log);
}

TEST_MAIN()
