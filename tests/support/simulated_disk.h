/* A disk that does its worst, and everything from one seed.
 *
 * What it holds is two images and a list of what lies between them:
 *
 *   durable image      what a crash cannot take back
 *   pending writes     done, but not flushed; or still in flight: a crash keeps, drops or tears
 *   each current image      what reads see: the durable image and all writes that are done
 *
 * A flush makes durable what was done when the flush was submitted; a durable write is so when it
 * is done. Requests finish in the seed's order, and the clock is the disk's own.
 *
 * It asserts of every request: alignment; that no two writes in flight overlap; that the bytes of a
 * write do not change while it is in flight. A read that overlaps a write in flight sees old and
 * new sectors mixed.
 *
 * A crash test, for every crash point of a run:
 *
 *   struct simulated_disk *disk = simulated_disk_clone(start);
 *   simulated_disk_crash_at(disk, n);
 *   simulated_disk_open(&reactor, disk);
 *   ... run the engine until it gets an error; drop it ...
 *   for (uint32_t i = 0; i < simulated_disk_outcome_count(disk); i += 1) {
 *       struct simulated_disk *after = simulated_disk_clone(disk);
 *       simulated_disk_crash(after, simulated_disk_outcome(after, i));
 *       simulated_disk_open(&reactor, after);
 *       ... open, compare ...
 *       simulated_disk_free(after);
 *   } */
#ifndef TACTUS_TESTS_SIMULATED_DISK_H
#define TACTUS_TESTS_SIMULATED_DISK_H

#include "io/reactor.h"

struct simulated_disk;

struct simulated_disk_options {
    uint64_t seed;      /* completion order, delays, tears */
    uint64_t size;      /* bytes at first */
    uint64_t size_max;  /* growing above is ENOSPC; 0: no limit */
    bool in_order;      /* requests finish in the order they came */
    bool at_submission; /* requests finish before reactor_submit returns, as with posix */
};

/* A disk of zeros. Owned by the caller until simulated_disk_free. */
struct simulated_disk *simulated_disk_new(const struct simulated_disk_options *options);
void simulated_disk_free(struct simulated_disk *disk); /* NULL is fine */

/* From now on it grows up to so many bytes. */
void simulated_disk_limit(struct simulated_disk *disk, uint64_t size_max);

/* An equal disk, with the same bytes, pending writes, faults and random state. Costs microseconds:
 * pages are shared until they are written. Nothing may be in flight that has an owner, unless the
 * disk is dead: requests are not cloned, only the writes they may have made. */
struct simulated_disk *simulated_disk_clone(const struct simulated_disk *disk);

/* Makes the disk the reactor's backend, as file_open does for a file; file_close() ends it.
 * Requests of an earlier reactor that was dropped are forgotten: what they were to write is written
 * by now, and pending, or never will be. */
void simulated_disk_open(struct reactor *reactor, struct simulated_disk *disk);
void simulated_disk_open_read_only(struct reactor *reactor, struct simulated_disk *disk);

/* Sets the seed of what is decided from now on. */
void simulated_disk_seed(struct simulated_disk *disk, uint64_t seed);

uint64_t simulated_disk_size(const struct simulated_disk *disk);

/* ---- Crashes -------------------------------------------------------------------------------- */

/* Writes, flushes and growths submitted so far: what a crash point is counted by. */
uint64_t simulated_disk_change_count(const struct simulated_disk *disk);
uint64_t simulated_disk_read_count(const struct simulated_disk *disk);

/* The n-th change from now (from 1) is the last that reaches the disk, and nobody hears of it: it
 * and everything after, reads too, fails (TACTUS_IO): the process is as good as dead. 0: never. */
void simulated_disk_crash_at(struct simulated_disk *disk, uint64_t nth);
bool simulated_disk_is_dead(const struct simulated_disk *disk);

