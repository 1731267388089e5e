#include "io/event.h"

#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/poison.h"

static bool is_readable(int fd)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    EXPECT(poll(&pollfd, 1, 0) >= 0);
    return pollfd.revents == POLLIN;
}

TEST(event, is_readable_at_first_and_when_it_was_signalled)
{
    int fd = -1;
    EXPECT(event_open(&fd, NULL) == TACTUS_OK);
    EXPECT(is_readable(fd));
    uint64_t count = 0;
    EXPECT(read(fd, &count, sizeof count) == (ssize_t)sizeof count && count == 1);
    EXPECT(!is_readable(fd));
    EXPECT(read(fd, &count, sizeof count) < 0 && errno == EAGAIN); /* it does not block */
    for (uint32_t times = 0; times < 3; times += 1)
        event_signal(fd);
    EXPECT(is_readable(fd));
    EXPECT(read(fd, &count, sizeof count) == (ssize_t)sizeof count && count == 3);
    EXPECT((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    event_close(fd);
    EXPECT(fcntl(fd, F_GETFD) < 0 && errno == EBADF);
}

TEST(event, one_that_is_full_is_readable_all_the_same)
{
    int fd = -1;
    EXPECT(event_open(&fd, NULL) == TACTUS_OK);
    const uint64_t most = UINT64_MAX - 2;
    EXPECT(write(fd, &most, sizeof most) == (ssize_t)sizeof most);
    for (uint32_t times = 0; times < 3; times += 1)
        event_signal(fd);
    EXPECT(is_readable(fd));
    event_close(fd);
}

TEST(event, the_system_may_have_none)
{
    const int next = dup(0);
    EXPECT(next >= 0);
    (void)close(next);
    struct rlimit before;
    EXPECT(getrlimit(RLIMIT_NOFILE, &before) == 0);
    const struct rlimit few = {.rlim_cur = (rlim_t)next, .rlim_max = before.rlim_max};
    EXPECT(setrlimit(RLIMIT_NOFILE, &few) == 0);
    int fd = -1;
    struct fault fault = {0};
    const enum tactus_status status = event_open(&fd, &fault);
    EXPECT(setrlimit(RLIMIT_NOFILE, &before) == 0);
    EXPECT(status == TACTUS_IO && fd == -1);
    EXPECT(fault.os_error == EMFILE && fault.what != NULL && fault.remedy != NULL);
}

TEST_MAIN()
