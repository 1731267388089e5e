/* Every kernel of every kind of key, against loops too plain to be wrong. Records carry, where the
 * kind has room for it, a number that tells records with equal keys apart. */
#include "lsm/kernel.h"

#include "base/integer.h"
#include "base/random.h"
#include "support/test.h"

#include <stdlib.h>

enum { RECORDS_MAX = 3000 };

static struct record_shape shape_of(uint32_t kind)
{
    switch (kind) {
    case 0: return record_shape_object(24, 8);
    case 1: return record_shape_object(128, 120);
    case 2: return record_shape_object(RECORD_SIZE_MAX, 0);
    case 3: return record_shape_id64();
    case 4: return record_shape_id128();
    case 5: return record_shape_index64();
    case 6: return record_shape_index128();
    case 7: return record_shape_map(8, 32);
    default: return record_shape_map(16, 256);
    }
}
enum { SHAPES = 9 };

/* A key out of 2^spread or so; high words are filled as well, so that each digit counts. */
static void fill(
    const struct record_shape *shape, uint8_t *record, struct random *random, uint64_t spread
)
{
    const uint64_t word = random_below(random, spread);
    bytes_zero(record, shape->record_size);
    for (uint32_t offset = 0; offset + 8 <= shape->record_size; offset += 8) {
        store_u64(record + offset, random_u64(random));
    }
    const bool wide = shape->key_bits != KEY_64 || !shape->key_has_timestamp;
    if (wide) store_u64(record, word * UINT64_C(0x9e3779b97f4a7c15));
    if (shape->flag_offset == 16) store_u64(record + 8, word % 3 << 61);
    const uint64_t flag = random_below(random, 2) << 63;
    const uint64_t timestamp = wide ? word % 5 << 50 : word * UINT64_C(0x9e3779b97f4a7c15) >> 1;
    store_u64(record + shape->flag_offset, flag | timestamp);
}

struct set {
    struct record_shape shape;
    const struct kernels *kernels;
    uint8_t *records, *scratch, *expected;
    uint32_t count;
};

static uint8_t *at(const struct set *set, uint8_t *records, uint32_t index)
{
    return records + (size_t)index * set->shape.record_size;
}

static struct key key_at(const struct set *set, uint8_t *records, uint32_t index)
{
    return record_key(&set->shape, at(set, records, index));
}

static struct set set_new(uint32_t kind, struct random *random, uint32_t count, uint64_t spread)
{
    struct set set = {.shape = shape_of(kind), .count = count};
    const size_t size = (size_t)(count + 1) * set.shape.record_size;
    set.kernels = kernels_for(&set.shape);
    set.records = malloc(size);
    set.scratch = malloc(size);
    set.expected = malloc(size);
    for (uint32_t index = 0; index < count; index += 1) {
        fill(&set.shape, at(&set, set.records, index), random, spread);
    }
    return set;
}

static void set_free(struct set *set)
{
    free(set->records);
    free(set->scratch);
    free(set->expected);
}

/* Stable: by rank, the number of records that come before. */
static void sort_plainly(struct set *set)
{
    uint32_t *order = malloc((set->count + 1) * sizeof order[0]);
    uint32_t *other = malloc((set->count + 1) * sizeof order[0]);
    for (uint32_t index = 0; index < set->count; index += 1)
        order[index] = index;
    for (uint32_t width = 1; width < set->count; width *= 2) { /* merge sort */
        for (uint32_t begin = 0; begin < set->count; begin += 2 * width) {
            uint32_t a = begin, b = min_u32(begin + width, set->count);
            const uint32_t a_end = b, b_end = min_u32(begin + 2 * width, set->count);
            for (uint32_t target = begin; target < b_end; target += 1) {
                const bool from_b =
                    a == a_end || (b < b_end && key_less(
                                                    key_at(set, set->records, order[b]),
                                                    key_at(set, set->records, order[a])
                                                ));
                other[target] = from_b ? order[b] : order[a];
                a += !from_b;
                b += from_b;
            }
        }
        uint32_t *swap = order;
        order = other;
        other = swap;
    }
    for (uint32_t index = 0; index < set->count; index += 1) {
        memcpy(
            at(set, set->expected, index),
            at(set, set->records, order[index]),
            set->shape.record_size
        );
    }
    free(order);
    free(other);
}

