#include "database/database.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "forest/schema_parser.h"

#include "base/poison.h"

/* ---- Memory ---------------------------------------------------------------------------------- */

static uint32_t object_bytes_max(const struct schema *schema)
{
    uint32_t bytes = 0;
    for (uint32_t number = 0; number < schema->count; number += 1) {
        bytes = max_u32(bytes, schema->collections[number].object_bytes);
    }
    return bytes;
}

/* The most unsorted records that a scan can meet in one tree: a beat's and a transaction's. */
static struct scan_tree_options scan_options_of(tactus_db *db)
{
    struct scan_tree_options options = {0};
    for (uint32_t tree = 1; tree <= db->forest.tree_count; tree += 1) {
        const struct tree_options tree_options = forest_tree_options(&db->forest, tree);
        options.runs_max = max_u32(options.runs_max, tree_runs_max(&tree_options));
        options.permutation_max = max_u32(options.permutation_max, 2 * tree_options.record_max);
    }
    options.level_runs_max = tree_level_runs_max(db->sizing->runs_max);
    options.pool = &db->scan_pool;
    return options;
}

/* Scans for all queries together, and their cursors: one scan for each query, or what the largest
 * query takes. */
static uint32_t scan_count_of(const tactus_db *db)
{
    return max_u32(db->query_count_max, PLAN_SCANS_MAX);
}

static uint32_t scan_cursors_of(const tactus_db *db)
{
    const uint32_t runs = tree_level_runs_max(db->sizing->runs_max);
    return max_u32(db->query_count_max * runs, PLAN_SCANS_MAX * LEVELS);
}

static void init_queries(tactus_db *db, struct budget *budget)
{
    budget_group(budget, "queries");
    scan_pool_init(&db->scan_pool, budget, scan_cursors_of(db));
    const struct query_pool_options pool_options = {
        .scan = scan_options_of(db),
        .count = scan_count_of(db),
    };
    query_pool_init(&db->query_pool, budget, &pool_options);
    const struct query_run_options run_options = {
        .grid = &db->grid,
        .resolver = &db->forest.resolver,
        .pool = &db->query_pool,
        .fault = &db->fault,
        .object_bytes_max = object_bytes_max(db->schema),
    };
    struct query_state *states = budget_take(budget, db->query_count_max, sizeof *states, 64);
    struct query_run measured;
    for (uint32_t index = 0; index < db->query_count_max; index += 1) {
        if (!budget_is_measuring(budget)) db->queries[index].state = &states[index];
        struct query_run *run = budget_is_measuring(budget) ? &measured : &states[index].run;
        query_run_init(run, budget, &run_options);
    }
}

static void init_transaction(tactus_db *db, struct budget *budget)
{
    budget_group(budget, "transaction");
    const uint64_t object_bytes = object_bytes_max(db->schema);
    struct collection_mark *marks = budget_take(budget, db->schema->count, sizeof *marks, 64);
    struct txn_chunk *chunk = budget_take(budget, 1, sizeof *chunk, 64);
    uint8_t *objects = budget_take(budget, RESOLVE_MAX, object_bytes, 64);
    uint8_t *old = budget_take(budget, RESOLVE_MAX, object_bytes, 64);
    db->commit_ns = budget_take(budget, 1, sizeof *db->commit_ns, 64);
    db->state = budget_take(budget, 1, CHECKPOINT_STATE_SIZE_MAX, 64);
    if (budget_is_measuring(budget)) return;
    chunk->objects = objects;
    chunk->old = old;
    db->txn = (struct tactus_txn){.marks = marks, .chunk = chunk};
}

static uint32_t cache_frames_of(const tactus_db *db, uint32_t pinned)
{
    const uint64_t frames = db->options.cache_bytes / db->sizing->block_size;
    const uint64_t unpinned = frames > pinned ? frames - pinned : 0;
    const uint64_t most =
        UINT32_MAX / 32; /* what the grid counts in 32 bits, with room for its own */
    return (uint32_t)min_u64(max_u64(unpinned, DATABASE_CACHE_FRAMES_MIN), most);
}

static struct compactor_options compactor_options_of(const tactus_db *db)
{
    const uint32_t depth = db->options.compaction_depth;
    return (struct compactor_options){
        .runs_max = run_limits_widest(db->sizing->runs_max),
        .depth = depth == 0 ? COMPACTION_DEPTH_DEFAULT : depth,
    };
}

