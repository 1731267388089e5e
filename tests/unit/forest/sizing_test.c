#include "forest/sizing.h"

#include "forest/schema_parser.h"
#include "support/test.h"

#include <stdio.h>
#include <string.h>

enum { KIB = 1024, MIB = 1024 * KIB };

static struct schema schema;
static struct sizing sizing;
static struct text_error error;

static enum tactus_status resolve(const char *text, const struct tactus_create_options *options)
{
    EXPECT(schema_parse(text, strlen(text), &schema, &error) == TACTUS_OK);
    memset(&sizing, 0xa5, sizeof sizing); /* nothing is assumed about what it held */
    const enum tactus_status status = sizing_resolve(&schema, options, &sizing, &error);
    return status;
}

static const char *const sale =
    "collection sale { id u64\n timestamp timestamp\n invoice text(8) index\n stock text(12) "
    "index\n"
    "customer u32 optional index\n at time index\n price decimal(3)\n quantity i32\n"
    "country text(20) index\n description text(40)\n index customer_at (customer, at) }";

static const char *const ledger =
    "collection ledger { id u128\n debit u128 index\n credit u128 index\n amount u128 index\n"
    "pending u128\n user128 u128\n user64 u64 index\n user32 u32\n ledger u32\n code u16 index\n"
    "flags u16\n timestamp timestamp }";

static const char *const kv = "collection kv { id u64\n timestamp timestamp\n key text(16)\n"
                              "value text(40) index }";

static void expect_tree(uint32_t tree, uint32_t record, uint32_t values, uint32_t filter)
{
    const struct tree_sizing *of = &sizing.trees[tree - 1];
    EXPECT(of->shape.record_size == record);
    EXPECT(of->geometry.value_blocks_max == values);
    EXPECT(of->geometry.filters_max == filter);
    EXPECT(of->table_blocks == of->geometry.blocks_max);
}

/* R1, R13: one record an event, with a flag word behind the key; and a filter. */
TEST(sizing, a_map_is_one_tree_of_its_objects_and_a_word)
{
    static const char map[] = "map session { key u128\n user u64\n state bytes(48) }";
    const struct tactus_create_options options = {
        .struct_bytes = sizeof options, .batch_max = 2048, .bar_beats = 8};
    EXPECT(resolve(map, &options) == TACTUS_OK);
    EXPECT(schema.collections[0].object_bytes == 72);
    EXPECT(sizing.tree_count == 1);
    EXPECT(sizing.trees[0].records_per_event == 1);
    EXPECT(sizing.event_memory_bytes == 80 && sizing.object_bytes_logical == 80);
    EXPECT(sizing.memory_tables_bytes == 2ULL * 9 * 2048 * 80);
    EXPECT(sizing.trees[0].record_max == 2048 && sizing.trees[0].value_count_max == 8 * 2048);
    /* 408 records a block of 32,640 bytes; 10 bits a key: 640 buckets of 1,020 a block. */
    expect_tree(1, 80, 41, 1);
    EXPECT(sizing.entry_bytes_max == 256 + 2048 * (8 + 72) + 4096 - (256 + 2048 * 80) % 4096);
}

/* An object as large as may be needs a block for two of its records. */
TEST(sizing, the_largest_object_of_a_map_fits_blocks_of_16_kib)
{
    static const char map[] = "map m { key u64\n v bytes(4080) }";
    const struct tactus_create_options options = {
        .struct_bytes = sizeof options, .batch_max = 4, .bar_beats = 4, .block_size = 8192};
    EXPECT(resolve(map, &options) == TACTUS_LIMIT);
    const struct tactus_create_options larger = {
        .struct_bytes = sizeof larger, .batch_max = 4, .bar_beats = 4, .block_size = 16384};
    EXPECT(resolve(map, &larger) == TACTUS_OK);
    EXPECT(sizing.trees[0].shape.record_size == 4096);
}

