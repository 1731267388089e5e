#include "database/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "support/care_fixture.h"
#include "support/test.h"

#include "base/poison.h"

enum { TEXT_MAX = 1 << 20 };

static char text[TEXT_MAX];
static size_t used;

static int keep(void *context, const char *piece, size_t bytes)
{
    (void)context;
    EXPECT(used + bytes < TEXT_MAX);
    memcpy(text + used, piece, bytes);
    used += bytes;
    text[used] = 0;
    return 0;
}

static int stop(void *context, const char *piece, size_t bytes)
{
    (void)piece;
    (void)bytes;
    *(uint32_t *)context += 1;
    return 1;
}

static enum tactus_status inspect(struct simulated_disk *disk, const char *word, bool is_json)
{
    struct reactor reactor = {0};
    struct inspect_writer writer;
    struct fault fault = {0};
    enum inspect_what what;
    const uint64_t hash = simulated_disk_hash(disk);
    used = 0;
    EXPECT(inspect_what_find(word, &what));
    simulated_disk_open_read_only(&reactor, disk);
    inspect_begin(&writer, keep, NULL, is_json);
    const enum tactus_status status = inspect_file(&reactor, what, &writer, &fault);
    inspect_end(&writer);
    EXPECT((status == TACTUS_OK) == (fault.status == TACTUS_OK));
    file_close(&reactor);
    EXPECT(simulated_disk_hash(disk) == hash);
    return status;
}

static void expect_text(const char *words)
{
    if (strstr(text, words) == NULL) (void)fprintf(stderr, "wanted: %s\n%s\n", words, text);
    EXPECT(strstr(text, words) != NULL);
}

/* ---- JSON: a reader that only knows whether it is well-formed -------------------------------- */

static const char *skip_blank(const char *at)
{
    while (*at == ' ' || *at == '\n') {
        at += 1;
    }
    return at;
}

static const char *skip_string(const char *at)
{
    EXPECT(*at == '"');
    for (at += 1; *at != '"'; at += 1) {
        EXPECT((unsigned char)*at >= 0x20);
        if (*at == '\\') at += 1;
    }
    return at + 1;
}

static const char *skip_value(const char *at, uint32_t depth);

static const char *skip_group(const char *at, uint32_t depth, char end)
{
    EXPECT(depth < 16);
    at = skip_blank(at + 1);
    if (*at == end) return at + 1;
    for (;;) {
        if (end == '}') {
            at = skip_blank(skip_string(at));
            EXPECT(*at == ':');
            at += 1;
        }
        at = skip_blank(skip_value(skip_blank(at), depth + 1));
        if (*at == end) return at + 1;
        EXPECT(*at == ',');
        at = skip_blank(at + 1);
    }
}

static const char *skip_value(const char *at, uint32_t depth)
{
    if (*at == '{') return skip_group(at, depth, '}');
    if (*at == '[') return skip_group(at, depth, ']');
    if (*at == '"') return skip_string(at);
    EXPECT(*at >= '0' && *at <= '9');
    while (*at >= '0' && *at <= '9') {
        at += 1;
    }
    if (*at != '.') return at;
    EXPECT(at[1] >= '0' && at[1] <= '9');
    for (at += 1; *at >= '0' && *at <= '9';) {
        at += 1;
    }
    return at;
}

static void expect_json(void)
{
    EXPECT(text[0] == '{');
    EXPECT(strcmp(skip_value(text, 0), "\n") == 0);
}

static const char *const words[] = {
    NULL, "superblock", "journal", "manifest", "trees", "tables", "blocks", "memory", "stats"};
enum { WORDS = sizeof words / sizeof words[0] };

/* ---- Tests ----------------------------------------------------------------------------------- */

TEST(inspect, shows_every_part_of_a_sound_file_in_both_forms)
{
    struct simulated_disk *disk = care_disk_filled(1, 800, 100);
    static const char *const wanted[WORDS] = {
        "op_covered: ",
        "manifest_newest:\n",
        "kind=transaction",
        "event=insert",
        "name=sale index customer_at",
        "key_max=",
        "type=value",
        "name=memory tables",
        "write_amplification:\n  tables: ",
    };
    for (uint32_t index = 0; index < WORDS; index += 1) {
        EXPECT(inspect(disk, words[index], false) == TACTUS_OK);
        expect_text(wanted[index]);
        EXPECT(strstr(text, "corrupt") == NULL);
        EXPECT(inspect(disk, words[index], true) == TACTUS_OK);
        expect_json();
    }
    EXPECT(inspect(disk, NULL, false) == TACTUS_OK);
    expect_text("name=sale kind=collection object_bytes=");
    expect_text("name=stock kind=map object_bytes=24");
    expect_text("puts: ");
    expect_text("deletes: ");
    expect_text("timestamp_last=");
    expect_text("collection note {"); /* the schema's text */
    simulated_disk_free(disk);
}

