#include "database/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/integer.h"
#include "fuzz/reseal.h"
#include "lsm/table_layout.h"
#include "support/care_fixture.h"
#include "support/test.h"

#include "base/poison.h"

static struct care_verdict verdict;

static void expect_sound(struct simulated_disk *disk)
{
    care_verify(disk, &verdict);
    if (verdict.status != TACTUS_OK) (void)fputs(verdict.lines, stderr);
    EXPECT(verdict.status == TACTUS_OK);
    EXPECT(verdict.warning_count == 0);
}

static void expect_line(const char *words)
{
    if (strstr(verdict.lines, words) == NULL) {
        (void)fprintf(stderr, "wanted: %s\n%s", words, verdict.lines);
    }
    EXPECT(strstr(verdict.lines, words) != NULL);
}

/* ---- Sound files ----------------------------------------------------------------------------- */

TEST(verify, a_new_file_has_no_fault)
{
    struct simulated_disk *disk = care_disk_new(1);
    expect_sound(disk);
    expect_line("sale (checkpoint): 0 objects");
    simulated_disk_free(disk);
}

TEST(verify, a_filled_file_has_no_fault_and_is_not_changed)
{
    struct simulated_disk *disk = care_disk_filled(2, 3000, 200);
    const uint64_t hash = simulated_disk_hash(disk);
    expect_sound(disk);
    EXPECT(simulated_disk_hash(disk) == hash);
    expect_line("sale (checkpoint): 2400 objects");
    expect_line("note (checkpoint): 750 objects");
    expect_line("sale (with the journal): 2560 objects");
    expect_line("note (with the journal): 800 objects");
    simulated_disk_free(disk);
}

TEST(verify, a_file_that_history_checkpointed_has_no_fault_at_any_moment)
{
    struct simulated_disk *disk = care_disk_new(3);
    enum tactus_status status;
    for (uint64_t first = 0; first < 4000; first += 500) {
        tactus_db *db = care_open(disk, false, &status);
        EXPECT(db != NULL);
        care_insert(db, first, 500);
        if (first >= 1000) care_change(db, first - 1000, 500);
        care_close(db);
        expect_sound(disk);
    }
    simulated_disk_free(disk);
}

/* The power fails in the middle of commits that nobody waited for. */
TEST(verify, calls_a_torn_tail_a_warning)
{
    struct simulated_disk *disk = care_disk_filled(4, 400, 0);
    enum tactus_status status;
    tactus_db *db = care_open(disk, false, &status);
    care_insert(db, 400, 400);
    const struct simulated_crash crash = {.kind = SIMULATED_ALL_BUT, .mask = 3, .seed = 1};
    struct simulated_disk *after = simulated_disk_clone(disk);
    simulated_disk_crash(after, crash);
    care_verify(after, &verdict);
    EXPECT(verdict.status == TACTUS_OK);
    EXPECT(verdict.fault_count == 0);
    expect_line("a torn tail, never acknowledged");
    expect_line("redundant headers"); /* those of entries that nothing had made durable yet */
    care_close(db);
    simulated_disk_free(after);
    simulated_disk_free(disk);
}

/* ---- Files that are none --------------------------------------------------------------------- */

TEST(verify, names_what_is_no_data_file)
{
    const struct simulated_disk_options options = {.seed = 1, .size = 1 << 20};
    struct simulated_disk *disk = simulated_disk_new(&options);
    care_verify(disk, &verdict);
    EXPECT(verdict.status == TACTUS_CORRUPT);
    expect_line("zone=superblock");
    simulated_disk_free(disk);
}

TEST(verify, of_another_format_names_the_version)
{
    struct simulated_disk *disk = care_disk_new(5);
    for (uint32_t copy = 0; copy < SUPERBLOCK_COPIES; copy += 1) {
        struct superblock_disk bytes;
        const uint64_t byte = layout_superblock_offset(copy);
        simulated_disk_peek(disk, byte, &bytes, sizeof bytes);
        bytes.version = 99;
        checksum_store(
            bytes.checksum,
            checksum_of(
                (struct checksum){0},
                (uint8_t *)&bytes + SUPERBLOCK_CHECKSUM_FROM,
                sizeof bytes - SUPERBLOCK_CHECKSUM_FROM
            )
        );
        simulated_disk_poke(disk, byte, &bytes, sizeof bytes);
    }
    care_verify(disk, &verdict);
    EXPECT(verdict.status == TACTUS_VERSION);
    expect_line("99");
    simulated_disk_free(disk);
}

