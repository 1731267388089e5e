#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "csv_reader.h"
#include "errors.h"
#include "import_batch.h"
#include "import_files.h"
#include "import_map.h"
#include "interrupt.h"
#include "progress.h"
#include "session.h"

struct import {
    struct session session;
    struct import_map map;
    struct import_batch batch;
    struct import_files files;
    const char *file; /* that is being read, borrowed from argv */
    bool has_header;  /* its header was read */
    uint64_t row_number;
    uint64_t bytes_read;
    double seconds;
    double checkpoint_seconds;
    int code; /* what ended it */
};

/* ---- Reading ------------------------------------------------------------------------------- */

static bool take_header(struct import *import, const struct csv_row *row)
{
    import->has_header = true;
    if (import->batch.reject_begun) {
        bool same = row->cell_count == import->map.column_count;
        for (uint32_t i = 0; same && i < row->cell_count; i += 1) {
            same = strcmp(row->text + row->cells[i].offset, import->map.columns[i]) == 0;
        }
        if (!same) {
            import->code = complain(
                EXIT_DATA,
                "%s:%llu: the header is not that of the rows in --reject so far; import it alone",
                import->file,
                (unsigned long long)row->line
            );
            return false;
        }
    }
    struct row_fault fault;
    if (import_map_header(&import->map, row, import->file, &fault)) return true;
    import->code = complain_row(&import->map, import->file, row->line, &fault);
    return false;
}

static bool take_row(void *context, const struct csv_row *row)
{
    struct import *import = context;
    if (interrupted != 0) return false;
    if (!import->has_header) return take_header(import, row);

    import->row_number += 1;
    import->code = import_batch_add(&import->batch, row, import->row_number, import->file);
    if (import->batch.count == 0) progress_update(import->bytes_read, import->row_number);
    return import->code == EXIT_OK;
}

static void complain_text(struct import *import, const struct csv_fault *text_fault)
{
    struct row_fault fault = {.column = text_fault->column - 1, .field = UINT32_MAX};
    (void)snprintf(fault.reason, sizeof fault.reason, "%s", text_fault->reason);
    if (!import->has_header) import_map_forget_header(&import->map); /* of the file before */
    import->code = complain_row(&import->map, import->file, text_fault->line, &fault);
}

/* A row that is none: it is set aside as it stands, where rows are. */
static bool take_bad(void *context, const struct csv_fault *fault)
{
    struct import *import = context;
    if (!import->has_header || import->batch.reject == NULL) return false;
    complain_text(import, fault);
    import->code = EXIT_OK;
    import->row_number += 1;
    import_batch_reject_begin(&import->batch);
    return true;
}

static void take_passed(void *context, const char *bytes, size_t size)
{
    struct import *import = context;
    if (bytes == NULL) {
        import_batch_reject_end(&import->batch);
    } else {
        import_batch_reject_bytes(&import->batch, bytes, size);
    }
}

/* What there is, at most a block; 0 at the end. At least three bytes at the beginning, for there a
 * byte order mark may stand. */
static ssize_t read_block(int fd, char *block, bool first)
{
    size_t size = 0;
    while (interrupted == 0) {
        const ssize_t more = read(fd, block + size, CSV_BLOCK_SIZE - size);
        if (more < 0) return interrupted != 0 ? 0 : -1;
        size += (size_t)more;
        if (more == 0 || !first || size >= 3) break;
    }
    return (ssize_t)size;
}

static void read_text(struct import *import, int fd, struct csv_reader *reader, char *block)
{
    bool going = true;
    for (bool first = true; going && interrupted == 0; first = false) {
        const ssize_t size = read_block(fd, block, first);
        if (size < 0) {
            import->code = complain_system(import->file, "name a file that can be read");
            return;
        }
        if (size == 0 || interrupted != 0) break;
        import->bytes_read += (uint64_t)size;
        going = csv_reader_feed(reader, block, (size_t)size);
        progress_update(import->bytes_read, import->row_number);
    }
    if (going && interrupted == 0) going = csv_reader_finish(reader);
    if (!going && reader->fault.reason != NULL) complain_text(import, &reader->fault);
    if (going && !import->has_header && interrupted == 0) {
        import->code = complain(EXIT_DATA, "%s:1: there is no header row; add one", import->file);
    }
}

