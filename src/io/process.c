#include "io/process.h"

#include "base/assert.h"

#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/poison.h"

enum { PAGE_SIZE_ASKED = 4096 }; /* the kernel rounds up */
#define PROCESS_IS_HERE UINT64_C(1)

void process_mark_open(struct process_mark *mark)
{
    *mark = (struct process_mark){.pid = (int)getpid()};
    void *page =
        mmap(NULL, PAGE_SIZE_ASKED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return;
    if (madvise(page, PAGE_SIZE_ASKED, MADV_WIPEONFORK) != 0) {
        (void)munmap(page, PAGE_SIZE_ASKED);
        return;
    }
    *(uint64_t *)page = PROCESS_IS_HERE;
    mark->page = page;
}

bool process_mark_is_child(const struct process_mark *mark)
{
    if (mark->page == NULL) return mark->pid != (int)getpid();
    return *mark->page != PROCESS_IS_HERE;
}

void process_mark_close(struct process_mark *mark)
{
    if (mark->page == NULL) return;
    const int result = munmap((void *)(uintptr_t)mark->page, PAGE_SIZE_ASKED);
    assert(result == 0);
    mark->page = NULL;
}
