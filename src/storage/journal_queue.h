#ifndef TACTUS_STORAGE_JOURNAL_QUEUE_H
#define TACTUS_STORAGE_JOURNAL_QUEUE_H

#include "base/budget.h"
#include "base/lock.h"
#include "base/status.h"
#include "io/reactor.h"
#include "storage/journal_headers.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What is between an append and the disk: entries that are staged, on their way, written, durable.
 *
 *   op:    1 ... op_durable ... op_written ... (submitted) ... op_last
 *                 |              |              |               |
 *                 |              |              on their way    staged: neighbours lie in one
 *                 |              done, may be lost              write that has not begun
 *                 survives a power cut
 *
 * The writer builds each entry in the staging area, where it stays until it is written. Entries
 * that are appended while writes are on their way gather, and go out in one: that is all there is
 * to group commit. The first to come goes at once; a second write follows when it is worth it, or
 * somebody waits for it; the rest when one of the two is done.
 *
 *   Q1  Entries are submitted in the order of their ops. They may be done in any order; an op
 *       counts as written, or durable, when every op before it does (S2).
 *   Q2  A durable write is begun only while all before it is durable or in durable writes; else the
 *       write is plain, and what makes it durable is a flush begun when it is written.
 *   Q3  Redundant headers follow once their op is durable, and nobody waits for them (S2).
 *   Q4  Once a write or flush, of a header too, has failed, nothing is submitted any more and
 *       nothing becomes durable any more. Nothing is tried again; who waits is told.
 *   Q5  Of many threads that wait one sleeps, without the lock, until the disk has done something;
 *       it alone takes note of that, begins what comes next, and wakes the others. So no thread of
 *       our own is needed, and an append never waits behind somebody who waits.
 *
 * Threads: journal_queue_reserve, _append, _open and _close are the writer's; all else may be
 * called from any thread while the queue is open. */
enum {
    JOURNAL_WRITES_MAX = 16,
    JOURNAL_WRITES_IN_FLIGHT = 2,      /* more of them would be smaller ones */
    JOURNAL_GROUP_BYTES_MIN = 1 << 14, /* of a second one, unless somebody waits for it */
    JOURNAL_GROUP_BYTES_MAX = 1 << 20,
    JOURNAL_STAGE_BYTES_MIN = 1 << 16, /* for others on their way, where all entries are small */
};

/* What an append asks for. */
enum journal_sync {
    JOURNAL_SYNC_NONE = 0, /* to be written */
    JOURNAL_SYNC_START,    /* to become durable, without waiting for that */
    JOURNAL_SYNC_WAIT,     /* to be durable when the call returns */
};

/* Neighbouring entries, one after the other in the staging area and in the ring. */
struct journal_write {
    struct io_request request;
    uint64_t op_first, op_last;
    uint64_t stage_offset;
};

struct journal_queue {
    uint64_t entry_bytes_max;
    uint64_t stage_bytes;
    uint8_t *stage; /* owned by the budget, aligned to sectors */

    bool is_open;
    struct reactor *reactor; /* under the lock: own, or the file's where that cannot be shared */
    struct reactor *flusher; /* for who flushes without the lock; likewise */
    struct reactor own[2];
    struct journal_headers *headers; /* borrowed; under the lock while the queue is open */

    struct lock lock;     /* of all that follows, but for what is atomic */
    pthread_cond_t moved; /* something was done, or nobody sleeps any more */
    bool has_sleeper;     /* Q5 */

    bool is_reserved; /* the writer's: there is a place for the next entry, */
    uint64_t place;   /* at this offset of the staging area */
    struct journal_write writes[JOURNAL_WRITES_MAX]; /* a ring, in the order of ops */
    uint32_t write_first, write_count;
    uint32_t submitted_count; /* of them, from the first on */

