#include "import_batch.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "errors.h"
#include "output.h"
#include "progress.h"

int import_batch_init(struct import_batch *batch)
{
    batch->objects = session_object(batch->session, batch->capacity);
    batch->places = calloc(batch->capacity, sizeof *batch->places);
    batch->results = calloc(batch->capacity, sizeof *batch->results);
    batch->timestamp_last = batch->session->info.timestamp_last;
    if (batch->objects == NULL) return EXIT_SYSTEM;
    if (batch->places == NULL || batch->results == NULL) {
        return complain_system("import", "free some memory");
    }
    return EXIT_OK;
}

void import_batch_deinit(struct import_batch *batch)
{
    free(batch->objects);
    free(batch->places);
    free(batch->results);
    free(batch->texts);
    free(batch->commit_ns);
    *batch = (struct import_batch){0};
}

int complain_row(
    const struct import_map *map, const char *file, uint64_t line, const struct row_fault *fault
)
{
    const unsigned long long at = line;
    if (fault->column < map->column_count) {
        return complain(
            EXIT_DATA,
            "%s:%llu: column %s: %s",
            file,
            at,
            map->columns[fault->column],
            fault->reason
        );
    }
    if (fault->column != UINT32_MAX) {
        return complain(
            EXIT_DATA, "%s:%llu: column %u: %s", file, at, fault->column + 1, fault->reason
        );
    }
    if (fault->field != UINT32_MAX) {
        const char *name = map->session->fields[fault->field].name;
        return complain(EXIT_DATA, "%s:%llu: field %s: %s", file, at, name, fault->reason);
    }
    return complain(EXIT_DATA, "%s:%llu: %s", file, at, fault->reason);
}

/* ---- Rows set aside ------------------------------------------------------------------------ */

/* What is set aside stands under its header: mended, it can be imported by the same command. */
void import_batch_reject_begin(struct import_batch *batch)
{
    const struct import_map *map = batch->map;
    batch->counts.rejected += 1;
    if (!batch->reject_begun) {
        batch->reject_begun = true;
        for (uint32_t i = 0; i < map->column_count; i += 1) {
            const char *name = map->columns[i];
            if (i > 0) (void)fputc(batch->delimiter, batch->reject);
            csv_text(batch->reject, name, strlen(name), batch->delimiter, map->column_count == 1);
        }
        (void)fputc('\n', batch->reject);
    }
}

void import_batch_reject_bytes(struct import_batch *batch, const char *bytes, size_t size)
{
    (void)fwrite(bytes, 1, size, batch->reject);
}

void import_batch_reject_end(struct import_batch *batch)
{
    (void)fputc('\n', batch->reject);
}

static void reject_row(struct import_batch *batch, const char *text, uint32_t cell_count)
{
    import_batch_reject_begin(batch);
    for (uint32_t i = 0; i < cell_count; i += 1) {
        const size_t size = strlen(text);
        if (i > 0) (void)fputc(batch->delimiter, batch->reject);
        csv_text(batch->reject, text, size, batch->delimiter, cell_count == 1);
        text += size + 1;
    }
    import_batch_reject_end(batch);
}

static int keep_text(struct import_batch *batch, const struct csv_row *row, struct row_place *place)
{
    const struct csv_cell *last = &row->cells[row->cell_count - 1];
    const size_t size = last->offset + last->size + 1;
    if (batch->texts_size + size > batch->texts_room) {
        const size_t room = 2 * (batch->texts_size + size);
        char *texts = realloc(batch->texts, room);
        if (texts == NULL) return complain_system("--reject", "use a smaller --transaction");
        batch->texts = texts;
        batch->texts_room = room;
    }
    memcpy(batch->texts + batch->texts_size, row->text, size);
    place->text_offset = batch->texts_size;
    place->cell_count = row->cell_count;
    batch->texts_size += size;
    return EXIT_OK;
}

/* ---- Gathering ----------------------------------------------------------------------------- */

static void *object_at(struct import_batch *batch, uint32_t index)
{
    return batch->objects + (size_t)index * batch->session->info.object_bytes;
}

