/* The manifest log, and the levels that it tells of. */
#include "database/verify_parts.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "lsm/manifest.h"
#include "lsm/slice.h"

#include "base/poison.h"

enum { TABLES_FIRST = 64 };

static bool tables_grow(struct verify *verify)
{
    if (verify->table_count < verify->table_capacity) return true;
    const uint64_t capacity =
        verify->table_capacity == 0 ? TABLES_FIRST : 2 * verify->table_capacity;
    struct table_info *tables = reallocarray(verify->tables, capacity, sizeof *verify->tables);
    if (tables == NULL) {
        verify->status = fault_set(
            verify->fault, (struct fault){.status = TACTUS_IO, .what = "verify: no memory"}
        );
        return false;
    }
    verify->tables = tables;
    verify->table_capacity = capacity;
    return true;
}

/* Why a live table cannot be, or NULL. Its event has no fault of its own. */
static const char *table_fault(const struct verify *verify, const struct table_info *info)
{
    const struct superblock *superblock = &verify->bootstrap.superblock;
    if (info->tree > verify->bootstrap.schema->tree_count) {
        return "the manifest log names a tree that the schema does not have";
    }
    const struct table_format *format = &verify->formats[info->tree];
    if (!key_fits(info->key_max, (enum key_bits)format->shape.key_bits)) {
        return "a table's keys are wider than its tree's";
    }
    if (info->value_count > format->geometry.records_max) {
        return "a table has more records than its blocks can hold";
    }
    if (info->snapshot_max != UINT64_MAX) return "a table that was replaced was never removed";
    if (info->snapshot_min > superblock->checkpoint.beat_capture + 1) {
        return "a table is newer than the checkpoint that names it";
    }
    if (info->run > run_number(superblock->checkpoint.beat_capture + 1, true)) {
        return "a table's run is newer than the checkpoint that names it";
    }
    if (verify->table_count >= superblock->options.tables_max) {
        return "the manifest log has more tables than the file may hold";
    }
    return NULL;
}

/* ---- Which roots were met -------------------------------------------------------------------- */

/* By address, and open addressing: dead tables may lie where the file does not reach any more. */
struct roots {
    uint64_t *places; /* 0: empty; else 2 * address + (the event met last was a removal) */
    uint64_t capacity;
    uint64_t count;
};

static uint64_t *roots_find(const struct roots *roots, uint64_t address)
{
    const uint64_t mask = roots->capacity - 1;
    uint64_t place = (address * UINT64_C(0x9e3779b97f4a7c15) >> 20) & mask;
    while (roots->places[place] != 0 && roots->places[place] / 2 != address) {
        place = (place + 1) & mask; /* ends: at most half of the places are taken */
    }
    return &roots->places[place];
}

static bool roots_grow(struct verify *verify, struct roots *roots)
{
    if (roots->places != NULL && 2 * roots->count < roots->capacity) return true;
    struct roots larger = {.count = roots->count};
    larger.capacity = roots->capacity == 0 ? 2 * TABLES_FIRST : 2 * roots->capacity;
    larger.places = calloc(larger.capacity, sizeof *larger.places);
    if (larger.places == NULL) {
        verify->status = fault_set(
            verify->fault, (struct fault){.status = TACTUS_IO, .what = "verify: no memory"}
        );
        return false;
    }
    for (uint64_t place = 0; place < roots->capacity; place += 1) {
        const uint64_t value = roots->places[place];
        if (value != 0) *roots_find(&larger, value / 2) = value;
    }
    free(roots->places);
    *roots = larger;
    return true;
}

