/* The journal under power cuts, over the simulated disk: at every write, flush and header write
 * of random lives, with what was not durable kept, dropped and torn in many ways; then recovery,
 * itself cut at a random change, and another life upon it.
 *
 * The oracle is the list of everything that was ever handed to journal_append, cut back to what
 * was recovered at each open, and the highest op that was acknowledged as durable. After each
 * recovery:
 *
 *   acknowledged <= recovered <= handed over; every entry is the one of the list; nothing that an
 *   earlier recovery had cut is seen again; a read-only open changes no byte and finds the same.
 *
 * Rot and stale bytes come on top: in an entry that was durable they are reported, naming its
 * op, never cut (but for S6's window, and then it is the last flush group's); in a redundant
 * header, healed.
 *
 * `journal_test` runs a few seeds; `journal_test 1234` replays one; TACTUS_TEST_SEEDS=1000 more. */
#include "storage/journal.h"

#include "base/bytes.h"
#include "base/integer.h"
#include "base/random.h"
#include "support/journal_fixture.h"
#include "support/test.h"

#include <stdio.h>

enum { OPS_MAX = 512, ENTRY = 5, STEPS = 26, OUTCOMES = 8, LIVES = 3 };

struct known {
    uint64_t content;
    uint64_t durable_op; /* what its header says */
    uint64_t offset;     /* in the ring */
    uint64_t rounded;
};

struct oracle {
    uint64_t handed_over;         /* the highest op that may be on the disk */
    uint64_t acknowledged;        /* the highest op that was said to be durable */
    struct journal_position mark; /* where the next checkpoint may say that the entries begin */
    struct known known[OPS_MAX];  /* by op */
};

/* How durable the appends of a life are meant to be; queued ones are waited for now and then. */
enum mode { MODE_COMMIT, MODE_NONE, MODE_QUEUED, MODE_MIXED, MODE_COUNT };

struct life {
    struct journal_fixture fixture;
    struct random random;
    enum mode mode;
    struct oracle oracle;
};

static struct {
    uint64_t crash_points, recoveries, rots_reported, rots_in_window, headers_healed, entries_cut;
    uint64_t queued; /* entries whose append began no write */
} counters;

static uint64_t contents = 0; /* no two entries of a process are alike, but for those meant to be */

/* ---- One life: random steps until they are done, or the disk is dead ------------------------- */

static bool died(const struct life *life, enum tactus_status status)
{
    EXPECT(status == TACTUS_OK || simulated_disk_is_dead(life->fixture.disk));
    return status != TACTUS_OK;
}

/* What anybody could have been told by now. */
static void acknowledge(struct life *life)
{
    const uint64_t op_durable = journal_op_durable(&life->fixture.journal);
    EXPECT(op_durable >= life->oracle.acknowledged && op_durable <= life->oracle.handed_over);
    life->oracle.acknowledged = op_durable;
}

static bool flush(struct life *life)
{
    const bool is_dead = died(life, journal_flush(&life->fixture.journal));
    acknowledge(life);
    if (is_dead) return false;
    EXPECT(journal_op_last(&life->fixture.journal) == life->oracle.acknowledged);
    return true;
}

/* Waits for one of the queued ones, or only looks, or asks without waiting. */
static bool wait_for_one(struct life *life)
{
    struct journal *journal = &life->fixture.journal;
    const uint64_t op =
        random_range(&life->random, life->oracle.acknowledged, life->oracle.handed_over);
    const uint64_t roll = random_below(&life->random, 4);
    if (roll == 0) journal_poll(journal);
    if (roll == 1) journal_flush_start(journal);
    const bool is_dead = roll > 1 && died(life, journal_wait(journal, op));
    acknowledge(life);
    if (roll > 1 && !is_dead) EXPECT(life->oracle.acknowledged >= op);
    return !is_dead;
}

static enum journal_sync draw_sync(struct life *life)
{
    const uint64_t roll = random_below(&life->random, 9);
    switch (life->mode) {
    case MODE_COMMIT: return JOURNAL_SYNC_WAIT;
    case MODE_NONE: return JOURNAL_SYNC_NONE;
    case MODE_QUEUED: return roll == 0 ? JOURNAL_SYNC_WAIT : JOURNAL_SYNC_START;
    case MODE_MIXED:
    case MODE_COUNT: break;
    }
    if (roll < 3) return JOURNAL_SYNC_WAIT;
    return roll < 6 ? JOURNAL_SYNC_START : JOURNAL_SYNC_NONE;
}

