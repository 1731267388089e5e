/* The small interface behind which an engine is measured, and the settings of a run.
 *
 * Every function that can fail answers false and fills `failure`. One thread calls them. The
 * objects given are those of bench/objects.h; an engine keeps them under their timestamp, which it
 * gives (1, 2, 3 and so on), under their unique id, and in the five indexes. */
#ifndef TACTUS_BENCH_ENGINE_H
#define TACTUS_BENCH_ENGINE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "bench/objects.h"
#include "tactus.h"

struct bench_failure {
    enum tactus_status status; /* TACTUS_OK: none */
    char text[300];            /* "WHAT: WHY", zero-terminated */
};

/* Fills `failure` and answers false. */
__attribute__((format(printf, 3, 4))) bool bench_fail(
    struct bench_failure *failure, enum tactus_status status, const char *format, ...
);

enum bench_workload { BENCH_LEDGER = 0, BENCH_SMALL, BENCH_INTERSECT };

/* How the reads find the cache: as large as all there is, or a quarter of it. */
enum bench_reading { READING_CACHED = 0, READING_LARGE, READING_COUNT };
enum { BENCH_READ_CACHED = 1 << READING_CACHED, BENCH_READ_LARGE = 1 << READING_LARGE };

enum { BENCH_NEWEST = 100 /* objects that a question asks for, at most */ };

/* The newest BENCH_NEWEST objects of an account, newest first. */
struct bench_question {
    uint32_t debit;
    uint32_t code; /* and of this code; 0: of any */
};

struct bench_settings {
    enum bench_workload workload;
    uint64_t seed;
    uint64_t object_count;     /* inserted */
    uint32_t transaction;      /* objects in one; 0: 8,190 or the batch, for `small` 1 */
    uint32_t volumes;          /* how often as many objects are overwritten afterwards */
    uint64_t checkpoint_every; /* transactions; 0: at the end only */
    uint64_t budget_bytes;     /* memory of an engine, all told; 0: what Tactus takes by `create`
                                  and `open` */
    uint32_t peer_buffers; /* parts of RocksDB's write buffers: few write less, many are quicker */
    uint32_t readings;     /* BENCH_READ_CACHED and so on; 0: no reads are timed */
    uint32_t read_seconds; /* for which each kind of read is asked; twice, to warm up */
    uint64_t read_questions; /* at most so many each time */
    const char *path;        /* of the data file; an engine adds its suffix. Borrowed */
    struct tactus_create_options create;
    struct tactus_open_options open; /* its sync holds for every engine */

    void (*progress)(uint64_t objects_done);  /* after each transaction; NULL: nobody asks */
    const volatile sig_atomic_t *interrupted; /* not 0: end after this transaction; may be NULL */
    struct tactus_plan plan;                  /* filled by bench_plan */
};

/* What an engine says of itself. UINT64_MAX, or a negative time: it does not say. */
struct bench_figures {
    uint64_t record_bytes;    /* of one object in all trees */
    uint64_t allocated_bytes; /* blocks or files that hold data now; without the journal */
    uint64_t released_bytes;  /* of them, those that the next checkpoint frees */
    uint64_t journal_bytes;   /* in the file, whatever is in it */
    uint64_t bytes_journal;   /* written by this process */
    uint64_t bytes_grid;
    uint64_t blocks_read;   /* by this process, as are the next */
    uint64_t blocks_cached; /* that its own cache had */
    uint64_t compactions;
    uint64_t checkpoints;
    double stall_seconds; /* for which writes were held back */
};

struct bench_engine {
    const char *name;
    const char *suffix; /* of the path */

    /* Makes the file, which must not be there, and opens it. */
    bool (*open
    )(const struct bench_settings *settings,
      const char *path,
      void **store,
      struct bench_failure *failure);
    /* One transaction. insert refuses an id that is there; overwrite wants every id to be there,
     * and keeps the timestamps. */
    bool (*insert
    )(void *store, const struct bench_object *objects, uint32_t count, struct bench_failure *failure
    );
    bool (*overwrite
    )(void *store, const struct bench_object *objects, uint32_t count, struct bench_failure *failure
    );
    /* Nothing is left to replay. With `settle`, no work that was put off is left either; *idle_ns
     * is then for how long, at the end, it only looked whether any came up, which is no work. */
    bool (*checkpoint)(void *store, bool settle, uint64_t *idle_ns, struct bench_failure *failure);
    /* objects[i] is that of ids[i], all zero if it is absent. */
    bool (*get
    )(void *store,
      const struct tactus_u128 *ids,
      uint32_t count,
      struct bench_object *objects,
      struct bench_failure *failure);
    /* Opens what was closed, for reads alone. What it may cache is the engine's whole, and with
     * `direct` nothing is to come out of the page cache beside it. */
    bool (*reopen
    )(const struct bench_settings *settings,
      const char *path,
      uint64_t cache_bytes,
      bool direct,
      void **store,
      struct bench_failure *failure);
    /* The answer, up to BENCH_NEWEST objects. */
    bool (*ask
    )(void *store,
      const struct bench_question *question,
      struct bench_object *objects,
      uint32_t *count,
      struct bench_failure *failure);
    /* Calls `visit` for every object by ascending timestamp until it answers false. */
    bool (*scan
    )(void *store,
      bool (*visit)(void *context, const struct bench_object *object),
      void *context,
      struct bench_failure *failure);
    void (*figures)(void *store, struct bench_figures *figures);
    /* Gives `store` up, whatever it answers. */
    bool (*close)(void *store, struct bench_failure *failure);
};

extern const struct bench_engine bench_engine_tactus;

#endif
