#include "database/repair.h"

#include <sys/mman.h>

#include "base/assert.h"
#include "base/integer.h"
#include "database/database.h"

#include "base/poison.h"

static enum tactus_status repair_superblock(
    struct reactor *reactor, struct report *report, struct fault *fault
)
{
    struct superblock superblock;
    struct superblock_report copies;
    TRY(superblock_read(reactor, &superblock, &copies, fault));
    if (!copies.needs_heal) {
        report_line(
            report, TACTUS_NOTE, "superblock: all %u copies are good", (unsigned)SUPERBLOCK_COPIES
        );
        return TACTUS_OK;
    }
    for (uint32_t copy = 0; copy < SUPERBLOCK_COPIES; copy += 1) {
        const enum superblock_copy found = (enum superblock_copy)copies.copy[copy];
        if (found == SUPERBLOCK_COPY_GOOD) continue;
        report_line(
            report, TACTUS_WARNING, "superblock: copy %u: %s", copy, superblock_copy_text(found)
        );
    }
    uint32_t healed_count = 0;
    TRY(superblock_heal(reactor, &healed_count, fault));
    report_line(
        report,
        TACTUS_NOTE,
        "superblock: %u of %u copies were written again",
        healed_count,
        (unsigned)SUPERBLOCK_COPIES
    );
    return TACTUS_OK;
}

static const char *answer_text(enum fault_answer answer)
{
    switch (answer) {
    case FAULT_UNKNOWN: return "unknown";
    case FAULT_NO: return "no";
    case FAULT_YES: return "yes";
    }
    assert(false);
    return "";
}

/* S5: the superblock is what makes the cut. With op_captured at n - 1 a checkpoint whose last bar
 * is partly lost still opens: its grid holds what ops up to op_covered did, the ops from there to n
 * - 1 are replayed in the beats they had, and the rest of the bar is empty. Its state knows of
 * higher timestamps than are left, which only means that those are not given out again. */
static enum tactus_status cut(
    struct reactor *reactor,
    struct superblock *superblock,
    const struct journal_loss *loss,
    struct fault *fault
)
{
    struct checkpoint_state *checkpoint = &superblock->checkpoint;
    assert(loss->op > checkpoint->op_covered);

    superblock->epoch = loss->epoch_next;
    superblock->epoch_first_op = loss->op;
    checkpoint->op_captured = min_u64(checkpoint->op_captured, loss->op - 1);
    return superblock_write(reactor, superblock, fault);
}

static enum tactus_status repair_cut(
    struct bootstrap *bootstrap,
    struct journal *journal,
    struct reactor *reactor,
    struct report *report,
    struct fault *fault
)
{
    struct journal_loss loss;
    TRY(journal_truncate(journal, &bootstrap->superblock, &loss));
    if (!loss.damaged) {
        report_line(
            report,
            TACTUS_NOTE,
            "journal: no entry is damaged, nothing was cut; the last op is %llu",
            (unsigned long long)journal_op_last(journal)
        );
        return TACTUS_OK;
    }
    TRY(cut(reactor, &bootstrap->superblock, &loss, fault));
    report_line(
        report,
        TACTUS_WARNING,
        "journal: cut before op=%llu byte=%llu acknowledged=%s: %s",
        (unsigned long long)loss.op,
        (unsigned long long)loss.byte,
        answer_text(loss.acknowledged),
        loss.what
    );
    report_line(
        report,
        TACTUS_WARNING,
        "journal: ops %llu to %llu are lost, %llu of them with an entry that was still there; the "
        "last op is now %llu",
        (unsigned long long)loss.op,
        (unsigned long long)loss.op_last_known,
        (unsigned long long)loss.entry_count,
        (unsigned long long)(loss.op - 1)
    );
    return TACTUS_OK;
}

static enum tactus_status repair_journal(
    struct bootstrap *bootstrap, struct reactor *reactor, struct report *report, struct fault *fault
)
{
    const struct journal_options options = {
        .reactor = reactor,
        .layout = &bootstrap->layout,
        .file_id = bootstrap->superblock.options.file_id,
        .entry_bytes_max = bootstrap->sizing->entry_bytes_max,
        .fault = fault,
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
            fault, (struct fault){.status = TACTUS_IO, .what = "repair: the system has no memory"}
        );
    }
    budget_carve_begin(&budget, region, size);
    journal_init(&journal, &budget, &options);
    enum tactus_status status = repair_cut(bootstrap, &journal, reactor, report, fault);
    const enum tactus_status closed = journal_close(&journal);
    if (status == TACTUS_OK) status = closed;
    (void)munmap(region, size);
    return status;
}

enum tactus_status repair_file(
    struct reactor *reactor, bool truncate, struct report *report, struct fault *fault
)
{
    assert(!reactor->is_read_only);

    TRY(repair_superblock(reactor, report, fault));
    if (!truncate) return TACTUS_OK;
    struct bootstrap bootstrap;
    TRY(bootstrap_read(&bootstrap, reactor, fault));
    const enum tactus_status status = repair_journal(&bootstrap, reactor, report, fault);
    bootstrap_free(&bootstrap);
    return status;
}
