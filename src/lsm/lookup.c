#include "lsm/lookup.h"

#include "base/assert.h"
#include "base/bytes.h"

#include "base/poison.h"

void lookup_init(
    struct lookup *lookup, struct tree *tree, uint64_t snapshot, struct key key, void *record
)
{
    assert(record != NULL);
    assert(tree_snapshot_is_held(tree, snapshot));
    lookup->tree = tree;
    lookup->snapshot = snapshot;
    lookup->key = key;
    lookup->record = record;
    lookup->stage = LOOKUP_MEMORY;
    lookup->level = 0;
    lookup->run = 0;
    lookup->answer = 0;
    lookup->failed = false;
}

/* The newest record of the key, or NULL: nothing has it. */
static void lookup_decide(struct lookup *lookup, const void *record)
{
    const struct record_shape *shape = &lookup->tree->format.shape;
    lookup->stage = LOOKUP_END;
    if (record == NULL || record_is_tombstone(shape, record)) {
        lookup->answer = LOOKUP_ABSENT;
        return;
    }
    bytes_copy(lookup->record, record, shape->record_size);
    lookup->answer = LOOKUP_FOUND;
}

static struct lookup_counters *lookup_counters(const struct lookup *lookup)
{
    return &lookup->tree->options.shared->lookups;
}

static void lookup_memory(struct lookup *lookup)
{
    struct lookup_counters *counters = lookup_counters(lookup);
    counters->lookups += 1;
    lookup->stage = LOOKUP_LEVEL;
    if (!tree_key_range_contains(lookup->tree, lookup->key)) {
        counters->tree_misses += 1;
        lookup_decide(lookup, NULL);
        return;
    }
    if (!tree_snapshot_is_newest(lookup->tree, lookup->snapshot)) return;
    const void *record = tree_get_immutable(lookup->tree, lookup->key);
    if (record == NULL) return;
    counters->immutable_hits += 1;
    lookup_decide(lookup, record);
}

/* The one table of the run that may hold the key. Ranges of runs are of all their tables, whoever
 * sees them: they still never say "no" to a key that is there. */
static void lookup_level(struct lookup *lookup)
{
    if (lookup->level == LEVELS) {
        lookup_decide(lookup, NULL);
        return;
    }
    struct tree *tree = lookup->tree;
    struct lookup_counters *counters = lookup_counters(lookup);
    const struct manifest_level *level = &tree->manifest.levels[lookup->level];
    if (lookup->run == level->run_count) {
        lookup->level += 1;
        lookup->run = 0;
        return;
    }
    const struct manifest_run *run = &level->runs[lookup->run];
    lookup->run += 1;
    if (run->count == 0) return;
    if (!manifest_run_range_contains(run, lookup->key)) {
        counters->level_misses += 1;
        return;
    }
    const struct table_info *table = manifest_run_find(run, lookup->key);
    if (table == NULL || !table_info_is_visible(table, lookup->snapshot)) {
        counters->gap_misses += 1;
        return;
    }
    counters->tables += 1;
    struct grid *grid = tree->options.shared->grid;
    table_lookup_start(&lookup->table, &tree->format, grid, table, lookup->key);
    lookup->stage = LOOKUP_TABLE;
}

static void lookup_count_filter(const struct lookup *lookup)
{
    struct lookup_counters *counters = lookup_counters(lookup);
    const bool has_record = lookup->table.record != NULL;
    switch ((enum table_filter_answer)lookup->table.filter) {
    case TABLE_FILTER_NONE: break;
    case TABLE_FILTER_ABSENT: counters->filter_negatives += 1; break;
    case TABLE_FILTER_PASSED:
        counters->filter_positives += has_record;
        counters->filter_false_positives += !has_record;
        break;
    }
}

static enum progress lookup_table(struct lookup *lookup)
{
    const enum progress progress = table_lookup_step(&lookup->table);
    if (progress == PROGRESS_WAIT) return progress;
    lookup->stage = LOOKUP_LEVEL;
    if (progress == PROGRESS_FAILED) {
        lookup->failed = true;
        lookup->stage = LOOKUP_END;
    } else {
        lookup_count_filter(lookup);
        if (lookup->table.record != NULL) lookup_decide(lookup, lookup->table.record);
    }
    table_lookup_end(&lookup->table);
    return progress;
}

/* All control flow of a lookup. Level and run only grow, so the loop takes at most two turns a run
 * and one a level. */
enum progress lookup_step(struct lookup *lookup)
{
    assert(tree_snapshot_is_held(lookup->tree, lookup->snapshot));
    while (lookup->stage != LOOKUP_END) {
        assert(lookup->level <= LEVELS);
        switch ((enum lookup_stage)lookup->stage) {
        case LOOKUP_MEMORY: lookup_memory(lookup); break;
        case LOOKUP_LEVEL: lookup_level(lookup); break;
        case LOOKUP_TABLE:
            if (lookup_table(lookup) == PROGRESS_WAIT) return PROGRESS_WAIT;
            break;
        case LOOKUP_END: assert(false);
        }
    }
    assert(lookup->failed == (lookup->answer == 0));
    return lookup->failed ? PROGRESS_FAILED : PROGRESS_DONE;
}

bool lookup_is_reading(const struct lookup *lookup)
{
    return lookup->stage == LOOKUP_TABLE && table_lookup_is_reading(&lookup->table);
}

enum progress lookup_advance(struct lookup *lookup)
{
    enum progress progress = lookup_step(lookup);
    while (progress == PROGRESS_WAIT && !lookup_is_reading(lookup)) {
        progress = lookup_step(lookup); /* ends: as many steps as its tables have */
    }
    return progress;
}

void lookup_cancel(struct lookup *lookup)
{
    if (lookup->stage == LOOKUP_TABLE) table_lookup_end(&lookup->table);
    lookup->stage = LOOKUP_END;
    lookup->answer = 0;
    lookup->failed = true;
}