/* The superblock is written after a flush (its rule Q1), and then it is durable at once. */
static bool checkpoint(struct life *life)
{
    struct journal_fixture *fixture = &life->fixture;
    if (!flush(life)) return false;
    if (died(life, reactor_flush(&fixture->reactor, &fixture->fault))) return false;
    const struct journal_position mark = life->oracle.mark;
    struct checkpoint_state *state = &fixture->superblock.checkpoint;
    state->op_covered = mark.op - 1;
    state->op_captured = journal_op_last(&fixture->journal);
    state->journal_offset = mark.offset;
    state->journal_predecessor = mark.predecessor;
    journal_tail_set(&fixture->journal, mark.op, mark.offset);
    life->oracle.mark = journal_head(&fixture->journal);
    return true;
}

static bool make_room(struct life *life)
{
    const struct journal *journal = &life->fixture.journal;
    const uint64_t ring = life->fixture.layout.journal_bytes;
    /* The entry, and the lap's end that it may leave behind. */
    const uint64_t needed = 2 * ENTRY * SECTOR_SIZE;
    if (journal_used_bytes(journal) + needed <= ring) return true;
    if (!checkpoint(life)) return false;
    return journal_used_bytes(journal) + needed <= ring || checkpoint(life);
}

static bool append(struct life *life)
{
    struct journal_fixture *fixture = &life->fixture;
    struct random *random = &life->random;
    if (!make_room(life)) return false;

    const uint64_t large = ENTRY * SECTOR_SIZE - JOURNAL_HEADER_SIZE;
    const uint64_t body_size = random_below(random, random_chance(random, 1, 3) ? large + 1 : 2000);
    const enum journal_sync sync = draw_sync(life);
    const uint64_t op = journal_op_last(&fixture->journal) + 1;
    EXPECT(op < OPS_MAX);
    contents += 1;
    /* Now and then the same transaction again that an earlier crash took. */
    const bool again = op <= life->oracle.handed_over && random_chance(random, 1, 2);
    struct known *known = &life->oracle.known[op];
    *known = (struct known){
        .content = again ? known->content : contents,
        .rounded = journal_entry_rounded(body_size),
    };
    life->oracle.handed_over = op;
    const uint64_t writes = fixture->journal.queue.write_total;
    const bool is_dead =
        died(life, journal_fixture_append(fixture, body_size, known->content, sync));
    acknowledge(life);
    if (is_dead) return false;
    counters.queued += fixture->journal.queue.write_total == writes;
    known->durable_op =
        journal_header_decode(journal_headers_get(&fixture->journal.headers, op)).durable_op;
    const uint64_t ring = fixture->layout.journal_bytes;
    known->offset = (journal_head(&fixture->journal).offset + ring - known->rounded) % ring;
    if (sync == JOURNAL_SYNC_WAIT) EXPECT(life->oracle.acknowledged == op);
    return true;
}

/* Compares what was recovered with the oracle, and goes on from it. */
static bool recovered_is_right(struct life *life)
{
    struct journal_fixture *fixture = &life->fixture;
    struct oracle *oracle = &life->oracle;
    const uint64_t op_last = journal_op_last(&fixture->journal);
    if (op_last < oracle->acknowledged || op_last > oracle->handed_over) return false;
    if (op_last < fixture->superblock.checkpoint.op_captured) return false;

    if (journal_read_begin(&fixture->journal) != TACTUS_OK) return false;
    for (uint64_t op = fixture->superblock.checkpoint.op_covered + 1;; op += 1) {
        struct journal_entry entry;
        bool end;
        if (journal_read_next(&fixture->journal, &entry, &end) != TACTUS_OK) return false;
        if (end) return op == op_last + 1;
        if (entry.op != op || entry.timestamp != oracle->known[op].content) return false;
        struct random random;
        random_init(&random, entry.timestamp);
        for (uint64_t i = 0; i + 8 <= entry.body_size; i += 8) {
            if (load_u64(entry.body + i) != random_u64(&random)) return false;
        }
        const uint64_t ring = fixture->layout.journal_bytes;
        oracle->known[op].rounded = entry.rounded_bytes;
        oracle->known[op].offset =
            (fixture->journal.reader.next.offset + ring - entry.rounded_bytes) % ring;
    }
}