/* The figures of plan_check.py, which was written from the rules alone. */
TEST(sizing, sale_by_default)
{
    EXPECT(resolve(sale, NULL) == TACTUS_OK);
    EXPECT(schema.collections[0].object_bytes == 120);
    EXPECT(sizing.tree_count == 8);
    EXPECT(sizing.event_memory_bytes == 376);
    EXPECT(sizing.batch_max == 2048);
    EXPECT(sizing.bar_beats == 8);
    expect_tree(1, 120, 61, 0);
    expect_tree(2, 16, 9, 1);
    expect_tree(3, 16, 17, 0);
    expect_tree(4, 24, 25, 0);
    expect_tree(8, 24, 25, 0);
    EXPECT(sizing.memory_tables_bytes == 2ULL * 9 * 2048 * 376);
    EXPECT(sizing.sort_scratch_bytes == 2 * 2048 * 120);
    EXPECT(sizing.tables_max == 10485);
    EXPECT(sizing.entry_bytes_max == 266240);
    EXPECT(sizing.journal_bytes == 25 * MIB);
    EXPECT(sizing.size_max == 1ULL << 40);
    EXPECT(sizing.log.table_blocks == 42 && sizing.log.append_blocks == 5);
    EXPECT(sizing.log.log_blocks_max == 2 * 42 + 21 + 4 * 5 - 1);
    EXPECT(sizing.log_blocks_bar == 8 + 2 * 10);
    EXPECT(sizing.bar_blocks_empty == 243);
    EXPECT(sizing_bar_blocks(&sizing, 1000000) == 4079);
    EXPECT(sizing_bar_blocks(&sizing, 10000000) == 6671);
    EXPECT(sizing.growth_factor == 8);
    EXPECT(sizing.keep == 1);
    EXPECT(sizing.snapshots_max == 4);
    for (uint32_t i = 0; i < SUPERBLOCK_LEVELS; i += 1)
        EXPECT(sizing.runs_max[i] == 1);
}

TEST(sizing, ledger_with_256_mib)
{
    const struct tactus_create_options options = {.memory_bytes = 256ULL * MIB};
    EXPECT(resolve(ledger, &options) == TACTUS_OK);
    EXPECT(schema.collections[0].object_bytes == 128);
    EXPECT(sizing.batch_max == 8192);
    EXPECT(sizing.bar_beats == 32);
    expect_tree(1, 128, 1029, 0);
    expect_tree(2, 24, 193, 11);
    expect_tree(3, 24, 386, 0);
    expect_tree(6, 16, 258, 0);
    EXPECT(sizing.tables_max == 160767);
    EXPECT(sizing.entry_bytes_max == 1118208);
    EXPECT(sizing.journal_bytes == 410ULL * MIB);
    EXPECT(sizing.bar_blocks_empty == 2947);
    EXPECT(sizing_bar_blocks(&sizing, 1000000) == 14191);
    EXPECT(sizing_bar_blocks(&sizing, 10000000) == 55545);
}

TEST(sizing, a_small_file)
{
    const struct tactus_create_options options = {
        .block_size = 4 * KIB,
        .batch_max = 128,
        .bar_beats = 4,
        .journal_bytes = MIB,
        .size_max = 64ULL * MIB,
    };
    EXPECT(resolve(kv, &options) == TACTUS_OK);
    expect_tree(1, 72, 10, 0);
    expect_tree(2, 16, 3, 1);
    expect_tree(3, 24, 7, 0);
    EXPECT(sizing.tables_max == 3640);
    EXPECT(sizing.entry_bytes_max == 12288);
    EXPECT(sizing.journal_bytes == MIB);
    EXPECT(sizing.bar_blocks_empty == 99);
    EXPECT(sizing_bar_blocks(&sizing, 1000000) == 1075);
    EXPECT(sizing.block_count_max == 16384);

    bool tables_bind = false;
    const uint64_t objects = sizing_objects_max(&sizing, &tables_bind);
    const bool by_size = objects >= 370000 && objects < 371000 && !tables_bind;
    EXPECT(by_size || tables_bind);
    EXPECT(objects <= 371000);
}

TEST(sizing, tables_max_may_bind_before_size_max_does)
{
    struct tactus_create_options options = {.tables_max = 1024};
    bool tables_bind = false;
    EXPECT(resolve(kv, &options) == TACTUS_OK);
    const uint64_t few = sizing_objects_max(&sizing, &tables_bind);
    EXPECT(tables_bind);
    options.tables_max = 1 << 26;
    options.size_max = 4ULL << 30;
    EXPECT(resolve(kv, &options) == TACTUS_OK);
    const uint64_t many = sizing_objects_max(&sizing, &tables_bind);
    EXPECT(!tables_bind);
    EXPECT(few < many);
}

