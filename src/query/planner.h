/* What a plan is made in: shared by plan.c and the files beside it, of no use to others.
 *
 *   plan_form.c   which parts have a set, how many scans that takes, which are left to the check
 *   plan_set.c    the sets themselves
 *   plan_cost.c   what they cost
 *   plan.c        the order, ranges, and the choice */
#ifndef TACTUS_QUERY_PLANNER_H
#define TACTUS_QUERY_PLANNER_H

#include "base/assert.h"
#include "query/normal.h"
#include "query/plan.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    PLANNER_NODES_MAX = 200, /* with those that the plan will not have */
    PLANNER_PARTS_MAX = 64   /* sets of an `and`; what is more is left to the check */
};

/* Of a normal node. */
enum planner_mark {
    PLANNER_DEMOTED = 1,  /* it has no set: there were too many scans */
    PLANNER_COVERED = 2,  /* a test: a composite index has it, with others of the same `and` */
    PLANNER_LOOKED_UP = 4 /* a test of the id: its ids may be looked up */
};

/* What answers a part of an `and`: a set's number, or one of these. */
enum { SET_NONE = UINT8_MAX, SET_EMPTY = UINT8_MAX - 1, SET_TIMESTAMPS = UINT8_MAX - 2 };
static_assert((int)PLANNER_NODES_MAX <= (int)SET_TIMESTAMPS, "numbers of sets are sets");

enum { FORM_NONE = UINT16_MAX }; /* no set */

/* About 27 KiB, on the caller's stack. */
struct planner {
    const struct expression *expression;
    const struct collection_schema *collection;
    const struct plan_statistics *statistics; /* NULL: none */
    struct plan_order order;
    struct normal normal;

    /* From conditions that every object must fulfil. */
    struct timestamp_range timestamps;
    struct code_range ranges[FIELDS_MAX]; /* of every field but reserved ones */

    /* Of normal nodes. */
    uint8_t marks[EXPRESSION_NODES_MAX];
    uint8_t answers[EXPRESSION_NODES_MAX]; /* of a part of an `and` */
    uint16_t scans[2][2][EXPRESSION_NODES_MAX];

    /* Of the `and` that is looked at, by field: its first test by equality with one value, or
     * NORMAL_NONE. */
    uint16_t equalities[FIELDS_MAX];

    uint64_t objects; /* about so many have a timestamp of `timestamps`; from 1 */
    struct plan_node nodes[PLANNER_NODES_MAX];
    uint32_t node_count;
    struct key ids[PLAN_IDS_MAX];
    uint32_t id_count;
};

static inline bool planner_is_timestamp(const struct planner *planner, uint32_t field)
{
    return field == planner->collection->timestamp_field;
}

static inline bool planner_is_test(const struct planner *planner, uint32_t number)
{
    return planner->normal.nodes[number].kind == NORMAL_TEST;
}

/* Of a part that is a test, or of its opposite. */
static inline struct normal_test planner_test(
    const struct planner *planner, uint32_t number, bool flip
)
{
    return normal_test_of(planner->expression, &planner->normal.nodes[number], flip);
}

static inline const struct expression_node *planner_test_node(
    const struct planner *planner, uint32_t number
)
{
    return &planner->expression->nodes[planner->normal.nodes[number].test];
}

static inline const uint8_t *planner_value(
    const struct planner *planner, const struct expression_node *test, uint32_t i
)
{
    assert(i < test->value_count);
    const struct expression_value *values = &planner->expression->values[test->value];
    return expression_bytes(planner->expression, &values[i]);
}

/* Live records between two keys; without statistics, what is assumed of them. */
uint64_t planner_entries(
    const struct planner *planner, uint16_t tree, struct key_bounds keys, uint64_t assumed
);

/* ---- plan_form.c ---------------------------------------------------------------------------- */

/* Counts the scans of every part's set, and of its opposite's, and leaves parts to the check until
 * PLAN_SCANS_MAX are enough. LIMIT. */
enum tactus_status planner_form(struct planner *planner, struct text_error *error);

/* At most so many scans has the set of a part, FORM_NONE: it has none. `flip`: of its opposite;
 * `exact`: only an exact one counts. */
static inline uint16_t planner_scans(
    const struct planner *planner, uint32_t number, bool flip, bool exact
)
{
    return planner->scans[flip][exact][number];
}

/* Fills planner->equalities from the parts of an `and`, `first` and those behind it. */
void planner_find_equalities(struct planner *planner, uint16_t first, bool flip);

/* Whether a part is a test that narrows the timestamps of what stands beside it. */
bool planner_narrows(const struct planner *planner, uint32_t number, bool flip);

/* ---- plan_set.c ----------------------------------------------------------------------------- */

