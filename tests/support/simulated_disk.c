#include "support/simulated_disk.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "base/random.h"
#include "io/backend.h"
#include "support/disk_image.h"

#include <errno.h>
#include <stdlib.h>

#include "base/poison.h"

enum {
    UNIT = 512, /* the smallest part of a write that can be lost by itself */
    DELAY_NS_MAX = 1000000,
    SUBSETS_MAX = 8, /* pending writes of which all subsets are tried */
    SUBSETS_RANDOM = 64,
    TEARS = 8, /* of each of the two sizes */
};

/* The bytes of a write, shared by clones. */
struct written {
    uint32_t references;
    uint8_t bytes[];
};

/* A write that a crash may undo. By number, so that of two to one place the later stays later. */
struct pending {
    uint64_t number;
    uint64_t offset;
    uint32_t size; /* a multiple of UNIT */
    struct written *data;
    uint8_t *superseded; /* owned; for each UNIT: a later durable write lies over it */
    uint64_t flush_mark; /* the flush that will make it durable; 0: it was not done yet */
    bool is_done;
    bool is_stuck; /* a flush of it failed: no later one brings it down */
};

/* An attempt of a request that the disk is busy with. */
struct flight {
    struct io_request *request; /* borrowed from its owner */
    struct io_attempt attempt;
    uint64_t due_ns;
    uint64_t pending_number; /* of a write that will be done; 0: none */
    uint64_t flush_mark;
    uint32_t size;                   /* bytes it will bring; less than attempted if it is short */
    enum simulated_fault_kind fault; /* 0: none */
    int32_t os_error;
    uint64_t target;
};

struct simulated_disk {
    struct simulated_disk_options options;
    struct random random;
    struct disk_image durable;
    struct disk_image current;
    uint64_t size;
    uint64_t now_ns;

    struct pending *pending; /* owned, ascending by number */
    uint32_t pending_count;
    uint32_t pending_capacity;
    uint64_t pending_number;
    uint64_t flush_mark;

    struct flight *flights; /* owned, in the order of submission */
    uint32_t flight_count;
    uint32_t flight_capacity;

    uint64_t change_count;
    uint64_t read_count;
    uint64_t crash_in; /* 0: never */
    bool is_dead;

    struct simulated_fault faults[SIMULATED_FAULTS_MAX];
    bool fault_is_spent[SIMULATED_FAULTS_MAX];
    uint32_t fault_count;
    uint64_t fault_hits;
};

extern const struct backend backend_simulated;
extern const struct backend backend_simulated_immediate;

static void *memory_or_abort(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    assert(memory != NULL);
    return memory;
}

static bool overlaps(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
    return a < b + b_size && b < a + a_size;
}

/* ---- Pending writes ------------------------------------------------------------------------- */

static void pending_free(struct pending *pending)
{
    assert(pending->data->references > 0);
    pending->data->references -= 1;
    if (pending->data->references == 0) free(pending->data);
    free(pending->superseded);
}

static struct pending *pending_find(struct simulated_disk *disk, uint64_t number)
{
    for (uint32_t i = 0; i < disk->pending_count; i += 1) {
        if (disk->pending[i].number == number) return &disk->pending[i];
    }
    return NULL;
}

static void pending_remove(struct simulated_disk *disk, uint32_t index)
{
    assert(index < disk->pending_count);
    pending_free(&disk->pending[index]);
    disk->pending_count -= 1;
    bytes_move(
        &disk->pending[index],
        &disk->pending[index + 1],
        (disk->pending_count - index) * sizeof(struct pending)
    );
}

static void pending_remove_all(struct simulated_disk *disk)
{
    for (uint32_t i = 0; i < disk->pending_count; i += 1) {
        pending_free(&disk->pending[i]);
    }
    disk->pending_count = 0;
}

