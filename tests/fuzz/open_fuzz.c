/* A hostile file: a small sound one, of which an input changes bytes anywhere, and whose checksums
 * are then made to hold again. Whatever comes of it, verify, inspect and open answer in bounded
 * time and memory, and nothing crashes; and where verify finds no fault, the file opens and reads
 * without one.
 *
 *   input   flags (1 byte): 1 checksums are made to hold, 2 opened for writing, 4 cut, 8 of the
 *           sound file with several runs in level 0, some of whose tables are trimmed, 16 single
 *           keys are asked for before all else
 *           then 14 bytes a change: where (1), how (1), block (2), offset (2), value (8) */
#include "fuzz/reseal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/integer.h"
#include "database/database.h"
#include "database/inspect.h"
#include "database/verify.h"
#include "io/backend.h"

#include "base/poison.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- A disk that is a buffer ----------------------------------------------------------------- */

enum { IMAGE_BYTES_MAX = 8 << 20 };

struct image {
    uint8_t *bytes; /* IMAGE_BYTES_MAX */
    uint64_t size;
};

static int64_t image_attempt(struct reactor *reactor, const struct io_request *request)
{
    struct image *image = reactor->state;
    if (request->kind == IO_FLUSH) return 0;
    const struct io_attempt attempt = io_attempt_of(request);
    if (request->kind == IO_READ) {
        if (attempt.offset >= image->size) return 0;
        const uint64_t size = min_u64(attempt.size, image->size - attempt.offset);
        bytes_copy(attempt.buffer, image->bytes + attempt.offset, size);
        return (int64_t)size;
    }
    assert(attempt.offset + attempt.size <= image->size);
    bytes_copy(image->bytes + attempt.offset, attempt.buffer, attempt.size);
    return attempt.size;
}

static void image_start(struct reactor *reactor, struct io_request *request)
{
    while (!io_attempt_done(reactor, request, image_attempt(reactor, request))) {
        /* once: a read that the file's end cut short is answered from there */
    }
}

static void image_reap(struct reactor *reactor, bool wait)
{
    (void)wait;
    assert(reactor->in_flight == 0);
}

static enum tactus_status image_grow(struct reactor *reactor, uint64_t size, struct fault *fault)
{
    struct image *image = reactor->state;
    if (size > IMAGE_BYTES_MAX) {
        return fault_set(fault, (struct fault){.status = TACTUS_FULL, .what = "the disk is full"});
    }
    bytes_zero(image->bytes + image->size, size - image->size);
    image->size = size;
    reactor->size = size;
    return TACTUS_OK;
}

static uint64_t image_now_ns(const struct reactor *reactor)
{
    (void)reactor;
    return 1;
}

static void image_close(struct reactor *reactor)
{
    reactor->state = NULL;
}

static const struct backend image_backend = {
    .name = "image",
    .start = image_start,
    .reap = image_reap,
    .grow = image_grow,
    .now_ns = image_now_ns,
    .close = image_close,
};

static void image_open(struct reactor *reactor, struct image *image)
{
    *reactor = (struct reactor){
        .backend = &image_backend,
        .state = image,
        .size = image->size,
        .write_limit = UINT64_MAX,
        .fd = -1,
    };
}

enum { RUNS_EACH = 32 }; /* objects a transaction, of each kind */

/* ---- The sound file -------------------------------------------------------------------------- */

static const char schema[] = "collection a {\n"
                             "  id u64\n"
                             "  n u32 optional index\n"
                             "  t text(4) index\n"
                             "}\n"
                             "collection b { k u64 index }\n"
                             "map c { key u128\n v text(8) }\n";

struct object_a {
    uint64_t id;
    uint32_t n;
    char t[4];
    uint64_t timestamp;
};

struct object_c {
    struct tactus_u128 key;
    char v[8];
};

