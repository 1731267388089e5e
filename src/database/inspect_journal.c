#include "database/inspect_parts.h"

#include <sys/mman.h>

#include "base/assert.h"
#include "base/integer.h"

#include "base/poison.h"

static const char *entry_state_text(enum journal_entry_state state)
{
    switch (state) {
    case JOURNAL_ENTRY_VALID: return "valid";
    case JOURNAL_ENTRY_DAMAGED: return "damaged";
    case JOURNAL_ENTRY_TORN: return "torn";
    case JOURNAL_ENTRY_BEYOND: return "beyond";
    }
    assert(false);
    return "";
}

static const char *redundant_text(enum journal_redundant_state state)
{
    switch (state) {
    case JOURNAL_REDUNDANT_GOOD: return "good";
    case JOURNAL_REDUNDANT_MISSING: return "missing";
    case JOURNAL_REDUNDANT_OTHER: return "other";
    }
    assert(false);
    return "";
}

static const char *kind_text(enum journal_kind kind)
{
    return kind == JOURNAL_CHECKPOINT ? "checkpoint" : "transaction";
}

static void see_entry(void *context, const struct journal_sighting *sighting)
{
    struct inspect_writer *writer = context;
    inspect_row_begin(writer);
    inspect_number(writer, "op", sighting->op);
    inspect_number(writer, "byte", sighting->byte);
    inspect_text(writer, "state", entry_state_text(sighting->state));
    inspect_text(writer, "redundant", redundant_text(sighting->redundant));
    if (sighting->header_known) {
        const struct journal_header *header = &sighting->header;
        inspect_text(writer, "kind", kind_text(header->kind));
        inspect_number(writer, "beat", header->beat);
        inspect_number(writer, "events", header->event_count);
        inspect_number(writer, "bytes", header->size);
        inspect_number(writer, "epoch", header->epoch);
        inspect_number(writer, "durable_op", header->durable_op);
        inspect_checksum(writer, "predecessor", header->predecessor);
        inspect_checksum(writer, "body_checksum", header->body_checksum);
    }
    if (sighting->what != NULL) inspect_text(writer, "what", sighting->what);
    inspect_row_end(writer);
}

static enum tactus_status journal_rows(struct inspect *inspect, struct journal *journal)
{
    struct inspect_writer *writer = inspect->writer;
    const struct superblock *superblock = &inspect->verify.bootstrap.superblock;
    inspect_section_begin(writer, "journal");
    inspect_number(writer, "byte", inspect->verify.bootstrap.layout.journal_offset);
    inspect_number(writer, "bytes", inspect->verify.bootstrap.layout.journal_bytes);
    inspect_number(writer, "headers_byte", inspect->verify.bootstrap.layout.headers_offset);
    inspect_number(writer, "entry_bytes_max", inspect->verify.bootstrap.sizing->entry_bytes_max);
    inspect_number(writer, "op_covered", superblock->checkpoint.op_covered);
    inspect_number(writer, "op_captured", superblock->checkpoint.op_captured);
    inspect_number(writer, "offset", superblock->checkpoint.journal_offset);
    inspect_number(writer, "epoch", superblock->epoch);
    inspect_number(writer, "epoch_first_op", superblock->epoch_first_op);
    inspect_section_end(writer);
    inspect_list_begin(writer, "entries");
    const struct journal_visitor visitor = {.see = see_entry, .context = writer};
    const enum tactus_status status = journal_walk(journal, superblock, &visitor);
    inspect_list_end(writer);
    return status;
}

struct entry_count {
    uint64_t valid_count, op_last;
    uint64_t bytes;    /* of the valid ones, rounded as they lie in the ring */
    uint64_t op_wrong; /* the first that does not fit; 0: none */
    bool is_damaged;
};

static void count_entry(void *context, const struct journal_sighting *sighting)
{
    struct entry_count *count = context;
    if (sighting->state == JOURNAL_ENTRY_VALID) {
        count->valid_count += 1;
        count->op_last = sighting->op;
        count->bytes += round_up_u64(sighting->header.size, SECTOR_SIZE);
    } else if (sighting->state != JOURNAL_ENTRY_BEYOND) {
        count->op_wrong = sighting->op;
        count->is_damaged = sighting->state == JOURNAL_ENTRY_DAMAGED;
    }
}

static enum tactus_status journal_count(struct inspect *inspect, struct journal *journal)
{
    struct inspect_writer *writer = inspect->writer;
    const struct superblock *superblock = &inspect->verify.bootstrap.superblock;
    struct entry_count count = {.op_last = superblock->checkpoint.op_covered};
    const struct journal_visitor visitor = {.see = count_entry, .context = &count};
    TRY(journal_walk(journal, superblock, &visitor));
    inspect_section_begin(writer, "journal");
    inspect_number(writer, "bytes", inspect->verify.bootstrap.layout.journal_bytes);
    inspect_number(writer, "bytes_used", count.bytes);
    inspect_number(writer, "entries", count.valid_count);
    inspect_number(writer, "op_last", count.op_last);
    if (count.op_wrong != 0) {
        inspect_number(writer, count.is_damaged ? "op_damaged" : "op_torn", count.op_wrong);
    }
    inspect_section_end(writer);
    return TACTUS_OK;
}

/* Gives `look` a journal with memory of its own. */
static enum tactus_status journal_with(
    struct inspect *inspect,
    enum tactus_status (*look)(struct inspect *inspect, struct journal *journal)
)
{
    struct verify *verify = &inspect->verify;
    const struct journal_options options = {
        .reactor = verify->reactor,
        .layout = &verify->bootstrap.layout,
        .file_id = verify->file_id,
        .entry_bytes_max = verify->bootstrap.sizing->entry_bytes_max,
        .read_only = true,
        .fault = verify->fault,
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
        return fault_set(
            verify->fault,
            (struct fault){.status = TACTUS_IO, .what = "inspect: the system has no memory"}
        );
    }
    budget_carve_begin(&budget, region, size);
    journal_init(&journal, &budget, &options);
    const enum tactus_status status = look(inspect, &journal);
    const enum tactus_status closed = journal_close(&journal);
    maybe(closed != TACTUS_OK); /* nothing was written that could have failed */
    (void)munmap(region, size);
    return status;
}

enum tactus_status inspect_journal(struct inspect *inspect)
{
    return journal_with(inspect, journal_rows);
}

enum tactus_status inspect_journal_count(struct inspect *inspect)
{
    return journal_with(inspect, journal_count);
}
