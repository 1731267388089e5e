/* Tables: their blocks against the manifest and each other, and every record in them. */
#include "database/verify_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "forest/codec.h"

#include "base/poison.h"

void verify_tree_name(const struct schema *schema, uint32_t tree, char *name, uint32_t size)
{
    const struct tree_place place = schema_tree(schema, tree);
    switch (place.kind) {
    case TREE_KIND_OBJECT:
    case TREE_KIND_MAP: (void)snprintf(name, size, "%s", place.collection->name); break;
    case TREE_KIND_ID: (void)snprintf(name, size, "%s id", place.collection->name); break;
    case TREE_KIND_INDEX:
        (void)snprintf(name, size, "%s index %s", place.collection->name, place.index->name);
        break;
    }
}

/* ---- Records --------------------------------------------------------------------------------- */

/* What the records of one table are measured by. */
struct record_rules {
    const struct table_format *format;
    struct tree_place place;
    uint64_t timestamp_max; /* of the collection, as of the capture */
    uint64_t record_count;  /* of the table, by its root */
    const uint8_t *filters; /* its filter blocks; NULL: it has none */

    uint64_t hidden_count; /* keys that the filter does not know */
    uint32_t hidden_by;    /* the filter block of one of them */
};

static const char *tombstone_fault(const struct record_shape *shape, const uint8_t *record)
{
    _Alignas(8) uint8_t tombstone[RECORD_SIZE_MAX];
    bytes_copy(tombstone, record, shape->record_size);
    record_make_tombstone(shape, tombstone);
    if (bytes_equal(tombstone, record, shape->record_size)) return NULL;
    return "a tombstone holds more than its key";
}

static const char *object_record_fault(const struct record_rules *rules, const uint8_t *record)
{
    _Alignas(8) uint8_t object[OBJECT_SIZE_MAX];
    codec_object_of_record(rules->place.collection, record, object);
    return object_fault(rules->place.collection, object);
}

static const char *record_fault(const struct record_rules *rules, const uint8_t *record)
{
    const struct record_shape *shape = &rules->format->shape;
    const bool is_tombstone = record_is_tombstone(shape, record);
    const uint64_t timestamp = record_timestamp(shape, record);
    if (is_tombstone) {
        const char *what = tombstone_fault(shape, record);
        if (what != NULL || !shape->key_has_timestamp) return what;
    }
    if (rules->place.kind == TREE_KIND_MAP) {
        if (timestamp != 0) return "the flag word of a map's record is not zero";
        return object_record_fault(rules, record);
    }
    if (timestamp == 0) return "a record has no timestamp";
    if (timestamp > rules->timestamp_max) {
        return "a record's timestamp is above the highest of its collection";
    }
    if (is_tombstone || rules->place.kind != TREE_KIND_OBJECT) return NULL;
    return object_record_fault(rules, record);
}

/* A filter that does not know a key hides its record, or brings back what its tombstone hides. */
static void filter_look(struct record_rules *rules, const uint8_t *record)
{
    const struct table_format *format = rules->format;
    const struct table_geometry *geometry = &format->geometry;
    const uint64_t hash = table_key_hash(format, record_key(&format->shape, record));
    const uint32_t index = table_filter_find(geometry, rules->record_count, hash);
    const struct table_filter_range range =
        table_filter_range_at(geometry, rules->record_count, index);
    const uint8_t *block = rules->filters + (uint64_t)index * geometry->block_size;
    if (table_filter_contains(block, range, hash)) return;
    rules->hidden_count += 1;
    rules->hidden_by = index;
}

/* `first`: how many records of the table lie in blocks before this one. Those below its bounds are
 * nobody's any more; the manifest must count as many of them as the bounds leave out. */
