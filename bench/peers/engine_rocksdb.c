/* RocksDB, from its C interface, given the same work as Tactus:
 *
 *   objects   timestamp, big-endian -> the object
 *   ids       id -> timestamp; every new id is looked up before it is written, by MultiGet, with
 *             Bloom filters of 10 bits, of its tables and of its write buffers
 *   indexes   five column families of (field, timestamp), big-endian, without a value
 *
 * A transaction is one WriteBatch, with the log on, and synced if commits are to be durable. The
 * budget is halved between write buffers and the block cache, in which filters and index blocks
 * live, too. Each column family has a share of the buffers by what an object brings to it, in
 * settings->peer_buffers parts. Neither end is best: at 1 M objects twelve took 14 % less CPU time
 * than three (shorter skip lists) and wrote 28 % more (more compactions), over three rounds. The
 * filters of write buffers took 3 to 5 % off the CPU time, and added 1 to 12 % to objects a second,
 * in each of four pairs of runs side by side; larger ones did no more. No compression; two
 * background threads; no counters.
 * Files are read and written through the page cache, which is memory beyond the budget.
 *
 * Reads: the newest of an account come from one iterator backwards, two conditions from two of them
 * in turn, each moved to where the other stands; the objects found by one MultiGet. All blocks that
 * are read stay in a block cache of the size given; direct, files are read past the page cache. */
#include "engine_rocksdb.h"

#include <rocksdb/c.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/process.h"

enum {
    INDEX_COUNT = 5,
    FAMILY_DEFAULT = 0, /* RocksDB insists on it; empty */
    FAMILY_OBJECTS,
    FAMILY_IDS,
    FAMILY_INDEXES,
    FAMILY_COUNT = FAMILY_INDEXES + INDEX_COUNT,

    SHARE_OBJECTS = 3, /* of the write buffers: an object brings 165 bytes of memory to its own */
    SHARE_OTHERS = 1,  /* family, and about 50 to each of the others */
    SHARES = SHARE_OBJECTS + (INDEX_COUNT + 1) * SHARE_OTHERS,
    BACKGROUND_THREADS = 2,
    FILTER_BITS = 10,
    ID_ENTRY_BYTES = 50, /* of a write buffer */

    TRANSACTION_MAX = 65536, /* batch_max's own limit */
    SEEN_SLOTS = 2 * TRANSACTION_MAX,
    ID_BYTES = 16,
    TIME_BYTES = 8,
    KEY_MAX = ID_BYTES + TIME_BYTES,

    INDEX_DEBIT = 0, /* of index_fields */
    INDEX_CODE = 4,
    ZIGZAG_STEPS = 2 /* of an iterator, before it seeks: a step is cheaper than a seek */
};

static const char *const family_names[FAMILY_COUNT] = {
    "default", "objects", "ids", "debit", "credit", "amount", "user64", "code"};

static const struct {
    uint32_t offset;
    uint32_t size;
} index_fields[INDEX_COUNT] = {
    {offsetof(struct bench_object, debit), 16},
    {offsetof(struct bench_object, credit), 16},
    {offsetof(struct bench_object, amount), 16},
    {offsetof(struct bench_object, user64), 8},
    {offsetof(struct bench_object, code), 2},
};

struct rocksdb_store {
    rocksdb_t *db;
    rocksdb_options_t *options[FAMILY_COUNT];
    rocksdb_column_family_handle_t *families[FAMILY_COUNT];
    rocksdb_cache_t *cache;
    rocksdb_writeoptions_t *write_options;
    rocksdb_readoptions_t *read_options;
    rocksdb_flushoptions_t *flush_options;
    rocksdb_writebatch_t *batch;
    uint64_t last; /* timestamp */

    /* of a MultiGet */
    uint8_t keys[TRANSACTION_MAX][ID_BYTES];
    const char *key_list[TRANSACTION_MAX];
    size_t key_sizes[TRANSACTION_MAX];
    rocksdb_pinnableslice_t *values[TRANSACTION_MAX];
    char *errors[TRANSACTION_MAX];

    uint64_t times[TRANSACTION_MAX];
    struct bench_object old[TRANSACTION_MAX];
    uint32_t seen[SEEN_SLOTS]; /* by timestamp: 1 + the last object of the transaction; 0: none */
};

