#include "storage/superblock_quorum.h"

#include "support/test.h"

#include <stddef.h>

#include "base/poison.h"

/* A slot in two characters: the letter is the history, the digit the sequence.
 *   "A3"   whole, of sequence 3, in its own slot        "--"  damaged
 *   "B3"   another superblock of sequence 3             "X3"  of sequence 3 of another file */
static struct quorum_copy copy_of(const char text[2], uint8_t copy)
{
    if (text[0] == '-') return (struct quorum_copy){.is_valid = false};
    const uint64_t sequence = (uint64_t)(text[1] - '0');
    const uint64_t history = (uint64_t)text[0];
    return (struct quorum_copy){
        .is_valid = true,
        .copy = copy,
        .sequence = sequence,
        .checksum = {.low = sequence, .high = history},
        .parent = {.low = sequence - 1, .high = history},
        .file_id = {.low = text[0] == 'X' ? 2 : 1},
    };
}

static enum quorum_result choose(
    const char *text, const uint8_t order[4], enum quorum_threshold threshold, uint64_t *sequence
)
{
    struct quorum_copy copies[SUPERBLOCK_COPIES];
    for (uint32_t slot = 0; slot < SUPERBLOCK_COPIES; slot += 1) {
        copies[slot] = copy_of(text + 3 * (size_t)order[slot], (uint8_t)slot);
    }
    struct quorum quorum;
    const enum quorum_result result = quorum_choose(&quorum, copies, threshold);
    *sequence = result == QUORUM_FOUND ? copies[quorum.slot].sequence : 0;
    return result;
}

/* In every order of the slots. */
static void check(
    const char *text, enum quorum_threshold threshold, enum quorum_result wanted, uint64_t sequence
)
{
    for (uint32_t code = 0; code < 256; code += 1) {
        const uint8_t order[4] = {code & 3, code >> 2 & 3, code >> 4 & 3, (uint8_t)(code >> 6)};
        const uint32_t seen = 1U << order[0] | 1U << order[1] | 1U << order[2] | 1U << order[3];
        if (seen != 15) continue;
        uint64_t found = 0;
        EXPECT(choose(text, order, threshold, &found) == wanted);
        if (wanted == QUORUM_FOUND) EXPECT(found == sequence);
    }
}

TEST(superblock_quorum, opens_with_two_copies_that_agree)
{
    check("A3 A3 A3 A3", QUORUM_OPEN, QUORUM_FOUND, 3);
    check("A3 A3 A3 --", QUORUM_OPEN, QUORUM_FOUND, 3);
    check("A3 A3 -- --", QUORUM_OPEN, QUORUM_FOUND, 3);
    check("A3 -- -- --", QUORUM_OPEN, QUORUM_LOST, 0);
    check("-- -- -- --", QUORUM_OPEN, QUORUM_NONE, 0);
}

TEST(superblock_quorum, verifies_with_three)
{
    check("A3 A3 A3 A3", QUORUM_VERIFY, QUORUM_FOUND, 3);
    check("A3 A3 A3 --", QUORUM_VERIFY, QUORUM_FOUND, 3);
    check("A3 A3 A3 A2", QUORUM_VERIFY, QUORUM_FOUND, 3);
    check("A3 A3 -- --", QUORUM_VERIFY, QUORUM_LOST, 0);
    check("A3 A3 A2 A2", QUORUM_VERIFY, QUORUM_LOST, 0);
}

TEST(superblock_quorum, an_interrupted_write_is_old_or_new)
{
    check("A3 A2 A2 A2", QUORUM_OPEN, QUORUM_FOUND, 2);
    check("A3 A3 A2 A2", QUORUM_OPEN, QUORUM_FOUND, 3);
    check("A3 A3 A3 A2", QUORUM_OPEN, QUORUM_FOUND, 3);
    check("-- A2 A2 A2", QUORUM_OPEN, QUORUM_FOUND, 2);
    check("A3 -- A2 A2", QUORUM_OPEN, QUORUM_FOUND, 2);
    check("A3 A3 -- A2", QUORUM_OPEN, QUORUM_FOUND, 3);
}

TEST(superblock_quorum, an_interrupted_write_and_one_rotten_copy_leave_parent_and_child)
{
    check("A3 -- -- A2", QUORUM_OPEN, QUORUM_FOUND, 3);
    check("A3 -- -- A2", QUORUM_VERIFY, QUORUM_LOST, 0);
}

TEST(superblock_quorum, contradictions_are_never_guessed_about)
{
    check("A3 A3 B3 B3", QUORUM_OPEN, QUORUM_FORKED, 0);
    check("A3 A3 A3 B3", QUORUM_OPEN, QUORUM_FORKED, 0);
    check("A2 A2 A2 A4", QUORUM_OPEN, QUORUM_SKIPPED, 0);
    check("A2 A2 A3 A4", QUORUM_OPEN, QUORUM_SKIPPED, 0);
    check("A3 A3 A3 B2", QUORUM_OPEN, QUORUM_NOT_CONNECTED, 0);
    check("-- -- A2 A4", QUORUM_OPEN, QUORUM_LOST, 0);
    check("-- -- A3 B4", QUORUM_OPEN, QUORUM_LOST, 0);
    check("-- -- A3 X4", QUORUM_OPEN, QUORUM_LOST, 0);
    check("-- A2 A3 A4", QUORUM_OPEN, QUORUM_LOST, 0);
    check("A1 A2 A3 A4", QUORUM_OPEN, QUORUM_LOST, 0);
}