/* max(last + 1, what the --clock column says). */
static bool stamp(
    struct import_batch *batch, const struct csv_row *row, void *object, struct row_fault *fault
)
{
    uint64_t timestamp = 0;
    if (!import_map_clock(batch->map, row, &timestamp, fault)) return false;
    if (timestamp <= batch->timestamp_last) timestamp = batch->timestamp_last + 1;
    batch->timestamp_last = timestamp;

    const uint32_t field = batch->session->info.timestamp_field;
    memcpy((uint8_t *)object + batch->session->fields[field].offset, &timestamp, sizeof timestamp);
    return true;
}

int import_batch_add(
    struct import_batch *batch, const struct csv_row *row, uint64_t row_number, const char *file
)
{
    struct row_fault fault;
    void *object = object_at(batch, batch->count);
    bool good = import_map_row(batch->map, row, row_number, object, &fault);
    if (good && batch->map->clock_name != NULL) good = stamp(batch, row, object, &fault);
    if (!good) {
        const int code = complain_row(batch->map, file, row->line, &fault);
        if (batch->reject == NULL) return code;
        reject_row(batch, row->text, row->cell_count);
        return EXIT_OK;
    }

    struct row_place *place = &batch->places[batch->count];
    *place = (struct row_place){.file = file, .line = row->line};
    if (batch->reject != NULL) {
        const int code = keep_text(batch, row, place);
        if (code != EXIT_OK) return code;
    }
    batch->count += 1;
    return batch->count == batch->capacity ? import_batch_commit(batch) : EXIT_OK;
}

/* ---- Committing ---------------------------------------------------------------------------- */

static uint64_t wall_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int complain_refused(struct import_batch *batch, uint32_t index)
{
    const struct tactus_result *result = &batch->results[index];
    const struct session *session = batch->session;
    struct row_fault fault = {.column = UINT32_MAX, .field = UINT32_MAX};
    if (result->status == TACTUS_EXISTS) {
        char text[128];
        const uint32_t key = session_key_field(session);
        const void *object = object_at(batch, index);
        (void)tactus_value_format(session->collection, key, object, text, sizeof text);
        const struct source *source = &batch->map->sources[key];
        if (source->kind == SOURCE_COLUMN) fault.column = source->column;
        fault.field = key;
        (void)snprintf(
            fault.reason,
            sizeof fault.reason,
            "%s is there already; use --on-exists skip or replace",
            text
        );
    } else {
        fault.field = result->field < session->info.field_count ? result->field : UINT32_MAX;
        const bool stamp_refused =
            !session_is_map(session) && fault.field == session->info.timestamp_field;
        (void)snprintf(
            fault.reason,
            sizeof fault.reason,
            "%s",
            stamp_refused ? "the timestamp is not above the one before; sort the rows by it"
                          : tactus_status_text((enum tactus_status)result->status)
        );
    }
    const struct row_place *place = &batch->places[index];
    return complain_row(batch->map, place->file, place->line, &fault);
}

/* Goes through what was refused: skipped, set aside, or the end of the import. */
static int judge(struct import_batch *batch, struct import_counts *counts)
{
    for (uint32_t i = 0; i < batch->count; i += 1) {
        const int32_t status = batch->results[i].status;
        if (status == TACTUS_OK) {
            counts->imported += 1;
        } else if (status == TACTUS_EXISTS && batch->on_exists == ON_EXISTS_SKIP) {
            counts->skipped += 1;
        } else {
            const int code = complain_refused(batch, i);
            if (batch->reject == NULL) return code;
            reject_row(
                batch, batch->texts + batch->places[i].text_offset, batch->places[i].cell_count
            );
        }
    }
    return EXIT_OK;
}

/* One after the other, each looked for first: also among those before it. */
static enum tactus_status put_absent(struct import_batch *batch, tactus_txn *txn)
{
    const struct session *session = batch->session;
    const uint32_t offset = session->fields[session_key_field(session)].offset;
    void *found = session_object(session, 1);
    if (found == NULL) return TACTUS_IO;
    enum tactus_status status = TACTUS_OK;
    bool all = true;
    for (uint32_t i = 0; i < batch->count && status == TACTUS_OK; i += 1) {
        const uint8_t *object = object_at(batch, i);
        struct tactus_result *result = &batch->results[i];
        status =
            tactus_get(tactus_txn_view(txn), session->collection, object + offset, 1, found, NULL);
        if (status == TACTUS_OK) {
            *result = (struct tactus_result){.status = TACTUS_EXISTS};
        } else if (status == TACTUS_ABSENT) {
            status = tactus_put(txn, session->collection, object, 1, result);
            if (status == TACTUS_SOME) status = TACTUS_OK;
        }
        all = all && result->status == TACTUS_OK;
    }
    free(found);
    return status == TACTUS_OK && !all ? TACTUS_SOME : status;
}

