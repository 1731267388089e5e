#include "create_options.h"

#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "file_text.h"
#include "session.h"

/* To the library 0 means the default: whoever writes a 0 means something else. */
static int refuse_zero(const struct arguments *arguments, const char *name, uint64_t value)
{
    if (value != 0 || !arguments_has(arguments, name)) return EXIT_OK;
    return complain_usage(
        arguments->command->name, "--%s is 0: give more, or leave it out for the default", name
    );
}

static int read_u32(const struct arguments *arguments, const char *name, uint32_t *value)
{
    uint64_t number = *value;
    const int code = arguments_number(arguments, name, UINT32_MAX, &number);
    *value = (uint32_t)number;
    return code;
}

static int read_positive(const struct arguments *arguments, const char *name, uint32_t *value)
{
    const int code = read_u32(arguments, name, value);
    return code == EXIT_OK ? refuse_zero(arguments, name, *value) : code;
}

static int read_size(const struct arguments *arguments, const char *name, uint64_t *size)
{
    const int code = arguments_size(arguments, name, size);
    return code == EXIT_OK ? refuse_zero(arguments, name, *size) : code;
}

static int read_block_size(const struct arguments *arguments, uint32_t *block_size)
{
    uint64_t size = *block_size;
    const int code = read_size(arguments, "block-size", &size);
    if (code != EXIT_OK) return code;
    if (size > 1u << 20) {
        return complain_usage(arguments->command->name, "--block-size is 4K to 1M");
    }
    *block_size = (uint32_t)size;
    return EXIT_OK;
}

/* "4,4": level by level; those that are left have one. */
static bool runs_parse(const char *text, uint32_t runs[7])
{
    uint32_t count = 0;
    for (const char *at = text;; at += 1) {
        uint64_t value = 0;
        for (; *at >= '0' && *at <= '9' && value < 1000; at += 1) {
            value = value * 10 + (uint64_t)(*at - '0');
        }
        if (value == 0 || count == 7) return false;
        runs[count] = (uint32_t)value;
        count += 1;
        if (*at == 0) break;
        if (*at != ',') return false;
    }
    for (uint32_t level = count; level < 7; level += 1)
        runs[level] = 1;
    return true;
}

static int read_runs(const struct arguments *arguments, uint32_t runs[7])
{
    const char *text = arguments_value(arguments, "runs");
    if (text == NULL || runs_parse(text, runs)) return EXIT_OK;
    return complain_usage(
        arguments->command->name, "--runs '%s' is not one to seven numbers from 1, as in 4,4", text
    );
}

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

/* One to 32 digits, hyphens between them allowed (a UUID): a number, never zero. */
static int read_file_id(const struct arguments *arguments, struct tactus_u128 *id)
{
    const char *text = arguments_value(arguments, "file-id");
    if (text == NULL) return EXIT_OK;

    struct tactus_u128 number = {0, 0};
    uint32_t digits = 0;
    bool good = true;
    for (const char *at = text; *at != 0 && good; at += 1) {
        if (*at == '-' && digits > 0) continue;
        const int digit = hex_digit(*at);
        good = digit >= 0 && digits < 32;
        if (!good) break;
        number.high = number.high << 4 | number.low >> 60;
        number.low = number.low << 4 | (uint64_t)digit;
        digits += 1;
    }
    if (!good || (number.low | number.high) == 0) {
        return complain_usage(
            arguments->command->name,
            "--file-id '%s' is not up to 32 hex digits, not all zero",
            text
        );
    }
    *id = number;
    return EXIT_OK;
}

int create_options_read(const struct arguments *arguments, struct tactus_create_options *create)
{
    tactus_create_options_default(create);

    int code = read_size(arguments, "memory", &create->memory_bytes);
    if (code == EXIT_OK) code = read_size(arguments, "journal", &create->journal_bytes);
    if (code == EXIT_OK) code = read_size(arguments, "size-max", &create->size_max);
    if (code == EXIT_OK) code = read_block_size(arguments, &create->block_size);
    if (code == EXIT_OK) code = read_positive(arguments, "batch", &create->batch_max);
    if (code == EXIT_OK) code = read_positive(arguments, "bar", &create->bar_beats);
    if (code == EXIT_OK) code = read_positive(arguments, "growth", &create->growth_factor);
    if (code == EXIT_OK) code = read_positive(arguments, "tables-max", &create->tables_max);
    if (code == EXIT_OK) code = read_u32(arguments, "keep", &create->keep);
    if (code == EXIT_OK) code = read_u32(arguments, "snapshots-max", &create->snapshots_max);
    if (code == EXIT_OK) code = read_runs(arguments, create->runs_max);
    if (code == EXIT_OK) code = read_file_id(arguments, &create->file_id);
    return code;
}

int creation_init(struct creation *creation, const struct arguments *arguments)
{
    *creation = (struct creation){0};
    creation->schema_path = arguments_value(arguments, "schema");
    if (creation->schema_path == NULL) {
        return complain_usage(arguments->command->name, "--schema FILE is missing");
    }
    tactus_open_options_default(&creation->open);
    int code = create_options_read(arguments, &creation->create);
    if (arguments_has(arguments, "overwrite")) creation->create.flags |= TACTUS_OVERWRITE;
    if (code == EXIT_OK) code = session_options(arguments, &creation->open);
    if ((creation->open.flags & TACTUS_POSIX_IO) != 0) {
        creation->create.flags |= TACTUS_CREATE_POSIX_IO;
    }
    if (code == EXIT_OK) code = file_text_read(creation->schema_path, &creation->schema);
    if (code != EXIT_OK) return code;

    struct tactus_error error = {0};
    creation->plan.struct_bytes = (uint32_t)sizeof creation->plan;
    const enum tactus_status status = tactus_memory_required(
        creation->schema, &creation->create, &creation->open, &creation->plan, &error
    );
    if (status != TACTUS_OK) return complain_error(status, &error, creation->schema_path);
    return EXIT_OK;
}

