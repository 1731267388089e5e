/* Which process opened something, told without a system call: a page that the kernel empties in the
 * child of every fork(), however it is called. */
#ifndef TACTUS_IO_PROCESS_H
#define TACTUS_IO_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

struct process_mark {
    const volatile uint64_t *page; /* owned; NULL: the kernel has no such pages */
    int pid;                       /* asked for then, at every look */
};

/* Marks this process. Cannot fail: at worst it is slower. */
void process_mark_open(struct process_mark *mark);

/* Whether this is not the process that was marked, but a child of it. */
bool process_mark_is_child(const struct process_mark *mark);

/* In the child, too. */
void process_mark_close(struct process_mark *mark);

#endif
