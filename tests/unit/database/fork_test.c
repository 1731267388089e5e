/* A handle on both sides of a fork(): the child gets FORKED from every call and touches nothing,
 * the parent goes on as if there were none. Works in the current directory, in names that begin
 * with "fork_test". */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/database_fixture.h"
#include "support/test.h"

#include "base/poison.h"

#define PATH "fork_test.tactus"
enum { ITEMS = 200, QUEUED = 30 };

static struct database_fixture fixture;
static tactus_txn *txn;
static tactus_query *query;
static int fd;

static const struct {
    const char *path;
    uint32_t flags;
} files[] = {{PATH, 0}, {PATH, TACTUS_POSIX_IO}, {":memory:", 0}};
enum { FILES = sizeof files / sizeof files[0] };

static enum tactus_status start(uint64_t id, uint64_t *op)
{
    tactus_txn *started = database_fixture_txn(&fixture);
    const struct fixture_item item = database_fixture_item(id, 1);
    EXPECT(tactus_insert(started, fixture.items, &item, 1, NULL) == TACTUS_OK);
    return tactus_commit_start(started, op);
}

static void begin_file(uint32_t kind)
{
    (void)unlink(PATH);
    fixture = (struct database_fixture){.create = database_fixture_create_options()};
    tactus_open_options_default(&fixture.open);
    struct tactus_open_options open = fixture.open;
    open.schema = database_fixture_schema();
    open.create = &fixture.create;
    open.flags = files[kind].flags;
    EXPECT(tactus_open(files[kind].path, &open, &fixture.error, &fixture.db) == TACTUS_OK);
    database_fixture_find(&fixture);
    fd = tactus_fd(fixture.db);
    EXPECT(fd >= 0);
}

/* ---- What the child sees --------------------------------------------------------------------- */

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) return __LINE__;                                                         \
    } while (0)

static int child_writes(void)
{
    const struct fixture_item item = database_fixture_item(77, 1);
    const uint64_t id = 1;
    uint64_t op = 5;
    tactus_txn *other = NULL;
    CHECK(tactus_begin(fixture.db, NULL, &other) == TACTUS_FORKED && other == NULL);
    CHECK(tactus_insert(txn, fixture.items, &item, 1, NULL) == TACTUS_FORKED);
    CHECK(tactus_upsert(txn, fixture.items, &item, 1, NULL) == TACTUS_FORKED);
    CHECK(tactus_update(txn, fixture.items, &item, 1, NULL) == TACTUS_FORKED);
    CHECK(tactus_remove(txn, fixture.items, &id, 1, NULL) == TACTUS_FORKED);
    CHECK(tactus_put(txn, fixture.items, &item, 1, NULL) == TACTUS_FORKED);
    CHECK(tactus_delete(txn, fixture.items, &id, 1, NULL) == TACTUS_FORKED);
    CHECK(tactus_commit(txn, &op) == TACTUS_FORKED);
    CHECK(tactus_commit_start(txn, &op) == TACTUS_FORKED);
    tactus_rollback(txn);
    CHECK(tactus_durable_wait(fixture.db, 1) == TACTUS_FORKED);
    CHECK(tactus_durable_op(fixture.db, &op) == TACTUS_FORKED && op == 5);
    CHECK(tactus_fd(fixture.db) == -1);
    CHECK(tactus_flush(fixture.db) == TACTUS_FORKED);
    CHECK(tactus_checkpoint(fixture.db) == TACTUS_FORKED);
    return 0;
}

