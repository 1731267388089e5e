/* Which records an object brings to which tree, in which order, and that they go again. */
#include "forest/collection.h"

#include <string.h>

#include "base/bytes.h"
#include "support/database_fixture.h"
#include "support/test.h"

#include "base/poison.h"

enum { KIND, RANK, NAME, KIND_RANK, INDEXES }; /* as the fixture's schema declares them */

static struct database_fixture fixture;
static struct collection *items;

static void begin(void)
{
    database_fixture_begin(&fixture, 1);
    items = &fixture.db->forest.collections[0];
    EXPECT(items->schema->index_count == INDEXES);
}

/* Nothing of what was written was a transaction. */
static void end(const struct collection_mark *mark)
{
    collection_discard(items, mark);
    items->touched = false;
    EXPECT(items->event_count == 0);
    EXPECT(tree_visible_all(items->object_tree) == tree_visible_settled(items->object_tree));
    database_fixture_end(&fixture);
}

static struct fixture_item item_of(
    uint64_t timestamp, uint32_t kind, int32_t rank, const char *name
)
{
    struct fixture_item item = {.id = 7, .timestamp = timestamp, .kind = kind, .rank = rank};
    memcpy(item.name, name, strlen(name));
    return item;
}

static uint32_t count(const struct tree *tree)
{
    return tree_visible_all(tree);
}

static void expect_counts(uint32_t object, uint32_t id, const uint32_t *indexes)
{
    EXPECT(count(items->object_tree) == object);
    EXPECT(count(items->id_tree) == id);
    for (uint32_t index = 0; index < INDEXES; index += 1) {
        EXPECT(count(items->index_trees[index]) == indexes[index]);
    }
}

/* Whether the record is a tombstone, counted from the newest. */
static bool is_removal(const struct tree *tree, uint32_t back)
{
    const void *record = memory_table_at(tree->mutable, count(tree) - 1 - back);
    return record_is_tombstone(&tree->options.shape, record);
}

TEST(collection, an_insert_brings_a_record_to_each_tree)
{
    begin();
    struct collection_mark mark;
    collection_mark(items, &mark);
    const struct fixture_item item = item_of(5, 3, 1, "name");
    collection_insert(items, &item);
    expect_counts(1, 1, (const uint32_t[]){1, 1, 1, 1});
    EXPECT(items->event_count == 1 && items->touched);
    const uint8_t *record = memory_table_at(items->index_trees[KIND]->mutable, 0);
    EXPECT(load_u64(record) == 3 && load_u64(record + 8) == 5);
    record = memory_table_at(items->id_tree->mutable, 0);
    EXPECT(load_u64(record) == 7 && load_u64(record + 8) == 5);
    record = memory_table_at(items->object_tree->mutable, 0);
    EXPECT(memcmp(record, &item, sizeof item) == 0);
    end(&mark);
}

TEST(collection, what_is_absent_is_left_out_of_the_indexes_that_hold_it)
{
    begin();
    struct collection_mark mark;
    collection_mark(items, &mark);
    const struct fixture_item item = item_of(5, 3, 0, "name");
    collection_insert(items, &item);
    expect_counts(1, 1, (const uint32_t[]){1, 0, 1, 0});
    collection_remove(items, &item);
    expect_counts(2, 2, (const uint32_t[]){2, 0, 2, 0});
    EXPECT(is_removal(items->object_tree, 0) && is_removal(items->id_tree, 0));
    EXPECT(is_removal(items->index_trees[KIND], 0));
    end(&mark);
}

