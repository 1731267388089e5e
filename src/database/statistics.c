/* What tactus_stats() tells: counts of the file's history, its present state, and figures of this
 * process. */
#include "database/database.h"

#include <stddef.h>

#include "base/bytes.h"
#include "base/integer.h"
#include "base/statistics.h"

#include "base/poison.h"

/* What the first version of the struct had; nobody has less. */
enum { STATS_BYTES_MIN = offsetof(struct tactus_stats, blocks_live) };

static_assert((int)TACTUS_LEVELS == (int)LEVELS, "one of each level");

static void present(const tactus_db *db, struct tactus_stats *stats)
{
    const struct free_set *free_set = &db->grid.free_set;
    const struct journal *journal = &db->journal;
    stats->op = journal_op_last(journal);
    stats->op_durable = journal_op_durable(journal);
    stats->beat = db->forest.schedule.beat;
    stats->checkpoint_op = db->superblock.checkpoint.op_covered;
    stats->blocks_allocated = free_set_count_acquired(free_set);
    stats->blocks_released = free_set_count_released(free_set);
    stats->blocks_live = stats->blocks_allocated - stats->blocks_released;
    stats->blocks_in_file = db->grid.block_count;
    stats->blocks_free = stats->blocks_in_file - stats->blocks_allocated;
    stats->block_bytes = db->layout.block_size;
    stats->file_bytes = file_size(&db->reactor);
    stats->journal_ring_bytes = db->layout.journal_bytes;
    stats->journal_used_bytes = journal_used_bytes(journal);
    stats->manifest_blocks = db->forest.log.block_count + (db->forest.log.frame != NULL ? 1 : 0);
    stats->manifest_blocks_max = db->forest.log.pace.log_blocks_max;
    stats->tables = db->forest.log.extents.count;
    stats->memory_bytes = db->region_size;
}

static void history(const tactus_db *db, struct tactus_stats *stats)
{
    const struct forest_counters *counters = &db->forest.counters;
    const struct forest_level_counters sum = forest_counters_sum(counters);
    stats->checkpoints = counters->checkpoints;
    stats->objects_committed = counters->inserts + counters->updates + counters->removes +
                               counters->puts + counters->deletes;
    stats->compactions = counters->merges + sum.tables_moved;
    stats->moves = sum.tables_moved;
    stats->records_cancelled = counters->records_cancelled;
    stats->records_written = sum.records_written;
    stats->bytes_committed = counters->bytes_committed;
    stats->bytes_journaled = counters->bytes_journal;
    stats->deferrals = counters->deferrals;
    stats->tables_coalesced = counters->tables_coalesced;
    stats->records_dropped = counters->records_dropped;
    stats->records_replaced = counters->records_replaced;
    stats->slices = sum.slices;
    stats->tables_trimmed = sum.tables_trimmed;
    stats->manifest_blocks_compacted = counters->log_blocks_compacted;
    stats->manifest_events_copied = counters->log_events_copied;
    for (uint32_t level = 0; level < LEVELS; level += 1) {
        const struct forest_level_counters *of = &counters->levels[level];
        struct tactus_level_stats *target = &stats->levels[level];
        *target = (struct tactus_level_stats){
            .tables_written = of->tables_written,
            .tables_moved = of->tables_moved,
            .blocks_written = of->blocks_written,
            .records_in = of->records_in,
            .records_written = of->records_written,
            .bytes_written = of->bytes_written,
        };
        for (uint32_t tree = 0; tree < db->forest.tree_count; tree += 1) {
            const struct manifest *manifest = &db->forest.trees[tree].manifest;
            target->tables += manifest->levels[level].count;
            target->records += manifest->levels[level].record_count;
        }
    }
}

static void process(const tactus_db *db, struct tactus_stats *stats)
{
    const struct half_bar_statistics *beats = db->forest.half_bar.statistics;
    const struct grid_statistics *grid = &db->grid.statistics;
    stats->replayed_ops = db->replayed_ops;
    stats->bytes_journal = db->journal_bytes;
    stats->bytes_grid = grid->bytes_written;
    stats->blocks_read = grid->blocks_read;
    stats->blocks_cached = grid->reads_cached;
    stats->blocks_written = grid->blocks_written;
    stats->reads_merged = grid->reads_merged;
    stats->commit_ns_p50 = histogram_percentile(db->commit_ns, 50);
    stats->commit_ns_p99 = histogram_percentile(db->commit_ns, 99);
    stats->commit_ns_max = histogram_max(db->commit_ns);
    stats->has_worker = worker_is_open(&db->compactor.worker) ? 1 : 0;
    stats->beats_worked = histogram_count(&beats->bytes);
    stats->beat_bytes_p50 = histogram_percentile(&beats->bytes, 50);
    stats->beat_bytes_p99 = histogram_percentile(&beats->bytes, 99);
    stats->beat_bytes_max = histogram_max(&beats->bytes);
    stats->beat_quota_max = beats->quota_max;
    stats->beat_beyond_max = beats->beyond_max;
}

static void checkpoints(const tactus_db *db, struct tactus_stats *stats)
{
    const struct checkpoint_statistics *of = &db->checkpoint.statistics;
    stats->checkpoints_durable = of->count;
    stats->checkpoints_waited = of->waited;
    stats->checkpoint_ns_last = of->ns_last;
    stats->checkpoint_ns_max = of->ns_max;
    stats->checkpoint_ns_total = of->ns_total;
    stats->checkpoint_blocks = of->blocks_last;
}

static void lookups(const tactus_db *db, struct tactus_stats *stats)
{
    const struct lookup_counters *counters = &db->forest.shared.lookups;
    stats->lookups_memory = counters->mutable_hits;
    stats->lookups = counters->lookups;
    stats->lookups_immutable = counters->immutable_hits;
    stats->lookups_outside = counters->tree_misses;
    stats->levels_passed = counters->level_misses + counters->gap_misses;
    stats->tables_asked = counters->tables;
    stats->filter_negatives = counters->filter_negatives;
    stats->filter_positives = counters->filter_positives;
    stats->filter_false_positives = counters->filter_false_positives;
}

void tactus_stats(const tactus_db *db, struct tactus_stats *stats)
{
    if (stats == NULL || stats->struct_bytes < STATS_BYTES_MIN) return;
    struct tactus_stats all = {0};
    if (database_is_usable(db)) {
        present(db, &all);
        history(db, &all);
        process(db, &all);
        checkpoints(db, &all);
        lookups(db, &all);
    }
    const uint32_t asked = stats->struct_bytes;
    all.struct_bytes = min_u32(asked, sizeof all);
    bytes_zero(stats, asked);
    bytes_copy(stats, &all, all.struct_bytes);
}
