#include "lsm/manifest_log.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"

#include "base/poison.h"

/* ---- Events and blocks as they lie on disk -------------------------------------------------- */

#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wpadded"
struct manifest_metadata {
    struct block_reference previous; /*  0  zero where there was none */
    uint32_t entry_count;            /* 32  from 1 */
    uint8_t reserved[28];            /* 36 */
};
#pragma GCC diagnostic pop
static_assert(sizeof(struct manifest_metadata) == BLOCK_METADATA_SIZE, "docs/format.md");
static_assert(offsetof(struct manifest_entry, checksum) == 48, "docs/format.md");
static_assert(offsetof(struct manifest_entry, address) == 64, "docs/format.md");
static_assert(offsetof(struct manifest_entry, snapshot_min) == 80, "docs/format.md");
static_assert(offsetof(struct manifest_entry, value_count) == 96, "docs/format.md");
static_assert(offsetof(struct manifest_entry, event) == 103, "docs/format.md");
static_assert(offsetof(struct manifest_entry, run) == 112, "docs/format.md");

void manifest_entry_encode(
    struct manifest_entry *entry, enum manifest_event event, const struct table_info *info
)
{
    *entry = (struct manifest_entry){
        .address = info->address,
        .copy_address = info->copy_address,
        .snapshot_min = info->snapshot_min,
        .snapshot_max = info->snapshot_max,
        .value_count = info->value_count,
        .has_tombstones = info->has_tombstones,
        .is_trimmed = info->is_trimmed,
        .run = info->run,
        .tree = info->tree,
        .level = info->level,
        .event = (uint8_t)event,
    };
    key_store(entry->key_min, KEY_192, info->key_min);
    key_store(entry->key_max, KEY_192, info->key_max);
    checksum_store(entry->checksum, info->checksum);
}

struct table_info manifest_entry_decode(const struct manifest_entry *entry)
{
    return (struct table_info){
        .key_min = key_load(entry->key_min, KEY_192),
        .key_max = key_load(entry->key_max, KEY_192),
        .checksum = checksum_load(entry->checksum),
        .address = entry->address,
        .copy_address = entry->copy_address,
        .snapshot_min = entry->snapshot_min,
        .snapshot_max = entry->snapshot_max,
        .value_count = entry->value_count,
        .has_tombstones = entry->has_tombstones != 0,
        .is_trimmed = entry->is_trimmed != 0,
        .run = entry->run,
        .tree = entry->tree,
        .level = entry->level,
    };
}

const char *manifest_entry_fault(const struct manifest_entry *entry, uint64_t block_count_max)
{
    const struct table_info info = manifest_entry_decode(entry);
    const struct block_reference root = table_info_root(&info);
    if (entry->event < MANIFEST_INSERT || entry->event > MANIFEST_REMOVE) {
        return "an event of the manifest log is of no known kind";
    }
    if (info.tree == 0 || info.level >= LEVELS || info.run > RUN_NUMBER_MAX) {
        return "an event of the manifest log names a tree, level or run that cannot be";
    }
    if (key_less(info.key_max, info.key_min))
        return "a table of the manifest log ends before it begins";
    if (info.address == 0 || block_reference_fault(&root, block_count_max) != NULL) {
        return "a table of the manifest log lies outside the file";
    }
    if (info.value_count == 0) return "a table of the manifest log is empty";
    if (entry->has_tombstones > 1 || entry->is_trimmed > 1) {
        return "an event of the manifest log is not clear about its table";
    }
    if (info.snapshot_min == 0 || info.snapshot_max < info.snapshot_min) {
        return "a table of the manifest log was never seen";
    }
    if ((entry->event == MANIFEST_INSERT && info.snapshot_max != UINT64_MAX) ||
        (entry->event == MANIFEST_REMOVE && info.snapshot_max == UINT64_MAX)) {
        return "an event of the manifest log does not fit the table's snapshots";
    }
    if (entry->reserved_low != 0 ||
        !bytes_are_zero(entry->reserved_mid, sizeof entry->reserved_mid) ||
        !bytes_are_zero(entry->reserved, sizeof entry->reserved)) {
        return "reserved bytes of the manifest log are not zero";
    }
    return NULL;
}

static const struct manifest_metadata *metadata_of(const uint8_t *block)
{
    return (const struct manifest_metadata *)(const void *)block_header_read(block)->metadata;
}

