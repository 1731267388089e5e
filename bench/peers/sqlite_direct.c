#include "sqlite_direct.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ALIGNMENT = 4096, BOUNCE_SIZE = 2 * 65536 /* the largest page, wherever it begins */ };

struct direct_file {
    sqlite3_file base; /* first: SQLite knows no more of it */
    int descriptor;
    uint8_t *bounce; /* owned, aligned: SQLite's own buffers are not */
};

static int file_close(sqlite3_file *base)
{
    struct direct_file *file = (struct direct_file *)base;
    (void)close(file->descriptor);
    free(file->bounce);
    return SQLITE_OK;
}

static int file_read(sqlite3_file *base, void *target, int size, sqlite3_int64 offset)
{
    struct direct_file *file = (struct direct_file *)base;
    const int64_t begin = offset / ALIGNMENT * ALIGNMENT;
    const int64_t end = (offset + size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (end - begin > BOUNCE_SIZE) return SQLITE_IOERR_READ;
    const ssize_t got = pread(file->descriptor, file->bounce, (size_t)(end - begin), begin);
    if (got < 0) return SQLITE_IOERR_READ;
    const int64_t there = begin + got - offset;
    const int64_t usable = there < 0 ? 0 : there < size ? there : size;
    memcpy(target, file->bounce + (offset - begin), (size_t)usable);
    if (usable == size) return SQLITE_OK;
    memset((uint8_t *)target + usable, 0, (size_t)(size - usable)); /* as SQLite wants it */
    return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *base, const void *source, int size, sqlite3_int64 offset)
{
    (void)base, (void)source, (void)size, (void)offset;
    return SQLITE_READONLY;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    (void)base, (void)size;
    return SQLITE_READONLY;
}

static int file_with_flags(sqlite3_file *base, int flags) /* sync, lock, unlock */
{
    (void)base, (void)flags;
    return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size)
{
    const struct direct_file *file = (const struct direct_file *)base;
    struct stat status;
    if (fstat(file->descriptor, &status) != 0) return SQLITE_IOERR_FSTAT;
    *size = status.st_size;
    return SQLITE_OK;
}

static int file_is_reserved(sqlite3_file *base, int *answer)
{
    (void)base;
    *answer = 0;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int what, void *argument)
{
    (void)base, (void)what, (void)argument;
    return SQLITE_NOTFOUND;
}

static int file_sector(sqlite3_file *base)
{
    (void)base;
    return ALIGNMENT;
}

static int file_characteristics(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_IMMUTABLE;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_with_flags,
    .xFileSize = file_size,
    .xLock = file_with_flags,
    .xUnlock = file_with_flags,
    .xCheckReservedLock = file_is_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_characteristics,
};

/* The database; all else, of which there is nothing as long as it is only read, is the usual VFS's
 * concern. */
static int direct_open(
    sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *flags_out
)
{
    sqlite3_vfs *usual = vfs->pAppData;
    if ((flags & SQLITE_OPEN_MAIN_DB) == 0)
        return usual->xOpen(usual, name, base, flags, flags_out);

    struct direct_file *file = (struct direct_file *)base;
    memset(file, 0, sizeof *file);
    file->bounce = aligned_alloc(ALIGNMENT, BOUNCE_SIZE);
    if (file->bounce == NULL) return SQLITE_NOMEM;
    file->descriptor = open(name, O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (file->descriptor < 0) {
        free(file->bounce);
        return SQLITE_CANTOPEN;
    }
    file->base.pMethods = &methods;
    if (flags_out != NULL) *flags_out = SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB;
    return SQLITE_OK;
}

int sqlite_direct_register(void)
{
    static sqlite3_vfs vfs;
    if (sqlite3_vfs_find(SQLITE_DIRECT_NAME) != NULL) return SQLITE_OK;
    sqlite3_vfs *usual = sqlite3_vfs_find(NULL);
    if (usual == NULL) return SQLITE_ERROR;
    vfs = *usual;
    vfs.zName = SQLITE_DIRECT_NAME;
    vfs.pNext = NULL;
    vfs.pAppData = usual;
    vfs.xOpen = direct_open;
    if (vfs.szOsFile < (int)sizeof(struct direct_file)) vfs.szOsFile = sizeof(struct direct_file);
    return sqlite3_vfs_register(&vfs, 0);
}
