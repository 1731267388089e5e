/* A manifest level and a flat list of the same tables must answer alike; and of two levels the
 * table with the least overlap must be the one that looking at all pairs finds. */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "base/random.h"
#include "lsm/compaction_pick.h"
#include "lsm/manifest_run.h"
#include "support/manifest_fixture.h"
#include "support/test.h"

#include <stdlib.h>

enum { TABLES_MAX = 300, KEY_SPACE = 4000, STEPS = 1500 };

struct list {
    struct table_info tables[TABLES_MAX]; /* ascending */
    uint32_t count;
};

static struct key key_of(uint64_t number)
{
    return (struct key){{0, number / 100, number % 100}};
}

static struct table_info table_of(uint64_t key_min, uint64_t key_max, uint32_t value_count)
{
    return (struct table_info
    ){.key_min = key_of(key_min),
      .key_max = key_of(key_max),
      .address = key_min + 1,
      .snapshot_min = 1,
      .snapshot_max = UINT64_MAX,
      .value_count = value_count,
      .tree = 1};
}

/* The place of the first table that ends at `key` or above. */
static uint32_t list_find(const struct list *list, struct key key)
{
    uint32_t index = 0;
    while (index < list->count && key_less(list->tables[index].key_max, key))
        index += 1;
    return index;
}

static bool list_overlaps(const struct list *list, struct key key_min, struct key key_max)
{
    const uint32_t index = list_find(list, key_min);
    return index < list->count && !key_less(key_max, list->tables[index].key_min);
}

static void list_insert(struct list *list, struct table_info info)
{
    const uint32_t index = list_find(list, info.key_min);
    bytes_move(
        &list->tables[index + 1],
        &list->tables[index],
        (list->count - index) * sizeof list->tables[0]
    );
    list->tables[index] = info;
    list->count += 1;
}

static void list_remove(struct list *list, uint32_t index)
{
    list->count -= 1;
    bytes_move(
        &list->tables[index],
        &list->tables[index + 1],
        (list->count - index) * sizeof list->tables[0]
    );
}

static bool is_same(const struct table_info *found, const struct list *list, uint32_t index)
{
    if (index >= list->count) return found == NULL;
    return found != NULL && found->address == list->tables[index].address;
}

static void compare_walks(const struct manifest_run *level, const struct list *list)
{
    manifest_run_check(level);
    EXPECT(level->count == list->count);
    const struct table_info *up = manifest_run_first(level);
    const struct table_info *down = manifest_run_last(level);
    for (uint32_t index = 0; index < list->count; index += 1) {
        EXPECT(is_same(up, list, index));
        EXPECT(is_same(down, list, list->count - 1 - index));
        up = manifest_run_next(level, up);
        down = manifest_run_previous(level, down);
    }
    EXPECT(up == NULL);
    EXPECT(down == NULL);
}

static void compare_key(const struct manifest_run *level, const struct list *list, uint64_t number)
{
    const struct key key = key_of(number);
    const uint32_t above = list_find(list, key);
    const bool holds = above < list->count && !key_less(key, list->tables[above].key_min);
    EXPECT(is_same(manifest_run_at_or_above(level, key), list, above));
    EXPECT(is_same(manifest_run_at_or_below(level, key), list, holds ? above : above - 1));
    EXPECT(is_same(manifest_run_find(level, key), list, holds ? above : list->count));
    const bool is_within = list->count > 0 && !key_less(key, list->tables[0].key_min) &&
                           !key_less(list->tables[list->count - 1].key_max, key);
    EXPECT(manifest_run_range_contains(level, key) == is_within);
}

