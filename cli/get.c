#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "errors.h"
#include "output.h"
#include "session.h"

enum { GET_COUNT = 256 };

struct get {
    const struct session *session;
    const char *const *texts;
    uint32_t field;
    uint8_t *keys;
    uint8_t *objects;
    struct tactus_result *results;
};

/* One round of at most GET_COUNT: their reads overlap. */
static int get_some(struct get *get, uint32_t first, uint32_t count, struct output *output)
{
    const struct session *session = get->session;
    tactus_view *view = tactus_latest(session->db);
    const uint8_t *keys = get->keys + (size_t)first * session->fields[get->field].size;
    enum tactus_status status = TACTUS_OK;
    if (get->field == session->info.timestamp_field) {
        uint64_t timestamps[GET_COUNT];
        memcpy(timestamps, keys, count * sizeof timestamps[0]);
        status = tactus_get_by_timestamp(
            view, session->collection, timestamps, count, get->objects, get->results
        );
    } else {
        status = tactus_get(view, session->collection, keys, count, get->objects, get->results);
    }
    if (status != TACTUS_OK && status != TACTUS_SOME && status != TACTUS_ABSENT) {
        return session_failed(session, status);
    }

    int code = EXIT_OK;
    for (uint32_t i = 0; i < count; i += 1) {
        if (get->results[i].status == TACTUS_OK) {
            output_row(output, get->objects + (size_t)i * session->info.object_bytes);
        } else {
            code = complain(
                EXIT_DATA,
                "%s %s: there is none; 'tactus query' finds what is",
                session->info.name,
                get->texts[first + i]
            );
        }
    }
    return code;
}

static int get_all(struct get *get, uint32_t count, struct output *output)
{
    int code = EXIT_OK;
    for (uint32_t first = 0; first < count; first += GET_COUNT) {
        const uint32_t some = count - first < GET_COUNT ? count - first : GET_COUNT;
        const int answer = get_some(get, first, some, output);
        if (answer == EXIT_DATA) code = answer;
        if (answer > EXIT_DATA) return answer;
    }
    return code;
}

static int get_objects(
    const struct session *session,
    const struct arguments *arguments,
    bool by_timestamp,
    enum format format
)
{
    struct get get = {
        .session = session,
        .texts = arguments->words + 2,
        .field = by_timestamp ? session->info.timestamp_field : session_key_field(session),
    };
    const uint32_t count = (uint32_t)arguments->word_count - 2;
    void *keys = NULL;
    int code = session_keys(session, get.field, get.texts, count, &keys);
    if (code != EXIT_OK) return code;

    get.keys = keys;
    get.objects = session_object(session, GET_COUNT);
    get.results = calloc(GET_COUNT, sizeof *get.results);
    if (get.objects == NULL || get.results == NULL) code = EXIT_SYSTEM;
    if (code == EXIT_OK) {
        struct output output;
        code = output_begin(&output, session, format, arguments_value(arguments, "select"));
        if (code == EXIT_OK) code = get_all(&get, count, &output);
        const int written = output_end(&output);
        if (written != EXIT_OK) code = written;
    }
    free(get.keys);
    free(get.objects);
    free(get.results);
    return code;
}

static int run(const struct arguments *arguments)
{
    static const char *const by_choices[] = {"id", "timestamp", NULL};
    int by = 0;
    enum format format = FORMAT_TABLE;
    int code = arguments_choice(arguments, "by", by_choices, &by);
    if (code == EXIT_OK) code = output_format(arguments, false, &format);
    if (code != EXIT_OK) return code;

    struct session session;
    code = session_open(&session, arguments, SESSION_READ, TACTUS_SYNC_COMMIT);
    if (code != EXIT_OK) return code;
    code = session_collection(&session, arguments->words[1]);
    if (code == EXIT_OK && by == 1 && session_is_map(&session)) {
        code = complain(
            EXIT_USAGE, "get: %s is a map, without timestamps; leave --by out", session.info.name
        );
    }
    if (code == EXIT_OK) code = get_objects(&session, arguments, by == 1, format);
    return session_close(&session, code);
}

static const struct option options[] = {
    {"by", OPTION_VALUE},
    {"select", OPTION_VALUE},
    {NULL, OPTION_END},
};

const struct command command_get = {
    .name = "get",
    .synopsis = "FILE NAME ID... [--by timestamp] [--select a,b]",
    .help =
        "Prints objects by their ids, in the order given. Absent ones are named on standard\n"
        "error, and the exit status is 1. Where a collection has no id, ID is the timestamp; of\n"
        "a map it is the key.\n"
        "\n"
        "  --by timestamp       the words are timestamps, not ids\n"
        "  --select a,b         these fields only\n"
        "\n"
        "Example:\n"
        "  tactus get shop.tactus sale 299984 299985 --format json\n",
    .options = options,
    .words_min = 3,
    .words_max = -1,
    .run = run,
};