static tactus_db *open_image(struct image *image, bool read_only, enum tactus_status *status)
{
    struct tactus_open_options options;
    tactus_open_options_default(&options);
    options.sync = TACTUS_SYNC_NONE;
    options.cache_bytes = 1 << 16;
    options.query_count_max = 1;
    if (read_only) options.flags |= TACTUS_READ_ONLY_OPEN;
    struct reactor reactor;
    image_open(&reactor, image);
    tactus_db *db = NULL;
    struct tactus_error error = {0};
    *status = database_open(&reactor, &options, &error, &db);
    if (*status != TACTUS_OK) assert(error.text[0] != 0);
    return *status == TACTUS_OK ? db : NULL;
}

/* Object a's of a file with runs have ids that are spread and come again. */
static struct object_a object_at(uint64_t number, bool has_runs)
{
    return (struct object_a){
        .id = has_runs ? number * 7919 % 499 : number / 2 * 3,
        .n = (uint32_t)number % 5,
        .t = {(char)('a' + number % 26)},
    };
}

static enum tactus_status write_one(tactus_db *db, tactus_txn *txn, uint64_t number, bool has_runs)
{
    const tactus_collection *of_a = tactus_collection_at(db, 0);
    const tactus_collection *of_b = tactus_collection_at(db, 1);
    const tactus_collection *of_c = tactus_collection_at(db, 2);
    const struct object_a a = object_at(number, has_runs);
    const uint64_t b[2] = {number % 9, 0};
    enum tactus_status status = TACTUS_OK;
    if (number % 11 == 10) {
        status = tactus_remove(txn, of_a, &a.id, 1, NULL);
    } else {
        status = tactus_upsert(txn, of_a, &a, 1, NULL);
    }
    if (status != TACTUS_OK && status != TACTUS_ABSENT) return status;
    const struct object_c c = {
        .key = {.low = number * 31 % 97, .high = number % 3}, .v = {(char)('a' + number % 26)}};
    if (number % 7 == 6) {
        TRY(tactus_delete(txn, of_c, &c.key, 1, NULL));
    } else {
        TRY(tactus_put(txn, of_c, &c, 1, NULL));
    }
    return tactus_insert(txn, of_b, b, 1, NULL);
}

/* `count` objects of each kind; with runs many of each a transaction, so that bars are full. What
 * comes of it is the engine's affair: a hostile file may refuse anything. */
static enum tactus_status write_objects(
    tactus_db *db, uint64_t first, uint64_t count, bool has_runs
)
{
    const uint64_t each = has_runs ? RUNS_EACH : 1;
    for (uint64_t from = first; from < first + count; from += each) {
        tactus_txn *txn = NULL;
        TRY(tactus_begin(db, NULL, &txn));
        for (uint64_t number = from; number < from + each; number += 1) {
            const enum tactus_status status = write_one(db, txn, number, has_runs);
            if (status == TACTUS_OK) continue;
            tactus_rollback(txn);
            return status;
        }
        TRY(tactus_commit(txn, NULL));
    }
    return TACTUS_OK;
}

/* Whether a slice has left part of some table behind. */
static bool has_trimmed_table(const struct forest *forest, const struct image *image)
{
    for (uint32_t tree = 0; tree < forest->tree_count; tree += 1) {
        const struct manifest_level *level = &forest->trees[tree].manifest.levels[0];
        const struct table_info *table = manifest_level_first(level);
        for (; table != NULL; table = manifest_level_next(level, table)) {
            const uint64_t byte =
                layout_block_offset(forest->options.grid->options.layout, table->address);
            if (table_root_stale_count(image->bytes + byte, table) > 0) return true;
        }
    }
    return false;
}

static void image_write(struct image *image, uint64_t first, uint64_t count, bool has_runs)
{
    enum tactus_status status;
    tactus_db *db = open_image(image, false, &status);
    if (db == NULL || write_objects(db, first, count, has_runs) != TACTUS_OK) abort();
    if (tactus_close(db) != TACTUS_OK) abort();
}

/* Until the last checkpoint is one amidst a slice. */
static void image_write_runs(struct image *image)
{
    for (uint64_t first = 0; first < 8192; first += 4 * RUNS_EACH) {
        image_write(image, first, 4 * RUNS_EACH, true);
        enum tactus_status status;
        tactus_db *db = open_image(image, true, &status);
        if (db == NULL) abort();
        const bool is_done = has_trimmed_table(&db->forest, image);
        (void)tactus_close(db);
        if (is_done) return;
    }
    abort();
}