static int child_reads(void)
{
    const uint64_t id = 1;
    struct fixture_item item;
    uint32_t count = 7;
    tactus_view *view = tactus_latest(fixture.db);
    CHECK(tactus_get(view, fixture.items, &id, 1, &item, NULL) == TACTUS_FORKED);
    CHECK(tactus_get_by_timestamp(view, fixture.items, &id, 1, &item, NULL) == TACTUS_FORKED);
    CHECK(tactus_get(tactus_txn_view(txn), fixture.items, &id, 1, &item, NULL) == TACTUS_FORKED);
    tactus_query *other = NULL;
    CHECK(tactus_prepare(fixture.db, fixture.items, NULL, NULL, &other) == TACTUS_FORKED);
    CHECK(tactus_bind(query, 1, "3") == TACTUS_FORKED);
    CHECK(tactus_run(query, view, NULL) == TACTUS_FORKED);
    CHECK(tactus_next(query, &item, 1, &count) == TACTUS_FORKED && count == 7);
    uint64_t counted = 7;
    char token[TACTUS_TOKEN_BYTES] = "before";
    CHECK(tactus_count(query, 1, &counted) == TACTUS_FORKED && counted == 7);
    CHECK(tactus_query_token(query, token, sizeof token) == TACTUS_FORKED && token[0] == 'b');
    CHECK(tactus_query_explain(query, "text", NULL, NULL) == TACTUS_FORKED);
    tactus_query_close(query);
    struct tactus_digest digest;
    struct tactus_u128 of_items;
    CHECK(tactus_digest(fixture.db, &digest) == TACTUS_FORKED);
    CHECK(tactus_digest_collection(fixture.db, fixture.items, &of_items, NULL) == TACTUS_FORKED);
    return 0;
}

static int child_looks_around(void)
{
    const tactus_collection *found = NULL;
    CHECK(tactus_collection_find(fixture.db, "item", 0, &found) == TACTUS_FORKED);
    CHECK(tactus_collection_at(fixture.db, 0) != NULL); /* a place, and no more */
    struct tactus_collection_info info = {.kind = 9};
    tactus_collection_info(fixture.items, &info);
    CHECK(info.kind == 0 && info.name == NULL);
    struct tactus_field field;
    CHECK(tactus_field_at(fixture.items, 0, &field) == TACTUS_FORKED);
    struct fixture_item item = {0};
    char text[32] = "before";
    struct tactus_error error = {0};
    CHECK(tactus_value_parse(fixture.items, 0, "1", 1, &item, &error) == TACTUS_FORKED);
    CHECK(error.status == TACTUS_FORKED);
    CHECK(tactus_value_format(fixture.items, 0, &item, text, sizeof text) == 0 && text[0] == 0);
    CHECK(tactus_schema_text(fixture.db)[0] == 0);
    CHECK(tactus_warning(fixture.db)[0] == 0);
    struct tactus_stats stats = {.struct_bytes = sizeof stats};
    tactus_stats(fixture.db, &stats);
    CHECK(stats.op == 0 && stats.memory_bytes == 0);
    CHECK(tactus_error(fixture.db)->status == TACTUS_FORKED);
    CHECK(strstr(tactus_error(fixture.db)->text, "fork") != NULL);
    return 0;
}

static int run_child(void)
{
    int line = child_writes();
    if (line == 0) line = child_reads();
    if (line == 0) line = child_looks_around();
    if (line != 0) return line;
    CHECK(tactus_close(fixture.db) == TACTUS_FORKED);
    CHECK(fcntl(fd, F_GETFD) < 0 && errno == EBADF); /* it has given its descriptors up */
    return 0;
}

/* The line that the child did not get beyond, or 0. */
static int fork_child(void)
{
    int ends[2];
    EXPECT(pipe(ends) == 0);
    const pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        const int line = run_child();
        const bool told = write(ends[1], &line, sizeof line) == (ssize_t)sizeof line;
        _exit(told && line == 0 ? 0 : 1);
    }
    (void)close(ends[1]); /* so that a child that dies is no riddle */
    int line = -1;
    EXPECT(read(ends[0], &line, sizeof line) == (ssize_t)sizeof line);
    int status = 1;
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(WIFEXITED(status) && (WEXITSTATUS(status) == 0) == (line == 0));
    (void)close(ends[0]);
    return line;
}

/* ---- The parent goes on ---------------------------------------------------------------------- */

