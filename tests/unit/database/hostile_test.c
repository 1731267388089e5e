/* Files that somebody has made to do harm: every checksum may hold, and what stands there is still
 * not ours. The answer is a status with words, from an open for writing and from a read-only one
 * alike; never an abort, never memory without measure, never a wrong object.
 *
 * Journals are made by appending to the open one what no transaction would. Superblocks, and
 * entries whose headers are changed, are sealed anew over the bytes as they lie on disk; so is a
 * whole file, whose tables or their events in the manifest log are changed. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/bytes.h"
#include "base/integer.h"
#include "forest/event.h"
#include "lsm/slice.h"
#include "storage/superblock_disk.h"
#include "support/care_fixture.h"
#include "support/database_fixture.h"
#include "support/forged_file.h"
#include "support/test.h"

#include "base/poison.h"

#define COUNTERS_END (UINT64_C(1) << 62) /* of ops, epochs, beats, sequences */

enum { MEMORY_GROWTH_MAX = 256 << 20, VALUES = 13 };

static struct database_fixture fixture;

/* ---- Forging --------------------------------------------------------------------------------- */

static struct superblock_disk superblock_peek(void)
{
    struct superblock_disk disk;
    simulated_disk_peek(fixture.disk, 0, &disk, sizeof disk);
    return disk;
}

/* Makes its checksum hold, and writes all copies. */
static void superblock_poke(struct superblock_disk disk)
{
    const uint8_t *bytes = (const uint8_t *)&disk;
    const struct checksum checksum = checksum_of(
        (struct checksum){0},
        bytes + SUPERBLOCK_CHECKSUM_FROM,
        sizeof disk - SUPERBLOCK_CHECKSUM_FROM
    );
    checksum_store(disk.checksum, checksum);
    for (uint32_t slot = 0; slot < SUPERBLOCK_COPIES; slot += 1) {
        disk.copy = (uint8_t)slot;
        simulated_disk_poke(fixture.disk, layout_superblock_offset(slot), &disk, sizeof disk);
    }
}

/* Counters are moved on by as much; the history stays the same otherwise. */
struct shift {
    uint64_t op, epoch, beat, sequence;
    uint64_t timestamp; /* not 0: the first object of the first entry gets this one */
};

static uint8_t header_bytes[JOURNAL_HEADER_SIZE];

/* Moves one entry, whose predecessor's checksum is given, and returns its own. */
static struct checksum entry_shift(
    const struct layout *layout, uint64_t offset, const struct shift *shift, struct checksum before
)
{
    struct journal_entry_disk *entry = (struct journal_entry_disk *)(void *)header_bytes;
    store_u64(&entry->op, load_u64(&entry->op) + shift->op);
    store_u64(&entry->durable_op, load_u64(&entry->durable_op) + shift->op);
    store_u64(&entry->epoch, load_u64(&entry->epoch) + shift->epoch);
    store_u64(&entry->beat, load_u64(&entry->beat) + shift->beat);
    checksum_store(entry->predecessor, before);
    const struct checksum file_id = checksum_load(entry->file_id);
    checksum_store(entry->checksum, journal_header_checksum_computed(header_bytes, file_id));
    simulated_disk_poke(fixture.disk, offset, header_bytes, sizeof header_bytes);
    const uint64_t slot = load_u64(&entry->op) % (layout->journal_bytes / SECTOR_SIZE);
    simulated_disk_poke(
        fixture.disk,
        layout->headers_offset + slot * JOURNAL_HEADER_SIZE,
        header_bytes,
        sizeof header_bytes
    );
    return journal_header_logical_checksum(header_bytes, file_id);
}

static void headers_zero(const struct layout *layout)
{
    static const uint8_t zeros[4096];
    for (uint64_t at = 0; at < layout->headers_bytes; at += sizeof zeros)
        simulated_disk_poke(fixture.disk, layout->headers_offset + at, zeros, sizeof zeros);
}

/* Gives the entry's first event, an insert of an item, another timestamp. */
static void entry_date(uint64_t offset, uint64_t timestamp)
{
    static uint8_t body[1 << 16];
    struct journal_entry_disk *entry = (struct journal_entry_disk *)(void *)header_bytes;
    const uint64_t size = load_u64(&entry->size) - JOURNAL_HEADER_SIZE;
    EXPECT(size <= sizeof body);
    simulated_disk_peek(fixture.disk, offset + JOURNAL_HEADER_SIZE, body, size);
    EXPECT(body[0] == EVENT_INSERT);
    store_u64(body + EVENT_HEADER_SIZE + offsetof(struct fixture_item, timestamp), timestamp);
    simulated_disk_poke(fixture.disk, offset + JOURNAL_HEADER_SIZE, body, size);
    const struct checksum file_id = checksum_load(entry->file_id);
    checksum_store(entry->body_checksum, checksum_of(file_id, body, size));
}

/* The file is closed, and its entries do not wrap. */
static void history_shift(const struct shift *shift)
{
    struct superblock_disk disk = superblock_peek();
    struct layout layout;
    layout_init(&layout, disk.block_size, disk.journal_bytes, disk.size_max);
    headers_zero(&layout);
    struct checksum before = checksum_load(disk.journal_predecessor);
    uint64_t at = disk.journal_offset;
    for (uint64_t op = disk.op_covered + 1;; op += 1) {
        const uint64_t offset = layout.journal_offset + at;
        simulated_disk_peek(fixture.disk, offset, header_bytes, sizeof header_bytes);
        const struct journal_header header = journal_header_decode(header_bytes);
        if (header.op != op) break;
        const bool is_first = op == disk.op_covered + 1;
        if (is_first && shift->timestamp != 0) entry_date(offset, shift->timestamp);
        before = entry_shift(&layout, offset, shift, before);
        at += journal_entry_rounded(header.size - JOURNAL_HEADER_SIZE);
    }
    disk.op_covered += shift->op;
    disk.op_captured += shift->op;
    disk.epoch_first_op += shift->op;
    disk.epoch += shift->epoch;
    disk.beat_capture += shift->beat;
    disk.sequence += shift->sequence;
    superblock_poke(disk);
}