static void image_make(struct image *image, bool has_runs)
{
    struct tactus_create_options options;
    tactus_create_options_default(&options);
    options.block_size = 4096;
    options.batch_max = has_runs ? 2 * RUNS_EACH : 8;
    options.bar_beats = 4;
    options.growth_factor = 2;
    options.runs_max[0] = has_runs ? 3 : 1;
    options.journal_bytes = 1 << 18;
    options.size_max = 16 << 20;
    options.tables_max = 1024;
    options.file_id = (struct tactus_u128){.low = 1, .high = 2};
    struct reactor reactor;
    struct tactus_error error = {0};
    image_open(&reactor, image);
    if (database_create(&reactor, schema, &options, &error) != TACTUS_OK) {
        (void)fprintf(stderr, "%s\n", error.text);
        abort();
    }
    if (has_runs) {
        image_write_runs(image);
    } else {
        image_write(image, 0, 150, false);
    }
}

/* ---- Changes --------------------------------------------------------------------------------- */

enum { CHANGE_BYTES = 14, CHANGES_MAX = 24 };
enum change_where { IN_SUPERBLOCK, IN_JOURNAL, IN_HEADERS, IN_BLOCK, CHANGE_WHERES };
enum change_how { HOW_BYTE, HOW_U32, HOW_U64, HOW_ADD, HOW_BLOCK, CHANGE_HOWS };

static void change(struct image *image, const struct layout *layout, const uint8_t *bytes)
{
    const uint64_t block_count = (image->size - layout->grid_offset) / layout->block_size;
    const uint64_t number = load_u16(bytes + 2);
    const uint64_t offset = load_u16(bytes + 4);
    const uint64_t value = load_u64(bytes + 6);
    uint64_t byte = 0;
    switch ((enum change_where)(bytes[0] % CHANGE_WHERES)) {
    case IN_SUPERBLOCK: byte = offset % SUPERBLOCK_SIZE; break;
    case IN_JOURNAL:
        byte = layout->journal_offset + (number * SECTOR_SIZE + offset) % layout->journal_bytes;
        break;
    case IN_HEADERS:
        byte = layout->headers_offset + (number * 256 + offset) % layout->headers_bytes;
        break;
    case IN_BLOCK:
    case CHANGE_WHERES:
        byte = layout_block_offset(layout, 1 + number % block_count) + offset % layout->block_size;
        break;
    }
    uint8_t *place = image->bytes + min_u64(byte, image->size - 8);
    switch ((enum change_how)(bytes[1] % CHANGE_HOWS)) {
    case HOW_BYTE: *place = (uint8_t)value; break;
    case HOW_U32: store_u32(place, (uint32_t)value); break;
    case HOW_U64: store_u64(place, value); break;
    case HOW_ADD: store_u64(place, load_u64(place) + value); break;
    case HOW_BLOCK:
    case CHANGE_HOWS: { /* another block in its place, under its address */
        uint8_t *target = image->bytes + layout_block_offset(layout, 1 + number % block_count);
        const uint8_t *source = image->bytes + layout_block_offset(layout, 1 + value % block_count);
        bytes_move(target, source, layout->block_size);
        store_u64(target + 32, 1 + number % block_count);
        break;
    }
    }
}

/* ---- What is asked of it --------------------------------------------------------------------- */

static int write_nowhere(void *context, const char *text, size_t bytes)
{
    (void)text;
    *(uint64_t *)context += bytes;
    return 0;
}

static void inspect_all(struct image *image)
{
    for (uint32_t what = INSPECT_SUMMARY; what <= INSPECT_MEMORY; what += 1) {
        struct reactor reactor;
        struct inspect_writer writer;
        struct fault fault = {0};
        uint64_t total = 0;
        image_open(&reactor, image);
        inspect_begin(&writer, write_nowhere, &total, what % 2 == 0);
        const enum tactus_status status =
            inspect_file(&reactor, (enum inspect_what)what, &writer, &fault);
        inspect_end(&writer);
        assert((status == TACTUS_OK) == (fault.status == TACTUS_OK));
        file_close(&reactor);
    }
}

