/* Rot, sector by sector and bit by bit, in a small file that holds blocks of every type.
 *
 * For each damage two things are asked. Does verify say so: a fault, or, where a redundant copy
 * saves the day, a warning? And does a reader get the right answers or CORRUPT: never wrong ones,
 * never a crash? What an object holds follows from its number, so every answer can be judged.
 *
 * The places are spread over all bytes that the file means: superblock slots, live journal entries
 * and their redundant headers, blocks that the checkpoint holds. Every run takes other bits: a
 * stride from the seed. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "base/random.h"
#include "support/care_fixture.h"
#include "support/test.h"

#include "base/poison.h"

enum { SALES = 700, TAIL = 90, PLACES_MAX = 4096 };

/* A stretch of bytes that mean something. */
struct place {
    uint64_t byte, size;
    const char *name;
};

struct places {
    struct place items[PLACES_MAX];
    uint32_t count;
};

static struct simulated_disk *sound; /* the file, whole */
static struct places places;

static void add_place(const char *name, uint64_t byte, uint64_t size)
{
    EXPECT(places.count < PLACES_MAX);
    places.items[places.count] = (struct place){.byte = byte, .size = size, .name = name};
    places.count += 1;
}

static void add_journal(struct simulated_disk *disk, const struct layout *layout)
{
    enum tactus_status status;
    tactus_db *db = care_open(disk, true, &status);
    EXPECT(db != NULL);
    const uint64_t last = journal_op_last(&db->journal);
    for (uint64_t op = db->superblock.checkpoint.op_covered + 1; op <= last; op += 1) {
        const uint8_t *bytes = journal_headers_get(&db->journal.headers, op);
        EXPECT(bytes != NULL);
        const struct journal_header header = journal_header_decode(bytes);
        const uint64_t slot = op % (layout->journal_bytes / SECTOR_SIZE);
        add_place(
            "entry",
            layout->journal_offset + header.offset,
            journal_entry_rounded(header.size - JOURNAL_HEADER_SIZE)
        );
        add_place(
            "header", layout->headers_offset + slot * JOURNAL_HEADER_SIZE, JOURNAL_HEADER_SIZE
        );
    }
    care_close(db);
}

/* Blocks that are in use by the checkpoint: acquired and not released, and the free set's own. */
static void add_blocks(struct simulated_disk *disk, const struct layout *layout)
{
    static const char *const names[] = {
        "none", "free-set", "state", "schema", "manifest", "root", "leaf", "value", "filter"};
    enum tactus_status status;
    tactus_db *db = care_open(disk, true, &status);
    const struct checkpoint_state *checkpoint = &db->superblock.checkpoint;
    for (uint64_t address = 1; address <= checkpoint->block_count; address += 1) {
        const bool is_free = free_set_is_free(&db->grid.free_set, address);
        const struct free_set_words words = {
            .released = db->checkpoint.released,
            .acquired_count = checkpoint->acquired.size / 8,
            .released_count = checkpoint->released.size / 8,
        };
        const uint64_t word = (address - 1) / 64;
        const bool is_released = word < words.acquired_count &&
                                 (free_set_words_released(&words, word) >> (address - 1) % 64 & 1);
        if (is_free || is_released) continue;
        _Alignas(8) uint8_t block[4096];
        const uint64_t byte = layout_block_offset(layout, address);
        simulated_disk_peek(disk, byte, block, sizeof block);
        const struct block_header *header = block_header_read(block);
        EXPECT(header->type >= BLOCK_FREE_SET && header->type <= BLOCK_FILTER);
        add_place(names[header->type], byte, block_size_rounded(block));
    }
    care_close(db);
}

static void prepare(void)
{
    if (sound != NULL) return;
    sound = care_disk_filled(11, SALES, TAIL);
    const struct layout layout = care_layout(sound);
    for (uint32_t copy = 0; copy < SUPERBLOCK_COPIES; copy += 1) {
        add_place("superblock", layout_superblock_offset(copy), SUPERBLOCK_SLOT);
    }
    add_journal(sound, &layout);
    add_blocks(sound, &layout);
}

static const struct place *place_named(const char *name)
{
    for (uint32_t index = 0; index < places.count; index += 1) {
        if (strcmp(places.items[index].name, name) == 0) return &places.items[index];
    }
    return NULL;
}

static uint64_t hash_of(struct simulated_disk *disk)
{
    return simulated_disk_hash(disk);
}

