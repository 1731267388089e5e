#include "support/forged_file.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "fuzz/reseal.h"
#include "lsm/slice.h"
#include "lsm/table_layout.h"
#include "support/test.h"

#include "base/poison.h"

void forged_file_begin(struct forged_file *file, const struct simulated_disk *disk)
{
    struct superblock_disk superblock;
    simulated_disk_peek(disk, 0, &superblock, sizeof superblock);
    *file = (struct forged_file
    ){.size = simulated_disk_size(disk), .beat_capture = superblock.beat_capture};
    layout_init(
        &file->layout, superblock.block_size, superblock.journal_bytes, superblock.size_max
    );
    file->block_count = (file->size - file->layout.grid_offset) / file->layout.block_size;
    file->sound = malloc(file->size);
    file->bytes = malloc(file->size);
    EXPECT(file->sound != NULL && file->bytes != NULL);
    simulated_disk_peek(disk, 0, file->sound, file->size);
    forged_file_reset(file);
}

void forged_file_end(struct forged_file *file)
{
    free(file->sound);
    free(file->bytes);
}

void forged_file_reset(struct forged_file *file)
{
    bytes_copy(file->bytes, file->sound, file->size);
}

/* NULL: there is no such block. */
static uint8_t *block_at(const struct forged_file *file, uint64_t address)
{
    if (address == 0 || address > file->block_count) return NULL;
    return file->bytes + layout_block_offset(&file->layout, address);
}

void forged_file_add(struct forged_file *file, const struct manifest *manifest)
{
    for (uint8_t number = 0; number < LEVELS; number += 1) {
        const struct manifest_level *level = &manifest->levels[number];
        const struct table_info *table = manifest_level_first(level);
        for (; table != NULL; table = manifest_level_next(level, table)) {
            EXPECT(file->table_count < FORGED_TABLES_MAX);
            file->tables[file->table_count] = *table;
            file->table_count += 1;
            const uint8_t *root = block_at(file, table->address);
            file->trimmed_count += table_root_stale_count(root, table) > 0;
        }
    }
}

/* Whether the event is the one that tells of the table as it is. */
static bool is_event_of(const struct manifest_entry *entry, const struct table_info *table)
{
    const struct table_info info = manifest_entry_decode(entry);
    return entry->event != MANIFEST_REMOVE && info.snapshot_max == UINT64_MAX &&
           info.address == table->address && key_equal(info.key_min, table->key_min) &&
           info.snapshot_min == table->snapshot_min && info.level == table->level;
}

bool forged_file_set(
    struct forged_file *file, const struct table_info *table, const struct table_info *forged
)
{
    bool found = false;
    for (uint64_t address = 1; address <= file->block_count; address += 1) {
        uint8_t *block = block_at(file, address);
        if (block_header_read(block)->type != BLOCK_MANIFEST) continue;
        if (manifest_block_fault(block, file->layout.block_size, UINT64_MAX) != NULL) continue;
        for (uint32_t index = 0; index < manifest_block_entry_count(block); index += 1) {
            const uint64_t byte = BLOCK_HEADER_SIZE + (uint64_t)index * MANIFEST_ENTRY_SIZE;
            struct manifest_entry *entry = (struct manifest_entry *)(void *)(block + byte);
            if (!is_event_of(entry, table)) continue;
            manifest_entry_encode(entry, (enum manifest_event)entry->event, forged);
            found = true;
        }
    }
    return found;
}

/* ---- At random ------------------------------------------------------------------------------- */

