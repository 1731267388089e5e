/* Every record of sorted streams, in order, both ways; of equal keys the stream with the lower
 * number comes first, whichever way. Against picking the best by looking at all streams. */
#include "base/integer.h"
#include "base/random.h"
#include "support/test.h"

#define LOSER_KEY                uint64_t
#define LOSER_LESS(a, b)         ((a) < (b))
#define LOSER_EQUAL(a, b)        ((a) == (b))
#define LOSER_CHOOSE(mask, a, b) ((b) ^ (((a) ^ (b)) & (mask)))
#include "lsm/loser_tree_template.h"

enum { STREAMS_MAX = 40, KEYS_MAX = 20 };

/* Keys in the order in which the stream gives them. */
struct stream {
    uint64_t keys[KEYS_MAX];
    uint32_t count;
    uint32_t next;
};

struct test {
    struct stream streams[STREAMS_MAX];
    uint32_t count;
    bool descending;
    uint64_t keys[64];
    uint32_t ids[64];
    struct loser_tree tree;
};

static bool has_next(const struct test *test, uint32_t id)
{
    return id < test->count && test->streams[id].next < test->streams[id].count;
}

static uint64_t head(const struct test *test, uint32_t id)
{
    if (!has_next(test, id)) return test->descending ? 0 : UINT64_MAX;
    return test->streams[id].keys[test->streams[id].next];
}

static uint32_t best_plainly(const struct test *test)
{
    uint32_t best = LOSER_ENDED;
    for (uint32_t id = 0; id < test->count; id += 1) {
        if (!has_next(test, id)) continue;
        const uint64_t key = head(test, id);
        const bool is_first = best == LOSER_ENDED;
        if (is_first || (test->descending ? key > head(test, best) : key < head(test, best))) {
            best = id;
        }
    }
    return best;
}

static void merge_and_compare(struct test *test)
{
    struct loser_tree *tree = &test->tree;
    loser_tree_begin(tree, test->keys, test->ids, test->count);
    EXPECT(tree->leaves >= test->count && tree->leaves <= COUNT_OF(test->keys));
    for (uint32_t leaf = 0; leaf < tree->leaves; leaf += 1) {
        const uint32_t id = has_next(test, leaf) ? leaf : LOSER_ENDED;
        loser_tree_enter(tree, leaf, head(test, leaf), id, test->descending);
    }
    while (true) { /* ends: each turn passes a record */
        const uint32_t winner = tree->ids[0];
        EXPECT(winner == best_plainly(test));
        if (winner == LOSER_ENDED) break;
        EXPECT(tree->keys[0] == head(test, winner));
        test->streams[winner].next += 1;
        const uint32_t id = has_next(test, winner) ? winner : LOSER_ENDED;
        loser_tree_replay(tree, winner, head(test, winner), id, test->descending);
    }
}

/* Stream number `choice` of those with at most two out of three keys, the extreme ones included. */
static struct stream stream_of(uint32_t choice, bool descending)
{
    static const uint64_t values[3] = {0, 5, UINT64_MAX};
    static const uint32_t chosen[7][3] = {
        {0, 0, 0}, {1, 0, 0}, {1, 1, 0}, {1, 2, 0}, {2, 0, 1}, {2, 0, 2}, {2, 1, 2}};
    struct stream stream = {.count = chosen[choice][0]};
    for (uint32_t index = 0; index < stream.count; index += 1) {
        const uint32_t from = descending ? stream.count - 1 - index : index;
        stream.keys[index] = values[chosen[choice][1 + from]];
    }
    return stream;
}

TEST(loser_tree, merges_all_of_three_streams_with_up_to_two_keys)
{
    for (uint32_t all = 0; all < 7 * 7 * 7 * 2; all += 1) {
        struct test test = {.count = 3, .descending = all % 2 == 1};
        test.streams[0] = stream_of(all / 2 % 7, test.descending);
        test.streams[1] = stream_of(all / 14 % 7, test.descending);
        test.streams[2] = stream_of(all / 98, test.descending);
        merge_and_compare(&test);
    }
}

TEST(loser_tree, merges_random_streams_both_ways)
{
    const struct test_seeds seeds = test_seeds(2000);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        struct random random;
        test_seed_begin(seed);
        random_init(&random, seed);
        struct test test = {0};
        test.count = (uint32_t)random_below(&random, STREAMS_MAX + 1);
        test.descending = random_chance(&random, 1, 2);
        for (uint32_t id = 0; id < test.count; id += 1) {
            struct stream *stream = &test.streams[id];
            stream->count = (uint32_t)random_below(&random, KEYS_MAX + 1);
            uint64_t key = test.descending ? 3 * KEYS_MAX : 0;
            for (uint32_t index = 0; index < stream->count; index += 1) {
                stream->keys[index] = key;
                const uint64_t step = random_range(&random, 1, 3);
                key = test.descending ? key - step : key + step;
            }
        }
        merge_and_compare(&test);
    }
}

TEST_MAIN()
