#include "output.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "errors.h"

int output_format(const struct arguments *arguments, bool allow_count, enum format *format)
{
    static const char *const choices[] = {"table", "csv", "json", "count", NULL};
    static const char *const choices_of_rows[] = {"table", "csv", "json", NULL};
    int choice = isatty(STDOUT_FILENO) != 0 ? FORMAT_TABLE : FORMAT_CSV;
    const int code =
        arguments_choice(arguments, "format", allow_count ? choices : choices_of_rows, &choice);
    *format = (enum format)choice;
    return code;
}

/* ---- Values -------------------------------------------------------------------------------- */

bool json_number_is_exact(const char *text)
{
    static const char limit[] = "9007199254740992";
    char digits[sizeof limit + 1];
    size_t count = 0;
    for (const char *at = text; *at != 0; at += 1) {
        if (*at < '0' || *at > '9') continue;
        if (count == 0 && *at == '0') continue;
        if (count == sizeof limit - 1) return false;
        digits[count] = *at;
        count += 1;
    }
    digits[count] = 0;
    return count < sizeof limit - 1 || strcmp(digits, limit) <= 0;
}

void json_text(FILE *stream, const char *text)
{
    (void)fputc('"', stream);
    for (const char *at = text; *at != 0; at += 1) {
        const unsigned char byte = (unsigned char)*at;
        if (byte == '"' || byte == '\\') {
            (void)fprintf(stream, "\\%c", byte);
        } else if (byte < 0x20 || byte == 0x7f) {
            (void)fprintf(stream, "\\u%04x", byte);
        } else {
            (void)fputc(byte, stream);
        }
    }
    (void)fputc('"', stream);
}

void csv_text(FILE *stream, const char *text, size_t size, char delimiter, bool is_alone)
{
    const bool quoted = memchr(text, delimiter, size) != NULL || memchr(text, '"', size) != NULL ||
                        memchr(text, '\n', size) != NULL || memchr(text, '\r', size) != NULL ||
                        (size == 0 && is_alone);
    if (!quoted) {
        (void)fwrite(text, 1, size, stream);
        return;
    }
    (void)fputc('"', stream);
    for (size_t i = 0; i < size; i += 1) {
        if (text[i] == '"') (void)fputc('"', stream);
        (void)fputc((unsigned char)text[i], stream);
    }
    (void)fputc('"', stream);
}

static bool field_is_number(const struct tactus_field *field)
{
    switch ((enum tactus_type)field->type) {
    case TACTUS_TYPE_U8:
    case TACTUS_TYPE_U16:
    case TACTUS_TYPE_U32:
    case TACTUS_TYPE_U64:
    case TACTUS_TYPE_U128:
    case TACTUS_TYPE_I8:
    case TACTUS_TYPE_I16:
    case TACTUS_TYPE_I32:
    case TACTUS_TYPE_I64:
    case TACTUS_TYPE_F32:
    case TACTUS_TYPE_F64:
    case TACTUS_TYPE_TIMESTAMP:
    case TACTUS_TYPE_DECIMAL: return true;
    case TACTUS_TYPE_BOOL:
    case TACTUS_TYPE_UUID:
    case TACTUS_TYPE_TIME:
    case TACTUS_TYPE_TEXT:
    case TACTUS_TYPE_BYTES:
    case TACTUS_TYPE_RESERVED: return false;
    }
    return false;
}

static bool field_is_float(const struct tactus_field *field)
{
    return field->type == TACTUS_TYPE_F32 || field->type == TACTUS_TYPE_F64;
}

static void json_value(const struct tactus_field *field, const char *text)
{
    bool bare = false;
    if (field_is_float(field)) {
        bare = strchr(text, 'n') == NULL && strchr(text, 'N') == NULL; /* not inf */
    } else if (field_is_number(field)) {
        bare = json_number_is_exact(text);
    } else if (field->type == TACTUS_TYPE_BOOL) {
        bare = true;
    }

    if (text[0] == 0 && (field->flags & TACTUS_FIELD_OPTIONAL) != 0) {
        (void)fputs("null", stdout);
    } else if (bare && text[0] != 0) {
        (void)fputs(text, stdout);
    } else {
        json_text(stdout, text);
    }
}

/* Formats a column's value; answers its length. */
static size_t value_text(
    const struct output *output, uint32_t column, const void *object, char *text
)
{
    const size_t size = tactus_value_format(
        output->session->collection, output->columns[column], object, text, VALUE_TEXT_MAX
    );
    return size < VALUE_TEXT_MAX ? size : VALUE_TEXT_MAX - 1;
}

static const struct tactus_field *column_field(const struct output *output, uint32_t column)
{
    return &output->session->fields[output->columns[column]];
}

/* ---- CSV and JSON -------------------------------------------------------------------------- */

static void csv_header(const struct output *output)
{
    for (uint32_t i = 0; i < output->column_count; i += 1) {
        if (i > 0) (void)fputc(',', stdout);
        (void)fputs(column_field(output, i)->name, stdout);
    }
    (void)fputc('\n', stdout);
}

static void csv_row(const struct output *output, const void *object)
{
    char text[VALUE_TEXT_MAX];
    for (uint32_t i = 0; i < output->column_count; i += 1) {
        if (i > 0) (void)fputc(',', stdout);
        const size_t size = value_text(output, i, object, text);
        csv_text(stdout, text, size, ',', output->column_count == 1);
    }
    (void)fputc('\n', stdout);
}

static void json_row(const struct output *output, const void *object)
{
    char text[VALUE_TEXT_MAX];
    (void)fputc('{', stdout);
    for (uint32_t i = 0; i < output->column_count; i += 1) {
        if (i > 0) (void)fputc(',', stdout);
        json_text(stdout, column_field(output, i)->name);
        (void)fputc(':', stdout);
        (void)value_text(output, i, object, text);
        json_value(column_field(output, i), text);
    }
    (void)fputs("}\n", stdout);
}

