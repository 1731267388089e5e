/* The journal: is it whole, and would its entries replay? */
#include "database/verify_parts.h"

#include <stdio.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "forest/codec.h"
#include "forest/event.h"

#include "base/poison.h"

/* Where in history the next entry stands: R6 gone through again, without a forest. */
struct journal_rules {
    struct verify *verify;
    uint64_t beat;
    uint64_t beat_bytes;
    uint64_t beat_events[COLLECTIONS_MAX];
    uint64_t timestamps[COLLECTIONS_MAX]; /* of the last insert of each collection; 0: none */
};

static void entry_fault(struct verify *verify, const struct journal_position *at, const char *what)
{
    const struct fault found = {
        .status = TACTUS_CORRUPT,
        .zone = FAULT_ZONE_JOURNAL,
        .what = what,
        .op = at->op,
        .byte = verify->bootstrap.layout.journal_offset + at->offset,
        .acknowledged = FAULT_YES,
    };
    verify->is_journal_damaged = true;
    report_fault(verify->report, &found);
}

/* ---- Events ---------------------------------------------------------------------------------- */

static const char *object_event_fault(struct journal_rules *rules, const struct event *event)
{
    const struct schema *schema = rules->verify->bootstrap.schema;
    const struct collection_schema *collection = &schema->collections[event->collection];
    _Alignas(8) uint8_t object[OBJECT_SIZE_MAX];
    bytes_copy(object, event->payload, event->size);
    object_from_disk(collection, object);
    if (event->kind == EVENT_PUT) return object_fault(collection, object);
    const uint64_t timestamp = object_timestamp(collection, object);
    if (timestamp == 0 || timestamp > TIMESTAMP_MAX) return "an object has an impossible timestamp";
    if (event->kind == EVENT_INSERT) {
        uint64_t *last = &rules->timestamps[event->collection];
        if (timestamp <= *last) return "timestamps do not ascend";
        *last = timestamp;
    }
    return object_fault(collection, object);
}

static const char *event_fault(struct journal_rules *rules, const struct event *event)
{
    if (event->kind == EVENT_DELETE) return NULL; /* any key may be deleted */
    if (event->kind != EVENT_REMOVE) return object_event_fault(rules, event);
    const uint64_t timestamp = load_u64(event->payload);
    if (timestamp == 0 || timestamp > TIMESTAMP_MAX) return "an event removes nothing";
    return NULL;
}

static const char *events_fault(
    struct journal_rules *rules, const struct journal_entry *entry, uint64_t *counts
)
{
    uint64_t offset = 0;
    uint64_t count = 0;
    bytes_zero(counts, COLLECTIONS_MAX * sizeof *counts);
    while (offset < entry->body_size) { /* ends: an event has 8 bytes at least */
        struct event event;
        const char *what = event_decode(
            rules->verify->bootstrap.schema, entry->body, entry->body_size, &offset, &event
        );
        if (what == NULL) what = event_fault(rules, &event);
        if (what != NULL) return what;
        counts[event.collection] += 1;
        count += 1;
        if (counts[event.collection] > rules->verify->bootstrap.sizing->batch_max) {
            return "an entry has more events than batch_max";
        }
    }
    if (count != entry->event_count) return "an entry does not have as many events as it says";
    if (entry->kind == JOURNAL_CHECKPOINT && entry->body_size != 0) {
        return "a checkpoint's entry has a body";
    }
    if (entry->kind == JOURNAL_TRANSACTION && count == 0) return "a transaction has no event";
    return NULL;
}

/* ---- Beats ----------------------------------------------------------------------------------- */

static void beat_open(struct journal_rules *rules, uint64_t beat)
{
    rules->beat = beat;
    rules->beat_bytes = 0;
    bytes_zero(rules->beat_events, sizeof rules->beat_events);
}

static bool beat_is_full(
    const struct journal_rules *rules, const struct journal_entry *entry, const uint64_t *counts
)
{
    const struct sizing *sizing = rules->verify->bootstrap.sizing;
    const uint64_t bytes_max = sizing->journal_bytes / (6 * (uint64_t)sizing->bar_beats);
    if (rules->beat_bytes + entry->rounded_bytes > bytes_max) return true;
    for (uint32_t number = 0; number < rules->verify->bootstrap.schema->count; number += 1) {
        if (rules->beat_events[number] + counts[number] > sizing->batch_max) return true;
    }
    return false;
}

static const char *beat_fault(
    struct journal_rules *rules, const struct journal_entry *entry, const uint64_t *counts
)
{
    const struct superblock *superblock = &rules->verify->bootstrap.superblock;
    const uint64_t bar_beats = superblock->options.bar_beats;
    const uint64_t beat_capture = superblock->checkpoint.beat_capture;
    const bool is_captured = entry->op <= superblock->checkpoint.op_captured;
    /* Beats without an entry lie behind the last one that was captured (R10). */
    if (!is_captured && rules->beat <= beat_capture) beat_open(rules, beat_capture + 1);
    if (beat_is_full(rules, entry, counts)) beat_open(rules, rules->beat + 1);
    if (beat_is_full(rules, entry, counts)) return "an entry is larger than a beat";
    if (entry->beat != rules->beat) return "an entry is of another beat than its history says";
    if (is_captured && entry->beat > beat_capture) {
        return "an entry that was captured is of a beat after the capture";
    }
    rules->beat_bytes += entry->rounded_bytes;
    for (uint32_t number = 0; number < rules->verify->bootstrap.schema->count; number += 1) {
        rules->beat_events[number] += counts[number];
    }
    if (entry->kind == JOURNAL_CHECKPOINT) {
        /* S9: to the bar's end, and one empty bar. */
        beat_open(rules, round_up_u64(entry->beat, bar_beats) + bar_beats + 1);
    }
    return NULL;
}

