/* The inner loops of a tree for one kind of key. Each kernel_KIND.c includes this once: no guard.
 *
 *   KERNEL_KIND                 the suffix of the set made here: kernels_KIND
 *   KERNEL_KEY                  the type of a key
 *   KERNEL_LOAD(shape, record)  the key of a record
 *   KERNEL_FROM(key)            a KERNEL_KEY from a struct key
 *   KERNEL_LESS(a, b)           whether key a sorts before key b
 *   KERNEL_EQUAL(a, b)
 *   KERNEL_CHOOSE(mask, a, b)   key a where the u64 is all ones, key b where it is 0: no branch
 *   KERNEL_DIGITS               bytes of a key
 *   KERNEL_DIGIT_OFFSET(shape, digit)  where in the record that byte is; digit 0 is the lowest one
 *   KERNEL_TIMESTAMP_DIGITS     how many of them, from 0, are the timestamp's; 0: none is. The
 *                               highest of these holds the tombstone, which is no part of the key
 *   KERNEL_SIZE                 the record size worth a copy of the loops of its own
 *
 * All names here are static but kernels_KIND, so they need no suffix: grep, the debugger and
 * clang-format work on this file as on any other. Loops are inlined into their callers once with a
 * constant record size and once without, so that the multiply becomes a shift. */
#if !defined(KERNEL_KIND) || !defined(KERNEL_KEY) || !defined(KERNEL_LOAD) || !defined(KERNEL_SIZE)
#error "kernel_template.h: a parameter is missing; see the top of this file"
#endif
#if !defined(KERNEL_FROM) || !defined(KERNEL_LESS) || !defined(KERNEL_EQUAL) ||                    \
    !defined(KERNEL_DIGITS) || !defined(KERNEL_DIGIT_OFFSET) ||                                    \
    !defined(KERNEL_TIMESTAMP_DIGITS) || !defined(KERNEL_CHOOSE)
#error "kernel_template.h: a parameter is missing; see the top of this file"
#endif

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "lsm/gallop.h"
#include "lsm/kernel.h"

#include <stddef.h>
#include <string.h>

#define KERNEL_PASTE(name, kind)  name##_##kind
#define KERNEL_EXPAND(name, kind) KERNEL_PASTE(name, kind)
#define KERNEL_NAME_TEXT(kind)    #kind
#define KERNEL_NAME(kind)         KERNEL_NAME_TEXT(kind)
#define kernels_set               KERNEL_EXPAND(kernels, KERNEL_KIND)

#define KERNEL_INLINE static inline __attribute__((always_inline))

#define LOSER_KEY                KERNEL_KEY
#define LOSER_LESS(a, b)         KERNEL_LESS(a, b)
#define LOSER_EQUAL(a, b)        KERNEL_EQUAL(a, b)
#define LOSER_CHOOSE(mask, a, b) KERNEL_CHOOSE(mask, a, b)
#include "lsm/loser_tree_template.h"

/* Calls a loop with the record size as a constant where it is the usual one. */
#define KERNEL_SIZED(call, ...)                                                                    \
    (shape->record_size == KERNEL_SIZE ? call(shape, KERNEL_SIZE, __VA_ARGS__)                     \
                                       : call(shape, shape->record_size, __VA_ARGS__))

KERNEL_INLINE const uint8_t *kernel_at(const uint8_t *records, uint32_t size, uint32_t index)
{
    return records + (size_t)index * size;
}

KERNEL_INLINE bool kernel_is_tombstone(const struct record_shape *shape, const uint8_t *record)
{
    return (load_u64(record + shape->flag_offset) >> 63) != 0;
}

/* ---- Search --------------------------------------------------------------------------------- */