static uint64_t pending_add(
    struct simulated_disk *disk, uint64_t offset, const uint8_t *bytes, uint32_t size
)
{
    assert(size % UNIT == 0);
    if (disk->pending_count == disk->pending_capacity) {
        disk->pending_capacity = disk->pending_capacity * 2 + 16;
        disk->pending = realloc(disk->pending, disk->pending_capacity * sizeof(struct pending));
        assert(disk->pending != NULL);
    }
    struct written *data = memory_or_abort(1, sizeof *data + size);
    data->references = 1;
    bytes_copy(data->bytes, bytes, size);

    disk->pending_number += 1;
    disk->pending[disk->pending_count] = (struct pending){
        .number = disk->pending_number,
        .offset = offset,
        .size = size,
        .data = data,
        .superseded = memory_or_abort(size / UNIT + 1, 1),
    };
    disk->pending_count += 1;
    return disk->pending_number;
}

static void pending_apply_unit(
    struct disk_image *image, const struct pending *pending, uint32_t unit, const void *bytes
)
{
    if (pending->superseded[unit]) return;
    disk_image_write(image, pending->offset + (uint64_t)unit * UNIT, bytes, UNIT);
}

static void pending_apply(struct disk_image *image, const struct pending *pending)
{
    for (uint32_t unit = 0; unit < pending->size / UNIT; unit += 1) {
        pending_apply_unit(image, pending, unit, pending->data->bytes + (size_t)unit * UNIT);
    }
}

/* A durable write lies over what was pending there: a crash can no longer bring that back. */
static void pending_supersede(struct simulated_disk *disk, const struct pending *later)
{
    for (uint32_t i = 0; i < disk->pending_count; i += 1) {
        struct pending *pending = &disk->pending[i];
        if (pending->number >= later->number) continue;
        for (uint32_t unit = 0; unit < pending->size / UNIT; unit += 1) {
            const uint64_t at = pending->offset + (uint64_t)unit * UNIT;
            if (overlaps(at, UNIT, later->offset, later->size)) pending->superseded[unit] = 1;
        }
    }
}

static void write_done(struct simulated_disk *disk, uint64_t number, bool durable)
{
    struct pending *pending = pending_find(disk, number);
    assert(pending != NULL);
    assert(!pending->is_done);
    pending->is_done = true;
    disk_image_write(&disk->current, pending->offset, pending->data->bytes, pending->size);
    if (!durable) return;

    pending_apply(&disk->durable, pending);
    pending_supersede(disk, pending);
    pending_remove(disk, (uint32_t)(pending - disk->pending));
}

static void flush_begin(struct simulated_disk *disk, struct flight *flight)
{
    disk->flush_mark += 1;
    flight->flush_mark = disk->flush_mark;
    for (uint32_t i = 0; i < disk->pending_count; i += 1) {
        struct pending *pending = &disk->pending[i];
        if (pending->is_done && pending->flush_mark == 0) pending->flush_mark = disk->flush_mark;
    }
}

static void flush_done(struct simulated_disk *disk, uint64_t flush_mark, bool failed)
{
    for (uint32_t i = 0; i < disk->pending_count;) {
        struct pending *pending = &disk->pending[i];
        const bool is_meant = pending->flush_mark > 0 && pending->flush_mark <= flush_mark;
        if (is_meant && failed) pending->is_stuck = true;
        if (is_meant && !pending->is_stuck) {
            pending_apply(&disk->durable, pending);
            pending_supersede(disk, pending);
            pending_remove(disk, i);
        } else {
            i += 1;
        }
    }
}

/* ---- Faults --------------------------------------------------------------------------------- */

void simulated_disk_fault_add(struct simulated_disk *disk, struct simulated_fault fault)
{
    assert(disk->fault_count < SIMULATED_FAULTS_MAX);
    assert(fault.kind >= SIMULATED_READ_ERROR && fault.kind <= SIMULATED_DELAY);
    disk->faults[disk->fault_count] = fault;
    disk->fault_is_spent[disk->fault_count] = false;
    disk->fault_count += 1;
}