void creation_deinit(struct creation *creation)
{
    free(creation->schema);
    creation->schema = NULL;
}

void bytes_text(double bytes, char *text, size_t size)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
    uint32_t unit = 0;
    for (; bytes >= 1024 && unit < 5; unit += 1)
        bytes /= 1024;
    const int decimals = unit == 0 || bytes >= 100 ? 0 : bytes >= 10 ? 1 : 2;
    (void)snprintf(text, size, "%.*f %s", decimals, bytes, units[unit]);
}

enum plan_unit { PLAN_COUNT, PLAN_BYTES };

struct plan_line {
    const char *name;  /* in JSON */
    const char *words; /* for people */
    enum plan_unit unit;
    uint64_t value;
};

enum { PLAN_LINES = 23 };

static void plan_lines(const struct tactus_plan *plan, struct plan_line lines[PLAN_LINES])
{
    const struct plan_line all[PLAN_LINES] = {
        {"memory_bytes", "memory of an open, all told", PLAN_BYTES, plan->memory_bytes},
        {"memory_tables_bytes", "  memory tables", PLAN_BYTES, plan->memory_tables_bytes},
        {"sort_scratch_bytes", "  scratch for sorting", PLAN_BYTES, plan->sort_scratch_bytes},
        {"transaction_bytes", "  transaction", PLAN_BYTES, plan->transaction_bytes},
        {"cache_bytes", "  block cache", PLAN_BYTES, plan->cache_bytes},
        {"free_set_bytes", "  free set", PLAN_BYTES, plan->free_set_bytes},
        {"manifest_bytes", "  manifest", PLAN_BYTES, plan->manifest_bytes},
        {"query_bytes", "  queries", PLAN_BYTES, plan->query_bytes},
        {"other_bytes", "  other", PLAN_BYTES, plan->other_bytes},
        {"read_only_bytes_max",
         "more for a read-only open, at worst",
         PLAN_BYTES,
         plan->read_only_bytes_max},
        {"block_size", "block size", PLAN_BYTES, plan->block_size},
        {"batch_max", "batch: objects in a transaction", PLAN_COUNT, plan->batch_max},
        {"bar_beats", "beats in a bar", PLAN_COUNT, plan->bar_beats},
        {"tree_count", "trees", PLAN_COUNT, plan->tree_count},
        {"tables_max", "tables on disk, at most", PLAN_COUNT, plan->tables_max},
        {"entry_bytes_max",
         "the largest transaction in the journal",
         PLAN_BYTES,
         plan->entry_bytes_max},
        {"journal_bytes", "journal", PLAN_BYTES, plan->journal_bytes},
        {"size_max", "blocks, at most", PLAN_BYTES, plan->size_max},
        {"objects_max", "objects of every collection that fit", PLAN_COUNT, plan->objects_max},
        {"object_bytes_logical",
         "one object of each collection, in all trees",
         PLAN_BYTES,
         plan->object_bytes_logical},
        {"file_bytes_empty", "file after the first open", PLAN_BYTES, plan->file_bytes_empty},
        {"tables_bind", "tables-max is reached before size-max", PLAN_COUNT, plan->tables_bind},
        {NULL, NULL, PLAN_COUNT, 0},
    };
    memcpy(lines, all, sizeof all);
}

void plan_print(FILE *stream, const struct tactus_plan *plan)
{
    struct plan_line lines[PLAN_LINES];
    plan_lines(plan, lines);
    for (const struct plan_line *line = lines; line->name != NULL; line += 1) {
        char value[64];
        if (line->unit == PLAN_BYTES) {
            bytes_text((double)line->value, value, sizeof value);
        } else if (strcmp(line->name, "tables_bind") == 0) {
            (void)snprintf(value, sizeof value, "%s", line->value != 0 ? "yes" : "no");
        } else {
            (void)snprintf(value, sizeof value, "%llu", (unsigned long long)line->value);
        }
        (void)fprintf(stream, "%-46s %16s\n", line->words, value);
    }
    (void)fprintf(
        stream, "%-46s %16.1f\n", "write amplification, at worst", plan->write_amplification_max
    );
    (void)fprintf(
        stream, "%-46s %13.1f s\n", "time to open after a crash, at worst", plan->open_seconds_max
    );
}

void plan_print_json(FILE *stream, const struct tactus_plan *plan)
{
    struct plan_line lines[PLAN_LINES];
    plan_lines(plan, lines);
    (void)fputc('{', stream);
    for (const struct plan_line *line = lines; line->name != NULL; line += 1) {
        (void)fprintf(stream, "\"%s\":%llu,", line->name, (unsigned long long)line->value);
    }
    (void)fprintf(
        stream,
        "\"write_amplification_max\":%.3f,\"open_seconds_max\":%.3f}\n",
        plan->write_amplification_max,
        plan->open_seconds_max
    );
}
