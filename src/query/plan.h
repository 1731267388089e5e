/* How a query finds its objects: by one access path, in the order that was asked for. What the
 * path gives is checked against the whole expression, always: the path may give too much, never
 * too little.
 *
 *   order        paths, the first that serves
 *   any          nothing (a contradiction); the id, if it is fixed by equality
 *   timestamp    one timestamp; a few ids; an index of which every field is fixed by equality, the
 *                longest first; the object tree, in the range of the timestamps
 *   id           a few ids; the id tree, in the range of the ids
 *   FIELD        as timestamp, if FIELD is fixed by equality; else an index whose fields before
 *                FIELD are fixed by equality: best one without free fields behind FIELD, then one
 *                with the most fields before it
 *
 * Equal values of FIELD come by timestamp (where only a longer index serves: by its further
 * fields, then by timestamp). An index that leaves zero out serves only where the expression
 * rules the zero out of each of those fields. A field longer than 16 bytes gives no order. */
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

enum { PLAN_IDS_MAX = 64, PLAN_TEXT_SIZE = 200 };

struct plan_order {
    uint32_t field; /* its number */
    bool descending;
};

/* Reads "field" or "-field"; NULL or "": the timestamp, ascending. SYNTAX: no such field. */
enum tactus_status plan_order_parse(
    const struct collection_schema *collection,
    const char *text,
    struct plan_order *order,
    struct text_error *error
) __attribute__((warn_unused_result));

enum plan_access {
    PLAN_NOTHING = 1,  /* no object can match */
    PLAN_LOOKUP_IDS,   /* the ids of `ids`, in the id tree, then their objects */
    PLAN_SCAN_OBJECTS, /* the object tree from key_min to key_max */
    PLAN_SCAN_IDS,     /* the id tree: each record's timestamp leads to an object */
    PLAN_SCAN_INDEX    /* an index: likewise */
};

struct query_plan {
    enum plan_access access;
    uint16_t tree;                    /* to scan or look up in; 0 of PLAN_NOTHING */
    bool descending;                  /* of a scan; of ids: from the last to the first */
    bool sort_timestamps;             /* of ids: order the objects found by timestamp */
    bool recheck;                     /* always: filter_matches() decides about each object */
    const struct index_schema *index; /* of PLAN_SCAN_INDEX */
    struct key key_min, key_max;      /* of a scan, both included */
    uint32_t id_count;                /* of PLAN_LOOKUP_IDS: 1 to PLAN_IDS_MAX */
    struct key ids[PLAN_IDS_MAX];     /* ascending, each once */
    char text[PLAN_TEXT_SIZE];        /* what it does, in words, zero-terminated */
};

/* Chooses. With parameters that are not bound yet it says whether the order can be given at all;
 * such a plan must not be run. INVALID: no index gives this order; `error` (or NULL) says which
 * would. It may be INVALID after a bind, where an index leaves zero out and the value bound is
 * zero. */
enum tactus_status plan_choose(
    const struct expression *expression,
    struct plan_order order,
    struct query_plan *plan,
    struct text_error *error
) __attribute__((warn_unused_result));

#endif
