/* How a query finds its objects: plan_choose() makes a plan of an expression and an order; run.h
 * carries it out; explain.h says it in words.
 *
 * A plan reads one tree in the order wanted (PLAN_SCAN), or it makes the set of timestamps that the
 * indexes answer (PLAN_SET) and fetches their objects. A set is a tree of nodes, each of which
 * yields timestamps in order, either way:
 *
 *   condition                        set
 *   field = V, in (...)              a scan of an index of that field, or the union of some; a
 *                                    composite index of which every field is fixed so in one `and`
 *                                    takes the place of the scans that it covers
 *   id = V, in (...)                 the ids, looked up
 *   timestamp < V ... between        narrows every scan beside it; alone, the objects' own tree
 *   A and B                          the intersection of those that have a set
 *   A and not B                      the difference, if the set of B is exact
 *   A or B                           the union, if each has a set
 *   field < V ... between, starts    none, but see PLAN_NODE_RANGE
 *
 * Exact      A set is exact if it has the objects that its condition means and no others. A scan of
 *            an index of truncated values (longer than 16 bytes) or of hashes may give more: such
 *            a set is never subtracted, and the objects are checked. Where the whole expression is
 *            answered exactly, nothing is checked (`filters`), so a count fetches nothing.
 * Zero       An index that leaves zero out answers `field = V` only if V is not zero, and gives an
 *            order only where the expression rules zero out.
 * Order      By timestamp; by id; by a field that an index has as its first one, or behind fields
 *            fixed by equality: best an index with nothing free behind FIELD, then one with the
 *            most fields before it. Equal values of FIELD come by timestamp (where only a longer
 *            index serves: by its further fields, then by timestamp). A field that is itself fixed,
 *            and any field beside a fixed id: by timestamp. Truncated values and hashes give no
 *            order. Maps have the order of their key.
 * Limit      At most PLAN_SCANS_MAX scans. Of an `and` with several parts that have a set, those
 *            with the most scans are left to the check until the rest is few enough; if it never
 *            is, the query is refused, by its form alone: whatever the values and the data.
 * Choice     Between the tree in order and the set, which ranges are worth their sorting, and what
 *            of an intersection is useless: by cost, estimated from statistics (plan_cost.h). */
#ifndef TACTUS_QUERY_PLAN_H
#define TACTUS_QUERY_PLAN_H

#include "base/status.h"
#include "forest/codec.h"
#include "forest/schema.h"
#include "forest/text_error.h"
#include "lsm/key.h"
#include "query/expression.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    PLAN_SCANS_MAX = 32, /* trees that a query reads side by side */
    PLAN_NODES_MAX = 96,
    PLAN_IDS_MAX = 64 /* looked up by a query, all told */
};

/* No estimate. */
#define PLAN_UNKNOWN UINT64_MAX

/* What is asked of the answer besides the expression. */
struct plan_order {
    uint32_t field; /* its number */
    bool descending;
    bool counts;   /* the number of objects is all that is wanted: a hint for the choice, no more */
    bool one_scan; /* one tree in order, whatever that costs: where scans are too few for a set */
};

/* Reads "field" or "-field"; NULL or "": the timestamp (of a map: the key), ascending. SYNTAX: no
 * such field. */
enum tactus_status plan_order_parse(
    const struct collection_schema *collection,
    const char *text,
    struct plan_order *order,
    struct text_error *error
) __attribute__((warn_unused_result));

/* The place of an object in the answer, as cursors keep it and sorts compare it: one struct key.
 *
 *   order        place
 *   timestamp    {0, 0, timestamp}
 *   id           {id high, id low, timestamp} (of ids of 64 bits: {0, id, timestamp})
 *   index        the key of the object's record in the index that gives the order, order_index
 *   key          of a map: the key
 *
 * Which of them it is, and which index, follows from the expression with its values and from the
 * order, never from estimates: a cursor is good whatever plan the next run chooses. */
enum plan_order_kind { PLAN_ORDER_TIMESTAMP = 1, PLAN_ORDER_ID, PLAN_ORDER_INDEX, PLAN_ORDER_KEY };

