#include "forest/schema_parser.h"

#include "support/test.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct schema schema;
static struct text_error error;

static bool parses(const char *text)
{
    memset(&schema, 0xa5, sizeof schema); /* nothing is assumed about what it held */
    error = (struct text_error){0};
    return schema_parse(text, strlen(text), &schema, &error) == TACTUS_OK;
}

/* Whether the text is refused there, with these words somewhere in the message. */
static bool refuses(const char *text, uint32_t line, uint32_t column, const char *words)
{
    if (parses(text)) return false;
    const bool good =
        error.line == line && error.column == column && strstr(error.text, words) != NULL;
    if (!good) printf("%u:%u: %s\n", error.line, error.column, error.text);
    return good;
}

static const char *const sale = "# sale.tactus-schema: one line of an invoice \xe2\x82\xac\n"
                                "collection sale {\n"
                                "  id           u64\n"
                                "  timestamp    timestamp\n"
                                "  invoice      text(8)   index\n"
                                "  customer     u32       optional index\n"
                                "  at           time      index\n"
                                "  price        decimal(3)\n"
                                "  quantity     i32\n"
                                "  country      text(20)  index\n"
                                "  description  text(40)\n"
                                "  spare        reserved(16)\n"
                                "  index customer_at (customer, at)     # composite\n"
                                "}\n";

TEST(schema_parser, lays_fields_out_in_their_order)
{
    EXPECT(parses(sale));
    EXPECT(schema.count == 1);
    const struct collection_schema *collection = &schema.collections[0];
    EXPECT(strcmp(collection->name, "sale") == 0);
    EXPECT(collection->field_count == 10);
    const uint32_t offsets[] = {0, 8, 16, 24, 32, 40, 48, 52, 72, 112};
    for (uint32_t i = 0; i < 10; i += 1)
        EXPECT(collection->fields[i].offset == offsets[i]);
    EXPECT(collection->object_bytes == 128);
    EXPECT(collection->id_field == 0);
    EXPECT(collection->id_bytes == 8);
    EXPECT(collection->timestamp_field == 1);
    EXPECT(collection->timestamp_offset == 8);
    EXPECT(collection->fields[3].flags == (TACTUS_FIELD_OPTIONAL | TACTUS_FIELD_INDEX));
    EXPECT(collection->fields[5].decimals == 3);
    EXPECT(collection->shape != 0);
}

TEST(schema_parser, numbers_trees_in_the_order_of_the_text)
{
    EXPECT(parses("collection a { x u8 index y u8 index xy (x, y) z u16 index }\n"
                  "collection b { id u128\n v u8 index sparse }"));
    const struct collection_schema *a = &schema.collections[0];
    const struct collection_schema *b = &schema.collections[1];
    EXPECT(a->object_tree == 1);
    EXPECT(a->id_tree == 0);
    EXPECT(a->index_count == 3);
    EXPECT(strcmp(a->indexes[0].name, "x") == 0 && a->indexes[0].tree == 2);
    EXPECT(strcmp(a->indexes[1].name, "xy") == 0 && a->indexes[1].tree == 3);
    EXPECT(strcmp(a->indexes[2].name, "z") == 0 && a->indexes[2].tree == 4);
    EXPECT(b->object_tree == 5);
    EXPECT(b->id_tree == 6);
    EXPECT(b->indexes[0].tree == 7);
    EXPECT(b->indexes[0].sparse);
    EXPECT(schema.tree_count == 7);
    EXPECT(schema_tree(&schema, 3).index == &a->indexes[1]);
    EXPECT(schema_tree(&schema, 5).kind == TREE_KIND_OBJECT);
    EXPECT(schema_tree(&schema, 6).kind == TREE_KIND_ID);
    EXPECT(schema_tree(&schema, 7).collection == b);
}

