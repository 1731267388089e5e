/* One history, one file: whatever thread compacts, however much it has under way, whatever moves
 * the bytes, however much is cached, wherever the process was killed.
 *
 * A history is a row of steps, each made from its number alone: a transaction over three
 * collections, of one object or of hundreds, that inserts, updates and removes, and after some of
 * them a checkpoint. The first run writes down the canonical digest and the blocks in use at each
 * checkpoint, and the counts that belong to the history; the others must find the same, those that
 * are killed in each of their lives. All of it for files of different runs_max. Real files,
 * io_uring and threads, as users have them: tests/sim/determinism_test.c does the like with a disk
 * that fails.
 *
 * In the environment:
 *
 *   TACTUS_TEST_STEPS    how many transactions (1500)
 *   TACTUS_TEST_OBJECTS  of the largest ones, up to 128 (32)
 *   TACTUS_TEST_BATCH    batch_max of the files, not less than that (32)
 *   TACTUS_TEST_MANNER   the name of the one manner to run in
 *   TACTUS_TEST_RUNS     the name of the one setting of runs_max to use
 *   TACTUS_TEST_IMAGES   a file for the images, to be compared with other builds': with `cmp` */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/integer.h"
#include "base/random.h"
#include "base/status.h"
#include "support/test.h"
#include "tactus.h"

enum { IMAGES_MAX = 256, OBJECTS_MAX = 128, IDS = 20000, KILLS = 20, CHECKPOINTS = 16 };

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

/* How a run differs from others. */
struct manner {
    const char *name;
    const char *path;
    uint32_t flags;
    uint32_t depth; /* of compaction; 0: the default */
    uint64_t cache_bytes;
    uint32_t kills; /* after each of which flags, depth and cache are others */
};

/* Options of a file: each setting has a history of its own. */
struct setting {
    const char *name;
    uint32_t runs_max[TACTUS_LEVELS];
};

static const struct setting settings[] = {
    {"1", {1, 1, 1, 1, 1, 1, 1}},
    {"8,1", {8, 1, 1, 1, 1, 1, 1}},
    {"4,4", {4, 4, 1, 1, 1, 1, 1}},
};

static const struct manner manners[] = {
    {"uring, worker, default", "a.tactus", 0, 0, 8 << 20, 0},
    {"uring, no worker, minimal", "b.tactus", TACTUS_NO_WORKER, 1, 0, 0},
    {"uring, worker, minimal", "c.tactus", 0, 1, 1 << 20, 0},
    {"uring, no worker, large", "d.tactus", TACTUS_NO_WORKER, 8, 8 << 20, 0},
    {"posix, worker, large", "e.tactus", TACTUS_POSIX_IO, 8, 1 << 20, 0},
    {"posix, no worker, minimal", "f.tactus", TACTUS_POSIX_IO | TACTUS_NO_WORKER, 1, 8 << 20, 0},
    {"posix, worker, default", "g.tactus", TACTUS_POSIX_IO, 0, 0, 0},
    {"memory, worker, large", ":memory:", 0, 8, 0, 0},
    {"memory, no worker, default", ":memory:", TACTUS_NO_WORKER, 0, 1 << 20, 0},
    {"memory, worker, minimal", ":memory:", 0, 1, 8 << 20, 0},
    {"killed", "h.tactus", 0, 0, 1 << 20, KILLS},
};

/* At a checkpoint. */
struct image {
    uint64_t step;
    struct tactus_u128 digest;
    struct tactus_stats history; /* the blocks allocated among them */
};

/* Of one setting; shared with the processes that are killed. */
struct images {
    struct image list[IMAGES_MAX];
    uint32_t count;
    uint64_t compared;
    uint64_t kills;
    uint64_t replayed; /* ops, by those that came after a kill */
};

static struct images *images;

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : strtoull(text, NULL, 10);
}

static uint64_t step_count(void)
{
    return number_of("TACTUS_TEST_STEPS", 1500);
}

static uint64_t checkpoint_every(void)
{
    return max_u64(step_count() / CHECKPOINTS, 1);
}

static bool is_checkpoint(uint64_t number)
{
    return number % checkpoint_every() == 0;
}

/* ---- The history ----------------------------------------------------------------------------- */

/* One in three may be as large as they get; the others are small. */
static uint32_t transaction_size(uint64_t number)
{
    struct random random;
    random_init(&random, number * 104729 + 3);
    const uint64_t objects_max = number_of("TACTUS_TEST_OBJECTS", 32);
    const bool is_large = random_chance(&random, 1, 3);
    return 1 + (uint32_t)random_below(&random, is_large ? objects_max : min_u64(objects_max, 4));
}

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