static void sort_and_compare(struct set *set)
{
    sort_plainly(set);
    set->kernels->sort(&set->shape, set->records, set->scratch, set->count);
    EXPECT(bytes_equal(set->records, set->expected, (uint64_t)set->count * set->shape.record_size));
}

TEST(kernel, sort_is_stable_for_all_kinds_and_sizes)
{
    static const uint32_t counts[] = {0, 1, 2, 31, 32, 33, 100, 257, 1000};
    struct random random;
    random_init(&random, 1);
    for (uint32_t kind = 0; kind < SHAPES; kind += 1) {
        for (uint32_t index = 0; index < COUNT_OF(counts); index += 1) {
            const uint32_t count = kind == 2 ? min_u32(counts[index], 100) : counts[index];
            for (uint32_t bits = 0; bits <= 60; bits += 20) {
                struct set set = set_new(kind, &random, count, UINT64_C(1) << bits);
                sort_and_compare(&set);
                set_free(&set);
            }
        }
    }
}

TEST(kernel, sort_trusts_ascending_timestamps_only_where_they_ascend)
{
    struct random random;
    random_init(&random, 2);
    for (uint32_t kind = 5; kind <= 6; kind += 1) {
        for (uint32_t spoilt = 0; spoilt <= 1; spoilt += 1) {
            struct set set = set_new(kind, &random, 500, 20);
            for (uint32_t index = 0; index < set.count; index += 1) {
                store_u64(at(&set, set.records, index) + set.shape.flag_offset, 1000 + index / 2);
            }
            if (spoilt) store_u64(at(&set, set.records, 400) + set.shape.flag_offset, 7);
            sort_and_compare(&set);
            set_free(&set);
        }
    }
}

TEST(kernel, bounds_agree_with_counting)
{
    struct random random;
    random_init(&random, 3);
    for (uint32_t kind = 0; kind < SHAPES; kind += 1) {
        for (uint32_t count = 0; count < 70; count += 1) {
            struct set set = set_new(kind, &random, count, 50);
            sort_and_compare(&set);
            struct key wanted = key_min_of_all();
            for (uint32_t probe = 0; probe < 20; probe += 1) {
                fill(&set.shape, at(&set, set.scratch, 0), &random, 60);
                if (probe > 0) wanted = key_at(&set, set.scratch, 0);
                if (probe == 1) wanted = key_max_of((enum key_bits)set.shape.key_bits);
                uint32_t below = 0;
                uint32_t not_above = 0;
                for (uint32_t index = 0; index < count; index += 1) {
                    below += key_less(key_at(&set, set.records, index), wanted);
                    not_above += !key_less(wanted, key_at(&set, set.records, index));
                }
                const struct kernels *kernels = set.kernels;
                EXPECT(kernels->lower_bound(&set.shape, set.records, count, wanted) == below);
                for (uint32_t guess = 0; guess < max_u32(count, 1); guess += 1) {
                    const uint32_t near =
                        kernels->lower_bound_near(&set.shape, set.records, count, guess, wanted);
                    EXPECT(near == below);
                }
                EXPECT(kernels->upper_bound(&set.shape, set.records, count, wanted) == not_above);
            }
            set_free(&set);
        }
    }
}

TEST(kernel, is_sorted_asks_for_strictly_ascending_keys)
{
    const struct record_shape shape = record_shape_id64();
    const struct kernels *kernels = kernels_for(&shape);
    const uint64_t ascending[] = {1, 0, 2, 0, 3, 0};
    const uint64_t equal[] = {1, 0, 2, 0, 2, 0};
    const uint64_t falling[] = {1, 0, 3, 0, 2, 0};
    EXPECT(kernels->is_sorted(&shape, ascending, 3));
    EXPECT(!kernels->is_sorted(&shape, equal, 3));
    EXPECT(!kernels->is_sorted(&shape, falling, 3));
    EXPECT(kernels->is_sorted(&shape, falling, 1) && kernels->is_sorted(&shape, falling, 0));
}

