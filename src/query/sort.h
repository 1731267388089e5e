/* Puts places in order in a fixed room: each pass over their source keeps the SORT_MAX lowest that
 * lie above what was given out before. A set of n places takes n / SORT_MAX passes, rounded up; the
 * next pass is made only when its places are asked for.
 *
 *     sort_begin(sort);
 *     do {
 *         for (each place of the source, in any order) sort_add(sort, place);
 *         sort_pass_end(sort);
 *         while (sort_next(sort, &place)) ...
 *     } while (sort_has_more(sort));
 *
 * The source gives the same places in each pass. Places ascend; whoever wants them the other way
 * gives and takes their complement (place_complement). A place that comes twice is given out
 * once. */
#ifndef TACTUS_QUERY_SORT_H
#define TACTUS_QUERY_SORT_H

#include "base/budget.h"
#include "lsm/key.h"

#include <stdbool.h>
#include <stdint.h>

enum { SORT_MAX = 4096 };

struct sort {
    struct key *places; /* SORT_MAX, borrowed from the budget; a heap, the highest first, while a
                         * pass is under way; then ascending */

    uint32_t count;
    uint32_t next;      /* to be given out */
    bool is_in_pass;    /* between begin or what used the last pass up, and pass_end */
    bool has_bound;     /* places up to `bound` are not asked for */
    bool has_more;      /* the last pass left places out above those that it kept */
    bool has_been_full; /* so does this one */
    struct key bound;
};

void sort_init(struct sort *sort, struct budget *budget);

/* Begins with the first pass; nothing is bounded. */
void sort_begin(struct sort *sort);

/* Places up to this one are not asked for any more. At any time; a lower bound changes nothing. */
void sort_raise(struct sort *sort, struct key bound);

/* Within a pass. Costs a comparison, and for a place that is kept a way down the heap. */
void sort_add(struct sort *sort, struct key place);

/* The source is exhausted: what was kept is put in order. */
void sort_pass_end(struct sort *sort);

/* After a pass: the next place above the bound, which it raises; false: they are used up. */
bool sort_next(struct sort *sort, struct key *place);

/* After sort_next() said false: whether another pass may bring more. If so, it has begun. */
bool sort_has_more(struct sort *sort);

static inline struct key place_complement(struct key place)
{
    return (struct key){{~place.word[0], ~place.word[1], ~place.word[2]}};
}

#endif
