/* After tactus_open() returns and until tactus_close() is called, nothing asks the system for
 * memory, whatever is done with the handle.
 *
 * The allocator and mmap are interposed by this program: its definitions come before those of libc.
 * A sanitizer has an allocator of its own, which is watched by its hooks instead. Works in the
 * current directory, in a name that begins with "allocation_test". */
#include "support/database_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/random.h"
#include "support/test.h"

#include "base/poison.h"

#define PATH "allocation_test.tactus"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define HAS_HOOKS 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_HOOKS 1
#endif

/* volatile: compilers know malloc, and that it changes no variable of ours. */
static volatile bool is_armed;
static volatile uint64_t call_count;

static void note(void)
{
    if (is_armed) call_count += 1;
}

static void arm(void)
{
    call_count = 0;
    is_armed = true;
}

static uint64_t disarm(void)
{
    is_armed = false;
    return call_count;
}

#ifdef HAS_HOOKS

int __sanitizer_install_malloc_and_free_hooks(
    void (*malloc_hook)(const volatile void *, size_t), void (*free_hook)(const volatile void *)
);

static void on_malloc(const volatile void *memory, size_t size)
{
    (void)memory;
    (void)size;
    note();
}

static void on_free(const volatile void *memory)
{
    if (memory != NULL) note();
}

static bool watch(void)
{
    static bool is_installed;
    if (!is_installed) is_installed = __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
    return is_installed;
}

#elif defined(__GLIBC__)

/* Seen by the libraries, too, although this project hides its symbols. */
#pragma GCC visibility push(default)
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);

void *malloc(size_t size)
{
    note();
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    note();
    return __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    note();
    return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    note();
    return __libc_memalign(alignment, size);
}

void *memalign(size_t alignment, size_t size);
void *memalign(size_t alignment, size_t size)
{
    note();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    note();
    *memory = __libc_memalign(alignment, size);
    return *memory == NULL ? ENOMEM : 0;
}

void free(void *memory)
{
    if (memory != NULL) note();
    __libc_free(memory);
}
#pragma GCC visibility pop

static bool watch(void)
{
    return true;
}

#else

static bool watch(void)
{
    return false; /* no way to interpose is known here */
}

#endif

/* libc's own calls of mmap do not come by here, but ours and those of libraries do. */
#pragma GCC visibility push(default)
void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    note();
#ifdef SYS_mmap2
    return (void *)syscall(SYS_mmap2, address, size, protection, flags, fd, offset / 4096);
#else
    return (void *)syscall(SYS_mmap, address, size, protection, flags, fd, offset);
#endif
}

int munmap(void *address, size_t size)
{
    note();
    return (int)syscall(SYS_munmap, address, size);
}
#pragma GCC visibility pop

/* ---- What is done while nothing may be taken ------------------------------------------------- */

/* Objects and answers lie here, so that the test itself takes nothing. */
static struct fixture_item items[FIXTURE_BATCH];
static struct tactus_result results[FIXTURE_BATCH];
static uint64_t ids[FIXTURE_BATCH];

static void draw(struct random *random)
{
    for (uint32_t index = 0; index < FIXTURE_BATCH; index += 1) {
        ids[index] = 1 + random_below(random, 2000);
        items[index] = (struct fixture_item){
            .id = ids[index],
            .kind = (uint32_t)random_below(random, 20),
            .rank = (int32_t)random_below(random, 5) - 2,
            .name = "a name",
        };
        items[index].name[random_below(random, 6)] = 'z';
    }
}

static bool is_good(enum tactus_status status)
{
    return status == TACTUS_OK || status == TACTUS_SOME || status == TACTUS_EXISTS ||
           status == TACTUS_ABSENT;
}

static void write_some(struct database_fixture *fixture, struct random *random)
{
    tactus_txn *txn = NULL;
    EXPECT(tactus_begin(fixture->db, NULL, &txn) == TACTUS_OK);
    const uint32_t count = 1 + (uint32_t)random_below(random, FIXTURE_BATCH / 2);
    draw(random);
    EXPECT(is_good(tactus_upsert(txn, fixture->items, items, count, results)));
    EXPECT(is_good(tactus_insert(txn, fixture->items, items, 1, NULL)));
    EXPECT(is_good(tactus_remove(txn, fixture->items, ids, 3, NULL)));
    items[0].name[0] = (char)0xff;
    EXPECT(tactus_upsert(txn, fixture->items, items, 1, NULL) == TACTUS_INVALID);
    const struct fixture_entry entry = {.at = (int64_t)count};
    EXPECT(tactus_insert(txn, fixture->entries, &entry, 1, NULL) == TACTUS_OK);
    if (random_chance(random, 1, 10)) {
        tactus_rollback(txn);
    } else if (random_chance(random, 1, 2)) {
        EXPECT(tactus_commit(txn, NULL) == TACTUS_OK);
    } else {
        uint64_t op = 0;
        EXPECT(tactus_commit_start(txn, &op) == TACTUS_OK);
        if (random_chance(random, 1, 4)) EXPECT(tactus_durable_wait(fixture->db, op) == TACTUS_OK);
        if (random_chance(random, 1, 4)) EXPECT(tactus_durable_op(fixture->db, &op) == TACTUS_OK);
    }
}

