#include "lsm/compaction_pick.h"

#include "base/assert.h"

#include "base/poison.h"

/* Both ends of what a table of A overlaps only move forward as A ascends:
 *
 *   lower   the first table of B that does not end before the table of A begins
 *   upper   the first table of B that begins after the table of A ends; NULL: none
 *
 * and `between` counts the tables from lower to upper. A table of B that no table of A reaches is
 * passed by both, lower never overtaking upper. */
struct sweep {
    const struct manifest_run *b;
    const struct table_info *lower;
    const struct table_info *upper;
    uint32_t between;
};

static void sweep_to(struct sweep *sweep, const struct table_info *a)
{
    while (sweep->upper != NULL && !key_less(a->key_max, sweep->upper->key_min)) {
        sweep->upper = manifest_run_next(sweep->b, sweep->upper);
        sweep->between += 1;
    }
    while (sweep->lower != sweep->upper && key_less(sweep->lower->key_max, a->key_min)) {
        assert(sweep->between > 0);
        sweep->lower = manifest_run_next(sweep->b, sweep->lower);
        sweep->between -= 1;
    }
    assert((sweep->between == 0) == (sweep->lower == sweep->upper));
}

static struct sweep sweep_begin(const struct manifest_run *b)
{
    const struct table_info *first = manifest_run_first(b);
    return (struct sweep){.b = b, .lower = first, .upper = first};
}

struct compaction_choice compaction_pick(
    const struct manifest_run *a, const struct manifest_run *b, uint32_t overlap_max
)
{
    struct compaction_choice choice = {.overlap_count = UINT32_MAX};
    struct sweep sweep = sweep_begin(b);
    const struct table_info *table = manifest_run_first(a);
    for (; table != NULL && choice.overlap_count > 0; table = manifest_run_next(a, table)) {
        sweep_to(&sweep, table);
        if (sweep.between > overlap_max || sweep.between >= choice.overlap_count) continue;
        choice.table = table;
        choice.overlap_count = sweep.between;
    }
    if (choice.table == NULL) choice.overlap_count = 0;
    return choice;
}

struct compaction_choice compaction_pick_in_haste(const struct manifest *manifest, uint8_t a)
{
    assert(a + 1 < LEVELS);
    struct compaction_choice choice = {.overlap_count = UINT32_MAX};
    struct sweep sweep = sweep_begin(manifest_level_sole(&manifest->levels[a + 1]));
    const struct manifest_run *level = manifest_level_sole(&manifest->levels[a]);
    const struct table_info *table = manifest_run_first(level);
    for (; table != NULL && choice.overlap_count > 0; table = manifest_run_next(level, table)) {
        sweep_to(&sweep, table);
        if (sweep.between > manifest->growth_factor) continue;
        if (sweep.between >= choice.overlap_count) continue;
        if (!table->has_tombstones &&
            manifest_is_bottom(manifest, a, table->key_min, table->key_max)) {
            continue;
        }
        choice.table = table;
        choice.overlap_count = sweep.between;
    }
    if (choice.table == NULL) choice.overlap_count = 0;
    return choice;
}

uint32_t compaction_pick_overlap_max(const struct manifest_run *a, const struct manifest_run *b)
{
    uint32_t most = 0;
    struct sweep sweep = sweep_begin(b);
    const struct table_info *table = manifest_run_first(a);
    for (; table != NULL; table = manifest_run_next(a, table)) {
        sweep_to(&sweep, table);
        if (sweep.between > most) most = sweep.between;
    }
    return most;
}
