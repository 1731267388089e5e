#include "lsm/kernel.h"

#include "base/assert.h"
#include "base/bytes.h"

#include <stddef.h>
#include <string.h>

#include "base/poison.h"

const struct kernels *kernels_for(const struct record_shape *shape)
{
    record_shape_check(shape);
    switch ((enum key_bits)shape->key_bits) {
    case KEY_64: return shape->key_has_timestamp ? &kernels_object : &kernels_id64;
    case KEY_128: return shape->key_has_timestamp ? &kernels_index64 : &kernels_id128;
    case KEY_192: return &kernels_index128;
    }
    assert(false);
    return NULL;
}

void merge_check(const struct merge *merge)
{
    const uint32_t consumed = merge->consumed_a + merge->consumed_b;
    const uint32_t gone = merge->dropped + merge->shadowed + 2 * merge->cancelled;
    assert(merge->consumed_a <= merge->a_count);
    assert(merge->consumed_b <= merge->b_count);
    assert(merge->produced <= merge->target_count);
    assert(consumed == merge->produced + gone);
    assert(merge->drop_tombstones || merge->dropped == 0);
    assert(merge->cancel || merge->cancelled == 0);
    assert(merge->conflicts <= merge->shadowed);
    if (merge->a_count + merge->b_count > 0 && merge->target_count > 0) assert(consumed > 0);
}

void merge_streams_check(const struct merge_streams *merge)
{
    const uint32_t gone = merge->replaced + 2 * merge->cancelled;
    assert(merge->consumed <= merge->input_max);
    assert(merge->consumed == merge->produced + gone);
    assert(merge->cancel ? merge->replaced == 0 : merge->cancelled == 0);
}

/* Puts every record in the place that its pair says: pair i holds, behind its key, the index of the
 * record that belongs at i. Each cycle of the permutation is walked once, by one spare record. */
static void kernel_permute(
    const struct record_shape *shape, uint8_t *records, uint8_t *pairs, uint32_t count
)
{
    const struct record_shape pair =
        shape->key_bits == KEY_64 ? record_shape_id64() : record_shape_id128();
    const size_t size = shape->record_size;
    uint8_t spare[RECORD_SIZE_MAX];
    for (uint64_t start = 0; start < count; start += 1) {
        uint8_t *from = pairs + start * pair.record_size + pair.flag_offset;
        if (load_u64(from) == start) continue;
        memcpy(spare, records + start * size, size);
        uint64_t place = start;
        for (uint64_t next = load_u64(from); next != start; next = load_u64(from)) {
            assert(next < count);
            memcpy(records + place * size, records + next * size, size);
            store_u64(from, place);
            place = next;
            from = pairs + place * pair.record_size + pair.flag_offset;
        }
        memcpy(records + place * size, spare, size);
        store_u64(from, place);
    }
}

/* A pair is an id record: the key, and in place of a timestamp the record's index. Two arrays of
 * them fit the scratch: 2 · 24 <= KERNEL_SORT_FAT. Records of 1 KiB take a third of the time that
 * moving them digit by digit does, records of 128 bytes as long. */
void kernel_sort_fat(const struct record_shape *shape, void *records, void *scratch, uint32_t count)
{
    static_assert(2 * 24 <= KERNEL_SORT_FAT, "pairs and their scratch fit the scratch of records");
    assert(shape->record_size >= KERNEL_SORT_FAT);
    assert(shape->key_bits != KEY_192);

    const bool is_64 = shape->key_bits == KEY_64;
    const struct record_shape pair = is_64 ? record_shape_id64() : record_shape_id128();
    uint8_t *pairs = scratch;
    for (uint32_t index = 0; index < count; index += 1) {
        const uint8_t *record = (const uint8_t *)records + (size_t)index * shape->record_size;
        uint8_t *target = pairs + (size_t)index * pair.record_size;
        key_store(target, (enum key_bits)pair.key_bits, record_key(shape, record));
        store_u64(target + pair.flag_offset, index);
    }
    const struct kernels *kernels = is_64 ? &kernels_id64 : &kernels_id128;
    kernels->sort(&pair, pairs, pairs + (size_t)count * pair.record_size, count);
    kernel_permute(shape, records, pairs, count);
}