/* ---- The whole ------------------------------------------------------------------------------- */

static enum tactus_status entries_look(struct verify *verify, struct journal *journal)
{
    const struct checkpoint_state *checkpoint = &verify->bootstrap.superblock.checkpoint;
    const bool is_complete = checkpoint->op_covered == checkpoint->op_captured;
    const uint64_t bar_beats = verify->bootstrap.superblock.options.bar_beats;
    struct journal_rules rules = {.verify = verify};
    rules.beat = checkpoint->beat_capture + 1;
    if (!is_complete && checkpoint->beat_capture >= bar_beats) rules.beat -= bar_beats;
    TRY(journal_read_begin(journal));
    for (;;) {
        const struct journal_position at = journal->reader.next;
        struct journal_entry entry;
        bool end = false;
        TRY(journal_read_next(journal, &entry, &end));
        if (end) return TACTUS_OK;
        verify->entry_count += 1;
        uint64_t counts[COLLECTIONS_MAX];
        const char *what = events_fault(&rules, &entry, counts);
        if (what == NULL) what = beat_fault(&rules, &entry, counts);
        if (what == NULL) continue;
        entry_fault(verify, &at, what); /* what follows would only echo it */
        return TACTUS_OK;
    }
}

static void journal_warn(struct verify *verify, const struct journal_recovery *recovery)
{
    if (recovery->cut_op != 0) {
        report_line(
            verify->report,
            TACTUS_WARNING,
            "zone=journal op=%llu byte=%llu: a torn tail, never acknowledged: %llu entries; the "
            "next opening for writing cuts it",
            (unsigned long long)recovery->cut_op,
            (unsigned long long)recovery->cut_byte,
            (unsigned long long)recovery->cut_entry_count
        );
    }
    if (recovery->headers_bad_count + recovery->headers_heal_count > 0) {
        report_line(
            verify->report,
            TACTUS_WARNING,
            "zone=journal byte=%llu: redundant headers: %llu damaged, %llu not written yet; their "
            "entries are whole, the next opening for writing writes them",
            (unsigned long long)verify->bootstrap.layout.headers_offset,
            (unsigned long long)recovery->headers_bad_count,
            (unsigned long long)recovery->headers_heal_count
        );
    }
}

/* What is above the last redundant header is written once, as zeros. */
static enum tactus_status padding_look(struct verify *verify)
{
    const struct layout *layout = &verify->bootstrap.layout;
    const uint64_t used = layout->journal_bytes / SECTOR_SIZE * JOURNAL_HEADER_SIZE;
    if (used == layout->headers_bytes) return TACTUS_OK;
    const uint64_t begin = round_down_u64(used, SECTOR_SIZE);
    assert(layout->headers_bytes - begin == SECTOR_SIZE);
    uint8_t *sector = verify->blocks[0];
    TRY(reactor_read(
        verify->reactor, sector, SECTOR_SIZE, layout->headers_offset + begin, verify->fault
    ));
    if (bytes_are_zero(sector + (used - begin), SECTOR_SIZE - (used - begin))) return TACTUS_OK;
    report_line(
        verify->report,
        TACTUS_WARNING,
        "zone=journal byte=%llu: bytes behind the last redundant header are not zero",
        (unsigned long long)(layout->headers_offset + used)
    );
    return TACTUS_OK;
}

static enum tactus_status journal_look(
    struct verify *verify, struct journal *journal, struct fault *fault
)
{
    TRY(journal_recover(journal, &verify->bootstrap.superblock));
    journal_warn(verify, &journal->recovery);
    TRY(entries_look(verify, journal));
    *fault = (struct fault){0};
    return padding_look(verify);
}

void verify_journal(struct verify *verify)
{
    struct fault fault = {0};
    const struct journal_options options = {
        .reactor = verify->reactor,
        .layout = &verify->bootstrap.layout,
        .file_id = verify->file_id,
        .entry_bytes_max = verify->bootstrap.sizing->entry_bytes_max,
        .read_only = true,
        .fault = &fault,
    };
    struct budget budget;
    struct journal journal;
    budget_measure_begin(&budget);
    journal_init(&journal, &budget, &options);
    const uint64_t size = budget_used(&budget);
    void *region = mmap(
        NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0
    );
    if (region == MAP_FAILED) {
        verify->status = fault_set(
            verify->fault, (struct fault){.status = TACTUS_IO, .what = "verify: no memory"}
        );
        return;
    }
    budget_carve_begin(&budget, region, size);
    journal_init(&journal, &budget, &options);
    const enum tactus_status status = journal_look(verify, &journal, &fault);
    const enum tactus_status closed = journal_close(&journal);
    maybe(closed != TACTUS_OK); /* nothing was written that could have failed */
    (void)munmap(region, size);
    if (status == TACTUS_CORRUPT) {
        verify->is_journal_damaged = true;
        report_fault(verify->report, &fault);
    } else if (status != TACTUS_OK) {
        verify->status = status;
        if (fault.status != TACTUS_OK) (void)fault_set(verify->fault, fault);
    }
}