static enum tactus_status verify_image(struct image *image)
{
    struct reactor reactor;
    struct report report;
    struct fault fault = {0};
    image_open(&reactor, image);
    report_begin(&report, NULL, NULL);
    const enum tactus_status status = verify_file(&reactor, &report, &fault);
    assert((status == TACTUS_CORRUPT || status == TACTUS_VERSION) == (report.fault_count > 0));
    file_close(&reactor);
    return status;
}

/* What is asked of each collection and of the map: by every kind of plan, order and tree. */
static const struct question {
    uint32_t collection;
    const char *where;
    const char *order;
} questions[] = {
    {0, NULL, NULL},
    {0, "n = 3", NULL},
    {0, "n = 3 and t = 'b'", "-timestamp"},
    {0, "n >= 2 and t != 'c'", NULL},
    {0, "n > 0", "-n"},
    {0, "t between 'b' and 'k' or n = 1", "t"},
    {0, "id in (3, 30, 36, 99, 150)", "-id"},
    {0, "id > 20 and n = 2", "id"},
    {1, "k between 2 and 5", NULL},
    {1, "k > 3", "-k"},
    {2, NULL, NULL},
    {2, "v > 'f'", "-key"},
    {2, "key in (5, 18446744073709551620, 36893488147419103238, 90)", "-key"},
    {2, "key > 50 and key < 36893488147419103250", "key"},
};

/* Page by page: each begins at a token, and what is left is counted. */
static enum tactus_status read_pages(tactus_db *db, tactus_query *query, bool is_long)
{
    uint64_t objects[8 * 4]; /* of the largest */
    char token[TACTUS_TOKEN_BYTES];
    uint32_t count = 1;
    TRY(tactus_run(query, tactus_latest(db), NULL));
    for (uint32_t page = 0; count > 0; page += 1) { /* ends: places go one way */
        assert(page < 100000);
        TRY(tactus_next(query, objects, is_long ? 8 : 5, &count));
        if (count == 0 || page % 4 != 0) continue;
        TRY(tactus_query_token(query, token, sizeof token));
        TRY(tactus_run(query, tactus_latest(db), token));
    }
    uint64_t all = 0;
    TRY(tactus_run(query, tactus_latest(db), NULL));
    TRY(tactus_count(query, is_long ? UINT64_MAX : 40, &all));
    return tactus_count(query, UINT64_MAX, &all);
}

static enum tactus_status answer(tactus_db *db, const struct question *question, bool is_long)
{
    tactus_query *query = NULL;
    const tactus_collection *collection = tactus_collection_at(db, question->collection);
    TRY(tactus_prepare(db, collection, question->where, question->order, &query));
    const enum tactus_status status = read_pages(db, query, is_long);
    tactus_query_close(query);
    return status;
}

static enum tactus_status read_keys(tactus_db *db)
{
    struct tactus_u128 keys[97];
    uint64_t ids[97];
    struct object_c in_map[97];
    struct object_a objects[97];
    struct tactus_result results[97];
    for (uint64_t number = 0; number < 97; number += 1) {
        keys[number] = (struct tactus_u128){.low = number, .high = number % 3};
        ids[number] = number * 3;
    }
    tactus_view *view = tactus_latest(db);
    const enum tactus_status status =
        tactus_get(view, tactus_collection_at(db, 2), keys, 97, in_map, results);
    if (status != TACTUS_OK && status != TACTUS_SOME) return status;
    const enum tactus_status by_id =
        tactus_get(view, tactus_collection_at(db, 0), ids, 97, objects, results);
    return by_id == TACTUS_SOME ? TACTUS_OK : by_id;
}

/* In either order, so that blocks come to lookups unchecked, and checked by others. A fault ends
 * the one question only. */