TEST(schema_parser, a_map_is_its_key_and_what_stands_behind_it_and_has_one_tree)
{
    EXPECT(parses("map session { key u128   user u64   state bytes(45) }\n"
                  "collection a { id u64\n x u8 index }\n"
                  "map flag { key u64 }"));
    EXPECT(schema.count == 3);
    const struct collection_schema *session = &schema.collections[0];
    EXPECT(session->is_map);
    EXPECT(session->field_count == 3);
    EXPECT(session->id_field == 0);
    EXPECT(session->id_bytes == 16);
    EXPECT(session->timestamp_field == FIELD_NONE);
    EXPECT(session->fields[0].flags == TACTUS_FIELD_ID);
    EXPECT(session->fields[1].offset == 16 && session->fields[2].offset == 24);
    EXPECT(session->object_bytes == 72);
    EXPECT(session->object_tree == 1 && session->id_tree == 0 && session->index_count == 0);
    EXPECT(session->shape != 0);
    EXPECT(schema_tree(&schema, 1).kind == TREE_KIND_MAP);
    EXPECT(schema_tree(&schema, 1).collection == session);

    const struct collection_schema *a = &schema.collections[1];
    EXPECT(!a->is_map && a->object_tree == 2 && a->id_tree == 3 && a->indexes[0].tree == 4);
    const struct collection_schema *flag = &schema.collections[2];
    EXPECT(flag->is_map && flag->object_tree == 5 && flag->object_bytes == 8);
    EXPECT(flag->id_bytes == 8);
    EXPECT(schema.tree_count == 5);
    EXPECT(schema_find(&schema, "flag") == flag);
}

TEST(schema_parser, a_map_may_have_optional_fields_and_a_collection_a_field_named_key)
{
    EXPECT(parses("map m { key uuid\n at time optional\n spare reserved(3) }"));
    EXPECT(schema.collections[0].fields[1].flags == TACTUS_FIELD_OPTIONAL);
    EXPECT(parses("collection a { key u32 index }"));
    EXPECT(!schema.collections[0].is_map);
    EXPECT(schema.collections[0].id_field == FIELD_NONE);
    EXPECT(schema.collections[0].index_count == 1);
}

TEST(schema_parser, adds_the_timestamp_that_is_left_out)
{
    EXPECT(parses("collection a { x u8 }"));
    const struct collection_schema *a = &schema.collections[0];
    EXPECT(a->field_count == 2);
    EXPECT(strcmp(a->fields[1].name, "timestamp") == 0);
    EXPECT(a->fields[1].offset == 8);
    EXPECT(a->object_bytes == 16);
    EXPECT(a->id_field == FIELD_NONE);
}

TEST(schema_parser, accepts_a_timestamp_of_another_name)
{
    EXPECT(parses("collection a { x u8\n created timestamp }"));
    EXPECT(schema.collections[0].field_count == 2);
    EXPECT(schema.collections[0].timestamp_field == 1);
}

TEST(schema_parser, tells_words_behind_a_type_from_the_next_field)
{
    EXPECT(parses("collection a { optional u8 sparse u16 hash u32\n index i (optional, sparse) }"));
    EXPECT(schema.collections[0].field_count == 4);
    EXPECT(schema.collections[0].index_count == 1);
    EXPECT(parses("collection a { x u8 index\n sparse u16\n optional u8 optional\n }"));
    EXPECT(schema.collections[0].field_count == 4);
    EXPECT(!schema.collections[0].indexes[0].sparse);
}

TEST(schema_parser, accepts_hashed_indexes_on_fields_of_any_type)
{
    EXPECT(parses("collection a { a u8 index hash\n b text(40) optional index hash\n"
                  "c uuid index hash sparse\n d decimal(2) index sparse hash d2 text(40) index\n"
                  "e u8 index hash hash u16 index sparse sparse u32 }"));
    const struct collection_schema *a = &schema.collections[0];
    EXPECT(a->index_count == 7);
    const bool hashed[] = {true, true, true, true, false, true, false};
    const bool sparse[] = {false, false, true, true, false, false, true};
    for (uint32_t i = 0; i < 7; i += 1) {
        const struct index_schema *index = &a->indexes[i];
        EXPECT(index->hashed == hashed[i]);
        EXPECT(index->sparse == sparse[i]);
        EXPECT(!index->hashed || (index->order_bytes == 8 && !index->truncated));
        const uint32_t flag = a->fields[index->fields[0]].flags & TACTUS_FIELD_HASH;
        EXPECT((flag != 0) == index->hashed);
    }
    EXPECT(index_leaves_zero_out(a, &a->indexes[1], 1));
    EXPECT(index_leaves_zero_out(a, &a->indexes[2], 2));
    EXPECT(!index_leaves_zero_out(a, &a->indexes[0], 0));
}