void simulated_disk_fault_clear(struct simulated_disk *disk)
{
    disk->fault_count = 0;
}

uint64_t simulated_disk_fault_count(const struct simulated_disk *disk)
{
    return disk->fault_hits;
}

/* 0 stands for growing, which is no request. */
static bool fault_is_of(enum simulated_fault_kind fault, uint32_t kind)
{
    switch (fault) {
    case SIMULATED_READ_ERROR:
    case SIMULATED_READ_SHORT:
    case SIMULATED_READ_INTERRUPT:
    case SIMULATED_READ_MISDIRECT: return kind == IO_READ;
    case SIMULATED_WRITE_ERROR:
    case SIMULATED_WRITE_SHORT:
    case SIMULATED_WRITE_NOTHING:
    case SIMULATED_WRITE_INTERRUPT:
    case SIMULATED_WRITE_LOST:
    case SIMULATED_WRITE_MISDIRECT: return kind == IO_WRITE;
    case SIMULATED_FLUSH_ERROR: return kind == IO_FLUSH;
    case SIMULATED_GROW_ERROR: return kind == 0;
    case SIMULATED_DELAY: return kind != 0;
    }
    assert(false);
    return false;
}

/* The first fault that strikes, or NULL. */
static const struct simulated_fault *fault_strike(
    struct simulated_disk *disk, uint32_t kind, uint64_t offset, uint64_t size
)
{
    for (uint32_t i = 0; i < disk->fault_count; i += 1) {
        struct simulated_fault *fault = &disk->faults[i];
        if (disk->fault_is_spent[i] || !fault_is_of(fault->kind, kind)) continue;
        const bool has_place = kind == IO_READ || kind == IO_WRITE;
        if (fault->to > 0 && has_place) {
            if (!overlaps(offset, size, fault->from, fault->to - fault->from)) continue;
        }
        if (fault->skip > 0) {
            fault->skip -= 1;
            continue;
        }
        if (!fault->is_sticky) disk->fault_is_spent[i] = true;
        disk->fault_hits += 1;
        return fault;
    }
    return NULL;
}

static int32_t error_or(const struct simulated_fault *fault, int32_t usual)
{
    return fault->os_error != 0 ? fault->os_error : usual;
}

static uint32_t size_halved(uint32_t size)
{
    if (size == IO_SECTOR) return IO_SECTOR / 2;
    return (uint32_t)round_up_u64(size / 2, IO_SECTOR);
}

static void flight_strike(struct flight *flight, const struct simulated_fault *fault)
{
    flight->fault = fault->kind;
    switch (fault->kind) {
    case SIMULATED_READ_ERROR:
    case SIMULATED_WRITE_ERROR:
    case SIMULATED_FLUSH_ERROR: flight->os_error = error_or(fault, EIO); break;
    case SIMULATED_READ_INTERRUPT:
    case SIMULATED_WRITE_INTERRUPT: flight->os_error = error_or(fault, EINTR); break;
    case SIMULATED_READ_SHORT:
    case SIMULATED_WRITE_SHORT: flight->size = size_halved(flight->size); break;
    case SIMULATED_WRITE_NOTHING: flight->size = 0; break;
    case SIMULATED_WRITE_MISDIRECT:
    case SIMULATED_READ_MISDIRECT: flight->target = fault->target; break;
    case SIMULATED_DELAY: flight->due_ns += fault->delay_ns; break;
    case SIMULATED_WRITE_LOST:
    case SIMULATED_GROW_ERROR: break;
    }
}

/* ---- Attempts ------------------------------------------------------------------------------- */

static struct simulated_disk *disk_of(const struct reactor *reactor)
{
    assert(
        reactor->backend == &backend_simulated || reactor->backend == &backend_simulated_immediate
    );
    return reactor->state;
}

/* Counts a change; the one that crash_at named is the disk's last. */
static void change_begin(struct simulated_disk *disk)
{
    assert(!disk->is_dead);
    disk->change_count += 1;
    if (disk->crash_in == 0) return;
    disk->crash_in -= 1;
    disk->is_dead = disk->crash_in == 0;
}