static void update_accounts(tactus_db *db, tactus_txn *txn, struct random *random, uint32_t count)
{
    struct account accounts[OBJECTS_MAX];
    struct tactus_result results[OBJECTS_MAX];
    const uint64_t first = 1 + random_below(random, IDS);
    for (uint32_t index = 0; index < count; index += 1) {
        accounts[index] = (struct account){
            .id = first + index,
            .owner = (uint32_t)random_below(random, 50),
            .balance = (int64_t)index,
            .note = "updated",
        };
    }
    const tactus_collection *collection = collection_of(db, "account");
    EXPECT(is_applied(tactus_update(txn, collection, accounts, count, results)));
}

/* A transfer's id follows from its step, so that a later one can remove it; and is nowhere near
 * those of its neighbours. */
static struct tactus_u128 transfer_id(uint64_t number, uint32_t index)
{
    struct random random;
    random_init(&random, number * OBJECTS_MAX + index);
    return (struct tactus_u128){.low = random_u64(&random), .high = 1 + number % 9};
}

static void put_transfers(tactus_db *db, tactus_txn *txn, struct random *random, uint64_t number)
{
    struct transfer transfers[OBJECTS_MAX];
    struct tactus_result results[OBJECTS_MAX];
    const uint32_t count = transaction_size(number) / 2 + 1;
    for (uint32_t index = 0; index < count; index += 1) {
        transfers[index] = (struct transfer){
            .id = transfer_id(number, index),
            .from = random_below(random, 100),
            .into = random_below(random, 100),
            .amount = random_below(random, 1000000),
        };
    }
    const tactus_collection *collection = collection_of(db, "transfer");
    EXPECT(is_applied(tactus_insert(txn, collection, transfers, count, results)));
}

/* Those of an earlier step, if it had any. */
static void remove_transfers(tactus_db *db, tactus_txn *txn, uint64_t number)
{
    struct tactus_u128 ids[OBJECTS_MAX];
    struct tactus_result results[OBJECTS_MAX];
    const uint32_t count = transaction_size(number) / 2 + 1;
    for (uint32_t index = 0; index < count; index += 1)
        ids[index] = transfer_id(number, index);
    EXPECT(is_applied(tactus_remove(txn, collection_of(db, "transfer"), ids, count, results)));
}

enum step_end {
    STEP_COMMITTED,
    STEP_QUEUED, /* whether it is there after a crash is open */
    STEP_OPEN
};