TEST(schema_parser, accepts_carriage_returns_tabs_and_a_byte_order_mark)
{
    EXPECT(parses("\xef\xbb\xbf"
                  "collection a\r\n{\r\n\tx u8\r\n}\r\n"));
}

TEST(schema_parser, shape_changes_with_the_struct_only)
{
    EXPECT(parses("collection a { x u32\n y u32 }"));
    const uint64_t shape = schema.collections[0].shape;
    EXPECT(parses("# other words\ncollection a {\n x u32 optional index\n y u32 index\n}"));
    EXPECT(schema.collections[0].shape == shape);
    EXPECT(parses("collection a { x i32\n y u32 }"));
    EXPECT(schema.collections[0].shape != shape);
    EXPECT(parses("collection a { y u32\n x u32 }"));
    EXPECT(schema.collections[0].shape != shape);
    EXPECT(parses("collection b { x u32\n y u32 }"));
    EXPECT(schema.collections[0].shape != shape);
}

/* The number is part of programs that codegen has printed: it may never change. */
TEST(schema_parser, shape_of_sale_stays_what_it_is)
{
    EXPECT(parses("collection sale { id u64 }"));
    EXPECT(schema.collections[0].shape == UINT64_C(0x5dd2c6cbdfb5e3c9));
}

TEST(schema_parser, refuses_bad_types)
{
    EXPECT(refuses("collection a {\n  x u33\n}", 2, 5, "unknown type `u33`"));
    EXPECT(refuses("collection a {\n  x\n}", 3, 1, "unknown type `}`"));
    EXPECT(refuses("collection a { x", 1, 17, "unknown type `` at the end"));
    EXPECT(refuses("collection a { x text }", 1, 23, "text(N), N from 1 to 4096"));
    EXPECT(refuses("collection a { x text(0) }", 1, 23, "bad number `0`"));
    EXPECT(refuses("collection a { x text(5000) }", 1, 23, "from 1 to 4096"));
    EXPECT(refuses("collection a { x text(99999999999999999999) }", 1, 23, "from 1 to 4096"));
    EXPECT(refuses("collection a { x text(1x) }", 1, 23, "bad number `1x`"));
    EXPECT(refuses("collection a { x text(x) }", 1, 23, "bad number `x`"));
    EXPECT(refuses("collection a { x decimal(19) }", 1, 26, "from 1 to 18"));
    EXPECT(refuses("collection a { x text(5 }", 1, 25, "expected `)`"));
    EXPECT(refuses("collection a { x u8(5) }", 1, 20, "u8 takes no number"));
}

TEST(schema_parser, refuses_bad_names)
{
    EXPECT(refuses("collection a { x u8\n x u8 }", 2, 2, "duplicate name `x`"));
    EXPECT(refuses("collection a { id u64\n id u64 }", 2, 2, "two ids"));
    EXPECT(refuses("collection a { x u8 }\ncollection a { x u8 }", 2, 12, "duplicate name `a`"));
    EXPECT(refuses("collection a { and u8 }", 1, 16, "`and` is a word of the language"));
    EXPECT(refuses("collection map { x u8 }", 1, 12, "`map` is a word of the language"));
    EXPECT(refuses("collection A { x u8 }", 1, 12, "bad name `A`"));
    EXPECT(refuses("collection a { xY u8 }", 1, 16, "bad name `xY`"));
    EXPECT(refuses("collection a { _x u8 }", 1, 16, "bad name `_x`"));
    EXPECT(refuses("collection a { 7 u8 }", 1, 16, "expected the name of a field"));
    char text[200];
    (void)snprintf(text, sizeof text, "collection a { %064d u8 }", 0);
    memset(text + 15, 'n', 64);
    EXPECT(refuses(text, 1, 16, "name of 64 bytes"));
    memmove(text + 15, text + 16, strlen(text) - 15);
    EXPECT(parses(text));
    EXPECT(refuses("collection a { x u8\n index x (x) }", 2, 8, "duplicate name `x`"));
    EXPECT(refuses("collection a { x u8\n index i (x)\n i u8 }", 3, 2, "duplicate name `i`"));
    EXPECT(refuses("collection a { x u8\n index timestamp (x)\n }", 3, 2, "duplicate name"));
}