TEST(inspect, shows_filters_of_ids_and_maps_alone)
{
    struct simulated_disk *disk = care_disk_filled(1, 800, 100);
    EXPECT(inspect(disk, "trees", false) == TACTUS_OK);
    expect_text("name=sale id record_bytes=16 key_bits=64");
    expect_text("table_filters_max=1 ");
    EXPECT(inspect(disk, "tables", false) == TACTUS_OK);
    for (const char *line = strstr(text, "tree="); line != NULL; line = strstr(line, "tree=")) {
        const bool is_id = strncmp(line, "tree=2 ", 7) == 0;  /* ids of sales; notes have none */
        const bool is_map = strncmp(line, "tree=8 ", 7) == 0; /* stock */
        const char *filters = strstr(line, "filter_blocks=");
        EXPECT(filters != NULL);
        EXPECT(filters[14] == (is_id || is_map ? '1' : '0') && filters[15] == ' ');
        line = filters;
    }
    EXPECT(inspect(disk, "blocks", false) == TACTUS_OK);
    expect_text("type=filter tree=2 ");
    expect_text("type=filter tree=8 ");
    simulated_disk_free(disk);
}

TEST(inspect, shows_all_live_entries_of_the_journal)
{
    struct simulated_disk *disk = care_disk_filled(2, 200, 200);
    enum tactus_status status;
    tactus_db *db = care_open(disk, true, &status);
    const uint64_t first = db->superblock.checkpoint.op_covered + 1;
    const uint64_t last = journal_op_last(&db->journal);
    care_close(db);
    EXPECT(inspect(disk, "journal", false) == TACTUS_OK);
    for (uint64_t op = first; op <= last; op += 1) {
        char row[64];
        (void)snprintf(row, sizeof row, "  op=%llu byte=", (unsigned long long)op);
        expect_text(row);
    }
    EXPECT(strstr(text, "state=damaged") == NULL);
    simulated_disk_free(disk);
}

TEST(inspect, shows_a_fault_in_its_place_and_what_is_left)
{
    struct simulated_disk *disk = care_disk_filled(3, 800, 200);
    const struct layout layout = care_layout(disk);
    const struct checkpoint_state checkpoint = care_superblock(disk).checkpoint;

    struct simulated_disk *damaged = simulated_disk_clone(disk);
    const uint64_t newest = layout_block_offset(&layout, checkpoint.manifest_newest.address);
    simulated_disk_flip(damaged, newest + 300, 2);
    for (uint32_t index = 3; index < 7; index += 1) {
        EXPECT(inspect(damaged, words[index], false) == TACTUS_OK);
        if (index < 6) expect_text("corrupt: zone=grid");
        if (index == 6) expect_text("fault=the block's checksum does not hold");
        EXPECT(inspect(damaged, words[index], true) == TACTUS_OK);
        expect_json();
    }
    simulated_disk_free(damaged);

    damaged = simulated_disk_clone(disk);
    simulated_disk_flip(damaged, layout.journal_offset + checkpoint.journal_offset + 4500, 2);
    EXPECT(inspect(damaged, "journal", false) == TACTUS_OK);
    expect_text("state=damaged");
    expect_text("state=beyond");
    EXPECT(inspect(damaged, "journal", true) == TACTUS_OK);
    expect_json();
    simulated_disk_free(damaged);

    damaged = simulated_disk_clone(disk);
    simulated_disk_flip(damaged, layout_superblock_offset(1) + 99, 2);
    EXPECT(inspect(damaged, "superblock", false) == TACTUS_OK);
    expect_text("slot=1 byte=16384 state=");
    simulated_disk_free(damaged);
    simulated_disk_free(disk);
}