KERNEL_INLINE uint32_t kernel_lower_bound_sized(
    const struct record_shape *shape,
    uint32_t size,
    const uint8_t *records,
    uint32_t count,
    KERNEL_KEY key
)
{
    uint32_t index = 0;
    for (uint32_t remaining = count; remaining > 0;) {
        const uint32_t half = (remaining + 1) / 2;
        const uint8_t *probe = kernel_at(records, size, index + half - 1);
        index += half & mask_if(KERNEL_LESS(KERNEL_LOAD(shape, probe), key));
        remaining -= half;
    }
    assert(index <= count);
    return index;
}

KERNEL_INLINE uint32_t kernel_upper_bound_sized(
    const struct record_shape *shape,
    uint32_t size,
    const uint8_t *records,
    uint32_t count,
    KERNEL_KEY key
)
{
    uint32_t index = 0;
    for (uint32_t remaining = count; remaining > 0;) {
        const uint32_t half = (remaining + 1) / 2;
        const uint8_t *probe = kernel_at(records, size, index + half - 1);
        index += half & mask_if(!KERNEL_LESS(key, KERNEL_LOAD(shape, probe)));
        remaining -= half;
    }
    assert(index <= count);
    return index;
}

static uint32_t kernel_lower_bound(
    const struct record_shape *shape, const void *records, uint32_t count, struct key key
)
{
    return KERNEL_SIZED(kernel_lower_bound_sized, records, count, KERNEL_FROM(key));
}

static uint32_t kernel_upper_bound(
    const struct record_shape *shape, const void *records, uint32_t count, struct key key
)
{
    return KERNEL_SIZED(kernel_upper_bound_sized, records, count, KERNEL_FROM(key));
}

/* With branches: what the CPU predicts it can load ahead of knowing the answer. Each turn makes
 * [low, high) smaller, so it ends whatever the keys are. */
static uint32_t kernel_lower_bound_near(
    const struct record_shape *shape,
    const void *records,
    uint32_t count,
    uint32_t guess,
    struct key key
)
{
    assert(count == 0 || guess < count);
    const KERNEL_KEY wanted = KERNEL_FROM(key);
    struct gallop gallop = gallop_begin(count, guess);
    while (gallop.low < gallop.high) {
        const uint8_t *probe = kernel_at(records, shape->record_size, gallop.place);
        gallop_step(&gallop, KERNEL_LESS(KERNEL_LOAD(shape, probe), wanted));
    }
    return gallop.low;
}

KERNEL_INLINE bool kernel_is_sorted_sized(
    const struct record_shape *shape, uint32_t size, const uint8_t *records, uint32_t count
)
{
    if (count == 0) return true;
    KERNEL_KEY before = KERNEL_LOAD(shape, records);
    for (uint32_t index = 1; index < count; index += 1) {
        const KERNEL_KEY key = KERNEL_LOAD(shape, kernel_at(records, size, index));
        if (!KERNEL_LESS(before, key)) return false;
        before = key;
    }
    return true;
}

static bool kernel_is_sorted(const struct record_shape *shape, const void *records, uint32_t count)
{
    return KERNEL_SIZED(kernel_is_sorted_sized, records, count);
}

/* ---- Sort ----------------------------------------------------------------------------------- */

KERNEL_INLINE void kernel_sort_small(
    const struct record_shape *shape, uint32_t size, uint8_t *records, uint32_t count
)
{
    uint8_t moving[RECORD_SIZE_MAX];
    assert(count <= KERNEL_SORT_SMALL);
    for (uint32_t index = 1; index < count; index += 1) {
        uint8_t *record = records + (size_t)index * size;
        const KERNEL_KEY key = KERNEL_LOAD(shape, record);
        uint32_t place = index;
        while (place > 0 &&
               KERNEL_LESS(key, KERNEL_LOAD(shape, kernel_at(records, size, place - 1)))) {
            place -= 1;
        }
        if (place == index) continue;
        uint8_t *target = records + (size_t)place * size;
        memcpy(moving, record, size);
        memmove(target + size, target, (size_t)(index - place) * size);
        memcpy(target, moving, size);
    }
}

