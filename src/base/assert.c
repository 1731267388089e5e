#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/poison.h"

_Noreturn void assert_failed(const char *fact, const char *file, int line, const char *function)
{
    (void)fprintf(stderr, "tactus: %s:%d: %s: assertion failed: %s\n", file, line, function, fact);
    abort();
}
