#ifndef TACTUS_STORAGE_JOURNAL_H
#define TACTUS_STORAGE_JOURNAL_H

#include "base/budget.h"
#include "base/status.h"
#include "io/reactor.h"
#include "storage/journal_entry.h"
#include "storage/journal_headers.h"
#include "storage/journal_queue.h"
#include "storage/layout.h"
#include "storage/superblock.h"

#include <stdbool.h>
#include <stdint.h>

/* The journal (write-ahead log): a ring of entries, one per transaction, each a multiple of 4 KiB.
 *
 *   0        head           tail                    journal_bytes
 *   | entries | free         | entries         | lap's|
 *   | n-2 n-1 |              | t  t+1  ...     |  end |
 *
 *   J1  An entry never wraps: one that does not fit before the ring's end begins at its start. So
 *       a reader looks at two places for the next one.
 *   J2  Op n is durable when every op <= n is (S2).
 *   J3  A redundant header reaches the disk only after its op is durable, and nobody waits for it.
 *       How entries get there, in what order, and who waits: journal_queue.h.
 *   J4  head never passes tail: how large a journal must be is decided at create (S8), so a full
 *       ring is an assertion.
 *
 * The order of calls: init, recover; read_begin and read_next until the end, for replay; then, for
 * writing, open_for_append with the raised epoch (S5), appends and flushes, close.
 *
 * Threads: one at a time, but for journal_wait, journal_poll, journal_op_durable and
 * journal_is_poisoned, which any thread may call between open_for_append and close. */

struct journal_options {
    struct reactor *reactor;     /* borrowed until journal_close */
    const struct layout *layout; /* borrowed until journal_close */
    struct checksum file_id;
    uint64_t entry_bytes_max; /* a multiple of 4096, at most 1 GiB and layout->journal_bytes */
    bool read_only;           /* not a byte is changed; nothing can be appended */
    struct fault *fault;      /* borrowed until journal_close; may be NULL */
};

/* A place between two entries. */
struct journal_position {
    uint64_t op;                 /* that begins here */
    uint64_t offset;             /* in the ring, < journal_bytes: where it is sought first (J1) */
    struct checksum predecessor; /* logical checksum of op - 1 */
};

/* A place in the chain, with what the next entry must go beyond. */
struct journal_cursor {
    struct journal_position next;
    uint64_t epoch;      /* of the entry before; never falls along the chain */
    uint64_t durable_op; /* likewise */
    uint64_t used_bytes; /* of the ring, from where the walk began, ends of laps included */
};

/* One entry, as replay gets it. */
struct journal_entry {
    uint64_t op, beat, timestamp;
    enum journal_kind kind;
    bool short_of_room;
    uint32_t event_count;
    const uint8_t *body; /* borrowed until the next call to the journal */
    uint64_t body_size;
    uint64_t rounded_bytes; /* what it takes in the ring */
};

/* What the last recovery found; for warnings, counters and `inspect`. */
struct journal_recovery {
    uint64_t op_first, op_last;  /* op_last = op_first - 1: no entry */
    uint64_t cut_op;             /* the first op of a torn tail of which traces were seen, or 0 */
    uint64_t cut_byte;           /* where in the file */
    uint64_t cut_entry_count;    /* entries of which a valid header was seen, and which were cut */
    uint64_t headers_bad_count;  /* redundant headers that were neither valid nor zero */
    uint64_t headers_heal_count; /* live ones written anew; read-only: that should be */
};

enum journal_stage {
    JOURNAL_CLOSED,    /* only recovery is possible */
    JOURNAL_RECOVERED, /* head and tail are known; entries can be read */
    JOURNAL_OPEN,      /* can be appended to, unless it is poisoned */
};

struct journal {
    struct reactor *reactor;
    const struct layout *layout;
    struct fault *fault;
    struct journal_ring ring;
    bool read_only;
    uint8_t *window; /* of reads: entry_bytes_max, before anything is staged there */

    enum journal_stage stage;
    struct journal_headers headers;
    struct journal_queue queue;
    struct journal_position head; /* where the next entry goes */
    uint64_t tail_op;             /* the first one still needed */
    uint64_t tail_offset;
    uint64_t epoch; /* for what is appended */
    struct journal_recovery recovery;

    /* Reading. */
    uint64_t epoch_last; /* the highest that was seen, the superblock's at least */
    uint64_t read_epoch, read_epoch_first_op; /* of the superblock that was recovered from */
    struct journal_cursor first;              /* where that superblock says the entries begin */
    struct journal_cursor reader;
    bool reading;
    uint64_t window_offset, window_size; /* what of the ring is in `window`; size 0: nothing */
    bool window_unreadable;              /* some of it is zero since the disk could not read it */
};

