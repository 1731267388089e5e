#include "io/file.h"

#include "base/assert.h"
#include "base/bytes.h"
#include "base/integer.h"
#include "io/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/poison.h"

enum {
    LOCK_STEP_MS = 10,
    PATH_SIZE_MAX = 4096,
    FILE_MODE = 0644,
};

/* The lock proper is an open file description's, which knows no process. So its holder puts an
 * ordinary lock on a byte behind it, for others to ask for whose that is. It guards nothing. */
#define LOCK_BYTES (INT64_C(1) << 62)

static enum tactus_status failed(
    struct fault *fault,
    enum tactus_status status,
    const char *what,
    const char *remedy,
    int32_t error
)
{
    return fault_set(
        fault,
        (struct fault){
            .status = status,
            .zone = FAULT_ZONE_FILE,
            .what = what,
            .remedy = remedy,
            .os_error = error,
        }
    );
}

/* ---- Directory ------------------------------------------------------------------------------ */

/* The directory that `path` is an entry of, as text. false: it is too long to be one. */
static bool directory_of(const char *path, char directory[PATH_SIZE_MAX])
{
    const size_t length = strlen(path);
    size_t end = length;
    while (end > 0 && path[end - 1] != '/') {
        end -= 1;
    }
    if (end >= PATH_SIZE_MAX) return false;
    if (end == 0) {
        directory[0] = '.';
        end = 1;
    } else {
        bytes_copy(directory, path, end);
    }
    directory[end] = 0;
    return true;
}

/* Makes the directory entry of `path` durable. */
static enum tactus_status sync_directory(const char *path, struct fault *fault)
{
    const char *what = "the data file's directory could not be synced";
    char directory[PATH_SIZE_MAX];
    if (!directory_of(path, directory)) return failed(fault, TACTUS_IO, what, NULL, ENAMETOOLONG);

    const int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return failed(fault, TACTUS_IO, what, NULL, errno);
    int result = 0;
    do {
        result = fsync(fd);
    } while (result != 0 && errno == EINTR);
    const int32_t os_error = result == 0 ? 0 : errno;
    close(fd);

    /* file systems that cannot sync a directory say EINVAL: there is nothing to be done then */
    if (os_error != 0 && os_error != EINVAL) return failed(fault, TACTUS_IO, what, NULL, os_error);
    return TACTUS_OK;
}

/* ---- Opening -------------------------------------------------------------------------------- */

static enum tactus_status open_failed(struct fault *fault, int32_t os_error)
{
    switch (os_error) {
    case ENOENT: return failed(fault, TACTUS_ABSENT, "there is no such file", NULL, os_error);
    case EEXIST:
        return failed(
            fault,
            TACTUS_EXISTS,
            "the file exists",
            "choose another name, or ask to overwrite it",
            os_error
        );
    case EBUSY:
        return failed(fault, TACTUS_BUSY, "the device is in use", "unmount it first", os_error);
    case EISDIR:
        return failed(fault, TACTUS_IO, "this is a directory, not a data file", NULL, os_error);
    case EACCES:
    case EPERM:
        return failed(
            fault,
            TACTUS_IO,
            "the data file may not be opened",
            "check its permissions and those of its directory",
            os_error
        );
    case EROFS:
        return failed(
            fault,
            TACTUS_IO,
            "the file system is read-only",
            "open the file for reading only",
            os_error
        );
    default: return failed(fault, TACTUS_IO, "the data file could not be opened", NULL, os_error);
    }
}

static enum tactus_status kind_check(
    struct reactor *reactor, const struct stat *found, struct fault *fault
)
{
    const char *what = NULL;
    if (S_ISDIR(found->st_mode)) what = "this is a directory, not a data file";
    if (S_ISFIFO(found->st_mode)) what = "this is a pipe, not a data file";
    if (S_ISCHR(found->st_mode)) what = "this is a character device, not a data file";
    if (S_ISSOCK(found->st_mode)) what = "this is a socket, not a data file";
    if (what != NULL) return failed(fault, TACTUS_IO, what, NULL, 0);

    reactor->is_device = S_ISBLK(found->st_mode);
    if (!reactor->is_device && !S_ISREG(found->st_mode)) {
        return failed(fault, TACTUS_IO, "this is neither a file nor a block device", NULL, 0);
    }
    return TACTUS_OK;
}

/* Opens and sees what it is, waiting for nothing: a pipe without a writer would hold us for
 * ever. */
static enum tactus_status descriptor_open(
    struct reactor *reactor, const struct file_open_options *options, struct fault *fault
)
{
    struct stat found;
    const bool exists = stat(options->path, &found) == 0;
    if (exists) TRY(kind_check(reactor, &found, fault));
    if (exists && options->create && !options->overwrite && !reactor->is_device) {
        return open_failed(fault, EEXIST);
    }

    int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    flags |= options->read_only ? O_RDONLY : O_RDWR;
    if (options->create && !exists) flags |= O_CREAT | O_EXCL;
    if (reactor->is_device && !options->read_only) flags |= O_EXCL; /* refused where mounted */
    do {
        reactor->fd = open(options->path, flags, FILE_MODE);
    } while (reactor->fd < 0 && errno == EINTR);
    if (reactor->fd < 0) return open_failed(fault, errno);

    reactor->is_unlinkable = options->create && !exists;
    if (fstat(reactor->fd, &found) != 0) return open_failed(fault, errno);
    TRY(kind_check(reactor, &found, fault)); /* again: of what we hold */
    return TACTUS_OK;
}

