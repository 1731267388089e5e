#include <stdlib.h>

#include "commands.h"
#include "errors.h"
#include "session.h"

/* Removes one transaction's worth; what is absent is named and does not stop the others. */
static int remove_some(
    const struct session *session,
    const char *const *texts,
    const uint8_t *keys,
    uint32_t count,
    struct tactus_result *results
)
{
    tactus_txn *txn = NULL;
    enum tactus_status status = tactus_begin(session->db, NULL, &txn);
    if (status != TACTUS_OK) return session_failed(session, status);

    if (session_is_map(session)) {
        status = tactus_delete(txn, session->collection, keys, count, NULL);
    } else {
        status = tactus_remove(txn, session->collection, keys, count, results);
    }
    if (status != TACTUS_OK && status != TACTUS_SOME && status != TACTUS_ABSENT) {
        const int code = session_failed(session, status);
        tactus_rollback(txn);
        return code;
    }
    const bool all = status == TACTUS_OK;
    status = tactus_commit(txn, NULL);
    if (status != TACTUS_OK) return session_failed(session, status);
    for (uint32_t i = 0; i < count && !all; i += 1) {
        if (results[i].status == TACTUS_OK) continue;
        (void)complain(
            EXIT_DATA, "%s %s: there is none; nothing to remove", session->info.name, texts[i]
        );
    }
    return all ? EXIT_OK : EXIT_DATA;
}

static int remove_all(const struct session *session, const struct arguments *arguments)
{
    const uint32_t field = session_key_field(session);
    const uint32_t size = session->fields[field].size;
    const uint32_t count = (uint32_t)arguments->word_count - 2;
    const uint32_t batch = session->info.batch_max > 0 ? session->info.batch_max : 1;
    const char *const *texts = arguments->words + 2;

    void *keys = NULL;
    int code = session_keys(session, field, texts, count, &keys);
    if (code != EXIT_OK) return code;
    struct tactus_result *results = calloc(count, sizeof *results);
    if (results == NULL) {
        free(keys);
        return complain_system("remove", "give fewer ids");
    }
    for (uint32_t first = 0; first < count && code <= EXIT_DATA; first += batch) {
        const uint32_t some = count - first < batch ? count - first : batch;
        const uint8_t *from = (const uint8_t *)keys + (size_t)first * size;
        const int answer = remove_some(session, texts + first, from, some, results);
        if (answer != EXIT_OK) code = answer;
    }
    free(keys);
    free(results);
    return code;
}

static int run(const struct arguments *arguments)
{
    struct session session;
    int code = session_open(&session, arguments, SESSION_WRITE, TACTUS_SYNC_COMMIT);
    if (code != EXIT_OK) return code;
    code = session_collection(&session, arguments->words[1]);
    if (code == EXIT_OK) code = remove_all(&session, arguments);
    return session_close(&session, code);
}

static const struct option options[] = {{NULL, OPTION_END}};

const struct command command_remove = {
    .name = "remove",
    .synopsis = "FILE NAME ID...",
    .help =
        "Removes objects by their ids (by their timestamps where a collection has no id). Absent\n"
        "ones are named, the others go, and the exit status is 1. From a map, keys are removed\n"
        "without a look whether they are there.\n"
        "\n"
        "Example:\n"
        "  tactus remove shop.tactus sale 299984 299985\n",
    .options = options,
    .words_min = 3,
    .words_max = -1,
    .run = run,
};