/* ---- Bytes that are wrong, and whose checksums hold ------------------------------------------ */

/* An image of the disk's file, to be changed and sealed again. */
struct forgery {
    struct simulated_disk *disk;
    struct layout layout;
    uint8_t *bytes;
    uint64_t size;
};

static struct forgery forge(struct simulated_disk *disk)
{
    struct forgery forgery = {
        .disk = simulated_disk_clone(disk),
        .layout = care_layout(disk),
        .size = simulated_disk_size(disk),
    };
    forgery.bytes = malloc(forgery.size);
    EXPECT(forgery.bytes != NULL);
    simulated_disk_peek(disk, 0, forgery.bytes, forgery.size);
    return forgery;
}

static void seal_and_verify(struct forgery *forgery)
{
    reseal_image(forgery->bytes, forgery->size);
    simulated_disk_poke(forgery->disk, 0, forgery->bytes, forgery->size);
    care_verify(forgery->disk, &verdict);
}

static void forgery_end(struct forgery *forgery)
{
    simulated_disk_free(forgery->disk);
    free(forgery->bytes);
}

static uint8_t *block_at(const struct forgery *forgery, uint64_t address)
{
    return forgery->bytes + layout_block_offset(&forgery->layout, address);
}

/* The tree of that name in the open file, and the root of one of its tables. */
static uint64_t table_root(struct simulated_disk *disk, uint32_t tree, uint8_t *level)
{
    enum tactus_status status;
    tactus_db *db = care_open(disk, true, &status);
    EXPECT(db != NULL);
    uint64_t address = 0;
    for (uint8_t at = 0; at < LEVELS && address == 0; at += 1) {
        const struct tree *of_db = &db->forest.trees[tree - 1];
        const struct table_info *table = manifest_level_first(&of_db->manifest.levels[at]);
        if (table == NULL) continue;
        address = table->address;
        *level = at;
    }
    EXPECT(address != 0);
    care_close(db);
    return address;
}

/* Address of the first value block below a root: leaves and value blocks are found as readers
 * do. */
static uint64_t first_value(const struct forgery *forgery, uint64_t root, uint64_t *leaf)
{
    const uint8_t *block = block_at(forgery, root);
    const uint64_t key_bytes = load_u32(block + 60);
    *leaf = load_u64(block + BLOCK_HEADER_SIZE + load_u32(block + 56) * key_bytes);
    const uint8_t *of_leaf = block_at(forgery, *leaf);
    return load_u64(of_leaf + BLOCK_HEADER_SIZE + 2 * load_u32(of_leaf + 56) * key_bytes);
}

/* Trees: 1 sales, 2 their ids, 3 customer, 4 country, 5 customer_at, 6 notes, 7 words, 8 stock. */
enum { SALES = 1, IDS = 2, CUSTOMER = 3, COUNTRY = 4, CUSTOMER_AT = 5, NOTES = 6, STOCK = 8 };

TEST(verify, an_image_sealed_again_is_as_sound_as_before)
{
    struct simulated_disk *disk = care_disk_filled(6, 600, 60);
    struct forgery forgery = forge(disk);
    seal_and_verify(&forgery);
    if (verdict.status != TACTUS_OK) (void)fputs(verdict.lines, stderr);
    EXPECT(verdict.status == TACTUS_OK);
    forgery_end(&forgery);
    simulated_disk_free(disk);
}

TEST(verify, names_records_that_do_not_ascend)
{
    struct simulated_disk *disk = care_disk_filled(7, 600, 0);
    uint8_t level = 0;
    const uint64_t root = table_root(disk, IDS, &level);
    struct forgery forgery = forge(disk);
    uint64_t leaf;
    const uint64_t value = first_value(&forgery, root, &leaf);
    store_u64(block_at(&forgery, value) + BLOCK_HEADER_SIZE + 16, 0); /* the second id */
    seal_and_verify(&forgery);
    EXPECT(verdict.status == TACTUS_CORRUPT);
    char words[64];
    (void)snprintf(
        words,
        sizeof words,
        "block=%llu type=value tree=2 level=%u",
        (unsigned long long)value,
        (unsigned)level
    );
    expect_line(words);
    expect_line("sale id keys=");
    expect_line("do not ascend");
    forgery_end(&forgery);
    simulated_disk_free(disk);
}