/* ---- What may come of it --------------------------------------------------------------------- */

static enum tactus_status open_clone(struct database_fixture *clone, uint32_t flags)
{
    *clone = fixture;
    clone->db = NULL;
    clone->disk = simulated_disk_clone(fixture.disk);
    clone->open.flags = flags;
    return database_fixture_open(clone, false);
}

static bool is_refusal(enum tactus_status status)
{
    return status == TACTUS_CORRUPT || status == TACTUS_LIMIT || status == TACTUS_POISONED ||
           status == TACTUS_FULL || status == TACTUS_IO || status == TACTUS_VERSION;
}

static void expect_refused(const char *words, uint32_t flags)
{
    struct database_fixture clone;
    const enum tactus_status status = open_clone(&clone, flags);
    const bool says = strstr(clone.error.text, words) != NULL;
    if (status != TACTUS_CORRUPT || !says) {
        printf("hostile: flags %u: status %d, \"%s\"\n", flags, (int)status, clone.error.text);
        printf("hostile: wanted \"%s\"\n", words);
    }
    EXPECT(status == TACTUS_CORRUPT);
    EXPECT(says);
    simulated_disk_free(clone.disk);
}

/* Whoever opens the file is told. */
static void expect_corrupt(const char *words)
{
    expect_refused(words, 0);
    expect_refused(words, TACTUS_READ_ONLY_OPEN);
}

/* Work with it: whatever comes of it, nothing aborts. */
static void work(struct database_fixture *clone, uint32_t transactions)
{
    struct fixture_item items[20];
    tactus_query *query = NULL;
    EXPECT(tactus_prepare(clone->db, clone->items, NULL, NULL, &query) == TACTUS_OK);
    enum tactus_status status = tactus_run(query, tactus_latest(clone->db), NULL);
    uint32_t count = 1;
    while (status == TACTUS_OK && count > 0)
        status = tactus_next(query, items, 20, &count);
    EXPECT(status == TACTUS_OK || is_refusal(status));
    tactus_query_close(query);
    if ((clone->open.flags & TACTUS_READ_ONLY_OPEN) != 0) return;

    status = TACTUS_OK;
    for (uint32_t number = 0; number < transactions && status == TACTUS_OK; number += 1) {
        tactus_txn *txn = NULL;
        status = tactus_begin(clone->db, NULL, &txn);
        if (status != TACTUS_OK) break;
        for (uint32_t index = 0; index < 20; index += 1)
            items[index] = database_fixture_item(1 + (number * 20 + index) * 7919 % 4001, number);
        status = tactus_upsert(txn, clone->items, items, 20, NULL);
        if (status == TACTUS_OK) {
            status = tactus_commit(txn, NULL);
        } else {
            tactus_rollback(txn);
        }
    }
    EXPECT(status == TACTUS_OK || is_refusal(status));
    status = tactus_checkpoint(clone->db);
    EXPECT(status == TACTUS_OK || is_refusal(status));
}

/* Opens, works, closes, opens again: true if the first open was no refusal. */
static bool expect_sane(uint32_t flags, uint32_t transactions)
{
    struct database_fixture clone;
    const enum tactus_status opened = open_clone(&clone, flags);
    EXPECT(opened == TACTUS_OK || is_refusal(opened));
    if (opened == TACTUS_OK) {
        work(&clone, transactions);
        const enum tactus_status closed = database_fixture_close(&clone);
        EXPECT(closed == TACTUS_OK || closed == TACTUS_POISONED);
        clone.db = NULL;
        const enum tactus_status again = database_fixture_open(&clone, false);
        EXPECT(again == TACTUS_OK || is_refusal(again));
        if (again == TACTUS_OK) work(&clone, 3);
        (void)database_fixture_close(&clone);
    }
    simulated_disk_free(clone.disk);
    return opened == TACTUS_OK;
}

static uint64_t memory_peak(void)
{
    struct rusage usage;
    EXPECT(getrusage(RUSAGE_SELF, &usage) == 0);
    return (uint64_t)usage.ru_maxrss * 1024;
}

/* ---- Superblocks whose checksums hold -------------------------------------------------------- */

/* A file of several bars, captured by its history, with entries after it; closed. */
static void begin_history(uint32_t transactions)
{
    database_fixture_begin(&fixture, 1);
    for (uint64_t number = 0; number < transactions; number += 1) {
        EXPECT(database_fixture_insert(&fixture, 1 + number * 20, 20, 3) == TACTUS_OK);
    }
    EXPECT(database_fixture_close(&fixture) == TACTUS_OK);
}

static void end_history(void)
{
    simulated_disk_free(fixture.disk);
}

/* First of all, while little memory was ever used. */
TEST(hostile, a_superblock_that_names_many_tables_takes_little_memory)
{
    begin_history(3);
    const struct superblock_disk sound = superblock_peek();
    const uint64_t before = memory_peak();
    const uint32_t numbers[] = {1U << 28, 1U << 24, UINT32_MAX, 1U << 31, 1, 0};
    for (uint32_t index = 0; index < COUNT_OF(numbers); index += 1) {
        struct superblock_disk forged = sound;
        forged.tables_max = numbers[index];
        superblock_poke(forged);
        (void)expect_sane(0, 20);
        (void)expect_sane(TACTUS_READ_ONLY_OPEN, 0);
        EXPECT(memory_peak() - before < MEMORY_GROWTH_MAX);
    }
    end_history();
}

TEST(hostile, a_file_made_for_many_tables_takes_memory_for_those_it_has)
{
    database_fixture_init(&fixture, 1);
    fixture.create.tables_max = 1U << 28;
    const uint64_t before = memory_peak();
    const enum tactus_status status = database_fixture_open(&fixture, true);
    EXPECT(status == TACTUS_OK || status == TACTUS_LIMIT || status == TACTUS_IO);
    if (status == TACTUS_OK) {
        work(&fixture, 40);
        EXPECT(database_fixture_close(&fixture) == TACTUS_OK);
    }
    EXPECT(memory_peak() - before < MEMORY_GROWTH_MAX);
    simulated_disk_free(fixture.disk);
}