static void read_some(struct database_fixture *fixture, struct random *random)
{
    static const char *const questions[] = {
        "kind = ?1",
        "kind in (?1, 3) and rank > 0",
        "name starts 'a' and not kind = ?1",
        "id between 100 and 300 and kind != ?1"};
    draw(random);
    EXPECT(is_good(
        tactus_get(tactus_latest(fixture->db), fixture->items, ids, FIXTURE_BATCH, items, results)
    ));
    tactus_query *query = NULL;
    const char *where = questions[random_below(random, 4)];
    EXPECT(tactus_prepare(fixture->db, fixture->items, where, NULL, &query) == TACTUS_OK);
    EXPECT(tactus_bind(query, 1, "7") == TACTUS_OK);
    EXPECT(tactus_run(query, tactus_latest(fixture->db), NULL) == TACTUS_OK);
    for (uint32_t count = 1; count > 0;) {
        EXPECT(tactus_next(query, items, FIXTURE_BATCH, &count) == TACTUS_OK);
    }
    tactus_query_close(query);
    EXPECT(tactus_prepare(fixture->db, fixture->items, "kind =", NULL, &query) == TACTUS_SYNTAX);
    char text[64];
    EXPECT(tactus_value_format(fixture->items, 3, &items[0], text, sizeof text) < sizeof text);
    EXPECT(tactus_value_parse(fixture->items, 3, "12", 2, &items[0], NULL) == TACTUS_OK);
}

static void look_around(struct database_fixture *fixture)
{
    const struct tactus_stats stats = database_fixture_stats(fixture);
    EXPECT(stats.memory_bytes > 0);
    struct tactus_digest digest;
    EXPECT(tactus_digest(fixture->db, &digest) == TACTUS_OK);
    struct tactus_u128 of_items;
    EXPECT(tactus_digest_collection(fixture->db, fixture->items, &of_items, NULL) == TACTUS_OK);
    EXPECT(tactus_error(fixture->db) != NULL);
    EXPECT(tactus_fd(fixture->db) >= 0);
}

/* Between open and close: what the whole of it took. */
static uint64_t use(struct database_fixture *fixture, uint32_t transactions)
{
    struct random random;
    random_init(&random, 1);
    arm();
    database_fixture_find(fixture);
    for (uint32_t number = 0; number < transactions; number += 1) {
        write_some(fixture, &random);
        if (number % 7 == 0) read_some(fixture, &random);
        if (number % 100 == 50) EXPECT(tactus_checkpoint(fixture->db) == TACTUS_OK);
        if (number % 100 == 75) EXPECT(tactus_flush(fixture->db) == TACTUS_OK);
        if (number % 500 == 0) look_around(fixture);
    }
    return disarm();
}

static void use_path(const char *path, uint32_t flags, uint32_t transactions)
{
    if (!watch()) return;
    const struct tactus_create_options create = database_fixture_create_options();
    struct tactus_open_options options;
    tactus_open_options_default(&options);
    options.schema = database_fixture_schema();
    options.create = &create;
    options.cache_bytes = 0;
    options.sync = TACTUS_SYNC_NONE;
    options.flags = flags;
    struct tactus_error error;
    struct database_fixture fixture = {.db = NULL};
    EXPECT(tactus_open(path, &options, &error, &fixture.db) == TACTUS_OK);
    const uint64_t taken = use(&fixture, transactions);
    if (taken != 0) printf("%llu calls for memory\n", (unsigned long long)taken);
    EXPECT(taken == 0);
    EXPECT(tactus_close(fixture.db) == TACTUS_OK);
}

TEST(allocation, none_after_open_in_memory)
{
    use_path(":memory:", 0, 4000);
}

TEST(allocation, none_after_open_of_a_file)
{
    (void)unlink(PATH);
    use_path(PATH, 0, 800);
    use_path(PATH, 0, 300); /* opened with a journal to replay */
    (void)unlink(PATH);
}

TEST(allocation, none_after_open_of_a_file_without_io_uring)
{
    (void)unlink(PATH);
    use_path(PATH, TACTUS_POSIX_IO, 800);
    (void)unlink(PATH);
}

TEST(allocation, none_after_a_read_only_open)
{
    (void)unlink(PATH);
    use_path(PATH, 0, 120);
    struct tactus_open_options options;
    tactus_open_options_default(&options);
    options.flags = TACTUS_READ_ONLY_OPEN;
    struct database_fixture fixture = {.db = NULL};
    EXPECT(tactus_open(PATH, &options, NULL, &fixture.db) == TACTUS_OK);
    struct random random;
    random_init(&random, 3);
    database_fixture_find(&fixture);
    arm();
    for (uint32_t times = 0; times < 100; times += 1)
        read_some(&fixture, &random);
    EXPECT(disarm() == 0);
    EXPECT(tactus_close(fixture.db) == TACTUS_OK);
    (void)unlink(PATH);
}

/* The alarm rings: for each way to ask for memory. */
TEST(allocation, canary)
{
    if (!watch()) return;
    void *volatile memory = NULL;
    arm();
    memory = malloc(10);
    EXPECT(disarm() > 0);
    arm();
    memory = realloc(memory, 1000);
    EXPECT(disarm() > 0);
    arm();
    free(memory);
    EXPECT(disarm() > 0);
    arm();
    memory = calloc(3, 5);
    EXPECT(disarm() > 0);
    free(memory);
    arm();
    memory = aligned_alloc(64, 640);
    EXPECT(disarm() > 0);
    free(memory);
    arm();
    memory = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT(disarm() > 0);
    EXPECT(memory != MAP_FAILED);
    (void)munmap(memory, 4096);
    arm();
    memory = strdup("of libc's own"); /* from inside a library */
    EXPECT(disarm() > 0);
    free(memory);
    arm();
    EXPECT(disarm() == 0);

    /* And between the calls of a run. */
    struct database_fixture fixture;
    database_fixture_begin(&fixture, 1);
    arm();
    EXPECT(database_fixture_insert(&fixture, 1, 1, 1) == TACTUS_OK);
    memory = malloc(1);
    EXPECT(database_fixture_insert(&fixture, 2, 1, 1) == TACTUS_OK);
    EXPECT(disarm() > 0);
    free(memory);
    database_fixture_end(&fixture);
}

TEST_MAIN()