/* A byte of the key. */
struct kernel_digit {
    uint32_t offset; /* in the record */
    uint32_t mask;   /* which of its bits are the key's */
    uint32_t
        places[256]; /* how many records have each value; then where the next one of them goes */
};

/* The digits that have to be sorted by, lowest first: those in which not all records are the same.
 * Digits of a timestamp are not among them if records come with ascending timestamps already, as
 * those of new objects do: sorting by the rest is stable. Returns their number. */
KERNEL_INLINE uint32_t kernel_digits_needed(
    const struct record_shape *shape,
    uint32_t size,
    const uint8_t *records,
    uint32_t count,
    struct kernel_digit digits[KERNEL_DIGITS]
)
{
    uint64_t varying[KERNEL_DIGITS / 8] = {0};
    bool timestamps_ascend = KERNEL_TIMESTAMP_DIGITS > 0;
    uint64_t timestamp_before = 0;
    for (uint32_t index = 0; index < count; index += 1) {
        const uint8_t *record = kernel_at(records, size, index);
        for (uint32_t word = 0; word < KERNEL_DIGITS / 8; word += 1) {
            const uint32_t offset = KERNEL_DIGIT_OFFSET(shape, word * 8);
            varying[word] |= load_u64(record + offset) ^ load_u64(records + offset);
        }
        if (KERNEL_TIMESTAMP_DIGITS > 0) {
            const uint64_t timestamp =
                load_u64(record + KERNEL_DIGIT_OFFSET(shape, 0)) & ~RECORD_TOMBSTONE;
            timestamps_ascend &= timestamp >= timestamp_before;
            timestamp_before = timestamp;
        }
    }

    if (KERNEL_TIMESTAMP_DIGITS > 0) varying[0] &= timestamps_ascend ? 0 : ~RECORD_TOMBSTONE;
    uint32_t needed = 0;
    for (uint32_t digit = 0; digit < KERNEL_DIGITS; digit += 1) {
        if (((varying[digit / 8] >> (digit % 8 * 8)) & 0xff) == 0) continue;
        digits[needed].offset = KERNEL_DIGIT_OFFSET(shape, digit);
        digits[needed].mask = digit + 1 == KERNEL_TIMESTAMP_DIGITS ? 0x7f : 0xff;
        memset(digits[needed].places, 0, sizeof digits[needed].places);
        needed += 1;
    }
    return needed;
}

/* One pass: `source` to `target`, by one digit. */
KERNEL_INLINE void kernel_sort_pass(
    uint32_t size,
    uint8_t *target,
    const uint8_t *source,
    uint32_t count,
    struct kernel_digit *digit
)
{
    uint32_t *places = digit->places;
    uint32_t place = 0;
    for (uint32_t value = 0; value < 256; value += 1) {
        const uint32_t values = places[value];
        places[value] = place;
        place += values;
    }
    assert(place == count);
    for (uint32_t index = 0; index < count; index += 1) {
        const uint8_t *record = kernel_at(source, size, index);
        const uint32_t value = record[digit->offset] & digit->mask;
        memcpy(target + (size_t)places[value] * size, record, size);
        places[value] += 1;
    }
}

/* Stable, least significant digit first. All digits are counted in one pre-pass. */
KERNEL_INLINE void kernel_sort_radix(
    const struct record_shape *shape,
    uint32_t size,
    uint8_t *records,
    uint8_t *scratch,
    uint32_t count
)
{
    struct kernel_digit digits[KERNEL_DIGITS]; /* 25 KiB at most */
    const uint32_t needed = kernel_digits_needed(shape, size, records, count, digits);
    assert(needed <= KERNEL_DIGITS);

    for (uint32_t index = 0; index < count; index += 1) {
        const uint8_t *record = kernel_at(records, size, index);
        for (uint32_t digit = 0; digit < needed; digit += 1) {
            const uint32_t value = record[digits[digit].offset] & digits[digit].mask;
            digits[digit].places[value] += 1;
        }
    }

    uint8_t *source = records;
    uint8_t *target = scratch;
    for (uint32_t digit = 0; digit < needed; digit += 1) {
        kernel_sort_pass(size, target, source, count, &digits[digit]);
        uint8_t *sorted = target;
        target = source;
        source = sorted;
    }
    if (source != records) bytes_copy(records, source, (uint64_t)count * size);
}