enum simulated_crash_kind {
    SIMULATED_KEEP_ALL = 1,
    SIMULATED_DROP_ALL,
    SIMULATED_SUBSET,  /* keeps pending write i if bit i of `mask` is set (above 63: by the seed) */
    SIMULATED_ALL_BUT, /* drops pending write number `mask` alone */
    SIMULATED_ONLY,    /* keeps pending write number `mask` alone */
    SIMULATED_TEAR_512, /* each sector of each write by the seed: kept, dropped, rarely garbage */
    SIMULATED_TEAR_4096,
};
struct simulated_crash {
    enum simulated_crash_kind kind;
    uint64_t mask;
    uint64_t seed;
};

/* Pending writes: done and not durable, or in flight. */
uint32_t simulated_disk_pending_count(const struct simulated_disk *disk);

/* The power fails and comes back: pending writes are resolved, what is left is durable, the disk
 * lives, crash_at is off. Faults stay. Requests in flight are forgotten. */
void simulated_disk_crash(struct simulated_disk *disk, struct simulated_crash crash);

/* The outcomes that a crash test should try: all 2^n subsets of up to 8 pending writes; above that
 * all, none, each one dropped, each one alone, and 64 random ones; with tears for each. At least
 * 1. */
uint32_t simulated_disk_outcome_count(const struct simulated_disk *disk);
struct simulated_crash simulated_disk_outcome(const struct simulated_disk *disk, uint32_t index);

/* ---- Faults --------------------------------------------------------------------------------- */

enum simulated_fault_kind {
    SIMULATED_READ_ERROR = 1,  /* EIO, or os_error */
    SIMULATED_WRITE_ERROR,     /* EIO, or os_error; nothing of it reaches the disk */
    SIMULATED_FLUSH_ERROR,     /* EIO, or os_error; nothing becomes durable */
    SIMULATED_GROW_ERROR,      /* ENOSPC, or os_error */
    SIMULATED_READ_SHORT,      /* half of the sectors; of one sector: half of it */
    SIMULATED_WRITE_SHORT,     /* likewise */
    SIMULATED_WRITE_NOTHING,   /* 0 bytes */
    SIMULATED_READ_INTERRUPT,  /* EINTR, or os_error */
    SIMULATED_WRITE_INTERRUPT, /* likewise */
    SIMULATED_WRITE_LOST,      /* acknowledged, never done */
    SIMULATED_WRITE_MISDIRECT, /* done at `target` in place of where it belongs */
    SIMULATED_READ_MISDIRECT,  /* read from `target` */
    SIMULATED_DELAY,           /* takes delay_ns longer; any kind of request */
};
struct simulated_fault {
    enum simulated_fault_kind kind;
    uint64_t from, to; /* bytes: requests that touch [from, to); to 0: any */
    uint64_t skip;     /* so many that match are spared first */
    bool is_sticky;    /* from then on all that match; else one */
    int32_t os_error;  /* 0: as the kind says */
    uint64_t target;
    uint64_t delay_ns;
};
enum { SIMULATED_FAULTS_MAX = 32 };

/* Faults strike attempts, not requests: a read that is gone on with after EIO matches again. */
void simulated_disk_fault_add(struct simulated_disk *disk, struct simulated_fault fault);
void simulated_disk_fault_clear(struct simulated_disk *disk);           /* all of them */
uint64_t simulated_disk_fault_count(const struct simulated_disk *disk); /* how often any struck */

/* ---- Under the engine's feet ---------------------------------------------------------------- */

/* Bytes as they are on disk: they need no alignment, count as no I/O, and change both images. */
void simulated_disk_peek(
    const struct simulated_disk *disk, uint64_t offset, void *target, uint64_t size
);
void simulated_disk_poke(
    struct simulated_disk *disk, uint64_t offset, const void *source, uint64_t size
);
void simulated_disk_flip(struct simulated_disk *disk, uint64_t offset, uint32_t bit); /* bit rot */
void simulated_disk_truncate(struct simulated_disk *disk, uint64_t size);

/* Moves the disk's clock forward. */
void simulated_disk_advance(struct simulated_disk *disk, uint64_t ns);

/* A checksum of the current image, and whether two disks hold the same bytes. */
uint64_t simulated_disk_hash(const struct simulated_disk *disk);
bool simulated_disk_equal(const struct simulated_disk *a, const struct simulated_disk *b);

#endif
