#include "storage/journal_chain.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"

#include "base/poison.h"

/* What a walk over the whole journal has found: the chain, its end, and what S4 asks about it. */
struct journal_survey {
    struct journal_cursor end; /* at n, the first op that does not fit */
    struct journal_find find;  /* what is in n's place */
    bool unreadable;           /* the disk does not read n's place */

    bool damaged; /* n was durable */
    enum fault_answer acknowledged;

    uint64_t header_op_max;    /* the highest op of a valid, current redundant header; 0: none */
    uint64_t header_epoch_max; /* of the redundant headers, current or not */
    uint64_t beyond_count;     /* valid, current entry headers of ops >= n found behind n's place */
    uint64_t beyond_op_max;
    bool beyond_durable; /* one of them says that n was durable */

    const struct journal_visitor *visitor; /* NULL: nobody looks */
};

static enum journal_redundant_state redundant_state(
    const struct journal *journal, uint64_t op, const struct checksum *physical
)
{
    const uint8_t *slot = journal_headers_get(&journal->headers, op);
    if (slot == NULL) return JOURNAL_REDUNDANT_MISSING;
    if (physical == NULL) return JOURNAL_REDUNDANT_OTHER;
    const bool is_same = checksum_equal(journal_header_checksum_stored(slot), *physical);
    return is_same ? JOURNAL_REDUNDANT_GOOD : JOURNAL_REDUNDANT_OTHER;
}

static void survey_show(
    const struct journal *journal,
    const struct journal_survey *survey,
    struct journal_sighting sighting
)
{
    if (survey->visitor == NULL) return;
    sighting.byte = journal->layout->journal_offset + sighting.offset;
    survey->visitor->see(survey->visitor->context, &sighting);
}

/* Where the superblock says that the entries begin. Its checksum says who wrote it, not that
 * what it says can be. */
static enum tactus_status survey_begin(
    struct journal *journal, const struct superblock *superblock, struct journal_survey *survey
)
{
    const struct checkpoint_state *checkpoint = &superblock->checkpoint;
    if (checkpoint->journal_offset % SECTOR_SIZE != 0 ||
        checkpoint->journal_offset >= journal->ring.journal_bytes ||
        checkpoint->op_covered >= UINT64_MAX / 2 || superblock->epoch >= UINT64_MAX / 2) {
        return fault_set(
            journal->fault,
            (struct fault){
                .status = TACTUS_CORRUPT,
                .zone = FAULT_ZONE_SUPERBLOCK,
                .what = "superblock names a place that is not in the journal",
                .found_number = checkpoint->journal_offset,
                .wanted_number = journal->ring.journal_bytes,
            }
        );
    }
    journal->stage = JOURNAL_CLOSED;
    journal->reading = false;
    journal->window_size = 0;
    journal->read_epoch = superblock->epoch;
    journal->epoch_last = superblock->epoch;
    journal->read_epoch_first_op = superblock->epoch_first_op;
    journal->first = (struct journal_cursor){
        .next =
            {
                .op = checkpoint->op_covered + 1,
                .offset = checkpoint->journal_offset,
                .predecessor = checkpoint->journal_predecessor,
            },
    };
    survey->end = journal->first;
    journal->recovery = (struct journal_recovery){.op_first = journal->first.next.op};
    return TACTUS_OK;
}

static enum tactus_status survey_headers(struct journal *journal, struct journal_survey *survey)
{
    struct journal_headers *headers = &journal->headers;
    TRY(journal_headers_load(headers, &journal->recovery.headers_bad_count));
    for (uint64_t slot = 0; slot < headers->slot_count; slot += 1) {
        const uint8_t *bytes = journal_headers_slot(headers, slot);
        if (bytes == NULL) continue;
        const struct journal_header header = journal_header_decode(bytes);
        if (journal_epoch_is_ours(journal, header.epoch)) {
            survey->header_epoch_max = max_u64(survey->header_epoch_max, header.epoch);
        }
        if (!journal_header_is_current(
                &header, journal->read_epoch, journal->read_epoch_first_op
            )) {
            continue;
        }
        survey->header_op_max = max_u64(survey->header_op_max, header.op);
    }
    journal->epoch_last = max_u64(journal->epoch_last, survey->header_epoch_max);
    return TACTUS_OK;
}

