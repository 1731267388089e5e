/* Blocks as such: is each what its reference says, and is the free set right about all of them? */
#include "database/verify_parts.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "storage/trailer.h"

#include "base/poison.h"

enum { WORDS_SIZE = 512 }; /* of a fault's words, with the names of tree and keys */

enum tactus_status verify_blocks_begin(struct verify *verify)
{
    const uint32_t block_size = verify->bootstrap.layout.block_size;
    verify->marks = calloc(verify->block_count + 1, 1);
    bool is_whole = verify->marks != NULL;
    for (uint32_t slot = 0; slot < COUNT_OF(verify->blocks); slot += 1) {
        verify->blocks[slot] = aligned_alloc(SECTOR_SIZE, block_size);
        is_whole = is_whole && verify->blocks[slot] != NULL;
    }
    if (is_whole) return TACTUS_OK;
    return fault_set(
        verify->fault,
        (struct fault){.status = TACTUS_IO, .what = "verify: the system has no memory; free some"}
    );
}

/* ---- Words ----------------------------------------------------------------------------------- */

static void key_text(char *text, size_t size, struct key key, uint32_t key_bits)
{
    const uint32_t words = key_bits / 64;
    size_t used = 0;
    for (uint32_t word = 3 - words; word < 3 && used < size; word += 1) {
        const int count =
            snprintf(text + used, size - used, "%016llx", (unsigned long long)key.word[word]);
        used += (size_t)count;
    }
}

/* "sale index customer_at keys=0..1 to 0..9: " and what is wrong. */
static void table_words(
    const struct verify *verify,
    const struct table_info *table,
    const char *what,
    char words[WORDS_SIZE]
)
{
    char name[2 * NAME_SIZE + 16];
    char key_min[3 * 16 + 1];
    char key_max[3 * 16 + 1];
    const uint32_t key_bits = verify->formats[table->tree].shape.key_bits;
    verify_tree_name(verify->bootstrap.schema, table->tree, name, sizeof name);
    key_text(key_min, sizeof key_min, table->key_min, key_bits);
    key_text(key_max, sizeof key_max, table->key_max, key_bits);
    (void)snprintf(words, WORDS_SIZE, "%s keys=%s-%s: %s", name, key_min, key_max, what);
}

static struct fault block_fault_at(
    const struct verify *verify, const struct verify_want *want, const char *what
)
{
    const struct layout *layout = &verify->bootstrap.layout;
    const uint64_t address = want->reference.address;
    const bool is_inside = address >= 1 && address <= layout->block_count_max;
    struct fault found = {
        .status = TACTUS_CORRUPT,
        .zone = FAULT_ZONE_GRID,
        .what = what,
        .address = address,
        .byte = is_inside ? layout_block_offset(layout, address) : 0,
        .block_type = (uint8_t)want->type,
    };
    if (want->table != NULL) {
        found.tree = want->table->tree;
        found.level = want->table->level;
    }
    return found;
}

void verify_block_fault(struct verify *verify, const struct verify_want *want, const char *what)
{
    char words[WORDS_SIZE];
    struct fault found = block_fault_at(verify, want, what);
    if (want->table != NULL) {
        table_words(verify, want->table, what, words);
        found.what = words;
    }
    report_fault(verify->report, &found);
}