TEST(verify, names_objects_that_their_fields_cannot_hold)
{
    struct simulated_disk *disk = care_disk_filled(8, 600, 0);
    uint8_t level;
    const uint64_t root = table_root(disk, SALES, &level);
    struct forgery forgery = forge(disk);
    uint64_t leaf;
    const uint64_t value = first_value(&forgery, root, &leaf);
    uint8_t *object = block_at(&forgery, value) + BLOCK_HEADER_SIZE;
    object[offsetof(struct care_sale, country)] = 0xff; /* no UTF-8 */
    seal_and_verify(&forgery);
    EXPECT(verdict.status == TACTUS_CORRUPT);
    EXPECT(verdict.fault_count >= 1);
    expect_line("tree=1");
    forgery_end(&forgery);
    simulated_disk_free(disk);
}

/* Records of a map: u64 key, u64 flag word, i32 count, bool, text(9), two bytes of padding. */
TEST(verify, names_records_of_a_map_that_cannot_be)
{
    static const struct {
        uint32_t offset;
        uint8_t value;
        const char *what;
    } forgeries[] = {
        {8, 1, "the flag word of a map's record is not zero"},
        {15, 0x40, "the flag word of a map's record is not zero"},
        {15, 0x80, "a tombstone holds more than its key"},
        {20, 2, "bool is neither 0 nor 1"},
        {21, 0xff, "text is not UTF-8"},
        {29, 'x', "text goes on behind its zero byte"},
        {30, 1, "padding is not zero"},
    };
    struct simulated_disk *disk = care_disk_filled(23, 600, 0);
    uint8_t level;
    const uint64_t root = table_root(disk, STOCK, &level);
    for (uint32_t index = 0; index < sizeof forgeries / sizeof forgeries[0]; index += 1) {
        struct forgery forgery = forge(disk);
        uint64_t leaf;
        const uint64_t value = first_value(&forgery, root, &leaf);
        uint8_t *record = block_at(&forgery, value) + BLOCK_HEADER_SIZE;
        EXPECT(load_u64(record + 8) == 0); /* alive */
        record[forgeries[index].offset] = forgeries[index].value;
        seal_and_verify(&forgery);
        EXPECT(verdict.status == TACTUS_CORRUPT);
        expect_line("tree=8");
        expect_line("stock keys=");
        expect_line(forgeries[index].what);
        forgery_end(&forgery);
    }
    struct forgery forgery = forge(disk);
    uint64_t leaf;
    const uint64_t value = first_value(&forgery, root, &leaf);
    store_u64(block_at(&forgery, value) + BLOCK_HEADER_SIZE + 32, 0); /* the second key */
    seal_and_verify(&forgery);
    EXPECT(verdict.status == TACTUS_CORRUPT);
    expect_line("stock keys=");
    expect_line("do not ascend");
    forgery_end(&forgery);
    simulated_disk_free(disk);
}

/* The first filter block of a table of ids. */
static uint64_t first_filter(const struct forgery *forgery, uint64_t root)
{
    const uint8_t *block = block_at(forgery, root);
    const uint64_t key_bytes = load_u32(block + 60);
    EXPECT(load_u32(block + 64) > 0);
    return load_u64(block + BLOCK_HEADER_SIZE + load_u32(block + 56) * (key_bytes + 32));
}

static void expect_filter_line(uint64_t address, const char *what)
{
    char words[64];
    (void
    )snprintf(words, sizeof words, "block=%llu type=filter tree=2", (unsigned long long)address);
    expect_line(words);
    expect_line("sale id keys=");
    expect_line(what);
}

TEST(verify, names_a_filter_that_hides_a_key)
{
    struct simulated_disk *disk = care_disk_filled(16, 600, 0);
    uint8_t level;
    const uint64_t root = table_root(disk, IDS, &level);
    struct forgery forgery = forge(disk);
    const uint64_t filter = first_filter(&forgery, root);
    uint8_t *bits = block_at(&forgery, filter) + BLOCK_HEADER_SIZE;
    uint32_t word = 0;
    while (load_u64(bits + word * 8) == 0)
        word += 1;
    store_u64(bits + word * 8, load_u64(bits + word * 8) & (load_u64(bits + word * 8) - 1));
    seal_and_verify(&forgery);
    EXPECT(verdict.status == TACTUS_CORRUPT);
    EXPECT(verdict.fault_count == 1); /* once a table, however many keys it hides */
    expect_filter_line(filter, "the filter does not know a key of its table, and hides it");
    forgery_end(&forgery);

    forgery = forge(disk); /* a bit too many costs reads, and hides nothing */
    bits = block_at(&forgery, filter) + BLOCK_HEADER_SIZE;
    const uint64_t before = load_u64(bits);
    store_u64(bits, before | (before + 1));
    seal_and_verify(&forgery);
    EXPECT(verdict.status == TACTUS_OK);
    forgery_end(&forgery);
    simulated_disk_free(disk);
}

