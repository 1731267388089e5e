/* The bytes of a disk, zero where nothing was written, in pages that clones share until one of them
 * writes. A clone costs one pointer for each 2 MiB. */
#ifndef TACTUS_TESTS_DISK_IMAGE_H
#define TACTUS_TESTS_DISK_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

enum { DISK_PAGE_SIZE = 4096, DISK_CHUNK_PAGES = 512 };

struct disk_chunk;

struct disk_image {             /* zero-initialized: all zeros */
    struct disk_chunk **chunks; /* owned; NULL where all is zero */
    uint64_t chunk_count;
};

struct disk_image disk_image_clone(const struct disk_image *image);
void disk_image_free(struct disk_image *image);

/* Any offset and size. */
void disk_image_read(const struct disk_image *image, uint64_t offset, void *target, uint64_t size);
void disk_image_write(struct disk_image *image, uint64_t offset, const void *source, uint64_t size);

/* Everything from this byte on is zero again. */
void disk_image_cut(struct disk_image *image, uint64_t offset);

/* Of the bytes alone: images that read the same are the same, however they came about. */
uint64_t disk_image_hash(const struct disk_image *image);
bool disk_image_equal(const struct disk_image *a, const struct disk_image *b);

#endif