/* Memory: two entries and at most 1 MiB, journal_bytes / 16 for the redundant headers, a few
 * sectors. */
void journal_init(
    struct journal *journal, struct budget *budget, const struct journal_options *options
);

/* Writes zeros over the journal and the redundant headers, and flushes. Really written: durable
 * appends into extents that were only allocated cost about twice as much. */
enum tactus_status journal_format(
    struct reactor *reactor, const struct layout *layout, struct fault *fault
) __attribute__((warn_unused_result));

/* ---- Recovery -------------------------------------------------------------------------------- */

/* Finds the entries that continue the superblock's checkpoint: S2 to S5. Flushes first, unless
 * read-only, so that nothing is decided by bytes that a power cut could still take. A torn tail
 * (never acknowledged) is cut and counted in `recovery`; redundant headers that do not match their
 * valid entry are written anew, unless read-only. Reads the redundant headers, the entries and the
 * free part of the ring.
 *
 *   TACTUS_CORRUPT  an entry that was durable is not whole any more, or was written under a later
 *                   superblock than this: nothing was written; the fault names op, byte, checksums
 *                   where known, and the remedy
 *   TACTUS_IO       the system refused */
enum tactus_status journal_recover(struct journal *journal, const struct superblock *superblock)
    __attribute__((warn_unused_result));

/* Begins reading at the first entry that recovery found. */
enum tactus_status journal_read_begin(struct journal *journal) __attribute__((warn_unused_result));

/* Reads the next entry and verifies it again; *end: there is none, and *entry was not written.
 * CORRUPT: what recovery found valid is not valid any more. */
enum tactus_status journal_read_next(
    struct journal *journal, struct journal_entry *entry, bool *end
) __attribute__((warn_unused_result));

/* What a truncation gives up. */
struct journal_loss {
    bool damaged;           /* false: nothing is lost, and nothing was changed */
    uint64_t op;            /* n: the first op that is lost */
    uint64_t byte;          /* where in the file it was expected */
    const char *what;       /* a literal: what is wrong with it */
    uint64_t entry_count;   /* lost entries of which a valid header was seen, n's included */
    uint64_t op_last_known; /* the highest op that any trace names; at least op */
    enum fault_answer acknowledged;
    uint64_t epoch_next; /* for the superblock: above every epoch that was seen */
};

/* For `repair --truncate-journal`: gives up the first damaged entry, n, and all after it. What
 * makes this durable is the superblock that the caller writes next: epoch = loss->epoch_next,
 * epoch_first_op = n, and op_captured lowered to n - 1 if it is above. A crash before that
 * leaves the file as damaged as it was. On OK the journal is RECOVERED, with op_last = n - 1. */
enum tactus_status journal_truncate(
    struct journal *journal, const struct superblock *superblock, struct journal_loss *loss
) __attribute__((warn_unused_result));

/* ---- Looking in, for `inspect` --------------------------------------------------------------- */

enum journal_entry_state {
    JOURNAL_ENTRY_VALID,   /* part of the chain: replay would run it */
    JOURNAL_ENTRY_DAMAGED, /* the first that does not fit; it was durable */
    JOURNAL_ENTRY_TORN,    /* the first that does not fit; it was never acknowledged */
    JOURNAL_ENTRY_BEYOND,  /* current, but after one that does not fit */
};

enum journal_redundant_state {
    JOURNAL_REDUNDANT_GOOD,    /* the copy in the header ring is the entry's header */
    JOURNAL_REDUNDANT_MISSING, /* its slot is empty, not valid, or another op's */
    JOURNAL_REDUNDANT_OTHER,   /* a valid header of the same op, but not this one */
};

struct journal_sighting {
    enum journal_entry_state state;
    enum journal_redundant_state redundant;
    const char *what;  /* a literal: why the entry does not fit; NULL if it is VALID */
    bool header_known; /* `header` is filled: from the entry or its redundant header */
    uint64_t op;
    uint64_t offset; /* in the ring */
    uint64_t byte;   /* in the file */
    struct journal_header header;
};

struct journal_visitor {
    void (*see)(void *context, const struct journal_sighting *sighting);
    void *context;
};

/* Shows every entry in the chain's order, then the first that does not fit if there is a trace of
 * it, then what lies beyond. Writes nothing; works on damaged rings. Leaves the journal CLOSED.
 * CORRUPT only where the superblock names no place in the ring. */
enum tactus_status journal_walk(
    struct journal *journal,
    const struct superblock *superblock,
    const struct journal_visitor *visitor
) __attribute__((warn_unused_result));