TEST(collection, an_update_changes_the_indexes_whose_key_differs_and_removes_first)
{
    begin();
    struct collection_mark mark;
    collection_mark(items, &mark);
    const struct fixture_item a = item_of(5, 3, 1, "sixteen bytes okAY");
    collection_insert(items, &a);
    /* The same key: of the name only 16 bytes count. */
    const struct fixture_item b = item_of(5, 3, 1, "sixteen bytes okNO");
    collection_update(items, &a, &b);
    expect_counts(2, 1, (const uint32_t[]){1, 1, 1, 1});
    /* Another kind: of two indexes. */
    const struct fixture_item c = item_of(5, 4, 1, "sixteen bytes okNO");
    collection_update(items, &b, &c);
    expect_counts(3, 1, (const uint32_t[]){3, 1, 1, 3});
    EXPECT(!is_removal(items->index_trees[KIND], 0) && is_removal(items->index_trees[KIND], 1));
    EXPECT(is_removal(items->index_trees[KIND_RANK], 1));
    const uint8_t *removed = memory_table_at(items->index_trees[KIND]->mutable, 1);
    EXPECT(load_u64(removed) == 3);
    /* Absent: only the removal. */
    const struct fixture_item d = item_of(5, 4, 0, "sixteen bytes okNO");
    collection_update(items, &c, &d);
    expect_counts(4, 1, (const uint32_t[]){3, 2, 1, 4});
    EXPECT(is_removal(items->index_trees[RANK], 0) && is_removal(items->index_trees[KIND_RANK], 0));
    /* Present again: only the put. */
    const struct fixture_item e = item_of(5, 4, 2, "other");
    collection_update(items, &d, &e);
    expect_counts(5, 1, (const uint32_t[]){3, 3, 3, 5});
    EXPECT(!is_removal(items->index_trees[RANK], 0));
    EXPECT(items->event_count == 5);
    end(&mark);
}

TEST(collection, a_discard_takes_back_to_any_mark)
{
    begin();
    struct collection_mark marks[3];
    collection_mark(items, &marks[0]);
    const struct fixture_item a = item_of(5, 3, 1, "a");
    const struct fixture_item b = item_of(5, 4, 1, "b");
    collection_insert(items, &a);
    collection_mark(items, &marks[1]);
    collection_update(items, &a, &b);
    collection_mark(items, &marks[2]);
    collection_remove(items, &b);
    expect_counts(3, 2, (const uint32_t[]){4, 2, 4, 4});
    collection_discard(items, &marks[2]);
    expect_counts(2, 1, (const uint32_t[]){3, 1, 3, 3});
    collection_discard(items, &marks[1]);
    expect_counts(1, 1, (const uint32_t[]){1, 1, 1, 1});
    EXPECT(items->event_count == 1);
    const struct key id = key_from_u64(7);
    uint64_t timestamp = 0;
    EXPECT(collection_id_in_memory(items, &id, VISIBLE_ALL, &timestamp) && timestamp == 5);
    EXPECT(!collection_id_in_memory(items, &id, VISIBLE_SETTLED, &timestamp));
    end(&marks[0]);
}

TEST(collection, memory_knows_what_was_removed_and_says_nothing_of_what_it_never_saw)
{
    begin();
    EXPECT(database_fixture_insert(&fixture, 7, 1, 3) == TACTUS_OK);
    struct collection_mark mark;
    collection_mark(items, &mark);
    struct fixture_item item;
    bool present = false;
    EXPECT(collection_object_in_memory(items, 1, VISIBLE_SETTLED, &item, &present) && present);
    EXPECT(item.id == 7 && item.kind == 3);
    collection_remove(items, &item);
    const struct key ids[3] = {key_from_u64(7), key_from_u64(8), key_from_u64(0)};
    uint64_t timestamp = 77;
    EXPECT(collection_id_in_memory(items, &ids[0], VISIBLE_ALL, &timestamp) && timestamp == 0);
    EXPECT(collection_id_in_memory(items, &ids[0], VISIBLE_SETTLED, &timestamp) && timestamp == 1);
    EXPECT(!collection_id_in_memory(items, &ids[1], VISIBLE_ALL, &timestamp));
    EXPECT(collection_object_in_memory(items, 1, VISIBLE_ALL, &item, &present) && !present);
    EXPECT(!collection_object_in_memory(items, 2, VISIBLE_ALL, &item, &present));

    uint64_t timestamps[3];
    struct resolver *resolver = &fixture.db->forest.resolver;
    EXPECT(collection_find(items, resolver, VISIBLE_ALL, ids, 3, timestamps) == TACTUS_OK);
    EXPECT(timestamps[0] == 0 && timestamps[1] == 0);
    EXPECT(collection_find(items, resolver, VISIBLE_SETTLED, ids, 3, timestamps) == TACTUS_OK);
    EXPECT(timestamps[0] == 1 && timestamps[1] == 0 && timestamps[2] == 0);
    timestamps[1] = 1;
    timestamps[2] = 99;
    struct fixture_item found[3];
    memset(found, 0xff, sizeof found);
    bool there[3];
    timestamps[0] = 0;
    EXPECT(
        collection_fetch(
            items, resolver, VISIBLE_SETTLED, timestamps, 3, (uint8_t *)found, there
        ) == TACTUS_OK
    );
    EXPECT(!there[0] && there[1] && !there[2]);
    EXPECT(
        bytes_are_zero(&found[0], sizeof found[0]) && bytes_are_zero(&found[2], sizeof found[2])
    );
    EXPECT(found[1].id == 7);
    end(&mark);
}

