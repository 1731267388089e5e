/* From a checkpoint and a journal to the state after the last commit (R10). */
#include "database/database.h"

#include <sys/mman.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"

#include "base/poison.h"

static enum tactus_status recovery_fault(tactus_db *db, uint64_t op, const char *what)
{
    const struct fault found = {
        .status = TACTUS_CORRUPT,
        .zone = FAULT_ZONE_JOURNAL,
        .what = what,
        .op = op,
        .acknowledged = FAULT_YES,
    };
    return fault_set(&db->fault, found);
}

/* What the capture held has all been replayed: the rest of its beats had no entry, or none that a
 * repair has left. */
static enum tactus_status replay_captured(tactus_db *db, const struct journal_position *head)
{
    while (db->forest.schedule.beat <= db->forest.schedule.replay_through) {
        TRY(forest_close_beat(&db->forest, head));
    }
    return TACTUS_OK;
}

/* An entry of beat `beat` is next. Beats end here exactly as they ended when it was written. */
static enum tactus_status replay_beats(
    tactus_db *db,
    const struct journal_entry *entry,
    const struct forest_commit *commit,
    const struct journal_position *head
)
{
    struct forest *forest = &db->forest;
    if (entry->op > db->superblock.checkpoint.op_captured) TRY(replay_captured(db, head));
    if (forest_beat_is_full(forest, commit)) TRY(forest_close_beat(forest, head));
    TRY(forest_capture_advance(forest)); /* the entry that caused it is durable */
    if (forest_beat_is_full(forest, commit)) {
        return recovery_fault(db, entry->op, "an entry is larger than a beat");
    }
    if (forest->schedule.beat != entry->beat) {
        return recovery_fault(db, entry->op, "an entry is of another beat than its history says");
    }
    return TACTUS_OK;
}

static enum tactus_status replay_transaction(
    tactus_db *db, const struct journal_entry *entry, const struct journal_position *head
)
{
    struct forest_replay replay = {
        .body = entry->body,
        .body_size = entry->body_size,
        .event_count = entry->event_count,
        .op = entry->op,
    };
    TRY(forest_replay_count(&db->forest, &replay));
    const struct forest_commit commit = {
        .entry_bytes = entry->rounded_bytes,
        .payload_bytes = event_payload_bytes(entry->body_size, entry->event_count),
        .event_counts = replay.event_counts,
    };
    if (db->read_only) {
        TRY(forest_replay_apply(&db->forest, &replay));
        forest_overlay_settle(&db->forest, &replay);
        return TACTUS_OK;
    }
    db->forest.schedule.short_of_room = entry->short_of_room;
    TRY(replay_beats(db, entry, &commit, head));
    TRY(forest_replay_apply(&db->forest, &replay));
    forest_settle(&db->forest, &commit, replay.timestamps, &replay.kinds);
    return TACTUS_OK;
}

static enum tactus_status replay_checkpoint(
    tactus_db *db,
    const struct journal_entry *entry,
    const struct journal_position *before,
    const struct journal_position *after
)
{
    if (entry->body_size != 0 || entry->event_count != 0) {
        return recovery_fault(db, entry->op, "a checkpoint's entry has a body");
    }
    if (db->read_only) return TACTUS_OK;
    const uint32_t none[COLLECTIONS_MAX] = {0};
    const struct forest_commit commit = {.entry_bytes = entry->rounded_bytes, .event_counts = none};
    db->forest.schedule.short_of_room = false;
    TRY(replay_beats(db, entry, &commit, before));
    db->forest.schedule.short_of_room = entry->short_of_room;
    forest_count_entry(&db->forest, entry->rounded_bytes);
    return forest_checkpoint(&db->forest, after);
}

static enum tactus_status replay(tactus_db *db)
{
    struct journal *journal = &db->journal;
    TRY(journal_read_begin(journal));
    for (;;) {
        const struct journal_position before = journal->reader.next;
        struct journal_entry entry;
        bool end = false;
        TRY(journal_read_next(journal, &entry, &end));
        if (end) break;
        const struct journal_position after = journal->reader.next;
        if (entry.kind == JOURNAL_CHECKPOINT) {
            TRY(replay_checkpoint(db, &entry, &before, &after));
        } else {
            TRY(replay_transaction(db, &entry, &before));
        }
        db->replayed_ops += 1;
    }
    if (db->read_only) return TACTUS_OK;