/* One event; newer ones have been met. NULL, or what is wrong with it. */
static const char *event_look(
    struct verify *verify, struct roots *roots, const struct manifest_entry *entry
)
{
    if (!roots_grow(verify, roots)) return NULL;
    const struct table_info info = manifest_entry_decode(entry);
    uint64_t *place = roots_find(roots, info.address);
    const bool is_new = *place == 0;
    const bool is_removed = (*place & 1) != 0;
    if (is_new) roots->count += 1;
    if (entry->event == MANIFEST_REMOVE) {
        *place = 2 * info.address + 1;
        return is_removed ? "the manifest log removes a table twice" : NULL;
    }
    if (is_new || entry->event == MANIFEST_INSERT) *place = 2 * info.address;
    if (!is_new) return NULL;
    const char *what = table_fault(verify, &info);
    if (what != NULL || !tables_grow(verify)) return what;
    verify->tables[verify->table_count] = info;
    verify->table_count += 1;
    return NULL;
}

/* ---- The log --------------------------------------------------------------------------------- */

static bool log_block_look(
    struct verify *verify, struct roots *roots, const struct verify_want *want
)
{
    const uint8_t *block = verify->blocks[0];
    const struct layout *layout = &verify->bootstrap.layout;
    const char *what = manifest_block_fault(block, layout->block_size, layout->block_count_max);
    if (what != NULL) {
        verify_block_fault(verify, want, what);
        verify->is_incomplete = true;
        return false;
    }
    for (uint32_t left = manifest_block_entry_count(block); left > 0; left -= 1) {
        what = event_look(verify, roots, manifest_block_entry(block, left - 1));
        if (what == NULL) continue;
        verify_block_fault(verify, want, what);
        verify->is_incomplete = true;
    }
    return verify->status == TACTUS_OK;
}

/* From the newest block to the oldest, which refers to one that was let go. A block that was
 * reached before ends it, so it ends. */
static void log_walk(struct verify *verify, struct roots *roots)
{
    const struct checkpoint_state *checkpoint = &verify->bootstrap.superblock.checkpoint;
    struct verify_want want = {.reference = checkpoint->manifest_newest, .type = BLOCK_MANIFEST};
    if (checkpoint->manifest_block_count > verify->bootstrap.sizing->log.log_blocks_max) {
        verify_block_fault(verify, &want, "the manifest log is longer than it can get");
    }
    for (uint64_t step = 1; step <= checkpoint->manifest_block_count; step += 1) {
        if (!verify_block_read(verify, &want, 0)) return;
        if (!log_block_look(verify, roots, &want)) return;
        const bool is_oldest = block_reference_equal(want.reference, checkpoint->manifest_oldest);
        if (is_oldest != (step == checkpoint->manifest_block_count)) {
            verify_block_fault(verify, &want, "the manifest log is not as long as it should be");
            verify->is_incomplete = true;
            return;
        }
        want.reference = manifest_block_previous(verify->blocks[0]);
    }
}

/* ---- Levels ---------------------------------------------------------------------------------- */

static int table_compare(const void *left, const void *right)
{
    const struct table_info *a = left;
    const struct table_info *b = right;
    if (a->tree != b->tree) return a->tree < b->tree ? -1 : 1;
    if (a->level != b->level) return a->level < b->level ? -1 : 1;
    if (a->run != b->run) return a->run > b->run ? -1 : 1;
    return key_compare(a->key_min, b->key_min);
}

static uint64_t level_limit(const struct verify *verify, uint32_t level)
{
    const uint32_t growth_factor = verify->bootstrap.superblock.options.growth_factor;
    return level_tables_max(verify->bootstrap.sizing->runs_max, growth_factor, (uint8_t)level);
}

static bool is_same_level(const struct table_info *a, const struct table_info *b)
{
    return a != NULL && a->tree == b->tree && a->level == b->level;
}

