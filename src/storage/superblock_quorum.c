#include "storage/superblock_quorum.h"

#include "base/assert.h"

#include <stddef.h>

#include "base/poison.h"

static_assert(
    (int)QUORUM_OPEN + (int)QUORUM_VERIFY > (int)SUPERBLOCK_COPIES, "what was verified is found"
);

/* All slots whose copies have one checksum. */
struct group {
    uint32_t slot; /* the first of them */
    uint32_t count;
    uint8_t home[SUPERBLOCK_COPIES];
};

/* A copy number that cannot be is a damaged one: the copy is taken to be at home. A number that was
 * seen before is a misdirected write, which left the copy twice: it counts once. */
static void group_add(struct group *group, uint32_t slot, uint8_t copy)
{
    if (copy >= SUPERBLOCK_COPIES) copy = (uint8_t)slot;
    for (uint32_t other = 0; other < SUPERBLOCK_COPIES; other += 1) {
        if (group->home[other] == copy) return;
    }
    group->home[slot] = copy;
    group->count += 1;
}

/* The group of a slot's copy, made if it is the first of it. */
static struct group *group_of(
    struct group groups[SUPERBLOCK_COPIES],
    uint32_t *group_count,
    const struct quorum_copy copies[SUPERBLOCK_COPIES],
    uint32_t slot
)
{
    for (uint32_t i = 0; i < *group_count; i += 1) {
        const struct checksum known = copies[groups[i].slot].checksum;
        if (checksum_equal(known, copies[slot].checksum)) return &groups[i];
    }
    assert(*group_count < SUPERBLOCK_COPIES);
    struct group *group = &groups[*group_count];
    *group_count += 1;
    *group = (struct group){.slot = slot};
    for (uint32_t i = 0; i < SUPERBLOCK_COPIES; i += 1) {
        group->home[i] = QUORUM_COPY_NONE;
    }
    return group;
}

/* Copies at home first: of two of one number, it is the other that counts as the duplicate. */
static uint32_t groups_build(
    struct group groups[SUPERBLOCK_COPIES], const struct quorum_copy copies[SUPERBLOCK_COPIES]
)
{
    uint32_t group_count = 0;
    for (uint32_t slot = 0; slot < SUPERBLOCK_COPIES; slot += 1) {
        if (!copies[slot].is_valid || copies[slot].copy != slot) continue;
        group_add(group_of(groups, &group_count, copies, slot), slot, copies[slot].copy);
    }
    for (uint32_t slot = 0; slot < SUPERBLOCK_COPIES; slot += 1) {
        if (!copies[slot].is_valid || copies[slot].copy == slot) continue;
        group_add(group_of(groups, &group_count, copies, slot), slot, copies[slot].copy);
    }
    return group_count;
}

/* Whether `a` is to be trusted rather than `b`: enough copies first, then the newer, then the more
 * frequent; the checksum makes the order total, so that slots can be swapped and nothing
 * changes. */
static bool group_is_before(
    const struct group *a,
    const struct group *b,
    const struct quorum_copy copies[SUPERBLOCK_COPIES],
    uint32_t threshold
)
{
    const struct quorum_copy *of_a = &copies[a->slot];
    const struct quorum_copy *of_b = &copies[b->slot];
    const bool a_is_enough = a->count >= threshold;
    const bool b_is_enough = b->count >= threshold;
    if (a_is_enough != b_is_enough) return a_is_enough;
    if (of_a->sequence != of_b->sequence) return of_a->sequence > of_b->sequence;
    if (a->count != b->count) return a->count > b->count;
    if (of_a->checksum.high != of_b->checksum.high) {
        return of_a->checksum.high > of_b->checksum.high;
    }
    return of_a->checksum.low > of_b->checksum.low;
}

/* What another group says about the chosen one. Copies of another file are left over from before
 * this one was made: they say nothing. One sequence ahead is an interrupted write. */
static enum quorum_result group_judge(
    const struct quorum_copy *chosen, const struct quorum_copy *other
)
{
    if (!checksum_equal(chosen->file_id, other->file_id)) return QUORUM_FOUND;
    if (other->sequence == chosen->sequence) return QUORUM_FORKED;
    if (other->sequence > chosen->sequence) {
        return other->sequence - chosen->sequence > 1 ? QUORUM_SKIPPED : QUORUM_FOUND;
    }
    if (chosen->sequence - other->sequence > 1) return QUORUM_FOUND;
    return checksum_equal(other->checksum, chosen->parent) ? QUORUM_FOUND : QUORUM_NOT_CONNECTED;
}

