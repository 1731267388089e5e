/* The arithmetic of admission: when a beat is full, what a bar may take, what must be free. */
#include "forest/forest.h"

#include <string.h>

#include "base/integer.h"
#include "support/database_fixture.h"
#include "support/test.h"

#include "base/poison.h"

static struct database_fixture fixture;
static struct forest *forest;
static struct schedule *schedule;

static void begin(void)
{
    database_fixture_begin(&fixture, 1);
    forest = &fixture.db->forest;
    schedule = &forest->schedule;
}

static void end(void)
{
    database_fixture_end(&fixture);
}

TEST(admission, a_beat_is_full_beyond_its_batch_or_its_bytes)
{
    begin();
    uint32_t counts[COLLECTIONS_MAX] = {0};
    struct forest_commit commit = {.entry_bytes = 4096, .event_counts = counts};
    EXPECT(!forest_beat_is_full(forest, &commit));
    counts[2] = FIXTURE_BATCH;
    EXPECT(!forest_beat_is_full(forest, &commit));
    schedule->beat_events[2] = 1;
    EXPECT(forest_beat_is_full(forest, &commit));
    counts[2] = FIXTURE_BATCH - 1;
    EXPECT(!forest_beat_is_full(forest, &commit));
    schedule->beat_events[2] = UINT32_MAX; /* nothing overflows */
    EXPECT(forest_beat_is_full(forest, &commit));
    schedule->beat_events[2] = 0;
    commit.entry_bytes = schedule->beat_bytes_max;
    EXPECT(!forest_beat_is_full(forest, &commit));
    commit.entry_bytes += 1;
    EXPECT(forest_beat_is_full(forest, &commit));
    schedule->beat_bytes = 4096;
    commit.entry_bytes = schedule->beat_bytes_max - 4096;
    EXPECT(!forest_beat_is_full(forest, &commit));
    commit.entry_bytes += 1;
    EXPECT(forest_beat_is_full(forest, &commit));
    schedule->beat_bytes = 0;
    end();
}

/* S7's formula, written down once more. */
static uint64_t bar_blocks_by_hand(void)
{
    const struct sizing *sizing = fixture.db->sizing;
    uint64_t blocks = 0;
    uint64_t written = 0;
    for (uint32_t tree = 0; tree < forest->tree_count; tree += 1) {
        uint64_t tables = 1 + (uint64_t)tree_table_count(&forest->trees[tree], 0);
        for (uint8_t level = 0; level < 6; level += 1) {
            const uint64_t here = tree_table_count(&forest->trees[tree], level);
            const uint64_t above =
                level == 0 ? 0 : tree_table_count(&forest->trees[tree], (uint8_t)(level - 1));
            if (here + above == 0) continue;
            const uint64_t overlap =
                level % 2 == 0 ? tree_overlap_max(&forest->trees[tree], level)
                               : tree_table_count(&forest->trees[tree], (uint8_t)(level + 1));
            tables += 1 + (overlap + 1 < 4 ? overlap + 1 : 4);
        }
        blocks += tables * sizing->trees[tree].table_blocks;
        written += tables;
    }
    const uint64_t highest = free_set_highest_acquired(&fixture.db->grid.free_set);
    const uint64_t log = manifest_pace_bar_blocks(
        &sizing->log, forest->log.block_count, forest->log.extents.count, 3 * written
    );
    return blocks + log + sizing_trailer_blocks(sizing, highest + blocks);
}

TEST(admission, a_bar_s_blocks_are_the_sum_over_trees_log_and_trailers)
{
    begin();
    forest_measure_bar(forest);
    EXPECT(schedule->bar_blocks == bar_blocks_by_hand());
    const struct sizing *sizing = fixture.db->sizing;
    EXPECT(schedule->bar_blocks + sizing->log_blocks_bar >= sizing->bar_blocks_empty);
    EXPECT(schedule->bar_blocks_next >= schedule->bar_blocks);
    uint64_t next = schedule->bar_blocks_next;
    for (uint64_t batch = 0; batch < 300; batch += 1) {
        const uint64_t beat = schedule->beat;
        EXPECT(
            database_fixture_insert(&fixture, 1 + batch * 32, FIXTURE_BATCH, (uint32_t)batch) ==
            TACTUS_OK
        );
        if (schedule->beat == beat || (schedule->beat - 1) % 2 != 0) continue;
        /* Kept as it was when the half-bar opened. */
        const uint64_t kept = schedule->bar_blocks;
        EXPECT(kept == bar_blocks_by_hand());
        /* What a bar was expected to take at most, before it was opened, is what it may take. */
        if ((schedule->beat - 1) % 4 != 0) continue;
        EXPECT(kept <= next + sizing_trailer_blocks(fixture.db->sizing, 0));
        next = schedule->bar_blocks_next;
    }
    EXPECT(tree_table_count(forest->collections[0].object_tree, 1) > 0);
    end();
}

