/* One history must come to the same bytes, however it is run: in one go, with clean reopens,
 * through crashes and recoveries; whatever the cache, the order in which the disk finishes, the
 * sync mode, and how much compaction has under way.
 *
 * The history is engine_model.h's. A first run writes down what the file holds after every complete
 * checkpoint (the checkpoint's state, a digest of each allocated block up to its size, the free
 * set), named by the op. The other runs must find the same whenever they come by one of those ops,
 * also where the checkpoint was made by replay. */
#include "support/engine_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/integer.h"
#include "database/database.h"
#include "support/simulated_disk.h"
#include "support/test.h"

#include "base/poison.h"

enum { IMAGES_MAX = 256, ITEMS = 260 };

/* What a file holds after an op (storage.md S10, but for the journal). Of what the checkpoint's
 * effect frees only the addresses count: after it, and so after a crash that goes back to the
 * checkpoint, those blocks may have been written over. What is kept for longer is still there. */
struct image {
    uint64_t op;
    uint64_t beat;
    uint64_t item;
    struct checkpoint_state checkpoint;
    struct checksum blocks; /* of all allocated blocks, with their addresses */
    uint64_t block_count;
};

struct history {
    struct image images[IMAGES_MAX];
    uint32_t count;
    struct checkpoint_state dues[IMAGES_MAX]; /* every checkpoint, those that were due among them */
    uint32_t due_count;
};

/* How a run differs from others. */
struct manner {
    uint64_t cache_bytes;
    uint32_t depth; /* of compaction, until a reopen draws another; 0: the default */
    uint32_t sync;
    bool in_order;
    bool at_submission;
    uint32_t reopens; /* one step in so many is followed by a reopen; 0: never */
    uint32_t crashes; /* likewise by a run into a crash */
    uint32_t slow;    /* one request in so many takes long; 0: none, 1: each of the superblock */
    uint32_t keep;    /* not a manner, but an option of the file; 0: 1 */
};

/* Options of the file: each of them has histories of its own. */
static const uint32_t settings[][TACTUS_LEVELS] = {
    {1, 1, 1, 1, 1, 1, 1},
    {8, 1, 1, 1, 1, 1, 1},
    {2, 1, 1, 1, 1, 1, 1},
    {4, 4, 1, 1, 1, 1, 1},
    {2, 2, 2, 1, 1, 1, 1},
};

/* Longer than all the beats until an effect. */
#define SLOW_NS (UINT64_C(1) << 40)

static uint64_t compared_count;
static uint64_t due_compared_count;
static uint64_t durable_count; /* checkpoints; and those that somebody had to wait for */
static uint64_t waited_count;
static uint64_t crash_count;
static uint64_t slice_count;
static uint64_t kept_count; /* blocks that were released, and are not freed by the next effect */

/* Of what is released: the blocks of the side are the checkpoint's own, and still there. */
static uint32_t effects_left(const struct free_set *free_set, uint64_t address)
{
    const uint32_t left = free_set_effects_left(free_set, address);
    return left > free_set->keep ? 0 : left;
}
static uint64_t slice_below_count; /* of levels 1 and 2 */

static struct image image_of(const struct model *model, const struct simulated_disk *disk)
{
    const tactus_db *db = model->db;
    const struct free_set *free_set = &db->grid.free_set;
    struct image image = {
        .op = journal_op_last(&db->journal),
        .beat = db->forest.schedule.beat,
        .item = model->now.item,
        .checkpoint = db->superblock.checkpoint,
    };
    struct checksum_stream stream;
    checksum_stream_begin(&stream, (struct checksum){0});
    uint8_t *block = malloc(db->layout.block_size);
    EXPECT(block != NULL);
    for (uint64_t address = 1; address <= free_set_highest_acquired(free_set); address += 1) {
        if (free_set_is_free(free_set, address)) continue;
        const uint32_t released = effects_left(free_set, address);
        uint8_t name[16];
        store_u64(name, address);
        store_u64(name + 8, released);
        checksum_stream_add(&stream, name, sizeof name);
        image.block_count += 1;
        if (released == 1) continue;
        if (released > 1) kept_count += 1;
        const uint64_t offset = layout_block_offset(&db->layout, address);
        simulated_disk_peek(disk, offset, block, db->layout.block_size);
        EXPECT(
            block_fault(block, address, db->layout.block_size, db->superblock.options.file_id) ==
            NULL
        );
        checksum_stream_add(&stream, block, load_u32(block + 48));
    }
    free(block);
    image.blocks = checksum_stream_end(&stream);
    return image;
}

