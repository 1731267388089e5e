#include "io/backend.h"

#include "base/assert.h"
#include "base/integer.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/poison.h"

enum { ZEROS_SIZE = 1 << 16 };

static enum tactus_status grow_failed(struct fault *fault, uint64_t size, int32_t os_error)
{
    const bool is_full = os_error == ENOSPC || os_error == EDQUOT || os_error == EFBIG;
    return fault_set(
        fault,
        (struct fault){
            .status = is_full ? TACTUS_FULL : TACTUS_IO,
            .zone = FAULT_ZONE_FILE,
            .what = "the data file could not be made longer",
            .remedy =
                is_full ? "make room on the disk, or raise the quota or file size limit" : NULL,
            .byte = size,
            .os_error = os_error,
        }
    );
}

/* It may have been told of any write before: so nobody can say what is on the disk. */
static enum tactus_status flush_failed(struct fault *fault, uint64_t size, int32_t os_error)
{
    return fault_set(
        fault,
        (struct fault){
            .status = TACTUS_POISONED,
            .zone = FAULT_ZONE_FILE,
            .what = "a flush failed after the data file was made longer",
            .byte = size,
            .os_error = os_error,
        }
    );
}

/* For file systems without fallocate (NFS 3, FAT): only what was written is sure to have room. */
static int32_t write_zeros(int fd, uint64_t offset, uint64_t end)
{
    static _Alignas(IO_SECTOR)
        uint8_t zeros[ZEROS_SIZE]; /* not const: so it takes no room on disk */
    while (offset < end) {
        const size_t piece = (size_t)min_u64(end - offset, ZEROS_SIZE);
        const ssize_t written = pwrite(fd, zeros, piece, (off_t)offset);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno;
        if (written == 0 || written % IO_SECTOR != 0) return EIO;
        offset += (uint64_t)written;
    }
    return 0;
}

/* The old end may lie within a sector, of a file that was cut; from there on all must be zero. */
static int32_t allocate(int fd, uint64_t old_size, uint64_t size)
{
    int result = 0;
    do {
        result = fallocate(fd, 0, (off_t)old_size, (off_t)(size - old_size));
    } while (result != 0 && errno == EINTR);
    if (result == 0) return 0;
    if (errno != EOPNOTSUPP && errno != ENOSYS) return errno;
    return write_zeros(fd, round_down_u64(old_size, IO_SECTOR), size);
}

enum tactus_status backend_grow_on_disk(struct reactor *reactor, uint64_t size, struct fault *fault)
{
    assert(size > reactor->size);
    assert(!reactor->is_read_only);
    if (reactor->is_device || size > INT64_MAX) return grow_failed(fault, size, ENOSPC);

    /* asked again each time: the host may have changed it */
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0) {
        reactor->write_limit = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
    }
    if (size > reactor->write_limit) return grow_failed(fault, size, EFBIG);

    const int32_t os_error = allocate(reactor->fd, reactor->size, size);
    if (os_error != 0) return grow_failed(fault, size, os_error);

    int result = 0;
    do {
        result = fsync(reactor->fd);
    } while (result != 0 && errno == EINTR);
    if (result != 0) return flush_failed(fault, size, errno);

    reactor->size = size;
    return TACTUS_OK;
}
