#ifndef TACTUS_BASE_PROGRESS_H
#define TACTUS_BASE_PROGRESS_H

/* What an activity's x_advance() answers. */
enum progress {
    PROGRESS_DONE,
    PROGRESS_WAIT,   /* for I/O in flight: wait for some of it, then advance again */
    PROGRESS_FAILED, /* the activity holds the status; it is not advanced again */
};

#endif