struct forgery {
    size_t offset; /* of a field of 8 bytes in the superblock */
    uint64_t value;
    const char *words;
};

TEST(hostile, a_superblock_that_cannot_be_is_corrupt_whoever_opens_it)
{
    begin_history(60);
    const struct superblock_disk sound = superblock_peek();
    EXPECT(sound.beat_capture > 0);
    const uint64_t captured = sound.op_captured;
    const uint64_t blocks = (simulated_disk_size(fixture.disk) - sound.journal_bytes) / 4096;
    const char *const bar = "the checkpoint's beat is not the last of a bar";
    const char *const op = "the superblock names an impossible op";
    const char *const epoch = "the superblock's epoch is impossible";
    const char *const sequence = "the superblock's sequence is impossible";
    const char *const cut = "the file was cut";
    const char *const large = "the file has more blocks than size_max allows";
    const struct forgery forgeries[] = {
        {offsetof(struct superblock_disk, beat_capture), sound.beat_capture + 1, bar},
        {offsetof(struct superblock_disk, beat_capture), sound.beat_capture - 1, bar},
        {offsetof(struct superblock_disk, beat_capture), 1, bar},
        {offsetof(struct superblock_disk, beat_capture), 2, bar},
        {offsetof(struct superblock_disk, beat_capture), COUNTERS_END, bar},
        {offsetof(struct superblock_disk, beat_capture), UINT64_C(1) << 63, bar},
        {offsetof(struct superblock_disk, beat_capture), UINT64_MAX - 3, bar},
        {offsetof(struct superblock_disk, beat_capture), UINT64_MAX, bar},
        {offsetof(struct superblock_disk, op_covered),
         captured + 1,
         "covers ops after its capture"},
        {offsetof(struct superblock_disk, op_covered), UINT64_MAX, "covers ops after its capture"},
        {offsetof(struct superblock_disk, op_captured), COUNTERS_END, op},
        {offsetof(struct superblock_disk, op_captured), UINT64_MAX - 1, op},
        {offsetof(struct superblock_disk, op_captured), UINT64_MAX, op},
        {offsetof(struct superblock_disk, epoch_first_op), UINT64_MAX, op},
        {offsetof(struct superblock_disk, epoch), COUNTERS_END, epoch},
        {offsetof(struct superblock_disk, epoch), UINT64_MAX - 1, epoch},
        {offsetof(struct superblock_disk, epoch), UINT64_MAX, epoch},
        {offsetof(struct superblock_disk, sequence), COUNTERS_END, sequence},
        {offsetof(struct superblock_disk, sequence), UINT64_MAX - 1, sequence},
        {offsetof(struct superblock_disk, sequence), UINT64_MAX, "sequence"},
        {offsetof(struct superblock_disk, sequence), 0, "sequence"},
        {offsetof(struct superblock_disk, file_block_count), blocks + 1, cut},
        {offsetof(struct superblock_disk, file_block_count), sound.size_max / 4096, cut},
        {offsetof(struct superblock_disk, file_block_count), sound.size_max / 4096 + 1, large},
        {offsetof(struct superblock_disk, file_block_count), UINT64_MAX, large},
        {offsetof(struct superblock_disk, file_block_count), UINT64_MAX / 4096 + 1, large},
        {offsetof(struct superblock_disk, block_count), UINT64_MAX, large},
        {offsetof(struct superblock_disk, block_count), sound.size_max / 4096, cut},
    };
    for (uint32_t index = 0; index < COUNT_OF(forgeries); index += 1) {
        test_seed_begin(index);
        struct superblock_disk forged = sound;
        store_u64((uint8_t *)&forged + forgeries[index].offset, forgeries[index].value);
        superblock_poke(forged);
        expect_corrupt(forgeries[index].words);
    }
    end_history();
}

/* The field takes each of these values in turn. What is refused and what is not is no matter here,
 * but that nothing aborts, and that memory stays small. How many were opened. */
static uint64_t try_values(
    const struct superblock_disk *sound, size_t offset, uint32_t size, const uint64_t *values
)
{
    const uint64_t before = memory_peak();
    uint64_t opened = 0;
    for (uint32_t index = 0; index < VALUES; index += 1) {
        test_seed_begin(offset * 100 + index);
        struct superblock_disk forged = *sound;
        uint8_t *field = (uint8_t *)&forged + offset;
        if (size == 8) store_u64(field, values[index]);
        if (size == 4) store_u32(field, (uint32_t)values[index]);
        superblock_poke(forged);
        opened += expect_sane(0, 5);
        opened += expect_sane(TACTUS_READ_ONLY_OPEN, 0);
        EXPECT(memory_peak() - before < MEMORY_GROWTH_MAX);
    }
    return opened;
}

/* Values at which a sum, a product or a limit may run over. */
TEST(hostile, no_value_of_a_superblock_s_field_aborts)
{
    begin_history(60);
    const struct superblock_disk sound = superblock_peek();
    uint64_t opened = 0;
    const size_t first = offsetof(struct superblock_disk, sequence);
    const size_t end = offsetof(struct superblock_disk, reserved);
    for (size_t offset = first; offset < end; offset += 8) {
        const uint64_t now = load_u64((const uint8_t *)&sound + offset);
        const uint64_t values[VALUES] = {
            0,
            1,
            now + 1,
            now - 1,
            now * 2,
            now + 4096,
            UINT64_C(1) << 28 | UINT64_C(1) << 60,
            UINT64_C(1) << 40,
            COUNTERS_END - 1,
            COUNTERS_END,
            UINT64_C(1) << 63,
            UINT64_MAX - 4095,
            UINT64_MAX,
        };
        opened += try_values(&sound, offset, 8, values);
    }
    for (size_t offset = offsetof(struct superblock_disk, batch_max);
         offset < offsetof(struct superblock_disk, reserved_options);
         offset += 4) {
        const uint64_t now = load_u32((const uint8_t *)&sound + offset);
        const uint64_t values[VALUES] = {
            0, 1, 2, 3, now + 1, now - 1, now + 2, now * 2, 16, 64, 65536, 1U << 28, UINT32_MAX};
        opened += try_values(&sound, offset, 4, values);
    }
    printf("hostile: %llu of the forged superblocks were opened\n", (unsigned long long)opened);
    end_history();
}