/* The parts of an `and`, or the whole as its only part, and what answers them. */
struct conjunction {
    uint16_t first; /* part, or NORMAL_NONE */
    bool single;    /* its siblings are no parts */
    bool flip;
    bool empty;     /* no object can fulfil all */
    bool is_narrow; /* a part narrows the timestamps */
    struct timestamp_range timestamps;
    uint8_t positives[PLANNER_PARTS_MAX]; /* sets, in the order of their estimates */
    uint32_t positive_count;
    uint8_t negatives[PLANNER_PARTS_MAX]; /* exact sets of what must not be */
    uint32_t negative_count;
};

/* The part behind `part`, or NORMAL_NONE. */
uint16_t conjunction_next(
    const struct planner *planner, const struct conjunction *conjunction, uint16_t part
);

/* The whole expression as one: first to flip. */
struct conjunction planner_top(const struct planner *planner);

/* Finds the sets. `first` to `flip` are given. */
void conjunction_build(
    struct planner *planner, struct conjunction *conjunction, struct timestamp_range timestamps
);

/* Whether the sets answer every part exactly. `range`: one of `positives` that is a
 * PLAN_NODE_RANGE with `range_count` narrowed fields; or SET_NONE. */
bool conjunction_is_exact(
    const struct planner *planner,
    const struct conjunction *conjunction,
    uint8_t range,
    uint32_t range_count
);

/* Whether a scan of this index (NULL: of the id tree, or a map), narrowed to the ranges of its
 * first fields, answers a part exactly. */
bool planner_range_answers(
    const struct planner *planner,
    const struct index_schema *index,
    uint32_t range_count,
    uint32_t number
);

void conjunction_add(
    const struct planner *planner, struct conjunction *conjunction, uint8_t positive
);

/* Leaves out what costs more than it saves, if the objects are checked anyway. */
void conjunction_reduce(const struct planner *planner, struct conjunction *conjunction);

/* Makes one set of the sets, which may not be used again. SET_NONE, SET_EMPTY. */
uint8_t conjunction_make(struct planner *planner, struct conjunction *conjunction, bool exact);

/* SET_NONE: the pool is used up. */
uint8_t planner_add_scan(
    struct planner *planner,
    const struct index_schema *index,
    uint16_t tree,
    struct key_bounds keys,
    uint64_t assumed
);

/* ---- plan_cost.c ---------------------------------------------------------------------------- */

/* What things cost, in nanoseconds. They only have to rank plans; none of them decides what the
 * answer is. Measured in the cache: an entry 20, a step of the object tree 70, an object looked up
 * by its timestamp 300, a leap 300 to 500. A block that is not in the cache takes 20,000 and more,
 * some of them side by side: so what jumps about costs more here than it does in the cache. */
enum {
    COST_START = 2000,       /* of a scan */
    COST_ENTRY = 20,         /* the next one of an index */
    COST_PROBE = 500,        /* to leap ahead */
    COST_MERGE = 10,         /* a timestamp through a union */
    COST_SORT = 60,          /* a place, each pass that sees it */
    COST_LOOKUP = 2000,      /* of an id */
    COST_FETCH = 2000,       /* of an object by timestamp */
    COST_OBJECT = 60,        /* the next one of the object tree, and */
    COST_OBJECT_BYTES = 4,   /* one more for as many bytes */
    COST_OBJECTS_MIN = 4096, /* the object tree costs as if it had as many: estimates of a small
                              * tree say little */
    COST_DENSE = 4,          /* of so many objects, one or more is wanted: they are scanned */
    COST_SORT_MAX = 4096,    /* places a pass: SORT_MAX of sort.h */

    /* Without statistics. */
    ASSUMED_OBJECTS = 1 << 20,
    ASSUMED_EQUAL = 1 << 10, /* of a value */
    ASSUMED_RANGE = 1 << 18
};

/* a * b / of, where b <= of; `of` is not 0. */
uint64_t cost_share(uint64_t a, uint64_t b, uint64_t of);

/* a + b, a * b, at most UINT64_MAX - 1. */
uint64_t cost_sum(uint64_t a, uint64_t b);
uint64_t cost_product(uint64_t a, uint64_t b);

/* To read a set from its beginning to its end. */
uint64_t cost_of_set(const struct planner *planner, uint8_t set);

uint64_t conjunction_estimate(const struct planner *planner, const struct conjunction *conjunction);
uint64_t conjunction_cost(const struct planner *planner, const struct conjunction *conjunction);

/* To fetch so many objects, by timestamps in order. */
uint64_t cost_of_fetches(const struct planner *planner, uint64_t count);

/* To read the object tree, or a map, in order: so many objects. */
uint64_t cost_of_objects(const struct planner *planner, uint64_t count);

/* Passes of a sort over so many. */
uint64_t cost_passes(uint64_t count);

#endif