/* ---- What must hold of every damaged file ---------------------------------------------------- */

static uint64_t reported, healed, refused, answered;

/* `must_report`: the damage lies where verify looks. */
static void judge(struct simulated_disk *disk, const char *name, uint64_t byte, bool must_report)
{
    static struct care_verdict verdict;
    const uint64_t before = hash_of(disk);
    care_verify(disk, &verdict);
    EXPECT(hash_of(disk) == before); /* it changes no byte */
    const bool is_fault = verdict.status == TACTUS_CORRUPT && verdict.fault_count > 0;
    const bool is_warning = verdict.status == TACTUS_OK && verdict.warning_count > 0;
    if (must_report && !is_fault && !is_warning) {
        (void)fprintf(
            stderr, "%s byte %llu: not reported\n%s", name, (unsigned long long)byte, verdict.lines
        );
        EXPECT(is_fault || is_warning);
    }
    if (is_fault) reported += 1;
    if (is_warning) healed += 1;

    enum tactus_status status;
    tactus_db *db = care_open(disk, true, &status);
    if (db == NULL) {
        EXPECT(status == TACTUS_CORRUPT);
        EXPECT(is_fault);
        refused += 1;
        return;
    }
    status = care_read_all(db, SALES, TAIL);
    if (status == TACTUS_OK) answered += 1;
    if (status != TACTUS_OK) {
        EXPECT(status == TACTUS_CORRUPT);
        EXPECT(is_fault);
        refused += 1;
    }
    care_close(db);
    db = care_open(disk, false, &status);
    if (db == NULL) {
        EXPECT(status == TACTUS_CORRUPT);
        EXPECT(is_fault);
        return;
    }
    status = care_read_all(db, SALES, TAIL);
    EXPECT(status == TACTUS_OK || (status == TACTUS_CORRUPT && is_fault));
    care_close(db);
}

static void counts_begin(void)
{
    reported = 0;
    healed = 0;
    refused = 0;
    answered = 0;
}

static void counts_show(const char *what, uint64_t total)
{
    (void)printf(
        "%s: %llu damaged files: %llu faults, %llu warnings; %llu answered right, %llu refused\n",
        what,
        (unsigned long long)total,
        (unsigned long long)reported,
        (unsigned long long)healed,
        (unsigned long long)answered,
        (unsigned long long)refused
    );
}

TEST(corruption, the_file_holds_every_block_type_and_is_sound)
{
    prepare();
    static const char *const names[] = {
        "superblock",
        "entry",
        "header",
        "free-set",
        "state",
        "schema",
        "manifest",
        "root",
        "leaf",
        "value",
        "filter"};
    for (uint32_t index = 0; index < sizeof names / sizeof names[0]; index += 1) {
        EXPECT(place_named(names[index]) != NULL);
    }
    static struct care_verdict verdict;
    care_verify(sound, &verdict);
    (void)fputs(verdict.lines, stdout);
    EXPECT(verdict.status == TACTUS_OK);
    EXPECT(verdict.warning_count == 0);
    enum tactus_status status;
    tactus_db *db = care_open(sound, true, &status);
    EXPECT(care_read_all(db, SALES, TAIL) == TACTUS_OK);
    care_close(db);
}

/* ---- Bits ------------------------------------------------------------------------------------ */

/* So many bits of each type of place, spread evenly over all bytes of that type, or more by
 * seeds. */
static void flip_bits(uint64_t seed, const char *name, uint64_t wanted)
{
    uint64_t total = 0;
    for (uint32_t index = 0; index < places.count; index += 1) {
        if (strcmp(places.items[index].name, name) == 0) total += places.items[index].size * 8;
    }
    struct random random;
    random_init(&random, seed);
    const uint64_t stride = total / wanted + 1;
    uint64_t next = random_below(&random, stride);
    uint64_t passed = 0;
    for (uint32_t index = 0; index < places.count; index += 1) {
        const struct place *place = &places.items[index];
        if (strcmp(place->name, name) != 0) continue;
        for (; next < passed + place->size * 8; next += stride) {
            const uint64_t byte = place->byte + (next - passed) / 8;
            struct simulated_disk *disk = simulated_disk_clone(sound);
            simulated_disk_flip(disk, byte, (uint32_t)(next % 8));
            judge(disk, name, byte, true);
            simulated_disk_free(disk);
        }
        passed += place->size * 8;
    }
}