TEST(admission, what_bars_acquire_is_never_more_than_was_foreseen)
{
    begin();
    uint64_t bars = 0;
    uint64_t foreseen = schedule->bar_blocks;
    uint64_t written = fixture.db->grid.statistics.blocks_written;
    for (uint64_t batch = 0; batch < 600; batch += 1) {
        const uint64_t bar = (schedule->beat - 1) / 4;
        EXPECT(
            database_fixture_insert(
                &fixture, 1 + batch * 7919 % 100000 * 32, FIXTURE_BATCH, (uint32_t)(batch * 31 % 17)
            ) == TACTUS_OK
        );
        if ((schedule->beat - 1) / 4 == bar) continue;
        const uint64_t now = fixture.db->grid.statistics.blocks_written;
        EXPECT(now - written <= foreseen);
        written = now;
        foreseen = schedule->bar_blocks_next;
        bars += 1;
    }
    EXPECT(bars > 100);
    end();
}

/* The commit that would close a beat, at a beat that ends no half-bar, so that nothing is grown. */
static enum tactus_status admit(bool removes_only, uint64_t bar_blocks)
{
    uint32_t counts[COLLECTIONS_MAX] = {0};
    const struct forest_commit commit = {
        .entry_bytes = schedule->beat_bytes_max + 1,
        .event_counts = counts,
        .removes_only = removes_only,
    };
    schedule->bar_blocks = bar_blocks;
    fault_clear(&fixture.db->fault);
    const enum tactus_status status = forest_admit(forest, &commit);
    EXPECT((fixture.db->fault.status != TACTUS_OK) == (status != TACTUS_OK));
    return status;
}

TEST(admission, six_bars_must_be_free_and_three_for_removals)
{
    begin();
    EXPECT(schedule->beat == 1);
    const uint64_t free_blocks = free_set_count_free(&fixture.db->grid.free_set);
    EXPECT(admit(false, free_blocks / 6) == TACTUS_OK);
    EXPECT(admit(false, free_blocks / 6 + 1) == TACTUS_LIMIT);
    EXPECT(admit(true, free_blocks / 6 + 1) == TACTUS_OK);
    EXPECT(admit(true, free_blocks / 3) == TACTUS_OK);
    EXPECT(admit(true, free_blocks / 3 + 1) == TACTUS_LIMIT);
    /* One that fits into the open beat is asked, too: a checkpoint flushes what it brings. */
    uint32_t counts[COLLECTIONS_MAX] = {0};
    const struct forest_commit small = {.entry_bytes = 4096, .event_counts = counts};
    schedule->bar_blocks = free_blocks;
    EXPECT(forest_admit(forest, &small) == TACTUS_LIMIT);
    EXPECT(!schedule->short_of_room);
    forest_measure_bar(forest);
    fault_clear(&fixture.db->fault);
    EXPECT(forest_admit(forest, &small) == TACTUS_OK);
    fault_clear(&fixture.db->fault);
    end();
}

/* The same of a checkpoint. */
static enum tactus_status admit_checkpoint(uint64_t bar_blocks, uint64_t next)
{
    schedule->bar_blocks = bar_blocks;
    schedule->bar_blocks_next = next;
    schedule->bar_blocks_after_next = next;
    fault_clear(&fixture.db->fault);
    return forest_admit_checkpoint(forest);
}

