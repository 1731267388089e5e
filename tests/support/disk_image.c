#include "support/disk_image.h"

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/integer.h"

#include <stdlib.h>

#include "base/poison.h"

enum { CHUNK_SIZE = DISK_PAGE_SIZE * DISK_CHUNK_PAGES };

struct disk_page {
    uint8_t bytes[DISK_PAGE_SIZE];
    uint32_t references;
};

struct disk_chunk {
    struct disk_page *pages[DISK_CHUNK_PAGES]; /* NULL: zeros */
    uint32_t references;
};

static void *memory_or_abort(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    assert(memory != NULL);
    return memory;
}

static void page_free(struct disk_page *page)
{
    if (page == NULL) return;
    assert(page->references > 0);
    page->references -= 1;
    if (page->references == 0) free(page);
}

static void chunk_free(struct disk_chunk *chunk)
{
    if (chunk == NULL) return;
    assert(chunk->references > 0);
    chunk->references -= 1;
    if (chunk->references > 0) return;
    for (uint32_t i = 0; i < DISK_CHUNK_PAGES; i += 1) {
        page_free(chunk->pages[i]);
    }
    free(chunk);
}

struct disk_image disk_image_clone(const struct disk_image *image)
{
    struct disk_image clone = {.chunk_count = image->chunk_count};
    clone.chunks = memory_or_abort(image->chunk_count + 1, sizeof *clone.chunks);
    for (uint64_t i = 0; i < image->chunk_count; i += 1) {
        clone.chunks[i] = image->chunks[i];
        if (clone.chunks[i] != NULL) clone.chunks[i]->references += 1;
    }
    return clone;
}

void disk_image_free(struct disk_image *image)
{
    for (uint64_t i = 0; i < image->chunk_count; i += 1) {
        chunk_free(image->chunks[i]);
    }
    free(image->chunks);
    *image = (struct disk_image){0};
}

static const struct disk_page *page_at(const struct disk_image *image, uint64_t offset)
{
    const uint64_t index = offset / CHUNK_SIZE;
    if (index >= image->chunk_count || image->chunks[index] == NULL) return NULL;
    return image->chunks[index]->pages[offset % CHUNK_SIZE / DISK_PAGE_SIZE];
}

static struct disk_chunk *chunk_own(struct disk_image *image, uint64_t index)
{
    if (index >= image->chunk_count) {
        struct disk_chunk **chunks = memory_or_abort(index + 1, sizeof *chunks);
        bytes_copy(chunks, image->chunks, image->chunk_count * sizeof *chunks);
        free(image->chunks);
        image->chunks = chunks;
        image->chunk_count = index + 1;
    }
    struct disk_chunk *shared = image->chunks[index];
    if (shared != NULL && shared->references == 1) return shared;

    struct disk_chunk *own = memory_or_abort(1, sizeof *own);
    own->references = 1;
    for (uint32_t i = 0; shared != NULL && i < DISK_CHUNK_PAGES; i += 1) {
        own->pages[i] = shared->pages[i];
        if (own->pages[i] != NULL) own->pages[i]->references += 1;
    }
    chunk_free(shared);
    image->chunks[index] = own;
    return own;
}

static struct disk_page *page_own(struct disk_image *image, uint64_t offset)
{
    struct disk_chunk *chunk = chunk_own(image, offset / CHUNK_SIZE);
    struct disk_page **place = &chunk->pages[offset % CHUNK_SIZE / DISK_PAGE_SIZE];
    struct disk_page *shared = *place;
    if (shared != NULL && shared->references == 1) return shared;

    struct disk_page *own = memory_or_abort(1, sizeof *own);
    own->references = 1;
    if (shared != NULL) bytes_copy(own->bytes, shared->bytes, DISK_PAGE_SIZE);
    page_free(shared);
    *place = own;
    return own;
}

void disk_image_read(const struct disk_image *image, uint64_t offset, void *target, uint64_t size)
{
    uint8_t *out = target;
    for (uint64_t done = 0; done < size;) {
        const uint64_t within = (offset + done) % DISK_PAGE_SIZE;
        const uint64_t piece = min_u64(size - done, DISK_PAGE_SIZE - within);
        const struct disk_page *page = page_at(image, offset + done);
        if (page == NULL) {
            bytes_zero(out + done, piece);
        } else {
            bytes_copy(out + done, page->bytes + within, piece);
        }
        done += piece;
    }
}

void disk_image_write(struct disk_image *image, uint64_t offset, const void *source, uint64_t size)
{
    const uint8_t *in = source;
    for (uint64_t done = 0; done < size;) {
        const uint64_t within = (offset + done) % DISK_PAGE_SIZE;
        const uint64_t piece = min_u64(size - done, DISK_PAGE_SIZE - within);
        const bool brings_nothing =
            page_at(image, offset + done) == NULL && bytes_are_zero(in + done, piece);
        if (!brings_nothing) {
            bytes_copy(page_own(image, offset + done)->bytes + within, in + done, piece);
        }
        done += piece;
    }
}

void disk_image_cut(struct disk_image *image, uint64_t offset)
{
    static const uint8_t zeros[DISK_PAGE_SIZE];
    const uint64_t end = image->chunk_count * CHUNK_SIZE;
    while (offset < end) {
        const uint64_t piece = DISK_PAGE_SIZE - offset % DISK_PAGE_SIZE;
        if (page_at(image, offset) != NULL) disk_image_write(image, offset, zeros, piece);
        offset += piece;
    }
}

static bool page_is_zero(const struct disk_page *page)
{
    return page == NULL || bytes_are_zero(page->bytes, DISK_PAGE_SIZE);
}

uint64_t disk_image_hash(const struct disk_image *image)
{
    struct checksum hash = {0};
    for (uint64_t at = 0; at < image->chunk_count * CHUNK_SIZE; at += DISK_PAGE_SIZE) {
        const struct disk_page *page = page_at(image, at);
        if (page_is_zero(page)) continue;
        hash.high ^= at;
        hash = checksum_of(hash, page->bytes, DISK_PAGE_SIZE);
    }
    return hash.low;
}

static bool pages_equal(const struct disk_page *a, const struct disk_page *b)
{
    if (a == b) return true;
    if (a == NULL || b == NULL) return page_is_zero(a) && page_is_zero(b);
    return bytes_equal(a->bytes, b->bytes, DISK_PAGE_SIZE);
}

bool disk_image_equal(const struct disk_image *a, const struct disk_image *b)
{
    const uint64_t end = max_u64(a->chunk_count, b->chunk_count) * CHUNK_SIZE;
    for (uint64_t at = 0; at < end; at += DISK_PAGE_SIZE) {
        if (!pages_equal(page_at(a, at), page_at(b, at))) return false;
    }
    return true;
}