/* A sector in n's place that the disk does not read may have held anything: then nothing is cut. */
static enum tactus_status survey_unreadable(struct journal *journal, struct journal_survey *survey)
{
    const struct journal_find *find = &survey->find;
    const struct journal_cursor *end = &survey->end;
    if (end->used_bytes == journal->ring.journal_bytes) return TACTUS_OK;

    if (find->header_fits) {
        const uint64_t body_size = find->header.size - JOURNAL_HEADER_SIZE;
        const uint64_t rounded = journal_entry_rounded(body_size);
        return journal_is_unreadable(journal, find->offset, rounded, &survey->unreadable);
    }
    TRY(journal_is_unreadable(journal, end->next.offset, SECTOR_SIZE, &survey->unreadable));
    if (survey->unreadable || !journal_cursor_may_wrap(journal, end)) return TACTUS_OK;
    return journal_is_unreadable(journal, 0, SECTOR_SIZE, &survey->unreadable);
}

/* Follows the chain to n. A redundant header that is not its valid entry's is put right in the
 * image and left dirty; whether it goes to the disk is decided when all is known. At most
 * journal_bytes / 4096 turns: each uses up a part of the ring. */
static enum tactus_status survey_chain(struct journal *journal, struct journal_survey *survey)
{
    bool tried_again = false;
    for (;;) {
        TRY(journal_find_next(journal, &survey->end, &survey->find));
        const struct journal_find *find = &survey->find;
        if (!find->valid) {
            TRY(survey_unreadable(journal, survey));
            const bool was_read_error = find->unreadable_near && !survey->unreadable;
            if (!was_read_error || tried_again) return TACTUS_OK;
            tried_again = true; /* the disk has thought better of it */
            continue;
        }

        const uint64_t op = find->header.op;
        const enum journal_redundant_state redundant =
            redundant_state(journal, op, &find->physical);
        survey_show(
            journal,
            survey,
            (struct journal_sighting){
                .state = JOURNAL_ENTRY_VALID,
                .redundant = redundant,
                .header_known = true,
                .op = op,
                .offset = find->offset,
                .header = find->header,
            }
        );
        if (redundant != JOURNAL_REDUNDANT_GOOD) {
            journal_headers_put(&journal->headers, op, find->entry);
            journal_headers_cover(&journal->headers, op, op);
            journal->recovery.headers_heal_count += 1;
        }
        journal_cursor_advance(journal, &survey->end, find);
    }
}

/* Takes a valid header found behind n's place. n and all entries up to it took a sector at
 * least, so an op too high for its place is no entry of ours, whatever its checksum says. */
static void survey_beyond(
    struct journal *journal, struct journal_survey *survey, const uint8_t *bytes, uint64_t distance
)
{
    const uint64_t n = survey->end.next.op;
    const struct journal_header header = journal_header_decode(bytes);
    if (header.op < n || header.op - n > distance / SECTOR_SIZE) return;
    if (!journal_header_is_current(&header, journal->read_epoch, journal->read_epoch_first_op)) {
        return;
    }
    const struct checksum physical = journal_header_checksum_stored(bytes);
    survey->beyond_count += 1;
    survey->beyond_op_max = max_u64(survey->beyond_op_max, header.op);
    if (header.durable_op >= n) survey->beyond_durable = true;
    survey_show(
        journal,
        survey,
        (struct journal_sighting){
            .state = JOURNAL_ENTRY_BEYOND,
            .redundant = redundant_state(journal, header.op, &physical),
            .what = "journal entry lies behind one that is not whole",
            .header_known = true,
            .op = header.op,
            .offset = header.offset,
            .header = header,
        }
    );
}

/* How far the next entry can be from a sector of the free part of the ring: an entry that is whole,
 * of whatever lap, is nothing but itself, so what its body holds is not looked at. Of one that is
 * not whole, any sector may have been written over. */