TEST(verify, names_a_filter_of_another_size_than_its_table_asks_for)
{
    struct simulated_disk *disk = care_disk_filled(17, 600, 0);
    uint8_t level;
    const uint64_t root = table_root(disk, IDS, &level);
    struct forgery forgery = forge(disk);
    const uint64_t filter = first_filter(&forgery, root);
    uint8_t *block = block_at(&forgery, filter);
    store_u32(block + 64, load_u32(block + 64) + 1); /* buckets of the whole */
    seal_and_verify(&forgery);
    EXPECT(verdict.status == TACTUS_CORRUPT);
    EXPECT(verdict.fault_count == 1); /* its keys are not sought in it */
    expect_filter_line(filter, "filter block holds other buckets than its table's records ask for");
    forgery_end(&forgery);

    forgery = forge(disk);
    store_u32(block_at(&forgery, root) + 64, 0); /* filter blocks of the table */
    seal_and_verify(&forgery);
    EXPECT(verdict.status == TACTUS_CORRUPT);
    expect_line("number of filter blocks of a table is not its records'");
    forgery_end(&forgery);
    simulated_disk_free(disk);
}

/* Whoever forges a filter gets wrong answers of his own making, and never a crash. */
TEST(verify, of_filters_that_hide_everything_leaves_a_file_that_can_be_worked_with)
{
    struct simulated_disk *disk = care_disk_filled(18, 600, 60);
    struct forgery forgery = forge(disk);
    const uint64_t blocks = (forgery.size - forgery.layout.grid_offset) / 4096;
    uint32_t emptied = 0;
    for (uint64_t address = 1; address <= blocks; address += 1) {
        uint8_t *block = block_at(&forgery, address);
        if (block[54] != BLOCK_FILTER) continue;
        bytes_zero(block + BLOCK_HEADER_SIZE, 4096 - BLOCK_HEADER_SIZE);
        emptied += 1;
    }
    EXPECT(emptied > 0);
    seal_and_verify(&forgery);
    EXPECT(verdict.status == TACTUS_CORRUPT);
    expect_line("hides it");

    enum tactus_status status;
    tactus_db *db = care_open(forgery.disk, false, &status);
    EXPECT(db != NULL);
    care_insert(db, 1000, 600);
    care_insert(db, 0, 200); /* of which most are there, and are not found to be */
    care_change(db, 1000, 600);
    care_close(db);
    db = care_open(forgery.disk, false, &status);
    EXPECT(db != NULL);
    care_close(db);
    forgery_end(&forgery);
    simulated_disk_free(disk);
}

TEST(verify, names_an_index_entry_that_leads_to_another_value)
{
    struct simulated_disk *disk = care_disk_filled(9, 600, 0);
    uint8_t level;
    const uint64_t root = table_root(disk, SALES, &level);
    struct forgery forgery = forge(disk);
    uint64_t leaf;
    const uint64_t value = first_value(&forgery, root, &leaf);
    uint8_t *object = block_at(&forgery, value) + BLOCK_HEADER_SIZE;
    store_u32(object + offsetof(struct care_sale, customer), 4711);
    seal_and_verify(&forgery);
    EXPECT(verdict.status == TACTUS_CORRUPT);
    EXPECT(verdict.fault_count == 4); /* missing and left over, in two indexes */
    expect_line("sale index customer (checkpoint): timestamp");
    expect_line("the object has no entry in the index");
    expect_line("the entry leads to an object of another value");
    expect_line("sale index customer_at");
    forgery_end(&forgery);
    simulated_disk_free(disk);
}

TEST(verify, names_a_hash_that_is_not_of_its_object)
{
    struct simulated_disk *disk = care_disk_filled(9, 600, 0);
    uint8_t level;
    const uint64_t root = table_root(disk, NOTES, &level);
    struct forgery forgery = forge(disk);
    uint64_t leaf;
    const uint64_t value = first_value(&forgery, root, &leaf);
    uint8_t *object = block_at(&forgery, value) + BLOCK_HEADER_SIZE;
    object[offsetof(struct care_note, words)] ^= 1;
    seal_and_verify(&forgery);
    EXPECT(verdict.status == TACTUS_CORRUPT);
    EXPECT(verdict.fault_count == 2); /* missing and left over */
    expect_line("note index words (checkpoint): timestamp");
    expect_line("the object has no entry in the index");
    expect_line("the entry leads to an object of another value");
    forgery_end(&forgery);
    simulated_disk_free(disk);
}

