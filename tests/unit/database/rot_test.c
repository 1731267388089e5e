/* One bit of a block has flipped before the file is opened: every access that meets it names the
 * block, every time, and all the rest is there; so with cursors that read ahead, and with commits
 * whose compaction wants the block. Bits of all that is in a file: tests/sim/corruption_test.c. */
#include <stdio.h>
#include <string.h>

#include "base/integer.h"
#include "base/random.h"
#include "support/database_fixture.h"
#include "support/test.h"

#include "base/poison.h"

static struct database_fixture fixture;

enum { ROT_ITEMS = 1600, ROT_OTHERS = 300, BLOCKS_MAX = 4096, ACCESSES_MAX = 64 };

static const struct {
    const char *where, *order;
} rot_queries[] = {
    {NULL, NULL},
    {NULL, "-timestamp"},
    {NULL, "kind"},
    {NULL, "-kind"},
    {"rank != 0", "rank"},
    {"name = 'name 7'", NULL},
    {"kind = 3 and rank = 1", NULL},
    {"kind = 4 and rank = -2", "-timestamp"},
};

struct rot_block {
    uint64_t address, byte;
    uint32_t size;
};

static struct rot_block rot_blocks[BLOCKS_MAX];
static uint32_t rot_block_count;
static char rot_name[40]; /* "block=7 ", of the one that is damaged now */

static void rot_insert_others(void)
{
    for (uint64_t first = 0; first < ROT_OTHERS; first += 20) {
        struct fixture_pair pairs[20] = {0};
        struct fixture_entry entries[20] = {0};
        for (uint64_t index = 0; index < 20; index += 1) {
            pairs[index].id = (struct tactus_u128){.low = first + index, .high = 9};
            pairs[index].flag = (uint8_t)(1 + index % 3);
            entries[index].at = (int64_t)(first + index);
        }
        tactus_txn *txn = database_fixture_txn(&fixture);
        EXPECT(tactus_insert(txn, fixture.pairs, pairs, 20, NULL) == TACTUS_OK);
        EXPECT(tactus_insert(txn, fixture.entries, entries, 20, NULL) == TACTUS_OK);
        EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    }
}

/* A file whose blocks are all on disk, more of them than the cache holds; and where they are. */
static void rot_begin(void)
{
    database_fixture_begin(&fixture, 1);
    for (uint64_t first = 0; first < ROT_ITEMS; first += FIXTURE_BATCH) {
        const uint64_t id = 1 + first;
        const uint32_t kind = 1 + (uint32_t)(first / FIXTURE_BATCH % 7);
        EXPECT(database_fixture_insert(&fixture, id, FIXTURE_BATCH, kind) == TACTUS_OK);
    }
    rot_insert_others();
    EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
    rot_block_count = 0;
    const struct free_set *free_set = &fixture.db->grid.free_set;
    for (uint64_t address = 1; address <= free_set_highest_acquired(free_set); address += 1) {
        if (free_set_is_free(free_set, address)) continue;
        if (free_set_effects_left(free_set, address) == 1) continue;
        _Alignas(8) uint8_t block[4096];
        const uint64_t byte = layout_block_offset(&fixture.db->layout, address);
        simulated_disk_peek(fixture.disk, byte, block, sizeof block);
        const uint8_t type = block_header_read(block)->type;
        if (type != BLOCK_ROOT && type != BLOCK_LEAF && type != BLOCK_VALUE) continue;
        EXPECT(rot_block_count < BLOCKS_MAX);
        const uint32_t size = block_header_read(block)->size;
        rot_blocks[rot_block_count] =
            (struct rot_block){.address = address, .byte = byte, .size = size};
        rot_block_count += 1;
    }
    EXPECT(rot_block_count > 100);
    EXPECT(database_fixture_close(&fixture) == TACTUS_OK);
}

/* OK, or CORRUPT in words that name the block. */
static void expect_sound_or_named(
    const struct database_fixture *clone, enum tactus_status status, const char *what
)
{
    if (status == TACTUS_OK) return;
    const struct tactus_error *error = tactus_error(clone->db);
    const bool named = strstr(error->text, rot_name) != NULL;
    if (status != TACTUS_CORRUPT || !named) {
        printf("rot: %s %s: %d \"%s\"\n", rot_name, what, (int)status, error->text);
    }
    EXPECT(status == TACTUS_CORRUPT);
    EXPECT(error->status == TACTUS_CORRUPT);
    EXPECT(named);
}