/* O_NONBLOCK has done its work, and would make io_uring give up where it should wait. Direct I/O
 * only by the file system's own word: some take the flag and mean nothing by it. */
static enum tactus_status flags_set(struct reactor *reactor, struct fault *fault)
{
    const int flags = fcntl(reactor->fd, F_GETFL);
    if (flags < 0) return open_failed(fault, errno);
    if (fcntl(reactor->fd, F_SETFL, flags & ~O_NONBLOCK) != 0) return open_failed(fault, errno);

#ifdef STATX_DIOALIGN
    struct statx found;
    const int result = statx(reactor->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &found);
    if (result != 0 || (found.stx_mask & STATX_DIOALIGN) == 0) return TACTUS_OK;
    if (found.stx_dio_offset_align == 0 || found.stx_dio_offset_align > IO_SECTOR) return TACTUS_OK;
    if (found.stx_dio_mem_align == 0 || found.stx_dio_mem_align > IO_SECTOR) return TACTUS_OK;
    reactor->is_direct = fcntl(reactor->fd, F_SETFL, (flags & ~O_NONBLOCK) | O_DIRECT) == 0;
#endif
    return TACTUS_OK;
}

static enum tactus_status size_set(struct reactor *reactor, struct fault *fault)
{
    if (reactor->is_device) {
        uint64_t size = 0;
        if (ioctl(reactor->fd, BLKGETSIZE64, &size) != 0) return open_failed(fault, errno);
        reactor->size = size;
        return TACTUS_OK;
    }
    struct stat found;
    if (fstat(reactor->fd, &found) != 0) return open_failed(fault, errno);
    reactor->size = (uint64_t)found.st_size;
    return TACTUS_OK;
}

/* ---- Lock ----------------------------------------------------------------------------------- */

static uint64_t lock_holder(int fd)
{
    struct flock asked = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_BYTES, .l_len = 1};
    if (fcntl(fd, F_GETLK, &asked) != 0) return 0;
    if (asked.l_type == F_UNLCK || asked.l_pid <= 0) return 0;
    return (uint64_t)asked.l_pid;
}

static enum tactus_status lock_busy(const struct reactor *reactor, struct fault *fault)
{
    return fault_set(
        fault,
        (struct fault){
            .status = TACTUS_BUSY,
            .zone = FAULT_ZONE_FILE,
            .what = reactor->is_read_only ? "another process has the file open for writing"
                                          : "another process has the file open",
            .remedy = "wait until it has closed the file",
            .found_number = lock_holder(reactor->fd),
        }
    );
}

static enum tactus_status lock_take(struct reactor *reactor, struct fault *fault)
{
    const short type = reactor->is_read_only ? F_RDLCK : F_WRLCK;
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = LOCK_BYTES};

    const uint64_t start_ns = backend_clock_ns(reactor);
    while (fcntl(reactor->fd, F_OFD_SETLK, &lock) != 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN && errno != EACCES) {
            return failed(
                fault, TACTUS_IO, "the file system has no locks for the data file", NULL, errno
            );
        }
        const uint64_t waited_ns = backend_clock_ns(reactor) - start_ns;
        if (waited_ns > UINT64_C(1000000) * FILE_LOCK_WAIT_MS) return lock_busy(reactor, fault);
        const struct timespec step = {.tv_nsec = LOCK_STEP_MS * 1000000L};
        nanosleep(&step, NULL);
    }
    struct flock name = {.l_type = type, .l_whence = SEEK_SET, .l_start = LOCK_BYTES, .l_len = 1};
    (void)fcntl(reactor->fd, F_SETLK, &name); /* best effort */
    return TACTUS_OK;
}

/* ---- Creating ------------------------------------------------------------------------------- */

/* A device is there before it is a data file: whether something is on it, only its bytes tell. */
static enum tactus_status device_check_empty(struct reactor *reactor, struct fault *fault)
{
    static const uint64_t offsets[] = {0, 16384, 32768, 49152};
    _Alignas(IO_SECTOR) uint8_t sector[IO_SECTOR];
    for (uint32_t i = 0; i < COUNT_OF(offsets); i += 1) {
        TRY(reactor_read(reactor, sector, sizeof sector, offsets[i], fault));
        if (!bytes_are_zero(sector, sizeof sector)) return open_failed(fault, EEXIST);
    }
    return TACTUS_OK;
}

