#include <stdio.h>
#include <string.h>
#include <tactus.h>

struct city { /* as `tactus codegen c` prints it */
    uint64_t id;
    char name[24];
    uint32_t people;
    uint8_t padding_1[4];
    uint64_t timestamp;
};

int main(void)
{
    const struct city cities[] = {
        {.id = 1, .name = "Ulm", .people = 126329}, {.id = 2, .name = "Oulu", .people = 214633}};
    struct tactus_open_options options;
    tactus_open_options_default(&options);
    options.schema = "collection city { id u64  name text(24)  people u32 index }";

    tactus_db *db; /* made where there is none */
    if (tactus_open("cities.tactus", &options, NULL, &db) != TACTUS_OK) return 1;
    const tactus_collection *city;
    tactus_txn *txn = NULL;
    tactus_query *query = NULL;
    if (tactus_collection_find(db, "city", UINT64_C(0x9542f8afc6e1601e), &city) == TACTUS_OK &&
        tactus_begin(db, NULL, &txn) == TACTUS_OK &&
        tactus_upsert(txn, city, cities, 2, NULL) == TACTUS_OK &&
        tactus_commit(txn, NULL) == TACTUS_OK && /* durable from here on */
        tactus_prepare(db, city, "people > 200000", "-people", &query) == TACTUS_OK &&
        tactus_run(query, tactus_latest(db), NULL) == TACTUS_OK) {
        struct city found;
        for (uint32_t count; tactus_next(query, &found, 1, &count) == TACTUS_OK && count > 0;) {
            printf("%.*s %u\n", TACTUS_TEXT(found.name), found.people);
        }
    }
    fputs(tactus_error(db)->text, stderr); /* nothing, if all went well */
    tactus_query_close(query);
    return tactus_close(db) != TACTUS_OK;
}