static enum tactus_status survey_step(
    struct journal *journal,
    struct journal_survey *survey,
    uint64_t offset,
    uint64_t distance,
    uint64_t *step
)
{
    *step = SECTOR_SIZE;
    const uint8_t *bytes;
    TRY(journal_window(journal, offset, SECTOR_SIZE, &bytes));
    if (journal_header_fault(bytes, &journal->ring) != NULL) return TACTUS_OK;
    const struct journal_header header = journal_header_decode(bytes);
    if (header.offset != offset) return TACTUS_OK;
    if (journal_epoch_is_ours(journal, header.epoch)) {
        journal->epoch_last = max_u64(journal->epoch_last, header.epoch);
    }
    survey_beyond(journal, survey, bytes, distance);

    const uint64_t rounded = journal_entry_rounded(header.size - JOURNAL_HEADER_SIZE);
    TRY(journal_window(journal, offset, rounded, &bytes));
    if (journal_header_fault(bytes, &journal->ring) != NULL) return TACTUS_OK;
    const struct journal_header again = journal_header_decode(bytes);
    if (again.size != header.size) return TACTUS_OK;
    if (journal_body_fault(bytes, &again, &journal->ring) == NULL) *step = rounded;
    return TACTUS_OK;
}

/* Searches the free part of the ring, from n's place to where the entries begin. User bytes that
 * look like an entry are seen only if they lie where their own header says, in the rest of an
 * old entry whose beginning was written over, and name the running epoch and an op that can be
 * there. */
static enum tactus_status survey_ring(struct journal *journal, struct journal_survey *survey)
{
    const uint64_t ring = journal->ring.journal_bytes;
    const uint64_t room = ring - survey->end.used_bytes;
    const uint64_t begin = survey->end.next.offset;
    survey->beyond_count = 0;
    uint64_t distance = 0;
    while (distance < room) {
        const uint64_t offset = (begin + distance) % ring;
        uint64_t step;
        if (survey->find.header_fits && offset == survey->find.offset) {
            /* n itself is torn: the length that its header gives is its own. */
            step = journal_entry_rounded(survey->find.header.size - JOURNAL_HEADER_SIZE);
        } else {
            TRY(survey_step(journal, survey, offset, distance, &step));
        }
        distance += step;
    }
    return TACTUS_OK;
}

/* Where n is said to have been, if its redundant header is there: closer than where it is
 * sought. */
static enum tactus_status survey_locate(struct journal *journal, struct journal_survey *survey)
{
    const uint8_t *slot = journal_headers_get(&journal->headers, survey->end.next.op);
    if (slot == NULL || survey->find.header_fits) return TACTUS_OK;
    const struct journal_header header = journal_header_decode(slot);
    if (!journal_header_is_current(&header, journal->read_epoch, journal->read_epoch_first_op)) {
        return TACTUS_OK;
    }
    const uint8_t *bytes;
    TRY(journal_window(journal, header.offset, SECTOR_SIZE, &bytes));
    const struct checksum file_id = journal->ring.file_id;
    survey->find.offset = header.offset;
    survey->find.wanted = journal_header_checksum_stored(slot);
    survey->find.found = journal_header_checksum_computed(bytes, file_id);
    if (checksum_equal(survey->find.wanted, survey->find.found)) {
        /* What rotted is the checksum itself. */
        survey->find.found = journal_header_checksum_stored(bytes);
    }
    survey->find.has_checksums = !checksum_equal(survey->find.wanted, survey->find.found);
    return TACTUS_OK;
}

/* S4: was n durable? Each of these proves it; the ring is searched only if nothing cheaper does, or
 * somebody wants to know all that is there. */
static enum tactus_status survey_decide(
    struct journal *journal,
    const struct superblock *superblock,
    struct journal_survey *survey,
    bool whole_ring
)
{
    const uint64_t n = survey->end.next.op;
    bool durable = n <= superblock->checkpoint.op_captured || survey->header_op_max >= n;
    /* The open that raised the epoch had read all ops below, and flushed before it did. */
    if (n < superblock->epoch_first_op) durable = true;
    /* No epoch is written to before its superblock is durable (S5): that one was lost. */
    const bool is_newer = survey->find.is_newer || survey->header_epoch_max > superblock->epoch;
    if (is_newer) durable = true;
    if (!durable || whole_ring) TRY(survey_ring(journal, survey));
    if (survey->beyond_durable) durable = true;

    survey->damaged = durable || survey->unreadable;
    survey->acknowledged = durable ? FAULT_YES : FAULT_UNKNOWN;
    if (is_newer) survey->find.what = "journal is newer than the superblock";
    if (survey->unreadable) survey->find.what = "journal entry cannot be read from the disk";
    if (survey->damaged) TRY(survey_locate(journal, survey));
    return TACTUS_OK;
}

