/* A stranger's program: opens a database in memory and closes it. */
#include <stdio.h>
#include <tactus.h>

int memory_table_get(void);

/* A name the library has inside, too: the archive must not clash with it. */
int memory_table_get(void)
{
    return 7;
}

int main(void)
{
    struct tactus_open_options options;
    struct tactus_error error;
    tactus_db *db;
    enum tactus_status status;

    if (tactus_version() != TACTUS_VERSION_NUMBER) return 1;
    tactus_open_options_default(&options);
    options.schema = "collection item { id u64 price u32 index }";
    status = tactus_open(":memory:", &options, &error, &db);
    if (status != TACTUS_OK) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    printf("tactus %u works, %d\n", (unsigned)tactus_version(), memory_table_get());
    return tactus_close(db) != TACTUS_OK;
}