TEST(kernel, dedup_keeps_the_last_of_equal_keys)
{
    const struct record_shape shape = record_shape_id64();
    const struct kernels *kernels = kernels_for(&shape);
    uint64_t records[] = {1, 10, 1, 11, 1, 12, 2, 20, 3, 30, 3, 31};
    EXPECT(kernels->dedup(&shape, records, 6, false) == 3);
    EXPECT(records[0] == 1 && records[1] == 12 && records[2] == 2 && records[3] == 20);
    EXPECT(records[4] == 3 && records[5] == 31);
    EXPECT(kernels->dedup(&shape, records, 0, false) == 0);
}

TEST(kernel, dedup_cancels_pairs_and_keeps_who_has_no_partner)
{
    const struct record_shape shape = record_shape_index64();
    const struct kernels *kernels = kernels_for(&shape);
    const uint64_t dead = RECORD_TOMBSTONE;
    uint64_t odd[] = {1, 5 | dead, 1, 5, 1, 5 | dead, 2, 5};
    EXPECT(kernels->dedup(&shape, odd, 4, true) == 2);
    EXPECT(odd[0] == 1 && odd[1] == (5 | dead) && odd[2] == 2 && odd[3] == 5);

    uint64_t even[] = {1, 5, 1, 5 | dead, 1, 5, 1, 5 | dead};
    EXPECT(kernels->dedup(&shape, even, 4, true) == 0);

    /* When a pair is gone, what was before it is next to what was behind: other keys, both stay. */
    uint64_t around[] = {1, 4, 1, 5, 1, 5 | dead, 1, 6};
    EXPECT(kernels->dedup(&shape, around, 4, true) == 2);
    EXPECT(around[1] == 4 && around[3] == 6);
}

TEST(kernel, copy_live_leaves_tombstones_out)
{
    const struct record_shape shape = record_shape_id64();
    const uint64_t source[] = {1, 5, 2, RECORD_TOMBSTONE, 3, 7};
    uint64_t target[6] = {0};
    EXPECT(kernels_for(&shape)->copy_live(&shape, target, source, 3) == 2);
    EXPECT(target[0] == 1 && target[2] == 3 && target[3] == 7);
}

/* What a merge of a (newer) and b must give, one record at a time. */
static uint32_t merge_plainly(struct set *a, struct set *b, uint8_t *target, bool drop, bool cancel)
{
    uint32_t at_a = 0, at_b = 0, produced = 0;
    const struct record_shape *shape = &a->shape;
    while (at_a < a->count || at_b < b->count) {
        uint8_t *record_a = at_a < a->count ? at(a, a->records, at_a) : NULL;
        uint8_t *record_b = at_b < b->count ? at(b, b->records, at_b) : NULL;
        int order = record_a == NULL ? 1 : -1;
        if (record_a != NULL && record_b != NULL) {
            order = key_compare(record_key(shape, record_a), record_key(shape, record_b));
        }
        at_a += order <= 0;
        at_b += order >= 0;
        const uint8_t *record = order <= 0 ? record_a : record_b;
        const bool opposite = order == 0 && record_is_tombstone(shape, record_a) !=
                                                record_is_tombstone(shape, record_b);
        if (cancel && opposite) continue;
        if (drop && record_is_tombstone(shape, record)) continue;
        memcpy(at(a, target, produced), record, shape->record_size);
        produced += 1;
    }
    return produced;
}

