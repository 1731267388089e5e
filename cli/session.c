#include "session.h"

#include <stdlib.h>
#include <string.h>

#include "errors.h"

/* To the library 0 means the default: whoever writes a 0 means something else. */
static int read_depth(const struct arguments *arguments, uint32_t *depth)
{
    uint64_t number = *depth;
    const int code = arguments_number(arguments, "compaction-depth", UINT32_MAX, &number);
    if (code != EXIT_OK) return code;
    if (number == 0 && arguments_has(arguments, "compaction-depth")) {
        return complain_usage(
            arguments->command->name,
            "--compaction-depth is 0: give more, or leave it out for the default"
        );
    }
    *depth = (uint32_t)number;
    return EXIT_OK;
}

int session_options(const struct arguments *arguments, struct tactus_open_options *options)
{
    static const char *const io_choices[] = {"uring", "posix", NULL};
    static const char *const worker_choices[] = {"on", "off", NULL};
    int io = 0;
    int worker = 0;

    int code = arguments_size(arguments, "cache", &options->cache_bytes);
    if (code == EXIT_OK) code = arguments_size(arguments, "memory-max", &options->memory_bytes_max);
    if (code == EXIT_OK) code = arguments_choice(arguments, "io", io_choices, &io);
    if (code == EXIT_OK) code = arguments_choice(arguments, "worker", worker_choices, &worker);
    if (code == EXIT_OK) code = read_depth(arguments, &options->compaction_depth);
    if (code != EXIT_OK) return code;

    if (io == 1) options->flags |= TACTUS_POSIX_IO;
    if (worker == 1) options->flags |= TACTUS_NO_WORKER;
    return EXIT_OK;
}

int session_open(
    struct session *session,
    const struct arguments *arguments,
    enum session_mode mode,
    enum tactus_sync sync
)
{
    *session = (struct session){0};
    struct tactus_open_options options;
    tactus_open_options_default(&options);
    const int code = session_options(arguments, &options);
    if (code != EXIT_OK) return code;
    options.sync = (uint32_t)sync;
    if (mode == SESSION_READ) options.flags |= TACTUS_READ_ONLY_OPEN;

    struct tactus_error error = {0};
    const char *path = arguments->words[0];
    const enum tactus_status status = tactus_open(path, &options, &error, &session->db);
    if (status != TACTUS_OK) return complain_file(status, &error, path);

    const char *warning = tactus_warning(session->db);
    if (warning != NULL && warning[0] != 0) warn("%s", warning);
    return EXIT_OK;
}

int session_open_memory(struct session *session, const char *schema, const char *schema_path)
{
    *session = (struct session){0};
    struct tactus_create_options create;
    tactus_create_options_default(&create);
    create.block_size = 16384; /* the least that holds any object: 4 KiB twice, and a header */
    create.batch_max = 64;
    create.bar_beats = 4;
    create.size_max = (uint64_t)16 << 30;

    struct tactus_open_options options;
    tactus_open_options_default(&options);
    options.cache_bytes = 1 << 20;
    options.flags |= TACTUS_NO_WORKER;
    options.schema = schema;
    options.create = &create;

    struct tactus_error error = {0};
    enum tactus_status status = tactus_open(":memory:", &options, &error, &session->db);
    if (status == TACTUS_LIMIT || status == TACTUS_MISUSE) {
        /* Too small for this schema after all: what fits any schema that can be created. */
        const uint64_t cache_small = options.cache_bytes;
        tactus_open_options_default(&options);
        if (options.cache_bytes < cache_small) options.cache_bytes = cache_small;
        options.schema = schema;
        error = (struct tactus_error){0};
        status = tactus_open(":memory:", &options, &error, &session->db);
    }
    if (status != TACTUS_OK) return complain_error(status, &error, schema_path);
    return EXIT_OK;
}

