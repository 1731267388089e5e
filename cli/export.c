#include <stdlib.h>

#include "commands.h"
#include "errors.h"
#include "output.h"
#include "session.h"

enum { FETCH_COUNT = 1024 };

static int export_all(const struct session *session, tactus_query *query, struct output *output)
{
    uint8_t *objects = session_object(session, FETCH_COUNT);
    if (objects == NULL) return EXIT_SYSTEM;

    int code = EXIT_OK;
    for (uint32_t count = 1; count > 0 && code == EXIT_OK;) {
        const enum tactus_status status = tactus_next(query, objects, FETCH_COUNT, &count);
        if (status != TACTUS_OK) {
            code = session_failed(session, status);
            break;
        }
        for (uint32_t i = 0; i < count; i += 1) {
            output_row(output, objects + (size_t)i * session->info.object_bytes);
        }
        /* A full disk is noticed by the block, not at the end of everything. */
        if (ferror(stdout) != 0) code = output_flush();
    }
    free(objects);
    return code;
}

static int export_collection(const struct session *session, enum format format)
{
    tactus_query *query = NULL;
    enum tactus_status status =
        tactus_prepare(session->db, session->collection, NULL, NULL, &query);
    if (status != TACTUS_OK) return session_failed(session, status);

    int code = EXIT_OK;
    status = tactus_run(query, tactus_latest(session->db), NULL);
    if (status != TACTUS_OK) {
        code = session_failed(session, status);
    } else {
        struct output output;
        code = output_begin(&output, session, format, NULL);
        if (code == EXIT_OK) code = export_all(session, query, &output);
        const int written = output_end(&output);
        if (code == EXIT_OK) code = written;
    }
    tactus_query_close(query);
    return code;
}

static int run(const struct arguments *arguments)
{
    enum format format = FORMAT_CSV;
    if (arguments_has(arguments, "format")) {
        const int bad = output_format(arguments, false, &format);
        if (bad != EXIT_OK) return bad;
    }
    struct session session;
    int code = session_open(&session, arguments, SESSION_READ, TACTUS_SYNC_COMMIT);
    if (code != EXIT_OK) return code;
    code = session_collection(&session, arguments->words[1]);
    if (code == EXIT_OK) code = export_collection(&session, format);
    return session_close(&session, code);
}

static const struct option options[] = {{NULL, OPTION_END}};

const struct command command_export = {
    .name = "export",
    .synopsis = "FILE NAME [--format csv|json|table]",
    .help =
        "Prints everything in a collection in timestamp order, timestamps too; a map in the order\n"
        "of its keys. Importing it into an empty one gives the same logical digest.\n"
        "\n"
        "  --format F           csv (also on a terminal), json or table\n"
        "\n"
        "Example:\n"
        "  tactus export shop.tactus sale > sale.csv\n",
    .options = options,
    .words_min = 2,
    .words_max = 2,
    .run = run,
};
