/* An open data file and, where a command works on one, its collection. */
#ifndef TACTUS_CLI_SESSION_H
#define TACTUS_CLI_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "arguments.h"
#include "tactus.h"

enum session_mode { SESSION_READ, SESSION_WRITE };

struct session {
    tactus_db *db;
    const tactus_collection *collection; /* NULL until session_collection */
    struct tactus_collection_info info;
    struct tactus_field *fields; /* owned: info.field_count of them */
};

/* The common options (--cache, --io, --worker, --compaction-depth, --memory-max) as options of an
 * open. 0 or EXIT_USAGE after complaining. */
int session_options(const struct arguments *arguments, struct tactus_open_options *options);

/* Opens the file that words[0] names; prints what opening warns of. 0, or an exit code after
 * complaining: then nothing is to be closed. */
int session_open(
    struct session *session,
    const struct arguments *arguments,
    enum session_mode mode,
    enum tactus_sync sync
);

/* The same for a schema alone: an empty database in memory, as small as it goes, for tools that ask
 * where fields lie. */
int session_open_memory(struct session *session, const char *schema, const char *schema_path);

/* Makes the collection of that name the session's, fields and all. */
int session_collection(struct session *session, const char *name);

/* Its number, or UINT32_MAX. */
uint32_t session_field(const struct session *session, const char *name, size_t name_size);

/* Whether it is a map, which is written blindly, and has no timestamps. */
bool session_is_map(const struct session *session);

/* The number of the field that get, set and remove go by: the id, or the timestamp without one; of
 * a map the key. */
uint32_t session_key_field(const struct session *session);

/* Reads "field=value" into the object and gives the field's number. 0, EXIT_DATA for a bad value,
 * EXIT_USAGE for all else, after complaining. */
int session_assign(
    const struct session *session,
    const struct arguments *arguments,
    const char *assignment,
    void *object,
    uint32_t *field
);

/* Reads texts as values of the field, one after the other, into an array of its values: owned by
 * the caller, `*keys`. 0 or an exit code after complaining. */
int session_keys(
    const struct session *session,
    uint32_t field,
    const char *const *texts,
    uint32_t count,
    void **keys
);

/* Room for `count` objects, zeroed, owned by the caller; NULL after complaining. */
void *session_object(const struct session *session, uint64_t count);

/* Complains with the words of the handle's last failure; answers the exit code. */
int session_failed(const struct session *session, enum tactus_status status);

/* Closes what is open and answers `exit_code`, or what closing came to if that was 0. */
int session_close(struct session *session, int exit_code);

#endif