TEST(verify, names_an_id_that_leads_to_no_object)
{
    struct simulated_disk *disk = care_disk_filled(10, 600, 0);
    uint8_t level;
    const uint64_t root = table_root(disk, IDS, &level);
    struct forgery forgery = forge(disk);
    uint64_t leaf;
    const uint64_t value = first_value(&forgery, root, &leaf);
    uint8_t *record = block_at(&forgery, value) + BLOCK_HEADER_SIZE;
    while ((load_u64(record + 8) & RECORD_TOMBSTONE) != 0)
        record += 16;
    store_u64(record + 8, 1); /* the first sale, which was removed */
    seal_and_verify(&forgery);
    EXPECT(verdict.status == TACTUS_CORRUPT);
    expect_line("sale id (checkpoint): timestamp 1: the entry leads to no object");
    expect_line("the object's id does not lead to it");
    forgery_end(&forgery);
    simulated_disk_free(disk);
}

TEST(verify, names_a_block_that_two_references_lead_to)
{
    struct simulated_disk *disk = care_disk_filled(11, 3000, 0);
    uint8_t level;
    const uint64_t root = table_root(disk, SALES, &level);
    struct forgery forgery = forge(disk);
    uint64_t leaf;
    const uint64_t value = first_value(&forgery, root, &leaf);
    uint8_t *of_leaf = block_at(&forgery, leaf);
    EXPECT(load_u32(of_leaf + 56) > 1);
    uint8_t *addresses = of_leaf + BLOCK_HEADER_SIZE + 2 * load_u32(of_leaf + 56) * 8;
    store_u64(addresses + 8, value);
    seal_and_verify(&forgery);
    EXPECT(verdict.status == TACTUS_CORRUPT);
    expect_line("two references lead to the block");
    forgery_end(&forgery);
    simulated_disk_free(disk);
}

TEST(verify, names_blocks_that_the_free_set_is_wrong_about)
{
    struct simulated_disk *disk = care_disk_filled(12, 600, 0);
    const struct checkpoint_state checkpoint = care_superblock(disk).checkpoint;
    uint8_t level;
    const uint64_t root = table_root(disk, SALES, &level);
    struct forgery forgery = forge(disk);
    uint8_t *words = block_at(&forgery, checkpoint.acquired.last.address) + BLOCK_HEADER_SIZE;
    const uint64_t bit = root - 1;
    store_u64(words + bit / 64 * 8, load_u64(words + bit / 64 * 8) & ~(UINT64_C(1) << (bit % 64)));
    seal_and_verify(&forgery);
    EXPECT(verdict.status == TACTUS_CORRUPT);
    EXPECT(verdict.fault_count == 1);
    expect_line("the block is in use, and free in the free set");
    forgery_end(&forgery);

    /* A released block that is not: it is never written again. */
    forgery = forge(disk);
    uint8_t *released = block_at(&forgery, checkpoint.released.last.address) + BLOCK_HEADER_SIZE;
    uint64_t word = 0;
    while (load_u64(released + word * 8) == 0) {
        word += 1;
    }
    store_u64(
        released + word * 8, load_u64(released + word * 8) & (load_u64(released + word * 8) - 1)
    );
    seal_and_verify(&forgery);
    EXPECT(verdict.status == TACTUS_CORRUPT);
    EXPECT(verdict.fault_count == 1);
    expect_line("leaked: the block is acquired, and nothing refers to it");
    forgery_end(&forgery);
    simulated_disk_free(disk);
}

enum { KEEP = 3 };

/* A file with blocks in each of its generations, and the words of one of them. */
static struct simulated_disk *disk_with_generations(void)
{
    struct simulated_disk *disk = care_disk_keeping(21, KEEP);
    enum tactus_status status;
    for (uint64_t first = 0; first < 3000; first += 500) {
        tactus_db *db = care_open(disk, false, &status);
        EXPECT(db != NULL);
        care_insert(db, first, 500);
        care_change(db, first, 500);
        EXPECT(tactus_checkpoint(db) == TACTUS_OK);
        care_close(db);
    }
    expect_sound(disk);
    return disk;
}

