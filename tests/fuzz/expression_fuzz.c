/* Any text as a where-expression: it is refused in words, with a place, or parsed; then a plan
 * is chosen, parameters are bound, and an object made of the same bytes that passes the filter
 * is one that the plan finds, and one that does not is none where nothing is checked.
 *
 * The first byte is the order, the next OBJECT_BYTES the object, the rest the text. */
#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "forest/schema_parser.h"
#include "query/explain.h"
#include "query/filter.h"
#include "support/plan_oracle.h"

#include <stddef.h>
#include <string.h>

#include "base/poison.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OBJECT_BYTES = 16, TEXT_MAX = 8192 };

static const char *const shape =
    "collection c { id u64\n a u8 index\n b i16 optional index\n t text(3) index\n w text(20) "
    "index\n"
    "d decimal(1) index sparse\n f f32\n u uuid\n e bool\n at time index\n h bytes(4)\n"
    "r reserved(2)\n n text(24) index hash\n index ab (a, b) index bt (b, t) index dtf (d, t, f) "
    "index ata (at, a) }";

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

/* Some number of entries, made of the keys and the first bytes: whatever it is, the plan holds. */
static uint64_t entries(void *context, uint16_t tree, struct key min, struct key max)
{
    const uint8_t *data = context;
    const uint64_t mixed = tree + min.word[1] * 31 + min.word[2] * 7 + max.word[2];
    return UINT64_C(1) << data[mixed % OBJECT_BYTES] % 30;
}

/* What matches is found, and what is found matches where nothing is checked. */
static void check_plan(
    const struct schema *schema, const struct query_plan *plan, const uint8_t *object, bool matches
)
{
    const bool has = plan_has(schema, plan, object);
    assert(has || !matches);
    assert(matches || !has || plan->filters);
}

static int ignore_piece(void *context, const char *text, size_t bytes)
{
    (void)context;
    assert(text != NULL);
    assert(bytes > 0);
    return 0;
}

static void check_explained(const struct expression *expression, const struct query_plan *plan)
{
    static const struct query_actual actual;
    const struct explanation explanation = {expression, plan, &actual};
    int stopped = explain(&explanation, EXPLAIN_TEXT, ignore_piece, NULL);
    assert(stopped == 0);
    stopped = explain(&explanation, EXPLAIN_JSON, ignore_piece, NULL);
    assert(stopped == 0);
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
        .field = (data[0] >> 2) % collection->field_count,
        .descending = (data[0] & 1) != 0,
        .counts = (data[0] & 2) != 0,
    };
    uint8_t salt[OBJECT_BYTES];
    bytes_copy(salt, data + 1, sizeof salt);
    const struct plan_statistics statistics = {entries, salt};
    const bool is_limit =
        plan_choose(&expression, order, &statistics, &plan, &error) == TACTUS_LIMIT;
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
    const enum tactus_status status = plan_choose(&expression, order, &statistics, &plan, &error);
    assert((status == TACTUS_LIMIT) == is_limit); /* it is told before all is bound */
    if (status != TACTUS_OK) {
        assert(error.text[0] != 0);
    } else {
        check_plan(&schema, &plan, object, matches);
        check_explained(&expression, &plan);
    }
    return 0;
}