/* ---- Appending ------------------------------------------------------------------------------- */

/* The epoch to raise to (S5): above the superblock's and above any that the journal has seen,
 * should the superblock have been lost and an older one be back. After recovery, before
 * open_for_append. */
uint64_t journal_epoch_next(const struct journal *journal);

/* From now on it can be appended to. `epoch` is journal_epoch_next(), which the caller has made
 * durable in the superblock, with epoch_first_op = journal_op_last() + 1 (S5). */
void journal_open_for_append(struct journal *journal, uint64_t epoch);

/* Where the caller builds the body of the next entry: entry_bytes_max - 256 bytes, the same until
 * the append. What was read before is gone then. Waits, where entries are appended faster than the
 * disk takes them, until there is room. */
uint8_t *journal_body(struct journal *journal);

struct journal_append {
    enum journal_kind kind;
    enum journal_sync sync; /* what is waited for */
    uint64_t beat;
    bool short_of_room;
    uint32_t event_count; /* 0 for JOURNAL_CHECKPOINT */
    uint64_t body_size;
    uint64_t timestamp_reserved; /* stored as it is */
};

/* Appends the next entry; *op is its op. It is written on its own: with JOURNAL_SYNC_NONE or _START
 * this returns before it is on the disk, and what fails later poisons. Entries reach the disk in
 * the order of their ops; those that gather meanwhile go out together, and share a flush. The
 * redundant header is nobody's to wait for.
 *
 *   TACTUS_IO, TACTUS_FULL  with JOURNAL_SYNC_WAIT: the write or flush failed, or that of an entry
 *                           before; the journal is poisoned, and whether the entry is on the disk
 *                           is unknown
 *   TACTUS_POISONED         an earlier one failed; nothing was appended. The fault has the cause */
enum tactus_status journal_append(
    struct journal *journal, const struct journal_append *append, uint64_t *op
) __attribute__((warn_unused_result));

/* Makes everything appended durable, then hands over the redundant headers of what that covers.
 * IO, FULL: it failed now. POISONED: something had failed before. */
enum tactus_status journal_flush(struct journal *journal) __attribute__((warn_unused_result));

/* Asks for everything appended to become durable, and does not wait: journal_op_durable tells when
 * it is, journal_poll brings it on. Where the disk is one that is waited for in any case (plain
 * reads and writes), the flush is done here. A failure poisons. */
void journal_flush_start(struct journal *journal);

/* Takes note of what the disk has done, and begins what comes next; waits for nothing but a flush
 * that was asked for and that nobody else will do. Any thread. */
void journal_poll(struct journal *journal);

/* Waits until `op`, which was appended, is durable, and asks for it. POISONED: a write has failed,
 * nobody knows. Leaves the fault alone: any thread may call it. */
enum tactus_status journal_wait(struct journal *journal, uint64_t op)
    __attribute__((warn_unused_result));

/* A write or flush has failed: nothing is written any more, nothing becomes durable. The cause goes
 * into the fault, unless it has one, and the answer is POISONED. */
bool journal_is_poisoned(const struct journal *journal);
enum tactus_status journal_poisoned(struct journal *journal);

/* A descriptor that poll(2) finds readable when op_durable has moved since it was read, or
 * journal_poll has something to do; the journal's until close. IO. */
enum tactus_status journal_event_fd(struct journal *journal, int *fd)
    __attribute__((warn_unused_result));

/* Makes everything durable, redundant headers included, and waits for every write in flight. The
 * journal can be recovered again after it, or dropped. Fine at any stage. POISONED: not all of it
 * is durable. */
enum tactus_status journal_close(struct journal *journal) __attribute__((warn_unused_result));

/* In a child after fork(), in place of journal_close: gives back the child's descriptors. */
void journal_abandon(struct journal *journal);

/* ---- Where it stands; not before a recovery -------------------------------------------------- */

uint64_t journal_op_last(const struct journal *journal);    /* op_covered if there is no entry */
uint64_t journal_op_durable(const struct journal *journal); /* any thread */
uint64_t journal_op_appended(struct journal *journal);      /* op_last, for any thread */

/* Where the next entry will go: what a checkpoint that covers everything up to here stores. */
struct journal_position journal_head(const struct journal *journal);

/* The superblock does not need ops below `op` any more: their room may be written over. op and
 * offset are what journal_head() said when `op` was next. */
void journal_tail_set(struct journal *journal, uint64_t op, uint64_t offset);

/* Bytes of the ring from tail to head, ends of laps included. */
uint64_t journal_used_bytes(const struct journal *journal);

#endif