static bool is_complete(const struct model *model)
{
    const struct checkpoint_state *checkpoint = &model->db->superblock.checkpoint;
    return checkpoint->op_covered == journal_op_last(&model->db->journal);
}

static void expect_same(const struct image *image, const struct image *expected)
{
    EXPECT(image->beat == expected->beat);
    EXPECT(image->block_count == expected->block_count);
    EXPECT(image->checkpoint.op_captured == expected->checkpoint.op_captured);
    EXPECT(image->checkpoint.beat_capture == expected->checkpoint.beat_capture);
    EXPECT(image->checkpoint.journal_offset == expected->checkpoint.journal_offset);
    EXPECT(image->checkpoint.block_count == expected->checkpoint.block_count);
    EXPECT(memcmp(&image->checkpoint, &expected->checkpoint, sizeof image->checkpoint) == 0);
    EXPECT(checksum_equal(image->blocks, expected->blocks));
}

/* Writes the image down, in the first run, or compares it with what is written. */
static void look(
    const struct model *model,
    const struct simulated_disk *disk,
    struct history *history,
    bool first
)
{
    if (model->now.op == 0 || !is_complete(model)) return;
    const struct image image = image_of(model, disk);
    for (uint32_t index = 0; index < history->count; index += 1) {
        if (history->images[index].op != image.op) continue;
        expect_same(&image, &history->images[index]);
        compared_count += 1;
        return;
    }
    EXPECT(first);
    EXPECT(history->count < IMAGES_MAX);
    history->images[history->count] = image;
    history->count += 1;
}

/* The same for the checkpoint that the file has now, whoever captured it, and however long its
 * superblock took. A run that is slow may go past one without anybody looking: so the first that
 * sees it writes it down. */
static void look_at_checkpoint(const struct model *model, struct history *history)
{
    const struct checkpoint_state *checkpoint = &model->db->superblock.checkpoint;
    for (uint32_t index = 0; index < history->due_count; index += 1) {
        const struct checkpoint_state *due = &history->dues[index];
        if (due->op_captured != checkpoint->op_captured) continue;
        EXPECT(memcmp(due, checkpoint, sizeof *due) == 0);
        due_compared_count += 1;
        return;
    }
    EXPECT(history->due_count < IMAGES_MAX);
    history->dues[history->due_count] = *checkpoint;
    history->due_count += 1;
}

/* What the database counted goes with its handle. */
static void count_and_close(struct model *model)
{
    const struct checkpoint_statistics *statistics = &model->db->checkpoint.statistics;
    durable_count += statistics->count;
    waited_count += statistics->waited;
    slice_count += model_slices(model, 0);
    slice_below_count += model_slices(model, 1) + model_slices(model, 2);
    model_close(model);
}

static void make_slow(struct simulated_disk *disk, uint32_t slow, struct random *random)
{
    if (slow == 0) return;
    struct simulated_fault fault = {.kind = SIMULATED_DELAY, .delay_ns = SLOW_NS};
    if (slow == 1) {
        fault.to = (uint64_t)SUPERBLOCK_COPIES * SUPERBLOCK_SLOT;
        fault.is_sticky = true;
        simulated_disk_fault_add(disk, fault);
        return;
    }
    for (uint32_t index = 0; index < SIMULATED_FAULTS_MAX; index += 1) {
        fault.skip += random_below(random, 2 * slow);
        simulated_disk_fault_add(disk, fault);
    }
}