static uint8_t *generation_at(const struct forgery *forgery, uint32_t generation)
{
    const struct superblock_disk *disk = (const struct superblock_disk *)forgery->bytes;
    uint8_t *words = block_at(forgery, disk->released.last.address) + BLOCK_HEADER_SIZE;
    EXPECT(disk->released.size > (KEEP - 1) * disk->acquired.size);
    return words + generation * disk->acquired.size;
}

/* Verify names it, and an open refuses it in the same words, also one that writes nothing. */
static void expect_generations_refused(struct forgery *forgery, const char *words)
{
    seal_and_verify(forgery);
    EXPECT(verdict.status == TACTUS_CORRUPT);
    expect_line(words);
    expect_line("type=free-set");
    for (uint32_t read_only = 0; read_only < 2; read_only += 1) {
        enum tactus_status status = TACTUS_OK;
        EXPECT(care_open(forgery->disk, read_only == 1, &status) == NULL);
        EXPECT(status == TACTUS_CORRUPT);
    }
    forgery_end(forgery);
}

TEST(verify, names_generations_of_released_blocks_that_cannot_be)
{
    struct simulated_disk *disk = disk_with_generations();
    struct forgery forgery = forge(disk);
    for (uint32_t generation = 0; generation < KEEP; generation += 1) {
        EXPECT(load_u64(generation_at(&forgery, generation)) != 0);
    }
    uint8_t *words = generation_at(&forgery, 2);
    const uint64_t oldest = load_u64(generation_at(&forgery, 0));
    store_u64(words, load_u64(words) | (oldest & -oldest));
    expect_generations_refused(&forgery, "the free set has a block that was released twice");

    forgery = forge(disk);
    const struct superblock_disk *superblock = (const struct superblock_disk *)forgery.bytes;
    const uint8_t *acquired =
        block_at(&forgery, superblock->acquired.last.address) + BLOCK_HEADER_SIZE;
    uint64_t word = 0;
    while (load_u64(acquired + word * 8) == UINT64_MAX)
        word += 1;
    EXPECT(word < superblock->acquired.size / 8);
    words = generation_at(&forgery, 1) + word * 8;
    store_u64(words, load_u64(words) | ~load_u64(acquired + word * 8));
    expect_generations_refused(&forgery, "the free set has released blocks that are free");

    /* More of them than the file keeps. */
    forgery = forge(disk);
    for (uint32_t copy = 0; copy < SUPERBLOCK_COPIES; copy += 1) {
        const uint64_t byte = layout_superblock_offset(copy);
        ((struct superblock_disk *)(forgery.bytes + byte))->keep = KEEP - 1;
    }
    expect_generations_refused(&forgery, "more released blocks than keep allows");
    simulated_disk_free(disk);
}

TEST(verify, a_block_that_is_missing_from_any_generation_leaks)
{
    struct simulated_disk *disk = disk_with_generations();
    for (uint32_t generation = 0; generation < KEEP; generation += 1) {
        struct forgery forgery = forge(disk);
        uint8_t *words = generation_at(&forgery, generation);
        store_u64(words, load_u64(words) & (load_u64(words) - 1));
        seal_and_verify(&forgery);
        EXPECT(verdict.fault_count == 1);
        expect_line("leaked: the block is acquired, and nothing refers to it");
        forgery_end(&forgery);
    }
    simulated_disk_free(disk);
}

TEST(verify, names_tables_that_overlap)
{
    struct simulated_disk *disk = care_disk_filled(13, 3100, 0);
    const struct checkpoint_state checkpoint = care_superblock(disk).checkpoint;
    struct forgery forgery = forge(disk);
    uint64_t address = checkpoint.manifest_newest.address;
    for (uint64_t left = checkpoint.manifest_block_count; left > 0; left -= 1) {
        uint8_t *block = block_at(&forgery, address);
        const uint32_t count = load_u32(block + 56 + 32);
        for (uint32_t index = 0; index < count; index += 1) {
            bytes_zero(block + BLOCK_HEADER_SIZE + index * 128, 24); /* key_min */
        }
        address = load_u64(block + 56);
    }
    seal_and_verify(&forgery);
    EXPECT(verdict.status == TACTUS_CORRUPT);
    expect_line("type=root");
    forgery_end(&forgery);
    simulated_disk_free(disk);
}

/* Dates every table of the log's inserts and updates, and makes them events of this kind; 0: leaves
 * them what they are. */