/* ---- Keys ----------------------------------------------------------------------------------- */

static void big_endian(uint8_t *bytes, uint64_t number, uint32_t size)
{
    for (uint32_t i = 0; i < size; i += 1)
        bytes[i] = (uint8_t)(number >> (8 * (size - 1 - i)));
}

static uint64_t from_big_endian(const char *bytes)
{
    uint64_t number = 0;
    for (uint32_t i = 0; i < TIME_BYTES; i += 1)
        number = number << 8 | (uint8_t)bytes[i];
    return number;
}

static void id_key(const struct tactus_u128 *id, uint8_t *key)
{
    big_endian(key, id->high, 8);
    big_endian(key + 8, id->low, 8);
}

/* The key's size. */
static size_t index_key(const struct bench_object *object, uint32_t index, uint8_t *key)
{
    const uint32_t size = index_fields[index].size;
    const uint8_t *field = (const uint8_t *)object + index_fields[index].offset;
    if (size == ID_BYTES) {
        struct tactus_u128 value;
        memcpy(&value, field, sizeof value);
        id_key(&value, key);
    } else if (size == 8) {
        uint64_t value = 0;
        memcpy(&value, field, sizeof value);
        big_endian(key, value, size);
    } else {
        uint16_t value = 0;
        memcpy(&value, field, sizeof value);
        big_endian(key, value, size);
    }
    big_endian(key + size, object->timestamp, TIME_BYTES);
    return size + TIME_BYTES;
}

/* ---- Open and close ------------------------------------------------------------------------- */

struct opening {
    bool is_new;
    bool direct;
    uint64_t cache_bytes;
};

/* Takes the error, if there is one. */
static bool is_good(char *error, const char *what, struct bench_failure *failure)
{
    if (error == NULL) return true;
    (void)bench_fail(failure, TACTUS_IO, "rocksdb: %s: %s", what, error);
    rocksdb_free(error);
    return false;
}

static rocksdb_options_t *options_of(
    struct rocksdb_store *store,
    uint32_t family,
    const struct bench_settings *settings,
    const struct opening *opening
)
{
    rocksdb_options_t *options = rocksdb_options_create();
    const uint64_t shares = family == FAMILY_OBJECTS ? SHARE_OBJECTS : SHARE_OTHERS;
    const uint32_t parts = settings->peer_buffers;
    uint64_t buffer = settings->budget_bytes / 2 * shares / SHARES / parts;
    if (family == FAMILY_DEFAULT) buffer = 65536;
    rocksdb_options_set_create_if_missing(options, opening->is_new);
    rocksdb_options_set_create_missing_column_families(options, opening->is_new);
    rocksdb_options_set_error_if_exists(options, opening->is_new);
    rocksdb_options_set_use_direct_reads(options, opening->direct);
    rocksdb_options_set_max_background_jobs(options, BACKGROUND_THREADS);
    rocksdb_options_set_compression(options, rocksdb_no_compression);
    rocksdb_options_set_write_buffer_size(options, buffer);
    rocksdb_options_set_max_write_buffer_number(options, (int)parts);
    rocksdb_options_set_max_bytes_for_level_base(options, buffer * parts * 4 / 3);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
    rocksdb_options_set_max_open_files(options, -1);

    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(table, store->cache);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1);
    if (family == FAMILY_IDS) {
        rocksdb_filterpolicy_t *filter = rocksdb_filterpolicy_create_bloom_full(FILTER_BITS);
        rocksdb_block_based_options_set_filter_policy(table, filter); /* which owns it now */
        rocksdb_options_set_memtable_prefix_bloom_size_ratio(
            options, (double)FILTER_BITS / 8 / ID_ENTRY_BYTES
        );
        rocksdb_options_set_memtable_whole_key_filtering(options, 1);
    }
    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_block_based_options_destroy(table);
    return options;
}

