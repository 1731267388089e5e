#include "database/digest.h"

#include <string.h>

#include "support/care_fixture.h"
#include "support/test.h"

#include "base/poison.h"

static struct tactus_digest digest_of(struct simulated_disk *disk, bool read_only)
{
    enum tactus_status status;
    tactus_db *db = care_open(disk, read_only, &status);
    EXPECT(db != NULL);
    struct tactus_digest digest;
    EXPECT(tactus_digest(db, &digest) == TACTUS_OK);
    care_close(db);
    return digest;
}

static bool digest_equal(const struct tactus_digest *a, const struct tactus_digest *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

TEST(digest, is_the_same_for_a_reader_and_a_writer_and_again)
{
    struct simulated_disk *disk = care_disk_filled(3, 800, 100);
    const uint64_t hash = simulated_disk_hash(disk);
    const struct tactus_digest reader = digest_of(disk, true);
    EXPECT(simulated_disk_hash(disk) == hash); /* not a byte was changed */
    const struct tactus_digest writer = digest_of(disk, false);
    const struct tactus_digest again = digest_of(disk, true);
    EXPECT(digest_equal(&reader, &writer));
    EXPECT(digest_equal(&reader, &again));
    simulated_disk_free(disk);
}

TEST(digest, of_the_same_history_is_the_same_whenever_the_file_is_reopened)
{
    struct simulated_disk *once = care_disk_new(4);
    struct simulated_disk *often = care_disk_new(4);
    enum tactus_status status;
    tactus_db *db = care_open(once, false, &status);
    care_insert(db, 0, 1600);
    care_change(db, 0, 1600);
    struct tactus_digest before_close;
    EXPECT(tactus_digest(db, &before_close) == TACTUS_OK);
    care_close(db);
    for (uint64_t first = 0; first < 1600; first += 400) {
        db = care_open(often, false, &status);
        care_insert(db, first, 400);
        care_close(db);
    }
    db = care_open(often, false, &status);
    care_change(db, 0, 1600);
    care_close(db);
    const struct tactus_digest a = digest_of(once, true);
    const struct tactus_digest b = digest_of(often, true);
    EXPECT(digest_equal(&a, &before_close));
    EXPECT(digest_equal(&a, &b));
    simulated_disk_free(once);
    simulated_disk_free(often);
}

TEST(digest, logical_is_independent_of_the_layout_and_the_file_id)
{
    struct simulated_disk *one = care_disk_filled(5, 600, 0);
    struct simulated_disk *other = care_disk_new(6);
    enum tactus_status status;
    tactus_db *db = care_open(other, false, &status);
    care_insert(db, 0, 600);
    care_change(db, 0, 600);
    care_close(db);
    const struct tactus_digest a = digest_of(one, true);
    const struct tactus_digest b = digest_of(other, true);
    EXPECT(memcmp(&a.logical, &b.logical, sizeof a.logical) == 0);
    EXPECT(memcmp(&a.physical, &b.physical, sizeof a.physical) != 0);
    simulated_disk_free(one);
    simulated_disk_free(other);
}

TEST(digest, of_a_collection_changes_with_one_object)
{
    struct simulated_disk *disk = care_disk_new(7);
    enum tactus_status status;
    tactus_db *db = care_open(disk, false, &status);
    const tactus_collection *sales = NULL;
    EXPECT(tactus_collection_find(db, "sale", 0, &sales) == TACTUS_OK);
    struct tactus_u128 before;
    struct tactus_u128 after;
    uint64_t count = 0;
    care_insert(db, 0, 100);
    EXPECT(tactus_digest_collection(db, sales, &before, &count) == TACTUS_OK);
    EXPECT(count == 100);
    care_insert(db, 100, 1);
    EXPECT(tactus_digest_collection(db, sales, &after, NULL) == TACTUS_OK);
    EXPECT(memcmp(&before, &after, sizeof before) != 0);
    care_close(db);
    simulated_disk_free(disk);
}

TEST(digest, is_refused_while_a_transaction_is_open)
{
    struct simulated_disk *disk = care_disk_new(8);
    enum tactus_status status;
    tactus_db *db = care_open(disk, false, &status);
    tactus_txn *txn = NULL;
    struct tactus_digest digest;
    EXPECT(tactus_begin(db, NULL, &txn) == TACTUS_OK);
    EXPECT(tactus_digest(db, &digest) == TACTUS_BUSY);
    tactus_rollback(txn);
    EXPECT(tactus_digest(db, &digest) == TACTUS_OK);
    EXPECT(tactus_digest(db, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_digest_collection(db, NULL, &digest.logical, NULL) == TACTUS_MISUSE);
    EXPECT(tactus_digest(NULL, &digest) == TACTUS_MISUSE);
    care_close(db);
    simulated_disk_free(disk);
}

TEST(digest, works_beside_a_running_query_and_borrows_none)
{
    struct simulated_disk *disk = care_disk_filled(9, 200, 0);
    enum tactus_status status;
    tactus_db *db = care_open(disk, true, &status);
    const tactus_collection *sales = NULL;
    EXPECT(tactus_collection_find(db, "sale", 0, &sales) == TACTUS_OK);
    tactus_query *queries[2] = {NULL, NULL};
    struct care_sale sale;
    uint32_t count = 0;
    struct tactus_digest digest;
    for (uint32_t index = 0; index < 2; index += 1) {
        EXPECT(tactus_digest(db, &digest) == TACTUS_OK);
        EXPECT(tactus_prepare(db, sales, NULL, NULL, &queries[index]) == TACTUS_OK);
        EXPECT(tactus_run(queries[index], tactus_latest(db), NULL) == TACTUS_OK);
        EXPECT(tactus_next(queries[index], &sale, 1, &count) == TACTUS_OK);
        EXPECT(count == 1);
    }
    EXPECT(tactus_digest(db, &digest) == TACTUS_OK); /* though every query of the handle runs */
    EXPECT(tactus_next(queries[0], &sale, 1, &count) == TACTUS_OK);
    EXPECT(count == 1);
    for (uint32_t index = 0; index < 2; index += 1) {
        tactus_query_close(queries[index]);
    }
    EXPECT(tactus_digest(db, &digest) == TACTUS_OK);
    care_close(db);
    simulated_disk_free(disk);
}

TEST(digest, of_a_damaged_block_is_corrupt)
{
    struct simulated_disk *disk = care_disk_filled(10, 600, 0);
    enum tactus_status status;
    tactus_db *db = care_open(disk, true, &status);
    const struct tree *tree = db->forest.collections[0].object_tree;
    uint64_t address = 0;
    for (uint8_t level = 0; level < LEVELS && address == 0; level += 1) {
        const struct table_info *table = manifest_level_first(&tree->manifest.levels[level]);
        if (table != NULL) address = table->address;
    }
    EXPECT(address != 0);
    simulated_disk_flip(disk, layout_block_offset(&db->layout, address) + 200, 3);
    struct checksum physical;
    EXPECT(digest_physical(db, &physical) == TACTUS_CORRUPT);
    EXPECT(db->fault.address == address);
    care_close(db);
    simulated_disk_free(disk);
}

TEST_MAIN()