static void date_tables(
    const struct forgery *forgery,
    const struct checkpoint_state *checkpoint,
    uint64_t snapshot_min,
    uint64_t snapshot_max,
    uint8_t kind
)
{
    uint64_t address = checkpoint->manifest_newest.address;
    for (uint64_t left = checkpoint->manifest_block_count; left > 0; left -= 1) {
        uint8_t *block = block_at(forgery, address);
        struct manifest_entry *entries = (void *)(block + BLOCK_HEADER_SIZE);
        for (uint32_t index = 0; index < manifest_block_entry_count(block); index += 1) {
            if (entries[index].event == MANIFEST_REMOVE) continue;
            entries[index].snapshot_min = snapshot_min;
            entries[index].snapshot_max = snapshot_max;
            if (kind != 0) entries[index].event = kind;
        }
        address = load_u64(block + 56);
    }
}

TEST(verify, names_tables_that_no_beat_before_the_next_can_have_made)
{
    struct simulated_disk *disk = care_disk_filled(14, 900, 60);
    const struct checkpoint_state checkpoint = care_superblock(disk).checkpoint;
    const uint64_t next = checkpoint.beat_capture + 1;
    const struct {
        uint64_t snapshot_min, snapshot_max;
        uint8_t kind;
        const char *words; /* NULL: a reader takes it */
    } forgeries[] = {
        {next, UINT64_MAX, 0, NULL},
        {next + 1, UINT64_MAX, 0, "a table is newer than the checkpoint that names it"},
        {UINT64_MAX, UINT64_MAX, 0, "a table is newer than the checkpoint that names it"},
        {1, next - 1, MANIFEST_UPDATE, "a table that was replaced was never removed"},
        {1, next + 9, MANIFEST_UPDATE, "a table that was replaced was never removed"},
        {1, next - 1, MANIFEST_INSERT, "an event of the manifest log does not fit"},
        {9, 8, 0, "a table of the manifest log was never seen"},
    };
    for (uint32_t index = 0; index < COUNT_OF(forgeries); index += 1) {
        const bool is_taken = forgeries[index].words == NULL;
        struct forgery forgery = forge(disk);
        date_tables(
            &forgery,
            &checkpoint,
            forgeries[index].snapshot_min,
            forgeries[index].snapshot_max,
            forgeries[index].kind
        );
        seal_and_verify(&forgery);
        EXPECT(verdict.status == TACTUS_CORRUPT);
        if (!is_taken) expect_line(forgeries[index].words);
        for (uint32_t read_only = 0; read_only < 2; read_only += 1) {
            enum tactus_status status;
            tactus_db *db = care_open(forgery.disk, read_only > 0, &status);
            EXPECT(status == (is_taken ? TACTUS_OK : TACTUS_CORRUPT));
            if (is_taken) EXPECT(care_read_all(db, 900, 60) == TACTUS_OK);
            if (is_taken) care_close(db);
        }
        forgery_end(&forgery);
    }
    simulated_disk_free(disk);
}

TEST(verify, names_an_entry_of_the_wrong_beat_and_events_that_are_none)
{
    struct simulated_disk *disk = care_disk_filled(14, 200, 200);
    const struct checkpoint_state checkpoint = care_superblock(disk).checkpoint;
    struct forgery forgery = forge(disk);
    uint8_t *entry = forgery.bytes + forgery.layout.journal_offset + checkpoint.journal_offset;
    store_u64(entry + 120, load_u64(entry + 120) + 1);
    seal_and_verify(&forgery);
    EXPECT(verdict.status == TACTUS_CORRUPT);
    expect_line("of another beat than its history says");
    forgery_end(&forgery);

    forgery = forge(disk);
    entry = forgery.bytes + forgery.layout.journal_offset + checkpoint.journal_offset;
    store_u16(entry + JOURNAL_HEADER_SIZE + 2, 7); /* a collection that is not there */
    seal_and_verify(&forgery);
    EXPECT(verdict.status == TACTUS_CORRUPT);
    expect_line("zone=journal");
    expect_line("an event names a collection that the schema does not have");
    forgery_end(&forgery);
    simulated_disk_free(disk);
}

/* ---- Copies (S1): nothing writes them yet, but references may name them ---------------------- */

/* Gives the newest block of the manifest log a copy, in a block that was released; its address. In
 * one of an old trailer: sealing follows references, and events still name tables that are gone. */
