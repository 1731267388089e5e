#include "import_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "errors.h"
#include "time_text.h"

static int read_constant(struct import_map *map, uint32_t field, const char *value)
{
    struct tactus_error error = {0};
    const enum tactus_status status = tactus_value_parse(
        map->session->collection, field, value, strlen(value), map->constants, &error
    );
    if (status == TACTUS_OK) return EXIT_OK;
    return complain_value(status, &error, map->session->fields[field].name, value);
}

/* What stands behind FIELD= : a column, `column:%form`, @row or @value:constant. */
static int read_source(struct import_map *map, uint32_t field, const char *text)
{
    struct source *source = &map->sources[field];
    source->mapped = true;
    if (strcmp(text, "@row") == 0) {
        source->kind = SOURCE_ROW;
        return EXIT_OK;
    }
    if (strncmp(text, "@value:", 7) == 0) {
        source->kind = SOURCE_VALUE;
        return read_constant(map, field, text + 7);
    }

    source->kind = SOURCE_COLUMN;
    const char *form = strstr(text, ":%");
    source->form = form != NULL ? form + 1 : NULL;
    source->column_name = form != NULL ? strndup(text, (size_t)(form - text)) : strdup(text);
    if (source->column_name == NULL) return complain_system("--map", "free some memory");
    if (form != NULL && map->session->fields[field].type != TACTUS_TYPE_TIME) {
        return complain_usage(
            "import",
            "--map %s: a form such as %%d/%%m/%%Y is for time fields alone",
            map->session->fields[field].name
        );
    }
    return EXIT_OK;
}

static int read_map(struct import_map *map, const char *text)
{
    const struct session *session = map->session;
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals[1] == 0) {
        return complain_usage("import", "--map '%s' is not FIELD=COLUMN", text);
    }
    const uint32_t field = session_field(session, text, (size_t)(equals - text));
    if (field == UINT32_MAX) {
        return complain_usage(
            "import",
            "--map: %s has no field '%.*s'",
            session->info.name,
            (int)(equals - text),
            text
        );
    }
    if (session->fields[field].type == TACTUS_TYPE_RESERVED) {
        return complain_usage("import", "--map: '%s' is reserved", session->fields[field].name);
    }
    if (map->sources[field].mapped) {
        return complain_usage("import", "--map: '%s' is there twice", session->fields[field].name);
    }
    return read_source(map, field, equals + 1);
}

int import_map_init(
    struct import_map *map, const struct session *session, const struct arguments *arguments
)
{
    *map = (struct import_map){.session = session, .clock_column = UINT32_MAX};
    map->sources = calloc((size_t)session->info.field_count + 1, sizeof *map->sources);
    map->constants = session_object(session, 1);
    if (map->sources == NULL || map->constants == NULL) return EXIT_SYSTEM;

    int code = EXIT_OK;
    for (int i = 0; i < arguments->given_count && code == EXIT_OK; i += 1) {
        const struct given_option *given = &arguments->given[i];
        if (strcmp(given->option->name, "map") == 0) code = read_map(map, given->value);
    }
    const char *clock = arguments_value(arguments, "clock");
    map->has_clock = clock != NULL;
    if (clock != NULL && strcmp(clock, "wall") != 0) map->clock_name = clock;
    return code;
}

void import_map_forget_header(struct import_map *map)
{
    for (uint32_t i = 0; i < map->column_count; i += 1)
        free(map->columns[i]);
    free(map->columns);
    map->columns = NULL;
    map->column_count = 0;
}

void import_map_deinit(struct import_map *map)
{
    for (uint32_t i = 0; map->sources != NULL && i < map->session->info.field_count; i += 1) {
        free(map->sources[i].column_name);
    }
    import_map_forget_header(map);
    free(map->sources);
    free(map->constants);
    *map = (struct import_map){0};
}

bool import_map_fills_timestamps(const struct import_map *map)
{
    if (session_is_map(map->session)) return false;
    return map->sources[map->session->info.timestamp_field].kind != SOURCE_NONE;
}