/* ---- Counters near their end ----------------------------------------------------------------- */

/* A history that is sound, but for one of its counters, which stands at `end` when the last entry
 * was written. */
static void shift_near(uint32_t which, uint64_t end)
{
    begin_history(30);
    const struct superblock_disk disk = superblock_peek();
    EXPECT(database_fixture_open(&fixture, false) == TACTUS_OK);
    const uint64_t beat = fixture.db->forest.schedule.beat;
    const uint64_t op = database_fixture_stats(&fixture).op;
    EXPECT(database_fixture_close(&fixture) == TACTUS_OK);
    struct shift shift = {0};
    if (which == 0) shift.op = end - op;
    if (which == 1) shift.epoch = end - disk.epoch - 1; /* that open has raised it */
    if (which == 2) shift.beat = (end - beat) / 4 * 4;
    if (which == 3) shift.sequence = end - disk.sequence - 1;
    history_shift(&shift);
}

static void approach(uint32_t which, uint64_t end)
{
    static const uint64_t distances[] = {0, 1, 2, 3, 4, 5, 8, 12, 20, 40, 1000};
    for (uint32_t index = 0; index < COUNT_OF(distances); index += 1) {
        test_seed_begin(which * 10000 + distances[index]);
        shift_near(which, end - distances[index]);
        const bool opened = expect_sane(0, 60);
        (void)expect_sane(TACTUS_READ_ONLY_OPEN, 0);
        if (end == COUNTERS_END && distances[index] == 0) EXPECT(!opened);
        end_history();
    }
}

/* Half way a file may still be opened, and then the history goes on across the half. */
TEST(hostile, a_history_at_the_end_of_its_counters_ends_in_words)
{
    for (uint32_t which = 0; which < 4; which += 1) {
        approach(which, COUNTERS_END);
        approach(which, COUNTERS_END / 2);
    }
}

/* Far from the end the same file is as sound as before: the forging itself does no harm. */
TEST(hostile, canary)
{
    for (uint32_t which = 0; which < 4; which += 1) {
        shift_near(which, UINT64_C(1) << 40);
        struct database_fixture clone;
        EXPECT(open_clone(&clone, TACTUS_READ_ONLY_OPEN) == TACTUS_OK);
        EXPECT(database_fixture_count(&clone, NULL) == 600);
        database_fixture_end(&clone);
        EXPECT(open_clone(&clone, 0) == TACTUS_OK);
        EXPECT(database_fixture_count(&clone, NULL) == 600);
        work(&clone, 60);
        EXPECT(database_fixture_close(&clone) == TACTUS_OK);
        EXPECT(database_fixture_open(&clone, false) == TACTUS_OK);
        database_fixture_end(&clone);
        end_history();
    }
}

/* ---- Journals whose checksums hold ----------------------------------------------------------- */

/* The body of an entry that no transaction has made. */
struct body {
    uint8_t *bytes;
    uint64_t size;
    uint32_t events;
};

enum { THERE = 3, OBJECT_EVENT = EVENT_HEADER_SIZE + sizeof(struct fixture_item) };

static void add_event(struct body *body, const struct event *event)
{
    body->size = event_encode(body->bytes, body->size, event);
    body->events += 1;
}

static void add_item(struct body *body, enum event_kind kind, uint64_t id, uint64_t timestamp)
{
    struct fixture_item item = database_fixture_item(id, 5);
    item.timestamp = timestamp;
    const struct event event = {
        .kind = kind, .size = sizeof item, .payload = (const uint8_t *)&item};
    add_event(body, &event);
}

static void add_remove(struct body *body, uint64_t timestamp)
{
    uint8_t payload[EVENT_REMOVE_SIZE];
    store_u64(payload, timestamp);
    const struct event event = {
        .kind = EVENT_REMOVE, .size = EVENT_REMOVE_SIZE, .payload = payload};
    add_event(body, &event);
}

static struct body entry_begin(void)
{
    return (struct body){.bytes = journal_body(&fixture.db->journal)};
}

static void entry_end(const struct body *body, enum journal_kind kind, uint64_t beats)
{
    const struct journal_append append = {
        .kind = kind,
        .beat = fixture.db->forest.schedule.beat + beats,
        .event_count = body->events,
        .body_size = body->size,
        .sync = JOURNAL_SYNC_WAIT,
    };
    uint64_t op = 0;
    EXPECT(journal_append(&fixture.db->journal, &append, &op) == TACTUS_OK);
}

/* Items 1 to THERE, with these timestamps. */
static struct body hostile_begin(void)
{
    database_fixture_begin(&fixture, 1);
    EXPECT(database_fixture_insert(&fixture, 1, THERE, 1) == TACTUS_OK);
    return entry_begin();
}

static void hostile_end(const struct body *body, const char *words)
{
    entry_end(body, JOURNAL_TRANSACTION, 0);
    EXPECT(database_fixture_close(&fixture) == TACTUS_OK);
    expect_corrupt(words);
    simulated_disk_free(fixture.disk);
}

static const char ascend[] = "timestamps do not ascend";
static const char not_there[] = "an event names an object that is not there";

