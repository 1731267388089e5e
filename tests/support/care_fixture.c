#include "support/care_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/random.h"
#include "database/verify.h"
#include "support/test.h"

const char *const care_schema = "collection sale {\n"
                                "  id         u64\n"
                                "  timestamp  timestamp\n"
                                "  customer   u32 optional index\n"
                                "  quantity   i32\n"
                                "  at         time\n"
                                "  country    text(8) index\n"
                                "  index customer_at (customer, at)\n"
                                "}\n"
                                "collection note {\n"
                                "  timestamp  timestamp\n"
                                "  words      text(16) index hash\n"
                                "}\n"
                                "map stock {\n"
                                "  key        u64\n"
                                "  count      i32\n"
                                "  is_open    bool\n"
                                "  place      text(9)\n"
                                "}\n";

enum { TRANSACTION_OBJECTS = 40, CUSTOMERS = 50, COUNTRIES = 7, TIMES = 1000 };

static const char *const countries[COUNTRIES] = {
    "Norway", "Germany", "France", "Spain", "Chile", "", "Iceland"};

static struct tactus_create_options create_options(uint64_t seed)
{
    struct tactus_create_options options;
    tactus_create_options_default(&options);
    options.block_size = 4096;
    options.batch_max = 64;
    options.bar_beats = 4;
    options.journal_bytes = 1 << 20;
    options.size_max = 64 << 20;
    options.tables_max = 2048;
    options.file_id = (struct tactus_u128){.low = seed, .high = 7};
    return options;
}

struct simulated_disk *care_disk_new(uint64_t seed)
{
    return care_disk_keeping(seed, 1);
}

struct simulated_disk *care_disk_keeping(uint64_t seed, uint32_t keep)
{
    const struct simulated_disk_options disk_options = {.seed = seed, .at_submission = true};
    struct simulated_disk *disk = simulated_disk_new(&disk_options);
    struct tactus_create_options options = create_options(seed);
    options.keep = keep;
    struct reactor reactor = {0};
    struct tactus_error error = {0};
    simulated_disk_open(&reactor, disk);
    const enum tactus_status status = database_create(&reactor, care_schema, &options, &error);
    if (status != TACTUS_OK) (void)fprintf(stderr, "%s\n", error.text);
    EXPECT(status == TACTUS_OK);
    file_close(&reactor);
    return disk;
}

tactus_db *care_open(struct simulated_disk *disk, bool read_only, enum tactus_status *status)
{
    struct tactus_open_options options;
    tactus_open_options_default(&options);
    options.sync = TACTUS_SYNC_NONE;
    options.cache_bytes = 1 << 20;
    options.query_count_max = 2;
    if (read_only) options.flags |= TACTUS_READ_ONLY_OPEN;
    struct reactor reactor = {0};
    if (read_only) {
        simulated_disk_open_read_only(&reactor, disk);
    } else {
        simulated_disk_open(&reactor, disk);
    }
    struct tactus_error error = {0};
    tactus_db *db = NULL;
    *status = database_open(&reactor, &options, &error, &db);
    if (*status == TACTUS_OK) return db;
    if (*status != TACTUS_CORRUPT) (void)fprintf(stderr, "open: %s\n", error.text);
    return NULL;
}

void care_close(tactus_db *db)
{
    EXPECT(tactus_close(db) == TACTUS_OK);
}

/* ---- What objects hold ----------------------------------------------------------------------- */

static struct care_sale sale_of(uint64_t number, bool changed)
{
    struct care_sale sale = {
        .id = number * 7 + 1,
        .customer = (uint32_t)(number * 31 % CUSTOMERS),
        .quantity = (int32_t)(number % 100) - 50,
        .at = (int64_t)(number * 17 % TIMES),
    };
    if (changed) sale.customer = (uint32_t)(number * 13 % CUSTOMERS);
    const char *country = countries[number % COUNTRIES];
    bytes_copy(sale.country, country, strlen(country));
    return sale;
}