static void run_level(uint64_t seed)
{
    struct random random;
    random_init(&random, seed);
    struct node_pool pool;
    void *region = manifest_fixture_pool(&pool, 2 * TABLES_MAX);
    struct manifest_run level;
    manifest_run_init(&level, &pool, 0);
    struct list *list = calloc(1, sizeof *list);
    const uint64_t longest = random_range(&random, 1, 60);

    for (uint32_t step = 0; step < STEPS; step += 1) {
        const bool grows = step % 500 < 300;
        if (list->count > 0 && !random_chance(&random, grows ? 3 : 1, 4)) {
            const uint32_t index = (uint32_t)random_below(&random, list->count);
            const struct key key = list->tables[index].key_min;
            manifest_run_remove(&level, manifest_run_find(&level, key));
            list_remove(list, index);
        } else if (list->count < TABLES_MAX) {
            const uint64_t key_min = random_below(&random, KEY_SPACE);
            const uint64_t key_max = key_min + random_below(&random, longest);
            const struct table_info info = table_of(key_min, key_max, step);
            const bool overlaps = list_overlaps(list, info.key_min, info.key_max);
            EXPECT(manifest_run_overlaps(&level, info.key_min, info.key_max) == overlaps);
            EXPECT(manifest_run_insert(&level, &info) == !overlaps);
            if (!overlaps) list_insert(list, info);
        }
        compare_key(&level, list, random_below(&random, KEY_SPACE + 100));
        if (step % 16 == 0) compare_walks(&level, list);
    }
    compare_walks(&level, list);
    while (level.count > 0)
        manifest_run_remove(&level, manifest_run_last(&level));
    EXPECT(node_pool_room(&pool) == 2 * TABLES_MAX);
    free(list);
    free(region);
}

static void fill(
    struct random *random, struct manifest_run *level, struct list *list, uint32_t count
)
{
    const uint64_t longest = random_range(random, 1, 200);
    for (uint32_t tries = 0; tries < count * 4 && list->count < count; tries += 1) {
        const uint64_t key_min = random_below(random, KEY_SPACE);
        const struct table_info info =
            table_of(key_min, key_min + random_below(random, longest), 1);
        if (manifest_run_insert(level, &info)) list_insert(list, info);
    }
}

static uint32_t overlap_count(const struct list *b, const struct table_info *table)
{
    uint32_t count = 0;
    for (uint32_t index = 0; index < b->count; index += 1) {
        if (table_info_overlaps(&b->tables[index], table->key_min, table->key_max)) count += 1;
    }
    return count;
}

static void compare_pick(
    const struct manifest_run levels[2], const struct list *a, const struct list *b, uint32_t limit
)
{
    uint32_t best = a->count;
    uint32_t least = UINT32_MAX;
    uint32_t most = 0;
    for (uint32_t index = 0; index < a->count; index += 1) {
        const uint32_t overlap = overlap_count(b, &a->tables[index]);
        most = max_u32(most, overlap);
        if (overlap > limit || overlap >= least) continue;
        least = overlap;
        best = index;
    }
    EXPECT(compaction_pick_overlap_max(&levels[0], &levels[1]) == most);
    const struct compaction_choice choice = compaction_pick(&levels[0], &levels[1], limit);
    EXPECT(is_same(choice.table, a, best));
    if (best == a->count) return;
    EXPECT(choice.overlap_count == least);
}

static void run_pick(uint64_t seed)
{
    struct random random;
    random_init(&random, seed);
    struct node_pool pool;
    void *region = manifest_fixture_pool(&pool, 2 * TABLES_MAX);
    struct manifest_run levels[2];
    manifest_run_init(&levels[0], &pool, 0);
    manifest_run_init(&levels[1], &pool, 0);
    struct list *lists = calloc(2, sizeof *lists);
    const uint32_t growth = (uint32_t)random_range(&random, 2, 8);
    const uint32_t count_a = (uint32_t)random_below(&random, 20);
    fill(&random, &levels[0], &lists[0], count_a);
    fill(&random, &levels[1], &lists[1], (uint32_t)random_below(&random, growth * count_a + 2));
    compare_pick(levels, &lists[0], &lists[1], growth);
    compare_pick(levels, &lists[0], &lists[1], 1);
    if (lists[0].count > 0 && lists[1].count <= growth * lists[0].count) {
        EXPECT(compaction_pick(&levels[0], &levels[1], growth).table != NULL);
    }
    free(lists);
    free(region);
}

TEST(manifest_run, answers_as_a_flat_list_does)
{
    const struct test_seeds seeds = test_seeds(30);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        run_level(seed);
    }
}

TEST(compaction_pick, finds_what_looking_at_all_pairs_finds)
{
    const struct test_seeds seeds = test_seeds(500);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        test_seed_begin(seed);
        run_pick(seed);
    }
}

TEST_MAIN()
