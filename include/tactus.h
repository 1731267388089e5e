/* tactus.h - an embeddable, indexed, log-structured store of fixed-size objects. Apache-2.0.
 *
 * Errors     What can fail returns enum tactus_status. Unless it is TACTUS_OK, no out-parameter was
 *            written and nothing changed, or the call says what did; tactus_error() has the words.
 * Ownership  What _open, _begin and _prepare hand out is yours until you give it to its _close,
 *            _commit or _rollback. What you pass in is not kept after the call.
 * Threads    A handle serves one thread at a time; but tactus_durable_wait() and _durable_op() may
 *            be called from any. A child does not inherit it: after fork() every call there answers
 *            FORKED (or "", 0), and none but tactus_close() does anything.
 * Units      Stand in the name: _bytes, _ns, _count. A number without one is a plain number.
 * Objects    The structs that `tactus codegen c` prints: native byte order, padding spelt out. What
 *            padding holds, and what follows the first zero byte of a text, is stored as zero. */
#ifndef TACTUS_H
#define TACTUS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TACTUS_API     __attribute__((visibility("default")))
#define TACTUS_CHECKED __attribute__((warn_unused_result))

#define TACTUS_VERSION_NUMBER 100         /* major * 10000 + minor * 100 + patch, of this header */
TACTUS_API uint32_t tactus_version(void); /* the same, of the library that is running */

/* Part of the ABI: a number is never changed. Fields and arrays hold it as int32_t. */
enum tactus_status {
    TACTUS_OK = 0,
    TACTUS_EXISTS = 1,    /* an object with this id is there already */
    TACTUS_ABSENT = 2,    /* none with this id or name is */
    TACTUS_INVALID = 3,   /* a value its field cannot hold: text not UTF-8, a NaN, a bool of 2 */
    TACTUS_SOME = 4,      /* some of these objects were refused: see results */
    TACTUS_SYNTAX = 5,    /* a schema or where-expression; the error has line and column */
    TACTUS_SCHEMA = 6,    /* the program's schema or shape is not the file's */
    TACTUS_LIMIT = 7,     /* a limit of the file's options: size_max, batch_max, queries */
    TACTUS_FULL = 8,      /* the disk is full; reads and removes go on */
    TACTUS_CORRUPT = 9,   /* bytes of the file are not those that were written */
    TACTUS_IO = 10,       /* the system refused: the error has its words */
    TACTUS_POISONED = 11, /* a write failed, so what is durable is unknown; reopen to recover */
    TACTUS_BUSY = 12,     /* another process has the file, or another transaction is open */
    TACTUS_EXPIRED = 13,  /* view or run is gone; run again */
    TACTUS_READ_ONLY = 14,
    TACTUS_VERSION = 15, /* a file format that this library does not know */
    TACTUS_FORKED = 16,  /* a handle from before fork() */
    TACTUS_MISUSE = 17   /* the call is wrong: NULL, a closed handle, an option out of range */
};

/* A type you may look into is a struct; one you may not is a typedef. */
typedef struct tactus_db tactus_db;
typedef struct tactus_txn tactus_txn;
typedef struct tactus_view tactus_view;             /* what a read sees */
typedef struct tactus_query tactus_query;           /* prepared, and its place in the answer */
typedef struct tactus_collection tactus_collection; /* a map, too; borrowed until tactus_close */

struct tactus_u128 {
    uint64_t low, high; /* at a multiple of 8 in every object */
};

struct tactus_result {  /* of one object */
    uint64_t timestamp; /* 0 in maps, which have none */
    int32_t status;
    uint32_t field; /* which one was INVALID: its number for tactus_field_at */
};

struct tactus_error {
    int32_t status;
    uint32_t line, column, reserved; /* of a schema or expression, from 1; 0: none */
    uint64_t byte;                   /* place in the file, where there is one */
    char text[232];                  /* "WHAT: WHY; WHAT TO DO", zero-terminated */
};

/* ---- Files ---------------------------------------------------------------------------------- */

enum tactus_sync {
    TACTUS_SYNC_COMMIT = 0,   /* tactus_commit returns when it is durable */
    TACTUS_SYNC_INTERVAL = 1, /* the first call after sync_interval_ns has what came before it made
                                 durable, without waiting for that where the disk allows it */
    TACTUS_SYNC_NONE = 2      /* durable at checkpoints, tactus_durable_wait, _flush and _close */
};