static void read_file(struct import *import, int fd)
{
    import->has_header = false;
    const struct csv_calls calls = {take_row, take_bad, take_passed, import};
    struct csv_reader reader;
    char *block = malloc(CSV_BLOCK_SIZE);
    if (csv_reader_init(&reader, import->batch.delimiter, &calls) && block != NULL) {
        read_text(import, fd, &reader, block);
    } else {
        import->code = complain_system(import->file, "free some memory");
    }
    csv_reader_deinit(&reader);
    free(block);
}

static void read_files(struct import *import, const struct arguments *arguments)
{
    const int count = arguments->word_count > 2 ? arguments->word_count - 2 : 1;
    for (int i = 0; i < count && import->code == EXIT_OK && interrupted == 0; i += 1) {
        const char *path = arguments->word_count > 2 ? arguments->words[2 + i] : "-";
        if (strcmp(path, "-") == 0) {
            import->file = "standard input";
            read_file(import, STDIN_FILENO);
            continue;
        }
        import->file = path;
        const int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            import->code = complain_system(path, "name a file that can be read");
            return;
        }
        read_file(import, fd);
        (void)close(fd);
    }
}

/* 0 if one of them is no plain file. */
static uint64_t bytes_of(const struct arguments *arguments)
{
    uint64_t total = 0;
    const int count = arguments->word_count > 2 ? arguments->word_count - 2 : 1;
    for (int i = 0; i < count; i += 1) {
        const char *path = arguments->word_count > 2 ? arguments->words[2 + i] : "-";
        struct stat status;
        const int answer =
            strcmp(path, "-") == 0 ? fstat(STDIN_FILENO, &status) : stat(path, &status);
        if (answer != 0 || !S_ISREG(status.st_mode)) return 0;
        total += (uint64_t)status.st_size;
    }
    return total;
}

/* ---- What it came to ----------------------------------------------------------------------- */

static void print_summary(const struct import *import)
{
    const struct import_counts *counts = &import->batch.counts;
    const uint64_t rows = counts->imported + counts->skipped + counts->rejected;
    char rejected[64] = "";
    if (import->batch.reject != NULL) {
        (void)snprintf(
            rejected, sizeof rejected, ", %llu set aside", (unsigned long long)counts->rejected
        );
    }
    const char *how = "";
    if (import->code != EXIT_OK) how = "; it ended there, and what was committed before is kept";
    if (interrupted != 0) how = "; interrupted, and what was committed before is kept";
    say("imported %llu row%s (%llu skipped%s) in %.1f s, %.0f rows/s%s",
        (unsigned long long)counts->imported,
        counts->imported == 1 ? "" : "s",
        (unsigned long long)counts->skipped,
        rejected,
        import->seconds,
        import->seconds > 0 ? (double)rows / import->seconds : 0.0,
        how);
}

static int compare_ns(const void *left, const void *right)
{
    uint64_t a = 0;
    uint64_t b = 0;
    memcpy(&a, left, sizeof a);
    memcpy(&b, right, sizeof b);
    return a < b ? -1 : a > b ? 1 : 0;
}

static double percentile_ms(const struct import_batch *batch, uint32_t hundredths)
{
    const uint64_t count = batch->counts.commits;
    if (count == 0) return 0;
    return (double)batch->commit_ns[(count - 1) * hundredths / 100] / 1e6;
}