/* What slices and scans rely on. */
static void change_bounds(struct random *random, struct table_info *info)
{
    const uint32_t value_count = info->value_count;
    switch (random_below(random, 6)) {
    case 0: info->key_min = info->key_max; break;
    case 1: info->key_min.word[2] += random_below(random, 40); break;
    case 2: info->value_count = (uint32_t)random_range(random, 1, info->value_count); break;
    case 3: info->value_count += (uint32_t)random_range(random, 1, 200); break;
    case 4:
        if (info->key_min.word[2] > 0) info->key_min.word[2] -= 1;
        break;
    default: /* a trim that never was */
        info->key_min.word[2] += random_below(random, 100000);
        info->value_count -= (uint32_t)random_below(random, info->value_count);
        break;
    }
    info->key_min = key_lower_of(info->key_min, info->key_max);
    if (info->value_count < value_count) info->is_trimmed = true;
    if (random_chance(random, 1, 10)) info->is_trimmed = !info->is_trimmed;
}

static void change_place(
    const struct forged_file *file, struct random *random, struct table_info *info
)
{
    const struct table_info *other = &file->tables[random_below(random, file->table_count)];
    switch (random_below(random, 8)) {
    case 0: info->run = other->run; break;
    case 1: info->run ^= 1; break;
    case 2: info->run = run_number(random_range(random, 1, file->beat_capture + 4), false); break;
    case 3: info->level = (uint8_t)random_below(random, LEVELS); break;
    case 4: info->address = other->address; break;
    case 5: info->tree = other->tree; break;
    case 6: info->snapshot_min = random_range(random, 1, file->beat_capture + 4); break;
    default: info->has_tombstones = !info->has_tombstones; break;
    }
}

/* A block that a root or a leaf refers to; NULL: what it refers to is none. */
static uint8_t *child_of(const struct forged_file *file, struct random *random, uint8_t *block)
{
    const uint8_t type = block_header_read(block)->type;
    if (type != BLOCK_ROOT && type != BLOCK_LEAF) return block;
    const uint64_t count = load_u32(block + 56);
    const uint64_t key_bytes = load_u32(block + 60);
    const uint64_t keys = (type == BLOCK_ROOT ? 1 : 2) * count * key_bytes;
    const uint64_t size = type == BLOCK_ROOT ? TABLE_REFERENCE_SIZE : TABLE_ADDRESS_SIZE;
    const uint64_t most = file->layout.block_size - BLOCK_HEADER_SIZE;
    if (count == 0 || count > most || key_bytes > most || keys + count * size > most) return NULL;
    const uint8_t *references = block + BLOCK_HEADER_SIZE + keys;
    return block_at(file, load_u64(references + random_below(random, count) * size));
}

/* A byte of its root, of a leaf, or of a value block. */
static void change_block(
    const struct forged_file *file, struct random *random, const struct table_info *table
)
{
    uint8_t *block = block_at(file, table->address);
    for (uint64_t down = random_below(random, 3); down > 0 && block != NULL; down -= 1)
        block = child_of(file, random, block);
    if (block == NULL) return;
    const uint32_t from = random_chance(random, 1, 4) ? 56 : BLOCK_HEADER_SIZE;
    const uint32_t end = block_header_read(block)->size;
    if (end <= from || end > file->layout.block_size) return;
    block[random_range(random, from, end - 1)] = (uint8_t)random_below(random, 256);
}

void forged_file_change(struct forged_file *file, struct random *random)
{
    const struct table_info *table = NULL;
    for (uint32_t turn = 0; turn < 4; turn += 1) {
        table = &file->tables[random_below(random, file->table_count)];
        if (table->level == 0) break;
    }
    if (random_chance(random, 1, 6)) {
        change_block(file, random, table);
        return;
    }
    struct table_info forged = *table;
    const bool is_of_place = random_chance(random, 1, 4);
    if (is_of_place) change_place(file, random, &forged);
    if (!is_of_place || random_chance(random, 1, 4)) change_bounds(random, &forged);
    (void)forged_file_set(file, table, &forged);
}

void forged_file_write(struct forged_file *file, struct simulated_disk *disk)
{
    reseal_image(file->bytes, file->size);
    simulated_disk_poke(disk, 0, file->bytes, file->size);
}
