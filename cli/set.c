#include <stdlib.h>

#include "commands.h"
#include "errors.h"
#include "session.h"

static int change(const struct session *session, const struct arguments *arguments, void *object)
{
    for (int i = 3; i < arguments->word_count; i += 1) {
        uint32_t field = 0;
        const int code = session_assign(session, arguments, arguments->words[i], object, &field);
        if (code != EXIT_OK) return code;
        if (field == session->info.id_field || field == session->info.timestamp_field) {
            return complain(
                EXIT_USAGE,
                "set: field '%s' says which object it is and stays; remove the object and put "
                "another",
                session->fields[field].name
            );
        }
    }
    return EXIT_OK;
}

/* Reads, changes and writes in one transaction, so that nothing comes between. */
static int change_in(
    const struct session *session, const struct arguments *arguments, tactus_txn *txn, void *object
)
{
    const char *text = arguments->words[2];
    void *key = NULL;
    int code = session_keys(session, session_key_field(session), &text, 1, &key);
    if (code != EXIT_OK) return code;

    struct tactus_result result = {0};
    const enum tactus_status status =
        tactus_get(tactus_txn_view(txn), session->collection, key, 1, object, &result);
    free(key);
    if (status == TACTUS_SOME || status == TACTUS_ABSENT) {
        return complain(
            EXIT_DATA, "%s %s: there is none; 'tactus put' makes one", session->info.name, text
        );
    }
    if (status != TACTUS_OK) return session_failed(session, status);

    code = change(session, arguments, object);
    if (code != EXIT_OK) return code;
    const enum tactus_status updated = tactus_update(txn, session->collection, object, 1, NULL);
    return updated == TACTUS_OK ? EXIT_OK : session_failed(session, updated);
}

static int change_object(const struct session *session, const struct arguments *arguments)
{
    tactus_txn *txn = NULL;
    enum tactus_status status = tactus_begin(session->db, NULL, &txn);
    if (status != TACTUS_OK) return session_failed(session, status);

    void *object = session_object(session, 1);
    const int code = object != NULL ? change_in(session, arguments, txn, object) : EXIT_SYSTEM;
    free(object);
    if (code != EXIT_OK) {
        tactus_rollback(txn);
        return code;
    }
    status = tactus_commit(txn, NULL);
    return status == TACTUS_OK ? EXIT_OK : session_failed(session, status);
}

static int run(const struct arguments *arguments)
{
    struct session session;
    int code = session_open(&session, arguments, SESSION_WRITE, TACTUS_SYNC_COMMIT);
    if (code != EXIT_OK) return code;
    code = session_collection(&session, arguments->words[1]);
    if (code == EXIT_OK && session_is_map(&session)) {
        code = complain(
            EXIT_USAGE,
            "set: %s is a map, whose values are written whole; use 'tactus put'",
            session.info.name
        );
    }
    if (code == EXIT_OK) code = change_object(&session, arguments);
    return session_close(&session, code);
}

static const struct option options[] = {{NULL, OPTION_END}};

const struct command command_set = {
    .name = "set",
    .synopsis = "FILE COLLECTION ID field=value...",
    .help =
        "Changes fields of one object; the others stay, and so does its timestamp. Where a\n"
        "collection has no id, ID is the timestamp. Values of a map are written whole, by put.\n"
        "\n"
        "Example:\n"
        "  tactus set shop.tactus sale 7 price=2.95 quantity=12\n",
    .options = options,
    .words_min = 4,
    .words_max = -1,
    .run = run,
};