static bool engine_close(void *store, struct bench_failure *failure)
{
    (void)failure; /* RocksDB's closing has no answer */
    struct rocksdb_store *self = store;
    for (uint32_t i = 0; i < FAMILY_COUNT; i += 1) {
        if (self->families[i] != NULL) rocksdb_column_family_handle_destroy(self->families[i]);
    }
    if (self->db != NULL) rocksdb_close(self->db);
    for (uint32_t i = 0; i < FAMILY_COUNT; i += 1)
        rocksdb_options_destroy(self->options[i]);
    rocksdb_writebatch_destroy(self->batch);
    rocksdb_flushoptions_destroy(self->flush_options);
    rocksdb_readoptions_destroy(self->read_options);
    rocksdb_writeoptions_destroy(self->write_options);
    rocksdb_cache_destroy(self->cache);
    free(self);
    return true;
}

static bool store_open(
    const struct bench_settings *settings,
    const struct opening *opening,
    const char *path,
    void **store,
    struct bench_failure *failure
)
{
    struct rocksdb_store *self = calloc(1, sizeof *self);
    if (self == NULL) return bench_fail(failure, TACTUS_IO, "rocksdb: there is no memory");
    rocksdb_set_perf_level(rocksdb_disable); /* they cost a seventh of its time */
    self->cache = rocksdb_cache_create_lru(opening->cache_bytes);
    self->write_options = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(
        self->write_options, settings->open.sync == TACTUS_SYNC_COMMIT ? 1 : 0
    );
    self->read_options = rocksdb_readoptions_create();
    self->flush_options = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(self->flush_options, 0);
    self->batch = rocksdb_writebatch_create();

    const rocksdb_options_t *options[FAMILY_COUNT];
    for (uint32_t i = 0; i < FAMILY_COUNT; i += 1) {
        self->options[i] = options_of(self, i, settings, opening);
        options[i] = self->options[i];
    }
    char *error = NULL;
    self->db = rocksdb_open_column_families(
        self->options[0], path, FAMILY_COUNT, family_names, options, self->families, &error
    );
    if (!is_good(error, path, failure)) {
        (void)engine_close(self, failure);
        return false;
    }
    *store = self;
    return true;
}

static bool engine_open(
    const struct bench_settings *settings,
    const char *path,
    void **store,
    struct bench_failure *failure
)
{
    const struct opening opening = {.is_new = true, .cache_bytes = settings->budget_bytes / 2};
    return store_open(settings, &opening, path, store, failure);
}

static bool engine_reopen(
    const struct bench_settings *settings,
    const char *path,
    uint64_t cache_bytes,
    bool direct,
    void **store,
    struct bench_failure *failure
)
{
    const struct opening opening = {.direct = direct, .cache_bytes = cache_bytes};
    return store_open(settings, &opening, path, store, failure);
}

/* ---- Reading -------------------------------------------------------------------------------- */

/* Looks `count` keys of store->keys up; store->values has what was found, NULL where nothing was:
 * to be given to release_values. */
static bool multi_get(
    struct rocksdb_store *store,
    uint32_t family,
    size_t key_size,
    uint32_t count,
    struct bench_failure *failure
)
{
    for (uint32_t i = 0; i < count; i += 1) {
        store->key_list[i] = (const char *)store->keys[i];
        store->key_sizes[i] = key_size;
        store->errors[i] = NULL;
    }
    rocksdb_batched_multi_get_cf(
        store->db,
        store->read_options,
        store->families[family],
        count,
        store->key_list,
        store->key_sizes,
        store->values,
        store->errors,
        false
    );
    bool good = true;
    for (uint32_t i = 0; i < count; i += 1) {
        if (!is_good(store->errors[i], "get", failure)) good = false;
    }
    return good;
}

static void release_values(struct rocksdb_store *store, uint32_t count)
{
    for (uint32_t i = 0; i < count; i += 1) {
        if (store->values[i] != NULL) rocksdb_pinnableslice_destroy(store->values[i]);
        store->values[i] = NULL;
    }
}

