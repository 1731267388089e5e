/* A small database over a simulated disk, for tests of what the public calls say: three
 * collections, of which one has an id of 64 bits, one an id of 128 bits, one none; and, if it
 * has_maps, two maps, of both kinds of keys. Blocks and batches are small, so that a few hundred
 * objects fill several levels. */
#ifndef TACTUS_TESTS_DATABASE_FIXTURE_H
#define TACTUS_TESTS_DATABASE_FIXTURE_H

#include "database/database.h"
#include "support/simulated_disk.h"
#include "tactus.h"

#include <stdbool.h>
#include <stdint.h>

/* As `tactus codegen c` prints them. */
struct fixture_item {
    uint64_t id;
    uint64_t timestamp;
    uint32_t kind;
    int32_t rank; /* optional */
    char name[20];
    uint8_t padding_0[4];
};

struct fixture_pair {
    struct tactus_u128 id;
    uint64_t timestamp;
    uint8_t flag; /* index sparse */
    uint8_t padding_0[7];
};

struct fixture_entry { /* no id */
    int64_t at;
    uint32_t size;
    uint8_t padding_0[4];
    uint64_t timestamp;
};

struct fixture_slot { /* of a map */
    uint64_t key;
    uint32_t n;
    uint8_t set; /* a bool */
    char note[9];
    uint8_t padding_0[2];
};

struct fixture_session { /* of a map */
    struct tactus_u128 key;
    int64_t at; /* a time, optional */
};

enum { FIXTURE_BATCH = 32 };

struct database_fixture {
    struct simulated_disk *disk; /* owned */
    bool has_maps;               /* set before it is opened */
    struct tactus_create_options create;
    struct tactus_open_options open;
    struct tactus_error error; /* of the last open */

    tactus_db *db; /* NULL: not open */
    const tactus_collection *items;
    const tactus_collection *pairs;
    const tactus_collection *entries;
    const tactus_collection *slots; /* a map, as is the next; NULL: has_maps is not set */
    const tactus_collection *sessions;
};

const char *database_fixture_schema(void);
const char *database_fixture_schema_with_maps(void);

/* 4 KiB blocks, batch 32, bar 4, growth 4, a file id of its own. */
struct tactus_create_options database_fixture_create_options(void);

/* Fills the options and makes a disk; opens nothing. */
void database_fixture_init(struct database_fixture *fixture, uint64_t seed);

/* init, create, open: which must be OK. */
void database_fixture_begin(struct database_fixture *fixture, uint64_t seed);

/* The same with maps. */
void database_fixture_begin_with_maps(struct database_fixture *fixture, uint64_t seed);

/* Opens what the disk holds; `is_new`: makes the database first. */
enum tactus_status database_fixture_open(struct database_fixture *fixture, bool is_new);

/* Closes and opens again: both must be OK. */
void database_fixture_reopen(struct database_fixture *fixture);

enum tactus_status database_fixture_close(struct database_fixture *fixture); /* closed is fine */
void database_fixture_end(struct database_fixture *fixture);

/* Finds the collections and maps, in a database that was opened by other means. */
void database_fixture_find(struct database_fixture *fixture);

/* The words of the last failure hold this text. */
bool database_fixture_says(const struct database_fixture *fixture, const char *text);

tactus_txn *database_fixture_txn(struct database_fixture *fixture); /* begins: must be OK */

/* `count` items with the ids from `id` on, each of this kind, committed: the commit's status. */
enum tactus_status database_fixture_insert(
    struct database_fixture *fixture, uint64_t id, uint32_t count, uint32_t kind
);
enum tactus_status database_fixture_remove(
    struct database_fixture *fixture, uint64_t id, uint32_t count
);

/* Objects that a query over the items finds: of what is committed. */
uint32_t database_fixture_count(struct database_fixture *fixture, const char *where);

struct fixture_item database_fixture_item(uint64_t id, uint32_t kind);

/* `count` slots with the keys from `key` on, each of this n, committed: the commit's status. */
enum tactus_status database_fixture_put(
    struct database_fixture *fixture, uint64_t key, uint32_t count, uint32_t n
);
enum tactus_status database_fixture_delete(
    struct database_fixture *fixture, uint64_t key, uint32_t count
);
struct fixture_slot database_fixture_slot(uint64_t key, uint32_t n);

struct tactus_stats database_fixture_stats(const struct database_fixture *fixture);

#endif