uint32_t manifest_block_entries_max(uint32_t block_size)
{
    return (block_size - BLOCK_HEADER_SIZE) / MANIFEST_ENTRY_SIZE;
}

uint32_t manifest_block_entry_count(const uint8_t *block)
{
    return metadata_of(block)->entry_count;
}

const struct manifest_entry *manifest_block_entry(const uint8_t *block, uint32_t index)
{
    assert(index < manifest_block_entry_count(block));
    const uint8_t *entry = block + BLOCK_HEADER_SIZE + (uint64_t)index * MANIFEST_ENTRY_SIZE;
    return (const struct manifest_entry *)(const void *)entry;
}

struct block_reference manifest_block_previous(const uint8_t *block)
{
    return metadata_of(block)->previous;
}

const char *manifest_block_fault(
    const uint8_t *block, uint32_t block_size, uint64_t block_count_max
)
{
    const struct block_header *header = block_header_read(block);
    const struct manifest_metadata *metadata = metadata_of(block);
    if (header->type != BLOCK_MANIFEST || header->tree != 0 || header->snapshot != 0) {
        return "a block of the manifest log has a wrong header";
    }
    const uint32_t count = metadata->entry_count;
    if (count == 0 || count > manifest_block_entries_max(block_size) ||
        header->size != BLOCK_HEADER_SIZE + count * MANIFEST_ENTRY_SIZE) {
        return "a block of the manifest log has a wrong size";
    }
    if (block_reference_fault(&metadata->previous, block_count_max) != NULL) {
        return "a block of the manifest log refers to a block outside the file";
    }
    if (!bytes_are_zero(metadata->reserved, sizeof metadata->reserved)) {
        return "reserved bytes of the manifest log are not zero";
    }
    for (uint32_t index = 0; index < count; index += 1) {
        const struct manifest_entry *entry = manifest_block_entry(block, index);
        const char *fault = manifest_entry_fault(entry, block_count_max);
        if (fault != NULL) return fault;
    }
    return NULL;
}

/* ---- The log -------------------------------------------------------------------------------- */

/* Whether the free set, if it is known, says that this block is in use for good. A log that says
 * otherwise would have our own writes strike blocks that it names. */
static bool is_in_use(const struct manifest_log *log, uint64_t address)
{
    const struct free_set *set = &log->options.grid->free_set;
    if (!set->opened) return true;
    return !free_set_is_free(set, address) && !free_set_is_released(set, address);
}

/* A closed block, by its number. */
static struct block_reference *block_at(const struct manifest_log *log, uint64_t number)
{
    assert(number - log->oldest < log->pace.ring_blocks);
    return &log->blocks[number % log->pace.ring_blocks];
}

void manifest_log_init(
    struct manifest_log *log, struct budget *budget, const struct manifest_log_options *options
)
{
    assert(options->block_size > BLOCK_HEADER_SIZE);
    const struct manifest_pace_options pace = {
        .entries_max = manifest_block_entries_max(options->block_size),
        .tables_max = options->tables_max,
        .tree_count = options->tree_count,
        .half_bar_tables = options->half_bar_tables,
    };
    *log = (struct manifest_log){
        .options = *options,
        .pace = manifest_pace_of(&pace),
        .entries_max = pace.entries_max,
    };

    /* A compaction's outputs are inserted before its inputs are removed: so many more tables than
     * tables_max live in the log at once. */
    const uint32_t live_max = options->tables_max + options->half_bar_tables;
    address_map_init(&log->extents, budget, live_max, sizeof(struct table_extent));
    address_map_init(&log->removed, budget, live_max, 0);
    log->blocks = budget_take(budget, log->pace.ring_blocks, sizeof *log->blocks, 8);
}

void manifest_log_check(const struct manifest_log *log)
{
    assert(log->extents.count <= log->options.tables_max);
    assert(log->block_count <= log->pace.ring_blocks);
    assert((log->frame == NULL) == (log->entry_count == 0));
    assert((log->frame == NULL) == (log->frame_address == 0));
    assert(log->entry_count < log->entries_max);
    for (uint64_t index = 0; index < log->block_count; index += 1) {
        assert(is_in_use(log, block_at(log, log->oldest + index)->address));
    }
    if (log->frame != NULL) assert(is_in_use(log, log->frame_address));
}

bool manifest_log_is_live(const struct manifest_log *log, uint64_t address)
{
    return address_map_get(&log->extents, address) != NULL;
}

