/* The newest records of one tree: as they came, and in sorted runs once a beat is over. */
#ifndef TACTUS_LSM_MEMORY_TABLE_H
#define TACTUS_LSM_MEMORY_TABLE_H

#include "base/budget.h"
#include "lsm/kernel.h"
#include "lsm/key.h"
#include "lsm/memory_filter.h"
#include "lsm/record.h"

#include <stdbool.h>
#include <stdint.h>

enum tree_usage {
    TREE_GENERAL, /* the last write of a key wins */
    TREE_INDEX    /* a key is put only when absent, removed only when present: pairs may cancel */
};

struct memory_table_options {
    const struct record_shape *shape; /* kept */
    enum tree_usage usage;
    bool point_lookups;  /* memory_table_get() is wanted: it costs a hash and a filter */
    uint32_t capacity;   /* records: a bar of full beats, and the tail of one transaction (R1) */
    uint32_t runs_max;   /* that sorting makes before a reset: a run a beat, and two */
    uint32_t suffix_max; /* most records that are unsorted at once; 0: capacity */
};

/* Records [begin, end) of the table: their keys strictly ascend. */
struct memory_run {
    uint32_t begin;
    uint32_t end;
};

/* A place to discard back to. */
struct memory_table_mark {
    uint32_t count;
    uint64_t generation; /* of the order that count is a place in */
};

/*   0                                        sorted_count         settled              count
 *   | runs[0] oldest | ... | runs[n-1] newest | unsorted, settled | tail of open scope | free |
 *                                             |<--------- suffix, in order of age --->|
 *
 * `settled` is not kept here: whoever keeps the scopes says it, where it matters. Only
 * sort_suffix() makes runs, and it leaves the tail in its order of age; so a rollback is discard():
 * a count, and the hash links of what goes.
 *
 * When a bar ends the table keeps its runs and is called immutable: nothing is moved but the tail,
 * which goes to the other table (take_tail). Whoever wants it in order merges the runs as it goes:
 * run_merge.h, scan_tree.h. If it cannot be flushed in the next bar it takes that bar's runs behind
 * its own (absorb).
 *
 * Invariants, which memory_table_check() tests one by one:
 *
 *   M1  sorted_count <= count <= capacity; the suffix is at most suffix_max.
 *   M2  Runs are contiguous from 0 to sorted_count, none is empty, at most run_capacity.
 *   M3  Keys of a run strictly ascend. A key may be in many runs; the newest run has its newest
 *       record.
 *   M4  With point_lookups, every record of the suffix is in the chain of its bucket, newest
 *       first, and nothing else is.
 *   M5  An empty table has no runs: it counts as sorted.
 *   M6  With point_lookups, the filter may contain every key of the runs, tombstones included:
 *       labelled by the number of its run, or if label_count > 0, by any below that. */
struct memory_table {
    const struct record_shape *shape;
    const struct kernels *kernels;
    uint8_t *records;        /* borrowed from the memory budget, as are runs, heads and previous */
    struct memory_run *runs; /* oldest first */
    uint32_t *heads;         /* bucket -> 1 + place in the suffix of its newest record; 0: none */
    uint32_t *previous;      /* the same, by place in the suffix: the next older of its bucket */
    struct memory_filter filter; /* over the runs; none without point lookups */
    uint32_t capacity;
    uint32_t runs_max;
    uint32_t run_capacity; /* runs_max, or what absorbing leaves, whichever is more */
    uint32_t long_run; /* records from which on absorbing does not merge a run into newer ones */
    uint32_t suffix_max;
    uint32_t heads_count; /* a power of two; 0: no point lookups */
    bool is_index;

    uint32_t count;
    uint32_t sorted_count;
    uint32_t run_count;
    uint32_t label_count; /* of the filter, once runs have changed their numbers; 0 before */
    uint64_t generation;  /* of the order of records: raised when any of them moves */

    void *scratch; /* borrowed: shared by all tables that are never sorted at once */
    uint64_t scratch_size;
};

void memory_table_init(
    struct memory_table *table, struct budget *budget, const struct memory_table_options *options
);

/* Runs that a table of these options may have. */
uint32_t memory_table_run_capacity(const struct memory_table_options *options);

/* Bytes that a table of these options needs to sort and to absorb: a suffix. The scratch is as
 * large as the largest. */
uint64_t memory_table_scratch_size(const struct memory_table_options *options);

/* Gives the table its scratch, kept; needed before the first sort. */
void memory_table_set_scratch(struct memory_table *table, void *scratch, uint64_t scratch_size);

/* O(count · log): for assert_slow() and tests. */
void memory_table_check(const struct memory_table *table);

/* Appends a copy; updates and tombstones append, too. There must be room: a transaction over
 * batch_max was refused at the door, and a beat ends before the table is full. */
void memory_table_put(struct memory_table *table, const void *record);

/* The newest record with this key among the first `visible_count`, or NULL; may be a tombstone.
 * visible_count is between sorted_count and count. Borrowed until the next discard, sort, take_tail
 * or reset. Only with point_lookups. */
const void *memory_table_get(
    const struct memory_table *table, struct key key, uint32_t visible_count
);

/* A place to discard back to: the table's end, or any `count` of the suffix. */
struct memory_table_mark memory_table_mark(const struct memory_table *table);
struct memory_table_mark memory_table_mark_at(const struct memory_table *table, uint32_t count);

/* Forgets all records since the mark was taken. No sort may have come in between. */
void memory_table_discard(struct memory_table *table, struct memory_table_mark mark);

/* Makes a run of what is unsorted below `settled_count`: of equal keys only the newest record
 * stays, and in an index tree pairs cancel. If all of it lies above the last run, it joins that
 * instead. The tail moves down behind it, in its order. Returns the new settled_count. */
uint32_t memory_table_sort_suffix(struct memory_table *table, uint32_t settled_count);

/* Moves the tail above `settled_count` out of `source` into `target`, which is empty and is the
 * table of the same tree that takes the next bar. */
void memory_table_take_tail(
    struct memory_table *target, struct memory_table *source, uint32_t settled_count
);

/* Takes the runs of `source`, the mutable table of the same tree, behind those of `target`, the
 * immutable one; there must be room. Short runs are merged, so that their number stays bounded
 * whatever comes (R9): see memory_table.c. All that is settled, up to sorted_count in both, is in
 * runs; source is then left with its tail above `settled_count`, which moves to its front. */
void memory_table_absorb(
    struct memory_table *target, struct memory_table *source, uint32_t settled_count
);

/* Empties the table: the immutable one, once it is flushed, can take records again. */
void memory_table_reset(struct memory_table *table);

/* Whether one run holds everything. */
bool memory_table_is_sorted(const struct memory_table *table);

/* Of all records, though they may cancel; the table is not empty and has no suffix. */
struct key memory_table_key_min(const struct memory_table *table);
struct key memory_table_key_max(const struct memory_table *table);

static inline const void *memory_table_at(const struct memory_table *table, uint32_t index)
{
    return table->records + (uint64_t)index * table->shape->record_size;
}

#endif