TEST(superblock_quorum, old_copies_and_those_of_another_file_say_nothing)
{
    check("A5 A5 A5 A2", QUORUM_OPEN, QUORUM_FOUND, 5);
    check("A5 A5 A2 B3", QUORUM_OPEN, QUORUM_FOUND, 5);
    check("A5 A5 A5 X9", QUORUM_OPEN, QUORUM_FOUND, 5);
    check("A5 A5 A5 X5", QUORUM_OPEN, QUORUM_FOUND, 5);
}

TEST(superblock_quorum, a_damaged_copy_number_costs_nothing)
{
    struct quorum_copy copies[SUPERBLOCK_COPIES];
    struct quorum quorum;
    for (uint32_t slot = 0; slot < SUPERBLOCK_COPIES; slot += 1) {
        copies[slot] = copy_of("A3", (uint8_t)(slot + 200));
    }
    EXPECT(quorum_choose(&quorum, copies, QUORUM_VERIFY) == QUORUM_FOUND);
    EXPECT(quorum.count == 4);
    for (uint32_t slot = 0; slot < SUPERBLOCK_COPIES; slot += 1) {
        EXPECT(quorum.home[slot] == slot);
    }
}

TEST(superblock_quorum, a_copy_that_lies_twice_counts_once)
{
    struct quorum_copy copies[SUPERBLOCK_COPIES] = {
        copy_of("A3", 1), copy_of("A3", 1), copy_of("--", 2), copy_of("--", 3)};
    struct quorum quorum;
    EXPECT(quorum_choose(&quorum, copies, QUORUM_OPEN) == QUORUM_LOST);
    copies[3] = copy_of("A3", 3);
    EXPECT(quorum_choose(&quorum, copies, QUORUM_OPEN) == QUORUM_FOUND);
    EXPECT(quorum.count == 2);
    EXPECT(quorum.home[0] == QUORUM_COPY_NONE); /* the one at home is the one that counts */
    EXPECT(quorum.home[1] == 1);
}

/* Any state of the slots from which the file opens, healed step by step: a write that is torn at
 * any step must leave a file that opens with the same superblock, and the steps must come to an
 * end. */
static void heal(struct quorum_copy copies[SUPERBLOCK_COPIES])
{
    struct quorum quorum;
    if (quorum_choose(&quorum, copies, QUORUM_OPEN) != QUORUM_FOUND) return;
    const struct quorum_copy good = copies[quorum.slot];

    for (uint32_t step = 0;; step += 1) {
        EXPECT(step <= SUPERBLOCK_COPIES + 1);
        const uint32_t slot = quorum_repair_next(&quorum);
        if (slot == QUORUM_COPY_NONE) break;

        const struct quorum_copy before = copies[slot];
        copies[slot].is_valid = false;
        EXPECT(quorum_choose(&quorum, copies, QUORUM_OPEN) == QUORUM_FOUND);
        EXPECT(checksum_equal(copies[quorum.slot].checksum, good.checksum));
        copies[slot] = before;

        copies[slot] = good;
        copies[slot].copy = (uint8_t)slot;
        EXPECT(quorum_choose(&quorum, copies, QUORUM_OPEN) == QUORUM_FOUND);
        EXPECT(checksum_equal(copies[quorum.slot].checksum, good.checksum));
    }
    for (uint32_t slot = 0; slot < SUPERBLOCK_COPIES; slot += 1) {
        EXPECT(copies[slot].is_valid);
        EXPECT(copies[slot].copy == slot || copies[slot].copy >= SUPERBLOCK_COPIES);
        EXPECT(checksum_equal(copies[slot].checksum, good.checksum));
    }
}

TEST(superblock_quorum, healing_never_costs_the_quorum_at_any_step_from_any_state)
{
    static const char *const kinds[] = {"--", "A2", "A3", "A4", "B3", "X3"};
    enum { KINDS = 6, COPIES = 5, STATES = KINDS * COPIES };
    for (uint32_t code = 0; code < STATES * STATES * STATES * STATES; code += 1) {
        struct quorum_copy copies[SUPERBLOCK_COPIES];
        uint32_t rest = code;
        for (uint32_t slot = 0; slot < SUPERBLOCK_COPIES; slot += 1) {
            const uint32_t state = rest % STATES;
            const uint32_t copy = state / KINDS;
            copies[slot] = copy_of(kinds[state % KINDS], (uint8_t)(copy == 4 ? 77 : copy));
            rest /= STATES;
        }
        heal(copies);
    }
}

TEST(superblock_quorum, every_result_has_words)
{
    for (uint32_t result = QUORUM_FOUND; result <= QUORUM_NOT_CONNECTED; result += 1) {
        EXPECT(quorum_result_text((enum quorum_result)result)[0] != 0);
    }
}

TEST_MAIN()
