/* A plan in words or as JSON, and what a run of it did: for people who wonder why a query takes its
 * time, and for tests.
 *
 *   set of timestamps, then their objects
 *     intersection [about 100; gave 99]
 *       scan of index stock: stock = '85123A' [about 1000; read 120, leapt 33, gave 110]
 *       scan of index customer: customer = 17850 [about 300; read 130, leapt 20, gave 104]
 *   check: none, all that comes matches
 *   order: timestamp, ascending
 *   run: 99 objects fetched, 0 refused, 99 given; 12 blocks read, 340 from the cache
 *
 * Takes no memory. Values are those of the plan's keys: of long texts the first 16 bytes. */
#ifndef TACTUS_QUERY_EXPLAIN_H
#define TACTUS_QUERY_EXPLAIN_H

#include "query/actual.h"
#include "query/expression.h"
#include "query/plan.h"

#include <stddef.h>

struct explanation {
    const struct expression *expression; /* that the plan was made of */
    const struct query_plan *plan;
    const struct query_actual *actual; /* of its run; NULL: it has not run */
};

enum explain_format { EXPLAIN_TEXT = 1, EXPLAIN_JSON };

/* A piece of text, `size` bytes. Answer 0 to go on, anything else to stop. */
typedef int (*explain_write_fn)(void *context, const char *text, size_t size);

/* Writes it, in pieces: lines, or one object that ends in a newline. Answers 0, or what `write`
 * stopped it with. */
int explain(
    const struct explanation *explanation,
    enum explain_format format,
    explain_write_fn write,
    void *context
);

#endif