TEST(schema_parser, refuses_what_an_id_or_a_timestamp_cannot_be)
{
    EXPECT(refuses("collection a { id u32 }", 1, 16, "the id must be u64, u128 or uuid"));
    EXPECT(refuses("collection a { id u64 optional }", 1, 16, "always there"));
    EXPECT(refuses("collection a { id u64 index }", 1, 16, "always served"));
    EXPECT(refuses("collection a { t timestamp index }", 1, 16, "always served"));
    EXPECT(refuses("collection a { t timestamp\n u timestamp }", 2, 2, "two timestamps"));
    EXPECT(refuses("collection a { timestamp u64 }", 1, 16, "has the type timestamp"));
    EXPECT(refuses("collection a { x u8\n r reserved(8) index }", 2, 2, "reserved bytes"));
}

TEST(schema_parser, refuses_what_a_map_cannot_be)
{
    EXPECT(refuses("map m {\n  user u64\n}", 2, 3, "a map begins with its key"));
    EXPECT(refuses("map m { user u64\n key u64 }", 1, 9, "a map begins with its key"));
    EXPECT(refuses("map m { id u64 }", 1, 9, "a map begins with its key"));
    EXPECT(refuses("map m { key u32 }", 1, 9, "the key must be u64, u128 or uuid"));
    EXPECT(refuses("map m { key text(8) }", 1, 9, "the key must be u64, u128 or uuid"));
    EXPECT(refuses("map m { key u64 optional }", 1, 9, "the key is always there"));
    EXPECT(refuses("map m { key u64 index }", 1, 9, "the key is always there"));
    EXPECT(refuses("map m { key u64\n key u64 }", 2, 2, "duplicate name `key`"));
    EXPECT(refuses("map m { key u64\n id u64 }", 2, 2, "a map has a key, and no id"));
    EXPECT(refuses("map m { key u64\n at timestamp }", 2, 2, "a map has no timestamps"));
    EXPECT(refuses("map m { key u64\n timestamp timestamp }", 2, 2, "a map has no timestamps"));
    EXPECT(refuses("map m { key u64\n timestamp u64 }", 2, 2, "has the type timestamp"));
    EXPECT(refuses("map m { key u64\n x u8 index\n }", 2, 2, "a map has no indexes"));
    EXPECT(refuses("map m { key u64\n x u8 index sparse\n }", 2, 2, "a map has no indexes"));
    EXPECT(refuses("map m { key u64\n x u8\n index i (x) }", 3, 2, "a map has no indexes"));
    EXPECT(refuses("map m { index i (x)\n key u64 }", 1, 9, "a map has no indexes"));
    EXPECT(refuses("map m { }", 1, 9, "declare its key"));
    EXPECT(refuses("map m", 1, 6, "`{` is missing behind the name of the map"));
    EXPECT(refuses("map {", 1, 5, "the name of a map"));
    EXPECT(refuses("map m { key u64\n", 2, 1, "opened in line 1, is not closed"));
    EXPECT(refuses("map m { key u64\nmap n { key u64 }", 2, 1, "is not closed before this"));
    EXPECT(refuses("map m { key u64 }\nmap m { key u64 }", 2, 5, "a map above has it"));
    EXPECT(refuses("map m { key u64 }\ncollection m { x u8 }", 2, 12, "a map above has it"));
    EXPECT(refuses("collection m { x u8 }\nmap m { key u64 }", 2, 5, "a collection above"));
}

