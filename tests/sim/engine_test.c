/* The whole engine over a disk that fails: crashes at any change, in every way that a power cut can
 * leave unsynced writes, and what is found after reopening beside the oracle of engine_model.h.
 *
 * Each seed runs one history on one disk. Now and then the disk is cloned and told to crash a few
 * changes later; the engine runs into it and is dropped; every outcome of the crash (all subsets of
 * up to 8 unsynced writes, tears among them) is opened and compared: no acknowledged op is lost,
 * none is half applied. Some are opened a second time, at once after a crash inside the first
 * recovery, and some go on for a while. */
#include "support/engine_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "database/database.h"
#include "support/simulated_disk.h"
#include "support/test.h"

#include "base/poison.h"

static uint64_t crash_point_count;
static uint64_t outcome_count;
static uint64_t compacted_count; /* blocks of the manifest log, in histories that went on */
static uint64_t slice_count;
static uint64_t slice_below_count; /* of levels 1 and 2 */

static struct simulated_disk *disk_new(uint64_t seed)
{
    const struct simulated_disk_options options = {.seed = seed, .size_max = UINT64_C(1) << 30};
    return simulated_disk_new(&options);
}

/* Opens what a crash has left, compares, and goes on for some items. */
static void open_after(struct model *model, struct simulated_disk *disk, uint32_t items)
{
    model_reopen(model, disk);
    for (uint32_t item = 0; item < items; item += 1)
        EXPECT(model_step(model) == TACTUS_OK);
    if (items > 0) model_compare(model);
    model_close(model);
}

/* The recovery itself crashes, then another comes. */
static void crash_recovery(
    const struct model *model, const struct simulated_disk *disk, struct random *random
)
{
    struct simulated_disk *again = simulated_disk_clone(disk);
    struct model *copy = model_copy(model);
    struct reactor reactor;
    simulated_disk_crash_at(again, 1 + random_below(random, 12));
    simulated_disk_open(&reactor, again);
    const bool opened = model_open(copy, &reactor) == TACTUS_OK;
    if (opened && model_outlives_opening(copy)) model_recover(copy);
    model_close(copy);
    const uint32_t index = (uint32_t)random_below(random, simulated_disk_outcome_count(again));
    simulated_disk_crash(again, simulated_disk_outcome(again, index));
    open_after(copy, again, 0);
    crash_point_count += 1;
    model_free(copy);
    simulated_disk_free(again);
}

static void try_outcomes(
    const struct model *model, const struct simulated_disk *dead, struct random *random
)
{
    const uint32_t count = simulated_disk_outcome_count(dead);
    /* All of a few; of many a handful, the first ones (all, none) always among them. */
    const uint32_t step = count <= 6 ? 1 : count / 6;
    for (uint32_t index = 0; index < count; index += step) {
        struct simulated_disk *after = simulated_disk_clone(dead);
        simulated_disk_crash(after, simulated_disk_outcome(dead, index));
        if (random_chance(random, 1, 8)) crash_recovery(model, after, random);
        struct model *copy = model_copy(model);
        open_after(copy, after, random_chance(random, 1, 6) ? 12 : 0);
        model_free(copy);
        simulated_disk_free(after);
        outcome_count += 1;
    }
}

/* From where the disk stands: a crash so many changes later. The model is closed, all is
 * durable. */
static void crash_once(
    const struct model *model, const struct simulated_disk *disk, struct random *random
)
{
    struct simulated_disk *doomed = simulated_disk_clone(disk);
    struct model *copy = model_copy(model);
    simulated_disk_seed(doomed, random_u64(random));
    simulated_disk_crash_at(doomed, 1 + random_below(random, 60));
    model_run_to_death(copy, doomed);
    crash_point_count += 1;
    try_outcomes(copy, doomed, random);
    model_free(copy);
    simulated_disk_free(doomed);
}

static void run_seed(uint64_t seed)
{
    test_seed_begin(seed);
    static const uint32_t runs[][LEVELS] = {{1}, {8}, {4, 4}, {2, 2, 2}};
    struct random random;
    random_init(&random, seed);
    struct model_options options = {
        .seed = seed,
        .sync = random_chance(&random, 1, 2) ? TACTUS_SYNC_COMMIT : TACTUS_SYNC_NONE,
        .checkpoints = random_chance(&random, 1, 3) ? 0 : 20,
        .cache_bytes = random_chance(&random, 1, 2) ? 0 : 1 << 20,
        .batch_max = random_chance(&random, 1, 2) ? 32 : 96,
        .queued = random_chance(&random, 1, 2) ? 7 : 0,
        .keep = seed / 2 % 2 == 0 ? 1 : 3,
        .compaction_depth = (uint32_t)(seed % (COMPACTION_DEPTH_MAX + 1)),
    };
    bytes_copy(options.runs_max, runs[seed % 4], sizeof options.runs_max);
    struct model *model = model_new(&options);
    struct simulated_disk *disk = disk_new(seed);
    model_begin(model, disk);
    for (uint32_t round = 0; round < 24; round += 1) {
        const uint32_t items = (uint32_t)random_below(&random, 30);
        for (uint32_t item = 0; item < items; item += 1)
            EXPECT(model_step(model) == TACTUS_OK);
        model_compare(model);
        compacted_count += model->db->forest.log.statistics.blocks_compacted;
        slice_count += model_slices(model, 0);
        slice_below_count += model_slices(model, 1) + model_slices(model, 2);
        model_close_durable(model);
        crash_once(model, disk, &random);
        model_reopen(model, disk);
    }
    model_free(model);
    simulated_disk_free(disk);
}

TEST(engine, keeps_what_it_acknowledged_across_crashes_at_any_change)
{
    const struct test_seeds seeds = test_seeds(8);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1)
        run_seed(seed);
    printf(
        "engine: %llu crash points, %llu outcomes opened\n",
        (unsigned long long)crash_point_count,
        (unsigned long long)outcome_count
    );
    if (seeds.count >= 8) EXPECT(compacted_count > 0);
    if (seeds.count >= 8) EXPECT(slice_count > 0 && slice_below_count > 0);
}

TEST_MAIN()
