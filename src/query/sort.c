#include "query/sort.h"

#include "base/assert.h"

#include "base/poison.h"

void sort_init(struct sort *sort, struct budget *budget)
{
    struct key *places = budget_take(budget, SORT_MAX, sizeof *places, 64);
    if (budget_is_measuring(budget)) return;
    *sort = (struct sort){.places = places};
}

static void pass_begin(struct sort *sort)
{
    sort->count = 0;
    sort->next = 0;
    sort->is_in_pass = true;
    sort->has_been_full = false;
    sort->has_more = false;
}

void sort_begin(struct sort *sort)
{
    sort->has_bound = false;
    pass_begin(sort);
}

void sort_raise(struct sort *sort, struct key bound)
{
    if (sort->has_bound && !key_less(sort->bound, bound)) return;
    sort->has_bound = true;
    sort->bound = bound;
}

static bool is_behind(const struct sort *sort, struct key place)
{
    return sort->has_bound && !key_less(sort->bound, place);
}

/* Fills the hole with `moved` or with what has to be above it: the highest is first. */
static void sift_down(struct key *heap, uint32_t hole, uint32_t count, struct key moved)
{
    for (uint32_t child = 2 * hole + 1; child < count; child = 2 * hole + 1) { /* ends: at a leaf */
        if (child + 1 < count && key_less(heap[child], heap[child + 1])) child += 1;
        if (!key_less(moved, heap[child])) break;
        heap[hole] = heap[child];
        hole = child;
    }
    heap[hole] = moved;
}

static void sift_up(struct key *heap, uint32_t hole, struct key moved)
{
    while (hole > 0 && key_less(heap[(hole - 1) / 2], moved)) { /* ends: at the root */
        heap[hole] = heap[(hole - 1) / 2];
        hole = (hole - 1) / 2;
    }
    heap[hole] = moved;
}

/* What is left out is never below what is kept: so if the bound is raised in the middle of a pass,
 * the pass keeps fewer that are asked for, and still the lowest. */
void sort_add(struct sort *sort, struct key place)
{
    assert(sort->is_in_pass);
    if (is_behind(sort, place)) return;
    if (sort->count < SORT_MAX) {
        sort->count += 1;
        sift_up(sort->places, sort->count - 1, place);
        return;
    }
    sort->has_been_full = true;
    if (key_less(place, sort->places[0])) sift_down(sort->places, 0, SORT_MAX, place);
}

/* Heap sort: the highest goes to the end, and so on. */
void sort_pass_end(struct sort *sort)
{
    assert(sort->is_in_pass);
    sort->is_in_pass = false;
    sort->has_more = sort->has_been_full;
    sort->next = 0;
    for (uint32_t last = sort->count; last > 1; last -= 1) {
        const struct key moved = sort->places[last - 1];
        sort->places[last - 1] = sort->places[0];
        sift_down(sort->places, 0, last - 1, moved);
    }
}

bool sort_next(struct sort *sort, struct key *place)
{
    assert(!sort->is_in_pass);
    while (sort->next < sort->count) {
        const struct key next = sort->places[sort->next];
        sort->next += 1;
        if (is_behind(sort, next)) continue;
        sort_raise(sort, next);
        *place = next;
        return true;
    }
    return false;
}

/* If the bound was raised beyond what the pass kept, the next one begins there. */
bool sort_has_more(struct sort *sort)
{
    assert(!sort->is_in_pass && sort->next == sort->count);
    if (!sort->has_more) return false;
    sort_raise(sort, sort->places[sort->count - 1]);
    pass_begin(sort);
    return true;
}