/* What the library did for it: work per beat, cache, blocks, lookups. */
static void write_process(FILE *stream, const struct tactus_stats *stats)
{
    const struct {
        const char *name;
        uint64_t value;
    } figures[] = {
        {"has_worker", stats->has_worker},
        {"beats_worked", stats->beats_worked},
        {"beat_bytes_p50", stats->beat_bytes_p50},
        {"beat_bytes_p99", stats->beat_bytes_p99},
        {"beat_bytes_max", stats->beat_bytes_max},
        {"beat_quota_max", stats->beat_quota_max},
        {"beat_beyond_max", stats->beat_beyond_max},
        {"blocks_read", stats->blocks_read},
        {"blocks_cached", stats->blocks_cached},
        {"blocks_written", stats->blocks_written},
        {"blocks_live", stats->blocks_live},
        {"blocks_released", stats->blocks_released},
        {"blocks_free", stats->blocks_free},
        {"file_bytes", stats->file_bytes},
        {"checkpoints_durable", stats->checkpoints_durable},
        {"checkpoints_waited", stats->checkpoints_waited},
        {"checkpoint_ns_max", stats->checkpoint_ns_max},
        {"checkpoint_ns_total", stats->checkpoint_ns_total},
        {"lookups", stats->lookups},
        {"lookups_outside", stats->lookups_outside},
        {"tables_asked", stats->tables_asked},
        {"filter_negatives", stats->filter_negatives},
        {"filter_positives", stats->filter_positives},
        {"filter_false_positives", stats->filter_false_positives},
    };
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i += 1) {
        (void
        )fprintf(stream, ",\"%s\":%llu", figures[i].name, (unsigned long long)figures[i].value);
    }
}

static int write_stats(struct import *import)
{
    const char *path = import->files.stats.path;
    if (path == NULL) return EXIT_OK;
    struct import_batch *batch = &import->batch;
    struct tactus_stats stats = {.struct_bytes = (uint32_t)sizeof stats};
    tactus_stats(import->session.db, &stats);
    struct rusage usage;
    memset(&usage, 0, sizeof usage);
    (void)getrusage(RUSAGE_SELF, &usage);
    if (batch->counts.commits > 0) {
        qsort(batch->commit_ns, batch->counts.commits, sizeof *batch->commit_ns, compare_ns);
    }

    FILE *stream = NULL;
    const int code = import_target_begin(&import->files.stats, &stream);
    if (code != EXIT_OK) return code;
    const uint64_t rows = batch->counts.imported + batch->counts.skipped + batch->counts.rejected;
    (void)fprintf(
        stream,
        "{\"rows\":%llu,\"imported\":%llu,\"skipped\":%llu,\"rejected\":%llu,\"seconds\":%.6f,"
        "\"checkpoint_seconds\":%.6f,\"rows_per_second\":%.1f,\"commits\":%llu,",
        (unsigned long long)rows,
        (unsigned long long)batch->counts.imported,
        (unsigned long long)batch->counts.skipped,
        (unsigned long long)batch->counts.rejected,
        import->seconds,
        import->checkpoint_seconds,
        import->seconds > 0 ? (double)rows / import->seconds : 0.0,
        (unsigned long long)batch->counts.commits
    );
    (void)fprintf(
        stream,
        "\"commit_ms_p50\":%.3f,\"commit_ms_p99\":%.3f,\"commit_ms_max\":%.3f,\"bytes_input\":%llu,"
        "\"bytes_journal\":%llu,\"bytes_grid\":%llu,\"memory_bytes\":%llu,\"peak_rss_kib\":%ld",
        percentile_ms(batch, 50),
        percentile_ms(batch, 99),
        percentile_ms(batch, 100),
        (unsigned long long)import->bytes_read,
        (unsigned long long)stats.bytes_journal,
        (unsigned long long)stats.bytes_grid,
        (unsigned long long)stats.memory_bytes,
        usage.ru_maxrss
    );
    write_process(stream, &stats);
    (void)fputs("}\n", stream);
    if (fclose(stream) != 0) return complain_system(path, "make room");
    return EXIT_OK;
}

/* The end of it all: nothing is left to replay. */
static int checkpoint(struct import *import, bool wanted)
{
    const uint64_t begin_ns = clock_ns();
    const enum tactus_status status =
        wanted ? tactus_checkpoint(import->session.db) : tactus_flush(import->session.db);
    if (status != TACTUS_OK) return session_failed(&import->session, status);
    import->checkpoint_seconds = (double)(clock_ns() - begin_ns) / 1e9;
    import_batch_ack_all(&import->batch);
    return EXIT_OK;
}