enum tactus_create_flags {
    TACTUS_OVERWRITE = 1,      /* replace a file that is there */
    TACTUS_CREATE_POSIX_IO = 2 /* as TACTUS_POSIX_IO of an open */
};

/* Options of a file: fixed when it is made, part of what decides its bytes. 0 is "the default". */
struct tactus_create_options {
    uint32_t struct_bytes; /* set by _default(); new fields go at the end */
    uint32_t flags;        /* enum tactus_create_flags */
    uint64_t memory_bytes; /* memory tables and scratch, without the cache; default 16 MiB */
    uint32_t block_size;   /* a power of two, 4 KiB to 1 MiB; default 32 KiB */
    uint32_t batch_max; /* object events of one collection or map in one transaction; 1 to 65,536 */
    uint32_t bar_beats; /* beats in a bar: an even number, 4 to 64 */
    uint32_t growth_factor;     /* tables of a level against the one above it: 2 to 16; default 8 */
    uint64_t journal_bytes;     /* default 12 * bar * entry_max; at least half of that */
    uint64_t size_max;          /* most bytes of blocks; default 2^25 blocks */
    uint32_t tables_max;        /* tables on disk over all trees; default by memory and size_max */
    uint32_t keep;              /* checkpoints a released block is kept for, 1 to 8; default 1 */
    uint32_t snapshots_max;     /* named snapshots at once; default 4 */
    uint32_t runs_max[7];       /* sorted runs that come together in a level; 1 */
    struct tactus_u128 file_id; /* seeds every checksum; zero: taken from the system's randomness */
};
TACTUS_API void tactus_create_options_init(
    struct tactus_create_options *options, size_t struct_bytes
);
#define tactus_create_options_default(options)                                                     \
    tactus_create_options_init((options), sizeof *(options))

enum tactus_open_flags {
    TACTUS_READ_ONLY_OPEN = 1, /* changes no byte; readers stand beside each other */
    TACTUS_NO_WORKER = 2,      /* no thread of our own */
    TACTUS_POSIX_IO = 4 /* pread and pwrite in place of io_uring; TACTUS_IO=posix does it too */
};

/* Options of an open: none of them can change a byte of the file.
 *
 * compaction_depth is how much of its input a compaction has at hand or on its way: so many blocks
 * of each table. 1 reads nothing ahead, and has one read and one write in flight at a time; N reads
 * N - 1 blocks ahead, and has up to 8 (N - 1) reads and 4 (N - 1) writes in flight. The memory for
 * it is part of what tactus_memory_required() tells. */
struct tactus_open_options {
    uint32_t struct_bytes;     /* set by _default(); new fields go at the end */
    uint32_t sync;             /* enum tactus_sync; default TACTUS_SYNC_COMMIT */
    uint64_t sync_interval_ns; /* for SYNC_INTERVAL: flushed by the first call after it; 10 ms */
    uint64_t cache_bytes;      /* block cache; default 64 MiB */
    uint64_t memory_bytes_max; /* 0: none; an open that needs more is LIMIT */
    uint32_t view_count_max;   /* snapshots open at once; default 8 */
    uint32_t query_count_max;  /* prepared queries at once; default 16 */
    uint32_t flags;            /* enum tactus_open_flags */
    uint32_t compaction_depth; /* 1 to 8; 0, the default, is 5 */
    const char *schema;        /* not NULL: make the file if absent (":memory:" always is) */
    const struct tactus_create_options *create; /* then these; NULL: the defaults */
};
TACTUS_API void tactus_open_options_init(struct tactus_open_options *options, size_t struct_bytes);
#define tactus_open_options_default(options) tactus_open_options_init((options), sizeof *(options))