/* In pieces of any size, as blocks and their rests come. */
static void merge_and_compare(
    struct set *a, struct set *b, struct random *random, bool drop, bool cancel
)
{
    const struct record_shape *shape = &a->shape;
    uint8_t *expected = malloc((size_t)(a->count + b->count + 1) * shape->record_size);
    uint8_t *target = malloc((size_t)(a->count + b->count + 1) * shape->record_size);
    const uint32_t wanted = merge_plainly(a, b, expected, drop, cancel);
    uint32_t at_a = 0, at_b = 0, produced = 0, gone = 0;
    while (at_a < a->count || at_b < b->count) {
        const uint32_t left_a = a->count - at_a;
        const uint32_t left_b = b->count - at_b;
        struct merge merge = {
            .a = at(a, a->records, at_a),
            .b = at(b, b->records, at_b),
            .target = at(a, target, produced),
            .a_count = left_a > 0 ? (uint32_t)random_range(random, 1, left_a) : 0,
            .b_count = left_b > 0 ? (uint32_t)random_range(random, 1, left_b) : 0,
            .target_count = (uint32_t)random_range(random, 1, 40),
            .drop_tombstones = drop,
            .cancel = cancel,
        };
        merge.target_count = min_u32(merge.target_count, a->count + b->count - produced);
        a->kernels->merge(shape, &merge);
        at_a += merge.consumed_a;
        at_b += merge.consumed_b;
        produced += merge.produced;
        gone += merge.dropped + merge.shadowed + 2 * merge.cancelled;
        EXPECT(cancel || merge.conflicts == 0);
    }
    EXPECT(produced == wanted);
    EXPECT(gone == a->count + b->count - wanted);
    EXPECT(bytes_equal(target, expected, (uint64_t)wanted * shape->record_size));
    free(expected);
    free(target);
}

TEST(kernel, merge_in_pieces_agrees_with_a_plain_one)
{
    struct random random;
    random_init(&random, 4);
    for (uint32_t round = 0; round < 400; round += 1) {
        const uint32_t kind = round % SHAPES;
        const uint32_t most = kind == 2 ? 20 : 200;
        const uint64_t spread = round % 2 == 0 ? 100 : 1000;
        struct set a = set_new(kind, &random, (uint32_t)random_below(&random, most), spread);
        struct set b = set_new(kind, &random, (uint32_t)random_below(&random, most), spread);
        sort_and_compare(&a);
        sort_and_compare(&b);
        a.count = a.kernels->dedup(&a.shape, a.records, a.count, false);
        b.count = b.kernels->dedup(&b.shape, b.records, b.count, false);
        const bool cancel = kind == 5 || kind == 6;
        merge_and_compare(&a, &b, &random, round % 3 == 0, cancel);
        set_free(&a);
        set_free(&b);
    }
}

TEST(kernel, merge_counts_equal_keys_of_one_kind_in_an_index_tree)
{
    const struct record_shape shape = record_shape_index64();
    const uint64_t a[] = {1, 5}, b[] = {1, 5};
    uint64_t target[4] = {0};
    struct merge merge = {
        .a = a,
        .b = b,
        .target = target,
        .a_count = 1,
        .b_count = 1,
        .target_count = 2,
        .cancel = true,
    };
    kernels_for(&shape)->merge(&shape, &merge);
    EXPECT(merge.conflicts == 1);
    EXPECT(merge.produced == 1 && merge.cancelled == 0);
}

TEST(kernel, merge_drops_tombstones_of_both_inputs)
{
    const struct record_shape shape = record_shape_id64();
    const uint64_t a[] = {1, RECORD_TOMBSTONE, 3, RECORD_TOMBSTONE};
    const uint64_t b[] = {2, RECORD_TOMBSTONE, 3, 33, 4, 44};
    uint64_t target[8] = {0};
    struct merge merge = {
        .a = a,
        .b = b,
        .target = target,
        .a_count = 2,
        .b_count = 3,
        .target_count = 4,
        .drop_tombstones = true,
    };
    kernels_for(&shape)->merge(&shape, &merge);
    EXPECT(merge.consumed_a == 2 && merge.consumed_b == 2); /* ends with A */
    EXPECT(merge.produced == 0 && merge.dropped == 3 && merge.shadowed == 1);
    merge.a_count = 0;
    kernels_for(&shape)->merge(&shape, &merge);
    EXPECT(merge.consumed_b == 3 && merge.produced == 2 && merge.dropped == 1);
    EXPECT(target[0] == 3 && target[2] == 4);
}

/* ---- Many runs ------------------------------------------------------------------------------ */

enum { STREAMS = 12 };