/* The last object says which step it was: every step is an op. */
static enum tactus_status run_step(tactus_db *db, uint64_t number, enum step_end end)
{
    struct random random;
    random_init(&random, number * 7919 + 1);
    const uint32_t count = transaction_size(number);
    tactus_txn *txn = NULL;
    TRY(tactus_begin(db, NULL, &txn));
    const uint64_t kind = random_below(&random, 6);
    if (kind == 0 || kind == 3) put_accounts(db, txn, &random, count / 2 + 1);
    if (kind == 1) remove_accounts(db, txn, &random, count);
    if (kind == 2 || kind == 3) put_transfers(db, txn, &random, number);
    if (kind == 4) update_accounts(db, txn, &random, count);
    if (kind == 5) remove_transfers(db, txn, 1 + random_below(&random, number));
    const struct step step = {.number = number};
    EXPECT(tactus_insert(txn, collection_of(db, "step"), &step, 1, NULL) == TACTUS_OK);
    if (end == STEP_OPEN) return TACTUS_OK;
    if (end == STEP_QUEUED) return tactus_commit_start(txn, NULL);
    TRY(tactus_commit(txn, NULL));
    if (is_checkpoint(number)) TRY(tactus_checkpoint(db));
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

static tactus_db *open_file(const struct manner *manner, const struct setting *setting)
{
    struct tactus_create_options create;
    struct tactus_open_options options;
    struct tactus_error error = {0};
    tactus_create_options_default(&create);
    create.block_size = 4096;
    create.batch_max = (uint32_t)number_of("TACTUS_TEST_BATCH", 32);
    create.bar_beats = 4;
    create.growth_factor = 4;
    create.file_id = (struct tactus_u128){.low = 5, .high = 7};
    memcpy(create.runs_max, setting->runs_max, sizeof create.runs_max);
    tactus_open_options_default(&options);
    options.schema = SCHEMA;
    options.create = &create;
    options.flags = manner->flags;
    options.compaction_depth = manner->depth;
    options.cache_bytes = manner->cache_bytes;
    options.sync = TACTUS_SYNC_NONE;
    tactus_db *db = NULL;
    const enum tactus_status status = tactus_open(manner->path, &options, &error, &db);
    if (status != TACTUS_OK) printf("%s: %s\n", manner->name, error.text);
    EXPECT(status == TACTUS_OK);
    return db;
}

/* Of what tactus_stats() tells that which follows from the history, and so from the file. */
static struct tactus_stats history_of(const struct tactus_stats *stats)
{
    struct tactus_stats history = {
        .op = stats->op,
        .beat = stats->beat,
        .checkpoint_op = stats->checkpoint_op,
        .checkpoints = stats->checkpoints,
        .blocks_allocated = stats->blocks_allocated,
        .blocks_released = stats->blocks_released,
        .tables = stats->tables,
        .objects_committed = stats->objects_committed,
        .compactions = stats->compactions,
        .moves = stats->moves,
        .records_cancelled = stats->records_cancelled,
        .records_written = stats->records_written,
        .blocks_live = stats->blocks_live,
        .manifest_blocks = stats->manifest_blocks,
        .bytes_committed = stats->bytes_committed,
        .bytes_journaled = stats->bytes_journaled,
        .deferrals = stats->deferrals,
        .tables_coalesced = stats->tables_coalesced,
        .records_dropped = stats->records_dropped,
        .records_replaced = stats->records_replaced,
    };
    memcpy(history.levels, stats->levels, sizeof history.levels);
    return history;
}

static void expect_same(
    const struct manner *manner, const struct image *image, const struct image *expected
)
{
    if (memcmp(image, expected, sizeof *image) != 0) {
        const uint64_t *one = (const uint64_t *)image;
        const uint64_t *other = (const uint64_t *)expected;
        printf("%s: differs at step %" PRIu64 "\n", manner->name, image->step);
        for (uint32_t index = 0; index < sizeof *image / sizeof *one; index += 1) {
            if (one[index] == other[index]) continue;
            printf("word %u: %" PRIu64 ", not ", (unsigned)index, one[index]);
            printf("%" PRIu64 "\n", other[index]);
        }
    }
    EXPECT(memcmp(image, expected, sizeof *image) == 0);
}

/* The first that comes by a checkpoint writes it down, in the order of the steps. */
static void look(tactus_db *db, const struct manner *manner, uint64_t number)
{
    struct tactus_digest digest;
    struct tactus_stats stats = {.struct_bytes = sizeof stats};
    EXPECT(tactus_digest(db, &digest) == TACTUS_OK);
    tactus_stats(db, &stats);
    const struct image image = {
        .step = number, .digest = digest.physical, .history = history_of(&stats)};
    for (uint32_t index = 0; index < images->count; index += 1) {
        if (images->list[index].step != number) continue;
        expect_same(manner, &image, &images->list[index]);
        images->compared += 1;
        return;
    }
    EXPECT(images->count < IMAGES_MAX);
    EXPECT(images->count == 0 || images->list[images->count - 1].step < number);
    images->list[images->count] = image;
    images->count += 1;
}

static void run_steps(tactus_db *db, const struct manner *manner, uint64_t first, uint64_t last)
{
    for (uint64_t number = first; number <= last; number += 1) {
        EXPECT(run_step(db, number, STEP_COMMITTED) == TACTUS_OK);
        if (is_checkpoint(number)) look(db, manner, number);
    }
}

/* Goes on for some steps in a process that dies behind them, or amid the next one. */
static void run_killed(
    const struct manner *manner, const struct setting *setting, struct random *random
)
{
    static const uint32_t flags[] = {0, TACTUS_NO_WORKER, TACTUS_POSIX_IO};
    struct manner life = *manner;
    life.flags = flags[random_below(random, COUNT_OF(flags))];
    life.depth = (uint32_t)random_below(random, 9);
    life.cache_bytes = random_below(random, 3) << 20;
    const uint64_t steps = 1 + random_below(random, 2 * step_count() / (KILLS + 4));
    const uint64_t end = random_below(random, 3);
    (void)fflush(stdout);
    const pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        tactus_db *db = open_file(&life, setting);
        struct tactus_stats stats = {.struct_bytes = sizeof stats};
        tactus_stats(db, &stats);
        images->replayed += stats.replayed_ops;
        const uint64_t first = last_step(db) + 1;
        const uint64_t last = min_u64(first - 1 + steps, step_count());
        run_steps(db, &life, first, last);
        if (last < step_count() && end != STEP_COMMITTED && !is_checkpoint(last + 1))
            EXPECT(run_step(db, last + 1, (enum step_end)end) == TACTUS_OK);
        (void)kill(getpid(), SIGKILL);
    }
    int status = 0;
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    images->kills += 1;
}