/* Makes a data file with this schema, and closes it again. options or error may be NULL. SYNTAX
 * (error has line and column), EXISTS (the file is there, and TACTUS_OVERWRITE is not set), LIMIT
 * (options that this schema does not fit; the error names what does), BUSY, IO, FULL, MISUSE. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_create(
    const char *path,
    const char *schema,
    const struct tactus_create_options *options,
    struct tactus_error *error
);

/* Opens the file, redoes what a crash left undone, takes all memory the handle will ever use.
 * options NULL: the defaults. `error`, or NULL, is filled when there is no handle to ask: SYNTAX,
 * SCHEMA, BUSY, CORRUPT, IO, FULL (replay needs no space, creating does), LIMIT (memory_bytes_max),
 * VERSION, MISUSE. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_open(
    const char *path,
    const struct tactus_open_options *options,
    struct tactus_error *error,
    tactus_db **db
);

/* Waits until every commit is durable, and until a checkpoint that is being written is; begins
 * none; gives up the handle. Only on MISUSE (a transaction or query is still open) does the handle
 * stay. NULL is fine. No other thread may be in a call of the handle. POISONED: not every commit is
 * durable. FORKED: gives up the child's memory and descriptors, and leaves the file and the
 * parent's handle as they are; a child that lives on without exec() should, as the file stays
 * locked as long as any process has it open. */
TACTUS_API enum tactus_status tactus_close(tactus_db *db);

/* What an open recovered; words for a warning (a torn tail cut, a copy healed), or "". */
TACTUS_API const char *tactus_warning(const tactus_db *db);

/* What a schema and its options cost, before there is a file. */
struct tactus_plan {
    uint32_t struct_bytes; /* set by the caller to sizeof(struct tactus_plan) */
    uint32_t batch_max;    /* as resolved */
    uint32_t bar_beats;
    uint32_t tree_count;
    uint64_t block_size;
    uint64_t journal_bytes;
    uint64_t size_max;
    uint64_t tables_max;
    uint64_t entry_bytes_max;     /* the largest transaction in the journal */
    uint64_t memory_bytes;        /* what an open takes, all told */
    uint64_t memory_tables_bytes; /* its parts; they add up to memory_bytes */
    uint64_t sort_scratch_bytes;
    uint64_t transaction_bytes;
    uint64_t cache_bytes;
    uint64_t free_set_bytes;
    uint64_t manifest_bytes;
    uint64_t query_bytes;
    uint64_t other_bytes;
    uint64_t read_only_bytes_max;   /* more, at worst, for the overlay of a read-only open */
    uint64_t objects_max;           /* of every collection alike, that fit in size_max */
    uint64_t object_bytes_logical;  /* one object of each collection: its records in all trees */
    uint64_t file_bytes_empty;      /* after the first open for writing */
    uint64_t tables_bind;           /* 1: tables_max is reached before size_max is */
    double write_amplification_max; /* bytes written for a byte of record, worst case */
    double open_seconds_max;        /* replaying a full journal at 100 MB/s */
};

/* Fills `plan` for a file that `create` and `open` would make; NULL options: the defaults. plan
 * must have struct_bytes set. The same errors as tactus_create, without the file's. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_memory_required(
    const char *schema,
    const struct tactus_create_options *create,
    const struct tactus_open_options *open,
    struct tactus_plan *plan,
    struct tactus_error *error
);

/* ---- Schema --------------------------------------------------------------------------------- */

enum tactus_type {
    TACTUS_TYPE_U8 = 1,
    TACTUS_TYPE_U16 = 2,
    TACTUS_TYPE_U32 = 3,
    TACTUS_TYPE_U64 = 4,
    TACTUS_TYPE_U128 = 5,
    TACTUS_TYPE_UUID = 6,
    TACTUS_TYPE_I8 = 7,
    TACTUS_TYPE_I16 = 8,
    TACTUS_TYPE_I32 = 9,
    TACTUS_TYPE_I64 = 10,
    TACTUS_TYPE_F32 = 11,
    TACTUS_TYPE_F64 = 12,
    TACTUS_TYPE_BOOL = 13,
    TACTUS_TYPE_TIME = 14,
    TACTUS_TYPE_TIMESTAMP = 15,
    TACTUS_TYPE_DECIMAL = 16,
    TACTUS_TYPE_TEXT = 17,
    TACTUS_TYPE_BYTES = 18,
    TACTUS_TYPE_RESERVED = 19
};

enum tactus_field_flags {
    TACTUS_FIELD_ID = 1, /* the id, or a map's key */
    TACTUS_FIELD_OPTIONAL = 2,
    TACTUS_FIELD_INDEX = 4,
    TACTUS_FIELD_SPARSE = 8, /* its index leaves zero out */
    TACTUS_FIELD_HASH = 16   /* its index has the value's hash: for = and in alone */
};