/* ---- Open ----------------------------------------------------------------------------------- */

static enum tactus_status log_corrupt(
    const struct manifest_log *log, uint64_t address, const char *what
)
{
    return fault_set(
        log->options.fault,
        (struct fault
        ){.status = TACTUS_CORRUPT,
          .zone = FAULT_ZONE_GRID,
          .what = what,
          .address = address,
          .block_type = BLOCK_MANIFEST}
    );
}

static struct table_extent extent_of(
    const struct manifest_log *log, uint64_t number, uint32_t entry
)
{
    return (struct table_extent){.event = number * log->entries_max + entry};
}

/* One event, newer ones have been met. Says what is wrong, or NULL. */
static const char *open_event(
    struct manifest_log *log,
    const struct manifest_entry *entry,
    struct table_extent extent,
    const struct manifest_log_visitor *visitor
)
{
    const struct table_info info = manifest_entry_decode(entry);
    const bool is_removed = address_map_get(&log->removed, info.address) != NULL;
    if (entry->event == MANIFEST_REMOVE) {
        if (is_removed) return "the manifest log removes a table twice";
        if (address_map_is_full(&log->removed)) return "the manifest log removes too many tables";
        (void)address_map_insert(&log->removed, info.address);
        return NULL;
    }
    if (is_removed) {
        if (entry->event == MANIFEST_INSERT) address_map_remove(&log->removed, info.address);
        return NULL;
    }
    if (address_map_get(&log->extents, info.address) != NULL) return NULL; /* superseded */

    if (log->extents.count >= log->options.tables_max) {
        return "the manifest log has more tables than the file may hold";
    }
    if (!is_in_use(log, info.address)) return "a table of the manifest log lies in a free block";
    *(struct table_extent *)address_map_insert(&log->extents, info.address) = extent;
    return visitor->table(visitor->context, &info);
}

static enum tactus_status open_block(
    struct manifest_log *log,
    uint64_t number,
    const struct manifest_log_visitor *visitor,
    struct block_reference *previous
)
{
    const struct block_reference reference = *block_at(log, number);
    struct grid *grid = log->options.grid;
    if (!is_in_use(log, reference.address)) {
        return log_corrupt(log, reference.address, "a block of the manifest log is free");
    }
    struct grid_read read = {0};
    grid_read_start(grid, &read, reference, BLOCK_MANIFEST, 0);
    TRY(grid_read_finish(grid, &read));

    const uint8_t *block = read.frame->data;
    const char *fault =
        manifest_block_fault(block, log->options.block_size, log->options.block_count_max);
    for (uint32_t left = fault == NULL ? manifest_block_entry_count(block) : 0; left > 0;
         left -= 1) {
        const struct manifest_entry *entry = manifest_block_entry(block, left - 1);
        fault = open_event(log, entry, extent_of(log, number, left - 1), visitor);
        if (fault != NULL) break;
    }
    if (fault == NULL) *previous = manifest_block_previous(block);
    grid_read_cancel(grid, &read);
    return fault == NULL ? TACTUS_OK : log_corrupt(log, reference.address, fault);
}

static const char *references_fault(
    const struct manifest_log *log, const struct manifest_log_references *references
)
{
    const uint64_t block_count_max = log->options.block_count_max;
    if (references->block_count > log->pace.log_blocks_max) {
        return "the manifest log is longer than it can get";
    }
    if ((references->oldest.address == 0) != (references->block_count == 0) ||
        (references->newest.address == 0) != (references->block_count == 0)) {
        return "the manifest log's ends do not fit its length";
    }
    if (block_reference_fault(&references->newest, block_count_max) != NULL ||
        block_reference_fault(&references->oldest, block_count_max) != NULL) {
        return "the manifest log lies outside the file";
    }
    return NULL;
}

