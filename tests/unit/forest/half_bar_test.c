/* Pacing: how much a beat does of its half-bar's work, and how many blocks it reserves for that.
 * Driven by commits, as users do it; the simulated disk has no worker, so that an open beat's
 * instalment has run. */
#include "forest/forest.h"

#include "base/integer.h"
#include "support/database_fixture.h"
#include "support/test.h"

#include "base/poison.h"

enum { BAR = 16, HALF = BAR / 2, BATCH = 64 };

static struct database_fixture fixture;
static struct forest *forest;
static struct schedule *schedule;
static struct half_bar *half_bar;

static void begin(void)
{
    database_fixture_init(&fixture, 1);
    fixture.create.bar_beats = BAR;
    fixture.create.batch_max = BATCH;
    fixture.open.sync = TACTUS_SYNC_NONE;
    EXPECT(database_fixture_open(&fixture, true) == TACTUS_OK);
    forest = &fixture.db->forest;
    schedule = &forest->schedule;
    half_bar = &forest->half_bar;
}

static void end(void)
{
    forest_check(forest);
    database_fixture_end(&fixture);
}

/* A full batch, which closes the beat before. */
static void fill_beat(uint64_t batch)
{
    const uint64_t beat = schedule->beat;
    const uint64_t id = 1 + batch * 7919 % 100003 * BATCH;
    EXPECT(database_fixture_insert(&fixture, id, BATCH, (uint32_t)batch % 7) == TACTUS_OK);
    EXPECT(schedule->beat == beat + (batch > 0));
}

static uint32_t beats_left(void)
{
    return HALF - (uint32_t)((schedule->beat - 1) % HALF);
}

/* A step consumes at most one value block of each side, and ends when the quota is reached. */
TEST(half_bar, a_beat_does_its_quota_and_at_most_a_block_of_each_side_more)
{
    begin();
    uint64_t work = 0;    /* of the half-bar, as it was when selected */
    uint64_t done = 0;    /* of it, in the beats so far */
    uint64_t beyond = 0;  /* beats that went over their quota */
    uint64_t carried = 0; /* beats that left a compaction in its middle */
    const uint64_t blocks = 2 * UINT64_C(4096);
    for (uint64_t batch = 0; batch < 600; batch += 1) {
        fill_beat(batch);
        if (beats_left() == HALF) {
            work = half_bar->bytes_left;
            done = 0;
        }
        if (work == 0) continue;
        EXPECT(half_bar->bytes_left == work - done);
        EXPECT(half_bar->quota == div_ceil_u64(work - done, beats_left()));
        /* The same for each beat, but for what those before did too much. */
        EXPECT(half_bar->quota <= div_ceil_u64(work, HALF));
        EXPECT(half_bar->quota + blocks >= work / HALF);
        EXPECT(half_bar->done >= half_bar->quota && half_bar->done < half_bar->quota + blocks);
        done += half_bar->done;
        beyond += half_bar->done > half_bar->quota;
        carried += half_bar->pool.user != NULL;
        if (beats_left() == 1) EXPECT(done == work);
    }
    EXPECT(beyond > 50 && carried > 50);
    end();
}

/* What index blocks and the rounding of a beat can make a compaction reserve too much. */
static uint64_t extra_of(const struct compaction *compaction)
{
    return 2 * compaction_blocks_extra(&compaction->tree->format.geometry);
}

/* For its share, not for all that is left: else a file would be full long before it is. */
TEST(half_bar, a_beat_reserves_little_more_than_it_takes)
{
    begin();
    uint32_t current = 0;
    uint64_t largest = 0; /* of a half-bar's work, in blocks */
    for (uint64_t batch = 0; batch < 600; batch += 1) {
        fill_beat(batch);
        if (beats_left() == HALF) current = 0;
        if (!schedule->instalment_open) continue;
        uint64_t extra = 0;
        const uint32_t last = min_u32(half_bar->current + 1, half_bar->count);
        for (uint32_t index = current; index < last; index += 1)
            extra += extra_of(half_bar->compactions[index]);
        const struct block_supply *supply = &half_bar->supply;
        EXPECT(supply->count == schedule->reservation.block_count);
        EXPECT(supply->count - supply->taken <= extra);
        if (beats_left() == HALF) {
            for (uint32_t index = 0; index < half_bar->count; index += 1) {
                const struct compaction *compaction = half_bar->compactions[index];
                const uint64_t records = compaction_record_count(compaction);
                const uint64_t blocks = compaction_block_count_max(compaction, records);
                largest = max_u64(largest, blocks - min_u64(blocks, extra_of(compaction)));
            }
        }
        current = half_bar->current;
    }
    EXPECT(largest > 40); /* one compaction, and far more than what is allowed too much */
    end();
}

TEST_MAIN()