static uint64_t forge_copy(struct forgery *forgery)
{
    struct superblock_disk *disk = (struct superblock_disk *)(void *)forgery->bytes;
    uint8_t *released = block_at(forgery, disk->released.last.address) + BLOCK_HEADER_SIZE;
    uint64_t bit = 0;
    while ((released[bit / 8] >> bit % 8 & 1) == 0 || block_at(forgery, bit + 1)[54] > BLOCK_STATE
    ) {
        bit += 1;
    }
    const uint64_t copy = bit + 1;
    released[bit / 8] &= (uint8_t) ~(1U << bit % 8);
    bytes_copy(block_at(forgery, copy), block_at(forgery, disk->manifest_newest.address), 4096);
    disk->manifest_newest.copy_address = copy;
    if (disk->manifest_block_count == 1) disk->manifest_oldest.copy_address = copy;
    return copy;
}

TEST(verify, calls_damage_that_a_copy_heals_a_warning)
{
    struct simulated_disk *disk = care_disk_filled(15, 1500, 0);
    const uint64_t newest = care_superblock(disk).checkpoint.manifest_newest.address;
    struct forgery forgery = forge(disk);
    const uint64_t copy = forge_copy(&forgery);
    seal_and_verify(&forgery);
    if (verdict.status != TACTUS_OK) (void)fputs(verdict.lines, stderr);
    EXPECT(verdict.status == TACTUS_OK);
    EXPECT(verdict.warning_count == 0);

    const uint64_t damaged[] = {newest, copy};
    for (uint32_t index = 0; index < COUNT_OF(damaged); index += 1) {
        const uint64_t byte = layout_block_offset(&forgery.layout, damaged[index]) + 555;
        simulated_disk_flip(forgery.disk, byte, 1);
        care_verify(forgery.disk, &verdict);
        EXPECT(verdict.status == TACTUS_OK);
        EXPECT(verdict.warning_count == 1);
        expect_line("a redundant copy is good");
        enum tactus_status status;
        tactus_db *db = care_open(forgery.disk, true, &status);
        EXPECT(db != NULL);
        EXPECT(care_read_all(db, 1500, 0) == TACTUS_OK);
        care_close(db);
        simulated_disk_flip(forgery.disk, byte, 1);
    }
    for (uint32_t index = 0; index < COUNT_OF(damaged); index += 1) {
        const uint64_t byte = layout_block_offset(&forgery.layout, damaged[index]) + 555;
        simulated_disk_flip(forgery.disk, byte, 1);
    }
    care_verify(forgery.disk, &verdict);
    EXPECT(verdict.status == TACTUS_CORRUPT);
    expect_line("type=manifest");
    forgery_end(&forgery);
    simulated_disk_free(disk);
}

/* ---- Bounds ---------------------------------------------------------------------------------- */

TEST(verify, shows_a_bounded_number_of_lines)
{
    struct report report;
    report_begin(&report, care_report, &verdict);
    verdict = (struct care_verdict){0};
    for (uint32_t count = 0; count < REPORT_LINES_MAX + 7; count += 1) {
        report_line(&report, count % 2 == 0 ? TACTUS_FAULT : TACTUS_WARNING, "line %u", count);
    }
    EXPECT(report_is_full(&report));
    EXPECT(verdict.fault_count + verdict.warning_count == REPORT_LINES_MAX);
    EXPECT(report.fault_count + report.warning_count == REPORT_LINES_MAX + 7);
    EXPECT(strcmp(report.first, "line 0") == 0);
    verdict = (struct care_verdict){0};
    report_end(&report);
    expect_line("7 more faults and warnings are not shown");
}

TEST(verify, refuses_what_it_cannot_do_in_words)
{
    struct tactus_error error;
    struct tactus_verify_options options = {.struct_bytes = 3};
    EXPECT(tactus_verify(NULL, NULL, NULL, NULL, &error) == TACTUS_MISUSE);
    EXPECT(tactus_verify("nothing", &options, NULL, NULL, &error) == TACTUS_MISUSE);
    EXPECT(tactus_verify(":memory:", NULL, NULL, NULL, &error) == TACTUS_MISUSE);
    EXPECT(tactus_verify("there-is-no-such-file", NULL, NULL, NULL, &error) == TACTUS_IO);
    EXPECT(error.text[0] != 0);
    EXPECT(tactus_verify("there-is-no-such-file", NULL, NULL, NULL, NULL) == TACTUS_IO);
}

TEST_MAIN()