static void kernel_sort(
    const struct record_shape *shape, void *records, void *scratch, uint32_t count
)
{
    if (count <= KERNEL_SORT_SMALL) {
        KERNEL_SIZED(kernel_sort_small, records, count);
    } else if (kernel_is_sorted(shape, records, count)) {
        return;
    } else if (shape->record_size >= KERNEL_SORT_FAT) {
        kernel_sort_fat(shape, records, scratch, count);
    } else {
        KERNEL_SIZED(kernel_sort_radix, records, scratch, count);
    }
}

/* ---- Dedup ---------------------------------------------------------------------------------- */

/* The output never overtakes the input, so one array serves for both. With `cancel` a record meets
 * the last one kept: if they are a pair, both go, and the next one of that key starts anew. */
KERNEL_INLINE uint32_t kernel_dedup_sized(
    const struct record_shape *shape, uint32_t size, uint8_t *records, uint32_t count, bool cancel
)
{
    uint32_t kept = 0;
    for (uint32_t index = 0; index < count; index += 1) {
        const uint8_t *record = kernel_at(records, size, index);
        if (kept > 0) {
            const uint8_t *last = kernel_at(records, size, kept - 1);
            assert(!KERNEL_LESS(KERNEL_LOAD(shape, record), KERNEL_LOAD(shape, last)));
            if (KERNEL_EQUAL(KERNEL_LOAD(shape, last), KERNEL_LOAD(shape, record))) {
                kept -= 1;
                if (cancel) {
                    assert(kernel_is_tombstone(shape, last) != kernel_is_tombstone(shape, record));
                    continue;
                }
            }
        }
        if (kept != index) memcpy(records + (size_t)kept * size, record, size);
        kept += 1;
    }
    assert(kept <= count);
    return kept;
}

static uint32_t kernel_dedup(
    const struct record_shape *shape, void *records, uint32_t count, bool cancel
)
{
    return KERNEL_SIZED(kernel_dedup_sized, records, count, cancel);
}

/* ---- Merge ---------------------------------------------------------------------------------- */

KERNEL_INLINE uint32_t kernel_copy_live_sized(
    const struct record_shape *shape,
    uint32_t size,
    uint8_t *target,
    const uint8_t *source,
    uint32_t count
)
{
    uint32_t kept = 0;
    for (uint32_t index = 0; index < count; index += 1) {
        const uint8_t *record = kernel_at(source, size, index);
        if (kernel_is_tombstone(shape, record)) continue;
        memcpy(target + (size_t)kept * size, record, size);
        kept += 1;
    }
    return kept;
}

static uint32_t kernel_copy_live(
    const struct record_shape *shape, void *target, const void *source, uint32_t count
)
{
    return KERNEL_SIZED(kernel_copy_live_sized, target, source, count);
}

/* Equal keys met: what becomes of the newer record `a`. True: it is to be emitted. */
KERNEL_INLINE bool kernel_merge_equal(
    const struct record_shape *shape, struct merge *merge, const uint8_t *a, const uint8_t *b
)
{
    const bool a_is_tombstone = kernel_is_tombstone(shape, a);
    if (merge->cancel && a_is_tombstone != kernel_is_tombstone(shape, b)) {
        merge->cancelled += 1;
        return false;
    }
    merge->conflicts += merge->cancel;
    merge->shadowed += 1;
    if (!merge->drop_tombstones || !a_is_tombstone) return true;
    merge->dropped += 1;
    return false;
}