TEST(corruption, every_flipped_bit_is_reported_and_no_answer_is_wrong)
{
    prepare();
    static const struct {
        const char *name;
        uint64_t bits;
    } kinds[] = {
        {"superblock", 60},
        {"entry", 80},
        {"header", 40},
        {"free-set", 60},
        {"state", 60},
        {"schema", 60},
        {"manifest", 80},
        {"root", 80},
        {"leaf", 80},
        {"value", 100},
        {"filter", 80}};
    const struct test_seeds seeds = test_seeds(1);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        for (uint32_t kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind += 1) {
            counts_begin();
            flip_bits(seed, kinds[kind].name, kinds[kind].bits);
            counts_show(kinds[kind].name, reported + healed);
        }
    }
}

/* ---- Sectors --------------------------------------------------------------------------------- */

enum sector_damage { SECTOR_ZEROS, SECTOR_ONES, SECTOR_RANDOM, SECTOR_OTHER, SECTOR_DAMAGES };

static void damage_sector(
    struct simulated_disk *disk, struct random *random, uint64_t byte, enum sector_damage damage
)
{
    uint8_t bytes[SECTOR_SIZE];
    const struct place *other = &places.items[random_below(random, places.count)];
    switch (damage) {
    case SECTOR_ZEROS: bytes_zero(bytes, sizeof bytes); break;
    case SECTOR_ONES: memset(bytes, 0xff, sizeof bytes); break;
    case SECTOR_RANDOM: random_fill(random, bytes, sizeof bytes); break;
    case SECTOR_OTHER:
    case SECTOR_DAMAGES:
        simulated_disk_peek(
            disk,
            (other->byte + random_below(random, other->size)) / SECTOR_SIZE * SECTOR_SIZE,
            bytes,
            sizeof bytes
        );
        break;
    }
    simulated_disk_poke(disk, byte, bytes, sizeof bytes);
}

TEST(corruption, every_lost_sector_is_reported_and_no_answer_is_wrong)
{
    prepare();
    const struct test_seeds seeds = test_seeds(1);
    const uint64_t quick = 500;
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        struct random random;
        random_init(&random, seed);
        counts_begin();
        uint64_t total = 0;
        for (uint64_t run = 0; run < quick; run += 1) {
            const struct place *place = &places.items[random_below(&random, places.count)];
            const uint64_t at = place->byte + random_below(&random, place->size);
            const uint64_t byte = at / SECTOR_SIZE * SECTOR_SIZE;
            struct simulated_disk *disk = simulated_disk_clone(sound);
            damage_sector(disk, &random, byte, (enum sector_damage)(run % SECTOR_DAMAGES));
            if (!simulated_disk_equal(disk, sound)) {
                judge(disk, place->name, byte, true);
                total += 1;
            }
            simulated_disk_free(disk);
        }
        counts_show("sectors", total);
    }
}

/* ---- Lengths --------------------------------------------------------------------------------- */

TEST(corruption, a_file_cut_at_any_length_is_refused)
{
    prepare();
    const uint64_t size = simulated_disk_size(sound);
    const struct layout layout = care_layout(sound);
    /* The file may have grown since its superblock was written. */
    const uint64_t needed = layout_file_size(&layout, care_superblock(sound).file_block_count);
    struct random random;
    random_init(&random, 5);
    static struct care_verdict verdict;
    for (uint32_t run = 0; run < 120; run += 1) {
        uint64_t length = random_below(&random, size);
        if (run < 20) length = run * 4096;
        if (run == 20) length = 1;
        if (run == 21) length = needed - 1;
        if (run == 22) length = needed;
        struct simulated_disk *disk = simulated_disk_clone(sound);
        simulated_disk_truncate(disk, length);
        enum tactus_status status;
        care_verify(disk, &verdict);
        tactus_db *db = care_open(disk, true, &status);
        if (length >= needed) {
            EXPECT(verdict.status == TACTUS_OK);
            EXPECT(db != NULL);
        } else {
            EXPECT(verdict.status == TACTUS_CORRUPT);
            EXPECT(db == NULL);
            EXPECT(status == TACTUS_CORRUPT);
            EXPECT(care_open(disk, false, &status) == NULL);
            EXPECT(status == TACTUS_CORRUPT);
        }
        if (db != NULL) care_close(db);
        simulated_disk_free(disk);
    }
}

TEST_MAIN()
