#include "io/event.h"

#include "base/assert.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/poison.h"

enum tactus_status event_open(int *fd, struct fault *fault)
{
    const int opened = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
    if (opened < 0) {
        return fault_set(
            fault,
            (struct fault){
                .status = TACTUS_IO,
                .what = "the system gives no descriptor to wait on",
                .remedy = "close some, or raise their limit",
                .os_error = errno,
            }
        );
    }
    *fd = opened;
    return TACTUS_OK;
}

void event_signal(int fd)
{
    assert(fd >= 0);
    /* EAGAIN: it counts as far as it can, so it is readable */
    const int result = eventfd_write(fd, 1);
    assert(result == 0 || errno == EAGAIN || errno == EINTR);
}

void event_close(int fd)
{
    assert(fd >= 0);
    close(fd);
}
