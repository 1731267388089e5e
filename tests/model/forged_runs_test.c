/* One tree with several runs in one level or more, in a file that lies about its tables: their
 * bounds and counts, their places, bytes of their blocks; every checksum holds. It is opened, and
 * its history goes on. Nothing aborts: what is noticed is TACTUS_CORRUPT, in words.
 *
 * No call here reads before it writes, so that slices and merges are the first to meet the lie. */
#include "support/forged_file.h"
#include "support/lsm_fixture.h"
#include "support/test.h"

#include "base/poison.h"

enum { BAR = 4, BARS_AFTER = 16, FORGERIES = 12, CHANGES_MAX = 2, KEYS = 100000 };

static struct lsm_fixture fixture;
static struct simulated_disk *disk;
static struct lsm_fixture_options options;
static struct forged_file forged;
static uint64_t refused, noticed, unnoticed, slices;

/* Small records, a leaf a table; or large ones, several leaves. */
static void choose(struct random *random, uint64_t seed)
{
    const bool is_index = seed % 3 == 1;
    const bool is_large = seed % 3 == 2;
    options = (struct lsm_fixture_options
    ){.shape = is_index   ? record_shape_index64()
               : is_large ? record_shape_object(984, 0)
                          : record_shape_id64(),
      .usage = is_index ? TREE_INDEX : TREE_GENERAL,
      .point_lookups = !is_index && !is_large,
      .record_max = is_large ? 60 : 300,
      .bar_beats = BAR,
      .coalesces = seed % 2 == 0,
      .block_count_max = 8192};
    options.runs_max[0] = (uint32_t)random_range(random, 2, 6);
    if (seed % 2 == 1) options.runs_max[1] = (uint32_t)random_range(random, 2, 4);
    if (seed % 4 == 1) options.runs_max[2] = 2;
}

static enum tactus_status beats(struct random *random, uint32_t count)
{
    for (uint32_t beat = 0; beat < count; beat += 1) {
        for (uint32_t index = 0; index < options.record_max; index += 1) {
            uint64_t record[984 / 8] = {
                random_below(random, KEYS) + 1, fixture.beat * options.record_max + index + 1};
            tree_put(&fixture.tree, record);
        }
        tree_settle(&fixture.tree);
        TRY(lsm_fixture_boundary(&fixture, (fixture.beat + 1) % (2 * BAR) == 0));
    }
    return TACTUS_OK;
}

/* A history that ends in a checkpoint, amidst slices. */
static void begin(struct random *random, uint64_t seed)
{
    choose(random, seed);
    disk = lsm_fixture_disk(seed, &options);
    lsm_fixture_begin(&fixture, disk, &options);
    lsm_fixture_create(&fixture);
    const uint32_t bars = (uint32_t)random_range(random, 8, 20);
    EXPECT(beats(random, bars * BAR + 1) == TACTUS_OK);
    EXPECT(lsm_fixture_bar(&fixture, true) == TACTUS_OK);
    EXPECT(grid_writes_finish(&fixture.storage.grid) == TACTUS_OK);
    forged_file_begin(&forged, disk);
    forged_file_add(&forged, &fixture.tree.manifest);
    lsm_fixture_end(&fixture);
}

/* What comes of one forgery. */
static void go_on(struct random *random)
{
    lsm_fixture_begin(&fixture, disk, &options);
    enum tactus_status status = lsm_fixture_open(&fixture);
    const bool is_open = status == TACTUS_OK;
    if (is_open) status = beats(random, BARS_AFTER * BAR);
    EXPECT(status == TACTUS_OK || status == TACTUS_CORRUPT);
    if (status == TACTUS_CORRUPT) EXPECT(fixture.storage.fault.what != NULL);
    refused += !is_open;
    noticed += is_open && status == TACTUS_CORRUPT;
    unnoticed += status == TACTUS_OK;
    slices += fixture.tree.compactions[1].total.slices;
    lsm_fixture_end(&fixture);
}

TEST(forged_runs, abort_nothing_when_their_history_goes_on)
{
    const struct test_seeds seeds = test_seeds(12);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        struct random random;
        random_init(&random, seed);
        begin(&random, seed);
        for (uint32_t round = 0; round < FORGERIES; round += 1) {
            test_seed_begin(seed);
            forged_file_reset(&forged);
            const uint64_t changes = random_range(&random, 1, CHANGES_MAX);
            for (uint64_t change = 0; change < changes; change += 1)
                forged_file_change(&forged, &random);
            forged_file_write(&forged, disk);
            go_on(&random);
        }
        forged_file_end(&forged);
        simulated_disk_free(disk);
    }
    if (seeds.count < 12) return;
    EXPECT(refused > 0 && noticed > 0 && slices > 0);
}

/* All tables of level 0 are said to begin where they end. */
static void raise_all_bounds(void)
{
    for (uint32_t index = 0; index < forged.table_count; index += 1) {
        struct table_info info = forged.tables[index];
        info.key_min = info.key_max;
        if (info.level == 0) EXPECT(forged_file_set(&forged, &forged.tables[index], &info));
    }
    forged_file_write(&forged, disk);
}

/* What was selected before does not count for room any more. */
TEST(forged_runs, make_a_selection_that_has_nothing_of_the_last)
{
    struct random random;
    random_init(&random, 6);
    begin(&random, 6);
    raise_all_bounds();
    lsm_fixture_begin(&fixture, disk, &options);
    EXPECT(lsm_fixture_open(&fixture) == TACTUS_OK);
    struct compaction *compaction = &fixture.tree.compactions[1];
    for (uint32_t beat = 0; compaction->stage != COMPACTION_FAILED; beat += 1) {
        EXPECT(beat < 40 * BAR);
        if (compaction->stage == COMPACTION_IDLE) {
            compaction->b_count = 9;
            compaction->move_table = true;
        }
        EXPECT(beats(&random, 1) == TACTUS_OK);
    }
    EXPECT(!compaction->move_table);
    EXPECT(compaction->b_count == 0 && compaction->b_first == NULL);
    EXPECT(compaction_entry_count_max(compaction) == 1);
    EXPECT(fixture.storage.fault.status == TACTUS_CORRUPT);
    lsm_fixture_end(&fixture);
    forged_file_end(&forged);
    simulated_disk_free(disk);
}

TEST_MAIN()