TEST(hostile, a_timestamp_that_two_entries_insert_is_corrupt)
{
    struct body body = hostile_begin();
    add_item(&body, EVENT_INSERT, 1, 1); /* the very object */
    hostile_end(&body, ascend);

    body = hostile_begin();
    add_item(&body, EVENT_INSERT, 50, THERE);
    hostile_end(&body, ascend);

    body = hostile_begin();
    add_item(&body, EVENT_INSERT, 50, THERE + 1);
    entry_end(&body, JOURNAL_TRANSACTION, 0);
    body = entry_begin();
    add_item(&body, EVENT_INSERT, 51, THERE + 1);
    hostile_end(&body, ascend);

    body = hostile_begin();
    add_item(&body, EVENT_INSERT, 50, THERE + 1);
    add_item(&body, EVENT_INSERT, 51, THERE + 1);
    hostile_end(&body, ascend);

    body = hostile_begin(); /* removed between */
    add_remove(&body, 2);
    add_item(&body, EVENT_INSERT, 2, 2);
    hostile_end(&body, ascend);
}

/* After a checkpoint its state knows the last timestamp, and no entry does. */
TEST(hostile, a_timestamp_that_the_checkpoint_holds_is_corrupt)
{
    database_fixture_begin(&fixture, 1);
    EXPECT(database_fixture_insert(&fixture, 1, THERE, 1) == TACTUS_OK);
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    struct body body = entry_begin();
    add_item(&body, EVENT_INSERT, 1, 2);
    hostile_end(&body, ascend);
}

/* Of what the capture held replay cannot know that it is too low: its objects are in the file, and
 * so is the one that had the timestamp first. Nothing aborts when they meet. */
TEST(hostile, a_timestamp_that_lies_before_the_capture_aborts_nothing)
{
    static const uint64_t timestamps[] = {1, 2, 20, 21, 300, 640};
    for (uint32_t index = 0; index < COUNT_OF(timestamps); index += 1) {
        begin_history(60);
        const struct superblock_disk disk = superblock_peek();
        EXPECT(disk.op_covered > 0 && disk.op_covered < disk.op_captured);
        history_shift(&(struct shift){.timestamp = timestamps[index]});
        (void)expect_sane(0, 100);
        (void)expect_sane(TACTUS_READ_ONLY_OPEN, 0);
        end_history();
    }
}

TEST(hostile, an_update_that_changes_an_id_is_corrupt)
{
    struct body body = hostile_begin();
    add_item(&body, EVENT_UPDATE, 77, 2);
    hostile_end(&body, "an update changes an id");

    body = hostile_begin();
    add_item(&body, EVENT_INSERT, 50, THERE + 1);
    add_item(&body, EVENT_UPDATE, 1, THERE + 1);
    hostile_end(&body, "an update changes an id");
}

TEST(hostile, an_event_about_an_object_that_is_not_there_is_corrupt)
{
    struct body body = hostile_begin();
    add_item(&body, EVENT_UPDATE, 50, THERE + 1);
    hostile_end(&body, not_there);

    static const uint64_t absent[] = {
        0, THERE + 1, UINT64_C(1) << 62, UINT64_C(1) << 63, (UINT64_C(1) << 63) + 1, UINT64_MAX};
    for (uint32_t index = 0; index < COUNT_OF(absent); index += 1) {
        body = hostile_begin();
        add_remove(&body, absent[index]);
        hostile_end(&body, not_there);
    }
    body = hostile_begin();
    add_remove(&body, 2);
    add_remove(&body, 2);
    hostile_end(&body, not_there);

    body = hostile_begin();
    add_remove(&body, 2);
    entry_end(&body, JOURNAL_TRANSACTION, 0);
    body = entry_begin();
    add_item(&body, EVENT_UPDATE, 2, 2);
    hostile_end(&body, not_there);
}

TEST(hostile, an_object_with_an_impossible_timestamp_is_corrupt)
{
    static const uint64_t impossible[] = {0, UINT64_C(1) << 63, UINT64_MAX};
    for (uint32_t index = 0; index < COUNT_OF(impossible); index += 1) {
        struct body body = hostile_begin();
        add_item(&body, EVENT_INSERT, 50, impossible[index]);
        hostile_end(&body, "an object has an impossible timestamp");
        body = hostile_begin();
        add_item(&body, EVENT_UPDATE, 1, impossible[index]);
        hostile_end(&body, "an object has an impossible timestamp");
    }
}

TEST(hostile, an_object_that_its_fields_cannot_hold_is_corrupt)
{
    for (uint32_t kind = EVENT_INSERT; kind <= EVENT_UPDATE; kind += 1) {
        struct fixture_item item = database_fixture_item(1, 5);
        item.timestamp = kind == EVENT_INSERT ? THERE + 1 : 1;
        item.id = kind == EVENT_INSERT ? 50 : 1;
        const struct event event = {
            .kind = (enum event_kind)kind,
            .size = sizeof item,
            .payload = (const uint8_t *)&item,
        };
        item.name[0] = (char)0xff; /* not UTF-8 */
        struct body body = hostile_begin();
        add_event(&body, &event);
        hostile_end(&body, "zone=journal op=2");
        item.name[0] = 'n';
        item.padding_0[3] = 1;
        body = hostile_begin();
        add_event(&body, &event);
        hostile_end(&body, "zone=journal op=2");
    }
}

TEST(hostile, events_cut_short_are_corrupt)
{
    for (uint64_t size = 1; size < 2 * OBJECT_EVENT; size += 1) {
        if (size == OBJECT_EVENT) continue;
        struct body body = hostile_begin();
        add_item(&body, EVENT_INSERT, 50, THERE + 1);
        add_item(&body, EVENT_INSERT, 51, THERE + 2);
        body.size = size;
        hostile_end(&body, "cut off");
        if (size % 8 == 0) size += 6; /* around every multiple of 8 */
    }
}

struct header_forgery {
    uint32_t offset; /* in the event */
    uint8_t value;
    const char *words;
};