static int write_objects(struct import_batch *batch, tactus_txn *txn, struct import_counts *counts)
{
    const tactus_collection *collection = batch->session->collection;
    enum tactus_status status = TACTUS_OK;
    if (session_is_map(batch->session)) {
        status = batch->on_exists == ON_EXISTS_REPLACE
                     ? tactus_put(txn, collection, batch->objects, batch->count, batch->results)
                     : put_absent(batch, txn);
    } else if (batch->on_exists == ON_EXISTS_REPLACE) {
        status = tactus_upsert(txn, collection, batch->objects, batch->count, batch->results);
    } else {
        status = tactus_insert(txn, collection, batch->objects, batch->count, batch->results);
    }
    if (status == TACTUS_OK) {
        counts->imported += batch->count;
        return EXIT_OK;
    }
    if (status == TACTUS_SOME) return judge(batch, counts);
    return session_failed(batch->session, status);
}

static int keep_duration(struct import_batch *batch, uint64_t ns)
{
    if (batch->counts.commits == batch->commit_room) {
        const uint64_t room = batch->commit_room == 0 ? 1024 : 2 * batch->commit_room;
        uint64_t *all = realloc(batch->commit_ns, room * sizeof *all);
        if (all == NULL) return complain_system("import", "free some memory");
        batch->commit_ns = all;
        batch->commit_room = room;
    }
    batch->commit_ns[batch->counts.commits] = ns;
    batch->counts.commits += 1;
    return EXIT_OK;
}

static void print_ack(struct import_batch *batch, uint64_t rows)
{
    if (!batch->ack || rows == batch->rows_acked) return;
    batch->rows_acked = rows;
    progress_clear();
    (void)printf("ack %llu\n", (unsigned long long)rows);
    (void)fflush(stdout);
}

static uint64_t rows_done(const struct import_batch *batch)
{
    return batch->counts.imported + batch->counts.skipped;
}

void import_batch_ack_all(struct import_batch *batch)
{
    print_ack(batch, rows_done(batch));
}

/* After a commit: says what has become durable. Without SYNC_COMMIT one commit at a time is
 * watched: once it is durable, so is all before it, and the newest is watched next. */
static void acknowledge(struct import_batch *batch, uint64_t op)
{
    if (!batch->ack) return;
    if (batch->sync == TACTUS_SYNC_COMMIT) {
        import_batch_ack_all(batch);
        return;
    }
    struct tactus_stats stats = {.struct_bytes = (uint32_t)sizeof stats};
    tactus_stats(batch->session->db, &stats);
    if (batch->rows_pending > 0 && stats.op_durable >= batch->op_pending) {
        print_ack(batch, batch->rows_pending);
        batch->rows_pending = 0;
    }
    if (batch->rows_pending == 0) {
        batch->rows_pending = rows_done(batch);
        batch->op_pending = op;
    }
}

int import_batch_commit(struct import_batch *batch)
{
    if (batch->count == 0) return EXIT_OK;
    const uint64_t begin_ns = clock_ns();
    struct tactus_txn_options options;
    tactus_txn_options_default(&options);
    if (batch->wall_clock) options.first = wall_ns();
    if (batch->map->clock_name != NULL || import_map_fills_timestamps(batch->map)) {
        options.flags |= TACTUS_TIMESTAMPS_GIVEN;
    }

    tactus_txn *txn = NULL;
    enum tactus_status status = tactus_begin(batch->session->db, &options, &txn);
    if (status != TACTUS_OK) return session_failed(batch->session, status);
    struct import_counts counts = {0};
    int code = write_objects(batch, txn, &counts);
    if (code != EXIT_OK) {
        tactus_rollback(txn);
        return code;
    }
    uint64_t op = 0;
    status = tactus_commit(txn, &op);
    if (status != TACTUS_OK) return session_failed(batch->session, status);

    batch->counts.imported += counts.imported;
    batch->counts.skipped += counts.skipped;
    batch->count = 0;
    batch->texts_size = 0;
    code = keep_duration(batch, clock_ns() - begin_ns);
    acknowledge(batch, op);
    return code;
}