static void reopen(struct model *model, struct simulated_disk *disk, struct random *random)
{
    struct reactor reactor;
    model->options.compaction_depth = (uint32_t)random_below(random, COMPACTION_DEPTH_MAX + 1);
    simulated_disk_open(&reactor, disk);
    EXPECT(model_open(model, &reactor) == TACTUS_OK);
    model_recover(model);
}

/* A reader finds what recovery is going to find, changing no byte. */
static void read_only(struct model *model, struct simulated_disk *disk)
{
    const uint64_t hash = simulated_disk_hash(disk);
    struct reactor reactor;
    simulated_disk_open_read_only(&reactor, disk);
    EXPECT(model_open_read_only(model, &reactor) == TACTUS_OK);
    model_recover(model); /* from here on nothing but this state will do */
    model_close(model);
    EXPECT(simulated_disk_hash(disk) == hash);
}

/* Goes on until the disk dies, a few changes from here, then recovers what a random outcome
 * left. */
static void run_into_crash(struct model *model, struct simulated_disk *disk, struct random *random)
{
    simulated_disk_crash_at(disk, 1 + random_below(random, 80));
    while (model->now.item < ITEMS && model_step(model) == TACTUS_OK) {
    }
    model_close(model);
    const uint32_t outcomes = simulated_disk_outcome_count(disk);
    const uint32_t index = (uint32_t)random_below(random, outcomes);
    simulated_disk_crash(disk, simulated_disk_outcome(disk, index));
    crash_count += 1;
    if (random_chance(random, 1, 2)) read_only(model, disk);
    reopen(model, disk, random);
}

static void run(
    uint64_t seed,
    const uint32_t runs_max[TACTUS_LEVELS],
    struct manner manner,
    struct history *history,
    struct random *random
)
{
    const bool first = history->count == 0;
    struct model_options options = {
        .seed = seed,
        .sync = manner.sync,
        .checkpoints = seed % 3 == 0 ? 70 : 15,
        .cache_bytes = manner.cache_bytes,
        .batch_max = seed % 2 == 0 ? 32 : 96,
        .compaction_depth = manner.depth,
        .keep = manner.keep,
    };
    memcpy(options.runs_max, runs_max, sizeof options.runs_max);
    const struct simulated_disk_options disk_options = {
        .seed = random_u64(random),
        .size_max = UINT64_C(1) << 30,
        .in_order = manner.in_order,
        .at_submission = manner.at_submission,
    };
    struct model *model = model_new(&options);
    struct simulated_disk *disk = simulated_disk_new(&disk_options);
    struct reactor reactor;
    simulated_disk_open(&reactor, disk);
    reactor.is_new = true;
    EXPECT(model_open(model, &reactor) == TACTUS_OK);
    make_slow(disk, manner.slow, random);
    while (model->now.item < ITEMS) {
        EXPECT(model_step(model) == TACTUS_OK);
        look(model, disk, history, first);
        look_at_checkpoint(model, history);
        if (manner.reopens != 0 && random_chance(random, 1, manner.reopens)) {
            count_and_close(model);
            /* What is closed is durable. */
            model->states[0] = model->now;
            model->state_count = 1;
            reopen(model, disk, random);
            look(model, disk, history, first);
        }
        if (manner.crashes != 0 && random_chance(random, 1, manner.crashes)) {
            run_into_crash(model, disk, random);
            look(model, disk, history, first);
        }
    }
    if (!is_complete(model)) EXPECT(tactus_checkpoint(model->db) == TACTUS_OK);
    look(model, disk, history, first);
    model_compare(model);
    count_and_close(model);
    model_free(model);
    simulated_disk_free(disk);
}

