#include "base/assert.h"
#include "query/planner.h"

#include "base/poison.h"

bool planner_narrows(const struct planner *planner, uint32_t number, bool flip)
{
    if (!planner_is_test(planner, number)) return false;
    const struct normal_test test = planner_test(planner, number, flip);
    return planner_is_timestamp(planner, test.field) && normal_test_is_range(test);
}

void planner_find_equalities(struct planner *planner, uint16_t first, bool flip)
{
    for (uint32_t i = 0; i < planner->collection->field_count; i += 1)
        planner->equalities[i] = NORMAL_NONE;
    for (uint16_t part = first; part != NORMAL_NONE; part = planner->normal.nodes[part].next) {
        if (!planner_is_test(planner, part)) continue;
        const struct normal_test test = planner_test(planner, part, flip);
        if (test.negated || test.kind != EXPRESSION_EQUAL) continue;
        if (planner->equalities[test.field] != NORMAL_NONE) continue;
        planner->equalities[test.field] = part;
    }
}

/* ---- Ids ------------------------------------------------------------------------------------ */

/* Marks tests of the id, in the order of the text, until all ids are spent. */
static void form_mark_ids(struct planner *planner)
{
    uint32_t left = PLAN_IDS_MAX;
    for (uint32_t i = 0; i < planner->normal.count; i += 1) {
        if (!planner_is_test(planner, i)) continue;
        const struct normal_test test = planner_test(planner, i, false);
        const uint32_t count = planner_test_node(planner, i)->value_count;
        if (test.field != planner->collection->id_field || count > left) continue;
        if (test.kind != EXPRESSION_EQUAL && test.kind != EXPRESSION_IN) continue;
        planner->marks[i] |= PLANNER_LOOKED_UP;
        left -= count;
    }
}

/* ---- Tests ---------------------------------------------------------------------------------- */

/* Whether an index of this field alone may answer an equality; `exact`: without giving more. Short
 * texts are whole in a truncated index, so those may turn out to be exact. */
static bool form_has_index(const struct planner *planner, uint32_t field, bool exact)
{
    const struct collection_schema *collection = planner->collection;
    for (uint32_t i = 0; i < collection->index_count; i += 1) {
        const struct index_schema *index = &collection->indexes[i];
        if (index->field_count != 1 || index->fields[0] != field) continue;
        if (!exact) return true;
        if (index->hashed) continue;
        if (!index->truncated || collection->fields[field].type == TACTUS_TYPE_TEXT) return true;
    }
    return false;
}

/* Whether a part of the whole is a range that some index may be read for. */
static bool form_has_range(const struct planner *planner, uint32_t number)
{
    if (!planner_is_test(planner, number)) return false;
    const struct normal_test test = planner_test(planner, number, false);
    if (!normal_test_is_range(test) || test.kind == EXPRESSION_EQUAL) return false;
    if (test.field == planner->collection->id_field) return true;
    for (uint32_t i = 0; i < planner->collection->index_count; i += 1) {
        const struct index_schema *index = &planner->collection->indexes[i];
        if (index->fields[0] == test.field && !index->hashed) return true;
    }
    return false;
}

static uint16_t form_of_test(const struct planner *planner, uint32_t number, bool flip, bool exact)
{
    const struct normal_test test = planner_test(planner, number, flip);
    const uint16_t count = planner_test_node(planner, number)->value_count;
    if (planner_is_timestamp(planner, test.field)) {
        if (normal_test_is_range(test)) return 1;
        const bool few = normal_test_is_equality(test) && count <= PLAN_SCANS_MAX;
        return few ? count : FORM_NONE;
    }
    if (!normal_test_is_equality(test)) return FORM_NONE;
    if (test.field == planner->collection->id_field) {
        return (planner->marks[number] & PLANNER_LOOKED_UP) != 0 ? 0 : FORM_NONE;
    }
    return form_has_index(planner, test.field, exact) ? count : FORM_NONE;
}

/* ---- And, or -------------------------------------------------------------------------------- */

static uint16_t form_of_or(const struct planner *planner, uint32_t number, bool flip, bool exact)
{
    uint32_t total = 0;
    for (uint32_t part = planner->normal.nodes[number].child; part != NORMAL_NONE;
         part = planner->normal.nodes[part].next) {
        const uint16_t scans = planner_scans(planner, part, flip, exact);
        if (scans == FORM_NONE) return FORM_NONE;
        total += scans;
    }
    assert(total < FORM_NONE);
    return (uint16_t)total;
}

/* Whether every field of a composite index is fixed by a part of the `and` whose equalities were
 * found. */
static bool form_is_fixed(const struct planner *planner, const struct index_schema *index)
{
    if (index->field_count < 2) return false;
    for (uint32_t i = 0; i < index->field_count; i += 1) {
        if (planner->equalities[index->fields[i]] == NORMAL_NONE) return false;
    }
    return true;
}

/* Composite indexes that serve an `and` and do not take the place of other scans alone: each brings
 * one more. */
static uint32_t form_composites(const struct planner *planner, bool flip)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < planner->collection->index_count; i += 1) {
        const struct index_schema *index = &planner->collection->indexes[i];
        if (!form_is_fixed(planner, index)) continue;
        for (uint32_t k = 0; k < index->field_count; k += 1) {
            const uint16_t part = planner->equalities[index->fields[k]];
            if (planner_scans(planner, part, flip, false) != FORM_NONE) continue;
            count += 1;
            break;
        }
    }
    return count;
}