void database_init_parts(tactus_db *db, struct budget *budget, const uint32_t *overlay)
{
    const struct file_options *file = &db->superblock.options;
    const struct compactor_options compactor = compactor_options_of(db);
    const uint32_t pinned = FOREST_FRAMES + slice_frames(compactor.runs_max) + CHECKPOINT_FRAMES +
                            scan_pool_frames(scan_cursors_of(db));
    const struct grid_options grid_options = {
        .reactor = &db->reactor,
        .layout = &db->layout,
        .file_id = file->file_id,
        .keep = db->sizing->keep,
        .cache_frames = cache_frames_of(db, pinned),
        .pinned_frames_max = pinned,
        .view_frames_max = db->read_only ? 0 : compactor_frames(&compactor),
        .read_only = db->read_only,
        .fault = &db->fault,
    };
    budget_group(budget, "cache");
    grid_init(&db->grid, budget, &grid_options);
    if (!db->read_only) {
        compactor_init(&db->compactor, budget, &db->grid, &db->reactor, &compactor);
    }
    budget_group(budget, "free set");
    const struct checkpoint_options checkpoint_options = {
        .grid = &db->grid,
        .superblock = &db->superblock,
        .journal = &db->journal,
        .view = db->read_only ? NULL : &db->compactor.grid,
    };
    checkpoint_init(&db->checkpoint, budget, &checkpoint_options);
    budget_group(budget, "journal");
    const struct journal_options journal_options = {
        .reactor = &db->reactor,
        .layout = &db->layout,
        .file_id = file->file_id,
        .entry_bytes_max = db->sizing->entry_bytes_max,
        .read_only = db->read_only,
        .fault = &db->fault,
    };
    journal_init(&db->journal, budget, &journal_options);
    const struct forest_options forest_options = {
        .schema = db->schema,
        .sizing = db->sizing,
        .grid = &db->grid,
        .journal = &db->journal,
        .checkpoint = &db->checkpoint,
        .superblock = &db->superblock,
        .fault = &db->fault,
        .compaction_grid = db->read_only ? NULL : &db->compactor.grid,
        .compaction_fault = &db->compactor.fault,
        .compaction_depth = compactor.depth,
        .worker = &db->compactor.worker,
        .overlay_events = overlay,
    };
    forest_init(&db->forest, budget, &forest_options);
    init_transaction(db, budget);
    init_queries(db, budget);
}

static enum tactus_status take_memory(
    tactus_db *db, const uint32_t *overlay, struct tactus_error *error
)
{
    budget_measure_begin(&db->budget);
    database_init_parts(db, &db->budget, overlay);
    const uint64_t size = round_up_u64(budget_used(&db->budget), BUDGET_ALIGNMENT);
    const uint64_t most = db->options.memory_bytes_max;
    if (most != 0 && size > most) {
        return error_set(
            error,
            TACTUS_LIMIT,
            "open: it needs %llu bytes of memory, more than the %llu allowed; %s",
            (unsigned long long)size,
            (unsigned long long)most,
            overlay == NULL ? "allow more, or lower the cache"
                            : "allow more, lower the cache, or open once for writing"
        );
    }
    void *region = mmap(
        NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0
    );
    if (region == MAP_FAILED) {
        return error_set(
            error,
            TACTUS_IO,
            "open: the system refused %llu bytes of memory; lower the cache, or free some",
            (unsigned long long)size
        );
    }
    (void)madvise(region, size, MADV_DONTDUMP);
    /* A child has no use for it, and pages that the disk reads from must not become copies. */
    db->region_is_ours_alone = madvise(region, size, MADV_DONTFORK) == 0;
    db->region = region;
    db->region_size = size;
    budget_carve_begin(&db->budget, region, size);
    database_init_parts(db, &db->budget, overlay);
    return TACTUS_OK;
}

/* ---- Opening --------------------------------------------------------------------------------- */

static void database_free(tactus_db *db)
{
    if (db->region != NULL) (void)munmap(db->region, db->region_size);
    file_close(&db->reactor);
    process_mark_close(&db->process);
    free(db->schema);
    free(db->sizing);
    free(db->schema_text);
    db->magic = 0;
    free(db);
}