enum tactus_kind {
    TACTUS_KIND_COLLECTION = 1, /* objects with timestamps and indexes, maybe ids */
    TACTUS_KIND_MAP = 2         /* objects under a key, their first field, and nothing besides */
};

struct tactus_collection_info {
    const char *name; /* borrowed until tactus_close */
    uint32_t kind;    /* enum tactus_kind */
    uint32_t field_count;
    uint32_t object_bytes;
    uint32_t id_field;        /* its number, or UINT32_MAX: there is none; of a map 0, the key */
    uint32_t timestamp_field; /* its number; of a map UINT32_MAX */
    uint32_t index_count;     /* composite ones included */
    uint64_t shape;           /* as tactus_collection_find takes it */
    uint64_t timestamp_last;  /* the highest ever committed; 0: none yet, or a map */
    uint32_t batch_max;
    uint32_t reserved;
};

struct tactus_field {
    const char *name; /* borrowed until tactus_close */
    uint32_t type;    /* enum tactus_type */
    uint32_t offset;  /* bytes from the object's start */
    uint32_t size;    /* bytes */
    uint32_t decimals;
    uint32_t flags; /* enum tactus_field_flags */
    uint32_t reserved;
};

/* OK; or SYNTAX with line, column and words in `error` (which may be NULL); or LIMIT: a file of the
 * default options cannot hold it. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_schema_check(
    const char *text, struct tactus_error *error
);
/* The text the file was made with. Borrowed until tactus_close. */
TACTUS_API const char *tactus_schema_text(const tactus_db *db);

/* `shape` is NAME_SHAPE as codegen prints it, a hash of names, types and offsets: a program built
 * for another schema gets SCHEMA here, instead of writing past its struct. 0: any shape will do
 * (for tools that look fields up). ABSENT: there is no collection or map of that name. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_collection_find(
    tactus_db *db, const char *name, uint64_t shape, const tactus_collection **collection
);
/* The collection of that number, in the order of the schema; NULL past the last. */
TACTUS_API const tactus_collection *tactus_collection_at(const tactus_db *db, uint32_t number);
TACTUS_API void tactus_collection_info(
    const tactus_collection *collection, struct tactus_collection_info *info
);
/* OK, or ABSENT past the last. */
TACTUS_API enum tactus_status tactus_field_at(
    const tactus_collection *collection, uint32_t number, struct tactus_field *field
);

/* ---- Transactions --------------------------------------------------------------------------- */

enum tactus_txn_flags {
    /* Objects bring their timestamps, each above the one before; 0 in an object: the next one. */
    TACTUS_TIMESTAMPS_GIVEN = 1
};

struct tactus_txn_options {
    uint32_t struct_bytes; /* set by _default() */
    uint32_t flags;        /* enum tactus_txn_flags */
    uint64_t first;        /* the first timestamp is max(last + 1, this) */
};
TACTUS_API void tactus_txn_options_init(struct tactus_txn_options *options, size_t struct_bytes);
#define tactus_txn_options_default(options) tactus_txn_options_init((options), sizeof *(options))

/* One is open at a time, in whatever thread: BUSY. options NULL: the defaults. READ_ONLY,
 * POISONED. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_begin(
    tactus_db *db, const struct tactus_txn_options *options, tactus_txn **txn
);

/* Always ends the transaction. OK: applied whole, durable under SYNC_COMMIT. FULL, LIMIT, IO (the
 * file could not be made longer): rolled back. POISONED, or CORRUPT where a damaged block stood in
 * the way of a compaction: nothing more is written; reopen to learn whether it is durable. `op` may
 * be NULL; a transaction without an event takes no op, and *op is then that of the last one that
 * did. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_commit(tactus_txn *txn, uint64_t *op);
/* The same without waiting until it is durable: what others read is there at once, and under
 * SYNC_COMMIT its write is on its way. Waits only while as much as two of the largest transactions
 * and 1 MiB are still to be written. Commits become durable in order, and those that gather while
 * the disk is busy share one flush; one that gathers is sent by the next call on the handle, by who
 * waits, or by tactus_durable_op(). If its write fails later, it is the next call that changes
 * something, and whoever waits, that gets POISONED. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_commit_start(tactus_txn *txn, uint64_t *op);
TACTUS_API void tactus_rollback(tactus_txn *txn); /* NULL is fine: fit for every error path */

