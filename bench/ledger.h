/* The workloads `ledger` and `small`: objects with an id and five indexes go into an engine, and
 * every transaction is timed. Then it is checked that the engine gives back what it was given.
 *
 *   ledger   transactions of 8,190 objects, or as many as the batch takes
 *   small    transactions of one object (or a few), and then full ones to compare them with
 *
 * With `volumes`, objects drawn at random are then overwritten, as many times as were inserted for
 * each volume, and after each volume a checkpoint shows what the file takes.
 *
 * Last of all come reads, where they were asked for: bench/reads.h. */
#ifndef TACTUS_BENCH_LEDGER_H
#define TACTUS_BENCH_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/engine.h"
#include "bench/latencies.h"
#include "bench/process.h"
#include "bench/reads.h"

enum {
    BENCH_SECONDS_MAX = 1 << 14, /* of throughput by second: four and a half hours */
    BENCH_VOLUMES_MAX = 100,
    BENCH_FULL_TRANSACTIONS = 64, /* that follow the small ones */
    BENCH_LEDGER_TRANSACTION = 8190,
    BENCH_PEER_BUFFERS = 12,
    BENCH_CHECKED_MAX = 20000 /* ids that are read back, and absent ones that are asked for */
};

/* Transactions of one kind, one after the other. */
struct bench_phase {
    uint64_t objects;
    uint64_t transactions;
    double seconds; /* with what it takes to make the objects and to checkpoint */
    double cpu_seconds;
    uint64_t device_written;      /* by all that ran meanwhile */
    struct latencies latency;     /* of transactions, from begin to the end of commit */
    struct latencies checkpoints; /* of those in between */
    double
        by_second[BENCH_SECONDS_MAX]; /* objects in each second; a transaction's are spread evenly
                                            over its time */
    uint32_t second_count;            /* whole ones, at most BENCH_SECONDS_MAX */
};

struct bench_volume {
    double seconds; /* with the checkpoint */
    struct bench_figures figures;
    struct file_bytes file;
};

enum bench_phase_kind { PHASE_INSERT = 0, PHASE_FULL, PHASE_OVERWRITE, PHASE_COUNT };

struct bench_result {
    const char *engine; /* its name */
    struct bench_failure failure;
    bool interrupted; /* then nothing was checked */

    double open_seconds; /* making the file and opening it */
    struct bench_phase phases[PHASE_COUNT];
    uint32_t volume_count; /* the first one: what there is before anything is overwritten */
    struct bench_volume volumes[BENCH_VOLUMES_MAX + 1];
    double settle_seconds; /* the checkpoint at the end, and work that was put off */
    double close_seconds;

    bool has_io;
    uint64_t device_written; /* from after the open to after the settling */
    uint64_t device_read;
    struct bench_figures figures; /* after the settling */
    struct file_bytes file;       /* after the close */
    uint64_t peak_rss;            /* before the reads: their caches are of another size */
    uint64_t plan_bytes;          /* the memory that it was to take */

    uint64_t scanned; /* all objects, each compared with what it should be */
    double scan_seconds;
    uint64_t got; /* ids read back and compared */
    double get_seconds;
    uint64_t absent; /* ids that were never inserted */
    double absent_seconds;

    struct bench_reads reads[READING_COUNT];
    uint64_t answers; /* checksum: engines that agree have the same */
};

/* The defaults: 1,000,000 objects, --memory 256M. */
void bench_settings_default(struct bench_settings *settings);

/* Resolves what was left to be chosen (transaction, cache by the budget), and refuses what does not
 * fit. Due before bench_run. */
bool bench_plan(struct bench_settings *settings, struct bench_failure *failure);

/* How many objects are inserted and overwritten in all: what `progress` counts to. */
uint64_t bench_objects_total(const struct bench_settings *settings);

/* In this process: its peak memory is that of all it ever did. `result` is all zero before; its
 * failure says how it went. */
void bench_run(
    const struct bench_engine *engine,
    const struct bench_settings *settings,
    struct bench_result *result
);

/* In a child process, so that engines that follow each other share nothing but the machine. */
void bench_run_apart(
    const struct bench_engine *engine,
    const struct bench_settings *settings,
    struct bench_result *result
);

#endif
