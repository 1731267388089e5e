/* The inner loops of a tree: the only code that knows a record's inside, apart from record.h. One
 * set for each kind of key, made from kernel_template.h; a tree keeps a pointer to its set, so the
 * price is one indirect call a block and none a record. All are pure: memory in, memory out. */
#ifndef TACTUS_LSM_KERNEL_H
#define TACTUS_LSM_KERNEL_H

#include "lsm/key.h"
#include "lsm/record.h"

#include <stdbool.h>
#include <stdint.h>

/* One step of a merge: two ascending inputs, without duplicates each, and room for the output.
 * It ends when an input or the room is used up. An input that is empty at the start counts as
 * having come to its end for good: the other one is then copied alone. */
struct merge {
    const void *a; /* the newer input; borrowed, like b and target, during the call */
    const void *b; /* the older one */
    void *target;  /* overlaps neither input */
    uint32_t a_count;
    uint32_t b_count;
    uint32_t target_count; /* room, in records */
    bool drop_tombstones;  /* they hide nothing but what is merged here: leave them out */
    bool cancel;           /* an index tree: equal keys of opposite kind both go (R15) */

    uint32_t consumed_a; /* set by the call, all of these */
    uint32_t consumed_b;
    uint32_t produced;
    uint32_t dropped;   /* tombstones left out */
    uint32_t shadowed;  /* records of B that a record of A with their key replaced */
    uint32_t cancelled; /* pairs: two records each */
    uint32_t conflicts; /* index trees: shadowed ones of A's kind; only a hostile file has any */
};

/* One sorted run of many: records [next, end), without duplicates. */
struct merge_stream {
    const uint8_t *next;
    const uint8_t *end;
};

/* One step of a merge of many runs, none of which has tombstones to drop: the lower a stream's
 * number, the older it is. Of equal keys the newest record stays; with `cancel`, pairs of opposite
 * kind go (asserted), and what has no partner stays.
 *
 * The target may be the place that the streams' records had but for the last stream's, which then
 * lies directly behind: what is written never overtakes what is read. */
struct merge_streams {
    struct merge_stream *streams; /* moved on by the call; borrowed, like target */
    uint32_t stream_count;        /* at most MERGE_STREAMS_MAX */
    uint32_t input_max;           /* records to consume, and room of the target: 2 or more */
    void *target;
    bool cancel;

    uint32_t consumed; /* set by the call, all of these; input_max, or one less, or all there is */
    uint32_t produced;
    uint32_t replaced;  /* records that a newer one with their key replaced */
    uint32_t cancelled; /* pairs: two records each */
};

struct kernels {
    const char *name; /* of the kind of key, for statistics and tests */

    /* Sorts by key; records with equal keys keep their order. `scratch` is as large as the records
     * and is left with any content; it may be NULL if count is at most KERNEL_SORT_SMALL. */
    void (*sort)(const struct record_shape *shape, void *records, void *scratch, uint32_t count);

    /* Of equal neighbours, oldest first, keeps the last one; with `cancel`, takes out pairs of
     * opposite kind (asserted) and keeps what has no partner. Returns the new count. */
    uint32_t (*dedup)(const struct record_shape *shape, void *records, uint32_t count, bool cancel);

    /* Whether keys strictly ascend. */
    bool (*is_sorted)(const struct record_shape *shape, const void *records, uint32_t count);

    /* The first index whose key is not below `key`; count if there is none. The near one begins at
     * `guess`, below count, and goes away from it by doubled steps: for records that are likely not
     * in the CPU's cache. The better the guess, the fewer of them it touches; the worst costs twice
     * what halving does. */
    uint32_t (*lower_bound
    )(const struct record_shape *shape, const void *records, uint32_t count, struct key key);
    uint32_t (*lower_bound_near
    )(const struct record_shape *shape,
      const void *records,
      uint32_t count,
      uint32_t guess,
      struct key key);

    /* The first index whose key is above `key`; count if there is none. */
    uint32_t (*upper_bound
    )(const struct record_shape *shape, const void *records, uint32_t count, struct key key);

    void (*merge)(const struct record_shape *shape, struct merge *merge);
    void (*merge_streams)(const struct record_shape *shape, struct merge_streams *merge);

    /* Copies what is not a tombstone, returns how many. The two do not overlap. */
    uint32_t (*copy_live
    )(const struct record_shape *shape, void *target, const void *source, uint32_t count);
};

enum {
    KERNEL_SORT_SMALL = 32, /* up to here records are sorted by insertion, without scratch */
    KERNEL_SORT_FAT = 256,  /* bytes of a record from which keys are sorted, then records moved */
    MERGE_STREAMS_MAX = 128 /* runs of a memory table: a bar's at most, or what absorbs leave */
};

/* The set for a shape, which record_shape_check() accepts. */
const struct kernels *kernels_for(const struct record_shape *shape);

/* Sorts records of KERNEL_SORT_FAT bytes or more: their keys first, then each record moves once.
 * For the kernels themselves. */
void kernel_sort_fat(
    const struct record_shape *shape, void *records, void *scratch, uint32_t count
);

/* Asserts what every merge step promises about its counters. */
void merge_check(const struct merge *merge);
void merge_streams_check(const struct merge_streams *merge);

extern const struct kernels kernels_object;
extern const struct kernels kernels_id64;
extern const struct kernels kernels_id128;
extern const struct kernels kernels_index64;
extern const struct kernels kernels_index128;

#endif