static void check_attempt(const struct io_attempt *attempt)
{
    assert((uintptr_t)attempt->buffer % IO_SECTOR == 0);
    assert(attempt->size > 0 && attempt->size % IO_SECTOR == 0);
    assert(attempt->offset % IO_SECTOR == 0);
}

static void check_write(const struct simulated_disk *disk, const struct io_attempt *attempt)
{
    assert(attempt->offset + attempt->size <= disk->size); /* the file is grown ahead */
    for (uint32_t i = 0; i < disk->flight_count; i += 1) {
        const struct flight *other = &disk->flights[i];
        if (other->request->kind != IO_WRITE) continue;
        const bool overlap =
            overlaps(attempt->offset, attempt->size, other->attempt.offset, other->attempt.size);
        assert(!overlap); /* two writes in flight */
    }
}

static bool write_takes_place(const struct flight *flight)
{
    return flight->os_error == 0 && flight->size > 0 && flight->fault != SIMULATED_WRITE_LOST;
}

static struct flight flight_begin(struct simulated_disk *disk, struct io_request *request)
{
    struct flight flight = {.request = request, .attempt = io_attempt_of(request)};
    flight.size = flight.attempt.size;
    flight.due_ns = disk->now_ns + random_range(&disk->random, 1, DELAY_NS_MAX);
    if (request->kind != IO_FLUSH) check_attempt(&flight.attempt);
    if (request->kind == IO_WRITE) check_write(disk, &flight.attempt);
    if (disk->is_dead) return flight;

    if (request->kind == IO_READ) {
        disk->read_count += 1;
    } else {
        change_begin(disk);
    }
    const struct simulated_fault *fault =
        fault_strike(disk, request->kind, flight.attempt.offset, flight.attempt.size);
    if (fault != NULL) flight_strike(&flight, fault);

    if (request->kind == IO_FLUSH) flush_begin(disk, &flight);
    if (request->kind == IO_WRITE && write_takes_place(&flight)) {
        const bool is_misdirected = flight.fault == SIMULATED_WRITE_MISDIRECT;
        const uint64_t offset = is_misdirected ? flight.target : flight.attempt.offset;
        flight.pending_number = pending_add(disk, offset, flight.attempt.buffer, flight.size);
    }
    return flight;
}

/* What lies under a write in flight is read as old or new, sector by sector. */
static void read_torn(struct simulated_disk *disk, const struct flight *read, uint64_t offset)
{
    for (uint32_t i = 0; i < disk->flight_count; i += 1) {
        const struct flight *write = &disk->flights[i];
        if (write->pending_number == 0) continue;
        const struct pending *pending = pending_find(disk, write->pending_number);
        assert(pending != NULL);
        for (uint32_t unit = 0; unit < pending->size / UNIT; unit += 1) {
            const uint64_t at = pending->offset + (uint64_t)unit * UNIT;
            if (at < offset || at + UNIT > offset + read->size) continue;
            if (random_chance(&disk->random, 1, 2)) continue;
            bytes_copy(
                read->attempt.buffer + (at - offset),
                pending->data->bytes + (size_t)unit * UNIT,
                UNIT
            );
        }
    }
}

static int64_t read_end(struct simulated_disk *disk, const struct flight *flight)
{
    const bool is_misdirected = flight->fault == SIMULATED_READ_MISDIRECT;
    const uint64_t offset = is_misdirected ? flight->target : flight->attempt.offset;
    if (offset >= disk->size) return 0;
    struct flight read = *flight;
    read.size = (uint32_t)min_u64(flight->size, disk->size - offset);
    disk_image_read(&disk->current, offset, read.attempt.buffer, read.size);
    read_torn(disk, &read, offset);
    return read.size;
}