static enum tactus_status survey_run(
    struct journal *journal,
    const struct superblock *superblock,
    struct journal_survey *survey,
    bool whole_ring
)
{
    TRY(survey_begin(journal, superblock, survey));
    /* What another process wrote and did not flush may still be lost. */
    if (!journal->read_only) TRY(reactor_flush(journal->reactor, journal->fault));
    TRY(survey_headers(journal, survey));
    TRY(survey_chain(journal, survey));
    TRY(survey_decide(journal, superblock, survey, whole_ring));

    journal->recovery.op_last = survey->end.next.op - 1;
    const bool traces = survey->find.header_fits || survey->beyond_count > 0;
    if (!survey->damaged && traces) {
        journal->recovery.cut_op = survey->end.next.op;
        journal->recovery.cut_byte = journal->layout->journal_offset + survey->find.offset;
        journal->recovery.cut_entry_count =
            survey->beyond_count + (survey->find.header_fits ? 1 : 0);
    }
    return TACTUS_OK;
}

/* From here on the journal ends before n. */
static void survey_adopt(struct journal *journal, const struct journal_survey *survey)
{
    journal->head = survey->end.next;
    journal->tail_op = journal->first.next.op;
    journal->tail_offset = journal->first.next.offset;
    journal->stage = JOURNAL_RECOVERED;
    assert(journal_used_bytes(journal) == survey->end.used_bytes);
}

enum tactus_status journal_recover(struct journal *journal, const struct superblock *superblock)
{
    assert(journal->stage == JOURNAL_CLOSED);

    struct journal_survey survey = {.visitor = NULL};
    TRY(survey_run(journal, superblock, &survey, false));
    if (survey.damaged) {
        return journal_corrupt(journal, &survey.end, &survey.find, survey.acknowledged);
    }
    survey_adopt(journal, &survey);
    if (journal->read_only) return TACTUS_OK;

    /* Everything in the chain is durable: it was read after a flush. */
    const enum tactus_status status =
        journal_headers_submit_all(&journal->headers, journal->head.op - 1);
    const enum tactus_status finished = journal_headers_finish(&journal->headers);
    if (status == TACTUS_OK && finished == TACTUS_OK) return TACTUS_OK;
    journal->stage = JOURNAL_CLOSED;
    return status != TACTUS_OK ? status : finished;
}

uint64_t journal_epoch_next(const struct journal *journal)
{
    assert(journal->stage == JOURNAL_RECOVERED);
    assert(journal->epoch_last >= journal->read_epoch);
    return journal->epoch_last + 1;
}

enum tactus_status journal_read_begin(struct journal *journal)
{
    assert(journal->stage == JOURNAL_RECOVERED || journal->stage == JOURNAL_OPEN);
    assert(journal->recovery.op_last + 1 == journal->head.op); /* nothing was appended since */

    journal->reader = journal->first;
    journal->reading = true;
    return TACTUS_OK;
}

enum tactus_status journal_read_next(
    struct journal *journal, struct journal_entry *entry, bool *end
)
{
    assert(journal->reading);
    assert(journal->reader.next.op <= journal->head.op);

    *end = journal->reader.next.op == journal->head.op;
    if (*end) {
        journal->reading = false;
        return TACTUS_OK;
    }
    struct journal_find find;
    TRY(journal_find_next(journal, &journal->reader, &find));
    if (!find.valid) return journal_corrupt(journal, &journal->reader, &find, FAULT_YES);

    const uint64_t body_size = find.header.size - JOURNAL_HEADER_SIZE;
    *entry = (struct journal_entry){
        .op = find.header.op,
        .beat = find.header.beat,
        .timestamp = find.header.timestamp,
        .kind = find.header.kind,
        .short_of_room = find.header.short_of_room,
        .event_count = find.header.event_count,
        .body = find.entry + JOURNAL_HEADER_SIZE,
        .body_size = body_size,
        .rounded_bytes = journal_entry_rounded(body_size),
    };
    journal_cursor_advance(journal, &journal->reader, &find);
    return TACTUS_OK;
}

