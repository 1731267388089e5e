#include <stdlib.h>

#include "commands.h"
#include "errors.h"
#include "session.h"

/* A whole object: every field that has no value of its own to fall back on must be named. */
static int check_whole(const struct session *session, const bool *given)
{
    for (uint32_t i = 0; i < session->info.field_count; i += 1) {
        const struct tactus_field *field = &session->fields[i];
        const bool needless = (field->flags & TACTUS_FIELD_OPTIONAL) != 0 ||
                              i == session->info.timestamp_field ||
                              field->type == TACTUS_TYPE_RESERVED;
        if (!given[i] && !needless) {
            return complain(
                EXIT_USAGE,
                "put: field '%s' has no value; name it, or use 'tactus set' to change a part",
                field->name
            );
        }
    }
    return EXIT_OK;
}

static int read_object(
    const struct session *session, const struct arguments *arguments, void *object, bool *given
)
{
    for (int i = 2; i < arguments->word_count; i += 1) {
        uint32_t field = 0;
        const int code = session_assign(session, arguments, arguments->words[i], object, &field);
        if (code != EXIT_OK) return code;
        if (given[field]) {
            return complain_usage("put", "field '%s' is given twice", session->fields[field].name);
        }
        given[field] = true;
    }
    return check_whole(session, given);
}

/* Of a map: putting is blind, so who wants to know whether the key is there looks first. */
static enum tactus_status put_in_map(
    const struct session *session, tactus_txn *txn, const void *object, bool replace
)
{
    if (!replace) {
        const uint32_t offset = session->fields[session_key_field(session)].offset;
        const void *key = (const uint8_t *)object + offset;
        void *found = session_object(session, 1);
        if (found == NULL) return TACTUS_IO;
        const enum tactus_status status =
            tactus_get(tactus_txn_view(txn), session->collection, key, 1, found, NULL);
        free(found);
        if (status == TACTUS_OK) return TACTUS_EXISTS;
        if (status != TACTUS_ABSENT) return status;
    }
    return tactus_put(txn, session->collection, object, 1, NULL);
}

/* The library refuses ids that are there; that a key is, we found out ourselves. */
static int put_refused(const struct session *session, enum tactus_status status)
{
    if (!session_is_map(session) || status != TACTUS_EXISTS) return session_failed(session, status);
    return complain(
        EXIT_DATA,
        "put: %s has this key already; leave --on-exists error out to replace its value",
        session->info.name
    );
}

static int write_object(
    const struct session *session, const void *object, bool replace, bool stamped
)
{
    struct tactus_txn_options options;
    tactus_txn_options_default(&options);
    if (stamped) options.flags |= TACTUS_TIMESTAMPS_GIVEN;

    tactus_txn *txn = NULL;
    enum tactus_status status = tactus_begin(session->db, &options, &txn);
    if (status != TACTUS_OK) return session_failed(session, status);
    if (session_is_map(session)) {
        status = put_in_map(session, txn, object, replace);
    } else if (replace) {
        status = tactus_upsert(txn, session->collection, object, 1, NULL);
    } else {
        status = tactus_insert(txn, session->collection, object, 1, NULL);
    }
    if (status != TACTUS_OK) {
        const int code = put_refused(session, status);
        tactus_rollback(txn);
        return code;
    }
    status = tactus_commit(txn, NULL);
    return status == TACTUS_OK ? EXIT_OK : session_failed(session, status);
}

static int run(const struct arguments *arguments)
{
    static const char *const choices[] = {"replace", "error", NULL};
    int on_exists = 0;
    int code = arguments_choice(arguments, "on-exists", choices, &on_exists);
    if (code != EXIT_OK) return code;

    struct session session;
    code = session_open(&session, arguments, SESSION_WRITE, TACTUS_SYNC_COMMIT);
    if (code != EXIT_OK) return code;
    code = session_collection(&session, arguments->words[1]);

    void *object = NULL;
    bool *given = NULL;
    if (code == EXIT_OK) {
        object = session_object(&session, 1);
        given = calloc((size_t)session.info.field_count + 1, sizeof *given);
        if (object == NULL || given == NULL) code = EXIT_SYSTEM;
    }
    if (code == EXIT_OK) code = read_object(&session, arguments, object, given);
    if (code == EXIT_OK) {
        const bool stamped = !session_is_map(&session) && given[session.info.timestamp_field];
        code = write_object(&session, object, on_exists == 0, stamped);
    }
    free(object);
    free(given);
    return session_close(&session, code);
}

static const struct option options[] = {{"on-exists", OPTION_VALUE}, {NULL, OPTION_END}};

const struct command command_put = {
    .name = "put",
    .synopsis = "FILE NAME field=value... [--on-exists replace|error]",
    .help =
        "Writes one whole object: inserts it, or replaces the one that has its id, which keeps\n"
        "its timestamp. Fields that are neither optional nor the timestamp must be named. In a\n"
        "map, the value under its key is what is put, whatever was there.\n"
        "\n"
        "  --on-exists replace|error   error: refuse an id or key that is there (replace)\n"
        "\n"
        "Example:\n"
        "  tactus put shop.tactus sale id=7 invoice=536365 stock=85123A price=2.55 quantity=6 \\\n"
        "      at='2010-12-01 08:26' country='United Kingdom' description=HOLDER\n",
    .options = options,
    .words_min = 3,
    .words_max = -1,
    .run = run,
};