/* Waits until the commit `op` and all before it are durable; under SYNC_INTERVAL and _NONE, too,
 * which it has flushed for that. From any thread, many at once: they share flushes. POISONED: a
 * write has failed, and only a reopen tells; MISUSE: there is no such commit yet. Leaves
 * tactus_error() alone. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_durable_wait(tactus_db *db, uint64_t op);

/* The last op that is durable, without waiting for the disk. Takes note of what the disk has done,
 * and sends what gathered meanwhile. Only without io_uring, where the disk does nothing while
 * nobody waits, it makes durable what was committed under SYNC_COMMIT. From any thread. POISONED:
 * *op is filled, and goes no further. Leaves tactus_error() alone. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_durable_op(tactus_db *db, uint64_t *op);

/* A descriptor for poll(2) and the like: readable at first, and again when tactus_durable_op() may
 * have something new to tell, or something to do. Then read 8 bytes from it (it does not block),
 * and call tactus_durable_op(): in that order, each time. It is the handle's, the same at every
 * call, and gone with tactus_close. -1: tactus_error() says why (READ_ONLY handles have none). */
TACTUS_API int tactus_fd(tactus_db *db);

/* Objects are judged in order, each after those before it; EXISTS, ABSENT or INVALID refuses one.
 * results NULL: all or nothing, and the answer is the first refusal. results given: what can be is
 * applied, and SOME says that not all was. Other failures (LIMIT: more than batch_max events of
 * this collection in the transaction; CORRUPT, IO; MISUSE: it is a map) leave the transaction as it
 * was before the call. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_insert(
    tactus_txn *txn,
    const tactus_collection *collection,
    const void *objects,
    uint32_t count,
    struct tactus_result *results
);
/* Inserts, or replaces the object with this id, which keeps its timestamp. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_upsert(
    tactus_txn *txn,
    const tactus_collection *collection,
    const void *objects,
    uint32_t count,
    struct tactus_result *results
);
/* Replaces whole objects by id (by timestamp where there is no id); they keep their timestamps. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_update(
    tactus_txn *txn,
    const tactus_collection *collection,
    const void *objects,
    uint32_t count,
    struct tactus_result *results
);
/* ids: uint64_t or struct tactus_u128, as the id field is; timestamps where there is no id. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_remove(
    tactus_txn *txn,
    const tactus_collection *collection,
    const void *ids,
    uint32_t count,
    struct tactus_result *results
);

/* Of a map: each object is there from here on, under its key, whatever was there before: nobody
 * looks, so there is nothing to read and nothing to judge but the values. INVALID refuses an
 * object; results and other failures as of tactus_insert (MISUSE: it is a collection); timestamps
 * in results are 0. Of two objects with one key the later one stays. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_put(
    tactus_txn *txn,
    const tactus_collection *map,
    const void *objects,
    uint32_t count,
    struct tactus_result *results
);
/* Of a map: nothing is there under these keys from here on, as maybe nothing was before: that is
 * not told. keys: uint64_t or struct tactus_u128, as the key field is. No key is refused. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_delete(
    tactus_txn *txn,
    const tactus_collection *map,
    const void *keys,
    uint32_t count,
    struct tactus_result *results
);

/* Makes every commit so far durable, under any sync. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_flush(tactus_db *db);

/* Writes a complete checkpoint: nothing is left to replay, so an open after it is immediate. It is
 * an operation of the history, with an op of its own. BUSY: a transaction is open. FULL, LIMIT: the
 * file has no room for what it may write at worst; nothing changed. POISONED, CORRUPT: as a
 * commit. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_checkpoint(tactus_db *db);

/* ---- Reading -------------------------------------------------------------------------------- */

TACTUS_API tactus_view *tactus_latest(tactus_db *db);     /* borrowed: what is committed now */
TACTUS_API tactus_view *tactus_txn_view(tactus_txn *txn); /* borrowed: its own writes, too */

