#include "support/oracle_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"

#include "base/poison.h"

enum { INDEX_BYTES = 16, ID_STEP = 5 };

static const struct {
    const char *name;
    uint32_t type, size, decimals;
} types[] = {
    {"u8", TACTUS_TYPE_U8, 1, 0},
    {"u16", TACTUS_TYPE_U16, 2, 0},
    {"u32", TACTUS_TYPE_U32, 4, 0},
    {"u64", TACTUS_TYPE_U64, 8, 0},
    {"i8", TACTUS_TYPE_I8, 1, 0},
    {"i16", TACTUS_TYPE_I16, 2, 0},
    {"i32", TACTUS_TYPE_I32, 4, 0},
    {"i64", TACTUS_TYPE_I64, 8, 0},
    {"f32", TACTUS_TYPE_F32, 4, 0},
    {"f64", TACTUS_TYPE_F64, 8, 0},
    {"bool", TACTUS_TYPE_BOOL, 1, 0},
    {"time", TACTUS_TYPE_TIME, 8, 0},
    {"decimal(2)", TACTUS_TYPE_DECIMAL, 8, 2},
    {"decimal(9)", TACTUS_TYPE_DECIMAL, 8, 9},
    {"u128", TACTUS_TYPE_U128, 16, 0},
    {"uuid", TACTUS_TYPE_UUID, 16, 0},
    {"text(3)", TACTUS_TYPE_TEXT, 3, 0},
    {"text(8)", TACTUS_TYPE_TEXT, 8, 0},
    {"text(16)", TACTUS_TYPE_TEXT, 16, 0},
    {"text(20)", TACTUS_TYPE_TEXT, 20, 0},
    {"text(48)", TACTUS_TYPE_TEXT, 48, 0},
    {"bytes(4)", TACTUS_TYPE_BYTES, 4, 0},
    {"bytes(20)", TACTUS_TYPE_BYTES, 20, 0},
    {"bytes(40)", TACTUS_TYPE_BYTES, 40, 0},
};

static struct oracle_field *add_field(
    struct oracle_store *store, const char *name, uint32_t type, uint32_t size
)
{
    EXPECT(store->field_count < ORACLE_FIELDS + 3);
    struct oracle_field *field = &store->fields[store->field_count];
    store->field_count += 1;
    *field = (struct oracle_field){.field = {.name = name, .type = type, .size = size}};
    return field;
}

static void draw_field(struct oracle_store *store, struct random *random, struct oracle_text *text)
{
    static const char *const names[] = {"f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9"};
    static const struct {
        const char *words;
        bool index, order;
    } ways[] = {
        {"", false, false},
        {" index", true, true},
        {" index", true, true},
        {" index", true, true},
        {" optional", false, false},
        {" optional index", true, false},
        {" index sparse", true, false},
        {" index hash", true, false},
        {" optional index hash", true, false},
        {" index hash sparse", true, false},
    };
    const uint64_t type = random_below(random, sizeof types / sizeof types[0]);
    uint64_t way = random_below(random, sizeof ways / sizeof ways[0]);
    if (store->is_map && ways[way].index) way = 0;
    uint32_t number = 0;
    for (uint32_t index = 0; index < store->field_count; index += 1)
        number += store->fields[index].field.name[0] == 'f';
    struct oracle_field *field =
        add_field(store, names[number], types[type].type, types[type].size);
    field->field.decimals = types[type].decimals;
    field->indexed = ways[way].index;
    const bool whole = !oracle_is_string(&field->field) || field->field.size <= INDEX_BYTES;
    field->gives_order = ways[way].order && whole;
    oracle_say(text, "  %s %s%s\n", names[number], types[type].name, ways[way].words);
}

/* A number that is not taken, of the fields f0 ... that fit, or UINT32_MAX. */
static uint32_t draw_part(
    const struct oracle_store *store,
    struct random *random,
    const struct oracle_composite *composite,
    uint32_t room
)
{
    const uint32_t number = (uint32_t)random_below(random, store->field_count);
    const struct oracle_field *field = &store->fields[number];
    if (field->field.name[0] != 'f' || field->field.size > room) return UINT32_MAX;
    for (uint32_t index = 0; index < composite->count; index += 1) {
        if (composite->fields[index] == number) return UINT32_MAX;
    }
    return number;
}

