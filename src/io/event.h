/* An eventfd: a descriptor that poll(2) finds readable once something was signalled, until somebody
 * reads it. For programs that wait for many things at once. */
#ifndef TACTUS_IO_EVENT_H
#define TACTUS_IO_EVENT_H

#include "base/status.h"

/* One that is readable from the beginning, nonblocking, and closed by exec(). *fd is the caller's
 * until event_close. TACTUS_IO: the system has none left. */
enum tactus_status event_open(int *fd, struct fault *fault) __attribute__((warn_unused_result));

/* Makes it readable. Never waits. */
void event_signal(int fd);

void event_close(int fd);

#endif
