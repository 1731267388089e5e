#include "database/inspect_parts.h"

#include <sys/mman.h>

#include "base/assert.h"

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

enum tactus_status inspect_journal(struct inspect *inspect)
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
    const enum tactus_status status = journal_rows(inspect, &journal);
    const enum tactus_status closed = journal_close(&journal);
    maybe(closed != TACTUS_OK); /* nothing was written that could have failed */
    (void)munmap(region, size);
    return status;
}