/* store->times[i] is the timestamp of ids[i], 0 if it is absent. */
static bool find_times(
    struct rocksdb_store *store,
    const struct tactus_u128 *ids,
    size_t stride, /* bytes from one id to the next */
    uint32_t count,
    struct bench_failure *failure
)
{
    for (uint32_t i = 0; i < count; i += 1) {
        struct tactus_u128 id;
        memcpy(&id, (const uint8_t *)ids + i * stride, sizeof id);
        id_key(&id, store->keys[i]);
    }
    const bool good = multi_get(store, FAMILY_IDS, ID_BYTES, count, failure);
    for (uint32_t i = 0; i < count; i += 1) {
        size_t size = 0;
        store->times[i] = 0;
        if (store->values[i] == NULL) continue;
        store->times[i] = from_big_endian(rocksdb_pinnableslice_value(store->values[i], &size));
    }
    release_values(store, count);
    return good;
}

/* store->old[i] is the object of store->times[i]: all zero if that is 0. */
static bool find_objects(struct rocksdb_store *store, uint32_t count, struct bench_failure *failure)
{
    for (uint32_t i = 0; i < count; i += 1)
        big_endian(store->keys[i], store->times[i], TIME_BYTES);
    const bool good = multi_get(store, FAMILY_OBJECTS, TIME_BYTES, count, failure);
    for (uint32_t i = 0; i < count; i += 1) {
        size_t size = 0;
        store->old[i] = (struct bench_object){0};
        if (store->values[i] == NULL) continue;
        const char *value = rocksdb_pinnableslice_value(store->values[i], &size);
        if (size == sizeof store->old[i]) memcpy(&store->old[i], value, size);
    }
    release_values(store, count);
    return good;
}

/* The value of a key; NULL: it is not there, or store->errors[0] says why. Else *slice, which holds
 * it, is to be destroyed. */
static const char *get_value(
    struct rocksdb_store *store,
    uint32_t family,
    const uint8_t *key,
    size_t key_size,
    rocksdb_pinnableslice_t **slice
)
{
    char *error = NULL;
    *slice = rocksdb_get_pinned_cf(
        store->db, store->read_options, store->families[family], (const char *)key, key_size, &error
    );
    store->errors[0] = error;
    size_t size = 0;
    return *slice != NULL ? rocksdb_pinnableslice_value(*slice, &size) : NULL;
}

/* By Get, which is quicker for one than MultiGet. */
static bool get_one(
    struct rocksdb_store *store,
    const struct tactus_u128 *id,
    struct bench_object *object,
    struct bench_failure *failure
)
{
    uint8_t key[ID_BYTES];
    uint8_t time[TIME_BYTES];
    rocksdb_pinnableslice_t *slice = NULL;
    *object = (struct bench_object){0};
    id_key(id, key);
    const char *value = get_value(store, FAMILY_IDS, key, ID_BYTES, &slice);
    if (value == NULL) return is_good(store->errors[0], "get", failure);
    memcpy(time, value, sizeof time);
    rocksdb_pinnableslice_destroy(slice);

    value = get_value(store, FAMILY_OBJECTS, time, TIME_BYTES, &slice);
    if (value == NULL) return is_good(store->errors[0], "get", failure);
    memcpy(object, value, sizeof *object);
    rocksdb_pinnableslice_destroy(slice);
    return true;
}

static bool engine_get(
    void *store,
    const struct tactus_u128 *ids,
    uint32_t count,
    struct bench_object *objects,
    struct bench_failure *failure
)
{
    struct rocksdb_store *self = store;
    if (count == 1) return get_one(self, ids, objects, failure);
    if (!find_times(self, ids, sizeof *ids, count, failure)) return false;
    if (!find_objects(self, count, failure)) return false;
    memcpy(objects, self->old, count * sizeof *objects);
    return true;
}

/* An iterator over the entries of one value of an index, from the newest backwards. */
struct backwards {
    rocksdb_iterator_t *iterator; /* owned */
    uint8_t key[KEY_MAX];         /* the value, and a timestamp to seek */
    size_t value_size;
    uint64_t timestamp; /* where it stands; 0: behind the oldest */
};

/* Takes in where the iterator has come to. */
static void arrive(struct backwards *entries)
{
    size_t size = 0;
    entries->timestamp = 0;
    if (!rocksdb_iter_valid(entries->iterator)) return;
    const char *key = rocksdb_iter_key(entries->iterator, &size);
    if (size != entries->value_size + TIME_BYTES) return;
    if (memcmp(key, entries->key, entries->value_size) != 0) return;
    entries->timestamp = from_big_endian(key + entries->value_size);
}

