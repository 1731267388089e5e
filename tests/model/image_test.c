/* One history, one file: whatever thread compacts, whatever moves the bytes, however much is
 * cached, wherever the process was killed.
 *
 * A history is a row of steps, each made from its number alone: a transaction over three
 * collections, of one object or of hundreds, and after some of them a checkpoint. The first run
 * writes down the canonical digest and the blocks in use at each checkpoint; the others must find
 * the same. Real files, io_uring and threads, as users have them: tests/sim/determinism_test.c does
 * the like with a disk that fails.
 *
 * TACTUS_TEST_STEPS makes it longer, TACTUS_TEST_IMAGES=FILE writes the digests there, so that
 * those of other builds can be compared: with `cmp`. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/integer.h"
#include "base/random.h"
#include "base/status.h"
#include "support/test.h"
#include "tactus.h"

enum { IMAGES_MAX = 4096, OBJECTS_MAX = 128, IDS = 20000, KILLS = 20 };

static const char *const SCHEMA =
    "collection account { id u64  owner u32 index  balance i64 index  note text(8) }\n"
    "collection transfer { id u128  from u64 index  into u64 index  amount u64 }\n"
    "collection step { number u64 }\n";

struct account {
    uint64_t id;
    uint32_t owner;
    uint8_t padding_0[4];
    int64_t balance;
    char note[8];
    uint64_t timestamp;
};
struct transfer {
    struct tactus_u128 id;
    uint64_t from;
    uint64_t into;
    uint64_t amount;
    uint64_t timestamp;
};
struct step {
    uint64_t number;
    uint64_t timestamp;
};

struct manner {
    const char *name;
    const char *path;
    uint32_t flags;
    uint64_t cache_bytes;
    uint32_t kills;
};

struct image {
    uint64_t step;
    struct tactus_u128 digest;
    uint64_t blocks;
};

static struct image images[IMAGES_MAX];
static uint32_t image_count;

static uint64_t step_count(void)
{
    const char *text = getenv("TACTUS_TEST_STEPS");
    return text == NULL ? 1200 : strtoull(text, NULL, 10);
}

static uint64_t checkpoint_every(void)
{
    return max_u64(step_count() / 24, 1);
}

/* ---- The history ----------------------------------------------------------------------------- */

static const tactus_collection *collection_of(tactus_db *db, const char *name)
{
    const tactus_collection *collection = NULL;
    EXPECT(tactus_collection_find(db, name, 0, &collection) == TACTUS_OK);
    return collection;
}

static bool is_applied(enum tactus_status status)
{
    return status == TACTUS_OK || status == TACTUS_SOME;
}

static void put_accounts(tactus_db *db, tactus_txn *txn, struct random *random, uint32_t count)
{
    struct account accounts[OBJECTS_MAX];
    struct tactus_result results[OBJECTS_MAX];
    for (uint32_t index = 0; index < count; index += 1) {
        accounts[index] = (struct account){
            .id = 1 + random_below(random, IDS),
            .owner = (uint32_t)random_below(random, 50),
            .balance = (int64_t)random_below(random, 1000) - 500,
            .note = "none",
        };
    }
    const tactus_collection *collection = collection_of(db, "account");
    EXPECT(is_applied(tactus_upsert(txn, collection, accounts, count, results)));
}

static void remove_accounts(tactus_db *db, tactus_txn *txn, struct random *random, uint32_t count)
{
    uint64_t ids[OBJECTS_MAX];
    struct tactus_result results[OBJECTS_MAX];
    const uint64_t first = 1 + random_below(random, IDS);
    for (uint32_t index = 0; index < count; index += 1)
        ids[index] = first + index;
    EXPECT(is_applied(tactus_remove(txn, collection_of(db, "account"), ids, count, results)));
}

static void put_transfers(tactus_db *db, tactus_txn *txn, struct random *random, uint32_t count)
{
    struct transfer transfers[OBJECTS_MAX];
    struct tactus_result results[OBJECTS_MAX];
    for (uint32_t index = 0; index < count; index += 1) {
        transfers[index] = (struct transfer){
            .id = {.low = random_u64(random), .high = 1 + random_below(random, 9)},
            .from = random_below(random, 100),
            .into = random_below(random, 100),
            .amount = random_below(random, 1000000),
        };
    }
    const tactus_collection *collection = collection_of(db, "transfer");
    EXPECT(is_applied(tactus_insert(txn, collection, transfers, count, results)));
}

/* The last one says which step it was: every step is an op. */
static enum tactus_status run_step(tactus_db *db, uint64_t number)
{
    struct random random;
    random_init(&random, number * 7919 + 1);
    const uint32_t most = random_chance(&random, 1, 3) ? OBJECTS_MAX : 4;
    const uint32_t count = 1 + (uint32_t)random_below(&random, most);
    tactus_txn *txn = NULL;
    TRY(tactus_begin(db, NULL, &txn));
    const uint64_t kind = random_below(&random, 4);
    if (kind == 0 || kind == 3) put_accounts(db, txn, &random, count / 2 + 1);
    if (kind == 1) remove_accounts(db, txn, &random, count);
    if (kind == 2 || kind == 3) put_transfers(db, txn, &random, count / 2 + 1);
    const struct step step = {.number = number};
    EXPECT(tactus_insert(txn, collection_of(db, "step"), &step, 1, NULL) == TACTUS_OK);
    TRY(tactus_commit(txn, NULL));
    if (number % checkpoint_every() == 0) TRY(tactus_checkpoint(db));
    return TACTUS_OK;
}