/* ---- All of it ----------------------------------------------------------------------------- */

static void import_rows(struct import *import, const struct arguments *arguments)
{
    const uint64_t begin_ns = clock_ns();
    interrupt_catch();
    progress_begin(bytes_of(arguments));
    read_files(import, arguments);
    if (import->code == EXIT_OK && interrupted == 0) {
        import->code = import_batch_commit(&import->batch);
    }
    progress_end();
    import->seconds = (double)(clock_ns() - begin_ns) / 1e9;
    print_summary(import);
    if (interrupted != 0) {
        import->code = EXIT_SIGNAL + interrupted;
        return;
    }
    if (import->code == EXIT_OK) {
        import->code = checkpoint(import, !arguments_has(arguments, "no-checkpoint"));
    }
    if (import->code == EXIT_OK && import->batch.counts.rejected > 0) import->code = EXIT_DATA;
}

static int read_transaction(
    const struct import *import, const struct arguments *arguments, uint32_t *rows
)
{
    const uint64_t batch_max = import->session.info.batch_max;
    uint64_t number = batch_max;
    const int code = arguments_number(arguments, "transaction", UINT32_MAX, &number);
    if (code != EXIT_OK) return code;
    if (number == 0 || number > batch_max) {
        return complain(
            EXIT_USAGE,
            "import: --transaction %llu: the file's batch is %llu; give 1 to that",
            (unsigned long long)number,
            (unsigned long long)batch_max
        );
    }
    *rows = (uint32_t)number;
    return EXIT_OK;
}

static int close_reject(FILE *reject, const char *path)
{
    if (reject == NULL) return EXIT_OK;
    const bool failed = ferror(reject) != 0;
    if (fclose(reject) == 0 && !failed) return EXIT_OK;
    return complain_system(path, "the rows set aside are not all there: make room");
}

/* What differs for a map: it is written blindly unless told otherwise, and has no timestamps. */
static int check_map(struct import *import, const struct arguments *arguments)
{
    if (!session_is_map(&import->session)) return EXIT_OK;
    if (arguments_has(arguments, "clock")) {
        return complain(
            EXIT_USAGE,
            "import: %s is a map, without timestamps; leave --clock out",
            import->session.info.name
        );
    }
    if (!arguments_has(arguments, "on-exists")) import->batch.on_exists = ON_EXISTS_REPLACE;
    return EXIT_OK;
}

static int import_collection(struct import *import, const struct arguments *arguments)
{
    struct import_batch *batch = &import->batch;
    int code = check_map(import, arguments);
    if (code == EXIT_OK) code = read_transaction(import, arguments, &batch->capacity);
    if (code != EXIT_OK) return code;

    batch->session = &import->session;
    batch->map = &import->map;
    code = import_map_init(&import->map, &import->session, arguments);
    if (code == EXIT_OK) code = import_batch_init(batch);
    if (code == EXIT_OK) code = import_target_begin(&import->files.reject, &batch->reject);
    FILE *reject = batch->reject;
    if (code == EXIT_OK && arguments_has(arguments, "clock")) {
        batch->wall_clock = strcmp(arguments_value(arguments, "clock"), "wall") == 0;
    }
    if (code == EXIT_OK) {
        import_rows(import, arguments);
        code = import->code;
        const int written = write_stats(import);
        if (code == EXIT_OK) code = written;
    }
    const int closed = close_reject(reject, arguments_value(arguments, "reject"));
    if (code == EXIT_OK || code == EXIT_DATA) code = closed != EXIT_OK ? closed : code;
    import_batch_deinit(batch);
    import_map_deinit(&import->map);
    return code;
}