static enum tactus_status read_all(tactus_db *db, bool keys_first)
{
    enum tactus_status first = TACTUS_OK;
    struct tactus_digest digest;
    if (keys_first) first = read_keys(db);
    for (uint32_t number = 0; number < sizeof questions / sizeof questions[0]; number += 1) {
        const enum tactus_status status = answer(db, &questions[number], number % 2 == 0);
        if (first == TACTUS_OK) first = status;
    }
    const enum tactus_status digested = tactus_digest(db, &digest);
    if (first == TACTUS_OK) first = digested;
    const enum tactus_status by_keys = read_keys(db);
    return first == TACTUS_OK ? by_keys : first;
}

static void ask(struct image *image, bool for_writing, bool has_runs, bool keys_first)
{
    const enum tactus_status verified = verify_image(image);
    inspect_all(image);
    enum tactus_status status;
    tactus_db *db = open_image(image, true, &status);
    if (verified == TACTUS_OK) assert(status == TACTUS_OK);
    if (db != NULL) {
        status = read_all(db, keys_first);
        if (verified == TACTUS_OK) assert(status == TACTUS_OK);
        assert(tactus_close(db) == TACTUS_OK);
    }
    if (!for_writing) return;
    db = open_image(image, false, &status);
    if (verified == TACTUS_OK) assert(status == TACTUS_OK);
    if (db == NULL) return;
    const uint64_t count = has_runs ? 60 * RUNS_EACH : 60;
    status = write_objects(db, 140, count, has_runs);
    if (status == TACTUS_OK) status = tactus_checkpoint(db);
    /* What was forged may leave room for nothing: its size_max, or the image's. */
    const bool is_full = status == TACTUS_FULL || status == TACTUS_LIMIT;
    if (verified == TACTUS_OK) assert(status == TACTUS_OK || is_full);
    status = tactus_close(db);
    maybe(status != TACTUS_OK);
}

/* assert_slow() walks whole structures, sized by these options: where it is on, they stay small. */
static void bound_options(struct image *image)
{
    struct superblock_disk *disk = (struct superblock_disk *)(void *)image->bytes;
    if (!TACTUS_VERIFY) return;
    disk->size_max = min_u64(disk->size_max, UINT64_C(1) << 30);
    disk->tables_max = (uint32_t)min_u64(disk->tables_max, 1 << 14);
}

static void image_make_sound(struct image *image, bool has_runs)
{
    image->bytes = calloc(1, IMAGE_BYTES_MAX);
    if (image->bytes == NULL) abort();
    image_make(image, has_runs);
    if (verify_image(image) != TACTUS_OK) abort();
    reseal_image(image->bytes, image->size);
    if (verify_image(image) != TACTUS_OK) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct image sounds[2]; /* of one run a level, and of several */
    static struct image image;
    if (image.bytes == NULL) {
        image.bytes = calloc(1, IMAGE_BYTES_MAX);
        if (image.bytes == NULL) abort();
        image_make_sound(&sounds[0], false);
        image_make_sound(&sounds[1], true);
    }
    if (size == 0) return 0;
    const bool has_runs = (data[0] & 8) != 0;
    const struct image sound = sounds[has_runs ? 1 : 0];
    const struct superblock_disk *disk = (const struct superblock_disk *)(const void *)sound.bytes;
    struct layout layout;
    layout_init(&layout, disk->block_size, disk->journal_bytes, disk->size_max);
    image.size = sound.size;
    bytes_copy(image.bytes, sound.bytes, sound.size);
    const uint64_t changes = min_u64((size - 1) / CHANGE_BYTES, CHANGES_MAX);
    for (uint64_t index = 0; index < changes; index += 1) {
        change(&image, &layout, data + 1 + index * CHANGE_BYTES);
    }
    bound_options(&image);
    if ((data[0] & 1) != 0) reseal_image(image.bytes, image.size);
    if ((data[0] & 4) != 0) image.size = (size * UINT64_C(7919) * data[size - 1]) % image.size;
    ask(&image, (data[0] & 2) != 0, has_runs, (data[0] & 16) != 0);
    return 0;
}
