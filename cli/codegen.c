#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "errors.h"
#include "file_text.h"
#include "output.h"
#include "session.h"

/* Words of C99 to C23 and of C++11 to C++20, and macros that compilers bring: a field of that name
 * gets an underscore behind it. */
static const char *const reserved_words[] = {
    "alignas",     "alignof",
    "and",         "and_eq",
    "asm",         "auto",
    "bitand",      "bitor",
    "bool",        "break",
    "case",        "catch",
    "char",        "char16_t",
    "char32_t",    "char8_t",
    "class",       "co_await",
    "co_return",   "co_yield",
    "compl",       "concept",
    "const",       "const_cast",
    "consteval",   "constexpr",
    "constinit",   "continue",
    "decltype",    "default",
    "delete",      "do",
    "double",      "dynamic_cast",
    "else",        "enum",
    "explicit",    "export",
    "extern",      "false",
    "float",       "for",
    "friend",      "goto",
    "if",          "inline",
    "int",         "linux",
    "long",        "mutable",
    "namespace",   "new",
    "noexcept",    "not",
    "not_eq",      "nullptr",
    "operator",    "or",
    "or_eq",       "private",
    "protected",   "public",
    "register",    "reinterpret_cast",
    "requires",    "restrict",
    "return",      "short",
    "signed",      "sizeof",
    "static",      "static_assert",
    "static_cast", "struct",
    "switch",      "template",
    "this",        "thread_local",
    "throw",       "true",
    "try",         "typedef",
    "typeid",      "typename",
    "typeof",      "typeof_unqual",
    "union",       "unix",
    "unsigned",    "using",
    "virtual",     "void",
    "volatile",    "wchar_t",
    "while",       "xor",
    "xor_eq",
};

enum { NAME_MAX_BYTES = 80 };

static const char *c_name(const char *name, char room[NAME_MAX_BYTES])
{
    bool reserved = false;
    for (size_t i = 0; i < sizeof reserved_words / sizeof reserved_words[0]; i += 1) {
        if (strcmp(name, reserved_words[i]) == 0) reserved = true;
    }
    (void)snprintf(room, NAME_MAX_BYTES, "%s%s", name, reserved ? "_" : "");
    return room;
}

static const char *upper_name(const char *name, char room[NAME_MAX_BYTES])
{
    size_t i = 0;
    for (; name[i] != 0 && i + 1 < NAME_MAX_BYTES; i += 1) {
        room[i] = (char)toupper((unsigned char)name[i]);
    }
    room[i] = 0;
    return room;
}

static const char *c_type(const struct tactus_field *field)
{
    switch ((enum tactus_type)field->type) {
    case TACTUS_TYPE_U8:
    case TACTUS_TYPE_BOOL: return "uint8_t";
    case TACTUS_TYPE_U16: return "uint16_t";
    case TACTUS_TYPE_U32: return "uint32_t";
    case TACTUS_TYPE_U64:
    case TACTUS_TYPE_TIMESTAMP: return "uint64_t";
    case TACTUS_TYPE_U128:
    case TACTUS_TYPE_UUID: return "struct tactus_u128";
    case TACTUS_TYPE_I8: return "int8_t";
    case TACTUS_TYPE_I16: return "int16_t";
    case TACTUS_TYPE_I32: return "int32_t";
    case TACTUS_TYPE_I64:
    case TACTUS_TYPE_TIME:
    case TACTUS_TYPE_DECIMAL: return "int64_t";
    case TACTUS_TYPE_F32: return "float";
    case TACTUS_TYPE_F64: return "double";
    case TACTUS_TYPE_TEXT: return "char";
    case TACTUS_TYPE_BYTES:
    case TACTUS_TYPE_RESERVED: return "uint8_t";
    }
    return NULL; /* a type of a newer library */
}

static bool type_is_array(uint32_t type)
{
    return type == TACTUS_TYPE_TEXT || type == TACTUS_TYPE_BYTES || type == TACTUS_TYPE_RESERVED;
}