static enum tactus_status get_one(const struct database_fixture *clone, uint64_t id)
{
    struct fixture_item item;
    tactus_view *view = tactus_latest(clone->db);
    const enum tactus_status status = tactus_get(view, clone->items, &id, 1, &item, NULL);
    expect_sound_or_named(clone, status, "get");
    if (status == TACTUS_OK) {
        EXPECT(item.id == id && item.timestamp == id);
        EXPECT(item.kind == 1 + (uint32_t)((id - 1) / FIXTURE_BATCH % 7));
    }
    return status;
}

/* In small steps, with gets between them: a block that is read ahead in one call is wanted in a
 * later one. *count: objects that came before the end. */
static enum tactus_status rot_query(
    const struct database_fixture *clone, uint32_t number, uint32_t *count
)
{
    struct fixture_item items[3];
    tactus_query *query = NULL;
    const char *where = rot_queries[number].where;
    const char *order = rot_queries[number].order;
    EXPECT(tactus_prepare(clone->db, clone->items, where, order, &query) == TACTUS_OK);
    enum tactus_status status = tactus_run(query, tactus_latest(clone->db), NULL);
    uint32_t got = 1;
    *count = 0;
    while (status == TACTUS_OK && got > 0) {
        status = tactus_next(query, items, 3, &got);
        expect_sound_or_named(clone, status, "next");
        if (status != TACTUS_OK) break;
        *count += got;
        (void)get_one(clone, 1 + *count * 37 % ROT_ITEMS);
    }
    /* Asked again, it says so again, or that the run is over. */
    if (status != TACTUS_OK) {
        const enum tactus_status again = tactus_next(query, items, 3, &got);
        EXPECT(again == TACTUS_CORRUPT || again == TACTUS_EXPIRED);
        EXPECT(tactus_error(clone->db)->text[0] != 0);
    }
    tactus_query_close(query);
    return status;
}

/* What came of each access, so that it can be asked again. */
struct rot_answers {
    enum tactus_status queries[COUNT_OF(rot_queries)];
    uint32_t counts[COUNT_OF(rot_queries)];
    enum tactus_status lookups[ROT_ITEMS / 8];
    enum tactus_status digests[3];
    uint32_t corrupt;
    uint32_t sound_gets;
};

static void rot_ask(struct database_fixture *clone, struct rot_answers *answers)
{
    *answers = (struct rot_answers){0};
    for (uint32_t index = 0; index < COUNT_OF(rot_queries); index += 1) {
        answers->queries[index] = rot_query(clone, index, &answers->counts[index]);
        answers->corrupt += answers->queries[index] != TACTUS_OK;
    }
    for (uint32_t index = 0; index < ROT_ITEMS / 8; index += 1) {
        answers->lookups[index] = get_one(clone, 1 + index * 8);
        answers->corrupt += answers->lookups[index] != TACTUS_OK;
        answers->sound_gets += answers->lookups[index] == TACTUS_OK;
    }
    const tactus_collection *const collections[] = {clone->items, clone->pairs, clone->entries};
    for (uint32_t index = 0; index < 3; index += 1) {
        struct tactus_u128 digest;
        const enum tactus_status status =
            tactus_digest_collection(clone->db, collections[index], &digest, NULL);
        expect_sound_or_named(clone, status, "digest");
        answers->digests[index] = status;
        answers->corrupt += status != TACTUS_OK;
    }
}

static struct database_fixture rot_open(const struct rot_block *block, struct random *random)
{
    struct database_fixture clone = fixture;
    clone.db = NULL;
    clone.disk = simulated_disk_clone(fixture.disk);
    const uint64_t byte = block->byte + random_below(random, block->size);
    simulated_disk_flip(clone.disk, byte, (uint32_t)random_below(random, 8));
    (void)snprintf(rot_name, sizeof rot_name, "block=%llu ", (unsigned long long)block->address);
    clone.open.flags = random_chance(random, 1, 2) ? TACTUS_READ_ONLY_OPEN : 0;
    EXPECT(database_fixture_open(&clone, false) == TACTUS_OK);
    return clone;
}

static uint64_t rot_count, rot_met_count, rot_commit_count;