TEST(hostile, events_with_forged_headers_are_corrupt)
{
    static const struct header_forgery forgeries[] = {
        {0, 0, "an event of unknown kind"},
        {0, EVENT_PUT, "an event of maps names a collection"},
        {0, EVENT_DELETE, "an event of maps names a collection"},
        {0, EVENT_DELETE + 1, "an event of unknown kind"},
        {0, 255, "an event of unknown kind"},
        {0, EVENT_REMOVE, "wrong size for its collection"},
        {1, 1, "a reserved byte of an event is not zero"},
        {2, 3, "a collection that the schema does not have"},
        {3, 255, "a collection that the schema does not have"},
        {2, 1, "wrong size for its collection"},
        {4, 0, "an impossible size"},
        {4, 7, "an impossible size"},
        {4, 8, ""}, /* what follows it is no event */
        {4, sizeof(struct fixture_item) + 8, "cut off"},
        {7, 255, "cut off"},
    };
    for (uint32_t index = 0; index < COUNT_OF(forgeries); index += 1) {
        test_seed_begin(index);
        struct body body = hostile_begin();
        add_item(&body, EVENT_INSERT, 50, THERE + 1);
        body.bytes[forgeries[index].offset] = forgeries[index].value;
        hostile_end(&body, forgeries[index].words);
    }
}

TEST(hostile, an_entry_with_more_or_fewer_events_than_it_says_is_corrupt)
{
    static const char words[] = "does not have as many events as it says";
    static const uint32_t counts[] = {0, 1, 3, UINT32_MAX};
    for (uint32_t index = 0; index < COUNT_OF(counts); index += 1) {
        struct body body = hostile_begin();
        add_item(&body, EVENT_INSERT, 50, THERE + 1);
        add_item(&body, EVENT_INSERT, 51, THERE + 2);
        body.events = counts[index];
        hostile_end(&body, words);
    }
    struct body body = hostile_begin();
    body.events = 1;
    hostile_end(&body, words);

    body = hostile_begin();
    for (uint64_t index = 0; index < FIXTURE_BATCH + 1; index += 1)
        add_remove(&body, 1 + index);
    hostile_end(&body, "an entry has more events than batch_max");
}

TEST(hostile, a_checkpoint_s_entry_with_a_body_is_corrupt)
{
    struct body body = hostile_begin();
    add_item(&body, EVENT_INSERT, 50, THERE + 1);
    body.events = 0; /* or it is no entry at all */
    entry_end(&body, JOURNAL_CHECKPOINT, 0);
    EXPECT(database_fixture_close(&fixture) == TACTUS_OK);
    expect_corrupt("a checkpoint's entry has a body");
    simulated_disk_free(fixture.disk);
}

/* A reader closes no beats; so it may pass over what only a writer counts. */
TEST(hostile, an_entry_of_another_beat_is_corrupt)
{
    static const uint64_t beats[] = {1, 3, 4, 1000, COUNTERS_END - 2, UINT64_MAX};
    for (uint32_t index = 0; index < COUNT_OF(beats); index += 1) {
        struct body body = hostile_begin();
        add_item(&body, EVENT_INSERT, 50, THERE + 1);
        entry_end(&body, JOURNAL_TRANSACTION, beats[index]);
        EXPECT(database_fixture_close(&fixture) == TACTUS_OK);
        expect_refused("of another beat than its history says", 0);
        (void)expect_sane(TACTUS_READ_ONLY_OPEN, 0);
        simulated_disk_free(fixture.disk);
    }
}

/* What replay judges not, as no transaction could have done it: nothing aborts, whatever
 * follows. */
TEST(hostile, an_id_that_two_objects_have_aborts_nothing)
{
    for (uint32_t variant = 0; variant < 4; variant += 1) {
        struct body body = hostile_begin();
        add_item(&body, EVENT_INSERT, 1, THERE + 1); /* 1 has this id already */
        if (variant == 1) add_remove(&body, 1);
        if (variant == 2) add_remove(&body, THERE + 1);
        if (variant == 3) add_item(&body, EVENT_UPDATE, 1, 1);
        entry_end(&body, JOURNAL_TRANSACTION, 0);
        EXPECT(database_fixture_close(&fixture) == TACTUS_OK);
        (void)expect_sane(0, 100);
        (void)expect_sane(TACTUS_READ_ONLY_OPEN, 0);
        simulated_disk_free(fixture.disk);
    }
}

/* ---- Entries of maps ------------------------------------------------------------------------- */

enum { SLOTS = 3, SESSIONS = 4 }; /* numbers of the maps */

static void add_slot(struct body *body, const struct fixture_slot *slot)
{
    const struct event event = {
        .kind = EVENT_PUT,
        .collection = SLOTS,
        .size = sizeof *slot,
        .payload = (const uint8_t *)slot,
    };
    add_event(body, &event);
}

static void add_raw(struct body *body, enum event_kind kind, uint16_t collection, uint32_t size)
{
    static const uint8_t payload[256];
    const struct event event = {
        .kind = kind, .collection = collection, .size = size, .payload = payload};
    add_event(body, &event);
}

/* Slots with the keys 1 to THERE. */
static struct body hostile_map_begin(void)
{
    database_fixture_begin_with_maps(&fixture, 1);
    EXPECT(database_fixture_put(&fixture, 1, THERE, 1) == TACTUS_OK);
    return entry_begin();
}

TEST(hostile, a_put_of_what_its_fields_cannot_hold_is_corrupt)
{
    static const struct {
        uint32_t offset;
        uint8_t value;
        const char *words;
    } forgeries[] = {
        {offsetof(struct fixture_slot, set), 2, "bool is neither 0 nor 1"},
        {offsetof(struct fixture_slot, note), 0xff, "text is not UTF-8"},
        {offsetof(struct fixture_slot, note) + 8, 'x', "text goes on behind its zero byte"},
        {offsetof(struct fixture_slot, padding_0), 1, "padding is not zero"},
    };
    for (uint32_t index = 0; index < COUNT_OF(forgeries); index += 1) {
        struct fixture_slot slot = database_fixture_slot(9, 1);
        struct body body = hostile_map_begin();
        add_slot(&body, &slot);
        memcpy((uint8_t *)&slot + forgeries[index].offset, &forgeries[index].value, 1);
        add_slot(&body, &slot);
        hostile_end(&body, forgeries[index].words);
    }
}