/* All at once, so that their reads overlap; objects[i] is that of ids[i], all zero if absent. Of a
 * map the ids are its keys. results NULL: ABSENT if any is. results given: SOME. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_get(
    tactus_view *view,
    const tactus_collection *collection,
    const void *ids,
    uint32_t count,
    void *objects,
    struct tactus_result *results
);
/* The same by timestamp, for any collection. MISUSE: it is a map. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_get_by_timestamp(
    tactus_view *view,
    const tactus_collection *collection,
    const uint64_t *timestamps,
    uint32_t count,
    void *objects,
    struct tactus_result *results
);

/* where: as in `tactus query`, with ?1, ?2 ... for values; NULL: all. order: "field", "-field";
 * NULL: the timestamp; of a map, which has no other order, its key. Parsed here, once; run often.
 *
 *   SYNTAX   with line and column; a value that its field cannot read is one, too
 *   LIMIT    query_count_max are open, or it would take more than 32 scans of indexes
 *   INVALID  no index gives this order */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_prepare(
    tactus_db *db,
    const tactus_collection *collection,
    const char *where,
    const char *order,
    tactus_query **query
);
/* Gives ?number its value, as text that the field it is compared with can read. Ends a run.
 * INVALID, ABSENT. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_bind(
    tactus_query *query, uint32_t number, const char *value
);
/* Starts (again): at the beginning of the answer, or, with a token, behind the object at which the
 * token was taken, whether that object is still there or not. A token lives as long as the file: it
 * is good after a reopen, in another process, and after writes, of which the rest of the answer has
 * what they left. A run over tactus_latest() or a transaction is ended by the next write or commit:
 * then _next answers EXPIRED. Take the token, write, go on.
 *
 *   SYNTAX   the token is damaged, or none
 *   MISUSE   it is of a query with other conditions, values, order or collection
 *   INVALID  a ?number has no value; or with these values no index gives the order
 *   LIMIT    other runs hold the scans that this one needs */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_run(
    tactus_query *query, tactus_view *view, const char *token
);
/* Copies up to `capacity` objects, in order. *count == 0: there are no more. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_next(
    tactus_query *query, void *objects, uint32_t capacity, uint32_t *count
);
/* Counts on from where the run is, up to `max` objects, which tactus_next() will not give out any
 * more. Objects are fetched only where the plan has to check them (tactus_query_explain tells), and
 * none is copied. *count < max: there are no more. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_count(
    tactus_query *query, uint64_t max, uint64_t *count
);

enum { TACTUS_TOKEN_BYTES = 64 }; /* more than any token has, its zero byte included */

/* Writes the token of the last object that _next gave out or _count counted since tactus_run, a
 * text of A-Z a-z 0-9 - _ that begins with a letter. Before the first one it is the token that the
 * run began with. The run may have come to its end, or have expired. ABSENT: it began without a
 * token; or what it gave out last was counted, and was less than `max`: which object is the last of
 * them is not looked up. MISUSE: no run since the query was prepared or bound, or `bytes` is less
 * than TACTUS_TOKEN_BYTES. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_query_token(
    tactus_query *query, char *buffer, size_t bytes
);

/* A piece of text, `bytes` long. Answer 0 to go on, anything else to stop. */
typedef int (*tactus_write_fn)(void *context, const char *text, size_t bytes);

/* Says how the query finds its objects: scans, what is united, intersected, checked and sorted, and
 * how much each is estimated to yield; after tactus_run() also what the run has come to so far:
 * entries read, objects fetched and refused, blocks read. format "text" (or NULL) or "json" (one
 * object). The run goes on undisturbed. MISUSE: another format; IO: `write` stopped it. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_query_explain(
    tactus_query *query, const char *format, tactus_write_fn write, void *context
);
TACTUS_API void tactus_query_close(tactus_query *query); /* NULL is fine */

/* ---- Values as text ------------------------------------------------------------------------- */

/* Reads text (`bytes` of it, no zero byte needed) into the field's place in the object. An empty
 * text is "absent" for an optional field, "" for text and bytes, INVALID for others. error, or
 * NULL, has the reason. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_value_parse(
    const tactus_collection *collection,
    uint32_t field,
    const char *text,
    size_t bytes,
    void *object,
    struct tactus_error *error
);
/* Writes the field as text, zero-terminated, and returns its length without the zero byte; if that
 * is not less than `size`, it was cut. 8,256 bytes are always enough. An optional field that is
 * absent gives "". */