/* Whether the program's schema is that of the file: the same collections, fields and indexes. */
static bool schemas_agree(const struct schema *a, const struct schema *b)
{
    if (a->count != b->count || a->tree_count != b->tree_count) return false;
    for (uint32_t number = 0; number < a->count; number += 1) {
        const struct collection_schema *left = &a->collections[number];
        const struct collection_schema *right = &b->collections[number];
        if (strcmp(left->name, right->name) != 0 || left->shape != right->shape ||
            left->is_map != right->is_map || left->index_count != right->index_count ||
            left->id_bytes != right->id_bytes) {
            return false;
        }
        for (uint32_t index = 0; index < left->index_count; index += 1) {
            const struct index_schema *one = &left->indexes[index];
            const struct index_schema *other = &right->indexes[index];
            if (strcmp(one->name, other->name) != 0 || one->sparse != other->sparse ||
                one->hashed != other->hashed || one->field_count != other->field_count ||
                memcmp(one->fields, other->fields, one->field_count) != 0) {
                return false;
            }
        }
        for (uint32_t field = 0; field < left->field_count; field += 1) {
            if (left->fields[field].flags != right->fields[field].flags) return false;
        }
    }
    return true;
}

static enum tactus_status check_schema(const tactus_db *db, struct tactus_error *error)
{
    const char *text = db->options.schema;
    if (text == NULL || strcmp(text, db->schema_text) == 0) return TACTUS_OK;
    struct schema *given = malloc(sizeof *given);
    if (given == NULL) return error_set(error, TACTUS_IO, "open: the system has no memory");
    struct text_error words = {0};
    enum tactus_status status = schema_parse(text, strlen(text), given, &words);
    if (status != TACTUS_OK) {
        (void)error_set(error, status, "%s", words.text);
        if (error != NULL) {
            error->line = words.line;
            error->column = words.column;
        }
    } else if (!schemas_agree(given, db->schema)) {
        status = error_set(
            error, TACTUS_SCHEMA, "open: the schema given is not the file's; use the file's own"
        );
    }
    free(given);
    return status;
}

static void database_warn(tactus_db *db, const struct superblock_report *report)
{
    const struct journal_recovery *recovery = &db->journal.recovery;
    struct tactus_error words = {0};
    if (report->needs_heal) {
        (void)error_set(
            &words,
            TACTUS_OK,
            "superblock: %u of %u copies are good%s",
            report->good_count,
            (unsigned)SUPERBLOCK_COPIES,
            db->read_only ? "; open once for writing to heal the others"
                          : ", the others were healed"
        );
    } else if (recovery->cut_op != 0) {
        (void)error_set(
            &words,
            TACTUS_OK,
            "journal: a torn tail at op %llu byte %llu, never acknowledged, was %s",
            (unsigned long long)recovery->cut_op,
            (unsigned long long)recovery->cut_byte,
            db->read_only ? "left out" : "cut"
        );
    }
    bytes_copy(db->warning, words.text, sizeof db->warning);
}

static void set_handles(tactus_db *db)
{
    for (uint32_t number = 0; number < db->schema->count; number += 1) {
        db->collections[number] =
            (struct tactus_collection){.db = db, .collection = &db->forest.collections[number]};
    }
    db->txn.db = db;
    db->txn.view = (struct tactus_view){.db = db, .visibility = VISIBLE_ALL};
    db->latest = (struct tactus_view){.db = db, .visibility = VISIBLE_SETTLED};
    for (uint32_t index = 0; index < db->query_count_max; index += 1) {
        db->queries[index].db = db;
    }
    db->flushed_ns = reactor_now_ns(&db->reactor);
    process_mark_open(&db->process);
    db->magic = DATABASE_MAGIC;
}