static enum tactus_status create_begin(
    struct reactor *reactor, const struct file_open_options *options, struct fault *fault
)
{
    if (reactor->is_device) {
        if (!options->overwrite) TRY(device_check_empty(reactor, fault));
    } else if (reactor->is_unlinkable) {
        /* between making it and locking it, another may have filled it */
        if (reactor->size > 0) return open_failed(fault, EEXIST);
        TRY(sync_directory(options->path, fault));
    } else {
        if (ftruncate(reactor->fd, 0) != 0 || fsync(reactor->fd) != 0) {
            return failed(fault, TACTUS_IO, "the file could not be emptied", NULL, errno);
        }
        reactor->size = 0;
    }
    reactor->is_new = true;
    return TACTUS_OK;
}

static bool posix_is_forced(void)
{
    const char *value = getenv("TACTUS_IO");
    return value != NULL && strcmp(value, "posix") == 0;
}

static enum tactus_status backend_choose(
    struct reactor *reactor, const struct file_open_options *options, struct fault *fault
)
{
    const bool is_posix = options->io == IO_PATH_POSIX || posix_is_forced();
    if (!is_posix && backend_uring_open(reactor)) return TACTUS_OK;
    if (options->io == IO_PATH_URING && !is_posix) {
        return failed(
            fault,
            TACTUS_IO,
            "the system has no io_uring for this process",
            "leave the choice to the library: it does without",
            0
        );
    }
    reactor->backend = &backend_posix;
    return TACTUS_OK;
}

static enum tactus_status open_steps(
    struct reactor *reactor, const struct file_open_options *options, struct fault *fault
)
{
    TRY(descriptor_open(reactor, options, fault));
    TRY(lock_take(reactor, fault));
    TRY(flags_set(reactor, fault));
    TRY(size_set(reactor, fault)); /* under the lock: what it was before may have changed */
    TRY(backend_choose(reactor, options, fault));
    if (options->create) TRY(create_begin(reactor, options, fault));
    return TACTUS_OK;
}

enum tactus_status file_open(
    struct reactor *reactor, const struct file_open_options *options, struct fault *fault
)
{
    assert(options->path != NULL);
    assert(!(options->read_only && options->create));
    assert(!options->overwrite || options->create);

    *reactor =
        (struct reactor){.fd = -1, .write_limit = UINT64_MAX, .is_read_only = options->read_only};
    if (strcmp(options->path, ":memory:") == 0) return backend_memory_open(reactor, fault);

    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        reactor->write_limit = limit.rlim_cur;
    }
    const enum tactus_status status = open_steps(reactor, options, fault);
    if (status == TACTUS_OK) return TACTUS_OK;

    /* what failed may have made the file; one that others may have opened since stays */
    const bool is_ours = reactor->is_unlinkable && status != TACTUS_BUSY && status != TACTUS_EXISTS;
    if (is_ours) {
        file_discard(reactor, options->path);
    } else {
        file_close(reactor);
    }
    return status;
}

enum tactus_status file_open_sharing(
    struct reactor *sharing, const struct reactor *owner, struct fault *fault
)
{
    assert(owner->backend != NULL);
    assert(owner->owner == NULL);
    *sharing = (struct reactor){
        .owner = owner,
        .fd = owner->fd,
        .is_read_only = owner->is_read_only,
        .is_device = owner->is_device,
        .is_direct = owner->is_direct,
    };
    if (owner->backend->share != NULL && owner->backend->share(sharing, owner)) return TACTUS_OK;
    *sharing = (struct reactor){.fd = -1};
    return failed(fault, TACTUS_IO, "this kind of file serves one thread alone", NULL, 0);
}

void file_close(struct reactor *reactor)
{
    if (reactor->backend != NULL) {
        while (reactor->in_flight > 0) {
            reactor->backend->reap(reactor, true);
        }
        reactor->backend->close(reactor);
    }
    /* durable or poisoned long before: what close() says can change nothing */
    if (reactor->fd >= 0 && reactor->owner == NULL) close(reactor->fd);
    *reactor = (struct reactor){.fd = -1};
}

void file_abandon(struct reactor *reactor)
{
    if (reactor->backend != NULL && reactor->backend->abandon != NULL) {
        reactor->backend->abandon(reactor);
    }
    /* The lock is the open file's, not the descriptor's: the parent's descriptor keeps it. */
    if (reactor->fd >= 0 && reactor->owner == NULL) close(reactor->fd);
    *reactor = (struct reactor){.fd = -1};
}

void file_discard(struct reactor *reactor, const char *path)
{
    /* under the lock, or a file that another process makes at once could be hit */
    if (reactor->is_unlinkable) (void)unlink(path);
    file_close(reactor);
}

uint64_t file_size(const struct reactor *reactor)
{
    assert(reactor->backend != NULL);
    return reactor_of_file(reactor)->size;
}

enum tactus_status file_grow(struct reactor *reactor, uint64_t size, struct fault *fault)
{
    assert(reactor->backend != NULL);
    assert(reactor->owner == NULL);
    assert(!reactor->is_read_only);
    assert(size % IO_SECTOR == 0);
    if (size <= reactor->size) return TACTUS_OK;
    const enum tactus_status status = reactor->backend->grow(reactor, size, fault);
    if (status == TACTUS_OK) assert(reactor->size >= size);
    return status;
}
