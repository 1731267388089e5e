/* Which table to compact: a pure choice, from the manifest alone, so every run chooses alike.
 *
 * Both levels are sets of disjoint intervals on a line, so at most |A| + |B| - 1 pairs overlap.
 * With |B| <= growth_factor * |A|, the mean is below growth_factor + 1: some table of A overlaps at
 * most growth_factor tables of B. One sweep over both finds the one that overlaps least.
 *
 * Ties go to the lowest key: choosing the oldest instead lets small tables of cold ranges be moved
 * down level after level, until tiny tables fill the last one. */
#ifndef TACTUS_LSM_COMPACTION_PICK_H
#define TACTUS_LSM_COMPACTION_PICK_H

#include "lsm/manifest.h"
#include "lsm/manifest_run.h"

#include <stdint.h>

struct compaction_choice {
    const struct table_info *table; /* NULL: none overlaps at most so many */
    uint32_t overlap_count;         /* tables of B that it overlaps */
};

/* The table of `a` that overlaps the fewest tables of `b`, at most `overlap_max`. O(|a| + |b|). */
struct compaction_choice compaction_pick(
    const struct manifest_run *a, const struct manifest_run *b, uint32_t overlap_max
);

/* In haste (storage.md S7): what hides something below sinks, and tombstones that hide nothing go,
 * whether the level is full or not. The table of level `a` that overlaps the fewest tables of the
 * next level, at most growth_factor, of those that have tombstones or overlap any table below. Ties
 * as above. */
struct compaction_choice compaction_pick_in_haste(const struct manifest *manifest, uint8_t a);

/* The most tables of `b` that one table of `a` overlaps; 0 if `a` is empty. O(|a| + |b|). */
uint32_t compaction_pick_overlap_max(const struct manifest_run *a, const struct manifest_run *b);

#endif