enum tactus_status manifest_log_open(
    struct manifest_log *log,
    const struct manifest_log_references *references,
    const struct manifest_log_visitor *visitor
)
{
    assert(log->extents.count == 0);
    assert(log->block_count == 0);
    assert(log->frame == NULL);
    const char *fault = references_fault(log, references);
    if (fault != NULL) return log_corrupt(log, references->newest.address, fault);

    /* A cycle (Brent): the chain meets the block at which it stood when the number of steps was
     * last a power of two. */
    struct block_reference at = references->newest;
    uint64_t stood = 0;
    for (uint64_t step = 1; step <= references->block_count; step += 1) {
        if (at.address == 0) return log_corrupt(log, stood, "the manifest log is cut short");
        if (at.address == stood)
            return log_corrupt(log, stood, "the manifest log runs in a circle");
        if (is_power_of_two(step)) stood = at.address;

        const uint64_t number = references->block_count - step;
        *block_at(log, number) = at;
        struct block_reference previous = {0};
        TRY(open_block(log, number, visitor, &previous));
        const bool is_oldest = block_reference_equal(at, references->oldest);
        if (is_oldest != (step == references->block_count)) {
            return log_corrupt(log, at.address, "the manifest log is not as long as it should be");
        }
        at = previous;
    }
    log->block_count = references->block_count;
    return TACTUS_OK;
}

/* ---- Append --------------------------------------------------------------------------------- */

static void log_block_open(struct manifest_log *log)
{
    assert(log->frame == NULL);
    assert(log->entry_count == 0);
    struct grid *grid = log->options.grid;
    log->frame_address = free_set_acquire(&grid->free_set, log->reservation);
    log->frame = grid_frame_take(grid);
}

static void log_block_close(struct manifest_log *log)
{
    assert(log->frame != NULL);
    assert(log->entry_count > 0);
    assert(log->entry_count <= log->entries_max);
    assert(log->block_count < log->pace.ring_blocks);
    struct grid *grid = log->options.grid;
    struct block_header *header = block_header_of(log->frame->data);
    header->type = BLOCK_MANIFEST;
    header->size = BLOCK_HEADER_SIZE + log->entry_count * MANIFEST_ENTRY_SIZE;
    struct manifest_metadata *metadata = (struct manifest_metadata *)(void *)header->metadata;
    *metadata = (struct manifest_metadata){.entry_count = log->entry_count};
    const uint64_t number = log->oldest + log->block_count;
    if (log->block_count > 0) metadata->previous = *block_at(log, number - 1);
    assert(
        manifest_block_fault(
            log->frame->data, log->options.block_size, log->options.block_count_max
        ) == NULL
    );

    *block_at(log, number) = grid_write_start(grid, log->frame, log->frame_address);
    log->block_count += 1;
    grid_unref(grid, log->frame);
    log->frame = NULL;
    log->frame_address = 0;
    log->entry_count = 0;
}

/* Puts an event into the open block, and gives its place. */
static struct table_extent log_put(
    struct manifest_log *log, enum manifest_event event, const struct table_info *info
)
{
    assert(log->reservation != NULL);
    if (log->frame == NULL) log_block_open(log);
    uint8_t *at =
        log->frame->data + BLOCK_HEADER_SIZE + (uint64_t)log->entry_count * MANIFEST_ENTRY_SIZE;
    struct manifest_entry *entry = (struct manifest_entry *)(void *)at;
    manifest_entry_encode(entry, event, info);
    assert(manifest_entry_fault(entry, log->options.block_count_max) == NULL);
    const uint64_t number = log->oldest + log->block_count;
    const struct table_extent extent = extent_of(log, number, log->entry_count);
    log->entry_count += 1;
    if (log->entry_count == log->entries_max) log_block_close(log);
    return extent;
}

void manifest_log_append(
    struct manifest_log *log, enum manifest_event event, const struct table_info *info
)
{
    assert(log->entries_left > 0);
    assert(manifest_log_is_live(log, info->address) == (event != MANIFEST_INSERT));
    const struct table_extent extent = log_put(log, event, info);
    if (event == MANIFEST_REMOVE) {
        address_map_remove(&log->extents, info->address);
    } else if (event == MANIFEST_INSERT) {
        *(struct table_extent *)address_map_insert(&log->extents, info->address) = extent;
    } else {
        *(struct table_extent *)address_map_get(&log->extents, info->address) = extent;
    }
    log->entries_left -= 1;
    log->statistics.events_appended += 1;
}

/* ---- Compaction ----------------------------------------------------------------------------- */

uint64_t manifest_log_half_bar_blocks(const struct manifest_log *log, uint64_t entry_count)
{
    return manifest_pace_half_bar_blocks(
        &log->pace, log->block_count, log->extents.count, entry_count
    );
}