/* Whether a composite index may answer this part of the `and`. */
static bool form_in_composite(const struct planner *planner, uint32_t number)
{
    for (uint32_t i = 0; i < planner->collection->index_count; i += 1) {
        const struct index_schema *index = &planner->collection->indexes[i];
        if (!form_is_fixed(planner, index)) continue;
        for (uint32_t k = 0; k < index->field_count; k += 1) {
            if (planner->equalities[index->fields[k]] == number) return true;
        }
    }
    return false;
}

static uint16_t form_of_and(struct planner *planner, uint32_t number, bool flip, bool exact)
{
    const uint16_t first = planner->normal.nodes[number].child;
    planner_find_equalities(planner, first, flip);
    uint32_t total = form_composites(planner, flip);
    bool has_positive = total > 0;
    bool is_narrow = false;
    for (uint32_t part = first; part != NORMAL_NONE; part = planner->normal.nodes[part].next) {
        if (planner_narrows(planner, part, flip)) {
            is_narrow = true;
            continue;
        }
        const uint16_t positive = planner_scans(planner, part, flip, exact);
        const uint16_t negative = planner_scans(planner, part, !flip, true);
        if (positive != FORM_NONE) {
            has_positive = true;
            total += positive;
        } else if (negative != FORM_NONE) {
            total += negative;
        } else if (exact && !form_in_composite(planner, part)) {
            return FORM_NONE;
        }
    }
    assert(total < FORM_NONE);
    if (has_positive) return (uint16_t)total;
    return is_narrow ? (uint16_t)(total + 1) : FORM_NONE;
}

static uint16_t form_of(struct planner *planner, uint32_t number, bool flip, bool exact)
{
    if ((planner->marks[number] & PLANNER_DEMOTED) != 0) return FORM_NONE;
    switch ((enum normal_kind)planner->normal.nodes[number].kind) {
    case NORMAL_TEST: return form_of_test(planner, number, flip, exact);
    case NORMAL_AND:
        return flip ? form_of_or(planner, number, flip, exact)
                    : form_of_and(planner, number, flip, exact);
    case NORMAL_OR:
        return flip ? form_of_and(planner, number, flip, exact)
                    : form_of_or(planner, number, flip, exact);
    }
    assert(false);
    return FORM_NONE;
}

/* Children stand behind their parents, so they are counted first. */
static void form_count(struct planner *planner)
{
    for (uint32_t i = planner->normal.count; i > 0; i -= 1) {
        for (uint32_t which = 0; which < 4; which += 1) {
            const bool flip = (which & 1) != 0;
            const bool exact = (which & 2) != 0;
            planner->scans[flip][exact][i - 1] = form_of(planner, i - 1, flip, exact);
        }
    }
}

/* ---- Too many ------------------------------------------------------------------------------- */

/* The part with the most scans that an `and` can do without; scans of 0: there is none. */
struct largest {
    uint16_t number;
    uint16_t scans;
};

static void largest_offer(struct largest *largest, uint32_t number, uint16_t scans)
{
    if (scans == FORM_NONE || scans == 0 || scans < largest->scans) return;
    *largest = (struct largest){(uint16_t)number, scans};
}

/* Sets, or what can narrow the search instead, among the parts of an `and`. */
static uint32_t form_bases(struct planner *planner, uint32_t number, bool flip)
{
    const uint16_t first = planner->normal.nodes[number].child;
    planner_find_equalities(planner, first, flip);
    uint32_t count = form_composites(planner, flip);
    for (uint32_t part = first; part != NORMAL_NONE; part = planner->normal.nodes[part].next) {
        const bool is_base = planner_narrows(planner, part, flip) ||
                             planner_scans(planner, part, flip, false) != FORM_NONE ||
                             (number == planner->normal.root && form_has_range(planner, part));
        if (is_base) count += 1;
    }
    return count;
}

/* Recursion is as deep as the expression: at most EXPRESSION_DEPTH_MAX times and, or. Opposites
 * have to be whole, so nothing in them can be left out. */
static void form_find_largest(
    struct planner *planner, uint32_t number, bool flip, struct largest *largest
)
{
    const struct normal_node *node = &planner->normal.nodes[number];
    if (node->kind == NORMAL_TEST || (planner->marks[number] & PLANNER_DEMOTED) != 0) return;
    const bool is_and = (node->kind == NORMAL_AND) != flip;
    const bool spare = is_and && form_bases(planner, number, flip) > 1;
    for (uint32_t part = node->child; part != NORMAL_NONE;
         part = planner->normal.nodes[part].next) {
        if (planner_narrows(planner, part, flip)) continue;
        const uint16_t scans = planner_scans(planner, part, flip, false);
        if (spare) largest_offer(largest, part, scans);
        if (is_and && scans == FORM_NONE) {
            largest_offer(largest, part, planner_scans(planner, part, !flip, true));
        }
        if (scans != FORM_NONE) form_find_largest(planner, part, flip, largest);
    }
}

enum tactus_status planner_form(struct planner *planner, struct text_error *error)
{
    if (planner->normal.root == NORMAL_NONE) return TACTUS_OK;
    form_mark_ids(planner);
    for (;;) {
        form_count(planner);
        const uint16_t total = planner_scans(planner, planner->normal.root, false, false);
        if (total == FORM_NONE || total <= PLAN_SCANS_MAX) return TACTUS_OK;
        struct largest largest = {NORMAL_NONE, 0};
        form_find_largest(planner, planner->normal.root, false, &largest);
        if (largest.scans == 0) {
            text_error_set(
                error,
                0,
                0,
                "too many alternatives: they take %u scans of indexes, and a query has at most %d; "
                "ask in several queries",
                total,
                PLAN_SCANS_MAX
            );
            return TACTUS_LIMIT;
        }
        planner->marks[largest.number] |= PLANNER_DEMOTED;
    }
}