static struct care_note note_of(uint64_t number)
{
    struct care_note note = {.timestamp = 0};
    (void)snprintf(note.words, sizeof note.words, "note %llu", (unsigned long long)(number % 90));
    return note;
}

/* Keys are in an order of their own. */
static struct care_stock stock_of(uint64_t number, bool changed)
{
    struct care_stock stock = {
        .key = number * UINT64_C(0x9e3779b97f4a7c15),
        .count = (int32_t)(number % 1000) - 500,
        .is_open = number % 4 == 0,
    };
    (void)snprintf(
        stock.place, sizeof stock.place, changed ? "to %u" : "at %u", (unsigned)(number % 77)
    );
    return stock;
}

static const tactus_collection *collection_of(tactus_db *db, const char *name)
{
    const tactus_collection *collection = NULL;
    EXPECT(tactus_collection_find(db, name, 0, &collection) == TACTUS_OK);
    return collection;
}

static bool is_changed(uint64_t number)
{
    return number % 3 == 0;
}

static bool is_removed(uint64_t number)
{
    return number % 5 == 0;
}

static bool has_stock(uint64_t number)
{
    return number % 2 == 0;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static void expect_ok(tactus_db *db, enum tactus_status status)
{
    if (status != TACTUS_OK) (void)fprintf(stderr, "%s\n", tactus_error(db)->text);
    EXPECT(status == TACTUS_OK);
}

void care_insert(tactus_db *db, uint64_t first, uint64_t count)
{
    const tactus_collection *sales = collection_of(db, "sale");
    const tactus_collection *notes = collection_of(db, "note");
    const tactus_collection *stock = collection_of(db, "stock");
    for (uint64_t done = 0; done < count; done += TRANSACTION_OBJECTS) {
        tactus_txn *txn = NULL;
        expect_ok(db, tactus_begin(db, NULL, &txn));
        for (uint64_t index = done; index < done + TRANSACTION_OBJECTS && index < count;
             index += 1) {
            const struct care_sale sale = sale_of(first + index, false);
            expect_ok(db, tactus_insert(txn, sales, &sale, 1, NULL));
            const struct care_stock of = stock_of(first + index, false);
            if (has_stock(first + index)) expect_ok(db, tactus_put(txn, stock, &of, 1, NULL));
            if ((first + index) % 4 != 0) continue;
            const struct care_note note = note_of(first + index);
            expect_ok(db, tactus_insert(txn, notes, &note, 1, NULL));
        }
        expect_ok(db, tactus_commit(txn, NULL));
    }
}

void care_change(tactus_db *db, uint64_t first, uint64_t count)
{
    const tactus_collection *sales = collection_of(db, "sale");
    const tactus_collection *stock = collection_of(db, "stock");
    for (uint64_t done = 0; done < count; done += TRANSACTION_OBJECTS) {
        tactus_txn *txn = NULL;
        expect_ok(db, tactus_begin(db, NULL, &txn));
        for (uint64_t index = done; index < done + TRANSACTION_OBJECTS && index < count;
             index += 1) {
            const uint64_t number = first + index;
            const struct care_sale sale = sale_of(number, true);
            const struct care_stock of = stock_of(number, true);
            if (is_removed(number)) {
                expect_ok(db, tactus_remove(txn, sales, &sale.id, 1, NULL));
                expect_ok(db, tactus_delete(txn, stock, &of.key, 1, NULL));
            } else if (is_changed(number)) {
                expect_ok(db, tactus_update(txn, sales, &sale, 1, NULL));
                if (has_stock(number)) expect_ok(db, tactus_put(txn, stock, &of, 1, NULL));
            }
        }
        expect_ok(db, tactus_commit(txn, NULL));
    }
}

struct simulated_disk *care_disk_filled(uint64_t seed, uint64_t count, uint64_t tail)
{
    struct simulated_disk *disk = care_disk_new(seed);
    enum tactus_status status;
    tactus_db *db = care_open(disk, false, &status);
    EXPECT(db != NULL);
    care_insert(db, 0, count);
    care_change(db, 0, count);
    expect_ok(db, tactus_checkpoint(db));
    if (tail > 0) care_insert(db, count, tail);
    if (tail > 0) care_change(db, count, tail);
    care_close(db);
    return disk;
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* Whether this is the sale that its id says; its timestamp is not looked at. */
static bool sale_is_right(const struct care_sale *sale, uint64_t count)
{
    if (sale->id % 7 != 1) return false;
    const uint64_t number = sale->id / 7;
    if (number >= count || is_removed(number)) return false;
    struct care_sale wanted = sale_of(number, is_changed(number));
    wanted.timestamp = sale->timestamp;
    return sale->timestamp == number + 1 && memcmp(sale, &wanted, sizeof wanted) == 0;
}

static uint64_t sales_left(uint64_t count)
{
    return count - (count + 4) / 5;
}

/* Runs a query over the sales; *found: how many there were. Answers must fulfil the condition. */
static enum tactus_status query_sales(
    tactus_db *db,
    const char *where,
    bool (*fulfils)(const struct care_sale *sale),
    uint64_t count,
    uint64_t *found
)
{
    tactus_query *query = NULL;
    *found = 0;
    expect_ok(db, tactus_prepare(db, collection_of(db, "sale"), where, NULL, &query));
    enum tactus_status status = tactus_run(query, tactus_latest(db), NULL);
    uint64_t before = 0;
    while (status == TACTUS_OK) {
        struct care_sale sales[32];
        uint32_t got = 0;
        status = tactus_next(query, sales, 32, &got);
        if (status != TACTUS_OK || got == 0) break;
        *found += got;
        for (uint32_t index = 0; index < got; index += 1) {
            EXPECT(sale_is_right(&sales[index], count));
            EXPECT(fulfils(&sales[index]));
            EXPECT(sales[index].timestamp > before);
            before = sales[index].timestamp;
        }
    }
    tactus_query_close(query);
    return status;
}

static bool any(const struct care_sale *sale)
{
    (void)sale;
    return true;
}

static bool of_customer(const struct care_sale *sale)
{
    return sale->customer == 17;
}

static bool of_country(const struct care_sale *sale)
{
    return strcmp(sale->country, "Chile") == 0;
}

static uint64_t count_of(bool (*fulfils)(const struct care_sale *sale), uint64_t count)
{
    uint64_t found = 0;
    for (uint64_t number = 0; number < count; number += 1) {
        const struct care_sale sale = sale_of(number, is_changed(number));
        if (!is_removed(number) && fulfils(&sale)) found += 1;
    }
    return found;
}

static enum tactus_status read_ids(tactus_db *db, uint64_t count)
{
    const tactus_collection *sales = collection_of(db, "sale");
    for (uint64_t first = 0; first < count; first += 32) {
        uint64_t ids[32];
        struct care_sale objects[32];
        struct tactus_result results[32];
        for (uint64_t index = 0; index < 32; index += 1) {
            ids[index] = (first + index) * 7 + 1;
        }
        const enum tactus_status status =
            tactus_get(tactus_latest(db), sales, ids, 32, objects, results);
        if (status != TACTUS_OK && status != TACTUS_SOME) return status;
        for (uint64_t index = 0; index < 32; index += 1) {
            const uint64_t number = first + index;
            const bool is_there = number < count && !is_removed(number);
            EXPECT((results[index].status == TACTUS_OK) == is_there);
            if (is_there) EXPECT(sale_is_right(&objects[index], count));
        }
    }
    return TACTUS_OK;
}

static enum tactus_status read_stock(tactus_db *db, uint64_t count)
{
    const tactus_collection *stock = collection_of(db, "stock");
    uint64_t left = 0;
    for (uint64_t first = 0; first < count; first += 32) {
        uint64_t keys[32];
        struct care_stock objects[32];
        struct tactus_result results[32];
        for (uint64_t index = 0; index < 32; index += 1) {
            keys[index] = stock_of(first + index, false).key;
        }
        const enum tactus_status status =
            tactus_get(tactus_latest(db), stock, keys, 32, objects, results);
        if (status != TACTUS_OK && status != TACTUS_SOME) return status;
        for (uint64_t index = 0; index < 32; index += 1) {
            const uint64_t number = first + index;
            const bool is_there = number < count && has_stock(number) && !is_removed(number);
            EXPECT((results[index].status == TACTUS_OK) == is_there);
            if (!is_there) continue;
            left += 1;
            const struct care_stock wanted = stock_of(number, is_changed(number));
            EXPECT(memcmp(&objects[index], &wanted, sizeof wanted) == 0);
        }
    }
    struct tactus_u128 digest;
    uint64_t found = 0;
    TRY(tactus_digest_collection(db, stock, &digest, &found));
    EXPECT(found == left);
    return TACTUS_OK;
}

enum tactus_status care_read_all(tactus_db *db, uint64_t count, uint64_t tail)
{
    static const struct {
        const char *where;
        bool (*fulfils)(const struct care_sale *sale);
    } queries[] = {
        {NULL, any},
        {"customer = 17", of_customer},
        {"country = 'Chile'", of_country},
        {"customer = 17 and at >= '1970-01-01'", of_customer},
    };
    const uint64_t total = count + tail;
    for (uint32_t index = 0; index < sizeof queries / sizeof queries[0]; index += 1) {
        uint64_t found = 0;
        const enum tactus_status status =
            query_sales(db, queries[index].where, queries[index].fulfils, total, &found);
        if (status != TACTUS_OK) return status;
        if (index == 0) EXPECT(found == sales_left(total));
        EXPECT(found == count_of(queries[index].fulfils, total));
    }
    TRY(read_ids(db, total));
    TRY(read_stock(db, total));
    struct tactus_u128 digest;
    uint64_t notes = 0;
    TRY(tactus_digest_collection(db, collection_of(db, "note"), &digest, &notes));
    EXPECT(notes == (total + 3) / 4);
    return TACTUS_OK;
}

/* ---- Verify ---------------------------------------------------------------------------------- */

void care_report(void *context, enum tactus_severity severity, const char *line)
{
    struct care_verdict *verdict = context;
    if (severity == TACTUS_FAULT) verdict->fault_count += 1;
    if (severity == TACTUS_WARNING) verdict->warning_count += 1;
    const size_t used = strlen(verdict->lines);
    (void)snprintf(verdict->lines + used, sizeof verdict->lines - used, "%s\n", line);
}

void care_verify(struct simulated_disk *disk, struct care_verdict *verdict)
{
    struct reactor reactor = {0};
    struct report report;
    struct fault fault = {0};
    *verdict = (struct care_verdict){0};
    simulated_disk_open_read_only(&reactor, disk);
    report_begin(&report, care_report, verdict);
    verdict->status = verify_file(&reactor, &report, &fault);
    EXPECT(report.fault_count == verdict->fault_count || report_is_full(&report));
    file_close(&reactor);
}

struct superblock care_superblock(struct simulated_disk *disk)
{
    struct reactor reactor = {0};
    struct superblock superblock;
    struct fault fault = {0};
    simulated_disk_open_read_only(&reactor, disk);
    EXPECT(superblock_read(&reactor, &superblock, NULL, &fault) == TACTUS_OK);
    file_close(&reactor);
    return superblock;
}

struct layout care_layout(struct simulated_disk *disk)
{
    const struct superblock superblock = care_superblock(disk);
    const struct file_options *options = &superblock.options;
    struct layout layout;
    layout_init(&layout, options->block_size, options->journal_bytes, options->size_max);
    return layout;
}