static void draw_composite(
    struct oracle_store *store, struct random *random, struct oracle_text *text
)
{
    struct oracle_composite composite = {0};
    uint32_t room = INDEX_BYTES;
    for (uint32_t attempt = 0; attempt < 5; attempt += 1) {
        const uint32_t number = draw_part(store, random, &composite, room);
        if (number == UINT32_MAX || composite.count == ORACLE_COMPOSITE_FIELDS) continue;
        composite.fields[composite.count] = (uint8_t)number;
        composite.count += 1;
        room -= store->fields[number].field.size;
    }
    if (composite.count < 2) return;
    oracle_say(text, "  index both_%u (", store->composite_count);
    for (uint32_t index = 0; index < composite.count; index += 1) {
        struct oracle_field *field = &store->fields[composite.fields[index]];
        field->indexed = true;
        oracle_say(text, "%s%s", index > 0 ? ", " : "", field->field.name);
    }
    oracle_say(text, ")\n");
    store->composites[store->composite_count] = composite;
    store->composite_count += 1;
}

/* Fields f0 ..., and bytes that are none. */
static void draw_fields(struct oracle_store *store, struct random *random, struct oracle_text *text)
{
    const uint32_t count = 3 + (uint32_t)random_below(random, ORACLE_FIELDS - 3);
    for (uint32_t index = 0; index < count && store->field_count < ORACLE_FIELDS + 2; index += 1) {
        if (random_chance(random, 1, 30)) {
            oracle_say(text, "  spare_%u reserved(3)\n", index);
            (void)add_field(store, "spare", TACTUS_TYPE_RESERVED, 3);
        } else {
            draw_field(store, random, text);
        }
    }
}

static const struct {
    const char *name;
    uint32_t type, size;
} ids[] = {
    {"u64", TACTUS_TYPE_U64, 8}, {"u128", TACTUS_TYPE_U128, 16}, {"uuid", TACTUS_TYPE_UUID, 16}};

static void draw_map(struct oracle_store *store, struct random *random, struct oracle_text *text)
{
    const uint64_t id = random_below(random, sizeof ids / sizeof ids[0]);
    store->is_map = true;
    store->timestamp_field = UINT32_MAX;
    add_field(store, "key", ids[id].type, ids[id].size)->gives_order = true;
    oracle_say(text, "map %s {\n  key %s\n", store->name, ids[id].name);
    draw_fields(store, random, text);
    oracle_say(text, "}\n");
}

static void draw_collection(
    struct oracle_store *store, struct random *random, struct oracle_text *text
)
{
    oracle_say(text, "collection %s {\n", store->name);
    const uint64_t id = random_below(random, 1 + sizeof ids / sizeof ids[0]);
    store->id_field = UINT32_MAX;
    if (id < sizeof ids / sizeof ids[0]) {
        store->id_field = store->field_count;
        add_field(store, "id", ids[id].type, ids[id].size)->gives_order = true;
        oracle_say(text, "  id %s\n", ids[id].name);
    }
    const bool first = random_chance(random, 1, 2);
    store->timestamp_field = store->field_count;
    if (first) {
        add_field(store, "timestamp", TACTUS_TYPE_TIMESTAMP, 8)->gives_order = true;
        oracle_say(text, "  timestamp timestamp\n");
    }
    draw_fields(store, random, text);
    if (!first) {
        store->timestamp_field = store->field_count;
        add_field(store, "timestamp", TACTUS_TYPE_TIMESTAMP, 8)->gives_order = true;
    }
    const uint64_t composites = random_below(random, ORACLE_COMPOSITES + 1);
    for (uint64_t number = 0; number < composites; number += 1)
        draw_composite(store, random, text);
    oracle_say(text, "}\n");
}