TEST(hostile, an_event_that_is_not_of_its_map_is_corrupt)
{
    static const struct {
        enum event_kind kind;
        uint16_t collection;
        uint32_t size;
        const char *words;
    } forgeries[] = {
        {EVENT_PUT, SLOTS, 32, "wrong size for its collection"}, /* that of the record */
        {EVENT_PUT, SLOTS, 8, "wrong size for its collection"},
        {EVENT_DELETE, SLOTS, 24, "wrong size for its collection"},
        {EVENT_DELETE, SLOTS, 16, "wrong size for its collection"},
        {EVENT_DELETE, SESSIONS, 8, "wrong size for its collection"},
        {EVENT_PUT, SESSIONS + 1, 24, "a collection that the schema does not have"},
        {EVENT_PUT, 0, sizeof(struct fixture_item), "an event of maps names a collection"},
        {EVENT_DELETE, 1, 16, "an event of maps names a collection"},
        {EVENT_INSERT, SLOTS, 24, "an event of collections names a map"},
        {EVENT_UPDATE, SLOTS, 24, "an event of collections names a map"},
        {EVENT_REMOVE, SLOTS, 8, "an event of collections names a map"},
    };
    for (uint32_t index = 0; index < COUNT_OF(forgeries); index += 1) {
        const struct fixture_slot slot = database_fixture_slot(9, 1);
        struct body body = hostile_map_begin();
        add_slot(&body, &slot);
        const uint16_t collection = forgeries[index].collection;
        add_raw(&body, forgeries[index].kind, collection, forgeries[index].size);
        hostile_end(&body, forgeries[index].words);
    }
    struct body body = hostile_map_begin();
    for (uint64_t index = 0; index < FIXTURE_BATCH + 1; index += 1)
        add_raw(
            &body, index % 2 == 0 ? EVENT_DELETE : EVENT_PUT, SESSIONS, index % 2 == 0 ? 16 : 24
        );
    hostile_end(&body, "an entry has more events than batch_max");

    for (uint64_t size = 1; size < EVENT_HEADER_SIZE + 16; size += 1) {
        if (size == 8) continue; /* no payload: it has an impossible size */
        body = hostile_map_begin();
        add_raw(&body, EVENT_DELETE, SESSIONS, 16);
        body.size = size;
        hostile_end(&body, "cut off");
    }
}

/* What is blind has nothing to be wrong about: whoever forges such an entry has forged contents. */
TEST(hostile, any_key_may_be_put_and_deleted)
{
    const struct fixture_slot slot = database_fixture_slot(0, 7);
    struct body body = hostile_map_begin();
    add_raw(&body, EVENT_DELETE, SLOTS, 8); /* key 0: never there */
    add_raw(&body, EVENT_DELETE, SLOTS, 8);
    add_slot(&body, &slot);
    add_slot(&body, &slot);
    entry_end(&body, JOURNAL_TRANSACTION, 0);
    EXPECT(database_fixture_close(&fixture) == TACTUS_OK);
    for (uint32_t flags = 0; flags <= TACTUS_READ_ONLY_OPEN; flags += TACTUS_READ_ONLY_OPEN) {
        struct database_fixture clone;
        EXPECT(open_clone(&clone, flags) == TACTUS_OK);
        uint64_t count = 0;
        struct tactus_u128 digest;
        EXPECT(tactus_digest_collection(clone.db, clone.slots, &digest, &count) == TACTUS_OK);
        EXPECT(count == THERE + 1);
        database_fixture_end(&clone);
    }
    simulated_disk_free(fixture.disk);
}

/* An entry of a counter beyond the end is none. If one after it says that it was durable, it is
 * missed; else it is a tail that was never acknowledged. */
TEST(hostile, an_entry_that_counts_beyond_the_end_is_corrupt_or_cut)
{
    static const uint64_t beyond[] = {COUNTERS_END, UINT64_C(1) << 63, UINT64_MAX};
    for (uint32_t index = 0; index < 3 * COUNT_OF(beyond); index += 1) {
        test_seed_begin(index);
        begin_history(6);
        const struct superblock_disk disk = superblock_peek();
        struct layout layout;
        layout_init(&layout, disk.block_size, disk.journal_bytes, disk.size_max);
        /* The second of six: those behind it follow it, and say that it was durable. */
        const uint64_t offset = layout.journal_offset + disk.journal_offset + SECTOR_SIZE;
        simulated_disk_peek(fixture.disk, offset, header_bytes, sizeof header_bytes);
        struct journal_entry_disk *entry = (struct journal_entry_disk *)(void *)header_bytes;
        EXPECT(load_u64(&entry->op) == 2);
        const uint64_t value = beyond[index / 3];
        if (index % 3 == 0) store_u64(&entry->beat, value);
        if (index % 3 == 1) store_u64(&entry->epoch, value);
        if (index % 3 == 2) store_u64(&entry->op, value);
        const struct checksum file_id = checksum_load(entry->file_id);
        checksum_store(entry->checksum, journal_header_checksum_computed(header_bytes, file_id));
        simulated_disk_poke(fixture.disk, offset, header_bytes, sizeof header_bytes);
        expect_corrupt("zone=journal op=2");
        headers_zero(&layout);
        expect_corrupt("zone=journal op=2");
        end_history();
    }
}

/* ---- Tables of several runs ------------------------------------------------------------------ */

enum { CHANGES_MAX = 3 };

/* A sound file with several runs in level 0, in the midst of slices. */
static struct forged_file forged;

/* New items, whose indexes' keys are spread over all that there are: no index is read for it. */
static enum tactus_status insert_more(struct database_fixture *database, uint32_t transactions)
{
    for (uint32_t number = 0; number < transactions; number += 1) {
        TRY(database_fixture_insert(database, 10000 + 20 * number, 20, 1 + number % 97));
    }
    return tactus_checkpoint(database->db);
}