/* ---- Tables -------------------------------------------------------------------------------- */

/* Characters, not bytes: good enough to align what is not wider than one cell each. */
static uint32_t text_width(const char *text)
{
    uint32_t width = 0;
    for (const char *at = text; *at != 0; at += 1) {
        if (((unsigned char)*at & 0xc0u) != 0x80u) width += 1;
    }
    return width;
}

static void table_cell(const struct output *output, uint32_t column, const char *text)
{
    const uint32_t width = text_width(text);
    const uint32_t wanted = output->widths[column];
    const uint32_t pad = width < wanted ? wanted - width : 0;
    const bool right = field_is_number(column_field(output, column));
    const bool last = column + 1 == output->column_count;

    if (column > 0) (void)fputs("  ", stdout);
    if (right) (void)printf("%*s", (int)pad, "");
    for (const char *at = text; *at != 0; at += 1) {
        const unsigned char byte = (unsigned char)*at;
        (void)fputc(byte < 0x20 || byte == 0x7f ? '?' : byte, stdout);
    }
    if (!right && !last) (void)printf("%*s", (int)pad, "");
}

static void table_row(const struct output *output, const void *object)
{
    char text[VALUE_TEXT_MAX];
    for (uint32_t i = 0; i < output->column_count; i += 1) {
        (void)value_text(output, i, object, text);
        table_cell(output, i, text);
    }
    (void)fputc('\n', stdout);
}

static void table_begin(struct output *output)
{
    char text[VALUE_TEXT_MAX];
    output->table_begun = true;
    for (uint32_t i = 0; i < output->column_count; i += 1) {
        output->widths[i] = text_width(column_field(output, i)->name);
        for (uint32_t row = 0; row < output->held_count; row += 1) {
            const uint64_t offset = (uint64_t)row * output->session->info.object_bytes;
            (void)value_text(output, i, output->held + offset, text);
            const uint32_t width = text_width(text);
            if (width > output->widths[i]) output->widths[i] = width;
        }
    }

    if (output->colour) (void)fputs("\033[1m", stdout);
    for (uint32_t i = 0; i < output->column_count; i += 1) {
        table_cell(output, i, column_field(output, i)->name);
    }
    if (output->colour) (void)fputs("\033[0m", stdout);
    (void)fputc('\n', stdout);
    for (uint32_t row = 0; row < output->held_count; row += 1) {
        table_row(output, output->held + (uint64_t)row * output->session->info.object_bytes);
    }
}

/* ---- All of them --------------------------------------------------------------------------- */

static int select_columns(struct output *output, const char *select)
{
    const struct session *session = output->session;
    if (select == NULL) {
        for (uint32_t i = 0; i < session->info.field_count; i += 1) {
            if (session->fields[i].type == TACTUS_TYPE_RESERVED) continue;
            output->columns[output->column_count] = i;
            output->column_count += 1;
        }
        return EXIT_OK;
    }
    for (const char *at = select; at != NULL;) {
        const char *comma = strchr(at, ',');
        const size_t size = comma != NULL ? (size_t)(comma - at) : strlen(at);
        const uint32_t field = session_field(session, at, size);
        if (field == UINT32_MAX) {
            return complain(
                EXIT_USAGE,
                "--select: %s has no field '%.*s'; name fields with commas between them",
                session->info.name,
                (int)size,
                at
            );
        }
        output->columns[output->column_count] = field;
        output->column_count += 1;
        at = comma != NULL ? comma + 1 : NULL;
    }
    return EXIT_OK;
}

int output_begin(
    struct output *output, const struct session *session, enum format format, const char *select
)
{
    *output = (struct output){.format = format, .session = session};
    size_t column_max = session->info.field_count;
    if (select != NULL) column_max = strlen(select) + 1;
    output->columns = calloc(column_max + 1, sizeof *output->columns);
    output->widths = calloc(column_max + 1, sizeof *output->widths);
    output->held = format == FORMAT_TABLE ? session_object(session, TABLE_ROWS) : NULL;
    if (output->columns == NULL || output->widths == NULL) {
        return complain_system("output", "free some memory");
    }
    if (format == FORMAT_TABLE && output->held == NULL) return EXIT_SYSTEM;

    output->colour = isatty(STDOUT_FILENO) != 0 && getenv("NO_COLOR") == NULL;
    const int code = select_columns(output, select);
    if (code == EXIT_OK && format == FORMAT_CSV) csv_header(output);
    return code;
}

void output_row(struct output *output, const void *object)
{
    output->row_count += 1;
    switch (output->format) {
    case FORMAT_CSV: csv_row(output, object); break;
    case FORMAT_JSON: json_row(output, object); break;
    case FORMAT_COUNT: break; /* counted by who asks */
    case FORMAT_TABLE:
        if (!output->table_begun && output->held_count < TABLE_ROWS) {
            const uint64_t bytes = output->session->info.object_bytes;
            memcpy(output->held + output->held_count * bytes, object, bytes);
            output->held_count += 1;
            break;
        }
        if (!output->table_begun) table_begin(output);
        table_row(output, object);
        break;
    }
}

int output_flush(void)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0) return EXIT_OK;
    return complain_system(
        "standard output", "the answer is not whole: make room and run it again"
    );
}

int output_end(struct output *output)
{
    const bool complete = output->columns != NULL && output->column_count > 0;
    if (complete && output->format == FORMAT_TABLE && !output->table_begun) table_begin(output);
    free(output->columns);
    free(output->widths);
    free(output->held);
    *output = (struct output){0};
    return output_flush();
}