static int read_delimiter(const struct arguments *arguments, char *delimiter)
{
    const char *text = arguments_value(arguments, "delimiter");
    *delimiter = ',';
    if (text == NULL) return EXIT_OK;
    if (strcmp(text, "\\t") == 0 || strcmp(text, "tab") == 0) text = "\t";
    const bool good = text[0] != 0 && text[1] == 0 && (unsigned char)text[0] < 0x80 &&
                      text[0] != '"' && text[0] != '\n' && text[0] != '\r';
    if (!good) {
        return complain_usage(
            "import", "--delimiter '%s' is not one character such as ; or tab", text
        );
    }
    *delimiter = text[0];
    return EXIT_OK;
}

static int run(const struct arguments *arguments)
{
    static const char *const exists_choices[] = {"error", "skip", "replace", NULL};
    static const char *const sync_choices[] = {"commit", "interval", "none", NULL};
    int on_exists = ON_EXISTS_ERROR;
    int sync = TACTUS_SYNC_COMMIT;
    struct import import = {.code = EXIT_OK};
    int code = arguments_choice(arguments, "on-exists", exists_choices, &on_exists);
    if (code == EXIT_OK) code = arguments_choice(arguments, "sync", sync_choices, &sync);
    if (code == EXIT_OK) code = read_delimiter(arguments, &import.batch.delimiter);
    if (code != EXIT_OK) return code;
    import.batch.on_exists = (enum on_exists)on_exists;
    import.batch.sync = (enum tactus_sync)sync;
    import.batch.ack = arguments_has(arguments, "ack");

    code = import_files_open(&import.files, arguments, import.batch.delimiter);
    if (code == EXIT_OK) {
        code = session_open(&import.session, arguments, SESSION_WRITE, import.batch.sync);
    }
    if (code == EXIT_OK) code = session_collection(&import.session, arguments->words[1]);
    if (code == EXIT_OK) code = import_collection(&import, arguments);
    code = session_close(&import.session, code);
    import_files_close(&import.files);
    return code;
}

static const struct option options[] = {
    {"map", OPTION_VALUE},
    {"on-exists", OPTION_VALUE},
    {"sync", OPTION_VALUE},
    {"transaction", OPTION_VALUE},
    {"stats", OPTION_VALUE},
    {"clock", OPTION_VALUE},
    {"ack", OPTION_FLAG},
    {"reject", OPTION_VALUE},
    {"delimiter", OPTION_VALUE},
    {"no-checkpoint", OPTION_FLAG},
    {NULL, OPTION_END},
};

const struct command command_import = {
    .name = "import",
    .synopsis = "FILE COLLECTION [CSV...] [options]",
    .help =
        "Reads CSV (RFC 4180, with a header row) from files, or from standard input (-, or no "
        "CSV).\n"
        "A field is filled from the column of its name, letter case aside. A bad row is named by\n"
        "file, line, column and reason and ends the import; transactions before it are kept. A\n"
        "blank line is no row, but where the header has one column: there it is an empty cell.\n"
        "\n"
        "  --map FIELD=COLUMN        another column; FIELD=COLUMN:%d/%m/%Y reads a time by a "
        "strptime\n"
        "                            form; FIELD=@row is the row's number, FIELD=@value:7 a "
        "constant\n"
        "  --on-exists error|skip|replace  what an id does that is there already (error; of a\n"
        "                            map: replace, without a look)\n"
        "  --sync commit|interval|none     when commits are durable (commit)\n"
        "  --transaction ROWS        rows in a transaction (the file's batch)\n"
        "  --stats FILE.json         figures of this import, into a file\n"
        "  --clock COLUMN|wall       timestamps are max(last + 1, that time in nanoseconds)\n"
        "  --ack                     prints 'ack N' each time N rows are durable\n"
        "  --reject FILE             sets bad rows aside there and goes on; exit status 1 still.\n"
        "                            All files must have one header. A quote left open always\n"
        "                            ends the import: nobody knows where the next row begins\n"
        "  --delimiter C             a character, or tab, in place of the comma\n"
        "  --no-checkpoint           leave the last commits to the journal\n"
        "\n"
        "Example:\n"
        "  tactus import shop.tactus sale sales.csv --map id=@row --map at=InvoiceDate\n",
    .options = options,
    .words_min = 2,
    .words_max = -1,
    .run = run,
};