static bool open_and_compare(struct life *life)
{
    struct journal_fixture *fixture = &life->fixture;
    if (died(life, journal_fixture_open(fixture))) return false;
    EXPECT(recovered_is_right(life));
    counters.recoveries += 1;
    counters.entries_cut += fixture->journal.recovery.cut_entry_count;
    life->oracle.acknowledged = journal_op_last(&fixture->journal);
    life->oracle.handed_over = life->oracle.acknowledged;
    life->oracle.mark = fixture->journal.first.next;
    return true;
}

static bool raise(struct life *life)
{
    struct journal_fixture *fixture = &life->fixture;
    if (died(life, reactor_flush(&fixture->reactor, &fixture->fault))) return false;
    journal_fixture_raise(fixture);
    return true;
}

static bool step(struct life *life)
{
    struct journal_fixture *fixture = &life->fixture;
    const uint64_t roll = random_below(&life->random, 100);
    if (roll < 66) return append(life);
    if (roll < 74) return wait_for_one(life);
    if (roll < 78) return flush(life);
    if (roll < 86) {
        life->oracle.mark = journal_head(&fixture->journal);
        return true;
    }
    if (roll < 92) return checkpoint(life);
    if (roll < 95) { /* closed in order */
        if (died(life, journal_close(&fixture->journal))) return false;
        life->oracle.acknowledged = life->oracle.handed_over;
    } /* else killed: what it wrote is in the system's hands */
    return open_and_compare(life) && raise(life);
}

static void live(struct life *life)
{
    life->mode = (enum mode)random_below(&life->random, MODE_COUNT);
    if (!open_and_compare(life) || !raise(life)) return;
    for (uint32_t i = 0; i < STEPS; i += 1) {
        if (!step(life)) return;
    }
}

/* The process is killed: what is in flight belongs to nobody. */
static void kill_process(struct life *life)
{
    journal_fixture_attach(&life->fixture, false);
}

static struct life life_copy(const struct life *life)
{
    struct life copy = *life;
    copy.fixture.disk = simulated_disk_clone(life->fixture.disk);
    copy.fixture.region = NULL;
    return copy;
}

/* ---- Rot ------------------------------------------------------------------------------------- */

/* Whether something on the disk is bound to tell that `op` was durable, when its entry is gone. Its
 * redundant header is not counted: it may have been on its way. */
static bool has_evidence(const struct life *life, uint64_t op)
{
    const struct superblock *superblock = &life->fixture.superblock;
    if (op <= superblock->checkpoint.op_captured || op < superblock->epoch_first_op) return true;
    for (uint64_t later = op + 1; later <= life->oracle.acknowledged; later += 1) {
        if (life->oracle.known[later].durable_op >= op) return true;
    }
    return false;
}

static void damage_entry(struct life *life, uint64_t op)
{
    struct journal_fixture *fixture = &life->fixture;
    static uint8_t bytes[ENTRY * SECTOR_SIZE];
    const struct known *known = &life->oracle.known[op];
    const uint64_t byte = fixture->layout.journal_offset + known->offset;
    switch (random_below(&life->random, 4)) {
    case 0: /* lost: zeros */
        bytes_zero(bytes, sizeof bytes);
        simulated_disk_poke(fixture->disk, byte, bytes, known->rounded);
        break;
    case 1: { /* lost: what another place holds, headers and all */
        const uint64_t sectors = fixture->layout.journal_bytes / SECTOR_SIZE;
        const uint64_t other =
            (known->offset / SECTOR_SIZE + 1 + random_below(&life->random, sectors - 1)) % sectors;
        simulated_disk_peek(
            fixture->disk, fixture->layout.journal_offset + other * SECTOR_SIZE, bytes, SECTOR_SIZE
        );
        simulated_disk_poke(fixture->disk, byte, bytes, SECTOR_SIZE);
        break;
    }
    default:
        simulated_disk_flip(
            fixture->disk,
            byte + random_below(&life->random, known->rounded),
            (uint32_t)random_below(&life->random, 8)
        );
    }
}