uint32_t oracle_stores_draw(
    struct oracle_store *stores, struct random *random, struct oracle_text *text
)
{
    const uint32_t count =
        random_chance(random, 2, 3) ? 1 : 2 + (uint32_t)random_below(random, ORACLE_STORES - 1);
    for (uint32_t number = 0; number < count; number += 1) {
        struct oracle_store *store = &stores[number];
        *store = (struct oracle_store){.name = {(char)('c' + number)}};
        if (random_chance(random, 1, 5)) {
            draw_map(store, random, text);
        } else {
            draw_collection(store, random, text);
        }
        for (uint32_t index = 0; index < store->field_count; index += 1)
            oracle_field_draw(&store->fields[index], random);
    }
    return count;
}

void oracle_store_learn(struct oracle_store *store, tactus_db *db)
{
    EXPECT(tactus_collection_find(db, store->name, 0, &store->collection) == TACTUS_OK);
    struct tactus_collection_info info;
    tactus_collection_info(store->collection, &info);
    EXPECT(info.field_count == store->field_count);
    EXPECT(info.id_field == store->id_field);
    EXPECT(info.timestamp_field == store->timestamp_field);
    EXPECT(info.object_bytes <= ORACLE_OBJECT_SIZE);
    store->object_bytes = info.object_bytes;
    for (uint32_t number = 0; number < store->field_count; number += 1) {
        struct tactus_field *field = &store->fields[number].field;
        struct tactus_field told;
        EXPECT(tactus_field_at(store->collection, number, &told) == TACTUS_OK);
        EXPECT(told.type == field->type && told.size == field->size);
        EXPECT(told.decimals == field->decimals);
        EXPECT(strncmp(told.name, field->name, strlen(field->name)) == 0);
        field->offset = told.offset;
    }
}

/* Ids of 16 bytes differ in both halves, and not alike. */
static void draw_id(const struct oracle_store *store, uint32_t slot, uint8_t *target)
{
    uint64_t id[2] = {(uint64_t)slot * ID_STEP, 0};
    const uint32_t size = store->fields[store->id_field].field.size;
    if (size == 16) id[1] = slot % 7;
    if (size == 16 && slot % 3 == 0) id[0] = 0 - id[0];
    if (size == 16 && slot % 11 == 3) id[0] = 0;
    if (size == 16 && slot % 11 == 3) id[1] = slot + 7;
    memcpy(target, id, size);
}

void oracle_store_fill(struct oracle_store *store, struct random *random, uint32_t slot_count)
{
    store->slot_count = slot_count;
    store->committed = calloc(slot_count, sizeof *store->committed);
    store->pending = calloc(slot_count, sizeof *store->pending);
    EXPECT(store->committed != NULL && store->pending != NULL);
    if (store->id_field == UINT32_MAX) return;
    struct oracle_field *id = &store->fields[store->id_field];
    id->spread = ORACLE_EVEN;
    for (uint32_t index = 0; index < id->pool_count; index += 1) {
        draw_id(store, (uint32_t)random_below(random, slot_count + 2), id->pool[index]);
    }
}

void oracle_store_free(struct oracle_store *store)
{
    free(store->committed);
    free(store->pending);
}

void oracle_object_draw(
    const struct oracle_store *store,
    struct random *random,
    uint32_t slot,
    struct oracle_object *object
)
{
    const uint64_t timestamp = object->timestamp;
    *object = (struct oracle_object){.present = true, .timestamp = timestamp};
    for (uint32_t number = 0; number < store->field_count; number += 1) {
        const struct oracle_field *field = &store->fields[number];
        uint8_t *target = object->bytes + field->field.offset;
        uint8_t value[ORACLE_VALUE_SIZE];
        if (number == store->timestamp_field) {
            memcpy(target, &timestamp, 8);
        } else if (number == store->id_field) {
            draw_id(store, slot, target);
        } else if (field->field.type != TACTUS_TYPE_RESERVED) {
            oracle_object_value(field, random, store->timestamp_last, value);
            memcpy(target, value, field->field.size);
        }
    }
}

const uint8_t *oracle_object_name(
    const struct oracle_store *store, const struct oracle_object *object
)
{
    const bool has_id = store->id_field != UINT32_MAX;
    const uint32_t number = has_id ? store->id_field : store->timestamp_field;
    return object->bytes + store->fields[number].field.offset;
}