enum plan_node_kind {
    PLAN_NODE_SCAN = 1, /* of an index of which every field is fixed: a range of keys in timestamp
                         * order; or of the object tree, in a range of timestamps */
    PLAN_NODE_RANGE,    /* of an index or the id tree in key order, so its timestamps are sorted, in
                         * passes (sort.h). At most one in a plan; it is the root, or a child of the
                         * root, or of the root's first child. With `sorts` it is the root */
    PLAN_NODE_IDS,      /* a few ids, looked up as the run begins */
    PLAN_NODE_UNION,    /* of two or more children */
    PLAN_NODE_INTERSECTION, /* of two or more, the one with the fewest first, as far as estimated */
    PLAN_NODE_DIFFERENCE    /* the first child without the others, one or more, which are exact */
};

enum { PLAN_NODE_NONE = UINT8_MAX };

struct plan_node {
    uint8_t kind;  /* enum plan_node_kind */
    uint8_t child; /* the first one, or PLAN_NODE_NONE */
    uint8_t next;  /* sibling, or PLAN_NODE_NONE */
    bool exact;    /* it yields exactly what its conditions mean; false: maybe more */
    uint16_t tree; /* of SCAN, RANGE */
    const struct index_schema *index; /* of SCAN (NULL: the object tree), RANGE (NULL: the ids') */
    struct key key_min, key_max;      /* of SCAN, RANGE, both included */
    uint32_t id_first, id_count;      /* of IDS: in plan->ids, ascending, each once */
    uint64_t estimate;                /* of timestamps that it yields, or PLAN_UNKNOWN */
};

enum plan_drive {
    PLAN_NOTHING = 1, /* no object can match */
    PLAN_SCAN,        /* one tree in key order, which is the order wanted: the object tree or a map
                       * (the records are the objects), the id tree, or order_index */
    PLAN_SET          /* the timestamps of nodes[0], then their objects; in order, if `sorts` */
};

struct query_plan {
    enum plan_drive drive;
    enum plan_order_kind order;
    bool descending;
    bool filters; /* filter_matches() decides about each object; false: all that come match */
    bool sorts;   /* of PLAN_SET: what matches is put in order by place, in passes (sort.h) */
    const struct index_schema *order_index; /* of PLAN_ORDER_INDEX */

    /* What conditions at the top say of the timestamp. Scans by timestamp have it in their keys; of
     * RANGE, IDS, and PLAN_SCAN of an index or the id tree, entries outside are passed over, and no
     * object is fetched for them. */
    struct timestamp_range timestamps;

    /* Of PLAN_SCAN. */
    uint16_t tree;
    struct key key_min, key_max; /* both included */
    uint32_t key_count;          /* of a map, above 0: only ids[0 ... key_count - 1], ascending */

    /* Of PLAN_SET. */
    uint8_t node_count; /* nodes[0] is the root; every child stands behind its parent */
    uint8_t scan_count; /* nodes of SCAN and RANGE */
    struct plan_node nodes[PLAN_NODES_MAX];

    uint32_t id_count;
    struct key ids[PLAN_IDS_MAX];

    uint64_t estimate; /* of objects that come to be checked, or counted; or PLAN_UNKNOWN */
    uint64_t cost;     /* what the choice compared: about nanoseconds */

    /* For explain.h: the field whose index would have helped where every object is read, or
     * FIELD_NONE. */
    uint32_t advice_field;
};

/* Where estimates come from: the trees, or a test. Live records of `tree` between two keys, both
 * included, roughly. */
struct plan_statistics {
    uint64_t (*entries)(void *context, uint16_t tree, struct key key_min, struct key key_max);
    void *context;
};

/* Chooses. `statistics` may be NULL: then every value is taken to be about as frequent as any
 * other. With parameters that are not bound yet it says whether the query can be run at all; such a
 * plan must not be run.
 *
 *   INVALID  no index gives this order; `error` (or NULL) says which would. It may be INVALID after
 *            a bind, too, where an index leaves zero out and the value bound is zero
 *   LIMIT    more than PLAN_SCANS_MAX scans, whatever is bound */
enum tactus_status plan_choose(
    const struct expression *expression,
    struct plan_order order,
    const struct plan_statistics *statistics,
    struct query_plan *plan,
    struct text_error *error
) __attribute__((warn_unused_result));

#endif