TEST(rot, a_flipped_bit_is_named_every_time_it_is_met_and_the_rest_is_there)
{
    rot_begin();
    const struct test_seeds seeds = test_seeds(1);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        struct random random;
        random_init(&random, seed);
        for (uint32_t index = (uint32_t)seed % 2; index < rot_block_count; index += 2) {
            test_seed_begin(seed * 100000 + index);
            struct database_fixture clone = rot_open(&rot_blocks[index], &random);
            struct rot_answers first, second;
            rot_ask(&clone, &first);
            rot_ask(&clone, &second);
            EXPECT(memcmp(first.queries, second.queries, sizeof first.queries) == 0);
            EXPECT(memcmp(first.lookups, second.lookups, sizeof first.lookups) == 0);
            EXPECT(memcmp(first.digests, second.digests, sizeof first.digests) == 0);
            EXPECT(first.sound_gets > 0);
            /* Rot in one collection leaves the others whole. */
            uint32_t whole = 0;
            for (uint32_t number = 0; number < 3; number += 1)
                whole += first.digests[number] == TACTUS_OK;
            EXPECT(whole >= 2);
            rot_count += 1;
            rot_met_count += first.corrupt > 0;
            EXPECT(database_fixture_close(&clone) == TACTUS_OK);
            simulated_disk_free(clone.disk);
        }
    }
    simulated_disk_free(fixture.disk);
    printf(
        "rot: %llu rotten blocks, %llu of them met\n",
        (unsigned long long)rot_count,
        (unsigned long long)rot_met_count
    );
    EXPECT(rot_met_count > rot_count / 2);
}

/* Updates everything, over and over, until a compaction wants the block. */
static void rot_write(const struct rot_block *block, struct random *random)
{
    struct database_fixture clone = rot_open(block, random);
    if ((clone.open.flags & TACTUS_READ_ONLY_OPEN) != 0) {
        EXPECT(database_fixture_close(&clone) == TACTUS_OK);
        clone.open.flags = 0;
        EXPECT(database_fixture_open(&clone, false) == TACTUS_OK);
    }
    enum tactus_status status = TACTUS_OK;
    uint64_t acknowledged = 0;
    for (uint64_t number = 0; number < 60 && status == TACTUS_OK; number += 1) {
        struct fixture_pair pair = {.id = {.low = number, .high = 77}, .flag = 1};
        tactus_txn *txn = database_fixture_txn(&clone);
        status = tactus_insert(txn, clone.pairs, &pair, 1, NULL);
        for (uint32_t index = 0; index < 20 && status == TACTUS_OK; index += 1) {
            const uint64_t id = 2000 + (number * 20 + index) * 7919 % 4001;
            const struct fixture_item item = database_fixture_item(id, 50);
            status = tactus_upsert(txn, clone.items, &item, 1, NULL);
        }
        expect_sound_or_named(&clone, status, "upsert");
        if (status != TACTUS_OK) {
            tactus_rollback(txn);
            break;
        }
        status = tactus_commit(txn, NULL);
        expect_sound_or_named(&clone, status, "commit");
        acknowledged += status == TACTUS_OK;
        if (status == TACTUS_OK) continue;
        rot_commit_count += 1;
        EXPECT(tactus_begin(clone.db, NULL, &txn) == TACTUS_POISONED);
        EXPECT(tactus_checkpoint(clone.db) == TACTUS_POISONED);
        struct rot_answers answers;
        rot_ask(&clone, &answers);
        EXPECT(answers.sound_gets > 0);
    }
    const enum tactus_status closed = database_fixture_close(&clone);
    EXPECT(closed == TACTUS_OK || closed == TACTUS_POISONED);
    clone.open.flags = TACTUS_READ_ONLY_OPEN;
    EXPECT(database_fixture_open(&clone, false) == TACTUS_OK);
    for (uint64_t number = 0; number < acknowledged; number += 1) {
        const struct tactus_u128 id = {.low = number, .high = 77};
        struct fixture_pair pair;
        status = tactus_get(tactus_latest(clone.db), clone.pairs, &id, 1, &pair, NULL);
        expect_sound_or_named(&clone, status, "get of a pair");
    }
    EXPECT(database_fixture_close(&clone) == TACTUS_OK);
    simulated_disk_free(clone.disk);
}

TEST(rot, a_commit_that_meets_a_flipped_bit_names_it_and_nothing_is_lost)
{
    rot_begin();
    const struct test_seeds seeds = test_seeds(1);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        struct random random;
        random_init(&random, seed);
        for (uint32_t index = (uint32_t)seed % 3; index < rot_block_count; index += 3) {
            test_seed_begin(seed * 100000 + index);
            rot_write(&rot_blocks[index], &random);
        }
    }
    simulated_disk_free(fixture.disk);
    printf("rot: %llu commits met rot\n", (unsigned long long)rot_commit_count);
    EXPECT(rot_commit_count > 0);
}

TEST_MAIN()