TEST(sizing, write_amplification_grows_with_the_levels)
{
    EXPECT(resolve(sale, NULL) == TACTUS_OK);
    const double empty = sizing_write_amplification(&sizing, 0);
    const double one = sizing_write_amplification(&sizing, 1000000);
    const double ten = sizing_write_amplification(&sizing, 10000000);
    EXPECT(empty > 1.5 && empty < 2.5); /* the journal and one flush */
    EXPECT(one > empty && ten > one);
    EXPECT(ten < 9.0 * 8);
}

/* S7 by hand: one tree with tables in levels 0 and 1. */
TEST(sizing, a_bar_may_take_what_its_levels_ask_for)
{
    EXPECT(resolve(kv, NULL) == TACTUS_OK);
    struct tree_levels levels = {.table_count = {0}};
    EXPECT(sizing_tree_bar_tables(&sizing, &levels) == 1);
    levels.table_count[0] = 3; /* 1 + 3, level 0: 1 + min(8, 1), level 1 may get tables: 2 */
    EXPECT(sizing_tree_bar_tables(&sizing, &levels) == 4 + 2 + 2);
    levels.table_count[1] = 20;
    levels.overlap_max[0] = 20; /* 1 + 3, 1 + min(8, 21), level 1: 2, level 2: 2 */
    EXPECT(sizing_tree_bar_tables(&sizing, &levels) == 4 + 9 + 2 + 2);
    EXPECT(sizing_log_events(17) == 51);
    EXPECT(sizing_trailer_blocks(&sizing, 0) == 2);
    EXPECT(sizing_trailer_blocks(&sizing, 1) == 4);
}

TEST(sizing, what_is_given_stays)
{
    struct tactus_create_options options = {.batch_max = 100};
    EXPECT(resolve(kv, &options) == TACTUS_OK);
    EXPECT(sizing.batch_max == 100);
    EXPECT(sizing.bar_beats == 32); /* the most that fits */
    options.batch_max = 2048;
    EXPECT(resolve(sale, &options) == TACTUS_OK);
    EXPECT(sizing.bar_beats == 8);
    options = (struct tactus_create_options){.bar_beats = 4};
    EXPECT(resolve(sale, &options) == TACTUS_OK);
    EXPECT(sizing.bar_beats == 4);
    EXPECT(sizing.batch_max == 4096);
    options = (struct tactus_create_options){.batch_max = 8192, .bar_beats = 32};
    EXPECT(
        resolve(kv, &options) == TACTUS_OK
    ); /* more than the default memory, but it was asked for */
    options.memory_bytes = 16 * MIB;
    EXPECT(resolve(kv, &options) == TACTUS_LIMIT); /* both were, and contradict each other */
    options = (struct tactus_create_options){.journal_bytes = 30 * MIB + 1};
    EXPECT(resolve(kv, &options) == TACTUS_OK);
    EXPECT(sizing.journal_bytes == 30 * MIB + 4 * KIB);
}

static void expect_refused(
    const char *text,
    struct tactus_create_options options,
    enum tactus_status status,
    const char *words
)
{
    EXPECT(resolve(text, &options) == status);
    EXPECT(strstr(error.text, words) != NULL);
}

TEST(sizing, refuses_options_out_of_their_range)
{
    typedef struct tactus_create_options options;
    expect_refused(kv, (options){.batch_max = 65537}, TACTUS_MISUSE, "1 to 65,536");
    expect_refused(kv, (options){.bar_beats = 2}, TACTUS_MISUSE, "even number");
    expect_refused(kv, (options){.bar_beats = 9}, TACTUS_MISUSE, "even number");
    expect_refused(kv, (options){.bar_beats = 66}, TACTUS_MISUSE, "even number");
    expect_refused(kv, (options){.growth_factor = 1}, TACTUS_MISUSE, "2 to 16");
    expect_refused(kv, (options){.growth_factor = 17}, TACTUS_MISUSE, "2 to 16");
    expect_refused(kv, (options){.block_size = 2048}, TACTUS_MISUSE, "power of two");
    expect_refused(kv, (options){.block_size = 5000}, TACTUS_MISUSE, "power of two");
    expect_refused(kv, (options){.block_size = 2 * MIB}, TACTUS_MISUSE, "power of two");
    expect_refused(kv, (options){.keep = 9}, TACTUS_MISUSE, "keep is 9: it must be 1 to 8");
    expect_refused(kv, (options){.runs_max = {1, 2}}, TACTUS_MISUSE, "level above has one run");
    expect_refused(kv, (options){.runs_max = {2, 1, 2}}, TACTUS_MISUSE, "level above has one run");
    expect_refused(kv, (options){.runs_max = {65}}, TACTUS_MISUSE, "1 to 64");
    expect_refused(kv, (options){.runs_max = {64, 17}}, TACTUS_MISUSE, "more than 1,024");
    expect_refused(
        kv, (options){.runs_max = {2, 2, 2, 2, 2, 2}}, TACTUS_MISUSE, "last two levels have one"
    );
    expect_refused(kv, (options){.snapshots_max = 65}, TACTUS_MISUSE, "1 to 64");
    expect_refused(kv, (options){.tables_max = UINT32_MAX}, TACTUS_MISUSE, "at most");
    expect_refused(kv, (options){.size_max = UINT64_MAX}, TACTUS_MISUSE, "at most 2^56");
    expect_refused(kv, (options){.journal_bytes = UINT64_MAX}, TACTUS_MISUSE, "at most 1T");
}