static void print_comment(const struct session *session, uint32_t number)
{
    const struct tactus_field *field = &session->fields[number];
    const char *optional = (field->flags & TACTUS_FIELD_OPTIONAL) != 0 ? "; zero: absent" : "";
    const uint32_t type = field->type;
    if (number == session->info.id_field) {
        (void)printf(session_is_map(session) ? " /* the key */" : " /* the id: unique */");
    } else if (number == session->info.timestamp_field) {
        (void)printf(" /* given by the database */");
    } else if (type == TACTUS_TYPE_DECIMAL) {
        (void)printf(" /* a count of 10^-%u%s */", field->decimals, optional);
    } else if (type == TACTUS_TYPE_TIME) {
        (void)printf(" /* nanoseconds since 1970%s */", optional);
    } else if (type == TACTUS_TYPE_BOOL) {
        (void)printf(" /* 0 or 1 */");
    } else if (type == TACTUS_TYPE_TEXT) {
        (void)printf(" /* UTF-8; print it with TACTUS_TEXT%s */", optional);
    } else if (type == TACTUS_TYPE_RESERVED) {
        (void)printf(" /* zero */");
    } else if (optional[0] != 0) {
        (void)printf(" /* zero: absent */");
    }
}

/* Prints the next `padding_N` whose name no field has. */
static void print_padding(const struct session *session, uint32_t bytes, uint32_t *number)
{
    if (bytes == 0) return;
    char name[32];
    do {
        *number += 1;
        (void)snprintf(name, sizeof name, "padding_%u", *number);
    } while (session_field(session, name, strlen(name)) != UINT32_MAX);
    (void)printf("    uint8_t %s[%u];\n", name, bytes);
}

/* The number of the field that lies lowest from `offset` on, or UINT32_MAX. */
static uint32_t field_from(const struct session *session, uint32_t offset)
{
    uint32_t found = UINT32_MAX;
    for (uint32_t i = 0; i < session->info.field_count; i += 1) {
        const struct tactus_field *field = &session->fields[i];
        if (field->offset < offset) continue;
        if (found == UINT32_MAX || field->offset < session->fields[found].offset) found = i;
    }
    return found;
}

static int print_struct(const struct session *session)
{
    char name[NAME_MAX_BYTES];
    uint32_t padding = 0;
    uint32_t end = 0;
    (void)printf("struct %s {\n", c_name(session->info.name, name));
    for (uint32_t i = field_from(session, 0); i != UINT32_MAX; i = field_from(session, end)) {
        const struct tactus_field *field = &session->fields[i];
        const char *type = c_type(field);
        if (type == NULL) {
            return complain(
                EXIT_USAGE,
                "%s: a type this command does not know; use the library's own",
                field->name
            );
        }
        print_padding(session, field->offset - end, &padding);
        (void)printf("    %s %s", type, c_name(field->name, name));
        if (type_is_array(field->type)) (void)printf("[%u]", field->size);
        (void)printf(";");
        print_comment(session, i);
        (void)printf("\n");
        end = field->offset + field->size;
    }
    print_padding(session, session->info.object_bytes - end, &padding);
    (void)printf("};\n");
    return EXIT_OK;
}

static void print_asserts(const struct session *session)
{
    char name[NAME_MAX_BYTES];
    char field_name[NAME_MAX_BYTES];
    (void)c_name(session->info.name, name);
    (void)printf(
        "TACTUS_LAYOUT(%s_size, sizeof(struct %s) == %u);\n",
        session->info.name,
        name,
        session->info.object_bytes
    );
    for (uint32_t i = 0; i < session->info.field_count; i += 1) {
        (void)printf(
            "TACTUS_LAYOUT(%s_at_%s, offsetof(struct %s, %s) == %u);\n",
            session->info.name,
            session->fields[i].name,
            name,
            c_name(session->fields[i].name, field_name),
            session->fields[i].offset
        );
    }
}

/* The text as a C string, a line of it a line of it. */
static void print_schema_text(const char *text)
{
    (void)fputs("    \"", stdout);
    for (const char *at = text; *at != 0; at += 1) {
        const unsigned char byte = (unsigned char)*at;
        if (byte == '\n') {
            (void)fputs(at[1] != 0 ? "\\n\" \\\n    \"" : "\\n", stdout);
        } else if (byte == '"' || byte == '\\' || byte == '?') {
            (void)printf("\\%c", byte); /* a question mark, for there are trigraphs */
        } else if (byte < 0x20 || byte >= 0x7f) {
            (void)printf("\\%03o", byte);
        } else {
            (void)fputc(byte, stdout);
        }
    }
    (void)fputs("\"\n", stdout);
}

