/* Prints the size of every public struct, the place of every field and the number of every name:
 * what a program that was built against tactus.h has in it. tests/abi/abi.sh compares it with
 * layout.txt. */
#include <stddef.h>
#include <stdio.h>

#include "tactus.h"

struct line {
    const char *name;
    size_t offset;
    size_t size;
    int number;
    char kind;
};

#define STRUCT(of)                                                                                 \
    {                                                                                              \
        .kind = 's', .name = #of, .size = sizeof(struct of)                                        \
    }
#define FIELD(of, field)                                                                           \
    {                                                                                              \
        .kind = 'f', .name = #field, .offset = offsetof(struct of, field),                         \
        .size = sizeof(((struct of *)0)->field)                                                    \
    }
#define NUMBER(of)                                                                                 \
    {                                                                                              \
        .kind = 'n', .name = #of, .number = (int)(of)                                              \
    }

static const struct line lines[] = {
    STRUCT(tactus_u128),
    FIELD(tactus_u128, low),
    FIELD(tactus_u128, high),

    STRUCT(tactus_result),
    FIELD(tactus_result, timestamp),
    FIELD(tactus_result, status),
    FIELD(tactus_result, field),

    STRUCT(tactus_error),
    FIELD(tactus_error, status),
    FIELD(tactus_error, line),
    FIELD(tactus_error, column),
    FIELD(tactus_error, reserved),
    FIELD(tactus_error, byte),
    FIELD(tactus_error, text),

    STRUCT(tactus_create_options),
    FIELD(tactus_create_options, struct_bytes),
    FIELD(tactus_create_options, flags),
    FIELD(tactus_create_options, memory_bytes),
    FIELD(tactus_create_options, block_size),
    FIELD(tactus_create_options, batch_max),
    FIELD(tactus_create_options, bar_beats),
    FIELD(tactus_create_options, growth_factor),
    FIELD(tactus_create_options, journal_bytes),
    FIELD(tactus_create_options, size_max),
    FIELD(tactus_create_options, tables_max),
    FIELD(tactus_create_options, keep),
    FIELD(tactus_create_options, snapshots_max),
    FIELD(tactus_create_options, runs_max),
    FIELD(tactus_create_options, file_id),

    STRUCT(tactus_open_options),
    FIELD(tactus_open_options, struct_bytes),
    FIELD(tactus_open_options, sync),
    FIELD(tactus_open_options, sync_interval_ns),
    FIELD(tactus_open_options, cache_bytes),
    FIELD(tactus_open_options, memory_bytes_max),
    FIELD(tactus_open_options, view_count_max),
    FIELD(tactus_open_options, query_count_max),
    FIELD(tactus_open_options, flags),
    FIELD(tactus_open_options, compaction_depth),
    FIELD(tactus_open_options, schema),
    FIELD(tactus_open_options, create),

    STRUCT(tactus_plan),
    FIELD(tactus_plan, struct_bytes),
    FIELD(tactus_plan, batch_max),
    FIELD(tactus_plan, bar_beats),
    FIELD(tactus_plan, tree_count),
    FIELD(tactus_plan, block_size),
    FIELD(tactus_plan, journal_bytes),
    FIELD(tactus_plan, size_max),
    FIELD(tactus_plan, tables_max),
    FIELD(tactus_plan, entry_bytes_max),
    FIELD(tactus_plan, memory_bytes),
    FIELD(tactus_plan, memory_tables_bytes),
    FIELD(tactus_plan, sort_scratch_bytes),
    FIELD(tactus_plan, transaction_bytes),
    FIELD(tactus_plan, cache_bytes),
    FIELD(tactus_plan, free_set_bytes),
    FIELD(tactus_plan, manifest_bytes),
    FIELD(tactus_plan, query_bytes),
    FIELD(tactus_plan, other_bytes),
    FIELD(tactus_plan, read_only_bytes_max),
    FIELD(tactus_plan, objects_max),
    FIELD(tactus_plan, object_bytes_logical),
    FIELD(tactus_plan, file_bytes_empty),
    FIELD(tactus_plan, tables_bind),
    FIELD(tactus_plan, write_amplification_max),
    FIELD(tactus_plan, open_seconds_max),

    STRUCT(tactus_collection_info),
    FIELD(tactus_collection_info, name),
    FIELD(tactus_collection_info, kind),
    FIELD(tactus_collection_info, field_count),
    FIELD(tactus_collection_info, object_bytes),
    FIELD(tactus_collection_info, id_field),
    FIELD(tactus_collection_info, timestamp_field),
    FIELD(tactus_collection_info, index_count),
    FIELD(tactus_collection_info, shape),
    FIELD(tactus_collection_info, timestamp_last),
    FIELD(tactus_collection_info, batch_max),
    FIELD(tactus_collection_info, reserved),

    STRUCT(tactus_field),
    FIELD(tactus_field, name),
    FIELD(tactus_field, type),
    FIELD(tactus_field, offset),
    FIELD(tactus_field, size),
    FIELD(tactus_field, decimals),
    FIELD(tactus_field, flags),
    FIELD(tactus_field, reserved),

    STRUCT(tactus_txn_options),
    FIELD(tactus_txn_options, struct_bytes),
    FIELD(tactus_txn_options, flags),
    FIELD(tactus_txn_options, first),

    STRUCT(tactus_digest),
    FIELD(tactus_digest, logical),
    FIELD(tactus_digest, physical),

    STRUCT(tactus_verify_options),
    FIELD(tactus_verify_options, struct_bytes),
    FIELD(tactus_verify_options, flags),

    STRUCT(tactus_stats),
    FIELD(tactus_stats, struct_bytes),
    FIELD(tactus_stats, reserved),
    FIELD(tactus_stats, op),
    FIELD(tactus_stats, op_durable),
    FIELD(tactus_stats, beat),
    FIELD(tactus_stats, checkpoint_op),
    FIELD(tactus_stats, checkpoints),
    FIELD(tactus_stats, blocks_allocated),
    FIELD(tactus_stats, blocks_released),
    FIELD(tactus_stats, blocks_in_file),
    FIELD(tactus_stats, tables),
    FIELD(tactus_stats, objects_committed),
    FIELD(tactus_stats, compactions),
    FIELD(tactus_stats, moves),
    FIELD(tactus_stats, records_cancelled),
    FIELD(tactus_stats, records_written),
    FIELD(tactus_stats, bytes_journal),
    FIELD(tactus_stats, bytes_grid),
    FIELD(tactus_stats, blocks_read),
    FIELD(tactus_stats, blocks_cached),
    FIELD(tactus_stats, memory_bytes),
    FIELD(tactus_stats, commit_ns_p50),
    FIELD(tactus_stats, commit_ns_p99),
    FIELD(tactus_stats, commit_ns_max),
    FIELD(tactus_stats, replayed_ops),
    FIELD(tactus_stats, blocks_live),
    FIELD(tactus_stats, blocks_free),
    FIELD(tactus_stats, block_bytes),
    FIELD(tactus_stats, file_bytes),
    FIELD(tactus_stats, journal_ring_bytes),
    FIELD(tactus_stats, journal_used_bytes),
    FIELD(tactus_stats, manifest_blocks),
    FIELD(tactus_stats, bytes_committed),
    FIELD(tactus_stats, bytes_journaled),
    FIELD(tactus_stats, deferrals),
    FIELD(tactus_stats, tables_coalesced),
    FIELD(tactus_stats, records_dropped),
    FIELD(tactus_stats, records_replaced),
    FIELD(tactus_stats, levels),
    FIELD(tactus_stats, has_worker),
    FIELD(tactus_stats, beats_worked),
    FIELD(tactus_stats, beat_bytes_p50),
    FIELD(tactus_stats, beat_bytes_p99),
    FIELD(tactus_stats, beat_bytes_max),
    FIELD(tactus_stats, beat_quota_max),
    FIELD(tactus_stats, beat_beyond_max),
    FIELD(tactus_stats, blocks_written),
    FIELD(tactus_stats, reads_merged),
    FIELD(tactus_stats, checkpoints_durable),
    FIELD(tactus_stats, checkpoints_waited),
    FIELD(tactus_stats, checkpoint_ns_last),
    FIELD(tactus_stats, checkpoint_ns_max),
    FIELD(tactus_stats, checkpoint_ns_total),
    FIELD(tactus_stats, checkpoint_blocks),
    FIELD(tactus_stats, lookups_memory),
    FIELD(tactus_stats, lookups),
    FIELD(tactus_stats, lookups_immutable),
    FIELD(tactus_stats, lookups_outside),
    FIELD(tactus_stats, levels_passed),
    FIELD(tactus_stats, tables_asked),
    FIELD(tactus_stats, filter_negatives),
    FIELD(tactus_stats, filter_positives),
    FIELD(tactus_stats, filter_false_positives),

    STRUCT(tactus_level_stats),
    FIELD(tactus_level_stats, tables),
    FIELD(tactus_level_stats, records),
    FIELD(tactus_level_stats, tables_written),
    FIELD(tactus_level_stats, tables_moved),
    FIELD(tactus_level_stats, blocks_written),
    FIELD(tactus_level_stats, records_in),
    FIELD(tactus_level_stats, records_written),
    FIELD(tactus_level_stats, bytes_written),

    NUMBER(TACTUS_LEVELS),

    NUMBER(TACTUS_OK),
    NUMBER(TACTUS_EXISTS),
    NUMBER(TACTUS_ABSENT),
    NUMBER(TACTUS_INVALID),
    NUMBER(TACTUS_SOME),
    NUMBER(TACTUS_SYNTAX),
    NUMBER(TACTUS_SCHEMA),
    NUMBER(TACTUS_LIMIT),
    NUMBER(TACTUS_FULL),
    NUMBER(TACTUS_CORRUPT),
    NUMBER(TACTUS_IO),
    NUMBER(TACTUS_POISONED),
    NUMBER(TACTUS_BUSY),
    NUMBER(TACTUS_EXPIRED),
    NUMBER(TACTUS_READ_ONLY),
    NUMBER(TACTUS_VERSION),
    NUMBER(TACTUS_FORKED),
    NUMBER(TACTUS_MISUSE),

    NUMBER(TACTUS_SYNC_COMMIT),
    NUMBER(TACTUS_SYNC_INTERVAL),
    NUMBER(TACTUS_SYNC_NONE),

    NUMBER(TACTUS_OVERWRITE),
    NUMBER(TACTUS_CREATE_POSIX_IO),

    NUMBER(TACTUS_READ_ONLY_OPEN),
    NUMBER(TACTUS_NO_WORKER),
    NUMBER(TACTUS_POSIX_IO),

    NUMBER(TACTUS_TYPE_U8),
    NUMBER(TACTUS_TYPE_U16),
    NUMBER(TACTUS_TYPE_U32),
    NUMBER(TACTUS_TYPE_U64),
    NUMBER(TACTUS_TYPE_U128),
    NUMBER(TACTUS_TYPE_UUID),
    NUMBER(TACTUS_TYPE_I8),
    NUMBER(TACTUS_TYPE_I16),
    NUMBER(TACTUS_TYPE_I32),
    NUMBER(TACTUS_TYPE_I64),
    NUMBER(TACTUS_TYPE_F32),
    NUMBER(TACTUS_TYPE_F64),
    NUMBER(TACTUS_TYPE_BOOL),
    NUMBER(TACTUS_TYPE_TIME),
    NUMBER(TACTUS_TYPE_TIMESTAMP),
    NUMBER(TACTUS_TYPE_DECIMAL),
    NUMBER(TACTUS_TYPE_TEXT),
    NUMBER(TACTUS_TYPE_BYTES),
    NUMBER(TACTUS_TYPE_RESERVED),

    NUMBER(TACTUS_KIND_COLLECTION),
    NUMBER(TACTUS_KIND_MAP),

    NUMBER(TACTUS_FIELD_ID),
    NUMBER(TACTUS_FIELD_OPTIONAL),
    NUMBER(TACTUS_FIELD_INDEX),
    NUMBER(TACTUS_FIELD_SPARSE),
    NUMBER(TACTUS_FIELD_HASH),

    NUMBER(TACTUS_TIMESTAMPS_GIVEN),

    NUMBER(TACTUS_TOKEN_BYTES),

    NUMBER(TACTUS_NOTE),
    NUMBER(TACTUS_WARNING),
    NUMBER(TACTUS_FAULT),

    NUMBER(TACTUS_TRUNCATE_JOURNAL),
};

int main(void)
{
    printf("pointer %zu\n", sizeof(void *));
    for (size_t index = 0; index < sizeof lines / sizeof lines[0]; index += 1) {
        const struct line *line = &lines[index];
        if (line->kind == 's') {
            printf("struct %s %zu\n", line->name, line->size);
        } else if (line->kind == 'f') {
            printf("  %-24s %4zu %4zu\n", line->name, line->offset, line->size);
        } else {
            printf("%-28s %d\n", line->name, line->number);
        }
    }
    return 0;
}