TEST(schema_parser, refuses_bad_words_behind_a_type)
{
    EXPECT(refuses("collection a {\n x u8 indexed\n y u8\n}", 2, 7, "unknown word `indexed`"));
    EXPECT(refuses("collection a { x u8 sparse\n }", 1, 21, "write `index sparse`"));
    EXPECT(refuses("collection a { x u8 index index\n }", 1, 27, "stands twice"));
    EXPECT(refuses("collection a { x u8 optional optional\n }", 1, 30, "stands twice"));
    EXPECT(refuses("collection a { x u8 hash\n }", 1, 21, "write `index hash`"));
    EXPECT(refuses("collection a { x u8 index hash hash\n }", 1, 32, "`hash` stands twice"));
    EXPECT(refuses("collection a { x u8 index sparse sparse\n }", 1, 34, "stands twice"));
    EXPECT(refuses("collection a { r reserved(8) index hash\n }", 1, 16, "reserved bytes"));
    EXPECT(refuses("collection a { id u64 index hash }", 1, 16, "always served"));
}

TEST(schema_parser, refuses_bad_composite_indexes)
{
    EXPECT(refuses("collection a { x u128\n y u8\n index i (x, y) }", 3, 14, "index over 16 bytes")
    );
    EXPECT(refuses("collection a { x text(20)\n index i (x) }", 2, 11, "index over 16 bytes"));
    EXPECT(refuses("collection a { x u8\n index i (x, z) }", 2, 14, "unknown field `z`"));
    EXPECT(refuses("collection a { x u8\n index i (x, x) }", 2, 14, "stands twice"));
    EXPECT(refuses("collection a { x u8\n index i () }", 2, 11, "the name of a field of the index")
    );
    EXPECT(refuses("collection a { x u8\n index i (x }", 2, 13, "expected `)`"));
    EXPECT(refuses("collection a { x u8\n index i x }", 2, 10, "expected `(`"));
    EXPECT(refuses("collection a { x u8\n index i (timestamp) }", 2, 11, "timestamp last"));
    EXPECT(refuses("collection a { id u64\n index i (id) }", 2, 11, "id is served already"));
    EXPECT(refuses("collection a { x u8\n index i (x) sparse\n }", 2, 14, "takes no word"));
    EXPECT(refuses("collection a { x u8\n index i (x) hash\n }", 2, 14, "takes no word"));
    EXPECT(refuses("collection a { x u8\n r reserved(2)\n index i (x, r) }", 3, 14, "no value"));
}

TEST(schema_parser, a_composite_may_name_fields_declared_after_it)
{
    EXPECT(parses("collection a { index i (x, y)\n x u8\n y text(15) }"));
    EXPECT(schema.collections[0].indexes[0].order_bytes == 16);
}

TEST(schema_parser, refuses_text_that_is_no_schema)
{
    EXPECT(refuses("", 1, 1, "no collection"));
    EXPECT(refuses("# nothing\n", 2, 1, "no collection"));
    EXPECT(refuses("hello", 1, 1, "unexpected `hello`"));
    EXPECT(refuses("collection", 1, 11, "the text ends"));
    EXPECT(refuses("collection a", 1, 13, "`{` is missing"));
    EXPECT(refuses("collection a {\n x u8\n", 3, 1, "opened in line 1, is not closed"));
    EXPECT(refuses("collection a { x u8\ncollection b { y u8 }", 2, 1, "is not closed before this")
    );
    EXPECT(refuses("collection a { }", 1, 16, "has no field"));
    EXPECT(refuses("collection a { x u8 } }", 1, 23, "unexpected `}`"));
    EXPECT(refuses("collection a { x u8; }", 1, 20, "unexpected `;`"));
    EXPECT(refuses("collection a { \xc3\xa4 u8 }", 1, 16, "byte 0xc3"));
    EXPECT(refuses("collection a { x\x01 u8 }", 1, 17, "control character 0x01"));
    EXPECT(schema_parse("collection a { x u8 }\0", 22, &schema, &error) == TACTUS_SYNTAX);
    EXPECT(error.line == 1 && error.column == 22 && strstr(error.text, "zero byte") != NULL);
    EXPECT(schema_parse("collection a { # \0\n x u8 }", 26, &schema, &error) == TACTUS_SYNTAX);
    EXPECT(schema_parse("hello", 5, &schema, NULL) == TACTUS_SYNTAX);
}