static void run(const struct manner *manner, const struct setting *setting)
{
    struct random random;
    random_init(&random, manner->kills);
    (void)unlink(manner->path);
    for (uint32_t kill_number = 0; kill_number < manner->kills; kill_number += 1)
        run_killed(manner, setting, &random);
    tactus_db *db = open_file(manner, setting);
    run_steps(db, manner, last_step(db) + 1, step_count());
    EXPECT(tactus_checkpoint(db) == TACTUS_OK);
    look(db, manner, step_count() + 1);
    EXPECT(tactus_close(db) == TACTUS_OK);
    (void)unlink(manner->path);
}

/* Whether the environment asks for this one, or for none. */
static bool is_chosen(const char *name, const char *choice)
{
    const char *text = getenv(choice);
    return text == NULL || strcmp(text, name) == 0;
}

static void write_images(const struct setting *setting, bool append)
{
    const char *path = getenv("TACTUS_TEST_IMAGES");
    if (path == NULL) return;
    FILE *file = fopen(path, append ? "a" : "w");
    EXPECT(file != NULL);
    for (uint32_t index = 0; index < images->count; index += 1) {
        const struct image *image = &images->list[index];
        (void)fprintf(
            file,
            "%s %" PRIu64 " %016" PRIx64 "%016" PRIx64,
            setting->name,
            image->step,
            image->digest.high,
            image->digest.low
        );
        const uint64_t *words = (const uint64_t *)&image->history;
        for (uint32_t at = 0; at < sizeof image->history / sizeof *words; at += 1)
            (void)fprintf(file, " %" PRIu64, words[at]);
        (void)fprintf(file, "\n");
    }
    EXPECT(fclose(file) == 0);
}

/* Equality shows little where there is little to decide. */
static void expect_rich(const struct setting *setting, const struct tactus_stats *history)
{
    printf("image: runs %s: %" PRIu64 " ops, ", setting->name, history->op);
    printf("%" PRIu64 " beats, ", history->beat);
    printf("%" PRIu64 " objects, ", history->objects_committed);
    printf("%" PRIu64 " compactions, ", history->compactions);
    printf("%" PRIu64 " tables, ", history->tables);
    printf("%" PRIu64 " blocks\n", history->blocks_allocated);
    EXPECT(history->moves > 0 || setting->runs_max[0] > 1); /* small tables are taken in instead */
    EXPECT(history->deferrals > 0);
    EXPECT(history->tables_coalesced > 0);
    EXPECT(history->records_cancelled > 0);
    EXPECT(history->records_dropped > 0);
    EXPECT(history->records_replaced > 0);
    EXPECT(history->levels[0].tables_written > 0);
    EXPECT(history->levels[1].tables_written > 0);
}

static void run_setting(const struct setting *setting)
{
    memset(images, 0, sizeof *images);
    for (uint32_t index = 0; index < COUNT_OF(manners); index += 1) {
        const struct manner *manner = &manners[index];
        if (!is_chosen(manner->name, "TACTUS_TEST_MANNER")) continue;
        run(manner, setting);
        printf("image: runs %s, %s: %u images", setting->name, manner->name, images->count);
        printf(", %" PRIu64 " compared, ", images->compared);
        printf("%" PRIu64 " kills, ", images->kills);
        printf("%" PRIu64 " ops replayed\n", images->replayed);
        EXPECT(manner->kills == 0 || images->replayed > 0);
    }
    EXPECT(images->count > CHECKPOINTS);
    expect_rich(setting, &images->list[images->count - 1].history);
}

TEST(image, is_the_same_whoever_compacts_and_whatever_moves_the_bytes)
{
    images = mmap(NULL, sizeof *images, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    EXPECT(images != MAP_FAILED);
    bool append = false;
    for (uint32_t index = 0; index < COUNT_OF(settings); index += 1) {
        if (!is_chosen(settings[index].name, "TACTUS_TEST_RUNS")) continue;
        run_setting(&settings[index]);
        write_images(&settings[index], append);
        append = true;
    }
    EXPECT(append);
    EXPECT(munmap(images, sizeof *images) == 0);
}

TEST_MAIN()