/* Runs one behind the other in `all`, oldest first: where each begins, and the end of the last. */
struct runs {
    struct set all;
    uint32_t begin[STREAMS + 1];
    uint32_t count;
};

/* In an index tree puts and removes of a key take turns, whatever the runs they are in. */
static void alternate(struct runs *runs, uint32_t run)
{
    struct set *all = &runs->all;
    for (uint32_t index = runs->begin[run]; index < runs->begin[run + 1]; index += 1) {
        uint8_t *word = at(all, all->records, index) + all->shape.flag_offset;
        const struct key key = key_at(all, all->records, index);
        uint64_t flag = (key.word[1] & 2) << 62; /* the oldest is a put or a remove */
        for (uint32_t older = 0; older < runs->begin[run]; older += 1) {
            if (key_equal(key_at(all, all->records, older), key)) flag ^= RECORD_TOMBSTONE;
        }
        store_u64(word, (load_u64(word) & ~RECORD_TOMBSTONE) | flag);
    }
}

static struct runs runs_new(uint32_t kind, struct random *random, bool cancel)
{
    const uint32_t most = kind == 2 ? 8 : 60;
    struct runs runs = {.count = (uint32_t)random_range(random, 1, STREAMS)};
    runs.all = set_new(kind, random, STREAMS * most, 100);
    for (uint32_t run = 0; run < runs.count; run += 1) {
        uint8_t *records = at(&runs.all, runs.all.records, runs.begin[run]);
        uint32_t count = (uint32_t)random_below(random, most + 1); /* empty ones, too */
        runs.all.kernels->sort(&runs.all.shape, records, runs.all.scratch, count);
        count = runs.all.kernels->dedup(&runs.all.shape, records, count, false);
        runs.begin[run + 1] = runs.begin[run] + count;
        if (cancel) alternate(&runs, run);
    }
    runs.all.count = runs.begin[runs.count];
    return runs;
}

/* What is left of `expected`, sorted by age, in place. */
static uint32_t dedup_plainly(struct set *set, bool cancel)
{
    uint32_t kept = 0;
    for (uint32_t begin = 0, end = 0; begin < set->count; begin = end) {
        const struct key key = key_at(set, set->expected, begin);
        for (end = begin; end < set->count; end += 1) {
            if (!key_equal(key_at(set, set->expected, end), key)) break;
        }
        if (cancel && (end - begin) % 2 == 0) continue;
        memmove(
            at(set, set->expected, kept), at(set, set->expected, end - 1), set->shape.record_size
        );
        kept += 1;
    }
    return kept;
}

static void streams_of(struct runs *runs, uint8_t *records, struct merge_stream *streams)
{
    for (uint32_t run = 0; run < runs->count; run += 1) {
        streams[run] = (struct merge_stream
        ){at(&runs->all, records, runs->begin[run]), at(&runs->all, records, runs->begin[run + 1])};
    }
}

/* In pieces of any size. */
static uint32_t merge_streams_in_pieces(
    struct runs *runs, struct random *random, uint8_t *target, bool cancel
)
{
    struct set *all = &runs->all;
    struct merge_stream streams[STREAMS];
    streams_of(runs, all->records, streams);
    uint32_t produced = 0;
    for (uint32_t consumed = 0; consumed < all->count;) {
        struct merge_streams merge = {
            .streams = streams,
            .stream_count = runs->count,
            .input_max = (uint32_t)random_range(random, 2, 50),
            .target = at(all, target, produced),
            .cancel = cancel,
        };
        all->kernels->merge_streams(&all->shape, &merge);
        consumed += merge.consumed;
        produced += merge.produced;
        const uint32_t room = merge.input_max - merge.consumed;
        EXPECT(merge.consumed > 0 && (room <= 1 || consumed == all->count));
    }
    return produced;
}