static char big[SCHEMA_TEXT_MAX + 64];

/* "collection c { f0 u8 f1 u8 ... }" with so many fields of that type, `words` behind each. */
static const char *with_fields(uint32_t count, const char *type)
{
    size_t size = (size_t)snprintf(big, sizeof big, "collection c {");
    for (uint32_t i = 0; i < count; i += 1) {
        size += (size_t)snprintf(big + size, sizeof big - size, "\n f%u %s", i, type);
    }
    (void)snprintf(big + size, sizeof big - size, "\n}");
    return big;
}

TEST(schema_parser, refuses_too_much)
{
    EXPECT(parses(with_fields(127, "u8")));
    EXPECT(schema.collections[0].field_count == FIELDS_MAX);
    EXPECT(refuses(with_fields(128, "u8"), 130, 1, "too many fields"));
    EXPECT(refuses(with_fields(129, "u8"), 130, 2, "too many fields"));
    EXPECT(parses(with_fields(16, "u8 index")));
    EXPECT(refuses(with_fields(17, "u8 index"), 18, 2, "too many indexes"));
    EXPECT(parses(with_fields(4, "bytes(1022)")));
    EXPECT(schema.collections[0].object_bytes == OBJECT_SIZE_MAX);
    EXPECT(refuses(with_fields(4, "bytes(1023)"), 6, 1, "object too large"));
    EXPECT(refuses(with_fields(5, "bytes(1000)"), 6, 2, "has 5000 bytes, and 4096 are allowed"));

    EXPECT(parses("map m { key u64\n v bytes(4080) }"));
    EXPECT(schema.collections[0].object_bytes == MAP_OBJECT_SIZE_MAX);
    EXPECT(refuses("map m { key u64\n v bytes(4081) }", 2, 2, "4096 bytes, and 4088 are allowed"));

    size_t size = 0;
    for (uint32_t i = 0; i < 65; i += 1) {
        const char *form = i % 2 == 0 ? "collection c%u { x u8 }\n" : "map c%u { key u64 }\n";
        size += (size_t)snprintf(big + size, sizeof big - size, form, i);
    }
    EXPECT(refuses(big, 65, 12, "too many collections and maps"));
    memset(big, ' ', sizeof big);
    EXPECT(schema_parse(big, SCHEMA_TEXT_MAX + 1, &schema, &error) == TACTUS_SYNTAX);
    EXPECT(strstr(error.text, "at most 1 MiB") != NULL);
}

/* Every prefix of a good text is refused or, behind a closed block, read; none is read past its
 * end: that is the sanitizer's to say. */
TEST(schema_parser, survives_every_prefix)
{
    const size_t size = strlen(sale);
    for (size_t i = 0; i < size; i += 1) {
        char *copy = malloc(i == 0 ? 1 : i);
        memcpy(copy, sale, i);
        const enum tactus_status status = schema_parse(copy, i, &schema, &error);
        EXPECT(status == (i + 1 < size ? TACTUS_SYNTAX : TACTUS_OK));
        free(copy);
    }
}

TEST(schema_parser, finds_collections_and_fields_by_name)
{
    EXPECT(parses(sale));
    EXPECT(schema_find(&schema, "sale") == &schema.collections[0]);
    EXPECT(schema_find(&schema, "sales") == NULL);
    EXPECT(collection_field_find(&schema.collections[0], "priceless", 5) == 5);
    EXPECT(collection_field_find(&schema.collections[0], "pric", 4) == FIELD_NONE);
    EXPECT(index_leaves_zero_out(&schema.collections[0], &schema.collections[0].indexes[1], 3));
    EXPECT(!index_leaves_zero_out(&schema.collections[0], &schema.collections[0].indexes[4], 4));
}

TEST_MAIN()
