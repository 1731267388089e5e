#include "io/process.h"

#include "support/test.h"

#include <stddef.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/poison.h"

/* What the child of a fork() says, and its own child. */
static void expect_told_apart(struct process_mark *mark)
{
    EXPECT(!process_mark_is_child(mark));
    const pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        const bool in_child = process_mark_is_child(mark);
        const pid_t grandchild = fork();
        if (grandchild == 0) _exit(process_mark_is_child(mark) ? 0 : 1);
        int status = 1;
        const bool waited = waitpid(grandchild, &status, 0) == grandchild;
        process_mark_close(mark);
        _exit(in_child && waited && status == 0 ? 0 : 1);
    }
    int status = 1;
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT(!process_mark_is_child(mark));
}

TEST(process, a_child_is_told_from_its_parent)
{
    struct process_mark mark;
    process_mark_open(&mark);
    EXPECT(mark.page != NULL);
    expect_told_apart(&mark);
    process_mark_close(&mark);
    process_mark_close(&mark); /* a closed one is fine */
}

TEST(process, without_such_pages_the_number_tells)
{
    struct process_mark mark = {.page = NULL, .pid = (int)getpid()};
    expect_told_apart(&mark);
    process_mark_close(&mark);
}

TEST_MAIN()