/* All at once, into the place of all but the newest run, which lie elsewhere meanwhile. */
static uint32_t merge_streams_in_place(struct runs *runs, bool cancel)
{
    struct set *all = &runs->all;
    struct merge_stream streams[STREAMS];
    const uint32_t last = runs->count - 1;
    memcpy(all->scratch, all->records, (size_t)runs->begin[last] * all->shape.record_size);
    streams_of(runs, all->scratch, streams);
    streams[last] = (struct merge_stream
    ){at(all, all->records, runs->begin[last]), at(all, all->records, runs->begin[last + 1])};
    struct merge_streams merge = {
        .streams = streams,
        .stream_count = runs->count,
        .input_max = max_u32(all->count, 2),
        .target = all->records,
        .cancel = cancel,
    };
    all->kernels->merge_streams(&all->shape, &merge);
    EXPECT(merge.consumed == all->count);
    return merge.produced;
}

TEST(kernel, merge_of_many_runs_agrees_with_a_plain_one)
{
    const struct test_seeds seeds = test_seeds(50 * SHAPES);
    for (uint64_t seed = seeds.first; seed < seeds.first + seeds.count; seed += 1) {
        struct random random;
        test_seed_begin(seed);
        random_init(&random, seed);
        const uint32_t kind = (uint32_t)(seed % SHAPES);
        const bool cancel = kind == 5 || kind == 6;
        struct runs runs = runs_new(kind, &random, cancel);
        struct set *all = &runs.all;
        const uint32_t size = all->shape.record_size;
        uint8_t *target = malloc((size_t)(all->count + 1) * size);
        sort_plainly(all);
        const uint32_t wanted = dedup_plainly(all, cancel);
        EXPECT(merge_streams_in_pieces(&runs, &random, target, cancel) == wanted);
        EXPECT(bytes_equal(target, all->expected, (uint64_t)wanted * size));
        EXPECT(merge_streams_in_place(&runs, cancel) == wanted);
        EXPECT(bytes_equal(all->records, all->expected, (uint64_t)wanted * size));
        free(target);
        set_free(all);
    }
}

TEST(kernel, merge_of_many_runs_keeps_the_highest_key_of_all)
{
    const struct record_shape shape = record_shape_id64(); /* what an ended run plays as */
    const uint64_t records[] = {UINT64_MAX, 1, 5, 2, UINT64_MAX, 3};
    uint64_t target[6] = {0};
    struct merge_stream streams[3] = {
        {(const uint8_t *)&records[0], (const uint8_t *)&records[2]},
        {(const uint8_t *)&records[0], (const uint8_t *)&records[0]},
        {(const uint8_t *)&records[2], (const uint8_t *)&records[6]}};
    struct merge_streams merge = {
        .streams = streams, .stream_count = 3, .input_max = 9, .target = target};
    kernels_for(&shape)->merge_streams(&shape, &merge);
    EXPECT(merge.produced == 2 && merge.replaced == 1 && merge.consumed == 3);
    EXPECT(target[0] == 5 && target[2] == UINT64_MAX && target[3] == 3);
}

TEST(kernel, merge_of_many_runs_never_cuts_a_pair)
{
    const struct record_shape shape = record_shape_index64();
    const uint64_t put[] = {1, 5, 2, 5, 3, 5};
    const uint64_t remove[] = {1, 5 | RECORD_TOMBSTONE, 3, 5 | RECORD_TOMBSTONE};
    uint64_t target[4] = {0};
    struct merge_stream streams[2] = {
        {(const uint8_t *)&put[0], (const uint8_t *)&put[6]},
        {(const uint8_t *)&remove[0], (const uint8_t *)&remove[4]}};
    struct merge_streams merge = {
        .streams = streams, .stream_count = 2, .input_max = 2, .target = target, .cancel = true};
    const struct kernels *kernels = kernels_for(&shape);
    kernels->merge_streams(&shape, &merge); /* a step without a record */
    EXPECT(merge.consumed == 2 && merge.produced == 0 && merge.cancelled == 1);
    kernels->merge_streams(&shape, &merge); /* 2, and not the half of what comes next */
    EXPECT(merge.consumed == 1 && merge.produced == 1 && target[0] == 2);
    kernels->merge_streams(&shape, &merge);
    EXPECT(merge.consumed == 2 && merge.produced == 0 && merge.cancelled == 1);
    kernels->merge_streams(&shape, &merge);
    EXPECT(merge.consumed == 0);
}

TEST_MAIN()
