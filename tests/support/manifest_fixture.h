/* Runs of tables that are nowhere but in a manifest's nodes. */
#ifndef TACTUS_TESTS_MANIFEST_FIXTURE_H
#define TACTUS_TESTS_MANIFEST_FIXTURE_H

#include "lsm/manifest_run.h"

/* A pool of so many nodes; what is returned is its memory, for free() when the pool is gone. */
void *manifest_fixture_pool(struct node_pool *pool, uint32_t capacity);

/* A table of ten records whose address is its lowest key, where nothing overlaps it. Checks the
 * run. */
bool manifest_fixture_insert(struct manifest_run *run, uint64_t key_min, uint64_t key_max);

#endif
