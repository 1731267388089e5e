#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "errors.h"
#include "output.h"
#include "session.h"

static void print_collection(
    const char *name, uint64_t count, struct tactus_u128 digest, bool first, bool json
)
{
    if (json) {
        (void)printf("%s{\"name\":", first ? "" : ",");
        json_text(stdout, name);
        (void)printf(
            ",\"objects\":%llu,\"logical\":\"%016llx%016llx\"}",
            (unsigned long long)count,
            (unsigned long long)digest.high,
            (unsigned long long)digest.low
        );
    } else {
        (void)printf(
            "%s objects=%llu logical=%016llx%016llx\n",
            name,
            (unsigned long long)count,
            (unsigned long long)digest.high,
            (unsigned long long)digest.low
        );
    }
}

static int digest_collections(const struct session *session, bool json)
{
    for (uint32_t i = 0;; i += 1) {
        const tactus_collection *collection = tactus_collection_at(session->db, i);
        if (collection == NULL) return EXIT_OK;

        struct tactus_collection_info info;
        tactus_collection_info(collection, &info);
        struct tactus_u128 digest = {0, 0};
        uint64_t count = 0;
        const enum tactus_status status =
            tactus_digest_collection(session->db, collection, &digest, &count);
        if (status != TACTUS_OK) return session_failed(session, status);
        print_collection(info.name, count, digest, i == 0, json);
    }
}

static int digest_file(const struct session *session, bool json)
{
    if (json) (void)fputs("{\"collections\":[", stdout);
    const int code = digest_collections(session, json);
    if (code != EXIT_OK) return code;

    struct tactus_digest digest;
    const enum tactus_status status = tactus_digest(session->db, &digest);
    if (status != TACTUS_OK) return session_failed(session, status);
    (void)printf(
        json ? "],\"logical\":\"%016llx%016llx\",\"physical\":\"%016llx%016llx\"}\n"
             : "logical %016llx%016llx\nphysical %016llx%016llx\n",
        (unsigned long long)digest.logical.high,
        (unsigned long long)digest.logical.low,
        (unsigned long long)digest.physical.high,
        (unsigned long long)digest.physical.low
    );
    return output_flush();
}

static int run(const struct arguments *arguments)
{
    static const char *const choices[] = {"table", "text", "json", NULL};
    int choice = 0;
    int code = arguments_choice(arguments, "format", choices, &choice);
    if (code != EXIT_OK) return code;

    struct session session;
    code = session_open(&session, arguments, SESSION_READ, TACTUS_SYNC_COMMIT);
    if (code == EXIT_OK) code = session_close(&session, digest_file(&session, choice == 2));
    return code;
}

static const struct option options[] = {{NULL, OPTION_END}};

const struct command command_digest = {
    .name = "digest",
    .synopsis = "FILE [--format table|json]",
    .help =
        "Prints the checksum of what each collection holds, whatever the layout, then of all of\n"
        "them (logical) and of the canonical image of the file (physical).\n"
        "\n"
        "  --format table|json  lines for people (table), or one JSON object\n"
        "\n"
        "Example:\n"
        "  tactus digest shop.tactus\n",
    .options = options,
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