static int64_t write_end(struct simulated_disk *disk, const struct flight *flight)
{
    if (flight->pending_number > 0) {
        const struct pending *pending = pending_find(disk, flight->pending_number);
        assert(pending != NULL);
        /* the owner must leave the bytes alone while they are in flight */
        assert(bytes_equal(pending->data->bytes, flight->attempt.buffer, pending->size));
        write_done(disk, flight->pending_number, flight->request->durable);
    }
    return flight->size;
}

/* The result of an attempt, which has its effect here. */
static int64_t flight_end(struct simulated_disk *disk, const struct flight *flight)
{
    if (disk->is_dead) return -ENODEV;
    if (flight->request->kind == IO_FLUSH) {
        flush_done(disk, flight->flush_mark, flight->os_error != 0);
    }
    if (flight->os_error != 0) return -flight->os_error;

    switch ((enum io_kind)flight->request->kind) {
    case IO_READ: return read_end(disk, flight);
    case IO_WRITE: return write_end(disk, flight);
    case IO_FLUSH: return 0;
    }
    assert(false);
    return 0;
}

/* ---- The backend ---------------------------------------------------------------------------- */

static void flight_push(struct simulated_disk *disk, struct flight flight)
{
    if (disk->flight_count == disk->flight_capacity) {
        disk->flight_capacity = disk->flight_capacity * 2 + 16;
        disk->flights = realloc(disk->flights, disk->flight_capacity * sizeof(struct flight));
        assert(disk->flights != NULL);
    }
    disk->flights[disk->flight_count] = flight;
    disk->flight_count += 1;
}

static struct flight flight_take(struct simulated_disk *disk, uint32_t index)
{
    assert(index < disk->flight_count);
    const struct flight flight = disk->flights[index];
    disk->flight_count -= 1;
    bytes_move(
        &disk->flights[index],
        &disk->flights[index + 1],
        (disk->flight_count - index) * sizeof(struct flight)
    );
    return flight;
}

static uint32_t flight_next(const struct simulated_disk *disk)
{
    uint32_t next = 0;
    for (uint32_t i = 1; i < disk->flight_count && !disk->options.in_order; i += 1) {
        if (disk->flights[i].due_ns < disk->flights[next].due_ns) next = i;
    }
    return next;
}

static void simulated_start(struct reactor *reactor, struct io_request *request)
{
    struct simulated_disk *disk = disk_of(reactor);
    if (!disk->options.at_submission) {
        flight_push(disk, flight_begin(disk, request));
        return;
    }
    bool is_done = false;
    while (!is_done) {
        const struct flight flight = flight_begin(disk, request);
        disk->now_ns = max_u64(disk->now_ns, flight.due_ns);
        is_done = io_attempt_done(reactor, request, flight_end(disk, &flight));
    }
}

static void simulated_reap(struct reactor *reactor, bool wait)
{
    struct simulated_disk *disk = disk_of(reactor);
    bool is_done = false;
    while (disk->flight_count > 0 && !is_done) {
        const uint32_t next = flight_next(disk);
        if (!wait && disk->flights[next].due_ns > disk->now_ns) break;

        const struct flight flight = flight_take(disk, next);
        disk->now_ns = max_u64(disk->now_ns, flight.due_ns);
        is_done = io_attempt_done(reactor, flight.request, flight_end(disk, &flight));
        if (!is_done) flight_push(disk, flight_begin(disk, flight.request));
    }
    if (!wait) disk->now_ns += DELAY_NS_MAX / 10;
    if (wait) assert(is_done);
}