TEST(inspect, shows_the_copies_of_a_superblock_that_nobody_can_trust)
{
    struct simulated_disk *disk = care_disk_new(4);
    for (uint32_t copy = 0; copy < 3; copy += 1) {
        simulated_disk_flip(disk, layout_superblock_offset(copy) + 99, 2);
    }
    for (uint32_t index = 0; index < WORDS; index += 1) {
        EXPECT(inspect(disk, words[index], false) == TACTUS_CORRUPT);
        expect_text("slot=3");
        expect_text("corrupt: zone=superblock");
        EXPECT(inspect(disk, words[index], true) == TACTUS_CORRUPT);
        expect_json();
    }
    simulated_disk_free(disk);
}

TEST(inspect, stops_when_the_writer_asks_to)
{
    struct simulated_disk *disk = care_disk_filled(5, 2000, 0);
    struct reactor reactor = {0};
    struct inspect_writer writer;
    struct fault fault = {0};
    uint32_t calls = 0;
    simulated_disk_open_read_only(&reactor, disk);
    inspect_begin(&writer, stop, &calls, false);
    EXPECT(inspect_file(&reactor, INSPECT_BLOCKS, &writer, &fault) == TACTUS_OK);
    inspect_end(&writer);
    EXPECT(calls == 1);
    file_close(&reactor);
    simulated_disk_free(disk);
}

TEST(inspect, writes_numbers_and_words_that_json_readers_keep)
{
    struct inspect_writer writer;
    used = 0;
    inspect_begin(&writer, keep, NULL, true);
    inspect_number(&writer, "small", UINT64_C(1) << 53);
    inspect_number(&writer, "large", (UINT64_C(1) << 53) + 1);
    inspect_text(&writer, "words", "a \"b\" \\ \n \x01 \xc3\xa9");
    inspect_list_begin(&writer, "rows");
    inspect_line(&writer, "fault", "one");
    inspect_line(&writer, "fault", "two");
    inspect_list_end(&writer);
    inspect_end(&writer);
    expect_json();
    expect_text("\"small\":9007199254740992,");
    expect_text("\"large\":\"9007199254740993\"");
    expect_text("\"a \\\"b\\\" \\\\ \\u000a \\u0001 \xc3\xa9\"");
    expect_text("{\"fault\":\"one\"},\n{\"fault\":\"two\"}]");
}

TEST(inspect, writes_tables_whose_columns_stand_under_their_keys)
{
    static const struct inspect_column columns[] = {
        {.key = "a", .width = 4},
        {.key = "word", .is_text = true},
        {.key = "longer"},
        {.key = "last", .is_text = true},
    };
    for (uint32_t is_json = 0; is_json < 2; is_json += 1) {
        struct inspect_writer writer;
        used = 0;
        inspect_begin(&writer, keep, NULL, is_json == 1);
        inspect_table_begin(&writer, "rows", columns, 4);
        for (uint64_t row = 1; row < 3; row += 1) {
            inspect_row_begin(&writer);
            inspect_number(&writer, "a", row);
            inspect_text(&writer, "word", "x");
            inspect_ratio(&writer, "longer", 2 - row, row - 1);
            inspect_text(&writer, "last", "y");
            inspect_row_end(&writer);
        }
        inspect_table_end(&writer);
        inspect_ratio(&writer, "third", 2, 3);
        inspect_end(&writer);
        if (is_json == 1) continue;
        EXPECT(
            strcmp(
                text,
                "rows:\n"
                "     a  word  longer  last\n"
                "     1  x       0.00  y\n"
                "     2  x       0.00  y\n"
                "third: 0.67\n"
            ) == 0
        );
    }
    expect_json();
    expect_text("{\"a\":1,\"word\":\"x\",\"longer\":0.00,\"last\":\"y\"},");
    expect_text("\"third\":0.67");
}

TEST(inspect, refuses_what_it_cannot_do_in_words)
{
    struct tactus_error error;
    EXPECT(tactus_inspect(NULL, NULL, "text", keep, NULL, &error) == TACTUS_MISUSE);
    EXPECT(tactus_inspect("x", "nonsense", "text", keep, NULL, &error) == TACTUS_MISUSE);
    EXPECT(tactus_inspect("x", NULL, "xml", keep, NULL, &error) == TACTUS_MISUSE);
    EXPECT(tactus_inspect("x", NULL, NULL, keep, NULL, &error) == TACTUS_MISUSE);
    EXPECT(tactus_inspect("x", NULL, "text", NULL, NULL, &error) == TACTUS_MISUSE);
    EXPECT(tactus_inspect("no-such-file", NULL, "text", keep, NULL, &error) == TACTUS_IO);
    EXPECT(error.text[0] != 0);
}

TEST_MAIN()