int session_collection(struct session *session, const char *name)
{
    const enum tactus_status status =
        tactus_collection_find(session->db, name, 0, &session->collection);
    if (status == TACTUS_ABSENT) {
        return complain(
            EXIT_DATA,
            "%s: there is no collection or map of that name; 'tactus inspect' lists them",
            name
        );
    }
    if (status != TACTUS_OK) return session_failed(session, status);

    tactus_collection_info(session->collection, &session->info);
    free(session->fields);
    session->fields = calloc((size_t)session->info.field_count + 1, sizeof *session->fields);
    if (session->fields == NULL) return complain_system("fields", "free some memory");
    for (uint32_t i = 0; i < session->info.field_count; i += 1) {
        const enum tactus_status found =
            tactus_field_at(session->collection, i, &session->fields[i]);
        if (found != TACTUS_OK) return session_failed(session, found);
    }
    return EXIT_OK;
}

uint32_t session_field(const struct session *session, const char *name, size_t name_size)
{
    for (uint32_t i = 0; i < session->info.field_count; i += 1) {
        const char *known = session->fields[i].name;
        if (strlen(known) == name_size && memcmp(known, name, name_size) == 0) return i;
    }
    return UINT32_MAX;
}

bool session_is_map(const struct session *session)
{
    return session->info.kind == TACTUS_KIND_MAP;
}

uint32_t session_key_field(const struct session *session)
{
    if (session->info.id_field != UINT32_MAX) return session->info.id_field;
    return session->info.timestamp_field;
}

int session_assign(
    const struct session *session,
    const struct arguments *arguments,
    const char *assignment,
    void *object,
    uint32_t *field
)
{
    const char *command = arguments->command->name;
    const char *equals = strchr(assignment, '=');
    if (equals == NULL) return complain_usage(command, "'%s' is not field=value", assignment);

    const size_t name_size = (size_t)(equals - assignment);
    *field = session_field(session, assignment, name_size);
    if (*field == UINT32_MAX) {
        return complain_usage(
            command, "%s has no field '%.*s'", session->info.name, (int)name_size, assignment
        );
    }
    const char *value = equals + 1;
    struct tactus_error error = {0};
    const enum tactus_status status =
        tactus_value_parse(session->collection, *field, value, strlen(value), object, &error);
    if (status == TACTUS_OK) return EXIT_OK;
    return complain_value(status, &error, session->fields[*field].name, value);
}

int session_keys(
    const struct session *session,
    uint32_t field,
    const char *const *texts,
    uint32_t count,
    void **keys
)
{
    const uint32_t size = session->fields[field].size;
    uint8_t *object = session_object(session, 1);
    uint8_t *all = calloc((size_t)count + 1, size);
    int code = EXIT_OK;
    if (object == NULL || all == NULL) code = complain_system("ids", "give fewer of them");

    for (uint32_t i = 0; i < count && code == EXIT_OK; i += 1) {
        struct tactus_error error = {0};
        const enum tactus_status status = tactus_value_parse(
            session->collection, field, texts[i], strlen(texts[i]), object, &error
        );
        if (status != TACTUS_OK) {
            code = complain_value(status, &error, session->fields[field].name, texts[i]);
        }
        memcpy(all + (size_t)i * size, object + session->fields[field].offset, size);
    }
    free(object);
    if (code != EXIT_OK) {
        free(all);
        all = NULL;
    }
    *keys = all;
    return code;
}

void *session_object(const struct session *session, uint64_t count)
{
    void *objects = calloc((size_t)count + 1, session->info.object_bytes);
    if (objects == NULL) (void)complain_system("objects", "free some memory");
    return objects;
}

int session_failed(const struct session *session, enum tactus_status status)
{
    return complain_error(status, tactus_error(session->db), NULL);
}

int session_close(struct session *session, int exit_code)
{
    free(session->fields);
    session->fields = NULL;
    if (session->db == NULL) return exit_code;

    const enum tactus_status status = tactus_close(session->db);
    session->db = NULL;
    if (status == TACTUS_OK || exit_code != EXIT_OK) return exit_code;
    return complain(exit_code_of(status), "close: %s", tactus_status_text(status));
}