TACTUS_API size_t tactus_value_format(
    const tactus_collection *collection,
    uint32_t field,
    const void *object,
    char *buffer,
    size_t size
);
/* Copies the text into a char[N] field and fills the rest with zero. INVALID: longer than that. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_text_set(
    char *field, size_t field_bytes, const char *text
);
/* A char[N] field has no zero byte at its end when it is full: print it with "%.*s". Needs
 * <string.h> and POSIX's strnlen(). */
#define TACTUS_TEXT(field) (int)strnlen((field), sizeof(field)), (field)

/* ---- Looking after a file ------------------------------------------------------------------- */

struct tactus_digest {           /* 128-bit checksums */
    struct tactus_u128 logical;  /* of the contents of all collections and maps, whatever the
                                    layout */
    struct tactus_u128 physical; /* of the canonical image: checkpoint, blocks, journal */
};
/* Reads everything. BUSY: a transaction is open. LIMIT: runs of queries hold all scans. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_digest(
    tactus_db *db, struct tactus_digest *digest
);
/* Of the contents of one collection or map, and how many objects it holds (count may be NULL). */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_digest_collection(
    tactus_db *db, const tactus_collection *collection, struct tactus_u128 *digest, uint64_t *count
);

enum tactus_severity {
    TACTUS_NOTE = 0,
    TACTUS_WARNING = 1, /* nothing acknowledged is touched */
    TACTUS_FAULT = 2
};
/* One line of a report, without a newline; borrowed for the call. */
typedef void (*tactus_report_fn)(void *context, enum tactus_severity severity, const char *line);

struct tactus_verify_options {
    uint32_t struct_bytes;
    uint32_t flags; /* TACTUS_POSIX_IO */
};

/* Reads every reachable block of the file and checks all that can be. Opens nothing, needs no sound
 * file, changes no byte. CORRUPT: at least one fault was reported. options, report may be NULL. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_verify(
    const char *path,
    const struct tactus_verify_options *options,
    tactus_report_fn report,
    void *context,
    struct tactus_error *error
);

/* Writes the insides of a file, damaged or not, as text or as JSON: what is one of "superblock",
 * "journal", "manifest", "trees", "tables", "blocks", "memory", "stats", or NULL (a summary);
 * format "text" or "json". MISUSE: another word. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_inspect(
    const char *path,
    const char *what,
    const char *format,
    tactus_write_fn write,
    void *context,
    struct tactus_error *error
);

enum tactus_repair_flags {
    TACTUS_TRUNCATE_JOURNAL =
        1 /* cut the journal before its first damaged entry: commits are lost */
};
/* Writes good copies over bad ones of the superblock; with TRUNCATE_JOURNAL it cuts, too. report
 * says what was done. */
TACTUS_API TACTUS_CHECKED enum tactus_status tactus_repair(
    const char *path,
    uint32_t flags,
    tactus_report_fn report,
    void *context,
    struct tactus_error *error
);

enum { TACTUS_LEVELS = 7 };

/* One level, over all trees: what is there now, and what was done since the file was made by
 * compactions into it. */
struct tactus_level_stats {
    uint64_t tables; /* now, as is the next */
    uint64_t records;
    uint64_t tables_written;
    uint64_t tables_moved;   /* that came from the level above as they were */
    uint64_t blocks_written; /* of the tables written, all kinds of blocks */
    uint64_t records_in;     /* read, of both sides */
    uint64_t records_written;
    uint64_t bytes_written; /* of these records */
};

/* Counts since the file was made (deterministic), and of this process. */
struct tactus_stats {
    uint32_t struct_bytes; /* set by the caller to sizeof(struct tactus_stats) */
    uint32_t reserved;
    uint64_t op; /* the last committed */
    uint64_t op_durable;
    uint64_t beat;
    uint64_t checkpoint_op;    /* the last op that the current checkpoint covers */
    uint64_t checkpoints;      /* since the file was made */
    uint64_t blocks_allocated; /* in the file now */
    uint64_t blocks_released;  /* waiting for `keep` checkpoints */
    uint64_t blocks_in_file;
    uint64_t tables;            /* on disk, over all trees */
    uint64_t objects_committed; /* events */
    uint64_t compactions;       /* since the file was made */
    uint64_t moves;             /* of them, tables that only changed level */
    uint64_t records_cancelled; /* put and remove that met in an index tree */
    uint64_t records_written;   /* into tables */
    uint64_t bytes_journal;     /* written by this process */
    uint64_t bytes_grid;
    uint64_t blocks_read;
    uint64_t blocks_cached; /* reads that the cache answered */
    uint64_t memory_bytes;  /* taken at open */
    uint64_t commit_ns_p50, commit_ns_p99, commit_ns_max;
    uint64_t replayed_ops;