/* Begins to read as many of the blocks to be compacted as there are reads for. */
static void reads_begin(struct manifest_log *log)
{
    const uint64_t end = min_u64(log->compact_end, log->oldest + MANIFEST_LOG_READS);
    for (; log->read_end < end; log->read_end += 1) {
        struct grid_read *read = &log->reads[log->read_end % MANIFEST_LOG_READS];
        assert(read->stage == IO_IDLE);
        grid_read_start(log->options.grid, read, *block_at(log, log->read_end), BLOCK_MANIFEST, 0);
    }
}

static void reads_cancel(struct manifest_log *log)
{
    for (uint32_t index = 0; index < MANIFEST_LOG_READS; index += 1) {
        grid_read_cancel(log->options.grid, &log->reads[index]);
    }
}

void manifest_log_half_bar_open(
    struct manifest_log *log, uint64_t entry_count, struct free_set_reservation *reservation
)
{
    assert(log->reservation == NULL);
    assert(reservation != NULL);
    assert(entry_count <= log->pace.events_max);
    const uint64_t needed = manifest_log_half_bar_blocks(log, entry_count);
    assert(free_set_reservation_left(reservation) >= needed);
    log->reservation = reservation;
    log->entries_left = entry_count;
    log->compact_end =
        log->oldest + manifest_pace_compact(&log->pace, log->block_count, log->extents.count);
    assert(log->compact_end <= log->oldest + log->block_count);
    log->read_end = log->oldest;
    reads_begin(log);
}

/* Copies the events of a block that are the newest of live tables, in their order: each of them was
 * the newest before, so none brings an older state back. A remove is none of them. */
static void block_copy(struct manifest_log *log, const uint8_t *block, uint64_t number)
{
    for (uint32_t index = 0; index < manifest_block_entry_count(block); index += 1) {
        const struct manifest_entry *entry = manifest_block_entry(block, index);
        const struct table_extent *extent = address_map_get(&log->extents, entry->address);
        if (extent == NULL || extent->event != extent_of(log, number, index).event) continue;
        const struct table_info info = manifest_entry_decode(entry);
        const struct table_extent now = log_put(log, (enum manifest_event)entry->event, &info);
        *(struct table_extent *)address_map_get(&log->extents, info.address) = now;
        log->statistics.events_copied += 1;
    }
}

/* The oldest block, whose read has begun. Once it is let go its place in the ring is free for what
 * is copied from it. */
static enum tactus_status compact_oldest(struct manifest_log *log)
{
    const uint64_t number = log->oldest;
    struct grid *grid = log->options.grid;
    struct grid_read *read = &log->reads[number % MANIFEST_LOG_READS];
    TRY(grid_read_finish(grid, read));
    const uint8_t *block = read->frame->data;
    const uint64_t address = read->reference.address;
    const char *fault =
        manifest_block_fault(block, log->options.block_size, log->options.block_count_max);
    if (fault != NULL) return log_corrupt(log, address, fault);

    log->oldest += 1;
    log->block_count -= 1;
    block_copy(log, block, number);
    grid_read_cancel(grid, read);
    TRY(grid_release(grid, address));
    log->statistics.blocks_compacted += 1;
    reads_begin(log);
    return TACTUS_OK;
}

enum tactus_status manifest_log_compact(struct manifest_log *log)
{
    assert(log->reservation != NULL);
    enum tactus_status status = TACTUS_OK;
    while (status == TACTUS_OK && log->oldest < log->compact_end) {
        status = compact_oldest(log);
    }
    if (status != TACTUS_OK) reads_cancel(log);
    return status;
}

void manifest_log_forfeit(struct manifest_log *log)
{
    assert(log->reservation != NULL);
    assert(log->oldest == log->compact_end);
    log->reservation = NULL;
    log->entries_left = 0;
}

/* ---- Checkpoints and closing ---------------------------------------------------------------- */

void manifest_log_close(struct manifest_log *log, struct manifest_log_references *references)
{
    assert(log->reservation == NULL);
    if (log->frame != NULL) log_block_close(log);
    assert(log->frame == NULL);
    *references = (struct manifest_log_references){.block_count = log->block_count};
    if (log->block_count == 0) return;
    references->oldest = *block_at(log, log->oldest);
    references->newest = *block_at(log, log->oldest + log->block_count - 1);
}

void manifest_log_deinit(struct manifest_log *log)
{
    reads_cancel(log);
    if (log->frame != NULL) grid_unref(log->options.grid, log->frame);
    log->frame = NULL;
    log->frame_address = 0;
    log->entry_count = 0;
}