/* To the newest entry that is not after `timestamp`. */
static void seek(struct backwards *entries, uint64_t timestamp)
{
    big_endian(entries->key + entries->value_size, timestamp, TIME_BYTES);
    const size_t size = entries->value_size + TIME_BYTES;
    rocksdb_iter_seek_for_prev(entries->iterator, (const char *)entries->key, size);
    arrive(entries);
}

static void step(struct backwards *entries)
{
    rocksdb_iter_prev(entries->iterator);
    arrive(entries);
}

static void open_backwards(
    struct rocksdb_store *store,
    struct backwards *entries,
    uint32_t index,
    const struct bench_object *like
)
{
    entries->value_size = index_key(like, index, entries->key) - TIME_BYTES;
    entries->iterator = rocksdb_create_iterator_cf(
        store->db, store->read_options, store->families[FAMILY_INDEXES + index]
    );
    seek(entries, UINT64_MAX);
}

static bool close_backwards(struct backwards *entries, struct bench_failure *failure)
{
    char *error = NULL;
    rocksdb_iter_get_error(entries->iterator, &error);
    rocksdb_iter_destroy(entries->iterator);
    return is_good(error, "iterator", failure);
}

/* To the newest entry that is not after `timestamp`, from a later one. */
static void go_back(struct backwards *entries, uint64_t timestamp)
{
    for (uint32_t i = 0; i < ZIGZAG_STEPS && entries->timestamp > timestamp; i += 1)
        step(entries);
    if (entries->timestamp > timestamp) seek(entries, timestamp);
}

static bool find_newest(
    struct rocksdb_store *store,
    const struct bench_object *like,
    uint32_t *count,
    struct bench_failure *failure
)
{
    struct backwards debits;
    open_backwards(store, &debits, INDEX_DEBIT, like);
    for (; debits.timestamp != 0 && *count < BENCH_NEWEST; step(&debits)) {
        store->times[*count] = debits.timestamp;
        *count += 1;
    }
    return close_backwards(&debits, failure);
}

static bool find_two(
    struct rocksdb_store *store,
    const struct bench_object *like,
    uint32_t *count,
    struct bench_failure *failure
)
{
    struct backwards debits;
    struct backwards codes;
    open_backwards(store, &debits, INDEX_DEBIT, like);
    open_backwards(store, &codes, INDEX_CODE, like);
    while (debits.timestamp != 0 && codes.timestamp != 0 && *count < BENCH_NEWEST) {
        if (debits.timestamp > codes.timestamp) {
            go_back(&debits, codes.timestamp);
        } else if (codes.timestamp > debits.timestamp) {
            go_back(&codes, debits.timestamp);
        } else {
            store->times[*count] = debits.timestamp;
            *count += 1;
            step(&debits);
        }
    }
    const bool good = close_backwards(&debits, failure);
    return close_backwards(&codes, failure) && good;
}

static bool engine_ask(
    void *store,
    const struct bench_question *question,
    struct bench_object *objects,
    uint32_t *count,
    struct bench_failure *failure
)
{
    struct rocksdb_store *self = store;
    const struct bench_object like = {
        .debit = {question->debit, 0}, .code = (uint16_t)question->code};
    *count = 0;
    const bool good = question->code == 0 ? find_newest(self, &like, count, failure)
                                          : find_two(self, &like, count, failure);
    if (!good || !find_objects(self, *count, failure)) return false;
    memcpy(objects, self->old, *count * sizeof *objects);
    return true;
}

static bool engine_scan(
    void *store,
    bool (*visit)(void *context, const struct bench_object *object),
    void *context,
    struct bench_failure *failure
)
{
    struct rocksdb_store *self = store;
    rocksdb_iterator_t *iterator =
        rocksdb_create_iterator_cf(self->db, self->read_options, self->families[FAMILY_OBJECTS]);
    bool going = true;
    for (rocksdb_iter_seek_to_first(iterator); going && rocksdb_iter_valid(iterator);) {
        size_t size = 0;
        struct bench_object object = {0};
        const char *value = rocksdb_iter_value(iterator, &size);
        if (size == sizeof object) memcpy(&object, value, size);
        going = visit(context, &object);
        rocksdb_iter_next(iterator);
    }
    char *error = NULL;
    rocksdb_iter_get_error(iterator, &error);
    rocksdb_iter_destroy(iterator);
    return is_good(error, "scan", failure);
}