static enum tactus_status open_steps(
    tactus_db *db, struct tactus_error *error, struct superblock_report *report
)
{
    struct bootstrap bootstrap;
    if (bootstrap_read(&bootstrap, &db->reactor, &db->fault) != TACTUS_OK) {
        return error_from_fault(error, &db->fault);
    }
    db->superblock = bootstrap.superblock;
    db->layout = bootstrap.layout;
    db->schema = bootstrap.schema;
    db->sizing = bootstrap.sizing;
    db->schema_text = bootstrap.schema_text;
    db->schema_size = bootstrap.schema_size;
    *report = bootstrap.report;
    TRY(check_schema(db, error));
    if (!db->read_only && report->needs_heal) {
        if (superblock_heal(&db->reactor, NULL, &db->fault) != TACTUS_OK) {
            return error_from_fault(error, &db->fault);
        }
    }
    uint32_t overlay[COLLECTIONS_MAX];
    if (db->read_only &&
        recovery_count_events(&db->reactor, &bootstrap, overlay, &db->fault) != TACTUS_OK) {
        error_find_byte(&db->fault, &db->layout);
        return error_from_fault(error, &db->fault);
    }
    const bool has_worker = !db->read_only && (db->options.flags & TACTUS_NO_WORKER) == 0;
    if (has_worker) compactor_open(&db->compactor, &db->reactor);
    TRY(take_memory(db, db->read_only ? overlay : NULL, error));
    if (has_worker) compactor_start(&db->compactor, forest_instalment, &db->forest);
    if (database_recover(db) != TACTUS_OK) {
        error_find_byte(&db->fault, &db->layout);
        return error_from_fault(error, &db->fault);
    }
    return TACTUS_OK;
}

/* After a failure: whatever was begun has to end before memory and file go. */
static void open_undo(tactus_db *db)
{
    if (db->region != NULL) {
        if (db->grid.options.reactor != NULL) {
            checkpoint_close(&db->checkpoint);
            forest_close(&db->forest);
            const enum tactus_status closed = journal_close(&db->journal);
            maybe(closed == TACTUS_OK); /* the open has failed already, and says why */
        }
    }
    compactor_close(&db->compactor);
    if (db->region != NULL) grid_close(&db->grid);
    database_free(db);
}

enum tactus_status database_open(
    struct reactor *reactor,
    const struct tactus_open_options *options,
    struct tactus_error *error,
    tactus_db **db_out
)
{
    if (reactor->is_new) {
        const enum tactus_status created =
            database_create(reactor, options->schema, options->create, error);
        if (created != TACTUS_OK) {
            file_close(reactor);
            return created;
        }
    }
    tactus_db *db = calloc(1, sizeof *db);
    if (db == NULL) {
        file_close(reactor);
        return error_set(error, TACTUS_IO, "open: the system has no memory; free some");
    }
    db->reactor = *reactor;
    db->options = *options;
    db->read_only = (options->flags & TACTUS_READ_ONLY_OPEN) != 0;
    db->query_count_max = options->query_count_max;
    struct superblock_report report = {0};
    const enum tactus_status status = open_steps(db, error, &report);
    if (status != TACTUS_OK) {
        open_undo(db);
        return status;
    }
    set_handles(db);
    database_warn(db, &report);
    db->options.schema = NULL;
    db->options.create = NULL;
    *db_out = db;
    return TACTUS_OK;
}

enum tactus_status database_close(tactus_db *db)
{
    for (uint32_t index = 0; index < db->query_count_max; index += 1) {
        query_run_stop(&db->queries[index].state->run);
    }
    enum tactus_status status = TACTUS_OK;
    if (!db->read_only && db->journal.stage == JOURNAL_OPEN) status = journal_flush(&db->journal);
    /* A checkpoint under way comes to its end: so what a closed file holds follows from its history
     * and not from how fast the disk was. None is begun. */
    if (status == TACTUS_OK && db->forest.broken == TACTUS_OK) {
        status = forest_capture_wait(&db->forest);
    }
    checkpoint_close(&db->checkpoint);
    const enum tactus_status closed = journal_close(&db->journal);
    if (status == TACTUS_OK) status = closed;
    forest_close(&db->forest);
    compactor_close(&db->compactor);
    grid_close(&db->grid);
    database_free(db);
    return status;
}

void database_abandon(tactus_db *db)
{
    assert(process_mark_is_child(&db->process));
    journal_abandon(&db->journal);
    compactor_abandon(&db->compactor);
    file_abandon(&db->reactor);
    /* What the child does not have may be something else's place by now. */
    if (db->region_is_ours_alone) db->region = NULL;
    database_free(db);
}
