/* Exported: looking after a file. Every function here checks its arguments and calls one below; a
 * caller's misuse ends here. */
#include <string.h>

#include "base/assert.h"
#include "database/database.h"
#include "database/digest.h"
#include "database/inspect.h"
#include "database/repair.h"
#include "database/report.h"
#include "database/verify.h"

#include "base/poison.h"

/* Opens a file that is to be looked at, not served. */
static enum tactus_status open_path(
    struct reactor *reactor,
    const char *verb,
    const struct file_open_options *options,
    struct tactus_error *error
)
{
    if (options->path == NULL) {
        return error_set(error, TACTUS_MISUSE, "%s: path is NULL; give one", verb);
    }
    if (strcmp(options->path, ":memory:") == 0) {
        return error_set(
            error, TACTUS_MISUSE, "%s: a file in memory has no path; name a file on disk", verb
        );
    }
    struct fault fault = {0};
    if (file_open(reactor, options, &fault) == TACTUS_OK) return TACTUS_OK;
    return error_from_fault(error, &fault);
}

/* ---- Verify ---------------------------------------------------------------------------------- */

static enum tactus_status take_verify_options(
    const struct tactus_verify_options *options, uint32_t *flags, struct tactus_error *error
)
{
    *flags = 0;
    if (options == NULL) return TACTUS_OK;
    if (options->struct_bytes != sizeof *options ||
        (options->flags & ~(uint32_t)TACTUS_POSIX_IO) != 0) {
        return error_set(
            error, TACTUS_MISUSE, "verify: struct_bytes or flags of the options are out of range"
        );
    }
    *flags = options->flags;
    return TACTUS_OK;
}

/* The report's first fault says most; one that stopped everything says it itself. */
static enum tactus_status verify_failed(
    const struct report *report,
    const struct fault *fault,
    enum tactus_status status,
    struct tactus_error *error
)
{
    if (status != TACTUS_CORRUPT) return error_from_fault(error, fault);
    return error_set(
        error,
        status,
        "verify: %llu faults; the first: %s",
        (unsigned long long)report->fault_count,
        report->first
    );
}

enum tactus_status tactus_verify(
    const char *path,
    const struct tactus_verify_options *options,
    tactus_report_fn report,
    void *context,
    struct tactus_error *error
)
{
    uint32_t flags = 0;
    TRY(take_verify_options(options, &flags, error));
    struct reactor reactor = {0};
    const struct file_open_options file_options = {
        .path = path,
        .read_only = true,
        .io = (flags & TACTUS_POSIX_IO) != 0 ? IO_PATH_POSIX : IO_PATH_AUTO,
    };
    TRY(open_path(&reactor, "verify", &file_options, error));
    struct report lines;
    struct fault fault = {0};
    report_begin(&lines, report, context);
    const enum tactus_status status = verify_file(&reactor, &lines, &fault);
    file_close(&reactor);
    if (status == TACTUS_OK) return TACTUS_OK;
    return verify_failed(&lines, &fault, status, error);
}

/* ---- Inspect --------------------------------------------------------------------------------- */

enum tactus_status tactus_inspect(
    const char *path,
    const char *what,
    const char *format,
    tactus_write_fn write,
    void *context,
    struct tactus_error *error
)
{
    enum inspect_what number;
    const bool is_json = format != NULL && strcmp(format, "json") == 0;
    if (write == NULL || !inspect_what_find(what, &number)) {
        return error_set(
            error,
            TACTUS_MISUSE,
            "inspect: write is NULL, or the word is not superblock, journal, manifest, trees, "
            "tables, blocks, memory or stats"
        );
    }
    if (format == NULL || (!is_json && strcmp(format, "text") != 0)) {
        return error_set(error, TACTUS_MISUSE, "inspect: format is neither \"text\" nor \"json\"");
    }
    struct reactor reactor = {0};
    const struct file_open_options file_options = {.path = path, .read_only = true};
    TRY(open_path(&reactor, "inspect", &file_options, error));
    struct inspect_writer writer;
    struct fault fault = {0};
    inspect_begin(&writer, write, context, is_json);
    const enum tactus_status status = inspect_file(&reactor, number, &writer, &fault);
    inspect_end(&writer);
    file_close(&reactor);
    if (status == TACTUS_OK) return TACTUS_OK;
    return error_from_fault(error, &fault);
}

/* ---- Repair ---------------------------------------------------------------------------------- */

enum tactus_status tactus_repair(
    const char *path,
    uint32_t flags,
    tactus_report_fn report,
    void *context,
    struct tactus_error *error
)
{
    if ((flags & ~(uint32_t)TACTUS_TRUNCATE_JOURNAL) != 0) {
        return error_set(error, TACTUS_MISUSE, "repair: flags are out of range; see tactus.h");
    }
    struct reactor reactor = {0};
    const struct file_open_options file_options = {.path = path};
    TRY(open_path(&reactor, "repair", &file_options, error));
    struct report lines;
    struct fault fault = {0};
    report_begin(&lines, report, context);
    const bool truncate = (flags & TACTUS_TRUNCATE_JOURNAL) != 0;
    const enum tactus_status status = repair_file(&reactor, truncate, &lines, &fault);
    report_end(&lines);
    file_close(&reactor);
    if (status == TACTUS_OK) return TACTUS_OK;
    return error_from_fault(error, &fault);
}

/* ---- Digest ---------------------------------------------------------------------------------- */

static struct tactus_u128 u128_of(struct checksum checksum)
{
    return (struct tactus_u128){.low = checksum.low, .high = checksum.high};
}

static enum tactus_status digest_enter(tactus_db *db)
{
    TRY(database_enter(db));
    if (!db->txn.open) return TACTUS_OK;
    return error_set(&db->error, TACTUS_BUSY, "digest: a transaction is open; end it first");
}

enum tactus_status tactus_digest(tactus_db *db, struct tactus_digest *digest)
{
    TRY(digest_enter(db));
    if (digest == NULL) return database_misuse(db, "digest: digest is NULL");
    struct checksum logical;
    struct checksum physical;
    if (digest_logical(db, &logical) != TACTUS_OK) return database_failed(db);
    if (digest_physical(db, &physical) != TACTUS_OK) return database_failed(db);
    *digest = (struct tactus_digest){.logical = u128_of(logical), .physical = u128_of(physical)};
    return TACTUS_OK;
}

enum tactus_status tactus_digest_collection(
    tactus_db *db, const tactus_collection *collection, struct tactus_u128 *digest, uint64_t *count
)
{
    TRY(digest_enter(db));
    if (digest == NULL) return database_misuse(db, "digest: digest is NULL");
    if (collection == NULL || collection->db != db) {
        return database_misuse(db, "digest: the collection is not one of this handle");
    }
    struct checksum checksum;
    uint64_t objects = 0;
    if (digest_collection(db, collection->collection, &checksum, &objects) != TACTUS_OK) {
        return database_failed(db);
    }
    *digest = u128_of(checksum);
    if (count != NULL) *count = objects;
    return TACTUS_OK;
}