/* The same with the checksums of what was wanted and what is there. */
static void report_block(
    struct verify *verify,
    const struct verify_want *want,
    const uint8_t *block,
    const char *what,
    bool is_healed
)
{
    char words[WORDS_SIZE];
    struct fault found = block_fault_at(verify, want, what);
    const uint32_t size = block_header_read(block)->size;
    if (size >= BLOCK_HEADER_SIZE && size <= verify->bootstrap.layout.block_size) {
        found.wanted = want->reference.checksum;
        found.found = checksum_of(verify->file_id, block + 16, size - 16);
        found.has_checksums = !checksum_equal(found.wanted, found.found);
    }
    if (want->table != NULL) {
        table_words(verify, want->table, what, words);
        found.what = words;
    }
    if (is_healed) {
        found.remedy = "a redundant copy is good, and is read in its place";
        report_damage_healed(verify->report, &found);
    } else {
        /* These two lead nowhere. */
        if (want->type != BLOCK_VALUE && want->type != BLOCK_FILTER) verify->is_incomplete = true;
        report_fault(verify->report, &found);
    }
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* Why what lies at `address` is not the block, or NULL. */
static const char *block_look(
    struct verify *verify, const struct verify_want *want, uint64_t address, uint8_t *block
)
{
    const struct layout *layout = &verify->bootstrap.layout;
    verify->status = reactor_read(
        verify->reactor,
        block,
        layout->block_size,
        layout_block_offset(layout, address),
        verify->fault
    );
    if (verify->status != TACTUS_OK) return "a block cannot be read";
    verify->blocks_read += 1;
    const char *what =
        block_fault(block, want->reference.address, layout->block_size, verify->file_id);
    if (what != NULL) return what;
    verify->bytes_read += block_size_rounded(block);
    if (!checksum_equal(block_checksum(block), want->reference.checksum)) {
        return "the block is whole, but not the one that its reference names";
    }
    const uint16_t tree = want->table == NULL ? 0 : want->table->tree;
    const struct block_header *header = block_header_read(block);
    if (header->type != want->type) return "the block is of another type than its place asks for";
    if (header->tree != tree) return "the block belongs to another tree";
    return NULL;
}

/* False, and reported: something refers to it already, so that one of the two is wrong. */
static bool block_mark(struct verify *verify, const struct verify_want *want, uint64_t address)
{
    assert(address >= 1 && address <= verify->block_count);

    if ((verify->marks[address] & MARK_REACHED) == 0) {
        verify->marks[address] |= MARK_REACHED;
        return true;
    }
    verify_block_fault(verify, want, "two references lead to the block");
    verify->is_incomplete = true;
    return false;
}

/* The copy, where there is one, should be as good. */
static void copy_look(struct verify *verify, const struct verify_want *want, uint32_t slot)
{
    const uint64_t copy = want->reference.copy_address;
    if (copy == 0 || !block_mark(verify, want, copy)) return;
    const char *what = block_look(verify, want, copy, verify->blocks[slot]);
    if (verify->status != TACTUS_OK) return;
    if (what != NULL) report_block(verify, want, verify->blocks[slot], what, true);
    /* Back to the block itself, which was good. */
    (void)block_look(verify, want, want->reference.address, verify->blocks[slot]);
}

bool verify_block_read(struct verify *verify, const struct verify_want *want, uint32_t slot)
{
    const struct block_reference *reference = &want->reference;
    const char *what = block_reference_fault(reference, verify->block_count);
    if (what == NULL && reference->address == 0) what = "a reference to a block is empty";
    if (what != NULL) {
        verify_block_fault(verify, want, what);
        verify->is_incomplete = true;
        return false;
    }
    if (!block_mark(verify, want, reference->address)) return false;

    uint8_t *block = verify->blocks[slot];
    what = block_look(verify, want, reference->address, block);
    if (what == NULL) {
        copy_look(verify, want, slot);
        return verify->status == TACTUS_OK;
    }
    const uint64_t copy = reference->copy_address;
    if (verify->status == TACTUS_OK && copy != 0 && block_mark(verify, want, copy)) {
        report_block(verify, want, block, what, true);
        if (block_look(verify, want, copy, block) == NULL) return true;
    }
    if (verify->status == TACTUS_OK) report_block(verify, want, block, what, false);
    return false;
}

/* ---- Trailers -------------------------------------------------------------------------------- */

struct trailer_visit {
    struct verify *verify;
    uint8_t mark; /* set besides MARK_REACHED */
};

static enum tactus_status trailer_visit_block(void *context, const struct trailer_block *block)
{
    const struct trailer_visit *visit = context;
    struct verify *verify = visit->verify;
    const struct verify_want want = {.reference = block->reference, .type = block->type};
    const uint64_t addresses[] = {block->reference.address, block->reference.copy_address};
    for (uint32_t index = 0; index < COUNT_OF(addresses); index += 1) {
        const uint64_t address = addresses[index];
        if (address == 0) continue;
        if (address > verify->block_count) {
            verify_block_fault(verify, &want, "a trailer's block lies past the last block");
            return TACTUS_CORRUPT;
        }
        if (!block_mark(verify, &want, address)) return TACTUS_CORRUPT;
        verify->marks[address] |= visit->mark;
    }
    verify->blocks_read += 1;
    return TACTUS_OK;
}

/* Reads a trailer whole, into memory that the caller frees. NULL: not OK, and reported. */
static uint8_t *trailer_read(
    struct verify *verify,
    enum block_type type,
    const struct trailer_reference *reference,
    uint8_t mark
)
{
    struct fault fault = {0};
    const struct trailer_reader reader = {
        .reactor = verify->reactor,
        .layout = &verify->bootstrap.layout,
        .file_id = verify->file_id,
        .scratch = verify->blocks[0],
        .fault = &fault,
    };
    uint8_t *bytes = malloc(reference->size + 1);
    struct trailer_target target = {.bytes = bytes, .size_max = reference->size};
    enum tactus_status status = TACTUS_IO;
    if (bytes == NULL) {
        (void)fault_set(&fault, (struct fault){.status = TACTUS_IO, .what = "verify: no memory"});
    } else {
        struct trailer_visit visit = {.verify = verify, .mark = mark};
        status = trailer_walk(&reader, type, reference, trailer_visit_block, &visit);
        if (status == TACTUS_OK) status = trailer_open(&reader, type, reference, &target);
    }
    if (status == TACTUS_OK) return bytes;
    free(bytes);
    verify->is_incomplete = true;
    if (status != TACTUS_CORRUPT) {
        verify->status = fault_set(verify->fault, fault);
    } else if (fault.status != TACTUS_OK) {
        const uint64_t address = fault.address;
        if (address >= 1 && address <= verify->bootstrap.layout.block_count_max) {
            fault.byte = layout_block_offset(&verify->bootstrap.layout, address);
        }
        report_fault(verify->report, &fault);
    }
    return NULL;
}

static void verify_state(struct verify *verify)
{
    const struct trailer_reference *reference = &verify->bootstrap.superblock.checkpoint.state;
    if (reference->size > CHECKPOINT_STATE_SIZE_MAX) {
        const struct verify_want want = {.reference = reference->last, .type = BLOCK_STATE};
        verify_block_fault(verify, &want, "the state is larger than it can be");
        verify->is_incomplete = true;
        return;
    }
    uint8_t *bytes = trailer_read(verify, BLOCK_STATE, reference, 0);
    if (bytes == NULL) return;
    const char *what = forest_state_decode(
        &verify->state, bytes, reference->size, verify->bootstrap.schema->count
    );
    free(bytes);
    if (what == NULL) what = forest_state_fault(&verify->state, verify->bootstrap.schema);
    verify->has_state = what == NULL;
    if (what == NULL) return;
    const struct verify_want want = {.reference = reference->last, .type = BLOCK_STATE};
    verify_block_fault(verify, &want, what);
}

static void mark_word(struct verify *verify, uint64_t word, uint64_t bits, enum verify_mark mark)
{
    for (; bits != 0; bits &= bits - 1) { /* ends: each turn clears a bit */
        const uint64_t address = word * 64 + (uint64_t)__builtin_ctzll(bits) + 1;
        assert(address <= verify->block_count);
        verify->marks[address] |= (uint8_t)mark;
    }
}

static void verify_free_set(struct verify *verify)
{
    const struct checkpoint_state *checkpoint = &verify->bootstrap.superblock.checkpoint;
    const struct verify_want want = {
        .reference = checkpoint->acquired.last, .type = BLOCK_FREE_SET};
    uint8_t *acquired = trailer_read(verify, BLOCK_FREE_SET, &checkpoint->acquired, MARK_OWN);
    uint8_t *released = trailer_read(verify, BLOCK_FREE_SET, &checkpoint->released, MARK_OWN);
    if (acquired != NULL && released != NULL) {
        const struct free_set set = {
            .block_count_max = verify->bootstrap.layout.block_count_max,
            .keep = verify->bootstrap.superblock.options.keep,
        };
        const struct free_set_words words = {
            .acquired = acquired,
            .released = released,
            .acquired_count = checkpoint->acquired.size / 8,
            .released_count = checkpoint->released.size / 8,
        };
        const char *what = free_set_fault(&set, &words, verify->block_count);
        if (checkpoint->acquired.size % 8 != 0 || checkpoint->released.size % 8 != 0) {
            what = "the free set is not in whole words";
        }
        for (uint64_t word = 0; what == NULL && word < words.acquired_count; word += 1) {
            mark_word(verify, word, load_u64(acquired + word * 8), MARK_ACQUIRED);
            mark_word(verify, word, free_set_words_released(&words, word), MARK_RELEASED);
        }
        verify->has_free_set = what == NULL;
        if (what != NULL) {
            verify_block_fault(verify, &want, what);
        }
    }
    free(acquired);
    free(released);
}

void verify_trailers(struct verify *verify)
{
    uint8_t *schema = trailer_read(verify, BLOCK_SCHEMA, &verify->bootstrap.superblock.schema, 0);
    free(schema);
    if (verify->status == TACTUS_OK) verify_state(verify);
    if (verify->status == TACTUS_OK) verify_free_set(verify);
}

/* ---- Reachability ---------------------------------------------------------------------------- */

/* What is wrong between the free set and what was reached, or NULL. */
static const char *marks_fault(const struct verify *verify, uint8_t marks)
{
    const bool is_acquired = (marks & MARK_ACQUIRED) != 0;
    const bool is_released = (marks & MARK_RELEASED) != 0;
    if ((marks & MARK_OWN) != 0) {
        return is_acquired ? "the free set has its own block for something else" : NULL;
    }
    if ((marks & MARK_REACHED) != 0) {
        if (!is_acquired) return "the block is in use, and free in the free set";
        return is_released ? "the block is in use, and released in the free set" : NULL;
    }
    if (!is_acquired || is_released || verify->is_incomplete) return NULL;
    return "leaked: the block is acquired, and nothing refers to it";
}

void verify_reachability(struct verify *verify)
{
    if (!verify->has_free_set) return;
    uint64_t highest = 0;
    for (uint64_t address = 1; address <= verify->block_count; address += 1) {
        const uint8_t marks = verify->marks[address];
        if ((marks & (MARK_ACQUIRED | MARK_OWN)) != 0) highest = address;
        const char *what = marks_fault(verify, marks);
        if (what == NULL) continue;
        const struct verify_want want = {.reference = {.address = address}};
        verify_block_fault(verify, &want, what);
    }
    if (highest != verify->block_count && !verify->is_incomplete) {
        const struct verify_want want = {
            .reference = verify->bootstrap.superblock.checkpoint.acquired.last,
            .type = BLOCK_FREE_SET,
        };
        verify_block_fault(
            verify, &want, "the free set is of another length than the superblock says"
        );
    }
    if (verify->is_incomplete) {
        report_line(
            verify->report,
            TACTUS_NOTE,
            "leaked blocks were not looked for: not everything could be followed"
        );
    }
}