static enum tactus_status simulated_grow(
    struct reactor *reactor, uint64_t size, struct fault *fault
)
{
    struct simulated_disk *disk = disk_of(reactor);
    int32_t os_error = 0;
    if (disk->is_dead) {
        os_error = ENODEV;
    } else {
        change_begin(disk);
        const struct simulated_fault *strike = fault_strike(disk, 0, 0, 0);
        const uint64_t size_max = disk->options.size_max;
        if (size_max > 0 && size > size_max) os_error = ENOSPC;
        if (strike != NULL) os_error = error_or(strike, ENOSPC);
        if (os_error == 0) {
            const bool is_late = disk->is_dead && random_chance(&disk->random, 1, 2);
            if (!is_late) disk->size = max_u64(disk->size, size);
        }
        if (disk->is_dead) os_error = ENODEV;
    }
    reactor->size = disk->size;
    if (os_error == 0) return TACTUS_OK;

    const bool is_full = os_error == ENOSPC || os_error == EDQUOT || os_error == EFBIG;
    return fault_set(
        fault,
        (struct fault){
            .status = is_full ? TACTUS_FULL : TACTUS_IO,
            .zone = FAULT_ZONE_FILE,
            .what = "the data file could not be made longer",
            .byte = size,
            .os_error = os_error,
        }
    );
}

/* Every look at the clock takes a little, so that what waits for a time to pass does not wait for
 * ever. */
static uint64_t simulated_now_ns(const struct reactor *reactor)
{
    struct simulated_disk *disk = disk_of(reactor);
    disk->now_ns += 100;
    return disk->now_ns;
}

static void simulated_close(struct reactor *reactor)
{
    assert(disk_of(reactor)->flight_count == 0);
}

const struct backend backend_simulated = {
    .name = "simulated",
    .start = simulated_start,
    .reap = simulated_reap,
    .grow = simulated_grow,
    .now_ns = simulated_now_ns,
    .close = simulated_close,
};

const struct backend backend_simulated_immediate = {
    .name = "simulated",
    .start = simulated_start,
    .reap = simulated_reap,
    .grow = simulated_grow,
    .now_ns = simulated_now_ns,
    .close = simulated_close,
    .is_immediate = true,
};

/* ---- The disk ------------------------------------------------------------------------------- */

struct simulated_disk *simulated_disk_new(const struct simulated_disk_options *options)
{
    struct simulated_disk *disk = memory_or_abort(1, sizeof *disk);
    disk->options = *options;
    disk->size = options->size;
    disk->now_ns = 1000000000;
    random_init(&disk->random, options->seed);
    return disk;
}

void simulated_disk_limit(struct simulated_disk *disk, uint64_t size_max)
{
    disk->options.size_max = size_max;
}

void simulated_disk_free(struct simulated_disk *disk)
{
    if (disk == NULL) return;
    pending_remove_all(disk);
    disk_image_free(&disk->durable);
    disk_image_free(&disk->current);
    free(disk->pending);
    free(disk->flights);
    free(disk);
}

struct simulated_disk *simulated_disk_clone(const struct simulated_disk *disk)
{
    assert(disk->flight_count == 0 || disk->is_dead);
    struct simulated_disk *clone = memory_or_abort(1, sizeof *clone);
    *clone = *disk;
    clone->durable = disk_image_clone(&disk->durable);
    clone->current = disk_image_clone(&disk->current);
    clone->flights = NULL;
    clone->flight_count = 0;
    clone->flight_capacity = 0;

    clone->pending_capacity = disk->pending_count;
    clone->pending = memory_or_abort(disk->pending_count + 1, sizeof(struct pending));
    for (uint32_t i = 0; i < disk->pending_count; i += 1) {
        struct pending *pending = &clone->pending[i];
        *pending = disk->pending[i];
        pending->data->references += 1;
        pending->superseded = memory_or_abort(pending->size / UNIT + 1, 1);
        bytes_copy(pending->superseded, disk->pending[i].superseded, pending->size / UNIT);
    }
    return clone;
}

/* Of a killed process the system finishes some requests and drops others, before it lets go of the
 * file's lock: none of them comes down later. */