/* ---- Writing -------------------------------------------------------------------------------- */

static void put(
    struct rocksdb_store *store,
    uint32_t family,
    const uint8_t *key,
    size_t key_size,
    const void *value,
    size_t value_size
)
{
    rocksdb_writebatch_put_cf(
        store->batch,
        store->families[family],
        (const char *)key,
        key_size,
        value_size > 0 ? value : "",
        value_size
    );
}

static void put_object(struct rocksdb_store *store, const struct bench_object *object)
{
    uint8_t key[TIME_BYTES];
    big_endian(key, object->timestamp, TIME_BYTES);
    put(store, FAMILY_OBJECTS, key, sizeof key, object, sizeof *object);
}

static bool write_batch(struct rocksdb_store *store, struct bench_failure *failure)
{
    char *error = NULL;
    rocksdb_write(store->db, store->write_options, store->batch, &error);
    return is_good(error, "write", failure);
}

static bool engine_insert(
    void *store, const struct bench_object *objects, uint32_t count, struct bench_failure *failure
)
{
    struct rocksdb_store *self = store;
    if (!find_times(self, &objects[0].id, sizeof *objects, count, failure)) return false;
    for (uint32_t i = 0; i < count; i += 1) {
        if (self->times[i] != 0) return bench_fail(failure, TACTUS_EXISTS, "rocksdb: an id exists");
    }

    rocksdb_writebatch_clear(self->batch);
    for (uint32_t i = 0; i < count; i += 1) {
        struct bench_object object = objects[i];
        object.timestamp = self->last + 1 + i;
        put_object(self, &object);

        uint8_t key[KEY_MAX];
        uint8_t time[TIME_BYTES];
        id_key(&object.id, key);
        big_endian(time, object.timestamp, TIME_BYTES);
        put(self, FAMILY_IDS, key, ID_BYTES, time, sizeof time);
        for (uint32_t index = 0; index < INDEX_COUNT; index += 1) {
            const size_t size = index_key(&object, index, key);
            put(self, FAMILY_INDEXES + index, key, size, NULL, 0);
        }
    }
    if (!write_batch(self, failure)) return false;
    self->last += count;
    return true;
}

/* Where an object drawn twice in a transaction was written by it before: that is its old one. */
static void resolve_repeats(
    struct rocksdb_store *store, const struct bench_object *objects, uint32_t count
)
{
    memset(store->seen, 0, sizeof store->seen);
    for (uint32_t i = 0; i < count; i += 1) {
        uint32_t slot = (uint32_t)(store->times[i] * UINT64_C(0x9e3779b97f4a7c15) >> 32);
        slot %= SEEN_SLOTS;
        while (store->seen[slot] != 0 && store->times[store->seen[slot] - 1] != store->times[i])
            slot = (slot + 1) % SEEN_SLOTS; /* half of the slots stay empty */
        if (store->seen[slot] != 0) {
            store->old[i] = objects[store->seen[slot] - 1];
            store->old[i].timestamp = store->times[i];
        }
        store->seen[slot] = i + 1;
    }
}

static bool engine_overwrite(
    void *store, const struct bench_object *objects, uint32_t count, struct bench_failure *failure
)
{
    struct rocksdb_store *self = store;
    if (!find_times(self, &objects[0].id, sizeof *objects, count, failure)) return false;
    for (uint32_t i = 0; i < count; i += 1) {
        if (self->times[i] == 0) return bench_fail(failure, TACTUS_ABSENT, "rocksdb: no such id");
    }
    if (!find_objects(self, count, failure)) return false;
    resolve_repeats(self, objects, count);

    rocksdb_writebatch_clear(self->batch);
    for (uint32_t i = 0; i < count; i += 1) {
        struct bench_object object = objects[i];
        object.timestamp = self->times[i];
        put_object(self, &object);
        for (uint32_t index = 0; index < INDEX_COUNT; index += 1) {
            uint8_t key[KEY_MAX];
            uint8_t old[KEY_MAX];
            const size_t size = index_key(&object, index, key);
            (void)index_key(&self->old[i], index, old);
            if (memcmp(key, old, size) == 0) continue;
            rocksdb_column_family_handle_t *family = self->families[FAMILY_INDEXES + index];
            rocksdb_writebatch_delete_cf(self->batch, family, (const char *)old, size);
            put(self, FAMILY_INDEXES + index, key, size, NULL, 0);
        }
    }
    return write_batch(self, failure);
}