    uint64_t op_last;
    uint64_t op_written;
    uint64_t op_plain;           /* the last one in a plain write */
    uint64_t op_wanted;          /* up to which durability was asked for */
    uint64_t op_awaited;         /* up to which anybody waits now, or did */
    uint64_t op_waited;          /* up to which the writer waits for it now */
    uint64_t op_covered;         /* up to which the redundant headers may go out */
    _Atomic uint64_t op_durable; /* may be read without the lock */
    struct io_request flush;     /* IO_IDLE: there is none */
    uint64_t flush_op;           /* what the flush on its way covers */
    uint64_t flush_target;       /* the flush that comes next waits for this to be written; or 0 */
    uint64_t progress;           /* goes up with whatever somebody may wait for */
    _Atomic enum tactus_status status; /* Q4: of the first failure */
    struct fault cause;                /* likewise */

    int event_fd;         /* -1: nobody asked for it */
    bool event_by_system; /* the system signals it, too */

    uint64_t write_total; /* writes and flushes since init: for tests and measurements */
    uint64_t flush_total;
};

/* Memory: twice an entry, and once more, from 64 KiB to 1 MiB, for others on their way. */
void journal_queue_init(
    struct journal_queue *queue, struct budget *budget, uint64_t entry_bytes_max
);

/* From here on entries can be appended, beginning with op_last + 1; all up to it is durable. `file`
 * and `headers` are borrowed until close; headers are written through the queue from now on. */
void journal_queue_open(
    struct journal_queue *queue,
    struct reactor *file,
    struct journal_headers *headers,
    uint64_t op_last
);

/* The place of the next entry: entry_bytes_max, the same until the append. Waits until there is
 * room. */
uint8_t *journal_queue_reserve(struct journal_queue *queue);

struct journal_queue_entry {
    uint64_t op;   /* op_last + 1 */
    uint64_t byte; /* in the file */
    uint64_t size; /* a multiple of a sector */
    enum journal_sync sync;
};

/* Takes over the sealed entry that lies at the reserved place. Waits only for a free write, unless
 * entry.sync is WAIT.
 *
 *   POISONED  something has failed before: the entry was not taken
 *   IO, FULL  with WAIT: a write or flush failed; journal_queue_cause tells which */
enum tactus_status journal_queue_append(
    struct journal_queue *queue, const struct journal_queue_entry *entry
) __attribute__((warn_unused_result));

/* Waits until `op` is durable, asking for it. POISONED: it may never be. */
enum tactus_status journal_queue_wait(struct journal_queue *queue, uint64_t op)
    __attribute__((warn_unused_result));

/* Asks for everything appended to become durable, without waiting: but where the disk has no other
 * way, the flush is done here. Failures show later. */
void journal_queue_flush_start(struct journal_queue *queue);

/* Takes note of what is done, and begins what comes next. Where the disk does nothing by itself,
 * and something was asked for, the flush is done here. */
void journal_queue_poll(struct journal_queue *queue);

uint64_t journal_queue_op_last(struct journal_queue *queue);
uint64_t journal_queue_op_durable(const struct journal_queue *queue);
bool journal_queue_is_poisoned(const struct journal_queue *queue);

/* What failed first. The queue is poisoned. */
struct fault journal_queue_cause(struct journal_queue *queue);

/* An eventfd that is readable whenever journal_queue_poll has something to do, or op_durable has
 * moved, or the queue was poisoned, since it was read last. The queue's until close. IO: the system
 * has none left. */
enum tactus_status journal_queue_event(struct journal_queue *queue, int *fd, struct fault *fault)
    __attribute__((warn_unused_result));

/* Makes everything durable, redundant headers included, waits for all that is in flight, and gives
 * back what it has of the system. No other thread is in a call, or comes into one. */
enum tactus_status journal_queue_close(struct journal_queue *queue)
    __attribute__((warn_unused_result));

/* In a child after fork(): gives back the child's descriptors; waits for nothing. */
void journal_queue_abandon(struct journal_queue *queue);

#endif