KERNEL_INLINE void kernel_merge_both(
    const struct record_shape *shape, uint32_t size, struct merge *merge
)
{
    const uint8_t *a = merge->a;
    const uint8_t *b = merge->b;
    uint8_t *target = merge->target;
    const uint8_t *const a_end = kernel_at(a, size, merge->a_count);
    const uint8_t *const b_end = kernel_at(b, size, merge->b_count);
    const uint8_t *const target_end = kernel_at(target, size, merge->target_count);

    while (a < a_end && b < b_end && target < target_end) {
        const KERNEL_KEY a_key = KERNEL_LOAD(shape, a);
        const KERNEL_KEY b_key = KERNEL_LOAD(shape, b);
        if (KERNEL_EQUAL(a_key, b_key)) {
            if (kernel_merge_equal(shape, merge, a, b)) {
                memcpy(target, a, size);
                target += size;
            }
            a += size;
            b += size;
            continue;
        }
        const bool from_a = KERNEL_LESS(a_key, b_key);
        const uint8_t *const taken = from_a ? a : b;
        const bool drops = merge->drop_tombstones && kernel_is_tombstone(shape, taken);
        memcpy(target, taken, size);
        merge->dropped += drops;
        target += size & ~mask_if(drops);
        a += size & mask_if(from_a);
        b += size & ~mask_if(from_a);
    }
    merge->consumed_a = (uint32_t)((size_t)(a - (const uint8_t *)merge->a) / size);
    merge->consumed_b = (uint32_t)((size_t)(b - (const uint8_t *)merge->b) / size);
    merge->produced = (uint32_t)((size_t)(target - (uint8_t *)merge->target) / size);
}

static void kernel_merge(const struct record_shape *shape, struct merge *merge)
{
    merge->consumed_a = merge->consumed_b = merge->produced = 0;
    merge->dropped = merge->shadowed = merge->cancelled = merge->conflicts = 0;
    const uint32_t a_count = min_u32(merge->a_count, merge->target_count);
    const uint32_t b_count = min_u32(merge->b_count, merge->target_count);

    if (merge->a_count > 0 && merge->b_count > 0) {
        if (shape->record_size == KERNEL_SIZE) {
            kernel_merge_both(shape, KERNEL_SIZE, merge);
        } else {
            kernel_merge_both(shape, shape->record_size, merge);
        }
    } else if (merge->a_count > 0 && merge->drop_tombstones) {
        merge->consumed_a = a_count;
        merge->produced = kernel_copy_live(shape, merge->target, merge->a, a_count);
        merge->dropped = merge->consumed_a - merge->produced;
    } else if (merge->drop_tombstones) {
        merge->consumed_b = b_count;
        merge->produced = kernel_copy_live(shape, merge->target, merge->b, b_count);
        merge->dropped = merge->consumed_b - merge->produced;
    } else if (merge->a_count > 0) {
        bytes_copy(merge->target, merge->a, (uint64_t)a_count * shape->record_size);
        merge->consumed_a = merge->produced = a_count;
    } else {
        bytes_copy(merge->target, merge->b, (uint64_t)b_count * shape->record_size);
        merge->consumed_b = merge->produced = b_count;
    }
    merge_check(merge);
}

/* ---- Merge of many runs ---------------------------------------------------------------------- */

/* The stream goes past its record at hand. */
KERNEL_INLINE void kernel_stream_pass(
    const struct record_shape *shape,
    uint32_t size,
    struct loser_tree *tree,
    struct merge_stream *stream,
    uint32_t *live
)
{
    const uint32_t id = tree->ids[0];
    stream->next += size;
    if (stream->next < stream->end) {
        loser_tree_replay(tree, id, KERNEL_LOAD(shape, stream->next), id, false);
        return;
    }
    const KERNEL_KEY last = KERNEL_FROM(key_max_of((enum key_bits)shape->key_bits));
    loser_tree_replay(tree, id, last, LOSER_ENDED, false);
    *live -= 1;
}

/* While there are two streams at least; stops where a pair of equal keys might be cut. Of a record
 * it is known what becomes of it once it is seen whether the next one has its key. */
