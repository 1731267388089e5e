/* Where every read, write and flush goes through, and the only clock.
 *
 * A request is the caller's memory. Submitting hands it over; it is the caller's again once its
 * stage is IO_DONE. Nothing calls back: owners look at the stages of their requests after a wait.
 *
 *   IO_IDLE -- reactor_submit --> IO_IN_FLIGHT -- reactor_wait, _poll, _finish --> IO_DONE
 *
 * A request is served by one or more *attempts* of the backend (io/backend.h); what happens between
 * them is decided in one place for all backends:
 *
 *   IO1  A short read or write goes on behind the last whole sector that was done.
 *   IO2  EINTR and EAGAIN are tried again. Two writes in a row of 0 bytes are TACTUS_IO.
 *   IO3  A read past the end of the file gives zeros.
 *   IO4  EIO of a read: what is left is read once more, sector by sector; a sector that fails again
 *        is filled with zeros, and `unreadable` is set. The status is OK: whoever checks the bytes
 *        will find that they are not those that were written.
 *   IO5  A write or flush that failed is never tried again. ENOSPC, EDQUOT and EFBIG are
 *        TACTUS_FULL, all else is TACTUS_IO.
 *
 * No call here allocates memory, or reads a clock other than reactor_now_ns's.
 *
 * A reactor is for one thread at a time. Another thread uses another reactor over the same file
 * (file_open_sharing); what both share is the descriptor, and of the first one the file's size and
 * the limit on it, which are atomic. */
#ifndef TACTUS_IO_REACTOR_H
#define TACTUS_IO_REACTOR_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { IO_SECTOR = 4096 }; /* offsets, sizes and buffers of requests are multiples of this */

enum io_kind { IO_READ = 1, IO_WRITE, IO_FLUSH };
enum io_stage { IO_IDLE = 0, IO_IN_FLIGHT, IO_DONE };

/* The caller fills kind and durable, and but for a flush size, offset and buffer, leaving the rest
 * zero; a request that is done may be filled again and submitted again. */
struct io_request {
    uint8_t kind;    /* enum io_kind */
    uint8_t stage;   /* enum io_stage */
    bool durable;    /* a write: it is durable when it is done */
    bool unreadable; /* out; a read met sectors that cannot be read: they are zero now */
    uint32_t size;   /* bytes, from IO_SECTOR */
    uint64_t offset;
    void *buffer; /* borrowed until IO_DONE; of a write: unchanged until then, and only read */

    uint32_t done_bytes;       /* out */
    int32_t os_error;          /* out; the errno behind `status`, or 0 */
    enum tactus_status status; /* out; OK, IO or FULL */

    /* For io/ alone. */
    struct io_request *next;
    uint32_t attempts_idle; /* in a row that brought nothing */
    bool by_sector;         /* after EIO: one sector an attempt */
};

struct backend;

struct reactor {
    const struct backend *backend; /* NULL: no file is open */
    void *state;                   /* the backend's own */
    const struct reactor *owner;   /* borrowed: whose file this one shares; NULL: it has its own */
    _Atomic uint64_t size;         /* of the file, in bytes; of a reactor that shares: unused */
    _Atomic uint64_t write_limit;  /* a write that ends behind this is EFBIG: RLIMIT_FSIZE; unused
                                      likewise */
    int fd;                        /* -1: there is none */
    bool is_new;                   /* file_open created it, or emptied it */
    bool is_read_only;
    bool is_device;     /* a block device: its size is what it is */
    bool is_direct;     /* past the page cache */
    bool is_unlinkable; /* file_open made the directory entry, too */

    uint32_t in_flight; /* submitted, and not IO_DONE */
    uint32_t unnoticed; /* IO_DONE since the last wait or poll */
};

/* The one that opened the file: itself, or the one whose file it shares. */
const struct reactor *reactor_of_file(const struct reactor *reactor);

/* Starts the request. It must not be in flight; its buffer, size and offset must be multiples of
 * IO_SECTOR. Over a read-only file nothing but reads may be submitted. A flush makes durable what
 * was IO_DONE when it was submitted, nothing else. Requests finish in any order. Two writes in
 * flight must not overlap, whichever reactors they go through; what is written through one that
 * shares its file ends within the file. The request may be IO_DONE when this returns. */
void reactor_submit(struct reactor *reactor, struct io_request *request);

/* Waits until at least one request became IO_DONE since the last wait or poll: it returns at once
 * if one has already. Something must have been submitted since: else it would wait for ever. */
void reactor_wait(struct reactor *reactor);

/* Takes note of what is done without waiting, and hands to the system what was only queued. */
void reactor_poll(struct reactor *reactor);

/* Waits until this request is IO_DONE; others may become so on the way. */
void reactor_finish(struct reactor *reactor, struct io_request *request);

/* Whether requests are IO_DONE when they were submitted: the disk does nothing while nobody
 * waits. */
bool reactor_is_immediate(const struct reactor *reactor);

/* As reactor_poll, but for reactor_wait nothing has been noticed. */
void reactor_reap(struct reactor *reactor);

/* Hands to the system what was only queued, and takes note of nothing. */
void reactor_push(struct reactor *reactor);

/* Waits until the system may have finished a request that was handed to it. Changes nothing in the
 * reactor: so one thread may sleep while others submit and push, if none of them takes note of what
 * is done meanwhile. Only where reactor_can_sleep. */
bool reactor_can_sleep(const struct reactor *reactor);
void reactor_sleep(const struct reactor *reactor);

/* From now on an eventfd becomes readable whenever the system has finished a request of this
 * reactor. Once. false: this disk cannot do that. */
bool reactor_signal(struct reactor *reactor, int event_fd);

/* Read, write or flush and wait for it. Any size that is a multiple of IO_SECTOR, 0 included: it is
 * split into pieces of 1 MiB, done one after the other. reactor_read answers OK for unreadable
 * sectors, too, which are zero then. IO or FULL fill the fault (which may be NULL) with the offset
 * of the piece that failed. */
enum tactus_status reactor_read(
    struct reactor *reactor, void *buffer, uint64_t size, uint64_t offset, struct fault *fault
) __attribute__((warn_unused_result));
enum tactus_status reactor_write(
    struct reactor *reactor,
    const void *buffer,
    uint64_t size,
    uint64_t offset,
    bool durable,
    struct fault *fault
) __attribute__((warn_unused_result));
enum tactus_status reactor_flush(struct reactor *reactor, struct fault *fault)
    __attribute__((warn_unused_result));

/* Puts a failed request into the fault (which may be NULL) and returns its status; OK is left
 * alone. For owners of requests of their own. */
enum tactus_status reactor_fault(const struct io_request *request, struct fault *fault);

/* Nanoseconds since some instant; never goes back. */
uint64_t reactor_now_ns(const struct reactor *reactor);

#endif