static void records_look(
    struct verify *verify,
    const struct verify_want *want,
    struct record_rules *rules,
    uint64_t first
)
{
    const uint8_t *block = verify->blocks[2];
    const uint32_t count = table_value_count(block);
    const uint8_t *record = table_value_records(block);
    const uint32_t stale = rules->format->kernels->lower_bound(
        &rules->format->shape, record, count, want->table->key_min
    );
    if (stale != min_u64(verify->stale_count - min_u64(verify->stale_count, first), count)) {
        verify_block_fault(
            verify, want, "the table's bounds hold not as many records as they should"
        );
    }
    record += (uint64_t)stale * rules->format->shape.record_size;
    verify->record_count += count - stale;
    for (uint32_t index = stale; index < count; index += 1) {
        const char *what = record_fault(rules, record);
        if (what != NULL) verify_block_fault(verify, want, what);
        if (record_is_tombstone(&rules->format->shape, record)) verify->has_tombstones = true;
        if (rules->filters != NULL) filter_look(rules, record);
        record += rules->format->shape.record_size;
    }
}

/* ---- Blocks ---------------------------------------------------------------------------------- */

/* A block that is what its parent says may still not be one that our builder makes. */
static bool table_block_read(struct verify *verify, const struct verify_want *want, uint32_t slot)
{
    if (!verify_block_read(verify, want, slot)) return false;
    if (block_header_read(verify->blocks[slot])->snapshot == verify->built) return true;
    verify_block_fault(verify, want, "the block was written in another beat than its table");
    return true;
}

/* A trimmed table is seen since its last trim, its blocks are what they were before. */
static bool root_read(struct verify *verify, const struct verify_want *want)
{
    if (!verify_block_read(verify, want, 0)) return false;
    verify->built = block_header_read(verify->blocks[0])->snapshot;
    const bool is_right = want->table->is_trimmed ? verify->built < want->table->snapshot_min
                                                  : verify->built == want->table->snapshot_min;
    if (is_right) return true;
    verify_block_fault(verify, want, "the block was written in another beat than its table");
    verify->built = want->table->snapshot_min;
    return true;
}

static void value_look(
    struct verify *verify,
    const struct table_info *table,
    struct record_rules *rules,
    const struct table_leaf_entry *entry,
    const struct table_range *range,
    uint64_t first
)
{
    const struct verify_want want = {
        .reference = {.address = entry->address, .checksum = entry->checksum},
        .type = BLOCK_VALUE,
        .table = table,
    };
    if (!table_block_read(verify, &want, 2)) return;
    const char *what = table_value_fault(verify->blocks[2], rules->format, range);
    if (what != NULL) {
        verify_block_fault(verify, &want, what);
        return;
    }
    records_look(verify, &want, rules, first);
}

static void leaf_look(
    struct verify *verify,
    const struct table_info *table,
    struct record_rules *rules,
    uint32_t leaf_index
)
{
    const struct table_format *format = rules->format;
    const uint64_t blocks_before = (uint64_t)leaf_index * format->geometry.leaf_fanout;
    const uint64_t first_live = verify->stale_count / format->geometry.records_per_block;
    if (blocks_before + format->geometry.leaf_fanout <= first_live) return;
    const struct verify_want want = {
        .reference = table_root_entry_at(verify->blocks[0], format, leaf_index).reference,
        .type = BLOCK_LEAF,
        .table = table,
    };
    const struct table_range range =
        table_root_range_at(verify->blocks[0], format, table, leaf_index);
    if (!table_block_read(verify, &want, 1)) return;
    const uint8_t *leaf = verify->blocks[1];
    const char *what = table_leaf_fault(leaf, format, &range);
    if (what != NULL) {
        verify_block_fault(verify, &want, what);
        verify->is_incomplete = true;
        return;
    }
    const uint32_t count = table_leaf_count(leaf);
    const uint64_t record_count = table_root_decode(verify->blocks[0]).record_count;
    uint32_t index = blocks_before < first_live ? (uint32_t)(first_live - blocks_before) : 0;
    for (; index < count && verify->status == TACTUS_OK; index += 1) {
        const struct table_leaf_entry entry = table_leaf_entry_at(leaf, format, index);
        const struct table_range of_value =
            table_leaf_range_at(leaf, format, record_count, leaf_index, index);
        what = table_bounds_fault(verify->blocks[0], leaf, format, table, leaf_index, index);
        if (what != NULL) verify_block_fault(verify, &want, what);
        const uint64_t first = (blocks_before + index) * format->geometry.records_per_block;
        value_look(verify, table, rules, &entry, &of_value, first);
    }
}