/* Behind its entry there is no way back: what its bars may take at worst is asked for before. */
TEST(admission, a_checkpoint_s_bars_are_in_the_file_before_its_entry_is_written)
{
    begin();
    const struct simulated_fault full = {.kind = SIMULATED_GROW_ERROR, .is_sticky = true};
    simulated_disk_fault_add(fixture.disk, full);
    const struct grid *grid = &fixture.db->grid;
    const uint64_t in_file = grid->block_count - free_set_count_acquired(&grid->free_set);
    const uint64_t bar = in_file / 4;
    EXPECT(admit_checkpoint(bar, in_file - 2 * bar) == TACTUS_OK);
    EXPECT(schedule->short_of_room);
    EXPECT(admit_checkpoint(bar, in_file - 2 * bar + 1) == TACTUS_FULL);
    const uint64_t free_blocks = free_set_count_free(&grid->free_set);
    EXPECT(admit_checkpoint(bar, free_blocks - 2 * bar + 1) == TACTUS_LIMIT);
    EXPECT(strncmp(fixture.db->fault.what, "checkpoint: ", 12) == 0);

    /* Where its entry does not fit into the bar's last beat, it sets off a bar more. */
    schedule->beat = 4;
    EXPECT(admit_checkpoint(bar, in_file - 2 * bar) == TACTUS_OK);
    schedule->beat_bytes = schedule->beat_bytes_max;
    EXPECT(admit_checkpoint(bar, in_file - 2 * bar) == TACTUS_FULL);
    EXPECT(admit_checkpoint(bar, bar) == TACTUS_OK);
    EXPECT(admit_checkpoint(bar, (in_file - 2 * bar) / 2 + 1) == TACTUS_FULL);
    schedule->beat_bytes = 0;
    schedule->beat = 1;

    /* Every commit leaves as much behind, an ordinary one W more. */
    EXPECT(admit(true, bar) == TACTUS_OK);
    schedule->bar_blocks_next = in_file - 2 * bar;
    EXPECT(admit(true, bar) == TACTUS_OK);
    EXPECT(admit(false, bar) == TACTUS_FULL);
    schedule->bar_blocks_next += 1;
    EXPECT(admit(true, bar) == TACTUS_FULL);
    simulated_disk_fault_clear(fixture.disk);
    forest_measure_bar(forest);
    fault_clear(&fixture.db->fault);
    end();
}

TEST(admission, the_file_has_room_for_what_a_half_bar_s_end_may_take_before_it_is_closed)
{
    begin();
    const struct grid *grid = &fixture.db->grid;
    for (uint64_t batch = 0; batch < 200; batch += 1) {
        const uint64_t beat = schedule->beat;
        const uint64_t foreseen = schedule->bar_blocks + schedule->bar_blocks_next;
        const uint64_t highest = free_set_nth_free(&grid->free_set, foreseen);
        EXPECT(
            database_fixture_insert(&fixture, 1 + batch * 32, FIXTURE_BATCH, (uint32_t)batch) ==
            TACTUS_OK
        );
        if (schedule->beat != beat && beat % 2 == 0) EXPECT(grid->block_count >= highest);
    }
    end();
}

TEST(admission, a_refusal_changes_nothing)
{
    begin();
    EXPECT(database_fixture_insert(&fixture, 1, FIXTURE_BATCH, 1) == TACTUS_OK);
    EXPECT(database_fixture_insert(&fixture, 100, FIXTURE_BATCH, 1) == TACTUS_OK);
    EXPECT(schedule->beat == 2); /* the last of a half-bar */
    const uint64_t blocks = fixture.db->grid.block_count;
    const uint64_t ahead = schedule->bar_blocks_next;
    const struct simulated_fault full = {.kind = SIMULATED_GROW_ERROR, .is_sticky = true};
    simulated_disk_fault_add(fixture.disk, full);
    schedule->bar_blocks_next = blocks; /* more than there is room for */
    EXPECT(database_fixture_insert(&fixture, 200, FIXTURE_BATCH, 1) == TACTUS_FULL);
    EXPECT(schedule->beat == 2 && fixture.db->grid.block_count == blocks);
    EXPECT(database_fixture_count(&fixture, NULL) == 2 * FIXTURE_BATCH);
    schedule->bar_blocks_next = fixture.db->sizing->block_count_max;
    EXPECT(database_fixture_insert(&fixture, 200, FIXTURE_BATCH, 1) == TACTUS_LIMIT);
    EXPECT(schedule->beat == 2 && fixture.db->grid.block_count == blocks);
    schedule->bar_blocks_next = ahead;
    simulated_disk_fault_clear(fixture.disk);
    EXPECT(database_fixture_insert(&fixture, 200, FIXTURE_BATCH, 1) == TACTUS_OK);
    EXPECT(schedule->beat == 3);
    end();
}

TEST_MAIN()