    /* Now. */
    uint64_t blocks_live;        /* of blocks_allocated, those that are not released */
    uint64_t blocks_free;        /* of blocks_in_file */
    uint64_t block_bytes;        /* the size of a block */
    uint64_t file_bytes;         /* the length of the file */
    uint64_t journal_ring_bytes; /* the size of the journal */
    uint64_t journal_used_bytes; /* of it, what an open would replay */
    uint64_t manifest_blocks;    /* of the manifest log, the one being filled included */

    /* Since the file was made. Write amplification of a level is blocks_written of it * block_bytes
     * / bytes_committed. */
    uint64_t bytes_committed; /* objects inserted, updated and put, 8 for each remove, and keys
                                 deleted */
    uint64_t bytes_journaled; /* journal entries, as they lie in the ring */
    uint64_t deferrals;       /* flushes of a memory table that were put off by a bar */
    uint64_t tables_coalesced;
    uint64_t records_dropped;  /* tombstones with nothing below them */
    uint64_t records_replaced; /* older records of a key */
    struct tactus_level_stats levels[TACTUS_LEVELS];

    /* Of this process. Work of a beat is counted in bytes of compactions' input; beats without any
     * are not counted. */
    uint64_t has_worker; /* 1: compactions run on a thread of their own */
    uint64_t beats_worked;
    uint64_t beat_bytes_p50, beat_bytes_p99, beat_bytes_max;
    uint64_t beat_quota_max;  /* the largest share that a beat was given */
    uint64_t beat_beyond_max; /* the most by which a beat went beyond its share */
    uint64_t blocks_written;
    uint64_t reads_merged; /* with a read of the same block that was under way */

    /* Of this process: checkpoints, from the capture until they are durable. */
    uint64_t checkpoints_durable;
    uint64_t checkpoints_waited; /* of them, those that a commit or call had to wait for */
    uint64_t checkpoint_ns_last, checkpoint_ns_max, checkpoint_ns_total;
    uint64_t checkpoint_blocks; /* of state and free set, written for the last one */

    /* Of this process: how lookups of single keys came to their answers, in all trees. */
    uint64_t lookups_memory;         /* answered by the memory table that is written to */
    uint64_t lookups;                /* the others; of these ... */
    uint64_t lookups_immutable;      /* ... answered by the memory table that is being flushed */
    uint64_t lookups_outside;        /* ... outside the range of all that the tree has */
    uint64_t levels_passed;          /* levels passed over by their range or a gap between tables */
    uint64_t tables_asked;           /* tables whose range has the key; of these ... */
    uint64_t filter_negatives;       /* ... the filter said no, which saved a read or two */
    uint64_t filter_positives;       /* ... it let pass, and the key was there */
    uint64_t filter_false_positives; /* ... it let pass, and the key was not */

    /* Since the file was made, where a level has several sorted runs. */
    uint64_t slices;         /* of compactions: merges of several runs */
    uint64_t tables_trimmed; /* that a slice took the lower part of */

    /* The manifest log's own compaction, since the file was made. */
    uint64_t manifest_blocks_max; /* what manifest_blocks comes to at the most */
    uint64_t manifest_blocks_compacted;
    uint64_t manifest_events_copied; /* from them, as they still counted */
};
/* Fills as much as struct_bytes says, which it sets to what was filled: a program built with an
 * older header gets the fields that it knows; with a newer one, the fields behind are zero. Left
 * alone if struct_bytes is less than the first version's. */
TACTUS_API void tactus_stats(const tactus_db *db, struct tactus_stats *stats);

/* Words for the last failure on the handle, borrowed until its next call; never NULL. */
TACTUS_API const struct tactus_error *tactus_error(const tactus_db *db);
TACTUS_API const char *tactus_status_text(enum tactus_status status);

#ifdef __cplusplus
}
#endif
#endif