TEST(collection, a_settle_keeps_the_highest_timestamp)
{
    begin();
    struct collection_mark mark;
    EXPECT(items->timestamp_last == 0);
    collection_settle(items, 9);
    collection_settle(items, 4);
    EXPECT(items->timestamp_last == 9);
    collection_settle(items, 0);
    EXPECT(items->timestamp_last == 9 && !items->touched);
    collection_mark(items, &mark);
    end(&mark);
}

/* ---- Maps ------------------------------------------------------------------------------------ */

TEST(collection, a_map_appends_one_record_an_event_and_takes_back_any_end_of_them)
{
    database_fixture_begin_with_maps(&fixture, 1);
    struct collection *slots = &fixture.db->forest.collections[3];
    const struct tree *tree = slots->object_tree;
    EXPECT(slots->schema->is_map && slots->id_tree == NULL);
    struct collection_mark start;
    struct collection_mark mark;
    collection_mark(slots, &start);
    const struct fixture_slot slot = database_fixture_slot(7, 5);
    collection_put(slots, &slot);
    EXPECT(slots->touched && slots->event_count == 1 && count(tree) == 1);
    const uint8_t *record = memory_table_at(tree->mutable, 0);
    EXPECT(load_u64(record) == 7 && load_u64(record + 8) == 0);
    EXPECT(memcmp(record + 16, (const uint8_t *)&slot + 8, sizeof slot - 8) == 0);

    collection_mark(slots, &mark);
    collection_delete(slots, key_from_u64(7));
    collection_delete(slots, key_from_u64(8)); /* which is not there */
    EXPECT(slots->event_count == 3 && count(tree) == 3);
    EXPECT(is_removal(tree, 0) && is_removal(tree, 1) && !is_removal(tree, 2));
    const struct key keys[] = {key_from_u64(8), key_from_u64(7)};
    struct fixture_slot found[2];
    bool is_there[2];
    EXPECT(
        collection_get(
            slots, &fixture.db->forest.resolver, VISIBLE_ALL, keys, 2, (uint8_t *)found, is_there
        ) == TACTUS_OK
    );
    EXPECT(!is_there[0] && !is_there[1] && bytes_are_zero(found, sizeof found));

    collection_discard(slots, &mark);
    EXPECT(slots->event_count == 1 && count(tree) == 1);
    for (uint32_t all = 0; all < 2; all += 1) {
        memset(found, 0xa5, sizeof found);
        EXPECT(
            collection_get(
                slots,
                &fixture.db->forest.resolver,
                all == 1 ? VISIBLE_ALL : VISIBLE_SETTLED,
                keys,
                2,
                (uint8_t *)found,
                is_there
            ) == TACTUS_OK
        );
        EXPECT(!is_there[0] && is_there[1] == (all == 1));
        if (all == 1) EXPECT(memcmp(&found[1], &slot, sizeof slot) == 0);
    }
    collection_discard(slots, &start);
    slots->touched = false;
    database_fixture_end(&fixture);
}

TEST_MAIN()