/* ---- Checkpoints and figures ---------------------------------------------------------------- */

static uint64_t sum_property(const struct rocksdb_store *store, const char *name)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < FAMILY_COUNT; i += 1) {
        uint64_t value = 0;
        if (rocksdb_property_int_cf(store->db, store->families[i], name, &value) == 0) sum += value;
    }
    return sum;
}

static bool is_idle(const struct rocksdb_store *store)
{
    static const char *const properties[] = {
        "rocksdb.mem-table-flush-pending",
        "rocksdb.num-running-flushes",
        "rocksdb.num-immutable-mem-table",
        "rocksdb.compaction-pending",
        "rocksdb.num-running-compactions",
    };
    for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i += 1) {
        if (sum_property(store, properties[i]) != 0) return false;
    }
    return true;
}

/* Writes the memory tables out; settled, compactions that are due are waited for, too. */
static bool engine_checkpoint(
    void *store, bool settle, uint64_t *idle_ns, struct bench_failure *failure
)
{
    struct rocksdb_store *self = store;
    *idle_ns = 0;
    for (uint32_t i = FAMILY_OBJECTS; i < FAMILY_COUNT; i += 1) {
        char *error = NULL;
        rocksdb_flush_cf(self->db, self->flush_options, self->families[i], &error);
        if (!is_good(error, "flush", failure)) return false;
    }
    while (sum_property(self, "rocksdb.num-immutable-mem-table") != 0)
        (void)usleep(1000);

    /* Between the end of one piece of work and the begin of the next it looks idle, too. It is done
     * when the last stretch of looking idle begins: what we wait on top is not its time. */
    uint64_t idle_since_ns = 0;
    for (uint32_t idle = 0; settle && idle < 20;) {
        const bool is_busy = !is_idle(self);
        if (is_busy) idle = 0;
        if (!is_busy && idle == 0) idle_since_ns = process_clock_ns();
        if (!is_busy) idle += 1;
        (void)usleep(10000);
    }
    if (settle) *idle_ns = process_clock_ns() - idle_since_ns;
    return true;
}

/* "Cumulative stall: 00:00:1.234 H:M:S" of the text, in seconds; negative: it is not there. */
static double stall_seconds(const struct rocksdb_store *store)
{
    double seconds = -1;
    char *text = rocksdb_property_value(store->db, "rocksdb.dbstats");
    const char *line = text != NULL ? strstr(text, "Cumulative stall: ") : NULL;
    unsigned hours = 0;
    unsigned minutes = 0;
    double rest = 0;
    if (line != NULL && sscanf(line, "Cumulative stall: %u:%u:%lf", &hours, &minutes, &rest) == 3) {
        seconds = hours * 3600.0 + minutes * 60.0 + rest;
    }
    rocksdb_free(text);
    return seconds;
}

static void engine_figures(void *store, struct bench_figures *figures)
{
    const struct rocksdb_store *self = store;
    memset(figures, 0xff, sizeof *figures); /* it does not say */
    figures->record_bytes = OBJECT_LOGICAL_BYTES;
    figures->allocated_bytes = sum_property(self, "rocksdb.total-sst-files-size");
    figures->stall_seconds = stall_seconds(self);
}

const struct bench_engine bench_engine_rocksdb = {
    .name = "rocksdb",
    .suffix = ".rocksdb",
    .open = engine_open,
    .insert = engine_insert,
    .overwrite = engine_overwrite,
    .checkpoint = engine_checkpoint,
    .get = engine_get,
    .reopen = engine_reopen,
    .ask = engine_ask,
    .scan = engine_scan,
    .figures = engine_figures,
    .close = engine_close,
};
