/* Collections against themselves: every id and index entry against its object, and back.
 *
 * What the entries should be follows from the objects. Both sides are summed up without regard to
 * order: a count, and the sum of a 128-bit hash of each record. So memory is that of a read-only
 * open, and every tree is read once. Where sums differ a second, slower pass names the entries. */
#include "database/verify_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "database/sweep.h"
#include "forest/codec.h"

#include "base/poison.h"

enum { CONTENTS_SCANS = 2, CONTENTS_CACHE_FRAMES = 256, CONTENTS_WORDS = 400 };

/* ---- Sums ------------------------------------------------------------------------------------ */

struct tally {
    uint64_t count, low, high;
};

static uint64_t mix(uint64_t word)
{
    word = (word ^ (word >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ (word >> 27)) * UINT64_C(0x94d049bb133111eb);
    return word ^ (word >> 31);
}

/* Records are in whole words. */
static void tally_add(struct tally *tally, const uint8_t *record, uint32_t size)
{
    assert(size % 8 == 0);
    uint64_t low = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t high = UINT64_C(0xc2b2ae3d27d4eb4f);
    for (uint32_t offset = 0; offset < size; offset += 8) {
        const uint64_t word = load_u64(record + offset);
        low = mix(low ^ word);
        high = mix(high + (word ^ low));
    }
    tally->count += 1;
    tally->low += low;
    tally->high += high;
}

static bool tally_equal(const struct tally *a, const struct tally *b)
{
    return a->count == b->count && a->low == b->low && a->high == b->high;
}

/* ---- The handle ------------------------------------------------------------------------------ */

/* A database as a read-only open makes it, over the verifier's reactor and bootstrap. */
struct contents {
    struct verify *verify;
    tactus_db *db;
    struct scan_tree *scans[CONTENTS_SCANS]; /* the database's */
    const char *state;                       /* which state of the file it is: words for a line */
    const struct collection *collection;     /* being looked at */
    struct tally wanted[1 + INDEXES_MAX];    /* by the objects: of the ids, and of each index */
    struct tally found[1 + INDEXES_MAX];     /* by the trees */
    struct tally *tallied;                   /* the one that a sweep adds to */
    uint64_t object_count;
    bool is_bounded; /* no object lies above timestamp_last */
};

static enum tactus_status contents_memory(struct contents *contents, const uint32_t *overlay)
{
    tactus_db *db = contents->db;
    budget_measure_begin(&db->budget);
    database_init_parts(db, &db->budget, overlay);
    const uint64_t size = round_up_u64(budget_used(&db->budget), BUDGET_ALIGNMENT);
    void *region = mmap(
        NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0
    );
    if (region == MAP_FAILED) {
        return fault_set(
            &db->fault,
            (struct fault){.status = TACTUS_IO, .what = "verify: the system has no memory"}
        );
    }
    db->region = region;
    db->region_size = size;
    budget_carve_begin(&db->budget, region, size);
    database_init_parts(db, &db->budget, overlay);
    return TACTUS_OK;
}

/* The checkpoint alone, or with the journal replayed over it. */
static enum tactus_status contents_open(
    struct contents *contents, const uint32_t *overlay, bool with_journal
)
{
    tactus_db *db = contents->db;
    struct bootstrap *bootstrap = &contents->verify->bootstrap;
    db->reactor = *contents->verify->reactor;
    db->superblock = bootstrap->superblock;
    db->layout = bootstrap->layout;
    db->schema = bootstrap->schema;
    db->sizing = bootstrap->sizing;
    db->read_only = true;
    db->query_count_max = CONTENTS_SCANS; /* or the runs of a tree may be too many for both */
    db->options.cache_bytes = (uint64_t)CONTENTS_CACHE_FRAMES * db->sizing->block_size;
    TRY(contents_memory(contents, overlay));
    for (uint32_t number = 0; number < CONTENTS_SCANS; number += 1) {
        contents->scans[number] = query_pool_take(&db->query_pool);
        assert(contents->scans[number] != NULL);
    }
    if (with_journal) return database_recover(db);
    uint64_t state_size = 0;
    TRY(checkpoint_open(&db->checkpoint, db->state, &state_size));
    return forest_open(&db->forest, db->state, state_size);
}

static void contents_close(struct contents *contents)
{
    tactus_db *db = contents->db;
    if (db->region != NULL) {
        forest_close(&db->forest);
        const enum tactus_status closed = journal_close(&db->journal);
        maybe(closed != TACTUS_OK); /* nothing was written that could have failed */
        grid_close(&db->grid);
        (void)munmap(db->region, db->region_size);
        *contents->verify->reactor = db->reactor;
    }
    free(db);
}

/* ---- Lines ----------------------------------------------------------------------------------- */

static void contents_fault(
    const struct contents *contents, uint32_t tree, uint64_t timestamp, const char *what
)
{
    char name[2 * NAME_SIZE + 16];
    char words[CONTENTS_WORDS];
    struct verify *verify = contents->verify;
    verify_tree_name(verify->bootstrap.schema, tree, name, sizeof name);
    if (timestamp == 0) {
        (void)snprintf(words, sizeof words, "%s (%s): %s", name, contents->state, what);
    } else {
        (void)snprintf(
            words,
            sizeof words,
            "%s (%s): timestamp %llu: %s",
            name,
            contents->state,
            (unsigned long long)timestamp,
            what
        );
    }
    const struct fault found = {
        .status = TACTUS_CORRUPT,
        .zone = FAULT_ZONE_GRID,
        .what = words,
        .tree = (uint16_t)tree,
        .acknowledged = FAULT_YES,
    };
    report_fault(verify->report, &found);
}

/* ---- The fast pass --------------------------------------------------------------------------- */

/* The record that tree `slot` (0: ids; else index slot - 1) should have of an object; false:
 * none. */
static bool record_of(
    const struct collection_schema *schema, uint32_t slot, const uint8_t *object, uint8_t *record
)
{
    if (slot > 0) return codec_index_record(schema, &schema->indexes[slot - 1], object, record);
    const uint8_t *id = object + schema->fields[schema->id_field].offset;
    codec_id_record(schema, id, object_timestamp(schema, object), record);
    return true;
}

/* The tree of a slot; NULL: the collection has no ids. */
static struct tree *tree_of(const struct collection *collection, uint32_t slot)
{
    return slot == 0 ? collection->id_tree : collection->index_trees[slot - 1];
}

static enum tactus_status object_tally(void *context, const void *record)
{
    struct contents *contents = context;
    const struct collection *collection = contents->collection;
    const struct collection_schema *schema = collection->schema;
    contents->object_count += 1;
    if (schema->is_map) return TACTUS_OK; /* nothing else has to agree with it */
    _Alignas(8) uint8_t object[OBJECT_SIZE_MAX];
    uint8_t wanted[INDEX_RECORD_SIZE_MAX];
    codec_object_of_record(schema, record, object);
    const uint64_t timestamp = object_timestamp(schema, object);
    contents->is_bounded = contents->is_bounded && timestamp <= collection->timestamp_last;
    for (uint32_t slot = 0; slot <= schema->index_count; slot += 1) {
        const struct tree *tree = tree_of(collection, slot);
        if (tree == NULL || !record_of(schema, slot, object, wanted)) continue;
        tally_add(&contents->wanted[slot], wanted, tree->options.shape.record_size);
    }
    return TACTUS_OK;
}

static enum tactus_status entry_tally(void *context, const void *record)
{
    struct contents *contents = context;
    const struct collection_schema *schema = contents->collection->schema;
    const uint32_t slot = (uint32_t)(contents->tallied - contents->found);
    const uint32_t tree = slot == 0 ? schema->id_tree : schema->indexes[slot - 1].tree;
    const uint32_t size = contents->db->sizing->trees[tree - 1].shape.record_size;
    tally_add(contents->tallied, record, size);
    return TACTUS_OK;
}

/* ---- The slow pass: which entries? ----------------------------------------------------------- */

struct difference {
    struct contents *contents;
    uint32_t slot;
    struct tree *tree;
    uint8_t wanted[INDEX_RECORD_SIZE_MAX];
    bool found; /* the inner sweep met `wanted` */
    uint64_t line_count;
};

static enum tactus_status difference_compare(void *context, const void *record)
{
    struct difference *difference = context;
    const uint32_t size = difference->tree->options.shape.record_size;
    difference->found = bytes_equal(record, difference->wanted, size);
    return TACTUS_OK;
}

/* Whether the tree has the entry of each object. */
static enum tactus_status difference_object(void *context, const void *record)
{
    struct difference *difference = context;
    struct contents *contents = difference->contents;
    const struct collection_schema *schema = contents->collection->schema;
    if (report_is_full(contents->verify->report)) return TACTUS_OK;
    _Alignas(8) uint8_t object[OBJECT_SIZE_MAX];
    codec_object_of_record(schema, record, object);
    if (!record_of(schema, difference->slot, object, difference->wanted)) return TACTUS_OK;
    const struct key key = record_key(&difference->tree->options.shape, difference->wanted);
    const struct sweep sweep = {
        .scan = contents->scans[1],
        .tree = difference->tree,
        .key_min = key,
        .key_max = key,
        .visit = difference_compare,
        .context = difference,
    };
    difference->found = false;
    TRY(sweep_run(&sweep));
    if (difference->found) return TACTUS_OK;
    difference->line_count += 1;
    contents_fault(
        contents,
        difference->tree->options.id,
        object_timestamp(schema, object),
        difference->slot == 0 ? "the object's id does not lead to it"
                              : "the object has no entry in the index"
    );
    return TACTUS_OK;
}

/* Whether each entry of the tree leads to an object that has this entry. */
static enum tactus_status difference_entry(void *context, const void *record)
{
    struct difference *difference = context;
    struct contents *contents = difference->contents;
    const struct collection_schema *schema = contents->collection->schema;
    if (report_is_full(contents->verify->report)) return TACTUS_OK;
    const struct record_shape *shape = &difference->tree->options.shape;
    const uint64_t timestamp = record_timestamp(shape, record);
    _Alignas(8) uint8_t object[OBJECT_SIZE_MAX];
    bool found = false;
    TRY(collection_fetch(
        contents->collection,
        &contents->db->forest.resolver,
        VISIBLE_SETTLED,
        &timestamp,
        1,
        object,
        &found
    ));
    const char *what = "the entry leads to no object";
    if (found) {
        what = "the entry leads to an object of another value";
        if (record_of(schema, difference->slot, object, difference->wanted) &&
            bytes_equal(record, difference->wanted, shape->record_size)) {
            return TACTUS_OK;
        }
    }
    difference->line_count += 1;
    contents_fault(contents, difference->tree->options.id, timestamp, what);
    return TACTUS_OK;
}

static enum tactus_status contents_differ(struct contents *contents, uint32_t slot)
{
    const struct collection *collection = contents->collection;
    struct difference difference = {
        .contents = contents, .slot = slot, .tree = tree_of(collection, slot)};
    const struct sweep objects =
        sweep_all(contents->scans[0], collection->object_tree, difference_object, &difference);
    TRY(sweep_run(&objects));
    const struct sweep entries =
        sweep_all(contents->scans[0], difference.tree, difference_entry, &difference);
    TRY(sweep_run(&entries));
    if (difference.line_count == 0) {
        contents_fault(
            contents, difference.tree->options.id, 0, "its entries are not those of its objects"
        );
    }
    return TACTUS_OK;
}

/* ---- The whole ------------------------------------------------------------------------------- */

static enum tactus_status collection_look(struct contents *contents)
{
    const struct collection *collection = contents->collection;
    const struct collection_schema *schema = collection->schema;
    bytes_zero(contents->wanted, sizeof contents->wanted);
    bytes_zero(contents->found, sizeof contents->found);
    contents->object_count = 0;
    contents->is_bounded = true;
    const struct sweep objects =
        sweep_all(contents->scans[0], collection->object_tree, object_tally, contents);
    TRY(sweep_run(&objects));
    for (uint32_t slot = 0; slot <= schema->index_count; slot += 1) {
        struct tree *tree = tree_of(collection, slot);
        if (tree == NULL) continue;
        contents->tallied = &contents->found[slot];
        const struct sweep entries = sweep_all(contents->scans[0], tree, entry_tally, contents);
        TRY(sweep_run(&entries));
        if (tally_equal(&contents->wanted[slot], &contents->found[slot])) continue;
        TRY(contents_differ(contents, slot));
    }
    if (!contents->is_bounded) {
        contents_fault(
            contents, schema->object_tree, 0, "an object's timestamp is above the highest known"
        );
    }
    return TACTUS_OK;
}

static enum tactus_status contents_look(
    struct contents *contents, const uint32_t *overlay, bool with_journal
)
{
    struct verify *verify = contents->verify;
    TRY(contents_open(contents, overlay, with_journal));
    const struct forest *forest = &contents->db->forest;
    for (uint32_t number = 0; number < forest->collection_count; number += 1) {
        contents->collection = &forest->collections[number];
        TRY(collection_look(contents));
        report_line(
            verify->report,
            TACTUS_NOTE,
            "%s (%s): %llu objects",
            contents->collection->schema->name,
            contents->state,
            (unsigned long long)contents->object_count
        );
    }
    return TACTUS_OK;
}

static void contents_run(struct verify *verify, const uint32_t *overlay, bool with_journal)
{
    struct contents contents = {
        .verify = verify,
        .db = calloc(1, sizeof *contents.db),
        .state = with_journal ? "with the journal" : "checkpoint",
    };
    if (contents.db == NULL) {
        verify->status = fault_set(
            verify->fault, (struct fault){.status = TACTUS_IO, .what = "verify: no memory"}
        );
        return;
    }
    const enum tactus_status status = contents_look(&contents, overlay, with_journal);
    const struct fault fault = contents.db->fault;
    contents_close(&contents);
    if (status == TACTUS_CORRUPT) {
        assert(fault.status == TACTUS_CORRUPT);
        report_fault(verify->report, &fault);
    } else if (status != TACTUS_OK) {
        verify->status = status;
        const struct fault unknown = {.status = status, .what = "verify: a state cannot be read"};
        (void)fault_set(verify->fault, fault.status != TACTUS_OK ? fault : unknown);
    }
}

void verify_contents(struct verify *verify)
{
    uint32_t overlay[COLLECTIONS_MAX] = {0};
    contents_run(verify, overlay, false);
    if (verify->status != TACTUS_OK || verify->entry_count == 0) return;
    if (verify->is_journal_damaged) {
        report_line(verify->report, TACTUS_NOTE, "the journal was not replayed: it has a fault");
        return;
    }
    verify->status =
        recovery_count_events(verify->reactor, &verify->bootstrap, overlay, verify->fault);
    if (verify->status == TACTUS_OK) contents_run(verify, overlay, true);
}