static void flights_forget(struct simulated_disk *disk)
{
    for (uint32_t i = 0; i < disk->flight_count && !disk->is_dead; i += 1) {
        const uint64_t number = disk->flights[i].pending_number;
        if (number == 0) continue;
        const struct pending *pending = pending_find(disk, number);
        assert(pending != NULL);
        if (random_chance(&disk->random, 1, 2)) {
            write_done(disk, number, false);
        } else {
            pending_remove(disk, (uint32_t)(pending - disk->pending));
        }
    }
    disk->flight_count = 0;
}

void simulated_disk_open(struct reactor *reactor, struct simulated_disk *disk)
{
    flights_forget(disk);
    *reactor = (struct reactor){
        .backend = disk->options.at_submission ? &backend_simulated_immediate : &backend_simulated,
        .state = disk,
        .size = disk->size,
        .write_limit = UINT64_MAX,
        .fd = -1,
    };
}

void simulated_disk_open_read_only(struct reactor *reactor, struct simulated_disk *disk)
{
    simulated_disk_open(reactor, disk);
    reactor->is_read_only = true;
}

void simulated_disk_seed(struct simulated_disk *disk, uint64_t seed)
{
    random_init(&disk->random, seed);
}

uint64_t simulated_disk_size(const struct simulated_disk *disk)
{
    return disk->size;
}

uint64_t simulated_disk_change_count(const struct simulated_disk *disk)
{
    return disk->change_count;
}

uint64_t simulated_disk_read_count(const struct simulated_disk *disk)
{
    return disk->read_count;
}

void simulated_disk_advance(struct simulated_disk *disk, uint64_t ns)
{
    disk->now_ns += ns;
}

/* ---- Crashes -------------------------------------------------------------------------------- */

void simulated_disk_crash_at(struct simulated_disk *disk, uint64_t nth)
{
    assert(!disk->is_dead);
    disk->crash_in = nth;
}

bool simulated_disk_is_dead(const struct simulated_disk *disk)
{
    return disk->is_dead;
}

uint32_t simulated_disk_pending_count(const struct simulated_disk *disk)
{
    return disk->pending_count;
}

/* Each piece is new or old; one of a write may be neither, as a device may leave a sector that it
 * was writing. */
static void crash_tear(
    struct simulated_disk *disk,
    const struct pending *pending,
    uint32_t piece,
    struct random *random
)
{
    bool may_be_garbage = random_chance(random, 1, 8);
    for (uint32_t at = 0; at < pending->size; at += piece) {
        const bool is_garbage = may_be_garbage && random_chance(random, 1, 4);
        const bool is_new = random_chance(random, 1, 2);
        if (is_garbage) may_be_garbage = false;
        for (uint32_t unit = at / UNIT; unit < min_u32(at + piece, pending->size) / UNIT;
             unit += 1) {
            uint8_t garbage[UNIT];
            if (is_garbage) random_fill(random, garbage, UNIT);
            const uint8_t *bytes = pending->data->bytes + (size_t)unit * UNIT;
            if (is_garbage) pending_apply_unit(&disk->durable, pending, unit, garbage);
            if (!is_garbage && is_new) pending_apply_unit(&disk->durable, pending, unit, bytes);
        }
    }
}

static bool crash_keeps(struct simulated_crash crash, uint32_t index, struct random *random)
{
    switch (crash.kind) {
    case SIMULATED_KEEP_ALL: return true;
    case SIMULATED_DROP_ALL: return false;
    case SIMULATED_SUBSET:
        return index < 64 ? (crash.mask >> index & 1) == 1 : random_chance(random, 1, 2);
    case SIMULATED_ALL_BUT: return index != crash.mask;
    case SIMULATED_ONLY: return index == crash.mask;
    case SIMULATED_TEAR_512:
    case SIMULATED_TEAR_4096: break;
    }
    assert(false);
    return false;
}