TEST(fork, the_child_is_refused_and_the_parent_goes_on)
{
    for (uint32_t kind = 0; kind < FILES; kind += 1) {
        begin_file(kind);
        for (uint64_t id = 1; id <= ITEMS; id += 1)
            EXPECT(start(id, NULL) == TACTUS_OK);
        EXPECT(tactus_prepare(fixture.db, fixture.items, "kind = ?1", NULL, &query) == TACTUS_OK);
        EXPECT(tactus_bind(query, 1, "1") == TACTUS_OK);
        uint64_t op = 0;
        for (uint64_t id = 0; id < QUEUED; id += 1) /* on their way while the child is made */
            EXPECT(start(1000 + id, &op) == TACTUS_OK);
        txn = database_fixture_txn(&fixture);
        const struct fixture_item item = database_fixture_item(5000, 1);
        EXPECT(tactus_insert(txn, fixture.items, &item, 1, NULL) == TACTUS_OK);
        EXPECT(tactus_run(query, tactus_latest(fixture.db), NULL) == TACTUS_OK);

        const int line = fork_child();
        EXPECT(line == 0);

        struct fixture_item found[50];
        uint32_t count = 0;
        EXPECT(tactus_next(query, found, 50, &count) == TACTUS_OK && count == 50);
        tactus_query_close(query);
        EXPECT(tactus_commit(txn, &op) == TACTUS_OK);
        for (uint64_t id = 0; id < QUEUED; id += 1)
            EXPECT(start(2000 + id, &op) == TACTUS_OK);
        EXPECT(tactus_durable_wait(fixture.db, op) == TACTUS_OK);
        EXPECT(tactus_checkpoint(fixture.db) == TACTUS_OK);
        const uint32_t all = ITEMS + 2 * QUEUED + 1;
        EXPECT(database_fixture_count(&fixture, NULL) == all);
        EXPECT(tactus_close(fixture.db) == TACTUS_OK);
        if (strcmp(files[kind].path, PATH) != 0) continue;
        EXPECT(tactus_verify(PATH, NULL, NULL, NULL, NULL) == TACTUS_OK);
        EXPECT(tactus_open(PATH, NULL, NULL, &fixture.db) == TACTUS_OK);
        database_fixture_find(&fixture);
        EXPECT(database_fixture_count(&fixture, NULL) == all);
        EXPECT(tactus_close(fixture.db) == TACTUS_OK);
        (void)unlink(PATH);
    }
}

/* ---- The lock -------------------------------------------------------------------------------- */

static enum tactus_status try_open(void)
{
    tactus_db *db = NULL;
    const enum tactus_status status = tactus_open(PATH, NULL, NULL, &db);
    EXPECT(tactus_close(db) == TACTUS_OK);
    return status;
}

TEST(fork, closing_in_the_child_leaves_the_parents_lock)
{
    for (uint32_t kind = 0; kind < 2; kind += 1) {
        begin_file(kind);
        const pid_t child = fork();
        EXPECT(child >= 0);
        if (child == 0) _exit(tactus_close(fixture.db) == TACTUS_FORKED ? 0 : 1);
        int status = 1;
        EXPECT(waitpid(child, &status, 0) == child && status == 0);
        EXPECT(try_open() == TACTUS_BUSY);
        EXPECT(tactus_close(fixture.db) == TACTUS_OK);
        EXPECT(try_open() == TACTUS_OK);
        (void)unlink(PATH);
    }
}

TEST(fork, a_child_that_lives_on_keeps_the_lock_until_it_closes)
{
    begin_file(0);
    int go[2];
    int done[2];
    EXPECT(pipe(go) == 0 && pipe(done) == 0);
    char byte = 0;
    const pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        bool good = read(go[0], &byte, 1) == 1;
        good = tactus_close(fixture.db) == TACTUS_FORKED && good;
        good = write(done[1], &byte, 1) == 1 && good;
        good = read(go[0], &byte, 1) == 1 && good;
        _exit(good ? 0 : 1);
    }
    EXPECT(tactus_close(fixture.db) == TACTUS_OK);
    EXPECT(try_open() == TACTUS_BUSY);
    EXPECT(write(go[1], &byte, 1) == 1);
    EXPECT(read(done[0], &byte, 1) == 1);
    EXPECT(try_open() == TACTUS_OK);
    EXPECT(write(go[1], &byte, 1) == 1);
    int status = 1;
    EXPECT(waitpid(child, &status, 0) == child && status == 0);
    for (uint32_t end = 0; end < 2; end += 1) {
        (void)close(go[end]);
        (void)close(done[end]);
    }
    (void)unlink(PATH);
}

TEST_MAIN()
