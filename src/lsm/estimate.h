/* Roughly how many records lie in a range of keys of one tree, for whoever chooses a plan. */
#ifndef TACTUS_LSM_ESTIMATE_H
#define TACTUS_LSM_ESTIMATE_H

#include "lsm/key.h"
#include "lsm/tree.h"

#include <stdint.h>

/* Of the unsorted records no more than so many are looked at. */
enum { ESTIMATE_SAMPLE_MAX = 256 };

/* Records with keys from key_min to key_max, both included, at the newest snapshot. No I/O, ever:
 *
 *   sorted runs in memory        counted exactly
 *   unsorted records             a sample, if they are more than ESTIMATE_SAMPLE_MAX
 *   tables inside the range      as the manifest counts them
 *   tables that an edge is in    by root, leaf and value block as far as these are in the cache:
 *                                with all three exactly, with a leaf within a block; what is not
 *                                there is interpolated, as if its keys were evenly spread
 *
 * Every version of a key counts, and tombstones do: until compactions have merged them, a tree of
 * overwritten or removed records is taken for larger than it is. So with n runs on disk and nothing
 * overwritten, the answer is within 2 n blocks of the truth if leaves are cached, however keys are
 * spread. It is 0 only if no table overlaps the range and nothing looked at in memory lies in it;
 * and a range within another never gets more, if the cache is the same.
 *
 * Holds one frame at a time, within the call: the place of a lookup, of which none is under way.
 * Takes as long as the tables inside the range are many. */
uint64_t tree_estimate(const struct tree *tree, struct key key_min, struct key key_max);

#endif