static void levels_look(struct verify *verify)
{
    const struct sizing *sizing = verify->bootstrap.sizing;
    uint64_t in_level = 0;
    uint64_t runs = 0;
    for (uint64_t index = 0; index < verify->table_count; index += 1) {
        const struct table_info *table = &verify->tables[index];
        const struct table_info *before = index == 0 ? NULL : &verify->tables[index - 1];
        const struct verify_want want = {
            .reference = table_info_root(table), .type = BLOCK_ROOT, .table = table};
        const bool is_first = !is_same_level(before, table);
        const bool is_same_run = !is_first && before->run == table->run;
        in_level = is_first ? 1 : in_level + 1;
        runs = is_first ? 1 : runs + (is_same_run ? 0 : 1);
        if (is_same_run && !key_less(before->key_max, table->key_min)) {
            verify_block_fault(verify, &want, "the table overlaps the one before it in its run");
        }
        if ((table->run == 0) != (sizing->runs_max[table->level] == 1) ||
            runs > manifest_level_runs_bound(sizing->runs_max[table->level])) {
            verify_block_fault(verify, &want, "the table is in a run that its level cannot have");
        }
        if (table->is_trimmed && !sizing_has_runs(sizing)) {
            verify_block_fault(
                verify, &want, "the table is trimmed, but no level has several runs"
            );
        }
        if (in_level == level_limit(verify, table->level) + 1) {
            verify_block_fault(verify, &want, "the level has more tables than its limit");
        }
    }
}

/* Tables of one tree, as an open takes them over. Both walks over the budget are this one. */
static void tree_init_levels(
    const struct verify *verify,
    struct budget *budget,
    struct node_pool *pool,
    struct manifest *manifest,
    const struct table_info *tables,
    uint64_t count
)
{
    node_pool_init(pool, budget, (uint32_t)count);
    const struct manifest_options options = {
        .pool = pool,
        .runs_max = verify->bootstrap.sizing->runs_max,
        .growth_factor = verify->bootstrap.superblock.options.growth_factor,
        .tree = tables[0].tree,
    };
    manifest_init(manifest, budget, &options);
}

/* What an open would say of the levels of the tree that `count` tables are of. */
static void tree_look(struct verify *verify, const struct table_info *tables, uint64_t count)
{
    const struct sizing *sizing = verify->bootstrap.sizing;
    struct budget budget;
    struct node_pool pool;
    struct manifest manifest;
    budget_measure_begin(&budget);
    tree_init_levels(verify, &budget, &pool, &manifest, tables, count);
    const uint64_t size = round_up_u64(budget_used(&budget), BUDGET_ALIGNMENT);
    void *region = aligned_alloc(BUDGET_ALIGNMENT, size);
    if (region == NULL) {
        verify->status = fault_set(
            verify->fault, (struct fault){.status = TACTUS_IO, .what = "verify: no memory"}
        );
        return;
    }
    bytes_zero(region, size);
    budget_carve_begin(&budget, region, size);
    tree_init_levels(verify, &budget, &pool, &manifest, tables, count);
    const char *what = NULL;
    for (uint64_t index = 0; index < count && what == NULL; index += 1) {
        what = manifest_open_table(&manifest, &tables[index]);
    }
    if (what == NULL)
        what =
            manifest_open_fault(&manifest, sizing->trees[tables[0].tree - 1].geometry.records_max);
    if (what != NULL) {
        const struct verify_want want = {
            .reference = verify->bootstrap.superblock.checkpoint.manifest_newest,
            .type = BLOCK_MANIFEST,
            .table = &tables[0],
        };
        verify_block_fault(verify, &want, what);
    }
    free(region);
}

/* Where no table is at fault by itself, the whole may be. */
static void trees_look(struct verify *verify)
{
    uint64_t first = 0;
    while (first < verify->table_count && verify->status == TACTUS_OK) {
        uint64_t end = first + 1; /* ends: counts up */
        while (end < verify->table_count && verify->tables[end].tree == verify->tables[first].tree)
            end += 1;
        tree_look(verify, &verify->tables[first], end - first);
        first = end;
    }
}

void verify_manifest(struct verify *verify)
{
    struct roots roots = {0};
    log_walk(verify, &roots);
    free(roots.places);
    if (verify->table_count == 0) return;
    qsort(verify->tables, verify->table_count, sizeof *verify->tables, table_compare);
    const uint64_t faults_before = verify->report->fault_count;
    levels_look(verify);
    if (verify->report->fault_count == faults_before) trees_look(verify);
}
