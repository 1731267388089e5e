/* The whole engine beside the oracle of engine_model.h, on a disk without faults: long histories,
 * any cache, any sync mode, clean reopens now and then, read-only opens beside them.
 *
 * A history on the simulated disk is reopened at random; one in memory cannot be. Everything is
 * compared every few dozen items and after every opening. Seeds divisible by LONG_EACH run a
 * history of tens of thousands of items. */
#include "support/engine_model.h"

#include <stdio.h>

#include "database/database.h"
#include "io/file.h"
#include "support/simulated_disk.h"
#include "support/test.h"

#include "base/poison.h"

enum { ITEMS = 900, ITEMS_LONG = 30000, LONG_EACH = 50 };

static uint64_t item_count;
static uint64_t open_count;

static struct model_options options_of(uint64_t seed, struct random *random)
{
    static const uint64_t caches[] = {0, 65536, 1 << 20, 16 << 20};
    const struct model_options options = {
        .seed = seed,
        .sync = (uint32_t)random_below(random, 3),
        .checkpoints = random_chance(random, 1, 2) ? 0 : 10 + (uint32_t)random_below(random, 100),
        .cache_bytes = caches[random_below(random, 4)],
        .batch_max = random_chance(random, 1, 2) ? 32 : 96,
    };
    return options;
}

static uint64_t items_of(uint64_t seed)
{
    return seed % LONG_EACH == 0 ? ITEMS_LONG : ITEMS;
}

/* Readers see what is durable, and change no byte. */
static void read_only(struct model *model, struct simulated_disk *disk)
{
    const uint64_t hash = simulated_disk_hash(disk);
    const uint64_t size = simulated_disk_size(disk);
    const uint64_t changes = simulated_disk_change_count(disk);
    struct reactor reactor;
    simulated_disk_open_read_only(&reactor, disk);
    EXPECT(model_open_read_only(model, &reactor) == TACTUS_OK);
    model_compare(model);
    tactus_txn *txn = NULL;
    EXPECT(tactus_begin(model->db, NULL, &txn) == TACTUS_READ_ONLY);
    model_close(model);
    EXPECT(simulated_disk_change_count(disk) == changes);
    EXPECT(simulated_disk_size(disk) == size);
    EXPECT(simulated_disk_hash(disk) == hash);
    open_count += 1;
}

static void reopen(struct model *model, struct simulated_disk *disk, struct random *random)
{
    model_close(model);
    model->states[0] = model->now; /* closing makes all of it durable */
    model->state_count = 1;
    if (random_chance(random, 1, 2)) read_only(model, disk);
    model->options.cache_bytes = random_below(random, 3) << 18;
    struct reactor reactor;
    simulated_disk_open(&reactor, disk);
    EXPECT(model_open(model, &reactor) == TACTUS_OK);
    model_recover(model);
    open_count += 1;
}

static void run(struct model *model, struct simulated_disk *disk, struct random *random)
{
    const uint64_t items = items_of(model->options.seed);
    const uint64_t reopens = 20 + random_below(random, 200);
    while (model->now.item < items) {
        EXPECT(model_step(model) == TACTUS_OK);
        item_count += 1;
        if (random_chance(random, 1, 40)) model_compare(model);
        if (disk != NULL && random_chance(random, 1, reopens)) reopen(model, disk, random);
    }
    model_compare(model);
    forest_check(&model->db->forest);
}

TEST(database, on_a_disk_with_reopens_keeps_what_the_oracle_has)
{
    const struct test_seeds seeds = test_seeds(30);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        struct random random;
        random_init(&random, seed);
        const struct simulated_disk_options disk_options = {
            .seed = seed,
            .size_max = UINT64_C(1) << 30,
            .in_order = random_chance(&random, 1, 3),
            .at_submission = random_chance(&random, 1, 3),
        };
        struct simulated_disk *disk = simulated_disk_new(&disk_options);
        const struct model_options options = options_of(seed, &random);
        struct model *model = model_new(&options);
        struct reactor reactor;
        simulated_disk_open(&reactor, disk);
        reactor.is_new = true;
        EXPECT(model_open(model, &reactor) == TACTUS_OK);
        run(model, disk, &random);
        model_free(model);
        simulated_disk_free(disk);
    }
}

TEST(database, in_memory_keeps_what_the_oracle_has)
{
    const struct test_seeds seeds = test_seeds(12);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        struct random random;
        random_init(&random, ~seed);
        const struct model_options options = options_of(seed, &random);
        struct model *model = model_new(&options);
        struct reactor reactor;
        const struct file_open_options file = {.path = ":memory:", .create = true};
        EXPECT(file_open(&reactor, &file, NULL) == TACTUS_OK);
        EXPECT(reactor.is_new);
        EXPECT(model_open(model, &reactor) == TACTUS_OK);
        run(model, NULL, &random);
        model_free(model);
    }
    printf(
        "database: %llu items, %llu opens\n",
        (unsigned long long)item_count,
        (unsigned long long)open_count
    );
}

TEST_MAIN()