static bool refuse(struct row_fault *fault, uint32_t column, uint32_t field, const char *reason)
{
    fault->column = column;
    fault->field = field;
    (void)snprintf(fault->reason, sizeof fault->reason, "%s", reason);
    return false;
}

/* The column of that name: as it is written, else letter case aside. The count says how many. */
static uint32_t column_named(const struct import_map *map, const char *name, uint32_t *count)
{
    uint32_t found = UINT32_MAX;
    *count = 0;
    for (uint32_t i = 0; i < map->column_count; i += 1) {
        if (strcmp(map->columns[i], name) != 0) continue;
        found = i;
        *count += 1;
    }
    if (*count > 0) return found;
    for (uint32_t i = 0; i < map->column_count; i += 1) {
        if (strcasecmp(map->columns[i], name) != 0) continue;
        found = i;
        *count += 1;
    }
    return found;
}

static bool fill_column(struct import_map *map, uint32_t field, struct row_fault *fault)
{
    const struct tactus_field *info = &map->session->fields[field];
    struct source *source = &map->sources[field];
    if (source->mapped && source->kind != SOURCE_COLUMN) return true;
    if (info->type == TACTUS_TYPE_RESERVED) return true;

    const char *name = source->mapped ? source->column_name : info->name;
    uint32_t count = 0;
    source->column = column_named(map, name, &count);
    source->kind = count > 0 ? SOURCE_COLUMN : SOURCE_NONE;
    char reason[sizeof fault->reason];
    if (count > 1) {
        (void)snprintf(
            reason,
            sizeof reason,
            "%u columns are named '%s'; name them apart, or say which by --map %s=COLUMN",
            count,
            name,
            info->name
        );
        return refuse(fault, source->column, field, reason);
    }
    const bool needless =
        (info->flags & TACTUS_FIELD_OPTIONAL) != 0 || field == map->session->info.timestamp_field;
    if (count == 0 && (source->mapped || !needless)) {
        (void)snprintf(
            reason,
            sizeof reason,
            "there is no column '%s' for field '%s'; say which by --map %s=COLUMN, =@row or "
            "=@value:CONSTANT",
            name,
            info->name,
            info->name
        );
        return refuse(fault, UINT32_MAX, field, reason);
    }
    return true;
}

static bool column_is_taken(const struct import_map *map, uint32_t column)
{
    if (column == map->clock_column) return true;
    for (uint32_t i = 0; i < map->session->info.field_count; i += 1) {
        const struct source *source = &map->sources[i];
        if (source->kind == SOURCE_COLUMN && source->column == column) return true;
    }
    return false;
}

static void tell_unknown(struct import_map *map, const char *file)
{
    char names[1024] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < map->column_count; i += 1) {
        if (column_is_taken(map, i)) continue;
        const int more = snprintf(
            names + used, sizeof names - used, "%s'%s'", used > 0 ? ", " : "", map->columns[i]
        );
        if (more < 0 || (size_t)more >= sizeof names - used) break;
        used += (size_t)more;
    }
    if (used == 0 || map->told_unknown) return;
    map->told_unknown = true;
    warn("%s: no field takes column %s: left out; --map FIELD=COLUMN takes one", file, names);
}

bool import_map_header(
    struct import_map *map, const struct csv_row *header, const char *file, struct row_fault *fault
)
{
    import_map_forget_header(map);
    map->columns = calloc(header->cell_count, sizeof *map->columns);
    if (map->columns == NULL) return refuse(fault, UINT32_MAX, UINT32_MAX, "no memory; free some");
    for (uint32_t i = 0; i < header->cell_count; i += 1) {
        map->columns[i] = strdup(header->text + header->cells[i].offset);
        if (map->columns[i] == NULL) {
            return refuse(fault, UINT32_MAX, UINT32_MAX, "no memory; free some");
        }
        map->column_count = i + 1;
    }

    for (uint32_t i = 0; i < map->session->info.field_count; i += 1) {
        if (!fill_column(map, i, fault)) return false;
    }
    if (map->has_clock && import_map_fills_timestamps(map)) {
        return refuse(
            fault,
            UINT32_MAX,
            map->session->info.timestamp_field,
            "timestamps come from a column and from --clock; leave --clock out"
        );
    }
    if (map->clock_name != NULL) {
        uint32_t count = 0;
        map->clock_column = column_named(map, map->clock_name, &count);
        if (count != 1) {
            return refuse(
                fault, UINT32_MAX, UINT32_MAX, "there is not one column of --clock's name; name one"
            );
        }
    }
    tell_unknown(map, file);
    return true;
}