static void run_seed(uint64_t seed, const uint32_t runs_max[TACTUS_LEVELS], uint32_t keep)
{
    test_seed_begin(seed);
    struct random random;
    random_init(&random, seed);
    struct history *history = calloc(1, sizeof *history);
    EXPECT(history != NULL);
    const struct manner plain = {.cache_bytes = 1 << 20, .in_order = true, .keep = keep};
    run(seed, runs_max, plain, history, &random);
    EXPECT(history->count > 0);

    const uint32_t large = COMPACTION_DEPTH_MAX;
    struct manner manners[] = {
        {.cache_bytes = 0, .depth = 1},
        {.cache_bytes = 0, .depth = large},
        {.cache_bytes = 1 << 20, .depth = 1, .in_order = true},
        {.cache_bytes = 1 << 22, .depth = large, .at_submission = true},
        {.cache_bytes = 0, .at_submission = true, .sync = TACTUS_SYNC_NONE},
        {.cache_bytes = 1 << 22, .sync = TACTUS_SYNC_INTERVAL},
        {.cache_bytes = 0, .reopens = 12, .in_order = true},
        {.cache_bytes = 1 << 20, .reopens = 3, .sync = TACTUS_SYNC_NONE},
        {.cache_bytes = 0, .crashes = 12},
        {.cache_bytes = 1 << 20, .crashes = 5, .sync = TACTUS_SYNC_NONE},
        {.cache_bytes = 1 << 20, .crashes = 8, .reopens = 8, .sync = TACTUS_SYNC_INTERVAL},
        {.cache_bytes = 0, .slow = 1},
        {.cache_bytes = 1 << 20, .slow = 1, .sync = TACTUS_SYNC_NONE, .reopens = 9},
        {.cache_bytes = 1 << 20, .slow = 1, .crashes = 9},
        {.cache_bytes = 0, .slow = 60, .sync = TACTUS_SYNC_NONE},
        {.cache_bytes = 0, .slow = 60, .depth = 1},
    };
    for (uint32_t index = 0; index < COUNT_OF(manners); index += 1) {
        manners[index].keep = keep;
        run(seed, runs_max, manners[index], history, &random);
    }
    free(history);
}

TEST(determinism, one_history_has_one_image_however_it_is_run)
{
    const struct test_seeds seeds = test_seeds(6);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1)
        run_seed(seed, settings[0], 1);
    printf(
        "determinism: %llu images compared, %llu checkpoints compared, %llu crashes; %llu "
        "checkpoints written, %llu of them waited for\n",
        (unsigned long long)compared_count,
        (unsigned long long)due_compared_count,
        (unsigned long long)crash_count,
        (unsigned long long)durable_count,
        (unsigned long long)waited_count
    );
    EXPECT(compared_count > 0);
    EXPECT(due_compared_count > 0);
    EXPECT(waited_count > 0 && waited_count < durable_count);
}

/* The same test must be able to fail: another history has another image. */
TEST(determinism, another_history_has_another_image)
{
    struct random random;
    random_init(&random, 1);
    struct history *histories = calloc(2, sizeof *histories);
    EXPECT(histories != NULL);
    const struct manner plain = {.cache_bytes = 1 << 20};
    run(2, settings[0], plain, &histories[0], &random);
    run(4, settings[0], plain, &histories[1], &random);
    const struct image *a = &histories[0].images[histories[0].count - 1];
    const struct image *b = &histories[1].images[histories[1].count - 1];
    EXPECT(!checksum_equal(a->blocks, b->blocks));
    free(histories);
}

TEST(determinism, of_several_runs_in_a_level_is_the_same)
{
    const uint32_t several = COUNT_OF(settings) - 1;
    const struct test_seeds seeds = test_seeds(several + 1);
    slice_count = 0;
    slice_below_count = 0;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1)
        run_seed(seed, settings[1 + seed % several], 1);
    EXPECT(slice_count > 0 || seeds.count <= several);
    EXPECT(slice_below_count > 0 || seeds.count <= several);
}

TEST(determinism, of_released_blocks_that_are_kept_for_longer_is_the_same)
{
    const struct test_seeds seeds = test_seeds(3);
    kept_count = 0;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1)
        run_seed(seed, settings[0], 3);
    EXPECT(kept_count > 0);
}

TEST_MAIN()