static struct verify_want filter_want(
    const struct verify *verify, const struct table_info *table, uint32_t index
)
{
    const struct table_format *format = &verify->formats[table->tree];
    return (struct verify_want){
        .reference = table_root_filter_at(verify->blocks[0], format, index),
        .type = BLOCK_FILTER,
        .table = table,
    };
}

/* Gathers the filter of the table whose root is at hand. A block that is damaged, which is a fault
 * of its own, counts as one that hides nothing. */
static void filters_look(
    struct verify *verify, const struct table_info *table, struct record_rules *rules
)
{
    const struct table_format *format = rules->format;
    const uint64_t block_size = format->geometry.block_size;
    const struct table_root root = table_root_decode(verify->blocks[0]);
    rules->record_count = root.record_count;
    if (root.filter_count > 0) rules->filters = verify->filters;
    for (uint32_t index = 0; index < root.filter_count; index += 1) {
        uint8_t *copy = verify->filters + index * block_size;
        memset(copy, 0xff, block_size);
        if (verify->status != TACTUS_OK) return;
        const struct verify_want want = filter_want(verify, table, index);
        if (!table_block_read(verify, &want, 1)) continue;
        const struct table_filter_range range =
            table_filter_range_at(&format->geometry, root.record_count, index);
        const char *what = table_filter_fault(verify->blocks[1], format, &range);
        if (what == NULL) {
            bytes_copy(copy, verify->blocks[1], block_size);
        } else {
            verify_block_fault(verify, &want, what);
        }
    }
}

static void table_look(struct verify *verify, const struct table_info *table)
{
    const struct table_format *format = &verify->formats[table->tree];
    struct record_rules rules = {
        .format = format,
        .place = schema_tree(verify->bootstrap.schema, table->tree),
        .timestamp_max = TIMESTAMP_MAX,
    };
    if (verify->has_state) {
        rules.timestamp_max = verify->state.timestamp_last[rules.place.collection->number];
    }
    const struct verify_want want = {
        .reference = table_info_root(table), .type = BLOCK_ROOT, .table = table};
    if (!root_read(verify, &want)) return;
    const char *what = table_root_fault(verify->blocks[0], format, table);
    if (what != NULL) {
        verify_block_fault(verify, &want, what);
        verify->is_incomplete = true;
        return;
    }
    filters_look(verify, table, &rules);
    const uint32_t leaf_count = table_root_decode(verify->blocks[0]).leaf_count;
    const uint64_t faults_before = verify->report->fault_count;
    verify->stale_count = table_root_stale_count(verify->blocks[0], table);
    verify->has_tombstones = false;
    for (uint32_t index = 0; index < leaf_count && verify->status == TACTUS_OK; index += 1) {
        leaf_look(verify, table, &rules, index);
    }
    if (rules.hidden_count > 0) {
        const struct verify_want hides = filter_want(verify, table, rules.hidden_by);
        verify_block_fault(
            verify, &hides, "the filter does not know a key of its table, and hides it"
        );
    }
    /* A block that could not be read may hold the tombstone that is missed. */
    if (verify->status != TACTUS_OK || verify->report->fault_count > faults_before) return;
    if (verify->has_tombstones == table->has_tombstones) return;
    if (verify->stale_count > 0 && table->has_tombstones) return; /* it may have had them there */
    verify_block_fault(verify, &want, "the manifest log is wrong about a table's tombstones");
}

void verify_tables(struct verify *verify)
{
    for (uint64_t index = 0; index < verify->table_count; index += 1) {
        if (verify->status != TACTUS_OK) return;
        table_look(verify, &verify->tables[index]);
    }
}