static void rot_entry(const struct life *origin, uint64_t op)
{
    struct life life = life_copy(origin);
    damage_entry(&life, op);
    const bool evidence = has_evidence(&life, op);
    const enum tactus_status status = journal_fixture_open(&life.fixture);
    if (status == TACTUS_OK) { /* the window of S6 */
        EXPECT(!evidence);
        EXPECT(journal_op_last(&life.fixture.journal) == op - 1);
        counters.rots_in_window += 1;
    } else {
        EXPECT(status == TACTUS_CORRUPT);
        EXPECT(life.fixture.fault.op == op);
        EXPECT(life.fixture.fault.zone == FAULT_ZONE_JOURNAL);
        counters.rots_reported += 1;
    }
    journal_fixture_free(&life.fixture);
}

static void rot_header(const struct life *origin, uint64_t op)
{
    struct life life = life_copy(origin);
    const uint64_t byte = journal_fixture_header_byte_of(&life.fixture, op);
    simulated_disk_flip(
        life.fixture.disk,
        byte + random_below(&life.random, JOURNAL_HEADER_SIZE),
        (uint32_t)random_below(&life.random, 8)
    );
    EXPECT(open_and_compare(&life));
    counters.headers_healed += 1;
    uint8_t bytes[JOURNAL_HEADER_SIZE];
    simulated_disk_peek(life.fixture.disk, byte, bytes, sizeof bytes);
    EXPECT(journal_header_fault(bytes, &life.fixture.journal.ring) == NULL);
    EXPECT(journal_fixture_open(&life.fixture) == TACTUS_OK);
    EXPECT(life.fixture.journal.recovery.headers_heal_count == 0);
    journal_fixture_free(&life.fixture);
}

static void rot(struct life *life)
{
    const uint64_t first = life->fixture.superblock.checkpoint.op_covered + 1;
    if (first > life->oracle.acknowledged) return;
    rot_entry(life, random_range(&life->random, first, life->oracle.acknowledged));
    rot_header(life, random_range(&life->random, first, life->oracle.acknowledged));
}

/* ---- Crashes --------------------------------------------------------------------------------- */

static void expect_read_only_is_the_same(const struct life *origin)
{
    struct life life = life_copy(origin);
    const uint64_t hash = simulated_disk_hash(life.fixture.disk);
    EXPECT(journal_fixture_open_read_only(&life.fixture) == TACTUS_OK);
    EXPECT(recovered_is_right(&life));
    EXPECT(simulated_disk_hash(life.fixture.disk) == hash);
    journal_fixture_free(&life.fixture);
}

/* The power is back: everything must be as promised; and once more, from here. */
static void after_crash(struct life *life, struct simulated_crash crash, uint32_t lives)
{
    counters.crash_points += 1;
    simulated_disk_crash(life->fixture.disk, crash);
    random_init(&life->random, random_u64(&life->random) ^ crash.mask ^ crash.seed);
    if (random_chance(&life->random, 1, 8)) expect_read_only_is_the_same(life);
    if (random_chance(&life->random, 1, 4)) rot(life);
    if (lives == 0 || !random_chance(&life->random, 1, 3)) {
        EXPECT(open_and_compare(life));
        return;
    }
    simulated_disk_crash_at(life->fixture.disk, 1 + random_below(&life->random, 60));
    live(life);
    const uint32_t outcomes = simulated_disk_outcome_count(life->fixture.disk);
    const uint32_t outcome = (uint32_t)random_below(&life->random, outcomes);
    after_crash(life, simulated_disk_outcome(life->fixture.disk, outcome), lives - 1);
}

/* Lives the same life up to its n-th change, then dies. */
static void crash_at(const struct life *origin, uint64_t n)
{
    struct life life = life_copy(origin);
    simulated_disk_crash_at(life.fixture.disk, n);
    live(&life);
    EXPECT(simulated_disk_is_dead(life.fixture.disk));

    const uint32_t outcome_count = simulated_disk_outcome_count(life.fixture.disk);
    for (uint32_t i = 0; i < min_u32(OUTCOMES, outcome_count); i += 1) {
        /* All where they are few; else the first ones, all and none kept, and a sample. */
        uint32_t outcome = i;
        if (outcome_count > OUTCOMES && i >= 2) {
            outcome = (uint32_t)random_below(&life.random, outcome_count);
        }
        struct life after = life_copy(&life);
        after_crash(&after, simulated_disk_outcome(after.fixture.disk, outcome), LIVES);
        journal_fixture_free(&after.fixture);
    }
    journal_fixture_free(&life.fixture);
}