/* Which step is the last that is there; 0: none. */
static uint64_t last_step(tactus_db *db)
{
    tactus_query *query = NULL;
    struct step step = {0};
    uint32_t count = 0;
    EXPECT(tactus_prepare(db, collection_of(db, "step"), NULL, "-timestamp", &query) == TACTUS_OK);
    EXPECT(tactus_run(query, tactus_latest(db), NULL) == TACTUS_OK);
    EXPECT(tactus_next(query, &step, 1, &count) == TACTUS_OK);
    tactus_query_close(query);
    return count == 0 ? 0 : step.number;
}

/* ---- Runs ------------------------------------------------------------------------------------ */

static tactus_db *open_file(const struct manner *manner)
{
    struct tactus_create_options create;
    struct tactus_open_options options;
    struct tactus_error error = {0};
    tactus_create_options_default(&create);
    create.block_size = 4096;
    create.batch_max = OBJECTS_MAX;
    create.bar_beats = 8;
    create.file_id = (struct tactus_u128){.low = 5, .high = 7};
    tactus_open_options_default(&options);
    options.schema = SCHEMA;
    options.create = &create;
    options.flags = manner->flags;
    options.cache_bytes = manner->cache_bytes;
    options.sync = TACTUS_SYNC_NONE;
    tactus_db *db = NULL;
    const enum tactus_status status = tactus_open(manner->path, &options, &error, &db);
    if (status != TACTUS_OK) printf("%s: %s\n", manner->name, error.text);
    EXPECT(status == TACTUS_OK);
    return db;
}

static void look(tactus_db *db, const struct manner *manner, uint64_t number, bool first)
{
    struct tactus_digest digest;
    struct tactus_stats stats = {.struct_bytes = sizeof stats};
    EXPECT(tactus_digest(db, &digest) == TACTUS_OK);
    tactus_stats(db, &stats);
    const struct image image = {
        .step = number, .digest = digest.physical, .blocks = stats.blocks_allocated};
    if (first) {
        EXPECT(image_count < IMAGES_MAX);
        images[image_count] = image;
        image_count += 1;
        return;
    }
    for (uint32_t index = 0; index < image_count; index += 1) {
        if (images[index].step != number) continue;
        if (images[index].digest.low != image.digest.low) printf("%s: differs\n", manner->name);
        EXPECT(images[index].digest.low == image.digest.low);
        EXPECT(images[index].digest.high == image.digest.high);
        EXPECT(images[index].blocks == image.blocks);
        return;
    }
    EXPECT(false);
}

/* Goes on for some steps in a process that is killed in the middle of them. */
static void run_killed(const struct manner *manner, uint64_t steps)
{
    const pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        tactus_db *db = open_file(manner);
        const uint64_t last = last_step(db);
        for (uint64_t number = last + 1; number <= min_u64(last + steps, step_count()); number += 1)
            if (run_step(db, number) != TACTUS_OK) _exit(1);
        (void)kill(getpid(), SIGKILL);
    }
    int status = 0;
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void run(const struct manner *manner, bool first)
{
    struct random random;
    random_init(&random, manner->kills);
    (void)unlink(manner->path);
    for (uint32_t kill_number = 0; kill_number < manner->kills; kill_number += 1) {
        run_killed(manner, 1 + random_below(&random, 2 * step_count() / (KILLS + 4)));
    }
    tactus_db *db = open_file(manner);
    for (uint64_t number = last_step(db) + 1; number <= step_count(); number += 1) {
        EXPECT(run_step(db, number) == TACTUS_OK);
        if (number % checkpoint_every() == 0) look(db, manner, number, first);
    }
    EXPECT(tactus_checkpoint(db) == TACTUS_OK);
    look(db, manner, step_count() + 1, first);
    EXPECT(tactus_close(db) == TACTUS_OK);
    (void)unlink(manner->path);
}

static void write_images(void)
{
    const char *path = getenv("TACTUS_TEST_IMAGES");
    if (path == NULL) return;
    FILE *file = fopen(path, "w");
    EXPECT(file != NULL);
    for (uint32_t index = 0; index < image_count; index += 1) {
        const struct image *image = &images[index];
        (void)fprintf(
            file,
            "%" PRIu64 " %016" PRIx64 "%016" PRIx64 " %" PRIu64 "\n",
            image->step,
            image->digest.high,
            image->digest.low,
            image->blocks
        );
    }
    EXPECT(fclose(file) == 0);
}

TEST(image, is_the_same_whoever_compacts_and_whatever_moves_the_bytes)
{
    static const struct manner manners[] = {
        {"worker", "a.tactus", 0, 8 << 20, 0},
        {"no worker", "b.tactus", TACTUS_NO_WORKER, 8 << 20, 0},
        {"pread", "c.tactus", TACTUS_POSIX_IO, 1 << 20, 0},
        {"pread, no worker", "d.tactus", TACTUS_POSIX_IO | TACTUS_NO_WORKER, 0, 0},
        {"memory", ":memory:", 0, 1 << 20, 0},
        {"memory, no worker", ":memory:", TACTUS_NO_WORKER, 0, 0},
        {"killed", "e.tactus", 0, 1 << 20, KILLS},
        {"killed, no worker", "f.tactus", TACTUS_NO_WORKER, 8 << 20, KILLS / 2},
    };
    for (uint32_t index = 0; index < COUNT_OF(manners); index += 1) {
        run(&manners[index], index == 0);
        printf("image: %s: %u images\n", manners[index].name, image_count);
    }
    EXPECT(image_count > 20);
    write_images();
}

TEST_MAIN()
