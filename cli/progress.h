/* The progress bar on standard error: on a terminal only, and only after the first second. */
#ifndef TACTUS_CLI_PROGRESS_H
#define TACTUS_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* Nanoseconds of a clock that never goes back. */
uint64_t clock_ns(void);

/* `bytes_total` 0: unknown, so there is a count and a rate but no bar and no time left. */
void progress_begin(uint64_t bytes_total);

/* To be called often: it looks at the clock at most once in some calls and draws at most ten times
 * a second. */
void progress_update(uint64_t bytes_done, uint64_t rows_done);

/* Takes the bar off the screen; the next update draws it again. Fine when there is none. */
void progress_clear(void);

void progress_end(void);

#endif
