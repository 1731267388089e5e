#include "progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { BAR_CELLS = 24 };

/* One bar is enough for a process that does one thing. */
static struct {
    bool is_on; /* between begin and end, on a terminal */
    bool is_drawn;
    uint64_t bytes_total;
    uint64_t begin_ns;
    uint64_t drawn_ns;
} bar;

uint64_t clock_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void progress_begin(uint64_t bytes_total)
{
    bar.is_on = isatty(STDERR_FILENO) != 0;
    bar.is_drawn = false;
    bar.bytes_total = bytes_total;
    bar.begin_ns = clock_ns();
    bar.drawn_ns = bar.begin_ns + 900000000u; /* so that the first one comes after a second */
}

static void draw(double done, double seconds, uint64_t rows)
{
    char cells[BAR_CELLS + 1];
    for (int i = 0; i < BAR_CELLS; i += 1)
        cells[i] = (double)i < done * BAR_CELLS ? '#' : '.';
    cells[BAR_CELLS] = 0;

    const double left = done > 0 ? seconds / done - seconds : 0;
    (void)fprintf(
        stderr,
        "\r\033[K[%s] %3.0f %%  %llu rows  %.0f rows/s  %.0f s left",
        cells,
        done * 100,
        (unsigned long long)rows,
        (double)rows / seconds,
        left
    );
}

void progress_update(uint64_t bytes_done, uint64_t rows_done)
{
    if (!bar.is_on) return;
    const uint64_t now = clock_ns();
    if (now < bar.drawn_ns + 100000000u) return;

    bar.drawn_ns = now;
    bar.is_drawn = true;
    const double seconds = (double)(now - bar.begin_ns) / 1e9;
    if (bar.bytes_total > 0) {
        const double done = (double)bytes_done / (double)bar.bytes_total;
        draw(done > 1 ? 1 : done, seconds, rows_done);
    } else {
        (void)fprintf(
            stderr,
            "\r\033[K%llu rows  %.0f rows/s",
            (unsigned long long)rows_done,
            (double)rows_done / seconds
        );
    }
    (void)fflush(stderr);
}

void progress_clear(void)
{
    if (!bar.is_drawn) return;
    bar.is_drawn = false;
    (void)fputs("\r\033[K", stderr);
}

void progress_end(void)
{
    progress_clear();
    bar.is_on = false;
}
