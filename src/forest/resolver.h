/* Looks many keys of one tree up together, beneath its mutable table, so that their reads run side
 * by side: what a transaction needs to know before it judges its objects (R3), and what a fetch of
 * objects needs. One for a database: whoever uses it runs it to its end. */
#ifndef TACTUS_FOREST_RESOLVER_H
#define TACTUS_FOREST_RESOLVER_H

#include "base/budget.h"
#include "base/status.h"
#include "lsm/lookup.h"
#include "lsm/tree.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    RESOLVE_MAX = 64, /* keys at once */
    RESOLVE_FRAMES = RESOLVE_MAX * LOOKUP_FRAMES
};

struct resolver {
    struct grid *grid;      /* borrowed while the database is open */
    struct fault *fault;    /* borrowed likewise: where lookups note what went wrong */
    struct lookup *lookups; /* RESOLVE_MAX, borrowed from the budget */
    uint8_t *map_records;   /* RESOLVE_MAX of the largest map; borrowed likewise */
};

struct resolver_options {
    struct grid *grid;         /* kept */
    struct fault *fault;       /* kept */
    uint32_t map_record_bytes; /* of the largest record of a map; 0: there is no map */
};

void resolver_init(
    struct resolver *resolver, struct budget *budget, const struct resolver_options *options
);

struct resolve {
    struct tree *tree;
    uint64_t snapshot;      /* as of a lookup */
    const struct key *keys; /* count of them; an entry of which `skip` is true is left alone */
    uint32_t count;         /* up to RESOLVE_MAX */
    const bool *skip;       /* NULL: none */
    uint8_t *records;       /* out: records of the tree, one after the other, where found */
    bool *found;            /* out */
};

/* CORRUPT, IO, POISONED: the fault says which block. */
enum tactus_status resolver_run(struct resolver *resolver, const struct resolve *resolve);

#endif