/* The newer of two single copies that are parent and child, or NULL. */
static const struct group *groups_find_child(
    const struct group groups[SUPERBLOCK_COPIES],
    uint32_t group_count,
    const struct quorum_copy copies[SUPERBLOCK_COPIES]
)
{
    if (group_count != 2) return NULL;
    const bool second_is_newer = copies[groups[1].slot].sequence > copies[groups[0].slot].sequence;
    const struct group *child = &groups[second_is_newer ? 1 : 0];
    const struct quorum_copy *newer = &copies[child->slot];
    const struct quorum_copy *older = &copies[groups[second_is_newer ? 0 : 1].slot];
    assert(groups[0].count == 1 && groups[1].count == 1);

    if (!checksum_equal(newer->file_id, older->file_id)) return NULL;
    if (newer->sequence <= older->sequence || newer->sequence - older->sequence != 1) return NULL;
    return checksum_equal(newer->parent, older->checksum) ? child : NULL;
}

static void quorum_fill(
    struct quorum *quorum,
    const struct group *group,
    const struct quorum_copy copies[SUPERBLOCK_COPIES]
)
{
    const struct checksum chosen = copies[group->slot].checksum;
    quorum->slot = group->slot;
    quorum->count = group->count;
    for (uint32_t i = 0; i < SUPERBLOCK_COPIES; i += 1) {
        quorum->home[i] = group->home[i];
        quorum->has_other[i] = copies[i].is_valid && !checksum_equal(copies[i].checksum, chosen);
    }
    assert(quorum->home[quorum->slot] != QUORUM_COPY_NONE);
}

enum quorum_result quorum_choose(
    struct quorum *quorum,
    const struct quorum_copy copies[SUPERBLOCK_COPIES],
    enum quorum_threshold threshold
)
{
    struct group groups[SUPERBLOCK_COPIES];
    const uint32_t group_count = groups_build(groups, copies);
    if (group_count == 0) return QUORUM_NONE;

    uint32_t best = 0;
    for (uint32_t i = 1; i < group_count; i += 1) {
        if (group_is_before(&groups[i], &groups[best], copies, threshold)) best = i;
    }
    if (groups[best].count < (uint32_t)threshold) {
        if (threshold != QUORUM_OPEN) return QUORUM_LOST;
        const struct group *child = groups_find_child(groups, group_count, copies);
        if (child == NULL) return QUORUM_LOST;
        quorum_fill(quorum, child, copies);
        return QUORUM_FOUND;
    }
    for (uint32_t i = 0; i < group_count; i += 1) {
        if (i == best) continue;
        const enum quorum_result result =
            group_judge(&copies[groups[best].slot], &copies[groups[i].slot]);
        if (result != QUORUM_FOUND) return result;
    }
    quorum_fill(quorum, &groups[best], copies);
    return QUORUM_FOUND;
}

const char *quorum_result_text(enum quorum_result result)
{
    switch (result) {
    case QUORUM_FOUND: return "the superblock is sound";
    case QUORUM_NONE: return "no copy of the superblock is whole";
    case QUORUM_LOST: return "too few copies of the superblock agree";
    case QUORUM_FORKED: return "copies of the superblock tell two histories";
    case QUORUM_SKIPPED: return "most copies of the superblock are older than one of them";
    case QUORUM_NOT_CONNECTED: return "a copy of the superblock is no successor of the one before";
    }
    assert(false);
    return "";
}

static bool copy_is_anywhere(const struct quorum *quorum, uint32_t copy)
{
    for (uint32_t slot = 0; slot < SUPERBLOCK_COPIES; slot += 1) {
        if (quorum->home[slot] == copy) return true;
    }
    return false;
}

/* First what holds nothing and brings a copy back; then what holds nothing, while its copy lies
 * elsewhere; then whole copies of another sequence; and last, slots that hold a copy which by then
 * is at home, too. */
uint32_t quorum_repair_next(const struct quorum *quorum)
{
    for (uint32_t turn = 0; turn < 3; turn += 1) {
        for (uint32_t slot = 0; slot < SUPERBLOCK_COPIES; slot += 1) {
            if (quorum->home[slot] != QUORUM_COPY_NONE) continue;
            if (turn < 2 && quorum->has_other[slot]) continue;
            if (turn < 1 && copy_is_anywhere(quorum, slot)) continue;
            return slot;
        }
    }
    for (uint32_t slot = 0; slot < SUPERBLOCK_COPIES; slot += 1) {
        const uint8_t copy = quorum->home[slot];
        assert(copy < SUPERBLOCK_COPIES);
        if (copy != slot && quorum->home[copy] == copy) return slot;
    }
    /* What is left are copies that are all there, but in each other's places: writing over any of
     * them would cost one of four, which a quorum of two bears. */
    for (uint32_t slot = 0; slot < SUPERBLOCK_COPIES; slot += 1) {
        if (quorum->home[slot] != slot) return slot;
    }
    return QUORUM_COPY_NONE;
}