static const char header_begin[] =
    "/* Made by `tactus codegen c`: how objects lie in memory. Do not edit; make it again. */\n"
    "#include <stddef.h>\n"
    "#include <stdint.h>\n"
    "#include <tactus.h>\n"
    "\n"
    "#ifndef TACTUS_LAYOUT\n"
    "#if defined(__cplusplus)\n"
    "#define TACTUS_LAYOUT(name, fact) static_assert(fact, #name)\n"
    "#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L\n"
    "#define TACTUS_LAYOUT(name, fact) _Static_assert(fact, #name)\n"
    "#else\n"
    "#define TACTUS_LAYOUT(name, fact) typedef char tactus_layout_##name[(fact) ? 1 : -1]\n"
    "#endif\n"
    "#endif\n";

static int print_collection(struct session *session, const char *schema, const char *first_upper)
{
    char upper[NAME_MAX_BYTES];
    (void)upper_name(session->info.name, upper);
    (void)printf("\n");
    int code = print_struct(session);
    if (code != EXIT_OK) return code;
    (void)printf("\n");
    print_asserts(session);
    (void)printf(
        "\n/* For tactus_collection_find: another schema's file is refused. */\n"
        "#define %s_SHAPE UINT64_C(0x%016llx)\n",
        upper,
        (unsigned long long)session->info.shape
    );
    if (first_upper == NULL) {
        (void)printf("\n#define %s_SCHEMA \\\n", upper);
        print_schema_text(schema);
    } else {
        (void)printf("#define %s_SCHEMA %s_SCHEMA\n", upper, first_upper);
    }
    return EXIT_OK;
}

static int print_header(struct session *session, const char *schema)
{
    char first_upper[NAME_MAX_BYTES] = "";
    char guard[NAME_MAX_BYTES] = "";
    for (uint32_t i = 0;; i += 1) {
        const tactus_collection *collection = tactus_collection_at(session->db, i);
        if (collection == NULL) break;

        struct tactus_collection_info info;
        tactus_collection_info(collection, &info);
        if (i == 0) {
            (void)upper_name(info.name, guard);
            (void)printf(
                "#ifndef %s_TACTUS_SCHEMA_H\n#define %s_TACTUS_SCHEMA_H\n\n%s",
                guard,
                guard,
                header_begin
            );
        }
        int code = session_collection(session, info.name);
        if (code == EXIT_OK) {
            code = print_collection(session, schema, first_upper[0] != 0 ? first_upper : NULL);
        }
        if (code != EXIT_OK) return code;
        if (i == 0) memcpy(first_upper, guard, sizeof guard);
    }
    (void)printf("\n#endif\n");
    return output_flush();
}

static int run(const struct arguments *arguments)
{
    const char *language = arguments->words[0];
    if (strcmp(language, "python") == 0) {
        return complain(
            EXIT_USAGE, "codegen python: comes with a later version; there is codegen c"
        );
    }
    if (strcmp(language, "c") != 0) {
        return complain_usage(
            "codegen", "'%s' is no language it knows; write: codegen c", language
        );
    }
    if (arguments->word_count < 2) {
        return complain_usage("codegen", "the schema's file is missing");
    }

    char *schema = NULL;
    int code = file_text_read(arguments->words[1], &schema);
    if (code != EXIT_OK) return code;
    struct session session;
    code = session_open_memory(&session, schema, arguments->words[1]);
    if (code == EXIT_OK) code = session_close(&session, print_header(&session, schema));
    free(schema);
    return code;
}

static const struct option options[] = {{NULL, OPTION_END}};

const struct command command_codegen = {
    .name = "codegen",
    .synopsis = "c SCHEMA",
    .help = "Prints a C header for a schema: a struct for each collection and map, NAME_SHAPE "
            "and NAME_SCHEMA.\n"
            "It is clean as C99 and as C++11.\n"
            "\n"
            "Example:\n"
            "  tactus codegen c sale.tactus-schema > sale.h\n",
    .options = options,
    .words_min = 1,
    .words_max = 2,
    .run = run,
};