struct cell_text {
    const char *text; /* zero-terminated, too */
    size_t size;
};

static bool fill_field(
    const struct import_map *map,
    uint32_t field,
    struct cell_text cell,
    void *object,
    struct row_fault *fault
)
{
    struct tactus_error error;
    error.text[0] = 0;
    const enum tactus_status status =
        tactus_value_parse(map->session->collection, field, cell.text, cell.size, object, &error);
    if (status == TACTUS_OK) return true;
    const char *reason = error.text[0] != 0 ? error.text : tactus_status_text(status);
    fault->column = map->sources[field].column;
    fault->field = field;
    (void)snprintf(
        fault->reason,
        sizeof fault->reason,
        "%s%s",
        reason,
        advice(reason, "; correct it, or set such rows aside with --reject FILE")
    );
    return false;
}

static bool fill_time(
    const struct import_map *map,
    uint32_t field,
    struct cell_text cell,
    void *object,
    struct row_fault *fault
)
{
    const struct source *source = &map->sources[field];
    char reformed[64];
    if (cell.size == 0) return fill_field(map, field, cell, object, fault);
    if (!time_reform(cell.text, source->form, reformed, sizeof reformed)) {
        (void)snprintf(
            fault->reason,
            sizeof fault->reason,
            "'%.100s' is no time of the form %s; correct it, or the form in --map",
            cell.text,
            source->form
        );
        fault->column = source->column;
        fault->field = field;
        return false;
    }
    const struct cell_text text = {reformed, strlen(reformed)};
    return fill_field(map, field, text, object, fault);
}

static bool check_count(
    const struct import_map *map, const struct csv_row *row, struct row_fault *fault
)
{
    if (row->cell_count == map->column_count) return true;
    /* The first that is missing, or the first that is too many: it has a number, and no name. */
    const bool few = row->cell_count < map->column_count;
    fault->column = few ? row->cell_count : map->column_count;
    fault->field = UINT32_MAX;
    (void)snprintf(
        fault->reason,
        sizeof fault->reason,
        "the row has %u cells and the header %u; give it as many",
        row->cell_count,
        map->column_count
    );
    return false;
}

bool import_map_row(
    const struct import_map *map,
    const struct csv_row *row,
    uint64_t row_number,
    void *object,
    struct row_fault *fault
)
{
    if (!check_count(map, row, fault)) return false;
    memcpy(object, map->constants, map->session->info.object_bytes);
    for (uint32_t i = 0; i < map->session->info.field_count; i += 1) {
        const struct source *source = &map->sources[i];
        bool good = true;
        if (source->kind == SOURCE_ROW) {
            char digits[24];
            const int size =
                snprintf(digits, sizeof digits, "%llu", (unsigned long long)row_number);
            const struct cell_text text = {digits, (size_t)size};
            good = fill_field(map, i, text, object, fault);
            if (!good) fault->column = UINT32_MAX;
        } else if (source->kind == SOURCE_COLUMN) {
            const struct csv_cell *cell = &row->cells[source->column];
            const struct cell_text text = {row->text + cell->offset, cell->size};
            good = source->form != NULL ? fill_time(map, i, text, object, fault)
                                        : fill_field(map, i, text, object, fault);
        }
        if (!good) return false;
    }
    return true;
}

bool import_map_clock(
    const struct import_map *map, const struct csv_row *row, uint64_t *time, struct row_fault *fault
)
{
    const char *text = row->text + row->cells[map->clock_column].offset;
    int64_t ns = 0;
    if (!time_parse(text, &ns)) {
        return refuse(
            fault, map->clock_column, UINT32_MAX, "no time that a clock can take; correct it"
        );
    }
    *time = (uint64_t)ns;
    return true;
}