KERNEL_INLINE void kernel_merge_live(
    const struct record_shape *shape,
    uint32_t size,
    struct merge_streams *merge,
    struct loser_tree *tree,
    uint32_t *live
)
{
    uint8_t *target = merge->target;
    while (*live > 1 && merge->input_max - merge->consumed >= 2) {
        struct merge_stream *stream = &merge->streams[tree->ids[0]];
        const KERNEL_KEY key = tree->keys[0];
        const uint8_t *record = stream->next;
        kernel_stream_pass(shape, size, tree, stream, live);
        merge->consumed += 1;
        if (__builtin_expect(!KERNEL_EQUAL(tree->keys[0], key), 1) || tree->ids[0] == LOSER_ENDED) {
            memcpy(target, record, size);
            target += size;
        } else if (merge->cancel) {
            struct merge_stream *newer = &merge->streams[tree->ids[0]];
            assert(kernel_is_tombstone(shape, record) != kernel_is_tombstone(shape, newer->next));
            kernel_stream_pass(shape, size, tree, newer, live);
            merge->consumed += 1;
            merge->cancelled += 1;
        } else {
            merge->replaced += 1;
        }
    }
    merge->produced = (uint32_t)((size_t)(target - (uint8_t *)merge->target) / size);
}

/* The tree is made anew each time: what a merge keeps between its steps is where its streams are,
 * whatever the type of their keys. */
KERNEL_INLINE void kernel_merge_streams_sized(
    const struct record_shape *shape, uint32_t size, struct merge_streams *merge
)
{
    KERNEL_KEY keys[MERGE_STREAMS_MAX];
    uint32_t ids[MERGE_STREAMS_MAX];
    struct loser_tree tree;
    uint32_t live = 0;
    loser_tree_begin(&tree, keys, ids, merge->stream_count);
    for (uint32_t leaf = 0; leaf < tree.leaves; leaf += 1) {
        const struct merge_stream *stream = &merge->streams[leaf];
        if (leaf < merge->stream_count && stream->next < stream->end) {
            loser_tree_enter(&tree, leaf, KERNEL_LOAD(shape, stream->next), leaf, false);
            live += 1;
        } else {
            const KERNEL_KEY last = KERNEL_FROM(key_max_of((enum key_bits)shape->key_bits));
            loser_tree_enter(&tree, leaf, last, LOSER_ENDED, false);
        }
    }
    kernel_merge_live(shape, size, merge, &tree, &live);
    if (live != 1) return;

    struct merge_stream *rest = &merge->streams[tree.ids[0]];
    const uint32_t left = (uint32_t)((size_t)(rest->end - rest->next) / size);
    const uint32_t count = min_u32(left, merge->input_max - merge->consumed);
    uint8_t *target = (uint8_t *)merge->target + (size_t)merge->produced * size;
    bytes_move(target, rest->next, (uint64_t)count * size);
    rest->next += (size_t)count * size;
    merge->consumed += count;
    merge->produced += count;
}

static void kernel_merge_streams(const struct record_shape *shape, struct merge_streams *merge)
{
    assert(merge->stream_count <= MERGE_STREAMS_MAX);
    assert(merge->input_max >= 2);
    merge->consumed = merge->produced = merge->replaced = merge->cancelled = 0;
    KERNEL_SIZED(kernel_merge_streams_sized, merge);
    merge_streams_check(merge);
}

const struct kernels kernels_set = {
    .name = KERNEL_NAME(KERNEL_KIND),
    .sort = kernel_sort,
    .dedup = kernel_dedup,
    .is_sorted = kernel_is_sorted,
    .lower_bound = kernel_lower_bound,
    .lower_bound_near = kernel_lower_bound_near,
    .upper_bound = kernel_upper_bound,
    .merge = kernel_merge,
    .merge_streams = kernel_merge_streams,
    .copy_live = kernel_copy_live,
};
