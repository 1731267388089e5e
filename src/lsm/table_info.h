/* A table on disk as the manifest knows it. */
#ifndef TACTUS_LSM_TABLE_INFO_H
#define TACTUS_LSM_TABLE_INFO_H

#include "base/checksum.h"
#include "lsm/key.h"
#include "storage/block.h"

#include <stdbool.h>
#include <stdint.h>

/* The bounds rule over the blocks (R18): a compaction that has consumed the lower part of a table
 * leaves it behind *trimmed*: key_min was raised, value_count counts what is left. Whatever its
 * blocks hold below key_min is stale: it has been merged into newer tables. */
struct table_info {
    struct key key_min; /* both inclusive */
    struct key key_max;
    struct checksum checksum; /* of the root block */
    uint64_t address;         /* of the root block */
    uint64_t copy_address;    /* of its copy; 0: there is none (S1) */
    uint64_t snapshot_min;    /* both inclusive: the beats whose state the table is part of */
    uint64_t snapshot_max;    /* UINT64_MAX while the table is live */
    uint64_t run;             /* the number of its run: the higher, the newer (manifest_level.h) */
    uint32_t value_count;     /* records within its bounds, tombstones included */
    uint16_t tree;
    uint8_t level;
    bool has_tombstones : 1;
    bool is_trimmed : 1; /* its blocks hold records below its bounds */
};

static inline struct block_reference table_info_root(const struct table_info *info)
{
    return (struct block_reference
    ){.address = info->address, .copy_address = info->copy_address, .checksum = info->checksum};
}

/* Whether the table is part of the state of the beat `snapshot`. */
static inline bool table_info_is_visible(const struct table_info *info, uint64_t snapshot)
{
    return info->snapshot_min <= snapshot && snapshot <= info->snapshot_max;
}

static inline bool table_info_overlaps(
    const struct table_info *info, struct key key_min, struct key key_max
)
{
    return !key_less(info->key_max, key_min) && !key_less(key_max, info->key_min);
}

#endif