/* Writes a sector of zeros over one that the disk does not read: a disk that can will put it
 * elsewhere, and the next recovery is not stopped by it again. */
static enum tactus_status truncate_unreadable(struct journal *journal, uint64_t offset)
{
    bool unreadable;
    TRY(journal_is_unreadable(journal, offset, SECTOR_SIZE, &unreadable));
    if (!unreadable) return TACTUS_OK;
    journal->window_size = 0;
    bytes_zero(journal->window, SECTOR_SIZE);
    return reactor_write(
        journal->reactor,
        journal->window,
        SECTOR_SIZE,
        journal->layout->journal_offset + offset,
        true,
        journal->fault
    );
}

/* All of n's places that are not in use, up to the length that its header gives. */
static enum tactus_status truncate_place(
    struct journal *journal, const struct journal_survey *survey
)
{
    const struct journal_find *find = &survey->find;
    if (find->header_fits) {
        const uint64_t body_size = find->header.size - JOURNAL_HEADER_SIZE;
        const uint64_t rounded = journal_entry_rounded(body_size);
        for (uint64_t done = 0; done < rounded; done += SECTOR_SIZE) {
            TRY(truncate_unreadable(journal, find->offset + done));
        }
        return TACTUS_OK;
    }
    TRY(truncate_unreadable(journal, survey->end.next.offset));
    if (!journal_cursor_may_wrap(journal, &survey->end)) return TACTUS_OK;
    return truncate_unreadable(journal, 0);
}

enum tactus_status journal_truncate(
    struct journal *journal, const struct superblock *superblock, struct journal_loss *loss
)
{
    assert(journal->stage == JOURNAL_CLOSED);
    assert(!journal->read_only);

    struct journal_survey survey = {.visitor = NULL};
    TRY(survey_run(journal, superblock, &survey, true));
    *loss = (struct journal_loss){.damaged = survey.damaged};
    if (survey.damaged) {
        const uint64_t n = survey.end.next.op;
        loss->op = n;
        loss->byte = journal->layout->journal_offset + survey.find.offset;
        loss->what = survey.find.what;
        loss->entry_count = survey.beyond_count + (survey.find.header_fits ? 1 : 0);
        loss->op_last_known = max_u64(
            max_u64(n, superblock->checkpoint.op_captured),
            max_u64(survey.header_op_max, survey.beyond_op_max)
        );
        loss->acknowledged = survey.acknowledged;
        loss->epoch_next = journal->epoch_last + 1;
        if (survey.unreadable) TRY(truncate_place(journal, &survey));
    }
    survey_adopt(journal, &survey);
    return TACTUS_OK;
}

enum tactus_status journal_walk(
    struct journal *journal,
    const struct superblock *superblock,
    const struct journal_visitor *visitor
)
{
    assert(journal->stage == JOURNAL_CLOSED);

    struct journal_survey survey = {.visitor = NULL};
    TRY(survey_begin(journal, superblock, &survey));
    TRY(survey_headers(journal, &survey));
    survey.visitor = visitor;
    TRY(survey_chain(journal, &survey));
    survey.visitor = NULL;
    TRY(survey_decide(journal, superblock, &survey, true));

    /* What n is was known only after the search; now both are shown, in the ring's order. */
    const uint64_t n = survey.end.next.op;
    const bool traces = survey.find.header_fits || survey.beyond_count > 0;
    survey.visitor = visitor;
    if (survey.damaged || traces) {
        survey_show(
            journal,
            &survey,
            (struct journal_sighting){
                .state = survey.damaged ? JOURNAL_ENTRY_DAMAGED : JOURNAL_ENTRY_TORN,
                .redundant = redundant_state(
                    journal, n, survey.find.header_fits ? &survey.find.physical : NULL
                ),
                .what = survey.find.what,
                .header_known = survey.find.header_fits,
                .op = n,
                .offset = survey.find.offset,
                .header = survey.find.header,
            }
        );
    }
    return survey_ring(journal, &survey);
}
