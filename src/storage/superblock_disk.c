#include "storage/superblock_disk.h"

#include "base/bytes.h"

#include "base/poison.h"

static struct checksum checksum_compute(const struct superblock_disk *disk)
{
    const uint8_t *bytes = (const uint8_t *)disk;
    return checksum_of(
        (struct checksum){0},
        bytes + SUPERBLOCK_CHECKSUM_FROM,
        sizeof *disk - SUPERBLOCK_CHECKSUM_FROM
    );
}

static void encode_options(struct superblock_disk *disk, const struct file_options *options)
{
    disk->version = options->version;
    disk->block_size = options->block_size;
    checksum_store(disk->file_id, options->file_id);
    disk->journal_bytes = options->journal_bytes;
    disk->size_max = options->size_max;
    disk->batch_max = options->batch_max;
    disk->bar_beats = options->bar_beats;
    disk->growth_factor = options->growth_factor;
    disk->tables_max = options->tables_max;
    disk->keep = options->keep;
    disk->snapshots_max = options->snapshots_max;
    bytes_copy(disk->runs_max, options->runs_max, sizeof disk->runs_max);
}

static void encode_checkpoint(
    struct superblock_disk *disk, const struct checkpoint_state *checkpoint
)
{
    disk->op_covered = checkpoint->op_covered;
    disk->op_captured = checkpoint->op_captured;
    disk->beat_capture = checkpoint->beat_capture;
    disk->journal_offset = checkpoint->journal_offset;
    checksum_store(disk->journal_predecessor, checkpoint->journal_predecessor);
    disk->state = checkpoint->state;
    disk->acquired = checkpoint->acquired;
    disk->released = checkpoint->released;
    disk->manifest_oldest = checkpoint->manifest_oldest;
    disk->manifest_newest = checkpoint->manifest_newest;
    disk->manifest_block_count = checkpoint->manifest_block_count;
    disk->block_count = checkpoint->block_count;
}

struct checksum superblock_disk_encode(
    struct superblock_disk *disk, const struct superblock *superblock
)
{
    assert(superblock->sequence > 0);
    assert(superblock_fault(superblock) == NULL);

    *disk = (struct superblock_disk){0};
    bytes_copy(disk->magic, SUPERBLOCK_MAGIC, SUPERBLOCK_MAGIC_SIZE);
    disk->sequence = superblock->sequence;
    checksum_store(disk->parent, superblock->parent);
    disk->epoch = superblock->epoch;
    disk->epoch_first_op = superblock->epoch_first_op;
    disk->file_block_count = superblock->file_block_count;
    disk->schema = superblock->schema;
    encode_options(disk, &superblock->options);
    encode_checkpoint(disk, &superblock->checkpoint);

    const struct checksum checksum = checksum_compute(disk);
    checksum_store(disk->checksum, checksum);
    return checksum;
}

bool superblock_disk_has_magic(const struct superblock_disk *disk)
{
    return bytes_equal(disk->magic, SUPERBLOCK_MAGIC, SUPERBLOCK_MAGIC_SIZE);
}

struct quorum_copy superblock_disk_judge(const struct superblock_disk *disk)
{
    struct quorum_copy copy = {.is_valid = false};
    if (!superblock_disk_has_magic(disk)) return copy;
    if (!bytes_are_zero(disk->reserved_head, sizeof disk->reserved_head)) return copy;
    copy.checksum = checksum_load(disk->checksum);
    if (!checksum_equal(copy.checksum, checksum_compute(disk))) return copy;

    copy.is_valid = true;
    copy.copy = disk->copy;
    copy.sequence = disk->sequence;
    copy.parent = checksum_load(disk->parent);
    copy.file_id = checksum_load(disk->file_id);
    return copy;
}

uint32_t superblock_disk_version(const struct superblock_disk *disk)
{
    return disk->version;
}

static struct file_options decode_options(const struct superblock_disk *disk)
{
    struct file_options options = {
        .version = disk->version,
        .block_size = disk->block_size,
        .file_id = checksum_load(disk->file_id),
        .batch_max = disk->batch_max,
        .bar_beats = disk->bar_beats,
        .growth_factor = disk->growth_factor,
        .tables_max = disk->tables_max,
        .journal_bytes = disk->journal_bytes,
        .size_max = disk->size_max,
        .keep = disk->keep,
        .snapshots_max = disk->snapshots_max,
    };
    bytes_copy(options.runs_max, disk->runs_max, sizeof options.runs_max);
    return options;
}

static struct checkpoint_state decode_checkpoint(const struct superblock_disk *disk)
{
    return (struct checkpoint_state){
        .op_covered = disk->op_covered,
        .op_captured = disk->op_captured,
        .beat_capture = disk->beat_capture,
        .journal_offset = disk->journal_offset,
        .journal_predecessor = checksum_load(disk->journal_predecessor),
        .state = disk->state,
        .acquired = disk->acquired,
        .released = disk->released,
        .manifest_oldest = disk->manifest_oldest,
        .manifest_newest = disk->manifest_newest,
        .manifest_block_count = disk->manifest_block_count,
        .block_count = disk->block_count,
    };
}

const char *superblock_disk_decode(
    const struct superblock_disk *disk, struct superblock *superblock
)
{
    assert(disk->version == SUPERBLOCK_VERSION);
    const bool is_reserved_zero =
        bytes_are_zero(disk->reserved_options, sizeof disk->reserved_options) &&
        bytes_are_zero(disk->reserved_schema, sizeof disk->reserved_schema) &&
        bytes_are_zero(disk->reserved, sizeof disk->reserved);
    if (!is_reserved_zero) return "reserved bytes of the superblock are not zero";

    superblock->sequence = disk->sequence;
    superblock->parent = checksum_load(disk->parent);
    superblock->epoch = disk->epoch;
    superblock->epoch_first_op = disk->epoch_first_op;
    superblock->file_block_count = disk->file_block_count;
    superblock->schema = disk->schema;
    superblock->options = decode_options(disk);
    superblock->checkpoint = decode_checkpoint(disk);
    return NULL;
}
