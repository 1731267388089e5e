/* Making, opening, closing; what a handle answers before and after. Works in the current directory,
 * in names that begin with "open_test". */
#include "support/database_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/checksum.h"
#include "support/test.h"

#include "base/poison.h"

#define PATH "open_test.tactus"

static struct tactus_error error;

static struct tactus_open_options open_options(void)
{
    struct tactus_open_options options;
    tactus_open_options_default(&options);
    options.cache_bytes = 1 << 20;
    options.sync = TACTUS_SYNC_NONE; /* closing makes all of it durable */
    return options;
}

static void make(const char *path)
{
    (void)unlink(path);
    const struct tactus_create_options create = database_fixture_create_options();
    EXPECT(tactus_create(path, database_fixture_schema(), &create, &error) == TACTUS_OK);
}

static tactus_db *open_path(const char *path, uint32_t flags)
{
    struct tactus_open_options options = open_options();
    options.flags = flags;
    tactus_db *db = NULL;
    const enum tactus_status status = tactus_open(path, &options, &error, &db);
    if (status != TACTUS_OK) printf("%s\n", error.text);
    EXPECT(status == TACTUS_OK);
    return db;
}

static enum tactus_status try_path(const char *path, uint32_t flags)
{
    struct tactus_open_options options = open_options();
    options.flags = flags;
    tactus_db *db = NULL;
    error = (struct tactus_error){0};
    const enum tactus_status status = tactus_open(path, &options, &error, &db);
    EXPECT(db == NULL);
    EXPECT(error.status == (int32_t)status);
    EXPECT(error.text[0] != 0);
    return status;
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* Of every byte of the file. */
static struct checksum file_checksum(const char *path)
{
    struct checksum_stream stream;
    checksum_stream_begin(&stream, (struct checksum){0});
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    EXPECT(fd >= 0);
    static uint8_t bytes[1 << 16];
    for (;;) {
        const ssize_t count = read(fd, bytes, sizeof bytes);
        EXPECT(count >= 0);
        if (count == 0) break;
        checksum_stream_add(&stream, bytes, (uint64_t)count);
    }
    (void)close(fd);
    return checksum_stream_end(&stream);
}

static void insert(tactus_db *db, uint64_t id, uint32_t count)
{
    struct database_fixture fixture = {.db = db};
    database_fixture_find(&fixture);
    EXPECT(database_fixture_insert(&fixture, id, count, 5) == TACTUS_OK);
}

static uint32_t count_items(tactus_db *db)
{
    struct database_fixture fixture = {.db = db};
    database_fixture_find(&fixture);
    return database_fixture_count(&fixture, NULL);
}

/* ---- Making ---------------------------------------------------------------------------------- */

TEST(open, create_makes_a_file_that_opens_empty_and_never_a_second_one)
{
    make(PATH);
    EXPECT(tactus_create(PATH, database_fixture_schema(), NULL, &error) == TACTUS_EXISTS);
    EXPECT(strstr(error.text, "overwrite") != NULL);

    tactus_db *db = open_path(PATH, 0);
    EXPECT(strcmp(tactus_schema_text(db), database_fixture_schema()) == 0);
    EXPECT(strcmp(tactus_warning(db), "") == 0);
    EXPECT(count_items(db) == 0);
    insert(db, 1, 3);
    EXPECT(tactus_close(db) == TACTUS_OK);

    struct tactus_create_options create = database_fixture_create_options();
    create.flags = TACTUS_OVERWRITE;
    EXPECT(tactus_create(PATH, database_fixture_schema(), &create, &error) == TACTUS_OK);
    db = open_path(PATH, 0);
    EXPECT(count_items(db) == 0);
    EXPECT(tactus_close(db) == TACTUS_OK);
    (void)unlink(PATH);
}

TEST(open, a_schema_with_a_fault_makes_no_file_and_keeps_the_one_that_is_there)
{
    (void)unlink(PATH);
    EXPECT(tactus_create(PATH, "collection a {\n  b u33\n}", NULL, &error) == TACTUS_SYNTAX);
    EXPECT(error.line == 2 && error.column == 5);
    EXPECT(!is_there(PATH));

    make(PATH);
    const struct checksum before = file_checksum(PATH);
    struct tactus_create_options create = database_fixture_create_options();
    create.flags = TACTUS_OVERWRITE;
    EXPECT(tactus_create(PATH, "collection a {", &create, &error) == TACTUS_SYNTAX);
    create.journal_bytes = 4096;
    EXPECT(tactus_create(PATH, database_fixture_schema(), &create, &error) == TACTUS_LIMIT);
    EXPECT(checksum_equal(file_checksum(PATH), before));
    (void)unlink(PATH);
}

static void expect_refused(
    enum tactus_status expected, const struct tactus_create_options *create, const char *words
)
{
    (void)unlink(PATH);
    error = (struct tactus_error){0};
    const enum tactus_status status =
        tactus_create(PATH, database_fixture_schema(), create, &error);
    if (status != expected || strstr(error.text, words) == NULL) {
        printf("%d: %s (wanted: %s)\n", (int)status, error.text, words);
    }
    EXPECT(status == expected);
    EXPECT(strstr(error.text, words) != NULL);
    EXPECT(!is_there(PATH));
    struct tactus_plan plan = {.struct_bytes = sizeof plan};
    EXPECT(
        tactus_memory_required(database_fixture_schema(), create, NULL, &plan, NULL) == expected
    );
}

TEST(open, options_of_a_file_out_of_their_range_are_refused_by_name)
{
#define REFUSED(option, value, status, words)                                                      \
    do {                                                                                           \
        struct tactus_create_options create = database_fixture_create_options();                   \
        create.option = (value);                                                                   \
        expect_refused((status), &create, (words));                                                \
    } while (0)
    REFUSED(block_size, 2048, TACTUS_MISUSE, "block-size is 2048");
    REFUSED(block_size, 5000, TACTUS_MISUSE, "block-size is 5000");
    REFUSED(block_size, 1 << 21, TACTUS_MISUSE, "block-size is 2097152");
    REFUSED(batch_max, 65537, TACTUS_MISUSE, "batch is 65537");
    REFUSED(batch_max, 65536, TACTUS_LIMIT, "block-size");
    REFUSED(bar_beats, 2, TACTUS_MISUSE, "bar is 2");
    REFUSED(bar_beats, 7, TACTUS_MISUSE, "bar is 7");
    REFUSED(bar_beats, 66, TACTUS_MISUSE, "bar is 66");
    REFUSED(growth_factor, 1, TACTUS_MISUSE, "growth is 1");
    REFUSED(growth_factor, 17, TACTUS_MISUSE, "growth is 17");
    REFUSED(keep, 9, TACTUS_MISUSE, "keep is 9");
    REFUSED(snapshots_max, 65, TACTUS_MISUSE, "snapshots-max is 65");
    REFUSED(runs_max[3], 2, TACTUS_MISUSE, "runs cannot be so: a level above has one run only");
    REFUSED(runs_max[0], 65, TACTUS_MISUSE, "runs is 65");
    REFUSED(journal_bytes, 4096, TACTUS_LIMIT, "journal 4096 is too small");
    REFUSED(size_max, 4096 * 100, TACTUS_LIMIT, "size-max 409600 is too small");
    REFUSED(tables_max, 3, TACTUS_LIMIT, "tables-max 3");
    REFUSED(memory_bytes, 4096, TACTUS_LIMIT, "memory 4096 is too little");
    REFUSED(struct_bytes, sizeof(struct tactus_create_options) + 8, TACTUS_MISUSE, "initialised");
    REFUSED(struct_bytes, 0, TACTUS_MISUSE, "initialised");
#undef REFUSED
}

TEST(open, options_of_an_open_out_of_their_range_are_refused)
{
    make(PATH);
    const struct checksum before = file_checksum(PATH);
#define REFUSED(option, value, words)                                                              \
    do {                                                                                           \
        struct tactus_open_options options = open_options();                                       \
        options.option = (value);                                                                  \
        tactus_db *db = NULL;                                                                      \
        EXPECT(tactus_open(PATH, &options, &error, &db) == TACTUS_MISUSE);                         \
        EXPECT(db == NULL);                                                                        \
        EXPECT(strstr(error.text, (words)) != NULL);                                               \
    } while (0)
    REFUSED(sync, 3, "sync");
    REFUSED(flags, 8, "flags");
    REFUSED(compaction_depth, 9, "compaction_depth is 9; choose 1 to 8");
    REFUSED(compaction_depth, UINT32_MAX, "compaction_depth");
    REFUSED(query_count_max, 0, "query_count_max is 0");
    REFUSED(query_count_max, 65, "1 to 64");
    REFUSED(cache_bytes, UINT64_MAX, "cache_bytes");
    REFUSED(struct_bytes, 0, "default");
    REFUSED(struct_bytes, 4000, "default");
#undef REFUSED
    EXPECT(checksum_equal(file_checksum(PATH), before));
    (void)unlink(PATH);
}

/* ---- Creating by opening --------------------------------------------------------------------- */

TEST(open, makes_the_file_if_it_is_absent_and_the_options_have_a_schema)
{
    (void)unlink(PATH);
    EXPECT(try_path(PATH, 0) == TACTUS_IO);
    EXPECT(strstr(error.text, "no such file") != NULL);
    EXPECT(!is_there(PATH));

    const struct tactus_create_options create = database_fixture_create_options();
    struct tactus_open_options options = open_options();
    options.schema = database_fixture_schema();
    options.create = &create;
    options.flags = TACTUS_READ_ONLY_OPEN;
    tactus_db *db = NULL;
    EXPECT(tactus_open(PATH, &options, &error, &db) == TACTUS_IO);
    EXPECT(!is_there(PATH));

    options.flags = 0;
    EXPECT(tactus_open(PATH, &options, &error, &db) == TACTUS_OK);
    insert(db, 1, 4);
    EXPECT(tactus_close(db) == TACTUS_OK);
    EXPECT(tactus_open(PATH, &options, &error, &db) == TACTUS_OK);
    EXPECT(count_items(db) == 4);
    EXPECT(tactus_close(db) == TACTUS_OK);
    (void)unlink(PATH);
}

static enum tactus_status open_with_schema(const char *schema)
{
    struct tactus_open_options options = open_options();
    options.schema = schema;
    tactus_db *db = NULL;
    error = (struct tactus_error){0};
    const enum tactus_status status = tactus_open(PATH, &options, &error, &db);
    EXPECT(tactus_close(db) == TACTUS_OK);
    return status;
}

TEST(open, a_schema_that_is_given_must_be_that_of_the_file)
{
    (void)unlink(PATH);
    const char *schema = "collection a { id u64\n x u32 index\n y u32 optional\n index xy (x, y) }";
    EXPECT(tactus_create(PATH, schema, NULL, &error) == TACTUS_OK);
    EXPECT(open_with_schema(schema) == TACTUS_OK);
    EXPECT(
        open_with_schema("# the same in other words\ncollection a {\n  id u64\n  x u32 index\n"
                         "  y u32 optional\n  index xy (x, y)\n}") == TACTUS_OK
    );
    static const char *const others[] = {
        "collection b { id u64\n x u32 index\n y u32 optional\n index xy (x, y) }",
        "collection a { id u64\n x u32\n y u32 optional\n index xy (x, y) }",
        "collection a { id u64\n x u32 index\n y u32\n index xy (x, y) }",
        "collection a { id u64\n x u32 index\n y u32 optional\n index yx (y, x) }",
        "collection a { id u64\n x u32 index\n y i32 optional\n index xy (x, y) }",
        "collection a { id u64\n x u32 index sparse\n y u32 optional\n index xy (x, y) }",
        "collection a { id u64\n x u32 index hash\n y u32 optional\n index xy (x, y) }",
        "collection a { id u64\n x u32 index\n y u32 optional\n index xz (x, y) }",
        "collection a { x u32 index\n y u32 optional\n index xy (x, y)\n id u64 }",
        ("collection a { id u64\n x u32 index\n y u32 optional\n index xy (x, y) }\n"
         "collection b { id u64 }"),
    };
    for (uint32_t index = 0; index < sizeof others / sizeof others[0]; index += 1) {
        EXPECT(open_with_schema(others[index]) == TACTUS_SCHEMA);
        EXPECT(strstr(error.text, "schema") != NULL);
    }
    EXPECT(open_with_schema("collection a { id u64 ") == TACTUS_SYNTAX);
    EXPECT(error.line == 1 && error.column > 0);
    EXPECT(open_with_schema(schema) == TACTUS_OK);
    (void)unlink(PATH);
}

TEST(open, a_file_in_memory_needs_a_schema_and_is_gone_when_closed)
{
    EXPECT(try_path(":memory:", 0) == TACTUS_MISUSE);
    struct tactus_open_options options = open_options();
    options.schema = database_fixture_schema();
    options.flags = TACTUS_READ_ONLY_OPEN;
    tactus_db *db = NULL;
    EXPECT(tactus_open(":memory:", &options, &error, &db) == TACTUS_MISUSE);
    options.flags = 0;
    for (uint32_t times = 0; times < 2; times += 1) {
        EXPECT(tactus_open(":memory:", &options, &error, &db) == TACTUS_OK);
        EXPECT(count_items(db) == 0);
        insert(db, 1, 10);
        EXPECT(tactus_checkpoint(db) == TACTUS_OK);
        EXPECT(count_items(db) == 10);
        EXPECT(tactus_close(db) == TACTUS_OK);
    }
    EXPECT(!is_there(":memory:"));
}

TEST(open, what_was_made_for_an_open_that_fails_is_not_left_behind)
{
    (void)unlink(PATH);
    struct tactus_open_options options = open_options();
    options.schema = database_fixture_schema();
    options.memory_bytes_max = 4096;
    tactus_db *db = NULL;
    EXPECT(tactus_open(PATH, &options, &error, &db) == TACTUS_LIMIT);
    EXPECT(!is_there(PATH));
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static void expect_memory(
    const struct tactus_create_options *create, const struct tactus_open_options *open
)
{
    struct tactus_plan plan = {.struct_bytes = sizeof plan};
    EXPECT(
        tactus_memory_required(database_fixture_schema(), create, open, &plan, &error) == TACTUS_OK
    );
    const uint64_t parts = plan.memory_tables_bytes + plan.sort_scratch_bytes +
                           plan.transaction_bytes + plan.cache_bytes + plan.free_set_bytes +
                           plan.manifest_bytes + plan.query_bytes + plan.other_bytes;
    EXPECT(parts == plan.memory_bytes);

    struct tactus_open_options options = *open;
    options.schema = database_fixture_schema();
    options.create = create;
    options.memory_bytes_max = plan.memory_bytes;
    tactus_db *db = NULL;
    EXPECT(tactus_open(":memory:", &options, &error, &db) == TACTUS_OK);
    struct tactus_stats stats = {.struct_bytes = sizeof stats};
    tactus_stats(db, &stats);
    EXPECT(stats.memory_bytes == plan.memory_bytes);
    EXPECT(tactus_close(db) == TACTUS_OK);

    options.memory_bytes_max = plan.memory_bytes - 1;
    EXPECT(tactus_open(":memory:", &options, &error, &db) == TACTUS_LIMIT);
    char figure[32];
    (void)snprintf(figure, sizeof figure, "%llu", (unsigned long long)plan.memory_bytes);
    EXPECT(strstr(error.text, figure) != NULL);
    (void)snprintf(figure, sizeof figure, "%llu", (unsigned long long)plan.memory_bytes - 1);
    EXPECT(strstr(error.text, figure) != NULL);
}

TEST(open, takes_as_much_memory_as_was_said_and_no_more_than_allowed)
{
    struct tactus_create_options create = database_fixture_create_options();
    struct tactus_open_options open = open_options();
    expect_memory(&create, &open);
    open.cache_bytes = 0;
    open.query_count_max = 1;
    expect_memory(&create, &open);
    open.cache_bytes = 100 << 20;
    open.query_count_max = 64;
    expect_memory(&create, &open);
    tactus_create_options_default(&create);
    expect_memory(&create, &open);
}

/* ---- Reading only ---------------------------------------------------------------------------- */

/* A file with `transactions` in the journal alone, or with a checkpoint among them. */
static void fill(uint32_t transactions, uint32_t checkpoint_at)
{
    make(PATH);
    tactus_db *db = open_path(PATH, 0);
    for (uint32_t number = 0; number < transactions; number += 1) {
        insert(db, 1 + number * 10, 9);
        if (number + 1 == checkpoint_at) EXPECT(tactus_checkpoint(db) == TACTUS_OK);
    }
    EXPECT(tactus_close(db) == TACTUS_OK);
}

static void expect_read_only(uint32_t transactions, uint64_t cache_bytes)
{
    const struct checksum before = file_checksum(PATH);
    struct stat stat_before;
    EXPECT(stat(PATH, &stat_before) == 0);
    struct tactus_open_options options = open_options();
    options.flags = TACTUS_READ_ONLY_OPEN;
    options.cache_bytes = cache_bytes;
    options.query_count_max = 1;
    tactus_db *db = NULL;
    const enum tactus_status status = tactus_open(PATH, &options, &error, &db);
    if (status != TACTUS_OK) printf("%s\n", error.text);
    EXPECT(status == TACTUS_OK);
    EXPECT(count_items(db) == transactions * 9);

    struct database_fixture fixture = {.db = db};
    database_fixture_find(&fixture);
    EXPECT(
        database_fixture_count(&fixture, "kind = 5 and name = 'name 1'") > 0 || transactions < 2
    );
    const uint64_t ids[2] = {1, 10};
    struct fixture_item items[2];
    struct tactus_result results[2];
    EXPECT(tactus_get(tactus_latest(db), fixture.items, ids, 2, items, results) == TACTUS_SOME);
    EXPECT(results[0].status == (transactions > 0 ? TACTUS_OK : TACTUS_ABSENT));
    EXPECT(results[1].status == TACTUS_ABSENT);
    tactus_txn *txn = NULL;
    EXPECT(tactus_begin(db, NULL, &txn) == TACTUS_READ_ONLY);
    EXPECT(tactus_checkpoint(db) == TACTUS_READ_ONLY);
    EXPECT(tactus_flush(db) == TACTUS_READ_ONLY);
    EXPECT(tactus_close(db) == TACTUS_OK);
    EXPECT(checksum_equal(file_checksum(PATH), before));
    struct stat stat_after;
    EXPECT(stat(PATH, &stat_after) == 0);
    EXPECT(stat_after.st_size == stat_before.st_size);
    EXPECT(stat_after.st_mtim.tv_sec == stat_before.st_mtim.tv_sec);
    EXPECT(stat_after.st_mtim.tv_nsec == stat_before.st_mtim.tv_nsec);
}

TEST(open, read_only_sees_the_tail_of_the_journal_and_changes_no_byte)
{
    static const uint32_t counts[][2] = {{0, 0}, {1, 0}, {40, 0}, {40, 30}, {40, 40}, {150, 0}};
    for (uint32_t index = 0; index < sizeof counts / sizeof counts[0]; index += 1) {
        fill(counts[index][0], counts[index][1]);
        expect_read_only(counts[index][0], 0);
        expect_read_only(counts[index][0], 8 << 20);
        tactus_db *db = open_path(PATH, 0);
        EXPECT(count_items(db) == counts[index][0] * 9);
        EXPECT(tactus_close(db) == TACTUS_OK);
        expect_read_only(counts[index][0], 0);
    }
    (void)unlink(PATH);
}

TEST(open, read_only_needs_no_right_to_write)
{
    fill(3, 0);
    EXPECT(chmod(PATH, 0444) == 0);
    tactus_db *db = open_path(PATH, TACTUS_READ_ONLY_OPEN);
    EXPECT(count_items(db) == 27);
    EXPECT(tactus_close(db) == TACTUS_OK);
    (void)unlink(PATH);
}

TEST(open, read_only_over_its_memory_says_to_open_for_writing_once)
{
    fill(200, 0);
    struct tactus_open_options options = open_options();
    options.flags = TACTUS_READ_ONLY_OPEN;
    options.memory_bytes_max = 64 << 10;
    tactus_db *db = NULL;
    EXPECT(tactus_open(PATH, &options, &error, &db) == TACTUS_LIMIT);
    EXPECT(strstr(error.text, "65536") != NULL);
    EXPECT(strstr(error.text, "open once for writing") != NULL);
    (void)unlink(PATH);
}

/* ---- Side by side ---------------------------------------------------------------------------- */

TEST(open, readers_stand_beside_each_other_and_keep_a_writer_out)
{
    fill(5, 0);
    tactus_db *first = open_path(PATH, TACTUS_READ_ONLY_OPEN);
    tactus_db *second = open_path(PATH, TACTUS_READ_ONLY_OPEN);
    EXPECT(count_items(first) == 45);
    EXPECT(count_items(second) == 45);
    EXPECT(try_path(PATH, 0) == TACTUS_BUSY);
    EXPECT(tactus_close(first) == TACTUS_OK);
    EXPECT(count_items(second) == 45);
    EXPECT(tactus_close(second) == TACTUS_OK);

    tactus_db *writer = open_path(PATH, 0);
    EXPECT(try_path(PATH, TACTUS_READ_ONLY_OPEN) == TACTUS_BUSY);
    EXPECT(tactus_close(writer) == TACTUS_OK);
    (void)unlink(PATH);
}

TEST(open, a_second_writer_is_told_the_process_of_the_first)
{
    fill(1, 0);
    int ready[2];
    int done[2];
    EXPECT(pipe(ready) == 0 && pipe(done) == 0);
    const pid_t child = fork();
    EXPECT(child >= 0);
    char byte = 0;
    if (child == 0) {
        tactus_db *db = open_path(PATH, 0);
        EXPECT(write(ready[1], &byte, 1) == 1);
        EXPECT(read(done[0], &byte, 1) == 1);
        EXPECT(tactus_close(db) == TACTUS_OK);
        _exit(0);
    }
    EXPECT(read(ready[0], &byte, 1) == 1);
    EXPECT(try_path(PATH, 0) == TACTUS_BUSY);
    char process[32];
    (void)snprintf(process, sizeof process, "process %d", (int)child);
    EXPECT(strstr(error.text, process) != NULL);
    EXPECT(write(done[1], &byte, 1) == 1);
    int status = 0;
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    tactus_db *db = open_path(PATH, 0);
    EXPECT(tactus_close(db) == TACTUS_OK);
    for (uint32_t end = 0; end < 2; end += 1) {
        (void)close(ready[end]);
        (void)close(done[end]);
    }
    (void)unlink(PATH);
}

TEST(open, a_handle_from_before_a_fork_does_nothing_in_the_child)
{
    fill(1, 0);
    tactus_db *db = open_path(PATH, 0);
    struct database_fixture fixture = {.db = db};
    database_fixture_find(&fixture);
    tactus_txn *txn = database_fixture_txn(&fixture);
    tactus_query *query = NULL;
    EXPECT(tactus_prepare(db, fixture.items, NULL, NULL, &query) == TACTUS_OK);
    const struct checksum before = file_checksum(PATH);
    const pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        const struct fixture_item item = database_fixture_item(77, 1);
        const uint64_t id = 1;
        struct fixture_item found;
        uint32_t count = 0;
        tactus_txn *other = NULL;
        bool good = tactus_begin(db, NULL, &other) == TACTUS_FORKED;
        good = good && tactus_insert(txn, fixture.items, &item, 1, NULL) == TACTUS_FORKED;
        good = good && tactus_commit(txn, NULL) == TACTUS_FORKED;
        good = good && tactus_flush(db) == TACTUS_FORKED;
        good = good && tactus_checkpoint(db) == TACTUS_FORKED;
        good = good && strstr(tactus_error(db)->text, "fork") != NULL;
        good = good &&
               tactus_get(tactus_latest(db), fixture.items, &id, 1, &found, NULL) == TACTUS_FORKED;
        good = good && tactus_run(query, tactus_latest(db), NULL) == TACTUS_FORKED;
        good = good && tactus_next(query, &found, 1, &count) == TACTUS_FORKED;
        tactus_query_close(query);
        tactus_rollback(txn);
        good = good && tactus_close(db) == TACTUS_FORKED;
        _exit(good ? 0 : 1);
    }
    int status = 0;
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT(checksum_equal(file_checksum(PATH), before));
    tactus_query_close(query);
    EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    EXPECT(count_items(db) == 9);
    EXPECT(tactus_close(db) == TACTUS_OK);
    (void)unlink(PATH);
}

/* ---- Handles --------------------------------------------------------------------------------- */

TEST(open, close_keeps_the_handle_while_something_of_it_is_open)
{
    struct database_fixture fixture;
    database_fixture_begin(&fixture, 1);
    tactus_txn *txn = database_fixture_txn(&fixture);
    EXPECT(tactus_close(fixture.db) == TACTUS_MISUSE);
    EXPECT(database_fixture_says(&fixture, "transaction is open"));
    tactus_rollback(txn);
    tactus_query *query = NULL;
    EXPECT(tactus_prepare(fixture.db, fixture.items, NULL, NULL, &query) == TACTUS_OK);
    EXPECT(tactus_close(fixture.db) == TACTUS_MISUSE);
    EXPECT(database_fixture_says(&fixture, "query is open"));
    tactus_query_close(query);
    EXPECT(database_fixture_insert(&fixture, 1, 1, 1) == TACTUS_OK);
    database_fixture_end(&fixture);
}

TEST(open, null_is_misuse_or_nothing_and_never_a_crash)
{
    struct tactus_collection_info info = {.field_count = 7};
    struct tactus_field field;
    struct tactus_stats stats = {.struct_bytes = sizeof stats};
    const tactus_collection *collection = NULL;
    tactus_txn *txn = NULL;
    tactus_query *query = NULL;
    uint32_t count = 0;
    char buffer[8] = "before";
    EXPECT(tactus_close(NULL) == TACTUS_OK);
    tactus_rollback(NULL);
    tactus_query_close(NULL);
    EXPECT(tactus_create(NULL, "", NULL, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_create(PATH, NULL, NULL, NULL) == TACTUS_MISUSE);
    tactus_db *db = NULL;
    EXPECT(tactus_open(NULL, NULL, NULL, &db) == TACTUS_MISUSE);
    EXPECT(tactus_open(PATH, NULL, NULL, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_begin(NULL, NULL, &txn) == TACTUS_MISUSE);
    EXPECT(tactus_commit(NULL, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_flush(NULL) == TACTUS_MISUSE);
    EXPECT(tactus_checkpoint(NULL) == TACTUS_MISUSE);
    EXPECT(tactus_collection_find(NULL, "a", 0, &collection) == TACTUS_MISUSE);
    EXPECT(tactus_collection_at(NULL, 0) == NULL);
    tactus_collection_info(NULL, &info);
    EXPECT(info.field_count == 0);
    EXPECT(tactus_field_at(NULL, 0, &field) == TACTUS_MISUSE);
    EXPECT(tactus_latest(NULL) == NULL);
    EXPECT(tactus_txn_view(NULL) == NULL);
    EXPECT(tactus_get(NULL, NULL, NULL, 0, NULL, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_get_by_timestamp(NULL, NULL, NULL, 0, NULL, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_prepare(NULL, NULL, NULL, NULL, &query) == TACTUS_MISUSE);
    EXPECT(tactus_bind(NULL, 1, "") == TACTUS_MISUSE);
    EXPECT(tactus_run(NULL, NULL, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_next(NULL, NULL, 0, &count) == TACTUS_MISUSE);
    EXPECT(tactus_count(NULL, 1, &(uint64_t){0}) == TACTUS_MISUSE);
    EXPECT(tactus_query_token(NULL, buffer, sizeof buffer) == TACTUS_MISUSE);
    EXPECT(tactus_query_explain(NULL, "text", NULL, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_schema_check(NULL, NULL) == TACTUS_MISUSE);
    EXPECT(strcmp(tactus_schema_text(NULL), "") == 0);
    EXPECT(strcmp(tactus_warning(NULL), "") == 0);
    EXPECT(tactus_error(NULL)->status == TACTUS_MISUSE);
    EXPECT(tactus_value_format(NULL, 0, NULL, buffer, sizeof buffer) == 0);
    EXPECT(buffer[0] == 0);
    EXPECT(tactus_value_parse(NULL, 0, "", 0, NULL, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_text_set(NULL, 8, "") == TACTUS_MISUSE);
    tactus_stats(NULL, &stats);
    EXPECT(stats.op == 0);
    tactus_create_options_init(NULL, 0);
    tactus_open_options_init(NULL, 0);
    tactus_txn_options_init(NULL, 0);
}

TEST(open, null_arguments_of_a_sound_handle_are_misuse)
{
    struct database_fixture fixture;
    database_fixture_begin(&fixture, 1);
    tactus_view *latest = tactus_latest(fixture.db);
    const tactus_collection *collection = NULL;
    struct fixture_item item;
    uint64_t id = 1;
    uint32_t count = 0;
    EXPECT(tactus_begin(fixture.db, NULL, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_collection_find(fixture.db, NULL, 0, &collection) == TACTUS_MISUSE);
    EXPECT(tactus_collection_find(fixture.db, "item", 0, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_get(latest, NULL, &id, 1, &item, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_get(latest, fixture.items, NULL, 1, &item, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_get(latest, fixture.items, &id, 1, NULL, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_get(latest, fixture.items, NULL, 0, NULL, NULL) == TACTUS_OK);
    EXPECT(tactus_get_by_timestamp(latest, fixture.items, NULL, 1, &item, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_prepare(fixture.db, NULL, NULL, NULL, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_prepare(fixture.db, fixture.items, NULL, NULL, NULL) == TACTUS_MISUSE);
    tactus_query *query = NULL;
    EXPECT(tactus_prepare(fixture.db, fixture.items, NULL, NULL, &query) == TACTUS_OK);
    EXPECT(tactus_run(query, NULL, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_run(query, latest, "token") == TACTUS_SYNTAX);
    EXPECT(tactus_run(query, latest, NULL) == TACTUS_OK);
    EXPECT(tactus_next(query, NULL, 1, &count) == TACTUS_MISUSE);
    EXPECT(tactus_next(query, &item, 1, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_bind(query, 1, NULL) == TACTUS_MISUSE);
    tactus_query_close(query);
    EXPECT(tactus_next(query, &item, 1, &count) == TACTUS_MISUSE);
    EXPECT(tactus_run(query, latest, NULL) == TACTUS_MISUSE);
    tactus_query_close(query);
    tactus_txn *txn = database_fixture_txn(&fixture);
    EXPECT(tactus_insert(txn, NULL, &item, 1, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_insert(txn, fixture.items, NULL, 1, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_remove(txn, fixture.items, NULL, 1, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_insert(txn, fixture.items, NULL, 0, NULL) == TACTUS_OK);
    tactus_rollback(txn);
    database_fixture_end(&fixture);
}

TEST(open, what_belongs_to_another_database_is_misuse)
{
    struct database_fixture one;
    struct database_fixture other;
    database_fixture_begin(&one, 1);
    database_fixture_begin(&other, 2);
    struct fixture_item item = database_fixture_item(1, 1);
    uint64_t id = 1;
    tactus_txn *txn = database_fixture_txn(&one);
    EXPECT(tactus_insert(txn, other.items, &item, 1, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_get(tactus_latest(one.db), other.items, &id, 1, &item, NULL) == TACTUS_MISUSE);
    tactus_query *query = NULL;
    EXPECT(tactus_prepare(one.db, other.items, NULL, NULL, &query) == TACTUS_MISUSE);
    EXPECT(tactus_prepare(one.db, one.items, NULL, NULL, &query) == TACTUS_OK);
    EXPECT(tactus_run(query, tactus_latest(other.db), NULL) == TACTUS_MISUSE);
    tactus_query_close(query);
    tactus_rollback(txn);
    database_fixture_end(&one);
    database_fixture_end(&other);
}

/* ---- Schema ---------------------------------------------------------------------------------- */

TEST(open, collections_and_fields_are_described)
{
    struct database_fixture fixture;
    database_fixture_begin(&fixture, 1);
    struct tactus_collection_info info;
    EXPECT(tactus_collection_at(fixture.db, 0) == fixture.items);
    EXPECT(tactus_collection_at(fixture.db, 2) == fixture.entries);
    EXPECT(tactus_collection_at(fixture.db, 3) == NULL);
    tactus_collection_info(fixture.items, &info);
    EXPECT(strcmp(info.name, "item") == 0);
    EXPECT(info.kind == 1 && info.field_count == 5 && info.index_count == 4);
    EXPECT(info.id_field == 0 && info.timestamp_field == 1);
    EXPECT(info.batch_max == FIXTURE_BATCH && info.timestamp_last == 0);
    const uint64_t shape = info.shape;
    EXPECT(database_fixture_insert(&fixture, 1, 3, 1) == TACTUS_OK);
    tactus_collection_info(fixture.items, &info);
    EXPECT(info.timestamp_last == 3);
    tactus_collection_info(fixture.entries, &info);
    EXPECT(info.id_field == UINT32_MAX && info.timestamp_field == 2);

    const tactus_collection *found = NULL;
    EXPECT(tactus_collection_find(fixture.db, "item", shape, &found) == TACTUS_OK);
    EXPECT(found == fixture.items);
    EXPECT(tactus_collection_find(fixture.db, "item", shape + 1, &found) == TACTUS_SCHEMA);
    EXPECT(tactus_collection_find(fixture.db, "items", 0, &found) == TACTUS_ABSENT);
    EXPECT(database_fixture_says(&fixture, "items"));

    struct tactus_field field;
    EXPECT(tactus_field_at(fixture.items, 3, &field) == TACTUS_OK);
    EXPECT(strcmp(field.name, "rank") == 0 && field.type == TACTUS_TYPE_I32);
    EXPECT(field.offset == offsetof(struct fixture_item, rank) && field.size == 4);
    EXPECT(field.flags == (TACTUS_FIELD_OPTIONAL | TACTUS_FIELD_INDEX));
    EXPECT(tactus_field_at(fixture.items, 5, &field) == TACTUS_ABSENT);
    database_fixture_end(&fixture);
}

/* ---- Files that are not ours ----------------------------------------------------------------- */

static void write_file(const char *path, const void *bytes, size_t size)
{
    (void)unlink(path);
    FILE *file = fopen(path, "wb");
    EXPECT(file != NULL);
    EXPECT(fwrite(bytes, 1, size, file) == size);
    EXPECT(fclose(file) == 0);
}

TEST(open, a_file_that_is_not_ours_is_refused_and_left_as_it_was)
{
    static uint8_t bytes[200000];
    for (uint32_t index = 0; index < sizeof bytes; index += 1)
        bytes[index] = (uint8_t)(index * 7);
    static const size_t sizes[] = {0, 1, 4096, 65536, sizeof bytes};
    for (uint32_t index = 0; index < sizeof sizes / sizeof sizes[0]; index += 1) {
        write_file(PATH, bytes, sizes[index]);
        const struct checksum before = file_checksum(PATH);
        EXPECT(try_path(PATH, 0) == TACTUS_CORRUPT);
        EXPECT(try_path(PATH, TACTUS_READ_ONLY_OPEN) == TACTUS_CORRUPT);
        EXPECT(checksum_equal(file_checksum(PATH), before));
        struct tactus_open_options options = open_options();
        options.schema = database_fixture_schema();
        tactus_db *db = NULL;
        EXPECT(tactus_open(PATH, &options, &error, &db) == TACTUS_CORRUPT);
        EXPECT(checksum_equal(file_checksum(PATH), before));
    }
    (void)unlink(PATH);
    EXPECT(try_path(".", 0) == TACTUS_IO);
    EXPECT(try_path("/open_test/no/such/folder", 0) == TACTUS_IO);
}

TEST(open, a_truncated_file_is_refused_and_left_as_it_was)
{
    fill(50, 50);
    struct stat found;
    EXPECT(stat(PATH, &found) == 0);
    const size_t size = (size_t)found.st_size;
    uint8_t *bytes = malloc(size);
    EXPECT(bytes != NULL);
    const int fd = open(PATH, O_RDONLY | O_CLOEXEC);
    EXPECT(fd >= 0);
    EXPECT(read(fd, bytes, size) == found.st_size);
    (void)close(fd);
    for (uint32_t part = 0; part < 16; part += 1) {
        write_file(PATH, bytes, size * part / 16);
        const struct checksum before = file_checksum(PATH);
        EXPECT(try_path(PATH, 0) == TACTUS_CORRUPT);
        EXPECT(checksum_equal(file_checksum(PATH), before));
    }
    write_file(PATH, bytes, size);
    tactus_db *db = open_path(PATH, 0);
    EXPECT(count_items(db) == 450);
    EXPECT(tactus_close(db) == TACTUS_OK);
    free(bytes);
    (void)unlink(PATH);
}

TEST(open, a_damaged_copy_of_the_superblock_is_healed_and_said)
{
    fill(5, 0);
    static const uint8_t zeros[4096];
    const int fd = open(PATH, O_WRONLY | O_CLOEXEC);
    EXPECT(fd >= 0);
    EXPECT(pwrite(fd, zeros, sizeof zeros, 16384) == (ssize_t)sizeof zeros);
    (void)close(fd);
    tactus_db *db = open_path(PATH, TACTUS_READ_ONLY_OPEN);
    EXPECT(strstr(tactus_warning(db), "open once for writing") != NULL);
    EXPECT(tactus_close(db) == TACTUS_OK);
    db = open_path(PATH, 0);
    EXPECT(strstr(tactus_warning(db), "healed") != NULL);
    EXPECT(count_items(db) == 45);
    EXPECT(tactus_close(db) == TACTUS_OK);
    db = open_path(PATH, 0);
    EXPECT(strcmp(tactus_warning(db), "") == 0);
    EXPECT(tactus_close(db) == TACTUS_OK);
    (void)unlink(PATH);
}

TEST(open, status_and_version_have_words)
{
    EXPECT(tactus_version() == TACTUS_VERSION_NUMBER);
    for (int status = TACTUS_OK; status <= TACTUS_MISUSE; status += 1) {
        EXPECT(tactus_status_text((enum tactus_status)status)[0] != 0);
        EXPECT(strcmp(tactus_status_text((enum tactus_status)status), "an unknown status") != 0);
    }
    EXPECT(strcmp(tactus_status_text((enum tactus_status)99), "an unknown status") == 0);
}

TEST_MAIN()