void simulated_disk_crash(struct simulated_disk *disk, struct simulated_crash crash)
{
    struct random random;
    random_init(&random, crash.seed);
    for (uint32_t i = 0; i < disk->pending_count; i += 1) {
        const struct pending *pending = &disk->pending[i];
        if (crash.kind == SIMULATED_TEAR_512) {
            crash_tear(disk, pending, UNIT, &random);
        } else if (crash.kind == SIMULATED_TEAR_4096) {
            crash_tear(disk, pending, IO_SECTOR, &random);
        } else if (crash_keeps(crash, i, &random)) {
            pending_apply(&disk->durable, pending);
        }
    }
    pending_remove_all(disk);
    disk_image_free(&disk->current);
    disk->current = disk_image_clone(&disk->durable);
    disk->flight_count = 0;
    disk->crash_in = 0;
    disk->is_dead = false;
}

static uint32_t outcome_count_whole(uint32_t pending_count)
{
    if (pending_count <= SUBSETS_MAX) return UINT32_C(1) << pending_count;
    return 2 + 2 * pending_count + SUBSETS_RANDOM;
}

uint32_t simulated_disk_outcome_count(const struct simulated_disk *disk)
{
    if (disk->pending_count == 0) return 1;
    return outcome_count_whole(disk->pending_count) + 2 * TEARS;
}

struct simulated_crash simulated_disk_outcome(const struct simulated_disk *disk, uint32_t index)
{
    assert(index < simulated_disk_outcome_count(disk));
    const uint32_t pending_count = disk->pending_count;
    const uint32_t whole = outcome_count_whole(pending_count);
    struct random random;
    random_init(&random, disk->options.seed * 1000003 + disk->change_count * 1009 + index);
    struct simulated_crash crash = {.kind = SIMULATED_SUBSET, .seed = random_u64(&random)};

    if (index >= whole) {
        crash.kind = index - whole < TEARS ? SIMULATED_TEAR_512 : SIMULATED_TEAR_4096;
    } else if (pending_count <= SUBSETS_MAX) {
        crash.mask = index;
    } else if (index < 2) {
        crash.kind = index == 0 ? SIMULATED_DROP_ALL : SIMULATED_KEEP_ALL;
    } else if (index < 2 + pending_count) {
        crash.kind = SIMULATED_ALL_BUT;
        crash.mask = index - 2;
    } else if (index < 2 + 2 * pending_count) {
        crash.kind = SIMULATED_ONLY;
        crash.mask = index - 2 - pending_count;
    } else {
        crash.mask = random_u64(&random);
    }
    return crash;
}

/* ---- Under the engine's feet ---------------------------------------------------------------- */

void simulated_disk_peek(
    const struct simulated_disk *disk, uint64_t offset, void *target, uint64_t size
)
{
    disk_image_read(&disk->current, offset, target, size);
}

void simulated_disk_poke(
    struct simulated_disk *disk, uint64_t offset, const void *source, uint64_t size
)
{
    assert(offset + size <= disk->size);
    disk_image_write(&disk->current, offset, source, size);
    disk_image_write(&disk->durable, offset, source, size);
}

static void image_flip(struct disk_image *image, uint64_t offset, uint32_t bit)
{
    uint8_t byte = 0;
    disk_image_read(image, offset, &byte, 1);
    byte = (uint8_t)(byte ^ (1U << bit));
    disk_image_write(image, offset, &byte, 1);
}

void simulated_disk_flip(struct simulated_disk *disk, uint64_t offset, uint32_t bit)
{
    assert(offset < disk->size);
    assert(bit < 8);
    image_flip(&disk->current, offset, bit);
    image_flip(&disk->durable, offset, bit);
}

void simulated_disk_truncate(struct simulated_disk *disk, uint64_t size)
{
    assert(disk->flight_count == 0);
    disk->size = size;
    disk_image_cut(&disk->current, size);
    disk_image_cut(&disk->durable, size);
}

uint64_t simulated_disk_hash(const struct simulated_disk *disk)
{
    return disk_image_hash(&disk->current) ^ disk->size;
}

bool simulated_disk_equal(const struct simulated_disk *a, const struct simulated_disk *b)
{
    return a->size == b->size && disk_image_equal(&a->current, &b->current);
}