    const struct journal_position head = journal_head(journal);
    db->forest.schedule.short_of_room = false;
    return replay_captured(db, &head);
}

enum tactus_status database_recover(tactus_db *db)
{
    TRY(journal_recover(&db->journal, &db->superblock));
    /* An entry may hold twice as much: so what is appended from here on never comes to that. */
    if (journal_op_last(&db->journal) >= JOURNAL_COUNTER_LIMIT / 2 ||
        journal_epoch_next(&db->journal) >= JOURNAL_COUNTER_LIMIT / 2) {
        return recovery_fault(
            db, journal_op_last(&db->journal), "the journal counts beyond what a file lives through"
        );
    }
    if (!db->read_only) {
        /* S5: before the first append, so that what recovery cut never comes back. */
        db->superblock.epoch = journal_epoch_next(&db->journal);
        db->superblock.epoch_first_op = journal_op_last(&db->journal) + 1;
        TRY(superblock_write(&db->reactor, &db->superblock, &db->fault));
    }
    uint64_t state_size = 0;
    TRY(checkpoint_open(&db->checkpoint, db->state, &state_size));
    TRY(forest_open(&db->forest, db->state, state_size));
    if (!db->read_only) TRY(forest_begin(&db->forest));
    TRY(replay(db));
    if (!db->read_only) journal_open_for_append(&db->journal, db->superblock.epoch);
    return TACTUS_OK;
}

/* ---- Counting, for the overlay of a read-only open ------------------------------------------- */

/* Of one collection: so many times two records still count in 32 bits. */
enum { OVERLAY_EVENTS_MAX = 1 << 30 };

static uint32_t max_events(const uint32_t *events)
{
    uint32_t most = 0;
    for (uint32_t number = 0; number < COLLECTIONS_MAX; number += 1) {
        most = max_u32(most, events[number]);
    }
    return most;
}

static enum tactus_status count_entries(
    struct journal *journal, const struct schema *schema, uint32_t *events, struct fault *fault
)
{
    TRY(journal_read_begin(journal));
    for (;;) {
        struct journal_entry entry;
        bool end = false;
        TRY(journal_read_next(journal, &entry, &end));
        if (end) return TACTUS_OK;
        uint64_t offset = 0;
        while (offset < entry.body_size) {
            struct event event;
            const char *what = event_decode(schema, entry.body, entry.body_size, &offset, &event);
            if (what != NULL) {
                const struct fault found = {
                    .status = TACTUS_CORRUPT,
                    .zone = FAULT_ZONE_JOURNAL,
                    .what = what,
                    .op = entry.op,
                };
                return fault_set(fault, found);
            }
            events[event.collection] += 1;
        }
        if (max_events(events) > OVERLAY_EVENTS_MAX) {
            const struct fault found = {
                .status = TACTUS_LIMIT,
                .zone = FAULT_ZONE_JOURNAL,
                .what = "open: the journal holds more than a read-only open can lay over the file",
                .remedy = "open once for writing",
            };
            return fault_set(fault, found);
        }
    }
}

enum tactus_status recovery_count_events(
    struct reactor *reactor,
    const struct bootstrap *bootstrap,
    uint32_t *events,
    struct fault *fault
)
{
    bytes_zero(events, COLLECTIONS_MAX * sizeof *events);
    const struct journal_options options = {
        .reactor = reactor,
        .layout = &bootstrap->layout,
        .file_id = bootstrap->superblock.options.file_id,
        .entry_bytes_max = bootstrap->sizing->entry_bytes_max,
        .read_only = true,
        .fault = fault,
    };
    struct budget budget;
    struct journal journal;
    budget_measure_begin(&budget);
    journal_init(&journal, &budget, &options);
    const uint64_t size = budget_used(&budget);
    void *region = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (region == MAP_FAILED) {
        const struct fault found = {
            .status = TACTUS_IO, .what = "open: the system has no memory for the journal"};
        return fault_set(fault, found);
    }
    budget_carve_begin(&budget, region, size);
    journal_init(&journal, &budget, &options);
    enum tactus_status status = journal_recover(&journal, &bootstrap->superblock);
    if (status == TACTUS_OK) status = count_entries(&journal, bootstrap->schema, events, fault);
    const enum tactus_status closed = journal_close(&journal);
    (void)munmap(region, size);
    return status != TACTUS_OK ? status : closed;
}