static struct life life_new(uint64_t seed)
{
    struct life life = {.oracle = {.handed_over = 0}};
    random_init(&life.random, seed);
    const uint64_t ring_sectors = random_range(&life.random, 4 * ENTRY, 50);
    const bool at_submission = random_chance(&life.random, 1, 4);
    journal_fixture_new(&life.fixture, ring_sectors, ENTRY, seed, at_submission);
    return life;
}

TEST(journal_sim, every_crash_keeps_what_was_acknowledged)
{
    const struct test_seeds seeds = test_seeds(14);
    for (uint64_t i = 0; i < seeds.count; i += 1) {
        test_seed_begin(seeds.first + i);
        struct life origin = life_new(seeds.first + i);
        contents = (seeds.first + i) << 32;
        /* A first life, that some lives begin with: epochs, laps, a checkpoint. */
        if (random_chance(&origin.random, 1, 2)) live(&origin);
        kill_process(&origin);

        struct life whole = life_copy(&origin);
        const uint64_t before = simulated_disk_change_count(whole.fixture.disk);
        live(&whole);
        const uint64_t changes = simulated_disk_change_count(whole.fixture.disk) - before;
        kill_process(&whole);
        rot(&whole);
        journal_fixture_free(&whole.fixture);
        for (uint64_t n = 1; n <= changes; n += 1)
            crash_at(&origin, n);
        journal_fixture_free(&origin.fixture);
    }
    printf(
        "journal: %llu crash points, %llu recoveries, %llu cut entries, %llu entries queued; rot: "
        "%llu reported, %llu in the window of S6, %llu headers healed\n",
        (unsigned long long)counters.crash_points,
        (unsigned long long)counters.recoveries,
        (unsigned long long)counters.entries_cut,
        (unsigned long long)counters.queued,
        (unsigned long long)counters.rots_reported,
        (unsigned long long)counters.rots_in_window,
        (unsigned long long)counters.headers_healed
    );
}

TEST(journal_sim, a_closed_journal_has_no_window)
{
    const struct test_seeds seeds = test_seeds(100);
    for (uint64_t i = 0; i < seeds.count; i += 1) {
        test_seed_begin(seeds.first + i);
        struct life life = life_new(seeds.first + i);
        live(&life);
        EXPECT(journal_close(&life.fixture.journal) == TACTUS_OK);
        life.oracle.acknowledged = life.oracle.handed_over;
        const uint64_t reported = counters.rots_reported, window = counters.rots_in_window;
        const uint64_t first = life.fixture.superblock.checkpoint.op_covered + 1;
        for (uint64_t op = first; op <= life.oracle.acknowledged; op += 1) {
            rot_entry(&life, op);
            rot_header(&life, op);
        }
        EXPECT(counters.rots_reported - reported == life.oracle.acknowledged + 1 - first);
        EXPECT(counters.rots_in_window == window);
        journal_fixture_free(&life.fixture);
    }
}

/* The alarm works: an oracle that was promised one more, or other bytes, says no. */
TEST(journal_sim, canary)
{
    struct life life = life_new(1);
    life.mode = MODE_COMMIT;
    EXPECT(open_and_compare(&life) && raise(&life));
    for (uint32_t i = 0; i < 3; i += 1)
        EXPECT(append(&life));
    EXPECT(journal_fixture_open(&life.fixture) == TACTUS_OK);
    EXPECT(recovered_is_right(&life));

    life.oracle.acknowledged += 1;
    EXPECT(!recovered_is_right(&life));
    life.oracle.acknowledged -= 1;
    life.oracle.known[2].content += 1;
    EXPECT(!recovered_is_right(&life));
    life.oracle.known[2].content -= 1;
    life.oracle.handed_over -= 1;
    EXPECT(!recovered_is_right(&life));
    journal_fixture_free(&life.fixture);
}

TEST_MAIN()
