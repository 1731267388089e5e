/* Any text as a where-expression: it is refused in words, with a place, or parsed; then a plan
 * is chosen, parameters are bound, and an object made of the same bytes that passes the filter
 * must lie where the plan looks for it.
 *
 * The first byte is the order, the next OBJECT_BYTES the object, the rest the text. */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "forest/schema_parser.h"
#include "query/filter.h"
#include "query/plan.h"

#include <stddef.h>
#include <string.h>

#include "base/poison.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OBJECT_BYTES = 16, TEXT_MAX = 8192 };

static const char *const shape =
    "collection c { id u64\n a u8 index\n b i16 optional index\n t text(3) index\n w text(20) "
    "index\n"
    "d decimal(1) index sparse\n f f32\n u uuid\n e bool\n at time index\n h bytes(4)\n"
    "r reserved(2)\n index ab (a, b) index bt (b, t) index dtf (d, t, f) index ata (at, a) }";

/* Fills every field from few bytes, so that values meet those of the text now and then. */
static bool make_object(
    const struct collection_schema *collection, const uint8_t *data, uint8_t *object
)
{
    bytes_zero(object, collection->object_bytes);
    for (uint32_t i = 0; i < collection->field_count; i += 1) {
        const struct field *field = &collection->fields[i];
        if (field->type == TACTUS_TYPE_RESERVED) continue;
        const uint8_t byte = data[i % OBJECT_BYTES];
        object[field->offset] = field->type == TACTUS_TYPE_BOOL ? byte & 1 : byte;
        if (byte >= 0xf0) object[field->offset + field->size - 1] = byte;
    }
    uint32_t bad;
    object_timestamp_set(collection, object, 1 + data[0]);
    return object_normalise(collection, object, &bad) == TACTUS_OK;
}

static void check_found(
    const struct schema *schema, const struct query_plan *plan, const uint8_t *object
)
{
    const struct collection_schema *collection = &schema->collections[0];
    struct key key = codec_id_key(collection, object + collection->fields[0].offset);
    assert(plan->access != PLAN_NOTHING);
    if (plan->access == PLAN_LOOKUP_IDS) {
        bool found = false;
        for (uint32_t i = 0; i < plan->id_count; i += 1)
            found |= key_equal(plan->ids[i], key);
        assert(found);
        return;
    }
    if (plan->access == PLAN_SCAN_OBJECTS) key = key_from_u64(object_timestamp(collection, object));
    if (plan->access == PLAN_SCAN_INDEX) {
        uint8_t record[INDEX_RECORD_SIZE_MAX];
        const bool there = codec_index_record(collection, plan->index, object, record);
        assert(there);
        const struct tree_place place = schema_tree(schema, plan->tree);
        const struct record_shape of = codec_shape(&place);
        key = record_key(&of, record);
    }
    assert(!key_less(key, plan->key_min));
    assert(!key_less(plan->key_max, key));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct schema schema;
    static struct expression expression;
    static struct query_plan plan;
    static char text[TEXT_MAX + 1];
    uint8_t object[256];
    struct text_error error = {.text = ""};
    if (size < 1 + OBJECT_BYTES || size - 1 - OBJECT_BYTES > TEXT_MAX) return 0;

    const enum tactus_status parsed = schema_parse(shape, strlen(shape), &schema, &error);
    assert(parsed == TACTUS_OK);
    const struct collection_schema *collection = &schema.collections[0];
    bytes_copy(text, data + 1 + OBJECT_BYTES, size - 1 - OBJECT_BYTES);
    text[size - 1 - OBJECT_BYTES] = 0;
    if (expression_parse(&expression, collection, text, &error) != TACTUS_OK) {
        assert(error.line >= 1);
        assert(error.column >= 1);
        assert(error.text[0] != 0);
        return 0;
    }
    const struct plan_order order = {
        .field = (data[0] >> 1) % collection->field_count, .descending = (data[0] & 1) != 0};
    (void)!plan_choose(&expression, order, &plan, &error);
    for (uint32_t number = 0; (number = expression_unbound(&expression)) != 0;) {
        static const char *const values[] = {"1", "0", "0x1", "2010-12-01", "x'01'", "true"};
        bool bound = false;
        for (uint32_t i = 0; i < COUNT_OF(values) && !bound; i += 1) {
            bound = expression_bind(&expression, number, values[i], &error) == TACTUS_OK;
        }
        if (!bound) return 0;
    }
    if (!make_object(collection, data + 1, object)) return 0;
    const bool matches = filter_matches(&expression, object);
    if (plan_choose(&expression, order, &plan, &error) != TACTUS_OK) {
        assert(error.text[0] != 0);
    } else if (matches) {
        check_found(&schema, &plan, object);
    }
    return 0;
}