TEST(sizing, refuses_what_does_not_fit_and_says_what_does)
{
    typedef struct tactus_create_options options;
    const char *const wide = "collection c { id u64\n v bytes(4000) }";
    expect_refused(wide, (options){.block_size = 4 * KIB}, TACTUS_LIMIT, "give --block-size 8192");
    EXPECT(resolve(wide, &(options){.block_size = 8 * KIB}) == TACTUS_OK);
    expect_refused(sale, (options){.memory_bytes = 100 * KIB}, TACTUS_LIMIT, "need 433152");
    EXPECT(resolve(sale, &(options){.memory_bytes = 433152}) == TACTUS_OK);
    EXPECT(sizing.batch_max == 64);
    expect_refused(sale, (options){.journal_bytes = MIB}, TACTUS_LIMIT, "need 12779520 at least");
    EXPECT(resolve(sale, &(options){.journal_bytes = 12779520}) == TACTUS_OK);
    expect_refused(sale, (options){.size_max = MIB}, TACTUS_LIMIT, "need 91619328 at least (12 W)");
    EXPECT(resolve(sale, &(options){.size_max = 91619328}) == TACTUS_OK);
    expect_refused(sale, (options){.keep = 3, .size_max = MIB}, TACTUS_LIMIT, "at least (20 W)");
    expect_refused(sale, (options){.batch_max = 65536}, TACTUS_LIMIT, "over 512M");
    expect_refused(sale, (options){.tables_max = 70}, TACTUS_LIMIT, "give 144 at least");
    struct tactus_create_options large = {
        .block_size = 4 * KIB, .batch_max = 8192, .bar_beats = 64, .journal_bytes = 1ULL << 30};
    expect_refused(ledger, large, TACTUS_LIMIT, "give --block-size 8192");
    large.block_size = 8 * KIB;
    EXPECT(resolve(ledger, &large) == TACTUS_OK);
}

/* 64 collections of the widest objects, with all indexes: nothing overflows. */
TEST(sizing, the_largest_schema_resolves)
{
    static char text[SCHEMA_TEXT_MAX];
    size_t size = 0;
    for (uint32_t i = 0; i < COLLECTIONS_MAX; i += 1) {
        size += (size_t)snprintf(
            text + size, sizeof text - size, "collection c%u {\n id u128\n w bytes(3816)\n", i
        );
        for (uint32_t k = 0; k < INDEXES_MAX; k += 1) {
            size += (size_t)snprintf(text + size, sizeof text - size, "f%u bytes(16) index\n", k);
        }
        size += (size_t)snprintf(text + size, sizeof text - size, "}\n");
    }
    EXPECT(resolve(text, NULL) == TACTUS_LIMIT);
    EXPECT(schema.tree_count == TREES_MAX);
    const struct tactus_create_options options = {
        .batch_max = 65536,
        .bar_beats = 64,
        .block_size = MIB,
        .size_max = UINT64_C(1) << 56,
        .journal_bytes = UINT64_C(1) << 40,
    };
    const enum tactus_status status = resolve(text, &options);
    EXPECT(status == TACTUS_LIMIT); /* its journal would have to be larger than any may be */
    const struct tactus_create_options smaller = {
        .memory_bytes = UINT64_C(4) << 30, .journal_bytes = UINT64_C(1) << 40};
    EXPECT(resolve(text, &smaller) == TACTUS_OK);
    bool tables_bind = false;
    EXPECT(sizing_objects_max(&sizing, &tables_bind) > 1000);
}

TEST_MAIN()