static void forged_take(void)
{
    struct database_fixture clone;
    EXPECT(open_clone(&clone, TACTUS_READ_ONLY_OPEN) == TACTUS_OK);
    forged_file_begin(&forged, fixture.disk);
    for (uint32_t tree = 0; tree < clone.db->forest.tree_count; tree += 1)
        forged_file_add(&forged, &clone.db->forest.trees[tree].manifest);
    database_fixture_end(&clone);
}

/* A history of some length, and as much more as it takes until tables are trimmed. */
static void begin_runs(uint32_t runs_max)
{
    database_fixture_init(&fixture, 1);
    fixture.create.runs_max[0] = runs_max;
    EXPECT(database_fixture_open(&fixture, true) == TACTUS_OK);
    for (uint32_t turn = 0; turn < 40; turn += 1) {
        work(&fixture, turn == 0 ? 100 : 3);
        EXPECT(database_fixture_close(&fixture) == TACTUS_OK);
        forged_take();
        if (forged.trimmed_count > 0) return;
        forged_file_end(&forged);
        EXPECT(database_fixture_open(&fixture, false) == TACTUS_OK);
    }
    EXPECT(false);
}

static void end_runs(void)
{
    forged_file_end(&forged);
    simulated_disk_free(fixture.disk);
}

/* By verify as well as by whoever opens it. The file is sound again then. */
static void expect_forged_corrupt(const char *words)
{
    static struct care_verdict verdict;
    forged_file_write(&forged, fixture.disk);
    care_verify(fixture.disk, &verdict);
    if (strstr(verdict.lines, words) == NULL) printf("hostile: %s", verdict.lines);
    EXPECT(verdict.status == TACTUS_CORRUPT);
    EXPECT(strstr(verdict.lines, words) != NULL);
    expect_corrupt(words);
    forged_file_reset(&forged);
}

/* All tables of that one's run get another number. */
static void forge_run(const struct table_info *of_run, uint64_t number)
{
    for (uint32_t index = 0; index < forged.table_count; index += 1) {
        const struct table_info *table = &forged.tables[index];
        struct table_info info = *table;
        info.run = number;
        const bool is_of_run = table->tree == of_run->tree && table->level == of_run->level &&
                               table->run == of_run->run;
        if (is_of_run) EXPECT(forged_file_set(&forged, table, &info));
    }
}

/* A table of the newest of three runs or more, and one of the run after it. */
static const struct table_info *newest_of_three(const struct table_info **older)
{
    for (uint32_t index = 0; index < forged.table_count; index += 1) {
        const struct table_info *newest = &forged.tables[index];
        uint64_t run = newest->run;
        uint32_t count = 1;
        if (newest->level != 0) continue;
        for (uint32_t next = index + 1; next < forged.table_count; next += 1) {
            const struct table_info *table = &forged.tables[next];
            if (table->tree != newest->tree || table->level != 0) break;
            if (table->run == run) continue;
            run = table->run;
            count += 1;
            if (count == 2) *older = table;
        }
        if (count >= 3) return newest;
    }
    EXPECT(false);
    return NULL;
}

TEST(hostile, runs_that_no_history_made_are_corrupt_to_verify_as_well)
{
    begin_runs(4);
    const struct table_info *older = NULL;
    const struct table_info *newest = newest_of_three(&older);
    const uint64_t late = forged.beat_capture + 1;
    const char *const future = "a table's run is newer than the checkpoint that names it";
    forge_run(newest, run_number(late, true) + 1);
    expect_forged_corrupt(future);
    forge_run(newest, RUN_NUMBER_MAX);
    expect_forged_corrupt(future);

    forge_run(newest, run_number(late, newest->run % 2 == 1)); /* as new as a run can be */
    forged_file_write(&forged, fixture.disk);
    struct database_fixture clone;
    EXPECT(open_clone(&clone, 0) == TACTUS_OK);
    database_fixture_end(&clone);
    forged_file_reset(&forged);

    /* Three groups: neither of them is of the group that the oldest is of. */
    const uint64_t bit = older->run % 2;
    forge_run(older, older->run / 2 * 2 + 1 - bit);
    forge_run(newest, newest->run / 2 * 2 + bit);
    expect_forged_corrupt("a level has ");

    struct table_info info = *newest;
    info.snapshot_min = late + 1;
    EXPECT(forged_file_set(&forged, newest, &info));
    expect_forged_corrupt("a table is newer than the checkpoint that names it");
    end_runs();
}

/* What comes of one forgery: a reader may be told, a writer may be, and nothing else. */
static void expect_sane_tables(void)
{
    static struct care_verdict verdict;
    care_verify(fixture.disk, &verdict);
    const bool is_sound = verdict.status == TACTUS_OK;
    const bool is_read = expect_sane(TACTUS_READ_ONLY_OPEN, 0);
    struct database_fixture clone;
    enum tactus_status status = open_clone(&clone, 0);
    EXPECT(status == TACTUS_OK || is_refusal(status));
    if (is_sound) EXPECT(is_read && status == TACTUS_OK);
    if (status == TACTUS_OK) {
        status = insert_more(&clone, 100);
        EXPECT(status == TACTUS_OK || is_refusal(status));
        if (status != TACTUS_OK) EXPECT(tactus_error(clone.db)->text[0] != 0);
        if (is_sound) EXPECT(status == TACTUS_OK);
        work(&clone, 20);
    }
    database_fixture_end(&clone);
}

/* Files that lie about bounds and places of tables, or in their blocks; the checksums hold. What
 * verify finds no fault with works. */
TEST(hostile, forged_tables_of_several_runs_abort_nothing)
{
    const struct test_seeds seeds = test_seeds(40);
    begin_runs(4);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        struct random random;
        test_seed_begin(seed);
        random_init(&random, seed);
        forged_file_reset(&forged);
        const uint64_t changes = random_range(&random, 1, CHANGES_MAX);
        for (uint64_t change = 0; change < changes; change += 1)
            forged_file_change(&forged, &random);
        forged_file_write(&forged, fixture.disk);
        expect_sane_tables();
    }
    end_runs();
}

TEST_MAIN()
