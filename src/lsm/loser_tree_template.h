/* A tree of losers over sorted streams: which of them has the next record? For one type of key;
 * whoever includes this has it for itself, so there is no guard.
 *
 *   LOSER_KEY                 the type of a key
 *   LOSER_LESS(a, b)          whether key a sorts before key b
 *   LOSER_EQUAL(a, b)
 *   LOSER_CHOOSE(mask, a, b)  a where the u64 is all ones, b where it is 0; without a branch
 *
 *              [0]             the winner
 *               |
 *              [1]             each node keeps who lost there: of four streams, say, 2 lost to 0
 *             /   \
 *          [2]     [3]         1 lost to 0, 3 lost to 2
 *         0   1   2   3        leaves: the streams themselves, which are not kept
 *
 * When the winner's stream moves on, its next key climbs from its leaf to the top: it meets one
 * loser a level, leaves whoever loses there and goes on with the other. That is log2(streams)
 * comparisons a record, and their operands' places are known before any of them is decided.
 *
 * Of equal keys the stream with the lower number wins, whichever way the scan goes. A stream that
 * has ended plays on as a key that sorts last, with a number above all others: so it loses to
 * everyone, even to a record with that very key. */
#if !defined(LOSER_KEY) || !defined(LOSER_LESS) || !defined(LOSER_EQUAL) || !defined(LOSER_CHOOSE)
#error "loser_tree_template.h: a parameter is missing; see the top of this file"
#endif

#include "base/assert.h"
#include "base/integer.h"

#include <stdbool.h>
#include <stdint.h>

#define LOSER_INLINE static inline __attribute__((always_inline))

#define LOSER_ENDED  UINT32_MAX       /* the number of a stream without records */
#define LOSER_ABSENT (UINT32_MAX - 1) /* in a node that no one has come to yet */

struct loser_tree {
    LOSER_KEY *keys; /* [0]: the winner's; [node]: of who lost there. `leaves` items, borrowed */
    uint32_t *ids;   /* their streams, likewise */
    uint32_t leaves; /* a power of two */
};

/* Items that the arrays of a tree over so many streams need. */
LOSER_INLINE uint32_t loser_tree_leaves(uint32_t stream_count)
{
    uint32_t leaves = 1;
    while (leaves < stream_count)
        leaves *= 2;
    return leaves;
}

LOSER_INLINE bool loser_tree_wins(
    LOSER_KEY a, uint32_t a_id, LOSER_KEY b, uint32_t b_id, bool descending
)
{
    const bool is_before = descending ? LOSER_LESS(b, a) : LOSER_LESS(a, b);
    return is_before | (LOSER_EQUAL(a, b) & (a_id < b_id));
}

/* Begins a tree without streams; then each leaf is entered once, ended streams and leaves beyond
 * the last stream, too. The arrays are kept. */
LOSER_INLINE void loser_tree_begin(
    struct loser_tree *tree, LOSER_KEY *keys, uint32_t *ids, uint32_t stream_count
)
{
    *tree = (struct loser_tree){keys, ids, loser_tree_leaves(stream_count)};
    for (uint32_t node = 0; node < tree->leaves; node += 1)
        ids[node] = LOSER_ABSENT;
}

/* Climbs from its leaf; waits at the first node where the other side has not come yet. */
LOSER_INLINE void loser_tree_enter(
    struct loser_tree *tree, uint32_t leaf, LOSER_KEY key, uint32_t id, bool descending
)
{
    assert(leaf < tree->leaves);
    uint32_t node = (tree->leaves + leaf) / 2;
    for (; node > 0 && tree->ids[node] != LOSER_ABSENT; node /= 2) {
        if (loser_tree_wins(key, id, tree->keys[node], tree->ids[node], descending)) continue;
        const LOSER_KEY winner_key = tree->keys[node];
        const uint32_t winner = tree->ids[node];
        tree->keys[node] = key;
        tree->ids[node] = id;
        key = winner_key;
        id = winner;
    }
    tree->keys[node] = key;
    tree->ids[node] = id;
}

/* The winner's stream, whose leaf this is, has come to `key`, or has ended. Who wins is as good as
 * chance: no branch may depend on it. */
LOSER_INLINE void loser_tree_replay(
    struct loser_tree *tree, uint32_t leaf, LOSER_KEY key, uint32_t id, bool descending
)
{
    for (uint32_t node = (tree->leaves + leaf) / 2; node > 0; node /= 2) {
        const LOSER_KEY other_key = tree->keys[node];
        const uint32_t other = tree->ids[node];
        uint64_t loses = 0U - (uint64_t)loser_tree_wins(other_key, other, key, id, descending);
        __asm__("" : "+r"(loses)); /* as in mask_if() */
        tree->keys[node] = LOSER_CHOOSE(loses, key, other_key);
        tree->ids[node] = other ^ ((id ^ other) & (uint32_t)loses);
        key = LOSER_CHOOSE(loses, other_key, key);
        id = id ^ ((id ^ other) & (uint32_t)loses);
    }
    tree->keys[0] = key;
    tree->ids[0] = id;
}
